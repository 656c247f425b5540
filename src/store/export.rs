//! What is stored, table by table and row by row, for other programs; and all that is stored of one person, for them. The
//! tables hold nothing that names a person who answered. Not how a file is written: see `cli/export.rs`.

use std::collections::BTreeMap;

use sqlx::Row;

use super::Store;
use super::columns::{self, Fields};
use super::error::StoreError;
use super::forget;
use super::responses::read_answers;
use super::snapshot::{InPlace, Snapshot};
use crate::domain::decision::Decision;
use crate::domain::metric::{CATALOGUE, COUNTED};
use crate::domain::millionths;

/// Something that can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// What sources counted by day, with every earlier state.
    Observations,
    /// People's acts as last known, without the people.
    Responses,
    /// Every verdict.
    Verdicts,
    /// What people decided on them.
    Decisions,
}

/// What stands in one place of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// A number in plain decimal digits.
    Number(String),
    /// Anything else.
    Text(String),
}

/// What stands in a column, where anything does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Texts.
    Text,
    /// Whole numbers.
    Whole,
    /// Counts and amounts, with up to six places behind the point.
    Amount,
}

/// The tables at one moment.
pub struct Export {
    snapshot: Snapshot,
}

/// One state of one act of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfPerson {
    /// The source it came from.
    pub source: String,
    /// The vendor's name for it.
    pub response_id: String,
    /// When it was done, in UTC.
    pub at: String,
    /// How far it went.
    pub depth: String,
    /// Which version was shown.
    pub arm_key: String,
    /// Whether this is what is now known; else it is an earlier state.
    pub is_current: bool,
    /// The answers that are kept, by question.
    pub answers: BTreeMap<String, String>,
    /// What was written freely, by question.
    pub texts: BTreeMap<String, String>,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Observations, Self::Responses, Self::Verdicts, Self::Decisions];

    /// Its name, as a file's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Observations => "observations",
            Self::Responses => "responses",
            Self::Verdicts => "verdicts",
            Self::Decisions => "decisions",
        }
    }

    /// The names of its columns.
    pub fn columns(self) -> Vec<&'static str> {
        match self {
            Self::Observations => {
                let mut columns = vec!["source", "day", "arm_key", "pull", "until_pull", "currency"];
                columns.extend(metrics());
                columns
            }
            Self::Responses => vec!["source", "at", "depth", "void", "mark", "arm_key", "pull"],
            Self::Verdicts => vec![
                "verdict_id",
                "concept",
                "generation",
                "as_of",
                "last_settled_day",
                "verdict",
                "replaces",
                "known_at_pull",
                "policy_hash",
                "data_hash",
                "program_version",
                "scorecard",
            ],
            Self::Decisions => {
                vec![
                    "decision_id",
                    "concept",
                    "generation",
                    "choice",
                    "at",
                    "by",
                    "reason",
                    "verdict_id",
                    "verdict",
                    "days",
                    "budget",
                    "currency",
                ]
            }
        }
    }

    /// What stands in the column of this name, which is the same in every table.
    pub fn kind(column: &str) -> Kind {
        match column {
            "pull" | "until_pull" | "verdict_id" | "generation" | "replaces" | "known_at_pull" | "decision_id"
            | "days" => Kind::Whole,
            "budget" => Kind::Amount,
            name if metrics().any(|metric| metric == name) => Kind::Amount,
            _ => Kind::Text,
        }
    }

    fn question(self) -> String {
        match self {
            Self::Observations => {
                let metrics: String = metrics().map(|metric| format!(", told.{metric}")).collect();
                let columns: String = metrics.replace("told.", "");
                format!(
                    "SELECT told.source_id, told.day, told.arm_key, pull.currency, told.pull_id, told.until_pull{metrics} FROM \
                     (SELECT source_id, day, arm_key, pull_id, NULL AS until_pull{columns} FROM observation UNION ALL \
                     SELECT source_id, day, arm_key, pull_id, until_pull{columns} FROM observation_before) AS told \
                     LEFT JOIN pull ON pull.id = told.pull_id \
                     ORDER BY told.source_id, told.day, told.arm_key, told.pull_id"
                )
            }
            Self::Responses => "SELECT source_id, depth, void, mark, arm_key, at, pull_id FROM response \
                 ORDER BY source_id, at, response_id"
                .to_owned(),
            Self::Verdicts => {
                "SELECT concept_id, last_settled_day, verdict, policy_hash, data_hash, program_version, body, id, \
                 generation, as_of, replaces, known_at FROM scorecard ORDER BY id"
                    .to_owned()
            }
            Self::Decisions => "SELECT body FROM decision ORDER BY id".to_owned(),
        }
    }

    /// A row of the answer to its question, in the order of its columns.
    fn row(self, row: &mut InPlace<'_>) -> Result<Vec<Cell>, StoreError> {
        match self {
            Self::Observations => {
                let [source, day, arm_key, currency] = texts(row)?;
                let [pull, until] = row.optional_numbers()?;
                let values: [Option<i64>; COUNTED] = row.optional_numbers()?;
                let mut cells = vec![source, day, arm_key, whole(pull), whole(until), currency];
                cells.extend(
                    values.map(|value| value.map_or(Cell::Empty, |value| Cell::Number(millionths::print(value)))),
                );
                Ok(cells)
            }
            Self::Responses => {
                let [source, depth, void, mark, arm_key] = texts(row)?;
                let at = instant(row.number()?)?;
                let [pull] = row.optional_numbers()?;
                Ok(vec![source, at, depth, void, mark, arm_key, whole(pull)])
            }
            Self::Verdicts => {
                let [concept, settled, verdict, policy, data, version, body] = texts(row)?;
                let [id, generation] = row.optional_numbers()?;
                let as_of = instant(row.number()?)?;
                let [replaces, known] = row.optional_numbers()?;
                let (id, generation, replaces, known) = (whole(id), whole(generation), whole(replaces), whole(known));
                Ok(vec![id, concept, generation, as_of, settled, verdict, replaces, known, policy, data, version, body])
            }
            Self::Decisions => {
                let decision: Decision = columns::from_json(row.text()?)?;
                let money = decision.budget.as_ref();
                Ok(vec![
                    whole(Some(decision.id)),
                    Cell::Text(decision.concept.to_string()),
                    whole(Some(decision.generation.into())),
                    Cell::Text(decision.choice.word().to_owned()),
                    Cell::Text(decision.at.to_rfc3339()),
                    Cell::Text(decision.by.clone()),
                    Cell::Text(decision.reason.clone()),
                    whole(Some(decision.scorecard)),
                    Cell::Text(decision.verdict.to_string()),
                    whole(decision.days.map(i64::from)),
                    money.map_or(Cell::Empty, |money| Cell::Number(millionths::print(money.micros))),
                    money.map_or(Cell::Empty, |money| Cell::Text(money.currency.to_string())),
                ])
            }
        }
    }
}

