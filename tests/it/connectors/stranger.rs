//! Connectors of the user's own folder: what `connectors` does with them, and that one a stranger wrote gets no
//! secret to a host that its user did not name, reads no file and runs nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;
use willitsell::connect::folder;

use crate::canary::CANARY;
use crate::project::{Project, json_lines};

/// A connector as `connectors new` writes it.
fn written(name: &str) -> String {
    let project = Project::new("");
    let printed = project.succeeds(&["connectors", "new", name, "--dry-run"]);
    assert!(!project.path().join("connectors").exists(), "a dry run writes nothing");
    printed
}

/// A configuration with one experiment that reads one source.
fn configuration(source: &str) -> String {
    format!(
        r#"connectors = "own"
[store]
url = "sqlite://willitsell.db"
[source.letters]
connector = "letters"
{source}
settings = {{ list_id = "a", token = "file:secrets/token" }}
[experiment.kit]
title = "Kit"
hypothesis = "people will click"
schedule = "0 8 * * *"
timezone = "UTC"
start = "2026-03-02"
sources = ["letters"]
[experiment.kit.arm.a]
keys = {{ letters = ["c-1"] }}
[experiment.kit.rate.click]
numerator = "leads"
denominator = "clicks"
[experiment.kit.policy]
primary = "click"
kill_bar = 0.02
"#
    )
}

