//! The one HTTP client against a server that is late, torn, huge or treacherous.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use secrecy::SecretString;
use willitsell::connect::http::{self, Answer, Call, HeaderMap, HeaderValue, Http, HttpError, Limits, Method, Url};

use crate::canary::{CANARY, assert_no_canary};
use crate::fake_server::{FakeServer, Seen, Step, answer, head, json};

fn hurried() -> Limits {
    let long = Duration::from_mins(1);
    Limits { connect: long, silence: long, whole: long, page_bytes: 1 << 20 }
}

fn call(method: Method, url: Url, hosts: &[String]) -> Call<'_> {
    Call { method, url, headers: HeaderMap::new(), body: None, hosts, pace: None, secrets: &[] }
}

async fn get(limits: Limits, server: &FakeServer, target: &str) -> Result<Answer, HttpError> {
    Http::new(limits).unwrap().call(&call(Method::GET, server.url(target), &server.hosts())).await
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(body).unwrap();
    packer.finish().unwrap()
}

#[tokio::test]
async fn an_answer_comes_back_whole_whatever_its_status() {
    let server = FakeServer::start(|_, seen| match seen.target.as_str() {
        "/rows?page=1" => json(200, "[1]"),
        "/packed" => answer(200, &[("content-encoding", "gzip")], gzip(b"[2]")),
        "/packed/twice/in/a/row" => {
            answer(200, &[("content-encoding", "X-GZIP")], [gzip(b"[2,"), gzip(b"2]")].concat())
        }
        "/plain" => answer(200, &[("content-encoding", "identity")], "[3]"),
        "/empty" => answer(429, &[("content-encoding", "gzip"), ("retry-after", "7")], ""),
        "/chunked" => {
            let mut bytes = head(200, &[("transfer-encoding", "chunked")]);
            bytes.extend_from_slice(b"1\r\n[\r\n2\r\n4]\r\n0\r\n\r\n");
            vec![Step::Send(bytes)]
        }
        _ => json(404, "{}"),
    })
    .await;
    for (target, status, body) in [
        ("/rows?page=1", 200, "[1]"),
        ("/packed", 200, "[2]"),
        ("/packed/twice/in/a/row", 200, "[2,2]"),
        ("/plain", 200, "[3]"),
        ("/empty", 429, ""),
        ("/chunked", 200, "[4]"),
        ("/nowhere", 404, "{}"),
    ] {
        let answer = get(hurried(), &server, target).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (status, body.as_bytes()), "{target}");
    }
    let seen = server.seen();
    assert!(seen[0].headers["user-agent"].starts_with("willitsell/"));
    assert_eq!(seen[0].headers["accept-encoding"], "gzip");
}

