//! Answers exported from form tools, through the real connector into a sink in memory.

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use willitsell::connect::native::file::FormUnderstanding;
use willitsell::connect::native::file::form::{FormFileConnector, understand};
use willitsell::connect::{Connector, PullFacts, PullRequest};
use willitsell::domain::connector::{RowSink, SettingValue, SinkError, SourceRow};
use willitsell::domain::id::SourceId;
use willitsell::domain::intake::Question;
use willitsell::domain::metric::MetricId;
use willitsell::domain::observation::DateWindow;

use crate::real_data::real_data;

use super::{NoTokens, ZONE, settings};

/// One act as the sink got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    person: Option<String>,
    pub arm: String,
    pub at: DateTime<Utc>,
    answers: Vec<(String, String)>,
}

#[derive(Debug, Default)]
pub struct Acts {
    pub acts: BTreeMap<String, Act>,
    opens: BTreeMap<NaiveDate, i64>,
}

#[async_trait]
impl RowSink for Acts {
    async fn accept(&mut self, page: &[SourceRow<'_>]) -> Result<(), SinkError> {
        for row in page {
            match row {
                SourceRow::Counts { day, values, .. } => {
                    assert_eq!(values[0].0, MetricId::FORM_OPENS);
                    *self.opens.entry(*day).or_default() += values[0].1 / 1_000_000;
                }
                SourceRow::Response(row) => {
                    let act = Act {
                        person: row.person.as_deref().map(str::to_owned),
                        arm: row.arm_key.as_deref().unwrap_or_default().to_owned(),
                        at: row.at,
                        answers: row.answers.clone(),
                    };
                    assert_eq!(self.acts.insert(row.response_id.to_string(), act), None, "{}", row.response_id);
                }
            }
        }
        Ok(())
    }

    async fn clear(&mut self) -> Result<(), SinkError> {
        *self = Self::default();
        Ok(())
    }
}

pub type Pairs<'a> = &'a [(&'a str, &'a str)];

fn questions(pairs: Pairs<'_>) -> Vec<Question> {
    let question = |(name, asked): &(&str, &str)| Question {
        name: (*name).to_owned(),
        asked_as: (*asked).to_owned(),
        is_free_text: false,
    };
    pairs.iter().map(question).collect()
}

/// Reads a file as `import` shows it and as it is pulled, and holds them to the same answer.
fn read(path: &Path, pairs: Pairs<'_>, kept: Pairs<'_>) -> Result<(FormUnderstanding, Acts, PullFacts), String> {
    let mut settings = settings(pairs);
    settings.insert("path", SettingValue::Plain(path.to_str().unwrap().to_owned()));
    let questions = questions(kept);
    let request = PullRequest {
        source: &SourceId::new("form"),
        settings: &settings,
        questions: &questions,
        login: None,
        tokens: &NoTokens,
        jobs: &crate::connectors::Jobs::default(),
        window: DateWindow::new("2026-11-21".parse().unwrap(), "2026-11-22".parse().unwrap()).unwrap(),
        zone: ZONE,
        now: "2026-11-22T12:00:00Z".parse().unwrap(),
        state: None,
        heard: None,
        progress: &willitsell::connect::Progress::default(),
    };
    let mut sink = Acts::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let pulled = runtime.block_on(FormFileConnector::new().pull(&request, &mut sink));
    let understood = understand(path, &settings, &questions, ZONE);
    match (understood, pulled) {
        (Ok(understood), Ok(facts)) => {
            assert_eq!(understood.answers, sink.acts.len() as u64);
            assert_eq!(understood.covered(), Some(facts.covered));
            assert!(sink.acts.keys().all(|id| understood.holds(id)) && !understood.holds("another"));
            let opens = understood.totals.get(&MetricId::FORM_OPENS).copied().unwrap_or_default();
            assert_eq!(i64::try_from(opens).unwrap(), sink.opens.values().sum::<i64>());
            Ok((understood, sink, facts))
        }
        (Err(shown), Err(pulled)) => {
            assert_eq!(shown.to_string(), pulled.to_string());
            Err(pulled.to_string())
        }
        (Ok(_), Err(error)) if error.to_string().contains("future") => Err(error.to_string()),
        (understood, pulled) => panic!("{understood:?} but {pulled:?}"),
    }
}

pub fn import(bytes: impl AsRef<[u8]>, pairs: Pairs<'_>, kept: Pairs<'_>) -> Result<(FormUnderstanding, Acts), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers.csv");
    std::fs::write(&path, bytes).unwrap();
    read(&path, pairs, kept).map(|(understood, acts, _)| (understood, acts))
}

