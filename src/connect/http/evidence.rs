//! What may be shown of an answer: one short line without the secrets we know. Not for the body of a
//! token answer, which holds a secret we do not know yet: of that only the stated error is shown.

use secrecy::{ExposeSecret, SecretString};

/// Most bytes of an answer that are ever shown.
const LONGEST: usize = 300;
const HIDDEN: &str = "[hidden]";

/// The beginning of a body or of a vendor's message: at most 300 bytes on one line, with every
/// known secret (as it is, and as it looks in a query or in JSON) replaced.
pub fn evidence(text: &[u8], secrets: &[SecretString]) -> String {
    let mut hidden: Vec<Vec<u8>> = Vec::new();
    for secret in secrets {
        let plain = secret.expose_secret().as_bytes();
        hidden.push(plain.to_vec());
        // As some vendors write a slash in JSON.
        hidden.push(secret.expose_secret().replace('/', "\\/").into_bytes());
        hidden.push(url::form_urlencoded::byte_serialize(plain).collect::<String>().into_bytes());
    }
    hidden.retain(|secret| !secret.is_empty());
    // The longest first: a secret that begins with another must go whole.
    hidden.sort_by_key(|secret| std::cmp::Reverse(secret.len()));

    let mut shown = Vec::with_capacity(LONGEST);
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if shown.len() >= LONGEST {
            break;
        }
        if let Some(secret) = hidden.iter().find(|secret| rest.starts_with(secret)) {
            shown.extend_from_slice(HIDDEN.as_bytes());
            rest = &rest[secret.len()..];
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
