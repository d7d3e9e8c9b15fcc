//! Reloads: what a deploy may get wrong, and what changes in the configuration.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::load::{Connections, Load};
use crate::site::{
    Ended, Site, connect_to, is_root, kill, open_files, pss_kib, says, site, site_of, site_with, status_of, write_config,
};
use crate::support::process::wait_until;
use crate::support::{Params, Peer};

fn body_at(path: &Path) -> String {
    connect_to(path).last_request(&Params::get("/"), b"").expect_status(200).text()
}

/// A pool with an application of its own.
fn pool(name: &str, socket: &str) -> String {
    format!("[pool.{name}]\napp = \"{name}.py\"\nlisten = \"unix:{socket}\"\n")
}

const PID_FILE: &str = "pid-file = \"site.pid\"\n";

/// A site of these pools, each of which says its name.
fn pools(toml: &str, names: &[&str]) -> Site {
    let launch = site(&format!("{PID_FILE}{toml}"));
    names.iter().for_each(|name| fs::write(launch.directory().join(format!("{name}.py")), says(name)).unwrap());
    Site::start(launch)
}

/// Fails unless the reload was refused with one message that has all these parts, and the log has them, too.
#[track_caller]
fn expect_refused(site: &Site, ended: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(ended.status.code(), Some(code), "{ended:?}");
    for part in parts {
        assert!(ended.err.contains(part), "no {part:?} in {ended:?}");
        site.wait_for_log(part);
    }
    assert_eq!(ended.err.matches("reload failed").count(), 1, "{ended:?}");
    assert!(!ended.err.contains("pool web: pyfcgid: pool web"), "{ended:?}");
}

#[test]
fn reloads_leave_nothing_behind() {
    let count = std::env::var("PYFCGID_RELOADS").map_or(60, |count| count.parse().unwrap());
    let site = Site::start(site_of("sleeps.py", "processes = 1\nthreads = 1\n"));
    let mut kept = site.connect();
    let mut reload = || {
        site.control("reload").expect_code(0);
        kept.request(&Params::get("/"), b"").expect_status(200);
    };
    (0..20).for_each(|_| reload());
    // Those of the queue process before, too, are closed by the time of an answer.
    let settle = || {
        let count =
            || fs::read_to_string(format!("/proc/{0}/task/{0}/children", site.pid())).unwrap().split_whitespace().count();
        wait_until("one child and one queue process", || count() == 2);
        site.control("status").expect_code(0);
    };
    settle();
    let (files, memory) = (open_files(site.pid()), own_kib(&site));
    let pss = pss_kib(site.pid());
    (0..count).for_each(|_| reload());
    let (children, after) = (site.wait_for_children(1), own_kib(&site));
    settle();
    eprintln!(
        "after {count} reloads {files} files; own memory {memory} KiB, then {after}; PSS {pss} KiB, then {}",
        pss_kib(site.pid())
    );
    assert_eq!(open_files(site.pid()), files);
    let rss: u64 = status_of(site.pid(), "VmRSS").trim_end_matches(" kB").parse().unwrap();
    // Of all that the process has in memory. The proportional share of the rest depends on who else runs the same binary.
    assert!(after.saturating_sub(memory) * 50 <= rss, "{memory} KiB before, {after} KiB after");
    assert!(children.iter().all(|child| !status_of(*child, "State").contains('Z')));
    site.end();
}

