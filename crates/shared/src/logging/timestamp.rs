//! Moments, in the forms that logs have for them.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sys::local_time;

/// A moment in local time, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    unix_millis: u64,
    /// How many minutes local time is ahead of UTC then.
    offset: i64,
}

impl Timestamp {
    /// The current moment; a clock before 1970 counts as 1970.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_unix_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    /// The moment so many milliseconds after the beginning of 1970.
    pub fn from_unix_millis(unix_millis: u64) -> Self {
        Self { unix_millis, offset: offset_at(unix_millis) }
    }

    /// The same moment as a clock shows it that is so many minutes ahead of UTC.
    pub const fn with_offset(self, minutes: i64) -> Self {
        Self { offset: minutes, ..self }
    }

    /// Appends it as `20/Nov/2026:18:46:14 +0000`, like nginx's `$time_local`.
    pub fn encode_common_log(self, out: &mut String) {
        let (Fields { year, month, day, clock, .. }, zone) = (self.fields(), self.zone(""));
        let month = month_name(month);
        let _ = write!(out, "{day:02}/{month}/{year:04}:{clock} {zone}"); // A string takes everything, here and below.
    }

    /// Appends it as `2026-11-20T18:46:14+00:00`, like nginx's `$time_iso8601`.
    pub(super) fn encode_iso8601(self, out: &mut String) {
        let (Fields { year, month, day, clock, .. }, zone) = (self.fields(), self.zone(":"));
        let _ = write!(out, "{year:04}-{month:02}-{day:02}T{clock}{zone}");
    }

    /// Appends it as `Nov 20 18:46:14`, for syslog, which tells neither year nor zone.
    pub fn encode_syslog(self, out: &mut String) {
        let Fields { month, day, clock, .. } = self.fields();
        let month = month_name(month);
        let _ = write!(out, "{month} {day:2} {clock}");
    }

    /// Appends it as `1795200374.123`, the seconds since 1970, like nginx's `$msec`.
    pub(super) fn encode_seconds(self, out: &mut String) {
        let _ = write!(out, "{}.{:03}", self.unix_millis / 1000, self.unix_millis % 1000);
    }

    fn fields(self) -> Fields {
        let seconds = (self.unix_millis / 1000).saturating_add_signed(self.offset * 60);
        let (year, month, day) = civil_date(seconds / DAY);
        let clock = Clock { hour: seconds % DAY / 3600, minute: seconds % 3600 / 60, second: seconds % 60 };
        Fields { year, month, day, clock, millis: self.unix_millis % 1000 }
    }

    fn zone(self, separator: &'static str) -> Zone {
        Zone { offset: self.offset, separator }
    }
}

/// As `2026-11-20 18:46:14.123 +0000`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fields { year, month, day, clock, millis } = self.fields();
        write!(f, "{year:04}-{month:02}-{day:02} {clock}.{millis:03} {}", self.zone(""))
    }
}

struct Fields {
    year: u64,
    month: u64,
    day: u64,
    clock: Clock,
    millis: u64,
}

#[derive(Clone, Copy)]
struct Clock {
    hour: u64,
    minute: u64,
    second: u64,
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }
}

#[derive(Clone, Copy)]
struct Zone {
    offset: i64,
    separator: &'static str,
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, minutes) = (if self.offset < 0 { '-' } else { '+' }, self.offset.abs());
        write!(f, "{sign}{:02}{}{:02}", minutes / 60, self.separator, minutes % 60)
    }
}

/// The C library is asked once in a quarter of an hour, at whose beginnings clocks change. That is quicker, and a process that an
/// application forks while another thread logs hardly ever inherits the lock that the C library takes for it.
fn offset_at(unix_millis: u64) -> i64 {
    let quarter = i64::try_from(unix_millis / 1000 / QUARTER).unwrap_or(0) & MAX_QUARTER;
    let known = KNOWN_OFFSET.load(Ordering::Relaxed);
    if known >> OFFSET_BITS == quarter {
        return (known & OFFSET_MASK) - OFFSET_BIAS;
    }
    let offset = i64::from(local_time::utc_offset(quarter * QUARTER as i64) / 60);
    KNOWN_OFFSET.store(quarter << OFFSET_BITS | (offset + OFFSET_BIAS) & OFFSET_MASK, Ordering::Relaxed);
    offset
}

/// The last quarter of an hour that was asked about, counted from 1970, above the minutes of the answer with [`OFFSET_BIAS`]
/// added, so that both are read at once.
static KNOWN_OFFSET: AtomicI64 = AtomicI64::new(-1);
const OFFSET_BITS: u32 = 16;
const OFFSET_MASK: i64 = (1 << OFFSET_BITS) - 1;
const OFFSET_BIAS: i64 = 1 << (OFFSET_BITS - 1);
/// Enough for forty thousand years, and for the multiplication.
const MAX_QUARTER: i64 = (1 << 32) - 1;
const QUARTER: u64 = 15 * 60;

fn month_name(month: u64) -> &'static str {
    const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    usize::try_from(month).ok().and_then(|month| NAMES.get(month.wrapping_sub(1))).unwrap_or(&"Jan")
}

/// Year, month and day of a day counted from 1970-01-01. Counts in years that begin in March, so that the leap day is the last of
/// its year, and in whole 400-year cycles, which all have the same number of days.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let from_march_of_year_0 = days + 719_468;
    let (cycle, day_of_cycle) = (from_march_of_year_0 / CYCLE, from_march_of_year_0 % CYCLE);
    let leap_days = day_of_cycle / 1460 - day_of_cycle / 36_524 + day_of_cycle / 146_096;
    let year_of_cycle = (day_of_cycle - leap_days) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let months_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_from_march + 2) / 5 + 1;
    let month = if months_from_march < 10 { months_from_march + 3 } else { months_from_march - 9 };
    (cycle * 400 + year_of_cycle + u64::from(month <= 2), month, day)
}

const DAY: u64 = 24 * 3600;
/// Days of 400 years.
const CYCLE: u64 = 146_097;

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
            assert_eq!(Timestamp::from_unix_millis(millis).with_offset(0).to_string(), text);
        }
        assert!(Timestamp::from_unix_millis(u64::MAX).with_offset(0).to_string().ends_with("+0000"));
    }

    #[test]
    fn every_form_tells_local_time_and_its_offset() {
        let moment = |offset| Timestamp::from_unix_millis(1_795_200_374_123).with_offset(offset);
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
        assert_eq!(text(-16 * 24 * 60, Timestamp::encode_syslog), "Nov  4 18:46:14");
        assert_eq!(text(60, Timestamp::encode_seconds), "1795200374.123");
    }

    #[test]
    fn the_offset_is_the_one_that_the_c_library_tells() {
        for millis in [0, 1_795_200_374_123, 1_795_200_374_124, 951_782_400_000] {
            let expected = i64::from(local_time::utc_offset((millis / 1000) as i64) / 60);
            assert_eq!((offset_at(millis), offset_at(millis)), (expected, expected));
        }
        Timestamp::from_unix_millis(u64::MAX).to_string();
    }

    #[test]
    fn every_day_of_800_years_follows_the_one_before() {
        let leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..2 * CYCLE {
            assert_eq!(civil_date(days), (year, month, day));
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
