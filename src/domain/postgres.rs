//! The address of a PostgreSQL, read from a text that holds a password: a team's own database, or the one this program keeps
//! its store in. Not how it is connected to.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::{Host, Url};

/// What the environment would add to a connection, and the parameter of an address that takes its place.
const ADDED: [(&str, Option<&str>); 4] = [
    ("PGSSLROOTCERT", Some("sslrootcert")),
    ("PGSSLCERT", Some("sslcert")),
    ("PGSSLKEY", Some("sslkey")),
    ("PGOPTIONS", None),
];

/// Where a PostgreSQL is, and as whom to ask it.
#[derive(Clone, Debug)]
pub struct PostgresAddress {
    /// A name, an address without brackets, or the folder of a socket, which begins with a slash.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// Who asks.
    pub user: String,
    /// By what they are known; empty for none.
    pub password: SecretString,
    /// The password as it stands in the address.
    pub password_as_written: SecretString,
    /// Which database.
    pub database: String,
    /// How the connection is encrypted, where the address says so.
    pub encryption: Option<String>,
    /// Files of certificates and keys, by parameter.
    pub files: Vec<(&'static str, String)>,
    is_here: bool,
}

impl PostgresAddress {
    /// Whether a text is meant as one.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("postgres:") || text.starts_with("postgresql:")
    }

    /// Reads one. `is_set` tells which variables the environment has: what an address leaves open would be taken from
    /// them, where it was meant for another server.
    ///
    /// # Errors
    /// What is wrong with it, without a part of it.
    pub fn parse(text: &str, is_set: impl Fn(&str) -> bool) -> Result<Self, &'static str> {
        // The parser's own message may hold a part of the address.
        let url = Url::parse(text).map_err(
            |_| "is no address: write postgres://USER:PASSWORD@HOST/DATABASE, with signs in the password as %2F",
        )?;
        let decoded = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned);
            decoded.map_err(|_| "holds signs that are no text")
        };
        let (user, database) = (decoded(url.username())?, decoded(url.path().trim_start_matches('/'))?);
        if user.is_empty() || database.is_empty() {
            return Err("must name a user and a database: postgres://USER:PASSWORD@HOST/DATABASE");
        }
        let is_said = |parameter: &str| url.query_pairs().any(|(key, _)| key == parameter);
        if ADDED.iter().any(|(name, said)| is_set(name) && !said.is_some_and(is_said)) {
            return Err("would not be all that is said to the database: unset PGSSLROOTCERT, PGSSLCERT, PGSSLKEY and \
                 PGOPTIONS in the environment of this program, or write ?sslrootcert=/path, &sslcert=/path and \
                 &sslkey=/path into it");
        }
        let (mut encryption, mut files) = (None, Vec::new());
        for (key, value) in url.query_pairs() {
            match &*key {
                "sslmode" if is_mode(&value) => encryption = Some(value.into_owned()),
                "sslmode" => return Err("has an sslmode that is none: verify-full, require, disable"),
                "sslrootcert" => files.push(("sslrootcert", value.into_owned())),
                "sslcert" => files.push(("sslcert", value.into_owned())),
                "sslkey" => files.push(("sslkey", value.into_owned())),
                _ => return Err("has a parameter that is not known: sslmode, sslrootcert, sslcert and sslkey are"),
            }
        }
        let host = decoded(url.host_str().unwrap_or_default())?.trim_matches(['[', ']']).to_owned();
        let is_here = host.starts_with('/') || is_this_machine(&url);
        Ok(Self {
            is_here,
            host,
            port: url.port().unwrap_or(5432),
            user,
            password: url.password().map(decoded).transpose()?.unwrap_or_default().into(),
            password_as_written: url.password().unwrap_or_default().into(),
            database,
            encryption,
            files,
        })
    }

    /// How the connection is encrypted: what leaves this machine is, to a server whose certificate is known, unless the
    /// address says otherwise. Whoever stands between could ask for the password as it is.
    pub fn mode(&self) -> &str {
        self.encryption.as_deref().unwrap_or(if self.is_here { "prefer" } else { "verify-full" })
    }
}

fn is_mode(text: &str) -> bool {
    ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"].contains(&text)
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        // Of a scheme that is not the web's, a host is a name even where it is digits.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
