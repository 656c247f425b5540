//! `import`: reads a downloaded report, or the exported answers of a form, into a source. Shows what was understood and
//! what it takes the place of, and refuses to let a file that holds less silently take the place of what is stored.

mod saving;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{NaiveDate, Utc};
use chrono_tz::Tz;
use clap::Args;
use serde::Serialize;

use super::keys;
use super::next_command;
use super::output::{Failure, Output, counted, wrapped};
use crate::app::App;
use crate::config::report::suggestion;
use crate::connect::Registry;
use crate::connect::native::file::folder::Dropped;
use crate::connect::native::file::{self, FileError, Understood, form};
use crate::decide::ArmKeys;
use crate::domain::concept::{Experiment, Source};
use crate::domain::connector::{SettingValue, SourceAccess};
use crate::domain::id::SourceId;
use crate::domain::metric::MetricId;
use crate::domain::millionths;
use crate::domain::money::thousands;
use crate::domain::observation::DateWindow;
use crate::domain::pattern;
use crate::domain::response::Response;
use crate::schedule::pull::folder::{Claim, is_read, take};
use crate::schedule::pull::{Errand, SourceFailed};
use saving::Saving;

/// Arguments of `import`.
#[derive(Debug, Default, Args)]
pub struct ImportArgs {
    /// The file, as the ad manager or the form tool let you download it.
    file: PathBuf,
    /// The source it goes into: a `[source.NAME]` with `connector = "file"` (reports) or `"form_file"` (answers of a form).
    /// Needed when there is more than one.
    #[arg(long)]
    source: Option<String>,
    /// Show what the file holds and store nothing.
    #[arg(long)]
    dry_run: bool,
    /// Let the file take the place of its days although it lacks campaigns or answers that are stored for them.
    #[arg(long)]
    replace: bool,
    /// The last day the answers of a form were exported for, where there was none on the last days: without it, those
    /// days do not count. Only for answers of a form.
    #[arg(long, value_name = "DAY")]
    until: Option<NaiveDate>,
    /// A setting of the source for this file, such as `arm_column="Ad group"`; nothing behind = takes one out. Again for more.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Write into the configuration how the file is read and what of it counts, so that the next import needs no words. A
    /// source that is not there yet is written. With --dry-run, shows the lines.
    #[arg(long)]
    save: bool,
    /// The concept that reads the source: KEY of `[experiment.KEY]`. Needed when there is more than one.
    #[arg(long, value_name = "KEY", requires = "save")]
    concept: Option<String>,
    /// A question whose answers are kept for rules of icp, by the name they are to have: `size="How many people*"`. Again
    /// for more. Only for answers of a form.
    #[arg(long, value_name = "NAME=QUESTION", value_parser = pair, requires = "save")]
    answer: Vec<(String, String)>,
    /// A key of the file that counts for an arm of the concept, such as `price-29="Kit, search"`. Again for more.
    #[arg(long, value_name = "ARM=KEY", value_parser = pair, requires = "save")]
    keys: Vec<(String, String)>,
}

/// `NAME=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

#[derive(Serialize)]
struct Imported<'a> {
    source: &'a str,
    file: String,
    understood: &'a Understood,
    /// Campaigns of the file that belong to no arm yet.
    unclaimed: Vec<&'a str>,
    replaces: Replaces,
    /// Lines of the configuration that --save changes: `+ new`, `- old`.
    saves: Option<Vec<String>>,
    stored: Option<Stored>,
}

#[derive(Clone, Copy, Serialize)]
struct Stored {
    new: u64,
    changed: u64,
    vanished: u64,
}

/// What is stored for the days of a file, which takes its place whole.
#[derive(Serialize)]
struct Replaces {
    /// Counts, one for each key and day.
    rows: u64,
    /// People's acts.
    answers: u64,
    /// Keys that are stored for these days and not in the file.
    missing: Vec<String>,
    /// Acts that are stored for these days and not in the file.
    missing_answers: u64,
    /// Forms opened, of which more are stored for these days than are in the file.
    missing_opens: u64,
}

/// Reads a file and stores its days, all or nothing.
///
/// # Errors
/// Says what in the file could not be understood and which setting answers it; the store is as it was.
pub async fn run(args: &ImportArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    bring(args, path, output, Claim::All).await
}

