//! Where a concept's numbers come from: what there is to choose from, as the connectors say it, and the tables that the
//! answers amount to. Names no vendor.

use std::io::{self, BufRead, Write};

use chrono_tz::Tz;
use regex::Regex;

use super::{Talk, a_zone, list, quoted, some_text, table};
use crate::domain::connector::{ConnectorInfo, SettingInfo};
use crate::domain::metric::MetricId;

/// Where the numbers come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reads {
    /// Who knows the visitors and what they cost.
    pub ads: Asked,
    /// What counts as the act.
    pub act: MetricId,
    /// Who knows the acts, where that is not the same.
    pub form: Option<Asked>,
}

/// A connector with what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its name.
    pub connector: String,
    /// What must be set, as it is written.
    pub settings: Vec<(String, String)>,
    /// In whose name it asks, where it needs a login.
    pub login: Option<Application>,
    /// Whether files are brought by hand.
    pub by_hand: bool,
}

/// The user's own application at a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Not a secret.
    pub client_id: String,
    /// Whether a secret belongs to it.
    pub has_secret: bool,
    /// Whether a person must agree once.
    pub needs_consent: bool,
}

/// Source of the ads, and of the acts.
const ADS: &str = "ads";
const FORM: &str = "landing";

/// What `check` advises where a platform's own conversions decide.
const LATE_CONVERSIONS: &str = "7  # platforms still correct younger days";

impl Reads {
    /// The tables of its sources and logins.
    pub(super) fn tables(&self) -> String {
        let form = self.form.as_ref().map(|form| form.tables(FORM, false)).unwrap_or_default();
        form + &self.ads.tables(ADS, self.form.is_none())
    }

    /// The names of its sources, as a list.
    pub(super) fn names(&self) -> String {
        let form = self.form.iter().map(|_| FORM.to_owned());
        list(&form.chain([ADS.to_owned()]).collect::<Vec<_>>())
    }

    /// The keys of an arm: what visitors' links call it, and its campaigns.
    pub(super) fn keys(&self, arm: &str, campaigns: &[String]) -> String {
        let form = self.form.as_ref().map(|_| format!("{FORM} = [{}], ", quoted(arm))).unwrap_or_default();
        format!("{{ {form}{ADS} = {} }}", list(campaigns))
    }
}

impl Asked {
    fn tables(&self, source: &str, decides: bool) -> String {
        let mut text = String::new();
        let connector = &self.connector;
        if self.by_hand {
            text += "\n# Files you download: `willitsell import FILE` reads one.";
        }
        if let Some(application) = &self.login {
            if application.needs_consent {
                let how = format!("`willitsell auth {source}` opens the browser, in which you agree once.");
                text += &format!("\n# After `willitsell check`, {how}");
            }
            let mut login = vec![("client_id", quoted(&application.client_id))];
            let secret = secret_of(connector, "client_secret");
            login.extend(application.has_secret.then(|| ("client_secret", quoted(&secret))));
            text += &table(&format!("login.{connector}"), &login);
        }
        let mut lines = vec![("connector", quoted(connector))];
        if !self.by_hand && source == ADS {
            lines.push(("channel", quoted(connector)));
        }
        lines.extend(self.login.is_some().then(|| ("login", quoted(connector))));
        let settings: Vec<_> =
            self.settings.iter().map(|(name, value)| format!("{name} = {}", quoted(value))).collect();
        lines.extend((!settings.is_empty()).then(|| ("settings", format!("{{ {} }}", settings.join(", ")))));
        lines.extend(decides.then(|| ("maturity_lag_days", LATE_CONVERSIONS.to_owned())));
        text + &table(&format!("source.{source}"), &lines)
    }
}

/// Where a secret is read from: `env:META_ADS_TOKEN`.
fn secret_of(connector: &str, setting: &str) -> String {
    format!("env:{connector}_{setting}").to_ascii_uppercase().replacen("ENV:", "env:", 1)
}

