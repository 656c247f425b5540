//! What must be in a store, and what must be said of it, worked out from the simulated truth: neither the pull code nor the store
//! has a part in it. Who did what on which day is counted here anew; only the rule that turns counts into a verdict is the
//! program's own, `decide`, given inputs that are built straight from the truth.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use willitsell::app::App;
use willitsell::domain::concept::Experiment;
use willitsell::domain::connector::Facts;
use willitsell::domain::id::SourceId;
use willitsell::domain::metric::MetricId;
use willitsell::domain::observation::{Inputs, Observation, Pull, Values};
use willitsell::domain::response::{Answers, Depth, PersonHash, Response};
use willitsell::domain::verdict::{Generation, Scorecard};
use willitsell::sandbox::world::Level;
use willitsell::sandbox::{World, demo};

use crate::project::experiment;

const ONE: i64 = 1_000_000;

fn millionths(number: u64) -> i64 {
    i64::try_from(number).unwrap() * ONE
}

/// All that a concept's sources can tell at `now`, as if it had been read without a flaw at `read_at`.
fn inputs(world: &World, experiment: &Experiment, form_id: &str, now: DateTime<Utc>, read_at: DateTime<Utc>) -> Inputs {
    let today = now.with_timezone(&world.zone).date_naive();
    let form = SourceId::new(format!("{}-form", experiment.concept.id));
    let observations = world.rows(Level::Campaign, experiment.start, today, today).map(|row| {
        let mut values = Values::default();
        values.set(MetricId::IMPRESSIONS, Some(millionths(row.figures.impressions)));
        values.set(MetricId::CLICKS, Some(millionths(row.figures.clicks)));
        values.set(MetricId::SPEND, Some(row.figures.cost_micros.try_into().unwrap()));
        let conversions = i64::try_from(row.figures.conversion_hundredths).unwrap() * (ONE / 100);
        values.set(MetricId::CONVERSIONS, Some(conversions));
        values.set(MetricId::ENGAGEMENTS, Some(millionths(row.figures.engagements)));
        Observation {
            source: SourceId::new("search"),
            day: row.day,
            arm_key: row.id.to_string().into(),
            pull_id: 1,
            values,
        }
    });
    let mut observations: Vec<_> = observations.collect();
    observations.sort_by(|one, other| (one.day, &one.arm_key).cmp(&(other.day, &other.arm_key)));
    let shown = world.acts(form_id, now).into_iter().filter(|act| act.is_shown(now));
    let mut responses: Vec<_> = shown
        .map(|act| Response {
            source: form.clone(),
            response_id: act.response_id,
            person: Some(PersonHash::from_hex(act.email.to_lowercase())),
            domain: None,
            mark: None,
            depth: Depth::Email,
            void: None,
            arm_key: act.arm,
            answers: Answers::default(),
            at: act.at,
            pull_id: 2,
        })
        .collect();
    responses.sort_by(|one, other| one.response_id.cmp(&other.response_id));
    let pull = |id, source: SourceId, currency, day_zone| Pull {
        id,
        run_id: "oracle".into(),
        source,
        first_day: experiment.start,
        last_day: read_at.with_timezone(&day_zone).date_naive(),
        currency,
        day_zone,
        facts: Facts::default(),
        committed_at: read_at,
    };
    let search = pull(1, SourceId::new("search"), Some(world.currency), world.zone);
    let pulls = vec![search, pull(2, form, None, experiment.timezone)];
    Inputs { observations, responses, pulls, ..Inputs::default() }
}

/// Clicks and people of the settled days, from the truth alone.
fn counted(world: &World, form_id: &str, now: DateTime<Utc>, until: NaiveDate) -> (f64, f64) {
    let today = now.with_timezone(&world.zone).date_naive();
    let concept = world.form(form_id).unwrap();
    let own: BTreeSet<u64> = concept.arms.iter().flat_map(|arm| &arm.campaigns).map(|campaign| campaign.id).collect();
    let rows = world.rows(Level::Campaign, world.first_day, until, today);
    let clicks: u64 = rows.filter(|row| own.contains(&row.id)).map(|row| row.figures.clicks).sum();
    let people: u64 =
        world.people(form_id, now).into_iter().filter(|((day, _), _)| *day <= until).map(|(_, number)| number).sum();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let both = (clicks as f64, people as f64);
    both
}

/// Holds the last verdict on each concept, given at the instant of its last run, against the truth of `now`.
pub fn judge(app: &App, world: &World, cards: &BTreeMap<&'static str, (Scorecard, DateTime<Utc>)>, now: DateTime<Utc>) {
    for concept in demo::concepts() {
        let (card, read_at) = &cards[concept.id];
        let experiment = experiment(app, concept.id);
        let form = &concept.truth.form_id;
        let generation = Generation {
            number: 1,
            first_day: experiment.start,
            policy_hash: willitsell::decide::policy_hash(experiment),
        };
        let truth = inputs(world, experiment, form, now, *read_at);
        let expected = willitsell::decide::decide(experiment, &generation, &truth, card.as_of);
        let said = |card: &Scorecard| {
            let Scorecard { verdict, reasons, arms, spend, last_settled_day, data_hash, policy_hash, .. } =
                card.clone();
            (verdict, reasons, arms, spend, last_settled_day, data_hash, policy_hash)
        };
        assert_eq!(said(card), said(&expected), "{}: the verdict is not the oracle's", concept.id);
        let (clicks, people) = counted(world, form, now, card.last_settled_day);
        let seen = &card.arms[0].evidence;
        assert!(
            (seen.trials - clicks).abs() < 1e-6 && (seen.successes - people).abs() < 1e-6,
            "{}: {} of {} were counted, and {people} of {clicks} are true",
            concept.id,
            seen.successes,
            seen.trials
        );
    }
}
