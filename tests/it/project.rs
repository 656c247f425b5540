//! A folder as a team has it: a configuration, secrets in files of their own, and the real program run in it.
//! Every secret is a canary; whatever the program says is searched for it. The demo's concepts on the
//! sandbox are written here, once, for every test that wants a whole project.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use base64::Engine;
use serde_json::Value;
use tempfile::TempDir;
use willitsell::app::{App, AppError};
use willitsell::connect::manifest::Patience;
use willitsell::domain::concept::Experiment;
use willitsell::sandbox::{Endpoint, Sandbox, Secrets, Setup, demo};
use willitsell::store::Store;

use crate::canary::{CANARY, assert_no_canary, assert_no_canary_below};
use crate::postgres::Database;

/// What people are hashed with in a store on a server.
pub const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// The demo's world with small pages and secrets that would be found.
pub fn setup(now: &str) -> Setup {
    let secrets = Secrets {
        client_id: "sandbox.apps.googleusercontent.com".into(),
        client_secret: format!("client-{CANARY}"),
        refresh_token: format!("refresh-{CANARY}"),
        api_token: format!("api-{CANARY}"),
        typeform_token: format!("typeform-{CANARY}"),
        slack_key: format!("slack-{CANARY}"),
        webhook_secret: format!("whsec_{}", base64::prelude::BASE64_STANDARD.encode([CANARY, CANARY].concat())),
    };
    let world = demo::world(demo::SEED);
    Setup { google_page_rows: 25, secrets, ..Setup::new(world, now.parse().unwrap()) }
}

/// Removed when dropped; kept where a test fails and `WILLITSELL_KEEP` is set.
pub struct Project {
    folder: TempDir,
}

impl Drop for Project {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("WILLITSELL_KEEP").is_some() {
            self.folder.disable_cleanup(true);
            println!("kept: {}", self.folder.path().display());
        }
    }
}

/// How a command of the program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Project {
    pub fn new(configuration: &str) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(project.path().join("secrets")).unwrap();
        project.write("willitsell.toml", configuration);
        project
    }

    /// The demo's three concepts, reading the sandbox and telling its Slack.
    pub fn demo(sandbox: &Sandbox) -> Self {
        let project = Self::new(&demo_configuration(sandbox));
        let known = sandbox.secrets();
        project.secret("client", &known.client_secret);
        project.secret("refresh", &known.refresh_token);
        project.secret("typeform", &known.typeform_token);
        project.secret("slack", &sandbox.url(Endpoint::Slack));
        project
    }

    /// The same with its store on a server.
    pub fn demo_on(sandbox: &Sandbox, database: &Database) -> Self {
        let project = Self::demo(sandbox);
        project.put_on(database);
        project
    }

    /// Has its configuration name a store on a server in place of the file.
    pub fn put_on(&self, database: &Database) {
        self.secret("store", &database.url);
        self.secret("key", KEY);
        let text = std::fs::read_to_string(self.path().join("willitsell.toml")).unwrap();
        let server = "url = \"file:secrets/store\"\nkey = \"file:secrets/key\"";
        self.write("willitsell.toml", text.replace("url = \"sqlite://willitsell.db\"", server));
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// Puts a secret where the configuration finds it as `file:secrets/NAME`.
    pub fn secret(&self, name: &str, secret: &str) {
        self.write(&format!("secrets/{name}"), secret);
    }

    /// A command of the program in this folder, talkative, its streams caught.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_willitsell"));
        command.current_dir(self.path()).args(arguments).env("WILLITSELL_LOG", "trace");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end; no secret may have got out.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    /// Runs a command that must do its job; gives back what it printed.
    #[track_caller]
    pub fn succeeds(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:#?}");
        ended.stdout
    }

    pub async fn store(&self) -> Store {
        Store::open(&format!("sqlite://{}", self.path().join("willitsell.db").display())).await.unwrap()
    }

    /// The whole program inside this process, which waits for no vendor.
    pub async fn app(&self) -> App {
        patient(self.path()).await.unwrap_or_else(|error| panic!("{error:#?}"))
    }

    /// No secret stands in any file but those it was put into.
    #[track_caller]
    pub fn assert_no_secret_kept(&self) {
        assert_no_canary_below(self.path(), &["secrets"]);
    }
}

