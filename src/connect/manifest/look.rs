//! Asks a call whose answer holds no rows, until it is good: an account, the ids of a fan-out, the state of a
//! report. The file's own error rules hold here too. What the texts mean is the caller's business.

use super::ask::{Answered, Asker};
use super::call::{Extra, Prepared};
use super::errors::{Plain, Then, Unreadable, judge_plain};
use super::extract::{self, Broken, Fault, Kind, Seen, unquoted};
use super::fill::Template;
use super::page::{Halt, act, into_text, torn, unreadable};
use super::path::{Path, quoted};
use super::plan::{Plan, Wanted};
use super::rows::Reader;
use crate::domain::connector::Settings;

/// The paths of one such answer, compiled.
pub(super) struct Look {
    plan: Plan,
    paths: Vec<String>,
}

impl Look {
    /// Compiles paths; their texts come back in this order.
    ///
    /// # Errors
    /// A sentence; paths and settings that were checked give none.
    pub(super) fn compile(paths: &[&Template], settings: &Settings) -> Result<Self, String> {
        let filled: Option<Vec<_>> = paths.iter().map(|path| path.fill_plain(settings, quoted)).collect();
        let paths = filled.ok_or("a setting in a path was not given")?;
        let parsed = paths.iter().map(|path| Path::parse(path)).collect::<Result<Vec<_>, _>>()?;
        let wanted: Vec<_> = parsed.iter().map(|path| Wanted { path, strict: true }).collect();
        Ok(Self { plan: Plan::compile(&wanted, None, &[])?, paths })
    }

    /// The paths, in the order in which their texts come.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// Asks until the answer is good and gives the texts at each path: numbers as their digits, nulls left out.
    /// `None` where a rule of the file says that there is nothing.
    ///
    /// # Errors
    /// [`Halt`], as for a page of rows.
    pub(super) async fn ask(
        &self,
        asker: &mut Asker<'_>,
        prepared: &Prepared,
        extras: &[Extra<'_>],
        reader: &Reader,
    ) -> Result<Option<Vec<Vec<String>>>, Halt> {
        let place = self.paths.first().map_or("the answer", String::as_str);
        good(asker, prepared, extras, reader, place, |page| self.read(page)).await
    }

    fn read(&self, page: &str) -> Result<Vec<Vec<String>>, Broken> {
        let (found, ()) = extract::read(&self.plan, page, ())?;
        let texts = self.paths.iter().enumerate().map(|(slot, path)| {
            let texts = found.all(slot).iter().filter_map(|seen| text(path, seen).transpose());
            texts.collect::<Result<Vec<_>, _>>()
        });
        texts.collect::<Result<_, _>>().map_err(|fault| Broken::Fault { fault, byte: 0 })
    }
}

/// Asks until the answer is good and reads it. `None` where a rule of the file says that there is nothing;
/// `place` is named where there is no answer to be read.
///
/// # Errors
/// [`Halt`], as for a page of rows.
pub(super) async fn good<T>(
    asker: &mut Asker<'_>,
    prepared: &Prepared,
    extras: &[Extra<'_>],
    reader: &Reader,
    place: &str,
    read: impl Fn(&str) -> Result<T, Broken>,
) -> Result<Option<T>, Halt> {
    asker.next_call();
    loop {
        let answer = asker.call(prepared, extras).await?;
        let answered = Answered::of(&answer);
        let page = into_text(answer.body, place)?;
        let why = match judge_plain(reader, asker.rules(), answered.status, &page, asker.has_login()) {
            Plain::Good => match read(&page) {
                Ok(what) => return Ok(Some(what)),
                Err(broken) => Unreadable::Broken(broken),
            },
            Plain::Then(Then::Empty, _) => return Ok(None),
            Plain::Then(then, said) => {
                act(asker, then, &answered, &said).await?;
                continue;
            }
            Plain::Unreadable(why) => why,
        };
        match why {
            Unreadable::Broken(Broken::Torn) => asker.pause(None, torn()).await?,
            why => return Err(unreadable(asker, place, &answered, &page, why).into()),
        }
    }
}

fn text(path: &str, seen: &Seen<'_>) -> Result<Option<String>, Fault> {
    let kind = match seen {
        Seen::Nothing => return Ok(None),
        Seen::Wrong(kind) => *kind,
        Seen::Value(json) => match Kind::of(json) {
            Kind::Null => return Ok(None),
            Kind::Text | Kind::Number | Kind::Truth => return Ok(Some(unquoted(json).into_owned())),
            kind => kind,
        },
    };
    Err(Fault {
        path: path.to_owned(),
        row: None,
        saw: format!("{kind} stands where text or a number must"),
        byte: None,
    })
}
