use std::fs;
use std::path::Path;
use std::process::{Command as Process, Output};

use pyfcgid::config::{Config, Layer, SETTINGS, Scope};
use shared::logging::codes;

use super::commands::Argument;
use super::*;

mod schema_at_work;

const DATE: &str = "2026-01-31";

fn file(name: &str) -> String {
    all(DATE).into_iter().find(|(path, _)| *path == name).map(|(_, text)| text).expect("there is such a file")
}

/// A page of the manual as it reads, a word apart from the next by a space.
fn plain(page: &str) -> String {
    let text = page.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "");
    text.replace("\\\\", "\\").replace("\\&", "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_reference_is_the_one_that_is_committed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference.md");
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(committed == reference::text(), "docs/reference.md is not what `make reference` writes");
}

#[test]
fn the_page_of_messages_is_the_one_that_is_committed_and_has_every_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/messages.md");
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(committed == messages::text(), "docs/messages.md is not what `make reference` writes");
    for entry in codes::all() {
        let [meaning, remedy] = entry.meaning_and_remedy();
        let row = format!("\n| `{}` | {meaning} | {remedy} |\n", entry.code);
        assert_eq!(committed.matches(&row).count(), 1, "{}", entry.code);
    }
}

#[test]
fn every_option_is_on_every_page() {
    let (of_program, of_file) = (plain(&file("man/pyfcgid.8")), plain(&file("man/pyfcgid.toml.5")));
    let (reference, schema) = (reference::text(), schema::schema());
    for setting in SETTINGS.iter() {
        let (name, value, help) = (setting.name, setting.value_name, setting.help.replace('`', ""));
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(of_file.contains(&format!(".TP {name} {value} {help}")), "{name} in pyfcgid.toml(5)");
        assert!(of_file.contains(&format!("Environment: {}.", setting.variable())), "{name} in pyfcgid.toml(5)");
        let flag = if name == "app" { value.to_owned() } else { format!("--{name} {value}") };
        assert!(of_program.contains(&format!("{flag} {help}")), "{flag} in pyfcgid(8)");
        assert!(reference.contains(&format!("\n### `{name}`\n\n{}.\n", setting.help)), "{name} in the reference");
        let places = [("/properties", Scope::Global), (IN_A_POOL, Scope::Pool)];
        for (place, scope) in places {
            let described = schema.pointer(&format!("{place}/{name}/description"));
            assert_eq!(described.is_some(), setting.stands_in(scope), "{name} in {place} of the schema");
        }
    }
}

#[test]
fn every_option_and_command_is_completed() {
    let commands = commands::all();
    assert!(commands.len() > 5);
    for name in ["completions/pyfcgid.bash", "completions/_pyfcgid", "completions/pyfcgid.fish"] {
        let text = file(name);
        for command in &commands {
            assert!(text.contains(&command.name), "{} in {name}", command.name);
            let flags = command.arguments.iter().flat_map(|argument| &argument.flags);
            for flag in flags.filter(|flag| flag.starts_with("--")) {
                let typed = if name.ends_with("fish") { format!("-l {}", &flag[2..]) } else { flag.clone() };
                assert!(text.contains(&typed), "{flag} of {} in {name}", command.name);
            }
        }
        for setting in SETTINGS.iter().filter(|setting| setting.name != "app") {
            let typed = if name.ends_with("fish") { format!("-l {} ", setting.name) } else { format!("--{}", setting.name) };
            assert!(text.contains(&typed), "{typed} in {name}");
        }
    }
}

#[test]
fn every_command_with_its_arguments_is_in_the_manual_and_the_reference() {
    let (manual, reference) = (plain(&file("man/pyfcgid.8")), reference::text());
    for command in commands::all() {
        assert!(manual.contains(&format!("\"{}\" {}.", command.usage, command.about)), "{}", command.name);
        assert!(
            reference.contains(&format!("### `pyfcgid {}`\n\n```text\n{}\n", command.name, command.usage)),
            "{}",
            command.name
        );
        for Argument { flags, value, help } in command.arguments {
            let typed =
                [flags.join(", ")].into_iter().chain(value).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
            let help_in_manual = help.replace('`', "");
            assert!(manual.contains(&format!(".TP {typed} {help_in_manual}")), "{typed} {help} of {}", command.name);
            assert!(reference.contains(&format!("| `{typed}` | {help} |")), "{typed} of {} in the reference", command.name);
        }
    }
}

