//! Reads the file, and takes its tables in the order in which they refer to each other: store and
//! web, places messages go to, logins, sources, experiments. Each table's own rules stand in
//! `source.rs`, `experiment.rs` and `policy.rs`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use regex::Regex;
use secrecy::{ExposeSecret, SecretString};
use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::audience;
use super::daemon;
use super::excerpt;
use super::experiment::{Declared, experiment};
use super::inbound;
use super::people;
use super::policy::choice;
use super::raw::{self, Section, Span};
use super::report::{Report, quoted};
use super::secret::{self, SecretError};
use super::source;
use super::templates;
use super::themes::themes;
use super::web;
use super::{Config, Known, Loaded, Problems, defaults};
use crate::domain::concept::Experiment;
use crate::domain::id::{ConceptId, SourceId};
use crate::domain::pattern;
use crate::domain::portfolio::FalseBuildRate;
use crate::domain::postgres::PostgresAddress;
use crate::domain::schedule::{BadSchedule, Schedule};

/// What every check needs: where to report, what may be named, where secrets come from.
pub(super) struct Check<'t> {
    pub(super) report: &'t Report<'t>,
    pub(super) known: &'t Known<'t>,
    /// The configuration's folder.
    pub(super) folder: PathBuf,
    /// How the program is started with this configuration.
    pub(super) program: String,
    /// Forms that settings have, each made once: hundreds of sources have the same.
    pub(super) patterns: RefCell<BTreeMap<String, Option<Regex>>>,
    /// Schedules, likewise.
    pub(super) schedules: RefCell<BTreeMap<String, Result<Schedule, BadSchedule>>>,
    /// Environment variables that gave a secret.
    variables: RefCell<Vec<(Span, String)>>,
    /// Destinations, logins and sources, and those of them that something refers to.
    declared: RefCell<Vec<(Span, String)>>,
    used: RefCell<BTreeSet<String>>,
}

pub(super) fn load(path: &Path, known: &Known<'_>) -> Result<Loaded, Problems> {
    let bytes = fs::read(path);
    let (text, (what, advice)) = match &bytes {
        Ok(bytes) => match str::from_utf8(bytes) {
            Ok(text) => return load_text(path, text, known),
            Err(error) => (str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(), not_text()),
        },
        Err(error) => ("", not_readable(error)),
    };
    let report = Report::new(path, text);
    report.whole_file(false, what, advice);
    Err(Problems::new(report.into_problems()))
}

pub(super) fn load_text(path: &Path, text: &str, known: &Known<'_>) -> Result<Loaded, Problems> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let report = Report::new(path, text);
    let config = match DeTable::parse(text) {
        Ok(table) => read(path, &table, &report, known),
        Err(error) => {
            report_syntax(text, &error, &report);
            None
        }
    };
    let has_errors = report.has_errors();
    let problems = report.into_problems();
    match config {
        Some(config) if !has_errors => Ok(Loaded { config, warnings: problems }),
        _ => Err(Problems::new(problems)),
    }
}

/// Reports the first error of syntax of every table. A bracket left open makes nonsense of all that
/// follows it, so each table is parsed for itself; only where all are well alone (a table that is
/// there twice) does the error of the whole file stand.
fn report_syntax(text: &str, error: &toml::de::Error, report: &Report<'_>) {
    let say = |start: usize, error: &toml::de::Error| {
        let span = error.span().unwrap_or_default();
        // The parser's own printing shows the line; its message alone never does.
        let what = format!("this is not valid TOML: {}", error.message());
        let advice = "text stands in quotes, one `key = value` a line; the example configuration shows every form";
        report.error(start + span.start..start + span.end, what, advice);
    };
    let mut starts = excerpt::headings(text);
    starts.insert(0, 0);
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    for (start, end) in starts.iter().zip(ends) {
        if let Err(error) = DeTable::parse(text[*start..end].trim_end()) {
            say(*start, &error);
        }
    }
    if !report.has_errors() {
        say(0, error);
    }
}

