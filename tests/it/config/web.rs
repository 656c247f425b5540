//! Where the pages are: on this machine, unless they are turned off.

use super::*;

fn said(table: &str) -> Vec<String> {
    errors(&format!("{table}\n{SMALL}"))
}

#[test]
fn pages_are_served_on_this_machine_unless_they_are_turned_off() {
    let web = |table: &str| load(&format!("{table}\n{SMALL}")).unwrap().config.web;
    let usual = web("");
    assert_eq!((usual.listen.unwrap().to_string(), usual.is_chosen, usual.url), ("127.0.0.1:8437".into(), false, None));
    let own = web("[web]\nlisten = \"[::1]:90\"\nurl = \"https://tests.example.com/\"");
    assert_eq!((own.listen.unwrap().to_string(), own.is_chosen), ("[::1]:90".into(), true));
    assert_eq!(own.url.as_deref(), Some("https://tests.example.com"));
    assert_eq!(web("[web]\nlisten = \"off\"").listen, None);
}

#[test]
fn w1_no_other_machine_reaches_pages_that_ask_for_no_login() {
    for address in ["0.0.0.0:8437", "[::]:8437", "192.168.0.7:80", "203.0.113.5:443"] {
        let said = said(&format!("[web]\nlisten = \"{address}\""));
        assert!(
            said.len() == 1 && said[0].contains("ask nobody who they are") && said[0].contains("127.0.0.1:8437"),
            "{said:?}"
        );
    }
    for (url, why) in [
        ("http://tests.example.com", "https://"),
        ("https://a:b@tests.example.com", "name or password"),
        ("https://tests.example.com/pages", "end with its host"),
        ("tests.example.com", "whole address"),
    ] {
        let said = said(&format!("[web]\nurl = \"{url}\""));
        assert!(said.len() == 1 && said[0].contains(why), "{url}: {said:?}");
    }
    assert!(said("[web]\nlisten = \"8437\"")[0].contains("is not an address and a port"));
}
