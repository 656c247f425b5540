//! The fake Meta: insights by page and by report, and what it refuses.

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use willitsell::sandbox::world::{Figures, Level};
use willitsell::sandbox::{Endpoint, Sandbox, Setup, meta};

use super::{busy, client, day, json_of, quiet};

const FIELDS: &str = "campaign_id,campaign_name,adset_id,ad_id,ad_name,account_currency,impressions,clicks,\
                      inline_link_clicks,inline_post_engagement,spend,actions";
const WINDOWS: &str = r#"["7d_click","1d_view"]"#;

fn small(limits: meta::Limits) -> Setup {
    Setup { meta: limits, ..busy("2026-03-20") }
}

/// Parameters of a good call.
fn asked(level: &str, first: &str, last: &str, limit: usize) -> Vec<(&'static str, String)> {
    vec![
        ("level", level.into()),
        ("time_increment", "1".into()),
        ("time_range", json!({ "since": first, "until": last }).to_string()),
        ("action_attribution_windows", WINDOWS.into()),
        ("fields", FIELDS.into()),
        ("limit", limit.to_string()),
    ]
}

/// The same with one of them replaced.
fn but(name: &'static str, value: &str) -> Vec<(&'static str, String)> {
    let mut asked = asked("ad", "2026-03-02", "2026-03-03", 5);
    asked.retain(|(known, _)| *known != name);
    asked.push((name, value.into()));
    asked
}

fn address(sandbox: &Sandbox, path: &str, params: &[(&str, String)]) -> url::Url {
    url::Url::parse_with_params(&format!("{}/{path}", sandbox.url(Endpoint::Meta)), params).unwrap()
}

fn get(sandbox: &Sandbox, path: &str, params: &[(&str, String)]) -> RequestBuilder {
    client().get(address(sandbox, path, params)).bearer_auth(sandbox.api_token(Endpoint::Meta))
}

async fn insights(sandbox: &Sandbox, params: &[(&str, String)]) -> Response {
    get(sandbox, "v26.0/act_1234567890/insights", params).send().await.unwrap()
}

/// Every row from an answer on, by the address of the next page, and the number of pages.
async fn follow(first: Response) -> (Vec<Value>, usize) {
    let (mut rows, mut pages, mut answer) = (Vec::new(), 0, first);
    loop {
        assert_eq!(answer.status(), 200);
        let page = json_of(answer).await;
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        pages += 1;
        assert!(page["paging"]["cursors"]["after"].is_string(), "there is one on the last page too: {page}");
        let Some(next) = page["paging"]["next"].as_str() else { return (rows, pages) };
        assert!(next.contains("access_token="), "the address holds the token");
        answer = client().get(next).send().await.unwrap();
    }
}

fn number(row: &Value, name: &str) -> u64 {
    match &row[name] {
        Value::Null => 0,
        Value::String(digits) => digits.parse().unwrap(),
        other => panic!("{name} is not text: {other}"),
    }
}

fn action(row: &Value, kind: &str, key: &str) -> u64 {
    let of_kind = |entry: &&Value| entry["action_type"] == kind;
    row["actions"].as_array().into_iter().flatten().find(of_kind).map_or(0, |entry| number(entry, key))
}

fn assert_shows(row: &Value, truth: &Figures) {
    assert_eq!(number(row, "impressions"), truth.impressions, "{row}");
    assert_eq!(number(row, "inline_link_clicks"), truth.clicks, "{row}");
    assert_eq!(number(row, "inline_post_engagement"), truth.engagements, "{row}");
    assert_eq!(action(row, "link_click", "value"), truth.clicks);
    assert_eq!(action(row, "post_engagement", "value"), truth.engagements);
    assert_eq!(action(row, "lead", "value"), truth.leads + truth.view_leads);
    assert_eq!((action(row, "lead", "7d_click"), action(row, "lead", "1d_view")), (truth.leads, truth.view_leads));
    let parts = ["offsite_conversion.fb_pixel_lead", "onsite_conversion.lead_grouped"];
    let summed: u64 = parts.iter().map(|kind| action(row, kind, "value")).sum();
    assert_eq!(summed, truth.leads + truth.view_leads, "the aggregate overlaps with its parts");
    let cents: u64 = row["spend"].as_str().unwrap_or("0.00").replace('.', "").parse().unwrap();
    assert_eq!(cents * 10_000, truth.cost_micros, "{row}");
}

async fn code(answer: Response) -> (u16, u64, Option<u64>) {
    let status = answer.status().as_u16();
    let error = json_of(answer).await["error"].take();
    assert_eq!(error["type"], "OAuthException", "the type tells nothing");
    (status, error["code"].as_u64().unwrap(), error["error_subcode"].as_u64())
}

