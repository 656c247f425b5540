//! As much of `PostHog`'s `HogQL` as the fake project answers: columns of events, conditions that all hold, groups with people counted once,
//! order and limit. Everything else is refused in words like the vendor's, never guessed at. What an event has is not known here.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

/// What can stand in a column or beside a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expr {
    Text(String),
    Field(Vec<String>),
    Call(String, Vec<Expr>),
    CountDistinct(Box<Expr>),
}

/// A query that can be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// Columns, with the names they are given.
    pub(super) select: Vec<(Expr, Option<String>)>,
    conditions: Vec<(Expr, String, Expr)>,
    group_by: Vec<Expr>,
    order_by: Vec<(Expr, bool)>,
    pub(super) limit: Option<usize>,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Text(String),
    Number(i64),
    Day(NaiveDate),
    /// With the zone in which it is shown.
    Time(DateTime<Utc>, Tz),
}

impl Value {
    /// Orders values of one kind.
    fn key(&self) -> (i64, &str) {
        match self {
            Self::Null => (i64::MIN, ""),
            Self::Text(text) => (0, text),
            Self::Number(number) => (*number, ""),
            Self::Day(day) => (i64::from(chrono::Datelike::num_days_from_ce(day)), ""),
            Self::Time(at, _) => (at.timestamp_micros(), ""),
        }
    }
}

/// A word, a name in backticks, a text in quotes, or a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Name(String),
    Text(String),
    Sign(String),
}

/// What is wrong, for people.
type Wrong = String;

/// What a row has at a path of names.
type Column<'c, R> = dyn Fn(&R, &[String]) -> Result<Value, Wrong> + 'c;

