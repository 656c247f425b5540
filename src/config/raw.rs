//! The exact shape of the user's file: which tables there are, which keys each may hold, and how a
//! value of each form is read together with the place where it stands. It reads the parser's own
//! spanned tree, so that one mistake hides no other; what values mean is the business of the checks.

use std::ops::Range;

use chrono::NaiveDate;
use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::{Report, nearest, quoted};
use crate::domain::money::{Currency, Money, parse_amount};

/// Where something stands in the file, in bytes.
pub(super) type Span = Range<usize>;

/// A table of the file and the keys it may hold.
pub(super) struct Shape {
    /// How it is written, for advice.
    pub(super) table: &'static str,
    /// Every key it may hold; empty where the user names the keys.
    pub(super) keys: &'static [&'static str],
    /// Whether its lines may be shown in error messages: none of its values can hold a secret.
    pub(super) public: bool,
}

pub(super) const ROOT: Shape = Shape {
    table: "the top of the file",
    keys: &[
        "connectors",
        "store",
        "network",
        "web",
        "inbound",
        "run",
        "health",
        "people",
        "notify",
        "template",
        "audience",
        "login",
        "source",
        "portfolio",
        "experiment",
    ],
    public: false,
};
pub(super) const NETWORK: Shape = Shape { table: "[network]", keys: &["allow_private"], public: true };
pub(super) const STORE: Shape = Shape { table: "[store]", keys: &["url", "key", "token_key"], public: false };
pub(super) const WEB: Shape = Shape {
    table: "[web]",
    keys: &["listen", "url", "password", "certificate", "certificate_key", "proxies"],
    public: true,
};
pub(super) const INBOUND: Shape = Shape {
    table: "[inbound]",
    keys: &["listen", "beyond_this_machine", "public_url", "body_limit_kib"],
    public: true,
};
pub(super) const RUN: Shape = Shape { table: "[run]", keys: &["sources_at_once", "catch_up_days"], public: true };
pub(super) const HEALTH: Shape = Shape { table: "[health]", keys: &["listen", "heartbeat"], public: false };
/// Beside the secret nothing is needed.
pub(super) const SOURCE_INBOUND: Shape = Shape { table: "inbound of a source", keys: &["secret"], public: false };
pub(super) const PORTFOLIO: Shape = Shape { table: "[portfolio]", keys: &["false_build_rate"], public: true };
pub(super) const LOGIN: Shape = Shape {
    table: "[login.NAME]",
    keys: &["client_id", "client_secret", "refresh_token", "token_url", "authorize_url", "redirect_port"],
    public: false,
};
/// `settings` itself is left out of what may be shown (see `excerpt.rs`).
pub(super) const SOURCE: Shape = Shape {
    table: "[source.NAME]",
    keys: &[
        "connector",
        "channel",
        "login",
        "hosts",
        "settings",
        "maturity_lag_days",
        "set_aside",
        "leave_out",
        "accept_shrink",
        "depth",
        "answers",
        "free_text",
        "inbound",
    ],
    public: true,
};
pub(super) const PEOPLE: Shape =
    Shape { table: "[people]", keys: &["internal", "test_addresses", "disposable"], public: true };
pub(super) const ICP: Shape = Shape {
    table: "a rule of icp",
    keys: &["field", "is", "one_of", "not", "between", "at_least", "at_most"],
    public: true,
};
pub(super) const EXPERIMENT: Shape = Shape {
    table: "[experiment.KEY]",
    keys: &[
        "title",
        "hypothesis",
        "owner",
        "decide_within_days",
        "disclosure",
        "schedule",
        "timezone",
        "start",
        "stop",
        "sources",
        "notify",
        "audiences",
        "arm",
        "rate",
        "policy",
        "money",
        "set_aside_days",
        "real_days",
        "themes",
    ],
    public: true,
};
pub(super) const AUDIENCE: Shape = Shape {
    table: "[audience.NAME]",
    keys: &["role", "notify", "hears", "grace", "quiet", "quiet_weekends", "timezone", "digest", "agenda"],
    public: true,
};
pub(super) const TEMPLATE: Shape =
    Shape { table: "[template.NAME]", keys: &["for", "headline", "lines"], public: true };
pub(super) const DAYS: Shape =
    Shape { table: "days of an experiment", keys: &["first", "last", "reason"], public: true };
pub(super) const ARM: Shape =
    Shape { table: "[experiment.KEY.arm.NAME]", keys: &["title", "control", "price", "keys"], public: true };
