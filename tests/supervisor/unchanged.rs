//! A reload that fails changes nothing: all pools take what is new, or none.

use std::fs;
use std::path::Path;

use crate::load::{Connections, Load};
use crate::site::{Site, connect_to, kill, says, site, write_config};
use crate::support::Params;
use crate::support::process::wait_until;

const BROKEN: &str = "import a_module_that_does_not_exist\n";

fn pool(name: &str) -> String {
    format!("[pool.{name}]\napp = \"{name}.py\"\nlisten = \"unix:{name}.sock\"\n")
}

/// A site of these pools, each of which says its name, with a log of its own.
fn site_with_log(names: &[&str]) -> Site {
    let pools: String = names.iter().map(|name| pool(name)).collect();
    let launch = site(&format!("{OLD}{pools}"));
    names.iter().for_each(|name| write_app(launch.directory(), name, &says(name)));
    let site = Site::start_unawaited(launch);
    wait_until("the start", || log(&site, "old.log").contains("]: PF0101 ready\n"));
    site
}

const OLD: &str = "pid-file = \"site.pid\"\nlog = \"file:old.log\"\naccess-log = \"file:old.access\"\n";
const NEW: &str = "pid-file = \"site.pid\"\nlog = \"file:new.log\"\naccess-log = \"file:new.access\"\nlog-level = \"error\"\n";

fn write_app(directory: &Path, name: &str, code: &str) {
    fs::write(directory.join(format!("{name}.py")), code).unwrap();
}

fn log(site: &Site, name: &str) -> String {
    fs::read_to_string(site.directory().join(name)).unwrap_or_default()
}

fn body(site: &Site, name: &str) -> String {
    connect_to(&site.directory().join(format!("{name}.sock"))).last_request(&Params::get("/"), b"").expect_status(200).text()
}

#[test]
fn after_a_reload_that_failed_the_log_the_settings_and_the_sockets_are_those_from_before() {
    let site = site_with_log(&["good", "bad"]);
    let before = site.wait_for_children(2);
    write_app(site.directory(), "bad", BROKEN);
    write_app(site.directory(), "good", &says("new"));
    write_app(site.directory(), "other", &says("other"));
    let changed = pool("good").replace("good.sock", "moved.sock") + "processes = 3\nthreads = 9\n";
    let ended = site.configure(&format!("{NEW}{changed}{}{}", pool("bad"), pool("other"))).expect_code(70);
    assert!(ended.err.contains("reload failed; the previous code and settings stay in effect"), "{ended:?}");
    assert!(ended.err.contains("pool bad: ") && !ended.err.contains("pool good: "), "{ended:?}");
    assert!(ended.err.contains(ONE_BY_ONE), "{ended:?}");
    let told = |site: &Site| {
        site.control("status")
            .expect_code(0)
            .out
            .contains("the last reload failed, and a restart will, too, unless that was corrected: pool bad: cannot load")
    };
    assert!(told(&site), "{}", site.control("status").out);
    let check = site.control("check").expect_code(70).err;
    assert!(check.contains("pyfcgid: pool bad:\nTraceback ") && !check.contains("pool good:"), "{check}");
    wait_until("the end of what was tried", || site.children() == before);
    assert!(log(&site, "old.log").contains("reload failed; the previous code and settings stay in effect"));
    assert_eq!((log(&site, "new.log"), log(&site, "new.access")), (String::new(), String::new()));
    for gone in ["moved.sock", "other.sock"] {
        wait_until("the end of the new sockets", || !site.directory().join(gone).exists());
    }
    assert_eq!(body(&site, "good"), "good");
    // One that is started anew has the old settings, too, and its lines go where they did. Its code is what is there now.
    let status = site.control("status").expect_code(0).out;
    assert!(
        status.contains("pool good: serving, 1 child on ") && status.contains("of 4 workers") && !status.contains("other"),
        "{status}"
    );
    let good = status.split("pool good").nth(1).unwrap().split("process ").nth(1).unwrap().split(':').next().unwrap();
    kill(good.parse().unwrap(), "KILL");
    wait_until("another child", || log(&site, "old.log").matches("good.sock with 4 workers").count() == 2);
    assert_eq!(body(&site, "good"), "new");
    wait_until("the access log", || log(&site, "old.access").lines().count() >= 2);
    assert_eq!((log(&site, "new.log"), log(&site, "new.access")), (String::new(), String::new()));
    // What was refused is taken when it is right.
    write_app(site.directory(), "bad", &says("bad"));
    site.control("reload nobody").expect_code(64);
    assert!(told(&site), "what was typed wrong hides nothing");
    site.control("reload").expect_code(0);
    assert!(!site.control("status").out.contains("the last reload failed"));
    for name in ["moved", "bad", "other"] {
        body(&site, name);
    }
    wait_until("the new access log", || log(&site, "new.access").lines().count() == 3);
    site.end();
}

