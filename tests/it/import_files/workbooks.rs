//! Workbooks (XLSX): the same rows as a CSV of the sheet, or a refusal that names the sheet and the line.

use std::io::{Cursor, Read, Write};

use proptest::prelude::*;
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook, Worksheet};
use willitsell::domain::metric::MetricId;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::specimens::{expected, folder};
use super::{forms, import, total};

fn written(fill: impl FnOnce(&mut Worksheet)) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.set_name("Report").unwrap();
    fill(sheet);
    workbook.save_to_buffer().unwrap()
}

fn texts(sheet: &mut Worksheet, row: u32, cells: &[&str]) {
    for (column, cell) in (0..).zip(cells) {
        if !cell.is_empty() {
            sheet.write_string(row, column, *cell).unwrap();
        }
    }
}

/// A row of a day, a campaign, clicks and cost, each as a spreadsheet holds it.
fn row(sheet: &mut Worksheet, row: u32, day: &str, campaign: &str, clicks: f64, cost: f64) {
    let format = Format::new().set_num_format("dd/mm/yyyy");
    sheet.write_datetime_with_format(row, 0, ExcelDateTime::parse_from_str(day).unwrap(), &format).unwrap();
    sheet.write_string(row, 1, campaign).unwrap();
    sheet.write_number(row, 2, clicks).unwrap();
    sheet.write_number(row, 3, cost).unwrap();
}

const NAMES: [&str; 4] = ["Day", "Campaign", "Clicks", "Cost (EUR)"];

fn plain() -> Vec<u8> {
    written(|sheet| {
        texts(sheet, 0, &NAMES);
        row(sheet, 1, "2026-03-02", "00123", 5.0, 1.1 * 3.0);
        row(sheet, 2, "2026-03-03", "Kit", 6.0, 0.1 + 0.2);
    })
}

/// The archive with one part changed.
fn with_part(archive: &[u8], name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let mut from = ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut to = ZipWriter::new(Cursor::new(Vec::new()));
    let mut change = Some(change);
    for index in 0..from.len() {
        let mut part = from.by_index(index).unwrap();
        let part_name = part.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        part.read_to_end(&mut bytes).unwrap();
        if part_name == name {
            bytes = change.take().unwrap()(bytes);
        }
        to.start_file(&*part_name, SimpleFileOptions::default()).unwrap();
        to.write_all(&bytes).unwrap();
    }
    assert!(change.is_none(), "no part {name}");
    to.finish().unwrap().into_inner()
}

const SHEET: &str = "xl/worksheets/sheet1.xml";

fn replaced(archive: &[u8], name: &str, from: &str, to: &str) -> Vec<u8> {
    with_part(archive, name, |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(from), "{text}");
        text.replace(from, to).into_bytes()
    })
}

fn refusal(bytes: &[u8], pairs: &[(&str, &str)]) -> String {
    import(bytes, pairs).map(|(understood, _)| understood).unwrap_err()
}

#[test]
fn x1_a_workbook_gives_the_rows_of_its_csv() {
    let csv = "Report,,,\n\nDay,Campaign,Clicks,Cost (EUR)\n2026-03-02,00123,5,3.3\n2026-03-02,\"Kit, \"\"new\"\"\",6,0.3\n\
        2026-03-03,00123,7,0\nTotal,,18,3.6\n";
    let (as_csv, wanted) = import(csv, &[]).unwrap();
    let workbook = written(|sheet| {
        texts(sheet, 0, &["Report"]);
        texts(sheet, 2, &NAMES);
        row(sheet, 3, "2026-03-02", "00123", 5.0, 1.1 * 3.0);
        row(sheet, 4, "2026-03-02", "Kit, \"new\"", 6.0, 0.1 + 0.2);
        row(sheet, 5, "2026-03-03", "00123", 7.0, 0.0);
        texts(sheet, 7, &["Total"]);
        sheet.write_number(7, 2, 18.0).unwrap();
        sheet.write_number(7, 3, 3.6).unwrap();
        // What is formatted and empty is nothing.
        for line in 8..500 {
            sheet.write_blank(line, 40, &Format::new().set_bold()).unwrap();
        }
    });
    let (understood, kept) = import(&workbook, &[]).unwrap();
    assert_eq!(kept, wanted);
    assert_eq!((understood.totals, understood.warnings), (as_csv.totals, as_csv.warnings));
    assert_eq!((understood.sheet.as_deref(), understood.encoding.as_str()), (Some("Report"), "XLSX"));
    assert_eq!((understood.header_line, &understood.first_lines[..]), (3, &[4, 5, 6][..]));
    assert_eq!((understood.preamble, understood.totals_rows[0].line), (vec!["Report".to_owned()], 8));
}

