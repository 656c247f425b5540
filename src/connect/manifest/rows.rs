//! Turns what the paths of a page matched into rows: keys, days, millionths. Whatever cannot be read fails
//! the window and says where it stands; nothing is guessed.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::extract::{self, Broken, Fault, Found, Kind, RowReader, Seen, unquoted};
use super::fill::Template;
use super::identity::Fingerprint;
use super::number::{Form, millionths, shown};
use super::path::Path;
use super::plan::{Plan, Wanted};
use super::{DayZone, Manifest};
use crate::domain::connector::{ResponseRow, Settings, SourceRow};
use crate::domain::metric::MetricId;
use crate::domain::observation::DateWindow;
use crate::domain::response::Depth;

/// The paths of one source, compiled.
#[derive(Debug)]
pub(super) struct Reader {
    plan: Plan,
    /// The page's own paths without the rows: for answers that are errors.
    probe: Plan,
    /// As written, by slot.
    paths: Vec<String>,
    pub(super) each: String,
    pub(super) cursor: Option<usize>,
    pub(super) none_if: Option<usize>,
    pub(super) message: Option<usize>,
    pub(super) wait: Option<usize>,
    /// Of each error rule's paths.
    pub(super) rules: Vec<Vec<usize>>,
    slots: RowSlots,
}

/// Where a row's values are put.
#[derive(Debug, Default)]
struct RowSlots {
    day: usize,
    id: Option<usize>,
    arm: Vec<usize>,
    zone: Option<usize>,
    currency: Vec<usize>,
    numbers: Vec<Number>,
    response: Option<ResponseSlots>,
}

#[derive(Debug)]
struct Number {
    metric: MetricId,
    slot: usize,
    form: Form,
    absent_is_zero: bool,
}

#[derive(Clone, Copy, Debug)]
struct ResponseSlots {
    id: usize,
    person: Option<usize>,
    depth: Depth,
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
    counts: Vec<Counts<'p>>,
    /// Of all rows with counts, one after the other.
    values: Vec<(MetricId, i64)>,
    responses: Vec<(Fingerprint, ResponseRow<'p>)>,
    /// Rows on the page, whether used or not.
    pub(super) seen: u64,
    /// Rows of days that were not asked for, and one such day.
    pub(super) outside: Option<(u64, NaiveDate)>,
    /// As written in every row.
    pub(super) zone: Option<&'p str>,
    pub(super) currency: Option<&'p str>,
    /// Whether any row had a number, by position among the metrics.
    pub(super) present: Vec<bool>,
}

#[derive(Debug)]
struct Counts<'p> {
    fingerprint: Fingerprint,
    arm: Cow<'p, str>,
    day: NaiveDate,
}

/// Adds paths to a plan and remembers where they are put.
struct Slots<'s> {
    settings: &'s Settings,
    paths: Vec<(Path, bool)>,
}

impl Slots<'_> {
    fn add(&mut self, path: &Template, strict: bool) -> Result<usize, String> {
        let filled = path.fill_path(self.settings).ok_or("a setting in a path was not given")?;
        self.paths.push((Path::parse(&filled)?, strict));
        Ok(self.paths.len() - 1)
    }

    fn maybe(&mut self, path: Option<&Template>, strict: bool) -> Result<Option<usize>, String> {
        path.map(|path| self.add(path, strict)).transpose()
    }
}

