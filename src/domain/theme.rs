//! A theme of what people write: a name that a person chose, and the phrases it is known by. Themes stand beside a verdict
//! and never in it: no test reads a word.

use super::pattern;

/// A theme of `[experiment.KEY.themes]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theme {
    /// What people call it.
    pub name: String,
    /// An answer belongs to it when one of these stands in it.
    pub phrases: Vec<Phrase>,
}

/// Words that follow each other. `*` within a word stands for any letters or none; case and punctuation do not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase(Vec<String>);

impl Phrase {
    /// Reads a phrase; `None` where it has no word, or one that would fit every word.
    pub fn parse(text: &str) -> Option<Self> {
        let words = split(text, |c| c == '*');
        let fits_all = words.iter().any(|word| pattern::takes_all(word));
        (!words.is_empty() && !fits_all).then_some(Self(words))
    }

    /// Whether the words of a text, as [`words`] gives them, hold it.
    pub fn is_in(&self, words: &[String]) -> bool {
        let fits = |window: &[String]| self.0.iter().zip(window).all(|(part, word)| pattern::fits(part, word));
        words.windows(self.0.len()).any(fits)
    }
}

impl Theme {
    /// Whether a text of these words belongs to it.
    pub fn is_in(&self, words: &[String]) -> bool {
        self.phrases.iter().any(|phrase| phrase.is_in(words))
    }
}

/// The words of a text in small letters, without punctuation.
pub fn words(text: &str) -> Vec<String> {
    split(text, |_| false)
}

fn split(text: &str, keep: impl Fn(char) -> bool) -> Vec<String> {
    let small = text.to_lowercase().replace(['\'', '\u{2019}'], "");
    let words = small.split(|c: char| !(c.is_alphanumeric() || keep(c)));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_words_that_follow_each_other() {
        for (phrase, text) in [
            ("late payer*", "I chase LATE-PAYERS all day!"),
            ("don't know", "I don\u{2019}t know."),
            ("zahl*", "Sie zahlen nie"),
            ("größe", "Die GRÖSSE, nein: Größe"),
            ("24*7", "24h7 24x7"),
        ] {
            assert!(Phrase::parse(phrase).unwrap().is_in(&words(text)), "{phrase}");
        }
        for (phrase, text) in
            [("late payer", "late payers"), ("late payer", "late, or a payer"), ("late", ""), ("a b c", "a b")]
        {
            assert!(!Phrase::parse(phrase).unwrap().is_in(&words(text)), "{phrase}");
        }
        for phrase in ["", " ", "*", "late *", "!?"] {
            assert_eq!(Phrase::parse(phrase), None, "{phrase}");
        }
    }
}
