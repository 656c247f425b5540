//! Turns what the paths of a row matched into keys, days and millionths. Whatever cannot be read fails the
//! window and says where it stands; nothing is guessed.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};

use super::day::{DayForm, year_month_day};
use super::extract::{Fault, Found, Kind, RowReader, Seen, unquoted};
use super::identity::Fingerprint;
use super::number::{millionths, shown};
use super::rows::{ArmSlot, Counts, Dated, DaySlots, Number, PageRows, Reader, Reading, ResponseSlots};
use crate::domain::address::Address;
use crate::domain::connector::ResponseRow;
use crate::domain::metric::MetricId;

/// Takes the rows of one page.
pub(super) struct Taker<'r, 'p> {
    pub(super) reader: &'r Reader,
    pub(super) page: &'p str,
    pub(super) reading: Reading,
    pub(super) out: PageRows<'p>,
}

impl<'p> RowReader<'p> for Taker<'_, 'p> {
    fn row(&mut self, found: &Found<'p>) -> Result<(), Fault> {
        self.out.seen += 1;
        self.take(found).map_err(|fault| Fault { row: Some(self.out.seen), ..fault })
    }
}

impl<'p> Taker<'_, 'p> {
    /// What tells rows apart: the first of its paths that is there, where the file names any.
    fn id(&self, found: &Found<'p>) -> Result<Option<Cow<'p, str>>, Fault> {
        let Some((&last, others)) = self.reader.slots.id.split_last() else { return Ok(None) };
        for &slot in others {
            if let Some(id) = self.text(found, slot)? {
                return Ok(Some(id));
            }
        }
        self.required(found, last).map(Some)
    }

    fn take(&mut self, found: &Found<'p>) -> Result<(), Fault> {
        let reader = self.reader;
        let slots = &reader.slots;
        for only in &slots.only {
            if !only.holds(found, &reader.paths)? {
                return Ok(());
            }
        }
        let arm = self.arm(found)?;
        let id = self.id(found)?;
        if let Some(response) = &slots.response {
            return self.response(found, response, arm, id.as_deref());
        }
        let day = self.day(found)?;
        // A count without its entity is a field that was renamed, not an entity without a name.
        let arm = arm.ok_or_else(|| self.no_arm())?;
        if let Some(slot) = slots.zone {
            let zone = self.same(found, slot, self.out.zone)?;
            self.out.zone = Some(zone);
        }
        for &slot in &slots.currency {
            let currency = self.same(found, slot, self.out.currency)?;
            self.out.currency = Some(currency);
        }
        let first = self.out.values.len();
        let mut field = 0;
        for number in &slots.numbers {
            let mut sum = 0_i64;
            for &slot in &number.slots {
                let value = self.number(found, number, slot)?;
                if let Some(value) = value {
                    self.out.fields[field].stood_on(day, value != 0 && self.reading.window.contains(day));
                }
                field += 1;
                let value = value.unwrap_or(0);
                sum = sum
                    .checked_add(value)
                    .ok_or_else(|| self.fault(slot, found, "makes a sum too large to be true"))?;
            }
            self.out.values.push((number.metric, sum));
        }
        if !self.inside(day) {
            self.out.values.truncate(first);
            return Ok(());
        }
        let content = (&*arm, day, Hashable(&self.out.values[first..]));
        let fingerprint = match &id {
            Some(id) => Fingerprint::of((id.as_ref(), day), content),
            None => Fingerprint::of((&*arm, day), content),
        };
        self.out.counts.push(Counts { fingerprint, arm, day });
        Ok(())
    }

    fn response(
        &mut self,
        found: &Found<'p>,
        slots: &ResponseSlots,
        arm: Option<Cow<'p, str>>,
        id: Option<&str>,
    ) -> Result<(), Fault> {
        let at = self.instant(found)?;
        self.out.dated = Some(Dated::and(self.out.dated, at));
        let response_id = self.joined(found, &slots.id)?;
        let person = self.person(found, slots)?;
        if self.inside(at.with_timezone(&self.reading.zone).date_naive()) {
            let identity = id.unwrap_or(&response_id);
            let answers = self.answers(found, slots)?;
            let mut void = None;
            for (why, holds) in &slots.void {
                if void.is_none() && holds.holds(found, &self.reader.paths)? {
                    void = Some(*why);
                }
            }
            let content = (&*response_id, person.as_deref(), arm.as_deref(), at, &answers, void);
            let fingerprint = Fingerprint::of(identity, content);
            let row = ResponseRow { response_id, person, depth: slots.depth, void, arm_key: arm, at, answers };
            self.out.responses.push((fingerprint, row));
        }
        Ok(())
    }

    /// Who did it: the first address among what stands at the paths, else the first text, by which the tool knows people.
    fn person(&self, found: &Found<'p>, slots: &ResponseSlots) -> Result<Option<Cow<'p, str>>, Fault> {
        let mut first = None;
        for &slot in &slots.person {
            for seen in found.all(slot).chunks(1) {
                let Some(text) = text(&self.reader.paths[slot], self.page, seen, true)? else { continue };
                if Address::parse(&text).is_some() {
                    return Ok(Some(text));
                }
                first = first.or(Some(text));
            }
        }
        Ok(first)
    }

    /// What was answered to the questions the user names; one that was left open is not among it.
    fn answers(&self, found: &Found<'p>, slots: &ResponseSlots) -> Result<Vec<(String, String)>, Fault> {
        let mut answers = Vec::new();
        for (name, paths) in &slots.answers {
            for &slot in paths {
                if let Some(answer) = answer(&self.reader.paths[slot], self.page, found.all(slot))? {
                    answers.push((name.clone(), answer));
                    break;
                }
            }
        }
        Ok(answers)
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

    /// The first of the paths where something stands, without the beginning that is cut off.
    fn arm(&self, found: &Found<'p>) -> Result<Option<Cow<'p, str>>, Fault> {
        let slots = &self.reader.slots;
        for rule in &slots.arm {
            let (slot, parameter) = match rule {
                ArmSlot::Stated(key) => return Ok(Some(Cow::Owned(key.clone()))),
                ArmSlot::At(slot, parameter) => (*slot, parameter),
            };
            // A person can send a field twice: such an act is nobody's, and no reason to read none of the others.
            if slots.response.is_some() && differ(found.all(slot)) {
                return Ok(None);
            }
            let Some(key) = self.key(found, slot)? else { continue };
            if let Some(parameter) = parameter {
                match in_address(&key, parameter) {
                    Some(key) => return Ok(Some(Cow::Owned(key))),
                    None => continue,
                }
            }
            if slots.cut.is_empty() {
                return Ok(Some(key));
            }
            let begins = |cut: &String| key.strip_prefix(cut.as_str()).filter(|rest| !rest.is_empty());
            let Some(rest) = slots.cut.iter().find_map(begins) else {
                return Err(self.fault(slot, found, &format!("does not begin with `{}`", slots.cut.join("` or `"))));
            };
            let from = key.len() - rest.len();
            return Ok(Some(match key {
                Cow::Borrowed(key) => Cow::Borrowed(&key[from..]),
                Cow::Owned(mut key) => Cow::Owned(key.split_off(from)),
            }));
        }
        Ok(None)
    }

    /// What stands where a key may: of several that are equal, one.
    fn key(&self, found: &Found<'p>, slot: usize) -> Result<Option<Cow<'p, str>>, Fault> {
        let seen = found.all(slot);
        let seen = if self.reader.slots.response.is_some() { &seen[..seen.len().min(1)] } else { seen };
        text(&self.reader.paths[slot], self.page, seen, false)
    }

    fn no_arm(&self) -> Fault {
        let slot = self.reader.slots.arm.iter().find_map(|arm| match arm {
            ArmSlot::At(slot, _) => Some(*slot),
            ArmSlot::Stated(_) => None,
        });
        self.missing(slot.unwrap_or_default(), "the key of its arm")
    }

    fn day(&self, found: &Found<'p>) -> Result<NaiveDate, Fault> {
        match self.reader.slots.day {
            DaySlots::One(_, form) if form.is_instant() => {
                Ok(self.instant(found)?.with_timezone(&self.reading.zone).date_naive())
            }
            DaySlots::One(slot, form) => {
                let text = self.required(found, slot)?;
                form.day(&text).ok_or_else(|| self.fault(slot, found, form.else_not()))
            }
            DaySlots::YearMonthDay(slots) => {
                let [year, month, day] = slots.map(|slot| self.required(found, slot));
                let (year, month, day) = (year?, month?, day?);
                year_month_day([&year, &month, &day]).ok_or_else(|| {
                    self.fault(slots[0], found, &format!("with month {month} and day {day} is not a day"))
                })
            }
        }
    }

    fn instant(&self, found: &Found<'p>) -> Result<DateTime<Utc>, Fault> {
        let (slot, form) = match self.reader.slots.day {
            DaySlots::One(slot, form) => (slot, form),
            DaySlots::YearMonthDay([year, ..]) => (year, DayForm::Instant),
        };
        let text = self.required(found, slot)?;
        form.instant(&text, self.reader.slots.clock).ok_or_else(|| self.fault(slot, found, form.else_not()))
    }

    /// What stands there; `None` for nothing where that counts as zero.
    fn number(&self, found: &Found<'p>, number: &Number, slot: usize) -> Result<Option<i64>, Fault> {
        match found.all(slot) {
            [] if number.absent_is_zero => Ok(None),
            [Seen::Value(json)] if !number.empty.is_empty() && stands_for_zero(&number.empty, json) => Ok(Some(0)),
            [Seen::Value(json)] => {
                millionths(number.form, number.exponent, json).map(Some).map_err(|what| self.fault(slot, found, what))
            }
            [Seen::Nothing] if number.empty.iter().any(|text| text == "null") => Ok(None),
            [] => Err(self.missing(slot, "a number")),
            [_] => Err(self.fault(slot, found, ON_THE_WAY)),
            [_, ..] => Err(self.fault(slot, found, "is one of several where one number must stand")),
        }
    }

    fn text(&self, found: &Found<'p>, slot: usize) -> Result<Option<Cow<'p, str>>, Fault> {
        text(&self.reader.paths[slot], self.page, found.all(slot), false)
    }

    /// What an act is known by, with commas where it takes several.
    fn joined(&self, found: &Found<'p>, slots: &[usize]) -> Result<Cow<'p, str>, Fault> {
        if let [one] = slots {
            return self.required(found, *one);
        }
        let parts = slots.iter().map(|&slot| self.required(found, slot)).collect::<Result<Vec<_>, _>>()?;
        Ok(Cow::Owned(parts.join(",")))
    }

    fn required(&self, found: &Found<'p>, slot: usize) -> Result<Cow<'p, str>, Fault> {
        self.text(found, slot)?.ok_or_else(|| self.missing(slot, "text"))
    }

    /// A value every row must repeat.
    fn same(&self, found: &Found<'p>, slot: usize, before: Option<&'p str>) -> Result<&'p str, Fault> {
        match (found.all(slot), before) {
            ([Seen::Value(json)], None) => Ok(json),
            ([Seen::Value(json)], Some(before)) if *json == before => Ok(before),
            ([Seen::Value(_)], Some(before)) => {
                Err(self.fault(slot, found, &format!("differs from {} in the rows before", shown(before))))
            }
            ([], _) => Err(self.missing(slot, "what every row repeats")),
            _ => Err(self.fault(slot, found, ON_THE_WAY)),
        }
    }

    fn missing(&self, slot: usize, expected: &str) -> Fault {
        Fault {
            path: self.reader.paths[slot].clone(),
            row: None,
            saw: format!("nothing stands there, but {expected} must"),
            byte: None,
        }
    }

    fn fault(&self, slot: usize, found: &Found<'p>, what: &str) -> Fault {
        fault(&self.reader.paths[slot], self.page, found.all(slot), what, false)
    }
}

const ON_THE_WAY: &str = "stands where the way to it goes on";

/// Whether several things stand there, not all the same.
fn differ(seen: &[Seen<'_>]) -> bool {
    seen.windows(2).any(|pair| pair[0] != pair[1])
}

/// The first parameter of this name in an address, unless it is empty.
fn in_address(address: &str, parameter: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    let (_, value) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == parameter)?;
    (!value.is_empty()).then(|| value.into_owned())
}

/// Whether a value is one of the texts a file declares for nothing.
fn stands_for_zero(empty: &[String], json: &str) -> bool {
    match Kind::of(json) {
        Kind::Text => empty.contains(&unquoted(json).into_owned()),
        Kind::Null => empty.iter().any(|text| text == "null"),
        _ => false,
    }
}

/// The first match as a key: text, or a number's digits. Nothing, null and empty text are `None`.
/// `private` says that it may not be shown and that a second one is no contradiction.
pub(super) fn text<'p>(
    path: &str,
    page: &str,
    seen: &[Seen<'p>],
    private: bool,
) -> Result<Option<Cow<'p, str>>, Fault> {
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

/// All matches as one answer: texts, numbers, `true` and `false`, where there are several with `; ` between them.
/// Nothing, null and empty texts are `None`. It may not be shown.
fn answer(path: &str, page: &str, seen: &[Seen<'_>]) -> Result<Option<String>, Fault> {
    let mut parts: Vec<Cow<'_, str>> = Vec::new();
    for one in seen {
        let Seen::Value(json) = one else { continue };
        match Kind::of(json) {
            Kind::Text => parts.push(unquoted(json)),
            Kind::Number | Kind::Truth => parts.push(Cow::Borrowed(json)),
            Kind::Null => {}
            Kind::Object | Kind::Array => return Err(fault(path, page, seen, "stands where an answer must", true)),
        }
    }
    let parts: Vec<&str> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
    Ok((!parts.is_empty()).then(|| parts.join("; ")))
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

/// Values in the order of their metrics, which is the same in every row.
struct Hashable<'a>(&'a [(MetricId, i64)]);

impl std::hash::Hash for Hashable<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for (_, value) in self.0 {
            state.write_i64(*value);
        }
    }
}
