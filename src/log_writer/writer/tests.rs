use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use log::LevelFilter;
use shared::logging::access::Format;
use tempfile::TempDir;

use super::*;
use crate::log_writer::Facility;

/// As most have them.
fn usual() -> Settings {
    Settings {
        target: LogTarget::Stderr,
        level: LevelFilter::Info,
        ident: "pyfcgid".to_owned(),
        facility: Facility::parse("daemon").unwrap(),
        syslog_socket: PathBuf::from("/dev/log"),
        access: None,
        access_format: Format::default(),
        pools: BTreeMap::new(),
    }
}

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn settings(&self, name: &str) -> Settings {
        Settings {
            target: LogTarget::File(self.path(name)),
            access_format: Format::parse("GET $request_uri").unwrap(),
            ..usual()
        }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The lines without their times.
    fn lines(&self, name: &str) -> Vec<String> {
        self.text(name).lines().map(|line| line[line.find('[').unwrap_or(0)..].to_owned()).collect()
    }
}

fn say(hub: &mut Writer, text: &str) {
    hub.write(AppLog::Decorated, (Level::Info, None), "blog", 7, text);
}

#[test]
fn a_file_gets_lines_at_its_end_up_to_the_level() {
    let place = Place::new();
    fs::write(place.path("log"), "old\n").unwrap();
    let mut hub = Writer::open(&place.settings("log"), None).unwrap();
    say(&mut hub, "new");
    hub.write(AppLog::Decorated, (Level::Debug, None), "blog", 7, "too detailed");
    assert_eq!(place.lines("log"), ["old", "[info] blog[7]: new"]);
}

#[test]
fn a_new_file_is_not_for_everybody() {
    let place = Place::new();
    Writer::open(&place.settings("log"), None).unwrap();
    assert_eq!(fs::metadata(place.path("log")).unwrap().permissions().mode() & 0o137, 0);
}

#[test]
fn reopening_follows_a_rotation() {
    let place = Place::new();
    let settings = Settings { access: Some(LogTarget::File(place.path("access"))), ..place.settings("log") };
    let mut hub = Writer::open(&settings, None).unwrap();
    say(&mut hub, "one");
    hub.write_access("blog", 7, "request_uri=one\n");
    for name in ["log", "access"] {
        fs::rename(place.path(name), place.path(&format!("{name}.1"))).unwrap();
    }
    say(&mut hub, "still old");
    hub.reopen();
    say(&mut hub, "two");
    hub.write_access("blog", 7, "request_uri=two\n");
    assert_eq!(place.lines("log.1"), ["[info] blog[7]: one", "[info] blog[7]: still old"]);
    assert_eq!(place.lines("log"), ["[info] blog[7]: two"]);
    assert_eq!((place.text("access.1"), place.text("access")), ("GET one\n".to_owned(), "GET two\n".to_owned()));
}

#[test]
fn a_file_that_cannot_be_reopened_stays_and_is_told_why() {
    let place = Place::new();
    let mut hub = Writer::open(&place.settings("log"), None).unwrap();
    fs::rename(place.path("log"), place.path("log.1")).unwrap();
    fs::create_dir(place.path("log")).unwrap();
    hub.reopen();
    say(&mut hub, "still here");
    let lines = place.lines("log.1");
    assert!(lines[0].starts_with("[error] pyfcgid[") && lines[0].contains("cannot open the log file"), "{lines:?}");
    assert_eq!(lines[1], "[info] blog[7]: still here");
}

#[test]
fn settings_that_cannot_be_change_nothing() {
    let place = Place::new();
    let mut hub = Writer::open(&place.settings("log"), None).unwrap();
    let bad_access = Settings { access: Some(LogTarget::File(place.path("no/such"))), ..place.settings("other") };
    let error = Writer::open(&bad_access, Some(&hub)).map(drop).unwrap_err().to_string();
    assert!(error.contains("no/such"), "{error}");
    say(&mut hub, "as before");
    assert_eq!(place.lines("log"), ["[info] blog[7]: as before"]);
}

#[test]
fn new_settings_take_effect_at_once() {
    let place = Place::new();
    let mut hub = Writer::open(&place.settings("log"), None).unwrap();
    let new = Writer::open(&Settings { level: LevelFilter::Error, ..place.settings("other") }, Some(&hub)).unwrap();
    say(&mut hub, "still here");
    hub.install(new);
    say(&mut hub, "not wanted");
    hub.write(AppLog::Decorated, (Level::Error, None), "blog", 7, "wanted");
    assert_eq!(
        (place.lines("log"), place.lines("other")),
        (vec!["[info] blog[7]: still here".to_owned()], vec!["[error] blog[7]: wanted".to_owned()])
    );
}

#[test]
fn a_full_disk_costs_lines_which_are_told_when_there_is_room() {
    let place = Place::new();
    symlink("/dev/full", place.path("log")).unwrap();
    let mut hub = Writer::open(&place.settings("log"), None).unwrap();
    say(&mut hub, "one");
    say(&mut hub, "two");
    assert!(hub.blocked().is_empty() && hub.retry_in().is_none());
    fs::remove_file(place.path("log")).unwrap();
    hub.reopen();
    say(&mut hub, "three");
    let lines = place.lines("log");
    assert_eq!(lines[0], "[info] blog[7]: three");
    assert!(lines[1].contains("lost lines of the log: 2 (No space left on device"), "{lines:?}");
    assert_eq!((lines.len(), hub.lost_so_far()), (2, 2));
    let elsewhere = Writer::open(&place.settings("other"), None).unwrap();
    hub.install(elsewhere);
    assert_eq!(hub.lost_so_far(), 2);
}

