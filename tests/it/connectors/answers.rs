//! What an engine does with answers: pages, loops, repeats, errors with every status, torn bodies.

use std::time::Duration;

use willitsell::connect::PullError;
use willitsell::connect::http::Backoff;
use willitsell::connect::manifest::Patience;
use willitsell::domain::money::Currency;

use super::{embedded, hasty, page, pages, pull, pull_with, row, vendor};
use crate::canary::CANARY;
use crate::fake_server::{Step, answer, head, json};

#[tokio::test]
async fn a_window_is_read_page_by_page() {
    let server = pages(vec![
        page(&[row(7001, "2026-11-01", 41), row(7002, "2026-11-01", 5)], Some("A")),
        page(&[row(7001, "2026-11-02", 44)], None),
    ])
    .await;
    let pulled = pull("google_ads", &server).await;
    let facts = pulled.facts();
    assert_eq!((facts.pages, facts.rows, facts.day_zone.name()), (2, 3, "Europe/Berlin"));
    assert_eq!((facts.currency, facts.facts.version.as_deref()), (Currency::from_code("EUR"), Some("v26")));
    assert_eq!((facts.covered, facts.warnings.len()), (super::november(), 0));
    assert_eq!(pulled.sink.batches.len(), 2, "one batch a page");
    assert_eq!(
        pulled.sink.rows()[0],
        "7001 2026-11-01 impressions=100 clicks=41 spend=18.35 conversions=2.5 engagements=0"
    );
    let seen = server.seen();
    assert_eq!((seen.len(), seen[0].target.as_str()), (3, "/token"));
    assert_eq!(seen[1].target, "/api/v26/customers/1234567890/googleAds:search");
    assert_eq!(seen[1].headers["authorization"], format!("Bearer {CANARY}-1"));
    assert!(!seen[1].headers.contains_key("developer-token"), "an unset optional setting leaves its header out");
    let body = |at: usize| serde_json::from_slice::<serde_json::Value>(&seen[at].body).unwrap();
    let query = body(1)["query"].as_str().unwrap().to_owned();
    assert!(query.ends_with("BETWEEN '2026-11-01' AND '2026-11-07'"), "{query}");
    assert_eq!((body(1).get("pageToken"), body(2)["pageToken"].as_str()), (None, Some("A")));
}

