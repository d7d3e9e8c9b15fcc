//! `wsgiref.validate.validator` has nothing to complain about.

use crate::support::{Params, Pyfcgid, app};

#[track_caller]
fn expect_valid(params: &Params, body: &[u8], status: u16, expected: &str) {
    let mut server = Pyfcgid::serve(app("validated.py"), &["--threads", "1"]);
    let mut peer = server.connect();
    for _ in 0..2 {
        let answer = peer.request(params, body);
        assert_eq!(answer.text(), expected, "{}", answer.summary());
        answer.expect_status(status);
    }
    let log = server.final_log();
    assert!(!log.contains("Error") && !log.contains("Warning"), "{log}");
}

const BODY: &[u8] = b"first line\nsecond\n\nno newline at the end";
const TEXT: &str = "first line\nsecond\n\nno newline at the end";

fn post(path: &str) -> Params {
    Params::post(path, BODY.len())
}

fn chunked(path: &str) -> Params {
    post(path).remove("CONTENT_LENGTH").remove("HTTP_CONTENT_LENGTH").add("HTTP_TRANSFER_ENCODING", "chunked")
}

#[test]
fn get_is_valid() {
    expect_valid(&Params::get("/get?x=1"), b"", 200, "got");
}

#[test]
fn head_is_valid() {
    expect_valid(&Params::nginx("HEAD", "/get"), b"", 200, "");
}

#[test]
fn post_is_valid() {
    expect_valid(&post("/read"), BODY, 200, TEXT);
}

#[test]
fn chunked_post_is_valid() {
    expect_valid(&chunked("/read"), BODY, 200, TEXT);
    expect_valid(&chunked("/iterate"), BODY, 200, TEXT);
}

#[test]
fn readline_is_valid() {
    expect_valid(&post("/readline"), BODY, 200, TEXT);
}

#[test]
fn readlines_is_valid() {
    expect_valid(&post("/readlines"), BODY, 200, TEXT);
}

#[test]
fn iteration_over_the_input_is_valid() {
    expect_valid(&post("/iterate"), BODY, 200, TEXT);
}

#[test]
fn iteration_over_the_answer_is_valid() {
    expect_valid(&Params::get("/chunks"), b"", 200, "abc");
}

#[test]
fn write_is_valid() {
    expect_valid(&Params::get("/write"), b"", 200, "written twice and returned");
}

#[test]
fn wsgi_errors_is_valid() {
    expect_valid(&Params::get("/errors"), b"", 200, "logged");
}

#[test]
fn an_answer_without_a_body_is_valid() {
    expect_valid(&Params::get("/empty"), b"", 204, "");
}

#[test]
fn a_mounted_app_is_valid() {
    let server = Pyfcgid::serve(app("validated.py"), &["--mount", "/app"]);
    let answer = server.connect().request(&Params::get("/app/get"), b"").expect_status(200);
    assert_eq!(answer.text(), "got");
}

#[test]
fn parameters_of_a_poor_web_server_are_valid() {
    let params =
        Params::empty().add("REQUEST_METHOD", "GET").add("SCRIPT_NAME", "/get").add("SERVER_NAME", "").add("SERVER_PORT", "");
    expect_valid(&params, b"", 200, "got");
}