/// Memory that is no part of a file.
fn own_kib(site: &Site) -> u64 {
    status_of(site.pid(), "RssAnon").trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_broken_deploy_is_told_with_its_traceback_the_old_code_serves_and_the_next_deploy_works() {
    let site = Site::start(site_with(&says("old"), "processes = 2\nthreads = 2\n"));
    let before = site.wait_for_children(2);
    let load = Load::start(&site.address(), Connections::Kept, 4, "/");
    let broken = site.deploy("import a_module_that_does_not_exist\n");
    expect_refused(&site, &broken, 70, &["Traceback (most recent call last)", "ModuleNotFoundError", "app.py\", line 1"]);
    wait_until("the end of the child that was tried", || site.children() == before);
    assert_eq!(site.text("/"), "old");
    let count = site.log().matches("reload failed").count();
    site.signal("HUP");
    site.wait_for_log_that("the second refusal", |log| log.matches("reload failed").count() > count);
    wait_until("the end of the child that was tried", || site.children() == before);
    assert_eq!(site.text("/"), "old");
    site.deploy(&says("new")).expect_code(0);
    load.wait_for(20);
    let tally = load.stop_without_failure();
    assert_eq!(tally.first.keys().collect::<Vec<_>>(), ["new", "old"]);
    assert_eq!(site.text("/"), "new");
    site.end();
}

#[test]
fn a_deploy_that_hangs_ends_with_startup_timeout_and_the_old_code_serves() {
    let site = Site::start(site_with(&says("old"), "startup-timeout = \"1s\"\n"));
    let broken = site.deploy("import time\ntime.sleep(60)\n");
    expect_refused(&site, &broken, 70, &["startup-timeout"]);
    site.wait_for_children(1);
    assert_eq!(site.text("/"), "old");
    site.deploy(&says("new")).expect_code(0);
    assert_eq!(site.text("/"), "new");
    site.end();
}

#[test]
fn a_deploy_that_crashes_at_import_is_told_and_the_old_code_serves() {
    let site = Site::start(site_with(&says("old"), ""));
    let broken = site.deploy("import os\nos.abort()\n");
    expect_refused(&site, &broken, 70, &["signal 6"]);
    assert_eq!(site.text("/"), "old");
    site.end();
}

#[test]
fn a_configuration_that_is_wrong_is_told_in_one_message_and_what_ran_runs_on() {
    let site = pools(&pool("web", "s.sock"), &["web"]);
    let before = site.wait_for_children(1);
    let whole = format!("{PID_FILE}{}", pool("web", "s.sock"));
    let cases = [
        (format!("{whole}threads = \n"), 78, vec!["site.toml:"]),
        (format!("{whole}threads = 0\n"), 78, vec!["site.toml:", "threads = \"0\"", "from 1 to 1024"]),
        (format!("{whole}thread = 1\n"), 78, vec!["site.toml:", "unknown key `thread`", "did you mean `threads`"]),
        (format!("{whole}user = \"nobody-of-this-name\"\n"), 78, vec!["pool web: user \"nobody-of-this-name\" does not exist"]),
        (
            format!("{whole}group = \"no-group-of-this-name\"\n"),
            78,
            vec!["pool web: group \"no-group-of-this-name\" does not exist"],
        ),
        (
            format!("{whole}chdir = \"/no/such/directory\"\n"),
            78,
            vec!["pool web: cannot change to the directory /no/such/directory"],
        ),
        (format!("{whole}{}", pool("web", "t.sock")), 78, vec!["site.toml:"]),
        (format!("{whole}{}", pool("other", "s.sock")), 78, vec!["s.sock"]),
        (format!("{whole}{}", pool("other", "missing/o.sock")), 71, vec!["missing does not exist; create it"]),
    ];
    for (toml, code, parts) in cases {
        let ended = site.configure(&toml);
        expect_refused(&site, &ended, code, &parts);
        wait_until("the end of the child that was tried", || site.children() == before);
        assert_eq!(site.text("/"), "web");
    }
    site.configure(&whole).expect_code(0);
    assert_eq!(site.text("/"), "web");
    site.end();
}

#[test]
fn a_socket_that_somebody_else_has_is_not_taken_by_a_reload() {
    let site = pools(&pool("web", "s.sock"), &["web", "other"]);
    let path = site.directory().join("taken.sock");
    let other = UnixListener::bind(&path).unwrap();
    let ended = site.configure(&format!("{PID_FILE}{}{}", pool("web", "s.sock"), pool("other", "taken.sock")));
    expect_refused(&site, &ended, 71, &["taken.sock: a running server is listening there"]);
    assert!(path.exists());
    assert_eq!(site.text("/"), "web");
    drop(other);
    site.control("reload").expect_code(0);
    assert_eq!(body_at(&path), "other");
    site.end();
}

/// What is at the path, as ls shows it: mode and group.
fn mode_and_group(path: &Path) -> (u32, u32) {
    let found = fs::metadata(path).unwrap();
    (found.mode() & 0o777, found.gid())
}

#[test]
fn a_reload_gives_a_socket_that_stays_its_new_mode_and_group() {
    let site = pools(&format!("{}socket-mode = \"0660\"\n", pool("web", "s.sock")), &["web"]);
    let (path, with) = (site.directory().join("s.sock"), |lines: &str| format!("{PID_FILE}{}{lines}", pool("web", "s.sock")));
    let (mode, own) = mode_and_group(&path);
    assert_eq!(mode, 0o660);
    site.configure(&with("socket-mode = \"0666\"\nbacklog = 7\n")).expect_code(0);
    assert_eq!(mode_and_group(&path), (0o666, own));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o606)).unwrap();
    site.control("reload").expect_code(0);
    assert_eq!(mode_and_group(&path), (0o606, own), "somebody has changed it, and nothing else has changed");
    fs::write(site.directory().join("web.py"), "import a_module_that_does_not_exist\n").unwrap();
    let ended = site.configure(&with("socket-mode = \"0600\"\n"));
    expect_refused(&site, &ended, 70, &["ModuleNotFoundError"]);
    assert_eq!(mode_and_group(&path), (0o606, own), "a reload that fails changes nothing");
    fs::write(site.directory().join("web.py"), says("web")).unwrap();
    if is_root() {
        site.configure(&with("socket-group = \"daemon\"\n")).expect_code(0);
        assert_eq!(mode_and_group(&path), (0o660, 1));
    } else {
        eprintln!("skipped: only root can give a file to any group");
    }
    assert_eq!(site.text("/"), "web");
    site.end();
}