/// Whether files can be imported without a word: before any is there.
///
/// # Errors
/// As [`run`], where the configuration or the source is wrong.
pub(super) async fn is_ready(source: Option<&str>, path: &Path) -> Result<(), Failure> {
    let app = App::open(path).await?;
    access(&ImportArgs::default(), source, &app.parts.sources)?;
    app.parts.store.close().await;
    Ok(())
}

/// Reads the file of a folder that is watched: a newer file's days stay as they are.
///
/// # Errors
/// As [`run`].
pub(super) async fn drop_in(file: &Path, source: Option<&str>, path: &Path, output: &Output) -> Result<(), Failure> {
    let source = source.map(str::to_owned);
    bring(&ImportArgs { file: file.to_owned(), source, ..ImportArgs::default() }, path, output, Claim::Newest).await?;
    Ok(())
}

async fn bring(args: &ImportArgs, path: &Path, output: &Output, claim: Claim) -> Result<ExitCode, Failure> {
    let saving = args.save.then(|| Saving::of(args, path)).transpose()?;
    let app = match &saving {
        Some(saving) => App::open_as(path, &saving.text).await?,
        None => App::open(path).await?,
    };
    let access = access(args, saving.as_ref().map(|saving| saving.source.as_str()), &app.parts.sources)?;
    let access = if args.save { access } else { said(args, &app.parts.registry, access)? };
    let source = access.source.id.clone();
    let file = Dropped::of(&args.file)
        .map_err(|error| Failure::general(format!("{} cannot be opened: {error}", args.file.display())))?;
    if claim == Claim::Newest && is_read(&app.parts, &access, &file).await.map_err(|error| failed(&error))? {
        output.say(&format!("{}: read before, nothing to do", file.name));
        return Ok(ExitCode::SUCCESS);
    }
    let zone = zone(&app.loaded.config.experiments, &source);
    let understood =
        understand(args, &access, zone).map_err(|error| Failure::general(refused(&args.file, &source, &error)))?;
    let window = understood
        .covered()
        .ok_or_else(|| Failure::general(format!("{}: its days are out of order", args.file.display())))?;
    let experiments = &app.loaded.config.experiments;
    output.say(&understood.to_string().lines().map(folded).collect::<Vec<_>>().join("\n"));
    output.say(&what_counts(experiments, &source, &understood, window));
    refuse_to_mislead(experiments, &access.source, &understood)?;
    let replaces = replaces(&app, &source, &understood, window).await?;
    output.say(&replaces.to_string());
    if let Some(saving) = &saving {
        output.say(&saving.to_string());
    }
    let mut imported = Imported {
        source: source.as_str(),
        file: args.file.display().to_string(),
        understood: &understood,
        unclaimed: unclaimed(experiments, &source, &understood),
        replaces,
        saves: saving.as_ref().map(|saving| saving.changes.clone()),
        stored: None,
    };
    if args.dry_run {
        let what = if args.save { "stored or saved" } else { "stored" };
        output.show(&imported, || format!("Nothing was {what} (dry run). Next: the same command without --dry-run."));
        return Ok(ExitCode::SUCCESS);
    }
    if claim == Claim::All && !args.replace {
        imported.replaces.refuse_to_lose(&source, window)?;
    }
    let ready = saving.as_ref().map(Saving::write).transpose()?;
    let now = Utc::now();
    let run_id = format!("import@{}", now.format("%Y-%m-%dT%H:%M:%S%.3fZ"));
    let errand = Errand { run_id: &run_id, zone, due_at: now, now };
    let taken = take(&app.parts, &access, &file, errand, claim).await.map_err(|error| failed(&error))?;
    // Where newer files speak for all its days, nothing came of it.
    let pulled = taken.map(|(pulled, _)| pulled).unwrap_or_default();
    let stored = Stored { new: pulled.new, changed: pulled.changed, vanished: pulled.vanished };
    imported.stored = Some(stored);
    if let Some(ready) = ready {
        ready.put_in_place()?;
    }
    output.show(&imported, || {
        format!(
            "Stored in source {source}: {} new, {} changed, {} no longer there.\n\
             Next: {} decides, {} shows where each concept stands.",
            counted(stored.new, "row"),
            thousands(stored.changed),
            thousands(stored.vanished),
            next_command(path, "run --once"),
            next_command(path, "status")
        )
    });
    app.parts.store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn failed(error: &SourceFailed) -> Failure {
    Failure::general(error.to_string())
}

/// Reads the file as its source's connector does.
fn understand(args: &ImportArgs, access: &SourceAccess, zone: Tz) -> Result<Understood, FileError> {
    if access.source.connector == form::NAME {
        form::understand(&args.file, &access.settings, &access.intake.answers, zone).map(Understood::Form)
    } else {
        file::understand(&args.file, &access.settings, zone).map(Understood::Report)
    }
}

/// Why a file was refused; where a setting answers its question, where that setting is written.
fn refused(file: &Path, source: &SourceId, error: &FileError) -> String {
    match error {
        FileError::Open(what) => what.clone(),
        FileError::Answer { setting, what } if [form::UNTIL, "answers"].contains(setting) => {
            format!("{}: {setting}: {what}", file.display())
        }
        FileError::Answer { setting, what } => format!(
            "{}: {what}\nIt is a setting of the source:\n  [source.{source}]\n  settings = {{ {setting} = \"…\" }}\n\
             Or say it here: --set {setting}=\"…\", with --save to have it written there",
            file.display()
        ),
        FileError::ExportAgain(_) | FileError::Mend { .. } | FileError::Sheet { .. } => {
            format!("{}: {error}", file.display())
        }
    }
}

/// A line of what was understood, kept to the width of a terminal.
fn folded(line: &str) -> String {
    wrapped(line, if line.starts_with("  ") && !line.starts_with("    ") { 4 } else { 10 })
}

/// Campaigns of the file that belong to no arm yet.
fn unclaimed<'a>(experiments: &[Experiment], source: &SourceId, understood: &'a Understood) -> Vec<&'a str> {
    keys::unclaimed(experiments, source, understood.arm_keys())
}

