//! Puts all that a store in a file holds into one that holds nothing yet, such as one on a server: row by row, so that every
//! verdict, revision and decision is what it was. Not how a file takes a file's place: that is a copy, done by hand.

use std::str;

use rusqlite::types::ValueRef;
use sqlx::any::AnyArguments;
use sqlx::{Arguments, AssertSqlSafe};
use tokio::sync::mpsc;

use super::Store;
use super::bulk::Bulk;
use super::columns;
use super::error::StoreError;
use super::snapshot::Reading;
use super::transaction::Connection;

/// What a store has of its own and takes from no other: its steps, and which processes are at it.
const OWN: [&str; 3] = ["migration", "node", "lease"];

/// Rows that are handed over together.
const ROWS: usize = 512;

/// How many rows of a table were put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The table's name.
    pub table: String,
    /// Its rows.
    pub rows: u64,
}

/// A table to be copied.
#[derive(Debug)]
struct Layout {
    table: String,
    columns: Vec<(String, Kind)>,
}

/// What a column holds: a database that is asked for none of a value must know of which kind it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Whole,
    Real,
}

/// What stands in one place of a row.
enum Value {
    Text(Option<String>),
    Whole(Option<i64>),
    Real(Option<f64>),
}

/// A table's number and some of its rows.
type Piece = (usize, Vec<Vec<Value>>);

impl Store {
    /// Puts all that `from`, a store in a file, holds into this one, in one transaction; gives back how much that was. Nobody
    /// may write to `from` meanwhile.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] where this one holds anything; [`StoreError::GivenKey`] or [`StoreError::PersonKey`] where its
    /// people are hashed with another key; [`StoreError::Address`] where `from` is on a server.
    pub async fn restore(&self, from: &Self) -> Result<Vec<Restored>, StoreError> {
        if from.is_on_a_server() {
            return Err(StoreError::Address("of what is to be put back must be a file's".to_owned()));
        }
        self.people.must_match(from.people.fingerprint().as_deref())?;
        let mut snapshot = from.backend.snapshot();
        let layouts = snapshot.read(layouts).await?;
        let mut write = self.backend.write().await?;
        for Layout { table, .. } in &layouts {
            if count(&mut write, table).await? > 0 {
                return Err(StoreError::NotEmpty);
            }
        }
        let statements: Vec<Bulk> = layouts.iter().map(Layout::insert).collect();
        let mut restored: Vec<Restored> =
            layouts.iter().map(|layout| Restored { table: layout.table.clone(), rows: 0 }).collect();
        let (hand_over, mut pieces) = mpsc::channel::<Piece>(2);
        let reading = snapshot.read(move |at| layouts.iter().enumerate().try_for_each(|one| rows(at, one, &hand_over)));
        let (to, counts) = (&mut *write, &mut restored);
        // It owns its end: where writing fails, whoever reads does not wait for it.
        let writing = async move {
            while let Some((number, rows)) = pieces.recv().await {
                statements[number].execute(to, &rows, |_| Ok(()), |to, row| bind(to, row)).await?;
                counts[number].rows += rows.len() as u64;
            }
            Ok::<_, StoreError>(())
        };
        let (read, written) = futures_util::future::join(reading, writing).await;
        written?;
        read?;
        for Restored { table, rows } in &restored {
            if count(&mut write, table).await? != *rows {
                return Err(StoreError::Fault(format!("to copy all rows of {table}")));
            }
        }
        write.commit().await?;
        Ok(restored)
    }
}

impl Layout {
    fn insert(&self) -> Bulk {
        let columns: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        Bulk::insert(&self.table, &[], &columns, "")
    }
}

/// Every table but a store's own, with its columns, in order of name.
fn layouts(at: &Reading<'_>) -> Result<Vec<Layout>, StoreError> {
    let Reading::File(connection) = at else { return Ok(Vec::new()) };
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    let tables: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let ours = tables.into_iter().filter(|table| !OWN.contains(&table.as_str()) && !table.starts_with("sqlite_"));
    let layout = |table: String| {
        let mut columns = connection.prepare("SELECT name, type FROM pragma_table_info(?1) ORDER BY cid")?;
        let columns = columns.query_map([&table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let columns = columns.map(|column| {
            let (name, kind) = column?;
            let kind = match kind.as_str() {
                "TEXT" => Kind::Text,
                "BIGINT" => Kind::Whole,
                "DOUBLE PRECISION" => Kind::Real,
                _ => return Err(columns::unreadable("a column")),
            };
            Ok((name, kind))
        });
        let columns = columns.collect::<Result<_, StoreError>>()?;
        Ok(Layout { table, columns })
    };
    ours.map(layout).collect()
}

/// Hands over all rows of a table.
fn rows(at: &Reading<'_>, (number, layout): (usize, &Layout), to: &mpsc::Sender<Piece>) -> Result<(), StoreError> {
    let Reading::File(connection) = at else { return Ok(()) };
    // Whoever writes has failed and says why.
    let gone = |_| StoreError::Fault("to write what was read".to_owned());
    let names: Vec<&str> = layout.columns.iter().map(|(name, _)| name.as_str()).collect();
    let mut question = connection.prepare(&format!("SELECT {} FROM {}", names.join(", "), layout.table))?;
    let mut found = question.query([])?;
    let mut piece = Vec::new();
    while let Some(row) = found.next()? {
        let values = layout.columns.iter().enumerate().map(|(at, (_, kind))| value(row.get_ref(at)?, *kind));
        piece.push(values.collect::<Result<Vec<_>, StoreError>>()?);
        if piece.len() == ROWS {
            to.blocking_send((number, std::mem::take(&mut piece))).map_err(gone)?;
        }
    }
    if piece.is_empty() { Ok(()) } else { to.blocking_send((number, piece)).map_err(gone) }
}

fn value(found: ValueRef<'_>, kind: Kind) -> Result<Value, StoreError> {
    Ok(match (kind, found) {
        (Kind::Text, ValueRef::Null) => Value::Text(None),
        (Kind::Whole, ValueRef::Null) => Value::Whole(None),
        (Kind::Real, ValueRef::Null) => Value::Real(None),
        (Kind::Text, ValueRef::Text(text)) => {
            let text = str::from_utf8(text).map_err(|_| columns::unreadable("a text"))?;
            Value::Text(Some(text.to_owned()))
        }
        (Kind::Whole, ValueRef::Integer(number)) => Value::Whole(Some(number)),
        (Kind::Real, ValueRef::Real(number)) => Value::Real(Some(number)),
        _ => return Err(columns::unreadable("a value")),
    })
}

fn bind(to: &mut AnyArguments, row: &[Value]) -> super::bulk::Bound {
    row.iter().try_for_each(|value| match value {
        Value::Text(text) => to.add(text.as_deref()),
        Value::Whole(number) => to.add(*number),
        Value::Real(number) => to.add(*number),
    })
}

async fn count(connection: &mut Connection, table: &str) -> Result<u64, StoreError> {
    let question = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    let counted: i64 = sqlx::query_scalar(question).fetch_one(connection).await?;
    Ok(counted.unsigned_abs())
}
