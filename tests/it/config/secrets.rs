//! Secrets: by reference only, found at start, never printed. F1, F3, F4, F5.

use super::*;

/// Everything a printer could get at: messages, pictures, JSON, Debug.
fn everything_printed(text: &str) -> String {
    // A literal in a field that is not secret (a client id) may load, and is then a setting like others.
    let outcome = load(text).map(|loaded| loaded.warnings);
    let problems: Vec<Problem> = match &outcome {
        Ok(warnings) => warnings.clone(),
        Err(problems) => problems.iter().cloned().collect(),
    };
    let mut printed = format!("{outcome:?}");
    for problem in &problems {
        printed += &[problem.to_string(), rendered(problem), serde_json::to_string(problem).unwrap()].join("\n");
    }
    if let Err(problems) = &outcome {
        printed += &problems.to_string();
    }
    printed
}

/// Where a secret was written instead of a reference, alone and together with every way to break a
/// line. The canary must be nowhere in what is printed.
#[test]
fn f1_no_message_shows_a_line_that_may_hold_a_secret() {
    let places = [
        ("url = \"env:SLACK_URL\"", "url = VALUE"),
        ("client_id = \"id\"", "client_id = VALUE"),
        ("client_secret = \"env:GOOGLE_SECRET\"", "client_secret = VALUE"),
        ("refresh_token = \"env:GOOGLE_REFRESH\"", "refresh_token = VALUE"),
        (
            "settings = { form_id = \"u6nXL7\", token = \"env:TYPEFORM_TOKEN\" }",
            "settings = { form_id = \"x\", token = VALUE }",
        ),
        (
            "settings = { form_id = \"u6nXL7\", token = \"env:TYPEFORM_TOKEN\" }",
            "settings = { form_id = VALUE, tokn = \"x\" }",
        ),
        (
            "settings = { form_id = \"u6nXL7\", token = \"env:TYPEFORM_TOKEN\" }",
            "settings.form_id = 7\nsettings.token = VALUE",
        ),
        (
            "settings = { form_id = \"u6nXL7\", token = \"env:TYPEFORM_TOKEN\" }",
            "settings = {\n form_id = \"x\",\n channel = VALUE\n}",
        ),
        ("connector = \"typeform\"", "connector = \"typeform\"\ntoken = VALUE"),
        ("title = \"Kit for cats\"", "title = \"Kit\" # token: VALUE"),
        ("title = \"Kit for cats\"", "api_key = VALUE"),
        ("title = \"Kit for cats\"", "password = VALUE"),
        ("title = \"Kit for cats\"", "titel = VALUE"),
        ("kill_bar = 0.02", "kill_bar = { token = VALUE }"),
        ("kill_bar = 0.02", "kill_bar = 0.02 # password VALUE\nkil = nan"),
        ("[login.google]", "[store]\nurl = VALUE\n[login.google]"),
        ("[login.google]", "[logn.google]\nclient_secret = VALUE\n[login.google]"),
    ];
    let canary = CANARY;
    let values = [
        format!("\"{canary}\""),
        format!("'{canary}'"),
        format!("\"\"\"{canary}\"\"\""),
        format!("\"\"\"\n{canary}\n\"\"\""),
        format!("[\"{canary}\"]"),
        format!("{{ x = \"{canary}\" }}"),
        canary.to_owned(),
        format!("\"{canary}"),
        format!("\"{canary}\\q\""),
        format!("\"\"\"\ntitle = {canary}\\q\n\"\"\""),
        format!("\"a\" \"{canary}\""),
        format!("= \"{canary}\""),
        format!("[\n\"{canary}\""),
        format!("\"xoxb-{canary}\""),
        format!("\"https://hooks.slack.com/services/{canary}\""),
        format!("\"postgres://user:{canary}@host/db\""),
        format!("\"http://user:{canary}@example.com\""),
        format!("\"env:{canary}\""),
        format!("\"file:{canary}\""),
        format!("\"credential:{canary}\""),
        format!("\"ENV:{canary}\""),
    ];
    let mut tried = 0;
    for (line, place) in places {
        for value in &values {
            // A comment goes to the end of its line.
            if place.contains('#') && value.contains('\n') {
                continue;
            }
            for broken in [String::new(), "kill_bar = nan".to_owned(), "oops".to_owned()] {
                let text = with(line, &place.replace("VALUE", value)) + &broken + "\n";
                let printed = everything_printed(&text);
                assert!(!printed.to_lowercase().contains(canary), "{text}\n----\n{printed}");
                tried += 1;
            }
        }
    }
    assert!(tried > 900, "{tried}");
}

