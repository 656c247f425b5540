//! `[notify.NAME.KIND]`, `[login.NAME]` and `[source.NAME]`: whoever is told and whoever is asked,
//! each checked against what its notifier or connector says it needs. No value of these tables is
//! ever printed: any of them may be a secret in the wrong place.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use regex::Regex;
use secrecy::ExposeSecret;
use serde_spanned::Spanned;
use url::{Host, Url};

use super::check::Check;
use super::counted;
use super::defaults;
use super::experiment::zone_advice;
use super::inbound;
use super::people::{self, People};
use super::raw::{self, Section};
use super::report::{quoted, suggestion};
use super::secret;
use crate::domain::concept::Source;
use crate::domain::connector::{ConnectorInfo, Home, Login, SettingInfo, SettingValue, Settings, SourceAccess};
use crate::domain::id::{DestinationId, LoginId, SourceId};
use crate::domain::message::Destination;
use crate::domain::pattern;

/// One `[source.NAME]`, as far as it could be read.
pub(super) struct Entry {
    /// What it counts, and when; known as soon as its connector is.
    pub(super) source: Option<Source>,
    /// Everything, when nothing is wrong.
    pub(super) access: Option<SourceAccess>,
    /// Tells the account apart from others; `None` where files are brought by hand.
    pub(super) account: Option<String>,
    /// The answers it keeps, and whether each is free text.
    pub(super) questions: Vec<(String, bool)>,
}

/// Reads `[notify.NAME.KIND]`; `None` for each that has an error.
pub(super) fn destinations<'t>(check: &Check<'_>, root: &Section<'t>) -> BTreeMap<&'t str, Option<Destination>> {
    let sections = root.named("notify", &raw::NAMES);
    sections.into_iter().map(|(name, section)| (name, destination(check, name, &section))).collect()
}

fn destination(check: &Check<'_>, name: &str, section: &Section<'_>) -> Option<Destination> {
    check.declares(section);
    let kinds: Vec<&str> = check.known.notifiers.iter().map(|info| info.kind).collect();
    let written: Vec<_> = section.keys().collect();
    let [kind] = written.as_slice() else {
        let what = format!("{} must hold one table, the kind of receiver; it holds {}", section.path, written.len());
        let example = kinds.first().unwrap_or(&"KIND");
        let advice = format!("write [{}.{example}]; give each further receiver its own name", section.path);
        check.report.error(section.span.clone(), what, advice);
        return None;
    };
    let Some(info) = check.known.notifiers.iter().find(|info| info.kind == *kind.get_ref()) else {
        let what = format!("there is no kind of receiver called {}", quoted(kind.get_ref()));
        check.report.error(kind.span(), what, suggestion(kind.get_ref(), &kinds, "none is built in"));
        return None;
    };
    let table = section.table(kind.get_ref(), &raw::NAMES, &format!("[{}]", section.dotted(kind.get_ref())))?;
    let settings = settings(check, &table, &info.settings)?;
    Some(Destination { id: DestinationId::new(name), kind: info.kind, settings })
}

/// Reads `[login.NAME]`; `None` for each that has an error.
pub(super) fn logins<'t>(check: &Check<'_>, root: &Section<'t>) -> BTreeMap<&'t str, Option<Login>> {
    root.named("login", &raw::LOGIN).into_iter().map(|(name, section)| (name, login(check, name, &section))).collect()
}

