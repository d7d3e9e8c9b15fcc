//! The schema on files that are right and on files that are wrong, as an editor would have it.

use std::fs;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pyfcgid::config::{Config, Layer, NewPool, SETTINGS, Scope, Syntax};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::{facts, schema};

/// The Python that has what `tests/requirements.txt` names, if there is one.
fn python() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv");
    let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let found = [Some(own), active].into_iter().flatten().map(|venv| venv.join("bin/python")).find(|python| python.exists());
    if found.is_none() {
        println!("skipped: there is no virtual environment with tests/requirements.txt: `make venv` makes one");
    }
    found
}

/// What is wrong with each of these files by the schema: nothing, if it is right.
fn verdicts(python: &Path, files: &[String]) -> Vec<Option<String>> {
    let documents: Vec<Value> = files
        .iter()
        .map(|text| {
            serde_json::to_value(text.parse::<toml::Table>().unwrap_or_else(|error| panic!("{text}: {error}"))).unwrap()
        })
        .collect();
    let mut command = Command::new(python);
    command.args(["-I", "-c", VALIDATOR]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("Python runs");
    let input = json!({"schema": schema::schema(), "documents": documents}).to_string();
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("Python reads");
    let output = child.wait_with_output().expect("Python ends");
    assert!(output.status.success(), "is tests/requirements.txt installed? `make venv` does it");
    serde_json::from_slice(&output.stdout).expect("a verdict for each")
}

const VALIDATOR: &str = "
import json, sys, fastjsonschema
asked = json.load(sys.stdin)
validate = fastjsonschema.compile(asked['schema'])
def verdict(document):
    try:
        validate(document)
    except fastjsonschema.JsonSchemaException as fault:
        return str(fault)
json.dump([verdict(document) for document in asked['documents']], sys.stdout)
";

/// The configuration files of this repository.
fn shipped() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let blocks = |name: &str| {
        let text = fs::read_to_string(root.join(name)).unwrap();
        let blocks = text.split("\n```toml\n").skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned());
        blocks.collect::<Vec<_>>()
    };
    let mut files = ["docs/configuration.md", "docs/operating.md"].into_iter().flat_map(blocks).collect::<Vec<_>>();
    files.extend(["init/pyfcgid.toml", "init/example.toml.disabled"].map(|name| fs::read_to_string(root.join(name)).unwrap()));
    files.push(facts::EXAMPLE.to_owned());
    files.push(NewPool::new("shop", &Layer::new()).unwrap().text());
    files
}

#[test]
fn every_configuration_file_of_the_repository_is_right() {
    let Some(python) = python() else { return };
    let files = shipped();
    assert!(files.len() > 5);
    for (text, verdict) in files.iter().zip(verdicts(&python, &files)) {
        assert_eq!(verdict, None, "{text}");
    }
}

#[test]
fn what_is_wrong_in_a_file_is_refused() {
    let Some(python) = python() else { return };
    let files = [
        "log-level = \"loud\"",
        "log-levle = \"info\"",
        "threads = 4",
        "include = 5",
        "include = [5]",
        "daemonize = \"maybe\"",
        "control-socket-mode = \"rw-rw----\"",
        "log = \"/var/log/p.log\"",
        "pool = 5",
        "[shop]\napp = \"shop\"",
        "[pool]\napp = \"shop\"",
        "[pool.\"a b\"]\napp = \"shop\"",
        "[pool.shop]\nthreads = 4",
        "[pool.shop]\napp = \"shop\"\nthreads = 0",
        "[pool.shop]\napp = \"shop\"\nthreads = 1025",
        "[pool.shop]\napp = \"shop\"\nthreads = \"four\"",
        "[pool.shop]\napp = \"shop\"\nthreads = 1.5",
        "[pool.shop]\napp = \"shop\"\nprocesses = 0",
        "[pool.shop]\napp = \"shop\"\nprocesses = \"2-8\"",
        "[pool.shop]\napp = \"shop\"\npid-file = \"/run/p\"",
        "[pool.shop]\napp = \"shop\"\ninclude = \"x\"",
        "[pool.shop]\napp = \"shop\"\nidle-timeout = \"5 min\"",
        "[pool.shop]\napp = \"shop\"\nstartup-timeout = 0",
        "[pool.shop]\napp = \"shop\"\nmax-body-size = \"1T\"",
        "[pool.shop]\napp = \"shop\"\nmax-rss = 300",
        "[pool.shop]\napp = \"shop\"\nnice = -21",
        "[pool.shop]\napp = \"shop\"\nrlimit-core = \"infinity\"",
        "[pool.shop]\napp = \"shop\"\nlisten = []",
        "[pool.shop]\napp = \"shop\"\nroles = [\"server\"]",
        "[pool.shop]\napp = \"shop\"\nuser = \"www-data:www-data\"",
        "[pool.shop]\napp = \"shop\"\nmount = \"app\"",
        "[pool.shop]\napp = \"shop\"\nenv = [\"A\"]",
        "[pool.shop]\napp = \"shop\"\n[pool.shop.env]\nA = [\"b\"]",
    ]
    .map(str::to_owned);
    let mut file = NamedTempFile::new().unwrap();
    for (text, verdict) in files.iter().zip(verdicts(&python, &files)) {
        assert!(verdict.is_some(), "{text}");
        assert!(loads(&mut file, text).is_err(), "{text}");
    }
}

