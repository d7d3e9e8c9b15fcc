use std::fmt;
use std::os::fd::RawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use log::{Level, LevelFilter};

use super::file::LogFile;
use super::output::{Lost, Output};
use super::stream::Stream;
use super::syslog::Syslog;
use super::{Error, Line, Settings, Target, Timestamp};
use crate::sys::log_io;

/// The outputs of a process that writes its log itself.
pub(super) struct Hub {
    settings: Settings,
    log: Output,
    access: Access,
}

/// Where the access log goes.
enum Access {
    Nowhere,
    /// Where the log goes, so that lines stay whole.
    Log,
    Own(Output),
}

impl Hub {
    pub(super) fn open(settings: &Settings) -> Result<Self, Error> {
        Self::open_after(settings, None)
    }

    /// `known_syslog` is where a syslog daemon has been before.
    fn open_after(settings: &Settings, known_syslog: Option<&Path>) -> Result<Self, Error> {
        let open = |target| open(target, settings, known_syslog);
        let log = open(&settings.target)?;
        let access = match &settings.access {
            None => Access::Nowhere,
            Some(target) if *target == settings.target => Access::Log,
            Some(target) => Access::Own(open(target)?),
        };
        Ok(Self { settings: settings.clone(), log, access })
    }

    /// Whether [`Self::open`] would succeed. Makes nothing.
    pub(super) fn check(settings: &Settings) -> Result<(), Error> {
        let targets = [Some(&settings.target), settings.access.as_ref()];
        targets.into_iter().flatten().try_for_each(|target| match target {
            Target::File(path) => LogFile::check(path),
            Target::Stderr | Target::Syslog => open(target, settings, None).map(drop),
        })
    }

    /// One as these settings say, to be [installed](Self::install) in the place of this one.
    pub(super) fn prepare(&self, settings: &Settings) -> Result<Self, Error> {
        Self::open_after(settings, self.known_syslog())
    }

    pub(super) fn level(&self) -> LevelFilter {
        self.settings.level
    }

    /// Goes on as another one.
    pub(super) fn install(&mut self, mut new: Self) {
        self.flush();
        let lost = if place(&new.settings.target, &new.settings) == place(&self.settings.target, &self.settings) {
            new.log.take_over(&mut self.log);
            None
        } else {
            self.log.abandon()
        };
        let old = std::mem::replace(self, new);
        let lost_access = self.take_over_access(old);
        self.tell_lost(LOG, lost);
        self.tell_lost(ACCESS_LOG, lost_access);
    }

    fn known_syslog(&self) -> Option<&Path> {
        let targets = [Some(&self.settings.target), self.settings.access.as_ref()];
        targets.contains(&Some(&Target::Syslog)).then_some(&self.settings.syslog_socket)
    }

    fn take_over_access(&mut self, old: Self) -> Option<Lost> {
        let Access::Own(mut output) = old.access else {
            return None;
        };
        match &mut self.access {
            Access::Own(new) if access_place(&old.settings) == access_place(&self.settings) => {
                new.take_over(&mut output);
                None
            }
            _ => output.abandon(),
        }
    }

    pub(super) fn write(&mut self, level: Level, pool: &str, process: u32, text: fmt::Arguments<'_>) {
        if level <= self.settings.level {
            self.write_line(&Line { time: Timestamp::now(), level, pool, process, text });
        }
    }

    pub(super) fn write_plain(&mut self, level: Level, pool: &str, process: u32, text: fmt::Arguments<'_>) {
        if level <= self.settings.level {
            let mut pieces = Vec::new();
            let line = Line { time: Timestamp::now(), level, pool, process, text };
            self.log.sink.encode_plain(&line, &mut |piece| pieces.push(piece));
            pieces.into_iter().for_each(|piece| self.log.push(piece));
            self.flush_log();
        }
    }

    fn write_line(&mut self, line: &Line<'_>) {
        let mut pieces = Vec::new();
        self.log.sink.encode(line, &mut |piece| pieces.push(piece));
        pieces.into_iter().for_each(|piece| self.log.push(piece));
        self.flush_log();
    }

    /// Writes a line about this process.
    pub(super) fn write_own(&mut self, level: Level, text: &str) {
        let ident = self.settings.ident.clone();
        self.write(level, &ident, std::process::id(), format_args!("{text}"));
    }

    pub(super) fn write_access(&mut self, pool: &str, process: u32, values: &str) {
        let output = match &mut self.access {
            Access::Nowhere => return,
            Access::Log => &mut self.log,
            Access::Own(output) => output,
        };
        let mut pieces = Vec::new();
        let line = self.settings.access_format.line(pool, process, values);
        output.sink.encode_access(process, &line, &mut |piece| pieces.push(piece));
        pieces.into_iter().for_each(|piece| output.push(piece));
        self.flush();
    }

