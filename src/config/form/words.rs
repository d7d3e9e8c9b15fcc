//! Words and names, and which of them are allowed.

use std::fmt::Display;

use log::{Level, LevelFilter};

use shared::logging::access::Format;

use super::super::value::parse_switch;
use super::super::{Facility, Syntax, ValueError};
use super::{Described, Text, Value, Written};

/// What this function makes of a text, whatever the directory.
pub(in crate::config) fn plain<T: Display>(parse: fn(&str) -> Result<T, ValueError>) -> impl Value<T> {
    move |typed: Text<'_>| parse(typed.text)
}

/// One of these words.
pub(in crate::config) fn keyword<T: Display>(
    parse: fn(&str) -> Result<T, ValueError>,
    words: &'static [&'static str],
) -> impl Value<T> {
    Described(plain(parse), Syntax::Words(words))
}

/// True or false.
pub(in crate::config) fn switch() -> impl Value<bool> {
    Described(plain(parse_switch), Syntax::Switch)
}

/// Text of this form, or `none`. The form has that word, too.
fn or_none(parse: fn(&str) -> Result<String, ValueError>, pattern: &'static str) -> impl Value<Option<String>> {
    let parse = move |typed: Text<'_>| if typed.text == NONE { Ok(None) } else { parse(typed.text).map(Some) };
    let show = |value: &Option<String>| value.clone().unwrap_or_else(|| NONE.to_owned());
    Described(Written(parse, show), Syntax::Pattern { pattern, numbers: None })
}

/// The level of a message.
pub(in crate::config) fn level() -> impl Value<Level> {
    let show = |level: &Level| level.as_str().to_ascii_lowercase();
    let reason = || ValueError::new("must be error, warn, info, debug or trace");
    let parse = move |typed: Text<'_>| Level::iter().find(|level| show(level) == typed.text).ok_or_else(reason);
    Described(Written(parse, show), Syntax::Words(LEVELS))
}

/// Up to which level messages count.
pub(in crate::config) fn log_level() -> impl Value<LevelFilter> {
    let parse = |typed: Text<'_>| level().parse(typed).map(|level| level.to_level_filter());
    Described(Written(parse, |level: &LevelFilter| level.as_str().to_ascii_lowercase()), Syntax::Words(LEVELS))
}

/// The facility of syslog messages.
pub(in crate::config) fn facility() -> impl Value<Facility> {
    keyword(Facility::parse, Facility::WORDS)
}

/// The name or the number of a user or a group. Whether there is one is not asked here.
pub(in crate::config) fn account() -> impl Value<String> {
    let numbers = Some((0, u32::MAX.into()));
    Described(plain(parse_account), Syntax::Pattern { pattern: "^[^\\s:,/]+$", numbers })
}

fn parse_account(text: &str) -> Result<String, ValueError> {
    let allowed = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, ':' | ',' | '/');
    let is_name = !text.is_empty() && text.chars().all(allowed);
    text_if(is_name, text, "must be a name or a number, as in www-data or 33")
}

/// A header that some web server follows; all of these begin alike.
pub(in crate::config) fn header_name() -> impl Value<Option<String>> {
    or_none(parse_header_name, "^(none|[Xx]-[A-Za-z0-9-]+)$")
}

fn parse_header_name(text: &str) -> Result<String, ValueError> {
    let begins_alike = text.len() > 2 && text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
    let is_name = begins_alike && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    text_if(is_name, text, "must be none, or the name of a header that begins with X-, such as X-Accel-Redirect or X-Sendfile")
}

/// As it stands in the site's addresses, undecoded.
pub(in crate::config) fn path_of_probes() -> impl Value<Option<String>> {
    or_none(parse_path_of_probes, "^(none|/[!-~]*)$")
}

fn parse_path_of_probes(text: &str) -> Result<String, ValueError> {
    text_if(is_path(text), text, "must be none, or a path that begins with a slash and has no query string, such as /ping")
}

/// The same, without a word for none.
pub(in crate::config) fn excluded_path() -> impl Value<String> {
    Described(plain(parse_excluded_path), Syntax::Pattern { pattern: "^/[!->@-~]*$", numbers: None })
}

fn parse_excluded_path(text: &str) -> Result<String, ValueError> {
    text_if(is_path(text), text, "must be a path that begins with a slash and has no query string, such as /health or /static/")
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?')
}

/// The name of a variable, or how names begin.
pub(in crate::config) fn variable_pattern(text: &str) -> Result<String, ValueError> {
    let name = text.strip_suffix('*').unwrap_or(text);
    let is_name = !text.is_empty() && !name.contains(['=', '*', '\0']);
    text_if(is_name, text, "must be the name of a variable, or its beginning followed by *")
}

pub(in crate::config) fn syslog_ident() -> impl Value<String> {
    let numbers = Some((0, u64::MAX));
    Described(plain(parse_syslog_ident), Syntax::Pattern { pattern: "^[!-~]{1,32}$", numbers })
}

fn parse_syslog_ident(text: &str) -> Result<String, ValueError> {
    let allowed = |b: u8| b.is_ascii_graphic() && !matches!(b, b':' | b'[' | b']');
    let is_ident = (1..=MAX_IDENT_LEN).contains(&text.len()) && text.bytes().all(allowed);
    text_if(is_ident, text, "must be up to 32 ASCII characters without spaces, colons and brackets")
}

/// With variables that there are.
pub(in crate::config) fn access_log_format(text: &str) -> Result<String, ValueError> {
    let is_line = !text.is_empty() && !text.contains(char::is_control);
    let text = text_if(is_line, text, "must be one line of text, as in $remote_addr \"$request\" $status")?;
    Format::parse(&text).map_err(|fault| ValueError::new(fault.to_string()))?;
    Ok(text)
}

fn text_if(is_right: bool, text: &str, reason: &str) -> Result<String, ValueError> {
    if is_right { Ok(text.to_owned()) } else { Err(ValueError::new(reason)) }
}

/// The levels of messages, the most urgent first.
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];
/// What stands for no value.
const NONE: &str = "none";
/// What a syslog tag may have (RFC 3164).
const MAX_IDENT_LEN: usize = 32;
