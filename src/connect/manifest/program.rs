//! Reads a window from a program of the user's instead of a vendor's address: a Singer tap, or anything that speaks the line
//! protocol of CONTRIBUTING.md. Each record is a row, read by the same paths as a vendor's. How a program is started and ended
//! is `connect::program`'s business.

mod lines;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use chrono::NaiveDate;
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use self::lines::{Line, read, selected};
use super::extract::Broken;
use super::fill::{Filling, Template};
use super::page::Halt;
use super::rows::{Reader, Reading};
use super::window::Window;
use super::{Json, Manifest};
use crate::connect::http::evidence;
use crate::connect::program::Running;
use crate::connect::{PullError, PullFacts, PullRequest};
use crate::domain::connector::{Facts, RowSink, SettingValue, Settings, State};
use crate::domain::observation::DateWindow;

/// The setting that names the program.
pub(super) const PATH: &str = "program";

/// The version of the line protocol.
const VERSION: u32 = 1;

/// Records are read together up to so many bytes.
const PAGE: usize = 1 << 20;

/// Largest state that is kept, in bytes.
const LARGEST_STATE: usize = 1 << 20;

/// `[program]`
#[derive(Debug)]
pub(super) struct Program {
    pub(super) speaks: Speaks,
    /// It tells only what is new since its state.
    pub(super) tells_news: bool,
    /// Longest that it may run.
    pub(super) within: Duration,
    /// What it is told.
    pub(super) config: Json,
}

/// What its lines are.
#[derive(Debug)]
pub(super) enum Speaks {
    /// Messages of the Singer specification; the records of this stream.
    Singer {
        /// Its name.
        stream: Template,
        /// It is asked first which streams it has, and told which to read.
        selects: bool,
    },
    /// The line protocol.
    Lines,
}

/// Reads one window.
///
/// # Errors
/// [`PullError`], as for a vendor: nothing of what came by then may be used.
pub(super) async fn pull(
    manifest: &Manifest,
    program: &Program,
    request: &PullRequest<'_>,
    sink: &mut dyn RowSink,
) -> Result<PullFacts, PullError> {
    let secrets: Vec<SecretString> = request.settings.iter().filter_map(|(_, value)| secret(value)).collect();
    let clean = |text: &str| evidence(text.as_bytes(), &secrets);
    read_window(manifest, program, request, &secrets, sink).await.map_err(|error| match error {
        // What stands in a record may be what the program was told.
        PullError::Shape { path, saw } => PullError::Shape { path: clean(&path), saw: clean(&saw) },
        other => other,
    })
}

async fn read_window(
    manifest: &Manifest,
    program: &Program,
    request: &PullRequest<'_>,
    secrets: &[SecretString],
    sink: &mut dyn RowSink,
) -> Result<PullFacts, PullError> {
    let reader = Reader::compile(manifest, request.settings, request.questions)
        .map_err(|saw| PullError::Shape { path: manifest.info.name.clone(), saw })?;
    let zone = manifest.days.zone(request);
    let filling =
        Filling { settings: request.settings, window: request.window, zone, page_size: None, ids: &[], job: None };
    let config = program.config.fill(&filling)?;
    let of = manifest.asked_of(program, request)?;
    let state = request.state.filter(|state| program.tells_news && state.of == of);
    let days = if program.tells_news {
        DateWindow::new(NaiveDate::MIN, NaiveDate::MAX).unwrap_or(request.window)
    } else {
        request.window
    };
    let mut records = Records {
        reader: &reader,
        reading: Reading { window: days, zone },
        window: Window::new(&reader, request.window),
        page: String::new(),
        waiting: 0,
        handed: 0,
    };
    let asked = Asked { program, request, secrets, config, said: state.and_then(|state| state.said.as_deref()) };
    let folder =
        private_folder().map_err(|error| broken(request, &format!("no folder for it can be made: {error}")))?;
    let told =
        tokio::time::timeout(program.within, asked.read(folder.path(), &mut records, sink)).await.map_err(|_| {
            broken(
                request,
                &format!(
                    "it was stopped after {} s, as `within` says; nothing of it was used",
                    program.within.as_secs()
                ),
            )
        })??;
    records.hand_over(sink).await?;
    let facts = records.window.facts(&reader, request, manifest)?;
    let mut warnings = facts.warnings;
    warnings.extend(told.warnings);
    let state = program.tells_news.then(|| State { of, said: told.state.or_else(|| state?.said.clone()) });
    Ok(PullFacts { warnings, facts: Facts { state, ..facts.facts }, ..facts })
}

/// Where files for a program lie: nobody else may look into it, and it goes when this does.
fn private_folder() -> std::io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.prefix("willitsell-").tempdir()
}

fn secret(value: &SettingValue) -> Option<SecretString> {
    match value {
        SettingValue::Secret(secret) => Some(secret.clone()),
        SettingValue::Plain(_) => None,
    }
}

fn broken(request: &PullRequest<'_>, what: &str) -> PullError {
    let path = request.settings.plain(PATH).unwrap_or_default();
    PullError::Program(format!("{path}: {what}"))
}

