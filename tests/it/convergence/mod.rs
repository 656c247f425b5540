//! Whatever goes wrong, after one clean cycle all is as if nothing had: a simulated day in which one call in a hundred fails, at
//! every vendor, at the store, at the clock, and in which the process is killed again and again. Then the store holds the truth
//! row for row, the verdicts are an oracle's (`oracle.rs`), every slot ran once or is counted as missed, and every message came.
//!
//! Each seed is another day. Most have their store in a file, whose reads, writes and syncs `strace` lets fail; every fifth has it
//! on a PostgreSQL behind a line that loses questions and answers, and whose clock shows the day's time.
//!
//! ```sh
//! WILLITSELL_SEEDS=200 cargo test --test it convergence::p1 -- --nocapture
//! WILLITSELL_SEED=17 cargo test --test it convergence::p1 -- --nocapture    # one day again
//! WILLITSELL_SEED=17 WILLITSELL_TIMES=2 cargo test --test it convergence::p1 -- --nocapture    # twice, and what differed
//! ```
//! What goes wrong is printed with a failing seed, and the command that repeats it; with `WILLITSELL_KEEP` set its folder stays,
//! with the daemon's log, and the calls that the disk refused in `disk.log`.
//!
//! What goes wrong is a function of the seed and of what it happens to, never of the machine's time: at a vendor of the number of the
//! call, at a server of the step of the day, a question's words and how often they came in it, at the clock of the step and the start
//! of the process in it, and there counted by looks; at a file of the step and the start of the process, and then counted by calls
//! of one thread. One thread does the process's work, one concept is due at a time, its sources are read one after the other, and
//! nothing new begins before all is at rest. What cannot be exact is which call meets a fault where two threads ask at once: a file's
//! reads are spread over its readers as they happen to be free, the store is read through beside the rest, a loop that delivers looks
//! at the clock and asks beside the one that decides, and by how much a refused message is put off is drawn by the program. A process
//! that ends a moment earlier or later has another number of starts in that step, so days in a file differ in single runs;
//! `WILLITSELL_TIMES` shows by how much.

pub mod clock;
mod faults;
mod line;
mod oracle;
pub mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustix::process::Signal;
use willitsell::app::App;
use willitsell::domain::id::ConceptId;
use willitsell::domain::run::{Outcome, Run};
use willitsell::domain::verdict::{StoredScorecard, Verdict};
use willitsell::sandbox::{Endpoint, Sandbox, Setup, demo};
use willitsell::schedule::due::AHEAD;

use self::faults::{Vendors, hindered};
use self::line::Line;
use self::process::{Process, Said, Start};
use crate::kill::compare_with_truth;
use crate::postgres::{self, Database};
use crate::project::{Project, setup};

/// Days of `cargo test`. A pull request is held to twenty: see `.ci/run`.
const SEEDS: u64 = 1;

/// Every so manieth day has its store on a server, which takes longer.
const ON_A_SERVER: u64 = 5;

/// Days that pass side by side: each waits for its disk and its processes part of the time.
const AT_ONCE: u64 = 2;

/// How often it is looked whether the process is to be killed over a call, whose answer is held back for longer.
const LOOK: Duration = Duration::from_millis(10);

/// How much time passes at once: one concept has a slot in it.
const STEP: TimeDelta = TimeDelta::minutes(20);

/// A day of steps.
const STEPS: u32 = 72;

/// A process that is not at work after so many starts will never be.
const STARTS: u32 = 60;

/// Nothing takes so long, however busy the machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// What went wrong so far, as it happened.
pub type Faults = Arc<Mutex<Vec<String>>>;

/// What became of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct History {
    faults: Vec<String>,
    runs: Vec<String>,
    verdicts: Vec<String>,
}

