//! The commands for a running pyfcgid: `reload`, `stop`, and those that show what it does.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command as Parser};

use super::{Command, Exit, Surroundings, Typed, file_arg, flag, path, quantity};
use crate::config::value::parse_duration;
use crate::config::{self, SupervisorFiles};
use crate::control_protocol::{ControlRequest, Scope, Threads};
use crate::report::Limits;

/// A command for a running pyfcgid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// What is to be done.
    pub order: Order,
    /// Where it is found.
    pub files: SupervisorFiles,
}

/// What such a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Tell it this, and print what it answers.
    Tell(ControlRequest),
    /// Ask it this, and print what it answers in this form.
    Show(ControlRequest, Form),
    /// Judge how it is.
    Judge(Scope, Limits),
    /// Watch it.
    Watch(Watch),
}

/// How it is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// What of it.
    pub scope: Scope,
    /// Whether one frame is enough.
    pub is_once: bool,
    /// Between two looks.
    pub delay: Duration,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(super) fn parsers() -> [Parser; 8] {
    [
        parser("reload", "Reload applications and settings without losing a request; return when the new ones are serving")
            .arg(pool("Reload only this pool, its settings and its code [default: everything]")),
        parser("stop", "Stop a running pyfcgid gracefully; return when it has exited"),
        parser("status", "Print the status of a running pyfcgid")
            .arg(pool("Print only this pool [default: all]"))
            .arg(flag(JSON, "Print the status as JSON")),
        parser("requests", "Print the requests that are running, the oldest first")
            .arg(pool("Print only those of this pool [default: all]"))
            .arg(flag(STACKS, "Print the Python stacks of their threads, too"))
            .arg(flag(JSON, "Print them as JSON")),
        parser("stacks", "Print what the threads of a running pyfcgid's processes are doing, as Python stacks")
            .arg(pool("Print only this pool's [default: all]"))
            .arg(flag(JSON, "Print them as JSON")),
        parser("interrupt", "Raise pyfcgid.RequestInterrupted in one request of a running pyfcgid").arg(request()),
        top(),
        health(),
    ]
}

fn top() -> Parser {
    let delay = "Look again after so long; with --once, 0 shows everything since the start [default: 1s, with --once 200ms]";
    let parse = |text: &str| parse_duration(text, LONGEST_DELAY);
    parser("top", "Show pools and running requests, live")
        .arg(pool("Show only this pool [default: all]"))
        .arg(flag(ONCE, "Print one frame and exit"))
        .arg(quantity(DELAY, "TIME", delay).short('d').value_parser(parse))
}

fn health() -> Parser {
    let busy = "Exit with 1 if a larger part of a pool's workers is busy, as in 95% [default: no limit]";
    let queue = "Exit with 1 if more requests of a pool are waiting for a worker [default: no limit]";
    parser("health", "Exit with 0 if every pool serves, none stands still and all are within these limits, else say what to do")
        .arg(pool("Look only at this pool [default: all]"))
        .arg(quantity(MAX_BUSY, "PERCENT", busy).value_parser(parse_share))
        .arg(quantity(MAX_QUEUE, "N", queue).value_parser(parse_count))
}

fn parse_count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "must be a whole number".to_owned())
}

fn parse_share(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok().filter(|number| *number <= 100);
    number.ok_or_else(|| "must be a part of 100, as in 95%".to_owned())
}

