//! `[experiment.KEY]`: what is tested, when, on which sources, with which arms and rates. What would
//! convince is in `policy.rs`.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::{TZ_VARIANTS, Tz};
use serde_spanned::Spanned;

use super::check::Check;
use super::days::day_notes;
use super::defaults;
use super::overlap;
use super::policy;
use super::raw::{self, Section};
use super::report::{nearest, quoted, suggestion};
use super::source::{Entry, address_problem, checked_key};
use crate::domain::audience::Audience;
use crate::domain::concept::{Arm, Concept, Experiment, Rate, Source};
use crate::domain::id::{ArmId, ConceptId, DestinationId, SourceId};
use crate::domain::message::Destination;
use crate::domain::metric::MetricId;
use crate::domain::money::Money;
use crate::domain::pattern;
use crate::domain::schedule::Schedule;

/// What an experiment may name.
pub(super) struct Declared<'d> {
    pub(super) destinations: &'d BTreeMap<&'d str, Option<Destination>>,
    pub(super) audiences: &'d BTreeMap<&'d str, Option<Audience>>,
    pub(super) sources: &'d BTreeMap<&'d str, Entry>,
    /// Domains of the user's own people.
    pub(super) internal: &'d [String],
}

/// Reads one experiment; `None` when it has an error that leaves a gap.
pub(super) fn experiment(
    check: &Check<'_>,
    key: &str,
    section: &Section<'_>,
    declared: &Declared<'_>,
) -> Option<Experiment> {
    let title = section.need("title", "write what people call it");
    let hypothesis =
        section.need("hypothesis", "write who would do what, at which price: it is printed on every verdict");
    let schedule = schedule(check, section);
    let timezone = timezone(check, section);
    section.require("start", "write the first day that counts: start = \"2026-09-01\"");
    let start = section.day("start");
    let stop = section.day("stop");
    if let (Some(start), Some(stop)) = (&start, &stop)
        && start.get_ref() > stop.get_ref()
    {
        let what = format!("{} is before {}", section.dotted("stop"), section.dotted("start"));
        check.report.error(stop.span(), what, format!("write a day from {} on, or leave it out", start.get_ref()));
    }
    disclosure(check, section);
    fair_play(check, title.as_ref());
    let owner = section.text("owner").map(|owner| (*owner.get_ref()).to_owned());
    let decide_within_days = section.whole("decide_within_days", 1, 365);
    let sources = sources(check, section, declared);
    let notify = notify(check, section, declared);
    let audiences = audiences(check, section, declared);
    let day_notes = day_notes(check, section);
    let rates = rates(check, section);
    let arms = arms(check, section, &sources);
    let money = policy::money(check, section);
    let names: Vec<(&str, bool)> = arms.iter().map(|(_, arm)| (arm.id.as_str(), arm.control)).collect();
    let policy = policy::policy(
        check,
        section,
        &policy::Facts {
            rates: &rates,
            sources: &sources.known,
            all_sources_known: sources.known.len() == sources.names.len(),
            questions: &sources.questions,
            money: &money,
            arms: &names,
            days: start
                .as_ref()
                .zip(stop.as_ref())
                .map(|(start, stop)| (*stop.get_ref() - *start.get_ref()).num_days() + 1),
        },
    )?;
    arms_reach_the_rate(check, section, &arms, &sources.known, &policy.primary);
    overlap::refuse(check, section, &arms, &sources.known);
    Some(Experiment {
        concept: Concept {
            id: ConceptId::new(key),
            title: (*title?.get_ref()).to_owned(),
            hypothesis: (*hypothesis?.get_ref()).to_owned(),
        },
        schedule: schedule?,
        timezone: timezone?,
        start: start?.into_inner(),
        stop: stop.map(Spanned::into_inner),
        arms: arms.into_iter().map(|(_, arm)| arm).collect(),
        sources: sources.known,
        notify,
        audiences,
        policy,
        money,
        // One for all: see `check`.
        false_build_rate: defaults::FALSE_BUILD_RATE,
        day_notes,
        internal: declared.internal.to_vec(),
        owner,
        decide_within_days: decide_within_days.map_or(defaults::DECIDE_WITHIN_DAYS, Spanned::into_inner),
    })
}

