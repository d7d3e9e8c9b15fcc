//! The option `sendfile-header`: the web server sends a file, and nobody reads the body that the application has as well.

use crate::support::process::wait_until;
use crate::support::{Answer, Params, Pyfcgid, app};

fn serve(options: &[&str]) -> Pyfcgid {
    Pyfcgid::serve(app("names_a_file.py"), options)
}

#[track_caller]
fn get(server: &Pyfcgid, target: &str) -> Answer {
    server.connect().request(&Params::get(target), b"").expect_status(200)
}

const OPTION: &[&str] = &["--sendfile-header", "X-Accel-Redirect"];

#[test]
fn a_response_with_the_header_is_its_head_alone() {
    let server = serve(OPTION);
    for path in ["/wrapped", "/iterable", "/list", "/late", "/write"] {
        let answer = get(&server, &format!("{path}?x-accel-redirect=/files/a"));
        assert_eq!((answer.header("x-accel-redirect").as_deref(), answer.text().as_str()), (Some("/files/a"), ""), "{path}");
        assert_eq!(answer.header("Content-Length"), None, "{path}: the length of another body");
    }
    assert!(!server.log().contains("were not sent"), "{}", server.log());
}

#[test]
fn its_body_is_closed_unread() {
    let server = serve(OPTION);
    for (number, path) in ["/wrapped", "/iterable"].iter().enumerate() {
        get(&server, &format!("{path}?X-Accel-Redirect=/files/a"));
        wait_until("a closed body", || server.log().matches("the body was closed").count() == number + 1);
    }
    get(&server, "/late?X-Accel-Redirect=/files/a");
    assert!(!server.log().contains("the body was read"), "{}", server.log());
}

/// Where the web server does not follow the header after all, the browser sees that something is missing.
#[test]
fn a_content_length_of_the_application_stays() {
    let answer = get(&serve(OPTION), "/measured?X-Accel-Redirect=/files/a");
    assert_eq!((answer.header("Content-Length").as_deref(), answer.text().as_str()), (Some("6"), ""));
}

#[test]
fn a_response_without_the_header_has_its_body() {
    let server = serve(OPTION);
    for path in ["/wrapped", "/iterable", "/list", "/late", "/measured"] {
        for query in ["", "?X-Sendfile=/files/a", "?X-Accel-Redirect="] {
            assert_eq!(get(&server, &format!("{path}{query}")).text(), "onetwo", "{path}{query}");
        }
    }
}

/// Not every web server knows the header, and then the body is all there is.
#[test]
fn without_the_option_the_header_passes_through_beside_the_body() {
    let server = serve(&[]);
    for path in ["/wrapped", "/iterable", "/list", "/late", "/measured"] {
        let answer = get(&server, &format!("{path}?X-Accel-Redirect=/files/a"));
        assert_eq!((answer.header("X-Accel-Redirect").as_deref(), answer.text().as_str()), (Some("/files/a"), "onetwo"));
    }
}

#[test]
fn a_connection_carries_the_next_request_afterwards() {
    let server = serve(OPTION);
    let mut peer = server.connect();
    for _ in 0..3 {
        assert_eq!(peer.request(&Params::get("/list?X-Accel-Redirect=/files/a"), b"").expect_status(200).text(), "");
        assert_eq!(peer.request(&Params::get("/list"), b"").expect_status(200).text(), "onetwo");
    }
}
