//! One concept as it stands: what the pages and the report say of it, read once and put into words by the code that decides. How it is
//! laid out is `page`'s and `report`'s business.

pub mod answers;
pub mod charts;
pub mod evidence;
pub mod measures;
pub mod page;
pub mod sums;
pub mod themes;

use chrono::{DateTime, Days, NaiveDate, Utc};

use crate::decide::course::{self, Cell, Course};
use crate::decide::decision;
use crate::decide::derivation::{self, Derivation};
use crate::decide::{explain, figures, measure};
use crate::domain::concept::Experiment;
use crate::domain::decision::Decision;
use crate::domain::theme::Theme;
use crate::domain::verdict::{ArmScore, Scorecard, StoredScorecard, Verdict};
use crate::schedule::recall::{self, Latest};
use crate::store::{Store, StoreError, View};
use crate::themes::Themes;
use crate::web::range;

/// A concept with a verdict.
pub struct Concept {
    /// When it was read.
    pub now: DateTime<Utc>,
    /// The verdict, and what it was decided with.
    pub latest: Latest,
    /// From the verdict back to the days it came from.
    pub derivation: Derivation,
    /// What each day said, version by version.
    pub courses: Vec<Course>,
    /// What each channel alone says.
    pub cells: Vec<Cell>,
    /// What people decided, oldest first.
    pub decisions: Vec<Decision>,
    /// What people wrote.
    pub themes: Themes,
    /// Verdicts of this test that another one took the place of, newest first.
    pub replaced: Vec<Scorecard>,
}

/// Most verdicts that were replaced that are looked at.
const REPLACED: u32 = 10;

/// What is stored of a concept with a verdict.
pub struct Stored {
    latest: Latest,
    decisions: Vec<Decision>,
    themes: Themes,
    replaced: Vec<Scorecard>,
}

impl Stored {
    /// Reads it in a view; `None` where there is no verdict yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(
        store: &Store,
        view: &mut View,
        configured: &Experiment,
        rules: &[Theme],
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, StoreError> {
        let Some(latest) = recall::latest(store, view, configured).await? else { return Ok(None) };
        let card = &latest.stored.scorecard;
        let mut decisions = view.decisions(vec![card.concept.clone()], None).await?;
        let decisions = decisions.remove(&card.concept).transpose()?.unwrap_or_default();
        let replaced = view.replaced(card.concept.clone(), card.generation, REPLACED).await?;
        let themes = themes::said(store, configured, rules, now).await?;
        Ok(Some(Self { latest, decisions, themes, replaced }))
    }

    /// Works out what there is to say of it.
    pub fn concept(self, now: DateTime<Utc>) -> Concept {
        Concept { replaced: self.replaced, ..Concept::of(self.latest, self.decisions, self.themes, now) }
    }
}

impl Concept {
    /// Works out what there is to say of a verdict.
    pub fn of(latest: Latest, decisions: Vec<Decision>, themes: Themes, now: DateTime<Utc>) -> Self {
        let Latest { stored, setup, inputs } = &latest;
        let (experiment, generation, card) = (&setup.experiment, &setup.generation, &stored.scorecard);
        let derivation = derivation::derive(experiment, generation, inputs, card);
        let courses = course::courses(experiment, generation, inputs, card);
        let cells = course::cells(experiment, generation, inputs, card);
        Self { now, latest, derivation, courses, cells, decisions, themes, replaced: Vec::new() }
    }

    /// What it was decided with.
    pub fn experiment(&self) -> &Experiment {
        &self.latest.setup.experiment
    }

    /// The verdict.
    pub fn card(&self) -> &Scorecard {
        &self.latest.stored.scorecard
    }

    /// The verdict as it is stored.
    pub fn stored(&self) -> &StoredScorecard {
        &self.latest.stored
    }

    /// The day the verdict speaks for.
    pub fn today(&self) -> NaiveDate {
        explain::today(self.experiment(), self.card())
    }

    /// A day as printed.
    pub fn day(&self, day: NaiveDate) -> String {
        figures::day(day, self.today())
    }

    /// The version that says most about the verdict.
    pub fn lead(&self) -> Option<&ArmScore> {
        range::leading(self.card())
    }

    /// What people call a version, where there are several.
    pub fn version<'s>(&'s self, arm: &'s ArmScore) -> Option<&'s str> {
        (self.card().arms.len() > 1).then(move || explain::name(self.experiment(), &arm.arm))
    }

    /// The day by day of a version.
    pub fn course(&self, arm: &ArmScore) -> Option<&Course> {
        self.courses.iter().find(|course| course.arm == arm.arm)
    }

    /// `6.0%`: the rate of a version so far, where there is one with a range.
    pub fn rate(&self, arm: &ArmScore) -> Option<String> {
        explain::ends(&arm.evidence)?;
        arm.evidence.estimate.map(|estimate| measure::value(&self.experiment().policy, estimate))
    }

    /// `4.0 to 8.5%`: its range.
    pub fn range(&self, arm: &ArmScore) -> Option<String> {
        explain::ends(&arm.evidence).map(|ends| measure::range(&self.experiment().policy, ends))
    }

    /// BUILDs and KILLs of a version that no longer stand, newest first, with the day each was reached. Nothing while the data cannot
    /// be trusted: what stood may stand again.
    pub fn withdrawn(&self, arm: &ArmScore) -> Vec<(Verdict, NaiveDate)> {
        let mut withdrawn = Vec::new();
        let earlier = self.replaced.iter().flat_map(|card| &card.arms).filter(|earlier| earlier.arm == arm.arm);
        for earlier in earlier.filter(|_| self.card().verdict != Verdict::Blocked) {
            let stands = (earlier.verdict, earlier.since) == (arm.verdict, arm.since);
            let Some(since) = earlier.since.filter(|_| !stands) else { continue };
            let is_claim = matches!(earlier.verdict, Verdict::Build | Verdict::Kill);
            if is_claim && !withdrawn.contains(&(earlier.verdict, since)) {
                withdrawn.push((earlier.verdict, since));
            }
        }
        withdrawn
    }

