//! JSON, with the keys of PHP-FPM's.

use super::escapes;
use super::fields::{Field, Value, of_pool, of_processes};
use super::query::Extent;
use super::snapshot::Snapshot;

/// The pool, and its processes if they are asked for.
pub(super) fn write(snapshot: &Snapshot, extent: Extent) -> String {
    let pool = members(&of_pool(snapshot));
    match extent {
        Extent::Summary => format!("{{{pool}}}\n"),
        Extent::Full => {
            let processes = of_processes(snapshot).iter().map(|fields| format!("{{{}}}", members(fields))).collect::<Vec<_>>();
            format!("{{{pool},\"processes\":[{}]}}\n", processes.join(","))
        }
    }
}

fn members(fields: &[Field]) -> String {
    let member = |field: &Field| format!("{}:{}", escapes::json(&field.name.to_lowercase()), value(&field.value));
    fields.iter().map(member).collect::<Vec<_>>().join(",")
}

fn value(value: &Value) -> String {
    match value {
        Value::Text(text) => escapes::json(text),
        Value::Count(count) => count.to_string(),
        Value::Moment(moment, _) => moment.as_secs().to_string(),
    }
}
