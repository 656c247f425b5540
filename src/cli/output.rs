//! What every command prints through: text for people, one JSON object a line for programs, progress
//! for terminals only; and the failures it can end with.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use serde::Serialize;

use crate::app::AppError;
use crate::config::{Problem, Problems};
use crate::domain::money::thousands;
use crate::inbound::InboundError;
use crate::store::StoreError;

/// Where results go.
pub struct Output {
    json: bool,
}

/// Why a command ended without doing its job.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// The work could not be done: exit code 1.
    pub fn general(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// The configuration or the arguments are wrong, nothing was done: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// Says something before it.
    #[must_use]
    pub fn after(self, words: &str) -> Self {
        Self { message: format!("{words}{}", self.message), ..self }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        let each: Vec<String> = problems.iter().map(|problem| rendered(problem)).collect();
        Self::usage(format!("{problems}:\n\n{}", each.join("\n").trim_end()))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::general(error.to_string())
    }
}

impl From<InboundError> for Failure {
    fn from(error: InboundError) -> Self {
        Self::general(error.to_string())
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Config(problems) => problems.into(),
            AppError::Folder(_) => Self::usage(error.to_string()),
            other => Self::general(other.to_string()),
        }
    }
}

impl Output {
    /// Text, or JSON when asked for.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs read this.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints one result: `record` as a JSON line, or `text`.
    pub fn show(&self, record: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            match serde_json::to_string(record) {
                Ok(text) => line(&text),
                Err(error) => self.note(&format!("a result could not be printed as JSON: {error}")),
            }
        } else {
            line(&text());
        }
    }

    /// Prints a file as it is.
    pub fn raw(&self, text: &str) {
        line(text.trim_end());
    }

    /// Prints a line for people; programs do not see it.
    pub fn say(&self, text: &str) {
        if !self.json {
            line(text);
        }
    }

    /// Prints what deserves a warning in the configuration; programs find it in the result.
    pub fn warn(&self, warnings: &[Problem]) {
        if !self.json {
            for warning in warnings {
                self.note(&rendered(warning));
            }
        }
    }

    /// Prints beside the results, for people and logs.
    pub fn note(&self, text: &str) {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(io::stderr(), "{}", tame(text));
    }

    /// Says why, and gives the exit code.
    pub fn fail(&self, failure: &Failure) -> ExitCode {
        self.note(&failure.message);
        ExitCode::from(failure.code)
    }

    /// A moving line on a terminal; nothing elsewhere.
    pub fn progress(&self, length: u64, what: &str) -> ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style =
            ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}").unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(length).with_style(style).with_message(what.to_owned())
    }

    /// A moving line for work whose length is not known.
    pub fn spinner(&self, what: &str) -> ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
        bar
    }
}

/// Columns that text for people keeps to.
pub const WIDTH: usize = 100;

/// `1 row`, `1,240 rows`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// Every line but the first set in by two spaces, to stand below what it belongs to.
pub fn indented(text: &str) -> String {
    text.replace('\n', "\n  ")
}

/// A person's words on one line.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Breaks a line at spaces so that it keeps to [`WIDTH`]; what follows the first break begins at column
/// `hang`. A word longer than that stays whole.
pub fn wrapped(text: &str, hang: usize) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for (position, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if column > hang && column + 1 + length > WIDTH {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', hang));
            column = hang;
        } else if position > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += length;
    }
    lines
}

fn line(text: &str) {
    // A reader that went away (`| head`) is no reason to fail.
    let _ = writeln!(io::stdout(), "{}", tame(text));
}

/// Without what moves a terminal's cursor, colours it or turns text round: a campaign's name, or a file that a stranger
/// wrote, could otherwise write over what is shown beside it.
fn tame(text: &str) -> String {
    let wild = |c: char| {
        c.is_control() && c != '\n' && c != '\t'
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.replace(wild, " ")
}

/// As a person reads it at a terminal: the place with an arrow, the reason, the fix.
fn rendered(diagnostic: &dyn Diagnostic) -> String {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    match handler.render_report(&mut text, diagnostic) {
        Ok(()) => text,
        Err(_) => diagnostic.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_broken_at_spaces_and_hangs() {
        let line = format!("  Why       {}", "word ".repeat(40).trim_end());
        let text = wrapped(&line, 12);
        assert!(text.lines().count() > 1 && text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert!(text.starts_with("  Why       word"), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("            word")), "{text}");
        assert_eq!(text.split_whitespace().count(), 41);
        let long = "x".repeat(2 * WIDTH);
        assert_eq!(wrapped(&long, 4), long, "a word stays whole");
        assert_eq!(wrapped("", 4), "");
    }

    #[test]
    fn nothing_printed_moves_the_cursor() {
        assert_eq!(tame("a\u{1b}[2Jb\r\u{9b}1Ac\u{202e}d\n\te é"), "a [2Jb  1Ac d\n\te é");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!([0, 1, 1240].map(|number| counted(number, "row")), ["0 rows", "1 row", "1,240 rows"]);
    }
}
