//! What an app notices when its peer gives up.

use crate::support::record::abort;
use crate::support::{Params, Peer, Pyfcgid, app};

/// A server with one worker and a connection on which a request runs and has sent `text`.
fn running(file: &str, target: &str, text: &str) -> (Pyfcgid, Peer) {
    let server = Pyfcgid::serve(app(file), &["--threads", "1"]);
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get(target), b"");
    peer.wait_for_stdout(1, text);
    (server, peer)
}

#[track_caller]
fn expect_worker_is_free(server: &mut Pyfcgid) {
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get("/"), b"");
    peer.wait_for_stdout(1, "Status: 200");
    server.expect_running();
}

#[test]
fn aborted_is_true_after_abort_request() {
    let (mut server, mut peer) = running("waits_for_abort.py", "/", "running");
    peer.send(&abort(1));
    server.wait_for_log("aborted is True");
    assert!(peer.answer(1).ended, "END_REQUEST ends an aborted request");
    expect_worker_is_free(&mut server);
}

#[test]
fn aborted_is_true_after_the_peer_has_closed() {
    let (mut server, peer) = running("waits_for_abort.py", "/", "running");
    drop(peer);
    server.wait_for_log("aborted is True");
    expect_worker_is_free(&mut server);
}

#[test]
fn aborted_is_false_while_the_peer_waits() {
    let server = Pyfcgid::serve(app("not_aborted.py"), &[]);
    let answer = server.connect().request(&Params::get("/"), b"").expect_status(200);
    assert_eq!(answer.header("X-Aborted").as_deref(), Some("False"));
}

#[test]
fn an_abort_of_one_request_is_not_seen_by_another() {
    let server = Pyfcgid::serve(app("waits_for_abort.py"), &["--threads", "2"]);
    let mut peer = server.connect();
    for id in [1, 2] {
        peer.send_request(id, true, &Params::get("/"), b"");
        peer.wait_for_stdout(id, "running");
    }
    peer.send(&abort(1));
    assert!(peer.answer(1).ended);
    server.wait_for_log("aborted is");
    assert_eq!(server.log().matches("aborted is").count(), 1, "{}", server.log());
    peer.send(&abort(2));
    assert!(peer.answer(2).ended);
}

#[test]
fn request_ids_differ_and_stand_in_the_log() {
    let server = Pyfcgid::serve(app("not_aborted.py"), &[]);
    let mut peer = server.connect();
    let ids: Vec<String> =
        (0..3).map(|_| peer.request(&Params::get("/"), b"").expect_status(200).header("X-Id").unwrap()).collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
    let log = server.wait_for_log_that("three lines", |log| log.matches("a line of this request").count() == 3);
    for id in ids {
        assert!(log.lines().any(|line| line.contains("a line of this request") && line.contains(&id)), "no {id:?} in {log}");
    }
}

#[test]
fn a_generator_is_closed_after_abort_request() {
    let (mut server, mut peer) = running("yields_for_ever.py", "/", "on and on");
    peer.send(&abort(1));
    server.wait_for_log("the generator was closed");
    assert!(peer.answer(1).ended, "END_REQUEST ends an aborted request");
    expect_worker_is_free(&mut server);
}

#[test]
fn a_generator_is_closed_after_the_peer_has_closed() {
    let (mut server, peer) = running("yields_for_ever.py", "/", "on and on");
    drop(peer);
    server.wait_for_log("the generator was closed");
    expect_worker_is_free(&mut server);
}

#[test]
fn an_app_that_writes_for_ever_is_stopped_by_abort_request() {
    let (mut server, mut peer) = running("yields_for_ever.py", "/write", "on and on");
    peer.send(&abort(1));
    server.wait_for_log("stopped writing");
    assert!(peer.answer(1).ended, "END_REQUEST ends an aborted request");
    expect_worker_is_free(&mut server);
}

#[test]
fn an_app_that_writes_for_ever_is_stopped_when_the_peer_has_closed() {
    let (mut server, peer) = running("yields_for_ever.py", "/write", "on and on");
    drop(peer);
    server.wait_for_log("stopped writing");
    expect_worker_is_free(&mut server);
}

#[test]
fn an_aborted_request_leaves_its_connection_usable() {
    let (_server, mut peer) = running("yields_for_ever.py", "/", "on and on");
    peer.send(&abort(1));
    assert!(peer.answer(1).ended);
    peer.send_request(1, true, &Params::get("/"), b"");
    peer.wait_for_stdout(1, "on and on");
}
