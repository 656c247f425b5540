//! The fake Microsoft Advertising account: a report handed in, asked about, fetched and unpacked.

use std::io::Read;

use chrono::Duration;
use flate2::read::DeflateDecoder;
use reqwest::Response;
use serde_json::{Value, json};
use willitsell::sandbox::world::{AdDay, Level};
use willitsell::sandbox::{Endpoint, Pace, Sandbox, Setup, microsoft};

use super::oauth::access;
use super::{at, client, day, json_of, setup};

fn slow(today: &str, pace: Pace) -> Setup {
    Setup { microsoft: microsoft::Limits { pace }, reuse_revokes: false, ..setup(today) }
}

fn request(first: [u32; 3], last: [u32; 3]) -> Value {
    let day = |[year, month, day]: [u32; 3]| json!({ "Day": day, "Month": month, "Year": year });
    json!({ "ReportRequest": {
        "Type": "AdPerformanceReportRequest", "ReportName": "w", "Format": "Csv", "FormatVersion": "2.0",
        "Aggregation": "Daily", "ExcludeReportHeader": true, "ExcludeReportFooter": true,
        "ReturnOnlyCompleteData": false,
        "Columns": ["TimePeriod", "CurrencyCode", "AdGroupName", "AdId", "Impressions", "Clicks", "Spend",
            "ConversionsQualified", "LowQualityClicks", "Ctr"],
        "Scope": { "AccountIds": [1_234_567_890] },
        "Time": { "CustomDateRangeStart": day(first), "CustomDateRangeEnd": day(last) },
    } })
}

async fn call(sandbox: &Sandbox, token: &str, what: &str, body: &Value) -> Response {
    call_as(sandbox, token, &sandbox.api_token(Endpoint::Microsoft), microsoft::CUSTOMER_ID, what, body).await
}

async fn call_as(
    sandbox: &Sandbox,
    token: &str,
    developer: &str,
    customer: &str,
    what: &str,
    body: &Value,
) -> Response {
    let url = format!("{}/Reporting/v13/GenerateReport/{what}", sandbox.url(Endpoint::Microsoft));
    let call = client().post(url).bearer_auth(token).header("DeveloperToken", developer);
    let call = call.header("CustomerId", customer).header("CustomerAccountId", "1234567890");
    call.body(body.to_string()).send().await.unwrap()
}

/// Codes of an error, by either of the vendor's shapes.
async fn code_of(answer: Response) -> (u16, u64) {
    let status = answer.status().as_u16();
    let body = json_of(answer).await;
    let errors = if body["Type"] == "ApiFaultDetail" { &body["OperationErrors"] } else { &body["Errors"] };
    (status, errors[0]["Code"].as_u64().unwrap_or_else(|| panic!("{body}")))
}

async fn submit(sandbox: &Sandbox, token: &str, body: &Value) -> Value {
    let answer = call(sandbox, token, "Submit", body).await;
    assert_eq!(answer.status(), 200);
    json!({ "ReportRequestId": json_of(answer).await["ReportRequestId"] })
}

async fn poll(sandbox: &Sandbox, token: &str, id: &Value) -> (Value, Value) {
    let mut standing = json_of(call(sandbox, token, "Poll", id).await).await["ReportRequestStatus"].take();
    (standing["Status"].take(), standing["ReportDownloadUrl"].take())
}

async fn fetch(url: &Value) -> Response {
    client().get(url.as_str().unwrap()).send().await.unwrap()
}

/// The one file of an archive, read as its directory says.
fn unpack(zip: &[u8]) -> String {
    let number =
        |at: usize, bytes: usize| zip[at..at + bytes].iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    let end = zip.len() - 22;
    assert_eq!((&zip[end..end + 4], number(end + 10, 2)), (b"PK\x05\x06".as_slice(), 1));
    let entry = number(end + 16, 4);
    assert_eq!(&zip[entry..entry + 4], b"PK\x01\x02");
    let (crc, packed, whole, name) =
        (number(entry + 16, 4), number(entry + 20, 4), number(entry + 24, 4), number(entry + 28, 2));
    assert_eq!(&zip[entry + 46..entry + 46 + name], b"w.csv");
    let local = number(entry + 42, 4);
    assert_eq!((&zip[local..local + 4], number(local + 26, 2)), (b"PK\x03\x04".as_slice(), name));
    let data = &zip[local + 30 + name..local + 30 + name + packed];
    let mut text = String::new();
    DeflateDecoder::new(data).read_to_string(&mut text).unwrap();
    let mut sum = flate2::Crc::new();
    sum.update(text.as_bytes());
    assert_eq!((text.len(), usize::try_from(sum.sum()).unwrap()), (whole, crc));
    text
}

