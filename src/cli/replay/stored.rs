//! `replay CONCEPT`: every stored verdict derived again from what it was decided with and what the store knew on its day,
//! and compared with what was stored, byte for byte. Reads one verdict and its data at a time.

use std::path::Path;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::cli::experiment_named;
use crate::cli::output::{Failure, Output, counted, wrapped};
use crate::decide;
use crate::domain::concept::Experiment;
use crate::domain::decision::Setup;
use crate::domain::id::ConceptId;
use crate::domain::money::thousands;
use crate::domain::verdict::{Generation, Scorecard};
use crate::schedule::{portfolio, recall};
use crate::store::{Kept, Store, StoreError};

/// How many stored verdicts could be derived again.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Replayed {
    /// Stored verdicts on the concept.
    pub verdicts: u64,
    /// Those that came out the same, byte for byte.
    pub same: u64,
    /// Of those that did, how many another version of the program had decided.
    pub by_other_versions: u64,
    /// How many were stored without what they were decided with: today's configuration stood in.
    pub without_setup: u64,
    /// The first verdict that came out otherwise.
    pub first_difference: Option<Difference>,
}

/// Where a verdict derived again departs from the stored one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The stored verdict's number.
    pub scorecard: i64,
    /// The instant it speaks for.
    pub as_of: DateTime<Utc>,
    /// The first field that differs, as in JSON: `arms.0.evidence.trials`.
    pub field: String,
    /// What was stored.
    pub stored: Value,
    /// What comes out now.
    pub derived: Value,
    /// The program that decided then.
    pub program_version: String,
    /// Whether today's configuration stood in for what it was decided with.
    pub without_setup: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    concept: &'a str,
    #[serde(flatten)]
    replayed: &'a Replayed,
}

