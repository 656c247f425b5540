//! Connectors described by a file: what is embedded, what is refused when a file loads, and what comes out
//! when a vendor answers well, badly or never. Vendors are scripted on loopback; nothing waits.

mod acts;
mod answers;
mod calls;
mod databases;
mod deliveries;
mod fan;
mod manifests;
mod paging;
mod programs;
mod proofs;
mod report;
mod responses;
mod shapes;
mod stranger;
mod values;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeZone, Utc};
use chrono_tz::Tz;
use secrecy::SecretString;
use willitsell::connect::auth::Auth;
use willitsell::connect::http::{Backoff, Http, Limits};
use willitsell::connect::manifest::{Manifest, ManifestConnector, Patience};
use willitsell::connect::{Connector, PullError, PullFacts, PullRequest, Registry};
use willitsell::domain::connector::{
    JobBook, JobError, Kept, Login, ReportJob, RowSink, SettingValue, Settings, SinkError, SourceRow, TokenLock,
    TokenVault, VaultError,
};
use willitsell::domain::id::{LoginId, SourceId};
use willitsell::domain::intake::Question;
use willitsell::domain::millionths;
use willitsell::domain::observation::DateWindow;

use crate::canary::{CANARY, assert_no_canary};
use crate::fake_server::{FakeServer, Seen, Step, json};

/// The text of an embedded manifest.
fn embedded(name: &str) -> &'static str {
    let file = format!("{name}.toml");
    Registry::manifests().iter().find(|(found, _)| *found == file).unwrap().1
}

/// Keeps every row as a line of text, a batch a page.
#[derive(Default)]
struct MemorySink {
    batches: Vec<Vec<String>>,
}

impl MemorySink {
    fn rows(&self) -> Vec<String> {
        self.batches.concat()
    }
}

#[async_trait]
impl RowSink for MemorySink {
    async fn accept(&mut self, page: &[SourceRow<'_>]) -> Result<(), SinkError> {
        let line = |row: &SourceRow<'_>| match row {
            SourceRow::Counts { arm_key, day, values } => {
                let values: Vec<_> =
                    values.iter().map(|(metric, value)| format!("{metric}={}", millionths::print(*value))).collect();
                format!("{} {day} {}", arm_key.as_deref().unwrap_or("-"), values.join(" "))
            }
            SourceRow::Response(row) => {
                let answers: String = row.answers.iter().map(|(name, answer)| format!(" {name}={answer:?}")).collect();
                format!(
                    "{} {} {} {} {}{answers}",
                    row.response_id,
                    row.person.as_deref().unwrap_or("-"),
                    row.depth.name(),
                    row.arm_key.as_deref().unwrap_or("-"),
                    row.at.to_rfc3339()
                ) + row.void.map(|void| format!(" void={}", void.name())).as_deref().unwrap_or_default()
            }
        };
        self.batches.push(page.iter().map(line).collect());
        Ok(())
    }

    async fn clear(&mut self) -> Result<(), SinkError> {
        self.batches.clear();
        Ok(())
    }
}

/// Remembers one login.
#[derive(Clone, Default)]
struct Vault(Arc<Mutex<Kept>>);

#[async_trait]
impl TokenVault for Vault {
    async fn load(&self, _: &LoginId) -> Result<Kept, VaultError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn lock(&self, _: &LoginId) -> Result<Box<dyn TokenLock>, VaultError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl TokenLock for Vault {
    async fn must_last(&mut self) -> Result<(), VaultError> {
        Ok(())
    }

    async fn nearly_lost(&mut self) {
        std::future::pending::<()>().await;
    }

    async fn save(&mut self, kept: &Kept) -> Result<(), VaultError> {
        *self.0.lock().unwrap() = kept.clone();
        Ok(())
    }
}

/// Remembers the jobs of reports.
#[derive(Clone, Default)]
pub struct Jobs(Arc<Mutex<BTreeMap<String, ReportJob>>>);

#[async_trait]
impl JobBook for Jobs {
    async fn load(&self, _: &SourceId, request: &str) -> Result<Option<ReportJob>, JobError> {
        Ok(self.0.lock().unwrap().get(request).cloned())
    }

    async fn save(&self, _: &SourceId, request: &str, job: &ReportJob) -> Result<(), JobError> {
        self.0.lock().unwrap().insert(request.to_owned(), job.clone());
        Ok(())
    }

    async fn forget(&self, _: &SourceId, request: &str) -> Result<(), JobError> {
        self.0.lock().unwrap().remove(request);
        Ok(())
    }
}

/// What one pull did.
struct Pulled {
    outcome: Result<PullFacts, PullError>,
    sink: MemorySink,
    /// How long it meant to wait.
    waits: Vec<Duration>,
}

impl Pulled {
    /// The error, which must hold no secret, as a reader sees it.
    #[track_caller]
    fn error(&self) -> String {
        let error = self.outcome.as_ref().expect_err("this cannot succeed");
        let shown = format!("{error}");
        assert_no_canary(&shown);
        assert_no_canary(format!("{error:?}"));
        assert!(!shown.contains("127.0.0.1") || shown.len() < 400, "{shown}");
        shown
    }

    #[track_caller]
    fn facts(&self) -> &PullFacts {
        self.outcome.as_ref().unwrap()
    }
}

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 17, 0, 0).unwrap()
}

fn november() -> DateWindow {
    let day = |text: &str| text.parse().unwrap();
    DateWindow::new(day("2026-11-01"), day("2026-11-07")).unwrap()
}