#[test]
fn a_reload_makes_a_socket_again_that_somebody_has_removed() {
    let site = pools(&pool("web", "s.sock"), &["web"]);
    let path = site.directory().join("s.sock");
    let mut kept = site.connect();
    fs::remove_file(&path).unwrap();
    site.control("reload").expect_code(0);
    assert_eq!(site.text("/"), "web");
    kept.request(&Params::get("/"), b"").expect_status(200);
    site.wait_for_log("s.sock was missing, and is being recreated");
    site.wait_for_children(1);
    assert!(path.exists());
    site.end();
}

#[test]
fn pools_come_and_go_with_the_configuration() {
    let site = pools(&pool("web", "s.sock"), &["web", "shop"]);
    let shop = site.directory().join("shop.sock");
    site.configure(&format!("{PID_FILE}{}{}", pool("web", "s.sock"), pool("shop", "shop.sock"))).expect_code(0);
    assert_eq!((site.text("/"), body_at(&shop)), ("web".to_owned(), "shop".to_owned()));
    site.configure(&format!("{PID_FILE}{}", pool("web", "s.sock"))).expect_code(0);
    wait_until("the end of the pool", || !shop.exists());
    site.wait_for_children(1);
    assert_eq!(site.text("/"), "web");
    site.end();
}

#[test]
fn a_new_pool_that_does_not_start_is_told_and_the_others_serve_on() {
    let site = pools(&pool("web", "s.sock"), &["web"]);
    fs::write(site.directory().join("shop.py"), "import a_module_that_does_not_exist\n").unwrap();
    let both = format!("{PID_FILE}{}{}", pool("web", "s.sock"), pool("shop", "shop.sock"));
    let ended = site.configure(&both);
    expect_refused(&site, &ended, 70, &["pool shop: ", "ModuleNotFoundError", "the previous code and settings stay in effect"]);
    assert_eq!(site.text("/"), "web");
    wait_until("the socket of the pool that is none", || !site.directory().join("shop.sock").exists());
    fs::write(site.directory().join("shop.py"), says("shop")).unwrap();
    site.control("reload").expect_code(0);
    assert_eq!(body_at(&site.directory().join("shop.sock")), "shop");
    site.end();
}

#[test]
fn a_pool_that_is_renamed_keeps_its_socket_and_loses_no_request() {
    let site = pools(&pool("web", "s.sock"), &["web", "blog"]);
    let load = Load::start(&site.address(), Connections::New, 4, "/");
    load.wait_for(20);
    site.configure(&format!("{PID_FILE}{}", pool("blog", "s.sock"))).expect_code(0);
    load.wait_for(20);
    let tally = load.stop_without_failure();
    assert_eq!(tally.first.keys().collect::<Vec<_>>(), ["blog", "web"]);
    wait_until("the end of the old pool", || site.children().len() == 1);
    assert_eq!(site.text("/"), "blog");
    site.end();
}

