//! The command line of the real binary: what it prints where, and its exit codes.

#![cfg(feature = "module")]
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use place::write_module;
use pyfcgid::config::{Group, SETTINGS};
use tempfile::TempDir;

#[path = "support/place.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with other tests")]
mod place;

const DEADLINE: Duration = Duration::from_secs(30);

/// How a run ended.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The binary, without what the tester's shell sets.
fn pyfcgid(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pyfcgid"));
    for setting in SETTINGS.iter() {
        command.env_remove(setting.variable());
    }
    command.env_remove("PYFCGID_CONFIG").env_remove("VIRTUAL_ENV").args(args);
    if fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0) {
        // Without being told so, it does not run applications as root, and warns of sockets that only root can use.
        command.env("PYFCGID_USER", "root").env("PYFCGID_SOCKET_MODE", "0666");
    }
    command
}

/// The same command, run by another one, which has to replace itself with what it is given.
fn under(wrapper: &[&str], command: &Command) -> Command {
    let mut wrapped = Command::new(wrapper[0]);
    wrapped.args(&wrapper[1..]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped
}

fn run(command: &mut Command) -> Ended {
    run_with_input(command, b"")
}

/// Output goes to files, so that no reader thread is needed and a full pipe stops nobody.
fn run_with_input(command: &mut Command, input: &[u8]) -> Ended {
    let (mut stdin, mut out, mut err) = (temporary(), temporary(), temporary());
    stdin.write_all(input).unwrap();
    stdin.rewind().unwrap();
    command.stdin(stdin).stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
    let mut child = Running(command.spawn().unwrap());
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            break status;
        }
        assert!(begin.elapsed() < DEADLINE, "{command:?} did not end: {}", text(&mut err));
        thread::sleep(Duration::from_millis(5));
    };
    Ended { code: status.code().unwrap_or(-1), out: text(&mut out), err: text(&mut err) }
}

fn temporary() -> File {
    tempfile::tempfile().unwrap()
}

fn text(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// A directory with `hello.py`, which greets and echoes.
fn site() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let app = directory.path().join("hello.py");
    fs::write(&app, HELLO).unwrap();
    (directory, app)
}

const HELLO: &str = "\
def application(environ, start_response):
    if environ['PATH_INFO'] == '/missing':
        start_response('404 Not Found', [('Content-Type', 'text/plain')])
        return [b'nothing here']
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [environ['REQUEST_METHOD'].encode(), b' ', environ['QUERY_STRING'].encode(), b' ', environ['wsgi.input'].read()]
";

fn path_text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Sends these bytes to the first connection, whatever it asks, and waits until it is closed.
fn answer_once(answer: &[u8]) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = answer.to_vec();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut received = Vec::new();
        let mut piece = [0; 4096];
        // The empty STDIN record is the end of a request.
        while !received.ends_with(&[1, 5, 0, 1, 0, 0, 0, 0]) {
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "the request was cut");
            received.extend_from_slice(&piece[..count]);
        }
        stream.write_all(&answer).unwrap();
    });
    (address, server)
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[1, kind, 0, 1, length[0], length[1], 0, 0], content].concat()
}

fn end(protocol_status: u8) -> Vec<u8> {
    record(3, &[0, 0, 0, 0, protocol_status, 0, 0, 0])
}

#[test]
fn help_is_grouped_and_complete() {
    for name in ["serve", "check"] {
        let ended = run(&mut pyfcgid(&[name, "--help"]));
        assert_eq!((ended.code, ended.err.as_str()), (0, ""));
        let places: Vec<_> =
            Group::ALL.iter().map(|group| ended.out.find(&format!("\n{}:\n", group.heading())).unwrap()).collect();
        assert!(places.is_sorted(), "{}", ended.out);
        for setting in SETTINGS.iter().filter(|setting| setting.name != "app") {
            assert!(ended.out.contains(&format!("--{}", setting.name)), "{}", setting.name);
        }
        assert!(ended.out.starts_with("Serve") || ended.out.starts_with("Check the configuration"));
        assert!(ended.out.contains("Usage: pyfcgid "));
    }
    let ended = run(&mut pyfcgid(&["request", "--help"]));
    assert!(
        ended.code == 0 && ["--connect", "--role", "--data-file", "28  timed out"].iter().all(|part| ended.out.contains(part)),
        "{}",
        ended.out
    );
}

