//! Responses to acts that count: one a person and metric, at their first act inside the test, on the arm whose key it
//! carries; and what was left out, and why. Not for counts that a source has already added up: those are `tally`'s.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use super::keys::ArmKeys;
use crate::domain::concept::{Arm, Experiment, Source};
use crate::domain::icp::{Fit, IcpRule, fit};
use crate::domain::id::SourceId;
use crate::domain::metric::MetricId;
use crate::domain::observation::{DateWindow, Inputs};
use crate::domain::response::{Answers, Depth, DomainHash, Mark, PersonHash, Response, Void};

/// By what acts are judged.
pub struct Rules<'a> {
    keys: &'a ArmKeys<'a>,
    /// Days are cut in it.
    zone: Tz,
    days: DateWindow,
    /// How deep acts of a source go, where the user says so.
    depths: BTreeMap<&'a SourceId, Depth>,
    icp: &'a [IcpRule],
    internal: &'a BTreeSet<DomainHash>,
    /// Sources that hand over acts of people, with what those count as and the positions of the arms they are on.
    tellers: Vec<(&'a SourceId, &'a [MetricId], Vec<usize>)>,
}

/// One act that counts.
pub struct Act {
    /// Position of its arm in the experiment.
    pub arm: usize,
    /// Its day, cut in the zone of the rules.
    pub day: NaiveDate,
    /// What it counts as.
    pub metric: MetricId,
}

/// Why an act, or a person, does not count as what it might.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// An address made up to try the form.
    Test,
    /// One of the user's own people.
    Internal,
    /// A throwaway address; of who paid or saved a card it does not matter.
    Disposable,
    /// Somebody who had signed up before, on any arm and through any source.
    Repeat,
    /// A verified person outside the ideal customer profile.
    OutsideIcp,
    /// A verified person of whom an answer is missing or cannot be read.
    IcpUnknown,
    /// A booking that was called off or moved.
    Canceled,
    /// A booking to which nobody came.
    NoShow,
    /// It does not say who did it, and another source may tell of the same act.
    Nameless,
}

/// Everything that the responses come to.
#[derive(Default)]
pub struct Qualified {
    /// What counts.
    pub acts: Vec<Act>,
    /// By position of the arm, day and reason, how many do not.
    pub left_out: BTreeMap<(usize, NaiveDate, LeftOut), u32>,
    /// What would count if it said who did it: no other source may tell of it, and an address must be there to be verified.
    /// By source.
    pub nameless: Vec<(SourceId, Act)>,
}

impl<'a> Rules<'a> {
    /// Those of an experiment.
    pub fn of(experiment: &'a Experiment, data: &'a Inputs, keys: &'a ArmKeys<'a>, zone: Tz, days: DateWindow) -> Self {
        let depth = |source: &'a Source| Some((&source.id, source.depth?));
        Self {
            keys,
            zone,
            days,
            depths: experiment.sources.iter().filter_map(depth).collect(),
            icp: &experiment.policy.icp,
            internal: &data.internal,
            tellers: tellers(experiment),
        }
    }

    /// Whether a source is one that acts of a metric are looked for in.
    fn tells(&self, source: &SourceId, metric: MetricId) -> bool {
        self.tellers.iter().any(|(own, metrics, _)| *own == source && metrics.contains(&metric))
    }

    /// Whether no other source tells of acts of an arm that count as the same.
    fn is_only_teller(&self, source: &SourceId, arm: usize, metric: MetricId) -> bool {
        let tells = |(other, metrics, arms): &(&SourceId, &[MetricId], Vec<usize>)| {
            *other != source && metrics.contains(&metric) && arms.contains(&arm)
        };
        !self.tellers.iter().any(tells)
    }

    fn depth(&self, response: &Response) -> Depth {
        self.depths.get(&response.source).copied().unwrap_or(response.depth)
    }

    fn day(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    /// Why whoever did this counts for nothing.
    fn refused(&self, response: &Response) -> Option<LeftOut> {
        if response.mark == Some(Mark::Test) {
            Some(LeftOut::Test)
        } else if response.domain.as_ref().is_some_and(|domain| self.internal.contains(domain)) {
            Some(LeftOut::Internal)
        } else {
            let throwaway = response.mark == Some(Mark::Disposable) && self.depth(response) < Depth::Card;
            throwaway.then_some(LeftOut::Disposable)
        }
    }
}

fn tellers(experiment: &Experiment) -> Vec<(&SourceId, &[MetricId], Vec<usize>)> {
    let telling = experiment.sources.iter().filter(|source| source.people.is_some());
    let arms_of = |source: &Source| {
        let has_keys = |arm: &Arm| arm.keys.get(&source.id).is_some_and(|keys| !keys.is_empty());
        (0..).zip(&experiment.arms).filter(|(_, arm)| has_keys(arm)).map(|(position, _)| position).collect()
    };
    telling.map(|source| (&source.id, source.metrics.as_slice(), arms_of(source))).collect()
}

/// What is known of a person from all their acts, on an arm or not.
#[derive(Default)]
struct Known<'a> {
    verified_at: Option<DateTime<Utc>>,
    /// What they answered first…
    answers: Option<&'a Answers>,
    /// …and to other questions later, the first answer to each.
    more: Vec<(&'a str, &'a str)>,
    /// They have paid something that was not paid back.
    still_paid: bool,
    /// What they were counted as, a bit for each metric.
    counted: u32,
}

