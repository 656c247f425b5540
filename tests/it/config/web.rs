//! Where the pages are: on this machine, unless they are turned off.

use std::os::unix::fs::PermissionsExt;

use secrecy::ExposeSecret;
use willitsell::domain::password::Password;

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
fn w1_no_other_machine_reaches_pages_without_a_password_and_encryption() {
    let hash = Password::hash(&"made up".into(), [1; 16]).unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["tests.example.com".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["tests.example.com".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let password = format!("password = \"file:{}\"\n", file("password", hash.expose_secret()));
    let certificate = format!("certificate = \"{}\"\n", file("chain.pem", &made.cert.pem()));
    let key = format!("certificate_key = \"file:{}\"\n", file("key.pem", &made.signing_key.serialize_pem()));
    let (url, proxies) = ("url = \"https://tests.example.com\"\n", "proxies = [\"10.0.0.5\"]\n");
    for address in ["0.0.0.0:8437", "[::]:8437", "192.168.0.7:80", "203.0.113.5:443"] {
        let listen = format!("[web]\nlisten = \"{address}\"\n");
        for (more, missing) in [
            (String::new(), vec!["`password = ", "`certificate` and", "`url = "]),
            (password.clone(), vec!["`certificate` and", "`url = "]),
            (format!("{certificate}{key}{url}"), vec!["`password = "]),
            (format!("{password}{proxies}"), vec!["`url = "]),
            (format!("{password}{url}proxies = []\n"), vec!["`certificate` and"]),
        ] {
            let mut said = said(&format!("{listen}{more}"));
            if more.contains("proxies = []") {
                let at = said.iter().position(|one| one.contains("proxies names nobody"));
                said.remove(at.expect("an empty list is told of"));
            }
            assert!(said.len() == 1 && said[0].contains("from other machines"), "{said:?}");
            for part in ["`password = ", "`certificate` and", "`url = "] {
                assert_eq!(said[0].contains(part), missing.contains(&part), "{part}: {}", said[0]);
            }
        }
        for over in [format!("{certificate}{key}"), proxies.to_owned()] {
            let web = load(&format!("{listen}{password}{url}{over}\n{SMALL}")).unwrap().config.web;
            assert!(web.listen.is_some() && web.is_encrypted() && web.password.is_some());
        }
    }
    let other_key = format!("certificate_key = \"file:{}\"\n", file("other.pem", &other.signing_key.serialize_pem()));
    let plain = format!("password = \"file:{}\"\n", file("plain", "correct horse battery staple"));
    for (wrong, why) in [
        (format!("{certificate}{other_key}"), "is not the key of the certificate"),
        (format!("{certificate}{}", key.replace("key.pem", "chain.pem")), "no private key"),
        (format!("{}{key}", certificate.replace("chain.pem", "key.pem")), "no certificate"),
        (certificate.clone(), "has no key"),
        (key.clone(), "has no certificate"),
        (plain, "is not the hash of a password"),
        ("password = \"correct horse\"\n".to_owned(), "password"),
        ("proxies = [\"proxy.example.com\"]\n".to_owned(), "address that the proxy connects from"),
    ] {
        let said = said(&format!("[web]\n{wrong}"));
        assert!(said.len() == 1 && said[0].contains(why), "{why}: {said:?}");
        assert!(!said[0].contains("correct horse") && !said[0].contains("PRIVATE KEY-----\n"), "{said:?}");
    }
}

#[test]
fn where_pages_are_called_is_a_whole_address() {
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
