//! The audit of secrets: one project in which every secret there can be is a canary, the real program at its most talkative
//! through pulls, failures, messages, a crash, copies and errors, and then a search of all that it left behind or let others
//! see: its output, the store's bytes, exports, its command line, its environment, and the core file that there is not.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use willitsell::sandbox::{Endpoint, Fault, Sandbox};

use crate::canary::{CANARY, TOKEN_KEY, assert_no_canary, assert_no_canary_below};
use crate::fake_server::{FakeServer, answer};
use crate::notify::email;
use crate::postgres::{self, Database};
use crate::project::{Ended, Project, messages, setup};

const NOW: &str = "2026-04-20T12:00:00Z";

/// Generous, because the machine may be busy; nothing waits this long.
const PATIENCE: Duration = Duration::from_mins(3);

/// Where messages go besides the demo's Slack, with the fake receiver of each.
const RECEIVERS: [(&str, Endpoint); 5] = [
    ("webhook", Endpoint::Webhook),
    ("mattermost", Endpoint::Mattermost),
    ("discord", Endpoint::Discord),
    ("teams", Endpoint::Teams),
    ("google_chat", Endpoint::GoogleChat),
];

/// The demo with one of every kind of secret.
struct Audited {
    sandbox: Sandbox,
    project: Project,
    inbound: u16,
    health: u16,
    inbox: email::Inbox,
    _watcher: FakeServer,
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Audited {
    async fn new(database: Option<&Database>) -> Self {
        // Signatures are of the hour they were made in, and the daemon goes by the true clock.
        let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
        sandbox.set_now(chrono::Utc::now());
        let project = match database {
            Some(database) => Project::demo_on(&sandbox, database),
            None => Project::demo(&sandbox),
        };
        let watcher = FakeServer::always(answer(200, &[], "OK")).await;
        let (mail, inbox) = email::server(email::ACCEPTS).await;
        let (inbound, health) = (free_port(), free_port());
        project.secret("token-key", TOKEN_KEY);
        project.secret("beat", watcher.url(&format!("/ping/{CANARY}")).as_str());
        project.secret("inbound", &format!("inbound-{CANARY}"));
        project.secret("path", &format!("path-{CANARY}-of-jotform"));
        project.secret("password", &format!("smtp-{CANARY}"));
        project.secret("webhook-secret", &sandbox.secrets().webhook_secret);
        // A receiver at which nobody listens, whose address is a secret too; a source whose token is refused; a program.
        project.secret("nowhere", &format!("http://127.0.0.1:{}/hooks/{CANARY}", free_port()));
        project.secret("wrong", &format!("wrong-{CANARY}"));
        let mut text = fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
        text = text.replace("[store]\n", "[store]\ntoken_key = \"file:secrets/token-key\"\n");
        text = text.replace("notify = [\"team\"]", "notify = [\"team\", \"webhook\", \"mattermost\", \"discord\", \"teams\", \"google_chat\", \"mail\", \"nowhere\"]");
        text = text.replacen(
            "[source.cat-meals-form]\nconnector = \"typeform\"\n",
            "[source.cat-meals-form]\nconnector = \"typeform\"\ninbound = { secret = \"file:secrets/inbound\" }\n",
            1,
        );
        text.push_str(&format!(
            "[inbound]\nlisten = \"127.0.0.1:{inbound}\"\n[health]\nlisten = \"127.0.0.1:{health}\"\n\
             heartbeat = \"file:secrets/beat\"\n[notify.nowhere.slack]\nurl = \"file:secrets/nowhere\"\n\
             [notify.mail.email]\nserver = \"127.0.0.1\"\nport = \"{}\"\nfrom = \"a@example.com\"\nto = \"b@example.com\"\n\
             user = \"a\"\npassword = \"file:secrets/password\"\n\
             [source.refused]\nconnector = \"tally\"\n\
             settings = {{ form_id = \"F1\", token = \"file:secrets/wrong\", base_url = \"{}\" }}\n\
             [source.jot]\nconnector = \"jotform\"\n\
             settings = {{ form_id = \"250000000000000\", token = \"file:secrets/wrong\", zone = \"UTC\" }}\n\
             inbound = {{ secret = \"file:secrets/path\" }}\n",
            mail.port(),
            sandbox.url(Endpoint::Tally),
        ));
        for (kind, endpoint) in RECEIVERS {
            project.secret(kind, &sandbox.url(endpoint));
            text.push_str(&format!("[notify.{kind}.{kind}]\nurl = \"file:secrets/{kind}\"\n"));
        }
        text = text.replace(
            "url = \"file:secrets/webhook\"\n",
            "url = \"file:secrets/webhook\"\nsecret = \"file:secrets/webhook-secret\"\n",
        );
        project.write("willitsell.toml", text);
        Self { sandbox, project, inbound, health, inbox, _watcher: watcher }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.project.path().join(format!("{name}.log"))
    }

    /// Begins the daemon in a shell that would let it leave a core file.
    fn daemon(&self, log: &str) -> Child {
        let asked = self.project.command(&["run"]);
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -c unlimited 2>/dev/null; exec \"$0\" \"$@\""]).arg(asked.get_program());
        shell.args(asked.get_args()).current_dir(self.project.path()).env("WILLITSELL_LOG", "trace");
        let out = File::create(self.log(log)).unwrap();
        shell.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap()
    }

    async fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !so(self) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let said = || ["first", "second"].map(|log| fs::read_to_string(self.log(log)).unwrap_or_default()).concat();
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}: {}", said()));
    }

    fn arrived(&self) -> bool {
        let all = RECEIVERS.iter().map(|(_, endpoint)| *endpoint).chain([Endpoint::Slack]);
        let posted = all.into_iter().all(|endpoint| messages(&self.sandbox, endpoint).len() >= 3);
        posted && self.inbox.mails().len() >= 3
    }

    /// What the daemon answers on a port of its own.
    async fn asked(&self, port: u16, request: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

/// What others on this machine may read of a process, or whoever looks at it with tools.
fn shown_of(process: &Child) -> Vec<u8> {
    let of = |name: &str| fs::read(format!("/proc/{}/{name}", process.id())).unwrap_or_default();
    ["cmdline", "environ", "comm", "maps"].map(of).concat()
}

fn signal(process: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &process.id().to_string()]).status().unwrap().success());
}

