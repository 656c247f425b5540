//! What each table of a manifest may hold, as written. How it is read, and what it means, stands elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_spanned::Spanned;

/// A manifest as written. What could not be read is left out and noted as a mistake.
pub(in crate::connect::manifest) struct Raw {
    pub(in crate::connect::manifest) name: Option<Spanned<String>>,
    pub(in crate::connect::manifest) title: Option<Spanned<String>>,
    pub(in crate::connect::manifest) docs: Option<Spanned<String>>,
    pub(in crate::connect::manifest) api_version: Option<Spanned<String>>,
    pub(in crate::connect::manifest) sunset_on: Option<Spanned<String>>,
    pub(in crate::connect::manifest) checked_on: Option<Spanned<String>>,
    pub(in crate::connect::manifest) verified: Option<Spanned<String>>,
    pub(in crate::connect::manifest) settings: Vec<(Spanned<String>, RawSetting)>,
    pub(in crate::connect::manifest) login: Option<Spanned<RawLogin>>,
    pub(in crate::connect::manifest) auth: Option<Spanned<RawAuth>>,
    pub(in crate::connect::manifest) account: Option<Spanned<RawAccount>>,
    pub(in crate::connect::manifest) days: Option<Spanned<RawDays>>,
    pub(in crate::connect::manifest) request: Option<Spanned<RawRequest>>,
    pub(in crate::connect::manifest) program: Option<Spanned<RawProgram>>,
    pub(in crate::connect::manifest) page: Option<Spanned<RawPage>>,
    pub(in crate::connect::manifest) fan: Option<Spanned<RawFan>>,
    pub(in crate::connect::manifest) report: Option<Spanned<RawReport>>,
    pub(in crate::connect::manifest) limits: Option<Spanned<RawLimits>>,
    pub(in crate::connect::manifest) error: Vec<Spanned<RawError>>,
    pub(in crate::connect::manifest) rows: Option<Spanned<RawRows>>,
    pub(in crate::connect::manifest) metric: Vec<(Spanned<String>, Spanned<RawMetric>)>,
    pub(in crate::connect::manifest) response: Option<Spanned<RawResponse>>,
    pub(in crate::connect::manifest) inbound: Option<Spanned<RawInbound>>,
    pub(in crate::connect::manifest) facts: Option<Spanned<RawFacts>>,
    pub(in crate::connect::manifest) example: Vec<Spanned<RawExample>>,
}

impl Raw {
    /// The version of the vendor's API, where the vendor has versions.
    pub(in crate::connect::manifest) fn version(&self) -> Option<&Spanned<String>> {
        self.api_version.as_ref().filter(|version| version.get_ref() != "none")
    }

    /// Every host that may be sent a secret, in order: those of the settings `bases`, which hold addresses, and of the login.
    pub(in crate::connect::manifest) fn hosts(&self, bases: &BTreeSet<String>) -> Vec<String> {
        let addresses = self.settings.iter().filter(|(name, _)| bases.contains(name.get_ref()));
        let mut addresses: Vec<&str> =
            addresses.filter_map(|(_, setting)| Some(setting.default.as_ref()?.get_ref().as_str())).collect();
        if let Some(login) = &self.login {
            let oauth2 = &login.get_ref().oauth2;
            let urls = oauth2.authorize_url.iter().chain([&oauth2.token_url]);
            addresses.extend(urls.map(|url| url.get_ref().as_str()));
        }
        let mut hosts: Vec<String> = addresses.into_iter().filter_map(host).collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }

    /// What a login must be allowed to read.
    pub(in crate::connect::manifest) fn scopes(&self) -> Vec<String> {
        self.login.as_ref().map(|login| login.get_ref().oauth2.scopes.get_ref().clone()).unwrap_or_default()
    }
}

