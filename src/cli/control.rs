//! `pyfcgid reload`, `stop`, `status`, `stacks` and `interrupt`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command as Parser, ValueHint};

use super::{Chosen, Command, Exit, Surroundings, Typed, file_arg};
use crate::config::{self, SupervisorFiles};
use crate::control_protocol::{ControlRequest, Form, Scope, Threads};

/// A command for a running pyfcgid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// What it shall do.
    pub request: ControlRequest,
    /// Where it is found.
    pub files: SupervisorFiles,
}

pub(super) fn parsers() -> [Parser; 5] {
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print the status as JSON");
    [
        parser("reload", "Reload applications and settings without losing a request; return when the new ones are serving")
            .arg(pool("Reload only this pool, its settings and its code [default: everything]")),
        parser("stop", "Stop a running pyfcgid gracefully; return when it has exited"),
        parser("status", "Print the status of a running pyfcgid").arg(pool("Print only this pool [default: all]")).arg(json),
        parser("stacks", "Print what the threads of a running pyfcgid's processes are doing, as Python stacks")
            .arg(pool("Print only this pool's [default: all]")),
        parser("interrupt", "Raise pyfcgid.RequestInterrupted in one request of a running pyfcgid").arg(
            Arg::new(REQUEST)
                .value_name("ID")
                .required(true)
                .value_parser(parse_request)
                .help("The request, as the log names it, or `pyfcgid stacks`: PID-N"),
        ),
    ]
}

fn parser(name: &'static str, about: &'static str) -> Parser {
    let path = |name: &'static str, help: &'static str| {
        let arg = Arg::new(name).long(name).value_name("FILE").value_parser(OsStringValueParser::new());
        arg.value_hint(ValueHint::FilePath).help(help)
    };
    Parser::new(name)
        .about(about)
        .args_override_self(true)
        .after_help(NOTES)
        .arg(file_arg(""))
        .arg(path("pid-file", "The PID file that pyfcgid was started with [env: PYFCGID_PID_FILE]"))
        .arg(path("control-socket", "The control socket that pyfcgid was started with [env: PYFCGID_CONTROL_SOCKET]"))
}

fn pool(help: &'static str) -> Arg {
    Arg::new(POOL).value_name("POOL").value_parser(parse_pool).help(help)
}

fn parse_pool(name: &str) -> Result<String, String> {
    let is_name = !name.is_empty() && name.len() <= MAX_POOL_LEN && !name.contains(char::is_control);
    if is_name { Ok(name.to_owned()) } else { Err("must be the name of a pool".to_owned()) }
}

fn parse_request(id: &str) -> Result<(i32, u64), String> {
    let (process, number) = id.split_once('-').unwrap_or((id, ""));
    match (process.parse(), number.parse()) {
        (Ok(process @ 1..), Ok(number)) => Ok((process, number)),
        _ => Err("must be the number of a request, as 4711-12".to_owned()),
    }
}

pub(super) fn parse(name: &str, matches: &ArgMatches, around: Surroundings<'_>) -> Result<Typed, Exit> {
    let typed = |name| matches.get_one::<OsString>(name).map(PathBuf::from);
    let (files, remark) = match (typed("control-socket"), typed("pid-file")) {
        (Some(control_socket), Some(pid_file)) => (SupervisorFiles { control_socket, pid_file: Some(pid_file) }, None),
        (Some(control_socket), None) => (SupervisorFiles::of_socket(control_socket), None),
        (None, Some(pid_file)) => (SupervisorFiles::of_pid_file(pid_file), None),
        (None, None) => configured(around.named(matches), around)?,
    };
    Ok(Typed { command: Command::Control(Control { request: request(name, matches), files }), remark })
}

fn request(name: &str, matches: &ArgMatches) -> ControlRequest {
    let scope = || matches.get_one::<String>(POOL).cloned().map_or(Scope::Process, Scope::Pool);
    match name {
        "reload" => ControlRequest::Reload { scope: scope() },
        "stop" => ControlRequest::Stop,
        "stacks" => ControlRequest::Stacks { scope: scope(), threads: Threads::All },
        "interrupt" => {
            let (process, request) = matches.get_one(REQUEST).copied().unwrap_or_default(); // It is required.
            ControlRequest::Interrupt { process, request }
        }
        _ => ControlRequest::Status { scope: scope(), form: if matches.get_flag("json") { Form::Json } else { Form::Text } },
    }
}

