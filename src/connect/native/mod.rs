//! Connectors that need Rust rather than a manifest, one file each. Not for vendors a manifest can describe.

pub mod file;
pub mod sql;
