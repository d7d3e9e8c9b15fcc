//! The listening sockets of a pool, by address. A reload keeps those that stay, in whichever pool they were.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::rehearsal::{Findings, Owner};
use crate::config::{self, ListenAddress};
use shared::listener::{Access, BindError, Listener, Patience};
use shared::logging::{codes, with_causes};
use shared::scoreboard::roster::Roster;
use shared::scoreboard::{self, SINCE_LEN, Scoreboard};
use shared::sys::closing::Guarded;
use shared::sys::process::monotonic_time;
use shared::sys::{fd, identity, passing};

/// Listening sockets. One is closed, and its file removed, when nobody has it any more.
#[derive(Clone, Debug, Default)]
pub struct Sockets(Vec<(ListenAddress, Listeners)>);

/// Those of one address. In the backlog, too, connections may wait on which descriptors have come.
type Listeners = Rc<Guarded<Vec<Listener>>>;

impl Sockets {
    /// What the pool is to listen on. Addresses that are in `known` are taken from there, the others bound, and those whose file
    /// somebody has removed bound again. Nothing is looked up that was `found`.
    ///
    /// # Errors
    /// [`BindError`], without any socket left behind.
    pub fn bind(settings: &config::Pool, known: &Self, found: &Findings) -> Result<Self, BindError> {
        let mut sockets = Self::default();
        let patience = if known.0.is_empty() { Patience::AMoment } else { Patience::None };
        for address in settings.addresses() {
            let listeners = match known.find(address) {
                Some(listeners) if are_in_place(address, listeners)? => Rc::clone(listeners),
                _ => Rc::new(Guarded::new(bind(address, settings, found, patience)?)),
            };
            sockets.0.push((address.clone(), listeners));
        }
        Ok(sockets)
    }

    /// Has those that were there before follow what has changed in the settings.
    pub fn follow(&self, old: &config::Pool, new: &config::Pool, owner: Owner) {
        for (address, listeners) in &self.0 {
            for listener in listeners.iter() {
                if let Err(error) = follow(address, listener, (old, new), owner) {
                    log::error!(target: codes::SOCKET_UNCHANGED, "{address} stays unchanged: {}", with_causes(&error));
                }
            }
        }
    }

    /// Takes sockets over that were inherited by number.
    ///
    /// # Errors
    /// [`BindError::NotListening`].
    pub fn adopt(&mut self, address: ListenAddress, descriptors: &[RawFd]) -> Result<(), BindError> {
        let listeners = match (&address, descriptors) {
            (ListenAddress::Unix(path), [socket, pinned @ ..]) => {
                let pinned = pinned.first().map(|number| inherited(*number)).transpose()?;
                vec![Listener::adopt_unix(inherited(*socket)?, pinned, path)?]
            }
            _ => descriptors.iter().map(|number| Listener::adopt(inherited(*number)?)).collect::<Result<_, _>>()?,
        };
        self.0.push((address, Rc::new(Guarded::new(listeners))));
        Ok(())
    }

    /// Those of this address.
    pub fn find(&self, wanted: &ListenAddress) -> Option<&Listeners> {
        self.0.iter().find(|(address, _)| address == wanted).map(|(_, listeners)| listeners)
    }

    /// Takes these, and keeps those of other addresses.
    pub fn replace(&mut self, others: Self) {
        let before = std::mem::replace(self, others);
        self.add(before);
    }

    /// Adds those that are not here yet.
    pub fn add(&mut self, others: Self) {
        for (address, listeners) in others.0 {
            if self.find(&address).is_none() {
                self.0.push((address, listeners));
            }
        }
    }

    /// Drops the sockets of other addresses than those of these settings.
    pub fn keep_only(&mut self, settings: &config::Pool) {
        self.0.retain(|(address, _)| settings.addresses().any(|wanted| wanted == address));
    }