#[test]
fn the_version_is_on_stdout() {
    let ended = run(&mut pyfcgid(&["--version"]));
    assert_eq!((ended.code, ended.out.as_str()), (0, concat!("pyfcgid ", env!("CARGO_PKG_VERSION"), "\n")));
}

#[test]
fn a_wrong_command_line_is_64_and_stdout_stays_empty() {
    let table: [(&[&str], &str); 4] = [
        (&["serve", "hello:app", "--thread", "4"], "'--threads'"),
        (&["serve", "hello:app", "--workers", "2"], "--processes"),
        (&["check", "hello:app", "--threads", "0"], "pyfcgid: --threads \"0\": must be a whole number from 1 to 1024\n"),
        (&[], "Usage: pyfcgid"),
    ];
    for (args, expected) in table {
        let ended = run(&mut pyfcgid(args));
        assert_eq!((ended.code, ended.out.as_str()), (64, ""), "{args:?}");
        assert!(ended.err.contains(expected), "{args:?}: {}", ended.err);
    }
}

#[test]
fn an_unknown_key_or_bad_value_of_a_file_is_78_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("site.toml");
    let table = [
        ("# site\n[pool.blog]\nthread = 8\n", "site.toml:3: unknown key `thread` = 8: did you mean `threads`?\n"),
        ("[pool.blog]\napp = \"b\"\nthreads = 0\n", "site.toml:3: threads = \"0\": must be a whole number from 1 to 1024\n"),
        ("[pool.blog\n", "site.toml:1:"),
    ];
    for (content, expected) in table {
        fs::write(&file, content).unwrap();
        let ended = run(&mut pyfcgid(&["serve", "-c", path_text(&file)]));
        assert_eq!((ended.code, ended.out.as_str()), (78, ""), "{}", ended.err);
        assert!(ended.err.starts_with("pyfcgid: ") && ended.err.contains(expected), "{}", ended.err);
    }
}

/// What a check that has succeeded says before it says that.
#[track_caller]
fn before_success(err: &str) -> &str {
    let (before, last) = err.split_at(err.find("pyfcgid: checked ").unwrap_or_else(|| panic!("no success: {err}")));
    assert!(last.ends_with(" s: no errors\n") && last.lines().count() == 1, "{err}");
    before
}

#[test]
fn check_prints_the_effective_settings_and_where_they_come_from() {
    let (directory, _app) = site();
    let file = directory.path().join("site.toml");
    fs::write(&file, "[pool.blog]\napp = \"hello.py\"\nthreads = 2\nbacklog = 7\nmax-queue = 9\n").unwrap();
    let mut command = pyfcgid(&["check", "-c", path_text(&file), "--threads", "8"]);
    let ended = run(command.env("PYFCGID_MAX_QUEUE", "5"));
    assert_eq!(ended.code, 0, "{}", ended.err);
    let line =
        |name: &str| ended.out.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {}", ended.out));
    assert!(line("threads = 8 ").ends_with("# command line"));
    assert!(line("max-queue = 5 ").ends_with("# PYFCGID_MAX_QUEUE"));
    assert!(line("backlog = 7 ").ends_with("site.toml:4"));
    assert!(line("max-body-size = \"1G\" ").ends_with("# default"));
    assert!(ended.out.contains("\n[pool.blog]\n"));
}

