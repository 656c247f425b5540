//! The pages: where every concept stands, for whoever looks, in a browser or as JSON. They only read, and each says one moment
//! of the store. What they say is `decide`'s; here is how it is laid out, and who gets to see it.

mod asked;
mod assets;
pub mod chart;
pub mod concept;
mod decisions;
mod frame;
mod health;
mod login;
pub mod moment;
mod money;
pub mod parts;
pub mod portfolio;
pub mod range;
pub mod report;
mod serve;
mod urgency;
mod words;

pub use assets::{Assets, STYLE};
pub use frame::{Page, Place};
pub use serve::{Pages, WebError};
