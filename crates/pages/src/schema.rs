//! The JSON schema of the configuration file, for editors. It refuses what it can know to be wrong, and nothing that the program takes, but
//! for a number or a switch as text, such as a user called true.

use std::time::Duration;

use pyfcgid::config::{Fallback, Kind, SETTINGS, Scope, Setting, Syntax};
use serde_json::{Map, Value, json};

/// The schema as a file.
pub fn text() -> String {
    format!("{:#}\n", schema())
}

/// The schema: draft 7, which is what editors know.
pub fn schema() -> Value {
    let (mut top, pattern) = (properties(Scope::Global), json!({"type": "string"}));
    let include = json!({
        "description": "Files with further pools: a pattern, or a list of them, relative to this file",
        "anyOf": [pattern, {"type": "array", "items": pattern}],
    });
    let pools = json!({
        "description": "The pools, each a table [pool.NAME]",
        "type": "object",
        "patternProperties": {
            POOL_NAME: {
                "type": "object",
                "properties": properties(Scope::Pool),
                "required": ["app"],
                "additionalProperties": false,
            }
        },
        "additionalProperties": false,
    });
    top.extend([("include".to_owned(), include), ("pool".to_owned(), pools)]);
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "pyfcgid.toml",
        "description": "The configuration of pyfcgid, or a file that it includes",
        "type": "object",
        "properties": top,
        "additionalProperties": false,
    })
}

fn properties(scope: Scope) -> Map<String, Value> {
    SETTINGS
        .iter()
        .filter(|setting| setting.stands_in(scope))
        .map(|setting| (setting.name.to_owned(), property(setting)))
        .collect()
}

fn property(setting: &Setting) -> Value {
    let mut property = json!({"description": setting.help, "anyOf": alternatives(setting)});
    if let Fallback::Value(text) = setting.default {
        property["default"] = default(setting, text);
    }
    property
}

/// What the option is without being set, as one writes it.
fn default(setting: &Setting, text: &str) -> Value {
    match (setting.kind, text.parse::<u64>()) {
        (Kind::Switch, _) => json!(text == "true"),
        (Kind::List { .. }, _) => json!([text]),
        (_, Ok(number)) if number.to_string() == text => json!(number),
        _ => json!(text),
    }
}

fn alternatives(setting: &Setting) -> Vec<Value> {
    let one = one_value((setting.syntax)());
    let fewest = u8::from(!setting.may_be_empty());
    match setting.kind {
        Kind::One | Kind::Switch => one,
        Kind::List { in_text, .. } => {
            let list = json!({"type": "array", "items": {"anyOf": &one}, "minItems": fewest});
            // In a text with several of them each would have to be looked at.
            let alone = if in_text.is_empty() { one } else { scalar() };
            alone.into_iter().chain([list]).collect()
        }
        Kind::Pairs => vec![
            json!({"type": "object", "additionalProperties": {"anyOf": scalar()}}),
            json!({"type": "array", "items": {"type": "string", "pattern": "^[^=]+="}}),
            json!({"type": "string", "pattern": "^[^=]+="}),
        ],
    }
}

/// What one value may be; also text where it is a number, since the program takes both.
fn one_value(syntax: Syntax) -> Vec<Value> {
    match syntax {
        Syntax::Text => scalar(),
        Syntax::Number { low, high } => vec![whole(low, high), matching(if low < 0 { "^-?[0-9]+$" } else { "^[0-9]+$" })],
        Syntax::Size { low, high, or_zero } => {
            let zero = (or_zero && low > 0).then(|| whole(0, 0));
            let units = matching("^[0-9]+([Bb]|[KkMmGg]([Ii]?[Bb])?)?$");
            [whole(low, high), units].into_iter().chain(zero).collect()
        }
        Syntax::Time { least, most } => {
            let least = u64::from(least > Duration::ZERO);
            vec![whole(least, most.as_secs()), matching("^([0-9]+|([0-9]+(ms|s|m|h|d))+)$")]
        }
        // In decimal digits a number means what it looks like, 660; 0o660 comes out as another one.
        Syntax::Mode => vec![matching("^(0o)?[0-7]+$"), whole(0, MOST_MODE)],
        Syntax::Switch => vec![json!({"type": "boolean"}), matching(SWITCH), whole(0, 1)],
        Syntax::Words(words) => vec![json!({"enum": words})],
        Syntax::Pattern { pattern, numbers } => {
            let numbers = numbers.map(|(low, high)| whole(low, high));
            [matching(pattern)].into_iter().chain(numbers).collect()
        }
    }
}

/// Whatever the program takes as text.
fn scalar() -> Vec<Value> {
    vec![json!({"type": ["string", "number", "boolean"]})]
}

fn matching(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

fn whole(low: impl Into<Value>, high: impl Into<Value>) -> Value {
    let (mut range, high) = (json!({"type": "integer", "minimum": low.into()}), high.into());
    // What JSON can count is no limit of ours.
    if high.is_i64() {
        range["maximum"] = high;
    }
    range
}

const POOL_NAME: &str = "^[A-Za-z0-9_.-]{1,64}$";
/// However they are written.
const SWITCH: &str = "^([Tt][Rr][Uu][Ee]|[Yy][Ee][Ss]|[Oo][Nn]|1|[Ff][Aa][Ll][Ss][Ee]|[Nn][Oo]|[Oo][Ff][Ff]|0)$";
/// Nine permissions, as the decimal digits of 777.
const MOST_MODE: u64 = 777;
