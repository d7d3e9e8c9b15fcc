//! Processes that are killed, or die of what they run.

use std::time::{Duration, Instant};

use crate::interrupting::Stuck;
use crate::load::{Connections, Load};
use crate::site::{Site, kill, limit, site_of, wait_until_gone};
use crate::support::Params;
use crate::support::process::wait_until;
use crate::support::record::request;

const IMPORT: Duration = Duration::from_millis(300);

#[test]
fn a_killed_child_costs_only_its_running_requests_and_is_replaced_at_once() {
    let site = Site::start(site_of("sleeps.py", "processes = 4\nthreads = 2\n").env("IMPORT_SECONDS", "0.3"));
    let before = site.wait_for_children(4);
    let load = Load::start(&site.address(), Connections::New, 6, "/?0.02");
    load.wait_for(100);
    let victim = load.tally().first.keys().next().unwrap().parse().unwrap();
    let killed = Instant::now();
    kill(victim, "KILL");
    let is_new = |text: &str| !before.contains(&text.parse().unwrap());
    wait_until("an answer of the new child", || load.tally().first.keys().any(|text| is_new(text)));
    load.wait_for(100);
    let tally = load.stop();
    let back = *tally.first.iter().find(|(text, _)| is_new(text)).unwrap().1 - killed;
    eprintln!("back after {back:?} with an import of {IMPORT:?}; {} failed of {}", tally.failures.len(), tally.answered);
    assert!(back <= IMPORT + limit(Duration::from_millis(100), Duration::from_secs(3)), "{back:?}");
    assert!(tally.failures.len() <= 2, "two workers have two requests: {:?}", tally.failures);
    site.wait_for_log(&format!("process {victim}, signal 9"));
    site.end();
}

#[test]
fn a_child_that_is_told_to_end_by_somebody_else_is_replaced_without_a_warning() {
    let site = Site::start(site_of("sleeps.py", "processes = 2\nthreads = 1\n"));
    for (signal, name) in [("TERM", "SIGTERM"), ("QUIT", "SIGQUIT")] {
        let before = site.wait_for_children(2);
        let victim = *before.first().unwrap();
        kill(victim, signal);
        site.wait_for_log(&format!("a child exited on {name} (process {victim}, exit code 0); starting another"));
        wait_until_gone(&[victim]);
        wait_until("another child that serves", || site.control("status").out.matches(": serving, generation").count() == 2);
    }
    assert!(!site.log().contains("[warn]"), "{}", site.log());
    site.end();
}

#[test]
fn children_answer_and_end_when_the_supervisor_is_killed_and_the_next_start_works() {
    let mut site = Site::start(site_of("sleeps.py", "processes = 3\nthreads = 1\n"));
    let children = site.wait_for_children(3);
    let mut peer = site.connect();
    peer.send_request(1, true, &Params::get("/?1"), b"");
    wait_until("a busy worker", || site.control("status").out.contains("1 of 1 workers busy"));
    site.signal("KILL");
    site.wait_for_exit(Duration::from_secs(5));
    peer.answer(1).expect_status(200);
    wait_until_gone(&children);
    let directory = site.directory().to_owned();
    assert!(directory.join("s.sock").exists() && directory.join("site.pid").exists(), "nobody was there to remove them");
    let again = start_in(&directory);
    assert_eq!(again.status, 0, "{}", again.err);
    crate::site::connect_to(&directory.join("s.sock")).request(&Params::get("/"), b"").expect_status(200);
    crate::site::control(&directory, "stop").expect_code(0);
    crate::site::expect_nothing_left(&directory);
}

#[test]
fn a_start_right_after_the_supervisor_was_killed_works_while_a_child_still_answers() {
    let mut site = Site::start(site_of("sleeps.py", "processes = 2\nthreads = 1\n"));
    let children = site.wait_for_children(2);
    let mut peer = site.connect();
    peer.send_request(1, true, &Params::get("/?2"), b"");
    wait_until("a busy worker", || site.control("status").out.contains("1 of 1 workers busy"));
    site.signal("KILL");
    site.wait_for_exit(Duration::from_secs(5));
    let directory = site.directory().to_owned();
    let again = start_in(&directory);
    assert_eq!(again.status, 0, "{}", again.err);
    peer.answer(1).expect_status(200);
    wait_until_gone(&children);
    crate::site::connect_to(&directory.join("s.sock")).request(&Params::get("/"), b"").expect_status(200);
    crate::site::control(&directory, "stop").expect_code(0);
}

#[test]
fn a_child_that_still_imports_ends_with_its_supervisor() {
    let site = site_of("sleeps.py", "processes = 2\nthreads = 1\n").env("IMPORT_SECONDS", "60");
    let mut site = Site::start_unawaited(site);
    let children = site.wait_for_children(1);
    site.signal("KILL");
    site.wait_for_exit(Duration::from_secs(5));
    wait_until_gone(&children);
}

