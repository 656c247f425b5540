//! Which lines of a configuration file an error message may show. A file that does not parse cannot
//! be trusted to say where its secrets are, so this reads plain lines and shows only those it can
//! prove harmless: a heading, or a key known to hold no secret, in a table known to hold none, with
//! no word on the line that smells of one. It is not a parser; in doubt a line is withheld.

use super::raw::{self, Shape};
use super::secret;

/// A line with one of these in any of its words is withheld.
const SECRET_WORDS: [&str; 13] = [
    "token",
    "secret",
    "passw",
    "pwd",
    "url",
    "key",
    "auth",
    "credential",
    "bearer",
    "cookie",
    "signature",
    "private",
    "webhook",
];

/// Ours, and harmless: which vendor keys belong to an arm.
const HARMLESS_WORD: &str = "keys";

/// For each line of the file, whether it may be shown.
pub(super) fn lines_that_may_be_shown(text: &str) -> Vec<bool> {
    let mut table = Table::Private;
    let mut open = Open::default();
    let mut statement = false;
    let mut shown = Vec::new();
    for line in text.lines() {
        let inside = open.is_inside();
        let heading = Heading::of(line).filter(|heading| !inside || heading.is_ours);
        let alone = match &heading {
            Some(heading) => heading.is_whole,
            None => table.may_hold_statement(line) || (inside && !line.contains('=')),
        };
        let harmless = alone && !smells(line);
        // Inside a list or a text that began on an earlier line, both readings must agree. A heading
        // ends a list that was left open; it does not end a text.
        let begins = !inside || (heading.is_some() && open.text.is_none());
        let may = harmless && (begins || statement);
        shown.push(may);
        if begins {
            statement = may;
        }
        if let Some(heading) = heading {
            table = heading.opens;
            open.depth = 0;
            continue;
        }
        // A heading that lost its bracket: nobody knows which table this is.
        if !inside && !is_statement(line) {
            table = Table::Private;
        }
        open.read(line);
    }
    shown
}

/// Whether a line can stand in a table by itself: `key = …`, a comment, or nothing.
fn is_statement(line: &str) -> bool {
    line.contains('=') || line.trim().is_empty() || line.trim_start().starts_with('#')
}

/// Where the headings of our own tables begin, in bytes.
pub(super) fn headings(text: &str) -> Vec<usize> {
    let mut at = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        if Heading::of(line).is_some_and(|heading| heading.is_ours) {
            found.push(at);
        }
        at += line.len();
    }
    found
}

fn smells(line: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let has_secret_word = line.split(|c| !is_word(c)).filter(|word| *word != HARMLESS_WORD).any(|word| {
        let word = word.to_lowercase();
        SECRET_WORDS.iter().any(|secret| word.contains(secret))
    });
    let has_login_in_address = line.contains("://") && line.contains('@');
    has_secret_word || has_login_in_address || secret::may_hold_one(line)
}

/// What the heading above allows.
enum Table {
    Private,
    Public(&'static [&'static Shape]),
}

const IN_EXPERIMENT: &[&Shape] =
    &[&raw::EXPERIMENT, &raw::ARM, &raw::RATE, &raw::POLICY, &raw::GUARDRAIL, &raw::MONEY, &raw::AMOUNT];

impl Table {
    /// Whether a line is `key = …` with a key that holds no secret here.
    fn may_hold_statement(&self, line: &str) -> bool {
        let (Self::Public(shapes), Some((key, _))) = (self, line.split_once('=')) else { return false };
        let known = |part: &str| {
            let part = part.trim().trim_matches(['"', '\'']);
            part != "settings" && shapes.iter().any(|shape| shape.public && shape.keys.contains(&part))
        };
        key.split('.').next().is_some_and(known) && key.rsplit('.').next().is_some_and(known)
    }
}

/// A line that begins with `[`.
struct Heading {
    /// One of the file's own tables, so not the continuation of a list.
    is_ours: bool,
    /// Nothing but a heading stands on the line.
    is_whole: bool,
    opens: Table,
}