const TYPEFORM: &str = "#,Which plan?,A,B,Other,Other,Your email,utm_content,Response Type,Start Date (UTC),Stage Date (UTC),Submit Date (UTC),Network ID\n\
    t1,Pro,A,,x,,ann@example.org,price-29,completed,2026-03-02 09:00:00,,2026-03-02 09:03:00,n1\n\
    t2,Free,A,B,,\"=cmd|' /C calc'!A0\",bob@example.org,price-49,completed,2026-03-03 23:00:00,,2026-03-03 23:30:00,n2\n\
    t3,Pro,,,,,,price-29,started,2026-03-04 10:00:00,2026-03-04 10:00:30,,n3\n";

#[test]
fn a_typeform_export_becomes_acts_and_forms_opened() {
    let kept = [("plan", "which  plan?"), ("tools", "B"), ("second", "Other (2)")];
    let (understood, sink) = import(TYPEFORM, &[], &kept).unwrap();
    assert_eq!((understood.rows, understood.answers, understood.partial), (3, 2, 1));
    let bob = &sink.acts["t2"];
    assert_eq!((bob.person.as_deref(), bob.arm.as_str()), (Some("bob@example.org"), "price-49"));
    assert_eq!(bob.at.to_rfc3339(), "2026-03-03T23:30:00+00:00");
    let answer = |name: &str| bob.answers.iter().find(|(known, _)| known == name).map(|(_, answer)| answer.as_str());
    assert_eq!(
        (answer("plan"), answer("tools"), answer("second")),
        (Some("Free"), Some("B"), Some("=cmd|' /C calc'!A0"))
    );
    // Days are cut in Berlin, where 23:30 UTC is tomorrow.
    assert_eq!((understood.first.to_string(), understood.last.to_string()), ("2026-03-02".into(), "2026-03-04".into()));
    assert_eq!(sink.opens.len(), 2, "23:00 UTC and 10:00 UTC the next day are one day in Berlin: {:?}", sink.opens);
    let text = understood.to_string();
    for words in [
        "person (keyed hash)",
        "…@…",
        "answer plan",
        "ignored, 4:",
        "in UTC, as the file says",
        "3: 2 whole answers, 1 only begun",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    let (unnamed, _) = import(TYPEFORM, &[], &[]).unwrap();
    let json = serde_json::to_string(&unnamed).unwrap();
    for shown in [text, unnamed.to_string(), json] {
        assert!(!shown.contains("ann@example.org"), "{shown}");
    }
    assert!(!unnamed.to_string().contains("cmd"), "what is ignored is not shown: {unnamed}");
}

#[test]
fn only_named_answers_are_read() {
    let (_, sink) = import(TYPEFORM, &[], &[]).unwrap();
    assert!(sink.acts.values().all(|act| act.answers.is_empty()));
    let error = import(TYPEFORM, &[], &[("plan", "Which tariff?")]).unwrap_err();
    assert!(error.contains("answers") && error.contains("Which tariff?") && error.contains("Which plan?"), "{error}");
    // Of many columns the nearest are named.
    let many: String = (1..=90).map(|number| format!(",Is statement {number} true?")).collect();
    let text =
        format!("Submission ID,Submitted at,What hinders you?{many}\nx1,2026-03-02T10:00:00Z,No{}\n", ",".repeat(90));
    for (wrong, near) in [("hinders", "What hinders you?"), ("Is statment 17*", "Is statement 17 true?")] {
        let error = import(&text, &[("arm", "a")], &[("why", wrong)]).unwrap_err();
        assert!(error.contains(&format!("The nearest are \"{near}\", \"")), "{error}");
        assert!(error.contains("the file's header has all 93") && error.len() < 300, "{error}");
    }
    let error = import(&text, &[("arm", "a"), ("person_column", "statement 5 tru")], &[]).unwrap_err();
    assert!(error.contains("The nearest are \"Is statement 5 true?\"") && error.len() < 300, "{error}");
    let error = import(&text, &[], &[]).unwrap_err();
    assert!(error.contains("Submission ID") && error.contains("90 true?") && error.len() < 600, "{error}");
    let (_, sink) = import(TYPEFORM, &[], &[("all", "other*")]).unwrap();
    assert_eq!(sink.acts["t1"].answers, [("all".to_owned(), "x".to_owned())]);
}

const GOOGLE: &str = "Timestamp,Email Address,How often?\n\
    3/2/2026 9:00:00,ann@example.org,Daily\n3/2/2026 9:00:00,bob@example.org,Never\n3/15/2026 21:00:00,,Daily\n";

#[test]
fn a_google_form_has_neither_ids_nor_a_zone() {
    let error = import(GOOGLE, &[("arm", "a")], &[]).unwrap_err();
    assert!(error.contains("time_zone") && error.contains("line 2"), "{error}");
    let error = import(GOOGLE, &[("time_zone", "America/New_York")], &[]).unwrap_err();
    assert!(error.contains("setting `arm`") && error.contains("arm_column"), "{error}");
    let pairs = [("arm", "a"), ("time_zone", "America/New_York")];
    let (understood, sink) = import(GOOGLE, &pairs, &[]).unwrap();
    let ids: Vec<&str> = sink.acts.keys().map(String::as_str).collect();
    assert_eq!(ids, ["2026-03-02T14:00:00Z", "2026-03-02T14:00:00Z #2", "2026-03-16T01:00:00Z"]);
    assert!(
        understood.warnings.iter().any(|warning| warning.contains("1 of 3 answers have no address")),
        "{understood:?}"
    );
    // The same answers under more columns, exported later, are the same acts.
    let later =
        GOOGLE.replace("How often?", "How often?,New").replace("Daily\n", "Daily,\n").replace("Never\n", "Never,x\n");
    let (_, again) = import(later, &pairs, &[]).unwrap();
    assert_eq!(again.acts, sink.acts);
    assert!(sink.acts.keys().all(|id| !id.contains('@')), "an id tells nothing of the person");
    let zoned = GOOGLE.replace(":00,", ":00 GMT-5,");
    assert!(import(zoned, &[("arm", "a")], &[]).is_ok(), "a time that says its zone is no question");
}

#[test]
fn a_surveymonkey_export_has_two_rows_of_names() {
    let text = "Respondent ID,Collector ID,Start Date,End Date,Which?,,Why?\n,,,,A,B,Open-Ended Response\n\
        118392822527,1,03/02/2026 12:11:18 PM,03/02/2026 12:11:26 PM,A,B,\"so\nthat\"\n\
        118392565294,1,03/14/2026 09:47:17 PM,03/14/2026 09:47:38 PM,,B,\n";
    let pairs = [("arm", "a"), ("time_zone", "UTC")];
    let (understood, sink) = import(text, &pairs, &[("which", "Which? [*]"), ("why", "Why?")]).unwrap();
    assert_eq!(understood.header_lines, [1, 2]);
    assert_eq!(sink.acts["118392822527"].answers[0].1, "A; B");
    assert_eq!(sink.acts["118392565294"].answers, [("which".to_owned(), "B".to_owned())]);
    let rounded = text.replace("118392822527", "1.18393E+11");
    assert!(import(rounded, &pairs, &[]).unwrap_err().contains("shortened by a spreadsheet"));
}

#[test]
fn other_tools_are_known_by_their_column_of_times() {
    let pairs = [("arm", "a"), ("time_zone", "UTC")];
    for (text, answers) in [
        ("Submission ID,Respondent ID,Submitted at,Name\nx1,r1,2026-03-02 10:00:00,Ann\n", 1),
        ("Submission Date,Name,Submission ID\n2026-03-02 10:00:00,Ann,7\n", 1),
        ("ID;Startzeit;Fertigstellungszeit;E-Mail;Name\n1;02.03.2026 10:00;02.03.2026 10:01;anonymous;Ann\n", 1),
        (
            "StartDate,EndDate,Finished,RecordedDate,ResponseId,Q1\nStart Date,End Date,Finished,Recorded Date,Response ID,Why?\n\
          \"{\"\"ImportId\"\":\"\"s\"\"}\",\"{\"\"ImportId\"\":\"\"e\"\"}\",\"{\"\"ImportId\"\":\"\"f\"\"}\",\"{\"\"ImportId\"\":\"\"r\"\"}\",\"{\"\"ImportId\"\":\"\"i\"\"}\",\"{\"\"ImportId\"\":\"\"q\"\"}\"\n\
          2026-03-02 10:00:00,2026-03-02 10:01:00,True,2026-03-02 10:01:01,R_1,x\n\
          2026-03-02 10:00:00,2026-03-02 10:01:00,False,2026-03-02 10:01:01,R_2,x\n",
            1,
        ),
    ] {
        let (understood, _) = import(text, &pairs, &[]).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(understood.answers, answers, "{text}");
    }
}

#[test]
fn x1_every_way_of_writing_the_same_answers_gives_the_same_acts() {
    let pairs = [("arm", "a"), ("time_zone", "UTC")];
    let text = "Submission ID,Submitted at,Your e-mail,Größe\nx1,2026-03-02 10:00:00,ann@example.org,groß\nx2,2026-03-03 10:00:00,bo@example.org,\"a\nb\"\n";
    let (_, plain) = import(text, &pairs, &[("size", "Größe")]).unwrap();
    let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin: Vec<u8> = text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    for bytes in [
        format!("\u{feff}{text}").into_bytes(),
        utf16,
        latin,
        text.replace(',', ";").into_bytes(),
        text.replace(',', "\t").into_bytes(),
        text.replace('\n', "\r\n").into_bytes(),
    ] {
        let (_, sink) = import(&bytes, &pairs, &[("size", "Größe")]).unwrap();
        let same = sink
            .acts
            .iter()
            .zip(&plain.acts)
            .all(|((id, act), (other, first))| (id, &act.person, act.at) == (other, &first.person, first.at));
        assert!(same && sink.acts.len() == 2, "{:?}", sink.acts);
    }
}

#[test]
fn a_value_that_many_answers_share_is_told_by_its_count_and_not_by_what_it_is() {
    let text = |guests: u32| {
        let answer = |number: u32| {
            let who = if number < guests {
                "guest-7f3a"
            } else if number < 9 {
                "aB1"
            } else {
                "Ab1"
            };
            format!("x{number},2026-03-02 10:00:{number:02},{who}\n")
        };
        format!("Submission ID,Submitted at,Member\n{}", (0..12).map(answer).collect::<String>())
    };
    let pairs = [("arm", "a"), ("time_zone", "UTC"), ("person_column", "Member")];
    let (understood, sink) = import(text(6), &pairs, &[]).unwrap();
    assert_eq!(sink.acts["x11"].person.as_deref(), Some("form:Ab1"));
    let json = serde_json::to_string(&understood).unwrap();
    for shown in [understood.to_string(), json] {
        assert!(shown.contains("1 value stands in 5 answers or more, the most frequent in 6 of 12"), "{shown}");
        assert!(!shown.contains("guest-7f3a"), "{shown}");
    }
    let (understood, _) = import(text(4), &pairs, &[]).unwrap();
    assert!(understood.warnings.iter().any(|said| said.contains("the most frequent in 5 of 12")), "{understood:?}");
    let few = text(3).replace("10:00:03,aB1", "10:00:03,m1").replace("10:00:04,aB1", "10:00:04,m2");
    let (understood, _) = import(few, &pairs, &[]).unwrap();
    assert!(!understood.to_string().contains("answers or more"), "{understood}");
}

#[test]
fn what_is_not_clear_is_asked_or_refused_with_its_line() {
    let pairs = [("arm", "a"), ("time_zone", "UTC")];
    let head = "Submission ID,Submitted at,Status,Email\n";
    let row = |id: &str, at: &str, status: &str| format!("{id},{at},{status},ann@example.org\n");
    let day = "2026-03-02 10:00:00";
    for (text, words) in [
        (head.to_owned(), "no answers"),
        (format!("{head}{}", row("x", "2027-01-01 10:00:00", "Complete")), "future"),
        (format!("{head}{}", row("x", "soon", "Complete")), "is not a day and time"),
        (format!("{head}{}", row("x", "", "Complete")), "nothing says when any answer was sent"),
        (
            format!("{head}{}{}", row("x", day, "Complete"), row("y", "", "Complete")),
            "nothing says when this answer was sent",
        ),
        (format!("{head}{}", row("", day, "Complete")), "no id"),
        (format!("{head}{}", row("ann@example.org", day, "Complete")), "never kept as they stand"),
        (
            format!("{head}{}{}", row("x", day, "Complete"), row("x", day, "Complete ")),
            "has the id of the one on line 2",
        ),
        (format!("{head}{}{}", row("x", day, "Complete"), row("y", day, "Paid")), "complete = "),
        (format!("{head}{}", row("x", day, "Partial")), "name its first day with the setting since"),
        (format!("{head}x,{day}\n"), "2 fields"),
        (format!("{head}x,{day},Complete,\"ann"), "quote"),
        ("Name,Colour\nAnn,red\n".to_owned(), "no row with column names"),
    ] {
        match import(&text, &pairs, &[]) {
            Err(error) => assert!(error.contains(words), "{words}: {error}"),
            Ok((understood, _)) => panic!("{words}: {understood:?}"),
        }
    }
    let (understood, _) = import(format!("{head}{0}{0}", row("x", day, "Complete")), &pairs, &[]).unwrap();
    assert_eq!((understood.answers, understood.repeated), (1, 1), "pasted twice, counted once");
}

#[test]
fn days_without_an_answer_count_only_where_somebody_says_so() {
    let text = "Submission ID,Submitted at\nx1,2026-03-05T10:00:00Z\n";
    let span = |pairs: Pairs<'_>| {
        import(text, pairs, &[]).map(|(understood, _)| (understood.first.to_string(), understood.last.to_string()))
    };
    assert_eq!(span(&[("arm", "a")]), Ok(("2026-03-05".into(), "2026-03-05".into())));
    let said = [("arm", "a"), ("since", "2026-03-02"), ("until", "2026-03-09")];
    assert_eq!(span(&said), Ok(("2026-03-02".into(), "2026-03-09".into())));
    assert!(span(&[("arm", "a"), ("until", "2026-03-04")]).unwrap_err().contains("there is an answer of 2026-03-05"));
    assert!(span(&[("arm", "a"), ("until", "2026-11-23")]).unwrap_err().contains("future"));
}