    /// The last decision to build or to kill that was made on what the verdict now says.
    pub fn decided(&self) -> Option<&Decision> {
        decision::latest(&self.decisions).filter(|decision| decision.is_on(self.card()))
    }

    /// By when somebody is to decide; nothing of a verdict that asks nobody.
    pub fn due(&self) -> Option<NaiveDate> {
        let asks = self.card().verdict.is_terminal() && self.decided().is_none();
        let since = explain::since(self.experiment(), self.card());
        since.checked_add_days(Days::new(self.experiment().decide_within_days.into())).filter(|_| asks)
    }

    /// What there is to say of the verdict, as much as a banner holds.
    pub fn brief(&self) -> String {
        brief(&explain::sentence(self.experiment(), self.card()))
    }

    /// What stands below the word in the banner: `recommended Wed 18 Mar`, then the decision or that there is none.
    pub fn below(&self) -> Vec<String> {
        let (experiment, card) = (self.experiment(), self.card());
        let since = self.day(explain::since(experiment, card));
        let first = match card.verdict {
            Verdict::Build | Verdict::Kill => format!("recommended {since}"),
            Verdict::Review => format!("since {since}"),
            Verdict::Collecting => format!("settled to {}", self.day(card.last_settled_day)),
            Verdict::Blocked => explain::withheld(card).unwrap_or_default().to_owned(),
        };
        let second = match self.decided() {
            Some(decision) => {
                let on = self.day(decision.at.with_timezone(&experiment.timezone).date_naive());
                let against = if decision.is_override() { ", against the verdict" } else { "" };
                format!("{} chose to {}{against}, {on}", decision.by, decision.choice)
            }
            None if card.verdict.is_terminal() => "no decision recorded yet".to_owned(),
            None => String::new(),
        };
        [first, second].into_iter().filter(|line| !line.is_empty()).collect()
    }

    /// What the long way says under a heading.
    pub fn section(&self, title: &str) -> &[String] {
        self.derivation.sections.iter().find(|section| section.title == title).map_or(&[], |section| &section.lines)
    }

    /// What speaks against relying on it, the weakest first: written before somebody else finds it.
    pub fn weak_points(&self) -> Vec<String> {
        let (experiment, card) = (self.experiment(), self.card());
        let mut points: Vec<String> = Vec::new();
        if card.verdict == Verdict::Blocked {
            points.push("The data cannot be trusted for now, so no range is shown.".to_owned());
        }
        let withdrawn = self.lead().map_or_else(Vec::new, |arm| self.withdrawn(arm));
        points.extend(withdrawn.first().map(|(verdict, since)| {
            format!("{verdict} of {} is withdrawn: days that it rested on have changed since.", self.day(*since))
        }));
        if card.verdict == Verdict::Build {
            points.extend(explain::weak_point(experiment, card));
        }
        points.extend(self.weak_channels());
        points.extend(explain::left_out(experiment, card));
        if card.verdict == Verdict::Build
            && let Some(worst) =
                self.lead().and_then(|arm| charts::ends_said(self, arm)).map(|[_, _, (worst, _)]| worst)
        {
            points
                .push(format!("Rates measured when a test stops tend to run high: plan with the worst case, {worst}."));
        }
        if points.is_empty() && card.verdict == Verdict::Collecting {
            points.push("It may still turn out either way: a lean carries no promise.".to_owned());
        }
        points
    }

    /// Channels that by themselves do not clear the bar the verdict cleared.
    fn weak_channels(&self) -> Vec<String> {
        let policy = &self.experiment().policy;
        if self.card().verdict != Verdict::Build {
            return Vec::new();
        }
        let weak = self.cells.iter().filter_map(|cell| {
            let ends = explain::ends(&cell.evidence)?;
            let lead = self.lead().is_some_and(|lead| lead.arm == cell.arm);
            let side = measure::good_side(policy);
            (lead && !measure::clears_break_even(policy, ends)).then(|| {
                format!("{} alone is not yet {side} break-even ({}).", cell.channel, measure::named_range(policy, ends))
            })
        });
        weak.collect()
    }
}

/// About how many words a banner holds.
const MOST_WORDS: usize = 70;

/// A text cut where a sentence ends: of many versions each has its own.
fn brief(text: &str) -> String {
    let mut end = text.len();
    for (words, (at, _)) in text.match_indices(' ').enumerate() {
        let is_end = text[..at].ends_with(['.', ';']);
        if is_end && (words < MOST_WORDS || end == text.len()) {
            end = at;
        }
        if words >= MOST_WORDS && end < text.len() {
            return format!("{}. `explain` says the rest.", text[..end].trim_end_matches(['.', ';']));
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_where_a_sentence_ends() {
        assert_eq!(brief("Short. And whole."), "Short. And whole.");
        let long = "one two three four; ".repeat(40);
        let cut = brief(long.trim_end());
        assert!(cut.split(' ').count() <= MOST_WORDS + 9 && cut.contains("three four. `explain`"), "{cut}");
        let endless = "word ".repeat(200);
        assert_eq!(brief(endless.trim_end()), endless.trim_end(), "there is nowhere to cut");
    }
}
