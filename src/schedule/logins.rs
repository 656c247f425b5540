//! Logins that need a person, or soon will: found in what is kept of them, told with the command to run. Asks
//! no vendor.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, Utc};

use crate::connect::Registry;
use crate::connect::auth::standing::{Standing, standing};
use crate::domain::audience::{self, Topic};
use crate::domain::concept::Experiment;
use crate::domain::connector::{Kept, Login, SourceAccess, TokenVault, VaultError};
use crate::domain::id::{LoginId, SourceId};
use crate::domain::message::{Delivery, Message};

/// Days before the end at which people are told.
const STEPS: [i64; 3] = [1, 3, 14];
/// Seconds.
const DAY: i64 = 86_400;

/// A login that needs a person, now or soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub login: LoginId,
    /// The sources that cannot be asked without it.
    pub sources: Vec<SourceId>,
    /// Why.
    pub why: Why,
    /// What to run.
    pub command: String,
}

/// Why a login needs a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nobody has logged in.
    NoToken,
    /// The vendor refused it.
    Refused {
        /// When.
        at: DateTime<Utc>,
        /// In its words, shortened.
        why: String,
        /// It refused client id or secret, not the consent.
        application: bool,
    },
    /// What is kept of it cannot be opened.
    Sealed(String),
    /// It ended by itself.
    Ended,
    /// It will.
    Ends {
        /// When.
        at: DateTime<Utc>,
        /// Days until then, begun ones counted whole.
        days: i64,
    },
}

impl Finding {
    /// Its sources cannot be asked any more.
    pub fn stops(&self) -> bool {
        !matches!(self.why, Why::Ends { .. })
    }

    /// The same for as long as there is nothing new to tell.
    pub fn key(&self) -> String {
        let state = match &self.why {
            Why::NoToken => "none".to_owned(),
            // It is tried again every hour and refused anew: told once a day.
            Why::Refused { at, .. } => format!("refused_{}", at.format("%Y-%m-%d")),
            Why::Sealed(_) => "sealed".to_owned(),
            Why::Ended => "ended".to_owned(),
            Why::Ends { at, days } => {
                let step = STEPS.into_iter().find(|step| days <= step).unwrap_or(STEPS[2]);
                format!("ends_{}_{step}", at.format("%Y-%m-%d"))
            }
        };
        format!("login_{}_{state}", self.login)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { login, why, command, .. } = self;
        match why {
            Why::NoToken => write!(f, "[login.{login}] has no token yet: run `{command}`"),
            Why::Refused { at, why, application: false } => write!(
                f,
                "[login.{login}] was refused by the vendor on {} ({why}): run `{command}`",
                at.format("%Y-%m-%d %H:%M UTC")
            ),
            Why::Refused { why, application: true, .. } => write!(
                f,
                "the vendor does not accept the application of [login.{login}] ({why}): check `client_id` and \
                 `client_secret` there"
            ),
            Why::Sealed(why) => {
                write!(
                    f,
                    "what is kept of [login.{login}] cannot be opened: {why}; nothing else is lost: run `{command}`"
                )
            }
            Why::Ended => write!(f, "[login.{login}] has ended: run `{command}`"),
            Why::Ends { at, days } => {
                let (day, s) = (at.format("%Y-%m-%d"), if *days == 1 { "" } else { "s" });
                write!(f, "[login.{login}] ends on {day}, in {days} day{s}: run `{command}` before")?;
                if *days <= 7 {
                    f.write_str(
                        ". Where that is a week after each login, the vendor has your application in test mode: \
                         publish it in the vendor's console",
                    )?;
                }
                Ok(())
            }
        }
    }
}

/// Every login of these sources that needs a person or soon will, in order of name.
///
/// # Errors
/// [`VaultError::Failed`] when what is kept cannot be read at all.
pub async fn findings(
    sources: &BTreeMap<SourceId, SourceAccess>,
    registry: &Registry,
    vault: Option<&dyn TokenVault>,
    now: DateTime<Utc>,
) -> Result<Vec<Finding>, VaultError> {
    let mut users: BTreeMap<&LoginId, (&Login, Vec<&SourceAccess>)> = BTreeMap::new();
    for access in sources.values() {
        if let Some(login) = &access.login {
            users.entry(&login.id).or_insert_with(|| (login, vec![])).1.push(access);
        }
    }
    let mut found = Vec::new();
    for (id, (login, users)) in users {
        let Some(first) = users.first() else { continue };
        let Some(oauth2) = registry.get(&first.source.connector).and_then(|connector| connector.oauth2()) else {
            continue;
        };
        let kept = match vault {
            Some(vault) => vault.load(id).await,
            None => Ok(Kept::default()),
        };
        let why = match kept {
            Ok(kept) => match standing(login, oauth2, &kept, now) {
                Standing::Good { ends } => ends.and_then(|at| {
                    let days = ((at - now).num_seconds() + DAY - 1).div_euclid(DAY);
                    (days <= STEPS[2]).then_some(Why::Ends { at, days })
                }),
                Standing::NoToken => Some(Why::NoToken),
                Standing::Refused { at, why, application } => Some(Why::Refused { at, why, application }),
                Standing::Ended => Some(Why::Ended),
            },
            // Where the user's file holds a token, that one is tried.
            Err(VaultError::Sealed(_)) if login.refresh_token.is_some() => None,
            Err(VaultError::Sealed(why)) => Some(Why::Sealed(why)),
            Err(error @ VaultError::Failed(_)) => return Err(error),
        };
        if let Some(why) = why {
            let sources = users.iter().map(|access| access.source.id.clone()).collect();
            found.push(Finding { login: id.clone(), sources, why, command: login.command(&first.source.id) });
        }
    }
    Ok(found)
}

/// One message about each finding to everybody who is told of an experiment that reads its sources. The ids
/// stay the same until there is something new to tell.
pub fn notices(findings: &[Finding], experiments: &[Experiment], now: DateTime<Utc>) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for finding in findings {
        let mut told = BTreeSet::new();
        let reads =
            |experiment: &&Experiment| experiment.sources.iter().any(|source| finding.sources.contains(&source.id));
        for experiment in experiments.iter().filter(reads) {
            let message = Message {
                concept: experiment.concept.id.clone(),
                verdict: None,
                decision: None,
                topics: vec![Topic::Health],
                headline: headline(finding),
                lines: vec![
                    ("Why".to_owned(), finding.to_string()),
                    ("Next".to_owned(), format!("{} on the machine this runs on", finding.command)),
                ],
                decided_at: now,
            };
            let all = audience::deliveries(experiment, &message).into_iter();
            for delivery in all.filter(|delivery| told.insert(delivery.destination.clone())) {
                deliveries.push(delivery.called(&finding.key()));
            }
        }
    }
    deliveries
}

fn headline(finding: &Finding) -> String {
    let sources: Vec<&str> = finding.sources.iter().map(SourceId::as_str).collect();
    let sources = sources.join(", ");
    match &finding.why {
        Why::Ends { at, .. } => {
            format!("LOGIN · {} ends on {} · sources: {sources}", finding.login, at.format("%Y-%m-%d"))
        }
        _ => format!("LOGIN · {} needs a person · not asked until then: {sources}", finding.login),
    }
}
