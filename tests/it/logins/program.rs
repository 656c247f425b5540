//! The real program: logging in through a scripted browser, and a login the vendor has ended.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use willitsell::connect::http::Url;
use willitsell::sandbox::{Endpoint, Sandbox};

use crate::canary::{assert_no_canary, assert_no_canary_below};
use crate::project::{Ended, Project, setup};

const NOW: &str = "2026-03-20T12:00:00Z";

/// The demo without a refresh token in its file.
fn project(sandbox: &Sandbox) -> Project {
    let project = Project::demo(sandbox);
    let file = std::fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
    let page = format!("authorize_url = \"{}\"\n", sandbox.consent_page(Endpoint::GoogleToken));
    let file = file.replace("refresh_token = \"file:secrets/refresh\"\n", &page);
    assert!(file.contains("authorize_url"));
    project.write("willitsell.toml", file);
    std::fs::remove_file(project.path().join("secrets/refresh")).unwrap();
    project
}

/// `willitsell auth` under way, and the address it printed.
struct Waiting {
    child: Child,
    said: BufReader<std::process::ChildStderr>,
    page: Url,
}

impl Waiting {
    fn begin(project: &Project, arguments: &[&str]) -> Self {
        let mut command = project.command(&[&["auth", "search"], arguments].concat());
        // No browser of this machine is to be started.
        let mut child = command.env("PATH", project.path()).stdin(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("http") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "no address was printed");
        }
        Self { child, said, page: line.trim().parse().unwrap() }
    }

    fn asked(&self, name: &str) -> String {
        self.page.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned()
    }

    fn end(mut self) -> Ended {
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.said, &mut said).unwrap();
        let mut ended = Ended::of(&self.child.wait_with_output().unwrap());
        assert_no_canary(&said);
        ended.stderr = said;
        ended
    }
}

fn browser() -> reqwest::Client {
    // Redirects are followed by hand: what stands in the address bar is what is looked at.
    willitsell::connect::http::Http::new(willitsell::connect::http::Limits::default()).unwrap().client()
}

async fn agree(page: &Url) -> Url {
    let answer = browser().get(page.clone()).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    answer.headers()["location"].to_str().unwrap().parse().unwrap()
}

