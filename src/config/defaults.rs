//! What holds where the user says nothing. Every default stands here and nowhere else; the reasons
//! are in the example configuration, which a test compares with these.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::domain::concept::{Boundary, Dispersion, Multiplicity};
use crate::domain::portfolio::FalseBuildRate;

/// `[store] url`: a file beside the configuration.
pub const STORE_URL: &str = "sqlite://willitsell.db";
/// `[web] listen`: this machine alone.
pub const WEB: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8437);
/// `[inbound] listen`: this machine alone.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8438);
/// `[inbound] body_limit_kib`.
pub const BODY_LIMIT_KIB: u32 = 256;
/// `[run] sources_at_once`.
pub const SOURCES_AT_ONCE: u32 = 8;
/// `[run] catch_up_days`.
pub const CATCH_UP_DAYS: u32 = 7;
/// `[source.NAME] maturity_lag_days`.
pub const MATURITY_LAG_DAYS: u32 = 3;
/// `[experiment.KEY] decide_within_days`.
pub const DECIDE_WITHIN_DAYS: u32 = 5;
/// `build_bar` is this many times the kill bar.
pub const BUILD_BAR_PER_KILL_BAR: f64 = 1.5;
/// Under `model = "cpa"` the kill bar is this many times `build_bar`.
pub const KILL_COST_PER_BUILD_COST: f64 = 1.5;
/// `kill_bar` under `model = "compare"`: no better than the control.
pub const KILL_RATIO: f64 = 1.0;
/// `build_bar` under `model = "compare"`.
pub const BUILD_RATIO: f64 = 1.2;
/// Chance of a false alarm over an uneven split.
pub const SRM_ALPHA: f64 = 0.001;
/// How close to the shares of a split a fault is looked for.
pub const SRM_CONCENTRATION: f64 = 1000.0;
/// Shares of a split may be rounded, such as 0.333 thrice.
pub const SRM_SHARES_ADD_UP_WITHIN: f64 = 0.002;
/// `alpha`.
pub const ALPHA: f64 = 0.05;
/// `beta`.
pub const BETA: f64 = 0.05;
/// Largest `alpha` and `beta` of a test looked at once a day: its thresholds, ln(1/alpha) and ln(1/beta), are lowered by up to 1
/// for that (statistics.md section 4), and from 1/e on nothing might be left of them.
pub const LARGEST_DAILY_ERROR: f64 = 0.36;
/// `min_days`.
pub const MIN_DAYS: u32 = 14;
/// `min_exposures`.
pub const MIN_EXPOSURES: u32 = 300;
/// `min_conversions`.
pub const MIN_CONVERSIONS: u32 = 10;
/// `horizon_days`.
pub const HORIZON_DAYS: u32 = 60;
/// `dispersion`.
pub const DISPERSION: Dispersion = Dispersion::Auto;
/// `boundary`.
pub const BOUNDARY: Boundary = Boundary::Daily;
/// `multiplicity`.
pub const MULTIPLICITY: Multiplicity = Multiplicity::Bonferroni;
/// `digest` of an audience.
pub const DIGEST: bool = true;
/// `agenda` of an audience.
pub const AGENDA: bool = true;
/// `false_build_rate` of `[portfolio]`.
pub const FALSE_BUILD_RATE: FalseBuildRate = FalseBuildRate::Together;
/// `guardrail_alpha`.
pub const GUARDRAIL_ALPHA: f64 = 0.05;
/// A guardrail's `margin`.
pub const GUARDRAIL_MARGIN: f64 = 0.25;
