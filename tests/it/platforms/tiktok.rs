//! TikTok: pages by number, and every failure in a 200.

use willitsell::domain::metric::MetricId;
use willitsell::sandbox::world::{Figures, Level};
use willitsell::sandbox::{Endpoint, Fault, Sandbox, tiktok};

use super::{DAY, Platform, Story, busy, count, many, money};

fn shows(figures: &Figures) -> Vec<(MetricId, i64)> {
    vec![
        count(MetricId::IMPRESSIONS, figures.impressions),
        count(MetricId::CLICKS, figures.clicks),
        money(MetricId::SPEND, figures.cost_micros),
        count(MetricId::CONVERSIONS, figures.leads + figures.view_leads),
        count(MetricId::ENGAGEMENTS, figures.engagements - figures.clicks),
    ]
}

fn source(sandbox: &Sandbox, level: &str) -> String {
    format!(
        r#"
[source.ads]
connector = "tiktok_ads"
settings = {{ advertiser_id = "{}", token = "file:secrets/token", base_url = "{}", per_second = "1000", level = "{level}" }}
"#,
        sandbox.world().customer_id,
        sandbox.url(Endpoint::Tiktok),
    )
}

fn platform(level: Level, source: fn(&Sandbox) -> String) -> Platform {
    Platform {
        level,
        id: |id| tiktok::vendor_id(id).to_string(),
        shows,
        source,
        api: Endpoint::Tiktok,
        secrets: |sandbox| ["unused".into(), sandbox.api_token(Endpoint::Tiktok)],
    }
}

#[tokio::test]
async fn tiktok_from_the_configuration_to_the_stored_truth() {
    let story = Story::begin(platform(Level::Ad, |sandbox| source(sandbox, "ad")), many(busy(), 8)).await;
    let dies = |sandbox: &Sandbox| sandbox.script(Endpoint::Tiktok, [tiktok::expired()]);
    let told = story.told(3, tiktok::throttled(), dies, Some("token")).await;
    assert_eq!(told.later.vanished, 0);
}

#[tokio::test]
async fn tiktok_at_coarser_levels_and_throttled_under_another_code() {
    for (level, source) in [
        (Level::Campaign, (|sandbox| source(sandbox, "campaign")) as fn(&Sandbox) -> String),
        (Level::AdGroup, |sandbox| source(sandbox, "adgroup")),
    ] {
        let story = Story::begin(platform(level, source), busy()).await;
        let forbidden = |sandbox: &Sandbox| sandbox.script(Endpoint::Tiktok, [tiktok::forbidden()]);
        story.told(1, tiktok::throttled_as_forbidden(), forbidden, Some("ads")).await;
    }
}

#[tokio::test]
async fn tiktok_access_to_another_account_names_both_settings() {
    let story = Story::begin(platform(Level::Ad, |sandbox| source(sandbox, "ad")), busy()).await;
    let refused = r#"{"code":40001,"message":"No permission to operate advertiser","data":{}}"#;
    story.sandbox.script(Endpoint::Tiktok, [Fault::json(200, refused)]);
    let told = story.pull(DAY).await.unwrap_err().to_string();
    let advice = "(No permission to operate advertiser); check the setting `token` of source `ads`, and that it may read \
                  the `advertiser_id` given there";
    assert!(told.ends_with(advice), "{told}");
}
