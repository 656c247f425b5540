//! How messages on a concept are put to those who get them, where the user wrote it: a headline and lines of text with names in
//! braces, each standing for something of the message. There is no more to it than that: a line of whose names none stands for
//! anything is left out. What comes out is plain text like any message, and each notifier escapes it for its receiver.

use std::collections::BTreeMap;

use super::id::{ConceptId, DestinationId};
use super::message::Message;
use super::verdict::Verdict;

/// What stands in braces for the whole of something that is not one of the message's lines.
const OF_ALL: [(&str, Name); 5] = [
    ("verdict", Name::Verdict),
    ("title", Name::Title),
    ("concept", Name::Concept),
    ("owner", Name::Owner),
    ("headline", Name::Headline),
];

/// The labels of lines that messages may have, and how each is called in braces.
const LINES: [(&str, &str); 9] = [
    ("why", "Why"),
    ("changed", "Changed"),
    ("decided", "Decided"),
    ("evidence", "Evidence"),
    ("money", "Money"),
    ("next", "Next"),
    ("since", "Since"),
    ("cap", "Cap"),
    ("lost", "Lost"),
];

/// What stands in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    /// BUILD, KILL, …; nothing in a notice.
    Verdict,
    /// The concept's title.
    Title,
    /// Its name on the command line.
    Concept,
    /// Who decides.
    Owner,
    /// The headline as it would be.
    Headline,
    /// The text of the line with this label.
    Line(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(Name),
}

/// A text with names in braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

/// What is wrong with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A brace without its other one.
    Brace,
    /// Nothing is called so.
    Name(String),
}

/// One template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// In place of the headline; `None` leaves it.
    pub headline: Option<Pattern>,
    /// In place of the lines; `None` leaves them.
    pub lines: Option<Vec<Pattern>>,
}

/// How messages are put to people, as configured: templates, and where the pages are that they lead to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telling {
    /// For destinations that have one.
    pub templates: BTreeMap<DestinationId, Template>,
    /// Where the pages are, without a slash at its end; no message leads anywhere else.
    pub pages: Option<String>,
    /// Title and owner of each concept.
    pub concepts: BTreeMap<ConceptId, (String, Option<String>)>,
}

impl Pattern {
    /// Reads one.
    ///
    /// # Errors
    /// [`Wrong`], the first.
    pub fn read(text: &str) -> Result<Self, Wrong> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, behind) = rest.split_at(at);
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let inside = behind.strip_prefix('{').and_then(|behind| behind.split_once('}')).ok_or(Wrong::Brace)?;
            let (name, after) = inside;
            if name.contains('{') {
                return Err(Wrong::Brace);
            }
            parts.push(Part::Name(named(name.trim()).ok_or_else(|| Wrong::Name(name.trim().to_owned()))?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// Every name that may stand in braces.
    pub fn names() -> impl Iterator<Item = &'static str> {
        OF_ALL.iter().map(|(name, _)| *name).chain(LINES.iter().map(|(name, _)| *name))
    }

    /// With what the names stand for; `None` where there are names and none stands for anything.
    fn fill(&self, value: &dyn Fn(Name) -> String) -> Option<String> {
        let (mut text, mut names, mut filled) = (String::new(), 0, 0);
        for part in &self.0 {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Name(name) => {
                    let value = value(*name);
                    names += 1;
                    filled += u32::from(!value.is_empty());
                    text.push_str(&value);
                }
            }
        }
        (names == 0 || filled > 0).then_some(text)
    }

    /// What stands before its first `: `, where that is fixed and short: shown as a line's label.
    fn label(&self) -> (String, Self) {
        let whole = || (String::new(), self.clone());
        let Some(Part::Text(first)) = self.0.first() else { return whole() };
        let Some((label, rest)) = first.split_once(": ").or_else(|| Some((first.strip_suffix(':')?, ""))) else {
            return whole();
        };
        let rest = std::iter::once(Part::Text(rest.to_owned())).chain(self.0.iter().skip(1).cloned());
        (label.to_owned(), Self(rest.collect()))
    }
}

fn named(name: &str) -> Option<Name> {
    let of_all = OF_ALL.iter().find(|(known, _)| *known == name).map(|(_, name)| *name);
    of_all.or_else(|| LINES.iter().find(|(known, _)| *known == name).map(|(_, label)| Name::Line(label)))
}

