//! What counts and what is left out, story by story, and what holds of any responses.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::domain::concept::Arm;
use crate::domain::icp::IcpTest;
use crate::domain::id::ArmId;

fn response(id: &str, person: Option<&str>, arm_key: &str, at: &str) -> Response {
    Response {
        source: SourceId::new("landing"),
        response_id: id.into(),
        person: person.map(|name| PersonHash::from_hex(name.into())),
        domain: None,
        mark: None,
        depth: Depth::Email,
        void: None,
        arm_key: arm_key.into(),
        answers: Answers::default(),
        at: at.parse().unwrap(),
        pull_id: 1,
    }
}

fn verified(id: &str, person: &str, at: &str, answers: &[(&str, &str)]) -> Response {
    let answers = answers.iter().copied().collect();
    Response { depth: Depth::VerifiedEmail, answers, ..response(id, Some(person), "a", at) }
}

fn deeper(depth: Depth, void: Option<Void>, id: &str, person: &str, at: &str) -> Response {
    Response { depth, void, ..response(id, Some(person), "a", at) }
}

fn employees() -> Vec<IcpRule> {
    vec![IcpRule { field: "employees".into(), test: IcpTest::Within(Some(20.0), Some(200.0)) }]
}

/// Arms `a` and `b` claim their own names on `landing`; colleagues have the domain `ours`. Other sources tell of acts on
/// `a`.
fn judge_beside(others: &[(SourceId, &[MetricId])], responses: &[Response], icp: &[IcpRule]) -> Qualified {
    let arms = ["a", "b"].map(|name| Arm {
        id: ArmId::new(name),
        title: name.into(),
        control: false,
        keys: [(SourceId::new("landing"), vec![name.to_owned()])].into(),
        price: None,
        until: None,
    });
    let keys = ArmKeys::of(&arms, &[]);
    let days = DateWindow::new("2026-03-02".parse().unwrap(), "2026-03-31".parse().unwrap()).unwrap();
    let internal = [DomainHash::from_hex("ours".into())].into();
    let depths = BTreeMap::new();
    let tellers = others.iter().map(|(source, metrics)| (source, *metrics, vec![0])).collect();
    let rules = Rules { keys: &keys, zone: Tz::Europe__Berlin, days, depths, icp, internal: &internal, tellers };
    qualified(responses, &rules)
}

fn judge(responses: &[Response], icp: &[IcpRule]) -> Qualified {
    judge_beside(&[], responses, icp)
}

/// Position of the arm and day of each act that counts as something.
fn counted(found: &Qualified, metric: MetricId) -> Vec<(usize, String)> {
    let acts = found.acts.iter().filter(|act| act.metric == metric);
    acts.map(|act| (act.arm, act.day.to_string())).collect()
}

fn count(responses: &[Response]) -> Vec<(usize, String)> {
    counted(&judge(responses, &[]), MetricId::SIGNUPS)
}

/// How many for each reason.
fn left_out(found: &Qualified) -> Vec<(LeftOut, u32)> {
    let mut sums: BTreeMap<LeftOut, u32> = BTreeMap::new();
    for (&(_, _, why), &count) in &found.left_out {
        *sums.entry(why).or_default() += count;
    }
    sums.into_iter().collect()
}

#[test]
fn a_person_counts_once_at_the_first_act_across_arms() {
    let acts = count(&[
        response("2", Some("ann"), "b", "2026-03-05T12:00:00Z"),
        response("1", Some("ann"), "a", "2026-03-04T12:00:00Z"),
        response("3", Some("bob"), "b", "2026-03-06T12:00:00Z"),
    ]);
    assert_eq!(acts, [(0, "2026-03-04".to_owned()), (1, "2026-03-06".to_owned())]);
}

#[test]
fn equal_instants_go_to_the_first_source_then_the_first_id() {
    let mut early = response("9", Some("ann"), "b", "2026-03-04T12:00:00Z");
    early.source = SourceId::new("form");
    let same = "2026-03-04T12:00:00Z";
    assert_eq!(count(&[response("2", Some("ann"), "a", same), response("1", Some("ann"), "b", same)])[0].0, 1);
    // "form" has no keys for any arm here, so it cannot take Ann away from "landing".
    assert_eq!(count(&[early, response("2", Some("ann"), "a", same)]).len(), 1);
}