impl Known<'_> {
    /// Whether they were not counted as this before; they are now.
    fn count(&mut self, metric: MetricId) -> bool {
        let bit = 1 << metric.index();
        let is_first = self.counted & bit == 0;
        self.counted |= bit;
        is_first
    }

    /// Whether their answers pass the rules.
    fn fits(&self, rules: &[IcpRule]) -> Fit {
        match self.answers {
            Some(answers) if self.more.is_empty() => fit(rules, answers),
            answers => {
                let first = answers.into_iter().flat_map(Answers::iter);
                fit(rules, &first.chain(self.more.iter().copied()).collect())
            }
        }
    }
}

/// An act, its person's position among the people, and its day.
type Told<'a> = (&'a Response, Option<usize>, NaiveDate);

/// The acts that count. A person seen twice, across sources and arms, counts once for each metric, at the earliest act
/// (ties by source, then response id). Acts where no person is known count each, as what they are; where another source
/// tells of such acts of the arm too, they may be the same ones, and count as nothing. Only acts on an arm and inside the
/// days are looked at: what belongs to no arm is no part of the test, so it can take nobody away from one. A click is no
/// sign-up.
///
/// Somebody counts as verified on the day on which both are there, the sign-up on an arm and a verified address from any
/// source, and as qualified then, if all their answers pass the rules.
pub fn qualified(responses: &[Response], rules: &Rules<'_>) -> Qualified {
    let mut latest = latest(responses);
    // In order of source and id, which a stable sort keeps among equal instants.
    latest.sort_by_key(|response| response.at);
    let (told, mut people) = people(latest, rules);
    let claimed: Vec<(Told<'_>, usize)> = told
        .into_iter()
        .filter(|(response, _, day)| rules.depth(response) >= Depth::Email && rules.days.contains(*day))
        .filter_map(|told| Some((told, rules.keys.arm(&told.0.source, &told.0.arm_key)?)))
        .collect();
    note_who_paid(&claimed, &mut people, rules);
    let mut found = Qualified::default();
    for ((response, person, day), arm) in claimed {
        let mut leave_out = |day, why| *found.left_out.entry((arm, day, why)).or_default() += 1;
        if let Some(why) = rules.refused(response) {
            leave_out(day, why);
            continue;
        }
        match response.void {
            Some(Void::Canceled) => leave_out(day, LeftOut::Canceled),
            Some(Void::NoShow) => leave_out(day, LeftOut::NoShow),
            None | Some(Void::Refunded) => {}
        }
        let depth = rules.depth(response);
        let Some(known) = person.map(|person| &mut people[person]) else {
            let counts = MetricId::of_nobody(depth).filter(|&metric| stands(metric, depth, response.void));
            let (sure, doubtful): (Vec<_>, Vec<_>) = counts
                .map(|metric| Act { arm, day, metric })
                .partition(|act| rules.is_only_teller(&response.source, arm, act.metric));
            let unverified = unverified(response, depth, rules).map(|metric| Act { arm, day, metric });
            let tells = |act: &Act| rules.tells(&response.source, act.metric);
            found.nameless.extend(unverified.filter(tells).map(|act| (response.source.clone(), act)));
            if !doubtful.is_empty() {
                leave_out(day, LeftOut::Nameless);
            }
            found.acts.extend(sure);
            found.nameless.extend(doubtful.into_iter().map(|act| (response.source.clone(), act)));
            continue;
        };
        if !stands(MetricId::SIGNUPS, depth, response.void) {
            // Not even a sign-up, and so no repeated one.
        } else if known.count(MetricId::SIGNUPS) {
            found.acts.push(Act { arm, day, metric: MetricId::SIGNUPS });
            let verified_on = known.verified_at.map(|at| if at > response.at { rules.day(at) } else { day });
            if let Some(day) = verified_on.filter(|day| rules.days.contains(*day)) {
                found.acts.push(Act { arm, day, metric: MetricId::VERIFIED_SIGNUPS });
                match known.fits(rules.icp) {
                    Fit::Inside => found.acts.push(Act { arm, day, metric: MetricId::QUALIFIED_SIGNUPS }),
                    Fit::Outside => leave_out(day, LeftOut::OutsideIcp),
                    Fit::Unknown => leave_out(day, LeftOut::IcpUnknown),
                }
            }
        } else {
            leave_out(day, LeftOut::Repeat);
        }
        // A refund is one payment's: it counts where that does, and only where nothing paid is left.
        let counts = |metric| !is_signup(metric) && metric != MetricId::REFUNDS && stands(metric, depth, response.void);
        for metric in MetricId::of_people(depth).filter(|&metric| counts(metric)) {
            if known.count(metric) {
                found.acts.push(Act { arm, day, metric });
                if metric == MetricId::PAYMENTS && !known.still_paid {
                    found.acts.push(Act { arm, day, metric: MetricId::REFUNDS });
                }
            }
        }
    }
    found
}

/// What an act that names nobody would be if there were an address that had been verified, as its source says.
fn unverified(response: &Response, depth: Depth, rules: &Rules<'_>) -> impl Iterator<Item = MetricId> {
    let is_said = (depth >= Depth::VerifiedEmail).then_some(MetricId::VERIFIED_SIGNUPS);
    let fits = is_said.filter(|_| fit(rules.icp, &response.answers) == Fit::Inside);
    is_said.into_iter().chain(fits.map(|_| MetricId::QUALIFIED_SIGNUPS))
}

/// Notes who has paid something that was not paid back.
fn note_who_paid(claimed: &[(Told<'_>, usize)], people: &mut [Known<'_>], rules: &Rules<'_>) {
    let is_payment = |response: &Response| matches!(rules.depth(response), Depth::Deposit | Depth::Order);
    for ((response, person, _), _) in claimed {
        if is_payment(response)
            && response.void.is_none()
            && rules.refused(response).is_none()
            && let Some(person) = person
        {
            people[*person].still_paid = true;
        }
    }
}

/// Whether it is one of the metrics that each person counts in once for all their acts together.
fn is_signup(metric: MetricId) -> bool {
    [MetricId::SIGNUPS, MetricId::VERIFIED_SIGNUPS, MetricId::QUALIFIED_SIGNUPS].contains(&metric)
}

/// Whether an act still counts as something. Whoever called off a demo had left their details all the same; of a booking
/// that was called off nothing is left.
fn stands(metric: MetricId, depth: Depth, void: Option<Void>) -> bool {
    match metric {
        MetricId::SIGNUPS => depth != Depth::Booking || void != Some(Void::Canceled),
        MetricId::PAYMENTS => matches!(void, None | Some(Void::Refunded)),
        MetricId::REFUNDS => void == Some(Void::Refunded),
        _ => void.is_none(),
    }
}

/// The acts with the positions of their people, and of each of these what their acts, which are in order of time, say
/// together. Each act's person is looked up once: with a million acts nothing costs more.
fn people<'a>(acts: Vec<&'a Response>, rules: &Rules<'_>) -> (Vec<Told<'a>>, Vec<Known<'a>>) {
    let mut positions: HashMap<&PersonHash, usize> = HashMap::with_capacity(acts.len());
    let mut people: Vec<Known<'_>> = Vec::new();
    let tell = |response: &'a Response| {
        let person = response.person.as_ref().map(|person| {
            *positions.entry(person).or_insert_with(|| {
                people.push(Known::default());
                people.len() - 1
            })
        });
        if let Some(known) = person.map(|person| &mut people[person]).filter(|_| rules.refused(response).is_none()) {
            if rules.depth(response) >= Depth::VerifiedEmail {
                known.verified_at = known.verified_at.or(Some(response.at));
            }
            match known.answers {
                None if response.answers.is_empty() => {}
                None => known.answers = Some(&response.answers),
                Some(first) => {
                    for (name, answer) in response.answers.iter() {
                        if first.get(name).is_none() && known.more.iter().all(|(other, _)| *other != name) {
                            known.more.push((name, answer));
                        }
                    }
                }
            }
        }
        (response, person, rules.day(response.at))
    };
    (acts.into_iter().map(tell).collect(), people)
}