#[tokio::test]
async fn h1_a_server_that_says_nothing_is_given_up() {
    let limits = Limits { silence: Duration::from_millis(50), ..hurried() };
    let half = vec![Step::Send(head(200, &[("content-length", "9")])), Step::Send(b"[1,".to_vec()), Step::Silence];
    for silent in [vec![Step::Silence], half] {
        let server = FakeServer::always(silent).await;
        let begun = Instant::now();
        let error = get(limits, &server, "/").await.unwrap_err();
        assert!(matches!(&error, HttpError::Timeout { what, .. } if what == "silent for 0.05 s"), "{error:?}");
        assert!(error.is_temporary() && begun.elapsed() < limits.whole);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn h1_a_server_that_accepts_no_connection_is_given_up() {
    // A queue of one, filled: the system then ignores whoever knocks next.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100));
    while let Ok(stream) = connect() {
        waiting.push(stream);
        assert!(waiting.len() < 100, "the queue never fills");
    }
    let limits = Limits { connect: Duration::from_millis(50), ..hurried() };
    let url = Url::parse(&format!("http://{address}/")).unwrap();
    let hosts = [address.to_string()];
    let error = Http::new(limits).unwrap().call(&call(Method::GET, url, &hosts)).await.unwrap_err();
    assert!(matches!(&error, HttpError::Timeout { what, .. } if what == "no connection within 0.05 s"), "{error:?}");
}

#[tokio::test]
async fn h2_a_drip_is_ended_and_others_are_not_held_up() {
    let drip = |pause| vec![Step::Send(head(200, &[("content-length", "1000000")])), Step::Drip(pause)];
    let dripping = FakeServer::always(drip(Duration::from_millis(1))).await;
    let limits = Limits { whole: Duration::from_millis(100), ..hurried() };
    let error = get(limits, &dripping, "/").await.unwrap_err();
    assert!(matches!(&error, HttpError::Timeout { what, .. } if what == "not finished after 0.1 s"), "{error:?}");

    let http = Http::new(hurried()).unwrap();
    let (slow, hosts) = (http.clone(), dripping.hosts());
    let url = dripping.url("/");
    let held = tokio::spawn(async move { slow.call(&call(Method::GET, url, &hosts)).await.map(drop) });
    let quick = FakeServer::always(json(200, "[]")).await;
    assert!(http.call(&call(Method::GET, quick.url("/"), &quick.hosts())).await.is_ok());
    assert!(!held.is_finished());
    held.abort();
}

#[tokio::test]
async fn h3_a_torn_body_is_never_read_as_a_short_one() {
    let packed = gzip(&[b'x'; 5000]);
    let cut = &packed[..packed.len() - 6];
    let send = |headers: &[(&str, &str)], body: &[u8]| vec![Step::Send(head(200, headers)), Step::Send(body.to_vec())];
    for (name, torn) in [
        ("declared length", send(&[("content-length", "100")], b"[1]")),
        ("declared length, nothing", send(&[("content-length", "100")], b"")),
        ("chunk cut", send(&[("transfer-encoding", "chunked")], b"5\r\n[1")),
        ("last chunk missing", send(&[("transfer-encoding", "chunked")], b"3\r\n[1]\r\n")),
        ("gzip cut, length right", answer(200, &[("content-encoding", "gzip")], cut)),
        ("gzip cut, length missing", send(&[("content-encoding", "gzip")], cut)),
        ("gzip, then half of it", answer(200, &[("content-encoding", "gzip")], [&packed[..], cut].concat())),
        ("gzip and more", answer(200, &[("content-encoding", "gzip")], [&packed[..], b"x"].concat())),
        ("not gzip at all", answer(200, &[("content-encoding", "gzip")], "[1]")),
        ("head cut", vec![Step::Send(b"HTTP/1.1 200 OK\r\nconte".to_vec())]),
        ("nothing", vec![]),
    ] {
        let server = FakeServer::always(torn).await;
        let error = get(hurried(), &server, "/").await.unwrap_err();
        assert!(matches!(error, HttpError::Torn { .. }) && error.is_temporary(), "{name}: {error:?}");
        assert_eq!(server.seen().len(), 1, "{name}: trying again is the caller's business");
    }
}

#[tokio::test]
async fn h10_a_gzip_bomb_is_refused_by_its_inflated_size() {
    let limits = Limits { page_bytes: 1 << 20, ..hurried() };
    let most = vec![b'x'; limits.page_bytes];
    let over = vec![b'x'; limits.page_bytes + 1];
    let packed = |body: &[u8]| answer(200, &[("content-encoding", "gzip")], gzip(body));
    for (fits, steps) in [
        (true, packed(&most)),
        (false, packed(&over)),
        (true, answer(200, &[], &most)),
        (false, answer(200, &[], &over)),
        (false, vec![Step::Send(head(200, &[])), Step::Send(over.clone())]),
    ] {
        let server = FakeServer::always(steps).await;
        match get(limits, &server, "/").await {
            Ok(answer) => assert!(fits && answer.body == most && answer.body.capacity() == most.len()),
            Err(HttpError::TooLarge { limit, .. }) => assert!(!fits && limit == limits.page_bytes),
            Err(other) => panic!("{other:?}"),
        }
    }
    for (name, headers) in [
        ("nested", &[("content-encoding", "gzip, gzip")][..]),
        ("unknown", &[("content-encoding", "br")]),
        ("on two lines", &[("content-encoding", "gzip"), ("content-encoding", "gzip")]),
    ] {
        let server = FakeServer::always(answer(200, headers, gzip(&gzip(b"[]")))).await;
        let error = get(limits, &server, "/").await.unwrap_err();
        assert!(matches!(error, HttpError::Encoding { .. }), "{name}: {error:?}");
    }
}

/// Runs the named test again in a process of its own. There it says so; here, that all went well.
fn is_child(name: &str, environment: &[(&str, &str)]) -> bool {
    const CHILD: &str = "WILLITSELL_TEST_IN_A_PROCESS_OF_ITS_OWN";
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args([name, "--exact"]).env(CHILD, "1").envs(environment.iter().copied());
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}

/// The tests beside it use memory too, so it is measured apart.
#[cfg(target_os = "linux")]
#[test]
fn h10_memory_stays_near_the_limit() {
    if !is_child("http::h10_memory_stays_near_the_limit", &[]) {
        return;
    }
    let peak_kib = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        let megabyte = vec![0; 1_000_000];
        (0..200).for_each(|_| packer.write_all(&megabyte).unwrap());
        let bomb = packer.finish().unwrap();
        drop(megabyte);
        assert!(bomb.len() < 201_000, "{} bytes inflate to 200 MB", bomb.len());
        let server = FakeServer::always(answer(200, &[("content-encoding", "gzip")], bomb)).await;
        // What a call itself needs, the program's own pages among it, is there before the body is measured.
        let small = {
            let mut packer = GzEncoder::new(Vec::new(), Compression::best());
            packer.write_all(b"[]").unwrap();
            FakeServer::always(answer(200, &[("content-encoding", "gzip")], packer.finish().unwrap())).await
        };
        get(Limits::default(), &small, "/").await.unwrap();
        let before = peak_kib();
        let error = get(Limits::default(), &server, "/").await.unwrap_err();
        assert!(matches!(error, HttpError::TooLarge { .. }), "{error:?}");
        let grown = (peak_kib() - before) / 1024;
        assert!(grown >= 32, "{grown} MiB: the measure does not see the body");
        assert!(grown < 64 + 16, "{grown} MiB");
    });
}