fn schedule(check: &Check<'_>, section: &Section<'_>) -> Option<Schedule> {
    const EXAMPLE: &str = "for example \"0 6 * * MON-FRI\": six in the morning, Monday to Friday";
    let written = section.need("schedule", &format!("write when to ask and decide, {EXAMPLE}"))?;
    let mut known = check.schedules.borrow_mut();
    let schedule = known.entry((*written.get_ref()).to_owned()).or_insert_with(|| written.get_ref().parse());
    if let Err(error) = &*schedule {
        check.report.error(written.span(), format!("{}: {error}", section.dotted("schedule")), EXAMPLE);
    }
    schedule.clone().ok()
}

fn timezone(check: &Check<'_>, section: &Section<'_>) -> Option<Tz> {
    let written = section.need("timezone", "write a place of the zone, for example \"Europe/Berlin\"")?;
    let name = *written.get_ref();
    if let Ok(zone) = name.parse() {
        return Some(zone);
    }
    check.report.error(written.span(), format!("there is no time zone called {}", quoted(name)), zone_advice(name));
    None
}

/// What to write where a name is no time zone: the one of that city, the nearest, or what a name looks like.
pub(super) fn zone_advice(name: &str) -> String {
    let city = |zone: &'static str| zone.rsplit('/').next().unwrap_or(zone);
    let names = || TZ_VARIANTS.iter().map(|zone| zone.name());
    let near = names().find(|zone| city(zone).eq_ignore_ascii_case(name)).or_else(|| nearest(name, names()));
    near.map_or("write a place of the zone, for example \"Europe/Berlin\"".to_owned(), |near| {
        format!("did you mean \"{near}\"?")
    })
}

/// Visitors must learn at the act that there is no product yet (product.md section 14).
fn disclosure(check: &Check<'_>, section: &Section<'_>) {
    let Some(address) = section.text("disclosure") else {
        if !section.has("disclosure") {
            let what = format!("{} says nowhere that visitors learn the product is not available yet", section.path);
            let advice =
                "ad platforms suspend accounts for less: add disclosure = \"https://…\", the page that says so";
            check.report.warn(section.span.clone(), what, advice);
        }
        return;
    };
    if let Some(problem) = address_problem(address.get_ref()) {
        let advice = "write the address of the page that tells visitors the product is not available yet";
        check.report.error(address.span(), format!("{} {problem}", section.dotted("disclosure")), advice);
    }
}

/// Words that promise what a test cannot deliver.
const PROMISES: [&str; 6] = ["buy now", "order now", "ships today", "in stock", "available now", "ships tomorrow"];

fn fair_play(check: &Check<'_>, title: Option<&Spanned<&str>>) {
    let Some(title) = title else { return };
    let lower = title.get_ref().to_lowercase();
    if let Some(promise) = PROMISES.iter().find(|promise| lower.contains(**promise)) {
        let what = format!("\"{promise}\" promises what a test cannot deliver");
        check.report.warn(title.span(), what, "write \"join the early list\" or \"reserve\"");
    }
}

/// The sources an experiment names.
struct Sources<'d> {
    /// As written, each once.
    names: Vec<&'d str>,
    /// Those whose connector is known, in the order written.
    known: Vec<Source>,
    /// Answers that they keep for rules.
    questions: Vec<&'d str>,
}

