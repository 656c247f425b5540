//! The project a rehearsal begins with: a configuration that asks every fake vendor, and its secrets, each in a file of
//! its own. What a user would write, in a user's words; no connector is known here.

use std::fmt::Write as _;

use chrono::{DateTime, Days, Utc};

use super::world::World;
use super::{Endpoint, Sandbox, demo};

/// How many days of ads lie behind the day a rehearsal starts, and before it.
const DAYS_OF_ADS: u64 = 21;

/// A file of a rehearsal's folder.
pub struct File {
    /// Below the folder.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// What one vendor adds to the configuration.
struct Offer {
    /// Name of its source.
    source: &'static str,
    /// Its `[login.…]` and `[source.…]`.
    tables: String,
    /// Name and value of each secret it needs.
    secrets: Vec<(&'static str, String)>,
}

/// Every vendor that counts what ads do. A new one is a line here.
const OFFERS: [fn(&Sandbox) -> Offer; 1] = [google_ads];

/// The demo's three products, three weeks into their ads at `now`, which keep running.
pub fn world(now: DateTime<Utc>) -> World {
    let world = demo::world(demo::SEED);
    let today = now.with_timezone(&world.zone).date_naive();
    let (first_day, last_day) = (today - Days::new(DAYS_OF_ADS), today + Days::new(DAYS_OF_ADS));
    World { first_day, last_day, ..world }
}

/// Every file of the folder, the configuration first.
pub fn files(sandbox: &Sandbox) -> Vec<File> {
    let offers: Vec<Offer> = OFFERS.iter().map(|offer| offer(sandbox)).collect();
    let secret = |name: &str, value: &str| File { name: format!("secrets/{name}"), text: value.to_owned() };
    let mut files = vec![
        File { name: "willitsell.toml".into(), text: configuration(sandbox, &offers) },
        secret("slack-webhook", &sandbox.url(Endpoint::Slack)),
        secret("typeform-token", &sandbox.secrets().typeform_token),
    ];
    files.extend(offers.iter().flat_map(|offer| &offer.secrets).map(|(name, value)| secret(name, value)));
    files
}

fn configuration(sandbox: &Sandbox, offers: &[Offer]) -> String {
    let mut text = String::from(
        "# A rehearsal on pretend vendors, written by `willitsell sandbox`, which must be running. Addresses and\n\
         # calls a second are those of the pretend vendors: leave base_url, token_url and per_second out for real ones.\n\
         \n[store]\nurl = \"sqlite://willitsell.db\"\n\n[notify.team.slack]\nurl = \"file:secrets/slack-webhook\"\n",
    );
    for offer in offers {
        text.push('\n');
        text.push_str(offer.tables.trim_start());
    }
    for concept in demo::concepts() {
        let (id, form) = (concept.id, &concept.truth.form_id);
        let typeform = sandbox.url(Endpoint::Typeform);
        let _ = write!(
            text,
            "\n[source.{id}-form]\nconnector = \"typeform\"\nsettings = {{ form_id = \"{form}\", token = \
             \"file:secrets/typeform-token\", base_url = \"{typeform}\", per_second = \"1000\" }}\n"
        );
        let sources = ["search", &format!("{id}-form")].map(str::to_owned);
        text.push_str(&experiment(sandbox, &concept, id, &sources, "signups"));
    }
    // The other platforms advertise the same product: a test each, judged by what the platform itself counts.
    let [concept, ..] = demo::concepts();
    for offer in offers.iter().filter(|offer| offer.source != "search") {
        let key = format!("{}-on-{}", concept.id, offer.source);
        text.push_str(&experiment(sandbox, &concept, &key, &[offer.source.to_owned()], "conversions"));
    }
    text
}

fn experiment(sandbox: &Sandbox, concept: &demo::DemoConcept, key: &str, sources: &[String], act: &str) -> String {
    let World { first_day, zone, .. } = sandbox.world();
    let listed: Vec<String> = sources.iter().map(|source| format!("\"{source}\"")).collect();
    let mut text = format!(
        r#"
[experiment.{key}]
title      = "{title}"
hypothesis = "{hypothesis}"
owner      = "{owner}"
disclosure = "https://example.com/not-yet-available"
schedule   = "0 * * * *"
timezone   = "{zone}"
start      = "{first_day}"
sources    = [{listed}]
notify     = ["team"]

[experiment.{key}.rate.act]
numerator   = "{act}"
denominator = "clicks"

[experiment.{key}.policy]
primary   = "act"
kill_bar  = {kill_bar}
build_bar = {build_bar}
"#,
        title = concept.title,
        hypothesis = concept.hypothesis,
        owner = concept.owner,
        listed = listed.join(", "),
        kill_bar = concept.kill_bar,
        build_bar = concept.build_bar,
    );
    for arm in &concept.truth.arms {
        let campaigns: Vec<String> = arm.campaigns.iter().map(|campaign| format!("\"{}\"", campaign.id)).collect();
        let keys: Vec<String> = sources
            .iter()
            .map(|source| {
                if source.ends_with("-form") {
                    format!("{source} = [\"{}\"]", arm.key)
                } else {
                    format!("{source} = [{}]", campaigns.join(", "))
                }
            })
            .collect();
        let _ = write!(text, "\n[experiment.{key}.arm.{}]\nkeys = {{ {} }}\n", arm.key, keys.join(", "));
    }
    text
}

fn google_ads(sandbox: &Sandbox) -> Offer {
    let tables = format!(
        r#"
[login.google]
client_id     = "{}"
client_secret = "file:secrets/google-client-secret"
refresh_token = "file:secrets/google-refresh-token"
token_url     = "{}"

[source.search]
connector = "google_ads"
channel   = "google_ads"
login     = "google"
settings  = {{ customer_id = "{}", base_url = "{}", per_second = "1000" }}
"#,
        sandbox.secrets().client_id,
        sandbox.url(Endpoint::GoogleToken),
        sandbox.world().customer_id,
        sandbox.url(Endpoint::GoogleAds),
    );
    let secrets = vec![
        ("google-client-secret", sandbox.secrets().client_secret.clone()),
        ("google-refresh-token", sandbox.refresh_token(Endpoint::GoogleToken)),
    ];
    Offer { source: "search", tables, secrets }
}
