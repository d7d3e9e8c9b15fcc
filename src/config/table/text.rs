//! Between the texts of values and what fields hold, where several options share it.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use log::{Level, LevelFilter};

use super::super::LogTarget;
use super::super::pool::{NO_GROUPS, OWN_GROUPS};
use super::super::setting::Text;
use super::super::value::{ValueError, format_duration, format_size, parse_duration, parse_number, parse_size};

/// A number whose range fits the type it is kept in.
pub(super) fn number<T: TryFrom<u64>>(value: Text<'_>, low: u64, high: u64) -> Result<T, ValueError> {
    fit(parse_number(value.text, low..=high)?)
}

/// A number of requests; 0 is never.
pub(super) fn count(value: Text<'_>) -> Result<Option<u64>, ValueError> {
    Ok(Some(parse_number(value.text, 0..=MOST_REQUESTS)?).filter(|count| *count != 0))
}

pub(super) fn size(value: Text<'_>, low: u64, high: u64) -> Result<usize, ValueError> {
    fit(parse_size(value.text, low..=high)?)
}

/// The memory of a process; 0 is no limit. A limit that none keeps is refused: other servers count in megabytes.
pub(super) fn memory(value: Text<'_>) -> Result<Option<u64>, ValueError> {
    match parse_size(value.text, 0..=u64::MAX)? {
        0 => Ok(None),
        bytes if bytes >= LEAST_MEMORY => Ok(Some(bytes)),
        _ => Err(ValueError::new("must be at least 1M, or 0: a number alone is bytes, 300M is megabytes")),
    }
}

/// A header that some web server follows; all of these begin alike.
pub(super) fn header_name(value: Text<'_>) -> Result<Option<String>, ValueError> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_name = value.text.len() > 2 && value.text.bytes().all(is_letter);
    match value.text {
        "none" => Ok(None),
        name if is_name && name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-")) => Ok(Some(name.to_owned())),
        _ => {
            Err(ValueError::new("must be none, or a header's name that begins with X-, such as X-Accel-Redirect or X-Sendfile"))
        }
    }
}

/// As it stands in the site's addresses, undecoded.
pub(super) fn path_of_probes(value: Text<'_>) -> Result<Option<String>, ValueError> {
    let is_path = value.text.starts_with('/') && value.text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?');
    match value.text {
        "none" => Ok(None),
        path if is_path => Ok(Some(path.to_owned())),
        _ => Err(ValueError::new("must be none, or a path that begins with a slash and has no query, such as /ping")),
    }
}

fn fit<T: TryFrom<u64>>(number: u64) -> Result<T, ValueError> {
    T::try_from(number).map_err(|_| ValueError::new("is more than this machine can count"))
}

pub(super) fn size_text(bytes: usize) -> String {
    format_size(bytes.try_into().unwrap_or(u64::MAX))
}

pub(super) fn timeout(value: Text<'_>) -> Result<Option<Duration>, ValueError> {
    Ok(Some(parse_duration(value.text, LONGEST)?).filter(|limit| !limit.is_zero()))
}

pub(super) fn timeout_text(limit: Option<Duration>) -> String {
    format_duration(limit.unwrap_or_default())
}

/// A duration that is not 0.
pub(super) fn at_least_a_moment(value: Text<'_>) -> Result<Duration, ValueError> {
    timeout(value)?.ok_or_else(|| ValueError::new("must be more than 0"))
}

pub(super) fn directory(value: Text<'_>) -> Result<PathBuf, ValueError> {
    path(value, "must be a directory's path")
}

pub(super) fn file(value: Text<'_>) -> Result<PathBuf, ValueError> {
    let reason = "must be a file's path";
    if value.text.ends_with('/') { Err(ValueError::new(reason)) } else { path(value, reason) }
}

fn path(value: Text<'_>, reason: &str) -> Result<PathBuf, ValueError> {
    if value.text.is_empty() || value.text.contains('\0') {
        return Err(ValueError::new(reason));
    }
    super::super::absolute(value.base, value.text.as_ref())
}

