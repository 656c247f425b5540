//! What is kept of each login, sealed: tokens, and what became of them. One renewal of a login at a time, in
//! this process and between processes. Not how a token is renewed: see `connect::auth`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use tokio::sync::OwnedMutexGuard;

use super::Store;
use super::backend::Backend;
use super::error::StoreError;
use super::files;
use super::lease::Lease;
use super::seal::Keys;
use super::transaction::Connection;
use crate::domain::connector::{Kept, Refusal, Token, TokenLock, TokenVault, VaultError};
use crate::domain::id::LoginId;

/// How often a lock that another process holds is asked for.
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// How often a server that is away is handed a new token.
const SAVE_AGAIN: Duration = Duration::from_secs(1);
/// Longest wait for it: two token calls and a busy disk.
const LONGEST_WAIT: Duration = Duration::from_mins(4);

/// The logins of one store.
pub struct Tokens {
    vault: Arc<Vault>,
    turns: Turns,
}

/// Who renews which login in this process, whatever configuration it works with.
pub(super) type Turns = Arc<Mutex<HashMap<LoginId, Arc<tokio::sync::Mutex<()>>>>>;

struct Vault {
    backend: Backend,
    keys: Keys,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("path", &self.vault.backend.path()).finish_non_exhaustive()
    }
}

/// The right to renew one login.
struct Renewal {
    login: LoginId,
    vault: Arc<Vault>,
    _here: OwnedMutexGuard<()>,
    everywhere: Everywhere,
}

/// What keeps other processes out.
enum Everywhere {
    /// A lock of the operating system, and no row in the database: it ends with the process that holds it, however that dies,
    /// and needs no clock to know. It serves one machine, as SQLite does.
    Machine { _locked: File },
    /// Of processes on several machines. Whoever was silent for too long has lost it, and what it then got cannot be saved.
    Server(Lease),
}

impl Store {
    /// The logins, sealed with the key beside the store, or with the one given; on a server else with one that is made of
    /// the store's own.
    pub fn tokens(&self, key: Option<SecretString>) -> Tokens {
        let keys = match (&self.backend, &self.key_of_tokens) {
            (Backend::File(file), _) => Keys::of(file.path(), key),
            (Backend::Server(_), made) => Keys::apart(key.as_ref(), made),
        };
        let vault = Arc::new(Vault { backend: self.backend.clone(), keys });
        Tokens { vault, turns: Arc::clone(&self.renewals) }
    }
}

impl Tokens {
    /// Seals every login anew, in one transaction, and gives back how many there were. Where the keys are our
    /// own, with a new key, after which the old one is forgotten; where the user keeps them, with the first of
    /// them. One that no key opens stays as it is.
    ///
    /// # Errors
    /// [`StoreError`]; every login then opens as before.
    pub async fn rotate_key(&self) -> Result<u64, StoreError> {
        let vault = &self.vault;
        // Two at once could forget each other's keys.
        let _alone =
            vault.lock("token-key", "the key").await.map_err(|error| StoreError::TokenKey(error.to_string()))?;
        let mut write = vault.backend.write().await?;
        // Inside the transaction: whoever seals reads the key in one of his own, so before it or after it.
        vault.keys.add()?;
        let rows = sqlx::query("SELECT login_id, revision, sealed FROM login ORDER BY login_id")
            .fetch_all(&mut *write)
            .await?;
        let mut resealed = 0;
        for row in rows {
            let login = LoginId::new(row.try_get::<&str, _>("login_id")?);
            let revision: i64 = row.try_get("revision")?;
            if let Some(text) = vault.keys.open(row.try_get("sealed")?, &bound(&login, revision))? {
                put(&mut write, &login, revision + 1, &vault.keys.seal(&text, &bound(&login, revision + 1))?).await?;
                resealed += 1;
            }
        }
        write.commit().await?;
        vault.keys.drop_old()?;
        Ok(resealed)
    }

    /// Whether the user keeps the keys.
    pub fn key_is_given(&self) -> bool {
        self.vault.keys.are_given()
    }
}

