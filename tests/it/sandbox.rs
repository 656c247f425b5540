//! The fake vendors, called as their documentation says and without any connector: what they answer
//! adds up to the simulated truth, and they refuse what the vendors refuse.

mod linkedin;
mod meta;
mod microsoft;
mod oauth;
mod people;
mod pinterest;
mod reddit;
mod tiktok;

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, Utc};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use willitsell::sandbox::world::{Figures, Level};
use willitsell::sandbox::{Endpoint, Fault, Sandbox, Setup, World, demo, google_ads, slack, typeform};

/// A client as the program uses it: redirects off.
pub fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// The demo's world at breakfast on a day.
fn setup(today: &str) -> Setup {
    Setup::new(demo::world(demo::SEED), at(&format!("{today}T11:00:00Z")))
}

/// The same with a tenth of the traffic, so that nothing happens on many a day.
fn quiet(today: &str) -> Setup {
    with_traffic(today, 0.1)
}

/// The same with ten times the traffic, so that rare things happen.
fn busy(today: &str) -> Setup {
    with_traffic(today, 10.0)
}

fn with_traffic(today: &str, factor: f64) -> Setup {
    let mut setup = setup(today);
    for arm in setup.world.concepts.iter_mut().flat_map(|concept| &mut concept.arms) {
        arm.campaigns.iter_mut().for_each(|campaign| campaign.clicks_per_day *= factor);
    }
    setup
}

