//! Files that are damaged, cut, contradictory, enormous, or not tables at all.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use willitsell::connect::Connector;
use willitsell::connect::native::file::{FileConnector, understand};
use willitsell::domain::metric::MetricId;

use super::specimens::{expected, folder};
use super::{ZONE, import, pull, settings, total};

fn refusal(bytes: impl AsRef<[u8]>, pairs: &[(&str, &str)]) -> String {
    import(bytes, pairs).map(|(understood, _)| understood).unwrap_err()
}

#[test]
fn what_is_not_a_table_of_text_is_refused_by_name() {
    for (bytes, words) in [
        (&b""[..], "empty"),
        (b"PK\x03\x04\x14\0\x06\0", "XLSX"),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "XLS"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"%PDF-1.7", "PDF"),
        (b"\x7fELF\x02\x01\x01\0\0\0", "binary"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "no row with column names"),
        (b"{\"rows\":[]}", "no row with column names"),
        (b"Day,Campaign,Clicks\n", "no rows"),
        (b"Day,Campaign,Colour\n2026-03-02,A,red\n", "counts anything"),
    ] {
        let error = refusal(bytes, &[]);
        assert!(error.contains(words), "{words}: {error}");
    }
    let missing = understand(Path::new("/nowhere/export.csv"), &settings(&[]), ZONE).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/export.csv cannot be opened"), "{missing}");
    assert!(understand(&std::env::temp_dir(), &settings(&[]), ZONE).unwrap_err().to_string().contains("not a file"));
}

#[test]
fn x2_a_cut_file_is_refused_whole() {
    let text = "Day,Campaign,Clicks,Cost,Currency code\n2026-03-02,A,5,1.50,EUR\n2026-03-03,A,6,2.50,EUR\n";
    assert!(import(text, &[]).is_ok());
    for cut in text.len() - 23..text.len() - 4 {
        let error = refusal(&text[..cut], &[]);
        assert!(error.contains("line 3: the file is cut"), "{:?}: {error}", &text[..cut]);
    }
    // Cut inside the last field nothing is missing but the line end, and that is said.
    let (understood, _) = import(text.trim_end(), &[]).unwrap();
    assert!(understood.warnings[0].contains("the last line (3) has no line end"), "{:?}", understood.warnings);
    assert!(refusal("Day,Campaign,Clicks\n2026-03-02,A,5\n2026-03-03,\"A,6\n", &[]).contains("quote"));
}

#[test]
fn x2_one_giant_line_is_refused_by_its_cap() {
    let error = refusal("x".repeat(3 << 20), &[]);
    assert!(error.contains("1 MiB"), "{error}");
    let error = refusal(format!("Day,Campaign,Clicks\n2026-03-02,\"{}", "A\n".repeat(1 << 20)), &[]);
    assert!(error.contains("1 MiB"), "{error}");
}

#[test]
fn h13_a_repeated_row_is_refused_unless_something_tells_the_two_apart() {
    let text = |rows: &str| format!("Day,Campaign name,Ad name,Reach,Link clicks\n{rows}");
    let error = refusal(text("2026-03-02,A,x,9,5\n2026-03-02,A,y,9,5\n2026-03-02,A,x,9,5\n"), &[]);
    assert!(error.starts_with("line 4: this row is the same as line 2"), "{error}");
    let error = refusal(text("2026-03-02,A,x,9,5\n2026-03-02,A,x,8,6\n"), &[]);
    assert!(error.starts_with("line 3:") && error.contains("other numbers"), "{error}");
    let (understood, kept) = import(text("2026-03-02,A,x,9,5\n2026-03-02,A,y,9,5\n"), &[]).unwrap();
    assert_eq!((understood.rows, kept.len(), total(&understood, MetricId::CLICKS)), (2, 1, "10"));
    // Nothing and nothing is nothing.
    assert!(import(text("2026-03-02,A,x,0,0\n2026-03-02,A,x,0,0\n2026-03-03,A,x,1,1\n"), &[]).is_ok());
}

#[test]
fn h19_only_numbers_are_numbers() {
    for cell in ["NaN", "inf", "1e3", "1e400", "(5)", "<10", "0x1F", "five", "5%", "5 €", "1.2.3", "\"12,34\"", "5.5"]
    {
        let error = refusal(format!("Day,Campaign,Clicks\n2026-03-02,A,7\n2026-03-03,A,{cell}\n"), &[]);
        assert!(error.starts_with("line 3: \""), "{cell}: {error}");
    }
    let error = refusal("Day,Campaign,Cost,Currency\n2026-03-02,A,1.234,EUR\n", &[]);
    assert!(error.contains("setting `decimal`") && error.contains("line 2"), "{error}");
    for (decimal, spend) in [("comma", "1234"), ("point", "1.234")] {
        let (understood, _) =
            import("Day,Campaign,Cost,Currency\n2026-03-02,A,1.234,EUR\n", &[("decimal", decimal)]).unwrap();
        assert_eq!(total(&understood, MetricId::SPEND), spend);
    }
    // A wrong answer does not turn thousands into ones.
    let text = "Day,Campaign,Impr.\n2026-03-02,A,4.099\n";
    assert_eq!(total(&import(text, &[]).unwrap().0, MetricId::IMPRESSIONS), "4099");
    assert!(refusal(text, &[("decimal", "point")]).contains("is the decimal setting right"));
    let mixed = "Day,Campaign,Impr.,Cost,Currency\n2026-03-02,A,4.099,1.50,EUR\n";
    assert!(refusal(mixed, &[]).contains("written in two ways"));
}

