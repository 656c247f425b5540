//! The query syntax of LinkedIn's framework: records `(name:value,…)` and lists `List(value,…)` whose signs stand
//! bare, while the same signs inside a value must be percent-escaped. Read from the raw query, since
//! unescaping first would hide who escaped too much or too little.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Restli {
    Text(String),
    List(Vec<Restli>),
    Record(BTreeMap<String, Restli>),
}

/// What is wrong, for the vendor's message.
pub(super) type Wrong = String;

/// A query, by name.
pub(super) struct Query(BTreeMap<String, Restli>);

impl Query {
    pub(super) fn parse(raw: &str) -> Result<Self, Wrong> {
        let mut parts = BTreeMap::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or("A query parameter has no value")?;
            // Fields are names joined by bare commas: an escaped one would be part of a name.
            let value = match name {
                "fields" => {
                    Restli::List(value.split(',').map(|name| plain(name).map(Restli::Text)).collect::<Result<_, _>>()?)
                }
                _ => Restli::parse(value)?,
            };
            if parts.insert(plain(name)?, value).is_some() {
                return Err(format!("{name} is given twice"));
            }
        }
        Ok(Self(parts))
    }

    /// Refuses every other name.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Wrong> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(format!("Query parameter {name} is not known")),
            None => Ok(()),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Wrong> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Restli::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("Parameter {name} must be a plain value")),
        }
    }

    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<String>>, Wrong> {
        let wrong = || format!("Parameter {name} must be a List(…) of plain values");
        match self.0.get(name) {
            None => Ok(None),
            Some(Restli::List(items)) => {
                let texts = items.iter().map(|item| match item {
                    Restli::Text(text) => Ok(text.clone()),
                    _ => Err(wrong()),
                });
                texts.collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(wrong()),
        }
    }

    pub(super) fn record(&self, name: &str) -> Result<Option<&BTreeMap<String, Restli>>, Wrong> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Restli::Record(record)) => Ok(Some(record)),
            Some(_) => Err(format!("Parameter {name} must be a record (name:value)")),
        }
    }
}

impl Restli {
    fn parse(raw: &str) -> Result<Self, Wrong> {
        let (value, rest) = Self::read(raw)?;
        if rest.is_empty() { Ok(value) } else { Err(format!("Unexpected {:?} in a value", &rest[..1])) }
    }

    /// A value and what follows it.
    fn read(raw: &str) -> Result<(Self, &str), Wrong> {
        if let Some(rest) = raw.strip_prefix("List(") {
            let mut items = Vec::new();
            let rest = sequence(rest, |rest| {
                let (item, rest) = Self::read(rest)?;
                items.push(item);
                Ok(rest)
            })?;
            return Ok((Self::List(items), rest));
        }
        if let Some(rest) = raw.strip_prefix('(') {
            let mut record = BTreeMap::new();
            let rest = sequence(rest, |rest| {
                let (name, rest) = rest.split_once(':').ok_or("A record needs name:value")?;
                let (value, rest) = Self::read(rest)?;
                record.insert(plain(name)?, value);
                Ok(rest)
            })?;
            return Ok((Self::Record(record), rest));
        }
        let end = raw.find(['(', ')', ',', ':']).unwrap_or(raw.len());
        Ok((Self::Text(plain(&raw[..end])?), &raw[end..]))
    }
}

/// Reads items up to the closing parenthesis; what follows it.
fn sequence<'r>(raw: &'r str, mut item: impl FnMut(&'r str) -> Result<&'r str, Wrong>) -> Result<&'r str, Wrong> {
    if let Some(rest) = raw.strip_prefix(')') {
        return Ok(rest);
    }
    let mut rest = raw;
    loop {
        rest = item(rest)?;
        if let Some(after) = rest.strip_prefix(')') {
            return Ok(after);
        }
        rest = rest.strip_prefix(',').ok_or("A list or record is not closed, or holds a sign that must be escaped")?;
    }
}

/// A plain value, unescaped. Signs of the syntax may not stand in it bare.
fn plain(raw: &str) -> Result<String, Wrong> {
    if let Some(sign) = raw.chars().find(|&sign| "(),:'".contains(sign)) {
        return Err(format!("{sign:?} must be escaped inside a value"));
    }
    percent_decode_str(raw).decode_utf8().map(Into::into).map_err(|_| "A value is no text".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signs_of_the_syntax_stand_bare_and_those_of_a_value_escaped() {
        let query = Query::parse("r=(start:(year:2026,day:1))&a=List(urn%3Ali%3Ax%3A1,2)&e=List()&fields=x,y").unwrap();
        assert_eq!(query.list("a").unwrap().unwrap(), ["urn:li:x:1", "2"]);
        assert_eq!(query.list("e").unwrap().unwrap(), Vec::<String>::new());
        assert_eq!(query.list("fields").unwrap().unwrap(), ["x", "y"]);
        let Some(Restli::Record(start)) = query.record("r").unwrap().unwrap().get("start").cloned() else { panic!() };
        assert_eq!(start["year"], Restli::Text("2026".into()));
        assert_eq!(query.only(&["r", "a", "e"]).unwrap_err(), "Query parameter fields is not known");
        // Escaped signs are part of a value, so this is no list.
        assert!(Query::parse("a=List%281,2%29").is_err());
        assert!(Query::parse("a=List%28urn%3Ax%29").unwrap().list("a").is_err());
        for bad in ["a=List(urn:li:x:1)", "a=List(1", "a=(1)", "a=1)", "a", "a=1&a=2", "a=(b:c"] {
            assert!(Query::parse(bad).is_err(), "{bad}");
        }
    }
}
