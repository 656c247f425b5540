//! The fake Reddit ads account: reports page by page, in every way in which clients of the vendor
//! believe them to be paged.

use reqwest::Response;
use serde_json::{Value, json};
use willitsell::sandbox::reddit::{self, LastPage, Limits, ad_id};
use willitsell::sandbox::world::Level;
use willitsell::sandbox::{Endpoint, Fault, Sandbox, Setup};

use super::oauth::access;
use super::{client, day, json_of, setup};

const AGENT: &str = "willitsell/0.1 (tests)";

fn limited(limits: Limits) -> Setup {
    Setup { reddit: limits, ..setup("2026-03-20") }
}

fn request(starts: &str, ends: &str) -> Value {
    json!({ "data": { "starts_at": format!("{starts}T00:00:00Z"), "ends_at": format!("{ends}T00:00:00Z"),
        "time_zone_id": "GMT", "breakdowns": ["DATE", "AD_ID"],
        "fields": ["IMPRESSIONS", "CLICKS", "SPEND", "KEY_CONVERSION_TOTAL_COUNT", "CONVERSION_SIGN_UP_CLICKS",
            "UPVOTES", "COMMENTS", "CTR"] } })
}

async fn call(sandbox: &Sandbox, token: &str, account: &str, body: &Value) -> Response {
    let url = format!("{}/api/v3/ad_accounts/{account}/reports", sandbox.url(Endpoint::Reddit));
    send(client().post(url).bearer_auth(token), body).await
}

async fn send(call: reqwest::RequestBuilder, body: &Value) -> Response {
    call.header("user-agent", AGENT).body(body.to_string()).send().await.unwrap()
}

#[tokio::test]
async fn reddit_pages_add_up_to_the_truth_in_every_variant() {
    for (next_by_get, last_page) in [(false, LastPage::Null), (true, LastPage::Absent), (false, LastPage::Empty)] {
        let limits = Limits { page_rows: 40, next_by_get, last_page, end_inclusive: false };
        let sandbox = Sandbox::start(limited(limits)).await.unwrap();
        let token = access(&sandbox, Endpoint::RedditToken).await;
        let body = request("2026-02-20", "2026-03-26");
        let mut page = json_of(call(&sandbox, &token, reddit::ACCOUNT, &body).await).await;
        let (mut rows, mut pages) = (Vec::new(), 1);
        loop {
            assert!(page["data"]["metrics_updated_at"].is_string());
            rows.extend(page["data"]["metrics"].as_array().unwrap().clone());
            let Some(next) = page["pagination"]["next_url"].as_str() else { break };
            let (right, wrong) = (client().post(next), client().get(next));
            let (right, wrong) = if next_by_get { (wrong, right) } else { (right, wrong) };
            assert_eq!(send(wrong.bearer_auth(&token), &body).await.status(), 404, "the other verb");
            page = json_of(send(right.bearer_auth(&token), &body).await).await;
            pages += 1;
        }
        assert_eq!(page.get("pagination").is_none(), last_page == LastPage::Absent);
        assert_eq!(page["pagination"].get("next_url").is_some(), last_page == LastPage::Null);
        let truth: Vec<_> =
            sandbox.world().rows(Level::Ad, day("2026-02-20"), day("2026-03-25"), day("2026-03-20")).collect();
        assert_eq!((rows.len(), pages), (truth.len(), truth.len().div_ceil(40)));
        for (row, truth) in rows.iter().zip(&truth) {
            let figures = truth.figures;
            assert_eq!(row["ad_id"], ad_id(truth.id));
            assert_eq!(row["date"], truth.day.to_string());
            assert_eq!(row["impressions"], figures.impressions);
            assert_eq!(row["clicks"], figures.clicks);
            assert_eq!(row["spend"], figures.cost_micros);
            assert_eq!(row["key_conversion_total_count"], figures.leads + figures.view_leads);
            assert_eq!(row["conversion_sign_up_clicks"], figures.leads);
            assert_eq!(
                row["upvotes"].as_u64().unwrap() + row["comments"].as_u64().unwrap(),
                figures.engagements - figures.clicks
            );
            assert!(row["ctr"].is_f64());
        }
    }
}

