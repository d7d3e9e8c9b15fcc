//! docs/reference.md: every command and every option on one page.

use std::fmt::Write;

use pyfcgid::config::{Group, Setting};

use super::commands::{self, Argument, Command};
use super::{facts, options};

/// The whole page.
pub fn text() -> String {
    let mut text = START.to_owned();
    let commands: String = commands::all().iter().map(command).collect();
    let groups: String = Group::ALL.into_iter().map(group).collect();
    let values: String = facts::VALUES.iter().map(|(kind, how)| format!("- {kind}: {how}\n")).collect();
    write!(text, "\n## Commands\n{commands}\n## The file\n\n{}\n", facts::FILE.join("\n\n")).unwrap_or_default();
    write!(text, "\n### How values are written\n\n{values}").unwrap_or_default();
    write!(text, "\n### `include`\n\n{}\n", facts::INCLUDE.join("\n\n")).unwrap_or_default();
    write!(text, "{groups}\n## Environment variables\n\n{}", table("Variable", &facts::VARIABLES)).unwrap_or_default();
    write!(text, "\n## Files\n\nAs installed by a package:\n\n{}", table("File", &facts::FILES)).unwrap_or_default();
    text + &format!("\n## A complete file\n\n```toml\n{}```\n", facts::EXAMPLE)
}

fn command(command: &Command) -> String {
    let Command { name, aliases, about, usage, arguments, takes_options, notes } = command;
    let mut text = format!("\n### `pyfcgid {name}`\n\n```text\n{usage}\n```\n\n{about}.\n");
    for alias in aliases {
        text += &format!("\n`{alias}` is an alias.\n");
    }
    let rows: String = arguments.iter().map(argument).collect();
    if !rows.is_empty() {
        text += &format!("\n| Argument | Meaning |\n|---|---|\n{rows}");
    }
    if *takes_options {
        text += "\nIt takes all options [below](#the-file).\n";
    } else if !notes.is_empty() {
        text.extend(notes.split("\n\n").map(paragraph));
    }
    text
}

/// With indented lines as they are.
fn paragraph(text: &str) -> String {
    match text.split_once('\n') {
        Some((first, lines)) => format!("\n{first}\n\n```text\n{lines}\n```\n"),
        None => format!("\n{text}\n"),
    }
}

fn argument(Argument { flags, value, help }: &Argument) -> String {
    let value = value.as_ref().map(|value| if flags.is_empty() { value.clone() } else { format!(" {value}") });
    let typed = flags.join(", ") + &value.unwrap_or_default();
    format!("| `{typed}` | {} |\n", help.replace('|', "\\|"))
}

fn group(group: Group) -> String {
    let options: String = options::of_group(group).map(option).collect();
    format!("\n## {}\n{options}", group.heading())
}

fn option(setting: &Setting) -> String {
    let flags = options::flags(setting);
    let typed = match flags.last() {
        Some(_) => format!("`{} {}`", flags.join(", "), setting.value_name),
        None => format!("`{}`, by position", setting.value_name),
    };
    format!(
        "\n### `{}`\n\n{}.\n\n- Value: {}\n- Default: {}\n- Goes {}\n- On the command line: {typed}; in the environment: \
         `{}`\n",
        setting.name,
        setting.help,
        options::values(setting),
        options::default(setting),
        options::place(setting),
        setting.variable()
    )
}

fn table(heading: &str, rows: &[(&str, &str)]) -> String {
    let rows: String = rows.iter().map(|(name, meaning)| format!("| `{name}` | {meaning} |\n")).collect();
    format!("| {heading} | Meaning |\n|---|---|\n{rows}")
}

const START: &str = "\
# Reference

Every command and every option. This page is generated from the program's own table of options by `make reference`, as are the manual pages
pyfcgid(8) and pyfcgid.toml(5), the completions and the JSON schema, which `make pages` writes to `target/pages`. Signals and exit codes
are in [operating.md](operating.md#signals-and-exit-codes).

An editor that knows JSON schemas for TOML checks and completes a configuration file whose first line is
`#:schema /usr/share/pyfcgid/pyfcgid.schema.json`.
";
