//! `docs/clients.md` names tests; these have to exist.

use std::fs;
use std::path::PathBuf;

#[test]
fn every_test_that_the_table_names_exists() {
    let table = read("docs/clients.md");
    let tests = read("tests/clients.rs");
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ") && line.contains(": `")).collect();
    assert!(rows.len() > 10, "the table has gone");
    for row in rows {
        let name = row.rsplit_once(": `").and_then(|(_, rest)| rest.split_once('`')).expect("a name in backticks").0;
        assert!(tests.contains(&format!("{name},")) || tests.contains(&format!("also {name}")), "no test {name}");
    }
}

#[test]
fn every_test_of_the_row_exists_for_cgi_fcgi_where_its_cell_says_so() {
    let table = read("docs/clients.md");
    let tests = read("tests/clients/cgi_fcgi.rs");
    for row in table.lines().filter(|line| line.starts_with("| ") && line.contains(": `")) {
        let name = row.rsplit_once(": `").and_then(|(_, rest)| rest.split_once('`')).expect("a name in backticks").0;
        let tested = tests.contains(&format!("fn {name}()"));
        assert_eq!(row.ends_with("| yes |"), tested, "{name}");
    }
}

#[test]
fn every_module_that_the_table_names_exists() {
    let tests = read("tests/clients.rs");
    for line in read("docs/clients.md").lines().filter(|line| line.contains("](")) {
        for module in line.rsplit("| `").next().into_iter().flat_map(|cell| cell.split('`')).filter(|word| word.contains('_')) {
            assert!(tests.contains(&format!("{module},")) || tests.contains(&format!("mod {module};")), "no module {module}");
        }
    }
}

fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