/// `PostHog` gives what it kept, for up to six hours, unless it is told not to; Plausible reads a page as an expression,
/// of which `**` is none.
#[tokio::test]
async fn analytics_are_asked_for_what_is_known_now_and_in_their_own_words() {
    let server = vendor(|_, _| json(200, r#"{"results":[],"meta":{"total_rows":0}}"#)).await;
    for name in ["posthog", "posthog_events", "plausible"] {
        assert_eq!(pull(name, &server).await.facts().rows, 0, "{name}");
    }
    let bodies: Vec<serde_json::Value> =
        server.seen().iter().map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect();
    assert_eq!((&bodies[0]["refresh"], &bodies[1]["refresh"]), (&"force_blocking".into(), &"force_blocking".into()));
    assert_eq!(bodies[2]["filters"], serde_json::json!([["matches", "event:page", [".*"]]]));
}

#[tokio::test]
async fn peoples_acts_come_with_arm_person_and_instant() {
    let item = |id: &str, rest: &str| format!(r#"{{"response_id":"{id}","token":"{id}"{rest}}}"#);
    let first = item(
        "r2",
        r#","submitted_at":"2026-11-01T23:30:00Z","hidden":{"arm":"price-29"},"answers":[{"type":"text","text":"x"},{"type":"email","email":"a@example.com"},{"type":"email","email":"b@example.com"}]"#,
    );
    let second =
        item("r1", r#","submitted_at":"2026-11-01T09:00:00Z","hidden":{"utm_content":"price-49"},"answers":null"#);
    let third = item("r0", r#","submitted_at":"2026-11-01T08:00:00Z""#);
    let server = pages(vec![
        format!(r#"{{"items":[{first},{second}]}}"#),
        format!(r#"{{"items":[{third}]}}"#),
        r#"{"items":[]}"#.to_owned(),
    ])
    .await;
    let pulled = pull("typeform", &server).await;
    assert_eq!((pulled.facts().pages, pulled.facts().rows, pulled.facts().currency), (3, 3, None));
    assert_eq!(
        pulled.sink.rows(),
        [
            "r2 a@example.com email price-29 2026-11-01T23:30:00+00:00",
            "r1 - email price-49 2026-11-01T09:00:00+00:00",
            "r0 - email - 2026-11-01T08:00:00+00:00"
        ]
    );
    let targets: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    // Berlin's 1 November begins, and its 7 November ends, an hour before UTC's; both ends are included.
    let window = "/api/forms/u6nXL7/responses?page_size=1000&response_type=completed&since=1793487600&until=1794092399";
    assert_eq!(targets, [window.to_owned(), format!("{window}&before=r1"), format!("{window}&before=r0")]);
}

#[tokio::test]
async fn h3_a_torn_body_is_asked_for_again() {
    let good = page(&[row(7001, "2026-11-01", 41)], None);
    let torn = vec![Step::Send(head(200, &[("content-length", "5000")])), Step::Send(good.as_bytes()[..50].to_vec())];
    let server = vendor(move |call, _| if call == 0 { torn.clone() } else { json(200, &good) }).await;
    let pulled = pull("google_ads", &server).await;
    assert_eq!((pulled.facts().rows, pulled.waits.len()), (1, 1));
}

#[tokio::test]
async fn h4_a_body_cut_without_a_length_is_never_counted() {
    let whole = page(&[row(7001, "2026-11-01", 41), row(7002, "2026-11-01", 5)], None);
    let cut = whole.split_once("},{\"campaign").unwrap().0.to_owned() + "}";
    let server = vendor(move |_, _| vec![Step::Send(head(200, &[])), Step::Send(cut.clone().into_bytes())]).await;
    let pulled = pull_with(embedded("google_ads"), "google_ads", &server, hasty()).await;
    assert!(pulled.error().contains("ends in the middle"));
    assert_eq!((pulled.sink.rows().len(), pulled.waits.len()), (0, 2));
}

#[tokio::test]
async fn h5_the_wait_a_vendor_asks_for_is_obeyed() {
    let good = page(&[row(7001, "2026-11-01", 41)], None);
    for (headers, body, wait) in [
        (vec![("retry-after", "30")], "{}", Some(30)),
        (vec![("retry-after", "Sun, 22 Nov 2026 17:02:00 GMT")], "{}", Some(120)),
        (vec![("retry-after", "0")], "{}", Some(1)),
        (vec![("retry-after", "soon")], "{}", None),
        (
            vec![("retry-after", "30")],
            r#"{"error":{"details":[{"errors":[{"errorCode":{"quotaError":"RESOURCE_EXHAUSTED"},"details":{"quotaErrorDetails":{"retryDelay":"7s"}}}]}]}}"#,
            Some(7),
        ),
    ] {
        let good = good.clone();
        let first = answer(429, &headers, body);
        let server = vendor(move |call, _| if call == 0 { first.clone() } else { json(200, &good) }).await;
        let pulled = pull("google_ads", &server).await;
        assert_eq!(pulled.facts().rows, 1);
        match wait {
            Some(seconds) => assert_eq!(pulled.waits, [Duration::from_secs(seconds)], "{headers:?}"),
            None => assert!(pulled.waits[0] <= Duration::from_secs(1), "our own pause"),
        }
    }
}

#[tokio::test]
async fn h5_a_wait_longer_than_a_window_is_worth_is_left_to_the_next_run() {
    let server = vendor(|_, _| answer(429, &[("retry-after", "10000000000")], "{}")).await;
    let pulled = pull("google_ads", &server).await;
    let wait = Duration::from_hours(1);
    assert!(matches!(pulled.outcome, Err(PullError::RateLimited { retry_after: Some(asked) }) if asked == wait));
    assert!(pulled.waits.is_empty() && pulled.error().contains("3600 s"));
}

#[tokio::test]
async fn h6_bursts_of_failures_are_tried_again_and_end() {
    let good = page(&[row(7001, "2026-11-01", 41)], None);
    let burst = [503, 429, 500];
    let server =
        vendor(move |call, _| burst.get(call).map_or_else(|| json(200, &good), |status| json(*status, "{}"))).await;
    let pulled = pull("google_ads", &server).await;
    assert_eq!((pulled.facts().rows, pulled.waits.len()), (1, 3));

    let server = vendor(|_, _| json(503, r#"{"error":{"message":"try later"}}"#)).await;
    let pulled = pull("google_ads", &server).await;
    assert!(matches!(pulled.outcome, Err(PullError::Vendor { status: 503, .. })));
    assert_eq!((server.seen().len(), pulled.waits.len()), (6, 4), "a token and five tries");
    assert!(pulled.error().contains("try later"));

    let server = vendor(|_, _| json(429, "{}")).await;
    assert!(matches!(pull("google_ads", &server).await.outcome, Err(PullError::RateLimited { retry_after: None })));
}

#[tokio::test]
async fn h7_a_web_page_with_status_200_is_no_answer() {
    let page = format!("<!DOCTYPE html><html>Sign in, {CANARY}{}</html>", "x".repeat(1000));
    let server = vendor(move |_, _| answer(200, &[("content-type", "text/html")], &page)).await;
    for name in ["google_ads", "typeform"] {
        let pulled = pull(name, &server).await;
        assert!(matches!(&pulled.outcome, Err(PullError::Vendor { status: 200, message }) if message.len() < 450));
        assert!(pulled.error().contains("a web page came instead") && pulled.error().contains("DOCTYPE"));
        assert!(pulled.waits.is_empty(), "asking again brings the same page");
    }
}

#[tokio::test]
async fn h8_an_error_with_status_200_is_never_zero_rows() {
    let error = r#"{"error":{"code":403,"message":"The account is not enabled","details":[{"errors":[{"errorCode":{"authorizationError":"CUSTOMER_NOT_ENABLED"}}]}]}}"#;
    let pulled = pull("google_ads", &pages(vec![error.to_owned()]).await).await;
    assert!(matches!(pulled.outcome, Err(PullError::Vendor { status: 200, .. })));
    assert!(pulled.error().contains("The account is not enabled") && pulled.error().contains("stay as they were"));

    // Rows beside an error do not count either.
    let both = format!(r#"{{"results":[{}],{}"#, row(7001, "2026-11-01", 41), &error[1..]);
    let pulled = pull("google_ads", &pages(vec![both]).await).await;
    assert!(pulled.outcome.is_err() && pulled.sink.batches.is_empty());

    let pulled = pull("typeform", &pages(vec![r#"{"code":"NOT_FOUND","description":"x"}"#.to_owned()]).await).await;
    assert!(matches!(&pulled.outcome, Err(PullError::Shape { path, .. }) if path == "$.items[*]"));
}

#[tokio::test]
async fn h8_the_token_address_may_fail_with_status_200_too() {
    let server = crate::fake_server::FakeServer::start(|_, _| json(200, r#"{"error":"invalid_grant"}"#)).await;
    let pulled = pull("google_ads", &server).await;
    assert!(matches!(pulled.outcome, Err(PullError::NeedsLogin { .. })));
    assert_eq!(server.seen().len(), 1, "no storm");
    assert!(pulled.error().ends_with("run `willitsell auth search`"));
}

#[tokio::test]
async fn h9_only_an_empty_list_in_its_place_is_zero_rows() {
    for (name, body, zero) in [
        ("google_ads", "", false),
        ("google_ads", "  \n", false),
        ("google_ads", "{}", false),
        ("google_ads", "[]", false),
        ("google_ads", "null", false),
        ("google_ads", r#"{"results":null}"#, false),
        ("google_ads", r#"{"results":{}}"#, false),
        ("google_ads", r#"{"rows":[]}"#, false),
        ("google_ads", r#"{"fieldMask":null}"#, false),
        ("google_ads", r#"{"results":[]}"#, true),
        ("google_ads", r#"{"fieldMask":"campaign.id"}"#, true),
        ("typeform", "", false),
        ("typeform", "{}", false),
        ("typeform", "[]", false),
        ("typeform", r#"{"total_items":0}"#, false),
        ("typeform", r#"{"items":[]}"#, true),
    ] {
        let pulled = pull(name, &pages(vec![body.to_owned()]).await).await;
        if zero {
            assert_eq!((pulled.facts().rows, pulled.sink.batches.len()), (0, 0), "{name} {body}");
            assert_eq!(pulled.facts().day_zone.name(), "Europe/Berlin", "nothing said: the experiment's");
            assert_eq!(pulled.facts().currency, None);
        } else {
            assert!(pulled.outcome.is_err(), "{name} {body}");
            pulled.error();
        }
    }
    let renamed = pull("google_ads", &pages(vec![r#"{"rows":[],"mask":1}"#.to_owned()]).await).await;
    assert!(renamed.error().contains("the answer has") && renamed.error().contains("rows"), "{}", renamed.error());
}

#[tokio::test]
async fn h12_pages_that_lead_in_a_circle_are_left_at_the_first_repeat() {
    let at = |day: u32, next: &str| page(&[row(7001, &format!("2026-11-0{day}"), 1)], Some(next));
    for (bodies, calls, named) in [
        (vec![at(1, "A")], 2, "A"),
        (vec![at(1, "A"), at(2, "A")], 2, "A"),
        (vec![at(1, "A"), at(2, "B"), at(3, "A")], 3, "A"),
    ] {
        let server = pages(bodies).await;
        let pulled = pull("google_ads", &server).await;
        let error = pulled.error();
        assert!(error.contains("in a circle") && error.contains(&format!("`{named}`")), "{error}");
        assert_eq!(server.seen().len(), calls + 1);
    }
}

#[tokio::test]
async fn h12_the_same_page_under_ever_new_names_ends() {
    let server = vendor(|call, _| json(200, &page(&[row(7001, "2026-11-01", 1)], Some(&format!("T{call}"))))).await;
    let pulled = pull("google_ads", &server).await;
    assert!(pulled.error().contains("only rows that were there before"), "{}", pulled.error());
    assert_eq!(server.seen().len(), 4, "a token, the page, and twice the same");
}

#[tokio::test]
async fn h12_pages_without_end_meet_the_cap() {
    let server = vendor(|call, _| {
        let id = u32::try_from(call).unwrap();
        json(200, &page(&[row(id, "2026-11-01", 1)], Some(&format!("T{call}"))))
    })
    .await;
    let patience = Patience { pages: 20, ..Patience::default() };
    let pulled = pull_with(embedded("google_ads"), "google_ads", &server, patience).await;
    assert!(pulled.error().contains("more than 20 pages") && pulled.error().contains("`T19`"), "{}", pulled.error());
}

#[tokio::test]
async fn h13_equal_repeats_count_once_and_others_fail_the_window() {
    let first = [row(7001, "2026-11-01", 41), row(7002, "2026-11-01", 5)];
    let server = pages(vec![page(&first, Some("A")), page(&first, Some("B")), page(&first[..1], None)]).await;
    let pulled = pull("google_ads", &server).await;
    assert_eq!((pulled.facts().rows, pulled.facts().pages, pulled.sink.rows().len()), (2, 3, 2));
    assert!(pulled.facts().warnings[0].contains("3 rows came twice"), "{:?}", pulled.facts().warnings);

    let bodies = [page(&first, Some("A")), page(&[row(7002, "2026-11-01", 6)], None)];
    let server = vendor(move |call, _| json(200, &bodies[call % 2])).await;
    let pulled = pull("google_ads", &server).await;
    assert!(pulled.error().contains("the row of `7002` on 2026-11-01 comes twice"), "{}", pulled.error());
}

#[tokio::test]
async fn h13_rows_with_an_id_of_their_own_are_told_apart_by_it() {
    let text = embedded("google_ads").replace("arm     = [", "arm     = [\"$.campaign.id\", ");
    let with = |group: u32, row: String| format!(r#"{{"adGroup":{{"id":"{group}"}},{}"#, &row[1..]);
    let same = row(7001, "2026-11-01", 41);
    let body = page(&[with(1, same.clone()), with(2, same.clone()), with(2, same)], None);
    let pulled = pull_with(&text, "google_ads", &pages(vec![body]).await, Patience::default()).await;
    assert_eq!(pulled.sink.rows().len(), 2, "two groups of one campaign, one of them twice");
}

#[tokio::test]
async fn a1_an_expired_token_is_renewed_once_and_the_page_asked_for_again() {
    let good = page(&[row(7001, "2026-11-01", 41)], None);
    let server = vendor(move |_, seen| {
        let fresh = seen.headers["authorization"] == format!("Bearer {CANARY}-2");
        if fresh { json(200, &good) } else { json(401, r#"{"error":{"message":"expired"}}"#) }
    })
    .await;
    let pulled = pull("google_ads", &server).await;
    assert_eq!((pulled.facts().rows, server.seen().len(), pulled.waits.len()), (1, 4, 0));

    let server = vendor(|_, _| json(401, &format!(r#"{{"error":{{"message":"no, {CANARY}-2 is bad"}}}}"#))).await;
    let pulled = pull("google_ads", &server).await;
    assert!(matches!(pulled.outcome, Err(PullError::Credentials { .. })));
    assert!(pulled.error().contains("[login.google]") && pulled.error().contains("[hidden]"), "{}", pulled.error());
    assert_eq!(server.seen().len(), 4, "two tokens, two tries, no more");

    let server = vendor(|_, _| json(401, "{}")).await;
    let pulled = pull("typeform", &server).await;
    assert!(pulled.error().contains("setting `token` of source `search`") && server.seen().len() == 1);
}

#[tokio::test]
async fn h26_a_retired_version_is_named_and_not_asked_again() {
    let body = r#"{"error":{"code":400,"message":"Version v26 is deprecated.","details":[{"errors":[{"errorCode":{"requestError":"UNSUPPORTED_VERSION"}}]}]}}"#;
    let server = vendor(move |_, _| json(400, body)).await;
    let pulled = pull("google_ads", &server).await;
    assert!(matches!(pulled.outcome, Err(PullError::Retired { .. })));
    assert!(pulled.error().contains("`api_version`") && pulled.waits.is_empty());
}

#[tokio::test]
async fn every_other_word_of_an_error_rule_does_what_it_says() {
    let rule =
        |condition: &str, then: &str| format!("{}\n[[error]]\n{condition}\nthen = \"{then}\"\n", embedded("typeform"));
    let busy = r#"{"code":"BUSY","description":"Come back later","number":80004,"sub":99,"errors":[{"kind":{"a":"FIRST"}},{"kind":{"b":"SECOND"}}]}"#;
    for (condition, then, succeeds, calls) in [
        ("path = \"$.description\"\ntext = \"come BACK\"", "empty", true, 1),
        ("path = \"$.code\"\nin = [\"BUSY\"]", "retry", false, 3),
        ("path = \"$.code\"\nnot_in = [\"OK\"]\nstatus = [200]", "stop", false, 1),
        ("path = \"$.code\"\nnot_in = [\"BUSY\"]", "empty", false, 1),
        ("status = [404]", "empty", false, 1),
        ("path = \"$.number\"\nin = [\"80000-80014\"]", "empty", true, 1),
        ("path = \"$.number\"\nin = [\"80005-80014\", 7]", "empty", false, 1),
        ("all = [{ path = \"$.number\", in = [80004] }, { path = \"$.sub\", in = [99] }]", "empty", true, 1),
        ("all = [{ path = \"$.number\", in = [80004] }, { path = \"$.sub\", not_in = [99] }]", "empty", false, 1),
        ("all = [{ path = \"$.number\", in = [80004] }, { path = \"$.gone\", text = \"x\" }]", "empty", false, 1),
        ("path = \"$.errors[*].kind.*\"\nin = [\"SECOND\"]", "empty", true, 1),
        ("path = \"$.code\"\nin = [\"BUSY\"]", "shrink", false, 3),
    ] {
        let server = pages(vec![busy.to_owned()]).await;
        let patience = Patience { backoff: Backoff { tries: 3, ..Backoff::default() }, ..Patience::default() };
        let pulled = pull_with(&rule(condition, then), "typeform", &server, patience).await;
        assert_eq!((pulled.outcome.is_ok(), server.seen().len()), (succeeds, calls), "{condition} {then}");
    }
    let text = rule("status = [200]\npath = \"$.code\"\nin = [\"BUSY\"]\nwait = \"5m\"", "wait");
    let pulled = pull_with(&text, "typeform", &pages(vec![busy.to_owned()]).await, hasty()).await;
    assert_eq!(pulled.waits, [Duration::from_mins(5); 2], "as long as the file says where the vendor says nothing");
    let missing = vendor(|_, _| json(404, "<html>")).await;
    let pulled = pull_with(&rule("status = [404]", "empty"), "typeform", &missing, hasty()).await;
    assert_eq!(pulled.facts().rows, 0);
}

#[tokio::test]
async fn a_vendor_that_is_away_is_a_network_error() {
    let server = vendor(|_, _| Vec::new()).await;
    let pulled = pull_with(embedded("typeform"), "typeform", &server, hasty()).await;
    assert!(matches!(pulled.outcome, Err(PullError::Network(_))));
    assert_eq!((server.seen().len(), pulled.waits.len()), (3, 2));
    pulled.error();
}

#[tokio::test]
async fn h27_a_vendor_that_announces_the_end_of_its_api_is_passed_on_once_a_pull() {
    let sunset = [("Sunset", "Sat, 31 Oct 2026 23:59:59 GMT"), ("Content-Type", "application/json")];
    let server = vendor(move |call, _| {
        let (day, next) = if call == 0 { ("2026-11-01", Some("A")) } else { ("2026-11-02", None) };
        answer(200, &sunset, page(&[row(7001, day, 4)], next))
    });
    let pulled = pull("google_ads", &server.await).await;
    let warnings = &pulled.facts().warnings;
    assert!(matches!(&warnings[..], [only] if only.contains("on 2026-10-31 (header Sunset)")), "{warnings:?}");
}
