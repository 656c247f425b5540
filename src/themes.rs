//! What people wrote, in groups: by themes that a person named, and, for what is left, phrases that may become one. Counts
//! and quotes stand beside a verdict. Nothing here is stored, and no test reads it.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::Serialize;
use yake_rust::{Config, StopWords, get_n_best};

use crate::domain::theme::{Phrase, Theme, words};

/// Languages whose small words make no theme. What people write is in one of a few, and nobody says in which.
const LANGUAGES: [&str; 8] = ["en", "de", "fr", "es", "it", "nl", "pl", "pt"];
/// Most suggestions: more than a person reads.
const MOST_SUGGESTIONS: usize = 8;
/// Phrases looked at for them.
const CANDIDATES: usize = 200;
/// Longest quote, in characters.
const LONGEST_QUOTE: usize = 160;
/// Most characters of one answer that are searched for phrases, and most answers: more of them say the same.
const MOST_SEARCHED: (usize, usize) = (1_000, 5_000);
/// A number of so many digits may be a telephone's number, and is shown to nobody.
const DIGITS_OF_A_NUMBER: usize = 6;

/// Answers that have something in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The theme's name, or the phrase.
    pub name: String,
    /// How many answers.
    pub answers: usize,
    /// One of them, without what may name a person.
    pub quote: String,
}

/// Answers in groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Themes {
    /// Answers that say anything.
    pub answers: usize,
    /// By theme, the most frequent first. An answer may belong to several.
    pub groups: Vec<Group>,
    /// Answers that belong to none.
    pub others: usize,
    /// Phrases that several of the others share. Each answer is counted with the first that it holds.
    pub suggestions: Vec<Group>,
}

/// Groups what people wrote, whatever the order in which it comes.
pub fn group(themes: &[Theme], texts: &[&str]) -> Themes {
    let mut said: Vec<(&str, Vec<String>)> = texts.iter().map(|text| (*text, words(text))).collect();
    said.retain(|(_, words)| !words.is_empty());
    said.sort();
    let mut groups: Vec<Group> = Vec::new();
    for theme in themes {
        let of_it: Vec<&str> = said.iter().filter(|(_, words)| theme.is_in(words)).map(|(text, _)| *text).collect();
        groups.push(Group { name: theme.name.clone(), answers: of_it.len(), quote: quote(&of_it) });
    }
    groups.sort_by_key(|group| Reverse(group.answers));
    let others: Vec<_> = said.iter().filter(|(_, words)| !themes.iter().any(|theme| theme.is_in(words))).collect();
    Themes { answers: said.len(), groups, others: others.len(), suggestions: suggestions(&others) }
}

/// Phrases that several answers share: what YAKE finds, those first that speak for the most answers nobody spoke for.
fn suggestions(others: &[&(&str, Vec<String>)]) -> Vec<Group> {
    let (characters, most) = MOST_SEARCHED;
    let mut text = String::new();
    for (said, _) in others.iter().take(most) {
        text.extend(without_names(said).chars().take(characters));
        text.push_str(".\n\n");
    }
    let mut stop_words = StopWords::default();
    for language in LANGUAGES {
        stop_words.extend(StopWords::predefined(language).unwrap_or_default().iter().cloned());
    }
    let settings = Config { only_alphanumeric_and_hyphen: true, ..Config::default() };
    let found = get_n_best(CANDIDATES, &text, &stop_words, &settings);
    let holding =
        |phrase: &Phrase| -> BTreeSet<usize> { (0..others.len()).filter(|&at| phrase.is_in(&others[at].1)).collect() };
    let mut candidates: Vec<(String, BTreeSet<usize>)> = found
        .into_iter()
        .filter_map(|item| Some((Phrase::parse(&item.keyword)?, item.keyword)))
        .map(|(phrase, name)| (name, holding(&phrase)))
        .collect();
    let mut suggestions = Vec::new();
    while suggestions.len() < MOST_SUGGESTIONS {
        // A longer phrase says more than a word that many use; then the one that YAKE thinks better of.
        let weight = |(at, (name, holding)): &(usize, &(String, BTreeSet<usize>))| {
            (holding.len() * name.split(' ').count().pow(2), Reverse(*at))
        };
        let Some((at, _)) = candidates.iter().enumerate().max_by_key(weight) else { break };
        let (name, taken) = candidates.swap_remove(at);
        if taken.len() < 2 {
            break;
        }
        let of_it: Vec<&str> = taken.iter().map(|&at| others[at].0).collect();
        suggestions.push(Group { name, answers: taken.len(), quote: quote(&of_it) });
        for (_, holding) in &mut candidates {
            holding.retain(|at| !taken.contains(at));
        }
    }
    suggestions
}

