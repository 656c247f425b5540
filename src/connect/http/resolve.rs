//! Which machines a connection may be made to: the public network, this machine where it is named as such,
//! and the private networks the operator lists. The names are looked up here, so that what was checked is
//! what is connected to, whatever a name server answers the next time. Not which hosts a caller may name.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

/// A name leads nowhere a vendor can be.
#[derive(Debug)]
pub(super) struct Inside;

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its name leads into this machine or a private network; if that is meant, list it in [network] allow_private")
    }
}

impl Error for Inside {}

/// Whether one of an error's causes is [`Inside`].
pub(super) fn is_inside(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(this) = cause {
        if this.is::<Inside>() {
            return true;
        }
        cause = this.source();
    }
    false
}

/// Where connections may lead. Clones share what the operator allows.
#[derive(Clone, Debug, Default)]
pub struct Reach(Arc<OnceLock<Vec<IpNet>>>);

impl Reach {
    /// Allows the operator's private networks. Said once: what comes later changes nothing.
    pub fn allow(&self, networks: Vec<IpNet>) {
        // An error means that it was said already.
        let _ = self.0.set(networks);
    }

    /// Whether an address found by name may be connected to.
    fn admits(&self, ip: IpAddr) -> bool {
        is_public(ip) || self.0.get().is_some_and(|networks| networks.iter().any(|one| one.contains(&ip)))
    }

    /// Whether a host may be called as it is written. A name is looked up when it is called; addresses of this
    /// machine, in digits or as `localhost`, only ever come from the user's own file.
    pub(super) fn admits_host(&self, host: &Host<&str>) -> bool {
        match host {
            Host::Domain(_) => true,
            Host::Ipv4(ip) => ip.is_loopback() || self.admits((*ip).into()),
            Host::Ipv6(ip) => ip.is_loopback() || self.admits((*ip).into()),
        }
    }
}

