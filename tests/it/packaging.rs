//! What the program runs in on a server: the service's unit, and what the process forbids itself.

use std::process::{Command, Stdio};

/// A process that read the secrets must leave none behind when it is killed.
#[cfg(target_os = "linux")]
#[test]
fn p10_no_process_leaves_a_core_behind() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_willitsell"))
        .args(["simulate", "--runs", "1000000"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let path = format!("/proc/{}/limits", child.id());
    let limit = (0..500).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        let limits = std::fs::read_to_string(&path).unwrap();
        let limit = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().to_owned();
        (limit.split_whitespace().collect::<Vec<_>>()[4..6] == ["0", "0"]).then_some(limit)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(limit.is_some(), "the limit on core files was never set");
}

/// systemd's own measure, from 0 (nothing is allowed) to 100.
#[test]
fn the_service_is_allowed_little() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/willitsell.service");
    let asked = Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=15", unit]).output();
    let Ok(answer) = asked else {
        println!("skipped: systemd-analyze is not here");
        return;
    };
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stdout));
}