fn metrics() -> impl Iterator<Item = &'static str> {
    CATALOGUE.iter().take(COUNTED).map(|metric| metric.name)
}

fn texts<const COUNT: usize>(row: &mut InPlace<'_>) -> Result<[Cell; COUNT], StoreError> {
    let mut cells = [const { Cell::Empty }; COUNT];
    for cell in &mut cells {
        *cell = row.optional()?.map_or(Cell::Empty, |text| Cell::Text(text.to_owned()));
    }
    Ok(cells)
}

fn whole(number: Option<i64>) -> Cell {
    number.map_or(Cell::Empty, |number| Cell::Number(number.to_string()))
}

fn instant(milliseconds: i64) -> Result<Cell, StoreError> {
    Ok(Cell::Text(columns::instant(milliseconds)?.to_rfc3339()))
}

impl Store {
    /// Begins an export: all its tables are of the moment at which the first is read.
    pub fn export(&self) -> Export {
        Export { snapshot: self.backend.snapshot() }
    }

    /// All that is stored of a person, earlier states included. Nothing where nobody of that name is known.
    pub async fn of_person(&self, person: &str) -> Result<Vec<OfPerson>, StoreError> {
        if self.people.fingerprint().is_none() {
            return Ok(Vec::new());
        }
        let hash = self.people.hash(person)?;
        let mut read = self.backend.read().await?;
        let mut found = Vec::new();
        for (source, id) in forget::acts_of(&mut read, hash.as_hex()).await? {
            let mut texts = BTreeMap::new();
            let said = sqlx::query("SELECT name, said FROM free_text WHERE source_id = $1 AND response_id = $2")
                .bind(&source)
                .bind(&id)
                .fetch_all(&mut *read)
                .await?;
            for row in said {
                texts.insert(row.try_get::<String, _>("name")?, row.try_get::<String, _>("said")?);
            }
            let states = sqlx::query(
                "SELECT CAST(1 AS BIGINT) AS is_now, depth, arm_key, at, answers, pull_id FROM response \
                 WHERE source_id = $1 AND response_id = $2 AND person = $3 \
                 UNION ALL SELECT CAST(0 AS BIGINT), depth, arm_key, at, answers, pull_id FROM response_before \
                 WHERE source_id = $1 AND response_id = $2 AND person = $3 ORDER BY pull_id",
            )
            .bind(&source)
            .bind(&id)
            .bind(hash.as_hex())
            .fetch_all(&mut *read)
            .await?;
            for row in states {
                let is_current = row.try_get::<i64, _>("is_now")? == 1;
                let answers =
                    row.try_get::<Option<&str>, _>("answers")?.map(read_answers).transpose()?.unwrap_or_default();
                found.push(OfPerson {
                    source: source.clone(),
                    response_id: id.clone(),
                    at: columns::instant(row.try_get("at")?)?.to_rfc3339(),
                    depth: row.try_get("depth")?,
                    arm_key: row.try_get("arm_key")?,
                    is_current,
                    answers: answers.iter().map(|(name, answer)| (name.to_owned(), answer.to_owned())).collect(),
                    texts: if is_current { std::mem::take(&mut texts) } else { BTreeMap::new() },
                });
            }
        }
        Ok(found)
    }
}

impl Export {
    /// Hands each row of a table to `take`, in an order that does not depend on when it is asked; gives back what `take`
    /// worked with.
    ///
    /// # Errors
    /// [`StoreError`], or the first one of `take`.
    pub async fn rows<T: Send + 'static>(
        &mut self,
        table: Table,
        mut with: T,
        take: fn(&mut T, Vec<Cell>) -> Result<(), StoreError>,
    ) -> Result<T, StoreError> {
        let read = self.snapshot.read(move |at| {
            at.question(&table.question())?.each(&[], |row| take(&mut with, table.row(row)?))?;
            Ok(with)
        });
        read.await
    }
}
