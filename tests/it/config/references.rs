//! Names that must lead somewhere, keys that must belong to one arm, metrics somebody must count.

use super::*;
use secrecy::ExposeSecret;
use willitsell::domain::connector::SettingValue;

/// Each change of [`SMALL`] has one error, which says this.
fn each_has_one_error(cases: &[(&str, &str, &str)]) {
    for (line, replacement, wanted) in cases {
        let said = errors(&with(line, replacement));
        assert_eq!(said.len(), 1, "{replacement}: {said:#?}");
        assert!(said[0].contains(wanted), "{replacement}: {said:#?}");
    }
}

#[test]
fn names_lead_somewhere_or_the_nearest_is_offered() {
    each_has_one_error(&[
        ("notify = [\"growth\"]", "notify = [\"growht\"]", "no receiver called \"growht\" | did you mean growth?"),
        ("notify = [\"growth\"]", "notify = [\"growth\", \"growth\"]", "\"growth\" is named twice"),
        ("login = \"google\"", "login = \"gogle\"", "no login called \"gogle\" | did you mean google?"),
        ("login = \"google\"", "", "login is missing: Google Ads is asked in somebody's name | write login = \"NAME\""),
        (
            "connector = \"typeform\"",
            "connector = \"x\"",
            "no connector called \"x\" | there is: typeform, google_ads, file",
        ),
        ("connector = \"typeform\"", "", "source.landing.connector is missing | name what is asked: typeform"),
        ("connector = \"typeform\"", "connector = \"typeform\"\nlogin = \"google\"", "Typeform takes no login"),
        ("primary = \"signup\"", "primary = \"sign_up\"", "no rate called \"sign_up\" | did you mean signup?"),
        ("primary = \"signup\"", "primary = \"signups\"", "\"signups\" is a bare count"),
        (
            "numerator = \"signups\"",
            "numerator = \"signup\"",
            "nothing is counted as \"signup\" | did you mean signups?",
        ),
        (
            "[notify.growth.slack]",
            "[notify.growth.webhook]\nurl = \"env:X_URL\"\nsecret = \"env:X\"\n[notify.growth.slack]",
            "notify.growth must hold one table, the kind of receiver; it holds 2",
        ),
    ]);
    let said = errors(&with("sources = [\"landing\", \"search\"]", "sources = [\"landing\", \"serch\"]"));
    assert!(said[0].starts_with("21: there is no source called \"serch\" | did you mean search?"), "{said:#?}");
}

#[test]
fn settings_are_what_the_connector_asks_for() {
    let search = "settings = { customer_id = \"1234567890\" }";
    each_has_one_error(&[
        (search, "", "source.search.settings is missing | write settings = { customer_id = \"…\" }"),
        (search, "settings = {}", "settings.customer_id is missing | customer_id = \"…\" (help for customer_id)"),
        (search, "settings = { customer_id = \"123\" }", "customer_id does not have the form it should | help for"),
        (search, "settings = { customer_id = \"12345678901\" }", "customer_id does not have the form it should"),
        (search, "settings = { customer_id = 1234567890 }", "customer_id is a number | write text in quotes"),
        (search, "settings = { customer_id = \"env:ID\" }", "is no secret, so it cannot be a reference"),
        (
            search,
            "settings = { customer_id = \"1234567890\", level = \"x\" }",
            "level is none of the choices | write one of: campaign, ad",
        ),
        (search, "settings = { customer_id = \"1234567890\", levl = \"ad\" }", "levl\" | did you mean level?"),
    ]);
    for (address, allowed) in [
        ("https://eu.example.com", true),
        ("http://127.0.0.1:8080", true),
        ("http://127.9.9.9", true),
        ("http://[::1]:1", true),
        ("http://localhost:3000/x", true),
        ("http://example.com", false),
        ("http://localhost.example.com", false),
        ("http://2130706433.example.com", false),
        ("http://10.0.0.1", false),
        ("https://user:pass@example.com", false),
        ("ftp://127.0.0.1", false),
        ("file:///etc/passwd", false),
        ("example.com", false),
    ] {
        let settings = format!("settings = {{ customer_id = \"1234567890\", base_url = \"{address}\" }}");
        assert_eq!(errors(&with(search, &settings)).is_empty(), allowed, "{address}");
        let token_url = format!("client_id = \"id\"\ntoken_url = \"{address}\"");
        assert_eq!(errors(&with("client_id = \"id\"", &token_url)).is_empty(), allowed, "{address}");
    }
}

