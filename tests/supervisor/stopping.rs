//! Ends: graceful, quick, by command, and of what does not want to.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::site::{FILE, Site, expect_nothing_left, kill, says, site_of, site_with, status_of, wait_until_gone};
use crate::support::process::{stand_still, wait_until};
use crate::support::{Params, Peer};

/// A site on which a request of so many seconds runs.
fn busy_site(seconds: &str, settings: &str) -> (Site, Peer) {
    let site = Site::start(site_of("sleeps.py", &format!("processes = 2\nthreads = 1\n{settings}")));
    let mut peer = site.connect();
    peer.send_request(1, true, &Params::get(&format!("/?{seconds}")), b"");
    wait_until("a busy worker", || site.control("status").out.contains("1 of 1 workers busy"));
    (site, peer)
}

#[test]
fn term_and_quit_answer_what_runs() {
    for signal in ["TERM", "QUIT"] {
        let (mut site, mut peer) = busy_site("3", "");
        let children = site.children();
        site.signal(signal);
        peer.answer(1).expect_status(200);
        assert!(site.wait_for_exit(Duration::from_secs(5)).success(), "{}", site.log());
        wait_until_gone(&children);
        expect_nothing_left(site.directory());
    }
}

#[test]
fn int_does_not_wait_for_what_runs() {
    let (mut site, mut peer) = busy_site("20", "");
    let children = site.children();
    let started = Instant::now();
    site.signal("INT");
    assert!(!peer.answer(1).ended);
    assert!(site.wait_for_exit(Duration::from_secs(5)).success(), "{}", site.log());
    eprintln!("INT took {:?}", started.elapsed());
    wait_until_gone(&children);
    expect_nothing_left(site.directory());
}

#[test]
fn a_second_signal_makes_a_graceful_stop_quick() {
    let (mut site, mut peer) = busy_site("20", "");
    site.signal("TERM");
    site.wait_for_log("stopping gracefully");
    site.signal("INT");
    assert!(!peer.answer(1).ended);
    assert!(site.wait_for_exit(Duration::from_secs(5)).success(), "{}", site.log());
    expect_nothing_left(site.directory());
}

#[test]
fn the_stop_command_returns_when_everything_is_gone() {
    let (mut site, mut peer) = busy_site("2", "");
    let children = site.children();
    let ended = site.control("stop").expect_code(0);
    assert!(ended.err.is_empty(), "{ended:?}");
    expect_nothing_left(site.directory());
    assert!(children.iter().all(|child| !crate::site::is_alive(*child)));
    peer.answer(1).expect_status(200);
    assert!(site.wait_for_exit(Duration::from_secs(1)).success());
    let again = site.control("stop").expect_code(0);
    assert!(again.err.contains("not running"), "{again:?}");
    site.control("status").expect_code(3);
    site.control("reload").expect_code(71);
}

#[test]
fn graceful_timeout_limits_a_stop() {
    let (mut site, mut peer) = busy_site("20", "graceful-timeout = \"1s\"\n");
    let children = site.children();
    let started = Instant::now();
    site.signal("TERM");
    assert!(!peer.answer(1).ended);
    assert!(site.wait_for_exit(Duration::from_secs(8)).success(), "{}", site.log());
    let took = started.elapsed();
    eprintln!("graceful-timeout = 1s: it took {took:?}");
    assert!(took >= Duration::from_secs(1), "{took:?}");
    wait_until_gone(&children);
    expect_nothing_left(site.directory());
}

#[test]
fn a_child_that_holds_the_interpreter_is_killed_in_the_end() {
    // The loop never lets go of the GIL.
    let code = "import ctypes\ndef application(environ, start_response):\n    ctypes.PyDLL(None).usleep(20_000_000)\n";
    for (signal, limit) in [("TERM", SECOND_AND_A_MOMENT), ("INT", Duration::from_secs(4))] {
        let mut site = Site::start(site_with(code, "threads = 1\ngraceful-timeout = \"1s\"\n"));
        let children = site.children();
        let mut peer = site.connect();
        peer.send_request(1, true, &Params::get("/"), b"");
        wait_until("a busy worker", || site.control("status").out.contains("1 of 1 workers busy"));
        site.signal(signal);
        assert!(site.wait_for_exit(limit).success(), "{}", site.log());
        wait_until_gone(&children);
        expect_nothing_left(site.directory());
    }
}

/// A second, half a one for the end, and as much for a busy machine.
const SECOND_AND_A_MOMENT: Duration = Duration::from_secs(2);

/// The kernel shows what has become of a traced process to its tracer alone, which here never asks.
const HOLDS_ITS_PROCESS: &str = "\
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(4, 1, 0, 0, 0)
traced, (seen, told), (go, begun) = os.getpid(), os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    if os.fork() == 0:
        os.setsid()
        os.read(go, 1)
        result = libc.ptrace(0x4206, traced, 0, 0)
        os.write(told, b'%d' % (ctypes.get_errno() if result else 0))
        time.sleep(60)
    os._exit(0)
