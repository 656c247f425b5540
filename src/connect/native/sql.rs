//! The connectors `sql` and `sql_acts`: read a team's own PostgreSQL or SQLite with one query, which can change nothing
//! there. `sql` takes counts by day and arm, `sql_acts` people's acts; the names of the query's columns say which is which.
//! A team's database mostly stands on a private host, so what holds for addresses of vendors does not hold here. Not for
//! the store of this program.

mod address;
mod postgres;
mod rows;
mod shape;
mod sqlite;

use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::connect::{Connector, PullError, PullFacts, PullRequest};
use crate::domain::connector::{ConnectorInfo, Facts, RowSink, SettingInfo};
use crate::domain::metric::MetricId;
use crate::domain::money::Currency;
use crate::domain::response::Depth;

use address::{Address, Place};
use rows::Rows;
use shape::Shape;

/// How long a database may take to take a connection, and for all of its answer.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
const ANSWERED_WITHIN: Duration = Duration::from_mins(5);

/// How long a query may wait for what others have locked.
const LOCKED_WITHIN: Duration = Duration::from_secs(5);

/// Rows handed over at a time.
const BATCH: usize = 1_000;

/// Longest row, in characters: far beyond any count or act.
const LONGEST_ROW: usize = 64 * 1024;

/// A row as its database writes it, in the order of the columns that were asked for; `None` for NULL.
type Row = Vec<Option<String>>;

/// What is asked.
#[derive(Clone)]
struct Ask {
    /// The user's, without a semicolon at its end.
    query: String,
    /// `$1` and `$2` in it.
    first: NaiveDate,
    last: NaiveDate,
    /// By whose clocks the database cuts days.
    zone: Tz,
}

impl Ask {
    /// The query for these columns, in this order, of what the user's query gives.
    fn of(&self, columns: &[String], as_one: impl FnOnce(String) -> String) -> String {
        let quoted: Vec<String> = columns.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        // On lines of its own: it may end with a comment.
        format!("SELECT {} FROM (\n{}\n) AS answer", as_one(quoted.join(", ")), self.query)
    }
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counts,
    Acts,
}

/// The connector.
pub struct SqlConnector {
    kind: Kind,
    info: ConnectorInfo,
}

impl SqlConnector {
    /// `sql`: counts by day and arm.
    pub fn counts() -> Self {
        let counts = SettingInfo {
            name: "counts".to_owned(),
            help: "what the query counts, each a column of it: \"visits\", or \"visits, signups\"".to_owned(),
            ..SettingInfo::default()
        };
        let currency = SettingInfo {
            pattern: Some("[A-Z]{3}".to_owned()),
            ..optional("currency", "what spend is in, such as EUR, where the query counts it")
        };
        Self {
            kind: Kind::Counts,
            info: ConnectorInfo {
                name: "sql".to_owned(),
                title: "Your own database".to_owned(),
                settings: offered([counts, currency]),
                metrics: MetricId::counted().collect(),
                counts_named_in: Some("counts"),
                lookback_days: 30,
                ..ConnectorInfo::default()
            },
        }
    }

    /// `sql_acts`: people's acts.
    pub fn acts() -> Self {
        Self {
            kind: Kind::Acts,
            info: ConnectorInfo {
                name: "sql_acts".to_owned(),
                title: "Your own database, acts of people".to_owned(),
                settings: offered([]),
                metrics: vec![MetricId::SIGNUPS],
                people: Some(Depth::Email),
                names_people: true,
                reads_answers: true,
                // As far back as shops pay back.
                lookback_days: 60,
                ..ConnectorInfo::default()
            },
        }
    }
}

fn optional(name: &str, help: &str) -> SettingInfo {
    SettingInfo { name: name.to_owned(), help: help.to_owned(), optional: true, ..SettingInfo::default() }
}

fn offered(more: impl IntoIterator<Item = SettingInfo>) -> Vec<SettingInfo> {
    let address = SettingInfo {
        name: "address".to_owned(),
        help: "where it is: postgres://USER:PASSWORD@HOST/DATABASE, or sqlite:/whole/path/of/the/file".to_owned(),
        secret: true,
        pattern: Some(r"(?:postgres(?:ql)?://\S+|sqlite:(?://)?/.+)".to_owned()),
        ..SettingInfo::default()
    };
    let query = SettingInfo {
        name: "query".to_owned(),
        help: "one SELECT; $1 and $2 stand for the first and the last day that is asked for".to_owned(),
        pattern: Some(r"(?s)(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:[Ss][Ee][Ll][Ee][Cc][Tt]|[Ww][Ii][Tt][Hh])\b.*".to_owned()),
        ..SettingInfo::default()
    };
    let zone = SettingInfo {
        zone: true,
        ..optional(
            "zone",
            "by whose clocks its days and times are, where they name no zone; else the experiment's for days",
        )
    };
    [address, query].into_iter().chain(more).chain([zone]).collect()
}

#[async_trait]
impl Connector for SqlConnector {
    fn info(&self) -> &ConnectorInfo {
        &self.info
    }

    async fn pull(&self, request: &PullRequest<'_>, sink: &mut dyn RowSink) -> Result<PullFacts, PullError> {
        let settings = request.settings;
        let address = Address::of(settings)?;
        let clock = settings
            .plain("zone")
            .map(|zone| {
                zone.parse::<Tz>().map_err(|_| PullError::Database("setting `zone` names no time zone".to_owned()))
            })
            .transpose()?;
        // Days of counts are its own; instants become days of the experiment.
        let zone = clock.filter(|_| self.kind == Kind::Counts).unwrap_or(request.zone);
        let query = settings.plain("query").unwrap_or_default();
        let shape = match self.kind {
            Kind::Counts => Shape::counts(settings)?,
            Kind::Acts => Shape::acts(request.questions)?,
        };
        let ask = Ask {
            query: query.trim_end_matches([';', ' ', '\t', '\r', '\n']).to_owned(),
            first: request.window.first(),
            last: request.window.last(),
            zone: clock.unwrap_or(request.zone),
        };
        let mut rows = Rows::new(&shape, request, (zone, clock), &address, sink);
        let reading = async {
            match &address.place {
                Place::Sqlite(path) => sqlite::read(path, &ask, &shape, &address, &mut rows).await,
                Place::Postgres(options) => postgres::read(options, &ask, &shape, &address, &mut rows).await,
            }
        };
        tokio::time::timeout(ANSWERED_WITHIN, reading).await.map_err(|_| too_slow())??;
        let asks_for_days = ask.query.contains("$1") || ask.query.contains("$2");
        let (batches, count, warnings) = rows.end(asks_for_days);
        Ok(PullFacts {
            pages: batches,
            rows: count,
            day_zone: zone,
            currency: self.currency(request, &shape)?,
            facts: Facts::default(),
            covered: request.window,
            warnings,
        })
    }
}

impl SqlConnector {
    /// What spend is in, which must be said where it is counted.
    fn currency(&self, request: &PullRequest<'_>, shape: &Shape) -> Result<Option<Currency>, PullError> {
        if self.kind == Kind::Acts || !shape.counts_money() {
            return Ok(None);
        }
        let code = request.settings.plain("currency").and_then(Currency::from_code);
        code.map(Some).ok_or_else(|| {
            PullError::Database(
                "the query counts spend, and nothing says what it is in: set currency = \"EUR\", or yours".into(),
            )
        })
    }
}

fn too_slow() -> PullError {
    PullError::Database(format!(
        "the database did not answer within {} minutes: read fewer days (use $1 and $2), or let it keep the sums",
        ANSWERED_WITHIN.as_secs() / 60
    ))
}
