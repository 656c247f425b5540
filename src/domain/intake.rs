//! What may be kept of the people a source hands over: only what the user named. What a connector reads and the store
//! keeps beside a keyed hash is said here, and nowhere else.

/// What a source's user asked to be kept of people's acts, and which addresses are their own trials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intake {
    /// Answers that are kept, in order of name.
    pub answers: Vec<Question>,
    /// Addresses with which the user's own people try the form, as patterns in small letters.
    pub test_addresses: Vec<String>,
    /// Domains of throwaway addresses besides those this program knows, in small letters.
    pub disposable: Vec<String>,
}

/// One answer that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What rules call it.
    pub name: String,
    /// What the form calls it.
    pub asked_as: String,
    /// Free text: kept apart from the acts and for a limited time, read for themes, and never part of a test.
    pub is_free_text: bool,
}
