//! How much is asked at once: days in parts, pages of every kind, and what happens where they do not fit together.

use willitsell::connect::PullError;
use willitsell::connect::manifest::Manifest;

use super::{Pulled, hasty, pull_with, vendor};
use crate::fake_server::{FakeServer, Seen, Step, json};

/// A vendor without anything special; tests replace or add lines.
pub const PLAIN: &str = r#"
name       = "plain"
title      = "Plain"
docs       = "https://docs.example.com"
api_version = "none"
sunset_on  = "unknown"
checked_on = "2026-11-22"
verified   = "documented"
[settings]
token    = { help = "token", secret = true }
base_url = { help = "address", default = "https://api.example.com" }
[auth.bearer]
token = "{token}"
[days]
zone     = "UTC"
ends     = "inclusive"
lookback = 3
[request]
method = "GET"
url    = "{base_url}/rows"
query  = { from = "{window.start}", to = "{window.end}" }
[[error]]
path = "$.error"
in   = ["too much"]
then = "shrink"
[rows]
each = "$.rows[*]"
day  = "$.day"
arm  = "$.ad"
[metric]
clicks = { sum = "$.clicks" }
[facts]
left_out = "nothing"
[[example]]
page   = '{"rows":[{"ad":"7","day":"2026-11-03","clicks":5}]}'
expect = [{ arm = "7", day = "2026-11-03", clicks = 5 }]
"#;

/// Pulls the first week of November with some text of the manifest replaced.
pub async fn pull(changes: &[(&str, &str)], server: &FakeServer) -> Pulled {
    let mut text = PLAIN.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    pull_with(&text, "plain", server, hasty()).await
}

