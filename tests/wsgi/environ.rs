//! The environ dictionary, but for the path.

use serde_json::{Map, Value};

use crate::support::params::ACTED_ON;
use crate::support::{Launch, Params, Pyfcgid, app};

fn environ_with(arguments: &[&str], params: &Params) -> Map<String, Value> {
    let answer = Pyfcgid::serve(app("environ.py"), arguments).connect().request(params, b"").expect_status(200);
    answer.json()["environ"].as_object().unwrap().clone()
}

fn environ_of(params: &Params) -> Map<String, Value> {
    environ_with(&[], params)
}

/// The variable as text; `None` when it is not there.
fn variable<'a>(environ: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    environ.get(name).map(|value| value.as_str().unwrap())
}

#[test]
fn the_stock_parameters_of_nginx_reach_the_app() {
    let environ = environ_of(&Params::get("/a/b?x=1&y=%20"));
    let expected = [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", "/a/b"),
        ("QUERY_STRING", "x=1&y=%20"),
        ("REQUEST_URI", "/a/b?x=1&y=%20"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "localhost"),
        ("SERVER_PORT", "8080"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_PORT", "40404"),
        ("HTTP_HOST", "localhost:8080"),
        ("HTTP_USER_AGENT", "curl/7.88.1"),
        ("HTTP_ACCEPT", "*/*"),
    ];
    for (name, value) in expected {
        assert_eq!(variable(&environ, name), Some(value), "{name}");
    }
}

#[test]
fn environ_is_a_plain_dict_of_native_strings() {
    let server = Pyfcgid::serve(app("environ.py"), &[]);
    let shown = server.connect().request(&Params::post("/x", 3), b"abc").expect_status(200).json();
    assert_eq!(shown["type"], "dict");
    assert_eq!(shown["not_native"], serde_json::json!([]));
}

#[test]
fn the_wsgi_keys_are_all_there() {
    let environ = environ_of(&Params::get("/"));
    assert_eq!(environ["wsgi.version"], serde_json::json!([1, 0]));
    assert_eq!(environ["wsgi.url_scheme"], "http");
    assert_eq!(environ["wsgi.run_once"], false);
    assert_eq!(environ["wsgi.multiprocess"], false);
    assert_eq!(environ["wsgi.input_terminated"], true);
    for name in ["wsgi.input", "wsgi.errors", "wsgi.file_wrapper", "fcgi.role", "pyfcgid.aborted", "pyfcgid.request_id"] {
        assert!(environ.contains_key(name), "no {name}");
    }
}

#[test]
fn multithread_is_false_with_one_thread() {
    assert_eq!(environ_with(&["--threads", "1"], &Params::get("/"))["wsgi.multithread"], false);
}

#[test]
fn multithread_is_true_with_two_threads() {
    assert_eq!(environ_with(&["--threads", "2"], &Params::get("/"))["wsgi.multithread"], true);
}

/// httpoxy, CVE-2016-5385.
#[test]
fn http_proxy_is_kept_out_of_environ() {
    let environ = environ_of(&Params::get("/").add("HTTP_PROXY", "http://evil.example:3128"));
    assert!(!environ.contains_key("HTTP_PROXY"));
}

/// Rule 16 of the web servers: they pass these on although they have acted on them already.
#[test]
fn headers_that_the_web_server_has_acted_on_are_dropped() {
    let params = ACTED_ON.iter().fold(Params::get("/").add("HTTP_X_KEPT", "yes"), |params, name| params.set(name, "5"));
    let environ = environ_of(&params);
    assert_eq!(variable(&environ, "HTTP_X_KEPT"), Some("yes"));
    for name in ACTED_ON {
        assert!(!environ.contains_key(name), "{name} is there");
    }
}

#[test]
fn content_type_and_length_come_without_http() {
    let params = Params::post("/", 3).set("CONTENT_TYPE", "text/csv");
    let answer = Pyfcgid::serve(app("environ.py"), &[]).connect().request(&params, b"abc").expect_status(200);
    assert_eq!(answer.json()["environ"]["CONTENT_TYPE"], "text/csv");
    assert_eq!(answer.json()["environ"]["CONTENT_LENGTH"], "3");
}

#[test]
fn names_with_other_characters_are_dropped() {
    let names =
        ["proxy-nokeepalive", "HTTP_X.DOT!BANG", "HTTP_X-DASH", "http_x_lower", "HTTP_X SPACE", "HTTP_X=Y", "HTTP_\u{c9}"];
    let params = names.iter().fold(Params::get("/"), |params, name| params.add(name, "1"));
    let environ = environ_of(&params.add(b"HTTP_X_\xff\0", "1").add("HTTP_X_KEPT_9", "yes"));
    assert_eq!(variable(&environ, "HTTP_X_KEPT_9"), Some("yes"));
    let odd = environ.keys().filter(|name| !["wsgi.", "fcgi.", "pyfcgid."].iter().any(|prefix| name.starts_with(prefix)));
    let odd: Vec<_> = odd.filter(|name| name.bytes().any(|byte| !matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))).collect();
    assert!(odd.is_empty(), "{odd:?}");
}

