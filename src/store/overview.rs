//! Where everything stands, for people who look: what `standings` does not already say. Not what verdicts rest on.

use super::columns::{self, Fields};
use super::error::StoreError;
use super::rows::View;
use super::snapshot::{InPlace, Reading, Value};
use super::standings::{OfConcepts, each_its_own};
use crate::domain::id::ConceptId;
use crate::domain::run::Run;

impl View {
    /// The run with the latest slot of each of some concepts.
    pub async fn last_runs(&mut self, concepts: Vec<ConceptId>) -> Result<OfConcepts<Run>, StoreError> {
        let read = |at: &Reading<'_>| {
            let mut runs = at.question(
                "SELECT id, concept_id, due_at, started_at, finished_at, outcome, missed FROM run \
                 WHERE concept_id = $1 ORDER BY due_at DESC LIMIT 1",
            )?;
            each_its_own(concepts, |concept| {
                let mut last = None;
                runs.each(&[Value::Text(concept.as_str())], |row| {
                    last = Some(read_run(row)?);
                    Ok(())
                })?;
                Ok(last)
            })
        };
        self.at.read(read).await
    }
}

fn read_run(row: &mut InPlace<'_>) -> Result<Run, StoreError> {
    Ok(Run {
        id: row.text()?.to_owned(),
        concept: ConceptId::new(row.text()?),
        due_at: columns::instant(row.number()?)?,
        started_at: columns::instant(row.number()?)?,
        finished_at: row.optional_number()?.map(columns::instant).transpose()?,
        outcome: row.optional()?.map(columns::from_json).transpose()?,
        missed: columns::small(row.number()?)?,
    })
}
