//! Reads a Google-like page of 10,000 rows and a Meta-like one, ten actions a row: our page reader, driven by
//! the manifest, beside typed serde structs that do the same work by hand. Prints the ratios, which should stay
//! below 1.5.

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

fn meta_page() -> String {
    let mut page = r#"{"data":["#.to_owned();
    for row in 0..ROWS {
        let comma = if row == 0 { "" } else { "," };
        write!(
            page,
            r#"{comma}{{"ad_id":"{id}","ad_name":"Concept {id}","impressions":"{impressions}","inline_link_clicks":"{clicks}","spend":"{spend}.{cents:02}","actions":["#,
            id = 120_200_000_000_u64 + row as u64 / 30,
            impressions = row % 1_999,
            clicks = row % 97,
            spend = row % 50,
            cents = row % 100,
        )
        .unwrap();
        let kinds = [
            "link_click",
            "landing_page_view",
            "page_engagement",
            "post_engagement",
            "post_reaction",
            "comment",
            "video_view",
            "onsite_conversion.lead_grouped",
            "offsite_conversion.fb_pixel_lead",
            "lead",
        ];
        for (number, kind) in kinds.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            let value = (row + number) % 13;
            write!(page, r#"{comma}{{"action_type":"{kind}","value":"{value}","7d_click":"{value}"}}"#).unwrap();
        }
        write!(page, r#"],"date_start":"2026-11-{day:02}","date_stop":"2026-11-{day:02}"}}"#, day = row % 30 + 1)
            .unwrap();
    }
    page.push_str(r#"],"paging":{"cursors":{"before":"QVFIU","after":"QVFIV"}}}"#);
    page
}

#[derive(Deserialize)]
struct MetaPage<'p> {
    #[serde(borrow)]
    data: Vec<MetaRow<'p>>,
    #[serde(borrow)]
    paging: Paging<'p>,
}

#[derive(Deserialize)]
struct Paging<'p> {
    #[serde(borrow)]
    cursors: Cursors<'p>,
    next: Option<&'p str>,
}

#[derive(Deserialize)]
struct Cursors<'p> {
    after: &'p str,
}

#[derive(Deserialize)]
struct MetaRow<'p> {
    ad_id: &'p str,
    date_start: &'p str,
    impressions: Option<&'p str>,
    inline_link_clicks: Option<&'p str>,
    spend: Option<&'p str>,
    #[serde(borrow, default)]
    actions: Vec<Action<'p>>,
}

#[derive(Deserialize)]
struct Action<'p> {
    action_type: &'p str,
    value: &'p str,
}

/// As [`typed`], with two kinds of actions picked from the list.
fn meta_typed(page: &str) -> (usize, i64) {
    use std::collections::HashMap;
    use std::hash::{DefaultHasher, Hash, Hasher};
    let page: MetaPage<'_> = serde_json::from_str(page).unwrap();
    let whole = |text: Option<&str>| text.map_or(0, |text| text.parse::<i64>().unwrap()) * 1_000_000;
    let (mut sum, mut seen) = (0_i64, HashMap::new());
    let mut rows: Vec<(&str, NaiveDate, [i64; 5])> = Vec::with_capacity(page.data.len());
    for row in &page.data {
        let (year, rest) = row.date_start.split_once('-').unwrap();
        let (month, day) = rest.split_once('-').unwrap();
        let day = NaiveDate::from_ymd_opt(year.parse().unwrap(), month.parse().unwrap(), day.parse().unwrap()).unwrap();
        let kind = |kind: &str| whole(row.actions.iter().find(|it| it.action_type == kind).map(|it| it.value));
        let spend = row.spend.map_or(0, |text| {
            let (units, cents) = text.split_once('.').unwrap();
            units.parse::<i64>().unwrap() * 1_000_000 + cents.parse::<i64>().unwrap() * 10_000
        });
        let values =
            [whole(row.impressions), whole(row.inline_link_clicks), spend, kind("lead"), kind("post_engagement")];
        sum += spend;
        rows.push((row.ad_id, day, values));
    }
    for row in &rows {
        let mut hasher = DefaultHasher::new();
        (row.0, row.1).hash(&mut hasher);
        let identity = hasher.finish();
        row.2.hash(&mut hasher);
        assert!(seen.insert(identity, hasher.finish()).is_none());
    }
    black_box((page.paging.cursors.after, page.paging.next));
    (rows.len(), sum)
}

fn manifest_of(name: &str) -> (Manifest, Settings) {
    let (file, text) = Registry::manifests().iter().find(|(file, _)| *file == name).unwrap();
    let manifest = Manifest::load(file, text).unwrap();
    let mut settings = Settings::default();
    for info in &manifest.info().settings {
        if let Some(default) = &info.default {
            settings.insert(&info.name, SettingValue::Plain(default.clone()));
        }
    }
    (manifest, settings)
}

fn by_manifest((manifest, settings): &(Manifest, Settings), page: &str) -> (usize, i64) {
    let day = |text: &str| text.parse().unwrap();
    let window = DateWindow::new(day("2026-11-01"), day("2026-11-30")).unwrap();
    let rows = manifest.read_page(page, settings, window, chrono_tz::Tz::UTC, |rows| {
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

fn compare(name: &str, page: &str, typed: fn(&str) -> (usize, i64)) {
    let manifest = manifest_of(name);
    assert_eq!(by_manifest(&manifest, page), typed(page), "both read the same");
    let ours = best_of(|| {
        black_box(by_manifest(&manifest, black_box(page)));
    });
    let theirs = best_of(|| {
        black_box(typed(black_box(page)));
    });
    println!(
        "{name}: {ROWS} rows, {} bytes: manifest {ours:?}, typed structs {theirs:?}, ratio {:.2}",
        page.len(),
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
}

fn main() {
    compare("google_ads.toml", &page(), typed);
    compare("meta_ads.toml", &meta_page(), meta_typed);
    divan::main();
}

#[divan::bench(args = ["google_ads.toml", "meta_ads.toml"])]
fn manifest(bencher: divan::Bencher<'_, '_>, name: &str) {
    let page = if name == "google_ads.toml" { page() } else { meta_page() };
    let manifest = manifest_of(name);
    bencher.counter(divan::counter::ItemsCount::new(ROWS)).bench_local(|| by_manifest(&manifest, black_box(&page)));
}

#[divan::bench]
fn typed_google(bencher: divan::Bencher<'_, '_>) {
    let page = page();
    bencher.counter(divan::counter::ItemsCount::new(ROWS)).bench_local(|| typed(black_box(&page)));
}

#[divan::bench]
fn typed_meta(bencher: divan::Bencher<'_, '_>) {
    let page = meta_page();
    bencher.counter(divan::counter::ItemsCount::new(ROWS)).bench_local(|| meta_typed(black_box(&page)));
}