#[test]
fn days_on_which_forms_were_only_begun_before_the_first_answer_do_not_count() {
    let text = "Submission ID,Start Date (UTC),Submit Date (UTC),Response Type\n\
        x1,2026-03-01T10:00:00Z,2026-03-05T10:00:00Z,completed\n\
        x2,2026-03-03T10:00:00Z,,started\n\
        x3,2026-03-06T10:00:00Z,,started\n";
    let read = |pairs: Pairs<'_>| import(text, pairs, &[]).unwrap();
    let (understood, sink) = read(&[("arm", "a")]);
    assert_eq!((understood.first.to_string(), understood.last.to_string()), ("2026-03-05".into(), "2026-03-06".into()));
    assert_eq!(sink.opens.len(), 2, "{:?}", sink.opens);
    let said = understood.to_string();
    assert!(said.contains("1 form was begun before 2026-03-05 and left out"), "{said}");
    let (understood, sink) = read(&[("arm", "a"), ("since", "2026-03-02")]);
    assert_eq!((understood.first.to_string(), sink.opens.len()), ("2026-03-02".into(), 3), "{:?}", sink.opens);
    let begun = "Submission ID,Start Date (UTC),Submit Date (UTC),Response Type\nx2,2026-03-03T10:00:00Z,,started\n";
    assert!(import(begun, &[("arm", "a")], &[]).unwrap_err().contains("setting since"));
    let (understood, _) = import(begun, &[("arm", "a"), ("since", "2026-03-02")], &[]).unwrap();
    assert_eq!((understood.answers, understood.partial), (0, 1), "all who began gave up");
}

