//! Whom a vendor's key belongs to: an arm, another test, or nobody. Exact keys first, then patterns.

use std::collections::{BTreeSet, HashMap};

use crate::domain::concept::{Arm, Experiment, Source};
use crate::domain::id::SourceId;
use crate::domain::pattern;

/// Whom a vendor's key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The arm at this position.
    Arm(usize),
    /// Another experiment, or set aside by the user.
    Elsewhere,
}

/// Which arm a vendor's key belongs to.
pub struct ArmKeys<'a> {
    exact: HashMap<(&'a SourceId, &'a str), Owner>,
    patterns: HashMap<&'a SourceId, Vec<(&'a str, Owner)>>,
}

impl<'a> ArmKeys<'a> {
    /// The keys of all arms, the control's too; an exact key claimed twice belongs to the first.
    pub fn of(arms: &'a [Arm], sources: &'a [Source]) -> Self {
        let mut owners = Self { exact: HashMap::new(), patterns: HashMap::new() };
        for (position, arm) in arms.iter().enumerate() {
            for (source, keys) in &arm.keys {
                for key in keys {
                    owners.claim(source, key, Owner::Arm(position));
                }
            }
        }
        for source in sources {
            for key in &source.set_aside {
                owners.claim(&source.id, key, Owner::Elsewhere);
            }
        }
        owners
    }

    fn claim(&mut self, source: &'a SourceId, key: &'a str, owner: Owner) {
        if pattern::is_pattern(key) {
            self.patterns.entry(source).or_default().push((key, owner));
        } else {
            self.exact.entry((source, key)).or_insert(owner);
        }
    }

    /// Whom a key of a source belongs to; `None` where nobody claims it, or patterns of two arms do.
    pub fn owner(&self, source: &SourceId, key: &str) -> Option<Owner> {
        self.exact.get(&(source, key)).copied().or_else(|| match self.by_pattern(source, key) {
            (1, first) => first,
            _ => None,
        })
    }

    /// Whether a key belongs to nobody because patterns of two arms fit it.
    pub fn is_disputed(&self, source: &SourceId, key: &str) -> bool {
        !self.exact.contains_key(&(source, key)) && self.by_pattern(source, key).0 > 1
    }

    /// How many owners' patterns fit a key, and the first of them. An arm's wins over what is set aside.
    fn by_pattern(&self, source: &SourceId, key: &str) -> (usize, Option<Owner>) {
        let all = self.patterns.get(source).into_iter().flatten();
        let mut owners: BTreeSet<Owner> =
            all.filter(|(pattern, _)| pattern::fits(pattern, key)).map(|(_, owner)| *owner).collect();
        if owners.len() > 1 {
            owners.remove(&Owner::Elsewhere);
        }
        (owners.len(), owners.first().copied())
    }

    /// Position of the arm that claims a key of a source.
    pub fn arm(&self, source: &SourceId, key: &str) -> Option<usize> {
        match self.owner(source, key) {
            Some(Owner::Arm(position)) => Some(position),
            Some(Owner::Elsewhere) | None => None,
        }
    }
}

/// Keys as `source: key`, those that patterns of two arms fit with a word about it.
pub fn disputed_named(experiment: &Experiment, keys: &[String]) -> Vec<String> {
    let owners = ArmKeys::of(&experiment.arms, &experiment.sources);
    let named = |text: &String| match text.split_once(": ") {
        Some((source, key)) if owners.is_disputed(&SourceId::new(source), key) => {
            format!("{text}, which patterns of two arms fit")
        }
        _ => text.clone(),
    };
    keys.iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::ArmId;

    fn arm(name: &str, keys: &[&str]) -> Arm {
        Arm {
            id: ArmId::new(name),
            title: name.into(),
            control: name == "b",
            keys: [(SourceId::new("ads"), keys.iter().map(|&key| key.to_owned()).collect())].into(),
            price: None,
            until: None,
        }
    }

    #[test]
    fn a_key_claimed_twice_belongs_to_the_first_arm() {
        let source = SourceId::new("ads");
        let arms = [arm("a", &["shared", "a"]), arm("b", &["shared", "b"])];
        let keys = ArmKeys::of(&arms, &[]);
        assert_eq!(["shared", "a", "b", "c"].map(|key| keys.arm(&source, key)), [Some(0), Some(0), Some(1), None]);
        assert_eq!(keys.arm(&SourceId::new("form"), "a"), None);
    }

    #[test]
    fn an_exact_key_wins_over_patterns_and_two_patterns_leave_it_to_nobody() {
        let ads = SourceId::new("ads");
        let arms = [arm("a", &["cats-*", "*-a"]), arm("b", &["cats-b", "*-de"])];
        let source = Source {
            id: ads.clone(),
            connector: "ads".into(),
            channel: None,
            maturity_lag_days: 0,
            metrics: vec![],
            people: None,
            depth: None,
            fractional: vec![],
            scheduled: true,
            set_aside: ["cats-old".to_owned(), "*-brand".to_owned(), "*cats-at*".to_owned()].into(),
            accept_shrink: None,
        };
        let sources = [source];
        let keys = ArmKeys::of(&arms, &sources);
        for (key, owner) in [
            ("cats-fr", Some(Owner::Arm(0))),
            ("cats-a", Some(Owner::Arm(0))),
            ("cats-b", Some(Owner::Arm(1))),
            ("dogs-de", Some(Owner::Arm(1))),
            ("cats-old", Some(Owner::Elsewhere)),
            ("dogs-brand", Some(Owner::Elsewhere)),
            ("cats-at", Some(Owner::Arm(0))),
            ("cats-de", None),
            ("dogs", None),
        ] {
            assert_eq!(keys.owner(&ads, key), owner, "{key}");
        }
        assert!(
            keys.is_disputed(&ads, "cats-de") && !keys.is_disputed(&ads, "dogs") && !keys.is_disputed(&ads, "cats-b")
        );
        assert_eq!(keys.owner(&SourceId::new("form"), "cats-fr"), None, "a pattern is one source's");
    }
}