/// Which of the file's campaigns and days count for a concept, and how to make the others count.
fn what_counts(experiments: &[Experiment], source: &SourceId, understood: &Understood, window: DateWindow) -> String {
    let in_file = understood.arm_keys();
    let reading: Vec<&Experiment> =
        experiments.iter().filter(|it| it.sources.iter().any(|read| &read.id == source)).collect();
    let mut lines = vec![];
    for experiment in &reading {
        let concept = &experiment.concept.id;
        let owners = ArmKeys::of(&experiment.arms, &experiment.sources);
        for (position, arm) in experiment.arms.iter().enumerate() {
            let found = in_file.iter().filter(|key| owners.arm(source, key) == Some(position));
            lines.extend(found.map(|key| format!("  {key}: arm {} of {concept}", arm.id)));
            let keys = arm.keys.get(source).into_iter().flatten();
            let missing = keys.filter(|key| !in_file.iter().any(|found| pattern::fits(key, found)));
            lines.extend(missing.map(|key| format!("  {key}: arm {} of {concept}, but not in this file", arm.id)));
        }
    }
    let unclaimed = unclaimed(experiments, source, understood);
    lines.extend(unclaimed.iter().map(|key| format!("  {key}: no arm yet, so it does not count")));
    if reading.is_empty() {
        lines.push(format!("  nothing counts: no experiment has {source} among its sources"));
    } else if !unclaimed.is_empty() {
        lines.push(keys::lines_to_add(experiments, source, &unclaimed));
        lines.push("or repeat with --save and --keys ARM=KEY for each, which writes them".to_owned());
    }
    for experiment in reading.iter().filter(|experiment| window.first() < experiment.start) {
        let (concept, start) = (&experiment.concept.id, experiment.start);
        let which = if window.last() < start { "All its days are" } else { "Some of its days are" };
        lines.push(format!("{which} before the start of {concept}, {start}, and do not count for it."));
    }
    format!("What counts\n{}", lines.join("\n"))
}

