//! Messages on their way to the fake receivers: when they are tried again, what an answer means, what
//! a repeat looks like, and that neither hostile text nor a secret address gets through.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use reqwest::Client;
use secrecy::SecretString;
use serde_json::Value;
use willitsell::domain::connector::{SettingValue, Settings};
use willitsell::domain::id::{ConceptId, DestinationId};
use willitsell::domain::message::{Delivery, Destination, Message};
use willitsell::domain::verdict::Verdict;
use willitsell::notify::{self, Notifier, NotifyError};
use willitsell::sandbox::{Answer, Endpoint, Fault, Sandbox, Secrets, Setup, demo, slack};

use crate::sandbox::client;

mod crashes;
pub mod email;

/// Planted in every address and secret; must never come out again.
const CANARY: &str = "canary7f3a9e";

fn now() -> DateTime<Utc> {
    "2026-03-15T06:00:00Z".parse().unwrap()
}

async fn start() -> Sandbox {
    let mut setup = Setup::new(demo::world(demo::SEED), now());
    setup.secrets = Secrets { slack_key: CANARY.into(), ..setup.secrets };
    Sandbox::start(setup).await.unwrap()
}

fn destination(kind: &'static str, url: &str, secret: &str) -> Destination {
    let mut settings = Settings::default();
    settings.insert("url", SettingValue::Secret(SecretString::from(url)));
    settings.insert("secret", SettingValue::Secret(SecretString::from(secret)));
    Destination { id: DestinationId::new("growth"), kind, settings }
}

/// Every kind that posts to an address, with its fake receiver. E-mail has a file of its own.
const POSTED: [(&str, Endpoint); 6] = [
    ("slack", Endpoint::Slack),
    ("webhook", Endpoint::Webhook),
    ("mattermost", Endpoint::Mattermost),
    ("discord", Endpoint::Discord),
    ("teams", Endpoint::Teams),
    ("google_chat", Endpoint::GoogleChat),
];

fn notifier(sandbox: &Sandbox, kind: &'static str, client: Client) -> Box<dyn Notifier> {
    let endpoint = POSTED.iter().find(|(known, _)| *known == kind).unwrap().1;
    let destination = destination(kind, &sandbox.url(endpoint), &sandbox.secrets().webhook_secret);
    notify::build(&destination, client).unwrap()
}

fn delivery(attempts: u32) -> Delivery {
    let line = |label: &str, text: &str| (label.to_owned(), text.to_owned());
    Delivery {
        id: "verdict-7_growth".into(),
        destination: DestinationId::new("growth"),
        message: Message {
            concept: ConceptId::new("cat-meals"),
            verdict: Some(Verdict::Build),
            decision: None,
            topics: vec![],
            headline: "BUILD · Vet-approved meal kit for cats · decide by Fri 20 Mar (owner: Dana, head of product)"
                .into(),
            lines: vec![
                line("Why", "6.0% signed up (range 4.0-8.5%); break-even is 3.0%, fixed 2 March"),
                line("Evidence", "1,240 visitors, 14 settled days, 2 channels"),
                line("Money", "$3,170 spent · $42.84 per sign-up"),
                line(
                    "Next",
                    "Decide: build as recommended, kill, or test longer · stop the ads unless you test longer",
                ),
            ],
            decided_at: "2026-03-14T06:00:00Z".parse().unwrap(),
        },
        attempts,
        may_repeat: attempts > 1,
        not_before: now(),
        thread: "verdict-7_growth".into(),
        quiet: None,
        page: None,
    }
}

/// Every text in a JSON value.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn permanent(result: &Result<(), NotifyError>) -> bool {
    matches!(result, Err(NotifyError::Permanent { .. }))
}