async fn whole_report(sandbox: &Sandbox, token: &str, body: &Value) -> String {
    let id = submit(sandbox, token, body).await;
    for _ in 0..2 {
        assert_eq!(poll(sandbox, token, &id).await, (json!("Pending"), Value::Null));
    }
    let (status, url) = poll(sandbox, token, &id).await;
    assert_eq!(status, "Success");
    unpack(&fetch(&url).await.bytes().await.unwrap())
}

#[tokio::test]
async fn microsoft_report_adds_up_to_the_truth() {
    let sandbox = Sandbox::start(setup("2026-03-20")).await.unwrap();
    let token = access(&sandbox, Endpoint::MicrosoftToken).await;
    let text = whole_report(&sandbox, &token, &request([2026, 2, 20], [2026, 3, 25])).await;
    let text = text.strip_prefix('\u{feff}').expect("a byte order mark");
    assert!(text.starts_with("\"TimePeriod\",\"CurrencyCode\",\"AdGroupName\",\"AdId\","), "{text}");
    assert!(text.contains("\"Cat food search, \"\"exact\"\"\"") && text.contains("%\""));
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<_> = rows.records().map(Result::unwrap).collect();
    let truth: Vec<AdDay> =
        sandbox.world().rows(Level::Ad, day("2026-02-20"), day("2026-03-25"), day("2026-03-20")).collect();
    assert!(truth.len() > 200 && truth.len() < 16 * 19, "some ads have no row on some days: {}", truth.len());
    assert_eq!(rows.len(), truth.len());
    for (row, truth) in rows.iter().zip(&truth) {
        let figures = truth.figures;
        let money = format!("{}.{:02}", figures.cost_micros / 1_000_000, figures.cost_micros / 10_000 % 100);
        let conversions = format!("{}.{:02}", figures.conversion_hundredths / 100, figures.conversion_hundredths % 100);
        let expected = [
            (0, truth.day.to_string()),
            (1, "USD".into()),
            (3, truth.id.to_string()),
            (4, figures.impressions.to_string()),
            (5, figures.clicks.to_string()),
            (6, money),
            (7, conversions),
            (8, String::new()),
        ];
        for (column, value) in expected {
            assert_eq!(row[column], value, "{row:?}");
        }
    }
}

#[tokio::test]
async fn microsoft_writes_lines_around_the_rows_unless_they_are_declined() {
    let sandbox = Sandbox::start(setup("2026-03-20")).await.unwrap();
    let token = access(&sandbox, Endpoint::MicrosoftToken).await;
    let mut body = request([2026, 3, 18], [2026, 3, 20]);
    let report = body["ReportRequest"].as_object_mut().unwrap();
    for name in ["ExcludeReportHeader", "ExcludeReportFooter", "FormatVersion", "ReturnOnlyCompleteData"] {
        report.remove(name);
    }
    let text = whole_report(&sandbox, &token, &body).await;
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].ends_with("\"Report Name: w\""), "{}", lines[0]);
    assert_eq!(lines[7], "\"Potential Incomplete Data: true\"");
    assert!(lines[11].starts_with("\"TimePeriod\"") && lines.last().unwrap().starts_with("\"©2026"));

    let mut body = request([2026, 1, 1], [2026, 1, 31]);
    let id = submit(&sandbox, &token, &body).await;
    poll(&sandbox, &token, &id).await;
    poll(&sandbox, &token, &id).await;
    assert_eq!(poll(&sandbox, &token, &id).await, (json!("Success"), Value::Null), "no data, no address");
    body["ReportRequest"]["ReturnOnlyCompleteData"] = true.into();
    body["ReportRequest"]["Time"] = request([2026, 3, 18], [2026, 3, 20])["ReportRequest"]["Time"].clone();
    assert_eq!(code_of(call(&sandbox, &token, "Submit", &body).await).await, (400, 2004));
}

