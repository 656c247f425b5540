//! What `init` asks, and that what it writes loads back as what was answered.

use super::*;
use regex::Regex;
use willitsell::app;
use willitsell::cli::init::{Answers, DecidingAct, ask, render, write_new};
use willitsell::domain::concept::Policy;
use willitsell::domain::connector::ConnectorInfo;
use willitsell::domain::metric::MetricId;

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 9, 1).unwrap()
}

fn built_in() -> Vec<ConnectorInfo> {
    app::registry().unwrap().infos()
}

fn answered(lines: &str) -> (Answers, String) {
    let mut shown = Vec::new();
    let answers = ask(lines.as_bytes(), &mut shown, today(), &built_in());
    let shown = String::from_utf8(shown).unwrap();
    (answers.unwrap_or_else(|error| panic!("{error}: {shown}")), shown)
}

fn loaded(answers: &Answers) -> Loaded {
    let text = render(answers);
    let loaded = File::new(&text).load_knowing(&built_in(), &full_env);
    loaded.unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"))
}

/// The number under which a choice is offered.
fn number_of(choice: &str, shown: &str) -> String {
    let line = shown
        .lines()
        .find(|line| line.ends_with(&format!("  {choice}")))
        .unwrap_or_else(|| panic!("{choice}: {shown}"));
    line.split_whitespace().next().unwrap().to_owned()
}

/// What a person would answer where a connector must be told something.
fn needs_of(info: &ConnectorInfo) -> String {
    let mut lines = String::new();
    for setting in info.settings.iter().filter(|it| !it.optional && it.default.is_none() && !it.secret) {
        let fits =
            |text: &&&str| setting.pattern.as_deref().is_none_or(|form| Regex::new(form).unwrap().is_match(text));
        let answers: &[&str] = if setting.zone { &["Europe/Berlin"] } else { &["1234567890", "EUR", "a2_x"] };
        lines += answers.iter().find(fits).unwrap_or_else(|| panic!("{setting:?}"));
        lines.push('\n');
    }
    if info.needs_login {
        lines += "id\n";
    }
    lines
}

#[test]
fn the_shortest_answers_make_a_configuration_that_loads() {
    let (answers, shown) =
        answered("Meal kit, for cats!\n\n3 % of cat owners sign up\n\n\n\n\nKit 29, blue; Kit 29\n\n\n\n\n\n\n\n");
    assert_eq!((answers.key.as_str(), answers.reads.act), ("meal-kit-for-cats", MetricId::CONVERSIONS));
    assert!(answers.reads.ads.by_hand && answers.reads.form.is_none(), "{answers:?}");
    assert_eq!(answers.campaigns, ["Kit 29, blue", "Kit 29"], "names of campaigns hold commas");
    assert_eq!((answers.kill_bar, answers.build_bar), DecidingAct::Email.bars());
    assert!(shown.contains("A short name for the command line [meal-kit-for-cats]: "), "{shown}");
    assert!(shown.contains("in % of visitors? [5]: ") && shown.contains("or began) [2026-09-01]: "));
    let loaded = loaded(&answers);
    let said: Vec<_> = loaded.warnings.iter().map(|warning| warning.what.as_str()).collect();
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said[0].contains("says nowhere that visitors learn") && said[1].contains("nobody is told"), "{said:#?}");
    let experiment = &loaded.config.experiments[0];
    assert_eq!(experiment.concept.title, "Meal kit, for cats!");
    assert!(!experiment.sources[0].scheduled, "files are brought by hand");
    assert_eq!(experiment.policy.maturity_lag_days, 7);
}

