//! What a scripted client may and may not do.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use willitsell::connect::http::{Http, Limits, Method};

use super::hostile::EVERY_VERDICT;
use super::site::{Site, Wanted};

async fn site() -> Site {
    let wanted = EVERY_VERDICT.map(|verdict| Wanted { title: "A concept", owner: "Dana", arm: "One", verdict });
    Site::of(&wanted, None).await
}

async fn ask(
    site: &Site,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> (u16, reqwest::header::HeaderMap, String) {
    let mut request = Http::new(Limits::default()).unwrap().client().request(method, format!("{}{path}", site.base));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn w3_another_host_is_told_nothing_on_any_route() {
    let site = site().await;
    let mut pages = site.every_page();
    pages.push("/nowhere".into());
    for page in pages {
        for host in
            ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "192.168.0.1", "localhost.evil.example"]
        {
            let (status, headers, body) =
                ask(&site, Method::GET, &page, &[("host", host), ("x-forwarded-host", "localhost")]).await;
            assert_eq!(status, 421, "{page} {host}");
            assert!(!body.contains("A concept") && headers.contains_key("content-security-policy"), "{body}");
        }
        for host in ["localhost:8437", "127.0.0.1", "[::1]:9", "tests.example.com"] {
            let (status, ..) = ask(&site, Method::GET, &page, &[("host", host)]).await;
            assert_ne!(status, 421, "{page} {host}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn w2_nothing_but_questions_is_answered() {
    let site = site().await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let (status, headers, _) = ask(&site, method.clone(), "/", &[("origin", "https://evil.example")]).await;
        assert_eq!((status, headers["allow"].to_str().unwrap()), (405, "GET, HEAD"), "{method}");
        assert!(!headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn w5_no_path_leads_to_a_file() {
    let site = site().await;
    let long = format!("/{}", "a".repeat(5000));
    for path in [
        "/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/style.css/../../Cargo.toml",
        "/concepts/..%2f..%2fwillitsell.toml",
        "/concepts/%00",
        "/concepts/%ff%fe",
        "/concepts/%e2%80%ae",
        "/%",
        "//evil.example/",
        "/\\evil.example",
        "/concepts/c0;x=1",
        &long,
    ] {
        let (status, _, body) = ask(&site, Method::GET, path, &[]).await;
        assert!([400, 404, 414].contains(&status), "{path}: {status}");
        assert!(!body.contains("root:") && !body.contains("[store]"), "{path}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn w4_every_answer_says_what_a_browser_may_do() {
    let site = site().await;
    for page in site.every_page().iter().map(String::as_str).chain(["/nowhere"]) {
        let (_, headers, body) = ask(&site, Method::GET, page, &[]).await;
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["x-frame-options"], "DENY");
        assert!(!body.contains(" style=") && !body.contains("<style") && !body.contains(" onclick"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_given_as_json_at_the_same_address() {
    let site = site().await;
    for page in ["/", "/money", "/decisions", "/health"] {
        let (status, headers, body) = ask(&site, Method::GET, page, &[("accept", "application/json")]).await;
        assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "application/json"), "{page}");
        assert!(serde_json::from_str::<Value>(&body).unwrap().is_object(), "{page}: {body}");
    }
    let (status, _, body) = ask(&site, Method::GET, "/nowhere", &[("accept", "application/json")]).await;
    assert_eq!(status, 404);
    assert!(serde_json::from_str::<Value>(&body).unwrap()["error"].is_string());
    let rows = ask(&site, Method::GET, "/", &[("accept", "application/json")]).await.2;
    let rows: Value = serde_json::from_str(&rows).unwrap();
    let order: Vec<&str> =
        rows["rows"].as_array().unwrap().iter().map(|row| row["verdict"].as_str().unwrap_or("none")).collect();
    assert_eq!(order, ["BLOCKED", "BUILD", "KILL", "REVIEW", "COLLECTING", "none"]);
    assert_eq!((rows["needing_a_person"].as_u64(), rows["concepts"].as_u64()), (Some(4), Some(6)));
}

/// How many connections a test may open at once, of those it would like to: after asking for more files, as many as there may be.
fn allowed(wanted: usize) -> usize {
    let own = std::process::id().to_string();
    let limits = || std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = |text: &str| -> Option<[usize; 2]> {
        let line = text.lines().find(|line| line.starts_with("Max open files"))?;
        let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
        Some([numbers.next()?, numbers.next()?])
    };
    if let Some([_, most]) = files(&limits()) {
        let _ =
            std::process::Command::new("prlimit").args(["--pid", &own, &format!("--nofile={most}:{most}")]).status();
    }
    // Both ends of those that are open on our side, and whatever other tests have open.
    let room = files(&limits()).map_or(200, |[now, _]| now.saturating_sub(2_000));
    if room < wanted {
        println!("only {room} of {wanted} connections: the system allows no more files");
    }
    wanted.min(room)
}

#[tokio::test(flavor = "multi_thread")]
async fn w6_ten_thousand_that_dawdle_keep_nobody_from_reading_nor_us_from_collecting() {
    let site = site().await;
    let address = site.base.strip_prefix("http://").unwrap().to_owned();
    let many = allowed(10_000);
    // Each sends half of its headers, and waits.
    let dawdling = tokio::spawn(async move {
        let mut dawdlers = Vec::with_capacity(many);
        for _ in 0..many {
            let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
            // One that had to make room already may be closed.
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await;
            dawdlers.push(stream);
        }
        dawdlers
    });
    let (mut pages, mut pulls, mut slowest) = (0, 0, Duration::ZERO);
    while pages < 50 || !dawdling.is_finished() {
        let began = Instant::now();
        let (status, _, body) = ask(&site, Method::GET, "/", &[]).await;
        assert!(status == 200 && body.contains("A concept"), "{status}");
        slowest = slowest.max(began.elapsed());
        pages += 1;
        if pages % 10 == 0 {
            site.pull_again(pages % EVERY_VERDICT.len()).await;
            pulls += 1;
        }
    }
    let dawdlers = dawdling.await.unwrap();
    let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = memory.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().to_owned();
    println!(
        "{many} connections without an end to their headers: {pages} pages, the slowest after {} ms, and {pulls} pulls; {memory}",
        slowest.as_millis()
    );
    // They are cut off without an answer of ours.
    let mut first = dawdlers.into_iter().next().unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_mins(1), first.read_to_end(&mut answer)).await;
    assert!(read.expect("never cut off").is_err() || !String::from_utf8_lossy(&answer).contains("200 OK"));
}
