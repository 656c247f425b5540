//! Which rows count at all: completed and not partial, active and not cancelled, of this form and no import. A row
//! that no longer meets what is asked is gone, as if it had been deleted. Not which answers are errors: see `errors`.

use super::errors::{Choice, Values};
use super::extract::{Fault, Found, Seen};
use super::fill::Template;
use super::path::Literal;
use crate::domain::connector::Settings;

/// One condition of `[rows] only`; all must hold.
#[derive(Debug)]
pub(super) struct OnlyRule {
    pub(super) path: Template,
    /// The value must not be in the list.
    pub(super) not: bool,
    pub(super) list: Vec<OnlyChoice>,
}

/// One value of its list.
#[derive(Clone, Debug)]
pub(super) enum OnlyChoice {
    Plain(Literal),
    /// Text with settings in it.
    Stated(Template),
}

/// The same with one source's settings, and where the value is put.
#[derive(Debug)]
pub(super) struct Only {
    slot: usize,
    values: Values,
}

impl OnlyRule {
    /// Fills in the settings.
    ///
    /// # Errors
    /// A sentence where one was not given.
    pub(super) fn filled(&self, slot: usize, settings: &Settings) -> Result<Only, String> {
        let choice = |choice: &OnlyChoice| match choice {
            OnlyChoice::Plain(literal) => Some(Choice::One(literal.clone())),
            OnlyChoice::Stated(text) => {
                text.fill_plain(settings, |text| text).map(|text| Choice::One(Literal::Text(text)))
            }
        };
        let list: Option<Vec<_>> = self.list.iter().map(choice).collect();
        let list = list.ok_or("a setting in `only` was not given")?;
        Ok(Only { slot, values: if self.not { Values::NotIn(list) } else { Values::In(list) } })
    }
}

impl Only {
    /// Whether the row counts. A row that does not say is no row that does not count: the field may have been renamed,
    /// and then all would be gone.
    ///
    /// # Errors
    /// [`Fault`] where nothing stands at the path; `paths` are those of the plan, as written.
    pub(super) fn holds(&self, found: &Found<'_>, paths: &[String]) -> Result<bool, Fault> {
        let seen = found.all(self.slot);
        let fault = |saw: String| Fault { path: paths[self.slot].clone(), row: None, saw, byte: None };
        match seen {
            [] => Err(fault("nothing stands there, and what does decides whether the row counts".to_owned())),
            [Seen::Wrong(kind)] => Err(fault(format!("{kind} stands where the way to it goes on"))),
            [Seen::Nothing] => Ok(self.values.hold(&[Seen::Value("null")])),
            seen => Ok(self.values.hold(seen)),
        }
    }
}
