//! Meta: pages by cursor, a token that nothing renews, windows made smaller until they pass.

use willitsell::domain::metric::MetricId;
use willitsell::sandbox::world::{Figures, Level};
use willitsell::sandbox::{Endpoint, Sandbox, Setup, meta};

use super::{Platform, Story, busy, count, money};

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
[source.ads]
connector = "meta_ads"
settings = {{ account_id = "{}", token = "file:secrets/token", base_url = "{}", level = "{level}" }}
"#,
        sandbox.world().customer_id,
        sandbox.url(Endpoint::Meta),
    )
}

fn platform(level: Level, source: fn(&Sandbox) -> String) -> Platform {
    Platform {
        level,
        id: |id| id.to_string(),
        shows,
        source,
        api: Endpoint::Meta,
        secrets: |sandbox| ["unused".into(), sandbox.api_token(Endpoint::Meta)],
    }
}

fn setup(limits: meta::Limits) -> Setup {
    Setup { meta: limits, ..busy() }
}

#[tokio::test]
async fn meta_from_the_configuration_to_the_stored_truth() {
    let limits = meta::Limits { page_rows: Some(60), ..meta::Limits::default() };
    let story = Story::begin(platform(Level::Ad, |sandbox| source(sandbox, "ad")), setup(limits)).await;
    let dies = |sandbox: &Sandbox| sandbox.script(Endpoint::Meta, [meta::expired()]);
    let told = story.told(4, meta::throttled("1234567890", 7), dies, Some("token")).await;
    assert_eq!(told.later.vanished, 0);
}

#[tokio::test]
async fn meta_at_a_coarser_level_and_in_smaller_windows() {
    let limits = meta::Limits { most_days: Some(10), ..meta::Limits::default() };
    for (level, source) in [
        (Level::Campaign, (|sandbox| source(sandbox, "campaign")) as fn(&Sandbox) -> String),
        (Level::AdGroup, |sandbox| source(sandbox, "adset")),
    ] {
        let story = Story::begin(platform(level, source), setup(limits)).await;
        let told = story.told(3, meta::transient(), |_| {}, None).await;
        assert!(told.first.pages >= 3, "{:?}", told.first);
    }
}
