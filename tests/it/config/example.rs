//! The example configuration loads, says what the program does, and holds every key there is.

use super::*;
use willitsell::domain::concept::{Limit, Policy};

fn example() -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/willitsell.example.toml")).unwrap()
}

#[test]
fn the_example_loads_without_an_error_or_a_warning_that_is_not_announced() {
    let loaded = load(&example()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let said: Vec<_> = loaded.warnings.iter().map(|problem| problem.what.as_str()).collect();
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].contains("secrets come from the environment"), "{said:#?}");
    let config = loaded.config;
    assert_eq!(config.experiments.len(), 1);
    assert_eq!(config.sources.len(), 2);
    assert_eq!(config.destinations.iter().map(|to| to.kind).collect::<Vec<_>>(), ["slack", "webhook"]);
    assert_eq!(config.experiments[0].arms.len(), 3);
    let Policy { guardrails, .. } = &config.experiments[0].policy;
    assert_eq!(
        guardrails.iter().map(|one| one.limit).collect::<Vec<_>>(),
        [Limit::Max(84.0), Limit::Min(0.01), Limit::Min(0.60)]
    );
}

/// Taking a line that says "default" out of the example changes nothing: what it prints as default
/// is the default.
#[test]
fn every_default_the_example_prints_is_the_one_that_holds() {
    let whole = load(&example()).unwrap().config;
    let mut lines = 0;
    for (number, line) in example().lines().enumerate() {
        let Some((_, comment)) = line.split_once("# default") else { continue };
        // These show another value than the default, or have it where they are used.
        let shows_another = [
            "token_url",
            "control",
            "notify",
            "set_aside",
            "internal",
            "leave_out",
            "depth",
            "answers",
            "free_text",
            "title",
            "chance_it_sells",
            "share_failing",
            "chance_it_would_be_built",
            "habit",
        ];
        if comment.is_empty() || shows_another.iter().any(|key| line.starts_with(key)) || !line.contains(" = ") {
            continue;
        }
        lines += 1;
        let without: Vec<_> =
            example().lines().enumerate().filter(|(at, _)| *at != number).map(|(_, line)| line.to_owned()).collect();
        let less = load(&without.join("\n")).unwrap_or_else(|problems| panic!("{line}: {problems:#?}")).config;
        let printed =
            |config: &config::Config| format!("{:?} {:?}", config.experiments, config.store_url.rsplit('/').next());
        assert_eq!(printed(&less), printed(&whole), "{line}");
    }
    assert!(lines > 12, "{lines}");
}

/// An unknown key in each table: the advice lists every key the table may hold, and each of them
/// stands in the example.
#[test]
fn every_key_of_the_file_stands_in_the_example() {
    let example = example();
    let keys_written: Vec<&str> = example
        .lines()
        .flat_map(|line| line.split(['{', ',']))
        .filter_map(|part| part.split_once('=').map(|(key, _)| key.trim().trim_start_matches("# ")))
        .collect();
    let headings: Vec<&str> = example.lines().filter(|line| line.starts_with('[')).collect();
    let mut checked = 0;
    for heading in headings.iter().filter(|heading| !heading.contains("[notify")) {
        let heading = heading.split_once(']').map_or(*heading, |(name, _)| name);
        let at = example.find(heading).unwrap();
        let end = at + example[at..].find('\n').unwrap();
        let broken = format!("{}\nxqzxqz = 1{}", &example[..end], &example[end..]);
        let listed = errors(&broken);
        let listed = listed
            .iter()
            .find_map(|error| error.split_once("may hold: "))
            .unwrap_or_else(|| panic!("{heading}: {listed:?}"))
            .1;
        for key in listed.split(", ") {
            let stands =
                keys_written.contains(&key) || headings.iter().any(|heading| heading.contains(&format!(".{key}")));
            assert!(stands, "{heading}: {key} is not in the example");
            checked += 1;
        }
    }
    assert!(checked > 70, "{checked}");
    let top = errors(&format!("xqzxqz = 1\n{example}"));
    for table in top[0].split_once("may hold: ").unwrap().1.split(", ") {
        let stands =
            keys_written.contains(&table) || headings.iter().any(|line| line.starts_with(&format!("[{table}")));
        assert!(stands, "{table}");
    }
}

/// A key with its last letter dropped, a letter doubled, two letters exchanged.
fn misspellings(key: &str) -> Vec<String> {
    let mut doubled = key.to_owned();
    doubled.insert(key.len() / 2, key.as_bytes()[key.len() / 2].into());
    let middle = key.len() / 2;
    let mut exchanged: Vec<u8> = key.into();
    exchanged.swap(middle - 1, middle);
    vec![key[..key.len() - 1].to_owned(), doubled, String::from_utf8(exchanged).unwrap()]
}

#[test]
fn f2_every_misspelt_key_is_an_error_with_the_right_suggestion() {
    let example = example();
    let mut tried = 0;
    for (number, line) in example.lines().enumerate() {
        let Some((key, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        let key = key.trim();
        for wrong in misspellings(key) {
            if wrong == key {
                continue;
            }
            let broken: Vec<_> = example
                .lines()
                .enumerate()
                .map(|(at, text)| if at == number { text.replacen(key, &wrong, 1) } else { text.to_owned() })
                .collect();
            let said = errors(&broken.join("\n"));
            let mine = said.iter().find(|error| error.starts_with(&format!("{}: unknown key", number + 1)));
            let mine = mine.unwrap_or_else(|| panic!("{key} as {wrong}: {said:#?}"));
            assert!(mine.contains(&format!(".{wrong}\" | did you mean {key}?")), "{key} as {wrong}: {mine}");
            tried += 1;
        }
    }
    assert!(tried > 150, "{tried}");
}

#[test]
fn f2_misspelt_tables_and_keys_inside_braces_are_errors_too() {
    let example = example();
    for (from, to, wanted) in [
        ("[store]", "[stor]", "unknown key \"stor\" | did you mean store?"),
        ("[login.google]", "[logn.google]", "unknown key \"logn\" | did you mean login?"),
        (".policy]", ".polcy]", "unknown key \"experiment.cat-meals.polcy\" | did you mean policy?"),
        (".arm.today]", ".arms.today]", "unknown key \"experiment.cat-meals.arms\" | did you mean arm?"),
        ("policy.guardrails]]", "policy.gardrails]]", "gardrails\" | did you mean guardrails?"),
        ("[notify.growth.slack]", "[notify.growth.slak]", "called \"slak\" | did you mean slack?"),
        ("amount = \"1500.00\"", "amont = \"1500.00\"", "budget_cap.amont\" | did you mean amount?"),
        ("{ form_id = ", "{ from_id = ", "settings.from_id\" | did you mean form_id?"),
        ("keys = { landing = [\"price-39\"]", "keys = { lading = [\"price-39\"]", "\"lading\" is not a source"),
        (
            "min_days  ",
            "maturity_lag_days = 3\nmin_days",
            "maturity_lag_days\" | maturity_lag_days belongs in [source.NAME]",
        ),
    ] {
        let said = errors(&example.replace(from, to));
        assert!(said.iter().any(|error| error.contains(wanted)), "{to}: {said:#?}");
    }
}