/// A day while it passes.
struct Day<'a> {
    sandbox: &'a Sandbox,
    project: &'a Project,
    server: Option<(&'a Database, Line)>,
    vendors: Vendors,
    seed: u64,
    /// How many steps have passed, and how often the process was started in this one.
    step: u64,
    starts: u64,
    process: Option<Process>,
    now: DateTime<Utc>,
    /// Nothing goes wrong any more.
    is_clean: bool,
    /// Killed, or ended by itself.
    ended: u32,
    faults: &'a Faults,
}

impl Day<'_> {
    /// Time passes, and all that is then due is done, however often the process has to be started for it.
    async fn pass(&mut self) {
        self.now += STEP;
        (self.step, self.starts) = (self.step + 1, 0);
        let (clock, _) = self.drawn();
        if let Some((database, line)) = &self.server {
            line.step();
            database.run(&clock::put(self.now, "TRUE")).await;
        }
        if let Some(process) = &mut self.process {
            process.pass(STEP, clock).await;
        }
        for _ in 0..STARTS {
            if self.process.is_none() {
                self.process = Some(self.start());
            }
            let rested = tokio::time::timeout(PATIENCE, self.rests()).await;
            let told = self.vendors.told(self.sandbox);
            self.faults.lock().unwrap().extend(told);
            match rested {
                Ok(true) => return,
                Ok(false) => {
                    self.ended += 1;
                    self.process.take().unwrap().kill().await;
                    if let Some((database, _)) = &self.server {
                        // As if its lease of half a minute had run out.
                        database.run("UPDATE node SET until = 0").await;
                    }
                }
                Err(tokio::time::error::Elapsed { .. }) => panic!("{}: it never comes to rest", self.now),
            }
        }
        panic!("{}: it was started {STARTS} times and never got through", self.now);
    }

    /// What puts the clock of the process that was started last, and what hinders its disk.
    fn drawn(&self) -> (Option<u64>, ChaCha8Rng) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ self.step << 32 ^ self.starts << 48);
        let clock = rng.random();
        ((!self.is_clean).then_some(clock), rng)
    }

    fn start(&mut self) -> Process {
        self.starts += 1;
        let (_, mut rng) = self.drawn();
        let hinder = if self.is_clean || self.server.is_some() {
            None
        } else {
            hindered(self.project.path(), &mut rng).map(|(command, what)| {
                self.note(what);
                command
            })
        };
        if let Some((_, line)) = &mut self.server {
            line.begin();
        }
        Process::start(Start { folder: self.project.path(), now: self.now, hinder, faults: self.faults })
    }

    fn note(&self, fault: String) {
        self.faults.lock().unwrap().push(fault);
    }

    /// Whether the process comes to rest; it does not where it is killed, or ends.
    async fn rests(&mut self) -> bool {
        let (clock, _) = self.drawn();
        let process = self.process.as_mut().unwrap();
        let mut looks = tokio::time::interval(LOOK);
        loop {
            let line = self.server.as_mut().map(|(_, line)| line);
            tokio::select! {
                biased;
                said = process.says() => match said {
                    // It does what is due at once; that is waited for.
                    Said::Ready => process.pass(TimeDelta::zero(), clock).await,
                    Said::Settled => return true,
                    Said::Ended => return false,
                },
                Some(_) = async { line?.kills().await } => break,
                _ = looks.tick() => {
                    let sandbox = self.sandbox;
                    let here = |death: &&faults::Death| sandbox.calls(death.endpoint) >= death.call;
                    let Some(death) = self.vendors.deaths.iter().find(here).copied() else { continue };
                    self.vendors.deaths.retain(|it| (it.endpoint, it.call) != (death.endpoint, death.call));
                    self.faults.lock().unwrap().push(format!("killed at {death:?}"));
                    if death.is_done {
                        // What it asked for is done by then.
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    break;
                }
            }
        }
        process.signal(Signal::KILL);
        false
    }
}

