//! Deliveries that vendors send by themselves: by which signature one is known, and with what secrets. Reading and keeping
//! them is `inbound`'s business.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chrono::{DateTime, NaiveDate, Utc};
use secrecy::{ExposeSecret, SecretString};

use super::id::SourceId;

/// Fewest characters of a secret that stands in an address: at 6 bits each, 144 bits.
const SHORTEST_IN_PATH: usize = 24;

/// People copy secrets without their padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How a sender proves that a delivery is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `Typeform-Signature`: of the body.
    Typeform,
    /// `X-HubSpot-Signature-v3`: of method, address, body and time.
    Hubspot,
    /// `Tally-Signature`: of the body.
    Tally,
    /// `Calendly-Webhook-Signature`: of time and body.
    Calendly,
    /// `Stripe-Signature`: of time and body.
    Stripe,
    /// Standard Webhooks 1.0.0, `v1`: of id, time and body.
    Standard,
    /// Nothing is signed: the last part of the address is the secret, and nothing the body says is believed.
    Path,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 7] =
        [Self::Typeform, Self::Hubspot, Self::Tally, Self::Calendly, Self::Stripe, Self::Standard, Self::Path];

    /// Its name in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Typeform => "typeform",
            Self::Hubspot => "hubspot",
            Self::Tally => "tally",
            Self::Calendly => "calendly",
            Self::Stripe => "stripe",
            Self::Standard => "standard",
            Self::Path => "path",
        }
    }

    /// The key that a secret stands for.
    ///
    /// # Errors
    /// What the secret must be, where it is not.
    pub fn key(self, secret: &SecretString) -> Result<Vec<u8>, &'static str> {
        let text = secret.expose_secret();
        match self {
            Self::Standard => {
                let bytes = BASE64.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok();
                let bytes = bytes.filter(|bytes| (24..=64).contains(&bytes.len()));
                bytes.ok_or("it must be whsec_ and 24 to 64 bytes in base64: copy it whole")
            }
            Self::Path => {
                let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
                let is_secret = is_plain && text.len() >= SHORTEST_IN_PATH;
                is_secret.then(|| text.into()).ok_or(
                    "it stands in an address, so it must be 24 or more of A to Z, a to z, 0 to 9, - and _: openssl rand -hex 24",
                )
            }
            _ if text.is_empty() => Err("it must not be empty"),
            _ => Ok(text.into()),
        }
    }

    /// Whether the address that the sender calls is signed, so that it must be known.
    pub fn signs_address(self) -> bool {
        self == Self::Hubspot
    }

    /// Whether the signature says when it was made. Where it does not, an old delivery passes as a new one for ever.
    pub fn signs_time(self) -> bool {
        matches!(self, Self::Hubspot | Self::Calendly | Self::Stripe | Self::Standard)
    }

    /// Finds a scheme by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == name)
    }
}

/// What deliveries of one source are checked with.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// By which rule.
    pub scheme: Scheme,
    /// One, or while a secret is exchanged two: a delivery must fit one of them.
    pub secrets: Vec<SecretString>,
}

/// When the vendor of each source last told of something new that only a reading can bring: one entry a source, however
/// much is sent.
pub type Told = BTreeMap<SourceId, DateTime<Utc>>;

/// What came from a sender that cannot be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The days, of UTC and in order, on which something came that could be read.
    pub days: Vec<NaiveDate>,
    /// The first day on which something came that could not be read, and has not come again since.
    pub unread: Option<NaiveDate>,
}

/// Where deliveries are listened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Address and port.
    pub address: SocketAddr,
    /// How senders call it, without a slash at its end: scheme, host, and what a proxy takes away before `/in/`.
    pub public_url: Option<String>,
    /// Largest body, in bytes.
    pub body_limit: usize,
}

impl Listen {
    /// The address that senders call; this machine's own where none was named.
    pub fn url(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.address))
    }
}
