//! Rows of a database on their way to the sink: each read, told apart from the others, and left out where it is of a day
//! that was not asked for. Grows with rows by two machine words each.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::connect::{PullError, PullRequest};
use crate::domain::connector::{ResponseRow, RowSink, SourceRow};
use crate::domain::observation::DateWindow;
use crate::domain::response::Depth;

use super::Row;
use super::address::Address;
use super::shape::{Columns, Said, Shape, Unreadable};

/// Most rows of one answer: more are no counts by day, and no people.
const MOST_ROWS: u64 = 2_000_000;

/// Rows so far.
pub(super) struct Rows<'a> {
    shape: &'a Shape,
    address: &'a Address,
    sink: &'a mut dyn RowSink,
    window: DateWindow,
    today: NaiveDate,
    /// Where days begin and end.
    zone: Tz,
    /// The zone of times that name none.
    clock: Option<Tz>,
    /// What tells each row from the others, and what it said, hashed.
    known: HashMap<u64, u64>,
    seen: u64,
    count: u64,
    batches: u32,
    repeats: u64,
    outside: u64,
    ahead: Option<NaiveDate>,
    first_outside: Option<NaiveDate>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        shape: &'a Shape,
        request: &PullRequest<'_>,
        (zone, clock): (Tz, Option<Tz>),
        address: &'a Address,
        sink: &'a mut dyn RowSink,
    ) -> Self {
        Self {
            shape,
            address,
            sink,
            window: request.window,
            today: request.now.with_timezone(&zone).date_naive(),
            zone,
            clock,
            known: HashMap::new(),
            seen: 0,
            count: 0,
            batches: 0,
            repeats: 0,
            outside: 0,
            ahead: None,
            first_outside: None,
        }
    }

    /// Takes some.
    pub(super) async fn take(&mut self, columns: &Columns, batch: Vec<Row>) -> Result<(), PullError> {
        let mut read = Vec::with_capacity(batch.len());
        for row in batch {
            self.seen += 1;
            if self.seen > MOST_ROWS {
                return Err(PullError::Database(format!(
                    "the query gives more than {MOST_ROWS} rows: let the database add them up, or read fewer days with $1 and $2"
                )));
            }
            let mut content = DefaultHasher::new();
            row.hash(&mut content);
            let said = self.shape.read(columns, row, self.clock).map_err(|fault| self.broken(&fault))?;
            if self.is_new(&said, content.finish())? && self.is_inside(&said) {
                read.push(said);
            }
        }
        let rows: Vec<SourceRow<'_>> = read.iter().map(handed).collect();
        self.count += rows.len() as u64;
        self.batches += 1;
        Ok(self.sink.accept(&rows).await?)
    }

    /// Batches and rows handed over, and what a person should know.
    pub(super) fn end(self, asks_for_days: bool) -> (u32, u64, Vec<String>) {
        let mut warnings = Vec::new();
        if self.repeats > 0 {
            warnings.push(format!("{} rows came twice, word for word, and were counted once", self.repeats));
        }
        // A query that does not ask for days gives others too.
        if let (Some(day), true) = (self.ahead.or(self.first_outside), asks_for_days || self.ahead.is_some()) {
            let (count, why) =
                (self.outside, if self.ahead.is_some() { "that are yet to come" } else { "that were not asked for" });
            warnings.push(format!("{count} rows were left out, among them some of days {why}, such as {day}"));
        }
        (self.batches, self.count, warnings)
    }

    fn is_new(&mut self, said: &Said, content: u64) -> Result<bool, PullError> {
        let mut name = DefaultHasher::new();
        match said {
            Said::Counts { day, arm, .. } => (day, arm).hash(&mut name),
            Said::Act(act) => act.id.hash(&mut name),
        }
        let known = match self.known.entry(name.finish()) {
            Entry::Vacant(vacant) => {
                vacant.insert(content);
                return Ok(true);
            }
            Entry::Occupied(known) => *known.get(),
        };
        let what = match said {
            // Even an equal one: whoever forgot to add up has many.
            Said::Counts { day, arm, .. } => {
                format!("{day} of arm {arm:?} twice: add up with GROUP BY, or take a join out")
            }
            Said::Act(_) if known == content => {
                self.repeats += 1;
                return Ok(false);
            }
            Said::Act(_) => {
                format!("two rows with one `id` that say different things (row {} is the second)", self.seen)
            }
        };
        Err(PullError::Database(format!("the query gives {}", self.address.clean(&what))))
    }

    fn is_inside(&mut self, said: &Said) -> bool {
        let day = match said {
            Said::Counts { day, .. } => *day,
            Said::Act(act) => act.at.with_timezone(&self.zone).date_naive(),
        };
        let inside = self.window.contains(day) && day <= self.today;
        if !inside {
            self.outside += 1;
            self.first_outside.get_or_insert(day);
            if day > self.today {
                self.ahead.get_or_insert(day);
            }
        }
        inside
    }

    fn broken(&self, fault: &Unreadable) -> PullError {
        let Unreadable { column, shown, what } = fault;
        // Where columns were mixed up, it may be a person's address.
        let shown = shown.as_deref().filter(|shown| !shown.contains('@'));
        let shown = shown.map(|shown| format!("{:?} ", self.address.clean(shown))).unwrap_or_default();
        PullError::Database(format!("row {}, column `{column}`: {shown}{what}", self.seen))
    }
}

fn handed(said: &Said) -> SourceRow<'_> {
    match said {
        Said::Counts { day, arm, values } => SourceRow::Counts { arm_key: Some(Cow::Borrowed(arm)), day: *day, values },
        Said::Act(act) => SourceRow::Response(ResponseRow {
            response_id: Cow::Borrowed(&act.id),
            person: act.person.as_deref().map(Cow::Borrowed),
            depth: Depth::Email,
            void: act.void,
            arm_key: act.arm.as_deref().map(Cow::Borrowed),
            at: act.at,
            answers: act.answers.clone(),
        }),
    }
}