#[test]
fn unknown_people_count_each_and_the_same_id_counts_once() {
    let act = response("1", None, "a", "2026-03-04T12:00:00Z");
    let other = response("2", None, "a", "2026-03-04T12:00:00Z");
    assert_eq!(count(&[act.clone(), other, act]).len(), 2);
}

#[test]
fn an_act_that_names_nobody_is_what_it_is_and_never_verified() {
    let nameless = |id: &str, depth| Response { depth, ..response(id, None, "a", "2026-03-04T12:00:00Z") };
    let acts = [
        nameless("1", Depth::VerifiedEmail),
        nameless("2", Depth::Demo),
        nameless("3", Depth::Booking),
        Response { void: Some(Void::Refunded), ..nameless("4", Depth::Order) },
    ];
    let metrics = |found: &Qualified| found.acts.iter().map(|act| act.metric).collect::<Vec<_>>();
    let alone = judge(&acts, &[]);
    let each = [MetricId::SIGNUPS, MetricId::DEMOS, MetricId::SIGNUPS, MetricId::PAYMENTS, MetricId::REFUNDS];
    assert_eq!(metrics(&alone), each);
    // A second form may have the same people, and the till has none of the demos.
    let verified = [each.as_slice(), &[MetricId::VERIFIED_SIGNUPS, MetricId::QUALIFIED_SIGNUPS]].concat();
    let beside: [(SourceId, &[MetricId]); 3] = [
        (SourceId::new("landing"), &verified),
        (SourceId::new("form"), &[MetricId::SIGNUPS]),
        (SourceId::new("till"), &[MetricId::DEPOSITS]),
    ];
    let found = judge_beside(&beside, &acts, &[]);
    assert_eq!(metrics(&found), [MetricId::DEMOS, MetricId::PAYMENTS, MetricId::REFUNDS]);
    assert_eq!(left_out(&found), [(LeftOut::Nameless, 2)]);
    let doubtful = |metric| found.nameless.iter().filter(|(_, act)| act.metric == metric).count();
    assert_eq!(doubtful(MetricId::SIGNUPS), 2);
    assert_eq!(doubtful(MetricId::QUALIFIED_SIGNUPS), 4, "were they verified, as their sources say");
}

#[test]
fn d2_a_restated_act_counts_as_last_known() {
    let before = response("1", Some("ann"), "a", "2026-03-04T12:00:00Z");
    let now = Response { arm_key: "b".into(), pull_id: 2, ..before.clone() };
    assert_eq!(count(&[now.clone(), before.clone()]), count(&[before, now]));
}

#[test]
fn days_are_cut_in_the_experiments_zone_and_outside_ones_do_not_count() {
    // 23:30 UTC is the next day in Berlin.
    let acts = count(&[
        response("1", Some("ann"), "a", "2026-03-04T23:30:00Z"),
        response("2", Some("bob"), "a", "2026-03-31T23:30:00Z"),
        response("3", Some("cy"), "a", "2026-03-01T22:59:00Z"),
        response("4", Some("dee"), "elsewhere", "2026-03-04T12:00:00Z"),
        Response { depth: Depth::Click, ..response("5", Some("eve"), "a", "2026-03-04T12:00:00Z") },
    ]);
    assert_eq!(acts, [(0, "2026-03-05".to_owned())]);
}

#[test]
fn trials_colleagues_and_throwaway_addresses_count_for_nothing_and_are_counted() {
    let marked = |id: &str, mark| Response { mark, ..response(id, Some(id), "a", "2026-03-04T12:00:00Z") };
    let colleague = Response { domain: Some(DomainHash::from_hex("ours".into())), ..marked("4", None) };
    let paid = Response { depth: Depth::Deposit, ..marked("5", Some(Mark::Disposable)) };
    let found = judge(
        &[marked("1", None), marked("2", Some(Mark::Test)), marked("3", Some(Mark::Disposable)), colleague, paid],
        &[],
    );
    assert_eq!(counted(&found, MetricId::SIGNUPS).len(), 2, "money is money, whatever the address");
    assert_eq!(left_out(&found), [(LeftOut::Test, 1), (LeftOut::Internal, 1), (LeftOut::Disposable, 1)]);
}