/// An answer that speaks for others: of middle length, so that it says something and is read.
fn quote(answers: &[&str]) -> String {
    let mut answers = answers.to_vec();
    answers.sort_by_key(|answer| (answer.chars().count(), *answer));
    answers.get(answers.len() / 2).map(|answer| shown(answer)).unwrap_or_default()
}

/// Words as they may be shown: in one line, short, without what may name a person.
fn shown(text: &str) -> String {
    let line = without_names(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST_QUOTE {
        return line;
    }
    let cut: String = line.chars().take(LONGEST_QUOTE - 1).collect();
    format!("{}…", cut.rsplit_once(' ').map_or(cut.as_str(), |(whole, _)| whole))
}

/// Addresses, links and long numbers become `…`; characters that steer a terminal or the direction of reading are left out.
fn without_names(text: &str) -> String {
    let steers =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let clean: String = text.chars().filter(|&c| !steers(c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = clean.split(' ').collect();
    let mut out = Vec::with_capacity(words.len());
    // A telephone's number is often several words.
    for run in words.chunk_by(|one, next| is_number(one) && is_number(next)) {
        let digits: usize = run.iter().map(|word| word.chars().filter(char::is_ascii_digit).count()).sum();
        let names = run.iter().any(|word| word.contains('@') || word.contains("://"));
        if names || digits >= DIGITS_OF_A_NUMBER {
            out.push("…");
        } else {
            out.extend(run);
        }
    }
    out.join(" ")
}

fn is_number(word: &str) -> bool {
    let mark = |c: char| matches!(c, '+' | '-' | '(' | ')' | '/' | '.' | ',');
    word.contains(|c: char| c.is_ascii_digit()) && word.chars().all(|c| c.is_ascii_digit() || mark(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn theme(name: &str, phrases: &[&str]) -> Theme {
        let phrases = phrases.iter().map(|phrase| Phrase::parse(phrase).unwrap()).collect();
        Theme { name: name.to_owned(), phrases }
    }

    const SAID: [&str; 7] = [
        "I spend my Fridays chasing late payers.",
        "Late payers! Write to me at ann@acme.example or +49 151 2345678",
        "Sending invoices by hand takes hours",
        "Invoices by hand, every single month",
        "offline mode",
        "An offline mode would help\u{202e}\u{0}",
        " ?! ",
    ];

    #[test]
    fn answers_are_counted_by_theme_and_the_rest_is_suggested() {
        let themes =
            group(&[theme("prices", &["cheap*"]), theme("chasing late payers", &["late payer*", "overdue"])], &SAID);
        assert_eq!((themes.answers, themes.others), (6, 4));
        let counts: Vec<_> = themes.groups.iter().map(|group| (group.name.as_str(), group.answers)).collect();
        assert_eq!(counts, [("chasing late payers", 2), ("prices", 0)]);
        let suggested: Vec<_> = themes.suggestions.iter().map(|group| (group.name.as_str(), group.answers)).collect();
        assert_eq!(suggested, [("invoices by hand", 2), ("offline mode", 2)]);
        let mut backwards = SAID;
        backwards.reverse();
        assert_eq!(group(&[], &backwards), group(&[], &SAID));
        assert_eq!(group(&[], &[]).suggestions, []);
    }

    #[test]
    fn a_quote_names_nobody_and_steers_nothing() {
        let themes = group(&[theme("late", &["late"])], &SAID[1..2]);
        assert_eq!(themes.groups[0].quote, "Late payers! Write to me at … or …");
        assert_eq!(shown("An offline\nmode\u{202e}\u{0}\u{1b}[31m"), "An offline mode [31m");
        let long = shown(&"word ".repeat(90));
        assert!(long.chars().count() <= LONGEST_QUOTE && long.ends_with("word…"), "{long}");
    }

    proptest! {
        #[test]
        fn x1_whatever_people_write_is_grouped(texts in prop::collection::vec(any::<String>(), 0..20)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let themes = group(&[theme("a", &["a*"])], &texts);
            prop_assert!(themes.answers <= texts.len() && themes.others <= themes.answers);
            for one in themes.groups.iter().chain(&themes.suggestions) {
                prop_assert!(!one.quote.chars().any(char::is_control));
            }
        }
    }
}