/// One slip of a finger anywhere in a file full of secrets: a character lost, a quote, a bracket or
/// a line break too many.
#[test]
fn f1_no_slip_of_a_finger_shows_a_secret() {
    let text = SMALL
        .replace("\"env:SLACK_URL\"", &format!("\"{CANARY}\""))
        .replace("\"id\"", &format!("\"{CANARY}\""))
        .replace("\"env:GOOGLE_SECRET\"", &format!("\"\"\"\n[experiment.cats]\ntitle = {CANARY}\n\"\"\""))
        .replace("\"u6nXL7\"", &format!("\"{CANARY}\""))
        .replace(
            "settings = { customer_id = \"1234567890\" }",
            &format!("[source.search.settings]\nchannel = \"{CANARY}\""),
        );
    let text = text.trim_end();
    assert!(text.is_ascii());
    let slips = ["", "\"", "'", "[", "]", "{", "=", "#", "\n", "\"\"\""];
    // Every place with one slip, in turn: all slips at all places take a minute.
    for (at, slip) in (0..text.len()).zip(slips.iter().cycle()) {
        let (before, after) = text.split_at(at);
        let slipped =
            if slip.is_empty() { format!("{before}{}", &after[1..]) } else { format!("{before}{slip}{after}") };
        let printed = everything_printed(&slipped);
        // A slip inside the canary leaves two halves: look for either.
        let shown = [&CANARY[..7], &CANARY[7..]].into_iter().any(|half| printed.contains(half));
        assert!(!shown, "{slip:?} at {at}\n{slipped}\n----\n{printed}");
    }
}

