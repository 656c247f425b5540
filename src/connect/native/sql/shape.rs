//! Which columns a query must give, by name, and what each row of them says. Nothing is guessed: a column that is missing,
//! doubled or not known is refused, and so is a number that is not written out.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::connect::PullError;
use crate::domain::address::Address as Mailbox;
use crate::domain::connector::Settings;
use crate::domain::intake::Question;
use crate::domain::metric::{MetricId, Unit};
use crate::domain::millionths::{self, NotExact};
use crate::domain::response::Void;

use super::Row;

/// The columns that every query of counts gives.
const OF_COUNTS: [&str; 2] = ["day", "arm"];

/// Those of every query of acts, and one that it may give.
const OF_ACTS: [&str; 4] = ["id", "at", "arm", "person"];
const VOID: &str = "void";

/// What a query must give.
pub(super) enum Shape {
    /// `day`, `arm`, and a column for each metric.
    Counts(Vec<MetricId>),
    /// `id`, `at`, `arm`, `person`, `void` where an act may be void, and a column for each question.
    Acts(Vec<Question>),
}

/// The columns to read.
pub(super) struct Columns {
    /// In the order of a row's cells.
    pub names: Vec<String>,
    /// Where an act says that it no longer stands; questions begin behind it.
    void: Option<usize>,
}

/// What a row says.
pub(super) enum Said {
    Counts { day: NaiveDate, arm: String, values: Vec<(MetricId, i64)> },
    Act(Act),
}

/// One person's act.
pub(super) struct Act {
    pub id: String,
    pub at: DateTime<Utc>,
    pub arm: Option<String>,
    pub person: Option<String>,
    pub void: Option<Void>,
    pub answers: Vec<(String, String)>,
}

/// Why a row cannot be read.
pub(super) struct Unreadable {
    pub column: String,
    /// What stands there, where it may be shown.
    pub shown: Option<String>,
    /// What is wrong with it, and what to do.
    pub what: String,
}

impl Shape {
    pub(super) fn counts(settings: &Settings) -> Result<Self, PullError> {
        let names = settings.plain("counts").unwrap_or_default();
        let metrics: Option<Vec<MetricId>> = names.split(',').map(|name| MetricId::named(name.trim())).collect();
        metrics
            .map(Self::Counts)
            .ok_or_else(|| PullError::Database("setting `counts` names something that is not counted".into()))
    }

    pub(super) fn acts(questions: &[Question]) -> Result<Self, PullError> {
        if let Some(question) = questions.iter().find(|one| OF_ACTS.contains(&&*one.asked_as) || one.asked_as == VOID) {
            let what = format!("answers: the column `{}` is no answer of anybody: leave it out", question.asked_as);
            return Err(PullError::Database(what));
        }
        Ok(Self::Acts(questions.to_vec()))
    }

    pub(super) fn counts_money(&self) -> bool {
        matches!(self, Self::Counts(metrics) if metrics.iter().any(|metric| metric.metric().unit == Unit::Money))
    }

    /// The columns to read of a query that gives these.
    pub(super) fn columns(&self, given: &[String]) -> Result<Columns, PullError> {
        let mut names: Vec<String> = match self {
            Self::Counts(metrics) => {
                OF_COUNTS.iter().map(|name| (*name).to_owned()).chain(metrics.iter().map(MetricId::to_string)).collect()
            }
            Self::Acts(_) => OF_ACTS.map(str::to_owned).to_vec(),
        };
        let mut void = None;
        if let Self::Acts(questions) = self {
            if given.iter().any(|name| name == VOID) {
                void = Some(names.len());
                names.push(VOID.to_owned());
            }
            names.extend(questions.iter().map(|question| question.asked_as.clone()));
        }
        let wrong = |what: String| {
            let given: Vec<String> = given.iter().map(|name| format!("`{name}`")).collect();
            PullError::Database(format!("the query {what}; it gives {}", given.join(", ")))
        };
        if let Some(missing) = names.iter().find(|name| !given.contains(name)) {
            return Err(wrong(format!("gives no column `{missing}`: name it so, with AS")));
        }
        if let Some(twice) = (1..).zip(given).find_map(|(next, name)| given[next..].contains(name).then_some(name)) {
            return Err(wrong(format!("gives two columns `{twice}`")));
        }
        if let Some(more) = given.iter().find(|name| !names.contains(name)) {
            return Err(wrong(format!(
                "gives a column `{more}` that nothing is made of: take it out, or name it {}",
                if matches!(self, Self::Counts(_)) { "in `counts`" } else { "in `answers`" }
            )));
        }
        Ok(Columns { names, void })
    }