#[test]
fn check_prints_every_pool_of_the_file_and_of_those_it_includes() {
    let (directory, _app) = site();
    let file = directory.path().join("site.toml");
    fs::write(&file, "include = \"pools/*.toml\"\npid-file = \"p.pid\"\n[pool.blog]\napp = \"hello.py\"\nlisten = \":1\"\n")
        .unwrap();
    fs::create_dir(directory.path().join("pools")).unwrap();
    fs::write(directory.path().join("pools/shop.toml"), "[pool.shop]\napp = \"../hello.py\"\nlisten = \":2\"\n").unwrap();
    let ended = run(&mut pyfcgid(&["check", "-c", path_text(&file), "--threads", "2"]));
    assert_eq!(ended.code, 0, "{}", ended.err);
    before_success(&ended.err);
    assert!(ended.err.contains("checked 2 pools in "), "{}", ended.err);
    let configtest = run(&mut pyfcgid(&["configtest", "-c", path_text(&file), "--threads", "2"]));
    assert_eq!((configtest.code, &configtest.out), (0, &ended.out));
    let (blog, shop) = (ended.out.find("\n[pool.blog]\n").unwrap(), ended.out.find("\n[pool.shop]\n").unwrap());
    assert!(blog < shop && ended.out.matches("\nthreads = 2 ").count() == 2, "{}", ended.out);
    let app = format!("\napp = \"{}/hello.py\"", directory.path().display());
    assert_eq!(ended.out.matches(&app).count(), 2, "{}", ended.out);
    assert!(
        ended.out.contains(&format!("\ncontrol-socket = \"{}/p.pid.control\"", directory.path().display())),
        "{}",
        ended.out
    );
    fs::write(directory.path().join("pools/z.toml"), "\n[pool.blog]\napp = \"hello.py\"\n").unwrap();
    let ended = run(&mut pyfcgid(&["check", "-c", path_text(&file)]));
    assert_eq!((ended.code, ended.out.as_str()), (78, ""));
    let expected = ["pools/z.toml:2: duplicate pool `blog`, first defined at ", "site.toml:3: give each its own name\n"];
    assert!(expected.iter().all(|part| ended.err.contains(part)), "{}", ended.err);
}

