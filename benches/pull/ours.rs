//! The same rows through the program: manifest, HTTP, stage, store with revisions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use chrono::DateTime;
use chrono_tz::Tz;
use willitsell::app;
use willitsell::domain::concept::Source;
use willitsell::domain::connector::{Login, SettingValue, Settings, SourceAccess};
use willitsell::domain::id::{LoginId, SourceId};
use willitsell::domain::intake::Intake;
use willitsell::schedule::Parts;
use willitsell::schedule::clock::System;
use willitsell::schedule::pull::{Errand, pull};
use willitsell::schedule::turns::Turns;
use willitsell::store::Store;

use crate::{cpu_seconds, peak_mib, window};

/// Prints rows, CPU seconds, wall seconds and peak MiB; of a second pull of the same rows when `again`.
pub fn run(vendor: &str, address: &str, days: u64, again: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let url = format!("sqlite://{}", folder.path().join("ours.db").display());
        let store = Store::open(&url).await.expect("opens");
        let parts = Parts {
            tokens: Box::new(store.tokens(None)),
            store: Arc::new(store),
            registry: app::registry().expect("a registry"),
            sources: BTreeMap::new(),
            notifiers: BTreeMap::new(),
            telling: willitsell::domain::template::Telling::default(),
            turns: Arc::new(Turns::new(8)),
            clock: Arc::new(System::default()),
            health: Arc::default(),
        };
        let access = access(&parts, vendor, address);
        let window = window(days);
        let now = DateTime::from_timestamp(1_790_000_000, 0).expect("an instant");
        let errand = Errand { run_id: "bench", zone: Tz::Europe__Berlin, due_at: now, now };
        if again {
            pull(&parts, &access, window, errand, None).await.expect("the first pull");
        }
        let (began, before) = (Instant::now(), cpu_seconds());
        let pulled = pull(&parts, &access, window, errand, None).await.expect("pulls");
        let (cpu, wall) = (cpu_seconds() - before, began.elapsed().as_secs_f64());
        let new = if again { 0 } else { pulled.rows };
        assert_eq!((pulled.new, pulled.changed, pulled.vanished), (new, 0, 0), "unchanged rows write nothing");
        println!("{} {cpu} {wall} {}", pulled.rows, peak_mib());
        parts.store.close().await;
    });
}

fn access(parts: &Parts, vendor: &str, address: &str) -> SourceAccess {
    let info = parts.registry.get(vendor).expect("built in").info();
    let mut settings = Settings::default();
    for setting in &info.settings {
        if let Some(default) = &setting.default {
            settings.insert(&setting.name, SettingValue::Plain(default.clone()));
        }
    }
    for (name, value) in [("customer_id", "1234567890"), ("account_id", "1"), ("form_id", "u6nXL7")] {
        settings.insert(name, SettingValue::Plain(value.into()));
    }
    settings.insert("token", SettingValue::Secret("bench".into()));
    settings.insert("base_url", SettingValue::Plain(address.to_owned()));
    settings.insert("per_second", SettingValue::Plain("1000".into()));
    let login = Login {
        id: LoginId::new("google"),
        client_id: "bench".into(),
        client_secret: Some("bench".into()),
        refresh_token: Some("bench".into()),
        token_url: Some(format!("{address}/token")),
        authorize_url: None,
        redirect_port: None,
        program: "willitsell".into(),
    };
    let source = Source {
        id: SourceId::new("source"),
        connector: vendor.into(),
        channel: None,
        maturity_lag_days: 3,
        metrics: info.metrics.clone(),
        leave_out: [].into(),
        people: None,
        depth: None,
        nameless: false,
        names_apart: false,
        fractional: info.fractional.clone(),
        scheduled: true,
        set_aside: [].into(),
        accept_shrink: None,
    };
    SourceAccess {
        source,
        settings,
        login: info.needs_login.then_some(login),
        intake: Intake::default(),
        inbound: None,
    }
}
