//! The options of the table, in words.

use std::time::Duration;

use pyfcgid::config::value::{format_duration, format_size};
use pyfcgid::config::{Fallback, Group, Kind, SETTINGS, Scope, Setting, Syntax};

/// The options of a group.
pub fn of_group(group: Group) -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(move |setting| setting.group == group)
}

/// What a value is, in words.
pub fn values(setting: &Setting) -> String {
    let one = one_value(setting);
    match setting.kind {
        Kind::One | Kind::Switch => one,
        Kind::List { in_text: [], .. } => format!("{one}, or a list of these"),
        Kind::List { in_text, .. } => {
            let separators: String = in_text.iter().collect();
            format!("{one}, several separated by `{separators}`, or a list of these")
        }
        Kind::Pairs => "a table of names and texts, or a list of `NAME=VALUE`".to_owned(),
    }
}

fn one_value(setting: &Setting) -> String {
    match (setting.syntax)() {
        Syntax::Number { low, high } => format!("whole number, {low} to {high}"),
        Syntax::Size { low, high, or_zero } => size(low, high, or_zero),
        Syntax::Time { least: Duration::ZERO, most } => format!("time, up to {}", format_duration(most)),
        Syntax::Time { most, .. } => format!("time, more than 0, up to {}", format_duration(most)),
        Syntax::Mode => "octal digits, 0000 to 0777".to_owned(),
        Syntax::Switch => "`true` or `false`".to_owned(),
        Syntax::Words(words) => listed(words),
        Syntax::Pattern { .. } | Syntax::Text => match setting.value_name {
            "FILE" => "path of a file".to_owned(),
            "DIR" => "path of a directory".to_owned(),
            "USER" | "GROUP" => "name or number".to_owned(),
            _ => "text".to_owned(),
        },
    }
}

fn size(low: u64, high: u64, or_zero: bool) -> String {
    let high = if high == u64::MAX { String::new() } else { format!(", up to {}", format_size(high)) };
    match (low, or_zero) {
        (0, _) => format!("size in bytes{high}"),
        (low, true) => format!("size in bytes, 0 or from {}{high}", format_size(low)),
        (low, false) => format!("size in bytes, from {}{high}", format_size(low)),
    }
}

/// `a`, `b` or `c`.
fn listed(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => words.concat(),
    }
}

/// What it is without being set, in words.
pub fn default(setting: &Setting) -> String {
    match setting.default {
        Fallback::Value(value) => format!("`{value}`"),
        Fallback::Variable(variable) => format!("the value of the environment variable `{variable}`, else none"),
        Fallback::Nothing => "none".to_owned(),
    }
}

/// Where in the file it stands, in words.
pub fn place(setting: &Setting) -> &'static str {
    match (setting.stands_in(Scope::Global), setting.stands_in(Scope::Pool)) {
        (true, false) => "at the top, for the whole daemon",
        (true, true) => "at the top, for the whole daemon, or in a `[pool.NAME]` table for that pool",
        (false, _) => "in a `[pool.NAME]` table",
    }
}

/// What is typed for it on the command line: its flags, or nothing if it is known by its place.
pub fn flags(setting: &Setting) -> Vec<String> {
    let parser = pyfcgid::cli::parser();
    let serve = parser.find_subcommand("serve").expect("the command is there");
    let arg = serve.get_arguments().find(|arg| arg.get_id() == setting.name).expect("serve takes every option");
    let short = arg.get_short().map(|letter| format!("-{letter}"));
    short.into_iter().chain(arg.get_long().map(|name| format!("--{name}"))).collect()
}
