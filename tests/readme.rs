//! What README.md says about options, commands and files is so.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use pyfcgid::cli;
use pyfcgid::config::{Config, DefaultFiles, Fallback, Group, Layer, SETTINGS, Setting};
use tempfile::TempDir;

const README: &str = include_str!("../README.md");

/// The text of every fenced block of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let opening = format!("\n```{language}\n");
    README.split(&opening).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

/// The TOML blocks as files, under the names that the commands of the README use: that in the first line, else the first pool's.
fn configurations() -> (TempDir, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for block in blocks("toml") {
        let pool = block.split("[pool.").nth(1).unwrap().split(']').next().unwrap();
        let named = block.lines().next().and_then(|line| line.strip_prefix("# ")).filter(|name| name.ends_with(".toml"));
        let name = named.map_or_else(|| format!("{pool}.toml"), str::to_owned);
        fs::write(directory.path().join(&name), block).unwrap();
        names.push(name);
    }
    (directory, names)
}

/// Splits a command line as a shell does, as far as the README uses one: quotes, and comments.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '#') if word.is_none() => break,
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    assert!(quote.is_none(), "an open quote: {line}");
    words.extend(word);
    words
}

/// Every command line that begins with pyfcgid and a command, in console blocks and in the text.
fn commands() -> Vec<&'static str> {
    let typed = blocks("console").into_iter().flat_map(str::lines).filter_map(|line| line.strip_prefix("$ "));
    let in_text = README.split('`').filter(|span| !span.contains('\n'));
    typed.chain(in_text).filter(|line| line.starts_with("pyfcgid ")).collect()
}

fn row(setting: &Setting) -> String {
    let default = match setting.default {
        Fallback::Value(value) => format!("`{value}` "),
        Fallback::Variable(variable) => format!("`${variable}` "),
        Fallback::Nothing => String::new(),
    };
    format!("| `{}` | {} | {default}| {} |\n", setting.name, setting.value_name, setting.help)
}

fn table(group: Group) -> String {
    let rows: String = SETTINGS.iter().filter(|setting| setting.group == group).map(row).collect();
    format!("### {}\n\n| Option | Value | Default | Meaning |\n|---|---|---|---|\n{rows}\n", group.heading())
}

#[test]
fn the_tables_of_options_are_those_of_the_program() {
    let expected: String = Group::ALL.iter().map(|group| table(*group)).collect();
    assert!(README.contains(&expected), "README.md should have\n\n{expected}");
}

#[test]
fn every_configuration_file_loads() {
    let (directory, names) = configurations();
    assert!(!names.is_empty());
    for name in names {
        let loaded = Config::load(&Layer::new(), &|_| None, Some(&directory.path().join(&name)));
        loaded.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn every_command_line_parses() {
    let (directory, names) = configurations();
    // That of a machine on which pyfcgid is installed.
    let files = DefaultFiles { file: directory.path().join("machine.toml"), former: directory.path().join("none") };
    fs::write(&files.file, "pid-file = \"/run/pyfcgid/pyfcgid.pid\"\ninclude = \"pools.d/*.toml\"\n").unwrap();
    let commands = commands();
    assert!(commands.len() > 10, "{commands:?}");
    for line in commands {
        let arguments = words(line).into_iter().map(|word| match names.contains(&word) {
            true => directory.path().join(word).into_os_string(),
            false => OsString::from(word),
        });
        if let Err(exit) = cli::parse(arguments, cli::Surroundings { environment: &|_| None, files: &files }) {
            assert_eq!(exit.code, 0, "{line}: {}", exit.message);
        }
    }
}

#[test]
fn every_file_that_is_named_exists() {
    let targets: Vec<_> = README.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    let files: Vec<_> = targets.iter().filter(|target| !target.starts_with("https://") && !target.starts_with('#')).collect();
    assert!(files.len() > 10, "{targets:?}");
    for file in files {
        let file = file.split('#').next().unwrap_or_default();
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(file).exists(), "{file}");
    }
}

#[test]
fn every_heading_that_is_linked_to_exists() {
    let headings: Vec<_> = README.lines().filter_map(|line| line.strip_prefix('#')).collect();
    let anchors: Vec<_> = headings.iter().map(|text| text.trim_matches(['#', ' ']).to_lowercase().replace(' ', "-")).collect();
    for link in README.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(anchors.iter().any(|anchor| anchor == link), "#{link}");
    }
}

#[test]
fn the_version_that_rust_must_have_is_the_one_of_the_manifest() {
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert!(README.contains(&format!("[Rust](https://rustup.rs) {version} or newer")), "{version}");
}

#[test]
fn the_package_has_the_version_of_the_manifest() {
    let package = format!("pyfcgid_{}_amd64.deb", env!("CARGO_PKG_VERSION"));
    assert_eq!(README.matches("_amd64.deb").count(), README.matches(&package).count(), "{package}");
    assert!(README.contains(&package), "{package}");
}
