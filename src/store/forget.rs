//! Forgetting a person: all states of their acts, those under another address too, stay as acts of nobody, so that every
//! count and every stored verdict stays as it was, and nothing of them is left in the file, its free pages or its log.
//! Marks of the person and of each act keep later readings from bringing them back. Not what other machines hold:
//! backups, messages, and the vendor's own copy.

use std::collections::{BTreeMap, BTreeSet};

use ring::rand::{SecureRandom, SystemRandom};
use sqlx::{AssertSqlSafe, Row};

use super::Store;
use super::columns;
use super::error::StoreError;
use super::people::People;
use super::responses::{answers_as_text, read_answers};
use super::stage::StagedResponse;
use super::transaction::Connection;
use crate::domain::decision::Setup;
use crate::domain::icp::{IcpTest, range};
use crate::domain::id::SourceId;
use crate::domain::response::{Answers, PersonHash};

/// Begins the id of an act whose person was forgotten. No vendor's id holds a control character.
pub(super) const NOBODY: char = '\u{1}';

/// In place of an answer in which no rule finds a word of its own: it was given, which rules ask too.
const UNSAID: &str = "forgotten";

/// Longest number that is kept, in digits: a telephone has more.
const MOST_DIGITS: usize = 6;

/// Instants are made coarse to this, in milliseconds: all zones of today cut their days at quarters of an hour.
const QUARTER: i64 = 15 * 60 * 1000;

/// What there was of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Acts as they are now known.
    pub acts: u64,
    /// Earlier states of acts.
    pub earlier: u64,
    /// Texts they wrote.
    pub texts: u64,
}

/// A state of an act that names the person, or did or will in another state.
struct Named {
    table: &'static str,
    source: String,
    id: String,
    at: i64,
    pull: i64,
    person: Option<String>,
    domain: Option<String>,
    answers: Answers,
}

impl Store {
    /// What is stored of a person.
    pub async fn known_of(&self, person: &str) -> Result<Forgotten, StoreError> {
        if self.people.fingerprint().is_none() {
            return Ok(Forgotten::default());
        }
        let hash = self.people.hash(person)?;
        let mut read = self.backend.read().await?;
        let named = named(&mut read, &hash).await?;
        Ok(sum(&named, texts(&mut read, &named).await?))
    }

    /// Forgets a person, whether or not anything is stored of them, and writes the whole file anew.
    ///
    /// # Errors
    /// [`StoreError::Unscrubbed`] when the person is forgotten but another process keeps old pages open; others when
    /// nothing was changed.
    pub async fn forget(&self, person: &str) -> Result<Forgotten, StoreError> {
        let hash = self.people.hash(person)?;
        let mut write = self.backend.write().await?;
        self.remember_key(&mut write).await?;
        let named = named(&mut write, &hash).await?;
        let acts = acts(&named).into_iter().map(|(source, id)| self.people.mark_of_act(source, id));
        for mark in std::iter::once(self.people.mark(&hash)).chain(acts) {
            sqlx::query("INSERT INTO forgotten (mark) VALUES ($1) ON CONFLICT (mark) DO NOTHING")
                .bind(mark?)
                .execute(&mut *write)
                .await?;
        }
        let found = sum(&named, texts(&mut write, &named).await?);
        let kept = Kept::of(&mut write, &self.people).await?;
        let nobody = Nobody::of(&named, others_elsewhere(&mut write, &named, &hash).await?)?;
        for row in &named {
            sqlx::query("DELETE FROM free_text WHERE source_id = $1 AND response_id = $2")
                .bind(&row.source)
                .bind(&row.id)
                .execute(&mut *write)
                .await?;
            nobody.takes(&mut write, row, &kept).await?;
        }
        write.commit().await?;
        self.backend.scrub().await?;
        Ok(found)
    }
}

fn sum(named: &[Named], texts: u64) -> Forgotten {
    let acts = named.iter().filter(|row| row.table == "response").count() as u64;
    Forgotten { acts, earlier: named.len() as u64 - acts, texts }
}

/// Source and id of each.
fn acts(named: &[Named]) -> BTreeSet<(&str, &str)> {
    named.iter().map(|row| (row.source.as_str(), row.id.as_str())).collect()
}

