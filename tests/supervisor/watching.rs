//! `pyfcgid top`, as text and on a terminal.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::site::{FILE, Site, kill, limit, site_with};
use crate::support::process::wait_until;
use crate::support::{Params, Peer};

const WAITS: &str = "\
import os, time
def application(environ, start_response):
    path = environ['SCRIPT_NAME'] + environ['PATH_INFO']
    while path.startswith('/wait') and not os.path.exists('gate'):
        time.sleep(0.01)
    start_response('500 No' if path == '/bad' else '200 OK', [])
    return [b'done']
";

fn waiting(site: &Site, target: &str) -> Peer {
    let mut peer = site.connect();
    peer.send_request(1, false, &Params::get("/wait").set("REQUEST_URI", target), b"");
    peer
}

/// A command on a terminal of so many rows and columns, and what came of it.
#[track_caller]
fn at_a_terminal(site: &Site, size: [&str; 2], steps: &[&str], command: &[&str], variables: &[(&str, &str)]) -> Value {
    let helper = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/supervisor/at_a_terminal.py");
    let output = Command::new("python3")
        .arg(helper)
        .args(size)
        .args(steps)
        .args(["--", env!("CARGO_BIN_EXE_pyfcgid")])
        .args(command)
        .args(["-c", FILE])
        .current_dir(site.directory())
        .env("TERM", "xterm-256color")
        .env("LC_ALL", "C.UTF-8")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (text, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{error}\n{}", site.log()))
}

#[track_caller]
fn expect_end(told: &Value, code: i32) {
    assert_eq!((&told["code"], &told["restored"]), (&code.into(), &true.into()), "{told:#}");
}

#[test]
fn one_frame_is_printed_at_once_with_busy_and_stopped_processes() {
    let site = Site::start(site_with(WAITS, "processes = 2\nthreads = 2\n"));
    site.ask("/bad");
    let peers: Vec<Peer> = (0..4).map(|number| waiting(&site, &format!("/wait/{number}\u{1b}[2J?secret"))).collect();
    wait_until("four requests", || site.control("requests").out.lines().count() == 5);
    let stopped = *site.children().iter().next().unwrap();
    site.suspend([&stopped]);
    let begun = Instant::now();
    let frame = site.control("top --once --delay 0").expect_code(0).out;
    assert!(begun.elapsed() < limit(Duration::from_millis(300), Duration::from_secs(5)), "{:?}", begun.elapsed());
    assert!(frame.contains("4 running") && frame.contains(" 2/2 ") && frame.contains("(stopped)"), "{frame}");
    assert!((0..4).all(|number| frame.contains(&format!("/wait/{number}\\u{{1b}}[2J\n"))), "{frame}");
    assert!(!frame.contains('\u{1b}') && !frame.contains("secret"), "{frame:?}");
    let frame = site.control("top web --once --delay 100ms").expect_code(0).out;
    assert!(frame.contains("0.0 requests/s") && frame.contains("(last 0."), "{frame}");
    site.control("top shop --once").expect_code(64);
    assert!(site.control("top").expect_code(64).err.contains("top --once"));
    kill(stopped, "CONT");
    fs::write(site.directory().join("gate"), "").unwrap();
    peers.into_iter().for_each(|mut peer| drop(peer.answer(1).expect_status(200)));
    site.end();
}

#[test]
fn keys_and_signals_end_it_and_leave_the_terminal_as_it_was() {
    let site = Site::start(site_with(WAITS, ""));
    let peer = waiting(&site, "/wait/now");
    for (last, code) in [("key:q", 0), ("key:\u{3}", 0), ("signal:TERM", 143), ("signal:INT", 130), ("signal:HUP", 129)] {
        // Only what changes is shown, but for Ctrl-L.
        let filter = ["key:/wa\r", "see:: wa", "lost", "key:\u{c}", "see:: wa"];
        let steps = ["see:/wait/now", "key:s", "see:busy", "key:?", "see:Ctrl-C", "key:?"].into_iter().chain(filter);
        let steps: Vec<&str> = steps.chain([last]).collect();
        let told = at_a_terminal(&site, ["24", "80"], &steps, &["top", "--delay", "100ms"], &[]);
        expect_end(&told, code);
        let shown = told["shown"].as_str().unwrap();
        assert!(shown.contains("\u{1b}[?1049h") && shown.contains('\u{2588}'), "{told:#}");
    }
    fs::write(site.directory().join("gate"), "").unwrap();
    drop(peer);
    site.end();
}

#[test]
fn it_ends_with_its_terminal() {
    let site = Site::start(site_with(WAITS, ""));
    for under in [&["top"][..], &["top", "--delay", "100ms"]] {
        let told = at_a_terminal(&site, ["24", "80"], &["see:POOL", "gone"], under, &[]);
        assert!(told["shown"].as_str().unwrap().contains("POOL"), "{told:#}");
    }
    site.end();
}

#[test]
fn it_can_be_stopped_and_continued_and_gets_smaller() {
    let site = Site::start(site_with(WAITS, ""));
    let steps = [
        "see:POOL",
        "key:\u{1a}",
        "stopped",
        "signal:CONT",
        "see:POOL",
        "signal:TSTP",
        "stopped",
        "signal:CONT",
        "see:POOL",
        "size:8,30",
        "see:POOL",
        "size:1,1",
        "size:24,80",
        "see:QUEUE",
        "key:q",
    ];
    let told = at_a_terminal(&site, ["24", "80"], &steps, &["top"], &[]);
    expect_end(&told, 0);
    site.end();
}

#[test]
fn a_key_that_comes_as_the_size_changes_is_heard() {
    let site = Site::start(site_with(WAITS, ""));
    // Of all signals that one only, which crossterm would take for a key's event.
    let is_held_back = "run:grep -q '^SigBlk:.*0000000008000000$' /proc/$PID/status";
    for rows in ["size:20,80", "size:30,80", "size:10,40"] {
        let told = at_a_terminal(&site, ["24", "80"], &["see:POOL", is_held_back, rows, "key:q"], &["top"], &[]);
        expect_end(&told, 0);
    }
    site.end();
}

#[test]
fn a_terminal_without_utf8_or_colours_gets_neither() {
    let site = Site::start(site_with(WAITS, ""));
    let peer = waiting(&site, "/wait/größe");
    let plain = [("LC_ALL", "C"), ("NO_COLOR", "1")];
    let told = at_a_terminal(&site, ["24", "80"], &["see:/wait/", "key:q"], &["top"], &plain);
    expect_end(&told, 0);
    let shown = told["shown"].as_str().unwrap();
    assert!(shown.is_ascii() && shown.contains("###") && shown.contains("\\u{f6}"), "{told:#}");
    assert!(!shown.contains("\u{1b}[32m") && !shown.contains("38;5;2m"), "{told:#}");
    for (variables, is_coloured) in [(&plain[..], false), (&[], true)] {
        let told = at_a_terminal(&site, ["24", "60"], &[], &["status"], variables);
        let shown = told["shown"].as_str().unwrap();
        assert_eq!(shown.contains("\u{1b}[32mserving\u{1b}[0m"), is_coloured, "{told:#}");
        let without = shown.replace("\u{1b}[32m", "").replace("\u{1b}[0m", "");
        assert!(without.lines().all(|line| line.chars().count() <= 60 || !line.trim().contains(' ')), "{told:#}");
    }
    fs::write(site.directory().join("gate"), "").unwrap();
    drop(peer);
    site.end();
}

#[test]
fn it_goes_on_when_pyfcgid_goes_and_comes_again() {
    let site = Site::start(site_with(WAITS, ""));
    let program = env!("CARGO_BIN_EXE_pyfcgid");
    let stop = format!("run:{program} stop -c {FILE}");
    let start = format!("run:{program} serve -D -c {FILE} --log file:again.log");
    let steps = ["see:serving", &stop, "see:is not running", &start, "see:started again", "key:q"];
    let told = at_a_terminal(&site, ["24", "160"], &steps, &["top", "--delay", "100ms"], &[]);
    expect_end(&told, 0);
    site.control("stop").expect_code(0);
}
