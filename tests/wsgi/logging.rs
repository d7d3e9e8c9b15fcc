//! wsgi.errors, print() and tracebacks.

use std::fs;
use std::time::Duration;

use crate::support::{Launch, Params, Pyfcgid, app};

#[test]
fn wsgi_errors_goes_to_the_log_and_not_to_the_peer() {
    let server = Pyfcgid::serve(app("logs.py"), &[]);
    let answer = server.connect().request(&Params::get("/"), b"").expect_status(200);
    assert!(answer.stderr.is_empty(), "{}", answer.summary());
    for text in ["by write", "by writelines, one", "by writelines, two", "by print to wsgi.errors", "with \u{e9} and \u{20ac}"]
    {
        server.wait_for_log(text);
    }
}

#[test]
fn a_line_written_in_pieces_is_one_line_in_the_log() {
    let server = Pyfcgid::serve(app("logs.py"), &[]);
    server.connect().request(&Params::get("/"), b"").expect_status(200);
    server.wait_for_log("in two pieces");
}

#[test]
fn a_line_of_wsgi_errors_names_process_and_request() {
    let server = Pyfcgid::serve(app("logs.py"), &[]);
    let answer = server.connect().request(&Params::get("/"), b"").expect_status(200);
    let log = server.wait_for_log("by write");
    let line = log.lines().find(|line| line.contains("by write")).unwrap();
    for name in ["X-Request-Id", "X-Pid"] {
        let value = answer.header(name).unwrap();
        assert!(line.contains(&value), "no {name} {value} in {line:?}");
    }
}

#[test]
fn wsgi_errors_refuses_bytes() {
    let server = Pyfcgid::serve(app("logs.py"), &[]);
    assert_eq!(server.connect().request(&Params::get("/"), b"").expect_status(200).text(), "TypeError");
}

/// A line in the log says which process wrote it.
#[track_caller]
fn expect_captured(text: &str) {
    let server = Pyfcgid::serve(app("logs.py"), &[]);
    server.connect().request(&Params::get("/"), b"").expect_status(200);
    let log = server.wait_for_log_that(text, |log| log.lines().any(|line| line.ends_with(text)));
    assert_eq!(server.stdout(), "", "the log is on stderr");
    let line = log.lines().find(|line| line.ends_with(text)).unwrap();
    assert!(line.contains(&server.child_pid().to_string()), "{line:?} does not look like a line of the log");
}

#[test]
fn print_is_captured_line_by_line() {
    expect_captured("by print");
}

#[test]
fn bytes_of_any_kind_that_are_written_to_stdout_are_captured() {
    expect_captured("by bytearray");
    expect_captured("by memoryview");
}

#[test]
fn stderr_of_the_app_is_captured_line_by_line() {
    expect_captured("by print to stderr");
}

#[test]
fn wsgi_errors_also_goes_to_the_peer_when_the_operator_says_so() {
    let server = Pyfcgid::serve(app("logs.py"), &["--errors", "peer"]);
    let answer = server.connect().request(&Params::get("/"), b"").expect_status(200);
    let stderr = String::from_utf8(answer.stderr.clone()).unwrap();
    assert!(stderr.contains("by write\n") && stderr.contains("in two pieces\n"), "{stderr}");
    server.wait_for_log("by write");
}

/// HAProxy 2.6 dies on a STDERR record that comes alone.
#[test]
fn errors_for_the_peer_come_with_its_stdout_data() {
    let server = Pyfcgid::serve(app("echoes.py"), &["--errors", "peer"]);
    let gate = server.directory().join("gate");
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get(&format!("/?{}", gate.display())), b"");
    server.wait_for_log("the app ran");
    assert!(peer.is_silent_for(Duration::from_millis(300)), "something came before the answer did");
    fs::write(gate, "").unwrap();
    let answer = peer.answer(1).expect_status(200);
    assert_eq!(String::from_utf8_lossy(&answer.stderr), "the app ran for no cookie\n");
}

#[test]
fn long_lines_and_many_lines_of_wsgi_errors_are_logged_whole() {
    let server = Pyfcgid::serve(app("logs_much.py"), &[]);
    assert_eq!(server.connect().request(&Params::get("/"), b"").expect_status(200).text(), "logged");
    let log = server.wait_for_log("line 999");
    assert_eq!(log.matches("long ").count(), 40_000);
    assert_eq!(log.lines().filter(|line| line.contains(": line ")).count(), 1000);
}

#[test]
fn long_lines_and_many_lines_of_wsgi_errors_reach_the_peer_whole() {
    let server = Pyfcgid::serve(app("logs_much.py"), &["--errors", "peer"]);
    let answer = server.connect().request(&Params::get("/"), b"").expect_status(200);
    let stderr = String::from_utf8(answer.stderr.clone()).unwrap();
    assert_eq!((stderr.matches("long ").count(), stderr.lines().count()), (40_000, 1001));
    assert_eq!(answer.text(), "logged");
}

#[test]
fn every_line_of_a_traceback_stands_in_the_log() {
    let server = Pyfcgid::serve(app("raises.py"), &[]);
    server.connect().request(&Params::get("/in-the-first-step"), b"").expect_status(500);
    let log = server.wait_for_log("Secret: the hidden reason");
    for text in ["Traceback (most recent call last)", "raises.py", "in body"] {
        assert!(log.contains(text), "no {text:?} in {log}");
    }
}

#[test]
fn a_traceback_with_a_lone_surrogate_stands_in_the_log_whole() {
    let server = Pyfcgid::serve(app("surrogates.py"), &[]);
    server.connect().request(&Params::get("/"), b"").expect_status(500);
    let log = server.wait_for_log("RuntimeError: cannot read caf");
    for text in ["Traceback (most recent call last)", "No such file or directory: 'caf\\udce9.txt'", "in fail"] {
        assert!(log.contains(text), "no {text:?} in {log}");
    }
    assert!(log.contains("RuntimeError: cannot read caf\\udce9.txt\n"), "{log}");
    server.connect().request(&Params::get("/group"), b"").expect_status(500);
    let log = server.wait_for_log("Unspeakable");
    assert!(log.matches("Traceback (most recent call last)").count() >= 4, "{log}");
}

#[test]
fn a_traceback_with_a_lone_surrogate_at_import_is_told_whole() {
    let finished = Launch::serve(app("surrogates.py")).env("FAIL_AT_IMPORT", "1").run().expect_code(70);
    for text in ["Traceback (most recent call last)", "in fail", "its import failed: RuntimeError: cannot read caf\\udce9.txt"]
    {
        assert!(finished.stderr.contains(text), "no {text:?} in {}", finished.stderr);
    }
}

#[test]
fn what_is_no_utf_8_is_escaped_alike_wherever_it_is_written() {
    let server = Pyfcgid::serve(app("surrogates.py"), &[]);
    server.connect().request(&Params::get("/errors"), b"").expect_status(200);
    for way in ["wsgi.errors", "print", "stderr"] {
        server.wait_for_log(&format!("{way}: caf\\udce9.txt\n"));
    }
}
