//! `[audience.NAME]`: who hears of what, and what is wrong with how it is written.

use super::*;
use willitsell::domain::audience::{Topic, deliveries};
use willitsell::domain::concept::Experiment;
use willitsell::domain::id::ConceptId;
use willitsell::domain::message::Message;
use willitsell::domain::verdict::Verdict;

fn message(topics: &[Topic], verdict: Option<Verdict>) -> Message {
    Message {
        concept: ConceptId::new("cats"),
        verdict,
        decision: None,
        topics: topics.to_vec(),
        headline: "news".into(),
        lines: vec![],
        decided_at: "2026-03-13T20:00:00Z".parse().unwrap(),
    }
}

fn told_to(audiences: &str) -> String {
    let told = ["board", "builders", "ops"].map(|name| format!("[notify.{name}.slack]\nurl = \"env:SLACK_URL\"\n"));
    format!("{}\n{}\n{audiences}", SMALL.replace("notify = [\"growth\"]\n", ""), told.concat())
}

/// Who is told of a message about each topic, in order of topics.
fn told(experiment: &Experiment) -> Vec<Vec<String>> {
    let of = |topic| {
        let all = deliveries(experiment, &message(&[topic], None));
        all.into_iter().map(|one| one.destination.to_string()).collect()
    };
    Topic::ALL.map(|(_, topic)| of(topic)).to_vec()
}

#[test]
fn each_role_hears_of_its_own() {
    let loaded = load(&told_to(
        "[audience.cmo]\nnotify = [\"board\"]\n[audience.dana]\nrole = \"owner\"\nnotify = [\"builders\"]\n\
         [audience.operations]\nnotify = [\"ops\"]\n",
    ));
    let experiment = loaded.unwrap_or_else(|problems| panic!("{problems:#?}")).config.experiments.remove(0);
    assert_eq!(
        told(&experiment)[..],
        [
            vec!["board".to_owned(), "builders".to_owned()],
            vec!["ops".to_owned()],
            vec!["builders".to_owned()],
            vec!["builders".to_owned()],
            vec!["board".to_owned()],
        ]
    );
}

#[test]
fn grace_and_quiet_hours_hold_back_what_they_are_for() {
    let loaded = load(&told_to(
        "[audience.cmo]\nnotify = [\"board\"]\ngrace = \"2h\"\nquiet = \"20:00-08:00\"\nquiet_weekends = true\n\
         timezone = \"Europe/Berlin\"\n[audience.operations]\nnotify = [\"ops\"]\ngrace = \"90m\"\n\
         [audience.builders]\nhears = [\"verdicts\"]\nnotify = [\"builders\", \"board\"]\n",
    ));
    let experiment = loaded.unwrap_or_else(|problems| panic!("{problems:#?}")).config.experiments.remove(0);
    let at = |topics: &[Topic], verdict| -> Vec<(String, String)> {
        let all = deliveries(&experiment, &message(topics, verdict));
        all.into_iter().map(|one| (one.destination.to_string(), one.not_before.to_rfc3339())).collect()
    };
    let pair = |to: &str, at: &str| (to.to_owned(), format!("{at}+00:00"));
    // Who shares a channel with others hears there when they do.
    assert_eq!(
        at(&[Topic::Verdicts], Some(Verdict::Build)),
        [pair("builders", "2026-03-13T20:00:00"), pair("board", "2026-03-13T20:00:00")]
    );
    assert_eq!(at(&[Topic::LateSpend], None), [pair("board", "2026-03-16T07:00:00")]);
    assert_eq!(at(&[Topic::Health], Some(Verdict::Blocked)), [pair("ops", "2026-03-13T21:30:00")]);
    assert_eq!(at(&[Topic::Health], None), [pair("ops", "2026-03-13T20:00:00")], "a notice has no state to wait for");
}

#[test]
fn an_audience_that_is_wrong_says_what_to_write() {
    for (written, what) in [
        ("[audience.cmo]\n", "notify"),
        ("[audience.sales]\nnotify = [\"board\"]\n", "hears of nothing"),
        ("[audience.x]\nrole = \"cfo\"\nnotify = [\"board\"]\n", "there is no role called"),
        ("[audience.cmo]\nnotify = [\"bord\"]\n", "there is no receiver called"),
        ("[audience.cmo]\nnotify = [\"board\"]\nhears = [\"verdict\"]\n", "nothing called"),
        ("[audience.cmo]\nnotify = [\"board\"]\ngrace = \"2 fortnights\"\n", "no length of time"),
        ("[audience.cmo]\nnotify = [\"board\"]\nquiet = \"20-8\"\ntimezone = \"UTC\"\n", "are no hours"),
        ("[audience.cmo]\nnotify = [\"board\"]\nquiet = \"20:00-08:00\"\n", "timezone"),
        (
            "[audience.cmo]\nnotify = [\"board\"]\nquiet_weekends = true\ntimezone = \"Berlin\"\n",
            "there is no time zone",
        ),
    ] {
        let problems = load(&told_to(written)).expect_err(written);
        assert!(format!("{problems:#?}").contains(what), "{written}: {problems:#?}");
    }
}
