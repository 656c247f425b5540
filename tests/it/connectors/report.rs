//! Reports that a vendor prepares: handed in, asked after, fetched, and found again after a restart.

use std::io::Write;

use willitsell::connect::PullError;

use super::paging::PLAIN;
use super::{Jobs, Pulled, hasty, pull_again, vendor};
use crate::canary::CANARY;
use crate::fake_server::{FakeServer, Seen, Step, answer, json};

/// A report in a zip, as CSV.
fn manifest(changes: &[(&str, &str)]) -> String {
    let report = r#"[report]
job      = "$.id"
poll     = { method = "GET", url = "{base_url}/jobs/{job}" }
status   = "$.status"
waiting  = ["Pending"]
done     = ["Success"]
failed   = ["Error"]
gone     = ["Expired"]
every    = "60s"
within   = "10m"
download = "$.url"
empty    = true
hosts    = ["{download_url}"]
format   = "csv"
packed   = "zip"
[[error]]"#;
    let mut text = PLAIN.to_owned();
    for (from, to) in [
        ("[[error]]", report),
        (
            "token    = {",
            "download_url = { help = \"address\", default = \"https://files.example.com\" }\ntoken    = {",
        ),
        ("\"$.rows[*]\"", "\"$[*]\""),
        ("'{\"rows\":[", "'["),
        ("}]}'", "}]'"),
    ]
    .iter()
    .chain(changes)
    {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    text
}

async fn report(changes: &[(&str, &str)], server: &FakeServer, jobs: &Jobs) -> Pulled {
    pull_again(&manifest(changes), "plain", server, hasty(), jobs).await
}

const CSV: &str = "\u{feff}\"day\",\"ad\",\"clicks\"\r\n\"2026-11-03\",\"7\",\"5\"\r\n\"2026-11-04\",\"7\",\"6\"\r\n";

/// A zip of one file that is stored as it is.
fn zip(text: &str) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(text.as_bytes());
    let length = u32::try_from(text.len()).unwrap();
    let mut out = Vec::new();
    let entry = |out: &mut Vec<u8>| {
        out.extend([0; 8]);
        out.extend(crc.sum().to_le_bytes());
        out.extend(length.to_le_bytes());
        out.extend(length.to_le_bytes());
        out.extend(1_u16.to_le_bytes());
        out.extend([0; 2]);
    };
    out.extend(b"PK\x03\x04\x14\0");
    entry(&mut out);
    out.write_all(b"r").unwrap();
    out.extend(text.as_bytes());
    let directory = u32::try_from(out.len()).unwrap();
    out.extend(b"PK\x01\x02\x14\0\x14\0");
    entry(&mut out);
    out.extend([0; 14]);
    out.write_all(b"r").unwrap();
    let size = u32::try_from(out.len()).unwrap() - directory;
    out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    out.extend(size.to_le_bytes());
    out.extend(directory.to_le_bytes());
    out.extend([0; 2]);
    out
}

