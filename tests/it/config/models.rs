//! The policy of each model: its bars, what it needs of arms and rates, and the split that may be watched.

use super::*;
use willitsell::domain::concept::{Model, Policy};

const KILL: &str = r#"kill_bar = { amount = "30.00", currency = "EUR" }"#;

/// [`SMALL`] with a second arm that is the control, and with these lines for its bars.
fn beside(lines: &str) -> String {
    let arm = "[experiment.cats.arm.old]\ncontrol = true\nkeys = { landing = [\"old\"], search = [\"2\"] }\n";
    with("kill_bar = 0.02", lines).replace("[experiment.cats.rate", &format!("{arm}[experiment.cats.rate"))
}

/// [`SMALL`] with its rate counted on money.
fn cost(lines: &str) -> String {
    with("kill_bar = 0.02", lines).replace("denominator = \"clicks\"", "denominator = \"spend\"")
}

fn policy(text: &str) -> Policy {
    load(text).unwrap_or_else(|problems| panic!("{problems:#?}")).config.experiments[0].policy.clone()
}

#[test]
fn a_cost_per_act_has_amounts_for_bars_and_the_smaller_one_is_worth_finding() {
    let given = policy(&cost(&format!("model = \"cpa\"\n{KILL}")));
    assert_eq!((given.model, given.kill_bar, given.build_bar), (Model::Cpa, 30.0, 20.0));
    assert_eq!((given.bar_currency.unwrap().code().as_str(), given.min_exposures), ("EUR", 0));
    assert_eq!(given.primary.denominator, MetricId::SPEND);
    let build = r#"build_bar = { amount = "22.50", currency = "EUR" }"#;
    let given = policy(&cost(&format!("model = \"cpa\"\n{KILL}\n{build}")));
    assert_eq!((given.kill_bar, given.build_bar), (30.0, 22.5));
    let said = warnings(&cost(&format!("model = \"cpa\"\n{KILL}")));
    assert!(said.iter().any(|said| said.contains("let a rate decide")), "{said:#?}");
}

#[test]
fn a_comparison_has_ratios_for_bars_and_needs_a_control() {
    let plain = policy(&beside("model = \"compare\""));
    assert_eq!((plain.model, plain.kill_bar, plain.build_bar), (Model::Compare, 1.0, 1.2));
    let given = policy(&beside("model = \"compare\"\nkill_bar = 1.1\nbuild_bar = 1.5"));
    assert_eq!((given.kill_bar, given.build_bar), (1.1, 1.5));
    let said = errors(&with("kill_bar = 0.02", "model = \"compare\""));
    assert!(said.len() == 1 && said[0].contains("nothing to compare with"), "{said:#?}");
    assert!(said[0].starts_with("30: ") && said[0].contains("control = true"), "{said:#?}");
}

#[test]
fn d9_costs_that_cannot_be_bars_are_errors_on_their_line() {
    for value in ["nan", "-nan", "inf", "-inf", "0", "1", "-30", "30", "\"30\"", "1e400"] {
        let said = errors(&cost(&format!("model = \"cpa\"\nkill_bar = {value}")));
        assert!(said.iter().any(|one| one.starts_with("31: ") && one.contains("kill_bar")), "{value}: {said:#?}");
    }
    for amount in ["nan", "inf", "-inf", "0", "0.00", "-30", "1e3", "thirty", ""] {
        for key in ["kill_bar", "build_bar"] {
            let other = if key == "kill_bar" { String::new() } else { format!("{KILL}\n") };
            let bar = format!("{key} = {{ amount = \"{amount}\", currency = \"EUR\" }}");
            let line = if key == "kill_bar" { "31: " } else { "32: " };
            let said = errors(&cost(&format!("model = \"cpa\"\n{other}{bar}")));
            assert!(said.iter().any(|one| one.starts_with(line) && one.contains(key)), "{key} {amount}: {said:#?}");
        }
    }
    for (build, wanted) in [
        ("{ amount = \"30.00\", currency = \"EUR\" }", "is not below kill_bar"),
        ("{ amount = \"45.00\", currency = \"EUR\" }", "is not below kill_bar"),
        ("{ amount = \"20.00\", currency = \"USD\" }", "another amount here in USD"),
    ] {
        let said = errors(&cost(&format!("model = \"cpa\"\n{KILL}\nbuild_bar = {build}")));
        assert!(said.len() == 1 && said[0].contains(wanted), "{said:#?}");
    }
    let said = errors(&cost("model = \"cpa\""));
    assert!(said.len() == 1 && said[0].contains("kill_bar") && said[0].contains("what an act may cost"), "{said:#?}");
}

