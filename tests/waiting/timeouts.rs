//! `queue-timeout`: who waits for longer is told 503 in time and does not run, wherever he waits and whatever the workers do.

use std::thread;
use std::time::{Duration, Instant};

use crate::crowd::{Crowd, FOUR_BY_FOUR, Got, How, Pool, Shape, TWO_BY_ONE, each, status_of, tally};
use crate::disturbances::queue_process;
use crate::site::{Site, kill, limit, site_of};
use crate::support::Params;
use crate::support::process::wait_until;

const TWO_BY_TWO: Shape = Shape { processes: 2, threads: 2 };
const ALONE: Shape = Shape { processes: 1, threads: 1 };
const TIMEOUT: Duration = Duration::from_millis(1500);
const SETTINGS: &str = "max-queue = 100\nqueue-timeout = \"1500ms\"\n";
const MANY: usize = 20;
/// A request waits since the turn of the event loop began in which it was read. Whoever is suspended in that may read what came later.
const A_TURN: Duration = Duration::from_millis(100);

/// Fails unless all were told 503 when it was time, neither sooner nor much later.
#[track_caller]
fn expect_in_time(got: &[Got], timeout: Duration, log: &str) {
    let (soonest, latest) = (got.iter().map(|got| got.took).min().unwrap(), got.iter().map(|got| got.took).max().unwrap());
    println!("{} were told 503 after {soonest:?} to {latest:?}, with a queue-timeout of {timeout:?}", got.len());
    assert_eq!(tally(got), [(503, got.len())].into(), "log:\n{log}");
    assert!(got.iter().all(|got| got.retry_after));
    let most = timeout + limit(Duration::from_millis(500), Duration::from_millis(1500));
    assert!(soonest + A_TURN >= timeout && latest <= most, "{got:?}\nlog:\n{log}");
}

fn are_refused_in_time_and_do_not_run(shape: Shape, how: How) {
    let mut pool = Pool::start(shape, SETTINGS);
    let connections = pool.connections(how, MANY);
    pool.occupy();
    let got = pool.send_on(connections, how, MANY, 0.0).finish();
    expect_in_time(&got, TIMEOUT, &pool.log());
    let (status, _) = pool.status();
    let refused_by = serde_json::json!({"queue-full": 0, "queue-timeout": MANY, "not-serving": 0, "gil-kept": 0});
    assert_eq!((&status["refused_by"], &status["waiting"]), (&refused_by, &0.into()), "{status:#}");
    let later = pool.send(if how == How::Kept { How::OneShot } else { how }, 5, 0.0);
    thread::sleep(TIMEOUT / 3);
    pool.open_gate();
    assert_eq!(tally(&later.finish()), [(200, 5)].into(), "log:\n{}", pool.log());
    let mut begun = pool.begun();
    begun.sort_unstable();
    assert_eq!(begun, [0, 1, 2, 3, 4], "those that were refused have not run, and the others once");
    let log = pool.log();
    let said = log.lines().filter(|line| line.contains("PF0409")).count();
    // Of each process the first, and how many more each second.
    assert!((1..=6.max(3 * shape.processes)).contains(&said) && log.contains("within queue-timeout"), "{log}");
    pool.end();
}

each! { are_refused_in_time_and_do_not_run =>
    one_shot_requests_for_two_processes_are_refused_in_time: TWO_BY_TWO, How::OneShot;
    requests_on_kept_connections_for_two_processes_are_refused_in_time: TWO_BY_TWO, How::Kept;
    multiplexed_requests_for_two_processes_are_refused_in_time: TWO_BY_TWO, How::Multiplexed;
    one_shot_requests_for_one_worker_are_refused_in_time: ALONE, How::OneShot;
    requests_on_kept_connections_for_one_worker_are_refused_in_time: ALONE, How::Kept;
    multiplexed_requests_for_one_worker_are_refused_in_time: ALONE, How::Multiplexed;
    one_shot_requests_for_sixteen_workers_are_refused_in_time: FOUR_BY_FOUR, How::OneShot;
}

