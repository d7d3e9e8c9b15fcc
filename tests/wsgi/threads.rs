//! Threads that the application starts while it answers a request: they are waited for as those of any Python program.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::peer::DEADLINE;
use crate::support::process::wait_until;
use crate::support::{Launch, Params, Peer, Pyfcgid, app};

/// A server whose application starts a thread that goes on until `let_go`.
#[track_caller]
fn start(arguments: &[&str]) -> Pyfcgid {
    let launch = Launch::serve(app("request_thread.py")).args(arguments);
    let gate = launch.directory().join("gate");
    launch.env("GATE", gate).start()
}

fn ask(server: &Pyfcgid) -> String {
    server.connect().request(&Params::get("/"), b"").expect_status(200).text()
}

fn let_go(server: &Pyfcgid) {
    fs::write(server.directory().join("gate"), "").unwrap();
}

#[test]
fn a_thread_that_a_request_starts_is_no_daemon() {
    let server = start(&[]);
    assert_eq!(ask(&server), "daemon False");
    let_go(&server);
    server.wait_for_log("mail sent");
}

#[test]
fn a_stop_waits_for_the_threads_of_requests() {
    let mut server = start(&[]);
    ask(&server);
    server.signal("TERM");
    wait_until("the server to stop accepting", || Peer::try_connect(&server.address()).is_err());
    server.expect_running();
    let_go(&server);
    assert_eq!(server.wait_for_exit(DEADLINE).code(), Some(0));
    let log = server.log();
    let place = |text| log.find(text).unwrap_or_else(|| panic!("no {text:?} in {log}"));
    assert!(place("mail sent") < place("atexit ran"), "{log}");
}

/// Fails unless the process that had a request is replaced, and its thread comes to its end all the same.
#[track_caller]
fn expect_replaced_and_waited_for(server: &Pyfcgid, old: u32) {
    wait_until("another process", || server.children().iter().any(|child| *child != old));
    server.connect().request(&Params::get("/nothing"), b"").expect_status(200);
    // Without the thread it ends at once.
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(1) {
        assert!(server.children().contains(&old), "it did not wait: {}", server.log());
        sleep(Duration::from_millis(20));
    }
    let_go(server);
    server.wait_for_log("mail sent");
    wait_until("the old process to end", || !server.children().contains(&old));
}

#[test]
fn a_reload_waits_for_the_threads_of_requests() {
    let server = start(&[]);
    let old = server.child_pid();
    ask(&server);
    server.signal("HUP");
    expect_replaced_and_waited_for(&server, old);
}

#[test]
fn max_requests_waits_for_the_threads_of_requests() {
    // One more is what finds out that it serves.
    let server = start(&["--max-requests", "4"]);
    let old = server.child_pid();
    (0..4).for_each(|_| drop(ask(&server)));
    expect_replaced_and_waited_for(&server, old);
}

#[test]
fn a_thread_that_is_not_done_within_graceful_timeout_is_named() {
    let mut server = start(&["--graceful-timeout", "1s"]);
    ask(&server);
    server.signal("TERM");
    server.wait_for_exit(DEADLINE);
    let log = server.log();
    let named = log.lines().find(|line| line.contains("[warn]") && line.contains("graceful-timeout: mailer;"));
    let named = named.unwrap_or_else(|| panic!("not named:\n{log}"));
    let stack = log.split_once(named).unwrap().1;
    assert!(stack.starts_with("\n    mailer:\n") && stack.contains("request_thread.py\", line "), "{log}");
    assert!(!log.contains("mail sent") && !log.contains("atexit ran"), "{log}");
    for stranger in ["pyfcgid-worker", "MainThread"] {
        assert!(!named.contains(stranger), "{named}");
    }
}

#[test]
fn a_thread_beside_a_request_that_hangs_is_named_as_well() {
    let mut server = start(&["--graceful-timeout", "1s"]);
    ask(&server);
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get("/hang"), b"");
    server.wait_for_log("hanging");
    server.signal("TERM");
    server.wait_for_exit(DEADLINE);
    assert!(server.log().contains("graceful-timeout: mailer; "), "{}", server.log());
    assert!(server.log().contains(": and has begun to say so\n"), "{}", server.log());
}

#[test]
fn a_daemon_thread_is_not_waited_for() {
    let mut server = start(&[]);
    assert_eq!(server.connect().request(&Params::get("/daemon"), b"").expect_status(200).text(), "daemon True");
    assert_eq!(server.stop().code(), Some(0));
    assert!(!server.log().contains("mail sent"), "{}", server.log());
}

#[test]
fn a_pool_of_threads_of_a_request_finishes_its_work() {
    let mut server = start(&[]);
    server.connect().request(&Params::get("/executor"), b"").expect_status(200);
    server.signal("TERM");
    wait_until("the server to stop accepting", || Peer::try_connect(&server.address()).is_err());
    let_go(&server);
    assert_eq!(server.wait_for_exit(DEADLINE).code(), Some(0));
    assert!(server.log().contains("mail sent"), "{}", server.log());
}

/// `multiprocessing` ends its processes as it would at the end of any program.
#[test]
fn a_process_forked_from_a_request_by_multiprocessing_ends_as_it_would_elsewhere() {
    let server = start(&[]);
    assert_eq!(server.connect().request(&Params::get("/process"), b"").expect_status(200).text(), "exit code 0");
    let pgrep = Command::new("pgrep").args(["-P", &server.child_pid().to_string()]).output().unwrap();
    assert!(pgrep.stdout.is_empty(), "{}", String::from_utf8_lossy(&pgrep.stdout));
}