#[test]
fn somebody_qualifies_once_both_the_address_is_verified_and_the_answers_fit() {
    let found = judge(
        &[
            verified("1", "ann", "2026-03-04T12:00:00Z", &[("employees", "51-200")]),
            verified("2", "bob", "2026-03-04T12:00:00Z", &[("employees", "201+")]),
            verified("3", "cy", "2026-03-04T12:00:00Z", &[]),
            response("4", Some("dee"), "a", "2026-03-04T12:00:00Z"),
        ],
        &employees(),
    );
    assert_eq!(counted(&found, MetricId::SIGNUPS).len(), 4);
    assert_eq!(counted(&found, MetricId::VERIFIED_SIGNUPS).len(), 3);
    assert_eq!(counted(&found, MetricId::QUALIFIED_SIGNUPS), [(0, "2026-03-04".to_owned())]);
    assert_eq!(left_out(&found), [(LeftOut::OutsideIcp, 1), (LeftOut::IcpUnknown, 1)]);
}

#[test]
fn an_address_verified_elsewhere_counts_from_the_day_it_was() {
    let form = response("1", Some("ann"), "b", "2026-03-04T12:00:00Z");
    // The mailing list knows no arm, and the form no verified address: together they do.
    let mut list = verified("9", "ann", "2026-03-06T12:00:00Z", &[("employees", "100")]);
    (list.source, list.arm_key) = (SourceId::new("list"), String::new());
    let found = judge(&[form, list], &employees());
    assert_eq!(counted(&found, MetricId::SIGNUPS), [(1, "2026-03-04".to_owned())]);
    assert_eq!(counted(&found, MetricId::QUALIFIED_SIGNUPS), [(1, "2026-03-06".to_owned())]);
}

#[test]
fn money_paid_back_a_moved_booking_and_a_no_show_are_no_deposit_and_no_demo() {
    let at = |hour: u32| format!("2026-03-04T{hour:02}:00:00Z");
    let found = judge(
        &[
            deeper(Depth::Deposit, None, "1", "ann", &at(8)),
            deeper(Depth::Deposit, Some(Void::Refunded), "2", "bob", &at(8)),
            deeper(Depth::Demo, Some(Void::Canceled), "3", "cy", &at(8)),
            deeper(Depth::Demo, None, "4", "cy", &at(9)),
            deeper(Depth::Demo, None, "5", "cy", &at(10)),
            deeper(Depth::Demo, Some(Void::NoShow), "6", "dee", &at(8)),
        ],
        &[],
    );
    let metrics = [MetricId::PAYMENTS, MetricId::REFUNDS, MetricId::DEPOSITS, MetricId::DEMOS, MetricId::SIGNUPS];
    assert_eq!(metrics.map(|metric| counted(&found, metric).len()), [2, 1, 1, 1, 4]);
    assert_eq!(left_out(&found), [(LeftOut::Repeat, 2), (LeftOut::Canceled, 1), (LeftOut::NoShow, 1)]);
}

#[test]
fn a_refund_counts_where_its_payment_does_and_only_of_who_has_nothing_left_paid() {
    let at = |day: u32| format!("2026-03-{day:02}T12:00:00Z");
    let refunded = Some(Void::Refunded);
    let found = judge(
        &[
            deeper(Depth::Deposit, refunded, "1", "ann", &at(4)),
            deeper(Depth::Order, refunded, "2", "ann", &at(5)),
            deeper(Depth::Deposit, refunded, "3", "bob", &at(6)),
            deeper(Depth::Deposit, None, "4", "bob", &at(7)),
            deeper(Depth::Deposit, None, "5", "cy", &at(8)),
            deeper(Depth::Deposit, refunded, "6", "cy", &at(9)),
        ],
        &[],
    );
    let days = |metric| counted(&found, metric).into_iter().map(|(_, day)| day).collect::<Vec<_>>();
    assert_eq!(days(MetricId::PAYMENTS), ["2026-03-04", "2026-03-06", "2026-03-08"]);
    assert_eq!(days(MetricId::REFUNDS), ["2026-03-04"], "bob and cy have something paid");
    assert_eq!(days(MetricId::DEPOSITS), ["2026-03-07", "2026-03-08"]);
}

