//! HAProxy: multiplexed requests, GET_VALUES, and the answers that other web servers forgive and it does not.

use std::thread;

use crate::haproxy;
use crate::http::{Ending, Request};
use crate::shipped::{SOCKET, Shipped};
use crate::site::{app_path, start_back_end};
use crate::support::{Launch, Pyfcgid};
use crate::web_server::WebServer;

/// Rules 11, 19 and 22: the values are asked for and answered, the port is no part of SERVER_NAME.
#[test]
fn haproxy_environ_tells_path_query_and_address() {
    let (_back_end, mut front) = start("environ.py", &[], MULTIPLEXED);
    let request = Request::get("/a%20b/c%2Fd?x=1%202").header("X-Dup", "one").header("X-Dup", "two").header("Cookie", "a=1");
    let answer =
        request.header("Cookie", "b=2").header("Authorization", "Basic YWRtaW46eA==").send(front.port).expect(200).json();
    for (name, value) in [
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", "/a b/c/d"),
        ("QUERY_STRING", "x=1%202"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("SERVER_NAME", "example.com"),
        ("wsgi.url_scheme", "http"),
        ("HTTP_COOKIE", "a=1; b=2"),
        ("HTTP_AUTHORIZATION", "Basic YWRtaW46eA=="),
    ] {
        assert_eq!(answer[name], value, "{name} in {answer:#}");
    }
    let joined = answer["HTTP_X_DUP"].as_str().expect("the header").replace(", ", ",");
    assert_eq!(joined, "one,two");
    front.expect_running();
}

/// Rule 19: the Host header's port is no part of SERVER_NAME, and QUERY_STRING is there even when HAProxy leaves it out.
#[test]
fn haproxy_server_name_has_no_port_and_query_string_is_never_missing() {
    let (_back_end, mut front) = start("environ.py", &[], MULTIPLEXED);
    let answer = Request::http_1_0("/").header("Host", "example.com:8081").send(front.port).expect(200).json();
    for (name, value) in [("SERVER_NAME", "example.com"), ("QUERY_STRING", ""), ("HTTP_HOST", "example.com:8081")] {
        assert_eq!(answer[name], value, "{name} in {answer:#}");
    }
    front.expect_running();
}

/// Rule 17: REMOTE_USER is what the browser claims; nobody has checked it.
#[test]
fn haproxy_unverified_remote_user_does_not_reach_the_application_as_such() {
    let (_back_end, mut front) = start("environ.py", &[], "");
    let request = Request::get("/").header("Authorization", "Basic YWRtaW46eA==");
    let answer = request.send(front.port).expect(200).json();
    assert_eq!(answer["HTTP_AUTHORIZATION"], "Basic YWRtaW46eA==");
    if answer["AUTH_TYPE"].is_null() {
        assert!(answer["REMOTE_USER"].is_null(), "{answer:#}");
    }
    front.expect_running();
}

/// Rules 5 and 7: HEAD and 304 without a body, 201 with Location stays 201.
#[test]
fn haproxy_head_304_and_201_with_location_come_through() {
    let (_back_end, mut front) = start("answers.py", &[], MULTIPLEXED);
    let head = Request::new("HEAD", "/hello").send(front.port).expect(200);
    assert_eq!((head.header("Content-Length").as_deref(), head.text().as_str()), (Some("6"), ""));
    for path in ["/not_modified", "/not_modified_with_body"] {
        assert_eq!(Request::get(path).send(front.port).expect(304).text(), "");
    }
    Request::get("/no_content").send(front.port).expect(204);
    let created = Request::get("/created").send(front.port).expect(201);
    assert_eq!((created.header("Location").as_deref(), created.text().as_str()), (Some("http://example.com/made/1"), "made\n"));
    Request::get("/moved").send(front.port).expect(307);
    assert_eq!(Request::get("/cookies").send(front.port).expect(200).headers_named("Set-Cookie").len(), 3);
    assert_eq!(Request::get("/longer_than_announced").send(front.port).expect(200).text(), "12345");
    front.expect_running();
}

/// Rule 14: HAProxy never ends STDIN for an empty chunked body.
#[test]
fn haproxy_empty_chunked_post_is_answered() {
    let (_back_end, mut front) = start("environ.py", &[], MULTIPLEXED);
    for _ in 0..3 {
        let answer = Request::new("POST", "/").chunked(&[]).send(front.port).expect(200).json();
        assert_eq!(answer["test.body_length"], 0, "{answer:#}");
    }
    front.expect_running();
}

#[test]
fn haproxy_uploads_arrive_whole() {
    let (_back_end, mut front) = start("environ.py", &[], MULTIPLEXED);
    let big = crate::digest::block(3);
    let answer = Request::new("POST", "/").body(&big[..]).send(front.port).expect(200).json();
    assert_eq!(answer["test.body_sha256"], crate::digest::Digest::of(&big));
    let answer = Request::new("POST", "/").chunked(&[b"abc", b"def"]).send(front.port).expect(200).json();
    assert_eq!((&answer["test.body_length"], &answer["CONTENT_LENGTH"]), (&6.into(), &"6".into()));
    front.expect_running();
}

/// Rule 12: whoever asks gets the own answer, also with 32 at once on a few connections.
#[test]
fn haproxy_parallel_requests_get_their_own_answers() {
    let (_back_end, mut front) = start("answers.py", &["--threads", "4"], MULTIPLEXED);
    let port = front.port;
    thread::scope(|scope| {
        for client in 0..32 {
            scope.spawn(move || {
                for number in 0..10 {
                    let token = format!("client-{client}-request-{number}");
                    let answer = Request::get(format!("/token?{token}")).send(port).expect(200);
                    assert_eq!(answer.text(), format!("{token} {token}"));
                    assert_eq!(answer.header("Set-Cookie"), Some(format!("token={token}")));
                }
            });
        }
    });
    front.expect_running();
}

/// Rules 6 and 12: with one worker and a queue of one, every request has an answer of its own.
#[test]
fn haproxy_overload_is_answered() {
    let (back_end, mut front) = start("answers.py", &["--threads", "1", "--max-queue", "1"], MULTIPLEXED);
    let port = front.port;
    let answers: Vec<_> = thread::scope(|scope| {
        let sent: Vec<_> = (0..16).map(|_| scope.spawn(move || Request::get("/token?x").send(port))).collect();
        sent.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    for answer in &answers {
        assert!([200, 503].contains(&answer.status) && answer.ending == Ending::Complete, "{answer:?}\n{}", back_end.log());
    }
    Request::get("/hello").send(port).expect(200);
    front.expect_running();
}

/// Rule 8: what broke in the middle must not look complete, and does not take the back end along.
#[test]
fn haproxy_response_that_breaks_in_the_middle_looks_broken() {
    let (_back_end, mut front) = start("answers.py", &[], MULTIPLEXED);
    for path in ["/raises_in_body", "/raises_in_measured_body"] {
        let ending = Request::get(path).try_open(front.port).map(|answer| answer.finish().ending);
        assert!(matches!(ending, None | Some(Ending::Cut)), "{path}");
    }
    Request::get("/raises_before").send(front.port).expect(500);
    Request::get("/hello").send(front.port).expect(200);
    front.expect_running();
}

/// Rule 4: HAProxy 2.6 dies of a STDERR record that comes alone.
#[test]
fn haproxy_survives_an_application_that_complains_to_the_peer() {
    let (_back_end, mut front) = start("answers.py", &["--errors", "peer"], MULTIPLEXED);
    for _ in 0..20 {
        assert_eq!(Request::get("/complains").send(front.port).expect(200).text(), "complained\n");
        Request::get("/raises_before").send(front.port).expect(500);
    }
    front.expect_running();
}

/// Rule 23: `OPTIONS *` is BEGIN_REQUEST and ABORT_REQUEST without a parameter.
#[test]
fn haproxy_options_star_harms_nobody() {
    let (mut back_end, mut front) = start("answers.py", &[], MULTIPLEXED);
    for _ in 0..3 {
        let answer = Request::new("OPTIONS", "*").send(front.port);
        assert!(answer.status >= 400, "{answer:?}");
        Request::get("/hello").send(front.port).expect(200);
    }
    back_end.expect_running();
    front.expect_running();
}

/// Rule 9: with buffers above 64 KiB HAProxy 2.6 sends record lengths that have wrapped around.
#[test]
fn haproxy_stream_that_is_not_fastcgi_is_closed_at_once() {
    let (mut back_end, mut front) = start_adapted("environ.py", &[], MULTIPLEXED, |file| {
        file.replace("frontend example", "global\n    tune.bufsize 131072\nfrontend example")
    });
    // Nothing at all when HAProxy closes the connection with some of the body unread; 504 if nobody had closed anything.
    let status = Request::new("POST", "/").body(vec![b'x'; 300_000]).try_open(front.port).map(|answer| answer.finish().status);
    assert!(matches!(status, None | Some(400 | 502)), "{status:?}");
    Request::get("/").send(front.port).expect(200);
    back_end.expect_running();
    front.expect_running();
}

/// Rule 1 again, from the other side: without keep-conn each answer ends its connection.
#[test]
fn haproxy_without_keep_conn_is_served() {
    let (_back_end, mut front) = start("answers.py", &[], "no option keep-conn");
    for _ in 0..5 {
        assert_eq!(Request::get("/hello").send(front.port).expect(200).text(), "hello\n");
    }
    front.expect_running();
}

/// Rules 2 and 13: the 413 arrives although HAProxy still has body to send.
#[test]
fn haproxy_upload_over_max_body_size_gets_413() {
    let (_back_end, mut front) = start("environ.py", &["--max-body-size", "64K"], MULTIPLEXED);
    Request::new("POST", "/").body(vec![b'x'; 1_000_000]).send(front.port).expect(413);
    Request::get("/").send(front.port).expect(200);
    front.expect_running();
}

/// The site file with these lines of `fcgi-app` in place of its own. PATH_INFO is left to pyfcgid.
#[track_caller]
fn start(app: &str, options: &[&str], application: &str) -> (Pyfcgid, WebServer) {
    start_adapted(app, options, application, |file| file)
}

#[track_caller]
fn start_adapted(
    app: &str,
    options: &[&str],
    application: &str,
    adapt: impl FnOnce(Shipped) -> Shipped,
) -> (Pyfcgid, WebServer) {
    let back_end = start_back_end(Launch::serve(app_path(app)).args(options));
    let file = Shipped::read("docs/clients/haproxy.cfg")
        .replace("path-info ^()(/.*)$", "")
        .replace("option keep-conn", application)
        // Gives up before the browser does, and says so.
        .replace("http-reuse always", "http-reuse always\n    timeout server 10s")
        .replace(SOCKET, &back_end.socket().to_string_lossy());
    (back_end, haproxy::start(adapt(file), 1))
}

const MULTIPLEXED: &str = "option keep-conn\n    option mpxs-conns\n    option get-values\n    option max-reqs 20";
