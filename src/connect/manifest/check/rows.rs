//! The part of the checks that is about rows: the list, which of them count, their day and arm, and people's acts.

use std::ops::Range;

use serde_spanned::Spanned;
use toml::Value;

use super::super::ANSWER;
use super::super::day::DayForm;
use super::super::fill::Template;
use super::super::only::{OnlyChoice, OnlyRule};
use super::super::path::{Literal, Path, Step};
use super::super::raw::{Raw, RawOnly, RawResponse, RawRows, unknown};
use super::super::{ArmRule, Day, DayZone, NoneIf, Paging, ResponseRule, Rows};
use super::reading::texts;
use super::{Check, or_unused};
use crate::domain::response::{Depth, Void};

impl Check<'_, '_> {
    pub(super) fn rows(&mut self, raw: &RawRows, days: Option<&DayZone>, responses: bool) -> Option<Rows> {
        let each = self.path(&raw.each);
        let is_list = |steps: &[Step]| matches!(steps, [way @ .., Step::Every] if way.iter().all(|step| matches!(step, Step::Name(_) | Step::Every)));
        if each.is_some() && !Path::parse(raw.each.get_ref()).is_ok_and(|path| is_list(&path.steps)) {
            self.wrong::<()>(
                raw.each.span(),
                "`each` is names and lists, and ends in one: `$.results[*]`, `$[*]` or `$[*].results[*]`",
            );
        }
        let only: Vec<_> = raw.only.iter().map(|only| self.only(only)).collect();
        let none_if = raw.none_if.as_ref().map(|none_if| match none_if.get_ref().as_str() {
            "{}" => Some(NoneIf::EmptyAnswer),
            _ => self.path(none_if).map(NoneIf::There),
        });
        let id = match raw.id.as_ref().map(|id| (id.span(), texts(id.get_ref()))) {
            None => Some(Vec::new()),
            Some((span, Some(paths))) => {
                paths.into_iter().map(|path| self.row_path(&Spanned::new(span.clone(), path))).collect()
            }
            Some((span, None)) => {
                return self.wrong(span, "`id` is a path, or a list of paths of which the first there counts");
            }
        };
        let day = self.day(&raw.day, days, responses);
        let (arm, cut) = self.arm(&raw.arm)?;
        if let Some(full_at) = raw.full_at.as_ref().filter(|full_at| *full_at.get_ref() == 0) {
            self.wrong::<()>(
                full_at.span(),
                "`full_at` is the number of rows at which the vendor cuts an answer short",
            );
        }
        let full_at = raw.full_at.as_ref().map(|full_at| *full_at.get_ref());
        let newest_first = raw.newest_first.as_ref().is_some_and(|newest_first| *newest_first.get_ref());
        let lines = self.lines(raw);
        let only = only.into_iter().collect::<Option<_>>()?;
        let (none_if, id, (day, clock)) = (or_unused(none_if)?, id?, day?);
        Some(Rows { each: each?, only, none_if, id, day, clock, arm, cut, full_at, newest_first, lines })
    }

    /// Whether each line of an answer is a row.
    fn lines(&mut self, raw: &RawRows) -> bool {
        let Some(lines) = raw.lines.as_ref().filter(|lines| *lines.get_ref()) else { return false };
        if raw.each.get_ref() != "$[*]" {
            self.wrong::<()>(lines.span(), "with `lines` each line is a row: write `each = \"$[*]\"`");
        }
        true
    }

    /// What only rows, days and pages together can get wrong.
    pub(super) fn rows_and_days(&mut self, raw: &Raw, unbounded: bool, paging: Option<&Paging>) {
        let Some(rows) = raw.rows.as_ref().map(Spanned::get_ref) else { return };
        if let Some(full_at) = rows.full_at.as_ref().filter(|_| unbounded) {
            let what =
                "fewer days bring fewer rows only where the request names both ends of them: leave `full_at` out";
            self.wrong::<()>(full_at.span(), what);
        }
        let Some(newest_first) = rows.newest_first.as_ref().filter(|newest_first| *newest_first.get_ref()) else {
            return;
        };
        let what = match paging {
            _ if raw.response.is_none() => "`newest_first` is for people's acts: it needs `[response]`",
            None => "`newest_first` says when to stop turning pages, and there are none: leave it out",
            Some(paging) if paging.total.is_some() => {
                "`total` counts rows that `newest_first` leaves unread: keep one of them"
            }
            Some(_) => return,
        };
        self.wrong::<()>(newest_first.span(), what);
    }