/// The source to import into, reading this file. `saved` is the one that was just written or changed.
fn access(
    args: &ImportArgs,
    saved: Option<&str>,
    sources: &BTreeMap<SourceId, SourceAccess>,
) -> Result<SourceAccess, Failure> {
    let reads_files = |access: &&SourceAccess| [file::NAME, form::NAME].contains(&access.source.connector.as_str());
    let mut files = sources.values().filter(reads_files);
    let access = match saved.or(args.source.as_deref()) {
        Some(name) => match sources.get(&SourceId::new(name)) {
            Some(access) if reads_files(&access) => access,
            Some(access) => {
                return Err(Failure::usage(format!(
                    "source {name} is read by {}: files go into a source with `connector = \"file\"` or \"form_file\"",
                    access.source.connector
                )));
            }
            None => {
                let known: Vec<&str> = files.map(|access| access.source.id.as_str()).collect();
                let known = if known.is_empty() { "none that reads files".to_owned() } else { known.join(", ") };
                return Err(Failure::usage(format!("there is no [source.{name}]; there is: {known}")));
            }
        },
        None => match (files.next(), files.next()) {
            (Some(only), None) => only,
            (Some(_), Some(_)) => {
                let all = sources.values().filter(reads_files);
                let names: Vec<&str> = all.map(|access| access.source.id.as_str()).collect();
                return Err(Failure::usage(format!("say which source with --source NAME: {}", names.join(" or "))));
            }
            (None, _) => {
                return Err(Failure::usage(
                    "no source reads files: repeat with --save, which writes one, or add `[source.NAME]` with `connector = \
                     \"file\"` (reports of an ad manager) or `connector = \"form_file\"` (answers of a form) to the configuration",
                ));
            }
        },
    };
    let mut access = access.clone();
    access.settings.insert("path", SettingValue::Plain(args.file.to_string_lossy().into_owned()));
    match args.until {
        Some(_) if access.source.connector != form::NAME => {
            return Err(Failure::usage("--until is for the answers of a form; a report names its own days"));
        }
        Some(until) => access.settings.insert(form::UNTIL, SettingValue::Plain(until.to_string())),
        None => {}
    }
    Ok(access)
}

/// Puts what is said for this file in place of what the source says.
fn said(args: &ImportArgs, registry: &Registry, mut access: SourceAccess) -> Result<SourceAccess, Failure> {
    let Some(info) = registry.get(&access.source.connector).map(|connector| connector.info()) else {
        return Ok(access);
    };
    let names: Vec<&str> = info.settings.iter().map(|setting| setting.name.as_str()).collect();
    for (name, value) in &args.set {
        if !names.contains(&name.as_str()) {
            let advice = suggestion(name, &names, "there is nothing to set");
            return Err(Failure::usage(format!("--set: {} has no setting {name}: {advice}", access.source.connector)));
        }
        // `check` has looked at the configuration, and may refuse this source beside others by that setting.
        if info.names_apart_by == Some(name.as_str()) && !access.source.names_apart {
            let advice = "repeat with --save, which writes it there";
            return Err(Failure::usage(format!(
                "--set: {name} says who is one person, so it is for the configuration to say: {advice}"
            )));
        }
        access.settings.put(name, Some(value).filter(|value| !value.is_empty()).cloned().map(SettingValue::Plain));
    }
    Ok(access)
}

/// Zone of the first experiment that reads the source: cuts days where the file does not say.
fn zone(experiments: &[Experiment], source: &SourceId) -> Tz {
    let reads = experiments.iter().find(|it| it.sources.iter().any(|read| &read.id == source));
    reads.map_or(Tz::UTC, |experiment| experiment.timezone)
}

/// What a file does not count is no zero. Where nothing else counts it either, every day of the file would
/// look as if nobody had acted, and end in a wrong KILL.
fn refuse_to_mislead(experiments: &[Experiment], source: &Source, understood: &Understood) -> Result<(), Failure> {
    let counted = understood.counts();
    let supplies =
        |metric: MetricId| counted.contains(&metric) || metric.is_of_people() && source.metrics.contains(&metric);
    for experiment in experiments.iter().filter(|it| it.sources.iter().any(|read| read.id == source.id)) {
        let rate = &experiment.policy.primary;
        let elsewhere =
            |metric| experiment.sources.iter().any(|other| other.id != source.id && other.metrics.contains(&metric));
        for (part, metric) in [("numerator", rate.numerator), ("denominator", rate.denominator)] {
            if supplies(metric) || elsewhere(metric) {
                continue;
            }
            let names: Vec<String> = counted.iter().map(ToString::to_string).collect();
            let concept = &experiment.concept.id;
            if matches!(understood, Understood::Form(_)) && metric == MetricId::FORM_OPENS {
                return Err(Failure::general(format!(
                    "The file holds no answers that were only begun, so it does not count {metric}, and {concept} decides on {} \
                     ÷ {}.\nExport begun answers too, or, where each answer is to count as a form opened, repeat with --set \
                     form_opens=answers, and with --save to have it written.\nNothing was stored.",
                    rate.numerator, rate.denominator
                )));
            }
            let acts = [MetricId::CONVERSIONS, MetricId::LEADS].into_iter().find(|act| counted.contains(act));
            let instead = match acts.filter(|_| part == "numerator") {
                Some(act) => format!("write {part} = \"{act}\""),
                None => format!("put another {part}"),
            };
            return Err(Failure::general(format!(
                "The file does not count {metric}, and {concept} decides on {} ÷ {}. It counts {}.\n\
                 Download a report with a column of {metric}, or {instead} under [experiment.{concept}.rate.{}].\n\
                 Nothing was stored.",
                rate.numerator,
                rate.denominator,
                names.join(", "),
                rate.name
            )));
        }
    }
    Ok(())
}

