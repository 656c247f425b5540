//! Whom a vendor's key belongs to: an arm, another test, or nobody. Exact keys first, then patterns.

use std::collections::{BTreeMap, BTreeSet};

use super::figures::{self, quoted};
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
    by_source: BTreeMap<&'a SourceId, Keys<'a>>,
}

/// The keys of one source.
#[derive(Default)]
pub struct Keys<'a> {
    /// In order of key, each once.
    exact: Vec<(&'a str, Owner)>,
    patterns: Vec<(&'a str, Owner)>,
}

impl<'a> ArmKeys<'a> {
    /// The keys of all arms, the control's too; an exact key claimed twice belongs to the first.
    pub fn of(arms: &'a [Arm], sources: &'a [Source]) -> Self {
        let mut by_source: BTreeMap<&SourceId, Keys<'_>> = BTreeMap::new();
        for (position, arm) in arms.iter().enumerate() {
            for (source, keys) in &arm.keys {
                by_source.entry(source).or_default().claim(keys, Owner::Arm(position));
            }
        }
        for source in sources {
            by_source.entry(&source.id).or_default().claim(&source.set_aside, Owner::Elsewhere);
        }
        for keys in by_source.values_mut() {
            // Stable, so that the first claim stays.
            keys.exact.sort_by_key(|(key, _)| *key);
            keys.exact.dedup_by_key(|(key, _)| *key);
        }
        Self { by_source }
    }

    /// Whom a key of a source belongs to; `None` where nobody claims it, or patterns of two arms do.
    pub fn owner(&self, source: &SourceId, key: &str) -> Option<Owner> {
        self.of_source(source)?.owner(key)
    }

    /// The keys of a source; `None` where nobody claims any.
    pub fn of_source(&self, source: &SourceId) -> Option<&Keys<'a>> {
        self.by_source.get(source)
    }

    /// Whether a key belongs to nobody because patterns of two arms fit it.
    pub fn is_disputed(&self, source: &SourceId, key: &str) -> bool {
        self.by_source.get(source).is_some_and(|keys| keys.exact(key).is_none() && keys.by_pattern(key).0 > 1)
    }

    /// Position of the arm that claims a key of a source.
    pub fn arm(&self, source: &SourceId, key: &str) -> Option<usize> {
        match self.owner(source, key) {
            Some(Owner::Arm(position)) => Some(position),
            Some(Owner::Elsewhere) | None => None,
        }
    }
}

impl<'a> Keys<'a> {
    fn claim(&mut self, keys: impl IntoIterator<Item = &'a String>, owner: Owner) {
        for key in keys {
            let kind = if pattern::is_pattern(key) { &mut self.patterns } else { &mut self.exact };
            kind.push((key, owner));
        }
    }

    /// Whom a key belongs to: see [`ArmKeys::owner`].
    pub fn owner(&self, key: &str) -> Option<Owner> {
        self.exact(key).or_else(|| match self.by_pattern(key) {
            (1, first) => first,
            _ => None,
        })
    }

    fn exact(&self, key: &str) -> Option<Owner> {
        self.exact.binary_search_by_key(&key, |(claimed, _)| *claimed).ok().map(|position| self.exact[position].1)
    }

    /// How many owners' patterns fit a key, and the first of them. An arm's wins over what is set aside.
    fn by_pattern(&self, key: &str) -> (usize, Option<Owner>) {
        let fitting = self.patterns.iter().filter(|(pattern, _)| pattern::fits(pattern, key));
        let mut owners: BTreeSet<Owner> = fitting.map(|(_, owner)| *owner).collect();
        if owners.len() > 1 {
            owners.remove(&Owner::Elsewhere);
        }
        (owners.len(), owners.first().copied())
    }
}

/// What a reason calls an empty key.
pub const NO_KEY: &str = "no key";

/// Keys that a reason keeps as `source: key`, for a reader: `"7003" of source "ads"`, those that patterns of two arms fit
/// with a word about it.
pub fn named(experiment: &Experiment, keys: &[String]) -> Vec<String> {
    let owners = ArmKeys::of(&experiment.arms, &experiment.sources);
    let named = |text: &String| {
        let Some((source, key)) = text.split_once(": ") else { return text.clone() };
        let of_source = format!("of source {}", quoted(source));
        if key == NO_KEY {
            return format!("one without a name {of_source}");
        }
        let disputed = owners.is_disputed(&SourceId::new(source), key);
        format!("{} {of_source}{}", quoted(key), if disputed { ", which patterns of two versions fit" } else { "" })
    };
    keys.iter().map(named).collect()
}

