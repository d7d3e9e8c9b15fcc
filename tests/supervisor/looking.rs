//! What `status`, `requests` and `health` say of processes that are busy, stopped or hostile: at once, and the truth.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::schema;
use crate::site::{Ended, Site, kill, limit, says, site, site_with, status_of};
use crate::support::peer::Address;
use crate::support::process::wait_until;
use crate::support::{Launch, Params, Peer};

/// Waits for a file under this path, and turns meanwhile if it is to.
const WAITS: &str = "\
import os, time
def application(environ, start_response):
    path = environ['SCRIPT_NAME'] + environ['PATH_INFO']
    while path.startswith('/wait') and not os.path.exists('gate'):
        time.sleep(0.01)
    while path.startswith('/turn') and not os.path.exists('gate'):
        pass
    start_response(environ['QUERY_STRING'] or '200 OK', [])
    return [b'done']
";

/// A command that answers at once.
#[track_caller]
fn at_once(site: &Site, command: &str, code: i32) -> Ended {
    let begun = Instant::now();
    let ended = site.control(command).expect_code(code);
    let took = begun.elapsed();
    assert!(took < limit(Duration::from_millis(300), Duration::from_secs(5)), "{command}: {took:?}");
    expect_no_command(&ended.out);
    expect_no_command(&ended.err);
    ended
}

#[track_caller]
fn json(site: &Site, command: &str, code: i32) -> Value {
    let text = at_once(site, &format!("{command} --json"), code).out;
    let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    schema::expect(command, &value);
    value
}

/// Nothing that commands a terminal.
#[track_caller]
fn expect_no_command(text: &str) {
    let harmful: Vec<char> = text.chars().filter(|c| c.is_control() && *c != '\n' || *c == '\u{202e}').collect();
    assert!(harmful.is_empty(), "{harmful:?} in {text:?}");
}

#[track_caller]
fn open_gate(site: &Site, peers: Vec<Peer>) {
    fs::write(site.directory().join("gate"), "").unwrap();
    peers.into_iter().for_each(|mut peer| drop(peer.answer(1).expect_status(200)));
}

fn send(site: &Site, params: &Params) -> Peer {
    let mut peer = site.connect();
    peer.send_request(1, false, params, b"");
    peer
}