#[test]
fn children_that_die_again_and_again_are_replaced_and_the_pool_recovers() {
    let site = Site::start(site_of("dies.py", ""));
    for _ in 0..3 {
        let before = site.wait_for_children(1);
        assert!(!site.ask("/?abort").ended);
        wait_until("another child", || site.children().len() == 1 && site.children() != before);
        site.text("/");
    }
    let log = site.log();
    assert_eq!(log.matches("starting another").count(), 3, "{log}");
    site.end();
}

#[test]
fn requests_that_kill_their_child_do_not_keep_good_ones_waiting_for_long() {
    let site = Site::start(site_of("dies.py", "processes = 2\nthreads = 1\n"));
    let begun = Instant::now();
    let deadly = |_| {
        let mut peer = site.connect();
        // Whoever has accepted it may be dying already.
        drop(peer.try_send(&request(1, false, &Params::get("/?abort").encode(), b"")));
        peer
    };
    // They wait, so that each child meets one as soon as it serves. What else it has accepted then is on the line, and the next child's. But
    // what it has just accepted ends with it, when the request has not come yet, or is not on the line: a web server sends it again.
    let mut deadly: Vec<_> = (0..12).map(deadly).collect();
    let good = (0..3).map(|_| site.ask("/")).find(|answer| answer.ended).expect("one of three is answered");
    good.expect_status(200);
    let waited = begun.elapsed();
    assert!(waited < limit(Duration::from_secs(8), Duration::from_secs(20)), "{waited:?}");
    assert!(deadly.iter_mut().all(|peer| !peer.answer(1).ended));
    let log = site.log();
    let deaths = log.matches("starting another").count() + log.matches("trying again").count();
    assert!(deaths > 6 && !log.contains("while starting"), "{log}");
    site.end();
}

#[test]
fn the_signal_that_killed_a_child_is_in_the_log() {
    let site = Site::start(site_of("dies.py", "processes = 2\n"));
    for (how, signal) in [("abort", "signal 6"), ("segfault", "signal 11")] {
        let before = site.children();
        assert!(!site.ask(&format!("/?{how}")).ended);
        let log = site.wait_for_log(signal);
        let line = log.lines().find(|line| line.contains(signal)).unwrap();
        assert!(before.iter().any(|pid| line.contains(&format!("process {pid}"))) && line.contains("web"), "{line}");
        wait_until("another child", || site.children().len() == 2 && site.children() != before);
    }
    site.text("/");
    site.end();
}

/// The access log has a line for what was lost, and one for what was answered.
#[test]
fn what_a_killed_child_was_answering_is_in_the_log_and_in_the_access_log() {
    let access = "access-log = \"file:access.log\"\n\
                  access-log-format = \"$request_id $remote_addr $request_method $request_uri $status $status_detail $body_bytes_sent\"\n";
    let launch = site_of("stuck.py", "threads = 4\n");
    let toml = std::fs::read_to_string(launch.directory().join(crate::site::FILE)).unwrap();
    std::fs::write(launch.directory().join(crate::site::FILE), format!("{access}{toml}")).unwrap();
    let site = Site::start(launch);
    site.text("/short");
    let victim = *site.wait_for_children(1).first().unwrap();
    let stuck: Vec<_> = ["waits", "gives_the_gil_up", "loops"].map(|path| (path, Stuck::begin(&site, path))).into();
    kill(victim, "KILL");
    let log = site.wait_for_log("starting another");
    let line = log.lines().find(|line| line.contains("starting another")).unwrap();
    assert!(line.contains(&format!("process {victim}, signal 9")), "{line}");
    let access = std::fs::read_to_string(site.directory().join("access.log")).unwrap();
    for (path, Stuck { id, .. }) in &stuck {
        assert!(line.contains(&format!("request {id} (GET /{path}), ")), "{line}");
        assert!(access.contains(&format!("{id} 127.0.0.1 GET /{path} 502 process-ended -\n")), "{access}");
    }
    assert_eq!(access.lines().count(), 4, "{access}");
    let status: serde_json::Value = serde_json::from_str(&site.control("status --json").out).unwrap();
    let pool = &status["pools"][0];
    assert_eq!((&pool["requests"]["5xx"], &pool["duration"]["count"]), (&3.into(), &4.into()), "{pool:#}");
    site.end();
}

struct Again {
    status: i32,
    err: String,
}

/// `pyfcgid serve -D` in a directory; `pyfcgid stop` ends it.
fn start_in(directory: &std::path::Path) -> Again {
    let ended = crate::site::control(directory, "serve -D --log file:daemon.log");
    Again { status: ended.status.code().unwrap_or(-1), err: ended.err }
}
