//! wsgi.errors, print() and tracebacks.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::support::process::wait_until;
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

/// The records of the log that have `text`: each from its head to the next one's.
fn records(log: &str, text: &str) -> Vec<String> {
    let mut records: Vec<String> = Vec::new();
    for line in log.lines() {
        match records.last_mut() {
            Some(record) if line.starts_with("    ") => *record += &format!("\n{line}"),
            _ => records.push(line.to_owned()),
        }
    }
    records.retain(|record| record.contains(text));
    records
}

/// The one record that has `text`, once it is there.
#[track_caller]
pub fn record(server: &Pyfcgid, text: &str) -> String {
    let log = server.wait_for_log(text);
    let found = records(&log, text);
    assert_eq!(found.len(), 1, "{text:?} in {found:#?}");
    found.into_iter().next().unwrap()
}

/// Lets `prints.py` do it, and returns the number of the request.
#[track_caller]
fn print(server: &Pyfcgid, way: &str) -> String {
    server.connect().request(&Params::get(way), b"").expect_status(200).text()
}

#[test]
fn what_is_printed_in_one_call_is_one_record_with_the_number_of_its_request() {
    let server = Pyfcgid::serve(app("prints.py"), &[]);
    for (way, level) in [("/stdout", "info"), ("/stderr", "warn")] {
        let request = print(&server, way);
        let expected =
            format!("[{level}] prints[{}]: request {request}: first of {way}\n    second of {way}", server.child_pid());
        assert!(record(&server, &format!("second of {way}")).ends_with(&expected), "{}", server.log());
    }
}

/// Fails unless a traceback that was printed in this way is one record from its first line to its last.
#[track_caller]
fn expect_one_traceback(server: &Pyfcgid, way: &str) -> String {
    let record = record(server, &format!("ValueError: of {way}"));
    for text in ["Traceback (most recent call last):\n", ", in fall\n", "raise ValueError(\"of \" + way)\n"] {
        assert!(record.contains(text), "no {text:?} in {record}");
    }
    assert!(record.contains("During handling of the above exception"), "{record}");
    record
}

#[test]
fn a_traceback_of_the_application_is_one_record_however_it_is_printed() {
    let server = Pyfcgid::serve(app("prints.py"), &[]);
    for way in ["/logging", "/print_exc", "/excepthook", "/wsgi.errors"] {
        let request = print(&server, way);
        let record = expect_one_traceback(&server, way);
        assert!(record.contains(&format!("request {request}: ")), "{record}");
        // logging writes both of a chain in one call.
        assert_eq!(record.contains("KeyError: 'cause'"), way == "/logging", "{record}");
    }
    let log = server.log();
    let causes = records(&log, "KeyError: 'cause'");
    assert!(causes.iter().all(|record| record.contains("Traceback") && record.contains(", in fall")), "{causes:#?}");
    assert_eq!(causes.len(), 4, "{causes:#?}");
}

#[test]
fn the_traceback_of_a_thread_is_one_record() {
    let server = Pyfcgid::serve(app("prints.py"), &[]);
    print(&server, "/thread");
    expect_one_traceback(&server, "/thread");
}

#[test]
fn threads_that_print_at_once_do_not_get_into_each_others_lines() {
    let server = Pyfcgid::serve(app("prints.py"), &["--threads", "4"]);
    let mut peers: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.send_request(1, true, &Params::get(&format!("/pieces?{number}")), b"");
    }
    let requests: Vec<String> = peers.iter_mut().map(|peer| peer.answer(1).expect_status(200).text()).collect();
    let log = server.wait_for_log_that("all lines", |log| log.matches("end of").count() >= 4 * 50);
    for (number, request) in requests.iter().enumerate() {
        let line = format!("request {request}: {} end of {number}", format!("{number} ").repeat(20).trim_end());
        assert_eq!(log.matches(&line).count(), 50, "{line:?} in {log}");
    }
}

#[test]
fn the_beginning_of_a_line_is_said_when_its_request_ends() {
    let server = Pyfcgid::serve(app("prints.py"), &[]);
    let request = print(&server, "/no-end");
    server.wait_for_log(&format!("request {request}: a beginning\n"));
}