os.waitpid(child, 0)
# Not before: SIGCHLD would stop what is traced.
libc.prctl(0x59616d61, ctypes.c_ulong(-1), 0, 0, 0)
os.write(begun, b'x')
held = os.read(seen, 9)
def application(environ, start_response):
    start_response('200 OK', [])
    return [b'%d %s' % (traced, held)]
";

/// The process that answers, and whether it is traced: an error number, or 0.
fn traced(site: &Site) -> (u32, String) {
    let text = site.text("/");
    let (process, error) = text.split_once(' ').unwrap();
    (process.parse().unwrap(), error.to_owned())
}

#[test]
fn a_tracer_that_keeps_what_has_ended_holds_up_neither_a_reload_nor_a_stop() {
    let mut site = Site::start(site_with(HOLDS_ITS_PROCESS, "processes = 1\ngraceful-timeout = \"1s\"\n"));
    let (first, error) = traced(&site);
    if error != "0" {
        return eprintln!("skipped: no process may trace another here: error {error}");
    }
    let tracer_of = |process: u32| status_of(process, "TracerPid").parse().unwrap();
    let mut tracers: Vec<u32> = vec![tracer_of(first)];
    // One has ended by itself, one is to go, and one is there at the end.
    kill(first, "KILL");
    for _ in 0..2 {
        site.control("reload").expect_code(0);
        tracers.push(tracer_of(traced(&site).0));
    }
    let known = || site.control("status").out.matches("\n  process ").count();
    wait_until("those that have ended to be known as that", || known() == 1);
    let started = Instant::now();
    site.signal("TERM");
    let ended = site.wait_for_exit(Duration::from_secs(8));
    let took = started.elapsed();
    tracers.iter().for_each(|tracer| kill(*tracer, "KILL"));
    assert!(ended.success() && took < SECOND_AND_A_MOMENT, "graceful-timeout = 1s: it took {took:?}\n{}", site.log());
}

#[test]
fn a_stopped_child_is_killed_in_the_end() {
    let mut site = Site::start(site_with(&says("x"), "graceful-timeout = \"1s\"\n"));
    let child = *site.children().first().unwrap();
    stand_still(child);
    let started = Instant::now();
    site.signal("TERM");
    assert!(site.wait_for_exit(Duration::from_secs(8)).success(), "{}", site.log());
    assert!(started.elapsed() < SECOND_AND_A_MOMENT, "graceful-timeout = 1s: it took {:?}", started.elapsed());
    assert!(site.log().contains("killing it"), "{}", site.log());
    wait_until_gone(&[child]);
    expect_nothing_left(site.directory());
}

#[test]
fn a_stop_while_it_starts_ends_it_and_leaves_nothing() {
    for signal in ["TERM", "INT"] {
        let launch = site_of("sleeps.py", "processes = 2\n").env("IMPORT_SECONDS", "60");
        let mut site = Site::start_unawaited(launch);
        let children = site.wait_for_children(1);
        site.signal(signal);
        site.wait_for_exit(Duration::from_secs(5));
        wait_until_gone(&children);
        expect_nothing_left(site.directory());
    }
}

#[test]
fn a_stop_ends_a_reload_that_hangs() {
    let mut site = Site::start(site_with(&says("x"), ""));
    fs::write(site.directory().join("app.py"), "import time\ntime.sleep(60)\n").unwrap();
    site.signal("HUP");
    let children = site.wait_for_children(2);
    assert!(site.stop().success(), "{}", site.log());
    wait_until_gone(&children);
    expect_nothing_left(site.directory());
}

#[test]
fn under_nohup_a_hang_up_does_nothing() {
    let site = Site::start(site_with(&says("x"), "").under(["nohup"]));
    // A message of nohup itself is no trouble: stdin is no terminal.
    site.signal("HUP");
    assert_eq!(site.text("/"), "x");
    let status = crate::site::status_of(site.pid(), "SigIgn");
    let ignored = u64::from_str_radix(&status, 16).unwrap();
    assert_eq!(ignored & 1, 1, "SIGHUP is ignored: {status}");
    assert!(!site.log().contains("reloading"), "{}", site.log());
    site.end();
}

#[test]
fn on_a_terminal_a_hang_up_stops() {
    if Command::new("script").arg("--version").output().is_err() {
        return eprintln!("skipped: script(1) is missing");
    }
    let launch = site_with(&says("x"), "");
    let directory = launch.directory().to_owned();
    // Its output goes to a file, so that it does not end by writing to a terminal that has gone.
    let command = format!("exec {} serve -c {FILE} 2>log", env!("CARGO_BIN_EXE_pyfcgid"));
    let mut terminal = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(&directory)
        .stdin(Stdio::null())
        .stdout(fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(directory.join("out")).unwrap())
        .spawn()
        .unwrap();
    let log = || fs::read_to_string(directory.join("log")).unwrap_or_default();
    wait_until("the start", || log().contains("]: PF0101 ready\n"));
    let pid: u32 = fs::read_to_string(directory.join("site.pid")).unwrap().trim().parse().unwrap();
    kill(pid, "HUP");
    wait_until("the end", || terminal.try_wait().unwrap().is_some());
    wait_until_gone(&[pid]);
    assert!(log().contains("stopping gracefully") && !log().contains("reloading"), "{}", log());
    expect_nothing_left(&directory);
}
