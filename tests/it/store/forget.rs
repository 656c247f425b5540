//! X6: forgetting a person leaves nothing of them in any file, changes no count and no verdict, and lasts.

use std::fs;

use super::*;
use crate::decide as tests;
use willitsell::decide::decide;
use willitsell::domain::decision::Setup;
use willitsell::domain::icp::{IcpRule, IcpTest};
use willitsell::domain::intake::{Intake, Question};
use willitsell::store::Forgotten;

/// Ann, in every place a person can stand in: an address, a vendor's id, an answer, a text.
const ANN: &str = "ann.canary-51f0@acme.io";
const MARKS: [&str; 4] = ["canary-51f0", "vendor-id-77", "answer-of-ann", "words-of-ann"];

fn intake() -> Intake {
    let question = |name: &str, is_free_text| Question { name: name.into(), asked_as: name.into(), is_free_text };
    let answers =
        vec![question("company", false), question("employees", false), question("role", false), question("why", true)];
    Intake { answers, ..Intake::default() }
}

fn act<'a>(id: &'a str, person: &'a str, arm: &'a str, instant: &str, answers: &[(&str, &str)]) -> SourceRow<'a> {
    let SourceRow::Response(row) = response(id, Some(person), arm, instant) else { unreachable!() };
    let answers = answers.iter().map(|&(name, answer)| (name.to_owned(), answer.to_owned())).collect();
    SourceRow::Response(ResponseRow { answers, depth: Depth::VerifiedEmail, ..row })
}

fn of_ann(role: &str) -> Vec<(&str, &str)> {
    vec![("company", "answer-of-ann"), ("employees", "51-200 people"), ("role", role), ("why", "words-of-ann")]
}

async fn read(store: &Store, rows: &[SourceRow<'_>], committed: &str) -> SliceChange {
    let mut stage = store.stage_of(&intake());
    stage.accept(rows).await.unwrap();
    let window = slice(&SourceId::new("form"), days("2026-03-02", "2026-03-06"), committed);
    store.replace_slice(stage, &window).await.unwrap()
}

/// The rows of both mornings: the first, and the second on which Ann's role and arm were restated.
fn rows(second: bool) -> Vec<SourceRow<'static>> {
    let mut rows = vec![
        act("1", "bob@acme.io", "a", "2026-03-03T12:00:00Z", &[("role", "owner"), ("employees", "30")]),
        act("2", ANN, "b", "2026-03-04T12:07:31Z", &of_ann("owner")),
        act("3", "cy@acme.io", "b", "2026-03-04T12:07:31Z", &[("role", "clerk")]),
    ];
    let role = if second { "Owner" } else { "clerk" };
    rows.push(act("vendor-id-77", ANN, if second { "a" } else { "b" }, "2026-03-04T12:07:31Z", &of_ann(role)));
    rows
}

fn setup() -> Setup {
    let mut experiment = tests::experiment(&["a", "b"]);
    experiment.policy.icp = vec![
        IcpRule { field: "role".into(), test: IcpTest::OneOf(vec!["owner".into()]) },
        IcpRule { field: "employees".into(), test: IcpTest::Within(Some(20.0), Some(200.0)) },
    ];
    let people = [MetricId::SIGNUPS, MetricId::VERIFIED_SIGNUPS, MetricId::QUALIFIED_SIGNUPS];
    experiment.sources[1].metrics = people.to_vec();
    experiment.policy.primary.numerator = MetricId::QUALIFIED_SIGNUPS;
    Setup { experiment, generation: tests::generation() }
}

/// What was counted and decided, as known after each pull.
async fn verdicts(store: &Store, pulls: &[i64]) -> Vec<String> {
    let Setup { experiment, generation } = setup();
    let sources = [SourceId::new("ads"), SourceId::new("form")];
    let mut found = Vec::new();
    for &pull in pulls {
        let inputs = store.inputs(&sources, days("2026-03-02", "2026-03-30"), Some(pull)).await.unwrap();
        let card = decide(&experiment, &generation, &inputs, at("2026-03-12T06:00:00Z"));
        let derived = willitsell::decide::derivation::derive(&experiment, &generation, &inputs, &card);
        let counted: f64 = card.arms.iter().map(|arm| arm.evidence.successes).sum();
        found.push(format!("{counted} {} {:?}", serde_json::to_string(&card).unwrap(), derived.funnel));
    }
    found
}

