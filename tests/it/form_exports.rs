//! Real exports of forms, as typed at a terminal: imported, decided, and imported again without counting twice.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use chrono::{NaiveDate, NaiveDateTime, TimeDelta, Utc};

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
fn people_of_a_real_export_who_are_told_apart_by_a_number_are_qualified_themed_and_decided_on() {
    let Some(export) = real_data("data/typeform-new-coders/typeform_export.csv") else { return };
    // What was written freely is kept for 90 days, so the form is taken for one of last month.
    let [first, last] = ["2016-03-29", "2016-04-30"].map(|day| day.parse::<NaiveDate>().unwrap());
    let later = Utc::now().date_naive() - TimeDelta::days(7) - last;
    let folder = configured(&[
        ("SETTINGS", "arm = \"all\", form_opens = \"answers\", person_column = \"Network ID\""),
        (
            "answers = { role = \"ASKED\" }",
            "answers = { role = \"Which one of these roles*\", learns = \"Other (3)\" }\nfree_text = [\"learns\"]",
        ),
        ("START", &(first + later).to_string()),
        ("STOP", &(last + later).to_string()),
        ("NUMERATOR", "qualified_signups"),
        ("KILL", "0.10"),
        ("BUILD", "0.20"),
        (
            "[experiment.survey.arm.all]",
            "[experiment.survey.themes]\n\"other courses\" = [\"treehouse\", \"lynda*\"]\n\
             \"videos\" = [\"youtube*\"]\n[experiment.survey.arm.all]",
        ),
    ]);
    let (folder, moved) = (folder.path(), folder.path().join("moved.csv"));
    let mut rows = csv::ReaderBuilder::new().has_headers(false).from_path(export).unwrap();
    let mut file = csv::Writer::from_path(&moved).unwrap();
    for row in rows.records() {
        let row = row.unwrap();
        file.write_record(row.iter().map(|cell| match NaiveDateTime::parse_from_str(cell, "%Y-%m-%d %H:%M:%S") {
            Ok(instant) => (instant + later).to_string(),
            Err(_) => cell.to_owned(),
        }))
        .unwrap();
    }
    file.flush().unwrap();

    let (code, said) = willitsell(folder, &["import", "moved.csv", "--dry-run"]);
    assert!(code == 0 && said.contains("person (keyed hash)") && !said.contains("ba39642408"), "{said}");
    assert_eq!(willitsell(folder, &["import", "moved.csv"]).0, 0);
    let (_, decided) = willitsell(folder, &["run", "--once"]);
    assert!(decided.contains("KILL: Survey, reached on ") && decided.contains("45 of 800 form openings"), "{decided}");
    let (_, themes) = willitsell(folder, &["themes", "survey"]);
    let (_, explained) = willitsell(folder, &["explain", "survey"]);
    println!("{decided}\n{themes}\n{explained}");
    assert!(themes.contains("other courses") && explained.contains("What people write"), "{themes}\n{explained}");
    assert!(explained.contains("Answers left out: 302 outside the ICP and 453 of whom it is not known"), "{explained}");
    let (_, forgotten) = willitsell(folder, &["forget", "form:ba39642408"]);
    assert!(forgotten.contains("1 act"), "{forgotten}");
}

