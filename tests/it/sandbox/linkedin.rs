//! The fake LinkedIn: analytics in its own query syntax, the silent cut, and what it refuses.

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use willitsell::sandbox::world::{Figures, Level};
use willitsell::sandbox::{Endpoint, Sandbox, Setup, linkedin};

use super::{at, busy, client, day, json_of, oauth, quiet};

const FIELDS: &str = "dateRange,pivotValues,impressions,clicks,landingPageClicks,costInLocalCurrency,\
                      externalWebsiteConversions,externalWebsitePostClickConversions,totalEngagements";
const ACCOUNT: &str = "List(urn%3Ali%3AsponsoredAccount%3A1234567890)";

fn range(first: &str, last: &str) -> String {
    let parts = |text: &str| {
        let parts: Vec<u32> = text.split('-').map(|part| part.parse().unwrap()).collect();
        format!("(year:{},month:{},day:{})", parts[0], parts[1], parts[2])
    };
    format!("(start:{},end:{})", parts(first), parts(last))
}

fn query(pivot: &str, first: &str, last: &str) -> String {
    let days = range(first, last);
    format!("q=analytics&pivot={pivot}&timeGranularity=DAILY&dateRange={days}&accounts={ACCOUNT}&fields={FIELDS}")
}

async fn access(sandbox: &Sandbox) -> String {
    oauth::access(sandbox, Endpoint::LinkedinToken).await
}

fn request(sandbox: &Sandbox, token: &str, path: &str) -> RequestBuilder {
    // The address goes out as it stands: nothing between here and there escapes it.
    let call = client().get(format!("{}/rest/{path}", sandbox.url(Endpoint::Linkedin))).bearer_auth(token);
    call.header("Linkedin-Version", "202607").header("X-Restli-Protocol-Version", "2.0.0")
}

async fn analytics(sandbox: &Sandbox, token: &str, query: &str) -> Response {
    request(sandbox, token, &format!("adAnalytics?{query}")).send().await.unwrap()
}

async fn elements(sandbox: &Sandbox, token: &str, query: &str) -> Vec<Value> {
    let answer = analytics(sandbox, token, query).await;
    assert_eq!(answer.status(), 200);
    json_of(answer).await["elements"].as_array().unwrap().clone()
}

async fn code(answer: Response) -> (u16, Option<u64>) {
    let status = answer.status().as_u16();
    let error = json_of(answer).await;
    assert_eq!(error["status"], status);
    (status, error["serviceErrorCode"].as_u64())
}

fn assert_shows(element: &Value, truth: &Figures) {
    assert_eq!(element["impressions"], truth.impressions, "{element}");
    assert_eq!(element["landingPageClicks"], truth.clicks, "{element}");
    assert!(element["clicks"].as_u64().unwrap() >= truth.clicks, "{element}");
    assert_eq!(element["externalWebsiteConversions"], truth.leads + truth.view_leads, "{element}");
    assert_eq!(element["externalWebsitePostClickConversions"], truth.leads, "{element}");
    assert_eq!(element["totalEngagements"], truth.engagements, "{element}");
    match element["costInLocalCurrency"].as_str().unwrap() {
        "-2E-18" => assert_eq!(truth.cost_micros, 0),
        text => assert_eq!(text.replace('.', "").parse::<u64>().unwrap() * 1_000, truth.cost_micros, "{element}"),
    }
}

#[tokio::test]
async fn linkedin_slices_add_up_to_the_truth_at_every_level() {
    let sandbox = Sandbox::start(busy("2026-03-20")).await.unwrap();
    let token = access(&sandbox).await;
    for (level, pivot, urn) in [
        (Level::Campaign, "CAMPAIGN_GROUP", "urn:li:sponsoredCampaignGroup:"),
        (Level::AdGroup, "CAMPAIGN", "urn:li:sponsoredCampaign:"),
        (Level::Ad, "CREATIVE", "urn:li:sponsoredCreative:"),
    ] {
        let mut found = Vec::new();
        for (first, last) in [("2026-02-20", "2026-03-05"), ("2026-03-06", "2026-03-12"), ("2026-03-13", "2026-03-25")]
        {
            found.extend(elements(&sandbox, &token, &query(pivot, first, last)).await);
        }
        let truth: Vec<_> =
            sandbox.world().rows(level, day("2026-02-20"), day("2026-03-25"), day("2026-03-20")).collect();
        assert_eq!(found.len(), truth.len());
        for (element, truth) in found.iter().zip(&truth) {
            assert_eq!(element["pivotValues"], json!([format!("{urn}{}", truth.id)]));
            let date = truth.day.to_string().parse::<chrono::NaiveDate>().unwrap();
            let parts = json!({ "year": chrono::Datelike::year(&date), "month": chrono::Datelike::month(&date),
                "day": chrono::Datelike::day(&date) });
            assert_eq!(element["dateRange"], json!({ "start": parts, "end": parts }));
            assert_shows(element, &truth.figures);
        }
    }
}

