//! `[web]`: where the pages are, how people reach them, and who may.

use std::net::{IpAddr, SocketAddr};

use url::Url;

use super::check::Check;
use super::defaults;
use super::raw::{self, Section};
use super::report::quoted;
use super::source::address_problem;
use crate::domain::password::Password;
use crate::domain::tls::{Tls, TlsError};
use crate::domain::web::Web;

/// Reads the table; what is wrong with it goes to the report.
pub(super) fn web(check: &Check<'_>, root: &Section<'_>) -> Web {
    let Some(section) = root.table("web", &raw::WEB, "[web] and listen below it") else {
        return Web { listen: Some(defaults::WEB), ..Web::default() };
    };
    let web = Web {
        listen: listen(check, &section),
        is_chosen: section.has("listen"),
        url: url(check, &section),
        password: password(check, &section),
        tls: tls(check, &section),
        proxies: proxies(check, &section),
    };
    if web.listen.is_some_and(|address| !address.ip().is_loopback()) {
        beyond_this_machine(check, &section);
    }
    if web.password.is_some() && !web.is_encrypted() && web.url.as_deref().is_some_and(|url| url.starts_with("https:"))
    {
        let advice = "write proxies = [\"127.0.0.1\"], with the address that the proxy connects from";
        let what = "web.url is https, which somebody must speak in front of these pages; to them all its visitors look like \
                    one, so that wrong guesses of one slow everybody down";
        check.report.warn(section.key_span("url"), what, advice);
    }
    web
}

fn listen(check: &Check<'_>, section: &Section<'_>) -> Option<SocketAddr> {
    let Some(written) = section.text("listen") else { return Some(defaults::WEB) };
    if *written.get_ref() == "off" {
        return None;
    }
    let address = written.get_ref().parse().ok();
    if address.is_none() {
        let advice = format!("write one of this machine, \"{}\", or \"off\"", defaults::WEB);
        let what = format!("web.listen {} is not an address and a port", quoted(written.get_ref()));
        check.report.error(written.span(), what, advice);
    }
    address
}

/// Whoever can be reached from elsewhere asks who it is, and lets nobody read along.
fn beyond_this_machine(check: &Check<'_>, section: &Section<'_>) {
    let mut missing = Vec::new();
    if !section.has("password") {
        missing.push(
            "`password = \"file:pages-password\"`, a file that `willitsell auth --pages-password pages-password` writes",
        );
    }
    if !section.has("certificate") && section.texts("proxies").is_none_or(|proxies| proxies.is_empty()) {
        missing.push(
            "`certificate` and `certificate_key` for https, or `proxies = [\"…\"]` with the addresses of those that speak it \
             in front of the pages",
        );
    }
    if !section.has("url") {
        missing.push("`url = \"https://…\"`, as people call the pages");
    }
    if !missing.is_empty() {
        let advice =
            format!("write {}; or listen at this machine alone, \"{}\"", missing.join(", and "), defaults::WEB);
        check.report.error(section.key_span("listen"), "web.listen can be reached from other machines", advice);
    }
}

fn password(check: &Check<'_>, section: &Section<'_>) -> Option<Password> {
    let written = section.text("password")?;
    let hash = check.secret("web.password", &written)?;
    let password = Password::from_hash(&hash);
    if let Err(error) = &password {
        let advice = "let `willitsell auth --pages-password FILE` make a password and write its hash to a file, and point to that";
        check.report.error(written.span(), format!("web.password {error}"), advice);
    }
    password.ok()
}

fn tls(check: &Check<'_>, section: &Section<'_>) -> Option<Tls> {
    let (certificate, key) = (section.text("certificate"), section.text("certificate_key"));
    let (certificate, key) = match (certificate, key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return None,
        (Some(one), None) => {
            let advice = "write certificate_key = \"file:privkey.pem\" beside it";
            check.report.error(one.span(), "web.certificate has no key", advice);
            return None;
        }
        (None, Some(one)) => {
            let advice = "write certificate = \"fullchain.pem\" beside it";
            check.report.error(one.span(), "web.certificate_key has no certificate", advice);
            return None;
        }
    };
    let secret = check.secret("web.certificate_key", &key)?;
    let path = check.folder.join(certificate.get_ref());
    let chain = match std::fs::read_to_string(&path) {
        Ok(chain) => chain,
        Err(error) => {
            let what = format!("web.certificate {} cannot be read: {error}", path.display());
            check.report.error(certificate.span(), what, "name a file that the program may read, with the whole chain");
            return None;
        }
    };
    let tls = Tls::from_pem(&chain, &secret);
    if let Err(error) = &tls {
        let (span, name) = match error {
            TlsError::NoCertificate => (certificate.span(), "web.certificate"),
            TlsError::NoKey | TlsError::OtherKey => (key.span(), "web.certificate_key"),
        };
        check.report.error(span, format!("{name} {error}"), "take both files as they were issued together");
    }
    tls.ok()
}

/// Who alone may connect: a name may lead elsewhere tomorrow, so they are addresses.
fn proxies(check: &Check<'_>, section: &Section<'_>) -> Vec<IpAddr> {
    let Some(written) = section.texts("proxies") else { return Vec::new() };
    if written.is_empty() {
        let advice = "name the address that the proxy connects from: \"10.0.0.5\"; or take the line out";
        check.report.error(section.key_span("proxies"), "web.proxies names nobody", advice);
    }
    let read = |text: &serde_spanned::Spanned<&str>| {
        let address = text.get_ref().parse::<IpAddr>().ok();
        if address.is_none() {
            let what = format!("web.proxies holds {}", quoted(text.get_ref()));
            check.report.error(text.span(), what, "write the address that the proxy connects from: \"10.0.0.5\"");
        }
        address.map(|address| address.to_canonical())
    };
    written.iter().filter_map(read).collect()
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
