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
    /// A meeting was booked, and not called off.
    Booking,
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
    pub const ALL: [Self; 9] = [
        Self::Click,
        Self::Email,
        Self::VerifiedEmail,
        Self::QualifiedSignup,
        Self::Booking,
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
            Self::Booking => "booking",
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

/// Keyed hash of the domain of a person's address: tells colleagues, never printed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainHash(String);

impl DomainHash {
    /// Takes the hash in hex, made by the store with the store's key.
    pub fn from_hex(hex: String) -> Self {
        Self(hex)
    }

    /// The hash in hex, for the store.
    pub fn as_hex(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DomainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DomainHash(…)")
    }
}

/// What a person's address said when it was read, before it was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// From a service that gives addresses out for minutes.
    Disposable,
    /// Made up to try the form.
    Test,
}

impl Mark {
    /// Every mark.
    pub const ALL: [Self; 2] = [Self::Disposable, Self::Test];

    /// Its name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disposable => "disposable",
            Self::Test => "test",
        }
    }

    /// Finds a mark by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mark| mark.name() == name)
    }
}

/// Why an act no longer stands. The person did it all the same, and left their details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Void {
    /// All that was paid was paid back.
    Refunded,
    /// A booking was called off, or moved: another act stands in its place.
    Canceled,
    /// Nobody came to the booking.
    NoShow,
}

impl Void {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Refunded, Self::Canceled, Self::NoShow];

    /// Its name in manifests and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refunded => "refunded",
            Self::Canceled => "canceled",
            Self::NoShow => "no_show",
        }
    }

    /// Finds a reason by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|void| void.name() == name)
    }
}

/// What a person answered, by the names that rules call the questions, in order of name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers(Vec<(Box<str>, Box<str>)>);

impl Answers {
    /// The answer to a question.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, answer)| answer)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, answer)| (&**name, &**answer))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: AsRef<str>, A: AsRef<str>> FromIterator<(N, A)> for Answers {
    fn from_iter<I: IntoIterator<Item = (N, A)>>(answers: I) -> Self {
        let mut all: Vec<(Box<str>, Box<str>)> =
            answers.into_iter().map(|(name, answer)| (name.as_ref().into(), answer.as_ref().into())).collect();
        all.sort();
        Self(all)
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
    /// The domain of their address, where it is one.
    pub domain: Option<DomainHash>,
    /// What the address said.
    pub mark: Option<Mark>,
    /// How deep the act goes.
    pub depth: Depth,
    /// Why it no longer stands, where it does not.
    pub void: Option<Void>,
    /// What tells the arm, empty where nothing does.
    pub arm_key: String,
    /// What the person answered, of what the user asked to be kept.
    pub answers: Answers,
    /// When it was done.
    pub at: DateTime<Utc>,
    /// The pull that last changed it.
    pub pull_id: i64,
}

/// What one person wrote freely. Whose words they are is not known here.
#[derive(Clone, PartialEq, Eq)]
pub struct FreeText {
    /// Where it came from.
    pub source: SourceId,
    /// What the user calls the question.
    pub question: String,
    /// What tells the arm, empty where nothing does.
    pub arm_key: String,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// The words: untrusted, and they may name a person.
    pub text: String,
}

impl fmt::Debug for FreeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreeText").field("source", &self.source).field("at", &self.at).finish_non_exhaustive()
    }
}
