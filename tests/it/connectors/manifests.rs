//! Embedded manifests are right, and wrong ones are refused with line and advice.

use willitsell::connect::Registry;
use willitsell::connect::auth::Auth;
use willitsell::connect::http::{Http, Limits};
use willitsell::connect::manifest::{Manifest, Patience};

use super::embedded;
use crate::canary::{CANARY, assert_no_canary};

#[test]
fn every_embedded_manifest_loads_is_short_and_means_what_its_examples_say() {
    assert!(Registry::manifests().len() >= 2);
    for (file, text) in Registry::manifests() {
        let manifest = Manifest::load(file, text).unwrap_or_else(|error| panic!("{error}"));
        assert!(text.lines().count() < 80, "{file}");
        manifest.run_examples().unwrap_or_else(|wrong| panic!("{}", wrong.join("\n")));
    }
}

#[test]
fn h25_every_embedded_manifest_that_counts_rows_says_what_is_left_out() {
    for (file, text) in Registry::manifests() {
        let manifest = Manifest::load(file, text).unwrap_or_else(|error| panic!("{error}"));
        let says = manifest.info().facts.left_out.is_some();
        assert!(says || text.contains("[response]"), "{file}");
    }
    refused("reddit_ads", "left_out ", "#", "say in `[facts]` what the vendor leaves out", Some("[facts]"));
}

#[test]
fn the_registry_lists_what_a_configuration_may_use() {
    let http = Http::new(Limits::default()).unwrap();
    let registry = Registry::built_in(&http, &Auth::new(http.clone()), &Patience::default()).unwrap();
    let infos = registry.infos();
    let google = infos.iter().find(|info| info.name == "google_ads").unwrap();
    assert!(google.needs_login);
    assert_eq!((google.lookback_days, google.longest_days), (30, Some(31)));
    assert_eq!(google.sunset_on.unwrap().to_string(), "2027-10-01");
    let setting = |name: &str| google.settings.iter().find(|setting| setting.name == name).unwrap();
    assert!(setting("base_url").address && setting("developer_token").secret && setting("login_customer_id").optional);
    assert_eq!(setting("api_version").default.as_deref(), Some("v26"), "a user may name a newer version");
    let names: Vec<_> = google.metrics.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["impressions", "clicks", "spend", "conversions", "engagements"]);
    assert!(registry.get("typeform").is_some_and(|typeform| !typeform.info().needs_login));
    assert!(registry.get("myspace").is_none());
}

/// Changes an embedded manifest and looks at what is said of it, and of which line: that of the change,
/// or the one with `at`.
#[track_caller]
fn refused(name: &str, from: &str, to: &str, advice: &str, at: Option<&str>) {
    let text = embedded(name);
    let changed = text.replacen(from, to, 1);
    assert_ne!(text, changed, "{from} is not in {name}");
    let place = at.map_or_else(|| text.find(from), |at| changed.find(at)).unwrap();
    let line = changed.get(..place).unwrap_or(text).matches('\n').count() + 1;
    let error = Manifest::load(&format!("{name}.toml"), &changed).err().unwrap_or_else(|| panic!("accepted: {to}"));
    let said = error.mistakes.iter().find(|mistake| mistake.what.contains(advice));
    assert_eq!(said.unwrap_or_else(|| panic!("{to}: {error}")).line, line, "{to}: {error}");
    assert!(error.to_string().starts_with(&format!("{name}.toml:")), "{error}");
}

