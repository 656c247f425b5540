//! What a manifest sends: queries of every kind, forms, typed JSON, dates as instants, the account before the
//! rows; and how long a vendor can make it wait.

use std::time::Duration;

use willitsell::connect::PullError;
use willitsell::connect::http::Url;
use willitsell::connect::manifest::Manifest;

use super::{Pulled, hasty, pull_with, vendor};
use crate::fake_server::{FakeServer, Seen, answer, json};

/// A manifest that reads one row, with these settings, request and other tables.
fn manifest(settings: &str, request: &str, tables: &str) -> String {
    format!(
        r#"
name = "calls"
title = "Calls"
docs = "https://docs.example.com"
api_version = "none"
sunset_on = "unknown"
checked_on = "2026-11-22"
verified = "documented"
[settings]
token = {{ help = "token", secret = true }}
customer_id = {{ help = "account", pattern = "^[0-9]+$" }}
base_url = {{ help = "address", default = "https://api.example.com" }}
{settings}
[auth.bearer]
token = "{{token}}"
[request]
url = "{{base_url}}/{{customer_id}}/rows"
{request}
[rows]
each = "$.rows[*]"
arm = "$.ad"
day = "$.day"
{tables}
[facts]
left_out = "nothing"
[[example]]
page = '{{"rows":[]}}'
expect = []
"#
    )
}

const DAYS: &str = "[days]\nzone = \"account\"\nends = \"inclusive\"\nlookback = 1\n\
    [account]\nurl = \"{base_url}/{customer_id}/me\"\nquery = { fields = { join = [\"currency\", \"zone\"] } }\n\
    currency = \"$.currency\"\nzone = \"$.zone\"\n\
    [metric]\nspend = { money = \"$.spend\", currency = \"account\" }\n";

const ROWS: &str = r#"{"rows":[{"ad":"7","day":"2026-11-03","spend":"1.5"}]}"#;

/// Answers for the account and then for the rows.
async fn pulled(text: &str, account: &'static str) -> (Pulled, FakeServer) {
    let server =
        vendor(move |_, seen| json(200, if seen.target.starts_with("/api/1234567890/me") { account } else { ROWS }))
            .await;
    (pull_with(text, "calls", &server, hasty()).await, server)
}