/// Every state of every act that was the person's in any state.
async fn named(connection: &mut Connection, person: &PersonHash) -> Result<Vec<Named>, StoreError> {
    let mut found = Vec::new();
    for (source, id) in acts_of(connection, person.as_hex()).await? {
        for table in ["response", "response_before"] {
            let rows = sqlx::query(AssertSqlSafe(format!(
                "SELECT at, pull_id, person, domain, answers FROM {table} WHERE source_id = $1 AND response_id = $2"
            )))
            .bind(&source)
            .bind(&id)
            .fetch_all(&mut *connection)
            .await?;
            for row in rows {
                let answers: Option<&str> = row.try_get("answers")?;
                found.push(Named {
                    table,
                    source: source.clone(),
                    id: id.clone(),
                    at: row.try_get("at")?,
                    pull: row.try_get("pull_id")?,
                    person: row.try_get("person")?,
                    domain: row.try_get("domain")?,
                    answers: answers.map_or_else(|| Ok(Answers::default()), read_answers)?,
                });
            }
        }
    }
    Ok(found)
}

/// Source and id of each act that some state says a person did.
pub(super) async fn acts_of(connection: &mut Connection, person: &str) -> Result<Vec<(String, String)>, StoreError> {
    let rows = sqlx::query(
        "SELECT source_id, response_id FROM response WHERE person = $1 \
         UNION SELECT source_id, response_id FROM response_before WHERE person = $1",
    )
    .bind(person)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("source_id")?, row.try_get("response_id")?))).collect()
}

/// Other people whose these acts were in other states, and who did more than these: they go on being one person each.
async fn others_elsewhere(
    connection: &mut Connection,
    named: &[Named],
    person: &PersonHash,
) -> Result<BTreeSet<String>, StoreError> {
    let acts = acts(named);
    let others: BTreeSet<&String> =
        named.iter().filter_map(|row| row.person.as_ref()).filter(|other| *other != person.as_hex()).collect();
    let mut elsewhere = BTreeSet::new();
    for other in others {
        let theirs = acts_of(connection, other).await?;
        if theirs.iter().any(|(source, id)| !acts.contains(&(source.as_str(), id.as_str()))) {
            elsewhere.insert(other.clone());
        }
    }
    Ok(elsewhere)
}

async fn texts(connection: &mut Connection, named: &[Named]) -> Result<u64, StoreError> {
    let mut found = 0;
    for (source, id) in acts(named) {
        let texts: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM free_text WHERE source_id = $1 AND response_id = $2")
            .bind(source)
            .bind(id)
            .fetch_one(&mut *connection)
            .await?;
        found += texts.unsigned_abs();
    }
    Ok(found)
}

/// Who stands in the person's place: one nobody, the order of whose acts is the person's, so that the same act counts; and
/// one for each other address of these acts that is known of nothing else.
struct Nobody {
    people: BTreeMap<String, String>,
    ids: BTreeMap<(String, String), String>,
    instants: BTreeMap<i64, i64>,
}

impl Nobody {
    fn of(named: &[Named], elsewhere: BTreeSet<String>) -> Result<Self, StoreError> {
        let mut tokens: BTreeSet<String> = BTreeSet::new();
        let acts = acts(named);
        while tokens.len() < acts.len() {
            tokens.insert(format!("{NOBODY}{}", drawn::<16>()?));
        }
        let ids = acts.into_iter().map(|(source, id)| (source.to_owned(), id.to_owned())).zip(tokens).collect();
        // An act that is somebody else's too keeps its place among theirs.
        let is_theirs = |row: &&Named| row.person.as_ref().is_some_and(|person| elsewhere.contains(person));
        let shared: BTreeSet<i64> = named.iter().filter(is_theirs).map(|row| row.at).collect();
        let instants: BTreeSet<i64> = named.iter().map(|row| row.at).filter(|at| !shared.contains(at)).collect();
        let coarse = |(rank, at): (i64, i64)| (at, at.div_euclid(QUARTER) * QUARTER + rank);
        let mut people: BTreeMap<String, String> =
            elsewhere.into_iter().map(|person| (person.clone(), person)).collect();
        for person in named.iter().filter_map(|row| row.person.as_ref()) {
            if !people.contains_key(person) {
                people.insert(person.clone(), drawn::<32>()?);
            }
        }
        let kept = shared.into_iter().map(|at| (at, at));
        Ok(Self { people, ids, instants: (0..).zip(instants).map(coarse).chain(kept).collect() })
    }

    async fn takes(&self, connection: &mut Connection, row: &Named, kept: &Kept) -> Result<(), StoreError> {
        let answers: Answers =
            row.answers.iter().filter_map(|(name, answer)| Some((name, kept.answer(name, answer)?))).collect();
        let table = row.table;
        sqlx::query(AssertSqlSafe(format!(
            "UPDATE {table} SET response_id = $1, person = $2, domain = $3, at = $4, answers = $5 \
             WHERE source_id = $6 AND response_id = $7 AND pull_id = $8"
        )))
        .bind(&self.ids[&(row.source.clone(), row.id.clone())])
        .bind(row.person.as_ref().map(|person| &self.people[person]))
        .bind(row.domain.as_ref().filter(|domain| kept.domains.contains(*domain)))
        .bind(self.instants[&row.at])
        .bind(answers_as_text(&answers))
        .bind(&row.source)
        .bind(&row.id)
        .bind(row.pull)
        .execute(connection)
        .await?;
        Ok(())
    }
}

