//! Where deliveries of vendors are listened for, and what they are checked with.

use secrecy::ExposeSecret;

use super::*;
use willitsell::domain::id::SourceId;
use willitsell::domain::inbound::Scheme;

const FORM: &str = "settings = { form_id = \"u6nXL7\", token = \"env:TYPEFORM_TOKEN\" }";
const SECRET: &str = "inbound = { secret = \"env:HOOK\" }";

/// [`SMALL`] with `[inbound]`, and with more about its form.
fn listening(inbound: &str, form: &str) -> String {
    format!("{inbound}\n{}", with(FORM, &format!("{FORM}\n{form}")))
}

#[track_caller]
fn refused(text: &str, what: &str, advice: &str) {
    let said = errors(text);
    assert!(said.iter().any(|error| error.contains(what) && error.contains(advice)), "{said:#?}");
    assert!(!said.iter().any(|error| error.contains(CANARY)), "{said:#?}");
}

/// The same, of a connector whose vendor signs in another way, where the secret is this one.
fn by(scheme: Scheme, inbound: &str, form: &str, secret: &str) -> Vec<String> {
    let mut known = connectors();
    known[0].inbound = Some(scheme);
    let env = |name: &str| if name == "HOOK" { Some(secret.to_owned()) } else { full_env(name) };
    match File::new(&listening(inbound, form)).load_knowing(&known, &env) {
        Ok(_) => Vec::new(),
        Err(problems) => lines(&problems.iter().cloned().collect::<Vec<_>>(), false),
    }
}

#[test]
fn a_source_takes_deliveries_where_both_are_said() {
    let config = load(&listening("[inbound]", SECRET)).unwrap().config;
    let listen = config.inbound.unwrap();
    assert_eq!((listen.address.to_string(), listen.body_limit), ("127.0.0.1:8438".into(), 256 * 1024));
    assert_eq!(listen.url(), "http://127.0.0.1:8438");
    let inbound = config.sources.values().find_map(|access| access.inbound.clone()).unwrap();
    assert_eq!((inbound.scheme, inbound.secrets.len()), (Scheme::Typeform, 1));

    let all = "[inbound]\nlisten = \"0.0.0.0:80\"\nbeyond_this_machine = true\nbody_limit_kib = 1024\npublic_url = \"https://a.example/hooks/\"";
    let both = "inbound = { secret = [\"env:HOOK\", \"env:HOOK_BEFORE\"] }";
    let config = load(&listening(all, both)).unwrap().config;
    let listen = config.inbound.unwrap();
    assert_eq!((listen.url(), listen.body_limit), ("https://a.example/hooks".into(), 1024 * 1024));
    let secrets = &config.sources[&SourceId::new("landing")].inbound.as_ref().unwrap().secrets;
    assert_eq!(secrets.iter().map(ExposeSecret::expose_secret).collect::<Vec<_>>(), [CANARY, CANARY]);
    assert!(load(SMALL).unwrap().config.inbound.is_none());
}

#[test]
fn i1_no_source_takes_deliveries_without_a_secret() {
    refused(&listening("[inbound]", "inbound = { }"), "inbound.secret is missing", "env:NAME");
    refused(&listening("[inbound]", "inbound = { secret = [] }"), "holds 0 secrets", "one reference");
    let three = "inbound = { secret = [\"env:A\", \"env:B\", \"env:C\"] }";
    refused(&listening("[inbound]", three), "holds 3 secrets", "the old and the new");
    refused(
        &listening("[inbound]", "inbound = { secret = \"hunter2\" }"),
        "must not stand in the file itself",
        "env:NAME",
    );
    refused(&listening("[inbound]", "inbound = true"), "inbound is true or false", "secret = ");
    let google = "settings = { customer_id = \"1234567890\" }";
    let elsewhere = format!("[inbound]\n{}", with(google, &format!("{google}\n{SECRET}")));
    refused(&elsewhere, "no deliveries of Google Ads are known", "take this line out");
    for (scheme, secret) in
        [(Scheme::Standard, "whsec_c2hvcnQ="), (Scheme::Path, "guess"), (Scheme::Path, "a/b/c/d/e/f/g/h/i/j/k/l/m")]
    {
        let said = by(scheme, "[inbound]", SECRET, secret);
        assert!(
            said.iter().any(|error| error.contains("not a secret that deliveries can be checked with")),
            "{said:#?}"
        );
        assert!(!said.iter().any(|error| error.contains(secret)), "{said:#?}");
    }
    assert!(by(Scheme::Path, "[inbound]", SECRET, &"0af".repeat(16)).is_empty());
}

#[test]
fn listening_beyond_this_machine_must_be_said() {
    for address in ["0.0.0.0:8438", "[::]:8438", "192.168.1.2:8438"] {
        refused(
            &listening(&format!("[inbound]\nlisten = \"{address}\""), SECRET),
            "can be reached from other machines",
            "beyond_this_machine = true",
        );
        let no = format!("[inbound]\nlisten = \"{address}\"\nbeyond_this_machine = false");
        refused(&listening(&no, SECRET), "can be reached from other machines", "proxy");
    }
    assert!(errors(&listening("[inbound]\nlisten = \"[::1]:80\"", SECRET)).is_empty());
}

#[test]
fn what_cannot_be_an_address_or_a_size_is_refused() {
    refused(&listening("[inbound]\nlisten = \"8438\"", SECRET), "inbound.listen is \"8438\"", "127.0.0.1:8438");
    refused(&listening("[inbound]\nbody_limit_kib = 1025", SECRET), "inbound.body_limit_kib is 1025", "from 1 to 1024");
    for url in ["hooks.example.com", "http://hooks.example.com", "https://a.example/?x=1", "https://me:pw@a.example"] {
        refused(
            &listening(&format!("[inbound]\npublic_url = \"{url}\""), SECRET),
            "inbound.public_url",
            "https://hooks.example.com",
        );
    }
    refused(
        &listening("[inbound]\nlsten = \"127.0.0.1:1\"", SECRET),
        "unknown key \"inbound.lsten\"",
        "did you mean listen?",
    );
    refused(&listening("[inbound]", "inbond = { secret = \"env:HOOK\" }"), "unknown key", "did you mean inbound?");
    refused(&listening("[inbound]", "inbound = { secrt = \"env:HOOK\" }"), "unknown key", "did you mean secret?");
}

#[test]
fn deliveries_that_cannot_arrive_or_be_checked_are_an_error() {
    refused(&listening("", SECRET), "takes deliveries, and nothing says where they are listened for", "[inbound]");
    let said = warnings(&listening("[inbound]", ""));
    assert!(said.iter().any(|warning| warning.contains("no source takes deliveries")), "{said:#?}");
    assert!(load(&listening("[inbound]", "")).unwrap().config.inbound.is_none(), "nothing is listened for");
    let said = by(Scheme::Hubspot, "[inbound]", SECRET, "a secret");
    assert!(said.iter().any(|error| error.contains("signs the address it calls")), "{said:#?}");
    assert!(by(Scheme::Hubspot, "[inbound]\npublic_url = \"https://a.example\"", SECRET, "a secret").is_empty());
}
