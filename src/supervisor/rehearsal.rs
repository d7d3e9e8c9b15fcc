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
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::warnings::Warnings;
use crate::config::Config;
use shared::link::Failure;
use shared::sys::process::{self, EX_OSERR, EX_SOFTWARE, Fork, ProcessId};
use shared::sys::signal;

/// A process that reads the configuration.
#[derive(Debug)]
pub struct Rehearsal {
    process: ProcessId,
    /// What to wait for.
    pub answer: UnixStream,
    bytes: Vec<u8>,
    /// When it has taken too long.
    pub deadline: Instant,
    is_over: bool,
}

/// What was looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// Of the configuration that was read.
    pub fingerprint: u64,
    /// The addresses of host names.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// The group of the control socket.
    pub control_group: Option<u32>,
    /// Who is to own the sockets of a pool.
    pub owners: BTreeMap<String, Owner>,
    /// What is to be said when it serves.
    pub warnings: Warnings,
}

/// Who is to own a socket, if not whoever makes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
                drop((&teller).write_all(&encode(work())));
                process::exit_now(0)
            }
            Fork::Parent(process) => {
                drop(blocked);
                Ok(Self { process, answer, bytes: Vec::new(), deadline: Instant::now() + LIMIT, is_over: false })
            }
        }
    }

    /// What has come of it, if it is over.
    pub fn result(&mut self, now: Instant) -> Option<Result<Findings, Failure>> {
        let mut buffer = [0; 4096];
        match self.answer.read(&mut buffer) {
            Ok(0) => {
                self.is_over = true;
                let died = || Failure::new(EX_OSERR, "the process reading the configuration exited unexpectedly");
                Some(decode(&self.bytes).unwrap_or_else(|| Err(died())))
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

/// As it goes from one process to the other.
type Answer = Result<Findings, (u8, String)>;

fn encode(result: Result<Findings, Failure>) -> Vec<u8> {
    let answer: Answer = result.map_err(|Failure { code, text }| {
        (if code == 0 { EX_SOFTWARE } else { code }, text.chars().take(MAX_LEN / 8).collect())
    });
    serde_json::to_vec(&answer).unwrap_or_default()
}

/// None if it is not whole.
fn decode(bytes: &[u8]) -> Option<Result<Findings, Failure>> {
    let answer: Answer = serde_json::from_slice(bytes).ok()?;
    Some(answer.map_err(|(code, text)| Failure { code, text }))
}

const LIMIT: Duration = Duration::from_secs(30);
const MAX_LEN: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_read_as_it_was_written_and_only_whole() {
        let hosts = BTreeMap::from([("localhost".to_owned(), vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()])]);
        let owners = BTreeMap::from([("a.b".to_owned(), Owner { user: Some(33), group: None })]);
        let warnings = Warnings::default();
        let findings = Findings { fingerprint: u64::MAX, hosts, control_group: Some(7), owners, warnings };
        let bytes = encode(Ok(findings.clone()));
        assert_eq!(decode(&bytes), Some(Ok(findings)));
        assert_eq!((decode(&bytes[..bytes.len() - 1]), decode(b"")), (None, None));
        let failure = Failure { code: 78, text: "site.toml:1: no\nsuch key".to_owned() };
        assert_eq!(decode(&encode(Err(failure.clone()))), Some(Err(failure)));
        let long = encode(Err(Failure { code: 0, text: "\u{1}".repeat(MAX_LEN) }));
        assert!(long.len() < MAX_LEN && matches!(decode(&long), Some(Err(Failure { code: EX_SOFTWARE, .. }))));
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
