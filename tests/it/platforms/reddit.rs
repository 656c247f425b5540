//! Reddit: pages by an absolute address and either verb, days cut where the request says.

use willitsell::domain::metric::MetricId;
use willitsell::sandbox::reddit::{self, LastPage, Limits, ad_id};
use willitsell::sandbox::world::{Figures, Level};
use willitsell::sandbox::{Endpoint, Sandbox, Setup};

use super::{Platform, Story, busy, count, money};

fn shows(figures: &Figures) -> Vec<(MetricId, i64)> {
    vec![
        count(MetricId::IMPRESSIONS, figures.impressions),
        count(MetricId::CLICKS, figures.clicks),
        money(MetricId::SPEND, figures.cost_micros),
        count(MetricId::CONVERSIONS, figures.leads + figures.view_leads),
    ]
}

fn source(sandbox: &Sandbox) -> String {
    format!(
        r#"
[login.reddit]
client_id = "{}"
client_secret = "file:secrets/client"
refresh_token = "file:secrets/refresh"
token_url = "{}"
[source.ads]
connector = "reddit_ads"
login = "reddit"
settings = {{ account_id = "{}", currency = "USD", base_url = "{}", per_second = "1000" }}
"#,
        sandbox.secrets().client_id,
        sandbox.url(Endpoint::RedditToken),
        reddit::ACCOUNT,
        sandbox.url(Endpoint::Reddit),
    )
}

fn platform() -> Platform {
    Platform {
        level: Level::Ad,
        id: ad_id,
        shows,
        source,
        api: Endpoint::Reddit,
        secrets: |sandbox| [sandbox.refresh_token(Endpoint::RedditToken), "unused".into()],
    }
}

#[tokio::test]
async fn reddit_from_the_configuration_to_the_stored_truth() {
    let limits = Limits { page_rows: 60, ..Limits::default() };
    let story = Story::begin(platform(), Setup { reddit: limits, ..busy() }).await;
    let told = story.told(4, reddit::throttled(5), Sandbox::expire_access, None).await;
    assert!(told.story.sandbox.calls(Endpoint::RedditToken) >= 2);
}

#[tokio::test]
async fn reddit_whose_range_ends_with_its_last_day_adds_no_day() {
    let limits = Limits { page_rows: 60, end_inclusive: true, last_page: LastPage::Absent, ..Limits::default() };
    let story = Story::begin(platform(), Setup { reddit: limits, ..busy() }).await;
    story.told(4, reddit::throttled(5), Sandbox::expire_access, None).await;
}
