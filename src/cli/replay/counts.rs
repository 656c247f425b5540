//! The CSV of `replay --counts`: daily counts by arm. Refuses every cell it would have to guess at, and
//! says on which line.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;
use csv::StringRecord;

use super::ReplayError;
use super::policy::{Replayed, nearest};
use crate::decide::judge::{self, ArmDay};
use crate::domain::concept::{Model, Srm};

/// Columns whose numbers are checked wherever they stand, needed or not.
const KNOWN: [&str; 5] = ["impressions", "clicks", "visits", "conversions", "spend"];

/// The tested arms' days, and the range of the whole file, the control's days included.
pub(super) struct Table {
    /// In order of name, each in order of day; never empty.
    pub arms: BTreeMap<String, Vec<ArmDay>>,
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
    /// The day whose counts first show that the policy's split is not kept.
    pub uneven_since: Option<NaiveDate>,
}

/// What is wrong, on which line if on one.
pub(super) struct Problem {
    line: Option<u64>,
    what: String,
}

impl Problem {
    fn whole(what: impl Into<String>) -> Self {
        Self { line: None, what: what.into() }
    }

    pub(super) fn in_file(self, path: &Path) -> ReplayError {
        let (path, problem) = (path.to_owned(), self.what);
        match self.line {
            Some(line) => ReplayError::MendLine { path, line, problem },
            None => ReplayError::MendCounts { path, problem },
        }
    }
}

/// Reads the whole table.
pub(super) fn read(text: &str, replayed: &Replayed) -> Result<Table, Problem> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns = Columns::find(reader.headers().map_err(|error| malformed(&error))?, replayed)?;
    let mut arms = Days::new();
    for record in reader.records() {
        let record = record.map_err(|error| malformed(&error))?;
        let line = record.position().map(csv::Position::line);
        let (arm, day) = columns.row(&record).map_err(|what| Problem { line, what })?;
        let date = day.day;
        if arms.entry(arm.clone()).or_default().insert(date, day).is_some() {
            let what = format!("arm {arm:?} has the day {date} twice: add the two up, or remove one");
            return Err(Problem { line, what });
        }
    }
    let days = || arms.values().flat_map(BTreeMap::keys).copied();
    let (Some(first_day), Some(last_day)) = (days().min(), days().max()) else {
        return Err(Problem::whole("there is no row below the header, so there is nothing to judge"));
    };
    let uneven_since = replayed.policy.srm.as_ref().map(|split| uneven_since(split, &arms)).transpose()?.flatten();
    if let Some(control) = &replayed.control {
        let Some(reference) = arms.remove(control) else { return Err(unknown("the policy's control", control, &arms)) };
        if replayed.policy.model == Model::Compare {
            for day in arms.values_mut().flat_map(BTreeMap::values_mut) {
                let beside = reference.get(&day.day);
                day.control = beside.map_or([0.0; 2], |control| [control.conversions, control.exposures]);
            }
        }
    }
    if arms.is_empty() {
        return Err(Problem::whole("the control is the only arm, so there is nothing to judge"));
    }
    let arms = arms.into_iter().map(|(arm, days)| (arm, days.into_values().collect())).collect();
    Ok(Table { arms, first_day, last_day, uneven_since })
}

/// By arm, then by day.
type Days = BTreeMap<String, BTreeMap<NaiveDate, ArmDay>>;

fn unknown(what: &str, name: &str, arms: &Days) -> Problem {
    let near = nearest(name, arms.keys().map(String::as_str));
    let near = near.map_or_else(String::new, |near| format!(" (did you mean {near:?}?)"));
    let known: Vec<_> = arms.keys().map(String::as_str).collect();
    Problem::whole(format!("{what} {name:?} is not an arm here: {}{near}", known.join(", ")))
}

fn uneven_since(split: &Srm, arms: &Days) -> Result<Option<NaiveDate>, Problem> {
    let mut visits: BTreeMap<NaiveDate, Vec<f64>> = BTreeMap::new();
    for (position, arm) in split.expected.keys().enumerate() {
        let days = arms.get(arm.as_str()).ok_or_else(|| unknown("srm.expected names", arm.as_str(), arms))?;
        for day in days.values() {
            visits.entry(day.day).or_insert_with(|| vec![0.0; split.expected.len()])[position] = day.exposures;
        }
    }
    Ok(judge::uneven_since(split, visits.iter().map(|(day, visits)| (*day, &visits[..]))))
}

