//! The vectors of vendors and of the standard, and everything that must not pass for them.

use axum::http::{HeaderName, HeaderValue};
use secrecy::SecretString;

use super::*;

const THEN: i64 = 1_767_225_600;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// A delivery that a vendor is known to sign so.
struct Vector {
    scheme: Scheme,
    secret: &'static str,
    key: &'static str,
    headers: Vec<(&'static str, String)>,
    body: &'static str,
    /// Seconds; `None` where no time is signed.
    time: Option<i64>,
}

impl Vector {
    fn verifier(&self, secrets: &[&str]) -> Result<Verifier, &'static str> {
        let secrets = secrets.iter().map(|&secret| SecretString::from(secret)).collect();
        Verifier::new(&Inbound { scheme: self.scheme, secrets })
    }

    fn verify_by(
        &self,
        secrets: &[&str],
        headers: &[(&'static str, String)],
        body: &[u8],
        now: i64,
    ) -> Result<Option<String>, Refused> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let delivery = Delivery {
            method: "POST",
            uri: "https://hooks.example.com/in/hubspot?src=a/b",
            key: self.key,
            headers: &map,
            body,
        };
        self.verifier(secrets).unwrap().verify(&delivery, at(now)).map(|id| id.map(str::to_owned))
    }

    fn verify(&self, headers: &[(&'static str, String)], body: &[u8], now: i64) -> Result<Option<String>, Refused> {
        self.verify_by(&[self.secret], headers, body, now)
    }

    fn now(&self) -> i64 {
        self.time.unwrap_or(THEN)
    }
}

fn vectors() -> Vec<Vector> {
    let standard = |id: &str, time: i64, signature: &str| {
        vec![
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", time.to_string()),
            ("webhook-signature", signature.to_owned()),
        ]
    };
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    vec![
        Vector {
            scheme: Scheme::Typeform,
            secret: "typeform_secret",
            key: "",
            headers: vec![("typeform-signature", "sha256=qAFDeDuZZfSqMYavpaMzgIHyRlU8oLW4Bv8WeRipt2w=".into())],
            body: r#"{"event_id":"E1","event_type":"form_response"}"#,
            time: None,
        },
        Vector {
            scheme: Scheme::Hubspot,
            secret: "hubspot_secret",
            key: "",
            headers: vec![
                ("x-hubspot-signature-v3", "nrEPmnqkph33EQpiUYtatBa1JP3Z+wonPvlc1EZc3gg=".into()),
                ("x-hubspot-request-timestamp", "1767225600000".into()),
            ],
            body: r#"[{"eventId":1}]"#,
            time: Some(THEN),
        },
        Vector {
            scheme: Scheme::Tally,
            secret: "tally_secret",
            key: "",
            headers: vec![("tally-signature", "EFp3a3FnP4Kg46/B4Bvd0xjxsgKY1l1N4JIoGbi8E3Y=".into())],
            body: r#"{"eventId":"E1","eventType":"FORM_RESPONSE"}"#,
            time: None,
        },
        Vector {
            scheme: Scheme::Calendly,
            secret: "calendly_key",
            key: "",
            headers: vec![(
                "calendly-webhook-signature",
                "t=1767225600,v1=12aa7326ffe2f33513f07227ad92dca77a8a17642776ec9e43355b6339c033cd".into(),
            )],
            body: r#"{"event":"invitee.created"}"#,
            time: Some(THEN),
        },
        Vector {
            scheme: Scheme::Stripe,
            secret: "whsec_test_secret",
            key: "",
            headers: vec![(
                "stripe-signature",
                "t=1767225600,v1=ea39823a9ff870c5ea2be9961fdbf5dcbe1056e7895a312bfede2475c7e436ce".into(),
            )],
            body: r#"{"id":"evt_test_webhook","object":"event"}"#,
            time: Some(THEN),
        },
        Vector {
            scheme: Scheme::Standard,
            secret: key,
            key: "",
            headers: standard(
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            body: r#"{"test": 2432232314}"#,
            time: Some(1_614_265_330),
        },
        Vector {
            scheme: Scheme::Standard,
            secret: key,
            key: "",
            headers: standard("msg_willitsell_0001", THEN, "v1,cz9e8PYepgwUAIl41QXJN2slywJ42pVW+7pyDPy+njw="),
            body: r#"{"kind":"verdict","concept":"acme-widget"}"#,
            time: Some(THEN),
        },
        Vector {
            scheme: Scheme::Path,
            secret: "6f1c2f7b0f3e4c5d8a9b6f1c2f7b0f3e",
            key: "6f1c2f7b0f3e4c5d8a9b6f1c2f7b0f3e",
            headers: vec![],
            body: "submissionID=1",
            time: None,
        },
    ]
}

#[test]
fn i1_every_vendors_vector_passes() {
    for vector in vectors() {
        let id = vector.verify(&vector.headers, vector.body.as_bytes(), vector.now()).unwrap();
        let named = vector.headers.iter().find(|(name, _)| *name == "webhook-id").map(|(_, id)| id.clone());
        assert_eq!(id, named, "{:?}", vector.scheme);
    }
}

#[test]
fn i1_whatever_is_missing_changed_or_doubled_is_refused() {
    for vector in vectors().into_iter().filter(|vector| vector.scheme != Scheme::Path) {
        let (scheme, now) = (vector.scheme, vector.now());
        for left_out in 0..vector.headers.len() {
            let mut headers = vector.headers.clone();
            headers.remove(left_out);
            assert_eq!(vector.verify(&headers, vector.body.as_bytes(), now), Err(Refused::Unsigned), "{scheme:?}");
            let mut headers = vector.headers.clone();
            headers.push(headers[left_out].clone());
            assert_eq!(vector.verify(&headers, vector.body.as_bytes(), now), Err(Refused::Unsigned), "{scheme:?}");
            // Each character changed, each tail cut off.
            let whole = &vector.headers[left_out].1;
            for position in 0..whole.len() {
                let cut = whole[..position].to_owned();
                let other = if &whole[position..=position] == "0" { "1" } else { "0" };
                let changed = format!("{cut}{other}{}", &whole[position + 1..]);
                let ignored = whole.ends_with('=') && position >= whole.len() - 2;
                for value in [cut, changed] {
                    let mut headers = vector.headers.clone();
                    headers[left_out].1 = value;
                    let result = vector.verify(&headers, vector.body.as_bytes(), now);
                    // Padding says nothing, nor do the last bits of the letter before it.
                    assert!(result.is_err() || ignored, "{scheme:?} {:?}", headers[left_out]);
                }
            }
        }
        for position in 0..vector.body.len() {
            let mut body = vector.body.as_bytes().to_vec();
            body[position] ^= 1;
            assert_eq!(vector.verify(&vector.headers, &body, now), Err(Refused::Wrong), "{scheme:?}");
        }
        // The same JSON written again is other bytes.
        let again = vector.body.replace(':', ": ").replace(":  ", ":");
        assert_eq!(vector.verify(&vector.headers, again.as_bytes(), now), Err(Refused::Wrong), "{scheme:?}");
        assert_eq!(vector.verify(&vector.headers, b"", now), Err(Refused::Wrong), "{scheme:?}");
    }
}

#[test]
fn i1_another_key_is_refused_and_either_of_two_passes() {
    for vector in vectors() {
        let other = match vector.scheme {
            Scheme::Standard => "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            _ => "another-secret-of-the-same-vendor-0123",
        };
        let body = vector.body.as_bytes();
        let by = |secrets: &[&str]| vector.verify_by(secrets, &vector.headers, body, vector.now());
        assert_eq!(by(&[other]), Err(Refused::Wrong), "{:?}", vector.scheme);
        assert!(by(&[other, vector.secret]).is_ok() && by(&[vector.secret, other]).is_ok(), "{:?}", vector.scheme);
        assert!(vector.verifier(&[]).is_err(), "no secret is no check");
    }
}

#[test]
fn i1_other_algorithms_are_refused() {
    use ring::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA512, Key, sign};
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for vector in vectors() {
        let (secret, body) = (vector.secret.as_bytes(), vector.body.as_bytes());
        for algorithm in [HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA512] {
            let tag = sign(&Key::new(algorithm, secret), body);
            let timed = sign(&Key::new(algorithm, secret), &[b"1767225600.", body].concat());
            let forged = match vector.scheme {
                Scheme::Typeform => vec![("typeform-signature", format!("sha256={}", BASE64.encode(tag)))],
                Scheme::Tally => vec![("tally-signature", BASE64.encode(tag))],
                Scheme::Stripe => vec![("stripe-signature", format!("t=1767225600,v1={}", hex(timed.as_ref())))],
                Scheme::Calendly => {
                    vec![("calendly-webhook-signature", format!("t=1767225600,v1={}", hex(timed.as_ref())))]
                }
                _ => continue,
            };
            assert_eq!(vector.verify(&forged, body, THEN), Err(Refused::Wrong), "{:?}", vector.scheme);
        }
    }
    // HubSpot's older ones are no HMAC, and can be made longer by anybody.
    let hubspot = &vectors()[1];
    let old = vec![
        ("x-hubspot-signature", "9b351eee0920c9301065908b607e6bf081ca845b6ffc2e999f6c86842d5eb9ad".to_owned()),
        ("x-hubspot-signature-version", "v2".to_owned()),
        ("x-hubspot-request-timestamp", "1767225600000".to_owned()),
    ];
    assert_eq!(hubspot.verify(&old, hubspot.body.as_bytes(), THEN), Err(Refused::Unsigned));
    // Stripe's own `v0`, and a version that is not known here.
    let stripe = &vectors()[4];
    for version in ["v0", "v2", "v1a"] {
        let header = stripe.headers[0].1.replace("v1=", &format!("{version}="));
        let refused = stripe.verify(&[("stripe-signature", header)], stripe.body.as_bytes(), THEN);
        assert_eq!(refused, Err(Refused::Wrong), "{version}");
    }
}

#[test]
fn i1_several_signatures_are_looked_at_and_one_is_enough() {
    let wrong = "0".repeat(64);
    for vector in vectors() {
        let mut headers = vector.headers.clone();
        match vector.scheme {
            Scheme::Stripe | Scheme::Calendly => {
                headers[0].1 = headers[0].1.replace(",v1=", &format!(",v1={wrong},v0=x,v1="));
            }
            Scheme::Standard => headers[2].1 = format!("v1,AAAA v1a,AAAA v2,AAAA {}", headers[2].1),
            _ => continue,
        }
        assert!(vector.verify(&headers, vector.body.as_bytes(), vector.now()).is_ok(), "{:?}", vector.scheme);
        // Not endlessly many.
        match vector.scheme {
            Scheme::Standard => headers[2].1 = format!("{}{}", "v1,AAAA ".repeat(9), vector.headers[2].1),
            _ => {
                headers[0].1 =
                    vector.headers[0].1.replace(",v1=", &format!("{},v1=", format!(",v1={wrong}").repeat(9)));
            }
        }
        assert!(vector.verify(&headers, vector.body.as_bytes(), vector.now()).is_err(), "{:?}", vector.scheme);
    }
}

#[test]
fn i2_a_signed_time_more_than_five_minutes_away_is_refused_either_way() {
    for vector in vectors().into_iter().filter(|vector| vector.time.is_some()) {
        let at = |now: i64| vector.verify(&vector.headers, vector.body.as_bytes(), now);
        for near in [-300, 0, 300] {
            assert!(at(vector.now() + near).is_ok(), "{:?}", vector.scheme);
        }
        for far in [-301, 301, 3 * 86_400] {
            assert_eq!(at(vector.now() + far), Err(Refused::Stale), "{:?}", vector.scheme);
        }
    }
}

#[test]
fn i2_a_fresh_time_that_was_not_signed_changes_nothing() {
    for vector in vectors().into_iter().filter(|vector| vector.time.is_some()) {
        let later = vector.now() + 3 * 86_400;
        let fresh = |(name, value): &(&'static str, String)| {
            (*name, value.replace(&vector.now().to_string(), &later.to_string()))
        };
        let headers: Vec<_> = vector.headers.iter().map(fresh).collect();
        assert_ne!(headers, vector.headers);
        assert_eq!(vector.verify(&headers, vector.body.as_bytes(), later), Err(Refused::Wrong), "{:?}", vector.scheme);
    }
    let stripe = &vectors()[4];
    let later = THEN + 3 * 86_400;
    let two = format!("t={later},{}", stripe.headers[0].1);
    let refused = stripe.verify(&[("stripe-signature", two)], stripe.body.as_bytes(), later);
    assert_eq!(refused, Err(Refused::Unsigned), "two times");
}

#[test]
fn secrets_that_cannot_be_one_are_refused_at_the_start() {
    let new =
        |scheme, secret: &str| Verifier::new(&Inbound { scheme, secrets: vec![SecretString::from(secret)] }).is_ok();
    for empty in ["", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%"] {
        assert!(!new(Scheme::Standard, empty), "{empty}");
    }
    assert!(new(Scheme::Standard, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "without its prefix");
    for guessable in ["", "jotform", "a/b/c/d/e/f/g/h/i/j/k/l/m", "6f1c2f7b0f3e4c5d8a9b6f1"] {
        assert!(!new(Scheme::Path, guessable), "{guessable}");
    }
    for scheme in Scheme::ALL {
        assert!(!new(scheme, ""), "{scheme:?}");
        assert_eq!(Scheme::named(scheme.name()), Some(scheme));
    }
}

#[test]
fn i1_a_path_that_is_not_the_secret_is_refused() {
    let path = &vectors()[7];
    let refused =
        |key: &'static str| Vector { key, ..vectors().remove(7) }.verify(&[], b"", THEN) == Err(Refused::Wrong);
    assert!(refused("") && refused("6f1c2f7b0f3e4c5d8a9b6f1c2f7b0f3") && refused("6f1c2f7b0f3e4c5d8a9b6f1c2f7b0f3e0"));
    assert!(path.verify(&[], b"anything", THEN).is_ok());
}

#[test]
fn hubspot_signs_its_address_with_some_characters_decoded() {
    let sign = |uri: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"hubspot_secret");
        BASE64.encode(hmac::sign(&key, format!("POST{uri}[]1767225600000").as_bytes()))
    };
    let verifier = Verifier::new(&Inbound { scheme: Scheme::Hubspot, secrets: vec!["hubspot_secret".into()] }).unwrap();
    let passes = |called: &str, signed: &str| {
        let mut headers = HeaderMap::new();
        headers.append("x-hubspot-signature-v3", sign(signed).parse().unwrap());
        headers.append("x-hubspot-request-timestamp", "1767225600000".parse().unwrap());
        let delivery = Delivery { method: "POST", uri: called, key: "", headers: &headers, body: b"[]" };
        verifier.verify(&delivery, at(THEN)).is_ok()
    };
    assert!(passes("https://a.example/in/crm?x=a%2Fb%40c", "https://a.example/in/crm?x=a/b@c"));
    assert!(passes("https://a.example/in/crm?x=a%2fb", "https://a.example/in/crm?x=a/b"));
    assert!(passes("https://a.example/in/crm?x=a%20b", "https://a.example/in/crm?x=a%20b"), "a space stays as it is");
    assert!(!passes("http://a.example/in/crm", "https://a.example/in/crm"), "a proxy that says another scheme");
}
