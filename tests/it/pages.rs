//! The pages, asked by a scripted client and looked at by a real browser (rows W1 to W6 of the fault table). Debian's Chromium
//! is driven through its own driver; where there is none, the tests that need it say so and are skipped; with
//! `WILLITSELL_SKIP_IS_FAILURE` set, as in `.ci/run`, absence is a failure.

#[path = "pages/browser.rs"]
mod browser;
#[path = "pages/guards.rs"]
mod guards;
#[path = "pages/hostile.rs"]
mod hostile;
#[path = "pages/known.rs"]
mod known;
mod login;
#[path = "pages/questions.rs"]
mod questions;
#[path = "pages/real.rs"]
mod real;
#[path = "pages/site.rs"]
mod site;
#[path = "pages/walk.rs"]
mod walk;