pub(super) const RATE: Shape =
    Shape { table: "[experiment.KEY.rate.NAME]", keys: &["numerator", "denominator"], public: true };
pub(super) const POLICY: Shape = Shape {
    table: "[experiment.KEY.policy]",
    keys: &[
        "model",
        "primary",
        "kill_bar",
        "build_bar",
        "alpha",
        "beta",
        "min_days",
        "min_exposures",
        "min_conversions",
        "horizon_days",
        "budget_cap",
        "srm",
        "icp",
        "guardrails",
        "dispersion",
        "boundary",
        "multiplicity",
        "guardrail_alpha",
    ],
    public: true,
};
pub(super) const GUARDRAIL: Shape = Shape {
    table: "[[experiment.KEY.policy.guardrails]]",
    keys: &["name", "numerator", "denominator", "max", "min", "margin"],
    public: true,
};
pub(super) const MONEY: Shape = Shape {
    table: "[experiment.KEY.money]",
    keys: &[
        "team_cost_per_week",
        "build_weeks",
        "features_per_year",
        "share_failing",
        "chance_it_would_be_built",
        "gross_profit",
        "chance_it_sells",
        "test_cost",
        "habit",
        "price_per_month",
        "gross_margin",
        "monthly_churn",
        "signup_to_paid",
        "cost_per_visitor",
    ],
    public: true,
};
pub(super) const AMOUNT: Shape = Shape { table: "an amount", keys: &["amount", "currency"], public: true };
/// A table whose keys are names the user chose, or settings a connector asks for.
pub(super) const NAMES: Shape = Shape { table: "", keys: &[], public: false };

/// Every table with keys of ours.
pub(super) const SHAPES: [&Shape; 22] = [
    &ROOT,
    &STORE,
    &NETWORK,
    &WEB,
    &INBOUND,
    &RUN,
    &HEALTH,
    &SOURCE_INBOUND,
    &PEOPLE,
    &LOGIN,
    &SOURCE,
    &PORTFOLIO,
    &EXPERIMENT,
    &TEMPLATE,
    &DAYS,
    &ARM,
    &RATE,
    &POLICY,
    &ICP,
    &GUARDRAIL,
    &MONEY,
    &AMOUNT,
];

/// One table, open for reading. Everything found wrong on the way goes to the report.
#[derive(Clone)]
pub(super) struct Section<'t> {
    /// Dotted path, for messages: `experiment.cat-meals.policy`.
    pub(super) path: String,
    /// Where its name stands.
    pub(super) span: Span,
    table: &'t DeTable<'t>,
    report: &'t Report<'t>,
}

impl<'t> Section<'t> {
    /// Opens the whole file.
    pub(super) fn root(table: &'t DeTable<'t>, report: &'t Report<'t>) -> Self {
        Self::open(String::new(), 0..0, table, &ROOT, report)
    }

    fn open(path: String, span: Span, table: &'t DeTable<'t>, shape: &Shape, report: &'t Report<'t>) -> Self {
        let section = Self { path, span, table, report };
        for key in table.keys().filter(|_| !shape.keys.is_empty()) {
            if !shape.keys.contains(&key.get_ref().as_ref()) {
                section.unknown(key.get_ref(), key.span(), shape);
            }
        }
        section
    }

    fn unknown(&self, key: &str, span: Span, shape: &Shape) {
        let home = SHAPES.iter().find(|home| home.keys.contains(&key) && !std::ptr::eq(**home, shape));
        let advice = match (nearest(key, shape.keys.iter().copied()), home) {
            (Some(near), _) => format!("did you mean {near}?"),
            (None, Some(home)) => format!("{key} belongs in {}", home.table),
            (None, None) => format!("{} may hold: {}", shape.table, shape.keys.join(", ")),
        };
        self.report.error(span, format!("unknown key {}", quoted(&self.dotted(key))), advice);
    }

    /// A key's full name.
    pub(super) fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Where a key stands, or the table itself when the key is absent.
    pub(super) fn key_span(&self, key: &str) -> Span {
        self.table.get_key_value(key).map_or_else(|| self.span.clone(), |(key, _)| key.span())
    }

    /// Whether the key was written at all, well or badly.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Reports a key that must be there and is not.
    pub(super) fn require(&self, key: &str, advice: &str) {
        if !self.has(key) {
            self.report.error(self.span.clone(), format!("{} is missing", self.dotted(key)), advice);
        }
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let kind = match value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.report.error(value.span(), format!("{} is {kind}", self.dotted(key)), format!("write {wanted}"));
    }

