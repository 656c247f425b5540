//! A store's life, told once through its public face: it runs on any address a store can have.

use super::*;
use willitsell::domain::money::Currency;
use willitsell::domain::verdict::{ArmScore, Evidence, Generation, GuardrailScore, Reason};

#[tokio::test]
async fn a_story_of_one_concept() {
    for home in homes().await {
        let store = home.open().await;
        runs(&store).await;
        revisions(&store).await;
        verdicts(&store).await;
        generations(&store).await;
        store.close().await;

        let store = home.open().await;
        assert_eq!(store.last_runs().await.unwrap().len(), 1, "all of it is still there");
        assert_eq!(store.latest_scorecards().await.unwrap().len(), 1);
        assert_eq!(store.pulls(&ads()).await.unwrap().last().unwrap().id, 5);
    }
}

#[tokio::test]
async fn rows_thrown_away_before_their_window_is_whole_leave_no_trace() {
    for home in homes().await {
        let store = home.open().await;
        // More than waits in memory, so that some of it is in the file.
        let key = |number: u32| format!("{number:0>200}");
        let keys: Vec<_> = (0..60_000).map(key).collect();
        let many: Vec<Row<'_>> = keys.iter().map(|key| ("2026-03-01", key.as_str(), 1, None)).collect();
        let mut stage = staged(&store, &many).await;
        stage.accept(&[response("r1", None, "a", "2026-03-01T09:00:00Z")]).await.unwrap();
        stage.clear().await.unwrap();
        for &(on, ref key, clicks) in &[("2026-03-01", "a".to_owned(), 3), ("2026-03-02", key(7), 4)] {
            let values = [(MetricId::CLICKS, clicks)];
            let row = SourceRow::Counts { arm_key: Some(Cow::Borrowed(key)), day: day(on), values: &values };
            stage.accept(&[row]).await.unwrap();
        }
        store
            .replace_slice(stage, &slice(&ads(), days("2026-03-01", "2026-03-02"), "2026-03-03T00:00:00Z"))
            .await
            .unwrap();
        let inputs = everything(&store, &ads(), None).await;
        assert_eq!(rows(&inputs).iter().map(|row| row.3).collect::<Vec<_>>(), [Some(3), Some(4)]);
        assert!(inputs.responses.is_empty());
    }
}

async fn runs(store: &Store) {
    assert_eq!(store.last_runs().await.unwrap(), []);
    let (first, second) = (run("2026-03-02T05:00:00Z"), run("2026-03-03T05:00:00Z"));
    assert!(store.start_run(&first).await.unwrap());
    assert!(!store.start_run(&first).await.unwrap(), "a slot has one run, ever");
    finish(store, &first, "2026-03-02T05:00:09Z", Outcome::Decided).await;
    finish(store, &first, "2026-03-02T06:00:00Z", Outcome::Abandoned).await;
    assert!(store.start_run(&second).await.unwrap());
    assert_eq!(store.abandon_open_runs(at("2026-03-03T07:00:00Z")).await.unwrap(), 1);
    assert_eq!(store.abandon_open_runs(at("2026-03-03T08:00:00Z")).await.unwrap(), 0);

    let ended = |run: &Run, when, outcome| Run { finished_at: Some(at(when)), outcome: Some(outcome), ..run.clone() };
    let first = ended(&first, "2026-03-02T05:00:09Z", Outcome::Decided);
    let second = ended(&second, "2026-03-03T07:00:00Z", Outcome::Abandoned);
    assert_eq!(store.last_runs().await.unwrap(), std::slice::from_ref(&second));
    assert_eq!(store.run_history(&concept(), 9).await.unwrap(), [second.clone(), first]);
    assert_eq!(store.run_history(&concept(), 1).await.unwrap(), [second]);
}

