//! W2 and W5: the daemon's own pages can be read, and nothing else can be had of them, whatever is asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use willitsell::health::Health;
use willitsell::health::listen::Pages;

/// The whole answer to a request as it is written, byte for byte.
async fn asked(port: u16, line: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(line).await.unwrap();
    stream.write_all(b" HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_mins(1), stream.read_to_end(&mut answer)).await;
    // One that is refused before it was read whole may be cut off.
    _ = read.expect("no end of the answer");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn w2_w5_nothing_but_three_pages_is_there_and_none_can_be_written_to() {
    let (health, stop) = (Arc::new(Health::default()), CancellationToken::new());
    let pages = Pages::open("127.0.0.1:0".parse().unwrap(), Arc::clone(&health), Arc::new(|| Duration::ZERO));
    let pages = pages.await.unwrap();
    let port = pages.address().unwrap().port();
    let serving = tokio::spawn(pages.run(stop.clone()));
    let before = format!("{:?}", health.state());
    for page in ["/healthz", "/readyz", "/metrics"] {
        let right = asked(port, format!("GET {page}").as_bytes()).await;
        assert!(["HTTP/1.1 200", "HTTP/1.1 503"].iter().any(|status| right.starts_with(status)), "{page}: {right}");
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let answer = asked(port, format!("{method} {page}").as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 405"), "{method} {page}: {answer}");
        }
    }
    let long = "a".repeat(1 << 20);
    for path in [
        "/",
        "//",
        "/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..;/etc/passwd",
        "/....//etc/passwd",
        "/..%c0%af..%c0%afetc/passwd",
        "/..\\..\\etc\\passwd",
        "/%252e%252e/etc/passwd",
        "/etc/passwd%00.html",
        "/healthz/../../etc/passwd",
        "/healthz%00",
        "/HEALTHZ",
        "/healthz/",
        "/metrics/../willitsell.toml",
        "/proc/self/environ",
        "http://evil.example/healthz%2f",
        "/\u{202e}zhtlaeh",
        &long,
    ] {
        let answer = asked(port, format!("GET {path}").as_bytes()).await;
        // Refused in some way, or cut off: never a page.
        let status = answer.get(9..12).unwrap_or_default();
        assert!(["", "400", "404", "414", "431"].contains(&status), "{path:.40}: {answer}");
        assert!(!answer.contains("root:") && !answer.contains("[store]"), "{path:.40}");
    }
    for line in [&b"GET /\0healthz"[..], b"GET /\xff\xfe", b"\0\0\0\0", b"GET"] {
        let answer = asked(port, line).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(format!("{:?}", health.state()), before, "asking changes nothing");
    stop.cancel();
    serving.await.unwrap();
}
