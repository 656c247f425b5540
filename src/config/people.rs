//! `[people]`, and what `[source.NAME]` says of the people it hands over: whose acts count for nothing, and which
//! answers are kept.

use super::check::Check;
use super::raw::{self, Section, check_name};
use super::report::{quoted, suggestion};
use crate::domain::address::Address;
use crate::domain::connector::ConnectorInfo;
use crate::domain::intake::{Intake, Question};
use crate::domain::metric::MetricId;
use crate::domain::pattern;
use crate::domain::response::Depth;

/// `[people]`.
#[derive(Default)]
pub(super) struct People {
    /// Domains of the user's own people, in small letters.
    pub(super) internal: Vec<String>,
    test_addresses: Vec<String>,
    disposable: Vec<String>,
}

/// Reads `[people]`.
pub(super) fn people(check: &Check<'_>, root: &Section<'_>) -> People {
    let Some(section) = root.table("people", &raw::PEOPLE, "[people] and its lists below it") else {
        return People::default();
    };
    People {
        internal: domains(check, &section, "internal"),
        test_addresses: test_addresses(check, &section),
        disposable: domains(check, &section, "disposable"),
    }
}

fn domains(check: &Check<'_>, section: &Section<'_>, key: &str) -> Vec<String> {
    let mut domains = Vec::new();
    for written in section.texts(key).unwrap_or_default() {
        let domain = written.get_ref().trim().to_lowercase();
        let is_domain = domain.contains('.') && !domain.contains(['@', '*', '/', ' ']);
        if !is_domain || Address::parse(&format!("a@{domain}")).is_none() {
            let what = format!("{} of {} is no domain", quoted(written.get_ref()), section.dotted(key));
            let advice = "write what stands behind the @, for example \"acme.com\"; each subdomain is one of its own";
            check.report.error(written.span(), what, advice);
            continue;
        }
        domains.push(domain);
    }
    domains
}

fn test_addresses(check: &Check<'_>, section: &Section<'_>) -> Vec<String> {
    let mut patterns = Vec::new();
    for written in section.texts("test_addresses").unwrap_or_default() {
        let text = written.get_ref().trim().to_lowercase();
        let (local, domain) = text.split_once('@').unwrap_or_default();
        if pattern::takes_all(&text) || pattern::takes_all(local) && pattern::takes_all(domain) || domain.is_empty() {
            let what = format!("{} of {} is no address", quoted(written.get_ref()), section.dotted("test_addresses"));
            let advice = "write an address, or what trial addresses have in common: \"qa-*@acme.com\", \"*+trial@*\"";
            check.report.error(written.span(), what, advice);
            continue;
        }
        patterns.push(text);
    }
    patterns
}

/// Reads `answers` and `free_text` of a source.
pub(super) fn intake(
    check: &Check<'_>,
    section: &Section<'_>,
    info: Option<&ConnectorInfo>,
    people: &People,
) -> Intake {
    let mut intake = Intake {
        answers: Vec::new(),
        test_addresses: people.test_addresses.clone(),
        disposable: people.disposable.clone(),
    };
    let table = section.table("answers", &raw::NAMES, "answers = { employees = \"what the form calls the question\" }");
    for name in table.iter().flat_map(Section::keys) {
        check_name(name.get_ref(), name.span(), check.report);
        if let Some(asked_as) = table.as_ref().and_then(|table| table.text(name.get_ref())) {
            let (name, asked_as) = ((*name.get_ref()).to_owned(), (*asked_as.get_ref()).to_owned());
            intake.answers.push(Question { name, asked_as, is_free_text: false });
        }
    }
    if let Some(info) = info.filter(|info| table.is_some() && !info.reads_answers) {
        let what = format!("{}: {} gives no answers of people", section.dotted("answers"), info.title);
        check.report.error(section.key_span("answers"), what, "take this line out");
    }
    let names: Vec<String> = intake.answers.iter().map(|question| question.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for free in section.texts("free_text").unwrap_or_default() {
        if let Some(question) = intake.answers.iter_mut().find(|question| question.name == *free.get_ref()) {
            question.is_free_text = true;
        } else {
            let what = format!("{} is no answer of {}", quoted(free.get_ref()), section.path);
            let advice = suggestion(free.get_ref(), &names, "name it in answers first");
            check.report.error(free.span(), what, advice);
        }
    }
    intake
}

/// What one act of a source's people is, where the user knows better than the connector: the same form takes addresses
/// or bookings.
pub(super) fn depth(check: &Check<'_>, section: &Section<'_>, info: Option<&ConnectorInfo>) -> Option<Depth> {
    let written = section.text("depth")?;
    if let Some(info) = info.filter(|info| info.people.is_none()) {
        let what = format!("{}: {} hands over counts, not acts of people", section.dotted("depth"), info.title);
        check.report.error(written.span(), what, "take this line out");
    }
    // What is worked out from other acts is no act.
    let names: Vec<&str> =
        Depth::ALL.into_iter().filter(|depth| *depth != Depth::QualifiedSignup).map(Depth::name).collect();
    let depth = Depth::named(written.get_ref()).filter(|depth| names.contains(&depth.name()));
    let is_held = |depth: &Depth| *depth > Depth::Booking;
    if let Some(info) = info.filter(|info| info.people == Some(Depth::Booking) && depth.as_ref().is_some_and(is_held)) {
        let what = format!("{}: {} tells who booked, and not that anybody came", section.dotted("depth"), info.title);
        let advice = "let bookings decide as signups, or take demos from a source that says which were held, such as \
                      hubspot_meetings";
        check.report.error(written.span(), what, advice);
    }
    if depth.is_none() {
        let what = format!("{} cannot be {}", section.dotted("depth"), quoted(written.get_ref()));
        check.report.error(written.span(), what, suggestion(written.get_ref(), &names, ""));
    }
    depth
}

/// What a source counts, acts of its people as deep as the user says.
pub(super) fn metrics(info: &ConnectorInfo, depth: Option<Depth>) -> Vec<MetricId> {
    let mut metrics = info.metrics.clone();
    if let Some(deepest) = depth.or(info.people).filter(|_| info.people.is_some()) {
        let of_acts: Vec<MetricId> = if info.names_people {
            MetricId::of_people(deepest).collect()
        } else {
            MetricId::of_nobody(deepest).collect()
        };
        metrics.retain(|metric| !metric.is_of_people() || of_acts.contains(metric));
        metrics.extend(of_acts.into_iter().filter(|metric| !info.metrics.contains(metric)));
    }
    metrics
}