fn sources<'t>(check: &Check<'_>, section: &Section<'t>, declared: &Declared<'t>) -> Sources<'t> {
    let all: Vec<&str> = declared.sources.keys().copied().collect();
    section
        .require("sources", &format!("name what it reads, from [source.NAME]: sources = [\"{}\"]", all.join("\", \"")));
    let written = section.texts("sources");
    if written.as_ref().is_some_and(Vec::is_empty) {
        let what = format!("{} names none", section.dotted("sources"));
        check.report.error(section.key_span("sources"), what, suggestion("", &all, "add a [source.NAME] table"));
    }
    let mut sources = Sources { names: Vec::new(), known: Vec::new(), questions: Vec::new() };
    let mut accounts: BTreeMap<&str, &str> = BTreeMap::new();
    for name in written.unwrap_or_default() {
        let (span, name) = (name.span(), name.into_inner());
        if sources.names.contains(&name) {
            check.report.error(span, format!("{} is named twice", quoted(name)), "take one out");
            continue;
        }
        sources.names.push(name);
        check.uses(&format!("source.{name}"));
        let Some(entry) = declared.sources.get(name) else {
            let what = format!("there is no source called {}", quoted(name));
            check.report.error(span, what, suggestion(name, &all, "add a [source.NAME] table"));
            continue;
        };
        sources.known.extend(entry.source.clone());
        let questions = entry.questions.iter().filter(|(_, is_free_text)| !is_free_text);
        sources.questions.extend(questions.map(|(name, _)| name.as_str()));
        if let Some(other) = entry.account.as_deref().and_then(|account| accounts.insert(account, name)) {
            let what = format!(
                "{} reads the same account as {}, so everything would count twice",
                quoted(name),
                quoted(other)
            );
            check.report.error(span, what, "name one of them; an arm may list several keys of one source");
        }
    }
    sources
}

fn notify(check: &Check<'_>, section: &Section<'_>, declared: &Declared<'_>) -> Vec<DestinationId> {
    let told = receivers(check, section, declared.destinations);
    if told.is_empty() && declared.audiences.is_empty() && !section.is_list("audiences") {
        let what = format!("nobody is told about {}", section.path);
        let advice = "add notify = [\"NAME\"] with a name from [notify.NAME.KIND], or look at `willitsell status`";
        check.report.warn(section.key_span("notify"), what, advice);
    }
    told
}

/// The audiences that are named, else all there are.
fn audiences(check: &Check<'_>, section: &Section<'_>, declared: &Declared<'_>) -> Vec<Audience> {
    let all: Vec<&str> = declared.audiences.keys().copied().collect();
    let written = section.texts("audiences");
    let mut names: Vec<&str> = Vec::new();
    match written {
        None => names.extend(&all),
        Some(written) => {
            for name in written {
                if !all.contains(name.get_ref()) {
                    let what = format!("there is no audience called {}", quoted(name.get_ref()));
                    let advice = suggestion(name.get_ref(), &all, "add an [audience.NAME] table");
                    check.report.error(name.span(), what, advice);
                }
                names.push(name.into_inner());
            }
        }
    }
    for name in &names {
        check.uses(&format!("audience.{name}"));
    }
    let known = |name: &&str| declared.audiences.get(*name).cloned().flatten();
    names.iter().filter_map(known).collect()
}

/// The destinations that `notify` of a section names.
pub(super) fn receivers(
    check: &Check<'_>,
    section: &Section<'_>,
    destinations: &BTreeMap<&str, Option<Destination>>,
) -> Vec<DestinationId> {
    let all: Vec<&str> = destinations.keys().copied().collect();
    let mut names = Vec::new();
    for name in section.texts("notify").unwrap_or_default() {
        let (span, name) = (name.span(), name.into_inner());
        check.uses(&format!("notify.{name}"));
        if names.contains(&name) {
            check.report.error(span, format!("{} is named twice", quoted(name)), "take one out");
        } else if !all.contains(&name) {
            let what = format!("there is no receiver called {}", quoted(name));
            check.report.error(span, what, suggestion(name, &all, "add a [notify.NAME.KIND] table"));
        }
        names.push(name);
    }
    names.into_iter().map(DestinationId::new).collect()
}

