//! What was understood of a file, as `import` shows it before anything is written: in words, and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Serialize;

use crate::domain::metric::{MetricId, Unit};
use crate::domain::millionths;
use crate::domain::money::{Currency, thousands};
use crate::domain::observation::{DateWindow, Values};

use super::FileError;
use super::columns::{ArmColumn, DayColumn};
use super::mapping::{ColumnUse, Table, short};
use super::numbers::NumberFormat;
use super::survey::{Survey, ZoneFrom};
use super::tally::Tally;

/// Arms printed; JSON has all of them.
const ARMS_SHOWN: usize = 40;

/// Amounts by metric, as exact decimal text.
pub type Amounts = BTreeMap<MetricId, String>;

/// What was understood of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Understanding {
    /// The sheet that was read, of a workbook.
    pub sheet: Option<String>,
    /// How its letters are written; `XLSX` of a workbook.
    pub encoding: String,
    /// What stands between its fields.
    pub delimiter: String,
    /// How it writes numbers.
    pub numbers: String,
    /// How it writes days.
    pub days_written: String,
    /// Lines before the header.
    pub preamble: Vec<String>,
    /// Line of the column names, from 1.
    pub header_line: u64,
    /// Every column and what it is taken for.
    pub columns: Vec<ColumnUse>,
    /// The settings under which the same columns are taken again.
    pub saved: BTreeMap<&'static str, String>,
    /// Name of the column that tells arms apart; `None` when the whole file is one arm.
    pub arm_column: Option<String>,
    /// Lines of the first rows.
    pub first_lines: Vec<u64>,
    /// Arm keys in order, with what each adds up to.
    pub arms: Vec<ArmSum>,
    /// The first rows as read.
    pub first_rows: Vec<RowRead>,
    /// Data rows.
    pub rows: u64,
    /// Different days.
    pub days: u64,
    /// First day.
    pub first: NaiveDate,
    /// Last day.
    pub last: NaiveDate,
    /// What all rows add up to.
    pub totals: Amounts,
    /// What the money is in; `None` without money.
    pub currency: Option<Currency>,
    /// Where the days begin and end.
    pub day_zone: Tz,
    /// Who says so: `file`, `setting` or `experiment`.
    pub day_zone_from: String,
    /// Rows left out because they are sums of others.
    pub totals_rows_skipped: u64,
    /// The first of them.
    pub totals_rows: Vec<TotalsRowSeen>,
    /// What was taken for granted.
    pub notes: Vec<String>,
    /// What to look at before trusting the numbers.
    pub warnings: Vec<String>,
}

/// What one arm adds up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArmSum {
    /// Its key, for `keys` of an arm in the configuration.
    pub key: String,
    /// Campaign names and ids seen beside the key.
    pub also: Vec<String>,
    /// Its rows.
    pub rows: u64,
    /// Its totals.
    pub totals: Amounts,
}

/// One row as read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowRead {
    /// Where it stands.
    pub line: u64,
    /// Its day.
    pub day: NaiveDate,
    /// Its arm.
    pub arm: String,
    /// Its values.
    pub values: Amounts,
}

/// One totals row that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TotalsRowSeen {
    /// Where it stands.
    pub line: u64,
    /// Its cells, shortened.
    pub text: String,
}

fn amounts(values: &Values) -> Amounts {
    MetricId::all().filter_map(|metric| Some((metric, millionths::print(values.get(metric)?)))).collect()
}

