//! D9: numbers that cannot be thresholds; C2: schedules; and what is allowed but unwise.

use super::*;
use willitsell::domain::concept::{Boundary, Dispersion, Limit, Multiplicity, Policy};

fn policy(lines: &str) -> Policy {
    let text = with("kill_bar = 0.02", lines);
    load(&text).unwrap_or_else(|problems| panic!("{problems:#?}")).config.experiments[0].policy.clone()
}

#[test]
fn d9_numbers_that_cannot_be_thresholds_are_errors() {
    for key in ["kill_bar", "build_bar"] {
        for value in ["nan", "-nan", "inf", "-inf", "0", "0.0", "-0.0", "1", "1.0", "-0.02", "2", "1e400"] {
            refused(key, value);
        }
    }
    for key in ["alpha", "beta", "guardrail_alpha"] {
        for value in ["nan", "inf", "0", "-0.05", "0.51", "1", "5"] {
            refused(key, value);
        }
    }
    // Looked at once a day, nothing would be left of a threshold; what is asked of it without that is less.
    for key in ["alpha", "beta"] {
        refused(key, "0.37");
        refused(key, "0.37\nboundary = \"daily\"");
    }
    for line in ["alpha = 0.36", "alpha = 0.5\nboundary = \"strict\"", "guardrail_alpha = 0.5"] {
        policy(&format!("kill_bar = 0.02\n{line}"));
    }
    for key in ["min_days", "horizon_days"] {
        for value in ["0", "-1", "1.5", "inf", "99999", "99999999999999999999999"] {
            refused(key, value);
        }
    }
    for key in ["min_exposures", "min_conversions"] {
        for value in ["-1", "0.5", "nan", "9999999999"] {
            refused(key, value);
        }
    }
    for value in ["nan", "inf", "0", "0.99", "-1"] {
        refused("dispersion", value);
    }
}

fn refused(key: &str, value: &str) {
    let kill = if key == "kill_bar" { "" } else { "kill_bar = 0.02\n" };
    let said = errors(&with("kill_bar = 0.02", &format!("{kill}{key} = {value}")));
    let line = if key == "kill_bar" { 30 } else { 31 };
    let named = said.iter().any(|error| error.starts_with(&format!("{line}: ")) && error.contains(key));
    assert!(named, "{key} = {value}: {said:#?}");
}

#[test]
fn d9_equal_and_reversed_bars_are_errors() {
    for (kill, build) in [(0.02, 0.02), (0.03, 0.02)] {
        let said = errors(&with("kill_bar = 0.02", &format!("kill_bar = {kill}\nbuild_bar = {build}")));
        assert_eq!(said.len(), 1, "{said:#?}");
        assert!(said[0].starts_with("31: ") && said[0].contains("is not above kill_bar"), "{said:#?}");
    }
    let said = errors(&with("kill_bar = 0.02", "kill_bar = 0.7"));
    assert!(said[0].contains("write a build_bar below 1"), "{said:#?}");
}

#[test]
fn d9_guardrails_have_one_limit_that_is_a_number_above_zero() {
    let guardrail = |limit: &str| {
        let table = "\n[[experiment.cats.policy.guardrails]]\nname = \"cost\"\nnumerator = \"spend\"\ndenominator = \"signups\"\n";
        errors(&format!("{SMALL}{table}{limit}\n"))
    };
    assert_eq!(guardrail("max = 84"), Vec::<String>::new());
    for limit in [
        "",
        "max = 1\nmin = 1",
        "max = nan",
        "max = inf",
        "max = 0",
        "min = -1",
        "max = 1\nmargin = 0",
        "max = 1\nmargin = nan",
    ] {
        assert_eq!(guardrail(limit).len(), 1, "{limit}: {:#?}", guardrail(limit));
    }
    let twice = format!(
        "{SMALL}guardrails = [{0}, {0}]\n",
        "{ name = \"cost\", numerator = \"spend\", denominator = \"signups\", max = 1 }"
    );
    assert!(errors(&twice)[0].contains("second guardrail called \"cost\""), "{:#?}", errors(&twice));
}