fn tokens(text: &str) -> Result<Vec<Token>, Wrong> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '$';
        let (token, length) = match first {
            '\'' | '`' => {
                let inner = rest.get(1..).and_then(|rest| rest.split_once(first)).map(|(inner, _)| inner);
                let inner = inner.filter(|inner| !inner.contains('\\'));
                let inner = inner.ok_or_else(|| format!("mismatched input '{rest}'"))?.to_owned();
                let length = inner.len() + 2;
                (if first == '`' { Token::Name(inner) } else { Token::Text(inner) }, length)
            }
            _ if is_word(first) => {
                let length = rest.find(|it| !is_word(it)).unwrap_or(rest.len());
                (Token::Word(rest[..length].to_owned()), length)
            }
            _ => {
                let two = rest.get(..2).filter(|two| [">=", "<=", "!="].contains(two));
                let sign = two.unwrap_or(&rest[..first.len_utf8()]);
                (Token::Sign(sign.to_owned()), sign.len())
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn sign(&mut self, sign: &str) -> bool {
        let there = matches!(self.tokens.get(self.at), Some(Token::Sign(it)) if it == sign);
        self.at += usize::from(there);
        there
    }

    fn word(&mut self, word: &str) -> bool {
        let there = matches!(self.tokens.get(self.at), Some(Token::Word(it)) if it.eq_ignore_ascii_case(word));
        self.at += usize::from(there);
        there
    }

    fn must(&mut self, word: &str) -> Result<(), Wrong> {
        if self.word(word) { Ok(()) } else { Err(self.mismatch()) }
    }

    fn mismatch(&self) -> Wrong {
        match self.tokens.get(self.at) {
            Some(Token::Word(it) | Token::Name(it) | Token::Text(it) | Token::Sign(it)) => {
                format!("mismatched input '{it}'")
            }
            None => "mismatched input '<EOF>'".to_owned(),
        }
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, Wrong>) -> Result<Vec<T>, Wrong> {
        let mut all = vec![one(self)?];
        while self.sign(",") {
            all.push(one(self)?);
        }
        Ok(all)
    }

    fn expr(&mut self) -> Result<Expr, Wrong> {
        let wrong = self.mismatch();
        let mut path = match self.next() {
            Some(Token::Text(text)) => return Ok(Expr::Text(text)),
            Some(Token::Word(name)) if self.sign("(") => return self.call(name),
            Some(Token::Word(name) | Token::Name(name)) => vec![name],
            _ => return Err(wrong),
        };
        while self.sign(".") {
            match self.next() {
                Some(Token::Word(name) | Token::Name(name)) => path.push(name),
                _ => return Err(wrong),
            }
        }
        Ok(Expr::Field(path))
    }

    fn call(&mut self, name: String) -> Result<Expr, Wrong> {
        let call = if name == "count" && self.word("DISTINCT") {
            Expr::CountDistinct(Box::new(self.expr()?))
        } else {
            Expr::Call(name, self.list(Self::expr)?)
        };
        if self.sign(")") { Ok(call) } else { Err(self.mismatch()) }
    }

    fn condition(&mut self) -> Result<(Expr, String, Expr), Wrong> {
        let (left, wrong) = (self.expr()?, self.mismatch());
        let by = match self.next() {
            Some(Token::Sign(sign)) if ["=", "!=", "<", "<=", ">", ">="].contains(&sign.as_str()) => sign,
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("LIKE") => "LIKE".to_owned(),
            _ => return Err(wrong),
        };
        Ok((left, by, self.expr()?))
    }
}

/// Reads a query.
///
/// # Errors
/// What is wrong with it, or what is not answered here.
pub(super) fn parse(text: &str) -> Result<Query, Wrong> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    parser.must("SELECT")?;
    let select = parser.list(|parser| {
        let expr = parser.expr()?;
        let wrong = parser.mismatch();
        let name = if parser.word("AS") { Some(parser.next()) } else { None };
        match name {
            None => Ok((expr, None)),
            Some(Some(Token::Word(name) | Token::Name(name))) => Ok((expr, Some(name))),
            Some(_) => Err(wrong),
        }
    })?;
    parser.must("FROM")?;
    match parser.next() {
        Some(Token::Word(table)) if table == "events" => {}
        table => return Err(format!("Unknown table `{table:?}`.")),
    }
    let mut conditions = Vec::new();
    if parser.word("WHERE") {
        conditions.push(parser.condition()?);
        while parser.word("AND") {
            conditions.push(parser.condition()?);
        }
    }
    let meant = |expr: Expr| match &expr {
        Expr::Field(path) => select
            .iter()
            .find(|(_, name)| path.len() == 1 && path.first() == name.as_ref())
            .map_or_else(|| expr.clone(), |(meant, _)| meant.clone()),
        _ => expr,
    };
    let mut group_by = Vec::new();
    if parser.word("GROUP") {
        parser.must("BY")?;
        group_by = parser.list(Parser::expr)?.into_iter().map(meant).collect();
    }
    let mut order_by = Vec::new();
    if parser.word("ORDER") {
        parser.must("BY")?;
        let order = |parser: &mut Parser| {
            let expr = parser.expr()?;
            let falls = parser.word("DESC");
            if !falls {
                parser.word("ASC");
            }
            Ok((expr, falls))
        };
        order_by = parser.list(order)?.into_iter().map(|(expr, falls)| (meant(expr), falls)).collect();
    }
    let mut limit = None;
    if parser.word("LIMIT") {
        let wrong = parser.mismatch();
        let Some(Token::Word(number)) = parser.next() else { return Err(wrong) };
        limit = Some(number.parse().map_err(|_| wrong)?);
    }
    if parser.at < parser.tokens.len() {
        return Err(parser.mismatch());
    }
    Ok(Query { select, conditions, group_by, order_by, limit })
}

