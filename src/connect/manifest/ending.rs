//! What an answer's headers say about the end of the API that gave it: `Sunset` (RFC 8594) and `Deprecation` (RFC 9745).

use chrono::{DateTime, Utc};

use crate::connect::http::HeaderMap;

/// A sentence, where the vendor announces an end. What it wrote is read, never repeated.
pub(super) fn announced(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let day = |at: DateTime<Utc>| at.date_naive().to_string();
    if let Some(sunset) = text("sunset") {
        let when = http_date(sunset).map_or_else(|| "soon".to_owned(), |at| format!("on {}", day(at)));
        return Some(format!("the vendor announces that it ends this version of its API {when} (header Sunset)"));
    }
    let deprecation = text("deprecation").filter(|said| !said.eq_ignore_ascii_case("false"))?;
    let since = deprecation.strip_prefix('@').and_then(|seconds| DateTime::from_timestamp(seconds.parse().ok()?, 0));
    let since = since.or_else(|| http_date(deprecation)).map(|at| format!(" as of {}", day(at))).unwrap_or_default();
    Some(format!("the vendor advises against this version of its API{since} (header Deprecation): it will end"))
}

fn http_date(text: &str) -> Option<DateTime<Utc>> {
    httpdate::parse_http_date(text).ok().map(DateTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h27_headers_that_announce_an_end_are_put_into_words_and_never_repeated() {
        for (name, value, said) in [
            ("sunset", "Sat, 31 Oct 2026 23:59:59 GMT", Some("on 2026-10-31 (header Sunset)")),
            ("sunset", "evil \u{7f} text", Some("soon (header Sunset)")),
            ("deprecation", "@1793491200", Some("as of 2026-11-01 (header Deprecation)")),
            ("deprecation", "Sun, 01 Nov 2026 00:00:00 GMT", Some("as of 2026-11-01")),
            ("deprecation", "true", Some("its API (header Deprecation): it will end")),
            ("deprecation", "@99999999999999999999", Some("its API (header Deprecation)")),
            ("deprecation", "false", None),
            ("x-other", "1", None),
        ] {
            let mut headers = HeaderMap::new();
            if let Ok(value) = value.parse() {
                headers.insert(name.parse::<crate::connect::http::HeaderName>().unwrap(), value);
            }
            let found = announced(&headers);
            match said {
                None => assert_eq!(found, None, "{value}"),
                Some(_) if headers.is_empty() => {}
                Some(said) => assert!(found.as_ref().is_some_and(|found| found.contains(said)), "{value}: {found:?}"),
            }
        }
    }
}
