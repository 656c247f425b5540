//! Connectors described by a file: `connectors/NAME.toml`. A file is read (`raw`), checked (`check`), filled
//! in with one source's settings (`fill`, `call`), asked (`ask`) page by page (`page`), each answer judged
//! (`errors`) and read once (`plan`, `extract`) into rows (`rows`, `only`, `taker`, `day`, `number`, `identity`).

mod account;
mod alone;
#[allow(dead_code, reason = "fans, reports and accounts use the rest of it soon")]
mod ask;
#[allow(dead_code, reason = "fans, reports and accounts use the rest of it soon")]
mod call;
mod check;
mod day;
mod drift;
#[allow(dead_code, reason = "fans, reports and accounts use the rest of it soon")]
mod ending;
mod errors;
mod example;
mod extract;
mod facts;
mod fan;
mod fill;
mod identity;
mod inbound;
#[allow(dead_code, reason = "fans, reports and accounts use the rest of it soon")]
mod look;
mod number;
mod only;
mod pace;
mod page;
mod pager;
mod path;
mod plan;
mod program;
mod proof;
mod raw;
mod report;
mod rows;
mod taker;
mod trial;
mod unpack;
mod window;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDate;
use chrono_tz::Tz;

use self::account::AccountRule;
use self::call::Verb;
use self::day::DayForm;
use self::errors::{ErrorRule, Then};
use self::facts::FactsRule;
use self::fan::Fan;
use self::fill::{End, Hole, Template};
use self::inbound::InboundRule;
use self::number::Form;
use self::only::OnlyRule;
use self::program::Program;
use self::proof::Proof;
use self::report::Report;
use super::auth::{Auth, Oauth2};
use super::http::{HeaderName, Http, Method, WaitUnit};
use super::{Connector, Deliveries, PullError, PullFacts, PullRequest};
use crate::domain::connector::{ConnectorInfo, Home, RowSink, Settings};
use crate::domain::intake::Question;
use crate::domain::metric::MetricId;
use crate::domain::response::{Depth, Void};

pub use self::ask::Patience;
pub use self::raw::Mistake;

/// What the user calls a question, as a placeholder of `[response] answer`.
const ANSWER: &str = "answer";

/// A checked manifest.
#[derive(Debug)]
pub struct Manifest {
    info: ConnectorInfo,
    proof: Proof,
    days: DayZone,
    /// The request cannot name both ends of the days, so answers hold others too.
    unbounded: bool,
    account: Option<AccountRule>,
    asks: Asks,
    paging: Option<Paging>,
    fan: Option<Fan>,
    report: Option<Report>,
    limits: Limits,
    errors: Vec<ErrorRule>,
    rows: Rows,
    metrics: Vec<MetricRule>,
    response: Option<ResponseRule>,
    inbound: Option<InboundRule>,
    facts: FactsRule,
    examples: Vec<Example>,
}

/// What is asked for the rows.
#[derive(Debug)]
enum Asks {
    /// A vendor's address.
    Vendor(Request),
    /// A program of the user's.
    Program(Program),
    /// Nobody: deliveries are all there is. Longest, in days, that none comes while all is well.
    Nobody(u32),
}

/// Where days begin and end.
#[derive(Debug)]
enum DayZone {
    /// The vendor gives instants.
    Experiment,
    /// Each row names the zone.
    Row(Template),
    /// The account names it.
    Account,
    /// The vendor cuts days in this one, whatever the account.
    Fixed(Tz),
    /// The user says it, where no answer does.
    Stated(Template),
}

impl DayZone {
    /// Zone in which instants and days become each other before any row is read; the account's, where it
    /// matters, is known only once it was asked.
    fn zone(&self, request: &PullRequest<'_>) -> Tz {
        match self {
            Self::Fixed(zone) => *zone,
            // A reader is made before anything is asked, and refuses what is no zone.
            Self::Stated(name) => stated_zone(name, request.settings).unwrap_or(request.zone),
            Self::Experiment | Self::Row(_) | Self::Account => request.zone,
        }
    }
}

/// The zone that the user's settings name.
fn stated_zone(name: &Template, settings: &Settings) -> Option<Tz> {
    name.fill_plain(settings, |text| text)?.parse().ok()
}

