//! Connectors that read from a program of the user's, a Singer tap or one of the line protocol: what they are told, what
//! comes of what they write, and that one that goes wrong changes nothing and shows no secret. The programs are shell scripts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use chrono::{NaiveDate, Utc};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::canary::CANARY;
use crate::project::{Ended, Project};

/// A connector of people's acts; `program` is its `[program]` table, `ends` how it is told days.
fn connector(program: &str, ends: &str, example: &str) -> String {
    format!(
        r#"name = "own"
title = "Own"
docs = "https://example.com/docs"
api_version = "none"
sunset_on = "unknown"
checked_on = "2026-11-23"
verified = "documented"
[settings]
list  = {{ help = "which list", default = "a" }}
token = {{ help = "its key", secret = true }}
{program}
[days]
zone = "experiment"
ends = "{ends}"
lookback = 3
[rows]
each = "$[*]"
day = {{ path = "$.at", form = "instant" }}
arm = "$.arm"
[response]
id = "$.id"
person = "$.email"
depth = "email"
[metric]
signups = {{ count = true }}
[[example]]
page = '''{example}'''
expect = [{{ arm = "x", day = "2026-03-01", signups = 1 }}]
"#
    )
}

const RECORD: &str = r#"{"id":"1","at":"2026-03-01T09:00:00Z","arm":"x","email":"a@example.com"}"#;

/// The line protocol, with `more` in `[program]`.
fn lines(tells: &str, more: &str) -> String {
    let program = format!(
        "[program]\nspeaks = \"lines\"\ntells = \"{tells}\"\n{more}\n[program.config]\nlist = \"{{list}}\"\nkey = \"{{token}}\""
    );
    connector(&program, "inclusive", &format!("{{\"record\":{RECORD}}}\n{{\"done\":1}}"))
}

fn tap(more: &str) -> String {
    let program = format!(
        "[program]\nspeaks = \"singer\"\nstream = \"leads\"\ntells = \"all\"\n{more}\n[program.config]\nlist = \"{{list}}\"\nstart_date = \"{{window.start}}\"\nkey = \"{{token}}\""
    );
    let schema = r#"{"type":"SCHEMA","stream":"leads","schema":{},"key_properties":["id"]}"#;
    let record = format!("{{\"type\":\"RECORD\",\"stream\":\"leads\",\"record\":{RECORD}}}");
    connector(&program, "open", &format!("{schema}\n{record}"))
}

/// A project that reads a connector's program, which is `script`.
fn project(connector: &str, script: &str) -> Project {
    let start = day(-10);
    let project = Project::new("");
    let path = project.path().join("program").display().to_string();
    project.write(
        "willitsell.toml",
        format!(
            r#"connectors = "connectors"
[store]
url = "sqlite://willitsell.db"
[source.own]
connector = "own"
settings = {{ token = "file:secrets/token", program = "{path}" }}
[source.visitors]
connector = "file"
[experiment.kit]
title = "Kit"
hypothesis = "people will sign up"
schedule = "0 8 * * *"
timezone = "UTC"
start = "{start}"
sources = ["own", "visitors"]
[experiment.kit.arm.x]
keys = {{ own = ["x"], visitors = ["x"] }}
[experiment.kit.rate.signing]
numerator = "signups"
denominator = "visits"
[experiment.kit.policy]
primary = "signing"
kill_bar = 0.02
"#
        ),
    );
    project.secret("token", CANARY);
    fs::create_dir(project.path().join("connectors")).unwrap();
    project.write("connectors/own.toml", connector);
    be(&project, script);
    project
}

