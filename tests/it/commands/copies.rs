//! `backup` and `export`: what a person at a terminal, and a program, get to see of them.

use std::os::unix::fs::PermissionsExt;

use super::SMALL;
use crate::project::{Project, json_lines};
use crate::store::power::of_an_earlier_program;

fn with_days() -> Project {
    let project = Project::new(SMALL);
    project.write(
        "report.csv",
        "Day,Campaign,Impr.,Clicks,Cost,Conversions\n2026-03-02,A,100,10,3.50,1\n2026-03-02,=cmd|' /C calc'!A0,5,1,0.25,0\n",
    );
    let imported = project.run(&["import", "report.csv", "--source", "ads", "--set", "currency=EUR"]);
    assert_eq!(imported.code, 0, "{imported:#?}");
    project
}

#[test]
fn s13_a_backup_is_made_checked_and_put_back_by_its_own_steps() {
    let project = with_days();
    let made = project.run(&["backup", "monday.db"]);
    assert_eq!(made.code, 0, "{made:#?}");
    for words in ["To put it back:", "1. Stop every willitsell.", "willitsell.db-wal", "willitsell status"] {
        assert!(made.stdout.contains(words), "{words}: {}", made.stdout);
    }
    let again = project.run(&["backup", "monday.db"]);
    assert_eq!((again.code, again.stdout.as_str()), (1, ""));
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
    let told = json_lines(&project.succeeds(&["backup", "tuesday.db", "--json"])).remove(0);
    assert!(told["bytes"].as_u64().unwrap() > 4096 && told["restore"].as_array().unwrap().len() > 3, "{told}");
    assert_eq!(told["keys"], serde_json::json!([]), "nobody was met, and no login kept");

    // Later days are lost with the store; the copy is put back.
    project.succeeds(&["export", "before"]);
    std::fs::write(project.path().join("willitsell.db"), "rubbish").unwrap();
    assert_eq!(project.run(&["status"]).code, 1);
    std::fs::copy(project.path().join("monday.db"), project.path().join("willitsell.db")).unwrap();
    project.succeeds(&["export", "after"]);
    for file in ["observations.csv", "verdicts.csv"] {
        let read = |folder: &str| std::fs::read_to_string(project.path().join(folder).join(file)).unwrap();
        assert_eq!(read("before"), read("after"));
    }
}

#[test]
fn x3_an_export_holds_every_row_as_numbers_and_no_formula() {
    let project = with_days();
    let said = project.succeeds(&["export", "june"]);
    assert!(said.contains("observations.csv: 2 rows") && said.contains("decisions.csv: 0 rows"), "{said}");
    let file = project.path().join("june/observations.csv");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut reader = csv::Reader::from_path(&file).unwrap();
    let column = |name: &str, headers: &csv::StringRecord| headers.iter().position(|it| it == name).unwrap();
    let headers = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let cell = |row: usize, name| &rows[row][column(name, &headers)];
    assert_eq!((cell(0, "arm_key"), cell(0, "spend"), cell(0, "clicks")), ("'=cmd|'' /C calc'!A0", "0.25", "1"));
    assert_eq!((cell(1, "arm_key"), cell(1, "spend"), cell(1, "currency")), ("A", "3.5", "EUR"));
    assert_eq!((cell(1, "until_pull"), cell(1, "visits")), ("", ""), "no data is no zero");

    let taken = project.run(&["export", "june"]);
    assert_eq!((taken.code, taken.stdout.as_str()), (1, ""));
    assert!(taken.stderr.contains("june/observations.csv is there already"), "{}", taken.stderr);
    project.succeeds(&["export", "july", "--format", "json"]);
    let lines = std::fs::read_to_string(project.path().join("july/observations.jsonl")).unwrap();
    let lines = json_lines(&lines);
    assert_eq!(lines[0]["arm_key"], "=cmd|' /C calc'!A0", "as it is stored");
    assert_eq!((&lines[1]["spend"], &lines[1]["visits"]), (&serde_json::json!(3.5), &serde_json::Value::Null));

    assert_eq!(project.run(&["export"]).code, 2);
    let nobody = project.succeeds(&["export", "--person", "ann@acme.com"]);
    assert!(nobody.starts_with("0 states."), "{nobody}");
}

#[test]
fn s7_whoever_brings_the_store_up_to_date_is_told_of_its_copy() {
    for command in [&["status"][..], &["run", "--once"]] {
        let project = Project::new(SMALL);
        of_an_earlier_program(project.path(), 3);
        let first = project.run(command);
        assert_eq!(first.stderr.matches("the store was copied").count(), 1, "{first:#?}");
        assert!(first.stderr.contains("willitsell.db.before-"), "{first:#?}");
        assert!(!project.run(command).stderr.contains("copied"), "once");
    }
}

#[test]
fn a_parquet_export_holds_what_the_others_do_number_for_number() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    use serde_json::Value;

    let project = with_days();
    project.succeeds(&["run", "--once"]);
    project.succeeds(&["decide", "kit", "extend", "--days", "7", "--by", "Dana", "--reason", "=a fair", "--quiet"]);
    project.succeeds(&["export", "lines", "--format", "json"]);
    project.succeeds(&["export", "columns", "--format", "parquet"]);
    let (mut rows, mut amounts) = (0, 0);
    for table in ["observations", "responses", "verdicts", "decisions"] {
        let lines = std::fs::read_to_string(project.path().join(format!("lines/{table}.jsonl"))).unwrap();
        let mut lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let path = project.path().join(format!("columns/{table}.parquet"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
        for row in reader.get_row_iter(None).unwrap() {
            let (row, line) = (row.unwrap(), lines.next().unwrap());
            rows += 1;
            assert_eq!(row.len(), line.as_object().unwrap().len());
            for (name, field) in row.get_column_iter() {
                let found = match field {
                    Field::Null => Value::Null,
                    Field::Long(number) => (*number).into(),
                    Field::Str(text) => match &line[name] {
                        Value::Object(_) => serde_json::from_str(text).unwrap(),
                        _ => text.as_str().into(),
                    },
                    Field::Decimal(decimal) => {
                        assert_eq!((decimal.scale(), decimal.precision()), (6, 18));
                        amounts += 1;
                        let unscaled = i64::from_be_bytes(decimal.data().try_into().unwrap());
                        let written = willitsell::domain::millionths::parse(&line[name].to_string()).unwrap();
                        assert_eq!(unscaled, written, "{table} {name}");
                        continue;
                    }
                    other => panic!("{table} {name}: {other:?}"),
                };
                assert_eq!(found, line[name], "{table} {name}");
            }
        }
        assert_eq!(lines.next(), None, "{table}");
    }
    assert!(rows >= 4 && amounts >= 6, "{rows} {amounts}");
}
