//! The ideal customer profile as rules that an answer passes or does not. Answers are untrusted text: a number may be
//! written as forms offer it, "51-200" or "5,000+", and one that cannot be read is unknown, never a guess.

use serde::{Deserialize, Serialize};

use super::response::Answers;

/// One rule: what must hold of the answer to one question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IcpRule {
    /// The question, as `[source.NAME.answers]` calls it.
    pub field: String,
    /// What must hold.
    pub test: IcpTest,
}

/// What must hold of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IcpTest {
    /// All of the number, or of the range that was answered, lies between these, both allowed; `None` is no end.
    Within(Option<f64>, Option<f64>),
    /// One of these words, upper and lower case alike. Of several answers one is enough.
    OneOf(Vec<String>),
    /// None of these words.
    NoneOf(Vec<String>),
}

/// What a rule says of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// All rules hold.
    Inside,
    /// No rule fails, but an answer is missing or cannot be read.
    Unknown,
    /// A rule fails.
    Outside,
}

/// What all rules say of somebody's answers; without rules everybody is inside.
pub fn fit(rules: &[IcpRule], answers: &Answers) -> Fit {
    rules
        .iter()
        .map(|rule| answers.get(&rule.field).map_or(Fit::Unknown, |answer| rule.test.of(answer)))
        .max()
        .unwrap_or(Fit::Inside)
}

impl IcpTest {
    /// What the rule says of an answer.
    fn of(&self, answer: &str) -> Fit {
        let says = |holds| if holds { Fit::Inside } else { Fit::Outside };
        match self {
            Self::Within(least, most) => range(answer).map_or(Fit::Unknown, |(low, high)| {
                says(least.is_none_or(|least| low >= least) && most.is_none_or(|most| high <= most))
            }),
            Self::OneOf(words) => says(holds_any(answer, words)),
            Self::NoneOf(words) => says(!holds_any(answer, words)),
        }
    }
}

/// Whether an answer, or one of several with `;` between, is one of the words.
fn holds_any(answer: &str, words: &[String]) -> bool {
    let is_word = |text: &str| words.iter().any(|word| plain(word) == text);
    is_word(&plain(answer)) || answer.split(';').any(|part| is_word(&plain(part)))
}

/// In small letters, with single spaces.
fn plain(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The numbers an answer stands for: `137`, `51-200`, `51 to 200`, `5,000+`, `under 10`, `more than 500`. Words around them
/// (`11-50 employees`) are not read. An open end is infinite.
pub fn range(answer: &str) -> Option<(f64, f64)> {
    let text = plain(answer);
    let numbers = numbers(&text)?;
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match numbers.as_slice() {
        [one] if says(&["+", "more", "over", ">", "from", "at least", "above"]) => Some((*one, f64::INFINITY)),
        [one] if says(&["<", "under", "less", "fewer", "up to", "at most", "below"]) => Some((f64::NEG_INFINITY, *one)),
        [one] => Some((*one, *one)),
        [low, high] if low <= high => Some((*low, *high)),
        _ => None,
    }
}

/// The numbers in a text, at most three; `None` where one cannot be read.
fn numbers(text: &str) -> Option<Vec<f64>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() && found.len() < 3 {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let is_part = |at: usize| {
            bytes.get(at).is_some_and(u8::is_ascii_digit)
                || bytes.get(at).is_some_and(|byte| b".,'".contains(byte))
                    && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
        };
        let end = (at..=bytes.len()).find(|&end| !is_part(end)).unwrap_or(bytes.len());
        let thousand = bytes.get(end) == Some(&b'k') && !bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric);
        found.push(number(&text[at..end])? * if thousand { 1000.0 } else { 1.0 });
        at = end;
    }
    Some(found)
}

/// A number with separators of thousands or one of decimals: `1,001`, `10.000`, `12.5`.
fn number(text: &str) -> Option<f64> {
    let separators = [',', '.', '\''];
    let mut parts = text.split(separators);
    let first = parts.next()?;
    let rest: Vec<&str> = parts.collect();
    let are_thousands = first.len() <= 3 && rest.iter().all(|part| part.len() == 3);
    let text = match rest.as_slice() {
        [] => first.to_owned(),
        _ if are_thousands => text.replace(separators, ""),
        [decimals] => format!("{first}.{decimals}"),
        _ => return None,
    };
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_as_forms_offer_them() {
        let open = f64::INFINITY;
        for (answer, expected) in [
            ("137", Some((137.0, 137.0))),
            ("1200", Some((1200.0, 1200.0))),
            ("1000-5000", Some((1000.0, 5000.0))),
            ("10001+", Some((10_001.0, open))),
            ("51-200", Some((51.0, 200.0))),
            ("51 \u{2013} 200 employees", Some((51.0, 200.0))),
            ("1,001 to 5.000", Some((1001.0, 5000.0))),
            ("5,000+", Some((5000.0, open))),
            ("10k+", Some((10_000.0, open))),
            ("More than 500", Some((500.0, open))),
            ("under 10", Some((-open, 10.0))),
            ("<10", Some((-open, 10.0))),
            ("12.5", Some((12.5, 12.5))),
            ("200-51", None),
            ("1-2-3", None),
            ("1.2.3", None),
            ("many", None),
            ("", None),
        ] {
            assert_eq!(range(answer), expected, "{answer}");
        }
    }

    fn says(test: IcpTest, answer: &str) -> Fit {
        let rule = IcpRule { field: "f".into(), test };
        fit(&[rule], &[("f", answer)].into_iter().collect())
    }

    #[test]
    fn a_range_is_inside_only_where_all_of_it_is() {
        let within = || IcpTest::Within(Some(20.0), Some(200.0));
        assert_eq!(says(within(), "51-200"), Fit::Inside);
        assert_eq!(says(within(), "11-50"), Fit::Outside);
        assert_eq!(says(within(), "201+"), Fit::Outside);
        assert_eq!(says(within(), "some"), Fit::Unknown);
        assert_eq!(says(IcpTest::Within(Some(200.0), None), "5,000+"), Fit::Inside);
        assert_eq!(says(IcpTest::Within(Some(1000.0), None), "1200"), Fit::Inside);
    }

    #[test]
    fn words_are_compared_without_case_and_several_answers_one_by_one() {
        let words = || vec!["finance".to_owned(), "chief  Financial officer".to_owned()];
        assert_eq!(says(IcpTest::OneOf(words()), " FINANCE "), Fit::Inside);
        assert_eq!(says(IcpTest::OneOf(words()), "sales; Finance"), Fit::Inside);
        assert_eq!(says(IcpTest::OneOf(words()), "refinance"), Fit::Outside);
        assert_eq!(says(IcpTest::NoneOf(words()), "sales; Chief financial Officer"), Fit::Outside);
        let missing = IcpRule { field: "g".into(), test: IcpTest::NoneOf(words()) };
        assert_eq!(fit(&[missing], &Answers::default()), Fit::Unknown, "nobody is inside for saying nothing");
        assert_eq!(fit(&[], &Answers::default()), Fit::Inside);
    }

    proptest! {
        #[test]
        fn no_answer_breaks_a_rule(answer in any::<String>(), low in -1e6..1e6_f64) {
            says(IcpTest::Within(Some(low), Some(low + 10.0)), &answer);
            says(IcpTest::OneOf(vec![answer.clone()]), &answer);
        }
    }
}
