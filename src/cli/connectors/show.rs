//! `connectors show NAME`: what a connector needs and does, and lines that can be pasted as they are.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::new::FOLDER;
use crate::app;
use crate::cli::output::{Failure, Output, wrapped};
use crate::config::{self, report::suggestion};
use crate::domain::connector::{ConnectorInfo, Home, SettingInfo};
use crate::domain::inbound::Scheme;

/// Arguments of `connectors show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// As `connectors list` names it.
    name: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    title: &'a str,
    docs: &'a str,
    version: Option<&'a str>,
    sunset_on: Option<chrono::NaiveDate>,
    checked_on: Option<chrono::NaiveDate>,
    verified: &'a str,
    home: &'static str,
    hosts: &'a [String],
    needs_login: bool,
    scopes: &'a [String],
    metrics: Vec<String>,
    /// By which signature its deliveries are known, where it sends any.
    deliveries: Option<&'static str>,
    settings: Vec<Setting<'a>>,
    paste: String,
}

#[derive(Serialize)]
struct Setting<'a> {
    name: &'a str,
    help: &'a str,
    required: bool,
    secret: bool,
    default: Option<&'a str>,
    choices: &'a [String],
}

/// Shows it.
///
/// # Errors
/// When there is no such connector, or a file of the user's folder is wrong.
pub fn run(args: &ShowArgs, config: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let registry = app::registry_of(config)?;
    let Some(connector) = registry.get(&args.name) else {
        if let Some(advice) = lies_beside(config, &args.name) {
            return Err(Failure::usage(advice));
        }
        let infos = registry.infos();
        let names: Vec<&str> = infos.iter().map(|info| info.name.as_str()).collect();
        let advice = suggestion(&args.name, &names, "none is built in");
        return Err(Failure::usage(format!("there is no connector {:?}: {advice}", args.name)));
    };
    let info = connector.info();
    let shown = Shown {
        name: &info.name,
        title: &info.title,
        docs: &info.docs,
        version: info.api_version.as_deref(),
        sunset_on: info.sunset_on,
        checked_on: info.checked_on,
        verified: &info.verified,
        home: super::home(info.home),
        hosts: &info.hosts,
        needs_login: info.needs_login,
        scopes: &info.scopes,
        metrics: info.metrics.iter().map(ToString::to_string).collect(),
        deliveries: info.inbound.map(Scheme::name),
        settings: info.settings.iter().map(setting).collect(),
        paste: paste(info),
    };
    output.show(&shown, || text(info, &shown));
    Ok(ExitCode::SUCCESS)
}

/// Whether `connectors new` wrote it into a folder that the configuration does not name yet.
fn lies_beside(config: &Path, name: &str) -> Option<String> {
    if config::connectors_folder(config).is_some() {
        return None;
    }
    let file = config.with_file_name(FOLDER).join(format!("{name}.toml"));
    file.is_file().then(|| {
        format!(
            "{} is there, but {} does not name its folder: write connectors = \"{FOLDER}\" at its very top, above every \
             [table]",
            file.display(),
            config.display()
        )
    })
}

fn setting(info: &SettingInfo) -> Setting<'_> {
    Setting {
        name: &info.name,
        help: &info.help,
        required: info.default.is_none() && !info.optional,
        secret: info.secret,
        default: info.default.as_deref(),
        choices: &info.choices,
    }
}

/// The column at which the words begin.
const UNDER_THE_WORDS: usize = 13;

