//! Each way to hang, with everything that follows.

use std::time::Duration;

use crate::pool::{Hang, Pool, WORKERS, at_once, expect_in_time};
use crate::site::{kill, wait_until_gone};
use crate::support::{Params, Peer};

/// A way to hang.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// The name of the path; also that of the function where the thread stands, but for those in [`IN`].
    name: &'static str,
    gets: Gets,
    ends: Ends,
    /// Python runs in no other thread.
    keeps_gil: bool,
}

/// What the web server gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gets {
    /// 504.
    TimedOut,
    /// The beginning of a response, and the end of the connection.
    Cut,
    /// All of it, at once.
    Whole,
}

/// How the request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// Its thread is interrupted, and serves on.
    Interrupted,
    /// Its process does.
    GivenUp,
}

use Ends::{GivenUp, Interrupted};
use Gets::{Cut, TimedOut, Whole};

const fn way(name: &'static str, gets: Gets, ends: Ends) -> Way {
    Way { name, gets, ends, keeps_gil: false }
}

/// Those that take no processor's time.
const WAITING: [Way; 8] = [
    way("sleeps", TimedOut, GivenUp),
    way("waits", TimedOut, GivenUp),
    way("reads", TimedOut, GivenUp),
    way("sleeps_in_c", TimedOut, GivenUp),
    way("joins", TimedOut, GivenUp),
    way("forks", TimedOut, GivenUp),
    way("streams_with_length", Cut, GivenUp),
    way("in_close_of_c", Whole, GivenUp),
];

/// Those that do.
const COMPUTING: [Way; 7] = [
    way("loops", TimedOut, Interrupted),
    way("in_destructor", TimedOut, Interrupted),
    way("streams", Cut, Interrupted),
    way("in_close", Whole, Interrupted),
    way("in_del", Whole, GivenUp),
    way("in_del_of_environ", Whole, GivenUp),
    way("catches", TimedOut, GivenUp),
];

const KEEPING_THE_GIL: [Way; 2] = [
    Way { keeps_gil: true, ..way("matches", TimedOut, GivenUp) },
    Way { keeps_gil: true, ..way("keeps_the_gil", TimedOut, GivenUp) },
];

/// Where a thread stands, if that is not what its path names.
const IN: [(&str, &str); 7] = [
    ("in_destructor", "loops"),
    ("streams", "loops"),
    ("streams_with_length", "sleeps"),
    ("in_close", "loops"),
    ("in_close_of_c", "waits"),
    ("in_del", "loops"),
    ("in_del_of_environ", "loops"),
];

#[test]
fn what_waits_is_answered_504_and_its_process_replaced() {
    check_all(&WAITING);
}

#[test]
fn what_computes_is_answered_504_and_interrupted() {
    COMPUTING.chunks(4).for_each(check_all);
}

#[test]
fn what_keeps_the_gil_is_answered_504_all_the_same() {
    check_all(&KEEPING_THE_GIL);
}

fn check_all(ways: &[Way]) {
    let check = |way: &Way| {
        let took = check(way);
        println!("{:20} {:?} after {took:.2?}, {:?}; siblings whole", way.name, way.gets, way.ends);
    };
    at_once(ways, |way| way.name, check);
}

fn check(way: &Way) -> Duration {
    // What keeps the GIL lasts longer than all limits, so that nothing depends on its end; those beside it end after that.
    let settings = if way.keeps_gil { "env = { KEEPS = \"6\", BESIDE = \"4\" }\ngraceful-timeout = \"20s\"\n" } else { GRACE };
    let pool = Pool::start(settings);
    let (child, path) = (pool.child(), format!("/hang/{}", way.name));
    let siblings = Siblings::begin(&pool);
    let mut hang = Hang::begin(&pool, &path);
    let (answer, took) = hang.answer();
    match way.gets {
        TimedOut => drop(answer.clone().expect_status(504)),
        Cut => assert!((answer.status, answer.ended) == (200, false) && answer.text() == "a piece", "{}", answer.summary()),
        Whole => drop(answer.clone().expect_status(200)),
    }
    if way.gets != Whole {
        expect_in_time(took);
    }
    siblings.expect_whole();
    expect_messages(&pool, way, &path, child);
    if way.ends == GivenUp {
        wait_until_gone([&child]);
    }
    let next = pool.together();
    assert_eq!(next == child, way.ends == Interrupted, "{child}, then {next}");
    // What the application has forked lives on, as a daemon that it starts does.
    if way.name == "forks" {
        let processes = pool.wait_for_children(2);
        processes.iter().filter(|process| **process != next).for_each(|process| kill(*process, "KILL"));
    }
    assert_eq!(pool.child(), next);
    expect_accesses(&pool, way, &path);
    if way.gets == TimedOut && way.ends == Interrupted {
        hang.peer.request(&Params::get("/beside/hello"), b"").expect_status(200);
    }
    let log = pool.log();
    for word in ["panicked", "Traceback", "PF0501"] {
        // Python itself says what it ignores in a destructor.
        assert!(!log.contains(word) || way.name == "in_destructor" && word == "Traceback", "{word} in\n{log}");
    }
    pool.end();
    took
}

