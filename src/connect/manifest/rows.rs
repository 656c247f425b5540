//! The paths of one source compiled, and the rows of one page they lead to. What a match means, value by
//! value, is `taker`'s business.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::day::DayForm;
use super::drift;
use super::extract::{self, Broken, Fault, Found, Kind, Seen};
use super::fill::Template;
use super::identity::Fingerprint;
use super::number::Form;
use super::only::Only;
use super::pager::{MarkSlots, Marks};
use super::path::{Path, quoted};
use super::plan::{Plan, Wanted};
use super::taker::{Taker, text};
use super::{ANSWER, ArmRule, CurrencyRule, Day, DayZone, Manifest, NoneIf, ResponseRule, Rows, stated_zone};
use crate::connect::PullError;
use crate::connect::http::HeaderName;
use crate::domain::connector::{Facts, Field, ResponseRow, SettingValue, Settings, SourceRow};
use crate::domain::intake::Question;
use crate::domain::metric::MetricId;
use crate::domain::observation::DateWindow;
use crate::domain::response::{Depth, Void};

const NO_ZONE: &str = "the zone in the settings is no name of a zone such as `Europe/Berlin`";

/// The paths of one source, compiled.
#[derive(Debug)]
pub(super) struct Reader {
    plan: Plan,
    /// The page's own paths without the rows: for answers that are errors.
    probe: Plan,
    /// As written, by slot.
    pub(super) paths: Vec<String>,
    pub(super) each: String,
    marks: MarkSlots,
    pub(super) none_if: Option<NoneAt>,
    pub(super) message: Vec<usize>,
    pub(super) wait: Option<usize>,
    pub(super) as_of: Option<usize>,
    pub(super) version: Option<usize>,
    pub(super) version_header: Option<HeaderName>,
    /// Of each error rule's paths.
    pub(super) rules: Vec<Vec<usize>>,
    pub(super) slots: RowSlots,
    /// What money is in, where the file or the user says it.
    pub(super) stated_currency: Option<String>,
    /// What the numbers mean.
    pub(super) facts: Facts,
}

/// When an answer without the list of rows has none.
#[derive(Clone, Copy, Debug)]
pub(super) enum NoneAt {
    /// Something is put there.
    Slot(usize),
    /// The answer is an empty object.
    EmptyAnswer,
}

/// Where a row's values are put.
#[derive(Debug)]
pub(super) struct RowSlots {
    /// What it must say to count.
    pub(super) only: Vec<Only>,
    pub(super) day: DaySlots,
    /// By whose clocks its day is told, where it names no zone.
    pub(super) clock: Tz,
    pub(super) id: Vec<usize>,
    pub(super) arm: Vec<ArmSlot>,
    /// One of these begins every key and is cut off, where there are any.
    pub(super) cut: Vec<String>,
    pub(super) zone: Option<usize>,
    pub(super) currency: Vec<usize>,
    pub(super) numbers: Vec<Number>,
    pub(super) response: Option<ResponseSlots>,
}

/// Where the key of a row's arm is found.
#[derive(Debug)]
pub(super) enum ArmSlot {
    /// What stands there, or a parameter of the address that does.
    At(usize, Option<String>),
    /// What the user says.
    Stated(String),
}

/// Where a row's day is put.
#[derive(Clone, Copy, Debug)]
pub(super) enum DaySlots {
    One(usize, DayForm),
    YearMonthDay([usize; 3]),
}

#[derive(Debug)]
pub(super) struct Number {
    pub(super) metric: MetricId,
    /// Added up.
    pub(super) slots: Vec<usize>,
    pub(super) form: Form,
    pub(super) exponent: bool,
    pub(super) absent_is_zero: bool,
    /// Texts that stand for zero; `null` for JSON's.
    pub(super) empty: Vec<String>,
}

