//! Who closes a connection, when and how: rules 1, 2 and 3; and where it may come from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::support::process::may_look_into_children;
use crate::support::record::{begin, record, stream};
use crate::support::{Launch, Params, Pyfcgid, app, free_port, kind};
use crate::{echo, expect_usable, post};

/// Rule 1: nginx does not look at END_REQUEST before the connection ends.
#[test]
fn without_keep_conn_the_connection_ends_right_after_end_request() {
    let server = echo(&[]);
    for _ in 0..10 {
        let started = Instant::now();
        server.connect().last_request(&post("once=1", 3), b"abc").expect_status(200);
        assert!(started.elapsed() < Duration::from_secs(5), "took {:?}", started.elapsed());
    }
}

/// Rule 1: for answers that no app made, too.
#[test]
fn without_keep_conn_the_connection_ends_after_a_refusal() {
    let server = echo(&["--max-body-size", "1K"]);
    server.connect().last_request(&post("short=1", 10), b"1").expect_status(400);
    server.connect().last_request(&post("large=1", 5000), &[b'x'; 5000]).expect_status(413);
}

/// Rule 3.
#[test]
fn with_keep_conn_the_connection_stays_open() {
    let server = echo(&[]);
    let mut peer = server.connect();
    for _ in 0..50 {
        expect_usable(&mut peer);
    }
    assert!(peer.is_silent_for(Duration::from_millis(300)), "closed although KEEP_CONN was set");
}

/// Only bit 0 of the flags means something (FastCGI 1.0 §5.1).
#[test]
fn other_flags_than_keep_conn_mean_nothing() {
    let server = echo(&[]);
    let mut peer = server.connect();
    peer.send(&record(kind::BEGIN_REQUEST, 1, &[0, 1, 0xfe, 0, 0, 0, 0, 0]));
    peer.send(&[stream(kind::PARAMS, 1, &post("flags=1", 0).encode()), record(kind::STDIN, 1, b"")].concat());
    peer.answer(1).expect_status(200);
    peer.expect_closed();
}

/// Rule 2: a plain close with unread input loses the answer.
#[test]
fn input_behind_an_early_answer_does_not_destroy_it() {
    expect_early_answers(&echo(&[]));
}

#[test]
fn input_behind_an_early_answer_does_not_destroy_it_over_tcp() {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    expect_early_answers(&Launch::serve_unlistened(app("echoes.py")).listen(address).start());
}

#[track_caller]
fn expect_early_answers(server: &Pyfcgid) {
    for _ in 0..20 {
        let mut peer = server.connect();
        peer.send(&[begin(1, 9, false), stream(kind::PARAMS, 1, &post("early=1", 200_000).encode())].concat());
        peer.send(&stream(kind::STDIN, 1, &[b'x'; 200_000]));
        peer.answer(1).expect_status(403);
        peer.expect_closed();
    }
}

/// Rule 2: the wait for the peer's own close has an end.
#[test]
fn a_peer_that_does_not_close_after_the_last_answer_is_let_go() {
    if !may_look_into_children() {
        return;
    }
    let server = echo(&["--socket-timeout", "1s"]);
    let open = server.open_files();
    let mut peers: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for peer in &mut peers {
        peer.last_request(&post("lingers=1", 0), b"").expect_status(200);
    }
    server.wait_for_open_files(open);
}

#[test]
fn connections_that_come_and_go_leave_no_descriptor_behind() {
    if !may_look_into_children() {
        return;
    }
    let server = echo(&[]);
    server.connect().last_request(&post("warm=1", 0), b"").expect_status(200);
    let open = server.open_files();
    for turn in 0..200 {
        let mut peer = server.connect();
        if turn % 2 == 0 {
            peer.last_request(&post("comes=1", 0), b"").expect_status(200);
        }
    }
    server.wait_for_open_files(open);
}

fn serve_on(address: IpAddr) {
    let address = SocketAddr::from((address, free_port()));
    let server = Launch::serve_unlistened(app("echoes.py")).listen(address).start();
    let mut peer = server.connect();
    expect_usable(&mut peer);
    server.connect().last_request(&Params::get("/"), b"").expect_status(200);
}

#[test]
fn ipv4_is_served() {
    serve_on(Ipv4Addr::LOCALHOST.into());
}

#[test]
fn ipv6_is_served() {
    serve_on(Ipv6Addr::LOCALHOST.into());
}

#[test]
fn several_addresses_are_served_at_once() {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let launch = Launch::serve(app("echoes.py"));
    let socket = launch.directory().join("s.sock");
    let server = launch.listen(address).start();
    expect_usable(&mut server.connect());
    expect_usable(&mut crate::support::Peer::connect(socket.as_path()));
}
