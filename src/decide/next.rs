//! What the reader is to do: the last line of a message, and of the first part of an explanation. One thing for each
//! verdict and each reason, and what the ads spend meanwhile.

use super::defects::{self, Spending};
use super::explain;
use super::figures::{self, quoted};
use super::keys;
use super::money;
use super::raise;
use super::restated;
use crate::domain::concept::{Experiment, Model};
use crate::domain::metric::MetricId;
use crate::domain::money::Money;
use crate::domain::verdict::{ArmScore, Flag, Reason, Scorecard, SpendAfter, Verdict};

/// `Decide whether to build, as recommended, or to kill · stop the ads …`. `ads` is what they spend while there is no verdict; what
/// they spend after one stands on the scorecard.
pub fn to_do(experiment: &Experiment, card: &Scorecard, ads: Option<&SpendAfter>) -> String {
    let control = experiment.arms.iter().find(|arm| arm.control);
    let spending = |still: &str| ads_spending(experiment, card, ads, still);
    let stop = |when: &str| {
        let ads = spending(" still").map_or_else(String::new, |ads| format!(": {ads}"));
        let theirs = control
            .map_or_else(String::new, |arm| format!(", also those of {} that ran for this test only", arm.title));
        format!("stop the ads {when}{theirs}{ads}")
    };
    match card.verdict {
        Verdict::Build => {
            let which = recommended(experiment, card).map_or_else(String::new, |which| format!(" {which}"));
            format!("Decide whether to build{which}, as recommended, or to kill · {}", stop("in either case"))
        }
        Verdict::Kill => {
            let counted = |flag: &Flag| *flag != Flag::ZeroConversions;
            let check = card.arms.iter().flat_map(|arm| &arm.evidence.flags).all(counted);
            let decide = "decide whether to kill, as recommended, or to build all the same";
            if check {
                format!("{} · {}", figures::capital(decide), stop("in either case"))
            } else {
                let broken = "if it is broken, repair it and leave out all days up to the repair";
                format!("Check the tracking: if it works, {decide}; {broken} · {}", stop("until you know"))
            }
        }
        Verdict::Review => {
            let decide = settles(experiment, card);
            spending("").map_or_else(|| decide.clone(), |_| format!("{decide} · {}", stop("until you have decided")))
        }
        Verdict::Collecting => {
            let ads = spending("").map_or_else(String::new, |ads| format!(" · {ads}"));
            format!("Nothing to do · the test goes on{ads}")
        }
        Verdict::Blocked if card.reasons.iter().any(ends_the_test) => {
            format!("Repair what splits the visitors, then begin a new test · {}", stop("until then"))
        }
        Verdict::Blocked => {
            let any = |is: fn(&Reason) -> bool| card.reasons.iter().any(is);
            let currencies = card.reasons.iter().find_map(|why| match why {
                Reason::MixedCurrencies { currencies } => Some(currencies),
                _ => None,
            });
            let goes_on = if let Some(currencies) = currencies {
                match Spending::of(experiment, currencies) {
                    Spending::OneSource(_) => " · the test goes on then",
                    Spending::BesideLimits(..) | Spending::Several => "",
                }
            } else {
                match card.reasons.iter().map(|why| restated::counts_anyway(experiment, card, why)).max() {
                    Some(Some(day)) if card.reasons.iter().all(ends_by_itself) => {
                        let day = figures::day(day, explain::today(experiment, card));
                        &format!(" · the test goes on then, or about {day}")
                    }
                    _ => " · the test goes on once this is fixed",
                }
            };
            let run = if card.reasons.iter().any(|why| spoils_days(card, why)) {
                " · pause the ads until then"
            } else {
                " · the ads may run on"
            };
            let unknown = any(|why| matches!(why, Reason::Stale { .. } | Reason::MixedCurrencies { .. }));
            let ads = match spending("") {
                Some(ads) => format!("{run}: {ads}"),
                // What they spend is not known then.
                None if unknown => run.to_owned(),
                None => String::new(),
            };
            format!("{}{goes_on}{ads}", repairs(experiment, card))
        }
    }
}

/// What the tested versions' ads spend, as [`money::ads_spending`] says it.
pub fn ads_spending(
    experiment: &Experiment,
    card: &Scorecard,
    ads: Option<&SpendAfter>,
    still: &str,
) -> Option<String> {
    let today = explain::today(experiment, card);
    let ads = money::ads_spending(card.spend_after.as_ref().or(ads)?, still, today)?;
    // What those cost is not theirs.
    let control = experiment.arms.iter().find(|arm| arm.control).map(|arm| format!("ads of {}", arm.title));
    let unmapped = card.unmapped.is_some().then(|| "campaigns of no version".to_owned());
    let besides: Vec<String> = control.into_iter().chain(unmapped).collect();
    Some(if besides.is_empty() { ads } else { format!("{ads}, not counting {}", figures::list(&besides)) })
}

