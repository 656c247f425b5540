//! Asks a PostgreSQL. Whatever the query is, nothing is changed: it stands inside one that reads, alone in its statement,
//! in a transaction that may not write, with limits on its time that the server itself holds.

use chrono::NaiveDate;
use futures_util::TryStreamExt;
use serde_json::value::RawValue;
use sqlx::postgres::{PgConnectOptions, PgConnection, Postgres};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Executor, Row as _, SqlSafeStr, Statement, Type};

use crate::connect::PullError;

use super::address::Address;
use super::rows::Rows;
use super::shape::Shape;
use super::{ANSWERED_WITHIN, Ask, BATCH, CONNECTED_WITHIN, LOCKED_WITHIN, LONGEST_ROW, Row};

pub(super) async fn read(
    options: &PgConnectOptions,
    ask: &Ask,
    shape: &Shape,
    address: &Address,
    rows: &mut Rows<'_>,
) -> Result<(), PullError> {
    let mut connection = tokio::time::timeout(CONNECTED_WITHIN, options.connect())
        .await
        .map_err(|_| {
            PullError::Network("the database did not take a connection in time; the next run tries again".into())
        })?
        .map_err(|error| refused(&error, address))?;
    let answer = answer(&mut connection, ask, shape, address, rows).await;
    // A connection that does not end well changes nothing of what was read.
    _ = tokio::time::timeout(CONNECTED_WITHIN, connection.close()).await;
    answer
}

async fn answer(
    connection: &mut PgConnection,
    ask: &Ask,
    shape: &Shape,
    address: &Address,
    rows: &mut Rows<'_>,
) -> Result<(), PullError> {
    begin(connection, ask).await.map_err(|error| refused(&error, address))?;
    let refused = |error: sqlx::Error| refused_query(&error, address);
    let day = <NaiveDate as Type<Postgres>>::type_info();
    let given = (&mut *connection)
        .prepare_with(AssertSqlSafe(ask.query.clone()).into_sql_str(), &[day.clone(), day])
        .await
        .map_err(refused)?;
    let given: Vec<String> = given.columns().iter().map(|column| column.name().to_owned()).collect();
    let columns = shape.columns(&given)?;
    // JSON writes each type in one way, whatever the server's settings; cut, so that no row can fill our memory.
    let asked = ask
        .of(&columns.names, |columns| format!("left(CAST(json_build_array({columns}) AS text), {})", LONGEST_ROW + 1));
    let query = sqlx::query(AssertSqlSafe(asked)).bind(ask.first).bind(ask.last).persistent(false);
    let mut answer = query.fetch(connection);
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(row) = answer.try_next().await.map_err(refused)? {
        let json: String = row.try_get(0).map_err(refused)?;
        batch.push(cells(&json).ok_or_else(|| unreadable(&json))?);
        if batch.len() == BATCH {
            rows.take(&columns, std::mem::take(&mut batch)).await?;
        }
    }
    rows.take(&columns, batch).await
}

/// Begins to read. Everything is set for this transaction alone: a pooler may give the connection to others after it.
async fn begin(connection: &mut PgConnection, ask: &Ask) -> Result<(), sqlx::Error> {
    let settings = format!(
        "BEGIN TRANSACTION READ ONLY; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}; \
         SET LOCAL idle_in_transaction_session_timeout = {}; SET LOCAL TimeZone = '{}'",
        ANSWERED_WITHIN.as_millis(),
        LOCKED_WITHIN.as_millis(),
        ANSWERED_WITHIN.as_millis(),
        // A name of the IANA's: letters, digits, and no quotes.
        ask.zone.name(),
    );
    connection.execute(sqlx::raw_sql(AssertSqlSafe(settings))).await?;
    Ok(())
}

/// The cells of a row; `None` where one is neither text, number nor truth, or the row was cut.
fn cells(json: &str) -> Option<Row> {
    let cells: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let cell = |value: &RawValue| match value.get().as_bytes() {
        [b'n', ..] => Some(None),
        [b'"', ..] => serde_json::from_str(value.get()).ok().map(Some),
        [b'{' | b'[', ..] => None,
        text => Some(Some(String::from_utf8_lossy(text).into_owned())),
    };
    cells.into_iter().map(cell).collect()
}

fn unreadable(json: &str) -> PullError {
    PullError::Database(if json.chars().count() > LONGEST_ROW {
        format!("a row is longer than {LONGEST_ROW} characters: give only what is counted")
    } else {
        "a column holds lists or JSON: give texts, numbers, days and times".to_owned()
    })
}

/// What is wrong with the query, as the server says it where it speaks of nothing else; what could not be read may stand in
/// its words too, and may be a person's.
fn refused_query(error: &sqlx::Error, address: &Address) -> PullError {
    let sqlx::Error::Database(said) = error else { return refused(error, address) };
    let code = said.code().unwrap_or_default();
    let database = |what: &str| PullError::Database(format!("{what} ({}, {code})", address.clean(said.message())));
    match (code.get(..2).unwrap_or_default(), &*code) {
        (_, "25006") => database("the query would change something, and it may only read"),
        ("42", _) => database("the query is refused"),
        (_, "57014") => PullError::Network(format!(
            "the query was broken off ({}, {code}); the next run tries again, and a query that takes minutes should ask for \
             fewer days with $1 and $2",
            address.clean(said.message())
        )),
        (_, "55P03") => PullError::Network(format!(
            "a table is locked for more than {} s ({code}); the next run tries again",
            LOCKED_WITHIN.as_secs()
        )),
        ("08" | "28" | "3D" | "53" | "55" | "57", _) => refused(error, address),
        _ => {
            PullError::Database(format!("the query fails on what stands in the tables (code {code}): try it with psql"))
        }
    }
}

/// What is wrong with the server or the way to it, in words of ours: its own name the user, the database, and from where it
/// was asked.
fn refused(error: &sqlx::Error, address: &Address) -> PullError {
    match error {
        sqlx::Error::Database(said) => {
            let code = said.code().unwrap_or_default();
            match code.get(..2).unwrap_or_default() {
                "28" => PullError::Credentials {
                    hint: format!(
                        "the database refuses the login (code {code}): check user, password and database in `address`, and \
                         that pg_hba.conf lets that user in from here"
                    ),
                },
                "42" => PullError::Credentials {
                    hint: format!(
                        "the login may not use that database (code {code}): let it CONNECT, or check `address`"
                    ),
                },
                "3D" => PullError::Database(format!("there is no database of the name in `address` (code {code})")),
                _ => PullError::Network(format!(
                    "the database cannot answer now (code {code}): check that it runs and takes connections of this login; \
                     the next run tries again"
                )),
            }
        }
        sqlx::Error::Tls(error) => PullError::Credentials {
            hint: format!(
                "the connection cannot be encrypted, or the database's certificate is not known here ({}): name its \
                 authority in `address` with ?sslrootcert=/path, or write ?sslmode=disable where the network between is \
                 yours alone",
                address.clean(&error.to_string())
            ),
        },
        sqlx::Error::Io(error) => PullError::Network(format!(
            "the database cannot be reached ({}): check that it runs, and `address`",
            address.clean(&error.to_string())
        )),
        other => PullError::Database(format!("the database cannot be asked: {}", address.clean(&other.to_string()))),
    }
}