/// No thread of Python gets on, so only the event loop can.
#[test]
fn whoever_waits_for_a_process_that_cannot_run_python_is_refused_in_time() {
    let timeout = Duration::from_millis(500);
    for threads in [1, 3] {
        let shape = Shape { processes: 1, threads };
        let pool = Pool::start(shape, "queue-timeout = \"500ms\"\n");
        let mut hog = pool.connect();
        hog.send_request(1, false, &Params::get("/?hog&27"), b"");
        wait_until("the hog", || pool.started("hog").len() == 1);
        let begun = Instant::now();
        let got = pool.send(How::OneShot, 10, 0.0).finish();
        let held = begun.elapsed();
        hog.answer(1).expect_status(200);
        assert!(begun.elapsed() > held, "the hog was done before");
        expect_in_time(&got, timeout, &pool.log());
        assert!(pool.begun().is_empty(), "{:?}", pool.begun());
        pool.connect().last_request(&Params::get("/?7"), b"").expect_status(200);
        pool.end();
    }
}

/// A pool that sleeps, whose first child takes its time.
#[test]
fn whoever_waits_for_a_child_that_starts_is_refused_in_time() {
    let settings = "processes = \"0..2\"\nthreads = 2\nqueue-timeout = \"500ms\"\n";
    let site = Site::start(site_of("waits_at_a_gate.py", settings).env("IMPORT_SECONDS", "3"));
    let asked = Instant::now();
    let crowd = Crowd::at(&site, MANY);
    let got = crowd.finish();
    expect_in_time(&got, Duration::from_millis(500), &site.log());
    assert!(asked.elapsed() < Duration::from_secs(3), "a child might have served");
    assert_eq!(status_of(&site).0["refused_by"]["queue-timeout"], MANY);
    wait_until("a child", || site.children().len() == 1 && status_of(&site).0["processes"]["serving"] == 1);
    assert_eq!(site.ask("/?1").status, 200);
    site.end();
}

/// Whoever looks at the line may be killed at any time: somebody else does it then.
#[test]
fn whoever_waits_is_refused_in_time_whichever_processes_are_killed_meanwhile() {
    let launch = Pool::prepared(Shape { processes: 3, threads: 1 }, SETTINGS).env("IMPORT_SECONDS", "4");
    let mut pool = Pool::launch(Shape { processes: 3, threads: 1 }, launch);
    pool.occupy();
    let crowd = pool.send(How::OneShot, MANY, 0.0);
    wait_until("all to wait", || pool.waiting() == MANY as u64);
    kill(queue_process(&pool), "KILL");
    for child in pool.children().into_iter().take(2) {
        kill(child, "KILL");
        thread::sleep(Duration::from_millis(100));
    }
    expect_in_time(&crowd.finish(), TIMEOUT, &pool.log());
    pool.open_gate_after_deaths(2);
    pool.end();
}

/// One that is killed with a request in its hands takes that one along, and nobody else.
#[test]
fn whoever_looks_at_the_line_may_be_killed_while_it_refuses() {
    let shape = Shape { processes: 4, threads: 1 };
    let mut pool = Pool::launch(shape, Pool::prepared(shape, SETTINGS).env("IMPORT_SECONDS", "4"));
    pool.occupy();
    let (begun, count, kills) = (Instant::now(), 80, 3);
    let crowd = pool.send(How::OneShot, count, 0.0);
    let children = pool.children();
    for (kill_number, child) in (1..=kills).zip(children) {
        let at = TIMEOUT + crate::crowd::PACE * (kill_number * 20);
        thread::sleep(at.saturating_sub(begun.elapsed()));
        kill(child, "KILL");
    }
    let (lost, told): (Vec<_>, Vec<_>) = crowd.finish().into_iter().partition(|got| got.status == 0);
    println!("{} of {count} requests were in the hands of {kills} processes that were killed", lost.len());
    assert!(lost.len() <= kills as usize, "{lost:?}");
    expect_in_time(&told, TIMEOUT, &pool.log());
    assert!(pool.begun().is_empty());
    pool.open_gate_after_deaths(kills as usize);
    pool.end();
}