#[test]
fn f7_every_mistake_names_its_line_and_the_fix() {
    for (name, from, to, advice) in [
        ("typeform", "title      =", "tilte      =", "did you mean `title`?"),
        ("typeform", "lookback = 3", "lookbak = 3", "did you mean `lookback`?"),
        ("typeform", "size  = 1000", "siez  = 1000", "did you mean `size`?"),
        ("typeform", "[limits]", "[limit]", "did you mean `limits`?"),
        ("typeform", "lookback = 3", "lookback = \"three\"", "invalid type"),
        ("typeform", "\"documented\"", "\"documentd\"", "did you mean `documented`?"),
        ("typeform", "checked_on = \"2026-11-22\"", "checked_on = \"22.11.2026\"", "write it as 2026-11-22"),
        ("typeform", "sunset_on  = \"unknown\"", "sunset_on  = \"soon\"", "or `unknown`"),
        ("typeform", "\"$.submitted_at\"", "\"submitted_at\"", "is not a JSONPath"),
        ("typeform", "\"$.items[*]\"", "\"$..items[*]\"", "`..` is not supported"),
        ("typeform", "\"$.items[*]\"", "\"$.items\"", "ends in one: `$.results[*]`"),
        ("typeform", "$.items[-1].token", "$.items[-2].token", "only `[-1]`"),
        ("typeform", "{form_id}/responses", "{form}/responses", "did you mean `form_id`?"),
        ("typeform", "{window.end.epoch_s}", "{window.end.epoc_s}", "did you mean `epoch_s`?"),
        ("typeform", "token = \"{token}\"", "token = \"tfp_abc\"", "never written here"),
        ("typeform", "secret = true }", "secret = true, default = \"x\" }", "a secret has no default"),
        ("typeform", "since = \"", "t = \"{token}\", since = \"", "`{token}` is secret"),
        ("typeform", "\"{base_url}/forms", "\"https://api.typeform.com/forms", "begins with a setting"),
        (
            "typeform",
            "default = \"https://api.typeform.com\"",
            "default = \"http://api.typeform.com\"",
            "https address",
        ),
        (
            "typeform",
            "default = \"https://api.typeform.com\"",
            "default = \"https://my-{form_id}.example.com\"",
            "one whole label",
        ),
        ("typeform", "default = \"https://api.typeform.com\"", "default = \"file:///etc/passwd\"", "literal https"),
        ("typeform", "pattern = \"^[A-Za-z0-9]+$\"", "pattern = \"[A-Za-z0-9]+\"", "between `^` and `$`"),
        ("typeform", "signups =", "signup =", "did you mean `signups`?"),
        ("typeform", "depth  = \"email\"", "depth  = \"emial\"", "did you mean `email`?"),
        ("typeform", "then   = \"retry\"", "then   = \"again\"", "`retry`"),
        ("typeform", "then   = \"retry\"", "wait = \"soon\"\nthen = \"retry\"", "write `60s`"),
        ("google_ads", "absent = 0 }\nclicks", "absent = 1 }\nclicks", "absent = 0"),
        ("google_ads", "{ micros =", "{ sum =", "is money"),
        ("google_ads", "sum = \"$.metrics.clicks\"", "micros = \"$.metrics.clicks\"", "is a count"),
        ("google_ads", ", currency = \"$.customer.currencyCode\"", "", "money needs `currency`"),
        ("google_ads", "method = \"POST\"", "method = \"GET\"", "a GET has no body"),
        ("google_ads", "json = \"pageToken\"", "jsno = \"pageToken\"", "did you mean `json`?"),
        ("google_ads", "developer-token = \"{developer_token}\"", "developer-token = \"abc\"", "never written here"),
        ("google_ads", "zone     = \"$.customer.timeZone\"", "zone     = \"Berlin\"", "`zone` is a path"),
        ("google_ads", "token_url     = \"https://", "token_url     = \"http://", "literal https"),
        ("google_ads", "client        = \"body\"", "client        = \"post\"", "`body`, `basic`"),
        ("google_ads", "per_second = 1", "per_second = 0.0", "from 0.001 to 9999"),
        ("google_ads", "per_second = 1", "per_second = 1e-300", "from 0.001 to 9999"),
        ("google_ads", "per_second = 1", "per_second = nan", "from 0.001 to 9999"),
        ("google_ads", "[page.cursor]", "[page.cursr]", "did you mean `cursor`?"),
        ("google_ads", "$.campaign.id", "$.campaign[{api_version}]", "single quotes"),
    ] {
        refused(name, from, to, advice, None);
    }
    for (name, from, to, advice, at) in [
        ("typeform", "verified   = \"documented\"\n", "", "`verified` is missing", "# Responses"),
        ("typeform", "{window.end.epoch_s}", "{window.next.epoch_s}", "as `ends` says", "ends "),
        ("typeform", "status = [499]", "text = \"busy\"", "`in`, `not_in` and `text` belong together", "[[error]]"),
        ("typeform", "status = [499]", "path = \"$.a\"\nin = [\"9-1\"]", "ranges such as", "in = ["),
        ("typeform", "status = [499]", "path = \"$.a\"\nin = []", "at least one", "in = ["),
        ("typeform", "status = [499]", "all = [{ path = \"$.a\" }]", "write one of `in`", "all = ["),
        (
            "typeform",
            "status = [499]",
            "path = \"$.a\"\nin = [1]\nall = [{ path = \"$.a\", in = [2] }]",
            "move this one into `all`",
            "[[error]]",
        ),
        ("typeform", "then   = \"retry\"", "then   = \"stop\"\nwait = \"60s\"", "leave it out", "wait = "),
        ("typeform", "expect = []", "", "what its answer means", "[[example]]\npage   = '{\"total_items\":0"),
        ("typeform", "expect = []", "then = \"wat\"", "did you mean `wait`?", "then = \"wat\""),
        (
            "typeform",
            "expect = []",
            "expect = []\nthen = \"wait\"",
            "what its answer means",
            "[[example]]\npage   = '{\"total_items\":0",
        ),
        ("typeform", "expect = []", "status = 500\nexpect = []", "leave `status` out", "status = 500"),
        ("typeform", "page_size = \"{page.size}\", ", "", "belong together", "[page.cursor]"),
        ("google_ads", "'{window.end}'", "'{window.end}' {login_customer_id}", "is optional", "query = "),
        ("typeform", "token    = {", "extra = { help = \"x\" }\ntoken    = {", "nothing uses `{extra}`", "extra ="),
        ("google_ads", "/{api_version}/", "/v26/", "nothing uses `{api_version}`", "api_version ="),
        ("google_ads", "json = \"pageToken\"", "", "say where the name of the page goes", "from = \"$.next"),
        ("google_ads", "json = \"pageToken\"", "query = \"pageToken\"\njson = \"x\"", "one of them", "from = \"$.next"),
    ] {
        refused(name, from, to, advice, Some(at));
    }
}

