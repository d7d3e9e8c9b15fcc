//! docs/status.schema.json, and whether the program keeps to it: what it describes is there, and nothing else.

use serde_json::Value;

/// Fails unless the value is what this command prints, as the schema describes it.
#[track_caller]
pub fn expect(command: &str, value: &Value) {
    let schema: Value = serde_json::from_str(include_str!("../../docs/status.schema.json")).unwrap();
    let name = command.split(' ').next().unwrap();
    let faults = faults(&schema, &schema["$defs"][name], value, name);
    assert!(faults.is_empty(), "{faults:#?}\n{value:#}");
}

fn faults(root: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        return faults(root, &root["$defs"][name], value, place);
    }
    if let Some(schemas) = schema["anyOf"].as_array() {
        let each = schemas.iter().map(|schema| faults(root, schema, value, place));
        return each.min_by_key(Vec::len).unwrap_or_default();
    }
    let mut found = Vec::new();
    if let Some(expected) = schema.get("const").filter(|expected| *expected != value) {
        found.push(format!("{place} is not {expected}"));
    }
    if schema.get("type").is_some_and(|types| !has_type(types, value)) || schema.get("type").or(schema.get("const")).is_none() {
        found.push(format!("{place} has not the type {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        found.push(format!("{place}: {value} is not one of {}", schema["enum"]));
    }
    if schema["minimum"].as_f64().zip(value.as_f64()).is_some_and(|(least, number)| number < least) {
        found.push(format!("{place}: {value} is less than {}", schema["minimum"]));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(root, &schema["items"], item, &format!("{place}[{index}]")));
    }
    found.extend(faults_of_object(root, schema, value, place));
    found
}

fn faults_of_object(root: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let Some(fields) = value.as_object() else {
        return Vec::new();
    };
    let required = schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
    let missing = required.filter(|name| !fields.contains_key(*name)).map(|name| format!("{place} has no {name}"));
    let of_field = |(name, field): (&String, &Value)| match schema["properties"].get(name) {
        Some(schema) => faults(root, schema, field, &format!("{place}.{name}")),
        None => vec![format!("{place}.{name} is not described")],
    };
    missing.chain(fields.iter().flat_map(of_field)).collect()
}

fn has_type(types: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    };
    types.as_array().map_or_else(|| is(types), |types| types.iter().any(is))
}

#[test]
fn what_is_not_described_is_found() {
    let schema: Value = serde_json::from_str(
        r##"{"$defs": {"a": {"type": "object", "required": ["n"], "properties": {"n": {"type": ["integer", "null"], "minimum": 0}}}}}"##,
    )
    .unwrap();
    let count = |text: &str| faults(&schema, &schema["$defs"]["a"], &serde_json::from_str(text).unwrap(), "a").len();
    assert_eq!([r#"{"n": 1}"#, r#"{"n": null}"#].map(count), [0, 0]);
    let either = serde_json::json!({"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]});
    let count_of_either = |text: &str| faults(&schema, &either, &serde_json::from_str(text).unwrap(), "a").len();
    assert_eq!(["null", r#"{"n": 1}"#, r#"{"n": "1"}"#, "[]"].map(count_of_either), [0, 0, 1, 1]);
    assert_eq!(["{}", r#"{"n": -1}"#, r#"{"n": "1"}"#, r#"{"n": 1, "m": 2}"#, "[]"].map(count), [1; 5]);
}
