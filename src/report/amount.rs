//! Amounts as people read them.

use std::fmt;

/// Seconds as `2d 3h`, `5m 7s` or `9s`.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub u64);

/// Seconds with as many digits as tell something: `1.2 s`, `34 ms`, and then as a [`Span`].
#[derive(Clone, Copy, Debug)]
pub struct Length(pub f64);

/// Bytes as `61 MiB`.
#[derive(Clone, Copy, Debug)]
pub struct Memory(pub u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0;
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        match (days, hours, minutes) {
            (1.., ..) => write!(f, "{days}d {hours}h"),
            (_, 1.., _) => write!(f, "{hours}h {minutes}m"),
            (_, _, 1..) => write!(f, "{minutes}m {}s", seconds % 60),
            _ => write!(f, "{seconds}s"),
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds if seconds < 0.0095 => write!(f, "{:.1} ms", seconds * 1000.0),
            seconds if seconds < 0.9995 => write!(f, "{:.0} ms", seconds * 1000.0),
            seconds if seconds < 59.95 => write!(f, "{seconds:.1} s"),
            seconds => Span(seconds as u64).fmt(f),
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..MIB => write!(f, "{} KiB", self.0 >> 10),
            MIB..TEN_GIB => write!(f, "{} MiB", self.0 >> 20),
            _ => write!(f, "{} GiB", self.0 >> 30),
        }
    }
}

/// `1 request`, `2 requests`.
pub fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

const MIB: u64 = 1 << 20;
const TEN_GIB: u64 = 10 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_their_two_largest_parts() {
        let text = |seconds| Span(seconds).to_string();
        assert_eq!([text(9), text(307), text(7260), text(183_600)], ["9s", "5m 7s", "2h 1m", "2d 3h"]);
    }

    #[test]
    fn lengths_have_the_digits_that_tell_something() {
        let text = |seconds| Length(seconds).to_string();
        assert_eq!([text(0.0), text(0.0012), text(0.034), text(0.9991)], ["0.0 ms", "1.2 ms", "34 ms", "999 ms"]);
        assert_eq!([text(1.0), text(12.34), text(61.0), text(f64::MAX)].map(|text| text.len() < 30), [true; 4]);
        assert_eq!([text(1.0), text(12.34), text(61.0)], ["1.0 s", "12.3 s", "1m 1s"]);
    }

    #[test]
    fn memory_has_the_unit_that_fits() {
        let text = |bytes| Memory(bytes).to_string();
        assert_eq!([text(0), text(MIB), text(TEN_GIB - 1), text(TEN_GIB)], ["0 KiB", "1 MiB", "10239 MiB", "10 GiB"]);
        assert_eq!([counted(1, "exit"), counted(2, "exit")], ["1 exit", "2 exits"]);
    }
}
