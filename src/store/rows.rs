//! Reading back what many verdicts rest on: everything stored of their sources, each source once, in one question. What
//! comes back stays packed, as the database joined it, until somebody asks for it. Not how it got there: see `pulls.rs`.

use std::collections::BTreeMap;

use sqlx::any::{Any, AnyArguments, AnyRow};
use sqlx::{Arguments, Row, Transaction};

use super::Store;
use super::backend::Bulk;
use super::error::StoreError;
use super::observations;
use super::pulls;
use super::quarantine;
use super::responses;
use crate::domain::id::SourceId;
use crate::domain::observation::{DateWindow, Inputs};

/// The statements: as things are now, and as they were after a pull.
pub(super) struct Statements {
    now: Bulk,
    known: Bulk,
}

impl Statements {
    /// Makes them.
    pub(super) fn new() -> Self {
        let of = |known| {
            let texts = [
                pulls::text(),
                quarantine::text(),
                observations::text(known),
                observations::before(),
                responses::text(known),
                responses::before(),
            ];
            let texts = texts.map(|text| format!("({text})")).join(", ");
            Bulk::new(format!("SELECT asked.column1, {texts} FROM (VALUES "), 6, ") AS asked")
        };
        Self { now: of(false), known: of(true) }
    }
}

/// The store at one moment: all that is asked of a view is answered as if asked at once.
pub struct View<'a> {
    pub(super) store: &'a Store,
    pub(super) read: Transaction<'static, Any>,
}

impl Store {
    /// Opens a view. It should not be kept for long: while it is open, the write-ahead log grows.
    pub async fn view(&self) -> Result<View<'_>, StoreError> {
        Ok(View { store: self, read: self.backend.read().await? })
    }

    /// Everything stored of some sources that a verdict over these days may depend on, of one moment: now,
    /// or just after the pull `known_at`. Responses just outside the days come too, because days begin at
    /// different instants in different zones; pulls come whatever their days.
    pub async fn inputs(
        &self,
        sources: &[SourceId],
        days: DateWindow,
        known_at: Option<i64>,
    ) -> Result<Inputs, StoreError> {
        let asked: Vec<_> = sources.iter().map(|source| (source, days)).collect();
        self.view().await?.rows(&asked, known_at).await?.inputs(sources, days)
    }
}

impl View<'_> {
    /// Everything stored of some sources over some days, now or just after the pull `known_at`. A source that is asked
    /// for more than once is read once, over all its days.
    pub async fn rows(&mut self, asked: &[(&SourceId, DateWindow)], known_at: Option<i64>) -> Result<Rows, StoreError> {
        let mut windows: BTreeMap<&SourceId, DateWindow> = BTreeMap::new();
        for &(source, days) in asked {
            let window = windows.entry(source).or_insert(days);
            *window = window.and(days);
        }
        let windows: Vec<_> = windows.into_iter().collect();
        let statements = &self.store.rows;
        let query = if known_at.is_some() { &statements.known } else { &statements.now };
        let own = |to: &mut AnyArguments, &(source, days): &(&SourceId, DateWindow)| {
            let instants = responses::about(days);
            to.add(source.as_str())?;
            to.add(days.first().to_string())?;
            to.add(days.last().to_string())?;
            to.add(known_at.unwrap_or(i64::MAX))?;
            to.add(instants.start)?;
            to.add(instants.end)
        };
        let mut rows = Rows::default();
        let take = |row: AnyRow| {
            rows.0.insert(SourceId::new(row.try_get::<&str, _>(0)?), Texts(row));
            Ok(())
        };
        query.fetch(&mut self.read, &windows, |_| Ok(()), own, take).await?;
        Ok(rows)
    }
}

/// What is stored of some sources, packed.
#[derive(Default)]
pub struct Rows(BTreeMap<SourceId, Texts>);

/// That of one source, as the database gave it: the texts are long, and are not copied out of it.
pub(super) struct Texts(AnyRow);

/// What there is of a source, in the order of the statement's columns.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Pulls = 1,
    Shrinks,
    Observations,
    ObservationsBefore,
    Responses,
    ResponsesBefore,
}

impl Rows {
    /// What was read of a source, its rows joined into one text; `None` where there are none.
    pub(super) fn text(&self, source: &SourceId, kind: Kind) -> Result<Option<&str>, StoreError> {
        let text = self.0.get(source).map(|Texts(row)| row.try_get(kind as usize)).transpose()?;
        Ok(text.flatten())
    }

    /// What a verdict on some of the sources, over some of the days that were asked for, may depend on.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] where a row cannot be read; other sources' rows can be all the same.
    pub fn inputs(&self, sources: &[SourceId], days: DateWindow) -> Result<Inputs, StoreError> {
        let mut sources: Vec<_> = sources.iter().collect();
        sources.sort_unstable();
        sources.dedup();
        let mut inputs = Inputs::default();
        for source in sources {
            let text = |kind| self.text(source, kind);
            inputs.observations.extend(observations::read(source, days, text(Kind::Observations)?)?);
            inputs.responses.extend(responses::read_days(source, days, text(Kind::Responses)?)?);
            inputs.pulls.extend(pulls::read_pulls(source, text(Kind::Pulls)?)?);
            inputs.shrinks.extend(quarantine::read_shrinks(source, text(Kind::Shrinks)?)?);
        }
        inputs.pulls.sort_by_key(|pull| pull.id);
        Ok(inputs)
    }
}
