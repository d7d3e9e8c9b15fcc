//! The first start: what it refuses, and what the launching command of a daemon says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use crate::site::{
    Site, children_of, connect_to, control, expect_nothing_left, expect_refused, is_root, kill, limit, messages, says, site,
    site_of, site_with, wait_until_gone,
};
use crate::support::process::wait_until;
use crate::support::{Launch, Params};

const POOL: &str = "pid-file = \"site.pid\"\n[pool.web]\napp = \"app.py\"\nlisten = \"unix:s.sock\"\n";

fn with_app(toml: &str, code: &str) -> Launch {
    let launch = site(toml);
    fs::write(launch.directory().join("app.py"), code).unwrap();
    launch
}

/// In the foreground, and then as a daemon.
#[track_caller]
fn expect_both_refused(make: impl Fn() -> Launch, code: i32, texts: &[&str]) {
    let foreground = expect_refused(make(), code, texts);
    assert_eq!(messages(&foreground.stderr).len(), 1, "{}", foreground.stderr);
    let daemon = expect_refused(make().args(["-D", "--log", "file:daemon.log"]), code, texts);
    assert_eq!(messages(&daemon.stderr).len(), 1, "{}", daemon.stderr);
}

#[test]
fn an_app_that_cannot_be_imported_is_70_with_its_traceback() {
    let broken = "import a_module_that_does_not_exist\n";
    let texts = ["Traceback (most recent call last)", "ModuleNotFoundError", "app.py\", line 1"];
    expect_both_refused(|| site_with(broken, "processes = 3\n"), 70, &texts);
}

#[test]
fn an_app_that_crashes_at_import_is_70_with_the_signal() {
    expect_both_refused(|| site_with("import os\nos.abort()\n", "processes = 2\n"), 70, &["signal 6"]);
}

#[test]
fn one_pool_of_two_that_does_not_start_is_named_and_ends_both() {
    let toml =
        "[pool.good]\napp = \"app.py\"\nlisten = \"unix:s.sock\"\n[pool.bad]\napp = \"bad.py\"\nlisten = \"unix:b.sock\"\n";
    let make = || {
        let launch = with_app(&format!("pid-file = \"site.pid\"\n{toml}"), &says("good"));
        fs::write(launch.directory().join("bad.py"), "1 / 0\n").unwrap();
        launch
    };
    expect_both_refused(make, 70, &["ZeroDivisionError", "bad.py", "\npyfcgid: pool bad: cannot load the application"]);
}

/// Who looks for the reason after a boot has nothing but the log.
#[test]
fn a_start_that_fails_is_in_the_log_file_too() {
    let launch = with_app("log = \"file:site.log\"\n[pool.web]\napp = \"app.py\"\nlisten = \"unix:s.sock\"\n", "1 / 0\n");
    let log = launch.directory().join("site.log");
    let ended = launch.run().expect_code(70);
    assert!(ended.stderr.contains("ZeroDivisionError"), "{}", ended.stderr);
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("[error] ") && log.contains("ZeroDivisionError"), "{log}");
}

#[test]
fn unknown_users_groups_and_directories_are_refused() {
    let cases = [
        ("user = \"no-user-of-this-name\"\n", 78, "pyfcgid: pool web: user \"no-user-of-this-name\" does not exist"),
        ("group = \"no-group-of-this-name\"\n", 78, "pyfcgid: pool web: group \"no-group-of-this-name\" does not exist"),
        ("socket-owner = \"no-user-of-this-name\"\n", 78, "pyfcgid: pool web: user \"no-user-of-this-name\" does not exist"),
        ("chdir = \"/no/such/directory\"\n", 78, "pyfcgid: pool web: cannot change to the directory /no/such/directory"),
        ("chroot = \"/no/such/root\"\n", 78, "pyfcgid: pool web: cannot make /no/such/root the root directory"),
    ];
    for (setting, code, text) in cases {
        expect_both_refused(|| with_app(&format!("{POOL}{setting}"), &says("x")), code, &[text]);
    }
}

#[test]
fn a_place_that_is_missing_is_told() {
    let socket = POOL.replace("unix:s.sock", "unix:missing/s.sock");
    expect_both_refused(|| with_app(&socket, &says("x")), 71, &["/missing does not exist; create it"]);
    let pid_file = POOL.replace("site.pid", "missing/site.pid");
    expect_both_refused(|| with_app(&pid_file, &says("x")), 71, &["missing/site.pid", "must exist and be writable"]);
}

#[test]
fn a_directory_that_may_not_be_written_is_told() {
    if is_root() {
        return eprintln!("skipped: root may write everywhere");
    }
    let launch = with_app(&POOL.replace("unix:s.sock", "unix:closed/s.sock"), &says("x"));
    let closed = launch.directory().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    expect_refused(launch, 71, &["closed/s.sock", "permission denied"]);
}

#[test]
fn a_socket_of_a_live_server_and_a_file_that_is_no_socket_stay_what_they_are() {
    let launch = with_app(&POOL.replace("unix:s.sock", "unix:taken"), &says("x"));
    let taken = launch.directory().join("taken");
    let server = UnixListener::bind(&taken).unwrap();
    let finished = expect_refused(launch, 71, &["a running server is listening there"]);
    assert!(finished.directory().join("taken").exists());
    drop(server);
    let launch = with_app(&POOL.replace("unix:s.sock", "unix:file"), &says("x"));
    let file = launch.directory().join("file");
    fs::write(&file, "precious").unwrap();
    let finished = expect_refused(launch, 71, &["something that is not a socket"]);
    assert_eq!(fs::read_to_string(finished.directory().join("file")).unwrap(), "precious");
}

