//! A fake Reddit ads account, API v3: reports in pages named by an absolute address. Where open clients
//! of the vendor disagree (is the end of the time range exclusive, which verb does the next page
//! want, how does the last one end) both answers can be had. A day has the same figures in every zone.

use axum::body::Bytes;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Days, Duration, NaiveDate, SecondsFormat, Timelike, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::faults::{Answer, PageLoop};
use super::oauth::Admitted;
use super::world::{Entity, Figures, Level};
use super::{Endpoint, Fault, Shared, World};

/// The ad account.
pub const ACCOUNT: &str = "a2_kitten";

/// What may differ, or of which nobody is sure.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows in a page.
    pub page_rows: usize,
    /// Whether the next page is fetched by GET and not by the same POST again.
    pub next_by_get: bool,
    /// Whether the day of `ends_at` belongs to the range.
    pub end_inclusive: bool,
    /// How the last page ends.
    pub last_page: LastPage,
}

/// How the last page says that it is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastPage {
    /// The next address is null.
    Null,
    /// There is no `pagination`.
    Absent,
    /// `pagination` is an empty object.
    Empty,
}

impl Default for Limits {
    fn default() -> Self {
        Self { page_rows: 1_000, next_by_get: false, end_inclusive: false, last_page: LastPage::Null }
    }
}

/// Too many calls; the headers say for how long.
pub fn throttled(seconds: u32) -> Fault {
    refusal(429, "Too Many Requests", None)
        .with("x-ratelimit-remaining", "0")
        .with("x-ratelimit-reset", seconds.to_string())
        .into()
}

/// The access token is not taken any more.
pub fn expired() -> Fault {
    refusal(401, "Unauthorized", None).into()
}

/// Something broke inside.
pub fn internal() -> Fault {
    refusal(500, "Internal Server Error", None).into()
}

pub(super) fn routes() -> Router<Shared> {
    let reports: MethodRouter<Shared> = post(report).get(report_by_get);
    Router::new()
        .route("/api/v3/ad_accounts/{account}", get(account))
        .route("/api/v3/ad_accounts/{account}/reports", reports)
}

async fn account(
    State(state): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    admit(&state, &headers, &id)?;
    let world = &state.setup.world;
    let (currency, zone) = (world.currency.to_string(), world.zone.name());
    Ok(Json(json!({ "data": { "id": ACCOUNT, "name": "Sandbox", "currency": currency, "time_zone_id": zone } })))
}

async fn report(
    State(state): State<Shared>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Answer> {
    admit(&state, &headers, &id)?;
    let body: Value = serde_json::from_slice(&body).map_err(|_| invalid("body", "not JSON"))?;
    let start = match page_token(query.as_deref())? {
        None => 0,
        Some(_) if state.setup.reddit.next_by_get => return Err(refusal(404, "Not Found", None)),
        Some((start, of)) if of == body => start,
        Some(_) => return Err(invalid("page.token", "belongs to another request")),
    };
    page(&state, &body, start, page_loop.is_some()).map(Json)
}

/// A page after the first, where those are fetched by GET.
async fn report_by_get(
    State(state): State<Shared>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    admit(&state, &headers, &id)?;
    match page_token(query.as_deref())? {
        Some((start, body)) if state.setup.reddit.next_by_get => {
            page(&state, &body, start, page_loop.is_some()).map(Json)
        }
        _ => Err(refusal(404, "Not Found", None)),
    }
}

fn admit(state: &Shared, headers: &HeaderMap, id: &str) -> Result<(), Answer> {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let generic = ["", "curl", "python", "reqwest", "java", "okhttp", "go-http-client", "mozilla"];
    if generic.contains(&agent.split('/').next().unwrap_or_default().to_ascii_lowercase().as_str()) {
        return Err(refusal(403, "Send a User-Agent that describes your client.", None));
    }
    if !matches!(state.admit(Endpoint::RedditToken, headers), Admitted::Yes) {
        return Err(refusal(401, "Unauthorized", None));
    }
    if id != ACCOUNT {
        return Err(refusal(403, "You do not have access to this ad account.", None));
    }
    Ok(())
}

/// Where a page starts and the request it belongs to, both inside the token.
fn page_token(query: Option<&str>) -> Result<Option<(usize, Value)>, Answer> {
    let mut token = None;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if name != "page.token" {
            return Err(invalid(&name, "not known here"));
        }
        let read = || {
            let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(value.as_bytes()).ok()?).ok()?;
            let (start, body) = text.split_once(' ')?;
            Some((start.parse().ok()?, serde_json::from_str(body).ok()?))
        };
        token = Some(read().ok_or_else(|| invalid("page.token", "not a token"))?);
    }
    Ok(token)
}

