//! The service manager is told how the service is (sd_notify(3)).

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use crate::site::{Site, says, site};
use crate::support::Launch;
use crate::support::peer::DEADLINE;
use crate::support::process::may_look_into_children;

/// The manager's end.
struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    /// A site that tells it.
    fn of(launch: Launch) -> (Self, Launch) {
        let path = launch.directory().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        (Self { socket }, launch.env("NOTIFY_SOCKET", path))
    }

    /// The next message, pings left out, as lines.
    #[track_caller]
    fn next(&self) -> Vec<String> {
        loop {
            let message = self.any(DEADLINE).expect("a message");
            if message != ["WATCHDOG=1"] {
                return message;
            }
        }
    }

    fn any(&self, limit: Duration) -> Option<Vec<String>> {
        self.socket.set_read_timeout(Some(limit)).unwrap();
        let mut bytes = [0; 4096];
        // One with a timeout is not taken up again after a signal, such as that which has a stopped process go on.
        let length = loop {
            match self.socket.recv(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                received => break received.unwrap(),
            }
        };
        Some(String::from_utf8(bytes[..length].to_vec()).unwrap().lines().map(str::to_owned).collect())
    }

    #[track_caller]
    fn expect(&self, first: &str) -> Vec<String> {
        let message = self.next();
        assert_eq!(message[0], first, "{message:?}");
        message
    }
}

/// Shows the variables of its environment that a service manager sets, and starts a process to see what that has.
const SHOWS: &str = "\
import os, subprocess
NAMES = ('NOTIFY_', 'WATCHDOG_', 'LISTEN_', 'PYFCGID_')
def application(environ, start_response):
    own = [name for name in os.environ if name.startswith(NAMES)]
    own += [name for name in environ if name.startswith(NAMES)]
    other = subprocess.check_output(['env'], text=True)
    own += [line for line in other.splitlines() if line.startswith(NAMES)]
    start_response('200 OK', [])
    return [repr(own).encode()]
";

fn launch(settings: &str) -> Launch {
    let launch = site(&format!(
        "pid-file = \"site.pid\"\n[pool.web]\napp = \"app.py\"\nlisten = \"unix:s.sock\"\n{settings}\
         [pool.slow]\napp = \"slow.py\"\nlisten = \"unix:slow.sock\"\n"
    ));
    fs::write(launch.directory().join("app.py"), SHOWS).unwrap();
    // It comes up when there is a file.
    let slow = format!("import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n{}", says("slow"));
    fs::write(launch.directory().join("slow.py"), slow).unwrap();
    launch
}