#[test]
fn no_proxy_is_taken_from_the_environment() {
    let nowhere = "http://127.0.0.1:1";
    let proxies = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map(|name| (name, nowhere));
    if is_child("http::no_proxy_is_taken_from_the_environment", &proxies) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let server = FakeServer::always(json(200, "[]")).await;
            get(hurried(), &server, "/").await.unwrap();
            Http::new(Limits::default()).unwrap().client().get(server.url("/")).send().await.unwrap();
        });
    }
}

#[tokio::test]
async fn h15_another_host_gets_no_byte() {
    let theirs = FakeServer::always(json(200, "[]")).await;
    let ours = FakeServer::always(json(200, "[]")).await;
    let http = Http::new(hurried()).unwrap();
    for (url, hosts) in [(theirs.url("/next?token=t"), ours.hosts()), (theirs.url("/"), vec![])] {
        let error = http.call(&call(Method::GET, url, &hosts)).await.unwrap_err();
        assert!(matches!(error, HttpError::ForeignHost { .. }), "{error:?}");
    }
    // Listed or not: no plain http beyond this machine, no name and password in an address.
    for refused in ["http://198.51.100.7:80/", "http://me:pw@127.0.0.1:80/", "ftp://127.0.0.1:80/"] {
        let url = Url::parse(refused).unwrap();
        let hosts = ["198.51.100.7:80", "127.0.0.1:80"].map(str::to_owned);
        let error = http.call(&call(Method::GET, url, &hosts)).await.unwrap_err();
        assert!(matches!(error, HttpError::Address(_)), "{refused}: {error:?}");
    }
    assert!(theirs.seen().is_empty() && ours.seen().is_empty());
}