#[async_trait]
impl TokenVault for Tokens {
    async fn load(&self, login: &LoginId) -> Result<Kept, VaultError> {
        self.vault.load(login).await
    }

    async fn lock(&self, login: &LoginId) -> Result<Box<dyn TokenLock>, VaultError> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(login.clone()).or_default())
        };
        let here = turn.lock_owned().await;
        let everywhere = self.vault.lock(&format!("login-{login}"), &format!("[login.{login}]")).await?;
        Ok(Box::new(Renewal { login: login.clone(), vault: Arc::clone(&self.vault), _here: here, everywhere }))
    }
}

#[async_trait]
impl TokenLock for Renewal {
    async fn must_last(&mut self) -> Result<(), VaultError> {
        match &self.everywhere {
            Everywhere::Machine { .. } => Ok(()),
            Everywhere::Server(lease) => lease.must_last().await.map_err(|error| failed(&error)),
        }
    }

    async fn nearly_lost(&mut self) {
        match &self.everywhere {
            Everywhere::Machine { .. } => std::future::pending().await,
            Everywhere::Server(lease) => lease.nearly_lost().await,
        }
    }

    async fn save(&mut self, kept: &Kept) -> Result<(), VaultError> {
        loop {
            let error = match self.vault.save(&self.login, kept, &self.everywhere).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            // What the vendor gave stands nowhere else, and what it took the place of may be good for nothing: whoever
            // renews the login next must find it.
            match &self.everywhere {
                Everywhere::Server(lease) if error.may_pass() => tokio::select! {
                    () = lease.lost() => return Err(failed(&error)),
                    () = tokio::time::sleep(SAVE_AGAIN) => {}
                },
                _ => return Err(failed(&error)),
            }
        }
    }
}

fn failed(error: &StoreError) -> VaultError {
    VaultError::Failed(error.to_string())
}

impl Vault {
    async fn load(&self, login: &LoginId) -> Result<Kept, VaultError> {
        let row = self.row(login).await.map_err(|error| failed(&error))?;
        let Some((revision, sealed)) = row else { return Ok(Kept::default()) };
        let opened = match self.keys.open(&sealed, &bound(login, revision)) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Err(VaultError::Sealed(self.cannot_open())),
            Err(error @ StoreError::TokenKey(_)) => return Err(VaultError::Sealed(error.to_string())),
            Err(error) => return Err(failed(&error)),
        };
        read(&opened).ok_or_else(|| VaultError::Sealed("what is kept of it cannot be read".to_owned()))
    }

    async fn row(&self, login: &LoginId) -> Result<Option<(i64, String)>, StoreError> {
        let mut read = self.backend.read().await?;
        let row = sqlx::query("SELECT revision, sealed FROM login WHERE login_id = $1")
            .bind(login.as_str())
            .fetch_optional(&mut *read)
            .await?;
        row.map(|row| Ok((row.try_get("revision")?, row.try_get("sealed")?))).transpose()
    }

    fn cannot_open(&self) -> String {
        match &self.keys {
            Keys::Beside(path) => {
                format!("the key its tokens were sealed with is not in {} (lost, or of another store)", path.display())
            }
            Keys::Given(_) => "neither [store] token_key nor key is the key its tokens were sealed with".to_owned(),
        }
    }

    async fn save(&self, login: &LoginId, kept: &Kept, held: &Everywhere) -> Result<(), StoreError> {
        let text = write(kept)?;
        let mut write = self.backend.write().await?;
        if let Everywhere::Server(lease) = held {
            lease.must_hold(&mut write).await?;
        }
        let revision: Option<i64> = sqlx::query_scalar("SELECT revision FROM login WHERE login_id = $1")
            .bind(login.as_str())
            .fetch_optional(&mut *write)
            .await?;
        let revision = revision.unwrap_or(0) + 1;
        // Inside the transaction: see `rotate_key`.
        let sealed = self.keys.seal(&text, &bound(login, revision))?;
        put(&mut write, login, revision, &sealed).await?;
        write.commit().await
    }

    async fn lock(&self, name: &str, what: &str) -> Result<Everywhere, VaultError> {
        let too_long = || VaultError::Failed(format!("another willitsell has been renewing {what} for minutes"));
        let database = match &self.backend {
            Backend::File(file) => file.path(),
            Backend::Server(server) => {
                return server.lease(name, LONGEST_WAIT).await.map(Everywhere::Server).map_err(|error| match error {
                    StoreError::Claimed { .. } => too_long(),
                    error => VaultError::Failed(error.to_string()),
                });
            }
        };
        let path = files::beside(database, &format!(".{name}.lock"));
        let failed = |error: std::io::Error| VaultError::Failed(format!("{} cannot be used: {error}", path.display()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        // Asked for again and again: a thread that waits could not be stopped.
        let waited = async {
            loop {
                match file.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(ASK_AGAIN).await,
                    Err(TryLockError::Error(error)) => return Err(failed(error)),
                }
            }
        };
        match tokio::time::timeout(LONGEST_WAIT, waited).await {
            Ok(locked) => locked.map(|()| Everywhere::Machine { _locked: file }),
            Err(_) => Err(too_long()),
        }
    }
}

