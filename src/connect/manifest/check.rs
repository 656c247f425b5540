//! What must hold before a manifest may be used: words known, paths in the supported part, placeholders
//! known and in their place, addresses literal and https, secrets never literal, dates and an example
//! there. Every mistake is told at once, with its line and what to do.

mod examples;
mod facts;
mod failing;
mod inbound;
mod paging;
mod program;
mod proof;
mod reading;
mod report;
mod request;
mod rows;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use chrono::NaiveDate;
use serde_spanned::Spanned;

use self::program::days_of;
use self::settings::fits;
use super::fill::{Hole, Known, Sent, Special, Template};
use super::path::{Path, quoted};
use super::program::{PATH, Program};
use super::proof::Proof;
use super::raw::{self, Mistakes, Raw, nearest};
use super::{Asks, Manifest, ManifestError, Request};
use crate::connect::auth::{ClientAuth, GrantKind, Oauth2};
use crate::connect::http::{Url, address};
use crate::domain::connector::{ConnectorInfo, Facts, Home, SettingInfo, SettingValue, Settings};
use crate::domain::metric::MetricId;

/// Reads and checks a manifest.
pub(super) fn load(file: &str, text: &str) -> Result<Manifest, ManifestError> {
    let mut mistakes = Mistakes::new(text);
    let manifest = raw::read(&mut mistakes).and_then(|raw| {
        let mut names: Vec<_> = raw.settings.iter().map(|(name, _)| name.get_ref().clone()).collect();
        names.extend(raw.version().map(|_| "api_version".to_owned()));
        let secret = raw.settings.iter().filter(|(_, setting)| setting.secret);
        let optional = raw.settings.iter().filter(|(_, setting)| setting.optional);
        let patterned = raw.settings.iter().filter(|(_, setting)| setting.pattern.is_some());
        let chosen = raw.settings.iter().filter(|(_, setting)| setting.choices.is_some());
        let sent = raw.settings.iter().filter_map(|(name, setting)| {
            let choices = setting.choices.as_ref()?.get_ref().as_table()?;
            let sent = choices.iter().filter_map(|(word, sent)| Some((word.clone(), sent.as_str()?.to_owned())));
            Some((name.get_ref().clone(), Sent::new(sent.collect())))
        });
        let defaults =
            raw.settings.iter().filter_map(|(name, setting)| Some((name.get_ref().clone(), setting.default.clone()?)));
        Check {
            addresses: BTreeSet::new(),
            zone: None,
            chosen: chosen.map(|(name, _)| name.get_ref().clone()).collect(),
            defaults: defaults.collect(),
            secret: secret.map(|(name, _)| name.get_ref().clone()).collect(),
            optional: optional.map(|(name, _)| name.get_ref().clone()).collect(),
            patterned: patterned.map(|(name, _)| name.get_ref().clone()).collect(),
            names,
            sent: sent.collect(),
            special: Vec::new(),
            used: BTreeSet::new(),
            lists: raw
                .rows
                .as_ref()
                .and_then(|rows| Path::parse(rows.get_ref().each.get_ref()).ok())
                .map_or(1, |each| each.lists()),
            mistakes: &mut mistakes,
        }
        .manifest(file, raw)
    });
    let mut found = mistakes.found;
    found.sort_by_key(|mistake| mistake.line);
    match manifest {
        Some(manifest) if found.is_empty() => Ok(manifest),
        _ => Err(ManifestError { file: file.to_owned(), mistakes: found }),
    }
}

/// Where a placeholder may stand decides which it may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Secrets too, and alone an optional setting.
    Header,
    /// Alone an optional setting: the parameter is then left out.
    Query,
    /// As in a query, and `{ids}`.
    Item,
    /// Body, address.
    Request,
    /// What a program is told: secrets too, and in a list alone an optional setting.
    Config,
}