    /// Those of these addresses.
    pub fn listeners_of(&self, addresses: &[ListenAddress]) -> impl Iterator<Item = &Listener> {
        addresses.iter().filter_map(|address| self.find(address)).flat_map(|listeners| listeners.iter())
    }

    /// Their descriptors.
    pub fn descriptors_of(&self, addresses: &[ListenAddress]) -> Vec<RawFd> {
        self.listeners_of(addresses).map(AsRawFd::as_raw_fd).collect()
    }

    /// Each address with what [`Self::adopt`] takes of it.
    pub fn by_address(&self) -> impl Iterator<Item = (&ListenAddress, Vec<RawFd>)> {
        let descriptors = |listener: &Listener| std::iter::once(listener.as_raw_fd()).chain(listener.pin());
        self.0.iter().map(move |(address, listeners)| (address, listeners.iter().flat_map(descriptors).collect()))
    }

    /// The addresses as they were written, but with the port that the system chose where 0 was. Those for probes alone are left out.
    pub fn names(&self, settings: &config::Pool) -> Vec<String> {
        let name = |address: &ListenAddress, listener: &Listener| match listener.tcp_address() {
            Some(bound) if matches!(address, ListenAddress::Tcp { .. }) => bound.to_string(),
            _ => address.to_string(),
        };
        let of_site = self.0.iter().filter(|(address, _)| !settings.status_listen.contains(address));
        of_site.flat_map(|(address, listeners)| listeners.iter().map(move |listener| name(address, listener))).collect()
    }
}

