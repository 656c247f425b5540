//! `willitsell` pulls campaign results on a schedule, stores them, and says when a concept test
//! has enough signal to recommend BUILD or KILL. This file is the list of modules; ARCHITECTURE.md
//! says what each may know about the others.

#![forbid(unsafe_code)]

pub mod app;
pub mod cli;
pub mod config;
pub mod connect;
pub mod decide;
pub mod domain;
pub mod health;
pub mod inbound;
pub mod listen;
pub mod notify;
pub mod sandbox;
pub mod schedule;
pub mod stats;
pub mod store;
pub mod themes;
pub mod web;