    /// What a row says; `clock` is the zone of times that name none.
    pub(super) fn read(&self, columns: &Columns, row: Row, clock: Option<Tz>) -> Result<Said, Unreadable> {
        let mut cells = row.into_iter();
        let mut next = || cells.next().flatten().filter(|cell| !cell.is_empty());
        let fault = |at: usize, shown: Option<String>, what: &str| Unreadable {
            column: columns.names.get(at).cloned().unwrap_or_default(),
            shown,
            what: what.to_owned(),
        };
        match self {
            Self::Counts(metrics) => {
                let day = next().ok_or_else(|| fault(0, None, "is empty, and a count must be of some day"))?;
                let day = a_day(&day).ok_or_else(|| {
                    fault(0, Some(day), "is not a day such as 2026-11-22: write CAST(… AS date), in SQLite date(…)")
                })?;
                let arm = next().ok_or_else(|| fault(1, None, "is empty, and a count must be of some arm"))?;
                let mut values = Vec::with_capacity(metrics.len());
                for (at, &metric) in (2..).zip(metrics) {
                    let cell = next();
                    let value = count(metric, cell.as_deref()).map_err(|what| fault(at, cell, what))?;
                    values.push((metric, value));
                }
                Ok(Said::Counts { day, arm, values })
            }
            Self::Acts(questions) => {
                let id = next().ok_or_else(|| fault(0, None, "is empty, and an act is known by it"))?;
                if Mailbox::parse(&id).is_some() {
                    return Err(fault(0, None, "holds addresses, which are never kept as they stand: give another id"));
                }
                let at = next().ok_or_else(|| fault(1, None, "is empty, and an act is done at some time"))?;
                // Not shown, nor what an act is void for: where columns were mixed up, it is a person's.
                let at = instant(&at, clock).map_err(|what| fault(1, None, what))?;
                let (arm, person) = (next(), next());
                if person.as_deref().is_some_and(|person| Mailbox::parse(person).is_none()) {
                    // A number of the shop's would be somebody else beside another source of the same people.
                    return Err(fault(
                        3,
                        None,
                        "holds what is no address: give the person's, and NULL where it is not known, as in \
                         CASE WHEN email LIKE '%@%' THEN email END",
                    ));
                }
                let void = match columns.void.and_then(|_| next()) {
                    None => None,
                    Some(word) => Some(Void::named(&word).ok_or_else(|| {
                        fault(
                            OF_ACTS.len(),
                            None,
                            "is none of refunded, canceled and no_show; NULL where the act stands",
                        )
                    })?),
                };
                let answers = questions.iter().filter_map(|question| Some((question.name.clone(), next()?))).collect();
                Ok(Said::Act(Act { id, at, arm, person, void, answers }))
            }
        }
    }
}

fn a_day(text: &str) -> Option<NaiveDate> {
    // The parser alone would also take `2026-3-1` and ` 2026-03-01`.
    let is_plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    text.parse().ok().filter(|_| is_plain)
}

