//! `pyfcgid interrupt`, while requests do what keeps them from ending.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::site::{Site, kill, limit, site_of};
use crate::support::{Params, Peer};

/// A request that runs, and does not end by itself.
pub struct Stuck {
    pub peer: Peer,
    /// `PID-N`.
    pub id: String,
}

impl Stuck {
    /// Begins it, and waits until the application runs.
    #[track_caller]
    pub fn begin(site: &Site, path: &str) -> Self {
        let running = format!("running {path}");
        let ids = |log: &str| -> Vec<String> {
            let lines = log.lines().filter(|line| line.ends_with(&running));
            lines.filter_map(|line| Some(line.split_once("request ")?.1.split_once(':')?.0.to_owned())).collect()
        };
        let before = ids(&site.log()).len();
        let mut peer = site.connect();
        peer.send_request(1, false, &Params::get(&format!("/{path}")), b"");
        let log = site.wait_for_log_that(&running, |log| ids(log).len() > before);
        Self { peer, id: ids(&log).pop().unwrap() }
    }
}

fn stuck(settings: &str) -> Site {
    Site::start(site_of("stuck.py", settings))
}

#[track_caller]
fn expect_interrupted(site: &Site, mut stuck: Stuck, path: &str) {
    let Stuck { peer, id } = &mut stuck;
    let ended = site.control(&format!("interrupt {id}")).expect_code(0);
    assert_eq!(ended.out, format!("interrupted request {id}\n"));
    peer.answer(1).expect_status(500);
    site.wait_for_log(&format!("request {id} (GET /{path}) was interrupted by the administrator"));
}

#[test]
fn a_request_that_computes_is_interrupted_and_the_other_one_is_not() {
    let site = stuck("threads = 2\n");
    let (one, mut other) = (Stuck::begin(&site, "loops"), Stuck::begin(&site, "loops"));
    expect_interrupted(&site, one, "loops");
    assert!(other.peer.is_silent_for(Duration::from_millis(200)));
    expect_interrupted(&site, other, "loops");
    let log = site.log();
    assert_eq!(log.matches("interrupted by the administrator").count(), 2, "{log}");
    assert!(log.contains("in loops") && log.contains("RequestInterrupted"), "where it was: {log}");
    site.text("/short");
    site.end();
}

#[test]
fn what_was_sent_of_an_interrupted_answer_is_cut_off() {
    let site = stuck("threads = 1\n");
    let mut stuck = Stuck::begin(&site, "yields");
    stuck.peer.wait_for_stdout(1, "a piece");
    site.control(&format!("interrupt {}", stuck.id)).expect_code(0);
    assert!(!stuck.peer.answer(1).ended);
    site.text("/short");
    site.end();
}

#[test]
fn code_that_waits_in_c_is_interrupted_when_that_returns_and_that_is_said() {
    let site = stuck("threads = 2\n");
    let mut stuck = Stuck::begin(&site, "sleeps");
    let ended = site.control(&format!("interrupt {}", stuck.id)).expect_code(0);
    assert!(ended.out.contains("which still runs") || ended.out.contains("interrupted request"), "{ended:?}");
    stuck.peer.answer(1).expect_status(500);
    let mut stuck = Stuck::begin(&site, "waits");
    let ended = site.control(&format!("interrupt {}", stuck.id)).expect_code(0);
    assert!(ended.out.starts_with("raised pyfcgid.RequestInterrupted in request"), "{ended:?}");
    assert!(stuck.peer.is_silent_for(Duration::from_millis(50)), "nobody gives that lock back");
    drop(stuck);
    kill(*site.children().first().unwrap(), "KILL");
    site.wait_for_log("starting another");
    site.end();
}

#[test]
fn an_application_that_catches_it_is_interrupted_as_often_as_that_is_said() {
    let site = stuck("threads = 1\n");
    let mut stuck = Stuck::begin(&site, "catches");
    for _ in 0..2 {
        site.control(&format!("interrupt {}", stuck.id)).expect_code(0);
    }
    stuck.peer.answer(1).expect_status(200);
    let log = site.wait_for_log("but the application went on and answered it");
    assert_eq!(log.matches("caught RequestInterrupted").count(), 2, "{log}");
    site.end();
}

