//! Reads a row's day or instant from its text in the form its manifest declares, and in no other.

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

/// How a vendor writes when something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DayForm {
    /// `2026-11-03`
    Date,
    /// `20261103`
    Digits,
    /// `2026-11-03 00:00:00`: a day, written as its beginning.
    Midnight,
    /// `2026-11-03T09:00:00Z`, or with another offset.
    Instant,
    /// Seconds since 1970, as a number or its digits.
    EpochSeconds,
    /// Milliseconds since 1970, as a number or its digits.
    EpochMillis,
    /// `2026-11-03 09:00:00`, by the clocks of a zone that stands elsewhere.
    Local,
    /// Seconds that clocks of such a zone have counted since they showed the beginning of 1970.
    LocalSeconds,
}

impl DayForm {
    pub(super) const ALL: [Self; 8] = [
        Self::Date,
        Self::Digits,
        Self::Midnight,
        Self::Instant,
        Self::EpochSeconds,
        Self::EpochMillis,
        Self::Local,
        Self::LocalSeconds,
    ];

    /// As written in a manifest.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Digits => "digits",
            Self::Midnight => "midnight",
            Self::Instant => "instant",
            Self::EpochSeconds => "epoch_s",
            Self::EpochMillis => "epoch_ms",
            Self::Local => "local",
            Self::LocalSeconds => "local_s",
        }
    }

    /// Whether it says a moment, which becomes a day in some zone.
    pub(super) fn is_instant(self) -> bool {
        matches!(self, Self::Instant | Self::EpochSeconds | Self::EpochMillis) || self.is_local()
    }

    /// Whether it is by the clocks of a zone that must be named.
    pub(super) fn is_local(self) -> bool {
        matches!(self, Self::Local | Self::LocalSeconds)
    }

    /// What a value of another form is not.
    pub(super) fn else_not(self) -> &'static str {
        match self {
            Self::Date => "is not a day such as 2026-11-22",
            Self::Digits => "is not a day such as 20261122",
            Self::Midnight => "is not a day such as 2026-11-22 00:00:00",
            Self::Instant => "is not an instant such as 2026-11-22T17:00:00Z",
            Self::EpochSeconds | Self::LocalSeconds => "is not a number of seconds since 1970",
            Self::EpochMillis => "is not a number of milliseconds since 1970",
            Self::Local => "is not a time such as 2026-11-22 17:00:00",
        }
    }

    /// The day a text says; `None` for the forms that say a moment.
    pub(super) fn day(self, text: &str) -> Option<NaiveDate> {
        match self {
            Self::Date => plain_date(text),
            Self::Digits => {
                let digits = text.len() == 8 && text.is_ascii();
                plain_date(&digits.then(|| format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]))?)
            }
            Self::Midnight => {
                let day = text.strip_suffix("00:00:00")?;
                plain_date(day.strip_suffix([' ', 'T'])?)
            }
            Self::Instant | Self::EpochSeconds | Self::EpochMillis | Self::Local | Self::LocalSeconds => None,
        }
    }

    /// The moment a text says, where it names no zone by the clocks of `zone`; `None` for the forms that say a day.
    pub(super) fn instant(self, text: &str, zone: Tz) -> Option<DateTime<Utc>> {
        match self {
            Self::Instant => DateTime::parse_from_rfc3339(text)
                // "+0000", as some vendors write it.
                .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
                .ok()
                .map(|instant| instant.with_timezone(&Utc)),
            Self::EpochSeconds => DateTime::from_timestamp_secs(digits(text, 12)?),
            Self::EpochMillis => DateTime::from_timestamp_millis(digits(text, 15)?),
            Self::Local => by_the_clocks(NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok()?, zone),
            Self::LocalSeconds => by_the_clocks(DateTime::from_timestamp_secs(digits(text, 12)?)?.naive_utc(), zone),
            Self::Date | Self::Digits | Self::Midnight => None,
        }
    }
}

/// A whole number of at most so many digits.
fn digits(text: &str, most: usize) -> Option<i64> {
    let digits = text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// The day of three numbers as text.
pub(super) fn year_month_day([year, month, day]: [&str; 3]) -> Option<NaiveDate> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let year = number(year).filter(|year| (1000..=9999).contains(year))?;
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, number(month)?, number(day)?)
}

/// The instant at which clocks showed this: the first of two where they were set back, that of the change where they
/// were set forward past it.
fn by_the_clocks(shown: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let at = |shown: NaiveDateTime| zone.from_local_datetime(&shown).earliest().map(|at| at.to_utc());
    // A gap is at most a day long, where an island changed its side of the date line.
    at(shown).or_else(|| {
        let minutes = (1..=24 * 60).map(|minutes| shown.checked_add_signed(Duration::minutes(minutes)));
        minutes.flatten().find_map(|later| at(later.with_second(0).unwrap_or(later)))
    })
}

