//! A fake Meta ad account: insights, page by page or as a report made to order, with the codes, headers and
//! half-told truths of the Graph API. What a row looks like stands in `meta/rows.rs`.
//!
//! Not in the facts and so from memory: the account's `timezone_name`, the header that names the version
//! that answered, the codes for a foreign account and an unknown path.

mod ask;
mod reports;
mod rows;

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::faults::{Answer, PageLoop};
use super::table::Table;
use super::{Endpoint, Fault, Shared, Truth, bearer, held};
use ask::Ask;
pub(super) use reports::Reports;

/// Versions that answer as themselves. Older ones are answered as the oldest of these, unsaid but for a header.
const LIVE: std::ops::RangeInclusive<u32> = 21..=26;

/// What the vendor leaves to the account and the hour.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most rows in a page; more is "reduce the amount of data".
    pub most_rows: usize,
    /// Rows that a page has at most although more were asked for, as happens. `None`: as many as asked for.
    pub page_rows: Option<usize>,
    /// Most days in one answer; more is 100 with 1487534. `None`: any number.
    pub most_days: Option<i64>,
    /// How often a report is asked after before it is complete.
    pub report_polls: u32,
    /// How often a complete report is refused at first, with 1815107.
    pub report_grace: u32,
    /// How much of the hour's quota good answers say is used, in percent.
    pub used_percent: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { most_rows: 500, page_rows: None, most_days: None, report_polls: 2, report_grace: 1, used_percent: 3 }
    }
}

/// The account's hour is used up; the wait stands in a header, in minutes.
pub fn throttled(account: &str, minutes: u32) -> Fault {
    let body = failure(17, Some(2_446_079), false, "(#17) User request limit reached");
    Answer::json(400, body).with("x-business-use-case-usage", usage(account, 100, minutes)).into()
}

/// The token has ended, for good: nothing renews it.
pub fn expired() -> Fault {
    Fault::json(400, failure(190, Some(463), false, "Error validating access token: Session has expired."))
}

/// The same request will never pass: fewer days, or smaller pages.
pub fn too_much_data() -> Fault {
    too_many_days().into()
}

/// The other way to say so.
pub fn reduce_the_amount() -> Fault {
    page_too_large().into()
}

/// Asked again in a while, it passes.
pub fn transient() -> Fault {
    Fault::json(400, failure(2, None, true, "An unexpected error has occurred. Please retry your request later."))
}

/// The token is good, its owner may not read these ads.
pub fn forbidden() -> Fault {
    no_permission().into()
}

/// A report that will never be: in a 200.
pub fn report_failed() -> Fault {
    let status = json!({ "id": "1", "async_status": "Job Failed", "async_percent_completion": 40,
        "error_code": 2, "error_subcode": 1_504_018 });
    Fault::json(200, status.to_string())
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/{version}/{node}", get(node))
        .route("/{version}/{node}/insights", get(insights).post(reports::submit))
}

type Params = BTreeMap<String, String>;

/// A call that may go on.
struct Call {
    /// The version that answers.
    version: String,
    /// As sent: `paging.next` repeats it.
    token: String,
    /// Without the token.
    params: Params,
}

impl Call {
    fn admit(state: &Truth, version: &str, headers: &HeaderMap, mut params: Params) -> Result<Self, Answer> {
        let number = version.strip_prefix('v').and_then(|it| it.strip_suffix(".0")).and_then(|it| it.parse().ok());
        let Some(number) = number.filter(|number: &u32| number <= LIVE.end()) else {
            return Err(refusal(2500, None, false, "Unknown path components"));
        };
        let in_query = params.remove("access_token");
        let token = bearer(headers).map(str::to_owned).or(in_query);
        let Some(token) = token else {
            let message = "An access token is required to request this resource.";
            return Err(refusal(104, None, false, message));
        };
        if token != state.setup.secrets.api_token(Endpoint::Meta) {
            return Err(refusal(190, None, false, "Invalid OAuth access token - Cannot parse access token"));
        }
        Ok(Self { version: format!("v{}.0", number.max(*LIVE.start())), token, params })
    }

    /// A good answer, with what is said of quotas beside it.
    fn answer(&self, state: &Truth, body: &Value) -> Response {
        let used = state.setup.meta.used_percent;
        let throttle =
            json!({ "app_id_util_pct": used, "acc_id_util_pct": used, "ads_api_access_tier": "standard_access" });
        let account = json!({ "acc_id_util_pct": used, "reset_time_duration": 100 });
        Answer::json(200, body.to_string())
            .with("x-business-use-case-usage", usage(&state.setup.world.customer_id, used, 0))
            .with("x-ad-account-usage", account.to_string())
            .with("x-fb-ads-insights-throttle", throttle.to_string())
            .with("facebook-api-version", self.version.clone())
            .into_response()
    }
}

/// Checks that a node is the account the token may read.
fn own_account(state: &Truth, node: &str) -> Result<(), Answer> {
    match node.strip_prefix("act_") {
        Some(account) if account == state.setup.world.customer_id => Ok(()),
        Some(_) => Err(no_permission()),
        None => Err(refusal(100, Some(33), false, "Unsupported request. The object does not exist.")),
    }
}