#[test]
fn what_check_prints_is_a_file_that_check_accepts() {
    let (directory, app) = site();
    let listen = format!("unix:{}", directory.path().join("a.sock").display());
    let args = ["check", path_text(&app), "--listen", &listen, "--mount=/x", "--env", "A=\"b\" c", "--idle-timeout", "0"];
    let first = run(&mut pyfcgid(&args));
    assert_eq!(first.code, 0, "{}", first.err);
    let file = directory.path().join("printed.toml");
    fs::write(&file, &first.out).unwrap();
    let second = run(&mut pyfcgid(&["check", "-c", path_text(&file)]));
    assert_eq!(second.code, 0, "{}", second.err);
    let values =
        |text: &str| text.lines().map(|line| line.split(" #").next().unwrap().trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(values(&first.out), values(&second.out));
}

#[test]
fn check_prints_no_secrets() {
    let (directory, app) = site();
    let listen = format!("unix:{}", directory.path().join("a.sock").display());
    let variables = ["--env", "API_KEY=s3cret", "--env", "CACHE=redis://:s3cret@cache/0", "--env", "MONKEY=seen"];
    let ended = run(&mut pyfcgid(&[&["check", path_text(&app), "--listen", &listen], &variables[..]].concat()));
    assert_eq!(ended.code, 0, "{}", ended.err);
    let shown = "env = [\"API_KEY=***\", \"CACHE=redis://:***@cache/0\", \"MONKEY=seen\"]";
    assert!(ended.out.starts_with("# *** ") && ended.out.contains(shown), "{}", ended.out);
    assert!(!ended.out.contains("s3cret") && !ended.err.contains("s3cret"), "{}{}", ended.out, ended.err);
}

/// The messages of `check` and of `serve` with these options, which are wrong, without tracebacks and the log.
fn refusals(app: &Path, options: &[&str], code: i32) -> [Vec<String>; 2] {
    ["check", "serve"].map(|command| {
        let ended = run(&mut pyfcgid(&[&[command, path_text(app)], options].concat()));
        assert_eq!((ended.code, ended.out.as_str()), (code, ""), "{command} {options:?}: {}", ended.err);
        ended.err.lines().filter(|line| line.starts_with("pyfcgid: ")).map(str::to_owned).collect()
    })
}

#[test]
fn check_says_of_each_file_that_cannot_be_what_serve_says() {
    let (directory, app) = site();
    let place = |name: &str| directory.path().join(name).display().to_string();
    fs::write(place("text"), "no process\n").unwrap();
    fs::create_dir(place("directory")).unwrap();
    for (name, file, code, told) in [
        ("--log", "file:none/log", 78, "cannot open the log file"),
        ("--log", "file:directory", 78, "Is a directory"),
        ("--access-log", "file:text/log", 78, "Not a directory"),
        ("--syslog-socket", "none", 78, "cannot reach the syslog daemon"),
        ("--pid-file", "none/pid", 71, "the directory must exist and be writable: No such file or directory"),
        ("--pid-file", "text", 71, "this is a file with other content"),
        ("--control-socket", "none/control", 71, "none does not exist; create it"),
        ("--control-socket", "text", 71, "something that is not a socket"),
        ("--listen", "unix:none/sock", 71, "none does not exist; create it"),
        ("--listen", "unix:directory", 71, "something that is not a socket"),
    ] {
        let typed = match file.split_once(':') {
            Some((kind, name)) => format!("{kind}:{}", place(name)),
            None => place(file),
        };
        let free = format!("unix:{}", place("free.sock"));
        let mut options = vec!["--listen", &free, name, &typed];
        if name == "--listen" {
            options.drain(..2);
        } else if name == "--syslog-socket" {
            options.extend(["--log", "syslog"]);
        }
        let [checked, served] = refusals(&app, &options, code);
        // A control socket that is beside the PID file is wrong as well.
        assert_eq!((checked.first(), checked.len() <= 2), (served.first(), true), "{checked:?}");
        assert!(served.len() == 1 && served[0].contains(told), "{served:?}");
    }
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.len() == 3 || names.len() == 4 && names.iter().any(|name| name == "__pycache__"), "{names:?}");
}

#[test]
fn check_says_all_that_is_wrong_and_makes_nothing() {
    let (directory, app) = site();
    let place = |name: &str| directory.path().join(name).display().to_string();
    fs::write(&app, "import a_module_that_is_not_there\n").unwrap();
    let (pid, listen, log) = (place("none/pid"), format!("unix:{}", place("none/sock")), format!("file:{}", place("log")));
    let ended = run(&mut pyfcgid(&["check", path_text(&app), "--pid-file", &pid, "--listen", &listen, "--log", &log]));
    let told: Vec<_> = ended.err.lines().filter(|line| line.starts_with("pyfcgid: ")).collect();
    // The control socket is beside the PID file.
    assert!(ended.code == 71 && told.len() == 4 && told[3].contains("a_module_that_is_not_there"), "{}", ended.err);
    assert!(!Path::new(&place("log")).exists());
}

#[test]
fn check_ends_with_the_import_whatever_the_application_does_there() {
    let (_directory, app) = site();
    let check = |import: &str, options: &[&str]| {
        write_module(&app, &format!("{import}\ndef application(environ, start_response):\n    pass\n"));
        run(&mut pyfcgid(&[&["check", path_text(&app), "--listen", ":0"], options].concat()))
    };
    for import in [
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()",
        "import atexit, time\natexit.register(time.sleep, 600)",
    ] {
        assert_eq!(check(import, &[]).code, 0, "{import}");
    }
    let prints = check("import os\nprint('printed')\nos.write(1, b'written\\n')", &[]);
    for text in ["printed", "written"] {
        assert!(prints.err.contains(text) && !prints.out.contains(text), "{}", prints.err);
    }
    for (import, told) in [
        ("import os\nos._exit(0)", "ended the process: exit code 0"),
        ("import os\nos._exit(4)", "ended the process: exit code 4"),
        ("import time\ntime.sleep(600)", "did not end within startup-timeout (1 s)"),
    ] {
        let ended = check(import, &["--startup-timeout", "1s"]);
        assert!(ended.code == 70 && ended.err.contains(told), "{import}: {}", ended.err);
    }
}