/// One day, held against the truth at its end.
async fn day(seed: u64, faults: Faults) -> Option<History> {
    let database =
        if seed % ON_A_SERVER == ON_A_SERVER - 1 { Some(postgres::database().await?.quick().await) } else { None };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Days on which nothing is decided yet, and days on which all is.
    let began = "2026-03-20T12:10:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(rng.random_range(0..20));
    let began = began - STEP;
    let usual = setup(&began.to_rfc3339());
    let sandbox = Sandbox::start(Setup { google_page_rows: 40, token_calls: Some(90), ..usual }).await.unwrap();
    let project = match &database {
        Some(database) => Project::demo_on(&sandbox, database),
        None => Project::demo(&sandbox),
    };
    let text = std::fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
    let text =
        [0, 20, 40].into_iter().fold(text, |text, minute| text.replacen("0 8 * * *", &format!("{minute} * * * *"), 1));
    // What other concepts are told depends on when they were; the truth alone does not say.
    let alone = "[portfolio]\nfalse_build_rate = \"each\"\n[run]\nsources_at_once = 1\n";
    project.write("willitsell.toml", text + alone);
    let server = match &database {
        Some(database) => {
            let line = Line::to(database, seed, &faults).await;
            // The tables are there before anything goes wrong.
            project.app().await.parts.store.close().await;
            clock::stop(database, began).await;
            project.secret("store", &line.url);
            Some((database, line))
        }
        None => None,
    };
    let vendors = Vendors::script(&sandbox, seed);
    let mut day = Day {
        sandbox: &sandbox,
        project: &project,
        server,
        vendors,
        seed,
        step: 0,
        starts: 0,
        process: None,
        now: began,
        is_clean: false,
        ended: 0,
        faults: &faults,
    };
    for _ in 0..STEPS {
        sandbox.set_now(day.now + STEP);
        day.pass().await;
    }
    day.is_clean = true;
    let questions = day.server.as_ref().map_or(0, |(_, line)| line.questions());
    sandbox.calm();
    day.vendors.calm();
    if let Some((_, line)) = &day.server {
        line.calm();
    }
    if let Some(process) = day.process.take() {
        process.kill().await;
    }
    let before = faults.lock().unwrap().clone();
    if let Some((database, line)) = &mut day.server {
        database.run("UPDATE node SET until = 0").await;
        line.begin();
    }

    // The vendors' time stands still: what they tell is compared once all has read it.
    let ended = day.now;
    let app = project.app().await;
    let shown = shown(&app).await.max(ended);
    let mut read = BTreeMap::new();
    for _ in 0..(AHEAD.num_minutes() / STEP.num_minutes()) {
        day.pass().await;
        for concept in demo::concepts() {
            let runs = runs(&app, concept.id).await;
            let clean = runs.into_iter().rfind(|run| run.due_at > shown && run.outcome == Some(Outcome::Decided));
            read.extend(clean.map(|run| (concept.id, run)));
        }
        if read.len() == 3 && app.parts.store.undelivered().await.unwrap().is_empty() {
            break;
        }
    }
    assert_eq!(read.len(), 3, "after two clean days: {read:?}");
    day.process.take().unwrap().kill().await;
    let during = faults.lock().unwrap().split_off(before.len());
    assert!(during.is_empty(), "something goes wrong in a clean cycle: {during:?}");
    let mut history = examine(&app, &sandbox, ended).await;
    history.faults.clone_from(&faults.lock().unwrap());
    let damage = history.faults.iter().find(|fault| fault.contains("Damaged") || fault.contains("is damaged"));
    assert_eq!(damage, None, "the store is whole");
    // Some of what goes wrong at the same time is noted in another order the next time.
    history.faults.sort();
    app.parts.store.close().await;
    project.assert_no_secret_kept();
    let calls: u64 = [Endpoint::GoogleAds, Endpoint::GoogleToken, Endpoint::Typeform, Endpoint::Slack]
        .into_iter()
        .map(|endpoint| sandbox.calls(endpoint))
        .sum();
    println!(
        "seed {seed}: {calls} calls, {questions} questions to a server, {}, {} ends of the process, {} runs",
        kinds(&history.faults, project.path()),
        day.ended,
        history.runs.len(),
    );
    Some(history)
}

