//! Judges many concepts anew from the store, 60 days and 3 arms each, with the function that the daemon calls once their
//! sources have answered (`schedule::verdicts::judge`): the test that runs, the verdicts before it, the inputs, the decision,
//! what lies ahead, the messages, the verdict and its setup written down, the end of the run. Beside it, in the same run on
//! a copy of the same file: the same rows read with plain SQLite (counts, pulls, the test, the latest verdict), the rate test as
//! a bare loop, and the same rows written (the test, the setup, the verdict). Both do so many concepts in a transaction: 32, as the daemon does where as many are due, and one,
//! as a run by hand does; both read a source once in each.
//!
//! Told besides: what the decision alone takes, and what judging them all once more costs, now that each has a verdict to
//! be compared with.
//!
//! ```sh
//! cargo bench --bench decide                     # 1,000, 10,000 and 20,000 concepts, a source each
//! cargo bench --bench decide -- 1000 20          # so many concepts, so many to a source
//! cargo bench --bench decide -- 1000 1 256       # so many at once
//! ```
//! On 2 shared cores, 32 at once, in six runs beside other work: 10,000 concepts 250 to 305 µs CPU each, by hand 87 to 107, ratio
//! 2.5 to 3.0, in the middle 2.8, where at most 3 is wanted; 20,000 concepts 268 µs, ratio 2.9. Half of it is on the database's
//! threads, the decision takes 90 to 120 µs.
//!
//! CPU time is that of all threads of the process (from /proc, so Linux only); SQLite runs on threads of its own. The files lie in
//! memory where the system has such a place, so that work is measured and not a disk.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark that cannot go on should say where")]
#![allow(clippy::cast_precision_loss, reason = "thousands of concepts, small counts")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use willitsell::decide::judge::ArmDay;
use willitsell::decide::{self, message};
use willitsell::domain::concept::{
    Arm, Boundary, Concept, Dispersion, Experiment, Model, MoneyInputs, Multiplicity, Policy, Rate, Source,
};
use willitsell::domain::connector::{Facts, RowSink, SourceRow};
use willitsell::domain::decision::Setup;
use willitsell::domain::id::{ArmId, ConceptId, SourceId};
use willitsell::domain::metric::MetricId;
use willitsell::domain::observation::DateWindow;
use willitsell::domain::portfolio::FalseBuildRate;
use willitsell::domain::verdict::{Generation, StoredScorecard};
use willitsell::schedule::recall;
use willitsell::schedule::verdicts::{self, Case};
use willitsell::store::{Slice, Store};

#[allow(dead_code, reason = "the other bench compares arms as well")]
#[path = "looks/by_hand.rs"]
mod by_hand;
use by_hand::{Counts, Loop};

const DAYS: usize = 60;
const ARMS: usize = 3;

fn first_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 5).unwrap()
}

fn as_of() -> DateTime<Utc> {
    (first_day() + Days::new(DAYS as u64 + 2)).and_hms_opt(9, 0, 0).unwrap().and_utc()
}

fn key(concept: usize, arm: usize) -> String {
    format!("{}", 21_900_000_000 + concept * 10 + arm)
}

