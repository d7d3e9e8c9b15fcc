//! Text to numbers, sizes, durations and modes, and back to the shortest text that means the same.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

pub use shared::settings::{ValueError, format_size};

/// A whole number in decimal digits, within `range`, with a minus before them where that has negative numbers.
///
/// # Errors
/// For anything else, and outside the range.
pub fn parse_number(text: &str, range: RangeInclusive<i64>) -> Result<i64, ValueError> {
    let error = || ValueError::new(format!("must be a whole number from {} to {}", range.start(), range.end()));
    let digits = text.strip_prefix('-').filter(|_| *range.start() < 0).unwrap_or(text);
    let number = text.parse().ok().filter(|number| is_digits(digits) && range.contains(number));
    number.ok_or_else(error)
}

/// Bytes: a plain number, or one with `K`, `M` or `G` (powers of 1024; small letters and a `B` or `iB` behind are fine too).
///
/// # Errors
/// For any other text, on overflow, and outside `range`.
pub fn parse_size(text: &str, range: RangeInclusive<u64>) -> Result<u64, ValueError> {
    let format_error = || ValueError::new("must be a size such as 4096, 64K, 10M or 1G");
    let (digits, unit) = split_digits(text);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => KIB,
        "m" | "mb" | "mib" => MIB,
        "g" | "gb" | "gib" => GIB,
        _ => return Err(format_error()),
    };
    let too_large =
        || ValueError::new(format!("must be from {} to {}", format_size(*range.start()), format_size(*range.end())));
    if digits.is_empty() {
        return Err(format_error());
    }
    let bytes = parse_digits(digits).and_then(|count: u64| count.checked_mul(factor));
    bytes.filter(|bytes| range.contains(bytes)).ok_or_else(too_large)
}

/// A duration: a plain number of seconds, or numbers with `ms`, `s`, `m`, `h` or `d`, also several as in `1h30m`.
///
/// # Errors
/// For any other text, on overflow, and above `longest`.
pub fn parse_duration(text: &str, longest: Duration) -> Result<Duration, ValueError> {
    let format_error = || ValueError::new("must be a duration such as 500ms, 30s, 5m, 1h or 1d, or a whole number of seconds");
    let too_long = || ValueError::new(format!("must be at most {}", format_duration(longest)));
    let with_unit = if is_digits(text) { format!("{text}s") } else { text.to_owned() };
    let (mut total, mut rest) = (Duration::ZERO, with_unit.as_str());
    loop {
        let (digits, behind) = split_digits(rest);
        let (unit, next) = behind.split_at(behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len()));
        let unit = UNITS.iter().find(|(_, name)| *name == unit && !digits.is_empty());
        let (millis, _) = unit.ok_or_else(format_error)?;
        let part = parse_digits(digits).and_then(|count: u64| count.checked_mul(*millis)).map(Duration::from_millis);
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(too_long)?;
        if next.is_empty() {
            return if total > longest { Err(too_long()) } else { Ok(total) };
        }
        rest = next;
    }
}

/// Permission bits in octal digits: `660`, `0660` or `0o660`, at most `0777`. The error names an example.
///
/// # Errors
/// For anything else.
pub fn parse_mode(text: &str, example: &str) -> Result<u32, ValueError> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = !digits.is_empty() && digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| octal && *mode <= 0o777);
    mode.ok_or_else(|| ValueError::new(format!("must be permissions in octal digits, from 0000 to 0777, such as {example}")))
}

/// `true` or `false`, or what people write for them.
///
/// # Errors
/// For anything else.
pub fn parse_switch(text: &str) -> Result<bool, ValueError> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(ValueError::new("must be true or false")),
    }
}

/// A duration in the largest unit that says it exactly, `0` for none; below a millisecond is cut off.
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let exact = UNITS.iter().find(|(unit, _)| millis != 0 && millis.is_multiple_of(u128::from(*unit)));
    exact.map_or_else(|| "0".to_owned(), |(unit, name)| format!("{}{name}", millis / u128::from(*unit)))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Unlike `str::parse` it takes no sign.
pub(super) fn parse_digits<T: FromStr>(text: &str) -> Option<T> {
    is_digits(text).then(|| text.parse().ok()).flatten()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Of time, the largest first.
const UNITS: [(u64, &str); 5] = [(DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s"), (1, "ms")];

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: Duration = Duration::from_millis(365 * DAY);

    #[test]
    fn sizes_have_binary_units_and_a_range() {
        for (text, bytes) in
            [("0", 0), ("4096", 4096), ("64K", 65_536), ("10m", 10 * MIB), ("1GiB", GIB), ("2kb", 2048), ("7B", 7)]
        {
            assert_eq!(parse_size(text, 0..=u64::MAX), Ok(bytes), "{text}");
        }
        for text in ["", "K", "-1", "+1", "1.5M", "64 K", "1T", "0x10", "1_000", "١K"] {
            assert!(parse_size(text, 0..=u64::MAX).unwrap_err().to_string().contains("must be a size"), "{text}");
        }
        for text in ["99999999999999999999", "18446744073709551615G", "2G", "1"] {
            let error = parse_size(text, KIB..=GIB).unwrap_err();
            assert_eq!(error.to_string(), "must be from 1K to 1G", "{text}");
        }
    }

    #[test]
    fn durations_have_units_and_plain_numbers_are_seconds() {
        let good = [("0", 0), ("5", 5000), ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1h", HOUR), ("1d", DAY)];
        for (text, millis) in good.into_iter().chain([("1h30m", 90 * MINUTE), ("1s500ms", 1500), ("0s", 0)]) {
            assert_eq!(parse_duration(text, YEAR), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "-1s", "1.5s", "1 s", "5min", "1h30", "30s5", "1S", "1w", "s1", "5 5"] {
            assert!(parse_duration(text, YEAR).unwrap_err().to_string().contains("must be a duration"), "{text}");
        }
        for text in ["366d", "99999999999999999999", "18446744073709551615d", "365d1ms"] {
            assert_eq!(parse_duration(text, YEAR).unwrap_err().to_string(), "must be at most 365d", "{text}");
        }
    }

    #[test]
    fn what_is_shown_means_the_same_when_typed() {
        for bytes in [0, 1, 1023, 1024, 1536, 131_072, MIB, GIB, GIB + 1, u64::MAX] {
            assert_eq!(parse_size(&format_size(bytes), 0..=u64::MAX), Ok(bytes));
        }
        for millis in [0, 1, 999, 1000, 1500, 60_000, 90_000, HOUR, DAY, DAY + 1] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&format_duration(duration), YEAR), Ok(duration));
        }
        assert_eq!((format_size(131_072), format_duration(Duration::from_secs(90))), ("128K".to_owned(), "90s".to_owned()));
    }

    #[test]
    fn modes_are_octal_however_they_are_written() {
        for text in ["660", "0660", "0o660"] {
            assert_eq!(parse_mode(text, "0660"), Ok(0o660), "{text}");
        }
        for text in ["", "0o", "0x1ff", "8", "rw-rw----", "1777", "+660", "0o0o660", "-1"] {
            assert!(parse_mode(text, "0660").is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_digits_within_their_range() {
        assert_eq!(parse_number("1024", 1..=1024), Ok(1024));
        for text in ["", "0", "1025", "-1", "+1", "1e3", "four", " 4", "99999999999999999999"] {
            let error = parse_number(text, 1..=1024).unwrap_err();
            assert_eq!(error.to_string(), "must be a whole number from 1 to 1024", "{text}");
        }
    }
}