async fn put(connection: &mut Connection, login: &LoginId, revision: i64, sealed: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO login (login_id, revision, sealed) VALUES ($1, $2, $3) \
         ON CONFLICT (login_id) DO UPDATE SET revision = excluded.revision, sealed = excluded.sealed",
    )
    .bind(login.as_str())
    .bind(revision)
    .bind(sealed)
    .execute(connection)
    .await?;
    Ok(())
}

/// What a sealed text is bound to: moved to another login, or put back after a newer one, it does not open.
fn bound(login: &LoginId, revision: i64) -> String {
    format!("willitsell login 1\n{login}\n{revision}")
}

/// As it stands, sealed. Instants are UTC milliseconds.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    token: Option<WrittenToken<'a>>,
    given: Option<String>,
    refusal: Option<WrittenRefusal>,
}

#[derive(Serialize, Deserialize)]
struct WrittenToken<'a> {
    #[serde(borrow)]
    access: Cow<'a, str>,
    issued_at: i64,
    expires_at: Option<i64>,
    #[serde(borrow)]
    refresh: Option<Cow<'a, str>>,
    refresh_ends_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct WrittenRefusal {
    at: i64,
    of: String,
    why: String,
    application: bool,
}

fn write(kept: &Kept) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let millis = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_millis());
    let written = Written {
        token: kept.token.as_ref().map(|token| WrittenToken {
            access: token.access.expose_secret().into(),
            issued_at: token.issued_at.timestamp_millis(),
            expires_at: millis(token.expires_at),
            refresh: token.refresh.as_ref().map(|refresh| refresh.expose_secret().into()),
            refresh_ends_at: millis(token.refresh_ends_at),
        }),
        given: kept.given.clone(),
        refusal: kept.refusal.as_ref().map(|refusal| WrittenRefusal {
            at: refusal.at.timestamp_millis(),
            of: refusal.of.clone(),
            why: refusal.why.clone(),
            application: refusal.application,
        }),
    };
    let text = serde_json::to_vec(&written);
    text.map(Zeroizing::new).map_err(|error| StoreError::Database(error.into()))
}

fn read(text: &[u8]) -> Option<Kept> {
    let written: Written<'_> = serde_json::from_slice(text).ok()?;
    let instant = DateTime::from_timestamp_millis;
    let token = match written.token {
        Some(token) => Some(Token {
            access: token.access.as_ref().into(),
            issued_at: instant(token.issued_at)?,
            expires_at: token.expires_at.and_then(instant),
            refresh: token.refresh.map(|refresh| refresh.as_ref().into()),
            refresh_ends_at: token.refresh_ends_at.and_then(instant),
        }),
        None => None,
    };
    let refusal = match written.refusal {
        Some(written) => Some(Refusal {
            at: instant(written.at)?,
            of: written.of,
            why: written.why,
            application: written.application,
        }),
        None => None,
    };
    Some(Kept { token, given: written.given, refusal })
}
