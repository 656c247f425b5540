//! What a file's money is in: its currency column, its header, the signs in its cells, the user's answer.
//! Two that differ are refused, none is refused, because amounts of two currencies are never added.

use crate::domain::money::Currency;

use super::FileError;

/// Signs that mean one currency. Bare "$", "¥" and "kr" are used by several and decide nothing.
const SIGNS: [(&str, &str); 20] = [
    ("US$", "USD"),
    ("€", "EUR"),
    ("£", "GBP"),
    ("A$", "AUD"),
    ("AU$", "AUD"),
    ("CA$", "CAD"),
    ("C$", "CAD"),
    ("NZ$", "NZD"),
    ("HK$", "HKD"),
    ("S$", "SGD"),
    ("R$", "BRL"),
    ("MX$", "MXN"),
    ("zł", "PLN"),
    ("Kč", "CZK"),
    ("₹", "INR"),
    ("₩", "KRW"),
    ("₺", "TRY"),
    ("₫", "VND"),
    ("₴", "UAH"),
    ("₪", "ILS"),
];

const SHARED_SIGNS: [&str; 3] = ["$", "¥", "kr"];

/// What the cells of a file say about its currency.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    known: Option<(Currency, u64)>,
    shared: Option<(String, u64)>,
}

impl Evidence {
    /// Takes in a currency stated in full: a cell of the currency column, or the header.
    pub(super) fn add(&mut self, currency: Currency, line: u64) -> Result<(), FileError> {
        let (known, first) = *self.known.get_or_insert((currency, line));
        if known == currency {
            return Ok(());
        }
        Err(FileError::Mend {
            line,
            what: format!(
                "money is in {known} on line {first} and in {currency} here, and two currencies are never added: \
                 export each account on its own"
            ),
        })
    }

    /// Takes in a cell of the currency column.
    pub(super) fn add_code(&mut self, cell: &str, line: u64) -> Result<(), FileError> {
        let currency = Currency::from_code(cell).ok_or_else(|| FileError::Mend {
            line,
            what: format!("\"{cell}\" in the currency column is not a currency code such as EUR"),
        })?;
        self.add(currency, line)
    }

    /// Takes in what stands before or behind an amount.
    pub(super) fn add_sign(&mut self, sign: &str, line: u64) -> Result<(), FileError> {
        if sign.is_empty() {
            return Ok(());
        }
        if SHARED_SIGNS.contains(&sign) {
            self.shared.get_or_insert_with(|| (sign.to_owned(), line));
            return Ok(());
        }
        let code = SIGNS.iter().find(|(known, _)| *known == sign).map_or(sign, |(_, code)| code);
        let currency = Currency::from_code(code).ok_or_else(|| FileError::Mend {
            line,
            what: format!("\"{sign}\" beside an amount is not a currency that is known here"),
        })?;
        self.add(currency, line)
    }

    /// The currency of the file; `None` only where it holds no money.
    pub(super) fn decide(&self, setting: Option<Currency>, has_money: bool) -> Result<Option<Currency>, FileError> {
        match (self.known, setting) {
            (Some((known, line)), Some(said)) if known != said => Err(FileError::Answer {
                setting: "currency",
                what: format!("it says {said}, but the file is in {known} (line {line}): take the setting out"),
            }),
            (Some((known, _)), _) => Ok(Some(known)),
            (None, Some(said)) => Ok(Some(said)),
            (None, None) if !has_money => Ok(None),
            (None, None) => Err(FileError::Answer {
                setting: "currency",
                what: self.shared.as_ref().map_or_else(
                    || {
                        "the file holds money and does not say in which currency. Write currency = \"EUR\", or yours"
                            .into()
                    },
                    |(sign, line)| {
                        format!(
                            "\"{sign}\" (line {line}) is used by several currencies. Write currency = \"USD\", or yours"
                        )
                    },
                ),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(code: &str) -> Currency {
        Currency::from_code(code).unwrap()
    }

    #[test]
    fn signs_and_codes_must_agree() {
        let mut evidence = Evidence::default();
        evidence.add_sign("US$", 2).unwrap();
        evidence.add_code("USD", 3).unwrap();
        evidence.add_sign("$", 3).unwrap();
        assert_eq!(evidence.decide(None, true).unwrap(), Some(code("USD")));
        assert!(evidence.add_code("EUR", 4).is_err());
        assert!(evidence.decide(Some(code("EUR")), true).is_err());
    }

    #[test]
    fn money_without_a_currency_is_a_question() {
        let mut evidence = Evidence::default();
        assert_eq!(evidence.decide(None, false).unwrap(), None);
        assert!(evidence.decide(None, true).is_err());
        evidence.add_sign("$", 2).unwrap();
        assert!(evidence.decide(None, true).unwrap_err().to_string().contains("several currencies"));
        assert_eq!(evidence.decide(Some(code("AUD")), true).unwrap(), Some(code("AUD")));
        assert!(evidence.add_sign("abc", 2).is_err());
    }
}