#[test]
fn the_beginning_of_a_line_is_said_when_the_import_ends() {
    let server = Pyfcgid::serve(app("request_thread.py"), &[]);
    server.wait_for_log("]: imported,\n    and nothing more\n");
}

#[test]
fn a_thread_of_no_request_has_no_number_and_says_the_rest_at_its_end() {
    let server = Pyfcgid::serve(app("prints.py"), &[]);
    print(&server, "/own-thread");
    let log = server.wait_for_log("the rest of a thread");
    assert!(log.contains("]: a line of a thread\n") && log.contains("]: the rest of a thread\n"), "{log}");
}

#[test]
fn a_flush_says_the_lines_that_are_whole() {
    let server = Pyfcgid::serve(app("prints.py"), &[]);
    let gate = server.directory().join("gate");
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get(&format!("/flush?{}", gate.display())), b"");
    server.wait_for_log("whole before the flush\n");
    assert!(!server.log().contains("begun before"), "{}", server.log());
    fs::write(gate, "").unwrap();
    peer.answer(1).expect_status(200);
    server.wait_for_log("begun before the flush and ended after it\n");
}

#[test]
fn stdout_level_and_stderr_level_say_how_bad_it_is() {
    let server = Pyfcgid::serve(app("prints.py"), &["--stdout-level", "error", "--stderr-level", "info"]);
    for (way, level) in [("/stdout", "error"), ("/stderr", "info"), ("/descriptor-1", "error"), ("/descriptor-2", "info")] {
        print(&server, way);
        let record = record(&server, &format!("first of {way}"));
        assert!(record.contains(&format!("[{level}] prints[")), "{record}");
    }
    let quiet = Pyfcgid::serve(app("prints.py"), &["--stdout-level", "debug"]);
    print(&quiet, "/stdout");
    print(&quiet, "/stderr");
    quiet.wait_for_log("second of /stderr");
    assert!(!quiet.log().contains("of /stdout"), "{}", quiet.log());
}

#[test]
fn the_log_of_the_application_may_be_its_lines_as_they_are() {
    let launch = Launch::serve(app("prints.py")).args(["--app-log", "plain", "--log", "file:log"]);
    let path = launch.directory().join("log");
    let server = launch.start_unawaited();
    wait_until("the server", || server.socket().exists() && crate::support::Peer::try_connect(&server.address()).is_ok());
    for way in ["/json", "/errors-json", "/descriptor-1", "/stdout", "/escape", "/print_exc"] {
        print(&server, way);
    }
    let read = || fs::read_to_string(&path).unwrap();
    wait_until("the last line", || read().contains("ValueError: of /print_exc"));
    let log = read();
    let lines: Vec<&str> = log.lines().collect();
    let json: Vec<Value> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect();
    let lengths: Vec<_> =
        json.iter().map(|line| (line["way"].as_str().unwrap(), line["text"].as_str().unwrap().len())).collect();
    assert_eq!(lengths, [("print", 10), ("print", 100_000), ("wsgi.errors", 10), ("wsgi.errors", 100_000)]);
    for line in ["first of /descriptor-1", "first of /stdout", "second of /stdout", "Traceback (most recent call last):"] {
        assert!(lines.contains(&line), "no {line:?} in {log}");
    }
    assert!(lines.contains(&"\u{1b}[31mred\u{1b}[0m"), "{log:?}");
    assert!(lines.iter().any(|line| line.contains("[info] prints[") && line.contains("serving")), "ours are as ever: {log}");
}

#[test]
fn each_piece_of_a_long_line_has_the_number_of_its_request() {
    let server = Pyfcgid::serve(app("prints.py"), &[]);
    let number = server.connect().request(&Params::get("/long"), b"").expect_status(200).text();
    let log = server
        .wait_for_log_that("all of it", |log| log.lines().map(|line| line.matches('y').count()).sum::<usize>() >= 200_000);
    let head = format!("request {number}: ");
    let pieces: Vec<_> = log.lines().filter_map(|line| Some(line.split_once(&head)?.1)).collect();
    assert_eq!(pieces.concat(), "y".repeat(200_000));
    assert!(pieces.len() < 10 && pieces.iter().all(|piece| !piece.is_empty()), "{}", pieces.len());
}
