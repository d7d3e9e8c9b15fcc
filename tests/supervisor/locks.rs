//! What other users can lock keeps nobody waiting.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::site::{Site, expect_refused, is_root, says, site, site_with};

/// Somebody who can only read these, and locks them in both ways there are.
struct Stranger(Child);

impl Stranger {
    fn locking(directory: &std::path::Path, names: &[&str]) -> Self {
        let code = "import fcntl, os, sys\n\
                    files = [os.open(name, os.O_RDONLY) for name in sys.argv[1:]]\n\
                    for file in files:\n\
                    \x20   fcntl.flock(file, fcntl.LOCK_EX)\n\
                    \x20   try: fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)\n\
                    \x20   except OSError: pass\n\
                    print('locked', flush=True)\n\
                    sys.stdin.read()\n";
        let mut command = Command::new("python3");
        command.args(["-c", code]).args(names).current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0; 7]).unwrap();
        Self(child)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

#[test]
fn who_locks_the_directory_holds_up_neither_a_start_nor_a_reload() {
    let launch = site_with(&says("one"), "");
    let _stranger = Stranger::locking(launch.directory(), &["."]);
    let site = Site::start(launch);
    fs::remove_file(site.directory().join("s.sock")).unwrap();
    let begin = Instant::now();
    site.control("reload").expect_code(0);
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!(site.text("/"), "one");
    site.end();
}

#[test]
fn who_locks_a_stale_pid_file_is_no_pyfcgid_and_keeps_none_from_starting() {
    let launch = site_with(&says("one"), "");
    let pid_file = launch.directory().join("site.pid");
    fs::write(&pid_file, "4242\n").unwrap();
    let stranger = Stranger::locking(launch.directory(), &["site.pid"]);
    for (command, code) in [("status", 3), ("stop", 0)] {
        let ended = crate::site::control(launch.directory(), command).expect_code(code);
        assert!(ended.err.contains("pyfcgid is not running") && !ended.err.contains("kill"), "{ended:?}");
    }
    let site = Site::start(launch);
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), format!("{}\n", site.pid()));
    drop(stranger);
    let _again = Stranger::locking(site.directory(), &["site.pid"]);
    fs::rename(site.directory().join("site.pid.control"), site.directory().join("hidden")).unwrap();
    let ended = site.control("status").expect_code(71);
    assert!(ended.err.contains(&format!("`kill -HUP {0}`", site.pid())), "{ended:?}");
    let elsewhere = format!("status --control-socket {0}/none --pid-file {0}/site.pid", site.directory().display());
    let ended = site.control(&elsewhere).expect_code(71);
    assert!(ended.err.contains(&format!("`kill -HUP {0}`", site.pid())), "{ended:?}");
    fs::rename(site.directory().join("hidden"), site.directory().join("site.pid.control")).unwrap();
    site.end();
}

/// A named pipe that nobody writes to would be waited for, and with it every request.
#[test]
fn a_named_pipe_among_the_included_files_fails_the_reload_at_once() {
    let launch =
        site("pid-file = \"site.pid\"\ninclude = \"pools/*.toml\"\n[pool.web]\napp = \"app.py\"\nlisten = \"unix:s.sock\"\n");
    fs::write(launch.directory().join("app.py"), says("one")).unwrap();
    let pools = launch.directory().join("pools");
    fs::create_dir(&pools).unwrap();
    let site = Site::start(launch);
    assert!(Command::new("mkfifo").arg(pools.join("new.toml")).status().unwrap().success());
    let ended = site.control("reload").expect_code(78);
    assert!(ended.err.contains("new.toml: it is not a regular file"), "{ended:?}");
    assert_eq!(site.text("/"), "one");
    site.end();
}

const NOBODY: u32 = 65_534;

#[test]
fn root_opens_no_log_through_a_link_of_another_user_and_warns_of_its_directory() {
    if !is_root() {
        return eprintln!("skipped: only root can give a directory to another user");
    }
    let launch = site("log = \"file:theirs/log\"\n[pool.web]\napp = \"app.py\"\nlisten = \"unix:s.sock\"\n");
    let (theirs, secret) = (launch.directory().join("theirs"), launch.directory().join("secret"));
    fs::write(launch.directory().join("app.py"), says("one")).unwrap();
    fs::create_dir(&theirs).unwrap();
    fs::write(&secret, "untouched").unwrap();
    std::os::unix::fs::chown(&theirs, Some(NOBODY), None).unwrap();
    symlink(&secret, theirs.join("log")).unwrap();
    std::os::unix::fs::lchown(theirs.join("log"), Some(NOBODY), None).unwrap();
    let finished =
        expect_refused(launch, 78, &["is a symbolic link owned by another user (uid 65534), which root does not follow"]);
    assert_eq!(fs::read_to_string(finished.directory().join("secret")).unwrap(), "untouched");
    fs::remove_file(finished.directory().join("theirs/log")).unwrap();
    let checked = crate::site::control(finished.directory(), "check").expect_code(0);
    assert!(checked.err.contains("users other than root can replace files in "), "{checked:?}");
    assert!(File::open(finished.directory().join("theirs/log")).is_err(), "a check makes nothing");
}