#[test]
fn busy_and_stopped_processes_are_told_of_at_once_and_each_request_by_name() {
    let site = Site::start(site_with(WAITS, "processes = 2\nthreads = 4\n"));
    at_once(&site, "health", 0);
    assert_eq!(at_once(&site, "requests", 0).out, "no request is running\n");
    let path = |number: usize| if number == 7 { "/turn/7".to_owned() } else { format!("/wait/{number}") };
    let peers: Vec<Peer> = (0..8).map(|number| send(&site, &Params::get(&path(number)))).collect();
    let running = || json(&site, "requests", 0)["requests"].as_array().unwrap().len();
    wait_until("eight requests", || running() == 8);
    at_once(&site, "health", 0);
    let ill = at_once(&site, "health web --max-busy 95%", 1).out;
    assert!(ill.starts_with("pool web: 8 of 8 workers busy, more than 95% (--max-busy): `pyfcgid requests web` "), "{ill}");
    let children = site.children();
    let stopped = *children.iter().next().unwrap();
    site.suspend([&stopped]);

    let told = json(&site, "requests", 0);
    let requests = told["requests"].as_array().unwrap();
    let paths: BTreeSet<&str> = requests.iter().map(|request| request["path"].as_str().unwrap()).collect();
    let ages: Vec<f64> = requests.iter().map(|request| request["age"].as_f64().unwrap()).collect();
    assert!(ages.is_sorted_by(|one, next| one >= next), "{ages:?}");
    assert_eq!(paths, (0..8).map(path).collect::<Vec<_>>().iter().map(String::as_str).collect());
    for request in requests {
        let pid = request["pid"].as_u64().unwrap();
        assert_eq!(request["stopped"], pid == u64::from(stopped), "{request}");
        assert!(request["id"].as_str().unwrap().starts_with(&format!("{pid}-")), "{request}");
        assert_eq!(
            (&request["method"], &request["remote"], &request["pool"]),
            (&"GET".into(), &"127.0.0.1".into(), &"web".into())
        );
    }
    let text = at_once(&site, "requests", 0).out;
    assert_eq!((text.matches("/wait/").count(), text.matches("application (stopped)").count()), (7, 4), "{text}");
    let text = at_once(&site, "status", 0).out;
    assert!(text.contains(&format!("process {stopped}: stopped, generation 0")) && text.contains("the longest for"), "{text}");
    let pool = &json(&site, "status", 0)["pools"][0];
    assert_eq!((&pool["workers"]["busy"], &pool["workers"]["idle"]), (&4.into(), &0.into()), "{pool}");
    assert_eq!((&pool["processes"]["stopped"], &pool["processes"]["serving"]), (&1.into(), &1.into()), "{pool}");
    assert!(pool["memory"].as_u64().unwrap() > 1 << 20, "{pool}");
    let advice = format!("`kill -CONT {stopped}` lets it go on, `kill -9 {stopped}` has it replaced\n");
    let ill = |others: &str| format!("pool web: process {stopped} is stopped by a signal{others}: {advice}");
    assert_eq!(at_once(&site, "health", 1).out, ill(""));

    site.suspend(&children);
    assert_eq!(at_once(&site, "health", 1).out, ill(", and so is 1 other"));
    assert!(at_once(&site, "status", 4).out.contains("pool web: stopped, "));
    children.iter().for_each(|child| kill(*child, "CONT"));
    open_gate(&site, peers);
    wait_until("idle workers", || running() == 0);
    assert_eq!(at_once(&site, "health --max-busy 50% --max-queue 0", 0).out, "");
    site.end();
}

#[test]
fn what_waits_is_over_the_limit_of_a_probe() {
    let site = Site::start(site_with(WAITS, "threads = 1\n"));
    let mut peers = vec![send(&site, &Params::get("/wait"))];
    wait_until("a request", || at_once(&site, "requests", 0).out.contains("/wait"));
    peers.extend((0..3).map(|_| send(&site, &Params::get("/"))));
    let told = "pool web: 3 of at most 1024 requests waiting, more than 2 (--max-queue): `pyfcgid requests web` ";
    wait_until("three that wait", || site.control("health --max-queue 2").out.starts_with(told));
    at_once(&site, "health --max-queue 3", 0);
    at_once(&site, "health shop", 64);
    open_gate(&site, peers);
    site.end();
}

