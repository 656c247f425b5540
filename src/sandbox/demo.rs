//! The ready-made world of `willitsell demo`: six weeks of ads for three concepts, one that sells, one
//! that does not, and one whose true rate lies between the bars. Prices and traffic are those of
//! search ads (product.md section 7).

use chrono::NaiveDate;

use super::World;
use super::world::{SimArm, SimCampaign, SimConcept};
use crate::domain::money::Currency;

/// A concept with what a sensible team would write down about it before the start.
#[derive(Clone, Debug)]
pub struct DemoConcept {
    /// KEY of `[experiment.KEY]`.
    pub id: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// At least X % of Y will do Z.
    pub hypothesis: &'static str,
    /// Who decides.
    pub owner: &'static str,
    /// Break-even.
    pub kill_bar: f64,
    /// Worth finding.
    pub build_bar: f64,
    /// What is true, and what no team knows.
    pub truth: SimConcept,
}

/// A seed with which the first concept reaches BUILD and the second KILL as soon as two weeks have
/// settled, while the third is still undecided after six.
pub const SEED: u64 = 21;

/// A Monday.
const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 3, 2).expect("2 March 2026 is a day");
/// Six weeks later.
const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 4, 12).expect("12 April 2026 is a day");

/// The three concepts.
pub fn concepts() -> [DemoConcept; 3] {
    [
        DemoConcept {
            id: "cat-meals",
            title: "Vet-approved meal kit for cats",
            hypothesis: "At least 2% of cat owners who search for cat food leave their address for a kit at $29 a month",
            owner: "Dana, head of product",
            kill_bar: 0.02,
            build_bar: 0.03,
            truth: concept(
                "CatMeals",
                "kit-29",
                0.055,
                &[(21_908_711, "Cat food search", 38.0, 4_900_000), (21_908_712, "Vet diet search", 24.0, 5_100_000)],
            ),
        },
        DemoConcept {
            id: "fridge-chat",
            title: "Team chat for your fridge",
            hypothesis: "At least 2% of owners of a smart fridge leave their address for a chat room it can join",
            owner: "Sam, head of growth",
            kill_bar: 0.02,
            build_bar: 0.03,
            truth: concept("FridgeChat", "free-trial", 0.008, &[(21_908_721, "Smart fridge search", 70.0, 4_400_000)]),
        },
        DemoConcept {
            id: "plant-sitter",
            title: "A plant sitter by subscription",
            hypothesis: "At least 2% of city people who search for plant care leave their address for weekly visits at $19",
            owner: "Dana, head of product",
            kill_bar: 0.02,
            build_bar: 0.03,
            truth: concept("PlantSit", "weekly-19", 0.0245, &[(21_908_731, "Plant care search", 42.0, 5_200_000)]),
        },
    ]
}

/// The world in which they are tested.
#[expect(clippy::expect_used, reason = "USD is three capital letters")]
pub fn world(seed: u64) -> World {
    World {
        seed,
        first_day: FIRST_DAY,
        last_day: LAST_DAY,
        zone: chrono_tz::America::New_York,
        currency: Currency::from_code("USD").expect("USD is a code"),
        customer_id: "1234567890".into(),
        concepts: concepts().into_iter().map(|concept| concept.truth).collect(),
        other_campaigns: 0,
    }
}

fn concept(form_id: &str, arm: &str, rate: f64, campaigns: &[(u64, &str, f64, u32)]) -> SimConcept {
    let campaigns = campaigns.iter().map(|&(id, name, clicks_per_day, cost_per_click_micros)| SimCampaign {
        id,
        name: name.into(),
        clicks_per_day,
        click_rate: 0.045,
        cost_per_click_micros,
    });
    SimConcept { form_id: form_id.into(), arms: vec![SimArm { key: arm.into(), rate, campaigns: campaigns.collect() }] }
}
