//! Which addresses may be called at all: https, or http to this machine for rehearsal. Not which
//! hosts a connector names: that list comes with each call.

use thiserror::Error;
use url::{Host, Url};

/// Why an address is refused. Never shows the address, which may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Not an absolute address with a host.
    #[error("this is not a complete address; write it as https://host/path")]
    Malformed,
    /// `http`, `ftp`, `file` and so on.
    #[error("only https addresses are called (http is allowed to this machine alone, for rehearsal)")]
    NotHttps,
    /// `https://name:password@host`.
    #[error("an address must not hold a user name or password; put the secret in its own setting")]
    HoldsCredentials,
}

/// Reads an address of a setting or a manifest: https, or http to loopback (`127.0.0.1`, `::1`,
/// `localhost`), without user name and password.
///
/// # Errors
/// Says which of these it is not.
pub fn address(text: &str) -> Result<Url, AddressError> {
    let url = Url::parse(text).map_err(|_| AddressError::Malformed)?;
    check(&url)?;
    Ok(url)
}

/// As [`address`], for an address already taken apart.
///
/// # Errors
/// Says which rule it breaks.
pub fn check(url: &Url) -> Result<(), AddressError> {
    if !url.has_host() {
        return Err(AddressError::Malformed);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::HoldsCredentials);
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        _ => Err(AddressError::NotHttps),
    }
}

/// `host:port` with the scheme's own port filled in: the form of an entry of `Call::hosts`.
pub fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressError, address, host_and_port};

    #[test]
    fn https_anywhere_http_only_at_home() {
        for good in [
            "https://api.typeform.com",
            "https://googleads.googleapis.com:8443/v26",
            "http://127.0.0.1:8080",
            "http://[::1]:8080/x",
            "http://localhost:9",
            "HTTPS://API.example",
        ] {
            assert!(address(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://api.typeform.com", AddressError::NotHttps),
            ("http://10.0.0.1", AddressError::NotHttps),
            ("http://localhost.evil.example", AddressError::NotHttps),
            ("http://[::ffff:127.0.0.1]", AddressError::NotHttps),
            ("ftp://127.0.0.1", AddressError::NotHttps),
            ("file:///etc/passwd", AddressError::Malformed),
            ("data:text/plain,x", AddressError::Malformed),
            ("api.typeform.com", AddressError::Malformed),
            ("", AddressError::Malformed),
            ("https://", AddressError::Malformed),
            ("https://me:secret@api.example", AddressError::HoldsCredentials),
            ("https://me@api.example", AddressError::HoldsCredentials),
        ] {
            assert_eq!(address(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn a_host_is_named_with_its_port() {
        let named = |text| host_and_port(&address(text).unwrap());
        assert_eq!(named("https://API.example/x?y"), "api.example:443");
        assert_eq!(named("https://api.example:8443"), "api.example:8443");
        assert_eq!(named("http://[::1]"), "[::1]:80");
    }
}
