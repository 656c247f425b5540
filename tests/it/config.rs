//! The user's file: what loads, what is refused and in which words, and that no message shows a secret.

mod audience;
mod errors;
mod example;
mod inbound;
mod init;
mod models;
mod people;
mod references;
mod secrets;
mod templates;
mod values;
mod web;

use std::fs;
use std::path::PathBuf;

use chrono::NaiveDate;
use miette::{GraphicalReportHandler, GraphicalTheme};
use tempfile::TempDir;
use willitsell::config::{self, Known, Loaded, Problem, Problems};
use willitsell::domain::connector::{ConnectorInfo, SettingInfo};
use willitsell::domain::inbound::Scheme;
use willitsell::domain::message::NotifierInfo;
use willitsell::domain::metric::MetricId;
use willitsell::domain::response::Depth;

/// Planted as every secret; must never be printed.
pub const CANARY: &str = "canary-7f3a91";

pub fn setting(name: &str) -> SettingInfo {
    SettingInfo { name: name.to_owned(), help: format!("help for {name}"), ..SettingInfo::default() }
}

fn connector(name: &str, title: &str, settings: Vec<SettingInfo>, metrics: &[MetricId]) -> ConnectorInfo {
    ConnectorInfo {
        name: name.to_owned(),
        title: title.to_owned(),
        checked_on: NaiveDate::from_ymd_opt(2026, 1, 1),
        settings,
        metrics: metrics.to_vec(),
        lookback_days: 3,
        longest_days: Some(31),
        ..ConnectorInfo::default()
    }
}

/// Shaped like the built-in ones.
pub fn connectors() -> Vec<ConnectorInfo> {
    let address = |default: &str| SettingInfo { default: Some(default.into()), address: true, ..setting("base_url") };
    let ads = [MetricId::IMPRESSIONS, MetricId::CLICKS, MetricId::SPEND, MetricId::CONVERSIONS];
    let files = [ads.as_slice(), &[MetricId::LEADS]].concat();
    let customer = SettingInfo { pattern: Some("[0-9]{10}".into()), ..setting("customer_id") };
    let level = SettingInfo {
        choices: vec!["campaign".into(), "ad".into()],
        default: Some("campaign".into()),
        ..setting("level")
    };
    let manager = SettingInfo { optional: true, ..setting("login_customer_id") };
    let with_default = |name, default: &str| SettingInfo { default: Some(default.into()), ..setting(name) };
    let (speed, version) = (with_default("per_second", "1"), with_default("api_version", "v26"));
    let token = SettingInfo { secret: true, ..setting("token") };
    let path = SettingInfo { optional: true, ..setting("path") };
    let zone = SettingInfo { optional: true, zone: true, ..setting("day_zone") };
    vec![
        ConnectorInfo {
            people: Some(Depth::Email),
            names_people: true,
            reads_answers: true,
            inbound: Some(Scheme::Typeform),
            ..connector(
                "typeform",
                "Typeform",
                vec![setting("form_id"), token, address("https://api.typeform.com")],
                &[MetricId::SIGNUPS],
            )
        },
        ConnectorInfo {
            needs_login: true,
            needs_secret: true,
            needs_consent: true,
            token_url: Some("https://oauth2.googleapis.com/token".into()),
            ..connector(
                "google_ads",
                "Google Ads",
                vec![customer, level, manager, speed, version, address("https://googleads.googleapis.com")],
                &ads,
            )
        },
        ConnectorInfo {
            scheduled_by: Some("path"),
            ..connector("file", "Files you download", vec![path, zone], &files)
        },
    ]
}

pub fn notifiers() -> Vec<NotifierInfo> {
    let url = || SettingInfo { secret: true, address: true, ..setting("url") };
    let secret = SettingInfo { secret: true, ..setting("secret") };
    vec![
        NotifierInfo { kind: "slack", settings: vec![url()] },
        NotifierInfo { kind: "webhook", settings: vec![url(), secret] },
    ]
}

