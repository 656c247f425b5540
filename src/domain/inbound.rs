//! Deliveries that vendors send by themselves: by which signature one is known, and with what secrets. Reading and keeping
//! them is `inbound`'s business.

use secrecy::SecretString;

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
