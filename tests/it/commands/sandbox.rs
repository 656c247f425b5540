//! `sandbox` runs until it is stopped, and every command works against it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;

use crate::project::{Project, json_lines};

#[test]
fn a_rehearsal_goes_from_the_first_check_to_a_verdict() {
    let project = Project::new("");
    let mut sandbox = project.command(&["--json", "sandbox", "--folder", "play"]).spawn().unwrap();
    let mut said = BufReader::new(sandbox.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.contains("play/willitsell.toml"), "{line}");
    for entry in std::fs::read_dir(project.path().join("play/secrets")).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    let config = ["--config", "play/willitsell.toml"];
    let run = |arguments: &[&str]| project.run(&[&config, arguments].concat());
    let checked = run(&["check"]);
    assert_eq!(checked.code, 0, "{checked:#?}");
    assert!(checked.stderr.is_empty(), "a rehearsal begins without warnings: {checked:#?}");
    let text = std::fs::read_to_string(project.path().join("play/willitsell.toml")).unwrap();
    let pages = text.lines().filter(|line| line.starts_with("authorize_url"));
    assert!(pages.clone().all(|page| page.contains("http://127.0.0.1:")), "{text}");
    assert_eq!(pages.count(), text.matches("[login.").count(), "nobody is sent to a real consent page");
    let asked = run(&["--json", "check", "--live"]);
    assert_eq!(asked.code, 0, "{asked:#?}");
    let mut full = 0;
    for source in json_lines(&asked.stdout).iter().filter(|line| line.get("rows").is_some()) {
        assert!(source["error"].is_null(), "{source}");
        let rows = source["rows"].as_array().unwrap().len();
        // Days are real ones: in the last week a form that hardly anyone sends may have been sent once or never.
        let platform = source["connector"].as_str().unwrap().ends_with("_ads");
        let rare = !platform && source["source"] != "cat-meals-form";
        assert!(rows == 3 || rare && rows < 3, "{source}");
        full += usize::from(rows == 3);
    }
    assert!(full >= 7, "{asked:#?}");
    let once = run(&["run", "--once"]);
    assert_eq!(once.code, 0, "{once:#?}");
    assert!(once.stdout.contains("cat-meals"), "{once:#?}");
    let status = run(&["status"]);
    assert!([0, 10].contains(&status.code), "{status:#?}");
    sandbox.kill().unwrap();
    sandbox.wait().unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(project.run(&["--config", "play/willitsell.toml", "check", "--live"]).code, 1, "nobody answers now");
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let taken = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = Project::new("").run(&["sandbox", "--port", &port]);
    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(refused.stderr.contains(&format!("port {port}: ")) && refused.stderr.contains("--port on"), "{refused:#?}");
}