    fn only(&mut self, raw: &Spanned<RawOnly>) -> Option<OnlyRule> {
        let (span, raw) = (raw.span(), raw.get_ref());
        let path = self.row_path(&raw.path);
        let (list, not) = match (&raw.r#in, &raw.not_in) {
            (Some(list), None) => (list, false),
            (None, Some(list)) => (list, true),
            _ => return self.wrong(span, "a row is asked one thing: write one of `in` and `not_in`"),
        };
        let choice = |value: &Value| match value {
            Value::String(text) if text.contains('{') => {
                self.words(&Spanned::new(list.span(), text.clone())).map(OnlyChoice::Stated)
            }
            Value::String(text) if text == "null" => Some(OnlyChoice::Plain(Literal::Null)),
            Value::String(text) => Some(OnlyChoice::Plain(Literal::Text(text.clone()))),
            Value::Integer(number) => Some(OnlyChoice::Plain(Literal::Whole(*number))),
            Value::Boolean(truth) => Some(OnlyChoice::Plain(Literal::Truth(*truth))),
            _ => None,
        };
        let list_of: Vec<_> = list.get_ref().iter().map(choice).collect();
        match list_of.into_iter().collect::<Option<Vec<_>>>() {
            Some(choices) if !choices.is_empty() => Some(OnlyRule { path: path?, not, list: choices }),
            _ => self.wrong(list.span(), "the list holds texts, whole numbers, true or false, at least one"),
        }
    }

    /// Where the key of the arm stands, and what is cut off.
    fn arm(&mut self, raw: &Spanned<Value>) -> Option<(Vec<ArmRule>, Vec<Template>)> {
        const WORDS: [&str; 3] = ["path", "cut", "parameter"];
        let one = |value: &Value| vec![value.clone()];
        let (entries, cut) = match raw.get_ref() {
            Value::Table(arm) if !arm.contains_key("parameter") => {
                if let Some(word) = arm.keys().find(|word| !WORDS.contains(&word.as_str())) {
                    return self.wrong(raw.span(), unknown(word, &WORDS));
                }
                let paths = arm.get("path").and_then(texts);
                (paths.map(|paths| paths.into_iter().map(Value::String).collect()), arm.get("cut").map(texts))
            }
            Value::Array(list) => (Some(list.clone()).filter(|list| !list.is_empty()), None),
            other => (Some(one(other)), None),
        };
        let (Some(entries), Some(cut)) = (entries, cut.map_or(Some(Vec::new()), |cut| cut)) else {
            return self.wrong(raw.span(), ARM);
        };
        let last = entries.len() - 1;
        let arm: Vec<_> =
            entries.iter().enumerate().map(|(at, entry)| self.arm_at(&raw.span(), entry, at == last)).collect();
        let cut: Option<Vec<_>> = cut.into_iter().map(|cut| self.words(&Spanned::new(raw.span(), cut))).collect();
        Some((arm.into_iter().collect::<Option<_>>()?, cut?))
    }

