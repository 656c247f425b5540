//! What may be shown of an answer: one short line without the secrets we know. Not for the body of a
//! token answer, which holds a secret we do not know yet: of that only the stated error is shown.

use secrecy::{ExposeSecret, SecretString};

/// Most bytes of an answer that are ever shown.
const LONGEST: usize = 300;
const HIDDEN: &str = "[hidden]";

/// The beginning of a body or of a vendor's message: at most 300 bytes on one line, with every
/// known secret (as it is, and however it may be written in a query or in JSON) replaced.
pub fn evidence(text: &[u8], secrets: &[SecretString]) -> String {
    let mut hidden: Vec<&str> = secrets.iter().map(ExposeSecret::expose_secret).filter(|it| !it.is_empty()).collect();
    // The longest first: a secret that begins with another must go whole.
    hidden.sort_by_key(|secret| std::cmp::Reverse(secret.len()));

    let mut shown = Vec::with_capacity(LONGEST);
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if shown.len() >= LONGEST {
            break;
        }
        if let Some(after) = hidden.iter().find_map(|secret| after_secret(rest, secret)) {
            shown.extend_from_slice(HIDDEN.as_bytes());
            rest = after;
        } else {
            shown.push(*first);
            rest = after;
        }
    }
    shown.truncate(LONGEST);
    let mut line: String = String::from_utf8_lossy(&shown)
        .chars()
        .map(|c| if c.is_control() || is_reordering(c) { ' ' } else { c })
        .collect();
    while line.len() > LONGEST {
        line.pop();
    }
    line.trim().to_owned()
}

/// What follows a secret that the text begins with, as it is or with any of its characters escaped.
fn after_secret<'t>(text: &'t [u8], secret: &str) -> Option<&'t [u8]> {
    text.strip_prefix(secret.as_bytes()).or_else(|| secret.chars().try_fold(text, after_char))
}

/// What follows a character: in JSON as `\/` or `\u002f`, in a query as `%2F` or `+`, or as it is.
fn after_char(text: &[u8], c: char) -> Option<&[u8]> {
    let (mut utf8, mut utf16) = ([0; 4], [0; 2]);
    let utf8 = c.encode_utf8(&mut utf8).as_bytes();
    let utf16 = c.encode_utf16(&mut utf16);
    let hex = |text: &[u8], digits: usize| {
        let digits = std::str::from_utf8(text.get(..digits)?).ok()?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let in_json = || {
        utf16.iter().try_fold(text, |text, &unit| {
            let text = text.strip_prefix(b"\\u")?;
            (hex(text, 4)? == unit).then(|| &text[4..])
        })
    };
    let in_query = || {
        utf8.iter().try_fold(text, |text, &byte| {
            let text = text.strip_prefix(b"%")?;
            (hex(text, 2)? == u16::from(byte)).then(|| &text[2..])
        })
    };
    let with_a_backslash = || text.strip_prefix(b"\\")?.strip_prefix(utf8).filter(|_| matches!(c, '/' | '\\' | '"'));
    let as_a_plus = || text.strip_prefix(b"+").filter(|_| c == ' ');
    in_json().or_else(in_query).or_else(with_a_backslash).or_else(as_a_plus).or_else(|| text.strip_prefix(utf8))
}

/// Marks that change the order in which a terminal shows text.
fn is_reordering(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::evidence;

    #[test]
    fn secrets_go_wherever_they_stand() {
        let secrets = ["1//0g-abc".into(), "1//0g-abc-longer".into(), "".into()];
        let text = b"a 1//0g-abc b 1//0g-abc-longer c 1%2F%2F0g-abc d 1\\/\\/0g-abc e";
        assert_eq!(evidence(text, &secrets), "a [hidden] b [hidden] c [hidden] d [hidden] e");
        let odd = ["k/\u{e9} \u{1f600}\\\"=".into()];
        for written in [
            "k/\u{e9} \u{1f600}\\\"=",
            "k\\/\\u00e9 \\uD83D\\ude00\\\\\\\"=",
            "\\u006b\\u002F\\u00E9\\u0020\u{1f600}\\u005c\\u0022\\u003d",
            "k%2F%C3%a9+%F0%9f%98%80%5C%22%3D",
        ] {
            assert_eq!(evidence(format!("<{written}>").as_bytes(), &odd), "<[hidden]>", "{written}");
        }
        let near = b"k\\u002 k\\u00+f k%2 k%+f k\\";
        assert_eq!(evidence(near, &odd), String::from_utf8_lossy(near));
        let long = "s".repeat(5000);
        let body = format!("{}{long}", "x".repeat(295));
        let shown = evidence(body.as_bytes(), &[long.into()]);
        assert!(!shown.contains('s') && shown.len() <= 300, "{shown}");
    }

    #[test]
    fn one_short_line_whatever_comes() {
        assert_eq!(evidence(b"<html>\r\n\x1b[31m", &[]), "<html>   [31m");
        assert_eq!(evidence("a\u{202e}b".as_bytes(), &[]), "a b");
        assert_eq!(evidence(b"", &[]), "");
        for body in [vec![0xff; 10_000], "ä".repeat(10_000).into_bytes(), vec![b'x'; 10_000]] {
            assert!(evidence(&body, &[]).len() <= 300);
        }
    }
}