struct Check<'m, 't> {
    names: Vec<String>,
    /// Of settings that are chosen from a table: what is sent.
    sent: BTreeMap<String, Sent>,
    /// What else may stand in the call being checked.
    special: Vec<Special>,
    secret: BTreeSet<String>,
    optional: BTreeSet<String>,
    patterned: BTreeSet<String>,
    chosen: BTreeSet<String>,
    /// Settings that hold addresses, as far as they are known by now.
    addresses: BTreeSet<String>,
    /// The setting that holds the zone of the days, where one does.
    zone: Option<String>,
    /// Of the settings that have one.
    defaults: BTreeMap<String, Spanned<String>>,
    used: BTreeSet<String>,
    /// Lists on the way to a row, as many as `^` may lead up.
    lists: usize,
    mistakes: &'m mut Mistakes<'t>,
}

impl Check<'_, '_> {
    fn wrong<T>(&mut self, span: Range<usize>, what: impl Into<String>) -> Option<T> {
        self.mistakes.add(span, what);
        None
    }

    fn manifest(mut self, file: &str, raw: Raw) -> Option<Manifest> {
        let program = raw.program.as_ref().map(|program| self.program(program, &raw));
        let is_alone = program.is_none() && raw.request.is_none();
        let alone = raw.inbound.as_ref().filter(|_| is_alone).map(|inbound| self.alone(inbound, &raw));
        let proof = match (&program, &alone) {
            (None, None) => self.proof(raw.login.as_ref(), raw.auth.as_ref()),
            _ => Some(Proof::Program),
        };
        let special = paging::special(raw.fan.as_ref().map(Spanned::get_ref));
        let request = raw.request.as_ref().and_then(|request| self.request_like(request.get_ref(), &special));
        let header = raw.request.as_ref().map(|request| request.get_ref().header.clone()).unwrap_or_default();
        let account = raw.account.as_ref().map(|account| self.account(account.get_ref(), header));
        self.account_serves(&raw);
        let paging = raw.page.as_ref().map(|page| self.paging(page, request.as_ref()));
        let fan = raw.fan.as_ref().map(|fan| self.fan(fan.get_ref(), request.as_ref()));
        let submit = raw.request.as_ref().map(Spanned::get_ref);
        let report = raw.report.as_ref().map(|report| self.report(report, submit));
        let list = fan.iter().flatten().map(|fan| &fan.request).next();
        let asked = match (&program, &alone) {
            (None, None) => request
                .as_ref()
                .map(|request| days_of(request.holes().chain(list.into_iter().flat_map(Request::holes)))),
            (Some(program), _) => program.as_ref().map(Program::days),
            (None, Some(_)) => Some(Vec::new()),
        };
        let days = raw.days.as_ref().and_then(|days| self.days(days.get_ref(), asked));
        // What a program tells besides is its own affair.
        let unbounded = program.is_some() || days.as_ref().is_some_and(|(_, unbounded)| *unbounded);
        let days = days.map(|(zone, _)| zone);
        let limits = raw.limits.as_ref().map(|limits| self.limits(limits.get_ref()));
        let errors: Vec<_> = raw.error.iter().map(|rule| self.error_rule(rule)).collect();
        let rows = raw.rows.as_ref().and_then(|rows| self.rows(rows.get_ref(), days.as_ref(), raw.response.is_some()));
        self.rows_and_days(&raw, unbounded, paging.iter().flatten().next());
        let response = raw.response.as_ref().map(|response| self.response(response.get_ref(), days.as_ref()));
        let inbound = raw.inbound.as_ref().map(|inbound| self.inbound(inbound, &raw, days.as_ref()));
        let metrics = self.metrics(&raw.metric, response.is_some());
        let said = raw.facts.as_ref().map(|facts| facts::as_written(facts.get_ref())).unwrap_or_default();
        let facts = raw.facts.as_ref().map(|facts| self.facts(facts.get_ref()));
        // Whoever hands over people hands over all of them; a report has a default of what it shows.
        if response.is_none() && said.left_out.is_none() {
            let advice = "`left_out` is missing: say in `[facts]` what the vendor leaves out of its answer (archived or \
                          deleted ads, rows without delivery), or `nothing`";
            self.wrong::<()>(raw.facts.as_ref().map_or(0..0, Spanned::span), advice);
        }
        let acts = response.iter().flatten().next();
        let nameless =
            acts.filter(|acts| acts.person.is_empty()).and_then(|acts| MetricId::of_nobody(acts.depth).next());
        let examples = self.examples(&raw.example);
        let login = proof.as_ref().and_then(|proof| proof.oauth2());
        let info = self.info(file, raw, login);
        let report = or_unused(report)?;
        Some(Manifest {
            info: ConnectorInfo {
                prepares_for: report
                    .as_ref()
                    .map(|report| report.within)
                    .or(program.iter().flatten().map(|program| program.within).next())
                    .unwrap_or_default(),
                tells_news: program.iter().flatten().any(|program| program.tells_news),
                only_sends: is_alone,
                metrics: metrics.iter().map(|metric| nameless.unwrap_or(metric.id)).collect(),
                fractional: metrics.iter().filter(|metric| metric.is_fractional()).map(|metric| metric.id).collect(),
                people: acts.map(|acts| acts.depth),
                names_people: acts.is_some_and(|acts| !acts.person.is_empty()),
                reads_answers: acts.is_some_and(|acts| !acts.answer.is_empty()),
                inbound: inbound.iter().flatten().map(|inbound| inbound.scheme).next(),
                facts: said,
                ..info?
            },
            proof: proof?,
            days: days?,
            unbounded,
            account: or_unused(account)?,
            asks: match (or_unused(program)?, or_unused(alone)?) {
                (None, None) => Asks::Vendor(request?),
                (Some(program), _) => Asks::Program(program),
                (None, Some(silent_days)) => Asks::Nobody(silent_days),
            },
            paging: or_unused(paging)?,
            fan: or_unused(fan)?,
            report,
            limits: limits.unwrap_or_default(),
            errors: errors.into_iter().collect::<Option<_>>()?,
            rows: rows?,
            metrics,
            response: or_unused(response)?,
            inbound: or_unused(inbound)?,
            facts: facts.unwrap_or_default(),
            examples,
        })
    }

