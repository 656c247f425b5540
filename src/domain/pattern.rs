//! Keys with `*` in them: how an arm takes a vendor's ids, names or UTM values by what they have in common.
//! `*` stands for any characters or none; all others for themselves, upper and lower case apart.

/// Whether a key is a pattern.
pub fn is_pattern(key: &str) -> bool {
    key.contains('*')
}

/// Whether a pattern holds no character but `*`: it would take everything.
pub fn takes_all(pattern: &str) -> bool {
    is_pattern(pattern) && pattern.chars().all(|one| one == '*')
}

/// Whether a pattern fits a text, in time that grows with their product at most.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // Each part where it first stands leaves most of the text to those that follow.
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Whether some text fits both patterns.
pub fn overlap(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // Whether what is left of both has a text in common, for every rest of `other`, from the end of `one` on.
    let mut after = vec![false; other.len() + 1];
    for at in (0..=one.len()).rev() {
        let mut here = vec![false; other.len() + 1];
        for to in (0..=other.len()).rev() {
            here[to] = match (one.get(at), other.get(to)) {
                (None, None) => true,
                (Some('*'), None) => after[to],
                (None, Some('*')) => here[to + 1],
                (Some('*'), Some(_)) | (Some(_), Some('*')) => after[to] || here[to + 1],
                (Some(mine), Some(theirs)) => mine == theirs && after[to + 1],
                (Some(_), None) | (None, Some(_)) => false,
            };
        }
        after = here;
    }
    after[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_any_characters_or_none() {
        for (pattern, text) in [
            ("cats-*", "cats-"),
            ("cats-*", "cats-de"),
            ("*-de", "cats-de"),
            ("c*-*e", "cats-de"),
            ("*a*", "cats"),
            ("a**b", "ab"),
            ("a*b*b", "abb"),
            ("*ab", "aab"),
            ("price*|é*", "price-29|élan"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("cats-*", "Cats-de"),
            ("cats-*", "my cats-de"),
            ("a*a", "a"),
            ("ab*bc", "abc"),
            ("*-de", "cats-deu"),
            ("x*", ""),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
        assert!(takes_all("**") && !takes_all("a*") && !takes_all(""));
    }

    #[test]
    fn two_patterns_overlap_where_one_text_fits_both() {
        for (one, other) in [("cats-*", "*-de"), ("a*c", "*b*"), ("*a", "a*"), ("a*", "a*"), ("a*b", "ab*")] {
            assert!(overlap(one, other) && overlap(other, one), "{one} {other}");
        }
        for (one, other) in [("cats-*", "dogs-*"), ("*a", "*b"), ("a*", "b"), ("a*b", "a*c")] {
            assert!(!overlap(one, other) && !overlap(other, one), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn fitting_is_overlapping_with_a_text_without_a_star(pattern in "[ab*]{0,7}", text in "[ab]{0,7}") {
            prop_assert_eq!(fits(&pattern, &text), overlap(&pattern, &text));
        }
    }
}