impl Understanding {
    pub(super) fn of(survey: &Survey, tally: Tally) -> Result<Self, FileError> {
        let (Some(first), Some(last)) = (tally.days.first().copied(), tally.days.last().copied()) else {
            return Err(FileError::ExportAgain("the file has no rows: export a span with results".to_owned()));
        };
        let mut warnings = survey.warnings.clone();
        warnings.extend(tally.disagreements());
        warnings.extend(cautions(survey, &tally));
        let columns = &survey.columns;
        let (encoding, delimiter) = survey.table.written(&survey.layout);
        Ok(Self {
            sheet: survey.table.sheet_name().map(str::to_owned),
            encoding,
            delimiter,
            numbers: NumberFormat::describe(survey.numbers),
            days_written: survey.days.describe().to_owned(),
            preamble: survey.layout.preamble.clone(),
            header_line: survey.layout.header_line,
            columns: (0..columns.headers.len()).map(|at| column_use(survey, at)).collect(),
            first_lines: survey.sample.iter().map(|(line, _)| *line).collect(),
            saved: columns.saved(),
            arm_column: match &columns.arm {
                ArmColumn::At(at) => Some(columns.headers[*at].clone()),
                ArmColumn::Whole(_) => None,
            },
            first_rows: tally
                .sample
                .iter()
                .map(|row| RowRead {
                    line: row.line,
                    day: row.day,
                    arm: row.arm.to_string(),
                    values: row.values.iter().map(|&(metric, value)| (metric, millionths::print(value))).collect(),
                })
                .collect(),
            rows: tally.rows,
            days: tally.days.len() as u64,
            first,
            last,
            totals: amounts(&tally.values),
            currency: survey.currency,
            day_zone: survey.zone,
            day_zone_from: match survey.zone_from {
                ZoneFrom::File => "file",
                ZoneFrom::Setting => "setting",
                ZoneFrom::Experiment => "experiment",
            }
            .to_owned(),
            totals_rows_skipped: tally.totals_rows_skipped,
            totals_rows: tally
                .totals_rows
                .iter()
                .map(|row| TotalsRowSeen {
                    line: row.line,
                    text: if row.label.is_empty() { "account summary".to_owned() } else { row.label.clone() },
                })
                .collect(),
            arms: tally
                .arms
                .into_iter()
                .map(|(key, arm)| ArmSum {
                    key: key.to_string(),
                    also: arm.also.into_iter().collect(),
                    rows: arm.rows,
                    totals: amounts(&arm.values),
                })
                .collect(),
            notes: survey.notes.clone(),
            warnings,
        })
    }

    /// The days the file speaks for.
    pub fn covered(&self) -> Option<DateWindow> {
        DateWindow::new(self.first, self.last)
    }
}

/// What the sums alone show to be doubtful.
fn cautions(survey: &Survey, tally: &Tally) -> Vec<String> {
    let mut found = Vec::new();
    if let (count @ 1.., line) = tally.upside_down {
        found.push(format!(
            "there are more clicks than impressions, or more conversions than clicks, in {count} of {} rows, the first \
             on line {line}",
            tally.rows
        ));
    }
    if tally.rounded > 0 {
        found.push(format!(
            "numbers with more than six decimals were rounded to six, in {} of {} rows",
            tally.rounded, tally.rows
        ));
    }
    if survey.columns.day_may_be_start && tally.days.len() == 1 {
        found.push(
            "every row has the same day: if the report covers a longer span, export it again with a daily breakdown"
                .to_owned(),
        );
    }
    let named = matches!(survey.columns.arm, ArmColumn::At(at) if survey.columns.campaign.contains(&at));
    if named && survey.columns.campaign.len() > 1 {
        for (key, arm) in tally.arms.iter().filter(|(_, arm)| arm.also.len() > 1).take(5) {
            let also: Vec<&str> = arm.also.iter().map(String::as_str).collect();
            found.push(format!(
                "\"{key}\" stands for several campaigns ({}), which are added: name the column that tells them apart in \
                 arm_column if they are different arms",
                also.join(", ")
            ));
        }
    }
    found
}

