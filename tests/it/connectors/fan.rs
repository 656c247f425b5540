//! Ids first, then the rows of so many ids at a time: one window, whatever the number of calls.

use super::paging::{pull, row, rows};
use super::{Pulled, vendor};
use crate::fake_server::{FakeServer, Seen, Step, json};

const QUERY: &str = "query  = { from = \"{window.start}\", to = \"{window.end}\" }";

/// Pulls with a fan of so many ids at a time.
async fn fanned(batch: &str, server: &FakeServer) -> Pulled {
    let ids = if batch.is_empty() { "\"{id}\"" } else { "[\"{ids}\"]" };
    let query = QUERY.replace(" }", &format!(", ad = {ids} }}"));
    let fan = format!(
        "[fan]\nurl = \"{{base_url}}/ads\"\nquery = {{ page_size = \"{{page.size}}\" }}\neach = \"$.items[*].id\"\n{batch}\n[fan.page.cursor]\nfrom = \"$.bookmark\"\nquery = \"bookmark\"\nsize = 2\n[[error]]"
    );
    pull(&[(QUERY, &query), ("[[error]]", &fan)], server).await
}

/// Five ads on three pages; a row for each ad asked about.
async fn five() -> FakeServer {
    vendor(|_, seen| if seen.target.starts_with("/api/ads") { list(seen) } else { figures(seen) }).await
}

fn list(seen: &Seen) -> Vec<Step> {
    let from: u32 = seen.target.split_once("bookmark=b").map_or(1, |(_, from)| from.parse().unwrap());
    let items: Vec<_> = (from..=(from + 1).min(5)).map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
    let bookmark = if from + 2 <= 5 { format!(r#""b{}""#, from + 2) } else { "null".to_owned() };
    json(200, &format!(r#"{{"items":[{}],"bookmark":{bookmark}}}"#, items.join(",")))
}

fn figures(seen: &Seen) -> Vec<Step> {
    let ads = seen.target.split(['?', '&']).filter_map(|part| part.strip_prefix("ad="));
    json(200, &rows(&ads.map(|ad| row(ad, 1, 3)).collect::<Vec<_>>()))
}

#[tokio::test]
async fn ids_are_listed_and_asked_about_in_batches_or_one_by_one() {
    for (batch, calls) in [("batch = 2", 3), ("batch = 250", 1), ("", 5)] {
        let server = five().await;
        let pulled = fanned(batch, &server).await;
        assert_eq!((pulled.facts().rows, pulled.sink.rows().len()), (5, 5), "{batch}");
        let seen = server.seen();
        let listing = seen.iter().filter(|seen| seen.target.starts_with("/api/ads?page_size=2")).count();
        assert_eq!((listing, seen.len() - listing), (3, calls), "{batch}");
    }
}

#[tokio::test]
async fn what_begins_every_id_is_cut_off_and_one_that_begins_otherwise_fails() {
    let fan = "[fan]\nurl = \"{base_url}/ads\"\nquery = { since = \"{window.start}\" }\n\
               each = { path = \"$.items[*].uri\", cut = \"https://x.example/ads/\" }\n[[error]]";
    let changes = &[(QUERY, "query = { to = \"{window.end}\", ad = \"{id}\" }"), ("[[error]]", fan)];
    let server = |uri: &'static str| {
        vendor(move |_, seen| {
            let list = format!(r#"{{"items":[{{"uri":"{uri}"}}]}}"#);
            if seen.target.starts_with("/api/ads") { json(200, &list) } else { figures(seen) }
        })
    };
    let right = server("https://x.example/ads/7").await;
    assert_eq!(pull(changes, &right).await.sink.rows(), ["7 2026-11-01 clicks=3"]);
    let targets: Vec<_> = right.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/api/ads?since=2026-11-01", "/api/rows?ad=7&to=2026-11-07"], "days may stand in the list");
    for uri in ["https://y.example/ads/7", "https://x.example/ads/", "7"] {
        let error = pull(changes, &server(uri).await).await.error();
        assert!(error.contains("does not begin with `https://x.example/ads/`"), "{error}");
    }
}

#[tokio::test]
async fn an_empty_list_is_zero_rows_and_a_missing_one_an_error() {
    let server = vendor(|_, _| json(200, r#"{"items":[],"bookmark":null}"#)).await;
    let pulled = fanned("batch = 2", &server).await;
    assert_eq!((pulled.facts().rows, pulled.facts().covered, server.seen().len()), (0, super::november(), 1));
    for body in ["{}", "[]", r#"{"items":null}"#, r#"{"items":[{"name":"x"}]}"#, r#"{"items":[{"id":{}}]}"#, ""] {
        let server = vendor(move |_, _| json(200, body)).await;
        assert!(fanned("batch = 2", &server).await.error().contains("$.items[*].id"), "{body}");
    }
}

#[tokio::test]
async fn a_failing_batch_fails_the_window_and_rules_hold_for_lists_too() {
    let server = vendor(|_, seen| {
        if seen.target.contains("ad=5") {
            json(403, r#"{"error":"no"}"#)
        } else if seen.target.contains("/ads") {
            list(seen)
        } else {
            figures(seen)
        }
    })
    .await;
    assert!(fanned("batch = 2", &server).await.outcome.is_err());
    let server = vendor(|call, seen| match call {
        0 => json(503, "{}"),
        _ if seen.target.contains("/ads") => list(seen),
        _ => figures(seen),
    })
    .await;
    let pulled = fanned("batch = 2", &server).await;
    assert_eq!((pulled.facts().rows, pulled.waits.len()), (5, 1), "tried again");
}

#[tokio::test]
async fn h12_lists_that_lead_in_a_circle_end() {
    let server = vendor(|_, _| json(200, r#"{"items":[{"id":"1"}],"bookmark":"b"}"#)).await;
    assert!(fanned("batch = 2", &server).await.error().contains("in a circle"));
    let server = vendor(|call, _| json(200, &format!(r#"{{"items":[{{"id":"1"}}],"bookmark":"b{call}"}}"#))).await;
    assert!(fanned("batch = 2", &server).await.error().contains("only ids that were there before"));
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_list_that_is_too_much_is_not_asked_for_with_fewer_days() {
    let server = vendor(|_, _| json(400, r#"{"error":"too much"}"#)).await;
    let pulled = fanned("", &server).await;
    let said = pulled.error();
    assert!(said.contains("this call names none") && !said.contains("single day"), "{said}");
    assert_eq!(server.seen().len(), 1);
}
