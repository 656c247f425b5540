//! What becomes of messages that wait while newer ones come: order, collapse, and what continues what. On either database.

use super::*;
use willitsell::domain::decision::Choice;

fn told(verdict: Verdict, as_of: &str) -> Delivery {
    let mut delivery = delivery("", as_of);
    delivery.message.verdict = Some(verdict);
    delivery.message.headline = format!("{verdict} as of {as_of}");
    Delivery::first(&delivery.message, &DestinationId::new("growth"))
}

fn decided(as_of: &str) -> Delivery {
    let mut message = told(Verdict::Build, as_of).message;
    message.decision = Some(Choice::Build);
    Delivery::first(&message, &DestinationId::new("growth"))
}

async fn add(store: &Store, delivery: &Delivery) {
    store.add_notices(std::slice::from_ref(delivery)).await.unwrap();
}

async fn waiting(store: &Store) -> Vec<String> {
    store.undelivered().await.unwrap().into_iter().map(|it| it.delivery.id).collect()
}

async fn deliver(store: &Store, delivery: &Delivery) {
    store.begin_attempt(&delivery.id, delivery.not_before).await.unwrap().unwrap();
    store.mark_delivered(&delivery.id, delivery.not_before).await.unwrap();
}

const DAYS: [&str; 5] = [
    "2026-03-02T05:00:00Z",
    "2026-03-03T05:00:00Z",
    "2026-03-04T05:00:00Z",
    "2026-03-05T05:00:00Z",
    "2026-03-06T05:00:00Z",
];

#[tokio::test]
async fn n5_what_waits_of_an_older_state_gives_way_to_the_newest() {
    for home in homes().await {
        let store = home.open().await;
        let [build, kill, elsewhere] =
            [told(Verdict::Build, DAYS[0]), told(Verdict::Kill, DAYS[1]), told(Verdict::Build, DAYS[0])];
        let elsewhere = Delivery::first(&elsewhere.message, &DestinationId::new("board"));
        add(&store, &elsewhere).await;
        add(&store, &build).await;
        // A long outage: it was tried, and refused.
        store.begin_attempt(&build.id, at(DAYS[0])).await.unwrap().unwrap();
        store.postpone(&build.id, at(DAYS[4]), false, "503").await.unwrap();
        add(&store, &kill).await;
        assert_eq!(waiting(&store).await, [elsewhere.id.as_str(), &kill.id], "each destination for itself");
        assert_eq!(store.begin_attempt(&build.id, at(DAYS[4])).await.unwrap(), None);
        // The same message once more changes nothing.
        add(&store, &build).await;
        assert_eq!(waiting(&store).await, [elsewhere.id.as_str(), &kill.id]);
        assert_eq!(store.begin_attempt(&kill.id, at(DAYS[1])).await.unwrap().map(|it| it.id), Some(kill.id));
    }
}

#[tokio::test]
async fn n5_there_and_back_again_before_anybody_was_told_is_no_news() {
    for (was_told, between, then, is_told) in [
        (Verdict::Build, Verdict::Blocked, Verdict::Build, false),
        (Verdict::Collecting, Verdict::Blocked, Verdict::Collecting, false),
        (Verdict::Build, Verdict::Blocked, Verdict::Kill, true),
        // Other causes than before, perhaps.
        (Verdict::Blocked, Verdict::Collecting, Verdict::Blocked, true),
        (Verdict::Review, Verdict::Blocked, Verdict::Review, true),
    ] {
        for home in homes().await {
            let store = home.open().await;
            if was_told != Verdict::Collecting {
                let first = told(was_told, DAYS[0]);
                add(&store, &first).await;
                deliver(&store, &first).await;
            }
            add(&store, &told(between, DAYS[1])).await;
            let last = told(then, DAYS[2]);
            add(&store, &last).await;
            let left: &[String] = if is_told { &[last.id] } else { &[] };
            assert_eq!(waiting(&store).await, left, "{was_told} {between} {then}");
        }
    }
}

#[tokio::test]
async fn n5_what_may_have_arrived_is_never_taken_for_unsaid() {
    for home in homes().await {
        let store = home.open().await;
        let (blocked, again) = (told(Verdict::Blocked, DAYS[0]), told(Verdict::Collecting, DAYS[1]));
        add(&store, &blocked).await;
        // The process ends before the answer is recorded.
        store.begin_attempt(&blocked.id, at(DAYS[0])).await.unwrap().unwrap();
        add(&store, &again).await;
        assert_eq!(waiting(&store).await, [again.id], "whoever may have read of the trouble hears of its end");
    }
}

#[tokio::test]
async fn n5_messages_on_one_concept_arrive_in_their_order() {
    for home in homes().await {
        let store = home.open().await;
        let (build, decision) = (told(Verdict::Build, DAYS[0]), decided(DAYS[1]));
        add(&store, &build).await;
        store.begin_attempt(&build.id, at(DAYS[0])).await.unwrap().unwrap();
        store.postpone(&build.id, at(DAYS[4]), false, "503").await.unwrap();
        add(&store, &decision).await;
        // The first is tried once more, because there is more to say; without losing an attempt.
        let due: Vec<_> = store.due_deliveries(at(DAYS[1])).await.unwrap();
        assert_eq!(
            due.iter().map(|it| (it.id.as_str(), it.attempts)).collect::<Vec<_>>(),
            [(build.id.as_str(), 0), (&decision.id, 0)]
        );
        assert_eq!(store.begin_attempt(&decision.id, at(DAYS[1])).await.unwrap(), None, "not before the verdict");
        store.begin_attempt(&build.id, at(DAYS[1])).await.unwrap().unwrap();
        store.postpone(&build.id, at(DAYS[2]), false, "503").await.unwrap();
        assert_eq!(store.due_deliveries(at(DAYS[1])).await.unwrap(), [], "both wait together");
        store.begin_attempt(&build.id, at(DAYS[2])).await.unwrap().unwrap();
        store.mark_delivered(&build.id, at(DAYS[2])).await.unwrap();
        assert!(store.begin_attempt(&decision.id, at(DAYS[2])).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_thread_goes_from_a_state_to_its_end() {
    for home in homes().await {
        let store = home.open().await;
        let all = [
            told(Verdict::Build, DAYS[0]),
            told(Verdict::Blocked, DAYS[1]),
            decided(DAYS[2]),
            told(Verdict::Collecting, DAYS[3]),
            told(Verdict::Kill, DAYS[4]),
        ];
        let mut threads = Vec::new();
        for one in &all {
            add(&store, one).await;
            threads.push(store.undelivered().await.unwrap().remove(0).delivery.thread);
            deliver(&store, one).await;
        }
        let first = all[0].id.as_str();
        assert_eq!(threads, [first, first, first, first, &all[4].id]);
    }
}
