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

fn notifier(sandbox: &Sandbox, kind: &'static str, client: Client) -> Box<dyn Notifier> {
    let endpoint = if kind == "slack" { Endpoint::Slack } else { Endpoint::Webhook };
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
    for status in [200, 201, 202, 204] {
        assert_eq!(send("webhook", Endpoint::Webhook, Fault::status(status)).await, Ok(()), "{status}");
    }
    for (kind, endpoint) in [("webhook", Endpoint::Webhook), ("slack", Endpoint::Slack)] {
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
    assert!(permanent(&send("webhook", Endpoint::Webhook, Fault::status(413)).await));
}

#[tokio::test]
async fn n2_a_redirect_is_a_failure_and_not_followed() {
    let sandbox = start().await;
    for kind in ["slack", "webhook"] {
        let endpoint = if kind == "slack" { Endpoint::Slack } else { Endpoint::Webhook };
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
async fn n4_making_a_notifier_tells_nobody_anything() {
    let sandbox = start().await;
    for _ in 0..3 {
        notifier(&sandbox, "slack", client());
        notifier(&sandbox, "webhook", client());
    }
    assert_eq!(sandbox.calls(Endpoint::Slack) + sandbox.calls(Endpoint::Webhook), 0);
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

#[tokio::test]
async fn n6_hostile_text_is_bounded_in_a_webhook() {
    let sandbox = start().await;
    let notifier = notifier(&sandbox, "webhook", client());
    for hostile in hostile() {
        notifier.send(&hostile_delivery(&hostile), now()).await.unwrap();
        let body = sandbox.messages().pop().unwrap().body;
        assert!(body.to_string().len() < 48_000, "{}", body.to_string().len());
        assert!(texts(&body).iter().all(|text| is_one_line_in_one_direction(text)), "{body}");
    }
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
        for kind in ["slack", "webhook"] {
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

    let impatient = Client::builder().read_timeout(Duration::from_millis(50)).no_proxy().build().unwrap();
    sandbox.script(Endpoint::Slack, [Fault::Slow(Duration::from_hours(1))]);
    errors.push(notifier(&sandbox, "slack", impatient).send(&delivery(1), now()).await.unwrap_err());
    let echo = format!("no such hook: /services/T/B/{CANARY}");
    for fault in [Fault::Torn, Fault::json(404, echo.clone()), Fault::json(500, echo.clone()), Fault::json(200, echo)] {
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
    assert_eq!(kinds.iter().map(|kind| kind.kind).collect::<Vec<_>>(), ["slack", "webhook"]);
    for setting in kinds.iter().flat_map(|kind| &kind.settings) {
        assert!(setting.secret && !setting.help.is_empty());
        assert_eq!(setting.address, setting.name == "url");
    }
    let unknown = destination("pigeon", "https://example.com", "");
    let Err(error) = notify::build(&unknown, client()) else { panic!("no such kind") };
    assert!(error.to_string().contains("slack, webhook"), "{error}");
}