fn drawn<const BYTES: usize>() -> Result<String, StoreError> {
    let mut bytes = [0; BYTES];
    let random = SystemRandom::new().fill(&mut bytes);
    random.map_err(|_| StoreError::Rows("the system gives no randomness".into()))?;
    Ok(columns::hex(&bytes))
}

/// What verdicts that are stored have read of anybody's answers and address: it stays, so that they come out the same.
struct Kept {
    /// What the rules call the answers they read.
    fields: BTreeSet<String>,
    words: BTreeSet<String>,
    domains: BTreeSet<String>,
}

impl Kept {
    async fn of(connection: &mut Connection, people: &People) -> Result<Self, StoreError> {
        let mut kept = Self { fields: BTreeSet::new(), words: BTreeSet::new(), domains: BTreeSet::new() };
        let bodies: Vec<String> = sqlx::query_scalar("SELECT body FROM setup").fetch_all(connection).await?;
        for body in bodies {
            let setup: Setup = columns::from_json(&body)?;
            for rule in &setup.experiment.policy.icp {
                kept.fields.insert(rule.field.clone());
                if let IcpTest::OneOf(words) | IcpTest::NoneOf(words) = &rule.test {
                    kept.words.extend(words.iter().map(|word| plain(word)));
                }
            }
            let domains = people.domains(&setup.experiment.internal)?;
            kept.domains.extend(domains.iter().map(|domain| domain.as_hex().to_owned()));
        }
        Ok(kept)
    }

    /// The words that rules name and the number it stands for, and nothing else of an answer; `None` of one that no rule
    /// reads.
    fn answer(&self, name: &str, answer: &str) -> Option<String> {
        if !self.fields.contains(name) {
            return None;
        }
        let parts = std::iter::once(answer).chain(answer.split(';')).map(plain);
        let mut said: BTreeSet<String> = parts.filter(|part| self.words.contains(part)).collect();
        said.extend(range(answer).filter(|_| !looks_dialled(answer)).and_then(number));
        Some(if said.is_empty() { UNSAID.to_owned() } else { said.into_iter().collect::<Vec<_>>().join("; ") })
    }
}

fn plain(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a text may be a telephone's number: too many digits for two ends of a range, or one that begins with 0.
fn looks_dialled(answer: &str) -> bool {
    let numbers = || answer.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
    numbers().map(str::len).sum::<usize>() > 2 * MOST_DIGITS
        || numbers().any(|number| number.len() > 1 && number.starts_with('0') && number != "000")
}

/// A range as an answer that stands for it again.
fn number((low, high): (f64, f64)) -> Option<String> {
    let short = |end: f64| end.is_infinite() || end < 10_f64.powi(i32::try_from(MOST_DIGITS).unwrap_or(i32::MAX));
    (short(low) && short(high)).then(|| match (low.is_finite(), high.is_finite()) {
        (true, true) if low >= high => low.to_string(),
        (true, true) => format!("{low}-{high}"),
        (true, false) => format!("{low}+"),
        (false, _) => format!("under {high}"),
    })
}

/// Takes the acts of people who were forgotten out of what was read: those they had done count already, as nobody's.
pub(super) async fn leave_out(
    connection: &mut Connection,
    people: &People,
    source: &SourceId,
    staged: &mut BTreeMap<String, StagedResponse>,
) -> Result<(), StoreError> {
    let marks: Vec<String> = sqlx::query_scalar("SELECT mark FROM forgotten").fetch_all(connection).await?;
    if marks.is_empty() {
        return Ok(());
    }
    let marks: BTreeSet<String> = marks.into_iter().collect();
    let is_forgotten = |id: &str, response: &StagedResponse| {
        let person = response.person.as_ref().map(|person| people.mark(person)).transpose()?;
        let act = people.mark_of_act(source.as_str(), id)?;
        Ok(marks.contains(&act) || person.is_some_and(|person| marks.contains(&person)))
    };
    let mut failed = None;
    staged.retain(|id, response| match is_forgotten(id, response) {
        Ok(forgotten) => !forgotten,
        Err(error) => {
            failed = Some(error);
            true
        }
    });
    failed.map_or(Ok(()), Err)
}
