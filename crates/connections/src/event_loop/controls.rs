//! The sockets on which the event loop hears commands. The first one is the link to the supervisor: reports go out there, and its end
//! means that the supervisor is no more.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;

use mio::net::UnixStream;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use shared::link::{Command, Report};

/// The control sockets.
#[derive(Debug)]
pub struct Controls {
    streams: Vec<UnixStream>,
    /// What is left of a report of which the socket has taken a part.
    begun: Vec<u8>,
    /// Reports that the socket did not take. Invariant: none supersedes another, so there are few.
    unsent: VecDeque<Report>,
}

/// What was heard on one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A command.
    Command(Command),
    /// The supervisor has gone.
    LinkEnded,
}

impl Controls {
    /// Watches `streams`, whose tokens start from 0.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn new(streams: Vec<UnixStream>, registry: &Registry) -> io::Result<Self> {
        for (token, stream) in streams.iter().enumerate() {
            registry.register(&mut SourceFd(&stream.as_raw_fd()), Token(token), Interest::READABLE)?;
        }
        Ok(Self { streams, begun: Vec::new(), unsent: VecDeque::new() })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.streams.len()
    }

    /// Reads what is there on one of them.
    pub fn read(&mut self, index: usize) -> Vec<Heard> {
        let mut heard = Vec::new();
        let mut bytes = [0; 16];
        loop {
            match self.streams[index].read(&mut bytes) {
                Ok(0) if index == LINK => heard.push(Heard::LinkEnded),
                Ok(count @ 1..) => {
                    heard.extend(bytes[..count].iter().filter_map(|byte| Command::from_repr(*byte)).map(Heard::Command));
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // A supervisor that was killed before it had read everything resets the link.
                Err(_) if index == LINK => heard.push(Heard::LinkEnded),
                _ => {}
            }
            return heard;
        }
    }

    /// Tells the supervisor.
    pub fn report(&mut self, report: &Report) {
        self.unsent.retain(|earlier| !report.supersedes(earlier));
        self.unsent.push_back(report.clone());
        self.flush();
    }

    /// Sends what the link did not take before. Reports go whole, however slowly the supervisor reads: it would end a child that
    /// breaks off.
    pub fn flush(&mut self) {
        loop {
            if self.begun.is_empty() {
                let Some(report) = self.unsent.pop_front() else { return };
                self.begun = report.encode();
            }
            match self.streams.get_mut(LINK).map(|link| link.write(&self.begun)) {
                Some(Ok(count @ 1..)) => drop(self.begun.drain(..count)),
                Some(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => return,
                _ => {
                    self.begun.clear();
                    return self.unsent.clear();
                }
            }
        }
    }
}

const LINK: usize = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use shared::link::{Reports, VERSION};

    /// The controls of a child, and the supervisor's end of the link.
    fn controls() -> (Controls, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        let poll = mio::Poll::new().unwrap();
        (Controls::new(vec![near], poll.registry()).unwrap(), far)
    }

    #[test]
    fn commands_are_heard_before_the_end_of_the_link() {
        let (mut controls, mut far) = controls();
        assert_eq!(controls.read(LINK), []);
        far.write_all(&[Command::Hold as u8, Command::Retire as u8]).unwrap();
        assert_eq!(controls.read(LINK), [Heard::Command(Command::Hold), Heard::Command(Command::Retire)]);
        drop(far);
        assert_eq!(controls.read(LINK), [Heard::LinkEnded]);
    }

    #[test]
    fn a_supervisor_that_reads_late_gets_whole_reports_and_the_last_of_each() {
        let (mut controls, mut far) = controls();
        for _ in 0..200_000 {
            controls.report(&Report::Saturated);
            controls.report(&Report::Relieved);
        }
        controls.report(&Report::Worn);
        controls.report(&Report::Retired);
        assert!(controls.unsent.len() <= 3, "{}", controls.unsent.len());
        let (mut decoder, mut reports) = (Reports::of_version(VERSION), Vec::new());
        let mut buffer = [0; 4093];
        while let Ok(count @ 1..) = far.read(&mut buffer) {
            decoder.add(&buffer[..count], &mut reports).unwrap();
            controls.flush();
        }
        assert!(reports.ends_with(&[Report::Relieved, Report::Worn, Report::Retired]));
    }

    #[test]
    fn a_link_that_is_reset_because_a_report_was_not_read_has_ended() {
        let (mut controls, far) = controls();
        controls.report(&Report::Worn);
        drop(far);
        assert_eq!(controls.read(LINK), [Heard::LinkEnded]);
    }
}