pub fn row(ad: &str, day: u32, clicks: u32) -> String {
    format!(r#"{{"ad":"{ad}","day":"2026-11-{day:02}","clicks":{clicks}}}"#)
}

pub fn rows(rows: &[String]) -> String {
    format!(r#"{{"rows":[{}]}}"#, rows.join(","))
}

/// First and last day of November a call asks for.
fn asked(seen: &Seen) -> (u32, u32) {
    let day = |name: &str| {
        let (_, value) = seen.target.split_once(&format!("{name}=2026-11-")).unwrap();
        value[..2].parse().unwrap()
    };
    (day("from"), day("to"))
}

/// One row for each day asked for, refused where that is more than `most`.
async fn at_most(most: u32, refuse: impl Fn(u32, u32) -> Vec<Step> + Send + Sync + 'static) -> FakeServer {
    vendor(move |_, seen| {
        let (first, last) = asked(seen);
        if last - first + 1 > most {
            return refuse(first, last);
        }
        json(200, &rows(&(first..=last).map(|day| row("7", day, day)).collect::<Vec<_>>()))
    })
    .await
}

#[tokio::test]
async fn too_much_at_once_is_asked_in_parts_of_half_the_days() {
    let server = at_most(2, |_, _| json(400, r#"{"error":"too much"}"#)).await;
    let pulled = pull(&[], &server).await;
    assert_eq!((pulled.facts().rows, pulled.facts().covered), (7, super::november()));
    assert_eq!(pulled.sink.rows()[6], "7 2026-11-07 clicks=7");
    let spans: Vec<_> = server.seen().iter().map(asked).collect();
    assert_eq!(spans, [(1, 7), (1, 3), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7)]);

    let server = at_most(0, |_, _| json(400, r#"{"error":"too much"}"#)).await;
    let pulled = pull(&[], &server).await;
    assert!(pulled.error().contains("refuses even a single day"), "{}", pulled.error());
    assert_eq!(server.seen().len(), 3, "seven days, three, one");
}

#[tokio::test]
async fn an_answer_that_is_full_is_read_again_in_parts_and_counts_nothing_twice() {
    // Full with the first three days, whatever more was asked for.
    let cut = |first, _| json(200, &rows(&(first..first + 3).map(|day| row("7", day, day)).collect::<Vec<_>>()));
    let full = &[("arm  = \"$.ad\"", "arm  = \"$.ad\"\nfull_at = 3")];
    let server = at_most(2, cut).await;
    let pulled = pull(full, &server).await;
    assert_eq!((pulled.facts().rows, pulled.sink.rows().len()), (7, 7));
    assert!(pulled.facts().warnings.is_empty(), "{:?}", pulled.facts().warnings);

    let server = at_most(0, cut).await;
    let pulled = pull(full, &server).await;
    assert!(pulled.error().contains("3 rows or more for a single day"), "{}", pulled.error());
}

#[tokio::test]
async fn a_search_that_finds_more_than_it_gives_is_asked_for_fewer_days_before_its_pages_are_turned() {
    let ceiling = &[
        ("arm  = \"$.ad\"", "arm  = \"$.ad\"\nfull_at = 3"),
        ("[[error]]", "[page.cursor]\nfrom = \"$.next\"\nquery = \"after\"\ntotal = \"$.total\"\n[[error]]"),
    ];
    // A row a page, of which a search gives three and counts all: `of` ads a day.
    let search = |of: u32| {
        vendor(move |_, seen| {
            let (first, last) = asked(seen);
            let found: Vec<_> = (first..=last).flat_map(|day| (0..of).map(move |ad| (ad, day))).collect();
            let at: usize = seen.target.split_once("after=").map_or(0, |(_, at)| at.parse().unwrap());
            let Some((ad, day)) = found.get(at).filter(|_| at < 3) else { return json(400, r#"{"error":"beyond"}"#) };
            let next = if at + 1 < found.len() { format!("\"{}\"", at + 1) } else { "null".to_owned() };
            let row = rows(&[row(&ad.to_string(), *day, 5)]);
            json(200, &format!(r#"{},"total":{},"next":{next}}}"#, &row[..row.len() - 1], found.len()))
        })
    };
    let server = search(1).await;
    let pulled = pull(ceiling, &server).await;
    assert_eq!((pulled.facts().rows, pulled.sink.rows().len()), (7, 7));
    assert_eq!(asked(&server.seen()[1]), (1, 3), "after one page it was clear that seven are too many");
    let pulled = pull(ceiling, &search(4).await).await;
    assert!(pulled.error().contains("3 rows or more for a single day"), "{}", pulled.error());
}

#[tokio::test]
async fn h14_rows_that_contradict_each_other_are_read_once_more_from_the_first_page() {
    let torn = rows(&[row("7", 1, 5), row("7", 1, 6)]);
    let good = rows(&[row("7", 1, 6), row("7", 2, 2)]);
    let server = vendor(move |call, _| json(200, if call == 0 { &torn } else { &good })).await;
    let pulled = pull(&[], &server).await;
    assert_eq!(pulled.sink.rows(), ["7 2026-11-01 clicks=6", "7 2026-11-02 clicks=2"], "nothing of the first reading");

    let server = vendor(|_, _| json(200, &rows(&[row("7", 1, 5), row("7", 1, 6)]))).await;
    let pulled = pull(&[], &server).await;
    assert!(pulled.error().contains("read once more"), "{}", pulled.error());
    assert_eq!((server.seen().len(), pulled.sink.rows().len()), (2, 0));
}

#[tokio::test]
async fn days_the_vendor_no_longer_has_are_neither_asked_for_nor_claimed() {
    // It is 22 November.
    let server = at_most(7, |_, _| json(500, "{}")).await;
    let pulled = pull(&[("lookback = 3", "lookback = 3\noldest = 18")], &server).await;
    assert_eq!(asked(&server.seen()[0]), (4, 7));
    assert_eq!(pulled.facts().covered.first().to_string(), "2026-11-04");
    assert!(pulled.facts().warnings[0].contains("none before 2026-11-04"), "{:?}", pulled.facts().warnings);

    let pulled = pull(&[("lookback = 3", "lookback = 3\noldest = 10")], &server).await;
    assert!(matches!(pulled.outcome, Err(PullError::TooOld { oldest: 10, .. })));
    assert!(pulled.error().contains("ask for days from 2026-11-12 on"));
    assert_eq!(server.seen().len(), 1);
}

/// A vendor that gives these rows `size` at a time in the way of its manifest.
struct Way {
    /// The manifest's table.
    table: &'static str,
    /// What a page says besides its rows: given the rows before it, those on it and all.
    says: fn(usize, usize, usize) -> String,
    /// The rows before the page a call asks for.
    before: fn(&Seen) -> usize,
}

fn number_in(seen: &Seen, name: &str) -> usize {
    let after = seen.target.split_once(&format!("{name}=")).map(|(_, after)| after);
    after.map_or(0, |after| after.split('&').next().unwrap().parse().unwrap())
}

/// Every kind of paging, two rows a page.
fn ways() -> Vec<Way> {
    fn next_link(before: usize, on: usize, all: usize) -> String {
        let next = before + on;
        if next < all {
            format!(r#","next":"/api/rows?after={next}&token=s3cret""#)
        } else {
            r#","next":null"#.to_owned()
        }
    }
    vec![
        Way {
            table: "[page.cursor]\nfrom = \"$.at\"\nwhile = \"$.more\"\nquery = \"after\"",
            says: |before, on, all| format!(r#","at":"{}","more":{}"#, before + on, before + on < all),
            before: |seen| number_in(seen, "after"),
        },
        Way {
            table: "[page.cursor]\nfrom = \"$.at\"\nheader = \"X-After\"",
            says: |before, on, all| {
                if before + on < all { format!(r#","at":"{}""#, before + on) } else { String::new() }
            },
            before: |seen| seen.headers.get("x-after").map_or(0, |after| after.parse().unwrap()),
        },
        Way { table: "[page.next]\nfrom = \"$.next\"", says: next_link, before: |seen| number_in(seen, "after") },
        Way {
            table: "[page.number]\nquery = \"page\"\nlast = \"$.pages\"",
            says: |_, _, all| format!(r#","pages":{}"#, all.div_ceil(2)),
            before: |seen| (number_in(seen, "page") - 1) * 2,
        },
        Way {
            table: "[page.number]\nquery = \"page\"\nfirst = 0",
            says: |_, _, _| String::new(),
            before: |seen| number_in(seen, "page") * 2,
        },
        Way {
            table: "[page.offset]\nquery = \"skip\"\ntotal = \"$.all\"",
            says: |_, _, all| format!(r#","all":{all}"#),
            before: |seen| number_in(seen, "skip"),
        },
        Way {
            table: "[page.offset]\nquery = \"skip\"",
            says: |_, _, _| String::new(),
            before: |seen| number_in(seen, "skip"),
        },
    ]
}

fn paged(table: &str) -> [(&'static str, String); 1] {
    [("[[error]]", format!("{table}\n[[error]]"))]
}

async fn pull_paged(table: &str, server: &FakeServer) -> Pulled {
    let changes = paged(table);
    let changes: Vec<_> = changes.iter().map(|(from, to)| (*from, to.as_str())).collect();
    pull(&changes, server).await
}

/// The page `rows[before..]`, two rows at most.
fn part(way: &Way, rows: &[String], before: usize) -> String {
    let on = &rows[before.min(rows.len())..(before + 2).min(rows.len())];
    format!(r#"{{"rows":[{}]{}}}"#, on.join(","), (way.says)(before, on.len(), rows.len()))
}

/// `PLAIN` asking with a body, whose page is named as `name` says, and whose tables hold `table` besides.
fn posted(name: &str, table: &str) -> (&'static str, String) {
    let request = format!(
        "method = \"POST\"\nurl = \"{{base_url}}/rows\"\n[request.json]\n\
         days = [\"{{window.start}}\", \"{{window.end}}\"]\n{table}\n[page.offset]\njson = \"{name}\"\nsize = 2"
    );
    let (start, end) = (PLAIN.find("method").unwrap(), PLAIN.find("\n[[error]]").unwrap());
    (&PLAIN[start..end], request)
}

#[tokio::test]
async fn a_page_is_named_in_a_table_of_the_body() {
    let bodies = |server: &FakeServer| -> Vec<serde_json::Value> {
        server.seen().iter().map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect()
    };
    let all: Vec<_> = (1..=3).map(|day| row("7", day, day)).collect();
    let server = vendor(move |call, _| json(200, &rows(&all[(call * 2).min(3)..(call * 2 + 2).min(3)]))).await;
    let (from, to) = posted("page.offset", "page = { limit = { number = \"{page.size}\" } }");
    let pulled = pull(&[(from, &to)], &server).await;
    assert_eq!(pulled.facts().rows, 3);
    let asked: Vec<_> = bodies(&server).iter().map(|body| body["page"].to_string()).collect();
    assert_eq!(asked, [r#"{"limit":2,"offset":0}"#, r#"{"limit":2,"offset":2}"#, r#"{"limit":2,"offset":3}"#]);
    assert!(bodies(&server).iter().all(|body| body.as_object().unwrap().len() == 2), "nothing else is added");
}

#[test]
fn f7_a_page_named_where_the_body_has_no_place_for_it_is_refused() {
    let limit = "limit = { number = \"{page.size}\" }";
    let page = format!("page = {{ {limit}, offset = 0 }}");
    for (name, table, advice) in [
        ("pages.offset", page.as_str(), "has no table `pages`: write `pages = {}` there"),
        ("page.offset", &page, "has `page.offset` too"),
        ("page.limit.offset", &page, "what stands there is none"),
        ("$.page.offset", &page, "as `cursor` or `pagination.offset`"),
        ("page..offset", &page, "as `cursor` or `pagination.offset`"),
        ("limit", limit, "has `limit` too"),
    ] {
        let (from, to) = posted(name, table);
        let text = PLAIN.replacen(from, &to, 1);
        let error = Manifest::load("plain.toml", &text).err().unwrap_or_else(|| panic!("accepted: {name}"));
        let line = text[..text.find("json = \"").unwrap()].matches('\n').count() + 1;
        let said = error.mistakes.iter().find(|mistake| mistake.what.contains(advice));
        assert_eq!(said.unwrap_or_else(|| panic!("{name}: {error}")).line, line, "{error}");
    }
}

#[tokio::test]
async fn pages_are_read_to_their_end_however_they_are_named() {
    for count in [0, 1, 2, 4, 5] {
        for way in ways() {
            let all: Vec<_> = (1..=count).map(|day| row("7", day, day)).collect();
            let (table, before) = (way.table, way.before);
            let server = vendor(move |_, seen| json(200, &part(&way, &all, before(seen)))).await;
            let pulled = pull_paged(table, &server).await;
            assert_eq!(pulled.facts().rows, u64::from(count), "{table}");
            assert_eq!(pulled.sink.rows().len(), usize::try_from(count).unwrap(), "{table}");
            let calls = server.seen().len();
            assert!(calls <= usize::try_from(count).unwrap() / 2 + 2, "{table}: {calls} calls for {count} rows");
        }
    }
}

#[tokio::test]
async fn h12_no_kind_of_page_goes_on_for_ever() {
    for way in ways() {
        let table = way.table;
        // Whatever is asked for, the first page of many comes.
        let all: Vec<_> = (1..=6).map(|day| row("7", day, day)).collect();
        let server = vendor(move |_, _| json(200, &part(&way, &all, 0))).await;
        let pulled = pull_paged(table, &server).await;
        let error = pulled.error();
        assert!(
            error.contains("in a circle") || error.contains("there before") || error.contains("counts 6 rows"),
            "{table}: {error}"
        );
        assert!(!error.contains("s3cret"), "{error}");
        assert!(server.seen().len() <= 6, "{table}: {} calls", server.seen().len());
    }
}

#[tokio::test]
async fn h13_a_page_that_comes_twice_counts_once_in_every_kind() {
    for way in ways() {
        if way.table.contains("offset") || way.table.contains("number") {
            // There a page that comes twice is rows that moved: see H14.
            continue;
        }
        let table = way.table;
        let all: Vec<_> = (1..=4).map(|day| row("7", day, day)).collect();
        let server = vendor(move |call, seen| {
            let asked = (way.before)(seen);
            // The second page has the first one's rows.
            let page = part(&way, &all, asked);
            json(
                200,
                &if call == 1 {
                    page.replace("-03\"", "-01\"").replace("-04\"", "-02\"").replace(":3}", ":1}").replace(":4}", ":2}")
                } else {
                    page
                },
            )
        })
        .await;
        let pulled = pull_paged(table, &server).await;
        assert_eq!((pulled.facts().rows, pulled.facts().pages), (2, 2), "{table}");
        assert!(pulled.facts().warnings[0].contains("2 rows came twice"), "{:?}", pulled.facts().warnings);
    }
}

#[tokio::test]
async fn h14_rows_that_move_between_pages_are_read_once_more_and_then_fail() {
    let ways = || ways().into_iter().filter(|way| way.table.contains("total") || way.table.contains("last"));
    for always in [false, true] {
        for way in ways() {
            let table = way.table;
            let server = vendor(move |call, seen| {
                // While pages are read, a row is put in before all others: one shows up twice; or one goes.
                let moving = if always { call % 2 == 1 } else { call == 1 };
                let first = if moving { 2 } else { 1 };
                let all: Vec<_> = (first..=5).map(|day| row("7", day, day)).collect();
                json(200, &part(&way, &all, (way.before)(seen)))
            })
            .await;
            let pulled = pull_paged(table, &server).await;
            if table.contains("last") && !always {
                // Three pages before and two now.
                assert_eq!(pulled.facts().rows, 5, "{table}");
            } else if always {
                assert!(pulled.error().contains("once more"), "{table}: {}", pulled.error());
            } else {
                assert_eq!(pulled.facts().rows, 5, "{table}");
            }
        }
    }
}

#[tokio::test]
async fn h15_a_next_address_leads_to_the_manifests_own_hosts_only() {
    let elsewhere = FakeServer::always(json(200, r#"{"rows":[]}"#)).await;
    let foreign = elsewhere.url("/api/rows?token=s3cret").to_string();
    for address in [
        foreign.as_str(),
        "https://127.0.0.1.example.com/rows?token=s3cret",
        "//127.0.0.2/rows",
        "file:///etc/passwd",
        "https://",
    ] {
        let body = format!(r#"{{"rows":[{}],"next":"{address}"}}"#, row("7", 1, 1));
        let server = vendor(move |_, _| json(200, &body)).await;
        let pulled = pull_paged("[page.next]\nfrom = \"$.next\"", &server).await;
        let error = pulled.error();
        assert!(!error.contains("s3cret") && !error.contains("/rows"), "{error}");
        assert_eq!(server.seen().len(), 1, "{address}");
    }
    assert!(elsewhere.seen().is_empty(), "no request, so no token either");
}

#[tokio::test]
async fn a_next_address_is_asked_as_the_file_says_with_the_body_or_without() {
    for (verb, method, body) in [("same", "POST", r#"{"a":"2026-11-01","b":"2026-11-07"}"#), ("GET", "GET", "")] {
        let table = format!("[page.next]\nfrom = \"$.next\"\nverb = \"{verb}\"");
        let server = vendor(|call, seen| {
            let next = format!(r#""http://{}/api/more?x=1""#, seen.headers["host"]);
            json(200, &format!(r#"{{"rows":[],"next":{}}}"#, if call == 0 { &next } else { "null" }))
        })
        .await;
        let paged = paged(&table);
        let post = "method = \"POST\"";
        let json_body = "json = { a = \"{window.start}\", b = \"{window.end}\" }";
        let query = "query  = { from = \"{window.start}\", to = \"{window.end}\" }";
        let pulled = pull(&[("method = \"GET\"", post), (query, json_body), (paged[0].0, &paged[0].1)], &server).await;
        assert_eq!(pulled.facts().pages, 2);
        let seen = &server.seen()[1];
        assert_eq!((seen.method.as_str(), seen.target.as_str()), (method, "/api/more?x=1"));
        assert_eq!(String::from_utf8_lossy(&seen.body), body);
        assert!(seen.headers.contains_key("authorization"));
    }
}

#[tokio::test]
async fn a_page_that_goes_on_and_names_no_next_one_is_an_error() {
    let server = vendor(|_, _| json(200, r#"{"rows":[],"more":"yes"}"#)).await;
    let pulled = pull_paged("[page.cursor]\nfrom = \"$.at\"\nwhile = \"$.more\"\nquery = \"after\"", &server).await;
    assert!(pulled.error().contains("does not name the next one"), "{}", pulled.error());
}

#[tokio::test]
async fn h4_an_empty_page_between_others_does_not_end_the_reading() {
    let cursor = "[page.cursor]\nfrom = \"$.at\"\nquery = \"after\"";
    // The second page is empty, the last one leads nowhere new.
    let server = vendor(|_, seen| {
        let (on, next) = match number_in(seen, "after") {
            0 => (vec![row("7", 1, 1)], 1),
            1 => (vec![], 2),
            2 => (vec![row("7", 2, 2)], 3),
            _ => (vec![], 3),
        };
        json(200, &format!(r#"{{"rows":[{}],"at":"{next}"}}"#, on.join(",")))
    })
    .await;
    let pulled = pull_paged(cursor, &server).await;
    assert_eq!((pulled.facts().rows, server.seen().len()), (2, 4));

    let server = vendor(|call, _| json(200, &format!(r#"{{"rows":[],"at":"{call}"}}"#))).await;
    let pulled = pull_paged(cursor, &server).await;
    assert!(pulled.error().contains("hold nothing"), "{}", pulled.error());
    assert!(server.seen().len() < 110);
}

#[tokio::test]
async fn h4_nothing_in_the_middle_of_pages_is_not_their_end() {
    let none = "path = \"$.error\"\nin   = [\"none\"]\nthen = \"empty\"\n[[error]]";
    for way in ways() {
        let (table, before) = (way.table, way.before);
        let promised = ["while", "next", "last", "total"].iter().any(|word| table.contains(word));
        let all: Vec<_> = (1..=5).map(|day| row("7", day, day)).collect();
        let server = vendor(move |_, seen| {
            let before = before(seen);
            json(200, &if before == 0 { part(&way, &all, 0) } else { r#"{"error":"none"}"#.to_owned() })
        })
        .await;
        let pulled = pull(&[("[[error]]", &format!("{table}\n[[error]]\n{none}"))], &server).await;
        assert_eq!(pulled.outcome.is_err(), promised, "{table}");
        assert!(!promised || pulled.error().contains("once more"), "{table}");
    }
    let server = vendor(|_, _| json(200, r#"{"error":"none"}"#)).await;
    for way in ways() {
        let pulled = pull(&[("[[error]]", &format!("{}\n[[error]]\n{none}", way.table))], &server).await;
        assert_eq!(pulled.facts().rows, 0, "{}", way.table);
    }
}
