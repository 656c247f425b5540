//! D4: every combination of missing counts, zeros and equal numbers, on one version and on two.

use willitsell::decide::{derivation, explain};
use willitsell::domain::verdict::{Reason, Verdict};

use super::*;

const COUNTED: [MetricId; 5] =
    [MetricId::IMPRESSIONS, MetricId::CLICKS, MetricId::VISITS, MetricId::SPEND, MetricId::FORM_OPENS];

/// What an arm brings each day: every metric missing, nothing, or the same number; and sign-ups, none or equal.
fn combinations() -> Vec<([Option<i64>; 5], u64)> {
    let values = [None, Some(0), Some(40)];
    let mut all = vec![];
    for number in 0..3_usize.pow(5) {
        let metrics = std::array::from_fn(|place| values[number / 3_usize.pow(u32::try_from(place).unwrap()) % 3]);
        all.extend([(metrics, 0), (metrics, 2)]);
    }
    all
}

fn brought(experiment: &Experiment, days: u64, metrics: &[Option<i64>; 5], signups: u64) -> Inputs {
    let mut data = Inputs { pulls: pulls(experiment, days), ..Inputs::default() };
    for number in 0..days {
        let on = experiment.start + Days::new(number);
        for arm in &experiment.arms {
            let key = arm.id.as_str();
            let values: Vec<_> = COUNTED.into_iter().zip(*metrics).filter_map(|(id, one)| Some((id, one?))).collect();
            data.observations.push(row("ads", on, key, &values));
            for act in 0..signups {
                let at = on.and_hms_opt(9, 0, 0).unwrap().and_utc();
                data.responses.push(signup(&format!("{key}-{number}-{act}"), key, at));
            }
        }
    }
    data
}

#[test]
fn d4_whatever_is_missing_zero_or_equal_there_is_a_plain_answer() {
    for names in [&["a"][..], &["a", "b"]] {
        let mut experiment = experiment(names);
        experiment.sources[0].metrics = COUNTED.to_vec();
        experiment.policy.guardrails = vec![cost_guardrail(84.0)];
        for (metrics, signups) in combinations() {
            let visits = metrics[2];
            for days in [1, 4, 20] {
                let told = format!("{names:?} {metrics:?} {signups} sign-ups, {days} days");
                let data = brought(&experiment, days, &metrics, signups);
                let card = decide(&experiment, days, &data);
                let numbers = serde_json::to_value(&card).unwrap();
                assert!(!has_absurd_number(&card), "{told}: {numbers}");
                let text = derivation::derive(&experiment, &generation(), &data, &card)
                    .sections
                    .into_iter()
                    .flat_map(|section| section.lines)
                    .chain([explain::banner(&experiment, &card)])
                    .collect::<Vec<_>>()
                    .join("\n");
                assert!(!["NaN", "inf ", "inf%", "infinity"].iter().any(|word| text.contains(word)), "{told}: {text}");
                if days < 4 || visits == Some(0) && signups == 0 && card.verdict != Verdict::Blocked {
                    assert_eq!(
                        (card.verdict, &card.reasons[..]),
                        (Verdict::Collecting, &[Reason::Insufficient][..]),
                        "{told}"
                    );
                }
                if visits.is_none_or(|visits| visits == 0) {
                    assert!(matches!(card.verdict, Verdict::Collecting | Verdict::Blocked), "{told}: {}", card.verdict);
                }
                assert_eq!(card.reasons.is_empty(), matches!(card.verdict, Verdict::Build | Verdict::Kill), "{told}");
            }
        }
    }
}

fn has_absurd_number(card: &Scorecard) -> bool {
    let of_arms = card.arms.iter().flat_map(|arm| {
        let it = &arm.evidence;
        let known = [it.estimate, it.low, it.high, it.log_e_build, it.log_e_kill, it.build_at, it.kill_at, it.phi];
        known.into_iter().flatten().chain([it.trials, it.successes])
    });
    of_arms.chain(card.guardrails.iter().filter_map(|score| score.value)).any(|number| !number.is_finite())
}
