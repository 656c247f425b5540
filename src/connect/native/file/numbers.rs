//! Cells to numbers. How a file writes them is decided once, from all its cells together, never cell by
//! cell: "1.234" alone may be a thousand or one and a bit. Not for days, not for columns.

use crate::domain::millionths::{self, NotExact};

use super::FileError;

/// What stands before the decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decimal {
    Point,
    Comma,
}

/// What stands between thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thousands {
    Comma,
    Point,
    /// Plain, no-break and narrow no-break alike.
    Space,
    /// Straight and curly alike.
    Apostrophe,
}

impl Thousands {
    fn of(character: char) -> Option<Self> {
        match character {
            ',' => Some(Self::Comma),
            '.' => Some(Self::Point),
            '\'' | '\u{2019}' => Some(Self::Apostrophe),
            _ if character.is_whitespace() => Some(Self::Space),
            _ => None,
        }
    }

    /// The decimal sign a separator would be, were it one.
    fn as_decimal(self) -> Option<Decimal> {
        match self {
            Self::Comma => Some(Decimal::Comma),
            Self::Point => Some(Decimal::Point),
            Self::Space | Self::Apostrophe => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Comma => "a comma",
            Self::Point => "a point",
            Self::Space => "a space",
            Self::Apostrophe => "an apostrophe",
        }
    }
}

/// How a file writes numbers; `None` where it shows none of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct NumberFormat {
    pub decimal: Option<Decimal>,
    pub thousands: Option<Thousands>,
}

impl NumberFormat {
    /// As people read it.
    pub(super) fn describe(self) -> String {
        let decimal = match self.decimal {
            None => return "digits only".to_owned(),
            Some(Decimal::Point) => "decimal point",
            Some(Decimal::Comma) => "decimal comma",
        };
        match self.thousands {
            None => decimal.to_owned(),
            Some(thousands) => format!("{decimal}, {} between thousands", thousands.name()),
        }
    }
}

/// A cell that holds a number, without what stands around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bare<'c> {
    pub negative: bool,
    /// Digits and separators.
    pub body: &'c str,
    /// `US$`, `€`, `EUR` …; empty for none.
    pub money: &'c str,
    pub percent: bool,
}

/// The marks ad managers write for "nothing here".
pub(super) fn is_absent(cell: &str) -> bool {
    matches!(cell.trim(), "" | "-" | "--" | "\u{2013}" | "\u{2014}" | "N/A" | "n/a")
}

/// Takes sign, currency and percent sign off; `None` when that does not leave digits and separators.
pub(super) fn bare(cell: &str) -> Option<Bare<'_>> {
    let digit = |character: char| character.is_ascii_digit();
    let cell = cell.trim();
    let start = cell.find(digit)?;
    let end = cell.rfind(digit)? + 1;
    // ".5" keeps its point, "R$ 5" does not gain one.
    let start = if cell[..start].ends_with(['.', ',']) { start - 1 } else { start };
    let (before, body, after) = (&cell[..start], &cell[start..end], &cell[end..]);
    if !body.chars().all(|character| digit(character) || Thousands::of(character).is_some()) {
        return None;
    }
    let minus = |character: char| matches!(character, '-' | '\u{2212}');
    let before = before.trim();
    let unsigned = before.trim_start_matches(minus).trim_end_matches(minus);
    let signs = before.chars().count() - unsigned.chars().count();
    let (before, after) = (unsigned.trim(), after.trim());
    let (percent, money) = match (before, after) {
        ("", "%") => (true, ""),
        ("", money) | (money, "") if money.is_empty() || looks_like_money(money) => (false, money),
        _ => return None,
    };
    (signs <= 1).then_some(Bare { negative: signs == 1, body, money, percent })
}

/// At most four letters and currency signs: `US$`, `€`, `CHF`, `zł`.
fn looks_like_money(text: &str) -> bool {
    text.chars().count() <= 4
        && text.chars().all(|character| character.is_alphabetic() || "$€£¥₹₩₽₺₫₴₪".contains(character))
}

/// What one body of digits and separators says about the format of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// No separator.
    Nothing,
    /// Only one reading is possible.
    Format(NumberFormat),
    /// One separator with three digits behind it: thousands, or three decimals.
    Either(Thousands),
    /// No format writes this.
    Nonsense,
}

