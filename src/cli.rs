//! The command line. Owns its grammar and help; what the options of a pool are, it takes from the table in [`config`].

mod control;
mod new;
mod request;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, StyledStr};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command as Parser, ValueHint};

use crate::client;
use crate::config::{
    self, Config, DEFAULT_FILE, DefaultFiles, EX_USAGE, Environment, Fallback, Kind, Layer, Origin, SETTINGS, Setting,
};
use shared::logging::with_causes;

pub use control::{Control, Form, Order, Watch};
pub use new::{New, Target};

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
    /// Write the file of a new pool.
    New(Box<New>),
    /// Write the Python module to stdout.
    Module,
}

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// What to do.
    pub command: Command,
    /// A line that is to be said first.
    pub remark: Option<String>,
}

/// What a command line is interpreted in.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The environment variables.
    pub environment: Environment<'a>,
    /// Where the configuration file is that nobody names.
    pub files: &'a DefaultFiles,
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

/// Parses the command line; `args` starts with the program's name. Reads the configuration file that it means.
///
/// # Errors
/// [`Exit`] for help, version and everything that is wrong.
pub fn parse(args: impl IntoIterator<Item = OsString>, around: Surroundings<'_>) -> Result<Typed, Exit> {
    let args: Vec<OsString> = args.into_iter().collect();
    let matches = parser().try_get_matches_from(&args).map_err(|error| Exit::from_parser(&error, args.get(1)))?;
    match matches.subcommand() {
        Some(("serve", matches)) => load(matches, around, Command::Serve),
        Some(("check", matches)) => load(matches, around, Command::Check),
        Some(("new", matches)) => new::parse(matches, around),
        Some(("request", matches)) => Ok(Typed { command: Command::Request(request::parse(matches)?), remark: None }),
        Some(("module", _)) => Ok(Typed { command: Command::Module, remark: None }),
        Some((name, matches)) => control::parse(name, matches, around),
        None => Err(Exit::usage(&format!("no command given: use {}\n\n{}", listed(&commands()), parser().render_help()))),
    }
}

impl Surroundings<'_> {
    /// The configuration file that is named, on the command line or in the environment.
    fn named(&self, matches: &ArgMatches) -> Option<PathBuf> {
        matches.get_one::<OsString>("config").cloned().or_else(|| self.variable("PYFCGID_CONFIG")).map(PathBuf::from)
    }

    /// This one that is named, else the one that is there although nobody names it; and what is to be said about it.
    fn chosen(&self, named: Option<PathBuf>) -> Option<(PathBuf, Option<String>)> {
        let found = || self.files.find().map(|path| (path.to_owned(), self.files.remark(path)));
        named.map(|path| (path, None)).or_else(found)
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        (self.environment)(name).filter(|value| !value.is_empty())
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
            let misplaced = || format!("{typed} is an option of serve and check: put it after the command");
            let foreign = config::foreign_option(name, |name| takes(command, name))
                .map(|advice| format!("unknown option {typed}: {advice}"));
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
    if let Some((_, advice)) = OTHER_COMMANDS.iter().find(|(name, _)| *name == typed) {
        return format!("there is no command '{typed}': {advice}");
    }
    let commands = commands();
    let meant = config::nearest(typed, commands.iter().map(String::as_str));
    let meant = meant.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
    format!(
        "unknown command '{typed}'{meant}; the commands are {}; to serve an application, use `pyfcgid serve {typed}`",
        listed(&commands)
    )
}

