//! Words and names, and which of them are allowed.

use std::fmt::Display;
use std::str::FromStr;

use log::{Level, LevelFilter};
use strum::VariantNames;

use shared::logging::access::Format;
use shared::settings;

use super::super::value::parse_switch;
use super::super::{Facility, Syntax, ValueError};
use super::{Form, Text, one};

/// What this function makes of a text, whatever the directory.
pub(super) fn plain<T: Display>(parse: fn(&str) -> Result<T, ValueError>, syntax: Syntax) -> impl Form<T> {
    one(move |typed| parse(typed.text), T::to_string, syntax)
}

/// One of the words of its values.
pub(in crate::config) fn keyword<T: Display + FromStr + VariantNames>() -> impl Form<T> {
    plain(settings::keyword, Syntax::Words(T::VARIANTS))
}

/// True or false.
pub(in crate::config) fn switch() -> impl Form<bool> {
    plain(parse_switch, Syntax::Switch)
}

/// Text that this is true of, and what is said of all other.
fn text(is_right: impl Fn(&str) -> bool + Copy, reason: &'static str, syntax: Syntax) -> impl Form<String> {
    let parse =
        move |typed: Text<'_>| if is_right(typed.text) { Ok(typed.text.to_owned()) } else { Err(ValueError::new(reason)) };
    one(parse, String::clone, syntax)
}

/// The same, or `none`. The form has that word, too.
fn or_none(is_right: impl Fn(&str) -> bool + Copy, reason: &'static str, pattern: &'static str) -> impl Form<Option<String>> {
    let text = text(is_right, reason, Syntax::Pattern { pattern, numbers: None });
    let parse = move |typed: Text<'_>| if typed.text == NONE { Ok(None) } else { text.parse(typed).map(Some) };
    one(parse, |value: &Option<String>| value.clone().unwrap_or_else(|| NONE.to_owned()), text.syntax())
}

/// The level of a message.
pub(in crate::config) fn level() -> impl Form<Level> {
    let show = |level: &Level| level.as_str().to_ascii_lowercase();
    let reason = || ValueError::new("must be error, warn, info, debug or trace");
    let parse = move |typed: Text<'_>| Level::iter().find(|level| show(level) == typed.text).ok_or_else(reason);
    one(parse, show, Syntax::Words(LEVELS))
}

/// Up to which level messages count.
pub(in crate::config) fn log_level() -> impl Form<LevelFilter> {
    let parse = |typed: Text<'_>| level().parse(typed).map(|level| level.to_level_filter());
    one(parse, |level: &LevelFilter| level.as_str().to_ascii_lowercase(), Syntax::Words(LEVELS))
}

/// The facility of syslog messages.
pub(in crate::config) fn facility() -> impl Form<Facility> {
    plain(Facility::parse, Syntax::Words(Facility::WORDS))
}

/// The name or the number of a user or a group. Whether there is one is not asked here.
pub(in crate::config) fn account() -> impl Form<String> {
    let allowed = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, ':' | ',' | '/');
    let is_name = move |text: &str| !text.is_empty() && text.chars().all(allowed);
    let syntax = Syntax::Pattern { pattern: "^[^\\s:,/]+$", numbers: Some((0, u32::MAX.into())) };
    text(is_name, "must be a name or a number, as in www-data or 33", syntax)
}

/// A header that some web server follows; all of these begin alike.
pub(in crate::config) fn header_name() -> impl Form<Option<String>> {
    let begins_alike = |text: &str| text.len() > 2 && text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
    let is_name = move |text: &str| begins_alike(text) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let reason = "must be none, or the name of a header that begins with X-, such as X-Accel-Redirect or X-Sendfile";
    or_none(is_name, reason, "^(none|[Xx]-[A-Za-z0-9-]+)$")
}

/// As it stands in the site's addresses, undecoded.
pub(in crate::config) fn path_of_probes() -> impl Form<Option<String>> {
    let reason = "must be none, or a path that begins with a slash and has no query string, such as /ping";
    or_none(is_path, reason, "^(none|/[!-~]*)$")
}

/// The same, without a word for none.
pub(in crate::config) fn excluded_path() -> impl Form<String> {
    let reason = "must be a path that begins with a slash and has no query string, such as /health or /static/";
    text(is_path, reason, Syntax::Pattern { pattern: "^/[!->@-~]*$", numbers: None })
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?')
}

/// The name of a variable, or how names begin.
pub(in crate::config) fn variable_pattern() -> impl Form<String> {
    let is_name = |text: &str| !text.is_empty() && !text.strip_suffix('*').unwrap_or(text).contains(['=', '*', '\0']);
    text(is_name, "must be the name of a variable, or its beginning followed by *", Syntax::Text)
}

pub(in crate::config) fn syslog_ident() -> impl Form<String> {
    let allowed = |b: u8| b.is_ascii_graphic() && !matches!(b, b':' | b'[' | b']');
    let is_ident = move |text: &str| (1..=MAX_IDENT_LEN).contains(&text.len()) && text.bytes().all(allowed);
    let syntax = Syntax::Pattern { pattern: "^[!-~]{1,32}$", numbers: Some((0, u64::MAX)) };
    text(is_ident, "must be up to 32 ASCII characters without spaces, colons and brackets", syntax)
}

/// With variables that there are.
pub(in crate::config) fn access_log_format() -> impl Form<String> {
    let is_line = |text: &str| !text.is_empty() && !text.contains(char::is_control);
    let line = text(is_line, "must be one line of text, as in $remote_addr \"$request\" $status", Syntax::Text);
    let parse = move |typed: Text<'_>| {
        let text = line.parse(typed)?;
        Format::parse(&text).map(|_| text).map_err(|fault| ValueError::new(fault.to_string()))
    };
    one(parse, String::clone, line.syntax())
}

/// The levels of messages, the most urgent first.
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];
/// What stands for no value.
const NONE: &str = "none";
/// What a syslog tag may have (RFC 3164).
const MAX_IDENT_LEN: usize = 32;
