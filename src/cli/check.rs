//! `check`: reads the configuration as the daemon would and says what is wrong, or what was understood. Never touches
//! the network, but for `--live`: see `live`.

use std::path::Path;
use std::process::ExitCode;

use chrono::{NaiveDate, Utc};
use clap::Args;
use serde::Serialize;

use super::live;
use super::output::{Failure, Output, wrapped};
use super::{access, next_command};
use crate::app;
use crate::config::{self, Config, Problem};
use crate::domain::connector::{ConnectorInfo, SourceAccess};
use crate::domain::inbound::Scheme;
use crate::domain::sunset::{sunset, unchecked};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Ask every source for its last days and show three rows of each; stores nothing.
    #[arg(long)]
    live: bool,
}

#[derive(Serialize)]
struct Checked<'a> {
    file: &'a Path,
    experiments: Vec<&'a str>,
    warnings: &'a [Problem],
    sources: Vec<Asked<'a>>,
    deliveries: Vec<Taken<'a>>,
}

/// Where a vendor sends what is new.
#[derive(Serialize)]
struct Taken<'a> {
    source: &'a str,
    /// What to paste at the vendor. Where the address holds the secret, `SECRET` stands for it.
    address: String,
}

/// Whom a source asks, and what deserves a warning about it.
#[derive(Serialize)]
struct Asked<'a> {
    source: &'a str,
    connector: &'a str,
    hosts: &'a [String],
    warnings: Vec<String>,
}

/// Checks the configuration file.
///
/// # Errors
/// Everything wrong with it, at once.
pub async fn run(args: &CheckArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let now = Utc::now();
    let registry = app::registry_of(path)?;
    let loaded = app::load_config(path, &registry)?;
    let infos = registry.infos();
    let asked = loaded.config.sources.values().filter_map(|access| asked(access, &infos, now.date_naive()));
    let asked: Vec<Asked<'_>> = asked.collect();
    let experiments = loaded.config.experiments.iter().map(|experiment| experiment.concept.id.as_str()).collect();
    output.warn(&loaded.warnings);
    for warning in asked.iter().flat_map(|asked| &asked.warnings) {
        output.note(&format!("note: {warning}\n"));
    }
    let unwarned_of_logins = access::note(&loaded.config, &registry, output).await?;
    let unwarned =
        unwarned_of_logins && loaded.warnings.is_empty() && asked.iter().all(|asked| asked.warnings.is_empty());
    let deliveries = taken(&loaded.config);
    let checked = Checked { file: path, experiments, warnings: &loaded.warnings, sources: asked, deliveries };
    output.show(&checked, || {
        let beside = if unwarned { "" } else { "; what to think about stands above" };
        let verdict = format!("{}: nothing is wrong{beside}.", path.display());
        if args.live {
            return format!("{verdict} Now its sources are asked:");
        }
        let summary = config::summary(&loaded.config, now);
        let mut summary: Vec<String> = summary.lines().map(|line| wrapped(line, UNDER_THE_WORDS)).collect();
        summary.extend(whom(&checked.sources));
        summary.extend(where_to(&checked.deliveries));
        format!("{}\n\n{verdict}\n{}", summary.join("\n"), next(&loaded.config, path))
    });
    if args.live { live::run(path, now, output).await } else { Ok(ExitCode::SUCCESS) }
}

/// What is asked over the network, and whether its API is about to end.
fn asked<'a>(access: &'a SourceAccess, infos: &'a [ConnectorInfo], today: NaiveDate) -> Option<Asked<'a>> {
    let info = infos.iter().find(|info| info.name == access.source.connector && !info.hosts.is_empty())?;
    let source = access.source.id.as_str();
    let ends = sunset(info, Some(&access.settings), today).map(|sunset| sunset.what);
    let warnings =
        ends.or_else(|| unchecked(info, today)).map(|what| format!("{source}: {what}")).into_iter().collect();
    Some(Asked { source, connector: &info.name, hosts: &info.hosts, warnings })
}

fn whom(sources: &[Asked<'_>]) -> Option<String> {
    let whom: Vec<String> =
        sources.iter().map(|asked| wrapped(&format!("  {}: {}", asked.source, asked.hosts.join(", ")), 4)).collect();
    (!whom.is_empty()).then(|| format!("\nAsks, unless the settings name another address:\n{}", whom.join("\n")))
}

fn taken(config: &Config) -> Vec<Taken<'_>> {
    let Some(listen) = &config.inbound else { return Vec::new() };
    let taken = |access: &SourceAccess| {
        let key = if access.inbound.as_ref()?.scheme == Scheme::Path { "/SECRET" } else { "" };
        Some(format!("{}/in/{}{key}", listen.url(), access.source.id))
    };
    let sources = config.sources.values();
    sources.filter_map(|access| Some(Taken { source: access.source.id.as_str(), address: taken(access)? })).collect()
}

fn where_to(deliveries: &[Taken<'_>]) -> Option<String> {
    let lines: Vec<String> = deliveries.iter().map(|taken| format!("  {}: {}", taken.source, taken.address)).collect();
    (!lines.is_empty())
        .then(|| format!("\nTakes deliveries while `run` runs; paste at the vendor:\n{}", lines.join("\n")))
}

/// The column at which the words of the summary begin.
const UNDER_THE_WORDS: usize = 13;

fn next(config: &Config, path: &Path) -> String {
    match config.sources.values().find(|access| !access.source.scheduled) {
        Some(files) => format!(
            "Next: {} shows what a report holds.",
            next_command(path, &format!("import FILE --source {} --dry-run", files.source.id))
        ),
        None => {
            format!("Next: {} shows three rows of each source and stores none.", next_command(path, "check --live"))
        }
    }
}