fn commands() -> Vec<String> {
    parser().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

/// `serve, check and stop`
fn listed(commands: &[String]) -> String {
    let (last, others) = commands.split_last().expect("there are commands");
    format!("{} and {last}", others.join(", "))
}

/// What others call it, and what to use here.
const OTHER_COMMANDS: [(&str, &str); 4] = [
    ("help", "use pyfcgid --help, or --help after a command"),
    ("version", "use pyfcgid --version"),
    ("start", "pyfcgid serve starts it, in the background with -D"),
    (
        "restart",
        "pyfcgid reload loads settings and code again and loses no request; pyfcgid stop, then pyfcgid serve, starts afresh",
    ),
];

impl From<config::Error> for Exit {
    fn from(error: config::Error) -> Self {
        Self { code: error.exit_code(), message: format!("pyfcgid: {}\n", with_causes(&error)), to_stdout: false }
    }
}

/// The grammar of the command line, for whoever describes it.
pub fn parser() -> Parser {
    Parser::new("pyfcgid")
        .bin_name("pyfcgid")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs Python WSGI applications behind nginx and Apache, over FastCGI")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .max_term_width(HELP_WIDTH)
        .subcommand(pool_parser("serve", "Serve applications, in the foreground or (with -D) in the background"))
        .subcommand(
            pool_parser("check", "Check the configuration, import the applications and print the effective settings")
                .visible_alias("configtest"),
        )
        .subcommands(control::parsers())
        .subcommand(new::parser())
        .subcommand(request::parser())
        .subcommand(
            Parser::new("module").about("Write the Python module to stdout, for a root directory (chroot) without /proc"),
        )
}

fn file_arg(without: &str) -> Arg {
    let help = format!("Read the configuration from this TOML file [env: PYFCGID_CONFIG] [default: {DEFAULT_FILE}{without}]");
    path("config", help).short('c')
}

/// An option that takes any text.
fn option(name: &'static str, value_name: &'static str, help: impl Into<StyledStr>) -> Arg {
    Arg::new(name).long(name).value_name(value_name).value_parser(OsStringValueParser::new()).help(help.into())
}

/// An option that takes a number, perhaps with a unit. It says itself which, also of a negative one.
fn quantity(name: &'static str, value_name: &'static str, help: impl Into<StyledStr>) -> Arg {
    option(name, value_name, help).allow_hyphen_values(true)
}

/// An option that takes the path of a file.
fn path(name: &'static str, help: impl Into<StyledStr>) -> Arg {
    option(name, "FILE", help).value_hint(ValueHint::FilePath)
}

/// An option that takes nothing.
fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn pool_parser(name: &'static str, about: &'static str) -> Parser {
    Parser::new(name)
        .about(about)
        .args_override_self(true)
        .after_help(POOL_NOTES)
        .arg(file_arg("; none if APP is given"))
        .args(SETTINGS.iter().map(setting_arg))
}

fn setting_arg(setting: &'static Setting) -> Arg {
    let arg = value_arg(setting);
    if setting.name == APP {
        return arg;
    }
    let arg = arg.long(setting.name).short(short(setting)).help_heading(setting.group.heading());
    match setting.kind {
        Kind::One => arg.action(ArgAction::Set),
        Kind::Switch => arg.action(ArgAction::Set).num_args(0..=1).require_equals(true).default_missing_value("true"),
        Kind::List { .. } | Kind::Pairs => arg.action(ArgAction::Append),
    }
}

fn value_arg(setting: &'static Setting) -> Arg {
    let hint = match setting.value_name {
        "APP" | "FILE" => ValueHint::FilePath,
        "DIR" => ValueHint::DirPath,
        "USER" => ValueHint::Username,
        _ => ValueHint::Other,
    };
    let arg = Arg::new(setting.name).value_name(setting.value_name).value_hint(hint);
    // The option says itself which numbers it takes. An application is none.
    let arg = arg.allow_negative_numbers(setting.name != APP).allow_hyphen_values((setting.syntax)().is_quantity());
    arg.value_parser(OsStringValueParser::new()).help(help(setting))
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

/// An application that is typed needs no file, and must not get the machine's.
fn load(matches: &ArgMatches, around: Surroundings<'_>, command: fn(Config) -> Command) -> Result<Typed, Exit> {
    let flags = flags(matches)?;
    let is_app_typed = flags.contains_key(APP) || around.variable("PYFCGID_APP").is_some();
    let named = around.named(matches);
    let (path, remark) = if is_app_typed {
        (named, None)
    } else {
        let (path, remark) = around.chosen(named).ok_or_else(|| Exit::usage(&nothing_to_serve(around.files)))?;
        (Some(path), remark)
    };
    let config = Config::load(&flags, around.environment, path.as_deref())?;
    Ok(Typed { command: command(config), remark })
}

fn nothing_to_serve(files: &DefaultFiles) -> String {
    format!(
        "no application given: name it, as in `pyfcgid serve blog:app` or `pyfcgid serve path/to/wsgi.py`, or a configuration file with \
         -c FILE; {files}"
    )
}

fn flags(matches: &ArgMatches) -> Result<Layer, Exit> {
    let mut layer = Layer::new();
    let is_known = |setting: &&Setting| matches.try_contains_id(setting.name).is_ok();
    for setting in SETTINGS.iter().filter(is_known) {
        for value in matches.get_many::<OsString>(setting.name).into_iter().flatten() {
            let text = value.to_str().ok_or_else(|| config::Error::not_utf8(Origin::Flag, setting.name, value))?;
            layer.entry(setting.name).or_default().extend(config::split_text(setting, text, &Origin::Flag));
        }
    }
    Ok(layer)
}

const APP: &str = "app";
/// The options that have a letter.
const SHORT: [(&str, char); 2] = [("listen", 'l'), ("daemonize", 'D')];
const HELP_WIDTH: usize = 110;
const POOL_NOTES: &str = "\
Every option is also a key of the configuration file, in a [pool.NAME] table (daemon and log options at the top of the file), \
and an environment variable: --max-queue is max-queue and PYFCGID_MAX_QUEUE. The command line takes precedence over the \
environment, and the environment over the file. A file can have several pools and include other files; options on the command \
line then apply to all pools, and APP and --listen are not allowed.

Without APP and -c, the file named by PYFCGID_CONFIG is read, else /etc/pyfcgid/pyfcgid.toml.

Sizes are written as 4096, 64K, 10M or 1G; times as 500ms, 30s, 5m, 1h or 1d, or a number of seconds. Relative paths are \
relative to the current directory; in the file, to the file's directory.

Exit codes: 0 success, 64 usage error, 70 the application cannot be loaded, 71 system error, 78 configuration error.";

#[cfg(test)]
mod tests;