#[test]
fn f1_a_withheld_line_still_has_its_number_and_advice() {
    let text = with(
        "settings = { form_id = \"u6nXL7\", token = \"env:TYPEFORM_TOKEN\" }",
        "settings = { form_id = \"u6nXL7\", token = \"abc\" }",
    );
    let said = said(&text);
    let problem = said.iter().find(|problem| !problem.warning).unwrap();
    let expected = r#"
  x source.landing.settings.token: a secret must not stand in the file itself
   ,-[willitsell.toml:9:42]
 9 | (this line may hold a secret and is not shown)
   : ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   `----
  help: write "file:PATH" (a file only you can read), "credential:NAME" (handed over by systemd)
        or "env:NAME" (an environment variable)"#;
    assert_eq!(rendered(problem), expected.trim_start_matches('\n'));
}

#[test]
fn f3_a_missing_or_empty_variable_is_found_at_the_start() {
    let file = File::new(SMALL);
    let env = |name: &str| match name {
        "SLACK_URL" => None,
        "GOOGLE_SECRET" => Some(String::new()),
        "GOOGLE_REFRESH" => Some("\n".to_owned()),
        _ => Some(format!("{CANARY}\r\n")),
    };
    let problems: Vec<Problem> = file.load_with(&env).unwrap_err().iter().cloned().collect();
    let said = lines(&problems, false);
    assert_eq!(said.len(), 3, "{said:#?}");
    assert!(said[0].contains("notify.growth.slack.url needs the environment variable SLACK_URL, which is not set"));
    assert!(said[0].contains("export SLACK_URL=…"), "{said:#?}");
    assert!(said[1].contains("GOOGLE_SECRET, which is empty") && said[2].contains("GOOGLE_REFRESH, which is empty"));
    let warned = lines(&problems, true);
    assert!(warned.iter().any(|warning| warning.contains("TYPEFORM_TOKEN ends with a line break, which was left out")));
}

#[test]
fn f3_secrets_from_files_start_at_the_folder_of_the_configuration() {
    let text = with("client_secret = \"env:GOOGLE_SECRET\"", "client_secret = \"file:./secrets/google\"");
    let file = File::new(&text);
    let secret = file.path.parent().unwrap().join("secrets/google");
    let outcome = || match file.load_with(&full_env) {
        Ok(loaded) => lines(&loaded.warnings, true),
        Err(problems) => lines(&problems.iter().cloned().collect::<Vec<_>>(), false),
    };
    assert!(outcome()[0].contains("client_secret needs ./secrets/google, which is not there"), "{:#?}", outcome());
    fs::create_dir(secret.parent().unwrap()).unwrap();
    for (content, wanted) in [
        (&b""[..], "which is empty | put the secret in it"),
        (b"\n", "which is empty"),
        (b"\xff\xfe", "too long or not text"),
        (b"s3cret\n", "./secrets/google ends with a line break, which was left out"),
        (b"s3cret", ""),
    ] {
        fs::write(&secret, content).unwrap();
        private(&secret);
        let said = outcome();
        let found = said.iter().any(|line| line.contains(wanted));
        assert!(found && (!wanted.is_empty() || said.len() == 1), "{content:?}: {said:#?}");
    }
}

#[test]
fn f4_a_secret_written_out_is_refused_and_the_form_is_shown() {
    for (line, key) in [
        ("url = \"env:SLACK_URL\"", "url"),
        ("client_secret = \"env:GOOGLE_SECRET\"", "client_secret"),
        ("refresh_token = \"env:GOOGLE_REFRESH\"", "refresh_token"),
    ] {
        for literal in
            [CANARY, "xoxb-12", "$SLACK_URL", "${SLACK_URL}", "env SLACK_URL", "Env:SLACK_URL", "/run/secrets/x"]
        {
            let said = errors(&with(line, &format!("{key} = \"{literal}\"")));
            assert!(said[0].contains("a secret must not stand in the file itself"), "{key} {literal}: {said:#?}");
            assert!(said[0].contains("env:NAME") && said[0].contains("file:PATH"), "{said:#?}");
        }
    }
}

#[test]
fn f4_a_secret_is_refused_by_its_form_wherever_it_stands() {
    for secret in [
        "xoxb-1234-abcd",
        "xoxp-1234",
        "https://hooks.slack.com/services/T0/B0/abc",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "tfp_3mPp",
        "GOCSPX-abc",
        "ya29.a0Af",
        "1//0gabc",
        "ghp_abc",
        "sk_live_abc",
        "eyJhbGciOi",
        "-----BEGIN PRIVATE KEY-----",
    ] {
        for line in ["title = VALUE", "owner = VALUE", "notify = [VALUE]", "timezone = VALUE", "VALUE = VALUE"] {
            let key = line.split(' ').next().unwrap();
            let kept: String =
                SMALL.lines().filter(|line| !line.starts_with(key)).fold(String::new(), |all, line| all + line + "\n");
            let text = kept.replace(
                "[experiment.cats]\n",
                &format!("[experiment.cats]\n{}\n", line.replace("VALUE", &format!("\"{secret}\""))),
            );
            let said = errors(&text);
            assert!(
                said.iter().any(|error| error.contains("a secret must not stand in the file itself")),
                "{secret}: {said:#?}"
            );
            assert!(!everything_printed(&text).contains(secret), "{secret}");
        }
    }
}

#[cfg(unix)]
#[test]
fn f5_a_configuration_that_others_can_read_or_a_link_is_a_warning() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let file = File::new(SMALL);
    for (mode, warned) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o620, true), (0o644, true)] {
        fs::set_permissions(&file.path, fs::Permissions::from_mode(mode)).unwrap();
        let said = lines(&file.load_with(&full_env).unwrap().warnings, true);
        assert_eq!(
            said.iter().any(|line| line.contains("other users of this machine can read")),
            warned,
            "{mode:o}: {said:#?}"
        );
    }
    let link = file.path.with_file_name("link.toml");
    symlink(&file.path, &link).unwrap();
    let (connectors, notifiers) = (connectors(), notifiers());
    let known = Known { connectors: &connectors, notifiers: &notifiers, env: &full_env };
    let said = lines(&config::load(&link, &known).unwrap().warnings, true);
    assert!(said.iter().any(|line| line.contains("this file is a link")), "{said:#?}");
}

#[cfg(unix)]
#[test]
fn f5_a_secret_file_that_others_can_read_is_refused_with_the_command_that_mends_it() {
    use std::os::unix::fs::PermissionsExt;
    let file = File::new(&with("client_secret = \"env:GOOGLE_SECRET\"", "client_secret = \"file:./google\""));
    let secret = file.path.with_file_name("google");
    fs::write(&secret, "s3cret").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let problems: Vec<Problem> = file.load_with(&full_env).unwrap_err().iter().cloned().collect();
    let said = lines(&problems, false);
    assert!(said[0].contains("other users of this machine can read | run: chmod 600"), "{said:#?}");
}