impl Reader {
    /// Compiles a manifest's paths with one source's settings.
    ///
    /// # Errors
    /// A sentence; a manifest that was checked, with settings that were checked, gives none.
    pub(super) fn compile(manifest: &Manifest, settings: &Settings) -> Result<Self, String> {
        let mut slots = Slots { settings, paths: Vec::new() };
        let cursor = slots.maybe(manifest.cursor.as_ref().map(|cursor| &cursor.from), true)?;
        let none_if = slots.maybe(manifest.rows.none_if.as_ref(), false)?;
        let message = slots.maybe(manifest.limits.message.as_ref(), false)?;
        let wait = slots.maybe(manifest.limits.wait_body.as_ref(), false)?;
        let mut rules = Vec::new();
        for rule in &manifest.errors {
            rules.push(rule.values.iter().map(|(path, _)| slots.add(path, false)).collect::<Result<_, _>>()?);
        }
        let page_paths = slots.paths.len();

        let mut row = RowSlots {
            day: slots.add(&manifest.rows.day, true)?,
            id: slots.maybe(manifest.rows.id.as_ref(), true)?,
            ..RowSlots::default()
        };
        for arm in &manifest.rows.arm {
            row.arm.push(slots.add(arm, true)?);
        }
        if let DayZone::Row(zone) = &manifest.days {
            row.zone = Some(slots.add(zone, true)?);
        }
        for rule in &manifest.metrics {
            let Some(number) = &rule.number else { continue };
            row.currency.extend(slots.maybe(number.currency.as_ref(), true)?);
            let slot = slots.add(&number.path, true)?;
            let (form, absent_is_zero) = (number.form, number.absent_is_zero);
            row.numbers.push(Number { metric: rule.id, slot, form, absent_is_zero });
        }
        if let Some(response) = &manifest.response {
            let id = slots.add(&response.id, true)?;
            let person = slots.maybe(response.person.as_ref(), true)?;
            row.response = Some(ResponseSlots { id, person, depth: response.depth });
        }

        let each = manifest.rows.each.fill_path(settings).ok_or("a setting in `each` was not given")?;
        let each_path = Path::parse(&each)?;
        let wanted: Vec<_> = slots.paths.iter().map(|(path, strict)| Wanted { path, strict: *strict }).collect();
        let (page, rows) = wanted.split_at(page_paths);
        Ok(Self {
            plan: Plan::compile(page, Some(&each_path), rows)?,
            probe: Plan::compile(page, None, &[])?,
            paths: slots.paths.iter().map(|(path, _)| path.text.clone()).collect(),
            each,
            cursor,
            none_if,
            message,
            wait,
            rules,
            slots: row,
        })
    }