/// Looks a name up: the system's way, or a test's.
pub(super) type Lookup = fn(&str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// The resolver of every client.
pub(super) struct Guard {
    reach: Reach,
    lookup: Lookup,
}

impl Guard {
    pub(super) fn new(reach: Reach) -> Self {
        Self { reach, lookup: |name| Box::pin(by_system(name.to_owned())) }
    }
}

async fn by_system(name: String) -> io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect())
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, found) = (self.reach.clone(), (self.lookup)(name.as_str()));
        let home = name.as_str().eq_ignore_ascii_case("localhost");
        Box::pin(async move {
            let mut found = found.await?;
            let any = !found.is_empty();
            found.retain(|&ip| if home { ip.is_loopback() } else { reach.admits(ip) });
            if any && found.is_empty() {
                return Err(Inside.into());
            }
            // The port 0 stands for the scheme's own.
            Ok(Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

/// Whether an address belongs to the public network. What is not known to be public is not.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// RFC 6890 and the registry of special addresses.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared_by_a_carrier = a == 100 && (64..128).contains(&b);
    let of_protocols = [a, b, c] == [192, 0, 0] || [a, b, c] == [192, 88, 99] || a == 198 && (18..20).contains(&b);
    // Link-local holds the metadata of clouds; from 224 on stand groups, what is reserved, and "everyone".
    !(a == 0
        || a >= 224
        || ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_documentation()
        || shared_by_a_carrier
        || of_protocols)
}

/// Only `2000::/3` is given out, and parts of it lead to an IPv4 address or nowhere.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let parts = ip.segments();
    let v4 = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high, low].map(u16::to_be_bytes);
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // Networks without IPv4 reach it through the first prefix (NAT64); the second is 6to4.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low),
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        [first, ..] => first & 0xe000 == 0x2000 && first & 0xfff0 != 0x3ff0,
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn guard(lookup: Lookup, networks: &[&str]) -> Guard {
        let reach = Reach::default();
        reach.allow(networks.iter().map(|one| one.parse().unwrap()).collect());
        Guard { reach, lookup }
    }

    async fn ask(guard: &Guard, name: &str) -> Result<Vec<String>, bool> {
        match guard.resolve(Name::from_str(name).unwrap()).await {
            Ok(found) => Ok(found.map(|one| one.ip().to_string()).collect()),
            Err(error) => Err(is_inside(error.as_ref())),
        }
    }

    /// The fake name server: a name is its own answer, dashes between several, `x` for the colon of IPv6.
    fn as_named(name: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let answers = name.trim_end_matches(".example").split('-').map(|one| one.replace('x', ":"));
        let found = answers.map(|one| one.parse().map_err(|_| io::Error::other("no such name"))).collect();
        Box::pin(std::future::ready(found))
    }

    #[tokio::test]
    async fn h17_a_name_that_leads_inside_is_refused_by_the_resolver() {
        let guard = guard(as_named, &[]);
        for inside in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "224.0.0.1",
            "239.255.255.250",
            "255.255.255.255",
            "198.18.0.1",
            "203.0.113.9",
            "xx1",
            "xx",
            "fe80xx1",
            "fd00xec2xx254",
            "fc00xx1",
            "ff02xx1",
            "xxffffx127.0.0.1",
            "xxffffx8.8.8.8",
            "xx7f00x1",
            "64xff9bxx10.0.0.1",
            "64xff9bxx169.254.169.254",
            "64xff9bx1xx8.8.8.8",
            "2002xa00x1xx1",
            "2001x0xx1",
            "2001xdb8xx1",
            "3fffxx1",
            "fec0xx1",
            "100xx1",
        ] {
            assert_eq!(ask(&guard, inside).await, Err(true), "{inside}");
        }
        for outside in ["8.8.8.8", "100.128.0.1", "172.32.0.1", "192.169.0.1", "2606x4700xx1111", "64xff9bxx8.8.8.8"] {
            assert_eq!(ask(&guard, outside).await.map(|found| found.len()), Ok(1), "{outside}");
        }
        assert_eq!(ask(&guard, "nobody").await, Err(false), "an unknown name is another fault");
        assert_eq!(ask(&guard, "8.8.8.8-10.0.0.1").await, Ok(vec!["8.8.8.8".into()]), "only what is outside is left");
    }

    #[tokio::test]
    async fn h17_what_is_looked_up_is_what_is_connected_to() {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        // Public for whoever checks first, this cloud's metadata for whoever connects after.
        let guard = guard(
            |_| {
                let first = ASKED.fetch_add(1, Ordering::SeqCst) == 0;
                let ip = if first { [8, 8, 8, 8] } else { [169, 254, 169, 254] };
                Box::pin(std::future::ready(Ok(vec![ip.into()])))
            },
            &[],
        );
        assert_eq!(ask(&guard, "api.example").await, Ok(vec!["8.8.8.8".into()]), "this answer is the one used");
        assert_eq!(ask(&guard, "api.example").await, Err(true), "and every other is checked like it");
    }

    #[tokio::test]
    async fn h17_only_localhost_and_the_operators_networks_are_exceptions() {
        let home = guard(|_| Box::pin(std::future::ready(Ok(vec![[127, 0, 0, 1].into(), [8, 8, 8, 8].into()]))), &[]);
        assert_eq!(ask(&home, "localhost").await, Ok(vec!["127.0.0.1".into()]));
        assert_eq!(ask(&home, "localhost.example").await, Ok(vec!["8.8.8.8".into()]));
        let office = guard(as_named, &["10.20.0.0/16"]);
        assert_eq!(ask(&office, "10.20.3.4").await, Ok(vec!["10.20.3.4".into()]));
        assert_eq!(ask(&office, "10.21.3.4").await, Err(true));
        let admits = |text: &str| office.reach.admits_host(&url::Url::parse(text).unwrap().host().unwrap());
        for good in
            ["https://10.20.0.1", "http://127.0.0.1:8080", "http://[::1]", "https://8.8.8.8", "https://api.example"]
        {
            assert!(admits(good), "{good}");
        }
        for bad in
            ["https://10.0.0.1", "https://[::ffff:10.0.0.1]", "https://0xa9fea9fe", "https://2852039166", "https://0"]
        {
            assert!(!admits(bad), "{bad}");
        }
    }
}
