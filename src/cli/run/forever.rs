//! The daemon as a process: what it listens for, how it is stopped, and how it reads its configuration again. Not what it does:
//! that is `schedule::daemon`'s business.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::cancel_when_asked;
use crate::app::App;
use crate::cli::output::{Failure, Output, counted};
use crate::config::{Config, Loaded};
use crate::domain::inbound::{Listen, Told};
use crate::domain::web::Web;
use crate::health::heartbeat::Heartbeat;
use crate::health::listen::Pages;
use crate::inbound::{Inbound, InboundError};
use crate::schedule::agreement::Agreement;
use crate::schedule::daemon::{self, Work};
use crate::web;

/// Within so long after it was asked to, the process has ended.
const HARD_STOP: Duration = Duration::from_secs(20);

/// A file that was changed less than this ago may not be whole.
const STILL: Duration = Duration::from_secs(1);

/// How often it is looked whether it has changed since.
const LOOKS: u32 = 10;

/// Runs until it is asked to stop.
///
/// # Errors
/// Where nothing can be listened at, or the daemon has died.
pub(super) async fn forever(
    app: App,
    path: &Path,
    stop: &CancellationToken,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let App { loaded: Loaded { config, .. }, parts, http } = app;
    output.note(&format!("running {}; stop with Ctrl-C", counted(config.experiments.len() as u64, "experiment")));
    let health = Arc::clone(&parts.health);
    if let Some(address) = config.daemon.health {
        let clock = Arc::clone(&parts.clock);
        let pages = Pages::open(address, Arc::clone(&health), Arc::new(move || clock.elapsed()))
            .await
            .map_err(|error| Failure::general(error.to_string()))?;
        output.note(&format!("ask at http://{}/readyz how it is doing", pages.address().unwrap_or(address)));
        tokio::spawn(pages.run(stop.clone()));
    }
    if let Some(address) = &config.daemon.heartbeat
        && let Some(heartbeat) = Heartbeat::to(address, http.client())
    {
        let (health, stop) = (Arc::clone(&health), stop.clone());
        tokio::spawn(async move { heartbeat.run(&health, stop).await });
    }
    let fixed = Fixed::of(&config);
    let (say, web) = watch::channel(config.web.clone());
    let (change, work) = watch::channel(Arc::new(work(config, parts)));
    show_pages(web, work.clone(), stop, output).await?;
    let (tell, told) = watch::channel(Told::new());
    let receiving = async {
        let ended = match &fixed.listen {
            Some(listen) => receive(listen, work.clone(), &tell, stop, output).await,
            None => Ok(()),
        };
        if ended.is_err() {
            stop.cancel();
        }
        ended
    };
    let deciding = async {
        let ended = daemon::run(work.clone(), told, stop).await;
        stop.cancel();
        ended
    };
    let (ended, received, ()) =
        tokio::join!(deciding, receiving, read_again_when_asked(path, &fixed, (&change, &say), stop, output));
    received?;
    ended.map_err(|error| Failure::general(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

/// Serves the pages. That our own address is taken keeps nobody from collecting; one that was chosen must be had.
async fn show_pages(
    web: watch::Receiver<Web>,
    work: watch::Receiver<Arc<Work>>,
    stop: &CancellationToken,
    output: &Output,
) -> Result<(), Failure> {
    let Web { listen, is_chosen, url, .. } = web.borrow().clone();
    let Some(address) = listen else { return Ok(()) };
    match web::Pages::open(address, web, work, rand::random).await {
        Ok(pages) => {
            let address = pages.address().unwrap_or(address);
            output.note(&format!("pages: {}", url.unwrap_or_else(|| format!("http://{address}/"))));
            tokio::spawn(pages.run(stop.clone()));
        }
        Err(error) if is_chosen => return Err(Failure::general(error.to_string())),
        Err(error) => output.note(&format!("no pages are served: {error}")),
    }
    Ok(())
}

fn work(config: Config, parts: crate::schedule::Parts) -> Work {
    let catch_up = TimeDelta::days(config.daemon.catch_up_days.into());
    let agreement = Agreement::of(&parts, &config.experiments, Utc::now());
    Work { parts, experiments: config.experiments, themes: config.themes, catch_up, agreement }
}

/// Takes what vendors send, for the sources as last read.
async fn receive(
    listen: &Listen,
    mut work: watch::Receiver<Arc<Work>>,
    tell: &watch::Sender<Told>,
    stop: &CancellationToken,
    output: &Output,
) -> Result<(), InboundError> {
    let mut is_said = false;
    loop {
        let now = Arc::clone(&work.borrow_and_update());
        let inbound = open(listen, &now, tell, is_said).await?;
        if let Some(address) = inbound.address().filter(|_| !std::mem::replace(&mut is_said, true)) {
            output.note(&format!("listening for deliveries at {address}"));
        }
        let until = stop.child_token();
        let receiving = inbound.run(&now.parts.store, &until);
        tokio::pin!(receiving);
        tokio::select! {
            () = &mut receiving => return Ok(()),
            Ok(()) = work.changed() => {
                until.cancel();
                receiving.await;
            }
        }
    }
}

/// The address of the listener before may take a moment to be free.
async fn open(
    listen: &Listen,
    work: &Work,
    tell: &watch::Sender<Told>,
    is_again: bool,
) -> Result<Inbound, InboundError> {
    let mut looks = if is_again { LOOKS } else { 0 };
    loop {
        let opened = Inbound::open(listen, &work.parts.sources, &work.parts.registry, tell.clone(), Utc::now).await;
        match opened {
            Err(InboundError::Listen { .. }) if looks > 0 => looks -= 1,
            other => return other,
        }
        tokio::time::sleep(STILL / 2).await;
    }
}

/// What a running daemon cannot change.
struct Fixed {
    store: (String, Option<String>),
    listen: Option<Listen>,
    pages: (Option<std::net::SocketAddr>, bool),
    health: Option<std::net::SocketAddr>,
    heartbeat: Option<String>,
    sources_at_once: u32,
}

impl Fixed {
    fn of(config: &Config) -> Self {
        let written = |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        Self {
            store: (config.store_url.clone(), written(&config.store_key)),
            listen: config.inbound.clone(),
            pages: (config.web.listen, config.web.is_chosen),
            health: config.daemon.health,
            heartbeat: written(&config.daemon.heartbeat),
            sources_at_once: config.daemon.sources_at_once,
        }
    }

    /// The table that takes another start.
    fn changed(&self, other: &Self) -> Option<&'static str> {
        let changes = [
            ("[store]", self.store != other.store),
            ("[inbound]", self.listen != other.listen),
            ("[web] listen", self.pages != other.pages),
            ("[health]", (self.health, &self.heartbeat) != (other.health, &other.heartbeat)),
            ("[run] sources_at_once", self.sources_at_once != other.sources_at_once),
        ];
        changes.into_iter().find_map(|(table, is_changed)| is_changed.then_some(table))
    }
}

/// Reads the configuration again when it is asked to, with SIGHUP. One that cannot be used leaves the one from before whole.
async fn read_again_when_asked(
    path: &Path,
    fixed: &Fixed,
    (change, say): (&watch::Sender<Arc<Work>>, &watch::Sender<Web>),
    stop: &CancellationToken,
    output: &Output,
) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut asked) = signal(SignalKind::hangup()) else { return };
        loop {
            tokio::select! {
                Some(()) = asked.recv() => {}
                () = stop.cancelled() => return,
            }
            let running = Arc::clone(&change.borrow());
            let wrong = match read_again(path, fixed, &running).await {
                Ok((work, web)) => {
                    say.send_replace(web);
                    change.send_replace(Arc::new(work));
                    output.note("the configuration was read again and is in use");
                    None
                }
                Err(failure) => {
                    output.note("the configuration was not taken; the one from before goes on:");
                    output.fail(&failure);
                    Some("see the log, or run `willitsell check`".to_owned())
                }
            };
            running.parts.health.note(|state| state.configuration = wrong);
        }
    }
    #[cfg(not(unix))]
    stop.cancelled().await;
}

