//! Where the table begins: the delimiter and the header row, found together by the names a header holds;
//! and which rows below it are data. Not for values.

use csv::StringRecord;

use super::FileError;
use super::columns::{Columns, DayColumn};
use super::days;
use super::numbers::is_absent;
use super::records::{Delimiter, Record};
use super::table::Table;

/// A header row stands among the first records, behind a title, a span of days and the like.
pub(super) const HEAD: usize = 60;

/// Longest piece of a line worth showing.
const SHOWN: usize = 120;

/// How a file is laid out.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub delimiter: Delimiter,
    pub header: Vec<String>,
    pub header_line: u64,
    /// What stands before the header, without its delimiters.
    pub preamble: Vec<String>,
}

/// Takes the delimiter under which some row holds most known column names, `least` of them at least. `known` counts
/// them in a row.
pub(super) fn find(table: &Table, known: impl Fn(&StringRecord) -> usize, least: usize) -> Result<Layout, FileError> {
    let mut best: Option<(usize, Layout)> = None;
    let (mut first_line, mut trouble) = (None, None);
    for &delimiter in table.delimiters() {
        let mut records = table.records(delimiter)?;
        let mut before = Vec::new();
        for _ in 0..HEAD {
            let record = match records.next() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                // Under the wrong delimiter quotes may seem not to close.
                Err(error) => {
                    trouble.get_or_insert(error);
                    break;
                }
            };
            let known = known(record.fields);
            if known >= least && best.as_ref().is_none_or(|(most, _)| known > *most) {
                let header = record.fields.iter().map(|cell| cell.trim().to_owned()).collect();
                let layout = Layout { delimiter, header, header_line: record.line, preamble: before.clone() };
                best = Some((known, layout));
            }
            before.push(shown(record));
        }
        first_line = first_line.or(before.into_iter().next());
    }
    match (best, trouble) {
        (Some((_, layout)), _) => Ok(layout),
        (None, Some(error)) => Err(error),
        (None, None) => Err(FileError::ExportAgain(format!(
            "no row with column names was found in the first {HEAD} lines; the first line reads \"{}\". Export it \
             as CSV with its column names, in English, German, French or Spanish, or name its columns in settings: \
             `willitsell connectors show file` (reports) and `connectors show form_file` (answers) list them",
            first_line.unwrap_or_default()
        ))),
    }
}

/// The cells of a record in one line, shortened.
pub(super) fn shown(record: Record<'_>) -> String {
    let cells: Vec<&str> = record.fields.iter().map(str::trim).filter(|cell| !cell.is_empty()).collect();
    cells.join(" ").replace('\n', " ").chars().take(SHOWN).collect()
}

/// What a row below the header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Counts of one day, or a row that must be refused for not being so.
    Data,
    /// A sum of other rows that says so.
    Totals,
    /// A sum of other rows known by having neither day nor name (Meta's account summary).
    Summary,
    /// Empty, or a copyright line.
    Nothing,
}

/// Words a totals row begins with, in English, German, French and Spanish. A language is added here.
const TOTALS: [&str; 14] = [
    "total",
    "totals",
    "totale",
    "totales",
    "gesamt",
    "gesamtsumme",
    "gesamtergebnis",
    "insgesamt",
    "summe",
    "zwischensumme",
    "sous-total",
    "subtotal",
    "somme",
    "suma",
];

/// Two or more words that are a totals row's whole label.
const TOTALS_LABELS: [&str; 6] =
    ["search total", "audience total", "overall total", "grand total", "total général", "total general"];

/// The label is nothing but a word for a sum.
fn is_total(cell: &str) -> bool {
    let label = cell.trim().trim_end_matches(':').trim_end().to_lowercase();
    TOTALS.contains(&label.as_str()) || TOTALS_LABELS.contains(&label.as_str())
}

/// The label begins with a word for a sum, as "Total: Account" or "Gesamt: Konto" do.
fn begins_as_total(cell: &str) -> bool {
    let lower = cell.trim().to_lowercase();
    let word = lower.split(|letter: char| !letter.is_alphabetic() && letter != '-').next().unwrap_or_default();
    TOTALS.contains(&word) || is_total(cell)
}

/// Tells data from sums. A campaign may be called "Total Wellness": its rows have a day, and a sum's have not,
/// unless its label is the bare word.
pub(super) fn kind(record: Record<'_>, columns: &Columns) -> Kind {
    let filled = record.fields.iter().map(str::trim).find(|cell| !cell.is_empty());
    if filled.is_none_or(|cell| cell.starts_with('\u{a9}')) {
        return Kind::Nothing;
    }
    let names = &columns.names;
    let nameless = !names.is_empty() && names.iter().all(|&at| is_absent(record.cell(at)));
    let (day, spans) = match columns.day {
        DayColumn::One(at) => (record.cell(at), false),
        DayColumn::Span(start, end) => (record.cell(start), record.cell(start) != record.cell(end)),
    };
    if days::looks_like_day(day) {
        let summed = names.iter().any(|&at| is_total(record.cell(at)));
        return match (summed, nameless && spans) {
            (true, _) => Kind::Totals,
            (false, true) => Kind::Summary,
            (false, false) => Kind::Data,
        };
    }
    if begins_as_total(record.cell(0))
        || begins_as_total(day)
        || names.iter().any(|&at| begins_as_total(record.cell(at)))
    {
        Kind::Totals
    } else if is_absent(day) && nameless {
        Kind::Summary
    } else {
        Kind::Data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x1_totals_are_known_in_every_language() {
        for label in [
            "Total: Account",
            "Total : compte",
            "Total of 14 results",
            "Gesamt: Konto",
            "Gesamt",
            "Summe",
            "Total général",
            "Total general:",
            "Search total",
            "Sous-total",
        ] {
            assert!(begins_as_total(label), "{label}");
        }
        for label in ["Totally new", "Summer sale", "Konzept A", "2026-03-02", "", "Gesamtkonzept"] {
            assert!(!begins_as_total(label), "{label}");
        }
        assert!(is_total("Total:") && !is_total("Total Wellness"));
    }
}