/// Acts that count towards a metric and that no arm claims, one for each.
pub fn unclaimed<'a>(responses: &'a [Response], rules: &Rules<'_>, metric: MetricId) -> Vec<&'a Response> {
    let counts = |response: &&Response| {
        rules.days.contains(rules.day(response.at))
            && rules.refused(response).is_none()
            && match &response.person {
                Some(_) => MetricId::of_people(rules.depth(response)).any(|own| own == metric),
                None => MetricId::of_nobody(rules.depth(response)).any(|own| own == metric),
            }
            && rules.keys.owner(&response.source, &response.arm_key).is_none()
    };
    latest(responses).into_iter().filter(counts).collect()
}

/// Every response once, as the latest pull knows it, in order of source and id.
fn latest(responses: &[Response]) -> Vec<&Response> {
    // As the store gives them.
    if responses.is_sorted_by(|one, next| (&one.source, &one.response_id) < (&next.source, &next.response_id)) {
        return responses.iter().collect();
    }
    let mut latest: BTreeMap<_, &Response> = BTreeMap::new();
    for response in responses {
        let known = latest.entry((&response.source, &response.response_id)).or_insert(response);
        if response.pull_id > known.pull_id {
            *known = response;
        }
    }
    latest.into_values().collect()
}

#[cfg(test)]
mod tests;
