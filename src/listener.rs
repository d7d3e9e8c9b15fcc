//! Listening sockets: bound here or inherited, and the file of a Unix socket.

use std::fs::{self, File, Permissions};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use thiserror::Error;

use crate::sys::{self, file};

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
    #[error("cannot listen on {0}: another process does; stop it or choose another address")]
    InUse(String),
    /// It is another machine's.
    #[error("cannot listen on {0}: no interface of this machine has this address; 127.0.0.1 is always there, * is all of them")]
    NotHere(String),
    /// A server answers on the Unix socket.
    #[error("cannot listen on unix:{}: a running server answers there; stop it or choose another path", .0.display())]
    Live(PathBuf),
    /// Something else than a socket is at the path.
    #[error("cannot listen on unix:{}: there is something that is not a socket; remove it or choose another path", .0.display())]
    NotASocket(PathBuf),
    /// The path does not fit in a socket address.
    #[error("cannot listen on unix:{}: the path has {} bytes, and the most is {MAX_PATH_LEN}; choose a shorter one", .0.display(), .0.as_os_str().len())]
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
    /// An application has shut down what cannot be bound again.
    #[error(
        "cannot listen on {0} any more: the socket was shut down, by the application perhaps; restart pyfcgid to get another one"
    )]
    Shut(String),
    /// The file of the socket can't be given to whom it is to belong.
    #[error("cannot give the socket unix:{} its owner: {reason}", .path.display())]
    Owner {
        /// The socket's path.
        path: PathBuf,
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

impl Listener {
    /// Binds every address that `host` has; `*` means all addresses of the machine, versions 4 and 6.
    ///
    /// # Errors
    /// [`BindError`], without any socket left behind.
    pub fn bind_tcp(host: &str, port: u16, backlog: u32) -> Result<Vec<Self>, BindError> {
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        if host == "*" {
            return patiently(|| bind_all(port, backlog), is_in_use)
                .map(|listener| vec![listener])
                .map_err(|error| refused(address, error));
        }
        let resolved = (host, port).to_socket_addrs();
        let resolved = resolved.map_err(|source| BindError::Resolve { address: address.clone(), source })?;
        let bind = |resolved| patiently(|| bind_tcp(resolved, backlog, true), is_in_use);
        resolved.map(|resolved| bind(resolved).map_err(|error| refused(address.clone(), error))).collect()
    }

    /// Binds a Unix socket with these permission bits. A file left by a server that is gone is replaced; one that a server
    /// answers on is not.
    ///
    /// # Errors
    /// [`BindError`]; what was at the path is still there.
    pub fn bind_unix(path: &Path, mode: u32, backlog: u32) -> Result<Self, BindError> {
        Self::check_unix(path)?;
        let directory = directory_of(path);
        // Two servers that start at once must not both take the file for stale.
        let lock = File::open(directory).and_then(|directory| directory.lock().map(|()| directory));
        patiently(|| remove_stale(path), |error| matches!(error, BindError::Live(_)))?;
        let bound = bind_unix(path, mode, backlog).map_err(|error| refused(format!("unix:{}", path.display()), error));
        drop(lock);
        bound
    }

    /// Whether [`Self::bind_unix`] would succeed, if no server answers there. Makes nothing.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn check_unix(path: &Path) -> Result<(), BindError> {
        if path.as_os_str().len() > MAX_PATH_LEN {
            return Err(BindError::TooLong(path.to_owned()));
        }
        let directory = directory_of(path);
        if !directory.is_dir() {
            return Err(BindError::NoDirectory { path: path.to_owned(), directory: directory.to_owned() });
        }
        is_socket_there(path)?;
        file::may_create(path).map_err(|error| refused(format!("unix:{}", path.display()), error))
    }

    /// Takes over an inherited listening socket.
    ///
    /// # Errors
    /// [`BindError::NotListening`] and [`BindError::Other`].
    pub fn adopt(descriptor: OwnedFd) -> Result<Self, BindError> {
        let number = descriptor.as_raw_fd();
        let socket = Socket::from(descriptor);
        let is_listening = socket.is_listener().unwrap_or(false) && socket.r#type().is_ok_and(|kind| kind == Type::STREAM);
        if !is_listening {
            return Err(BindError::NotListening(number));
        }
        let other = |source| BindError::Other { address: format!("fd:{number}"), source };
        socket.set_nonblocking(true).map_err(other)?;
        Ok(Self { socket, file: None })
    }

    /// The same for a Unix socket whose file is to go with it.
    ///
    /// # Errors
    /// As [`Self::adopt`].
    pub fn adopt_unix(descriptor: OwnedFd, path: &Path) -> Result<Self, BindError> {
        let file = SocketFile::of(path).ok();
        Ok(Self { file, ..Self::adopt(descriptor)? })
    }

    /// Whether the file of a Unix socket is still the one that was made; others have none.
    pub fn is_in_place(&self) -> bool {
        self.file.as_ref().is_none_or(SocketFile::is_in_place)
    }

    /// Whether anybody can still connect: an application has the socket, too, and may have shut it down.
    pub fn is_open(&self) -> bool {
        !sys::fd::is_shut(self.socket.as_fd())
    }

    /// Changes the permission bits of a Unix socket's file.
    ///
    /// # Errors
    /// [`BindError::Denied`] and [`BindError::Other`].
    pub fn set_mode(&self, mode: u32) -> Result<(), BindError> {
        let Some(SocketFile { path, .. }) = &self.file else {
            return Ok(());
        };
        let set = fs::set_permissions(path, Permissions::from_mode(mode));
        set.map_err(|error| refused(format!("unix:{}", path.display()), error))
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
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }

    fn is_in_place(&self) -> bool {
        let is_ours = |found: fs::Metadata| (found.dev(), found.ino()) == (self.device, self.inode);
        fs::symlink_metadata(&self.path).is_ok_and(is_ours)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_in_place()
            && let Err(error) = fs::remove_file(&self.path)
        {
            log::warn!("cannot remove the socket {}: {error}", self.path.display());
        }
    }
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
    socket.set_nonblocking(true)?;
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

fn bind_unix(path: &Path, mode: u32, backlog: u32) -> io::Result<Listener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::of(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    listen(&socket, backlog)?;
    Ok(Listener { socket, file: Some(file) })
}

/// More than the system can count is as many as it can.
fn listen(socket: &Socket, backlog: u32) -> io::Result<()> {
    socket.listen(backlog.try_into().unwrap_or(i32::MAX))
}

/// Removes the socket of a server that is gone. Only a connection tells whether it is: so one is tried.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    if !is_socket_there(path)? {
        return Ok(());
    }
    let refused_by_nobody = Socket::new(Domain::UNIX, Type::STREAM, None)
        .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
        .and_then(|socket| SockAddr::unix(path).and_then(|address| socket.connect(&address)))
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if !refused_by_nobody {
        return Err(BindError::Live(path.to_owned()));
    }
    fs::remove_file(path).map_err(|error| refused(format!("unix:{}", path.display()), error))
}

/// Nothing but a socket may make way for one.
fn is_socket_there(path: &Path) -> Result<bool, BindError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(BindError::NotASocket(path.to_owned())),
        found => Ok(found.is_ok()),
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_in_use(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

/// A supervisor that was killed leaves children behind, which close its sockets as soon as they notice: not worth an error.
fn patiently<T, E>(bind: impl Fn() -> Result<T, E>, is_taken: impl Fn(&E) -> bool) -> Result<T, E> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match bind() {
            Err(error) if is_taken(&error) && Instant::now() < deadline => thread::sleep(PAUSE),
            result => return result,
        }
    }
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
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(10);
