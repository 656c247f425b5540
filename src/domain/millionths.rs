//! Exact decimal numbers as `i64` millionths: the form in which every observed value is kept, so
//! that a vendor's fractional conversions and its money are exact and no binary float holds either.
//! Reads only the plain form (`-12.5`); separators, per cents and exponents are a connector's
//! business, because only it knows what its vendor means by them.

use thiserror::Error;

/// One whole unit.
pub const ONE: i64 = 1_000_000;

/// Why a text is not an exact number of millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotExact {
    /// Anything but an optional minus, digits and at most one point with digits around it.
    #[error("is not a plain decimal number")]
    NotPlain,
    /// More than six decimals that are not zero.
    #[error("has more than six decimals")]
    TooFine,
    /// Beyond ±9,223,372,036,854.775807.
    #[error("is too large")]
    TooLarge,
}

/// Reads a plain decimal number such as `7`, `-0.25` or `18.350000`.
///
/// # Errors
/// [`NotExact`] for any other form, for a seventh non-zero decimal, and for overflow. `nan`, `inf`
/// and `1e6` are `NotPlain`.
pub fn parse(text: &str) -> Result<i64, NotExact> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(fraction) {
        return Err(NotExact::NotPlain);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 6 {
        return Err(NotExact::TooFine);
    }
    // Built as a negative number because i64::MIN has no positive twin.
    let mut value: i64 = 0;
    let padding = std::iter::repeat_n(b'0', 6 - fraction.len());
    for digit in whole.bytes().chain(fraction.bytes()).chain(padding) {
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_sub(i64::from(digit - b'0')))
            .ok_or(NotExact::TooLarge)?;
    }
    if negative { Ok(value) } else { value.checked_neg().ok_or(NotExact::TooLarge) }
}

/// Prints without trailing zeros: `18.35`, `7`, `-0.000001`.
pub fn print(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let (whole, rest) = (value.unsigned_abs() / 1_000_000, value.unsigned_abs() % 1_000_000);
    if rest == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{}", format!("{rest:06}").trim_end_matches('0'))
    }
}

/// The nearest binary float, for the statistics, which never turn it back into a stored value.
#[expect(clippy::cast_precision_loss, reason = "statistics work in floats; 2^53 millionths are 9 billion units")]
pub fn to_f64(value: i64) -> f64 {
    value as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_decimals_exactly() {
        assert_eq!(parse("18.35"), Ok(18_350_000));
        assert_eq!(parse("-0.000001"), Ok(-1));
        assert_eq!(parse("0007"), Ok(7_000_000));
        assert_eq!(parse("2.5000000000"), Ok(2_500_000));
        assert_eq!(parse("-9223372036854.775808"), Ok(i64::MIN));
    }

    #[test]
    fn refuses_every_other_form() {
        for text in ["", "-", ".5", "5.", "1,234", "1e3", "nan", "NaN", "inf", "+1", " 1", "0x1", "--1", "1.2.3", "٣"]
        {
            assert_eq!(parse(text), Err(NotExact::NotPlain), "{text:?}");
        }
        assert_eq!(parse("0.0000001"), Err(NotExact::TooFine));
        assert_eq!(parse("9223372036854.775808"), Err(NotExact::TooLarge));
        assert_eq!(parse("99999999999999999999"), Err(NotExact::TooLarge));
    }

    proptest::proptest! {
        #[test]
        fn printing_and_reading_are_inverse(value: i64) {
            proptest::prop_assert_eq!(parse(&print(value)), Ok(value));
        }
    }
}