#[test]
fn a_pool_that_is_renamed_and_broken_serves_on_under_its_old_name() {
    let site = pools(&pool("web", "s.sock"), &["web"]);
    fs::write(site.directory().join("blog.py"), "import a_module_that_does_not_exist\n").unwrap();
    let load = Load::start(&site.address(), Connections::New, 4, "/");
    let ended = site.configure(&format!("{PID_FILE}{}", pool("blog", "s.sock")));
    expect_refused(&site, &ended, 70, &["ModuleNotFoundError"]);
    load.wait_for(20);
    load.stop_without_failure();
    fs::write(site.directory().join("blog.py"), says("blog")).unwrap();
    site.control("reload").expect_code(0);
    wait_until("the end of the old pool", || site.children().len() == 1);
    assert_eq!(site.text("/"), "blog");
    site.end();
}

#[test]
fn a_changed_address_is_served_and_the_old_one_is_not_and_its_file_is_gone() {
    let site = pools(&pool("web", "old.sock"), &["web"]);
    let [old, new] = ["old.sock", "new.sock"].map(|name| site.directory().join(name));
    let mut kept = connect_to(&old);
    assert_eq!(kept.request(&Params::get("/"), b"").expect_status(200).text(), "web");
    site.configure(&format!("{PID_FILE}{}", pool("web", "new.sock"))).expect_code(0);
    assert_eq!(body_at(&new), "web");
    wait_until("the end of the old address", || !old.exists());
    assert!(Peer::try_connect(&old.as_path().into()).is_err());
    assert_eq!(kept.request(&Params::get("/"), b"").expect_status(200).text(), "web", "kept connections go on");
    site.end();
}

#[test]
fn settings_of_a_pool_change_with_a_reload() {
    let site = pools(&pool("web", "s.sock"), &["web"]);
    site.configure(&format!("{PID_FILE}{}processes = 3\n", pool("web", "s.sock"))).expect_code(0);
    site.wait_for_children(3);
    site.configure(&format!("{PID_FILE}{}processes = 1\n", pool("web", "s.sock"))).expect_code(0);
    site.wait_for_children(1);
    assert_eq!(site.text("/"), "web");
    site.end();
}

/// The options of which a reload says that they need a restart, when the second lines take the place of the first.
#[track_caller]
fn said_to_need_a_restart(before: &str, after: &str) -> Vec<String> {
    let launch = site(&format!("{before}{}", pool("web", "s.sock")));
    fs::write(launch.directory().join("web.py"), says("web")).unwrap();
    let site = Site::start(launch);
    write_config(site.directory(), &format!("{after}{}", pool("web", "s.sock")));
    site.signal("HUP");
    site.wait_for_log("]: PF0302 reloaded\n");
    let said = site.log();
    site.end();
    let names =
        said.lines().filter_map(|line| line.strip_suffix(" has changed in the configuration: restart pyfcgid to apply it"));
    names.filter_map(|line| Some(line.rsplit_once(' ')?.1.to_owned())).collect()
}

#[test]
fn of_the_files_that_need_a_restart_a_reload_names_the_one_that_has_changed() {
    let (pid, control) = (PID_FILE, "control-socket = \"c.control\"\n");
    let other = "pid-file = \"other.pid\"\n";
    assert_eq!(said_to_need_a_restart(pid, other), ["pid-file"]);
    assert_eq!(said_to_need_a_restart(pid, &format!("{pid}{control}")), ["control-socket"]);
    assert_eq!(said_to_need_a_restart(&format!("{pid}{control}"), &format!("{other}{control}")), ["pid-file"]);
    assert_eq!(
        said_to_need_a_restart(control, &format!("{other}control-socket = \"d.control\"\n")),
        ["pid-file", "control-socket"]
    );
    let same = "control-socket = \"site.pid.control\"\n";
    assert!(said_to_need_a_restart(pid, &format!("{pid}{same}")).is_empty());
}

#[test]
fn who_reloads_is_told_which_file_needs_a_restart() {
    let with = |pid_file: &str| format!("pid-file = \"{pid_file}\"\ncontrol-socket = \"c.control\"\n{}", pool("web", "s.sock"));
    let launch = site(&with("site.pid"));
    fs::write(launch.directory().join("web.py"), says("web")).unwrap();
    let site = Site::start(launch);
    let ended = site.configure(&with("other.pid")).expect_code(0);
    assert_eq!(ended.err, "pyfcgid: warning: pid-file has changed in the configuration: restart pyfcgid to apply it\n");
    assert_eq!(site.log().matches(": PF0304 pid-file has changed").count(), 1);
    site.end();
}

