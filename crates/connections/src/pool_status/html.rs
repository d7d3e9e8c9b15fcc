//! One page for people, which needs no other file and loads itself again.

use super::escapes;
use super::fields::{Field, of_pool, of_processes};
use super::query::Extent;
use super::snapshot::Snapshot;

/// The pool, and its processes if they are asked for.
pub(super) fn write(snapshot: &Snapshot, extent: Extent) -> String {
    let title = escapes::html(&format!("{}: {}", snapshot.name, snapshot.record.state));
    let pool: String = of_pool(snapshot).iter().map(row).collect();
    let mut page = format!("{HEAD}<title>{title}</title>\n<h1>{title}</h1>\n<table>\n{pool}</table>\n");
    if extent == Extent::Full {
        page.push_str(&processes(&of_processes(snapshot)));
    }
    page
}

fn row(field: &Field) -> String {
    format!("<tr><th>{}<td>{}\n", field.name, escapes::html(&field.value.shown()))
}

fn processes(blocks: &[Vec<Field>]) -> String {
    let cells = |tag: &str, texts: Vec<String>| -> String {
        let cells: String = texts.into_iter().map(|text| format!("<{tag}>{text}")).collect();
        format!("<tr>{cells}\n")
    };
    let names = blocks.first().map(|fields| cells("th", fields.iter().map(|field| field.name.to_owned()).collect()));
    let values = |fields: &Vec<Field>| cells("td", fields.iter().map(|field| escapes::html(&field.value.shown())).collect());
    let rows: String = names.into_iter().chain(blocks.iter().map(values)).collect();
    format!("<h2>Requests</h2>\n<div><table>\n{rows}</table></div>\n")
}

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width\">\n<meta http-equiv=\"refresh\" content=\"5\">\n\
    <meta name=\"robots\" content=\"noindex\">\n<style>\
    body{font:1em sans-serif;margin:1em}div{overflow-x:auto}table{border-collapse:collapse}\
    th,td{text-align:left;padding:.2em .8em .2em 0;border-bottom:1px solid #ccc;vertical-align:top;overflow-wrap:anywhere}\
    div th,div td{white-space:nowrap}</style>\n";
