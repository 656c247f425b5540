//! Statements that take many rows at once. Not what they say: whoever has a table to fill or to ask says that.

use std::sync::{Arc, OnceLock};

use futures_util::future::join;
use sqlx::AssertSqlSafe;
use sqlx::any::{Any, AnyArguments, AnyRow};
use sqlx::error::BoxDynError;

use super::error::StoreError;
use super::transaction::Connection;

/// Most rows in one statement: enough that handing it to the connection's thread costs little, few enough that
/// it stays short and below SQLite's 32,766 placeholders.
const ROWS: usize = 512;

/// How many sizes of statements there are: see [`pieces`].
const SIZES: usize = ROWS.ilog2() as usize + 1;

/// A statement that takes many rows at once. Its text is `before`, the rows as `(?, …)`, `after`;
/// `before` may hold placeholders of its own, for values all rows share.
///
/// SQLite looks numbered placeholders up in a list, which makes a statement's cost grow with the square of
/// their number; so the ones here carry no number until a server, which takes no others, is given the text.
pub struct Bulk {
    before: String,
    row: String,
    after: String,
    /// By the binary logarithm of the number of rows, each written when it is first needed, for the one database that a
    /// store is in.
    texts: [OnceLock<Arc<str>>; SIZES],
}

impl Bulk {
    /// `width` placeholders a row.
    pub fn new(before: impl Into<String>, width: usize, after: impl Into<String>) -> Self {
        let row = format!("({})", vec!["?"; width].join(", "));
        Self { before: before.into(), row, after: after.into(), texts: Default::default() }
    }

    /// Adds rows to a table: `shared` columns have one value for all of them, `own` ones differ.
    pub fn insert(table: &str, shared: &[&str], own: &[&str], after: &str) -> Self {
        let columns = [shared, own].concat().join(", ");
        let values: Vec<String> =
            shared.iter().map(|_| "?".to_owned()).chain((1..=own.len()).map(|n| format!("column{n}"))).collect();
        // `WHERE true` tells the parser that ON CONFLICT does not belong to a join.
        Self::new(
            format!("INSERT INTO {table} ({columns}) SELECT {} FROM (VALUES ", values.join(", ")),
            own.len(),
            format!(") AS given WHERE true {after}"),
        )
    }

    /// For a power of two of rows.
    fn text(&self, log_rows: u32, numbered: bool) -> Arc<str> {
        let text = || {
            let rows = vec![self.row.as_str(); 1 << log_rows].join(", ");
            let text = format!("{}{rows}{}", self.before, self.after);
            if numbered { numbered_in_turn(&text).into() } else { text.into() }
        };
        Arc::clone(self.texts[log_rows as usize].get_or_init(text))
    }

    /// Runs it over any number of rows. `shared` binds what `before` asks for, `own` one row.
    pub async fn execute<T: Sync>(
        &self,
        connection: &mut Connection,
        rows: &[T],
        shared: impl Fn(&mut AnyArguments) -> Bound + Sync,
        own: impl Fn(&mut AnyArguments, &T) -> Bound + Sync,
    ) -> Result<(), StoreError> {
        let mut pieces = pieces(rows).map(|rows| bind(rows, &shared, &own).map(|arguments| (rows.len(), arguments)));
        let mut next = pieces.next();
        while let Some(piece) = next {
            let (rows, arguments) = piece?;
            // The next rows are bound while the database, on its thread, writes these.
            let written = self.query(connection, rows, arguments).execute(&mut *connection);
            let (written, bound) = join(written, async { pieces.next() }).await;
            written?;
            next = bound;
        }
        Ok(())
    }

    /// As [`Self::execute`], for a query: `take` is given each row of its answer.
    pub async fn fetch<T: Sync>(
        &self,
        connection: &mut Connection,
        rows: &[T],
        shared: impl Fn(&mut AnyArguments) -> Bound + Sync,
        own: impl Fn(&mut AnyArguments, &T) -> Bound + Sync,
        mut take: impl FnMut(AnyRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for rows in pieces(rows) {
            let arguments = bind(rows, &shared, &own)?;
            let answer = self.query(connection, rows.len(), arguments).fetch_all(&mut *connection).await?;
            answer.into_iter().try_for_each(&mut take)?;
        }
        Ok(())
    }

    fn query(
        &self,
        connection: &Connection,
        rows: usize,
        arguments: AnyArguments,
    ) -> sqlx::query::Query<'static, Any, AnyArguments> {
        let text = self.text(rows.ilog2(), connection.numbers_placeholders());
        sqlx::query_with(AssertSqlSafe(text), arguments)
    }
}

/// `?, ?` as `$1, $2`.
fn numbered_in_turn(text: &str) -> String {
    let mut parts = text.split('?');
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    for (number, part) in (1..).zip(parts) {
        let number: u32 = number;
        numbered.push_str(&format!("${number}{part}"));
    }
    numbered
}

/// Cuts rows into full statements, and what is left into powers of two: so each text has one of a few sizes and
/// is compiled once a connection. Compiling costs more than running.
fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = ROWS.min(1 << rows.len().checked_ilog2()?);
        let (piece, rest) = rows.split_at(size);
        rows = rest;
        Some(piece)
    })
}

/// Whether a value could be bound.
pub type Bound = Result<(), BoxDynError>;

fn bind<T>(
    rows: &[T],
    shared: impl Fn(&mut AnyArguments) -> Bound,
    own: impl Fn(&mut AnyArguments, &T) -> Bound,
) -> Result<AnyArguments, StoreError> {
    let mut arguments = AnyArguments::default();
    shared(&mut arguments)
        .and_then(|()| rows.iter().try_for_each(|row| own(&mut arguments, row)))
        .map_err(sqlx::Error::Encode)?;
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_few_sizes_and_none_is_lost() {
        let sizes = |rows| pieces(&vec![(); rows]).map(<[()]>::len).collect::<Vec<_>>();
        assert!(sizes(0).is_empty());
        assert_eq!(sizes(7), [4, 2, 1]);
        assert_eq!(sizes(ROWS), [ROWS]);
        assert_eq!(sizes(2 * ROWS + 20), [ROWS, ROWS, 16, 4]);
    }
}