fn experiment(number: usize, per_source: usize) -> Experiment {
    let source = SourceId::new(format!("ads-{}", number / per_source));
    let arm = |arm: usize| Arm {
        id: ArmId::new(["annual", "monthly", "team"][arm]),
        title: ["Annual", "Monthly", "Team"][arm].to_owned(),
        control: false,
        keys: [(source.clone(), vec![key(number, arm)])].into(),
        price: None,
        until: None,
    };
    let beside = (number - number % per_source..).take(per_source).filter(|&other| other != number);
    let ads = Source {
        id: source.clone(),
        connector: "google_ads".to_owned(),
        channel: None,
        maturity_lag_days: 3,
        metrics: vec![MetricId::IMPRESSIONS, MetricId::CLICKS, MetricId::SPEND, MetricId::CONVERSIONS],
        leave_out: [].into(),
        people: None,
        depth: None,
        nameless: false,
        names_apart: false,
        fractional: vec![],
        scheduled: true,
        set_aside: beside.flat_map(|other| (0..ARMS).map(move |arm| key(other, arm))).collect(),
        accept_shrink: None,
    };
    Experiment {
        concept: Concept {
            id: ConceptId::new(format!("concept-{number}")),
            title: format!("Concept {number}"),
            hypothesis: String::new(),
        },
        schedule: "0 9 * * *".parse().unwrap(),
        timezone: Tz::UTC,
        start: first_day(),
        stop: None,
        arms: (0..ARMS).map(arm).collect(),
        sources: vec![ads],
        notify: vec![],
        audiences: vec![],
        policy: Policy {
            primary: Rate {
                name: "signup".to_owned(),
                numerator: MetricId::CONVERSIONS,
                denominator: MetricId::CLICKS,
            },
            kill_bar: 0.02,
            build_bar: 0.03,
            alpha: 0.05,
            beta: 0.05,
            min_days: 14,
            min_exposures: 300,
            min_conversions: 10,
            maturity_lag_days: 3,
            horizon_days: 90,
            budget_cap: None,
            dispersion: Dispersion::Auto,
            boundary: Boundary::Daily,
            multiplicity: Multiplicity::Bonferroni,
            guardrails: vec![],
            guardrail_alpha: 0.05,
            model: Model::Rate,
            bar_currency: None,
            srm: None,
            icp: vec![],
        },
        money: MoneyInputs::default(),
        false_build_rate: FalseBuildRate::Each,
        day_notes: vec![],
        internal: vec![],
        owner: None,
        decide_within_days: 5,
    }
}

fn days() -> impl Iterator<Item = NaiveDate> {
    first_day().iter_days().take(DAYS)
}

/// 60 days of a source's concepts, 50 to 200 clicks a day and arm, a rate between the bars.
async fn fill(store: &Store, source: usize, concepts: std::ops::Range<usize>) {
    let mut stage = store.stage();
    for concept in concepts {
        for arm in 0..ARMS {
            let key = key(concept, arm);
            for day in days() {
                let mixed = ((concept * 7 + arm) as u64 * 1_000 + u64::from(chrono::Datelike::ordinal(&day)))
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let [clicks, acts] = [50 + (mixed >> 40) % 150, (mixed >> 20) % 6].map(u64::cast_signed);
                let values = [
                    (MetricId::IMPRESSIONS, clicks * 40_000_000),
                    (MetricId::CLICKS, clicks * 1_000_000),
                    (MetricId::SPEND, clicks * 812_500),
                    (MetricId::CONVERSIONS, acts * 1_000_000),
                ];
                let row = SourceRow::Counts { arm_key: Some(key.as_str().into()), day, values: &values };
                stage.accept(&[row]).await.unwrap();
            }
        }
    }
    let slice = Slice {
        run_id: "bench".to_owned(),
        source: SourceId::new(format!("ads-{source}")),
        window: DateWindow::new(first_day(), first_day() + Days::new(DAYS as u64 - 1)).unwrap(),
        zone: Tz::UTC,
        currency: None,
        facts: Facts::default(),
        at: as_of(),
        wary: None,
    };
    store.replace_slice(stage, &slice).await.unwrap();
}

/// Judges all concepts as the daemon does, so many at once.
async fn judged(
    store: &Store,
    experiments: &[Experiment],
    at_once: usize,
    as_of: DateTime<Utc>,
) -> Vec<StoredScorecard> {
    let mut written = Vec::new();
    for experiments in experiments.chunks(at_once) {
        let case = |experiment| Case { experiment, as_of, run: "bench", now: as_of, failed: &[] };
        let cases: Vec<Case<'_>> = experiments.iter().map(case).collect();
        let judged = Box::pin(verdicts::judge(store, &cases)).await.unwrap();
        written.extend(judged.into_iter().map(|stored| stored.unwrap().unwrap()));
    }
    written
}

