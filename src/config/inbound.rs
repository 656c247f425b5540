//! `[inbound]` and `inbound = { … }` of a source: where deliveries of vendors are listened for, and with which secrets
//! they are checked.

use std::collections::BTreeMap;

use serde_spanned::Spanned;

use super::check::Check;
use super::defaults;
use super::raw::{self, Section};
use super::report::quoted;
use super::source::{Entry, address_problem};
use crate::domain::connector::ConnectorInfo;
use crate::domain::inbound::{Inbound, Listen};

/// Largest `body_limit_kib`.
const LARGEST_BODY_KIB: u32 = 1024;

/// Most secrets of one source: the old and the new.
const MOST_SECRETS: usize = 2;

/// Reads `[inbound]`. The outer `None` is an error; the inner one a table that is not there.
#[expect(clippy::option_option, reason = "an error and a table that was left out are two things")]
pub(super) fn listen(check: &Check<'_>, root: &Section<'_>) -> Option<Option<Listen>> {
    let Some(section) = root.table("inbound", &raw::INBOUND, "[inbound] and listen below it") else {
        return (!root.has("inbound")).then_some(None);
    };
    let address = match section.text("listen") {
        None if section.has("listen") => return None,
        None => defaults::LISTEN,
        Some(written) => {
            let Ok(address) = written.get_ref().parse() else {
                let what = format!("inbound.listen is {}", quoted(written.get_ref()));
                let advice = format!("write an address and a port: \"{}\"", defaults::LISTEN);
                check.report.error(written.span(), what, advice);
                return None;
            };
            address
        }
    };
    let beyond = section.flag("beyond_this_machine");
    if !address.ip().is_loopback() && beyond != Some(true) {
        let what = format!("inbound.listen: {address} can be reached from other machines, without encryption");
        let advice = format!(
            "let a proxy that speaks https pass deliveries on to \"{}\"; if other machines must reach it, write \
             beyond_this_machine = true",
            defaults::LISTEN
        );
        check.report.error(section.key_span("listen"), what, advice);
    }
    let public_url = section.text("public_url");
    let problem = public_url.as_ref().and_then(|url| match address_problem(url.get_ref()) {
        None if url.get_ref().contains(['?', '#']) => Some("must end with its host, or with a path"),
        problem => problem,
    });
    if let (Some(url), Some(problem)) = (&public_url, problem) {
        check.report.error(
            url.span(),
            format!("inbound.public_url {problem}"),
            "write it as senders call it: \"https://hooks.example.com\"",
        );
    }
    let body =
        section.whole("body_limit_kib", 1, LARGEST_BODY_KIB).map_or(defaults::BODY_LIMIT_KIB, Spanned::into_inner);
    let public_url = public_url.map(|url| url.get_ref().trim_end_matches('/').to_owned());
    Some(Some(Listen { address, public_url, body_limit: usize::try_from(body).ok()? * 1024 }))
}

/// Reads `inbound = { secret = … }` of a source. The outer `None` is an error; the inner one that it takes no deliveries.
#[expect(clippy::option_option, reason = "an error and a key that was left out are two things")]
pub(super) fn of_source(
    check: &Check<'_>,
    section: &Section<'_>,
    info: Option<&ConnectorInfo>,
) -> Option<Option<Inbound>> {
    const FORM: &str = "inbound = { secret = \"env:NAME\" }";
    let Some(table) = section.table("inbound", &raw::SOURCE_INBOUND, FORM) else {
        return (!section.has("inbound")).then_some(None);
    };
    let Some(scheme) = info?.inbound else {
        let title = info.map_or("", |info| info.title.as_str());
        let what = format!("{}: no deliveries of {title} are known", table.path);
        check.report.error(section.key_span("inbound"), what, "take this line out: it is asked on its schedule");
        return None;
    };
    table.require("secret", &format!("write {FORM}: without one nobody knows who sent a delivery"));
    let references = if table.is_list("secret") { table.texts("secret")? } else { vec![table.text("secret")?] };
    if references.is_empty() || references.len() > MOST_SECRETS {
        let what = format!("{} holds {} secrets", table.dotted("secret"), references.len());
        check.report.error(
            table.key_span("secret"),
            what,
            "write one reference, or while you exchange it both, the old and the new",
        );
        return None;
    }
    let path = table.dotted("secret");
    let mut secrets = Vec::new();
    for reference in &references {
        let secret = check.secret(&path, reference)?;
        if let Err(why) = scheme.key(&secret) {
            check.report.error(
                reference.span(),
                format!("{path} is not a secret that deliveries can be checked with"),
                why,
            );
            return None;
        }
        secrets.push(secret);
    }
    Some(Some(Inbound { scheme, secrets }))
}

/// Where to listen, which must be said where a source takes deliveries, and is of no use where none does.
#[expect(clippy::option_option, reason = "as in `listen`")]
pub(super) fn needed(
    check: &Check<'_>,
    root: &Section<'_>,
    listen: Option<Option<Listen>>,
    sources: &BTreeMap<&str, Entry>,
) -> Option<Option<Listen>> {
    let takes = |entry: &Entry| entry.access.as_ref().and_then(|access| access.inbound.as_ref().map(|one| one.scheme));
    let taking: Vec<_> = sources.iter().filter_map(|(name, entry)| Some((*name, takes(entry)?))).collect();
    let listen = listen?;
    let Some(listen) = listen else {
        if let Some((name, _)) = taking.first() {
            let what = format!("source.{name} takes deliveries, and nothing says where they are listened for");
            let advice = format!("add [inbound] with listen = \"{}\"", defaults::LISTEN);
            check.report.whole_file(false, what, advice);
        }
        return Some(None);
    };
    let span = root.key_span("inbound");
    if let Some((name, _)) = taking.iter().find(|(_, scheme)| scheme.signs_address() && listen.public_url.is_none()) {
        let what = format!("source.{name}: its vendor signs the address it calls, and nothing says which that is");
        check.report.error(
            span.clone(),
            what,
            "write public_url = \"https://…\" into [inbound], as the vendor calls it",
        );
    }
    if taking.is_empty() {
        let advice = "write inbound = { secret = \"env:NAME\" } into a [source.NAME]";
        check.report.warn(span, "no source takes deliveries, so nothing is listened for", advice);
        return Some(None);
    }
    Some(Some(listen))
}
