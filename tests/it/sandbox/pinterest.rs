//! The fake Pinterest ads account: lists, figures at once and reports.

use chrono::Duration;
use reqwest::Response;
use serde_json::{Value, json};
use willitsell::sandbox::world::{AdDay, Level};
use willitsell::sandbox::{Endpoint, Fault, Pace, Sandbox, Setup, World, pinterest};

use super::oauth::access;
use super::{at, client, day, json_of, setup};

const COLUMNS: &str = "IMPRESSION_1,OUTBOUND_CLICK_1,SPEND_IN_MICRO_DOLLAR,TOTAL_SIGNUP,TOTAL_ENGAGEMENT,CAMPAIGN_ID";

const EVERY_STATUS: &str = "&entity_statuses=ACTIVE&entity_statuses=PAUSED&entity_statuses=ARCHIVED";

async fn get(sandbox: &Sandbox, token: &str, rest: &str) -> Response {
    let url = format!("{}/v5/ad_accounts/1234567890{rest}", sandbox.url(Endpoint::Pinterest));
    client().get(url).bearer_auth(token).send().await.unwrap()
}

/// Every id of a kind, and the number of pages.
async fn ids(sandbox: &Sandbox, token: &str, kind: &str, size: u32) -> (Vec<String>, usize) {
    let (mut ids, mut pages, mut bookmark) = (Vec::new(), 0, String::new());
    loop {
        let page =
            json_of(get(sandbox, token, &format!("/{kind}?page_size={size}{EVERY_STATUS}{bookmark}")).await).await;
        ids.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        pages += 1;
        match &page["bookmark"] {
            Value::Null => return (ids, pages),
            next => bookmark = format!("&bookmark={}", next.as_str().unwrap()),
        }
    }
}

fn named(ids: &[String]) -> String {
    ids.iter().map(|id| format!("&ad_ids={id}")).collect()
}

fn asked(first: &str, last: &str) -> String {
    format!("start_date={first}&end_date={last}&granularity=DAY&columns={COLUMNS}")
}

#[track_caller]
fn assert_rows(rows: &Value, mut truth: Vec<AdDay>) {
    truth.sort_by_key(|row| (row.id, row.day));
    let mut rows = rows.as_array().unwrap().clone();
    rows.sort_by_key(|row| (row["AD_ID"].as_str().unwrap().parse::<u64>().unwrap(), row["DATE"].to_string()));
    assert_eq!(rows.len(), truth.len());
    for (row, truth) in rows.iter().zip(&truth) {
        let figures = truth.figures;
        let expected = json!({
            "AD_ID": truth.id.to_string(), "DATE": truth.day.to_string(),
            "CAMPAIGN_ID": (truth.id / 10_000).to_string(), "IMPRESSION_1": figures.impressions,
            "OUTBOUND_CLICK_1": figures.clicks, "SPEND_IN_MICRO_DOLLAR": figures.cost_micros,
            "TOTAL_SIGNUP": figures.leads + figures.view_leads, "TOTAL_ENGAGEMENT": figures.engagements,
        });
        assert_eq!(row, &expected);
    }
}

#[tokio::test]
async fn pinterest_lists_its_ads_and_their_figures_add_up_to_the_truth() {
    let world = World::large(7, 70, day("2026-03-02"), day("2026-04-12"));
    let sandbox = Sandbox::start(Setup::new(world, at("2026-03-20T11:00:00Z"))).await.unwrap();
    let token = access(&sandbox, Endpoint::PinterestToken).await;
    let (ads, pages) = ids(&sandbox, &token, "ads", 100).await;
    assert_eq!((ads.len(), pages), (280, 3));
    assert_eq!(ids(&sandbox, &token, "ad_groups", 25).await.0.len(), 140);
    assert_eq!(ids(&sandbox, &token, "campaigns", 250).await.0.len(), 70);
    let unasked = json_of(get(&sandbox, &token, "/ads?page_size=250").await).await;
    let unasked = unasked["items"].as_array().unwrap();
    assert!(unasked.len() < 250 && unasked.iter().all(|item| item["status"] == "ACTIVE"), "no archived ones");
    let mut rows = Vec::new();
    for batch in ads.chunks(250) {
        let query = format!("/ads/analytics?{}{}", asked("2026-03-14", "2026-03-21"), named(batch));
        let page = json_of(get(&sandbox, &token, &query).await).await;
        rows.extend(page.as_array().unwrap().clone());
    }
    let truth = sandbox.world().rows(Level::Ad, day("2026-03-14"), day("2026-03-21"), day("2026-03-20"));
    assert_rows(&Value::from(rows), truth.collect());

    let query = format!("/ads/analytics?{}{}", asked("2026-03-14", "2026-03-21"), named(&ads[..251]));
    assert_eq!(get(&sandbox, &token, &query).await.status(), 400, "251 ids");
    let account = json_of(get(&sandbox, &token, "").await).await;
    assert_eq!((&account["currency"], &account["time_zone"]), (&json!("EUR"), &json!("Europe/Berlin")));
}

