//! Listening sockets: bound here or inherited, and the file of a Unix socket.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use thiserror::Error;

use crate::logging::codes;
use crate::sys::fd;
use crate::sys::file::{self, Last, Place};

/// A listening socket that does not block.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    file: Option<SocketFile>,
}

/// Why an address cannot be listened on. The operator's to mend; nothing has been changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BindError {
    /// The name has no address.
    #[error("cannot listen on {address}: the host name does not resolve")]
    Resolve {
        /// What was to be bound.
        address: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Somebody else has it.
    #[error("cannot listen on {0}: another process is listening there; stop it or choose another address")]
    InUse(String),
    /// It is another machine's.
    #[error("cannot listen on {0}: no interface of this machine has this address; 127.0.0.1 is always there, * is all of them")]
    NotHere(String),
    /// A server answers on the Unix socket.
    #[error("cannot listen on unix:{}: a running server is listening there; stop it or choose another path", .0.display())]
    Live(PathBuf),
    /// Something else than a socket is at the path.
    #[error(
        "cannot listen on unix:{}: something that is not a socket is there; remove it or choose another path",
        .0.display()
    )]
    NotASocket(PathBuf),
    /// The path does not fit in a socket address.
    #[error(
        "cannot listen on unix:{}: the path has {} bytes, at most {MAX_PATH_LEN} are allowed; choose a shorter one",
        .0.display(),
        .0.as_os_str().len()
    )]
    TooLong(PathBuf),
    /// The directory of a Unix socket is missing.
    #[error("cannot listen on unix:{}: the directory {} does not exist; create it", .path.display(), .directory.display())]
    NoDirectory {
        /// The socket's path.
        path: PathBuf,
        /// The directory.
        directory: PathBuf,
    },
    /// Not allowed.
    #[error("cannot listen on {0}: permission denied; ports below 1024 and other users' directories need root")]
    Denied(String),
    /// The inherited descriptor is not a listening stream socket.
    #[error("cannot listen on fd:{0}: the descriptor is not a listening stream socket")]
    NotListening(RawFd),
    /// There is no such descriptor, or it is this process's own.
    #[error("cannot listen on fd:{0}: pyfcgid was given no listening socket as that descriptor when it was started")]
    NotGiven(RawFd),
    /// An application has shut down what cannot be bound again.
    #[error(
        "cannot listen on {0} any longer: the socket was shut down, perhaps by the application; restart pyfcgid to get a new \
         one"
    )]
    Shut(String),
    /// What was made is not what is there.
    #[error(
        "cannot listen on unix:{}: the socket was replaced while it was being created: use a directory that only root can \
         write to",
        .0.display()
    )]
    Exchanged(PathBuf),
    /// The file of the socket can't be given to whom it is to belong.
    #[error("cannot set the owner of the socket {address}: {reason}")]
    Owner {
        /// The socket.
        address: String,
        /// Why not.
        reason: String,
    },
    /// Anything else the operating system says.
    #[error("cannot listen on {address}")]
    Other {
        /// What was to be bound.
        address: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Who may connect to a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The permission bits.
    pub mode: u32,
    /// The user that owns it, if it is another than this process's.
    pub user: Option<u32>,
    /// Its group, if it is another than the one it gets by itself.
    pub group: Option<u32>,
}

/// How long to wait for an address that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// A moment. A supervisor that was killed leaves children behind, which close its sockets as soon as they notice.
    AMoment,
    /// Not at all: there are requests to serve.
    None,
}

impl Listener {
    /// Binds every address that `host` has; `*` means all addresses of the machine, versions 4 and 6.
    ///
    /// # Errors
    /// [`BindError`], without any socket left behind.
    pub fn bind_tcp(host: &str, port: u16, backlog: u32, patience: Patience) -> Result<Vec<Self>, BindError> {
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let bound = |bind: &dyn Fn() -> io::Result<Self>| {
            patiently(patience, || bind().map_err(|error| refused(address.clone(), error)))
        };
        if host == "*" {
            return bound(&|| bind_all(port, backlog)).map(|listener| vec![listener]);
        }
        let resolved = (host, port).to_socket_addrs();
        let resolved = resolved.map_err(|source| BindError::Resolve { address: address.clone(), source })?;
        resolved.map(|resolved| bound(&|| bind_tcp(resolved, backlog, true))).collect()
    }

    /// Binds a Unix socket. A file left by a server that is gone is replaced; one that a server answers on is not. Nobody can connect
    /// before `access` is as it should be, and what has been exchanged for the socket meanwhile is not touched.
    ///
    /// # Errors
    /// [`BindError`]; what was at the path is still there.
    pub fn bind_unix(path: &Path, access: Access, backlog: u32, patience: Patience) -> Result<Self, BindError> {
        let place = place_of(path)?;
        patiently(patience, || make_way(&place, path).and_then(|()| bind_unix(&place, path, access, backlog)))
    }