/// As [`to_do`], where a defect holds up a verdict that had been given, `dated`.
pub fn to_do_meanwhile(experiment: &Experiment, card: &Scorecard, ads: Option<&SpendAfter>, dated: &str) -> String {
    if card.reasons.iter().any(ends_the_test) {
        return to_do(experiment, card, ads);
    }
    let repairs = repairs(experiment, card);
    format!(
        "{repairs} · once the data can be trusted again, the {dated} is confirmed or withdrawn: until then decide nothing and \
         leave everything as it is, the ads too"
    )
}

/// What mends every defect.
fn repairs(experiment: &Experiment, card: &Scorecard) -> String {
    let mut things: Vec<String> = card.reasons.iter().filter_map(|why| mends(experiment, why)).collect();
    things.dedup();
    things.join(" · ")
}

/// Whether days go on being lost while a defect lasts: no later reading brings back what nobody counted.
fn spoils_days(card: &Scorecard, why: &Reason) -> bool {
    match why {
        Reason::NoData { .. } | Reason::ImpossibleCounts { .. } | Reason::MixedCurrencies { .. } => true,
        Reason::UnmappedActs { keys, .. } => !keys::can_be_named(keys),
        Reason::TrackingBroken { lasts, .. } => *lasts,
        Reason::TrackingGap { last_day, .. } => *last_day >= card.last_settled_day,
        _ => false,
    }
}

/// What to write once somebody has decided: the choices that [`to_do`] names, no other. `unsettled` is spent on days that
/// have not settled.
pub fn how_to_decide(experiment: &Experiment, card: &Scorecard, unsettled: Option<Money>) -> Option<String> {
    let (choice, other) = match card.verdict {
        Verdict::Kill => ("kill", "build"),
        Verdict::Build | Verdict::Review => ("build", "kill"),
        Verdict::Collecting | Verdict::Blocked => return None,
    };
    let concept = &experiment.concept.id;
    let longer =
        if raise::helps(experiment, card) { how_to_extend(experiment, card, unsettled) } else { String::new() };
    Some(format!(
        "To write the decision down, run `willitsell decide {concept} {choice} --by NAME --reason TEXT`. To {other}, write \
         `{other}` in place of `{choice}`.{longer}"
    ))
}

/// How to raise the cap that was reached, or both where both were: the other one brings no day more.
fn how_to_extend(experiment: &Experiment, card: &Scorecard, unsettled: Option<Money>) -> String {
    let (horizon_days, budget_cap) = explain::caps(experiment, card);
    let at_cap = || card.arms.iter().filter(|arm| matches!(arm.reason, Some(Reason::CapReached { .. })));
    let passed = at_cap().map(|arm| arm.evidence.days).max().unwrap_or(0);
    let share = explain::arm_cap(experiment, card);
    let is_spent = |arm: &ArmScore| share.zip(arm.spend).is_some_and(|(share, spend)| spend.micros >= share.micros);
    let mut ways = Vec::new();
    if experiment.stop.is_none() && passed >= horizon_days {
        let least = passed - horizon_days;
        let passed = if least == 0 {
            String::new()
        } else {
            format!(". As {passed} have settled already, it must be more than {least}")
        };
        ways.push(("--days N", format!("N is added to the cap of {horizon_days} settled days{passed}")));
    }
    if let Some(cap) = budget_cap.filter(|_| at_cap().any(is_spent)) {
        // The money of a control is beside the cap, and not told apart on days that have not settled.
        let has_control = experiment.arms.iter().any(|arm| arm.control);
        let spent = card.arms.iter().filter_map(|arm| arm.spend).chain(unsettled);
        let spent = spent.reduce(|sum, part| sum.plus(part).unwrap_or(sum)).filter(|_| !has_control);
        let beyond = |spent: Money| Some((spent, spent.minus(cap).ok().filter(|beyond| beyond.micros > 0)?));
        let spent = spent.and_then(beyond).map_or_else(String::new, |(spent, beyond)| {
            format!(". As {spent} is spent already, it must be more than {beyond}")
        });
        ways.push(("--budget AMOUNT", format!("AMOUNT is added to the cap of {}{spent}", cap.as_set())));
    }
    let (words, means): (Vec<&str>, Vec<String>) = ways.into_iter().unzip();
    if words.is_empty() {
        let days = experiment.stop.is_none().then_some("`extend --days N`");
        let ways: Vec<&str> = days.into_iter().chain(budget_cap.map(|_| "`extend --budget AMOUNT`")).collect();
        return format!(" To test longer, write {} in its place.", ways.join(" or "));
    }
    format!(" To test longer, write `extend {}` in its place: {}.", words.join(" "), means.join(". "))
}