fn says(body: &str) -> Says {
    let mut separators = body.char_indices().filter_map(|(at, found)| Some((at, found, Thousands::of(found)?)));
    let Some((first_at, _, first)) = separators.next() else { return Says::Nothing };
    let Some((last_at, last_character, last)) = separators.next_back() else {
        let (whole, after) = (&body[..first_at], body[first_at..].chars().count() - 1);
        let grouped = after == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
        return match (first.as_decimal(), grouped) {
            (Some(_), true) => Says::Either(first),
            (Some(decimal), false) => Says::Format(NumberFormat { decimal: Some(decimal), thousands: None }),
            (None, _) => Says::Format(NumberFormat { decimal: None, thousands: Some(first) }),
        };
    };
    let format = if last == first {
        NumberFormat { decimal: first.other(), thousands: Some(first) }
    } else {
        NumberFormat { decimal: last.as_decimal(), thousands: Some(first) }
    };
    let whole = if last == first { body } else { &body[..last_at] };
    let fits = ungrouped(whole, Some(first)).is_some()
        && (last == first || (last.as_decimal().is_some() && digits(&body[last_at + last_character.len_utf8()..])));
    if fits { Says::Format(format) } else { Says::Nonsense }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A whole number without its separators. Groups have three digits, the first one to three; behind the
/// first, groups of two before the last three are Indian.
fn ungrouped(whole: &str, thousands: Option<Thousands>) -> Option<String> {
    if digits(whole) {
        return Some(whole.to_owned());
    }
    let thousands = thousands?;
    let groups: Vec<&str> = whole.split(|found| Thousands::of(found) == Some(thousands)).collect();
    let (first, rest) = groups.split_first()?;
    let (last, middle) = rest.split_last()?;
    let fits = (1..=3).contains(&first.len())
        && last.len() == 3
        && (middle.iter().all(|group| group.len() == 3) || middle.iter().all(|group| group.len() == 2))
        && groups.iter().all(|group| digits(group));
    fits.then(|| groups.concat())
}

#[derive(Clone, Debug)]
struct Sight {
    line: u64,
    cell: String,
}

impl Sight {
    fn words(&self) -> String {
        format!("\"{}\" on line {}", self.cell, self.line)
    }
}

/// What the cells of a file say together.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    decimal: Option<(Decimal, Sight)>,
    thousands: Option<(Thousands, Sight)>,
    either: Option<Sight>,
}

impl Evidence {
    /// Takes one cell in. `whole` says the column counts whole things, so that three digits behind a
    /// separator cannot be decimals; but for "5.000", which some tools write for five.
    pub(super) fn add(&mut self, cell: &str, whole: bool, line: u64) -> Result<(), FileError> {
        let Some(bare) = bare(cell) else { return Ok(()) };
        let format = match says(bare.body) {
            Says::Nothing => return Ok(()),
            Says::Format(format) => format,
            Says::Either(thousands) if whole && !bare.body.ends_with("000") => {
                NumberFormat { decimal: thousands.other(), thousands: Some(thousands) }
            }
            Says::Either(_) => {
                self.either.get_or_insert_with(|| Sight { line, cell: cell.to_owned() });
                return Ok(());
            }
            Says::Nonsense => return Err(unreadable(cell, line)),
        };
        let sight = || Sight { line, cell: cell.to_owned() };
        if let Some(decimal) = format.decimal {
            let (known, first) = self.decimal.get_or_insert_with(|| (decimal, sight()));
            if *known != decimal {
                return Err(contradiction(first, &sight()));
            }
        }
        if let Some(thousands) = format.thousands {
            let (known, first) = self.thousands.get_or_insert_with(|| (thousands, sight()));
            if *known != thousands {
                return Err(contradiction(first, &sight()));
            }
        }
        Ok(())
    }