impl Heading {
    fn of(line: &str) -> Option<Self> {
        let line = line.trim();
        let inner = line.strip_prefix("[[").or_else(|| line.strip_prefix('['))?;
        let (path, rest) = inner.split_once(']').unwrap_or((inner, "?"));
        let parts: Vec<&str> = path.split('.').map(|part| part.trim().trim_matches(['"', '\''])).collect();
        let is_plain = |part: &&str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_ ".contains(&byte));
        let is_whole = matches!(rest.trim(), "" | "]") && parts.iter().all(is_plain);
        let opens = match parts.as_slice() {
            ["experiment", _, ..] => Table::Public(IN_EXPERIMENT),
            ["source", _] => Table::Public(&[&raw::SOURCE]),
            ["network"] => Table::Public(&[&raw::NETWORK]),
            ["web"] => Table::Public(&[&raw::WEB]),
            _ => Table::Private,
        };
        Some(Self { is_ours: raw::ROOT.keys.contains(parts.first()?), is_whole, opens })
    }
}

/// What is still open at the end of a line.
#[derive(Default)]
struct Open {
    text: Option<&'static str>,
    depth: usize,
}

impl Open {
    fn is_inside(&self) -> bool {
        self.text.is_some() || self.depth > 0
    }

    fn read(&mut self, line: &str) {
        let mut rest = line;
        loop {
            if let Some(end) = self.text {
                let Some(after) = after_text(rest, end) else { return };
                self.text = None;
                rest = after;
            }
            let Some(at) = rest.find(['#', '"', '\'', '[', '{', ']', '}']) else { return };
            rest = &rest[at..];
            if let Some(long) = ["\"\"\"", "'''"].into_iter().find(|long| rest.starts_with(long)) {
                self.text = Some(long);
                rest = &rest[3..];
                continue;
            }
            let (mark, after) = rest.split_at(1);
            rest = match mark {
                "#" => return,
                "\"" | "'" => after_text(after, mark).unwrap_or_default(),
                "[" | "{" => {
                    self.depth += 1;
                    after
                }
                _ => {
                    self.depth = self.depth.saturating_sub(1);
                    after
                }
            };
        }
    }
}

/// What follows the end of a text, which a backslash can hide in double quotes only.
fn after_text<'l>(line: &'l str, end: &str) -> Option<&'l str> {
    let mut from = 0;
    loop {
        let at = from + line[from..].find(end)?;
        let backslashes = line[..at].bytes().rev().take_while(|&byte| byte == b'\\').count();
        if end.starts_with('\'') || backslashes % 2 == 0 {
            return Some(&line[at + end.len()..]);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that end in `+` may be shown, those that end in `-` may not.
    #[test]
    fn f1_only_harmless_lines_are_shown() {
        let text = r#"
title = "no heading yet"                       # -
[source.landing]                               # +
connector = "typeform"                         # +
channel = "x"; token = "canary"                # -
settings = { form_id = "canary" }              # -
settings = [ "canary",                         # -
  "canary"                                     # -
  channel = "canary"                           # -
[source.landing.settings]                      # +
channel = "canary"                             # -
[login.google]                                 # +
client_id = "canary"                           # -
[notify.growth.slack]                          # +
anything = "canary"                            # -
[experiment.cats]                              # +
title = "Cats"                                 # +
titel = "canary"                               # -
title = "Cats" secret "canary"                 # -
title = "xoxb-1-canary"                        # -
disclosure = "https://me:canary@example.com"   # -
sources = [                                    # +
  "landing",                                   # +
  "token-canary"                               # -
]                                              # +
token = """                                    # -
title = canary                                 # -
[experiment.cats]                              # -
title = canary                                 # -
"""                                            # -
title = "after"                                # +
hypothesis = """                               # +
 still open                                    # +
[login.google]                                 # +
client_id = "canary"                           # -
"#;
        let strip = |line: &str| line.rsplit_once('#').map_or(String::new(), |(code, _)| code.trim_end().to_owned());
        let code: Vec<String> = text.lines().map(strip).collect();
        let shown = lines_that_may_be_shown(&code.join("\n"));
        for (line, shown) in text.lines().zip(shown).filter(|(line, _)| line.contains('#')) {
            assert_eq!(shown, line.ends_with('+'), "{line}");
        }
    }
}
