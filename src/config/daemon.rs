//! `[run]` and `[health]`: how the daemon works, and who may ask how it is doing.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};
use serde_spanned::Spanned;

use super::check::Check;
use super::defaults;
use super::raw::{self, Section};
use super::report::quoted;
use super::source::address_problem;

/// Most sources that may be read side by side.
const MOST_AT_ONCE: u32 = 256;

/// Longest `catch_up_days`.
const LONGEST_CATCH_UP: u32 = 366;

/// How `run` works.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// Sources that are read side by side.
    pub sources_at_once: u32,
    /// Slots that were missed longer ago are told of and not run.
    pub catch_up_days: u32,
    /// Where it says how it is doing, if anywhere.
    pub health: Option<SocketAddr>,
    /// Called after each round, so that somebody outside notices when it is not.
    pub heartbeat: Option<SecretString>,
}

/// Reads both tables; what is wrong with them goes to the report.
pub(super) fn daemon(check: &Check<'_>, root: &Section<'_>) -> Daemon {
    let section = root.table("run", &raw::RUN, "[run] and sources_at_once below it");
    let whole = |key, most| section.as_ref()?.whole(key, 1, most).map(Spanned::into_inner);
    let health = root.table("health", &raw::HEALTH, "[health] and listen below it");
    Daemon {
        sources_at_once: whole("sources_at_once", MOST_AT_ONCE).unwrap_or(defaults::SOURCES_AT_ONCE),
        catch_up_days: whole("catch_up_days", LONGEST_CATCH_UP).unwrap_or(defaults::CATCH_UP_DAYS),
        health: health.as_ref().and_then(|section| listen(check, section)),
        heartbeat: health.as_ref().and_then(|section| heartbeat(check, section)),
    }
}

/// This machine alone: whoever asks is not asked who they are.
fn listen(check: &Check<'_>, section: &Section<'_>) -> Option<SocketAddr> {
    let written = section.text("listen")?;
    let problem = match written.get_ref().parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => return Some(address),
        Ok(_) => "can be reached from other machines, and asks nobody who they are",
        Err(_) => "is not an address and a port",
    };
    let what = format!("health.listen {} {problem}", quoted(written.get_ref()));
    check.report.error(written.span(), what, "write one of this machine: \"127.0.0.1:9464\"");
    None
}

/// A secret: whoever knows the address can say that all is well.
fn heartbeat(check: &Check<'_>, section: &Section<'_>) -> Option<SecretString> {
    let written = section.text("heartbeat")?;
    let address = check.secret("health.heartbeat", &written)?;
    if let Some(problem) = address_problem(address.expose_secret()) {
        let advice = "put the address your watcher gave you where this points to, whole and with https://";
        check.report.error(written.span(), format!("health.heartbeat {problem}"), advice);
    }
    Some(address)
}
