//! Peers that are silent, slow, deaf or many.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::process::may_look_into_children;
use crate::support::record::{begin, raw_record, record, role, stream};
use crate::support::{Launch, Params, Peer, Pyfcgid, app, kind};
use crate::{echo, expect_serves, new_lines, post};

/// Sends something and waits for the server to lose patience; one line in the log says so.
#[track_caller]
fn expect_timeout(bytes: &[u8]) {
    let mut server = echo(&["--socket-timeout", "300ms"]);
    let before = server.wait_for_log("PF0101 ready");
    let started = Instant::now();
    let mut peer = server.connect();
    peer.send(bytes);
    expect_serves(&mut server);
    peer.drain();
    assert!(started.elapsed() < Duration::from_secs(10), "took {:?}", started.elapsed());
    let log = server.wait_for_log_that("one new line", |log| !new_lines(log, &before).is_empty());
    expect_serves(&mut server);
    assert_eq!(new_lines(&server.log(), &before).len(), 1, "{log}");
}

#[test]
fn half_a_header_and_silence_ends_the_connection() {
    expect_timeout(&[1, 1, 0, 1]);
}

#[test]
fn half_a_record_and_silence_ends_the_connection() {
    expect_timeout(&raw_record(1, kind::BEGIN_REQUEST, 1, 8, &[0, 1], 0));
}

#[test]
fn half_of_params_and_silence_ends_the_connection() {
    expect_timeout(&[begin(1, role::RESPONDER, true), record(kind::PARAMS, 1, &post("half=1", 0).encode())].concat());
}

#[test]
fn half_a_body_and_silence_ends_the_connection() {
    let params = stream(kind::PARAMS, 1, &post("half=1", 10).encode());
    expect_timeout(&[begin(1, role::RESPONDER, true), params, record(kind::STDIN, 1, b"12345")].concat());
}

/// Nothing is lost, so nothing needs to be said.
#[test]
fn a_connection_on_which_nothing_ever_comes_is_closed() {
    let mut server = echo(&["--socket-timeout", "300ms"]);
    let mut peer = server.connect();
    peer.expect_closed();
    expect_serves(&mut server);
}

#[test]
fn a_kept_connection_without_a_request_is_closed_after_the_idle_timeout() {
    let mut server = echo(&["--idle-timeout", "500ms"]);
    let mut peer = server.connect();
    peer.request(&post("kept=1", 0), b"").expect_status(200);
    let started = Instant::now();
    peer.expect_closed();
    assert!(started.elapsed() > Duration::from_millis(300), "closed after {:?} only", started.elapsed());
    expect_serves(&mut server);
}

#[test]
fn a_kept_connection_without_a_request_is_not_closed_by_the_socket_timeout() {
    let server = echo(&["--socket-timeout", "200ms"]);
    let mut peer = server.connect();
    peer.request(&post("kept=1", 0), b"").expect_status(200);
    assert!(peer.is_silent_for(Duration::from_secs(1)), "closed although only the idle timeout applies");
    peer.request(&post("kept=2", 0), b"").expect_status(200);
}

/// The peer has nothing to send while the app works.
#[test]
fn a_slow_app_is_not_cut_off_by_the_socket_timeout() {
    let server = echo(&["--socket-timeout", "200ms"]);
    let gate = server.directory().join("gate");
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get(&format!("/?{}", gate.display())), b"");
    assert!(peer.is_silent_for(Duration::from_secs(1)), "something came before the app was done");
    fs::write(gate, "").unwrap();
    peer.answer(1).expect_status(200);
}

/// A peer that sends something from time to time is alive.
#[test]
fn a_slow_upload_is_not_cut_off_by_the_socket_timeout() {
    let server = echo(&["--socket-timeout", "1s"]);
    let mut peer = server.connect();
    peer.send(&[begin(1, role::RESPONDER, true), stream(kind::PARAMS, 1, &post("slow=1", 10).encode())].concat());
    for _ in 0..10 {
        thread::sleep(Duration::from_millis(200));
        peer.send(&record(kind::STDIN, 1, b"x"));
    }
    assert_eq!(peer.answer(1).expect_status(200).text(), "slow=1|xxxxxxxxxx");
}

fn sends_much(arguments: &[&str]) -> Pyfcgid {
    Pyfcgid::serve(app("sends_much.py"), arguments)
}

#[test]
fn an_answer_that_nobody_reads_costs_little_memory() {
    let server = sends_much(&["--threads", "2"]);
    let mut other = server.connect();
    other.request(&Params::get("/1"), b"").expect_status(200);
    let before = server.rss_kib();
    let mut deaf = server.connect();
    deaf.send_request(1, true, &Params::get("/500"), b"");
    for _ in 0..20 {
        other.request(&Params::get("/1"), b"").expect_status(200);
    }
    let growth = server.peak_rss_kib().saturating_sub(before);
    println!("memory grew by {growth} KiB at most");
    assert!(growth < 16 * 1024, "memory grew by {growth} KiB");
}