#[test]
fn request_variables_cannot_set_wsgi_keys() {
    let names = [
        "wsgi.input",
        "wsgi.url_scheme",
        "wsgi.file_wrapper",
        "wsgi.multithread",
        "pyfcgid.aborted",
        "pyfcgid.request_id",
        "wsgi.x",
    ];
    let params = names.iter().fold(Params::get("/"), |params, name| params.add(name, "forged"));
    let environ = environ_of(&params);
    assert_eq!(environ["wsgi.url_scheme"], "http");
    assert!(!environ.contains_key("wsgi.x"));
    assert!(environ.values().all(|value| value != "forged"), "{environ:?}");
}

#[test]
fn the_os_environment_is_kept_out_of_environ() {
    let server = Launch::serve(app("environ.py")).env("SECRET_OF_THE_PROCESS", "1").start();
    let shown = server.connect().request(&Params::get("/"), b"").expect_status(200).json();
    let environ = shown["environ"].as_object().unwrap();
    for name in ["SECRET_OF_THE_PROCESS", "PATH", "HOME", "PYTHONDONTWRITEBYTECODE"] {
        assert!(!environ.contains_key(name), "{name} leaked");
    }
}

/// nginx before 1.23, HAProxy and h2o send one pair for each header line.
#[test]
fn repeated_headers_are_joined_with_a_comma() {
    let environ = environ_of(&Params::get("/").add("HTTP_X_DUP", "a").add("HTTP_X_OTHER", "x").add("HTTP_X_DUP", "b"));
    let joined = variable(&environ, "HTTP_X_DUP").unwrap();
    assert_eq!(joined.split(',').map(str::trim).collect::<Vec<_>>(), ["a", "b"], "{joined:?}");
}

#[test]
fn repeated_cookies_are_joined_with_a_semicolon() {
    let environ = environ_of(&Params::get("/").add("HTTP_COOKIE", "a=1").add("HTTP_COOKIE", "b=2").add("HTTP_COOKIE", "c=3"));
    assert_eq!(variable(&environ, "HTTP_COOKIE"), Some("a=1; b=2; c=3"));
}

/// nginx sends what `fastcgi_params` says *and* a later override.
#[test]
fn of_any_other_repeated_name_the_last_wins() {
    let environ = environ_of(&Params::get("/").add("SERVER_NAME", "second.example").add("DOCUMENT_ROOT", "/second"));
    assert_eq!(variable(&environ, "SERVER_NAME"), Some("second.example"));
    assert_eq!(variable(&environ, "DOCUMENT_ROOT"), Some("/second"));
}

#[test]
fn of_a_repeated_http_host_the_last_wins() {
    let environ = environ_of(&Params::get("/").add("HTTP_HOST", "second.example"));
    assert_eq!(variable(&environ, "HTTP_HOST"), Some("second.example"));
}

/// nginx takes `$remote_user` from an unverified header.
#[test]
fn remote_user_without_auth_type_is_dropped() {
    let environ = environ_of(&Params::get("/").set("REMOTE_USER", "admin"));
    assert!(!environ.contains_key("REMOTE_USER"));
}

#[test]
fn remote_user_with_an_empty_auth_type_is_dropped() {
    let environ = environ_of(&Params::get("/").set("REMOTE_USER", "admin").add("AUTH_TYPE", ""));
    assert!(!environ.contains_key("REMOTE_USER"));
}

#[test]
fn remote_user_with_auth_type_reaches_the_app() {
    let environ = environ_of(&Params::get("/").set("REMOTE_USER", "admin").add("AUTH_TYPE", "Basic"));
    assert_eq!(variable(&environ, "REMOTE_USER"), Some("admin"));
    assert_eq!(variable(&environ, "AUTH_TYPE"), Some("Basic"));
}

#[test]
fn remote_user_reaches_the_app_when_the_operator_says_always() {
    let environ = environ_with(&["--remote-user", "always"], &Params::get("/").set("REMOTE_USER", "admin"));
    assert_eq!(variable(&environ, "REMOTE_USER"), Some("admin"));
}

#[test]
fn an_empty_remote_user_is_absent() {
    let environ = environ_with(&["--remote-user", "always"], &Params::get("/"));
    assert!(!environ.contains_key("REMOTE_USER"));
}