fn login(check: &Check<'_>, name: &str, section: &Section<'_>) -> Option<Login> {
    check.declares(section);
    let setting = |name: &str, secret, optional, help: &str, address| SettingInfo {
        name: name.to_owned(),
        help: help.to_owned(),
        secret,
        optional,
        address,
        ..SettingInfo::default()
    };
    let infos = [
        setting("client_id", false, false, "the client id of your own application at the vendor", false),
        setting("client_secret", true, true, "the client secret of your own application at the vendor", false),
        setting("refresh_token", true, true, "what renews access, where you have it from elsewhere", false),
        setting("token_url", false, true, "another address to renew access at, for rehearsal", true),
        setting("authorize_url", false, true, "another address to log in at, for rehearsal", true),
        SettingInfo {
            pattern: Some("[1-9][0-9]{3,4}".to_owned()),
            ..setting(
                "redirect_port",
                false,
                true,
                "the port of 127.0.0.1 registered with the vendor, 1024 to 65535",
                false,
            )
        },
    ];
    let settings = settings(check, section, &infos)?;
    let redirect_port = match settings.plain("redirect_port").map(str::parse) {
        Some(Ok(port)) => Some(port),
        Some(Err(_)) => {
            let what = format!("{} is no port", section.dotted("redirect_port"));
            check.report.error(section.span.clone(), what, "write a number from 1024 to 65535, in quotes");
            return None;
        }
        None => None,
    };
    let secret = |name: &str| match settings.get(name) {
        Some(SettingValue::Secret(value)) => Some(value.clone()),
        _ => None,
    };
    Some(Login {
        id: LoginId::new(name),
        client_id: settings.plain("client_id")?.to_owned(),
        client_secret: secret("client_secret"),
        refresh_token: secret("refresh_token"),
        token_url: settings.plain("token_url").map(str::to_owned),
        authorize_url: settings.plain("authorize_url").map(str::to_owned),
        redirect_port,
        program: check.program.clone(),
    })
}

/// Reads `[source.NAME]`.
pub(super) fn sources<'t>(
    check: &Check<'_>,
    root: &Section<'t>,
    logins: &BTreeMap<&str, Option<Login>>,
    people: &People,
) -> BTreeMap<&'t str, Entry> {
    let sections = root.named("source", &raw::SOURCE);
    let mut vendors = BTreeMap::new();
    let mut read = |name: &'t str, section: &Section<'t>| {
        let entry = source(check, name, section, logins, people);
        if let Some(access) = &entry.access {
            one_vendor_a_login(check, section, access, &mut vendors);
        }
        entry
    };
    sections.into_iter().map(|(name, section)| (name, read(name, &section))).collect()
}

/// A login's secrets go to where its connector gets tokens: another vendor's would be shown them. Where the user's
/// file names that address, it is the same for all.
fn one_vendor_a_login<'k>(
    check: &Check<'k>,
    section: &Section<'_>,
    access: &SourceAccess,
    vendors: &mut BTreeMap<LoginId, (SourceId, &'k str)>,
) {
    let Some(login) = access.login.as_ref().filter(|login| login.token_url.is_none()) else { return };
    let info = check.known.connectors.iter().find(|info| info.name == access.source.connector);
    let Some(token_url) = info.and_then(|info| info.token_url.as_deref()) else { return };
    let (first, known) = vendors.entry(login.id.clone()).or_insert_with(|| (access.source.id.clone(), token_url));
    if *known != token_url {
        let what = format!("login.{} is {first}'s too, which is another vendor's", login.id);
        let advice = "what one vendor gave out is never shown to another: write a [login] table for each";
        check.report.error(section.key_span("login"), what, advice);
    }
}