fn not_text() -> (String, String) {
    ("this file is not UTF-8 text".into(), "save it as UTF-8 in your editor".into())
}

fn not_readable(error: &std::io::Error) -> (String, String) {
    match error.kind() {
        ErrorKind::NotFound => {
            ("there is no such file".into(), "make one with `willitsell init`, or name another with --config".into())
        }
        _ => {
            (format!("this file cannot be read: {error}"), "make it readable for the user this program runs as".into())
        }
    }
}

fn read<'t>(
    path: &Path,
    table: &'t serde_spanned::Spanned<DeTable<'t>>,
    report: &'t Report<'t>,
    known: &'t Known<'t>,
) -> Option<Config> {
    let check = Check {
        report,
        known,
        folder: secret::folder_of(path),
        program: super::program(path),
        patterns: RefCell::default(),
        schedules: RefCell::default(),
        variables: RefCell::default(),
        declared: RefCell::default(),
        used: RefCell::default(),
    };
    let root = Section::root(table.get_ref(), report);
    refuse_written_secrets("", table.get_ref(), report);
    // Read before, by whoever knows connectors: see `connectors_folder`.
    root.text("connectors");
    let store_url = check.store(&root);
    let private_networks = check.network(&root);
    let (store_key, token_key) = (check.store_key(&root, "key"), check.store_key(&root, "token_key"));
    let web = web::web(&check, &root);
    let listen = inbound::listen(&check, &root);
    let daemon = daemon::daemon(&check, &root);
    let false_build_rate = check.portfolio(&root);
    let destinations = source::destinations(&check, &root);
    let telling = templates::telling(&check, &root, web.url.clone(), &destinations);
    let audiences = audience::audiences(&check, &root, &destinations);
    let logins = source::logins(&check, &root);
    let people = people::people(&check, &root);
    let sources = source::sources(&check, &root, &logins, &people);
    let inbound = inbound::needed(&check, &root, listen, &sources);
    let declared =
        Declared { destinations: &destinations, audiences: &audiences, sources: &sources, internal: &people.internal };
    let sections = root.named("experiment", &raw::EXPERIMENT);
    if sections.is_empty() && !root.has("experiment") {
        // Sources alone can be tried, which is how most people begin.
        report.whole_file(
            !sources.is_empty(),
            "there is no experiment",
            "add an [experiment.NAME] table: `willitsell init` writes one; `willitsell check --live` tries sources without",
        );
    }
    let experiments: Option<Vec<_>> =
        sections.iter().map(|(name, section)| experiment(&check, name, section, &declared)).collect();
    let themes = sections.iter().map(|(name, section)| (ConceptId::new(*name), themes(&check, section)));
    let themes = themes.filter(|(_, themes)| !themes.is_empty()).collect();
    if let Some(experiments) = &experiments {
        one_zone_a_source(report, &sections, experiments);
        one_test_a_key(report, &sections, experiments);
    }
    if !sections.is_empty() {
        check.warn_of_unused();
    }
    check.warn_of_variables();
    check.warn_of_open_file(path);
    let telling = templates::with_concepts(telling, experiments.as_deref().unwrap_or_default());
    Some(Config {
        telling,
        path: path.to_owned(),
        store_url: store_url?,
        store_key: store_key?,
        private_networks,
        token_key: token_key?,
        inbound: inbound?,
        web,
        daemon,
        destinations: destinations.into_values().collect::<Option<_>>()?,
        sources: sources
            .into_values()
            .map(|entry| entry.access.map(|access| (access.source.id.clone(), access)))
            .collect::<Option<_>>()?,
        experiments: set_others_aside(experiments?)
            .into_iter()
            .map(|experiment| Experiment { false_build_rate, ..experiment })
            .collect(),
        themes,
    })
}

