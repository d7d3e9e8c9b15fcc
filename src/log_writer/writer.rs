//! All targets of the log, and which lines go to which.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::RawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use log::Level;

use super::file::LogFile;
use super::output::{Lost, Output};
use super::sink::Sink;
use super::stream::Stream;
use super::syslog::Syslog;
use super::{Error, Line, LogTarget, Settings, Targets};

use shared::logging::access::Answered;
use shared::logging::codes::{self, Code};
use shared::logging::{Timestamp, unix_millis};
use shared::settings::AppLog;
use shared::sys::log_io;

/// The outputs of a process that writes its log itself.
pub struct Writer {
    pub(super) settings: Settings,
    /// Invariant: that of the log is the first, and no two have one target, so that lines stay whole.
    outlets: Vec<Outlet>,
    usual: Route,
    /// Of pools that have logs of their own.
    routes: BTreeMap<String, Route>,
    /// Lines that were lost by outputs that are no more.
    lost_before: u64,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

struct Outlet {
    target: LogTarget,
    /// What is lost with it.
    name: String,
    output: Output,
}

/// How bad a message is, and what it means if pyfcgid says it.
pub(super) type Kind = (Level, Option<Code>);

/// Where the lines of a pool go: indices of outlets.
#[derive(Clone, Copy)]
struct Route {
    log: usize,
    access: Option<usize>,
}

impl Writer {
    /// One as these settings say, perhaps to be [installed](Self::install) in the place of the one before.
    pub(super) fn open(settings: &Settings, before: Option<&Self>) -> Result<Self, Error> {
        let known_syslog = before.and_then(Self::known_syslog);
        let mut outlets = Vec::new();
        let mut route = |log: &LogTarget, access: Option<&LogTarget>, of_pool: &str| {
            let mut outlet = |target: &LogTarget, what: &str| {
                if let Some(index) = outlets.iter().position(|outlet: &Outlet| outlet.target == *target) {
                    return Ok(index);
                }
                let output = open(target, settings, known_syslog)?;
                outlets.push(Outlet { target: target.clone(), name: format!("{what}{of_pool}"), output });
                Ok(outlets.len() - 1)
            };
            Ok(Route { log: outlet(log, LOG)?, access: access.map(|target| outlet(target, ACCESS_LOG)).transpose()? })
        };
        let usual = route(&settings.target, settings.access.as_ref(), "")?;
        let of_pool = |(pool, Targets { log, access }): (&String, &Targets)| {
            Ok((pool.clone(), route(log, access.as_ref(), &format!(" of pool {pool}"))?))
        };
        let routes = settings.pools.iter().map(of_pool).collect::<Result<_, Error>>()?;
        Ok(Self { settings: settings.clone(), outlets, usual, routes, lost_before: 0 })
    }

    /// Whether [`Self::open`] would succeed. Makes nothing.
    pub(super) fn check(settings: &Settings) -> Result<(), Error> {
        let of_pools = settings.pools.values().flat_map(|targets| [Some(&targets.log), targets.access.as_ref()]);
        let targets = [Some(&settings.target), settings.access.as_ref()].into_iter().chain(of_pools);
        targets.flatten().try_for_each(|target| match target {
            LogTarget::File(path) => LogFile::check(path),
            LogTarget::Stderr | LogTarget::Stdout | LogTarget::Syslog => open(target, settings, None).map(drop),
        })
    }

    /// Goes on as another one.
    pub(super) fn install(&mut self, new: Self) {
        self.flush();
        let old = std::mem::replace(self, new);
        self.lost_before = old.lost_before;
        for mut outlet in old.outlets {
            let goes_there = |new: &&mut Outlet| place(&new.target, &self.settings) == place(&outlet.target, &old.settings);
            match self.outlets.iter_mut().find(goes_there) {
                Some(new) => new.output.take_over(&mut outlet.output),
                None => {
                    if let Some(lost) = outlet.output.abandon() {
                        self.tell_lost(&outlet.name, &lost);
                    }
                    self.lost_before += outlet.output.lost_so_far;
                }
            }
        }
    }

    /// How many lines were lost so far.
    pub(super) fn lost_so_far(&self) -> u64 {
        self.outlets.iter().map(|outlet| outlet.output.lost_so_far).sum::<u64>() + self.lost_before
    }

    /// Where a syslog daemon has been.
    fn known_syslog(&self) -> Option<&Path> {
        let is_syslog = |outlet: &Outlet| outlet.target == LogTarget::Syslog;
        self.outlets.iter().any(is_syslog).then_some(&self.settings.syslog_socket)
    }