#[derive(Debug)]
pub(super) struct ResponseSlots {
    /// Together they tell acts apart.
    pub(super) id: Vec<usize>,
    /// The first of these that is there.
    pub(super) person: Vec<usize>,
    pub(super) depth: Depth,
    /// By the name of each question, where its answer may stand.
    pub(super) answers: Vec<(String, Vec<usize>)>,
    /// Why an act no longer stands: the first that holds.
    pub(super) void: Vec<(Void, Only)>,
}

/// What a page is read against.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// Rows of other days are left out and counted.
    pub(super) window: DateWindow,
    /// Zone in which instants become days.
    pub(super) zone: Tz,
}

/// The rows of one page.
#[derive(Debug, Default)]
pub(super) struct PageRows<'p> {
    pub(super) counts: Vec<Counts<'p>>,
    /// Of all rows with counts, one after the other.
    pub(super) values: Vec<(MetricId, i64)>,
    pub(super) responses: Vec<(Fingerprint, ResponseRow<'p>)>,
    /// Rows on the page, whether used or not.
    pub(super) seen: u64,
    /// Rows of days that were not asked for, and one such day.
    pub(super) outside: Option<(u64, NaiveDate)>,
    /// As written in every row.
    pub(super) zone: Option<&'p str>,
    pub(super) currency: Option<&'p str>,
    /// When the page's acts were done.
    pub(super) dated: Option<Dated>,
    /// Of each path of each number, in that order.
    pub(super) fields: Vec<Stood>,
}

/// When the acts of a page were done, whether asked for or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dated {
    pub(super) first: DateTime<Utc>,
    pub(super) last: DateTime<Utc>,
    pub(super) newest: DateTime<Utc>,
}

impl Dated {
    /// One more act, after those before.
    pub(super) fn and(before: Option<Self>, at: DateTime<Utc>) -> Self {
        before.map_or(Self { first: at, last: at, newest: at }, |before| Self {
            last: at,
            newest: before.newest.max(at),
            ..before
        })
    }
}

/// How often something stood at a path.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stood {
    pub(super) rows: u64,
    /// The last day that was asked for on which it was not zero.
    pub(super) last_day: Option<NaiveDate>,
}

impl Stood {
    pub(super) fn stood_on(&mut self, day: NaiveDate, counts: bool) {
        self.rows += 1;
        if counts {
            self.last_day = self.last_day.max(Some(day));
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, last_day: self.last_day.max(other.last_day) }
    }
}

#[derive(Debug)]
pub(super) struct Counts<'p> {
    pub(super) fingerprint: Fingerprint,
    pub(super) arm: Cow<'p, str>,
    pub(super) day: NaiveDate,
}

/// Adds paths to a plan and remembers where they are put.
struct Slots<'s> {
    settings: &'s Settings,
    paths: Vec<(Path, bool)>,
}