fn source(
    check: &Check<'_>,
    name: &str,
    section: &Section<'_>,
    logins: &BTreeMap<&str, Option<Login>>,
    people: &People,
) -> Entry {
    check.declares(section);
    let mut entry = Entry { source: None, access: None, account: None, questions: Vec::new() };
    let maturity = section.whole("maturity_lag_days", 0, 90);
    let set_aside = section.texts("set_aside").unwrap_or_default();
    let accept_shrink = section.day("accept_shrink").map(Spanned::into_inner);
    let channel = section.text("channel").map(|channel| (*channel.get_ref()).to_owned());
    let login_name = section.text("login");
    let hosts = section.texts("hosts");
    let info = connector(check, section);
    let intake = people::intake(check, section, info, people);
    let depth = people::depth(check, section, info);
    let leave_out = counted::leave_out(check, section, info);
    let inbound = inbound::of_source(check, section, info);
    let Some(info) = info else { return entry };
    if info.only_sends && !section.has("inbound") {
        let what = format!("{} is missing: {} cannot be asked, it only sends", section.dotted("inbound"), info.title);
        check.report.error(section.span.clone(), what, "write inbound = { secret = \"env:NAME\" }");
    }
    confirm_hosts(check, section, info, hosts.as_deref());
    let table = section.table("settings", &raw::NAMES, "settings = { … }");
    let settings = match &table {
        Some(table) => settings(check, table, &info.settings),
        None if section.has("settings") => None,
        None => without_settings(check, section, info),
    };
    let settings = settings.map(|settings| beside_the_file(check, info, settings));
    let counted = info.counts_named_in.map(|key| counted::named(check, table.as_ref(), key, info));
    let login = login_of(check, section, info, login_name.as_ref(), logins);
    // Whoever names a file to be read gets it read; whoever names none brings files by hand.
    let scheduled = info.scheduled_by.is_none_or(|key| table.as_ref().is_some_and(|table| table.has(key)));
    let source = Source {
        id: SourceId::new(name),
        connector: info.name.clone(),
        channel,
        maturity_lag_days: maturity.map_or(defaults::MATURITY_LAG_DAYS, Spanned::into_inner),
        metrics: counted
            .unwrap_or_else(|| people::metrics(info, depth))
            .into_iter()
            .filter(|metric| !leave_out.contains(metric))
            .collect(),
        leave_out,
        people: info.people,
        depth,
        nameless: info.people.is_some() && !info.names_people,
        names_apart: info.names_apart_by.is_some_and(|key| table.as_ref().is_some_and(|table| table.has(key))),
        fractional: info.fractional.clone(),
        scheduled,
        set_aside: set_aside.into_iter().filter_map(|key| checked_key(check, &key)).collect(),
        accept_shrink,
    };
    entry.source = Some(source.clone());
    entry.questions = intake.answers.iter().map(|question| (question.name.clone(), question.is_free_text)).collect();
    if let Some(settings) = settings {
        entry.account = scheduled.then(|| account(info, &settings));
        entry.access =
            login.zip(inbound).map(|(login, inbound)| SourceAccess { source, settings, login, intake, inbound });
    }
    entry
}

/// A relative path of a file to read begins at the configuration's folder, like every other path in it.
fn beside_the_file(check: &Check<'_>, info: &ConnectorInfo, mut settings: Settings) -> Settings {
    if let Some((key, path)) = info.scheduled_by.and_then(|key| Some((key, settings.plain(key)?))) {
        let path = check.folder.join(path).to_string_lossy().into_owned();
        settings.insert(key, SettingValue::Plain(path));
    }
    settings
}

/// A key of an arm or of `set_aside`. A pattern that takes everything is refused: what else runs in the account
/// would count too.
pub(super) fn checked_key(check: &Check<'_>, key: &Spanned<&str>) -> Option<String> {
    if pattern::takes_all(key.get_ref()) {
        let what = format!("{} would take every row of the source", quoted(key.get_ref()));
        check.report.error(key.span(), what, "write what the names have in common, for example \"cats-*\"");
        return None;
    }
    Some((*key.get_ref()).to_owned())
}

fn connector<'k>(check: &Check<'k>, section: &Section<'_>) -> Option<&'k ConnectorInfo> {
    let names: Vec<&str> = check.known.connectors.iter().map(|info| info.name.as_str()).collect();
    let written = section.need("connector", &format!("name what is asked: {}", names.join(", ")))?;
    let info = check.known.connectors.iter().find(|info| info.name == *written.get_ref());
    if info.is_none() {
        let what = format!("there is no connector called {}", quoted(written.get_ref()));
        check.report.error(written.span(), what, suggestion(written.get_ref(), &names, "none is built in"));
    }
    info
}

