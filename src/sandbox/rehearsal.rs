//! The project a rehearsal begins with: a configuration that asks every fake vendor, and its secrets, each in a file of
//! its own. What a user would write, in a user's words; no connector is known here.

mod people;

use std::fmt::Write as _;

use chrono::{DateTime, Days, Utc};

use self::people::{TOOLS, Tool};
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
    /// Name of its source, and of its login.
    source: &'static str,
    /// What its connector is called; a program that has no such connector leaves the vendor out.
    connector: &'static str,
    /// Where it answers.
    api: Endpoint,
    /// Where its login is renewed; `None` where a token is given once.
    login: Option<Endpoint>,
    /// What it takes besides, as the configuration writes it.
    settings: fn(&Sandbox) -> String,
    /// Whether its connector has a pace of its own, which a rehearsal need not keep.
    paced: bool,
    /// How it writes the id of a campaign.
    id: fn(u64) -> String,
}

/// Every vendor that counts what ads do. A new one is a line here.
const OFFERS: [Offer; 7] = [
    Offer {
        source: "search",
        connector: "google_ads",
        api: Endpoint::GoogleAds,
        login: Some(Endpoint::GoogleToken),
        settings: |sandbox| format!("customer_id = \"{}\"", sandbox.world().customer_id),
        paced: true,
        id: |id| id.to_string(),
    },
    Offer {
        source: "meta",
        connector: "meta_ads",
        api: Endpoint::Meta,
        login: None,
        settings: |sandbox| format!("account_id = \"{}\", level = \"campaign\"", sandbox.world().customer_id),
        paced: false,
        id: |id| id.to_string(),
    },
    Offer {
        source: "tiktok",
        connector: "tiktok_ads",
        api: Endpoint::Tiktok,
        login: None,
        settings: |sandbox| format!("advertiser_id = \"{}\", level = \"campaign\"", sandbox.world().customer_id),
        paced: true,
        id: |id| super::tiktok::vendor_id(id).to_string(),
    },
    Offer {
        source: "linkedin",
        connector: "linkedin_ads",
        api: Endpoint::Linkedin,
        login: Some(Endpoint::LinkedinToken),
        settings: |sandbox| format!("account_id = \"{}\", level = \"campaign_group\"", sandbox.world().customer_id),
        paced: true,
        id: |id| id.to_string(),
    },
    Offer {
        source: "microsoft",
        connector: "microsoft_ads",
        api: Endpoint::Microsoft,
        login: Some(Endpoint::MicrosoftToken),
        settings: |sandbox| {
            format!(
                "customer_id = \"{}\", account_id = \"{}\", time_zone = \"{}\", level = \"campaign\", developer_token = \
                 \"file:secrets/microsoft-token\", download_url = \"{}\"",
                super::microsoft::CUSTOMER_ID,
                sandbox.world().customer_id,
                sandbox.world().zone,
                sandbox.url(Endpoint::Files),
            )
        },
        paced: true,
        id: |id| id.to_string(),
    },
    Offer {
        source: "reddit",
        connector: "reddit_ads",
        api: Endpoint::Reddit,
        login: Some(Endpoint::RedditToken),
        settings: |_| format!("account_id = \"{}\", currency = \"USD\", level = \"campaign\"", super::reddit::ACCOUNT),
        paced: true,
        id: |id| id.to_string(),
    },
    Offer {
        source: "pinterest",
        connector: "pinterest_ads",
        api: Endpoint::Pinterest,
        login: Some(Endpoint::PinterestToken),
        settings: |sandbox| {
            format!("ad_account_id = \"{}\", currency = \"USD\", level = \"campaign\"", sandbox.world().customer_id)
        },
        paced: true,
        id: |id| id.to_string(),
    },
];