/// The host of an address as it is written, placeholders and port included.
fn host(address: &str) -> Option<String> {
    let host = address.strip_prefix("https://")?.split(['/', '?', '#']).next()?;
    Some(host.to_ascii_lowercase())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawSetting {
    pub(in crate::connect::manifest) help: String,
    #[serde(default)]
    pub(in crate::connect::manifest) secret: bool,
    pub(in crate::connect::manifest) default: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::connect::manifest) optional: bool,
    pub(in crate::connect::manifest) pattern: Option<Spanned<String>>,
    /// A list of words, or a table of words and what is sent for each.
    pub(in crate::connect::manifest) choices: Option<Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawLogin {
    pub(in crate::connect::manifest) oauth2: RawOauth2,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawOauth2 {
    pub(in crate::connect::manifest) authorize_url: Option<Spanned<String>>,
    pub(in crate::connect::manifest) token_url: Spanned<String>,
    pub(in crate::connect::manifest) scopes: Spanned<Vec<String>>,
    pub(in crate::connect::manifest) client: Spanned<String>,
    pub(in crate::connect::manifest) grant: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::connect::manifest) authorize: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    pub(in crate::connect::manifest) extra: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    pub(in crate::connect::manifest) rotates: bool,
    pub(in crate::connect::manifest) ends_after: Option<Spanned<u32>>,
}

/// One of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawAuth {
    pub(in crate::connect::manifest) bearer: Option<RawBearer>,
    pub(in crate::connect::manifest) header: Option<BTreeMap<Spanned<String>, Spanned<String>>>,
    pub(in crate::connect::manifest) query: Option<BTreeMap<Spanned<String>, Spanned<String>>>,
    pub(in crate::connect::manifest) basic: Option<RawBasic>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawBearer {
    pub(in crate::connect::manifest) token: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawBasic {
    pub(in crate::connect::manifest) user: Spanned<String>,
    pub(in crate::connect::manifest) password: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawDays {
    pub(in crate::connect::manifest) zone: Spanned<String>,
    pub(in crate::connect::manifest) ends: Spanned<String>,
    pub(in crate::connect::manifest) longest: Option<Spanned<u32>>,
    pub(in crate::connect::manifest) oldest: Option<Spanned<u32>>,
    pub(in crate::connect::manifest) lookback: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawAccount {
    pub(in crate::connect::manifest) url: Spanned<String>,
    #[serde(default)]
    pub(in crate::connect::manifest) query: BTreeMap<String, Spanned<toml::Value>>,
    pub(in crate::connect::manifest) currency: Option<Spanned<String>>,
    pub(in crate::connect::manifest) zone: Option<Spanned<String>>,
}

/// `[request]`; other calls are brought into its shape to be checked alike.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawRequest {
    pub(in crate::connect::manifest) method: Spanned<String>,
    pub(in crate::connect::manifest) url: Spanned<String>,
    #[serde(default)]
    pub(in crate::connect::manifest) query: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    pub(in crate::connect::manifest) header: BTreeMap<Spanned<String>, Spanned<String>>,
    pub(in crate::connect::manifest) raw_query: Option<Spanned<String>>,
    pub(in crate::connect::manifest) json: Option<BTreeMap<String, Spanned<toml::Value>>>,
    pub(in crate::connect::manifest) form: Option<BTreeMap<String, Spanned<toml::Value>>>,
}

/// `[program]`: what is asked in place of an address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawProgram {
    pub(in crate::connect::manifest) speaks: Spanned<String>,
    pub(in crate::connect::manifest) stream: Option<Spanned<String>>,
    pub(in crate::connect::manifest) selects: Option<Spanned<bool>>,
    pub(in crate::connect::manifest) tells: Spanned<String>,
    pub(in crate::connect::manifest) within: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::connect::manifest) config: BTreeMap<String, Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawReport {
    pub(in crate::connect::manifest) job: Spanned<String>,
    pub(in crate::connect::manifest) poll: Spanned<RawRequest>,
    pub(in crate::connect::manifest) status: Spanned<String>,
    pub(in crate::connect::manifest) waiting: Vec<String>,
    pub(in crate::connect::manifest) done: Vec<String>,
    #[serde(default)]
    pub(in crate::connect::manifest) failed: Vec<String>,
    #[serde(default)]
    pub(in crate::connect::manifest) gone: Vec<String>,
    pub(in crate::connect::manifest) every: Spanned<String>,
    pub(in crate::connect::manifest) within: Spanned<String>,
    pub(in crate::connect::manifest) download: Spanned<String>,
    #[serde(default)]
    pub(in crate::connect::manifest) empty: bool,
    pub(in crate::connect::manifest) hosts: Spanned<Vec<String>>,
    pub(in crate::connect::manifest) format: Spanned<String>,
    pub(in crate::connect::manifest) packed: Option<Spanned<String>>,
}

/// One of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawPage {
    pub(in crate::connect::manifest) cursor: Option<Spanned<RawCursor>>,
    pub(in crate::connect::manifest) next: Option<Spanned<RawNext>>,
    pub(in crate::connect::manifest) number: Option<Spanned<RawNumber>>,
    pub(in crate::connect::manifest) offset: Option<Spanned<RawOffset>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawCursor {
    pub(in crate::connect::manifest) from: Spanned<String>,
    pub(in crate::connect::manifest) r#while: Option<Spanned<String>>,
    pub(in crate::connect::manifest) query: Option<Spanned<String>>,
    pub(in crate::connect::manifest) json: Option<Spanned<String>>,
    pub(in crate::connect::manifest) header: Option<Spanned<String>>,
    pub(in crate::connect::manifest) size: Option<u32>,
    pub(in crate::connect::manifest) total: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawNext {
    pub(in crate::connect::manifest) from: Spanned<String>,
    pub(in crate::connect::manifest) verb: Option<Spanned<String>>,
    pub(in crate::connect::manifest) size: Option<u32>,
    pub(in crate::connect::manifest) total: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawNumber {
    pub(in crate::connect::manifest) query: Option<Spanned<String>>,
    pub(in crate::connect::manifest) json: Option<Spanned<String>>,
    pub(in crate::connect::manifest) first: Option<u32>,
    pub(in crate::connect::manifest) last: Option<Spanned<String>>,
    pub(in crate::connect::manifest) r#while: Option<Spanned<String>>,
    pub(in crate::connect::manifest) size: Option<u32>,
    pub(in crate::connect::manifest) total: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawOffset {
    pub(in crate::connect::manifest) query: Option<Spanned<String>>,
    pub(in crate::connect::manifest) json: Option<Spanned<String>>,
    pub(in crate::connect::manifest) r#while: Option<Spanned<String>>,
    pub(in crate::connect::manifest) size: Option<u32>,
    pub(in crate::connect::manifest) total: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawFan {
    pub(in crate::connect::manifest) url: Spanned<String>,
    #[serde(default)]
    pub(in crate::connect::manifest) query: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    pub(in crate::connect::manifest) header: BTreeMap<Spanned<String>, Spanned<String>>,
    /// A path, or a path and what its ids begin with.
    pub(in crate::connect::manifest) each: Spanned<toml::Value>,
    pub(in crate::connect::manifest) batch: Option<Spanned<usize>>,
    pub(in crate::connect::manifest) page: Option<Spanned<RawPage>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawLimits {
    pub(in crate::connect::manifest) per_second: Option<Spanned<f64>>,
    pub(in crate::connect::manifest) concurrent: Option<Spanned<u32>>,
    pub(in crate::connect::manifest) wait: Option<Spanned<String>>,
    pub(in crate::connect::manifest) wait_body: Option<RawWait>,
    pub(in crate::connect::manifest) wait_header: Option<RawWaitHeader>,
    pub(in crate::connect::manifest) busy: Option<RawBusy>,
    pub(in crate::connect::manifest) message: Option<Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawWait {
    pub(in crate::connect::manifest) path: Spanned<String>,
    pub(in crate::connect::manifest) unit: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawWaitHeader {
    pub(in crate::connect::manifest) name: Spanned<String>,
    pub(in crate::connect::manifest) path: Option<Spanned<String>>,
    pub(in crate::connect::manifest) unit: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawBusy {
    pub(in crate::connect::manifest) name: Spanned<String>,
    pub(in crate::connect::manifest) path: Option<Spanned<String>>,
    pub(in crate::connect::manifest) percent: Option<Spanned<u8>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawError {
    #[serde(default)]
    pub(in crate::connect::manifest) status: Vec<u16>,
    #[serde(default)]
    pub(in crate::connect::manifest) all: Vec<Spanned<RawCondition>>,
    pub(in crate::connect::manifest) path: Option<Spanned<String>>,
    pub(in crate::connect::manifest) r#in: Option<Spanned<Vec<toml::Value>>>,
    pub(in crate::connect::manifest) not_in: Option<Spanned<Vec<toml::Value>>>,
    pub(in crate::connect::manifest) text: Option<Spanned<String>>,
    pub(in crate::connect::manifest) then: Spanned<String>,
    pub(in crate::connect::manifest) wait: Option<Spanned<String>>,
    pub(in crate::connect::manifest) says: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawCondition {
    pub(in crate::connect::manifest) path: Spanned<String>,
    pub(in crate::connect::manifest) r#in: Option<Spanned<Vec<toml::Value>>>,
    pub(in crate::connect::manifest) not_in: Option<Spanned<Vec<toml::Value>>>,
    pub(in crate::connect::manifest) text: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawRows {
    pub(in crate::connect::manifest) each: Spanned<String>,
    #[serde(default)]
    pub(in crate::connect::manifest) only: Vec<Spanned<RawOnly>>,
    pub(in crate::connect::manifest) none_if: Option<Spanned<String>>,
    pub(in crate::connect::manifest) id: Option<Spanned<toml::Value>>,
    pub(in crate::connect::manifest) day: Spanned<toml::Value>,
    pub(in crate::connect::manifest) arm: Spanned<toml::Value>,
    pub(in crate::connect::manifest) full_at: Option<Spanned<u64>>,
    pub(in crate::connect::manifest) newest_first: Option<Spanned<bool>>,
    pub(in crate::connect::manifest) lines: Option<Spanned<bool>>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawOnly {
    pub(in crate::connect::manifest) path: Spanned<String>,
    pub(in crate::connect::manifest) r#in: Option<Spanned<Vec<toml::Value>>>,
    pub(in crate::connect::manifest) not_in: Option<Spanned<Vec<toml::Value>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawMetric {
    /// A path, or a list of paths to be added.
    pub(in crate::connect::manifest) sum: Option<Spanned<toml::Value>>,
    pub(in crate::connect::manifest) money: Option<Spanned<String>>,
    pub(in crate::connect::manifest) micros: Option<Spanned<String>>,
    pub(in crate::connect::manifest) count: Option<Spanned<bool>>,
    pub(in crate::connect::manifest) currency: Option<Spanned<String>>,
    pub(in crate::connect::manifest) absent: Option<Spanned<i64>>,
    pub(in crate::connect::manifest) empty: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    pub(in crate::connect::manifest) exponent: bool,
    #[serde(default)]
    pub(in crate::connect::manifest) fractional: bool,
}

/// What the numbers mean, for people.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawFacts {
    pub(in crate::connect::manifest) clicks: Option<Spanned<String>>,
    pub(in crate::connect::manifest) conversions: Option<Spanned<String>>,
    pub(in crate::connect::manifest) attribution: Option<Spanned<String>>,
    pub(in crate::connect::manifest) left_out: Option<Spanned<String>>,
    pub(in crate::connect::manifest) as_of: Option<Spanned<String>>,
    pub(in crate::connect::manifest) version: Option<Spanned<String>>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawResponse {
    /// A path, or several of which only all together tell acts apart: `{ join = […] }`.
    pub(in crate::connect::manifest) id: Spanned<toml::Value>,
    pub(in crate::connect::manifest) person: Option<Spanned<toml::Value>>,
    pub(in crate::connect::manifest) depth: Spanned<String>,
    pub(in crate::connect::manifest) answer: Option<Spanned<toml::Value>>,
    #[serde(default)]
    pub(in crate::connect::manifest) void: BTreeMap<Spanned<String>, Spanned<RawOnly>>,
}

/// Deliveries that the vendor sends by itself. What is not said is as in `[rows]` and `[response]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawInbound {
    pub(in crate::connect::manifest) scheme: Spanned<String>,
    pub(in crate::connect::manifest) event: Option<Spanned<RawEvent>>,
    pub(in crate::connect::manifest) act: Option<Spanned<String>>,
    pub(in crate::connect::manifest) silent_days: Option<Spanned<u32>>,
    pub(in crate::connect::manifest) id: Option<Spanned<String>>,
    pub(in crate::connect::manifest) only: Option<Vec<Spanned<RawOnly>>>,
    pub(in crate::connect::manifest) void: Option<BTreeMap<Spanned<String>, Spanned<RawOnly>>>,
}

/// What a delivery must be about to bring an act.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawEvent {
    pub(in crate::connect::manifest) path: Spanned<String>,
    pub(in crate::connect::manifest) r#in: Spanned<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connect::manifest) struct RawExample {
    pub(in crate::connect::manifest) delivery: Option<String>,
    pub(in crate::connect::manifest) page: Option<String>,
    pub(in crate::connect::manifest) pages: Option<Spanned<Vec<String>>>,
    pub(in crate::connect::manifest) status: Option<Spanned<u16>>,
    #[serde(default)]
    pub(in crate::connect::manifest) settings: BTreeMap<Spanned<String>, String>,
    pub(in crate::connect::manifest) expect: Option<Vec<BTreeMap<String, toml::Value>>>,
    pub(in crate::connect::manifest) then: Option<Spanned<String>>,
}
