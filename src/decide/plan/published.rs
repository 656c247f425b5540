//! Rates and prices that others have published, for the first plan of somebody without numbers (product.md section 7,
//! where the numbered sources stand). Orders of magnitude: traffic differs, most are vendors' figures.

use serde::Serialize;

/// How far an act goes, with the bars we offer for it on cold paid traffic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PublishedAct {
    /// What `--act` calls it.
    pub name: &'static str,
    /// What people do.
    pub act: &'static str,
    /// What was seen, and by whom.
    pub seen: &'static str,
    /// The rate we offer as break-even.
    pub kill_bar: f64,
    /// The rate we offer as worth building for.
    pub build_bar: f64,
}

/// What a platform's clicks cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PublishedPrice {
    /// Where.
    pub platform: &'static str,
    /// Dollars a click, as published.
    pub price: &'static str,
    /// By whom.
    pub source: &'static str,
}

/// Every deciding act with published rates, the cheapest for the visitor first.
pub const ACTS: [PublishedAct; 6] = [
    PublishedAct {
        name: "email",
        act: "leaves an e-mail address",
        seen: "1.8% of all landing pages' visitors from paid social, 3.5% from search, 4.5% on dedicated pages \
               (conversioniq-app.com); 3.8% on software pages (Unbounce 2024); 10 to 25% on waiting lists \
               (launchsuite.co); guides pass 5% and fail 3% (blog.proofengine.studio)",
        kill_bar: 0.05,
        build_bar: 0.10,
    },
    PublishedAct {
        name: "verified",
        act: "leaves an e-mail address and confirms it",
        seen: "20 to 40% claimed for waiting lists, warm traffic included (feedback.getlaunchlist.com)",
        kill_bar: 0.03,
        build_bar: 0.05,
    },
    PublishedAct {
        name: "qualified",
        act: "signs up and fits the customer you want",
        seen: "below 2% treated as noise (hub.causo.ai); 0.5 to 3% of visitors become leads between businesses \
               (firstsales.io)",
        kill_bar: 0.015,
        build_bar: 0.03,
    },
    PublishedAct {
        name: "demo",
        act: "asks for a demo",
        seen: "2 to 3% in the middle of all sites, 5% in the top quarter (heyoo.ai); 1 to 5% (firstsales.io)",
        kill_bar: 0.008,
        build_bar: 0.015,
    },
    PublishedAct {
        name: "card",
        act: "clicks \"buy now\" or gives a card",
        seen: "guides pass 2% and fail 1% (blog.proofengine.studio)",
        kill_bar: 0.01,
        build_bar: 0.02,
    },
    PublishedAct {
        name: "deposit",
        act: "pays a deposit of $1 to 25",
        seen: "no solid public rate; 30 to 60% of depositors later buy, of e-mail leads 1 to 3% (validatr.shop, a vendor)",
        kill_bar: 0.004,
        build_bar: 0.01,
    },
];

/// What a click was said to cost.
pub const PRICES: [PublishedPrice; 4] = [
    PublishedPrice {
        platform: "Google and Microsoft search",
        price: "$5.26",
        source: "WordStream/LocaliQ 2025 via theadspend.com",
    },
    PublishedPrice {
        platform: "Meta lead campaigns (US)",
        price: "$1.92",
        source: "WordStream/LocaliQ 2025 via mbadv.agency",
    },
    PublishedPrice {
        platform: "Meta traffic campaigns",
        price: "about $0.70",
        source: "Facebook reports 2025-26 via reflexagency.online",
    },
    PublishedPrice { platform: "LinkedIn sponsored", price: "$5.50 to 9.25", source: "stackmatix.com" },
];
