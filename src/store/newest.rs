//! What was added since somebody last looked, and the newest row of each concept without reading the others: for whoever
//! looks at everything, again and again. Not what verdicts rest on.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::columns::{self, Fields};
use super::error::StoreError;
use super::rows::View;
use super::snapshot::{Question, Reading, Value};
use super::standings::OfConcepts;
use crate::domain::decision::Decision;
use crate::domain::id::ConceptId;
use crate::domain::verdict::Scorecard;

/// A question about the row of each concept that has the most in a column, which an index has behind the concept: from one
/// concept to the next along the index, where a condition on all rows would look at each.
macro_rules! newest {
    ($columns:literal of $table:literal by $by:literal $of_those:literal) => {
        concat!(
            "WITH RECURSIVE one(concept_id) AS (SELECT MIN(concept_id) FROM ",
            $table,
            " UNION ALL SELECT (SELECT MIN(concept_id) FROM ",
            $table,
            " AS next WHERE next.concept_id > one.concept_id) FROM one WHERE one.concept_id IS NOT NULL), \
             newest(concept_id, place) AS MATERIALIZED (SELECT concept_id, (SELECT MAX(",
            $by,
            ") FROM ",
            $table,
            " AS any_of WHERE any_of.concept_id = one.concept_id",
            $of_those,
            ") FROM one WHERE one.concept_id IS NOT NULL) SELECT ",
            $columns,
            " FROM newest JOIN ",
            $table,
            " AS last ON last.concept_id = newest.concept_id AND last.",
            $by,
            " = newest.place"
        )
    };
}
pub(super) use newest;

/// Most new rows that are read one after the other. Of more, all is read anew.
const MOST_NEW: i64 = 1000;

/// The last row that was read of a table that is only ever added to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bookmark {
    /// Its number; 0 before the first.
    id: i64,
    /// All it says: where another row stands in its place, the table is not the one that was read.
    body: String,
}

/// What was added to such a table.
#[derive(Debug)]
pub struct Added<T> {
    /// Whether it is all there is, and takes the place of what was known.
    pub is_all: bool,
    /// What there is of each concept, or why it cannot be read.
    pub found: OfConcepts<T>,
    /// Where to go on from.
    pub end: Bookmark,
}

impl<T> Added<T> {
    /// Whether all is as it was known.
    pub fn is_nothing(&self) -> bool {
        !self.is_all && self.found.is_empty()
    }
}

/// What is new since somebody looked, all of one moment.
#[derive(Debug)]
pub struct News {
    /// The latest verdict on each concept that has a new one.
    pub verdicts: Added<Scorecard>,
    /// What people decided, oldest first.
    pub decisions: Added<Vec<Decision>>,
    /// When a source was last read.
    pub last_reading: Option<DateTime<Utc>>,
}

impl View {
    /// What is new after the last verdict and the last decision that are known; all there is, where those are no longer there
    /// as they were.
    pub async fn news(&mut self, verdicts: Bookmark, decisions: Bookmark) -> Result<News, StoreError> {
        let read = move |at: &Reading<'_>| {
            Ok(News {
                verdicts: new_verdicts(at, &verdicts)?,
                decisions: new_decisions(at, &decisions)?,
                last_reading: last_reading(at)?,
            })
        };
        self.at.read(read).await
    }
}

fn new_verdicts(at: &Reading<'_>, known: &Bookmark) -> Result<Added<Scorecard>, StoreError> {
    let later = at.question("SELECT id, concept_id, body FROM scorecard WHERE id >= $1 ORDER BY id LIMIT $2")?;
    let all = newest!("last.id, last.concept_id, last.body" of "scorecard" by "id" "");
    let rows = read(later, known, || at.question(all))?;
    let latest: BTreeMap<ConceptId, Row> = rows.new.into_iter().map(|row| (row.concept.clone(), row)).collect();
    let parsed = |(concept, row): (ConceptId, Row)| (concept, row.body.and_then(|body| columns::from_json(&body)));
    Ok(Added { is_all: rows.is_all, end: rows.end, found: latest.into_iter().map(parsed).collect() })
}

fn new_decisions(at: &Reading<'_>, known: &Bookmark) -> Result<Added<Vec<Decision>>, StoreError> {
    let later = at.question("SELECT id, concept_id, body FROM decision WHERE id >= $1 ORDER BY id LIMIT $2")?;
    let rows = read(later, known, || at.question("SELECT id, concept_id, body FROM decision ORDER BY id"))?;
    let mut found: OfConcepts<Vec<Decision>> = BTreeMap::new();
    for Row { concept, body, .. } in rows.new {
        let of_concept = found.entry(concept).or_insert_with(|| Ok(Vec::new()));
        match (body.and_then(|body| columns::from_json(&body)), of_concept.as_mut()) {
            (Ok(decision), Ok(taken)) => taken.push(decision),
            (Err(error), _) => *of_concept = Err(error),
            (Ok(_), Err(_)) => {}
        }
    }
    Ok(Added { is_all: rows.is_all, end: rows.end, found })
}

fn last_reading(at: &Reading<'_>) -> Result<Option<DateTime<Utc>>, StoreError> {
    let mut last = None;
    at.question("SELECT committed_at FROM pull WHERE first_day <= last_day ORDER BY id DESC LIMIT 1")?.each(
        &[],
        |row| {
            last = Some(columns::instant(row.number()?)?);
            Ok(())
        },
    )?;
    Ok(last)
}

/// A row of a table that is only ever added to.
struct Row {
    id: i64,
    concept: ConceptId,
    /// Or why it cannot be read, which is this row's fault alone.
    body: Result<String, StoreError>,
}

/// Those that are new, oldest first where order matters.
struct Rows {
    is_all: bool,
    new: Vec<Row>,
    end: Bookmark,
}

/// The rows after a known one by `later`; by `all`, where that one is no longer there, or too many have come since.
fn read<'c>(
    mut later: Question<'c>,
    known: &Bookmark,
    all: impl FnOnce() -> Result<Question<'c>, StoreError>,
) -> Result<Rows, StoreError> {
    if known.id > 0 {
        // The known one, and one too many.
        let mut rows = taken(&mut later, &[Value::Number(known.id), Value::Number(MOST_NEW + 2)])?;
        let is_there = rows.first().is_some_and(|row| row.is(known));
        if is_there && rows.len() <= usize::try_from(MOST_NEW).unwrap_or_default() + 1 {
            let new = rows.split_off(1);
            return Ok(Rows { is_all: false, end: end(&new).unwrap_or_else(|| known.clone()), new });
        }
    }
    let new = taken(&mut all()?, &[])?;
    // Of nothing, nothing takes the place.
    let is_all = known.id > 0 || !new.is_empty();
    Ok(Rows { is_all, end: end(&new).unwrap_or_default(), new })
}

fn taken(question: &mut Question<'_>, of: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    question.each(of, |row| {
        let (id, concept) = (row.number()?, ConceptId::new(row.text()?));
        rows.push(Row { id, concept, body: row.text().map(str::to_owned) });
        Ok(())
    })?;
    Ok(rows)
}

/// The last of some rows.
fn end(rows: &[Row]) -> Option<Bookmark> {
    let last = rows.iter().max_by_key(|row| row.id)?;
    Some(Bookmark { id: last.id, body: last.body.as_ref().map_or_else(|_| String::new(), Clone::clone) })
}

impl Row {
    fn is(&self, known: &Bookmark) -> bool {
        self.id == known.id && self.body.as_ref().is_ok_and(|body| *body == known.body)
    }
}
