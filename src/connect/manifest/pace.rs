//! How fast one account is asked: whose turn its calls wait for, how long the vendor asks to be left alone, and
//! when its answers say that the allowance is nearly used up. What an answer means is `errors`' business.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::extract::{self, Kind, Seen, unquoted};
use super::fill::{Filling, Template};
use super::path::{Path, quoted};
use super::plan::{Plan, Wanted};
use super::{HeaderHint, Manifest};
use crate::connect::PullError;
use crate::connect::http::{HeaderMap, Pace, WaitUnit, header, host_and_port, wait_hint};
use crate::domain::connector::Settings;

/// The longest one call is held back because the allowance is nearly used up.
const SLOWEST: Duration = Duration::from_mins(1);

/// How fast one source's account is asked.
pub(super) struct Pacing {
    account: String,
    gap: Duration,
    concurrent: Option<u32>,
    wait: Option<(HeaderHint, Option<Plan>)>,
    busy: Option<(HeaderHint, Option<Plan>, u8)>,
    wait_body: Option<WaitUnit>,
    now: DateTime<Utc>,
    /// What the last answer's headers asked for.
    heard: Option<Duration>,
    /// How long the next call is held back.
    slow: Option<Duration>,
}

impl Pacing {
    /// As fast as the user's file says, else the manifest.
    ///
    /// # Errors
    /// [`PullError`] where the address is none; what was checked gives no other.
    pub(super) fn new(
        manifest: &Manifest,
        rows: &super::Request,
        filling: &Filling<'_>,
        now: DateTime<Utc>,
    ) -> Result<Self, PullError> {
        let (limits, settings) = (&manifest.limits, filling.settings);
        let set = settings.plain("per_second").and_then(|rate| rate.parse::<f64>().ok()).filter(|rate| *rate > 0.0);
        let rate = set.or(limits.per_second);
        let compiled = |hint: &HeaderHint| {
            compile(hint.path.as_ref(), settings)
                .map(|plan| (hint.clone(), plan))
                .map_err(|saw| PullError::Shape { path: hint.name.to_string(), saw })
        };
        let busy = match &limits.busy {
            Some((hint, percent)) => {
                let (hint, plan) = compiled(hint)?;
                Some((hint, plan, *percent))
            }
            None => None,
        };
        Ok(Self {
            account: account(manifest, rows, filling)?,
            gap: rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate)),
            concurrent: limits.concurrent,
            wait: limits.wait_header.as_ref().map(compiled).transpose()?,
            busy,
            wait_body: limits.wait_body.as_ref().map(|(_, unit)| *unit),
            now,
            heard: None,
            slow: None,
        })
    }

    /// Whose turn a call waits for.
    pub(super) fn pace(&self) -> Pace<'_> {
        Pace { account: &self.account, gap: self.gap, concurrent: self.concurrent }
    }

    /// Takes note of what an answer's headers say.
    pub(super) fn hear(&mut self, headers: &HeaderMap) {
        // Resets are told by the vendor's clock, which may differ from ours.
        let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
        let now = date.and_then(|date| httpdate::parse_http_date(date).ok()).map_or(self.now, DateTime::<Utc>::from);
        let hint = self.wait.as_ref().and_then(|(hint, plan)| {
            texts(headers, hint, plan.as_ref()).iter().filter_map(|text| wait_hint(text, hint.unit, now)).max()
        });
        let plain = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        self.heard = hint.or_else(|| wait_hint(plain?, WaitUnit::RetryAfter, now));
        self.slow = self.busy.as_ref().and_then(|(hint, plan, percent)| {
            let used = texts(headers, hint, plan.as_ref());
            slowdown(used.iter().filter_map(|text| text.trim().parse().ok()), *percent)
        });
    }

    /// How long the vendor asks to be left alone: in its body, else in a header.
    pub(super) fn asked(&self, body: Option<&str>) -> Option<Duration> {
        let body = self.wait_body.and_then(|unit| wait_hint(body?, unit, self.now));
        body.or(self.heard)
    }

    /// How long to hold the next call back, told once.
    pub(super) fn slow(&mut self) -> Option<Duration> {
        self.slow.take()
    }
}

/// The account a vendor counts calls against: what the user must fill in to name it, at its host. Sources that
/// read one account in two ways share it; its version, its level and its secrets do not count.
fn account(manifest: &Manifest, rows: &super::Request, filling: &Filling<'_>) -> Result<String, PullError> {
    let mut named = BTreeSet::new();
    for call in manifest.calls() {
        named.extend(call.settings());
    }
    let mut account = format!("{} {}", manifest.info.name, host_and_port(&rows.base_url(filling)?));
    for info in &manifest.info.settings {
        let names_it = !info.secret && !info.optional && info.default.is_none() && named.contains(info.name.as_str());
        if let Some(value) = filling.settings.plain(&info.name).filter(|_| names_it) {
            account.push(' ');
            account.push_str(value);
        }
    }
    Ok(account)
}

fn compile(path: Option<&Template>, settings: &Settings) -> Result<Option<Plan>, String> {
    let Some(path) = path else { return Ok(None) };
    let path = Path::parse(&path.fill_plain(settings, quoted).ok_or("a setting in a path was not given")?)?;
    Plan::compile(&[Wanted { path: &path, strict: false }], None, &[]).map(Some)
}

