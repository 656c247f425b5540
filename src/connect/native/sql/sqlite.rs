//! Asks a SQLite file, on a thread that may wait for the disk. The file is opened to be read, nothing that would write is
//! begun, and a statement that takes too long is ended.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, InterruptHandle, OpenFlags, Statement};
use tokio::sync::mpsc;

use crate::connect::PullError;

use super::address::Address;
use super::rows::Rows;
use super::shape::Shape;
use super::{Ask, BATCH, LOCKED_WITHIN, LONGEST_ROW, Row};

/// Batches that may wait for us.
const WAITING: usize = 2;

/// Ends what a connection does, when nobody waits for it any more.
struct Ending(InterruptHandle);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

pub(super) async fn read(
    path: &Path,
    ask: &Ask,
    shape: &Shape,
    address: &Address,
    rows: &mut Rows<'_>,
) -> Result<(), PullError> {
    let failed = |error: Failed| error.told(address);
    let path = path.to_owned();
    let query = ask.query.clone();
    let opening = tokio::task::spawn_blocking(move || {
        let connection = open(&path)?;
        let given = columns_of(&connection, &query)?;
        Ok((given, connection))
    });
    let (given, connection) = opening.await.map_err(|_| Failed::Broken).flatten().map_err(failed)?;
    let columns = shape.columns(&given)?;
    let asked = ask.of(&columns.names, |columns| columns);
    let _ending = Ending(connection.get_interrupt_handle());
    let (send, mut batches) = mpsc::channel(WAITING);
    let days = ask.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut statement = connection.prepare(&asked)?;
        bind(&mut statement, &days)?;
        let width = statement.column_count();
        let mut found = statement.raw_query();
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(row) = found.next()? {
            batch.push((0..width).map(|at| cell(row.get_ref(at)?)).collect::<Result<Row, Failed>>()?);
            // Where nobody takes them any more, it was said why.
            if batch.len() == BATCH && send.blocking_send(std::mem::take(&mut batch)).is_err() {
                return Ok(());
            }
        }
        _ = send.blocking_send(batch);
        Ok(())
    });
    while let Some(batch) = batches.recv().await {
        rows.take(&columns, batch).await?;
    }
    reading.await.map_err(|_| Failed::Broken).flatten().map_err(failed)
}

fn open(path: &Path) -> Result<Connection, Failed> {
    if is_at_rest(path) {
        return Err(Failed::AtRest);
    }
    // Without the flag for addresses, so that no word in the path changes how it is opened.
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(LOCKED_WITHIN)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF")?;
    Ok(connection)
}

/// Whether a file keeps a log of writes (WAL) that nobody has open now: whoever reads such a file puts two others beside it,
/// which whoever writes to it may not be allowed to use. What cannot be looked at is told when it is opened.
fn is_at_rest(path: &Path) -> bool {
    // Of a link, the others stand beside what it leads to.
    let Ok(path) = path.canonicalize() else { return false };
    let mut header = [0; 20];
    // Byte 19: the version that reads it, of which 2 is the one with such a log (www.sqlite.org/fileformat2.html).
    let keeps_log = File::open(&path).and_then(|mut file| file.read_exact(&mut header)).is_ok() && header[19] == 2;
    let mut index = path.into_os_string();
    index.push("-shm");
    keeps_log && !Path::new(&index).exists()
}

/// The columns that the query gives, which must be one that only reads.
fn columns_of(connection: &Connection, query: &str) -> Result<Vec<String>, Failed> {
    let statement = connection.prepare(query)?;
    if !statement.readonly() || statement.column_count() == 0 {
        return Err(Failed::Writes);
    }
    let known = |at| matches!(statement.parameter_name(at), Some("$1" | "$2"));
    if !(1..=statement.parameter_count()).all(known) {
        return Err(Failed::Parameter);
    }
    Ok(statement.column_names().into_iter().map(str::to_owned).collect())
}

fn bind(statement: &mut Statement<'_>, ask: &Ask) -> Result<(), Failed> {
    for (name, day) in [("$1", ask.first), ("$2", ask.last)] {
        if let Some(at) = statement.parameter_index(name)? {
            statement.raw_bind_parameter(at, day.to_string())?;
        }
    }
    Ok(())
}

fn cell(value: ValueRef<'_>) -> Result<Option<String>, Failed> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(whole) => Ok(Some(whole.to_string())),
        // The shortest digits that mean this number, without an exponent.
        ValueRef::Real(number) => Ok(Some(number.to_string())),
        ValueRef::Text(text) if text.len() > LONGEST_ROW => Err(Failed::TooLong),
        ValueRef::Text(text) => str::from_utf8(text).map(|text| Some(text.to_owned())).map_err(|_| Failed::NotText),
        ValueRef::Blob(_) => Err(Failed::NotText),
    }
}

/// Why a file gave no answer.
enum Failed {
    Sqlite(rusqlite::Error),
    Writes,
    Parameter,
    TooLong,
    NotText,
    Broken,
    AtRest,
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failed {
    fn told(self, address: &Address) -> PullError {
        PullError::Database(match self {
            Self::Sqlite(error) => {
                let advice = match error.sqlite_error_code() {
                    Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::PermissionDenied) => {
                        "the file cannot be opened: is it there, and may this user read it and its folder"
                    }
                    Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                        "somebody is writing to the file; the next run tries again"
                    }
                    Some(rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::AuthorizationForStatementDenied) => {
                        "the query would change something, and it may only read"
                    }
                    Some(rusqlite::ErrorCode::NotADatabase) => "the file is no SQLite database",
                    _ => "the query is refused",
                };
                format!("{advice} ({})", address.clean(&error.to_string()))
            }
            Self::Writes => "the query would change something, and it may only read: write one SELECT".to_owned(),
            Self::Parameter => {
                "the query has a placeholder that is not known: $1 is the first day, $2 the last".to_owned()
            }
            Self::TooLong => format!("a text is longer than {LONGEST_ROW} bytes: give only what is counted"),
            Self::NotText => "a column holds bytes: give texts, numbers, days and times".to_owned(),
            Self::AtRest => {
                "the file is in WAL mode and no program has it open now: reading it would put files beside it. Let the \
                 program that writes to it keep it open, read a copy (sqlite3 FILE \".backup COPY\"), or let its owner \
                 set PRAGMA journal_mode = DELETE"
                    .to_owned()
            }
            Self::Broken => "reading the file was broken off: try again".to_owned(),
        })
    }
}
