//! What takes a process with one thread: fork, privileges, becoming a daemon. Each test runs in a process of its own, which the
//! runner at the end forks.

#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::Read;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use pyfcgid::daemon::{self, PidFile, PidFileError, Side};
use pyfcgid::service;
use pyfcgid::service::activation::{self, Inherited};
use shared::sys::fd;
use shared::sys::identity::{self, Identity};
use shared::sys::process::{self, ExitReason, Fork, ProcessId};
use shared::sys::shared_memory::{PublishedWords, ReadOnlyWords, SharedWords};

fn a_child_has_its_own_number_and_its_end_is_told() {
    let parent = ProcessId::current();
    let child = fork(|| u8::from(ProcessId::current() == parent));
    assert_eq!(end_of(child), ExitReason::Code(0));
    assert_eq!(process::reap(child), Some(ExitReason::Unknown));
}

fn a_child_that_is_killed_says_by_what() {
    let child = fork(|| {
        thread::park();
        0
    });
    assert_eq!(process::reap(child), None);
    process::kill(child, 9).unwrap();
    assert_eq!(end_of(child), ExitReason::Signal(9));
    assert!(process::kill(child, 0).is_err());
}

fn a_name_for_a_child_is_not_kept_by_its_parent() {
    let name = || fs::read_to_string("/proc/thread-self/comm").unwrap();
    let before = name();
    let child = process::under_name(c"borrowed", || fork(|| u8::from(name() != "borrowed\n")));
    assert_eq!(end_of(child), ExitReason::Code(0));
    assert_eq!(name(), before);
    // What the child does after the fork's return it does under that name, too.
    let Fork::Parent(child) = process::under_name(c"borrowed", process::fork).unwrap() else {
        process::exit_now(u8::from(name() != "borrowed\n"));
    };
    assert_eq!(end_of(child), ExitReason::Code(0));
    assert_eq!(name(), before);
}

fn memory_that_is_shared_no_more_is_zero_and_its_own() {
    let count = NonZeroUsize::new(2000).unwrap();
    let [kept, other] = [c"kept", c"other"].map(|name| SharedWords::new(name, count).unwrap());
    let word = |shared: &SharedWords, number: usize| shared.words()[number].load(Ordering::Relaxed);
    other.words()[5].store(7, Ordering::Relaxed);
    let child = fork(|| {
        kept.share_no_others().unwrap();
        kept.words()[5].store(6, Ordering::Relaxed);
        other.words()[6].store(8, Ordering::Relaxed);
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        u8::from(word(&other, 5) != 0 || maps.contains("memfd:other") || !maps.contains("memfd:kept"))
    });
    assert_eq!(end_of(child), ExitReason::Code(0));
    assert_eq!((word(&kept, 5), word(&other, 5), word(&other, 6)), (6, 7, 0));
}

fn what_a_parent_has_published_a_child_reads_and_cannot_write() {
    let count = NonZeroUsize::new(2000).unwrap();
    let (kept, roster) = (SharedWords::new(c"kept", count).unwrap(), PublishedWords::new(c"roster", count).unwrap());
    roster.words()[5].store(7, Ordering::Relaxed);
    let child = fork(|| {
        let view = ReadOnlyWords::adopt(fd::duplicate(roster.for_readers()).unwrap(), count).unwrap();
        kept.share_no_others().unwrap();
        roster.words()[5].store(8, Ordering::Relaxed);
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let mapped: Vec<_> = maps.lines().filter(|line| line.contains("memfd:roster")).collect();
        let is_read_only = mapped.len() == 1 && mapped[0].contains(" r--s ");
        u8::from(view.load(5, Ordering::Relaxed) != Some(7) || !is_read_only)
    });
    assert_eq!(end_of(child), ExitReason::Code(0));
    assert_eq!(roster.words()[5].load(Ordering::Relaxed), 7);
}

fn a_child_keeps_only_what_it_is_told_to() {
    let files: Vec<_> = (0..20).map(|_| File::open("/dev/null").unwrap().into_raw_fd()).collect();
    let kept = [files[3], files[4], files[19]];
    process::keep_only(&kept).unwrap();
    assert_eq!(open_descriptors(), [0, 1, 2, files[3], files[4], files[19]]);
}

