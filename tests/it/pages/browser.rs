//! A browser without a window, driven through `chromedriver` in the words of `WebDriver`. A library for it would bring thirty
//! crates and no way to read the browser's log, which is what these tests are about.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use willitsell::connect::http::{Http, Limits};

/// Generous, because the machine may be busy; nothing waits this long.
const PATIENCE: Duration = Duration::from_mins(1);

pub struct Browser {
    driver: Child,
    session: String,
    http: reqwest::Client,
    /// Where it keeps its own files; removed with it.
    profile: TempDir,
}

impl Browser {
    /// `None`, and a line that says so, where the machine has none.
    pub async fn start() -> Option<Self> {
        let profile = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("chromedriver");
        let command = command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(driver) = command.spawn() else {
            assert!(std::env::var_os("WILLITSELL_SKIP_IS_FAILURE").is_none(), "chromedriver is absent");
            eprintln!("skipped: there is no chromedriver (apt-get install chromium chromium-driver)");
            return None;
        };
        let http = Http::new(Limits::default()).unwrap().client();
        let base = format!("http://127.0.0.1:{port}");
        let mut browser = Self { driver, session: base.clone(), http, profile };
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-gpu".to_owned(),
            format!("--user-data-dir={}", browser.profile.path().display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let asked = tokio::time::Instant::now();
        let made = loop {
            let answer =
                browser.http.post(format!("{base}/session")).timeout(PATIENCE).body(wanted.to_string()).send().await;
            match answer {
                Ok(answer) => break serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap(),
                Err(error) => assert!(asked.elapsed() < PATIENCE, "the driver does not answer: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let id = made["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no browser: {made}"));
        browser.session = format!("{base}/session/{id}");
        // What it does for itself when it starts is nobody's page.
        browser.open("about:blank").await;
        browser.complaints().await;
        Some(browser)
    }

    async fn tell(&self, command: &str, what: Value) -> Value {
        let request = self.http.post(format!("{}/{command}", self.session)).timeout(PATIENCE).body(what.to_string());
        let answer: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
        assert!(answer["value"].get("error").is_none(), "{command}: {answer}");
        answer["value"].clone()
    }

    /// Opens a page and waits until it is there.
    pub async fn open(&self, url: &str) {
        self.tell("url", json!({ "url": url })).await;
    }

    /// Follows the first link that shows these words, and waits until its page is there.
    pub async fn follow(&self, words: &str) {
        let link = self.tell("element", json!({ "using": "partial link text", "value": words })).await;
        let id = link.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.tell(&format!("element/{id}/click"), json!({})).await;
    }

    /// What a script returns.
    pub async fn run(&self, script: &str) -> Value {
        self.tell("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// What a script hands to its last argument.
    pub async fn wait_for(&self, script: &str) -> Value {
        self.tell("execute/async", json!({ "script": script, "args": [] })).await
    }

    pub async fn size(&self, width: u32, height: u32) {
        // A window has a least width; what a page takes it for has none.
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": screen });
        self.tell("goog/cdp/execute", command).await;
    }

    /// Prefers `light` or `dark` pages.
    pub async fn prefers(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        let command = json!({ "cmd": "Emulation.setEmulatedMedia", "params": features });
        self.tell("goog/cdp/execute", command).await;
    }

    /// Everything the console said since it was last asked, that is more than a remark.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.tell("se/log", json!({ "type": "browser" })).await;
        let bad =
            log.as_array().unwrap().iter().filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        bad.map(|entry| entry["message"].to_string()).collect()
    }

    /// The address and the status of every request of a page since it was last asked; 0 for one that failed. The browser's own
    /// pages are none of ours.
    pub async fn requests(&self) -> Vec<(String, u64)> {
        let log = self.tell("se/log", json!({ "type": "performance" })).await;
        let (mut requests, mut ours) = (Vec::new(), BTreeMap::new());
        for entry in log.as_array().unwrap() {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            let params = &event["message"]["params"];
            let id = params["requestId"].as_str().unwrap_or_default().to_owned();
            match event["message"]["method"].as_str().unwrap() {
                "Network.requestWillBeSent"
                    if params["documentURL"].as_str().is_some_and(|of| of.starts_with("http")) =>
                {
                    let url = params["request"]["url"].as_str().unwrap().to_owned();
                    requests.push((url.clone(), 200));
                    ours.insert(id, url);
                }
                "Network.responseReceived" => {
                    let status = params["response"]["status"].as_u64().unwrap();
                    requests.extend(ours.get(&id).map(|url| (url.clone(), status)));
                }
                "Network.loadingFailed" => requests.extend(ours.get(&id).map(|url| (url.clone(), 0))),
                _ => {}
            }
        }
        requests
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser with itself.
        let quit = Command::new("curl")
            .args(["-s", "-X", "DELETE", &self.session])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        drop(quit);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
