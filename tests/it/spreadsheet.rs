//! The way of a person who has nothing but a downloaded report: init, import, run --once, status,
//! explain, each as typed at a terminal.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use chrono::{Days, NaiveDate, Utc};

fn willitsell(folder: &Path, arguments: &[&str], typed: &str) -> (i32, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_willitsell"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("WILLITSELL_CONFIG")
        .env_remove("WILLITSELL_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who reads no answers may have ended already.
    let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code().unwrap(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

/// Far enough back that all of it has settled.
fn first_day() -> NaiveDate {
    Utc::now().date_naive() - Days::new(40)
}

/// Twenty days of two campaigns, one name with a comma, that bring `act` at 8 in 100 clicks.
fn report(folder: &Path, act: &str) {
    let mut text = format!("Day,Campaign,Clicks,Cost,Currency code,{act}\n");
    for day in first_day().iter_days().take(20) {
        text += &format!("{day},\"Kit, search\",60,40.00,EUR,5\n{day},Kit - video,40,30.00,EUR,3\n");
    }
    fs::write(folder.join("report.csv"), text).unwrap();
}

fn configured(campaigns: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let answers = format!("Kit\n\nx\n\n\n\n\n{campaigns}\n\n3\n5\n\n\n{}\n\n", first_day());
    let (code, said) = willitsell(folder.path(), &["init"], &answers);
    assert!(code == 0 && said.starts_with("willitsell.toml is written. Next: `willitsell check`.\n"), "{said}");
    folder
}

#[test]
fn from_a_report_to_a_verdict_every_step_names_the_next() {
    let folder = configured("");
    let folder = folder.path();
    report(folder, "Conversions");
    let go = |arguments: &[&str]| willitsell(folder, arguments, "");

    let (code, said) = go(&["check"]);
    assert!(code == 0 && said.contains("`willitsell import FILE --source ads --dry-run`"), "{said}");
    let line = "keys = { ads = [\"Kit\", \"Kit - video\", \"Kit, search\"] }";
    let (code, said) = go(&["import", "report.csv", "--dry-run"]);
    assert!(code == 0 && said.contains("Nothing was stored (dry run)"), "{said}");
    assert!(said.contains("Kit: arm offer of kit, but not in this file"), "{said}");
    assert!(said.contains("[experiment.kit.arm.offer]") && said.contains(line), "{said}");
    assert!(said.lines().all(|line| line.chars().count() <= 100), "{said}");
    let (code, said) = go(&["import", "report.csv"]);
    assert!(code == 0 && said.contains("40 rows new") && said.contains("`willitsell run --once`"), "{said}");

    for arguments in [&["run", "--once"][..], &["status"], &["explain", "kit"]] {
        let (_, said) = go(arguments);
        assert!(said.contains("BLOCKED: Kit, no verdict until this is fixed. All spend to "), "{said}");
        assert!(said.contains(" (€1,400) went to"), "{said}");
        assert!(said.contains(line), "{arguments:?}: {said}");
        assert_eq!(said.matches("no verdict until this is fixed").count(), 1, "{said}");
    }
    assert_eq!(go(&["status"]).0, 20);

    let path = folder.join("willitsell.toml");
    let text = fs::read_to_string(&path).unwrap().replace("keys = { ads = [\"Kit\"] }", line);
    fs::write(&path, text).unwrap();
    let (code, said) = go(&["run", "--once", "--json"]);
    assert_eq!((code, said.matches("\"generation\"").count()), (0, 1), "{said}");
    let decided: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!((&decided["concept"], &decided["scorecard"]["verdict"]), (&"kit".into(), &"BUILD".into()), "{said}");
    let (code, said) = go(&["status"]);
    assert!(
        code == 10 && said.starts_with("kit: BUILD: Kit, reached on ") && said.contains(". 160 of 2,000 clicks (8.0%"),
        "{said}"
    );
    let (_, said) = go(&["explain", "kit"]);
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("in either case: two ads spent €70 together on ") && words.contains(", the last day known."),
        "{said}"
    );
    assert_eq!(
        said.matches("do not count, because not every source was read after they had settled").count(),
        1,
        "unread days share a line: {said}"
    );
}

#[test]
fn a_report_that_does_not_count_what_decides_is_refused() {
    let folder = configured("Kit, search; Kit - video");
    let folder = folder.path();
    report(folder, "Leads");
    for arguments in [&["import", "report.csv"][..], &["import", "report.csv", "--dry-run"]] {
        let (code, said) = willitsell(folder, arguments, "");
        assert!(code == 1 && said.contains("does not count conversions, and kit decides on"), "{said}");
        assert!(said.contains("write numerator = \"leads\" under [experiment.kit.rate.act]"), "{said}");
    }
    let (_, said) = willitsell(folder, &["run", "--once"], "");
    assert!(said.contains("BLOCKED") && said.contains("`willitsell import FILE --source ads`"), "{said}");
}

#[test]
fn days_before_the_start_are_named() {
    let folder = configured("Kit, search; Kit - video");
    let folder = folder.path();
    report(folder, "Conversions");
    let path = folder.join("willitsell.toml");
    let text = fs::read_to_string(&path).unwrap();
    let today = Utc::now().date_naive();
    fs::write(&path, text.replace(&first_day().to_string(), &today.to_string())).unwrap();
    let (_, said) = willitsell(folder, &["import", "report.csv", "--dry-run"], "");
    assert!(said.contains(&format!("All its days are before the start of kit, {today}")), "{said}");
}

/// A configuration whose experiment reads a source that is not written.
fn unwritten(folder: &Path) -> String {
    let path = folder.join("willitsell.toml");
    let text = fs::read_to_string(&path).unwrap();
    let from = text.find("[source.ads]").unwrap();
    let to = from + text[from..].find("\n[experiment").unwrap();
    let text =
        format!("{}# my test\n{}", &text[..from], &text[to..]).replace("keys = { ads = [\"Kit\"] }", "keys = {}");
    fs::write(&path, &text).unwrap();
    text
}

#[test]
fn one_command_brings_a_file_to_a_verdict_and_the_next_import_needs_no_words() {
    let folder = configured("");
    let folder = folder.path();
    report(folder, "Sales");
    let before = unwritten(folder);
    let path = folder.join("willitsell.toml");
    let go = |arguments: &[&str]| willitsell(folder, arguments, "");
    let save = ["import", "report.csv", "--save", "--set", "conversions_column=sales", "--keys", "offer=Kit, search"];
    let save = [&save[..], &["--keys", "offer=Kit - video"]].concat();

    // Who does not know the names yet is shown them.
    let (code, said) = go(&["import", "report.csv", "--save", "--set", "conversions_column=Sales", "--dry-run"]);
    assert!(code == 2 && said.contains("\n  Kit - video\n  Kit, search\n"), "{said}");
    let (code, said) = go(&[&save[..], &["--dry-run"]].concat());
    assert!(code == 0 && said.contains("Nothing was stored or saved (dry run)"), "{said}");
    for line in
        ["+ [source.ads]", "+ connector = \"file\"", "+ clicks_column = \"Clicks\"", "+ conversions_column = \"sales\""]
    {
        assert!(said.contains(&format!("\n  {line}\n")), "{line}: {said}");
    }
    assert!(said.contains("Kit, search: arm offer of kit"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), before);

    let (code, said) = go(&save);
    assert!(code == 0 && said.contains("40 rows new"), "{said}");
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("# my test") && text.contains("keys = { ads = [\"Kit, search\", \"Kit - video\"] }"),
        "{text}"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (_, said) = go(&["run", "--once"]);
    assert!(said.contains("BUILD: Kit"), "{said}");

    let (code, said) = go(&["import", "report.csv"]);
    assert!(code == 0 && said.contains("0 rows new, 0 changed"), "{said}");
    let (code, said) = go(&save);
    assert!(code == 0 && said.contains("Saves     nothing: willitsell.toml says all of it"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let left =
        fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.file_name().to_string_lossy().contains("tmp"));
    assert_eq!(left.count(), 0, "no file is left beside it");

    // What a later report calls otherwise is asked about, and not left out.
    let renamed = fs::read_to_string(folder.join("report.csv")).unwrap().replace("Clicks", "All clicks");
    fs::write(folder.join("report.csv"), renamed).unwrap();
    let (code, said) = go(&["import", "report.csv"]);
    assert!(
        code == 1 && said.contains("no column is called \"Clicks\"") && said.contains("--set clicks_column="),
        "{said}"
    );
    let (code, said) = go(&["import", "report.csv", "--set", "clicks_column=All clicks"]);
    assert!(code == 0 && said.contains("0 rows new, 0 changed"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "said for one file alone");
    let (code, said) = go(&["import", "report.csv", "--set", "clicks_colum=All clicks"]);
    assert!(code == 2 && said.contains("did you mean clicks_column?"), "{said}");
}

#[test]
fn what_would_not_pass_check_is_neither_saved_nor_stored() {
    let folder = configured("Kit, search; Kit - video");
    let folder = folder.path();
    report(folder, "Conversions");
    let path = folder.join("willitsell.toml");
    let before = fs::read_to_string(&path).unwrap();
    for (arguments, words) in [
        (&["--set", "arm_colum=Campaign"][..], "did you mean arm_column?"),
        (&["--set", "currency=euro"], "source.ads.settings.currency does not have the form"),
        (&["--keys", "ofer=Kit"], "there is no [experiment.kit.arm.ofer]: did you mean offer?"),
        (&["--concept", "kitt"], "there is no [experiment.kitt]: did you mean kit?"),
        (&["--set", "day_zone=Berlin"], "did you mean \"Europe/Berlin\"?"),
        (&["--source", "No Name"], "cannot be a name"),
        (&["--set", "arm_column=Campaing"], "The nearest are \"Campaign\""),
    ] {
        let (code, said) = willitsell(folder, &[&["import", "report.csv", "--save"][..], arguments].concat(), "");
        assert!(code > 0 && said.contains(words), "{arguments:?}: {said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), before, "{arguments:?}");
    }
    let (_, said) = willitsell(folder, &["run", "--once"], "");
    assert!(said.contains("BLOCKED"), "nothing was stored: {said}");
    let (code, said) = willitsell(folder, &["import", "report.csv", "--keys", "offer=Kit"], "");
    assert!(code == 2 && said.contains("--save"), "{said}");
}
