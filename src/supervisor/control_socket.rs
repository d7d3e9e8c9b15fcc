//! The control socket: what `pyfcgid reload`, `status` and the like talk to. Owns the clients and their lines; refuses to know what a
//! request means.

use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::sockets::inherited;
use crate::config::{self, Config, EX_USAGE};
use crate::control_protocol::{self, ControlAnswer, ControlRequest};
use shared::listener::{Access, BindError, Listener, Patience};
use shared::logging::codes;
use shared::sys::closing::Guarded;
use shared::sys::fd::is_out_of_descriptors;
use shared::sys::identity::Identity;
use shared::sys::process::EX_OSERR;
use shared::sys::{self, passing};

/// What is wrong with the name of a pool that is not among these.
pub fn no_such_pool<'a>(name: &str, pools: impl Iterator<Item = &'a str> + Clone) -> String {
    let advice = match config::nearest(name, pools.clone()) {
        Some(meant) => format!("did you mean {meant}?"),
        None if pools.clone().next().is_none() => "there are no pools".to_owned(),
        None => format!("the pools are {}", pools.collect::<Vec<_>>().join(", ")),
    };
    format!("there is no pool {name}: {advice}")
}

/// A listening control socket with its clients.
#[derive(Debug)]
pub struct ControlSocket {
    /// Kept for the file, which goes with it.
    listener: Guarded<Listener>,
    /// Where it was bound.
    pub path: PathBuf,
    access: Access,
    acceptor: Guarded<UnixListener>,
    /// The oldest first. Invariant: none has said what it wants.
    clients: Vec<Client>,
    /// They have not read all that they were told. The oldest first.
    readers: Vec<Client>,
    /// There is no descriptor for another client; nobody is let in before that.
    shut_until: Option<Instant>,
}

/// Somebody who waits for an answer.
#[derive(Debug)]
pub struct Client {
    stream: Guarded<UnixStream>,
    line: Vec<u8>,
    /// What is left of its answer, if it has one.
    unsent: Vec<u8>,
    since: Instant,
}

impl ControlSocket {
    /// Binds it, for whom this lets in.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(path: &Path, access: Access, patience: Patience) -> Result<Self, BindError> {
        Self::of(Listener::bind_unix(path, access, BACKLOG, patience)?, path, access)
    }

    /// Takes it over from the program before this one, which may have let in others.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn adopt(descriptor: RawFd, path: &Path, access: Access) -> Result<Self, BindError> {
        let control = Self::of(Listener::adopt_unix(inherited(descriptor)?, None, path)?, path, access)?;
        control.listener.set_owner(access)?;
        control.listener.set_mode(access.mode)?;
        Ok(control)
    }

    /// Makes it again, where its file has gone.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn again(&self) -> Result<Self, BindError> {
        Self::bind(&self.path, self.access, Patience::None)
    }

    /// Lets in others, if this is a change: somebody may have changed the file by hand.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn follow(&mut self, access: Access) -> Result<(), BindError> {
        let before = std::mem::replace(&mut self.access, access);
        if before.group != access.group {
            let group = access.group.or_else(|| Some(Identity::current().gid));
            self.listener.set_owner(Access { group, ..access })?;
        }
        if before.mode == access.mode { Ok(()) } else { self.listener.set_mode(access.mode) }
    }

    fn of(listener: Listener, path: &Path, access: Access) -> Result<Self, BindError> {
        let address = format!("unix:{}", path.display());
        let acceptor = sys::fd::duplicate(listener.as_raw_fd()).map_err(|source| BindError::Other { address, source })?;
        let (listener, acceptor) = (Guarded::new(listener), Guarded::new(acceptor.into()));
        Ok(Self {
            listener,
            path: path.to_owned(),
            access,
            acceptor,
            clients: Vec::new(),
            readers: Vec::new(),
            shut_until: None,
        })
    }

    /// The listening descriptor.
    pub fn descriptor(&self) -> RawFd {
        self.listener.as_raw_fd()
    }

    /// What to wait for.
    pub fn readable(&self) -> impl Iterator<Item = RawFd> + '_ {
        let door = self.shut_until.is_none().then(|| self.listener.as_raw_fd());
        door.into_iter().chain(self.clients.iter().map(|client| client.stream.as_raw_fd()))
    }

    /// What to wait for until it takes more.
    pub fn writable(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.readers.iter().map(|reader| reader.stream.as_raw_fd())
    }

    /// When to [`Self::handle`] although nothing has happened.
    pub fn next_deadline(&self) -> Option<Instant> {
        let slow = self.clients.first().into_iter().chain(self.readers.first()).map(|client| client.since + PATIENCE);
        slow.chain(self.shut_until).min()
    }

    /// Accepts and reads; returns the clients that have said what they want. One that takes long to say so is not waited for, nor
    /// are there so many of them that others could not say anything.
    pub fn handle(&mut self, now: Instant) -> Vec<(Client, ControlRequest)> {
        self.clients.retain(|client| client.since + PATIENCE > now);
        self.readers.retain_mut(|reader| reader.since + PATIENCE > now && reader.write());
        self.shut_until = self.shut_until.filter(|until| *until > now);
        if self.shut_until.is_none() {
            self.accept(now);
        }
        let mut requests = Vec::new();
        for mut client in std::mem::take(&mut self.clients) {
            match client.read() {
                Ok(None) => self.clients.push(client),
                Ok(Some(line)) => match control_protocol::parse(&line) {
                    Some(request) => requests.push((client, request)),
                    None => client.end(EX_USAGE, "pyfcgid: unknown request: is the running pyfcgid an older version?"),
                },
                Err(_) => {}
            }
        }
        let surplus = self.clients.len().saturating_sub(MAX_CLIENTS);
        self.clients.drain(..surplus);
        requests
    }

    /// Tells a client the last that it is told, which may be more than its socket takes at once. There are not so many of those that
    /// they could fill the memory.
    pub fn finish(&mut self, mut client: Client, text: &str, code: u8) {
        client.since = Instant::now();
        let answers = [ControlAnswer::Stdout(text.to_owned()), ControlAnswer::Exit(code)];
        client.unsent = answers.iter().map(control_protocol::line).collect::<String>().into_bytes();
        if client.write() {
            self.readers.push(client);
            let surplus = self.readers.len().saturating_sub(MAX_READERS);
            self.readers.drain(..surplus);
        }
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..MOST_AT_ONCE {
            match self.acceptor.accept() {
                Ok((stream, _)) if stream.set_nonblocking(true).is_ok() => {
                    let stream = Guarded::new(stream);
                    self.clients.push(Client { stream, line: Vec::new(), unsent: Vec::new(), since: now });
                }
                Ok(_) => {}
                // Whoever has said nothing yet makes room.
                Err(error) if is_out_of_descriptors(&error) && !self.clients.is_empty() => drop(self.clients.remove(0)),
                Err(error) if is_out_of_descriptors(&error) => {
                    log::error!(
                        target: codes::CONTROL_SOCKET_PAUSED,
                        "the control socket accepts nobody for a second: {error}"
                    );
                    return self.shut_until = Some(now + PAUSE);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {}
            }
        }
    }
}