/// The program of a project's folder, which waits for no vendor.
pub async fn patient(folder: &Path) -> Result<App, AppError> {
    let patience = Patience { sleep: Arc::new(|_| Box::pin(std::future::ready(()))), ..Patience::default() };
    App::open_with(&folder.join("willitsell.toml"), &patience).await
}

impl Ended {
    #[track_caller]
    pub fn of(output: &Output) -> Self {
        assert_no_canary(&output.stdout);
        assert_no_canary(&output.stderr);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let code = output.status.code().unwrap_or_else(|| panic!("{output:?}"));
        Self { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// One of the project's experiments.
pub fn experiment<'a>(app: &'a App, concept: &str) -> &'a Experiment {
    let experiments = &app.loaded.config.experiments;
    experiments.iter().find(|experiment| experiment.concept.id.as_str() == concept).unwrap()
}

/// Every message of a receiver, as sent; no secret may stand in one.
#[track_caller]
pub fn messages(sandbox: &Sandbox, receiver: Endpoint) -> Vec<Value> {
    let accepted = sandbox.messages().into_iter().filter(|message| message.endpoint == receiver);
    let bodies: Vec<Value> = accepted.map(|message| message.body).collect();
    assert_no_canary(serde_json::to_string(&bodies).unwrap());
    bodies
}

/// Standard output of a command with `--json`: an object a line.
#[track_caller]
pub fn json_lines(stdout: &str) -> Vec<Value> {
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(!lines.is_empty() && lines.iter().all(Value::is_object), "{stdout}");
    for (line, value) in stdout.lines().zip(&lines) {
        assert_eq!(line.len(), value.to_string().len(), "a name stands twice in one object: {line}");
    }
    lines
}

fn demo_configuration(sandbox: &Sandbox) -> String {
    let mut text = format!(
        r#"
[store]
url = "sqlite://willitsell.db"
[notify.team.slack]
url = "file:secrets/slack"
[login.google]
client_id = "{}"
client_secret = "file:secrets/client"
refresh_token = "file:secrets/refresh"
token_url = "{}"
[source.search]
connector = "google_ads"
login = "google"
settings = {{ customer_id = "{}", base_url = "{}", per_second = "1000" }}
"#,
        sandbox.secrets().client_id,
        sandbox.url(Endpoint::GoogleToken),
        sandbox.world().customer_id,
        sandbox.url(Endpoint::GoogleAds),
    );
    for concept in demo::concepts() {
        let (id, arm) = (concept.id, &concept.truth.arms[0]);
        let campaigns: Vec<String> = arm.campaigns.iter().map(|campaign| format!("\"{}\"", campaign.id)).collect();
        write!(
            text,
            r#"
[source.{id}-form]
connector = "typeform"
settings = {{ form_id = "{}", token = "file:secrets/typeform", base_url = "{}", per_second = "1000" }}
[experiment.{id}]
title = "{id}"
hypothesis = "people will leave an address"
schedule = "0 8 * * *"
timezone = "America/New_York"
start = "2026-03-02"
stop = "2026-04-12"
sources = ["search", "{id}-form"]
notify = ["team"]
[experiment.{id}.arm.{key}]
keys = {{ search = [{}], {id}-form = ["{key}"] }}
[experiment.{id}.rate.signup]
numerator = "signups"
denominator = "clicks"
[experiment.{id}.policy]
primary = "signup"
kill_bar = 0.02
build_bar = 0.03
"#,
            concept.truth.form_id,
            sandbox.url(Endpoint::Typeform),
            campaigns.join(", "),
            key = arm.key,
        )
        .unwrap();
    }
    text
}
