//! What may take long in a reload is done by a process of its own, for as long as it may: reading files, looking up users and groups
//! (a directory service) and host names (a name server). The supervisor, which has one thread, only polls for what it has found.
//!
//! It is a rehearsal: the supervisor reads the configuration again afterwards, which is known to be possible by then, and takes what was
//! looked up from here. That is little and simple, unlike a whole configuration, which would have to be written and parsed in one more
//! form. If both have not read the same, somebody is writing the file, and the reload is refused.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind, Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::config::Config;
use shared::link::Failure;
use shared::sys::process::{self, EX_OSERR, EX_SOFTWARE, Fork, ProcessId};
use shared::sys::signal;

/// A process that reads the configuration.
#[derive(Debug)]
pub struct Rehearsal {
    process: ProcessId,
    answer: UnixStream,
    bytes: Vec<u8>,
    deadline: Instant,
    is_over: bool,
}

/// What was looked up.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Of the configuration that was read.
    pub fingerprint: u64,
    /// The addresses of host names.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// The group of the control socket.
    pub control_group: Option<u32>,
    /// Who is to own the sockets of a pool.
    pub owners: BTreeMap<String, Owner>,
}

/// Who is to own a socket, if not whoever makes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: Option<u32>,
    /// The group.
    pub group: Option<u32>,
}

/// What tells one configuration from another.
pub fn fingerprint(config: &Config) -> u64 {
    let mut hasher = DefaultHasher::new();
    config.to_string().hash(&mut hasher);
    hasher.finish()
}

impl Rehearsal {
    /// Starts a process that does this work.
    ///
    /// # Errors
    /// Those of fork(2) and socketpair(2).
    pub fn begin(work: impl FnOnce() -> Result<Findings, Failure>) -> io::Result<Self> {
        let (answer, teller) = UnixStream::pair()?;
        answer.set_nonblocking(true)?;
        let blocked = signal::block_all();
        match process::fork()? {
            Fork::Child => {
                // No signal reaches it but the last one, so that no handler of the supervisor's runs here.
                drop(process::signal_at_end_of_parent(signal::KILL));
                let text = work().map_or_else(|failure| failed(&failure), |findings| findings.to_text());
                drop((&teller).write_all(text.as_bytes()));
                process::exit_now(0)
            }
            Fork::Parent(process) => {
                drop(blocked);
                Ok(Self { process, answer, bytes: Vec::new(), deadline: Instant::now() + LIMIT, is_over: false })
            }
        }
    }

    /// What to wait for.
    pub fn readable(&self) -> RawFd {
        self.answer.as_raw_fd()
    }

    /// When it has taken too long.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What has come of it, if it is over.
    pub fn result(&mut self, now: Instant) -> Option<Result<Findings, Failure>> {
        let mut buffer = [0; 4096];
        match self.answer.read(&mut buffer) {
            Ok(0) => {
                self.is_over = true;
                let text = String::from_utf8_lossy(&self.bytes);
                Some(Findings::parse(&text).unwrap_or_else(|| {
                    Err(Failure::new(EX_OSERR, "the process reading the configuration exited unexpectedly"))
                }))
            }
            Ok(count) if self.bytes.len() + count > MAX_LEN => {
                Some(Err(Failure::new(EX_OSERR, "the configuration names too many hosts, users and groups")))
            }
            Ok(count) => {
                self.bytes.extend_from_slice(&buffer[..count]);
                None
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                let text = "reading the configuration took too long: is a name server or directory service hanging, or is \
                            something not a regular file?";
                (self.deadline <= now).then(|| Err(Failure::new(EX_OSERR, text)))
            }
            Err(error) => Some(Err(Failure::new(EX_OSERR, error.to_string()))),
        }
    }
}

impl Drop for Rehearsal {
    /// While its end of the socket is open the process lives, so that its number is its own. It is reaped like a stranger.
    fn drop(&mut self) {
        if !self.is_over {
            drop(process::kill(self.process, signal::KILL));
        }
    }
}

impl Findings {
    fn to_text(&self) -> String {
        let mut lines = vec![format!("{FOUND} {}", self.fingerprint)];
        for (host, addresses) in &self.hosts {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            lines.push(format!("host {host} {}", addresses.join(" ")));
        }
        lines.extend(self.control_group.map(|group| format!("control {group}")));
        let number = |id: Option<u32>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        lines.extend(
            self.owners
                .iter()
                .map(|(pool, Owner { user, group })| format!("owner {pool} {} {}", number(*user), number(*group))),
        );
        lines.join("\n") + END
    }

    /// None if it is not whole.
    fn parse(text: &str) -> Option<Result<Self, Failure>> {
        let (first, rest) = text.strip_suffix(END)?.split_once('\n').unwrap_or((text.strip_suffix(END)?, ""));
        let (kind, number) = first.split_once(' ')?;
        if kind != FOUND {
            return Some(Err(Failure { code: number.parse().ok()?, text: rest.to_owned() }));
        }
        let mut findings = Self { fingerprint: number.parse().ok()?, ..Self::default() };
        for line in rest.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["host", host, ref addresses @ ..] => {
                    let addresses = addresses.iter().map(|address| address.parse().ok()).collect::<Option<_>>()?;
                    findings.hosts.insert(host.to_owned(), addresses);
                }
                ["control", group] => findings.control_group = Some(group.parse().ok()?),
                ["owner", pool, user, group] => {
                    let owner = Owner { user: user.parse().ok(), group: group.parse().ok() };
                    findings.owners.insert(pool.to_owned(), owner);
                }
                _ => return None,
            }
        }
        Some(Ok(findings))
    }
}

fn failed(failure: &Failure) -> String {
    let text: String = failure.text.chars().take(MAX_LEN / 8).collect();
    format!("failed {}\n{text}{END}", if failure.code == 0 { EX_SOFTWARE } else { failure.code })
}

const FOUND: &str = "found";
/// What is behind the last line when all of it is there.
const END: &str = "\n.";
const LIMIT: Duration = Duration::from_secs(30);
const MAX_LEN: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_read_as_it_was_written_and_only_whole() {
        let hosts = BTreeMap::from([("localhost".to_owned(), vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()])]);
        let owners = BTreeMap::from([("a.b".to_owned(), Owner { user: Some(33), group: None })]);
        let findings = Findings { fingerprint: u64::MAX, hosts, control_group: Some(7), owners };
        let text = findings.to_text();
        assert_eq!(Findings::parse(&text), Some(Ok(findings)));
        assert_eq!(Findings::parse(&text[..text.len() - 1]), None);
        assert_eq!(Findings::parse(""), None);
        let failure = Failure { code: 78, text: "site.toml:1: no\nsuch key".to_owned() };
        assert_eq!(Findings::parse(&failed(&failure)), Some(Err(failure)));
    }

    #[test]
    fn secrets_that_nobody_is_shown_tell_configurations_apart() {
        let configs = ["one", "other"].map(|secret| {
            let mut config = Config::for_app("shop").unwrap();
            config.pools[0].env.push(("API_KEY".to_owned(), secret.to_owned()));
            config
        });
        let [one, other] = &configs;
        assert_eq!(one.masked(), other.masked());
        assert_ne!(fingerprint(one), fingerprint(other));
    }
}
