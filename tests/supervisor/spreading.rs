//! Requests go where a worker has time for them.

use std::thread;
use std::time::{Duration, Instant};

use crate::site::{Site, limit, site_of};
use crate::support::peer::Address;
use crate::support::process::wait_until;
use crate::support::{Launch, Params, Peer, app, free_port};

const MOST: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(700)];

/// One request, which has to be answered while the busy worker is.
fn quick(peer: &mut Peer) -> (Duration, String) {
    let started = Instant::now();
    let answer = peer.request(&Params::get("/"), b"").expect_status(200);
    (started.elapsed(), answer.text())
}

#[track_caller]
fn expect_quick(what: &str, times: &[Duration]) {
    let longest = times.iter().max().unwrap();
    eprintln!("{what}: the longest of {} took {longest:?}", times.len());
    assert!(*longest <= limit(MOST[0], MOST[1]), "{what}: {times:?}");
}

/// Kept connections, used before, on each of the two children.
fn kept_on_both(address: &Address) -> Vec<(Peer, String)> {
    let mut kept: Vec<(Peer, String)> = Vec::new();
    let on = |kept: &[(Peer, String)], pid: &str| kept.iter().filter(|(_, other)| other == pid).count();
    wait_until("kept connections on both children", || {
        // Several at once: one alone would always meet the same child.
        let mut peers: Vec<Peer> = (0..4).map(|_| Peer::connect(address.clone())).collect();
        peers.iter_mut().for_each(|peer| peer.send_request(1, true, &Params::get("/?0.02"), b""));
        for mut peer in peers {
            let pid = peer.answer(1).expect_status(200).text();
            if on(&kept, &pid) < 5 {
                kept.push((peer, pid));
            }
        }
        kept.len() == 10
    });
    kept
}

fn one_busy_child_holds_up_nothing(address: &Address) {
    let mut kept = kept_on_both(address);
    let started = Instant::now();
    let mut busy = Peer::connect(address.clone());
    busy.send_request(1, true, &Params::get("/?2"), b"");
    let new: Vec<_> = (0..50).map(|_| quick(&mut Peer::connect(address.clone())).0).collect();
    expect_quick("new connections, one after the other", &new);
    let old: Vec<_> = (0..50).map(|index| quick(&mut kept[index % 10].0).0).collect();
    expect_quick("kept connections, one after the other", &old);
    let at_once = |peers: Vec<Peer>| -> Vec<(Duration, Peer)> {
        let threads = peers.into_iter().map(|mut peer| thread::spawn(move || (quick(&mut peer).0, peer)));
        threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
    };
    let mut peers: Vec<Peer> = kept.into_iter().map(|(peer, _)| peer).collect();
    let mut times = Vec::new();
    for _ in 0..5 {
        let results = at_once(peers);
        peers = Vec::new();
        for (time, peer) in results {
            times.push(time);
            peers.push(peer);
        }
    }
    expect_quick("kept connections, 10 at once", &times);
    let new = (0..5).flat_map(|_| at_once((0..10).map(|_| Peer::connect(address.clone())).collect()));
    let new: Vec<_> = new.map(|(time, _)| time).collect();
    expect_quick("new connections, 10 at once", &new);
    assert!(started.elapsed() < Duration::from_secs(2), "it took {:?}: nobody was busy at the end", started.elapsed());
    busy.answer(1).expect_status(200);
}

#[test]
fn one_busy_child_of_two_holds_up_nothing() {
    let site = Site::start(site_of("sleeps.py", "processes = 2\nthreads = 1\n"));
    one_busy_child_holds_up_nothing(&site.address());
    site.end();
}

#[test]
fn the_same_through_tcp() {
    let port = free_port();
    let text =
        format!("[pool.web]\napp = \"{}\"\nlisten = \"127.0.0.1:{port}\"\nprocesses = 2\nthreads = 1\n", app("sleeps.py"));
    let launch: Launch = crate::site::site(&text);
    let site = Site::start(launch);
    one_busy_child_holds_up_nothing(&Address::Tcp(([127, 0, 0, 1], port).into()));
    site.end();
}

#[test]
fn a_request_behind_a_running_one_of_its_own_connection_is_answered_too() {
    let site = Site::start(site_of("sleeps.py", "processes = 2\nthreads = 1\n"));
    let mut peer = site.connect();
    peer.send_request(1, true, &Params::get("/?0.5"), b"");
    peer.send_request(2, true, &Params::get("/"), b"");
    peer.answer(2).expect_status(200);
    peer.answer(1).expect_status(200);
    site.end();
}

#[test]
fn when_all_are_busy_requests_wait_and_all_are_answered() {
    let site = Site::start(site_of("sleeps.py", "processes = 2\nthreads = 1\n"));
    let mut peers: Vec<Peer> = (0..20).map(|_| site.connect()).collect();
    peers.iter_mut().for_each(|peer| peer.send_request(1, true, &Params::get("/?0.05"), b""));
    let pids: std::collections::BTreeSet<String> =
        peers.iter_mut().map(|peer| peer.answer(1).expect_status(200).text()).collect();
    assert_eq!(pids.len(), 2, "both have worked");
    site.end();
}
