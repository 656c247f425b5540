//! Files from ad managers, through the real connector into a sink in memory.

mod forms;
mod hostile;
mod layouts;
mod specimens;
mod workbooks;

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use willitsell::connect::native::file::{FileConnector, Understanding, understand};
use willitsell::connect::{Connector, PullFacts, PullRequest};
use willitsell::domain::connector::{
    self, RowSink, SettingValue, Settings, SinkError, SourceRow, TokenLock, TokenVault, VaultError,
};
use willitsell::domain::id::{LoginId, SourceId};
use willitsell::domain::metric::MetricId;
use willitsell::domain::observation::DateWindow;

/// The experiment's zone in these tests.
const ZONE: Tz = Tz::Europe__Berlin;

/// What a sink holds: values by day, arm and metric, added up.
pub type Kept = BTreeMap<(NaiveDate, String, MetricId), i64>;

#[derive(Default)]
struct Memory {
    kept: Kept,
    largest_page: usize,
}

#[async_trait]
impl RowSink for Memory {
    async fn accept(&mut self, page: &[SourceRow<'_>]) -> Result<(), SinkError> {
        self.largest_page = self.largest_page.max(page.len());
        for row in page {
            let SourceRow::Counts { arm_key, day, values } = row else {
                return Err(SinkError::Rows("a file holds no responses".to_owned()));
            };
            let arm = arm_key.as_deref().unwrap_or_default().to_owned();
            for (metric, value) in *values {
                *self.kept.entry((*day, arm.clone(), *metric)).or_default() += value;
            }
        }
        Ok(())
    }

    async fn clear(&mut self) -> Result<(), SinkError> {
        self.kept.clear();
        Ok(())
    }
}

/// A file needs no token.
struct NoTokens;

#[async_trait]
impl TokenVault for NoTokens {
    async fn load(&self, _: &LoginId) -> Result<connector::Kept, VaultError> {
        Err(VaultError::Failed("not asked for".to_owned()))
    }
    async fn lock(&self, _: &LoginId) -> Result<Box<dyn TokenLock>, VaultError> {
        Err(VaultError::Failed("not asked for".to_owned()))
    }
}

fn settings(pairs: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::default();
    for (name, value) in pairs {
        settings.insert(*name, SettingValue::Plain((*value).to_owned()));
    }
    settings
}

/// Imports as the schedule does; on an error the sink's rows are thrown away, as the store does.
fn pull(path: &Path, pairs: &[(&str, &str)]) -> Result<(Kept, PullFacts), String> {
    let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
    let mut settings = settings(pairs);
    settings.insert("path", SettingValue::Plain(path.to_str().unwrap().to_owned()));
    let request = PullRequest {
        source: &SourceId::new("ads"),
        settings: &settings,
        questions: &[],
        login: None,
        tokens: &NoTokens,
        jobs: &crate::connectors::Jobs::default(),
        window: DateWindow::new("2026-11-21".parse().unwrap(), "2026-11-22".parse().unwrap()).unwrap(),
        zone: ZONE,
        now,
        state: None,
        heard: None,
        progress: &willitsell::connect::Progress::default(),
    };
    let mut sink = Memory::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let facts = runtime.block_on(FileConnector::new().pull(&request, &mut sink)).map_err(|error| error.to_string())?;
    assert!(sink.largest_page <= 1_000, "a page of {} rows", sink.largest_page);
    Ok((sink.kept, facts))
}

/// Imports a text or bytes as a file, both ways, and holds them to the same answer.
fn import(bytes: impl AsRef<[u8]>, pairs: &[(&str, &str)]) -> Result<(Understanding, Kept), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.csv");
    std::fs::write(&path, bytes).unwrap();
    let understood = understand(&path, &settings(pairs), ZONE).map_err(|error| error.to_string());
    let pulled = pull(&path, pairs);
    match (understood, pulled) {
        (Ok(understood), Ok((kept, facts))) => {
            assert_eq!(facts.rows, understood.rows);
            assert_eq!(facts.warnings, understood.warnings);
            assert_eq!(sums(&kept), understood.totals);
            Ok((understood, kept))
        }
        (Err(shown), Err(pulled)) => {
            assert_eq!(shown, pulled);
            Err(shown)
        }
        (Ok(_), Err(error)) if error.contains("future") => Err(error),
        (understood, pulled) => panic!("{understood:?} but {:?}", pulled.map(|(_, facts)| facts)),
    }
}

/// What a sink holds, by metric, as exact text.
fn sums(kept: &Kept) -> BTreeMap<MetricId, String> {
    let mut sums: BTreeMap<MetricId, i64> = BTreeMap::new();
    for ((_, _, metric), value) in kept {
        *sums.entry(*metric).or_default() += value;
    }
    sums.into_iter().map(|(metric, sum)| (metric, willitsell::domain::millionths::print(sum))).collect()
}

fn total(understood: &Understanding, metric: MetricId) -> &str {
    understood.totals.get(&metric).map_or("none", String::as_str)
}