#[test]
fn x1_every_specimen_is_read_the_same_from_a_workbook_of_its_cells() {
    let Some(folder) = folder() else { return };
    for name in expected(&folder).keys() {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let Ok((as_csv, wanted)) = import(&bytes, &[]) else { continue };
        let delimiter = match as_csv.delimiter.as_str() {
            "semicolon" => b';',
            "tab" => b'\t',
            "comma" => b',',
            _ => continue,
        };
        let text = if bytes.starts_with(b"\xFF\xFE") {
            let units: Vec<u16> =
                bytes[2..].chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).unwrap()
        } else {
            String::from_utf8(bytes).unwrap().trim_start_matches('\u{feff}').to_owned()
        };
        let workbook = written(|sheet| {
            let mut reader = csv::ReaderBuilder::new();
            let reader = reader.delimiter(delimiter).has_headers(false).flexible(true);
            for (line, record) in (0..).zip(reader.from_reader(text.as_bytes()).records()) {
                texts(sheet, line, &record.unwrap().iter().collect::<Vec<_>>());
            }
        });
        let (understood, kept) = import(&workbook, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((kept, understood.totals_rows_skipped), (wanted, as_csv.totals_rows_skipped), "{name}");
        assert_eq!(understood.day_zone, as_csv.day_zone, "{name}");
    }
}

#[test]
fn x1_days_of_the_calendar_that_begins_in_1904_are_the_same_days() {
    let later = |bytes: &[u8]| {
        let bytes = replaced(bytes, "xl/workbook.xml", "<workbookPr ", "<workbookPr date1904=\"1\" ");
        replaced(&replaced(&bytes, SHEET, "<v>46083</v>", "<v>44621</v>"), SHEET, "<v>46084</v>", "<v>44622</v>")
    };
    let workbook = plain();
    assert_eq!(import(later(&workbook), &[]).unwrap().1, import(&workbook, &[]).unwrap().1);
}

#[test]
fn the_sheet_with_the_table_is_taken_and_several_are_a_question() {
    let sheets = |second: &str, hide: bool| {
        let mut workbook = Workbook::new();
        let cover = workbook.add_worksheet();
        cover.set_name("Cover").unwrap();
        texts(cover, 0, &["Made by us"]);
        for (name, campaign) in [("Week 1", "A"), (second, "B")] {
            let sheet = workbook.add_worksheet();
            sheet.set_name(name).unwrap();
            sheet.set_hidden(hide && name == second);
            texts(sheet, 0, &NAMES);
            row(sheet, 1, "2026-03-02", campaign, 5.0, 1.5);
        }
        workbook.save_to_buffer().unwrap()
    };
    let two = sheets("Week 2", false);
    let error = refusal(&two, &[]);
    assert!(error.contains("setting `sheet`: several sheets hold a table: Week 1, Week 2"), "{error}");
    let error = refusal(&two, &[("sheet", "Week 3")]);
    assert!(error.contains("no sheet is called \"Week 3\"") && error.contains("Cover, Week 1, Week 2"), "{error}");
    assert_eq!(import(&two, &[("sheet", "week 2")]).unwrap().0.arms[0].key, "B");
    assert!(refusal(&two, &[("sheet", "Cover")]).contains("Made by us"));
    // What is hidden is no question, and is read where it is named.
    let hidden = sheets("Raw", true);
    let (understood, _) = import(&hidden, &[]).unwrap();
    assert_eq!((understood.sheet.as_deref(), understood.arms[0].key.as_str()), (Some("Week 1"), "A"));
    assert!(understood.notes[0].contains("hidden sheets are not read: Raw"), "{:?}", understood.notes);
    assert_eq!(import(&hidden, &[("sheet", "Raw")]).unwrap().0.arms[0].key, "B");
}