    fn arm_at(&mut self, span: &Range<usize>, entry: &Value, last: bool) -> Option<ArmRule> {
        let spanned = |text: &str| Spanned::new(span.clone(), text.to_owned());
        match entry {
            Value::String(text) if text.starts_with('{') => {
                let words = self.words(&spanned(text))?;
                match words.only_setting() {
                    Some(_) if last => Some(ArmRule::Stated(words)),
                    _ => self.wrong(
                        span.clone(),
                        "a setting is the arm of every row: write it alone, `\"{name}\"`, after all paths",
                    ),
                }
            }
            Value::String(path) => Some(ArmRule::At(self.row_path(&spanned(path))?, None)),
            Value::Table(table) => {
                const WORDS: [&str; 2] = ["path", "parameter"];
                if let Some(word) = table.keys().find(|word| !WORDS.contains(&word.as_str())) {
                    return self.wrong(span.clone(), unknown(word, &WORDS));
                }
                let text = |word: &str| table.get(word).and_then(Value::as_str).filter(|text| !text.is_empty());
                let (Some(path), Some(parameter)) = (text("path"), text("parameter")) else {
                    return self.wrong(span.clone(), "an address is `{ path = …, parameter = \"utm_content\" }`");
                };
                Some(ArmRule::At(self.row_path(&spanned(path))?, Some(self.words(&spanned(parameter))?)))
            }
            _ => self.wrong(span.clone(), ARM),
        }
    }

    /// The day, and the setting that holds the zone of a time that names none.
    fn day(
        &mut self,
        raw: &Spanned<Value>,
        days: Option<&DayZone>,
        responses: bool,
    ) -> Option<(Day, Option<Template>)> {
        const WORDS: [&str; 6] = ["path", "form", "zone", "year", "month", "day"];
        const FORM: &str = "`day` is a path, `{ path = …, form = … }` or `{ year = …, month = …, day = … }`";
        let instants = responses || matches!(days, Some(DayZone::Experiment));
        let table = match raw.get_ref() {
            Value::String(path) => {
                let form = if instants { DayForm::Instant } else { DayForm::Date };
                return Some((Day::One(self.row_path(&Spanned::new(raw.span(), path.clone()))?, form), None));
            }
            Value::Table(table) => table,
            _ => return self.wrong(raw.span(), FORM),
        };
        if let Some(word) = table.keys().find(|word| !WORDS.contains(&word.as_str())) {
            return self.wrong(raw.span(), unknown(word, &WORDS));
        }
        let mut path = |word: &str| {
            let text = table.get(word).and_then(Value::as_str)?;
            self.row_path(&Spanned::new(raw.span(), text.to_owned()))
        };
        if table.len() == 3
            && let (Some(year), Some(month), Some(day)) = (path("year"), path("month"), path("day"))
        {
            if instants {
                return self.wrong(raw.span(), INSTANTS);
            }
            return Some((Day::YearMonthDay([year, month, day]), None));
        }
        let (Some(path), Some(form)) = (path("path"), table.get("form").and_then(Value::as_str)) else {
            return self.wrong(raw.span(), FORM);
        };
        let words = DayForm::ALL.map(DayForm::word);
        let form = DayForm::ALL[self.one_of(&Spanned::new(raw.span(), form.to_owned()), &words)?];
        let clock = match (table.get("zone").and_then(Value::as_str), form) {
            (Some(zone), local) if local.is_local() => {
                let zone = self.words(&Spanned::new(raw.span(), zone.to_owned()))?;
                let Some(name) = zone.only_setting() else {
                    return self.wrong(raw.span(), CLOCK);
                };
                self.zone = Some(name.to_owned());
                Some(zone)
            }
            (None, local) if local.is_local() => return self.wrong(raw.span(), CLOCK),
            (_, _) if table.contains_key("zone") => {
                return self.wrong(raw.span(), "only a time that names no zone needs one: leave `zone` out here");
            }
            _ => None,
        };
        match days {
            Some(DayZone::Row(_)) if form.is_instant() => {
                self.wrong(raw.span(), "an instant becomes a day in a zone known before: name it in `[days] zone`")
            }
            _ if instants && !form.is_instant() => self.wrong(raw.span(), INSTANTS),
            _ => Some((Day::One(path, form), clock)),
        }
    }