#[test]
fn what_is_shown_of_a_file_holds_no_address_and_nothing_written_freely() {
    let text = "Submission ID,Submitted at,Email,Role,Why,Who else\n\
        x1,2026-03-05T10:00:00Z,ann@example.org,CFO,canary words,ask canary@example.org please\n";
    let asked = |name: &str, asked_as: &str, is_free_text| Question {
        name: name.into(),
        asked_as: asked_as.into(),
        is_free_text,
    };
    let questions = [asked("role", "Role", false), asked("why", "Why", true), asked("other", "Who else", false)];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers.csv");
    std::fs::write(&path, text).unwrap();
    let understood = understand(&path, &settings(&[("arm", "a")]), &questions, ZONE).unwrap();
    for shown in [understood.to_string(), serde_json::to_string(&understood).unwrap()] {
        assert!(!shown.contains("canary") && !shown.contains("ann@") && !shown.contains("example.org"), "{shown}");
        assert!(shown.contains("CFO") && shown.contains("12 letters"), "{shown}");
    }
}

#[test]
fn three_real_exports_and_a_fourth_are_read_as_they_are() {
    for (file, pairs, rows, answers, partial) in [
        ("typeform-new-coders/typeform_export.csv", &[("arm", "a")][..], 800, 800, 0),
        ("jupyter-ux-survey/survey_export.csv", &[("arm", "a"), ("time_zone", "UTC")], 1706, 779, 927),
        ("surveymonkey-cncf/training_microsurvey.csv", &[("arm", "a"), ("time_zone", "UTC")], 134, 134, 0),
        ("dask-user-survey/responses_2021.csv", &[("arm", "a"), ("time_zone", "UTC")], 247, 247, 0),
    ] {
        let Some(path) = real_data(&format!("data/{file}")) else { return };
        let (understood, _, facts) = read(&path, pairs, &[]).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!((understood.rows, understood.answers, understood.partial), (rows, answers, partial), "{file}");
        // The SurveyMonkey file was cut of its last line end when it was published.
        let expected = usize::from(file.starts_with("surveymonkey"));
        assert_eq!(facts.warnings.len(), expected, "{file}: {:?}", facts.warnings);
    }
}