fn a_user_is_dropped_to_for_good() {
    if !is_root("dropping privileges") {
        return;
    }
    let groups = ["1".to_owned(), "3".to_owned()];
    let identity = Identity::resolve(Some("nobody"), Some("daemon"), Some(&groups)).unwrap();
    identity::drop_to(&identity).unwrap();
    assert_eq!(status("Uid:"), ["65534"; 4]);
    assert_eq!(status("Gid:"), ["1"; 4]);
    assert_eq!(status("Groups:"), ["1", "3"]);
    assert_eq!(status("CapEff:"), ["0000000000000000"]);
    assert!(File::open("/etc/shadow").is_err());
    identity::drop_to(&identity).unwrap();
    let back = Identity::resolve(Some("root"), None, None).unwrap();
    let error = identity::drop_to(&back).unwrap_err().to_string();
    assert!(error.starts_with("only root can change user to \"root\""), "{error}");
}

fn a_user_who_is_already_it_keeps_the_groups_it_was_started_with() {
    if !is_root("dropping privileges") {
        return;
    }
    identity::drop_to(&Identity::resolve(Some("nobody"), None, Some(&["3".to_owned()])).unwrap()).unwrap();
    let identity = Identity::resolve(Some("nobody"), None, None).unwrap();
    assert_eq!((identity.gid, &identity.groups[..]), (65534, &[3][..]));
    identity::drop_to(&identity).unwrap();
    assert_eq!(Identity::resolve(None, None, None).unwrap(), Identity::current());
    let error = identity::drop_to(&Identity::resolve(Some("daemon"), None, None).unwrap()).unwrap_err().to_string();
    assert!(error.starts_with("only root can change user to \"daemon\""), "{error}");
}

fn root_may_be_meant() {
    if !is_root("staying root") {
        return;
    }
    assert!(Identity::resolve(None, None, None).is_err());
    identity::drop_to(&Identity::resolve(Some("root"), None, Some(&[])).unwrap()).unwrap();
    assert_eq!(status("Uid:"), ["0"; 4]);
}

fn a_root_directory_hides_what_is_outside() {
    if !is_root("chroot(2)") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("here"), "").unwrap();
    let child = fork(|| {
        identity::chroot(directory.path()).unwrap();
        u8::from(!Path::new("/here").exists() || !Path::new("here").exists() || Path::new("/etc").exists())
    });
    assert_eq!(end_of(child), ExitReason::Code(0));
}

fn privileges_cannot_be_gained_any_more() {
    process::no_new_privs().unwrap();
    assert_eq!(status("NoNewPrivs:"), ["1"]);
}

fn a_daemon_is_detached_but_stays_where_it_was_started() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().canonicalize().unwrap();
    std::env::set_current_dir(&directory).unwrap();
    process::umask(0o031);
    let launcher = ProcessId::current();
    let (kept, left) = (File::open("/dev/null").unwrap(), File::open("/dev/null").unwrap());
    let mut output = Vec::new();
    let code = match daemon::daemonize(&[kept.as_raw_fd()], &mut output).unwrap() {
        Side::Launcher(code) => code,
        Side::Daemon(readiness) => {
            readiness.say(&format!("kept {}", open_descriptors().contains(&kept.as_raw_fd())));
            readiness.say(&format!("left {}", open_descriptors().contains(&left.into_raw_fd())));
            readiness.say(&format!("descriptors {}", open_descriptors().len()));
            readiness.say(&format!("same {}", ProcessId::current() == launcher));
            readiness.say(&format!("leads {}", session() == ProcessId::current().number()));
            readiness.say(&format!("umask {}", status("Umask:").join("")));
            readiness.say(&format!("in {}", std::env::current_dir().unwrap().display()));
            let streams = [0, 1, 2].map(|n| fs::read_link(format!("/proc/self/fd/{n}")).unwrap());
            readiness.say(&format!("null {}", streams.iter().all(|stream| stream == Path::new("/dev/null"))));
            readiness.ready();
            process::exit_now(9)
        }
    };
    assert_eq!(code, 0);
    let lines = format!(
        "kept true\nleft false\ndescriptors 5\nsame false\nleads false\numask 0031\nin {}\nnull true\n",
        directory.display()
    );
    assert_eq!(String::from_utf8(output).unwrap(), lines);
}

fn a_daemon_that_fails_gives_its_launcher_code_and_reason() {
    let mut output = Vec::new();
    let code = match daemon::daemonize(&[], &mut output).unwrap() {
        Side::Launcher(code) => code,
        Side::Daemon(readiness) => {
            readiness.failed(78, "Traceback\nImportError: blog");
            process::exit_now(0)
        }
    };
    assert_eq!((code, String::from_utf8(output).unwrap().as_str()), (78, "Traceback\nImportError: blog\n"));
}