/// Days of instants are cut in the experiment's zone. A source that two zones cut would have days that each
/// experiment takes for read, and that were read for other hours than its own.
fn one_zone_a_source(report: &Report<'_>, sections: &[(&str, Section<'_>)], experiments: &[Experiment]) {
    let mut read: BTreeMap<&SourceId, &Experiment> = BTreeMap::new();
    for ((_, section), experiment) in sections.iter().zip(experiments) {
        for source in &experiment.sources {
            let first = *read.entry(&source.id).or_insert(experiment);
            if first.timezone != experiment.timezone {
                let (other, zone) = (&first.concept.id, first.timezone.name());
                let what =
                    format!("{} is read by {other} too, where a day is one of {zone}", quoted(source.id.as_str()));
                let advice =
                    format!("write timezone = \"{zone}\" here too, or give {} a [source] of its own", section.path);
                report.error(section.key_span("timezone"), what, advice);
            }
        }
    }
}

/// What two tests that run at the same time both call their own counts for both.
fn one_test_a_key(report: &Report<'_>, sections: &[(&str, Section<'_>)], experiments: &[Experiment]) {
    let ended = |one: &Experiment, other: &Experiment| one.stop.is_some_and(|stop| stop < other.start);
    // An exact key wins over another test's pattern: there is no doubt whose it is.
    let both = |one: &str, other: &str| {
        one == other || pattern::is_pattern(one) && pattern::is_pattern(other) && pattern::overlap(one, other)
    };
    let mut claimed: Vec<(&SourceId, &str, &Experiment)> = Vec::new();
    for ((_, section), experiment) in sections.iter().zip(experiments) {
        let keys = experiment.arms.iter().flat_map(|arm| &arm.keys);
        let keys: Vec<_> =
            keys.flat_map(|(source, keys)| keys.iter().map(move |key| (source, key.as_str(), experiment))).collect();
        for (source, key, _) in &keys {
            let other = claimed.iter().find(|(from, other, test)| {
                from == source && both(key, other) && !ended(test, experiment) && !ended(experiment, test)
            });
            if let Some((_, _, other)) = other {
                let what = format!(
                    "the key {} of {source} is also {}'s, so its counts are taken for both concepts",
                    quoted(key),
                    other.concept.id
                );
                let advice = "give each test its own campaigns and its own value of the hidden field";
                report.warn(section.key_span("arm"), what, advice);
            }
        }
        claimed.extend(keys);
    }
}

/// What one experiment's arms claim of a source is no unmapped spend of another that reads it too.
fn set_others_aside(mut experiments: Vec<Experiment>) -> Vec<Experiment> {
    let claimed: Vec<_> =
        experiments.iter().map(|experiment| (experiment.concept.id.clone(), experiment.arms.clone())).collect();
    for experiment in &mut experiments {
        let others = claimed.iter().filter(|(concept, _)| *concept != experiment.concept.id);
        for arm in others.flat_map(|(_, arms)| arms) {
            for source in &mut experiment.sources {
                source.set_aside.extend(arm.keys.get(&source.id).into_iter().flatten().cloned());
            }
        }
    }
    experiments
}

/// A secret is refused wherever it stands, even where none was asked for.
fn refuse_written_secrets(path: &str, table: &DeTable<'_>, report: &Report<'_>) {
    for (key, value) in table {
        let path = if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        match value.get_ref() {
            DeValue::Table(table) => refuse_written_secrets(&path, table, report),
            DeValue::Array(items) => {
                for item in items {
                    match item.get_ref() {
                        DeValue::Table(table) => refuse_written_secrets(&path, table, report),
                        DeValue::String(text) if secret::looks_like_one(text) => literal(&path, item.span(), report),
                        _ => {}
                    }
                }
            }
            DeValue::String(text) if secret::looks_like_one(text) => literal(&path, value.span(), report),
            _ => {}
        }
    }
}

