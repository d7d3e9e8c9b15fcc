//! wsgi.file_wrapper: PEP 3333, "Optional Platform-Specific File Handling".

use crate::support::process::may_look_into_children;
use crate::support::{Answer, Launch, Params, Pyfcgid, app};

struct Files {
    content: Vec<u8>,
    server: Pyfcgid,
    _directory: tempfile::TempDir,
}

fn serve(length: usize) -> Files {
    let content: Vec<u8> = (0..length).map(|index| b'a' + u8::try_from(index % 26 * 7 % 26).unwrap()).collect();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, &content).unwrap();
    let server = Launch::serve(app("sends_files.py")).env("FILE", &file).start();
    Files { content, server, _directory: directory }
}

impl Files {
    #[track_caller]
    fn get(&self, target: &str) -> Answer {
        self.server.connect().request(&Params::get(target), b"")
    }

    /// The body starts at this byte of the file and goes to its end.
    #[track_caller]
    fn expect_from(&self, target: &str, offset: usize) {
        let answer = self.get(target).expect_status(200);
        assert!(answer.body == self.content[offset..], "{target}: {} bytes, not from {offset}", answer.body.len());
    }
}

#[test]
fn a_file_is_sent_whole() {
    let files = serve(3_000_000);
    files.expect_from("/whole", 0);
    files.expect_from("/unbuffered", 0);
}

/// uWSGI starts at 0.
#[test]
fn a_file_is_sent_from_its_current_offset() {
    serve(100_000).expect_from("/seek", 1000);
}

/// The kernel's offset is ahead of Python's by what Python has buffered.
#[test]
fn a_file_that_was_read_from_is_sent_from_pythons_offset() {
    serve(100_000).expect_from("/after-buffered-read", 3);
}

#[test]
fn a_file_at_its_end_is_an_empty_body() {
    serve(1000).expect_from("/at-the-end", 1000);
}

#[test]
fn an_empty_file_is_an_empty_body() {
    serve(0).expect_from("/whole", 0);
}

#[test]
fn a_bytesio_is_sent_from_its_current_offset() {
    serve(100_000).expect_from("/bytesio", 5);
}

/// Its fileno is that of the packed file.
#[test]
fn a_gzip_file_is_sent_unpacked() {
    serve(100_000).expect_from("/gzip", 0);
}

#[test]
fn an_object_with_nothing_but_read_is_sent() {
    serve(100_000).expect_from("/only-read", 0);
}

#[test]
fn an_object_whose_fileno_is_no_file_is_read() {
    serve(100_000).expect_from("/lying-fileno", 0);
}

#[test]
fn a_pipe_is_read() {
    assert_eq!(serve(10).get("/pipe").expect_status(200).text(), "through a pipe");
}

#[test]
fn middleware_can_iterate_over_a_file_wrapper() {
    let files = serve(100);
    let answer = files.get("/middleware").expect_status(200);
    assert_eq!(answer.body, files.content.to_ascii_uppercase());
}

#[test]
fn the_file_is_closed_after_the_answer() {
    let files = serve(100_000);
    files.expect_from("/watched", 0);
    let log = files.server.wait_for_log("the file was closed");
    assert_eq!(log.matches("the file was closed").count(), 1, "{log}");
}

#[test]
fn no_descriptor_is_left_open() {
    if !may_look_into_children() {
        return;
    }
    let files = serve(100_000);
    files.expect_from("/whole", 0);
    let open = files.server.open_files();
    for _ in 0..20 {
        files.expect_from("/whole", 0);
    }
    files.server.wait_for_open_files(open);
}

#[test]
fn content_length_is_what_is_sent_of_a_longer_file() {
    let files = serve(100_000);
    let answer = files.get("/seek?5").expect_status(200);
    assert_eq!(answer.body, files.content[1000..1005]);
}

/// That it is shorter is known before anything is sent.
#[test]
fn a_file_shorter_than_content_length_is_a_500() {
    let files = serve(1000);
    let mut peer = files.server.connect();
    peer.request(&Params::get("/whole?2000"), b"").expect_status(500);
    assert_eq!(peer.request(&Params::get("/whole"), b"").expect_status(200).body, files.content);
}

#[test]
fn a_head_request_gets_no_file() {
    let files = serve(1000);
    let answer = files.server.connect().request(&Params::nginx("HEAD", "/whole?1000"), b"").expect_status(200);
    assert!(answer.body.is_empty());
    assert_eq!(answer.header("Content-Length").as_deref(), Some("1000"));
}

#[test]
fn a_closed_file_is_a_500() {
    let mut files = serve(1000);
    files.get("/closed").expect_status(500);
    files.server.expect_running();
    files.expect_from("/whole", 0);
}

#[test]
fn a_text_file_is_an_error_or_its_bytes() {
    let mut files = serve(1000);
    let answer = files.get("/text");
    assert!(answer.status == 500 || answer.body == files.content, "{}", answer.summary());
    files.server.expect_running();
}
