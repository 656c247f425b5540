//! What may be kept of people, whose acts count for nothing, and who the concept is for.

use super::*;
use willitsell::domain::icp::{IcpRule, IcpTest};
use willitsell::domain::metric::MetricId;
use willitsell::domain::response::Depth;

const FORM: &str = "settings = { form_id = \"u6nXL7\", token = \"env:TYPEFORM_TOKEN\" }";

/// [`SMALL`] with more about its form, more in its policy, and qualified sign-ups that decide.
fn about(form: &str, policy: &str) -> String {
    with(FORM, &format!("{FORM}\n{form}"))
        .replace("kill_bar = 0.02", &format!("kill_bar = 0.02\n{policy}"))
        .replace("numerator = \"signups\"", "numerator = \"qualified_signups\"")
}

const VERIFIES: &str =
    "depth = \"verified_email\"\nanswers = { employees = \"q2\", role = \"q3\", why = \"q1\" }\nfree_text = [\"why\"]";

fn icp(rules: &str) -> Vec<IcpRule> {
    let loaded = load(&about(VERIFIES, &format!("icp = [{rules}]"))).unwrap_or_else(|problems| panic!("{problems:#?}"));
    loaded.config.experiments[0].policy.icp.clone()
}

#[track_caller]
fn refused(text: &str, what: &str, advice: &str) {
    let said = errors(text);
    assert!(said.iter().any(|error| error.contains(what) && error.contains(advice)), "{said:#?}");
}

