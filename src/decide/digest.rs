//! What an audience is told of all its concepts at once (product.md sections 4 and 9): what changed in a week, and what a month
//! asks of people. Silent where there is nothing to say. Not when it is told, nor to whom: that is the schedule's business.

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;

use super::decision;
use super::explain;
use super::figures;
use super::money;
use crate::domain::concept::Experiment;
use crate::domain::decision::{Choice, Decision};
use crate::domain::id::ConceptId;
use crate::domain::message::Message;
use crate::domain::money::Money;
use crate::domain::verdict::{Reason, Scorecard, Verdict};

/// Most concepts that get a line of their own: receivers show ten lines.
const MOST_LINES: usize = 6;

/// A test that collects and has had no newly settled day for so long is stuck.
const STUCK_AFTER_DAYS: u64 = 14;

/// One concept at both ends of a stretch of time.
#[derive(Clone, Copy, Debug)]
pub struct Stand<'a> {
    /// As configured.
    pub experiment: &'a Experiment,
    /// The last verdict before the stretch.
    pub before: Option<&'a Scorecard>,
    /// The last one in it, or before it.
    pub now: &'a Scorecard,
    /// What people had decided by its end, oldest first.
    pub decisions: &'a [Decision],
    /// Its last run ended without a verdict.
    pub is_failing: bool,
}

/// A stretch of time, and by whose clocks its days are told.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// Its begin.
    pub from: DateTime<Utc>,
    /// Its end, which is told as today.
    pub to: DateTime<Utc>,
    /// Where those who hear of it are.
    pub zone: Tz,
}

impl Stretch {
    fn today(&self) -> NaiveDate {
        self.to.with_timezone(&self.zone).date_naive()
    }
}