#[test]
fn a_peer_that_never_reads_is_cut_off_and_frees_its_worker() {
    let server = sends_much(&["--threads", "1", "--socket-timeout", "500ms"]);
    let before = server.wait_for_log("PF0101 ready");
    let mut deaf = server.connect();
    deaf.send_request(1, true, &Params::get("/500"), b"");
    let answer = server.connect().request(&Params::get("/1"), b"").expect_status(200);
    assert_eq!(answer.body.len(), 1 << 20);
    let log = server.wait_for_log_that("one new line", |log| log.contains("did not read a response"));
    // That the worker is busy for that long may be said, too.
    let said = new_lines(&log, &before).into_iter().filter(|line| !line.contains(": saturated: ")).count();
    assert_eq!(said, 1, "{log}");
    deaf.drain();
}

#[test]
fn a_peer_that_leaves_in_the_middle_of_an_answer_frees_its_worker() {
    let server = sends_much(&["--threads", "1"]);
    for _ in 0..5 {
        let mut leaving = server.connect();
        leaving.send_request(1, true, &Params::get("/500"), b"");
        leaving.wait_for_stdout(1, "0000000");
    }
    server.connect().request(&Params::get("/1"), b"").expect_status(200);
}

#[test]
fn a_slow_reader_gets_everything() {
    let server = sends_much(&["--threads", "1", "--socket-timeout", "2s"]);
    let mut slow = server.connect();
    slow.send_request(1, true, &Params::get("/8"), b"");
    let mut length = 0;
    let mut last_pause = 0;
    while let Some(record) = slow.next_record() {
        if record.kind == kind::END_REQUEST {
            assert!(length > 8 << 20);
            return;
        }
        length += record.content.len();
        if length - last_pause > 1 << 20 {
            last_pause = length;
            thread::sleep(Duration::from_millis(400));
        }
    }
    panic!("cut off after {length} bytes");
}

#[test]
fn hundreds_of_silent_connections_hold_up_nobody() {
    let mut server = echo(&["--threads", "1"]);
    let silent: Vec<Peer> = (0..300)
        .map(|number| {
            let mut peer = server.connect();
            peer.send(&begin(1, role::RESPONDER, true)[..number % 16]);
            peer
        })
        .collect();
    for _ in 0..20 {
        expect_serves(&mut server);
    }
    drop(silent);
    expect_serves(&mut server);
}

#[test]
fn more_connections_than_allowed_wait_or_are_closed_but_harm_nobody() {
    let mut server = echo(&["--max-connections", "10"]);
    let mut first = server.connect();
    first.request(&post("first=1", 0), b"").expect_status(200);
    let many: Vec<Peer> = (0..50).map(|_| server.connect()).collect();
    first.request(&post("first=2", 0), b"").expect_status(200);
    drop(many);
    expect_serves(&mut server);
}

#[test]
fn running_out_of_file_descriptors_is_survived() {
    if !may_look_into_children() {
        return;
    }
    let mut server = echo(&[]);
    let mut first = server.connect();
    first.request(&post("first=1", 0), b"").expect_status(200);
    let limit = server.open_files() + 5;
    let arguments = [format!("--pid={}", server.child_pid()), format!("--nofile={limit}:")];
    let status = Command::new("prlimit").args(arguments).status();
    assert!(status.expect("prlimit runs (Debian package: util-linux)").success());
    let before = server.wait_for_log("PF0101 ready");
    let many: Vec<Peer> = (0..50).map(|_| server.connect()).collect();
    first.request(&post("first=2", 0), b"").expect_status(200);
    let started = Instant::now();
    let log =
        server.wait_for_log_that("two lines about the limit", |log| log.matches("cannot accept connections").count() == 2);
    assert!(started.elapsed() > Duration::from_millis(900), "more than one a second:\n{log}");
    drop(many);
    expect_serves(&mut server);
    assert!(new_lines(&server.log(), &before).len() < 60, "the log is flooded:\n{log}");
}

#[test]
fn the_same_bad_input_over_tcp_harms_nobody() {
    let address = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, crate::support::free_port()));
    let mut server = Launch::serve_unlistened(app("echoes.py")).listen(address).start();
    for bytes in [b"GET / HTTP/1.0\r\n\r\n".as_slice(), &[0xff; 4096], &[1, 1, 0, 1, 0, 3, 0, 0, 1, 2, 3]] {
        let mut peer = server.connect();
        let _ = peer.try_send(bytes);
        peer.expect_closed();
    }
    expect_serves(&mut server);
}