/// Looks up what is stored for the days of a file.
async fn replaces(
    app: &App,
    source: &SourceId,
    understood: &Understood,
    window: DateWindow,
) -> Result<Replaces, Failure> {
    let stored = app.parts.store.inputs(std::slice::from_ref(source), window, None).await?;
    let in_file = understood.arm_keys();
    let missing: BTreeSet<&str> =
        stored.observations.iter().map(|row| &*row.arm_key).filter(|key| !in_file.contains(key)).collect();
    let Understood::Form(form) = understood else {
        let missing = missing.into_iter().map(str::to_owned).collect();
        let rows = stored.observations.len() as u64;
        return Ok(Replaces { rows, answers: 0, missing, missing_answers: 0, missing_opens: 0 });
    };
    let inside = |at: &&Response| window.contains(at.at.with_timezone(&form.day_zone).date_naive());
    // Acts of people who were forgotten have an id of no vendor's: a file can neither hold nor lack them.
    let is_somebodys = |act: &&Response| !act.response_id.starts_with(char::is_control);
    let answers = || stored.responses.iter().filter(inside).filter(is_somebodys);
    let opens: i64 = stored.observations.iter().filter_map(|row| row.values.get(MetricId::FORM_OPENS)).sum();
    let in_file = form.totals.get(&MetricId::FORM_OPENS).copied().unwrap_or_default();
    Ok(Replaces {
        missing_opens: (opens / millionths::ONE).unsigned_abs().saturating_sub(in_file),
        rows: stored.observations.len() as u64,
        answers: answers().count() as u64,
        missing: missing.into_iter().map(str::to_owned).collect(),
        missing_answers: answers().filter(|answer| !form.holds(&answer.response_id)).count() as u64,
    })
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(self.rows, "row"), (self.answers, "answer")];
        let parts: Vec<String> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| counted(*count, noun)).collect();
        if parts.is_empty() {
            return f.write_str("Replaces  nothing: none of its days is stored");
        }
        write!(f, "Replaces  {} stored for its days", parts.join(" and "))?;
        if self.missing_answers > 0 {
            write!(f, "; {} of them not in this file", counted(self.missing_answers, "answer"))?;
        }
        if self.missing_opens > 0 {
            write!(f, "; {} not in this file", counted(self.missing_opens, "form opening"))?;
        }
        if !self.missing.is_empty() {
            write!(f, "; not in this file: {}", self.missing.join(", "))?;
        }
        Ok(())
    }
}

impl Replaces {
    /// A file replaces its days whole. One that lacks what is stored for these days would take it away.
    fn refuse_to_lose(&self, source: &SourceId, window: DateWindow) -> Result<(), Failure> {
        let (lost, instead) = match (&self.missing[..], self.missing_answers, self.missing_opens) {
            ([], 0, 0) => return Ok(()),
            ([], 0, opens) => (counted(opens, "form opening"), "Export begun answers too"),
            ([], answers, _) => (counted(answers, "answer"), "Export all answers"),
            (keys, _, _) => (format!("figures for {}", keys.join(", ")), "Export all campaigns into one file"),
        };
        Err(Failure::general(format!(
            "source {source} holds {lost} from {} to {}, which this file lacks; a file takes the place of its days whole. \
             {instead}, give them a source of their own, or repeat with --replace. Nothing was stored.",
            window.first(),
            window.last()
        )))
    }
}
