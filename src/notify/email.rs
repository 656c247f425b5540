//! E-mail over SMTP, in plain text. Encrypted, unless the server is this machine. What a server's codes mean for trying again
//! stands in RFC 5321: 4xx may pass, 5xx will not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes};
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::ExposeSecret;

use super::endpoint::{secret, table};
use super::shown::{PAGE, as_it_is, footer, headline, labelled, lines};
use super::{Built, Notifier, NotifyError};
use crate::domain::connector::SettingInfo;
use crate::domain::message::{Delivery, Destination, NotifierInfo};

/// One step of the conversation.
const CALL: Duration = Duration::from_secs(30);
const SUBJECT: usize = 200;
const LINE: usize = 2_000;
const ALL: usize = 16_000;
/// The port on which encryption comes first; on others it is asked for.
const ENCRYPTED: u16 = 465;

pub(super) fn info() -> NotifierInfo {
    let setting =
        |name: &str, help: &str| SettingInfo { name: name.into(), help: help.into(), ..SettingInfo::default() };
    let address = r#"[^@\s<>,"]+@[^@\s<>,"]+"#;
    NotifierInfo {
        kind: "email",
        settings: vec![
            setting("server", "host name of the SMTP server that takes your mail, smtp.example.com"),
            SettingInfo {
                default: Some(ENCRYPTED.to_string()),
                pattern: Some("[1-9][0-9]{0,4}".into()),
                ..setting("port", "465, or 587 where encryption is asked for (STARTTLS)")
            },
            SettingInfo { pattern: Some(address.into()), ..setting("from", "address it comes from") },
            SettingInfo {
                pattern: Some(format!(r"{address}(\s*,\s*{address})*")),
                ..setting("to", "addresses it goes to, with commas between them")
            },
            SettingInfo { optional: true, ..setting("user", "name the server knows you by") },
            SettingInfo { optional: true, secret: true, ..setting("password", "password for that name") },
        ],
    }
}

pub(super) fn build(destination: &Destination, _: reqwest::Client) -> Built {
    let table = table(destination);
    let wrong = |advice: String| NotifyError::Permanent { advice: format!("{advice} in {table}") };
    let plain = |name: &str| destination.settings.plain(name);
    let needed = |name: &str| plain(name).ok_or_else(|| wrong(format!("`{name}` is missing")));
    let host = needed("server")?.to_owned();
    let port: u16 = match plain("port").map(str::parse) {
        None => ENCRYPTED,
        Some(Ok(port)) => port,
        Some(Err(_)) => return Err(wrong("`port` is no port: write 465 or 587, in quotes,".into())),
    };
    let from: Mailbox = needed("from")?.parse().map_err(|_| wrong("`from` is no e-mail address".into()))?;
    let to: Mailboxes = needed("to")?.parse().map_err(|_| wrong("`to` holds something else than addresses".into()))?;
    let tls = if is_this_machine(&host) {
        Tls::None
    } else {
        let tls = TlsParameters::new(host.clone());
        let tls = tls.map_err(|_| wrong("`server` is no host name, or this machine has no certificates".into()))?;
        if port == ENCRYPTED { Tls::Wrapper(tls) } else { Tls::Required(tls) }
    };
    let mut server =
        AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host.clone()).port(port).tls(tls).timeout(Some(CALL));
    match (plain("user"), destination.settings.get("password")) {
        (None, None) => {}
        (Some(user), Some(_)) => {
            let password = secret(destination, "password")?;
            server = server.credentials(Credentials::new(user.to_owned(), password.expose_secret().to_owned()));
        }
        _ => return Err(wrong("`user` and `password` go together: one of them is missing".into())),
    }
    let name = format!("{table} at {host}");
    Ok(Box::new(Email { server: server.build(), from, to, name, taken: Mutex::default() }))
}

/// The names of this machine: what is said there is heard by nobody else.
fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

struct Email {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Mailboxes,
    /// What errors call it.
    name: String,
    /// Of a mail that some addresses were refused: who has it. Forgotten with the process, after which all are asked again.
    taken: Mutex<BTreeMap<String, BTreeSet<Address>>>,
}

#[async_trait]
impl Notifier for Email {
    async fn send(&self, delivery: &Delivery, now: DateTime<Utc>) -> Result<(), NotifyError> {
        let mail = self.mail(delivery, now).map_err(|_| self.permanent("cannot be written to: please report it"))?;
        let taken = self.taken(|all| all.get(&delivery.id).cloned().unwrap_or_default());
        let left: Vec<Address> = self.to.iter().map(|to| to.email.clone()).filter(|to| !taken.contains(to)).collect();
        let refused = match self.hand_over(&mail, left.clone()).await {
            // A server that refuses one address takes the mail for none: each is asked for by itself.
            Err(error) if (left.len() > 1 || !taken.is_empty()) && is_about_an_address(&error) => {
                self.one_by_one(&mail, &delivery.id, left).await?
            }
            Err(error) => return Err(self.read(&error)),
            Ok(()) => 0,
        };
        self.taken(|all| all.remove(&delivery.id));
        if refused == 0 {
            return Ok(());
        }
        let (name, all) = (&self.name, self.to.iter().count());
        Err(NotifyError::Partly {
            advice: format!("{name} refused {refused} of {all} addresses for good, and the others have it: check `to`"),
        })
    }
}