async fn read_again(path: &Path, fixed: &Fixed, running: &Work) -> Result<(Work, Web), Failure> {
    whole(path).await?;
    let App { loaded: Loaded { config, .. }, parts, .. } = App::again(path, &running.parts)?;
    if config.experiments.is_empty() {
        return Err(Failure::usage("there is no [experiment.…] in it"));
    }
    if let Some(table) = fixed.changed(&Fixed::of(&config)) {
        return Err(Failure::usage(format!("{table} has changed, which takes another start of `run`")));
    }
    let web = config.web.clone();
    Ok((work(config, parts), web))
}

/// Waits until nobody writes to the file any more: half of a file may well be a configuration.
async fn whole(path: &Path) -> Result<(), Failure> {
    let seen = || std::fs::metadata(path).and_then(|file| Ok((file.len(), file.modified()?))).ok();
    let mut before: Option<(u64, SystemTime)> = seen();
    for _ in 0..LOOKS {
        tokio::time::sleep(STILL).await;
        let now = seen();
        if now == before {
            return Ok(());
        }
        before = now;
    }
    Err(Failure::usage(format!("{} is being written still", path.display())))
}

/// Cancels when the process is asked to end, and ends it where that takes too long: what hangs cannot hold it.
pub(super) async fn end_when_asked(stop: CancellationToken) {
    cancel_when_asked(stop).await;
    // No task: whatever hangs may be in the way of those.
    std::thread::spawn(|| {
        std::thread::sleep(HARD_STOP);
        let seconds = HARD_STOP.as_secs();
        eprintln!(
            "willitsell did not end within {seconds} s and was cut short; the next start takes up what was under way"
        );
        std::process::exit(1);
    });
}