fn column_use(survey: &Survey, at: usize) -> ColumnUse {
    let columns = &survey.columns;
    let days = match columns.day {
        DayColumn::One(day) => [day, day],
        DayColumn::Span(start, end) => [start, end],
    };
    let mut uses = Vec::new();
    if days.contains(&at) {
        uses.push("day".to_owned());
    }
    if columns.arm == ArmColumn::At(at) {
        uses.push("arm".to_owned());
    } else if columns.campaign.contains(&at) {
        uses.push("shown beside the arm".to_owned());
    }
    if columns.currency == Some(at) {
        uses.push("currency".to_owned());
    }
    uses.extend(columns.metric_at(at).map(|metric| metric.to_string()));
    let why_not = columns.passed_over.iter().find(|(passed, _)| *passed == at).map(|(_, why)| why.clone());
    let first =
        if uses.is_empty() { vec![] } else { survey.sample.iter().map(|(_, cells)| cells[at].clone()).collect() };
    let taken_for = (!uses.is_empty()).then(|| uses.join(", "));
    ColumnUse { name: columns.headers[at].clone(), taken_for, why_not, first }
}

fn list(amounts: &Amounts) -> String {
    amounts
        .iter()
        .map(|(metric, amount)| format!("{metric} {}", grouped(*metric, amount)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// An exact amount as people read it: `56,997`, `1,499.90` for money.
fn grouped(metric: MetricId, amount: &str) -> String {
    let (whole, decimals) = amount.split_once('.').unwrap_or((amount, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), thousands);
    match (metric.metric().unit, decimals) {
        (Unit::Money, decimals) => format!("{whole}.{decimals:0<2}"),
        (Unit::Count, "") => whole,
        (Unit::Count, decimals) => format!("{whole}.{decimals}"),
    }
}

/// How a table is written: the beginning of the first line about it.
pub(super) fn written(sheet: Option<&str>, encoding: &str, delimiter: &str) -> String {
    sheet.map_or_else(
        || format!("Text      {encoding}, {delimiter} between fields"),
        |sheet| format!("Sheet     \"{}\" of a workbook", short(sheet, 40)),
    )
}

/// Whole lines, ready to print; no line end behind the last.
impl fmt::Display for Understanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}, column names on line {}",
            written(self.sheet.as_deref(), &self.encoding, &self.delimiter),
            self.header_line
        )?;
        for line in &self.preamble {
            writeln!(f, "          before them: {line}")?;
        }
        writeln!(f, "Numbers   {}", self.numbers)?;
        let zone = match self.day_zone_from.as_str() {
            "file" => "as the file says",
            "setting" => "from the setting day_zone",
            _ => "the experiment's: the file names none; the setting day_zone does",
        };
        writeln!(f, "Days      {} to {}, {} of them, written {}", self.first, self.last, self.days, self.days_written)?;
        writeln!(f, "          in {} ({zone})", self.day_zone)?;
        if let Some(currency) = self.currency {
            writeln!(f, "Money     {currency}")?;
        }
        writeln!(f, "Rows      {}", thousands(self.rows))?;
        for row in &self.totals_rows {
            writeln!(f, "          left out, a sum of others: line {} \"{}\"", row.line, short(&row.text, 50))?;
        }
        if self.totals_rows_skipped > self.totals_rows.len() as u64 {
            writeln!(f, "          left out, sums of others: {} in all", self.totals_rows_skipped)?;
        }
        write!(f, "{}", Table { columns: &self.columns, lines: &self.first_lines })?;
        match &self.arm_column {
            Some(column) => writeln!(f, "Arms, by \"{column}\"")?,
            None => writeln!(f, "Arm, for the whole file")?,
        }
        for arm in self.arms.iter().take(ARMS_SHOWN) {
            let also = if arm.also.is_empty() { String::new() } else { format!(" ({})", arm.also.join(", ")) };
            writeln!(
                f,
                "  {}{also}: {} {}, {}",
                arm.key,
                thousands(arm.rows),
                if arm.rows == 1 { "row" } else { "rows" },
                list(&arm.totals)
            )?;
        }
        if self.arms.len() > ARMS_SHOWN {
            writeln!(f, "  and {} more", self.arms.len() - ARMS_SHOWN)?;
        }
        write!(f, "Total     {}", list(&self.totals))?;
        for note in &self.notes {
            write!(f, "\nNote      {note}")?;
        }
        for warning in &self.warnings {
            write!(f, "\nCheck     {warning}")?;
        }
        Ok(())
    }
}
