//! Moments, in the forms that logs have for them.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use crate::sys::local_time;

/// A moment in local time, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// The current moment.
    pub fn now() -> Self {
        Self::from_unix_millis(unix_millis())
    }

    /// The moment so many milliseconds after the beginning of 1970; one after the year 9999 counts as that.
    fn from_unix_millis(unix_millis: u64) -> Self {
        Self::at(unix_millis, offset_at(unix_millis))
    }

    /// The moment that [`encode_moment`] has written.
    pub(super) fn parse_moment(text: &str) -> Option<Self> {
        let (seconds, millis) = text.split_once('.')?;
        let seconds = seconds.parse::<u64>().ok()?.checked_mul(1000)?;
        Some(Self::from_unix_millis(seconds.checked_add(millis.parse::<u16>().ok()?.into())?))
    }

    /// The same as a clock shows it that is so many minutes, at most a day, ahead of UTC.
    pub fn at(unix_millis: u64, offset: i16) -> Self {
        let since_epoch = time::Duration::milliseconds(i64::try_from(unix_millis).unwrap_or(i64::MAX));
        let utc = OffsetDateTime::UNIX_EPOCH.saturating_add(since_epoch);
        let offset = UtcOffset::from_whole_seconds(i32::from(offset) * 60).unwrap_or(UtcOffset::UTC);
        Self(utc.checked_to_offset(offset).unwrap_or(utc))
    }

    /// Appends it as `20/Nov/2026:18:46:14 +0000`, like nginx's `$time_local`.
    pub fn encode_common_log(self, out: &mut String) {
        self.encode(COMMON_LOG, out);
    }

    /// Appends it as `2026-11-20T18:46:14+00:00`, like nginx's `$time_iso8601`.
    pub(super) fn encode_iso8601(self, out: &mut String) {
        self.encode(ISO_8601, out);
    }

    /// Appends it as `Nov 20 18:46:14`, for syslog, which tells neither year nor zone.
    pub fn encode_syslog(self, out: &mut String) {
        self.encode(SYSLOG, out);
    }

    fn encode(self, form: Form, out: &mut String) {
        out.push_str(&self.0.format(form).unwrap_or_default()); // It has all that is in the forms.
    }
}

/// As `2026-11-20 18:46:14.123 +0000`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(USUAL).unwrap_or_default())
    }
}

/// The milliseconds since the beginning of 1970; a clock before that counts as that.
pub fn unix_millis() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// Appends a moment as `1795200374.123`, the seconds since 1970, like nginx's `$msec`.
pub(super) fn encode_moment(unix_millis: u64, out: &mut String) {
    let _ = write!(out, "{}.{:03}", unix_millis / 1000, unix_millis % 1000); // A string takes everything.
}

/// How many minutes local time was ahead of UTC so long ago, for who tells a moment and has another zone.
pub fn offset_before(age: Duration) -> i16 {
    offset_at(unix_millis().saturating_sub(age.as_millis() as u64))
}

type Form = &'static [BorrowedFormatItem<'static>];

const COMMON_LOG: Form =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]");
const ISO_8601: Form =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second][offset_hour sign:mandatory]:[offset_minute]");
const SYSLOG: Form = format_description!("[month repr:short] [day padding:space] [hour]:[minute]:[second]");
const USUAL: Form = format_description!(
    "[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3] [offset_hour sign:mandatory][offset_minute]"
);

/// The C library is asked once in a quarter of an hour, at whose beginnings clocks change: that is quicker.
fn offset_at(unix_millis: u64) -> i16 {
    let quarter = i64::try_from(unix_millis / 1000 / QUARTER).unwrap_or(0) & MAX_QUARTER;
    let known = KNOWN_OFFSET.load(Ordering::Relaxed);
    if known >> OFFSET_BITS == quarter {
        return known as i16;
    }
    let offset = (local_time::utc_offset(quarter * QUARTER as i64) / 60) as i16;
    KNOWN_OFFSET.store(quarter << OFFSET_BITS | i64::from(offset.cast_unsigned()), Ordering::Relaxed);
    offset
}

