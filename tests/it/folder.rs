//! Exports that people drop into a folder: read by `pull` and `run` as the path of a source, and by `watch`, as typed at a
//! terminal. What overlaps is never added, and what a file lacks is never taken away in silence.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use chrono::{Days, NaiveDate, Utc};
use willitsell::domain::id::SourceId;
use willitsell::domain::metric::MetricId;
use willitsell::domain::millionths;
use willitsell::domain::observation::DateWindow;
use willitsell::store::Store;

const BOTH: [&str; 2] = ["Kit", "Video"];

struct Place(tempfile::TempDir);

impl Place {
    /// A configuration with a source of files, and an empty folder.
    fn new(settings: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("drops")).unwrap();
        let start = first();
        let text = format!(
            "[source.ads]\nconnector = \"file\"\n{settings}\n\
             [experiment.kit]\ntitle = \"Kit\"\nhypothesis = \"x\"\nschedule = \"0 6 * * *\"\ntimezone = \"UTC\"\nstart = \"{start}\"\n\
             sources = [\"ads\"]\n[experiment.kit.arm.offer]\nkeys = {{ ads = [\"Kit\", \"Video\"] }}\n\
             [experiment.kit.rate.act]\nnumerator = \"conversions\"\ndenominator = \"clicks\"\n\
             [experiment.kit.policy]\nprimary = \"act\"\nkill_bar = 0.03\n"
        );
        fs::write(place.path("willitsell.toml"), text).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_willitsell"));
        command.args(arguments).current_dir(self.0.path()).env_remove("WILLITSELL_CONFIG").env_remove("WILLITSELL_LOG");
        command
    }

    fn go(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.command(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }

    /// Drops a report of some days, counted from the first, written so many hours ago.
    fn drop(&self, name: &str, days: std::ops::Range<u64>, clicks: u64, campaigns: &[&str], hours: u64) {
        let mut text = "Day,Campaign,Clicks,Conversions\n".to_owned();
        for day in days {
            for campaign in campaigns {
                text += &format!("{},{campaign},{clicks},5\n", first() + Days::new(day));
            }
        }
        self.write(name, &text, hours);
    }

    fn write(&self, name: &str, text: &str, hours: u64) {
        let path = self.path("drops").join(name);
        fs::write(&path, text).unwrap();
        let then = SystemTime::now() - Duration::from_secs(hours * 3_600 + 60);
        File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }

    /// Clicks of all campaigns by day, counted from the first, and how many readings there were.
    fn stored(&self) -> (BTreeMap<i64, i64>, usize) {
        let database = fs::read_dir(self.0.path()).unwrap().flatten().map(|entry| entry.path());
        let database = database.into_iter().find(|path| path.extension().is_some_and(|end| end == "db")).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Store::open(&format!("sqlite://{}", database.display())).await.unwrap();
            let (source, days) = (SourceId::new("ads"), DateWindow::new(first(), Utc::now().date_naive()).unwrap());
            let mut clicks = BTreeMap::new();
            for row in store.inputs(std::slice::from_ref(&source), days, None).await.unwrap().observations {
                let day = (row.day - first()).num_days();
                *clicks.entry(day).or_default() +=
                    row.values.get(MetricId::CLICKS).unwrap_or_default() / millionths::ONE;
            }
            let readings = store.pulls(&source).await.unwrap().len();
            store.close().await;
            (clicks, readings)
        })
    }
}

fn first() -> NaiveDate {
    Utc::now().date_naive() - Days::new(40)
}

const FOLDER: &str = "settings = { path = \"drops\" }";

/// So many clicks for each stretch of days.
fn days(stretches: &[(std::ops::Range<i64>, i64)]) -> BTreeMap<i64, i64> {
    stretches.iter().flat_map(|(days, clicks)| days.clone().map(move |day| (day, *clicks))).collect()
}

#[test]
fn overlapping_exports_are_never_added_and_the_newest_speaks_for_each_day() {
    let place = Place::new(FOLDER);
    place.drop("new.csv", 8..15, 70, &BOTH, 10);
    place.drop("old.csv", 0..10, 60, &BOTH, 50);
    let (code, said) = place.go(&["pull"]);
    assert!(code == 0 && said.contains("34 rows on"), "{said}");
    let wanted = days(&[(0..8, 120), (8..15, 140)]);
    assert_eq!(place.stored(), (wanted.clone(), 2));

    let (code, said) = place.go(&["pull"]);
    assert!(code == 0 && said.contains("0 new, 0 changed"), "{said}");
    // The same content again, under a name and an hour of its own.
    place.drop("again.csv", 0..10, 60, &BOTH, 1);
    assert_eq!(place.go(&["pull"]).0, 0);
    assert_eq!(place.stored(), (wanted, 2), "nothing was read twice");

    // One that comes late is newer than one of the two.
    place.drop("late.csv", 5..12, 50, &BOTH, 30);
    assert_eq!(place.go(&["pull"]).0, 0);
    let wanted = days(&[(0..5, 120), (5..8, 100), (8..15, 140)]);
    assert_eq!(place.stored().0, wanted);
    // Between days of a newer one it speaks for both ends.
    place.drop("middle.csv", 20..25, 90, &BOTH, 5);
    place.drop("around.csv", 18..28, 80, &BOTH, 6);
    assert_eq!(place.go(&["pull"]).0, 0);
    let mut wanted = wanted;
    wanted.extend(days(&[(18..20, 160), (20..25, 180), (25..28, 160)]));
    assert_eq!(place.stored().0, wanted);
    place.drop("wide.csv", 16..30, 40, &BOTH, 5);
    let (code, said) = place.go(&["pull"]);
    assert_eq!(code, 0, "{said}");
    // What was read stays when its file is gone, and no older one comes back.
    for name in ["new.csv", "middle.csv"] {
        fs::remove_file(place.path("drops").join(name)).unwrap();
    }
    let before = place.stored();
    assert_eq!(place.go(&["pull"]).0, 0);
    assert_eq!(place.stored(), before);
}