fn stands_in_files(folder: &TempDir, word: &str) -> bool {
    let found = |bytes: &[u8]| bytes.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
    fs::read_dir(folder.path()).unwrap().any(|entry| found(&fs::read(entry.unwrap().path()).unwrap()))
}

/// A store with two mornings of acts, one verdict, and the pulls that brought them.
async fn lived(folder: &TempDir) -> (Store, Vec<i64>) {
    let store = open(folder).await;
    let mut stage = store.stage();
    let visits: Vec<_> = ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05", "2026-03-06"].map(day).to_vec();
    for (on, key) in visits.iter().flat_map(|on| [(on, "a"), (on, "b")]) {
        let values = [(MetricId::VISITS, 100_000_000), (MetricId::SPEND, 5_000_000)];
        stage.accept(&[SourceRow::Counts { arm_key: Some(key.into()), day: *on, values: &values }]).await.unwrap();
    }
    let ads = slice(&SourceId::new("ads"), days("2026-03-02", "2026-03-06"), "2026-03-11T05:00:00Z");
    let mut pulls = vec![store.replace_slice(stage, &ads).await.unwrap().pull.id];
    pulls.push(read(&store, &rows(false), "2026-03-10T05:00:00Z").await.pull.id);
    pulls.push(read(&store, &rows(true), "2026-03-11T05:00:00Z").await.pull.id);
    let verdict = NewVerdict {
        scorecard: scorecard("2026-03-12T06:00:00Z", Verdict::Collecting),
        cause: Cause::Decided,
        known: Known { pull: pulls[2], ..Known::default() },
        setup: Some(willitsell::store::Packed::of(&setup(), None).unwrap()),
        previous: None,
        deliveries: vec![],
    };
    let finding = Finding { concept: &concept(), opened: None, verdict: Some(verdict), run: None };
    write_down(&store, finding).await.unwrap();
    (store, pulls)
}

#[tokio::test]
async fn x6_nothing_of_a_forgotten_person_is_left_and_every_verdict_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (store, pulls) = lived(&folder).await;
    let known = everything(&store, &SourceId::new("form"), None).await;
    let hash = known.responses.iter().find(|it| it.response_id == "vendor-id-77").unwrap().person.clone().unwrap();
    let before = verdicts(&store, &pulls).await;
    assert!(before[2].starts_with("2 ") && before[1].starts_with("2 "), "{before:#?}");
    for mark in MARKS[1..].iter().copied().chain([hash.as_hex()]) {
        assert!(stands_in_files(&folder, mark), "{mark} would not be missed");
    }

    let there = Forgotten { acts: 2, earlier: 1, texts: 2 };
    assert_eq!(store.known_of(" Ann.Canary-51f0+news@ACME.io").await.unwrap(), there);
    assert_eq!(verdicts(&store, &pulls).await, before, "asking changes nothing");
    assert_eq!(store.forget(" Ann.Canary-51f0+news@ACME.io").await.unwrap(), there);
    assert_eq!(verdicts(&store, &pulls).await, before, "bit for bit, as known then and now");
    let gone =
        |folder: &TempDir| MARKS.iter().copied().chain([hash.as_hex()]).all(|mark| !stands_in_files(folder, mark));
    assert!(gone(&folder), "while the store is open");
    assert_eq!(store.known_of(ANN).await.unwrap(), Forgotten::default());
    assert!(store.free_text(&[SourceId::new("form")], at("2026-03-12T06:00:00Z")).await.unwrap().is_empty());

    // The next morning the form tells of the same people again, and of a new act of Ann's.
    let mut again = rows(true);
    again.push(act("4", ANN, "b", "2026-03-05T12:00:00Z", &of_ann("owner")));
    let change = read(&store, &again, "2026-03-13T05:00:00Z").await;
    assert_eq!(counts(&change), [0, 0, 0, 2], "only Bob and Cy were read");
    assert_eq!(verdicts(&store, &[pulls[1], pulls[2], change.pull.id]).await[..2], before[1..], "and counts stay");
    assert_eq!(verdicts(&store, &[change.pull.id]).await[0].split(' ').next(), Some("2"));
    store.check().await.unwrap();
    store.close().await;
    assert!(gone(&folder), "and not after a second import");
    let store = open(&folder).await;
    assert_eq!(verdicts(&store, &pulls).await, before);
}