/// What the log says, step by step.
fn expect_messages(pool: &Pool, way: &Way, path: &str, child: u32) {
    let place = IN.iter().find(|(name, _)| *name == way.name).map_or(way.name, |(_, place)| place);
    let outcome = match way.gets {
        TimedOut => "answered 504",
        Cut => "its response was cut",
        Whole => "its response had been sent",
    };
    let mut expected = vec![("PF0531", "is slow: it has run for "), ("PF0532", outcome)];
    match way.ends {
        Interrupted => expected.push(("PF0533", "which had timed out, ended after")),
        GivenUp => expected.push(("PF0534", "still runs after")),
    }
    for (code, says) in expected {
        let message = pool.message(code, path);
        assert!(message.contains(says) && message.contains(&format!("request {child}-")), "{message}");
        let has_stack = message.contains("hangs.py\", line ") && message.contains(&format!(", in {place}\n"));
        // On a busy machine a thread may be silent for once.
        let may_lack_it = code == "PF0533" || code == "PF0532" && message.contains("(no answer: ");
        assert!(has_stack || may_lack_it, "no stack that ends in {place}: {message}\n{}", pool.log());
    }
    let log = pool.log();
    let replaced = format!("PF0535 pool web: process {child} has reached interrupt-timeout; replacing it");
    assert_eq!(log.matches(&replaced).count(), usize::from(way.ends == GivenUp), "{log}");
    for code in ["PF0531", "PF0532", "PF0533", "PF0534"] {
        assert!(log.matches(code).count() <= 1, "{code} is said once:\n{log}");
    }
}

fn expect_accesses(pool: &Pool, way: &Way, path: &str) {
    let access = match way.gets {
        TimedOut => "504 request-timeout",
        Cut => "200 request-timeout",
        Whole => "200 -",
    };
    pool.expect_access(path, access);
    for path in BESIDE {
        let accesses = pool.accesses(path);
        assert!(accesses.iter().all(|access| access == "200 -"), "{accesses:?}");
    }
}

/// Those beside a hang: half of them on one connection.
struct Siblings(Vec<(u16, Peer)>);

impl Siblings {
    fn begin(pool: &Pool) -> Self {
        let mut peers = Vec::new();
        let mut shared = pool.connect();
        for number in 1..WORKERS {
            let (id, path) = (u16::try_from(number).unwrap(), BESIDE[number % 2]);
            if number <= WORKERS / 2 {
                shared.send_request(id, true, &Params::get(path), b"");
                continue;
            }
            let mut peer = pool.connect();
            peer.send_request(id, true, &Params::get(path), b"");
            peers.push((id, peer));
        }
        peers.push((0, shared));
        for (id, peer) in &mut peers {
            match (*id, BESIDE[usize::from(*id) % 2]) {
                (0, _) => (1..=WORKERS / 2).step_by(2).for_each(|id| peer.wait_for_stdout(id as u16, "begin")),
                (id, "/beside/beside") => peer.wait_for_stdout(id, "begin"),
                _ => {}
            }
        }
        pool.wait_for_running(WORKERS - 1);
        Self(peers)
    }

    #[track_caller]
    fn expect_whole(self) {
        for (id, mut peer) in self.0 {
            let ids = if id == 0 { 1..=(WORKERS / 2) as u16 } else { id..=id };
            for id in ids {
                let answer = peer.answer(id).expect_status(200);
                let text = answer.text();
                assert!(text == "hello" || text.starts_with("begin ") && text.ends_with(" end"), "{text}");
            }
        }
    }
}

/// On a busy machine those beside a hang take longer.
const GRACE: &str = "graceful-timeout = \"5s\"\n";
/// What runs beside a hang.
const BESIDE: [&str; 2] = ["/beside/in_a_loop", "/beside/beside"];