/// How much went wrong where.
fn kinds(faults: &[String], folder: &Path) -> String {
    let disk = std::fs::read_to_string(folder.join(faults::DISK_LOG)).unwrap_or_default();
    let begins = |with: &str| faults.iter().filter(|fault| fault.starts_with(with)).count();
    format!(
        "{} calls of vendors went wrong, {} kills over one, {} questions, {} steps of the clock, {} calls refused by the disk",
        begins("call "),
        begins("killed at "),
        begins("step "),
        begins("the clock is put "),
        disk.lines().filter(|line| line.ends_with("(INJECTED)")).count()
    )
}

/// The latest time that a clock has shown to whoever stored anything. One that was put ahead is taken at its word: what ran and
/// what was read then counts as of that time, until it has come (`due.rs`). Slots after it know nothing of a wrong clock.
async fn shown(app: &App) -> DateTime<Utc> {
    let mut shown = Vec::new();
    for source in app.parts.sources.keys() {
        shown.extend(app.parts.store.pulls(source).await.unwrap().into_iter().map(|pull| pull.committed_at));
    }
    for concept in demo::concepts() {
        shown.extend(runs(app, concept.id).await.into_iter().map(|run| run.started_at.max(run.due_at)));
    }
    shown.into_iter().max().unwrap()
}

async fn runs(app: &App, concept: &str) -> Vec<Run> {
    let mut runs = app.parts.store.run_history(&ConceptId::new(concept), u32::MAX).await.unwrap();
    runs.reverse();
    runs
}

/// Holds what a day left behind against the truth.
async fn examine(app: &App, sandbox: &Sandbox, now: DateTime<Utc>) -> History {
    let mut history = History::default();
    let store = &app.parts.store;
    store.check().await.unwrap();
    compare_with_truth(store, sandbox, now).await;
    let mut cards = BTreeMap::new();
    for concept in demo::concepts() {
        let runs = runs(app, concept.id).await;
        // The schedule is hourly.
        for pair in runs.windows(2) {
            let between = (pair[1].due_at - pair[0].due_at).num_hours() - 1;
            // One that was cut short and whose slot was not taken up before the next came is counted with those nobody ran.
            let cut_short = i64::from(pair[0].outcome == Some(Outcome::Abandoned));
            assert_eq!(between + cut_short, i64::from(pair[1].missed), "a slot is lost: {pair:#?}");
        }
        assert!(runs.iter().all(|run| run.finished_at.is_some()), "{runs:#?}");
        let mut stored = store.scorecard_history(&ConceptId::new(concept.id), u32::MAX).await.unwrap();
        stored.reverse();
        let instants: BTreeSet<_> = stored.iter().map(|stored| stored.scorecard.as_of).collect();
        assert_eq!(instants.len(), stored.len(), "{}: two verdicts for one instant", concept.id);
        let slots: BTreeSet<_> = runs.iter().map(|run| run.due_at).collect();
        assert!(instants.is_subset(&slots), "{}: a verdict without a run", concept.id);
        for run in &runs {
            let outcome = run.outcome.as_ref().map(|outcome| match outcome {
                Outcome::Failed { .. } => "Failed".to_owned(),
                other => format!("{other:?}"),
            });
            history.runs.push(format!("{} {} missed {}", run.id, outcome.unwrap(), run.missed));
        }
        for stored in &stored {
            let card = &stored.scorecard;
            let mut line = format!("{} {} {}", concept.id, card.as_of, card.verdict);
            _ = write!(line, " {}", card.data_hash);
            history.verdicts.push(line);
        }
        nobody_is_woken_for_nothing(&stored, &runs);
        let last = stored.pop().unwrap().scorecard;
        let run = runs.into_iter().rfind(|run| run.due_at == last.as_of).unwrap();
        cards.insert(concept.id, (last, run.started_at));
    }
    oracle::judge(app, sandbox.world(), &cards, now);
    let undelivered = store.undelivered().await.unwrap();
    assert!(undelivered.is_empty(), "{undelivered:?}");
    let decided = cards.values().filter(|(card, _)| [Verdict::Build, Verdict::Kill].contains(&card.verdict)).count();
    let mut seen = BTreeSet::new();
    for message in sandbox.messages() {
        let id = message.delivery_id.unwrap();
        if !seen.insert(id.clone()) {
            assert!(message.body.to_string().contains("may repeat"), "a repeat that does not say so: {id}");
        }
    }
    assert!(seen.len() >= decided, "{decided} verdicts and {seen:?}");
    history
}

