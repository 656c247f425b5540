//! How rows, days, arms and numbers of many shapes are read. Nobody is asked: pages are read as a pull
//! reads them.

use chrono_tz::Tz;
use willitsell::connect::manifest::Manifest;
use willitsell::domain::connector::{SettingValue, Settings, SourceRow};
use willitsell::domain::millionths;

use super::{hasty, november, pull_with, vendor};
use crate::fake_server::answer;

/// A manifest that is read only, with these tables.
fn manifest(tables: &str) -> Result<Manifest, String> {
    Manifest::load("shape.toml", &text(tables)).map_err(|error| error.to_string())
}

fn text(tables: &str) -> String {
    let said = tables.contains("[facts]") || tables.contains("[response]");
    let facts = if said { "" } else { "[facts]\nleft_out = \"nothing\"" };
    format!(
        r#"
name = "shape"
title = "Shape"
docs = "https://docs.example.com"
api_version = "v26.0"
sunset_on = "unknown"
checked_on = "2026-11-22"
verified = "documented"
[settings]
token = {{ help = "token", secret = true }}
kind = {{ help = "what is counted", default = "lead" }}
base_url = {{ help = "address", default = "https://api.example.com" }}
[auth.bearer]
token = "{{token}}"
[request]
method = "GET"
url = "{{base_url}}/{{api_version}}/{{kind}}"
query = {{ from = "{{window.start}}", to = "{{window.end}}" }}
[[example]]
page = '{{}}'
expect = []
{tables}
{facts}
"#
    )
}

const DAYS: &str = "[days]\nzone = \"$.zone\"\nends = \"inclusive\"\nlookback = 1\n";

/// Rows as text, or why the page cannot be read.
fn read(tables: &str, page: &str) -> Result<Vec<String>, String> {
    read_for(tables, "lead", page)
}

fn read_for(tables: &str, kind: &str, page: &str) -> Result<Vec<String>, String> {
    let manifest = manifest(tables).unwrap_or_else(|error| panic!("{error}"));
    let mut settings = Settings::default();
    settings.insert("kind", SettingValue::Plain(kind.to_owned()));
    manifest.read_page(page, &settings, november(), Tz::Europe__Berlin, |rows| {
        let shown = |row: &SourceRow<'_>| match row {
            SourceRow::Counts { arm_key, day, values } => {
                let values: Vec<_> =
                    values.iter().map(|(metric, value)| format!("{metric}={}", millionths::print(*value))).collect();
                format!("{} {day} {}", arm_key.as_deref().unwrap_or("-"), values.join(" "))
            }
            SourceRow::Response(row) => format!("{} {}", row.response_id, row.at.to_rfc3339()),
        };
        rows.iter().map(shown).collect()
    })
}

/// One row, with one value in its place.
fn one(tables: &str, row: &str) -> Result<String, String> {
    let row = row.replacen('{', r#"{"zone":"UTC","#, 1);
    read(&format!("{DAYS}{tables}"), &format!("[{row}]")).map(|rows| rows.join("; "))
}

#[test]
fn lists_of_lists_keep_what_their_parents_say_wherever_it_stands() {
    let tables = r#"
[days]
zone = "^^.zone"
ends = "inclusive"
lookback = 1
[rows]
each = "$.accounts[*].campaigns[*].stats[*]"
day = "$.day"
arm = "^.name"
[metric]
clicks = { sum = "$.clicks" }
spend = { money = "$.spend", currency = "^^^.currency" }
"#;
    let page = r#"{"accounts":[
        {"campaigns":[
            {"stats":[{"day":"2026-11-01","clicks":1,"spend":1.5},{"day":"2026-11-02","clicks":2,"spend":"2"}],"name":"a"},
            {"name":"b","stats":[{"day":"2026-11-01","clicks":3,"spend":0}]}],
         "zone":"Europe/Berlin"},
        {"zone":"Europe/Berlin","campaigns":[{"name":"c","stats":[]}]},
        {"zone":"Europe/Berlin","campaigns":[]}],"currency":"EUR"}"#;
    assert_eq!(
        read(tables, page).unwrap(),
        ["a 2026-11-01 clicks=1 spend=1.5", "a 2026-11-02 clicks=2 spend=2", "b 2026-11-01 clicks=3 spend=0"]
    );
    let unnamed = page.replace("\"name\":\"b\",", "");
    assert!(read(tables, &unnamed).unwrap_err().contains("`^.name`"), "the parent before does not stand in");
}

