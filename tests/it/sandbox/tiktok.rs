//! The fake TikTok: the integrated report page by page, and what it refuses, always with status 200.

use serde_json::{Value, json};
use willitsell::sandbox::world::{Figures, Level};
use willitsell::sandbox::{Endpoint, Fault, Sandbox, Setup, tiktok};

use super::{busy, client, day, json_of, quiet};

const METRICS: &str = r#"["campaign_id","campaign_name","spend","impressions","clicks","conversion","likes","comments","shares","follows"]"#;

/// Parameters of a good call.
fn asked(level: &str, id: &str, first: &str, last: &str) -> Vec<(&'static str, String)> {
    vec![
        ("advertiser_id", "1234567890".into()),
        ("report_type", "BASIC".into()),
        ("service_type", "AUCTION".into()),
        ("data_level", level.into()),
        ("dimensions", json!([id, "stat_time_day"]).to_string()),
        ("metrics", METRICS.into()),
        ("start_date", first.into()),
        ("end_date", last.into()),
    ]
}

/// A good call with one parameter replaced; `None` leaves it out.
fn but(name: &'static str, value: Option<&str>) -> Vec<(&'static str, String)> {
    let mut asked = asked("AUCTION_AD", "ad_id", "2026-03-02", "2026-03-08");
    asked.retain(|(known, _)| *known != name);
    asked.extend(value.map(|value| (name, value.to_owned())));
    asked
}