#[test]
fn check_says_in_one_line_that_a_python_is_none_whatever_it_does() {
    let (directory, app) = site();
    let program = directory.path().join("python3");
    for (script, told) in [
        ("exec sleep 600", "did not load pyfcgid's module within startup-timeout (1 s)"),
        ("exec >&- 2>&-; exec sleep 600", "did not load pyfcgid's module within startup-timeout (1 s)"),
        ("echo one; echo two >&2; exit 1", "cannot be used: two"),
        ("echo 'fatal error: a reason'; echo two; exit 0", "cannot be used: fatal error: a reason"),
        ("exit 3", "exited before it loaded pyfcgid's module (exit code 3)"),
        ("/usr/bin/env python3 \"$@\"; exit $?", "have the script start Python with exec"),
    ] {
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let options = ["--listen", ":0", "--python", path_text(&program), "--startup-timeout", "1s"];
        let ended = run(&mut pyfcgid(&[&["check", path_text(&app)], &options[..]].concat()));
        assert!(ended.code == 78 && ended.err.contains(told), "{script}: {} {}", ended.code, ended.err);
        let lines = ended.err.lines().filter(|line| !line.starts_with("pyfcgid: warning: ")).count();
        assert_eq!(lines, 1, "{script}: {}", ended.err);
    }
}

#[test]
fn check_only_warns_of_directories_that_a_service_manager_makes() {
    let (_directory, app) = site();
    let (pid, listen) = ("/run/pyfcgid-none/pid", "unix:/run/pyfcgid-none/sock");
    let ended = run(&mut pyfcgid(&["check", path_text(&app), "--pid-file", pid, "--listen", listen]));
    let told: Vec<_> = before_success(&ended.err).lines().collect();
    assert!(told.iter().all(|line| line.starts_with("pyfcgid: warning: ") && line.contains("/run/pyfcgid-none")), "{told:?}");
    // The control socket is beside the PID file.
    assert_eq!((ended.code, told.len()), (0, 3), "{told:?}");
}

#[test]
fn check_of_what_runs_finds_nothing_wrong() {
    let (directory, app) = site();
    let place = |name: &str| directory.path().join(name).display().to_string();
    let (pid, log) = (place("pid"), format!("file:{}", place("log")));
    let options = ["--pid-file", &pid, "--log", &log];
    let server = Server::start(directory.path(), &app, &options);
    let ended = run(&mut pyfcgid(&[&["check", path_text(&app), "--listen", &server.address], &options[..]].concat()));
    assert_eq!((ended.code, before_success(&ended.err)), (0, ""));
    assert_eq!(server.ask(&["/?still"], b"").out, "GET still ");
}

#[test]
fn a_directory_that_this_user_may_not_write_to_is_told_by_check_as_by_serve() {
    let (directory, app) = site();
    let closed = directory.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    let options = ["--listen", &format!("unix:{}/sock", closed.display()), "--log", &format!("file:{}/log", closed.display())];
    // Root, whom permissions do not stop.
    let is_root = File::create(closed.join("probe")).is_ok();
    for command in ["check", "serve"] {
        let mut pyfcgid = pyfcgid(&[&[command, path_text(&app)], &options[..]].concat());
        if is_root {
            pyfcgid = under(&["setpriv", "--bounding-set=-dac_override,-dac_read_search"], &pyfcgid);
        }
        let ended = run(&mut pyfcgid);
        let told = format!("pyfcgid: cannot open the log file {}/log;", closed.display());
        assert!(ended.code == 78 && ended.err.starts_with(&told), "{command}: {} {}", ended.code, ended.err);
        assert!(ended.err.contains("Permission denied"), "{}", ended.err);
    }
}

