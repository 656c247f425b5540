//! `demo --serve`: the pages of a demo, at the moment its six weeks ended, until somebody stops it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::cli::output::{Failure, Output};
use crate::cli::run::cancel_when_asked;
use crate::schedule::agreement::Agreement;
use crate::schedule::clock::{Clock, System};
use crate::schedule::daemon::Work;
use crate::web::Pages;

/// The demo's time, which stands still.
struct Still {
    at: DateTime<Utc>,
    system: System,
}

#[async_trait]
impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        self.at
    }

    fn elapsed(&self) -> Duration {
        self.system.elapsed()
    }

    async fn sleep(&self, wait: Duration) {
        self.system.sleep(wait).await;
    }
}

/// Serves the pages of a demo that was lived through before.
///
/// # Errors
/// Where its folder cannot be read, or nothing can be listened at.
pub(super) async fn again(path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let app = App::open(path).await?;
    let last = app.parts.store.last_runs().await?.into_iter().map(|run| run.started_at).max();
    let last = last.ok_or_else(|| {
        Failure::general(format!("{}: this demo was cut short: remove its folder and begin again", path.display()))
    })?;
    pages(app, last, output).await
}

/// Serves the pages until Ctrl-C, as they stood at an instant.
///
/// # Errors
/// Where nothing can be listened at.
pub(super) async fn pages(mut app: App, at: DateTime<Utc>, output: &Output) -> Result<ExitCode, Failure> {
    app.parts.clock = Arc::new(Still { at, system: System::default() });
    let store = Arc::clone(&app.parts.store);
    let config = app.loaded.config;
    let (experiments, themes) = (config.experiments, config.themes);
    let agreement = Agreement::of(&app.parts, &experiments, app.parts.clock.now());
    let work = Work { parts: app.parts, experiments, themes, catch_up: TimeDelta::days(1), agreement };
    let (_keep, work) = watch::channel(Arc::new(work));
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let usual = config.web.listen.unwrap_or(any);
    let (_said, web) = watch::channel(config.web);
    let pages = match Pages::open(usual, web.clone(), work.clone(), rand::random).await {
        Ok(pages) => pages,
        // Another demo, or a daemon, is there already.
        Err(_) => {
            Pages::open(any, web, work, rand::random).await.map_err(|error| Failure::general(error.to_string()))?
        }
    };
    let address = pages.address().unwrap_or(usual);
    output.say(&format!("The pages: http://{address}/\nOpen them in a browser; stop with Ctrl-C."));
    let stop = CancellationToken::new();
    tokio::spawn(cancel_when_asked(stop.clone()));
    pages.run(stop).await;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