impl Program {
    /// What a program writes, as the page that its records are: for examples and saved answers.
    ///
    /// # Errors
    /// A sentence with the line that is none.
    pub(super) fn as_page(&self, settings: &Settings, text: &str) -> Result<String, String> {
        let stream = self.stream(settings);
        let mut records = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let read = read(line, stream.as_deref()).map_err(|what| format!("line {} {what}", number + 1))?;
            if let Line::Record(record) = read {
                records.push(record.get());
            }
        }
        Ok(format!("[{}]", records.join(",")))
    }

    /// The stream whose records count, where there are streams.
    fn stream(&self, settings: &Settings) -> Option<String> {
        match &self.speaks {
            Speaks::Lines => None,
            Speaks::Singer { stream, .. } => stream.fill_plain(settings, |text| text),
        }
    }
}

impl Manifest {
    /// What is asked of a program, hashed: a state is one of this and nothing else. Secrets and days do not count.
    fn asked_of(&self, program: &Program, request: &PullRequest<'_>) -> Result<String, PullError> {
        let plain: Vec<_> = self
            .info
            .settings
            .iter()
            .filter_map(|info| Some((info.name.as_str(), request.settings.plain(&info.name)?)))
            .collect();
        let text = serde_json::to_vec(&(&self.info.name, plain, format!("{:?}", program.config)))
            .map_err(|error| PullError::Program(error.to_string()))?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &text);
        Ok(digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// What a program said besides its records.
#[derive(Default)]
struct Told {
    state: Option<String>,
    warnings: Vec<String>,
    /// So many records were all, by its own count.
    done: Option<u64>,
    /// Streams that it told of.
    streams: BTreeSet<String>,
}

struct Asked<'a> {
    program: &'a Program,
    request: &'a PullRequest<'a>,
    secrets: &'a [SecretString],
    config: Value,
    /// Where its last reading left off.
    said: Option<&'a str>,
}

impl Asked<'_> {
    async fn read(&self, folder: &Path, records: &mut Records<'_>, sink: &mut dyn RowSink) -> Result<Told, PullError> {
        let stream = self.program.stream(self.request.settings);
        let (arguments, input) = match (&self.program.speaks, &stream) {
            (Speaks::Singer { selects, .. }, Some(stream)) => {
                (self.singer_arguments(folder, *selects, stream).await?, Vec::new())
            }
            _ => (Vec::new(), self.first_line()?),
        };
        let mut running = self.start(&arguments, input, folder)?;
        match self.listen(&mut running, stream.as_deref(), records, sink).await {
            Ok(told) => {
                // How it ended says more than what is missing.
                running.end().await.map_err(|what| self.broken(&what))?;
                told.is_whole(stream.as_deref(), records.handed + records.waiting)
                    .map_err(|what| self.broken(&what))?;
                Ok(told)
            }
            Err(Stop::Pull(error)) => Err(error),
            Err(Stop::Said(what)) => Err(self.broken(&running.with_messages(&what).await)),
        }
    }