impl<R: BufRead, W: Write> Talk<R, W> {
    /// Asks for the sources, of those there are.
    pub(super) fn reads(&mut self, known: &[ConnectorInfo]) -> io::Result<Reads> {
        let counts = |info: &ConnectorInfo, metric| info.metrics.contains(&metric);
        // Nobody types a query in answer to a question, and a form that only sends is told where to.
        let is_query = |setting: &SettingInfo| setting.name == "query";
        let known: Vec<_> =
            known.iter().filter(|info| !(info.only_sends || info.settings.iter().any(is_query))).collect();
        let (by_hand, asked): (Vec<&ConnectorInfo>, Vec<_>) =
            known.iter().filter(|info| counts(info, MetricId::CLICKS)).partition(|info| info.scheduled_by.is_some());
        let offered = [by_hand, asked].concat();
        self.say("Where do the numbers of the ads come from?")?;
        let titles: Vec<&str> = offered
            .iter()
            .map(|info| if info.scheduled_by.is_some() { "files I download from an ad manager" } else { &info.title })
            .collect();
        let ads = offered[self.choose(&titles)?];
        let own: Vec<MetricId> =
            [MetricId::CONVERSIONS, MetricId::LEADS].into_iter().filter(|&metric| counts(ads, metric)).collect();
        let act_of = |info: &ConnectorInfo| {
            info.metrics.iter().copied().find(|metric| metric.is_of_people() && info.people.is_some())
        };
        let mut forms: Vec<_> = known.iter().filter_map(|&info| Some((info, act_of(info)?))).collect();
        forms.sort_by_key(|(form, _)| form.scheduled_by.is_some());
        let words: Vec<String> = own
            .iter()
            .map(|metric| format!("{metric}, as the platform counts them"))
            .chain(forms.iter().map(|(form, act)| match form.scheduled_by {
                Some(_) => "sign-ups in answers I export from a form".to_owned(),
                None => format!("{}s with {}", act.metric().noun, form.title),
            }))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let act = if words.len() > 1 {
            self.say("What counts as the act?")?;
            self.choose(&words)?
        } else {
            0
        };
        let form = if act < own.len() { None } else { forms.get(act - own.len()).copied() };
        let act = own.get(act).copied().or(form.map(|(_, act)| act)).unwrap_or(MetricId::SIGNUPS);
        Ok(Reads { ads: self.needs_of(ads)?, act, form: form.map(|(form, _)| self.needs_of(form)).transpose()? })
    }

    /// Asks for what a connector needs and nobody else can know. Secrets stay out of the file.
    fn needs_of(&mut self, info: &ConnectorInfo) -> io::Result<Asked> {
        let mut settings = Vec::new();
        for setting in &info.settings {
            let name = setting.name.clone();
            let is_needed = !setting.optional && setting.default.is_none();
            if setting.choices.iter().any(|choice| choice == CAMPAIGN) && setting.default.as_deref() != Some(CAMPAIGN) {
                settings.push((name, CAMPAIGN.to_owned()));
            } else if is_needed && setting.secret {
                settings.push((name, secret_of(&info.name, &setting.name)));
            } else if is_needed {
                let question = format!("{}: {}", info.title, setting.help);
                settings.push((name, self.ask(&question, None, |text| fitting(setting, text))?));
            }
        }
        let login = if info.needs_login {
            let question = format!("{}: client id of your own application there", info.title);
            let (has_secret, needs_consent) = (info.needs_secret, info.needs_consent);
            Some(Application { client_id: self.ask(&question, None, some_text)?, has_secret, needs_consent })
        } else {
            None
        };
        Ok(Asked { connector: info.name.clone(), settings, login, by_hand: info.scheduled_by.is_some() })
    }
}

/// What an arm is to be where a connector lets one choose: whoever begins has campaigns.
const CAMPAIGN: &str = "campaign";

/// An answer as a setting takes it. Account numbers are often shown with dashes and asked for without.
fn fitting(setting: &SettingInfo, text: &str) -> Result<String, String> {
    some_text(text)?;
    if !setting.choices.is_empty() && !setting.choices.iter().any(|choice| choice == text) {
        return Err(format!("one of {}, please", setting.choices.join(", ")));
    }
    if setting.zone {
        return a_zone(text).map(|zone: Tz| zone.name().to_owned());
    }
    let fits = |text: &str| {
        let pattern = setting.pattern.as_deref().unwrap_or_default();
        Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|whole| setting.pattern.is_none() || whole.is_match(text))
    };
    let without_dashes = text.replace('-', "");
    let fitting = [text, &without_dashes].into_iter().find(|text| fits(text));
    fitting.map(str::to_owned).ok_or_else(|| format!("this does not look like it: {}", setting.help))
}
