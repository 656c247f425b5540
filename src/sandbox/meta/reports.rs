//! Reports made to order: submitted, asked after until complete, then read page by page like anything
//! else, except that the first reading right after completion may be refused.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::NaiveDate;
use serde_json::{Value, json};

use super::ask::Ask;
use super::{Answer, Call, Limits, Params, bad, own_account, refusal, submitted};
use crate::sandbox::{Shared, held};

/// Reports ordered so far, by id.
#[derive(Default)]
pub(in crate::sandbox) struct Reports(BTreeMap<String, Report>);

struct Report {
    ask: Ask,
    /// Figures are those of the day of the order.
    today: NaiveDate,
    polls: u32,
    refusals: u32,
}

impl Report {
    fn is_complete(&self, limits: Limits) -> bool {
        self.polls > limits.report_polls
    }
}

impl Reports {
    fn order(&mut self, ask: Ask, today: NaiveDate) -> String {
        let id = format!("{}", 6_023_920_149_050 + self.0.len());
        self.0.insert(id.clone(), Report { ask, today, polls: 0, refusals: 0 });
        id
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// How far it is, one step further each time it is asked.
    pub(super) fn poll(&mut self, id: &str, limits: Limits) -> Value {
        let Some(report) = self.0.get_mut(id) else { return Value::Null };
        report.polls += 1;
        let (status, percent) = match report.polls {
            _ if report.is_complete(limits) => ("Job Completed", 100),
            1 => ("Job Not Started", 0),
            2 => ("Job Started", 5),
            _ => ("Job Running", 60),
        };
        json!({
            "id": id, "async_status": status, "async_percent_completion": percent,
            "date_start": report.ask.first.to_string(), "date_stop": report.ask.last.to_string(),
        })
    }

    pub(super) fn fetch(&mut self, id: &str, limits: Limits) -> Result<(Ask, NaiveDate), Answer> {
        let Some(report) = self.0.get_mut(id) else { return Err(bad("No such report")) };
        if !report.is_complete(limits) {
            return Err(bad("The report is not complete"));
        }
        if report.refusals < limits.report_grace {
            report.refusals += 1;
            let message = "Error accessing adreport job.";
            return Err(refusal(2601, Some(1_815_107), true, message));
        }
        Ok((report.ask.clone(), report.today))
    }
}

pub(super) async fn submit(
    State(state): State<Shared>,
    Path((version, node)): Path<(String, String)>,
    Query(query): Query<Params>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Answer> {
    let call = Call::admit(&state, &version, &headers, submitted(query, &body)?)?;
    own_account(&state, &node)?;
    let today = state.today();
    let ask = Ask::read(&call.params, today)?;
    let id = held(&state.meta_reports).order(ask, today);
    Ok(call.answer(&state, &json!({ "report_run_id": id })))
}
