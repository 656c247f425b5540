//! What people answered: found by the user's name of a question, and only that.

use willitsell::connect::PullError;
use willitsell::connect::manifest::{Manifest, Patience};
use willitsell::domain::intake::Question;

use super::{Jobs, Pulled, embedded, hasty, pages, pull_asking};

fn asked(questions: &[(&str, &str)]) -> Vec<Question> {
    let question = |&(name, asked_as): &(&str, &str)| Question {
        name: name.into(),
        asked_as: asked_as.into(),
        is_free_text: false,
    };
    questions.iter().map(question).collect()
}

/// A form with these answers and hidden fields, read for these questions.
async fn read(answers: &str, hidden: &str, questions: &[(&str, &str)], patience: Patience) -> Pulled {
    let item = format!(
        r#"{{"response_id":"r1","token":"r1","submitted_at":"2026-11-03T09:00:00Z","hidden":{hidden},"answers":[{answers}]}}"#
    );
    let page = format!(r#"{{"total_items":1,"page_count":1,"items":[{item}]}}"#);
    let vendor = pages(vec![page, r#"{"total_items":0,"page_count":0,"items":[]}"#.into()]).await;
    pull_asking(embedded("typeform"), "typeform", &vendor, patience, &Jobs::default(), &asked(questions)).await
}

fn said(pulled: &Pulled) -> String {
    pulled.outcome.as_ref().unwrap();
    let line = pulled.sink.batches.concat().concat();
    line.split_once("+00:00").unwrap().1.trim().to_owned()
}

#[tokio::test]
async fn answers_of_every_kind_are_read_by_the_users_name_of_the_question() {
    let answers = r#"
        {"field":{"id":"q1","ref":"size","type":"multiple_choice"},"type":"choice","choice":{"label":"51-200"}},
        {"field":{"id":"q2","ref":"roles","type":"multiple_choice"},"type":"choices","choices":{"labels":["Sales","Finance"]}},
        {"field":{"id":"q3","ref":"price","type":"number"},"type":"number","number":49},
        {"field":{"id":"q4","ref":"remote","type":"yes_no"},"type":"boolean","boolean":true},
        {"field":{"id":"q5","ref":"why","type":"long_text"},"type":"text","text":"Too \"slow\"\ntoday"},
        {"field":{"id":"q6","ref":"other","type":"multiple_choice"},"type":"choice","choice":{"other":"Farming"}},
        {"field":{"id":"q7","ref":"unasked","type":"short_text"},"type":"text","text":"private"}"#;
    let questions = [
        ("employees", "size"),
        ("roles", "roles"),
        ("price", "q3"),
        ("remote", "remote"),
        ("why", "why"),
        ("trade", "other"),
        ("plan", "plan"),
        ("missing", "nothing"),
    ];
    let pulled = read(answers, r#"{"arm":"a","plan":"pro"}"#, &questions, Patience::default()).await;
    let expected = r#"employees="51-200" roles="Sales; Finance" price="49" remote="true" why="Too \"slow\"\ntoday" trade="Farming" plan="pro""#;
    assert_eq!(said(&pulled), expected);
    assert_eq!(said(&read(answers, "{}", &[], Patience::default()).await), "", "nothing that was not asked for");
}

#[tokio::test]
async fn a_name_with_quotes_and_brackets_finds_itself_and_nothing_else() {
    let hostile = r#"it's "x" \ ] || @.y == ''"#;
    let field = serde_json::to_string(hostile).unwrap();
    let answers = format!(
        r#"{{"field":{{"id":"q","ref":{field}}},"type":"text","text":"yes"}}, {{"field":{{"id":"p","ref":"other"}},"type":"text","text":"no"}}"#
    );
    let pulled = read(&answers, "{}", &[("odd", hostile)], Patience::default()).await;
    assert_eq!(said(&pulled), r#"odd="yes""#);
}

#[tokio::test]
async fn h18_an_answer_of_another_kind_fails_the_window_and_is_not_shown() {
    let answers = r#"{"field":{"id":"q","ref":"size"},"type":"text","text":{"zzz":"qqq"}}"#;
    let pulled = read(answers, "{}", &[("size", "size")], hasty()).await;
    let error = pulled.error();
    assert!(matches!(pulled.outcome, Err(PullError::Shape { .. })), "{error}");
    assert!(error.contains("stands where an answer must") && !error.contains("qqq"), "{error}");
}

#[test]
fn the_paths_of_answers_must_hold_the_users_name() {
    let typeform = embedded("typeform");
    let said = |text: &str| Manifest::load("typeform.toml", text).unwrap_err().to_string();
    let path = "\"$.hidden['{answer}']\"";
    assert!(said(&typeform.replace(path, "\"$.hidden.size\"")).contains("a path of `answer` holds `{answer}`"));
    assert!(said(&typeform.replace(path, "7")).contains("`answer` is a path, or a list of paths"));
    assert!(said(&typeform.replace("form_id", "answer")).contains("call that setting otherwise"));
    let elsewhere = typeform.replace("day  = \"$.submitted_at\"", "day = \"$['{answer}']\"");
    assert!(said(&elsewhere).contains("`{answer}` is not a setting or placeholder here"));
    let offered = Manifest::load("typeform.toml", typeform).unwrap();
    assert!(offered.info().reads_answers);
}

#[tokio::test]
async fn an_act_that_no_longer_stands_says_why() {
    let asked = r#"void = { no_show = { path = "$.calculated.score", in = [7] }, refunded = { path = "$.calculated.score", not_in = [0, 7] } }"#;
    let till = embedded("typeform").replacen("[response]", &format!("[response]\n{asked}"), 1);
    assert!(till.contains("no_show"), "the file has another form");
    let read = async |score: &str| {
        let item = format!(
            r#"{{"response_id":"r1","token":"r1","submitted_at":"2026-11-03T09:00:00Z","hidden":{{}},"calculated":{{{score}}},"answers":[]}}"#
        );
        let page = format!(r#"{{"total_items":1,"page_count":1,"items":[{item}]}}"#);
        let vendor = pages(vec![page, r#"{"total_items":0,"page_count":0,"items":[]}"#.into()]).await;
        pull_asking(&till, "typeform", &vendor, hasty(), &Jobs::default(), &[]).await
    };
    for (score, expected) in [("\"score\":0", ""), ("\"score\":7", "void=no_show"), ("\"score\":3", "void=refunded")] {
        assert_eq!(said(&read(score).await), expected, "{score}");
    }
    let gone = read("").await.error();
    assert!(gone.contains("decides whether the row counts"), "{gone}");
    let wrong = Manifest::load("typeform.toml", &till.replace("no_show", "no_shows")).unwrap_err().to_string();
    assert!(wrong.contains("`no_shows` is not known here") && wrong.contains("no_show"), "{wrong}");
}

#[test]
fn what_tells_acts_apart_is_not_the_address() {
    let address = embedded("mailchimp").replace("\"$.contact_id\"", "\"$.email_address\"");
    let said = Manifest::load("mailchimp.toml", &address).unwrap_err().to_string();
    assert!(said.contains("`id` is kept as it stands, so it is not the person"), "{said}");
    // Nor a part of what only together tells them apart.
    let events = embedded("mixpanel");
    for (id, why) in [
        (r#"{ join = ["$.properties.time", "$.properties.distinct_id"] }"#, "so it is not the person"),
        (r#"{ join = ["$.properties.time", 7] }"#, "`id` is a path, or `{ join = "),
        (r#"["$.properties.time", "$.event"]"#, "`id` is a path, or `{ join = "),
        (r#"{ join = ["$.event", "properties.time"] }"#, "is not a JSONPath"),
    ] {
        let join = r#"{ join = ["$.properties.time", "$.properties['$insert_id']"] }"#;
        let said = Manifest::load("mixpanel.toml", &events.replacen(join, id, 1)).unwrap_err().to_string();
        assert!(said.contains(why), "{id}: {said}");
    }
}

#[tokio::test]
async fn the_person_is_the_first_address_and_several_choices_are_one_answer() {
    let row = |answers: &str| {
        format!(
            r#"{{"responseCode":200,"content":[{{"id":"60","form_id":"25","created_at":"2026-11-03 09:00:00","status":"ACTIVE","answers":{{{answers}}}}}]}}"#
        )
    };
    let asked = asked(&[("tools", "tools"), ("plan", "plan")]);
    let answers = r#""1":{"name":"email","answer":"n/a"},"2":{"name":"email","answer":"ann@acme.io"},"3":{"name":"tools","answer":["Sheets","Mail"]},"4":{"name":"plan","answer":"Pro"}"#;
    for (answers, expected) in [
        (answers, r#"60 ann@acme.io email 25 2026-11-03T09:00:00+00:00 tools="Sheets; Mail" plan="Pro""#),
        (r#""1":{"name":"email","answer":"customer 7"}"#, "60 customer 7 email 25 2026-11-03T09:00:00+00:00"),
        (r#""1":{"name":"email"}"#, "60 - email 25 2026-11-03T09:00:00+00:00"),
    ] {
        let vendor = pages(vec![row(answers), r#"{"responseCode":200,"content":[]}"#.into()]).await;
        let pulled = pull_asking(embedded("jotform"), "jotform", &vendor, hasty(), &Jobs::default(), &asked).await;
        pulled.outcome.as_ref().unwrap();
        assert_eq!(pulled.sink.batches.concat().concat().trim(), expected);
    }
}
