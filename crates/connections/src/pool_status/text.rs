//! Lines of a name and a value, as PHP-FPM writes them.

use super::escapes;
use super::fields::{Field, of_pool, of_processes};
use super::query::Extent;
use super::snapshot::Snapshot;

/// The pool, and its processes if they are asked for.
pub(super) fn write(snapshot: &Snapshot, extent: Extent) -> String {
    let mut page = block(&of_pool(snapshot));
    if extent == Extent::Full {
        for fields in of_processes(snapshot) {
            page.push_str("\n************************\n");
            page.push_str(&block(&fields));
        }
    }
    page
}

fn block(fields: &[Field]) -> String {
    let line = |field: &Field| format!("{:<WIDTH$}{}\n", format!("{}:", field.name), escapes::line(&field.value.shown()));
    fields.iter().map(line).collect()
}

const WIDTH: usize = 22;