#[test]
fn signals_and_exit_codes_are_those_of_the_page_about_operating() {
    let signals = facts::table(facts::SIGNALS);
    assert!(signals.iter().any(|(signal, _)| signal == "USR2") && signals.len() >= 6);
    let codes: Vec<_> = facts::table(facts::EXIT_CODES).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["0", "1", "3", "4", "64", "69", "70", "71", "75", "78"]);
}

#[test]
fn the_example_is_a_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pyfcgid.toml");
    fs::write(&path, facts::EXAMPLE).unwrap();
    let config = Config::load(&Layer::new(), &|_| None, Some(&path)).unwrap();
    assert_eq!(config.pools.iter().map(|pool| pool.name.as_str()).collect::<Vec<_>>(), ["shop", "wiki"]);
}

/// The output of a program that looks at a file, if the machine has the program.
fn looked_at(program: &[&str], path: &Path) -> Option<Output> {
    let output = Process::new(program[0]).args(&program[1..]).arg(path).env("LC_ALL", "C.UTF-8").output();
    match output {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: {}: {error}", program[0]);
            None
        }
    }
}

#[test]
fn no_program_that_reads_manuals_has_anything_to_say_against_them() {
    let directory = tempfile::tempdir().unwrap();
    write(&all(DATE), directory.path()).unwrap();
    let pages = ["man/pyfcgid.8", "man/pyfcgid.toml.5"].map(|name| directory.path().join(name));
    for page in &pages {
        let readers: [&[&str]; 3] = [
            &["groff", "-ww", "-man", "-Tutf8", "-z", "-K", "utf8"],
            &["mandoc", "-T", "lint", "-W", "warning"],
            &["man", "--warnings=w", "-E", "UTF-8", "-l", "-Tutf8", "-Z"],
        ];
        for reader in readers {
            if let Some(output) = looked_at(reader, page) {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                let linted =
                    if reader[0] == "mandoc" { String::from_utf8_lossy(&output.stdout).into_owned() } else { String::new() };
                assert!(output.status.success() && said.is_empty() && linted.is_empty(), "{reader:?}: {said}{linted}");
            }
        }
    }
}

#[test]
fn shells_understand_their_completions() {
    let directory = tempfile::tempdir().unwrap();
    write(&all(DATE), directory.path()).unwrap();
    for (shell, name) in [("bash", "pyfcgid.bash"), ("zsh", "_pyfcgid"), ("fish", "pyfcgid.fish")] {
        if let Some(output) = looked_at(&[shell, "-n"], &directory.path().join("completions").join(name)) {
            assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn bash_completes_commands_options_and_files() {
    let directory = tempfile::tempdir().unwrap();
    write(&all(DATE), directory.path()).unwrap();
    fs::write(directory.path().join("site.toml"), "").unwrap();
    let complete = |words: &str| {
        let script = format!(
            "cd '{0}' && source completions/pyfcgid.bash && COMP_WORDS=({words}) && COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) && \
             _pyfcgid pyfcgid \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[*]}}\"",
            directory.path().display()
        );
        let output = Process::new("bash").args(["--norc", "-c", &script]).output().expect("bash runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(complete("pyfcgid rel"), "reload");
    assert_eq!(complete("pyfcgid serve --max-que"), "--max-queue");
    assert_eq!(complete("pyfcgid status -c si"), "site.toml");
    assert_eq!(complete("pyfcgid new shop --ven"), "--venv");
}

const IN_A_POOL: &str = "/properties/pool/patternProperties/^[A-Za-z0-9_.-]{1,64}$/properties";