/// A connector of the user's folder may come from anyone, and may change: its user names the hosts that get to see
/// a secret.
fn confirm_hosts(check: &Check<'_>, section: &Section<'_>, info: &ConnectorInfo, hosts: Option<&[Spanned<&str>]>) {
    let what = match (info.home, hosts) {
        (Home::BuiltIn, None) => return,
        (Home::BuiltIn, Some(_)) => {
            let what = format!("{} is for connectors of your own folder", section.dotted("hosts"));
            check.report.error(
                section.key_span("hosts"),
                what,
                format!("take this line out: {} is built in", info.name),
            );
            return;
        }
        (Home::Folder, None) if section.has("hosts") => return,
        // It runs a program, which its user names.
        (Home::Folder, _) if info.hosts.is_empty() && hosts.is_none_or(<[_]>::is_empty) => return,
        (Home::Folder, None) => {
            format!("{} is missing: {} is a connector of your own folder", section.dotted("hosts"), info.name)
        }
        (Home::Folder, Some(hosts)) => {
            let mut named: Vec<&str> = hosts.iter().map(|host| *host.get_ref()).collect();
            named.sort_unstable();
            named.dedup();
            if named == info.hosts.iter().map(String::as_str).collect::<Vec<_>>() {
                return;
            }
            format!("{} are not the hosts that {} asks", section.dotted("hosts"), info.name)
        }
    };
    let hosts: Vec<String> = info.hosts.iter().map(|host| format!("\"{host}\"")).collect();
    let advice = format!("if your token may go there, write hosts = [{}]", hosts.join(", "));
    check.report.error(section.key_span("hosts"), what, advice);
}

fn without_settings(check: &Check<'_>, section: &Section<'_>, info: &ConnectorInfo) -> Option<Settings> {
    let missing: Vec<String> = info.settings.iter().filter(|setting| is_required(setting)).map(example).collect();
    if !missing.is_empty() {
        let what = format!("{} is missing", section.dotted("settings"));
        check.report.error(section.span.clone(), what, format!("write settings = {{ {} }}", missing.join(", ")));
        return None;
    }
    Some(filled_in(Settings::default(), &info.settings))
}

fn is_required(info: &SettingInfo) -> bool {
    !info.optional && info.default.is_none()
}

fn example(info: &SettingInfo) -> String {
    format!("{} = \"{}\"", info.name, if info.secret { "env:NAME" } else { "…" })
}

fn filled_in(mut settings: Settings, infos: &[SettingInfo]) -> Settings {
    for info in infos {
        if let (None, Some(default)) = (settings.get(&info.name), &info.default) {
            settings.insert(&info.name, SettingValue::Plain(default.clone()));
        }
    }
    settings
}

/// The outer `None` is an error; the inner one a connector that needs no login.
#[expect(clippy::option_option, reason = "an error and the absence of a login are two things")]
fn login_of(
    check: &Check<'_>,
    section: &Section<'_>,
    info: &ConnectorInfo,
    written: Option<&Spanned<&str>>,
    logins: &BTreeMap<&str, Option<Login>>,
) -> Option<Option<Login>> {
    let Some(written) = written else {
        if info.needs_login && !section.has("login") {
            let advice = "write login = \"NAME\" here, and [login.NAME] with client_id and client_secret";
            let what = format!("{} is missing: {} is asked in somebody's name", section.dotted("login"), info.title);
            check.report.error(section.span.clone(), what, advice);
        }
        return (!info.needs_login && !section.has("login")).then_some(None);
    };
    let name = *written.get_ref();
    check.uses(&format!("login.{name}"));
    if !info.needs_login {
        let what = format!("{}: {} takes no login", section.dotted("login"), info.title);
        check.report.error(written.span(), what, "take this line out; what it needs goes into settings");
        return None;
    }
    let Some(login) = logins.get(name) else {
        let names: Vec<&str> = logins.keys().copied().collect();
        let what = format!("there is no login called {}", quoted(name));
        check.report.error(written.span(), what, suggestion(name, &names, "add a [login.NAME] table"));
        return None;
    };
    if info.needs_secret && login.as_ref().is_some_and(|login| login.client_secret.is_none()) {
        let what = format!("login.{name} has no client_secret, which {} asks for", info.title);
        let advice =
            format!("put client_secret = {} into [login.{name}]", "\"file:PATH\", \"credential:NAME\" or \"env:NAME\"");
        check.report.error(written.span(), what, advice);
        return None;
    }
    login.clone().map(Some)
}

