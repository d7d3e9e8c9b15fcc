//! Numbers, sizes, durations and permissions.

use std::fmt::Display;
use std::time::Duration;

use super::super::value::{format_duration, format_size, parse_duration, parse_mode, parse_number, parse_size};
use super::super::{Processes, Syntax, ValueError};
use super::words::plain;
use super::{Form, Text, one};
use shared::sys::resources::UNLIMITED;

/// A number whose range fits the type it is kept in.
pub(in crate::config) fn number<T: TryFrom<i64> + Display>(low: i64, high: i64) -> impl Form<T> {
    one(move |typed| fit(parse_number(typed.text, low..=high)?), T::to_string, Syntax::Number { low, high })
}

/// How many processes a pool has.
pub(in crate::config) fn processes() -> impl Form<Processes> {
    let numbers = Some((1, Processes::MOST as u64));
    plain(Processes::parse, Syntax::Pattern { pattern: "^(auto|[0-9]+(\\.\\.[0-9]+)?)$", numbers })
}

/// Bytes in memory.
pub(in crate::config) fn size(low: u64, high: u64) -> impl Form<usize> {
    let show = |bytes: &usize| format_size((*bytes).try_into().unwrap_or(u64::MAX));
    let parse = move |typed: Text<'_>| fit(parse_size(typed.text, low..=high)?);
    one(parse, show, Syntax::Size { low, high, or_zero: low == 0 })
}

/// Bytes of a body: 0 is no limit, which is kept as the largest number.
pub(in crate::config) fn body_size() -> impl Form<u64> {
    let parse = |typed: Text<'_>| parse_size(typed.text, 0..=u64::MAX).map(|bytes| if bytes == 0 { u64::MAX } else { bytes });
    let show = |bytes: &u64| format_size(if *bytes == u64::MAX { 0 } else { *bytes });
    one(parse, show, Syntax::Size { low: 0, high: u64::MAX, or_zero: true })
}

/// The memory of a process. A limit that none keeps is refused: other servers count in megabytes.
pub(in crate::config) fn memory() -> impl Form<u64> {
    let parse = |typed: Text<'_>| match parse_size(typed.text, 0..=u64::MAX)? {
        1..LEAST_MEMORY => Err(ValueError::new("must be at least 1M, or 0: a number alone is bytes, 300M is megabytes")),
        bytes => Ok(bytes),
    };
    let syntax = Syntax::Size { low: LEAST_MEMORY, high: u64::MAX, or_zero: true };
    one(parse, |bytes: &u64| format_size(*bytes), syntax)
}

/// Bytes of a core dump, or a word for any number.
pub(in crate::config) fn core_size() -> impl Form<u64> {
    let parse = |typed: Text<'_>| match typed.text {
        ANY_SIZE => Ok(UNLIMITED),
        text => parse_size(text, 0..=UNLIMITED - 1)
            .map_err(|_| ValueError::new("must be unlimited, or a size such as 64K, 10M or 1G")),
    };
    let show = |bytes: &u64| if *bytes == UNLIMITED { ANY_SIZE.to_owned() } else { format_size(*bytes) };
    let pattern = "^(unlimited|[0-9]+([Bb]|[KkMmGg]([Ii]?[Bb])?)?)$";
    one(parse, show, Syntax::Pattern { pattern, numbers: Some((0, UNLIMITED - 1)) })
}

/// How long something may take.
pub(in crate::config) fn time() -> impl Form<Duration> {
    let (parse, show) = (|typed: Text<'_>| parse_duration(typed.text, LONGEST), |limit: &Duration| format_duration(*limit));
    one(parse, show, Syntax::Time { least: Duration::ZERO, most: LONGEST })
}

/// A duration that is not 0.
pub(in crate::config) fn moment() -> impl Form<Duration> {
    let parse = |typed: Text<'_>| or_zero(time()).parse(typed)?.ok_or_else(|| ValueError::new("must be more than 0"));
    let syntax = Syntax::Time { least: Duration::from_millis(1), most: LONGEST };
    one(parse, |limit: &Duration| format_duration(*limit), syntax)
}

/// Permissions, an example, and how they are shown.
pub(in crate::config) fn mode(example: &'static str, show: fn(&u32) -> String) -> impl Form<u32> {
    one(move |typed| parse_mode(typed.text, example), show, Syntax::Mode)
}

/// Where 0 stands for never, or for no limit.
pub(in crate::config) fn or_zero<T: Default + PartialEq + Copy>(value: impl Form<T>) -> impl Form<Option<T>> {
    let parse = move |typed: Text<'_>| value.parse(typed).map(|found| Some(found).filter(|found| *found != T::default()));
    one(parse, move |field: &Option<T>| value.show(&field.unwrap_or_default()).concat(), value.syntax())
}

fn fit<N, T: TryFrom<N>>(number: N) -> Result<T, ValueError> {
    T::try_from(number).map_err(|_| ValueError::new("is too large for this machine"))
}

/// No wait is longer, so that a clock plus a wait never overflows.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// No count of requests is larger, so that one plus its jitter never overflows.
pub(in crate::config) const MOST_REQUESTS: i64 = 1_000_000_000_000;
const LEAST_MEMORY: u64 = 1 << 20;
const ANY_SIZE: &str = "unlimited";