#[test]
fn every_way_of_reading_loads_with_nothing_to_warn_of_but_the_environment() {
    let start = "Kit\n\nx\nDana, CMO\nhttps://example.com/early\n";
    let rest = "a\n\n\n\n1500 eur\nEurope/Berlin\n\nyes\n";
    let infos = built_in();
    let (_, shown) = answered(&format!("{start}\n\n{rest}"));
    let form = infos.iter().find(|info| info.name == "typeform").unwrap();
    let is_left_out =
        |info: &ConnectorInfo| info.only_sends || info.settings.iter().any(|setting| setting.name == "query");
    let counts_clicks = |info: &ConnectorInfo| info.metrics.contains(&MetricId::CLICKS) && !is_left_out(info);
    let ads: Vec<_> = infos.iter().filter(|info| counts_clicks(info)).collect();
    let is_offered = |info: &&ConnectorInfo| counts_clicks(info) || info.people.is_some() && !is_left_out(info);
    let others: Vec<_> = infos.iter().filter(|info| !is_offered(info)).map(|info| info.name.as_str()).collect();
    assert_eq!(
        others,
        ["ga4", "plausible", "plausible_goals", "posthog", "signed_form", "sql", "sql_acts"],
        "a first test begins with ads and a form"
    );
    for (info, numerator) in ads.iter().flat_map(|info| {
        let own = [MetricId::CONVERSIONS, MetricId::LEADS].into_iter().filter(|metric| info.metrics.contains(metric));
        own.chain([MetricId::SIGNUPS]).map(move |metric| (info, metric))
    }) {
        let by_hand = info.scheduled_by.is_some();
        let way = if by_hand { "1".to_owned() } else { number_of(&info.title, &shown) };
        let mut acts = Vec::new();
        let early = ask(format!("{start}{way}\n").as_bytes(), &mut acts, today(), &infos).unwrap_err();
        assert_eq!(early.kind(), std::io::ErrorKind::UnexpectedEof);
        let act = match numerator {
            MetricId::SIGNUPS => "sign-ups with Typeform".to_owned(),
            own => format!("{own}, as the platform counts them"),
        };
        let act = number_of(&act, &String::from_utf8(acts).unwrap());
        let needs = needs_of(info) + &if numerator == MetricId::SIGNUPS { needs_of(form) } else { String::new() };
        let (answers, _) = answered(&format!("{start}{way}\n{act}\n{needs}{rest}"));
        assert_eq!(answers.reads.ads.connector, info.name);
        let loaded = loaded(&answers);
        let said: Vec<_> = loaded.warnings.iter().map(|warning| warning.what.as_str()).collect();
        assert!(matches!(said.as_slice(), [only] if only.contains("secrets come from the environment")), "{said:#?}");
        let experiment = &loaded.config.experiments[0];
        assert_eq!(experiment.policy.primary.numerator, numerator);
        assert_eq!(experiment.policy.budget_cap.unwrap().to_string(), "€1,500");
        assert_eq!(experiment.owner.as_deref(), Some("Dana, CMO"));
        assert_eq!(loaded.config.destinations.len(), 1);
    }
}

#[test]
fn each_act_offers_its_bars_and_another_kill_bar_half_as_much_again() {
    for (number, act) in (1..).zip(DecidingAct::ALL) {
        let (kill, build) = act.bars();
        assert!(kill < build && build <= kill * 2.6, "{act:?}");
        let start = "Kit\n\nx\n\n\n\n\na\n";
        let (answers, _) = answered(&format!("{start}{number}\n\n\n\n\n\n\n"));
        let Policy { kill_bar, build_bar, .. } = loaded(&answers).config.experiments[0].policy;
        assert_eq!((kill_bar, build_bar), (kill, build), "{act:?}");
        let (answers, shown) = answered(&format!("{start}{number}\n4,2 %\n\n\n\n\n\n"));
        assert!(shown.contains("in %? [6.3]: "), "{shown}");
        let Policy { kill_bar, build_bar, .. } = loaded(&answers).config.experiments[0].policy;
        assert!((kill_bar - 0.042).abs() < 1e-9 && (build_bar - 0.063).abs() < 1e-9, "{kill_bar} {build_bar}");
    }
}

#[test]
fn an_answer_that_cannot_be_read_is_asked_for_again() {
    let (answers, shown) = answered(
        "\nKit\nA B\nkit\nx\n\nhttp://a\n\n99\n2\n1\n12-34\n123-456-7890\nid\n,\n1, 2, 1\n\n0\n5\n4\n8\n1500\n1500 USD\nMars\nUTC\n1.9.2026\n2026-10-01\nmaybe\ny\n",
    );
    for advice in [
        "a few words, please",
        "small letters a to z",
        "an address that begins with https://",
        "a number from 1 to ",
        "this does not look like it: account number, ten digits",
        "at least one, please",
        "a percentage above 0 and below 100",
        "a percentage above 5 and below 100",
        "an amount and a currency",
        "a zone by its place",
        "a date such as",
        "yes or no",
    ] {
        assert!(shown.contains(advice), "{advice}: {shown}");
    }
    assert_eq!(answers.campaigns, ["1", "2"]);
    assert_eq!(answers.reads.ads.settings, [("customer_id".to_owned(), "1234567890".to_owned())]);
    assert_eq!(answers.reads.ads.login.as_ref().unwrap().client_id, "id");
    loaded(&answers);
}

#[test]
fn answers_that_end_early_are_an_error_and_hostile_ones_stay_text() {
    let error = ask("Kit\n".as_bytes(), &mut Vec::new(), today(), &built_in()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    let (answers, _) = answered("\"]\\n[store]\n\n'''\"\"\" \\u0000 # {}\n\t]\n\n\n\n\"a\" # ]\n\n\n\n\n\n\n\n");
    let loaded = loaded(&answers);
    assert_eq!(loaded.config.experiments[0].concept.title, "\"]\\n[store]");
    assert_eq!(loaded.config.experiments[0].concept.hypothesis, "'''\"\"\" \\u0000 # {}");
}

#[test]
fn a_file_that_is_there_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("willitsell.toml");
    write_new(&path, "one").unwrap();
    assert_eq!(write_new(&path, "two").unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&path).unwrap(), "one");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