/// What the program says to this text, in the same file for all of them: thousands of files would keep a disk busy.
fn loads(file: &mut NamedTempFile, text: &str) -> Result<Config, String> {
    file.rewind().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.as_file().set_len(text.len() as u64).unwrap();
    Config::load(&Layer::new(), &|_| None, Some(file.path())).map_err(|error| error.to_string())
}

/// Values of all kinds: which of them an option takes, the program says.
#[rustfmt::skip]
const VALUES: &[&str] = &[
    "0", "1", "2", "33", "511", "660", "0o660", "1024", "70000", "1048576", "-1", "1.5", "true", "false", "[]", "[\"a\"]", "[1]", "{}", "{ A = \"b\" }", "{ A = 5 }",
    "\"\"", "\"0\"", "\"4\"", "\"33\"", "\"true\"", "\"YES\"", "\"off\"", "\"maybe\"",
    "\"10M\"", "\"64k\"", "\"1GiB\"", "\"7B\"", "\"1T\"", "\"30s\"", "\"1h30m\"", "\"500ms\"", "\"0s\"", "\"1d\"", "\"5min\"",
    "\"0660\"", "\"0o22\"", "\"888\"", "\"auto\"", "\"2..8\"", "\"0..8\"", "\"2..\"", "\"/app\"", "\"/\"", "\"app\"", "\"none\"", "\"own\"",
    "\"stderr\"", "\"syslog\"", "\"file:/x\"", "\"file:x\"", "\"file:/\"", "\"responder\"", "\"filter,authorizer\"", "[\"responder\", \"filter\"]", "\"server\"",
    "\"continue\"", "\"raise\"", "\"log\"", "\"peer\"", "\"always\"", "\"plain\"", "\"error\"", "\"INFO\"", "\"trace\"", "\"daemon\"", "\"local7\"", "\"local9\"",
    "\"www-data\"", "\"a b\"", "\"DOMAIN\\\\ada\"", "\"X-Sendfile\"", "\"x-accel-redirect\"", "\"Sendfile\"", "\"/ping\"", "\"/p?x\"", "\"AWS_*\"", "\"A=b\"", "\"A=\"",
    "\"127.0.0.1\"", "\"10.0.0.0/8, ::1\"", "[\"10.0.0.0/8\"]", "\"shop:app\"", "\"./wsgi.py\"", "\"127.0.0.1:9001\"", "[\"unix:/x\", \":9002\"]", "\"$status\"",
];

/// In a file with what goes with some options.
fn with(scope: Scope, key: &str, value: &str) -> String {
    let line = format!("{key} = {value}\n");
    let (top, below) = if scope == Scope::Global { (line, String::new()) } else { (String::new(), line) };
    let beside = [("app", "app = \"shop\"\n"), ("user", "user = \"ada\"\n"), ("max-requests", "max-requests = 2000000\n")];
    let beside: String = beside.iter().filter(|(other, _)| *other != key).map(|(_, line)| *line).collect();
    format!("{top}[pool.shop]\n{beside}{below}")
}

#[test]
fn no_file_that_the_program_takes_is_refused_and_of_what_it_does_not_take_little_is_passed() {
    let Some(python) = python() else { return };
    let mut cases = Vec::new();
    for setting in SETTINGS.iter() {
        for scope in [Scope::Global, Scope::Pool].into_iter().filter(|scope| setting.stands_in(*scope)) {
            cases.extend(VALUES.iter().map(|value| (setting, *value, with(scope, setting.name, value))));
        }
    }
    let files: Vec<String> = cases.iter().map(|(.., text)| text.clone()).collect();
    let (mut file, mut taken) = (NamedTempFile::new().unwrap(), 0);
    for ((setting, value, text), verdict) in cases.iter().zip(verdicts(&python, &files)) {
        let loaded = loads(&mut file, text);
        match (&loaded, &verdict) {
            // The program takes these as text, which nobody means.
            (Ok(_), Some(_))
                if matches!((setting.syntax)(), Syntax::Pattern { .. }) && ["-1", "1.5", "true", "false"].contains(value) => {}
            (Ok(_), Some(fault)) => panic!("{text}\nis right, and refused: {fault}"),
            // A range is looked at where there is a number, not where there is text, and of a number only what it is, not how it is written.
            (Err(_), None) if value.starts_with("0o") => {}
            // How small it may be depends on another option.
            (Err(fault), None) if setting.name == "rlimit-nofile" && fault.contains("max-connections") => {}
            (Err(fault), None) => {
                let is_known = match (setting.syntax)() {
                    Syntax::Number { .. } | Syntax::Size { .. } | Syntax::Time { .. } => !value.starts_with(['"', '[']),
                    Syntax::Words(_) | Syntax::Switch | Syntax::Mode => setting.name != "roles" && !value.starts_with("888"),
                    Syntax::Text | Syntax::Pattern { .. } => false,
                };
                assert!(!is_known, "{text}\nis passed: {fault}");
            }
            (Ok(_), None) => taken += 1,
            (Err(_), Some(_)) => {}
        }
    }
    assert!(taken > 5 * SETTINGS.len(), "only {taken} files were taken");
}