#[test]
fn ready_comes_when_all_pools_serve_and_each_reload_and_the_stop_are_told() {
    let (manager, launch) = Manager::of(launch(""));
    let site = Site::start_unawaited(launch);
    let slow = site.directory().join("slow.sock");
    crate::site::connect_to(&site.directory().join("s.sock")).last_request(&crate::support::Params::get("/"), b"");
    assert_eq!(manager.any(Duration::from_millis(100)), None, "one pool is not up yet");
    fs::write(site.directory().join("go"), "").unwrap();
    assert!(manager.expect("READY=1")[1].starts_with("STATUS="));
    assert!(std::os::unix::net::UnixStream::connect(slow).is_ok());
    for _ in 0..2 {
        let reload = site.control("reload").expect_code(0);
        assert_eq!(reload.err, "");
        let message = manager.expect("RELOADING=1");
        let usec: u64 = message[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!(usec > 0, "{message:?}");
        manager.expect("READY=1");
    }
    fs::write(site.directory().join("app.py"), "raise ValueError('x')").unwrap();
    assert_ne!(site.control("reload").status.code(), Some(0));
    manager.expect("RELOADING=1");
    let message = manager.expect("READY=1");
    assert!(message[1].contains("failed"), "{message:?}");
    site.end();
    manager.expect("STOPPING=1");
}

#[test]
fn a_new_binary_goes_on_telling() {
    let (manager, launch) = Manager::of(launch(""));
    fs::write(launch.directory().join("go"), "").unwrap();
    let site = Site::start(launch.env("WATCHDOG_USEC", "200000"));
    manager.expect("READY=1");
    let pid = site.pid();
    site.signal("USR2");
    manager.expect("RELOADING=1");
    manager.expect("READY=1");
    site.wait_for_log("has taken over from the previous program");
    assert_eq!(site.pid(), pid);
    assert_eq!(manager.any(DEADLINE).unwrap(), ["WATCHDOG=1"]);
    assert_eq!(site.text("/"), "[]");
    site.control("reload").expect_code(0);
    manager.expect("RELOADING=1");
    manager.expect("READY=1");
    site.end();
    manager.expect("STOPPING=1");
}

#[test]
fn the_watchdog_is_fed_at_half_its_time_and_only_if_there_is_one() {
    let (manager, launch) = Manager::of(launch(""));
    fs::write(launch.directory().join("go"), "").unwrap();
    let site = Site::start(launch.env("WATCHDOG_USEC", "1000000"));
    manager.expect("READY=1");
    assert_eq!(manager.any(DEADLINE).unwrap(), ["WATCHDOG=1"]);
    let started = Instant::now();
    for _ in 0..5 {
        assert_eq!(manager.any(DEADLINE).unwrap(), ["WATCHDOG=1"]);
    }
    let took = started.elapsed();
    // Half a second each. A busy machine may be late, the first time too, but the average has to be in time.
    assert!(took > Duration::from_millis(2000) && took < Duration::from_millis(5000), "{took:?}");
    site.end();
}

#[test]
fn a_watchdog_of_another_process_is_not_fed() {
    let (manager, launch) = Manager::of(launch(""));
    fs::write(launch.directory().join("go"), "").unwrap();
    let site = Site::start(launch.env("WATCHDOG_USEC", "100000").env("WATCHDOG_PID", "1"));
    manager.expect("READY=1");
    assert_eq!(manager.any(Duration::from_millis(500)), None);
    site.end();
}

#[test]
fn neither_application_nor_subprocess_sees_a_variable_of_the_manager() {
    let (manager, launch) = Manager::of(launch("processes = 2\n"));
    fs::write(launch.directory().join("go"), "").unwrap();
    let launch =
        launch.env("WATCHDOG_USEC", "60000000").env("LISTEN_FDS", "1").env("LISTEN_PID", "1").env("LISTEN_FDNAMES", "x");
    let site = Site::start(launch);
    manager.expect("READY=1");
    assert_eq!(site.text("/"), "[]");
    for child in site.children().into_iter().filter(|_| may_look_into_children()) {
        let environment = fs::read(format!("/proc/{child}/environ")).unwrap();
        assert!(!environment.is_empty());
        let descriptors = fs::read_dir(format!("/proc/{child}/fd")).unwrap();
        assert!(descriptors.count() > 3);
    }
    site.end();
}

#[test]
fn a_service_that_cannot_start_is_never_ready() {
    let (manager, launch) = Manager::of(launch(""));
    fs::write(launch.directory().join("go"), "").unwrap();
    fs::write(launch.directory().join("app.py"), "raise ValueError('x')").unwrap();
    launch.run().expect_code(70);
    while let Some(message) = manager.any(Duration::from_millis(50)) {
        assert_ne!(message[0], "READY=1");
    }
}

#[test]
fn a_service_without_a_pool_is_ready_and_says_what_to_do() {
    let (manager, launch) = Manager::of(site("pid-file = \"site.pid\"\ninclude = \"pools.d/*.toml\"\n"));
    let site = Site::start_unawaited(launch);
    let message = manager.expect("READY=1");
    assert!(message[1].starts_with("STATUS=no pool configured: site.toml:2 includes pools.d/*.toml"), "{message:?}");
    site.control("reload").expect_code(0);
    manager.expect("RELOADING=1");
    assert!(manager.expect("READY=1")[1].starts_with("STATUS=no pool configured: "));
    site.end();
}
