//! `[template.NAME]` and `[web] url`: what they make of a message, and what is wrong with how they are written.

use willitsell::domain::id::{ConceptId, DestinationId};
use willitsell::domain::message::Message;
use willitsell::domain::verdict::Verdict;

use super::*;

fn with(more: &str) -> String {
    format!("{SMALL}\n[notify.board.slack]\nurl = \"env:SLACK_URL\"\n{more}")
}

#[test]
fn a_template_puts_a_message_into_its_own_words_and_a_link_leads_to_our_pages() {
    let loaded = load(&with(
        "[web]\nurl = \"https://sell.example.com/\"\n[template.short]\nfor = [\"board\"]\nheadline = \"{concept}: {verdict}\"\n\
         lines = [\"Because: {why}\", \"{money}\", \"By {owner}\"]\n",
    ));
    let telling = loaded.unwrap_or_else(|problems| panic!("{problems:#?}")).config.telling;
    let concept = telling.concepts.keys().next().unwrap().clone();
    let message = Message {
        concept: concept.clone(),
        verdict: Some(Verdict::Kill),
        decision: None,
        topics: vec![],
        headline: "KILL · it".into(),
        lines: vec![("Why".into(), "nobody came".into())],
        decided_at: "2026-03-14T06:00:00Z".parse().unwrap(),
    };
    let put = telling.put(&message, &DestinationId::new("board"));
    assert_eq!(put.headline, format!("{concept}: KILL"));
    assert_eq!(put.lines[0], ("Because".to_owned(), "nobody came".to_owned()));
    assert_eq!(telling.put(&message, &DestinationId::new("growth")), message);
    assert_eq!(telling.page(&message), Some(format!("https://sell.example.com/concepts/{concept}")));
    let to_all = Message { concept: ConceptId::new("audience:cmo"), ..message };
    assert_eq!(telling.page(&to_all).as_deref(), Some("https://sell.example.com/"));
}

#[test]
fn n6_a_template_or_an_address_that_is_wrong_says_what_to_write() {
    for (written, what) in [
        ("[template.a]\nheadline = \"x\"\n", "template.a.for is missing"),
        ("[template.a]\nfor = [\"bord\"]\nheadline = \"x\"\n", "there is no receiver called"),
        ("[template.a]\nfor = [\"board\"]\n", "says nothing"),
        ("[template.a]\nfor = [\"board\"]\nlines = [\"{wy}\"]\n", "did you mean why"),
        ("[template.a]\nfor = [\"board\"]\nheadline = \"{why\"\n", "a brace without its other one"),
        ("[template.a]\nfor = [\"board\"]\nheadlin = \"x\"\n", "did you mean headline"),
        (
            "[template.a]\nfor = [\"board\"]\nheadline = \"x\"\n[template.b]\nfor = [\"board\"]\nheadline = \"x\"\n",
            "has another template already",
        ),
        ("[web]\nurl = \"http://sell.example.com\"\n", "must begin with https://"),
        ("[web]\nurl = \"https://sell.example.com/?a=b|c\"\n", "must end with its host"),
        ("[web]\nurl = \"https://u:p@sell.example.com\"\n", "must not hold a name or password"),
    ] {
        let problems = load(&with(written)).expect_err(written);
        assert!(format!("{problems:#?}").contains(what), "{written}: {problems:#?}");
    }
}