#[test]
fn h9_every_list_on_the_way_must_be_there() {
    let tables = format!(
        "{DAYS}[rows]\neach = \"$[*].results[*]\"\nday = \"$.day\"\narm = \"$.id\"\n[metric]\nclicks = {{ sum = \"$.n\" }}"
    );
    let row = r#"{"zone":"UTC","day":"2026-11-01","id":1,"n":2}"#;
    for (page, rows) in [
        ("[]".to_owned(), Some(0)),
        (r#"[{"results":[]}]"#.to_owned(), Some(0)),
        (format!(r#"[{{"results":[{row}]}},{{"results":[]}}]"#), Some(1)),
        (format!(r#"[{{"results":[{row}]}},{{}}]"#), None),
        (r#"[{"results":null}]"#.to_owned(), None),
        (r#"[{"error":{"code":429}}]"#.to_owned(), None),
        (r#"{"results":[]}"#.to_owned(), None),
        ("{}".to_owned(), None),
    ] {
        assert_eq!(read(&tables, &page).ok().map(|rows| rows.len()), rows, "{page}");
    }
}

#[test]
fn a_bare_list_is_a_list_of_rows() {
    let rows = "[rows]\neach = \"$[*]\"\nday = \"$.DATE\"\narm = \"$.AD_ID\"\n[metric]\nclicks = { sum = \"$.N\" }";
    assert_eq!(one(rows, r#"{"DATE":"2026-11-01","AD_ID":"687","N":3}"#).unwrap(), "687 2026-11-01 clicks=3");
}

#[test]
fn h21_days_come_in_their_declared_form() {
    let day = |form: &str, row: &str| {
        let tables =
            format!("[rows]\neach = \"$[*]\"\nday = {form}\narm = \"$.id\"\n[metric]\nclicks = {{ sum = \"$.n\" }}");
        one(&tables, &row.replacen('{', r#"{"id":"x","n":1,"#, 1))
    };
    let third = Ok("x 2026-11-03 clicks=1".to_owned());
    let midnight = "{ path = \"$.d\", form = \"midnight\" }";
    assert_eq!(day(midnight, r#"{"d":"2026-11-03 00:00:00"}"#), third);
    assert!(day(midnight, r#"{"d":"2026-11-03 06:00:00"}"#).unwrap_err().contains("2026-11-22 00:00:00"));
    assert!(day(midnight, r#"{"d":"2026-11-03"}"#).is_err());
    let parts = "{ year = \"$.d.y\", month = \"$.d.m\", day = \"$.d.d\" }";
    assert_eq!(day(parts, r#"{"d":{"y":2026,"m":11,"d":3}}"#), third);
    assert!(day(parts, r#"{"d":{"y":2026,"m":11,"d":31}}"#).unwrap_err().contains("is not a day"));
    assert!(day(parts, r#"{"d":{"y":2026,"m":11}}"#).unwrap_err().contains("`$.d.d`"));
    let instant = |form: &str, value: &str| {
        let tables = format!(
            "[days]\nzone = \"experiment\"\nends = \"inclusive\"\nlookback = 1\n[rows]\neach = \"$[*]\"\nday = {form}\n\
             arm = \"$.id\"\n[metric]\nclicks = {{ sum = \"$.n\" }}"
        );
        read(&tables, &format!(r#"[{{"id":"x","n":1,"d":{value}}}]"#)).map(|rows| rows.concat())
    };
    let epoch = "{ path = \"$.d\", form = \"epoch_ms\" }";
    assert_eq!(instant(epoch, "1793663940000"), Ok("x 2026-11-03 clicks=1".to_owned()), "00:59 in Berlin");
    assert_eq!(instant(epoch, "\"1793663940000\""), instant(epoch, "1793663940000"));
    assert!(instant(epoch, "\"soon\"").unwrap_err().contains("milliseconds"));
    assert_eq!(instant("\"$.d\"", "\"2026-11-02T23:59:00+0000\""), instant(epoch, "1793663940000"));
}

#[test]
fn an_arm_is_the_first_name_there_without_its_declared_beginning() {
    let arm = |arm: &str, row: &str| {
        let tables =
            format!("[rows]\neach = \"$[*]\"\nday = \"$.d\"\narm = {arm}\n[metric]\nclicks = {{ sum = \"$.n\" }}");
        let read = one(&tables, &row.replacen('{', r#"{"d":"2026-11-03","n":1,"#, 1));
        read.map(|row| row.split(' ').next().unwrap().to_owned())
    };
    assert_eq!(arm("[\"$.a\", \"$.b\"]", r#"{"b":"two"}"#).unwrap(), "two");
    assert_eq!(arm("[\"$.a\", \"$.b\"]", r#"{"b":"two","a":"one"}"#).unwrap(), "one");
    let cut = "{ path = \"$.u[0]\", cut = [\"urn:li:creative:\", \"urn:li:{kind}:\"] }";
    assert_eq!(arm(cut, r#"{"u":["urn:li:creative:5550"]}"#).unwrap(), "5550");
    assert_eq!(arm(cut, r#"{"u":["urn:li:lead:7"]}"#).unwrap(), "7");
    for other in ["urn:li:other:5", "5550", "urn:li:creative:"] {
        let error = arm(cut, &format!(r#"{{"u":["{other}"]}}"#)).unwrap_err();
        assert!(error.contains("does not begin with `urn:li:creative:`"), "{error}");
    }
    for id in ["9007199254740993", "18446744073709551615", "340282366920938463463374607431768211456"] {
        assert_eq!(arm("\"$.id\"", &format!(r#"{{"id":{id}}}"#)).unwrap(), id, "to the last digit");
    }
}

#[test]
fn rows_of_one_name_are_told_apart_by_their_id_day_by_day() {
    let tables = format!(
        "{DAYS}[rows]\neach = \"$[*]\"\nday = \"$.d\"\nid = \"$.id\"\narm = \"$.name\"\n[metric]\nclicks = {{ sum = \"$.n\" }}"
    );
    let row = |id: u8, day: u8, n: u8| format!(r#"{{"zone":"UTC","d":"2026-11-0{day}","id":{id},"name":"x","n":{n}}}"#);
    let page = format!("[{},{},{},{}]", row(1, 1, 5), row(2, 1, 6), row(1, 2, 7), row(1, 1, 5));
    assert_eq!(read(&tables, &page).unwrap().len(), 3);
    assert!(read(&tables, &format!("[{},{}]", row(1, 1, 5), row(1, 1, 6))).unwrap_err().contains("two things"));
}

#[test]
fn h19_numbers_are_added_and_empty_ones_are_zero_only_where_the_file_says_so() {
    let number = |rule: &str, row: &str| {
        let tables =
            format!("[rows]\neach = \"$[*]\"\nday = \"$.d\"\narm = \"$.id\"\n[metric]\nconversions = {{ {rule} }}");
        let read = one(&tables, &row.replacen('{', r#"{"d":"2026-11-03","id":"x","#, 1).replace(",}", "}"));
        read.map(|row| row.split('=').next_back().unwrap().to_owned())
    };
    let both = "sum = [\"$.a\", \"$.b\"]";
    assert_eq!(number(both, r#"{"a":1,"b":"2"}"#).unwrap(), "3");
    assert!(number(both, r#"{"a":1}"#).unwrap_err().contains("`$.b`"));
    assert_eq!(number(&format!("{both}, absent = 0"), r#"{"b":4}"#).unwrap(), "4");
    let large = r#"{"a":9000000000000,"b":9000000000000}"#;
    assert!(number(both, large).unwrap_err().contains("too large"));
    let empty = "sum = \"$.a\", empty = [\"-\", \"\"]";
    assert_eq!(number(empty, r#"{"a":"-"}"#).unwrap(), "0");
    assert_eq!(number(empty, r#"{"a":""}"#).unwrap(), "0");
    assert_eq!(number(empty, r#"{"a":"7"}"#).unwrap(), "7");
    for refused in [r#"{"a":null}"#, r#"{"a":"--"}"#, r#"{"a":" "}"#, "{}"] {
        assert!(number(empty, refused).is_err(), "{refused}");
    }
    assert_eq!(number("sum = \"$.a\", empty = [\"null\"]", r#"{"a":null}"#).unwrap(), "0");
    assert_eq!(number("sum = \"$.a\", exponent = true", r#"{"a":"-2E-18"}"#).unwrap(), "0");
    assert!(number("sum = \"$.a\"", r#"{"a":"-2E-18"}"#).is_err());
}

#[test]
fn a_keyed_list_gives_the_one_entry_a_setting_names() {
    let tables = format!(
        "{DAYS}[rows]\neach = \"$[*]\"\nday = \"$.d\"\narm = \"$.id\"\n[metric]\n\
         conversions = {{ sum = \"$.actions[?@.action_type == '{{kind}}'].value\", absent = 0 }}"
    );
    let row = |actions: &str| format!(r#"[{{"zone":"UTC","d":"2026-11-03","id":"x"{actions}}}]"#);
    let actions = |list: &str| row(&format!(r#","actions":[{list}]"#));
    let many = r#"{"action_type":"link_click","value":"14"},{"value":"2","action_type":"lead","7d_click":"2"},{"action_type":"lead'x","value":"9"}"#;
    for (kind, page, value) in [
        ("lead", actions(many), "2"),
        ("lead'x", actions(many), "9"),
        ("purchase", actions(many), "0"),
        ("lead", actions(""), "0"),
        ("lead", row(""), "0"),
    ] {
        assert_eq!(read_for(&tables, kind, &page).unwrap(), [format!("x 2026-11-03 conversions={value}")], "{page}");
    }
    for (actions, what) in [
        (row(r#","actions":"none""#), "text"),
        (row(r#","actions":5"#), "a number"),
        (row(r#","actions":null"#), "null"),
        (actions(&format!("{many},{many}")), "one of several"),
        (actions(r#"{"action_type":"lead","value":null}"#), "is not a number"),
    ] {
        let error = read_for(&tables, "lead", &actions).unwrap_err();
        assert!(error.contains(what) && error.contains("$.actions"), "{actions}: {error}");
    }
}

#[tokio::test]
async fn h26_the_version_that_answered_is_kept_and_another_than_asked_is_told() {
    let tables = format!(
        "{DAYS}[rows]\neach = \"$.rows[*]\"\nday = \"$.d\"\narm = \"$.id\"\n[metric]\nclicks = {{ sum = \"$.n\" }}\n\
         [facts]\nclicks = \"clicks of {{kind}}\"\nleft_out = \"nothing\"\nas_of = \"$.updated\"\n"
    );
    let row = r#"{"zone":"UTC","d":"2026-11-03","id":"x","n":1}"#;
    for (where_from, version, told) in [
        ("version = \"$.v\"", "v26.0", false),
        ("version = \"$.v\"", "v27.0", true),
        ("version = \"api-version\"", "v26.0", false),
        ("version = \"api-version\"", "v27.0", true),
    ] {
        let body = format!(r#"{{"rows":[{row}],"v":"{version}","updated":"2026-11-04T02:00:00Z"}}"#);
        let server =
            vendor(move |_, _| answer(200, &[("content-type", "application/json"), ("api-version", version)], &body));
        let text = text(&format!("{tables}{where_from}"));
        let pulled = pull_with(&text, "shape", &server.await, hasty()).await;
        let facts = pulled.facts();
        assert_eq!(facts.facts.version.as_deref(), Some(version), "{where_from}");
        assert_eq!(facts.facts.clicks.as_deref(), Some("clicks of lead"));
        assert_eq!(facts.facts.as_of.unwrap().to_rfc3339(), "2026-11-04T02:00:00+00:00");
        let warned = facts.warnings.iter().any(|it| it.contains("`v26.0`") && it.contains("`v27.0` answered"));
        assert_eq!(warned, told, "{where_from} {version}: {:?}", facts.warnings);
    }
}

#[test]
fn f7_shapes_that_make_no_sense_are_refused_with_the_fix() {
    let rows = "[rows]\neach = \"$.a[*].b[*]\"\nday = \"$.d\"\narm = \"$.id\"\n";
    let metric = "[metric]\nclicks = { sum = \"$.n\" }\n";
    let sound = format!("{DAYS}{rows}{metric}");
    assert!(manifest(&sound).is_ok());
    for (from, to, advice) in [
        ("\"$.a[*].b[*]\"", "\"$.a[0].b[*]\"", "ends in one: `$.results[*]`"),
        ("\"$.a[*].b[*]\"", "\"^.b[*]\"", "begin with `$`"),
        ("arm = \"$.id\"", "arm = \"^^^.id\"", "`each` has 2"),
        ("arm = \"$.id\"", "arm = \"^$.id\"", "is not a JSONPath"),
        ("arm = \"$.id\"", "arm = []", "`arm` is a path, a list"),
        ("arm = \"$.id\"", "arm = { path = \"$.id\", cutt = \"x\" }", "did you mean `cut`?"),
        ("arm = \"$.id\"", "arm = { cut = \"x\" }", "`arm` is a path, a list"),
        (
            "arm = \"$.id\"",
            "arm = { path = \"$.id\", cut = \"{window.start}\" }",
            "is not a setting or placeholder here",
        ),
        ("day = \"$.d\"", "day = 5", "`day` is a path, `{ path"),
        ("day = \"$.d\"", "day = { path = \"$.d\", form = \"midnite\" }", "did you mean `midnight`?"),
        ("day = \"$.d\"", "day = { path = \"$.d\", from = \"date\" }", "did you mean `form`?"),
        ("day = \"$.d\"", "day = { path = \"$.d\", form = \"instant\" }", "name it in `[days] zone`"),
        ("day = \"$.d\"", "day = { year = \"$.y\", month = \"$.m\" }", "`day` is a path, `{ path"),
        ("zone = \"$.zone\"", "zone = \"experiment\"", ""),
        ("sum = \"$.n\"", "sum = []", "a list of paths that are added"),
        ("sum = \"$.n\"", "sum = \"$.n\", empty = []", "name one"),
        ("sum = \"$.n\"", "sum = \"$.n\", empyt = [\"-\"]", "did you mean `empty`?"),
        ("clicks = { sum = \"$.n\" }", "spend = { money = \"$.n\", currency = \"euro\" }", "a code in capitals"),
        ("[metric]", "[facts]\nclicks = \"x\"\n[metric]", "`left_out` is missing"),
        ("[metric]", "[facts]\nclick = \"x\"\n[metric]", "did you mean `clicks`?"),
        ("[metric]", "[facts]\nclicks = \"\"\n[metric]", "one line of at most"),
        ("[metric]", "[facts]\nclicks = \"{knd}\"\n[metric]", "did you mean `kind`?"),
        ("[metric]", "[facts]\nas_of = \"^.at\"\n[metric]", "begin with `$`"),
    ] {
        let changed = sound.replacen(from, to, 1);
        assert_ne!(changed, sound, "{from}");
        if advice.is_empty() {
            assert!(manifest(&changed).is_ok(), "instants are cut in the experiment's zone");
            continue;
        }
        let error = manifest(&changed).err().unwrap_or_else(|| panic!("accepted: {to}"));
        assert!(error.contains(advice) && error.starts_with("shape.toml:"), "{to}: {error}");
    }
}
