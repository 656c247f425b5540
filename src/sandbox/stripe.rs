//! A fake Stripe account: Checkout sessions and `PaymentIntent`s, newest first and walked by id. Nothing is ever deleted: what
//! was paid is paid back or disputed instead, long after it began. A session that is complete need not be paid, a bank takes
//! days, and a test key shows the same with `livemode` false.

use std::collections::BTreeSet;

use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde_json::{Value, json};

use super::faults::{Answer, PageLoop};
use super::submissions::by_day;
use super::world::People;
use super::{Endpoint, Fault, Shared, World, bearer, chance, pages};

const LARGEST_PAGE: usize = 100;
/// Since then a payment names its latest charge.
const OLDEST_VERSION: &str = "2022-11-15";

/// More than 100 calls a second: without a word on how long to wait.
pub fn throttled() -> Fault {
    let message = "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.";
    refusal(429, Some("rate_limit"), message, None).with("stripe-rate-limited-reason", "global-rate").into()
}

/// Another call holds the object.
pub fn locked() -> Fault {
    let message = "This object cannot be accessed right now because another API request is currently accessing it.";
    refusal(429, Some("lock_timeout"), message, None).into()
}

/// The key is not taken.
pub fn unauthorized() -> Fault {
    unknown_key().into()
}

/// The key may not read this.
pub fn forbidden() -> Fault {
    let message = "The provided key 'rk_live_*' does not have the required permissions for this endpoint. Having the \
                   'rak_checkout_session_read' permission would allow this request to continue.";
    refusal(403, Some("more_permissions_required"), message, None).into()
}

/// What the account's test key is, given its live one.
pub fn test_key(live: &str) -> String {
    format!("rk_test_{live}")
}

/// The payment link that leads to an arm.
pub fn payment_link(arm: &str) -> String {
    format!("plink_{arm}")
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/v1/{*kind}", get(list))
}

/// What somebody does at the till.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Till {
    /// Pays at once.
    Card,
    /// Pays by bank: `true` arrives two days later, `false` never.
    Bank(bool),
    /// Owes nothing, by a coupon of 100 %.
    Coupon,
    /// Begins a subscription and pays the first of it.
    Subscription,
    /// Begins one with a trial.
    Trial,
    /// Saves a card.
    Setup,
    /// Goes away.
    Leaves,
}

/// One session, and what became of it.
struct Session {
    number: u64,
    email: String,
    arm: String,
    created_at: DateTime<Utc>,
    /// When it was completed; `None`: not yet, or never.
    done_at: Option<DateTime<Utc>>,
    till: Till,
    bits: u64,
    now: DateTime<Utc>,
}

impl Session {
    /// Whether something is over that takes so long from completion on.
    fn after(&self, hours: i64) -> bool {
        self.done_at.is_some_and(|done| done + Duration::hours(hours) <= self.now)
    }

    /// Whether money has come for a single payment, whatever became of it.
    fn paid_once(&self) -> bool {
        match self.till {
            Till::Card => self.after(0),
            Till::Bank(arrives) => arrives && self.after(48),
            Till::Coupon | Till::Subscription | Till::Trial | Till::Setup | Till::Leaves => false,
        }
    }

    fn refunded(&self) -> bool {
        self.paid_once() && self.bits % 13 == 3 && self.after(90)
    }

    /// A part was paid back, the rest is kept.
    fn partly_refunded(&self) -> bool {
        self.paid_once() && self.bits % 13 == 4 && self.after(90)
    }

    fn disputed(&self) -> bool {
        self.paid_once() && self.bits % 17 == 5 && self.after(100)
    }

    /// Paid, and neither paid back nor disputed.
    fn kept(&self) -> bool {
        self.paid_once() && !self.refunded() && !self.disputed()
    }

    /// What the seller wrote on it: on one in nineteen only a day and a half later, by hand.
    fn tag(&self) -> Option<&str> {
        let late = self.bits % 19 == 6;
        (self.bits.is_multiple_of(3) || late && self.after(36)).then_some(&*self.arm)
    }

    fn reference(&self) -> Option<&str> {
        (self.bits % 3 == 1).then_some(&*self.arm)
    }

    /// What tells the arm: the tag, else the reference, else the payment link.
    fn told(&self) -> String {
        self.tag().or(self.reference()).map_or_else(|| payment_link(&self.arm), str::to_owned)
    }
}