fn query(seen: &Seen) -> Vec<(String, String)> {
    let url = Url::parse(&format!("http://host{}", seen.target)).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

#[tokio::test]
async fn the_account_gives_zone_and_currency_before_the_days_become_instants() {
    let request = "method = \"GET\"\nheader = { Api-Version = \"202607\", User-Agent = \"own/1\" }\n\
        query = { from = \"{window.start.instant}\", to = \"{window.end.offset}\" }";
    let text = manifest("", request, DAYS);
    let (pulled, server) = pulled(&text, r#"{"currency":"SEK","zone":"America/New_York"}"#).await;
    let facts = pulled.facts();
    assert_eq!(facts.currency.map(|currency| currency.to_string()).as_deref(), Some("SEK"));
    assert_eq!(facts.day_zone, chrono_tz::America::New_York);
    assert_eq!(pulled.sink.rows(), ["7 2026-11-03 spend=1.5"]);
    let seen = server.seen();
    assert_eq!(query(&seen[0]), [("fields".to_owned(), "currency,zone".to_owned())]);
    // The clocks change on the first of November.
    assert_eq!(
        query(&seen[1]).into_iter().map(|(_, value)| value).collect::<Vec<_>>(),
        ["2026-11-01T04:00:00Z", "2026-11-07T23:59:59-05:00"]
    );
    for call in seen {
        assert_eq!((call.headers["api-version"].as_str(), call.headers["user-agent"].as_str()), ("202607", "own/1"));
        assert!(call.headers["authorization"].starts_with("Bearer "));
    }
}

#[tokio::test]
async fn an_account_that_says_something_else_fails_the_window() {
    let request = "method = \"GET\"\nquery = { from = \"{window.start}\", to = \"{window.end}\" }";
    for (account, path) in [
        (r#"{"currency":"SEK","zone":"Eastern"}"#, "$.zone"),
        (r#"{"currency":"crowns","zone":"UTC"}"#, "$.currency"),
        (r#"{"zone":"UTC"}"#, "$.currency"),
        (r#"{"currency":"SEK","zone":["UTC"]}"#, "$.zone"),
    ] {
        let (pulled, server) = pulled(&manifest("", request, DAYS), account).await;
        assert!(matches!(&pulled.outcome, Err(PullError::Shape { path: at, .. }) if at == path), "{}", pulled.error());
        assert_eq!(server.seen().len(), 1, "no rows are asked for");
        assert!(pulled.sink.rows().is_empty());
    }
}

#[tokio::test]
async fn a_query_holds_lists_joins_json_choices_and_raw_text() {
    let settings = "level = { help = \"level\", choices = { ad = \"AD&X\", all = \"*\" }, default = \"ad\" }\n\
        other = { help = \"other\", optional = true }";
    let request = "method = \"GET\"\n\
        raw_query = \"range=(from:{window.start},to:{window.end})&level={level}\"\n\
        query = { a = [\"1\", 2, \"{other}\"], b = { join = [\"x\", \"{level.word}\"] }, \
        c = { json = { since = \"{window.start.year}\", all = [true, 3] } }, d = \"{other}\" }";
    let (pulled, server) = pulled(&manifest(settings, request, DAYS), r#"{"currency":"SEK","zone":"UTC"}"#).await;
    pulled.facts();
    let seen = server.seen();
    assert!(seen[1].target.contains("?range=(from:2026-11-01,to:2026-11-07)&level=AD%26X&"), "{}", seen[1].target);
    let pairs = query(&seen[1]);
    let pairs: Vec<_> = pairs.iter().skip(2).map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("a", "1"), ("a", "2"), ("b", "x,ad"), ("c", r#"{"all":[true,3],"since":"2026"}"#)]);
}

#[tokio::test]
async fn bodies_are_typed_json_or_forms() {
    let account = r#"{"currency":"SEK","zone":"UTC"}"#;
    let request = "method = \"POST\"\njson = { ids = [{ number = \"{customer_id}\" }], \
        from = { Day = { number = \"{window.start.day}\" }, y = \"{window.start.year}\" }, to = \"{window.end}\" }";
    let (typed, server) = pulled(&manifest("", request, DAYS), account).await;
    typed.facts();
    let body = String::from_utf8(server.seen()[1].body.clone()).unwrap();
    assert_eq!(body, r#"{"from":{"Day":1,"y":"2026"},"ids":[1234567890],"to":"2026-11-07"}"#);
    let request = "method = \"POST\"\nform = { q = [\"a b\", \"{window.start}\"], to = \"{window.end}\" }";
    let (form, server) = pulled(&manifest("", request, DAYS), account).await;
    form.facts();
    let seen = &server.seen()[1];
    assert_eq!(String::from_utf8(seen.body.clone()).unwrap(), "q=a+b&q=2026-11-01&to=2026-11-07");
    assert_eq!(seen.headers["content-type"], "application/x-www-form-urlencoded");
}

#[tokio::test]
async fn an_account_that_is_asked_for_without_days_is_not_said_to_refuse_a_single_day() {
    let request = "method = \"GET\"\nquery = { from = \"{window.start}\", to = \"{window.end}\" }";
    let days = DAYS.replace("[account]", "[[error]]\nstatus = [413]\nthen = \"shrink\"\n[account]");
    let server = vendor(|_, _| json(413, "{}")).await;
    let pulled = pull_with(&manifest("", request, &days), "calls", &server, hasty()).await;
    let said = pulled.error();
    assert!(said.contains("this call names none") && !said.contains("single day"), "{said}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn h5_a_vendors_own_hint_is_obeyed_then_the_files() {
    let request = "method = \"GET\"\nquery = { from = \"{window.start}\", to = \"{window.end}\" }";
    let limits = "[limits]\nwait = \"90s\"\nconcurrent = 1\nwait_body = { path = \"$.retry_in\", unit = \"minutes\" }\n\
        wait_header = { name = \"X-Usage\", path = \"$.*[*].regain\", unit = \"minutes\" }\n\
        busy = { name = \"X-Used\", path = \"$.pct\" }\n";
    let days = DAYS.replace("[account]", &format!("{limits}[account]"));
    for (status, header, body, expected) in [
        (429, ("X-Usage", r#"{"1":[{"regain":2}]}"#), "{}", 120),
        (429, ("X-Usage", "junk"), "{}", 90),
        (429, ("Retry-After", "7"), "{}", 7),
        (429, ("Retry-After", "7"), r#"{"retry_in":3}"#, 180),
        (200, ("X-Used", r#"{"pct":100}"#), r#"{"currency":"SEK","zone":"UTC"}"#, 60),
    ] {
        let server = vendor(move |call, seen| {
            let account = seen.target.starts_with("/api/1234567890/me");
            match (call, account) {
                (0, _) => answer(status, &[("content-type", "application/json"), header], body),
                (_, true) => json(200, r#"{"currency":"SEK","zone":"UTC"}"#),
                _ => json(200, ROWS),
            }
        })
        .await;
        let pulled = pull_with(&manifest("", request, &days), "calls", &server, hasty()).await;
        pulled.facts();
        assert_eq!(pulled.waits, [Duration::from_secs(expected)], "{header:?} {body}");
    }
}

#[test]
fn f7_mistakes_in_what_is_sent_name_the_fix() {
    let good = manifest(
        "x = { help = \"x\", choices = [\"a\", \"b\"], default = \"a\" }",
        "method = \"GET\"\n\
        query = { x = \"{x}\", from = \"{window.start}\", to = \"{window.end}\" }",
        DAYS,
    );
    Manifest::load("calls.toml", &good).unwrap_or_else(|error| panic!("{error}"));
    for (from, to, advice) in [
        ("default = \"a\"", "default = \"c\"", "is none of the choices"),
        ("choices = [\"a\", \"b\"]", "choices = []", "a list of words"),
        ("choices = [\"a\", \"b\"]", "pattern = \"^b$\"", "does not match `^b$`"),
        ("\"{x}\"", "\"{x.word}\"", "write `{x}`"),
        ("\"{x}\"", "\"{id}\"", "not a setting or placeholder here"),
        ("\"{x}\"", "[]", "leave the parameter out"),
        ("\"{x}\"", "{ number = \"{x}\" }", "a query value is"),
        ("method = \"GET\"", "method = \"GET\"\nheader = { Authorization = \"{token}\" }", "never written here"),
        ("method = \"GET\"", "method = \"GET\"\nform = { a = 1 }", "a GET has no body"),
        ("currency = \"$.currency\"\n", "", "is not asked for it"),
        ("zone = \"account\"", "zone = \"experiment\"", "nothing uses the account's `zone`"),
        ("https://api.example.com", "https://{x}api.b.example.com", "one whole label"),
        ("https://api.example.com", "https://{customer}.api.example.com", "did you mean `customer_id`?"),
        ("https://api.example.com", "https://{x}.example", "one whole label"),
        ("lookback = 1\n", "lookback = 1\n[limits]\nwait_header = { name = \"a\", unit = \"hours\" }\n", "`minutes`"),
        ("lookback = 1\n", "lookback = 1\n[limits]\nwait = \"soon\"\n", "is not a wait"),
        ("lookback = 1\n", "lookback = 1\n[limits]\nconcurrent = 0\n", "from 1 to 100"),
    ] {
        let changed = good.replacen(from, to, 1);
        assert_ne!(good, changed, "{from}");
        let error = Manifest::load("calls.toml", &changed).err().unwrap_or_else(|| panic!("accepted: {to}"));
        assert!(error.to_string().contains(advice), "{to}: {error}");
    }
}