#[test]
fn check_of_an_app_that_cannot_be_imported_is_70_with_the_traceback() {
    let directory = tempfile::tempdir().unwrap();
    let app = directory.path().join("broken.py");
    fs::write(&app, "import a_module_that_is_not_there\n").unwrap();
    let ended = run(&mut pyfcgid(&["check", path_text(&app)]));
    assert_eq!(ended.code, 70, "{}", ended.err);
    assert!(ended.err.contains("ModuleNotFoundError") && ended.err.contains("broken.py"), "{}", ended.err);
}

#[test]
fn check_warns_of_what_is_probably_a_mistake() {
    let (directory, app) = site();
    let mut command = pyfcgid(&["check", path_text(&app), "--python-path", "/nonexistent"]);
    let ended = run(command.env("PYFCGID_ABROT", "raise").env("PYFCGID_THREAD", "3").env("PYFCGID_PORT", "tcp://10.0.0.1:80"));
    drop(directory);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let expected = [
        "pyfcgid: warning: the environment variable PYFCGID_ABROT is ignored: did you mean PYFCGID_ABORT?",
        "pyfcgid: warning: the environment variable PYFCGID_THREAD is ignored: did you mean PYFCGID_THREADS?",
        "pyfcgid: warning: python-path (command line): /nonexistent does not exist",
    ];
    assert_eq!(before_success(&ended.err).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn check_and_serve_warn_of_a_socket_that_only_root_can_use() {
    let (directory, app) = site();
    if !fs::metadata(directory.path()).is_ok_and(|found| (found.uid(), found.gid()) == (0, 0)) {
        return eprintln!("skipped: it is about what root makes");
    }
    let listen = format!("unix:{}", directory.path().join("sock").display());
    // A PID file that cannot be ends the start, after the warnings.
    for (command, options) in [("check", &[][..]), ("serve", &["--pid-file", "/proc/none/pid"])] {
        let told = |more: &[&str]| {
            let mut pyfcgid = pyfcgid(&[&[command, path_text(&app), "--listen", &listen], options, more].concat());
            run(pyfcgid.env_remove("PYFCGID_SOCKET_MODE"))
                .err
                .contains("pool hello: only root will be able to connect to unix:/")
        };
        assert!(told(&[]), "{command}");
        assert!(!told(&["--socket-group", "daemon"]) && !told(&["--socket-mode", "0666"]), "{command}");
    }
}

#[test]
fn a_bad_venv_is_told_with_where_it_was_named() {
    let (directory, app) = site();
    let mut command = pyfcgid(&["check", path_text(&app), "--listen", "127.0.0.1:0"]);
    let ended = run(command.env("VIRTUAL_ENV", directory.path()));
    assert_eq!(ended.code, 78, "{}", ended.err);
    let venv = directory.path().display();
    let expected = format!(
        "pyfcgid: pool hello: the Python {venv}/bin/python (venv, VIRTUAL_ENV) is missing, so {venv} is not a virtual \
         environment; create one with python3 -m venv {venv}\n"
    );
    assert_eq!(ended.err, expected);
}

/// `pyfcgid serve`, and how to ask it.
struct Server {
    address: String,
    _process: Running,
}

impl Server {
    /// Serves this application on a socket in this directory.
    fn start(directory: &Path, app: &Path, args: &[&str]) -> Self {
        let socket = directory.join("hello.sock");
        let address = format!("unix:{}", socket.display());
        let mut command = pyfcgid(&["serve", path_text(app), "--listen", &address]);
        let log = temporary();
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.try_clone().unwrap());
        let mut process = Running(command.spawn().unwrap());
        let begin = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            let ended = process.0.try_wait().unwrap();
            assert!(ended.is_none() && begin.elapsed() < DEADLINE, "no server: {}", text(&mut log.try_clone().unwrap()));
            thread::sleep(Duration::from_millis(5));
        }
        Self { address, _process: process }
    }

    fn ask(&self, args: &[&str], input: &[u8]) -> Ended {
        let connect = ["request", "--max-time", "20s", "--connect", &self.address];
        run_with_input(&mut pyfcgid(&[&connect, args].concat()), input)
    }
}