/// Those of them that the configuration can name.
pub fn with_a_name(keys: &[String]) -> Vec<String> {
    let has_name = |text: &&String| text.split_once(": ").is_none_or(|(_, key)| key != NO_KEY);
    keys.iter().filter(has_name).cloned().collect()
}

/// Whether any key is one that the configuration can name.
pub fn can_be_named(keys: &[String]) -> bool {
    !with_a_name(keys).is_empty()
}

/// What to write into the configuration for keys that a reason keeps, so that they count or are set aside; what is to be written
/// stands alone, to be copied.
pub fn to_write<'k>(experiment: &Experiment, keys: impl IntoIterator<Item = &'k String>) -> Vec<String> {
    let mut by_source: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (source, key) in keys.into_iter().filter_map(|text| text.split_once(": ")).filter(|(_, key)| *key != NO_KEY) {
        by_source.entry(source).or_default().insert(key);
    }
    by_source.into_iter().flat_map(|(source, keys)| of_source(experiment, &SourceId::new(source), &keys)).collect()
}

/// What to delete so that no version counts what these sources bring.
pub fn without(experiment: &Experiment, sources: &[SourceId]) -> String {
    let claims = |arm: &&Arm| sources.iter().any(|source| arm.keys.contains_key(source));
    let of_arm = |arm: &Arm| format!("`[experiment.{}.arm.{}]`", experiment.concept.id, arm.id);
    let tables: Vec<String> = experiment.arms.iter().filter(claims).map(of_arm).collect();
    if tables.is_empty() {
        let named = figures::list(&sources.iter().map(|source| format!("`\"{source}\"`")).collect::<Vec<_>>());
        return format!("delete {named} from the line `sources` under `[experiment.{}]`", experiment.concept.id);
    }
    let named = figures::list(&sources.iter().map(|source| format!("`{source} = …`")).collect::<Vec<_>>());
    format!("delete {named} from the line `keys` under {}", figures::list(&tables))
}

/// `If "7003" of source "ads" belongs to Plan a, change the line `keys` under `[…]` in the configuration file to:`, and the
/// line.
fn of_source(experiment: &Experiment, source: &SourceId, keys: &BTreeSet<&str>) -> Vec<String> {
    let array = |keys: &[&str]| toml::Value::from(keys.to_vec()).to_string();
    let (belongs, they_have) = if keys.len() == 1 { ("belongs", "it has") } else { ("belong", "they have") };
    let named = figures::list(&keys.iter().map(quoted).collect::<Vec<_>>());
    let mut lines = Vec::new();
    for arm in experiment.arms.iter().filter(|arm| arm.until.is_none()) {
        let mut claimed: BTreeMap<&SourceId, Vec<&str>> =
            arm.keys.iter().map(|(source, keys)| (source, keys.iter().map(String::as_str).collect())).collect();
        claimed.entry(source).or_default().extend(keys);
        let claimed: Vec<String> =
            claimed.into_iter().map(|(source, keys)| format!("{source} = {}", array(&keys))).collect();
        let table = format!("`[experiment.{}.arm.{}]` in the configuration file", experiment.concept.id, arm.id);
        // A table that has a line twice is none.
        let write = if arm.keys.is_empty() {
            format!("write under {table}")
        } else {
            format!("change the line `keys` under {table} to")
        };
        lines.push(format!("If {named} of source {} {belongs} to {}, {write}:", quoted(source), arm.title));
        lines.push(format!("keys = {{ {} }}", claimed.join(", ")));
    }
    let has_some = |one: &Source| one.id == *source && !one.set_aside.is_empty();
    let table = format!("`[source.{source}]`");
    let write = if experiment.sources.iter().any(has_some) {
        format!("add to the line `set_aside` under {table}, or begin it")
    } else {
        format!("write under {table}")
    };
    lines.push(format!("If {they_have} no part in any test, {write}:"));
    lines.push(format!("set_aside = {}", array(&keys.iter().copied().collect::<Vec<_>>())));
    if keys.len() > 1 {
        lines.push("If one belongs here and another there, write each only where it belongs.".to_owned());
    }
    lines
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
            leave_out: [].into(),
            people: None,
            depth: None,
            nameless: false,
            names_apart: false,
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