/// The last quarter of an hour that was asked about, counted from 1970, above the minutes of the answer, so that both are read at once.
static KNOWN_OFFSET: AtomicI64 = AtomicI64::new(-1);
const OFFSET_BITS: u32 = i16::BITS;
/// Enough for forty thousand years, and for the multiplication.
const MAX_QUARTER: i64 = (1 << 32) - 1;
const QUARTER: u64 = 15 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_the_calendar() {
        let table = [
            (0, "1970-01-01 00:00:00.000 +0000"),
            (951_782_400_000, "2000-02-29 00:00:00.000 +0000"),
            (951_868_799_999, "2000-02-29 23:59:59.999 +0000"),
            (1_709_251_200_007, "2024-03-01 00:00:00.007 +0000"),
            (1_795_200_374_123, "2026-11-20 18:46:14.123 +0000"),
            (4_107_542_400_000, "2100-03-01 00:00:00.000 +0000"),
            (4_102_444_799_000, "2099-12-31 23:59:59.000 +0000"),
        ];
        for (millis, text) in table {
            assert_eq!(Timestamp::at(millis, 0).to_string(), text);
        }
        assert!(Timestamp::at(u64::MAX, 0).to_string().ends_with("+0000"));
    }

    #[test]
    fn every_form_tells_local_time_and_its_offset() {
        let moment = |offset| Timestamp::at(1_795_200_374_123, offset);
        assert_eq!(moment(330).to_string(), "2026-11-21 00:16:14.123 +0530");
        assert_eq!(moment(-210).to_string(), "2026-11-20 15:16:14.123 -0330");
        let text = |offset, encode: fn(Timestamp, &mut String)| {
            let mut out = String::new();
            encode(moment(offset), &mut out);
            out
        };
        assert_eq!(text(60, Timestamp::encode_common_log), "20/Nov/2026:19:46:14 +0100");
        assert_eq!(text(-30, Timestamp::encode_iso8601), "2026-11-20T18:16:14-00:30");
        assert_eq!(text(0, Timestamp::encode_syslog), "Nov 20 18:46:14");
        let mut early = String::new();
        Timestamp::at(1_793_817_974_123, 0).encode_syslog(&mut early);
        assert_eq!(early, "Nov  4 18:46:14");
        let mut seconds = String::new();
        encode_moment(1_795_200_374_023, &mut seconds);
        assert_eq!(seconds, "1795200374.023");
        assert_eq!(Timestamp::parse_moment(&seconds), Some(Timestamp::from_unix_millis(1_795_200_374_023)));
        for broken in ["", ".", "1", "1.", "-1.000", "18446744073709551615.000", "20/Nov/2026:18:46:14 +0000"] {
            assert_eq!(Timestamp::parse_moment(broken), None, "{broken}");
        }
    }

    #[test]
    fn the_offset_is_the_one_that_the_c_library_tells() {
        for millis in [0, 1_795_200_374_123, 1_795_200_374_124, 951_782_400_000] {
            let expected = (local_time::utc_offset((millis / 1000) as i64) / 60) as i16;
            assert_eq!((offset_at(millis), offset_at(millis)), (expected, expected));
        }
        Timestamp::from_unix_millis(u64::MAX).to_string();
    }

    #[test]
    fn every_day_of_800_years_follows_the_one_before() {
        let leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..2 * 146_097 {
            let told = Timestamp::at(days * 24 * 3_600_000, 0).to_string();
            assert_eq!(told, format!("{year}-{month:02}-{day:02} 00:00:00.000 +0000"));
            let length = match month {
                2 => 28 + u64::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (day, month) = if day < length { (day + 1, month) } else { (1, month + 1) };
            (month, year) = if month > 12 { (1, year + 1) } else { (month, year) };
        }
    }
}