#[test]
fn d9_amounts_are_exact_and_more_than_nothing() {
    for (amount, wanted) in [
        ("{ amount = \"0\", currency = \"EUR\" }", "must be more than nothing"),
        ("{ amount = \"-5\", currency = \"EUR\" }", "must be more than nothing"),
        ("{ amount = \"1,500\", currency = \"EUR\" }", "is not a plain decimal number"),
        ("{ amount = \"nan\", currency = \"EUR\" }", "is not a plain decimal number"),
        ("{ amount = 1500.10, currency = \"EUR\" }", "amount is a number | write text in quotes"),
        ("{ amount = \"5\", currency = \"euro\" }", "\"euro\" is not a currency code"),
        ("{ amount = \"5\" }", "currency is missing"),
        ("{ currency = \"EUR\" }", "amount is missing"),
    ] {
        let said = errors(&with("kill_bar = 0.02", &format!("kill_bar = 0.02\nbudget_cap = {amount}")));
        assert_eq!(said.len(), 1, "{amount}: {said:#?}");
        assert!(said[0].contains(wanted), "{amount}: {said:#?}");
    }
    for (line, wanted) in [
        ("gross_margin = 1.5", "gross_margin is 1.5"),
        ("monthly_churn = 0", "monthly_churn is 0"),
        ("signup_to_paid = nan", "signup_to_paid is not a number"),
        ("build_weeks = -1", "build_weeks is -1"),
        ("features_per_year = 0", "features_per_year is 0"),
        ("share_failing = 1.2", "share_failing is 1.2"),
        ("chance_it_would_be_built = 0", "chance_it_would_be_built is 0"),
        ("chance_it_would_be_buld = 0.5", "did you mean chance_it_would_be_built?"),
        ("habit = \"buld\"", "did you mean \"build\"?"),
        (
            "test_cost = { amount = \"1\", currency = \"EUR\" }\ngross_profit = { amount = \"1\", currency = \"USD\" }",
            "one currency",
        ),
    ] {
        let said = errors(&format!("{SMALL}[experiment.cats.money]\n{line}\n"));
        assert_eq!(said.len(), 1, "{line}: {said:#?}");
        assert!(said[0].contains(wanted), "{line}: {said:#?}");
    }
    let mixed = "kill_bar = 0.02\nbudget_cap = { amount = \"1\", currency = \"EUR\" }\n[experiment.cats.money]\ntest_cost = { amount = \"1\", currency = \"USD\" }";
    let said = errors(&with("kill_bar = 0.02", mixed));
    assert!(said[0].contains("budget_cap is in EUR, the money inputs are in USD"), "{said:#?}");
}

#[test]
fn c2_schedules_are_checked_where_they_stand() {
    for (schedule, wanted) in [
        ("0 6 * *", "five fields"),
        ("0 0 6 * * MON", "five fields"),
        ("0 24 * * *", "hour cannot be \"24\""),
        ("0 6 * * 8", "weekday cannot be \"8\""),
        ("0 6 31 2 *", "never fires"),
        ("@daily", "five fields"),
    ] {
        let said = errors(&with("schedule = \"0 6 * * MON-FRI\"", &format!("schedule = \"{schedule}\"")));
        assert_eq!(said.len(), 1, "{schedule}: {said:#?}");
        assert!(said[0].starts_with("18: ") && said[0].contains(wanted), "{schedule}: {said:#?}");
    }
}

#[test]
fn c2_the_summary_shows_the_next_five_runs() {
    let loaded = load(SMALL).unwrap();
    let now = "2026-09-03T08:00:00Z".parse().unwrap();
    let text = config::summary(&loaded.config, now);
    let expected = "\
cats: Kit for cats
  Decides    signup (sign-ups ÷ clicks): BUILD when surely above 2%, KILL when surely below 3%
  Arms       a
  Reads      landing (typeform), search (google_ads)
  Earliest   after 14 settled days (a day settles after 3 days) and 300 clicks; BUILD also needs 10 sign-ups
  Latest     after 60 settled days
  Tells      growth
  Next runs  Fri 4 Sep 06:00, Mon 7 Sep 06:00, Tue 8 Sep 06:00, Wed 9 Sep 06:00, Thu 10 Sep 06:00 (Europe/Berlin)
";
    assert_eq!(text, expected);
}

#[test]
fn time_zones_are_found_by_city_and_by_likeness() {
    for (zone, near) in
        [("Berlin", "Europe/Berlin"), ("europe/berlin", "Europe/Berlin"), ("America/New_Yrok", "America/New_York")]
    {
        let said = errors(&with("timezone = \"Europe/Berlin\"", &format!("timezone = \"{zone}\"")));
        assert_eq!(said, [format!("19: there is no time zone called \"{zone}\" | did you mean \"{near}\"?")]);
    }
    assert!(errors(&with("timezone = \"Europe/Berlin\"", "timezone = \"+02:00\""))[0].contains("write a place"));
}

