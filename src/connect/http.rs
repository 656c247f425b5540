//! The one HTTP client: time limits, a listed host or nothing, a cap on what is read, redirects that
//! never carry a credential away, errors that name a host and nothing more. Not what an answer means
//! and not whether to try again: that is the caller's.

mod address;
mod body;
mod evidence;
mod resolve;
mod wait;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
pub use reqwest::Method;
use reqwest::StatusCode;
pub use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use thiserror::Error;
pub use url::Url;

pub use address::{AddressError, address, host_and_port};
pub use evidence::evidence;
use resolve::Guard;
pub use resolve::Reach;
pub use wait::{Backoff, Pace, WaitUnit, retry_after, wait_hint};

/// Most redirects followed for one call.
const MOST_REDIRECTS: u32 = 5;

/// How much later than ours the library's own limit on a whole call comes.
const LATER: Duration = Duration::from_secs(5);

/// What no call may exceed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until a connection stands, encryption included.
    pub connect: Duration,
    /// Without a byte, before the first and between any two.
    pub silence: Duration,
    /// For the whole call, redirects included. Waiting for one's turn is not counted.
    pub whole: Duration,
    /// Bytes of one answer's body, counted after inflation.
    pub page_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(30),
            whole: Duration::from_mins(2),
            page_bytes: 64 * 1024 * 1024,
        }
    }
}

/// Why a call brought no answer. Names the host; never a path, a query, a header or a token.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HttpError {
    /// The client could not be built: a fault of this machine.
    #[error("encrypted connections cannot be made from this machine ({why}); install its CA certificates")]
    Setup {
        /// What failed.
        why: String,
    },
    /// The address may not be called by anybody. Nothing was sent.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The address is not on the caller's list of hosts. Nothing was sent.
    #[error("{host} was not called, because it is not one of this connector's hosts")]
    ForeignHost {
        /// The host asked for.
        host: String,
    },
    /// The address leads to this machine or a private network. Nothing was sent.
    #[error("{host} was not called: {}", resolve::Inside)]
    Inside {
        /// The host asked for.
        host: String,
    },
    /// The answer sends the caller somewhere it will not go.
    #[error("{host} redirects to {to}, which is not followed; check the address in the settings")]
    Redirect {
        /// Who answered.
        host: String,
        /// The host it names, or what is wrong with the redirect.
        to: String,
    },
    /// No connection.
    #[error("{host} could not be reached: {why}")]
    Connect {
        /// Who was called.
        host: String,
        /// What the network said.
        why: String,
    },
    /// A time limit ended the call.
    #[error("{host} was too slow: {what}")]
    Timeout {
        /// Who was called.
        host: String,
        /// Which limit.
        what: String,
    },
    /// The answer broke off or does not inflate: nothing of it is used.
    #[error("the answer of {host} broke off before its end, so nothing of it was used")]
    Torn {
        /// Who answered.
        host: String,
    },
    /// The body is longer than a page may be.
    #[error("the answer of {host} is larger than {limit} bytes, the most read at once; ask for fewer days")]
    TooLarge {
        /// Who answered.
        host: String,
        /// The limit, in bytes after inflation.
        limit: usize,
    },
    /// Compressed in a way that was not asked for, or more than once.
    #[error("the answer of {host} is packed as `{saw}`; only plain and once-gzipped answers are read")]
    Encoding {
        /// Who answered.
        host: String,
        /// Its `Content-Encoding`, shortened.
        saw: String,
    },
}

impl HttpError {
    /// The same call may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Timeout { .. } | Self::Torn { .. })
    }
}

/// One call.
pub struct Call<'a> {
    /// `GET`, `POST`. Only a `GET` may be redirected.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Sent as they are; those that hold a secret marked sensitive.
    pub headers: HeaderMap,
    /// Sent as it is.
    pub body: Option<Vec<u8>>,
    /// Hosts that may be called, as [`host_and_port`] writes them.
    pub hosts: &'a [String],
    /// Whose turn to wait for; `None` calls at once.
    pub pace: Option<Pace<'a>>,
    /// Never shown in an error.
    pub secrets: &'a [SecretString],
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("host", &host_and_port(&self.url))
            .finish_non_exhaustive()
    }
}

