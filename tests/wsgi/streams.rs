//! wsgi.input, wsgi.errors, sys.stdout and sys.stderr are whole files, as `io` has them.

use crate::support::{Params, Pyfcgid, app};

/// What the checks of `whole_files.py` have to say, a line each.
#[track_caller]
fn faults(path: &str, body: &[u8], arguments: &[&str]) -> String {
    let server = Pyfcgid::serve(app("whole_files.py"), arguments);
    server.connect().request(&Params::post(path, body.len()), body).expect_status(200).text()
}

#[test]
fn text_can_be_read_through_wsgi_input() {
    assert_eq!(faults("/text", "a,b\nc,größe".as_bytes(), &[]), "[['a', 'b'], ['c', 'größe']]");
}

#[test]
fn an_archive_can_be_read_from_wsgi_input() {
    assert_eq!(faults("/zip", b"", &[]), "needs a body");
    let server = Pyfcgid::serve(app("whole_files.py"), &[]);
    let archive = server.connect().request(&Params::get("/make-zip"), b"").expect_status(200).body;
    assert_eq!(faults("/zip", &archive, &[]), "hello from the archive");
    assert_eq!(faults("/zip", &archive, &["--body-memory", "0"]), "hello from the archive");
}

/// As Zope does when it tries a request again.
#[test]
fn a_body_can_be_read_twice() {
    assert_eq!(faults("/twice", b"the body", &[]), "[b'the body', b'the body']");
    assert_eq!(faults("/twice", b"the body", &["--body-memory", "0"]), "[b'the body', b'the body']");
}

#[test]
fn wsgi_input_has_what_bytesio_has_for_reading() {
    assert_eq!(faults("/input", b"one\ntwo\n\nlast", &[]), "");
    assert_eq!(faults("/input", b"one\ntwo\n\nlast", &["--body-memory", "0"]), "");
}

#[test]
fn wsgi_input_is_closed_as_a_file_is() {
    assert_eq!(faults("/close", b"some", &[]), "");
}

#[test]
fn wsgi_errors_has_what_a_text_file_has() {
    let server = Pyfcgid::serve(app("whole_files.py"), &[]);
    assert_eq!(server.connect().request(&Params::get("/errors"), b"").expect_status(200).text(), "");
    server.wait_for_log("written after it was closed");
}

#[test]
fn standard_output_has_what_a_binary_file_has() {
    let server = Pyfcgid::serve(app("whole_files.py"), &[]);
    assert_eq!(server.connect().request(&Params::get("/output"), b"").expect_status(200).text(), "");
    for text in ["of writelines, one", "of writelines, two", "[97, 98]", "through another wrapper", "after it was closed"] {
        server.wait_for_log(text);
    }
}