/// Makes this script the program; `$F` is the project's folder.
fn be(project: &Project, script: &str) {
    let path = project.path().join("program");
    // Never written in place: it may still run.
    let _ = fs::remove_file(&path);
    let folder = project.path().display();
    fs::write(&path, format!("#!/bin/sh\nF='{folder}'\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
}

fn day(from_today: i64) -> NaiveDate {
    Utc::now().date_naive() + chrono::Duration::days(from_today)
}

fn record(id: &str, from_today: i64, arm: &str) -> Value {
    json!({"record": {"id": id, "at": format!("{}T09:00:00Z", day(from_today)), "arm": arm, "email": format!("{id}@example.org")}})
}

fn written(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn read(project: &Project) -> Ended {
    let first = day(-9).to_string();
    project.run(&["pull", "--source", "own", "--since", &first, "--until", &day(0).to_string()])
}

/// The acts that are stored: id and arm.
fn acts(project: &Project) -> Vec<(String, String)> {
    let database = Connection::open(project.path().join("willitsell.db")).unwrap();
    let mut rows = database.prepare("SELECT response_id, arm_key FROM response ORDER BY response_id").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn pairs(acts: &[(&str, &str)]) -> Vec<(String, String)> {
    acts.iter().map(|&(id, arm)| (id.to_owned(), arm.to_owned())).collect()
}

#[test]
fn a_program_is_told_days_settings_and_secrets_and_its_records_are_rows() {
    let project = project(
        &lines("all", ""),
        "cat > \"$F/asked\"; env > \"$F/seen\"; pwd > \"$F/where\"; cat \"$F/answer\"; echo working >&2",
    );
    let answer = [record("1", -3, "x"), record("2", -2, "x"), json!({"warning": "slow today"}), json!({"done": 2})];
    project.write("answer", written(&answer));
    let mut command =
        project.command(&["pull", "--source", "own", "--since", &day(-9).to_string(), "--until", &day(0).to_string()]);
    let ended = Ended::of(&command.env("OUR_TOKEN", "not-for-programs").output().unwrap());
    assert_eq!(ended.code, 0, "{ended:#?}");
    assert!(ended.stderr.contains("slow today") || ended.stdout.contains("slow today"), "{ended:#?}");
    assert_eq!(acts(&project), pairs(&[("1", "x"), ("2", "x")]));
    let asked = fs::read_to_string(project.path().join("asked")).unwrap();
    let asked: Value = serde_json::from_str(&asked).unwrap();
    let window = json!({"start": day(-9), "end": day(0), "zone": "UTC"});
    assert_eq!(
        asked,
        json!({"willitsell": 1, "window": window, "config": {"list": "a", "key": CANARY}, "state": null})
    );
    let seen = fs::read_to_string(project.path().join("seen")).unwrap();
    assert!(seen.contains("PATH=") && !seen.contains("OUR_TOKEN") && !seen.contains(CANARY), "{seen}");
    let place = fs::read_to_string(project.path().join("where")).unwrap();
    assert!(!std::path::Path::new(place.trim()).exists(), "its folder went with it: {place}");
    fs::remove_file(project.path().join("asked")).unwrap();
    project.assert_no_secret_kept();
}

#[test]
fn a_program_that_goes_wrong_changes_nothing_and_shows_no_secret() {
    let project = project(&lines("all", ""), "cat > /dev/null; cat \"$F/answer\"");
    project.write("answer", written(&[record("1", -3, "x"), json!({"done": 1})]));
    assert_eq!(read(&project).code, 0);
    let one = record("2", -2, "x").to_string();
    let wrong: [(String, &str, &str); 9] = [
        (format!("{one}\n"), "", "ends without `done`"),
        (format!("{one}\n{{\"done\":2}}\n"), "", "says that 2 records were all, and 1 came"),
        (format!("{one}\n{{\"done\":1}}\n{one}\n"), "", "line 3 of what it writes comes after `done`"),
        (format!("{one}\nhello\n"), "", "line 2 of what it writes is not one of"),
        (format!("{one}\n{{\"done\":1,\"state\":1}}\n"), "", "several things at once"),
        (format!("{one}\n{{\"error\":\"no access with {CANARY}\"}}\n"), "", "it gives up: no access with [hidden]"),
        (format!("{one}\n{{\"done\":1}}\n"), &format!("echo 'refused: {CANARY}' >&2; exit 3"), "ended with code 3"),
        ("{\"record\":{\"id\":\"2\"}}\n{\"done\":1}\n".to_owned(), "", "record 1"),
        (format!("{one}\n"), "kill -9 $$", "stopped from outside"),
    ];
    for (answer, then, said) in &wrong {
        project.write("answer", answer);
        be(&project, &format!("cat > /dev/null; cat \"$F/answer\"; {then}"));
        let ended = read(&project);
        assert_ne!(ended.code, 0, "{said}: {ended:#?}");
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
        assert_eq!(acts(&project), pairs(&[("1", "x")]), "{said}");
    }
    let path = project.path().join("program");
    be(&project, "cat > /dev/null; cat \"$F/answer\"");
    project.write("answer", written(&[json!({"record": {"id": "2", "at": CANARY, "arm": "x"}}), json!({"done": 1})]));
    let ended = read(&project);
    assert!(ended.code != 0 && ended.stderr.contains("[hidden]"), "{ended:#?}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(read(&project).stderr.contains("may be changed by anybody"));
    fs::remove_file(&path).unwrap();
    assert!(read(&project).stderr.contains("cannot be started"));
    fs::remove_file(project.path().join("answer")).unwrap();
    project.assert_no_secret_kept();
}

#[test]
fn a_program_that_takes_too_long_is_stopped_with_all_it_started() {
    let project =
        project(&lines("all", "within = \"2s\""), "cat > /dev/null; sleep 600 & echo $! > \"$F/child\"; wait");
    let ended = read(&project);
    assert!(ended.stderr.contains("stopped after 2 s"), "{ended:#?}");
    let child = fs::read_to_string(project.path().join("child")).unwrap();
    let ended = |_: &u32| !std::path::Path::new("/proc").join(child.trim()).exists();
    let waits = (0..100_u32).inspect(|_| std::thread::sleep(Duration::from_millis(50)));
    assert!(waits.into_iter().any(|wait| ended(&wait)), "what it started still runs");
}

#[test]
fn of_news_what_was_told_before_stays_and_the_state_moves_only_with_what_was_kept() {
    let script = "cat > \"$F/asked\"; cat \"$F/answer\"";
    let project = project(&lines("news", ""), script);
    let asked_state = || {
        let asked = fs::read_to_string(project.path().join("asked")).unwrap();
        serde_json::from_str::<Value>(&asked).unwrap()["state"].clone()
    };
    let state = |at: u32| json!({"state": {"at": at}});
    project.write("answer", written(&[record("1", -3, "x"), record("2", -3, "x"), state(1), json!({"done": 2})]));
    assert_eq!(read(&project).code, 0);
    assert_eq!(asked_state(), Value::Null);
    // One is new, one says something else; what is not told of has not vanished.
    project.write("answer", written(&[record("2", -3, "y"), record("3", -1, "x"), state(2), json!({"done": 2})]));
    assert_eq!(read(&project).code, 0);
    assert_eq!(asked_state(), json!({"at": 1}));
    let stored = pairs(&[("1", "x"), ("2", "y"), ("3", "x")]);
    assert_eq!(acts(&project), stored);
    project.write("answer", written(&[record("4", -1, "x"), state(3)]));
    assert_ne!(read(&project).code, 0);
    assert_eq!(acts(&project), stored);
    project.write("answer", written(&[json!({"done": 0})]));
    assert_eq!(read(&project).code, 0);
    assert_eq!(asked_state(), json!({"at": 2}), "what failed moved nothing");
    assert_eq!(read(&project).code, 0);
    assert_eq!(asked_state(), json!({"at": 2}), "nor does a reading without a state");
    project.write("answer", written(&[json!({"state": {"key": CANARY}}), json!({"done": 0})]));
    assert!(read(&project).stderr.contains("is a state with a secret of its settings"));
    project.write("answer", written(&[json!({"done": 0})]));
    // Another list is another question: it is told from the beginning.
    let path = project.path().join("willitsell.toml");
    let other = fs::read_to_string(&path).unwrap().replace("settings = { ", "settings = { list = \"b\", ");
    project.write("willitsell.toml", other);
    assert_eq!(read(&project).code, 0);
    assert_eq!(asked_state(), Value::Null);
    fs::remove_file(project.path().join("asked")).unwrap();
    project.assert_no_secret_kept();
}

#[test]
fn a_tap_is_told_in_private_files_and_its_stream_must_be_there() {
    let discovered = r#"{"streams":[{"tap_stream_id":"leads","stream":"leads","schema":{}},{"tap_stream_id":"o","stream":"orders","schema":{}}]}"#;
    let script = format!(
        "case \"$*\" in *--discover*) echo '{discovered}'; exit;; esac\n\
         stat -c %a \"$2\" \"$4\" \"$(dirname \"$2\")\" > \"$F/modes\"; cp \"$2\" \"$F/config\"; cp \"$4\" \"$F/catalog\"; cat \"$F/answer\""
    );
    let project = project(&tap(""), &script);
    let schema = json!({"type": "SCHEMA", "stream": "leads", "schema": {}, "key_properties": ["id"]});
    let told = |stream: &str, record: &Value| json!({"type": "RECORD", "stream": stream, "record": record["record"]});
    let state = json!({"type": "STATE", "value": {"bookmarks": {}}});
    let answer = [schema.clone(), told("leads", &record("1", -2, "x")), told("orders", &record("9", -2, "x")), state];
    project.write("answer", written(&answer));
    let ended = read(&project);
    assert_eq!(ended.code, 0, "{ended:#?}");
    assert_eq!(acts(&project), pairs(&[("1", "x")]), "of its own stream only");
    assert_eq!(fs::read_to_string(project.path().join("modes")).unwrap(), "600\n600\n700\n");
    let config: Value = serde_json::from_slice(&fs::read(project.path().join("config")).unwrap()).unwrap();
    assert_eq!(config, json!({"list": "a", "start_date": day(-9), "key": CANARY}));
    let catalog: Value = serde_json::from_slice(&fs::read(project.path().join("catalog")).unwrap()).unwrap();
    let selected = |at: usize| {
        (&catalog["streams"][at]["selected"], &catalog["streams"][at]["metadata"][0]["metadata"]["selected"])
    };
    assert_eq!((selected(0), selected(1)), ((&json!(true), &json!(true)), (&json!(false), &json!(false))));
    for (answer, said) in [
        (
            vec![json!({"type": "SCHEMA", "stream": "lead", "schema": {}})],
            "tells of no stream \"leads\"; its streams are: lead",
        ),
        (vec![schema.clone(), json!({"type": "BATCH", "stream": "leads", "manifest": []})], "switch batches off"),
        (vec![schema.clone(), json!("hello")], "is no Singer message"),
    ] {
        project.write("answer", written(&answer));
        let ended = read(&project);
        assert!(ended.code != 0 && ended.stderr.contains(said), "{said}: {ended:#?}");
        assert_eq!(acts(&project), pairs(&[("1", "x")]), "{said}");
    }
    // An empty stream that is there is nobody, and what was stored for its days has vanished.
    project.write("answer", written(&[schema]));
    assert_eq!(read(&project).code, 0);
    assert_eq!(acts(&project), pairs(&[]));
    be(&project, &script.replace("leads", "people"));
    let ended = read(&project);
    assert!(ended.stderr.contains("it has no stream \"leads\"; its streams are: orders, people"), "{ended:#?}");
}

#[test]
fn whether_a_program_keeps_to_its_file_is_tried_by_connectors_test() {
    let project = project(&lines("all", ""), "cat > /dev/null; cat \"$F/answer\"");
    project.write("answer", written(&[record("1", -3, "x"), record("2", -2, "x"), json!({"done": 2})]));
    let program = project.path().join("program").display().to_string();
    let test = |project: &Project| {
        let arguments =
            ["connectors", "test", "connectors/own.toml", "--program", &program, "--setting", "token=env:KEY"];
        Ended::of(&project.command(&arguments).env("KEY", CANARY).output().unwrap())
    };
    let ended = test(&project);
    assert_eq!(ended.code, 0, "{ended:#?}");
    let said =
        format!("2 rows in 28 days, the same when asked again and of one day alone; the first are of {}", day(-3));
    assert!(ended.stdout.contains(&said) && ended.stdout.contains("x  email 1"), "{ended:#?}");
    // Another answer each time.
    be(&project, "cat > /dev/null; cat \"$F/answer\" | sed \"s/x/$(date +%N)/\"");
    assert!(test(&project).stderr.contains("asked twice for the same days it answers differently"));
    // Whoever is asked for one day may not leave out what they tell among many.
    let many = "if grep -q \"\\\"start\\\":\\\"$(date -u -d '2 days ago' +%F)\\\"\"; then echo '{\"done\":0}'; else cat \"$F/answer\"; fi";
    be(&project, many);
    project.write("answer", written(&[record("1", -2, "x"), record("2", -2, "x"), json!({"done": 2})]));
    let ended = test(&project);
    assert!(ended.stderr.contains("alone it answers otherwise than for 28 days: x of"), "{ended:#?}");
    let plain = ["connectors", "test", "connectors/own.toml", "--program", &program, "--setting", "token=plain"];
    assert!(project.run(&plain).stderr.contains("others see what stands on a command line"));
    let without = ["connectors", "test", "connectors/own.toml", "--program", &program];
    assert!(project.run(&without).stderr.contains("setting token is missing: add --setting token=env:VARIABLE"));
    assert!(project.succeeds(&["connectors", "test", "connectors/own.toml"]).contains("It asks a program of yours"));
}

#[test]
fn mistakes_about_a_program_are_told_with_their_lines() {
    let right = lines("all", "");
    for (from, to, said) in [
        ("tells = \"all\"", "tells = \"new\"", "`new` is not known here"),
        ("speaks = \"lines\"", "speaks = \"singer\"", "`stream` is missing"),
        ("speaks = \"lines\"", "speaks = \"lines\"\nstream = \"a\"", "are of Singer taps"),
        ("[days]", "[auth.bearer]\ntoken = \"{token}\"\n[days]", "there is no `auth`"),
        ("each = \"$[*]\"", "each = \"$.a[*]\"", "each record is a row"),
        ("list = \"{list}\"", "list = \"{lists}\"", "did you mean `list`?"),
        ("list  = {", "program = { help = \"x\" }\nlist  = {", "a setting of every connector that runs one"),
    ] {
        let wrong = right.replacen(from, to, 1);
        assert_ne!(wrong, right, "{from}");
        let project = project(&wrong, "");
        let ended = project.run(&["connectors", "test", "connectors/own.toml"]);
        assert!(ended.code == 2 && ended.stderr.contains(said), "{said}: {ended:#?}");
    }
    let counts = right
        .replace("[response]\nid = \"$.id\"\nperson = \"$.email\"\ndepth = \"email\"\n", "")
        .replace("\"all\"", "\"news\"");
    let project = project(&counts, "");
    let ended = project.run(&["connectors", "test", "connectors/own.toml"]);
    assert!(ended.stderr.contains("news can be added to people's acts only"), "{ended:#?}");
}
