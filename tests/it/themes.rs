//! What people write: kept only where asked for, grouped by names a person gave, shown beside the numbers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use chrono::{Days, Utc};
use willitsell::domain::theme::{Phrase, Theme};
use willitsell::themes::group;

use crate::real_data::real_data;

const CONFIGURATION: &str = r#"
[store]
url = "sqlite://willitsell.db"
[source.form]
connector = "form_file"
settings = { time_zone = "UTC", arm = "all" }
answers = { why = "Why*" }
free_text = ["why"]
[experiment.survey]
title = "Survey"
hypothesis = "people answer"
schedule = "0 8 * * *"
timezone = "UTC"
start = "START"
sources = ["form"]
[experiment.survey.arm.all]
keys = { form = ["all"] }
[experiment.survey.rate.share]
numerator = "signups"
denominator = "form_opens"
[experiment.survey.policy]
primary = "share"
kill_bar = 0.02
build_bar = 0.03
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

fn configure(folder: &Path, themes: &str) {
    let start = Utc::now().date_naive() - Days::new(20);
    let text = CONFIGURATION.replace("START", &start.to_string()) + themes;
    let path = folder.join("willitsell.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn x1_what_people_write_is_named_by_a_person_and_shown_beside_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), "");
    let (code, said) = willitsell(folder.path(), &["themes", "survey"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("`willitsell pull` reads it"), "{said}");

    let day = Utc::now().date_naive() - Days::new(3);
    let mut export = "Response ID,Submitted At,Status,Why would you?,Email\n".to_owned();
    let said =
        ["Chasing late payers", "late payers!", "by hand, every month", "By hand.", "\u{202e}call +49 151 2345678", ""];
    for (number, said) in said.iter().enumerate() {
        export += &format!("r{number},{day} 10:0{number}:00,Complete,\"{said}\",a{number}@acme.org\n");
    }
    fs::write(folder.path().join("answers.csv"), export).unwrap();
    let (code, said) = willitsell(folder.path(), &["import", "answers.csv", "--source", "form"]);
    assert_eq!(code, 0, "{said}");

    let (_, said) = willitsell(folder.path(), &["themes", "survey"]);
    assert!(said.starts_with("5 answers, kept for 90 days. No test reads them."), "{said}");
    assert!(said.contains("They have in common:\n  2  late payers\n"), "{said}");
    assert!(said.contains("  [experiment.survey.themes]\n  \"late payers\" = [\"late payers\"]"), "{said}");

    configure(
        folder.path(),
        "[experiment.survey.themes]\n\"chasing late payers\" = [\"late pay*\"]\ncalls = [\"call\"]\n",
    );
    let (_, said) = willitsell(folder.path(), &["themes", "survey"]);
    assert!(said.contains("  2 of 5  chasing late payers\n"), "{said}");
    assert!(said.contains("  1 of 5  calls\n          “call …”\n\n  2 of 5  none of these"), "{said}");
    let (_, said) = willitsell(folder.path(), &["--json", "themes", "survey"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&said).unwrap()["groups"][0]["answers"], 2);
    let (_, said) = willitsell(folder.path(), &["run", "--once"]);
    assert!(!said.contains("late payers"), "{said}");
    let (_, said) = willitsell(folder.path(), &["explain", "survey"]);
    assert!(said.contains("What people write\n  chasing late payers (2 of 5 answers): “"), "{said}");

    configure(folder.path(), "[experiment.survey.themes]\n\"all\" = [\"*\"]\n\"none\" = []\n");
    let (code, said) = willitsell(folder.path(), &["check"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is no phrase") && said.contains("is known by nothing"), "{said}");
}

#[test]
fn d2_what_hinders_users_of_jupyter() {
    let Some(export) = real_data("data/jupyter-ux-survey/survey_export.csv") else { return };
    let mut rows = csv::Reader::from_path(export).unwrap();
    let asked = rows.headers().unwrap().iter().position(|name| name.starts_with("What, if anything, hinders")).unwrap();
    let rows: Vec<_> = rows.records().map(Result::unwrap).collect();
    let said: Vec<&str> = rows.iter().map(|row| &row[asked]).collect();
    let theme = |name: &str, phrases: &[&str]| Theme {
        name: name.to_owned(),
        phrases: phrases.iter().map(|phrase| Phrase::parse(phrase).unwrap()).collect(),
    };
    let rules = [theme("version control", &["version control", "git", "diff*"]), theme("debugging", &["debug*"])];
    let themes = group(&rules, &said);
    for group in themes.groups.iter().chain(&themes.suggestions) {
        println!("{} of {}  {}: “{}”", group.answers, themes.answers, group.name, group.quote);
    }
    assert_eq!((themes.answers, themes.groups[0].name.as_str()), (764, "version control"));
    assert!(themes.groups[0].answers > 50 && themes.suggestions.iter().all(|group| group.answers > 3));
}
