//! Every message that pyfcgid logs itself has a code of the table, and every code a message.

use shared::logging::codes;

use super::files;
use super::source::Source;

/// The macros that log what has a code. Messages at level debug and trace have none.
const MACROS: [&str; 4] = ["info!(", "warn!(", "error!(", "log!("];
/// What a target may be besides a constant of the table: an expression whose type is that of a code.
const EXPRESSIONS: [&str; 3] = ["code", "refusal.meaning()", "kind.refusal.meaning()"];
/// What applications say has no code.
const VOICE_OF_APPLICATIONS: &str = "without_python/app_log.rs";
const TABLE: &str = "logging/codes.rs";

/// What the log macros of this code begin with.
fn calls(code: &str) -> Vec<&str> {
    let of_macro = |name: &'static str| {
        code.match_indices(name).filter_map(move |(at, _)| {
            let is_whole = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            is_whole.then(|| code[at + name.len()..].trim_start())
        })
    };
    MACROS.into_iter().flat_map(of_macro).collect()
}

fn names_a_code(call: &str) -> bool {
    let Some((target, _)) = call.strip_prefix("target: ").and_then(|rest| rest.split_once(',')) else {
        return false;
    };
    let is_of_table = |name: &str| codes::all().any(|entry| entry.name == name);
    target.strip_prefix("codes::").map_or_else(|| EXPRESSIONS.contains(&target), is_of_table)
}

fn sources() -> Vec<Source> {
    let is_of_tests = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/");
    files().iter().filter(|(path, _)| !is_of_tests(path)).map(|(path, text)| Source::new(path, text)).collect()
}

#[test]
fn every_message_names_a_code() {
    let mut count = 0;
    for source in sources().iter().filter(|source| source.path() != VOICE_OF_APPLICATIONS) {
        for call in calls(source.code()) {
            assert!(names_a_code(call), "{}: no code of logging/codes.rs: {call:.60}", source.path());
            count += 1;
        }
    }
    assert!(count > 80, "only {count} messages were found");
}

#[test]
fn every_code_is_used() {
    let code: String = sources().iter().filter(|source| source.path() != TABLE).map(Source::code).collect();
    for entry in codes::all() {
        let constant = format!("codes::{}", entry.name);
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let is_used = code.match_indices(&constant).any(|(at, _)| ends(&code[at + constant.len()..]));
        assert!(is_used, "{} ({}) is no message's", entry.code, entry.name);
    }
}

#[test]
fn a_message_without_a_code_is_caught_however_it_is_written() {
    for text in [
        "fn f() { log::warn!(\"x\"); }",
        "fn f() { warn!(\"x\"); }",
        "fn f() { log::error!(\n    \"{x}\"\n); }",
        "fn f() { log::info!(target: \"pyfcgid\", \"x\"); }",
        "fn f() { log::info!(target: codes::NO_SUCH_CODE, \"x\"); }",
        "fn f() { log::log!(level, \"x\"); }",
    ] {
        let source = Source::new("planted.rs", text);
        let calls = calls(source.code());
        assert!(calls.len() == 1 && !names_a_code(calls[0]), "{text}");
    }
    for text in
        ["fn f() { log::warn!(target: codes::READY, \"x\"); }", "fn f() { log::warn!(\n    target: code,\n    \"x\"); }"]
    {
        assert!(calls(Source::new("planted.rs", text).code()).into_iter().all(names_a_code), "{text}");
    }
    assert!(calls(Source::new("planted.rs", "compile_error!(\"x\"); log::debug!(\"x\");").code()).is_empty());
}
