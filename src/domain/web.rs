//! Where the pages are: which address is listened at, which names they are called by, and who may see them.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use super::password::Password;
use super::tls::Tls;

/// The pages as configured.
#[derive(Clone, Default)]
pub struct Web {
    /// Where they are listened for; `None` where they are turned off.
    pub listen: Option<SocketAddr>,
    /// Whether the user chose that address: one of ours that is taken is left alone.
    pub is_chosen: bool,
    /// How people reach them, without a slash at its end, for links in messages; `None` where nobody said.
    pub url: Option<String>,
    /// What whoever wants to see them must know; `None` where nobody is asked.
    pub password: Option<Password>,
    /// What is shown to whoever connects; `None` where they are not encrypted, or a proxy does it.
    pub tls: Option<Tls>,
    /// Who alone may connect, and is believed whom it asks for; empty where there is no proxy.
    pub proxies: Vec<IpAddr>,
}

impl Web {
    /// Whether what somebody elsewhere sees goes through the network encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some() || !self.proxies.is_empty()
    }

    /// Whether somebody may connect at all.
    pub fn lets_in(&self, from: IpAddr) -> bool {
        let from = from.to_canonical();
        self.proxies.is_empty() || from.is_loopback() || self.proxies.contains(&from)
    }

    /// Whose request it is: `from` itself, or the one that a stated proxy says it asks for. `forwarded` are the values of
    /// `X-Forwarded-For` in their order: the last one that no stated proxy is, for what stands before it anybody may have written.
    pub fn visitor<'a>(&self, from: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let from = from.to_canonical();
        if !self.proxies.contains(&from) {
            return from;
        }
        let said = forwarded.rev().flat_map(|list| list.rsplit(',')).map(str::trim).map_while(|one| {
            let with_port = || one.parse::<SocketAddr>().ok().map(|address| address.ip());
            one.parse::<IpAddr>().ok().or_else(with_port).map(|address| address.to_canonical())
        });
        said.into_iter().find(|address| !self.proxies.contains(address)).unwrap_or(from)
    }

    /// Whether a form was sent from a page of ours, called by `host` or, behind a proxy that calls us otherwise, by the address
    /// that was said: only a browser that shows one says so.
    pub fn is_origin(&self, origin: &str, host: &str) -> bool {
        let said = self.url.as_deref().and_then(|url| Url::parse(url).ok()).map(|url| url.origin());
        if said.is_some_and(|said| said.is_tuple() && Url::parse(origin).is_ok_and(|origin| origin.origin() == said)) {
            return self.answers_to(host);
        }
        let is_https = origin.strip_prefix("https://").is_some_and(|rest| rest == host);
        let is_http = !self.is_encrypted() && origin.strip_prefix("http://").is_some_and(|rest| rest == host);
        self.answers_to(host) && (is_https || is_http)
    }

    /// Whether a request that was sent to this `Host` means these pages. Another site may lead a browser here under a name
    /// of its own; it then reads nothing.
    pub fn answers_to(&self, host: &str) -> bool {
        let Ok(asked) = Url::parse(&format!("http://{host}/")) else { return false };
        // Whatever a parser forgives is no host.
        if !asked.username().is_empty() || asked.password().is_some() || host.contains(['/', '?', '#', '\\']) {
            return false;
        }
        let is_ours = match asked.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback() || self.listens_at(address.into()),
            Some(Host::Ipv6(address)) => address.is_loopback() || self.listens_at(address.into()),
            None => false,
        };
        let named = self.url.as_deref().and_then(|url| Url::parse(url).ok());
        is_ours || named.is_some_and(|named| named.host() == asked.host())
    }

    fn listens_at(&self, address: IpAddr) -> bool {
        self.listen.is_some_and(|listen| listen.ip() == address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w3_only_names_of_this_machine_and_the_one_that_was_said_are_answered_to() {
        let web = Web {
            listen: Some("127.0.0.1:8437".parse().unwrap()),
            url: Some("https://tests.example.com".into()),
            ..Web::default()
        };
        for host in ["127.0.0.1:8437", "127.0.0.1", "localhost:8437", "LOCALHOST", "[::1]:8437", "tests.example.com"] {
            assert!(web.answers_to(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "tests.example.com.evil.example",
            "10.0.0.1",
            "a@localhost",
            "localhost/evil.example",
            "localhost#",
            "0.0.0.0",
            "localhost, evil.example",
        ] {
            assert!(!web.answers_to(host), "{host}");
        }
    }

    #[test]
    fn w3_only_a_stated_proxy_says_for_whom_it_asks_and_only_it_may_connect() {
        let proxy: IpAddr = "10.0.0.5".parse().unwrap();
        let web = Web { proxies: vec![proxy], ..Web::default() };
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(web.lets_in(proxy) && web.lets_in(address("::ffff:10.0.0.5")) && web.lets_in(address("127.0.0.1")));
        assert!(!web.lets_in(address("10.0.0.6")) && Web::default().lets_in(address("10.0.0.6")));
        assert!(web.lets_in(address("::ffff:127.0.0.1")));
        let said = ["1.1.1.1, 203.0.113.7"];
        for lines in [
            &said[..],
            // A proxy that writes a line of its own leaves what the visitor wrote before it.
            &["1.1.1.1", "203.0.113.7"],
            &["1.1.1.1, 203.0.113.7:51234"],
            &["1.1.1.1, 203.0.113.7, 10.0.0.5"],
            &["203.0.113.7", "::ffff:10.0.0.5"],
        ] {
            assert_eq!(web.visitor(proxy, lines.iter().copied()), address("203.0.113.7"), "{lines:?}");
        }
        assert_eq!(web.visitor(proxy, ["[2001:db8::1]:443"].into_iter()), address("2001:db8::1"));
        assert_eq!(web.visitor(address("127.0.0.1"), said.into_iter()), address("127.0.0.1"));
        assert_eq!(Web::default().visitor(proxy, said.into_iter()), proxy);
        for junk in [&[][..], &[""], &["evil"], &["203.0.113.7, "], &["203.0.113.7, evil"], &["203.0.113.7", "evil"]] {
            assert_eq!(web.visitor(proxy, junk.iter().copied()), proxy, "{junk:?}");
        }
    }

    #[test]
    fn w2_a_form_comes_from_the_page_that_it_is_sent_to() {
        let plain = Web { listen: Some("127.0.0.1:8437".parse().unwrap()), ..Web::default() };
        assert!(plain.is_origin("http://127.0.0.1:8437", "127.0.0.1:8437"));
        let behind = Web {
            url: Some("https://tests.example.com".into()),
            proxies: vec!["10.0.0.5".parse().unwrap()],
            ..plain.clone()
        };
        assert!(behind.is_origin("https://tests.example.com", "tests.example.com"));
        assert!(
            behind.is_origin("https://tests.example.com", "127.0.0.1:8437"),
            "a proxy may call us by our own address"
        );
        assert!(!behind.is_origin("https://tests.example.com", "evil.example"));
        assert!(!behind.is_origin("http://tests.example.com", "tests.example.com"));
        for (origin, host) in [
            ("null", "127.0.0.1:8437"),
            ("", "127.0.0.1:8437"),
            ("http://127.0.0.1:8438", "127.0.0.1:8437"),
            ("https://evil.example", "127.0.0.1:8437"),
            ("http://evil.example", "evil.example"),
            ("http://127.0.0.1:8437.evil.example", "127.0.0.1:8437"),
        ] {
            assert!(!plain.is_origin(origin, host), "{origin}");
        }
    }
}
