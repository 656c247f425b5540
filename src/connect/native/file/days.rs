//! Cells to calendar days. One form for the whole column; whether 3/2/2026 is in March or in February is
//! decided by the column as a whole, or asked. Not for instants: an hourly row is refused.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::FileError;

/// Names of the months in English, German, French and Spanish, long and short. A language is added here.
const MONTHS: [&[&str]; 12] = [
    &["jan", "january", "januar", "jänner", "janv", "janvier", "ene", "enero"],
    &["feb", "february", "februar", "févr", "fév", "février", "febrero"],
    &["mar", "march", "mär", "märz", "mrz", "mars", "marzo"],
    &["apr", "april", "avr", "avril", "abr", "abril"],
    &["may", "mai", "mayo"],
    &["jun", "june", "juni", "juin", "junio"],
    &["jul", "july", "juli", "juil", "juillet", "julio"],
    &["aug", "august", "août", "aout", "ago", "agosto"],
    &["sep", "sept", "september", "septembre", "septiembre"],
    &["oct", "october", "okt", "oktober", "octobre", "octubre"],
    &["nov", "november", "novembre", "noviembre"],
    &["dec", "december", "dez", "dezember", "déc", "décembre", "dic", "diciembre"],
];

/// Ad exports begin with the ad managers; anything outside is a misread or mistyped year.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2100;

/// Which comes first in 3/2/2026.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    DayFirst,
    MonthFirst,
}

/// How a day is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// 2026-03-02, 2026/03/02, 20260302.
    YearFirst,
    /// 02.03.2026.
    Dotted,
    /// 3/2/2026, 3-2-2026: either order.
    Open,
    /// Mon, 2 Mar 2026; March 2, 2026.
    Named,
}

/// One cell taken apart: for [`Form::Open`] `first` and `second` as written, else month and day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Written {
    form: Form,
    year: i32,
    first: u32,
    second: u32,
}

/// How the day column is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DayFormat {
    form: Form,
    order: Order,
}

/// Whether a cell has the form of a day, right or wrong in its numbers.
pub(super) fn looks_like_day(cell: &str) -> bool {
    written(cell).is_some()
}

fn written(cell: &str) -> Option<Written> {
    let cell = without_midnight(cell.trim());
    let number = |text: &str, longest: usize| {
        let fits = (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| text.parse::<u32>().ok()).flatten()
    };
    let year = |text: &str| (text.len() == 4).then(|| number(text, 4)).flatten().and_then(|year| year.try_into().ok());
    if cell.len() == 8 && number(cell, 8).is_some() {
        let (first, second) = (number(&cell[4..6], 2)?, number(&cell[6..], 2)?);
        return Some(Written { form: Form::YearFirst, year: year(&cell[..4])?, first, second });
    }
    for separator in ['-', '/', '.'] {
        let parts: Vec<&str> = cell.split(separator).collect();
        let [a, b, c] = parts[..] else { continue };
        if let (Some(year), Some(first), Some(second)) = (year(a), number(b, 2), number(c, 2)) {
            return Some(Written { form: Form::YearFirst, year, first, second });
        }
        if let (Some(first), Some(second), Some(year)) = (number(a, 2), number(b, 2), year(c)) {
            return Some(match separator {
                '.' => Written { form: Form::Dotted, year, first: second, second: first },
                _ => Written { form: Form::Open, year, first, second },
            });
        }
    }
    let mut words: Vec<&str> = cell
        .split(|found: char| found.is_whitespace() || matches!(found, ',' | '.'))
        .filter(|word| !matches!(*word, "" | "de" | "del"))
        .collect();
    if words.len() == 4 && words[0].chars().all(char::is_alphabetic) {
        words.remove(0);
    }
    let [a, b, c] = words[..] else { return None };
    let day = |word: &str| number(word.strip_suffix("er").unwrap_or(word), 2);
    let (first, second) = month(b).zip(day(a)).or_else(|| month(a).zip(day(b)))?;
    Some(Written { form: Form::Named, year: year(c)?, first, second })
}

