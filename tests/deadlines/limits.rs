//! How much time a request has.

use std::fs;
use std::time::{Duration, Instant};

use crate::pool::{Hang, Pool, REQUEST_TIMEOUT, SLACK, WORKERS, tests_at_once};
use crate::site::limit;
use crate::support::peer::DEADLINE;
use crate::support::process::wait_until;
use crate::support::{Answer, Params};

/// A request that lasts so many seconds, where the query sets what its time is.
fn lasts(pool: &Pool, target: &str, seconds: &str) -> (Answer, Duration) {
    let begun = Instant::now();
    let answer = pool.connect().last_request(&Params::get(target).add("HTTP_SECONDS", seconds), b"");
    (answer, begun.elapsed())
}

#[track_caller]
fn expect_504_after(pool: &Pool, target: &str, limit: f64) {
    let (answer, took) = lasts(pool, target, "4");
    answer.expect_status(504);
    let limit = Duration::from_secs_f64(limit);
    assert!(took >= limit.mul_f64(0.98) && took < limit + SLACK, "{target}: {took:?}");
}

fn an_application_knows_and_sets_what_time_it_has() {
    let pool = Pool::start("");
    let told = |target: &str| pool.text(target);
    assert_eq!(told("/hang/deadline?"), "1.0");
    assert_eq!(told("/hang/deadline?0.5,20,None,1e3"), "1.0 0.5 20.0 None 1000.0");
    assert_eq!(told("/beside/deadline"), "30.0");
    assert_eq!(told("/hang/deadline?"), "1.0", "what was set is that request's alone");
    expect_504_after(&pool, "/beside/lasts?0.5", 0.5);
    expect_504_after(&pool, "/beside/lasts?None,0.5", 0.5);
    for longer in ["/hang/lasts?3", "/hang/lasts?None"] {
        lasts(&pool, longer, "1.6").0.expect_status(200);
    }
    pool.end();
}

fn the_longest_path_says_how_much_time_a_request_has() {
    let pool = Pool::with("request-timeout = \"1s\"\n", "\"/a/\" = \"0\", \"/a/b/\" = \"2s\", \"/a/b/deadline\" = \"7s\"");
    for (target, left) in
        [("/a/deadline", "None"), ("/a/b/deadline", "7.0"), ("/a/b/c/deadline", "2.0"), ("/b/deadline", "1.0")]
    {
        assert_eq!(pool.text(target), left, "{target}");
    }
    lasts(&pool, "/a/lasts", "2.5").0.expect_status(200);
    expect_504_after(&pool, "/a/b/lasts", 2.0);
    pool.end();
}

fn without_a_limit_a_slow_request_is_only_named_once() {
    let pool = Pool::with("slow-request-timeout = \"300ms\"\n", "");
    lasts(&pool, "/hang/lasts", "1.5").0.expect_status(200);
    let log = pool.log();
    assert!(pool.message("PF0531", "/hang/lasts").contains("it has run for 0."), "{log}");
    assert_eq!((log.matches("PF0531").count(), log.matches("PF053").count()), (1, 1), "{log}");
    pool.expect_access("/hang/lasts", "200 -");
    pool.end();
}

fn the_time_in_the_queue_does_not_count() {
    let pool = Pool::start("env = { BESIDE = \"2\" }\n");
    let mut busy: Vec<Hang> = (0..WORKERS).map(|_| Hang::begin(&pool, "/beside/beside")).collect();
    busy.iter_mut().for_each(|busy| busy.peer.wait_for_stdout(1, "begin"));
    let begun = Instant::now();
    assert_eq!(pool.text("/hang/deadline"), "1.0");
    assert!(begun.elapsed() > REQUEST_TIMEOUT, "{:?}: it did not wait", begun.elapsed());
    busy.into_iter().for_each(|mut busy| drop(busy.answer().0.expect_status(200)));
    assert!(!pool.log().contains("PF0532"), "{}", pool.log());
    pool.end();
}

