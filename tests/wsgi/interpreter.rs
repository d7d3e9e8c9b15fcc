//! Threads, signals, files and the end of the interpreter.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::wait_until;
use crate::support::{Launch, Params, Pyfcgid, app};

#[test]
fn worker_threads_are_real_python_threads_with_names() {
    let server = Pyfcgid::serve(app("threads.py"), &["--threads", "1"]);
    let shown = server.connect().request(&Params::get("/"), b"").expect_status(200).json();
    let name = shown["name"].as_str().unwrap();
    let number = name.strip_prefix("pyfcgid-worker-").unwrap_or_else(|| panic!("named {name:?}"));
    assert!(number.parse::<u32>().is_ok(), "named {name:?}");
    assert_eq!(shown["type"], "Thread");
    assert_eq!((&shown["ident"], &shown["listed"]), (&json!(true), &json!(true)));
    assert_eq!((&shown["is_main"], &shown["main_alive"]), (&json!(false), &json!(true)));
}

#[test]
fn as_many_requests_run_at_once_as_there_are_threads() {
    let server = Pyfcgid::serve(app("threads.py"), &["--threads", "3"]);
    let mut peer = server.connect();
    for id in 1..=3 {
        peer.send_request(id, true, &Params::get("/meet?3"), b"");
    }
    let names: BTreeSet<String> = (1..=3).map(|id| peer.answer(id).expect_status(200).json()["name"].to_string()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn threading_local_survives_between_requests() {
    let server = Pyfcgid::serve(app("threads.py"), &["--threads", "1"]);
    for count in 1..=3 {
        let shown = server.connect().request(&Params::get("/"), b"").expect_status(200).json();
        assert_eq!(shown["count"], count);
    }
}

fn interpreter(server: &Pyfcgid, path: &str) -> Value {
    server.connect().request(&Params::get(path), b"").expect_status(200).json()
}

#[test]
fn sys_argv_is_the_app() {
    let app = app("interpreter.py");
    assert_eq!(interpreter(&Pyfcgid::serve(&app, &[]), "/")["argv"], json!([app]));
}

#[test]
fn the_app_is_not_imported_as_main() {
    assert_ne!(interpreter(&Pyfcgid::serve(app("interpreter.py"), &[]), "/")["name"], "__main__");
}

/// Importing `signal` gives SIGINT to Python, unless the server takes it back.
#[test]
fn an_app_that_imports_signal_is_stopped_by_int() {
    let mut server = Pyfcgid::serve(app("interpreter.py"), &[]);
    server.signal("INT");
    assert_eq!(server.wait_for_exit(crate::support::peer::DEADLINE).code(), Some(0), "{}", server.log());
}

#[test]
fn a_request_cannot_set_a_signal_handler() {
    let shown = interpreter(&Pyfcgid::serve(app("interpreter.py"), &[]), "/");
    assert_eq!(shown["set_handler"], "ValueError");
}

#[test]
fn an_app_that_ignores_signals_at_import_is_stopped_all_the_same() {
    for signal in ["TERM", "INT"] {
        let mut server = Pyfcgid::serve(app("ignores_term.py"), &[]);
        server.connect().request(&Params::get("/"), b"").expect_status(200);
        server.signal(signal);
        server.wait_for_exit(crate::support::peer::DEADLINE);
    }
}

#[test]
fn subprocesses_of_the_app_ignore_and_block_no_signal() {
    let server = Pyfcgid::serve(app("interpreter.py"), &[]);
    let signals = &interpreter(&server, "/subprocess")["signals"];
    for set in ["SigBlk", "SigIgn"] {
        assert_eq!(signals[set].as_u64().unwrap() & !OF_THE_C_LIBRARY, 0, "{signals}");
    }
}

#[test]
fn subprocesses_of_the_app_ignore_no_signal_that_the_starting_shell_ignored() {
    let ignoring = ["sh", "-c", "trap '' INT USR1 QUIT; exec \"$@\"", "sh"];
    let server = Launch::serve(app("interpreter.py")).under(ignoring).start();
    let signals = &interpreter(&server, "/subprocess")["signals"];
    assert_eq!(signals["SigIgn"].as_u64().unwrap() & !OF_THE_C_LIBRARY, 0, "{signals}");
}

/// Signals 32 and 33, which nobody can reset: glibc's posix_spawn lets every child ignore them.
const OF_THE_C_LIBRARY: u64 = 3 << 31;

/// But for what this test itself was started with, which `ls` sees without the server, too.
#[test]
fn subprocesses_of_the_app_inherit_no_file_descriptor() {
    let server = Pyfcgid::serve(app("interpreter.py"), &[]);
    let mut kept = server.connect();
    kept.request(&Params::get("/"), b"").expect_status(200);
    let strays = Command::new("ls").arg("/proc/self/fd").output().unwrap().stdout;
    let strays = String::from_utf8(strays).unwrap().lines().count();
    let files = &interpreter(&server, "/subprocess")["files"];
    assert!(files.as_array().unwrap().len() <= strays, "{files}");
}

#[test]
fn subprocesses_of_the_app_inherit_no_file_descriptor_that_the_starting_shell_left_open() {
    let careless = ["sh", "-c", "exec 7</dev/null; exec \"$@\"", "sh"];
    let server = Launch::serve(app("interpreter.py")).under(careless).start();
    let files = &interpreter(&server, "/subprocess")["files"];
    assert!(!files.as_array().unwrap().contains(&json!("7")), "{files}");
}

#[test]
fn threads_of_the_app_run_while_no_request_does() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("count");
    let server = Launch::serve(app("works_in_the_background.py")).env("COUNT_FILE", &file).start();
    let count = || fs::read_to_string(&file).ok().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    server.connect().request(&Params::get("/"), b"").expect_status(200);
    let before = count();
    wait_until("the app's thread to count", || count() > before + 3);
}

#[test]
fn atexit_runs_at_term() {
    let traces = tempfile::tempdir().unwrap();
    let mut server = Launch::serve(app("runs_atexit.py")).env("TRACES", traces.path()).start();
    server.connect().request(&Params::get("/"), b"").expect_status(200);
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    assert_eq!(fs::read_to_string(traces.path().join("atexit")).unwrap(), "MainThread");
}

#[test]
fn threads_of_the_app_are_joined_at_term() {
    let traces = tempfile::tempdir().unwrap();
    let mut server = Launch::serve(app("runs_atexit.py")).env("TRACES", traces.path()).start();
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    assert_eq!(fs::read_to_string(traces.path().join("joined")).unwrap(), "joined");
}

#[test]
fn files_that_the_app_never_closed_are_written_at_term() {
    let traces = tempfile::tempdir().unwrap();
    let mut server = Launch::serve(app("runs_atexit.py")).env("TRACES", traces.path()).start();
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    for name in ["text", "binary"] {
        assert_eq!(fs::read_to_string(traces.path().join(name)).unwrap(), name);
    }
}

#[test]
fn a_hanging_atexit_handler_does_not_hold_up_the_stop() {
    let mut server = Pyfcgid::serve(app("hangs_in_atexit.py"), &["--graceful-timeout", "1s"]);
    server.signal("TERM");
    let status = server.wait_for_exit(Duration::from_secs(15));
    assert_eq!(status.signal(), None, "{}", server.log());
}

#[test]
fn the_socket_is_gone_after_the_stop() {
    let mut server = Pyfcgid::serve(app("answers.py"), &[]);
    let socket = server.socket();
    assert!(socket.exists());
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    assert!(!socket.exists());
}

#[test]
fn a_running_request_is_finished_before_the_stop() {
    let mut server = Pyfcgid::serve(app("streams.py"), &[]);
    let seen = server.directory().join("seen");
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get(&format!("/?{}", seen.display())), b"");
    peer.wait_for_stdout(1, "first");
    server.signal("TERM");
    wait_until("the server to stop accepting", || crate::support::Peer::try_connect(&server.address()).is_err());
    fs::write(&seen, "").unwrap();
    assert_eq!(peer.answer(1).expect_status(200).text(), "first second");
    assert_eq!(server.wait_for_exit(crate::support::peer::DEADLINE).code(), Some(0));
}

