//! Access tokens between calls: in memory only, because nothing is sealed on disk yet, so a restart
//! renews them. One renewal of a login at a time. Not how a token is renewed: see `connect::auth`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::OwnedMutexGuard;

use crate::domain::connector::{Token, TokenLock, TokenVault, VaultError};
use crate::domain::id::LoginId;

/// The tokens of every login, for as long as the process lives.
#[derive(Debug, Default)]
pub struct Tokens {
    logins: Mutex<HashMap<LoginId, Arc<Login>>>,
}

#[derive(Debug, Default)]
struct Login {
    token: Mutex<Option<Token>>,
    renewal: Arc<tokio::sync::Mutex<()>>,
}

struct Renewal {
    login: Arc<Login>,
    _alone: OwnedMutexGuard<()>,
}

impl Tokens {
    fn login(&self, id: &LoginId) -> Arc<Login> {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(logins.entry(id.clone()).or_default())
    }
}

#[async_trait]
impl TokenVault for Tokens {
    async fn load(&self, login: &LoginId) -> Result<Option<Token>, VaultError> {
        Ok(self.login(login).token.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn lock(&self, login: &LoginId) -> Result<Box<dyn TokenLock>, VaultError> {
        let login = self.login(login);
        let alone = Arc::clone(&login.renewal).lock_owned().await;
        Ok(Box::new(Renewal { login, _alone: alone }))
    }
}

#[async_trait]
impl TokenLock for Renewal {
    async fn save(&mut self, token: Token) -> Result<(), VaultError> {
        *self.login.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[tokio::test]
    async fn of_many_callers_one_renews_and_the_others_find_its_token() {
        let tokens = Arc::new(Tokens::default());
        let login = LoginId::new("google");
        let callers: Vec<_> = (0..16)
            .map(|number| {
                let (tokens, login) = (Arc::clone(&tokens), login.clone());
                tokio::spawn(async move {
                    let mut lock = tokens.lock(&login).await.unwrap();
                    if tokens.load(&login).await.unwrap().is_some() {
                        return false;
                    }
                    tokio::task::yield_now().await;
                    let access = format!("token {number}").into();
                    lock.save(Token {
                        access,
                        issued_at: chrono::DateTime::UNIX_EPOCH,
                        expires_at: None,
                        refresh: None,
                    })
                    .await
                    .unwrap();
                    true
                })
            })
            .collect();
        let mut renewed = 0;
        for caller in callers {
            renewed += u32::from(caller.await.unwrap());
        }
        assert_eq!(renewed, 1);
        assert!(tokens.load(&login).await.unwrap().unwrap().access.expose_secret().starts_with("token "));
        assert!(tokens.load(&LoginId::new("meta")).await.unwrap().is_none(), "logins do not share tokens");
        assert!(!format!("{tokens:?}").contains("token 0"), "Debug prints no token");
    }
}