#[test]
fn request_talks_to_serve() {
    let (directory, app) = site();
    let server = Server::start(directory.path(), &app, &[]);
    let ended = server.ask(&["/?a=b"], b"");
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (0, "GET a=b ", ""));
    let ended = server.ask(&["-d", "@-"], b"from stdin\n");
    assert_eq!((ended.code, ended.out.as_str()), (0, "POST  from stdin\n"));
    let ended = server.ask(&["-i", "/missing"], b"");
    assert!(ended.code == 0 && ended.out.contains("Status: 404 Not Found\r\n"), "{}", ended.out);
    let ended = server.ask(&["--fail", "/missing"], b"");
    assert_eq!((ended.code, ended.out.as_str()), (22, ""));
    assert_eq!(ended.err, "pyfcgid: the response status is 404 Not Found\n");
}

#[test]
fn request_asks_in_each_role() {
    let directory = tempfile::tempdir().unwrap();
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps/roles.py");
    let server = Server::start(directory.path(), &app, &["--roles", "authorizer,filter"]);
    let ended = server.ask(&["-i", "--role", "authorizer", "/"], b"");
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert!(ended.out.contains("Variable-ROLE_SEEN: authorizer\r\n"), "{}", ended.out);
    assert_eq!(server.ask(&["--role", "authorizer", "--fail", "/deny"], b"").code, 22);
    let file = directory.path().join("file.txt");
    fs::write(&file, "x".repeat(100_000)).unwrap();
    let filter = ["--role", "filter", "--data-file", path_text(&file), "-d", "body"];
    let seen: serde_json::Value = serde_json::from_str(&server.ask(&filter, b"").out).unwrap();
    assert_eq!(
        (seen["role"].as_str(), seen["body"].as_str(), seen["length"].as_str()),
        (Some("filter"), Some("body"), Some("100000"))
    );
    assert_eq!(seen["data"].as_str().map(str::len), Some(100_000));
    let ended = server.ask(&["/"], b"");
    assert_eq!(
        (ended.code, ended.err.contains("does not accept this role (see its option roles)")),
        (8, true),
        "{}",
        ended.err
    );
}

#[test]
fn request_has_an_exit_code_for_everything_that_goes_wrong() {
    let head = record(6, b"Content-Type: text/plain\r\n\r\nhalf");
    let table: [(&[u8], i32, &str); 8] = [
        (b"", 52, "closed before any response arrived"),
        (&head, 18, "closed in the middle of the response"),
        (&[&head[..], &[0xff; 16]].concat(), 18, "was cut short"),
        (&[0xff; 16], 8, "not FastCGI"),
        (&end(0), 8, "no header block"),
        (&[&head[..], &end(2)].concat(), 8, "OVERLOADED"),
        (b"HTTP/1.0 400 Bad Request\r\n\r\n", 8, "HTTP"),
        (&[&head[..], &end(0)].concat(), 0, ""),
    ];
    for (answer, code, expected) in table {
        let (address, server) = answer_once(answer);
        let ended = run(&mut pyfcgid(&["request", "--connect", &address, "--max-time", "20s"]));
        server.join().unwrap();
        assert_eq!(ended.code, code, "{}", ended.err);
        assert!(ended.err.contains(expected), "{}", ended.err);
    }
}

#[test]
fn request_says_what_to_check_when_it_cannot_connect_or_gets_nothing_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let missing = format!("unix:{}", directory.path().join("none.sock").display());
    let ended = run(&mut pyfcgid(&["request", "--connect", &missing]));
    assert_eq!(ended.code, 7);
    assert!(ended.err.contains("is pyfcgid running") && ended.err.lines().count() == 1, "{}", ended.err);
    // Accepts nothing, but the system takes the connection.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ended = run(&mut pyfcgid(&["request", "--connect", &address, "--max-time", "200ms"]));
    assert_eq!((ended.code, ended.err.as_str()), (28, "pyfcgid: no complete response within --max-time\n"));
    let ended = run(&mut pyfcgid(&["request", "--connect", &address, "-d", "@/nonexistent/body"]));
    assert_eq!(ended.code, 26);
}