/// HAProxy sends the Host header as SERVER_NAME.
#[test]
fn server_name_has_no_port() {
    let names =
        [("127.0.0.1:18201", "127.0.0.1"), ("example.com:80", "example.com"), ("[::1]:8080", "[::1]"), ("[::1]", "[::1]")];
    let server = Pyfcgid::serve(app("environ.py"), &[]);
    let mut peer = server.connect();
    for (sent, expected) in names {
        let shown = peer.request(&Params::get("/").set("SERVER_NAME", sent), b"").expect_status(200).json();
        assert_eq!(shown["environ"]["SERVER_NAME"], expected, "for {sent}");
    }
}

/// Caddy and lighttpd send an empty one for HTTP/1.0 without Host.
#[test]
fn server_name_is_never_empty() {
    let server = Pyfcgid::serve(app("environ.py"), &[]);
    let mut peer = server.connect();
    let without_host = Params::get("/").remove("HTTP_HOST");
    for params in [without_host.clone().set("SERVER_NAME", ""), without_host.remove("SERVER_NAME"), Params::empty()] {
        let shown = peer.request(&params.set("REQUEST_METHOD", "GET").add("SCRIPT_NAME", "/"), b"").expect_status(200).json();
        let name = shown["environ"]["SERVER_NAME"].as_str().unwrap_or_default();
        assert!(!name.is_empty(), "{shown}");
    }
}

#[test]
fn server_port_is_never_empty() {
    let server = Pyfcgid::serve(app("environ.py"), &[]);
    let mut peer = server.connect();
    let plain = Params::get("/").set("HTTP_HOST", "localhost");
    for params in [plain.clone().set("SERVER_PORT", ""), plain.clone().remove("SERVER_PORT")] {
        let shown = peer.request(&params, b"").expect_status(200).json();
        assert_eq!(shown["environ"]["SERVER_PORT"], "80", "{shown}");
    }
    let shown = peer.request(&plain.set("HTTPS", "on").remove("SERVER_PORT"), b"").expect_status(200).json();
    assert_eq!(shown["environ"]["SERVER_PORT"], "443");
}

#[test]
fn the_scheme_comes_from_https() {
    let server = Pyfcgid::serve(app("environ.py"), &[]);
    let mut peer = server.connect();
    let values =
        [("on", "https"), ("1", "https"), ("ON", "https"), ("On", "https"), ("off", "http"), ("", "http"), ("0", "http")];
    for (value, scheme) in values {
        let shown = peer.request(&Params::get("/").set("HTTPS", value), b"").expect_status(200).json();
        assert_eq!(shown["environ"]["wsgi.url_scheme"], scheme, "for HTTPS={value:?}");
    }
}

#[test]
fn the_scheme_comes_from_request_scheme() {
    let server = Pyfcgid::serve(app("environ.py"), &[]);
    let mut peer = server.connect();
    for (value, scheme) in [("https", "https"), ("http", "http"), ("HTTPS", "https"), ("", "http"), ("gopher", "http")] {
        let shown = peer.request(&Params::get("/").set("REQUEST_SCHEME", value), b"").expect_status(200).json();
        assert_eq!(shown["environ"]["wsgi.url_scheme"], scheme, "for REQUEST_SCHEME={value:?}");
    }
}

#[test]
fn the_scheme_never_comes_from_a_header() {
    let forged =
        ["HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_SCHEME", "HTTP_X_FORWARDED_SSL", "HTTP_HTTPS", "HTTP_FRONT_END_HTTPS"];
    let params = forged.iter().fold(Params::get("/"), |params, name| params.add(name, "https"));
    let params = params.set("HTTP_X_FORWARDED_SSL", "on").set("HTTP_HTTPS", "on").set("HTTP_FORWARDED", "proto=https");
    let environ = environ_of(&params);
    assert_eq!(environ["wsgi.url_scheme"], "http");
    assert_eq!(variable(&environ, "HTTP_X_FORWARDED_PROTO"), Some("https"));
}

#[test]
fn bytes_above_127_are_latin_1() {
    let params = Params::get("/")
        .add("HTTP_X_NAME", b"caf\xe9")
        .add("HTTP_X_UTF8", "\u{e9}")
        .add("HTTP_X_ALL", (1..=255).collect::<Vec<u8>>());
    let environ = environ_of(&params);
    assert_eq!(variable(&environ, "HTTP_X_NAME"), Some("caf\u{e9}"));
    assert_eq!(variable(&environ, "HTTP_X_UTF8"), Some("\u{c3}\u{a9}"));
    let all: String = (1..=255_u8).map(char::from).collect();
    assert_eq!(variable(&environ, "HTTP_X_ALL"), Some(all.as_str()));
}

