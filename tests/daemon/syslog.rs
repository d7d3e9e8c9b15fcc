//! The log at a real syslog daemon.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::roles::Daemon;
use crate::rsyslog::Rsyslog;
use crate::site::{Site, is_root, site};
use crate::support::{Launch, app};
use crate::wait_until;

const SPEAKS: &str = "\
import sys
def application(environ, start_response):
    word = environ['QUERY_STRING']
    print('printed', word, flush=True)
    if word == 'fail': raise ValueError('the wheels are off')
    start_response('200 OK', [])
    return [b'spoken']
";

/// Starts a site whose log goes there, and waits until it has said that it is ready.
#[track_caller]
fn start(rsyslog: &Rsyslog, settings: &str, pool: &str) -> Site {
    let launch = site(&format!(
        "pid-file = \"site.pid\"\nlog = \"syslog\"\nsyslog-socket = \"{}\"\nsyslog-facility = \"local3\"\n{settings}\
         [pool.web]\napp = \"app.py\"\nlisten = \"unix:s.sock\"\nthreads = 1\n{pool}",
        rsyslog.socket().display()
    ));
    fs::write(launch.directory().join("app.py"), SPEAKS).unwrap();
    fs::set_permissions(launch.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut site = Site::start_unawaited(launch);
    wait_until("the start", || {
        site.expect_running();
        has(rsyslog, "PF0101 ready")
    });
    site
}

fn has(rsyslog: &Rsyslog, end: &str) -> bool {
    rsyslog.lines().iter().any(|line| line.ends_with(end))
}

/// Waits for a line that ends so, and returns it.
#[track_caller]
fn line(rsyslog: &Rsyslog, end: &str) -> String {
    wait_until(&format!("{end:?} in\n{}", rsyslog.lines().join("\n")), || has(rsyslog, end));
    rsyslog.lines().into_iter().find(|line| line.ends_with(end)).unwrap()
}

#[test]
fn what_supervisor_application_and_tracebacks_say_arrives_with_ident_and_process() {
    let rsyslog = Rsyslog::start();
    let site = start(&rsyslog, "syslog-ident = \"pyfcgid\"\n", "");
    let child = *site.children().first().unwrap();
    let supervisor = site.pid();
    assert_eq!(line(&rsyslog, "PF0101 ready"), format!("local3 info pyfcgid[{supervisor}]: PF0101 ready"));
    site.text("/?hello");
    let printed = line(&rsyslog, "printed hello");
    let head = format!(" pyfcgid[{child}]: web: request {child}-");
    assert!(printed.starts_with("local3 ") && printed.contains(&head) && printed.ends_with(": printed hello"), "{printed}");
    assert_eq!(site.ask("/?fail").status, 500);
    let error = line(&rsyslog, "ValueError: the wheels are off");
    assert!(error.starts_with(&format!("local3 err pyfcgid[{child}]: web: ")), "{error}");
    line(&rsyslog, "Traceback (most recent call last):");
    assert_eq!(site.log(), "", "stderr");
    site.end();
    line(&rsyslog, &format!("pyfcgid[{supervisor}]: PF0103 stopped"));
}

#[test]
fn a_syslog_daemon_that_is_restarted_gets_all_lines_but_holds_up_no_request() {
    let mut rsyslog = Rsyslog::start();
    let site = start(&rsyslog, "", "processes = 2\n");
    site.text("/?before");
    line(&rsyslog, "printed before");
    rsyslog.stop();
    for number in 0..200 {
        site.text(&format!("/?down-{number}"));
    }
    rsyslog.run();
    site.text("/?after");
    line(&rsyslog, "printed after");
    // Asked for are only those before and after; a daemon that is back within seconds gets the others, too.
    let lines = rsyslog.lines();
    for number in 0..200 {
        let end = format!(": printed down-{number}");
        assert_eq!(lines.iter().filter(|line| line.ends_with(&end)).count(), 1, "{end}");
    }
    site.end();
}

#[test]
fn a_child_without_privileges_still_reaches_it() {
    if !is_root() {
        return eprintln!("skipped: only root can change users");
    }
    // The program that is tested may be linked with a Python in a directory of root's.
    let check = Launch::new("check").with_configured_user().arg(app("answers.py")).args(["--user", "nobody"]).run();
    if check.stderr.contains("Could not find platform independent libraries") {
        return eprintln!("skipped: the Python that pyfcgid is linked with can be read by root only");
    }
    let rsyslog = Rsyslog::start();
    fs::set_permissions(rsyslog.socket(), fs::Permissions::from_mode(0o600)).unwrap();
    let site = start(&rsyslog, "", "user = \"nobody\"\nprocesses = 1\n");
    let child = *site.children().first().unwrap();
    assert!(crate::site::status_of(child, "Uid").starts_with("65534 "));
    site.text("/?hello");
    assert!(line(&rsyslog, "printed hello").contains(&format!("pyfcgid[{child}]: web: ")));
    // A child that starts later has no more than that.
    site.control("reload").expect_code(0);
    wait_until("the end of the old child", || !site.children().contains(&child));
    let next = *site.children().first().unwrap();
    site.text("/?again");
    assert!(line(&rsyslog, "printed again").contains(&format!("pyfcgid[{next}]: web: ")));
    site.end();
}

#[test]
fn a_daemon_writes_to_it_as_well() {
    let rsyslog = Rsyslog::start();
    let launch = site(&format!(
        "pid-file = \"site.pid\"\nlog = \"syslog\"\nsyslog-socket = \"{}\"\n[pool.web]\napp = \"app.py\"\nlisten = \"unix:s.sock\"\n",
        rsyslog.socket().display()
    ));
    fs::write(launch.directory().join("app.py"), SPEAKS).unwrap();
    let pid_file = launch.directory().join("site.pid");
    let finished = launch.arg("-D").run().expect_code(0);
    // Dropped before the directory, which has its PID file.
    let daemon = Daemon::of(&pid_file);
    let directory: &Path = finished.directory();
    let pid = daemon.pid();
    assert_eq!(line(&rsyslog, "PF0101 ready"), format!("daemon info pyfcgid[{pid}]: PF0101 ready"));
    crate::site::connect_to(&directory.join("s.sock")).last_request(&crate::support::Params::get("/?hello"), b"");
    line(&rsyslog, ": printed hello");
    crate::site::control(directory, "stop").expect_code(0);
    line(&rsyslog, "]: PF0103 stopped");
}
