//! How the daemon says how it is doing: its pages, its heartbeat, and what becomes of a configuration that is changed while it runs.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use willitsell::connect::http::{Http, Limits, Method};
use willitsell::sandbox::{Endpoint, Sandbox};

use super::NOW;
use crate::canary::{CANARY, assert_no_canary};
use crate::disk::strace;
use crate::fake_server::{FakeServer, answer};
use crate::project::{Ended, Project, messages, setup};

/// Generous, because the machine may be busy; nothing waits this long.
const PATIENCE: Duration = Duration::from_mins(1);

/// A daemon that can be asked at a port of its own, and calls a server of ours.
struct Rig {
    project: Project,
    daemon: Child,
    port: u16,
    beats: mpsc::UnboundedReceiver<String>,
    _watcher: FakeServer,
}

impl Rig {
    async fn start(sandbox: &Sandbox) -> Self {
        Self::start_under(sandbox, None).await
    }

    /// Under a program that watches or hinders it and leaves it its process number.
    async fn start_under(sandbox: &Sandbox, hindrance: Option<Command>) -> Self {
        let (told, beats) = mpsc::unbounded_channel();
        let watcher = FakeServer::start(move |_, seen| {
            let _ = told.send(seen.target.clone());
            answer(200, &[], "OK")
        })
        .await;
        let project = Project::demo(sandbox);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        project.secret("beat", watcher.url(&format!("/ping/{CANARY}")).as_str());
        let text = std::fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
        let health = format!("[health]\nlisten = \"127.0.0.1:{port}\"\nheartbeat = \"file:secrets/beat\"\n");
        project.write("willitsell.toml", format!("{health}{text}"));
        let mut daemon = project.command(&["run"]);
        if let Some(mut hindered) = hindrance {
            // What it needs of the disk to open its store it has.
            assert_eq!(project.run(&["status"]).code, 0);
            hindered.arg(daemon.get_program()).args(daemon.get_args()).current_dir(project.path());
            daemon = hindered;
            daemon.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let daemon = daemon.spawn().unwrap();
        Self { project, daemon, port, beats, _watcher: watcher }
    }

    /// Status and body of a page; nothing while nobody listens.
    async fn page(&self, page: &str, host: &str) -> Option<(u16, String)> {
        let client = Http::new(Limits::default()).unwrap().client();
        let url = format!("http://127.0.0.1:{}{page}", self.port);
        let answer = client.request(Method::GET, url).header("host", host).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.unwrap()))
    }

    async fn troubles(&self) -> Option<Vec<String>> {
        let (status, body) = self.page("/readyz", "localhost").await?;
        let body: Value = serde_json::from_str(&body).unwrap();
        let troubles = body["troubles"].as_array().unwrap().iter().map(|said| said.as_str().unwrap().to_owned());
        (status == 200).then(|| troubles.collect())
    }

    /// Waits until it says so of its troubles.
    async fn until(&self, what: &str, wanted: impl Fn(&[String]) -> bool) {
        let waiting = async {
            while !self.troubles().await.is_some_and(|troubles| wanted(&troubles)) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}"));
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.daemon.id().to_string()]).status().unwrap().success());
    }

    async fn stop(self) -> (Project, Ended) {
        self.signal("-TERM");
        let Self { project, daemon, .. } = self;
        let ended = tokio::task::spawn_blocking(|| daemon.wait_with_output().unwrap()).await.unwrap();
        (project, Ended::of(&ended))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_says_how_it_is_doing_to_this_machine_and_to_a_watcher_outside() {
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let mut rig = Rig::start(&sandbox).await;
    rig.until("it is ready", <[_]>::is_empty).await;
    let beat = tokio::time::timeout(PATIENCE, rig.beats.recv()).await.expect("a sign of life").unwrap();
    assert_eq!(beat, format!("/ping/{CANARY}"));
    assert_eq!(rig.page("/healthz", "127.0.0.1").await, Some((200, "ok\n".into())));
    // W3. A page elsewhere that leads a browser here under its own name learns nothing.
    for page in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(rig.page(page, "evil.example").await.unwrap().0, 421, "{page}");
    }
    let decided = async {
        loop {
            let (status, text) = rig.page("/metrics", "localhost").await.unwrap();
            assert_eq!(status, 200);
            assert_no_canary(&text);
            if text.contains("willitsell_runs_total{ended=\"decided\"} 3") {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let text = tokio::time::timeout(PATIENCE, decided).await.expect("three runs are counted");
    assert!(text.contains("willitsell_source_readings_total{source=\"search\",result=\"answered\"} 1"), "{text}");
    let (project, ended) = rig.stop().await;
    assert_eq!(ended.code, 0, "{ended:#?}");
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_a_full_disk_is_a_health_state_and_passes_by_itself() {
    if strace().is_none() {
        return;
    }
    // From the twentieth write of a thread on there is no room, until whoever says so is gone. With -D the daemon is the process
    // that is asked to stop, and with --seccomp-bpf, as `strace()` has it, it could not go on alone.
    let mut full = Command::new("strace");
    full.args(["-D", "-f", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", "inject=pwrite64:error=ENOSPC:when=20+"]);
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let rig = Rig::start_under(&sandbox, Some(full)).await;
    let is_full = |troubles: &[String]| troubles.iter().any(|said| said.starts_with("disk_full: "));
    rig.until("it says so", is_full).await;
    assert_eq!(rig.page("/healthz", "localhost").await.unwrap().0, 200, "it lives, and starting it anew mends nothing");
    let status = std::fs::read_to_string(format!("/proc/{}/status", rig.daemon.id())).unwrap();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).unwrap().trim().to_owned();
    assert!(Command::new("kill").args(["-KILL", &tracer]).status().unwrap().success());
    rig.until("it goes on", |troubles| !is_full(troubles)).await;
    let told = async {
        while messages(&sandbox, Endpoint::Slack).len() < 3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("every verdict is told");
    let (project, ended) = rig.stop().await;
    assert_eq!(ended.code, 0, "{ended:#?}");
    assert!(ended.stderr.contains("begun anew once there is room"), "{}", ended.stderr);
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_n4_a_bad_configuration_leaves_the_old_one_whole_and_a_good_one_takes_its_place_without_a_message() {
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let rig = Rig::start(&sandbox).await;
    rig.until("it is ready", <[_]>::is_empty).await;
    let file = rig.project.path().join("willitsell.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let half = &good[..good.rfind("[experiment.").unwrap() + 20];
    let elsewhere = good.replace("sqlite://willitsell.db", "sqlite://other.db");
    let is_bad = |troubles: &[String]| troubles.iter().any(|said| said.contains("configuration"));
    for (what, text) in [
        ("not TOML", Some("[store\n".to_owned())),
        ("empty", Some(String::new())),
        ("half written", Some(half.to_owned())),
        ("another store", Some(elsewhere)),
        ("gone", None),
    ] {
        match text {
            Some(text) => rig.project.write("willitsell.toml", text),
            None => std::fs::remove_file(&file).unwrap(),
        }
        rig.signal("-HUP");
        rig.until(what, is_bad).await;
        let (_, metrics) = rig.page("/metrics", "localhost").await.unwrap();
        assert!(metrics.contains("willitsell_configuration_current 0"), "{what}");
        rig.project.write("willitsell.toml", &good);
        rig.signal("-HUP");
        rig.until(what, <[_]>::is_empty).await;
    }
    let told = async {
        while messages(&sandbox, Endpoint::Slack).len() < 3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), told).await;
    let before = messages(&sandbox, Endpoint::Slack).len();
    // What is new is taken up: an experiment that is gone is asked about no more, and nobody is told of it.
    rig.project.write("willitsell.toml", good.replace("hypothesis = \"people", "hypothesis = \"many people"));
    rig.signal("-HUP");
    rig.until("taken", <[_]>::is_empty).await;
    assert_eq!(messages(&sandbox, Endpoint::Slack).len(), before, "no notice at all");
    let (project, ended) = rig.stop().await;
    assert_eq!(ended.code, 0, "{ended:#?}");
    let taken = ended.stderr.matches("the configuration was read again and is in use").count();
    let refused = ended.stderr.matches("the configuration was not taken").count();
    assert!((1..=6).contains(&taken) && refused == 5, "{taken} {refused}: {}", ended.stderr);
    assert!(ended.stderr.contains("[store] has changed, which takes another start"), "{}", ended.stderr);
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_when_a_slot_should_have_run_long_ago() {
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let project = Project::demo(&sandbox);
    project.succeeds(&["run", "--once"]);
    assert_eq!(project.run(&["status"]).code, 10, "nothing is late");
    let raw = rusqlite::Connection::open(project.path().join("willitsell.db")).unwrap();
    let long_ago = chrono::DateTime::parse_from_rfc3339("2026-05-10T12:00:00Z").unwrap().timestamp_millis();
    raw.execute("UPDATE run SET due_at = ?1, missed = 2", [long_ago]).unwrap();
    drop(raw);
    let said = "has not run: is `willitsell run` running?";
    let ended = project.run(&["status"]);
    assert!(
        ended.code == 10 && !ended.stdout.contains(said),
        "what is over and read no more asks for nobody: {ended:#?}"
    );
    let ending = std::fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
    let going_on: Vec<&str> = ending.lines().filter(|line| !line.starts_with("stop")).collect();
    project.write("willitsell.toml", going_on.join("\n"));
    let ended = project.run(&["status"]);
    assert_eq!(ended.code, 20, "{ended:#?}");
    assert_eq!(ended.stdout.matches(said).count(), 3, "{}", ended.stdout);
    assert!(ended.stdout.contains("2 slots before its last run were missed, and caught up by it"), "{}", ended.stdout);
}

#[test]
fn completions_and_a_manual_page_are_made_from_the_commands() {
    let project = Project::new("");
    for shell in ["bash", "zsh", "fish"] {
        let script = project.succeeds(&["completions", shell]);
        assert!(script.contains("willitsell") && script.contains("explain"), "{shell}");
    }
    let page = project.succeeds(&["man"]);
    assert!(page.contains(".TH willitsell") && page.contains("explain"), "{page}");
    assert!(!project.succeeds(&["--help"]).contains("completions"));
}