async fn json_of(answer: Response) -> Value {
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

async fn access(sandbox: &Sandbox) -> String {
    oauth::access(sandbox, Endpoint::GoogleToken).await
}

fn query(first: &str, last: &str) -> String {
    format!(
        "SELECT campaign.id, customer.currency_code, customer.time_zone, segments.date, metrics.impressions, \
         metrics.clicks, metrics.cost_micros, metrics.conversions FROM campaign \
         WHERE segments.date BETWEEN '{first}' AND '{last}'"
    )
}

async fn search(sandbox: &Sandbox, token: &str, body: Value) -> Response {
    search_at(sandbox, token, "v26/customers/1234567890", body).await
}

async fn search_at(sandbox: &Sandbox, token: &str, path: &str, body: Value) -> Response {
    let url = format!("{}/{path}/googleAds:search", sandbox.url(Endpoint::GoogleAds));
    client().post(url).bearer_auth(token).body(body.to_string()).send().await.unwrap()
}

/// Every row of a query, page by page, and the number of pages.
async fn all_rows(sandbox: &Sandbox, query: &str) -> (Vec<Value>, usize) {
    let token = access(sandbox).await;
    let (mut rows, mut pages, mut body) = (Vec::new(), 0, json!({ "query": query }));
    loop {
        let mut page = json_of(search(sandbox, &token, body.clone()).await).await;
        assert!(page["fieldMask"].is_string(), "{page}");
        rows.extend(page["results"].as_array().cloned().unwrap_or_default());
        pages += 1;
        match page["nextPageToken"].take() {
            Value::Null => return (rows, pages),
            next => body["pageToken"] = next,
        }
    }
}

/// A row's numbers; what is left out is zero.
fn figures(row: &Value) -> Figures {
    let whole = |name: &str| match &row["metrics"][name] {
        Value::Null => 0,
        Value::String(digits) => digits.parse().unwrap(),
        other => panic!("{name} is not text: {other}"),
    };
    let conversions = row["metrics"]["conversions"].as_f64().unwrap_or(0.0);
    Figures {
        impressions: whole("impressions"),
        clicks: whole("clicks"),
        cost_micros: whole("costMicros"),
        conversion_hundredths: format!("{:.0}", conversions * 100.0).parse().unwrap(),
        ..Figures::default()
    }
}

/// Those of the true figures that are asked for here.
fn asked(truth: Figures) -> Figures {
    Figures { leads: 0, view_leads: 0, engagements: 0, ..truth }
}

#[tokio::test]
async fn google_pages_add_up_to_the_truth() {
    let sandbox = Sandbox::start(Setup { google_page_rows: 7, ..setup("2026-03-20") }).await.unwrap();
    let (rows, pages) = all_rows(&sandbox, &query("2026-02-20", "2026-03-25")).await;
    let truth: Vec<_> =
        sandbox.world().rows(Level::Campaign, day("2026-02-20"), day("2026-03-25"), day("2026-03-20")).collect();
    assert_eq!(truth.len(), 4 * 19, "four campaigns, nineteen days with ads so far");
    assert_eq!(pages, truth.len().div_ceil(7));
    let seen: Vec<_> =
        rows.iter().map(|row| (row["campaign"]["id"].clone(), row["segments"]["date"].clone())).collect();
    let known: Vec<_> = truth.iter().map(|row| (json!(row.id.to_string()), json!(row.day.to_string()))).collect();
    assert_eq!(seen, known);
    for (row, truth) in rows.iter().zip(&truth) {
        assert_eq!(figures(row), asked(truth.figures), "{row}");
        assert_eq!(row["customer"]["currencyCode"], "USD");
        assert_eq!(row["customer"]["timeZone"], "America/New_York");
    }
    assert!(rows.iter().any(|row| row["metrics"].get("conversions").is_none()), "zeros are left out");
    assert!(truth.iter().any(|row| row.figures.conversion_hundredths % 100 > 0), "conversions are fractional");
}

#[tokio::test]
async fn google_ads_and_ad_groups_add_up_to_the_truth_at_their_level() {
    let sandbox = Sandbox::start(Setup { google_page_rows: 50, ..setup("2026-03-20") }).await.unwrap();
    for (level, names, from, object) in [
        (Level::AdGroup, "ad_group.id, ad_group.name, ", "FROM ad_group ", "/adGroup"),
        (Level::Ad, "ad_group_ad.ad.id, ad_group_ad.ad.name, ad_group.id, ", "FROM ad_group_ad ", "/adGroupAd/ad"),
    ] {
        let asked_for = query("2026-03-10", "2026-03-25").replace("FROM campaign ", from);
        let asked_for = asked_for.replace("SELECT ", &format!("SELECT {names}metrics.engagements, "));
        let (rows, pages) = all_rows(&sandbox, &asked_for).await;
        let world = sandbox.world();
        let truth: Vec<_> = world.rows(level, day("2026-03-10"), day("2026-03-25"), day("2026-03-20")).collect();
        assert_eq!((rows.len(), pages), (truth.len(), truth.len().div_ceil(50)));
        for (row, truth) in rows.iter().zip(&truth) {
            let entity = world.entity(level, world.find(level, truth.id).unwrap());
            let thing = row.pointer(object).unwrap_or_else(|| panic!("{row}"));
            assert_eq!((&thing["id"], &thing["name"]), (&json!(truth.id.to_string()), &json!(entity.name())));
            assert_eq!(row["adGroup"]["id"], json!(entity.ad_group.unwrap().to_string()));
            assert_eq!(row["campaign"]["id"], json!(entity.campaign.to_string()));
            assert_eq!(figures(row), asked(truth.figures), "{row}");
            assert_eq!(row["metrics"]["engagements"], json!(truth.figures.engagements.to_string()));
        }
    }
}

#[tokio::test]
async fn google_leaves_out_days_without_ads_and_sums_where_no_day_is_asked_for() {
    let sandbox = Sandbox::start(setup("2026-03-20")).await.unwrap();
    let token = access(&sandbox).await;
    let none = json_of(search(&sandbox, &token, json!({ "query": query("2026-01-01", "2026-01-31") })).await).await;
    assert!(none.get("results").is_none() && none.get("nextPageToken").is_none(), "{none}");
    assert!(none["fieldMask"].as_str().unwrap().contains("metrics.costMicros"));
    let whole = query("2026-03-02", "2026-03-08").replace(" segments.date,", "");
    let (rows, _) = all_rows(&sandbox, &whole).await;
    let clicks: u64 = rows.iter().map(|row| figures(row).clicks).sum();
    let truth = sandbox.world().rows(Level::Campaign, day("2026-03-02"), day("2026-03-08"), day("2026-03-20"));
    assert_eq!((rows.len(), clicks), (4, truth.map(|row| row.figures.clicks).sum()));
}

#[tokio::test]
async fn google_refuses_what_the_vendor_refuses() {
    let sandbox = Sandbox::start(setup("2026-03-20")).await.unwrap();
    let token = access(&sandbox).await;
    let ours = "v26/customers/1234567890";
    let good = query("2026-03-02", "2026-03-08");
    let selectless = "FROM campaign";
    for (token, path, body, status, code) in [
        ("guessed", ours, json!({ "query": good }), 401, "OAUTH_TOKEN_INVALID"),
        (&token, "v21/customers/1234567890", json!({ "query": good }), 400, "UNSUPPORTED_VERSION"),
        (&token, "v26/customers/123-456-7890", json!({ "query": good }), 400, "INVALID_CUSTOMER_ID"),
        (&token, "v26/customers/9999999999", json!({ "query": good }), 403, "USER_PERMISSION_DENIED"),
        (&token, ours, json!({ "query": good, "pageSize": 1000 }), 400, "PAGE_SIZE_NOT_SUPPORTED"),
        (&token, ours, json!({ "query": good, "page_size": 1000 }), 400, "PAGE_SIZE_NOT_SUPPORTED"),
        (&token, ours, json!({ "query": good, "pageToken": "made-up" }), 400, "INVALID_PAGE_TOKEN"),
        (&token, ours, json!({ "query": selectless }), 400, "EXPECTED_SELECT"),
    ] {
        let answer = search_at(&sandbox, token, path, body).await;
        assert_eq!(answer.status(), status, "{code}");
        let error = json_of(answer).await;
        let codes = error["error"]["details"][0]["errors"][0]["errorCode"].as_object().unwrap();
        assert_eq!(codes.values().collect::<Vec<_>>(), [&json!(code)]);
    }
}

#[tokio::test]
async fn google_access_expires_and_renews() {
    let sandbox = Sandbox::start(setup("2026-03-20")).await.unwrap();
    let body = json!({ "query": query("2026-03-02", "2026-03-03") });
    let token = access(&sandbox).await;
    assert_eq!(search(&sandbox, &token, body.clone()).await.status(), 200);
    sandbox.set_now(at("2026-03-20T12:00:00Z"));
    assert_eq!(search(&sandbox, &token, body.clone()).await.status(), 401, "an hour is over");
    let token = access(&sandbox).await;
    assert_eq!(search(&sandbox, &token, body.clone()).await.status(), 200);
    sandbox.expire_access();
    assert_eq!(search(&sandbox, &token, body.clone()).await.status(), 401);

    let once = Sandbox::start(Setup { token_calls: Some(1), ..setup("2026-03-20") }).await.unwrap();
    let token = access(&once).await;
    assert_eq!(search(&once, &token, body.clone()).await.status(), 200);
    assert_eq!(search(&once, &token, body).await.status(), 401, "good for one call");
    assert_eq!((once.calls(Endpoint::GoogleToken), once.calls(Endpoint::GoogleAds)), (1, 2));
}

#[tokio::test]
async fn google_restates_young_days_and_none_older_than_three() {
    let sandbox = Sandbox::start(busy("2026-03-10")).await.unwrap();
    let asked = query("2026-03-10", "2026-03-10");
    let mut seen = Vec::new();
    for today in ["2026-03-10", "2026-03-11", "2026-03-12", "2026-03-13", "2026-04-30"] {
        sandbox.set_now(at(&format!("{today}T11:00:00Z")));
        let rows = all_rows(&sandbox, &asked).await.0;
        seen.push(rows.iter().map(figures).collect::<Vec<_>>());
    }
    let total = |rows: &[Figures], of: fn(&Figures) -> u64| rows.iter().map(of).sum::<u64>();
    let conversions: Vec<_> = seen.iter().map(|rows| total(rows, |row| row.conversion_hundredths)).collect();
    assert!(conversions.is_sorted() && conversions[0] < conversions[3], "conversions come late: {conversions:?}");
    assert!(total(&seen[0], |row| row.clicks) < total(&seen[1], |row| row.clicks), "today is not over");
    assert!(total(&seen[1], |row| row.clicks) > total(&seen[2], |row| row.clicks), "invalid clicks are struck");
    assert_eq!(seen[3], seen[4], "settled");
}

#[tokio::test]
async fn faults_come_once_each_and_in_order() {
    let sandbox = Sandbox::start(setup("2026-03-20")).await.unwrap();
    let token = access(&sandbox).await;
    let body = json!({ "query": query("2026-03-02", "2026-03-08") });
    let throttle = google_ads::throttled(5);
    sandbox.script(
        Endpoint::GoogleAds,
        [throttle, google_ads::error_in_200(), Fault::html(), Fault::PageLoop, Fault::Torn],
    );

    let answer = search(&sandbox, &token, body.clone()).await;
    assert_eq!(answer.status(), 429);
    let error = json_of(answer).await["error"]["details"][0]["errors"][0].take();
    assert_eq!(error["errorCode"]["quotaError"], "RESOURCE_TEMPORARILY_EXHAUSTED");
    assert_eq!(error["details"]["quotaErrorDetails"]["retryDelay"], "5s");

    let answer = search(&sandbox, &token, body.clone()).await;
    assert_eq!(answer.status(), 200);
    assert!(json_of(answer).await["error"].is_object());

    let answer = search(&sandbox, &token, body.clone()).await;
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");

    let page = json_of(search(&sandbox, &token, body.clone()).await).await;
    sandbox.script(Endpoint::GoogleAds, [Fault::PageLoop]);
    let torn = search(&sandbox, &token, body.clone()).await;
    assert_eq!(torn.status(), 200);
    assert!(torn.bytes().await.is_err(), "a body with half its declared length");

    let mut next = body.clone();
    next["pageToken"] = page["nextPageToken"].clone();
    let again = json_of(search(&sandbox, &token, next).await).await;
    assert_eq!(again, page, "the same page for ever");
    assert_eq!(json_of(search(&sandbox, &token, body.clone()).await).await.get("nextPageToken"), None, "healed");

    sandbox.script(Endpoint::GoogleAds, [Fault::Slow(Duration::from_hours(1))]);
    let url = format!("{}/v26/customers/1234567890/googleAds:search", sandbox.url(Endpoint::GoogleAds));
    let impatient = client().post(url).timeout(Duration::from_millis(50)).send().await;
    assert!(impatient.unwrap_err().is_timeout());
}

async fn form(sandbox: &Sandbox, form_id: &str, query: &str) -> Response {
    let url = format!("{}/forms/{form_id}/responses?{query}", sandbox.url(Endpoint::Typeform));
    client().get(url).bearer_auth(&sandbox.secrets().typeform_token).send().await.unwrap()
}

/// Every item, page by page, by the token of the last (`before`) or newest (`after`).
async fn walk(sandbox: &Sandbox, form_id: &str, cursor: &str, start: &str) -> Vec<Value> {
    let (mut items, mut token): (Vec<Value>, String) = (Vec::new(), start.into());
    loop {
        let query = if token.is_empty() { "page_size=10".into() } else { format!("page_size=10&{cursor}={token}") };
        let page = json_of(form(sandbox, form_id, &query).await).await;
        let found = page["items"].as_array().unwrap();
        let Some(last) = found.last() else { return items };
        token = last["token"].as_str().unwrap().into();
        items.extend(found.iter().cloned());
    }
}

#[tokio::test]
async fn typeform_is_walked_by_token_newest_first() {
    let sandbox = Sandbox::start(setup("2026-03-20")).await.unwrap();
    let items = walk(&sandbox, "CatMeals", "before", "").await;
    let now = at("2026-03-20T11:00:00Z");
    let mut truth: Vec<_> = sandbox.world().acts("CatMeals", now).into_iter().filter(|act| act.is_shown(now)).collect();
    truth.reverse();
    assert!(truth.len() > 40, "more than four pages");
    let ids =
        |items: &[Value]| items.iter().map(|item| item["response_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&items), truth.iter().map(|act| act.response_id.clone()).collect::<Vec<_>>());
    for (item, act) in items.iter().zip(&truth) {
        assert_eq!(item["answers"][1]["email"], act.email);
        assert_eq!(item["hidden"]["arm"], "kit-29");
        assert_eq!(at(item["submitted_at"].as_str().unwrap()), act.at);
    }

    let oldest = ids(&items).pop().unwrap();
    let mut later = walk(&sandbox, "CatMeals", "after", &oldest).await;
    later.reverse();
    assert_eq!(ids(&later), ids(&items)[..items.len() - 1], "both cursors leave out their own response");

    let (newest, second) = (truth[0].at.timestamp(), truth[1].at.timestamp());
    let page = json_of(form(&sandbox, "CatMeals", &format!("since={second}&until={newest}")).await).await;
    assert_eq!(page["total_items"], 2, "both ends belong to the window");
    let page = json_of(form(&sandbox, "CatMeals", "").await).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 25, "the default page");
    assert_eq!(page["page_count"], truth.len().div_ceil(25));
}

#[tokio::test]
async fn typeform_shows_late_counts_people_once_and_forgets_the_deleted() {
    let sandbox = Sandbox::start(busy("2026-03-20")).await.unwrap();
    let world = sandbox.world();
    let end = at("2026-04-20T00:00:00Z");
    let acts = world.acts("CatMeals", end);
    let (shown, people) = (acts.iter().filter(|act| act.is_shown(end)).count(), world.people("CatMeals", end));
    let people: u64 = people.values().sum();
    assert!(usize::try_from(people).unwrap() < shown, "some people send it twice");
    assert!(shown < acts.len(), "some acts are deleted");
    assert!(acts.iter().any(|act| act.email.starts_with(char::is_uppercase)), "a second time in other letters");

    let act = acts.iter().find(|act| !act.is_shown(act.at) && act.is_shown(end)).expect("a late one");
    let window = format!("since={0}&until={0}", act.at.timestamp());
    for (minutes, count) in [(0, 0), (31, 1)] {
        sandbox.set_now(act.at + chrono::Duration::minutes(minutes));
        assert_eq!(json_of(form(&sandbox, "CatMeals", &window).await).await["total_items"], count);
    }
    for act in &acts {
        let settled = act.at + chrono::Duration::days(2);
        assert_eq!(act.is_shown(settled), act.is_shown(end), "nothing changes after two days");
    }
}

#[tokio::test]
async fn typeform_refuses_what_the_vendor_refuses() {
    let sandbox = Sandbox::start(setup("2026-03-20")).await.unwrap();
    for (form_id, query, status) in [
        ("Nobody", "", 404),
        ("CatMeals", "page_size=1001", 400),
        ("CatMeals", "page_size=0", 400),
        ("CatMeals", "since=yesterday", 400),
        ("CatMeals", "before=unknown", 400),
        ("CatMeals", "before=a&after=b", 400),
        ("CatMeals", "sort=submitted_at,desc&before=a", 400),
        ("CatMeals", "since=2026-03-10T00:00:00Z", 200),
    ] {
        assert_eq!(form(&sandbox, form_id, query).await.status(), status, "{form_id} {query}");
    }
    let url = format!("{}/forms/CatMeals/responses", sandbox.url(Endpoint::Typeform));
    assert_eq!(client().get(url).bearer_auth("guessed").send().await.unwrap().status(), 401);
    sandbox.script(Endpoint::Typeform, [typeform::throttled(), typeform::error_in_200(), Fault::PageLoop]);
    assert_eq!(form(&sandbox, "CatMeals", "").await.status(), 429);
    assert!(json_of(form(&sandbox, "CatMeals", "").await).await["items"].is_null());
    let first = json_of(form(&sandbox, "CatMeals", "before=whatever").await).await;
    assert_eq!(first, json_of(form(&sandbox, "CatMeals", "").await).await, "heeds no cursor");
}

#[tokio::test]
async fn slack_answers_in_single_words_and_keeps_what_it_took() {
    let sandbox = Sandbox::start(setup("2026-03-20")).await.unwrap();
    let url = sandbox.url(Endpoint::Slack);
    let send = async |url: &str, body: &str| {
        let answer = client().post(url).body(body.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let header =
        |text: String| json!({ "blocks": [{ "type": "header", "text": { "type": "plain_text", "text": text } }] });
    for (body, status, word) in [
        (r#"{"text":"hello · Delivery d-1"}"#.into(), 200, "ok"),
        (r#"{"text":""}"#.into(), 400, "no_text"),
        ("not json".into(), 400, "invalid_payload"),
        (header("x".repeat(150)).to_string(), 200, "ok"),
        (header("x".repeat(151)).to_string(), 400, "invalid_blocks"),
    ] {
        assert_eq!(send(&url, &body).await, (status, word.into()), "{body}");
    }
    assert_eq!(send(&format!("{url}x"), "{}").await, (404, "no_service".into()));
    sandbox.script(Endpoint::Slack, [slack::throttled(3), slack::refused(410, "channel_is_archived")]);
    assert_eq!(send(&url, "{}").await.0, 429);
    assert_eq!(send(&url, "{}").await, (410, "channel_is_archived".into()));
    let ids: Vec<_> = sandbox.messages().into_iter().map(|message| message.delivery_id).collect();
    assert_eq!(ids, [Some("d-1".into()), None]);
}

#[tokio::test]
async fn a_large_account_is_served_without_keeping_it() {
    let world = World::large(1, 600, day("2026-03-02"), day("2026-04-12"));
    let sandbox = Sandbox::start(Setup::new(world, at("2026-04-20T06:00:00Z"))).await.unwrap();
    let (rows, pages) = all_rows(&sandbox, &query("2026-03-02", "2026-04-12")).await;
    assert!(rows.len() > 24_000 && rows.len() < 600 * 42, "a few days without delivery have no row: {}", rows.len());
    assert_eq!(pages, 3);
    let truth = sandbox.world().rows(Level::Campaign, day("2026-03-02"), day("2026-04-12"), day("2026-04-20"));
    assert!(rows.iter().map(figures).eq(truth.map(|row| asked(row.figures))));
}

#[test]
fn the_parts_of_a_campaign_add_up_to_it_every_day() {
    for world in [demo::world(demo::SEED), World::large(4, 5, day("2026-03-02"), day("2026-04-12"))] {
        let mut absent = 0;
        for (upper, lower) in [(Level::Campaign, Level::AdGroup), (Level::AdGroup, Level::Ad)] {
            let parts = world.count(lower) / world.count(upper);
            for position in 0..world.count(upper) {
                let entity = world.entity(upper, position);
                assert_eq!(world.find(upper, entity.id()), Some(position), "{entity:?}");
                for date in world.first_day.iter_days().take(42) {
                    // Three days old, and still coming in.
                    for today in [date + Days::new(3), date] {
                        let whole = world.figures(upper, position, date, today);
                        let below = position * parts..(position + 1) * parts;
                        let below = below.filter_map(|part| {
                            let found = world.entity(lower, part);
                            assert_eq!((found.campaign, &found.arm), (entity.campaign, &entity.arm));
                            let figures = world.figures(lower, part, date, today);
                            absent += u32::from(figures.is_none());
                            figures
                        });
                        assert_eq!(below.reduce(|sum, part| sum + part), whole, "{entity:?} {date}");
                    }
                }
            }
        }
        assert!(absent > 10, "an ad is not shown every day");
    }
    let world = demo::world(demo::SEED);
    assert_eq!(world.find(Level::Ad, 7), None);
    let ids: BTreeSet<_> = (0..world.count(Level::Ad)).map(|position| world.id(Level::Ad, position)).collect();
    assert_eq!(ids.len(), 16);
    assert_eq!(world.entity(Level::Ad, 1).name(), "Cat food search – a2");
    assert_eq!(world.entity(Level::AdGroup, 1).name(), "Cat food search, \"exact\"");
}

#[test]
fn a_world_follows_from_its_seed_and_has_the_rate_it_says() {
    let (first, last) = (day("2026-03-02"), day("2026-04-12"));
    let days = |seed| demo::world(seed).rows(Level::Campaign, first, last, last).collect::<Vec<_>>();
    assert_eq!(days(1), days(1));
    assert_ne!(days(1), days(2));

    let mut world = demo::world(3);
    world.last_day = first + Days::new(199);
    world.concepts.truncate(1);
    for campaign in &mut world.concepts[0].arms[0].campaigns {
        campaign.clicks_per_day = 1_000.0;
    }
    let end = at("2027-01-01T00:00:00Z");
    let clicks: u64 =
        world.rows(Level::Campaign, first, world.last_day, end.date_naive()).map(|row| row.figures.clicks).sum();
    let people: u64 = world.people("CatMeals", end).values().sum();
    let per_mille = people * 1000 / clicks;
    assert!((53..=57).contains(&per_mille), "55 per mille, not {per_mille}");
}

/// People and clicks of the demo's concepts over its first `days` days, once settled.
fn demo_counts(days: usize) -> Vec<(u64, u64)> {
    let world = demo::world(demo::SEED);
    let last = world.first_day + Days::new(days as u64 - 1);
    let later = at("2026-06-01T00:00:00Z");
    let counts = demo::concepts().into_iter().map(|concept| {
        let ids: Vec<_> = concept.truth.arms[0].campaigns.iter().map(|campaign| campaign.id).collect();
        let ads = world.rows(Level::Campaign, world.first_day, last, later.date_naive());
        let clicks = ads.filter(|row| ids.contains(&row.id)).map(|row| row.figures.clicks).sum();
        let people = world.people(&concept.truth.form_id, later).into_iter();
        (people.filter(|((day, _), _)| *day <= last).map(|(_, count)| count).sum(), clicks)
    });
    counts.collect()
}

#[test]
fn the_demo_sells_fails_and_hesitates() {
    for concept in demo::concepts() {
        assert!(concept.kill_bar < concept.build_bar && !concept.title.is_empty());
    }
    let per_mille = |days: usize| demo_counts(days).into_iter().map(|(people, clicks)| people * 1000 / clicks);
    let two_weeks: Vec<_> = per_mille(14).collect();
    assert!(two_weeks[0] > 45 && two_weeks[1] < 12, "bars are 20 and 30: {two_weeks:?}");
    let undecided = per_mille(39).nth(2).unwrap();
    assert!((23..=26).contains(&undecided), "between the bars: {undecided}");
}

#[tokio::test]
async fn a_dropped_sandbox_listens_no_more() {
    let sandbox = Sandbox::start(setup("2026-03-20")).await.unwrap();
    let url = sandbox.url(Endpoint::Slack);
    assert!(client().post(&url).send().await.is_ok());
    drop(sandbox);
    let gone = async { while client().post(&url).send().await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the port is free again");
}