#[tokio::test]
async fn linkedin_writes_no_cost_as_nearly_nothing() {
    let sandbox = Sandbox::start(quiet("2026-03-20")).await.unwrap();
    let token = access(&sandbox).await;
    let found = elements(&sandbox, &token, &query("CREATIVE", "2026-03-02", "2026-03-20")).await;
    assert!(found.iter().any(|element| element["costInLocalCurrency"] == "-2E-18"));
    let truth = sandbox.world().rows(Level::Ad, day("2026-03-02"), day("2026-03-20"), day("2026-03-20"));
    found.iter().zip(truth).for_each(|(element, truth)| assert_shows(element, &truth.figures));
}

#[tokio::test]
async fn linkedin_cuts_silently_and_is_empty_without_a_role() {
    let limits = linkedin::Limits { most_elements: 10, ..linkedin::Limits::default() };
    let sandbox = Sandbox::start(Setup { linkedin: limits, ..busy("2026-03-20") }).await.unwrap();
    let token = access(&sandbox).await;
    let week = query("CREATIVE", "2026-03-02", "2026-03-08");
    assert_eq!(elements(&sandbox, &token, &week).await.len(), 10, "and nothing says so");
    let other = week.replace("1234567890", "42");
    assert!(elements(&sandbox, &token, &other).await.is_empty(), "another account is no error");
    let unsaid = week.split("&fields").next().unwrap();
    let element = elements(&sandbox, &token, unsaid).await[0].clone();
    assert_eq!(element.as_object().unwrap().keys().collect::<Vec<_>>(), ["clicks", "impressions"]);

    let limits = linkedin::Limits { has_role: false, ..linkedin::Limits::default() };
    let sandbox = Sandbox::start(Setup { linkedin: limits, ..busy("2026-03-20") }).await.unwrap();
    let token = access(&sandbox).await;
    assert!(elements(&sandbox, &token, &week).await.is_empty());
    let account = request(&sandbox, &token, "adAccounts/1234567890").send().await.unwrap();
    assert_eq!(code(account).await.0, 403);
}

#[tokio::test]
async fn linkedin_refuses_what_the_vendor_refuses() {
    let sandbox = Sandbox::start(busy("2026-03-20")).await.unwrap();
    let token = access(&sandbox).await;
    let week = query("CREATIVE", "2026-03-02", "2026-03-08");
    let many = format!("{week}{}", ",impressions".repeat(12));
    for query in [
        week.replace("%3A", ":"),
        week.replace("List(", "List%28").replace("0)", "0%29"),
        week.replace("(start:(", "%28start%3A%28"),
        week.replace(",clicks", "%2Cclicks"),
        week.replace("clicks", "cost"),
        week.replace("pivot=CREATIVE&", ""),
        week.replace("q=analytics", "q=search"),
        week.replace("DAILY", "DAY"),
        week.replace("month:3", "month:13"),
        week.replace("sponsoredAccount", "sponsoredCampaign"),
        format!("{week}&count=100"),
        many,
    ] {
        assert_eq!(code(analytics(&sandbox, &token, &query).await).await, (400, None), "{query}");
    }
    let long = format!("{week}&x={}", "y".repeat(4_000));
    assert_eq!(code(analytics(&sandbox, &token, &long).await).await.0, 414);
    assert_eq!(code(analytics(&sandbox, "guessed", &week).await).await, (401, Some(65_600)));

    let bare = |version: Option<&str>, protocol: bool| {
        let url = format!("{}/rest/adAnalytics?{week}", sandbox.url(Endpoint::Linkedin));
        let mut call = client().get(url).bearer_auth(&token);
        if let Some(version) = version {
            call = call.header("Linkedin-Version", version);
        }
        if protocol { call.header("X-Restli-Protocol-Version", "2.0.0") } else { call }.send()
    };
    for (version, protocol, status) in [
        (None, true, 426),
        (Some("202511"), true, 426),
        (Some("209912"), true, 426),
        (Some("v2026"), true, 426),
        (Some("202607"), false, 400),
        (Some("202512"), true, 200),
    ] {
        assert_eq!(bare(version, protocol).await.unwrap().status(), status, "{version:?} {protocol}");
    }
}

