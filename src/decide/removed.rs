//! Arms that the user took out while their test runs. The test goes on with all it began with: leaving one out of the sums
//! after its numbers were seen would be choosing by result. What it had counted stays; nothing is added to it.

use chrono::NaiveDate;

use super::policy_hash;
use crate::domain::concept::Experiment;
use crate::domain::decision::Setup;

/// What is configured today, with the arms the running test has besides; as configured where anything else that is fixed
/// when a test begins was changed too, for that begins a new one. An arm is frozen on the day before it is missed.
pub fn continued(configured: &Experiment, running: &Setup, today: NaiveDate) -> Experiment {
    let mut all = configured.clone();
    for arm in &running.experiment.arms {
        if configured.arms.iter().any(|kept| kept.id == arm.id) {
            continue;
        }
        let mut arm = arm.clone();
        arm.until = arm.until.or(today.pred_opt());
        for (source, keys) in &mut arm.keys {
            // A key that was given to another arm is that arm's.
            keys.retain(|key| {
                !configured.arms.iter().any(|kept| kept.keys.get(source).is_some_and(|own| own.contains(key)))
            });
        }
        all.arms.push(arm);
    }
    all.arms.sort_by(|one, other| one.id.cmp(&other.id));
    let begun = running.generation.first_day < today;
    if begun && policy_hash(&all) == running.generation.policy_hash { all } else { configured.clone() }
}