    pub(super) fn response(&mut self, raw: &RawResponse, days: Option<&DayZone>) -> Option<ResponseRule> {
        if !matches!(days, Some(DayZone::Experiment) | None) {
            self.wrong::<()>(raw.id.span(), "a response is an instant: write `zone = \"experiment\"` in `[days]`");
        }
        let ids = match raw.id.get_ref() {
            toml::Value::String(path) => Some(vec![path.clone()]),
            toml::Value::Table(table) if table.len() == 1 => table.get("join").and_then(texts),
            _ => None,
        };
        let Some(ids) = ids else {
            return self.wrong(
                raw.id.span(),
                "`id` is a path, or `{ join = [\"…\", \"…\"] }` where only several together tell acts apart",
            );
        };
        let persons = raw.person.as_ref().and_then(|person| texts(person.get_ref())).unwrap_or_default();
        if ids.iter().any(|id| persons.contains(id)) {
            self.wrong::<()>(
                raw.id.span(),
                "`id` is kept as it stands, so it is not the person: name what tells acts apart",
            );
        }
        let id: Option<Vec<_>> =
            ids.into_iter().map(|path| self.row_path(&Spanned::new(raw.id.span(), path))).collect();
        let person = raw.person.as_ref().map(|person| self.person(person));
        let depths = Depth::ALL.map(Depth::name);
        let depth = self.one_of(&raw.depth, &depths).map(|position| Depth::ALL[position]);
        let answer = raw.answer.as_ref().map(|answer| self.answer(answer));
        let answer = or_unused(answer)?.unwrap_or_default();
        let void: Vec<_> = raw.void.iter().map(|(name, rule)| self.void(name, rule)).collect();
        let (person, void) = (or_unused(person)?.unwrap_or_default(), void.into_iter().collect::<Option<_>>()?);
        Some(ResponseRule { id: id?, person, depth: depth?, answer, void })
    }

    fn void(&mut self, name: &Spanned<String>, rule: &Spanned<RawOnly>) -> Option<(Void, OnlyRule)> {
        let known = Void::ALL.map(Void::name);
        let void = self.one_of(name, &known).map(|position| Void::ALL[position]);
        let rule = self.only(rule);
        Some((void?, rule?))
    }

    /// The paths of an answer: what the user calls its question is known only when a source is read.
    fn answer(&mut self, raw: &Spanned<Value>) -> Option<Vec<Template>> {
        let Some(paths) = texts(raw.get_ref()) else {
            return self.wrong(raw.span(), "`answer` is a path, or a list of paths of which the first there counts");
        };
        if self.names.iter().any(|name| name == ANSWER) {
            return self.wrong(raw.span(), "`{answer}` is the user's name of a question: call that setting otherwise");
        }
        self.names.push(ANSWER.to_owned());
        let paths = paths.into_iter().map(|path| {
            let template = self.row_path(&Spanned::new(raw.span(), path))?;
            let names_it = template.settings().any(|name| name == ANSWER);
            let advice = "a path of `answer` holds `{answer}`, in quotes: `$.answers[?@.ref == '{answer}'].text`";
            if names_it { Some(template) } else { self.wrong(raw.span(), advice) }
        });
        let paths = paths.collect::<Vec<_>>().into_iter().collect();
        self.names.pop();
        self.used.remove(ANSWER);
        paths
    }

    fn person(&mut self, raw: &Spanned<Value>) -> Option<Vec<Template>> {
        let Some(paths) = texts(raw.get_ref()) else {
            return self.wrong(raw.span(), "`person` is a path, or a list of paths of which the first there counts");
        };
        paths.into_iter().map(|path| self.row_path(&Spanned::new(raw.span(), path))).collect()
    }
}

const INSTANTS: &str = "`zone = \"experiment\"` in `[days]` is for vendors that give instants: write `form = \"instant\"`, \"epoch_s\", \"epoch_ms\" or \"local\", or name the zone in which the vendor cuts days";

const ARM: &str = "`arm` is a path, a list of paths of which the first there counts, `{ path = …, cut = \"what it begins with\" }`, or `{ path = …, parameter = \"utm_content\" }` where an address stands there";

const CLOCK: &str = "a time that names no zone is told by somebody's clocks: write `zone = \"{zone}\"`, a setting in which each user names the account's";
