//! The command line. Owns its grammar and help; what the options of a pool are, it takes from the table in [`config`].

mod control;
mod request;

use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::OsStringValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command as Parser};

use crate::client;
use crate::config::{self, Config, EX_USAGE, Environment, Fallback, Item, Kind, Layer, Origin, SETTINGS, Setting, ValueError};

pub use control::Control;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve the pools.
    Serve(Config),
    /// Validate everything, import the applications, print the settings.
    Check(Config),
    /// Send one request as a web server would.
    Request(client::Options),
    /// Tell a running pyfcgid something.
    Control(Control),
    /// Write the Python module to stdout.
    Module,
}

/// Nothing to do but to say something and exit: help, the version, or what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit code: 0, 64 for a wrong command line, 78 for a wrong environment or file.
    pub code: u8,
    /// What to print as it is; it ends with a line feed.
    pub message: String,
    /// Whether it goes to stdout, because it was asked for, or to stderr.
    pub to_stdout: bool,
}

/// Parses the command line; `args` starts with the program's name. Reads the configuration file that it names.
///
/// # Errors
/// [`Exit`] for help, version and everything that is wrong.
pub fn parse(args: impl IntoIterator<Item = OsString>, environment: Environment<'_>) -> Result<Command, Exit> {
    let args: Vec<OsString> = args.into_iter().collect();
    let matches = parser().try_get_matches_from(&args).map_err(|error| Exit::from_parser(&error, args.get(1)))?;
    match matches.subcommand() {
        Some(("serve", matches)) => load(matches, environment).map(Command::Serve),
        Some(("check", matches)) => load(matches, environment).map(Command::Check),
        Some(("request", matches)) => request::parse(matches).map(Command::Request),
        Some(("module", _)) => Ok(Command::Module),
        Some((name, matches)) => control::parse(name, matches, environment).map(Command::Control),
        None => Err(Exit::usage(&format!("say what to do: {COMMAND_LIST}\n\n{}", parser().render_help()))),
    }
}

impl Exit {
    fn usage(message: &str) -> Self {
        Self { code: EX_USAGE, message: format!("pyfcgid: {}\n", message.trim_end()), to_stdout: false }
    }

    /// `command` is the word where a command is expected.
    fn from_parser(error: &clap::Error, command: Option<&OsString>) -> Self {
        let text = error.render().to_string();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Self { code: 0, message: text, to_stdout: true },
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Self { code: EX_USAGE, message: text, to_stdout: false },
            _ => {
                let advice = better_advice(error, command);
                Self::usage(&advice.unwrap_or_else(|| text.strip_prefix("error: ").unwrap_or(&text).to_owned()))
            }
        }
    }
}

/// Where the parser's tip would mislead.
fn better_advice(error: &clap::Error, command: Option<&OsString>) -> Option<String> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let typed = context(ContextKind::InvalidArg)?;
            let name = typed.trim_start_matches('-');
            // They know these themselves, so it was in front of them, or behind `request`.
            let is_misplaced = SETTINGS.iter().any(|setting| is_flag(setting, typed));
            let misplaced = || format!("{typed} is an option of serve and check: write it behind that word");
            let foreign = config::foreign_option(name, |name| takes(command, name))
                .map(|advice| format!("{typed} is not known: {advice}"));
            foreign.or_else(|| is_misplaced.then(misplaced))
        }
        ErrorKind::InvalidSubcommand => context(ContextKind::InvalidSubcommand).map(no_command),
        _ => None,
    }
}

/// Whether the command has this argument; in front of a command, whether any has.
fn takes(command: Option<&OsString>, name: &str) -> bool {
    let is_named = |parser: &&Parser| {
        command.is_some_and(|command| command == parser.get_name() || parser.get_all_aliases().any(|alias| command == alias))
    };
    let parser = parser();
    let has = |parser: &Parser| parser.get_arguments().any(|argument| argument.get_id() == name);
    parser.get_subcommands().find(is_named).map_or_else(|| parser.get_subcommands().any(has), has)
}

fn no_command(typed: &str) -> String {
    let meant = config::nearest(typed, COMMANDS).map(|name| format!("did you mean {name}? ")).unwrap_or_default();
    format!("'{typed}' is no command, they are {COMMAND_LIST}; {meant}to serve an application, `pyfcgid serve {typed}`")
}

impl From<config::Error> for Exit {
    fn from(error: config::Error) -> Self {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Self { code: error.exit_code(), message: format!("pyfcgid: {error}{cause}\n"), to_stdout: false }
    }
}

fn parser() -> Parser {
    Parser::new("pyfcgid")
        .bin_name("pyfcgid")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs Python WSGI applications behind nginx and Apache, over FastCGI")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .max_term_width(HELP_WIDTH)
        .subcommand(pool_parser("serve", "Serve applications, in the foreground or with -D in the background"))
        .subcommand(
            pool_parser("check", "Validate everything, import the applications, print the effective settings, and exit")
                .visible_alias("configtest"),
        )
        .subcommands(control::parsers())
        .subcommand(request::parser())
        .subcommand(
            Parser::new("module").about("Write the Python module to stdout, for a root directory (chroot) without /proc"),
        )
}

