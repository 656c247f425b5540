//! LinkedIn: no pages, so several slices; access that is renewed; an answer cut off without a word.

use willitsell::domain::metric::MetricId;
use willitsell::sandbox::world::{Figures, Level};
use willitsell::sandbox::{Endpoint, Sandbox, linkedin};

use super::{Platform, Story, busy, changed, count, money};

const MANIFEST: &str = include_str!("../../../connectors/linkedin_ads.toml");

fn shows(figures: &Figures) -> Vec<(MetricId, i64)> {
    vec![
        count(MetricId::IMPRESSIONS, figures.impressions),
        count(MetricId::CLICKS, figures.clicks),
        money(MetricId::SPEND, figures.cost_micros),
        count(MetricId::CONVERSIONS, figures.leads + figures.view_leads),
        count(MetricId::ENGAGEMENTS, figures.engagements),
    ]
}

fn source(sandbox: &Sandbox, level: &str) -> String {
    format!(
        r#"
[login.linkedin]
client_id = "{}"
client_secret = "file:secrets/client"
refresh_token = "file:secrets/refresh"
token_url = "{}"
[source.ads]
connector = "linkedin_ads"
login = "linkedin"
settings = {{ account_id = "{}", base_url = "{}", per_second = "1000", level = "{level}" }}
"#,
        sandbox.secrets().client_id,
        sandbox.url(Endpoint::LinkedinToken),
        sandbox.world().customer_id,
        sandbox.url(Endpoint::Linkedin),
    )
}

fn platform(level: Level, source: fn(&Sandbox) -> String) -> Platform {
    Platform {
        level,
        id: |id| id.to_string(),
        shows,
        source,
        api: Endpoint::Linkedin,
        secrets: |sandbox| [sandbox.refresh_token(Endpoint::LinkedinToken), "unused".into()],
    }
}

#[tokio::test]
async fn linkedin_from_the_configuration_to_the_stored_truth() {
    let story = Story::begin(platform(Level::Ad, |sandbox| source(sandbox, "creative")), busy()).await;
    let told = story.told(1, linkedin::throttled(), Sandbox::expire_access, None).await;
    assert!(told.later.vanished == 0 && told.story.sandbox.calls(Endpoint::LinkedinToken) >= 2);
}

/// An account so large that the vendor cuts: all 24 days at once, 12, 6, and only three fit. The connector is
/// the built-in one but for its name and the number at which it suspects a cut.
#[tokio::test]
async fn h14_linkedin_in_slices_where_the_vendor_would_cut_the_answer() {
    let mut setup = busy();
    let most = usize::try_from(3 * setup.world.count(Level::Ad) + 1).unwrap();
    setup.linkedin.most_elements = most;
    let full_at = format!("full_at = {most}");
    let own = changed(MANIFEST, &[("\"linkedin_ads\"", "\"large_ads\""), ("full_at = 15000", &full_at)]);
    let source = |sandbox: &Sandbox| {
        let hosts = "hosts = [\"api.linkedin.com\", \"www.linkedin.com\"]\nsettings";
        source(sandbox, "creative").replace("\"linkedin_ads\"", "\"large_ads\"").replace("settings", hosts)
    };
    let story = Story::begin_with(platform(Level::Ad, source), setup, Some(("large_ads", own))).await;
    let told = story.told(8, linkedin::throttled(), Sandbox::expire_access, None).await;
    assert_eq!((told.first.windows, told.first.pages), (1, 8), "{:?}", told.first);
    assert_eq!(told.later.vanished, 0);
}

#[tokio::test]
async fn linkedin_at_coarser_levels_and_revoked() {
    for (level, source) in [
        (Level::Campaign, (|sandbox| source(sandbox, "campaign_group")) as fn(&Sandbox) -> String),
        (Level::AdGroup, |sandbox| source(sandbox, "campaign")),
    ] {
        let story = Story::begin(platform(level, source), busy()).await;
        let revoked = |sandbox: &Sandbox| sandbox.script(Endpoint::Linkedin, [linkedin::revoked()]);
        story.told(1, linkedin::throttled(), revoked, Some("linkedin")).await;
    }
}
