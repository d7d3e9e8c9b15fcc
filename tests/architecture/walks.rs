//! The walks of a request and of a reload: the files that they name are there, and one that is entered again says why.

use std::collections::BTreeSet;

/// What is wrong with a page of walks, of which each is a table under a heading of its own.
pub fn faults(page: &str, is_there: impl Fn(&str) -> bool) -> Vec<String> {
    let mut faults = missing_files(page, is_there);
    page.split("\n## ").skip(1).for_each(|walk| faults.extend(wrong_entries(walk)));
    faults
}

/// The files of a walk, in the order in which they are entered, with the reason of each that is entered again.
pub fn entries(walk: &str) -> Vec<(&str, &str)> {
    let rows = walk.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| (cells[1].trim_matches('`'), cells.get(3).copied().unwrap_or_default())).collect()
}

fn wrong_entries(walk: &str) -> Vec<String> {
    let (mut faults, mut seen, mut before) = (Vec::new(), BTreeSet::new(), "");
    for (file, reason) in entries(walk) {
        match (seen.insert(file), reason) {
            (false, "") => faults.push(format!("{file} is entered again without a reason")),
            (true, reason) if !reason.is_empty() => faults.push(format!("{file} is entered for the first time: {reason}")),
            _ if file == before => faults.push(format!("{file} is entered from itself")),
            _ => {}
        }
        before = file;
    }
    faults
}

/// Names of files stand between backticks: with their directories, or as the end of one that does.
fn missing_files(page: &str, is_there: impl Fn(&str) -> bool) -> Vec<String> {
    let spans: Vec<_> = page.split('`').skip(1).step_by(2).filter(|span| is_file(span)).collect();
    let is_known = |name: &str| match name.contains('/') {
        true => is_there(name),
        false => spans.iter().any(|span| span.ends_with(&format!("/{name}"))),
    };
    spans.iter().filter(|name| !is_known(name)).map(|name| format!("there is no {name}")).collect()
}

fn is_file(span: &str) -> bool {
    [".rs", ".py"].iter().any(|ending| span.ends_with(ending))
}