#[tokio::test]
async fn meta_pages_add_up_to_the_truth_at_every_level() {
    let sandbox = Sandbox::start(busy("2026-03-20")).await.unwrap();
    for (level, name, id) in [
        (Level::Campaign, "campaign", "campaign_id"),
        (Level::AdGroup, "adset", "adset_id"),
        (Level::Ad, "ad", "ad_id"),
    ] {
        let (rows, pages) = follow(insights(&sandbox, &asked(name, "2026-02-20", "2026-03-25", 25)).await).await;
        let truth: Vec<_> =
            sandbox.world().rows(level, day("2026-02-20"), day("2026-03-25"), day("2026-03-20")).collect();
        assert_eq!(pages, truth.len().div_ceil(25));
        assert!(pages >= 3 && rows.len() == truth.len());
        for (row, truth) in rows.iter().zip(&truth) {
            assert_eq!(row[id], truth.id.to_string());
            assert_eq!((&row["date_start"], &row["date_stop"]), (&json!(truth.day.to_string()), &row["date_start"]));
            assert_eq!(row.get("ad_name").is_some(), level == Level::Ad, "what lies below is not there");
            assert_shows(row, &truth.figures);
        }
        assert!(rows.iter().any(|row| row.get("actions").is_some()));
    }
}

#[tokio::test]
async fn meta_leaves_out_zeros_and_days_without_ads() {
    let sandbox = Sandbox::start(quiet("2026-03-20")).await.unwrap();
    let (rows, _) = follow(insights(&sandbox, &asked("ad", "2026-03-02", "2026-03-15", 500)).await).await;
    let without = |name: &str| rows.iter().any(|row| row.get(name).is_none());
    assert!(without("inline_link_clicks") && without("spend") && without("actions"));
    let none = json_of(insights(&sandbox, &asked("ad", "2026-01-01", "2026-01-31", 500)).await).await;
    assert_eq!(none, json!({ "data": [] }));
}

#[tokio::test]
async fn meta_without_days_or_level_answers_less_than_was_meant() {
    let sandbox = Sandbox::start(busy("2026-03-20")).await.unwrap();
    let range = ("time_range", json!({ "since": "2026-03-02", "until": "2026-03-08" }).to_string());
    let fields = ("fields", "ad_id,impressions".into());
    let page = json_of(insights(&sandbox, &[range, fields]).await).await;
    let rows = page["data"].as_array().unwrap();
    assert_eq!((rows.len(), rows[0].get("ad_id")), (1, None));
    assert_eq!((&rows[0]["date_start"], &rows[0]["date_stop"]), (&json!("2026-03-02"), &json!("2026-03-08")));
    let truth = sandbox.world().rows(Level::Campaign, day("2026-03-02"), day("2026-03-08"), day("2026-03-20"));
    assert_eq!(number(&rows[0], "impressions"), truth.map(|row| row.figures.impressions).sum::<u64>());
    let page = json_of(insights(&sandbox, &[]).await).await;
    let row = page["data"][0].as_object().unwrap();
    assert_eq!(row.keys().collect::<Vec<_>>(), ["date_start", "date_stop", "impressions", "spend"]);
}