#[test]
fn what_a_spreadsheet_could_not_work_out_is_refused_where_it_is_used() {
    let with = |column: u16, formula: Formula| {
        written(|sheet| {
            texts(sheet, 0, &[&NAMES[..], &["Own"]].concat());
            row(sheet, 1, "2026-03-02", "A", 5.0, 1.5);
            row(sheet, 2, "2026-03-03", "A", 5.0, 1.5);
            sheet.write_formula(2, column, formula).unwrap();
        })
    };
    for (column, cell) in [(0, "A3"), (1, "B3"), (2, "C3"), (3, "D3")] {
        let error = refusal(&with(column, Formula::new("=1/0").set_result("#DIV/0!")), &[]);
        assert!(
            error.starts_with(&format!("sheet \"Report\", line 3: cell {cell} holds the error #DIV/0!")),
            "{error}"
        );
        // Without its result the cell is no zero.
        let unsolved = replaced(&with(column, Formula::new("=C2")), SHEET, "<f>C2</f><v>0</v>", "<f>C2</f><v></v>");
        let error = refusal(&unsolved, &[]);
        assert!(error.contains(&format!("cell {cell} holds a formula without its result")), "{error}");
    }
    assert!(import(with(4, Formula::new("=1/0").set_result("#DIV/0!")), &[]).is_ok());
    let (understood, _) = import(with(2, Formula::new("=2+5").set_result("7")), &[]).unwrap();
    assert_eq!(total(&understood, MetricId::CLICKS), "12");
    // A CSV that a spreadsheet wrote has the same words.
    let error = refusal(b"Day,Campaign,Clicks\n2026-03-02,#REF!,5\n", &[]);
    assert!(error.starts_with("line 2: cell B2 holds the error #REF!"), "{error}");
}

#[test]
fn merged_rows_and_rows_beside_the_table_are_refused() {
    let merged = |first: u32, last: u32| {
        written(|sheet| {
            texts(sheet, 0, &NAMES);
            for line in 1..4 {
                row(sheet, line, &format!("2026-03-0{}", line + 1), "A", 5.0, 1.5);
            }
            sheet.merge_range(first, 1, last, 1, "A", &Format::new()).unwrap();
        })
    };
    let error = refusal(&merged(1, 2), &[]);
    assert!(error.starts_with("sheet \"Report\", line 2: the cells B2:B3 are merged"), "{error}");
    let shifted = written(|sheet| {
        texts(sheet, 0, &NAMES);
        row(sheet, 1, "2026-03-02", "A", 5.0, 1.5);
        texts(sheet, 1, &["", "", "", "", "more"]);
    });
    let error = refusal(&shifted, &[]);
    assert!(error.starts_with("sheet \"Report\", line 2: this row has 5 fields"), "{error}");
}

#[test]
fn x1_a_number_that_lost_its_last_digits_is_no_id() {
    let workbook = written(|sheet| {
        texts(sheet, 0, &["Day", "Campaign ID", "Clicks"]);
        row(sheet, 1, "2026-03-02", "", 5.0, 0.0);
        sheet.write_number(0, 3, 1.0).unwrap();
        sheet.write_number(1, 1, 120_210_000_000_000_123.0).unwrap();
    });
    let error = refusal(&workbook, &[]);
    assert!(error.contains("line 2") && error.contains("a spreadsheet has shortened"), "{error}");
    let text = replaced(&plain(), "xl/sharedStrings.xml", "00123", "120210000000000123");
    assert_eq!(import(text, &[]).unwrap().0.arms[0].key, "120210000000000123");
}

#[test]
fn errors_of_a_workbook_name_the_sheet_and_the_line() {
    for (day, campaign, clicks, words) in [
        ("2026-03-03", "A", 5.5, "sheet \"Report\", line 3: \"5.5\" has decimals"),
        ("2026-03-02", "A", 6.0, "sheet \"Report\", line 3: this row is for the same arm and day as line 2"),
        ("2027-03-02", "A", 6.0, "sheet \"Report\", line 3: 2027-03-02 lies in the future"),
        ("2026-03-03", "A", -6.0, "sheet \"Report\", line 3: \"-6\" is negative"),
    ] {
        let workbook = written(|sheet| {
            texts(sheet, 0, &NAMES);
            row(sheet, 1, "2026-03-02", "A", 5.0, 1.5);
            row(sheet, 2, day, campaign, clicks, 1.5);
        });
        let error = refusal(&workbook, &[]);
        assert!(error.starts_with(words), "{error}");
    }
    // A day that is shown as a number is no day.
    let error = refusal(&replaced(&plain(), SHEET, "<c r=\"A3\" s=\"1\">", "<c r=\"A3\">"), &[]);
    assert!(error.starts_with("sheet \"Report\", line 3: \"46084\" is not a day"), "{error}");
}

