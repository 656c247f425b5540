//! `forget`: what a person at a terminal, and a program, get to see of it.

use super::SMALL;
use crate::project::{Project, json_lines};

#[test]
fn forget_says_what_there_was_and_never_whom_it_was_about() {
    let project = Project::new(SMALL);
    let dry = project.run(&["forget", "ann.canary@acme.io", "--dry-run", "--json"]);
    let told = json_lines(&dry.stdout).remove(0);
    assert_eq!((&told["acts"], &told["dry_run"]), (&0.into(), &true.into()));
    let done = project.run(&["forget", "Ann.Canary@ACME.io"]);
    assert_eq!(done.code, 0, "{done:#?}");
    assert!(done.stdout.contains("Forgotten: 0 acts") && done.stdout.contains("your backups"), "{}", done.stdout);
    for said in [&dry.stdout, &dry.stderr, &done.stdout, &done.stderr] {
        assert!(!said.to_lowercase().contains("canary"), "{said}");
    }
    let nobody = project.run(&["forget", "  "]);
    assert_eq!(nobody.code, 2);
    assert!(nobody.stderr.contains("whom to forget?"), "{}", nobody.stderr);
}
