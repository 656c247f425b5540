//! Judges many concepts anew from the store, 60 days and 3 arms each, as a slot does it after its sources have
//! answered: the generation, the inputs, the decision, the verdicts before it, what lies ahead, the messages, the verdict written down.
//! Beside it, in the same run on a copy of the same file: the same rows read with plain SQLite, the rate test as a bare
//! loop, and the very texts that we wrote, written back, one transaction a concept too.
//!
//! ```sh
//! cargo bench --bench decide                     # 1,000, 10,000 and 20,000 concepts, a source each
//! cargo bench --bench decide -- 1000 20          # so many concepts, so many to a source
//! ```
//! On a loaded machine with 2 cores, 1,000 concepts: 1,120 µs CPU each, by hand 110, ratio 10.2, where 3 is wanted; 46 %
//! of it on SQLite's threads. Waited for: reading 1,033 µs, deciding 280, writing 562 (of which JSON 10).
//!
//! CPU time is that of all threads of the process (from /proc, so Linux only); SQLite runs on threads of its own. The files lie in
//! memory where the system has such a place, so that work is measured and not a disk.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark that cannot go on should say where")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;
use willitsell::decide::judge::ArmDay;
use willitsell::decide::{self, message};
use willitsell::domain::concept::{
    Arm, Boundary, Concept, Dispersion, Experiment, Model, MoneyInputs, Multiplicity, Policy, Rate, Source,
};
use willitsell::domain::connector::{Facts, RowSink, SourceRow};
use willitsell::domain::decision::{Basis, Cause, Setup};
use willitsell::domain::id::{ArmId, ConceptId, SourceId};
use willitsell::domain::metric::MetricId;
use willitsell::domain::observation::DateWindow;
use willitsell::domain::portfolio::FalseBuildRate;
use willitsell::domain::verdict::StoredScorecard;
use willitsell::schedule::recall;
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
        people: None,
        depth: None,
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

/// Time in each part of the work, as the thread that asks sees it.
#[derive(Default)]
struct Parts {
    reading: Duration,
    deciding: Duration,
    writing: Duration,
}

async fn timed<T>(to: &mut Duration, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    *to += began.elapsed();
    done
}

/// What a tick does between its sources' answers and its end.
async fn judged_anew(store: &Store, experiment: &Experiment, parts: &mut Parts) -> StoredScorecard {
    let today = as_of().date_naive();
    let concept = &experiment.concept.id;
    let hash = timed(&mut parts.deciding, async { decide::policy_hash(experiment) }).await;
    let reading = async {
        let generation = store.generation(concept, &hash, today, experiment.start).await.unwrap();
        let setup = Setup { experiment: experiment.clone(), generation };
        let inputs = recall::inputs(store, &setup, as_of(), None).await.unwrap();
        let before = store.latest_scorecard(concept).await.unwrap().map(|stored| stored.scorecard);
        let sound = store.latest_sound_scorecard(concept).await.unwrap().map(|stored| stored.scorecard);
        (setup, inputs, before, sound)
    };
    let (setup, inputs, before, sound) = timed(&mut parts.reading, reading).await;
    let generation = &setup.generation;
    let deciding = async {
        let (scorecard, outlook) = decide::with_outlook(experiment, generation, &inputs, as_of());
        let message = message::message(experiment, before.as_ref(), sound.as_ref(), &scorecard, &[]);
        let notices = outlook.map(|outlook| message::notices(experiment, &scorecard, &outlook)).unwrap_or_default();
        (scorecard, std::hint::black_box((message, notices)))
    };
    let (scorecard, _) = timed(&mut parts.deciding, deciding).await;
    let basis = Basis { known: recall::known(&inputs), setup: Some(setup), cause: Cause::Decided };
    timed(&mut parts.writing, store.save_scorecard(&scorecard, &basis, &[])).await.unwrap()
}

/// The same rows, the same sums, the same texts.
fn judged_by_hand(database: &Path, written: &[(StoredScorecard, String)], per_source: usize) -> u32 {
    let mut connection = rusqlite::Connection::open(database).unwrap();
    connection.execute_batch("PRAGMA synchronous = FULL").unwrap();
    let mut running = Counts::rate(0.02, 0.03, true);
    let mut spoke = 0;
    for (number, (stored, body)) in written.iter().enumerate() {
        let transaction = connection.transaction().unwrap();
        let mut counts = [[[0_i64; 2]; DAYS]; ARMS];
        let keys: Vec<String> = (0..ARMS).map(|arm| key(number, arm)).collect();
        {
            let text = "SELECT day, arm_key, clicks, conversions, spend FROM observation \
                        WHERE source_id = ?1 AND day BETWEEN ?2 AND ?3";
            let mut rows = transaction.prepare_cached(text).unwrap();
            let window = (format!("ads-{}", number / per_source), first_day().to_string(), "2026-12-31");
            let mut rows = rows.query(window).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let day: NaiveDate = row.get_ref(0).unwrap().as_str().unwrap().parse().unwrap();
                let key = row.get_ref(1).unwrap().as_str().unwrap();
                let Some(arm) = keys.iter().position(|one| one == key) else { continue };
                let offset = usize::try_from((day - first_day()).num_days()).unwrap();
                counts[arm][offset] = [row.get(2).unwrap(), row.get(3).unwrap()];
            }
        }
        for days in &counts {
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
                #[expect(clippy::cast_precision_loss, reason = "small counts")]
                let [clicks, acts] = [clicks, acts].map(|millionths| millionths as f64 / 1e6);
                (day.exposures, day.conversions) = (clicks, acts);
                running.look(number, &day).0
            });
            spoke += u32::from(decided);
        }
        let scorecard = &stored.scorecard;
        let text = "INSERT INTO scorecard (id, concept_id, generation, as_of, last_settled_day, verdict, policy_hash, \
                    data_hash, program_version, known_at, replaces, body) \
                    VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL, ?10)";
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
                body,
            ))
            .unwrap();
        drop(write);
        transaction.commit().unwrap();
    }
    spoke
}

