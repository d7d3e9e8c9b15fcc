//! What an application has written commands nobody's terminal.

use std::fs;

use crate::site::{Site, control, expect_refused, says, site_with};

const COMMANDS_IT: &str = "\
import os
os.write(1, b'printed \\x1b]0;owned\\x07\\n')
os.write(2, b'said \\x1b[2J\\n')
raise RuntimeError('failed \\x1b[31m\\r\\u202e')
";

#[track_caller]
fn expect_harmless(text: &str) {
    assert!(text.contains("failed \\u{1b}[31m\\r\\u{202e}"), "{text:?}");
    let harmful: Vec<char> = text.chars().filter(|c| c.is_control() && !"\n\t".contains(*c) || *c == '\u{202e}').collect();
    assert!(harmful.is_empty(), "{harmful:?} in {text:?}");
}

#[test]
fn an_import_error_is_escaped_by_serve_check_and_reload() {
    let finished = expect_refused(site_with(COMMANDS_IT, ""), 70, &["Traceback"]);
    expect_harmless(&finished.stderr);
    let checked = control(finished.directory(), "check").expect_code(70);
    expect_harmless(&checked.err);
    assert!(checked.err.contains("printed \\u{1b}]0;owned") && checked.err.contains("said \\u{1b}[2J"), "{}", checked.err);
    let site = Site::start(site_with(&says("one"), ""));
    fs::write(site.directory().join("app.py"), COMMANDS_IT).unwrap();
    expect_harmless(&site.control("reload").expect_code(70).err);
    expect_harmless(&site.log());
    site.end();
}

#[test]
fn an_import_error_is_escaped_by_the_launcher_of_a_daemon() {
    let finished = site_with(COMMANDS_IT, "").args(["-D", "--log", "file:site.log"]).run().expect_code(70);
    expect_harmless(&finished.stderr);
}
