use std::fmt;
use std::os::fd::RawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use log::Level;

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
        let log = open(&settings.target, settings)?;
        let access = match &settings.access {
            None => Access::Nowhere,
            Some(target) if *target == settings.target => Access::Log,
            Some(target) => Access::Own(open(target, settings)?),
        };
        Ok(Self { settings: settings.clone(), log, access })
    }

    /// Goes on as the settings say, or as before if that cannot be.
    pub(super) fn reconfigure(&mut self, settings: &Settings) -> Result<(), Error> {
        let mut new = Self::open(settings)?;
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
        Ok(())
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
            let line = Line { time: Timestamp::now(), level, pool, process, text };
            let mut pieces = Vec::new();
            self.log.sink.encode(&line, &mut |piece| pieces.push(piece));
            pieces.into_iter().for_each(|piece| self.log.push(piece));
            self.flush_log();
        }
    }

    /// Writes a line about this process.
    pub(super) fn write_own(&mut self, level: Level, text: &str) {
        let ident = self.settings.ident.clone();
        self.write(level, &ident, std::process::id(), format_args!("{text}"));
    }

    pub(super) fn write_access(&mut self, process: u32, line: &str) {
        let output = match &mut self.access {
            Access::Nowhere => return,
            Access::Log => &mut self.log,
            Access::Own(output) => output,
        };
        let mut pieces = Vec::new();
        output.sink.encode_access(process, &without_control(line), &mut |piece| pieces.push(piece));
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

    fn tell_lost(&mut self, what: &str, lost: Option<Lost>) {
        if let Some(Lost { count, cause }) = lost {
            self.write_own(Level::Warn, &format!("lines of the {what} that were lost: {count} ({cause})"));
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

fn open(target: &Target, settings: &Settings) -> Result<Output, Error> {
    Ok(Output::new(match target {
        Target::Stderr => Box::new(Stream::new(std::io::stderr())),
        Target::File(path) => Box::new(LogFile::open(path)?),
        Target::Syslog => Box::new(Syslog::open(&settings.syslog_socket, &settings.ident, settings.facility)?),
    }))
}

/// What makes two outputs the same.
fn place<'a>(target: &'a Target, settings: &'a Settings) -> (&'a Target, Option<&'a Path>) {
    (target, Some(settings.syslog_socket.as_path()).filter(|_| *target == Target::Syslog))
}

fn access_place(settings: &Settings) -> Option<(&Target, Option<&Path>)> {
    settings.access.as_ref().map(|target| place(target, settings))
}

/// Lines of the access log come from the process of the application, which could send others than ours.
fn without_control(line: &str) -> std::borrow::Cow<'_, str> {
    if line.contains(char::is_control) { line.replace(char::is_control, "?").into() } else { line.into() }
}

const LOG: &str = "log";
const ACCESS_LOG: &str = "access log";
/// How long to wait for a syslog daemon that is not there.
const RETRY: Duration = Duration::from_millis(200);