impl Slots<'_> {
    fn add(&mut self, path: &Template, strict: bool) -> Result<usize, String> {
        let filled = path.fill_plain(self.settings, quoted).ok_or("a setting in a path was not given")?;
        self.paths.push((Path::parse(&filled)?, strict));
        Ok(self.paths.len() - 1)
    }

    /// The path of the answer to a question, whose kind may be any.
    fn add_answer(&mut self, path: &Template, asked_as: &str) -> Result<usize, String> {
        let mut settings = self.settings.clone();
        settings.insert(ANSWER, SettingValue::Plain(asked_as.to_owned()));
        let filled = path.fill_plain(&settings, quoted).ok_or("a setting in `answer` was not given")?;
        self.paths.push((Path::parse(&filled)?, false));
        Ok(self.paths.len() - 1)
    }

    fn maybe(&mut self, path: Option<&Template>, strict: bool) -> Result<Option<usize>, String> {
        path.map(|path| self.add(path, strict)).transpose()
    }

    fn arm(&mut self, rule: &ArmRule) -> Result<ArmSlot, String> {
        let settings = self.settings;
        let filled = |text: &Template| text.fill_plain(settings, |text| text).ok_or("a setting in `arm` was not given");
        Ok(match rule {
            ArmRule::At(path, parameter) => {
                ArmSlot::At(self.add(path, true)?, parameter.as_ref().map(filled).transpose()?)
            }
            ArmRule::Stated(text) => ArmSlot::Stated(filled(text)?),
        })
    }

    fn response(&mut self, rule: &ResponseRule, questions: &[Question]) -> Result<ResponseSlots, String> {
        let id = rule.id.iter().map(|path| self.add(path, true)).collect::<Result<_, _>>()?;
        let person = rule.person.iter().map(|path| self.add(path, true)).collect::<Result<_, _>>()?;
        let mut answers = Vec::new();
        for Question { name, asked_as, .. } in questions {
            let paths = rule.answer.iter().map(|path| self.add_answer(path, asked_as));
            answers.push((name.clone(), paths.collect::<Result<_, _>>()?));
        }
        let mut void = Vec::new();
        for (why, rule) in &rule.void {
            let slot = self.add(&rule.path, true)?;
            void.push((*why, rule.filled(slot, self.settings)?));
        }
        Ok(ResponseSlots { id, person, depth: rule.depth, answers, void })
    }

    /// The paths of a row, and what its money is in, where that is stated.
    fn rows(
        &mut self,
        manifest: &Manifest,
        rows: &Rows,
        response: Option<&ResponseRule>,
        questions: &[Question],
    ) -> Result<(RowSlots, Option<String>), String> {
        let settings = self.settings;
        let mut only = Vec::new();
        for rule in &rows.only {
            let slot = self.add(&rule.path, true)?;
            only.push(rule.filled(slot, settings)?);
        }
        let clock = match &rows.clock {
            None => Tz::UTC,
            Some(zone) => stated_zone(zone, settings).ok_or(NO_ZONE)?,
        };
        let day = match &rows.day {
            Day::One(path, form) => DaySlots::One(self.add(path, true)?, *form),
            Day::YearMonthDay([year, month, day]) => {
                DaySlots::YearMonthDay([self.add(year, true)?, self.add(month, true)?, self.add(day, true)?])
            }
        };
        let id = rows.id.iter().map(|id| self.add(id, true)).collect::<Result<_, _>>()?;
        let arm = rows.arm.iter().map(|arm| self.arm(arm)).collect::<Result<_, _>>()?;
        let cut = rows.cut.iter().map(|cut| cut.fill_plain(settings, |text| text));
        let cut = cut.collect::<Option<_>>().ok_or("a setting in `cut` was not given")?;
        let zone = match &manifest.days {
            DayZone::Row(zone) => Some(self.add(zone, true)?),
            DayZone::Stated(zone) if stated_zone(zone, settings).is_none() => {
                return Err(NO_ZONE.into());
            }
            _ => None,
        };
        let (mut currency, mut stated_currency, mut numbers) = (Vec::new(), None, Vec::new());
        for rule in &manifest.metrics {
            let Some(number) = &rule.number else { continue };
            match &number.currency {
                Some(CurrencyRule::Row(path)) => currency.push(self.add(path, true)?),
                Some(CurrencyRule::Stated(code)) => {
                    stated_currency =
                        Some(code.fill_plain(settings, |text| text).ok_or("a setting in `currency` was not given")?);
                }
                Some(CurrencyRule::Account) | None => {}
            }
            numbers.push(Number {
                metric: rule.id,
                slots: number.paths.iter().map(|path| self.add(path, true)).collect::<Result<_, _>>()?,
                form: number.form,
                exponent: number.exponent,
                absent_is_zero: number.absent_is_zero,
                empty: number.empty.clone(),
            });
        }
        let response = response.map(|rule| self.response(rule, questions)).transpose()?;
        Ok((RowSlots { only, day, clock, id, arm, cut, zone, currency, numbers, response }, stated_currency))
    }
}