/// Whether the server answered, and not to who we are: then it may be one of the addresses that it will not have.
fn is_about_an_address(error: &smtp::Error) -> bool {
    let code = error.status().map(|code| code.to_string());
    code.is_some_and(|code| !["421", "454", "530", "534", "535", "538"].contains(&code.as_str()))
}

impl Email {
    async fn hand_over(&self, mail: &Message, to: Vec<Address>) -> Result<(), smtp::Error> {
        let envelope = Envelope::new(Some(self.from.email.clone()), to).unwrap_or_else(|_| mail.envelope().clone());
        self.server.send_raw(&envelope, &mail.formatted()).await.map(|_| ())
    }

    /// Hands the mail over for each address by itself: how many were refused for good, where others took it and none is
    /// to be tried again.
    async fn one_by_one(&self, mail: &Message, id: &str, left: Vec<Address>) -> Result<usize, NotifyError> {
        let (mut refused, mut later, mut why) = (0, None, None);
        for to in left {
            match self.hand_over(mail, vec![to.clone()]).await {
                Ok(()) => self.taken(|all| _ = all.entry(id.to_owned()).or_default().insert(to)),
                Err(error) if error.is_permanent() => {
                    refused += 1;
                    why = Some(error);
                }
                Err(error) => later = Some(error),
            }
        }
        let has_any = self.taken(|all| all.contains_key(id));
        match (later, why) {
            (Some(error), _) => Err(match self.read(&error) {
                // Should this process end before, those who have it are sent it once more.
                NotifyError::Temporary { retry_after, may_have_arrived, what } => {
                    NotifyError::Temporary { retry_after, may_have_arrived: may_have_arrived || has_any, what }
                }
                other => other,
            }),
            (None, Some(error)) if !has_any => Err(self.read(&error)),
            _ => Ok(refused),
        }
    }

    fn taken<T>(&self, of: impl FnOnce(&mut BTreeMap<String, BTreeSet<Address>>) -> T) -> T {
        of(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn mail(&self, delivery: &Delivery, now: DateTime<Utc>) -> Result<Message, lettre::error::Error> {
        let message = &delivery.message;
        let mut text: Vec<String> = vec![headline(message, LINE, as_it_is)];
        text.extend(lines(message, LINE, ALL, as_it_is).iter().map(|(label, text)| labelled(label, text)));
        text.extend(delivery.page.iter().map(|page| format!("{PAGE}: {page}")));
        text.push(footer(delivery));
        let header = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
        let domain = self.from.email.domain();
        let mut mail = Message::builder().from(self.from.clone()).subject(headline(message, SUBJECT, as_it_is));
        for to in self.to.iter() {
            mail = mail.to(to.clone());
        }
        // The same id on every attempt: mail programs show one of two alike. Nobody's holiday answers it.
        mail.date(SystemTime::from(now))
            .message_id(Some(format!("<{}@{domain}>", delivery.id)))
            .references(format!("<{}@{domain}>", delivery.thread))
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .header(ContentType::TEXT_PLAIN)
            .body(text.join("\r\n\r\n") + "\r\n")
    }

    /// What a failure means. What the server wrote is not repeated: it may hold anything.
    fn read(&self, error: &smtp::Error) -> NotifyError {
        let code = error.status().map(|code| code.to_string()).unwrap_or_default();
        if error.is_permanent() {
            return self.permanent(match code.as_str() {
                "530" | "534" | "535" | "538" => "refused the login: check `user` and `password`",
                "550" | "551" | "553" | "556" => "refused an address: check `from` and `to`",
                _ => "refused the mail for good: ask who runs the server",
            });
        }
        let temporary = |may_have_arrived, what: &str| NotifyError::Temporary {
            retry_after: None,
            may_have_arrived,
            what: format!("{} {what}", self.name),
        };
        if error.is_transient() {
            return temporary(false, &format!("cannot take it now ({code})"));
        }
        if error.is_client() {
            return self.permanent("offers no encryption, or no way to log in, that is known here: check `port`");
        }
        if error.is_tls() {
            return temporary(false, "could not be spoken to in private: its certificate, or `port`, is wrong");
        }
        if error.is_timeout() {
            return temporary(true, "gave no answer in time");
        }
        // The connection broke off, perhaps after the mail was handed over.
        temporary(true, "could not be reached, or broke off")
    }

    fn permanent(&self, advice: &str) -> NotifyError {
        NotifyError::Permanent { advice: format!("{} {advice}", self.name) }
    }
}