#[expect(clippy::unnecessary_wraps, reason = "stands in for a look-up that may find nothing")]
/// Every variable that ends in `_URL` is an address, the key is one, every other one a plain secret.
pub fn full_env(name: &str) -> Option<String> {
    Some(match name {
        "WILLITSELL_KEY" | "WILLITSELL_TOKEN_KEY" => "0c".repeat(32),
        name if name.ends_with("_URL") => format!("https://hooks.example.com/{CANARY}"),
        _ => CANARY.to_owned(),
    })
}

/// A configuration in a fresh folder, as its owner would keep it.
pub struct File {
    _folder: TempDir,
    pub path: PathBuf,
}

impl File {
    pub fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("willitsell.toml");
        fs::write(&path, text).unwrap();
        private(&path);
        Self { _folder: folder, path }
    }

    pub fn load_with(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Problems> {
        self.load_knowing(&connectors(), env)
    }

    pub fn load_knowing(
        &self,
        connectors: &[ConnectorInfo],
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Loaded, Problems> {
        config::load(&self.path, &Known { connectors, notifiers: &notifiers(), env })
    }
}

/// Readable by its owner only.
pub fn private(path: &std::path::Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    #[cfg(not(unix))]
    let _ = path;
}

pub fn load(text: &str) -> Result<Loaded, Problems> {
    File::new(text).load_with(&full_env)
}

/// Everything said about a file, loaded or refused.
pub fn said(text: &str) -> Vec<Problem> {
    match load(text) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems.iter().cloned().collect(),
    }
}

/// The errors of a file as `line: what | advice`.
pub fn errors(text: &str) -> Vec<String> {
    lines(&said(text), false)
}

/// The warnings of a file as `line: what | advice`.
pub fn warnings(text: &str) -> Vec<String> {
    lines(&said(text), true)
}

fn lines(problems: &[Problem], warning: bool) -> Vec<String> {
    let line = |problem: &Problem| problem.place.as_ref().map_or(0, |place| place.line);
    let chosen = problems.iter().filter(|problem| problem.warning == warning);
    chosen.map(|problem| format!("{}: {} | {}", line(problem), problem.what, problem.advice)).collect()
}

/// As a terminal without colours shows it, the folder's changing name taken out.
pub fn rendered(problem: &Problem) -> String {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::none()).with_width(100);
    handler.render_report(&mut text, problem).unwrap();
    let name = PathBuf::from(&problem.file).parent().map(|folder| format!("{}/", folder.display()));
    let text = text.replace(&name.unwrap_or_default(), "");
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A small file without an error; tests change one line of it.
pub const SMALL: &str = r#"[notify.growth.slack]
url = "env:SLACK_URL"
[login.google]
client_id = "id"
client_secret = "env:GOOGLE_SECRET"
refresh_token = "env:GOOGLE_REFRESH"
[source.landing]
connector = "typeform"
settings = { form_id = "u6nXL7", token = "env:TYPEFORM_TOKEN" }
[source.search]
connector = "google_ads"
login = "google"
settings = { customer_id = "1234567890" }
[experiment.cats]
title = "Kit for cats"
hypothesis = "3 % of cat owners sign up"
disclosure = "https://example.com/early"
schedule = "0 6 * * MON-FRI"
timezone = "Europe/Berlin"
start = "2026-09-01"
sources = ["landing", "search"]
notify = ["growth"]
[experiment.cats.arm.a]
keys = { landing = ["a"], search = ["1"] }
[experiment.cats.rate.signup]
numerator = "signups"
denominator = "clicks"
[experiment.cats.policy]
primary = "signup"
kill_bar = 0.02
"#;

/// [`SMALL`] with one line exchanged for others.
pub fn with(line: &str, replacement: &str) -> String {
    assert!(SMALL.contains(&format!("{line}\n")), "{line}");
    SMALL.replace(&format!("{line}\n"), &format!("{replacement}\n"))
}
