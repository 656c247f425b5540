//! `auth`: a person logs in at a vendor, once, and the tokens are kept sealed. Not how they are renewed: the
//! program does that by itself.

mod callback;
mod pages_password;

use std::io::BufRead;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::next_command;
use super::output::{Failure, Output, counted};
use crate::app::App;
use crate::config::report::suggestion;
use crate::connect::auth::consent::{AnswerError, Consent};
use crate::connect::auth::standing::{Standing, standing};
use crate::connect::auth::{Grant, GrantKind, Oauth2};
use crate::connect::http::Url;
use crate::domain::connector::{Login, SourceAccess};
use crate::domain::id::SourceId;

/// How long a person may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// Arguments of `auth`.
#[derive(Debug, Args)]
pub struct AuthArgs {
    /// A source that names the login; all sources that share it can then be asked.
    #[arg(required_unless_present_any = ["rotate_key", "pages_password"])]
    source: Option<String>,
    /// Print the address and read the answer from here, where this machine has no browser.
    #[arg(long)]
    no_browser: bool,
    /// Seal all tokens anew with a new key, instead of logging in.
    #[arg(long, conflicts_with_all = ["source", "no_browser"])]
    rotate_key: bool,
    /// Make a password for the pages, show it once, and write its hash to a new file for `[web] password`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "no_browser", "rotate_key"])]
    pages_password: Option<PathBuf>,
}

#[derive(Serialize)]
struct Done<'a> {
    login: &'a str,
    source: &'a str,
    ends: Option<DateTime<Utc>>,
    renews_itself: bool,
}

#[derive(Serialize)]
struct Rotated {
    logins_sealed_anew: u64,
}

/// Logs in, or changes the key.
///
/// # Errors
/// What stood in the way, with what to do.
pub async fn run(args: &AuthArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    if let Some(file) = &args.pages_password {
        return pages_password::make(file, output);
    }
    let app = App::open(path).await?;
    let done = match &args.source {
        Some(source) => log_in(source, args.no_browser, &app, path, output).await,
        None => rotate_key(&app, output).await,
    };
    app.parts.store.close().await;
    done
}

async fn rotate_key(app: &App, output: &Output) -> Result<ExitCode, Failure> {
    let tokens = app.parts.store.tokens(app.loaded.config.token_key.clone());
    let sealed = tokens.rotate_key().await?;
    output.show(&Rotated { logins_sealed_anew: sealed }, || {
        let key = if tokens.key_is_given() {
            "with the first of the keys that [store] token_key points to; take the others out of it"
        } else {
            "with a new key; the old one is forgotten"
        };
        format!("{} sealed anew {key}.", counted(sealed, "login"))
    });
    Ok(ExitCode::SUCCESS)
}

async fn log_in(name: &str, no_browser: bool, app: &App, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let source = SourceId::new(name);
    let (login, oauth2) = login_of(&source, app, path)?;
    let listener = listen(login).await?;
    let port = listener.local_addr().map_err(|error| Failure::general(error.to_string()))?.port();
    let redirect = format!("http://{}:{port}{}", Ipv4Addr::LOCALHOST, callback::PATH);
    let redirect: Url = redirect.parse().map_err(|_| Failure::general("this machine has no loopback address"))?;
    let consent = Consent::new(login, oauth2, &redirect).map_err(|error| Failure::general(error.to_string()))?;
    let consent = Arc::new(consent);
    if login.redirect_port.is_some() {
        output.note(&format!("The vendor sends the browser to {redirect}: it must be registered there just so."));
    }
    let (code, answered) = if no_browser {
        drop(listener);
        output.note(&format!("Open this address in any browser and agree:\n\n{}\n", consent.page()));
        output.note(&format!(
            "The browser then goes to an address that begins with {redirect} and shows an error, because nothing \
             answers there. Paste that whole address here, or its code, and press Enter:"
        ));
        (pasted(&consent, &redirect).await?, None)
    } else {
        output.note(&format!(
            "Waiting {} minutes for you to agree at:\n\n{}\n",
            PATIENCE.as_secs() / 60,
            consent.page()
        ));
        if !open(consent.page()) {
            output.note("No browser could be opened: open the address yourself, on this machine.");
        }
        let (code, answered) = tokio::time::timeout(PATIENCE, callback::wait(listener, Arc::clone(&consent)))
            .await
            .map_err(|_| too_late())??;
        (code, Some(answered))
    };
    let auth = app.auth();
    let grant = Grant { login, vault: app.parts.tokens.as_ref(), oauth2 };
    let now = Utc::now();
    let kept = consent.redeem(&auth, &grant, &code, now).await;
    if let Some(answered) = answered {
        answered.finish().await;
    }
    let kept = kept.map_err(|error| {
        Failure::general(format!(
            "no login: {error}. Nothing was changed; run {} again",
            next_command(path, &format!("auth {source}"))
        ))
    })?;
    let ends = match standing(login, oauth2, &kept, now) {
        Standing::Good { ends } => ends,
        _ => None,
    };
    let renews_itself = kept.token.as_ref().is_some_and(|token| token.refresh.is_some());
    let done = Done { login: login.id.as_str(), source: source.as_str(), ends, renews_itself };
    output.show(&done, || {
        let until = match ends {
            Some(end) => format!("good until {}; you are told 14, 3 and 1 days before", end.format("%Y-%m-%d")),
            None if renews_itself => "renewed by itself from now on".to_owned(),
            None => "good until the vendor ends it".to_owned(),
        };
        let pull = next_command(path, &format!("pull --source {source} --dry-run"));
        format!("[login.{}]: logged in, {until}.\nNext: {pull} asks {source} and stores nothing.", login.id)
    });
    Ok(ExitCode::SUCCESS)
}

