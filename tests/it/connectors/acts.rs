//! The words of files that count people's acts: which rows count, where reading may end, where an arm and a time stand,
//! and what a vendor that cannot be asked by days brings besides.

use willitsell::connect::manifest::Manifest;

use super::{Pulled, hasty, pages, pull_with, vendor};
use crate::fake_server::{FakeServer, json};

/// A form tool without anything special; tests replace or add lines.
const FORM: &str = r#"
name       = "form"
title      = "Form"
docs       = "https://docs.example.com"
api_version = "none"
sunset_on  = "unknown"
checked_on = "2026-11-22"
verified   = "documented"
[settings]
form_id  = { help = "form" }
zone     = { help = "zone", default = "America/New_York" }
tag      = { help = "tag", default = "utm_content" }
token    = { help = "token", secret = true }
base_url = { help = "address", default = "https://api.example.com" }
[auth.bearer]
token = "{token}"
[days]
zone     = "experiment"
ends     = "open"
lookback = 3
[request]
method = "GET"
url    = "{base_url}/acts"
query  = { since = "{window.early}" }
[page.number]
query = "page"
while = "$.more"
[rows]
each = "$.acts[*]"
only = [{ path = "$.state", in = ["done", "{form_id}"] }, { path = "$.test", not_in = [true] }]
day  = { path = "$.at", form = "local", zone = "{zone}" }
arm  = ["$.fields[?@.name == '{tag}'].value", { path = "$.page", parameter = "{tag}" }, "{form_id}"]
[response]
id     = "$.id"
person = ["$.email", "$.fields[?@.name == 'email'].value"]
depth  = "booking"
[metric]
signups = { count = true }
[[example]]
settings = { form_id = "F" }
page   = '{"acts":[{"id":"1","state":"done","test":false,"at":"2026-11-03 09:00:00"}]}'
expect = [{ arm = "F", day = "2026-11-03", signups = 1 }]
"#;

fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(FORM.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

async fn pull(changes: &[(&str, &str)], server: &FakeServer) -> Pulled {
    pull_with(&changed(changes), "form", server, hasty()).await
}

fn act(id: &str, at: &str, rest: &str) -> String {
    format!(r#"{{"id":"{id}","state":"done","test":false,"at":"{at}"{rest}}}"#)
}

fn acts(acts: &[String], more: bool) -> String {
    format!(r#"{{"acts":[{}],"more":{more}}}"#, acts.join(","))
}

#[tokio::test]
async fn only_rows_that_say_so_count_and_one_that_says_nothing_fails_the_window() {
    let server = pages(vec![acts(
        &[
            act("1", "2026-11-03 09:00:00", ""),
            act("2", "2026-11-03 09:00:00", "").replace("\"done\"", "\"partial\""),
            act("3", "2026-11-03 09:00:00", "").replace("\"done\"", "\"u6nXL7\""),
            act("4", "2026-11-03 09:00:00", "").replace("false", "true"),
            act("5", "2026-11-03 09:00:00", "").replace("\"done\"", "null"),
            act("6", "no time at all", "").replace("\"done\"", "\"partial\""),
        ],
        false,
    )])
    .await;
    let pulled = pull(&[], &server).await;
    let ids: Vec<_> = pulled.sink.rows().iter().map(|row| row[..1].to_owned()).collect();
    assert_eq!(ids, ["1", "3"], "a setting's text counts too");

    for (from, to) in [("\"state\":\"done\",", ""), ("\"test\":false,", ""), ("\"state\"", "\"stat\"")] {
        let server = pages(vec![acts(&[act("1", "2026-11-03 09:00:00", "").replace(from, to)], false)]).await;
        let error = pull(&[], &server).await.error();
        assert!(error.contains("decides whether the row counts"), "{error}");
    }
}

#[tokio::test]
async fn an_arm_stands_in_a_field_in_an_address_or_is_the_form_itself_and_never_two_at_once() {
    let field = |value: &str| format!(r#",{{"name":"utm_content","value":{value}}}"#);
    let row = |fields: &str, page: &str| format!(r#","fields":[{{"name":"x","value":"y"}}{fields}],"page":{page}"#);
    for (rest, arm) in [
        (row(&field("\"v1\""), "\"https://example.com/?utm_content=v2\""), "v1"),
        (
            row(&field("\"\""), "\"https://example.com/a?b=1&utm_content=v%202+x&utm_content=v3#utm_content=v4\""),
            "v 2 x",
        ),
        (row("", "\"https://example.com/a?utm_content=\""), "u6nXL7"),
        (row("", "\"no address ?&&=%zz%\""), "u6nXL7"),
        (row("", "null"), "u6nXL7"),
        (String::new(), "u6nXL7"),
        (row(&(field("\"v1\"") + &field("\"v1\"")), "null"), "v1"),
        // Sent twice and differently: nobody's, and the others count all the same.
        (row(&(field("\"v1\"") + &field("\"v2\"")), "\"https://example.com/?utm_content=v1\""), "-"),
    ] {
        let page = acts(&[act("1", "2026-11-03 09:00:00", &rest), act("2", "2026-11-03 09:00:00", "")], false);
        let pulled = pull(&[], &pages(vec![page]).await).await;
        assert_eq!(pulled.sink.rows()[0], format!("1 - booking {arm} 2026-11-03T14:00:00+00:00"), "{rest}");
        assert_eq!(pulled.sink.rows().len(), 2);
    }
}

#[tokio::test]
async fn a_person_is_the_first_that_is_there() {
    let rest = r#","fields":[{"name":"email","value":"b@example.com"},{"name":"email","value":"c@example.com"}]"#;
    let both = format!(r#"{rest},"email":"a@example.com""#);
    let server =
        pages(vec![acts(&[act("1", "2026-11-03 09:00:00", &both), act("2", "2026-11-03 09:00:00", rest)], false)])
            .await;
    let people: Vec<_> = pull(&[], &server).await.sink.rows();
    assert!(people[0].starts_with("1 a@example.com ") && people[1].starts_with("2 b@example.com "), "{people:?}");
}

#[tokio::test]
async fn h21_a_time_without_a_zone_falls_on_its_day_by_the_clocks_that_are_named() {
    // The days asked for are Berlin's 1 to 7 November: these are the last evening before them in New York, and within.
    let page = acts(
        &[
            act("1", "2026-10-31 18:59:59", ""),
            act("2", "2026-10-31 19:00:00", ""),
            act("3", "2026-11-07 17:59:59", ""),
            act("4", "2026-11-07 18:00:00", ""),
        ],
        false,
    );
    let pulled = pull(&[], &pages(vec![page]).await).await;
    let rows = pulled.sink.rows();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows[0].ends_with("2026-10-31T23:00:00+00:00") && rows[1].ends_with("2026-11-07T22:59:59+00:00"));
    assert!(pulled.facts().warnings.is_empty(), "others are no surprise where days cannot be named");
    let error = pull(&[], &pages(vec![acts(&[act("1", "2026-11-03T09:00:00Z", "")], false)]).await).await.error();
    assert!(error.contains("is not a time such as"), "{error}");
}

#[tokio::test]
async fn pages_end_where_the_vendor_says_so_even_after_an_empty_one() {
    let one = |id: &str| act(id, "2026-11-03 09:00:00", "");
    let bodies = vec![acts(&[one("1")], true), acts(&[], true), acts(&[one("2")], false), acts(&[one("3")], false)];
    let server = pages(bodies).await;
    let pulled = pull(&[], &server).await;
    assert_eq!((pulled.facts().pages, pulled.facts().rows), (3, 2));
    let targets: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets[0], "/api/acts?since=2026-10-30&page=1", "two days before the first");
    assert!(targets[2].ends_with("page=3"));

    let endless = vendor(move |_, _| json(200, &acts(&[], true))).await;
    assert!(pull(&[], &endless).await.error().contains("pages in a row hold nothing"));
    // By position there is nothing new to ask for after an empty page.
    let offset = ("[page.number]\nquery = \"page\"", "[page.offset]\nquery = \"from\"");
    let server = pages(vec![acts(&[one("1")], true), acts(&[], true)]).await;
    assert!(pull(&[offset], &server).await.error().contains("is empty and says that it goes on"));
}

#[tokio::test]
async fn reading_from_the_newest_on_ends_with_the_days_asked_for() {
    let at = |id: &str, at: &str| act(id, at, "");
    let newest = &[
        ("each = \"$.acts[*]\"", "each = \"$.acts[*]\"\nnewest_first = true"),
        ("ends     = \"open\"", "ends     = \"none\""),
        ("query  = { since = \"{window.early}\" }", ""),
    ];
    let bodies = vec![
        acts(&[at("9", "2026-11-20 09:00:00"), at("8", "2026-11-07 09:00:00")], true),
        acts(&[at("7", "2026-11-02 09:00:00"), at("6", "2026-10-30 09:00:00")], true),
        acts(&[at("5", "2026-10-29 09:00:00"), at("4", "2026-10-28 09:00:00")], true),
        "this is not asked for".to_owned(),
    ];
    let pulled = pull(newest, &pages(bodies).await).await;
    assert_eq!((pulled.facts().pages, pulled.facts().rows), (3, 2));

    // From the oldest on, the first page would end the reading and nothing would count.
    let bodies = vec![
        acts(&[at("4", "2026-10-28 09:00:00"), at("5", "2026-10-29 09:00:00")], true),
        acts(&[at("8", "2026-11-07 09:00:00")], false),
    ];
    let error = pull(newest, &pages(bodies).await).await.error();
    assert!(error.contains("where the newest should come first"), "{error}");
}

#[tokio::test]
async fn h10_no_rows_in_an_empty_answer_count_as_none_and_in_any_other_as_an_error() {
    let empty = &[("each = \"$.acts[*]\"", "each = \"$.acts[*]\"\nnone_if = \"{}\"")];
    for (body, fine) in [
        ("{}", true),
        (" {\n } ", true),
        (r#"{"acts":[],"more":false}"#, true),
        (r#"{"message":"hello"}"#, false),
        (r#"{"more":false}"#, false),
        ("[]", false),
        ("", false),
    ] {
        let pulled = pull(empty, &pages(vec![body.to_owned()]).await).await;
        assert_eq!(pulled.outcome.is_ok(), fine, "{body}: {:?}", pulled.outcome);
    }
}

#[test]
fn f7_words_about_acts_that_make_no_sense_are_refused_with_the_fix() {
    assert!(Manifest::load("form.toml", FORM).is_ok());
    for (from, to, advice) in [
        ("in = [\"done\", \"{form_id}\"]", "in = []", "the list holds texts"),
        ("in = [\"done\", \"{form_id}\"]", "in = [1.5]", "the list holds texts"),
        ("in = [\"done\", \"{form_id}\"]", "in = [\"{from_id}\"]", "did you mean `form_id`?"),
        ("in = [\"done\", \"{form_id}\"] }", "in = [1], not_in = [2] }", "write one of `in` and `not_in`"),
        ("in = [\"done\", \"{form_id}\"] }", "text = \"x\" }", "`text` is not known here"),
        ("path = \"$.state\"", "path = \"state\"", "is not a JSONPath"),
        (", zone = \"{zone}\" }", " }", "told by somebody's clocks"),
        (", zone = \"{zone}\" }", ", zone = \"Europe/Berlin\" }", "told by somebody's clocks"),
        ("form = \"local\"", "form = \"instant\"", "leave `zone` out here"),
        ("default = \"America/New_York\"", "default = \"New York\"", "no time zone"),
        ("}, \"{form_id}\"]", "}, \"{form_id}\", \"$.x\"]", "after all paths"),
        ("}, \"{form_id}\"]", "}, \"{form_id} {tag}\"]", "after all paths"),
        ("parameter = \"{tag}\"", "paramter = \"{tag}\"", "did you mean `parameter`?"),
        ("parameter = \"{tag}\"", "parameter = \"\"", "an address is"),
        ("depth  = \"booking\"", "depth  = \"bookin\"", "did you mean `booking`?"),
        ("person = [\"$.email\"", "person = [5", "`person` is a path, or a list"),
        ("ends     = \"open\"", "ends     = \"none\"", "must name no day"),
        (
            "ends     = \"open\"",
            "ends     = \"exclusive\"",
            "ask for {window.start} or {window.early} to {window.next}",
        ),
        ("since = \"{window.early}\"", "since = \"{window.end}\"", "from {window.start} or {window.early} on"),
        ("lookback = 3", "lookback = 3\nlongest = 31", "leave `longest` out"),
        ("each = \"$.acts[*]\"", "each = \"$.acts[*]\"\nfull_at = 10", "leave `full_at` out"),
        ("while = \"$.more\"", "while = \"$.more\"\nlast = \"$.last\"", "write one of them"),
        ("while = \"$.more\"", "while = \"$.more\"\ntotal = \"$.n\"\n[rows]\nnewest_first = true", ""),
    ] {
        let text = changed(&[(from, to)]);
        let text = if advice.is_empty() { text.replacen("[rows]\neach", "each", 1) } else { text };
        let error = Manifest::load("form.toml", &text).err().unwrap_or_else(|| panic!("accepted: {to}")).to_string();
        let advice = if advice.is_empty() { "keep one of them" } else { advice };
        assert!(error.contains(advice), "{to}: {error}");
    }
    let without_pages = changed(&[
        ("[page.number]\nquery = \"page\"\nwhile = \"$.more\"\n", ""),
        ("each = \"$.acts[*]\"", "each = \"$.acts[*]\"\nnewest_first = true"),
    ]);
    let error = Manifest::load("form.toml", &without_pages).unwrap_err().to_string();
    assert!(error.contains("says when to stop turning pages"), "{error}");
}