impl Query {
    /// Every row of the answer, in order where one is asked for; the limit is the caller's.
    ///
    /// # Errors
    /// A function or field that there is not, or kinds of values that do not go together.
    pub(super) fn run<R>(&self, rows: &[R], field: &Column<'_, R>) -> Result<Vec<Vec<Value>>, Wrong> {
        let mut groups = BTreeMap::<Vec<String>, Vec<&R>>::new();
        for (position, row) in rows.iter().enumerate() {
            let one = [row];
            let value = |expr: &Expr| value(expr, &one, field);
            let mut meets = true;
            for (left, by, right) in &self.conditions {
                meets = meets && holds(&value(left)?, by, &value(right)?)?;
            }
            if !meets {
                continue;
            }
            let key = if self.group_by.is_empty() {
                vec![format!("{position:09}")]
            } else {
                self.group_by.iter().map(|expr| Ok(format!("{:?}", value(expr)?))).collect::<Result<_, Wrong>>()?
            };
            groups.entry(key).or_default().push(row);
        }
        for (expr, _) in &self.select {
            if !self.group_by.is_empty() && !self.is_grouped(expr) {
                return Err(format!("Column {expr:?} is not under aggregate function and not in GROUP BY keys"));
            }
        }
        let mut answer = Vec::new();
        for group in groups.values() {
            let order: Vec<Value> =
                self.order_by.iter().map(|(expr, _)| value(expr, group, field)).collect::<Result<_, _>>()?;
            let cells: Vec<Value> =
                self.select.iter().map(|(expr, _)| value(expr, group, field)).collect::<Result<_, _>>()?;
            answer.push((order, cells));
        }
        answer.sort_by(|(one, _), (other, _)| {
            let pairs = one.iter().zip(other).zip(&self.order_by);
            let orders = pairs.map(|((one, other), (_, falls))| {
                let order = one.key().cmp(&other.key());
                if *falls { order.reverse() } else { order }
            });
            orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
        Ok(answer.into_iter().map(|(_, cells)| cells).collect())
    }

    /// Whether an expression has one value for a group.
    fn is_grouped(&self, expr: &Expr) -> bool {
        self.group_by.contains(expr)
            || match expr {
                Expr::Text(_) | Expr::CountDistinct(_) => true,
                Expr::Field(_) => false,
                Expr::Call(_, of) => of.iter().all(|expr| self.is_grouped(expr)),
            }
    }
}

fn holds(left: &Value, by: &str, right: &Value) -> Result<bool, Wrong> {
    // Of what is not known nothing holds.
    if *left == Value::Null || *right == Value::Null {
        return Ok(false);
    }
    if std::mem::discriminant(left) != std::mem::discriminant(right) {
        return Err(format!("There is no supertype for {left:?}, {right:?}"));
    }
    let (one, other) = (left.key(), right.key());
    Ok(match by {
        "=" => one == other,
        "!=" => one != other,
        "<" => one < other,
        "<=" => one <= other,
        ">" => one > other,
        ">=" => one >= other,
        _ => like(one.1, other.1),
    })
}

/// `%` stands for anything, `_` for one character.
fn like(text: &str, pattern: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| like(&text[at..], rest.as_str()))
        }
        Some(wanted) => {
            let mut letters = text.chars();
            letters.next().is_some_and(|it| wanted == '_' || it == wanted) && like(letters.as_str(), rest.as_str())
        }
    }
}

fn value<R>(expr: &Expr, rows: &[&R], field: &Column<'_, R>) -> Result<Value, Wrong> {
    match (expr, rows.first()) {
        (_, None) => Ok(Value::Null),
        (Expr::Text(text), _) => Ok(Value::Text(text.clone())),
        (Expr::Field(path), Some(row)) => field(row, path),
        (Expr::CountDistinct(of), _) => {
            let mut seen = BTreeSet::new();
            for row in rows {
                let value = value(of, &[*row], field)?;
                seen.extend((value != Value::Null).then(|| format!("{value:?}")));
            }
            Ok(Value::Number(i64::try_from(seen.len()).unwrap_or_default()))
        }
        (Expr::Call(name, of), _) => {
            let of = of.iter().map(|expr| value(expr, rows, field)).collect::<Result<Vec<_>, _>>()?;
            call(name, &of)
        }
    }
}

fn call(name: &str, of: &[Value]) -> Result<Value, Wrong> {
    let zone = |name: &str| name.parse::<Tz>().map_err(|_| format!("Cannot load time zone {name}"));
    Ok(match (name, of) {
        ("ifNull", [Value::Null, other]) => other.clone(),
        ("nullIf", [value, other]) if value == other => Value::Null,
        ("ifNull" | "nullIf", [value, _]) => value.clone(),
        ("toString" | "toDate" | "toTimeZone" | "formatDateTime", [Value::Null, ..]) => Value::Null,
        ("toString", [Value::Text(text)]) => Value::Text(text.clone()),
        ("toString", [Value::Number(number)]) => Value::Text(number.to_string()),
        ("toString", [Value::Day(day)]) => Value::Text(day.to_string()),
        ("toString", [Value::Time(at, zone)]) => {
            Value::Text(at.with_timezone(zone).format("%Y-%m-%d %H:%M:%S%.6f").to_string())
        }
        ("toDate", [Value::Time(at, zone)]) => Value::Day(at.with_timezone(zone).date_naive()),
        ("toTimeZone", [Value::Time(at, _), Value::Text(name)]) => Value::Time(*at, zone(name)?),
        ("toDateTime", [Value::Text(text), rest @ ..]) => match rest {
            [] => time(text, Tz::UTC),
            [Value::Text(name)] => time(text, zone(name)?),
            _ => return Err(format!("Wrong arguments for function '{name}'")),
        },
        ("formatDateTime", [Value::Time(at, zone), Value::Text(format)]) => {
            // ClickHouse's minutes are %i; its %M is the name of a month.
            let known = format.split('%').skip(1).all(|part| part.starts_with(['Y', 'm', 'd', 'H', 'i', 'S']));
            if !known {
                return Err(format!("Wrong pattern '{format}'"));
            }
            Value::Text(at.with_timezone(zone).format(&format.replace("%i", "%M")).to_string())
        }
        ("toString" | "toDate" | "toTimeZone" | "toDateTime" | "formatDateTime" | "ifNull" | "nullIf", _) => {
            return Err(format!("Wrong arguments for function '{name}'"));
        }
        _ => return Err(format!("Unsupported function call '{name}(...)'")),
    })
}