    /// Name, dates and settings: what others may know of the connector.
    fn info(&mut self, file: &str, raw: Raw, login: Option<&Oauth2>) -> Option<ConnectorInfo> {
        let (hosts, scopes) = (raw.hosts(&self.addresses), raw.scopes());
        let (name, docs) = (raw.name.clone()?, raw.docs.clone()?);
        let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".toml");
        if name.get_ref() != stem {
            self.wrong::<()>(name.span(), format!("`name` must be the file's own: write `name = \"{stem}\"`"));
        }
        self.https(&docs);
        let sunset_on = raw.sunset_on.as_ref()?;
        let sunset_on = if sunset_on.get_ref() == "unknown" { None } else { self.date(sunset_on, " or `unknown`") };
        let checked_on = self.date(raw.checked_on.as_ref()?, "");
        let verified = raw.verified.as_ref()?;
        self.one_of(verified, &["live", "recorded", "documented"]);
        let verified = verified.get_ref().clone();
        // Only where all else could be read is it sure that nothing uses a setting.
        let complete = self.mistakes.found.is_empty();
        let mut settings = Vec::new();
        for (name, setting) in &raw.settings {
            if complete && !self.used.contains(name.get_ref()) {
                self.wrong::<()>(name.span(), format!("nothing uses `{{{}}}`: use it or leave it out", name.get_ref()));
            }
            settings.push(self.setting(name, setting));
        }
        if let Some(version) = raw.version().filter(|_| complete && !self.used.contains("api_version")) {
            let advice =
                "nothing uses `{api_version}`: put it into `url`, or write \"none\" where there are no versions";
            self.wrong::<()>(version.span(), advice);
        }
        let api_version = raw.version().map(|version| version.get_ref().clone());
        // A user may name a newer version before we do.
        settings.extend(api_version.clone().map(|version| SettingInfo {
            name: "api_version".to_owned(),
            help: "a newer version of the vendor's API than the one written here".to_owned(),
            default: Some(version),
            pattern: Some("^[0-9A-Za-z.-]+$".to_owned()),
            ..SettingInfo::default()
        }));
        // Which program runs is said where it runs, never in a file that may be a stranger's.
        settings.extend(raw.program.as_ref().map(|_| SettingInfo {
            name: PATH.to_owned(),
            help: "the whole path of the program that is started, such as /opt/taps/tap-csv/bin/tap-csv".to_owned(),
            pattern: Some("^/.+$".to_owned()),
            ..SettingInfo::default()
        }));
        // What a vendor allows differs from account to account.
        let per_second = raw.limits.as_ref().and_then(|limits| limits.get_ref().per_second.as_ref());
        settings.extend(per_second.map(|rate| SettingInfo {
            name: "per_second".to_owned(),
            help: "calls a second, where your account may make more or fewer".to_owned(),
            default: Some(rate.get_ref().to_string()),
            pattern: Some(r"^([1-9][0-9]{0,3}(\.[0-9]{1,3})?|0\.[0-9]{0,2}[1-9])$".to_owned()),
            ..SettingInfo::default()
        }));
        for (name, value) in raw.example.iter().flat_map(|example| &example.get_ref().settings) {
            let info = settings.iter().find(|info| info.name == *name.get_ref());
            if let Some(Err(why)) = info.map(|info| fits(info, value)) {
                self.wrong::<()>(name.span(), format!("`{}` of this example {why}", name.get_ref()));
            }
        }
        let days = raw.days?.into_inner();
        Some(ConnectorInfo {
            name: name.into_inner(),
            title: raw.title?.into_inner(),
            docs: docs.into_inner(),
            api_version,
            sunset_on,
            checked_on,
            verified,
            hosts,
            scopes,
            home: Home::default(),
            settings,
            needs_login: login.is_some(),
            needs_secret: login.is_some_and(|login| login.client != ClientAuth::None),
            needs_consent: login.is_some_and(|login| login.grant == GrantKind::Code),
            token_url: login.map(|login| login.token_url.clone()),
            metrics: Vec::new(),
            counts_named_in: None,
            fractional: Vec::new(),
            people: None,
            names_people: false,
            reads_answers: false,
            inbound: None,
            facts: Facts::default(),
            lookback_days: days.lookback,
            longest_days: days.longest.map(Spanned::into_inner),
            oldest_days: days.oldest.map(Spanned::into_inner),
            prepares_for: Duration::ZERO,
            tells_news: false,
            names_apart_by: None,
            only_sends: false,
            scheduled_by: None,
        })
    }

    /// Reads a text and its placeholders.
    fn template(&mut self, text: &Spanned<String>, place: Place) -> Option<Template> {
        let known = Known { settings: &self.names, sent: &self.sent, special: &self.special };
        let template = match Template::parse(text.get_ref(), &known) {
            Ok(template) => template,
            Err(what) => return self.wrong(text.span(), what),
        };
        self.used.extend(template.settings().map(str::to_owned));
        if template.holes().any(|hole| *hole == Hole::Ids) && (place != Place::Item || template.only_hole().is_none()) {
            return self
                .wrong(text.span(), "`{ids}` stands alone in a list: `[\"{ids}\"]` or `{ join = [\"{ids}\"] }`");
        }
        let alone = place != Place::Request && template.only_setting().is_some();
        let misplaced =
            |names: &BTreeSet<String>| template.settings().find(|name| names.contains(*name)).map(str::to_owned);
        if !matches!(place, Place::Header | Place::Config)
            && let Some(name) = misplaced(&self.secret)
        {
            return self.wrong(
                text.span(),
                format!("`{{{name}}}` is secret: it may stand in `auth`, a header or a program's `config` only"),
            );
        }
        if !alone && let Some(name) = misplaced(&self.optional) {
            return self.wrong(
                text.span(),
                format!(
                    "`{{{name}}}` is optional: it may only stand alone in a header or query, which is then left out"
                ),
            );
        }
        Some(template)
    }

    /// Reads a path of a whole answer and checks it with a hostile value in every placeholder.
    fn path(&mut self, text: &Spanned<String>) -> Option<Template> {
        let (template, up) = self.any_path(text)?;
        match up {
            0 => Some(template),
            _ => self.wrong(text.span(), "`^` leads up from a row, so it belongs to paths of rows: begin with `$`"),
        }
    }

    /// As [`Self::path`], of a path that begins in a row, or with `^` in what holds its list.
    fn row_path(&mut self, text: &Spanned<String>) -> Option<Template> {
        let (template, up) = self.any_path(text)?;
        if up > self.lists {
            let what = format!("`^` leads up one list, and `each` has {}: write at most so many", self.lists);
            return self.wrong(text.span(), what);
        }
        Some(template)
    }

    fn any_path(&mut self, text: &Spanned<String>) -> Option<(Template, usize)> {
        let template = self.words(text)?;
        let mut settings = Settings::default();
        for name in template.settings() {
            settings.insert(name, SettingValue::Plain("a'b\\c\"d".to_owned()));
        }
        let filled = template.fill_plain(&settings, quoted).unwrap_or_default();
        match Path::parse(&filled) {
            Ok(path) => Some((template, path.up)),
            Err(_) if template.settings().count() > 0 => self.wrong(
                text.span(),
                format!(
                    "`{}` is not a path with its placeholder between single quotes: `['{{name}}']`",
                    text.get_ref()
                ),
            ),
            Err(what) => self.wrong(text.span(), what),
        }
    }

    /// Reads a text whose placeholders are plain settings, known before anybody is asked.
    fn words(&mut self, text: &Spanned<String>) -> Option<Template> {
        let template = self.template(text, Place::Request)?;
        if template.settings().count() != template.holes().count() {
            return self.wrong(text.span(), "here only placeholders of settings may stand");
        }
        Some(template)
    }

    fn https(&mut self, text: &Spanned<String>) -> Option<()> {
        match address(text.get_ref()) {
            Ok(url) if is_plain(text.get_ref()) && has_a_name(&url) => Some(()),
            _ => self.wrong(text.span(), "this must be a literal https address with the vendor's host name, whole"),
        }
    }

    fn date(&mut self, text: &Spanned<String>, or: &str) -> Option<NaiveDate> {
        match text.get_ref().parse() {
            Ok(day) => Some(day),
            Err(_) => self.wrong(text.span(), format!("`{}` is not a day: write it as 2026-11-22{or}", text.get_ref())),
        }
    }

    /// Position of a word among those allowed.
    fn one_of(&mut self, word: &Spanned<String>, known: &[&str]) -> Option<usize> {
        match known.iter().position(|known| known == word.get_ref()) {
            Some(position) => Some(position),
            None => self.wrong(
                word.span(),
                format!("`{}` is not known here: {}", word.get_ref(), nearest(word.get_ref(), known)),
            ),
        }
    }
}

/// Outside `None`, the word is not used; inside, a mistake was noted.
#[expect(clippy::option_option, reason = "not used and not readable are different")]
fn or_unused<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    read.map_or(Some(None), |readable| readable.map(Some))
}

/// Whether the host of an https address is written just as it is called. Readers of addresses also take
/// `https:evil.example`, a backslash for a slash, `%2e` and letters of other alphabets: what is shown to be confirmed
/// would then be another host than the one that gets the secret, or none.
fn is_plain(text: &str) -> bool {
    let host = text.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte))
}

/// A vendor is called by name: digits, like `localhost`, are for the user's own file (rehearsal).
fn has_a_name(url: &Url) -> bool {
    url.domain().is_some_and(|name| name != "localhost")
}
