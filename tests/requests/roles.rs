//! The roles beside the responder, shown by a raw peer: what completes them, what the application sees, what is refused.

use serde_json::Value;

use crate::support::record::{begin, protocol_status, record, role, stream};
use crate::support::{Answer, Params, Pyfcgid, app, kind};
use crate::{expect_complete, expect_usable};

/// lighttpd drops what stands before a status that denies, so an authorizer has it first.
#[track_caller]
fn expect_verdict(answer: Answer, status: u16) -> Answer {
    let answer = answer.expect_status(status);
    assert_eq!(answer.head_names.first().map(String::as_str), Some("Status"), "{:?}", answer.head_names);
    answer
}

/// A server of the app that says which role it is in.
#[track_caller]
fn serve(roles: &str, arguments: &[&str]) -> Pyfcgid {
    Pyfcgid::serve(app("roles.py"), &[&["--roles", roles], arguments].concat())
}

fn ask(role: u16, params: &Params) -> Vec<u8> {
    [begin(1, role, true), stream(kind::PARAMS, 1, &params.encode())].concat()
}

/// What the app saw.
#[track_caller]
fn seen(answer: Answer) -> Value {
    let answer = answer.expect_status(200);
    assert_eq!(answer.protocol_status, Some(protocol_status::REQUEST_COMPLETE));
    answer.json()
}

/// As Apache asks: no STDIN record at all.
#[test]
fn an_authorizer_is_asked_with_its_params_alone() {
    let server = serve("authorizer", &[]);
    let mut peer = server.connect();
    for params in [Params::get("/secret"), Params::post("/secret", 5)] {
        peer.send(&ask(role::AUTHORIZER, &params));
        let seen = seen(peer.answer(1));
        assert_eq!((&seen["role"], &seen["body"], &seen["data"]), (&"authorizer".into(), &"".into(), &Value::Null), "{seen:#}");
    }
}

/// As lighttpd asks for a GET.
#[test]
fn an_end_of_stdin_behind_an_authorizer_is_ignored() {
    let server = serve("responder,authorizer", &[]);
    let mut peer = server.connect();
    for _ in 0..3 {
        peer.send(&[ask(role::AUTHORIZER, &Params::get("/")), record(kind::STDIN, 1, b"")].concat());
        assert_eq!(seen(peer.answer(1))["role"], "authorizer");
    }
    assert_eq!(seen(peer.request(&Params::post("/", 2), b"hi"))["role"], "responder");
}

#[test]
fn headers_for_the_web_server_pass_an_authorizer_untouched() {
    let server = serve("authorizer", &[]);
    let mut peer = server.connect();
    peer.send(&ask(role::AUTHORIZER, &Params::get("/")));
    let answer = expect_verdict(peer.answer(1), 200);
    assert_eq!(answer.header("Variable-ROLE_SEEN").as_deref(), Some("authorizer"));
    assert!(answer.head_names.iter().any(|name| name == "Variable-ROLE_SEEN"), "{:?}", answer.head_names);
}

#[test]
fn an_authorizer_that_fails_denies() {
    let server = serve("authorizer", &[]);
    let mut peer = server.connect();
    peer.send(&ask(role::AUTHORIZER, &Params::get("/raise")));
    expect_complete(peer.answer(1), 500);
    peer.send(&ask(role::AUTHORIZER, &Params::get("/deny")));
    expect_verdict(peer.answer(1), 403);
}

/// mod_fcgid and lighttpd let a request in at a head that says 200, whatever comes behind it.
#[test]
fn an_authorizer_that_breaks_in_the_middle_denies() {
    for (file, path) in
        [("raises.py", "/after-write"), ("raises.py", "/in-the-middle"), ("body_shorter_than_content_length.py", "/")]
    {
        let server = Pyfcgid::serve(app(file), &["--roles", "authorizer"]);
        let mut peer = server.connect();
        peer.send(&ask(role::AUTHORIZER, &Params::get(path)));
        let answer = expect_complete(peer.answer(1), 500);
        assert!(!answer.text().contains("first half"), "{path}: {}", answer.text());
        assert_eq!(answer.app_status, Some(1), "{path}");
    }
}