#[test]
fn n1_ten_attempts_over_75_hours_with_jitter() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut differ = false;
    for (attempts, seconds) in (0..).zip([0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]) {
        let planned = Duration::from_secs(seconds);
        for _ in 0..100 {
            let wait = notify::next_attempt(attempts, &mut rng).unwrap();
            assert!(wait >= planned.mul_f64(0.9) && wait <= planned.mul_f64(1.1), "{attempts}: {wait:?}");
            differ |= wait != planned;
        }
    }
    assert!(differ, "jitter");
    assert_eq!(notify::next_attempt(10, &mut rng), None, "exhausted");
    assert_eq!(notify::next_attempt(u32::MAX, &mut rng), None);
}

#[tokio::test]
async fn n1_a_receiver_down_for_8_hours_gets_it_and_one_down_for_80_exhausts_it() {
    for (down, delivered) in [(8, true), (80, false)] {
        let sandbox = start().await;
        let notifier = notifier(&sandbox, "webhook", client());
        let mut rng = ChaCha8Rng::seed_from_u64(down);
        let (mut clock, mut attempts) = (now(), 0);
        let arrived = loop {
            let Some(wait) = notify::next_attempt(attempts, &mut rng) else { break false };
            clock += wait;
            attempts += 1;
            sandbox.set_now(clock);
            if clock < now() + Duration::from_hours(down) {
                sandbox.script(Endpoint::Webhook, [Fault::status(503)]);
            }
            if notifier.send(&delivery(attempts), clock).await.is_ok() {
                break true;
            }
        };
        assert_eq!((arrived, sandbox.messages().len()), (delivered, usize::from(delivered)), "down {down} h");
    }
}

#[tokio::test]
async fn n2_what_each_status_means() {
    let sandbox = start().await;
    let send = async |kind, endpoint, fault| {
        sandbox.script(endpoint, [fault]);
        notifier(&sandbox, kind, client()).send(&delivery(1), now()).await
    };
    for (kind, endpoint) in POSTED {
        // A Slack says `ok`.
        for status in [200, 201, 202, 204].into_iter().filter(|_| kind != "slack") {
            assert_eq!(send(kind, endpoint, Fault::status(status)).await, Ok(()), "{kind} {status}");
        }
        for status in [400, 401, 403, 404, 405, 410, 422] {
            assert!(permanent(&send(kind, endpoint, Fault::status(status)).await), "{kind} {status}");
        }
        for status in [301, 307, 408, 425, 429, 500, 502, 503, 504] {
            let result = send(kind, endpoint, Fault::status(status)).await;
            assert!(matches!(result, Err(NotifyError::Temporary { retry_after: None, .. })), "{kind} {status}");
        }
        for (header, seconds) in [("90", 90), ("Sun, 15 Mar 2026 06:05:00 GMT", 300), ("999999999", 3600), ("0", 1)] {
            let fault = Answer::json(429, String::new()).with("retry-after", header).into();
            let result = send(kind, endpoint, fault).await;
            let asked = Some(Duration::from_secs(seconds));
            assert!(
                matches!(result, Err(NotifyError::Temporary { retry_after, .. }) if retry_after == asked),
                "{header}"
            );
        }
    }
    for kind in ["webhook", "mattermost", "discord", "google_chat"] {
        let endpoint = POSTED.iter().find(|(known, _)| *known == kind).unwrap().1;
        assert!(permanent(&send(kind, endpoint, Fault::status(413)).await), "{kind}");
    }
    assert!(permanent(&send("mattermost", Endpoint::Mattermost, Fault::status(501)).await), "webhooks are off");
}