#[test]
fn losses_of_the_access_log_are_told_in_the_log() {
    let place = Place::new();
    symlink("/dev/full", place.path("access")).unwrap();
    let settings = Settings { access: Some(LogTarget::File(place.path("access"))), ..place.settings("log") };
    let mut hub = Writer::open(&settings, None).unwrap();
    hub.write_access("blog", 7, "request_uri=lost\n");
    fs::remove_file(place.path("access")).unwrap();
    hub.reopen();
    hub.write_access("blog", 7, "request_uri=kept\n");
    assert_eq!(place.text("access"), "GET kept\n");
    assert!(place.text("log").contains("lost lines of the access log: 1 ("));
}

#[test]
fn the_access_log_may_share_the_log() {
    let place = Place::new();
    let settings = Settings { access: Some(LogTarget::File(place.path("log"))), ..place.settings("log") };
    let mut hub = Writer::open(&settings, None).unwrap();
    hub.write_access("blog", 7, "request_uri=/\x0bforged\0\n");
    say(&mut hub, "one");
    assert_eq!(place.lines("log"), ["GET /\\x0Bforged\\x00", "[info] blog[7]: one"]);
}

#[test]
fn a_pool_has_logs_of_its_own_and_shares_files_with_others() {
    let place = Place::new();
    let file = |name: &str| LogTarget::File(place.path(name));
    let pools = [
        ("blog".to_owned(), Targets { log: file("blog"), access: Some(file("log")) }),
        ("shop".to_owned(), Targets { log: file("log"), access: None }),
    ];
    let settings = Settings { access: Some(file("access")), pools: pools.into(), ..place.settings("log") };
    let mut hub = Writer::open(&settings, None).unwrap();
    assert_eq!(hub.outlets.len(), 3);
    for pool in ["blog", "shop", "wiki"] {
        hub.write(AppLog::Decorated, (Level::Info, None), pool, 7, "said");
        hub.write_access(pool, 7, &format!("request_uri={pool}\n"));
    }
    hub.write_own((Level::Info, None), "own");
    let own = format!("[info] pyfcgid[{}]: own", std::process::id());
    assert_eq!(place.lines("blog"), ["[info] blog[7]: said"]);
    assert_eq!(place.lines("log"), ["GET blog", "[info] shop[7]: said", "[info] wiki[7]: said", &own]);
    assert_eq!(place.text("access"), "GET wiki\n");
    fs::rename(place.path("blog"), place.path("blog.1")).unwrap();
    hub.reopen();
    say(&mut hub, "again");
    assert_eq!(place.lines("blog"), ["[info] blog[7]: again"]);
}

#[test]
fn losses_of_a_pool_s_log_are_told_in_the_log() {
    let place = Place::new();
    symlink("/dev/full", place.path("blog")).unwrap();
    let pools = [("blog".to_owned(), Targets { log: LogTarget::File(place.path("blog")), access: None })];
    let mut hub = Writer::open(&Settings { pools: pools.into(), ..place.settings("log") }, None).unwrap();
    say(&mut hub, "lost");
    fs::remove_file(place.path("blog")).unwrap();
    hub.reopen();
    say(&mut hub, "kept");
    assert_eq!(place.lines("blog"), ["[info] blog[7]: kept"]);
    assert!(place.text("log").contains("lost lines of the log of pool blog: 1 ("));
}

#[test]
fn a_named_pipe_is_not_waited_for() {
    let place = Place::new();
    let status = std::process::Command::new("mkfifo").arg(place.path("log")).status().unwrap();
    assert!(status.success());
    let error = Writer::open(&place.settings("log"), None).map(drop).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
}

#[test]
fn new_settings_do_not_need_the_syslog_daemon_that_was_there() {
    let place = Place::new();
    let bind = || std::os::unix::net::UnixDatagram::bind(place.path("socket")).unwrap();
    let daemon = bind();
    let settings = Settings { target: LogTarget::Syslog, syslog_socket: place.path("socket"), ..usual() };
    let mut hub = Writer::open(&settings, None).unwrap();
    drop(daemon);
    fs::remove_file(place.path("socket")).unwrap();
    say(&mut hub, "one");
    let new = Writer::open(&settings, Some(&hub)).unwrap();
    hub.install(new);
    say(&mut hub, "two");
    let elsewhere = Settings { syslog_socket: place.path("elsewhere"), ..settings };
    assert!(matches!(Writer::open(&elsewhere, Some(&hub)), Err(Error::Syslog { .. })));
    let daemon = bind();
    daemon.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    hub.flush();
    for text in ["one", "two"] {
        let mut buffer = [0; 200];
        let length = daemon.recv(&mut buffer).unwrap();
        assert!(buffer[..length].ends_with(text.as_bytes()), "{text}");
    }
}

#[test]
fn the_end_waits_only_so_long_for_a_syslog_daemon() {
    let place = Place::new();
    drop(std::os::unix::net::UnixDatagram::bind(place.path("socket")).unwrap());
    let settings = Settings { target: LogTarget::Syslog, syslog_socket: place.path("socket"), ..usual() };
    let mut hub = Writer::open(&settings, None).unwrap();
    say(&mut hub, "nobody listens");
    assert_eq!((hub.blocked(), hub.retry_in()), (vec![], Some(RETRY)));
    let begin = Instant::now();
    hub.flush_at_end(Duration::from_millis(50));
    assert!(begin.elapsed() >= Duration::from_millis(50));
    assert!(begin.elapsed() < Duration::from_secs(5));
}
