//! `pyfcgid reload`, `stop` and `status`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command as Parser};

use super::{Exit, file, file_arg};
use crate::config::{self, Environment};

/// A command for a running pyfcgid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// What it shall do.
    pub action: Action,
    /// Of which pool, if not of all.
    pub pool: Option<String>,
    /// Where it listens.
    pub socket: PathBuf,
}

/// What a running pyfcgid can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Load applications and settings again.
    Reload,
    /// Stop gracefully.
    Stop,
    /// Say how it is.
    Status(Form),
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(super) fn parsers() -> [Parser; 3] {
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print it as JSON");
    [
        parser("reload", "Load applications and settings again without losing a request, and return when the new ones serve")
            .arg(pool("Reload this pool alone: its settings and its code [default: everything]")),
        parser("stop", "Stop a running pyfcgid gracefully, and return when it has ended"),
        parser("status", "Print how a running pyfcgid is").arg(pool("Print how this pool is [default: all]")).arg(json),
    ]
}

fn parser(name: &'static str, about: &'static str) -> Parser {
    let path = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(OsStringValueParser::new()).help(help)
    };
    Parser::new(name)
        .about(about)
        .args_override_self(true)
        .after_help(NOTES)
        .arg(file_arg())
        .arg(path("pid-file", "The PID file it was started with [env: PYFCGID_PID_FILE]"))
        .arg(path("control-socket", "The control socket it was started with [env: PYFCGID_CONTROL_SOCKET]"))
}

fn pool(help: &'static str) -> Arg {
    Arg::new(POOL).value_name("POOL").value_parser(parse_pool).help(help)
}

/// A command is one line.
fn parse_pool(name: &str) -> Result<String, String> {
    let is_name = !name.is_empty() && name.len() <= MAX_POOL_LEN && !name.contains(char::is_control);
    if is_name { Ok(name.to_owned()) } else { Err("must be the name of a pool".to_owned()) }
}

pub(super) fn parse(name: &str, matches: &ArgMatches, environment: Environment<'_>) -> Result<Control, Exit> {
    let action = match name {
        "reload" => Action::Reload,
        "stop" => Action::Stop,
        _ if matches.get_flag("json") => Action::Status(Form::Json),
        _ => Action::Status(Form::Text),
    };
    let typed = |name| matches.get_one::<OsString>(name).map(PathBuf::from);
    let socket = match (typed("control-socket"), typed("pid-file")) {
        (Some(socket), _) => socket,
        (None, Some(pid_file)) => config::control_socket_beside(&pid_file),
        (None, None) => {
            let file = file(matches, environment);
            config::control_socket(environment, file.as_deref())?.ok_or_else(|| nowhere(file))?
        }
    };
    let pool = if action == Action::Stop { None } else { matches.get_one::<String>(POOL).cloned() };
    Ok(Control { action, pool, socket })
}

fn nowhere(file: Option<PathBuf>) -> Exit {
    Exit::usage(&match file {
        Some(path) => format!("{} has neither pid-file nor control-socket: {GIVE}", path.display()),
        None => format!("which pyfcgid? {GIVE}, or the configuration with -c FILE"),
    })
}

const POOL: &str = "pool";
/// A pool without a name in the file may be called after a file.
const MAX_POOL_LEN: usize = 255;
const GIVE: &str = "give what it was started with, --pid-file FILE or --control-socket FILE";
const NOTES: &str = "\
The control socket is that of --control-socket; else that of --pid-file, which is FILE.control; else what the environment and the \
configuration file say. Of the file only pid-file and control-socket are looked at, so that a mistake elsewhere in it is no obstacle.";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Command;
    use super::*;

    fn run(args: &[&str], environment: &[(&str, &str)]) -> Result<Control, Exit> {
        let args = std::iter::once("pyfcgid").chain(args.iter().copied()).map(OsString::from);
        let variable =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        match super::super::parse(args, &variable)? {
            Command::Control(control) => Ok(control),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_command_is_an_action() {
        let action = |args: &[&str]| run(&[args, &["--control-socket", "c"]].concat(), &[]).unwrap();
        for (args, expected, pool) in [
            (&["reload"][..], Action::Reload, None),
            (&["reload", "blog"], Action::Reload, Some("blog")),
            (&["stop"], Action::Stop, None),
            (&["status"], Action::Status(Form::Text), None),
            (&["status", "--json"], Action::Status(Form::Json), None),
            (&["status", "--json", "blog"], Action::Status(Form::Json), Some("blog")),
        ] {
            assert_eq!(action(args), Control { action: expected, pool: pool.map(str::to_owned), socket: "c".into() });
        }
        for wrong in [&["stop", "--json"][..], &["stop", "blog"], &["reload", ""], &["reload", "a\nb"], &["reload", "a", "b"]] {
            assert_eq!(run(wrong, &[]).unwrap_err().code, 64, "{wrong:?}");
        }
    }

    #[test]
    fn the_socket_is_typed_or_beside_the_typed_pid_file_or_that_of_the_environment_or_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("site.toml");
        fs::write(&path, "pid-file = \"site.pid\"\n[pool.blog]\nthreads = many\n").unwrap();
        let site = path.to_str().unwrap();
        let beside = directory.path().join("site.pid.control");
        let pid = [("PYFCGID_PID_FILE", "/run/e.pid")];
        let configured = [("PYFCGID_CONFIG", site)];
        for (args, environment, socket) in [
            (&["--control-socket", "/c", "--pid-file", "/p", "-c", site][..], &pid[..], "/c"),
            (&["--pid-file", "/p", "-c", site], &[("PYFCGID_CONTROL_SOCKET", "/e")], "/p.control"),
            (&["-c", site], &[("PYFCGID_CONTROL_SOCKET", "/e")], "/e"),
            (&["-c", site], &pid, "/run/e.pid.control"),
            (&[], &pid, "/run/e.pid.control"),
            (&["-c", site], &[], beside.to_str().unwrap()),
            (&[], &configured, beside.to_str().unwrap()),
        ] {
            let control = run(&[&["stop"], args].concat(), environment).unwrap();
            assert_eq!(control.socket, PathBuf::from(socket), "{args:?} {environment:?}");
        }
    }

    #[test]
    fn without_any_it_is_said_what_to_give() {
        let exit = run(&["reload"], &[]).unwrap_err();
        let expected = "pyfcgid: which pyfcgid? give what it was started with, --pid-file FILE or --control-socket FILE, or the \
                        configuration with -c FILE\n";
        assert_eq!((exit.code, exit.message.as_str(), exit.to_stdout), (64, expected, false));
        let file = tempfile::NamedTempFile::new().unwrap();
        let exit = run(&["stop", "-c", file.path().to_str().unwrap()], &[]).unwrap_err();
        assert!(exit.code == 64 && exit.message.contains("has neither pid-file nor control-socket: give "), "{}", exit.message);
        let exit = run(&["status", "-c", "/nonexistent/site.toml"], &[]).unwrap_err();
        assert!(exit.code == 78 && exit.message.contains("/nonexistent/site.toml: No such file"), "{}", exit.message);
    }
}