#[test]
fn one_command_brings_a_real_surveymonkey_export_to_a_verdict() {
    let Some(export) = real_data("data/surveymonkey-cncf/training_microsurvey.csv") else { return };
    let folder = configured(&[
        ("[source.form]\nconnector = \"form_file\"\ndepth = \"verified_email\"\nsettings = { SETTINGS }\n", ""),
        ("answers = { role = \"ASKED\" }\n", ""),
        ("sources = [\"form\"]", "sources = []"),
        ("keys = { form = [\"all\"] }\n", ""),
        ("icp = [{ field = \"role\", one_of = [\"Back-End Web Developer\"] }]", "min_exposures = 100"),
        ("START", "2023-06-01"),
        ("STOP", "2023-08-31"),
        ("NUMERATOR", "signups"),
        ("KILL", "0.25"),
        ("BUILD", "0.35"),
    ]);
    let (folder, export) = (folder.path(), export.to_str().unwrap());
    let save = ["import", export, "--save", "--keys", "all=all", "--set", "arm=all", "--set", "time_zone=UTC"];
    let (code, said) = willitsell(folder, &save);
    assert!(
        code == 1 && said.contains("does not count form_opens") && said.contains("--set form_opens=answers"),
        "{said}"
    );
    let asked = "cost=What has prevented you from completing any certifications*Cost*";
    let save = [&save[..], &["--set", "form_opens=answers", "--answer", asked]].concat();
    let (code, said) = willitsell(folder, &save);
    assert!(code == 0 && said.contains("answer cost") && said.contains("162 rows new"), "{said}");
    let text = fs::read_to_string(folder.join("willitsell.toml")).unwrap();
    assert!(text.contains("form_opens = \"answers\"") && text.contains("cost = \"What has prevented"), "{text}");
    let (code, said) = willitsell(folder, &["import", export]);
    assert!(code == 0 && said.contains("0 rows new, 0 changed, 0 no longer there"), "{said}");
    // One answer was begun nine days before it was sent.
    let (_, decided) = willitsell(folder, &["run", "--once"]);
    assert!(decided.contains("BUILD: Survey, reached on ") && decided.contains("134 of 134"), "{decided}");
}

#[test]
fn members_count_once_each_and_addresses_are_no_numbers() {
    let settings = "arm = \"all\", form_opens = \"answers\", person_column = \"PERSON\"";
    let import = |settings: &str, person: &str| {
        let folder = configured(&[
            ("SETTINGS", &settings.replace("PERSON", person)),
            ("ASKED", "Role"),
            ("START", "2026-03-02"),
            ("STOP", "2026-04-02"),
            ("NUMERATOR", "qualified_signups"),
            ("KILL", "0.10"),
            ("BUILD", "0.20"),
        ]);
        let rows = [
            ("x1", "m1", "a@b.org"),
            ("x2", "m2", "c@d.org"),
            ("x3", "m1", "e@f.org"),
            ("x4", "n/a", ""),
            ("x5", "M1", ""),
        ];
        let rows: String = (1..)
            .zip(rows)
            .map(|(day, (id, member, mail))| format!("{id},2026-03-0{day}T10:00:00Z,CFO,{member},{mail}\n"))
            .collect();
        fs::write(folder.path().join("all.csv"), format!("Submission ID,Submitted at,Role,Member,Mail\n{rows}"))
            .unwrap();
        let imported = willitsell(folder.path(), &["import", "all.csv"]);
        (folder, imported)
    };
    let (folder, (code, said)) = import(settings, "Member");
    assert!(code == 0 && said.contains("1 of 5 answers do not say whose they are"), "{said}");
    let raw = rusqlite::Connection::open(folder.path().join("willitsell.db")).unwrap();
    let people = "SELECT COUNT(person), COUNT(DISTINCT person) FROM response";
    assert_eq!(raw.query_row(people, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap(), (4_i64, 3_i64));
    let (_, (code, said)) = import(settings, "Mail");
    assert!(code == 1 && said.contains("its column holds addresses: name it in email_column"), "{said}");
    let (_, (code, said)) = import(settings, "Membr");
    assert!(code == 1 && said.contains("Member"), "{said}");
    // What the check of the configuration has not seen may count people twice.
    let (folder, (code, _)) = import("arm = \"all\", form_opens = \"answers\"", "");
    assert_eq!(code, 0);
    let (code, said) = willitsell(folder.path(), &["import", "all.csv", "--set", "person_column=Member"]);
    assert!(code == 2 && said.contains("it is for the configuration to say: repeat with --save"), "{said}");
    let (_, (code, said)) = import(&format!("{settings}, email_column = \"Mail\""), "Member");
    assert!(code == 1 && said.contains("contradict each other"), "{said}");
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