    pub(super) fn flush(&mut self) {
        if let Access::Own(output) = &mut self.access {
            output.flush();
            let lost = output.take_lost();
            self.tell_lost(ACCESS_LOG, lost);
        }
        self.flush_log();
    }

    fn flush_log(&mut self) {
        self.log.flush();
        let lost = self.log.take_lost();
        self.tell_lost(LOG, lost);
    }

    /// Whatever the level: who asked for errors alone wants to know that some are missing.
    fn tell_lost(&mut self, what: &str, lost: Option<Lost>) {
        if let Some(Lost { count, cause }) = lost {
            let pool = self.settings.ident.clone();
            let text = format_args!("lines of the {what} that were lost: {count} ({cause})");
            let (time, process) = (Timestamp::now(), std::process::id());
            self.write_line(&Line { time, level: Level::Warn, pool: &pool, process, text });
        }
    }

    pub(super) fn reopen(&mut self) {
        let (log, access) = (self.log.reopen(), self.own_access().map(Output::reopen));
        for error in [log.err(), access.and_then(Result::err)].into_iter().flatten() {
            self.write_own(Level::Error, &error.to_string());
        }
        self.flush();
    }

    fn own_access(&mut self) -> Option<&mut Output> {
        if let Access::Own(output) = &mut self.access { Some(output) } else { None }
    }

    fn waiting(&self) -> impl Iterator<Item = &Output> {
        let access = if let Access::Own(output) = &self.access { Some(output) } else { None };
        [Some(&self.log), access].into_iter().flatten().filter(|output| output.is_waiting())
    }

    pub(super) fn blocked(&self) -> Vec<RawFd> {
        self.waiting().filter_map(|output| output.sink.descriptor()).collect()
    }

    pub(super) fn retry_in(&self) -> Option<Duration> {
        self.waiting().any(|output| output.sink.descriptor().is_none()).then_some(RETRY)
    }

    pub(super) fn flush_at_end(&mut self, limit: Duration) {
        let end = Instant::now() + limit;
        self.flush();
        while self.waiting().next().is_some() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            log_io::wait_until_writable(&self.blocked(), left.min(self.retry_in().unwrap_or(left)));
            self.flush();
        }
    }
}

fn open(target: &Target, settings: &Settings, known_syslog: Option<&Path>) -> Result<Output, Error> {
    let Settings { syslog_socket, ident, facility, .. } = settings;
    Ok(Output::new(match target {
        Target::Stderr => Box::new(Stream::new(std::io::stderr())),
        Target::File(path) => Box::new(LogFile::open(path)?),
        Target::Syslog if known_syslog == Some(syslog_socket) => Box::new(Syslog::unconnected(syslog_socket, ident, *facility)),
        Target::Syslog => Box::new(Syslog::open(syslog_socket, ident, *facility)?),
    }))
}

/// What makes two outputs the same.
fn place<'a>(target: &'a Target, settings: &'a Settings) -> (&'a Target, Option<&'a Path>) {
    (target, Some(settings.syslog_socket.as_path()).filter(|_| *target == Target::Syslog))
}

fn access_place(settings: &Settings) -> Option<(&Target, Option<&Path>)> {
    settings.access.as_ref().map(|target| place(target, settings))
}

