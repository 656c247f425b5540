//! Pinterest: ids from lists in pages, figures for those ids, a refresh token that is replaced at every
//! renewal.

use willitsell::domain::metric::MetricId;
use willitsell::sandbox::world::{Figures, Level};
use willitsell::sandbox::{Endpoint, Sandbox, Setup, pinterest};

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

fn source(sandbox: &Sandbox) -> String {
    format!(
        r#"
[login.pinterest]
client_id = "{}"
client_secret = "file:secrets/client"
refresh_token = "file:secrets/refresh"
token_url = "{}"
[source.ads]
connector = "pinterest_ads"
login = "pinterest"
settings = {{ ad_account_id = "{}", currency = "USD", base_url = "{}", per_second = "1000" }}
"#,
        sandbox.secrets().client_id,
        sandbox.url(Endpoint::PinterestToken),
        sandbox.world().customer_id,
        sandbox.url(Endpoint::Pinterest),
    )
}

#[tokio::test]
async fn pinterest_from_the_configuration_to_the_stored_truth() {
    let platform = Platform {
        level: Level::Ad,
        id: |id| id.to_string(),
        shows,
        source,
        api: Endpoint::Pinterest,
        secrets: |sandbox| [sandbox.refresh_token(Endpoint::PinterestToken), "unused".into()],
    };
    let limits = pinterest::Limits { page_rows: 5, ..pinterest::Limits::default() };
    let story = Story::begin(platform, Setup { pinterest: limits, ..busy() }).await;
    let told = story.told(1, pinterest::throttled(), Sandbox::expire_access, None).await;
    let sandbox = &told.story.sandbox;
    assert!(sandbox.calls(Endpoint::PinterestToken) >= 2);
    assert!(sandbox.calls(Endpoint::Pinterest) >= 4 * 5, "four pages of ads and their figures, four times");
}