async fn get(url: Url) -> (u16, Option<String>, String) {
    let answer = browser().get(url).send().await.unwrap();
    for (name, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer")] {
        assert_eq!(answer.headers()[name], value);
    }
    let (status, to) = (answer.status().as_u16(), answer.headers().get("location").cloned());
    let to = to.map(|to| to.to_str().unwrap().to_owned());
    let text = answer.text().await.unwrap();
    assert_no_canary(&text);
    (status, to, text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_only_the_answer_to_this_login_counts_and_no_code_stays_in_the_browser() {
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let project = project(&sandbox);
    let check = project.run(&["check"]);
    assert_eq!(check.code, 0);
    assert!(check.stderr.contains("[login.google] has no token yet: run `willitsell auth search`"), "{check:?}");
    let status = project.run(&["status"]);
    assert!(status.code == 20 && status.stdout.contains("willitsell auth search"), "{status:?}");

    let waiting = Waiting::begin(&project, &[]);
    assert_eq!(waiting.asked("code_challenge_method"), "S256");
    assert!(waiting.page.query().unwrap().contains("scope="));
    let answer = agree(&waiting.page).await;
    assert!(answer.as_str().starts_with("http://127.0.0.1:"), "{answer}");
    let with = |name: &str, value: &str| {
        let mut changed = answer.clone();
        let pairs: Vec<(String, String)> =
            answer.query_pairs().into_owned().filter(|(found, _)| found != name).collect();
        changed.query_pairs_mut().clear().extend_pairs(pairs).append_pair(name, value);
        changed
    };
    // Somebody else's answer, an older one, a code without a state: refused, and the login goes on.
    let mut bare = answer.clone();
    bare.set_query(Some("code=injected"));
    for foreign in [with("state", "x"), with("state", ""), bare] {
        assert_eq!(get(foreign).await.0, 400);
    }
    assert_eq!(get(answer.join("/favicon.ico").unwrap()).await.0, 404);
    let (status, to, _) = get(answer.clone()).await;
    assert_eq!((status, to.as_deref()), (303, Some("/done")), "the address bar holds no code");
    // A second tab, or a replay, while the first is still served.
    if let Ok(again) = browser().get(answer.clone()).send().await {
        assert_eq!(again.status(), 410);
    }
    assert_eq!(get(answer.join("/done").unwrap()).await.0, 200);
    let ended = waiting.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("[login.google]: logged in") && ended.stdout.contains("pull --source search"));

    project.succeeds(&["pull", "--source", "search", "--since", "2026-03-02", "--until", "2026-03-10"]);
    assert_eq!(sandbox.calls(Endpoint::GoogleToken), 2, "the page and the exchange: its access is still good");
    project.succeeds(&["auth", "--rotate-key"]);
    project.succeeds(&["pull", "--source", "search", "--since", "2026-03-02", "--until", "2026-03-10"]);
    assert_no_canary_below(project.path(), &["secrets"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_the_answer_can_be_pasted_and_a_wrong_one_changes_nothing() {
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let project = project(&sandbox);
    let code = |answer: &Url| answer.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    for (paste, why_not) in [
        (Box::new(|answer: &Url| answer.to_string()) as Box<dyn Fn(&Url) -> String>, None),
        (Box::new(|answer: &Url| answer.query().unwrap().to_owned()), None),
        (Box::new(code), None),
        (Box::new(|answer: &Url| answer.as_str().replace("state=", "state=x")), Some("belongs to another login")),
        (Box::new(|_: &Url| "https://x.invalid/?error=access_denied&state=1".to_owned()), Some("another login")),
        (Box::new(|answer: &Url| answer.as_str().split('?').next().unwrap().to_owned()), Some("neither a code nor an")),
        (
            Box::new(|_: &Url| "https://x.invalid/?q=cats".to_owned()),
            Some("neither a code nor an error in this answer"),
        ),
        (Box::new(|_: &Url| "<p>This site can't be reached".to_owned()), Some("paste the whole address at which")),
        (Box::new(|_: &Url| String::new()), Some("nothing was pasted")),
        (Box::new(|_: &Url| "not-a-code".to_owned()), Some("no login: ")),
    ] {
        let mut waiting = Waiting::begin(&project, &["--no-browser"]);
        let answer = agree(&waiting.page).await;
        writeln!(waiting.child.stdin.take().unwrap(), "{}", paste(&answer)).unwrap();
        let ended = waiting.end();
        assert_eq!(ended.code == 0, why_not.is_none(), "{ended:?}");
        let Some(why_not) = why_not else { continue };
        assert!(ended.stderr.contains(why_not), "{why_not}: {ended:?}");
        assert!(ended.stderr.to_lowercase().contains("nothing was changed"), "{ended:?}");
    }
    project.succeeds(&["pull", "--source", "search", "--since", "2026-03-02", "--until", "2026-03-03"]);

    let none = project.run(&["auth", "cat-meals-form"]);
    assert!(none.code == 2 && none.stderr.contains("takes no login") && none.stderr.contains("token ="), "{none:?}");
    let unknown = project.run(&["auth", "nobody"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("there is no [source.nobody]: there is: "), "{unknown:?}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let file = std::fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
    project.write(
        "willitsell.toml",
        file.replace("[login.google]\n", &format!("[login.google]\nredirect_port = \"{port}\"\n")),
    );
    let busy = project.run(&["auth", "search"]);
    assert!(busy.code == 1 && busy.stderr.contains(&format!("port {port}")), "{busy:?}");
    assert!(busy.stderr.contains("redirect_port"), "{busy:?}");
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_a_login_the_vendor_has_ended_stops_its_source_and_names_the_command() {
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let project = Project::demo(&sandbox);
    let file = std::fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
    let page = format!("[login.google]\nauthorize_url = \"{}\"\n", sandbox.consent_page(Endpoint::GoogleToken));
    project.write("other.toml", file.replace("[login.google]\n", &page));
    let with = |rest: &[&'static str]| [&["--config", "other.toml"], rest].concat();
    project.succeeds(&with(&["pull", "--source", "search", "--since", "2026-03-02", "--until", "2026-03-03"]));
    sandbox.revoke(Endpoint::GoogleToken);
    sandbox.expire_access();

    let before = sandbox.calls(Endpoint::GoogleToken);
    for _ in 0..3 {
        // Each is a process of its own, and each runs three experiments that read the source.
        let run = project.run(&with(&["run", "--once"]));
        assert_eq!(run.code, 1);
        assert!(run.stderr.contains("run `willitsell --config other.toml auth search`"), "{run:?}");
    }
    assert_eq!(sandbox.calls(Endpoint::GoogleToken), before + 1, "at most one token call an hour");
    assert!(sandbox.calls(Endpoint::Typeform) > 0, "other sources go on");
    let status = project.run(&with(&["status"]));
    assert!(
        status.code == 20 && status.stdout.contains("[login.google] was refused by the vendor on 20"),
        "{status:?}"
    );
    assert!(status.stdout.contains("willitsell --config other.toml auth search"), "{status:?}");
    let notices: Vec<_> = crate::project::messages(&sandbox, Endpoint::Slack)
        .into_iter()
        .filter(|message| message.to_string().contains("willitsell --config other.toml auth search"))
        .collect();
    assert_eq!(notices.len(), 1, "{notices:?}");

    let mut command = project.command(&with(&["auth", "search", "--no-browser"]));
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("http") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0);
    }
    let answer = agree(&line.trim().parse().unwrap()).await;
    writeln!(child.stdin.take().unwrap(), "{answer}").unwrap();
    assert_eq!(Ended::of(&child.wait_with_output().unwrap()).code, 0);
    // The file still holds the token that was refused: the login is newer.
    project.succeeds(&with(&["pull", "--source", "search", "--since", "2026-03-02", "--until", "2026-03-03"]));
    let mended = project.run(&with(&["status"]));
    assert!(!mended.stdout.contains("was refused by the vendor"), "{mended:?}");
    project.assert_no_secret_kept();
}

#[test]
fn a9_what_one_vendor_gave_out_is_never_shown_to_another() {
    let project = Project::new("");
    project.secret("secret", crate::canary::CANARY);
    let check = |of_reddit: &str, more: &str| {
        project.write(
            "willitsell.toml",
            format!(
                r#"[store]
url = "sqlite://willitsell.db"
[login.ads]
client_id = "id"
client_secret = "file:secrets/secret"
{more}
[login.more]
client_id = "id"
client_secret = "file:secrets/secret"
[source.search]
connector = "google_ads"
login = "ads"
settings = {{ customer_id = "1234567890" }}
[source.again]
connector = "google_ads"
login = "ads"
settings = {{ customer_id = "1234567891" }}
[source.talk]
connector = "reddit_ads"
login = "{of_reddit}"
settings = {{ account_id = "a2_x", currency = "EUR" }}
"#
            ),
        );
        project.run(&["check"]).stderr
    };
    let said = check("ads", "");
    assert!(said.contains("another vendor's") && said.contains("a [login] table for each"), "{said}");
    assert!(!check("more", "").contains("another vendor's"));
    assert!(!check("ads", "token_url = \"http://127.0.0.1:9/token\"").contains("another vendor's"));
}
