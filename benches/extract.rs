//! Reads a Google-like page of 10,000 rows: our page reader, driven by the manifest, beside typed serde
//! structs that do the same work by hand. Prints the ratio, which should stay below 1.5.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark that cannot go on should say where")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::value::RawValue;
use willitsell::connect::Registry;
use willitsell::connect::manifest::Manifest;
use willitsell::domain::connector::{SettingValue, Settings, SourceRow};
use willitsell::domain::metric::MetricId;
use willitsell::domain::observation::DateWindow;

const ROWS: usize = 10_000;

fn page() -> String {
    let mut page = r#"{"results":["#.to_owned();
    for row in 0..ROWS {
        let comma = if row == 0 { "" } else { "," };
        write!(
            page,
            r#"{comma}{{"customer":{{"resourceName":"customers/1234567890","timeZone":"Europe/Berlin","currencyCode":"EUR"}},"campaign":{{"resourceName":"customers/1234567890/campaigns/{id}","id":"{id}"}},"metrics":{{"clicks":"{clicks}","conversions":{conversions},"costMicros":"{cost}","impressions":"{impressions}"}},"segments":{{"date":"2026-11-{day:02}"}}}}"#,
            id = 7_000_000_000_u64 + row as u64 / 30,
            clicks = row % 97,
            conversions = if row % 3 == 0 { "2.3333333333333335" } else { "1.0" },
            cost = row * 1_370,
            impressions = row % 1_999,
            day = row % 30 + 1,
        )
        .unwrap();
    }
    page.push_str(
        r#"],"nextPageToken":"CPii5aS87vfFTBAKGJvk36qpLiIGUXlwZ0xR","fieldMask":"campaign.id,customer.currencyCode"}"#,
    );
    page
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'p> {
    #[serde(borrow)]
    results: Vec<Row<'p>>,
    next_page_token: Option<&'p str>,
    #[expect(dead_code, reason = "its presence is what is read")]
    field_mask: Option<&'p str>,
}

#[derive(Deserialize)]
struct Row<'p> {
    #[serde(borrow)]
    customer: Customer<'p>,
    #[serde(borrow)]
    campaign: Campaign<'p>,
    #[serde(borrow)]
    metrics: Metrics<'p>,
    #[serde(borrow)]
    segments: Segments<'p>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Customer<'p> {
    time_zone: &'p str,
    currency_code: &'p str,
}

#[derive(Deserialize)]
struct Campaign<'p> {
    id: &'p str,
}

#[derive(Deserialize)]
struct Segments<'p> {
    date: &'p str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metrics<'p> {
    impressions: Option<&'p str>,
    clicks: Option<&'p str>,
    cost_micros: Option<&'p str>,
    #[serde(borrow)]
    conversions: Option<&'p RawValue>,
}

/// Text to whole number, day and millionths, and the same identity check as a pull makes.
fn typed(page: &str) -> (usize, i64) {
    use std::collections::HashMap;
    use std::hash::{DefaultHasher, Hash, Hasher};
    let page: Page<'_> = serde_json::from_str(page).unwrap();
    let (zone, currency) = (page.results[0].customer.time_zone, page.results[0].customer.currency_code);
    let whole = |text: Option<&str>| text.map_or(0, |text| text.parse::<i64>().unwrap());
    let mut sum = 0_i64;
    let mut rows: Vec<(&str, NaiveDate, [i64; 4])> = Vec::with_capacity(page.results.len());
    for row in &page.results {
        assert!(row.customer.time_zone == zone && row.customer.currency_code == currency);
        let (year, rest) = row.segments.date.split_once('-').unwrap();
        let (month, day) = rest.split_once('-').unwrap();
        let day = NaiveDate::from_ymd_opt(year.parse().unwrap(), month.parse().unwrap(), day.parse().unwrap()).unwrap();
        let conversions = row.metrics.conversions.map_or(0.0, |raw| raw.get().parse::<f64>().unwrap());
        #[expect(clippy::cast_possible_truncation, reason = "what a hand-written loop would do")]
        let values = [
            whole(row.metrics.impressions) * 1_000_000,
            whole(row.metrics.clicks) * 1_000_000,
            (conversions * 1e6).round() as i64,
            whole(row.metrics.cost_micros),
        ];
        sum += values[3];
        rows.push((row.campaign.id, day, values));
    }
    let mut seen = HashMap::new();
    for row in &rows {
        let mut hasher = DefaultHasher::new();
        (row.0, row.1).hash(&mut hasher);
        let identity = hasher.finish();
        row.2.hash(&mut hasher);
        assert!(seen.insert(identity, hasher.finish()).is_none());
    }
    black_box(page.next_page_token);
    (rows.len(), sum)
}

fn google_ads() -> Manifest {
    let (file, text) = Registry::manifests().iter().find(|(file, _)| *file == "google_ads.toml").unwrap();
    Manifest::load(file, text).unwrap()
}

fn by_manifest(manifest: &Manifest, page: &str) -> (usize, i64) {
    let day = |text: &str| text.parse().unwrap();
    let window = DateWindow::new(day("2026-11-01"), day("2026-11-30")).unwrap();
    let mut settings = Settings::default();
    settings.insert("arm_is", SettingValue::Plain("id".into()));
    let rows = manifest.read_page(page, &settings, window, chrono_tz::Tz::UTC, |rows| {
        let spend = |row: &SourceRow<'_>| match row {
            SourceRow::Counts { values, .. } => values.iter().find(|(metric, _)| *metric == MetricId::SPEND).unwrap().1,
            SourceRow::Response(_) => 0,
        };
        (rows.len(), rows.iter().map(spend).sum())
    });
    rows.unwrap()
}

fn best_of(mut work: impl FnMut()) -> Duration {
    (0..200)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .unwrap()
}

fn main() {
    let page = page();
    let manifest = google_ads();
    assert_eq!(by_manifest(&manifest, &page), typed(&page), "both read the same");

    let ours = best_of(|| {
        black_box(by_manifest(&manifest, black_box(&page)));
    });
    let theirs = best_of(|| {
        black_box(typed(black_box(&page)));
    });
    println!(
        "{ROWS} rows, {} bytes: manifest {ours:?}, typed structs {theirs:?}, ratio {:.2}",
        page.len(),
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
    divan::main();
}

#[divan::bench]
fn manifest(bencher: divan::Bencher<'_, '_>) {
    let page = page();
    let manifest = google_ads();
    bencher.counter(divan::counter::ItemsCount::new(ROWS)).bench_local(|| by_manifest(&manifest, black_box(&page)));
}

#[divan::bench]
fn typed_structs(bencher: divan::Bencher<'_, '_>) {
    let page = page();
    bencher.counter(divan::counter::ItemsCount::new(ROWS)).bench_local(|| typed(black_box(&page)));
}