/// The path that it guards is not the application's.
#[test]
fn a_mount_does_not_bind_an_authorizer() {
    let server = serve("authorizer", &["--mount", "/app"]);
    let mut peer = server.connect();
    peer.send(&ask(role::AUTHORIZER, &Params::get("/elsewhere").remove("SCRIPT_NAME")));
    assert_eq!(seen(peer.answer(1))["role"], "authorizer");
}

#[test]
fn a_filter_reads_the_body_and_the_file() {
    let server = serve("filter", &["--body-memory", "100"]);
    let mut peer = server.connect();
    for length in [0, 10, 70_000] {
        let file = "line\n".repeat(length / 5);
        let params = Params::post("/", 4).add("FCGI_DATA_LENGTH", length.to_string()).add("FCGI_DATA_LAST_MOD", "1700000000");
        let input = [stream(kind::STDIN, 1, b"body"), stream(kind::DATA, 1, file.as_bytes())].concat();
        peer.send(&[ask(role::FILTER, &params), input].concat());
        let seen = seen(peer.answer(1));
        assert_eq!((&seen["role"], &seen["body"], &seen["data"]), (&"filter".into(), &"body".into(), &file.into()));
        assert_eq!((&seen["length"], &seen["last_mod"]), (&length.to_string().into(), &"1700000000".into()), "{length} bytes");
    }
}

#[test]
fn a_filter_whose_file_has_no_length_reads_it_to_its_end() {
    let server = serve("filter", &[]);
    let mut peer = server.connect();
    let input = [stream(kind::STDIN, 1, b""), stream(kind::DATA, 1, b"the file")].concat();
    peer.send(&[ask(role::FILTER, &Params::get("/")), input].concat());
    assert_eq!(seen(peer.answer(1))["data"], "the file");
}

#[test]
fn a_file_that_is_cut_short_or_too_large_is_refused() {
    let server = serve("responder,filter", &["--max-body-size", "100"]);
    let mut peer = server.connect();
    for (announced, length, status) in [("9", 8, 400), ("x", 0, 400), ("101", 101, 413), ("", 101, 413), ("100", 101, 200)] {
        let params = Params::get("/").add("FCGI_DATA_LENGTH", announced);
        let input = [stream(kind::STDIN, 1, b""), stream(kind::DATA, 1, &vec![b'x'; length])].concat();
        peer.send(&[ask(role::FILTER, &params), input].concat());
        expect_complete(peer.answer(1), status);
    }
    assert_eq!(seen(peer.request(&Params::get("/"), b""))["role"], "responder");
}

#[test]
fn a_responder_that_nobody_named_is_refused() {
    let server = serve("authorizer", &[]);
    let answer = expect_complete(server.connect().request(&Params::get("/"), b""), 403);
    assert_eq!(answer.protocol_status, Some(protocol_status::UNKNOWN_ROLE));
    server.wait_for_log("was answered 403 Forbidden: its role, responder, is not accepted: add it to `roles` to allow it\n");
}

#[test]
fn a_responder_is_told_that_it_is_one() {
    let server = crate::echo(&[]);
    expect_usable(&mut server.connect());
    let server = serve("responder", &[]);
    let seen = seen(server.connect().request(&Params::post("/", 2), b"hi"));
    assert_eq!((&seen["role"], &seen["body"], &seen["data"]), (&"responder".into(), &"hi".into(), &Value::Null));
}

/// What Apache's mod_authnz_fcgi and lighttpd really send.
#[test]
fn the_questions_of_real_web_servers_are_answered() {
    let server = serve("authorizer", &["--mount", "/app"]);
    let captures: [(&str, &[u8]); 4] = [
        ("apache-authnz-get", include_bytes!("../records/captures/apache-authnz-get.bin")),
        ("apache-authnz-post", include_bytes!("../records/captures/apache-authnz-post.bin")),
        ("lighttpd-authorizer-get", include_bytes!("../records/captures/lighttpd-authorizer-get.bin")),
        ("lighttpd-authorizer-post", include_bytes!("../records/captures/lighttpd-authorizer-post.bin")),
    ];
    for (name, bytes) in captures {
        let mut peer = server.connect();
        peer.send(bytes);
        let seen = seen(peer.answer(1));
        assert_eq!((&seen["role"], &seen["body"]), (&"authorizer".into(), &"".into()), "{name}");
    }
}
