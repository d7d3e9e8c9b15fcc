use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A moment of the calendar in UTC, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    unix_millis: u64,
}

impl Timestamp {
    /// The moment it is; a clock before 1970 counts as 1970.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { unix_millis: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX) }
    }

    /// The moment so many milliseconds after the beginning of 1970.
    pub const fn from_unix_millis(unix_millis: u64) -> Self {
        Self { unix_millis }
    }
}

/// As `2026-11-20 18:46:14.123 +0000`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.unix_millis / 1000, self.unix_millis % 1000);
        let (year, month, day) = civil_date(seconds / DAY);
        let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03} +0000")
    }
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
            assert_eq!(Timestamp::from_unix_millis(millis).to_string(), text);
        }
        assert!(Timestamp::from_unix_millis(u64::MAX).to_string().ends_with("+0000"));
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
