//! A vendor renames a field that it leaves out where it is zero: from its rows alone that cannot be told from a
//! campaign without a single act. Days that had some keep them and nothing is decided; where there never were any, the
//! verdict says so.

use chrono::Duration;
use chrono_tz::Tz;
use willitsell::app::App;
use willitsell::decide::explain;
use willitsell::domain::id::SourceId;
use willitsell::domain::metric::MetricId;
use willitsell::domain::observation::DateWindow;
use willitsell::domain::verdict::{Reason, Unseen, Verdict};
use willitsell::sandbox::{Endpoint, Fault, Sandbox};
use willitsell::schedule::pull::{Errand, SourceFailed, pull};
use willitsell::schedule::tick::Ticked;
use willitsell::store::StoreError;

use super::{DAY, Kept, at, slot};
use crate::project::{Project, experiment, setup};

/// The demo's concepts, judged by what the platform counts as a conversion.
async fn by_conversions(sandbox: &Sandbox) -> (Project, App) {
    let project = Project::demo(sandbox);
    let text = std::fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
    project.write("willitsell.toml", text.replace("numerator = \"signups\"", "numerator = \"conversions\""));
    let app = project.app().await;
    (project, app)
}

/// From now on.
fn rename(sandbox: &Sandbox, from: &'static str, to: &'static str) {
    sandbox.script(Endpoint::GoogleAds, vec![Fault::Renamed(from, to); 500]);
}

async fn morning(app: &App, sandbox: &Sandbox, day: i64) -> Ticked {
    let now = at(DAY) + Duration::days(day);
    sandbox.set_now(now);
    slot(app, "cat-meals", now).await
}

#[tokio::test(flavor = "multi_thread")]
async fn h18_a_renamed_count_of_days_that_had_some_is_never_a_zero() {
    for (metric, field) in [("conversions", "conversions"), ("clicks", "clicks"), ("spend", "costMicros")] {
        let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
        let (project, app) = by_conversions(&sandbox).await;
        let Ticked::Decided { scorecard, .. } = morning(&app, &sandbox, 0).await else { panic!("{metric}") };
        assert_eq!((scorecard.scorecard.verdict, &scorecard.scorecard.unseen[..]), (Verdict::Build, &[][..]));
        let before = Kept::of(&app.parts.store, "search", "cat-meals").await.observations;

        rename(&sandbox, field, "renamedByTheVendor");
        for day in 1..=4 {
            let Ticked::Failed { failures, blocked } = morning(&app, &sandbox, day).await else { panic!("{metric}") };
            let said = failures[0].to_string();
            let begins = format!("search: nothing called `$.metrics.{field}` in any of ");
            assert!(said.starts_with(&begins), "{said}");
            assert!(
                said.contains(&format!(" rows, and {metric} would become zero for days that had some, last 2026-03-2"))
            );
            assert!(said.ends_with("put accept_shrink = \"2026-03-26\" under [source.search]") == (day == 1), "{said}");
            let verdict = blocked.map(|stored| stored.scorecard);
            assert_eq!(verdict.as_ref().map(|card| card.verdict), (day > 1).then_some(Verdict::Blocked), "{day}");
            let stale =
                |card: &willitsell::domain::verdict::Scorecard| matches!(card.reasons[..], [Reason::Stale { .. }]);
            assert!(verdict.as_ref().is_none_or(stale), "{verdict:?}");
        }
        assert_eq!(Kept::of(&app.parts.store, "search", "cat-meals").await.observations, before, "{metric}");
        app.parts.store.close().await;
        project.assert_no_secret_kept();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h18_where_a_count_never_was_the_verdict_says_that_it_may_have_another_name() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let (_project, app) = by_conversions(&sandbox).await;
    rename(&sandbox, "conversions", "renamedByTheVendor");
    let Ticked::Decided { scorecard, pulled } = morning(&app, &sandbox, 0).await else { panic!() };
    let card = scorecard.scorecard;
    assert_eq!(card.verdict, Verdict::Kill, "nobody can tell it from a campaign without an act");
    let [Unseen { metric: MetricId::CONVERSIONS, path, rows, last_day: None, .. }] = &card.unseen[..] else {
        panic!("{:?}", card.unseen)
    };
    assert!(path == "$.metrics.conversions" && *rows > 50, "{rows}");
    let sentence = explain::sentence(experiment(&app, "cat-meals"), &card);
    let told = format!(
        "No conversion was counted on any settled day: check the tracking before you believe this. Source \"search\" sent nothing called \
         \"$.metrics.conversions\" in any of {rows} rows: either there were no conversions yet, or the vendor renamed it."
    );
    assert!(sentence.ends_with(&told), "{sentence}");
    let warnings = &pulled.values().next_back().unwrap().warnings;
    assert!(warnings.iter().any(|said| said.contains("either there were none yet, or the vendor renamed it")));
    // It goes on like this without a fault: zeros take the place of zeros.
    assert!(matches!(morning(&app, &sandbox, 1).await, Ticked::Decided { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn h18_acts_struck_out_of_an_early_window_of_a_reading_are_no_renamed_field() {
    let read_on = at("2026-04-20T12:00:00Z");
    let sandbox = Sandbox::start(setup("2026-04-20T12:00:00Z")).await.unwrap();
    let (_project, app) = by_conversions(&sandbox).await;
    let access = &app.parts.sources[&SourceId::new("search")];
    // Two windows: Google is asked for 31 days at most.
    let window = DateWindow::new("2026-03-02".parse().unwrap(), "2026-04-20".parse().unwrap()).unwrap();
    let [early, late] = window.slices(Some(31))[..] else { panic!("{window:?}") };
    let read = async |window: DateWindow, hour: i64| {
        let now = read_on + Duration::hours(hour);
        let errand = Errand { run_id: "by hand", zone: Tz::UTC, due_at: now, now };
        pull(&app.parts, access, window, errand, None).await
    };
    let acts = async || {
        let inputs = app.parts.store.inputs(std::slice::from_ref(&access.source.id), window, None).await.unwrap();
        let (mut march, mut later) = (0, 0);
        for row in &inputs.observations {
            let sum = if early.contains(row.day) { &mut march } else { &mut later };
            *sum += row.values.get(MetricId::CONVERSIONS).unwrap_or(0);
        }
        (march, later)
    };
    let calls = async |window: DateWindow| {
        let asked = sandbox.calls(Endpoint::GoogleAds);
        read(window, 0).await.unwrap();
        usize::try_from(sandbox.calls(Endpoint::GoogleAds) - asked).unwrap()
    };
    let (of_early, of_late) = (calls(early).await, calls(late).await);
    let before = acts().await;
    assert!(before.0 > 0 && before.1 > 0, "{before:?}");
    let gone = |calls| vec![Fault::Renamed("conversions", "renamedByTheVendor"); calls];
    let there = |calls| vec![Fault::Renamed("nothing", "nothing"); calls];

    sandbox.script(Endpoint::GoogleAds, gone(of_early + of_late));
    let neither = read(window, 1).await;
    assert!(matches!(neither, Err(SourceFailed::Store(_, StoreError::Lost(_)))), "{neither:?}");
    assert_eq!(acts().await, before);
    // What stands in a later window is asked for before the early one is refused; then both are read.
    sandbox.script(Endpoint::GoogleAds, [gone(of_early), there(of_late), gone(of_early)].concat());
    read(window, 2).await.unwrap();
    assert_eq!(acts().await, (0, before.1));
}