    /// Reads a page and its rows.
    pub(super) fn read<'p>(&self, page: &'p str, reading: Reading) -> Result<(Found<'p>, PageRows<'p>), Broken> {
        let out = PageRows { present: vec![false; self.slots.numbers.len()], ..PageRows::default() };
        let (found, taker) = extract::read(&self.plan, page, Taker { reader: self, page, reading, out })?;
        Ok((found, taker.out))
    }

    /// Reads what a page says of itself, whatever its rows.
    pub(super) fn probe<'p>(&self, page: &'p str) -> Option<Found<'p>> {
        extract::read(&self.probe, page, ()).ok().map(|(found, ())| found)
    }

    /// The text or number at a page's path, for the cursor.
    pub(super) fn page_text<'p>(
        &self,
        slot: usize,
        page: &'p str,
        found: &Found<'p>,
    ) -> Result<Option<Cow<'p, str>>, Fault> {
        text(&self.paths[slot], page, found.all(slot), false)
    }

    /// Paths of the numbers, in the order of their metrics.
    pub(super) fn number_paths(&self) -> impl Iterator<Item = &str> {
        self.slots.numbers.iter().map(|number| self.paths[number.slot].as_str())
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
        // Without a number there is no row with counts, so a chunk is never empty.
        for (row, values) in self.counts.drain(..).zip(self.values.chunks(self.present.len().max(1))) {
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

/// Takes the rows of one page.
struct Taker<'r, 'p> {
    reader: &'r Reader,
    page: &'p str,
    reading: Reading,
    out: PageRows<'p>,
}

impl<'p> RowReader<'p> for Taker<'_, 'p> {
    fn row(&mut self, found: &Found<'p>) -> Result<(), Fault> {
        self.out.seen += 1;
        self.take(found).map_err(|fault| Fault { row: Some(self.out.seen), ..fault })
    }
}

impl<'p> Taker<'_, 'p> {
    fn take(&mut self, found: &Found<'p>) -> Result<(), Fault> {
        let slots = &self.reader.slots;
        let mut arm = None;
        for &slot in &slots.arm {
            arm = self.text(found, slot)?;
            if arm.is_some() {
                break;
            }
        }
        let id = slots.id.map(|slot| self.required(found, slot)).transpose()?;
        if let Some(response) = slots.response {
            return self.response(found, response, arm, id.as_deref());
        }
        let day = self.day(found)?;
        // A count without its entity is a field that was renamed, not an entity without a name.
        let arm = arm.ok_or_else(|| self.missing(slots.arm[0]))?;
        if let Some(slot) = slots.zone {
            let zone = self.same(found, slot, self.out.zone)?;
            self.out.zone = Some(zone);
        }
        for &slot in &slots.currency {
            let currency = self.same(found, slot, self.out.currency)?;
            self.out.currency = Some(currency);
        }
        let first = self.out.values.len();
        for (position, number) in slots.numbers.iter().enumerate() {
            let value = self.number(found, number, position)?;
            self.out.values.push((number.metric, value));
        }
        if !self.inside(day) {
            self.out.values.truncate(first);
            return Ok(());
        }
        let content = (&*arm, day, Hashable(&self.out.values[first..]));
        let fingerprint = match &id {
            Some(id) => Fingerprint::of(id.as_ref(), content),
            None => Fingerprint::of((&*arm, day), content),
        };
        self.out.counts.push(Counts { fingerprint, arm, day });
        Ok(())
    }

    fn response(
        &mut self,
        found: &Found<'p>,
        slots: ResponseSlots,
        arm: Option<Cow<'p, str>>,
        id: Option<&str>,
    ) -> Result<(), Fault> {
        let at = self.instant(found)?;
        let response_id = self.required(found, slots.id)?;
        let person = match slots.person {
            Some(slot) => text(&self.reader.paths[slot], self.page, found.all(slot), true)?,
            None => None,
        };
        if self.inside(at.with_timezone(&self.reading.zone).date_naive()) {
            let identity = id.unwrap_or(&response_id);
            let fingerprint = Fingerprint::of(identity, (&*response_id, person.as_deref(), arm.as_deref(), at));
            let row = ResponseRow { response_id, person, depth: slots.depth, arm_key: arm, at };
            self.out.responses.push((fingerprint, row));
        }
        Ok(())
    }

    /// Whether a day was asked for; others are left out and counted.
    fn inside(&mut self, day: NaiveDate) -> bool {
        let inside = self.reading.window.contains(day);
        if !inside {
            let (count, first) = self.out.outside.unwrap_or((0, day));
            self.out.outside = Some((count + 1, first));
        }
        inside
    }

    fn day(&self, found: &Found<'p>) -> Result<NaiveDate, Fault> {
        if self.reader.slots.zone.is_none() {
            return Ok(self.instant(found)?.with_timezone(&self.reading.zone).date_naive());
        }
        let slot = self.reader.slots.day;
        let text = self.required(found, slot)?;
        plain_date(&text).ok_or_else(|| self.fault(slot, found, "is not a day such as 2026-11-22"))
    }

    fn instant(&self, found: &Found<'p>) -> Result<DateTime<Utc>, Fault> {
        let slot = self.reader.slots.day;
        let text = self.required(found, slot)?;
        DateTime::parse_from_rfc3339(&text)
            .map(|instant| instant.with_timezone(&Utc))
            .map_err(|_| self.fault(slot, found, "is not an instant such as 2026-11-22T17:00:00Z"))
    }

    fn number(&mut self, found: &Found<'p>, number: &Number, position: usize) -> Result<i64, Fault> {
        match found.all(number.slot) {
            [] if number.absent_is_zero => Ok(0),
            [Seen::Value(json)] => {
                self.out.present[position] = true;
                millionths(number.form, json).map_err(|what| self.fault(number.slot, found, what))
            }
            [] => Err(self.missing(number.slot)),
            [_] => Err(self.fault(number.slot, found, ON_THE_WAY)),
            [_, ..] => Err(self.fault(number.slot, found, "is one of several where one number must stand")),
        }
    }

    fn text(&self, found: &Found<'p>, slot: usize) -> Result<Option<Cow<'p, str>>, Fault> {
        text(&self.reader.paths[slot], self.page, found.all(slot), false)
    }

    fn required(&self, found: &Found<'p>, slot: usize) -> Result<Cow<'p, str>, Fault> {
        self.text(found, slot)?.ok_or_else(|| self.missing(slot))
    }

    /// A value every row must repeat.
    fn same(&self, found: &Found<'p>, slot: usize, before: Option<&'p str>) -> Result<&'p str, Fault> {
        match (found.all(slot), before) {
            ([Seen::Value(json)], None) => Ok(json),
            ([Seen::Value(json)], Some(before)) if *json == before => Ok(before),
            ([Seen::Value(_)], Some(before)) => {
                Err(self.fault(slot, found, &format!("differs from {} in the rows before", shown(before))))
            }
            ([], _) => Err(self.missing(slot)),
            _ => Err(self.fault(slot, found, ON_THE_WAY)),
        }
    }

    fn missing(&self, slot: usize) -> Fault {
        Fault { path: self.reader.paths[slot].clone(), row: None, saw: "nothing stands there".to_owned(), byte: None }
    }

    fn fault(&self, slot: usize, found: &Found<'p>, what: &str) -> Fault {
        fault(&self.reader.paths[slot], self.page, found.all(slot), what, false)
    }
}

const ON_THE_WAY: &str = "stands where the way to it goes on";

/// The first match as a key: text, or a number's digits. Nothing, null and empty text are `None`.
/// `private` says that it may not be shown and that a second one is no contradiction.
fn text<'p>(path: &str, page: &str, seen: &[Seen<'p>], private: bool) -> Result<Option<Cow<'p, str>>, Fault> {
    let wrong = |what| Err(fault(path, page, seen, what, private));
    if seen.len() > 1 && !private {
        return wrong("is one of several where one value must stand");
    }
    match seen.first() {
        None | Some(Seen::Nothing) => Ok(None),
        Some(Seen::Wrong(_)) => wrong(ON_THE_WAY),
        Some(Seen::Value(json)) => match Kind::of(json) {
            Kind::Text => Ok(Some(unquoted(json)).filter(|text| !text.is_empty())),
            Kind::Number => Ok(Some(Cow::Borrowed(json))),
            Kind::Null => Ok(None),
            _ => wrong("stands where text must"),
        },
    }
}

