//! The whole path on real input, through the real program: a file downloaded from an ad manager is imported,
//! decided on, written down, and told to a receiver of signed webhooks.

use std::net::TcpListener;
use std::path::Path;

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;
use willitsell::domain::id::{ConceptId, SourceId};
use willitsell::domain::observation::DateWindow;
use willitsell::domain::verdict::{StoredScorecard, Verdict};
use willitsell::sandbox::{Endpoint, Fault, Sandbox};
use willitsell::schedule::deliver::{Delivered, deliver};

use crate::canary::CANARY;
use crate::project::{Project, json_lines, messages, setup};
use crate::real_data::real_data;

const SPECIMEN: &str = "data/ad-export-specimens/google_campaign_daily_en.csv";

const CONFIGURATION: &str = r#"
[store]
url = "sqlite://willitsell.db"
[notify.team.webhook]
url = "file:secrets/webhook-url"
secret = "file:secrets/webhook-secret"
[notify.chat.slack]
url = "file:secrets/slack"
[source.ads]
connector = "file"
[experiment.kit]
title = "Meal kit"
hypothesis = "people who click will convert"
schedule = "0 8 * * *"
timezone = "America/New_York"
start = "2026-03-02"
stop = "2026-03-15"
sources = ["ads"]
notify = ["team", "chat"]
[experiment.kit.arm.search]
keys = { ads = ["Concept A - Search", "Concept B - Search"] }
[experiment.kit.rate.lead]
numerator = "conversions"
denominator = "clicks"
[experiment.kit.policy]
primary = "lead"
kill_bar = 0.02
build_bar = 0.03
"#;

/// A team that brings files, and a receiver that takes messages signed at the machine's own time.
async fn team() -> (Sandbox, Project) {
    let sandbox = Sandbox::start(setup("2026-03-25T12:00:00Z")).await.unwrap();
    sandbox.set_now(Utc::now());
    let project = Project::new(CONFIGURATION);
    project.secret("webhook-url", &format!("{}?key={CANARY}", sandbox.url(Endpoint::Webhook)));
    project.secret("webhook-secret", &sandbox.secrets().webhook_secret);
    project.secret("slack", &sandbox.url(Endpoint::Slack));
    (sandbox, project)
}

/// The specimen with each row of figures passed through `edit`, which says whether it stays.
fn edited(specimen: &Path, edit: impl Fn(&mut Vec<String>) -> bool) -> Vec<u8> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(specimen).unwrap();
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for row in reader.records() {
        let mut row: Vec<String> = row.unwrap().iter().map(str::to_owned).collect();
        if !row[0].starts_with("2026-") || edit(&mut row) {
            writer.write_record(&row).unwrap();
        }
    }
    writer.into_inner().unwrap()
}

async fn verdicts(project: &Project) -> Vec<StoredScorecard> {
    let store = project.store().await;
    let history = store.scorecard_history(&ConceptId::new("kit"), u32::MAX).await.unwrap();
    store.close().await;
    history
}

/// One result of a command with `--json`.
#[track_caller]
fn result(project: &Project, arguments: &[&str]) -> Value {
    json_lines(&project.succeeds(arguments)).remove(0)
}