const LOG: &str = "log";
const ACCESS_LOG: &str = "access log";
/// How long to wait for a syslog daemon that is not there.
const RETRY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;

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
                target: Target::File(self.path(name)),
                access_format: "GET $request_uri".parse().unwrap(),
                ..Settings::default()
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

    fn say(hub: &mut Hub, text: &str) {
        hub.write(Level::Info, "blog", 7, format_args!("{text}"));
    }

    #[test]
    fn a_file_gets_lines_at_its_end_up_to_the_level() {
        let place = Place::new();
        fs::write(place.path("log"), "old\n").unwrap();
        let mut hub = Hub::open(&place.settings("log")).unwrap();
        say(&mut hub, "new");
        hub.write(Level::Debug, "blog", 7, format_args!("too detailed"));
        assert_eq!(place.lines("log"), ["old", "[info] blog[7]: new"]);
    }

    #[test]
    fn a_new_file_is_not_for_everybody() {
        let place = Place::new();
        Hub::open(&place.settings("log")).unwrap();
        assert_eq!(fs::metadata(place.path("log")).unwrap().permissions().mode() & 0o137, 0);
    }

    #[test]
    fn reopening_follows_a_rotation() {
        let place = Place::new();
        let settings = Settings { access: Some(Target::File(place.path("access"))), ..place.settings("log") };
        let mut hub = Hub::open(&settings).unwrap();
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
        let mut hub = Hub::open(&place.settings("log")).unwrap();
        fs::rename(place.path("log"), place.path("log.1")).unwrap();
        fs::create_dir(place.path("log")).unwrap();
        hub.reopen();
        say(&mut hub, "still here");
        let lines = place.lines("log.1");
        assert!(lines[0].starts_with("[error] pyfcgid[") && lines[0].contains("can't open the log file"), "{lines:?}");
        assert_eq!(lines[1], "[info] blog[7]: still here");
    }

    #[test]
    fn settings_that_cannot_be_change_nothing() {
        let place = Place::new();
        let mut hub = Hub::open(&place.settings("log")).unwrap();
        let bad_access = Settings { access: Some(Target::File(place.path("no/such"))), ..place.settings("other") };
        let error = hub.prepare(&bad_access).map(drop).unwrap_err().to_string();
        assert!(error.contains("no/such"), "{error}");
        say(&mut hub, "as before");
        assert_eq!(place.lines("log"), ["[info] blog[7]: as before"]);
    }

    #[test]
    fn new_settings_take_effect_at_once() {
        let place = Place::new();
        let mut hub = Hub::open(&place.settings("log")).unwrap();
        let new = hub.prepare(&Settings { level: LevelFilter::Error, ..place.settings("other") }).unwrap();
        say(&mut hub, "still here");
        hub.install(new);
        say(&mut hub, "not wanted");
        hub.write(Level::Error, "blog", 7, format_args!("wanted"));
        assert_eq!(
            (place.lines("log"), place.lines("other")),
            (vec!["[info] blog[7]: still here".to_owned()], vec!["[error] blog[7]: wanted".to_owned()])
        );
    }

    #[test]
    fn a_full_disk_costs_lines_which_are_told_when_there_is_room() {
        let place = Place::new();
        symlink("/dev/full", place.path("log")).unwrap();
        let mut hub = Hub::open(&place.settings("log")).unwrap();
        say(&mut hub, "one");
        say(&mut hub, "two");
        assert!(hub.blocked().is_empty() && hub.retry_in().is_none());
        fs::remove_file(place.path("log")).unwrap();
        hub.reopen();
        say(&mut hub, "three");
        let lines = place.lines("log");
        assert_eq!(lines[0], "[info] blog[7]: three");
        assert!(lines[1].contains("lines of the log that were lost: 2 (No space left on device"), "{lines:?}");
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn losses_of_the_access_log_are_told_in_the_log() {
        let place = Place::new();
        symlink("/dev/full", place.path("access")).unwrap();
        let settings = Settings { access: Some(Target::File(place.path("access"))), ..place.settings("log") };
        let mut hub = Hub::open(&settings).unwrap();
        hub.write_access("blog", 7, "request_uri=lost\n");
        fs::remove_file(place.path("access")).unwrap();
        hub.reopen();
        hub.write_access("blog", 7, "request_uri=kept\n");
        assert_eq!(place.text("access"), "GET kept\n");
        assert!(place.text("log").contains("lines of the access log that were lost: 1 ("));
    }

    #[test]
    fn the_access_log_may_share_the_log() {
        let place = Place::new();
        let settings = Settings { access: Some(Target::File(place.path("log"))), ..place.settings("log") };
        let mut hub = Hub::open(&settings).unwrap();
        hub.write_access("blog", 7, "request_uri=/\x0bforged\0\n");
        say(&mut hub, "one");
        assert_eq!(place.lines("log"), ["GET /\\x0Bforged\\x00", "[info] blog[7]: one"]);
    }

    #[test]
    fn a_named_pipe_is_not_waited_for() {
        let place = Place::new();
        let status = std::process::Command::new("mkfifo").arg(place.path("log")).status().unwrap();
        assert!(status.success());
        let error = Hub::open(&place.settings("log")).map(drop).unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error}");
    }

    #[test]
    fn new_settings_do_not_need_the_syslog_daemon_that_was_there() {
        let place = Place::new();
        let bind = || std::os::unix::net::UnixDatagram::bind(place.path("socket")).unwrap();
        let daemon = bind();
        let settings = Settings { target: Target::Syslog, syslog_socket: place.path("socket"), ..Settings::default() };
        let mut hub = Hub::open(&settings).unwrap();
        drop(daemon);
        fs::remove_file(place.path("socket")).unwrap();
        say(&mut hub, "one");
        let new = hub.prepare(&settings).unwrap();
        hub.install(new);
        say(&mut hub, "two");
        let elsewhere = Settings { syslog_socket: place.path("elsewhere"), ..settings };
        assert!(matches!(hub.prepare(&elsewhere), Err(Error::Syslog { .. })));
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
        let settings = Settings { target: Target::Syslog, syslog_socket: place.path("socket"), ..Settings::default() };
        let mut hub = Hub::open(&settings).unwrap();
        say(&mut hub, "nobody listens");
        assert_eq!((hub.blocked(), hub.retry_in()), (vec![], Some(RETRY)));
        let begin = Instant::now();
        hub.flush_at_end(Duration::from_millis(50));
        assert!(begin.elapsed() >= Duration::from_millis(50));
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}