/// Seconds that the decision itself takes for all concepts: no store, no thread but ours.
async fn deciding(store: &Store, experiments: &[Experiment]) -> f64 {
    let mut time = Duration::ZERO;
    for experiment in experiments {
        let generation = Generation::on(None, &decide::policy_hash(experiment), as_of().date_naive(), experiment.start);
        let setup = Setup { experiment: experiment.clone(), generation };
        let inputs = recall::inputs(store, &setup, as_of(), None).await.unwrap();
        let began = Instant::now();
        let (scorecard, outlook) = decide::Counted::of(experiment, &setup.generation, &inputs, as_of()).with_outlook();
        std::hint::black_box(outlook.map(|outlook| message::notices(experiment, &scorecard, &outlook)));
        time += began.elapsed();
    }
    time.as_secs_f64()
}

type Counted = [[[i64; 2]; DAYS]; ARMS];

/// The counts of the concepts of one source, by the number of the concept.
fn read_by_hand(transaction: &rusqlite::Transaction<'_>, source: usize, per_source: usize) -> Vec<Counted> {
    let mut counts = vec![[[[0_i64; 2]; DAYS]; ARMS]; per_source];
    let concepts = source * per_source..(source + 1) * per_source;
    let keys = concepts.flat_map(|concept| (0..ARMS).map(move |arm| (key(concept, arm), (concept % per_source, arm))));
    let keys: HashMap<String, (usize, usize)> = keys.collect();
    let text = "SELECT day, arm_key, clicks, conversions, spend FROM observation \
                WHERE source_id = ?1 AND day BETWEEN ?2 AND ?3";
    let mut rows = transaction.prepare_cached(text).unwrap();
    let mut rows = rows.query((format!("ads-{source}"), first_day().to_string(), "2026-12-31")).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let day: NaiveDate = row.get_ref(0).unwrap().as_str().unwrap().parse().unwrap();
        let Some(&(concept, arm)) = keys.get(row.get_ref(1).unwrap().as_str().unwrap()) else { continue };
        let offset = usize::try_from((day - first_day()).num_days()).unwrap();
        counts[concept][arm][offset] = [row.get(2).unwrap(), row.get(3).unwrap()];
    }
    counts
}

/// What we wrote about one concept.
struct Written {
    stored: StoredScorecard,
    setup: [String; 2],
}

/// What we wrote, read back from our file.
fn written(database: &Path, judged: Vec<StoredScorecard>) -> Vec<Written> {
    let connection = rusqlite::Connection::open(database).unwrap();
    let text = "SELECT setup.hash, setup.body FROM scorecard JOIN setup ON setup.hash = setup WHERE id = ?1";
    let mut query = connection.prepare(text).unwrap();
    let mut setup = |id: i64| query.query_row([id], |row| Ok([row.get(0)?, row.get(1)?])).unwrap();
    judged.into_iter().map(|stored| Written { setup: setup(stored.id), stored }).collect()
}

/// The same rows, the same sums, the same texts, as many concepts in a transaction; a source is read once in each.
fn judged_by_hand(database: &Path, written: &[Written], per_source: usize, at_once: usize) -> u32 {
    let mut connection = rusqlite::Connection::open(database).unwrap();
    connection.execute_batch("PRAGMA synchronous = FULL").unwrap();
    let mut running = Counts::rate(0.02, 0.03, true);
    let mut spoke = 0;
    for (chunk, written) in written.chunks(at_once).enumerate() {
        let transaction = connection.transaction().unwrap();
        let mut source = None;
        for (position, written) in written.iter().enumerate() {
            let number = chunk * at_once + position;
            stands_by_hand(&transaction, written, number / per_source);
            let read = match source.take() {
                Some((read, counts)) if read == number / per_source => (read, counts),
                _ => (number / per_source, read_by_hand(&transaction, number / per_source, per_source)),
            };
            for days in &read.1[number % per_source] {
                running.clear();
                let mut day = ArmDay {
                    day: first_day(),
                    exposures: 0.0,
                    conversions: 0.0,
                    control: [0.0; 2],
                    spend: 0.0,
                    guardrails: vec![],
                };
                let decided = (1..).zip(days).any(|(number, &[clicks, acts])| {
                    let [clicks, acts] = [clicks, acts].map(|millionths| millionths as f64 / 1e6);
                    (day.exposures, day.conversions) = (clicks, acts);
                    running.look(number, &day).0
                });
                spoke += u32::from(decided);
            }
            source = Some(read);
            write_by_hand(&transaction, written);
        }
        transaction.commit().unwrap();
    }
    spoke
}

