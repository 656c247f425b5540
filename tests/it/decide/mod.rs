//! Decisions on constructed tests: an ad account that counts visitors and money, a form that hands
//! over people, and as many days as a story needs.

#![allow(clippy::float_cmp, reason = "sums of whole numbers and literals are exact")]

mod ahead;
mod aloud;
mod cards;
mod course;
mod doubts;
mod drawn;
mod mapping;
mod matrix;
mod models;
mod money;
mod people;
mod portfolio;
mod prices;
mod properties;
mod raised;
mod stories;
mod traffic;
mod versions;
mod words;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use willitsell::domain::concept::*;
use willitsell::domain::connector::Facts;
use willitsell::domain::id::{ArmId, ConceptId, SourceId};
use willitsell::domain::metric::MetricId;
use willitsell::domain::millionths::ONE;
use willitsell::domain::money::{Currency, Money, parse_amount};
use willitsell::domain::observation::{Inputs, Observation, Pull, Values};
use willitsell::domain::portfolio::FalseBuildRate;
use willitsell::domain::response::{Answers, Depth, PersonHash, Response};
use willitsell::domain::verdict::{Generation, Scorecard};

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn usd(text: &str) -> Money {
    parse_amount(text, Currency::from_code("USD").unwrap()).unwrap()
}

/// Sign-ups of visitors, 3 % against 4.5 %, all else as it is unless set.
pub fn policy() -> Policy {
    Policy {
        primary: Rate { name: "signup".into(), numerator: MetricId::SIGNUPS, denominator: MetricId::VISITS },
        kill_bar: 0.03,
        build_bar: 0.045,
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
    }
}

/// A concept with an arm for each name, keyed by that name in both sources, from Mon 2 March 2026.
pub fn experiment(arms: &[&str]) -> Experiment {
    let source = |id: &str, metrics: &[MetricId], channel: Option<&str>| Source {
        id: SourceId::new(id),
        connector: "fake".into(),
        channel: channel.map(Into::into),
        maturity_lag_days: 3,
        metrics: metrics.to_vec(),
        leave_out: [].into(),
        people: (id == "form").then_some(Depth::Email),
        depth: None,
        nameless: false,
        names_apart: false,
        fractional: vec![],
        scheduled: true,
        set_aside: [].into(),
        accept_shrink: None,
    };
    Experiment {
        concept: Concept {
            id: ConceptId::new("invoice-autopilot"),
            title: "Invoice Autopilot".into(),
            hypothesis: "At least 3 % of finance leads leave a sign-up at $79 a month".into(),
        },
        schedule: "0 6 * * *".parse().unwrap(),
        timezone: Tz::UTC,
        start: day("2026-03-02"),
        stop: None,
        arms: arms
            .iter()
            .map(|name| Arm {
                id: ArmId::new(*name),
                title: format!("Plan {name}"),
                control: false,
                keys: ["ads", "form"].map(|id| (SourceId::new(id), vec![(*name).to_owned()])).into(),
                price: None,
                until: None,
            })
            .collect(),
        sources: vec![
            source("ads", &[MetricId::VISITS, MetricId::SPEND], Some("google_ads")),
            source("form", &[MetricId::SIGNUPS], None),
        ],
        notify: vec![],
        audiences: vec![],
        policy: policy(),
        money: MoneyInputs::default(),
        false_build_rate: FalseBuildRate::Each,
        day_notes: vec![],
        internal: vec![],
        owner: Some("Dana, head of product".into()),
        decide_within_days: 5,
    }
}

pub fn cost_guardrail(max: f64) -> Guardrail {
    Guardrail {
        name: "cost per sign-up".into(),
        numerator: MetricId::SPEND,
        denominator: MetricId::SIGNUPS,
        limit: Limit::Max(max),
        margin: 0.25,
    }
}

pub fn generation() -> Generation {
    Generation { number: 1, first_day: day("2026-03-02"), policy_hash: "policy".into() }
}

/// What one arm brings on each day.
pub struct Daily {
    pub key: &'static str,
    pub visits: i64,
    /// Sign-ups of the day with this number, from 0.
    pub signups: fn(u64) -> u64,
    pub spend: i64,
}

pub fn row(source: &str, on: NaiveDate, key: &str, values: &[(MetricId, i64)]) -> Observation {
    let mut all = Values::default();
    for &(metric, value) in values {
        all.set(metric, Some(value * ONE));
    }
    Observation { source: SourceId::new(source), day: on, arm_key: key.into(), pull_id: 1, values: all }
}

pub fn signup(id: &str, key: &str, at: DateTime<Utc>) -> Response {
    Response {
        source: SourceId::new("form"),
        response_id: id.into(),
        person: Some(PersonHash::from_hex(format!("person {id}"))),
        domain: None,
        mark: None,
        depth: Depth::Email,
        void: None,
        arm_key: key.into(),
        answers: Answers::default(),
        at,
        pull_id: 1,
    }
}

/// One good pull a day of both sources, each at 06:00 and from the first day on.
pub fn pulls(experiment: &Experiment, days: u64) -> Vec<Pull> {
    let mut pulls = vec![];
    for number in 0..=days {
        let on = experiment.start + Days::new(number);
        for source in &experiment.sources {
            pulls.push(Pull {
                id: i64::try_from(pulls.len()).unwrap() + 1,
                run_id: format!("run-{number}"),
                source: source.id.clone(),
                first_day: experiment.start,
                last_day: on,
                currency: source.metrics.contains(&MetricId::SPEND).then(|| usd("0").currency),
                facts: Facts::default(),
                day_zone: Tz::UTC,
                committed_at: on.and_hms_opt(6, 0, 1).unwrap().and_utc(),
            });
        }
    }
    pulls
}

/// `days` days of the arms' traffic, read each morning; the last reading is that of [`as_of`].
pub fn inputs(experiment: &Experiment, days: u64, arms: &[Daily]) -> Inputs {
    let mut data = Inputs { pulls: pulls(experiment, days), ..Inputs::default() };
    for number in 0..days {
        let on = experiment.start + Days::new(number);
        for arm in arms {
            let counted = [(MetricId::VISITS, arm.visits), (MetricId::SPEND, arm.spend)];
            data.observations.push(row("ads", on, arm.key, &counted));
            for act in 0..(arm.signups)(number) {
                let at = on.and_hms_opt(9, 0, 0).unwrap().and_utc() + TimeDelta::minutes(act.try_into().unwrap());
                data.responses.push(signup(&format!("{}-{number}-{act}", arm.key), arm.key, at));
            }
        }
    }
    data
}

/// 06:00 on the morning after so many days.
pub fn as_of(experiment: &Experiment, days: u64) -> DateTime<Utc> {
    (experiment.start + Days::new(days)).and_hms_opt(6, 0, 0).unwrap().and_utc()
}

pub fn decide(experiment: &Experiment, days: u64, data: &Inputs) -> Scorecard {
    willitsell::decide::decide(experiment, &generation(), data, as_of(experiment, days))
}

/// A concept that sells.
pub const SELLS: Daily = Daily { key: "a", visits: 100, signups: |_| 8, spend: 300 };
/// One that does not.
pub const DUD: Daily = Daily { key: "a", visits: 100, signups: |day| day % 2, spend: 300 };
/// One between the bars, at 3.5 to 4 %.
pub const BETWEEN: Daily = Daily { key: "a", visits: 100, signups: |day| 3 + day % 2, spend: 300 };
