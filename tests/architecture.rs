//! The layers of `ARCHITECTURE.md`, checked against what the source files name.
//!
//! Whoever changes the table changes `ARCHITECTURE.md` in the same commit.

#![allow(clippy::unwrap_used)]

#[path = "architecture/messages.rs"]
mod messages;
#[path = "architecture/source.rs"]
mod source;
#[path = "architecture/walks.rs"]
mod walks;

use std::fs;
use std::path::Path;

use source::Source;

/// A module at the top of its crate: `NAME.rs` and `NAME/**` in the crate's `src`. No two crates have one of the same name. Those of the
/// crate `fastcgi-codec` are taken for one module, `fastcgi`, and those of `pyfcgid-pages` for another, `pages`.
struct Layer {
    module: &'static str,
    /// Modules of this crate that it may name.
    uses: &'static [&'static str],
    /// Crates that it may name. `std` is free, and so are those in [`EVERYWHERE`].
    crates: &'static [&'static str],
}

const fn layer(module: &'static str, uses: &'static [&'static str], crates: &'static [&'static str]) -> Layer {
    Layer { module, uses, crates }
}

/// From the top down: a module names only modules that stand below it.
#[rustfmt::skip]
const LAYERS: &[Layer] = &[
    // What describes the program.
    layer("pages",      &["cli", "config", "logging"],                                          &["clap", "clap_complete", "roff", "serde_json"]),
    // The program.
    layer("main",       &["commands"],                                                          &[]),
    layer("lib",        &["boot"],                                                              &["pyo3"]),
    layer("commands",   &["cli", "client", "supervisor", "invocation", "launch", "control_protocol", "top", "report", "start_error", "daemon", "service", "config", "listener", "log_writer", "logging", "settings", "sys"], &["serde", "socket2"]),
    layer("supervisor", &["invocation", "queue_process", "launch", "control_protocol", "report", "start_error", "daemon", "service", "config", "scoreboard", "listener", "log_writer", "logging", "link", "stacks", "settings", "sys"], &["itertools", "serde", "serde_json"]),
    layer("invocation", &["cli", "start_error", "service", "config", "link", "sys"],            &[]),
    layer("cli",        &["client", "control_protocol", "report", "config", "logging"],                   &["clap"]),
    layer("client",     &["config", "logging", "settings", "http"],                             &["fastcgi_codec", "socket2"]),
    layer("queue_process",      &["launch", "start_error", "event_loop", "process", "loop_settings", "scheduler", "config", "logging", "settings", "sys"], &[]),
    layer("launch",     &["start_error", "config", "link", "settings", "sys"],                  &[]),
    layer("control_protocol", &[],                                                              &["serde", "serde_json"]),
    layer("top",        &["report", "scoreboard", "sys"],                                       &["crossterm", "ratatui_core", "ratatui_crossterm"]),
    layer("report",     &["scoreboard", "sys"],                                                 &["serde", "serde_json"]),
    layer("start_error", &["daemon", "service", "config", "log_writer", "listener", "logging", "link", "sys"], &[]),
    layer("daemon",     &["sys"],                                                               &["daemonize"]),
    layer("service",    &["logging", "sys"],                                                    &[]),
    layer("config",     &["log_writer", "logging", "network", "settings", "sys"],               &["glob", "itertools", "strum", "toml"]),
    layer("log_writer", &["logging", "settings", "sys"],                                        &["syslog"]),
    // The module in a pool's Python.
    layer("boot",       &["check", "life", "process", "logging", "settings", "sys"],            &[]),
    layer("life",       &["error", "import_limit", "loading", "wsgi", "process", "loop_settings", "event_loop", "scheduler", "link", "logging", "settings", "stacks", "sys"], &[]),
    layer("check",      &["error", "import_limit", "loading", "settings", "sys"],               &[]),
    layer("import_limit", &["wsgi", "logging", "settings", "sys"],                              &[]),
    layer("loading",    &["error", "wsgi", "loop_settings", "exchange", "logging", "settings", "sys"], &[]),
    layer("error",      &["wsgi", "listener", "logging", "sys"],                                &[]),
    layer("wsgi",       &["without_python", "event_loop", "scheduler", "exchange", "scoreboard", "logging", "link", "stacks", "settings", "sys"], &["pyo3"]),
    layer("without_python", &["logging", "settings", "http", "sys"],                            &["crossbeam_utils", "itoa"]),
    // What a child and a queue process do.
    layer("process",    &["event_loop", "pool_status", "listener", "link", "scoreboard", "settings", "sys"], &["mio"]),
    layer("loop_settings", &["event_loop", "pool_status", "access_log", "exchange", "settings"], &["fastcgi_codec"]),
    layer("event_loop", &["pool_status", "scheduler", "scoreboard", "exchange", "listener", "link", "logging", "network", "sys"], &["fastcgi_codec", "mio", "slab", "socket2"]),
    layer("pool_status", &["exchange", "scoreboard", "logging", "sys"],                         &[]),
    layer("access_log", &["exchange", "logging", "settings"],                                   &[]),
    layer("scheduler",  &["exchange", "scoreboard", "logging"],                                 &["crossbeam_channel"]),
    layer("exchange",   &["logging", "http", "sys"],                                            &["fastcgi_codec", "smallvec", "tempfile"]),
    // What all processes share.
    layer("listener",   &["logging", "sys"],                                                    &["socket2"]),
    layer("logging",    &["http", "settings", "sys"],                                           &["strum", "time"]),
    layer("settings",   &["network", "sys"],                                                    &["serde", "serde_json", "strsim", "strum"]),
    layer("network",    &[],                                                                    &["serde"]),
    layer("scoreboard", &["sys"],                                                               &["strum"]),
    layer("http",       &[],                                                                    &[]),
    layer("link",       &[],                                                                    &["strum"]),
    layer("stacks",     &[],                                                                    &[]),
    layer("fastcgi",    &[],                                                                    &["nom"]),
    layer("sys",        &[],                                                                    &["libc", "nix", "rustix", "smallvec", "socket2"]),
];

/// Crates without a layer: the logging front, and the derive of error enums.
const EVERYWHERE: &[&str] = &["log", "thiserror"];
/// Of the polling library, this module knows only the type of the sockets on which commands come.
const OF_MIO_IN_PROCESS: &str = "mio::net::UnixStream";
/// Files that may have unsafe code; a name that ends in `/` is a directory.
const UNSAFE: &[&str] = &["sys/", "wsgi/raw_text.rs", "wsgi/thread.rs"];
/// What no code outside tests says.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!", ".unwrap()"];
const MAX_CODE_LINES: usize = 450;

/// What is wrong with one file of `src`, by its path there.
fn faults(path: &str, text: &str, dependencies: &[String]) -> Vec<String> {
    // Tests of a file that stand beside it.
    if path.ends_with("/tests.rs") || path.contains("/tests/") {
        return Vec::new();
    }
    let source = Source::new(path, text);
    let mut faults = wrong_modules(&source);
    faults.extend(wrong_crates(&source, dependencies));
    faults.extend(wrong_words(&source));
    if source.module() == "fastcgi" {
        faults.extend(
            source.public_signatures_with("nom").into_iter().map(|item| format!("nom is in a public signature: {item}")),
        );
    }
    if source.code_lines() > MAX_CODE_LINES {
        faults.push(format!("{} lines of code, and the most is {MAX_CODE_LINES}", source.code_lines()));
    }
    faults.into_iter().map(|fault| format!("src/{path}: {fault}")).collect()
}

fn layer_of<'a>(source: &Source) -> Option<&'a Layer> {
    LAYERS.iter().find(|layer| layer.module == source.module())
}

fn wrong_modules(source: &Source) -> Vec<String> {
    let Some(layer) = layer_of(source) else {
        return vec![format!("the module {} is in no layer", source.module())];
    };
    let allowed = |module: &String| layer.uses.contains(&module.as_str()) || *module == layer.module;
    let wrong = source.modules().into_iter().filter(|module| !allowed(module));
    wrong.map(|module| format!("{} must not know {module}", layer.module)).collect()
}

fn wrong_crates(source: &Source, dependencies: &[String]) -> Vec<String> {
    let Some(layer) = layer_of(source) else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    for path in source.paths() {
        let name = path.split("::").next().unwrap_or(&path);
        let is_dependency = dependencies.iter().any(|dependency| dependency == name);
        if is_dependency && !EVERYWHERE.contains(&name) && !layer.crates.contains(&name) {
            faults.push(format!("{} must not know the crate {name}: {path}", layer.module));
        }
        if layer.module == "process"
            && name == "mio"
            && path != OF_MIO_IN_PROCESS
            && !path.starts_with(&format!("{OF_MIO_IN_PROCESS}::"))
        {
            faults.push(format!("process knows of mio only {OF_MIO_IN_PROCESS}, not {path}"));
        }
    }
    faults
}

fn wrong_words(source: &Source) -> Vec<String> {
    let may_be_unsafe =
        UNSAFE.iter().any(|allowed| source.path() == *allowed || allowed.ends_with('/') && source.path().starts_with(allowed));
    let mut faults = Vec::new();
    if !may_be_unsafe && source.has_word("unsafe") {
        faults.push("unsafe code belongs in sys".to_owned());
    }
    // A module of tests alone may panic.
    let unfinished = if source.path().ends_with("/tests.rs") { &[] } else { UNFINISHED };
    faults.extend(unfinished.iter().filter(|word| source.code().contains(**word)).map(|word| format!("{word} outside tests")));
    faults
}

/// The crates of this project, by the directory of their sources.
const CRATES: [&str; 6] = ["", "crates/child/", "crates/connections/", "crates/fastcgi/", "crates/pages/", "crates/shared/"];

/// The names of the dependencies of all crates, as code writes them.
fn dependencies() -> Vec<String> {
    let read = |directory: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory).join("Cargo.toml");
        let manifest: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
        manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect::<Vec<_>>()
    };
    let names = CRATES.into_iter().flat_map(read);
    names.filter(|name| !["shared", "connections", "pyfcgid"].contains(&name.as_str())).collect()
}

