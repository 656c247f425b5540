//! What is wrong with a configuration file: every problem with its place, an arrow and what to do,
//! all in one go. A line that may hold a secret never enters a problem, so that no printer, log or
//! JSON can let it out.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::ops::Range;
use std::path::Path;

use miette::{
    Diagnostic, LabeledSpan, MietteError, MietteSpanContents, Severity, SourceCode, SourceSpan, SpanContents,
};
use serde::Serialize;

use super::excerpt;
use super::secret;

/// Printed instead of a line that may hold a secret.
const WITHHELD: &str = "(this line may hold a secret and is not shown)";

/// One thing to mend, or to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether the program runs all the same.
    pub warning: bool,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub advice: String,
    /// The file.
    pub file: String,
    /// Where in it, unless the file as a whole is meant.
    #[serde(flatten)]
    pub place: Option<Place>,
}

/// A place in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The line's text, unless it may hold a secret.
    #[serde(skip)]
    shown: Option<String>,
    /// What the arrow points at, in bytes of `shown`.
    #[serde(skip)]
    arrow: Range<usize>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(_) => f.write_str(&self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn severity(&self) -> Option<Severity> {
        Some(if self.warning { Severity::Warning } else { Severity::Error })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.advice))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|_| self as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        let arrow = if place.shown.is_some() { place.arrow.clone() } else { 0..WITHHELD.len() };
        Some(Box::new(std::iter::once(LabeledSpan::underline(arrow))))
    }
}

/// The one line a problem speaks of, under its own number and the file's name.
impl SourceCode for Problem {
    fn read_span<'a>(
        &'a self,
        _span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let place = self.place.as_ref().ok_or(MietteError::OutOfBounds)?;
        let text = place.shown.as_deref().unwrap_or(WITHHELD);
        // Without surroundings, the printer asks for the position to put in the heading.
        let column = if before + after == 0 { place.column - 1 } else { 0 };
        let span = SourceSpan::from(0..text.len());
        let line = place.line - 1;
        Ok(Box::new(MietteSpanContents::new_named(self.file.clone(), text.as_bytes(), span, line, column, 1)))
    }
}

/// Why a configuration was refused: every error, then every warning, each in order of place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self(problems)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.0.iter().filter(|problem| !problem.warning).count();
        let file = self.0.first().map_or("the configuration", |problem| problem.file.as_str());
        match errors {
            1 => write!(f, "{file} has an error, and nothing was done"),
            _ => write!(f, "{file} has {errors} errors, and nothing was done"),
        }
    }
}

impl std::error::Error for Problems {}

/// Collects problems while the file is read. Shared by reference: whoever finds something says so.
pub(super) struct Report<'t> {
    file: String,
    text: &'t str,
    /// Where its lines begin, in bytes: counting them anew for each of a thousand warnings would take longer than all else.
    lines: Vec<usize>,
    /// Which of them may be shown; asked where something is wrong, which is seldom.
    shown: OnceCell<Vec<bool>>,
    found: RefCell<Vec<(usize, Problem)>>,
}

impl<'t> Report<'t> {
    /// For one file and its text.
    pub(super) fn new(file: &Path, text: &'t str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(newline, _)| newline + 1)).collect();
        Self { file: file.display().to_string(), text, lines, shown: OnceCell::new(), found: RefCell::default() }
    }

    /// Adds an error at a place.
    pub(super) fn error(&self, span: Range<usize>, what: impl Into<String>, advice: impl Into<String>) {
        self.add(Some(span), false, &what.into(), advice.into());
    }

    /// Adds a warning at a place.
    pub(super) fn warn(&self, span: Range<usize>, what: impl Into<String>, advice: impl Into<String>) {
        self.add(Some(span), true, &what.into(), advice.into());
    }

    /// Adds a problem with the file as a whole.
    pub(super) fn whole_file(&self, warning: bool, what: impl Into<String>, advice: impl Into<String>) {
        self.add(None, warning, &what.into(), advice.into());
    }

    fn add(&self, span: Option<Range<usize>>, warning: bool, what: &str, advice: String) {
        let offset = span.as_ref().map_or(0, |span| span.start);
        let place = span.map(|span| self.place(span));
        let problem = Problem { warning, what: without_secrets(what), advice, file: self.file.clone(), place };
        self.found.borrow_mut().push((offset, problem));
    }

    fn place(&self, span: Range<usize>) -> Place {
        let start = self.text.floor_char_boundary(span.start);
        let number = self.lines.partition_point(|begins| *begins <= start).saturating_sub(1);
        let line_start = self.lines.get(number).copied().unwrap_or_default();
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        let from = (start - line_start).min(line.len());
        let to = line.ceil_char_boundary(span.end.max(start).saturating_sub(line_start).min(line.len()));
        let shown = self.shown.get_or_init(|| excerpt::lines_that_may_be_shown(self.text));
        let shown = shown.get(number).is_some_and(|&shown| shown);
        Place {
            line: number + 1,
            column: line[..from].chars().count() + 1,
            shown: shown.then(|| line.to_owned()),
            // At the end of a line there is nothing to point at but what came before.
            arrow: if from == to { line.floor_char_boundary(from.saturating_sub(1))..to } else { from..to },
        }
    }

    /// Whether an error was found so far.
    pub(super) fn has_errors(&self) -> bool {
        self.found.borrow().iter().any(|(_, problem)| !problem.warning)
    }

    /// Everything found, errors first, in order of place.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(offset, problem)| (problem.warning, *offset));
        found.dedup();
        found.into_iter().map(|(_, problem)| problem).collect()
    }
}

/// How alike two words must be for one to be offered in place of the other, from 0 to 1.
const ALIKE: f64 = 0.8;

/// The candidate most like a word, if any is like it.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = word.to_lowercase();
    let likeness = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        // In a short word one slip of a finger already changes too much for the measure.
        let slip = if strsim::osa_distance(&word, &candidate) == 1 { ALIKE } else { 0.0 };
        strsim::jaro_winkler(&word, &candidate).max(slip)
    };
    let scored = candidates.into_iter().map(|candidate| (likeness(candidate), candidate));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

/// "did you mean …?", or the whole list where nothing is near; `none` where there is no list.
pub fn suggestion(word: &str, candidates: &[&str], none: &str) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if candidates.is_empty() => none.to_owned(),
        None => format!("there is: {}", candidates.join(", ")),
    }
}

/// A word of the file in quotes, fit to print: cut short and on one line.
pub(super) fn quoted(word: &str) -> String {
    const LONGEST: usize = 80;
    let clean: String = word.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    let more = if word.chars().nth(LONGEST).is_some() { "…" } else { "" };
    format!("\"{clean}{more}\"")
}

/// A sentence without the words of the file that have the form of a secret, be they keys or values.
pub(super) fn without_secrets(sentence: &str) -> String {
    if !secret::may_hold_one(sentence) {
        return sentence.to_owned();
    }
    let shown = |word| if secret::may_hold_one(word) { "(not shown)" } else { word };
    sentence.split(' ').map(shown).collect::<Vec<_>>().join(" ")
}