fn a_daemon_that_dies_does_not_keep_its_launcher_waiting() {
    let mut output = Vec::new();
    let code = match daemon::daemonize(&[], &mut output).unwrap() {
        Side::Launcher(code) => code,
        Side::Daemon(_readiness) => {
            let own = ProcessId::current();
            process::kill(own, 9).unwrap();
            process::exit_now(0)
        }
    };
    assert_eq!(code, 71);
    assert!(String::from_utf8(output).unwrap().contains("the daemon exited before it was ready"));
}

fn a_child_of_the_daemon_does_not_keep_its_launcher_waiting() {
    let (mut release, held) = std::io::pipe().unwrap();
    let held = held.into_raw_fd();
    let mut output = Vec::new();
    let code = match daemon::daemonize(&[held, release.as_raw_fd()], &mut output).unwrap() {
        Side::Launcher(code) => code,
        Side::Daemon(_readiness) => {
            fork(|| {
                process::keep_only(&[release.as_raw_fd()]).unwrap();
                // It lives until the test has closed its end.
                u8::from(release.read(&mut [0]).is_err())
            });
            process::exit_now(0)
        }
    };
    assert_eq!(code, 71);
}

fn a_pid_file_is_removed_by_the_process_that_wrote_it_only() {
    let (_directory, path) = pid_file();
    let mut file = PidFile::lock(&path).unwrap();
    file.write(ProcessId::current()).unwrap();
    let child = match process::fork().unwrap() {
        Fork::Parent(child) => child,
        Fork::Child => {
            drop(file);
            process::exit_now(u8::from(!path.exists()))
        }
    };
    assert_eq!(end_of(child), ExitReason::Code(0));
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", ProcessId::current()));
}

fn a_pid_file_of_a_killed_process_is_stale_though_its_children_live() {
    let (_directory, path) = pid_file();
    let (mut ready, told) = std::io::pipe().unwrap();
    let (lives, release) = std::io::pipe().unwrap();
    let daemon = fork(|| {
        let mut file = PidFile::lock(&path).unwrap();
        file.write(ProcessId::current()).unwrap();
        fork(|| {
            process::keep_only(&[told.as_raw_fd(), lives.as_raw_fd()]).unwrap();
            std::io::Write::write_all(&mut &told, b"x").unwrap();
            u8::from((&lives).read(&mut [0]).is_err())
        });
        thread::park();
        0
    });
    ready.read_exact(&mut [0]).unwrap();
    let running = PidFile::lock(&path).unwrap_err();
    assert!(matches!(running, PidFileError::Held { holder: Some(holder), .. } if holder == daemon), "{running}");
    process::kill(daemon, 9).unwrap();
    assert_eq!(end_of(daemon), ExitReason::Signal(9));
    assert_eq!(PidFile::read(&path).unwrap(), None);
    assert!(PidFile::lock(&path).is_ok());
    drop(release);
}

fn a_program_that_replaces_this_one_keeps_the_lock() {
    let (_directory, path) = pid_file();
    let ((mut ready, told), (stop, release)) = (std::io::pipe().unwrap(), std::io::pipe().unwrap());
    let child = fork(|| {
        let mut file = PidFile::lock(&path).unwrap();
        file.write(ProcessId::current()).unwrap();
        fd::keep_at_exec(file.as_fd().as_raw_fd(), fd::AtExec::Keep);
        let test = format!("test \"$PPID,$$\" = \"$WAS\" && echo; read x; test -s {}", path.display());
        let parent_and_own = format!("{},{}", std::os::unix::process::parent_id(), ProcessId::current());
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &test]).env("WAS", parent_and_own);
        let error = shell.stdin(stop.try_clone().unwrap()).stdout(told.try_clone().unwrap()).exec();
        panic!("{error}");
    });
    ready.read_exact(&mut [0]).unwrap();
    assert_eq!(PidFile::read(&path).unwrap(), Some(child));
    drop((release, stop));
    assert_eq!(end_of(child), ExitReason::Code(0));
    assert_eq!(PidFile::read(&path).unwrap(), None);
}