impl Offer {
    /// Its `[login.…]` and `[source.…]`; of the concepts after the first, these are tested on it.
    fn tables(&self, sandbox: &Sandbox, tested: &[&str]) -> String {
        let Self { source, connector, .. } = self;
        let mut settings = (self.settings)(sandbox);
        let mut text = String::new();
        let mut login = String::new();
        match self.login {
            Some(endpoint) => {
                let (id, url) = (&sandbox.secrets().client_id, sandbox.url(endpoint));
                let page = sandbox.consent_page(endpoint);
                let _ = write!(
                    text,
                    "\n[login.{source}]\nclient_id     = \"{id}\"\nclient_secret = \"file:secrets/client-secret\"\n\
                     refresh_token = \"file:secrets/{source}-refresh-token\"\ntoken_url     = \"{url}\"\n\
                     authorize_url = \"{page}\"\n"
                );
                let _ = write!(login, "\nlogin     = \"{source}\"");
            }
            None => {
                let _ = write!(settings, ", token = \"file:secrets/{source}-token\"");
            }
        }
        let api = sandbox.url(self.api);
        let pace = if self.paced { ", per_second = \"1000\"" } else { "" };
        // What is tested elsewhere is read by nobody here.
        let [_, others @ ..] = demo::concepts();
        let others = others
            .iter()
            .filter(|concept| !tested.contains(&concept.id))
            .flat_map(|concept| &concept.truth.arms)
            .flat_map(|arm| &arm.campaigns);
        let others: Vec<String> = others.map(|campaign| format!("\"{}\"", (self.id)(campaign.id))).collect();
        let aside = match *source {
            "search" => String::new(),
            // Its own conversions decide, and those settle later than clicks.
            _ => format!("maturity_lag_days = 7\nset_aside = [{}]\n", others.join(", ")),
        };
        let _ = write!(
            text,
            "\n[source.{source}]\nconnector = \"{connector}\"\nchannel   = \"{connector}\"{login}\n\
             settings  = {{ {settings}, base_url = \"{api}\"{pace} }}\n{aside}"
        );
        text
    }

    /// Name and value of each secret that is its own.
    fn secrets(&self, sandbox: &Sandbox) -> Vec<(String, String)> {
        let source = self.source;
        let token = (format!("{source}-token"), sandbox.api_token(self.api));
        match self.login {
            Some(endpoint) => vec![(format!("{source}-refresh-token"), sandbox.refresh_token(endpoint)), token],
            None => vec![token],
        }
    }
}

/// The demo's three products, three weeks into their ads at `now`, which keep running.
pub fn world(now: DateTime<Utc>) -> World {
    let world = demo::world(demo::SEED);
    let today = now.with_timezone(&world.zone).date_naive();
    let (first_day, last_day) = (today - Days::new(DAYS_OF_ADS), today + Days::new(DAYS_OF_ADS));
    World { first_day, last_day, ..world }
}

/// Every file of the folder, the configuration first. Vendors whose connector is not among these names are left out.
pub fn files(sandbox: &Sandbox, connectors: &[&str]) -> Vec<File> {
    let offers: Vec<Offer> = OFFERS.into_iter().filter(|offer| connectors.contains(&offer.connector)).collect();
    let tools: Vec<Tool> = TOOLS.into_iter().filter(|tool| connectors.contains(&tool.connector)).collect();
    let secret = |name: &str, value: &str| File { name: format!("secrets/{name}"), text: value.to_owned() };
    let mut files = vec![
        File { name: "willitsell.toml".into(), text: configuration(sandbox, &offers, &tools) },
        secret("slack-webhook", &sandbox.url(Endpoint::Slack)),
        secret("typeform-token", &sandbox.secrets().typeform_token),
        secret("client-secret", &sandbox.secrets().client_secret),
    ];
    let secrets = offers.iter().flat_map(|offer| offer.secrets(sandbox));
    let secrets = secrets.chain(tools.iter().filter_map(|tool| tool.secret(sandbox)));
    files.extend(secrets.map(|(name, value)| secret(&name, &value)));
    files
}