#[test]
fn what_is_loaded_is_what_was_written_with_defaults_filled_in() {
    let loaded = load(SMALL).unwrap();
    let sources: Vec<_> = loaded.config.sources.values().collect();
    let [landing, search] = sources.as_slice() else { panic!("{sources:?}") };
    assert_eq!(landing.settings.plain("base_url"), Some("https://api.typeform.com"));
    assert_eq!(search.settings.plain("level"), Some("campaign"));
    let Some(SettingValue::Secret(token)) = landing.settings.get("token") else { panic!("a secret") };
    assert_eq!(token.expose_secret(), CANARY);
    assert!(landing.login.is_none() && search.login.as_ref().is_some_and(|login| login.refresh_token.is_some()));
    assert!(landing.source.scheduled && search.source.scheduled);
    let url = &loaded.config.store_url;
    assert!(url.starts_with("sqlite:///") && url.ends_with("/willitsell.db"), "beside the file: {url}");
}

#[test]
fn files_brought_by_hand_are_not_scheduled_and_never_the_same_account() {
    let by_hand = SMALL
        .replace(
            "connector = \"google_ads\"\nlogin = \"google\"\nsettings = { customer_id = \"1234567890\" }",
            "connector = \"file\"",
        )
        .replace("[source.search]", "[source.other]\nconnector = \"file\"\n[source.search]")
        .replace("[\"landing\", \"search\"]", "[\"landing\", \"search\", \"other\"]")
        .replace("search = [\"1\"]", "search = [\"1\"], other = [\"1\"]");
    let loaded = load(&by_hand).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let scheduled: Vec<_> = loaded.config.experiments[0].sources.iter().map(|source| source.scheduled).collect();
    assert_eq!(scheduled, [true, false, false]);
    let same = by_hand.replace("connector = \"file\"", "connector = \"file\"\nsettings = { path = \"ads.csv\" }");
    assert!(errors(&same)[0].contains("\"other\" reads the same account as \"search\""), "{:#?}", errors(&same));
}

#[test]
fn d2_two_sources_of_one_account_would_count_twice() {
    let second = |settings: &str| {
        SMALL
            .replace(
                "[source.search]",
                &format!("[source.again]\nconnector = \"google_ads\"\nlogin = \"google\"\n{settings}\n[source.search]"),
            )
            .replace("[\"landing\", \"search\"]", "[\"landing\", \"search\", \"again\"]")
            .replace("search = [\"1\"]", "search = [\"1\"], again = [\"1\"]")
    };
    let said = errors(&second("settings = { customer_id = \"1234567890\", level = \"campaign\" }"));
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(
        said[0].contains("\"again\" reads the same account as \"search\", so everything would count twice"),
        "{said:#?}"
    );
    for way in ["level = \"ad\"", "per_second = \"2\"", "api_version = \"v27\"", "login_customer_id = \"1234567899\""] {
        let said = errors(&second(&format!("settings = {{ customer_id = \"1234567890\", {way} }}")));
        assert!(said.len() == 1 && said[0].contains("reads the same account"), "{way}: {said:#?}");
    }
    assert_eq!(errors(&second("settings = { customer_id = \"1234567891\" }")), Vec::<String>::new());
    assert!(
        errors(&with("sources = [\"landing\", \"search\"]", "sources = [\"landing\", \"search\", \"search\"]"))[0]
            .contains("named twice")
    );
}