#[test]
fn a_setting_that_names_a_zone_names_one_of_those_there_are() {
    let with_zone =
        |zone: &str| format!("{SMALL}[source.files]\nconnector = \"file\"\nsettings = {{ day_zone = \"{zone}\" }}\n");
    for (zone, advice) in [
        ("Berlin", "did you mean \"Europe/Berlin\"?"),
        ("America/New_Yrok", "did you mean \"America/New_York\"?"),
        ("+02:00", "write a place of the zone"),
    ] {
        let said = errors(&with_zone(zone));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("source.files.settings.day_zone names no time zone | "), "{said:?}");
        assert!(said[0].contains(advice), "{said:?}");
    }
    assert!(errors(&with_zone("Europe/Berlin")).is_empty());
    // Those that are built in say which of their settings it is.
    for (connector, setting) in [("microsoft_ads", "time_zone"), ("file", "day_zone")] {
        let registry = willitsell::app::registry().unwrap();
        let settings = &registry.get(connector).unwrap().info().settings;
        let zones: Vec<_> =
            settings.iter().filter(|setting| setting.zone).map(|setting| setting.name.as_str()).collect();
        assert_eq!(zones, [setting], "{connector}");
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let expected = policy("kill_bar = 0.02");
    assert!((expected.build_bar - 0.03).abs() < 1e-12);
    assert_eq!((expected.min_days, expected.horizon_days, expected.maturity_lag_days), (14, 60, 3));
    assert_eq!((expected.min_exposures, expected.min_conversions), (300, 10));
    assert_eq!((expected.dispersion, expected.boundary), (Dispersion::Auto, Boundary::Daily));
    assert_eq!((expected.multiplicity, expected.budget_cap), (Multiplicity::Bonferroni, None));
    assert!(expected.guardrails.is_empty(), "no money inputs, so nothing to guard with");
    assert_eq!(load(SMALL).unwrap().config.experiments[0].decide_within_days, 5);
    let other = policy("kill_bar = 0.02\ndispersion = 3.5\nboundary = \"strict\"\nmultiplicity = \"none\"");
    assert_eq!((other.dispersion, other.boundary), (Dispersion::Known(3.5), Boundary::Strict));
    assert_eq!(other.multiplicity, Multiplicity::None);
}

#[test]
fn money_gives_the_cap_the_guardrail_and_a_kill_bar_to_offer() {
    let usd = |amount: &str| format!("{{ amount = \"{amount}\", currency = \"USD\" }}");
    let money = format!(
        "[experiment.cats.money]\nteam_cost_per_week = {}\nbuild_weeks = 6\nprice_per_month = {}\ngross_margin = 0.8\nmonthly_churn = 0.03\nsignup_to_paid = 0.12\ncost_per_visitor = {}\n",
        usd("7800"),
        usd("79"),
        usd("2.55")
    );
    let text = format!("{SMALL}{money}");
    let policy = load(&text).unwrap().config.experiments[0].policy.clone();
    assert_eq!(policy.budget_cap.unwrap().to_string(), "$4,680");
    let [guardrail] = policy.guardrails.as_slice() else { panic!("{:?}", policy.guardrails) };
    assert_eq!(guardrail.name, "cost_per_conversion");
    assert_eq!((guardrail.numerator, guardrail.denominator), (MetricId::SPEND, MetricId::SIGNUPS));
    assert!(matches!(guardrail.limit, Limit::Max(most) if (most - 84.2667).abs() < 1e-3), "{guardrail:?}");
    let none = load(&text.replace("kill_bar = 0.02\n", "kill_bar = 0.02\nguardrails = []\n")).unwrap();
    assert!(none.config.experiments[0].policy.guardrails.is_empty());
    let said = errors(&text.replace("kill_bar = 0.02\n", ""));
    assert!(said[0].contains("your money inputs put it at kill_bar = 0.0303"), "{said:#?}");
}

#[test]
fn a_store_on_a_server_keeps_its_password_elsewhere_and_has_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        format!("file:{}", path.display())
    };
    let key = secret("key", &"0a".repeat(32));
    let (short, two) = (secret("short", "0a0b"), secret("two", &[&*"0a".repeat(32), &*"0b".repeat(32)].join(" ")));
    let url = secret("url", &format!("postgres://user:{CANARY}@db.internal/x"));
    let store = |url: &str, key: &str| {
        let key = if key.is_empty() { String::new() } else { format!("key = \"{key}\"\n") };
        format!("[store]\nurl = \"{url}\"\n{key}{SMALL}")
    };
    let loaded = load(&store(&url, &key)).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(loaded.config.store_url.starts_with("postgres://") && loaded.config.store_key.is_some());
    assert!(!format!("{:?}", loaded.config).contains(CANARY));
    // One that a socket tells apart needs no password.
    assert_eq!(errors(&store("postgres://willitsell@%2Frun%2Fpostgresql/willitsell", &key)), Vec::<String>::new());
    for (url, key, wanted) in [
        (&*format!("postgres://user:{CANARY}@db/x"), &*key, "store.url: a secret must not stand in the file itself"),
        (&*url, "", "store.key is missing: a store on PostgreSQL has no file beside it"),
        (&*url, &*short, "store.key is not 64 hexadecimal digits"),
        (&*url, &*two, "store.key is not 64 hexadecimal digits"),
        (&*secret("b", &format!("postgres://{CANARY}@db")), &*key, "store.url must name a user and a database"),
        (
            &*secret("c", &format!("postgres://u:{CANARY}@db/x?sslmode=no")),
            &*key,
            "store.url has an sslmode that is none",
        ),
        (&*secret("d", &format!("mysql://u:{CANARY}@db/x")), &*key, "store.url is not an address of a store"),
    ] {
        let said = errors(&store(url, key));
        assert!(said.len() == 1 && said[0].contains(wanted), "{wanted}: {said:#?}");
        assert!(!said[0].contains(CANARY), "{said:#?}");
    }
}