#[test]
fn a_socket_that_was_left_by_a_killed_server_is_replaced() {
    let launch = with_app(POOL, &says("x"));
    drop(UnixListener::bind(launch.directory().join("s.sock")).unwrap());
    let site = Site::start(launch);
    assert_eq!(site.text("/"), "x");
    site.end();
}

#[test]
fn two_pools_of_one_name_and_two_on_one_socket_are_refused_with_their_lines() {
    let twice = format!("{POOL}[pool.web]\napp = \"app.py\"\nlisten = \"unix:t.sock\"\n");
    expect_both_refused(|| with_app(&twice, &says("x")), 78, &["site.toml:"]);
    let shared = format!("{POOL}[pool.other]\napp = \"app.py\"\nlisten = \"unix:s.sock\"\n");
    expect_both_refused(|| with_app(&shared, &says("x")), 78, &["site.toml:", "s.sock"]);
}

#[test]
fn a_file_that_is_no_toml_and_a_value_out_of_range_are_refused_with_their_lines() {
    expect_both_refused(|| with_app(&format!("{POOL}threads =\n"), &says("x")), 78, &["site.toml:"]);
    let text = "threads = \"0\": must be a whole number from 1 to 1024";
    expect_both_refused(|| with_app(&format!("{POOL}threads = 0\n"), &says("x")), 78, &["site.toml:", text]);
}

#[test]
fn a_second_instance_is_refused_and_the_first_one_serves_on() {
    let site = Site::start(site_with(&says("x"), ""));
    let second = control(site.directory(), "serve").expect_code(71);
    let expected = format!("pyfcgid is already running as process {}", site.pid());
    assert!(second.err.contains(&expected), "{second:?}");
    assert_eq!(site.text("/"), "x");
    site.control("status").expect_code(0);
    site.end();
}

#[test]
fn an_app_that_sleeps_while_it_is_imported_ends_with_startup_timeout() {
    let make = || site_with("import time\ntime.sleep(60)\n", "startup-timeout = \"1s\"\nprocesses = 2\n");
    let started = Instant::now();
    expect_both_refused(make, 70, &["its import did not end within startup-timeout (1 s)", "app.py\", line 2 in <module>"]);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn the_command_that_starts_a_daemon_returns_when_it_serves() {
    let launch = site_of("sleeps.py", "processes = 2\n").env("IMPORT_SECONDS", "0.5");
    let started = Instant::now();
    let finished = launch.args(["-D", "--log", "file:daemon.log"]).run().expect_code(0);
    let took = started.elapsed();
    let directory = finished.directory();
    let pid: u32 = fs::read_to_string(directory.join("site.pid")).unwrap().trim().parse().unwrap();
    let daemon = Daemon(pid);
    assert!(took >= Duration::from_millis(500) && finished.stderr.is_empty(), "{took:?} {}", finished.stderr);
    let mut peer = connect_to(&directory.join("s.sock"));
    let before = Instant::now();
    peer.request(&Params::get("/"), b"").expect_status(200);
    assert!(before.elapsed() < Duration::from_millis(450), "it was not ready yet");
    let children = children_of(pid);
    assert_eq!(children.len(), 2);
    assert_eq!(control(directory, "stop").expect_code(0).err, "");
    expect_nothing_left(directory);
    wait_until_gone(children.iter().chain([&daemon.0]));
}

#[test]
fn it_is_ready_soon_after_the_import() {
    let launch = site_of("sleeps.py", "processes = 2\n").env("IMPORT_SECONDS", "0.5");
    let started = Instant::now();
    let site = Site::start(launch);
    let over = started.elapsed().saturating_sub(Duration::from_millis(500));
    eprintln!("ready {over:?} after the import");
    // The interpreter takes some time before the import, too.
    assert!(over <= limit(Duration::from_millis(100), Duration::from_secs(3)), "{over:?}");
    site.end();
}

/// Does not outlive its test.
struct Daemon(u32);

impl Drop for Daemon {
    fn drop(&mut self) {
        let children = children_of(self.0);
        kill(self.0, "KILL");
        children.into_iter().for_each(|child| kill(child, "KILL"));
    }
}

/// Makes something at its first import, as an application does that migrates its database then.
const MIGRATES: &str = "\
import os, time
if not os.path.exists(NAME + '.migrated'):
    os.mkdir(NAME + '.migrating')
    time.sleep(0.3)
    open(NAME + '.migrated', 'w').close()
";

#[test]
fn one_process_imports_before_the_others_at_every_start_of_a_pool() {
    let pool = |name: &str| format!("[pool.{name}]\napp = \"{name}.py\"\nlisten = \"unix:{name}.sock\"\nprocesses = 3\n");
    let migrates = |name: &str| format!("NAME = '{name}'\n{MIGRATES}{}", says(name));
    let launch = site(&format!("pid-file = \"site.pid\"\n{}", pool("web")));
    for name in ["web", "shop"] {
        fs::write(launch.directory().join(format!("{name}.py")), migrates(name)).unwrap();
    }
    let site = Site::start(launch);
    site.wait_for_children(3);
    site.configure(&format!("pid-file = \"site.pid\"\n{}{}", pool("web"), pool("shop"))).expect_code(0);
    wait_until("both pools", || site.control("status").out.matches(": serving, generation").count() == 6);
    assert!(!site.log().contains("FileExistsError"), "{}", site.log());
    site.end();
}
