//! One login and many who want it renewed at the same moment: callers of one process, of several handles of a file, and of
//! several processes on a server, one of which may have been cut off in the middle. The vendor replaces the refresh token at
//! every call, and ends the login when it sees an old one.

use std::time::Duration;

use tokio::sync::Barrier;
use willitsell::domain::connector::TokenVault;

use super::*;
use crate::postgres::{self, Database, Proxy};
use crate::project::KEY;

/// The issue asks for 1,000: `WILLITSELL_TOKEN_ROUNDS=1000`.
fn rounds() -> usize {
    std::env::var("WILLITSELL_TOKEN_ROUNDS").ok().map_or(30, |rounds| rounds.parse().unwrap())
}

async fn on(url: &str) -> Arc<Store> {
    Arc::new(Store::open_with(url, Some(&KEY.into())).await.unwrap())
}

/// From two to sixteen callers at the moment of expiry, spread over some stores that are one: one token call a round.
async fn race(stores: &[Arc<Store>], whose: &str) {
    let rounds = rounds();
    let (vendor, state) = strict_vendor().await;
    let login = Arc::new(login(vendor.url("/token").as_str()));
    let nodes: Vec<_> = stores.iter().map(|store| Arc::new((auth(), store.tokens(None)))).collect();
    for round in 0..rounds {
        let callers = 2 + round % 15;
        let barrier = Arc::new(Barrier::new(callers));
        let now = noon() + TimeDelta::hours(round.try_into().unwrap());
        let asked: Vec<_> = (0..callers)
            .map(|caller| {
                let (node, login, barrier) =
                    (Arc::clone(&nodes[caller % nodes.len()]), Arc::clone(&login), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    access(&node.0, &login, &node.1, now).await
                })
            })
            .collect();
        for caller in asked {
            assert_eq!(caller.await.unwrap().unwrap(), format!("{CANARY}-a{round}"), "{whose}, round {round}");
        }
    }
    let calls = vendor.seen().len();
    println!("a4: {rounds} rounds of 2 to 16 callers, {whose}: {calls} token calls, none revoked");
    assert_eq!((calls, state.lock().unwrap().clone()), (rounds, Ok(rounds)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a4_two_to_sixteen_callers_at_the_moment_of_expiry_make_one_token_call_in_a_file() {
    let machine = Machine::new().await;
    let other = Arc::new(Store::open(&url(machine.folder.path())).await.unwrap());
    let Machine { folder, store } = machine;
    let stores = [Arc::new(store), other];
    race(&stores, "two handles of one file").await;
    for store in stores {
        store.close().await;
    }
    assert_no_canary_below(folder.path(), &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a4_two_to_sixteen_callers_at_the_moment_of_expiry_make_one_token_call_on_a_server() {
    let Some(database) = postgres::database().await else { return };
    let stores = [on(&database.url).await, on(&database.url).await, on(&database.url).await];
    race(&stores, "three nodes on one server").await;
}

/// A configuration that is read again makes its own vault: who renews what must be known to both.
#[tokio::test]
async fn a4_a_configuration_that_is_read_again_renews_nothing_twice() {
    let machine = Machine::new().await;
    let server = postgres::database().await;
    let mut stores = vec![Arc::new(machine.store)];
    if let Some(Database { url, .. }) = &server {
        stores.push(on(url).await);
    }
    for store in stores {
        let (before, after) = (store.tokens(None), store.tokens(None));
        let held = before.lock(&LoginId::new("ads")).await.unwrap();
        let waiting = tokio::spawn(async move { after.lock(&LoginId::new("ads")).await.map(drop) });
        // Another login is had meanwhile, as often as one likes.
        for _ in 0..20 {
            drop(before.lock(&LoginId::new("other")).await.unwrap());
            tokio::task::yield_now().await;
        }
        assert!(!waiting.is_finished(), "on a server: {}", store.is_on_a_server());
        drop(held);
        waiting.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_whoever_was_cut_off_shows_no_token_that_another_may_have_shown() {
    let Some(database) = postgres::database().await else { return };
    let (strict, state) = strict_vendor().await;
    let address = strict.url("/token");
    // The first call is never answered, and never reaches whoever gives out tokens.
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    let mute = FakeServer::start(move |_, _| {
        *counted.lock().unwrap() += 1;
        vec![crate::fake_server::Step::Silence]
    })
    .await;
    let (one, two) = (on(&database.url).await, on(&database.url).await);
    let cut_off = tokio::spawn({
        let (one, login) = (Arc::clone(&one), login(mute.url("/token").as_str()));
        async move { access(&auth(), &login, &one.tokens(None), noon()).await }
    });
    while *asked.lock().unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // As if half a minute had gone by in which nothing was heard of it.
    database.run("UPDATE node SET until = 0").await;
    let login = login(address.as_str());
    assert_eq!(access(&auth(), &login, &two.tokens(None), noon()).await.unwrap(), format!("{CANARY}-a0"));
    let error = cut_off.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("cut off"), "{error}");
    assert_eq!((*asked.lock().unwrap(), state.lock().unwrap().clone()), (1, Ok(1)), "it did not try once more");

    // Nor does one that loses its right before it has called.
    let tokens = two.tokens(None);
    let mut lock = tokens.lock(&LoginId::new("other")).await.unwrap();
    lock.must_last().await.unwrap();
    database.run("UPDATE node SET until = 0").await;
    assert!(matches!(lock.must_last().await, Err(VaultError::Failed(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_a_new_token_is_kept_although_the_store_was_away_for_a_moment() {
    let Some(database) = postgres::database().await else { return };
    let (proxy, url) = Proxy::to(&database).await;
    let proxy = Arc::new(proxy);
    let store = on(&url).await;
    let line = Arc::clone(&proxy);
    let vendor = FakeServer::start(move |_, _| {
        line.is_there.send_replace(false);
        line.cut();
        let line = Arc::clone(&line);
        tokio::spawn(async move {
            line.turned_away.subscribe().wait_for(|times| *times > 0).await.unwrap();
            line.is_there.send_replace(true);
        });
        json(200, &format!(r#"{{"access_token":"{CANARY}-a0","refresh_token":"{CANARY}-1","expires_in":3600}}"#))
    })
    .await;
    let login = login(vendor.url("/token").as_str());
    assert_eq!(access(&auth(), &login, &store.tokens(None), noon()).await.unwrap(), format!("{CANARY}-a0"));
    let kept = store.tokens(None).load(&login.id).await.unwrap().token.unwrap();
    assert_eq!(kept.refresh.unwrap().expose_secret(), format!("{CANARY}-1"));
}
