//! Reads a vendor's numbers from their text, exactly. A plain number, or the same digits as text, is read
//! without a word; every other form must be declared in the manifest and anything else is refused. No
//! number passes through a binary float.

use super::extract::{Kind, unquoted};

/// What a manifest says of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Whole pieces.
    Whole,
    /// Pieces a vendor divides (modelled conversions), computed in floats on its side: digits beyond the
    /// millionth are rounded to the nearest millionth, halves up, and exponents are understood.
    Fractional,
    /// Money in the currency's unit, at most six decimals.
    Money,
    /// Money in millionths of the currency's unit.
    Micros,
}

/// Reads a JSON value as millionths. `exponent` says that the vendor writes what its floats hold, such as
/// `2E-05` or `-2E-18`: exponents are understood in every form, digits beyond the millionth are rounded,
/// and what is below zero but rounds to it is zero.
///
/// # Errors
/// What is wrong with it, to be read after the value itself: `"1,234.5" is not a plain number`.
pub(super) fn millionths(form: Form, exponent: bool, json: &str) -> Result<i64, &'static str> {
    let (text, quoted) = match Kind::of(json) {
        Kind::Number => (json, false),
        Kind::Text => (&json[1..json.len() - 1], true),
        _ => return Err("is not a number"),
    };
    if let Some(whole) = short_whole(text) {
        return Ok(if form == Form::Micros { whole } else { whole * 1_000_000 });
    }
    let exponent_allowed = exponent || form == Form::Fractional && !quoted;
    if !exponent_allowed && !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-') {
        return Err("is not a plain number: digits, with a point for decimals");
    }
    let number = decimal(text).ok_or("is not a plain number: digits, with a point for decimals")?;
    let round = exponent || form == Form::Fractional;
    let read = number.scaled(if form == Form::Micros { 0 } else { 6 }, round);
    if number.negative && !(number.digits == 0 || exponent && matches!(read, Ok(0))) {
        return Err("is negative, which no count or cost can be");
    }
    match (form, read) {
        (_, Err(NotScaled::TooLarge)) => Err("is too large to be true"),
        (Form::Whole, Ok(value)) if value % 1_000_000 != 0 => Err(FRACTION),
        (Form::Whole, Err(NotScaled::TooFine)) => Err(FRACTION),
        (Form::Micros, Err(NotScaled::TooFine)) => Err("is a fraction of a millionth"),
        (_, Err(NotScaled::TooFine)) => Err("has more than six decimals"),
        (_, Ok(value)) => Ok(value),
    }
}

const FRACTION: &str = "is a fraction, and only a metric with `fractional = true` may be one";

/// The common case: at most twelve digits and nothing else.
fn short_whole(text: &str) -> Option<i64> {
    if text.is_empty() || text.len() > 12 {
        return None;
    }
    text.bytes().try_fold(0, |whole: i64, byte| byte.is_ascii_digit().then(|| whole * 10 + i64::from(byte - b'0')))
}

/// An exact decimal number: ± digits · 10^exponent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    negative: bool,
    digits: u128,
    exponent: i32,
}

enum NotScaled {
    TooFine,
    TooLarge,
}

/// Reads digits, at most one point, and at most one exponent. `None` for any other form, and beyond 38
/// digits that matter or an exponent of four figures.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let size = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if !plain(whole) || !plain(fraction) || !plain(size) || size.len() > 3 {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let digits = digits(whole, fraction)?;
    let exponent: i32 = exponent.parse().ok()?;
    Some(Decimal { negative, digits, exponent: exponent.checked_sub(i32::try_from(fraction.len()).ok()?)? })
}

/// The digits of both parts as one number.
fn digits(whole: &str, fraction: &str) -> Option<u128> {
    /// Digits that always fit a machine word.
    const SHORT: usize = 19;
    let mut all = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0');
    if whole.len() + fraction.len() <= SHORT {
        return Some(all.fold(0_u64, |number, digit| number * 10 + u64::from(digit)).into());
    }
    all.try_fold(0, |number: u128, digit| number.checked_mul(10)?.checked_add(u128::from(digit)))
}

impl Decimal {
    /// The absolute number · 10^`places`, rounded half up where that is allowed.
    fn scaled(self, places: i32, round: bool) -> Result<i64, NotScaled> {
        let exponent = self.exponent + places;
        let power = 10_u128.checked_pow(exponent.unsigned_abs());
        let value = if self.digits == 0 {
            0
        } else if exponent >= 0 {
            power.and_then(|power| self.digits.checked_mul(power)).ok_or(NotScaled::TooLarge)?
        } else {
            // Without a power the number is below a half of the last place kept.
            let (value, rest) = power.map_or((0, self.digits), |power| (self.digits / power, self.digits % power));
            if rest != 0 && !round {
                return Err(NotScaled::TooFine);
            }
            value + u128::from(power.is_some_and(|power| rest * 2 >= power && rest != 0))
        };
        i64::try_from(value).map_err(|_| NotScaled::TooLarge)
    }

    /// Whether it equals a whole number.
    pub(super) fn is_whole(self, whole: i64) -> bool {
        let same_sign = self.digits == 0 || self.negative == (whole < 0);
        let size = self.scaled(0, false).ok().and_then(|value| u64::try_from(value).ok());
        same_sign && size == Some(whole.unsigned_abs())
    }
}