/// Reads `2026-11-03` and nothing else; the general reader also takes forms no vendor sends.
fn plain_date(text: &str) -> Option<NaiveDate> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *<&[u8; 10]>::try_from(text.as_bytes()).ok()? else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0_u32, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
    };
    NaiveDate::from_ymd_opt(i32::try_from(number(&[y1, y2, y3, y4])?).ok()?, number(&[m1, m2])?, number(&[d1, d2])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h21_a_day_is_of_its_declared_form_and_nothing_else() {
        let third = NaiveDate::from_ymd_opt(2026, 11, 3);
        assert_eq!(DayForm::Date.day("2026-11-03"), third);
        for text in
            ["", "2026-11-31", "2026-1-3", "2026-11-03T00:00:00Z", "03-11-2026", "20261103", "+026-11-03", "2026-1１"]
        {
            assert_eq!(DayForm::Date.day(text), None, "{text}");
        }
        assert_eq!(DayForm::Digits.day("20261103"), third);
        for text in ["", "20261131", "2026-1-3", "2026-11-03", "2026113", "202611030", "2026110３", "１0261103"] {
            assert_eq!(DayForm::Digits.day(text), None, "{text}");
        }
        assert_eq!(DayForm::Midnight.day("2026-11-03 00:00:00"), third);
        assert_eq!(DayForm::Midnight.day("2026-11-03T00:00:00"), third);
        for text in ["2026-11-03", "2026-11-03 00:00:01", "2026-11-03 00:00:00Z", "2026-11-0300:00:00", "00:00:00"] {
            assert_eq!(DayForm::Midnight.day(text), None, "{text}");
        }
        assert_eq!(year_month_day(["2026", "11", "3"]), third);
        for [y, m, d] in [["2026", "2", "30"], ["26", "11", "3"], ["2026", "-1", "3"], ["2026", "11", "3.0"]] {
            assert_eq!(year_month_day([y, m, d]), None, "{y} {m} {d}");
        }
    }

    #[test]
    fn h21_an_instant_is_of_its_declared_form_and_nothing_else() {
        let nine = "2026-11-03T09:00:00Z".parse().ok();
        for text in ["2026-11-03T09:00:00Z", "2026-11-03T10:00:00+01:00", "2026-11-03T09:00:00+0000"] {
            assert_eq!(DayForm::Instant.instant(text, Tz::UTC), nine, "{text}");
        }
        assert_eq!(DayForm::EpochMillis.instant("1793696400000", Tz::UTC), nine);
        assert_eq!(DayForm::EpochSeconds.instant("1793696400", Tz::UTC), nine);
        for text in ["1793696400000", "-1", "1793696400.0", "", "1e9"] {
            assert_eq!(DayForm::EpochSeconds.instant(text, Tz::UTC), None, "{text}");
        }
        for text in ["2026-11-03", "2026-11-03T09:00:00", "1793696400000", ""] {
            assert_eq!(DayForm::Instant.instant(text, Tz::UTC), None, "{text}");
        }
        for text in ["-1", "1793696400000.0", "", "1e12", "99999999999999999999"] {
            assert_eq!(DayForm::EpochMillis.instant(text, Tz::UTC), None, "{text}");
        }
    }

    #[test]
    fn h21_a_time_without_a_zone_is_read_by_the_clocks_of_the_one_that_is_named() {
        let at = |text: &str, zone| DayForm::Local.instant(text, zone).map(|at| at.to_rfc3339());
        let new_york = Tz::America__New_York;
        assert_eq!(at("2026-03-01 04:00:00", new_york).as_deref(), Some("2026-03-01T09:00:00+00:00"));
        assert_eq!(at("2026-03-01 04:00:00", Tz::UTC).as_deref(), Some("2026-03-01T04:00:00+00:00"));
        // Clocks went from two to three: this was never shown, so it is the instant of the change.
        assert_eq!(at("2026-03-08 02:30:15", new_york).as_deref(), Some("2026-03-08T07:00:00+00:00"));
        assert_eq!(at("2026-11-01 01:30:00", new_york).as_deref(), Some("2026-11-01T05:30:00+00:00"), "the first");
        for text in ["2026-03-01T04:00:00", "2026-03-01 04:00:00Z", "2026-03-01 04:00", "2026-02-30 04:00:00", ""] {
            assert_eq!(at(text, new_york), None, "{text}");
        }
        let at = |text: &str, zone| DayForm::LocalSeconds.instant(text, zone).map(|at| at.to_rfc3339());
        // Nine o'clock in UTC, when New York's clocks show four, and an hour that they never showed.
        assert_eq!(at("1772337600", new_york).as_deref(), Some("2026-03-01T09:00:00+00:00"));
        assert_eq!(at("1772337600", Tz::UTC).as_deref(), Some("2026-03-01T04:00:00+00:00"));
        assert_eq!(at("1772937015", new_york).as_deref(), Some("2026-03-08T07:00:00+00:00"));
        assert_eq!(at("2026-03-01 04:00:00", new_york), None);
    }
}
