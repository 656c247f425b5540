//! One test binary: a file per part of the program.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

mod architecture;
mod auth;
mod canary;
mod commands;
mod config;
mod connectors;
mod convergence;
mod daemon;
mod daemons;
mod decide;
mod disk;
mod exports;
mod fake_server;
mod fault_table;
mod fleet;
mod folder;
mod form_exports;
mod http;
mod import_files;
mod inbound;
mod kill;
mod logins;
mod notify;
mod operating;
mod packaging;
mod pages;
mod paper;
mod platforms;
mod postgres;
mod project;
mod real_data;
mod recall;
mod replay;
mod sandbox;
mod secrets;
mod simulate;
mod spreadsheet;
mod stats_vectors;
mod store;
mod themes;
mod tick;
mod transitions;
mod two_databases;
