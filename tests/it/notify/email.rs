//! E-mail, to a mail server that is written here: what arrives, what its codes mean, and that nothing of it is in a message
//! of ours.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;

/// What a mail server took: the envelope's addresses, then the mail.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    to: Vec<String>,
    text: String,
}

#[derive(Clone, Default)]
pub struct Inbox(Arc<Mutex<Vec<Mail>>>);

impl Inbox {
    pub fn mails(&self) -> Vec<Mail> {
        self.0.lock().unwrap().clone()
    }
}

/// Says `refusal` in answer to the command that begins with `at`; with nothing to say it hangs up.
#[derive(Clone, Copy)]
pub struct Refusal(&'static str, &'static str);

pub const ACCEPTS: Refusal = Refusal("never", "");

pub async fn server(refusal: Refusal) -> (SocketAddr, Inbox) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let inbox = Inbox::default();
    let kept = inbox.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let kept = kept.clone();
            tokio::spawn(async move { converse(socket, refusal, &kept).await });
        }
    });
    (address, inbox)
}

async fn converse(socket: tokio::net::TcpStream, Refusal(at, refusal): Refusal, kept: &Inbox) -> Option<()> {
    let (read, mut write) = socket.into_split();
    let mut read = BufReader::new(read);
    let mut mail = Mail::default();
    write.write_all(b"220 sink\r\n").await.ok()?;
    loop {
        let mut line = String::new();
        if read.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let command = line.trim_end().to_owned();
        if command.starts_with(at) {
            if refusal.is_empty() {
                return None;
            }
            write.write_all(format!("{refusal}\r\n").as_bytes()).await.ok()?;
            continue;
        }
        let answer = match command.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => "250-sink\r\n250 AUTH PLAIN LOGIN",
            "AUTH" => "235 welcome",
            "RCPT" => {
                mail.to.push(command["RCPT TO:".len()..].trim_matches(['<', '>']).to_owned());
                "250 ok"
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await.ok()?;
                loop {
                    let mut line = String::new();
                    read.read_line(&mut line).await.ok()?;
                    if line == ".\r\n" {
                        break;
                    }
                    mail.text += &line;
                }
                kept.0.lock().unwrap().push(std::mem::take(&mut mail));
                match at {
                    "." if refusal.is_empty() => return None,
                    "." => refusal,
                    _ => "250 queued",
                }
            }
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
}

fn by_mail(settings: &[(&str, &str)]) -> Result<Box<dyn Notifier>, NotifyError> {
    let mut all = Settings::default();
    for (name, value) in settings {
        let value = match *name {
            "password" => SettingValue::Secret(SecretString::from(*value)),
            _ => SettingValue::Plain((*value).to_owned()),
        };
        all.insert(*name, value);
    }
    notify::build(&Destination { id: DestinationId::new("growth"), kind: "email", settings: all }, client())
}

fn through(address: SocketAddr) -> Box<dyn Notifier> {
    by_mail(&[
        ("server", "127.0.0.1"),
        ("port", &address.port().to_string()),
        ("from", "willitsell@example.com"),
        ("to", "dana@example.com, board@example.com"),
        ("user", "willitsell"),
        ("password", CANARY),
    ])
    .unwrap()
}

/// The text below the headers, as a reader sees it.
fn body(mail: &Mail) -> String {
    let (head, body) = mail.text.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    if head.contains("content-transfer-encoding: base64") {
        use base64::Engine;
        let packed: String = body.split_whitespace().collect();
        return String::from_utf8(base64::engine::general_purpose::STANDARD.decode(packed).unwrap()).unwrap();
    }
    if !head.contains("quoted-printable") {
        return body.to_owned();
    }
    let body = body.replace("=\r\n", "");
    let (mut bytes, mut rest) = (Vec::new(), body.bytes());
    while let Some(byte) = rest.next() {
        match byte {
            b'=' => {
                let pair = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).unwrap(), 16).unwrap());
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn n3_a_mail_goes_to_all_says_everything_once_and_has_the_same_id_on_every_attempt() {
    let (address, inbox) = server(ACCEPTS).await;
    let notifier = through(address);
    notifier.send(&delivery(1), now()).await.unwrap();
    notifier.send(&delivery(2), now()).await.unwrap();
    let mails = inbox.mails();
    for (mail, marked) in mails.iter().zip([false, true]) {
        assert_eq!(mail.to, ["dana@example.com", "board@example.com"]);
        assert!(mail.text.contains("\r\nMessage-ID: <verdict-7_growth@example.com>\r\n"), "{}", mail.text);
        assert!(mail.text.contains("\r\nAuto-Submitted: auto-generated\r\n"), "{}", mail.text);
        assert!(mail.text.contains("Date: Sun, 15 Mar 2026 06:00:00 +0000"), "{}", mail.text);
        let text = body(mail);
        assert!(text.starts_with("BUILD · Vet-approved meal kit for cats"), "{text}");
        assert!(text.contains("\r\n\r\nMoney: $3,170 spent · $42.84 per sign-up\r\n"), "{text}");
        assert!(text.contains("Decided Sat 14 Mar 2026, 06:00 UTC · Delivery verdict-7_growth"), "{text}");
        assert_eq!(text.contains("may repeat"), marked, "{text}");
    }
    assert_eq!(mails.len(), 2);
}

#[tokio::test]
async fn n2_what_the_codes_of_a_mail_server_mean() {
    let echo = format!("no such {CANARY}");
    let said = |code: u16| -> &'static str { Box::leak(format!("{code} {echo}").into_boxed_str()) };
    for (at, code, is_permanent, named) in [
        ("AUTH", 535, true, "`password`"),
        ("AUTH", 454, false, "454"),
        ("MAIL", 550, true, "`from`"),
        ("RCPT", 550, true, "`to`"),
        ("RCPT", 450, false, "450"),
        ("DATA", 451, false, "451"),
        (".", 552, true, "for good"),
        (".", 452, false, "452"),
        ("EHLO", 421, false, "421"),
    ] {
        let (address, _) = server(Refusal(at, said(code))).await;
        let error = through(address).send(&delivery(1), now()).await.unwrap_err();
        assert_eq!(matches!(error, NotifyError::Permanent { .. }), is_permanent, "{at} {code}: {error}");
        let printed = format!("{error} {error:?}");
        assert!(printed.contains(named) && printed.contains("[notify.growth.email]"), "{at} {code}: {printed}");
        assert!(!printed.contains(CANARY), "{printed}");
    }
}

/// One address that is refused, for good or for now, takes the mail from none of the others.
#[tokio::test]
async fn n2_a_refused_address_takes_the_mail_from_nobody_else() {
    const BOARD: &str = "RCPT TO:<board@";
    let (address, inbox) = server(Refusal(BOARD, "550 no such user")).await;
    let error = through(address).send(&delivery(1), now()).await.unwrap_err();
    assert!(matches!(&error, NotifyError::Partly { advice } if advice.contains("1 of 2 addresses")), "{error:?}");
    assert!(!error.to_string().contains("board@") && error.to_string().contains("`to`"), "{error}");
    assert_eq!(inbox.mails().iter().map(|mail| mail.to.join(" ")).collect::<Vec<_>>(), ["dana@example.com"]);

    // For now: the next attempt is for that one alone.
    let (address, inbox) = server(Refusal(BOARD, "450 later")).await;
    let notifier = through(address);
    for attempt in 1..4 {
        let error = notifier.send(&delivery(attempt), now()).await.unwrap_err();
        assert!(matches!(error, NotifyError::Temporary { may_have_arrived: true, .. }), "{error:?}");
        assert_eq!(inbox.mails().iter().map(|mail| mail.to.join(" ")).collect::<Vec<_>>(), ["dana@example.com"]);
    }
    // All are refused: then it is given up, and told elsewhere.
    let (address, _) = server(Refusal("RCPT", "550 nobody here")).await;
    let error = through(address).send(&delivery(1), now()).await.unwrap_err();
    assert!(matches!(error, NotifyError::Permanent { .. }), "{error:?}");
}

#[tokio::test]
async fn n3_a_mail_server_that_hangs_up_may_have_the_mail() {
    let (address, inbox) = server(Refusal(".", "")).await;
    let result = through(address).send(&delivery(1), now()).await;
    assert!(matches!(result, Err(NotifyError::Temporary { may_have_arrived: true, .. })), "{result:?}");
    assert_eq!(inbox.mails().len(), 1);
}

#[tokio::test]
async fn n6_hostile_text_stays_within_its_line_of_a_mail() {
    let (address, inbox) = server(ACCEPTS).await;
    let notifier = through(address);
    for hostile in hostile() {
        notifier.send(&hostile_delivery(&hostile), now()).await.unwrap();
        let mail = inbox.mails().pop().unwrap();
        assert!(mail.text.len() < 80_000, "{}", mail.text.len());
        let (head, _) = mail.text.split_once("\r\n\r\n").unwrap();
        let names: Vec<_> = head
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        let ours = [
            "From",
            "Subject",
            "To",
            "Date",
            "Message-ID",
            "Auto-Submitted",
            "References",
            "Content-Type",
            "Content-Transfer-Encoding",
            "MIME-Version",
        ];
        assert!(names.iter().all(|name| ours.contains(name)), "{head}");
        let text = body(&mail);
        let lines: Vec<_> = text.split("\r\n\r\n").collect();
        assert!(lines.len() <= 13, "{lines:?}");
        for line in lines {
            assert!(is_one_line_in_one_direction(line.trim_end()), "{line:?}");
            assert!(!line.contains("://") && !line.contains("www.e") && !line.contains("@b.example"), "{line:?}");
        }
    }
}

#[tokio::test]
async fn n7_nothing_leaves_in_the_clear_but_to_this_machine_and_half_a_login_is_refused() {
    // Not loopback by its name: what is spoken here is plain, so the conversation ends before anything is said.
    let (address, inbox) = server(ACCEPTS).await;
    let settings = |server, more: &[(&'static str, &'static str)]| {
        let mut all = vec![("server", server), ("from", "a@example.com"), ("to", "b@example.com")];
        all.extend_from_slice(more);
        all
    };
    let port: &'static str = Box::leak(address.port().to_string().into_boxed_str());
    let elsewhere = by_mail(&settings("0.0.0.0", &[("port", port)])).unwrap();
    let error = elsewhere.send(&delivery(1), now()).await.unwrap_err();
    assert!(error.to_string().contains("encryption"), "{error}");
    assert!(inbox.mails().is_empty());

    for (more, named) in [
        (&[("user", "u")][..], "go together"),
        (&[("password", CANARY)], "go together"),
        (&[("port", "99999")], "`port`"),
    ] {
        let Err(error) = by_mail(&settings("127.0.0.1", more)) else { panic!("{named}") };
        let printed = format!("{error} {error:?}");
        assert!(printed.contains(named) && !printed.contains(CANARY), "{printed}");
    }
    let Err(error) = by_mail(&settings("127.0.0.1", &[("to", "nobody")])) else { panic!("no address") };
    assert!(error.to_string().contains("`to`"), "{error}");
}