#[test]
fn no_request_reaches_new_code_before_all_pools_have_it() {
    let site = site_with_log(&["good", "slow"]);
    let load = Load::start(&site.directory().join("good.sock").as_path().into(), Connections::New, 4, "/");
    load.wait_for(50);
    write_app(site.directory(), "good", &says("new"));
    write_app(site.directory(), "slow", &format!("import time\ntime.sleep(1.5)\n{BROKEN}"));
    site.control("reload").expect_code(70);
    load.wait_for(50);
    let tally = load.stop_without_failure();
    assert_eq!(tally.first.keys().collect::<Vec<_>>(), ["good"]);
    write_app(site.directory(), "slow", &says("slow"));
    site.control("reload").expect_code(0);
    assert_eq!((body(&site, "good"), body(&site, "slow")), ("new".to_owned(), "slow".to_owned()));
    site.end();
}

#[test]
fn a_stop_while_the_first_children_wait_ends_them_too() {
    for signal in ["TERM", "INT"] {
        let mut site = site_with_log(&["good", "slow"]);
        write_app(site.directory(), "slow", "import time\ntime.sleep(60)\n");
        site.signal("HUP");
        wait_until("the child that waits", || site.control("status").out.contains(": ready"));
        let children = site.children();
        assert_eq!(children.len(), 4);
        site.signal(signal);
        assert!(site.wait_for_exit(std::time::Duration::from_secs(8)).success());
        crate::site::wait_until_gone(&children);
        crate::site::expect_nothing_left(site.directory());
    }
}

#[test]
fn a_child_that_waits_and_dies_fails_the_reload() {
    let site = site_with_log(&["good", "slow"]);
    let before = site.children();
    write_app(site.directory(), "slow", &format!("import time\ntime.sleep(2)\n{}", says("slow")));
    write_app(
        site.directory(),
        "good",
        &format!("import os, threading\nthreading.Timer(0.5, os._exit, [9]).start()\n{}", says("new")),
    );
    let ended = site.control("reload").expect_code(70);
    assert!(ended.err.contains("pool good: a child exited before it began"), "{ended:?}");
    wait_until("the end of what was tried", || site.children() == before);
    assert_eq!(body(&site, "good"), "good");
    site.end();
}

#[test]
fn a_log_that_is_rotated_while_a_reload_goes_on_is_the_new_one_afterwards() {
    let site = site_with_log(&["good"]);
    write_app(site.directory(), "good", &format!("import time\ntime.sleep(1.5)\n{}", says("new")));
    write_config(site.directory(), &format!("{OLD}{}", pool("good")));
    site.signal("HUP");
    wait_until("the child that is tried", || site.children().len() == 2);
    fs::rename(site.directory().join("old.log"), site.directory().join("rotated.log")).unwrap();
    site.signal("USR1");
    wait_until("the end of the reload", || log(&site, "old.log").contains("]: PF0302 reloaded\n"));
    assert!(!log(&site, "rotated.log").contains("]: PF0302 reloaded\n"));
    site.end();
}