#[test]
fn a_booking_that_was_called_off_is_not_even_a_signup_and_one_nobody_came_to_was_booked() {
    let found = judge(
        &[
            deeper(Depth::Booking, Some(Void::Canceled), "1", "ann", "2026-03-04T08:00:00Z"),
            deeper(Depth::Booking, None, "2", "ann", "2026-03-05T08:00:00Z"),
            deeper(Depth::Booking, Some(Void::Canceled), "3", "bob", "2026-03-04T08:00:00Z"),
            deeper(Depth::Booking, Some(Void::NoShow), "4", "cy", "2026-03-04T08:00:00Z"),
        ],
        &[],
    );
    assert_eq!(counted(&found, MetricId::SIGNUPS), [(0, "2026-03-04".to_owned()), (0, "2026-03-05".to_owned())]);
    assert_eq!(left_out(&found), [(LeftOut::Canceled, 2), (LeftOut::NoShow, 1)]);
}

/// Everything that counts, however it came about.
fn sums(found: &Qualified) -> Vec<(usize, NaiveDate, MetricId)> {
    let mut all: Vec<_> = found.acts.iter().map(|act| (act.arm, act.day, act.metric)).collect();
    all.sort();
    all
}

fn any_response() -> impl Strategy<Value = Response> {
    let person = proptest::option::of(0..6_u32);
    let void = proptest::option::of(proptest::sample::select(Void::ALL.to_vec()));
    let arm = proptest::sample::select(vec!["a", "b", "elsewhere", ""]);
    let depth = proptest::sample::select(Depth::ALL.to_vec());
    let source = proptest::sample::select(vec!["landing", "list"]);
    let answer = proptest::option::of("[0-9]{1,3}");
    (0..40_u32, person, depth, void, arm, source, 0..60_i64, answer).prop_map(
        |(id, person, depth, void, arm, source, hours, answer)| Response {
            source: SourceId::new(source),
            person: person.map(|number| PersonHash::from_hex(format!("{number}"))),
            depth,
            void,
            answers: answer.map(|answer| ("employees", answer)).into_iter().collect(),
            at: "2026-03-04T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + chrono::Duration::hours(hours),
            ..response(&id.to_string(), None, arm, "2026-03-04T00:00:00Z")
        },
    )
}

fn any_responses() -> impl Strategy<Value = Vec<Response>> {
    proptest::collection::vec(any_response(), 0..30).prop_map(|mut all| {
        // One state of each act: two of one pull would contradict each other, which the store refuses.
        let mut seen = HashSet::new();
        all.retain(|one| seen.insert((one.source.clone(), one.response_id.clone())));
        all
    })
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter(responses in any_responses(), seed in any::<u64>()) {
        let mut shuffled = responses.clone();
        shuffled.sort_by_key(|one| {
            use std::hash::{DefaultHasher, Hash, Hasher};
            let mut hasher = DefaultHasher::new();
            (seed, &one.response_id, &one.source).hash(&mut hasher);
            hasher.finish()
        });
        let (one, other) = (judge(&responses, &employees()), judge(&shuffled, &employees()));
        prop_assert_eq!(sums(&one), sums(&other));
        prop_assert_eq!(one.left_out, other.left_out);
    }

    #[test]
    fn an_act_that_counts_for_nothing_changes_nothing(responses in any_responses(), extra in any_response(), why in 0..3) {
        let mut with = responses.clone();
        let mut extra = Response { source: SourceId::new("landing"), response_id: "extra".into(), ..extra };
        match why {
            0 => extra.mark = Some(Mark::Test),
            1 => extra.domain = Some(DomainHash::from_hex("ours".into())),
            _ => (extra.mark, extra.depth) = (Some(Mark::Disposable), Depth::VerifiedEmail),
        }
        with.push(extra);
        prop_assert_eq!(sums(&judge(&responses, &employees())), sums(&judge(&with, &employees())));
    }

    #[test]
    fn nobody_counts_twice_and_no_depth_has_more_than_the_one_above(responses in any_responses()) {
        let found = judge(&responses, &employees());
        let count = |metric| found.acts.iter().filter(|act| act.metric == metric).count();
        prop_assert!(count(MetricId::QUALIFIED_SIGNUPS) <= count(MetricId::VERIFIED_SIGNUPS));
        prop_assert!(count(MetricId::VERIFIED_SIGNUPS) <= count(MetricId::SIGNUPS));
        prop_assert!(count(MetricId::REFUNDS) <= count(MetricId::PAYMENTS));
        let known: HashSet<_> = responses.iter().filter_map(|one| one.person.as_ref()).collect();
        let unknown = responses.iter().filter(|one| one.person.is_none()).count();
        prop_assert!(MetricId::all().all(|metric| count(metric) <= known.len() + unknown));
    }
}