/// P3: old value, new value and the pull that brought it, for every restated number.
async fn revisions(store: &Store) {
    let source = ads();
    let first = Slice {
        currency: Currency::from_code("EUR"),
        facts: Facts {
            clicks: Some("link clicks".into()),
            as_of: Some(at("2026-03-02T04:00:00Z")),
            ..Facts::default()
        },
        zone: Tz::Europe__Berlin,
        ..slice(&source, days("2026-03-01", "2026-03-02"), "2026-03-02T05:00:00Z")
    };
    let rows_1 = [("2026-03-01", "a", 10, Some(5)), ("2026-03-01", "b", 7, None), ("2026-03-02", "a", 3, Some(0))];
    let change = put(store, &first, &rows_1).await.unwrap();
    assert_eq!(counts(&change), [3, 0, 0, 0]);
    assert_eq!(store.pulls(&source).await.unwrap().pop().unwrap(), change.pull);
    assert_eq!(store.pulls(&form()).await.unwrap(), []);

    // The vendor restates a, takes b away, and the next day brings c.
    let second = slice(&source, days("2026-03-01", "2026-03-03"), "2026-03-03T05:00:00Z");
    let rows_2 = [("2026-03-01", "a", 11, Some(5)), ("2026-03-02", "a", 3, Some(0)), ("2026-03-03", "c", 1, None)];
    assert_eq!(counts(&put(store, &second, &rows_2).await.unwrap()), [1, 1, 1, 1]);
    // A value that is no longer supplied is another state than zero.
    let rows_3 = [("2026-03-02", "a", 3, None)];
    let third = slice(&source, days("2026-03-02", "2026-03-02"), "2026-03-04T05:00:00Z");
    assert_eq!(counts(&put(store, &third, &rows_3).await.unwrap()), [0, 1, 0, 0]);

    let expect = |inputs: &Inputs, expected: &[Seen<&str>]| {
        let expected: Vec<_> = expected.iter().map(|&(d, k, p, c, s)| (d.to_owned(), k, p, c, s)).collect();
        assert_eq!(rows(inputs), expected);
    };
    let known_1 = [
        ("2026-03-01", "a", 1, Some(10), Some(5)),
        ("2026-03-01", "b", 1, Some(7), None),
        ("2026-03-02", "a", 1, Some(3), Some(0)),
    ];
    let known_2 = [
        ("2026-03-01", "a", 2, Some(11), Some(5)),
        ("2026-03-02", "a", 1, Some(3), Some(0)),
        ("2026-03-03", "c", 2, Some(1), None),
    ];
    let now = [
        ("2026-03-01", "a", 2, Some(11), Some(5)),
        ("2026-03-02", "a", 3, Some(3), None),
        ("2026-03-03", "c", 2, Some(1), None),
    ];
    expect(&everything(store, &source, Some(0)).await, &[]);
    expect(&everything(store, &source, Some(1)).await, &known_1);
    expect(&everything(store, &source, Some(2)).await, &known_2);
    expect(&everything(store, &source, Some(3)).await, &now);
    expect(&everything(store, &source, None).await, &now);
    let known = everything(store, &source, Some(1)).await;
    assert_eq!(known.pulls, std::slice::from_ref(&change.pull), "pulls made later were not known");
    assert_eq!(change.pull.currency, Currency::from_code("EUR"));
    assert_eq!(
        (known.pulls[0].day_zone, known.pulls[0].committed_at),
        (Tz::Europe__Berlin, at("2026-03-02T05:00:00Z"))
    );

    // b comes back, is taken away and comes back once more.
    let only = slice(&source, days("2026-03-01", "2026-03-01"), "2026-03-05T05:00:00Z");
    let with_b = [("2026-03-01", "a", 11, Some(5)), ("2026-03-01", "b", 7, None)];
    assert_eq!(counts(&put(store, &only, &with_b).await.unwrap()), [1, 0, 0, 1]);
    assert_eq!(counts(&put(store, &only, &with_b[..1]).await.unwrap()), [0, 0, 1, 1]);
    expect(
        &everything(store, &source, Some(4)).await,
        &[
            ("2026-03-01", "a", 2, Some(11), Some(5)),
            ("2026-03-01", "b", 4, Some(7), None),
            ("2026-03-02", "a", 3, Some(3), None),
            ("2026-03-03", "c", 2, Some(1), None),
        ],
    );
    expect(&everything(store, &source, None).await, &now);
    let one_day =
        store.inputs(&[source.clone(), form(), source], days("2026-03-03", "2026-03-03"), None).await.unwrap();
    expect(&one_day, &now[2..]);
}

