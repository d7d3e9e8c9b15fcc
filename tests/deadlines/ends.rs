//! Processes that end, or do not, while requests are beyond their time.

use std::thread;
use std::time::{Duration, Instant};

use crate::pool::{Hang, Pool, WORKERS, expect_end_in_time, tests_at_once};
use crate::site::{kill, wait_until_gone};
use crate::support::Params;
use crate::ways::AT_THE_END;

/// A pool with so many requests that were answered 504 and still run, in C code.
#[track_caller]
fn with_overdue(count: usize, settings: &str) -> Pool {
    let pool = Pool::start(settings);
    let hangs: Vec<Hang> = (0..count).map(|number| Hang::begin(&pool, &format!("/hang/sleeps?{number}"))).collect();
    Hang::expect_all_504(hangs);
    pool
}

#[track_caller]
fn expect_one_line_each(pool: &Pool, count: usize) {
    (0..count).for_each(|number| pool.expect_access(&format!("/hang/sleeps?{number}"), "504 request-timeout"));
}

fn a_stop_while_requests_are_overdue_ends_within_graceful_timeout() {
    let mut pool = with_overdue(3, "interrupt-timeout = \"30s\"\ngraceful-timeout = \"2s\"\n");
    let (child, begun) = (pool.child(), Instant::now());
    assert!(pool.stop().success());
    let took = begun.elapsed();
    println!("a stop while 3 requests were overdue took {took:.2?}");
    expect_end_in_time(took, Duration::from_secs(2));
    wait_until_gone([&child]);
    expect_one_line_each(&pool, 3);
}

fn a_reload_while_requests_are_overdue_loses_nobody_and_ends_their_process() {
    let pool = with_overdue(3, "interrupt-timeout = \"30s\"\ngraceful-timeout = \"2s\"\nenv = { BESIDE = \"1.5\" }\n");
    let child = pool.child();
    let mut beside = Hang::begin(&pool, "/beside/beside");
    beside.peer.wait_for_stdout(1, "begin");
    let begun = Instant::now();
    pool.control("reload").expect_code(0);
    assert!(beside.answer().0.expect_status(200).text().ends_with(" end"));
    wait_until_gone([&child]);
    let took = begun.elapsed();
    println!("a reload while 3 requests were overdue, until their process had ended: {took:.2?}");
    expect_end_in_time(took, Duration::from_secs(3));
    assert_ne!(pool.together(), child);
    expect_one_line_each(&pool, 3);
    pool.end();
}

fn exit_handlers_and_threads_that_hang_have_the_time_of_a_stop() {
    for (_, settings, path, says) in AT_THE_END {
        let mut pool = Pool::start(&format!("{settings}graceful-timeout = \"1s\"\n"));
        let child = pool.child();
        assert_eq!(pool.text(path), "hello");
        let begun = Instant::now();
        assert!(pool.stop().success());
        let took = begun.elapsed();
        println!("a stop while an exit handler or a thread hung took {took:.2?}");
        expect_end_in_time(took, Duration::from_secs(1));
        wait_until_gone([&child]);
        let log = pool.log();
        assert!(log.contains(says) && !log.contains("PF053"), "{log}");
    }
}

fn an_import_that_hangs_is_ended_with_its_stack_and_the_old_process_serves_on() {
    let pool = Pool::start("startup-timeout = \"2s\"\n");
    let child = pool.child();
    pool.hang_at_import(true);
    let begun = Instant::now();
    let refused = pool.control("reload");
    let took = begun.elapsed();
    println!("a reload whose import hangs was refused after {took:.2?}");
    assert!(!refused.status.success(), "{refused:?}");
    expect_end_in_time(took, Duration::from_secs(2));
    let told = format!("{}{}", refused.err, pool.log());
    assert!(told.contains("startup-timeout") && told.contains("hangs.py") && told.contains("sleeps"), "{told}");
    assert_eq!(pool.together(), child);
    pool.end();
}

fn a_child_that_was_stopped_by_a_signal_is_replaced() {
    // It is stopped before the time of the request is over.
    let limits =
        "slow-request-timeout = \"500ms\"\nrequest-timeout = \"4s\"\ninterrupt-timeout = \"1s\"\ngraceful-timeout = \"2s\"\n";
    let pool = Pool::with(limits, "\"/beside/\" = \"30s\"");
    let child = pool.child();
    let hang = Hang::begin(&pool, "/hang/sleeps");
    pool.message("PF0531", "/hang/sleeps");
    kill(child, "STOP");
    let begun = Instant::now();
    pool.wait_for_log(&format!("PF0535 pool web: process {child} has reached interrupt-timeout"));
    pool.text("/beside/hello");
    let took = begun.elapsed();
    println!("after SIGSTOP the next request was served after {took:.2?}");
    expect_end_in_time(took, Duration::from_secs(6));
    wait_until_gone([&child]);
    assert_ne!(pool.together(), child);
    drop(hang);
    pool.expect_access("/hang/sleeps", "502 process-ended");
    pool.end();
}

