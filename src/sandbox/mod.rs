//! Fake vendors on loopback, for the demo, for rehearsal and for tests. Each is written from what the
//! vendor documents and never from our connectors, so that a mistake in a connector shows. All of
//! them tell of one simulated [`World`] as of one simulated instant.

pub mod calendly;
mod chance;
mod chat;
pub mod demo;
mod faults;
pub mod ga4;
mod gaql;
pub mod google_ads;
pub mod google_forms;
mod hogql;
pub mod hubspot;
pub mod jotform;
pub mod linkedin;
pub mod mailchimp;
pub mod meta;
pub mod microsoft;
pub mod mixpanel;
mod oauth;
mod pages;
pub mod pinterest;
pub mod plausible;
pub mod posthog;
pub mod reddit;
pub mod rehearsal;
mod reports;
pub mod slack;
pub mod stripe;
pub mod submissions;
pub mod surveymonkey;
mod table;
pub mod tally;
pub mod tiktok;
pub mod traffic;
pub mod typeform;
mod webhook;
pub mod world;
mod zip;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::Router;
use axum::http::HeaderMap;
use axum::middleware::from_fn_with_state;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use faults::{Answer, Fault};
pub use reports::Pace;
pub use world::World;

use oauth::{Admitted, TokenBook};
use reports::Reports;

/// Something that listens, on a port of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// Google Ads reporting.
    GoogleAds,
    /// Where Google renews access.
    GoogleToken,
    /// Where `LinkedIn` renews access.
    LinkedinToken,
    /// Where Microsoft renews access.
    MicrosoftToken,
    /// Where Reddit renews access.
    RedditToken,
    /// Where Pinterest renews access.
    PinterestToken,
    /// Meta insights.
    Meta,
    /// TikTok's integrated report.
    Tiktok,
    /// LinkedIn analytics.
    Linkedin,
    /// Microsoft Advertising reporting.
    Microsoft,
    /// Reddit ads.
    Reddit,
    /// Pinterest ads.
    Pinterest,
    /// Where finished reports are fetched, whoever wrote them.
    Files,
    /// Typeform responses.
    Typeform,
    /// Tally submissions.
    Tally,
    /// Jotform submissions.
    Jotform,
    /// Responses of Google forms.
    GoogleForms,
    /// `SurveyMonkey` responses.
    Surveymonkey,
    /// `HubSpot`: forms, contacts, deals and meetings.
    Hubspot,
    /// Calendly meetings.
    Calendly,
    /// Mailchimp members.
    Mailchimp,
    /// Stripe: Checkout sessions and payments.
    Stripe,
    /// Google Analytics 4.
    Ga4,
    /// Mixpanel's raw export.
    Mixpanel,
    /// Plausible's statistics.
    Plausible,
    /// `PostHog`'s queries.
    Posthog,
    /// A Slack incoming webhook.
    Slack,
    /// A receiver of signed webhooks.
    Webhook,
    /// A Mattermost incoming webhook.
    Mattermost,
    /// A Discord webhook.
    Discord,
    /// A Workflow of Microsoft Teams.
    Teams,
    /// A Google Chat webhook.
    GoogleChat,
}

/// What stands behind an endpoint.
struct Vendor {
    endpoint: Endpoint,
    routes: fn() -> Router<Shared>,
    /// What follows host and port in the address a user fills in.
    path: fn(&Secrets) -> String,
}