fn headline(message: &Value) -> &str {
    message["data"]["headline"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_d2_n4_a_downloaded_report_becomes_a_verdict_and_a_revised_one_withdraws_it() {
    let Some(specimen) = real_data(SPECIMEN) else { return };
    let (sandbox, project) = team().await;
    let received = || messages(&sandbox, Endpoint::Webhook);
    let report = specimen.to_str().unwrap();

    let looked = result(&project, &["import", report, "--dry-run", "--json"]);
    assert_eq!((&looked["stored"], looked["source"].as_str()), (&Value::Null, Some("ads")));
    let imported = result(&project, &["import", report, "--json"]);
    assert_eq!(imported["understood"]["rows"], 28, "{imported}");
    assert_eq!(imported["stored"], serde_json::json!({ "new": 28, "changed": 0, "vanished": 0 }));
    assert!(received().is_empty() && verdicts(&project).await.is_empty(), "importing decides nothing");

    let decided = result(&project, &["run", "--once", "--json"]);
    assert_eq!(
        (decided["concept"].as_str(), decided["scorecard"]["verdict"].as_str()),
        (Some("kit"), Some("BUILD")),
        "{decided}"
    );
    // 174 conversions of 3,253 clicks: what `expected.json` beside the specimen gives.
    let evidence = &decided["scorecard"]["arms"][0]["evidence"];
    assert_eq!((evidence["successes"].as_f64(), evidence["trials"].as_f64()), (Some(174.0), Some(3253.0)));
    let built = verdicts(&project).await.remove(0);
    assert_eq!((built.id, built.scorecard.verdict), (decided["scorecard"]["id"].as_i64().unwrap(), Verdict::Build));
    let first = received();
    assert_eq!(first.len(), 1);
    assert!(headline(&first[0]).starts_with("BUILD · Meal kit"), "{}", first[0]);
    assert_eq!(project.run(&["status"]).code, 10, "a verdict waits for a person");

    // D2, N4: the same file, and another start, change nothing and tell nobody.
    let again = result(&project, &["import", report, "--json"]);
    assert_eq!(again["stored"], serde_json::json!({ "new": 0, "changed": 0, "vanished": 0 }));
    for _ in 0..2 {
        assert_eq!(result(&project, &["run", "--once", "--json"])["scorecard"]["verdict"], "BUILD");
    }
    assert_eq!(received(), first);

    // A file without one of the campaigns would take its figures away.
    project.write("partial.csv", edited(&specimen, |row| row[2] != "Concept B - Search"));
    let partial = project.run(&["import", "partial.csv"]);
    assert_eq!(partial.code, 1, "{partial:#?}");
    assert!(partial.stderr.contains("Concept B - Search") && partial.stderr.contains("--replace"), "{partial:#?}");
    assert_eq!(result(&project, &["import", report, "--json"])["stored"]["new"], 0, "nothing was taken away");

    // D1: restated figures no longer carry the verdict.
    project.write(
        "revised.csv",
        edited(&specimen, |row| {
            row[10].replace_range(.., "0.00");
            true
        }),
    );
    let revised = result(&project, &["import", "revised.csv", "--json"]);
    assert_eq!((&revised["stored"]["new"], &revised["stored"]["vanished"]), (&0.into(), &0.into()), "{revised}");
    assert!(revised["stored"]["changed"].as_u64().unwrap() > 20, "{revised}");
    // All of them gone at once is not believed before somebody says so.
    let blocked = result(&project, &["run", "--once", "--json"]);
    assert_eq!(blocked["scorecard"]["reasons"][0]["reason"], "restated", "{blocked}");
    let told = received();
    assert_eq!(told.len(), 2, "{told:#?}");
    let why = told[1]["data"]["lines"][0]["text"].as_str().unwrap();
    assert!(why.contains("The BUILD of ") && why.contains("174 of 174 conversions were taken away"), "{why}");
    let accept = why.split("write ").nth(1).unwrap().split(" under").next().unwrap().trim_matches('`');
    let file = project.path().join("willitsell.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    project.write("willitsell.toml", text.replacen("[source.ads]\n", &format!("[source.ads]\n{accept}\n"), 1));
    let revised = result(&project, &["run", "--once", "--json"]);
    assert_eq!(revised["scorecard"]["verdict"], "KILL", "{revised}");
    let told = received();
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(headline(&told[2]).contains("BUILD of ") && headline(&told[2]).contains(" is revised"), "{}", told[2]);
    let lines = told[2]["data"]["lines"].as_array().unwrap();
    assert!(
        lines[1]["label"] == "Changed" && lines[1]["text"].as_str().unwrap().contains("174 conversions before, 0 now"),
        "{}",
        told[2]
    );
    let history = verdicts(&project).await;
    let [now, blocked, before, ..] = history.as_slice() else { panic!("{history:?}") };
    assert_eq!((now.replaces, blocked.replaces), (Some(blocked.id), Some(before.id)));
    assert_eq!(before.scorecard.verdict, Verdict::Build);
    assert!(history.contains(&built), "what was decided stays as it was");

    project.succeeds(&["run", "--once"]);
    assert_eq!(received(), told, "told once");
    assert_eq!(messages(&sandbox, Endpoint::Slack).len(), 3, "each receiver has the same");

    project.succeeds(&["import", "partial.csv", "--replace"]);
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn n3_a_message_outlives_a_receiver_that_is_down() {
    let Some(specimen) = real_data(SPECIMEN) else { return };
    let (sandbox, project) = team().await;
    let address = std::fs::read_to_string(project.path().join("secrets/webhook-url")).unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    project.secret("webhook-url", &format!("http://{nobody}/hooks/{CANARY}"));
    project.succeeds(&["import", specimen.to_str().unwrap()]);

    let first = project.succeeds(&["run", "--once"]);
    assert!(first.contains("messages: 1 sent, 1 to be tried again, 0 given up"), "{first}");
    assert_eq!(messages(&sandbox, Endpoint::Slack).len(), 1, "the other receiver has it");
    let status = project.run(&["status"]);
    assert_eq!(status.code, 20, "{status:#?}");
    assert!(status.stdout.contains("not delivered to team (1 attempt"), "{status:#?}");
    assert_eq!(verdicts(&project).await[0].scorecard.verdict, Verdict::Build, "the verdict waits for no receiver");

    let lines = json_lines(&project.run(&["status", "--json"]).stdout);
    let waiting: Vec<_> = lines.iter().filter(|line| line.get("attempts").is_some()).collect();
    assert_eq!(waiting.len(), 1, "{lines:?}");
    assert_eq!((&waiting[0]["given_up"], &waiting[0]["attempts"]), (&false.into(), &1.into()));

    // It comes up, is busy once more, then takes it.
    project.secret("webhook-url", &address);
    sandbox.script(Endpoint::Webhook, [Fault::status(503)]);
    let app = project.app().await;
    let kept = app.parts.store.undelivered().await.unwrap();
    let began: DateTime<Utc> = Utc::now();
    let attempt = async |after: Duration| {
        sandbox.set_now(began + after);
        deliver(&app.parts, began + after, &mut rand::rng()).await.unwrap()
    };
    assert_eq!(attempt(Duration::seconds(30)).await, Delivered { postponed: 1, ..Delivered::default() });
    assert_eq!(attempt(Duration::seconds(31)).await, Delivered::default(), "not before its time");
    assert_eq!(attempt(Duration::minutes(10)).await, Delivered { sent: 1, ..Delivered::default() });
    assert_eq!(attempt(Duration::days(7)).await, Delivered::default());
    let ids = sandbox.messages().into_iter().map(|message| (message.endpoint, message.delivery_id));
    let ids: Vec<_> = ids.filter(|(receiver, _)| *receiver == Endpoint::Webhook).collect();
    assert_eq!(ids, [(Endpoint::Webhook, Some(kept[0].delivery.id.clone()))], "once, with the id of the first attempt");
    assert!(headline(&messages(&sandbox, Endpoint::Webhook)[0]).starts_with("BUILD"));
    assert_eq!(messages(&sandbox, Endpoint::Slack).len(), 1);
    assert!(app.parts.store.undelivered().await.unwrap().is_empty());
    app.parts.store.close().await;
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_nobody_will_take_is_given_up_and_status_says_so() {
    let Some(specimen) = real_data(SPECIMEN) else { return };
    let (sandbox, project) = team().await;
    sandbox.script(Endpoint::Webhook, [Fault::status(410)]);
    project.succeeds(&["import", specimen.to_str().unwrap()]);
    let told = project.succeeds(&["run", "--once"]);
    assert!(told.contains("messages: 1 sent, 0 to be tried again, 1 given up"), "{told}");
    for _ in 0..2 {
        let status = project.run(&["status"]);
        assert_eq!(status.code, 20, "{status:#?}");
        assert!(
            status.stdout.contains("given up") && status.stdout.contains("make a new one, or remove it"),
            "{status:#?}"
        );
        project.succeeds(&["run", "--once"]);
    }
    assert_eq!(sandbox.calls(Endpoint::Webhook), 1, "never tried again");
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_understood_is_refused_and_changes_nothing() {
    let Some(specimen) = real_data(SPECIMEN) else { return };
    let (sandbox, project) = team().await;
    project.succeeds(&["import", specimen.to_str().unwrap()]);
    project.succeeds(&["run", "--once"]);
    let told = sandbox.messages();
    let kept = async || {
        let store = project.store().await;
        let days = DateWindow::new("2026-01-01".parse().unwrap(), "2026-12-31".parse().unwrap()).unwrap();
        let inputs = store.inputs(&[SourceId::new("ads")], days, None).await.unwrap();
        store.close().await;
        inputs
    };
    let before = kept().await;
    assert_eq!(before.observations.len(), 28);

    let whole = std::fs::read(&specimen).unwrap();
    project.write("torn.csv", &whole[..1470]);
    project.write("empty.csv", "");
    project.write("page.csv", "<!DOCTYPE html><html><title>Sign in</title></html>");
    let beside = |name: &str| specimen.with_file_name(name).to_str().unwrap().to_owned();
    for (file, says) in [
        ("torn.csv".to_owned(), "the file is cut: its last line has"),
        ("empty.csv".to_owned(), "empty.csv"),
        ("page.csv".to_owned(), "page.csv"),
        ("none.csv".to_owned(), "none.csv"),
        (beside("google_campaign_range_no_day.csv"), "Export the report again, segmented by day"),
        (beside("meta_range_no_day.csv"), "reporting starts and ends differ"),
        (beside("google_overview_time_series.csv"), "Write arm = "),
    ] {
        let refused = project.run(&["import", &file, "--json"]);
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:#?}");
        assert!(refused.stderr.contains(says), "{file}: {refused:#?}");
        assert_eq!(kept().await, before, "{file}");
    }

    // The same where the schedule reads the file.
    let scheduled = CONFIGURATION.replace(r#"= "file""#, "= \"file\"\nsettings = { path = \"torn.csv\" }");
    project.write("willitsell.toml", scheduled);
    let verdicts_before = verdicts(&project).await;
    let refused = project.run(&["run", "--once"]);
    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(refused.stderr.contains("kit: ads: ") && refused.stderr.contains("the file is cut"), "{refused:#?}");
    assert_eq!((kept().await, verdicts(&project).await), (before.clone(), verdicts_before));
    project.write("torn.csv", &whole);
    project.succeeds(&["run", "--once"]);
    assert_eq!(kept().await.observations, before.observations);
    assert_eq!(sandbox.messages(), told, "nobody is told");
    project.assert_no_secret_kept();
}
