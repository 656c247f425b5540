//! `report`: one sheet, in three forms, of one concept and of all.

use serde_json::Value;

use crate::paper::sheets;
use crate::project::Project;

#[test]
fn a_report_is_one_file_on_one_sheet_and_says_what_the_verdict_says() {
    let project = Project::new("");
    project.succeeds(&["demo", "--json", "--folder", "one"]);
    let report = |arguments: &[&str]| {
        let all: Vec<&str> = ["--config", "one/willitsell.toml", "report"].iter().chain(arguments).copied().collect();
        project.run(&all)
    };
    let stored = project.succeeds(&["--config", "one/willitsell.toml", "explain", "cat-meals", "--json"]);
    let stored: Value = serde_json::from_str(stored.trim()).unwrap();

    let json = report(&["cat-meals", "--format", "json"]);
    let said: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.code, &said["verdict"]), (0, &stored["verdict"]));
    let range = said["measures"][0]["range"].as_str().unwrap();
    let percent = |end: &str| stored["arms"][0]["evidence"][end].as_f64().unwrap() * 100.0;
    assert_eq!(range, format!("{:.1} to {:.1}%", percent("low"), percent("high")));
    assert_eq!(said["policy_hash"], stored["policy_hash"]);
    assert_eq!(said["answers"].as_array().unwrap().len(), 5);

    let page = report(&["cat-meals"]).stdout;
    for part in
        ["BUILD", range, &stored["data_hash"].as_str().unwrap()[..12], "willitsell replay cat-meals", "role=\"img\""]
    {
        assert!(page.contains(part), "{part} is missing");
    }
    for foreign in ["http:", "https:", "src=", "@import", "<script", " style="] {
        assert!(!page.contains(foreign), "{foreign} stands in the page");
    }
    let markdown = report(&["cat-meals", "--format", "md"]).stdout;
    assert!(markdown.starts_with("# BUILD: ") && markdown.contains(range), "{markdown}");

    for name in ["cat-meals", "fridge-chat", "plant-sitter", "portfolio"] {
        let written = report(&[name, "--out", "sheet.html"]);
        assert_eq!((written.code, written.stdout.as_str()), (0, "Written: sheet.html\n"), "{written:#?}");
        let text = std::fs::read_to_string(project.path().join("sheet.html")).unwrap();
        for (paper, pages) in sheets(&text) {
            assert_eq!(pages, 1, "{name} on {paper}");
        }
    }

    let unknown = report(&["cat-meal"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("cat-meals"), "the name that was probably meant: {unknown:#?}");
    let nowhere = report(&["cat-meals", "--out", "no/such/folder.html"]);
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.stderr.contains("--out"), "{nowhere:#?}");
}