/// The last one, too: the queue process goes on.
#[test]
fn whoever_waits_is_refused_in_time_when_the_only_child_is_killed() {
    let mut pool = Pool::launch(ALONE, Pool::prepared(ALONE, SETTINGS).env("IMPORT_SECONDS", "3"));
    pool.occupy();
    let crowd = pool.send(How::OneShot, MANY, 0.0);
    wait_until("all to wait", || pool.waiting() == MANY as u64);
    kill(*pool.children().first().unwrap(), "KILL");
    expect_in_time(&crowd.finish(), TIMEOUT, &pool.log());
    pool.open_gate_after_deaths(1);
    pool.end();
}

/// Some of those who wait go, so that the line is looked through: who is refused then is so in time all the same.
#[test]
fn whoever_waits_on_a_line_that_was_looked_through_is_refused_in_time() {
    let mut pool = Pool::start(TWO_BY_ONE, "max-queue = 20\nqueue-timeout = \"1500ms\"\n");
    pool.occupy();
    let gone: Vec<_> = (0..10)
        .map(|_| {
            let mut peer = pool.connect();
            peer.send_request(1, false, &Params::get("/?900"), b"");
            peer
        })
        .collect();
    let crowd = pool.send(How::OneShot, 10, 0.0);
    wait_until("a full line", || pool.waiting() == 20);
    drop(gone);
    let mut late = Vec::new();
    wait_until("room", || {
        let mut peer = pool.connect();
        let sent = Instant::now();
        peer.send_request(1, false, &Params::get("/?901"), b"");
        let is_silent = peer.is_silent_for(Duration::from_millis(100));
        let _ = is_silent.then(|| late.push((peer, sent)));
        is_silent
    });
    expect_in_time(&crowd.finish(), TIMEOUT, &pool.log());
    let got = late.into_iter().map(|(mut peer, sent)| {
        let answer = peer.answer(1);
        Got { number: 901, status: answer.status, retry_after: answer.header("Retry-After").is_some(), took: sent.elapsed() }
    });
    expect_in_time(&got.collect::<Vec<_>>(), TIMEOUT, &pool.log());
    assert!(pool.begun().is_empty());
    pool.open_gate();
    pool.end();
}

/// It waits for no worker meanwhile, but for its web server.
#[test]
fn an_upload_may_take_longer_than_a_request_may_wait() {
    let pool = Pool::start(ALONE, "queue-timeout = \"200ms\"\n");
    let mut peer = pool.connect();
    let bytes = crate::support::record::request(1, true, &Params::post("/?5", 3).encode(), b"abc");
    let (first, rest) = bytes.split_at(bytes.len() - 20);
    peer.send(first);
    thread::sleep(Duration::from_millis(600));
    peer.send(rest);
    peer.answer(1).expect_status(200);
    pool.end();
}

/// The count goes on where it was when another program takes over.
#[test]
fn those_who_waited_for_too_long_are_counted_over_an_upgrade_and_told_in_all_forms() {
    let status = "status-path = \"/status\"\n";
    let mut pool = Pool::start(ALONE, &format!("{status}queue-timeout = \"300ms\"\n"));
    pool.occupy();
    pool.send(How::OneShot, 3, 0.0).finish();
    pool.open_gate();
    pool.signal("USR2");
    wait_until("the next program", || pool.log().contains("PF0302"));
    assert_eq!(pool.status().0["refused_by"]["queue-timeout"], 3);
    let text = pool.control("status").out;
    assert!(text.contains("3 answered 503 so far, because no worker had time for them (queue-timeout)"), "{text}");
    let metrics = pool.text("/status?openmetrics");
    assert!(metrics.contains("pyfcgid_refused_requests_total{pool=\"web\",reason=\"queue-timeout\"} 3\n"), "{metrics}");
    assert!(pool.text("/status?json").contains("\"queue timeouts\":3,"));
    pool.end();
}