#[test]
fn rules_say_who_the_concept_is_for() {
    let rule = |field: &str, test| IcpRule { field: field.into(), test };
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    assert_eq!(
        icp(r#"{ field = "employees", between = [20, 200] }, { field = "role", one_of = ["finance", "CFO"] }"#),
        [
            rule("employees", IcpTest::Within(Some(20.0), Some(200.0))),
            rule("role", IcpTest::OneOf(words(&["finance", "CFO"])))
        ]
    );
    for (written, test) in [
        (r#"is = "CFO""#, IcpTest::OneOf(words(&["CFO"]))),
        (r#"not = "student""#, IcpTest::NoneOf(words(&["student"]))),
        (r#"not = ["student", "none"]"#, IcpTest::NoneOf(words(&["student", "none"]))),
        ("at_least = 20", IcpTest::Within(Some(20.0), None)),
        ("at_most = 2.5", IcpTest::Within(None, Some(2.5))),
        ("at_least = 1, at_most = 2", IcpTest::Within(Some(1.0), Some(2.0))),
    ] {
        assert_eq!(icp(&format!("{{ field = \"role\", {written} }}")), [rule("role", test)], "{written}");
    }
}

#[test]
fn d9_rules_that_cannot_hold_are_errors_with_the_nearest_word() {
    for (rule, what, advice) in [
        (r#"{ field = "employes", is = "x" }"#, "keeps an answer called \"employes\"", "did you mean employees?"),
        (r#"{ field = "why", is = "x" }"#, "keeps an answer called \"why\"", ""),
        (r#"{ field = "role", betwen = [1, 2] }"#, "betwen", "did you mean between?"),
        (r#"{ field = "role" }"#, "says nothing", "write one of is, one_of, not, between"),
        (r#"{ field = "role", is = "x", at_most = 2 }"#, "says too much", "write one of"),
        (r#"{ field = "role", between = [2, 1] }"#, "at least 2 and at most 1", "smaller number first"),
        (r#"{ field = "role", between = [1] }"#, "is 1 numbers", "between = [20, 200]"),
        (r#"{ field = "role", between = [nan, 2] }"#, "is a number", "a list of numbers"),
        (r#"{ field = "role", between = ["1", 2] }"#, "is text", "a list of numbers"),
        (r#"{ field = "role", one_of = [1] }"#, "is a number", "a list of texts"),
        (r#"{ field = "role", at_least = inf }"#, "not a number that can be compared", ""),
        (r#"{ is = "x" }"#, "field is missing", "name the answer"),
    ] {
        refused(&about(VERIFIES, &format!("icp = [{rule}]")), what, advice);
    }
}

#[test]
fn what_is_kept_of_people_is_named_once_and_for_sources_that_have_any() {
    let loaded = load(&about(VERIFIES, "")).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let intake = loaded.config.sources.values().find(|access| access.source.connector == "typeform").unwrap();
    let kept: Vec<_> =
        intake.intake.answers.iter().map(|it| (it.name.as_str(), it.asked_as.as_str(), it.is_free_text)).collect();
    assert_eq!(kept, [("employees", "q2", false), ("role", "q3", false), ("why", "q1", true)]);
    refused(&about("answers = { Employees = \"q\" }", ""), "\"Employees\" cannot be a name", "small letters");
    refused(&about("answers = { role = 7 }", ""), "is a number", "text in quotes");
    refused(
        &about("answers = { role = \"q\" }\nfree_text = [\"roles\"]", ""),
        "\"roles\" is no answer",
        "did you mean role?",
    );
    refused(&about("depth = \"verified\"", ""), "depth cannot be \"verified\"", "did you mean verified_email?");
    refused(&about("depth = \"qualified_signup\"", ""), "depth cannot be", "");
    let ads = "settings = { customer_id = \"1234567890\" }";
    refused(
        &with(ads, &format!("{ads}\nanswers = {{ a = \"b\" }}")),
        "Google Ads gives no answers",
        "take this line out",
    );
    refused(&with(ads, &format!("{ads}\ndepth = \"email\"")), "Google Ads hands over counts", "take this line out");
}

#[test]
fn deeper_acts_decide_only_where_a_source_has_them() {
    refused(&about("", ""), "no source says that an address was verified", "depth = \"verified_email\"");
    let deposits = SMALL.replace("numerator = \"signups\"", "numerator = \"deposits\"");
    refused(&deposits, "no source of this experiment counts deposits", "its sources count");
    let paid = deposits.replace(FORM, &format!("{FORM}\ndepth = \"deposit\""));
    let loaded = load(&paid).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(loaded.config.experiments[0].policy.primary.numerator, MetricId::DEPOSITS);
    let unused = with(FORM, &format!("{FORM}\nanswers = {{ role = \"q\" }}"))
        .replace("kill_bar = 0.02", "kill_bar = 0.02\nicp = [{ field = \"role\", is = \"CFO\" }]");
    assert!(
        warnings(&unused).iter().any(|said| said.contains("nothing here counts qualified_signups")),
        "{:#?}",
        warnings(&unused)
    );
}

#[test]
fn lists_of_addresses_that_would_take_everybody_are_errors() {
    let people = |lines: &str| format!("[people]\n{lines}\n{SMALL}");
    let loaded =
        load(&people("internal = [\"ACME.com\"]\ntest_addresses = [\"QA-*@*\", \"*@trial.acme.com\"]")).unwrap();
    assert_eq!(loaded.config.experiments[0].internal, ["acme.com"]);
    assert_eq!(loaded.config.sources.values().next().unwrap().intake.test_addresses, ["qa-*@*", "*@trial.acme.com"]);
    for wrong in ["*", "*@*", "", "qa", "qa@"] {
        refused(&people(&format!("test_addresses = [\"{wrong}\"]")), "is no address", "have in common");
    }
    for wrong in ["acme", "ann@acme.com", "*.acme.com", "", "https://acme.com"] {
        refused(&people(&format!("internal = [\"{wrong}\"]")), "is no domain", "behind the @");
    }
    refused(&people("intern = [\"acme.com\"]"), "unknown key \"people.intern\"", "did you mean internal?");
}

#[test]
fn rules_change_the_fingerprint_and_lists_of_people_do_not() {
    let hash = |text: &str| willitsell::decide::policy_hash(&load(text).unwrap().config.experiments[0]);
    let plain = about(VERIFIES, "");
    assert_eq!(hash(&plain), hash(&format!("[people]\ninternal = [\"acme.com\"]\n{plain}")));
    assert_ne!(hash(&plain), hash(&about(VERIFIES, "icp = [{ field = \"role\", is = \"CFO\" }]")));
    // As policies were before there were rules.
    assert!(!serde_json::to_string(&load(SMALL).unwrap().config.experiments[0].policy).unwrap().contains("icp"));
}

/// A page that counts visits and sign-ups by day, beside the form and an ad account that counts visits too.
fn overlapping(more: &str, keys: &str) -> Vec<String> {
    let mut known = connectors();
    let page = ConnectorInfo {
        name: "page".into(),
        title: "Page".into(),
        metrics: vec![MetricId::VISITS, MetricId::SIGNUPS, MetricId::CONVERSIONS],
        ..ConnectorInfo::default()
    };
    known.push(page);
    known.iter_mut().find(|info| info.name == "google_ads").unwrap().metrics.push(MetricId::VISITS);
    let text = with("sources = [\"landing\", \"search\"]", "sources = [\"landing\", \"search\", \"site\"]")
        .replace("keys = { landing = [\"a\"], search = [\"1\"] }", &format!("keys = {{ landing = [\"a\"], {keys} }}"))
        .replace("[experiment.cats]", &format!("[source.site]\nconnector = \"page\"\n{more}\n[experiment.cats]"));
    match File::new(&text).load_knowing(&known, &full_env) {
        Ok(_) => vec![],
        Err(problems) => lines(&problems.iter().cloned().collect::<Vec<_>>(), false),
    }
}

#[test]
fn d2_two_sources_that_count_the_same_are_an_error_that_says_how_to_mend_it() {
    let both = "search = [\"1\"], site = [\"a\"]";
    let said = overlapping("", both);
    let [visits, signups, conversions] = said.as_slice() else { panic!("{said:#?}") };
    assert!(visits.contains("visits of arm a are counted by \"search\" and by \"site\""), "{visits}");
    assert!(visits.contains("leave_out = [\"visits\"] in [source.search]"), "{visits}");
    assert!(signups.contains("counted by \"landing\" and by \"site\""), "{signups}");
    assert!(signups.contains("leave_out = [\"signups\"] in [source.site]"), "{signups}");
    assert!(conversions.contains("leave_out = [\"conversions\"]"), "{conversions}");
    let mended = overlapping("leave_out = [\"visits\", \"signups\", \"conversions\"]", both);
    assert_eq!(mended, Vec::<String>::new());
    let misspelt = overlapping("leave_out = [\"visit\"]", both);
    assert!(
        misspelt.iter().any(|error| error.contains("\"visit\" is nothing this source counts | did you mean visits?"))
    );
    let form = with(FORM, &format!("{FORM}\nleave_out = [\"signups\"]"));
    refused(&form, "people are not left out by what they count as", "take the source out");
}

/// The form beside another source of the same arm, whose acts name nobody.
fn beside_nameless(of: Depth, more: &str) -> Result<willitsell::config::Loaded, Vec<String>> {
    let mut known = connectors();
    let deals = ConnectorInfo {
        name: "deals".into(),
        title: "Deals".into(),
        metrics: vec![MetricId::SIGNUPS],
        people: Some(of),
        ..ConnectorInfo::default()
    };
    known.push(deals);
    let text = with("sources = [\"landing\", \"search\"]", "sources = [\"landing\", \"search\", \"crm\"]")
        .replace("keys = { landing = [\"a\"],", "keys = { landing = [\"a\"], crm = [\"a\"],")
        .replace("[experiment.cats]", &format!("[source.crm]\nconnector = \"deals\"\n{more}\n[experiment.cats]"));
    let loaded = File::new(&text).load_knowing(&known, &full_env);
    loaded.map_err(|problems| lines(&problems.iter().cloned().collect::<Vec<_>>(), false))
}

#[test]
fn d2_acts_that_name_nobody_are_refused_beside_a_source_of_the_same() {
    let loaded = beside_nameless(Depth::Order, "").unwrap_or_else(|problems| panic!("{problems:#?}"));
    let crm = loaded.config.experiments[0].sources.iter().find(|it| it.id.as_str() == "crm").unwrap();
    assert!(crm.nameless);
    let orders = [MetricId::ORDERS, MetricId::PAYMENTS, MetricId::REFUNDS];
    assert_eq!(crm.metrics, orders, "what they are, and nobody's sign-up");
    let said = beside_nameless(Depth::Email, "").unwrap_err();
    let [signups] = said.as_slice() else { panic!("{said:#?}") };
    assert!(signups.contains("signups of arm a come from \"landing\" and from \"crm\""), "{signups}");
    assert!(signups.contains("the acts of \"crm\" name nobody"), "{signups}");
    assert!(signups.contains("take crm out of the keys of the arms"), "{signups}");
    assert!(beside_nameless(Depth::Order, "depth = \"email\"").is_err(), "as deep as the user says");
}

#[test]
fn d2_people_known_by_numbers_of_their_own_are_refused_beside_a_source_of_the_same() {
    let known = willitsell::app::registry().unwrap().infos();
    let beside = |settings: &str| {
        let text = with("sources = [\"landing\", \"search\"]", "sources = [\"landing\", \"search\", \"members\"]")
            .replace("keys = { landing = [\"a\"],", "keys = { landing = [\"a\"], members = [\"a\"],");
        let members = format!("[source.members]\nconnector = \"form_file\"\nsettings = {{ {settings} }}\n");
        let loaded = File::new(&text.replace("[experiment.cats]", &(members + "[experiment.cats]")))
            .load_knowing(&known, &full_env);
        loaded.map(|_| ()).map_err(|problems| lines(&problems.iter().cloned().collect::<Vec<_>>(), false).join("\n"))
    };
    beside("time_zone = \"UTC\"").unwrap_or_else(|said| panic!("addresses are the same everywhere: {said}"));
    let said = beside("time_zone = \"UTC\", person_column = \"Member\"").unwrap_err();
    assert!(said.contains("the acts of \"members\" name people by numbers of their own"), "{said}");
    assert!(said.contains("take members out of the keys of the arms"), "{said}");
}

#[test]
fn a_booking_is_no_demo_that_was_held_and_a_deals_present_stage_is_no_stage_it_reached() {
    let known = willitsell::app::registry().unwrap().infos();
    let form = |connector: &str, settings: &str| {
        let text = with(FORM, &format!("settings = {{ {settings} }}"))
            .replace("connector = \"typeform\"", &format!("connector = \"{connector}\""));
        let loaded = File::new(&text).load_knowing(&known, &full_env);
        loaded.map(|_| ()).map_err(|problems| lines(&problems.iter().cloned().collect::<Vec<_>>(), false).join("\n"))
    };
    let calendly = "organization = \"https://api.calendly.com/organizations/A\", token = \"env:T\"";
    form("calendly", calendly).unwrap();
    let said = form("calendly", &format!("{calendly} }}\ndepth = \"demo\" #")).unwrap_err();
    assert!(
        said.contains("Calendly tells who booked, and not that anybody came") && said.contains("hubspot_meetings"),
        "{said}"
    );
    let deals = "arm_property = \"concept\", token = \"env:T\", property = ";
    let said = form("hubspot_deals", &format!("{deals}\"dealstage\"")).unwrap_err();
    assert!(said.contains("is none of the choices") && said.contains("hs_is_closed_won, pipeline"), "{said}");
    let said = form("hubspot_deals", &format!("{deals}\"pipeline\"")).unwrap_err();
    assert!(!said.contains("choices") && said.contains("counts signups"), "deals are orders: {said}");
}

#[test]
fn the_path_of_a_file_begins_at_the_configurations_folder() {
    let text = with(FORM, "settings = { path = \"exports/answers.csv\" }")
        .replace("connector = \"typeform\"", "connector = \"form_file\"");
    let file = File::new(&text);
    let known = willitsell::app::registry().unwrap().infos();
    let loaded = file.load_knowing(&known, &full_env).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let source = loaded.config.sources.values().find(|access| access.source.connector == "form_file").unwrap();
    let path = std::path::Path::new(source.settings.plain("path").unwrap());
    assert!(path.is_absolute() && path.ends_with("exports/answers.csv"), "{}", path.display());
}
