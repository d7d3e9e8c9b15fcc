//! `pyfcgid health` of pools that have processes and workers, but answer nothing.

use std::fs;
use std::time::{Duration, Instant};

use crate::site::{Site, kill, site_with, status_of};
use crate::support::process::wait_until;
use crate::support::{Params, Peer};

/// Keeps the GIL, in a read that the signal for a stack does not end, or waits until a file is there.
const STUCK: &str = "\
import ctypes, os, subprocess, time
def keeps_the_gil():
    with subprocess.Popen(['sleep', '15'], stdout=subprocess.PIPE) as sleep:
        ctypes.PyDLL(None).read(sleep.stdout.fileno(), ctypes.create_string_buffer(1), 1)
def application(environ, start_response):
    while environ['PATH_INFO'] == '/wait' and not os.path.exists('gate'):
        time.sleep(0.01)
    while environ['PATH_INFO'] == '/keep' and not os.path.exists('gate'):
        keeps_the_gil()
    start_response('200 OK', [])
    return [b'done']
";

fn send(site: &Site, path: &str) -> Peer {
    let mut peer = site.connect();
    peer.send_request(1, false, &Params::get(path), b"");
    peer
}

/// Waits until it is ill, but is not before.
#[track_caller]
fn illness_after(site: &Site, healthy: Duration) -> String {
    let (begun, mut told) = (Instant::now(), String::new());
    wait_until("an illness", || {
        let ended = site.control("health");
        told = ended.out;
        assert_eq!(told.is_empty(), ended.status.success(), "{told}");
        !told.is_empty()
    });
    assert!(begun.elapsed() > healthy, "{told} after {:?}", begun.elapsed());
    told
}

#[test]
fn workers_that_all_wait_for_long_are_told_and_those_that_answer_are_not() {
    let site = Site::start(site_with(STUCK, "processes = 2\nthreads = 2\nslow-request-timeout = \"4s\"\n"));
    let mut peers: Vec<Peer> = (0..3).map(|_| send(&site, "/wait")).collect();
    std::thread::sleep(Duration::from_secs(5));
    site.ask("/");
    site.control("health").expect_code(0);
    peers.push(send(&site, "/wait"));
    let told = illness_after(&site, Duration::from_secs(2));
    let advice = "s: `pyfcgid stacks web` tells what they are doing\n";
    assert!(told.starts_with("pool web: all 4 workers are busy, and none of them has taken a request for "), "{told}");
    assert!(told.ends_with(advice), "{told}");
    let status = site.control("status").expect_code(0).out;
    assert!(status.contains("\n  no worker has taken a request for "), "{status}");
    fs::write(site.directory().join("gate"), "").unwrap();
    peers.into_iter().for_each(|mut peer| drop(peer.answer(1).expect_status(200)));
    wait_until("health", || site.control("health").status.success());
    site.end();
}

#[test]
fn idle_workers_that_cannot_take_what_waits_are_told() {
    let site = Site::start(site_with(STUCK, "processes = 1\nthreads = 3\nslow-request-timeout = \"4s\"\n"));
    let mut peers = vec![send(&site, "/keep")];
    wait_until("it", || site.control("requests").out.contains("/keep"));
    // A worker takes the first, and then waits for the GIL.
    peers.extend((0..6).map(|_| send(&site, "/")));
    let told = illness_after(&site, Duration::from_secs(2));
    assert!(told.starts_with("pool web: requests wait, and no worker has taken a request for "), "{told}");
    fs::write(site.directory().join("gate"), "").unwrap();
    peers.into_iter().for_each(|mut peer| drop(peer.answer(1).expect_status(200)));
    wait_until("health", || site.control("health").status.success());
    site.end();
}

#[test]
fn where_nothing_is_slow_nothing_stands_still() {
    let site = Site::start(site_with(STUCK, "threads = 1\nslow-request-timeout = 0\n"));
    let mut peer = send(&site, "/wait");
    std::thread::sleep(Duration::from_millis(10_500));
    site.control("health").expect_code(0);
    fs::write(site.directory().join("gate"), "").unwrap();
    peer.answer(1).expect_status(200);
    site.end();
}

/// As a profiler stops one, many times in a second.
#[test]
fn a_process_that_is_stopped_for_a_moment_is_well() {
    let site = Site::start(site_with(STUCK, ""));
    let child = *site.children().iter().next().unwrap();
    kill(child, "STOP");
    wait_until("a stopped process", || status_of(child, "State").starts_with('T'));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(40));
            kill(child, "CONT");
        });
        assert_eq!(site.control("health").expect_code(0).out, "");
    });
    site.end();
}

#[test]
fn why_no_process_starts_is_told() {
    let site = Site::start(site_with(STUCK, ""));
    fs::write(site.directory().join("app.py"), "raise RuntimeError('no database')").unwrap();
    kill(*site.children().iter().next().unwrap(), "KILL");
    let mut told = String::new();
    wait_until("why", || {
        told = site.control("health").out;
        told.starts_with("pool web: no process has started for ") && told.ends_with("RuntimeError: no database\n")
    });
    fs::write(site.directory().join("app.py"), STUCK).unwrap();
    wait_until("health", || site.control("health").status.success());
    site.end();
}