#[test]
fn the_real_funnel_by_day_is_the_one_its_publishers_counted() {
    let Some(path) = real_data("data/jupyter-ux-survey/survey_export.csv") else { return };
    let (_, sink, _) =
        read(&path, &[("arm", "a"), ("time_zone", "Europe/Berlin"), ("since", "2015-12-21")], &[]).unwrap();
    let counted = std::fs::read_to_string(path.with_file_name("daily_funnel.csv")).unwrap();
    let (mut opens, mut acts) = (0, 0);
    for line in counted.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [started, completed] = [1, 2].map(|column| fields[column].parse::<i64>().unwrap());
        let day: NaiveDate = fields[0].parse().unwrap();
        let sent = sink.acts.values().filter(|act| act.at.with_timezone(&ZONE).date_naive() == day).count();
        let sent = i64::try_from(sent).unwrap();
        // They count a whole answer on the day it was begun, and a day of ours has no more sign-ups than forms opened.
        assert_eq!(sink.opens.get(&day).copied().unwrap_or_default(), started - completed + sent, "{day}");
        (opens, acts) = (opens + started, acts + completed);
    }
    assert_eq!((opens, acts), (sink.opens.values().sum(), i64::try_from(sink.acts.len()).unwrap()));
}

#[test]
fn a_form_begun_before_midnight_and_sent_after_it_was_opened_on_the_day_of_its_answer() {
    let text = "Submission ID,Start Date (UTC),Submit Date (UTC),Response Type\n\
        x1,2026-03-02T09:00:00Z,2026-03-02T09:01:00Z,completed\n\
        x2,2026-03-03T22:50:00Z,2026-03-03T23:10:00Z,completed\n\
        x2,2026-03-03T22:50:00Z,2026-03-03T23:10:00Z,completed\n\
        x3,2026-03-03T22:50:00Z,,started\n\
        x3,2026-03-03T22:50:00Z,,started\n";
    let opens = |text: &str, pairs: Pairs<'_>| {
        let (understood, sink) = import(text, pairs, &[]).unwrap();
        let text = |(day, opens): (&NaiveDate, &i64)| (day.to_string(), *opens);
        (understood.repeated, sink.opens.iter().map(text).collect::<Vec<_>>())
    };
    let day = |day: &str, opens| (day.to_owned(), opens);
    // Days are cut in Berlin, where 23:10 UTC is tomorrow.
    let all = vec![day("2026-03-02", 1), day("2026-03-03", 1), day("2026-03-04", 1)];
    assert_eq!(opens(text, &[("arm", "a")]), (2, all));
    let sent: String = text.lines().take(4).map(|line| format!("{}\n", line.rsplit_once(',').unwrap().0)).collect();
    let each = vec![day("2026-03-02", 1), day("2026-03-04", 1)];
    assert_eq!(opens(&sent, &[("arm", "a"), ("form_opens", "answers")]), (1, each));
}
