//! From "what is due?" to a stored verdict and a delivered message: `due` decides, `tick` does one
//! experiment once, `deliver` empties the outbox, `daemon` repeats.

pub mod agreement;
pub mod clock;
pub mod daemon;
pub mod deadline;
pub mod deliver;
pub mod digests;
pub mod due;
pub mod early;
pub mod logins;
pub mod notices;
pub mod portfolio;
pub mod pull;
pub mod recall;
pub mod reminders;
pub mod sunsets;
pub mod survey;
pub mod tick;
pub mod turns;
pub mod verdicts;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::connect::Registry;
use crate::domain::connector::{SourceAccess, TokenVault};
use crate::domain::id::{DestinationId, SourceId};
use crate::domain::template::Telling;
use crate::health::Health;
use crate::notify::Notifier;
use crate::store::Store;
use clock::Clock;
use turns::Turns;

/// What a tick works with. `app` builds it once.
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<Store>,
    /// Every connector by name.
    pub registry: Registry,
    /// Every configured source with its settings and login.
    pub sources: BTreeMap<SourceId, SourceAccess>,
    /// Where access tokens live between calls.
    pub tokens: Box<dyn TokenVault>,
    /// Every configured destination.
    pub notifiers: BTreeMap<DestinationId, Box<dyn Notifier>>,
    /// How messages are put to those who get them.
    pub telling: Telling,
    /// Who reads which source now.
    pub turns: Arc<Turns>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How things are going.
    pub health: Arc<Health>,
}

/// The program failed where it should not have; the log says where. What it was working on is thrown away.
#[derive(Debug)]
struct Panicked;

/// Does some work; a fault of the program in it ends the work alone.
fn caught<T>(work: impl Future<Output = T>) -> impl Future<Output = Result<T, Panicked>> {
    let work = Box::pin(work);
    async move { AssertUnwindSafe(work).catch_unwind().await.map_err(|_| Panicked) }
}

#[cfg(test)]
mod tests {
    use crate::domain::concept::{
        Boundary, Concept, Dispersion, Experiment, Model, MoneyInputs, Multiplicity, Policy, Rate,
    };
    use crate::domain::id::ConceptId;
    use crate::domain::metric::MetricId;
    use crate::domain::portfolio::FalseBuildRate;

    /// An experiment with nothing but a season.
    pub fn experiment(schedule: &str, start: &str, stop: Option<&str>) -> Experiment {
        let primary = Rate { name: "signup".into(), numerator: MetricId::SIGNUPS, denominator: MetricId::CLICKS };
        let policy = Policy {
            primary,
            kill_bar: 0.02,
            build_bar: 0.03,
            alpha: 0.05,
            beta: 0.05,
            min_days: 14,
            min_exposures: 300,
            min_conversions: 10,
            maturity_lag_days: 3,
            horizon_days: 60,
            budget_cap: None,
            dispersion: Dispersion::Auto,
            boundary: Boundary::Daily,
            multiplicity: Multiplicity::Bonferroni,
            guardrails: vec![],
            guardrail_alpha: 0.05,
            model: Model::Rate,
            bar_currency: None,
            srm: None,
            icp: vec![],
        };
        Experiment {
            concept: Concept { id: ConceptId::new("cat-meals"), title: "Cat meals".into(), hypothesis: "…".into() },
            schedule: schedule.parse().unwrap(),
            timezone: chrono_tz::UTC,
            start: start.parse().unwrap(),
            stop: stop.map(|stop| stop.parse().unwrap()),
            arms: vec![],
            sources: vec![],
            notify: vec![],
            audiences: vec![],
            policy,
            money: MoneyInputs::default(),
            false_build_rate: FalseBuildRate::Each,
            day_notes: vec![],
            internal: vec![],
            owner: None,
            decide_within_days: 5,
        }
    }
}