fn without_midnight(cell: &str) -> &str {
    let Some((day, time)) = cell.split_once([' ', 'T']) else { return cell };
    if matches!(time, "00:00" | "00:00:00" | "00:00:00Z" | "0:00" | "0:00:00") { day } else { cell }
}

fn month(word: &str) -> Option<u32> {
    let word = word.to_lowercase();
    (1..).zip(MONTHS).find_map(|(number, names)| names.contains(&word.as_str()).then_some(number))
}

#[derive(Debug)]
struct Sight {
    line: u64,
    cell: String,
}

/// What the cells of the day column say together.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    form: Option<(Form, Sight)>,
    day_first: Option<Sight>,
    month_first: Option<Sight>,
    /// Every (year, first, second) of [`Form::Open`]; at most a few thousand by construction.
    open: BTreeSet<(i32, u32, u32)>,
}

impl Evidence {
    /// Takes one cell in.
    pub(super) fn add(&mut self, cell: &str, line: u64) -> Result<(), FileError> {
        let written = written(cell)
            .filter(|written| YEARS.contains(&written.year))
            .ok_or_else(|| FileError::Mend { line, what: format!("\"{cell}\" is not a day that can be read") })?;
        let sight = || Sight { line, cell: cell.to_owned() };
        let (form, first) = self.form.get_or_insert_with(|| (written.form, sight()));
        if *form != written.form {
            return Err(FileError::Mend {
                line,
                what: format!(
                    "days are written in two ways, \"{}\" on line {} and \"{cell}\" here, so none can be trusted: \
                     export the report again without opening it in a spreadsheet",
                    first.cell, first.line
                ),
            });
        }
        if written.form == Form::Open {
            if written.first > 12 {
                self.day_first.get_or_insert_with(sight);
            }
            if written.second > 12 {
                self.month_first.get_or_insert_with(sight);
            }
            if written.first <= 31 && written.second <= 31 {
                self.open.insert((written.year, written.first, written.second));
            }
        }
        Ok(())
    }

    /// The form of the column; `setting` is the user's answer.
    pub(super) fn decide(&self, setting: Option<Order>) -> Result<DayFormat, FileError> {
        let Some((form, sight)) = &self.form else {
            return Err(FileError::ExportAgain("the file has no rows with a day: export a daily report".to_owned()));
        };
        let form = *form;
        if form != Form::Open {
            return Ok(DayFormat { form, order: Order::DayFirst });
        }
        let order = match (&self.day_first, &self.month_first, setting) {
            (Some(day), Some(month), _) => {
                return Err(FileError::Mend {
                    line: day.line.max(month.line),
                    what: format!(
                        "\"{}\" on line {} puts the day first and \"{}\" on line {} the month, so no day can be \
                         trusted: export the report again without opening it in a spreadsheet",
                        day.cell, day.line, month.cell, month.line
                    ),
                });
            }
            (_, _, Some(order)) => Some(order),
            (Some(_), None, None) => Some(Order::DayFirst),
            (None, Some(_), None) => Some(Order::MonthFirst),
            (None, None, None) => self.order_in_sequence(),
        };
        let order = order.ok_or_else(|| FileError::Answer {
            setting: "day_order",
            what: format!(
                "\"{}\" on line {} may have the day or the month first, and nothing else in the file decides it. Write \
                 day_order = \"day-first\" or day_order = \"month-first\"",
                sight.cell, sight.line
            ),
        })?;
        Ok(DayFormat { form, order })
    }

    /// A daily report follows the calendar. Three or more days that follow one another in one order lie
    /// a month apart in the other, which no daily report does.
    fn order_in_sequence(&self) -> Option<Order> {
        let runs = |order: Order| {
            let format = DayFormat { form: Form::Open, order };
            let days: Option<BTreeSet<NaiveDate>> = self
                .open
                .iter()
                .map(|&(year, first, second)| format.day_of(Written { form: Form::Open, year, first, second }))
                .collect();
            days.is_some_and(|days| {
                days.len() >= 3 && days.iter().zip(days.iter().skip(1)).all(|(a, b)| a.succ_opt() == Some(*b))
            })
        };
        match (runs(Order::DayFirst), runs(Order::MonthFirst)) {
            (true, false) => Some(Order::DayFirst),
            (false, true) => Some(Order::MonthFirst),
            _ => None,
        }
    }
}