/// Pulls the first week of November through a manifest whose address is the server's.
async fn pull_with(text: &str, name: &str, server: &FakeServer, patience: Patience) -> Pulled {
    pull_again(text, name, server, patience, &Jobs::default()).await
}

/// As [`pull_with`], with what an earlier pull has left.
async fn pull_again(text: &str, name: &str, server: &FakeServer, patience: Patience, jobs: &Jobs) -> Pulled {
    pull_asking(text, name, server, patience, jobs, &[]).await
}

/// As [`pull_again`], reading the answers to these questions.
async fn pull_asking(
    text: &str,
    name: &str,
    server: &FakeServer,
    patience: Patience,
    jobs: &Jobs,
    questions: &[Question],
) -> Pulled {
    // The vendors' pace is theirs; a scripted one has none.
    let text =
        text.replace("per_second = 1\n", "per_second = 9999\n").replace("per_second = 2\n", "per_second = 9999\n");
    let manifest = Manifest::load(&format!("{name}.toml"), &text).unwrap();
    let mut settings = Settings::default();
    settings.insert("zone", SettingValue::Plain("UTC".into()));
    settings.insert("site_id", SettingValue::Plain("example.com".into()));
    settings.insert("project_id", SettingValue::Plain("77".into()));
    settings.insert("event", SettingValue::Plain("signed_up".into()));
    for info in &manifest.info().settings {
        if let Some(default) = &info.default {
            settings.insert(info.name.as_str(), SettingValue::Plain(default.clone()));
        }
    }
    settings.insert("base_url", SettingValue::Plain(server.url("/api").to_string()));
    settings.insert("download_url", SettingValue::Plain(server.url("/").to_string()));
    settings.insert("customer_id", SettingValue::Plain("1234567890".into()));
    settings.insert("form_id", SettingValue::Plain("u6nXL7".into()));
    settings.insert("token", SettingValue::Secret(CANARY.into()));
    let login = Login {
        id: LoginId::new("google"),
        client_id: "client".into(),
        client_secret: Some(SecretString::from(format!("{CANARY}-client"))),
        refresh_token: Some(SecretString::from(format!("{CANARY}-refresh"))),
        token_url: Some(server.url("/token").to_string()),
        authorize_url: None,
        redirect_port: None,
        program: "willitsell".into(),
    };
    let waits = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&waits);
    let patience = Patience {
        sleep: Arc::new(move |wait| {
            noted.lock().unwrap().push(wait);
            Box::pin(std::future::ready(()))
        }),
        ..patience
    };
    let http = Http::new(Limits { whole: Duration::from_secs(20), ..Limits::default() }).unwrap();
    let connector = ManifestConnector::new(manifest, http.clone(), Auth::new(http), patience);
    let (source, vault) = (SourceId::new("search"), Vault::default());
    let request = PullRequest {
        source: &source,
        settings: &settings,
        questions,
        login: Some(&login),
        tokens: &vault,
        jobs,
        window: november(),
        zone: Tz::Europe__Berlin,
        now: now(),
        state: None,
        heard: None,
        progress: &willitsell::connect::Progress::default(),
    };
    let mut sink = MemorySink::default();
    let outcome = connector.pull(&request, &mut sink).await;
    let waits = waits.lock().unwrap().clone();
    Pulled { outcome, sink, waits }
}

async fn pull(name: &str, server: &FakeServer) -> Pulled {
    pull_with(embedded(name), name, server, Patience::default()).await
}

/// A server that gives out tokens and answers everything else by `script`, given how many such calls came
/// before.
async fn vendor(script: impl Fn(usize, &Seen) -> Vec<Step> + Send + Sync + 'static) -> FakeServer {
    let calls = Mutex::new(0_usize);
    let tokens = Mutex::new(0_usize);
    FakeServer::start(move |_, seen| {
        if seen.target == "/token" {
            let mut tokens = tokens.lock().unwrap();
            *tokens += 1;
            return json(
                200,
                &format!(r#"{{"access_token":"{CANARY}-{tokens}","token_type":"Bearer","expires_in":3599}}"#),
            );
        }
        let mut calls = calls.lock().unwrap();
        *calls += 1;
        script(*calls - 1, seen)
    })
    .await
}

/// A vendor that gives these bodies with status 200, then the last one for ever.
async fn pages(bodies: Vec<String>) -> FakeServer {
    vendor(move |call, _| json(200, &bodies[call.min(bodies.len() - 1)])).await
}

/// One row of the ad platform.
fn row(id: u32, day: &str, clicks: u32) -> String {
    format!(
        r#"{{"campaign":{{"id":"{id}"}},"customer":{{"currencyCode":"EUR","timeZone":"Europe/Berlin"}},"segments":{{"date":"{day}"}},"metrics":{{"impressions":"100","clicks":"{clicks}","costMicros":"18350000","conversions":2.5,"engagements":"0"}}}}"#
    )
}

/// One page of the ad platform.
fn page(rows: &[String], next: Option<&str>) -> String {
    let next = next.map(|next| format!(r#","nextPageToken":"{next}""#)).unwrap_or_default();
    format!(r#"{{"results":[{}]{next},"fieldMask":"campaign.id"}}"#, rows.join(","))
}

/// Few tries, so that what fails fails soon.
fn hasty() -> Patience {
    Patience { backoff: Backoff { tries: 3, ..Backoff::default() }, ..Patience::default() }
}