#[test]
fn f7_all_mistakes_come_at_once() {
    let text = embedded("typeform")
        .replace("title      =", "tilte      =")
        .replace("lookback = 3", "lookbak = 3")
        .replace("signups =", "signup =")
        .replace("$.submitted_at", "submitted_at");
    let error = Manifest::load("typeform.toml", &text).unwrap_err();
    assert!(error.mistakes.len() >= 4, "{error}");
    assert!(error.mistakes.is_sorted_by_key(|mistake| mistake.line));
    let name = Manifest::load("tally.toml", embedded("typeform")).unwrap_err();
    assert!(name.to_string().contains("write `name = \"tally\"`"), "{name}");
    assert!(Manifest::load("typeform.toml", "").unwrap_err().mistakes.len() > 8);
    assert!(Manifest::load("typeform.toml", "x = [1,\n").is_err());
}

#[test]
fn f4_a_literal_secret_is_refused_and_not_repeated() {
    let text = embedded("typeform")
        .replace("token = \"{token}\"", &format!("token = \"{CANARY}\""))
        .replace("[auth.bearer]", "[auth.bearer] # here");
    let error = Manifest::load("typeform.toml", &text).unwrap_err();
    assert_no_canary(error.to_string());
}

#[test]
fn h8_examples_prove_error_rules_too() {
    let with = |example: &str| {
        let text = format!("{}\n[[example]]\n{example}\n", embedded("google_ads"));
        Manifest::load("google_ads.toml", &text).unwrap().run_examples().map_err(|wrong| wrong.join("\n"))
    };
    let code =
        |code: &str| format!(r#"page = '{{"error":{{"details":[{{"errors":[{{"errorCode":{{"x":"{code}"}}}}]}}]}}}}'"#);
    assert_eq!(with(&format!("status = 400\nthen = \"retired\"\n{}", code("UNSUPPORTED_VERSION"))), Ok(()));
    assert_eq!(with("status = 401\nthen = \"renew\"\npage = ''"), Ok(()), "the built-in rules count");
    assert_eq!(with(&format!("then = \"skip\"\n{}", code("CUSTOMER_NOT_ENABLED"))), Ok(()), "also of a 200");
    let wrong = with(&format!("status = 400\nthen = \"wait\"\n{}", code("UNSUPPORTED_VERSION"))).unwrap_err();
    assert!(wrong.contains("expects `wait` of status 400; by the file's rules the answer is `retired`"), "{wrong}");
    assert!(with("then = \"wait\"\npage = '{\"results\":[]}'").unwrap_err().contains("a page of rows"));
    let pages = r#"pages = ['{"results":[],"nextPageToken":"A","fieldMask":"x"}', '{"fieldMask":"x"}']"#;
    assert_eq!(with(&format!("expect = []\n{pages}")), Ok(()));
}

#[test]
fn an_example_that_means_something_else_is_named() {
    let text = embedded("google_ads").replace("clicks = 41,", "clicks = 42,");
    let wrong = Manifest::load("google_ads.toml", &text).unwrap().run_examples().unwrap_err();
    assert!(wrong[0].contains("google_ads.toml:") && wrong[0].contains("clicks 42"), "{wrong:?}");
}
