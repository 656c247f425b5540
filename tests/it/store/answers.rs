//! What people answered, in the store: revised like everything else, free text apart from it and for a while only, and
//! no address anywhere.

use std::fs;

use super::*;
use willitsell::domain::intake::{Intake, Question};
use willitsell::domain::response::{Answers, Mark};

fn intake() -> Intake {
    let question = |name: &str, is_free_text| Question { name: name.into(), asked_as: name.into(), is_free_text };
    Intake {
        answers: vec![question("employees", false), question("why", true)],
        test_addresses: vec!["qa-*@*".into()],
        disposable: vec!["brief.io".into()],
    }
}

/// One act with these answers, in a window of its day that is committed at an instant.
async fn act(store: &Store, person: &str, answers: &[(&str, &str)], committed: &str) -> SliceChange {
    let mut stage = store.stage_of(&intake());
    let answers = answers.iter().map(|&(name, answer)| (name.to_owned(), answer.to_owned())).collect();
    let SourceRow::Response(row) = response("r1", Some(person), "a", "2026-03-01T09:00:00Z") else { unreachable!() };
    stage.accept(&[SourceRow::Response(ResponseRow { answers, ..row })]).await.unwrap();
    let window = slice(&form(), days("2026-03-01", "2026-03-01"), committed);
    store.replace_slice(stage, &window).await.unwrap()
}

async fn answers(store: &Store, known_at: Option<i64>) -> Answers {
    everything(store, &form(), known_at).await.responses[0].answers.clone()
}

async fn free_text(store: &Store, now: &str) -> Vec<String> {
    let found = store.free_text(&[form()], at(now)).await.unwrap();
    found.into_iter().map(|it| format!("{} {}", it.arm_key, it.text)).collect()
}

fn of(employees: &str) -> Answers {
    [("employees", employees)].into_iter().collect()
}

#[tokio::test]
async fn an_answer_is_revised_and_what_it_was_is_known_again() {
    for home in homes().await {
        let store = home.open().await;
        let first = act(&store, "ann@acme.io", &[("employees", "51-200")], "2026-03-02T05:00:00Z").await;
        let same = act(&store, " Ann+x@ACME.io", &[("employees", "51-200")], "2026-03-02T06:00:00Z").await;
        assert_eq!(counts(&same), [0, 0, 0, 1], "another spelling of the same mailbox");
        let changed = act(
            &store,
            "ann@acme.io",
            &[("employees", "\"5\u{1f}0\u{1e}\n1\\\u{7f}\u{202e}🐈")],
            "2026-03-02T07:00:00Z",
        )
        .await;
        assert_eq!(counts(&changed), [0, 1, 0, 0]);
        assert_eq!(answers(&store, Some(first.pull.id)).await, of("51-200"));
        assert_eq!(
            answers(&store, None).await,
            of("\"5 0  1\\ \u{202e}🐈"),
            "hostile text comes back, its controls blank"
        );
        let long = "x".repeat(5_000);
        act(&store, "ann@acme.io", &[("employees", &long)], "2026-03-02T08:00:00Z").await;
        assert_eq!(answers(&store, None).await.get("employees").unwrap().len(), 200 + "…".len());
    }
}

#[tokio::test]
async fn addresses_say_what_they_are_and_stay_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let mut seen = Vec::new();
    for person in ["ann@acme.io", "QA-7@acme.io", "a@example.com", "a@mailinator.com", "a@x.brief.io", "customer 7"] {
        act(&store, person, &[], "2026-03-02T05:00:00Z").await;
        let known = everything(&store, &form(), None).await.responses.remove(0);
        seen.push((known.mark, known.domain.is_some()));
    }
    let (trial, throwaway) = (Some(Mark::Test), Some(Mark::Disposable));
    assert_eq!(
        seen.iter().map(|(mark, _)| *mark).collect::<Vec<_>>(),
        [None, trial, trial, throwaway, throwaway, None]
    );
    assert_eq!(seen.iter().filter(|(_, has_domain)| *has_domain).count(), 5);
    act(&store, "bob@acme.io", &[], "2026-03-02T05:00:00Z").await;
    let known = everything(&store, &form(), None).await.responses.remove(0);
    assert!(store.domains(&["ACME.io".into()]).unwrap().contains(&known.domain.unwrap()));
    store.close().await;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        for word in ["acme.io", "mailinator", "brief.io", "customer 7"] {
            assert!(!bytes.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes())), "{word}");
        }
    }
}

#[tokio::test]
async fn free_text_is_kept_as_last_written_for_ninety_days_and_never_beside_an_act() {
    for home in homes().await {
        let store = home.open().await;
        act(&store, "ann@acme.io", &[("employees", "9"), ("why", "slow")], "2026-03-02T05:00:00Z").await;
        assert_eq!(answers(&store, None).await, of("9"), "no verdict can read free text");
        assert_eq!(free_text(&store, "2026-03-02T05:00:00Z").await, ["a slow"]);
        let change = act(&store, "ann@acme.io", &[("employees", "9"), ("why", "dear")], "2026-03-02T06:00:00Z").await;
        assert_eq!(counts(&change), [0, 0, 0, 1]);
        assert_eq!(free_text(&store, "2026-03-02T05:00:00Z").await, ["a dear"]);
        assert_eq!(free_text(&store, "2026-05-30T09:00:00Z").await.len(), 1);
        assert!(
            free_text(&store, "2026-05-30T09:00:01Z").await.is_empty(),
            "read no longer, even before it is deleted"
        );
        // Read again after all that time, it is not taken up.
        act(&store, "ann@acme.io", &[("employees", "9"), ("why", "dear")], "2026-06-02T06:00:00Z").await;
        assert!(free_text(&store, "2026-03-02T05:00:00Z").await.is_empty());
        act(&store, "ann@acme.io", &[("why", "dear")], "2026-03-02T06:00:00Z").await;
        store.expire_free_text(at("2026-06-02T06:00:00Z")).await.unwrap();
        assert!(free_text(&store, "2026-03-02T05:00:00Z").await.is_empty(), "deleted, not hidden");
    }
}

#[tokio::test]
async fn free_text_of_a_response_that_was_deleted_is_deleted() {
    for home in homes().await {
        let store = home.open().await;
        act(&store, "ann@acme.io", &[("why", "canary-words")], "2026-03-02T05:00:00Z").await;
        let window = slice(&form(), days("2026-03-01", "2026-03-01"), "2026-03-02T06:00:00Z");
        let gone = store.replace_slice(store.stage_of(&intake()), &window).await.unwrap();
        assert_eq!(counts(&gone), [0, 0, 1, 0]);
        assert!(free_text(&store, "2026-03-02T05:00:00Z").await.is_empty());
    }
}