fn bind(
    address: &ListenAddress,
    settings: &config::Pool,
    found: &Findings,
    patience: Patience,
) -> Result<Vec<Listener>, BindError> {
    let backlog = settings.backlog;
    match address {
        ListenAddress::Tcp { host, port } => {
            let found = found.hosts.get(host).map(|addresses| addresses.iter().map(ToString::to_string).collect());
            let hosts: Vec<String> = found.unwrap_or_else(|| vec![host.clone()]);
            let bound = hosts.iter().map(|host| Listener::bind_tcp(host, *port, backlog, patience));
            Ok(bound.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        }
        ListenAddress::Unix(path) => {
            let Owner { user, group } = found.owners.get(&settings.name).copied().map_or_else(|| owner_of(settings), Ok)?;
            let access = Access { mode: settings.socket_mode, user, group };
            Ok(vec![Listener::bind_unix(path, access, backlog, patience)?])
        }
        ListenAddress::Fd(number) => {
            let copy = fd::given(*number).map_err(|_| BindError::NotGiven(*number))?;
            Ok(vec![Listener::adopt(copy)?])
        }
    }
}

fn follow(
    address: &ListenAddress,
    listener: &Listener,
    (old, new): (&config::Pool, &config::Pool),
    owner: Owner,
) -> Result<(), BindError> {
    if matches!(address, ListenAddress::Fd(_)) {
        return Ok(());
    }
    if old.backlog != new.backlog {
        listener.set_backlog(new.backlog)?;
    }
    if old.socket_mode != new.socket_mode {
        listener.set_mode(new.socket_mode)?;
    }
    if (&old.socket_owner, &old.socket_group) != (&new.socket_owner, &new.socket_group) {
        let Owner { user, group } = owner;
        listener.set_owner(Access { mode: new.socket_mode, user, group })?;
    }
    Ok(())
}

fn are_in_place(address: &ListenAddress, listeners: &[Listener]) -> Result<bool, BindError> {
    let fault = match () {
        () if !listeners.iter().all(Listener::is_open) => "was shut down",
        () if !listeners.iter().all(Listener::is_in_place) => "was missing",
        () => return Ok(true),
    };
    if matches!(address, ListenAddress::Fd(_)) {
        return Err(BindError::Shut(address.to_string()));
    }
    log::warn!(target: codes::SOCKET_RECREATED, "the socket {address} {fault}, and is being recreated");
    Ok(false)
}

/// Who is to own the Unix sockets of a pool. Asks a directory service, perhaps.
///
/// # Errors
/// [`BindError::Owner`].
pub fn owner_of(settings: &config::Pool) -> Result<Owner, BindError> {
    let socket = || settings.addresses().find(|address| address.unix_path().is_some()).map(ToString::to_string);
    let refused =
        |error: identity::Error| BindError::Owner { address: socket().unwrap_or_default(), reason: error.to_string() };
    let user = settings.socket_owner.as_deref().map(identity::user_id).transpose().map_err(refused)?;
    let group = settings.socket_group.as_deref().map(identity::group_id).transpose().map_err(refused)?;
    Ok(Owner { user, group })
}

/// The addresses of this host name, unless it is none. Asks a name server, perhaps.
///
/// # Errors
/// [`BindError::Resolve`].
pub fn addresses_of(host: &str, port: u16) -> Result<Option<Vec<IpAddr>>, BindError> {
    if host == "*" || host.parse::<IpAddr>().is_ok() {
        return Ok(None);
    }
    let resolved = (host, port).to_socket_addrs();
    let resolved = resolved.map_err(|source| BindError::Resolve { address: format!("{host}:{port}"), source })?;
    Ok(Some(resolved.map(|address| address.ip()).collect()))
}

/// The descriptor of this number, which was there before this program.
///
/// # Errors
/// [`BindError::NotListening`] where none is open.
pub fn inherited(number: RawFd) -> Result<OwnedFd, BindError> {
    fd::inherited(number).map_err(|_| BindError::NotListening(number))
}

/// A pair of connected sockets through which connections go from one process of a pool to another.
pub type Passage = (OwnedFd, OwnedFd);

/// What the processes of a pool share beside the listening sockets.
#[derive(Debug)]
pub struct Ties {
    /// Through which connections are handed over.
    pub passage: Guarded<Passage>,
    /// In which those wait on which a request has come that nobody has time for.
    pub line: Guarded<Passage>,
    /// On which they say how full they are.
    pub scoreboard: Arc<Scoreboard>,
    /// On which they are told how the pool is.
    pub roster: Roster,
}

impl Ties {
    /// Those of a pool without processes.
    ///
    /// # Errors
    /// [`BindError::Other`], those of the system calls.
    pub fn new() -> Result<Self, BindError> {
        let make = || {
            let (passage, line) = (Guarded::new(passing::pair()?), Guarded::new(passing::roomy_pair()?));
            Ok(Self { passage, line, scoreboard: Arc::new(Scoreboard::new()?), roster: Roster::new()? })
        };
        make().map_err(super::system)
    }

    /// Makes again what an application has shut down. Children that have the old one keep their connections. Says what it was.
    ///
    /// # Errors
    /// Those of socketpair(2).
    pub fn renew(&mut self) -> io::Result<Option<&'static str>> {
        let mut renewed = None;
        if !is_open(&self.passage) {
            (self.passage, renewed) = (Guarded::new(passing::pair()?), Some("the passage between its processes"));
        }
        if !is_open(&self.line) {
            (self.line, renewed) = (Guarded::new(passing::roomy_pair()?), Some("the line of its waiting requests"));
        }
        Ok(renewed)
    }

    /// For how long the first on the line has waited. What stands there was written by an application, perhaps: it is taken as a number.
    pub fn first_waits(&self) -> Option<Duration> {
        let mut head = [0; 1 + SINCE_LEN];
        let count = fd::peek(self.line.1.as_fd(), &mut head).ok()?;
        let (since, _) = scoreboard::parse_since(head.get(1..count)?)?;
        Some(monotonic_time().saturating_sub(since))
    }
}

/// The numbers of both ends.
pub fn numbers(passage: &Passage) -> [RawFd; 2] {
    [passage.0.as_raw_fd(), passage.1.as_raw_fd()]
}

/// Whether connections still come through: an application has both ends, too, and may have shut them down.
pub fn is_open(passage: &Passage) -> bool {
    !fd::is_shut(passage.1.as_fd())
}