#[test]
fn what_a_request_is_called_commands_no_terminal() {
    let site = Site::start(site_with(WAITS, ""));
    let hostile = b"/wait/\x1b]0;owned\x07\x9b2J\xff\xe2\x80\xae\n\t/x".as_slice();
    let long = [b"/wait/".as_slice(), &b"x".repeat(300)].concat();
    let params = |path: &[u8]| Params::get("/wait").set("REQUEST_URI", path).set("REMOTE_ADDR", b"\x1b[31m");
    let peers = vec![send(&site, &params(hostile)), send(&site, &params(&long).set("REQUEST_METHOD", "GET"))];
    wait_until("both", || json(&site, "requests", 0)["requests"].as_array().unwrap().len() == 2);
    let text = at_once(&site, "requests", 0).out;
    assert!(text.contains("/wait/\\u{1b}]0;owned\\u{7}") && text.contains("\\u{202e}\\n\\t/x"), "{text}");
    assert!(text.contains("xxx...") && text.contains("\\u{1b}[31m"), "{text}");
    let told = json(&site, "requests", 0);
    let paths: Vec<&str> = told["requests"].as_array().unwrap().iter().map(|told| told["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&"/wait/\u{1b}]0;owned\u{7}\u{fffd}2J\u{fffd}\u{202e}\n\t/x"), "{paths:?}");
    open_gate(&site, peers);
    site.end();
}

/// An application that writes into its scoreboard for ever what it likes, escape sequences among it.
const SCRIBBLES: &str = "\
import mmap, os, random, threading
def boards():
    for number in os.listdir('/proc/self/fd'):
        if os.path.lexists(f'/proc/self/fd/{number}') and 'pyfcgid-scoreboard' in os.readlink(f'/proc/self/fd/{number}'):
            yield mmap.mmap(int(number), 0)
def scribble(memory):
    while True:
        place = random.randrange(len(memory) // 8) * 8
        memory[place:place + 8] = random.choice([b'\\x1b[2J\\x07\\r\\n ', b'\\xff' * 8, bytes(8), (1).to_bytes(8, 'little'), os.urandom(8)])
def application(environ, start_response):
    if environ['QUERY_STRING'] == 'scribble':
        for memory in boards():
            for _ in range(2):
                threading.Thread(target=scribble, args=(memory,), daemon=True).start()
    start_response('200 OK', [])
    return [b'done']
";

fn scribbling() -> Launch {
    let pool = |name: &str| format!("[pool.{name}]\napp = \"{name}.py\"\nlisten = \"unix:{name}.sock\"\nthreads = 2\n");
    let launch = site(&format!("pid-file = \"site.pid\"\n{}graceful-timeout = \"1s\"\n{}", pool("bad"), pool("good")));
    fs::write(launch.directory().join("bad.py"), SCRIBBLES).unwrap();
    fs::write(launch.directory().join("good.py"), says("good")).unwrap();
    launch
}

#[test]
fn a_pool_that_scribbles_over_its_scoreboard_changes_no_other_figure() {
    let site = Site::start(scribbling());
    let ask = |pool: &str, target: &str| {
        let mut peer = Peer::connect(Address::Unix(site.directory().join(format!("{pool}.sock"))));
        peer.last_request(&Params::get(target), b"")
    };
    for _ in 0..3 {
        ask("good", "/").expect_status(200);
    }
    // It may never be heard of again.
    let mut bad = Peer::connect(Address::Unix(site.directory().join("bad.sock")));
    bad.send_request(1, false, &Params::get("/?scribble"), b"");
    let answered = || json(&site, "status bad", 0)["pools"][0]["answered"].as_u64();
    wait_until("nonsense on the scoreboard", || answered() > Some(1000));
    let (begun, mut rounds) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(3) || rounds < 5 {
        let status = json(&site, "status good", 0);
        let good = &status["pools"][0];
        assert_eq!((&good["answered"], &good["requests"]["2xx"], &good["state"]), (&3.into(), &3.into(), &"serving".into()));
        assert_eq!((&good["workers"]["idle"], &good["duration"]["count"]), (&2.into(), &3.into()), "{good}");
        assert!(json(&site, "requests good", 0)["requests"].as_array().unwrap().is_empty());
        json(&site, "requests bad", 0);
        for command in ["requests", "requests --json", "status", "status --json", "health"] {
            expect_no_command(&site.control(command).out);
        }
        rounds += 1;
    }
    assert!(!site.log().contains("panicked"), "{}", site.log());
    let mut site = site;
    site.signal("TERM");
    assert!(site.wait_for_exit(Duration::from_secs(20)).success(), "{}", site.log());
}

#[test]
fn how_children_end_and_what_comes_of_reloads_is_counted_and_survives_the_program() {
    let site = Site::start(site_with(WAITS, ""));
    for status in ["200 OK", "404 No", "500 No"] {
        site.ask(&format!("/?{status}"));
    }
    wait_until("the third to be counted", || json_pool(&site)["answered"] == 3);
    let child = *site.children().iter().next().unwrap();
    // A worker counts a request when all of it is over, which is after its answer.
    wait_until("the third count", || json_pool(&site)["answered"] == 3);
    kill(child, "SEGV");
    wait_until("another one", || json_pool(&site)["exits"]["signaled"] == 1 && json_pool(&site)["state"] == "serving");
    site.control("reload").expect_code(0);
    wait_until("the end of the old one", || json_pool(&site)["exits"]["retired"] == 1);
    site.deploy("raise RuntimeError('no')").expect_code(70);
    wait_until("the end of the one that was tried", || json_pool(&site)["exits"]["failed"] == 1);
    let status = json(&site, "status", 0);
    assert_eq!((&status["reloads"]["succeeded"], &status["reloads"]["failed"]), (&1.into(), &1.into()), "{status}");
    assert_eq!((&status["last_reload"]["result"], &status["log_lines_lost"]), (&"failed".into(), &0.into()), "{status}");
    assert!(site.control("status").out.contains("children that ended so far: 1 failed, 1 signaled\n"));
    fs::write(site.directory().join("app.py"), WAITS).unwrap();
    site.signal("USR2");
    site.wait_for_log("has taken over from the previous program");
    wait_until("its reload", || json(&site, "status", 0)["reloads"]["succeeded"] == 2);
    let (status, pool) = (json(&site, "status", 0), json_pool(&site));
    assert_eq!((&status["reloads"]["failed"], &status["last_reload"]["result"]), (&1.into(), &"succeeded".into()), "{status}");
    assert_eq!((&pool["exits"]["signaled"], &pool["exits"]["failed"], &pool["answered"]), (&1.into(), &1.into(), &3.into()));
    assert_eq!(
        (&pool["requests"]["2xx"], &pool["requests"]["4xx"], &pool["requests"]["5xx"]),
        (&1.into(), &1.into(), &1.into())
    );
    site.end();
}

#[track_caller]
fn json_pool(site: &Site) -> Value {
    let text = site.control("status --json").out;
    serde_json::from_str::<Value>(&text).unwrap()["pools"][0].clone()
}

#[test]
fn what_is_not_running_is_told_with_what_to_do() {
    let site = Site::start(site_with(WAITS, ""));
    let directory = site.directory().to_owned();
    let children = site.children();
    site.control("stop").expect_code(0);
    crate::site::wait_until_gone(&children);
    for command in ["status", "requests", "health", "requests --json", "requests --stacks", "stacks"] {
        let ended = crate::site::control(&directory, command).expect_code(3);
        assert!(ended.err.contains("pyfcgid is not running") && ended.err.contains("systemctl start"), "{ended:?}");
        assert_eq!(ended.out, "");
    }
}

/// Fills the backlog of a control socket that nobody accepts from.
fn crowd(path: &Path) -> Vec<Socket> {
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.connect(&SockAddr::unix(path).unwrap()).is_ok().then_some(socket)
    };
    std::iter::from_fn(connect).take(10_000).collect()
}

#[test]
fn a_probe_ends_though_the_supervisor_does_not_answer() {
    let site = Site::start(site_with(WAITS, ""));
    kill(site.pid(), "STOP");
    wait_until("a stopped supervisor", || status_of(site.pid(), "State").starts_with('T'));
    let mut crowds = Vec::new();
    for _ in 0..2 {
        let begun = Instant::now();
        let ended = site.control("health").expect_code(1);
        assert!(ended.err.contains("does not answer"), "{ended:?}");
        assert!(begun.elapsed() < limit(Duration::from_secs(5), Duration::from_secs(12)), "{:?}", begun.elapsed());
        // The same when not even a connection is to be had.
        crowds = crowd(&site.directory().join("site.pid.control"));
        assert!(crowds.len() < 10_000);
    }
    drop(crowds);
    kill(site.pid(), "CONT");
    wait_until("an answer", || site.control("health").status.success());
    site.end();
}