/// The login a source names and its vendor's way; else what to do for access to this source.
fn login_of<'a>(source: &SourceId, app: &'a App, path: &Path) -> Result<(&'a Login, &'a Oauth2), Failure> {
    let Some(access) = app.parts.sources.get(source) else {
        let known: Vec<&str> = app.parts.sources.keys().map(SourceId::as_str).collect();
        let advice = suggestion(source.as_str(), &known, "write one first");
        return Err(Failure::usage(format!("there is no [source.{source}]: {advice}")));
    };
    let connector = app.parts.registry.get(&access.source.connector);
    let (Some(login), Some(oauth2)) = (&access.login, connector.and_then(|connector| connector.oauth2())) else {
        return Err(Failure::usage(without_login(access, app, path)));
    };
    if oauth2.grant == GrantKind::ClientCredentials {
        return Err(Failure::usage(format!(
            "[login.{}] needs no person: its client_id and client_secret are enough",
            login.id
        )));
    }
    Ok((login, oauth2))
}

fn without_login(access: &SourceAccess, app: &App, path: &Path) -> String {
    let source = &access.source.id;
    let info = app.parts.registry.get(&access.source.connector).map(|connector| connector.info());
    let secrets = info.into_iter().flat_map(|info| info.settings.iter().filter(|setting| setting.secret));
    let secrets: Vec<String> =
        secrets.map(|setting| format!("{} = \"file:PATH\" ({})", setting.name, setting.help)).collect();
    if secrets.is_empty() {
        return format!("source {source} needs no login and no token");
    }
    format!(
        "source {source} takes no login: the vendor gives its token on a page of its own. Put it into a file only you \
         can read, and name that file under [source.{source}] in settings: {}. Then run {}",
        secrets.join(", "),
        next_command(path, "check")
    )
}

async fn listen(login: &Login) -> Result<TcpListener, Failure> {
    let port = login.redirect_port.unwrap_or(0);
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
        Failure::general(format!(
            "port {port} of this machine cannot be used ({error}): end the program that has it, or choose another \
             redirect_port in [login.{}] and register it with the vendor",
            login.id
        ))
    })
}

fn too_late() -> Failure {
    Failure::general(format!("nobody agreed within {} minutes; nothing was changed", PATIENCE.as_secs() / 60))
}

/// Reads the answer from standard input. A whole address must hold our state; a bare code is of use to nobody
/// who did not begin this login.
async fn pasted(consent: &Consent, redirect: &Url) -> Result<SecretString, Failure> {
    let (sender, line) = oneshot::channel();
    // A thread of its own: one of the runtime's would keep the program from ending.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line).map(|_| SecretString::from(line));
        let _ = sender.send(read);
    });
    let line = tokio::time::timeout(PATIENCE, line).await.map_err(|_| too_late())?;
    let Ok(Ok(line)) = line else { return Err(Failure::general("standard input cannot be read")) };
    let text = line.expose_secret().trim();
    if text.is_empty() {
        return Err(Failure::general("nothing was pasted; nothing was changed"));
    }
    let of_no_use = |what: &str| {
        Failure::general(format!(
            "{what}; nothing was changed. Run this again, agree once more, and paste the whole address at which the \
             browser ended, with all that stands behind its `?`"
        ))
    };
    let query = text
        .strip_prefix('?')
        .or_else(|| ["code=", "state=", "error="].iter().any(|word| text.starts_with(word)).then_some(text));
    let address = match query {
        Some(query) => redirect.join(&format!("?{query}")).ok(),
        None => text.parse::<Url>().ok().filter(Url::has_host),
    };
    match address {
        Some(answer) => consent.code(&answer).map_err(|error| match error {
            AnswerError::Denied(_) => Failure::general(format!("{error}; nothing was changed")),
            AnswerError::Foreign | AnswerError::Empty => of_no_use(&error.to_string()),
        }),
        // RFC 6749, appendix A.11; and no vendor's code holds a blank or a bracket.
        None if text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"'{}".contains(&byte)) => Ok(text.into()),
        None => Err(of_no_use("what was pasted is neither an address nor a code")),
    }
}

/// Opens the user's browser; whether there is one.
fn open(page: &Url) -> bool {
    let mut command = if cfg!(target_os = "macos") { Command::new("open") } else { Command::new("xdg-open") };
    command.arg(page.as_str()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}