/// Every session up to now, newest first.
fn sessions(world: &World, now: DateTime<Utc>) -> Vec<Session> {
    let forms = world.concepts.iter().map(|concept| concept.form_id.as_str());
    let mut all = Vec::new();
    // Those who complete tomorrow may have begun.
    for act in forms.flat_map(|form| world.acts(form, now + Duration::days(1))) {
        let number = u64::from_str_radix(act.response_id.get(..16).unwrap_or_default(), 16).unwrap_or_default();
        let bits = chance::mix(number);
        let till = match (bits >> 8) % 20 {
            0..3 => Till::Setup,
            3 => Till::Subscription,
            4 => Till::Trial,
            5 => Till::Coupon,
            6 | 7 => Till::Bank(bits.is_multiple_of(2)),
            _ => Till::Card,
        };
        let slow = bits.is_multiple_of(11);
        let created_at = act.at - if slow { Duration::hours(20) } else { Duration::seconds(90) };
        let session = |number: u64, created_at, done_at, till| {
            let (email, arm) = (act.email.clone(), act.arm.clone());
            Session { number, email, arm, created_at, done_at, till, bits: chance::mix(number), now }
        };
        if bits % 8 == 1 {
            all.push(session(chance::mix(number ^ 1), act.at - Duration::seconds(300), None, Till::Leaves));
        }
        all.push(session(number, created_at, Some(act.at).filter(|at| *at <= now), till));
    }
    all.retain(|session| session.created_at <= now);
    all.sort_by_key(|session| std::cmp::Reverse((session.created_at, session.number)));
    all
}

/// People by the day on which their session began, and arm, as far as `counts`.
fn truth(world: &World, now: DateTime<Utc>, counts: fn(&Session) -> bool) -> People {
    let mut all = sessions(world, now);
    all.reverse();
    let mut seen = BTreeSet::new();
    // A link is no arm of anybody's, but the first act of a person on an arm is what counts.
    all.retain(|it| counts(it) && it.told() == it.arm && seen.insert(it.email.to_lowercase()));
    by_day(world, all.iter().map(|it| (it.created_at, it.arm.as_str())))
}

/// Those who paid in a session and were not paid back. A subscription is none of them: what becomes of its payment is not
/// told by its session.
pub fn checkout_truth(world: &World, now: DateTime<Utc>) -> People {
    truth(world, now, Session::kept)
}

/// Those who saved a card.
pub fn cards_truth(world: &World, now: DateTime<Utc>) -> People {
    truth(world, now, |it| it.till == Till::Setup && it.after(0))
}

/// Those whose `PaymentIntent` succeeded and was not paid back; it begins when the session is completed.
pub fn payments_truth(world: &World, now: DateTime<Utc>) -> People {
    let mut all: Vec<_> = intents(world, now).into_iter().filter(|it| it.kept() && it.tag().is_some()).collect();
    all.reverse();
    let mut seen = BTreeSet::new();
    all.retain(|it| seen.insert(it.email.to_lowercase()));
    by_day(world, all.iter().filter_map(|it| Some((it.done_at?, it.arm.as_str()))))
}

/// How many payments were kept, paid back, paid back in part, and disputed.
pub fn outcomes(world: &World, now: DateTime<Utc>) -> [usize; 4] {
    let all = sessions(world, now);
    let count = |is: fn(&Session) -> bool| all.iter().filter(|it| is(it)).count();
    [count(Session::kept), count(Session::refunded), count(Session::partly_refunded), count(Session::disputed)]
}

/// The sessions that have a payment of their own, newest first. A subscription's invoice pays the first of it.
fn intents(world: &World, now: DateTime<Utc>) -> Vec<Session> {
    let pays = |it: &Session| matches!(it.till, Till::Card | Till::Bank(_) | Till::Subscription) && it.after(0);
    let mut all: Vec<_> = sessions(world, now).into_iter().filter(pays).collect();
    all.sort_by_key(|it| std::cmp::Reverse((it.done_at, it.number)));
    all
}

/// What a list call asks for.
struct Asked<'q> {
    limit: usize,
    after: Option<&'q str>,
    /// First instant, and the one after the last.
    created: (i64, i64),
    expand: Vec<&'q str>,
}

impl<'q> Asked<'q> {
    fn read(query: &'q [(String, String)]) -> Result<Self, Answer> {
        let mut asked = Self { limit: 10, after: None, created: (i64::MIN, i64::MAX), expand: Vec::new() };
        for (name, value) in query {
            let at = || value.parse::<i64>().map_err(|_| invalid(name, &format!("Invalid integer: {value}")));
            match name.as_str() {
                "limit" => {
                    let limit = value.parse().ok().filter(|it| (1..=LARGEST_PAGE).contains(it));
                    asked.limit = limit.ok_or_else(|| invalid(name, "Invalid integer: limit is 1 to 100"))?;
                }
                "starting_after" => asked.after = Some(value),
                "created[gte]" => asked.created.0 = at()?,
                "created[gt]" => asked.created.0 = at()? + 1,
                "created[lt]" => asked.created.1 = at()?,
                "created[lte]" => asked.created.1 = at()? + 1,
                "expand[]" => asked.expand.push(value),
                _ => {
                    let message = format!("Received unknown parameter: {name}");
                    return Err(refusal(400, Some("parameter_unknown"), &message, Some(name)));
                }
            }
        }
        Ok(asked)
    }

