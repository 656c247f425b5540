//! A fake Plausible account with the site of each form's concept: counts by dimensions of what its script told, with filters,
//! in pages whose rows come in no order but the one that is asked for. There is nobody to delete: it knows no person.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use chrono::NaiveDate;
use chrono_tz::Tz;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::faults::{Answer, PageLoop};
use super::traffic::Event;
use super::world::SimConcept;
use super::{Endpoint, Fault, Shared, bearer, chance, held, pages};

/// The goal that the site's settings name.
pub const GOAL: &str = "Signup";

/// The site of a concept.
pub fn site(form_id: &str) -> String {
    format!("{}.example", form_id.to_lowercase())
}

/// More than 600 calls an hour: without a word on how long to wait.
pub fn throttled() -> Fault {
    refusal(429, "Too many API requests. Your API key is limited to 600 requests per hour.").into()
}

/// The key is not taken, or has no such site: the vendor does not tell which.
pub fn unauthorized() -> Fault {
    unknown().into()
}

/// The plan has no Stats API.
pub fn no_plan() -> Fault {
    refusal(402, "The account that owns this API key does not have access to Stats API.").into()
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/api/v2/query", post(query))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    site_id: String,
    metrics: Vec<Metric>,
    date_range: (NaiveDate, NaiveDate),
    #[serde(default)]
    dimensions: Vec<Dimension>,
    #[serde(default)]
    filters: Vec<(Operator, Dimension, Vec<String>)>,
    #[serde(default)]
    order_by: Vec<(Value, Direction)>,
    #[serde(default)]
    include: Include,
    #[serde(default)]
    pagination: Pagination,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Metric {
    Visitors,
    Pageviews,
    Events,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum Dimension {
    #[serde(rename = "time:day")]
    Day,
    #[serde(rename = "event:goal")]
    Goal,
    #[serde(rename = "event:page")]
    Page,
    #[serde(rename = "visit:entry_page")]
    EntryPage,
    #[serde(rename = "visit:utm_content")]
    Content,
    /// What the links of the ads say of nothing.
    #[serde(rename = "visit:utm_term")]
    Term,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Operator {
    Is,
    IsNot,
    Contains,
    Matches,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Direction {
    Asc,
    Desc,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Include {
    total_rows: bool,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Pagination {
    limit: usize,
    offset: usize,
}

impl Default for Pagination {
    fn default() -> Self {
        Self { limit: 10_000, offset: 0 }
    }
}

/// One condition that an event meets or does not.
struct Filter {
    operator: Operator,
    of: Dimension,
    clauses: Vec<String>,
    expressions: Vec<Regex>,
}

impl Dimension {
    /// What an event has of it.
    fn of(self, event: &Event, zone: Tz) -> String {
        let there = |text: Option<&str>| text.filter(|it| !it.is_empty()).unwrap_or("(not set)").to_owned();
        match self {
            Self::Day => event.at.with_timezone(&zone).date_naive().to_string(),
            Self::Goal => there(event.is_sign_up().then_some(GOAL)),
            Self::Page => event.page.to_owned(),
            Self::EntryPage => event.entry.to_owned(),
            Self::Content => there(event.tag.as_deref()),
            Self::Term => there(None),
        }
    }
}

impl Filter {
    fn read((operator, of, clauses): (Operator, Dimension, Vec<String>)) -> Result<Self, Answer> {
        let mut expressions = Vec::new();
        match (of, operator) {
            (Dimension::Day, _) => return Err(invalid("Invalid filters. Time dimensions cannot be filtered by.")),
            (Dimension::Goal, Operator::Is) => {
                if let Some(other) = clauses.iter().find(|clause| *clause != GOAL) {
                    let message = format!("Invalid filters. The goal `{other}` is not configured for this site.");
                    return Err(invalid(&message));
                }
            }
            (Dimension::Goal, Operator::IsNot | Operator::Matches) => {
                return Err(invalid("Invalid filters. event:goal takes is and contains only."));
            }
            (_, Operator::Matches) => {
                for clause in &clauses {
                    let expression = Regex::new(clause).map_err(|_| invalid("Invalid filters. No regular expression."));
                    expressions.push(expression?);
                }
            }
            _ => {}
        }
        Ok(Self { operator, of, clauses, expressions })
    }

    fn lets(&self, event: &Event, zone: Tz) -> bool {
        let value = self.of.of(event, zone);
        match self.operator {
            Operator::Is => self.clauses.contains(&value),
            Operator::IsNot => !self.clauses.contains(&value),
            Operator::Contains => self.clauses.iter().any(|clause| value.contains(clause)),
            Operator::Matches => self.expressions.iter().any(|expression| expression.is_match(&value)),
        }
    }
}

/// What came together under the same dimensions.
#[derive(Default)]
struct Bucket {
    visitors: BTreeSet<u64>,
    pageviews: usize,
    events: usize,
}

impl Bucket {
    fn value(&self, metric: Metric) -> usize {
        match metric {
            Metric::Visitors => self.visitors.len(),
            Metric::Pageviews => self.pageviews,
            Metric::Events => self.events,
        }
    }
}

async fn query(
    State(state): State<Shared>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Answer> {
    if bearer(&headers).is_none() {
        return Err(refusal(401, "Missing API key. Please use a valid Plausible API key as a Bearer Token."));
    }
    let world = &state.setup.world;
    let asked: Asked = serde_json::from_slice(&body).map_err(|error| invalid(&format!("#: {error}")))?;
    let owns = |concept: &&SimConcept| site(&concept.form_id) == asked.site_id;
    let Some(concept) = world.concepts.iter().find(owns).filter(|_| state.knows(Endpoint::Plausible, &headers)) else {
        return Err(unknown());
    };
    let (first, last) = asked.date_range;
    if asked.metrics.is_empty() || last < first || !(1..=10_000).contains(&asked.pagination.limit) {
        return Err(invalid("#: metrics, date_range or pagination cannot be used"));
    }
    let filters = asked.filters.into_iter().map(Filter::read).collect::<Result<Vec<_>, _>>()?;
    let mut buckets = BTreeMap::<Vec<String>, Bucket>::new();
    for event in state.traffic(&concept.form_id).iter() {
        let day = event.at.with_timezone(&world.zone).date_naive();
        if !(first..=last).contains(&day) || !filters.iter().all(|filter| filter.lets(event, world.zone)) {
            continue;
        }
        let of = asked.dimensions.iter().map(|dimension| dimension.of(event, world.zone)).collect();
        let bucket = buckets.entry(of).or_default();
        bucket.visitors.insert(event.visitor);
        bucket.pageviews += usize::from(!event.is_sign_up());
        bucket.events += 1;
    }
    let order = order(&asked.order_by, &asked.metrics, &asked.dimensions)?;
    let mut rows: Vec<(Vec<String>, Vec<usize>)> = buckets
        .into_iter()
        .map(|(of, bucket)| (of, asked.metrics.iter().map(|metric| bucket.value(*metric)).collect()))
        .collect();
    // What is not asked for comes otherwise at each call, as from machines that work side by side.
    let turn = held(&state.calls).get(&Endpoint::Plausible).copied().unwrap_or_default();
    let scattered = |of: &[String]| of.concat().bytes().fold(turn, |hash, byte| chance::mix(hash ^ u64::from(byte)));
    rows.sort_by_cached_key(|(of, _)| scattered(of));
    for (by, direction) in order.into_iter().rev() {
        match (by, direction) {
            (By::Dimension(at), Direction::Asc) => rows.sort_by(|one, other| one.0[at].cmp(&other.0[at])),
            (By::Dimension(at), Direction::Desc) => rows.sort_by(|one, other| other.0[at].cmp(&one.0[at])),
            (By::Metric(at), Direction::Asc) => rows.sort_by_key(|row| row.1[at]),
            (By::Metric(at), Direction::Desc) => rows.sort_by_key(|row| Reverse(row.1[at])),
        }
    }
    let page = pages::page(&rows, asked.pagination.offset, asked.pagination.limit, page_loop.is_some());
    let results: Vec<_> = page.rows.iter().map(|(of, values)| json!({ "dimensions": of, "metrics": values })).collect();
    let meta = if asked.include.total_rows { json!({ "total_rows": rows.len() }) } else { json!({}) };
    Ok(Json(json!({ "results": results, "meta": meta, "query": { "site_id": asked.site_id } })))
}

/// A column to sort by.
#[derive(Clone, Copy)]
enum By {
    Dimension(usize),
    Metric(usize),
}

/// What rows are sorted by: as asked, else by day and then by the first metric, the largest first.
fn order(
    asked: &[(Value, Direction)],
    metrics: &[Metric],
    dimensions: &[Dimension],
) -> Result<Vec<(By, Direction)>, Answer> {
    if asked.is_empty() {
        let day = dimensions.iter().position(|it| *it == Dimension::Day).map(|at| (By::Dimension(at), Direction::Asc));
        return Ok(day.into_iter().chain([(By::Metric(0), Direction::Desc)]).collect());
    }
    let column = |(name, direction): &(Value, Direction)| {
        let dimension = Dimension::deserialize(name).ok().and_then(|it| dimensions.iter().position(|of| *of == it));
        let metric = Metric::deserialize(name).ok().and_then(|it| metrics.iter().position(|of| *of == it));
        let by = dimension.map(By::Dimension).or(metric.map(By::Metric));
        let message =
            || invalid(&format!("Invalid order_by entry {name}. It is neither a metric nor a dimension here."));
        Ok((by.ok_or_else(message)?, *direction))
    };
    asked.iter().map(column).collect()
}

fn unknown() -> Answer {
    refusal(
        401,
        "Invalid API key or site ID. Please make sure you're using a valid API key with access to the site you've requested.",
    )
}

fn invalid(message: &str) -> Answer {
    refusal(400, message)
}

fn refusal(status: u16, message: &str) -> Answer {
    Answer::json(status, json!({ "error": message }).to_string())
}