/// Reads `[experiment.KEY.rate.NAME]`; `None` for each that has an error.
fn rates<'t>(check: &Check<'_>, section: &Section<'t>) -> BTreeMap<&'t str, Option<Rate>> {
    let mut rates = BTreeMap::new();
    for (name, rate) in section.named("rate", &raw::RATE) {
        let numerator = metric(check, &rate, "numerator");
        let denominator = metric(check, &rate, "denominator");
        let mut both = numerator.zip(denominator);
        if numerator.is_some() && numerator == denominator {
            let what = format!("{} divides a count by itself", rate.path);
            check.report.error(rate.key_span("denominator"), what, "name what people could have done it on");
            both = None;
        }
        rates.insert(name, both.map(|(numerator, denominator)| Rate { name: name.to_owned(), numerator, denominator }));
    }
    rates
}

/// Reads a metric's name.
pub(super) fn metric(check: &Check<'_>, section: &Section<'_>, key: &str) -> Option<MetricId> {
    let names: Vec<&str> = MetricId::all().map(|id| id.metric().name).collect();
    let written = section.need(key, &format!("name a count: {}", names.join(", ")))?;
    let found = MetricId::named(written.get_ref());
    if found.is_none() {
        let what = format!("nothing is counted as {}", quoted(written.get_ref()));
        check.report.error(written.span(), what, suggestion(written.get_ref(), &names, ""));
    }
    found
}

fn arms<'t>(check: &Check<'_>, section: &Section<'t>, sources: &Sources<'_>) -> Vec<(Section<'t>, Arm)> {
    let mut claimed: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let mut mapped: BTreeSet<&str> = BTreeSet::new();
    let mut controls = Vec::new();
    let mut arms = Vec::new();
    for (name, table) in section.named("arm", &raw::ARM) {
        let control = table.flag("control").unwrap_or(false);
        if control {
            controls.push(table.key_span("control"));
        }
        let mut keys = BTreeMap::new();
        let list = table.table("keys", &raw::NAMES, "keys = { SOURCE = [\"…\"] }");
        for source in list.iter().flat_map(Section::keys) {
            let (span, source) = (source.span(), source.into_inner());
            if !sources.names.contains(&source) {
                let what = format!("{} is not a source of {}", quoted(source), section.path);
                check.report.error(span, what, suggestion(source, &sources.names, "name it in sources"));
            }
            mapped.insert(source);
            let mut own = Vec::new();
            for key in list.as_ref().and_then(|list| list.texts(source)).unwrap_or_default() {
                let (span, key) = (key.span(), key.into_inner());
                let first = *claimed.entry((source, key)).or_insert(name);
                if key.is_empty() {
                    check.report.error(
                        span.clone(),
                        "an empty key belongs to no arm",
                        "write the key as the platform shows it",
                    );
                } else if first != name || own.iter().any(|other| other == key) {
                    let what = format!("the key {} of {source} is already arm {first}'s", quoted(key));
                    check.report.error(span.clone(), what, "a visitor belongs to one arm: take it out of the other");
                }
                own.extend(checked_key(check, &Spanned::new(span, key)));
            }
            keys.insert(SourceId::new(source), own);
        }
        if keys.values().all(Vec::is_empty) && (list.is_some() || !table.has("keys")) {
            check.report.error(
                table.span.clone(),
                format!("{} names no keys, so nothing would be counted for it", table.path),
                how_to_map(sources),
            );
        }
        let price = price(check, &table, &arms);
        let title = table.text("title");
        fair_play(check, title.as_ref());
        let title = title.map_or(name, Spanned::into_inner).to_owned();
        arms.push((table, Arm { id: ArmId::new(name), title, control, price, keys, until: None }));
    }
    patterns_beside_keys(check, &arms);
    let at = section.key_span("arm");
    for span in controls.iter().skip(1) {
        let what = format!("{} has a second control", section.path);
        check.report.error(span.clone(), what, "one arm at most is the existing offer others are read beside");
    }
    if arms.is_empty() {
        let advice = format!(
            "add [{}.arm.NAME] for each version shown to people, even if there is one; {}",
            section.path,
            how_to_map(sources)
        );
        check.report.error(at, format!("{} has no arm", section.path), advice);
        return arms;
    }
    if arms.len() == controls.len() {
        let what = format!("{} has only a control, so nothing is judged", section.path);
        check.report.error(at.clone(), what, "add the arm that is new");
    }
    let all_have_keys = arms.iter().all(|(_, arm)| !arm.keys.is_empty());
    for source in sources.names.iter().filter(|source| all_have_keys && !mapped.contains(*source)) {
        let what =
            format!("no arm of {} has keys for {}, so none of its rows would count", section.path, quoted(source));
        check.report.error(
            at.clone(),
            what,
            format!("add {source} = [\"…\"] to the keys of the arms, or take it out of sources"),
        );
    }
    arms
}

