//! Money: integer micros with a currency. Two currencies are never added.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::millionths;

/// An ISO 4217 code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// Reads a code such as `EUR`; `None` unless it is three ASCII capitals.
    pub fn from_code(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_uppercase).then_some(Self(bytes))
    }

    /// The three letters.
    pub fn code(&self) -> String {
        self.0.iter().map(|&byte| char::from(byte)).collect()
    }

    /// What a reader expects before an amount: `$`, `€`, `£`, else the code and a space.
    pub fn symbol(&self) -> String {
        match &self.0 {
            b"USD" => "$".into(),
            b"EUR" => "€".into(),
            b"GBP" => "£".into(),
            b"JPY" => "¥".into(),
            _ => format!("{} ", self.code()),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())
    }
}

impl TryFrom<String> for Currency {
    type Error = String;
    fn try_from(code: String) -> Result<Self, String> {
        Self::from_code(&code).ok_or_else(|| format!("{code:?} is not a currency code such as EUR"))
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.code()
    }
}

/// An amount in millionths of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Millionths of the currency's unit.
    pub micros: i64,
    /// Never mixed with another.
    pub currency: Currency,
}

/// Why two amounts were not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CannotAdd {
    /// Conversions between currencies are never made silently.
    #[error("{0} and {1} cannot be added: give each currency its own experiment")]
    Currencies(Currency, Currency),
    /// Beyond nine trillion units.
    #[error("the sum is too large")]
    TooLarge,
}

impl Money {
    /// Adds two amounts of one currency.
    ///
    /// # Errors
    /// [`CannotAdd`] when the currencies differ or the sum overflows.
    pub fn plus(self, other: Self) -> Result<Self, CannotAdd> {
        if self.currency != other.currency {
            return Err(CannotAdd::Currencies(self.currency, other.currency));
        }
        let micros = self.micros.checked_add(other.micros).ok_or(CannotAdd::TooLarge)?;
        Ok(Self { micros, currency: self.currency })
    }

    /// Takes an amount of the same currency away.
    ///
    /// # Errors
    /// [`CannotAdd`] when the currencies differ or the difference overflows.
    pub fn minus(self, other: Self) -> Result<Self, CannotAdd> {
        let negative = other.micros.checked_neg().ok_or(CannotAdd::TooLarge)?;
        self.plus(Self { micros: negative, ..other })
    }

    /// How many times another amount of the same currency goes into this one; `None` where the currencies differ
    /// or the other is nothing.
    #[expect(clippy::cast_precision_loss, reason = "a ratio is an estimate")]
    pub fn over(self, other: Self) -> Option<f64> {
        (self.currency == other.currency && other.micros != 0).then(|| self.micros as f64 / other.micros as f64)
    }

    /// A limit as somebody set it: `$84` and not `$84.00`.
    pub fn as_set(&self) -> String {
        let text = self.to_string();
        text.strip_suffix(".00").map_or_else(|| text.clone(), ToOwned::to_owned)
    }

    /// Scales an amount to the nearest micro, for estimates and limits; `None` when the result is not
    /// finite or too large.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "an estimate, checked to be in range"
    )]
    pub fn times(self, factor: f64) -> Option<Self> {
        let micros = (self.micros as f64 * factor).round();
        (micros.abs() < i64::MAX as f64).then_some(Self { micros: micros as i64, currency: self.currency })
    }
}

/// As people read it: `$42.84` below a hundred, `$3,170` from there, `−$1,800` for less than none.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.micros < 0 { "\u{2212}" } else { "" };
        let cents = (self.micros.unsigned_abs() + 5_000) / 10_000;
        write!(f, "{sign}{}", self.currency.symbol())?;
        if cents < 10_000 {
            write!(f, "{}.{:02}", cents / 100, cents % 100)
        } else {
            f.write_str(&thousands((self.micros.unsigned_abs() + 500_000) / 1_000_000))
        }
    }
}

/// A whole number with a comma between thousands: `46,800`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.char_indices() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Reads an amount such as `"1500.00"`.
///
/// # Errors
/// [`millionths::NotExact`] unless it is a plain decimal number.
pub fn parse_amount(text: &str, currency: Currency) -> Result<Money, millionths::NotExact> {
    Ok(Money { micros: millionths::parse(text)?, currency })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Money {
        parse_amount(text, Currency::from_code("USD").unwrap()).unwrap()
    }

    #[test]
    fn prints_as_design_section_7_asks() {
        for (amount, printed) in [
            ("42.84", "$42.84"),
            ("99.994", "$99.99"),
            ("99.996", "$100"),
            ("3170.49", "$3,170"),
            ("46800", "$46,800"),
            ("-1800", "\u{2212}$1,800"),
            ("0", "$0.00"),
            ("1234567", "$1,234,567"),
        ] {
            assert_eq!(usd(amount).to_string(), printed);
        }
        let krona = parse_amount("12.5", Currency::from_code("SEK").unwrap()).unwrap();
        assert_eq!(krona.to_string(), "SEK 12.50");
    }

    #[test]
    fn a_limit_has_no_cents_for_show() {
        let printed = ["84", "84.27", "84.5", "0.999", "1500"].map(|amount| usd(amount).as_set());
        assert_eq!(printed, ["$84", "$84.27", "$84.50", "$1", "$1,500"]);
    }

    #[test]
    fn refuses_to_add_two_currencies() {
        let euro = parse_amount("1", Currency::from_code("EUR").unwrap()).unwrap();
        assert!(matches!(usd("1").plus(euro), Err(CannotAdd::Currencies(..))));
        assert!(matches!(usd("1").minus(euro), Err(CannotAdd::Currencies(..))));
        assert_eq!((usd("1").over(euro), usd("1").over(usd("0"))), (None, None));
        assert_eq!(usd("1").plus(usd("2")), Ok(usd("3")));
        assert_eq!(usd("1").minus(usd("2")), Ok(usd("-1")));
        assert_eq!(Currency::from_code("eur"), None);
    }
}