#[test]
fn a_control_socket_stays_where_it_is_until_a_restart() {
    let launch = site(&format!("{PID_FILE}{}", pool("web", "s.sock")));
    fs::write(launch.directory().join("web.py"), says("web")).unwrap();
    let site = Site::start(launch);
    let [old, new] = ["site.pid.control", "new.control"].map(|name| site.directory().join(name));
    write_config(site.directory(), &format!("{PID_FILE}control-socket = \"new.control\"\n{}", pool("web", "s.sock")));
    for number in 1..=2 {
        site.signal("HUP");
        wait_until("a reload", || site.log().matches("]: PF0302 reloaded\n").count() == number);
        assert!(old.exists() && !new.exists());
    }
    fs::remove_file(&old).unwrap();
    site.signal("HUP");
    wait_until("the third reload", || site.log().matches("]: PF0302 reloaded\n").count() == 3);
    assert!(old.exists() && !new.exists());
    site.end();
}

#[test]
fn another_program_in_the_place_of_the_binary_does_not_take_over() {
    let launch = site_with(&says("web"), "");
    let place = |name: &str| launch.directory().join(name);
    // By another process: a program that is open for writing anywhere cannot be run.
    let copy = |from: &str, to: &Path| assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
    let (binary, other) = (place("copy"), place("other"));
    copy(env!("CARGO_BIN_EXE_pyfcgid"), &binary);
    copy("/bin/true", &other);
    let site = Site::start(launch.binary(&binary));
    fs::rename(&other, &binary).unwrap();
    site.signal("USR2");
    site.wait_for_log("the new binary does not answer as pyfcgid does, so the old program keeps running");
    assert_eq!(site.text("/"), "web");
    site.end();
}

/// A check prints what the application prints, for ever if it does.
#[test]
fn a_new_binary_whose_check_prints_without_end_costs_neither_disk_nor_the_supervisor() {
    let settings = "startup-timeout = \"3s\"\n";
    let site = Site::start(site_with(&says("web"), settings));
    fs::write(site.directory().join("app.py"), "while True:\n    print('x' * 1000)\n").unwrap();
    let memory: u64 = status_of(site.pid(), "VmRSS").trim_end_matches(" kB").parse().unwrap();
    // The peak begins anew: a start reads the program's own module.
    fs::write(format!("/proc/{}/clear_refs", site.pid()), "5").unwrap();
    site.signal("USR2");
    site.wait_for_log("checking ");
    let opened = fs::read_dir(format!("/proc/{}/fd", site.pid())).unwrap();
    let targets = opened.filter_map(|fd| Some(fs::read_link(fd.unwrap().path()).ok()?.to_string_lossy().into_owned()));
    // Those in memory are sealed, so they cannot grow.
    let files = targets.filter(|to| to.contains("(deleted)") && !to.starts_with("/memfd:"));
    assert_eq!(files.count(), 0, "a file that grows");
    site.control("status").expect_code(0);
    let log = site.wait_for_log("the new binary failed its check");
    assert!(log.len() < 200_000, "{}", log.len());
    let peak: u64 = status_of(site.pid(), "VmHWM").trim_end_matches(" kB").parse().unwrap();
    assert!(peak < memory + 4096, "{memory} KiB, then {peak}");
    assert_eq!(site.text("/"), "web");
    site.end();
}

#[test]
fn a_reload_while_another_runs_is_done_after_it() {
    let site = Site::start(site_with(&says("old"), "").env("X", "1"));
    fs::write(site.directory().join("app.py"), format!("import time\ntime.sleep(0.5)\n{}", says("first"))).unwrap();
    site.signal("HUP");
    wait_until("the first child of the first reload", || site.children().len() == 2);
    site.deploy(&says("second")).expect_code(0);
    assert_eq!(site.text("/"), "second");
    assert_eq!(site.log().matches("]: PF0302 reloaded\n").count(), 2);
    site.end();
}