#[tokio::test]
async fn reddit_ends_its_range_before_or_with_the_last_day() {
    for (end_inclusive, last) in [(false, "2026-03-07"), (true, "2026-03-08")] {
        let sandbox = Sandbox::start(limited(Limits { end_inclusive, ..Limits::default() })).await.unwrap();
        let token = access(&sandbox, Endpoint::RedditToken).await;
        let page = json_of(call(&sandbox, &token, reddit::ACCOUNT, &request("2026-03-05", "2026-03-08")).await).await;
        let days: Vec<_> = page["data"]["metrics"].as_array().unwrap().iter().map(|row| row["date"].clone()).collect();
        assert_eq!((days.first(), days.last()), (Some(&json!("2026-03-05")), Some(&json!(last))));
    }
    // Midnights of one zone and days of another: the days at the ends are not whole.
    let sandbox = Sandbox::start(setup("2026-03-20")).await.unwrap();
    let token = access(&sandbox, Endpoint::RedditToken).await;
    let mut body = request("2026-03-05", "2026-03-06");
    body["data"]["breakdowns"] = json!(["DATE", "CAMPAIGN_ID"]);
    let whole = json_of(call(&sandbox, &token, reddit::ACCOUNT, &body).await).await;
    body["data"]["time_zone_id"] = "America/New_York".into();
    let parts = json_of(call(&sandbox, &token, reddit::ACCOUNT, &body).await).await;
    let (whole, parts) = (&whole["data"]["metrics"], &parts["data"]["metrics"]);
    assert_eq!((whole.as_array().unwrap().len(), parts.as_array().unwrap().len()), (4, 8));
    assert_eq!((&parts[0]["date"], &parts[4]["date"]), (&json!("2026-03-04"), &json!("2026-03-05")));
    assert_eq!(parts[4]["impressions"], whole[0]["impressions"].as_u64().unwrap() * 19 / 24);
}

#[tokio::test]
async fn reddit_refuses_what_the_vendor_refuses() {
    let sandbox = Sandbox::start(setup("2026-03-20")).await.unwrap();
    let token = access(&sandbox, Endpoint::RedditToken).await;
    let good = request("2026-03-05", "2026-03-08");
    let changed = |name: &str, value: Value| {
        let mut body = good.clone();
        body["data"][name] = value;
        body
    };
    for (body, field) in [
        (changed("starts_at", json!("2026-03-05T00:30:00Z")), "starts_at"),
        (changed("ends_at", json!("2026-03-05T00:00:00Z")), "ends_at"),
        (changed("ends_at", json!("2026-03-08")), "ends_at"),
        (changed("fields", json!(["clicks"])), "fields"),
        (changed("breakdowns", json!(["DATE", "AD_ID", "AD_GROUP_ID", "CAMPAIGN_ID"])), "breakdowns"),
        (changed("breakdowns", json!(["date"])), "breakdowns"),
        (changed("time_zone_id", json!("Pacific")), "time_zone_id"),
        (changed("page_size", json!(5)), "page_size"),
    ] {
        let answer = call(&sandbox, &token, reddit::ACCOUNT, &body).await;
        assert_eq!(answer.status(), 400, "{body}");
        assert_eq!(json_of(answer).await["error"]["fields"][0]["field"], field);
    }
    assert_eq!(call(&sandbox, &token, "a2_other", &good).await.status(), 403);
    assert_eq!(call(&sandbox, "guessed", reddit::ACCOUNT, &good).await.status(), 401);
    let url = format!("{}/api/v3/ad_accounts/{}", sandbox.url(Endpoint::Reddit), reddit::ACCOUNT);
    for (agent, status) in [("", 403), ("curl/8.5.0", 403), (AGENT, 200)] {
        let answer = client().get(&url).bearer_auth(&token).header("user-agent", agent).send().await.unwrap();
        assert_eq!(answer.status(), status, "{agent}");
        if status == 200 {
            assert_eq!(json_of(answer).await["data"]["currency"], "USD");
        }
    }
    sandbox.script(Endpoint::Reddit, [reddit::throttled(7), reddit::expired(), reddit::internal(), Fault::PageLoop]);
    let answer = call(&sandbox, &token, reddit::ACCOUNT, &good).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-ratelimit-reset"]), (429, &"7".parse().unwrap()));
    assert_eq!(call(&sandbox, &token, reddit::ACCOUNT, &good).await.status(), 401);
    assert_eq!(call(&sandbox, &token, reddit::ACCOUNT, &good).await.status(), 500);
    let looping = json_of(call(&sandbox, &token, reddit::ACCOUNT, &good).await).await;
    let next = looping["pagination"]["next_url"].as_str().unwrap();
    let other = request("2026-03-05", "2026-03-09");
    assert_eq!(send(client().post(next).bearer_auth(&token), &other).await.status(), 400, "another body");
    sandbox.script(Endpoint::Reddit, [Fault::PageLoop]);
    assert_eq!(json_of(send(client().post(next).bearer_auth(&token), &good).await).await, looping);
}
