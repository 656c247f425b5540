//! Header names of form tools to what a column holds: the one table of names, by language, and what a header makes of
//! itself with it. A name, a tool or a language is added in [`NAMES`] and nowhere else.

use chrono_tz::Tz;

use crate::domain::intake::Question;
use crate::domain::pattern;

use super::super::FileError;
use super::super::columns::{ArmColumn, called, listed, nearest};
use super::super::settings::ArmSetting;
use super::settings::{FormSettings, PERSON_COLUMN};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Tells answers apart.
    Id,
    /// When the answer was sent.
    Submitted,
    /// When it was begun.
    Started,
    /// Whether it was sent or only begun.
    Status,
    /// Which version of the offer the person saw.
    Arm,
}

/// Names in small letters, without a zone in brackets, of Typeform, Google Forms, `SurveyMonkey`, Tally, Alchemer, Jotform,
/// Microsoft Forms and Qualtrics, in English, German, French and Spanish; of each role the better ones first.
const NAMES: [(Role, &[&str]); 5] = [
    (Role::Id, &["#", "submission id", "response id", "responseid", "respondent id", "befragten-id", "token", "id"]),
    (
        Role::Submitted,
        &[
            "submit date",
            "submitted at",
            "date submitted",
            "submission date",
            "completion time",
            "fertigstellungszeit",
            "heure de fin",
            "hora de finalización",
            "recordeddate",
            "end date",
            "enddate",
            "enddatum",
            "date de fin",
            "timestamp",
            "zeitstempel",
            "horodateur",
            "marca temporal",
        ],
    ),
    (
        Role::Started,
        &[
            "start date",
            "time started",
            "started at",
            "start time",
            "startdate",
            "startdatum",
            "startzeit",
            "heure de début",
            "date de début",
            "hora de inicio",
        ],
    ),
    (Role::Status, &["response type", "finished", "completion status", "status"]),
    (Role::Arm, &["arm", "utm_content", "utm content"]),
];

/// What a header cell says besides its name.
fn name_and_zone(cell: &str) -> (String, Option<Tz>) {
    let name = cell.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    if let Some((front, bracket)) = name.strip_suffix(')').and_then(|rest| rest.rsplit_once('(')) {
        let zone = match bracket.trim() {
            "gmt" | "utc" => Some(Tz::UTC),
            other => chrono_tz::TZ_VARIANTS.into_iter().find(|zone| zone.name().to_lowercase() == other),
        };
        if zone.is_some() {
            return (front.trim_end().to_owned(), zone);
        }
    }
    (name, None)
}

fn rank(role: Role, name: &str) -> Option<usize> {
    NAMES.iter().find(|(known, _)| *known == role)?.1.iter().position(|known| *known == name)
}

/// How many cells of a row speak of an export of answers: none without one that says when they were sent.
pub(super) fn known<'c>(cells: impl Iterator<Item = &'c str>, time_column: Option<&str>) -> usize {
    let named = time_column.map(str::trim).map(str::to_lowercase);
    let (mut known, mut timed) = (0, false);
    for cell in cells {
        let (name, _) = name_and_zone(cell);
        let is_time = match &named {
            Some(named) => cell.trim().to_lowercase() == *named,
            None => rank(Role::Submitted, &name).is_some(),
        };
        timed |= is_time;
        known += usize::from(is_time || NAMES.iter().any(|(_, names)| names.contains(&name.as_str())));
    }
    if timed { known } else { 0 }
}

/// What the header of an export means.
#[derive(Clone, Debug)]
pub(super) struct FormColumns {
    /// The names, each once: "Other", "Other (2)".
    pub headers: Vec<String>,
    pub id: Option<usize>,
    pub submitted: usize,
    pub started: Option<usize>,
    pub status: Option<usize>,
    pub arm: ArmColumn,
    /// Columns called something with e-mail; the cells say which of them holds addresses.
    pub emails: Vec<usize>,
    /// The column that tells people apart in their place.
    pub person: Option<usize>,
    /// Where the answers that the user wants kept stand, by the user's name for them.
    pub answers: Vec<(String, Vec<usize>)>,
    /// Where of them what was written freely stands.
    pub free_text: Vec<usize>,
    /// What the names of the columns of times say.
    pub zone: Option<Tz>,
}

