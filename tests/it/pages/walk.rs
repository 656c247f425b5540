//! A real browser opens every page, at a desk's and a telephone's width: those of a store written for it, of the demo, and of
//! real data. axe-core looks at each, and at the reports.

use super::browser::Browser;
use super::hostile::EVERY_VERDICT;
use super::real::of_real_data;
use super::site::{Served, Site, Wanted, every_page};
use crate::project::Project;

pub fn ordinary() -> Vec<Wanted<'static>> {
    let names = [
        "Invoice Autopilot",
        "Team Chat Widget",
        "Expense Snap",
        "Cash-flow Forecast",
        "Payroll Bridge",
        "Vendor Portal",
    ];
    names
        .into_iter()
        .zip(EVERY_VERDICT)
        .map(|(title, verdict)| Wanted { title, owner: "Dana, head of product", arm: "One offer", verdict })
        .collect()
}

/// The demo's concepts.
const DEMO: [&str; 3] = ["cat-meals", "fridge-chat", "plant-sitter"];

/// Opens pages at three widths and looks for what no page may have or do.
async fn walk(browser: &Browser, base: &str, pages: &[String]) {
    for (width, height) in [(1280, 900), (390, 844), (320, 700)] {
        browser.size(width, height).await;
        for page in pages {
            browser.open(&format!("{base}{page}")).await;
            let seen = browser
                .run("return [document.documentElement.scrollWidth - document.documentElement.clientWidth, document.querySelectorAll('h1').length, document.title, document.querySelectorAll('[style], style').length]")
                .await;
            assert!(seen[0].as_i64().unwrap() <= 0, "{page} scrolls sideways at {width}: {seen}");
            assert_eq!(seen[1], 1, "{page} has one first heading");
            assert!(seen[2].as_str().unwrap().ends_with("Will it sell?"), "{page}: {seen}");
            assert_eq!(seen[3], 0, "{page} holds no style of its own");
            let outside: Vec<_> = browser.requests().await;
            let outside: Vec<_> =
                outside.iter().filter(|(url, status)| !url.starts_with(base) || *status >= 400).collect();
            assert!(outside.is_empty(), "{page}: {outside:?}");
            assert_eq!(browser.complaints().await, [""; 0], "{page}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_opens_without_a_complaint_and_asks_nobody_else() {
    let Some(browser) = Browser::start().await else { return };
    for site in [Site::of(&ordinary(), Some("Dana")).await, Site::of(&[], None).await] {
        walk(&browser, &site.base, &site.every_page()).await;
    }
    let site = Site::of(&ordinary(), None).await;
    browser.open(&format!("{}/concepts/c0/arms", site.base)).await;
    let drawn =
        "return ['#rows-h', '#prices-h', '#version-0-h', '#version-1-h'].filter(id => !document.querySelector(id))";
    assert_eq!(browser.run(drawn).await, serde_json::json!([]), "the richest page lacks a part");
    browser.open(&format!("{}/concepts/c0", site.base)).await;
    let drawn = "return ['#range-h', '#meter-h', '#funnel-h', '#rows-h', '#money', 'blockquote', '.tile.key'].filter(id => !document.querySelector(id))";
    assert_eq!(browser.run(drawn).await, serde_json::json!([]), "the richest page lacks a part");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_the_demo_open_without_a_complaint() {
    let Some(browser) = Browser::start().await else { return };
    let project = Project::new("");
    let served = Served::demo(&project, "demo");
    let pages = every_page(DEMO.into_iter());
    walk(&browser, &served.base, &pages).await;
    axe(&browser, &served.base, &pages).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_real_data_open_without_a_complaint() {
    let Some(site) = of_real_data().await else { return };
    let Some(browser) = Browser::start().await else { return };
    walk(&browser, &site.base, &site.every_page()).await;
    axe(&browser, &site.base, &site.every_page()).await;
    browser.open(&format!("{}/concepts/notebooks", site.base)).await;
    let text = browser.run("return document.body.innerText").await;
    assert!(text.as_str().unwrap().contains("779 of 1,706"), "{text}");
}

/// Lets axe-core look at pages. It comes from npm, in `.ci/run` alone, which says where it lies.
async fn axe(browser: &Browser, base: &str, pages: &[String]) {
    let Some(axe) = std::env::var_os("WILLITSELL_AXE") else {
        assert!(std::env::var_os("WILLITSELL_SKIP_IS_FAILURE").is_none(), "WILLITSELL_AXE names no axe.min.js");
        eprintln!("skipped: WILLITSELL_AXE does not name axe-core's axe.min.js");
        return;
    };
    let axe = std::fs::read_to_string(axe).unwrap();
    for page in pages {
        browser.open(&format!("{base}{page}")).await;
        // What is closed is looked at too.
        browser.run("for (const one of document.querySelectorAll('details')) one.open = true").await;
        browser.run(&axe).await;
        let script = "const done = arguments[0]; axe.run().then(found => done(found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html + ' ' + n.failureSummary).join(' | '))))";
        let found = browser.wait_for(script).await;
        assert_eq!(found.as_array().unwrap().len(), 0, "{page}: {found:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_no_violation_on_any_page_by_day_or_by_night() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::of(&ordinary(), Some("Dana")).await;
    for scheme in ["light", "dark"] {
        browser.prefers(scheme).await;
        for width in [1280, 390] {
            browser.size(width, 900).await;
            axe(&browser, &site.base, &site.every_page()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_no_violation_in_any_report() {
    let Some(browser) = Browser::start().await else { return };
    let project = Project::new("");
    project.succeeds(&["demo", "--json", "--folder", "demo"]);
    for name in DEMO.into_iter().chain(["portfolio"]) {
        let file = format!("{name}.html");
        project.succeeds(&["--config", "demo/willitsell.toml", "report", name, "--out", &file]);
        axe(&browser, "file://", &[project.path().join(file).display().to_string()]).await;
    }
}
