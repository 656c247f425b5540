//! What single values may be: numbers, days, keys, zones and currencies; one bad one fails the window.

use proptest::prelude::*;
use willitsell::connect::PullError;
use willitsell::connect::manifest::Manifest;
use willitsell::domain::connector::{SettingValue, Settings, SourceRow};
use willitsell::domain::metric::MetricId;
use willitsell::domain::millionths;

use crate::canary::CANARY;

use super::{embedded, hasty, november, page, pages, pull, pull_with, row};

/// A page with one row in which `from` is replaced.
fn with(from: &str, to: &str) -> String {
    let row = row(7001, "2026-11-03", 41);
    assert!(row.contains(from), "{from}");
    page(&[super::row(7000, "2026-11-03", 1), row.replace(from, to)], None)
}

#[track_caller]
fn shape(error: &PullError, path: &str, says: &[&str]) {
    let PullError::Shape { path: found, saw } = error else { panic!("{error}") };
    assert_eq!(found, path, "{saw}");
    for part in says {
        assert!(saw.contains(part), "{part:?} is not in {saw:?}");
    }
}

#[tokio::test]
async fn h19_only_a_plain_number_or_its_digits_as_text_are_read() {
    for (value, shown) in [
        (r#""""#, "\"\""),
        (r#""1,234.5""#, "\"1,234.5\""),
        (r#""1.234,5""#, "1.234,5"),
        (r#""NaN""#, "NaN"),
        (r#""inf""#, "inf"),
        ("1e400", "1e400"),
        ("null", "null"),
        ("true", "true"),
        ("2.5", "fractional = true"),
        (r#""-""#, "-"),
        ("{}", "an object"),
        ("[41]", "a list"),
    ] {
        let body = with(r#""clicks":"41""#, &format!(r#""clicks":{value}"#));
        let at = body.find(&format!(r#""clicks":{value}"#)).unwrap() + r#""clicks":"#.len();
        let pulled = pull("google_ads", &pages(vec![body]).await).await;
        shape(pulled.outcome.as_ref().unwrap_err(), "$.metrics.clicks", &[shown, "row 2", &format!("byte {at} ")]);
        assert!(pulled.sink.batches.is_empty(), "the window fails whole");
    }
    let pulled = pull("google_ads", &pages(vec![with(r#""clicks":"41""#, r#""clicks":41"#)]).await).await;
    assert!(pulled.sink.rows()[1].contains("clicks=41 "));
}

#[tokio::test]
async fn h19_declared_fractions_are_exact_to_the_millionth() {
    for (value, read) in [("2.3333333333333335", "2.333333"), ("0.9999999", "1"), ("1e-05", "0.00001")] {
        let pulled = pull("google_ads", &pages(vec![with("2.5", value)]).await).await;
        assert!(pulled.sink.rows()[1].contains(&format!("conversions={read} ")), "{:?}", pulled.sink.rows());
    }
    for value in [r#""NaN""#, r#""Infinity""#, "1e400", "null"] {
        assert!(pull("google_ads", &pages(vec![with("2.5", value)]).await).await.outcome.is_err(), "{value}");
    }
}

#[tokio::test]
async fn h20_negative_and_overflowing_numbers_fail_the_window() {
    for (from, to, path) in [
        (r#""41""#, r#""-1""#, "$.metrics.clicks"),
        (r#""41""#, "99999999999999999999", "$.metrics.clicks"),
        ("\"18350000\"", "\"-5\"", "$.metrics.costMicros"),
        ("\"18350000\"", "\"9223372036854775808\"", "$.metrics.costMicros"),
        ("2.5", "-0.1", "$.metrics.conversions"),
    ] {
        let pulled = pull("google_ads", &pages(vec![with(from, to)]).await).await;
        shape(pulled.outcome.as_ref().unwrap_err(), path, &["row 2"]);
    }
    let renamed = with(r#""campaign":{"id":"7001"}"#, r#""campaign":{"name":"no","identity":"7001"}"#);
    let pulled = pull("google_ads", &pages(vec![renamed]).await).await;
    shape(pulled.outcome.as_ref().unwrap_err(), "$.campaign.id", &["must; `campaign` has `identity`, `name`"]);
    assert!(!pulled.error().contains("\"no\""), "names, never values");
}

#[tokio::test]
async fn h21_days_must_be_days_and_foreign_ones_are_left_out_and_reported() {
    for day in ["\"\"", "\"2026-11-31\"", "\"03.11.2026\"", "null", "20261103", "{}"] {
        let body = with(r#""date":"2026-11-03""#, &format!(r#""date":{day}"#));
        let pulled = pull("google_ads", &pages(vec![body]).await).await;
        shape(pulled.outcome.as_ref().unwrap_err(), "$.segments.date", &["row 2"]);
    }
    let pulled = pull("google_ads", &pages(vec![with(r#","segments":{"date":"2026-11-03"}"#, "")]).await).await;
    shape(pulled.outcome.as_ref().unwrap_err(), "$.segments.date", &["nothing"]);

    let rows = ["2026-10-31", "2026-11-01", "2026-11-07", "2026-11-08", "2099-01-01"].map(|day| row(7001, day, 1));
    let pulled = pull("google_ads", &pages(vec![page(&rows, None)]).await).await;
    assert_eq!((pulled.facts().rows, pulled.sink.rows().len()), (2, 2));
    let warning = &pulled.facts().warnings[0];
    assert!(warning.contains("3 rows") && warning.contains("2026-10-31"), "{warning}");

    // An instant belongs to the day it falls on in the experiment's zone.
    let item = |id: &str, at: &str| format!(r#"{{"response_id":"{id}","token":"{id}","submitted_at":"{at}"}}"#);
    let items = [
        item("in", "2026-10-31T23:00:00Z"),
        item("before", "2026-10-31T22:59:59Z"),
        item("last", "2026-11-07T23:59:59+01:00"),
        item("after", "2026-11-07T23:00:00Z"),
    ];
    let body = format!(r#"{{"items":[{}]}}"#, items.join(","));
    let pulled = pull("typeform", &pages(vec![body, r#"{"items":[]}"#.to_owned()]).await).await;
    let ids: Vec<_> = pulled.sink.rows().iter().map(|row| row.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(ids, ["in", "last"]);
    for at in ["2026-11-03", "yesterday", ""] {
        let body = format!(r#"{{"items":[{}]}}"#, item("r1", at));
        assert!(pull("typeform", &pages(vec![body]).await).await.outcome.is_err(), "{at}");
    }
}

#[tokio::test]
async fn h18_a_field_that_was_renamed_or_changed_its_kind_fails_the_window() {
    for (from, to, path) in [
        (r#""campaign":{"id":"7001"},"#, "", "$.campaign.id"),
        (r#""campaign":{"id":"7001"}"#, r#""campaign":{"key":"7001"}"#, "$.campaign.id"),
        (r#""campaign":{"id":"7001"}"#, r#""campaign":"7001""#, "$.campaign['id']"),
        (r#""segments":{"date":"2026-11-03"}"#, r#""segments":["2026-11-03"]"#, "$.segments.date"),
        (r#""metrics":{"#, r#""metrics":5,"old":{"#, "$.metrics.impressions"),
        (r#""metrics":{"#, r#""metrics":null,"old":{"#, "$.metrics.impressions"),
        (r#""currencyCode":"EUR","#, "", "$.customer.currencyCode"),
    ] {
        let pulled = pull("google_ads", &pages(vec![with(from, to)]).await).await;
        shape(pulled.outcome.as_ref().unwrap_err(), path, &["row 2"]);
    }
}

#[tokio::test]
async fn h18_of_each_field_that_may_be_missing_it_is_kept_where_it_stood() {
    let other = |row: String| row.replace("costMicros", "cost");
    let rows = [row(1, "2026-11-01", 1), row(2, "2026-11-05", 7)].map(other);
    let pulled = pull("google_ads", &pages(vec![page(&rows, None)]).await).await;
    let told = "nothing called `$.metrics.costMicros` in any of 2 rows, so spend counts as zero: \
                either there were none yet, or the vendor renamed it";
    assert!(pulled.facts().warnings.iter().any(|warning| warning == told), "{:?}", pulled.facts().warnings);
    let fields = &pulled.facts().facts.fields;
    let field = |metric| fields.iter().find(|field| field.metric == metric).unwrap();
    let spend = field(MetricId::SPEND);
    assert_eq!((spend.path.as_str(), spend.of, spend.rows, spend.last_day), ("$.metrics.costMicros", 2, 0, None));
    let clicks = field(MetricId::CLICKS);
    assert_eq!((clicks.rows, clicks.last_day), (2, Some("2026-11-05".parse().unwrap())));
    // No rows say nothing of fields.
    let none = pull("google_ads", &pages(vec![page(&[], None)]).await).await;
    assert!(none.facts().facts.fields.is_empty() && none.facts().warnings.is_empty());
}

#[tokio::test]
async fn h11_a_wanted_name_twice_fails_the_window() {
    let body = with(r#""clicks":"41""#, r#""clicks":"41","clicks":"4100""#);
    let pulled = pull("google_ads", &pages(vec![body]).await).await;
    shape(pulled.outcome.as_ref().unwrap_err(), "clicks", &["twice in one object"]);
}

#[tokio::test]
async fn h22_h23_zone_and_currency_do_not_change_within_a_window() {
    let path = |field: &str| format!("$.customer.{field}");
    for (from, to, field) in [
        ("EUR", "USD", "currencyCode"),
        ("Europe/Berlin", "America/New_York", "timeZone"),
        ("EUR", "Euro", "currencyCode"),
    ] {
        let within = pull("google_ads", &pages(vec![with(from, to)]).await).await;
        shape(within.outcome.as_ref().unwrap_err(), &path(field), &["differs from"]);
        let first = page(&[row(1, "2026-11-01", 1)], Some("A"));
        let second = page(&[row(2, "2026-11-01", 1).replace(from, to)], None);
        let between = pull("google_ads", &pages(vec![first, second]).await).await;
        shape(between.outcome.as_ref().unwrap_err(), &path(field), &["differs from"]);
    }
    for (from, to, field) in [("EUR", "Euro", "currencyCode"), ("Europe/Berlin", "Berlin", "timeZone")] {
        let only = page(&[row(1, "2026-11-01", 1).replace(from, to)], None);
        let pulled = pull("google_ads", &pages(vec![only]).await).await;
        shape(pulled.outcome.as_ref().unwrap_err(), &path(field), &["is not a"]);
    }
}

#[tokio::test]
async fn p10_a_vendor_that_echoes_our_secrets_does_not_bring_them_out() {
    for secret in ["1", "refresh", "client"].map(|kind| format!("{}{CANARY}-{kind}", "x".repeat(30))) {
        let one = row(1, "2026-11-01", 1);
        for (from, to) in [("EUR", secret.clone()), ("Europe/Berlin", secret.clone()), ("2026-11-01", secret.clone())] {
            pull("google_ads", &pages(vec![page(&[one.replace(from, &to)], None)]).await).await.error();
        }
        let twice = [
            one.replace("\"1\"", &format!("\"{secret}\"")),
            row(1, "2026-11-01", 2).replace("\"1\"", &format!("\"{secret}\"")),
        ];
        pull("google_ads", &pages(vec![page(&twice, None)]).await).await.error();
        pull("google_ads", &pages(vec![page(std::slice::from_ref(&one), Some(&secret))]).await).await.error();
        pull("google_ads", &pages(vec![format!(r#"{{"{secret}":1}}"#)]).await).await.error();
        let body = format!(r#"{{"error":{{"message":"{secret}"}}}}"#);
        let server = super::vendor(move |_, _| crate::fake_server::json(400, &body)).await;
        pull("google_ads", &server).await.error();
    }
}

#[tokio::test]
async fn p12_what_identifies_a_person_is_never_shown() {
    let answers = r#"[{"type":"email","email":{"private":"someone@example.com"}}]"#;
    let body = format!(
        r#"{{"items":[{{"response_id":"r1","token":"r1","submitted_at":"2026-11-03T09:00:00Z","answers":{answers}}}]}}"#
    );
    let pulled = pull("typeform", &pages(vec![body]).await).await;
    assert!(pulled.error().contains("an object") && !pulled.error().contains("someone"), "{}", pulled.error());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]
    #[test]
    fn h19_money_in_micros_is_exact(micros in 0..i64::MAX, quoted: bool) {
        let number = if quoted { format!("\"{micros}\"") } else { micros.to_string() };
        let body = with("\"18350000\"", &number);
        let manifest = Manifest::load("google_ads.toml", embedded("google_ads")).unwrap();
        let mut settings = Settings::default();
        settings.insert("arm_is", SettingValue::Plain("id".into()));
        let spend = manifest.read_page(&body, &settings, november(), chrono_tz::Tz::UTC, |rows| match &rows[1] {
            SourceRow::Counts { values, .. } => values[2].1,
            SourceRow::Response(_) => -1,
        });
        prop_assert_eq!(spend, Ok(micros), "{}", millionths::print(micros));
    }
}

#[tokio::test]
async fn h22_a_zone_no_answer_names_is_the_users_to_say() {
    let file = |zone: &str| {
        let setting =
            format!("account_zone = {{ help = \"the account's zone\", default = \"{zone}\" }}\n[settings.level]");
        embedded("google_ads").replace("zone     = \"$.customer.timeZone\"", "zone = \"{account_zone}\"").replacen(
            "[settings.level]",
            &setting,
            1,
        )
    };
    let server = pages(vec![page(&[row(7001, "2026-11-03", 41)], None)]).await;
    let pulled = pull_with(&file("America/New_York"), "google_ads", &server, super::hasty()).await;
    assert_eq!(pulled.facts().day_zone, chrono_tz::America::New_York);
    let refused = Manifest::load("google_ads.toml", &file("Pacific")).unwrap_err().to_string();
    assert!(refused.contains("no time zone such as `Europe/Berlin`"), "{refused}");
}

#[tokio::test]
async fn p10_a_name_of_the_vendors_own_is_shown_short_and_without_secrets() {
    let name = format!("{CANARY}{}", "x".repeat(100_000));
    let twice = format!(r#""engagements":{{"{name}":"1","{name}":"2"}}"#);
    let body = page(&[row(1, "2026-11-03", 1).replace(r#""engagements":"0""#, &twice)], None);
    let manifest = embedded("google_ads").replace("$.metrics.engagements", "$.metrics.engagements[*]");
    let pulled = pull_with(&manifest, "google_ads", &pages(vec![body]).await, hasty()).await;
    let told = pulled.error();
    assert!(told.contains("the same name twice") && told.len() < 500, "{told}");
}
