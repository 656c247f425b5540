//! Pure mathematics on plain numbers: no product word, no date, no I/O. Everything is in natural
//! logarithms; the symbols are those of the statistics design (p0, p1, delta, phi).

pub mod compare;
pub mod counts;
pub mod cpa;
pub mod dispersion;
pub mod fixed;
pub mod guardrail;
pub mod many;
pub mod plan;
pub mod rate;
mod root;
pub mod sequential;
pub mod simulate;
pub mod special;
pub mod srm;
pub mod traffic;
