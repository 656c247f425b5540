//! Plain data every other module speaks in: no I/O, no clock, no product decision.

pub mod address;
pub mod concept;
pub mod connector;
pub mod day_note;
pub mod decision;
pub mod economics;
pub mod generation;
pub mod icp;
pub mod id;
pub mod inbound;
pub mod intake;
pub mod message;
pub mod metric;
pub mod millionths;
pub mod money;
pub mod observation;
pub mod pattern;
pub mod portfolio;
pub mod postgres;
pub mod response;
pub mod run;
pub mod schedule;
pub mod sunset;
pub mod theme;
pub mod verdict;