fn a_listening_socket_is_no_standard_input() {
    if !fd::is_listening(0) {
        let listener = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
        let again = Command::new(std::env::current_exe().unwrap()).arg("a_listening_socket").stdin(listener).status().unwrap();
        assert!(again.success());
        return;
    }
    let inherited = activation::inherited(&|_| None).unwrap();
    assert_eq!(inherited, [Inherited { number: 0, name: String::new() }]);
    let moved = fd::move_off_standard(0).unwrap();
    assert!(moved > 2 && fd::is_listening(moved) && !fd::is_listening(0));
    assert_eq!(fs::read_link("/proc/self/fd/0").unwrap(), Path::new("/dev/null"));
}

fn the_service_managers_variables_are_forgotten() {
    let left = |name: &str| std::env::var_os(name).is_some();
    if !left("PYFCGID_KEPT") {
        let names = ["NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "WATCHDOG_USEC", "PYFCGID_KEPT"];
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.arg("the_service_managers_variables").envs(names.map(|name| (name, "1")));
        assert!(again.status().unwrap().success());
        return;
    }
    service::forget_environment();
    assert!(left("PYFCGID_KEPT") && !left("NOTIFY_SOCKET") && !left("LISTEN_FDS") && !left("WATCHDOG_USEC"));
}

/// A child that does this and ends with the code it returns.
fn fork(child: impl FnOnce() -> u8) -> ProcessId {
    match process::fork().unwrap() {
        Fork::Parent(child) => child,
        Fork::Child => process::exit_now(panic::catch_unwind(AssertUnwindSafe(child)).unwrap_or(101)),
    }
}

fn end_of(child: ProcessId) -> ExitReason {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match process::reap(child) {
            Some(reason) => return reason,
            None if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
            None => {
                process::kill(child, 9).unwrap();
                panic!("process {child} does not end");
            }
        }
    }
}

fn pid_file() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.pid");
    (directory, path)
}

fn open_descriptors() -> Vec<i32> {
    let numbers: Vec<i32> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .collect();
    // That of the listing itself is closed by now.
    let mut open: Vec<i32> = numbers.into_iter().filter(|n| fs::read_link(format!("/proc/self/fd/{n}")).is_ok()).collect();
    open.sort_unstable();
    open
}

/// The values of a line of /proc/self/status.
fn status(name: &str) -> Vec<String> {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().map(str::to_owned).collect()
}

fn session() -> i32 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    text.rsplit(')').next().unwrap().split_whitespace().nth(3).unwrap().parse().unwrap()
}

fn is_root(what: &str) -> bool {
    let is_root = Identity::current().is_root();
    if !is_root {
        println!("skipped: {what} takes root");
    }
    is_root
}

const DEADLINE: Duration = Duration::from_secs(60);

macro_rules! tests {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name as fn())),*] };
}

const TESTS: &[(&str, fn())] = tests![
    a_child_has_its_own_number_and_its_end_is_told,
    a_child_that_is_killed_says_by_what,
    a_name_for_a_child_is_not_kept_by_its_parent,
    memory_that_is_shared_no_more_is_zero_and_its_own,
    what_a_parent_has_published_a_child_reads_and_cannot_write,
    a_child_keeps_only_what_it_is_told_to,
    a_user_is_dropped_to_for_good,
    a_user_who_is_already_it_keeps_the_groups_it_was_started_with,
    root_may_be_meant,
    a_root_directory_hides_what_is_outside,
    privileges_cannot_be_gained_any_more,
    a_daemon_is_detached_but_stays_where_it_was_started,
    a_daemon_that_fails_gives_its_launcher_code_and_reason,
    a_daemon_that_dies_does_not_keep_its_launcher_waiting,
    a_child_of_the_daemon_does_not_keep_its_launcher_waiting,
    a_pid_file_is_removed_by_the_process_that_wrote_it_only,
    a_pid_file_of_a_killed_process_is_stale_though_its_children_live,
    a_program_that_replaces_this_one_keeps_the_lock,
    a_listening_socket_is_no_standard_input,
    the_service_managers_variables_are_forgotten,
];

/// Runs the tests whose names contain the first argument that is no option, or all.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-')).map_or("", String::as_str);
    let mut failed = false;
    for (name, test) in TESTS.iter().filter(|(name, _)| name.contains(wanted)) {
        let child = fork(|| {
            test();
            0
        });
        let reason = panic::catch_unwind(|| end_of(child)).unwrap_or(ExitReason::Unknown);
        let passed = reason == ExitReason::Code(0);
        println!("test {name} ... {}", if passed { "ok".to_owned() } else { format!("FAILED: {reason}") });
        failed |= !passed;
    }
    ExitCode::from(u8::from(failed))
}
