//! Text that others wrote (titles, names, campaign keys) made fit to show: one line, nothing
//! invisible that moves other text about, a bounded length. Not for numbers or for our own words.

/// Ends a text that was cut.
const CUT: char = '…';

/// One line of at most `limit` bytes (receivers count characters, each in its own way; bytes are
/// never fewer). Control characters become spaces, marks that change the writing direction go.
/// `escape` gives what stands for a character; it is never cut in two.
pub(super) fn line(text: &str, limit: usize, escape: fn(char) -> Option<&'static str>) -> String {
    let mut shown = String::new();
    let mut room_for_cut = 0;
    for letter in text.trim().chars().filter(|&letter| !turns_text(letter)) {
        let letter = if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') { ' ' } else { letter };
        match escape(letter) {
            Some(stand_in) => shown.push_str(stand_in),
            None => shown.push(letter),
        }
        if shown.len() > limit {
            shown.truncate(room_for_cut);
            shown.push(CUT);
            break;
        }
        if shown.len() + CUT.len_utf8() <= limit {
            room_for_cut = shown.len();
        }
    }
    shown
}

/// The marks and overrides of the Unicode bidirectional algorithm.
fn turns_text(letter: char) -> bool {
    matches!(letter, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(letter: char) -> Option<&'static str> {
        (letter == '&').then_some("&amp;")
    }

    #[test]
    fn cuts_between_characters_and_never_inside_a_stand_in() {
        assert_eq!(line("abcdef", 6, |_| None), "abcdef");
        assert_eq!(line("abcdefg", 6, |_| None), "abc…");
        assert_eq!(line("a&&", 8, entity), "a…");
        assert_eq!(line("a&&", 9, entity), "a&amp;…");
        assert_eq!(line("a&&", 11, entity), "a&amp;&amp;");
        assert_eq!(line("ééééé", 8, |_| None), "éé…");
    }

    #[test]
    fn keeps_to_one_line_and_one_direction() {
        assert_eq!(line(" a\r\nNext\tb\u{2028}c\u{0}d ", 99, |_| None), "a  Next b c d");
        assert_eq!(line("\u{202e}evil\u{202c} \u{200f}مرحبا", 99, |_| None), "evil مرحبا");
    }

    proptest::proptest! {
        #[test]
        fn is_never_longer_than_allowed(text: String, limit in 3_usize..200) {
            proptest::prop_assert!(line(&text, limit, entity).len() <= limit);
        }
    }
}