    /// Whether a property is to be the object and not its id; each must be one that can be.
    fn expands(&self, known: &[&str]) -> Result<usize, Answer> {
        let mut depth = 0;
        for path in &self.expand {
            let found = known.iter().position(|known| known == path);
            let Some(found) = found else {
                return Err(invalid("expand", &format!("This property cannot be expanded ({path}).")));
            };
            depth = depth.max(found + 1);
        }
        Ok(depth)
    }
}

async fn list(
    State(state): State<Shared>,
    Path(of): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    let live = state.setup.secrets.api_token(Endpoint::Stripe);
    let livemode = match bearer(&headers) {
        Some(key) if key == live => true,
        Some(key) if key == test_key(&live) => false,
        _ => return Err(unknown_key()),
    };
    let version = headers.get("stripe-version").and_then(|version| version.to_str().ok());
    if let Some(version) = version.filter(|version| !is_version(version)) {
        return Err(refusal(400, None, &format!("Invalid Stripe API version: {version}"), None));
    }
    let asked = Asked::read(&query)?;
    let (world, now) = (&state.setup.world, state.now());
    let (mut all, kind) = match of.as_str() {
        "checkout/sessions" => (sessions(world, now), SESSIONS),
        "payment_intents" => (intents(world, now), INTENTS),
        _ => return Err(refusal(404, None, &format!("Unrecognized request URL (GET: /v1/{of})."), None)),
    };
    let depth = asked.expands(kind.expands)?;
    let (first, end) = asked.created;
    all.retain(|it| (kind.at)(it).is_some_and(|at| (first..end).contains(&at.timestamp())));
    let start = match asked.after {
        None => 0,
        Some(id) => {
            let at = all.iter().position(|it| object_id(kind.prefix, it, livemode) == id);
            let missing =
                || refusal(400, Some("resource_missing"), &format!("No such object: '{id}'"), Some("starting_after"));
            at.ok_or_else(missing)? + 1
        }
    };
    let page = pages::page(&all, start, asked.limit.min(state.setup.form_page_rows), page_loop.is_some());
    let data: Vec<_> = page.rows.iter().map(|it| (kind.print)(it, livemode, depth)).collect();
    Ok(Json(json!({
        "object": "list", "url": format!("/v1/{of}"), "has_more": page.next.is_some(), "data": data,
    })))
}

/// A kind of list.
struct Kind {
    /// What ids of it begin with.
    prefix: &'static str,
    /// What can be asked for in place of ids, each one level deeper.
    expands: &'static [&'static str],
    /// When one began.
    at: fn(&Session) -> Option<DateTime<Utc>>,
    /// Prints one, with so many levels of what it names in place of ids.
    print: fn(&Session, bool, usize) -> Value,
}

const SESSIONS: Kind = Kind {
    prefix: "cs",
    expands: &["data.payment_intent", "data.payment_intent.latest_charge"],
    at: |it| Some(it.created_at),
    print: session,
};
const INTENTS: Kind = Kind { prefix: "pi", expands: &["data.latest_charge"], at: |it| it.done_at, print: intent };

/// A day, and since 2024 a word.
fn is_version(text: &str) -> bool {
    let (day, word) = text.split_once('.').map_or((text, None), |(day, word)| (day, Some(word)));
    let sound = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    day.len() == 10 && day.parse::<NaiveDate>().is_ok() && day >= OLDEST_VERSION && word.is_none_or(sound)
}

fn object_id(prefix: &str, it: &Session, livemode: bool) -> String {
    match (prefix, livemode) {
        ("cs", true) => format!("cs_live_{:016x}", it.number),
        ("cs", false) => format!("cs_test_{:016x}", it.number),
        _ => format!("{prefix}_{:016x}", it.number),
    }
}

