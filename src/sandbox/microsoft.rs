//! A fake Microsoft Advertising account: the REST form of Reporting v13, a report handed in, asked
//! about and fetched as a ZIP with one CSV. What stands in the CSV is written in `microsoft/report.rs`.

mod report;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use chrono::Duration;
use serde_json::{Value, json};

use super::faults::Answer;
use super::oauth::Admitted;
use super::reports::{File, Standing};
use super::{Endpoint, Fault, Pace, Shared, held, zip};
use report::Request;

/// The customer to which the account belongs.
pub const CUSTOMER_ID: &str = "7001234";

/// How long a report can be asked about.
const KEPT: Duration = Duration::days(2);

/// What may differ from one account to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// How slow reports are.
    pub pace: Pace,
}

/// Too many calls: sixty seconds are to be waited.
pub fn throttled() -> Fault {
    generic(400, 117, "CallRateExceeded", "You have exceeded the number of API requests.").into()
}

/// Too many reports at once.
pub fn too_many_reports() -> Fault {
    refused(207, "ConcurrentRequestOverLimit", "Wait for the reports you have asked for.").into()
}

/// The access token has ended.
pub fn expired() -> Fault {
    access_expired().into()
}

/// Something broke inside.
pub fn internal() -> Fault {
    generic(500, 0, "InternalError", "An internal error has occurred.").into()
}

/// The report came to nothing, in an answer with status 200.
pub fn report_failed() -> Fault {
    Fault::json(200, standing("Error", None).to_string())
}

/// The report's id is not known any more.
pub fn report_gone() -> Fault {
    no_such_report().into()
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/Reporting/v13/GenerateReport/Submit", post(submit))
        .route("/Reporting/v13/GenerateReport/Poll", post(poll))
}

async fn submit(State(state): State<Shared>, headers: HeaderMap, body: Bytes) -> Result<Json<Value>, Answer> {
    admit(&state, &headers)?;
    let world = &state.setup.world;
    let request = Request::read(&object(&body)?, world, state.today())?;
    let csv = request.csv(world, state.today(), state.now());
    let file = csv.map(|csv| File {
        content_type: "application/x-zip-compressed",
        bytes: zip::archive(&format!("{}.csv", request.name()), csv.as_bytes()),
    });
    let id = held(&state.reports).hand_in(Endpoint::Microsoft, state.setup.microsoft.pace, state.now(), file);
    let id =
        id.ok_or_else(|| refused(207, "ConcurrentRequestOverLimit", "Wait for the reports you have asked for."))?;
    Ok(Json(json!({ "ReportRequestId": id })))
}

async fn poll(State(state): State<Shared>, headers: HeaderMap, body: Bytes) -> Result<Json<Value>, Answer> {
    admit(&state, &headers)?;
    let body = object(&body)?;
    let id = body["ReportRequestId"].as_str().ok_or_else(no_such_report)?;
    if body.as_object().is_some_and(|fields| fields.len() > 1) {
        return Err(refused(100, "NullRequest", "Only ReportRequestId is known here."));
    }
    let standing_of = held(&state.reports).ask(Endpoint::Microsoft, state.setup.microsoft.pace, state.now(), id, KEPT);
    match standing_of {
        Standing::Unknown | Standing::Ended => Err(no_such_report()),
        Standing::Waiting => Ok(Json(standing("Pending", None))),
        Standing::Done(key) => {
            let url = key.map(|key| format!("{}/reports/{key}?sig=sandbox", state.url(Endpoint::Files)));
            Ok(Json(standing("Success", url.as_deref())))
        }
    }
}

fn admit(state: &Shared, headers: &HeaderMap) -> Result<(), Answer> {
    let sent = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match state.admit(Endpoint::MicrosoftToken, headers) {
        Admitted::Expired => return Err(access_expired()),
        Admitted::Yes if sent("DeveloperToken") == Some(&state.setup.secrets.api_token(Endpoint::Microsoft)) => {}
        _ => return Err(generic(400, 105, "InvalidCredentials", "Authentication failed.")),
    }
    let account = state.setup.world.customer_id.as_str();
    if sent("CustomerId") != Some(CUSTOMER_ID) || sent("CustomerAccountId") != Some(account) {
        return Err(generic(400, 106, "UserIsNotAuthorized", "The user is not authorized for this account."));
    }
    Ok(())
}

fn object(body: &[u8]) -> Result<Value, Answer> {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    body.filter(Value::is_object).ok_or_else(|| refused(100, "NullRequest", "The request message is null."))
}

fn standing(status: &str, url: Option<&str>) -> Value {
    json!({ "ReportRequestStatus": { "Status": status, "ReportDownloadUrl": url } })
}

fn access_expired() -> Answer {
    generic(400, 109, "AuthenticationTokenExpired", "Authentication token expired.")
}

fn no_such_report() -> Answer {
    refused(2100, "ReportingServiceInvalidReportId", "The report request id is not known or has ended.")
}

/// What is wrong with a call, whatever it asks.
fn generic(status: u16, code: u32, name: &str, message: &str) -> Answer {
    let error = json!({ "Code": code, "ErrorCode": name, "Message": message, "Detail": null });
    Answer::json(status, json!({ "Errors": [error], "TrackingId": "sandbox", "Type": "AdApiFaultDetail" }).to_string())
}

/// What is wrong with what a call asks.
fn refused(code: u32, name: &str, message: &str) -> Answer {
    let error = json!({ "Code": code, "ErrorCode": name, "Message": message, "Details": null });
    let body =
        json!({ "OperationErrors": [error], "BatchErrors": [], "TrackingId": "sandbox", "Type": "ApiFaultDetail" });
    Answer::json(400, body.to_string())
}