/// Exact, or not at all.
fn count(metric: MetricId, cell: Option<&str>) -> Result<i64, &'static str> {
    let cell = cell.ok_or("is empty, and nothing is no number: write coalesce(…, 0) where it means zero")?;
    let value = millionths::parse(cell).map_err(|error| match error {
        NotExact::NotPlain => "is not a plain number: digits, with a point for decimals",
        NotExact::TooFine => "has more than six decimals: round it in the query, from numeric and not from float",
        NotExact::TooLarge => "is too large to be true",
    })?;
    if value < 0 {
        return Err("is negative, which no count or cost can be");
    }
    // What an ad platform counted may stand in a table, too, and such a conversion may be shared among clicks.
    if metric.metric().unit == Unit::Count && metric != MetricId::CONVERSIONS && value % millionths::ONE != 0 {
        return Err("is a fraction, and people are counted whole");
    }
    Ok(value)
}

fn instant(text: &str, clock: Option<Tz>) -> Result<DateTime<Utc>, &'static str> {
    let text = text.replacen(' ', "T", 1);
    if let Ok(at) = DateTime::parse_from_rfc3339(&text) {
        return Ok(at.to_utc());
    }
    let local: NaiveDateTime = text.parse().map_err(|_| {
        "is not a time such as 2026-11-22T17:00:00Z: give a timestamp, of numbers in SQLite datetime(…, 'unixepoch') || 'Z'"
    })?;
    let clock = clock.ok_or("does not say in which zone it is: set `zone`, or give a time with its zone")?;
    // Of a time that comes twice, when clocks go back, the first.
    let at = clock.from_local_datetime(&local).earliest();
    at.map(|at| at.to_utc()).ok_or("never was: clocks were put forward over it. Is `zone` right?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h19_h20_a_count_is_exact_or_refused() {
        let (visits, spend) = (MetricId::VISITS, MetricId::SPEND);
        assert_eq!(count(visits, Some("12")), Ok(12_000_000));
        assert_eq!(count(visits, Some("12.000")), Ok(12_000_000));
        assert_eq!(count(visits, Some("9223372036854")), Ok(9_223_372_036_854_000_000));
        assert_eq!(count(spend, Some("0.1")), Ok(100_000));
        assert_eq!(count(spend, Some("18.350000000")), Ok(18_350_000));
        for cell in [
            None,
            Some("NaN"),
            Some("nan"),
            Some("Infinity"),
            Some("-1"),
            Some("-0.01"),
            Some("1e3"),
            Some("1,234.5"),
            Some("$1.00"),
            Some("0.30000000000000004"),
            Some("9223372036854775807"),
            Some("true"),
            Some(" 1"),
            Some("2.5"),
        ] {
            assert!(count(visits, cell).is_err(), "{cell:?}");
        }
        assert_eq!(count(MetricId::CONVERSIONS, Some("2.5")), Ok(2_500_000));
        assert_eq!(count(visits, Some("-0")), Ok(0));
    }

    #[test]
    fn a_time_without_a_zone_needs_one() {
        let at = |text: &str, clock| instant(text, clock).map(|at| at.to_rfc3339());
        let utc = |text: &str| Ok(format!("{text}+00:00"));
        assert_eq!(at("2026-03-01T09:00:00+02:00", None), utc("2026-03-01T07:00:00"));
        assert_eq!(at("2026-03-01 09:00:00Z", None), utc("2026-03-01T09:00:00"));
        assert!(at("2026-03-01T09:00:00", None).unwrap_err().contains("zone"));
        let berlin = Some(Tz::Europe__Berlin);
        assert_eq!(at("2026-07-01 09:00:00", berlin), utc("2026-07-01T07:00:00"));
        assert!(at("2026-03-29 02:30:00", berlin).unwrap_err().contains("never was"));
        assert_eq!(at("2026-10-25 02:30:00", berlin), utc("2026-10-25T00:30:00"));
        for text in ["1767225600", "2026-03-01", "infinity", "soon", "2026-02-30T00:00:00Z"] {
            assert!(instant(text, berlin).is_err(), "{text}");
        }
    }

    #[test]
    fn h21_a_day_is_a_day_and_nothing_else() {
        assert!(a_day("2026-03-01").is_some());
        for text in ["2026-3-1", "2026-03-01T00:00:00", "2026-02-30", "20260301", "infinity", "+2026-03-1"] {
            assert!(a_day(text).is_none(), "{text}");
        }
    }
}