fn literal(path: &str, span: Span, report: &Report<'_>) {
    report.error(span, format!("{path}: a secret {}", SecretError::Literal), SecretError::Literal.advice());
}

impl Check<'_> {
    /// Resolves a reference to a secret and reports what is wrong with it or strange about it.
    pub(super) fn secret(&self, path: &str, text: &serde_spanned::Spanned<&str>) -> Option<SecretString> {
        match secret::resolve(text.get_ref(), &self.folder, self.known.env) {
            Ok(found) => {
                for (what, advice) in found.remarks {
                    self.report.warn(text.span(), format!("{path}: {what}"), advice);
                }
                if let Some(variable) = found.variable {
                    self.variables.borrow_mut().push((text.span(), variable));
                }
                Some(found.value)
            }
            Err(SecretError::Literal) => {
                literal(path, text.span(), self.report);
                None
            }
            Err(error) => {
                self.report.error(text.span(), format!("{path} {error}"), error.advice());
                None
            }
        }
    }

    fn store(&self, root: &Section<'_>) -> Option<String> {
        let Some(section) = root.table("store", &raw::STORE, "[store] and url below it") else {
            return (!root.has("store")).then(|| self.beside_the_file(defaults::STORE_URL));
        };
        if !section.has("url") {
            return Some(self.beside_the_file(defaults::STORE_URL));
        }
        let written = section.text("url")?;
        let is_reference = secret::is_reference(written.get_ref());
        let url = if is_reference {
            self.secret("store.url", &written)?.expose_secret().to_owned()
        } else {
            (*written.get_ref()).to_owned()
        };
        if url.strip_prefix("sqlite://").is_some_and(|path| !path.is_empty()) {
            return Some(self.beside_the_file(&url));
        }
        if PostgresAddress::is_meant(&url) {
            return self.server(&section, &written, url, is_reference);
        }
        let advice = format!("name a file: url = \"{}\", or a PostgreSQL: url = \"env:NAME\"", defaults::STORE_URL);
        self.report.error(written.span(), "store.url is not an address of a store", advice);
        None
    }

    /// The address of a server, which must keep its password and needs a key that all who use it share.
    fn server(
        &self,
        section: &Section<'_>,
        written: &Spanned<&str>,
        url: String,
        is_reference: bool,
    ) -> Option<String> {
        // What the environment adds is looked at when the store is opened.
        let address = match PostgresAddress::parse(&url, |_| false) {
            Ok(address) => address,
            Err(what) => {
                let advice = "write it into a file only you can read, and url = \"file:PATH\"";
                self.report.error(written.span(), format!("store.url {what}"), advice);
                return None;
            }
        };
        if !is_reference && !address.password.expose_secret().is_empty() {
            literal("store.url", written.span(), self.report);
            return None;
        }
        if !section.has("key") {
            let advice = "make one for all who use this store (openssl rand -hex 32 > store.key; chmod 600 store.key), keep \
                 a copy, and write key = \"file:store.key\"";
            self.report.error(
                written.span(),
                "store.key is missing: a store on PostgreSQL has no file beside it",
                advice,
            );
            return None;
        }
        Some(url)
    }

    /// The outer `None` is an error; the inner one a key of our own beside the store.
    #[expect(clippy::option_option, reason = "an error and a setting that was left out are two things")]
    fn store_key(&self, root: &Section<'_>, name: &str) -> Option<Option<SecretString>> {
        // What is wrong with the table as a whole was said when its url was read.
        let Some(section) = root.has("store").then(|| root.table("store", &raw::STORE, "[store]")).flatten() else {
            return Some(None);
        };
        if !section.has(name) {
            return Some(None);
        }
        let written = section.text(name)?;
        let key = self.secret(&format!("store.{name}"), &written)?;
        let is_key = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut words = key.expose_secret().split_whitespace();
        // Tokens can be sealed anew with another; people cannot be hashed anew.
        if words.all(is_key) && (name != "key" || key.expose_secret().trim().len() == 64) {
            return Some(Some(key));
        }
        let advice = "make one, for example with: openssl rand -hex 32";
        self.report.error(written.span(), format!("store.{name} is not 64 hexadecimal digits"), advice);
        None
    }

    /// A daemon is rarely started in the folder its configuration stands in.
    fn beside_the_file(&self, url: &str) -> String {
        match url.strip_prefix("sqlite://") {
            Some(path) if !path.starts_with(':') => format!("sqlite://{}", self.folder.join(path).display()),
            _ => url.to_owned(),
        }
    }

    /// Networks of the operator's own, and nothing wider: never this machine, never a cloud's metadata.
    fn network(&self, root: &Section<'_>) -> Vec<IpNet> {
        const PRIVATE: [&str; 5] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];
        let section = root.table("network", &raw::NETWORK, "[network] and allow_private below it");
        let written = section.and_then(|section| section.texts("allow_private")).unwrap_or_default();
        let private =
            |network: &IpNet| PRIVATE.iter().filter_map(|one| one.parse().ok()).any(|one: IpNet| one.contains(network));
        let read = |text: &Spanned<&str>| {
            let network = text.get_ref().parse().ok().filter(private);
            if network.is_none() {
                let what = format!("network.allow_private holds {}", quoted(text.get_ref()));
                let advice = format!(
                    "write a private network, for example \"10.20.0.0/16\"; it lies inside {}",
                    PRIVATE.join(", ")
                );
                self.report.error(text.span(), what, advice);
            }
            network
        };
        written.iter().filter_map(read).collect()
    }

    /// How BUILDs of several concepts share the risk of being wrong.
    fn portfolio(&self, root: &Section<'_>) -> FalseBuildRate {
        let choices = [("together", FalseBuildRate::Together), ("each", FalseBuildRate::Each)];
        let section = root.table("portfolio", &raw::PORTFOLIO, "[portfolio] and false_build_rate below it");
        let chosen = section.and_then(|section| choice(self, &section, "false_build_rate", &choices));
        chosen.unwrap_or(defaults::FALSE_BUILD_RATE)
    }

    /// Notes that something can be referred to.
    pub(super) fn declares(&self, section: &Section<'_>) {
        self.declared.borrow_mut().push((section.span.clone(), section.path.clone()));
    }

    /// Notes that something named is referred to.
    pub(super) fn uses(&self, path: &str) {
        self.used.borrow_mut().insert(path.to_owned());
    }

    fn warn_of_unused(&self) {
        for (span, path) in self.declared.borrow().iter().filter(|(_, path)| !self.used.borrow().contains(path)) {
            let what = format!("nothing uses {}", quoted(path));
            self.report.warn(span.clone(), what, "name it where it belongs, or take it out");
        }
    }

    fn warn_of_variables(&self) {
        let mut found = self.variables.borrow_mut();
        found.sort_by_key(|(span, _)| span.start);
        let Some((span, _)) = found.first().cloned() else { return };
        let mut names: Vec<&str> = found.iter().map(|(_, name)| name.as_str()).collect();
        names.dedup();
        self.report.warn(
            span,
            format!(
                "secrets come from the environment ({}), which every program started from here inherits",
                names.join(", ")
            ),
            "safer: \"file:PATH\", a file only you can read",
        );
    }

    fn warn_of_open_file(&self, path: &Path) {
        let Ok(metadata) = fs::symlink_metadata(path) else { return };
        if metadata.is_symlink() {
            self.report.whole_file(
                true,
                "this file is a link: the file it leads to could be exchanged",
                "name the file itself",
            );
        } else if secret::is_open_to_others(&metadata) {
            let advice = format!("run: chmod 600 {}", path.display());
            self.report.whole_file(true, "other users of this machine can read or change this file", advice);
        }
    }
}