/// A whole answer, whatever its status.
pub struct Answer {
    /// As sent.
    pub status: u16,
    /// As sent; those that describe the packing no longer fit the body.
    pub headers: HeaderMap,
    /// Complete and inflated.
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// The client every connector shares. Clones share connections and turns.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
    limits: Limits,
    reach: Reach,
    turns: wait::Turns,
}

impl Http {
    /// A client with these limits, for the public network and this machine.
    ///
    /// # Errors
    /// [`HttpError::Setup`] where this machine has no CA certificates.
    pub fn new(limits: Limits) -> Result<Self, HttpError> {
        Self::within(limits, &Reach::default())
    }

    /// A client with these limits, for these networks.
    ///
    /// # Errors
    /// As [`Http::new`].
    pub fn within(limits: Limits, reach: &Reach) -> Result<Self, HttpError> {
        // Without a provider installed first, building a client panics. An error means that one is installed already, which is
        // all that is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("willitsell/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            .read_timeout(limits.silence)
            // Our own limit on the whole counts redirects too, knows its name, and comes first: this one is for whoever asks
            // for the client itself.
            .timeout(limits.whole + LATER)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(Guard::new(reach.clone())))
            .build()
            .map_err(|error| HttpError::Setup { why: root_cause(&error) })?;
        Ok(Self { client, limits, reach: reach.clone(), turns: wait::Turns::default() })
    }

    /// What is beneath, for callers outside `connect`: with the limits on time, without redirects and without a proxy from the
    /// environment, and nothing else of what a call of ours holds.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Makes one call, after waiting for its turn, and returns the whole answer whatever its status.
    ///
    /// # Errors
    /// See [`HttpError`]; [`HttpError::is_temporary`] tells which are worth another try.
    pub async fn call(&self, call: &Call<'_>) -> Result<Answer, HttpError> {
        admit(&call.url, call.hosts, &self.reach)?;
        let _place = match call.pace {
            Some(pace) => self.turns.wait(pace).await,
            None => None,
        };
        tokio::time::timeout(self.limits.whole, self.follow(call)).await.unwrap_or_else(|_| {
            Err(HttpError::Timeout { host: shown_host(&call.url), what: unfinished(self.limits.whole) })
        })
    }

    async fn follow(&self, call: &Call<'_>) -> Result<Answer, HttpError> {
        let mut url = call.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send(call, &url).await?;
            if !is_redirect(response.status()) {
                return self.read(call, &url, response).await;
            }
            url = redirected(call, &self.reach, &url, response.headers().get(header::LOCATION))?;
        }
        Err(HttpError::Redirect { host: shown_host(&url), to: "itself, again and again".to_owned() })
    }

    async fn send(&self, call: &Call<'_>, url: &Url) -> Result<reqwest::Response, HttpError> {
        let mut request = self
            .client
            .request(call.method.clone(), url.clone())
            .header(header::ACCEPT_ENCODING, "gzip")
            .headers(call.headers.clone());
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        request.send().await.map_err(|error| self.transport(call, url, &error))
    }

    async fn read(&self, call: &Call<'_>, url: &Url, response: reqwest::Response) -> Result<Answer, HttpError> {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let limit = self.limits.page_bytes;
        let host = || shown_host(url);
        let body = body::collect(response, limit).await.map_err(|error| match error {
            body::BodyError::TooLarge => HttpError::TooLarge { host: host(), limit },
            body::BodyError::Encoding(saw) => {
                HttpError::Encoding { host: host(), saw: evidence(saw.as_bytes(), call.secrets) }
            }
            body::BodyError::Damaged => HttpError::Torn { host: host() },
            body::BodyError::Transport(error) => self.transport(call, url, &error),
        })?;
        Ok(Answer { status, headers, body })
    }

    /// The choke point for what the HTTP library says: its errors hold the address, so none of
    /// them is passed on.
    fn transport(&self, call: &Call<'_>, url: &Url, error: &reqwest::Error) -> HttpError {
        let host = shown_host(url);
        let limits = &self.limits;
        if error.is_timeout() {
            let what = if error.is_connect() {
                format!("no connection within {}", seconds(limits.connect))
            } else {
                format!("silent for {}", seconds(limits.silence))
            };
            HttpError::Timeout { host, what }
        } else if resolve::is_inside(error) {
            HttpError::Inside { host }
        } else if error.is_dns() {
            HttpError::Connect { host, why: "its name is not known here; is this machine online?".to_owned() }
        } else if error.is_connect() {
            HttpError::Connect { host, why: evidence(root_cause(error).as_bytes(), call.secrets) }
        } else {
            HttpError::Torn { host }
        }
    }
}