/// What changed in a week: verdicts, causes to look, decisions, new tests; `None` where nothing did. A range that moved, or
/// money that was spent as before, is no change.
pub fn weekly(audience: &str, stands: &[Stand<'_>], week: &Stretch) -> Option<Message> {
    let today = week.today();
    let told = stands.iter().filter_map(|stand| Some((stand.title(), stand.changed(week)?)));
    let told: Vec<(String, String)> = told.collect();
    if told.is_empty() {
        return None;
    }
    let yesterday = figures::day(today.pred_opt()?, today);
    let changed = format!("{} of {} changed", told.len(), concepts(stands.len()));
    let headline = format!("Week to {yesterday} · {changed}");
    let rest: Vec<String> = stands
        .iter()
        .filter(|stand| stand.changed(week).is_none() && (stand.goes_on() || stand.waits().is_some()))
        .map(|stand| format!("{} ({})", stand.title(), stand.now.verdict))
        .collect();
    let mut lines = cut(told);
    if !rest.is_empty() {
        lines.push(("As before".to_owned(), figures::list(&rest)));
    }
    lines.extend(spent(stands, "this week"));
    lines.push(("Next".to_owned(), next(stands)));
    Some(message(audience, headline, lines, week.to))
}

/// What a month asks of people: verdicts that wait, tests that are stuck or end, what was spent and saved, and decisions
/// against a verdict that stand; `None` where there is nothing of it.
pub fn monthly(audience: &str, stands: &[Stand<'_>], month: &Stretch) -> Option<Message> {
    let today = month.today();
    let due: Vec<String> = stands.iter().filter_map(|stand| stand.due(today)).collect();
    let stuck: Vec<String> = stands.iter().filter_map(|stand| stand.stuck(today)).collect();
    let ending: Vec<String> = stands.iter().filter_map(|stand| stand.ends(today)).collect();
    let overrides: Vec<String> = stands.iter().filter_map(|stand| stand.overridden(today)).collect();
    let count = |number: usize, one: &str, many: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{number} {many}")),
    };
    let counts = [
        count(due.len(), "verdict waits", "verdicts wait"),
        count(stuck.len(), "test is stuck", "tests are stuck"),
        count(ending.len(), "test ends", "tests end"),
        count(overrides.len(), "override is open", "overrides are open"),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    let money = spent(stands, "since a month ago");
    if counts.is_empty() && money.is_none() {
        return None;
    }
    let counts = if counts.is_empty() { vec!["nothing waits".to_owned()] } else { counts };
    let headline = format!("Agenda for {} · {}", today.format("%B"), counts.join(", "));
    let listed = |label: &str, items: Vec<String>| (!items.is_empty()).then(|| (label.to_owned(), items.join(" · ")));
    let saved = {
        let cards = stands.iter().map(|stand| (stand.experiment, stand.now, stand.is_overridden()));
        let totals = money::ledger(cards).into_iter().filter(|totals| totals.avoided.micros > 0);
        let saved = totals.map(|totals| format!("expected build cost avoided so far {}", totals.avoided));
        listed("Saved", saved.collect())
    };
    let lines = [
        listed("Decide", due),
        listed("Stuck", stuck),
        listed("Ending", ending),
        listed("Overrides", overrides),
        money,
        saved,
        Some(("Next".to_owned(), next(stands))),
    ];
    Some(message(audience, headline, lines.into_iter().flatten().collect(), month.to))
}

impl Stand<'_> {
    fn title(&self) -> String {
        self.experiment.concept.title.clone()
    }

    fn goes_on(&self) -> bool {
        matches!(self.now.verdict, Verdict::Collecting | Verdict::Blocked)
    }

    /// The decision to build or to kill that stands.
    fn decision(&self) -> Option<&Decision> {
        decision::latest(self.decisions).filter(|decision| decision.generation == self.now.generation)
    }

    fn is_overridden(&self) -> bool {
        self.decision().is_some_and(Decision::is_override)
    }

    /// By when somebody has to decide, where a verdict waits.
    fn waits(&self) -> Option<NaiveDate> {
        let is_decided = self.decisions.last().is_some_and(|decision| decision.is_on(self.now));
        let since = explain::since(self.experiment, self.now);
        let waits = self.now.verdict.is_terminal() && !is_decided;
        since.checked_add_days(Days::new(u64::from(self.experiment.decide_within_days))).filter(|_| waits)
    }

    /// What is new of it, in one line.
    fn changed(&self, week: &Stretch) -> Option<String> {
        let today = week.today();
        let before = self.before.filter(|before| before.generation == self.now.generation);
        let same_reasons = |before: &&Scorecard| {
            let words = |card: &Scorecard| card.reasons.iter().map(Reason::word).collect::<Vec<_>>();
            matches!(self.now.verdict, Verdict::Collecting) || words(before) == words(self.now)
        };
        let is_same = before.filter(same_reasons).is_some_and(|before| before.verdict == self.now.verdict);
        let decided = self.decisions.iter().rev().find(|decision| week.from <= decision.at);
        let decided = decided.map(|decision| decision::decided(self.experiment, decision, today));
        if is_same {
            return decided;
        }
        let verdict = self.now.verdict;
        let mut parts = vec![match before {
            None if self.before.is_some() => format!("A new test of it began: {verdict}."),
            None => format!("New: {verdict}."),
            Some(before) if before.verdict == verdict => format!("{verdict} for another cause than a week ago."),
            Some(before) => format!("{verdict}, {} a week ago.", before.verdict),
        }];
        if verdict.is_terminal() || verdict == Verdict::Blocked {
            parts.push(explain::sentence(self.experiment, self.now));
        }
        match decided {
            Some(decided) => parts.push(decided),
            None => parts.extend(self.waits().map(|by| deadline(by, today) + ".")),
        }
        Some(parts.join(" "))
    }

    fn due(&self, today: NaiveDate) -> Option<String> {
        let by = self.waits()?;
        let owner = self.experiment.owner.as_ref().map_or_else(String::new, |owner| format!(" (owner: {owner})"));
        let since = figures::day(explain::since(self.experiment, self.now), today);
        let by = figures::day(by, today);
        Some(format!("{}: {} of {since}, due by {by}{owner}", self.title(), self.now.verdict))
    }

    fn stuck(&self, today: NaiveDate) -> Option<String> {
        let settled = self.now.last_settled_day;
        let is_old = settled.checked_add_days(Days::new(STUCK_AFTER_DAYS)).is_some_and(|until| until < today);
        let is_over = self.experiment.stop.is_some_and(|stop| stop <= settled);
        let why = match self.now.verdict {
            Verdict::Blocked => explain::withheld(self.now)?.to_owned(),
            _ if self.is_failing => "its last run failed".to_owned(),
            Verdict::Collecting if is_old && !is_over => {
                format!("no day has settled since {}", figures::day(settled, today))
            }
            _ => return None,
        };
        Some(format!("{}: {why}", self.title()))
    }

    /// The last day of a test that goes on, where it comes within a month.
    fn ends(&self, today: NaiveDate) -> Option<String> {
        let stop = self.experiment.stop.filter(|stop| self.goes_on() && *stop >= today)?;
        let soon = today.checked_add_months(chrono::Months::new(1)).is_some_and(|until| stop < until);
        soon.then(|| format!("{} on {}", self.title(), figures::day(stop, today)))
    }

    fn overridden(&self, today: NaiveDate) -> Option<String> {
        let decision =
            self.decision().filter(|decision| decision.is_override() && decision.choice != Choice::Extend)?;
        Some(format!("{}: {}", self.title(), decision::decided(self.experiment, decision, today)))
    }
}

/// `Decide by Fri 20 Mar`, or since when that has passed.
fn deadline(by: NaiveDate, today: NaiveDate) -> String {
    let day = figures::day(by, today);
    if by < today { format!("Decide now: it was due by {day}") } else { format!("Decide by {day}") }
}

/// The first lines, and how many there were besides.
fn cut(mut lines: Vec<(String, String)>) -> Vec<(String, String)> {
    if lines.len() > MOST_LINES {
        let more = lines.split_off(MOST_LINES).into_iter().map(|(title, _)| title).collect::<Vec<_>>();
        lines.push(("And".to_owned(), figures::list(&more)));
    }
    lines
}

/// What tests cost in between and in all, in each currency; nothing where nothing was spent in between.
fn spent(stands: &[Stand<'_>], when: &str) -> Option<(String, String)> {
    let mut sums: Vec<[Money; 2]> = Vec::new();
    for stand in stands {
        let Some(all) = stand.now.spend else { continue };
        let nothing = Money { micros: 0, ..all };
        let same_test = stand.before.filter(|before| before.generation == stand.now.generation);
        let before = same_test.and_then(|before| before.spend).unwrap_or(nothing);
        let between = all.minus(before).unwrap_or(nothing);
        match sums.iter_mut().find(|[sum, _]| sum.currency == all.currency) {
            Some([sum, whole]) => {
                (*sum, *whole) = (sum.plus(between).unwrap_or(*sum), whole.plus(all).unwrap_or(*whole));
            }
            None => sums.push([between, all]),
        }
    }
    let after = stands.iter().filter_map(|stand| stand.now.spend_after.as_ref()).filter(|after| after.total.micros > 0);
    let after: Vec<String> = after.map(|after| after.total.to_string()).collect();
    let said = sums.into_iter().filter(|[between, _]| between.micros > 0);
    let mut said: Vec<String> =
        said.map(|[between, all]| format!("{between} spent on settled days {when}, {all} in all")).collect();
    if said.is_empty() {
        return None;
    }
    said.extend((!after.is_empty()).then(|| format!("after verdicts {}", figures::list(&after))));
    Some(("Money".to_owned(), said.join(" · ")))
}

/// What is to be done, in one line.
fn next(stands: &[Stand<'_>]) -> String {
    let titles = |wanted: &dyn Fn(&Stand<'_>) -> bool| {
        let titles: Vec<String> = stands.iter().filter(|stand| wanted(stand)).map(Stand::title).collect();
        (!titles.is_empty()).then(|| figures::list(&titles))
    };
    let decide = titles(&|stand| stand.waits().is_some()).map(|titles| format!("Decide on {titles}"));
    let mend = titles(&|stand| stand.now.verdict == Verdict::Blocked || stand.is_failing);
    let mend = mend.map(|titles| format!("Mend the data of {titles}"));
    let parts: Vec<String> = decide.into_iter().chain(mend).collect();
    if parts.is_empty() { "Nothing to do: the tests go on by themselves".to_owned() } else { parts.join(" · ") }
}

fn concepts(number: usize) -> String {
    if number == 1 { "1 concept".to_owned() } else { format!("{number} concepts") }
}

fn message(audience: &str, headline: String, lines: Vec<(String, String)>, at: DateTime<Utc>) -> Message {
    Message {
        // No concept is called so, for `:` stands in no name: messages on concepts do not wait for this one.
        concept: ConceptId::new(format!("{}{audience}", Message::TO_ALL_OF)),
        verdict: None,
        decision: None,
        topics: Vec::new(),
        headline,
        lines,
        decided_at: at,
    }
}