    /// The format of the file. `setting` is the user's answer, `others` are columns that are not
    /// imported (rates, averages), asked only when the imported ones leave the question open.
    pub(super) fn decide(&self, setting: Option<Decimal>, others: &Self) -> Result<NumberFormat, FileError> {
        let known = |evidence: &Self| evidence.decimal.as_ref().map(|(decimal, _)| *decimal);
        let decimal = setting.or_else(|| known(self)).or_else(|| known(others));
        if let (None, Some(sight)) = (decimal, &self.either) {
            return Err(FileError::Answer {
                setting: "decimal",
                what: format!(
                    "{} may be a thousand or a number with three decimals, and nothing else in the file decides it. \
                     Write decimal = \"point\" if 1.5 is one and a half in this file, decimal = \"comma\" if 1,5 is",
                    sight.words()
                ),
            });
        }
        let seen = self.thousands.as_ref().map(|(thousands, _)| *thousands);
        // With decimals settled, the one reading left for "4,099" beside "117.55" is thousands.
        let implied = self.either.as_ref().and(decimal).map(|decimal| match decimal {
            Decimal::Point => Thousands::Comma,
            Decimal::Comma => Thousands::Point,
        });
        Ok(NumberFormat { decimal, thousands: seen.or(implied) })
    }
}

impl Thousands {
    /// Where this stands between thousands, what stands before decimals; open for spaces and apostrophes.
    fn other(self) -> Option<Decimal> {
        match self {
            Self::Comma => Some(Decimal::Point),
            Self::Point => Some(Decimal::Comma),
            Self::Space | Self::Apostrophe => None,
        }
    }
}

fn contradiction(first: &Sight, second: &Sight) -> FileError {
    FileError::Mend {
        line: second.line,
        what: format!(
            "numbers are written in two ways, {} and \"{}\" here, so none can be trusted: export the report again \
             without opening it in a spreadsheet",
            first.words(),
            second.cell
        ),
    }
}

fn unreadable(cell: &str, line: u64) -> FileError {
    FileError::Mend { line, what: format!("\"{cell}\" is not a number that can be read") }
}

