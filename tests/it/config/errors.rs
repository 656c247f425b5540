//! F1: every error at once, each with file, line, arrow and advice, in words as they are read.

use super::*;

fn all_rendered(text: &str) -> String {
    said(text).iter().filter(|problem| !problem.warning).map(rendered).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn f1_two_mistakes_are_two_errors_with_line_arrow_and_advice() {
    let text = with("kill_bar = 0.02", "kill_bar = \"2 %\"").replace("\"typeform\"", "\"typefrom\"");
    let expected = r#"
  x there is no connector called "typefrom"
   ,-[willitsell.toml:8:13]
 8 | connector = "typefrom"
   :             ^^^^^^^^^^
   `----
  help: did you mean typeform?

  x experiment.cats.policy.kill_bar is text
    ,-[willitsell.toml:30:12]
 30 | kill_bar = "2 %"
    :            ^^^^^
    `----
  help: write a number, without quotes"#;
    assert_eq!(all_rendered(&text), expected.trim_start_matches('\n'));
}

#[test]
fn f1_the_message_for_all_of_them_counts_them() {
    let text = with("kill_bar = 0.02", "kill_bar = nan\nbeta = 0.7").replace("\"typeform\"", "\"typefrom\"");
    let message = load(&text).unwrap_err().to_string();
    assert!(message.ends_with("willitsell.toml has 3 errors, and nothing was done"), "{message}");
}

#[test]
fn f1_no_mistake_hides_another() {
    let policy = "kil_bar = 0.02\nalpha = 7\nmin_exposures = -1\nboundary = \"x\"\nmultiplicity = 3\ndispersion = 0.5";
    let text = with("kill_bar = 0.02", policy)
        .replace("primary = \"signup\"", "primary = \"sign\"")
        .replace("title = \"Kit for cats\"", "owner = 3\ndecide_within_days = 0\nstop = \"soon\"")
        .replace("\"0 6 * * MON-FRI\"", "\"6:00\"")
        .replace("https://example.com/early", "x")
        .replace("Europe/Berlin", "Berlin")
        .replace("notify = [\"growth\"]", "notify = [\"grwth\"]")
        .replace("keys = { landing", "keys = { lnding")
        .replace("token = \"env:TYPEFORM_TOKEN\"", "tokn = \"env:TYPEFORM_TOKEN\"")
        .replace("client_id = \"id\"", "client_id = 3")
        .replace("url = \"env:SLACK_URL\"", "url = \"x\"");
    let said = errors(&text);
    let named = [
        "kil_bar",
        "alpha",
        "min_exposures",
        "boundary",
        "multiplicity",
        "dispersion",
        "kill_bar is missing",
        "\"sign\"",
        "owner",
        "decide_within_days",
        "disclosure",
        "stop",
        "schedule",
        "\"Berlin\"",
        "\"grwth\"",
        "\"lnding\"",
        "tokn",
        "token is missing",
        "client_id",
        "url: a secret",
        "title is missing",
    ];
    for name in named {
        assert!(said.iter().any(|error| error.contains(name)), "{name}: {said:#?}");
    }
}

#[test]
fn f1_errors_of_syntax_one_for_each_table() {
    let text = with("kill_bar = 0.02", "kill_bar = 2 %").replace("title = \"Kit for cats\"", "title = \"Kit for cats");
    let expected = r#"
  x this is not valid TOML: invalid basic string, expected `"`
    ,-[willitsell.toml:15:22]
 15 | title = "Kit for cats
    :                     ^
    `----
  help: text stands in quotes, one `key = value` a line; the example configuration shows every
        form

  x this is not valid TOML: string values must be quoted, expected literal string
    ,-[willitsell.toml:30:12]
 30 | kill_bar = 2 %
    :            ^^^
    `----
  help: text stands in quotes, one `key = value` a line; the example configuration shows every
        form"#;
    assert_eq!(all_rendered(&text), expected.trim_start_matches('\n'));
}

#[test]
fn f1_an_open_bracket_is_one_error_and_hides_none_below() {
    let text = with("sources = [\"landing\", \"search\"]", "sources = [\"landing\", \"search\"")
        .replace("numerator = \"signups\"", "numerator = signups");
    let said = errors(&text);
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said[0].starts_with("22: ") && said[1].starts_with("26: "), "{said:#?}");
}

