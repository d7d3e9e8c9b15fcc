//! What hangs in the life of a process and is no request: what browsers get meanwhile, behind nginx, and what becomes of the requests
//! beside it.

use std::thread;
use std::time::{Duration, Instant};

use crate::doors::{DOORS, Door, Front, Seen};
use crate::pool::{Pool, SLACK, at_once};
use crate::site::{Ended, kill, wait_until_gone};
use crate::support::process::wait_until;
use crate::table::Row;
use crate::ways::{AT_THE_END, BESIDE};

/// Those of the table.
pub(crate) fn rows() -> Vec<Row> {
    let imports = [at_the_start, after_the_end_of_a_process, at_a_reload];
    let mut rows = at_once(&imports, |_| "import".to_owned(), |row| row());
    rows.extend(at_once(
        &AT_THE_END,
        |(name, ..)| (*name).to_owned(),
        |(name, settings, path, says)| at_the_end_of_a_process(name, settings, path, says),
    ));
    rows
}

/// There never was a process that serves, so the program ends with its first one.
fn at_the_start() -> Row {
    let mut pool = Pool::start_hanging(STARTUP);
    let socket = pool.directory().join("s.sock");
    wait_until("a socket", || socket.exists());
    let front = Door::NginxKeeping.before(&pool);
    let all = front.get_all(&["/beside/hello"; 8]);
    let seen = slowest(&all);
    assert!(all.iter().all(|seen| seen.status == 502) && seen.took < STARTUP_TIMEOUT + 2 * SLACK, "{all:?}\n{}", pool.log());
    drop(front);
    assert!(!pool.wait_for_exit(Duration::from_secs(10)).success());
    expect_stack(&pool.log());
    row("import, at the start", &seen, "on stderr; in `sleeps`", "the same, and the program ends")
}

/// Its successor's import hangs, so that nobody serves.
fn after_the_end_of_a_process() -> Row {
    let pool = Pool::start(STARTUP);
    let front = Door::NginxKeeping.before(&pool);
    pool.hang_at_import(true);
    kill(pool.child(), "KILL");
    let all = front.get_all(&["/beside/hello"; 8]);
    let seen = slowest(&all);
    assert!(all.iter().all(|seen| seen.status == 503) && seen.took < STARTUP_TIMEOUT + 2 * SLACK, "{all:?}\n{}", pool.log());
    expect_stack(&pool.wait_for_log("PF0205"));
    pool.hang_at_import(false);
    wait_until("a process that serves", || front.get("/beside/hello").is_whole());
    drop(front);
    pool.end();
    row("import, after the end of a process", &seen, "PF0205; in `sleeps`", "the same")
}

/// Nothing changes.
fn at_a_reload() -> Row {
    let pool = Pool::start(STARTUP);
    let front = Door::NginxKeeping.before(&pool);
    let child = pool.child();
    pool.hang_at_import(true);
    let (reload, seen) = reload_beside(&pool, &front);
    assert!(!reload.status.success() && seen.pid == Some(child), "{seen:?}\n{reload:?}");
    expect_stack(&pool.wait_for_log("PF0303"));
    assert_eq!(front.together(), child);
    drop(front);
    pool.end();
    row("import, at a reload", &seen, "PF0303; in `sleeps`", "whole")
}

/// The process that a reload replaces ends in time all the same.
fn at_the_end_of_a_process(name: &str, settings: &str, path: &str, says: &str) -> Row {
    let pool = Pool::start(&format!("{settings}graceful-timeout = \"4s\"\n"));
    let front = Door::NginxKeeping.before(&pool);
    let child = pool.child();
    front.get(path).expect_whole();
    let begun = Instant::now();
    let (reload, seen) = reload_beside(&pool, &front);
    let reload = reload.expect_code(0);
    assert!(seen.pid.is_some_and(|pid| pid != child), "{seen:?}\n{reload:?}");
    wait_until_gone([&child]);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(4) + 2 * SLACK, "{took:?}");
    pool.wait_for_log(says);
    assert_ne!(front.together(), child);
    drop(front);
    pool.end();
    let log = format!("PF0109; its process has ended {:.1} s after the reload", took.as_secs_f64());
    row(&format!("{name}, at a reload"), &seen, &log, "whole")
}

/// A reload while requests run, which all come whole, and what a browser gets that comes as soon as it has ended.
#[track_caller]
fn reload_beside(pool: &Pool, front: &Front<'_>) -> (Ended, Seen) {
    thread::scope(|scope| {
        let beside = scope.spawn(|| front.get_all(&BESIDE));
        pool.wait_for_running(BESIDE.len());
        let during = scope.spawn(|| front.get("/beside/hello"));
        let reload = pool.control("reload");
        during.join().unwrap().expect_whole();
        let seen = front.get("/beside/hello");
        seen.expect_whole();
        assert!(seen.took < SLACK, "{seen:?}");
        beside.join().unwrap().iter().for_each(Seen::expect_whole);
        (reload, seen)
    })
}

/// Where the import hangs.
#[track_caller]
fn expect_stack(log: &str) {
    let says = "its import did not end within startup-timeout (2 s)";
    assert!(log.contains("/hangs.py\", line ") && log.contains(" in sleeps\n") && log.contains(says), "{log}");
}

fn slowest(all: &[Seen]) -> Seen {
    all.iter().max_by_key(|seen| seen.took).unwrap().clone()
}

fn row(hang: &str, seen: &Seen, log: &str, others: &str) -> Row {
    let seen = DOORS.map(|door| if door == Door::NginxKeeping { seen.to_string() } else { String::new() });
    Row { hang: hang.to_owned(), seen, log: log.to_owned(), others: others.to_owned() }
}

const STARTUP: &str = "startup-timeout = \"2s\"\n";
const STARTUP_TIMEOUT: Duration = Duration::from_secs(2);