/// Data is stale once two slots in a row could not read it: one that failed after one that read all blocks nothing.
fn nobody_is_woken_for_nothing(stored: &[StoredScorecard], runs: &[Run]) {
    for card in stored.iter().map(|stored| &stored.scorecard).filter(|card| card.verdict == Verdict::Blocked) {
        let Some(position) = runs.iter().position(|run| run.due_at == card.as_of) else { continue };
        let before = position.checked_sub(1).map(|position| &runs[position]);
        let is_new = before.is_some_and(|before| before.outcome == Some(Outcome::Decided))
            && runs[position].missed == 0
            && runs[position].outcome != Some(Outcome::Decided);
        assert!(!is_new, "blocked by one failure: {:#?} {:#?}, {:?}", runs[position], before, card.reasons);
    }
}

fn set(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p7_after_a_day_of_faults_one_clean_cycle_makes_all_as_if_there_had_been_none() {
    let seeds = match set("WILLITSELL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..set("WILLITSELL_SEEDS").unwrap_or(SEEDS),
    };
    let times = set("WILLITSELL_TIMES").unwrap_or(1);
    let at_once = usize::try_from(set("WILLITSELL_AT_ONCE").unwrap_or(AT_ONCE)).unwrap();
    let days = stream::iter(seeds.flat_map(|seed| (0..times).map(move |_| seed))).map(|seed| async move {
        let faults = Faults::default();
        let ended = tokio::spawn(day(seed, Arc::clone(&faults))).await;
        if ended.is_err() {
            println!("seed {seed} went wrong after {:#?}", faults.lock().unwrap());
            println!(
                "again: WILLITSELL_SEED={seed} WILLITSELL_KEEP=1 cargo test --test it convergence::p1 -- --nocapture"
            );
        }
        (seed, ended)
    });
    let days: Vec<_> = days.buffer_unordered(at_once).collect().await;
    let (mut passed, mut skipped, mut wrong) = (0, 0, BTreeSet::new());
    let mut histories: BTreeMap<u64, History> = BTreeMap::new();
    for (seed, ended) in days {
        match ended {
            Ok(Some(history)) => {
                passed += 1;
                let first = histories.entry(seed).or_insert_with(|| history.clone());
                if *first != history {
                    println!("seed {seed} did not replay:\n{}", differing(first, &history));
                    wrong.insert(seed);
                }
            }
            Ok(None) => skipped += 1,
            Err(_) => _ = wrong.insert(seed),
        }
    }
    println!("{passed} days of faults, {skipped} skipped, {} went wrong", wrong.len());
    assert!(
        wrong.is_empty(),
        "seeds {wrong:?} went wrong; WILLITSELL_SEED=N cargo test --test it convergence::p1 -- --nocapture repeats one"
    );
}

/// What is in one of two histories alone.
fn differing(one: &History, other: &History) -> String {
    let lines = |history: &History| [&history.faults[..], &history.runs, &history.verdicts].concat();
    let (one, other) = (lines(one), lines(other));
    let only = |these: &[String], those: &[String], sign: &str| {
        let only = these.iter().filter(|line| !those.contains(line));
        only.map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    only(&one, &other, "-") + &only(&other, &one, "+")
}