fn malformed(error: &csv::Error) -> Problem {
    let line = error.position().map(csv::Position::line);
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!(
                "{len} cells where the header has {expected_len}: every row needs one cell a column, split by commas"
            )
        }
        _ => format!("not a CSV row ({error})"),
    };
    Problem { line, what }
}

/// Where the columns stand.
struct Columns {
    day: usize,
    arm: usize,
    /// Visits, or under `cpa` the spend.
    exposures: usize,
    conversions: usize,
    /// Only where the policy has a budget cap.
    spend: Option<usize>,
    /// Numerator and denominator of each guardrail.
    guardrails: Vec<[usize; 2]>,
    /// Known columns the policy does not read: a cell may be empty, but not nonsense.
    beside: Vec<(&'static str, usize)>,
    header: StringRecord,
}

impl Columns {
    fn find(header: &StringRecord, replayed: &Replayed) -> Result<Self, Problem> {
        let find = |name: &str, why: &str| {
            let mut places = header.iter().enumerate().filter(|(_, column)| *column == name);
            match (places.next(), places.next()) {
                (Some((place, _)), None) => Ok(place),
                (Some(_), Some(_)) => Err(Problem::whole(format!("the column {name:?} is there twice"))),
                (None, _) => {
                    let columns: Vec<_> = header.iter().collect();
                    let there = columns.join(", ");
                    Err(Problem::whole(format!("there is no column {name:?}, which {why}; there is: {there}")))
                }
            }
        };
        let spend = match replayed.arm_budget_cap {
            Some(_) => Some(find("spend", "budget_cap needs")?),
            None => None,
        };
        let (exposures, metric) = match replayed.policy.model {
            Model::Rate => ("visits", "rate"),
            Model::Cpa => ("spend", "cpa"),
            Model::Compare => ("visits", "compare"),
        };
        let needs = format!("the metric {metric} needs");
        let guardrails = replayed
            .guardrail_columns
            .iter()
            .map(|columns| {
                let [numerator, denominator] = columns;
                Ok([find(numerator, "a guardrail needs")?, find(denominator, "a guardrail needs")?])
            })
            .collect::<Result<Vec<_>, Problem>>()?;
        let mut beside = Vec::new();
        for name in KNOWN {
            if header.iter().any(|column| column == name) {
                beside.push((name, find(name, "is known")?));
            }
        }
        Ok(Self {
            day: find("day", "every row needs")?,
            arm: find("arm", "every row needs")?,
            exposures: find(exposures, &needs)?,
            conversions: find("conversions", &needs)?,
            spend,
            guardrails,
            beside,
            header: header.clone(),
        })
    }

    fn row(&self, record: &StringRecord) -> Result<(String, ArmDay), String> {
        for &(name, place) in &self.beside {
            if !record[place].is_empty() {
                number(name, &record[place])?;
            }
        }
        let needed = |place: usize| number(&self.header[place], &record[place]);
        let day = ArmDay {
            day: date(&record[self.day])?,
            exposures: needed(self.exposures)?,
            conversions: needed(self.conversions)?,
            control: [0.0; 2],
            spend: self.spend.map_or(Ok(0.0), needed)?,
            guardrails: self
                .guardrails
                .iter()
                .map(|&[numerator, denominator]| Ok([needed(numerator)?, needed(denominator)?]))
                .collect::<Result<_, String>>()?,
        };
        match &record[self.arm] {
            "" => Err("the arm is empty: every row needs its arm's name".to_owned()),
            "*" => Err("an arm cannot be called \"*\", which stands for the concept: give it another name".to_owned()),
            arm => Ok((arm.to_owned(), day)),
        }
    }
}

/// `YYYY-MM-DD` and nothing else.
fn date(cell: &str) -> Result<NaiveDate, String> {
    let plain = cell.len() == 10 && cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let day = if plain { NaiveDate::parse_from_str(cell, "%Y-%m-%d").ok() } else { None };
    day.ok_or_else(|| format!("{cell:?} is not a day: write it as 2026-03-01"))
}

/// A finite number, not negative. An empty cell is none: "no data" is never zero.
fn number(column: &str, cell: &str) -> Result<f64, String> {
    match cell.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value.abs()),
        Ok(value) if value < 0.0 => Err(format!("{column} is {cell}: a count cannot be negative")),
        _ if cell.is_empty() => {
            Err(format!("{column} is empty: write 0 if nothing was counted, or leave the row out if nothing is known"))
        }
        _ => Err(format!("{column} is {cell:?}: write a plain number such as 12 or 2.5")),
    }
}