impl FormColumns {
    /// The columns whose cells are used.
    pub(super) fn used(&self) -> impl Iterator<Item = usize> {
        let arm = match self.arm {
            ArmColumn::At(at) => Some(at),
            ArmColumn::Whole(_) => None,
        };
        let answers = self.answers.iter().flat_map(|(_, places)| places.iter().copied());
        let told = [self.id, Some(self.submitted), self.started, self.status, self.person, arm].into_iter().flatten();
        told.chain(self.emails.iter().copied()).chain(answers)
    }

    /// Where an answer's id and the time it was sent stand.
    pub(super) fn id_and_time(cells: &[String], settings: &FormSettings) -> Result<(Option<usize>, usize), FileError> {
        let id = named("id_column", settings.id_column.as_deref(), Role::Id, cells)?;
        let time = named("time_column", settings.time_column.as_deref(), Role::Submitted, cells)?;
        let time = time.ok_or_else(|| FileError::Answer {
            setting: "time_column",
            what: format!("nothing says when an answer was sent: name that column: {}", listed(cells)),
        })?;
        Ok((id, time))
    }

    /// Works out a header whose rows have been joined.
    pub(super) fn of(cells: &[String], settings: &FormSettings, questions: &[Question]) -> Result<Self, FileError> {
        let names: Vec<(String, Option<Tz>)> = cells.iter().map(|cell| name_and_zone(cell)).collect();
        let headers = told_apart(cells);
        let best = |role: Role| best(role, cells);
        let (id, submitted) = Self::id_and_time(cells, settings)?;
        let started = best(Role::Started).filter(|at| *at != submitted);
        let person = settings.person_column.as_deref().map(|name| called(name, PERSON_COLUMN, &headers)).transpose()?;
        let emails = match &settings.email_column {
            Some(name) => vec![called(name, "email_column", &headers)?],
            None if person.is_some() => vec![],
            None => (0..).zip(&names).filter(|(_, (name, _))| is_of_email(name)).map(|(at, _)| at).collect(),
        };
        let answers = questions
            .iter()
            .map(|question| Ok((question.name.clone(), asked(question, &headers)?)))
            .collect::<Result<Vec<_>, FileError>>()?;
        let of_free_text = questions.iter().zip(&answers).filter(|(question, _)| question.is_free_text);
        Ok(Self {
            free_text: of_free_text.flat_map(|(_, (_, places))| places.iter().copied()).collect(),
            answers,
            id,
            submitted,
            started,
            status: named("status_column", settings.status_column.as_deref(), Role::Status, cells)?,
            arm: arm(&settings.arm, best(Role::Arm), &headers)?,
            emails,
            person,
            zone: names[submitted].1.or_else(|| started.and_then(|at| names[at].1)),
            headers,
        })
    }
}

/// The column with the best name for a role.
fn best(role: Role, cells: &[String]) -> Option<usize> {
    let ranked = (0..).zip(cells).filter_map(|(at, cell)| Some((rank(role, &name_and_zone(cell).0)?, at)));
    ranked.min().map(|(_, at)| at)
}

/// The column that a setting names, else the best.
fn named(setting: &'static str, name: Option<&str>, role: Role, cells: &[String]) -> Result<Option<usize>, FileError> {
    name.map_or_else(|| Ok(best(role, cells)), |name| called(name, setting, cells).map(Some))
}

