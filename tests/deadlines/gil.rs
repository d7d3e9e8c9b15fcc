//! A thread of the application's own keeps the GIL, and a process that was given up is asked what it does.

use std::thread;
use std::time::Duration;

use crate::pool::{Hang, Pool, REQUEST_TIMEOUT, SLACK, tests_at_once};
use crate::support::process::wait_until;
use crate::support::record::abort;

/// Whoever was given to a worker that waits for the GIL.
fn who_cannot_be_begun_is_answered_503_in_time_and_the_thread_is_named() {
    let pool = Pool::start("env = { KEEPS = \"5\" }\ndeadlock-timeout = \"2s\"\n");
    pool.text("/beside/keeps_the_gil_behind");
    thread::sleep(Duration::from_millis(600));
    let waiting: Vec<Hang> = (0..3).map(|_| Hang::begin(&pool, "/hang/hello")).collect();
    for mut waits in waiting {
        let (answer, took) = waits.answer();
        answer.expect_status(503);
        assert!(took >= REQUEST_TIMEOUT && took < REQUEST_TIMEOUT + SLACK + Duration::from_millis(300), "{took:?}");
    }
    let log = pool.wait_for_log("(deadlock-timeout)");
    assert!(log.contains("PF0536") && log.contains(", in keeps_the_gil\n"), "{log}");
    wait_until("lines of the access log", || pool.accesses("/hang/hello").len() == 3);
    assert!(pool.accesses("/hang/hello").iter().all(|access| access == "503 gil-kept"), "{log}");
    pool.wait_for_log("PF0537");
    assert_eq!(pool.text("/beside/hello"), "hello");
    pool.end();
}

/// The time is that of the path, as it would be if a worker had begun them. Nobody waits for what was given up.
fn who_cannot_be_begun_is_answered_at_the_time_of_its_path_and_counted() {
    let limits = "\"/beside/\" = \"30s\", \"/short/\" = \"1200ms\", \"/long/\" = \"4s\"";
    let pool = Pool::with("env = { KEEPS = \"6\" }\nstatus-path = \"/status\"\nrequest-timeout = \"2s\"\n", limits);
    pool.text("/beside/keeps_the_gil_behind");
    thread::sleep(Duration::from_millis(600));
    let paths = [("/short/hello", 1.2), ("/usual/hello", 2.0), ("/long/hello", 4.0)];
    let mut waiting = paths.map(|(path, limit)| (path, Duration::from_secs_f64(limit), Hang::begin(&pool, path)));
    let mut unwanted = Hang::begin(&pool, "/usual/unwanted");
    unwanted.peer.send(&abort(1));
    for (path, limit, waits) in &mut waiting {
        let (answer, took) = waits.answer();
        answer.expect_status(503);
        assert!(took >= limit.mul_f64(0.98) && took < *limit + Duration::from_millis(800), "{path}: {took:?}");
        pool.expect_access(path, "503 gil-kept");
    }
    pool.expect_access("/usual/unwanted", "499 aborted");
    let metrics = pool.text("/status?openmetrics");
    assert!(metrics.contains("pyfcgid_refused_requests_total{pool=\"web\",reason=\"gil-kept\"} 3\n"), "{metrics}");
    let told = pool.control("status").out;
    assert!(told.contains("3 answered 503 so far, because a thread kept Python's GIL"), "{told}");
    assert_eq!(pool.text("/beside/hello"), "hello");
    pool.end();
}

/// Its requests have been answered, and still run.
fn a_process_that_was_given_up_tells_its_stacks_and_is_interrupted() {
    let pool = Pool::start("graceful-timeout = \"10s\"\n");
    let child = pool.child();
    let mut hang = Hang::begin(&pool, "/hang/catches");
    hang.expect_504();
    pool.wait_for_log("PF0535");
    wait_until("another process", || pool.wait_for_children(2).iter().any(|process| *process != child));
    pool.text("/beside/hello");
    let stacks = pool.control("stacks").expect_code(0).out;
    assert!(stacks.contains("/hang/catches") && stacks.contains(", in catches"), "{stacks}");
    let id = format!("{child}-1");
    let told = pool.control(&format!("interrupt {id}")).expect_code(0).out;
    assert!(told.contains("raised pyfcgid.RequestInterrupted"), "{told}");
    pool.end();
}

tests_at_once! {
    whoever_keeps_the_gil_or_was_given_up_is_seen:
        who_cannot_be_begun_is_answered_503_in_time_and_the_thread_is_named,
        who_cannot_be_begun_is_answered_at_the_time_of_its_path_and_counted,
        a_process_that_was_given_up_tells_its_stacks_and_is_interrupted,
}