#[test]
fn with_all_workers_in_a_loop_the_next_request_is_served_when_their_time_is_over() {
    let pool = Pool::start("interrupt-timeout = \"20s\"\n");
    let child = pool.child();
    let hangs: Vec<Hang> = (0..WORKERS).map(|number| Hang::begin(&pool, &format!("/hang/loops?{number}"))).collect();
    // On a busy machine the first may have ended before the last begins.
    wait_until("all workers to be busy", || {
        let ended = pool.log().matches("PF0533").count();
        ended + pool.running() >= WORKERS
    });
    let begun = Instant::now();
    pool.text("/beside/hello");
    let took = begun.elapsed();
    println!("with 8 of 8 workers in a loop the next request was served after {took:.2?}");
    // Who answers has a ninth of a processor, if other programs leave it that.
    let most = limit(REQUEST_TIMEOUT + SLACK, DEADLINE);
    assert!(took <= most, "{took:?}");
    for mut hang in hangs {
        let (answer, took) = hang.answer();
        answer.expect_status(504);
        assert!(took >= REQUEST_TIMEOUT && took <= most, "{took:?}");
    }
    assert_eq!(pool.together(), child, "{}", pool.log());
    pool.end();
}

fn with_all_workers_in_c_code_the_pool_comes_back_with_another_process() {
    let pool = Pool::start("graceful-timeout = \"2s\"\n");
    let child = pool.child();
    let hangs: Vec<Hang> = (0..WORKERS).map(|number| Hang::begin(&pool, &format!("/hang/sleeps?{number}"))).collect();
    pool.wait_for_running(WORKERS);
    let begun = Instant::now();
    let mut next = Hang::begin(&pool, "/beside/hello");
    Hang::expect_all_504(hangs);
    next.answer().0.expect_status(200);
    let took = begun.elapsed();
    println!("with 8 of 8 workers in sleep() the next request was served after {took:.2?}");
    // Both limits, and the start of a process.
    assert!(took <= 2 * REQUEST_TIMEOUT + 2 * SLACK, "{took:?}");
    assert_ne!(pool.together(), child);
    pool.end();
}

/// On a connection that multiplexes a request waits in the process where the others are.
fn who_waits_in_a_process_that_is_given_up_is_answered_by_the_next_one_or_503() {
    let pool = Pool::start("graceful-timeout = \"2s\"\n");
    let (mut peer, mut alone) = (pool.connect(), pool.connect());
    let first_that_waits = WORKERS as u16 + 1;
    for id in 1..first_that_waits {
        peer.send_request(id, true, &Params::get(&format!("/hang/sleeps?{id}")), b"");
    }
    pool.wait_for_running(WORKERS);
    // Those that share a connection cannot leave.
    let waiting = [first_that_waits, first_that_waits + 1];
    waiting.iter().for_each(|id| peer.send_request(*id, true, &Params::get(&format!("/beside/hello?{id}")), b""));
    alone.send_request(1, true, &Params::get("/beside/hello?alone"), b"");
    (1..first_that_waits).for_each(|id| drop(peer.answer(id).expect_status(504)));
    alone.answer(1).expect_status(200);
    for id in waiting {
        peer.answer(id).expect_status(503);
        pool.expect_access(&format!("/beside/hello?{id}"), "503 stopping");
    }
    pool.end();
}

fn to_look_after_a_request_that_waits_takes_no_time_of_a_processor() {
    let pool = Pool::with("deadlock-timeout = \"1s\"\n", "");
    let child = pool.child();
    let mut waits = pool.connect();
    waits.send_request(1, true, &Params::get("/lasts").add("HTTP_SECONDS", "4"), b"");
    pool.wait_for_running(1);
    let before = processor_time(child);
    waits.answer(1).expect_status(200);
    let took = processor_time(child) - before;
    println!("a request that waited for 4 s took {took:?} of a processor");
    assert!(took < Duration::from_millis(400), "{took:?}");
    pool.end();
}

/// What all threads of a process have taken together.
fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Behind the name, which may have anything in it; in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11..13].iter().map(|field| Duration::from_millis(10 * field.parse::<u64>().unwrap())).sum()
}

tests_at_once! {
    each_request_has_its_time:
        an_application_knows_and_sets_what_time_it_has,
        the_longest_path_says_how_much_time_a_request_has,
        without_a_limit_a_slow_request_is_only_named_once,
        the_time_in_the_queue_does_not_count,
        with_all_workers_in_c_code_the_pool_comes_back_with_another_process,
        who_waits_in_a_process_that_is_given_up_is_answered_by_the_next_one_or_503,
        to_look_after_a_request_that_waits_takes_no_time_of_a_processor,
}
