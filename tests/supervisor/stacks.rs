//! `pyfcgid stacks`, while children compute, wait, keep the GIL, are stopped, or lie.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::interrupting::Stuck;
use crate::schema;
use crate::site::{Site, kill, limit, says, site, site_of, site_with};
use crate::support::process::wait_until;

fn stuck(settings: &str) -> Site {
    Site::start(site_of("stuck.py", settings))
}

/// What it prints, in time.
#[track_caller]
fn stacks(site: &Site) -> String {
    let begun = Instant::now();
    let ended = site.control("stacks").expect_code(0);
    assert!(begun.elapsed() < limit(Duration::from_millis(400), Duration::from_secs(10)), "{:?}", begun.elapsed());
    ended.out
}

/// The same once it has all of this: an application says that it runs a moment before it does, and a machine that has much to do may
/// not give away the GIL in time.
#[track_caller]
fn stacks_with(site: &Site, wanted: &[&str]) -> String {
    let mut text = String::new();
    wait_until(&format!("{wanted:?}"), || {
        text = stacks(site);
        wanted.iter().all(|wanted| text.contains(wanted))
    });
    text
}

/// The part about one request.
#[track_caller]
fn of_request<'a>(text: &'a str, stuck: &Stuck) -> &'a str {
    let begin = text.find(&format!("request {} ", stuck.id)).unwrap_or_else(|| panic!("no {} in {text}", stuck.id));
    let rest = &text[begin..];
    let is_next = |(at, _): &(usize, &str)| *at > 0 && !rest[at + 1..].starts_with("    ");
    let end = rest.match_indices('\n').find(is_next).map_or(rest.len(), |(at, _)| at + 1);
    &rest[..end]
}

fn line_of(function: &str) -> String {
    let app = std::fs::read_to_string(crate::support::app("stuck.py")).unwrap();
    let place = app.lines().position(|line| line.starts_with(&format!("def {function}("))).unwrap();
    (place + 2).to_string()
}

#[track_caller]
fn expect_stacks_of_what_computes_and_waits(site: &Site) {
    let [computes, waits] = ["loops", "waits"].map(|path| Stuck::begin(site, path));
    let text = stacks_with(site, &["  MainThread\n", "in loops\n", "in waits\n"]);
    let computing = of_request(&text, &computes);
    assert!(computing.contains("(GET /loops), ") && computing.contains("in loops\n"), "{text}");
    assert!(computing.contains("in application\n      globals()[path]()\n"), "{text}");
    let waiting = of_request(&text, &waits);
    let line = format!("stuck.py\", line {}, in waits\n      KEPT.acquire()\n", line_of("waits"));
    assert!(waiting.contains(&line), "no {line} in {text}");
    // Whichever has taken them.
    let workers = || text.lines().filter(|line| line.starts_with("  pyfcgid-worker-"));
    let busy = workers().filter(|line| line.contains(", request ")).count();
    assert_eq!((workers().count(), busy), (3, 2), "{text}");
}

#[track_caller]
fn expect_the_stack_of_who_keeps_the_gil(site: &Site) {
    let keeps = Stuck::begin(site, "keeps_the_gil");
    let text = stacks_with(site, &["C code keeps the GIL", "in keeps_the_gil\n"]);
    assert!(text.contains("C code keeps the GIL or the machine is busy, so only workers are told of"), "{text}");
    let line = "in keeps_the_gil\n      re.match(";
    assert!(of_request(&text, &keeps).contains(line), "no {line} in {text}");
}

#[track_caller]
fn end_by_force(site: &Site) {
    site.children().into_iter().for_each(|child| kill(child, "KILL"));
}

#[test]
fn every_thread_is_told_with_function_and_line_and_its_request() {
    let site = stuck("threads = 3\n");
    expect_stacks_of_what_computes_and_waits(&site);
    end_by_force(&site);
}

#[test]
fn c_code_that_keeps_the_gil_hides_no_worker() {
    let site = stuck("threads = 3\n");
    let waits = Stuck::begin(&site, "gives_the_gil_up");
    expect_the_stack_of_who_keeps_the_gil(&site);
    let text = stacks(&site);
    assert!(of_request(&text, &waits).contains("in gives_the_gil_up\n"), "once more, too: {text}");
    end_by_force(&site);
}