fn page(state: &Shared, body: &Value, start: usize, looping: bool) -> Result<Value, Answer> {
    let limits = state.setup.reddit;
    let rows = Asked::read(body, limits)?.rows(&state.setup.world, state.today());
    let end = start.saturating_add(limits.page_rows);
    let next = if looping { Some(start) } else { (end < rows.len()).then_some(end) };
    let rows: Vec<Value> = rows.into_iter().skip(start).take(limits.page_rows).collect();
    let updated = state.now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut answer = json!({ "data": { "metrics": rows, "metrics_updated_at": updated } });
    match (next, limits.last_page) {
        (Some(next), _) => {
            let token = BASE64_URL_SAFE_NO_PAD.encode(format!("{next} {body}"));
            let url =
                format!("{}/api/v3/ad_accounts/{ACCOUNT}/reports?page.token={token}", state.url(Endpoint::Reddit));
            answer["pagination"] = json!({ "next_url": url });
        }
        (None, LastPage::Null) => answer["pagination"] = json!({ "next_url": null }),
        (None, LastPage::Empty) => answer["pagination"] = json!({}),
        (None, LastPage::Absent) => {}
    }
    Ok(answer)
}

/// Names as they are asked for; the answer has them in lower case.
const FIELDS: [&str; 17] = [
    "IMPRESSIONS",
    "CLICKS",
    "SPEND",
    "CTR",
    "CPC",
    "KEY_CONVERSION_TOTAL_COUNT",
    "CONVERSION_LEAD_CLICKS",
    "CONVERSION_LEAD_VIEWS",
    "CONVERSION_SIGN_UP_CLICKS",
    "CONVERSION_SIGN_UP_VIEWS",
    "CONVERSION_PURCHASE_CLICKS",
    "CONVERSION_PURCHASE_VIEWS",
    "REDDIT_LEADS",
    "UPVOTES",
    "DOWNVOTES",
    "COMMENTS",
    "VIDEO_VIEWS",
];

/// A report as asked for.
struct Asked {
    starts: DateTime<Utc>,
    /// Exclusive.
    ends: DateTime<Utc>,
    zone: Tz,
    by_day: bool,
    level: Option<Level>,
    /// What each row names, finest last.
    names: Vec<Level>,
    fields: Vec<&'static str>,
}

