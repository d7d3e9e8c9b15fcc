//! start_response, write(), the iterable, and what the peer gets of them.

use crate::support::{Answer, Params, Pyfcgid, app};
use crate::{expect_alive, get};

/// A plain 500 that tells nothing.
#[track_caller]
fn expect_plain_500(answer: Answer) {
    let answer = answer.expect_status(500);
    let shown = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(!shown.contains("Traceback") && !shown.contains(".py") && !shown.contains("Error("), "{shown}");
    assert!(!answer.body.is_empty(), "a plain body is promised");
}

/// A broken answer: data, but no END_REQUEST.
#[track_caller]
fn expect_broken(answer: &Answer) {
    assert!(answer.closed && !answer.ended, "looks complete: {}", answer.summary());
}

fn request_once(server: &Pyfcgid, params: &Params) -> Answer {
    let mut peer = server.connect();
    peer.send_request(1, false, params, b"");
    let answer = peer.answer(1);
    peer.drain();
    answer
}

#[test]
fn second_start_response_without_exc_info_is_an_error() {
    let server = Pyfcgid::serve(app("start_response_twice.py"), &[]);
    expect_plain_500(server.connect().request(&Params::get("/"), b""));
    server.wait_for_log("start_response_twice.py\", line 6, in application");
}

#[test]
fn start_response_with_exc_info_replaces_a_head_that_is_not_out() {
    let answer = get("exc_info_before_output.py", "/").expect_status(503);
    assert_eq!((answer.reason.as_str(), answer.text().as_str()), ("Changed", "replaced"));
    assert_eq!((answer.header("X-First"), answer.header("X-Second").as_deref()), (None, Some("2")));
}

#[test]
fn start_response_with_exc_info_raises_it_when_the_head_is_out() {
    let server = Pyfcgid::serve(app("exc_info_after_output.py"), &[]);
    let answer = server.connect().request(&Params::get("/"), b"");
    expect_broken(&answer);
    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains("second half"));
    server.wait_for_log("the exception came back");
    server.wait_for_log("LookupError: too late");
}

#[test]
fn an_empty_chunk_does_not_send_the_head() {
    let answer = get("exc_info_after_empty_chunk.py", "/").expect_status(503);
    assert_eq!(answer.text(), "replaced");
}

#[test]
fn write_and_the_iterable_make_one_body() {
    assert_eq!(get("writes.py", "/").expect_status(200).text(), "one two three four");
}

#[test]
fn the_status_line_is_the_last_of_the_head() {
    let answer = get("two_cookies.py", "/").expect_status(201);
    assert_eq!(answer.head_names.last().map(String::as_str), Some("Status"), "{:?}", answer.head_names);
    assert_eq!(answer.head_names.iter().filter(|name| *name == "Status").count(), 1);
    assert_eq!(answer.reason, "Created");
}

