//! A real browser opens every page, at a desk's and a telephone's width, by day and by night.

use super::browser::Browser;
use super::hostile::EVERY_VERDICT;
use super::site::{Site, Wanted};

fn ordinary() -> Vec<Wanted<'static>> {
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

#[tokio::test(flavor = "multi_thread")]
async fn every_page_opens_without_a_complaint_and_asks_nobody_else() {
    let Some(browser) = Browser::start().await else { return };
    for site in [Site::of(&ordinary(), Some("Dana")).await, Site::of(&[], None).await] {
        for (width, height) in [(1280, 900), (390, 844), (320, 700)] {
            browser.size(width, height).await;
            for page in Site::every_page() {
                browser.open(&format!("{}{page}", site.base)).await;
                let seen = browser
                    .run("return [document.documentElement.scrollWidth - document.documentElement.clientWidth, document.querySelectorAll('h1').length, document.title, document.querySelectorAll('[style], style').length]")
                    .await;
                assert!(seen[0].as_i64().unwrap() <= 0, "{page} scrolls sideways at {width}: {seen}");
                assert_eq!(seen[1], 1, "{page} has one first heading");
                assert!(seen[2].as_str().unwrap().ends_with("Will it sell?"), "{page}: {seen}");
                assert_eq!(seen[3], 0, "{page} holds no style of its own");
                let outside: Vec<_> = browser.requests().await;
                let outside: Vec<_> =
                    outside.iter().filter(|(url, status)| !url.starts_with(&site.base) || *status >= 400).collect();
                assert!(outside.is_empty(), "{page}: {outside:?}");
                assert_eq!(browser.complaints().await, [""; 0], "{page}");
            }
        }
    }
}

/// axe-core comes from npm, in `.ci/run` alone, which says where it lies.
#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_no_violation_on_any_page() {
    let Some(axe) = std::env::var_os("WILLITSELL_AXE") else {
        assert!(std::env::var_os("WILLITSELL_SKIP_IS_FAILURE").is_none(), "WILLITSELL_AXE names no axe.min.js");
        eprintln!("skipped: WILLITSELL_AXE does not name axe-core's axe.min.js");
        return;
    };
    let Some(browser) = Browser::start().await else { return };
    let axe = std::fs::read_to_string(axe).unwrap();
    let site = Site::of(&ordinary(), Some("Dana")).await;
    for page in Site::every_page() {
        browser.open(&format!("{}{page}", site.base)).await;
        browser.run(&axe).await;
        let script = "const done = arguments[0]; axe.run().then(found => done(found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html + ' ' + n.failureSummary).join(' | '))))";
        let found = browser.wait_for(script).await;
        assert_eq!(found.as_array().unwrap().len(), 0, "{page}: {found:#}");
    }
}