#[test]
fn who_keeps_the_gil_is_interrupted_when_c_code_returns_and_that_is_said() {
    let site = Site::start(site_of("stuck.py", "threads = 2\nenv = { LETTERS = \"24\" }\n"));
    let mut stuck = Stuck::begin(&site, "keeps_the_gil");
    let begun = Instant::now();
    let ended = site.control(&format!("interrupt {}", stuck.id));
    assert!(begun.elapsed() < limit(Duration::from_millis(400), Duration::from_secs(10)), "{:?}", begun.elapsed());
    let code = ended.status.code();
    let says = "has not come to it, since C code keeps the GIL or the machine is busy: it is interrupted when that is over";
    // A quick machine may be done with it before anybody looks.
    assert!(code == Some(75) && ended.err.contains(says) || matches!(code, Some(0 | 69)), "{ended:?}");
    let answer = stuck.peer.answer(1);
    assert!(answer.ended);
    if code == Some(75) {
        answer.expect_status(500);
    }
    site.end();
}

#[test]
fn a_child_that_is_stopped_is_said_to_be() {
    let site = stuck("threads = 1\n");
    let mut stuck = Stuck::begin(&site, "loops");
    let child = *site.children().first().unwrap();
    kill(child, "STOP");
    let ended = site.control(&format!("interrupt {}", stuck.id)).expect_code(75);
    assert!(ended.err.contains(&format!("process {child} is stopped")), "{ended:?}");
    kill(child, "CONT");
    stuck.peer.answer(1).expect_status(500);
    site.end();
}

#[test]
fn a_request_that_there_is_not_is_no_request() {
    let site = stuck("threads = 1\n");
    let child = *site.children().first().unwrap();
    site.text("/short");
    for id in [format!("{child}-1"), format!("{child}-2"), format!("{child}-18446744073709551615"), "1-1".to_owned()] {
        let ended = site.control(&format!("interrupt {id}")).expect_code(69);
        assert_eq!(ended.err, format!("pyfcgid: there is no request {id}: it may just have ended\n"));
    }
    for id in ["1", "-1", "1-", "a-b", "0-1", "1-1-1"] {
        assert_eq!(site.control(&format!("interrupt {id}")).status.code(), Some(64), "{id}");
    }
    site.end();
}

/// Every second request is to be interrupted, just as it begins or ends; none of the others ever is.
#[test]
fn an_interrupt_that_comes_as_its_request_ends_never_hits_the_next() {
    let site = stuck("threads = 1\n");
    let child = *site.children().first().unwrap();
    let socket = site.directory().join("site.pid.control");
    let (current, is_over) = (AtomicU64::new(1), AtomicBool::new(false));
    let interrupted = thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            while !is_over.load(Ordering::Relaxed) && begun.elapsed() < Duration::from_secs(60) {
                let request = current.load(Ordering::Relaxed).next_multiple_of(2);
                let mut client = UnixStream::connect(&socket).unwrap();
                let line = format!("{{\"interrupt\":{{\"process\":{child},\"request\":{request}}}}}\n");
                client.write_all(line.as_bytes()).unwrap();
                client.read_to_string(&mut String::new()).unwrap();
            }
        });
        let mut peer = site.connect();
        let mut interrupted = 0;
        for number in 1..=ROUNDS {
            current.store(number, Ordering::Relaxed);
            let answer = peer.request(&Params::get("/short"), b"");
            match answer.status {
                200 => assert_eq!(answer.header("X-Id"), Some(format!("{child}-{number}"))),
                500 if number % 2 == 0 => interrupted += 1,
                other => panic!("request {number} was answered {other}\n{}", site.log()),
            }
        }
        is_over.store(true, Ordering::Relaxed);
        interrupted
    });
    println!("{interrupted} of {ROUNDS} were interrupted");
    assert!(interrupted > ROUNDS / 100, "{interrupted} of {ROUNDS}");
    let log = site.log();
    assert!(!log.contains(" failed") && !log.contains("panicked") && !log.contains("Exception ignored"), "{log}");
    site.end();
}

const ROUNDS: u64 = 1_000;