fn fault(path: &str, page: &str, seen: &[Seen<'_>], what: &str, private: bool) -> Fault {
    let (value, byte) = match seen.first() {
        Some(Seen::Value(json)) => {
            let value = if private { Kind::of(json).to_string() } else { shown(json) };
            (value, json.as_ptr().addr().checked_sub(page.as_ptr().addr()))
        }
        Some(Seen::Wrong(kind)) => (kind.to_string(), None),
        Some(Seen::Nothing) | None => ("null".to_owned(), None),
    };
    Fault { path: path.to_owned(), row: None, saw: format!("{value} {what}"), byte }
}

/// Reads `2026-11-03` and nothing else; the general reader also takes forms no vendor sends.
fn plain_date(text: &str) -> Option<NaiveDate> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *<&[u8; 10]>::try_from(text.as_bytes()).ok()? else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0_u32, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
    };
    NaiveDate::from_ymd_opt(i32::try_from(number(&[y1, y2, y3, y4])?).ok()?, number(&[m1, m2])?, number(&[d1, d2])?)
}

/// Values in the order of their metrics, which is the same in every row.
struct Hashable<'a>(&'a [(MetricId, i64)]);

impl std::hash::Hash for Hashable<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for (_, value) in self.0 {
            state.write_i64(*value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h21_a_day_is_ten_characters_and_nothing_else() {
        assert_eq!(plain_date("2026-11-03"), NaiveDate::from_ymd_opt(2026, 11, 3));
        for text in
            ["", "2026-11-31", "2026-1-3", "2026-11-03T00:00:00Z", "03-11-2026", "20261103", "+026-11-03", "2026-1１"]
        {
            assert_eq!(plain_date(text), None, "{text}");
        }
    }
}