    fn read<T>(&self, key: &str, wanted: &str, read: impl FnOnce(&'t DeValue<'t>) -> Option<T>) -> Option<Spanned<T>> {
        let value = self.table.get(key)?;
        let found = read(value.get_ref());
        if found.is_none() {
            self.wrong(key, value, wanted);
        }
        found.map(|found| Spanned::new(value.span(), found))
    }

    /// Text in quotes, not empty.
    pub(super) fn text(&self, key: &str) -> Option<Spanned<&'t str>> {
        let text = self.read(key, "text in quotes", DeValue::as_str)?;
        if text.get_ref().trim().is_empty() {
            self.report.error(
                text.span(),
                format!("{} is empty", self.dotted(key)),
                "write something, or leave it out",
            );
            return None;
        }
        Some(text)
    }

    /// Text in quotes that must be there.
    pub(super) fn need(&self, key: &str, advice: &str) -> Option<Spanned<&'t str>> {
        self.require(key, advice);
        self.text(key)
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.read(key, "true or false, without quotes", DeValue::as_bool).map(Spanned::into_inner)
    }

    /// A finite number. TOML allows `nan` and `inf`; nothing here does.
    pub(super) fn number(&self, key: &str) -> Option<Spanned<f64>> {
        let number = self.read(key, "a number, without quotes", number)?;
        if number.get_ref().is_finite() {
            return Some(number);
        }
        self.report.error(
            number.span(),
            format!("{} is not a number that can be compared", self.dotted(key)),
            "write a plain number such as 0.03",
        );
        None
    }

    /// A whole number between two ends, both allowed.
    pub(super) fn whole(&self, key: &str, least: u32, most: u32) -> Option<Spanned<u32>> {
        let wanted = format!("a whole number from {least} to {most}, without quotes");
        let value = self.read(key, &wanted, |value| number(value).filter(|_| value.is_integer()))?;
        let read = format!("{}", value.get_ref()).parse().ok().filter(|whole| (least..=most).contains(whole));
        if read.is_none() {
            let what = format!("{} is {}", self.dotted(key), value.get_ref());
            self.report.error(value.span(), what, format!("write {wanted}"));
        }
        read.map(|read| Spanned::new(value.span(), read))
    }

    /// Whether a number was written.
    pub(super) fn is_number(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| number(value.get_ref()).is_some())
    }

    /// A calendar date, with or without quotes.
    pub(super) fn day(&self, key: &str) -> Option<Spanned<NaiveDate>> {
        const WANTED: &str = "a date such as \"2026-09-01\"";
        if let Some(text) = self.table.get(key).filter(|value| value.get_ref().is_str()) {
            let read = text.get_ref().as_str().and_then(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok());
            if read.is_none() {
                self.report.error(
                    text.span(),
                    format!("{} is not a date", self.dotted(key)),
                    format!("write {WANTED}"),
                );
            }
            return read.map(|read| Spanned::new(text.span(), read));
        }
        self.read(key, WANTED, |value| match value {
            DeValue::Datetime(at) if at.time.is_none() => {
                let date = at.date?;
                NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into())
            }
            _ => None,
        })
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<Spanned<&'t str>>> {
        const WANTED: &str = "a list of texts such as [\"a\", \"b\"]";
        let list = self.read(key, WANTED, DeValue::as_array)?;
        let mut texts = Vec::new();
        for item in *list.get_ref() {
            match item.get_ref().as_str() {
                Some(text) => texts.push(Spanned::new(item.span(), text)),
                None => self.wrong(key, item, WANTED),
            }
        }
        Some(texts)
    }

    /// Whether a list was written.
    pub(super) fn is_list(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().is_array())
    }

    /// A list of numbers.
    pub(super) fn numbers(&self, key: &str) -> Option<Vec<Spanned<f64>>> {
        const WANTED: &str = "a list of numbers such as [20, 200]";
        let list = self.read(key, WANTED, DeValue::as_array)?;
        let mut numbers = Vec::new();
        for item in *list.get_ref() {
            match number(item.get_ref()).filter(|number| number.is_finite()) {
                Some(number) => numbers.push(Spanned::new(item.span(), number)),
                None => self.wrong(key, item, WANTED),
            }
        }
        (numbers.len() == list.get_ref().len()).then_some(numbers)
    }

    /// An amount of money: `{ amount = "1500.00", currency = "EUR" }`, more than nothing.
    pub(super) fn money(&self, key: &str) -> Option<Spanned<Money>> {
        const EXAMPLE: &str = "{ amount = \"1500.00\", currency = \"EUR\" }";
        let section = self.table(key, &AMOUNT, &format!("an amount such as {EXAMPLE}"))?;
        section.require("amount", &format!("write {EXAMPLE}"));
        section.require("currency", &format!("write {EXAMPLE}"));
        let currency = section.text("currency").and_then(|code| {
            let currency = Currency::from_code(code.get_ref());
            if currency.is_none() {
                let what = format!("{} is not a currency code", quoted(code.get_ref()));
                self.report.error(code.span(), what, "write three capitals, for example EUR or USD");
            }
            currency
        });
        // In quotes, because a bare 1500.10 would already have been rounded to a binary fraction.
        let amount = section.text("amount")?;
        let problem = match parse_amount(amount.get_ref(), currency?) {
            Ok(money) if money.micros > 0 => return Some(Spanned::new(amount.span(), money)),
            Ok(_) => "must be more than nothing".to_owned(),
            Err(error) => error.to_string(),
        };
        let what = format!("{} {problem}", self.dotted(key));
        self.report.error(amount.span(), what, format!("write digits and a point, as in {EXAMPLE}"));
        None
    }

    /// A table inside this one.
    pub(super) fn table(&self, key: &str, shape: &Shape, wanted: &str) -> Option<Section<'t>> {
        let table = self.read(key, wanted, DeValue::as_table)?.into_inner();
        Some(Self::open(self.dotted(key), self.key_span(key), table, shape, self.report))
    }

    /// A list of tables inside this one; `None` when the key is absent.
    pub(super) fn tables(&self, key: &str, shape: &Shape) -> Option<Vec<Section<'t>>> {
        let list = self.read(key, &format!("{} once for each", shape.table), DeValue::as_array)?;
        let mut sections = Vec::new();
        for item in *list.get_ref() {
            match item.get_ref().as_table() {
                Some(table) => {
                    sections.push(Self::open(self.dotted(key), item.span(), table, shape, self.report));
                }
                None => self.wrong(key, item, &format!("{} once for each", shape.table)),
            }
        }
        Some(sections)
    }

    /// The tables the user named: `[source.landing]` and `[source.search]` under `source`, in order
    /// of name. Names are checked: they become file names, columns of a terminal, parts of addresses.
    pub(super) fn named(&self, key: &str, shape: &Shape) -> Vec<(&'t str, Section<'t>)> {
        let Some(parent) = self.table(key, &NAMES, &format!("{} for each", shape.table)) else { return Vec::new() };
        let mut found = Vec::new();
        for (name, value) in parent.table {
            check_name(name.get_ref(), name.span(), self.report);
            match value.get_ref().as_table() {
                Some(table) => {
                    let path = parent.dotted(name.get_ref());
                    found.push((name.get_ref().as_ref(), Self::open(path, name.span(), table, shape, self.report)));
                }
                None => parent.wrong(name.get_ref(), value, &format!("it as a table, {}", shape.table)),
            }
        }
        found
    }

    /// The keys of this table, in order of name.
    pub(super) fn keys(&self) -> impl Iterator<Item = Spanned<&'t str>> + use<'t> {
        self.table.keys().map(|key| Spanned::new(key.span(), key.get_ref().as_ref()))
    }
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        // A binary float is exact far beyond any count a policy can name.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        DeValue::Integer(whole) => i64::from_str_radix(whole.as_str(), whole.radix()).ok().map(|whole| whole as f64),
        DeValue::Float(float) => float.as_str().parse().ok(),
        _ => None,
    }
}

/// Longest name a user may give: it stands in terminals, logs and addresses.
const LONGEST_NAME: usize = 64;

/// Reports a name that could not be typed, printed or put in an address as it is.
pub(super) fn check_name(name: &str, span: Span, report: &Report<'_>) {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if name.len() > LONGEST_NAME {
        report.error(span, format!("a name of {} characters", name.len()), format!("use at most {LONGEST_NAME}"));
    } else if !starts_well || !name.bytes().all(allowed) {
        let advice = "use small letters a to z, digits, - and _, and begin with a letter or a digit";
        report.error(span, format!("{} cannot be a name", quoted(name)), advice);
    }
}
