//! The ids a vendor wants named in a request: listed first, page by page, then asked about in batches. An
//! empty list is an answer: there is nothing to ask about.

use std::collections::HashSet;

use super::ask::Asker;
use super::call::Prepared;
use super::extract::{self, Broken, Fault, Found, RowReader};
use super::fill::{Filling, Template};
use super::look;
use super::page::Halt;
use super::pager::{Brought, MarkSlots, Marks, Pager};
use super::path::{Path, Step, quoted};
use super::plan::{Plan, Wanted};
use super::rows::Reader;
use super::taker::text;
use super::{ManifestConnector, Paging, Request};
use crate::connect::PullError;
use crate::domain::connector::Settings;

/// `[fan]`
#[derive(Debug)]
pub(super) struct Fan {
    pub(super) request: Request,
    /// Down to the id of each element.
    pub(super) each: Template,
    /// Begins every id and is cut off, where there is such a text.
    pub(super) cut: Option<String>,
    pub(super) paging: Option<Paging>,
    /// Most ids of one request.
    pub(super) batch: usize,
}

/// Paths of a page of ids, compiled.
struct Lister {
    plan: Plan,
    marks: MarkSlots,
    paths: Vec<String>,
    each: String,
    id: usize,
    cut: String,
}

impl Lister {
    fn compile(fan: &Fan, settings: &Settings) -> Result<Self, String> {
        let (mut paths, mut texts) = (Vec::new(), Vec::new());
        let marks = MarkSlots::add(fan.paging.as_ref(), |path| {
            let filled = path.fill_plain(settings, quoted).ok_or("a setting in a path was not given")?;
            paths.push(Path::parse(&filled)?);
            texts.push(filled);
            Ok::<_, String>(paths.len() - 1)
        })?;
        let each = fan.each.fill_plain(settings, quoted).ok_or("a setting in `each` was not given")?;
        let (list, below) = split(&Path::parse(&each)?).ok_or("`each` of [fan] leads to no list")?;
        let wanted = |path| Wanted { path, strict: true };
        let page: Vec<_> = paths.iter().map(wanted).collect();
        texts.push(each.clone());
        Ok(Self {
            plan: Plan::compile(&page, Some(&list), &[wanted(&below)])?,
            marks,
            id: page.len(),
            paths: texts,
            each,
            cut: fan.cut.clone().unwrap_or_default(),
        })
    }

    fn read(&self, page: &str) -> Result<(Marks, Vec<String>), Broken> {
        let (found, ids) = extract::read(&self.plan, page, Ids { lister: self, page, taken: Vec::new() })?;
        let broken = |fault| Broken::Fault { fault, byte: 0 };
        if !found.list() {
            return Err(broken(self.fault("no list there")));
        }
        Ok((self.marks.read(&self.paths, page, &found, false).map_err(broken)?, ids.taken))
    }

    fn fault(&self, saw: &str) -> Fault {
        Fault { path: self.each.clone(), row: None, saw: saw.to_owned(), byte: None }
    }
}

/// A path to the list, and from each of its elements to the id.
pub(super) fn split(each: &Path) -> Option<(Path, Path)> {
    let every = each.steps.iter().rposition(|step| *step == Step::Every)?;
    let (list, below) = each.steps.split_at(every + 1);
    let path = |steps: &[Step]| Path { text: each.text.clone(), up: 0, steps: steps.to_vec() };
    Some((path(list), path(below)))
}

struct Ids<'r> {
    lister: &'r Lister,
    page: &'r str,
    taken: Vec<String>,
}

impl<'p> RowReader<'p> for Ids<'_> {
    fn row(&mut self, found: &Found<'p>) -> Result<(), Fault> {
        let seen = found.all(self.lister.id);
        match text(&self.lister.each, self.page, seen, false)? {
            Some(id) => {
                let rest = id.strip_prefix(self.lister.cut.as_str()).filter(|rest| !rest.is_empty());
                let wrong = || self.lister.fault(&format!("`{id}` does not begin with `{}`", self.lister.cut));
                self.taken.push(rest.ok_or_else(wrong)?.to_owned());
            }
            None => return Err(self.lister.fault("nothing stands there")),
        }
        Ok(())
    }
}

/// Most ids of one window, and most bytes of one: all of them wait in memory.
const MOST_IDS: usize = 250_000;
const LONGEST_ID: usize = 256;

/// Lists all ids, each once.
pub(super) async fn ids(
    connector: &ManifestConnector,
    fan: &Fan,
    reader: &Reader,
    asker: &mut Asker<'_>,
    filling: &Filling<'_>,
) -> Result<Vec<String>, Halt> {
    let shape = |saw: String| PullError::Shape { path: "[fan]".to_owned(), saw };
    let list = Lister::compile(fan, filling.settings).map_err(shape)?;
    let page_size = fan.paging.as_ref().and_then(|paging| paging.size);
    let prepared = Prepared::new(&fan.request, &Filling { page_size, ..*filling })?;
    let (mut ids, mut known) = (Vec::new(), HashSet::new());
    let mut pager = Pager::new(fan.paging.as_ref());
    let mut stale = 0;
    for _ in 0..connector.patience.pages {
        let mut number = String::new();
        let extra = pager.extra(&mut number);
        let read = |page: &str| list.read(page);
        let answer = look::good(asker, &prepared, extra.as_slice(), reader, &list.each, read).await?;
        let Some((marks, page)) = answer else {
            pager.nothing()?;
            return Ok(ids);
        };
        if page.iter().any(|id| id.len() > LONGEST_ID) || ids.len() + page.len() > MOST_IDS {
            let most = format!("more than {MOST_IDS} ids, or one of more than {LONGEST_ID} bytes");
            return Err(shape(format!("{most}; split the account over several sources")).into());
        }
        let rows = page.len() as u64;
        let before = ids.len();
        ids.extend(page.into_iter().filter(|id| known.insert(id.clone())));
        let fresh = (ids.len() - before) as u64;
        stale = if rows > 0 && fresh == 0 { stale + 1 } else { 0 };
        if stale > 1 {
            return Err(shape("a page brought only ids that were there before".to_owned()).into());
        }
        if !pager.turn(marks, Brought { rows, repeats: rows - fresh, stale: rows > 0 && fresh == 0 }, asker)? {
            return Ok(ids);
        }
    }
    Err(shape(format!("more than {} pages of ids", connector.patience.pages)).into())
}
