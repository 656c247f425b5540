//! Reads pages without asking anybody: a manifest's own examples, which must mean what the file says. Days of instants are cut in UTC; people's acts are counted per arm and day.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::errors::{Judged, Then, judge};
use super::extract::Broken;
use super::identity::{Ledger, Row};
use super::rows::{Reader, Reading};
use super::unpack::{self, Records};
use super::{Asks, Example, Expected, Manifest, Meaning};
use crate::domain::connector::{SettingValue, Settings, SourceRow};
use crate::domain::millionths;
use crate::domain::observation::DateWindow;

impl Manifest {
    /// Runs every example.
    ///
    /// # Errors
    /// One sentence for each that does not mean what it says, with its line.
    pub fn run_examples(&self) -> Result<(), Vec<String>> {
        let wrong: Vec<_> = self.examples.iter().filter_map(|example| self.run(example).err()).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    fn run(&self, example: &Example) -> Result<(), String> {
        let at = |what: String| format!("{}.toml:{}: {what}", self.info.name, example.line);
        let mut settings = Settings::default();
        for info in &self.info.settings {
            if let Some(default) = &info.default {
                settings.insert(info.name.as_str(), SettingValue::Plain(default.clone()));
            }
        }
        for (name, value) in &example.settings {
            settings.insert(name.as_str(), SettingValue::Plain(value.clone()));
        }
        match &example.means {
            Meaning::Rows(rows) if example.is_delivery => self.means_act(&example.pages[0], &settings, rows),
            Meaning::Rows(rows) => self.means_rows(&example.pages, &settings, rows),
            Meaning::Then(status, then) => self.means_error(&example.pages[0], &settings, *status, *then),
        }
        .map_err(at)
    }

    fn means_rows(&self, pages: &[String], settings: &Settings, expect: &[Expected]) -> Result<(), String> {
        same(expect, &self.read_example(&self.as_read(pages, settings)?, settings)?)
    }

    fn means_act(&self, delivery: &str, settings: &Settings, expect: &[Expected]) -> Result<(), String> {
        let deliveries =
            self.deliveries(settings, &[])?.ok_or("no delivery brings an act: write `act` in `[inbound]`")?;
        let values: Vec<_> = self.info.metrics.iter().map(|&metric| (metric, millionths::ONE)).collect();
        let read = deliveries.read(delivery)?.map(|act| {
            let arm = act.arm_key.map(Cow::into_owned);
            Expected { arm, day: act.at.date_naive(), values: values.clone() }
        });
        same(expect, read.as_slice())
    }

    /// The pages as they are read: a report's CSV is cut into JSON first, lines are made the list they are, and what a program
    /// writes the list of its records.
    pub(super) fn as_read(&self, pages: &[String], settings: &Settings) -> Result<Vec<String>, String> {
        if let Asks::Program(program) = &self.asks {
            return pages.iter().map(|text| program.as_page(settings, text)).collect();
        }
        if self.rows.lines {
            return Ok(pages.iter().map(|page| unpack::list_of_lines(page)).collect());
        }
        if !self.report.as_ref().is_some_and(|report| report.csv) {
            return Ok(pages.to_vec());
        }
        let mut read = Vec::new();
        for page in pages {
            let mut records = Records::new(page.as_bytes())?;
            while let Some(page) = records.page()? {
                read.push(page);
            }
        }
        Ok(read)
    }

    fn means_error(&self, page: &str, settings: &Settings, status: u16, then: Then) -> Result<(), String> {
        let reader = Reader::compile(self, settings, &[])?;
        let reading = Reading { window: always()?, zone: Tz::UTC };
        let found = match judge(&reader, &self.errors, status, page, self.info.needs_login, reading) {
            Judged::Then(found, _) if found == then => return Ok(()),
            Judged::Then(found, _) => format!("`{}`", found.word()),
            Judged::Rows(found, _) if found.list() => "a page of rows".to_owned(),
            Judged::Rows(..) | Judged::Unreadable(_) => "nothing this file knows".to_owned(),
        };
        Err(format!("expects `{}` of status {status}; by the file's rules the answer is {found}", then.word()))
    }

    fn read_example(&self, pages: &[String], settings: &Settings) -> Result<Vec<Expected>, String> {
        let mut ledger = Ledger::default();
        let mut acts: BTreeMap<(Option<String>, NaiveDate), i64> = BTreeMap::new();
        let mut read = Vec::new();
        for page in pages {
            self.read_next(page, settings, always()?, Tz::UTC, &mut ledger, |rows| {
                for row in rows {
                    match row {
                        SourceRow::Counts { arm_key, day, values } => {
                            let arm = arm_key.as_deref().map(str::to_owned);
                            read.push(Expected { arm, day: *day, values: values.to_vec() });
                        }
                        SourceRow::Response(response) => {
                            let arm = response.arm_key.as_deref().map(str::to_owned);
                            *acts.entry((arm, response.at.date_naive())).or_default() += millionths::ONE;
                        }
                    }
                }
            })?;
        }
        read.extend(acts.into_iter().map(|((arm, day), count)| Expected {
            arm,
            day,
            values: self.metrics.iter().map(|metric| (metric.id, count)).collect(),
        }));
        Ok(read)
    }

    /// Reads one page as a pull reads it, asking nobody, and shows its rows to `take`.
    ///
    /// # Errors
    /// A sentence naming the path and the byte that cannot be read.
    pub fn read_page<T>(
        &self,
        page: &str,
        settings: &Settings,
        window: DateWindow,
        zone: Tz,
        take: impl FnOnce(&[SourceRow<'_>]) -> T,
    ) -> Result<T, String> {
        self.read_next(page, settings, window, zone, &mut Ledger::default(), take)
    }

    fn read_next<T>(
        &self,
        page: &str,
        settings: &Settings,
        window: DateWindow,
        zone: Tz,
        ledger: &mut Ledger,
        take: impl FnOnce(&[SourceRow<'_>]) -> T,
    ) -> Result<T, String> {
        let reader = Reader::compile(self, settings, &[])?;
        let (found, mut rows) = reader.read(page, Reading { window, zone }).map_err(|broken| match broken {
            Broken::Fault { fault, byte } => format!("`{}`: {} (byte {byte})", fault.path, fault.saw),
            Broken::Torn => "the page ends in the middle".to_owned(),
            Broken::NotJson { byte } => format!("the page is not JSON from byte {byte} on"),
        })?;
        if !found.list() && !reader.says_none(page, &found) {
            return Err(format!("no list of rows at `{}`", reader.each));
        }
        let batch = rows.batch(|fingerprint, name| match ledger.enter(fingerprint) {
            Row::New => Ok(true),
            Row::Repeat => Ok(false),
            Row::Contradiction => Err(format!("{} comes twice and says two things", name())),
        })?;
        Ok(take(&batch))
    }
}

/// Whether what was read is what is expected.
fn same(expect: &[Expected], read: &[Expected]) -> Result<(), String> {
    let mut expected: Vec<_> = expect.iter().map(shown).collect();
    let mut found: Vec<_> = read.iter().map(shown).collect();
    expected.sort();
    found.sort();
    if expected == found {
        return Ok(());
    }
    let list = |rows: &[String]| if rows.is_empty() { "no rows".to_owned() } else { rows.join(" and ") };
    Err(format!("expects {}; the answer says {}", list(&expected), list(&found)))
}

fn always() -> Result<DateWindow, String> {
    DateWindow::new(NaiveDate::MIN, NaiveDate::MAX).ok_or_else(|| "no days".to_owned())
}

fn shown(row: &Expected) -> String {
    let mut values = row.values.clone();
    values.sort_unstable();
    let values: Vec<_> =
        values.iter().map(|(metric, value)| format!("{metric} {}", millionths::print(*value))).collect();
    format!("`{}` on {}: {}", row.arm.as_deref().unwrap_or_default(), row.day, values.join(", "))
}
