//! Google Ads: pages by token, access that ends within the hour and is renewed, every level.

use willitsell::domain::metric::MetricId;
use willitsell::sandbox::world::{Figures, Level};
use willitsell::sandbox::{Endpoint, Sandbox, Setup, google_ads};

use super::{Platform, Story, busy, count, money};

fn shows(figures: &Figures) -> Vec<(MetricId, i64)> {
    vec![
        count(MetricId::IMPRESSIONS, figures.impressions),
        count(MetricId::CLICKS, figures.clicks),
        money(MetricId::SPEND, figures.cost_micros),
        (MetricId::CONVERSIONS, i64::try_from(figures.conversion_hundredths).unwrap() * 10_000),
        count(MetricId::ENGAGEMENTS, figures.engagements),
    ]
}

fn source(sandbox: &Sandbox, level: &str) -> String {
    format!(
        r#"
[login.google]
client_id = "{}"
client_secret = "file:secrets/client"
refresh_token = "file:secrets/refresh"
token_url = "{}"
[source.ads]
connector = "google_ads"
login = "google"
settings = {{ customer_id = "{}", base_url = "{}", level = "{level}", per_second = "1000" }}
"#,
        sandbox.secrets().client_id,
        sandbox.url(Endpoint::GoogleToken),
        sandbox.world().customer_id,
        sandbox.url(Endpoint::GoogleAds),
    )
}

fn platform(level: Level, source: fn(&Sandbox) -> String) -> Platform {
    Platform {
        level,
        id: |id| id.to_string(),
        shows,
        source,
        api: Endpoint::GoogleAds,
        secrets: |sandbox| [sandbox.refresh_token(Endpoint::GoogleToken), "unused".into()],
    }
}

#[tokio::test]
async fn google_from_the_configuration_to_the_stored_truth() {
    let platform = platform(Level::Campaign, |sandbox| source(sandbox, "campaign"));
    let story = Story::begin(platform, Setup { google_page_rows: 20, ..busy() }).await;
    let told = story.told(4, google_ads::throttled(5), Sandbox::expire_access, None).await;
    assert_eq!(told.first.windows, 1);
    assert!(told.later.vanished == 0 && told.story.sandbox.calls(Endpoint::GoogleToken) >= 2);
}

#[tokio::test]
async fn google_ad_groups_and_ads_are_stored_each_for_itself() {
    let group = platform(Level::AdGroup, |sandbox| source(sandbox, "ad_group"));
    let story = Story::begin(group, Setup { google_page_rows: 40, ..busy() }).await;
    story.told(4, google_ads::throttled(5), Sandbox::expire_access, None).await;
    let ad = platform(Level::Ad, |sandbox| source(sandbox, "ad"));
    let story = Story::begin(ad, Setup { google_page_rows: 80, ..busy() }).await;
    story.told(4, google_ads::throttled(5), Sandbox::expire_access, None).await;
}