    /// Whether [`Self::bind_unix`] would succeed, if no server answers there. Makes nothing.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn check_unix(path: &Path) -> Result<(), BindError> {
        let place = place_of(path)?;
        is_socket_there(&place, path)?;
        place.may_create().map_err(|error| refused_at(path, error))
    }

    /// Takes over an inherited listening socket.
    ///
    /// # Errors
    /// [`BindError::NotListening`] and [`BindError::Other`].
    pub fn adopt(descriptor: OwnedFd) -> Result<Self, BindError> {
        let number = descriptor.as_raw_fd();
        if !fd::is_listening(number) {
            return Err(BindError::NotListening(number));
        }
        let socket = Socket::from(descriptor);
        let other = |source| BindError::Other { address: format!("fd:{number}"), source };
        never_wait(&socket).map_err(other)?;
        Ok(Self { socket, file: None })
    }

    /// The same for a Unix socket whose file is to go with it: what is pinned by [`Self::pin`], else what is at the path, if that can be
    /// this process's.
    ///
    /// # Errors
    /// As [`Self::adopt`].
    pub fn adopt_unix(descriptor: OwnedFd, pinned: Option<OwnedFd>, path: &Path) -> Result<Self, BindError> {
        let file = place_of(path).ok().and_then(|place| {
            let pinned = pinned.map(File::from).or_else(|| place.pin().ok().filter(file::is_own_socket))?;
            Some(SocketFile { place, pinned, path: path.to_owned() })
        });
        Ok(Self { file, ..Self::adopt(descriptor)? })
    }

    /// The descriptor that holds the file of a Unix socket, whatever its name is now.
    pub fn pin(&self) -> Option<RawFd> {
        self.file.as_ref().map(|file| file.pinned.as_raw_fd())
    }

    /// Whether the file of a Unix socket is still the one that was made; others have none.
    pub fn is_in_place(&self) -> bool {
        self.file.as_ref().is_none_or(SocketFile::is_in_place)
    }

    /// Whether anybody can still connect: an application has the socket, too, and may have shut it down.
    pub fn is_open(&self) -> bool {
        !fd::is_shut(self.socket.as_fd())
    }

    /// Changes the permission bits of a Unix socket's file: what has its name now, if that is another, is not touched.
    ///
    /// # Errors
    /// [`BindError::Denied`] and [`BindError::Other`].
    pub fn set_mode(&self, mode: u32) -> Result<(), BindError> {
        self.file.as_ref().map_or(Ok(()), |file| file.set_mode(mode))
    }

    /// The same with its owner.
    ///
    /// # Errors
    /// [`BindError::Owner`].
    pub fn set_owner(&self, access: Access) -> Result<(), BindError> {
        self.file.as_ref().map_or(Ok(()), |file| file.set_owner(access))
    }

    /// Changes how many connections may wait.
    ///
    /// # Errors
    /// [`BindError::Other`].
    pub fn set_backlog(&self, backlog: u32) -> Result<(), BindError> {
        listen(&self.socket, backlog).map_err(|source| BindError::Other { address: format!("fd:{}", self.as_raw_fd()), source })
    }

    /// The descriptor, and the file, which is removed when it is dropped.
    pub fn into_parts(self) -> (OwnedFd, Option<SocketFile>) {
        (self.socket.into(), self.file)
    }

    /// The address that was bound, with the port the system chose if 0 was asked for; `None` for Unix sockets.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok().and_then(|address| address.as_socket())
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The file of a Unix socket, removed with the listener if it is still the one that was made.
#[derive(Debug)]
pub struct SocketFile {
    place: Place,
    pinned: File,
    path: PathBuf,
}

impl SocketFile {
    /// A directory may have got another name meanwhile, so the whole way is gone again.
    fn is_in_place(&self) -> bool {
        Place::find(&self.path, Last::Keep).is_ok_and(|place| place.is_of(&self.pinned))
    }

    fn set_owner(&self, Access { user, group, .. }: Access) -> Result<(), BindError> {
        if (user, group) == (None, None) {
            return Ok(());
        }
        let set = file::set_owner(&self.pinned, user, group);
        set.map_err(|error| BindError::Owner { address: format!("unix:{}", self.path.display()), reason: error.to_string() })
    }

    fn set_mode(&self, mode: u32) -> Result<(), BindError> {
        file::set_mode(&self.pinned, mode).map_err(|error| refused_at(&self.path, error))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        match self.place.remove(&self.pinned) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!(target: codes::SOCKET_NOT_REMOVED, "cannot remove the socket {}: {error}", self.path.display());
            }
            _ => {}
        }
    }
}

/// Nor does a process that accepts when a sibling of its has said that the socket blocks: then the timeout holds.
fn never_wait(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_read_timeout(Some(Duration::from_millis(1)))
}