#[test]
fn other_pythons_tell_the_same() {
    for version in ["3.9.18", "3.13.0"] {
        let python = format!("/root/.pyenv/versions/{version}/bin/python");
        if !crate::site::is_root() || !Path::new(&python).exists() {
            eprintln!("skipped: there is no {python}");
            continue;
        }
        let site = stuck(&format!("threads = 3\npython = \"{python}\"\n"));
        expect_stacks_of_what_computes_and_waits(&site);
        expect_the_stack_of_who_keeps_the_gil(&site);
        end_by_force(&site);
    }
}

#[test]
fn a_deep_stack_is_cut_in_the_middle() {
    let site = stuck("threads = 1\n");
    let dives = Stuck::begin(&site, "dives");
    let text = stacks_with(&site, &["calls left out", "in loops\n"]);
    let told = of_request(&text, &dives);
    assert!(told.contains("calls left out") && told.contains("in loops\n") && told.contains("in application\n"), "{text}");
    end_by_force(&site);
}

#[test]
fn who_is_stopped_is_said_to_be_and_the_others_are_told() {
    let site = stuck("processes = 2\nthreads = 1\n");
    let children = site.wait_for_children(2);
    let loops = Stuck::begin(&site, "loops");
    let busy: u32 = loops.id.split('-').next().unwrap().parse().unwrap();
    let idle = *children.iter().find(|child| **child != busy).unwrap();
    site.suspend([&idle]);
    let text = stacks_with(&site, &["in loops\n"]);
    assert!(text.contains(&format!("process {idle}: process {idle} is stopped")), "{text}");
    assert!(of_request(&text, &loops).contains("in loops\n"), "{text}");
    site.suspend([&busy]);
    let text = stacks(&site);
    assert!(text.contains(&format!("request {} (GET /loops)", loops.id)), "its slot is read all the same: {text}");
    end_by_force(&site);
}

#[test]
fn requests_with_stacks_are_those_of_workers_that_have_one() {
    let site = stuck("processes = 2\nthreads = 2\n");
    assert_eq!(site.control("requests --stacks").expect_code(0).out, "no request is running\n");
    let loops = Stuck::begin(&site, "loops");
    stacks_with(&site, &["in loops\n"]);
    let text = site.control("requests --stacks").expect_code(0).out;
    assert!(of_request(&text, &loops).contains("in loops\n"), "{text}");
    assert!(text.starts_with(&format!("request {} (GET /loops), ", loops.id)) && text.contains(", pool web, pyfcgid-worker-"));
    assert!(!text.contains("MainThread") && text.matches("request ").count() == 1, "{text}");
    end_by_force(&site);
}

#[track_caller]
fn json(site: &Site, command: &str) -> Value {
    let value: Value = serde_json::from_str(&site.control(&format!("{command} --json")).expect_code(0).out).unwrap();
    schema::expect(command, &value);
    value
}

#[test]
fn programs_are_told_the_same_with_the_oldest_request_first() {
    let site = stuck("processes = 2\nthreads = 2\n");
    let ids: Vec<String> = ["loops", "waits", "loops", "waits"].map(|path| Stuck::begin(&site, path).id).into();
    stacks_with(&site, &["in loops\n", "in waits\n"]);
    let id = |request: &Value| request["id"].as_str().map(str::to_owned);
    let is_whole = |value: &Value| value.to_string().matches(", in application").count() == ids.len();
    let (mut requests, mut stacks) = (Value::Null, Value::Null);
    wait_until("all stacks", || {
        (requests, stacks) = (json(&site, "requests --stacks"), json(&site, "stacks"));
        let with_gil = stacks.to_string().matches("MainThread").count() == 2;
        is_whole(&requests) && is_whole(&stacks) && with_gil
    });
    let told = requests["requests"].as_array().unwrap();
    assert_eq!(told.iter().filter_map(id).collect::<Vec<_>>(), ids, "{requests:#}");
    for request in told {
        let stack = &request["stack"];
        let function = request["path"].as_str().unwrap().trim_start_matches('/');
        assert!(stack["lines"].to_string().contains(&format!("in {function}\"")) && stack["missing"].is_null(), "{request:#}");
        assert!(stack["thread"].as_str().unwrap().starts_with("pyfcgid-worker-"), "{request:#}");
    }
    assert!(json(&site, "requests")["requests"].as_array().unwrap().iter().all(|request| request["stack"].is_null()));

    let processes = stacks["processes"].as_array().unwrap();
    assert_eq!(id(&processes[0]["threads"][0]["request"]).as_ref(), Some(&ids[0]), "{stacks:#}");
    for process in processes {
        let threads = process["threads"].as_array().unwrap();
        let told: Vec<Option<String>> = threads.iter().map(|thread| id(&thread["request"])).collect();
        let place = |id: &Option<String>| id.as_ref().map_or(usize::MAX, |id| ids.iter().position(|one| one == id).unwrap());
        assert!(told.is_sorted_by_key(place) && told.last() == Some(&None), "{told:?}");
        assert!(threads.iter().any(|thread| thread["name"] == "MainThread" && thread["request"].is_null()), "{process:#}");
    }

    let stopped = processes[0]["pid"].as_u64().unwrap() as u32;
    site.suspend([&stopped]);
    let missing = format!("process {stopped} is stopped");
    let requests = json(&site, "requests --stacks");
    let (there, gone): (Vec<&Value>, Vec<&Value>) =
        requests["requests"].as_array().unwrap().iter().partition(|request| request["pid"] != stopped);
    assert!(!gone.is_empty() && gone.iter().all(|request| request["stack"]["missing"] == missing.as_str()), "{requests:#}");
    assert!(there.len() + gone.len() == ids.len(), "{requests:#}");
    let stacks = json(&site, "stacks");
    let told = stacks["processes"].as_array().unwrap().iter().find(|process| process["pid"] == stopped).unwrap();
    assert!(told["missing"] == missing.as_str() && told["threads"].as_array().unwrap().len() == gone.len(), "{stacks:#}");
    end_by_force(&site);
}