#[test]
fn h20_negative_and_overflowing_counts_fail_and_upside_down_rows_are_reported() {
    for cell in ["-5", "\u{2212}5"] {
        assert!(refusal(format!("Day,Campaign,Clicks\n2026-03-02,A,{cell}\n"), &[]).contains("negative"));
    }
    let huge = "9000000000000";
    assert!(refusal(format!("Day,Campaign,Clicks\n2026-03-02,A,{huge}0\n"), &[]).contains("too large"));
    let twice = format!("Day,Campaign,Clicks\n2026-03-02,A,{huge}\n2026-03-03,A,{huge}\n");
    assert!(refusal(twice, &[]).contains("line 3: the sum"));
    let (understood, _) = import("Day,Campaign,Impr.,Clicks\n2026-03-02,A,5,9\n", &[]).unwrap();
    assert!(
        understood.warnings[0]
            .contains("more clicks than impressions, or more conversions than clicks, in 1 of 1 rows"),
        "{:?}",
        understood.warnings
    );
}

#[test]
fn h21_wrong_missing_and_future_days_are_refused() {
    for (day, words) in [
        ("2026-02-30", "not a day of the calendar"),
        ("2026-13-01", "not a day of the calendar"),
        ("soon", "not a day"),
        ("", "not a day"),
        ("2026-03-02|09", "not a day"),
        ("0026-03-02", "not a day"),
        ("2026-11-23", "lies in the future"),
        ("03.03.2026", "written in two ways"),
    ] {
        let error = refusal(format!("Day,Campaign,Clicks\n2026-03-01,A,5\n{day},A,6\n"), &[]);
        assert!(error.starts_with("line 3:") && error.contains(words), "{day}: {error}");
    }
    let open = "Day,Campaign,Clicks\n3/2/2026,A,5\n3/4/2026,A,6\n";
    assert!(refusal(open, &[]).contains("setting `day_order`"));
    let first = |order: &str| import(open, &[("day_order", order)]).unwrap().0.first.to_string();
    assert_eq!((first("day-first").as_str(), first("month-first").as_str()), ("2026-02-03", "2026-03-02"));
    // The sum of a day, without a name, beside named rows.
    assert!(
        refusal("Day,Campaign,Clicks\n2026-03-01,A,5\n2026-03-01,,5\n", &[]).contains("nothing that tells its arm")
    );
}

#[test]
fn money_has_one_known_currency_or_is_refused() {
    let text = |cost: &str, code: &str| {
        format!("Day,Campaign,Cost,Currency code\n2026-03-02,A,1.50,USD\n2026-03-03,A,{cost},{code}\n")
    };
    assert!(refusal(text("2.50", "EUR"), &[]).contains("USD on line 2 and in EUR here"));
    assert!(refusal(text("€2.50", "USD"), &[]).contains("in EUR here"));
    assert!(refusal(text("2.50", "USD"), &[("currency", "EUR")]).contains("take the setting out"));
    let unstated = "Day,Campaign,Cost\n2026-03-02,A,1.50\n";
    assert!(refusal(unstated, &[]).contains("setting `currency`"));
    assert_eq!(import(unstated, &[("currency", "CHF")]).unwrap().0.currency.unwrap().to_string(), "CHF");
    assert!(refusal("Day,Campaign,Cost\n2026-03-02,A,$1.50\n", &[]).contains("several currencies"));
    assert_eq!(import("Day,Campaign,Clicks\n2026-03-02,A,5\n", &[]).unwrap().0.currency, None);
}

#[test]
fn what_the_connector_offers_and_arms_without_end() {
    let connector = FileConnector::new();
    let info = connector.info();
    assert_eq!((info.name.as_str(), info.scheduled_by, info.needs_login), ("file", Some("path"), false));
    assert!(info.settings.iter().all(|setting| setting.optional && !setting.secret && !setting.help.is_empty()));
    let mut text = b"Day,Campaign,Clicks\n".to_vec();
    for number in 0..=20_000 {
        writeln!(text, "2026-03-02,A{number},1").unwrap();
    }
    assert!(refusal(text, &[]).contains("more than 20000 different values"));
}

