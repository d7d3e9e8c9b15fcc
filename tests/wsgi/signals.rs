//! Signals that an application hears, and those that it only believes to hear.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::process::wait_until;
use crate::support::{Launch, Params, Peer, Pyfcgid, app};

fn start(handles: &str) -> Pyfcgid {
    Launch::serve(app("handles_signals.py")).env("HANDLES", handles).env("LONG", "2").args(["--threads", "2"]).start()
}

fn signal(server: &Pyfcgid, name: &str) {
    let child = server.child_pid().to_string();
    assert!(Command::new("kill").args(["-s", name, &child]).status().unwrap().success());
}

#[track_caller]
fn expect_answer(server: &Pyfcgid) -> String {
    server.connect().request(&Params::get("/"), b"").expect_status(200).text()
}

/// Has it stop while it waits with a request for this file.
fn stop_with_a_request(server: &Pyfcgid) -> (PathBuf, Peer) {
    let gate = server.directory().join("gate");
    let mut running = server.connect();
    running.send_request(1, true, &Params::get(&format!("/?{}", gate.display())), b"");
    expect_answer(server);
    server.signal("TERM");
    wait_until("the server to stop accepting", || Peer::try_connect(&server.address()).is_err());
    (gate, running)
}

/// Sends a signal, whose handler has to have run soon.
#[track_caller]
fn expect_heard(server: &Pyfcgid, name: &str) {
    let told = format!("heard SIG{name} in the main thread");
    let before = server.log().matches(&told).count();
    let begun = Instant::now();
    signal(server, name);
    server.wait_for_log_that(&told, |log| log.matches(&told).count() > before);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn a_handler_that_the_import_sets_runs_soon_while_no_request_does() {
    let mut server = start("SIGUSR1 SIGUSR2 SIGHUP SIGINT SIGWINCH SIGALRM SIGCHLD");
    for name in ["USR1", "USR2", "HUP", "INT", "WINCH", "ALRM", "CHLD", "USR1"] {
        expect_heard(&server, name);
        expect_answer(&server);
    }
    assert!(server.stop().success());
}

#[test]
fn a_handler_runs_while_requests_do_and_others_are_answered_meanwhile() {
    let mut server = start("SIGUSR1 SIGALRM long");
    let gate = server.directory().join("gate");
    let mut running = server.connect();
    running.send_request(1, true, &Params::get(&format!("/?{}", gate.display())), b"");
    for name in ["USR1", "ALRM"] {
        expect_heard(&server, name);
    }
    signal(&server, "WINCH");
    server.wait_for_log("long begins");
    for _ in 0..3 {
        expect_answer(&server);
    }
    assert!(!server.log().contains("long ends"), "a handler that takes long holds up no request");
    fs::write(&gate, "").unwrap();
    running.answer(1).expect_status(200);
    server.wait_for_log("long ends");
    assert!(server.stop().success());
}

#[test]
fn a_handler_of_a_timer_runs_again_and_again() {
    let mut server = start("ticks");
    let ticks = || expect_answer(&server).parse::<u32>().unwrap();
    let before = ticks();
    wait_until("ticks", || ticks() > before + 10);
    assert!(server.stop().success());
    assert!(server.log().contains("the end"), "{}", server.log());
}

#[test]
fn faulthandler_shows_the_threads_when_it_is_asked_to() {
    let mut server = start("faulthandler");
    signal(&server, "USR2");
    server.wait_for_log("most recent call first");
    expect_answer(&server);
    assert!(server.stop().success());
}

#[test]
fn a_handler_that_raises_is_in_the_log_with_its_traceback_and_harms_nothing() {
    let mut server = start("fail SIGUSR1");
    let child = server.child_pid();
    for count in 1..=2 {
        signal(&server, "WINCH");
        server.wait_for_log_that("two tracebacks", |log| log.matches("ValueError: of the handler").count() == count);
        expect_heard(&server, "USR1");
        expect_answer(&server);
    }
    assert_eq!(server.child_pid(), child);
    let log = server.log();
    assert!(log.contains("a signal handler of the application failed:\n    Traceback (most recent call last)"), "{log}");
    assert!(log.contains("in fail\n"), "{log}");
    assert!(server.stop().success());
    assert!(server.log().contains("the end"), "{}", server.log());
}

#[test]
fn a_handler_that_raises_at_any_time_keeps_nobody_from_a_graceful_stop() {
    let mut server = start("raise");
    server.wait_for_log("ValueError: tick 10");
    let (gate, mut running) = stop_with_a_request(&server);
    let ticks = server.log().matches("ValueError: tick ").count();
    server.wait_for_log_that("further ticks", |log| log.matches("ValueError: tick ").count() > ticks + 5);
    fs::write(&gate, "").unwrap();
    running.answer(1).expect_status(200);
    assert_eq!(server.wait_for_exit(crate::support::peer::DEADLINE).code(), Some(0), "{}", server.log());
    let log = server.log();
    assert!(log.contains("the end") && !log.contains("requests still running"), "{log}");
}

#[test]
fn a_handler_for_the_signals_of_a_stop_is_told_not_to_be_called_and_the_stop_is_graceful() {
    let mut server = start("SIGTERM SIGQUIT");
    for name in ["SIGTERM", "SIGQUIT"] {
        let told = format!("the application set a handler for {name} during its import: it is not called");
        assert_eq!(server.log().matches(&told).count(), 1, "{}", server.log());
    }
    let (gate, mut running) = stop_with_a_request(&server);
    fs::write(&gate, "").unwrap();
    running.answer(1).expect_status(200);
    assert_eq!(server.wait_for_exit(crate::support::peer::DEADLINE).code(), Some(0));
    let log = server.log();
    assert!(log.contains("the end") && !log.contains("heard SIG"), "{log}");
}

#[test]
fn signals_that_nobody_has_set_a_handler_for_do_nothing() {
    let mut server = start("");
    let child = server.child_pid();
    for name in ["USR1", "HUP", "USR2", "WINCH", "INT", "TTIN", "TTOU", "CHLD", "PIPE", "XFSZ"] {
        signal(&server, name);
        expect_answer(&server);
    }
    assert_eq!(server.child_pid(), child);
    assert!(!server.log().contains("[warn]") && !server.log().contains("[error]"), "{}", server.log());
    assert!(server.stop().success());
}

#[test]
fn an_application_that_has_a_wakeup_descriptor_of_its_own_is_served_with_a_warning() {
    let mut server = start("wakeup SIGUSR1");
    let log = server.wait_for_log("the application called signal.set_wakeup_fd");
    assert_eq!(log.matches("set_wakeup_fd").count(), 1, "{log}");
    signal(&server, "USR1");
    server.wait_for_log("heard SIGUSR1 in the main thread");
    expect_answer(&server);
    assert!(server.stop().success());
    assert!(server.log().contains("the end"), "{}", server.log());
}