#[test]
fn arms_say_what_belongs_to_them() {
    let keys = "keys = { landing = [\"a\"], search = [\"1\"] }";
    each_has_one_error(&[
        (keys, "", "arm.a names no keys, so nothing would be counted for it | write keys = { landing = [\"…\"] }"),
        (
            keys,
            "keys = { landing = [\"a\"], serch = [\"1\"], search = [\"1\"] }",
            "\"serch\" is not a source of experiment.cats | did you mean search?",
        ),
        (keys, "keys = { landing = [\"a\"], search = [\"\"] }", "an empty key belongs to no arm"),
        (keys, "keys = { landing = [\"a\", \"a\"], search = [\"1\"] }", "the key \"a\" of landing is already arm a's"),
        (
            keys,
            "keys = { landing = [\"a\"], search = [\"1\"] }\n[experiment.cats.arm.b]\nkeys = { landing = [\"b\"], search = [\"1\"] }",
            "the key \"1\" of search is already arm a's | a visitor belongs to one arm",
        ),
        (
            keys,
            "keys = { landing = [\"a\"], search = [\"1\"] }\n[experiment.cats.arm.b]\nkeys = { landing = [\"b\"] }",
            "arm b of experiment.cats has no keys where clicks are counted | add keys for search",
        ),
        (
            keys,
            "control = true\nkeys = { landing = [\"a\"], search = [\"1\"] }",
            "has only a control, so nothing is judged",
        ),
        ("[experiment.cats.arm.a]", "[experiment.cats.arm.\"A b\"]", "\"A b\" cannot be a name | use small letters"),
    ]);
    let none = SMALL.replace("[experiment.cats.arm.a]\n", "").replace(&format!("{keys}\n"), "");
    assert!(
        errors(&none)[0].contains("experiment.cats has no arm | add [experiment.cats.arm.NAME]"),
        "{:#?}",
        errors(&none)
    );
    let unmapped = errors(&with(keys, "keys = { landing = [\"a\"] }"));
    assert!(unmapped[0].contains("no arm of experiment.cats has keys for \"search\""), "{unmapped:#?}");
    let two = format!(
        "{keys}\n[experiment.cats.arm.b]\ncontrol = true\nkeys = {{ landing = [\"b\"], search = [\"2\"] }}\n[experiment.cats.arm.c]\ncontrol = true\nkeys = {{ landing = [\"c\"], search = [\"3\"] }}"
    );
    assert!(errors(&with(keys, &two))[0].contains("has a second control"), "{:#?}", errors(&with(keys, &two)));
}

#[test]
fn only_acts_per_visitors_that_somebody_counts_can_decide() {
    each_has_one_error(&[
        (
            "numerator = \"signups\"",
            "numerator = \"impressions\"",
            "\"signup\" cannot decide: impressions cost a visitor nothing",
        ),
        ("numerator = \"signups\"", "numerator = \"spend\"", "\"signup\" cannot decide: spend cost a visitor nothing"),
        (
            "denominator = \"clicks\"",
            "denominator = \"impressions\"",
            "\"signup\" cannot decide: impressions are not visitors",
        ),
        (
            "denominator = \"clicks\"",
            "denominator = \"visits\"",
            "no source of this experiment counts visits, which \"signup\" needs | its sources count: impressions, clicks, spend, conversions, signups",
        ),
        ("denominator = \"clicks\"", "denominator = \"signups\"", "divides a count by itself"),
    ]);
    let said = errors(
        &SMALL
            .replace("\"signups\"", "\"clicks\"")
            .replace("denominator = \"clicks\"", "denominator = \"impressions\""),
    );
    assert!(said[0].contains("cannot decide: clicks cost a visitor nothing"), "{said:#?}");
}

#[test]
fn settling_is_the_longest_among_the_sources_of_the_rate() {
    let lag = |text: &str| load(text).unwrap().config.experiments[0].policy.maturity_lag_days;
    assert_eq!(lag(&with("connector = \"typeform\"", "connector = \"typeform\"\nmaturity_lag_days = 7")), 7);
    assert_eq!(lag(&with("connector = \"typeform\"", "connector = \"typeform\"\nmaturity_lag_days = 1")), 3);
    // A source that supplies neither side of the rate does not hold it up.
    let platform = SMALL
        .replace("numerator = \"signups\"", "numerator = \"conversions\"")
        .replace("connector = \"typeform\"", "connector = \"typeform\"\nmaturity_lag_days = 30");
    assert_eq!(lag(&platform), 3);
}

#[test]
fn start_comes_before_stop() {
    each_has_one_error(&[(
        "start = \"2026-09-01\"",
        "start = \"2026-09-01\"\nstop = \"2026-08-31\"",
        "experiment.cats.stop is before experiment.cats.start | write a day from 2026-09-01 on",
    )]);
}