/// One of the calls a manifest makes: the rows, the account, the ids of a fan-out, a report's job.
#[derive(Debug)]
struct Request {
    method: Method,
    /// The setting that holds the address…
    base: String,
    /// …whose default may hold a setting as one label of the host…
    labelled: Option<Template>,
    /// …and the path below it.
    path: Template,
    /// Before `query`, as it stands: only placeholders are escaped.
    raw_query: Option<Template>,
    query: Vec<(String, Param)>,
    headers: Vec<(HeaderName, Template)>,
    body: Option<Body>,
}

/// One value of a query or a form.
#[derive(Debug)]
enum Param {
    One(Template),
    /// The name comes once with each.
    Each(Vec<Template>),
    /// One text with commas between.
    Joined(Vec<Template>),
    /// JSON as text.
    Json(Json),
}

#[derive(Debug)]
enum Body {
    Json(Json),
    Form(Vec<(String, Param)>),
}

/// JSON with placeholders in its texts.
#[derive(Debug)]
enum Json {
    Text(Template),
    /// A placeholder, sent as a number.
    Number(Template),
    Plain(serde_json::Value),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// `[page.…]`
#[derive(Debug)]
struct Paging {
    kind: PageKind,
    size: Option<u32>,
    /// Rows in all.
    total: Option<Template>,
}

/// What names the next page.
#[derive(Debug)]
enum PageKind {
    /// A word of the page.
    Cursor { from: Template, goes_on: Option<Template>, place: PagePlace },
    /// An address in the page.
    Next { from: Template, verb: Verb },
    /// Its number; `last` is how many there are.
    Number { place: PagePlace, first: u32, last: Option<Template>, goes_on: Option<Template> },
    /// The number of rows before it.
    Offset { place: PagePlace, goes_on: Option<Template> },
}

/// Where the name of a page goes.
#[derive(Debug)]
enum PagePlace {
    Query(String),
    /// The tables of the body that lead there, outermost first, and its own name.
    Json(Vec<String>),
    Header(HeaderName),
}

#[derive(Debug, Default)]
struct Limits {
    per_second: Option<f64>,
    /// Most calls of one account under way at one time.
    concurrent: Option<u32>,
    /// After an answer that asks for time and does not say how much.
    wait: Option<Duration>,
    /// Where an answer's body says how long to wait…
    wait_body: Option<(Template, WaitUnit)>,
    /// …or one of its headers.
    wait_header: Option<HeaderHint>,
    /// Where good answers say how much of the allowance is used, and from how many percent on to go slower.
    busy: Option<(HeaderHint, u8)>,
    /// Where a refusal says why: the first of these that is there.
    message: Vec<Template>,
}

/// A header that says something, plainly or in JSON.
#[derive(Clone, Debug)]
struct HeaderHint {
    name: HeaderName,
    path: Option<Template>,
    unit: WaitUnit,
}

#[derive(Debug)]
struct Rows {
    each: Template,
    /// What a row must say to count.
    only: Vec<OnlyRule>,
    none_if: Option<NoneIf>,
    /// The first of these that is there.
    id: Vec<Template>,
    day: Day,
    /// The zone by whose clocks it is told, where it names none.
    clock: Option<Template>,
    /// The first of these that is there.
    arm: Vec<ArmRule>,
    /// One of these begins every key and is cut off, where there are any.
    cut: Vec<Template>,
    /// So many rows in one answer mean that the vendor cut it short.
    full_at: Option<u64>,
    /// Rows come from the newest to the oldest, so reading may end where the days asked for do.
    newest_first: bool,
    /// The answer is no list, but a row in each line.
    lines: bool,
}

/// When an answer without the list of rows has none.
#[derive(Debug)]
enum NoneIf {
    /// Something stands there.
    There(Template),
    /// The answer is an empty object.
    EmptyAnswer,
}

/// Where the key of an arm stands.
#[derive(Debug)]
enum ArmRule {
    /// In the row, or in a parameter of the address that stands there.
    At(Template, Option<Template>),
    /// It is a setting: one form, list or meeting for each arm.
    Stated(Template),
}

/// Where a row's day stands.
#[derive(Debug)]
enum Day {
    One(Template, DayForm),
    YearMonthDay([Template; 3]),
}

#[derive(Debug)]
struct MetricRule {
    id: MetricId,
    /// Where its number stands; `None` where each row is one act.
    number: Option<NumberRule>,
}

impl MetricRule {
    fn is_fractional(&self) -> bool {
        self.number.as_ref().is_some_and(|number| number.form == Form::Fractional)
    }
}

#[derive(Debug)]
struct NumberRule {
    form: Form,
    /// Written with an exponent at times.
    exponent: bool,
    /// Added up.
    paths: Vec<Template>,
    currency: Option<CurrencyRule>,
    /// A row without it counts zero.
    absent_is_zero: bool,
    /// Texts that stand for zero; `null` for JSON's.
    empty: Vec<String>,
}

/// What money is in.
#[derive(Debug)]
enum CurrencyRule {
    /// Each row says it.
    Row(Template),
    /// The account says it.
    Account,
    /// The file says it, or the user.
    Stated(Template),
}

#[derive(Debug)]
struct ResponseRule {
    /// Together they tell acts apart.
    id: Vec<Template>,
    /// The first of these that is there.
    person: Vec<Template>,
    depth: Depth,
    /// Where an answer stands, with the user's name of its question in place of `{answer}`: the first that is there.
    answer: Vec<Template>,
    /// Why an act no longer stands: the first condition that holds.
    void: Vec<(Void, OnlyRule)>,
}

#[derive(Debug)]
struct Example {
    line: usize,
    /// Its page is a delivery of the vendor's.
    is_delivery: bool,
    /// Answers to as many calls.
    pages: Vec<String>,
    settings: Vec<(String, String)>,
    means: Meaning,
}

/// What an example says its answers mean.
#[derive(Debug)]
enum Meaning {
    Rows(Vec<Expected>),
    /// An error, with this status.
    Then(u16, Then),
}

/// What an example says one arm counted on one day, in millionths.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    arm: Option<String>,
    day: NaiveDate,
    values: Vec<(MetricId, i64)>,
}