fn file_arg() -> Arg {
    let arg = Arg::new("config").short('c').long("config").value_name("FILE").value_parser(OsStringValueParser::new());
    arg.help("Read settings from this TOML file [env: PYFCGID_CONFIG]")
}

/// The configuration file that is named.
fn file(matches: &ArgMatches, environment: Environment<'_>) -> Option<PathBuf> {
    let from_environment = || environment("PYFCGID_CONFIG").filter(|value| !value.is_empty());
    matches.get_one::<OsString>("config").cloned().or_else(from_environment).map(PathBuf::from)
}

fn pool_parser(name: &'static str, about: &'static str) -> Parser {
    Parser::new(name)
        .about(about)
        .args_override_self(true)
        .after_help(POOL_NOTES)
        .arg(file_arg())
        .args(SETTINGS.iter().map(setting_arg))
}

fn setting_arg(setting: &'static Setting) -> Arg {
    let arg =
        Arg::new(setting.name).value_name(setting.value_name).value_parser(OsStringValueParser::new()).help(help(setting));
    if setting.name == APP {
        return arg;
    }
    let arg = arg.long(setting.name).help_heading(setting.group.heading());
    let arg = if let Some(letter) = short(setting) { arg.short(letter) } else { arg };
    match setting.kind {
        Kind::One => arg.action(ArgAction::Set),
        Kind::Switch => arg.action(ArgAction::Set).num_args(0..=1).require_equals(true).default_missing_value("true"),
        Kind::List { .. } | Kind::Pairs => arg.action(ArgAction::Append),
    }
}

fn short(setting: &Setting) -> Option<char> {
    SHORT.iter().find(|(name, _)| *name == setting.name).map(|(_, letter)| *letter)
}

/// Whether this text is the option as it is typed.
fn is_flag(setting: &Setting, typed: &str) -> bool {
    let letter = short(setting).is_some_and(|letter| typed.strip_prefix('-').is_some_and(|typed| typed == letter.to_string()));
    letter || setting.name != APP && typed.strip_prefix("--") == Some(setting.name)
}

fn help(setting: &Setting) -> String {
    match setting.default {
        // That a switch is off until it is typed goes without saying.
        Fallback::Value(default) if setting.kind != Kind::Switch || default == "true" => {
            format!("{} [default: {default}]", setting.help)
        }
        Fallback::Variable(variable) => format!("{} [default: ${variable}]", setting.help),
        Fallback::Value(_) | Fallback::Nothing => setting.help.to_owned(),
    }
}

fn load(matches: &ArgMatches, environment: Environment<'_>) -> Result<Config, Exit> {
    Ok(Config::load(&flags(matches)?, environment, file(matches, environment).as_deref())?)
}

fn flags(matches: &ArgMatches) -> Result<Layer, Exit> {
    let mut layer = Layer::new();
    for setting in SETTINGS {
        for value in matches.get_many::<OsString>(setting.name).into_iter().flatten() {
            layer.entry(setting.name).or_default().extend(flag_items(setting, value)?);
        }
    }
    Ok(layer)
}

fn flag_items(setting: &'static Setting, value: &OsString) -> Result<Vec<Item>, config::Error> {
    match value.to_str() {
        Some(text) => Ok(config::split_text(setting, text, &Origin::Flag)),
        None => Err(config::Error::BadValue {
            origin: Origin::Flag,
            key: setting.name,
            value: value.to_string_lossy().into_owned(),
            reason: ValueError::new("must be UTF-8"),
        }),
    }
}

const COMMANDS: [&str; 7] = ["serve", "check", "reload", "stop", "status", "request", "module"];
const COMMAND_LIST: &str = "serve, check, reload, stop, status, request and module";
const APP: &str = "app";
/// The options that have a letter.
const SHORT: [(&str, char); 2] = [("listen", 'l'), ("daemonize", 'D')];
const HELP_WIDTH: usize = 110;
const POOL_NOTES: &str = "\
Every option is also a key of the file, below [pool.NAME] (daemon and log options at the top), and an environment variable: \
--max-queue is max-queue and PYFCGID_MAX_QUEUE. The command line wins over the environment, and that over the file. A file may have \
several pools, and include others; options on the command line are then for all of them, and APP and --listen are not allowed.

Sizes are 4096, 64K, 10M or 1G; times 500ms, 30s, 5m, 1h or 1d, or a number of seconds. Relative paths start from the current \
directory, in the file from the file's.

Exit codes: 0, 64 wrong usage, 70 the application cannot be loaded, 71 a failure of the system, 78 wrong configuration.";

#[cfg(test)]
mod tests;