/// A configuration that includes pools, of which there are none.
fn including() -> (TempDir, PathBuf) {
    let (directory, _) = site();
    fs::create_dir(directory.path().join("pools.d")).unwrap();
    fs::write(directory.path().join("site.toml"), "include = \"pools.d/*.toml\"\n").unwrap();
    let config = directory.path().join("site.toml");
    (directory, config)
}

#[test]
fn a_new_pool_gets_a_file_that_others_can_read_and_its_next_steps_are_told() {
    let (directory, config) = including();
    let command = pyfcgid(&["new", "shop", "-c", path_text(&config)]);
    let ended = run(&mut under(&["sh", "-c", "umask 077; exec \"$@\"", "sh"], &command));
    let file = directory.path().join("pools.d/shop.toml");
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o644);
    let config = config.display();
    for line in [
        format!("{} was written. Next steps:\n", file.display()),
        format!("\n  2. pyfcgid check -c {config} "),
        format!("\n  3. pyfcgid reload -c {config} "),
        "\n  4. point the web server at it; in nginx, in the server { } block of shop's site:\n       location / {\n"
            .to_owned(),
        "\n           fastcgi_pass unix:/run/pyfcgid/shop.sock;\n           include pyfcgid_params;\n".to_owned(),
    ] {
        assert!(ended.out.contains(&line), "{line} in\n{}", ended.out);
    }
}

#[test]
fn a_new_pool_takes_the_place_of_nothing() {
    let (directory, config) = including();
    let file = directory.path().join("pools.d/shop.toml");
    fs::write(&file, "# mine\n").unwrap();
    let refused = |place: &str, path: &Path, told: &str| {
        let ended = run(&mut pyfcgid(&["new", "shop", place, path_text(path)]));
        assert_eq!((ended.code, ended.out.as_str()), (71, ""));
        assert_eq!(ended.err, format!("pyfcgid: cannot create {}: {told}\n", file.display()));
    };
    refused("-c", &config, "it already exists, and was left unchanged");
    assert_eq!(fs::read_to_string(&file).unwrap(), "# mine\n");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(directory.path().join("elsewhere"), &file).unwrap();
    refused("--output", &file, "it already exists, and was left unchanged");
    assert!(!directory.path().join("elsewhere").exists());
    fs::remove_dir_all(directory.path().join("pools.d")).unwrap();
    refused("-c", &config, "its directory does not exist: create it first");
}

#[test]
fn a_new_pool_that_is_printed_is_nothing_but_the_file() {
    let ended = run(&mut pyfcgid(&["new", "shop", "--output", "-", "--threads", "16"]));
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert!(ended.out.parse::<toml::Table>().is_ok() && ended.out.contains("\nthreads = 16\n"), "{}", ended.out);
}

/// What is to be edited was typed.
#[test]
fn the_file_of_a_new_pool_passes_the_check() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return println!("skipped: only root starts pools of another user");
    }
    let (directory, config) = including();
    let socket = format!("unix:{}/s.sock", directory.path().display());
    let app = directory.path().join("hello.py");
    let args = ["--app", path_text(&app), "--user", "root", "--listen", &socket, "--socket-group", "root"];
    let ended = run(&mut pyfcgid(&[&["new", "shop", "-c", path_text(&config)][..], &args].concat()));
    assert_eq!(ended.code, 0, "{}", ended.err);
    let mut check = pyfcgid(&["check", "-c", path_text(&config)]);
    let ended = run(check.env_remove("PYFCGID_USER").env_remove("PYFCGID_SOCKET_MODE"));
    assert!(ended.code == 0 && ended.err.contains("checked 1 pool in"), "{}", ended.err);
}