/// Derives every stored verdict on a concept again and says what came of it.
///
/// # Errors
/// When nothing is known of the concept or the store cannot be read.
pub async fn run(concept: &str, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let app = App::open(path).await?;
    let store = &app.parts.store;
    let id = ConceptId::new(concept);
    let experiments = &app.loaded.config.experiments;
    let configured = experiments.iter().find(|experiment| experiment.concept.id == id);
    let Some(latest) = store.latest_scorecard(&id).await? else {
        experiment_named(experiments, concept)?;
        return Err(Failure::general(format!("{concept} has no verdict yet: run `willitsell run --once`")));
    };
    let bar = output.progress(u64::try_from(latest.id).unwrap_or(0), "deriving again");
    let replayed =
        replay(store, &id, configured, |scorecard| bar.set_position(u64::try_from(scorecard).unwrap_or(0))).await?;
    bar.finish_and_clear();
    output.show(&Line { concept, replayed: &replayed }, || text(&replayed));
    app.parts.store.close().await;
    Ok(if replayed.first_difference.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Derives every stored verdict on a concept again; `done` hears of each. `configured` stands in where a verdict was
/// stored without what it was decided with.
///
/// # Errors
/// [`StoreError`].
pub async fn replay(
    store: &Store,
    concept: &ConceptId,
    configured: Option<&Experiment>,
    mut done: impl FnMut(i64),
) -> Result<Replayed, StoreError> {
    let mut replayed = Replayed::default();
    let mut after = 0;
    while let Some(kept) = store.next_kept(concept, after).await? {
        after = kept.id;
        replayed.verdicts += 1;
        let Ok(card) = serde_json::from_str::<Scorecard>(&kept.body) else {
            return Err(StoreError::Unreadable(format!("verdict {} cannot be read", kept.id)));
        };
        let without_setup = kept.basis.setup.is_none();
        replayed.without_setup += u64::from(without_setup);
        let derived = match (&kept.basis.setup, configured) {
            (Some(setup), _) => derive(store, setup, &kept, &card).await?,
            (None, Some(experiment)) => {
                derive(store, &recall::todays_setup(store, experiment, &card).await?, &kept, &card).await?
            }
            (None, None) => None,
        };
        let other_version = card.program_version != env!("CARGO_PKG_VERSION");
        match difference(&kept.body, derived.as_ref()) {
            None => {
                replayed.same += 1;
                replayed.by_other_versions += u64::from(other_version);
            }
            Some((field, stored, derived)) => {
                replayed.first_difference.get_or_insert(Difference {
                    scorecard: kept.id,
                    as_of: card.as_of,
                    field,
                    stored,
                    derived,
                    program_version: card.program_version,
                    without_setup,
                });
            }
        }
        done(kept.id);
    }
    Ok(replayed)
}

/// The verdict as it comes out now, signed as the one it is compared with, and silent on the best version where that one
/// is: those stored before versions were compared do not name it.
async fn derive(store: &Store, setup: &Setup, kept: &Kept, card: &Scorecard) -> Result<Option<Scorecard>, StoreError> {
    let Setup { experiment, generation } = setup;
    let policy_hash = decide::policy_hash(experiment);
    let setup = Setup { experiment: experiment.clone(), generation: Generation { policy_hash, ..generation.clone() } };
    let known = kept.basis.known;
    let mut inputs = recall::inputs(store, &setup, card.as_of, Some(known)).await?;
    let mut derived = recall::derive(&setup, kept.basis.cause, &inputs, card.as_of);
    if derived.as_ref().is_some_and(|derived| portfolio::concerns(&setup, derived)) {
        portfolio::recall(store, &setup, &mut inputs, card.as_of, known).await?;
        derived = recall::derive(&setup, kept.basis.cause, &inputs, card.as_of);
    }
    Ok(derived.map(|derived| Scorecard {
        program_version: card.program_version.clone(),
        best: if card.best.is_empty() { vec![] } else { derived.best },
        ..derived
    }))
}

/// The first field in which a stored verdict and the derived one differ, with both values; `None` where their bytes are
/// the same.
fn difference(stored: &str, derived: Option<&Scorecard>) -> Option<(String, Value, Value)> {
    let derived = derived.and_then(|card| serde_json::to_string(card).ok());
    if derived.as_deref() == Some(stored) {
        return None;
    }
    let read = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    let (stored, derived) = (read(stored), derived.as_deref().map_or(Value::Null, read));
    // Bytes differ although the values do not: the order of fields.
    Some(first_difference("", &stored, &derived).unwrap_or_else(|| ("the order of its fields".into(), stored, derived)))
}

fn first_difference(at: &str, stored: &Value, derived: &Value) -> Option<(String, Value, Value)> {
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let absent = &Value::Null;
    match (stored, derived) {
        (Value::Object(one), Value::Object(other)) => {
            let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
            names.into_iter().find_map(|name| {
                first_difference(&below(name), one.get(name).unwrap_or(absent), other.get(name).unwrap_or(absent))
            })
        }
        (Value::Array(one), Value::Array(other)) => (0..one.len().max(other.len())).find_map(|position| {
            let at = below(&position.to_string());
            first_difference(&at, one.get(position).unwrap_or(absent), other.get(position).unwrap_or(absent))
        }),
        _ if stored == derived => None,
        _ => Some((at.to_owned(), stored.clone(), derived.clone())),
    }
}

fn text(replayed: &Replayed) -> String {
    let Replayed { verdicts, same, by_other_versions, without_setup, first_difference } = replayed;
    let mut lines =
        vec![format!("{} of {} derived again, bit for bit.", thousands(*same), counted(*verdicts, "stored verdict"))];
    if *by_other_versions > 0 {
        lines.push(format!("{} of them another version of willitsell had decided.", thousands(*by_other_versions)));
    }
    if *without_setup > 0 {
        lines.push(format!(
            "{} stored by an older willitsell without the bars, arms and sources of the day: today's configuration stood in.",
            if *without_setup == 1 { "1 was".to_owned() } else { format!("{} were", thousands(*without_setup)) }
        ));
    }
    if let Some(first) = first_difference {
        lines.push(format!(
            "The first that differs is number {}, of {}, in {}: stored {}, now {}.",
            first.scorecard,
            first.as_of.format("%Y-%m-%d %H:%M UTC"),
            if first.field.is_empty() { "the whole verdict" } else { &first.field },
            first.stored,
            first.derived
        ));
        lines.push(if first.program_version != env!("CARGO_PKG_VERSION") {
            format!(
                "willitsell {} decided it; this is {}, whose rules may differ.",
                first.program_version,
                env!("CARGO_PKG_VERSION")
            )
        } else if first.without_setup {
            "The configuration has probably changed since.".to_owned()
        } else {
            "What is stored was changed after it was written, or the program was.".to_owned()
        });
    }
    lines.iter().map(|line| wrapped(line, 0)).collect::<Vec<_>>().join("\n")
}
