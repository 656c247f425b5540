//! Asking vendors: the public face of everything that leaves this machine to fetch results.

pub mod auth;
pub mod http;
