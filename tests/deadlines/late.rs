//! What an application does when its time is over never reaches anybody.

use std::time::Duration;

use crate::pool::{Hang, Pool};
use crate::site::wait_until_gone;
use crate::support::Params;
use crate::support::record::{abort, begin, kind, record, stream};

/// What the application has been told, as it says in the log.
#[track_caller]
fn expect_refused(pool: &Pool) {
    let log = pool.wait_for_log("late: ");
    assert!(log.contains("late: RequestTimeout RequestTimeout RequestTimeout"), "{log}");
    pool.message("PF0533", "/hang/writes_late");
}

#[test]
fn a_late_write_never_reaches_the_next_request_on_the_connection() {
    let pool = Pool::start("");
    let mut hang = Hang::begin(&pool, "/hang/writes_late");
    hang.peer.send_request(2, true, &Params::get("/beside/beside"), b"");
    hang.expect_504();
    // The id is free, and the application has not yet tried what it will.
    for path in ["/beside/hello", "/beside/beside", "/beside/hello"] {
        let answer = hang.peer.request(&Params::get(path), b"").expect_status(200);
        assert!(!answer.summary().contains("LATE"), "{}", answer.summary());
        assert_eq!(answer.text().starts_with("begin "), path.ends_with("beside"), "{}", answer.summary());
    }
    let answer = hang.peer.answer(2).expect_status(200).text();
    assert!(answer.starts_with("begin ...") && answer.ends_with(". end"), "{answer}");
    expect_refused(&pool);
    pool.expect_access("/hang/writes_late", "504 request-timeout");
    pool.end();
}

#[test]
fn a_late_write_to_a_response_that_was_cut_goes_nowhere() {
    let pool = Pool::start("");
    let mut hang = Hang::begin(&pool, "/hang/writes_late?begun");
    let (answer, _) = hang.answer();
    assert!(!answer.ended && answer.text() == "a piece", "{}", answer.summary());
    let log = pool.wait_for_log("late: ");
    assert!(log.contains("late: RequestTimeout RequestTimeout RequestTimeout"), "{log}");
    pool.expect_access("/hang/writes_late?begun", "200 request-timeout");
    pool.together();
    pool.end();
}

/// Eight requests on a connection, of which some hang; ids are used again as soon as they are free.
#[test]
fn on_a_connection_that_multiplexes_everybody_gets_an_answer_of_his_own() {
    let pool = Pool::start("");
    let mut peer = pool.connect();
    let hangs = |id: u16| id.is_multiple_of(2);
    for id in 1..=8 {
        let path = if hangs(id) { format!("/hang/loops?{id}") } else { "/beside/beside".to_owned() };
        peer.send_request(id, true, &Params::get(&path), b"");
    }
    for id in (1..=8).filter(|id| hangs(*id)) {
        peer.answer(id).expect_status(504);
        peer.send_request(id, true, &Params::get("/beside/hello"), b"");
        assert_eq!(peer.answer(id).expect_status(200).text(), "hello");
    }
    for id in (1..=8).filter(|id| !hangs(*id)) {
        let text = peer.answer(id).expect_status(200).text();
        assert!(text.starts_with("begin ") && text.ends_with(" end"), "{text}");
    }
    assert_eq!(peer.end_order.len(), 12, "{:?}", peer.end_order);
    (1..=4).for_each(|half| pool.expect_access(&format!("/hang/loops?{}", 2 * half), "504 request-timeout"));
    pool.end();
}

#[test]
fn a_request_that_the_web_server_has_given_up_is_499_and_named_as_such() {
    for on_abort in ["raise", "continue"] {
        let pool = Pool::start(&format!("abort = \"{on_abort}\"\ngraceful-timeout = \"2s\"\n"));
        let child = pool.child();
        let mut hang = Hang::begin(&pool, "/hang/sleeps");
        pool.wait_for_running(1);
        hang.peer.send(&abort(1));
        assert!(hang.peer.answer(1).ended);
        let path = "/hang/sleeps";
        let slow = pool.message("PF0531", path);
        assert!(slow.contains("though the web server has given it up, at:\n"), "{slow}");
        let over = pool.message("PF0532", path);
        assert!(over.contains("the web server had given it up"), "{over}");
        pool.expect_access(path, "499 aborted");
        let told = pool.control("requests").expect_code(0).out;
        assert!(told.contains("overdue") && told.contains(path), "{told}");
        pool.message("PF0534", path);
        wait_until_gone([&child]);
        pool.expect_access(path, "499 aborted");
        pool.end();
    }
}

#[test]
fn an_upload_may_take_longer_than_a_request() {
    let pool = Pool::start("");
    let mut peer = pool.connect();
    let params = Params::post("/hang/uploads", 25).encode();
    peer.send(&[begin(1, 1, true), stream(kind::PARAMS, 1, &params)].concat());
    for _ in 0..5 {
        assert!(peer.is_silent_for(Duration::from_millis(500)));
        peer.send(&record(kind::STDIN, 1, b"bytes"));
    }
    peer.send(&record(kind::STDIN, 1, b""));
    assert_eq!(peer.answer(1).expect_status(200).text(), "25");
    assert!(!pool.log().contains("PF053"), "{}", pool.log());
    pool.end();
}

#[test]
fn a_browser_that_reads_too_slowly_is_cut_off_and_its_worker_is_free() {
    let pool = Pool::start("");
    let child = pool.child();
    let mut hang = Hang::begin(&pool, "/hang/big");
    let log = pool.message("PF0532", "/hang/big");
    assert!(log.contains("its response was cut"), "{log}");
    pool.message("PF0533", "/hang/big");
    assert_eq!(pool.together(), child);
    let (answer, _) = hang.answer();
    assert!(!answer.ended && answer.body.len() < 32 << 20, "{} bytes", answer.body.len());
    pool.expect_access("/hang/big", "200 request-timeout");
    assert_eq!(pool.child(), child, "nobody was to be replaced");
    pool.end();
}