#[test]
fn remote_addr_is_the_bare_text_that_was_sent() {
    let server = Pyfcgid::serve(app("environ.py"), &[]);
    let mut peer = server.connect();
    for address in ["192.0.2.7", "2001:db8::7", "::1", "unix:"] {
        let shown = peer.request(&Params::get("/").set("REMOTE_ADDR", address), b"").expect_status(200).json();
        assert_eq!(shown["environ"]["REMOTE_ADDR"], address);
    }
}

/// HAProxy leaves it out when there is none.
#[test]
fn query_string_is_always_there() {
    assert_eq!(variable(&environ_of(&Params::get("/").remove("QUERY_STRING")), "QUERY_STRING"), Some(""));
}

#[test]
fn request_uri_stays_raw() {
    let environ = environ_of(&Params::get("/a%20b/%C3%A9?q=%2F"));
    assert_eq!(variable(&environ, "REQUEST_URI"), Some("/a%20b/%C3%A9?q=%2F"));
    assert_eq!(variable(&environ, "QUERY_STRING"), Some("q=%2F"));
}

#[test]
fn a_request_without_a_body_has_no_content_length_but_zero() {
    let environ = environ_of(&Params::get("/"));
    let length = variable(&environ, "CONTENT_LENGTH").unwrap_or("0");
    assert!(matches!(length, "" | "0"), "{length:?}");
}

#[test]
fn script_filename_never_chooses_code() {
    let server = Pyfcgid::serve(app("answers.py"), &[]);
    let params = Params::get("/environ.py").add("SCRIPT_FILENAME", app("environ.py"));
    assert_eq!(server.connect().request(&params, b"").expect_status(200).text(), "answered");
}

#[test]
fn one_request_sees_nothing_of_the_one_before() {
    let server = Pyfcgid::serve(app("environ.py"), &["--threads", "1"]);
    let mut peer = server.connect();
    let first = Params::get("/first").add("HTTP_COOKIE", "secret=1").add("HTTPS", "on").add("HTTP_X_ONCE", "1");
    peer.request(&first, b"").expect_status(200);
    let shown = peer.request(&Params::get("/second"), b"").expect_status(200).json();
    let environ = shown["environ"].as_object().unwrap();
    for name in ["HTTP_COOKIE", "HTTPS", "HTTP_X_ONCE"] {
        assert!(!environ.contains_key(name), "{name} was left over");
    }
    assert_eq!(environ["wsgi.url_scheme"], "http");
    assert_eq!(environ["PATH_INFO"], "/second");
}

/// A worker remembers what came before, where and with which value.
#[test]
fn each_request_has_its_own_values_whatever_came_before_and_in_which_order() {
    let server = Pyfcgid::serve(app("environ.py"), &["--threads", "1"]);
    let mut peer = server.connect();
    let long = "x".repeat(300);
    let requests: [&[(&str, &str)]; 9] = [
        &[("HTTP_A", "1"), ("HTTP_B", "2"), ("LOCAL", "3")],
        &[("LOCAL", "3"), ("HTTP_B", "2"), ("HTTP_A", "1")],
        &[("HTTP_A", "1"), ("HTTP_A", "2"), ("LOCAL", "")],
        &[("HTTP_A", "2"), ("LOCAL", "3")],
        &[("HTTP_A", "2"), ("LOCAL", ""), ("HTTP_AB", "")],
        &[("HTTP_A", "B"), ("HTTP_AB", ""), ("HTTP_B", &long)],
        &[("HTTP_A", ""), ("HTTP_AB", "C"), ("HTTP_B", &long)],
        &[("HTTP_A", ""), ("HTTP_AB", ""), ("HTTP_B", "")],
        &[("HTTP_A", ""), ("HTTP_B", ""), ("HTTP_AB", "C")],
    ];
    for (number, pairs) in requests.into_iter().enumerate() {
        let params = pairs.iter().fold(Params::get("/"), |params, (name, value)| params.add(name, value));
        let shown = peer.request(&params, b"").expect_status(200).json();
        let environ = shown["environ"].as_object().unwrap();
        for name in ["HTTP_A", "HTTP_AB", "HTTP_B", "LOCAL"] {
            let values: Vec<_> = pairs.iter().filter(|(sent, _)| *sent == name).map(|(_, value)| *value).collect();
            let is_there = !values.is_empty() && (name != "LOCAL" || values != [""]);
            let expected = is_there.then(|| values.join(","));
            assert_eq!(variable(environ, name), expected.as_deref(), "{name} of request {number}");
        }
    }
}

#[test]
fn a_long_value_reaches_the_app_whole() {
    let long = "x".repeat(40_000);
    let environ = environ_of(&Params::get("/").add("HTTP_X_LONG", &long));
    assert_eq!(variable(&environ, "HTTP_X_LONG"), Some(long.as_str()));
}