/// Reads a body in the format of its file, in millionths, and says whether a seventh decimal was rounded.
pub(super) fn read(body: &str, format: NumberFormat) -> Result<(i64, bool), NotExact> {
    let sign = match format.decimal {
        Some(Decimal::Comma) => ',',
        Some(Decimal::Point) | None => '.',
    };
    let (whole, fraction) = body.split_once(sign).unwrap_or((body, "0"));
    let whole = if whole.is_empty() { "0" } else { whole };
    let whole = ungrouped(whole, format.thousands).ok_or(NotExact::NotPlain)?;
    if !digits(fraction) {
        return Err(NotExact::NotPlain);
    }
    let (kept, cut) = fraction.split_at(fraction.len().min(6));
    let value = millionths::parse(&format!("{whole}.{kept}"))?;
    let up = i64::from(cut.as_bytes().first().is_some_and(|&digit| digit >= b'5'));
    let value = value.checked_add(up).ok_or(NotExact::TooLarge)?;
    Ok((value, cut.bytes().any(|digit| digit != b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(cells: &[(&str, bool)], setting: Option<Decimal>) -> Result<NumberFormat, String> {
        let mut evidence = Evidence::default();
        for (cell, whole) in cells {
            evidence.add(cell, *whole, 1).map_err(|error| error.to_string())?;
        }
        evidence.decide(setting, &Evidence::default()).map_err(|error| error.to_string())
    }

    fn value(cell: &str, format: NumberFormat) -> Option<String> {
        let bare = bare(cell)?;
        Some(millionths::print(read(bare.body, format).ok()?.0))
    }

    const POINT: NumberFormat = NumberFormat { decimal: Some(Decimal::Point), thousands: Some(Thousands::Comma) };
    const COMMA: NumberFormat = NumberFormat { decimal: Some(Decimal::Comma), thousands: Some(Thousands::Point) };

    #[test]
    fn h19_every_separator_and_currency_is_read() {
        let spaced = |decimal| NumberFormat { decimal: Some(decimal), thousands: Some(Thousands::Space) };
        let swiss = NumberFormat { decimal: Some(Decimal::Point), thousands: Some(Thousands::Apostrophe) };
        for (cell, format, expected) in [
            ("US$15.81", POINT, "15.81"),
            ("15,81 \u{20ac}", COMMA, "15.81"),
            ("1.234,5", COMMA, "1234.5"),
            ("1,234.5", POINT, "1234.5"),
            ("12,34,567.8", POINT, "1234567.8"),
            ("2\u{202f}804,11", spaced(Decimal::Comma), "2804.11"),
            ("2\u{a0}804,11", spaced(Decimal::Comma), "2804.11"),
            ("2 804.11", spaced(Decimal::Point), "2804.11"),
            ("2\u{2019}804.11", swiss, "2804.11"),
            ("2'804.11", swiss, "2804.11"),
            (".5", POINT, "0.5"),
            ("CHF 12.30", POINT, "12.3"),
            ("8.48139711", POINT, "8.481397"),
            ("0.0000005", POINT, "0.000001"),
            ("1234567", NumberFormat::default(), "1234567"),
        ] {
            assert_eq!(value(cell, format).as_deref(), Some(expected), "{cell}");
        }
    }

    #[test]
    fn h19_what_is_not_a_number_is_never_read() {
        for cell in [
            "NaN", "inf", "", "1e400", "1.2.3", "12,34", "1,2345.6", "(5.00)", "<10", "0x1F", "5 %%", "--5", "٣", "1 2",
        ] {
            assert_eq!(value(cell, POINT), None, "{cell}");
        }
        assert!(bare("99999999999999999999").is_some_and(|bare| read(bare.body, POINT) == Err(NotExact::TooLarge)));
        assert!(bare("-5").unwrap().negative && bare("-$5").unwrap().negative && bare("$-5").unwrap().negative);
        assert!(bare("3.15%").unwrap().percent);
    }

    #[test]
    fn x1_the_format_is_decided_by_all_cells_together() {
        assert_eq!(decide(&[("4.099", true), ("117,55", false)], None), Ok(COMMA));
        assert_eq!(decide(&[("4,099", true), ("7", false)], None), Ok(POINT));
        assert_eq!(decide(&[("4,099", false), ("117.55", false)], None), Ok(POINT));
        assert_eq!(decide(&[("1.234.567", false)], None), Ok(COMMA));
        assert_eq!(decide(&[("12", true), ("7", false)], None), Ok(NumberFormat::default()));
        let spaced = decide(&[("4\u{202f}099", true), ("117,55", false)], None).unwrap();
        assert_eq!(spaced, NumberFormat { decimal: Some(Decimal::Comma), thousands: Some(Thousands::Space) });
    }

    #[test]
    fn x1_an_open_question_is_asked_and_a_contradiction_refused() {
        assert!(decide(&[("1.234", false)], None).unwrap_err().contains("decimal = \"point\""));
        assert!(decide(&[("5.000", true)], None).unwrap_err().contains("decimal = \"point\""));
        assert_eq!(decide(&[("1.234", false)], Some(Decimal::Comma)), Ok(COMMA));
        assert!(decide(&[("1.50", false), ("1,50", false)], None).unwrap_err().contains("two ways"));
        assert!(decide(&[("4.099", true), ("117.55", false)], None).unwrap_err().contains("two ways"));
        assert!(decide(&[("1'000", true), ("1 000", true)], None).unwrap_err().contains("two ways"));
        assert!(decide(&[("1,23,4", true)], None).is_err());
    }

    #[test]
    fn rates_decide_only_what_the_imported_columns_leave_open() {
        let (mut mine, mut others) = (Evidence::default(), Evidence::default());
        mine.add("1.234", false, 1).unwrap();
        others.add("3,15%", false, 1).unwrap();
        assert_eq!(mine.decide(None, &others).unwrap(), COMMA);
        mine.add("2.5", false, 2).unwrap();
        assert_eq!(mine.decide(None, &others).unwrap().decimal, Some(Decimal::Point));
    }

    proptest::proptest! {
        #[test]
        fn any_cell_is_read_or_refused(cell: String, body in "[0-9.,' -]{0,12}") {
            for text in [&cell, &body] {
                let mut evidence = Evidence::default();
                let _ = evidence.add(text, false, 1);
                for format in [POINT, COMMA, NumberFormat::default()] {
                    let _ = value(text, format);
                }
            }
        }
    }
}
