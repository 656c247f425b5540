//! Names that would be script elsewhere: they are text on every page, and ask nobody for anything.

use willitsell::domain::verdict::Verdict;

use super::browser::Browser;
use super::site::{Site, Wanted};

/// What people, vendors and attackers write into names.
pub const NAMES: [&str; 8] = [
    "<script>window.hurt=1</script>",
    "\"><img src=x onerror=window.hurt=1>",
    "'><svg/onload=window.hurt=1>",
    "</title><script src=https://evil.example/x.js></script>",
    "javascript:window.hurt=1",
    "`<iframe src=https://evil.example>` {{7*7}} ${7*7} &lt;b&gt;",
    "\u{202e}evil\u{202c} \u{0}\u{1} <style>*{display:none}</style>",
    "A name of sixty characters that nobody would ever cut short ok",
];

pub fn hostile(verdicts: &[Option<Verdict>]) -> Vec<Wanted<'static>> {
    let names = NAMES.iter().filter(|name| !name.contains('\u{0}')).chain(std::iter::once(&NAMES[7]));
    let names = names.zip(verdicts.iter().cycle());
    names.map(|(name, verdict)| Wanted { title: name, owner: name, arm: name, verdict: *verdict }).collect()
}

pub const EVERY_VERDICT: [Option<Verdict>; 6] = [
    Some(Verdict::Build),
    Some(Verdict::Kill),
    Some(Verdict::Review),
    Some(Verdict::Collecting),
    Some(Verdict::Blocked),
    None,
];

#[tokio::test(flavor = "multi_thread")]
async fn w4_names_that_are_script_elsewhere_are_text_on_every_page() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::of(&hostile(&EVERY_VERDICT), Some(NAMES[0])).await;
    for page in site.every_page() {
        browser.open(&format!("{}{page}", site.base)).await;
        let said = browser.run("return [window.hurt || null, document.querySelectorAll('iframe, main img, main style, main script').length, document.body.innerText]").await;
        assert!(said[0].is_null() && said[1] == 0, "{page}: {said}");
        for (url, status) in browser.requests().await {
            assert!(url.starts_with(&site.base) && status < 400, "{page} asked {url}: {status}");
        }
        assert_eq!(browser.complaints().await, [""; 0], "{page}");
        if page == "/" {
            let text = said[2].as_str().unwrap();
            assert!(text.contains(NAMES[0]) && text.contains(NAMES[1]) && text.contains(NAMES[3]), "{text}");
        }
    }
}
