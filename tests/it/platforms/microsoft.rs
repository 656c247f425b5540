//! Microsoft Advertising: a report handed in, asked about and fetched as a ZIP; a refresh token that is
//! replaced at every renewal.

use willitsell::domain::metric::MetricId;
use willitsell::sandbox::world::{Figures, Level};
use willitsell::sandbox::{Endpoint, Fault, Pace, Sandbox, Setup, microsoft};

use super::{DAY, Platform, Story, busy, count, money};

fn shows(figures: &Figures) -> Vec<(MetricId, i64)> {
    vec![
        count(MetricId::IMPRESSIONS, figures.impressions),
        count(MetricId::CLICKS, figures.clicks),
        money(MetricId::SPEND, figures.cost_micros),
        (MetricId::CONVERSIONS, i64::try_from(figures.conversion_hundredths).unwrap() * 10_000),
    ]
}

fn source(sandbox: &Sandbox) -> String {
    format!(
        r#"
[login.microsoft]
client_id = "{}"
client_secret = "file:secrets/client"
refresh_token = "file:secrets/refresh"
token_url = "{}"
[source.ads]
connector = "microsoft_ads"
login = "microsoft"
settings = {{ customer_id = "{}", account_id = "{}", developer_token = "file:secrets/token", base_url = "{}", download_url = "{}", time_zone = "America/New_York", per_second = "1000" }}
"#,
        sandbox.secrets().client_id,
        sandbox.url(Endpoint::MicrosoftToken),
        microsoft::CUSTOMER_ID,
        sandbox.world().customer_id,
        sandbox.url(Endpoint::Microsoft),
        sandbox.url(Endpoint::Files),
    )
}

fn platform() -> Platform {
    Platform {
        level: Level::Ad,
        id: |id| id.to_string(),
        shows,
        source,
        api: Endpoint::Microsoft,
        secrets: |sandbox| [sandbox.refresh_token(Endpoint::MicrosoftToken), sandbox.api_token(Endpoint::Microsoft)],
    }
}

#[tokio::test]
async fn microsoft_from_the_configuration_to_the_stored_truth() {
    let pace = Pace { waits: 3, stale_urls: 1, open: 1 };
    let story = Story::begin(platform(), Setup { microsoft: microsoft::Limits { pace }, ..busy() }).await;
    let told = story.told(1, microsoft::throttled(), Sandbox::expire_access, None).await;
    let sandbox = &told.story.sandbox;
    assert!(sandbox.calls(Endpoint::MicrosoftToken) >= 2 && sandbox.calls(Endpoint::Files) >= 5);
}

#[tokio::test]
async fn microsoft_reports_that_fail_or_are_forgotten_lose_no_row() {
    let story = Story::begin(platform(), busy()).await;
    story.pull(DAY).await.unwrap();
    let before = story.stored(None).await;
    for (fault, says) in [(microsoft::report_gone(), "report"), (microsoft::report_failed(), "report")] {
        // The report is handed in well; what comes of it is spoiled.
        story.sandbox.script(Endpoint::Microsoft, [Fault::Slow(std::time::Duration::ZERO), fault]);
        let told = story.pull(DAY).await.unwrap_err().to_string();
        assert!(told.contains(says), "{told}");
        assert_eq!(story.stored(None).await, before);
        assert_eq!(story.pull(DAY).await.unwrap().new, 0, "handed in anew, and nothing is missing");
    }
}

#[tokio::test]
async fn a3_microsoft_renewal_whose_answer_is_lost_ends_in_one_login() {
    let story = Story::begin(platform(), busy()).await;
    story.pull(DAY).await.unwrap();
    story.sandbox.expire_access();
    story.sandbox.script(Endpoint::MicrosoftToken, [Fault::Torn]);
    let calls = story.sandbox.calls(Endpoint::MicrosoftToken);
    let told = story.pull(DAY).await.unwrap_err().to_string();
    assert!(told.contains("auth ads"), "{told}");
    let tried = story.sandbox.calls(Endpoint::MicrosoftToken) - calls;
    assert!((1..=2).contains(&tried), "the old one is tried once at most: {tried}");
}

#[tokio::test]
async fn microsoft_says_why_in_either_of_its_two_forms() {
    let story = Story::begin(platform(), busy()).await;
    for errors in ["Errors", "OperationErrors"] {
        let body = format!(r#"{{"{errors}":[{{"Code":2004,"Message":"why, in {errors}"}}],"TrackingId":"t"}}"#);
        story.sandbox.script(Endpoint::Microsoft, [Fault::json(400, body)]);
        let told = story.pull(DAY).await.unwrap_err().to_string();
        assert!(told.contains(&format!("the vendor refused (status 400): why, in {errors};")), "{told}");
    }
}