#[test]
fn another_program_that_is_wanted_while_a_reload_runs_takes_over_after_it() {
    let site = Site::start(site_with(&says("old"), ""));
    fs::write(site.directory().join("app.py"), format!("import time\ntime.sleep(0.5)\n{}", says("new"))).unwrap();
    site.signal("HUP");
    wait_until("the first child of the reload", || site.children().len() == 2);
    site.signal("USR2");
    site.wait_for_log("SIGUSR2: the new binary waits");
    site.wait_for_log("has taken over from the previous program");
    wait_until("both reloads", || site.log().matches("]: PF0302 reloaded\n").count() == 2);
    assert_eq!(site.text("/"), "new");
    site.end();
}

#[test]
fn a_pool_that_a_reload_ends_is_nothing_wrong() {
    let site = pools(&format!("{}graceful-timeout = \"20s\"\n", pool("web", "s.sock")), &["web", "shop"]);
    let shop = site.directory().join("shop.sock");
    let waits = "import os, time\ndef application(environ, start_response):\n    while not os.path.exists('gate'):\n        \
                 time.sleep(0.01)\n    start_response('200 OK', [])\n    return [b'shop']\n";
    fs::write(site.directory().join("shop.py"), waits).unwrap();
    site.configure(&format!("{PID_FILE}{}{}", pool("web", "s.sock"), pool("shop", "shop.sock"))).expect_code(0);
    let mut peer = connect_to(&shop);
    peer.send_request(1, false, &Params::get("/"), b"");
    wait_until("the request", || site.control("status shop").out.contains("1 of 4 workers busy"));
    site.configure(&format!("{PID_FILE}{}", pool("web", "s.sock"))).expect_code(0);
    let status = site.control("status").expect_code(0).out;
    assert!(status.contains("pool shop: stopping, ") && status.contains(" on no address"), "{status}");
    fs::write(site.directory().join("gate"), "").unwrap();
    assert_eq!(peer.answer(1).expect_status(200).text(), "shop");
    site.end();
}

#[test]
fn who_is_leaving_has_its_time_and_is_expected_to_end_whatever_program_takes_over_meanwhile() {
    let with = |name: &str, time: &str| format!("{}graceful-timeout = \"{time}\"\n", pool(name, &format!("{name}.sock")));
    let site = pools(&format!("{}{}", with("web", "20s"), with("shop", "20s")), &["web", "shop"]);
    for name in ["web", "shop"] {
        let code = format!(
            "import os, time\ndef application(environ, start_response):\n    while not os.path.exists('gate'):\n        \
             time.sleep(0.01)\n    print('seen by {name}')\n    start_response('200 OK', [])\n    return [b'{name}']\n"
        );
        fs::write(site.directory().join(format!("{name}.py")), code).unwrap();
    }
    site.control("reload").expect_code(0);
    let mut peers = ["web", "shop"].map(|name| connect_to(&site.directory().join(format!("{name}.sock"))));
    peers.iter_mut().for_each(|peer| peer.send_request(1, false, &Params::get("/"), b""));
    for name in ["web", "shop"] {
        wait_until("the request", || site.control(&format!("status {name}")).out.contains("1 of 4 workers busy"));
    }
    // One is replaced, and the other one's pool has gone.
    site.configure(&format!("{PID_FILE}{}", with("web", "20s"))).expect_code(0);
    write_config(site.directory(), &format!("{PID_FILE}{}", with("web", "200ms")));
    for count in [1, 2] {
        site.signal("USR2");
        wait_until("the takeover", || site.log().matches("has taken over from the previous program").count() == count);
        wait_until("its reload", || site.log().matches("]: PF0302 reloaded\n").count() == count + 2);
    }
    thread::sleep(Duration::from_secs(1));
    fs::write(site.directory().join("gate"), "").unwrap();
    assert_eq!(peers.map(|mut peer| peer.answer(1).expect_status(200).text()), ["web", "shop"]);
    ["seen by web", "seen by shop"].iter().for_each(|text| drop(site.wait_for_log(text)));
    site.wait_for_children(1);
    assert_eq!(site.log().matches("unexpectedly").count(), 0, "{}", site.log());
    site.end();
}

