//! `pyfcgid.LogHandler` and `pyfcgid.request_id`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::logging::record;
use crate::support::process::wait_until;
use crate::support::{Launch, Params, Pyfcgid, app};

#[track_caller]
fn serve(arguments: &[&str]) -> Pyfcgid {
    Pyfcgid::serve(app("log_handler.py"), arguments)
}

/// Has it logged in this way, and returns the number of the request.
#[track_caller]
fn log(server: &Pyfcgid, way: &str) -> String {
    server.connect().request(&Params::get(way), b"").expect_status(200).text()
}

/// How a message of a request looks behind its time.
fn message(server: &Pyfcgid, level: &str, request: &str, text: &str) -> String {
    format!(" [{level}] log_handler[{}]: request {request}: shop: {text}", server.child_pid())
}

#[test]
fn a_record_is_a_message_of_its_level_with_the_number_of_its_request() {
    let server = serve(&["--log-level", "trace"]);
    let request = log(&server, "/levels");
    for (number, level) in [(50, "error"), (40, "error"), (35, "warn"), (30, "warn"), (20, "info"), (10, "debug"), (5, "trace")]
    {
        let text = format!("of level {number}");
        let line = server.wait_for_log_that(&text, |log| log.lines().any(|line| line.ends_with(&text)));
        let expected = message(&server, level, &request, &text);
        assert!(line.lines().any(|line| line.ends_with(&expected)), "no {expected:?} in {line}");
    }
}

#[test]
fn a_record_below_the_level_of_the_log_is_left_out() {
    let server = serve(&["--log-level", "warn"]);
    log(&server, "/levels");
    log(&server, "/traceback");
    let log = server.wait_for_log("KeyError: 'cause'");
    assert!(log.contains("of level 30") && log.contains("of level 35"), "{log}");
    assert!(!log.contains("of level 20") && !log.contains("of level 10"), "{log}");
}

#[test]
fn a_traceback_is_in_the_message_of_its_record() {
    let server = serve(&[]);
    let request = log(&server, "/traceback");
    let record = record(&server, "KeyError: 'cause'");
    let expected = message(&server, "error", &request, "it fell\n    Traceback (most recent call last):\n");
    assert!(record.contains(&expected), "no {expected:?} in {record}");
    assert!(record.ends_with("KeyError: 'cause'"), "{record}");
}

#[test]
fn requests_that_run_at_once_have_their_own_numbers() {
    let server = serve(&["--threads", "4"]);
    let mut peers: Vec<_> = (0..4).map(|_| server.connect()).collect();
    peers.iter_mut().for_each(|peer| peer.send_request(1, true, &Params::get("/often"), b""));
    let requests: Vec<String> = peers.iter_mut().map(|peer| peer.answer(1).expect_status(200).text()).collect();
    let log = server.wait_for_log_that("all of them", |log| log.matches("shop: of ").count() >= 4 * 50);
    for request in requests {
        let line = format!("request {request}: shop: of {request}\n");
        assert_eq!(log.matches(&line).count(), 50, "{line:?} in {log}");
    }
}

#[test]
fn threads_of_the_application_the_import_and_the_end_have_no_number() {
    let mut server = serve(&[]);
    let child = server.child_pid();
    log(&server, "/thread");
    server.stop();
    let log = server.log();
    for (level, text) in [("error", "at import, of request None"), ("info", "in a thread"), ("warn", "at exit")] {
        let line = format!(" [{level}] log_handler[{child}]: shop: {text}\n");
        assert!(log.contains(&line), "no {line:?} in {log}");
    }
}

#[test]
fn a_forked_process_logs_for_the_request_that_has_forked_it() {
    let server = serve(&[]);
    let request = log(&server, "/fork");
    server.wait_for_log(&message(&server, "info", &request, "in a forked process\n"));
}

#[test]
fn a_record_that_cannot_be_written_harms_no_request() {
    let server = serve(&[]);
    let request = log(&server, "/wrongly");
    let log = server.wait_for_log(&message(&server, "info", &request, "after all\n"));
    for error in ["TypeError: %d format", "ValueError: it says nothing", "OverflowError"] {
        assert!(log.contains(error), "no {error:?} in {log}");
    }
    assert_eq!(log.matches("--- Logging error ---").count(), 3, "{log}");
}

#[test]
fn a_record_cannot_forge_a_line_or_command_a_terminal() {
    let server = serve(&[]);
    let request = log(&server, "/odd");
    let record = record(&server, "shop: one");
    let expected = message(&server, "info", &request, "one\\u{1b}[31m\n    two caf\\udce9.txt");
    assert!(record.ends_with(&expected), "no {expected:?} in {record:?}");
}

#[test]
fn a_record_that_is_far_too_long_is_cut() {
    let server = serve(&[]);
    log(&server, "/long");
    let log = server.wait_for_log("more bytes left out");
    let length = log.matches('x').count();
    assert!((1 << 19..=(1 << 20) + 1000).contains(&length), "{length}");
}

#[test]
fn with_app_log_plain_a_record_is_written_as_it_is() {
    let launch = Launch::serve(app("log_handler.py")).args(["--app-log", "plain", "--log", "file:log"]);
    let path = launch.directory().join("log");
    let server = launch.start_unawaited();
    wait_until("the server", || crate::support::Peer::try_connect(&server.address()).is_ok());
    log(&server, "/json");
    let line = format!("shop: {{\"length\": \"{}\"}}", "x".repeat(100_000));
    wait_until("the line", || fs::read_to_string(&path).unwrap().lines().any(|found| found == line));
}

#[test]
fn every_place_of_a_request_knows_its_number() {
    let server = Pyfcgid::serve(app("request_id.py"), &[]);
    let text = server.connect().request(&Params::get("/"), b"").expect_status(200).text();
    let numbers: Vec<&str> = text.split(' ').collect();
    assert!(numbers[0].starts_with(&format!("{}-", server.child_pid())), "{text}");
    assert_eq!(numbers[1..], [numbers[0], numbers[0], "None"]);
    server.wait_for_log(&format!("request {}: closed {} imported None\n", numbers[0], numbers[0]));
}

/// What a Python without pyfcgid makes of it, where the package is installed.
#[track_caller]
fn elsewhere(code: &str) -> Output {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let mut python = Command::new("python3");
    let output = python.args(["-B", "-c", code]).env("PYTHONPATH", package).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn under_other_servers_records_go_to_stderr_and_no_request_has_a_number() {
    let output = elsewhere(
        "import logging, pyfcgid, sys\n\
         assert pyfcgid.request_id() is None\n\
         assert pyfcgid.LogHandler is pyfcgid.LogHandler\n\
         logging.basicConfig(handlers=[pyfcgid.LogHandler()], format='%(levelname)s %(message)s')\n\
         logging.info('too little')\n\
         logging.warning('it is %d o\\'clock', 12)\n\
         logging.error('%d', 'wrong')\n\
         sys.stderr = None\n\
         logging.warning('to nobody')\n",
    );
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("WARNING it is 12 o'clock\n--- Logging error ---\n"), "{stderr}");
    assert!(!stderr.contains("too little") && !stderr.contains("to nobody"), "{stderr}");
}

#[test]
fn whoever_does_not_log_does_not_import_logging() {
    let code = "import pyfcgid, sys\n\
                assert not hasattr(pyfcgid, 'LogHandlers')\n\
                print('logging' in sys.modules, pyfcgid.LogHandler, 'logging' in sys.modules)";
    assert_eq!(String::from_utf8(elsewhere(code).stdout).unwrap(), "False <class 'pyfcgid.LogHandler'> True\n");
}
