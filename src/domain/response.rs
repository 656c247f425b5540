//! One person's act: a sign-up, a demo, a deposit. People are known by keyed hashes only.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::id::SourceId;

/// How much an act costs the person, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// A click.
    Click,
    /// An e-mail address was left.
    Email,
    /// The address was verified.
    VerifiedEmail,
    /// A verified address, counted once per person, inside the ICP rule.
    QualifiedSignup,
    /// A demo took place.
    Demo,
    /// A card was saved.
    Card,
    /// Money was paid towards the product and not refunded.
    Deposit,
    /// The product was ordered.
    Order,
}

impl Depth {
    /// Every depth, least first.
    pub const ALL: [Self; 8] = [
        Self::Click,
        Self::Email,
        Self::VerifiedEmail,
        Self::QualifiedSignup,
        Self::Demo,
        Self::Card,
        Self::Deposit,
        Self::Order,
    ];

    /// Its name in manifests and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::Email => "email",
            Self::VerifiedEmail => "verified_email",
            Self::QualifiedSignup => "qualified_signup",
            Self::Demo => "demo",
            Self::Card => "card",
            Self::Deposit => "deposit",
            Self::Order => "order",
        }
    }

    /// Finds a depth by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|depth| depth.name() == name)
    }
}

/// Keyed hash of a person's normalised address: still personal data, never printed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonHash(String);

impl PersonHash {
    /// Takes the hash in hex, made by the store with the store's key.
    pub fn from_hex(hex: String) -> Self {
        Self(hex)
    }

    /// The hash in hex, for the store.
    pub fn as_hex(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonHash(…)")
    }
}

/// One person's act as last known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Where it came from.
    pub source: SourceId,
    /// The vendor's id: the same act twice counts once.
    pub response_id: String,
    /// Who, where the form knows.
    pub person: Option<PersonHash>,
    /// How deep the act goes.
    pub depth: Depth,
    /// What tells the arm, empty where nothing does.
    pub arm_key: String,
    /// When it was done.
    pub at: DateTime<Utc>,
    /// The pull that last changed it.
    pub pull_id: i64,
}