/// Two rows of names as one: `Question [Choice]`; a question stands above the first of its choices only.
pub(super) fn joined(questions: &[String], choices: &[String]) -> Vec<String> {
    let mut asked = "";
    let mut names = Vec::with_capacity(questions.len());
    for (question, choice) in questions.iter().zip(choices) {
        if !question.is_empty() {
            asked = question;
        }
        let is_plain = choice.is_empty() || matches!(choice.as_str(), "Response" | "Open-Ended Response");
        names.push(if is_plain { asked.to_owned() } else { format!("{asked} [{choice}]") });
    }
    names
}

/// Names that come again get a number.
fn told_apart(cells: &[String]) -> Vec<String> {
    let mut seen = std::collections::HashMap::<String, usize>::new();
    let number = |cell: &String| {
        let count = seen.entry(cell.to_lowercase()).or_default();
        *count += 1;
        if *count == 1 { cell.clone() } else { format!("{cell} ({count})") }
    };
    cells.iter().map(number).collect()
}

fn is_of_email(name: &str) -> bool {
    let plain = name.replace("e-mail", "email");
    plain.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == "email")
        || ["correo electrónico", "adresse mail", "mailadresse", "username"].iter().any(|known| plain.contains(known))
}

fn arm(setting: &ArmSetting, found: Option<usize>, headers: &[String]) -> Result<ArmColumn, FileError> {
    match setting {
        ArmSetting::Whole(arm) => Ok(ArmColumn::Whole(arm.clone())),
        ArmSetting::Named(name) => called(name, "arm_column", headers).map(ArmColumn::At),
        ArmSetting::Unsaid => found.map(ArmColumn::At).ok_or_else(|| FileError::Answer {
            setting: "arm",
            what: format!(
                "nothing tells arms apart: write arm = \"…\" with the arm all answers belong to, or name the hidden field \
                 or column that tells them apart in arm_column: {}",
                listed(headers)
            ),
        }),
    }
}

/// Where a question stands: the column of that name, else those its pattern fits (`"Which tools*"`).
fn asked(question: &Question, headers: &[String]) -> Result<Vec<usize>, FileError> {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let wanted = plain(&question.asked_as);
    let exact: Vec<usize> = (0..).zip(headers).filter(|(_, name)| plain(name) == wanted).map(|(at, _)| at).collect();
    let found = if exact.is_empty() && pattern::is_pattern(&wanted) {
        (0..).zip(headers).filter(|(_, name)| pattern::fits(&wanted, &plain(name))).map(|(at, _)| at).collect()
    } else {
        exact
    };
    if found.is_empty() {
        return Err(FileError::Answer {
            setting: "answers",
            what: format!(
                "no column is called \"{}\", which {} is to hold. {} A `*` stands for any characters",
                question.asked_as,
                question.name,
                nearest(&question.asked_as, headers)
            ),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_known_by_its_column_of_times() {
        let count = |cells: &[&str], time| known(cells.iter().copied(), time);
        assert_eq!(count(&["#", "Name", "Start Date (UTC)", "Submit Date (UTC)"], None), 3);
        assert_eq!(count(&["Timestamp", "How often?"], None), 1);
        assert_eq!(count(&["#", "Campaign", "Clicks"], None), 0);
        assert_eq!(count(&["When", "Name"], Some(" when ")), 1);
    }

    #[test]
    fn two_rows_of_names_become_one_and_repeated_names_get_numbers() {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let names =
            joined(&texts(&["Respondent ID", "Which?", "", "Why?"]), &texts(&["", "A", "B", "Open-Ended Response"]));
        assert_eq!(names, ["Respondent ID", "Which? [A]", "Which? [B]", "Why?"]);
        assert_eq!(told_apart(&texts(&["Other", "None", "other"])), ["Other", "None", "other (2)"]);
    }

    #[test]
    fn an_address_is_looked_for_by_words() {
        for name in ["email", "your e-mail address", "e-mail-adresse", "dirección de correo electrónico"] {
            assert!(is_of_email(name), "{name}");
        }
        assert!(!is_of_email("emails a day") && !is_of_email("name"));
    }
}