    fn route(&self, pool: &str) -> Route {
        self.routes.get(pool).copied().unwrap_or(self.usual)
    }

    pub(super) fn write(&mut self, form: AppLog, (level, code): Kind, pool: &str, process: u32, text: &str) {
        if level <= self.settings.level {
            let line = Line { time: Timestamp::now(), level, pool, process, code, text };
            self.put(self.route(pool).log, |sink| sink.encode(&line, form));
        }
    }

    /// Writes a line about this process, which is of no pool, whatever the level.
    pub(super) fn write_own(&mut self, (level, code): Kind, text: &str) {
        let pool = &self.settings.ident.clone();
        let line = Line { time: Timestamp::now(), level, pool, process: std::process::id(), code, text };
        self.put(self.usual.log, |sink| sink.encode(&line, AppLog::Decorated));
    }

    pub(super) fn write_access(&mut self, pool: &str, process: u32, values: &str) {
        if let Some(index) = self.route(pool).access {
            let line = self.settings.access_format.line(pool, process, values);
            self.put(index, |sink| sink.encode_access(process, &line));
        }
    }

    pub(super) fn write_access_of(&mut self, pool: &str, process: u32, answered: &Answered<'_>) {
        let values = self.settings.access_format.values(answered, unix_millis());
        let is_known = |line: &&str| !line.starts_with("body_bytes_sent=") && !line.starts_with("request_length=");
        let known: Vec<&str> = values.lines().filter(is_known).collect();
        self.write_access(pool, process, &known.join("\n"));
    }

    /// Writes pieces, or has them wait.
    fn put(&mut self, index: usize, encode: impl FnOnce(&dyn Sink) -> Vec<Vec<u8>>) {
        if let Some(Outlet { output, .. }) = self.outlets.get_mut(index) {
            encode(&*output.sink).into_iter().for_each(|piece| output.push(piece));
        }
        self.flush_outlet(index);
    }

    pub(super) fn flush(&mut self) {
        // The log last, where losses are told.
        (0..self.outlets.len()).rev().for_each(|index| self.flush_outlet(index));
    }

    fn flush_outlet(&mut self, index: usize) {
        let Some(Outlet { name, output, .. }) = self.outlets.get_mut(index) else {
            return;
        };
        output.flush();
        if let Some(lost) = output.take_lost() {
            let name = name.clone();
            self.tell_lost(&name, &lost);
        }
    }

    /// Whatever the level: who asked for errors alone wants to know that some are missing.
    fn tell_lost(&mut self, what: &str, Lost { count, cause }: &Lost) {
        self.write_own((Level::Warn, Some(codes::LINES_LOST)), &format!("lost lines of the {what}: {count} ({cause})"));
    }

    /// Opens files again and reconnects to the syslog daemon, after a rotation. What fails is logged, to the old file.
    pub fn reopen(&mut self) {
        let results: Vec<_> = self.outlets.iter_mut().map(|outlet| outlet.output.reopen()).collect();
        for error in results.into_iter().filter_map(Result::err) {
            self.write_own((Level::Error, Some(codes::LOG_NOT_REOPENED)), &error.to_string());
        }
        self.flush();
    }

    fn waiting(&self) -> impl Iterator<Item = &Output> {
        self.outlets.iter().map(|outlet| &outlet.output).filter(|output| output.is_waiting())
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

fn open(target: &LogTarget, settings: &Settings, known_syslog: Option<&Path>) -> Result<Output, Error> {
    let Settings { syslog_socket, ident, facility, .. } = settings;
    Ok(Output::new(match target {
        LogTarget::Stderr => Box::new(Stream(std::io::stderr())),
        LogTarget::Stdout => Box::new(Stream::stdout()?),
        LogTarget::File(path) => Box::new(LogFile::open(path)?),
        LogTarget::Syslog if known_syslog == Some(syslog_socket) => {
            Box::new(Syslog::unconnected(syslog_socket, ident, *facility))
        }
        LogTarget::Syslog => Box::new(Syslog::open(syslog_socket, ident, *facility)?),
    }))
}

/// What makes two outputs the same.
fn place<'a>(target: &'a LogTarget, settings: &'a Settings) -> (&'a LogTarget, Option<&'a Path>) {
    (target, Some(settings.syslog_socket.as_path()).filter(|_| *target == LogTarget::Syslog))
}

const LOG: &str = "log";
const ACCESS_LOG: &str = "access log";
/// How long to wait for a syslog daemon that is not there.
const RETRY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