/// Whether a defect ends without anybody mending it.
pub fn ends_by_itself(why: &Reason) -> bool {
    matches!(why, Reason::Restated { .. })
}

/// Whether no mending brings a verdict of this test.
pub fn ends_the_test(why: &Reason) -> bool {
    matches!(why, Reason::UnevenSplit { .. })
}

/// What settles a REVIEW.
fn settles(experiment: &Experiment, card: &Scorecard) -> String {
    match card.reasons.first() {
        Some(Reason::Guardrail { name }) => {
            format!("Decide whether to build although {name} is beyond its limit, or to kill")
        }
        why => {
            let left = card.arms.iter().filter(|arm| arm.verdict != Verdict::Kill);
            let left: Vec<String> = left.map(|arm| explain::name(experiment, &arm.arm).to_owned()).collect();
            let [which, all] = match why {
                Some(Reason::ArmsDisagree) => [
                    format!(" {}", figures::either(&left)),
                    if card.arms.len() == 2 { " both" } else { " all" }.to_owned(),
                ],
                _ => Default::default(),
            };
            let nothing = card.arms.iter().all(|arm| arm.evidence.days == 0);
            let noun = experiment.policy.primary.denominator.metric().noun;
            let decide = match experiment.policy.model {
                _ if !nothing => "Decide".to_owned(),
                Model::Cpa => "Find out why nothing was spent, then decide".to_owned(),
                Model::Rate | Model::Compare => format!("Find out why no {noun} was counted, then decide"),
            };
            if raise::helps(experiment, card) {
                format!("{decide} whether to build{which}, to kill{all}, or to test longer with a larger cap")
            } else {
                format!("{decide} whether to build{which} or to kill{all}")
            }
        }
    }
}

/// Which of several versions to build: those that are BUILD and that no other does better than.
fn recommended(experiment: &Experiment, card: &Scorecard) -> Option<String> {
    let is_it =
        |arm: &&ArmScore| arm.verdict == Verdict::Build && (card.best.is_empty() || card.best.contains(&arm.arm));
    let which: Vec<String> =
        card.arms.iter().filter(is_it).map(|arm| explain::name(experiment, &arm.arm).to_owned()).collect();
    (card.arms.len() > 1 && !which.is_empty()).then(|| figures::either(&which))
}

/// What mends a defect.
fn mends(experiment: &Experiment, why: &Reason) -> Option<String> {
    let acts = figures::many(experiment.policy.primary.numerator);
    Some(match why {
        Reason::NoData { sources } => {
            format!("Find out why nothing comes from {}", figures::sources(sources))
        }
        Reason::Stale { .. } => "Run `willitsell pull`".to_owned(),
        Reason::UnmappedSpend { .. } => {
            "Say to which version each campaign belongs, or that it has no part in any test".to_owned()
        }
        Reason::UnmappedActs { keys, .. } if keys::can_be_named(keys) => {
            format!("Say to which version those {acts} belong, or that they have no part in any test")
        }
        Reason::UnmappedActs { .. } => {
            "Have the form record where each person came from, then leave out the days up to the repair".to_owned()
        }
        Reason::NamelessActs { sources, .. } => {
            let sources = figures::sources(sources);
            if defects::needs_addresses(experiment) {
                format!("Have {sources} ask for an e-mail address, or let another act decide")
            } else {
                format!("Count {acts} without {sources}, or have {sources} ask for an e-mail address")
            }
        }
        Reason::MixedCurrencies { currencies } => match Spending::of(experiment, currencies) {
            Spending::OneSource(source) => {
                format!("Set source {} to one currency, then read all its days again", quoted(source))
            }
            Spending::BesideLimits(..) => "Set the limits in the currency of the account".to_owned(),
            Spending::Several => "Use one currency, or split the test: one for each".to_owned(),
        },
        Reason::MixedZones { source, .. } => {
            format!("Keep source {} in one time zone, then read all its days again", quoted(source))
        }
        Reason::DayZones { .. } => "Set the same time zone in both accounts, then read all days again".to_owned(),
        Reason::FewerRows { source, .. } => format!("Check what the account of source {} shows", quoted(source)),
        Reason::Restated { .. } => "Find out what changed, then repair the source or confirm the numbers".to_owned(),
        Reason::ImpossibleCounts { .. } => {
            "Check how both numbers are counted, then leave the wrong days out".to_owned()
        }
        Reason::TrackingGap { .. } => "Check how the page counts visitors".to_owned(),
        Reason::TrackingBroken { to, .. } => match *to {
            MetricId::VISITS => "Check the page and how it counts visitors".to_owned(),
            MetricId::FORM_OPENS => "Check the form and how its openings are counted".to_owned(),
            acts => format!("Check the page and how it counts {}", figures::many(acts)),
        },
        Reason::BotBurst { .. } => "Find out whether those were people".to_owned(),
        _ => return None,
    })
}