#[tokio::test]
async fn n2_discord_says_in_the_body_how_long_to_wait() {
    let sandbox = start().await;
    let notifier = notifier(&sandbox, "discord", client());
    for (body, header, seconds) in [
        (r#"{"message":"slow down","retry_after":64.57,"global":false}"#, None, Some(65)),
        (r#"{"retry_after":3.1}"#, Some("90"), Some(90)),
        (r#"{"retry_after":1e300}"#, None, None),
        (r#"{"retry_after":-4}"#, None, None),
        (r#"{"retry_after":99999}"#, None, Some(3600)),
        ("<html>", None, None),
    ] {
        let mut answer = Answer::json(429, body.into());
        if let Some(header) = header {
            answer = answer.with("retry-after", header);
        }
        sandbox.script(Endpoint::Discord, [answer.into()]);
        let result = notifier.send(&delivery(1), now()).await;
        let asked = seconds.map(Duration::from_secs);
        assert!(
            matches!(&result, Err(NotifyError::Temporary { retry_after, .. }) if *retry_after == asked),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn n2_a_card_that_is_too_large_for_teams_is_sent_again_as_its_headline() {
    let sandbox = start().await;
    let notifier = notifier(&sandbox, "teams", client());
    sandbox.script(Endpoint::Teams, [Fault::status(413)]);
    notifier.send(&delivery(1), now()).await.unwrap();
    let shown = texts(&sandbox.messages().pop().unwrap().body).join("\n");
    assert!(shown.contains("BUILD · Vet-approved") && !shown.contains("$3,170"), "{shown}");
    sandbox.script(Endpoint::Teams, [Fault::status(413), Fault::status(413)]);
    assert!(permanent(&notifier.send(&delivery(1), now()).await), "once, not for ever");
}

#[tokio::test]
async fn n2_a_redirect_is_a_failure_and_not_followed() {
    let sandbox = start().await;
    for (kind, endpoint) in POSTED {
        let elsewhere = Answer::json(302, String::new()).with("location", sandbox.url(Endpoint::Typeform));
        sandbox.script(endpoint, [elsewhere.into()]);
        let error = notifier(&sandbox, kind, client()).send(&delivery(1), now()).await.unwrap_err();
        assert!(error.to_string().contains("redirect"), "{error}");
    }
    assert_eq!(sandbox.calls(Endpoint::Typeform), 0);
}

#[tokio::test]
async fn n2_slack_says_more_with_a_word_than_with_a_status() {
    let sandbox = start().await;
    let notifier = notifier(&sandbox, "slack", client());
    for (status, word) in [
        (400, "invalid_payload"),
        (400, "user_not_found"),
        (403, "action_prohibited"),
        (403, "invalid_token"),
        (404, "channel_not_found"),
        (404, "no_service"),
        (410, "channel_is_archived"),
        // The same words where write-ups disagree about the status.
        (200, "no_service"),
        (500, "team_disabled"),
    ] {
        sandbox.script(Endpoint::Slack, [slack::refused(status, word)]);
        let result = notifier.send(&delivery(1), now()).await;
        assert!(permanent(&result), "{status} {word}");
        assert!(result.unwrap_err().to_string().contains(word), "the operator can look the word up");
    }
    for (status, word) in [(500, "rollup_error"), (400, "rollup_error"), (200, "<html>sign in</html>"), (200, "")] {
        sandbox.script(Endpoint::Slack, [slack::refused(status, word)]);
        let result = notifier.send(&delivery(1), now()).await;
        assert!(matches!(result, Err(NotifyError::Temporary { .. })), "{status} {word}");
    }
    assert!(sandbox.messages().is_empty());
}

#[tokio::test]
async fn n2_slack_blocks_refused_are_sent_again_once_as_text() {
    let sandbox = start().await;
    let notifier = notifier(&sandbox, "slack", client());
    for refused in [slack::refused(400, "invalid_blocks"), Fault::status(413)] {
        sandbox.script(Endpoint::Slack, [refused.clone()]);
        notifier.send(&delivery(1), now()).await.unwrap();
        let message = sandbox.messages().pop().unwrap();
        let text = message.body["text"].as_str().unwrap();
        assert!(message.body.get("blocks").is_none());
        assert!(text.starts_with("```BUILD · Vet-approved") && text.contains("\nMoney     $3,170 spent"), "{text}");
        let before = sandbox.calls(Endpoint::Slack);
        sandbox.script(Endpoint::Slack, [refused.clone(), refused]);
        assert!(permanent(&notifier.send(&delivery(1), now()).await));
        assert_eq!(sandbox.calls(Endpoint::Slack) - before, 2, "once, not for ever");
    }
}

#[tokio::test]
async fn n3_every_attempt_carries_the_same_id_and_its_own_time() {
    let sandbox = start().await;
    let notifier = notifier(&sandbox, "webhook", client());
    sandbox.script(Endpoint::Webhook, [Fault::status(500)]);
    assert!(notifier.send(&delivery(1), now()).await.is_err());
    // Taken by the receiver, but its answer lost before it was recorded: sent once more, later.
    notifier.send(&delivery(2), now()).await.unwrap();
    let later = now() + Duration::from_hours(2);
    assert!(permanent(&notifier.send(&delivery(3), later).await), "a signature of another hour is refused");
    sandbox.set_now(later);
    notifier.send(&delivery(3), later).await.unwrap();
    let messages = sandbox.messages();
    let seen: Vec<_> = messages.iter().map(|it| (it.delivery_id.as_deref(), it.repeat)).collect();
    assert_eq!(seen, [(Some("verdict-7_growth"), false), (Some("verdict-7_growth"), true)]);
    assert_eq!(messages[0].body, messages[1].body);
    assert_eq!(messages[0].body["type"], "verdict.changed");
    assert_eq!(messages[0].body["timestamp"], "2026-03-14T06:00:00Z");
    assert_eq!(messages[0].body["data"]["verdict"], "BUILD");
    assert_eq!(messages[0].body["data"]["lines"][0]["label"], "Why");
}

#[tokio::test]
async fn a_notice_names_no_verdict_and_a_stored_message_of_before_still_has_its_own() {
    let sandbox = start().await;
    let mut notice = delivery(1);
    notice.message.verdict = None;
    notice.message.headline = "LOGIN · google needs a person".into();
    for kind in ["webhook", "slack"] {
        notifier(&sandbox, kind, client()).send(&notice, now()).await.unwrap();
    }
    let [webhook, slack] = &sandbox.messages()[..] else { panic!("two messages") };
    assert_eq!(webhook.body["type"], "notice");
    assert_eq!(webhook.body["data"].get("verdict"), None);
    assert_eq!(webhook.body["data"]["headline"], "LOGIN · google needs a person");
    assert_eq!(slack.body["blocks"][0]["text"]["text"], "LOGIN · google needs a person");
    let told = texts(&slack.body).join("\n");
    assert!(told.contains("Noticed Sat 14 Mar") && !told.contains("Decided"), "{told}");

    let stored = r#"{"concept":"a","verdict":"KILL","headline":"h","lines":[],"decided_at":"2026-03-14T06:00:00Z"}"#;
    let of_before: Message = serde_json::from_str(stored).unwrap();
    assert_eq!(of_before.verdict, Some(Verdict::Kill));
    let kept = serde_json::to_string(&notice.message).unwrap();
    assert_eq!(serde_json::from_str::<Message>(&kept).unwrap(), notice.message);
}

#[tokio::test]
async fn n3_slack_shows_the_id_and_marks_what_may_be_a_repeat() {
    let sandbox = start().await;
    let notifier = notifier(&sandbox, "slack", client());
    notifier.send(&delivery(1), now()).await.unwrap();
    notifier.send(&delivery(2), now()).await.unwrap();
    let messages = sandbox.messages();
    assert_eq!([messages[0].repeat, messages[1].repeat], [false, true], "the visible id tells a reader");
    for (message, marked) in messages.iter().zip([false, true]) {
        let body = &message.body;
        let footer = body["blocks"].as_array().unwrap().last().unwrap()["elements"][0]["text"].as_str().unwrap();
        assert!(footer.starts_with("Decided Sat 14 Mar 2026, 06:00 UTC · Delivery verdict-7_growth"), "{footer}");
        assert_eq!(footer.contains("may repeat"), marked, "{footer}");
        assert_eq!(body["text"].as_str().unwrap().contains("may repeat"), marked);
    }
}

#[tokio::test]
async fn n3_every_kind_shows_the_id_says_when_it_was_decided_and_marks_what_may_be_a_repeat() {
    let sandbox = start().await;
    // A program reads the id where its standard puts it.
    for (kind, endpoint) in POSTED.into_iter().filter(|(kind, _)| *kind != "webhook") {
        let notifier = notifier(&sandbox, kind, client());
        notifier.send(&delivery(1), now()).await.unwrap();
        notifier.send(&delivery(2), now()).await.unwrap();
        let messages: Vec<_> = sandbox.messages().into_iter().filter(|it| it.endpoint == endpoint).collect();
        for (message, is_repeat) in messages.iter().zip([false, true]) {
            let told = texts(&message.body).join("\n");
            assert_eq!(
                (message.delivery_id.as_deref(), message.repeat),
                (Some("verdict-7_growth"), is_repeat),
                "{kind}"
            );
            assert_eq!(told.contains("may repeat an earlier message with this id"), is_repeat, "{kind}: {told}");
            assert!(told.contains("Decided Sat 14 Mar 2026, 06:00 UTC"), "{kind}: {told}");
            assert!(told.contains("BUILD · Vet-approved meal kit for cats"), "{kind}: {told}");
            for part in ["Why", "Evidence", "Money", "Next", "$3,170 spent · $42.84 per sign-up"] {
                assert!(told.contains(part), "{kind}: {told}");
            }
        }
    }
}

#[tokio::test]
async fn n3_no_answer_may_be_an_arrival_and_no_connection_is_none() {
    let sandbox = start().await;
    let arrived = |result: Result<(), NotifyError>| match result {
        Err(NotifyError::Temporary { may_have_arrived, .. }) => may_have_arrived,
        other => panic!("{other:?}"),
    };
    // The first client installs what every other one encrypts with.
    let patient = client();
    let impatient = || Client::builder().read_timeout(Duration::from_millis(50)).no_proxy().build().unwrap();
    for (kind, endpoint) in POSTED {
        sandbox.script(endpoint, [Fault::Slow(Duration::from_hours(1))]);
        assert!(arrived(notifier(&sandbox, kind, impatient()).send(&delivery(1), now()).await), "{kind}");
        sandbox.script(endpoint, [Fault::status(503)]);
        assert!(!arrived(notifier(&sandbox, kind, patient.clone()).send(&delivery(1), now()).await), "{kind}");
        for status in [500, 502, 504, 524] {
            sandbox.script(endpoint, [Fault::status(status)]);
            let result = notifier(&sandbox, kind, patient.clone()).send(&delivery(1), now()).await;
            assert!(arrived(result), "{kind}: what stands before it does not know, {status}");
        }
        let secret = format!("whsec_{}", "A".repeat(32));
        // A port that nobody listens on.
        let unreachable = destination(kind, "http://127.0.0.1:1/", &secret);
        let notifier = notify::build(&unreachable, client()).unwrap();
        assert!(!arrived(notifier.send(&delivery(1), now()).await), "{kind}");
    }
}

#[tokio::test]
async fn n4_making_a_notifier_tells_nobody_anything() {
    let sandbox = start().await;
    for (kind, endpoint) in POSTED {
        notifier(&sandbox, kind, client());
        assert_eq!(sandbox.calls(endpoint), 0);
    }
}

/// What someone could write into a title, a name or a campaign.
fn hostile() -> Vec<String> {
    let mut all: Vec<String> = [
        "<!channel> <!here> <!everyone> <@U012AB> <#C012AB> <!subteam^S01>",
        "<https://evil.example|your bank> <mailto:a@b.example|mail>",
        "*bold* _slanted_ ~struck~ `code` ```block``` > quote :tada:",
        "a & b &amp; c &lt;!channel&gt; &",
        "first\nNext: approve everything\r\nMoney: $0\u{2028}x\u{2029}y\u{85}z",
        "\u{202e}edoc llive\u{202c} \u{2066}x\u{2069} \u{200f}\u{200e}\u{061c}مرحبا",
        "nul\0bell\u{7}esc\u{1b}[31mred\u{9b}del\u{7f}",
        "quote \" backslash \\ brace {} percent %s",
        "www.evil.example @channel @here a@b.example {{DATE(2026-01-01T00:00:00Z,SHORT)}} ${x} ||spoiler|| # head",
        "emoji \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} and a\u{301}",
        "",
        " \n\t\u{202e} ",
    ]
    .map(str::to_owned)
    .into();
    all.extend(["x", "&", "<!channel>", "`", "\u{1f600}", "\n", "\""].map(|it| it.repeat((1 << 20) / it.len())));
    all
}

fn hostile_delivery(text: &str) -> Delivery {
    let mut delivery = delivery(1);
    delivery.message.headline = text.into();
    delivery.message.concept = ConceptId::new(text);
    delivery.message.lines = vec![(text.into(), text.into()); 12];
    delivery
}

/// No raw `<` or `>`, and every `&` begins one of Slack's three escapes.
fn is_escaped(text: &str) -> bool {
    let ampersands_good = text
        .match_indices('&')
        .all(|(start, _)| ["&amp;", "&lt;", "&gt;"].iter().any(|entity| text[start..].starts_with(entity)));
    !text.contains(['<', '>']) && ampersands_good
}

fn is_one_line_in_one_direction(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control()
            || "\u{2028}\u{2029}\u{61c}\u{200e}\u{200f}".contains(c)
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    })
}

#[tokio::test]
async fn n6_hostile_text_is_inert_in_slack() {
    let sandbox = start().await;
    let notifier = notifier(&sandbox, "slack", client());
    for hostile in hostile() {
        let head: String = hostile.chars().take(20).collect();
        notifier.send(&hostile_delivery(&hostile), now()).await.unwrap_or_else(|error| panic!("{head:?}: {error}"));
        let body = sandbox.messages().pop().unwrap().body;
        assert!(body.to_string().len() < 40_000, "{head:?}: {}", body.to_string().len());
        assert_eq!(body["mrkdwn"], false);
        let blocks = body["blocks"].as_array().unwrap();
        let parts =
            blocks.iter().map(|block| if block["text"].is_object() { &block["text"] } else { &block["elements"][0] });
        for part in parts {
            assert_eq!((&part["type"], &part["emoji"]), (&"plain_text".into(), &false.into()));
            let text = part["text"].as_str().unwrap();
            assert!(is_escaped(text) && is_one_line_in_one_direction(text), "{text:?}");
        }
        assert!(
            body["text"].as_str().unwrap().lines().all(|line| is_escaped(line) && is_one_line_in_one_direction(line))
        );

        sandbox.script(Endpoint::Slack, [slack::refused(400, "invalid_blocks")]);
        notifier.send(&hostile_delivery(&hostile), now()).await.unwrap();
        let body = sandbox.messages().pop().unwrap().body;
        let text = body["text"].as_str().unwrap();
        assert!(text.len() < 5_000 && is_escaped(text));
        let inside = text.strip_prefix("```").and_then(|text| text.strip_suffix("```")).unwrap();
        assert!(!inside.contains('`'), "nothing ends the code block early");
    }
}

/// What has no meaning left: no mark that is not escaped, by the rules of each receiver.
fn is_inert(kind: &str, text: &str) -> bool {
    let backslashed = |marks: &str, but: &[&str]| {
        let mut rest = text.to_owned();
        for (from, to) in [("\\\\", "")].into_iter().chain(but.iter().map(|ours| (*ours, ""))) {
            rest = rest.replace(from, to);
        }
        let mut before = ' ';
        rest.chars().all(|letter| {
            let fine = !marks.contains(letter) || before == '\\';
            before = letter;
            fine
        })
    };
    let entities = |ours: &[&str]| {
        let rest = ours.iter().fold(text.to_owned(), |rest, tag| rest.replace(tag, ""));
        is_escaped(&rest)
    };
    match kind {
        "mattermost" => backslashed("*_~[]#|!", &["**", "`verdict-7_growth`"]) && entities(&[]),
        "discord" => backslashed("*_~[]()#|<>`", &["verdict-7_growth"]),
        "google_chat" => entities(&["<b>", "</b>", "<i>", "</i>"]),
        "teams" => !text.contains("{{"),
        _ => true,
    }
}

#[tokio::test]
async fn n6_hostile_text_is_inert_and_bounded_in_every_kind() {
    let sandbox = start().await;
    let most = [
        ("slack", 40_000),
        ("webhook", 48_000),
        ("mattermost", 40_000),
        ("discord", 20_000),
        ("teams", 21_000),
        ("google_chat", 32_000),
    ];
    for (kind, most) in most {
        let notifier = notifier(&sandbox, kind, client());
        for hostile in hostile() {
            let head: String = hostile.chars().take(20).collect();
            let sent = notifier.send(&hostile_delivery(&hostile), now()).await;
            sent.unwrap_or_else(|error| panic!("{kind} {head:?}: {error}"));
            let body = sandbox.messages().pop().unwrap().body;
            assert!(body.to_string().len() < most, "{kind} {head:?}: {}", body.to_string().len());
            let lines: Vec<String> = texts(&body).iter().flat_map(|text| text.split('\n')).map(str::to_owned).collect();
            assert!(lines.iter().all(|line| is_one_line_in_one_direction(line)), "{kind} {head:?}: {body}");
            let own = "http://adaptivecards.io/";
            let alive = ["://", "www.e", "@channel", "@here", "@b.example", ":tada:"];
            for line in lines.iter().filter(|line| kind != "webhook" && !line.starts_with(own)) {
                assert!(!alive.iter().any(|one| line.contains(one)), "{kind} {head:?}: {line:?}");
                // The message of a fallback has no markup at all.
                let is_plain = kind == "google_chat" && body["fallbackText"] == line.as_str();
                assert!(is_plain || is_inert(kind, line), "{kind} {head:?}: {line:?}");
            }
        }
    }
    assert_eq!(sandbox.messages().iter().filter(|it| it.endpoint == Endpoint::Discord).count(), hostile().len());
}

#[tokio::test]
async fn n6_a_message_leads_to_our_own_page_and_nowhere_else() {
    const PAGE: &str = "https://sell.example.com/concepts/cat-meals";
    let sandbox = start().await;
    for (kind, _) in POSTED {
        let notifier = notifier(&sandbox, kind, client());
        for hostile in ["<https://evil.example|here>", "[x](https://evil.example)", "https://evil.example"] {
            let delivery = Delivery { page: Some(PAGE.into()), ..hostile_delivery(hostile) };
            notifier.send(&delivery, now()).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
            let body = sandbox.messages().pop().unwrap().body;
            let texts = texts(&body);
            assert_eq!(texts.iter().filter(|text| text.contains(PAGE)).count(), 1, "{kind}: {body}");
            let led: Vec<&str> = texts.iter().flat_map(|text| text.split("://").skip(1)).collect();
            let ours = ["sell.example.com/", "adaptivecards.io/"];
            let is_ours = |led: &&str| ours.iter().any(|host| led.starts_with(host));
            assert!(kind == "webhook" || led.iter().all(is_ours), "{kind}: {led:?}");
        }
    }
    sandbox.script(Endpoint::Slack, [slack::refused(400, "invalid_blocks")]);
    let delivery = Delivery { page: Some(PAGE.into()), ..delivery(1) };
    notifier(&sandbox, "slack", client()).send(&delivery, now()).await.unwrap();
    let plain = sandbox.messages().pop().unwrap().body;
    assert!(plain["text"].as_str().unwrap().ends_with(&format!("```\n<{PAGE}|Open the page>")), "{plain}");
}

#[tokio::test]
async fn n6_nobody_is_called_in_discord_whatever_is_written() {
    let sandbox = start().await;
    notifier(&sandbox, "discord", client()).send(&hostile_delivery("@everyone <@1>"), now()).await.unwrap();
    let body = sandbox.messages().pop().unwrap().body;
    assert_eq!(body["allowed_mentions"], serde_json::json!({ "parse": [] }));
    assert_eq!(body.get("content"), None, "an embed calls nobody");
}

#[tokio::test]
async fn n7_a_secret_address_is_in_no_error() {
    let sandbox = start().await;
    let refused = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let slack_host = sandbox.url(Endpoint::Slack).replace("http://", "");
    let mut errors = Vec::new();
    for url in [
        format!("http://{refused}/services/{CANARY}"),
        format!("https://{slack_host}"),
        format!("http://user:{CANARY}@{refused}/?sig={CANARY}"),
        format!("{CANARY}/services"),
        format!("ftp://127.0.0.1/{CANARY}"),
    ] {
        for (kind, _) in POSTED {
            let secret = format!("whsec_{}", "A".repeat(32));
            match notify::build(&destination(kind, &url, &secret), client()) {
                Ok(notifier) => errors.push(notifier.send(&delivery(1), now()).await.unwrap_err()),
                Err(error) => errors.push(error),
            }
        }
    }
    let Err(error) = notify::build(&destination("webhook", &sandbox.url(Endpoint::Slack), CANARY), client()) else {
        panic!("{CANARY} is no signing secret");
    };
    errors.push(error);

    let echo = format!("no such hook: /services/T/B/{CANARY}");
    for (kind, endpoint) in POSTED {
        let impatient = Client::builder().read_timeout(Duration::from_millis(50)).no_proxy().build().unwrap();
        sandbox.script(endpoint, [Fault::Slow(Duration::from_hours(1))]);
        errors.push(notifier(&sandbox, kind, impatient).send(&delivery(1), now()).await.unwrap_err());
        for status in [400, 404, 429, 500] {
            sandbox.script(endpoint, [Fault::json(status, echo.clone())]);
            errors.push(notifier(&sandbox, kind, client()).send(&delivery(1), now()).await.unwrap_err());
        }
    }
    for fault in [Fault::Torn, Fault::json(200, echo)] {
        sandbox.script(Endpoint::Slack, [fault]);
        errors.push(notifier(&sandbox, "slack", client()).send(&delivery(1), now()).await.unwrap_err());
    }
    for error in errors {
        let printed = format!("{error} {error:?}");
        assert!(!printed.contains(CANARY), "{printed}");
        assert!(printed.contains("[notify.growth."), "says which one: {printed}");
    }
}

#[test]
fn every_kind_says_what_it_needs_and_keeps_it_secret() {
    let kinds = notify::kinds();
    let known: Vec<_> = POSTED.iter().map(|(kind, _)| *kind).chain(["email"]).collect();
    assert_eq!(kinds.iter().map(|kind| kind.kind).collect::<Vec<_>>(), known);
    for (kind, setting) in kinds.iter().flat_map(|kind| kind.settings.iter().map(|setting| (kind.kind, setting))) {
        assert!(!setting.help.is_empty());
        assert_eq!(setting.address, setting.name == "url");
        let is_secret = ["url", "secret", "password"].contains(&setting.name.as_str());
        assert_eq!(setting.secret, is_secret, "{kind} {}", setting.name);
    }
    let unknown = destination("pigeon", "https://example.com", "");
    let Err(error) = notify::build(&unknown, client()) else { panic!("no such kind") };
    assert!(error.to_string().contains("slack, webhook, mattermost"), "{error}");
}
