//! A transaction on either database, and what is said in it. On a server each answer has a deadline of ours too, since one
//! that is cut off never answers, and a connection that did not end well is not used again. In a file all that is read in a
//! transaction has one deadline: the log grows for as long as somebody reads.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use sqlx::any::{Any, AnyArguments, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use sqlx::error::{BoxDynError, DatabaseError};
use sqlx::{Either, Execute, Executor, SqlStr};
use tokio::time::{Instant, timeout_at};

use super::error::StoreError;
use super::postgres::Held;

/// Begun. What is not committed is undone when it is dropped.
#[derive(Debug)]
pub struct Transaction(Connection);

impl Transaction {
    /// `until` ends one that reads; one that writes ends by itself.
    pub fn of_file(begun: sqlx::Transaction<'static, Any>, until: Option<Instant>) -> Self {
        Self(Connection(Kind::File(begun, until)))
    }

    pub fn of_server(held: Held) -> Self {
        Self(Connection(Kind::Server(held)))
    }

    /// Keeps what was written.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.0.0 {
            Kind::File(begun, _) => Ok(begun.commit().await?),
            Kind::Server(held) => held.keep().await,
        }
    }

    /// Undoes what was written, now.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self.0.0 {
            Kind::File(begun, _) => Ok(begun.rollback().await?),
            Kind::Server(held) => held.undo().await,
        }
    }

    /// Notes by what a write on a server is found again, where its end is not answered.
    pub(super) fn is_known_as(&mut self, mark: String) {
        if let Kind::Server(held) = &mut self.0.0 {
            held.is_known_as(mark);
        }
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

/// What a transaction is in.
pub struct Connection(Kind);

enum Kind {
    File(sqlx::Transaction<'static, Any>, Option<Instant>),
    Server(Held),
}

impl Connection {
    /// Whether placeholders are numbered here: SQLite takes both, and those without a number in less time.
    pub fn numbers_placeholders(&self) -> bool {
        matches!(self.0, Kind::Server(_))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// What may be said of a connection once a transaction in it has ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fate {
    /// A statement failed: nothing of the transaction can be kept.
    pub has_failed: bool,
    /// Nobody knows what the server would answer next.
    pub is_lost: bool,
}

impl Fate {
    pub(super) fn hear<T>(&mut self, answer: &Result<T, sqlx::Error>) {
        let Err(error) = answer else { return };
        self.has_failed = true;
        let code = error.as_database_error().and_then(DatabaseError::code);
        // 25006: a server that only reads, as a standby does; 25P03, 57…: it has ended the connection, or will.
        let is_lost =
            |code: &str| ["25006", "25P03"].contains(&code) || code.starts_with("57P") || code.starts_with("08");
        self.is_lost |= code.is_none_or(|code| is_lost(&code));
    }
}

/// What is told where a server keeps silent.
pub fn silence() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))
}

/// A reading of a file that went on for too long.
#[derive(Debug, thiserror::Error)]
#[error("it took too long")]
pub struct TooLong;

fn too_long() -> sqlx::Error {
    sqlx::Error::AnyDriverError(Box::new(TooLong))
}

type Answer = Result<Either<AnyQueryResult, AnyRow>, sqlx::Error>;

impl<'c> Executor<'c> for &'c mut Connection {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Answer>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let held = match &mut self.0 {
            Kind::File(begun, None) => return (&mut **begun).fetch_many(query),
            Kind::File(begun, Some(until)) => {
                let (rows, until) = ((&mut **begun).fetch_many(query), *until);
                let next = move |asked: Option<BoxStream<'e, Answer>>| async move {
                    let mut rows = asked?;
                    let answer = timeout_at(until, rows.next()).await.unwrap_or_else(|_| Some(Err(too_long())))?;
                    let more = answer.is_ok().then_some(rows);
                    Some((answer, more))
                };
                return stream::unfold(Some(rows), next).boxed();
            }
            Kind::Server(held) => held,
        };
        let Some((link, fate, deadline)) = held.ask() else { return stream::iter([Err(silence())]).boxed() };
        let rows = link.fetch_many(Unnamed(query));
        let next = move |asked: Option<(BoxStream<'e, Answer>, &'e mut Fate)>| async move {
            let (mut rows, fate) = asked?;
            let answer = timeout_at(deadline, rows.next()).await.unwrap_or_else(|_| Some(Err(silence())))?;
            fate.hear(&answer);
            let more = answer.is_ok().then_some((rows, fate));
            Some((answer, more))
        };
        stream::unfold(Some((rows, fate)), next).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let held = match &mut self.0 {
            Kind::File(begun, None) => return (&mut **begun).fetch_optional(query),
            Kind::File(begun, Some(until)) => {
                let answer = timeout_at(*until, (&mut **begun).fetch_optional(query));
                return Box::pin(async { answer.await.unwrap_or_else(|_| Err(too_long())) });
            }
            Kind::Server(held) => held,
        };
        Box::pin(async move {
            let (link, fate, deadline) = held.ask().ok_or_else(silence)?;
            let answer = timeout_at(deadline, link.fetch_optional(Unnamed(query))).await;
            let answer = answer.unwrap_or_else(|_| Err(silence()));
            fate.hear(&answer);
            answer
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [AnyTypeInfo],
    ) -> BoxFuture<'e, Result<AnyStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        match &mut self.0 {
            Kind::File(begun, _) => (&mut **begun).prepare_with(sql, parameters),
            Kind::Server(held) => Box::pin(async move {
                let (link, _, deadline) = held.ask().ok_or_else(silence)?;
                timeout_at(deadline, link.prepare_with(sql, parameters)).await.unwrap_or_else(|_| Err(silence()))
            }),
        }
    }
}

/// A query whose statement gets no name on the server: a pooler between gives every transaction another connection, where a
/// named one is not known.
struct Unnamed<E>(E);

impl<'q, E: Execute<'q, Any>> Execute<'q, Any> for Unnamed<E> {
    fn sql(self) -> SqlStr {
        self.0.sql()
    }

    fn statement(&self) -> Option<&AnyStatement> {
        None
    }

    fn take_arguments(&mut self) -> Result<Option<AnyArguments>, BoxDynError> {
        self.0.take_arguments()
    }

    fn persistent(&self) -> bool {
        false
    }
}
