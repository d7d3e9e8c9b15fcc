//! Amounts as people read them.

/// Seconds as `2d 3h`, `5m 7s` or `9s`.
pub fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (1.., ..) => format!("{days}d {hours}h"),
        (_, 1.., _) => format!("{hours}h {minutes}m"),
        (_, _, 1..) => format!("{minutes}m {}s", seconds % 60),
        _ => format!("{seconds}s"),
    }
}

/// Seconds with as many digits as tell something: `1.2 s`, `34 ms`, and then as a [`span`].
pub fn length(seconds: f64) -> String {
    match seconds {
        ..0.0095 => format!("{:.1} ms", seconds * 1000.0),
        ..0.9995 => format!("{:.0} ms", seconds * 1000.0),
        ..59.95 => format!("{seconds:.1} s"),
        _ => span(seconds as u64),
    }
}

/// Bytes as `61 MiB`.
pub fn memory(bytes: u64) -> String {
    match bytes {
        0..MIB => format!("{} KiB", bytes >> 10),
        MIB..TEN_GIB => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
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
        assert_eq!([span(9), span(307), span(7260), span(183_600)], ["9s", "5m 7s", "2h 1m", "2d 3h"]);
    }

    #[test]
    fn lengths_have_the_digits_that_tell_something() {
        assert_eq!([length(0.0), length(0.0012), length(0.034), length(0.9991)], ["0.0 ms", "1.2 ms", "34 ms", "999 ms"]);
        assert_eq!([length(1.0), length(12.34), length(61.0), length(f64::MAX)].map(|text| text.len() < 30), [true; 4]);
        assert_eq!([length(1.0), length(12.34), length(61.0)], ["1.0 s", "12.3 s", "1m 1s"]);
    }

    #[test]
    fn memory_has_the_unit_that_fits() {
        assert_eq!([memory(0), memory(MIB), memory(TEN_GIB - 1), memory(TEN_GIB)], ["0 KiB", "1 MiB", "10239 MiB", "10 GiB"]);
        assert_eq!([counted(1, "exit"), counted(2, "exit")], ["1 exit", "2 exits"]);
    }
}