/// Two sources with the same text read the same account. In whose name, how fast and in which version it is asked, and
/// what of it (which level, which goal), changes nothing about whose people and money it counts: only what the user
/// must fill in, but a zone, names it, and its address. What a connector of the user's own folder names by default is not known.
fn account(info: &ConnectorInfo, settings: &Settings) -> String {
    let tells = |setting: &&SettingInfo| {
        let is_of_folder = info.home == Home::Folder && setting.choices.is_empty();
        let names_it = setting.default.is_none() || setting.address || is_of_folder;
        info.scheduled_by == Some(setting.name.as_str())
            || names_it
                && !(setting.optional || setting.zone)
                && !["per_second", "api_version"].contains(&setting.name.as_str())
    };
    let names = info.settings.iter().filter(tells).map(|setting| setting.name.as_str());
    let plain = names.filter_map(|name| settings.plain(name).map(|value| format!("\0{name}\0{value}")));
    std::iter::once(info.name.clone()).chain(plain).collect()
}

/// Reads a table of settings against what is asked for. No value is printed.
fn settings(check: &Check<'_>, section: &Section<'_>, infos: &[SettingInfo]) -> Option<Settings> {
    let mut settings = Settings::default();
    let mut complete = true;
    let names: Vec<&str> = infos.iter().map(|info| info.name.as_str()).collect();
    for key in section.keys().filter(|key| !names.contains(key.get_ref())) {
        let what = format!("unknown key {}", quoted(&section.dotted(key.get_ref())));
        check.report.error(key.span(), what, suggestion(key.get_ref(), &names, "there is nothing to set"));
        complete = false;
    }
    for info in infos {
        if is_required(info) {
            section.require(&info.name, &format!("{} ({})", example(info), info.help));
        }
        match section.text(&info.name) {
            Some(written) => match setting(check, &section.dotted(&info.name), &written, info) {
                Some(value) => settings.insert(&info.name, value),
                None => complete = false,
            },
            None => complete &= !section.has(&info.name) && !is_required(info),
        }
    }
    complete.then(|| filled_in(settings, infos))
}

fn setting(check: &Check<'_>, path: &str, written: &Spanned<&str>, info: &SettingInfo) -> Option<SettingValue> {
    let text = *written.get_ref();
    let value = if info.secret {
        SettingValue::Secret(check.secret(path, written)?)
    } else if secret::is_reference(text) {
        let what = format!("{path} is no secret, so it cannot be a reference");
        check.report.error(written.span(), what, format!("write the value itself: {}", info.help));
        return None;
    } else {
        SettingValue::Plain(text.to_owned())
    };
    let text = match &value {
        SettingValue::Plain(text) => text.as_str(),
        SettingValue::Secret(secret) => secret.expose_secret(),
    };
    let problem = if !info.choices.is_empty() && !info.choices.iter().any(|choice| choice == text) {
        Some((format!("{path} is none of the choices"), format!("write one of: {}", info.choices.join(", "))))
    } else if info.pattern.as_ref().is_some_and(|pattern| !matches(check, pattern, text)) {
        Some((format!("{path} does not have the form it should"), info.help.clone()))
    } else if info.zone && text.parse::<Tz>().is_err() {
        Some((format!("{path} names no time zone"), zone_advice(text)))
    } else if info.address {
        address_problem(text).map(|problem| (format!("{path} {problem}"), info.help.clone()))
    } else {
        None
    };
    match problem {
        Some((what, advice)) => {
            check.report.error(written.span(), what, advice);
            None
        }
        None => Some(value),
    }
}

/// Anchored, so that a pattern says all of what may stand there. A pattern that does not compile
/// fits nothing; the connector's own check refuses it first.
fn matches(check: &Check<'_>, pattern: &str, text: &str) -> bool {
    let mut patterns = check.patterns.borrow_mut();
    let compiled = patterns.entry(pattern.to_owned()).or_insert_with(|| Regex::new(&format!("^(?:{pattern})$")).ok());
    compiled.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// Why a text may not be called as an address: https always, http to this machine only.
pub(super) fn address_problem(text: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(text) else { return Some("is not a whole address such as https://example.com") };
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => Some("must not hold a name or password"),
        "https" if url.has_host() => None,
        "http" if is_here => None,
        _ => Some("must begin with https:// (http:// is for this machine alone: 127.0.0.1, [::1] or localhost)"),
    }
}