impl DayFormat {
    /// Reads a cell of the column.
    pub(super) fn read(self, cell: &str) -> Option<NaiveDate> {
        written(cell).filter(|written| written.form == self.form).and_then(|written| self.day_of(written))
    }

    fn day_of(self, written: Written) -> Option<NaiveDate> {
        let swap = written.form == Form::Open && self.order == Order::DayFirst;
        let (month, day) = if swap { (written.second, written.first) } else { (written.first, written.second) };
        NaiveDate::from_ymd_opt(written.year, month, day).filter(|_| YEARS.contains(&written.year))
    }

    /// As people read it.
    pub(super) fn describe(self) -> &'static str {
        match (self.form, self.order) {
            (Form::YearFirst, _) => "year, month, day",
            (Form::Dotted, _) | (Form::Open, Order::DayFirst) => "day, month, year",
            (Form::Open, Order::MonthFirst) => "month, day, year",
            (Form::Named, _) => "with the month's name",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cells: &[&str], setting: Option<Order>) -> Result<Vec<String>, String> {
        let mut evidence = Evidence::default();
        for (line, cell) in (1..).zip(cells) {
            evidence.add(cell, line).map_err(|error| error.to_string())?;
        }
        let format = evidence.decide(setting).map_err(|error| error.to_string())?;
        Ok(cells
            .iter()
            .map(|cell| format.read(cell).map_or_else(|| "none".to_owned(), |day| day.to_string()))
            .collect())
    }

    #[test]
    fn every_form_is_read() {
        for cell in [
            "2026-03-02",
            "2026/3/2",
            "20260302",
            "2026-03-02 00:00:00",
            "02.03.2026",
            "2.3.2026",
            "Mon, 2 Mar 2026",
            "2 Mar 2026",
            "Mar 2, 2026",
            "Monday, March 2, 2026",
            "Mo., 2. März 2026",
            "lun. 2 mars 2026",
            "lun, 2 mar 2026",
            "2 de marzo de 2026",
        ] {
            assert_eq!(read(&[cell], None), Ok(vec!["2026-03-02".to_owned()]), "{cell}");
        }
        assert_eq!(read(&["1er avril 2026"], None), Ok(vec!["2026-04-01".to_owned()]));
    }

    #[test]
    fn h21_what_is_no_day_is_refused() {
        for cell in
            ["", "--", "2026-03", "2026-03-02|09", "2026-03-02 14:00", "2 Foo 2026", "0026-03-02", "3/2/26", "week 9"]
        {
            assert!(read(&[cell], None).is_err(), "{cell}");
        }
        assert_eq!(read(&["2026-02-30"], None), Ok(vec!["none".to_owned()]));
    }

    #[test]
    fn x1_the_order_is_decided_by_the_column_or_asked() {
        assert_eq!(read(&["3/2/2026", "3/15/2026"], None).unwrap()[0], "2026-03-02");
        assert_eq!(read(&["3/2/2026", "15/2/2026"], None).unwrap()[0], "2026-02-03");
        assert_eq!(read(&["3/2/2026", "3/3/2026", "3/4/2026"], None).unwrap()[2], "2026-03-04");
        assert_eq!(read(&["2/3/2026", "3/3/2026", "4/3/2026"], None).unwrap()[2], "2026-03-04");
        assert!(read(&["3/2/2026", "3/4/2026"], None).unwrap_err().contains("day_order"));
        assert_eq!(read(&["3/2/2026"], Some(Order::DayFirst)).unwrap()[0], "2026-02-03");
        assert!(read(&["15/2/2026", "2/15/2026"], None).unwrap_err().contains("line 2"));
        assert!(read(&["2026-03-02", "02.03.2026"], None).unwrap_err().contains("two ways"));
    }

    proptest::proptest! {
        #[test]
        fn any_cell_is_read_or_refused(cell: String, close in "[0-9]{1,4}[-/. ][0-9a-zéä]{1,4}[-/. ,][0-9]{1,4}") {
            let _ = read(&[&cell], None);
            let _ = read(&[&close], None);
        }
    }
}