/// The files that the environment and the configuration name, and what is to be said about that. A file that nobody names is
/// not looked at if the environment is enough.
fn configured(named: Option<PathBuf>, around: Surroundings<'_>) -> Result<(SupervisorFiles, Option<String>), Exit> {
    if let Some(files) = config::supervisor_files(around.environment, named.as_deref())? {
        return Ok((files, None));
    }
    let absent =
        || Exit::usage(&format!("which pyfcgid is meant? {GIVE}, or the configuration with -c FILE; {}", around.files));
    let Chosen { path, remark } = named.map(Chosen::plain).or_else(|| around.found()).ok_or_else(absent)?;
    let silent = || Exit::usage(&format!("{} sets neither pid-file nor control-socket: {GIVE}", path.display()));
    let files = config::supervisor_files(around.environment, Some(&path))?.ok_or_else(silent)?;
    Ok((files, remark))
}

const POOL: &str = "pool";
const REQUEST: &str = "id";
/// A pool without a name in the file may be called after a file.
const MAX_POOL_LEN: usize = 255;
const GIVE: &str = "give the --pid-file FILE or --control-socket FILE it was started with";
const NOTES: &str = "\
The control socket is taken from --control-socket; else from --pid-file, as FILE.control; else from the environment and the \
configuration file. Only pid-file and control-socket are read from the file, so a mistake elsewhere in it does not matter.";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::tests::{nowhere, run_on};
    use super::*;

    fn run(args: &[&str], environment: &[(&str, &str)]) -> Result<Control, Exit> {
        let variable =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        match run_on(&nowhere(), args, &variable)? {
            Typed { command: Command::Control(control), remark: None } => Ok(control),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_command_is_a_request() {
        let (all, blog) = (|| Scope::Process, || Scope::Pool("blog".to_owned()));
        for (args, request) in [
            (&["reload"][..], ControlRequest::Reload { scope: all() }),
            (&["reload", "blog"], ControlRequest::Reload { scope: blog() }),
            (&["stop"], ControlRequest::Stop),
            (&["status"], ControlRequest::Status { scope: all(), form: Form::Text }),
            (&["status", "--json"], ControlRequest::Status { scope: all(), form: Form::Json }),
            (&["status", "--json", "blog"], ControlRequest::Status { scope: blog(), form: Form::Json }),
            (&["stacks"], ControlRequest::Stacks { scope: all(), threads: Threads::All }),
            (&["stacks", "blog"], ControlRequest::Stacks { scope: blog(), threads: Threads::All }),
            (&["interrupt", "4711-12"], ControlRequest::Interrupt { process: 4711, request: 12 }),
        ] {
            let control = run(&[args, &["--control-socket", "c"]].concat(), &[]).unwrap();
            assert_eq!(control, Control { request, files: SupervisorFiles::of_socket("c".into()) });
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
            assert_eq!(control.files.control_socket, PathBuf::from(socket), "{args:?} {environment:?}");
        }
    }

    #[test]
    fn without_any_it_is_said_what_to_give() {
        let exit = run(&["reload"], &[]).unwrap_err();
        let expected = "pyfcgid: which pyfcgid is meant? give the --pid-file FILE or --control-socket FILE it was started \
                        with, or the configuration with -c FILE; PYFCGID_CONFIG is not set, and neither ";
        assert!((exit.code, exit.to_stdout) == (64, false) && exit.message.starts_with(expected), "{}", exit.message);
        let file = tempfile::NamedTempFile::new().unwrap();
        let exit = run(&["stop", "-c", file.path().to_str().unwrap()], &[]).unwrap_err();
        let neither = "sets neither pid-file nor control-socket: give ";
        assert!(exit.code == 64 && exit.message.contains(neither), "{}", exit.message);
        let exit = run(&["status", "-c", "/nonexistent/site.toml"], &[]).unwrap_err();
        assert!(exit.code == 78 && exit.message.contains("/nonexistent/site.toml: No such file"), "{}", exit.message);
    }
}