/// Everything wrong in one manifest, a line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ManifestError {
    /// The file.
    pub file: String,
    /// In order of line, at least one.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, mistake) in self.mistakes.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{mistake}", self.file)?;
        }
        Ok(())
    }
}

impl Manifest {
    /// Reads and checks a manifest; `file` is its name, which must be the connector's and `.toml`.
    ///
    /// # Errors
    /// [`ManifestError`] with every mistake at once.
    pub fn load(file: &str, text: &str) -> Result<Self, ManifestError> {
        check::load(file, text)
    }

    /// Answers hold rows of other days than those asked for, as the file itself says.
    fn answers_more(&self) -> bool {
        let early = |hole: &Hole| matches!(hole.as_day(), Some((End::Early, _)));
        self.unbounded || self.calls().any(|call| call.holes().any(early))
    }

    /// Every call it makes to the vendor with a proof of who asks.
    fn calls(&self) -> impl Iterator<Item = &Request> {
        let account = self.account.iter().map(|account| &account.request);
        let fan = self.fan.iter().map(|fan| &fan.request);
        let poll = self.report.iter().map(|report| &report.poll);
        let rows = match &self.asks {
            Asks::Vendor(request) => Some(request),
            Asks::Program(_) | Asks::Nobody(_) => None,
        };
        rows.into_iter().chain(account).chain(fan).chain(poll)
    }

    /// As one that a user's folder holds: whoever uses it confirms its hosts.
    pub(super) fn of_a_folder(mut self) -> Self {
        self.info.home = Home::Folder;
        self
    }

    /// What the connector offers.
    pub fn info(&self) -> &ConnectorInfo {
        &self.info
    }
}

/// A connector that does what its manifest says.
pub struct ManifestConnector {
    manifest: Manifest,
    http: Http,
    auth: Auth,
    patience: Patience,
}

impl ManifestConnector {
    /// Asks through this client, with this patience.
    pub fn new(manifest: Manifest, http: Http, auth: Auth, patience: Patience) -> Self {
        Self { manifest, http, auth, patience }
    }
}

#[async_trait]
impl Connector for ManifestConnector {
    fn info(&self) -> &ConnectorInfo {
        &self.manifest.info
    }

    fn oauth2(&self) -> Option<&Oauth2> {
        self.manifest.proof.oauth2()
    }

    fn deliveries(&self, settings: &Settings, questions: &[Question]) -> Result<Option<Box<dyn Deliveries>>, String> {
        self.manifest.deliveries(settings, questions)
    }

    async fn pull(&self, request: &PullRequest<'_>, sink: &mut dyn RowSink) -> Result<PullFacts, PullError> {
        match &self.manifest.asks {
            Asks::Vendor(call) => page::pull(self, call, request, sink).await,
            Asks::Program(program) => program::pull(&self.manifest, program, request, sink).await,
            Asks::Nobody(silent_days) => alone::pull(&self.manifest, *silent_days, request),
        }
    }
}
