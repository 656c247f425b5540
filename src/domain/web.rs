//! Where the pages are: which address is listened at, and which names they are called by.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

/// The pages as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// Where they are listened for; `None` where they are turned off.
    pub listen: Option<SocketAddr>,
    /// Whether the user chose that address: one of ours that is taken is left alone.
    pub is_chosen: bool,
    /// How people reach them, without a slash at its end, for links in messages; `None` where nobody said.
    pub url: Option<String>,
}

impl Web {
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
            is_chosen: false,
            url: Some("https://tests.example.com".into()),
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
}
