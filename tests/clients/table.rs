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

/// mod_fcgid has no test for what Apache does itself.
#[test]
fn every_test_of_the_row_exists_for_mod_fcgid_where_its_cell_says_so() {
    let (table, tests) = (read("docs/clients.md"), read("tests/clients.rs"));
    let (_, module) = tests.split_once("mod mod_fcgid_root_site {").expect("the module");
    let (module, _) = module.split_once("\n}\n").expect("its end");
    let (_, everywhere) = tests.split_once("    (@everywhere ").expect("what is tested everywhere");
    let (everywhere, _) = everywhere.split_once("\n    };\n").expect("its end");
    let is_tested = |name: &str| [module, everywhere].iter().any(|tests| tests.contains(&format!("{name},")));
    let column = |row: &str| row.split('|').nth(4).map(|cell| cell.trim().to_owned()).unwrap_or_default();
    let mut rows = table.lines().skip_while(|line| !line.starts_with("| Behaviour |"));
    assert_eq!(column(rows.next().expect("a head")), "mod_fcgid");
    for row in rows.take_while(|line| line.starts_with('|')).skip(1) {
        let name = row.split(": `").nth(1).and_then(|rest| rest.split('`').next()).expect("a name in backticks");
        assert_eq!(column(row) != "–", is_tested(name), "{name}: {}", column(row));
    }
}

/// `file::test`, anywhere on the page.
#[test]
fn every_test_that_is_named_with_its_file_exists() {
    let page = read("docs/clients.md");
    let named: Vec<_> =
        page.split('`').filter_map(|span| span.split_once("::")).filter(|(file, _)| !file.contains(' ')).collect();
    assert!(named.len() > 10, "{named:?}");
    for (file, test) in named.into_iter().filter(|(file, _)| *file != "MODULE") {
        let text = ["clients", "web_servers"].map(|suite| read_if_there(&format!("tests/{suite}/{file}.rs"))).concat();
        let exists = text.contains(&format!("fn {test}()")) || text.contains(&format!("tests!({test},"));
        assert!(exists, "no test {file}::{test}");
    }
}

#[test]
fn every_module_that_the_table_names_exists() {
    let tests = read("tests/clients.rs");
    let page = read("docs/clients.md");
    let first_table = page.lines().take_while(|line| !line.starts_with("| Behaviour |"));
    for line in first_table.filter(|line| line.contains("](")) {
        for module in line.rsplit("| `").next().into_iter().flat_map(|cell| cell.split('`')).filter(|word| word.contains('_')) {
            assert!([",", ";", " {"].iter().any(|end| tests.contains(&format!("{module}{end}"))), "no module {module}");
        }
    }
}

fn read_if_there(name: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap_or_default()
}

fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