#[test]
fn a_file_at_fault_is_named_keeps_no_other_out_and_takes_nothing_away() {
    let place = Place::new(FOLDER);
    place.drop("a.csv", 0..10, 60, &BOTH, 50);
    place.write("b.csv", &format!("Day,Campaign,Clicks\n{},Kit,60\n{},Kit\n", first(), first()), 40);
    place.drop("c.csv", 10..12, 70, &BOTH, 30);
    let (code, said) = place.go(&["pull"]);
    assert!(code == 1 && said.contains("b.csv: the file is cut") || said.contains("b.csv: line 3"), "{said}");
    let wanted = days(&[(0..10, 120), (10..12, 140)]);
    assert_eq!(place.stored().0, wanted, "the others were read, and nothing of this one");
    let (code, said) = place.go(&["run", "--once"]);
    assert!(code == 1 && said.contains("b.csv"), "no verdict beside a file that may say otherwise: {said}");
    fs::remove_file(place.path("drops/b.csv")).unwrap();

    // An export of one campaign would take the other's days away.
    place.drop("d.csv", 5..12, 65, &["Kit"], 20);
    let (code, said) = place.go(&["pull"]);
    assert!(code == 1 && said.contains("d.csv: it lacks figures for Video"), "{said}");
    assert_eq!(place.stored().0, wanted);
    let (code, said) = place.go(&["import", "drops/d.csv", "--replace"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(place.go(&["pull"]).0, 0, "it was read by hand");
    assert_eq!(place.stored().0, days(&[(0..5, 120), (5..12, 65)]));
}

#[test]
fn a_file_that_is_being_written_waits() {
    let place = Place::new(FOLDER);
    place.drop("done.csv", 0..3, 60, &BOTH, 2);
    place.write("download.csv.part", "Day,Campaign,Clicks\n", 2);
    let path = place.path("drops/slow.csv");
    let mut slow = File::create(&path).unwrap();
    writeln!(slow, "Day,Campaign,Clicks,Conversions\n{},Kit,9,1", first() + Days::new(5)).unwrap();
    let mut child = place.command(&["pull"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut day = 6;
    while child.try_wait().unwrap().is_none() {
        writeln!(slow, "{},Kit,9,1", first() + Days::new(day % 30)).unwrap();
        day += 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(said.contains("slow.csv is being written still"), "{said}");
    assert_eq!(place.stored().0, days(&[(0..3, 120)]));
    place.drop("slow.csv", 5..8, 9, &["Kit"], 1);
    assert_eq!(place.go(&["pull"]).0, 0);
    assert_eq!(place.stored().0, days(&[(0..3, 120), (5..8, 9)]));
}

#[test]
fn a_folder_that_is_watched_is_imported_file_by_file() {
    let place = Place::new("");
    place.drop("b.csv", 3..9, 70, &BOTH, 20);
    place.drop("a.csv", 0..5, 60, &BOTH, 30);
    place.write("c.csv", "nothing of a report\n", 10);
    let (code, said) = place.go(&["watch", "drops", "--once"]);
    assert!(code == 1 && said.contains("c.csv: no row with column names"), "{said}");
    let wanted = days(&[(0..3, 120), (3..9, 140)]);
    assert_eq!(place.stored(), (wanted.clone(), 2));
    let (_, said) = place.go(&["watch", "drops", "--once"]);
    assert!(said.contains("a.csv: read before"), "{said}");
    assert_eq!(place.stored(), (wanted, 2), "begun anew, it reads nothing twice");
    fs::remove_file(place.path("drops/c.csv")).unwrap();
    // What `import` would refuse to lose is refused here too.
    place.drop("d.csv", 3..9, 75, &["Kit"], 9);
    let (code, said) = place.go(&["watch", "drops", "--once"]);
    assert!(code == 1 && said.contains("it lacks figures for Video"), "{said}");
    fs::remove_file(place.path("drops/d.csv")).unwrap();
    assert!(place.go(&["watch", "nowhere"]).1.contains("nowhere is not a folder"));

    let mut child = place.command(&["watch", "drops"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("b.csv: read before")));
    place.drop("e.csv", 9..11, 80, &BOTH, 0);
    assert!(lines.any(|line| line.contains("Stored in source ads: 4 rows new")));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(place.stored().0, days(&[(0..3, 120), (3..9, 140), (9..11, 160)]));
}

#[test]
fn a_look_at_a_folder_is_a_look_at_its_newest_file() {
    let place = Place::new(FOLDER);
    let (code, said) = place.go(&["pull", "--dry-run"]);
    assert!(code == 1 && said.contains("holds no CSV, TSV or XLSX yet"), "{said}");
    place.drop("a.csv", 0..5, 60, &BOTH, 30);
    place.drop("b.csv", 3..9, 70, &["Kit"], 20);
    let (code, said) = place.go(&["pull", "--dry-run"]);
    assert!(code == 0 && said.contains("6 rows on"), "{said}");
    assert!(Path::new(&place.path("drops")).is_dir());
}