/// A directory service or a name server that hangs does as the pipe does: it is another process that waits.
#[test]
fn a_reload_that_reads_what_never_comes_holds_up_nothing() {
    let site = site_with_log(&["good"]);
    let (directory, pipe) = (site.directory().to_owned(), site.directory().join("more.toml"));
    let before = site.children();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    write_config(&directory, &format!("{OLD}include = \"more.toml\"\n{}", pool("good")));
    let waiting = std::thread::spawn({
        let directory = directory.clone();
        move || crate::site::control(&directory, "reload")
    });
    wait_until("the reload", || log(&site, "old.log").contains("]: PF0301 reloading\n"));
    let asked = std::time::Instant::now();
    assert!(site.control("status").out.contains("pool good"), "it answers meanwhile");
    assert!(asked.elapsed() < std::time::Duration::from_secs(5));
    assert_eq!(body(&site, "good"), "good");
    // Whoever refuses a pipe at once has refused it by now; else it is written to in the end.
    if !waiting.is_finished() {
        drop(
            fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open(&pipe)
                .map(|mut pipe| std::io::Write::write_all(&mut pipe, b"x = \n")),
        );
    }
    let ended = waiting.join().unwrap();
    assert!(!ended.status.success() && ended.err.contains("reload failed"), "{ended:?}");
    wait_until("the end of the process that has read", || site.children() == before);
    site.end();
}

#[test]
fn a_stop_does_not_wait_for_a_configuration_that_never_comes() {
    let mut site = site_with_log(&["good"]);
    assert!(std::process::Command::new("mkfifo").arg(site.directory().join("more.toml")).status().unwrap().success());
    write_config(site.directory(), &format!("{OLD}include = \"more.toml\"\n{}", pool("good")));
    site.signal("HUP");
    wait_until("the reload", || log(&site, "old.log").contains("]: PF0301 reloading\n"));
    let children = site.children();
    site.signal("TERM");
    assert!(site.wait_for_exit(std::time::Duration::from_secs(8)).success());
    crate::site::wait_until_gone(&children);
}

#[test]
fn a_new_host_name_is_looked_up_and_one_that_is_none_refused() {
    if std::net::ToSocketAddrs::to_socket_addrs("localhost:0").is_err() {
        return eprintln!("skipped: localhost has no address here: /etc/hosts does not name it");
    }
    let site = site_with_log(&["good"]);
    write_app(site.directory(), "tcp", &says("tcp"));
    let tcp = |host: &str| format!("[pool.tcp]\napp = \"tcp.py\"\nlisten = \"{host}:0\"\n");
    let ended = site.configure(&format!("{OLD}{}{}", pool("good"), tcp("no-such-host.invalid"))).expect_code(71);
    assert!(ended.err.contains("no-such-host.invalid:0: the host name does not resolve"), "{ended:?}");
    site.configure(&format!("{OLD}{}{}", pool("good"), tcp("localhost"))).expect_code(0);
    let status = site.control("status").expect_code(0).out;
    assert!(
        status.contains("pool tcp: serving, 1 child on 127.0.0.1:") || status.contains("pool tcp: serving, 1 child on [::1]:"),
        "{status}"
    );
    site.end();
}

/// An application can have its pool refused as long as it likes. The others are not in its hands.
#[test]
fn a_file_at_the_name_of_a_socket_refuses_its_pool_by_name_and_the_others_are_reloaded_alone() {
    let site = site_with_log(&["good", "bad"]);
    let socket = site.directory().join("bad.sock");
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "not a socket").unwrap();
    write_app(site.directory(), "good", &says("new"));
    let refused = site.control("reload").expect_code(71);
    assert!(refused.err.contains("pool bad: cannot listen on unix:") && refused.err.contains(ONE_BY_ONE), "{refused:?}");
    assert_eq!(body(&site, "good"), "good");
    site.control("reload good").expect_code(0);
    assert_eq!(body(&site, "good"), "new");
    let alone = site.control("reload bad").expect_code(71);
    assert!(!alone.err.contains(ONE_BY_ONE), "{alone:?}");
    assert_eq!(fs::read_to_string(&socket).unwrap(), "not a socket");
    fs::remove_file(&socket).unwrap();
    site.control("reload").expect_code(0);
    assert_eq!(body(&site, "bad"), "bad");
    site.end();
}

const ONE_BY_ONE: &str = "stay in effect; `pyfcgid reload POOL` reloads the other pools one at a time";