#[test]
fn a_forked_child_that_is_terminated_does_not_stop_the_server() {
    let mut server = Pyfcgid::serve(app("terminates_its_child.py"), &[]);
    for _ in 0..2 {
        let answer = server.connect().request(&Params::get("/"), b"");
        assert_eq!(answer.expect_status(200).text(), "15");
    }
    server.expect_running();
}

/// As they are where Python starts by itself; what pyfcgid needs is its own again when the import is over.
#[test]
fn an_import_may_take_handlers_away_and_put_them_back() {
    let mut server = Pyfcgid::serve(app("puts_handlers_back.py"), &[]);
    let found = server.connect().request(&Params::get("/"), b"").expect_status(200).text();
    let expected = "SIGINT default_int_handler\nSIGTERM SIG_DFL\nSIGHUP SIG_DFL\nSIGUSR1 SIG_DFL\nSIGQUIT SIG_DFL\nSIGALRM SIG_DFL\n\
                    SIGPIPE SIG_IGN\n";
    assert_eq!(found, expected);
    let child = server.child_pid();
    for signal in ["INT", "HUP", "USR1"] {
        assert!(std::process::Command::new("kill").args(["-s", signal, &child.to_string()]).status().unwrap().success());
    }
    assert_eq!(server.connect().request(&Params::get("/"), b"").expect_status(200).text(), expected);
    assert_eq!(server.child_pid(), child);
    assert_eq!(server.stop().code(), Some(0));
}
