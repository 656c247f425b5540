//! Campaign keys that no arm claims, and what to write into the configuration about them. Only shows;
//! the file is the user's to change.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::init::list;
use super::output::counted;
use crate::decide::ArmKeys;
use crate::decide::keys::NO_KEY;
use crate::domain::concept::Experiment;
use crate::domain::id::SourceId;
use crate::domain::millionths;
use crate::domain::money::{Currency, Money};
use crate::domain::verdict::{Reason, Scorecard};
use crate::schedule::survey::{Carried, Survey};

/// Those of a source's keys that belong to no arm of any experiment and are not set aside.
pub fn unclaimed<'k>(
    experiments: &[Experiment],
    source: &SourceId,
    keys: impl IntoIterator<Item = &'k str>,
) -> Vec<&'k str> {
    // An experiment counts the keys of the others as set aside, so one that reads the source knows all.
    let Some(experiment) = reading(experiments, source).next() else { return vec![] };
    let owners = ArmKeys::of(&experiment.arms, &experiment.sources);
    keys.into_iter().filter(|key| owners.owner(source, key).is_none()).collect()
}

/// A key that no arm claims, with what it carries.
#[derive(Debug, Serialize)]
pub struct Unclaimed {
    /// Empty for rows without a key.
    key: String,
    rows: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    spend: Option<Spend>,
}

#[derive(Debug, Serialize)]
struct Spend {
    amount: String,
    currency: Option<String>,
    #[serde(skip)]
    shown: String,
}

/// How many keys are shown; in JSON all of them are.
const SHOWN: usize = 10;

/// Those of a survey that belong to no arm, most money first, then most rows.
pub fn unclaimed_of(
    experiments: &[Experiment],
    source: &SourceId,
    survey: &Survey,
    currency: Option<Currency>,
) -> Vec<Unclaimed> {
    let mut largest = unclaimed(experiments, source, survey.keys());
    largest.sort_by_key(|key| {
        let Carried { rows, spend } = survey.carried(key);
        Reverse((spend, rows))
    });
    let spend = |micros: i64| Spend {
        amount: millionths::print(micros),
        currency: currency.map(|currency| currency.code()),
        shown: currency.map_or_else(|| millionths::print(micros), |currency| Money { micros, currency }.to_string()),
    };
    largest
        .into_iter()
        .map(|key| (key, survey.carried(key)))
        .map(|(key, carried)| Unclaimed {
            key: key.to_owned(),
            rows: carried.rows,
            spend: (carried.spend > 0).then(|| spend(carried.spend)),
        })
        .collect()
}

/// What unclaimed keys carry, and the lines to add for them; nothing where there are none.
pub fn shown(experiments: &[Experiment], source: &SourceId, unclaimed: &[Unclaimed]) -> Option<String> {
    unclaimed.first()?;
    let mut lines: Vec<String> = unclaimed
        .iter()
        .take(SHOWN)
        .map(|Unclaimed { key, rows, spend }| {
            let key = if key.is_empty() { NO_KEY } else { key };
            let spend = spend.as_ref().map_or_else(String::new, |spend| format!(", {}", spend.shown));
            format!("{key}: no version (arm) yet, so it does not count ({}{spend})", counted(*rows, "row"))
        })
        .collect();
    if unclaimed.len() > SHOWN {
        lines.push(format!("and {} more (--json names all)", unclaimed.len() - SHOWN));
    }
    let named: Vec<&str> =
        unclaimed.iter().take(SHOWN).map(|one| one.key.as_str()).filter(|key| !key.is_empty()).collect();
    if !named.is_empty() {
        lines.push(lines_to_add(experiments, source, &named));
    }
    Some(lines.join("\n"))
}

/// The lines of the configuration that give keys of a source to an arm, or set them aside.
pub fn lines_to_add(experiments: &[Experiment], source: &SourceId, keys: &[&str]) -> String {
    let new: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
    let arms: Vec<_> = reading(experiments, source)
        .flat_map(|experiment| experiment.arms.iter().map(move |arm| (&experiment.concept.id, arm)))
        .collect();
    let to_arms = if let [(concept, arm)] = arms[..] {
        let mut claimed = arm.keys.clone();
        claimed.entry(source.clone()).or_default().extend(new.iter().cloned());
        let claimed: Vec<String> = claimed.iter().map(|(source, keys)| format!("{source} = {}", list(keys))).collect();
        format!("  [experiment.{concept}.arm.{}]\n  keys = {{ {} }}", arm.id, claimed.join(", "))
    } else {
        let tables: Vec<String> =
            arms.iter().map(|(concept, arm)| format!("[experiment.{concept}.arm.{}]", arm.id)).collect();
        format!("  {source} = {}\n  in the keys of {}", list(&new), tables.join(" or "))
    };
    format!(
        "In the configuration, give those that advertise a concept to the version (arm) they show:\n{to_arms}\n\
         and list those that have no part in any test under their source:\n  [source.{source}]\n  set_aside = {}",
        list(&new)
    )
}

/// How to mend a verdict that is blocked by keys no arm claims; nothing for any other.
pub fn mending(experiments: &[Experiment], card: &Scorecard) -> Option<String> {
    let mut unclaimed: BTreeMap<SourceId, BTreeSet<&str>> = BTreeMap::new();
    for why in &card.reasons {
        let (Reason::UnmappedSpend { keys, .. } | Reason::UnmappedActs { keys, .. }) = why else { continue };
        // A reason names a key as `source: key`; names of sources hold no colon.
        for (source, key) in keys.iter().filter_map(|key| key.split_once(": ")) {
            unclaimed.entry(SourceId::new(source)).or_default().insert(key);
        }
    }
    let parts: Vec<String> = unclaimed
        .iter()
        .map(|(source, keys)| (source, self::unclaimed(experiments, source, keys.iter().copied())))
        .filter(|(_, keys)| !keys.is_empty() && *keys != [NO_KEY])
        .map(|(source, keys)| lines_to_add(experiments, source, &keys))
        .collect();
    (!parts.is_empty()).then(|| parts.join("\n"))
}

fn reading<'a>(experiments: &'a [Experiment], source: &'a SourceId) -> impl Iterator<Item = &'a Experiment> {
    experiments.iter().filter(move |experiment| experiment.sources.iter().any(|read| &read.id == source))
}
