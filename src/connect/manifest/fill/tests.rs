//! Placeholders filled in, escaped for their place and refused where they are not known.

use chrono::NaiveDate;

use super::*;

fn parse(text: &str, special: &[Special]) -> Result<Template, String> {
    let sent = Arc::new([("ad", "x FROM ad"), ("all", "*")].map(|(a, b)| (a.to_owned(), b.to_owned())).into());
    let settings = ["account", "level", "unset"].map(str::to_owned);
    let sent = BTreeMap::from([("level".to_owned(), sent)]);
    Template::parse(text, &Known { settings: &settings, sent: &sent, special })
}

fn with<T>(zone: Tz, take: impl FnOnce(&Filling<'_>) -> T) -> T {
    let day = |text: &str| text.parse().unwrap();
    let mut settings = Settings::default();
    settings.insert("account", SettingValue::Plain("a/b 'c'".into()));
    settings.insert("level", SettingValue::Plain("ad".into()));
    let window = DateWindow::new(day("2026-03-28"), day("2026-03-29")).unwrap();
    let ids = ["1".to_owned(), "2".to_owned()];
    take(&Filling { settings: &settings, window, zone, page_size: Some(500), ids: &ids, job: Some("j") })
}

fn filled(text: &str, zone: Tz) -> String {
    with(zone, |filling| {
        parse(text, &[Special::Window, Special::PageSize, Special::Job]).unwrap().fill(filling).unwrap()
    })
}

#[test]
fn the_window_comes_in_a_closed_list_of_forms() {
    let utc = Tz::UTC;
    assert_eq!(filled("{window.start}..{window.end}..{window.next}", utc), "2026-03-28..2026-03-29..2026-03-30");
    assert_eq!(filled("{window.end.year}/{window.end.month}/{window.end.day}", utc), "2026/3/29");
    assert_eq!(filled("{window.start.epoch_s}", utc), "1774656000");
    assert_eq!(filled("{window.end.epoch_s}", utc), "1774828799");
    assert_eq!(filled("{window.end.epoch_ms}", utc), "1774828799999");
    assert_eq!(filled("{window.next.epoch_s}", utc), "1774828800");
    assert_eq!(filled("{window.start.instant} {window.end.instant}", utc), "2026-03-28T00:00:00Z 2026-03-29T23:59:59Z");
    assert_eq!(filled("{account}:{page.size}:{job}", utc), "a/b 'c':500:j");
}

#[test]
fn days_become_instants_in_their_zone_across_a_change_of_clocks() {
    let berlin = Tz::Europe__Berlin;
    assert_eq!(filled("{window.start.epoch_s}", berlin), (1_774_656_000 - 3600).to_string());
    assert_eq!(filled("{window.end.epoch_s}", berlin), (1_774_828_799 - 7200).to_string());
    assert_eq!(
        filled("{window.start.offset} {window.end.offset} {window.next.instant}", berlin),
        "2026-03-28T00:00:00+01:00 2026-03-29T23:59:59+02:00 2026-03-29T22:00:00Z"
    );
}

#[test]
fn a_choice_is_sent_as_its_table_says_and_can_be_named_as_written() {
    assert_eq!(filled("{level}|{level.word}", Tz::UTC), "x FROM ad|ad");
    assert!(parse("{account.word}", Special::ROWS).unwrap_err().contains("write `{account}`"));
}

#[test]
fn a_list_holds_one_item_for_each_id_and_none_for_what_was_not_given() {
    let item = |text| {
        let template = parse(text, &[Special::Ids]).unwrap();
        with(Tz::UTC, |filling| template.fill_item(filling))
    };
    assert_eq!(item("{ids}"), Some(vec!["1".to_owned(), "2".to_owned()]));
    assert_eq!(item("{unset}"), Some(Vec::new()));
    assert_eq!(item("x{unset}"), None);
    assert_eq!(item("x"), Some(vec!["x".to_owned()]));
}

#[test]
fn in_raw_text_placeholders_are_escaped_and_nothing_else() {
    let template = parse("(a:{account},b~é)", Special::ROWS).unwrap();
    assert_eq!(with(Tz::UTC, |filling| template.fill_escaped(filling)).unwrap(), "(a:a%2Fb%20%27c%27,b~é)");
}

#[test]
fn unknown_placeholders_name_the_nearest() {
    for (text, near) in [
        ("{windw.start}", "`window.start`"),
        ("{window.begin}", "`window."),
        ("{window.start.epoch}", "`epoch_s`"),
        ("{accont}", "`account`"),
        ("{ids}", "not a setting or placeholder here"),
        ("{account", "never closes"),
    ] {
        let error = parse(text, Special::ROWS).unwrap_err();
        assert!(error.contains(near), "{text}: {error}");
    }
}

#[test]
fn a_setting_that_was_not_given_fills_nothing() {
    let settings = Settings::default();
    let day = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let window = DateWindow::new(day, day).unwrap();
    let filling = Filling { settings: &settings, window, zone: Tz::UTC, page_size: None, ids: &[], job: None };
    for text in ["x{unset}", "{page.size}", "{job}", "{id}"] {
        assert_eq!(
            parse(text, &[Special::PageSize, Special::Job, Special::Id]).unwrap().fill(&filling),
            None,
            "{text}"
        );
    }
}

#[test]
fn segments_are_cut_at_literal_slashes_only() {
    let template = parse("/forms/{account}/x:{level}", &[]).unwrap();
    assert_eq!(template.segments().len(), 4);
}
