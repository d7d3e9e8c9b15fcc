//! Terminals and process groups: what an application reaches of whoever has started pyfcgid.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::site::{FILE, Site, children_of, expect_nothing_left, is_alive, kill, site_with, wait_until_gone};
use crate::support::Launch;
use crate::support::process::wait_until;

/// Writes down at its import what it has of a terminal, having tried to type into it.
const TYPES: &str = "\
import fcntl, os, termios
def tried(what):
    try:
        what()
        return 'done'
    except OSError as error:
        return error.strerror
typed = [tried(lambda: fcntl.ioctl(number, termios.TIOCSTI, b'x')) for number in range(3)]
leads = os.getsid(0) == os.getpid() == os.getpgrp()
open('seen', 'w').write('%s %s %s' % (leads, tried(lambda: os.open('/dev/tty', os.O_RDWR)), 'done' in typed))
def application(environ, start_response):
    start_response('200 OK', [])
    if environ['QUERY_STRING']:
        os.killpg(0, 15)
    return [b'x']
";

const OUT_OF_REACH: &str = "True No such device or address False";

/// The command with a terminal of its own, into which can be typed.
fn in_a_terminal(launch: &Launch, command: &str) -> Child {
    let command = format!("exec {} {command} -c {FILE} 2>log", env!("CARGO_BIN_EXE_pyfcgid"));
    let out = fs::File::create(launch.directory().join("out")).unwrap();
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).current_dir(launch.directory());
    script.stdin(Stdio::piped()).stdout(out).spawn().unwrap()
}

fn text(directory: &Path, name: &str) -> String {
    fs::read_to_string(directory.join(name)).unwrap_or_default()
}

fn stat(pid: u32) -> Vec<i64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    text.rsplit_once(") ").unwrap().1.split(' ').skip(1).take(4).map(|field| field.parse().unwrap()).collect()
}

#[test]
fn a_signal_to_its_process_group_reaches_no_supervisor() {
    let site = Site::start(site_with(TYPES, ""));
    let before = site.wait_for_children(1);
    for child in &before {
        let own = i64::from(*child);
        assert_eq!(stat(*child)[1..], [own, own, 0], "process group, session, terminal");
    }
    site.ask("/?killpg");
    wait_until("another child", || site.children().len() == 1 && site.children() != before);
    assert_eq!(site.text("/"), "x");
    assert!(!site.log().contains("stopping gracefully"), "{}", site.log());
    site.end();
}

#[test]
fn an_application_cannot_type_into_the_terminal_of_a_foreground_server_which_ctrl_c_stops() {
    let launch = site_with(TYPES, "processes = 2\n");
    let directory = launch.directory();
    let mut terminal = in_a_terminal(&launch, "serve");
    wait_until("the start", || text(directory, "log").contains("]: PF0101 ready\n"));
    assert_eq!(text(directory, "seen"), OUT_OF_REACH);
    let supervisor = text(directory, "site.pid").trim().parse().unwrap();
    let children = children_of(supervisor);
    assert_eq!(children.len(), 2);
    terminal.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    wait_until("the end", || terminal.try_wait().unwrap().is_some());
    wait_until_gone(&children);
    assert!(text(directory, "log").contains("stopping at once"), "{}", text(directory, "log"));
    expect_nothing_left(directory);
}

#[test]
fn a_check_keeps_the_application_from_the_terminal() {
    let launch = site_with(TYPES, "");
    let mut terminal = in_a_terminal(&launch, "check");
    wait_until("the end", || terminal.try_wait().unwrap().is_some());
    assert_eq!(text(launch.directory(), "seen"), OUT_OF_REACH, "{}", text(launch.directory(), "log"));
}

#[test]
fn ctrl_c_ends_a_check_and_the_import_that_hangs_in_it() {
    let hangs = "import os, signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n\
                 open('pid', 'w').write(f'{os.getpid()}\\n')\ntime.sleep(60)\n";
    let launch = site_with(hangs, "");
    let mut terminal = in_a_terminal(&launch, "check");
    wait_until("the import", || text(launch.directory(), "pid").ends_with('\n'));
    let import = text(launch.directory(), "pid").trim().parse().unwrap();
    terminal.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    wait_until("the end of the check", || terminal.try_wait().unwrap().is_some());
    wait_until("the end of the import", || !is_alive(import));
}

/// Ctrl-Z stops the supervisor, not the children: they serve on until `fg`. Its own signal would do nothing where nobody could continue
/// the process group, as in a test without a terminal.
#[test]
fn ctrl_z_stops_the_supervisor_and_requests_are_answered() {
    let mut site = Site::start(site_with(TYPES, ""));
    site.signal("STOP");
    wait_until("the supervisor to stand still", || crate::site::status_of(site.pid(), "State").starts_with('T'));
    assert_eq!(site.text("/"), "x");
    kill(site.pid(), "CONT");
    assert!(site.stop().success());
    site.wait_for_exit(Duration::from_secs(1));
}
