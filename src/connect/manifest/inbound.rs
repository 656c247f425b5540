//! Deliveries that the vendor sends by itself: which of them bring an act, and where in one it stands. An act is read by
//! the same paths as in a pull, but for those that the file names for deliveries. Whether a delivery is the vendor's is not
//! told here.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde_json::value::RawValue;

use super::extract::{Broken, is_literal};
use super::path::Literal;
use super::rows::{Reader, Reading};
use super::{Manifest, ResponseRule, Rows};
use crate::connect::Deliveries;
use crate::domain::connector::{ResponseRow, Settings};
use crate::domain::inbound::Scheme;
use crate::domain::intake::Question;
use crate::domain::observation::DateWindow;

/// `[inbound]`
#[derive(Debug)]
pub(super) struct InboundRule {
    pub(super) scheme: Scheme,
    /// `None` where a delivery says only that there is something new.
    pub(super) act: Option<ActRule>,
}

/// Which deliveries bring an act, and where.
#[derive(Debug)]
pub(super) struct ActRule {
    /// Names that lead to what a delivery is about, and those that bring an act.
    pub(super) event: Option<(Vec<String>, Vec<String>)>,
    /// Names that lead to the act.
    pub(super) at: Vec<String>,
    pub(super) rows: Rows,
    pub(super) response: ResponseRule,
}

impl Manifest {
    /// What reads the deliveries of a source with these settings; `None` where they bring no act.
    ///
    /// # Errors
    /// A sentence; a manifest that was checked, with settings that were checked, gives none.
    pub(super) fn deliveries(
        &self,
        settings: &Settings,
        questions: &[Question],
    ) -> Result<Option<Box<dyn Deliveries>>, String> {
        let Some(ActRule { event, at, rows, response }) = self.inbound.as_ref().and_then(|rule| rule.act.as_ref())
        else {
            return Ok(None);
        };
        let reader = Reader::of_act(self, rows, response, settings, questions)?;
        let window = DateWindow::new(NaiveDate::MIN, NaiveDate::MAX).ok_or("no days")?;
        // The act is an instant: no day is cut.
        let reading = Reading { window, zone: Tz::UTC };
        Ok(Some(Box::new(Acts { event: event.clone(), at: at.clone(), reader, reading })))
    }
}

/// Reads the acts of one source's deliveries.
struct Acts {
    event: Option<(Vec<String>, Vec<String>)>,
    at: Vec<String>,
    reader: Reader,
    reading: Reading,
}

impl Deliveries for Acts {
    fn read(&self, body: &str) -> Result<Option<ResponseRow<'static>>, String> {
        if let Some((at, events)) = &self.event {
            let event = value_at(body, at)?;
            if !events.iter().any(|name| is_literal(event, &Literal::Text(name.clone()))) {
                return Ok(None);
            }
        }
        // A page of one row.
        let page = format!("[{}]", value_at(body, &self.at)?);
        // What stands in it may be a person's: only the place is told.
        let (_, mut rows) = self.reader.read(&page, self.reading).map_err(|broken| match broken {
            Broken::Fault { fault, .. } => format!("`{}` of the act cannot be read", fault.path),
            Broken::Torn | Broken::NotJson { .. } => "it is not JSON".to_owned(),
        })?;
        Ok(rows.responses.pop().map(|(_, act)| act.into_owned()))
    }
}

/// The value that names lead to.
fn value_at<'b>(body: &'b str, names: &[String]) -> Result<&'b str, String> {
    names.iter().try_fold(body, |json, name| {
        let members: BTreeMap<String, &RawValue> =
            serde_json::from_str(json).map_err(|_| format!("`{name}` is to stand in an object, and there is none"))?;
        members.get(name).map(|value| value.get()).ok_or_else(|| format!("`{name}` is missing"))
    })
}