/// What to show of a value that was refused. Longer than a message may be, because a secret in it can only
/// be recognised whole; who shows it hides secrets first and cuts then.
pub(super) fn shown(json: &str) -> String {
    const LONGEST: usize = 4096;
    match Kind::of(json) {
        kind @ (Kind::Object | Kind::Array) => kind.to_string(),
        Kind::Text => format!("\"{}\"", unquoted(json).chars().take(LONGEST).collect::<String>()),
        _ => json.chars().take(LONGEST).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: Form, json: &str) -> Result<i64, &'static str> {
        millionths(form, false, json)
    }

    #[test]
    fn plain_numbers_and_the_same_digits_as_text_are_read_exactly() {
        assert_eq!(read(Form::Whole, "1520"), Ok(1_520_000_000));
        assert_eq!(read(Form::Whole, "\"1520\""), Ok(1_520_000_000));
        assert_eq!(read(Form::Whole, "2.0"), Ok(2_000_000));
        assert_eq!(read(Form::Whole, "-0"), Ok(0));
        assert_eq!(read(Form::Micros, "\"18350000\""), Ok(18_350_000));
        assert_eq!(read(Form::Micros, "\"9223372036854775807\""), Ok(i64::MAX));
        assert_eq!(read(Form::Money, "\"9.42\""), Ok(9_420_000));
        assert_eq!(read(Form::Money, "0.1"), Ok(100_000));
        assert_eq!(read(Form::Fractional, "2.5"), Ok(2_500_000));
    }

    #[test]
    fn declared_fractions_are_rounded_to_the_nearest_millionth_halves_up() {
        for (text, value) in [
            ("2.3333333333333335", 2_333_333),
            ("0.6666666666666666", 666_667),
            ("0.0000005", 1),
            ("0.00000049999", 0),
            ("1e-05", 10),
            ("3.0E-4", 300),
            ("1e2", 100_000_000),
            ("1e-400", 0),
        ] {
            assert_eq!(read(Form::Fractional, text), Ok(value), "{text}");
        }
    }

    #[test]
    fn h19_every_other_form_is_refused() {
        for form in [Form::Whole, Form::Fractional, Form::Money, Form::Micros] {
            for json in [
                "\"\"",
                "\"1,234.5\"",
                "\"1.234,5\"",
                "\"NaN\"",
                "\"inf\"",
                "\"-inf\"",
                "\"Infinity\"",
                "1e400",
                "\"1e400\"",
                "\"1e3\"",
                "null",
                "true",
                "{}",
                "[1]",
                "\"-\"",
                "\" 1\"",
                "\"1 \"",
                "\"+1\"",
                "\"0x10\"",
                "\"5%\"",
                "\".5\"",
                "\"5.\"",
                "\"\\u0031\"",
                "\"٣\"",
                "\"1.2.3\"",
            ] {
                assert!(read(form, json).is_err(), "{form:?} {json}: {:?}", read(form, json));
            }
        }
        assert!(read(Form::Whole, "1e3").is_err(), "an exponent must be declared");
        assert!(read(Form::Whole, "2.5").is_err(), "a fraction must be declared");
        assert!(read(Form::Money, "0.0000001").is_err());
        assert!(read(Form::Micros, "0.5").is_err());
    }

    #[test]
    fn h20_negative_and_overflowing_numbers_are_refused() {
        for form in [Form::Whole, Form::Fractional, Form::Money, Form::Micros] {
            for json in ["-1", "\"-1\"", "99999999999999999999", "\"340282366920938463463374607431768211456\""] {
                assert!(read(form, json).is_err(), "{form:?} {json}");
            }
        }
        assert!(read(Form::Whole, "9223372036855").is_err());
        assert_eq!(read(Form::Whole, "9223372036854"), Ok(9_223_372_036_854_000_000));
    }

    #[test]
    fn h19_declared_exponents_are_floats_written_out() {
        for (json, value) in [
            ("\"-2E-18\"", 0),
            ("-2e-18", 0),
            ("-0.0000004", 0),
            ("\"3.712E1\"", 37_120_000),
            ("\"37.120\"", 37_120_000),
            ("12.34567891", 12_345_679),
            ("\"1E-400\"", 0),
        ] {
            assert_eq!(millionths(Form::Money, true, json), Ok(value), "{json}");
        }
        assert_eq!(millionths(Form::Micros, true, "5.2E6"), Ok(5_200_000));
        assert_eq!(millionths(Form::Whole, true, "1e3"), Ok(1_000_000_000));
        for json in ["-0.000001", "-5e-7", "\"-1E0\"", "1e400", "\"NaN\"", "\"1,5\"", "\"E5\"", "null", "\"\""] {
            assert!(millionths(Form::Money, true, json).is_err(), "{json}");
        }
        assert!(millionths(Form::Whole, true, "1.5").is_err(), "a fraction is declared apart");
        assert!(
            millionths(Form::Money, false, "\"-2E-18\"").is_err() && millionths(Form::Money, false, "-1e-7").is_err()
        );
    }

    #[test]
    fn numbers_are_compared_by_value() {
        assert!(decimal("1.0").unwrap().is_whole(1));
        assert!(decimal("1e2").unwrap().is_whole(100));
        assert!(decimal("-0").unwrap().is_whole(0));
        assert!(decimal("-3").unwrap().is_whole(-3));
        assert!(!decimal("3").unwrap().is_whole(-3));
        assert!(!decimal("1.5").unwrap().is_whole(1));
    }

    proptest::proptest! {
        #[test]
        fn money_is_read_as_the_catalogue_of_units_reads_it(value in 0..i64::MAX) {
            let text = crate::domain::millionths::print(value);
            proptest::prop_assert_eq!(read(Form::Money, &text), Ok(value));
            proptest::prop_assert_eq!(read(Form::Fractional, &format!("\"{text}\"")), Ok(value));
        }
    }
}