/// The host must be on the list and the address callable, before a byte is sent.
fn admit(url: &Url, hosts: &[String], reach: &Reach) -> Result<(), HttpError> {
    address::check(url)?;
    if url.host().is_some_and(|host| !reach.admits_host(&host)) {
        return Err(HttpError::Inside { host: shown_host(url) });
    }
    if hosts.contains(&host_and_port(url)) { Ok(()) } else { Err(HttpError::ForeignHost { host: shown_host(url) }) }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads, if it may be followed: a `GET`, to the host and scheme just asked.
/// Anything else would carry the credentials in headers or body where they were not meant to go.
fn redirected(call: &Call<'_>, reach: &Reach, from: &Url, location: Option<&HeaderValue>) -> Result<Url, HttpError> {
    let refused = |to: String| HttpError::Redirect { host: shown_host(from), to };
    let target = location
        .and_then(|location| location.to_str().ok())
        .and_then(|location| from.join(location).ok())
        .ok_or_else(|| refused("no readable address".to_owned()))?;
    if target.origin() != from.origin() {
        return Err(refused(shown_host(&target)));
    }
    admit(&target, call.hosts, reach)?;
    if call.method != Method::GET {
        return Err(refused("another page of its own".to_owned()));
    }
    Ok(target)
}

fn shown_host(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => "an address without a host".to_owned(),
    }
}

fn unfinished(limit: Duration) -> String {
    format!("not finished after {}", seconds(limit))
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}

/// The innermost cause: what the system or the encryption said, without the layers around it.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::{Call, HeaderMap, HeaderValue, HttpError, Method, Reach, Url, redirected};

    #[test]
    fn h16_no_redirect_leaves_encryption_or_the_host() {
        let from = Url::parse("https://api.example/v1/rows?token=t").unwrap();
        let hosts = ["api.example:443", "api.example:80", "other.example:443"].map(str::to_owned);
        let call = |method| Call {
            method,
            url: from.clone(),
            headers: HeaderMap::new(),
            body: None,
            hosts: &hosts,
            pace: None,
            secrets: &[],
        };
        let get = |to: &str| {
            redirected(&call(Method::GET), &Reach::default(), &from, Some(&HeaderValue::from_str(to).unwrap()))
        };
        for (to, target) in [
            ("/v2", "https://api.example/v2"),
            ("rows/", "https://api.example/v1/rows/"),
            ("https://API.example:443/v2", "https://api.example/v2"),
        ] {
            assert_eq!(get(to).unwrap().as_str(), target);
        }
        for to in [
            "http://api.example/v1/rows",
            "https://other.example/v1",
            "//other.example/v1",
            "https://api.example:8443/",
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            "https://",
        ] {
            assert!(matches!(get(to), Err(HttpError::Redirect { .. })), "{to}");
        }
        assert!(matches!(get("https://me:pw@api.example/"), Err(HttpError::Address(_))));
        assert!(matches!(
            redirected(&call(Method::GET), &Reach::default(), &from, None),
            Err(HttpError::Redirect { .. })
        ));
        let post = redirected(&call(Method::POST), &Reach::default(), &from, Some(&HeaderValue::from_static("/v2")));
        assert!(matches!(post, Err(HttpError::Redirect { .. })));
    }
}