/// [`SMALL`] with a second experiment that reads the same sources.
fn with_dogs(change: impl Fn(String) -> String) -> String {
    let (before, experiment) = SMALL.split_once("[experiment.cats]").unwrap();
    let dogs = experiment.replace("experiment.cats", "experiment.dogs").replace("search = [\"1\"]", "search = [\"2\"]");
    format!("{before}[experiment.cats]{experiment}\n[experiment.dogs]{}", change(dogs))
}

/// Days of answers are cut in the experiment's zone, so two zones would take each other's days for read.
#[test]
fn h22_a_source_is_read_in_one_zone() {
    let tokyo = with_dogs(|dogs| dogs.replace("Europe/Berlin", "Asia/Tokyo"));
    let zone = |source: &str| {
        format!(
            "37: \"{source}\" is read by cats too, where a day is one of Europe/Berlin | write timezone = \"Europe/Berlin\" here too, or give experiment.dogs a [source] of its own"
        )
    };
    assert_eq!(errors(&tokyo), [zone("landing"), zone("search")]);
}

#[test]
fn d2_a_key_that_two_running_tests_claim_is_pointed_out() {
    let shared = |dogs: String| dogs.replace("start = \"2026-09-01\"", "start = \"2026-10-01\"");
    let said = warnings(&with_dogs(shared));
    assert!(said.iter().any(|one| one.contains("the key \"a\" of landing is also cats's")), "{said:#?}");
    assert!(!said.iter().any(|one| one.contains("of search")), "{said:#?}");
    let after =
        with_dogs(shared).replacen("start = \"2026-09-01\"", "start = \"2026-09-01\"\nstop = \"2026-09-30\"", 1);
    assert!(!warnings(&after).iter().any(|one| one.contains("is also")), "one begins when the other has ended");
}

/// A campaign of one experiment is no unmapped spend of another that reads the same account.
#[test]
fn keys_of_other_experiments_and_those_set_aside_are_nobodys_mistake() {
    let text = with_dogs(|dogs| dogs)
        .replace("customer_id = \"1234567890\" }", "customer_id = \"1234567890\" }\nset_aside = [\"brand\"]");
    let loaded = load(&text).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let aside = |position: usize| {
        let search = loaded.config.experiments[position].sources.iter().find(|source| source.id.as_str() == "search");
        search.unwrap().set_aside.iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!((aside(0), aside(1)), (vec!["2".to_owned(), "brand".into()], vec!["1".to_owned(), "brand".into()]));
}

#[test]
fn patterns_take_something_in_common_and_never_all() {
    let arms = |a: &str, b: &str| {
        with(
            "keys = { landing = [\"a\"], search = [\"1\"] }",
            &format!(
                "keys = {{ landing = [\"a\"], search = [{a}] }}\n[experiment.cats.arm.b]\nkeys = {{ landing = [\"b\"], search = [{b}] }}"
            ),
        )
    };
    assert_eq!(errors(&arms("\"cats-*\"", "\"dogs-*\"")), [""; 0]);
    for all in ["\"*\"", "\"**\""] {
        let said = errors(&arms(all, "\"2\""));
        assert!(said[0].contains("would take every row of the source"), "{said:#?}");
    }
    let said = errors(&arms("\"cats-*\"", "\"cats-*\""));
    assert!(said[0].contains("the key \"cats-*\" of search is already arm a's"), "{said:#?}");
    let said = warnings(&arms("\"cats-*\"", "\"cats-1\""));
    assert!(
        said.iter().any(|one| one.contains("the pattern \"cats-*\" of search also fits \"cats-1\", which is arm b's")),
        "{said:#?}"
    );
    let aside = |key: &str| errors(&with("[source.search]", &format!("[source.search]\nset_aside = [\"{key}\"]")));
    assert_eq!(aside("brand-*"), [""; 0]);
    assert!(aside("*")[0].contains("would take every row of the source"));
    let accepts = |day: &str| with("[source.search]", &format!("[source.search]\naccept_shrink = \"{day}\""));
    let config = load(&accepts("2026-11-20")).unwrap().config;
    let search = config.experiments[0].sources.iter().find(|source| source.id.as_str() == "search").unwrap();
    assert_eq!(search.accept_shrink.unwrap().to_string(), "2026-11-20");
    assert!(errors(&accepts("yes"))[0].contains("accept_shrink is not a date"));
}