#[tokio::test]
async fn linkedin_takes_a_long_query_in_a_body_that_stands_for_a_get() {
    let sandbox = Sandbox::start(busy("2026-03-20")).await.unwrap();
    let token = access(&sandbox).await;
    let week = query("CREATIVE", "2026-03-02", "2026-03-08");
    let post = |overrides: bool| {
        let url = format!("{}/rest/adAnalytics", sandbox.url(Endpoint::Linkedin));
        let call = client().post(url).bearer_auth(&token).body(week.clone()).header("Linkedin-Version", "202607");
        let call = call.header("X-Restli-Protocol-Version", "2.0.0");
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        if overrides { call.header("X-HTTP-Method-Override", "GET") } else { call }.send()
    };
    let found = json_of(post(true).await.unwrap()).await["elements"].as_array().unwrap().clone();
    assert_eq!(found, elements(&sandbox, &token, &week).await);
    assert_eq!(post(false).await.unwrap().status(), 400);
}

#[tokio::test]
async fn linkedin_tells_the_accounts_currency_and_its_campaigns_by_page() {
    let sandbox = Sandbox::start(busy("2026-03-20")).await.unwrap();
    let token = access(&sandbox).await;
    let account = json_of(request(&sandbox, &token, "adAccounts/1234567890").send().await.unwrap()).await;
    assert_eq!((&account["currency"], &account["id"]), (&json!("USD"), &json!(1_234_567_890)));
    let (mut names, mut pages, mut next) = (Vec::new(), 0, String::new());
    loop {
        let path = format!("adAccounts/1234567890/adCampaigns?q=search&pageSize=3{next}");
        let page = json_of(request(&sandbox, &token, &path).send().await.unwrap()).await;
        names.extend(page["elements"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(token) = page["metadata"]["nextPageToken"].as_str() else { break };
        next = format!("&pageToken={token}");
    }
    let world = sandbox.world();
    let known: Vec<_> =
        (0..world.count(Level::AdGroup)).map(|position| world.entity(Level::AdGroup, position).name()).collect();
    assert!(pages >= 3 && names == known);
}

#[tokio::test]
async fn linkedin_access_ends_and_faults_look_like_the_vendors() {
    let sandbox = Sandbox::start(busy("2026-03-20")).await.unwrap();
    let token = access(&sandbox).await;
    let week = query("CREATIVE", "2026-03-02", "2026-03-08");
    for (fault, told) in [
        (linkedin::throttled(), (429, None)),
        (linkedin::expired(), (401, Some(65_602))),
        (linkedin::revoked(), (401, Some(65_601))),
        (linkedin::retired(), (426, None)),
        (linkedin::forbidden(), (403, Some(100))),
    ] {
        sandbox.script(Endpoint::Linkedin, [fault]);
        assert_eq!(code(analytics(&sandbox, &token, &week).await).await, told);
    }
    sandbox.script(Endpoint::Linkedin, [linkedin::empty_without_role(), linkedin::error_in_200()]);
    assert!(elements(&sandbox, &token, &week).await.is_empty());
    assert_eq!(analytics(&sandbox, &token, &week).await.status(), 200);
    sandbox.set_now(at("2026-05-19T11:00:00Z"));
    assert_eq!(code(analytics(&sandbox, &token, &week).await).await, (401, Some(65_602)), "sixty days are over");
    assert_eq!(analytics(&sandbox, &access(&sandbox).await, &week).await.status(), 200);
}