/// Who read the source's days and when, the test that runs and the latest verdict.
fn stands_by_hand(transaction: &rusqlite::Transaction<'_>, written: &Written, source: usize) {
    let text = "SELECT id, first_day, last_day, currency, day_zone, committed_at, facts FROM pull WHERE source_id = ?1";
    let mut query = transaction.prepare_cached(text).unwrap();
    let pulls = query.query_map([format!("ads-{source}")], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, i64>(5)?))
    });
    let concept = written.stored.scorecard.concept.as_str();
    let text =
        "SELECT number, first_day, policy_hash FROM generation WHERE concept_id = ?1 ORDER BY number DESC LIMIT 1";
    let mut query = transaction.prepare_cached(text).unwrap();
    let begun = query.query_row([concept], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
    let text = "SELECT id, body FROM scorecard WHERE concept_id = ?1 ORDER BY id DESC LIMIT 1";
    let mut query = transaction.prepare_cached(text).unwrap();
    let latest = query.query_row([concept], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
    assert!(pulls.unwrap().all(|pull| pull.is_ok()) && begun.is_err() && latest.is_err());
}

fn write_by_hand(transaction: &rusqlite::Transaction<'_>, Written { stored, setup }: &Written) {
    let scorecard = &stored.scorecard;
    let text = "INSERT INTO generation (concept_id, number, first_day, policy_hash) VALUES (?1, 1, ?2, ?3)";
    let mut write = transaction.prepare_cached(text).unwrap();
    write.execute((scorecard.concept.as_str(), first_day().to_string(), &scorecard.policy_hash)).unwrap();
    let mut write = transaction.prepare_cached("INSERT INTO tested (concept_id) VALUES (?1)").unwrap();
    write.execute([scorecard.concept.as_str()]).unwrap();
    let mut write = transaction.prepare_cached("INSERT INTO setup (hash, body) VALUES (?1, ?2)").unwrap();
    write.execute((&setup[0], &setup[1])).unwrap();
    let text = "INSERT INTO scorecard (id, concept_id, generation, as_of, last_settled_day, verdict, policy_hash, \
                data_hash, program_version, known_at, replaces, body, setup, cause) \
                VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL, ?10, ?11, 'decided')";
    let mut write = transaction.prepare_cached(text).unwrap();
    write
        .execute((
            stored.id,
            scorecard.concept.as_str(),
            scorecard.as_of.timestamp_millis(),
            scorecard.last_settled_day.to_string(),
            scorecard.verdict.word(),
            &scorecard.policy_hash,
            &scorecard.data_hash,
            &scorecard.program_version,
            stored.known_at,
            serde_json::to_string(scorecard).unwrap(),
            &setup[0],
        ))
        .unwrap();
}

/// User and system time in seconds of this process, threads that have ended included, and of all threads but the first:
/// those that read and write the database (proc(5); 100 ticks a second).
fn cpu() -> [f64; 2] {
    let seconds = |of: &str| {
        let text = fs::read_to_string(format!("/proc/self/{of}stat")).unwrap();
        let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    };
    let all = seconds("");
    [all, all - seconds(&format!("task/{}/", std::process::id()))]
}

/// CPU time of some work in seconds, of all threads and of the database's, and the time on the wall.
async fn measured<T>(work: impl Future<Output = T>) -> (T, [f64; 2], f64) {
    let (began, [before, sql_before]) = (Instant::now(), cpu());
    let done = work.await;
    let (wall, [after, sql_after]) = (began.elapsed().as_secs_f64(), cpu());
    (done, [after - before, sql_after - sql_before], wall)
}

/// A store's file with everything to be judged in it, and nothing judged.
async fn filled(folder: &Path, concepts: usize, per_source: usize) -> PathBuf {
    let path = folder.join("filled.db");
    let store = Store::open(&format!("sqlite://{}", path.display())).await.unwrap();
    for source in 0..concepts.div_ceil(per_source) {
        fill(&store, source, source * per_source..concepts.min((source + 1) * per_source)).await;
    }
    store.close().await;
    path
}

/// Microseconds a concept: our CPU time and by hand.
async fn compare(filled: &Path, experiments: &[Experiment], per_source: usize, at_once: usize) -> [f64; 2] {
    let (ours, hand) = (filled.with_file_name("ours.db"), filled.with_file_name("hand.db"));
    for copy in [&ours, &hand] {
        fs::copy(filled, copy).unwrap();
    }
    let store = Store::open(&format!("sqlite://{}", ours.display())).await.unwrap();
    let (judged_anew, [total, sql], wall) = measured(judged(&store, experiments, at_once, as_of())).await;
    let next = as_of() + TimeDelta::hours(1);
    let (_, [again, _], _) = measured(judged(&store, experiments, at_once, next)).await;
    let few = &experiments[..experiments.len().min(1_000)];
    let decision = deciding(&store, few).await / few.len() as f64;
    store.close().await;

    assert!(
        judged_anew.iter().all(|one| one.scorecard.arms.iter().all(|arm| arm.evidence.days > 50)),
        "nothing blocks"
    );
    let written = written(&ours, judged_anew);
    let by_hand = async { judged_by_hand(&hand, &written, per_source, at_once) };
    let (spoke, [theirs, _], hand_wall) = measured(by_hand).await;
    assert!(spoke > 0);
    for file in fs::read_dir(filled.parent().unwrap()).unwrap().map(|file| file.unwrap().path()) {
        if !file.file_name().unwrap().to_str().unwrap().starts_with("filled") {
            fs::remove_file(file).unwrap();
        }
    }

    let concepts = experiments.len();
    let each = 1e6 / concepts as f64;
    println!(
        "{concepts} concepts, {per_source} to a source, {at_once} at once: {:.0} µs CPU each ({:.0} µs wall), by hand \
         {:.0} ({:.0}), ratio {:.2} ({:.2}); on the database's threads {:.0} %; deciding {:.0} µs; judged again {:.0} µs",
        total * each,
        wall * each,
        theirs * each,
        hand_wall * each,
        total / theirs,
        wall / hand_wall,
        100.0 * sql / total,
        decision * 1e6,
        again * each,
    );
    [total, theirs]
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let given: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let per_source = given.get(1).copied().unwrap_or(1);
    let ways = given.get(2).map_or_else(|| vec![32, 1], |&one| vec![one]);
    let sizes = given.first().map_or_else(|| vec![1_000, 10_000, 20_000], |&one| vec![one]);
    let memory = Path::new("/dev/shm");
    let mut last: HashMap<usize, [f64; 2]> = HashMap::new();
    for concepts in sizes {
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let filled = filled(folder.path(), concepts, per_source).await;
        let experiments: Vec<Experiment> = (0..concepts).map(|number| experiment(number, per_source)).collect();
        for &at_once in &ways {
            let now = compare(&filled, &experiments, per_source, at_once).await;
            if let Some(last) = last.insert(at_once, now) {
                println!("  times the one before: ours {:.2}, by hand {:.2}", now[0] / last[0], now[1] / last[1]);
            }
        }
    }
}
