//! `demo` needs nothing and repeats itself.

use crate::project::{Ended, Project, json_lines};

#[test]
fn two_demos_give_the_same_results_and_leave_a_project_that_works() {
    let project = Project::new("");
    std::fs::create_dir(project.path().join("two")).unwrap();
    let children =
        ["one", "two"].map(|folder| project.command(&["demo", "--json", "--folder", folder]).spawn().unwrap());
    let [one, two] = children.map(|child| Ended::of(&child.wait_with_output().unwrap()));
    assert_eq!((one.code, one.stderr.as_str()), (0, ""), "{one:#?}");
    assert_eq!((two.code, &two.stdout), (0, &one.stdout));

    let lines = json_lines(&one.stdout);
    let ended: Vec<_> = lines[lines.len() - 3..].iter().map(|line| line["verdict"].as_str().unwrap()).collect();
    assert!(matches!(ended[..], ["BUILD", "KILL", "COLLECTING" | "REVIEW"]), "{ended:?}");
    for verdict in ["BUILD", "KILL"] {
        let told = lines.iter().filter(|line| line["verdict"] == verdict && line.get("sentence").is_some());
        assert_eq!(told.count(), 1, "{verdict} is reached once and stays");
    }

    // What it prints next, as printed.
    let status = project.run(&["--config", "one/willitsell.toml", "status"]);
    assert_eq!(status.code, 10, "{status:#?}");
    let explained = project.succeeds(&["--config", "one/willitsell.toml", "explain", "cat-meals"]);
    assert!(explained.lines().count() > 10, "{explained}");
    let untouched: Vec<_> = std::fs::read_dir(project.path().join("two")).unwrap().collect();
    assert!(untouched.is_empty(), "what is there is not written into");
    assert!(project.path().join("two-2/willitsell.toml").exists());
}