/// User and system time in seconds of this process, all threads together, and of those on which SQLite runs
/// (proc(5); 100 ticks a second).
fn cpu() -> [f64; 2] {
    let (mut all, mut sql) = (0.0, 0.0);
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let Ok(text) = fs::read_to_string(task.unwrap().path().join("stat")) else { continue };
        let (name, rest) = text.rsplit_once(')').unwrap();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let seconds = (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0;
        all += seconds;
        sql += if name.contains("sqlx") { seconds } else { 0.0 };
    }
    [all, sql]
}

/// Microseconds a concept: our CPU time and by hand.
async fn compare(concepts: usize, per_source: usize) -> [f64; 2] {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let (ours, hand) = (folder.path().join("ours.db"), folder.path().join("hand.db"));
    let url = format!("sqlite://{}", ours.display());
    let store = Store::open(&url).await.unwrap();
    for source in 0..concepts.div_ceil(per_source) {
        fill(&store, source, source * per_source..concepts.min((source + 1) * per_source)).await;
    }
    store.close().await;
    fs::copy(&ours, &hand).unwrap();
    let experiments: Vec<Experiment> = (0..concepts).map(|number| experiment(number, per_source)).collect();

    let store = Store::open(&url).await.unwrap();
    let mut parts = Parts::default();
    let mut written = Vec::new();
    let (began, [before, sql_before]) = (Instant::now(), cpu());
    for experiment in &experiments {
        written.push(judged_anew(&store, experiment, &mut parts).await);
    }
    let (wall, [after, sql_after]) = (began.elapsed().as_secs_f64(), cpu());
    store.close().await;
    let (total, sql) = (after - before, sql_after - sql_before);

    let began = Instant::now();
    let written: Vec<_> =
        written.into_iter().map(|one| (serde_json::to_string(&one.scorecard).unwrap(), one)).collect();
    let json = began.elapsed();
    let bytes: usize = written.iter().map(|(body, _)| body.len()).sum();
    let written: Vec<_> = written.into_iter().map(|(body, one)| (one, body)).collect();
    assert!(
        written.iter().all(|(one, _)| one.scorecard.arms.iter().all(|arm| arm.evidence.days > 50)),
        "nothing blocks"
    );
    let (began, [before, _]) = (Instant::now(), cpu());
    let spoke = judged_by_hand(&hand, &written, per_source);
    let (hand_wall, [after, _]) = (began.elapsed().as_secs_f64(), cpu());
    assert!(spoke > 0);

    #[expect(clippy::cast_precision_loss, reason = "thousands of concepts")]
    let each = 1e6 / concepts as f64;
    let theirs = after - before;
    println!(
        "{concepts} concepts, {per_source} to a source: {:.0} µs CPU each ({:.0} µs wall), by hand {:.0} ({:.0}), ratio {:.2} ({:.2}); \
         SQLite's threads {:.0} %; waited for: reading {:.0} µs, deciding {:.0}, writing {:.0} (of which JSON {:.0}, {} bytes)",
        total * each,
        wall * each,
        theirs * each,
        hand_wall * each,
        total / theirs,
        wall / hand_wall,
        100.0 * sql / total,
        parts.reading.as_secs_f64() * each,
        parts.deciding.as_secs_f64() * each,
        parts.writing.as_secs_f64() * each,
        json.as_secs_f64() * each,
        bytes / concepts,
    );
    [total, theirs]
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let given: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let per_source = given.get(1).copied().unwrap_or(1);
    let sizes = given.first().map_or_else(|| vec![1_000, 10_000, 20_000], |&one| vec![one]);
    let mut last: Option<[f64; 2]> = None;
    for concepts in sizes {
        let now = compare(concepts, per_source).await;
        if let Some(last) = last {
            println!("  times the one before: ours {:.2}, by hand {:.2}", now[0] / last[0], now[1] / last[1]);
        }
        last = Some(now);
    }
}