impl Reader {
    /// Compiles a manifest's paths with one source's settings.
    ///
    /// # Errors
    /// A sentence; a manifest that was checked, with settings that were checked, gives none.
    pub(super) fn compile(manifest: &Manifest, settings: &Settings, questions: &[Question]) -> Result<Self, String> {
        let mut slots = Slots { settings, paths: Vec::new() };
        let marks = MarkSlots::add(manifest.paging.as_ref(), |path| slots.add(path, true))?;
        let none_if = match &manifest.rows.none_if {
            None => None,
            Some(NoneIf::EmptyAnswer) => Some(NoneAt::EmptyAnswer),
            Some(NoneIf::There(path)) => Some(NoneAt::Slot(slots.add(path, false)?)),
        };
        let message = manifest.limits.message.iter().map(|path| slots.add(path, false)).collect::<Result<_, _>>()?;
        let wait = slots.maybe(manifest.limits.wait_body.as_ref().map(|(path, _)| path), false)?;
        let as_of = slots.maybe(manifest.facts.as_of.as_ref(), true)?;
        let version = slots.maybe(manifest.facts.version.as_ref(), false)?;
        let mut rules = Vec::new();
        for rule in &manifest.errors {
            rules.push(rule.values.iter().map(|(path, _)| slots.add(path, false)).collect::<Result<_, _>>()?);
        }
        let page_paths = slots.paths.len();
        let (row, stated_currency) = slots.rows(manifest, &manifest.rows, manifest.response.as_ref(), questions)?;

        let each = manifest.rows.each.fill_plain(settings, quoted).ok_or("a setting in `each` was not given")?;
        let each_path = Path::parse(&each)?;
        let wanted: Vec<_> = slots.paths.iter().map(|(path, strict)| Wanted { path, strict: *strict }).collect();
        let (page, rows) = wanted.split_at(page_paths);
        Ok(Self {
            plan: Plan::compile(page, Some(&each_path), rows)?,
            probe: Plan::compile(page, None, &[])?,
            paths: slots.paths.iter().map(|(path, _)| path.text.clone()).collect(),
            each,
            marks,
            none_if,
            message,
            wait,
            as_of,
            version,
            version_header: manifest.facts.version_header.clone(),
            rules,
            slots: row,
            stated_currency,
            facts: manifest.facts.filled(settings),
        })
    }

