//! What an audience is told of all its concepts at once: what changed in a week, what waits in a month, and nothing else.

use chrono::{DateTime, Datelike, Duration, Utc, Weekday};
use willitsell::domain::decision::{Choice, Decision};
use willitsell::domain::id::ConceptId;
use willitsell::domain::verdict::Verdict;
use willitsell::sandbox::{Endpoint, Sandbox};
use willitsell::schedule::deliver::deliver;
use willitsell::schedule::due::DueRun;
use willitsell::schedule::notices::Notices;
use willitsell::schedule::tick::tick;

use super::at;
use crate::project::{Project, messages, setup};

const CONCEPTS: [&str; 3] = ["cat-meals", "fridge-chat", "plant-sitter"];

/// The demo, of which an audience hears of nothing but its digests and of defects, of which there are none.
fn project(sandbox: &Sandbox, audience: &str) -> Project {
    let project = Project::demo(sandbox);
    let text = std::fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
    let text = text.replace("notify = [\"team\"]\n", "");
    let audience = format!("[audience.cmo]\nnotify = [\"team\"]\nhears = [\"health\"]\n{audience}");
    project.write("willitsell.toml", format!("{text}\n{audience}"));
    project
}

/// What a daemon tells that lives through some days, with when; every second day each concept is decided on.
async fn lived(sandbox: &Sandbox, project: &Project, days: i64) -> Vec<(DateTime<Utc>, String)> {
    let app = project.app().await;
    let experiments = &app.loaded.config.experiments;
    let (mut notices, mut told) = (Notices::default(), Vec::new());
    for hour in (0..days * 24).step_by(3) {
        let now = at("2026-03-04T12:00:00Z") + Duration::hours(hour);
        sandbox.set_now(now);
        if hour % 48 == 0 {
            for experiment in experiments {
                let due = DueRun { concept: experiment.concept.id.clone(), due_at: now, missed: 0 };
                tick(&app.parts, experiment, &due, now).await.unwrap();
            }
        }
        // One that was started anew says nothing twice.
        if hour % 30 == 0 {
            notices = Notices::default();
        }
        notices.write_down(&app.parts, experiments, now).await.unwrap();
        let before = messages(sandbox, Endpoint::Slack).len();
        deliver(&app.parts, now, &mut rand::rng()).await.unwrap();
        let new = messages(sandbox, Endpoint::Slack).split_off(before);
        told.extend(new.into_iter().map(|body| (now, body["text"].as_str().unwrap().to_owned())));
    }
    app.parts.store.close().await;
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn n4_a_week_is_told_on_mondays_where_something_changed_and_a_month_on_its_first() {
    let sandbox = Sandbox::start(setup("2026-03-04T12:00:00Z")).await.unwrap();
    let project = project(&sandbox, "timezone = \"Europe/Berlin\"\nquiet = \"20:00-10:30\"\n");
    let told = lived(&sandbox, &project, 41).await;
    for (at, text) in &told {
        println!("{at}\n{text}\n");
    }
    let weekly: Vec<_> = told.iter().filter(|(_, text)| text.starts_with("Week to ")).collect();
    let monthly: Vec<_> = told.iter().filter(|(_, text)| text.starts_with("Agenda for ")).collect();
    assert_eq!(told.len(), weekly.len() + monthly.len(), "and nothing else");
    for (when, text) in &weekly {
        assert_eq!(when.weekday(), Weekday::Mon, "{text}");
        // Ten and a half by their clocks; looked at every three hours.
        assert!((9..=12).contains(&chrono::Timelike::hour(when)), "{when} {text}");
        assert!(text.contains("Next: "), "{text}");
    }
    // Mondays from the 9th of March to the 13th of April: at least one of them had nothing to tell.
    assert!((2..6).contains(&weekly.len()), "{weekly:?}");
    assert!(weekly[0].1.contains("New: COLLECTING."), "{weekly:?}");
    let [(when, agenda)] = &monthly[..] else { panic!("{monthly:?}") };
    assert_eq!(when.date_naive().to_string(), "2026-04-01");
    assert!(agenda.contains("Ending: ") && agenda.contains("spent on settled days"), "{agenda}");

    // Every verdict that was reached stands in the digest after it.
    let store = project.store().await;
    let mut reached = 0;
    for concept in CONCEPTS {
        let history = store.scorecard_history(&ConceptId::new(concept), 99).await.unwrap();
        let first = history.iter().rev().find(|stored| stored.scorecard.verdict.is_terminal());
        let Some(first) = first.map(|first| &first.scorecard) else { continue };
        let next = weekly.iter().find(|(when, _)| *when > first.as_of).expect("a digest after it");
        assert!(next.1.contains(&format!("{concept}: {}, COLLECTING a week ago.", first.verdict)), "{}", next.1);
        reached += 1;
    }
    assert!(reached >= 2, "{reached}");
    store.close().await;
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agenda_holds_what_waits_and_who_decided_against_a_verdict_and_can_be_turned_off() {
    let sandbox = Sandbox::start(setup("2026-03-04T12:00:00Z")).await.unwrap();
    let project = project(&sandbox, "digest = false\n");
    assert_eq!(lived(&sandbox, &project, 24).await, [], "nobody wants digests, and no month began");
    let store = project.store().await;
    let killed = store.latest_scorecard(&ConceptId::new("fridge-chat")).await.unwrap().unwrap();
    assert_eq!(killed.scorecard.verdict, Verdict::Kill);
    let decision = Decision {
        id: 0,
        concept: killed.scorecard.concept.clone(),
        generation: killed.scorecard.generation,
        choice: Choice::Build,
        by: "Dana".into(),
        reason: "a customer asked for it".into(),
        at: killed.scorecard.as_of,
        scorecard: killed.id,
        verdict: Verdict::Kill,
        days: None,
        budget: None,
    };
    store.record_decision(&decision, &[]).await.unwrap();
    store.close().await;
    let app = project.app().await;
    let first = at("2026-04-01T12:05:00Z");
    for now in [first - Duration::minutes(10), first, first + Duration::days(1)] {
        let experiments = &app.loaded.config.experiments;
        Notices::default().write_down(&app.parts, experiments, now).await.unwrap();
        deliver(&app.parts, now, &mut rand::rng()).await.unwrap();
    }
    app.parts.store.close().await;
    let said = messages(&sandbox, Endpoint::Slack);
    let [agenda] = &said[..] else { panic!("{said:?}") };
    let agenda = agenda["text"].as_str().unwrap();
    println!("{agenda}");
    for words in [
        "Agenda for April · ",
        "1 override is open",
        "Dana decided on ",
        "to build, against KILL: a customer asked for it.",
    ] {
        assert!(agenda.contains(words), "{words}: {agenda}");
    }
}