#[test]
fn who_is_left_of_a_pool_that_is_gone_is_killed_at_its_own_limit() {
    let with = |name: &str, time: &str| format!("{}graceful-timeout = \"{time}\"\n", pool(name, &format!("{name}.sock")));
    let site = pools(&format!("{}{}", with("web", "100ms"), with("shop", "2s")), &["web", "shop"]);
    let left = pids_of(&site, "shop")[0] as u32;
    kill(left, "STOP");
    site.configure(&format!("{PID_FILE}{}", with("web", "100ms"))).expect_code(0);
    site.signal("USR2");
    site.wait_for_log("has taken over from the previous program");
    // Not at that of the pools that are there, also when all of them stop.
    let begun = Instant::now();
    site.control("stop").expect_code(0);
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(site.log().contains("a child of a pool that is gone did not exit within graceful-timeout"), "{}", site.log());
}

/// Imported once well, by the check, and then never again.
const ONCE: &str = "\
import os
os.mkdir('imported')
def application(environ, start_response):
    start_response('200 OK', [])
    return [b'new']
";

#[test]
fn what_goes_wrong_after_the_check_of_another_program_leaves_all_as_it_is() {
    let with = |name: &str| format!("{PID_FILE}{}", pool(name, "s.sock"));
    let site = pools(&pool("web", "s.sock"), &["web"]);
    let taken_over = |count| {
        site.signal("USR2");
        wait_until("the takeover", || site.log().matches("has taken over from the previous program").count() == count);
        wait_until("the end of its reload", || site.log().matches("]: PF0303 ").count() == count);
        assert_eq!(site.text("/"), "web");
    };
    // A pool under another name that does not come up.
    fs::write(site.directory().join("shop.py"), ONCE).unwrap();
    write_config(site.directory(), &with("shop"));
    taken_over(1);
    // A pool beside it.
    fs::remove_dir(site.directory().join("imported")).unwrap();
    write_config(site.directory(), &format!("{}{}", with("web"), pool("shop", "t.sock")));
    taken_over(2);
    site.wait_for_children(1);
    // A file that is no configuration any more.
    fs::write(site.directory().join("web.py"), format!("open('begun', 'w')\nimport time\ntime.sleep(0.5)\n{}", says("new")))
        .unwrap();
    write_config(site.directory(), &with("web"));
    thread::scope(|scope| {
        scope.spawn(|| {
            wait_until("the check", || site.directory().join("begun").exists());
            fs::write(site.directory().join("site.toml"), "nonsense").unwrap();
        });
        taken_over(3);
    });
    site.configure(&with("web")).expect_code(0);
    assert_eq!(site.text("/"), "new");
    assert_eq!(site.log().matches("unexpectedly").count(), 0, "{}", site.log());
    site.end();
}

/// Two pools whose modules say their names.
fn two_pools() -> (Site, String) {
    let toml = format!("{}{}", pool("blog", "s.sock"), pool("shop", "t.sock"));
    (pools(&toml, &["blog", "shop"]), format!("{PID_FILE}{toml}"))
}

fn pids_of(site: &Site, pool: &str) -> Vec<u64> {
    let ended = site.control(&format!("status --json {pool}")).expect_code(0);
    let status: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let [status] = status["pools"].as_array().unwrap().as_slice() else { panic!("{status}") };
    assert_eq!(status["name"], pool);
    status["children"].as_array().unwrap().iter().map(|child| child["pid"].as_u64().unwrap()).collect()
}

#[test]
fn a_reload_of_one_pool_changes_its_settings_and_code_and_nothing_else() {
    let (site, toml) = two_pools();
    let (blog, shop) = (pids_of(&site, "blog"), pids_of(&site, "shop"));
    for name in ["blog", "shop"] {
        fs::write(site.directory().join(format!("{name}.py")), says("new")).unwrap();
    }
    // All of it is new, and only what is the blog's is looked at.
    let changed = toml.replace("s.sock", "b.sock").replace("t.sock", "u.sock").replace("site.pid", "other.pid");
    write_config(
        site.directory(),
        &format!("log-level = \"error\"\n{changed}\n[pool.wiki]\napp = \"no-such.py\"\nlisten = \":1\"\n"),
    );
    let ended = site.control("reload blog --pid-file site.pid").expect_code(0);
    assert!(
        ended.out.starts_with("reloaded pool blog in ") && ended.out.ends_with(" s\n") && ended.err.is_empty(),
        "{ended:?}"
    );
    site.wait_for_log("reloaded pool blog");
    assert_eq!(body_at(&site.directory().join("b.sock")), "new");
    assert!(!site.directory().join("s.sock").exists());
    assert_eq!(body_at(&site.directory().join("t.sock")), "shop");
    write_config(site.directory(), &toml);
    assert!(pids_of(&site, "blog").iter().all(|pid| !blog.contains(pid)));
    assert_eq!(pids_of(&site, "shop"), shop);
    let ended = site.control("reload").expect_code(0);
    assert!(ended.out.starts_with("reloaded 2 pools in "), "{ended:?}");
    assert_eq!(body_at(&site.directory().join("t.sock")), "new");
    site.end();
}

