//! One source's calls: their proof, their hosts, their pace; and how long and how often each is tried again.
//! Not what is sent (`call`), not what an answer means (`errors`) and not which page is next (`page`).

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use secrecy::SecretString;

use super::ManifestConnector;
use super::call::{Extra, Outgoing, Prepared};
use super::ending::announced;
use super::errors::{ErrorRule, Said};
use super::fill::Filling;
use super::pace::Pacing;
use crate::connect::auth::{AuthError, Grant};
use crate::connect::http::{
    Answer, Backoff, Call, HeaderMap, HeaderValue, HttpError, Method, address, evidence, header, host_and_port,
};
use crate::connect::{PullError, PullRequest};
use crate::domain::connector::SettingValue;

type Sleep = Arc<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// How much trouble one window is worth.
#[derive(Clone)]
pub struct Patience {
    /// Tries of one page, and the pauses between them where the vendor asks for none.
    pub backoff: Backoff,
    /// Longest time spent waiting, over all pages of a window.
    pub waiting: Duration,
    /// Most pages of a window.
    pub pages: u32,
    /// How waiting is done; a test may note it instead.
    pub sleep: Sleep,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            waiting: Duration::from_mins(10),
            pages: 10_000,
            sleep: Arc::new(|wait| Box::pin(tokio::time::sleep(wait))),
        }
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience")
            .field("backoff", &self.backoff)
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

/// Makes the calls of one window.
pub(super) struct Asker<'a> {
    connector: &'a ManifestConnector,
    request: &'a PullRequest<'a>,
    /// Hosts that are shown the token: those of the manifest's own calls.
    hosts: Vec<String>,
    secrets: Vec<SecretString>,
    token: Option<SecretString>,
    /// Zone in which days become instants.
    zone: Tz,
    rng: ChaCha8Rng,
    pacing: Pacing,
    /// Tries of the current call that failed.
    failed: u32,
    /// The token was renewed for the current call.
    renewed: bool,
    waited: Duration,
    /// That the vendor announces the end of what is asked.
    pub(super) ending: Option<String>,
    /// That the access could not be renewed and still lasts.
    pub(super) unrenewed: Option<String>,
}

impl<'a> Asker<'a> {
    pub(super) fn new(
        connector: &'a ManifestConnector,
        rows: &super::Request,
        request: &'a PullRequest<'a>,
    ) -> Result<Self, PullError> {
        let secrets = request.settings.iter().filter_map(|(_, value)| match value {
            SettingValue::Secret(secret) => Some(secret.clone()),
            SettingValue::Plain(_) => None,
        });
        let of_login = request.login.into_iter().flat_map(|login| {
            [login.client_secret.as_ref(), login.refresh_token.as_ref()].into_iter().flatten().cloned()
        });
        // Jitter must differ between sources and runs, not between two looks at one run.
        let mut seed = DefaultHasher::new();
        (request.source, request.now).hash(&mut seed);
        let filling = filling(request);
        let manifest = &connector.manifest;
        let hosts = manifest.calls().map(|call| Ok(host_and_port(&call.base_url(&filling)?)));
        Ok(Self {
            hosts: hosts.collect::<Result<_, PullError>>()?,
            secrets: secrets.chain(of_login).chain(manifest.proof.derived(&filling)).collect(),
            rng: ChaCha8Rng::seed_from_u64(seed.finish()),
            pacing: Pacing::new(manifest, rows, &filling, request.now)?,
            zone: manifest.days.zone(request),
            connector,
            request,
            token: None,
            failed: 0,
            renewed: false,
            waited: Duration::ZERO,
            ending: None,
            unrenewed: None,
        })
    }