/// Every endpoint. A new one is a file beside this one and a line here.
const VENDORS: [Vendor; 32] = [
    Vendor { endpoint: Endpoint::GoogleAds, routes: google_ads::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::GoogleToken, routes: oauth::google, path: |_| oauth::GOOGLE.path.into() },
    Vendor { endpoint: Endpoint::LinkedinToken, routes: oauth::linkedin, path: |_| oauth::LINKEDIN.path.into() },
    Vendor { endpoint: Endpoint::MicrosoftToken, routes: oauth::microsoft, path: |_| oauth::MICROSOFT.path.into() },
    Vendor { endpoint: Endpoint::RedditToken, routes: oauth::reddit, path: |_| oauth::REDDIT.path.into() },
    Vendor { endpoint: Endpoint::PinterestToken, routes: oauth::pinterest, path: |_| oauth::PINTEREST.path.into() },
    Vendor { endpoint: Endpoint::Meta, routes: meta::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Tiktok, routes: tiktok::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Linkedin, routes: linkedin::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Microsoft, routes: microsoft::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Reddit, routes: reddit::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Pinterest, routes: pinterest::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Files, routes: reports::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Typeform, routes: typeform::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Tally, routes: tally::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Jotform, routes: jotform::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::GoogleForms, routes: google_forms::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Surveymonkey, routes: surveymonkey::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Hubspot, routes: hubspot::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Calendly, routes: calendly::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Mailchimp, routes: mailchimp::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Stripe, routes: stripe::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Ga4, routes: ga4::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Mixpanel, routes: mixpanel::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Plausible, routes: plausible::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Posthog, routes: posthog::routes, path: |_| String::new() },
    Vendor { endpoint: Endpoint::Slack, routes: slack::routes, path: |secrets| slack::path(&secrets.slack_key) },
    Vendor { endpoint: Endpoint::Webhook, routes: webhook::routes, path: |_| webhook::PATH.into() },
    Vendor {
        endpoint: Endpoint::Mattermost,
        routes: chat::mattermost,
        path: |secrets| chat::mattermost_path(&secrets.slack_key),
    },
    Vendor {
        endpoint: Endpoint::Discord,
        routes: chat::discord,
        path: |secrets| chat::discord_path(&secrets.slack_key),
    },
    Vendor { endpoint: Endpoint::Teams, routes: chat::teams, path: |secrets| chat::teams_path(&secrets.slack_key) },
    Vendor {
        endpoint: Endpoint::GoogleChat,
        routes: chat::google_chat,
        path: |secrets| chat::google_chat_path(&secrets.slack_key),
    },
];

/// What the fake vendors accept, and nothing else.
#[derive(Clone)]
pub struct Secrets {
    /// OAuth2 client id.
    pub client_id: String,
    /// OAuth2 client secret.
    pub client_secret: String,
    /// Renews Google access; the other vendors' first refresh tokens are made of it. Every later token
    /// contains the first one, so that a search of logs for a planted token finds them all.
    pub refresh_token: String,
    /// What the tokens that need no renewal are made of.
    pub api_token: String,
    /// Typeform personal token.
    pub typeform_token: String,
    /// The secret part of the address of every chat program's webhook.
    pub slack_key: String,
    /// Signing secret of the webhook receiver, `whsec_…`.
    pub webhook_secret: String,
}

impl Default for Secrets {
    fn default() -> Self {
        Self {
            client_id: "sandbox.apps.googleusercontent.com".into(),
            client_secret: "sandbox-client-secret".into(),
            refresh_token: "sandbox-refresh-token".into(),
            api_token: "sandbox-api-token".into(),
            typeform_token: "sandbox-typeform-token".into(),
            slack_key: "sandboxsandboxsandbox000".into(),
            webhook_secret: "whsec_c2FuZGJveC1zYW5kYm94LXNhbmRib3gtc2FuZGJveA==".into(),
        }
    }
}

impl Secrets {
    fn api_token(&self, endpoint: Endpoint) -> String {
        format!("{endpoint:?}.{}", self.api_token)
    }
}

/// How to start.
#[derive(Clone)]
pub struct Setup {
    /// What is true.
    pub world: World,
    /// The simulated instant.
    pub now: DateTime<Utc>,
    /// What is accepted.
    pub secrets: Secrets,
    /// Port of the first endpoint, the others behind it; `None`: ports that are free.
    pub first_port: Option<u16>,
    /// Rows in a page of Google Ads; the vendor's own number is 10,000.
    pub google_page_rows: usize,
    /// Meta's.
    pub meta: meta::Limits,
    /// TikTok's.
    pub tiktok: tiktok::Limits,
    /// LinkedIn's.
    pub linkedin: linkedin::Limits,
    /// Calls after which an access token has expired, whatever its hour; `None`: none.
    pub token_calls: Option<u32>,
    /// What may differ at Microsoft.
    pub microsoft: microsoft::Limits,
    /// What may differ at Reddit.
    pub reddit: reddit::Limits,
    /// What may differ at Pinterest.
    pub pinterest: pinterest::Limits,
    /// Most rows in a page of a form tool, where the vendor's own number is larger.
    pub form_page_rows: usize,
    /// What may differ at `HubSpot`.
    pub hubspot: hubspot::Limits,
    /// What may differ at Mixpanel.
    pub mixpanel: mixpanel::Limits,
    /// Whether a refresh token that was replaced ends all that came of it when it is used again.
    pub reuse_revokes: bool,
}

