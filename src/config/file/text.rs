//! Values as a file has them.

use crate::config::masking::Show;
use crate::config::value::parse_digits;
use crate::config::{Kind, Origin, Setting};

/// A line that is read as these values again, as far as they are shown as they are, with where they come from; a comment for an option
/// that is not set.
pub(crate) fn line(setting: &Setting, values: Vec<String>, origin: &Origin, shown: Show) -> String {
    let values: Vec<_> = values.into_iter().map(|value| shown(setting.kind, value)).collect();
    match assignment(setting, &values) {
        Some(line) => format!("{line:COMMENT_COLUMN$} # {origin}\n"),
        None => format!("{:COMMENT_COLUMN$} # not set\n", format!("# {}", setting.name)),
    }
}

/// The key with these values; `None` for an option that is not set.
pub(crate) fn assignment(setting: &Setting, values: &[String]) -> Option<String> {
    let value = match (setting.kind, values) {
        (Kind::Switch, [value]) => value.clone(),
        (Kind::One, [value]) if is_plain_number(value) => value.clone(),
        (Kind::One, [value]) => quote(value),
        (Kind::List { .. } | Kind::Pairs, []) if !setting.may_be_empty() => return None,
        (Kind::List { .. } | Kind::Pairs, values) => {
            format!("[{}]", values.iter().map(|value| quote(value)).collect::<Vec<_>>().join(", "))
        }
        _ => return None,
    };
    Some(format!("{} = {value}", setting.name))
}

/// A key as TOML wants it.
pub(crate) fn quote_key(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if bare { key.to_owned() } else { quote(key) }
}

/// A text as TOML wants it.
pub(crate) fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn is_plain_number(text: &str) -> bool {
    parse_digits::<u64>(text).is_some_and(|number| number <= MOST_NUMBER && number.to_string() == text)
}

/// TOML has none above 2^63.
const MOST_NUMBER: u64 = 10_u64.pow(18) - 1;
/// Where comments start, if the line is not longer.
const COMMENT_COLUMN: usize = 36;