    fn start(&self, arguments: &[OsString], input: Vec<u8>, folder: &Path) -> Result<Running<'_>, PullError> {
        let path = self.request.settings.plain(PATH).unwrap_or_default();
        Running::start(Path::new(path), arguments, input, folder, self.secrets).map_err(PullError::Program)
    }

    /// With its path, and without secrets.
    fn broken(&self, what: &str) -> PullError {
        broken(self.request, &evidence(what.as_bytes(), self.secrets))
    }

    /// What a program of the line protocol is asked.
    fn first_line(&self) -> Result<Vec<u8>, PullError> {
        let window = self.request.window;
        let state: Option<&RawValue> = self.said.and_then(|said| serde_json::from_str(said).ok());
        let line = json!({
            "willitsell": VERSION,
            "window": { "start": window.first(), "end": window.last(), "zone": self.request.zone.name() },
            "config": self.config,
            "state": state,
        });
        let mut line = serde_json::to_vec(&line).map_err(|error| PullError::Program(error.to_string()))?;
        line.push(b'\n');
        Ok(line)
    }

    /// Configuration, streams to read and state, in files that only we may read.
    async fn singer_arguments(&self, folder: &Path, selects: bool, stream: &str) -> Result<Vec<OsString>, PullError> {
        let config = self.write(folder, "config.json", self.config.to_string().as_bytes())?;
        let mut arguments = vec!["--config".into(), config];
        if selects {
            let catalog = self.catalog(folder, &arguments, stream).await?;
            arguments.extend(["--catalog".into(), self.write(folder, "catalog.json", &catalog)?]);
        }
        if let Some(state) = self.said {
            arguments.extend(["--state".into(), self.write(folder, "state.json", state.as_bytes())?]);
        }
        Ok(arguments)
    }

    fn write(&self, folder: &Path, name: &str, text: &[u8]) -> Result<OsString, PullError> {
        let path = folder.join(name);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&path).and_then(|mut file| file.write_all(text));
        written.map_err(|error| self.broken(&format!("its {name} cannot be written: {error}")))?;
        Ok(path.into_os_string())
    }

    /// Asks a tap which streams it has, and selects one of them with all its fields.
    async fn catalog(&self, folder: &Path, config: &[OsString], stream: &str) -> Result<Vec<u8>, PullError> {
        let arguments = [config, &["--discover".into()]].concat();
        let mut running = self.start(&arguments, Vec::new(), folder)?;
        let (mut text, mut line) = (Vec::new(), Vec::new());
        loop {
            match running.next(&mut line).await {
                Ok(true) => text.extend_from_slice(&line),
                Ok(false) => break,
                Err(what) => return Err(self.broken(&running.with_messages(&what).await)),
            }
        }
        running.end().await.map_err(|what| self.broken(&format!("asked with --discover, {what}")))?;
        let catalog = serde_json::from_slice::<Value>(&text).map_err(|_| {
            self.broken("with --discover it does not say which streams it has: write `selects = false` in [program]")
        })?;
        selected(catalog, stream).map_err(|what| self.broken(&what))
    }

    /// Reads its lines to the last.
    async fn listen(
        &self,
        running: &mut Running<'_>,
        stream: Option<&str>,
        records: &mut Records<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<Told, Stop> {
        let (mut told, mut line) = (Told::default(), Vec::new());
        let mut number = 0_u64;
        while running.next(&mut line).await.map_err(Stop::Said)? {
            number += 1;
            let at = |what: &str| Stop::Said(format!("line {number} of what it writes {what}"));
            if line.trim_ascii().is_empty() {
                continue;
            }
            let text = std::str::from_utf8(&line).map_err(|_| at("is not UTF-8"))?;
            if told.done.is_some() {
                return Err(at("comes after `done`, which is the last"));
            }
            match read(text, stream).map_err(|what| at(&what))? {
                Line::Record(record) => records.take(record.get(), sink).await?,
                Line::State(state) if state.get().len() > LARGEST_STATE => {
                    return Err(at(&format!("is a state of more than {} MiB", LARGEST_STATE >> 20)));
                }
                // It is kept as it is, where secrets are never kept.
                Line::State(state)
                    if self.secrets.iter().any(|secret| state.get().contains(secret.expose_secret())) =>
                {
                    return Err(at("is a state with a secret of its settings in it, which is not kept"));
                }
                Line::State(state) => told.state = Some(state.get().to_owned()),
                Line::Stream(name) => {
                    told.streams.insert(name.into_owned());
                }
                Line::Done(count) => told.done = Some(count),
                Line::Warning(what) => told.warnings.push(evidence(what.as_bytes(), self.secrets)),
                Line::Failed(why) => return Err(Stop::Said(format!("it gives up: {why}"))),
                Line::Other => {}
            }
        }
        Ok(told)
    }
}

impl Told {
    /// Whether that was all.
    fn is_whole(&self, stream: Option<&str>, records: u64) -> Result<(), String> {
        match (stream, self.done) {
            // A stream that is not there, and one without anything in it, look alike in records.
            (Some(stream), _) if !self.streams.contains(stream) => {
                let names: Vec<&str> = self.streams.iter().map(String::as_str).take(8).collect();
                let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                Err(format!("it tells of no stream \"{stream}\"; its streams are: {there}"))
            }
            (None, None) => Err("it ends without `done`, so more may have been to come".to_owned()),
            (None, Some(count)) if count != records => {
                Err(format!("it says that {count} records were all, and {records} came"))
            }
            _ => Ok(()),
        }
    }
}

/// Why listening ended early.
enum Stop {
    Pull(PullError),
    /// What the program did, which its own messages may explain.
    Said(String),
}

impl From<PullError> for Stop {
    fn from(error: PullError) -> Self {
        Self::Pull(error)
    }
}

/// Records on their way to the sink, some at a time as one page.
struct Records<'r> {
    reader: &'r Reader,
    reading: Reading,
    window: Window,
    page: String,
    waiting: u64,
    handed: u64,
}

impl Records<'_> {
    async fn take(&mut self, record: &str, sink: &mut dyn RowSink) -> Result<(), PullError> {
        self.page.push(if self.page.is_empty() { '[' } else { ',' });
        self.page.push_str(record);
        self.waiting += 1;
        if self.page.len() >= PAGE { self.hand_over(sink).await } else { Ok(()) }
    }

    /// Hands over what waits.
    async fn hand_over(&mut self, sink: &mut dyn RowSink) -> Result<(), PullError> {
        let mut page = std::mem::take(&mut self.page);
        page.push_str(if page.is_empty() { "[]" } else { "]" });
        let (found, rows) = self.reader.read(&page, self.reading).map_err(|broken| match broken {
            Broken::Fault { fault, .. } => {
                let row = fault.row.map(|row| format!("record {}: ", self.handed + row)).unwrap_or_default();
                PullError::Shape { path: fault.path, saw: format!("{row}{}", fault.saw) }
            }
            Broken::Torn | Broken::NotJson { .. } => {
                PullError::Shape { path: self.reader.each.clone(), saw: "its records are not JSON".to_owned() }
            }
        })?;
        self.window.take(self.reader, &page, &found, rows, sink).await.map_err(|halt: Halt| PullError::from(halt))?;
        self.handed += std::mem::take(&mut self.waiting);
        Ok(())
    }
}