async fn verdicts(store: &Store) {
    let mut first = scorecard("2026-03-02T05:00:00Z", Verdict::Collecting);
    first.reasons = vec![Reason::Undecided, Reason::Guardrail { name: "unsubscribed".into() }];
    // Numbers come back bit for bit: a verdict must be re-derived exactly.
    let evidence = Evidence {
        days: 14,
        trials: 1240.0,
        successes: 74.1,
        estimate: Some(74.1 / 1240.0),
        low: Some(0.1 + 0.2),
        high: Some(f64::MIN_POSITIVE),
        log_e_build: Some(-1.234_567_890_123_456_7e-9),
        log_e_kill: None,
        build_at: Some(2.995_732_273_553_991),
        kill_at: Some(f64::MAX),
        phi: Some(1.0),
        flags: vec![],
    };
    first.arms = vec![ArmScore {
        arm: willitsell::domain::id::ArmId::new("price-29"),
        verdict: Verdict::Collecting,
        reason: Some(Reason::Undecided),
        since: Some(day("2026-03-01")),
        evidence,
        spend: None,
        cost_per_act: None,
        guardrails: vec![],
    }];
    first.guardrails = vec![GuardrailScore {
        name: "unsubscribed".into(),
        value: Some(0.1),
        low: Some(0.06),
        high: None,
        limit: 0.3,
        is_max: true,
        breached: false,
    }];
    let message = delivery("msg_1-growth", "2026-03-02T05:00:00Z");
    let stored = save(store, &first, 2, std::slice::from_ref(&message)).await;
    assert_eq!((stored.id, stored.replaces, stored.known_at), (1, None, 2));
    assert_eq!(store.latest_scorecard(&concept()).await.unwrap().unwrap(), stored);
    assert_eq!(stored.scorecard, first);

    let same = scorecard("2026-03-03T05:00:00Z", Verdict::Collecting);
    let other = scorecard("2026-03-04T05:00:00Z", Verdict::Build);
    assert_eq!(save(store, &same, 3, &[]).await.replaces, None, "the verdict is the same");
    let build = save(store, &other, 3, &[]).await;
    assert_eq!((build.id, build.replaces), (3, Some(2)));
    let history = store.scorecard_history(&concept(), 10).await.unwrap();
    assert_eq!(history.iter().map(|it| it.id).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(history[2], stored, "a stored verdict never changes");
    assert_eq!(store.latest_scorecards().await.unwrap(), [build]);
    assert_eq!(store.latest_scorecard(&ConceptId::new("dog-meals")).await.unwrap(), None);

    deliveries(store, &message).await;
}

async fn deliveries(store: &Store, message: &Delivery) {
    let (before, now) = (at("2026-03-02T04:59:59Z"), at("2026-03-02T05:00:00Z"));
    assert_eq!(store.due_deliveries(before).await.unwrap(), []);
    assert_eq!(store.begin_attempt(&message.id, before).await.unwrap(), None);
    assert_eq!(store.due_deliveries(now).await.unwrap(), std::slice::from_ref(message));
    assert_eq!(store.begin_attempt(&message.id, now).await.unwrap().unwrap().attempts, 1);
    store.postpone(&message.id, at("2026-03-02T05:05:00Z"), false, "the receiver answered 503").await.unwrap();
    assert_eq!(store.due_deliveries(now).await.unwrap(), []);
    let waiting = store.undelivered().await.unwrap();
    assert_eq!((waiting[0].delivery.attempts, waiting[0].given_up), (1, false));
    assert_eq!(waiting[0].last_error.as_deref(), Some("the receiver answered 503"));

    let later = at("2026-03-02T05:05:00Z");
    assert_eq!(store.begin_attempt(&message.id, later).await.unwrap().unwrap().attempts, 2);
    store.mark_delivered(&message.id, later).await.unwrap();
    store.give_up(&message.id, "too late").await.unwrap();
    store.postpone(&message.id, now, false, "too late").await.unwrap();
    assert_eq!(store.undelivered().await.unwrap(), [], "what has arrived stays delivered");
    assert_eq!(store.begin_attempt(&message.id, later).await.unwrap(), None);

    let lost = delivery("msg_2-growth", "2026-03-04T05:00:00Z");
    let card = scorecard("2026-03-05T05:00:00Z", Verdict::Build);
    save(store, &card, 3, std::slice::from_ref(&lost)).await;
    store.give_up(&lost.id, "no such channel").await.unwrap();
    assert_eq!(store.due_deliveries(at("2026-04-01T00:00:00Z")).await.unwrap(), []);
    let undelivered = store.undelivered().await.unwrap();
    // It goes on from what was told before.
    let lost = Delivery { thread: message.id.clone(), ..lost };
    assert!(undelivered[0].given_up && undelivered[0].delivery == lost);
}

/// A test that was opened is found again, and one that was changed in its place.
async fn generations(store: &Store) {
    let concept = ConceptId::new("dog-meals");
    let opened = |number, first_day| Generation { number, first_day: day(first_day), policy_hash: "a".into() };
    let known = async || store.view().standings(vec![concept.clone()]).await.unwrap().remove(&concept).unwrap();
    assert_eq!(known().await.unwrap().generation, None);
    for test in [opened(1, "2026-03-05"), opened(1, "2026-03-06"), opened(2, "2026-03-09")] {
        let finding = Finding { concept: &concept, opened: Some(test.clone()), verdict: None, run: None };
        assert_eq!(write_down(store, finding).await, None);
        assert_eq!(known().await.unwrap().generation, Some(test));
    }
    assert_eq!(store.first_day(&concept, 1).await.unwrap(), day("2026-03-06"));
}
