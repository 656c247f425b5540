//! Text that others wrote (titles, names, campaign keys) made fit to show: one line, nothing
//! invisible that moves other text about, a bounded length. Not for numbers or for our own words.

use super::shown::Escape;

/// Ends a text that was cut.
const CUT: char = '…';
const UNSEEN_SPACE: char = '\u{200b}';

/// One line of at most `limit` bytes (receivers count characters, each in its own way; bytes are
/// never fewer). Control characters become spaces, marks that change the writing direction go.
/// `escape` gives what stands for a character; it is never cut in two.
pub(super) fn line(text: &str, limit: usize, escape: Escape) -> String {
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

/// Takes the life out of what chat programs and mail readers make links, mentions and pictures of without being asked: an
/// address of the web or of a person, `:tada:`. Reads as before; an invisible space stands where it would begin. What lies
/// behind the first `most` characters is not looked at, for nobody sees it.
pub(super) fn lifeless(text: &str, most: usize) -> String {
    let mut shown = String::new();
    let mut before = ' ';
    let mut rest = text.trim().chars().filter(|&letter| !turns_text(letter)).take(most + 1).peekable();
    while let Some(letter) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        let begins = match letter {
            '@' => !next.is_whitespace(),
            // Not within a time of day.
            ':' => !next.is_whitespace() && !before.is_ascii_digit(),
            '.' => matches!(before, 'w' | 'W') && next.is_alphanumeric(),
            _ => false,
        };
        shown.push(letter);
        if begins {
            shown.push(UNSEEN_SPACE);
        }
        before = letter;
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

    #[test]
    fn makes_no_link_no_mention_and_no_picture_and_leaves_figures_alone() {
        assert_eq!(lifeless("https://evil.example", 99), "https:\u{200b}//evil.example");
        assert_eq!(lifeless("www.evil.example", 99), "www.\u{200b}evil.example");
        assert_eq!(lifeless("@channel a@b.example :tada:", 99), "@\u{200b}channel a@\u{200b}b.example :\u{200b}tada:");
        for plain in ["6.0% (range 4.0-8.5%): 14 days at 16:30", "Why: it sells", "`willitsell auth search`"] {
            assert_eq!(lifeless(plain, 99), plain);
        }
        assert_eq!(line(&lifeless("abcdefgh", 6), 6, |_| None), "abc…", "what is cut shows that it was");
    }

    proptest::proptest! {
        #[test]
        fn is_never_longer_than_allowed(text: String, limit in 3_usize..200) {
            proptest::prop_assert!(line(&text, limit, entity).len() <= limit);
        }
    }
}