#[test]
fn a_broken_deploy_of_one_pool_is_told_and_all_serve_on() {
    let (site, _) = two_pools();
    let before = site.wait_for_children(2);
    fs::write(site.directory().join("blog.py"), "import a_module_that_does_not_exist\n").unwrap();
    let ended = site.control("reload blog");
    expect_refused(&site, &ended, 70, &["pool blog", "ModuleNotFoundError"]);
    wait_until("the end of the child that was tried", || site.children() == before);
    // What is wrong with another pool's code is not looked at.
    site.control("reload shop").expect_code(0);
    assert_eq!(
        (body_at(&site.directory().join("s.sock")), body_at(&site.directory().join("t.sock"))),
        ("blog".into(), "shop".into())
    );
    site.end();
}

#[test]
fn a_pool_is_added_by_its_name_and_one_that_there_is_not_is_told() {
    let (site, toml) = two_pools();
    let ended = site.control("reload blgo");
    expect_refused(&site, &ended, 64, &["there is no pool blgo: did you mean blog?"]);
    let ended = site.control("status blgo").expect_code(64);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("", "pyfcgid: there is no pool blgo: did you mean blog?\n"));
    let ended = site.control("status shop").expect_code(0);
    assert!(ended.out.contains("pool shop: serving") && !ended.out.contains("blog"), "{ended:?}");
    fs::write(site.directory().join("wiki.py"), says("wiki")).unwrap();
    // Where the shop listens until it is reloaded, too.
    write_config(site.directory(), &format!("{}{}", toml.replace("t.sock", "u.sock"), pool("wiki", "t.sock")));
    expect_refused(&site, &site.control("reload wiki"), 78, &["t.sock"]);
    write_config(site.directory(), &format!("{toml}{}", pool("wiki", "w.sock")));
    site.control("reload wiki").expect_code(0);
    assert_eq!(body_at(&site.directory().join("w.sock")), "wiki");
    write_config(site.directory(), &toml);
    expect_refused(&site, &site.control("reload wiki"), 64, &["pool wiki is no longer in the configuration"]);
    assert_eq!(body_at(&site.directory().join("w.sock")), "wiki");
    site.control("reload").expect_code(0);
    wait_until("the end of the pool", || !site.directory().join("w.sock").exists());
    site.end();
}

/// Each of them waits for its turn.
#[test]
fn reloads_of_several_pools_at_once_are_all_done() {
    let (site, _) = two_pools();
    let directory = site.directory().to_owned();
    let commands = ["reload blog", "reload shop", "reload", "reload blog", "reload nothing"];
    let threads = commands.map(|command| {
        let directory = directory.clone();
        std::thread::spawn(move || crate::site::control(&directory, command))
    });
    let codes = threads.map(|thread| thread.join().unwrap().status.code());
    assert_eq!(codes, [0, 0, 0, 0, 64].map(Some));
    site.end();
}

/// The scoreboard is the application's, too.
#[test]
fn another_program_takes_over_whatever_the_application_has_written_on_the_scoreboard() {
    let code = "\
import ctypes
with open('/proc/self/maps') as maps:
    for line in maps:
        if 'pyfcgid-scoreboard' in line:
            first, last = (int(number, 16) for number in line.split()[0].split('-'))
            ctypes.memset(first, 0x7f, last - first)
def application(environ, start_response):
    start_response('200 OK', [])
    return [b'web']
";
    let site = Site::start(site_with(code, ""));
    assert_eq!(site.text("/"), "web");
    site.signal("USR2");
    site.wait_for_log("]: PF0302 reloaded\n");
    assert!(site.log().contains("has taken over from the previous program"), "{}", site.log());
    assert_eq!(site.text("/"), "web");
    site.end();
}