/// How long its worker may take to come back counts from when it has ended the answer.
fn a_child_that_was_stopped_and_keeps_time_again_is_not_replaced() {
    // It is stopped before the time of the request is over.
    let pool = Pool::with("slow-request-timeout = \"500ms\"\nrequest-timeout = \"4s\"\ninterrupt-timeout = \"5s\"\n", "");
    let (child, mut peer) = (pool.child(), pool.connect());
    // Longer than to the end of interrupt-timeout, if that had begun when the time of the request was over.
    peer.send_request(1, true, &Params::get("/hang/lasts").add("HTTP_SECONDS", "12"), b"");
    // Not before: the call would last as long from when its process goes on.
    pool.wait_for_log("LIBC.poll(");
    kill(child, "STOP");
    thread::sleep(Duration::from_secs(9));
    kill(child, "CONT");
    peer.answer(1).expect_status(504);
    pool.message("PF0533", "/hang/lasts");
    assert_eq!(pool.together(), child);
    assert!(!pool.log().contains("PF0535"), "{}", pool.log());
    pool.end();
}

fn the_time_in_which_a_child_is_stopped_is_none_in_which_its_gil_is_kept() {
    let pool = Pool::with("deadlock-timeout = \"4s\"\ndeadlock-kill = true\nenv = { KEEPS = \"8\" }\n", "");
    let child = pool.child();
    let mut hang = Hang::begin(&pool, "/hang/keeps_the_gil");
    // By then the GIL is asked for. It is kept for a second before the stop, and for another one after it.
    thread::sleep(Duration::from_secs(2));
    kill(child, "STOP");
    thread::sleep(Duration::from_secs(5));
    kill(child, "CONT");
    hang.answer().0.expect_status(200);
    assert_eq!(pool.together(), child);
    assert!(!pool.log().contains("PF0536"), "{}", pool.log());
    pool.end();
}

fn a_gil_that_nobody_gets_is_said_with_the_stack_and_then_that_they_get_it_again() {
    let settings = "deadlock-timeout = \"1s\"\nenv = { KEEPS = \"4\" }\n";
    let pool = Pool::with(&format!("{settings}slow-request-timeout = \"0\"\n"), "");
    let child = pool.child();
    let mut hang = Hang::begin(&pool, "/hang/keeps_the_gil");
    let log = pool.wait_for_log("PF0536");
    assert!(
        log.contains("no thread has got Python's GIL for 1 s (deadlock-timeout)") && log.contains(", in keeps_the_gil\n"),
        "{log}"
    );
    assert!(log.contains(&format!(", request {child}-1:\n")), "{log}");
    hang.answer().0.expect_status(200);
    pool.wait_for_log("PF0537");
    assert_eq!(pool.together(), child);
    assert_eq!(pool.log().matches("PF0536").count(), 1, "{}", pool.log());
    pool.end();
}

fn with_deadlock_kill_a_process_in_which_nobody_gets_the_gil_is_replaced() {
    let settings = "deadlock-timeout = \"1s\"\ndeadlock-kill = true\nenv = { KEEPS = \"30\" }\n";
    let pool = Pool::with(settings, "");
    let child = pool.child();
    let begun = Instant::now();
    let mut hang = Hang::begin(&pool, "/hang/keeps_the_gil");
    assert!(!hang.answer().0.ended);
    pool.wait_for_log("PF0538");
    pool.text("/beside/hello");
    println!("with deadlock-kill the next request was served after {:.2?}", begun.elapsed());
    pool.expect_access("/hang/keeps_the_gil", "502 process-ended");
    wait_until_gone([&child]);
    let next = pool.together();
    // For whose end the read waits: it is nobody's any more.
    pool.wait_for_children(2).iter().filter(|process| **process != next).for_each(|process| kill(*process, "KILL"));
    pool.end();
}

fn who_is_beside_a_kept_gil_is_answered_at_his_own_time() {
    let pool = Pool::start("env = { KEEPS = \"4\", BESIDE = \"30\" }\ngraceful-timeout = \"10s\"\n");
    let paths: Vec<String> = (1..WORKERS).map(|number| format!("/hang/in_a_loop?{number}")).collect();
    let siblings: Vec<Hang> = paths.iter().map(|path| Hang::begin(&pool, path)).collect();
    // Whoever has not begun by then is answered 503.
    pool.wait_for_running(siblings.len());
    let mut hang = Hang::begin(&pool, "/hang/keeps_the_gil");
    println!("beside a kept GIL the others were answered 504 after {:.2?} at the latest", Hang::expect_all_504(siblings));
    hang.expect_504();
    let log = pool.log();
    assert!(!log.contains("PF0533"), "the GIL is still kept: {log}");
    pool.wait_for_log_that("that all of them have ended", |log| log.matches("PF0533").count() >= paths.len());
    paths.iter().for_each(|path| pool.expect_access(path, "504 request-timeout"));
    pool.wait_for_log("PF0535");
    pool.together();
    pool.end();
}

tests_at_once! {
    whatever_ends_ends_in_time:
        a_stop_while_requests_are_overdue_ends_within_graceful_timeout,
        a_reload_while_requests_are_overdue_loses_nobody_and_ends_their_process,
        exit_handlers_and_threads_that_hang_have_the_time_of_a_stop,
        an_import_that_hangs_is_ended_with_its_stack_and_the_old_process_serves_on,
        a_child_that_was_stopped_by_a_signal_is_replaced,
        a_child_that_was_stopped_and_keeps_time_again_is_not_replaced,
        the_time_in_which_a_child_is_stopped_is_none_in_which_its_gil_is_kept,
        a_gil_that_nobody_gets_is_said_with_the_stack_and_then_that_they_get_it_again,
        with_deadlock_kill_a_process_in_which_nobody_gets_the_gil_is_replaced,
        who_is_beside_a_kept_gil_is_answered_at_his_own_time,
}
