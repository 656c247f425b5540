//! The five questions of whoever pays for the ads: each answered within two clicks of the first page, found by the words one
//! sees there. How long each takes is printed.

use std::time::Instant;

use super::browser::Browser;
use super::site::Site;
use super::walk::ordinary;

/// What is asked; the words of each link that is followed; how the page puts the question; what the answer must say.
const QUESTIONS: [(&str, &[&str], &str, &[&str]); 5] = [
    ("Should I stop the ads?", &["Invoice Autopilot"], "Should the ads stop?", &["Yes, either way", "a day"]),
    ("How sure are we?", &["Invoice Autopilot"], "How sure are we?", &["Even the worst case", "5 in 100"]),
    ("What did it cost?", &["Invoice Autopilot"], "What did it cost?", &["of $3,500", "per conversion"]),
    ("What if Meta is wrong?", &["Invoice Autopilot"], "What if meta is wrong?", &["still stands", "meta alone"]),
    ("Who decided?", &["Invoice Autopilot"], "Who decides", &["Dana chose to kill", "against BUILD"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn five_questions_are_answered_within_two_clicks() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::of(&ordinary(), Some("Dana")).await;
    browser.size(1280, 900).await;
    for (asked, links, question, answers) in QUESTIONS {
        assert!(links.len() <= 2, "{asked}");
        let began = Instant::now();
        browser.open(&site.base).await;
        for link in links {
            browser.follow(link).await;
        }
        let answer = browser
            .run(&format!(
                "const at = [...document.querySelectorAll('dt')].find(one => one.innerText.startsWith('{question}')); \
                 return at ? at.nextElementSibling.innerText : 'no such question on ' + document.title"
            ))
            .await;
        let answer = answer.as_str().unwrap().replace('\n', " ");
        println!("{asked} {} click, {:.2} s: {answer}", links.len(), began.elapsed().as_secs_f64());
        for part in answers {
            assert!(answer.contains(part), "{asked}: {answer}");
        }
        let place = "return document.querySelector('.answers').getBoundingClientRect().bottom";
        assert!(browser.run(place).await.as_f64().unwrap() < 900.0, "nobody scrolls for an answer");
    }
    // The same is told by those who look at what was decided, and at the money.
    for (link, said) in [("Decisions", "Dana"), ("Money", "Testing has cost")] {
        browser.open(&site.base).await;
        browser.follow(link).await;
        let text = browser.run("return document.body.innerText").await;
        assert!(text.as_str().unwrap().contains(said), "{link}: {text}");
    }
}
