//! A cap that a person raised: the test goes on from that day, and nothing else is different.

use willitsell::decide::{decide as decided, explain, policy_hash};
use willitsell::domain::decision::{Choice, Decision};
use willitsell::domain::verdict::{Lean, Reason, Verdict};

use super::*;

fn extend(on: &str, days: Option<u32>, budget: Option<Money>) -> Decision {
    Decision {
        id: 1,
        concept: ConceptId::new("invoice-autopilot"),
        generation: 1,
        choice: Choice::Extend,
        by: "Dana".into(),
        reason: "the fair is next week".into(),
        at: format!("{on}T15:00:00Z").parse().unwrap(),
        scorecard: 1,
        verdict: Verdict::Review,
        days,
        budget,
    }
}

#[test]
fn a_raised_horizon_lifts_the_cap_from_its_day_on_and_moves_no_bar() {
    let mut experiment = experiment(&["a"]);
    experiment.policy.horizon_days = 20;
    let data = inputs(&experiment, 60, &[BETWEEN]);
    let card = |days: u64, decisions: &[Decision]| {
        let data = Inputs { decisions: decisions.to_vec(), ..data.clone() };
        decided(&experiment, &generation(), &data, as_of(&experiment, days))
    };
    // 20 days have settled on Tue 24 March.
    let raised = [extend("2026-03-27", Some(10), None)];
    let capped = |card: &Scorecard| matches!(card.reasons[..], [Reason::CapReached { .. }]);
    assert!(!capped(&card(21, &[])) && capped(&card(22, &[])) && capped(&card(40, &[])));
    assert!(capped(&card(24, &raised)), "before its day nothing changes");
    let (with, without) = (card(25, &raised), card(25, &[]));
    assert_eq!((with.verdict, &with.reasons[..]), (Verdict::Collecting, &[Reason::Undecided][..]));
    assert_eq!(with.arms[0].evidence, without.arms[0].evidence, "the same numbers, the same bars");
    assert_eq!((&with.policy_hash, &with.data_hash), (&without.policy_hash, &without.data_hash));
    let again = card(32, &raised);
    assert!(capped(&again), "{:?}", again.reasons);
    assert_eq!(again.arms[0].since, Some(experiment.start + Days::new(32)));
    let said = "Dana raised the cap by 10 days on Fri 27 Mar, saying: \"the fair is next week\".";
    for card in [&with, &again] {
        assert!(explain::sentence(&experiment, card).ends_with(said), "{}", explain::sentence(&experiment, card));
    }
    let at_cap = "The cap of 30 settled days was reached on Fri 3 Apr.";
    assert!(explain::sentence(&experiment, &again).starts_with(at_cap), "{}", explain::sentence(&experiment, &again));
    let hash = policy_hash(&experiment);
    experiment.policy.horizon_days = 30;
    assert_ne!(policy_hash(&experiment), hash, "edited in the file it would begin a new test");
}

#[test]
fn a_raised_budget_is_shared_by_the_arms_and_a_build_stays() {
    let mut experiment = experiment(&["a", "b"]);
    experiment.policy.budget_cap = Some(usd("12000"));
    let b = Daily { key: "b", ..BETWEEN };
    let data = inputs(&experiment, 40, &[BETWEEN, b]);
    let card = |experiment: &Experiment, data: &Inputs, days: u64, raise: Option<Decision>| {
        let data = Inputs { decisions: raise.into_iter().collect(), ..data.clone() };
        decided(experiment, &generation(), &data, as_of(experiment, days))
    };
    let lean = Reason::CapReached { lean: Some(Lean::Kill) };
    assert!(card(&experiment, &data, 21, None).reasons.iter().all(|why| *why != lean));
    let at_cap = card(&experiment, &data, 22, None);
    assert!(matches!(at_cap.reasons[..], [Reason::CapReached { .. }]), "$6,000 an arm: {:?}", at_cap.reasons);
    let raise = extend("2026-03-24", None, Some(usd("6000")));
    let on = card(&experiment, &data, 31, Some(raise.clone()));
    assert_eq!(on.verdict, Verdict::Collecting, "$9,000 an arm: {:?}", on.reasons);
    assert!(matches!(card(&experiment, &data, 32, Some(raise.clone())).reasons[..], [Reason::CapReached { .. }]));
    assert!(
        explain::sentence(&experiment, &on)
            .ends_with("Dana raised the cap by $6,000 on Tue 24 Mar, saying: \"the fair is next week\".")
    );
    let euro = Money { currency: Currency::from_code("EUR").unwrap(), ..usd("6000") };
    let other = extend("2026-03-24", None, Some(euro));
    assert!(matches!(card(&experiment, &data, 25, Some(other)).reasons[..], [Reason::CapReached { .. }]));

    let sells = inputs(&experiment, 40, &[SELLS]);
    let [before, after] = [None, Some(raise)].map(|raise| card(&experiment, &sells, 40, raise));
    assert_eq!((before.verdict, before.arms), (after.verdict, after.arms));
}