fn configuration(sandbox: &Sandbox, offers: &[Offer], tools: &[Tool]) -> String {
    let mut text = String::from(
        "# A rehearsal on pretend vendors, written by `willitsell sandbox`, which must be running. Addresses and\n\
         # calls a second are those of the pretend vendors: for real ones leave out base_url, download_url, token_url,\n\
         # authorize_url and per_second.\n\
         \n[store]\nurl = \"sqlite://willitsell.db\"\n\n[notify.team.slack]\nurl = \"file:secrets/slack-webhook\"\n",
    );
    let by_people = by_people(offers, tools);
    for offer in offers {
        let here = by_people.iter().filter(|(_, platform, _)| platform.source == offer.source);
        let tested: Vec<&str> = here.map(|(concept, ..)| concept.id).collect();
        text.push_str(&offer.tables(sandbox, &tested));
    }
    for concept in demo::concepts() {
        let (id, form) = (concept.id, &concept.truth.form_id);
        let typeform = sandbox.url(Endpoint::Typeform);
        let _ = write!(
            text,
            "\n[source.{id}-form]\nconnector = \"typeform\"\nsettings = {{ form_id = \"{form}\", token = \
             \"file:secrets/typeform-token\", base_url = \"{typeform}\", per_second = \"1000\" }}\n"
        );
        let searched: Vec<&Offer> = offers.iter().filter(|offer| offer.source == "search").collect();
        text.push_str(&experiment(sandbox, &concept, id, &searched, Some((&format!("{id}-form"), "signups"))));
    }
    // The other platforms advertise the same product: a test each, judged by what the platform itself counts.
    let [concept, ..] = demo::concepts();
    for offer in offers.iter().filter(|offer| offer.source != "search") {
        let key = format!("{}-on-{}", concept.id, offer.source);
        text.push_str(&experiment(sandbox, &concept, &key, &[offer], None));
    }
    for (concept, platform, tool) in by_people {
        let others = demo::concepts().into_iter().filter(|other| other.id != concept.id);
        let aside: Vec<String> = others.flat_map(|other| other.truth.arms).map(|arm| arm.key).collect();
        text.push_str(&tool.table(sandbox, &concept.truth.form_id, &aside));
        let key = format!("{}-by-{}", concept.id, tool.source);
        text.push_str(&experiment(sandbox, &concept, &key, &[platform], Some((tool.source, tool.act))));
    }
    text
}

/// Which tool counts the people of which concept, who come from which platform: one test for each tool, no campaign in
/// two.
fn by_people<'a>(offers: &'a [Offer], tools: &'a [Tool]) -> Vec<(demo::DemoConcept, &'a Offer, &'a Tool)> {
    let [_, mut others @ ..] = demo::concepts();
    others.reverse();
    let pairs = others.into_iter().flat_map(|concept| {
        let platforms = offers.iter().filter(|offer| offer.source != "search");
        platforms.map(move |platform| (concept.clone(), platform))
    });
    pairs.zip(tools).map(|((concept, platform), tool)| (concept, platform, tool)).collect()
}

/// A test of a concept on these platforms, judged by its form, or else by what the platform itself counts.
fn experiment(
    sandbox: &Sandbox,
    concept: &demo::DemoConcept,
    key: &str,
    platforms: &[&Offer],
    acts: Option<(&str, &str)>,
) -> String {
    let form = acts.map(|(form, _)| form);
    let World { first_day, zone, .. } = sandbox.world();
    let sources = platforms.iter().map(|offer| offer.source).chain(form);
    let listed: Vec<String> = sources.map(|source| format!("\"{source}\"")).collect();
    let act = acts.map_or("conversions", |(_, act)| act);
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
        let mut keys: Vec<String> = Vec::new();
        for offer in platforms {
            let campaigns = arm.campaigns.iter().map(|campaign| format!("\"{}\"", (offer.id)(campaign.id)));
            keys.push(format!("{} = [{}]", offer.source, campaigns.collect::<Vec<_>>().join(", ")));
        }
        keys.extend(form.map(|form| format!("{form} = [\"{}\"]", arm.key)));
        let _ = write!(text, "\n[experiment.{key}.arm.{}]\nkeys = {{ {} }}\n", arm.key, keys.join(", "));
    }
    text
}