impl Telling {
    /// A message as it is put to those at a destination. One that is about all of an audience's concepts stays as it is.
    pub fn put(&self, message: &Message, to: &DestinationId) -> Message {
        let template = self.templates.get(to).filter(|_| message.audience().is_none());
        let Some(Template { headline, lines }) = template else { return message.clone() };
        let known = self.concepts.get(&message.concept);
        let value = |name: Name| match name {
            Name::Verdict => message.verdict.map_or("", Verdict::word).to_owned(),
            Name::Title => known.map_or_else(|| message.concept.to_string(), |(title, _)| title.clone()),
            Name::Concept => message.concept.to_string(),
            Name::Owner => known.and_then(|(_, owner)| owner.clone()).unwrap_or_default(),
            Name::Headline => message.headline.clone(),
            Name::Line(label) => {
                let line = message.lines.iter().find(|(known, _)| known == label);
                line.map_or_else(String::new, |(_, text)| text.clone())
            }
        };
        let put = headline.as_ref().and_then(|headline| headline.fill(&value));
        let lines = lines.as_ref().map(|lines| {
            let put = lines.iter().map(Pattern::label).filter_map(|(label, text)| Some((label, text.fill(&value)?)));
            put.collect()
        });
        Message {
            headline: put.unwrap_or_else(|| message.headline.clone()),
            lines: lines.unwrap_or_else(|| message.lines.clone()),
            ..message.clone()
        }
    }

    /// The page that a message leads to.
    pub fn page(&self, message: &Message) -> Option<String> {
        let pages = self.pages.as_ref()?;
        Some(match message.audience() {
            Some(_) => format!("{pages}/"),
            // A name holds nothing that would need another form in an address.
            None => format!("{pages}/concepts/{}", message.concept),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            concept: ConceptId::new("cat-meals"),
            verdict: Some(Verdict::Build),
            decision: None,
            topics: vec![],
            headline: "BUILD · Cat meals".into(),
            lines: vec![("Why".into(), "6.0% {money} signed up".into()), ("Next".into(), "Decide".into())],
            decided_at: "2026-03-14T06:00:00Z".parse().unwrap(),
        }
    }

    fn telling(headline: &str, lines: &[&str]) -> Telling {
        let template = Template {
            headline: Some(Pattern::read(headline).unwrap()),
            lines: Some(lines.iter().map(|line| Pattern::read(line).unwrap()).collect()),
        };
        Telling {
            templates: [(DestinationId::new("board"), template)].into(),
            pages: Some("https://sell.example.com".into()),
            concepts: [(ConceptId::new("cat-meals"), ("Cat meals".into(), Some("Dana".into())))].into(),
        }
    }

    #[test]
    fn names_stand_for_what_the_message_says_and_lines_without_any_of_it_are_left_out() {
        let lines = ["Because: {why}", "Money: {money}", "{money}{decided}", "For {owner}", "Read the page.", "{next}"];
        let telling = telling("{title}: {verdict}", &lines);
        let put = telling.put(&message(), &DestinationId::new("board"));
        assert_eq!(put.headline, "Cat meals: BUILD");
        let shown: Vec<_> = put.lines.iter().map(|(label, text)| (label.as_str(), text.as_str())).collect();
        // What others wrote is never read for names.
        let wanted = [("Because", "6.0% {money} signed up"), ("", "For Dana"), ("", "Read the page."), ("", "Decide")];
        assert_eq!(shown, wanted);
        assert_eq!(telling.put(&message(), &DestinationId::new("growth")), message());
        let digest = Message { concept: ConceptId::new("audience:cmo"), ..message() };
        assert_eq!(telling.put(&digest, &DestinationId::new("board")), digest);
        assert_eq!(telling.page(&message()).unwrap(), "https://sell.example.com/concepts/cat-meals");
        assert_eq!(telling.page(&digest).unwrap(), "https://sell.example.com/");
    }

    #[test]
    fn what_is_wrong_with_one_is_said() {
        assert_eq!(Pattern::read("{wy}"), Err(Wrong::Name("wy".into())));
        for brace in ["{why", "why}", "{why {next}", "{", "}"] {
            assert_eq!(Pattern::read(brace), Err(Wrong::Brace), "{brace}");
        }
        for name in Pattern::names() {
            assert!(Pattern::read(&format!("a {{{name}}} b")).is_ok(), "{name}");
        }
    }
}