impl Asked {
    fn read(body: &Value, limits: Limits) -> Result<Self, Answer> {
        let body = only(body, "body", &["data"])?;
        let data = only(
            body.get("data").unwrap_or(&Value::Null),
            "data",
            &["starts_at", "ends_at", "time_zone_id", "breakdowns", "fields"],
        )?;
        let hour = |name: &str| {
            let at: Option<DateTime<Utc>> = data.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
            at.filter(|at| at.minute() == 0 && at.second() == 0).ok_or_else(|| invalid(name, "not on a whole hour"))
        };
        let zone: Tz = match data.get("time_zone_id") {
            None => Tz::GMT,
            Some(name) => {
                let zone = name.as_str().and_then(|name| name.parse().ok());
                zone.ok_or_else(|| invalid("time_zone_id", "not a zone"))?
            }
        };
        let (starts, mut ends) = (hour("starts_at")?, hour("ends_at")?);
        if limits.end_inclusive {
            ends += Duration::days(1);
        }
        if ends <= starts {
            return Err(invalid("ends_at", "not after starts_at"));
        }
        let list = |name: &'static str| {
            let words = data.get(name).and_then(Value::as_array).filter(|words| !words.is_empty());
            let words: Option<Vec<&str>> = words.and_then(|words| words.iter().map(Value::as_str).collect());
            words.ok_or_else(|| invalid(name, "not a list of names"))
        };
        let (mut by_day, mut names) = (false, Vec::new());
        let breakdowns = list("breakdowns")?;
        for breakdown in &breakdowns {
            match *breakdown {
                "DATE" => by_day = true,
                "CAMPAIGN_ID" => names.push(Level::Campaign),
                "AD_GROUP_ID" => names.push(Level::AdGroup),
                "AD_ID" => names.push(Level::Ad),
                other => return Err(invalid("breakdowns", &format!("{other} is not known here"))),
            }
        }
        names.sort_unstable();
        names.dedup();
        if breakdowns.len() > 3 || names.len() + usize::from(by_day) < breakdowns.len() {
            return Err(invalid("breakdowns", "at most three, each once"));
        }
        let fields: Result<Vec<&'static str>, Answer> = list("fields")?
            .into_iter()
            .map(|name| {
                let known = FIELDS.iter().find(|it| **it == name).copied();
                known.ok_or_else(|| invalid("fields", &format!("{name} is not known here")))
            })
            .collect();
        Ok(Self { starts, ends, zone, by_day, level: names.last().copied(), names, fields: fields? })
    }

    fn rows(&self, world: &World, today: NaiveDate) -> Vec<Value> {
        let level = self.level.unwrap_or(Level::Campaign);
        let mut rows: Vec<(Option<NaiveDate>, Option<Entity>, Figures)> = Vec::new();
        let last = (self.ends - Duration::seconds(1)).with_timezone(&self.zone).date_naive();
        let first = self.starts.with_timezone(&self.zone).date_naive();
        // Days before the ads have no rows and need no looking at.
        let days = first.max(world.first_day).iter_days().take_while(|&day| day <= last.min(today));
        for day in days {
            for position in 0..world.count(level) {
                let Some(whole) = world.figures(level, position, day, today) else { continue };
                let figures = self.inside(day, whole);
                if figures.impressions == 0 {
                    continue;
                }
                let entity = self.level.map(|level| world.entity(level, position));
                let day = self.by_day.then_some(day);
                match rows.iter_mut().find(|(it, of, _)| *it == day && *of == entity) {
                    Some((_, _, sum)) => *sum = *sum + figures,
                    None => rows.push((day, entity, figures)),
                }
            }
        }
        rows.into_iter().map(|(day, entity, figures)| self.row(day, entity.as_ref(), &figures)).collect()
    }

    /// The part of a day's figures that falls inside the hours asked for.
    fn inside(&self, day: NaiveDate, whole: Figures) -> Figures {
        let start = |day: NaiveDate| {
            let midnight = day.and_hms_opt(0, 0, 0).unwrap_or_default();
            midnight.and_local_timezone(self.zone).earliest().map_or_else(|| midnight.and_utc(), |at| at.to_utc())
        };
        let (begins, over) = (start(day), start(day + Days::new(1)));
        let hours = |of: Duration| u64::try_from(of.num_hours()).unwrap_or(0);
        whole.part(hours(self.ends.min(over) - self.starts.max(begins)), hours(over - begins))
    }

    fn row(&self, day: Option<NaiveDate>, entity: Option<&Entity>, figures: &Figures) -> Value {
        let mut row = Map::new();
        if let Some(day) = day {
            row.insert("date".into(), day.to_string().into());
        }
        if let Some(entity) = entity {
            for level in &self.names {
                match level {
                    Level::Campaign => row.insert("campaign_id".into(), entity.campaign.to_string().into()),
                    Level::AdGroup => row.insert("ad_group_id".into(), entity.ad_group.map(|id| id.to_string()).into()),
                    Level::Ad => row.insert("ad_id".into(), entity.ad.map(ad_id).into()),
                };
            }
        }
        let beyond_clicks = figures.engagements.saturating_sub(figures.clicks);
        let (comments, leads, views) = (beyond_clicks / 4, figures.leads, figures.view_leads);
        for &field in &self.fields {
            let value: Value = match field {
                "IMPRESSIONS" => figures.impressions.into(),
                "CLICKS" => figures.clicks.into(),
                "SPEND" => figures.cost_micros.into(),
                "CTR" => ratio(figures.clicks, figures.impressions),
                "CPC" => ratio(figures.cost_micros, figures.clicks),
                "KEY_CONVERSION_TOTAL_COUNT" => (leads + views).into(),
                "CONVERSION_LEAD_CLICKS" | "CONVERSION_SIGN_UP_CLICKS" => leads.into(),
                "CONVERSION_LEAD_VIEWS" | "CONVERSION_SIGN_UP_VIEWS" => views.into(),
                "COMMENTS" => comments.into(),
                "UPVOTES" => (beyond_clicks - comments).into(),
                _ => 0.into(),
            };
            row.insert(field.to_ascii_lowercase(), value);
        }
        row.into()
    }
}

/// An ad's id as the vendor writes it: `t3_` and base 36.
pub fn ad_id(id: u64) -> String {
    let (mut rest, mut digits) = (id, Vec::new());
    while rest > 0 {
        digits.extend(char::from_digit(u32::try_from(rest % 36).unwrap_or(0), 36));
        rest /= 36;
    }
    format!("t3_{}", digits.into_iter().rev().collect::<String>())
}

#[expect(clippy::cast_precision_loss, reason = "a ratio is printed with a few digits")]
fn ratio(part: u64, whole: u64) -> Value {
    if whole == 0 { 0.0.into() } else { (part as f64 / whole as f64).into() }
}

/// An object with no other fields than these.
fn only<'v>(value: &'v Value, place: &str, known: &[&str]) -> Result<&'v Map<String, Value>, Answer> {
    let fields = value.as_object().ok_or_else(|| invalid(place, "not an object"))?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(invalid(name, "not known here")),
        None => Ok(fields),
    }
}

fn invalid(field: &str, message: &str) -> Answer {
    refusal(400, "Bad Request", Some((field, message)))
}

fn refusal(status: u16, message: &str, field: Option<(&str, &str)>) -> Answer {
    let fields: Vec<Value> =
        field.into_iter().map(|(field, message)| json!({ "field": field, "message": message })).collect();
    Answer::json(status, json!({ "error": { "code": status, "message": message, "fields": fields } }).to_string())
}