/// An account's own fields, or how far a report is.
async fn node(
    State(state): State<Shared>,
    Path((version, node)): Path<(String, String)>,
    Query(params): Query<Params>,
    headers: HeaderMap,
) -> Result<Response, Answer> {
    let mut call = Call::admit(&state, &version, &headers, params)?;
    if held(&state.meta_reports).knows(&node) {
        let body = held(&state.meta_reports).poll(&node, state.setup.meta);
        return Ok(call.answer(&state, &body));
    }
    own_account(&state, &node)?;
    let fields = call.params.remove("fields").unwrap_or_default();
    ask::nothing_else(&call.params)?;
    let world = &state.setup.world;
    let mut body = json!({ "id": node });
    for field in fields.split(',').filter(|field| !field.is_empty()) {
        body[field] = match field {
            "id" => continue,
            "account_id" => json!(world.customer_id),
            "currency" => json!(world.currency.to_string()),
            "timezone_name" => json!(world.zone.to_string()),
            "name" => json!("Sandbox"),
            _ => return Err(bad(&format!("Tried accessing nonexisting field ({field})"))),
        };
    }
    Ok(call.answer(&state, &body))
}

/// Rows, of an account or of a report.
async fn insights(
    State(state): State<Shared>,
    Path((version, node)): Path<(String, String)>,
    Query(params): Query<Params>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
) -> Result<Response, Answer> {
    let mut call = Call::admit(&state, &version, &headers, params)?;
    let sent = call.params.clone();
    let limit = ask::limit(&mut call.params, state.setup.meta.most_rows)?;
    let limit = state.setup.meta.page_rows.map_or(limit, |rows| rows.min(limit));
    let start = ask::after(&mut call.params)?;
    let (ask, today) = if held(&state.meta_reports).knows(&node) {
        ask::nothing_else(&call.params)?;
        held(&state.meta_reports).fetch(&node, state.setup.meta)?
    } else {
        own_account(&state, &node)?;
        let today = state.today();
        let ask = Ask::read(&call.params, today)?;
        if state.setup.meta.most_days.is_some_and(|most| (ask.last - ask.first).num_days() + 1 > most) {
            return Err(too_many_days());
        }
        (ask, today)
    };
    let world = &state.setup.world;
    let table = Table { world, level: ask.level, first: ask.first, last: ask.last, today, by_day: ask.by_day };
    let (found, next) = table.page(start, limit);
    let data: Vec<Value> = found.iter().map(|row| rows::print(world, &ask, row)).collect();
    let mut body = json!({ "data": data });
    if !found.is_empty() {
        // The cursors stand on the last page too; only `next` is missing there.
        let (end, next) = match (page_loop, next) {
            (Some(_), _) => (start, true),
            (None, Some(next)) => (next, true),
            (None, None) => (table.end(), false),
        };
        body["paging"] = json!({ "cursors": { "before": ask::cursor(start), "after": ask::cursor(end) } });
        if next {
            let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("access_token", &call.token);
            query.extend_pairs(sent.iter().filter(|(name, _)| *name != "after"));
            query.append_pair("after", &ask::cursor(end));
            let address = format!("http://{host}/{}/{node}/insights?{}", call.version, query.finish());
            body["paging"]["next"] = json!(address);
        }
    }
    Ok(call.answer(&state, &body))
}

/// The parameters of a submission: in the query, in a form or in a JSON object.
fn submitted(query: Params, body: &Bytes) -> Result<Params, Answer> {
    let mut params = query;
    if body.starts_with(b"{") {
        let sent: BTreeMap<String, Value> = serde_json::from_slice(body).map_err(|_| bad("Invalid JSON"))?;
        params.extend(sent.into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, text),
            // A list of names is as good as names joined by commas; anything else is read as JSON text.
            Value::Array(items) if name == "fields" => {
                (name, items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
            }
            other => (name, other.to_string()),
        }));
    } else {
        params.extend(form_urlencoded::parse(body).into_owned());
    }
    Ok(params)
}

fn too_many_days() -> Answer {
    let message = "Please reduce the amount of data you're asking for, then retry your request";
    refusal(100, Some(1_487_534), false, message)
}

fn page_too_large() -> Answer {
    let message = "Please reduce the amount of data you're asking for, then retry your request";
    refusal(1, None, false, message)
}

fn no_permission() -> Answer {
    let message = "(#200) Ad account owner has NOT grant ads_management or ads_read permission";
    refusal(200, None, false, message)
}

/// A parameter or field that will never do.
fn bad(message: &str) -> Answer {
    refusal(100, None, false, &format!("(#100) {message}"))
}

fn refusal(code: u32, subcode: Option<u32>, transient: bool, message: &str) -> Answer {
    Answer::json(400, failure(code, subcode, transient, message))
}

/// The type is the same for nearly everything.
fn failure(code: u32, subcode: Option<u32>, transient: bool, message: &str) -> String {
    let mut error = json!({ "message": message, "type": "OAuthException", "code": code,
        "is_transient": transient, "fbtrace_id": "Asandbox" });
    if let Some(subcode) = subcode {
        error["error_subcode"] = json!(subcode);
        error["error_user_title"] = json!("Sandbox");
        error["error_user_msg"] = json!(message);
    }
    json!({ "error": error }).to_string()
}

fn usage(account: &str, percent: u32, minutes: u32) -> String {
    json!({ account: [{ "type": "ads_insights", "call_count": percent, "total_cputime": percent,
        "total_time": percent, "estimated_time_to_regain_access": minutes }] })
    .to_string()
}
