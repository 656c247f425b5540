//! Real exports of forms, as typed at a terminal: imported, decided, and imported again without counting twice.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::real_data::real_data;

const CONFIGURATION: &str = r#"
[store]
url = "sqlite://willitsell.db"
[source.form]
connector = "form_file"
depth = "verified_email"
settings = { SETTINGS }
answers = { role = "ASKED" }
[experiment.survey]
title = "Survey"
hypothesis = "people answer"
schedule = "0 8 * * *"
timezone = "UTC"
start = "START"
stop = "STOP"
sources = ["form"]
[experiment.survey.arm.all]
keys = { form = ["all"] }
[experiment.survey.rate.share]
numerator = "NUMERATOR"
denominator = "form_opens"
[experiment.survey.policy]
primary = "share"
kill_bar = KILL
build_bar = BUILD
icp = [{ field = "role", one_of = ["Back-End Web Developer"] }]
"#;

fn willitsell(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_willitsell"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("WILLITSELL_CONFIG")
        .env_remove("WILLITSELL_LOG")
        .output()
        .unwrap();
    (done.status.code().unwrap(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
}

fn configured(words: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = words.iter().fold(CONFIGURATION.to_owned(), |text, (word, is)| text.replace(word, is));
    let path = folder.path().join("willitsell.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    folder
}

#[test]
fn d2_a_real_typeform_export_without_addresses_verifies_nobody_and_counts_once() {
    let Some(export) = real_data("data/typeform-new-coders/typeform_export.csv") else { return };
    let folder = configured(&[
        ("SETTINGS", "arm = \"all\", form_opens = \"answers\""),
        ("ASKED", "Which one of these roles*"),
        ("START", "2016-03-29"),
        ("STOP", "2016-04-30"),
        ("NUMERATOR", "qualified_signups"),
        ("KILL", "0.10"),
        ("BUILD", "0.20"),
    ]);
    let (folder, export) = (folder.path(), export.to_str().unwrap());
    let (code, said) = willitsell(folder, &["import", export, "--dry-run"]);
    assert!(code == 0 && said.contains("answer role") && said.contains("Replaces  nothing"), "{said}");
    assert!(said.contains("Nothing was stored (dry run)"), "{said}");
    let (code, said) = willitsell(folder, &["import", export]);
    assert!(code == 0 && said.contains("0 changed, 0 no longer there"), "{said}");
    let (_, decided) = willitsell(folder, &["run", "--once"]);
    // Nobody left an address, so none was verified, whatever the configuration claims: no sign-up, and no KILL either.
    assert!(
        decided.contains("BLOCKED: Survey") && decided.contains("45 qualified sign-ups of source \"form\" carry no"),
        "{decided}"
    );
    let (code, said) = willitsell(folder, &["import", export]);
    assert!(code == 0 && said.contains("800 answers stored for its days"), "{said}");
    assert!(said.contains("0 rows new, 0 changed, 0 no longer there"), "{said}");

    // Half of the answers would take the other half away.
    let half: String = fs::read_to_string(export).unwrap().lines().step_by(2).map(|line| format!("{line}\n")).collect();
    fs::write(folder.join("half.csv"), half).unwrap();
    let (code, said) = willitsell(folder, &["import", "half.csv"]);
    assert!(code == 1 && said.contains("Export all answers") && said.contains("--replace"), "{said}");
}

#[test]
fn a_real_funnel_of_begun_and_whole_answers_ends_in_a_verdict() {
    let Some(export) = real_data("data/jupyter-ux-survey/survey_export.csv") else { return };
    let words = |settings| {
        [
            ("SETTINGS", settings),
            ("ASKED", "How often*"),
            ("START", "2015-12-21"),
            ("STOP", "2016-01-15"),
            ("NUMERATOR", "signups"),
            ("KILL", "0.25"),
            ("BUILD", "0.35"),
        ]
    };
    let export = export.to_str().unwrap();
    let unsaid = configured(&words("arm = \"all\""));
    let (code, said) = willitsell(unsaid.path(), &["import", export]);
    assert!(code == 1 && said.contains("settings = { time_zone = \"…\" }"), "{said}");
    let said = configured(&words("arm = \"all\", time_zone = \"America/Los_Angeles\""));
    assert_eq!(willitsell(said.path(), &["import", export]).0, 0);
    let (_, decided) = willitsell(said.path(), &["run", "--once"]);
    assert!(decided.contains("BUILD: Survey, reached on ") && decided.contains("779 of 1,706"), "{decided}");
}

#[test]
fn an_export_without_the_begun_answers_does_not_take_form_openings_away_unasked() {
    let folder = configured(&[
        ("SETTINGS", "arm = \"all\""),
        ("ASKED", "Role"),
        ("START", "2026-03-02"),
        ("STOP", "2026-04-02"),
        ("NUMERATOR", "signups"),
        ("KILL", "0.10"),
        ("BUILD", "0.20"),
    ]);
    let folder = folder.path();
    let head = "Submission ID,Submitted at,Status,Role\n";
    let sent = "x1,2026-03-05T10:00:00Z,Complete,CFO\n";
    fs::write(folder.join("all.csv"), format!("{head}{sent}x2,2026-03-05T11:00:00Z,Partial,\n")).unwrap();
    fs::write(folder.join("sent.csv"), format!("{head}{sent}")).unwrap();
    assert_eq!(willitsell(folder, &["import", "all.csv"]).0, 0);
    let (code, said) = willitsell(folder, &["import", "sent.csv"]);
    assert!(code == 1 && said.contains("1 form opening") && said.contains("Export begun answers too"), "{said}");
    assert_eq!(willitsell(folder, &["import", "sent.csv", "--replace"]).0, 0);
}