    /// Compiles the paths of an act that stands alone, as the one row of a page that is a list.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub(super) fn of_act(
        manifest: &Manifest,
        rows: &Rows,
        response: &ResponseRule,
        settings: &Settings,
        questions: &[Question],
    ) -> Result<Self, String> {
        let mut slots = Slots { settings, paths: Vec::new() };
        let (row, stated_currency) = slots.rows(manifest, rows, Some(response), questions)?;
        let each = Path::parse("$[*]")?;
        let wanted: Vec<_> = slots.paths.iter().map(|(path, strict)| Wanted { path, strict: *strict }).collect();
        Ok(Self {
            plan: Plan::compile(&[], Some(&each), &wanted)?,
            probe: Plan::compile(&[], None, &[])?,
            paths: slots.paths.iter().map(|(path, _)| path.text.clone()).collect(),
            each: each.text,
            marks: MarkSlots::default(),
            none_if: None,
            message: Vec::new(),
            wait: None,
            as_of: None,
            version: None,
            version_header: None,
            rules: Vec::new(),
            slots: row,
            stated_currency,
            facts: Facts::default(),
        })
    }

    /// Reads a page and its rows.
    pub(super) fn read<'p>(&self, page: &'p str, reading: Reading) -> Result<(Found<'p>, PageRows<'p>), Broken> {
        let out = PageRows { fields: self.no_fields(), ..PageRows::default() };
        match extract::read(&self.plan, page, Taker { reader: self, page, reading, out }) {
            Ok((found, taker)) => Ok((found, taker.out)),
            Err(Broken::Fault { mut fault, byte }) => {
                if let Some(near) = fault.row.and_then(|row| drift::near(page, &self.each, row, &fault.path)) {
                    fault.saw = format!("{}; {near}", fault.saw);
                }
                Err(Broken::Fault { fault, byte })
            }
            Err(broken) => Err(broken),
        }
    }

    /// Reads what a page says of itself, whatever its rows.
    pub(super) fn probe<'p>(&self, page: &'p str) -> Option<Found<'p>> {
        extract::read(&self.probe, page, ()).ok().map(|(found, ())| found)
    }

    /// The text or number at a page's path.
    pub(super) fn page_text<'p>(
        &self,
        slot: usize,
        page: &'p str,
        found: &Found<'p>,
    ) -> Result<Option<Cow<'p, str>>, Fault> {
        text(&self.paths[slot], page, found.all(slot), false)
    }

    /// The page says that there is nothing, in the way its manifest names.
    pub(super) fn says_none(&self, page: &str, found: &Found<'_>) -> bool {
        let there = |seen: &Seen<'_>| matches!(seen, Seen::Value(json) if Kind::of(json) != Kind::Null);
        match self.none_if {
            None => false,
            Some(NoneAt::Slot(slot)) => found.all(slot).iter().any(there),
            Some(NoneAt::EmptyAnswer) => page.split_ascii_whitespace().flat_map(str::chars).eq("{}".chars()),
        }
    }

    /// What a page says of those after it.
    pub(super) fn marks(&self, page: &str, found: &Found<'_>) -> Result<Marks, PullError> {
        let none = !found.list() && self.says_none(page, found);
        let marks = self.marks.read(&self.paths, page, found, none);
        marks.map_err(|fault| PullError::Shape { path: fault.path, saw: fault.saw })
    }

    /// What is known of the paths of the numbers before any row.
    pub(super) fn no_fields(&self) -> Vec<Stood> {
        vec![Stood::default(); self.slots.numbers.iter().map(|number| number.slots.len()).sum()]
    }

    /// What the paths whose absence counts as zero had in so many rows.
    pub(super) fn fields(&self, rows: u64, stood: &[Stood]) -> Vec<Field> {
        let paths = self.slots.numbers.iter().flat_map(|number| number.slots.iter().map(move |&slot| (number, slot)));
        let field = |((number, slot), stood): ((&Number, usize), &Stood)| Field {
            metric: number.metric,
            path: self.paths[slot].clone(),
            of: rows,
            rows: stood.rows,
            last_day: stood.last_day,
        };
        paths.zip(stood).filter(|((number, _), _)| number.absent_is_zero).map(field).collect()
    }

    /// Path of the zone, then of the currency, where rows carry them.
    pub(super) fn zone_and_currency(&self) -> (Option<&str>, Option<&str>) {
        let path = |slot: Option<usize>| slot.map(|slot| self.paths[slot].as_str());
        (path(self.slots.zone), path(self.slots.currency.first().copied()))
    }
}

impl PageRows<'_> {
    /// Keeps the rows `keep` says are wanted and gives them in the form a sink takes.
    pub(super) fn batch<E>(
        &mut self,
        mut keep: impl FnMut(Fingerprint, &dyn Fn() -> String) -> Result<bool, E>,
    ) -> Result<Vec<SourceRow<'_>>, E> {
        let mut batch = Vec::with_capacity(self.counts.len() + self.responses.len());
        let numbers = self.values.len().checked_div(self.counts.len()).unwrap_or(0);
        // Without a number there is no row with counts, so a chunk is never empty.
        for (row, values) in self.counts.drain(..).zip(self.values.chunks(numbers.max(1))) {
            let Counts { fingerprint, arm, day } = row;
            if keep(fingerprint, &|| format!("the row of `{arm}` on {day}"))? {
                batch.push(SourceRow::Counts { arm_key: Some(arm), day, values });
            }
        }
        for (fingerprint, response) in self.responses.drain(..) {
            if keep(fingerprint, &|| format!("the response `{}`", response.response_id))? {
                batch.push(SourceRow::Response(response));
            }
        }
        Ok(batch)
    }
}