#[test]
fn the_zone_is_the_files_own_or_said_or_the_experiments() {
    let plain = "Day,Campaign,Clicks\n2026-03-02,A,5\n";
    let stated = "Campaign Performance Report (in UTC)\nStart Date (in UTC),Campaign Name,Clicks\n3/15/2026,A,5\n3/16/2026,A,5\n";
    let zone = |text: &str, pairs: &[(&str, &str)]| {
        let (understood, _) = import(text, pairs).unwrap();
        (understood.day_zone.to_string(), understood.day_zone_from)
    };
    assert_eq!(zone(stated, &[]), ("UTC".to_owned(), "file".to_owned()));
    assert_eq!(zone(plain, &[("day_zone", "Asia/Tokyo")]), ("Asia/Tokyo".to_owned(), "setting".to_owned()));
    assert_eq!(zone(plain, &[]), ("Europe/Berlin".to_owned(), "experiment".to_owned()));
    assert!(refusal(stated, &[("day_zone", "Asia/Tokyo")]).contains("take the setting out"));
    assert!(refusal(plain, &[("day_zone", "Atlantis")]).contains("Europe/Berlin"));
}

#[test]
fn p2_a_fault_on_the_last_of_many_rows_fails_the_whole() {
    let mut text = b"Day,Campaign,Clicks\n".to_vec();
    for number in 0..3_000 {
        writeln!(text, "2026-03-02,A{number},1").unwrap();
    }
    assert_eq!(import(&text, &[]).unwrap().0.rows, 3_000);
    text.extend_from_slice(b"2026-03-02,B,one\n");
    assert!(refusal(text, &[]).starts_with("line 3002:"));
}

/// Writes a report of about `bytes`.
fn big_report(path: &Path, bytes: usize) -> u64 {
    let mut file = BufWriter::new(std::fs::File::create(path).unwrap());
    let (mut written, mut rows) = (0, 0);
    let padding = " of a long name".repeat(12);
    writeln!(file, "Day,Campaign,Ad,Currency code,Impr.,Clicks,Cost").unwrap();
    while written < bytes {
        let (day, arm) = (rows % 28 + 1, rows / 28 % 40);
        let line = format!("2026-02-{day:02},Concept {arm},creative {rows}{padding},EUR,\"1,234\",12,3.45\n");
        file.write_all(line.as_bytes()).unwrap();
        written += line.len();
        rows += 1;
    }
    file.flush().unwrap();
    rows
}

/// Most memory this process ever held, in kB; `None` where the system does not say.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

const BIG: &str = "WILLITSELL_TEST_BIG_REPORT";

/// The other half of [`x2_memory_does_not_grow_with_the_file`], in a process of its own, so that the peak is
/// this work's and no other test's.
#[test]
fn x2_inside_the_child() {
    let Ok(path) = std::env::var(BIG) else { return };
    let before = peak();
    let understood = understand(Path::new(&path), &settings(&[]), ZONE).unwrap();
    let grown = before.zip(peak()).map(|(before, after)| after - before);
    println!("rows={} grown={}", understood.rows, grown.unwrap_or_default());
}

#[test]
fn x2_memory_does_not_grow_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.csv");
    let rows = big_report(&path, 50 << 20);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "import_files::hostile::x2_inside_the_child", "--nocapture", "--test-threads=1"])
        .env(BIG, &path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    let number = |name: &str| -> u64 {
        let start = text.find(name).unwrap_or_else(|| panic!("{text}")) + name.len();
        text[start..].chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
    };
    assert_eq!(number("rows="), rows);
    // Most of it are pages of this program, read in as they are used: a file of 2 MiB takes 23 MB, one of 25 or 50 takes 25.
    assert!(number("grown=") < 32 * 1024, "memory grew by {} kB for 50 MiB", number("grown="));
}

/// A specimen damaged somewhere.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..4_u8)
        .prop_map(|(which, from, to, byte, how)| {
            let Some(folder) = folder() else { return vec![byte] };
            let names: Vec<String> = expected(&folder).keys().cloned().collect();
            let mut bytes = std::fs::read(folder.join(which.get(&names))).unwrap();
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            match how {
                0 => bytes.truncate(from),
                1 => bytes[from] = byte,
                2 => drop(bytes.drain(from.min(to)..from.max(to))),
                _ => bytes.insert(from, byte),
            }
            bytes
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn x1_any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = import(&bytes, &[]);
    }

    #[test]
    fn x1_any_table_is_read_or_refused(rows in prop::collection::vec("[-0-9a-z.,;\"\t€ ]{0,30}", 0..8)) {
        let _ = import(format!("Day,Campaign,Clicks,Cost (EUR)\n{}", rows.join("\n")), &[]);
    }

    #[test]
    fn x1_a_damaged_specimen_is_read_or_refused(bytes in damaged()) {
        let _ = import(&bytes, &[("arm", "a")]);
    }
}

#[test]
fn x2_a_specimen_cut_anywhere_never_invents_a_number() {
    let Some(folder) = folder() else { return };
    let whole = std::fs::read(folder.join("tiktok_daily.csv")).unwrap();
    let path = folder.join("tiktok_daily.csv");
    let (full, _) = pull(&path, &[]).unwrap();
    for cut in 0..whole.len() {
        let Ok((understood, kept)) = import(&whole[..cut], &[]) else { continue };
        let same = kept.iter().filter(|(key, value)| full.get(*key) == Some(*value)).count();
        // All rows are rows of the whole file, but for a last one that is warned of.
        let warned = understood.warnings.iter().any(|warning| warning.contains("no line end"));
        assert!(same == kept.len() || warned, "cut at {cut}");
    }
}