/// A child waits with what it has imported until the first ones of all pools are ready.
#[test]
fn who_has_not_begun_is_not_disturbed() {
    let pool = |name: &str| format!("[pool.{name}]\napp = \"{name}.py\"\nlisten = \"unix:{name}.sock\"\n");
    let launch = site(&format!("pid-file = \"site.pid\"\n{}", ["quick", "slow"].map(pool).concat()));
    fs::write(launch.directory().join("quick.py"), says("x")).unwrap();
    fs::write(launch.directory().join("slow.py"), format!("import time\ntime.sleep(1)\n{}", says("y"))).unwrap();
    let site = Site::start(launch);
    let directory = site.directory().to_owned();
    std::thread::scope(|scope| {
        let reload = scope.spawn(|| site.control("reload"));
        while !reload.is_finished() {
            site.control("stacks").expect_code(0);
        }
        reload.join().unwrap().expect_code(0);
    });
    assert!(!site.log().contains("exited"), "{}: {}", directory.display(), site.log());
    site.end();
}

#[test]
fn only_the_pool_that_is_named_is_told_and_one_that_there_is_not_is_refused() {
    let site = stuck("threads = 1\n");
    assert!(site.control("stacks web").expect_code(0).out.starts_with("pool web, process "));
    let ended = site.control("stacks wep").expect_code(64);
    assert_eq!(ended.err, "pyfcgid: there is no pool wep: did you mean web?\n");
    site.end();
}

#[test]
fn what_names_say_does_not_reach_a_terminal() {
    let code = "\
import threading, time
def application(environ, start_response):
    threading.current_thread().name = 'a\\x1b[2J\\n@7 b'
    source = 'def f():\\n    time.sleep(60)\\nf()'
    exec(compile(source, '/no\\x1b[31m\\nsuch', 'exec'), {'time': time})
";
    let site = Site::start(site_with(code, "threads = 1\n"));
    let mut peer = site.connect();
    peer.send_request(1, false, &crate::support::Params::get("/"), b"");
    wait_until("the busy worker", || site.control("status").out.contains("1 of 1 workers busy"));
    wait_until("the stack", || stacks(&site).contains("in f\n"));
    let text = stacks(&site);
    assert!(text.contains("\\u{1b}[2J") && !text.contains('\u{1b}') && text.contains("  a\\u{1b}[2J?@7 b, request "), "{text}");
    end_by_force(&site);
}

#[test]
fn many_who_ask_at_once_are_answered() {
    let site = stuck("processes = 2\nthreads = 2\n");
    let loops = Stuck::begin(&site, "loops");
    stacks_with(&site, &["in loops\n"]);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..12).map(|_| scope.spawn(|| site.control("stacks").expect_code(0).out)).collect();
        for client in clients {
            let text = client.join().unwrap();
            assert!(of_request(&text, &loops).contains("in loops\n"), "{text}");
        }
    });
    end_by_force(&site);
}
