//! wsgi.input is a file: PEP 3333, "Input and Error Streams", and what io.BytesIO does.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::process::may_look_into_children;
use crate::support::{Answer, Params, Peer, Pyfcgid, app};

const LINES: &[u8] = b"one\ntwo and more\n\nlast";

fn ask(way: &str, body: &[u8]) -> Answer {
    let server = Pyfcgid::serve(app("input_by_rule.py"), &[]);
    server.connect().request(&Params::post(way, body.len()), body).expect_status(200)
}

#[test]
fn readline_honours_its_size() {
    assert_eq!(ask("/readline-size", LINES).text(), r"[b'one\n', b'two ', b'and ', b'more']");
}

#[test]
fn readline_keeps_newlines() {
    assert_eq!(ask("/readline", LINES).text(), r"[b'one\n', b'two and more\n', b'\n']");
}

#[test]
fn readline_of_zero_bytes_is_empty_and_loses_nothing() {
    assert_eq!(ask("/readline-zero", LINES).text(), r"[b'', b'one\n']");
}

#[test]
fn read_of_minus_one_reads_everything() {
    assert_eq!(ask("/read-minus-one", b"all of it").text(), "[b'all of it', b'']");
}

#[test]
fn read_without_a_size_reads_everything() {
    assert_eq!(ask("/read", b"all of it").text(), "[b'all of it', b'']");
}

#[test]
fn read_of_none_reads_everything() {
    assert_eq!(ask("/read-none", b"all of it").text(), "[b'all of it']");
}

#[test]
fn read_of_zero_bytes_is_empty_and_loses_nothing() {
    assert_eq!(ask("/read-zero", b"abcdef").text(), "[b'', b'abc']");
}

#[test]
fn read_stops_at_the_end_of_the_body() {
    assert_eq!(ask("/read-too-much", b"short").text(), "[b'short', b'']");
    assert_eq!(ask("/read-huge", b"short").text(), "[b'short']");
}

#[test]
fn read_refuses_a_size_that_is_no_number() {
    assert_eq!(ask("/read-text", b"x").text(), "['TypeError']");
}

#[test]
fn iteration_gives_lines_with_their_newlines() {
    assert_eq!(ask("/iterate", LINES).text(), r"[b'one\n', b'two and more\n', b'\n', b'last']");
    assert_eq!(ask("/iterate", b"").text(), "[]");
}

#[test]
fn readlines_gives_lines_with_their_newlines() {
    assert_eq!(ask("/readlines", LINES).text(), r"[b'one\n', b'two and more\n', b'\n', b'last']");
}

#[test]
fn iteration_goes_on_where_it_stopped() {
    assert_eq!(ask("/iter-is-itself", LINES).text(), r"[b'one\n', b'two and more\n']");
}

#[test]
fn all_ways_of_reading_share_one_position() {
    assert_eq!(ask("/mixed", LINES).text(), r"[b'on', b'e\n', b'two and more\n', b'\nlast']");
}

#[test]
fn the_input_can_be_read_in_another_thread() {
    assert_eq!(ask("/in-a-thread", b"from afar").text(), "[b'from afar']");
}

/// Chunked uploads: rule 15 of the web servers.
#[test]
fn a_body_of_unknown_length_is_read_to_its_end_and_the_app_gets_its_length() {
    let server = Pyfcgid::serve(app("input_by_rule.py"), &[]);
    let mut peer = server.connect();
    let unknown = Params::post("/read", 0).remove("HTTP_CONTENT_LENGTH");
    for params in [
        unknown.clone().remove("CONTENT_LENGTH"),
        unknown.clone().set("CONTENT_LENGTH", ""),
        unknown.set("CONTENT_LENGTH", "-1"),
    ] {
        let answer = peer.request(&params, b"chunked").expect_status(200);
        assert_eq!((answer.text().as_str(), answer.header("X-Length").as_deref()), ("[b'chunked', b'']", Some("7")));
    }
}

#[test]
fn a_body_that_nobody_reads_does_not_disturb_the_next_request() {
    let server = Pyfcgid::serve(app("input_by_rule.py"), &[]);
    let mut peer = server.connect();
    let body = vec![b'x'; 300_000];
    for _ in 0..3 {
        assert_eq!(peer.request(&Params::post("/nothing", body.len()), &body).expect_status(200).text(), "[]");
    }
    assert_eq!(peer.request(&Params::post("/read", 4), b"next").expect_status(200).text(), "[b'next', b'']");
}

#[test]
fn a_large_body_leaves_no_temporary_file_and_no_descriptor_behind() {
    if !may_look_into_children() {
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let server = crate::support::Launch::serve(app("input_by_rule.py"))
        .args(["--body-memory", "64K"])
        .env("TMPDIR", temporary.path())
        .start();
    let mut peer = server.connect();
    peer.request(&Params::post("/count", 1), b"x").expect_status(200);
    let files = server.open_files();
    let body = vec![b'x'; 3_000_000];
    for _ in 0..5 {
        assert_eq!(peer.request(&Params::post("/count", body.len()), &body).expect_status(200).text(), "[3000000]");
    }
    server.wait_for_open_files(files);
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn the_input_reads_as_bytesio_does_from_memory() {
    compare_with_bytesio(&["--body-memory", "10M"], &[0, 1, 2, 100, 5000, 70_000, 300_000], 12);
}

#[test]
fn the_input_reads_as_bytesio_does_from_a_temporary_file() {
    compare_with_bytesio(&["--body-memory", "1K"], &[0, 1, 1023, 1024, 1025, 5000, 70_000, 300_000], 12);
}

/// Lets the app run random scripts of reads on wsgi.input and on io.BytesIO side by side.
fn compare_with_bytesio(arguments: &[&str], lengths: &[usize], rounds: u64) {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(seed_of_now);
    println!("SEED={seed}");
    let server = Pyfcgid::serve(app("input_against_bytesio.py"), arguments);
    let mut peer = server.connect();
    for round in 0..rounds {
        for length in lengths {
            check_script(&mut peer, seed + round, *length);
        }
    }
}

fn check_script(peer: &mut Peer, seed: u64, length: usize) {
    let body = peer.request(&Params::get(&format!("/body?{seed},{length}")), b"").expect_status(200).body;
    assert_eq!(body.len(), length);
    let params = Params::post(&format!("/check?{seed},{length}"), length);
    assert_eq!(peer.request(&params, &body).expect_status(200).text(), "ok", "seed {seed}, length {length}");
}

fn seed_of_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into()
}

#[test]
fn objects_that_outlive_their_request_fail_politely() {
    let mut server = Pyfcgid::serve(app("outlives_the_request.py"), &["--threads", "1"]);
    let mut peer = server.connect();
    assert_eq!(peer.request(&Params::post("/", 9), b"nine here").expect_status(200).text(), "kept");
    let second = peer.request(&Params::get("/"), b"").expect_status(200).text();
    for line in second.lines() {
        let (what, outcome) = line.split_once(": ").unwrap();
        let polite = match what {
            "aborted" => matches!(outcome, "True" | "False"),
            "errors.write" | "errors.flush" => !outcome.contains("SystemError"),
            _ => outcome.ends_with("Error") && outcome != "SystemError",
        };
        assert!(polite, "{line}");
    }
    assert_eq!(second.lines().count(), 9, "{second}");
    server.expect_running();
}