impl Setup {
    /// The vendors' own limits and the fixed secrets of a rehearsal.
    pub fn new(world: World, now: DateTime<Utc>) -> Self {
        Self {
            world,
            now,
            secrets: Secrets::default(),
            first_port: None,
            google_page_rows: 10_000,
            meta: meta::Limits::default(),
            tiktok: tiktok::Limits::default(),
            linkedin: linkedin::Limits::default(),
            token_calls: None,
            microsoft: microsoft::Limits::default(),
            reddit: reddit::Limits::default(),
            pinterest: pinterest::Limits::default(),
            form_page_rows: usize::MAX,
            hubspot: hubspot::Limits::default(),
            mixpanel: mixpanel::Limits::default(),
            reuse_revokes: true,
        }
    }
}

/// A message that arrived and was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// By which receiver.
    pub endpoint: Endpoint,
    /// Its delivery id, where it carries one.
    pub delivery_id: Option<String>,
    /// Whether the same receiver had accepted that id before.
    pub repeat: bool,
    /// The body as sent.
    pub body: Value,
}

/// The running vendors; dropping it stops them.
pub struct Sandbox {
    state: Shared,
    _stop: DropGuard,
}

impl Sandbox {
    /// Starts every vendor on a free loopback port. Needs a running runtime.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(setup: Setup) -> io::Result<Self> {
        let state = Arc::new(Truth {
            now: Mutex::new(setup.now),
            tokens: Mutex::new(TokenBook::of(&setup)),
            meta_reports: Mutex::default(),
            faults: Mutex::default(),
            calls: Mutex::default(),
            ledger: Mutex::default(),
            reports: Mutex::default(),
            traffic: Mutex::default(),
            ports: OnceLock::new(),
            setup,
        });
        let stop = CancellationToken::new();
        let mut ports = BTreeMap::new();
        let mut next_port = state.setup.first_port;
        for Vendor { endpoint, routes, .. } in VENDORS {
            let port = next_port.unwrap_or(0);
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                .await
                .map_err(|error| io::Error::new(error.kind(), format!("port {port}: {error}")))?;
            next_port = next_port.map(|port| port.saturating_add(1));
            ports.insert(endpoint, listener.local_addr()?);
            let spoil = from_fn_with_state((endpoint, Arc::clone(&state)), faults::spoil);
            let router = routes().layer(spoil).with_state(Arc::clone(&state));
            let stopped = stop.clone().cancelled_owned();
            tokio::spawn(axum::serve(listener, router).with_graceful_shutdown(stopped).into_future());
        }
        // Nobody knows an address before this.
        let _ = state.ports.set(ports);
        Ok(Self { state, _stop: stop.drop_guard() })
    }

    /// What a user fills in for an endpoint: the base address of an API, the whole address of a
    /// webhook or a token endpoint.
    pub fn url(&self, endpoint: Endpoint) -> String {
        self.state.url(endpoint)
    }

    /// The consent page on the host of a token endpoint; whoever asks there agrees.
    pub fn consent_page(&self, endpoint: Endpoint) -> String {
        let host =
            self.state.ports.get().and_then(|ports| ports.get(&endpoint)).map(ToString::to_string).unwrap_or_default();
        format!("http://{host}{}", oauth::CONSENT)
    }

    /// What is true.
    pub fn world(&self) -> &World {
        &self.state.setup.world
    }

    /// What is accepted.
    pub fn secrets(&self) -> &Secrets {
        &self.state.setup.secrets
    }

    /// Moves the simulated instant: from now on every vendor answers as of it.
    pub fn set_now(&self, now: DateTime<Utc>) {
        *held(&self.state.now) = now;
    }

    /// Spoils the next answers of an endpoint, one fault each, after those already scripted.
    pub fn script(&self, endpoint: Endpoint, faults: impl IntoIterator<Item = Fault>) {
        held(&self.state.faults).entry(endpoint).or_default().extend(faults);
    }

    /// Takes back what was scripted and has not come up.
    pub fn calm(&self) {
        held(&self.state.faults).clear();
    }

    /// What a user got from a vendor's consent page before the sandbox started.
    pub fn refresh_token(&self, endpoint: Endpoint) -> String {
        oauth::first_refresh_token(self.secrets(), endpoint)
    }

    /// A token that lasts until it is revoked; each vendor takes only its own.
    pub fn api_token(&self, endpoint: Endpoint) -> String {
        self.secrets().api_token(endpoint)
    }

    /// Ends every access token given out so far.
    pub fn expire_access(&self) {
        held(&self.state.tokens).expire_access();
    }

    /// Ends every refresh token of a vendor, as when somebody withdraws consent.
    pub fn revoke(&self, endpoint: Endpoint) {
        held(&self.state.tokens).revoke(endpoint);
    }

    /// How often an endpoint was called, spoiled answers included.
    pub fn calls(&self, endpoint: Endpoint) -> u64 {
        held(&self.state.calls).get(&endpoint).copied().unwrap_or_default()
    }

    /// Every message accepted so far, in order of arrival.
    pub fn messages(&self) -> Vec<Received> {
        held(&self.state.ledger).clone()
    }
}