fn no_core_in(folder: &Path) {
    let core = fs::read_dir(folder).unwrap().find(|entry| {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        name == "core" || name.starts_with("core.")
    });
    assert!(core.is_none(), "{core:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_no_secret_is_in_logs_store_exports_command_lines_core_or_errors() {
    let database = postgres::database().await;
    for database in std::iter::once(None).chain(database.as_ref().map(Some)) {
        audit(Audited::new(database).await, database.is_some()).await;
    }
}

async fn audit(audited: Audited, is_on_a_server: bool) {
    let Audited { sandbox, project, .. } = &audited;
    // Vendors and receivers that fail in all their ways, some repeating what they were sent.
    sandbox.script(Endpoint::GoogleToken, [Fault::status(500)]);
    sandbox.script(Endpoint::GoogleAds, [Fault::status(500), Fault::json(401, format!("{{\"error\":\"{CANARY}\"}}"))]);
    sandbox.script(Endpoint::Typeform, [Fault::json(500, format!("{{\"error\":\"{CANARY}\"}}"))]);
    for (_, endpoint) in RECEIVERS {
        sandbox.script(endpoint, [Fault::json(503, CANARY.to_owned())]);
    }
    let mut first = audited.daemon("first");
    audited
        .until("it lives", |audited| {
            fs::read_to_string(audited.log("first")).unwrap().contains("listening for deliveries")
        })
        .await;
    assert_no_canary(shown_of(&first));
    let limits = fs::read_to_string(format!("/proc/{}/limits", first.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
    for (port, path) in [
        (audited.health, "GET /readyz".to_owned()),
        (audited.health, "GET /metrics".to_owned()),
        (audited.inbound, format!("POST /in/jot/guess-of-path-{NOW}")),
        (audited.inbound, "POST /in/cat-meals-form".to_owned()),
    ] {
        let request =
            format!("{path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
        assert_no_canary(audited.asked(port, &request).await);
    }
    // Cut short as by a bug, which is when a core file would be written.
    signal(&first, "-ABRT");
    first.wait().unwrap();
    no_core_in(project.path());

    let second = audited.daemon("second");
    audited.until("every receiver has every verdict", Audited::arrived).await;
    assert_no_canary(shown_of(&second));
    signal(&second, "-KILL");
    let mut second = second;
    second.wait().unwrap();
    // What the store's files hold when nobody could tidy them up.
    assert_no_canary_below(project.path(), &["secrets"]);

    // Every command that reads or writes something, right and wrong. `run` looks at what each says.
    for arguments in [
        &["check"][..],
        &["check", "--live"],
        &["run", "--once"],
        &["pull", "--source", "search"],
        &["pull", "--source", "refused"],
        &["status"],
        &["status", "--json"],
        &["explain", "cat-meals"],
        &["export", "tables"],
        &["export", "lines", "--format", "json"],
        &["export", "--person", CANARY_OF_NOBODY],
        &["backup", "copy.db"],
        &["auth", "--rotate-key"],
        &["auth", "search", "--no-browser"],
        &["auth", "refused"],
        &["replay", "cat-meals"],
        &["connectors", "show", "typeform"],
        &["restore", "copy.db"],
    ] {
        if arguments[0] == "pull" {
            // A page in place of an answer, at the token endpoint too.
            sandbox.expire_access();
            sandbox.script(Endpoint::GoogleToken, [Fault::html()]);
        }
        let ended = project.run(arguments);
        assert!(ended.code != 101, "{arguments:?}: {ended:?}");
    }
    if !is_on_a_server {
        assert!(project.path().join("copy.db").exists());
    }
    assert!(
        project.path().join("tables/verdicts.csv").exists() && project.path().join("lines/verdicts.jsonl").exists()
    );

    wrong_secrets_are_told_of_without_themselves(project);
    let searched =
        fs::metadata(audited.log("second")).unwrap().len() + fs::metadata(audited.log("first")).unwrap().len();
    assert!(searched > 2_000, "the daemon was talkative: {searched} bytes");
    project.assert_no_secret_kept();
    messages(sandbox, Endpoint::Slack);
}

fn wrong_secrets_are_told_of_without_themselves(project: &Project) {
    let good = fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
    for (secret, wrong) in [
        ("token-key", format!("{TOKEN_KEY}-{CANARY}")),
        ("webhook-secret", CANARY.to_owned()),
        ("slack", format!("ftp://{CANARY}")),
        ("beat", format!("not an address {CANARY}")),
        ("inbound", format!("{CANARY}\n{CANARY}")),
        ("store", format!("postgres://u:{CANARY}@127.0.0.1:1/{CANARY}")),
    ] {
        let path = project.path().join("secrets").join(secret);
        let Ok(right) = fs::read_to_string(&path) else { continue };
        project.secret(secret, &wrong);
        for command in ["check", "status", "run"] {
            let ended = quickly(project, &[command, if command == "run" { "--once" } else { "--json" }]);
            assert!(ended.code != 101, "{secret}: {ended:?}");
        }
        project.secret(secret, &right);
    }
    let literal = format!("{good}\n[notify.oops.slack]\nurl = \"https://hooks.example.com/{CANARY}\"\n");
    let folder = project.path().join("elsewhere");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("oops.toml"), literal).unwrap();
    for command in ["check", "status"] {
        let ended = project.run(&[command, "--config", "elsewhere/oops.toml"]);
        assert_eq!(ended.code, 2, "{ended:?}");
    }
    fs::remove_dir_all(folder).unwrap();
    no_core_in(project.path());
}

/// An address that nobody has, without the canary: what a person types stands on their own screen.
const CANARY_OF_NOBODY: &str = "nobody@example.com";

/// Runs a command that may wait for something, for a while.
fn quickly(project: &Project, arguments: &[&str]) -> Ended {
    let asked = project.command(arguments);
    let mut limited = Command::new("timeout");
    limited.args(["-s", "KILL", "10"]).arg(asked.get_program()).args(asked.get_args()).current_dir(project.path());
    limited.env("WILLITSELL_LOG", "trace").stdin(Stdio::null());
    Ended::of(&limited.output().unwrap())
}
