//! `status-path` tells how a pool is, whatever its processes do, and `status-listen` answers nothing but probes.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::before;
use crate::crowd::{Pool, Shape, status_of};
use crate::http::Request;
use crate::shipped::Shipped;
use crate::site::{Site, connect_to, is_root, kill, limit, says, site, site_of, site_with};
use crate::support::peer::Address;
use crate::support::process::wait_until;
use crate::support::virtualenv;
use crate::support::{Answer, Params, Peer, free_port};
use crate::web_server::{WebServer, permit};

/// On the site's own address.
const ON_SITE: &str = "ping-path = \"/ping\"\nstatus-path = \"/status\"\n";
/// Apart from it.
const PROBES: &str = "ping-path = \"/ping\"\nstatus-path = \"/status\"\nstatus-listen = \"unix:status.sock\"\n";

/// Asks where nothing but probes is answered.
#[track_caller]
fn ask_apart(site: &Site, target: &str) -> Answer {
    connect_to(&site.directory().join("status.sock")).last_request(&Params::get(target), b"")
}

#[track_caller]
fn status(site: &Site) -> Value {
    ask_apart(site, "/status?json&full").expect_status(200).json()
}

#[track_caller]
fn within_time<T>(what: &str, ask: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let answer = ask();
    let took = started.elapsed();
    assert!(took < limit(Duration::from_millis(300), Duration::from_secs(2)), "{what}: {took:?}");
    answer
}

#[test]
fn the_truth_is_told_while_all_workers_are_busy_the_gil_is_held_and_a_child_is_stopped() {
    let mut pool = Pool::start(Shape { processes: 2, threads: 2 }, PROBES);
    let front = nginx_with_status(&pool);
    pool.occupy_workers(3);
    let mut hog = pool.connect();
    // Some seconds on any machine.
    hog.send_request(1, false, &Params::get("/deep/inside?hog&27"), b"");
    wait_until("the hog", || pool.started("hog").len() == 1);
    let notes = fs::read_to_string(pool.directory().join("started")).unwrap();
    let hogs: u32 = notes.lines().find_map(|line| line.strip_prefix("hog ")?.split(' ').next()?.parse().ok()).unwrap();
    let stopped = *pool.children().iter().find(|child| **child != hogs).unwrap();
    kill(stopped, "STOP");
    let of_stopped = |status: &Value| {
        let running = status["processes"].as_array().unwrap();
        running.iter().filter(|one| one["pid"] == stopped).map(|one| one["child state"].clone()).collect::<Vec<_>>()
    };
    wait_until("a child that is told to be stopped", || of_stopped(&status(&pool)) == ["stopped", "stopped"]);
    for _ in 0..5 {
        within_time("ping through nginx", || Request::get("/ping").send(front.port).expect(200));
        within_time("ping", || ask_apart(&pool, "/ping").expect_status(200));
        let text = within_time("status through nginx", || Request::get("/status").send(front.port).expect(200).text());
        assert!(text.contains("\nactive processes:     4\n") && text.contains("\nidle processes:       0\n"), "{text}");
        let status = within_time("status", || status(&pool));
        let running = status["processes"].as_array().unwrap();
        let of_hog: Vec<_> = running.iter().filter(|process| process["request uri"] == "/deep/inside").collect();
        assert!(running.len() == 4 && of_hog.len() == 1 && of_hog[0]["pid"] == hogs, "{status:#}");
        assert!(running.iter().all(|process| process["state"] == "Running" && process["request duration"].as_u64() > Some(0)));
        assert_eq!(running.iter().filter(|process| process["pid"] == stopped).count(), 2, "{status:#}");
        within_time("no probe", || ask_apart(&pool, "/").expect_status(404));
    }
    assert!(hog.is_silent_for(Duration::from_millis(1)), "it proves nothing");
    let metrics = ask_apart(&pool, "/status?openmetrics").expect_status(200).text();
    assert!(metrics.contains("state=\"serving\"} 1\n") && metrics.contains("state=\"stopped\"} 1\n"), "{metrics}");
    kill(stopped, "CONT");
    wait_until("a child that goes on", || of_stopped(&status(&pool)) == ["serving", "serving"]);
    pool.open_gate();
    hog.answer(1).expect_status(200);
    wait_until("idle workers", || status(&pool)["active processes"] == 0);
    wait_until("all of them", || status(&pool)["accepted conn"] == 4);
    drop(front);
    pool.end();
}