#[tokio::test]
async fn microsoft_addresses_end_before_ids_do_and_take_no_second_permission() {
    let pace = Pace { waits: 0, stale_urls: 1, open: 5 };
    let sandbox = Sandbox::start(slow("2026-03-20", pace)).await.unwrap();
    let token = access(&sandbox, Endpoint::MicrosoftToken).await;
    let id = submit(&sandbox, &token, &request([2026, 3, 18], [2026, 3, 20])).await;
    let (_, stale) = poll(&sandbox, &token, &id).await;
    assert_eq!(fetch(&stale).await.status(), 403, "ended when it was given out");
    let (_, url) = poll(&sandbox, &token, &id).await;
    assert_ne!(stale, url);
    let twice = client().get(url.as_str().unwrap()).bearer_auth(&token).send().await.unwrap();
    assert_eq!(twice.status(), 400);
    assert_eq!(fetch(&url).await.status(), 200);
    let start = at("2026-03-20T11:00:00Z");
    sandbox.set_now(start + Duration::minutes(5));
    assert_eq!(fetch(&url).await.status(), 403);
    let (_, url) = poll(&sandbox, &token, &id).await;
    assert_eq!(fetch(&url).await.status(), 200, "a fresh one");
    sandbox.set_now(start + Duration::days(2));
    let token = access(&sandbox, Endpoint::MicrosoftToken).await;
    assert_eq!(code_of(call(&sandbox, &token, "Poll", &id).await).await, (400, 2100));
}

#[tokio::test]
async fn microsoft_refuses_what_the_vendor_refuses() {
    let pace = Pace { waits: 1, stale_urls: 0, open: 1 };
    let sandbox = Sandbox::start(slow("2026-03-20", pace)).await.unwrap();
    let token = access(&sandbox, Endpoint::MicrosoftToken).await;
    let good = request([2026, 3, 18], [2026, 3, 20]);
    let changed = |path: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(path).unwrap() = value;
        body
    };
    for (body, code) in [
        (json!([]), 100),
        (json!({}), 2001),
        (changed("/ReportRequest/Columns", json!(["TimePeriod", "Cost"])), 2015),
        (changed("/ReportRequest/Columns", json!(["AdId", "Clicks"])), 2015),
        (changed("/ReportRequest/Type", json!("AdReport")), 2001),
        (changed("/ReportRequest/Scope/AccountIds", json!(["1234567890"])), 2034),
        (changed("/ReportRequest/Time/CustomDateRangeStart/Year", json!(2020)), 2005),
        (changed("/ReportRequest/Time/CustomDateRangeStart/Day", json!("18")), 2005),
        (changed("/ReportRequest/Time/CustomDateRangeStart/Day", json!(21)), 2005),
        (changed("/ReportRequest/Time", json!({ "ReportTimeZone": "Europe/Berlin" })), 2005),
        (changed("/ReportRequest/Aggregation", json!("Hourly")), 2001),
        (changed("/ReportRequest/Scope", json!({ "AccountIds": [1_234_567_890_u64], "Campaigns": [] })), 2001),
    ] {
        assert_eq!(code_of(call(&sandbox, &token, "Submit", &body).await).await, (400, code), "{body}");
    }
    let developer = sandbox.api_token(Endpoint::Microsoft);
    let google = access(&sandbox, Endpoint::GoogleToken).await;
    for (token, developer, customer, code) in [
        ("guessed", developer.as_str(), microsoft::CUSTOMER_ID, 105),
        (google.as_str(), developer.as_str(), microsoft::CUSTOMER_ID, 105),
        (token.as_str(), "guessed", microsoft::CUSTOMER_ID, 105),
        (token.as_str(), developer.as_str(), "1", 106),
    ] {
        let answer = call_as(&sandbox, token, developer, customer, "Submit", &good).await;
        assert_eq!(code_of(answer).await, (400, code));
    }
    let unknown = json!({ "ReportRequestId": "nobody's" });
    assert_eq!(code_of(call(&sandbox, &token, "Poll", &unknown).await).await, (400, 2100));

    let id = submit(&sandbox, &token, &good).await;
    assert_eq!(code_of(call(&sandbox, &token, "Submit", &good).await).await, (400, 207), "one is still open");
    assert_eq!(poll(&sandbox, &token, &id).await.0, "Pending");
    submit(&sandbox, &token, &good).await;

    sandbox.script(
        Endpoint::Microsoft,
        [microsoft::throttled(), microsoft::internal(), microsoft::too_many_reports(), microsoft::report_gone()],
    );
    for expected in [(400, 117), (500, 0), (400, 207), (400, 2100)] {
        assert_eq!(code_of(call(&sandbox, &token, "Poll", &id).await).await, expected);
    }
    sandbox.script(Endpoint::Microsoft, [microsoft::report_failed()]);
    assert_eq!(poll(&sandbox, &token, &id).await, (json!("Error"), Value::Null));
    sandbox.expire_access();
    assert_eq!(code_of(call(&sandbox, &token, "Poll", &id).await).await, (400, 109));
}