#[test]
fn f1_a_table_written_twice_is_an_error() {
    let said = errors(&format!("{SMALL}[source.landing]\nconnector = \"typeform\"\n"));
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].starts_with("31: this is not valid TOML: duplicate key"), "{said:#?}");
}

#[test]
fn f1_wrong_kinds_of_values_are_named() {
    for (line, wrong, wanted) in [
        ("title = \"Kit for cats\"", "title = 3", "title is a number | write text in quotes"),
        ("title = \"Kit for cats\"", "title = \" \"", "title is empty | write something, or leave it out"),
        ("start = \"2026-09-01\"", "start = \"1.9.2026\"", "start is not a date | write a date such as \"2026-09-01\""),
        ("start = \"2026-09-01\"", "start = 2026-09-01T06:00:00Z", "start is a date | write a date such as"),
        ("start = \"2026-09-01\"", "start = 2026", "start is a number | write a date such as \"2026-09-01\""),
        ("sources = [\"landing\", \"search\"]", "sources = \"landing\"", "sources is text | write a list of texts"),
        ("notify = [\"growth\"]", "notify = [1]", "notify is a number | write a list of texts"),
        ("kill_bar = 0.02", "kill_bar = \"0.02\"", "kill_bar is text | write a number, without quotes"),
        ("kill_bar = 0.02", "kill_bar = 0.02\nmin_days = 14.5", "min_days is a number | write a whole number from 1"),
        (
            "kill_bar = 0.02",
            "kill_bar = 0.02\nguardrails = 1",
            "guardrails is a number | write [[experiment.KEY.policy",
        ),
        ("kill_bar = 0.02", "kill_bar = 0.02\nbudget_cap = 100", "budget_cap is a number | write an amount such as {"),
        ("[source.search]", "[source]\nbad = 1\n[source.search]", "source.bad is a number | write it as a table"),
    ] {
        let said = errors(&with(line, wrong));
        assert!(said.iter().any(|error| error.contains(wanted)), "{wrong}: {said:#?}");
    }
    assert_eq!(errors(&with("start = \"2026-09-01\"", "start = 2026-09-01")), Vec::<String>::new());
}

#[test]
fn f1_a_file_that_is_not_there_not_text_or_empty() {
    let file = File::new("");
    let said =
        |file: &File| file.load_with(&full_env).unwrap_err().iter().map(|one| one.what.clone()).collect::<Vec<_>>();
    assert_eq!(said(&file), ["there is no experiment"]);
    fs::write(&file.path, b"[store]\nurl = \"\xff\"").unwrap();
    assert_eq!(said(&file), ["this file is not UTF-8 text"]);
    fs::remove_file(&file.path).unwrap();
    assert_eq!(said(&file), ["there is no such file"]);
    let message = file.load_with(&full_env).unwrap_err().iter().next().unwrap().to_string();
    assert!(message.contains("willitsell.toml: there is no such file"), "{message}");
    let marked = format!("\u{feff}{SMALL}");
    assert!(load(&marked).is_ok(), "a byte order mark is not a mistake");
}

#[test]
fn f1_problems_serialise_with_place_and_without_the_line() {
    let said = said(&with("kill_bar = 0.02", "kill_bar = 7"));
    let json = serde_json::to_value(said.iter().find(|problem| !problem.warning)).unwrap();
    assert_eq!((json["line"].as_u64(), json["column"].as_u64()), (Some(30), Some(12)), "{json}");
    assert_eq!(json["warning"], false);
    assert!(json["advice"].as_str().unwrap().contains("between 0 and 1"), "{json}");
}