fn session(it: &Session, livemode: bool, depth: usize) -> Value {
    let (mode, amount) = match it.till {
        Till::Setup => ("setup", None),
        Till::Subscription | Till::Trial => ("subscription", Some(4_900)),
        Till::Coupon => ("payment", Some(0)),
        Till::Card | Till::Bank(_) | Till::Leaves => ("payment", Some(4_900)),
    };
    let over = it.created_at + Duration::hours(24);
    let status = match it.done_at {
        Some(_) => "complete",
        None if over <= it.now => "expired",
        None => "open",
    };
    let payment_status = match it.till {
        Till::Setup => "no_payment_required",
        Till::Coupon | Till::Trial if it.after(0) => "no_payment_required",
        Till::Subscription if it.after(0) => "paid",
        _ if it.paid_once() => "paid",
        _ => "unpaid",
    };
    // There is none before the buyer has confirmed, and a subscription's belongs to its invoice.
    let has_intent = matches!(it.till, Till::Card | Till::Bank(_)) && it.after(0);
    let payment_intent = match (has_intent, depth) {
        (false, _) => Value::Null,
        (true, 0) => object_id("pi", it, livemode).into(),
        (true, depth) => intent(it, livemode, depth - 1),
    };
    let begun = matches!(it.till, Till::Subscription | Till::Trial) && it.after(0);
    json!({
        "id": object_id("cs", it, livemode),
        "object": "checkout.session",
        "amount_total": amount,
        "client_reference_id": it.reference(),
        "created": it.created_at.timestamp(),
        "currency": amount.map(|_| "eur"),
        "custom_fields": [{ "key": "why", "type": "text", "text": { "value": "<script>alert(1)</script> =2+5" } }],
        // Until somebody has typed an address, nothing is known of them.
        "customer_details": it.done_at.map(|_| json!({ "email": it.email, "name": "<b>Ann</b>" })),
        "customer_email": null,
        "expires_at": over.timestamp(),
        "livemode": livemode,
        "metadata": it.tag().map_or_else(|| json!({}), |tag| json!({ "utm_content": tag })),
        "mode": mode,
        "payment_intent": payment_intent,
        "payment_link": payment_link(&it.arm),
        "payment_status": payment_status,
        "setup_intent": (it.till == Till::Setup && it.after(0)).then(|| object_id("seti", it, livemode)),
        "status": status,
        "subscription": begun.then(|| object_id("sub", it, livemode)),
    })
}

fn intent(it: &Session, livemode: bool, depth: usize) -> Value {
    // Nobody passes what the session says on to a subscription's payment.
    let tag = it.tag().filter(|_| it.till != Till::Subscription);
    let receipt = it.bits.is_multiple_of(2).then_some(&it.email);
    let succeeded = it.paid_once() || it.till == Till::Subscription;
    let status = match it.till {
        Till::Bank(false) if it.after(72) => "requires_payment_method",
        _ if succeeded => "succeeded",
        _ => "processing",
    };
    let charge = object_id("ch", it, livemode);
    json!({
        "id": object_id("pi", it, livemode),
        "object": "payment_intent",
        "amount": 4_900,
        "amount_received": if succeeded { 4_900 } else { 0 },
        "created": it.done_at.map(|at| at.timestamp()),
        "currency": "eur",
        "latest_charge": if depth == 0 { charge.into() } else { latest_charge(it, &charge, livemode, status) },
        "livemode": livemode,
        "metadata": tag.map_or_else(|| json!({}), |tag| json!({ "utm_content": tag })),
        "receipt_email": receipt,
        "status": status,
    })
}

fn latest_charge(it: &Session, id: &str, livemode: bool, status: &str) -> Value {
    let back = if it.refunded() {
        4_900
    } else if it.partly_refunded() {
        1_000
    } else {
        0
    };
    let status = match status {
        "succeeded" => "succeeded",
        "processing" => "pending",
        _ => "failed",
    };
    json!({
        "id": id,
        "object": "charge",
        "amount": 4_900,
        "amount_refunded": back,
        "billing_details": { "email": it.email, "name": null },
        "disputed": it.disputed(),
        "livemode": livemode,
        "paid": status == "succeeded",
        // Only what was paid back altogether.
        "refunded": it.refunded(),
        "status": status,
    })
}

fn unknown_key() -> Answer {
    refusal(401, None, "Invalid API Key provided: rk_live_********", None)
}

fn invalid(param: &str, message: &str) -> Answer {
    refusal(400, None, message, Some(param))
}

fn refusal(status: u16, code: Option<&str>, message: &str, param: Option<&str>) -> Answer {
    let mut error = json!({ "message": message, "type": "invalid_request_error" });
    if let Some(code) = code {
        error["code"] = code.into();
        error["doc_url"] = format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")).into();
    }
    if let Some(param) = param {
        error["param"] = param.into();
    }
    Answer::json(status, json!({ "error": error }).to_string())
}
