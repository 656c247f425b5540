//! `connectors list`: a line each, and with `--due` an exit code for a scheduled check.

use std::path::Path;
use std::process::ExitCode;

use chrono::{NaiveDate, Utc};
use clap::Args;
use serde::Serialize;

use crate::app;
use crate::cli::output::{Failure, Output};
use crate::domain::connector::ConnectorInfo;
use crate::domain::sunset::days_left;

/// Arguments of `connectors list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Fail with exit code 1 when the version of one ends within so many days: for a scheduled check.
    #[arg(long, value_name = "DAYS")]
    due: Option<u16>,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    title: &'a str,
    version: Option<&'a str>,
    sunset_on: Option<NaiveDate>,
    checked_on: Option<NaiveDate>,
    verified: &'a str,
    metrics: Vec<String>,
    needs_login: bool,
    hosts: &'a [String],
    home: &'static str,
}

/// Lists them.
///
/// # Errors
/// A wrong file in the user's folder; with `--due`, a version that ends too soon.
pub fn run(args: &ListArgs, config: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let infos = app::registry_of(config)?.infos();
    if output.is_json() {
        for info in &infos {
            output.show(&line(info), String::new);
        }
    } else {
        output.say(&table(&infos));
    }
    let today = Utc::now().date_naive();
    let ends_soon: Vec<String> = infos.iter().filter_map(|info| ends_within(info, args.due?, today)).collect();
    if ends_soon.is_empty() {
        output.say("\n`willitsell connectors show NAME` says what one needs; `… new NAME` begins one of your own.");
        Ok(ExitCode::SUCCESS)
    } else {
        Err(Failure::general(ends_soon.join("\n")))
    }
}

fn ends_within(info: &ConnectorInfo, days: u16, today: NaiveDate) -> Option<String> {
    let left = days_left(info, today).filter(|left| *left <= i64::from(days))?;
    let (version, docs) = (info.api_version.as_deref().unwrap_or("its version"), &info.docs);
    Some(format!("{}: {left} days are left for {version}: move it to a newer one, see {docs}", info.name))
}

fn line(info: &ConnectorInfo) -> Line<'_> {
    Line {
        name: &info.name,
        title: &info.title,
        version: info.api_version.as_deref(),
        sunset_on: info.sunset_on,
        checked_on: info.checked_on,
        verified: &info.verified,
        metrics: info.metrics.iter().map(ToString::to_string).collect(),
        needs_login: info.needs_login,
        hosts: &info.hosts,
        home: super::home(info.home),
    }
}

fn table(infos: &[ConnectorInfo]) -> String {
    let heading = ["NAME", "ASKS", "VERSION", "ENDS", "CHECKED", "TRIED", "HOME"].map(str::to_owned);
    let day = |day: Option<NaiveDate>, none: &str| day.map_or(none.to_owned(), |day| day.to_string());
    let mut rows = vec![(heading, "COUNTS".to_owned())];
    for info in infos {
        let asked = !info.hosts.is_empty();
        let unknown = if asked { "unknown" } else { "-" };
        let cells = [
            info.name.clone(),
            info.title.clone(),
            info.api_version.clone().unwrap_or_else(|| "-".into()),
            day(info.sunset_on, unknown),
            day(info.checked_on, unknown),
            if info.verified.is_empty() { "-".into() } else { info.verified.clone() },
            super::home(info.home).to_owned(),
        ];
        let counts: Vec<String> = info.metrics.iter().map(ToString::to_string).collect();
        rows.push((cells, counts.join(" ")));
    }
    let width = |column: usize| rows.iter().map(|(cells, _)| cells[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..rows[0].0.len()).map(width).collect();
    let lines: Vec<String> = rows
        .iter()
        .map(|(cells, counts)| {
            let cells: String = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}  ")).collect();
            format!("{cells}{counts}")
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h27_a_scheduled_check_goes_red_so_many_days_before_the_end() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let info = ConnectorInfo {
            name: "ads".into(),
            api_version: Some("v3".into()),
            sunset_on: Some(day("2026-12-01")),
            ..ConnectorInfo::default()
        };
        assert_eq!(ends_within(&info, 60, day("2026-10-01")), None, "61 days before");
        assert!(ends_within(&info, 60, day("2026-10-02")).unwrap().starts_with("ads: 60 days are left for v3"));
        assert!(ends_within(&info, 60, day("2027-10-02")).is_some());
        assert_eq!(ends_within(&ConnectorInfo { sunset_on: None, ..info }, 60, day("2027-10-02")), None);
    }
}