fn status(seen: &Seen, status: &str, file: Option<&str>) -> Vec<Step> {
    let url =
        file.map_or("null".to_owned(), |file| format!(r#""http://{}/files/{file}?sig=s3cret""#, seen.headers["host"]));
    json(200, &format!(r#"{{"status":"{status}","url":{url}}}"#))
}

/// Pending so many times, then ready.
async fn prepares(pending: usize, file: Vec<u8>) -> FakeServer {
    vendor(move |call, seen| match seen.target.as_str() {
        target if target.starts_with("/api/rows") => json(200, r#"{"id":"j1"}"#),
        "/api/jobs/j1" if call <= pending => status(seen, "Pending", None),
        "/api/jobs/j1" => status(seen, "Success", Some("1")),
        _ => answer(200, &[], &file),
    })
    .await
}

fn count(server: &FakeServer, begins: &str) -> usize {
    server.seen().iter().filter(|seen| seen.target.starts_with(begins)).count()
}

#[tokio::test]
async fn a_report_is_handed_in_waited_for_and_fetched_without_credentials() {
    let server = prepares(2, zip(CSV)).await;
    let pulled = report(&[], &server, &Jobs::default()).await;
    assert_eq!(pulled.facts().rows, 2);
    assert_eq!(pulled.sink.rows(), ["7 2026-11-03 clicks=5", "7 2026-11-04 clicks=6"]);
    assert_eq!(pulled.waits.len(), 2);
    assert!(pulled.waits.iter().all(|wait| (48..=72).contains(&wait.as_secs())), "{:?}", pulled.waits);
    let seen = server.seen();
    let download = seen.last().unwrap();
    assert_eq!((seen.len(), download.target.as_str()), (5, "/files/1?sig=s3cret"));
    assert!(!download.headers.contains_key("authorization"));
    assert!(download.headers.values().all(|value| !value.contains(CANARY)));
}

#[tokio::test]
async fn a_restart_between_hand_in_and_download_hands_in_nothing_twice() {
    let jobs = Jobs::default();
    let server = vendor(|call, seen| match (call, seen.target.as_str()) {
        (1, _) => vec![Step::Silence],
        (_, target) if target.starts_with("/api/rows") => json(200, r#"{"id":"j1"}"#),
        (_, "/api/jobs/j1") => status(seen, "Success", Some("1")),
        _ => answer(200, &[], zip(CSV)),
    })
    .await;
    {
        let killed = report(&[], &server, &jobs);
        let asked = async {
            while server.seen().len() < 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { _ = killed => panic!("it cannot end"), () = asked => {} }
    }
    let pulled = report(&[], &server, &jobs).await;
    assert_eq!((pulled.facts().rows, count(&server, "/api/rows")), (2, 1));
    let again = report(&[], &server, &jobs).await;
    assert_eq!((again.facts().rows, count(&server, "/api/rows")), (2, 2), "what was read is asked for anew");
}

#[tokio::test]
async fn a_report_without_an_address_is_zero_rows_only_where_the_file_says_so() {
    let server = vendor(|_, seen| match seen.target.as_str() {
        "/api/jobs/j1" => status(seen, "Success", None),
        _ => json(200, r#"{"id":"j1"}"#),
    })
    .await;
    let pulled = report(&[], &server, &Jobs::default()).await;
    assert_eq!((pulled.facts().rows, pulled.facts().covered), (0, super::november()));
    let pulled = report(&[("empty    = true\n", "")], &server, &Jobs::default()).await;
    assert!(pulled.error().contains("no address stands there"));
}

#[tokio::test]
async fn a_state_the_file_does_not_know_fails_and_a_lost_report_is_handed_in_once_more() {
    for (word, says, handed_in) in [
        ("Error", "could not make the report", 1),
        ("Cancelled", "no status the file knows", 1),
        ("Expired", "lost the report twice", 2),
        ("Pending", "has not finished the report within 600 s", 1),
    ] {
        let server = vendor(move |_, seen| match seen.target.as_str() {
            "/api/jobs/j1" => status(seen, word, None),
            _ => json(200, r#"{"id":"j1"}"#),
        })
        .await;
        let pulled = report(&[], &server, &Jobs::default()).await;
        assert!(pulled.error().contains(says), "{word}: {}", pulled.error());
        assert_eq!(count(&server, "/api/rows"), handed_in, "{word}");
    }
}

#[tokio::test]
async fn an_address_that_ran_out_is_asked_for_afresh() {
    let server = vendor(|call, seen| match seen.target.as_str() {
        target if target.starts_with("/api/rows") => json(200, r#"{"id":"j1"}"#),
        "/api/jobs/j1" => status(seen, "Success", Some(if call < 3 { "old" } else { "new" })),
        target if target.contains("old") => answer(403, &[], "<Error>expired</Error>"),
        _ => answer(200, &[], zip(CSV)),
    })
    .await;
    assert_eq!(report(&[], &server, &Jobs::default()).await.facts().rows, 2);
    assert_eq!(count(&server, "/api/rows"), 1);
}

#[tokio::test]
async fn h15_a_report_is_fetched_from_the_files_own_hosts_only() {
    let elsewhere = FakeServer::always(answer(200, &[], zip(CSV))).await;
    let address = elsewhere.url("/files/1?sig=s3cret").to_string();
    let server = vendor(move |_, seen| match seen.target.as_str() {
        "/api/jobs/j1" => json(200, &format!(r#"{{"status":"Success","url":"{address}"}}"#)),
        _ => json(200, r#"{"id":"j1"}"#),
    })
    .await;
    let pulled = report(&[], &server, &Jobs::default()).await;
    assert!(matches!(pulled.outcome, Err(PullError::Network(_))));
    assert!(!pulled.error().contains("s3cret"));
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn h4_a_plain_report_that_may_be_cut_short_is_never_counted() {
    let plain = &[("packed   = \"zip\"", "packed   = \"none\"")];
    let server = prepares(0, CSV.as_bytes().to_vec()).await;
    assert_eq!(report(plain, &server, &Jobs::default()).await.facts().rows, 2);
    let mut broken = zip(CSV);
    let at = broken.len() / 3;
    broken[at] ^= 1;
    let server = prepares(0, broken).await;
    assert!(report(&[], &server, &Jobs::default()).await.outcome.is_err(), "a checksum that does not hold");
    let server = vendor(|_, seen| match seen.target.as_str() {
        "/api/jobs/j1" => status(seen, "Success", Some("1")),
        target if target.starts_with("/files") => {
            vec![Step::Send(crate::fake_server::head(200, &[])), Step::Send(CSV.as_bytes().to_vec())]
        }
        _ => json(200, r#"{"id":"j1"}"#),
    })
    .await;
    let pulled = report(plain, &server, &Jobs::default()).await;
    assert!(pulled.error().contains("may be cut short") && pulled.sink.rows().is_empty());
}

#[tokio::test]
async fn h9_a_job_that_is_not_there_is_no_report_without_rows() {
    let none = "[[error]]\nstatus = [404]\nthen = \"empty\"\n[[error]]";
    let server =
        vendor(|_, seen| if seen.target.contains("/jobs/") { json(404, "{}") } else { json(200, r#"{"id":"1"}"#) })
            .await;
    let pulled = report(&[("[[error]]", none)], &server, &Jobs::default()).await;
    assert!(pulled.error().contains("lost the report twice"), "{}", pulled.error());
}

#[tokio::test]
async fn a_report_that_is_full_is_asked_for_again_in_parts() {
    let full = ("arm  = \"$.ad\"", "arm  = \"$.ad\"\nfull_at = 2");
    let server = prepares(0, zip(CSV)).await;
    let pulled = report(&[full], &server, &Jobs::default()).await;
    assert!(pulled.error().contains("2 rows or more for a single day"), "{}", pulled.error());
    assert_eq!(count(&server, "/api/rows"), 3, "seven days, three, one");
    let server = prepares(0, zip(CSV)).await;
    let larger = (full.0, "arm  = \"$.ad\"\nfull_at = 3");
    assert_eq!(report(&[larger], &server, &Jobs::default()).await.facts().rows, 2);
}