fn text(info: &ConnectorInfo, shown: &Shown<'_>) -> String {
    let mut lines = vec![format!("{}: {} ({})", info.name, info.title, shown.home)];
    let mut say = |label: &str, words: String| {
        if !words.is_empty() {
            lines.push(wrapped(&format!("  {label:<10} {words}"), UNDER_THE_WORDS));
        }
    };
    say("Documents", info.docs.clone());
    let version = info.api_version.as_ref().map(|version| match info.sunset_on {
        Some(ends) => format!("{version}, which ends on {ends}"),
        None => format!("{version}; when it ends is not known"),
    });
    say("Version", version.unwrap_or_default());
    let tried = match info.verified.as_str() {
        "live" => "with the vendor itself",
        "recorded" => "with recorded answers of the vendor",
        "documented" => "with the vendor's documentation only: compare the first days with what its own pages say",
        _ => "",
    };
    let checked = info.checked_on.map(|day| format!("{day}, {tried}"));
    say("Checked", checked.unwrap_or_default());
    say("Asks", info.hosts.join(", "));
    say("Counts", shown.metrics.join(", "));
    if info.inbound.is_some() {
        say("Sends", "what is new, to `run`, where the source says inbound = { secret = … }".to_owned());
    }
    if info.needs_login {
        say("Login", format!("needed, allowed to: {}", info.scopes.join(" ")));
    }
    if info.lookback_days > 0 {
        let again =
            format!("the last {} days on every pull, because the vendor still changes them", info.lookback_days);
        say("Re-reads", again);
    }
    lines.push("\nSettings".to_owned());
    let width = info.settings.iter().map(|setting| setting.name.chars().count()).max().unwrap_or_default();
    for setting in &info.settings {
        let line = format!("  {:<width$}  {}", setting.name, described(setting));
        lines.push(wrapped(&line, width + 4));
    }
    if info.settings.is_empty() {
        lines.push("  none".to_owned());
    }
    lines.push(format!("\nPaste into willitsell.toml and fill in:\n\n{}", shown.paste));
    if info.needs_login || info.settings.iter().any(|setting| setting.secret && !setting.optional) {
        let how = "Each secret stands alone in a file that only you can read (chmod 600), beside willitsell.toml; it is \
                   never written into the configuration.";
        lines.push(wrapped(how, 0));
    }
    lines.join("\n")
}

fn described(setting: &SettingInfo) -> String {
    let mut words = setting.help.clone();
    if !setting.choices.is_empty() {
        words.push_str(&format!(". One of: {}", setting.choices.join(", ")));
    }
    match &setting.default {
        Some(default) => words.push_str(&format!(". Default: {default}")),
        None if setting.optional => words.push_str(". May be left out"),
        None if setting.secret => words.push_str(". Required, a secret"),
        None => words.push_str(". Required"),
    }
    words
}

/// Everything a configuration must say to use this connector.
fn paste(info: &ConnectorInfo) -> String {
    let name = info.name.replace('_', "-");
    let mut lines = Vec::new();
    if info.needs_login {
        lines.push(format!("[login.{name}]"));
        lines.push("client_id = \"…\"".to_owned());
        lines.push(format!("client_secret = \"file:secrets/{name}-client-secret\""));
        lines.push(String::new());
    }
    lines.push(format!("[source.{name}]"));
    lines.push(format!("connector = \"{}\"", info.name));
    if info.needs_login {
        lines.push(format!("login = \"{name}\""));
    }
    if info.home == Home::Folder && !info.hosts.is_empty() {
        let hosts: Vec<String> = info.hosts.iter().map(|host| format!("\"{host}\"")).collect();
        lines.push(format!(
            "hosts = [{}]  # who may see your secrets; `connectors` in this file names the folder",
            hosts.join(", ")
        ));
    }
    let needed = info.settings.iter().filter(|setting| setting.default.is_none() && !setting.optional);
    let needed: Vec<String> = needed
        .map(|setting| match (setting.secret, setting.choices.first()) {
            (true, _) => format!("{} = \"file:secrets/{name}-{}\"", setting.name, setting.name.replace('_', "-")),
            (false, Some(choice)) => format!("{} = \"{choice}\"", setting.name),
            (false, None) => format!("{} = \"…\"", setting.name),
        })
        .collect();
    if !needed.is_empty() {
        lines.push(format!("settings = {{ {} }}", needed.join(", ")));
    }
    if info.only_sends {
        lines
            .push(format!("inbound = {{ secret = \"file:secrets/{name}\" }}  # `check` prints the address to send to"));
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}