/// A time by the clocks of a zone, or seconds since 1970 as digits; what is neither is nothing.
fn time(text: &str, zone: Tz) -> Value {
    let shown = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok();
    let digits = (text.len() == 10).then(|| text.parse().ok()).flatten();
    let at = match shown {
        Some(shown) => zone.from_local_datetime(&shown).earliest().map(|at| at.to_utc()),
        None => digits.and_then(DateTime::from_timestamp_secs),
    };
    at.map_or(Value::Null, |at| Value::Time(at, zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_it_cannot_answer_truthfully() {
        for (query, says) in [
            ("", "<EOF>"),
            ("select uuid", "<EOF>"),
            ("select uuid FROM persons", "Unknown table"),
            ("select uuid, FROM events", "'events'"),
            ("select uuid FROM events WHERE event", "<EOF>"),
            ("select uuid FROM events WHERE event = 'a' OR event = 'b'", "'OR'"),
            ("select uuid FROM events WHERE event IN ('a')", "'IN'"),
            ("select uuid FROM events LIMIT all", "'all'"),
            ("select uuid FROM events LIMIT 5 OFFSET 5", "'OFFSET'"),
            ("select 'a", "mismatched"),
        ] {
            let wrong = parse(query).unwrap_err();
            assert!(wrong.contains(says), "{query}: {wrong}");
        }
        for (query, says) in [
            ("select median(uuid) FROM events", "Unsupported function"),
            ("select uuid FROM events WHERE uuid >= toDateTime('1772352000')", "supertype"),
            ("select uuid FROM events GROUP BY toString(uuid)", "not in GROUP BY"),
            ("select formatDateTime(toDateTime('1772352000'), '%M') FROM events", "Wrong pattern"),
            ("select toTimeZone(toDateTime('1772352000'), 'Mars') FROM events", "time zone Mars"),
        ] {
            let wrong = parse(query).unwrap().run(&["a"], &|row, _| Ok(Value::Text((*row).to_owned()))).unwrap_err();
            assert!(wrong.contains(says), "{query}: {wrong}");
        }
    }

    #[test]
    fn counts_people_once_and_reads_times_by_the_zone_that_is_named() {
        let field = |row: &(&str, &str), path: &[String]| match path {
            [name] if name == "person" => Ok(Value::Text(row.1.to_owned())),
            [name] if name == "timestamp" => call("toDateTime", &[Value::Text(row.0.to_owned())]),
            _ => Err("Unable to resolve field".to_owned()),
        };
        let rows = [("2026-03-02 03:00:00", "a"), ("2026-03-02 04:00:00", "a"), ("2026-03-02 12:00:00", "b")];
        let text = "select toString(toDate(toTimeZone(timestamp, 'America/New_York'))) AS day, count(DISTINCT person) FROM events \
                    WHERE timestamp < toDateTime('2026-03-02 08:00:00', 'America/New_York') AND person LIKE '%' GROUP BY day ORDER BY day DESC";
        let answer = parse(text).unwrap().run(&rows, &field).unwrap();
        let row = |day: &str, people| vec![Value::Text(day.to_owned()), Value::Number(people)];
        assert_eq!(answer, [row("2026-03-02", 1), row("2026-03-01", 1)]);
        assert!(like("/offer/a", "/offer%") && like("a_c", "a_c") && !like("/offers", "/offer") && !like("", "_"));
    }
}