pub(super) fn paths<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Vec<String> {
    paths.into_iter().map(|path| path.display().to_string()).collect()
}

pub(super) fn texts<T: Display>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// The name or the number of a user or a group. Whether there is one is not asked here.
pub(super) fn account(value: Text<'_>) -> Result<String, ValueError> {
    let allowed = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, ':' | ',' | '/');
    let is_name = !value.text.is_empty() && value.text.chars().all(allowed);
    let reason = || ValueError::new("must be a name or a number, as in www-data or 33");
    is_name.then(|| value.text.to_owned()).ok_or_else(reason)
}

/// Adds a group to those there are. That a word instead of groups stands alone, the pool checks when it has all of them.
pub(super) fn add_group(groups: &mut Option<Vec<String>>, value: Text<'_>) -> Result<(), ValueError> {
    match value.text {
        OWN_GROUPS => *groups = None,
        NO_GROUPS => *groups = Some(Vec::new()),
        _ => groups.get_or_insert_default().push(account(value)?),
    }
    Ok(())
}

pub(super) fn groups(groups: Option<&[String]>) -> Vec<String> {
    match groups {
        None => vec![OWN_GROUPS.to_owned()],
        Some([]) => vec![NO_GROUPS.to_owned()],
        Some(groups) => groups.to_vec(),
    }
}

pub(super) fn log_level(text: &str) -> Result<LevelFilter, ValueError> {
    match text {
        "error" => Ok(LevelFilter::Error),
        "warn" => Ok(LevelFilter::Warn),
        "info" => Ok(LevelFilter::Info),
        "debug" => Ok(LevelFilter::Debug),
        "trace" => Ok(LevelFilter::Trace),
        _ => Err(ValueError::new("must be error, warn, info, debug or trace")),
    }
}

/// The level of a message.
pub(super) fn level(text: &str) -> Result<Level, ValueError> {
    log_level(text)?.to_level().ok_or_else(|| ValueError::new("must be a level"))
}

pub(super) fn level_text(level: Level) -> String {
    level.as_str().to_ascii_lowercase()
}

pub(super) fn syslog_ident(value: Text<'_>) -> Result<String, ValueError> {
    let allowed = |b: u8| b.is_ascii_graphic() && !matches!(b, b':' | b'[' | b']');
    let is_ident = (1..=MAX_IDENT_LEN).contains(&value.text.len()) && value.text.bytes().all(allowed);
    let reason = || ValueError::new("must be up to 32 ASCII characters without spaces, colons and brackets");
    is_ident.then(|| value.text.to_owned()).ok_or_else(reason)
}

pub(super) fn access_log(value: Text<'_>) -> Result<Option<LogTarget>, ValueError> {
    if [OFF, "none"].contains(&value.text) {
        return Ok(None);
    }
    let target = LogTarget::parse(value.text).map_err(|_| ValueError::new("must be off, stderr, syslog or file:PATH"))?;
    target.below(value.base).map(Some)
}

/// Its variables are checked by what fills them in.
pub(super) fn access_log_format(value: Text<'_>) -> Result<String, ValueError> {
    if value.text.is_empty() || value.text.contains(char::is_control) {
        return Err(ValueError::new("must be one line of text, as in $remote_addr \"$request\" $status"));
    }
    Ok(value.text.to_owned())
}

pub(super) fn access_log_text(target: Option<&LogTarget>) -> String {
    target.map_or_else(|| OFF.to_owned(), ToString::to_string)
}

/// What switches the access log off.
const OFF: &str = "off";
/// No wait is longer, so that a clock plus a wait never overflows.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// No count of requests is larger, so that one plus its jitter never overflows.
pub(super) const MOST_REQUESTS: u64 = 1_000_000_000_000;
const LEAST_MEMORY: u64 = 1 << 20;
/// What a syslog tag may have (RFC 3164).
const MAX_IDENT_LEN: usize = 32;
