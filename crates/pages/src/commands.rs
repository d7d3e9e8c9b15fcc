//! The commands, as far as pages tell of them: what the parser of the command line knows, without the options of pools.

use clap::{Arg, Command as Parser};
use pyfcgid::{cli, config};

/// A command.
pub struct Command {
    /// Its name.
    pub name: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// What it does, in one sentence without a full stop.
    pub about: String,
    /// How it is typed.
    pub usage: String,
    /// Its arguments that are no options of pools.
    pub arguments: Vec<Argument>,
    /// Whether it takes all options of pools, too.
    pub takes_options: bool,
    /// What else there is to say, in paragraphs.
    pub notes: String,
}

/// An argument of a command.
pub struct Argument {
    /// As it is typed, `-c` and `--config`; nothing if it is known by its place.
    pub flags: Vec<String>,
    /// What its value is called, if it has one.
    pub value: Option<String>,
    /// What it is for.
    pub help: String,
}

/// All of them, in the order of the help.
pub fn all() -> Vec<Command> {
    let mut parser = cli::parser();
    parser.build();
    parser.get_subcommands().map(command).collect()
}

fn command(parser: &Parser) -> Command {
    let takes_options = config::SETTINGS.iter().all(|setting| parser.get_arguments().any(|arg| arg.get_id() == setting.name));
    let is_told = |arg: &&Arg| arg.get_id() != "help" && !(takes_options && is_option(arg));
    let usage = parser.clone().render_usage().to_string();
    Command {
        name: parser.get_name().to_owned(),
        aliases: parser.get_visible_aliases().map(str::to_owned).collect(),
        about: parser.get_about().map(ToString::to_string).unwrap_or_default(),
        usage: usage.trim_start_matches("Usage: ").to_owned(),
        arguments: parser.get_arguments().filter(is_told).map(argument).collect(),
        takes_options,
        notes: parser.get_after_help().map(ToString::to_string).unwrap_or_default(),
    }
}

fn is_option(arg: &Arg) -> bool {
    config::SETTINGS.iter().any(|setting| arg.get_id() == setting.name)
}

fn argument(arg: &Arg) -> Argument {
    let short = arg.get_short_and_visible_aliases().unwrap_or_default().into_iter().map(|letter| format!("-{letter}"));
    let long = arg.get_long_and_visible_aliases().unwrap_or_default().into_iter().map(|name| format!("--{name}"));
    let value = arg.get_action().takes_values().then(|| arg.get_value_names().and_then(|names| names.first())).flatten();
    Argument {
        flags: short.chain(long).collect(),
        value: value.map(ToString::to_string),
        help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
    }
}