#[test]
fn what_is_allowed_but_unwise_is_a_warning() {
    for (lines, wanted) in [
        ("kill_bar = 0.02\nmin_days = 7", "min_days is below 14"),
        ("kill_bar = 0.02\nmin_days = 15", "min_days is not a whole number of weeks"),
        ("kill_bar = 0.02\nbeta = 0.01", "beta is below 0.05"),
        ("kill_bar = 0.01\nbuild_bar = 0.06", "the bars are more than 5 times apart"),
    ] {
        let said = warnings(&with("kill_bar = 0.02", lines));
        assert!(said.iter().any(|warning| warning.contains(wanted)), "{lines}: {said:#?}");
    }
    for (line, replacement, wanted) in [
        ("disclosure = \"https://example.com/early\"", "", "says nowhere that visitors learn"),
        ("notify = [\"growth\"]", "", "nobody is told about experiment.cats"),
        ("title = \"Kit for cats\"", "title = \"Kit for cats: Buy now\"", "\"buy now\" promises"),
        ("start = \"2026-09-01\"", "start = \"2026-09-01\"\nstop = \"2026-09-10\"", "no BUILD or KILL is possible"),
        ("numerator = \"signups\"", "numerator = \"conversions\"", "counted by an ad platform"),
        ("[source.search]", "[source.spare]\nconnector = \"file\"\n[source.search]", "nothing uses \"source.spare\""),
    ] {
        let said = warnings(&with(line, replacement));
        assert!(said.iter().any(|warning| warning.contains(wanted)), "{replacement}: {said:#?}");
    }
}

#[test]
fn h17_only_private_networks_can_be_allowed() {
    let with_networks = |list: &str| format!("[network]\nallow_private = [{list}]\n{SMALL}");
    let loaded = load(&with_networks("\"10.20.0.0/16\", \"fd00::/8\"")).unwrap();
    assert_eq!(loaded.config.private_networks.len(), 2);
    for wider in ["127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/0", "::/0", "8.8.8.0/24", "10.0.0.0/7", "10.0.0.1", "x"] {
        let said = errors(&with_networks(&format!("\"{wider}\"")));
        assert!(said.len() == 1 && said[0].contains("2: network.allow_private holds"), "{wider}: {said:#?}");
    }
}

#[test]
fn d9_what_is_said_of_days_has_days_in_order_a_reason_and_no_overlap() {
    let of_experiment = |lines: &str| with("[experiment.cats]", &format!("[experiment.cats]\n{lines}"));
    for (lines, wanted) in [
        ("set_aside_days = [{ first = \"2026-09-14\", reason = \"\" }]", "is empty"),
        ("set_aside_days = [{ first = \"2026-09-14\" }]", "write what happened"),
        ("set_aside_days = [{ reason = \"down\" }]", "write the first of the days"),
        ("real_days = [{ first = \"tomorrow\", reason = \"down\" }]", "is not a date"),
        ("real_days = [{ first = nan, reason = \"down\" }]", "write a date"),
        ("real_days = [{ first = \"2026-09-14\", last = \"2026-09-13\", reason = \"down\" }]", "is before"),
        ("real_days = [{ first = \"2026-09-14\", until = \"2026-09-15\", reason = \"down\" }]", "until"),
        (
            "set_aside_days = [{ first = \"2026-09-10\", last = \"2026-09-14\", reason = \"down\" }]\nreal_days = [{ first = \
             \"2026-09-14\", reason = \"up\" }]",
            "overlap",
        ),
    ] {
        let said = errors(&of_experiment(lines));
        assert!(said.iter().any(|error| error.contains(wanted)), "{lines}: {said:#?}");
    }
    let good = "real_days = [{ first = \"2026-09-20\", reason = \" a newspaper \" }]\nset_aside_days = [{ first = 2026-09-14, last = \
                2026-09-15, reason = \"down\" }]";
    let notes = load(&of_experiment(good)).unwrap().config.experiments[0].day_notes.clone();
    let read: Vec<_> =
        notes.iter().map(|note| (note.first.to_string(), note.last.to_string(), note.reason.as_str())).collect();
    assert_eq!(
        read,
        [("2026-09-14".into(), "2026-09-15".into(), "down"), ("2026-09-20".into(), "2026-09-20".into(), "a newspaper")]
    );
}
