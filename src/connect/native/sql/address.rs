//! Where a database is, read from a setting that holds a password; and what may be said of it, which is nothing.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use crate::connect::PullError;
use crate::connect::http::evidence;
use crate::domain::connector::{SettingValue, Settings};
use crate::domain::postgres::PostgresAddress;

/// What a connection is called in the database's own lists.
const CALLED: &str = "willitsell";

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
        if Url::parse(text).is_ok_and(|url| !["postgres", "postgresql"].contains(&url.scheme())) {
            return Err(wrong("must begin with postgres:// or sqlite:"));
        }
        let said = PostgresAddress::parse(text, |name| std::env::var_os(name).is_some()).map_err(wrong)?;
        let secrets = vec![address.clone(), said.password_as_written.clone(), said.password.clone()];
        Ok(Self { place: Place::Postgres(Box::new(options(&said).map_err(wrong)?)), secrets })
    }

    /// What somebody else said, as it may be shown: one short line without the address or its password.
    pub(super) fn clean(&self, text: &str) -> String {
        evidence(text.as_bytes(), &self.secrets)
    }
}

/// What the address says and nothing else.
fn options(said: &PostgresAddress) -> Result<PgConnectOptions, &'static str> {
    let mut options = PgConnectOptions::new_without_pgpass()
        .application_name(CALLED)
        .username(&said.user)
        .password(said.password.expose_secret())
        .database(&said.database)
        .port(said.port)
        // A pooler between gives every transaction another connection, where nothing that was prepared is known.
        .statement_cache_capacity(0)
        .disable_statement_logging();
    for (parameter, file) in &said.files {
        options = match *parameter {
            "sslrootcert" => options.ssl_root_cert(file),
            "sslcert" => options.ssl_client_cert(file),
            _ => options.ssl_client_key(file),
        };
    }
    options = if said.host.starts_with('/') { options.socket(&said.host) } else { options.host(&said.host) };
    let mode: PgSslMode = said.mode().parse().map_err(|_| "has an sslmode that is none")?;
    Ok(options.ssl_mode(mode))
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