async fn call(sandbox: &Sandbox, path: &str, token: &str, params: &[(&'static str, String)]) -> Value {
    let address = format!("{}/open_api/v1.3/{path}/", sandbox.url(Endpoint::Tiktok));
    let url = url::Url::parse_with_params(&address, params).unwrap();
    let answer = client().get(url).header("Access-Token", token).send().await.unwrap();
    assert_eq!(answer.status(), 200, "whatever happens");
    json_of(answer).await
}

async fn report(sandbox: &Sandbox, params: &[(&'static str, String)]) -> Value {
    call(sandbox, "report/integrated/get", &sandbox.api_token(Endpoint::Tiktok), params).await
}

async fn all_rows(sandbox: &Sandbox, asked: &[(&'static str, String)], size: u32) -> (Vec<Value>, u64) {
    let (mut rows, mut page) = (Vec::new(), 1);
    loop {
        let mut params = asked.to_vec();
        params.extend([("page", page.to_string()), ("page_size", size.to_string())]);
        let answer = report(sandbox, &params).await;
        assert_eq!((&answer["code"], &answer["data"]["page_info"]["page"]), (&json!(0), &json!(page)), "{answer}");
        rows.extend(answer["data"]["list"].as_array().unwrap().iter().cloned());
        if page >= answer["data"]["page_info"]["total_page"].as_u64().unwrap() {
            assert_eq!(answer["data"]["page_info"]["total_number"], rows.len());
            return (rows, page);
        }
        page += 1;
    }
}

/// A number, however it is written.
fn number(row: &Value, name: &str) -> u64 {
    match &row["metrics"][name] {
        Value::Null => 0,
        Value::Number(number) => number.as_u64().unwrap(),
        Value::String(text) if text == "-" => 0,
        Value::String(text) => text.parse().unwrap(),
        other => panic!("{name}: {other}"),
    }
}

fn assert_shows(row: &Value, truth: &Figures) {
    assert_eq!(number(row, "impressions"), truth.impressions, "{row}");
    assert_eq!(number(row, "clicks"), truth.clicks, "{row}");
    assert_eq!(number(row, "conversion"), truth.leads + truth.view_leads, "{row}");
    let kinds = ["likes", "comments", "shares", "follows"];
    assert_eq!(kinds.iter().map(|kind| number(row, kind)).sum::<u64>(), truth.engagements - truth.clicks, "{row}");
    let cents: u64 = row["metrics"]["spend"].as_str().unwrap().replace('.', "").parse().unwrap();
    assert_eq!(cents * 10_000, truth.cost_micros, "{row}");
}

#[tokio::test]
async fn tiktok_pages_add_up_to_the_truth_at_every_level() {
    let sandbox = Sandbox::start(busy("2026-03-20")).await.unwrap();
    for (level, name, id) in [
        (Level::Campaign, "AUCTION_CAMPAIGN", "campaign_id"),
        (Level::AdGroup, "AUCTION_ADGROUP", "adgroup_id"),
        (Level::Ad, "AUCTION_AD", "ad_id"),
    ] {
        let mut params = asked(name, id, "2026-02-25", "2026-03-25");
        if level == Level::Campaign {
            params.retain(|(name, _)| *name != "metrics");
            params.push(("metrics", METRICS.replace(r#""campaign_id","#, "")));
        }
        let (rows, pages) = all_rows(&sandbox, &params, 25).await;
        let truth: Vec<_> =
            sandbox.world().rows(level, day("2026-02-25"), day("2026-03-25"), day("2026-03-20")).collect();
        assert!(pages >= 3 && rows.len() == truth.len());
        for (row, truth) in rows.iter().zip(&truth) {
            assert_eq!(row["dimensions"][id], tiktok::vendor_id(truth.id).to_string());
            assert_eq!(row["dimensions"]["stat_time_day"], format!("{} 00:00:00", truth.day));
            assert_shows(row, &truth.figures);
        }
        if level != Level::Campaign {
            let id = rows[0]["metrics"]["campaign_id"].as_u64().unwrap();
            assert!(id > 1 << 53, "a number that no binary double holds: {id}");
        }
    }
}

#[tokio::test]
async fn tiktok_writes_nothing_as_zero_dash_or_null() {
    let sandbox = Sandbox::start(quiet("2026-03-20")).await.unwrap();
    let (rows, _) = all_rows(&sandbox, &asked("AUCTION_AD", "ad_id", "2026-03-02", "2026-03-20"), 25).await;
    let seen = |name: &str| rows.iter().map(|row| row["metrics"][name].clone()).collect::<Vec<_>>();
    assert!(seen("conversion").contains(&json!("-")) && seen("conversion").contains(&json!("0")));
    assert!(seen("shares").contains(&Value::Null) && seen("likes").contains(&json!(0)));
    let truth = sandbox.world().rows(Level::Ad, day("2026-03-02"), day("2026-03-20"), day("2026-03-20"));
    rows.iter().zip(truth).for_each(|(row, truth)| assert_shows(row, &truth.figures));
}

#[tokio::test]
async fn tiktok_sums_without_days_and_filters_by_nested_json() {
    let sandbox = Sandbox::start(busy("2026-03-20")).await.unwrap();
    let mut whole = but("dimensions", Some(r#"["ad_id"]"#));
    let list = report(&sandbox, &whole).await["data"]["list"].take();
    assert_eq!(list.as_array().unwrap().len(), 10, "ten rows unless asked otherwise");
    let ads = sandbox.world().count(Level::Ad);
    let clicks = |rows: &[Value]| rows.iter().map(|row| number(row, "clicks")).sum::<u64>();
    let (rows, _) = all_rows(&sandbox, &whole, 1_000).await;
    let truth = sandbox.world().rows(Level::Ad, day("2026-03-02"), day("2026-03-08"), day("2026-03-20"));
    assert_eq!((rows.len() as u64, clicks(&rows)), (ads, truth.map(|row| row.figures.clicks).sum()));
    let one = sandbox.world().id(Level::Campaign, 0);
    let ids = json!([tiktok::vendor_id(one).to_string()]).to_string();
    let filter = json!([{ "field_name": "campaign_ids", "filter_type": "IN", "filter_value": ids }]);
    whole.push(("filtering", filter.to_string()));
    let (rows, _) = all_rows(&sandbox, &whole, 1_000).await;
    let truth = sandbox.world().rows(Level::Campaign, day("2026-03-02"), day("2026-03-08"), day("2026-03-20"));
    assert_eq!(clicks(&rows), truth.filter(|row| row.id == one).map(|row| row.figures.clicks).sum::<u64>());
}

#[tokio::test]
async fn tiktok_refuses_what_the_vendor_refuses_in_a_200() {
    let limits = tiktok::Limits { most_rows: 50 };
    let sandbox = Sandbox::start(Setup { tiktok: limits, ..busy("2026-03-20") }).await.unwrap();
    for (params, code) in [
        (but("advertiser_id", None), 40_002),
        (but("advertiser_id", Some("999")), 40_001),
        (but("report_type", Some("AUDIENCE")), 40_002),
        (but("data_level", Some("AUCTION_CAMPAIGN")), 40_002),
        (but("dimensions", Some("ad_id,stat_time_day")), 40_002),
        (but("dimensions", Some(r#"["stat_time_day"]"#)), 40_002),
        (but("metrics", Some("spend")), 40_002),
        (but("metrics", Some(r#"["cost"]"#)), 40_002),
        (but("start_date", Some("2026-02-06")), 40_002),
        (but("start_date", Some("02.03.2026")), 40_002),
        (but("end_date", Some("2026-03-01")), 40_002),
        (but("page_size", Some("51")), 40_002),
        (but("page", Some("0")), 40_002),
        (but("limit", Some("10")), 40_002),
        (but("start_date", Some("2026-02-07")), 0),
    ] {
        let answer = report(&sandbox, &params).await;
        assert_eq!(answer["code"], code, "{params:?} {answer}");
        assert_eq!(answer["data"]["list"].is_array(), code == 0);
    }
    let good = but("page", Some("1"));
    let answer = call(&sandbox, "report/integrated/get", "guessed", &good).await;
    assert_eq!((&answer["code"], &answer["data"]), (&json!(40_105), &json!({})));
    for (fault, code) in [
        (tiktok::throttled(), 40_100),
        (tiktok::expired(), 40_105),
        (tiktok::forbidden(), 40_001),
        (tiktok::throttled_as_forbidden(), 40_001),
        (tiktok::error_in_200(), 50_000),
    ] {
        sandbox.script(Endpoint::Tiktok, [fault]);
        assert_eq!(report(&sandbox, &good).await["code"], code);
    }
    sandbox.script(Endpoint::Tiktok, [Fault::PageLoop]);
    let (first, looped) = (report(&sandbox, &good).await, report(&sandbox, &good).await);
    assert_eq!(first["data"]["list"], looped["data"]["list"]);
    assert!(first["data"]["page_info"]["total_page"].as_u64() > looped["data"]["page_info"]["total_page"].as_u64());
}

#[tokio::test]
async fn tiktok_tells_the_advertisers_currency_and_zone() {
    let sandbox = Sandbox::start(busy("2026-03-20")).await.unwrap();
    let token = sandbox.api_token(Endpoint::Tiktok);
    let ids = ("advertiser_ids", r#"["1234567890"]"#.to_owned());
    let fields = ("fields", r#"["currency","timezone"]"#.to_owned());
    let answer = call(&sandbox, "advertiser/info", &token, &[ids.clone(), fields]).await;
    let own = json!([{ "advertiser_id": "1234567890", "currency": "USD", "timezone": "America/New_York" }]);
    assert_eq!(answer["data"]["list"], own);
    let fields = ("fields", r#"["secret_of_success"]"#.to_owned());
    assert_eq!(call(&sandbox, "advertiser/info", &token, &[ids, fields]).await["code"], 40_002);
}