#[test]
fn d9_ratios_that_cannot_be_bars_are_errors_on_their_line() {
    for key in ["kill_bar", "build_bar"] {
        for value in ["nan", "-nan", "inf", "-inf", "0", "0.0", "-1.2", "\"1.2\"", "1e400"] {
            let said = errors(&beside(&format!("model = \"compare\"\n{key} = {value}")));
            let named = said.iter().any(|one| one.starts_with("34: ") && one.contains(key));
            assert!(named, "{key} = {value}: {said:#?}");
        }
    }
    // The control itself, no better: a ratio of 1 is a fine break-even and no find.
    for lines in ["build_bar = 1", "kill_bar = 1.2", "kill_bar = 1.5\nbuild_bar = 1.3"] {
        let said = errors(&beside(&format!("model = \"compare\"\n{lines}")));
        assert!(said.len() == 1 && said[0].contains("is not above kill_bar"), "{lines}: {said:#?}");
    }
}

#[test]
fn each_model_refuses_what_belongs_to_another() {
    let cpa = format!("model = \"cpa\"\n{KILL}");
    for (text, wanted) in [
        (with("kill_bar = 0.02", &cpa), "write denominator = \"spend\" in the rate"),
        (cost("kill_bar = 0.02"), "for what an act costs write model = \"cpa\""),
        (cost(&format!("{cpa}\nmin_exposures = 300")), "min_exposures counts visitors"),
        (with("kill_bar = 0.02", KILL), "kill_bar"),
        (with("kill_bar = 0.02", "kill_bar = 0.02\nmodel = \"rates\""), "did you mean \"rate\"?"),
        (with("kill_bar = 0.02", "kill_bar = 0.02\nmodel = \"compar\""), "did you mean \"compare\"?"),
    ] {
        let said = errors(&text);
        assert!(said.iter().any(|one| one.contains(wanted)), "{wanted}: {said:#?}");
    }
}

#[test]
fn a_split_names_arms_and_shares_and_only_what_is_ours_to_split() {
    let mut counting = connectors();
    counting[0].metrics.push(MetricId::VISITS);
    let watched = |srm: &str| {
        let text = beside(&format!("kill_bar = 0.02\nsrm = {srm}"));
        File::new(&text.replace("denominator = \"clicks\"", "denominator = \"visits\""))
            .load_knowing(&counting, &full_env)
            .map(|loaded| loaded.config.experiments[0].policy.srm.clone().unwrap())
            .map_err(|problems| problems.iter().map(|one| format!("{} | {}", one.what, one.advice)).collect::<Vec<_>>())
    };
    let split = watched("{ a = 0.6, old = 0.4 }").unwrap();
    assert_eq!((split.alpha, split.concentration), (0.001, 1_000.0));
    let shares: Vec<_> = split.expected.iter().map(|(arm, share)| (arm.as_str(), *share)).collect();
    assert_eq!(shares, [("a", 0.6), ("old", 0.4)]);
    for (srm, wanted) in [
        ("{ a = 0.5, odl = 0.5 }", "did you mean old?"),
        ("{ a = 0.5, old = 0.6 }", "add up to 1.1"),
        ("{ a = 0.5 }", "add up to 0.5"),
        ("{}", "add up to 0"),
        ("{ a = 1, old = 0 }", "srm.a is 1"),
        ("{ a = nan, old = 0.5 }", "srm.a is not a number"),
        ("{ a = -0.5, old = 1.5 }", "srm.a is -0.5"),
        ("0.5", "the share of each arm"),
    ] {
        let said = watched(srm).unwrap_err();
        assert!(said.iter().any(|one| one.contains(wanted)), "{srm}: {said:#?}");
    }
    let said = errors(&beside("kill_bar = 0.02\nsrm = { a = 0.5, old = 0.5 }"));
    assert!(said.len() == 1 && said[0].contains("handed out by the ad platform"), "{said:#?}");
}
