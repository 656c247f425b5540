//! What pages know of the store without reading it again: never less than it says, never what it no longer says. Of a store in a
//! file and of one on a server.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor};
use willitsell::connect::http::{Http, Limits};
use willitsell::domain::decision::{Cause, Known};
use willitsell::domain::run::{Outcome, Run};
use willitsell::domain::verdict::{Scorecard, StoredScorecard, Verdict};
use willitsell::store::{Ending, Finding, NewVerdict};

use super::site::{Site, Wanted};
use crate::postgres::{self, Database};

/// What three concepts say at first.
const FIRST: [(&str, Verdict); 3] = [("c0", Verdict::Kill), ("c1", Verdict::Collecting), ("c2", Verdict::Build)];

async fn site(database: Option<&Database>) -> Site {
    let wanted = |(title, verdict)| Wanted { title, owner: "Dana", arm: "One offer", verdict: Some(verdict) };
    Site::on(database, &FIRST.map(wanted), None).await
}

/// In a file, and on a server where there is one.
async fn both() -> Vec<(Site, Option<Database>)> {
    let mut sites = vec![(site(None).await, None)];
    if let Some(database) = postgres::database().await {
        sites.push((site(Some(&database)).await, Some(database)));
    }
    sites
}

async fn asked(site: &Site, path: &str) -> Value {
    let request = Http::new(Limits::default()).unwrap().client().get(format!("{}{path}", site.base));
    let answer = request.header("accept", "application/json").send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

/// The word of every concept in the portfolio.
async fn verdicts(site: &Site) -> BTreeMap<String, String> {
    let portfolio = asked(site, "/").await;
    let word = |row: &Value| [&row["concept"], &row["verdict"]].map(|text| text.as_str().unwrap().to_owned());
    portfolio["rows"].as_array().unwrap().iter().map(word).map(|[concept, verdict]| (concept, verdict)).collect()
}

fn said(verdicts: &[(&str, Verdict)]) -> BTreeMap<String, String> {
    verdicts.iter().map(|(concept, verdict)| ((*concept).to_owned(), verdict.word().to_owned())).collect()
}

/// Stores a verdict of a concept, as the daemon does.
async fn says(site: &Site, number: usize, verdict: Verdict) -> StoredScorecard {
    let (store, concept) = (&site.work.parts.store, &site.work.experiments[number].concept.id);
    let previous = store.latest_scorecard(concept).await.unwrap().unwrap();
    let as_of = previous.scorecard.as_of + TimeDelta::milliseconds(1);
    let scorecard = Scorecard { verdict, as_of, ..previous.scorecard.clone() };
    let known = Known { pull: previous.known_at, decision: 0, scorecard: 0, tested: 0 };
    let new = NewVerdict {
        scorecard,
        cause: Cause::Decided,
        known,
        setup: None,
        previous: Some(previous),
        deliveries: Vec::new(),
    };
    let last = store.view().last_scorecard().await.unwrap();
    let finding = Finding { concept, opened: None, verdict: Some(new), run: None };
    store.write_down(vec![finding], last).await.unwrap().unwrap().remove(0).unwrap()
}

/// Changes what is stored behind everybody's back.
async fn change(site: &Site, database: Option<&Database>, statements: &str) {
    if let Some(database) = database {
        return database.run(statements).await;
    }
    let file = format!("sqlite://{}", site.project.path().join("willitsell.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&file).await.unwrap();
    connection.execute(sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_stands_on_the_next_page() {
    for (site, _database) in both().await {
        assert_eq!(verdicts(&site).await, said(&FIRST));
        says(&site, 1, Verdict::Review).await;
        let now = [FIRST[0], ("c1", Verdict::Review), FIRST[2]];
        assert_eq!(verdicts(&site).await, said(&now), "one came");
        says(&site, 0, Verdict::Collecting).await;
        says(&site, 0, Verdict::Build).await;
        let now = [("c0", Verdict::Build), now[1], now[2]];
        assert_eq!(verdicts(&site).await, said(&now), "of two the later counts");
        says(&site, 0, Verdict::Kill).await;
        assert_eq!(verdicts(&site).await["c0"], "KILL", "one was taken back");

        let waiting = asked(&site, "/decisions").await["waiting"].as_u64().unwrap();
        site.decide(2, Verdict::Build, "Ann of sales").await;
        let decisions = asked(&site, "/decisions").await;
        assert_eq!(decisions["waiting"].as_u64().unwrap(), waiting - 1, "{decisions:#}");
        site.decide(2, Verdict::Build, "Ben of sales").await;
        let decisions = asked(&site, "/decisions").await.to_string();
        assert!(decisions.contains("Ann of sales") && decisions.contains("Ben of sales"), "{decisions}");
        let concept = asked(&site, "/concepts/c2").await.to_string();
        assert!(concept.contains("Ben of sales"), "{concept}");
        for page in site.every_page() {
            asked(&site, &page).await;
        }
    }
}

/// A slot of a concept, so many minutes from now, came to this.
async fn ran(site: &Site, number: usize, minutes: i64, outcome: Outcome) {
    let (store, concept) = (&site.work.parts.store, &site.work.experiments[number].concept.id);
    let due_at = site.work.parts.clock.now() + TimeDelta::minutes(minutes);
    let id = Run::key(concept, due_at);
    let run = Run {
        id: id.clone(),
        concept: concept.clone(),
        due_at,
        started_at: due_at,
        finished_at: None,
        outcome: None,
        missed: 0,
    };
    assert!(store.start_run(&run).await.unwrap());
    let ending = Ending { id: &id, at: due_at, outcome };
    let last = store.view().last_scorecard().await.unwrap();
    let finding = Finding { concept, opened: None, verdict: None, run: Some(ending) };
    store.write_down(vec![finding], last).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_of_a_run_that_failed_until_a_later_one_does_not() {
    for (site, _database) in both().await {
        let failed = |why: &str| Outcome::Failed { advice: vec![format!("search-0: {why}")] };
        ran(&site, 0, -90, failed("too long ago")).await;
        ran(&site, 1, -80, Outcome::Decided).await;
        ran(&site, 0, -70, failed("no answer")).await;
        ran(&site, 0, -366 * 24 * 60 - 1, failed("another year")).await;
        let gates = async || asked(&site, "/health").await["gates"].to_string();
        let said = gates().await;
        assert!(said.contains("Its last run failed: search-0: no answer"), "{said}");
        assert!(!said.contains("too long ago") && !said.contains("another year"), "{said}");
        ran(&site, 0, -60, Outcome::Decided).await;
        assert!(!gates().await.contains("last run failed"), "{}", gates().await);
        // It was read on that day all the same.
        let sources = asked(&site, "/health").await["sources"].clone();
        let of = |name: &str| sources.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().to_string();
        assert!(of("search-0").contains("late") || of("search-0").contains("failed"), "{}", of("search-0"));
        assert!(!of("search-1").contains("late"), "{}", of("search-1"));
        let last = site.work.parts.store.last_runs().await.unwrap();
        let last: Vec<_> = last.iter().map(|run| (run.concept.as_str(), &run.outcome)).collect();
        assert_eq!(last, [("c0", &Some(Outcome::Decided)), ("c1", &Some(Outcome::Decided))]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_known_of_a_configuration_before() {
    for (mut site, _database) in both().await {
        assert_eq!(verdicts(&site).await, said(&FIRST));
        let file = site.project.path().join("willitsell.toml");
        let all = std::fs::read_to_string(&file).unwrap();
        let without_the_first = all.replace("[experiment.c0", "[experiment.c3");
        site.project.write("willitsell.toml", without_the_first);
        site.reload().await;
        let portfolio = asked(&site, "/").await;
        let of = |concept: &str| portfolio["rows"].as_array().unwrap().iter().find(|row| row["concept"] == concept);
        assert!(of("c0").is_none(), "{portfolio:#}");
        assert_eq!(of("c3").unwrap()["verdict"], Value::Null, "one that is new has none, whoever stood in its place");
        assert_eq!(
            (&of("c1").unwrap()["verdict"], &of("c2").unwrap()["verdict"]),
            (&"COLLECTING".into(), &"BUILD".into())
        );
        let last = site.work.experiments.iter().position(|experiment| experiment.concept.id.as_str() == "c2").unwrap();
        says(&site, last, Verdict::Review).await;
        site.project.write("willitsell.toml", &all);
        site.reload().await;
        assert_eq!(verdicts(&site).await, said(&[FIRST[0], FIRST[1], ("c2", Verdict::Review)]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_put_back_behind_a_daemon_is_read_anew() {
    for (site, database) in both().await {
        let change = async |statements: &str| change(&site, database.as_ref(), statements).await;
        for (number, verdict) in [(0, Verdict::Review), (1, Verdict::Review)] {
            says(&site, number, verdict).await;
        }
        site.decide(2, Verdict::Build, "Ann of sales").await;
        let now = [("c0", Verdict::Review), ("c1", Verdict::Review), FIRST[2]];
        assert_eq!(verdicts(&site).await, said(&now));
        // As a standby that took over too early, or a copy from before.
        change("DELETE FROM scorecard WHERE id > 3; DELETE FROM decision").await;
        assert_eq!(verdicts(&site).await, said(&FIRST));
        assert!(!asked(&site, "/decisions").await.to_string().contains("Ann of sales"));
        says(&site, 2, Verdict::Review).await;
        says(&site, 2, Verdict::Collecting).await;
        let now = [FIRST[0], FIRST[1], ("c2", Verdict::Collecting)];
        assert_eq!(verdicts(&site).await, said(&now), "under numbers that others had");
        // The same, but nobody looked in between.
        change("DELETE FROM scorecard WHERE id > 4").await;
        says(&site, 1, Verdict::Kill).await;
        assert_eq!(verdicts(&site).await, said(&[FIRST[0], ("c1", Verdict::Kill), ("c2", Verdict::Review)]));

        change("UPDATE scorecard SET body = 'nothing' || body WHERE id = 5").await;
        let row = |portfolio: Value, concept: &str| {
            portfolio["rows"].as_array().unwrap().iter().find(|row| row["concept"] == concept).unwrap().to_string()
        };
        let portfolio = asked(&site, "/").await;
        assert!(row(portfolio.clone(), "c1").contains("cannot be read"), "{portfolio:#}");
        assert!(!row(portfolio.clone(), "c2").contains("cannot be read"), "{portfolio:#}");
        change("UPDATE scorecard SET body = substr(body, 8) WHERE id = 5").await;
        assert_eq!(verdicts(&site).await["c1"], "KILL", "it was mended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_not_shown_as_what_stood_there_before() {
    for (site, database) in both().await {
        assert_eq!(verdicts(&site).await, said(&FIRST));
        says(&site, 2, Verdict::Kill).await;
        let damage = "UPDATE scorecard SET body = 'nothing' || body WHERE id = 4";
        change(&site, database.as_ref(), damage).await;
        let portfolio = asked(&site, "/").await;
        let of = |concept: &str| portfolio["rows"].as_array().unwrap().iter().find(|row| row["concept"] == concept);
        let [sound, damaged] = ["c0", "c2"].map(|concept| of(concept).unwrap());
        assert_eq!((&sound["verdict"], &damaged["verdict"]), (&"KILL".into(), &Value::Null), "{portfolio:#}");
        change(&site, database.as_ref(), "UPDATE scorecard SET body = substr(body, 8) WHERE id = 4").await;
        assert_eq!(verdicts(&site).await["c2"], "KILL", "it was mended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_news_than_are_read_one_by_one_are_read_all_the_same() {
    for (site, database) in both().await {
        assert_eq!(verdicts(&site).await, said(&FIRST));
        says(&site, 0, Verdict::Review).await;
        let many = "WITH RECURSIVE n(n) AS (SELECT 5 UNION ALL SELECT n + 1 FROM n WHERE n < 2000) \
                    INSERT INTO scorecard (id, concept_id, generation, as_of, last_settled_day, verdict, policy_hash, data_hash, \
                    program_version, known_at, body) SELECT n, concept_id, generation, as_of, last_settled_day, verdict, \
                    policy_hash, data_hash, program_version, known_at, body FROM n, scorecard WHERE id = 3";
        change(&site, database.as_ref(), many).await;
        says(&site, 1, Verdict::Kill).await;
        let now = [("c0", Verdict::Review), ("c1", Verdict::Kill), FIRST[2]];
        assert_eq!(verdicts(&site).await, said(&now));
    }
}