/// What the offer costs in an arm; in the currency of those before it, as only those can be set beside each other.
fn price(check: &Check<'_>, table: &Section<'_>, arms: &[(Section<'_>, Arm)]) -> Option<Money> {
    let price = table.money("price")?;
    let other = arms.iter().find_map(|(_, arm)| arm.price).filter(|other| other.currency != price.get_ref().currency);
    if let Some(other) = other {
        let what = format!("{} is in another currency than the arms before it", table.dotted("price"));
        check.report.error(price.span(), what, format!("write all prices in {}", other.currency.code()));
    }
    Some(price.into_inner())
}

/// An exact key wins over a pattern, which the reader of the pattern may not expect.
fn patterns_beside_keys(check: &Check<'_>, arms: &[(Section<'_>, Arm)]) {
    for (table, arm) in arms {
        for (source, pattern) in claims(arm).filter(|(_, key)| pattern::is_pattern(key)) {
            let others = arms.iter().filter(|(_, other)| other.id != arm.id);
            let fitting = others.flat_map(|(_, other)| claims(other).map(move |claim| (other, claim)));
            for (other, (_, key)) in fitting
                .filter(|(_, (from, key))| *from == source && !pattern::is_pattern(key) && pattern::fits(pattern, key))
            {
                let what = format!(
                    "the pattern {} of {source} also fits {}, which is arm {}'s",
                    quoted(pattern),
                    quoted(key),
                    other.id
                );
                let advice = "nothing to do if that is meant: an exact key wins over a pattern";
                check.report.warn(table.key_span("keys"), what, advice);
            }
        }
    }
}

fn claims(arm: &Arm) -> impl Iterator<Item = (&SourceId, &str)> {
    arm.keys.iter().flat_map(|(source, keys)| keys.iter().map(move |key| (source, key.as_str())))
}

/// An arm never takes "everything" of a source: what else runs in the account would count too.
fn how_to_map(sources: &Sources<'_>) -> String {
    let source = sources.names.first().unwrap_or(&"SOURCE");
    format!(
        "write keys = {{ {source} = [\"…\"] }}: the campaign or ad ids, or the value of the form's hidden field, that belong to the arm"
    )
}

/// An arm without keys where visitors or acts are counted can never be judged.
fn arms_reach_the_rate(
    check: &Check<'_>,
    section: &Section<'_>,
    arms: &[(Section<'_>, Arm)],
    sources: &[Source],
    rate: &Rate,
) {
    for metric in [rate.numerator, rate.denominator] {
        let suppliers: Vec<&Source> = sources.iter().filter(|source| source.metrics.contains(&metric)).collect();
        for (table, arm) in arms.iter().filter(|(_, arm)| !arm.keys.values().all(Vec::is_empty)) {
            if !suppliers.is_empty() && !suppliers.iter().any(|source| arm.keys.contains_key(&source.id)) {
                let names: Vec<&str> = suppliers.iter().map(|source| source.id.as_str()).collect();
                let what = format!("arm {} of {} has no keys where {metric} are counted", arm.id, section.path);
                check.report.error(table.key_span("keys"), what, format!("add keys for {}", names.join(" or ")));
            }
        }
    }
}