/// Every Rust file of all crates: its path, those of the codec and of the pages as of a module, and its text.
fn files() -> Vec<(String, String)> {
    let path_of = |directory: &str, path: String| match (directory, path.as_str()) {
        ("crates/fastcgi/", "lib.rs") => "fastcgi/mod.rs".to_owned(),
        ("crates/fastcgi/", path) => format!("fastcgi/{path}"),
        ("crates/pages/", "main.rs") => "pages/mod.rs".to_owned(),
        ("crates/pages/", path) => format!("pages/{path}"),
        (_, path) => path.to_owned(),
    };
    let of_crate = |directory: &'static str| {
        files_below(&format!("{directory}src")).into_iter().map(move |(path, text)| (path_of(directory, path), text))
    };
    CRATES.into_iter().flat_map(of_crate).collect()
}

/// Their paths there, and their texts.
fn files_below(directory: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let (mut directories, mut files) = (vec![root.clone()], Vec::new());
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files
                    .push((path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}

#[test]
fn every_file_keeps_to_its_layer() {
    let (files, dependencies) = (files(), dependencies());
    assert!(files.len() > 30, "only {} files were found", files.len());
    let faults: Vec<String> = files.iter().flat_map(|(path, text)| faults(path, text, &dependencies)).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_table_points_down_and_names_what_there_is() {
    let (files, dependencies) = (files(), dependencies());
    for (index, layer) in LAYERS.iter().enumerate() {
        for used in layer.uses {
            assert!(LAYERS[index..].iter().any(|below| below.module == *used), "{} stands below {used}", layer.module);
        }
        for name in layer.crates {
            assert!(dependencies.iter().any(|dependency| dependency == name), "{name} is no dependency");
        }
        assert!(files.iter().any(|(path, _)| Source::new(path, "").module() == layer.module), "no module {}", layer.module);
    }
}

/// To look for examples takes cargo a build of each crate: the others say in their manifests that it need not.
#[test]
fn only_the_codec_has_examples_in_its_documentation() {
    for (path, text) in files().iter().filter(|(path, _)| !path.starts_with("fastcgi/")) {
        let fences = text.lines().filter_map(|line| {
            let line = line.trim_start();
            line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?.trim_start().strip_prefix("```")
        });
        let examples: Vec<_> = fences.step_by(2).filter(|language| *language != "text").collect();
        assert!(examples.is_empty(), "{path}: nobody runs an example of {examples:?}");
    }
}

#[test]
fn the_walks_name_files_that_are_there_and_say_why_one_is_entered_again() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/contributing/walks.md")).unwrap();
    let faults = walks::faults(&page, |path| root.join(path).is_file());
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    for walk in ["A request", "A reload"] {
        let (_, walk) = page.split_once(&format!("\n## {walk}\n")).unwrap();
        assert!(walks::entries(walk.split("\n## ").next().unwrap()).len() > 50, "{walk}");
    }
}

#[test]
fn a_wrong_walk_is_caught() {
    let page =
        |rows: &str, prose: &str| format!("# Walks\n\n## One\n\n| File | What | Again |\n|---|---|---|\n{rows}\n{prose}");
    let faults = |page: &str| walks::faults(page, |path| ["a/one.rs", "a/two.rs"].contains(&path));
    let right = "| `a/one.rs` | begins | |\n| `a/two.rs` | is asked | |\n| `a/one.rs` | ends | it waits |\n";
    assert_eq!(faults(&page(right, "As `two.rs` says.\n\n## Other\n\n| `a/two.rs` | x | |\n")), [""; 0]);
    for (rows, fault) in [
        ("| `a/three.rs` | x | |\n", "there is no a/three.rs"),
        ("| `a/one.rs` | x | |\n| `a/two.rs` | x | |\n| `a/one.rs` | y | |\n", "a/one.rs is entered again without a reason"),
        ("| `a/one.rs` | x | |\n| `a/one.rs` | y | why |\n", "a/one.rs is entered from itself"),
        ("| `a/one.rs` | x | why |\n", "a/one.rs is entered for the first time: why"),
    ] {
        assert_eq!(faults(&page(rows, "")), [fault]);
    }
    assert_eq!(faults(&page(right, "As `three.rs` says.")), ["there is no three.rs"]);
}

/// The faults of a planted file, without the path.
fn planted(path: &str, text: &str) -> Vec<String> {
    let dependencies: Vec<String> =
        ["clap", "crossbeam_channel", "fastcgi_codec", "libc", "log", "mio", "nom", "pyo3", "rustix", "thiserror", "toml"]
            .map(str::to_owned)
            .to_vec();
    faults(path, text, &dependencies)
}

#[track_caller]
fn expect_fault(path: &str, text: &str, fault: &str) {
    let found = planted(path, text);
    assert!(found.iter().any(|found| found.contains(fault)), "{path}: {text:?} gives {found:?}");
}

#[track_caller]
fn expect_no_fault(path: &str, text: &str) {
    assert_eq!(planted(path, text), Vec::<String>::new(), "{path}: {text:?}");
}

/// What stands at the top, besides what is not committed: additions are few, and each has a reason.
#[rustfmt::skip]
const TOP: &[&str] = &[
    ".ci", ".gitignore", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "Cargo.lock", "Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT",
    "Makefile", "README.md", "apache", "benches", "build.rs", "clippy.toml", "crates", "deny.toml", "docs", "examples", "fuzz", "init", "nginx",
    "packaging", "pyproject.toml", "python", "rustfmt.toml", "src", "tests",
];
const NOT_COMMITTED: &[&str] = &[".git", ".venv", "target"];

#[test]
fn nothing_is_left_lying_at_the_top() {
    let there = fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    let names: Vec<_> = there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let unknown: Vec<_> =
        names.iter().filter(|name| !TOP.contains(&name.as_str()) && !NOT_COMMITTED.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}: is it meant to be committed, and why at the top?");
}

#[test]
fn a_module_that_looks_up_is_caught_however_it_is_written() {
    for text in [
        "use crate::exchange::Reply;",
        "use crate::{exchange, scheduler};",
        "use crate::{\n    record::Header,\n    exchange::{Reply, Sink as S},\n};",
        "use super::super::exchange::Reply;",
        "pub use crate::exchange as other;",
        "fn f() { crate::exchange::Reply::new(); }",
        "fn f(reply: &super::super::exchange::Reply) {}",
        "type A = Vec<crate :: exchange :: Reply>;",
    ] {
        expect_fault("fastcgi/record.rs", text, "fastcgi must not know exchange");
    }
    expect_fault("fastcgi/deep/record.rs", "use super::super::super::exchange::Reply;", "fastcgi must not know exchange");
    expect_no_fault("fastcgi/deep/record.rs", "use super::super::params::Pairs;");
    expect_fault("event_loop/mod.rs", "use super::config::Config;", "event_loop must not know config");
    expect_fault("event_loop/connection.rs", "use crate::wsgi::Gateway;", "event_loop must not know wsgi");
    expect_fault("wsgi/mod.rs", "use fastcgi_codec::Role;", "wsgi must not know the crate fastcgi_codec");
    expect_fault("scheduler.rs", "use fastcgi_codec::Role;", "scheduler must not know the crate fastcgi_codec");
    expect_fault("config/mod.rs", "use crate::cli;", "config must not know cli");
    expect_fault("config/mod.rs", "use connections::event_loop::EventLoop;", "config must not know event_loop");
    expect_fault("exchange/body.rs", "use shared::link::Report;", "exchange must not know link");
    expect_fault("main.rs", "fn main() { pyfcgid::cli::parse() }", "main must not know cli");
    expect_fault("stray.rs", "", "the module stray is in no layer");
}

#[test]
fn what_a_layer_may_know_is_no_fault() {
    expect_no_fault("fastcgi/record.rs", "use super::Error;\nuse crate::fastcgi::params;\nuse nom::Parser;\nuse std::io;");
    expect_no_fault("fastcgi/mod.rs", "mod error;\npub use error::Error;\nuse self::error::Other;");
    expect_no_fault(
        "event_loop/mod.rs",
        "use mio::Poll;\nuse crate::scheduler::Queue;\nfn f() { crate::sys::fd::send_file() }",
    );
    expect_no_fault("wsgi/input.rs", "use pyo3::prelude::*;\nuse crate::exchange::Body;\nfn f() { log::warn!(\"x\") }");
    expect_no_fault("process.rs", "fn f() { mio::net::UnixStream::pair() }\nuse shared::{link, sys};");
    expect_no_fault("main.rs", "fn main() { pyfcgid::commands::main() }");
    expect_no_fault("sys/fd.rs", "fn f() { unsafe { libc::close(1) } }");
}

#[test]
fn a_crate_in_the_wrong_layer_is_caught() {
    expect_fault("exchange/reply.rs", "use pyo3::prelude::*;", "exchange must not know the crate pyo3");
    expect_fault("event_loop/connection.rs", "use nom::IResult;", "event_loop must not know the crate nom");
    expect_fault("wsgi/mod.rs", "fn f() { mio::Poll::new() }", "wsgi must not know the crate mio");
    expect_fault("event_loop/stream.rs", "fn f() { g(libc::MSG_MORE | 1) }", "event_loop must not know the crate libc");
    expect_fault("exchange/body.rs", "use rustix::fs::fstat;", "exchange must not know the crate rustix");
    expect_fault(
        "event_loop/mod.rs",
        "use crossbeam_channel::{Receiver, Sender};",
        "must not know the crate crossbeam_channel",
    );
    expect_fault("commands.rs", "use clap::Arg;", "commands must not know the crate clap");
    expect_fault("cli.rs", "fn f() -> ::toml::Value {}", "cli must not know the crate toml");
    expect_fault(
        "process.rs",
        "use mio::{Poll, net::UnixStream};",
        "process knows of mio only mio::net::UnixStream, not mio::Poll",
    );
}

#[test]
fn the_parser_library_in_a_public_signature_is_caught() {
    for text in [
        "use nom::IResult;\npub fn parse(input: &[u8]) -> IResult<&[u8], u8> { x }",
        "pub fn parse(input: &[u8]) -> nom::IResult<&[u8], u8> { x }",
        "use nom::Err as Bad;\npub struct Error { pub cause: Bad<u8> }",
        "use nom::error::ParseError;\nimpl ParseError<u8> for Error {}",
        "use nom::IResult;\npub type Parsed = IResult<u8, u8>;",
        "pub use nom::IResult;",
    ] {
        expect_fault("fastcgi/record.rs", text, "nom is in a public signature");
    }
    expect_no_fault(
        "fastcgi/record.rs",
        "use nom::IResult;\nfn parse() -> IResult<u8, u8> { x }\npub(super) fn q() -> IResult<u8, u8> { x }",
    );
    expect_no_fault(
        "fastcgi/record.rs",
        "use nom::Parser;\npub fn parse(input: &[u8]) -> u8 { be_u8.parse(input); let x: Parser; }",
    );
}

#[test]
fn unsafe_and_unfinished_code_is_caught() {
    expect_fault("exchange/body.rs", "fn f() { unsafe { g() } }", "unsafe code belongs in sys");
    expect_fault("wsgi/mod.rs", "unsafe impl Send for X {}", "unsafe code belongs in sys");
    expect_no_fault("wsgi/raw_text.rs", "fn f() { unsafe { g() } }");
    expect_no_fault("exchange/body.rs", "#![deny(unsafe_code)]");
    for word in ["todo!()", "unimplemented!(\"later\")", "dbg!(x)", "x.unwrap()"] {
        expect_fault("exchange/body.rs", &format!("fn f() {{ {word}; }}"), "outside tests");
    }
    expect_no_fault("exchange/body.rs", "fn f() { x.unwrap_or(1) }");
}

#[test]
fn tests_beside_a_file_may_say_what_tests_say() {
    for path in ["exchange/body/tests.rs", "exchange/tests/more.rs"] {
        expect_no_fault(path, "use crate::wsgi; fn f() { x.unwrap(); }");
    }
    expect_fault("exchange/tests_of_bodies.rs", "fn f() { x.unwrap(); }", "outside tests");
}

#[test]
fn comments_strings_and_tests_are_no_code() {
    for text in [
        "//! crate::exchange\n// use pyo3::x; todo!()\n/* unsafe /* nested */ mio::Poll */",
        "const A: &str = \"crate::exchange, \\\" unsafe, todo!()\";",
        "const A: &str = r#\"crate::exchange \" unsafe\"#; const B: &[u8] = b\"libc::open\"; const C: char = '\"'; const D: char = '\\'';",
        "fn f<'a>(x: &'a str) {}\n#[cfg(test)]\nmod tests {\n    use crate::exchange;\n    fn f() { x.unwrap(); \"}\" }\n}\n",
        "#[cfg(test)]\nuse crate::exchange::Reply;",
    ] {
        expect_no_fault("fastcgi/record.rs", text);
    }
    expect_fault("fastcgi/record.rs", "#[cfg(test)]\nmod tests { }\nuse crate::exchange;", "must not know exchange");
    expect_fault(
        "fastcgi/record.rs",
        "const A: char = '\"'; use crate::exchange; const B: char = '\"';",
        "must not know exchange",
    );
}

#[test]
fn a_file_that_is_too_long_is_caught_by_its_lines_of_code() {
    let code = "fn f() {}\n".repeat(450);
    let no_code = "\n// a comment\n    /// another\n".repeat(500);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn t() {}\n".repeat(500));
    expect_no_fault("exchange/body.rs", &format!("{no_code}{code}{tests}"));
    expect_fault("exchange/body.rs", &format!("{code}fn g() {{}}\n"), "451 lines of code");
}