type Shared = Arc<Truth>;

/// What pages have told, and as of when.
type Told = (DateTime<Utc>, Arc<[traffic::Event]>);

/// What the vendors share.
struct Truth {
    setup: Setup,
    now: Mutex<DateTime<Utc>>,
    tokens: Mutex<TokenBook>,
    meta_reports: Mutex<meta::Reports>,
    faults: Mutex<BTreeMap<Endpoint, VecDeque<Fault>>>,
    calls: Mutex<BTreeMap<Endpoint, u64>>,
    ledger: Mutex<Vec<Received>>,
    reports: Mutex<Reports>,
    /// What was last worked out of each form's pages: the pages of one answer are many.
    traffic: Mutex<BTreeMap<String, Told>>,
    ports: OnceLock<BTreeMap<Endpoint, SocketAddr>>,
}

impl Truth {
    fn now(&self) -> DateTime<Utc> {
        *held(&self.now)
    }

    /// What the pages of a form's concept have told by now.
    fn traffic(&self, form_id: &str) -> Arc<[traffic::Event]> {
        let (mut all, now) = (held(&self.traffic), self.now());
        if let Some((_, events)) = all.get(form_id).filter(|(at, _)| *at == now) {
            return Arc::clone(events);
        }
        let events: Arc<[_]> = traffic::events(&self.setup.world, form_id, now).into();
        all.insert(form_id.to_owned(), (now, Arc::clone(&events)));
        events
    }

    fn today(&self) -> NaiveDate {
        self.now().with_timezone(&self.setup.world.zone).date_naive()
    }

    fn url(&self, endpoint: Endpoint) -> String {
        let host = self.ports.get().and_then(|ports| ports.get(&endpoint)).map(ToString::to_string);
        let vendor = VENDORS.into_iter().find(|vendor| vendor.endpoint == endpoint);
        let path = vendor.map(|vendor| (vendor.path)(&self.setup.secrets)).unwrap_or_default();
        format!("http://{}{path}", host.unwrap_or_default())
    }

    /// Whether a call's `Authorization: Bearer` header holds the token that a vendor gave once.
    fn knows(&self, endpoint: Endpoint, headers: &HeaderMap) -> bool {
        bearer(headers) == Some(self.setup.secrets.api_token(endpoint).as_str())
    }

    /// What a call's `Authorization: Bearer` header is worth at the vendor behind a token endpoint.
    fn admit(&self, issuer: Endpoint, headers: &HeaderMap) -> Admitted {
        let now = self.now();
        bearer(headers).map_or(Admitted::Unknown, |token| held(&self.tokens).admit(issuer, token, now))
    }

    fn next_fault(&self, endpoint: Endpoint) -> Option<Fault> {
        *held(&self.calls).entry(endpoint).or_default() += 1;
        held(&self.faults).get_mut(&endpoint)?.pop_front()
    }

    fn receive(&self, endpoint: Endpoint, delivery_id: Option<String>, body: Value) {
        let mut ledger = held(&self.ledger);
        let repeat = delivery_id.is_some()
            && ledger.iter().any(|seen| seen.endpoint == endpoint && seen.delivery_id == delivery_id);
        ledger.push(Received { endpoint, delivery_id, repeat, body });
    }
}

/// The value behind a lock; no holder can leave it half changed.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The token of an `Authorization: Bearer` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(axum::http::header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}
