//! What the application is told about a request. Each check runs with every shipped site file.
//!
//! The rule numbers are those of the list of what a WSGI gateway must do for web servers, in `tests/web_servers/main.rs`.

use serde_json::Value;

use crate::environ::Environ;
use crate::http::Request;
use crate::kind::Kind;
use crate::shipped::Shipped;
use crate::site::Site;
use crate::support::answer::latin1;
use crate::support::params::ACTED_ON;
use crate::tls::{Certificate, fetch_json};

/// Rules 19 to 22.
pub(crate) fn environ_tells_path_query_scheme_and_address(site: &Site) {
    let running = site.start("environ.py");
    let request =
        Request::get("/a/b?x=1%202&y=%C3%A9").header("X-Forwarded-Proto", "https").header("X-Forwarded-For", "192.0.2.1");
    let environ = running.environ(request.header("Https", "on").header("Script-Name", "/forged"));
    let uri = format!("{}/a/b?x=1%202&y=%C3%A9", site.prefix);
    let expected = [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", site.prefix),
        ("PATH_INFO", "/a/b"),
        ("QUERY_STRING", "x=1%202&y=%C3%A9"),
        ("REQUEST_URI", &uri),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "example.com"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("wsgi.url_scheme", "http"),
        ("HTTP_HOST", "example.com"),
        ("HTTP_X_FORWARDED_PROTO", "https"),
    ];
    environ.expect(&expected);
    let port = environ.variable("SERVER_PORT").expect("a port");
    assert!(!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()), "SERVER_PORT {port:?}");
    running.expect_healthy();
}

/// Rule 20, the other half.
pub(crate) fn https_is_the_url_scheme_over_tls(site: &Site) {
    let certificate = Certificate::new();
    let running = site.start_tls("environ.py", &certificate);
    let environ = fetch_json(running.port(), &format!("{}/secret", site.prefix));
    assert_eq!((&environ["wsgi.url_scheme"], &environ["PATH_INFO"]), (&"https".into(), &"/secret".into()), "{environ:#}");
    running.expect_healthy();
}

/// Rule 22: the path is decoded once, whatever is in it and whatever lies in the document root.
pub(crate) fn paths_arrive_whole_and_decoded_once(site: &Site) {
    let running = site.start("environ.py");
    let long = format!("/{}", "l".repeat(200));
    let cases: [(&[u8], &[u8]); 12] = [
        (b"/", b"/"),
        (b"/a%20b/c", b"/a b/c"),
        (b"/a%20b", b"/a b"),
        (b"/a%20b/", b"/a b/"),
        (b"/caf%C3%A9/%e2%82%ac", "/café/€".as_bytes()),
        ("/café".as_bytes(), "/café".as_bytes()),
        (b"/x%2Fy/z", b"/x/y/z"),
        (b"/100%25%20sure%2541", b"/100% sure%41"),
        (b"/a+b;c=1,d&e", b"/a+b;c=1,d&e"),
        (b"/plain/more", b"/plain/more"),
        (b"/up/./here/../there", b"/up/there"),
        (long.as_bytes(), long.as_bytes()),
    ];
    for (target, path) in cases {
        let environ = running.environ(Request::get(target));
        environ.expect(&[("SCRIPT_NAME", site.prefix), ("PATH_INFO", &latin1(path))]);
    }
    running.expect_healthy();
}

/// The lines of docs/operating.md: browser and application are told the same ID, whatever the browser has sent.
pub(crate) fn an_x_request_id_of_nginx_is_kept(site: &Site) {
    let lines = "fastcgi_param HTTP_X_REQUEST_ID $request_id;\nadd_header X-Request-ID $request_id always;";
    assert!(include_str!("../../docs/operating.md").contains(lines));
    let file = Shipped::read(site.file).replace("include pyfcgid_params;", &format!("include pyfcgid_params;\n{lines}"));
    let running = site.start_with("environ.py", &["--request-id"], file);
    let answer = running.send(Request::get("/").header("X-Request-ID", "of-the-browser")).expect(200);
    let told = answer.header("X-Request-ID").expect("a header");
    assert_eq!(told.len(), 32, "{told}");
    assert_eq!(answer.json()["HTTP_X_REQUEST_ID"], told);
    running.expect_healthy();
}

/// With `request-id`, where the web server makes none.
pub(crate) fn an_x_request_id_of_the_browser_is_kept_if_it_is_one(site: &Site) {
    let running = site.start_with("environ.py", &["--request-id"], Shipped::read(site.file));
    running.environ(Request::get("/").header("X-Request-ID", "a-1")).expect(&[("HTTP_X_REQUEST_ID", "a-1")]);
    for request in [Request::get("/"), Request::get("/").header("X-Request-ID", "<a>")] {
        let environ = running.environ(request);
        assert_eq!(environ.variable("HTTP_X_REQUEST_ID").map(str::len), Some(32), "{environ:?}");
    }
    running.expect_healthy();
}