#[test]
fn repeated_headers_are_sent_in_their_order() {
    let answer = get("two_cookies.py", "/").expect_status(201);
    assert_eq!(answer.headers_named("Set-Cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.header("Location").as_deref(), Some("http://localhost/new"));
}

#[test]
fn the_head_is_latin_1() {
    let answer = get("latin_1_head.py", "/").expect_status(404);
    assert_eq!(answer.reason, "Ni\u{e7}ht da");
    assert_eq!(answer.header("X-Name").as_deref(), Some("caf\u{e9}"));
}

/// Django's `HttpResponse(reason="")`, and proxies of HTTP/2, which has no reasons.
#[test]
fn an_empty_reason_is_the_standard_one_or_none() {
    let server = Pyfcgid::serve(app("empty_reason.py"), &[]);
    for how in ["none", "space", "spaces"] {
        for (code, reason) in [(200, "OK"), (404, "Not Found"), (418, "I'm a Teapot"), (299, ""), (599, "")] {
            let answer = server.connect().request(&Params::get(&format!("/{code}/{how}")), b"").expect_status(code);
            assert_eq!((answer.reason.as_str(), answer.text().as_str()), (reason, "ok\n"), "{how}");
            let line = if reason.is_empty() { format!("Status: {code}\r\n") } else { format!("Status: {code} {reason}\r\n") };
            let head = String::from_utf8_lossy(&answer.stdout).into_owned();
            assert!(head.contains(&line), "{head:?}");
        }
    }
}

/// Every one of these heads is refused in start_response, and uncaught it becomes a 500.
#[track_caller]
fn expect_refused(faults: &[&str]) {
    let mut server = Pyfcgid::serve(app("bad_head.py"), &["--threads", "1"]);
    let mut peer = server.connect();
    for fault in faults {
        let answer = peer.request(&Params::get(fault), b"");
        assert_eq!((answer.status, answer.ended), (500, true), "{fault}: {}", answer.summary());
        let stdout = String::from_utf8_lossy(&answer.stdout).into_owned();
        assert!(!stdout.contains("X-Injected") && !stdout.contains("never to be seen"), "{fault}: {stdout:?}");
        let caught = peer.request(&Params::get(&format!("{fault}?catch")), b"").expect_status(200).text();
        assert!(
            ["ValueError", "TypeError", "AssertionError", "UnicodeEncodeError"].contains(&caught.as_str()),
            "{fault}: {caught}"
        );
    }
    server.expect_running();
}

#[test]
fn crlf_in_a_header_value_is_refused() {
    expect_refused(&["/crlf-in-value", "/lf-in-value", "/cr-in-value"]);
}

#[test]
fn nul_in_the_head_is_refused() {
    expect_refused(&["/nul-in-value", "/nul-in-status"]);
}

#[test]
fn crlf_in_a_header_name_is_refused() {
    expect_refused(&["/crlf-in-name"]);
}

#[test]
fn crlf_in_the_status_is_refused() {
    expect_refused(&["/crlf-in-status"]);
}

#[test]
fn a_header_name_that_is_no_token_is_refused() {
    expect_refused(&["/colon-in-name", "/space-in-name", "/empty-name"]);
}

#[test]
fn text_that_is_not_latin_1_is_refused() {
    expect_refused(&["/non-latin-1-value", "/non-latin-1-name", "/non-latin-1-status"]);
}

#[test]
fn headers_of_other_types_are_refused() {
    expect_refused(&["/bytes-value", "/bytes-name", "/number-value", "/lone-string", "/triple", "/headers-are-none"]);
}

#[test]
fn a_status_that_is_not_a_number_and_a_reason_is_refused() {
    expect_refused(&[
        "/status-without-number",
        "/status-of-two-digits",
        "/status-of-four-digits",
        "/status-without-space",
        "/status-below-100",
        "/empty-status",
        "/bytes-status",
        "/number-status",
    ]);
}

/// Web servers take an interim head for the final answer.
#[test]
fn an_interim_status_is_refused() {
    expect_refused(&["/interim-status"]);
}

/// PEP 3333 leaves the status line to `status`; a second one would override it.
#[test]
fn a_status_header_is_refused() {
    expect_refused(&["/status-header"]);
}

#[test]
fn a_content_length_that_is_no_number_is_refused() {
    expect_refused(&["/content-length-of-letters", "/negative-content-length", "/two-content-lengths"]);
}

#[test]
fn hop_by_hop_headers_are_refused() {
    expect_refused(&[
        "/connection",
        "/keep-alive",
        "/proxy-authenticate",
        "/proxy-authorization",
        "/te",
        "/trailer",
        "/transfer-encoding",
        "/upgrade",
    ]);
}

#[test]
fn a_body_longer_than_content_length_is_cut_and_logged() {
    for path in ["/iterable", "/write", "/one"] {
        let server = Pyfcgid::serve(app("body_longer_than_content_length.py"), &[]);
        let answer = server.connect().request(&Params::get(path), b"").expect_status(200);
        assert_eq!(answer.text(), "hello", "{path}");
        server.wait_for_log("6 bytes");
    }
}

#[test]
fn a_body_shorter_than_content_length_cuts_a_kept_connection() {
    let server = Pyfcgid::serve(app("body_shorter_than_content_length.py"), &[]);
    let mut peer = server.connect();
    let answer = peer.request(&Params::get("/"), b"");
    expect_broken(&answer);
    assert_eq!((answer.text().as_str(), answer.garbage.len()), ("seventeen bytes!!", 16));
    server.wait_for_log("Content-Length");
}

/// nginx takes a bare end of a connection that is not kept as the regular end of the answer.
#[test]
fn a_body_shorter_than_content_length_ends_in_0xff_without_keep_conn() {
    let server = Pyfcgid::serve(app("body_shorter_than_content_length.py"), &[]);
    let answer = request_once(&server, &Params::get("/"));
    expect_broken(&answer);
    assert_eq!(answer.garbage, [0xff; 16]);
}

/// The web server would take a cut connection for a broken server, and lose what else is on it.
#[test]
fn a_body_shorter_than_content_length_is_a_500_while_nothing_was_sent() {
    let server = Pyfcgid::serve(app("short_of_its_length.py"), &[]);
    let mut peer = server.connect();
    let paths = ["/list", "/empty-list", "/tuple", "/iterator", "/empty-items", "/written", "/generator", "/file"];
    for path in paths {
        expect_plain_500(peer.request(&Params::get(path), b""));
        server.wait_for_log(&format!("GET {path}) failed"));
    }
    peer.request(&Params::get("/fine"), b"").expect_status(200);
    peer.request(&Params::nginx("HEAD", "/list"), b"").expect_status(200);
    let log = server.wait_for_log("RuntimeError: the response body has 17 bytes, but its Content-Length says 100\n");
    assert!(!log.contains("connection cut"), "{log}");
}

#[test]
fn an_iterable_that_never_ends_is_closed_at_its_content_length() {
    for (query, asked) in [("", 3), ("empty", 3), ("lazy", 3)] {
        let server = Pyfcgid::serve(app("never_ends.py"), &["--threads", "1"]);
        let mut peer = server.connect();
        let answer = peer.request(&Params::get(&format!("/200?{query}")), b"").expect_status(200);
        assert_eq!(answer.text(), "item item ", "{query}");
        server.wait_for_log(&format!("closed, asked {asked} times"));
        peer.request(&Params::get("/200?tail"), b"").expect_status(200);
        server.wait_for_log("came to its end");
    }
}

#[test]
fn an_iterable_that_never_ends_is_closed_at_once_where_no_body_is_sent() {
    let asked = [("HEAD", "/200", 200, 0), ("GET", "/204", 204, 0), ("GET", "/304", 304, 0), ("HEAD", "/200?unknown", 200, 0)];
    let asked_lazily = [("HEAD", "/200?lazy", 200, 1), ("GET", "/204?lazy", 204, 1), ("GET", "/304?lazy", 304, 1)];
    for (method, target, status, asked) in asked.into_iter().chain(asked_lazily) {
        let server = Pyfcgid::serve(app("never_ends.py"), &[]);
        let answer = server.connect().request(&Params::nginx(method, target), b"").expect_status(status);
        assert!(answer.body.is_empty(), "{method} {target}: {}", answer.summary());
        server.wait_for_log(&format!("closed, asked {asked} times"));
    }
}

#[test]
fn an_application_that_writes_for_ever_is_stopped_where_its_body_ends() {
    let server = Pyfcgid::serve(app("never_ends.py"), &["--threads", "1"]);
    let mut peer = server.connect();
    let answer = peer.request(&Params::get("/200?write"), b"").expect_status(200);
    assert_eq!(answer.text(), "item item ");
    server.wait_for_log("RuntimeError: the response is complete");
    for (method, target, status) in [("HEAD", "/200?write", 200), ("GET", "/204?write", 204), ("GET", "/304?write", 304)] {
        let answer = peer.request(&Params::nginx(method, target), b"").expect_status(status);
        assert!(answer.body.is_empty(), "{method} {target}: {}", answer.summary());
    }
    server.wait_for_log_that("the end of all four", |log| log.matches("stopped writing").count() == 4);
}

#[test]
fn an_application_that_fails_behind_the_end_of_its_body_has_answered() {
    let server = Pyfcgid::serve(app("never_ends.py"), &[]);
    let mut peer = server.connect();
    for _ in 0..2 {
        assert_eq!(peer.request(&Params::get("/200?fails"), b"").expect_status(200).text(), "item item ");
    }
    server.wait_for_log("ValueError: behind the end");
}

/// PEP 3333 lets it, and such an iterable of C code never gives the GIL up of itself.
#[test]
fn an_iterable_of_empty_strings_ends_when_the_peer_leaves_and_lets_others_run() {
    for query in ["repeat", "unknown"] {
        let server = Pyfcgid::serve(app("never_ends.py"), &["--threads", "2"]);
        let mut endless = server.connect();
        endless.send_request(1, true, &Params::get(&format!("/200?{query}")), b"");
        for _ in 0..5 {
            server.connect().request(&Params::get("/204"), b"").expect_status(204);
        }
        server.wait_for_log_that("the others", |log| log.matches("closed, asked 0 times").count() == 5);
        drop(endless);
        server.wait_for_log_that("the end of both", |log| log.matches("closed").count() >= 6);
    }
}

#[test]
fn a_head_request_gets_no_body() {
    let server = Pyfcgid::serve(app("body_where_none_may_be.py"), &[]);
    let mut peer = server.connect();
    for target in ["/200", "/200?write", "/404"] {
        let answer = peer.request(&Params::nginx("HEAD", target), b"");
        assert!(answer.ended && answer.body.is_empty(), "{target}: {}", answer.summary());
        assert_eq!(answer.header("X-Kept").as_deref(), Some("yes"));
    }
    let answer = peer.request(&Params::nginx("HEAD", "/200"), b"");
    assert_eq!(answer.header("Content-Length").as_deref(), Some("11"));
}

/// Many frameworks answer HEAD as they answer GET; that is no news every time.
#[test]
fn a_dropped_body_is_not_logged_every_time() {
    let mut server = Pyfcgid::serve(app("body_where_none_may_be.py"), &[]);
    let mut peer = server.connect();
    let of_child = |log: &str| log.lines().filter(|line| !line.contains(" pyfcgid[")).count();
    let before = of_child(&server.log());
    for _ in 0..20 {
        peer.request(&Params::nginx("HEAD", "/404"), b"").expect_status(404);
    }
    drop(peer);
    let log = server.final_log();
    assert!(of_child(&log) <= before + 1, "{log}");
}

#[test]
fn answers_of_204_and_304_have_no_body() {
    let server = Pyfcgid::serve(app("body_where_none_may_be.py"), &[]);
    let mut peer = server.connect();
    for (target, status) in [("/204", 204), ("/304", 304), ("/204?write", 204), ("/304?write", 304)] {
        let answer = peer.request(&Params::get(target), b"").expect_status(status);
        assert!(answer.body.is_empty(), "{target}: {}", answer.summary());
        assert_eq!(answer.header("X-Kept").as_deref(), Some("yes"));
    }
}

#[test]
fn an_exception_before_the_body_is_a_plain_500_and_a_traceback_in_the_log() {
    for path in ["/before-start-response", "/before-the-body", "/in-the-first-step"] {
        let server = Pyfcgid::serve(app("raises.py"), &["--threads", "1"]);
        let mut peer = server.connect();
        let answer = peer.request(&Params::get(path), b"");
        assert!(!String::from_utf8_lossy(&answer.stdout).contains("hidden reason"), "{path}");
        expect_plain_500(answer);
        let log = server.wait_for_log("Secret: the hidden reason");
        assert!(log.contains("Traceback (most recent call last)") && log.contains("raises.py"), "{log}");
        assert_eq!(peer.request(&Params::get("/not-at-all"), b"").expect_status(200).text(), "first half second half");
    }
}

#[test]
fn an_exception_in_the_middle_of_the_body_breaks_the_connection() {
    for path in ["/in-the-middle", "/after-write"] {
        let mut server = Pyfcgid::serve(app("raises.py"), &["--threads", "1"]);
        let answer = server.connect().request(&Params::get(path), b"");
        expect_broken(&answer);
        assert_eq!(answer.text(), "first half", "{path}");
        let log = server.wait_for_log("Secret: the hidden reason");
        assert!(log.contains("Traceback"), "{log}");
        expect_alive(&mut server, "/not-at-all");
    }
}

#[test]
fn an_exception_in_the_middle_of_the_body_ends_in_0xff_without_keep_conn() {
    let server = Pyfcgid::serve(app("raises.py"), &[]);
    let answer = request_once(&server, &Params::get("/in-the-middle"));
    expect_broken(&answer);
    assert_eq!(answer.garbage, [0xff; 16]);
}

#[test]
fn an_exception_tells_the_peer_nothing_on_stderr_either() {
    let answer = get("raises.py", "/before-start-response").expect_status(500);
    assert!(answer.stderr.is_empty(), "{}", answer.summary());
}

#[track_caller]
fn expect_worker_survives(path: &str) {
    let mut server = Pyfcgid::serve(app("ends_the_interpreter.py"), &["--threads", "1"]);
    expect_plain_500(server.connect().request(&Params::get(path), b""));
    let late = server.connect().request(&Params::get(&format!("{path}?late")), b"");
    expect_broken(&late);
    expect_alive(&mut server, "/");
    let log = server.wait_for_log("ends_the_interpreter.py\", line ");
    assert!(log.contains("Traceback"), "{log}");
}

#[test]
fn sys_exit_in_a_request_leaves_the_worker_alive() {
    expect_worker_survives("/sys-exit");
    expect_worker_survives("/sys-exit-3");
}

#[test]
fn keyboard_interrupt_in_a_request_leaves_the_worker_alive() {
    expect_worker_survives("/keyboard-interrupt");
}

#[test]
fn any_other_base_exception_in_a_request_leaves_the_worker_alive() {
    expect_worker_survives("/generator-exit");
    expect_worker_survives("/base-exception");
}

/// The stack of a worker has to hold what Python's own limit allows.
#[test]
fn recursion_without_end_is_an_exception() {
    let mut server = Pyfcgid::serve(app("recurses.py"), &["--threads", "1"]);
    for path in ["/python", "/map", "/getattr", "/sorted"] {
        expect_plain_500(server.connect().request(&Params::get(path), b""));
        server.wait_for_log("RecursionError");
        expect_alive(&mut server, "/");
    }
}

#[test]
fn requests_leave_no_objects_behind() {
    let server = Pyfcgid::serve(app("counts_objects.py"), &["--threads", "1"]);
    let all = ["/", "/raise", "/exc-info", "/cycle", "/write", "/file", "/raise-late"];
    let run = |times: usize| {
        for path in all.iter().cycle().take(all.len() * times) {
            server.connect().request(&Params::post(path, 4), b"body");
        }
        let count = server.connect().request(&Params::get("/count"), b"").expect_status(200).text();
        count.parse::<i64>().unwrap()
    };
    run(20);
    let before = run(20);
    let after = run(50);
    assert!(after - before < 50, "{} objects are left of 350 requests", after - before);
}

/// A head goes out in one record, which holds 65,535 bytes; no web server takes as much.
#[test]
fn a_head_too_large_for_one_record_is_whole_or_a_500() {
    let server = Pyfcgid::serve(app("large_head.py"), &[]);
    let mut peer = server.connect();
    for lines in [1, 60, 64, 65, 66, 100] {
        let answer = peer.request(&Params::get(&format!("/{lines}")), b"");
        if answer.status == 500 {
            assert!(lines > 60, "{lines} lines are refused");
            continue;
        }
        let answer = answer.expect_status(200);
        assert_eq!(answer.headers.iter().filter(|(name, _)| name.starts_with("X-Line-")).count(), lines);
        assert_eq!(answer.text(), "the body");
    }
}

#[test]
fn an_iterable_of_anything_but_bytes_is_an_error() {
    let mut server = Pyfcgid::serve(app("wrong_iterable.py"), &["--threads", "1"]);
    for path in ["/list-of-str", "/str", "/list-of-none", "/list-of-numbers"] {
        expect_plain_500(server.connect().request(&Params::get(path), b""));
    }
    server.expect_running();
}

#[test]
fn a_return_value_that_is_not_iterable_is_an_error() {
    let mut server = Pyfcgid::serve(app("wrong_iterable.py"), &["--threads", "1"]);
    for path in ["/none", "/number"] {
        expect_plain_500(server.connect().request(&Params::get(path), b""));
    }
    server.expect_running();
}

#[test]
fn an_app_that_never_calls_start_response_gets_a_500() {
    let server = Pyfcgid::serve(app("never_starts.py"), &[]);
    expect_plain_500(server.connect().request(&Params::get("/"), b""));
    server.wait_for_log("start_response");
}

#[test]
fn start_response_may_be_called_by_the_first_step_of_the_iterable() {
    let answer = get("starts_late.py", "/").expect_status(202);
    assert_eq!(answer.text(), "late");
}

/// A zero-length STDOUT record is the end of the stream; `Answer` fails when one comes before the end.
#[test]
fn an_empty_chunk_makes_no_empty_record() {
    let answer = get("empty_chunks.py", "/").expect_status(200);
    assert_eq!(answer.text(), "ab");
}

#[test]
fn an_empty_iterable_is_a_complete_answer() {
    let answer = get("no_chunks.py", "/").expect_status(200);
    assert!(answer.body.is_empty());
}

#[track_caller]
fn expect_close_called(path: &str) -> Answer {
    let server = Pyfcgid::serve(app("closes.py"), &[]);
    let answer = server.connect().request(&Params::get(path), b"");
    let log = server.wait_for_log("close was called");
    assert_eq!(log.matches("close was called").count(), 1, "{path}: {log}");
    answer
}

#[test]
fn close_is_called_after_the_body() {
    assert_eq!(expect_close_called("/").expect_status(200).text(), "onetwothree");
}

#[test]
fn close_is_called_after_an_exception() {
    expect_close_called("/raises").expect_status(500);
}

#[test]
fn close_is_called_after_a_chunk_that_is_not_bytes() {
    expect_close_called("/str").expect_status(500);
}

#[test]
fn close_is_called_when_start_response_never_was() {
    expect_close_called("/never-started").expect_status(500);
}

#[test]
fn close_is_called_when_the_body_is_cut_short_or_unwanted() {
    assert_eq!(expect_close_called("/cut").expect_status(200).text(), "onet");
    assert!(expect_close_called("/short").closed);
    expect_close_called("/204").expect_status(204);
}

#[test]
fn close_is_called_after_head() {
    let server = Pyfcgid::serve(app("closes.py"), &[]);
    server.connect().request(&Params::nginx("HEAD", "/"), b"").expect_status(200);
    server.wait_for_log("close was called");
}

#[test]
fn an_exception_in_close_is_logged_and_the_worker_lives() {
    let mut server = Pyfcgid::serve(app("closes.py"), &["--threads", "1"]);
    server.connect().request(&Params::get("/close-raises"), b"");
    server.wait_for_log("ValueError: in close");
    expect_alive(&mut server, "/");
}

#[test]
fn a_list_of_one_item_gets_a_content_length() {
    let answer = get("item_counts.py", "/1").expect_status(200);
    assert_eq!((answer.header("Content-Length").as_deref(), answer.text().as_str()), (Some("5"), "item "));
}

#[test]
fn a_list_of_two_items_is_sent_whole() {
    let answer = get("item_counts.py", "/2").expect_status(200);
    assert_eq!(answer.text(), "item item ");
    assert!(matches!(answer.header("Content-Length").as_deref(), None | Some("10")));
}

#[test]
fn every_chunk_reaches_the_peer_before_the_next_one_is_asked_for() {
    for path in ["/iterable", "/write"] {
        let server = Pyfcgid::serve(app("streams.py"), &[]);
        let seen = server.directory().join("seen");
        let mut peer = server.connect();
        peer.send_request(1, true, &Params::get(&format!("{path}?{}", seen.display())), b"");
        peer.wait_for_stdout(1, "first");
        std::fs::write(&seen, "").unwrap();
        assert_eq!(peer.answer(1).expect_status(200).text(), "first second", "{path}");
    }
}

/// HAProxy 2.6 dies on a split head.
#[test]
fn the_head_comes_in_one_record() {
    let server = Pyfcgid::serve(app("streams.py"), &[]);
    let seen = server.directory().join("seen");
    std::fs::write(&seen, "").unwrap();
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get(&format!("/?{}", seen.display())), b"");
    let first = peer.next_record().unwrap();
    assert!(first.content.windows(4).any(|window| window == b"\r\n\r\n"), "{first:?}");
}