#[tokio::test]
async fn pinterest_reports_take_their_time_and_end_after_an_hour() {
    let pace = Pace { waits: 2, stale_urls: 1, open: 5 };
    let limits = pinterest::Limits { pace, ..pinterest::Limits::default() };
    let sandbox = Sandbox::start(Setup { pinterest: limits, ..setup("2026-03-20") }).await.unwrap();
    let token = access(&sandbox, Endpoint::PinterestToken).await;
    let url = format!("{}/v5/ad_accounts/1234567890/reports", sandbox.url(Endpoint::Pinterest));
    let columns: Vec<_> = COLUMNS.split(',').collect();
    let body = json!({ "level": "PIN_PROMOTION", "start_date": "2026-02-01", "end_date": "2026-03-20",
        "granularity": "DAY", "columns": columns, "report_format": "JSON", "view_window_days": 1 });
    let answer = json_of(client().post(url).bearer_auth(&token).body(body.to_string()).send().await.unwrap()).await;
    assert_eq!(answer["report_status"], "IN_PROGRESS");
    let ask = format!("/reports?token={}", answer["token"].as_str().unwrap());
    let standing = async || json_of(get(&sandbox, &token, &ask).await).await;
    for _ in 0..2 {
        let standing = standing().await;
        assert_eq!((&standing["report_status"], &standing["url"]), (&json!("IN_PROGRESS"), &Value::Null));
    }
    let fetch = async |standing: Value| {
        assert_eq!(standing["report_status"], "FINISHED");
        client().get(standing["url"].as_str().unwrap()).send().await.unwrap()
    };
    assert_eq!(fetch(standing().await).await.status(), 403, "ended when it was given out");
    let rows = json_of(fetch(standing().await).await).await;
    let truth = sandbox.world().rows(Level::Ad, day("2026-02-01"), day("2026-03-20"), day("2026-03-20"));
    assert_rows(&rows, truth.collect());

    sandbox.script(Endpoint::Pinterest, [pinterest::report_failed()]);
    assert_eq!(standing().await["report_status"], "FAILED");
    sandbox.set_now(at("2026-03-20T11:00:00Z") + Duration::hours(1));
    assert_eq!(standing().await["report_status"], "EXPIRED");
    assert_eq!(json_of(get(&sandbox, &token, "/reports?token=1").await).await["report_status"], "DOES_NOT_EXIST");
}

#[tokio::test]
async fn pinterest_refuses_what_the_vendor_refuses() {
    let sandbox = Sandbox::start(setup("2026-03-20")).await.unwrap();
    let token = access(&sandbox, Endpoint::PinterestToken).await;
    let (ads, _) = ids(&sandbox, &token, "ads", 250).await;
    let good = format!("{}{}", asked("2026-03-14", "2026-03-21"), named(&ads));
    let with = |from: &str, to: &str| format!("/ads/analytics?{}", good.replace(from, to));
    assert_eq!(get(&sandbox, &token, &with("", "")).await.status(), 200);
    for (query, status) in [
        (with("2026-03-14", "2025-12-19"), 400),
        (with("2026-03-21", "2026-03-13"), 400),
        (with("2026-03-21", "2026-06-30"), 400),
        (with("TOTAL_SIGNUP", "total_signup"), 400),
        (with("DAY", "HOUR"), 400),
        (with("granularity=DAY&", ""), 400),
        (with("granularity=DAY", "granularity=DAY&view_window_days=2"), 400),
        (with("granularity=DAY", "granularity=DAY&page_size=2"), 400),
        (with(&named(&ads), &format!("&ad_ids={}", ads.join(","))), 400),
        (with(&named(&ads), ""), 400),
        ("/boards/analytics".into(), 404),
        ("/ads?page_size=251".into(), 400),
        ("/ads?bookmark=x".into(), 400),
    ] {
        let answer = get(&sandbox, &token, &query).await;
        assert_eq!(answer.status(), status, "{query}");
        assert!(json_of(answer).await["code"].is_u64());
    }
    assert_eq!(get(&sandbox, "guessed", "/ads").await.status(), 401);
    let foreign = sandbox.url(Endpoint::Pinterest) + "/v5/ad_accounts/7/ads";
    assert_eq!(client().get(foreign).bearer_auth(&token).send().await.unwrap().status(), 403);
    let views = json_of(get(&sandbox, &token, &with("&gran", "&view_window_days=0&gran")).await).await;
    let truth = sandbox.world().rows(Level::Ad, day("2026-03-14"), day("2026-03-21"), day("2026-03-20"));
    let signups: u64 = views.as_array().unwrap().iter().map(|row| row["TOTAL_SIGNUP"].as_u64().unwrap()).sum();
    assert_eq!(signups, truth.map(|row| row.figures.leads).sum::<u64>(), "nobody who had only seen it");

    sandbox.script(
        Endpoint::Pinterest,
        [pinterest::throttled(), pinterest::expired(), pinterest::internal(), Fault::PageLoop],
    );
    for status in [429, 401, 500] {
        assert_eq!(get(&sandbox, &token, "/ads").await.status(), status);
    }
    let first = json_of(get(&sandbox, &token, "/ads?page_size=5").await).await;
    sandbox.script(Endpoint::Pinterest, [Fault::PageLoop]);
    let again = format!("/ads?page_size=5&bookmark={}", first["bookmark"].as_str().unwrap());
    assert_eq!(json_of(get(&sandbox, &token, &again).await).await, first);
    let ready = sandbox.url(Endpoint::Pinterest) + "/v5/resources/metrics_ready_state?date=2026-03-17";
    let ready = json_of(client().get(ready).bearer_auth(&token).send().await.unwrap()).await;
    assert_eq!(ready, json!({ "conversion_metrics_ready": false, "non_conversion_metrics_ready": true }));
}