#[test]
fn a_connector_of_ones_own_is_begun_tested_shown_and_used() {
    let project = Project::new("connectors = \"own\"\n");
    let said = project.succeeds(&["connectors", "new", "letters"]);
    assert!(
        said.contains("own/letters.toml is written") && said.contains("connectors test own/letters.toml"),
        "{said}"
    );
    assert!(!said.contains("at the very top"), "the configuration names the folder already: {said}");
    let again = project.run(&["connectors", "new", "letters"]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("is not overwritten"), "{again:?}");
    let said = project.succeeds(&["connectors", "test", "own/letters.toml"]);
    assert!(said.contains("nothing is wrong; 1 example") && said.contains("api.example.com"), "{said}");

    project.write("page.json", r#"{"data":[{"date":"2026-11-05","timezone":"UTC","campaign_id":"x","clicks":3}]}"#);
    let said = project.succeeds(&["connectors", "test", "own/letters.toml", "--page", "page.json"]);
    assert!(said.contains("1 row:\n  2026-11-05  x  clicks 3, impressions 0"), "{said}");
    let lines =
        json_lines(&project.succeeds(&["--json", "connectors", "test", "own/letters.toml", "--page", "page.json"]));
    assert_eq!(lines[0]["rows"][0]["counts"]["clicks"], "3");
    project.write("page.json", r#"{"data":[{"date":"2026-11-05","timezone":"UTC","campaign_id":"x"}]}"#);
    let ended = project.run(&["connectors", "test", "own/letters.toml", "--page", "page.json"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("page.json: `$.clicks`"), "{ended:?}");

    let said = project.succeeds(&["connectors", "list"]);
    assert!(said.lines().any(|line| line.starts_with("letters ") && line.contains("your folder")), "{said}");
    let lines = json_lines(&project.succeeds(&["--json", "connectors", "list"]));
    let letters = lines.iter().find(|line| line["name"] == "letters").unwrap();
    assert_eq!(letters["hosts"], serde_json::json!(["api.example.com"]));
    let said = project.succeeds(&["connectors", "show", "letters"]);
    for part in [
        "Asks       api.example.com",
        "hosts = [\"api.example.com\"]",
        "API key that may read reports. Required, a secret",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    project.write("other.toml", "");
    project.succeeds(&["--config", "other.toml", "connectors", "new", "mail"]);
    let ended = project.run(&["--config", "other.toml", "connectors", "show", "mail"]);
    assert!(ended.stderr.contains("write connectors = \"connectors\" at its very top"), "{ended:?}");
    let ended = project.run(&["connectors", "show", "leters"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("there is no connector \"leters\": did you mean letters?\n"), "{ended:?}");
    let ended = project.run(&["connectors", "test", "own/leters.toml"]);
    assert_eq!(ended.code, 2);
    let said = "there is no file own/leters.toml: did you mean own/letters.toml?\n";
    assert!(ended.stderr.contains(said), "{ended:?}");
}

#[test]
fn f7_a_strangers_connector_is_used_only_with_the_hosts_its_user_named() {
    let project = Project::new("connectors = \"own\"\n");
    project.succeeds(&["connectors", "new", "letters"]);
    project.secret("token", CANARY);
    let check = |source: &str| {
        project.write("willitsell.toml", configuration(source));
        project.run(&["check"]).stderr
    };
    let said = check("");
    assert!(said.contains("source.letters.hosts is missing"), "{said}");
    assert!(said.contains("write hosts = [\"api.example.com\"]"), "{said}");
    for wrong in ["hosts = []", "hosts = [\"example.com\"]", "hosts = [\"api.example.com\", \"evil.example\"]"] {
        assert!(check(wrong).contains("are not the hosts that letters asks"), "{wrong}");
    }
    assert!(!check("hosts = [\"api.example.com\"]").contains("hosts"));
    // The stranger's next version asks another host: it is not used until its user says so.
    let path = project.path().join("own/letters.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("https://api.example.com", "https://api.example.net")).unwrap();
    assert!(check("hosts = [\"api.example.com\"]").contains("write hosts = [\"api.example.net\"]"));
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once_and_only_the_folders_own_files_are_read() {
    let project = Project::new("connectors = \"own\"\n");
    project.succeeds(&["connectors", "new", "letters"]);
    let own = project.path().join("own");
    let good = fs::read_to_string(own.join("letters.toml")).unwrap();
    fs::create_dir(own.join("deeper")).unwrap();
    fs::write(own.join("deeper/broken.toml"), "not a connector").unwrap();
    fs::write(own.join("notes.txt"), "not a connector").unwrap();
    project.succeeds(&["connectors", "list"]);

    fs::write(own.join("google_ads.toml"), good.replace("\"letters\"", "\"google_ads\"")).unwrap();
    fs::write(own.join("wrong.toml"), good.replace("\"letters\"", "\"wrong\"").replace("lookback", "lookbak")).unwrap();
    fs::write(own.join("lying.toml"), good.replace("\"letters\"", "\"lying\"").replace("clicks = 7 }", "clicks = 8 }"))
        .unwrap();
    fs::write(own.join("huge.toml"), format!("#{}", "x".repeat(10 << 20))).unwrap();
    fs::write(own.join("latin.toml"), b"# \xe4\n").unwrap();
    fs::create_dir(own.join("folder.toml")).unwrap();
    symlink(project.path().join("willitsell.toml"), own.join("link.toml")).unwrap();
    for arguments in [["connectors", "list"].as_slice(), &["check"], &["--json", "connectors", "show", "letters"]] {
        let ended = project.run(arguments);
        assert_eq!(ended.code, 2, "{ended:?}");
        for part in [
            "own/google_ads.toml: google_ads is the name of a built-in connector",
            "own/wrong.toml:23: `lookbak` is not known here: did you mean `lookback`?",
            "own/lying.toml:56: expects",
            "own/huge.toml: this file is larger than 64 KiB",
            "own/latin.toml: this file is not UTF-8",
            "own/folder.toml: this is not a file",
            "own/link.toml: this is a link",
        ] {
            assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
        }
    }
    fs::remove_dir_all(&own).unwrap();
    let ended = project.run(&["check"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("there is no such folder"), "{ended:?}");
}

/// What a file does that would leak, read or hang, and what is said of it.
#[test]
fn f7_no_file_of_a_stranger_leaks_reads_or_hangs() {
    let good = written("letters");
    let project = Project::new("");
    let path = project.path().join("letters.toml");
    fs::write(&path, &good).unwrap();
    folder::read_file(&path).unwrap();
    let default = "default = \"https://api.example.com\"";
    let url = "\"{base_url}/{api_version}/lists/{list_id}/reports\"";
    let pattern = "\"^[A-Za-z0-9-]+$\"";
    for (from, to, said) in [
        // Where a call goes.
        (url, "\"https://evil.example/{api_version}/{list_id}\"", "begins with a setting"),
        (url, "\"{list_id}/{api_version}\"", "an address has a default"),
        (url, "\"{base_url}@evil.example/{api_version}/{list_id}\"", "begins with a setting"),
        (url, "\"{base_url}.evil.example/{api_version}/{list_id}\"", "begins with a setting"),
        (url, "\"{base_url}:81/{api_version}/{list_id}\"", "begins with a setting"),
        (default, "default = \"http://api.example.com\"", "https"),
        (default, "default = \"file:///etc/passwd\"", "https"),
        (default, "default = \"https://me:pass@api.example.com\"", "https"),
        (default, "default = \"https://{list_id}\"", ""),
        (default, "default = \"https://{token}.example.com\"", "is secret"),
        (default, "default = \"https://a{list_id}.example.com\"", "https"),
        (default, "default = \"https://127.0.0.1\"", "host name"),
        (default, "default = \"https://169.254.169.254\"", "host name"),
        (default, "default = \"https://[::1]\"", "host name"),
        (default, "default = \"https://2130706433\"", "host name"),
        (default, "default = \"https://localhost\"", "host name"),
        // A host that is not the one shown to whoever confirms it.
        (default, "default = \"HTTPS://evil.example\"", "literal https address"),
        (default, "default = \"https:evil.example\"", "literal https address"),
        (default, "default = \"https:/evil.example/x\"", "literal https address"),
        (default, "default = \"https:///evil.example\"", "literal https address"),
        (default, "default = 'https:\\\\evil.example'", "literal https address"),
        (default, "default = \" https://evil.example\"", "literal https address"),
        (default, "default = 'https://evil.example\\.api.example.com'", "literal https address"),
        (default, "default = \"https://api.example.com%2eevil.example\"", "literal https address"),
        (default, "default = \"https://api.example.com\\t.evil.example\"", "literal https address"),
        (default, "default = \"https://\u{430}pi.example.com\"", "literal https address"),
        (default, "default = \"https://api.exam\u{ad}ple.com\"", "literal https address"),
        (default, "default = \"https://{list_id}.example?.a.b\"", "literal https address"),
        (default, "default = 'https://{list_id}.example\\.a.b'", "literal https address"),
        (url, "\"{api_version}/{base_url}/{list_id}\"", "no address"),
        // Secrets where they would be logged, and secrets of others.
        ("from = \"{window.start}\"", "key = \"{token}\", from = \"{window.start}\"", "is secret"),
        (url, "\"{base_url}/{api_version}/{list_id}/{token}\"", "is secret"),
        ("arm  = \"$.campaign_id\"", "arm = \"$['{token}']\"", "is secret"),
        ("token = \"{token}\"    ", "token = \"file:/etc/passwd\"", "never written here"),
        ("token = \"{token}\"    ", "token = \"env:GOOGLE_CLIENT_SECRET\"", "never written here"),
        ("token = \"{token}\"    ", "token = \"{token}{list_id}\"", "never written here"),
        ("token = \"{token}\"    ", "token = \"{base_url}\"", "never written here"),
        ("query = \"cursor\"", "header = \"Host\"", "client's own"),
        ("query = \"cursor\"", "header = \"authorization\"", "client's own"),
        // Placeholders there are not.
        ("{window.start}", "{{window.start}}", "not a setting or placeholder"),
        ("{window.start}", "{env.HOME}", "not a setting or placeholder"),
        ("{window.start}", "{login.google}", "not a setting or placeholder"),
        ("{window.start}", "{window.start", "never closes"),
        // What would take for ever.
        (pattern, "\"^((a{1000}){1000}){1000}$\"", "short regular expression"),
        (pattern, "\"^(\\\\w{999}){99}$\"", "short regular expression"),
        (pattern, "\"(a+)+\"", "between `^` and `$`"),
        ("$.data[*]", "$..*", "not supported"),
        ("[limits]\n", "[limits]\nshell = \"rm\"\n", "not known here"),
        ("[request]\n", "[request]\nscript = \"x\"\n", "not known here"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        fs::write(&path, &text).unwrap();
        let error = folder::read_file(&path).err().unwrap_or_else(|| panic!("accepted: {to}")).to_string();
        assert!(error.contains(said), "{to}: {error}");
        assert!(error.lines().all(|line| line.starts_with(path.to_str().unwrap())), "{error}");
    }
    let deep = format!("{good}\nx = {}{}", "[".repeat(20_000), "]".repeat(20_000));
    let tables = format!("{good}\n[{}x]", "a.".repeat(20_000));
    let dotted = good.replacen("[request]\n", &format!("[request]\njson.{}x = 1\n", "a.".repeat(20_000)), 1);
    let or = format!("arm = \"$.x[?@.a{}].y\"", "||@.a".repeat(11_000));
    let ors = good.replacen("arm  = \"$.campaign_id\"", &or, 1);
    let brackets = format!("arm = \"$.x[?{}@.a{}].y\"", "(".repeat(20_000), ")".repeat(20_000));
    let brackets = good.replacen("arm  = \"$.campaign_id\"", &brackets, 1);
    let nots = good.replacen("arm  = \"$.campaign_id\"", &format!("arm = \"$.x[?{}@.a].y\"", "!".repeat(50_000)), 1);
    let steps = good.replacen("arm  = \"$.campaign_id\"", &format!("arm = \"${}\"", ".a".repeat(25_000)), 1);
    for hostile in [&dotted, &ors, &brackets, &nots, &steps] {
        assert_ne!(*hostile, good);
    }
    let hostile = [deep, tables, dotted, ors, brackets, nots, steps];
    for hostile in hostile.into_iter().chain(["\u{feff}\0".to_owned(), String::new(), "=".repeat(60_000)]) {
        fs::write(&path, hostile).unwrap();
        assert!(folder::read_file(&path).is_err());
    }
    assert!(folder::read_file(Path::new("/dev/zero")).is_err());
}

#[test]
fn every_connector_can_be_shown_and_its_lines_pasted() {
    let project = Project::new("");
    for line in json_lines(&project.succeeds(&["--json", "connectors", "list"])) {
        let name = line["name"].as_str().unwrap();
        let shown = &json_lines(&project.succeeds(&["--json", "connectors", "show", name]))[0];
        let paste = shown["paste"].as_str().unwrap();
        toml::from_str::<toml::Table>(paste).unwrap_or_else(|error| panic!("{name}: {error}\n{paste}"));
        let Value::Array(settings) = &shown["settings"] else { panic!("{shown}") };
        let pasted = Project::new(paste);
        for setting in settings.iter().filter(|setting| setting["secret"] == true && setting["required"] == true) {
            let (source, setting) = (name.replace('_', "-"), setting["name"].as_str().unwrap().replace('_', "-"));
            pasted.secret(&format!("{source}-{setting}"), CANARY);
        }
        pasted.secret(&format!("{}-client-secret", name.replace('_', "-")), CANARY);
        let said = pasted.run(&["check"]).stderr;
        assert!(said.contains("there is no experiment"), "{said}");
        for wrong in ["missing", "unknown key", "takes no login", "there is no"] {
            let said: Vec<_> =
                said.lines().filter(|line| line.contains(wrong) && !line.contains("no experiment")).collect();
            assert!(said.is_empty(), "{name}: {said:#?}\n{paste}");
        }
    }
}