/// Who may use the control socket: the group by its number, which may take long to look up.
pub fn control_access(config: &Config, group: Option<u32>) -> Access {
    Access { mode: config.control_socket_mode, user: None, group }
}

/// Lets a client wait for what others wait for already, if they are not too many.
pub fn admit(client: Client, waiting: &mut Vec<Client>) {
    if waiting.len() < MAX_CLIENTS {
        waiting.push(client);
    } else {
        client.end(EX_OSERR, "pyfcgid: too many clients are waiting for the same already");
    }
}

impl Client {
    /// Writes what there is room for; whether that was not all.
    fn write(&mut self) -> bool {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) if count > 0 => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                // It has gone.
                _ => return false,
            }
        }
        false
    }

    fn read(&mut self) -> io::Result<Option<String>> {
        let mut buffer = [0; MAX_LINE_LEN];
        match passing::receive_bytes(self.stream.as_fd(), &mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.line.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(None),
            Err(error) => return Err(error),
        }
        if self.line.len() > MAX_LINE_LEN {
            return Err(ErrorKind::InvalidData.into());
        }
        let whole = self.line.contains(&b'\n');
        Ok(whole.then(|| String::from_utf8_lossy(&self.line).into_owned()))
    }

    /// Lines for its stdout.
    pub fn say(&mut self, text: &str) {
        self.send(&ControlAnswer::Stdout(text.to_owned()));
    }

    /// Ends it with an exit code, and lines for its stderr.
    pub fn end(mut self, code: u8, text: &str) {
        if !text.is_empty() {
            self.send(&ControlAnswer::Stderr(text.to_owned()));
        }
        self.send(&ControlAnswer::Exit(code));
    }

    /// A client that has gone is no loss, and one that does not read loses the rest.
    fn send(&mut self, answer: &ControlAnswer) {
        if let Err(error) = self.stream.write_all(control_protocol::line(answer).as_bytes()) {
            log::debug!("a client of the control socket does not read its answer: {error}");
        }
    }
}

const BACKLOG: u32 = 64;
/// Clients that have said nothing yet, or wait for the same.
pub const MAX_CLIENTS: usize = 64;
/// Clients that have not read all that they were told.
const MAX_READERS: usize = 16;
/// Clients that are let in in a turn.
const MOST_AT_ONCE: usize = 32;
/// How long a client may take for its line.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);
/// More than a request with the longest file name, which a pool may be called after, where six characters stand for each of its bytes.
const MAX_LINE_LEN: usize = 2048;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_client_gets_all_of_an_answer_that_its_socket_does_not_take_at_once() {
        let (stream, mut client) = UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let text: Vec<u8> = (0..2_000_000_u32).map(|number| number as u8).collect();
        let stream = Guarded::new(stream);
        let mut reader = Client { stream, line: Vec::new(), unsent: text.clone(), since: Instant::now() };
        assert!(reader.write(), "it fits into no socket");
        let received = std::thread::spawn(move || {
            let mut received = Vec::new();
            client.read_to_end(&mut received).map(|_| received)
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        while reader.write() {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        drop(reader);
        assert!(received.join().unwrap().unwrap() == text);
    }

    #[test]
    fn a_pool_that_there_is_not_is_told_with_those_that_there_are() {
        let pools = ["blog", "shop"];
        assert_eq!(no_such_pool("blgo", pools.into_iter()), "there is no pool blgo: did you mean blog?");
        assert_eq!(no_such_pool("wiki", [].into_iter()), "there is no pool wiki: there are no pools");
        assert_eq!(no_such_pool("wiki", pools.into_iter()), "there is no pool wiki: the pools are blog, shop");
    }
}
