//! Cells to instants: when an answer was begun or sent. The day is read as the whole column writes days; a time without
//! a zone is a question, never taken for UTC.

use chrono::{DateTime, FixedOffset, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

use super::super::FileError;
use super::super::days::{self, DayFormat, Order};

/// Zones that RFC 2822 names by letters, in hours from UTC. Other abbreviations mean different zones to different people.
const LETTERS: [(&str, i32); 12] = [
    ("z", 0),
    ("ut", 0),
    ("utc", 0),
    ("gmt", 0),
    ("est", -5),
    ("edt", -4),
    ("cst", -6),
    ("cdt", -5),
    ("mst", -7),
    ("mdt", -6),
    ("pst", -8),
    ("pdt", -7),
];

/// A cell taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Written<'c> {
    day: &'c str,
    time: NaiveTime,
    offset: Option<FixedOffset>,
}

fn written(cell: &str) -> Option<Written<'_>> {
    let cell = cell.trim();
    let Some(colon) = cell.find(':') else {
        let day = days::looks_like_day(cell).then_some(cell)?;
        return Some(Written { day, time: NaiveTime::MIN, offset: None });
    };
    let (before, after) = (&cell[..colon], &cell[colon + 1..]);
    let hour_digits = before.len() - before.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
    let (day, hour) = before.split_at(before.len() - hour_digits);
    let day = day.trim_end_matches(|letter: char| letter.is_whitespace() || matches!(letter, 'T' | ','));
    let day = day.strip_suffix(" at").unwrap_or(day).trim_end_matches([' ', ',']);
    let hour: u32 = (1..=2).contains(&hour_digits).then(|| hour.parse().ok()).flatten()?;
    let (minute, mut rest) = two_digits(after)?;
    let mut second = 0;
    if let Some(more) = rest.strip_prefix(':') {
        (second, rest) = two_digits(more)?;
        if let Some(fraction) = rest.strip_prefix(['.', ',']) {
            rest = fraction.trim_start_matches(|letter: char| letter.is_ascii_digit());
        }
    }
    let (hour, zone) = half_of_day(hour, rest.trim())?;
    let time = NaiveTime::from_hms_opt(hour, minute, second)?;
    Some(Written { day: days::looks_like_day(day).then_some(day)?, time, offset: offset(zone)? })
}

fn two_digits(text: &str) -> Option<(u32, &str)> {
    let digits = text.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
    Some((digits.parse().ok()?, &text[2..]))
}

/// The hour of a whole day, and what stands behind "AM" or "p. m.".
fn half_of_day(hour: u32, rest: &str) -> Option<(u32, &str)> {
    for (half, words) in [(0, ["am", "a.m.", "a. m.", "a.\u{a0}m."]), (12, ["pm", "p.m.", "p. m.", "p.\u{a0}m."])] {
        for word in words {
            let begins = rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
            if begins {
                return (1..=12).contains(&hour).then(|| (hour % 12 + half, rest[word.len()..].trim()));
            }
        }
    }
    Some((hour, rest))
}

/// The outer `None` is what cannot be read; the inner one a time without a zone.
#[expect(clippy::option_option, reason = "unreadable and absent are two things")]
fn offset(zone: &str) -> Option<Option<FixedOffset>> {
    let zone = zone.trim_matches(['(', ')']).to_lowercase();
    if zone.is_empty() {
        return Some(None);
    }
    let hours = |hours: i32| FixedOffset::east_opt(hours * 3_600);
    if let Some((_, named)) = LETTERS.iter().find(|(letters, _)| *letters == zone) {
        return Some(hours(*named));
    }
    let signed = zone.strip_prefix("utc").or_else(|| zone.strip_prefix("gmt")).unwrap_or(&zone);
    let (sign, digits) = match signed.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, signed.strip_prefix(['-', '\u{2212}'])?),
    };
    let (hour, minute) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let number = |text: &str| (1..=2).contains(&text.len()).then(|| text.parse::<i32>().ok()).flatten();
    let (hour, minute) = (number(hour)?, number(minute)?);
    let fits = hour <= 14 && minute < 60;
    Some(Some(fits.then(|| FixedOffset::east_opt(sign * (hour * 3_600 + minute * 60))).flatten()?))
}

/// What the cells of the columns of times say together.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    days: days::Evidence,
    cells: u64,
    /// The first time without a zone.
    unzoned: Option<(u64, String)>,
}

impl Evidence {
    /// Takes one cell in.
    pub(super) fn add(&mut self, cell: &str, line: u64) -> Result<(), FileError> {
        let written = written(cell).ok_or_else(|| FileError::Mend {
            line,
            what: format!("\"{cell}\" is not a day and time that can be read"),
        })?;
        self.days.add(written.day, line)?;
        self.cells += 1;
        if written.offset.is_none() {
            self.unzoned.get_or_insert_with(|| (line, cell.to_owned()));
        }
        Ok(())
    }

    /// Whether no cell was taken in.
    pub(super) fn is_empty(&self) -> bool {
        self.cells == 0
    }