#[tokio::test]
async fn h16_redirects_never_carry_a_credential_away() {
    let theirs = FakeServer::always(json(200, "[]")).await;
    let (away, port) = (theirs.url("/caught").to_string(), theirs.url("/").port().unwrap());
    for status in [301, 302, 303, 307, 308] {
        for (location, followed) in [
            ("/there".to_owned(), true),
            (away.clone(), false),
            (format!("//127.0.0.1:{port}/caught"), false),
            (format!("http://localhost:{port}/caught"), false),
            ("http://10.0.0.1/".to_owned(), false),
            ("https://127.0.0.1/".to_owned(), false),
            ("file:///etc/passwd".to_owned(), false),
            ("http://[".to_owned(), false),
            ("/".to_owned(), false),
        ] {
            for method in [Method::GET, Method::POST] {
                let to = location.clone();
                let server = FakeServer::start(move |_, seen: &Seen| match seen.target.as_str() {
                    "/there" => json(200, "[]"),
                    _ => answer(status, &[("location", &to)], "moved"),
                })
                .await;
                let mut hosts = server.hosts();
                hosts.extend(theirs.hosts());
                let mut call = call(method.clone(), server.url("/"), &hosts);
                call.headers.insert("access-token", HeaderValue::from_static(CANARY));
                let answer = Http::new(hurried()).unwrap().call(&call).await;
                let name = format!("{method} {status} to {location}: {answer:?}");
                if followed && method == Method::GET {
                    assert_eq!(answer.unwrap().body, b"[]", "{name}");
                    assert_eq!(server.seen()[1].headers["access-token"], CANARY, "{name}");
                } else {
                    assert!(matches!(answer, Err(HttpError::Redirect { .. })), "{name}");
                    assert!(location == "/" || server.seen().len() == 1, "{name}");
                    assert!(server.seen().len() <= 6, "{name}");
                }
            }
        }
    }
    assert!(theirs.seen().is_empty());
}

#[tokio::test]
async fn n7_a_transport_error_shows_no_secret() {
    let torn = FakeServer::always(vec![Step::Send(head(200, &[("content-length", "9")]))]).await;
    let silent = FakeServer::always(vec![Step::Silence]).await;
    let unpacked = FakeServer::always(answer(200, &[("content-encoding", CANARY)], "x")).await;
    let large = FakeServer::always(answer(200, &[], vec![b' '; 2 << 20])).await;
    let away = format!("http://10.0.0.1/{CANARY}?t={CANARY}");
    let moved = FakeServer::always(answer(302, &[("location", &away)], "")).await;
    let port = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = Url::parse(&format!("http://{}", port().local_addr().unwrap())).unwrap();
    let plain = port();
    let encrypted = Url::parse(&format!("https://{}", plain.local_addr().unwrap())).unwrap();
    std::thread::spawn(move || plain.accept().unwrap().0.write_all(b"no encryption here").unwrap());
    let unknown = Url::parse(&format!("https://{}.invalid/", "a".repeat(64))).unwrap();
    let foreign = Url::parse("https://198.51.100.7/").unwrap();
    let nothing = Url::parse("http://198.51.100.7/").unwrap();

    let limits = Limits { silence: Duration::from_millis(50), ..hurried() };
    let http = Http::new(limits).unwrap();
    let secrets = [SecretString::from(CANARY)];
    for (temporary, name, url) in [
        (true, "closed", closed),
        (true, "not TLS", encrypted),
        (true, "unknown name", unknown),
        (true, "torn", torn.url("/")),
        (true, "silent", silent.url("/")),
        (false, "packed", unpacked.url("/")),
        (false, "large", large.url("/")),
        (false, "moved", moved.url("/")),
        (false, "foreign", foreign),
        (false, "not encrypted", nothing),
    ] {
        let mut url = url;
        url.set_path(&format!("/hook/{CANARY}"));
        url.set_query(Some(&format!("token={CANARY}")));
        let hosts = if name == "foreign" { vec![] } else { vec![http::host_and_port(&url)] };
        let mut call = call(Method::GET, url, &hosts);
        call.secrets = &secrets;
        call.body = Some(CANARY.into());
        call.headers.insert("authorization", HeaderValue::from_static(CANARY));
        call.headers.iter_mut().for_each(|(_, value)| value.set_sensitive(true));
        let error = http.call(&call).await.unwrap_err();
        let text = format!("{error} {error:?} {call:?}");
        assert!(error.source().is_none(), "{name}: no error of the library is passed on");
        assert_no_canary(&text);
        assert_eq!(error.is_temporary(), temporary, "{name}: {error:?}");
        assert!(!text.contains("hook") && !text.contains("token="), "{name}: {text}");
    }
}
