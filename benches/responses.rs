//! People's responses joined with visitors, qualified and tallied into a verdict, beside a loop by hand that counts who
//! signed up first where. `WILLITSELL_RESPONSES=1000000 cargo bench --bench responses` is the full size; it prints rows
//! a second of both, their ratio, and the most memory the process held.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, missing_docs, reason = "a measurement")]

use std::collections::HashSet;
use std::time::Instant;

use chrono::{DateTime, Duration, Utc};
use willitsell::domain::concept::Experiment;
use willitsell::domain::id::SourceId;
use willitsell::domain::observation::Inputs;
use willitsell::domain::response::{Depth, PersonHash, Response};
use willitsell::domain::verdict::Generation;

const DAYS: usize = 60;

fn responses(count: usize, start: DateTime<Utc>) -> Vec<Response> {
    let source = SourceId::new("form");
    let response = |number: usize| Response {
        source: source.clone(),
        response_id: format!("{number:09}"),
        // One in ten signs up a second time.
        person: Some(PersonHash::from_hex(format!("{:064x}", number - number % 10 / 9))),
        domain: None,
        mark: None,
        depth: Depth::VerifiedEmail,
        void: None,
        arm_key: if number.is_multiple_of(2) { "a" } else { "b" }.into(),
        answers: [("employees", if number.is_multiple_of(3) { "51-200" } else { "201+" })].into_iter().collect(),
        at: start + Duration::seconds((number * DAYS * 86_400 / count).try_into().unwrap()),
        pull_id: 1,
    };
    (0..count).map(response).collect()
}

/// The least that answers the question: who signed up first where, and who of them fits.
fn by_hand(responses: &[Response]) -> [[u64; 2]; DAYS] {
    let mut order: Vec<&Response> = responses.iter().collect();
    order.sort_by_key(|response| response.at);
    let (mut seen, mut counts, start) = (HashSet::new(), [[0; 2]; DAYS], order[0].at);
    for response in order {
        let fits = response.answers.get("employees") == Some("51-200");
        if seen.insert(response.person.as_ref().unwrap()) && fits {
            let day = usize::try_from((response.at - start).num_days()).unwrap();
            counts[day.min(DAYS - 1)][usize::from(response.arm_key == "b")] += 1;
        }
    }
    counts
}

fn main() {
    let count = std::env::var("WILLITSELL_RESPONSES").map_or(10_000, |text| text.parse().unwrap());
    let experiment: Experiment = serde_json::from_str(include_str!("responses/experiment.json")).unwrap();
    let generation = Generation { number: 1, first_day: experiment.start, policy_hash: "policy".into() };
    let start = experiment.start.and_hms_opt(0, 0, 0).unwrap().and_utc();
    let data = Inputs { responses: responses(count, start), ..Inputs::default() };
    let as_of = start + Duration::days(70);
    let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..5 {
        let began = Instant::now();
        std::hint::black_box(willitsell::decide::decide(&experiment, &generation, &data, as_of));
        ours = ours.min(began.elapsed().as_secs_f64());
        let began = Instant::now();
        std::hint::black_box(by_hand(&data.responses));
        theirs = theirs.min(began.elapsed().as_secs_f64());
    }
    let rows = count as f64;
    println!(
        "{count} responses: {:.0} rows/s, by hand {:.0} rows/s, ratio {:.2}",
        rows / ours,
        rows / theirs,
        ours / theirs
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().filter(|line| line.starts_with("VmHWM")).for_each(|line| println!("{line}"));
}