    /// Whether every time carries its zone.
    pub(super) fn is_zoned(&self) -> bool {
        self.unzoned.is_none()
    }

    /// The form of the columns; `zone` is what the column names or the user say.
    pub(super) fn decide(&self, order: Option<Order>, zone: Option<Tz>) -> Result<InstantFormat, FileError> {
        let days = self.days.decide(order)?;
        if let (Some((line, cell)), None) = (&self.unzoned, zone) {
            return Err(FileError::Answer {
                setting: "time_zone",
                what: format!(
                    "\"{cell}\" on line {line} does not say in which time zone it is. Write time_zone = \
                     \"Europe/Berlin\", or the zone of the account or spreadsheet the export comes from"
                ),
            });
        }
        Ok(InstantFormat { days, zone: zone.unwrap_or(Tz::UTC) })
    }
}

/// How times are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InstantFormat {
    days: DayFormat,
    zone: Tz,
}

impl InstantFormat {
    /// Reads a cell. A time that comes twice in its zone, when clocks go back, is taken for the first.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn read(self, cell: &str) -> Result<DateTime<Utc>, String> {
        let unreadable = || format!("\"{cell}\" is not a day and time of the calendar");
        let written = written(cell).ok_or_else(unreadable)?;
        let day = self.days.read(written.day).ok_or_else(unreadable)?;
        let local = day.and_time(written.time);
        if let Some(offset) = written.offset {
            return offset.from_local_datetime(&local).single().map(|at| at.to_utc()).ok_or_else(unreadable);
        }
        self.zone.from_local_datetime(&local).earliest().map(|at| at.to_utc()).ok_or_else(|| {
            format!("\"{cell}\" never was: clocks in {} were put forward over it. Is time_zone right?", self.zone)
        })
    }

    /// As people read it.
    pub(super) fn describe(self) -> &'static str {
        self.days.describe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cells: &[&str], zone: Option<Tz>) -> Result<Vec<String>, String> {
        let mut evidence = Evidence::default();
        for (line, cell) in (1..).zip(cells) {
            evidence.add(cell, line).map_err(|error| error.to_string())?;
        }
        let format = evidence.decide(None, zone).map_err(|error| error.to_string())?;
        cells.iter().map(|cell| format.read(cell).map(|at| at.format("%FT%TZ").to_string())).collect()
    }

    #[test]
    fn every_form_is_read() {
        for (cell, expected) in [
            ("2016-03-29 21:36:26", "2016-03-29T21:36:26Z"),
            ("2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z"),
            ("2026-03-02T09:00:00.123+02:00", "2026-03-02T07:00:00Z"),
            ("08/12/2023 12:11:26 PM", "2023-08-12T12:11:26Z"),
            ("08/13/2023 12:11:26 AM", "2023-08-13T00:11:26Z"),
            ("2021/05/16 9:56:41 PM GMT+2", "2021-05-16T19:56:41Z"),
            ("2021/05/16 9:56:41 AM MDT", "2021-05-16T15:56:41Z"),
            ("16.05.2021 09:56", "2021-05-16T09:56:00Z"),
            ("16/05/2021, 09:56:41", "2021-05-16T09:56:41Z"),
            ("May 16, 2021 at 9:56 a.m.", "2021-05-16T09:56:00Z"),
            ("2021-05-16 09:56 -0330", "2021-05-16T13:26:00Z"),
            ("2021-05-16", "2021-05-16T00:00:00Z"),
        ] {
            let day_first = [cell, "08/31/2023 1:00:00 AM"];
            let cells = if cell.starts_with("08/") { &day_first[..] } else { &day_first[..1] };
            assert_eq!(read(cells, Some(Tz::UTC)).map(|read| read[0].clone()), Ok(expected.to_owned()), "{cell}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_a_question() {
        let error = read(&["2026-03-02T09:00:00Z", "2026-03-02 09:00:00"], None).unwrap_err();
        assert!(error.contains("time_zone") && error.contains("line 2"), "{error}");
        assert!(read(&["2026-03-02T09:00:00Z"], None).is_ok());
        // In Berlin, 02:30 of 29 March 2026 never was; of 25 October it came twice.
        let berlin = Some(Tz::Europe__Berlin);
        assert!(read(&["2026-03-29 02:30:00"], berlin).unwrap_err().contains("never was"));
        assert_eq!(read(&["2026-10-25 02:30:00"], berlin).unwrap(), ["2026-10-25T00:30:00Z"]);
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for cell in
            ["", "soon", "25:00", "2026-03-02 25:00", "2026-03-02 9:61", "2026-03-02 13:00 PM", "2026-03-02 9:00 XYZ"]
        {
            assert!(read(&[cell], Some(Tz::UTC)).is_err(), "{cell}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_cell_is_read_or_refused(cell: String, close in "[0-9]{1,4}[-/. ][0-9]{1,2}[-/. ][0-9]{1,4}[T ,]{1,2}[0-9]{1,2}:[0-9:. apmAPMZ+é-]{0,14}") {
            let _ = read(&[&cell], Some(Tz::UTC));
            let _ = read(&[&close], Some(Tz::UTC));
        }
    }
}
