//! Where a database is, read from a setting that holds a password; and what may be said of it, which is nothing.

use std::net::IpAddr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::{Host, Url};

use crate::connect::PullError;
use crate::connect::http::evidence;
use crate::domain::connector::{SettingValue, Settings};

/// What a connection is called in the database's own lists.
const CALLED: &str = "willitsell";

/// What the environment would add to a connection, and the parameter of an address that takes its place.
const ADDED: [(&str, Option<&str>); 4] = [
    ("PGSSLROOTCERT", Some("sslrootcert")),
    ("PGSSLCERT", Some("sslcert")),
    ("PGSSLKEY", Some("sslkey")),
    ("PGOPTIONS", None),
];

/// A database.
pub(super) struct Address {
    pub place: Place,
    /// All that no message may hold.
    secrets: Vec<SecretString>,
}

pub(super) enum Place {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl Address {
    pub(super) fn of(settings: &Settings) -> Result<Self, PullError> {
        let wrong = |what: &str| PullError::Database(format!("setting `address` {what}"));
        let Some(SettingValue::Secret(address)) = settings.get("address") else {
            return Err(wrong("is missing"));
        };
        let text = address.expose_secret();
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.starts_with('/') || path.contains('?') {
                return Err(wrong(
                    "must name the whole path of the file and nothing else: sqlite:/var/lib/shop/shop.db",
                ));
            }
            return Ok(Self { place: Place::Sqlite(PathBuf::from(path)), secrets: vec![address.clone(), path.into()] });
        }
        // The parser's own message may hold a part of the address.
        let url = Url::parse(text).map_err(|_| {
            wrong("is no address: write postgres://USER:PASSWORD@HOST/DATABASE, with signs in the password as %2F")
        })?;
        if !["postgres", "postgresql"].contains(&url.scheme()) {
            return Err(wrong("must begin with postgres:// or sqlite:"));
        }
        let password =
            url.password().map(|raw| (raw.to_owned(), percent_decode_str(raw).decode_utf8_lossy().into_owned()));
        let mut secrets = vec![address.clone()];
        for secret in password.into_iter().flat_map(|(raw, plain)| [raw, plain]) {
            secrets.push(secret.into());
        }
        let options = options(&url).map_err(wrong)?;
        Ok(Self { place: Place::Postgres(Box::new(options)), secrets })
    }

    /// What somebody else said, as it may be shown: one short line without the address or its password.
    pub(super) fn clean(&self, text: &str) -> String {
        evidence(text.as_bytes(), &self.secrets)
    }
}

/// What the address says and nothing else: what it leaves open would be taken from the environment, where it was meant for
/// another server.
fn options(url: &Url) -> Result<PgConnectOptions, &'static str> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned);
    let odd = |_| "holds signs that are no text";
    let (user, database) =
        (decoded(url.username()).map_err(odd)?, decoded(url.path().trim_start_matches('/')).map_err(odd)?);
    if user.is_empty() || database.is_empty() {
        return Err("must name a user and a database: postgres://USER:PASSWORD@HOST/DATABASE");
    }
    let is_said = |parameter: &str| url.query_pairs().any(|(key, _)| key == parameter);
    let is_added =
        |(name, said): &(&str, Option<&str>)| std::env::var_os(name).is_some() && !said.is_some_and(&is_said);
    if ADDED.iter().any(is_added) {
        return Err(
            "would not be all that is said to the database: unset PGSSLROOTCERT, PGSSLCERT, PGSSLKEY and PGOPTIONS in the \
             environment of this program, or write ?sslrootcert=/path, &sslcert=/path and &sslkey=/path into it",
        );
    }
    let password = url.password().map(decoded).transpose().map_err(odd)?.unwrap_or_default();
    let mut options = PgConnectOptions::new_without_pgpass()
        .application_name(CALLED)
        .username(&user)
        .password(&password)
        .database(&database)
        .port(url.port().unwrap_or(5432))
        // A pooler between gives every transaction another connection, where nothing that was prepared is known.
        .statement_cache_capacity(0)
        .disable_statement_logging();
    let mut mode = None;
    for (key, value) in url.query_pairs() {
        match &*key {
            "sslmode" => {
                mode = Some(value.parse().map_err(|_| "has an sslmode that is none: verify-full, require, disable")?);
            }
            "sslrootcert" => options = options.ssl_root_cert(&*value),
            "sslcert" => options = options.ssl_client_cert(&*value),
            "sslkey" => options = options.ssl_client_key(&*value),
            _ => return Err("has a parameter that is not known: sslmode, sslrootcert, sslcert and sslkey are"),
        }
    }
    let host = decoded(url.host_str().unwrap_or_default()).map_err(odd)?;
    let is_here = host.starts_with('/') || is_this_machine(url);
    // The folder of a socket, its slashes written as %2F.
    options = if host.starts_with('/') { options.socket(&host) } else { options.host(host.trim_matches(['[', ']'])) };
    // Whoever stands between could ask for the password as it is.
    Ok(options.ssl_mode(mode.unwrap_or(if is_here { PgSslMode::Prefer } else { PgSslMode::VerifyFull })))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Result<Address, PullError> {
        let mut settings = Settings::default();
        settings.insert("address", SettingValue::Secret(text.into()));
        Address::of(&settings)
    }

    fn mode(text: &str) -> String {
        match address(text).unwrap().place {
            Place::Postgres(options) => format!("{:?}", options.get_ssl_mode()),
            Place::Sqlite(_) => "sqlite".to_owned(),
        }
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_unless_the_address_says_otherwise() {
        for here in [
            "postgres://u:p@localhost/d",
            "postgres://u:p@127.0.0.1:5433/d",
            "postgres://u:p@[::1]/d",
            "postgresql://u@%2Frun%2Fpostgresql/d",
        ] {
            assert_eq!(mode(here), "Prefer", "{here}");
        }
        assert_eq!(mode("postgres://u:p@db.internal/d"), "VerifyFull");
        assert_eq!(mode("postgres://u:p@10.0.0.7/d"), "VerifyFull");
        assert_eq!(mode("postgres://u:p@10.0.0.7/d?sslmode=disable"), "Disable");
    }

    #[test]
    fn an_address_that_cannot_be_read_is_not_shown() {
        for text in [
            "postgres://u:canary@/d",
            "postgres://u:canary@host",
            "postgres://:canary@host/d",
            "postgres://u:ca nary@ho st/d",
            "postgres://u:p@host/d?pasword=canary",
            "postgres://u:p@host/d?sslmode=canary",
            "postgres://u:p@host:canary/d",
            "mysql://u:canary@host/d",
            "sqlite:canary.db",
            "sqlite:/x.db?canary",
        ] {
            let error = address(text).err().unwrap_or_else(|| panic!("{text} was taken")).to_string();
            assert!(error.contains("address") && !error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn neither_the_address_nor_its_password_is_in_what_is_shown() {
        let address = address("postgres://u:s%2Fcret@host/d").unwrap();
        let shown = address.clean("s/cret s%2Fcret s%2fcret postgres://u:s%2Fcret@host/d");
        assert_eq!(shown, "[hidden] [hidden] [hidden] [hidden]");
    }
}