/// What a header says: its text, or what stands at a path of the JSON in it.
fn texts(headers: &HeaderMap, hint: &HeaderHint, plan: Option<&Plan>) -> Vec<String> {
    let values = headers.get_all(&hint.name).iter().filter_map(|value| value.to_str().ok());
    let Some(plan) = plan else { return values.map(str::to_owned).collect() };
    let mut texts = Vec::new();
    for value in values {
        let Ok((found, ())) = extract::read(plan, value, ()) else { continue };
        texts.extend(found.all(0).iter().filter_map(|seen| match seen {
            Seen::Value(json) if matches!(Kind::of(json), Kind::Number | Kind::Text) => {
                Some(unquoted(json).into_owned())
            }
            _ => None,
        }));
    }
    texts
}

/// From 1 s where the highest of some percentages reaches `percent`, in even steps to [`SLOWEST`] at 100.
fn slowdown(used: impl Iterator<Item = f64>, percent: u8) -> Option<Duration> {
    let used = used.filter(|used| used.is_finite()).fold(0.0, f64::max);
    let percent = f64::from(percent);
    if used < percent {
        return None;
    }
    let share = if percent < 100.0 { ((used - percent) / (100.0 - percent)).min(1.0) } else { 1.0 };
    Some(Duration::from_secs(1).max(SLOWEST.mul_f64(share)))
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;
    use crate::connect::http::HeaderName;

    fn pacing(wait: Option<(&str, Option<&str>, WaitUnit)>, busy: Option<(&str, &str, u8)>) -> Pacing {
        let hint = |name: &str, unit| HeaderHint { name: name.parse::<HeaderName>().unwrap(), path: None, unit };
        let plan = |path: &str| {
            let path = Path::parse(path).unwrap();
            Plan::compile(&[Wanted { path: &path, strict: false }], None, &[]).unwrap()
        };
        Pacing {
            account: String::new(),
            gap: Duration::ZERO,
            concurrent: None,
            wait: wait.map(|(name, path, unit)| (hint(name, unit), path.map(plan))),
            busy: busy.map(|(name, path, percent)| (hint(name, WaitUnit::Seconds), Some(plan(path)), percent)),
            wait_body: Some(WaitUnit::Duration),
            now: Utc.with_ymd_and_hms(2026, 11, 22, 17, 0, 0).unwrap(),
            heard: None,
            slow: None,
        }
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn h5_every_kind_of_hint_is_obeyed_within_bounds() {
        const META: &str =
            r#"{"1":[{"call_count":100,"estimated_time_to_regain_access":3},{"estimated_time_to_regain_access":7}]}"#;
        let meta = ("x-business-use-case-usage", Some("$.*[*].estimated_time_to_regain_access"), WaitUnit::Minutes);
        let reset = |unit| ("x-ratelimit-reset", None, unit);
        let at = "Sun, 22 Nov 2026 17:05:00 GMT";
        for (hint, lines, expected) in [
            (Some(meta), vec![("x-business-use-case-usage", META)], Some(420)),
            (Some(meta), vec![("x-business-use-case-usage", "{torn")], None),
            (Some(meta), vec![("x-business-use-case-usage", "[]"), ("retry-after", "9")], Some(9)),
            (Some(reset(WaitUnit::Seconds)), vec![("x-ratelimit-reset", "42")], Some(42)),
            (Some(reset(WaitUnit::Seconds)), vec![("x-ratelimit-reset", "0")], Some(1)),
            (Some(reset(WaitUnit::Seconds)), vec![("x-ratelimit-reset", "1e9"), ("retry-after", "3")], Some(3600)),
            (Some(reset(WaitUnit::Seconds)), vec![("x-ratelimit-reset", "soon")], None),
            (Some(reset(WaitUnit::EpochSeconds)), vec![("x-ratelimit-reset", "1795366860")], Some(60)),
            (Some(reset(WaitUnit::EpochSeconds)), vec![("x-ratelimit-reset", "1795367400"), ("date", at)], Some(300)),
            (Some(reset(WaitUnit::EpochSeconds)), vec![("x-ratelimit-reset", "42")], None),
            (Some(reset(WaitUnit::EpochMillis)), vec![("x-ratelimit-reset", "1795366805000")], Some(5)),
            (None, vec![("retry-after", "Sun, 22 Nov 2026 17:06:00 GMT"), ("date", at)], Some(60)),
            (None, vec![("x-ratelimit-reset", "42")], None),
        ] {
            let mut pacing = pacing(hint, None);
            pacing.hear(&headers(&lines));
            assert_eq!(pacing.asked(None), expected.map(Duration::from_secs), "{lines:?}");
            assert_eq!(pacing.asked(Some("5s")), Some(Duration::from_secs(5)), "a body is nearer: {lines:?}");
            pacing.hear(&HeaderMap::new());
            assert_eq!(pacing.asked(Some("tomorrow")), None, "an answer is not asked twice");
        }
    }

    #[test]
    fn h6_a_nearly_used_allowance_slows_down_before_it_ends() {
        for (used, expected) in [
            (r#"{"a":{"pct":79.9}}"#, None),
            (r#"{"a":{"pct":80}}"#, Some(1)),
            (r#"{"a":{"pct":10},"b":{"pct":90}}"#, Some(30)),
            (r#"{"a":{"pct":"100"}}"#, Some(60)),
            (r#"{"a":{"pct":4000}}"#, Some(60)),
            (r#"{"a":{"pct":"much"}}"#, None),
            ("95", None),
            ("", None),
        ] {
            let mut pacing = pacing(None, Some(("x-usage", "$.*.pct", 80)));
            pacing.hear(&headers(&[("x-usage", used)]));
            assert_eq!(pacing.slow(), expected.map(Duration::from_secs), "{used}");
            assert_eq!(pacing.slow(), None, "once");
        }
    }
}