fn bind_all(port: u16, backlog: u32) -> io::Result<Listener> {
    let any_v6 = SocketAddr::from(([0u16; 8], port));
    let any_v4 = SocketAddr::from(([0u8; 4], port));
    match bind_tcp(any_v6, backlog, false) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => bind_tcp(any_v4, backlog, true),
        bound => bound,
    }
}

fn bind_tcp(address: SocketAddr, backlog: u32, only_v6: bool) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    never_wait(&socket)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    // Accepted sockets inherit it, which saves a call for each.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    listen(&socket, backlog)?;
    Ok(Listener { socket, file: None })
}

fn bind_unix(place: &Place, path: &Path, access: Access, backlog: u32) -> Result<Listener, BindError> {
    let failed = |error| refused_at(path, error);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    never_wait(&socket).map_err(failed)?;
    // The file gets what the socket has of it: nobody can connect before all is as it should be, and no other file is like it.
    fd::set_mode(&socket, IN_THE_MAKING).map_err(failed)?;
    let name = if place.exposed().is_some() { place.by_descriptor() } else { path.to_owned() };
    SockAddr::unix(name).and_then(|address| socket.bind(&address)).map_err(failed)?;
    let pinned = place.pin().map_err(failed)?;
    if !file::is_own_socket(&pinned) || mode_of(&pinned) != Some(IN_THE_MAKING) {
        return Err(BindError::Exchanged(path.to_owned()));
    }
    let place = place.try_clone().map_err(failed)?;
    let file = SocketFile { place, pinned, path: path.to_owned() };
    file.set_owner(access)?;
    listen(&socket, backlog).map_err(failed)?;
    file.set_mode(access.mode)?;
    Ok(Listener { socket, file: Some(file) })
}

fn mode_of(file: &File) -> Option<u32> {
    file.metadata().ok().map(|found| found.permissions().mode() & 0o777)
}

/// More than the system can count is as many as it can.
fn listen(socket: &Socket, backlog: u32) -> io::Result<()> {
    socket.listen(backlog.try_into().unwrap_or(i32::MAX))
}

/// Removes the socket of a server that is gone. Only a connection tells whether it is: so one is tried.
fn make_way(place: &Place, path: &Path) -> Result<(), BindError> {
    if !is_socket_there(place, path)? {
        return Ok(());
    }
    let Ok(found) = place.pin() else {
        return Ok(());
    };
    if !is_stale(&found) {
        return Err(BindError::Live(path.to_owned()));
    }
    match place.remove(&found) {
        // Another server that starts was quicker.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|error| refused_at(path, error)),
    }
}

/// Nobody listens. Of one that is being made nobody does yet.
fn is_stale(found: &File) -> bool {
    let changed = found.metadata().and_then(|found| found.modified());
    let is_young = changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age < PATIENCE));
    // Before it is tried: afterwards it may have been made meanwhile.
    if is_young && mode_of(found) == Some(IN_THE_MAKING) {
        return false;
    }
    let connected = Socket::new(Domain::UNIX, Type::STREAM, None)
        .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
        .and_then(|socket| SockAddr::unix(file::descriptor_path(found)).and_then(|address| socket.connect(&address)));
    connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Nothing but a socket may make way for one.
fn is_socket_there(place: &Place, path: &Path) -> Result<bool, BindError> {
    match place.pin().and_then(|found| found.metadata()) {
        Ok(found) if !found.file_type().is_socket() => Err(BindError::NotASocket(path.to_owned())),
        found => Ok(found.is_ok()),
    }
}

/// The directory, held, and the name in it.
fn place_of(path: &Path) -> Result<Place, BindError> {
    if path.as_os_str().len() > MAX_PATH_LEN {
        return Err(BindError::TooLong(path.to_owned()));
    }
    Place::find(path, Last::Keep).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            BindError::NoDirectory { path: path.to_owned(), directory: directory_of(path).to_owned() }
        }
        _ => refused_at(path, error),
    })
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn patiently(patience: Patience, bind: impl Fn() -> Result<Listener, BindError>) -> Result<Listener, BindError> {
    let deadline = Instant::now() + if patience == Patience::None { Duration::ZERO } else { PATIENCE };
    loop {
        match bind() {
            Err(BindError::Live(_) | BindError::InUse(_)) if Instant::now() < deadline => thread::sleep(PAUSE),
            result => return result,
        }
    }
}

fn refused_at(path: &Path, source: io::Error) -> BindError {
    refused(format!("unix:{}", path.display()), source)
}

fn refused(address: String, source: io::Error) -> BindError {
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address),
        io::ErrorKind::AddrNotAvailable => BindError::NotHere(address),
        io::ErrorKind::PermissionDenied => BindError::Denied(address),
        _ => BindError::Other { address, source },
    }
}

/// `sun_path` has 108 bytes, one of them for the end.
const MAX_PATH_LEN: usize = 107;
/// The permission bits of a socket that is not ready: it would be of no use to anybody.
const IN_THE_MAKING: u32 = 0;
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(10);