/// An act whose address was mended, and then taken away.
fn mended(person: Option<&'static str>) -> SourceRow<'static> {
    let SourceRow::Response(row) = act("vendor-id-77", "", "b", "2026-03-04T12:08:00Z", &of_ann("owner")) else {
        unreachable!()
    };
    SourceRow::Response(ResponseRow { person: person.map(Into::into), ..row })
}

#[tokio::test]
async fn x6_all_states_of_an_act_go_whatever_address_they_carry() {
    const TYPO: &str = "ann.canary-51f0@acne.io";
    // Bob has answered too, so that as an address of this act he stays the one person he is.
    let bob = || act("1", "bob@acme.io", "a", "2026-03-03T12:00:00Z", &[("role", "owner")]);
    for whom in [ANN, TYPO] {
        let folder = tempfile::tempdir().unwrap();
        let (store, mut pulls) = lived(&folder).await;
        for (person, committed) in [
            (Some("bob@acme.io"), "2026-03-12T05:00:00Z"),
            (Some(TYPO), "2026-03-12T05:10:00Z"),
            (Some(ANN), "2026-03-12T05:20:00Z"),
            (None, "2026-03-12T05:30:00Z"),
        ] {
            pulls.push(read(&store, &[bob(), mended(person)], committed).await.pull.id);
        }
        // The rows of the mornings before hold two acts of one instant, whose order only their ids tell.
        pulls.drain(1..3);
        let before = verdicts(&store, &pulls).await;
        assert!(before.windows(2).filter(|pair| pair[0] != pair[1]).count() >= 2, "{before:#?}");
        store.forget(whom).await.unwrap();
        assert_eq!(verdicts(&store, &pulls).await, before, "{whom}: bit for bit");
        // Under her own address Ann has another act.
        let gone = if whom == ANN { &MARKS[..] } else { &MARKS[..2] };
        for mark in gone {
            assert!(!stands_in_files(&folder, mark), "{whom}: {mark}");
        }
        let told = [bob(), mended(Some("else@acme.io"))];
        assert_eq!(
            counts(&read(&store, &told, "2026-03-13T05:00:00Z").await),
            [0, 0, 0, 1],
            "nor does the act come back"
        );
        assert!(!stands_in_files(&folder, "vendor-id-77"), "{whom}");
    }
}

#[tokio::test]
async fn x6_answers_that_no_rule_reads_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = lived(&folder).await;
    store.forget(ANN).await.unwrap();
    let known = everything(&store, &SourceId::new("form"), None).await;
    let of_nobody = known.responses.iter().filter(|act| act.response_id.starts_with(char::is_control));
    let answers: Vec<String> = of_nobody.map(|act| format!("{:?}", act.answers.iter().collect::<Vec<_>>())).collect();
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().all(|said| said == r#"[("employees", "51-200"), ("role", "owner")]"#), "{answers:?}");
}

#[tokio::test]
async fn x6_a_person_may_be_forgotten_before_anything_is_known_and_twice() {
    for home in homes().await {
        let store = home.open().await;
        assert_eq!(store.known_of(ANN).await.unwrap(), Forgotten::default());
        for _ in 0..2 {
            assert_eq!(store.forget(ANN).await.unwrap(), Forgotten::default());
        }
        let change = read(&store, &rows(true), "2026-03-10T05:00:00Z").await;
        assert_eq!(counts(&change), [2, 0, 0, 0]);
    }
}

#[tokio::test]
async fn x6_texts_that_are_too_old_leave_the_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = lived(&folder).await;
    assert!(stands_in_files(&folder, "words-of-ann"));
    store.expire_free_text(at("2026-06-20T06:00:00Z")).await.unwrap();
    assert!(!stands_in_files(&folder, "words-of-ann"));
}