    /// What every call is filled with: the settings, the window asked for, its zone. Ids, job, page size and
    /// narrower windows are put in by whoever knows them.
    pub(super) fn filling(&self) -> Filling<'a> {
        Filling { zone: self.zone, ..filling(self.request) }
    }

    /// The account's zone, once it is known.
    pub(super) fn set_zone(&mut self, zone: Tz) {
        self.zone = zone;
    }

    /// Another page or another call begins: its tries are counted anew.
    pub(super) fn next_call(&mut self) {
        self.failed = 0;
        self.renewed = false;
    }

    /// The file's own rules about answers.
    pub(super) fn rules(&self) -> &'a [ErrorRule] {
        &self.connector.manifest.errors
    }

    pub(super) fn has_login(&self) -> bool {
        self.connector.manifest.proof.oauth2().is_some()
    }

    /// Makes one call, tried again while the network fails. The answer may have any status.
    pub(super) async fn call(&mut self, prepared: &Prepared, extras: &[Extra<'_>]) -> Result<Answer, PullError> {
        loop {
            if let Err(error) = self.prove().await {
                self.after_failed_proof(error).await?;
                continue;
            }
            self.hold_back().await;
            let mut out = prepared.with(extras)?;
            let proof = &self.connector.manifest.proof;
            proof
                .put_on(self.token.as_ref(), &self.filling(), &mut out.url, &mut out.headers)
                .map_err(|error| PullError::Credentials { hint: error.to_string() })?;
            if let Some(answer) = self.send(out, None).await? {
                self.ending = self.ending.take().or_else(|| announced(&answer.headers));
                return Ok(answer);
            }
        }
    }

    /// Goes slower where the last answer said that the allowance is nearly used up: with half of what a window
    /// may wait at most, so that the vendor can still ask for a rest.
    async fn hold_back(&mut self) {
        let Some(wait) = self.pacing.slow() else { return };
        let waited = self.waited.saturating_add(wait);
        if waited <= self.connector.patience.waiting / 2 {
            self.waited = waited;
            (self.connector.patience.sleep)(wait).await;
        }
    }

    /// Fetches what a vendor has laid ready elsewhere, from one of these hosts: without any proof of who asks,
    /// and without ever showing the address, which is a secret itself.
    pub(super) async fn download(&mut self, from: &str, hosts: &[String]) -> Result<Answer, PullError> {
        let url = address(from).map_err(|error| PullError::Network(HttpError::from(error).to_string()))?;
        loop {
            let out = Outgoing { method: Method::GET, url: url.clone(), headers: HeaderMap::new(), body: None };
            if let Some(answer) = self.send(out, Some(hosts)).await? {
                return Ok(answer);
            }
        }
    }

    /// One try, to the connector's own hosts or to others. `None` after a pause where another may succeed.
    async fn send(&mut self, out: Outgoing, others: Option<&[String]>) -> Result<Option<Answer>, PullError> {
        let Outgoing { method, url, headers, body } = out;
        let hosts = others.unwrap_or(&self.hosts);
        let call = Call { method, url, headers, body, hosts, pace: Some(self.pacing.pace()), secrets: &self.secrets };
        match self.connector.http.call(&call).await {
            Ok(answer) => {
                self.pacing.hear(&answer.headers);
                self.request.progress.answer(answer.body.len());
                Ok(Some(answer))
            }
            Err(error) if error.is_temporary() => {
                let last = PullError::Network(error.to_string());
                self.pause(None, last).await?;
                Ok(None)
            }
            Err(error) => Err(PullError::Network(error.to_string())),
        }
    }

    /// Makes sure there is an access token where the calls need one.
    async fn prove(&mut self) -> Result<(), AuthError> {
        if self.has_login() && self.token.is_none() {
            let (auth, grant, now) = (&self.connector.auth, self.grant()?, self.request.now);
            let token = match auth.access(&grant, now).await {
                Err(error) if error.may_pass() => {
                    let Some((token, end)) = auth.kept(&grant, now).await else { return Err(error) };
                    let end = end.format("%Y-%m-%d %H:%M UTC");
                    self.unrenewed = Some(format!(
                        "{error}; the access from before is still used, and ends on {end} unless it can be renewed"
                    ));
                    token
                }
                other => other?,
            };
            self.keep(&token);
        }
        Ok(())
    }

    /// Gets another token after the vendor refused this one; once a page.
    pub(super) async fn renew(&mut self, said: &Said) -> Result<(), PullError> {
        let failed = self.token.clone().filter(|_| !self.renewed && self.has_login());
        let Some(failed) = failed else { return Err(self.refused(said)) };
        self.renewed = true;
        self.token = None;
        loop {
            let renewed = match self.grant() {
                Ok(grant) => self.connector.auth.renew(&grant, &failed, self.request.now).await,
                Err(error) => Err(error),
            };
            match renewed {
                Ok(token) => {
                    self.keep(&token);
                    return Ok(());
                }
                Err(error) => self.after_failed_proof(error).await?,
            }
        }
    }

    fn keep(&mut self, token: &SecretString) {
        if self.token.is_none() {
            self.secrets.push(token.clone());
            self.token = Some(token.clone());
        }
    }

    fn grant(&self) -> Result<Grant<'a>, AuthError> {
        let (Some(oauth2), Some(login)) = (self.connector.manifest.proof.oauth2(), self.request.login) else {
            return Err(AuthError::Vault("this source names no login; write `login = \"…\"` under it".to_owned()));
        };
        Ok(Grant { login, vault: self.request.tokens, oauth2 })
    }

    async fn after_failed_proof(&mut self, error: AuthError) -> Result<(), PullError> {
        match &error {
            AuthError::Busy { retry_after, .. } => {
                let wait = *retry_after;
                self.pause(wait, PullError::Network(error.to_string())).await
            }
            // Where the answer may have been lost on its way, the token was tried once more already.
            AuthError::Http(HttpError::Connect { .. }) => self.pause(None, PullError::Network(error.to_string())).await,
            AuthError::Http(_) => Err(PullError::Network(error.to_string())),
            _ if error.needs_login() => Err(self.needs_login(error.to_string())),
            _ => Err(PullError::Credentials { hint: error.to_string() }),
        }
    }

    fn needs_login(&self, why: String) -> PullError {
        match self.request.login {
            Some(login) => {
                let (command, login) = (login.command(self.request.source), login.id.clone());
                PullError::NeedsLogin { login, why, command }
            }
            None => PullError::Credentials { hint: why },
        }
    }

    /// Waits before the next try: as long as asked, else longer each time. Gives up with `last` after the
    /// last try, and at once where the wait is longer than the window is worth.
    pub(super) async fn pause(&mut self, asked: Option<Duration>, last: PullError) -> Result<(), PullError> {
        self.failed += 1;
        let Some(own) = self.connector.patience.backoff.pause(self.failed, &mut self.rng) else { return Err(last) };
        let wait = asked.unwrap_or(own);
        self.waited = self.waited.saturating_add(wait);
        if self.waited > self.connector.patience.waiting {
            return Err(last);
        }
        (self.connector.patience.sleep)(wait).await;
        Ok(())
    }

    /// Waits before a report is asked after again, a fifth shorter or longer each time; says how long.
    pub(super) async fn rest(&mut self, every: Duration) -> Duration {
        let wait = every.mul_f64(self.rng.random_range(0.8..1.2));
        (self.connector.patience.sleep)(wait).await;
        wait
    }

    /// How long to wait before another try: as the vendor asks, else as the file says of this answer.
    pub(super) fn asked_wait(&self, said: &Said) -> Option<Duration> {
        self.pacing.asked(said.wait.as_deref()).or(said.fixed)
    }

    /// As [`Self::asked_wait`], after an answer that asks for nothing but time.
    pub(super) fn asked_rest(&self, said: &Said) -> Option<Duration> {
        self.asked_wait(said).or(self.connector.manifest.limits.wait)
    }

    /// The vendor does not take the token.
    pub(super) fn refused(&self, said: &Said) -> PullError {
        let why = said.message.as_deref().map(|message| format!(" ({})", self.shown(message))).unwrap_or_default();
        let mend = match (self.connector.manifest.proof.setting(), self.request.login) {
            (Some(name), _) => {
                let asked = self
                    .connector
                    .manifest
                    .info
                    .settings
                    .iter()
                    .filter(|setting| !(setting.secret || setting.optional) && setting.default.is_none());
                let asked: Vec<_> = asked.map(|setting| format!("`{}`", setting.name)).collect();
                let what = if asked.is_empty() {
                    "results".to_owned()
                } else {
                    format!("the {} given there", asked.join(" and "))
                };
                format!("check the setting `{name}` of source `{}`, and that it may read {what}", self.request.source)
            }
            (None, Some(login)) => format!(
                "check that whoever logged in as [login.{}] may read this account, or log in anew with `{}`",
                login.id,
                login.command(self.request.source)
            ),
            (None, None) => format!("source `{}` needs a login", self.request.source),
        };
        PullError::Credentials { hint: format!("the vendor does not accept our access{why}; {mend}") }
    }

    /// An error about something the vendor sent, as it may be shown.
    pub(super) fn cleaned(&self, error: PullError) -> PullError {
        match error {
            // A path may hold a name the vendor chose, of any length.
            PullError::Shape { path, saw } => PullError::Shape { path: self.shown(&path), saw: self.shown(&saw) },
            other => other,
        }
    }

    /// A vendor's text as it may be shown.
    pub(super) fn shown(&self, text: &str) -> String {
        evidence(text.as_bytes(), &self.secrets)
    }
}

fn filling<'a>(request: &PullRequest<'a>) -> Filling<'a> {
    Filling {
        settings: request.settings,
        window: request.window,
        zone: request.zone,
        page_size: None,
        ids: &[],
        job: None,
    }
}

/// What is needed of an answer once its body is taken.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) html: bool,
}

impl Answered {
    pub(super) fn of(answer: &Answer) -> Self {
        let text = |name| answer.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        Self {
            status: answer.status,
            html: text(header::CONTENT_TYPE).is_some_and(|kind| kind.to_ascii_lowercase().contains("html")),
        }
    }
}