/// Rule 22: a path may hold what ends one in other places. Apache with SetHandler refuses it; the files that use it say so.
pub(crate) fn paths_with_question_mark_and_line_feed(site: &Site) {
    let running = site.start("environ.py");
    let is_refused = Shipped::read(site.file).uses("SetHandler");
    let cases: [(&[u8], &[u8]); 2] = [(b"/what%3Fnot?q", b"/what?not"), (b"/line%0Afeed%0A", b"/line\nfeed\n")];
    for (target, path) in cases {
        if is_refused {
            running.get(target).expect(403);
            continue;
        }
        running.environ(Request::get(target)).expect(&[("SCRIPT_NAME", site.prefix), ("PATH_INFO", &latin1(path))]);
    }
    running.expect_healthy();
}

/// Rule 22: repeated slashes are merged by nginx and Apache, and what they made of them is what counts.
pub(crate) fn repeated_slashes_are_merged_once(site: &Site) {
    let running = site.start("environ.py");
    let environ = running.environ(Request::get("/a///b//"));
    let uri = format!("{}/a///b//", site.prefix);
    environ.expect(&[("SCRIPT_NAME", site.prefix), ("PATH_INFO", "/a/b/"), ("REQUEST_URI", &uri)]);
    running.expect_healthy();
}

/// The absolute form of the request target: the URI's host counts, not the header.
pub(crate) fn absolute_target_is_a_path_with_a_host(site: &Site) {
    let running = site.start("environ.py");
    let target = format!("http://example.org{}/a%20b", site.prefix);
    let environ = Request::get(target).send(running.port()).expect(200);
    assert_eq!(environ.json()["PATH_INFO"], "/a b");
    assert_eq!(environ.json()["SCRIPT_NAME"], site.prefix);
    running.expect_healthy();
}

/// Rule 18: every line of a repeated header arrives.
pub(crate) fn repeated_headers_and_cookies_arrive_joined(site: &Site) {
    let running = site.start("environ.py");
    let request =
        Request::get("/").header("X-Dup", "one").header("X-Dup", "two").header("Cookie", "a=1; b=2").header("Cookie", "c=3");
    let environ = running.environ(request.header("X-Empty", ""));
    let joined = environ.variable("HTTP_X_DUP").expect("the header");
    assert_eq!(joined.split(',').map(str::trim).collect::<Vec<_>>(), ["one", "two"], "{joined:?}");
    let separator = if site.kind == Kind::Apache { ", " } else { "; " };
    environ.expect(&[("HTTP_COOKIE", &format!("a=1; b=2{separator}c=3")), ("HTTP_X_EMPTY", "")]);
    running.expect_healthy();
}

/// Rules 16, 17 and 18: credentials reach the application, claims about the connection or another user do not.
pub(crate) fn credentials_pass_and_forgeable_variables_do_not(site: &Site) {
    let running = site.start("environ.py");
    let request = Request::new("POST", "/")
        .header("Authorization", "Basic YWRtaW46eA==")
        .header("Proxy", "http://192.0.2.1:8080")
        .header("Keep-Alive", "timeout=5")
        .header("TE", "trailers")
        .header("Content_Length", "99")
        .header("X_Under", "forged")
        .header("Content-Type", "text/x-test")
        .body("abc");
    let environ = running.environ(request);
    let expected = [("HTTP_AUTHORIZATION", "Basic YWRtaW46eA=="), ("CONTENT_TYPE", "text/x-test"), ("CONTENT_LENGTH", "3")];
    environ.expect(&expected);
    expect_nothing_forged(&environ);
    environ.expect_none_of(&["REMOTE_USER", "AUTH_TYPE", "HTTP_X_UNDER"]);
    running.expect_healthy();
}

fn expect_nothing_forged(environ: &Value) {
    environ.expect_none_of(&["HTTP_PROXY"]);
    environ.expect_none_of(&ACTED_ON);
    for name in environ.names() {
        let plain = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        assert!(plain || name.contains('.'), "{name:?} is no name of a variable");
    }
}

/// Rule 24: Apache cuts PARAMS into records of 16 KiB.
pub(crate) fn big_request_headers_arrive_whole(site: &Site) {
    let running = site.start("environ.py");
    let cookie = format!("session={}", "c".repeat(7_000));
    let other = "o".repeat(7_000);
    let third = "t".repeat(7_000);
    let request = Request::get("/").header("Cookie", &cookie).header("X-Other", &other).header("X-Third", &third);
    running.environ(request).expect(&[("HTTP_COOKIE", &cookie), ("HTTP_X_OTHER", &other), ("HTTP_X_THIRD", &third)]);
    running.expect_healthy();
}

/// Rule 19: HTTP/1.0 without Host leaves no variable empty that PEP 3333 wants.
pub(crate) fn http_1_0_without_host_is_served(site: &Site) {
    let running = site.start("environ.py");
    let environ = running.environ(Request::http_1_0("/old?x"));
    environ.expect(&[("PATH_INFO", "/old"), ("QUERY_STRING", "x"), ("SERVER_PROTOCOL", "HTTP/1.0")]);
    for name in ["SERVER_NAME", "SERVER_PORT"] {
        assert!(environ.variable(name).is_some_and(|value| !value.is_empty()), "{name} is {:?}", environ.variable(name));
    }
    running.expect_healthy();
}