#[test]
fn answers_of_a_form_are_read_from_a_workbook() {
    let workbook = written(|sheet| {
        texts(sheet, 0, &["Timestamp", "Your email", "arm", "Finished", "Why?"]);
        let format = Format::new().set_num_format("m/d/yyyy h:mm:ss");
        for (line, at) in [(1, "2026-03-02 09:00:00"), (2, "2026-03-03 10:30:15")] {
            let at = ExcelDateTime::parse_from_str(at).unwrap();
            sheet.write_datetime_with_format(line, 0, at, &format).unwrap();
            texts(sheet, line, &["", &format!("p{line}@example.org"), "a", "", "=cmd|' /C calc'!A0\nand\u{b}more"]);
            sheet.write_boolean(line, 3, line == 1).unwrap();
        }
    });
    let (understood, sink) = forms::import(&workbook, &[("time_zone", "UTC")], &[("why", "Why?")]).unwrap();
    assert_eq!((understood.sheet.as_deref(), understood.answers, understood.partial), (Some("Report"), 1, 1));
    let (_, act) = sink.acts.first_key_value().unwrap();
    assert_eq!((act.arm.as_str(), act.at.to_rfc3339().as_str()), ("a", "2026-03-02T09:00:00+00:00"));
    let error = forms::import(&workbook, &[], &[]).unwrap_err();
    assert!(error.contains("setting `time_zone`"), "{error}");
    let error = forms::import(replaced(&workbook, SHEET, "<v>46084.4", "<v>846084.4"), &[("time_zone", "UTC")], &[]);
    assert!(error.unwrap_err().starts_with("sheet \"Report\", line 3: "));
}

#[test]
fn x2_a_workbook_that_would_fill_memory_is_refused_before_it_is_read() {
    let with_sheet = |text: String| with_part(&plain(), SHEET, |_| text.into_bytes());
    let sheet = |inside: &str| format!("<worksheet><sheetData>{inside}</sheetData></worksheet>");
    let cell = |text: &str| format!("<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>{text}</t></is></c></row>");
    for (bytes, words) in [
        (with_sheet(sheet(&cell(&"x".repeat(2 << 20)))), "one text takes more than 1 MiB"),
        (with_sheet(sheet(&format!("<!--{}-->", "<".repeat(9)))), "cut or damaged"),
        (
            with_part(&plain(), "xl/sharedStrings.xml", |_| "<a/>".repeat((32 << 18) + 1).into_bytes()),
            "takes more than 32 MiB unpacked",
        ),
        (
            with_part(&plain(), "xl/sharedStrings.xml", |_| "<si/>".repeat(1_000_001).into_bytes()),
            "more than 1,000,000 texts",
        ),
        (
            replaced(&plain(), "xl/sharedStrings.xml", "uniqueCount=\"", "uniqueCount=\"90000000000000"),
            "cut or damaged",
        ),
        (
            with_sheet(format!("<worksheet><sheetData/>{}</worksheet>", "<mergeCell ref=\"A1:A2\"/>".repeat(100_001))),
            "more than 100,000 cells are merged",
        ),
        (
            with_sheet(sheet(
                &(0..20)
                    .map(|at| cell(&"x".repeat(60_000)).replace("A1", &format!("{}1", (b'A' + at) as char)))
                    .collect::<String>(),
            )),
            "line 1: one row takes more than 512 KiB",
        ),
        (with_sheet(sheet("<row r=\"2\"><c r=\"B2\"><v>1</v></c><c r=\"A2\"><v>1</v></c></row>")), "out of order"),
    ] {
        let error = refusal(&bytes, &[]);
        assert!(error.contains(words) && error.contains("CSV") || error.contains("no table"), "{words}: {error}");
    }
    let archive = {
        let mut to = ZipWriter::new(Cursor::new(Vec::new()));
        to.start_file("report.csv", SimpleFileOptions::default()).unwrap();
        to.finish().unwrap().into_inner()
    };
    assert!(refusal(&archive, &[]).contains("unpack it"));
}

#[test]
fn x2_a_cut_workbook_is_refused_whole() {
    let whole = plain();
    assert!(import(&whole, &[]).is_ok());
    for cut in (4..whole.len()).step_by(97) {
        let error = refusal(&whole[..cut], &[]);
        assert!(error.contains("cut or damaged"), "cut at {cut}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn x1_a_damaged_sheet_is_read_or_refused(
        at in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..3_u8,
        part in prop::sample::select(vec![SHEET, "xl/sharedStrings.xml", "xl/styles.xml", "xl/workbook.xml"]),
    ) {
        let bytes = with_part(&plain(), part, |mut bytes| {
            let (at, to) = (at.index(bytes.len()), to.index(bytes.len()));
            match how {
                0 => bytes[at] = byte,
                1 => drop(bytes.drain(at.min(to)..at.max(to))),
                _ => bytes.insert(at, byte),
            }
            bytes
        });
        let _ = import(&bytes, &[]);
    }
}
