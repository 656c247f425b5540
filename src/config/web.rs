//! `[web]`: where the pages are, and how people reach them.

use std::net::SocketAddr;

use url::Url;

use super::check::Check;
use super::defaults;
use super::raw::{self, Section};
use super::report::quoted;
use super::source::address_problem;
use crate::domain::web::Web;

/// Reads the table; what is wrong with it goes to the report.
pub(super) fn web(check: &Check<'_>, root: &Section<'_>) -> Web {
    let section = root.table("web", &raw::WEB, "[web] and listen below it");
    let listen = section.as_ref().map_or(Some(defaults::WEB), |section| listen(check, section));
    let is_chosen = section.as_ref().is_some_and(|section| section.has("listen"));
    Web { listen, is_chosen, url: section.and_then(|section| url(check, &section)) }
}

/// This machine alone: whoever asks is not asked who they are, and nothing is encrypted.
fn listen(check: &Check<'_>, section: &Section<'_>) -> Option<SocketAddr> {
    let Some(written) = section.text("listen") else { return Some(defaults::WEB) };
    if *written.get_ref() == "off" {
        return None;
    }
    let problem = match written.get_ref().parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => return Some(address),
        Ok(_) => "can be reached from other machines, and the pages ask nobody who they are",
        Err(_) => "is not an address and a port",
    };
    let advice = format!(
        "write one of this machine, \"{}\", or \"off\"; for other machines let a proxy that speaks https and asks for a login pass \
         requests on to it",
        defaults::WEB
    );
    check.report.error(written.span(), format!("web.listen {} {problem}", quoted(written.get_ref())), advice);
    None
}

fn url(check: &Check<'_>, section: &Section<'_>) -> Option<String> {
    let written = section.text("url")?;
    let text = written.get_ref().trim_end_matches('/');
    let is_bare =
        Url::parse(text).is_ok_and(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none());
    let problem = address_problem(text).or((!is_bare).then_some("must end with its host: the pages stand at its top"));
    if let Some(problem) = problem {
        let advice = "write it as people call it: \"https://tests.example.com\"";
        check.report.error(written.span(), format!("web.url {problem}"), advice);
        return None;
    }
    Some(text.to_owned())
}