fn parser(name: &'static str, about: &'static str) -> Parser {
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

fn request() -> Arg {
    let help = "The request, as the log and `pyfcgid requests` name it: PID-N";
    Arg::new(REQUEST).value_name("ID").required(true).value_parser(parse_request).help(help)
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
    Ok(Typed { command: Command::Control(Control { order: order(name, matches), files }), remark })
}

fn order(name: &str, matches: &ArgMatches) -> Order {
    let scope = || matches.get_one::<String>(POOL).cloned().map_or(Scope::Process, Scope::Pool);
    let form = || if matches.get_flag(JSON) { Form::Json } else { Form::Text };
    match name {
        "reload" => Order::Tell(ControlRequest::Reload { scope: scope() }),
        "stop" => Order::Tell(ControlRequest::Stop),
        "stacks" => Order::Show(ControlRequest::Stacks { scope: scope(), threads: Threads::All }, form()),
        "interrupt" => {
            let (process, request) = matches.get_one(REQUEST).copied().unwrap_or_default(); // It is required.
            Order::Tell(ControlRequest::Interrupt { process, request })
        }
        "requests" if matches.get_flag(STACKS) => {
            Order::Show(ControlRequest::Stacks { scope: scope(), threads: Threads::Answering }, form())
        }
        "requests" => Order::Show(ControlRequest::Requests { scope: scope() }, form()),
        "top" => Order::Watch(watch(scope(), matches)),
        "health" => {
            let (busy, queue) = (matches.get_one(MAX_BUSY).copied(), matches.get_one(MAX_QUEUE).copied());
            Order::Judge(scope(), Limits { busy, queue })
        }
        _ => Order::Show(ControlRequest::Status { scope: scope() }, form()),
    }
}

fn watch(scope: Scope, matches: &ArgMatches) -> Watch {
    let is_once = matches.get_flag(ONCE);
    // Who wants one frame wants it at once.
    let usual = if is_once { Duration::from_millis(200) } else { Duration::from_secs(1) };
    Watch { scope, is_once, delay: matches.get_one(DELAY).copied().unwrap_or(usual) }
}

/// The files that the environment and the configuration name, and what is to be said about that. A file that nobody names is
/// not looked at if the environment is enough.
fn configured(named: Option<PathBuf>, around: Surroundings<'_>) -> Result<(SupervisorFiles, Option<String>), Exit> {
    if let Some(files) = config::supervisor_files(around.environment, named.as_deref())? {
        return Ok((files, None));
    }
    let absent =
        || Exit::usage(&format!("which pyfcgid is meant? {GIVE}, or the configuration with -c FILE; {}", around.files));
    let (path, remark) = around.chosen(named).ok_or_else(absent)?;
    let silent = || Exit::usage(&format!("{} sets neither pid-file nor control-socket: {GIVE}", path.display()));
    let files = config::supervisor_files(around.environment, Some(&path))?.ok_or_else(silent)?;
    Ok((files, remark))
}

const POOL: &str = "pool";
const JSON: &str = "json";
const ONCE: &str = "once";
const DELAY: &str = "delay";
const LONGEST_DELAY: Duration = Duration::from_secs(3600);
const REQUEST: &str = "id";
const STACKS: &str = "stacks";
const MAX_BUSY: &str = "max-busy";
const MAX_QUEUE: &str = "max-queue";
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
        let tell = Order::Tell;
        let status = |scope, form| Order::Show(ControlRequest::Status { scope }, form);
        let requests = |scope, form| Order::Show(ControlRequest::Requests { scope }, form);
        let stacks = |scope, threads, form| Order::Show(ControlRequest::Stacks { scope, threads }, form);
        let watch = |scope, is_once, millis| Order::Watch(Watch { scope, is_once, delay: Duration::from_millis(millis) });
        let limits = Limits { busy: Some(95), queue: Some(7) };
        for (args, order) in [
            (&["reload"][..], tell(ControlRequest::Reload { scope: all() })),
            (&["reload", "blog"], tell(ControlRequest::Reload { scope: blog() })),
            (&["stop"], tell(ControlRequest::Stop)),
            (&["status"], status(all(), Form::Text)),
            (&["status", "--json"], status(all(), Form::Json)),
            (&["status", "--json", "blog"], status(blog(), Form::Json)),
            (&["requests"], requests(all(), Form::Text)),
            (&["requests", "blog", "--json"], requests(blog(), Form::Json)),
            (&["top"], watch(all(), false, 1000)),
            (&["top", "--once"], watch(all(), true, 200)),
            (&["top", "--once", "blog", "--delay", "500ms"], watch(blog(), true, 500)),
            (&["top", "-d", "0"], watch(all(), false, 0)),
            (&["health"], Order::Judge(all(), Limits::default())),
            (&["health", "--max-busy", "95%", "blog", "--max-queue", "7"], Order::Judge(blog(), limits)),
            (&["stacks"], stacks(all(), Threads::All, Form::Text)),
            (&["stacks", "blog", "--json"], stacks(blog(), Threads::All, Form::Json)),
            (&["requests", "--stacks", "blog"], stacks(blog(), Threads::Answering, Form::Text)),
            (&["requests", "--stacks", "--json"], stacks(all(), Threads::Answering, Form::Json)),
            (&["interrupt", "4711-12"], tell(ControlRequest::Interrupt { process: 4711, request: 12 })),
        ] {
            let control = run(&[args, &["--control-socket", "c"]].concat(), &[]).unwrap();
            assert_eq!(control, Control { order, files: SupervisorFiles::of_socket("c".into()) });
        }
        for wrong in [
            &["stop", "--json"][..],
            &["health", "--json"],
            &["top", "--delay", "2h"],
            &["top", "--json"],
            &["health", "--max-busy", "101%"],
            &["health", "--max-queue", "x"],
            &["stop", "blog"],
            &["reload", ""],
            &["reload", "a\nb"],
            &["reload", "a", "b"],
        ] {
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
    fn a_share_is_a_part_of_a_hundred() {
        assert_eq!(["95%", "0", "100%"].map(parse_share), [Ok(95), Ok(0), Ok(100)]);
        assert!(["", "%", "101%", "-1", "0.5", "95 %"].iter().all(|text| parse_share(text).is_err()));
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
