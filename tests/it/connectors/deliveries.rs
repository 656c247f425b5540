//! What a file may say of deliveries, and what of a delivery is an act.

use willitsell::app;
use willitsell::connect::Deliveries;
use willitsell::connect::manifest::Manifest;
use willitsell::domain::connector::{SettingValue, Settings};
use willitsell::domain::inbound::Scheme;
use willitsell::domain::intake::Question;
use willitsell::domain::response::Depth;

fn typeform(questions: &[Question]) -> Box<dyn Deliveries> {
    let mut settings = Settings::default();
    settings.insert("form_id", SettingValue::Plain("F1".into()));
    let registry = app::registry().unwrap();
    registry.get("typeform").unwrap().deliveries(&settings, questions).unwrap().unwrap()
}

fn delivered(form: &str, act: &str) -> String {
    format!(
        r#"{{"event_id":"E","event_type":"form_response","form_response":{{"form_id":"{form}","token":"r1",{act}}}}}"#
    )
}

#[test]
fn every_vendor_that_sends_by_itself_is_known_by_its_scheme() {
    let mut schemes: Vec<_> =
        app::registry().unwrap().infos().into_iter().filter_map(|info| Some((info.name, info.inbound?))).collect();
    schemes.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("calendly", Scheme::Calendly),
        ("hubspot_contacts", Scheme::Hubspot),
        ("hubspot_deals", Scheme::Hubspot),
        ("hubspot_forms", Scheme::Hubspot),
        ("hubspot_meetings", Scheme::Hubspot),
        ("jotform", Scheme::Path),
        ("signed_form", Scheme::Standard),
        ("stripe_cards", Scheme::Stripe),
        ("stripe_checkout", Scheme::Stripe),
        ("stripe_payments", Scheme::Stripe),
        ("tally", Scheme::Tally),
        ("typeform", Scheme::Typeform),
    ];
    assert_eq!(schemes, expected.map(|(name, scheme)| (name.to_owned(), scheme)));
}

#[test]
fn an_act_that_was_sent_is_the_row_that_a_pull_gives() {
    let question = Question { name: "employees".into(), asked_as: "size".into(), is_free_text: false };
    let act = r#""submitted_at":"2026-03-01T09:00:00Z","hidden":{"arm":"a"},"answers":[
        {"type":"choice","choice":{"label":"11-50"},"field":{"id":"Q1","ref":"size"}},
        {"type":"email","email":"ann@example.com","field":{"id":"Q2","ref":"email"}}]"#;
    let sent = typeform(std::slice::from_ref(&question)).read(&delivered("F1", act)).unwrap().unwrap();
    let page = format!(r#"{{"items":[{{"response_id":"r1","token":"r1",{act}}}]}}"#);
    let (_, text) =
        willitsell::connect::Registry::manifests().iter().find(|(file, _)| file.contains("typeform")).unwrap();
    let manifest = Manifest::load("typeform.toml", text).unwrap();
    let is_same = manifest
        .try_answer(&page, &[], |rows| {
            let [willitsell::domain::connector::SourceRow::Response(read)] = rows else { panic!("{rows:?}") };
            assert_eq!(
                (&read.response_id, &read.arm_key, &read.person),
                (&sent.response_id, &sent.arm_key, &sent.person)
            );
            (read.at, read.depth, read.void) == (sent.at, sent.depth, sent.void)
        })
        .unwrap();
    assert!(is_same);
    assert_eq!((sent.depth, sent.person.as_deref()), (Depth::Email, Some("ann@example.com")));
    assert_eq!(sent.answers, [("employees".to_owned(), "11-50".to_owned())]);
}

#[test]
fn a_delivery_that_brings_no_act_is_told_from_one_that_cannot_be_read() {
    let whole = r#""submitted_at":"2026-03-01T09:00:00Z","hidden":{"arm":"a"}"#;
    let reader = typeform(&[]);
    assert!(reader.read(&delivered("F1", whole)).unwrap().is_some());
    assert!(reader.read(&delivered("F2", whole)).unwrap().is_none(), "another form's");
    assert!(
        reader
            .read(&delivered("F1", whole).replace(r#""form_response","#, r#""form_response_partial","#))
            .unwrap()
            .is_none()
    );
    for (broken, names) in [
        (delivered("F1", r#""submitted_at":"yesterday, ann@example.com""#), "submitted_at"),
        (delivered("F1", r#""hidden":{}"#), "submitted_at"),
        (delivered("F1", whole).replace("token", "id"), "token"),
        (delivered("F1", whole).replace("form_id", "form"), "form_id"),
        (r#"{"event_id":"E"}"#.into(), "event_type"),
        (r#"{"event_type":"form_response","form_response":[]}"#.into(), "form_id"),
        ("[]".into(), "event_type"),
        ("{".into(), "event_type"),
        (String::new(), "event_type"),
    ] {
        let why = reader.read(&broken).err().unwrap_or_else(|| panic!("{broken}"));
        assert!(why.contains(names) && !why.contains("ann@"), "{broken}: {why}");
    }
}

#[test]
fn an_inbound_table_that_cannot_be_meant_is_refused_with_its_line() {
    let (_, text) =
        willitsell::connect::Registry::manifests().iter().find(|(file, _)| file.contains("calendly")).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        Manifest::load("calendly.toml", &text.replacen(from, to, 1)).unwrap_err().to_string()
    };
    for (from, to, says) in [
        ("scheme = \"calendly\"", "scheme = \"calendy\"", "did you mean `calendly`?"),
        ("scheme = \"calendly\"", "scheme = \"path\"", "nothing proves"),
        ("act    = \"$.payload\"", "acts   = \"$.payload\"", "`acts` is not known here: did you mean `act`?"),
        ("act    = \"$.payload\"", "act    = \"$.payload[0]\"", "names alone"),
        ("act    = \"$.payload\"\n", "", "without `act`"),
        ("in = [\"invitee.created\"]", "in = []", "at least one"),
        ("act    = \"$.payload\"", "act    = \"$.payload\"\nid = \"$.uri[\"", "$.uri["),
    ] {
        let why = refused(from, to);
        assert!(why.contains(says), "{to}: {why}");
        assert!(why.starts_with("calendly.toml:"), "{why}");
    }
    let why = Manifest::load("calendly.toml", &text.replacen("\"arm\":\"v2\"", "", 1).replacen("arm = \"v2\", day = \"2026-03-01\", signups = 1 }]\n[[example]]\ndelivery = '{\"event\":\"invitee.canceled", "arm = \"v3\", day = \"2026-03-01\", signups = 1 }]\n[[example]]\ndelivery = '{\"event\":\"invitee.canceled", 1)).unwrap().run_examples();
    assert!(why.is_err(), "an example of a delivery is run");
}
