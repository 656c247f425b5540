//! One story, told to a store in a file and to one on a server: pulls, restated days, verdicts, messages, replay, a person who
//! is forgotten. Both must end with the same, word for word.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde_json::Value;
use willitsell::domain::id::{ConceptId, SourceId};
use willitsell::domain::observation::{DateWindow, Values};
use willitsell::domain::verdict::StoredScorecard;
use willitsell::sandbox::{Endpoint, Sandbox};
use willitsell::schedule::deliver::deliver;
use willitsell::schedule::due::DueRun;
use willitsell::schedule::tick::{Ticked, tick};

use crate::postgres;
use crate::project::{Project, experiment, messages, setup};

const CONCEPTS: [&str; 2] = ["cat-meals", "fridge-chat"];

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// All that must be the same.
#[derive(Debug, PartialEq)]
struct Told {
    verdicts: Vec<Vec<StoredScorecard>>,
    /// Now, and as known at an earlier pull. Sources are asked at once, so numbers of pulls are not the same.
    rows: Vec<BTreeMap<(NaiveDate, Arc<str>), Values>>,
    messages: Vec<Value>,
    restated: usize,
}

async fn told(sandbox: &Sandbox, project: &Project) -> Told {
    let app = project.app().await;
    let store = &app.parts.store;
    for days in (0..42).step_by(3) {
        let now = at("2026-03-04T12:00:00Z") + Duration::days(days);
        sandbox.set_now(now);
        for concept in CONCEPTS {
            let due = DueRun { concept: ConceptId::new(concept), due_at: now, missed: 0 };
            let ticked = tick(&app.parts, experiment(&app, concept), &due, now).await.unwrap();
            assert!(matches!(ticked, Ticked::Decided { .. }), "{ticked:?}");
        }
        deliver(&app.parts, now, &mut rand::rng()).await.unwrap();
    }
    let search = SourceId::new("search");
    let season = DateWindow::new("2026-03-01".parse().unwrap(), "2026-12-31".parse().unwrap()).unwrap();
    let mut rows = Vec::new();
    let early = store.pulls(&search).await.unwrap()[5].id;
    for known_at in [None, Some(early)] {
        let known = store.inputs(std::slice::from_ref(&search), season, known_at).await.unwrap();
        let known = known.observations.into_iter().map(|row| ((row.day, row.arm_key), row.values));
        rows.push(known.collect::<BTreeMap<_, _>>());
    }
    let restated = rows[1].iter().filter(|&(row, then)| rows[0].get(row).is_some_and(|now| now != then)).count();
    let mut verdicts = Vec::new();
    for concept in CONCEPTS {
        verdicts.push(store.scorecard_history(&ConceptId::new(concept), u32::MAX).await.unwrap());
    }
    app.parts.store.close().await;
    Told { verdicts, rows, messages: messages(sandbox, Endpoint::Slack), restated }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_is_the_same_in_a_file_and_on_a_server() {
    let Some(database) = postgres::database().await else { return };
    let now = "2026-03-04T12:00:00Z";
    let (one, other) = (Sandbox::start(setup(now)).await.unwrap(), Sandbox::start(setup(now)).await.unwrap());
    let (in_file, on_server) = (Project::demo(&one), Project::demo_on(&other, &database));
    let (file, server) = tokio::join!(told(&one, &in_file), told(&other, &on_server));
    assert!(file.restated > 5 && !file.messages.is_empty(), "{} {}", file.restated, file.messages.len());
    assert!(file.verdicts.iter().all(|verdicts| verdicts.len() == 14));
    assert_eq!(file.verdicts, server.verdicts);
    assert_eq!(file.rows, server.rows);
    assert_eq!(file.messages.len(), server.messages.len());
    assert_eq!(file, server);

    // The real program, on what is stored.
    let acts = other.world().acts("CatMeals", at("2026-04-14T12:00:00Z"));
    let ann = &acts.first().expect("somebody signed up").email;
    let replays = || CONCEPTS.map(|concept| on_server.succeeds(&["replay", concept]));
    let before = replays();
    assert_eq!(before, CONCEPTS.map(|concept| in_file.succeeds(&["replay", concept])));
    let known = |project: &Project| project.succeeds(&["forget", ann, "--dry-run", "--json"]);
    assert_eq!(known(&on_server), known(&in_file));
    let forgotten = on_server.succeeds(&["forget", ann]);
    assert!(forgotten.contains("Forgotten: ") && forgotten.contains("the server's own log"), "{forgotten}");
    let nothing: Value = serde_json::from_str(&known(&on_server)).unwrap();
    assert_eq!(nothing["acts"], 0, "{nothing}");
    assert_eq!(replays(), before, "every verdict is derived as before");
    on_server.assert_no_secret_kept();
}

/// `export` of each table, as it is stored.
fn exported(project: &Project) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    project.succeeds(&["export", folder.path().join("all").to_str().unwrap(), "--format", "json"]);
    let read = |table| std::fs::read_to_string(folder.path().join(format!("all/{table}.jsonl"))).unwrap();
    ["observations", "responses", "verdicts", "decisions"].map(read).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn s13_all_of_a_file_is_put_into_an_empty_store_and_into_no_other() {
    let now = "2026-03-04T12:00:00Z";
    let sandbox = Sandbox::start(setup(now)).await.unwrap();
    let project = Project::demo(&sandbox);
    let story = told(&sandbox, &project).await;
    assert!(story.restated > 5);
    project.succeeds(&["decide", "cat-meals", "kill", "--by", "Dana", "--reason", "too dear", "--quiet"]);
    project.succeeds(&["backup", "copy.db"]);
    let beside = |name: &str| project.path().join(name);
    std::fs::copy(beside("willitsell.db.key"), beside("copy.db.key")).unwrap();
    let key = std::fs::read_to_string(beside("willitsell.db.key")).unwrap();
    let was = (exported(&project), CONCEPTS.map(|concept| project.succeeds(&["replay", concept])));
    let configuration = std::fs::read_to_string(beside("willitsell.toml")).unwrap();

    let mut empty = vec![("sqlite://other.db".to_owned(), None)];
    project.secret("key", key.trim());
    if let Some(database) = postgres::database().await {
        project.secret("store", &database.url);
        empty.push(("file:secrets/store".to_owned(), Some(database)));
    }
    for (url, database) in empty {
        let address = format!("url = \"{url}\"\nkey = \"file:secrets/key\"");
        project.write("other.toml", configuration.replace("url = \"sqlite://willitsell.db\"", &address));
        let other = |arguments: &[&str]| project.run(&[arguments, &["--config", "other.toml"]].concat());
        // Of people who are hashed otherwise nothing could be known again.
        project.secret("key", &"ab".repeat(32));
        let foreign = other(&["restore", "copy.db"]);
        assert!(foreign.code == 1 && foreign.stderr.contains("[store] key"), "{foreign:?}");
        project.secret("key", key.trim());
        let restored = other(&["restore", "copy.db", "--json"]);
        assert_eq!(restored.code, 0, "{restored:?}");
        let again = other(&["restore", "copy.db"]);
        assert!(again.code == 1 && again.stderr.contains("holds something already"), "{again:?}");

        let moved = Project::new(&std::fs::read_to_string(beside("other.toml")).unwrap());
        for secret in std::fs::read_dir(beside("secrets")).unwrap() {
            let secret = secret.unwrap();
            let text = std::fs::read_to_string(secret.path()).unwrap();
            moved.secret(secret.file_name().to_str().unwrap(), &text);
        }
        if database.is_none() {
            std::fs::copy(beside("other.db"), moved.path().join("other.db")).unwrap();
        }
        assert_eq!((exported(&moved), CONCEPTS.map(|concept| moved.succeeds(&["replay", concept]))), was, "{url}");
        moved.assert_no_secret_kept();
    }
    let nowhere = project.run(&["restore", "nothing.db"]);
    assert!(nowhere.code == 2 && nowhere.stderr.contains("there is no file"), "{nowhere:?}");
}
