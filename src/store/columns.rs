//! How domain values stand in columns, in a row where the database has it and in the one text that many rows come back as
//! from a write. The database joins those because many rows streamed through `sqlx::Any` cost microseconds each.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;

/// Between the fields of a row joined into a text. No stored text holds a control character.
const FIELD: u8 = 0x1f;
/// Between the rows of such a text.
const ROW: u8 = 0x1e;

/// SQL that joins the rows of a group, or of a subquery, into one text, `NULL` for no rows. Columns that are `NULL` come
/// back empty.
pub fn joined(fields: &[&str]) -> String {
    let slots = vec!["%s"; fields.len()].join(&char::from(FIELD).to_string());
    // One call that writes all fields costs half of what casting and chaining each of them does.
    format!("string_agg(format('{slots}', {}), '{}')", fields.join(", "), char::from(ROW))
}

/// Longest key in bytes: PostgreSQL indexes no more than 2,700, and vendors' own are below 100.
const LONGEST_KEY: usize = 500;

/// Whether a text can be stored and found again as it is.
pub fn is_key(text: &str) -> bool {
    text.len() <= LONGEST_KEY && !text.contains(char::is_control)
}

/// An arm key fit for a column. Visitors write them (a link's hidden field), so a strange one must not
/// stop its source: control characters become `�`, and a long one is cut and marked with `…`, which
/// keeps it apart from every key that fits.
pub fn arm_key(text: &str) -> Cow<'_, str> {
    if is_key(text) {
        return Cow::Borrowed(text);
    }
    let mut key: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if key.len() > LONGEST_KEY {
        let end = (0..=LONGEST_KEY).rev().find(|&end| key.is_char_boundary(end)).unwrap_or(0);
        key.truncate(end);
        key.push('…');
    }
    Cow::Owned(key)
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.extend([byte >> 4, byte & 15].map(|nibble| char::from(b"0123456789abcdef"[usize::from(nibble)])));
    }
    text
}

/// Reads a day.
pub fn day(text: &str) -> Result<NaiveDate, StoreError> {
    text.parse().map_err(|_| unreadable("a day"))
}

/// Reads an instant from UTC milliseconds.
pub fn instant(milliseconds: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_millis(milliseconds).ok_or_else(|| unreadable("an instant"))
}

/// Reads a small number.
pub fn small(number: i64) -> Result<u32, StoreError> {
    number.try_into().map_err(|_| unreadable("a number"))
}

/// Writes a value as JSON.
pub fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Database(error.into()))
}

/// Reads a value from JSON.
pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| unreadable("a record"))
}

/// For values that are not what this program writes.
pub fn unreadable(what: &str) -> StoreError {
    StoreError::Unreadable(format!("{what} cannot be read"))
}

/// The rows of a joined text; none where the database joined no row.
pub fn rows(text: Option<&str>) -> impl Iterator<Item = Joined<'_>> {
    text.into_iter().flat_map(|text| text.split(char::from(ROW))).map(|row| Joined(Some(row)))
}

/// The fields of one row, left to right, wherever the row is.
pub trait Fields<'a> {
    /// The next field as it stands; empty for NULL.
    fn text(&mut self) -> Result<&'a str, StoreError>;

    /// The next field; `None` for NULL and for an empty one.
    fn optional(&mut self) -> Result<Option<&'a str>, StoreError> {
        Ok(Some(self.text()?).filter(|text| !text.is_empty()))
    }

    /// The next field as a number.
    fn number(&mut self) -> Result<i64, StoreError> {
        self.optional_number()?.ok_or_else(|| unreadable("a number"))
    }

    /// The next field as a number; `None` for NULL.
    fn optional_number(&mut self) -> Result<Option<i64>, StoreError>;

    /// The next fields as numbers, each `None` for NULL.
    fn optional_numbers<const COUNT: usize>(&mut self) -> Result<[Option<i64>; COUNT], StoreError> {
        let mut numbers = [None; COUNT];
        for number in &mut numbers {
            *number = self.optional_number()?;
        }
        Ok(numbers)
    }
}

/// A row of a joined text.
pub struct Joined<'a>(Option<&'a str>);

impl<'a> Fields<'a> for Joined<'a> {
    fn text(&mut self) -> Result<&'a str, StoreError> {
        let rest = self.0.ok_or_else(|| unreadable("a row"))?;
        // Fields are a few bytes long: looking at each in turn is quicker than a search made for long texts.
        let (field, rest) = match rest.bytes().position(|byte| byte == FIELD) {
            Some(end) => (&rest[..end], Some(&rest[end + 1..])),
            None => (rest, None),
        };
        self.0 = rest;
        Ok(field)
    }

    fn optional_number(&mut self) -> Result<Option<i64>, StoreError> {
        self.optional()?.map(|text| text.parse().map_err(|_| unreadable("a number"))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_arm_keys_are_kept_apart_from_those_that_fit() {
        assert!(matches!(arm_key("price-29 · é"), Cow::Borrowed("price-29 · é")));
        assert_eq!(arm_key("a\u{1f}b\0c\n"), "a\u{fffd}b\u{fffd}c\u{fffd}");
        let long = "é".repeat(400);
        let cut = arm_key(&long);
        assert_eq!(cut.chars().count(), 251, "cut between characters");
        assert!(cut.len() > LONGEST_KEY && cut.ends_with('…'));
        assert!(!is_key(&cut), "no key that fits equals it");
    }
}