/// nginx with the shipped site file, and what it has for the status page.
#[track_caller]
fn nginx_with_status(pool: &Site) -> WebServer {
    let apart = pool.directory().join("status.sock").to_str().unwrap().to_owned();
    before::nginx(pool, |file| file.with_part("location = /status").replace("/run/pyfcgid/example-status.sock", &apart))
}

/// What another program's parser makes of it: it accepts nothing but OpenMetrics.
fn parsed_by_prometheus(metrics: &str, directory: &Path) -> Value {
    let file = directory.join("metrics");
    fs::write(&file, metrics).unwrap();
    let code = "import json, sys\n\
                from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
                text = open(sys.argv[1], encoding='utf-8', newline='').read()\n\
                print(json.dumps({sample.name + ','.join(sorted(sample.labels.values())): sample.value for family in parse(text) \
                for sample in family.samples}))\n";
    let python = virtualenv::of_the_tests().join("bin/python");
    let output = Command::new(python).args(["-c", code]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}\n{metrics}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn each_form_is_what_it_says() {
    let site = Site::start(site_with(&says("x"), &format!("processes = 2\nthreads = 3\n{ON_SITE}")));
    let name = "web";
    (0..5).for_each(|_| assert_eq!(site.text("/"), "x"));
    // A worker counts what it has answered a moment later.
    let ended = || site.text("/status?openmetrics").contains("_duration_seconds_count{pool=\"web\"} 5\n");
    wait_until("five requests that are counted", ended);
    let answer = site.ask("/status?openmetrics").expect_status(200);
    assert!(answer.header("Content-Type").unwrap().starts_with("application/openmetrics-text; version=1.0.0"));
    let metrics = parsed_by_prometheus(&answer.text(), site.directory());
    assert_eq!(metrics[format!("pyfcgid_requests_total2xx,{name}")], 5.0, "{metrics:#}");
    assert_eq!(metrics[format!("pyfcgid_processesserving,{name}")], 2.0, "{metrics:#}");
    assert_eq!(metrics[format!("pyfcgid_request_duration_seconds_count{name}")], 5.0, "{metrics:#}");
    let page = site.ask("/status?html&full").expect_status(200);
    assert_eq!(page.header("Content-Type").as_deref(), Some("text/html; charset=utf-8"));
    assert!(page.text().contains("<tr><th>accepted conn<td>5\n"), "{}", page.text());
    let json = site.ask("/status?json").expect_status(200);
    assert_eq!((&json.json()["total processes"], json.header("Cache-Control").as_deref()), (&6.into(), Some("no-store")));
    let head = site.connect().last_request(&Params::get("/status").set("REQUEST_METHOD", "HEAD"), b"");
    assert_eq!((head.status, head.text().as_str()), (200, ""));
    assert_eq!(site.text("/status/more"), "x");
    site.end();
}

#[test]
fn a_pool_of_which_no_child_lives_is_told_by_its_queue_process() {
    let site = Site::start(site_with(&says("one"), &format!("processes = 1\n{ON_SITE}")));
    let front = before::nginx(&site, |file| file);
    fs::write(site.directory().join("app.py"), "raise RuntimeError(\"broken\")\n").unwrap();
    kill(*site.children().first().unwrap(), "KILL");
    wait_until("a pool that fails", || status_of(&site).0["state"] == "failing");
    let text = Request::get("/status").send(front.port).expect(200).text();
    assert!(text.contains("\nstate:                failing\n") && text.contains("\nfailing since: "), "{text}");
    assert_eq!(site.ask("/status?json").json()["children wanted"], 1);
    let refused = |reason: &str| {
        let metrics = site.text("/status?openmetrics");
        let line = format!("pyfcgid_refused_requests_total{{pool=\"web\",reason=\"{reason}\"}} ");
        metrics.lines().find_map(|found| found.strip_prefix(&line)?.parse::<u64>().ok()).unwrap()
    };
    assert_eq!((refused("queue-full"), refused("not-serving")), (0, 0));
    site.ask("/ping").expect_status(503);
    (0..3).for_each(|_| drop(site.ask("/").expect_status(503)));
    assert_eq!((refused("queue-full"), refused("not-serving")), (0, 3));
    assert_eq!(site.ask("/status?json").json()["refused not serving"], 3);
    assert_eq!(
        status_of(&site).0["refused_by"],
        serde_json::json!({"queue-full": 0, "queue-timeout": 0, "not-serving": 3, "gil-kept": 0})
    );
    assert!(site.control("status").out.contains("\n  3 answered 503 so far, because no process had started\n"));
    wait_until("children that have ended so", || {
        let metrics = site.text("/status?openmetrics");
        metrics.contains("reason=\"signaled\"} 1\n") && !metrics.contains("reason=\"failed\"} 0\n")
    });
    fs::write(site.directory().join("app.py"), says("two")).unwrap();
    kill(site.pid(), "USR2");
    site.wait_for_log("has taken over from the previous program");
    wait_until("a pool that serves", || status_of(&site).0["state"] == "serving");
    assert_eq!(refused("not-serving"), 3, "the next program counts on");
    drop(front);
    site.end();
}

#[test]
fn a_pool_that_fails_is_told_apart_from_the_site_too() {
    let site = Site::start(site_with(&says("one"), &format!("processes = 1\n{PROBES}")));
    fs::write(site.directory().join("app.py"), "raise RuntimeError(\"broken\")\n").unwrap();
    kill(*site.children().first().unwrap(), "KILL");
    wait_until("a pool that fails", || status_of(&site).0["state"] == "failing");
    wait_until("what is told", || status(&site)["state"] == "failing");
    ask_apart(&site, "/ping").expect_status(503);
    ask_apart(&site, "/").expect_status(404);
    site.ask("/status").expect_status(503);
    site.end();
}

#[test]
fn apache_lets_this_machine_see_it() {
    let site = Site::start(site_with(&says("x"), PROBES));
    let apart = site.directory().join("status.sock").to_str().unwrap().to_owned();
    let with_status = |file: Shipped| {
        let place = format!("unix:{apart}|fcgi://localhost/status");
        file.with_part("ProxyPass \"/status\"").replace("fcgi://127.0.0.1:9001/status", &place)
    };
    let front = before::apache(&site, with_status);
    wait_until("a pool that serves", || Request::get("/status?json").send(front.port).expect(200).json()["state"] == "serving");
    assert_eq!(Request::get("/").send(front.port).expect(200).text(), "x");
    drop(front);
    site.end();
}

#[test]
fn to_ask_a_sleeping_pool_does_not_wake_it() {
    let site = Site::start(site_with(&says("x"), &format!("processes = \"0..2\"\n{PROBES}")));
    wait_until("a pool that sleeps", || status(&site)["state"] == "sleeping");
    for _ in 0..5 {
        let status = status(&site);
        assert_eq!((&status["state"], &status["process manager"]), (&"sleeping".into(), &"ondemand".into()), "{status:#}");
        ask_apart(&site, "/").expect_status(404);
        assert_eq!(ask_apart(&site, "/ping").text(), "pong");
    }
    assert_eq!(site.children().len(), 0);
    assert_eq!(status_of(&site).0["refused"], 0);
    site.end();
}

#[test]
fn a_reload_keeps_moves_and_removes_the_address_of_probes_and_is_counted() {
    let toml =
        |probes: &str| format!("pid-file = \"site.pid\"\n[pool.shop]\napp = \"app.py\"\nlisten = \"unix:s.sock\"\n{probes}");
    let launch = site(&toml(PROBES));
    fs::write(launch.directory().join("app.py"), says("x")).unwrap();
    let site = Site::start(launch);
    let mut kept = connect_to(&site.directory().join("status.sock"));
    kept.request(&Params::get("/ping"), b"").expect_status(200);
    assert_eq!((site.text("/status"), site.text("/ping")), ("x".to_owned(), "pong".to_owned()));
    site.control("reload").expect_code(0);
    wait_until("the old child's end", || status(&site)["children"] == 1);
    kept.request(&Params::get("/"), b"").expect_status(404);
    site.deploy("raise RuntimeError(\"broken\")\n").expect_code(70);
    let found = status(&site);
    assert_eq!((&found["reloads"], &found["failed reloads"], &found["generation"]), (&1.into(), &1.into(), &1.into()));
    assert_eq!((&found["accepted conn"], &found["state"]), (&1.into(), &"serving".into()), "{found:#}");
    fs::write(site.directory().join("app.py"), says("x")).unwrap();
    let path = |name: &str| site.directory().join(name);
    site.configure(&toml(&PROBES.replace("status.sock", "other.sock"))).expect_code(0);
    wait_until("the old address's end", || !path("status.sock").exists());
    connect_to(&path("other.sock")).last_request(&Params::get("/status"), b"").expect_status(200);
    site.configure(&toml("")).expect_code(0);
    wait_until("the last address's end", || !path("other.sock").exists());
    assert_eq!(site.text("/status"), "x");
    site.end();
}

#[test]
fn the_next_program_tells_it_too() {
    let launch = site_with(&says("x"), &format!("processes = 2\n{PROBES}"));
    let site = Site::start(launch);
    assert_eq!(site.text("/"), "x");
    let before = site.children();
    kill(site.pid(), "USR2");
    wait_until("other children", || site.children().len() == 2 && site.children().is_disjoint(&before));
    wait_until("two children that are told", || {
        let status = status(&site);
        let told: Vec<u64> = status["processes"].as_array().unwrap().iter().filter_map(|one| one["pid"].as_u64()).collect();
        let there: Vec<u64> = site.children().into_iter().map(u64::from).collect();
        told == there && status["accepted conn"] == 1
    });
    ask_apart(&site, "/").expect_status(404);
    site.end();
}

#[test]
fn a_pool_all_of_whose_children_are_stopped_is_told_and_requests_wait() {
    let site = Site::start(site_with(&says("x"), &format!("processes = 2\nqueue-timeout = \"30s\"\n{PROBES}")));
    assert_eq!(site.text("/"), "x");
    let children = site.children();
    site.suspend(&children);
    let found = within_time("status", || status(&site));
    assert_eq!((&found["state"], &found["children"]), (&"stopped".into(), &2.into()), "{found:#}");
    assert!(found["processes"].as_array().unwrap().iter().all(|one| one["child state"] == "stopped"), "{found:#}");
    let mut waiting: Vec<Peer> = (0..3).map(|_| site.connect()).collect();
    waiting.iter_mut().for_each(|peer| peer.send_request(1, false, &Params::get("/"), b""));
    wait_until("those that wait", || within_time("status", || status(&site))["listen queue"] == 3);
    children.iter().for_each(|child| kill(*child, "CONT"));
    waiting.iter_mut().for_each(|peer| assert_eq!(peer.answer(1).expect_status(200).text(), "x"));
    wait_until("a pool that serves", || status(&site)["state"] == "serving");
    assert_eq!(site.children(), children);
    site.end();
}

/// Can be loaded twice before the reload: at the start, and to be checked.
const LOADS_TWICE: &str = "\
open('loaded', 'a').write('x')
if len(open('loaded').read()) > 2:
    raise RuntimeError('broken')
def application(environ, start_response):
    start_response('200 OK', [])
    return [b'x']
";

#[test]
fn children_that_the_next_program_keeps_tell_what_it_knows() {
    let site = Site::start(site_with(LOADS_TWICE, &format!("processes = 1\n{PROBES}")));
    assert_eq!(site.text("/"), "x");
    let (before, started) = (site.children(), status(&site)["start time"].clone());
    std::thread::sleep(Duration::from_millis(2200));
    kill(site.pid(), "USR2");
    wait_until("a reload that fails", || status(&site)["failed reloads"] == 1);
    let found = status(&site);
    assert_eq!(
        (&found["start time"], &found["reloads"], &found["accepted conn"]),
        (&started, &0.into(), &1.into()),
        "{found:#}"
    );
    wait_until("its end", || site.children() == before);
    let uptime = status_of(&site).0["children"][0]["uptime"].as_u64();
    assert!(uptime >= Some(2), "{uptime:?}");
    site.control("reload").expect_code(70);
    wait_until("another", || status(&site)["failed reloads"] == 2);
    fs::write(site.directory().join("app.py"), says("y")).unwrap();
    site.control("reload").expect_code(0);
    let found = status(&site);
    assert_eq!(
        (&found["reloads"], &found["failed reloads"], &found["start time"]),
        (&1.into(), &2.into(), &started),
        "{found:#}"
    );
    kill(site.pid(), "USR2");
    wait_until("a second program", || site.log().matches("has taken over from the previous program").count() == 2);
    wait_until("its reload", || status(&site)["reloads"] == 2);
    assert_eq!(status(&site)["start time"], started);
    site.end();
}

#[test]
fn probes_are_not_refused_by_whom_the_site_allows() {
    let (site_port, status_port) = (free_port(), free_port());
    let toml = format!(
        "pid-file = \"site.pid\"\n[pool.web]\napp = \"app.py\"\nlisten = \"127.0.0.1:{site_port}\"\n\
         allowed-clients = \"192.0.2.1\"\nstatus-path = \"/status\"\nstatus-listen = \"127.0.0.1:{status_port}\"\n"
    );
    let launch = site(&toml);
    fs::write(launch.directory().join("app.py"), says("x")).unwrap();
    let site = Site::start_unawaited(launch);
    wait_until("the start", || site.log().contains("]: PF0101 ready\n"));
    let connect = |port: u16| Peer::connect(Address::from(SocketAddr::from(([127, 0, 0, 1], port))));
    connect(site_port).expect_closed();
    let status = || connect(status_port).last_request(&Params::get("/status?json"), b"").expect_status(200).json();
    wait_until("a pool that serves", || status()["state"] == "serving");
    connect(status_port).last_request(&Params::get("/"), b"").expect_status(404);
    site.end();
}

/// Writes everywhere on its scoreboard all the time, and says what came of writing to the roster.
const SCRIBBLES: &str = "\
import mmap, os, threading
def shared(name):
    for number in os.listdir('/proc/self/fd'):
        try:
            if name in os.readlink('/proc/self/fd/' + number):
                return int(number)
        except OSError:
            pass
def scribble(number):
    memory = mmap.mmap(number, os.fstat(number).st_size)
    while True:
        for byte in range(256):
            memory[:] = bytes([byte]) * len(memory)
def tried(act):
    try:
        act()
        return 'done'
    except OSError as error:
        return type(error).__name__
def application(environ, start_response):
    roster = shared('pyfcgid-roster')
    answers = [
        tried(lambda: os.pwrite(roster, b'x', 0)),
        tried(lambda: os.ftruncate(roster, 0)),
        tried(lambda: mmap.mmap(roster, os.fstat(roster).st_size)),
        tried(lambda: os.pwrite(os.open('/proc/self/fd/%d' % roster, os.O_RDWR), b'x', 0)),
    ]
    threading.Thread(target=scribble, args=(shared('pyfcgid-scoreboard'),), daemon=True).start()
    start_response('200 OK', [])
    return [' '.join(answers).encode()]
";

#[test]
fn an_application_that_scribbles_harms_only_what_is_told_of_itself() {
    let pool = |name: &str| format!("[pool.{name}]\napp = \"{name}.py\"\nlisten = \"unix:{name}.sock\"\n");
    let probes = |name: &str| PROBES.replace("status.sock", &format!("{name}-status.sock"));
    // Root may write to all there is.
    let user = if is_root() { "user = \"nobody\"\n" } else { "" };
    let launch = site(&["bad", "good"].map(|name| pool(name) + user + &probes(name)).concat());
    permit(launch.directory(), 0o755);
    fs::write(launch.directory().join("bad.py"), SCRIBBLES).unwrap();
    fs::write(launch.directory().join("good.py"), says("x")).unwrap();
    let site = Site::start_unawaited(launch);
    wait_until("the start", || site.log().contains("]: PF0101 ready\n"));
    let ask = |socket: &str, target: &str| connect_to(&site.directory().join(socket)).last_request(&Params::get(target), b"");
    let tried = ask("bad.sock", "/").expect_status(200).text();
    assert_eq!(tried, "OSError OSError PermissionError PermissionError");
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        for query in ["full", "json&full", "html&full", "openmetrics"] {
            let answer = ask("bad-status.sock", &format!("/status?{query}")).expect_status(200);
            assert!(!answer.text().contains('\x1b') && answer.text().len() < 100_000);
        }
        let bad = ask("bad-status.sock", "/status?json&full").json();
        assert_eq!((&bad["pool"], &bad["state"].is_string()), (&"bad".into(), &true));
        let good = ask("good-status.sock", "/status?json&full").json();
        assert_eq!((&good["accepted conn"], &good["active processes"], &good["children"]), (&0.into(), &0.into(), &1.into()));
    }
    site.end();
}

#[test]
fn a_page_of_many_requests_comes_whole() {
    let settings = format!("processes = 1\nthreads = 300\n{PROBES}");
    let site = Site::start(site_of("waits_at_a_gate.py", &settings));
    let long = "x".repeat(190);
    let mut peers: Vec<_> = (0..300).map(|_| site.connect()).collect();
    peers.iter_mut().for_each(|peer| peer.send_request(1, false, &Params::get(&format!("/{long}?hold")), b""));
    wait_until("all of them", || status(&site)["active processes"] == 300);
    let status = ask_apart(&site, "/status?json&full");
    assert!(status.text().len() > 100_000, "{}", status.text().len());
    let processes = status.json()["processes"].as_array().unwrap().clone();
    assert_eq!(processes.iter().filter(|process| process["request uri"] == format!("/{long}")).count(), 300);
    fs::write(site.directory().join("gate"), "").unwrap();
    peers.iter_mut().for_each(|peer| drop(peer.answer(1).expect_status(200)));
    site.end();
}