#[tokio::test]
async fn meta_refuses_what_the_vendor_refuses() {
    let limits = meta::Limits { most_rows: 50, most_days: Some(10), ..meta::Limits::default() };
    let sandbox = Sandbox::start(small(limits)).await.unwrap();
    for (params, told) in [
        (but("fields", "ad_id,video_views_at_all"), (100, None)),
        (but("level", "adgroup"), (100, None)),
        (but("time_range", "2026-03-02..2026-03-03"), (100, None)),
        (but("time_range", r#"{"since":"2026-03-03","until":"2026-03-02"}"#), (100, None)),
        (but("time_range", r#"{"since":"2023-01-03","until":"2023-01-04"}"#), (100, None)),
        (but("time_range", r#"{"since":"2026-03-02","until":"2026-03-12"}"#), (100, Some(1_487_534))),
        (but("action_attribution_windows", r#"["7d_view"]"#), (100, None)),
        (but("action_attribution_windows", "7d_click"), (100, None)),
        (but("limit", "0"), (100, None)),
        (but("limit", "51"), (1, None)),
        (but("after", "made-up"), (100, None)),
        (but("since", "2026-03-02"), (100, None)),
    ] {
        assert_eq!(code(insights(&sandbox, &params).await).await, (400, told.0, told.1), "{params:?}");
    }
    let good = asked("ad", "2026-03-02", "2026-03-03", 5);
    for (path, told) in [
        ("v26.0/act_999/insights", (200, None)),
        ("v26.0/1234567890/insights", (100, Some(33))),
        ("v99.0/act_1234567890/insights", (2500, None)),
        ("26/act_1234567890/insights", (2500, None)),
    ] {
        assert_eq!(code(get(&sandbox, path, &good).send().await.unwrap()).await, (400, told.0, told.1), "{path}");
    }
    let url = address(&sandbox, "v26.0/act_1234567890/insights", &good);
    assert_eq!(code(client().get(url.clone()).send().await.unwrap()).await, (400, 104, None));
    assert_eq!(code(client().get(url).bearer_auth("guessed").send().await.unwrap()).await, (400, 190, None));
}

#[tokio::test]
async fn meta_tells_the_quota_used_and_the_version_that_answered() {
    let limits = meta::Limits { used_percent: 91, ..meta::Limits::default() };
    let sandbox = Sandbox::start(small(limits)).await.unwrap();
    let good = asked("ad", "2026-03-02", "2026-03-03", 5);
    let header = |answer: &Response, name: &str| -> Value {
        serde_json::from_str(answer.headers()[name].to_str().unwrap()).unwrap()
    };
    let answer = insights(&sandbox, &good).await;
    let usage = header(&answer, "x-business-use-case-usage")["1234567890"][0].take();
    assert_eq!((&usage["call_count"], &usage["estimated_time_to_regain_access"]), (&json!(91), &json!(0)));
    assert_eq!(header(&answer, "x-fb-ads-insights-throttle")["acc_id_util_pct"], 91);
    assert_eq!(answer.headers()["facebook-api-version"], "v26.0");
    let answer = get(&sandbox, "v19.0/act_1234567890/insights", &good).send().await.unwrap();
    assert_eq!(answer.status(), 200, "a retired version is not refused");
    assert_eq!(answer.headers()["facebook-api-version"], "v21.0", "but another one answers");

    let fields = [("fields", "currency,timezone_name".to_owned())];
    let account = get(&sandbox, "v26.0/act_1234567890", &fields).send().await.unwrap();
    let own = json!({ "id": "act_1234567890", "currency": "USD", "timezone_name": "America/New_York" });
    assert_eq!(json_of(account).await, own);

    sandbox.script(
        Endpoint::Meta,
        [meta::throttled("1234567890", 7), meta::expired(), meta::too_much_data(), meta::transient()],
    );
    let answer = insights(&sandbox, &good).await;
    assert!(answer.headers().get("retry-after").is_none());
    let wait = header(&answer, "x-business-use-case-usage")["1234567890"][0]["estimated_time_to_regain_access"].take();
    assert_eq!((wait, code(answer).await), (json!(7), (400, 17, Some(2_446_079))));
    assert_eq!(code(insights(&sandbox, &good).await).await, (400, 190, Some(463)));
    assert_eq!(code(insights(&sandbox, &good).await).await, (400, 100, Some(1_487_534)));
    assert_eq!(code(insights(&sandbox, &good).await).await, (400, 2, None));
}

#[tokio::test]
async fn meta_makes_a_report_to_order() {
    let sandbox = Sandbox::start(busy("2026-03-20")).await.unwrap();
    let mut order = asked("ad", "2026-03-02", "2026-03-20", 10);
    order.retain(|(name, _)| *name != "limit");
    let url = address(&sandbox, "v26.0/act_1234567890/insights", &[]);
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&order).finish();
    let ordered = client().post(url).bearer_auth(sandbox.api_token(Endpoint::Meta)).body(form);
    let id = json_of(ordered.send().await.unwrap()).await["report_run_id"].as_str().unwrap().to_owned();

    let (node, rows) = (format!("v26.0/{id}"), format!("v26.0/{id}/insights"));
    let size = [("limit", "100".to_owned())];
    assert_eq!(code(get(&sandbox, &rows, &size).send().await.unwrap()).await, (400, 100, None));
    let mut seen = Vec::new();
    for _ in 0..3 {
        let status = json_of(get(&sandbox, &node, &[]).send().await.unwrap()).await;
        seen.push(status["async_status"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, ["Job Not Started", "Job Started", "Job Completed"]);
    let early = get(&sandbox, &rows, &size).send().await.unwrap();
    assert_eq!(code(early).await, (400, 2601, Some(1_815_107)), "right after completion");
    let (found, pages) = follow(get(&sandbox, &rows, &size).send().await.unwrap()).await;
    let truth: Vec<_> =
        sandbox.world().rows(Level::Ad, day("2026-03-02"), day("2026-03-20"), day("2026-03-20")).collect();
    assert!(pages >= 3 && found.len() == truth.len());
    found.iter().zip(&truth).for_each(|(row, truth)| assert_shows(row, &truth.figures));

    sandbox.script(Endpoint::Meta, [meta::report_failed()]);
    let status = get(&sandbox, &node, &[]).send().await.unwrap();
    assert_eq!(status.status(), 200);
    assert_eq!(json_of(status).await["async_status"], "Job Failed");
}
