//! The listening sockets of a pool, by address. A reload keeps those that stay, in whichever pool they were.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::rc::Rc;

use crate::config::{self, ListenAddress};
use crate::listener::{BindError, Listener};
use crate::logging::with_causes;
use crate::sys::{self, identity};

/// Listening sockets. One is closed, and its file removed, when nobody has it any more.
#[derive(Clone, Debug, Default)]
pub struct Sockets(Vec<(ListenAddress, Rc<Vec<Listener>>)>);

impl Sockets {
    /// What the pool is to listen on. Addresses that are in `known` are taken from there, the others bound, and those whose file
    /// somebody has removed bound again.
    ///
    /// # Errors
    /// [`BindError`], without any socket left behind.
    pub fn bind(settings: &config::Pool, known: &Self) -> Result<Self, BindError> {
        let mut sockets = Self::default();
        for address in &settings.listen {
            let listeners = match known.find(address) {
                Some(listeners) if are_in_place(address, listeners)? => Rc::clone(listeners),
                _ => Rc::new(bind(address, settings)?),
            };
            sockets.0.push((address.clone(), listeners));
        }
        Ok(sockets)
    }

    /// Has those that were there before follow what has changed in the settings.
    pub fn follow(&self, old: &config::Pool, new: &config::Pool) {
        for (address, listeners) in &self.0 {
            for listener in listeners.iter() {
                if let Err(error) = follow(address, listener, old, new) {
                    log::error!("{address} stays as it was: {}", with_causes(&error));
                }
            }
        }
    }

    /// Takes sockets over that were inherited by number.
    ///
    /// # Errors
    /// [`BindError::NotListening`].
    pub fn adopt(&mut self, address: ListenAddress, descriptors: &[RawFd]) -> Result<(), BindError> {
        let adopted = descriptors.iter().map(|number| {
            let descriptor = sys::fd::inherited(*number).map_err(|_| BindError::NotListening(*number))?;
            match &address {
                ListenAddress::Unix(path) => Listener::adopt_unix(descriptor, path),
                _ => Listener::adopt(descriptor),
            }
        });
        let listeners = adopted.collect::<Result<Vec<_>, _>>()?;
        self.0.push((address, Rc::new(listeners)));
        Ok(())
    }

    fn find(&self, wanted: &ListenAddress) -> Option<&Rc<Vec<Listener>>> {
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

    /// Drops the sockets of other addresses.
    pub fn keep_only(&mut self, addresses: &[ListenAddress]) {
        self.0.retain(|(address, _)| addresses.contains(address));
    }

    /// The descriptors of these addresses.
    pub fn descriptors_of(&self, addresses: &[ListenAddress]) -> Vec<RawFd> {
        let found = addresses.iter().filter_map(|address| self.find(address));
        found.flat_map(|listeners| listeners.iter().map(AsRawFd::as_raw_fd)).collect()
    }

    /// Those of sockets that were not shut down.
    pub fn open_descriptors(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.0.iter().flat_map(|(_, listeners)| listeners.iter().filter(|listener| listener.is_open()).map(AsRawFd::as_raw_fd))
    }

    /// Each address with its descriptors.
    pub fn by_address(&self) -> impl Iterator<Item = (&ListenAddress, Vec<RawFd>)> {
        self.0.iter().map(|(address, listeners)| (address, listeners.iter().map(AsRawFd::as_raw_fd).collect()))
    }

    /// The addresses as they were written, but with the port that the system chose where 0 was.
    pub fn names(&self) -> Vec<String> {
        let name = |address: &ListenAddress, listener: &Listener| match listener.tcp_address() {
            Some(bound) if matches!(address, ListenAddress::Tcp { .. }) => bound.to_string(),
            _ => address.to_string(),
        };
        self.0.iter().flat_map(|(address, listeners)| listeners.iter().map(move |listener| name(address, listener))).collect()
    }
}

fn bind(address: &ListenAddress, settings: &config::Pool) -> Result<Vec<Listener>, BindError> {
    let backlog = settings.backlog;
    match address {
        ListenAddress::Tcp { host, port } => Listener::bind_tcp(host, *port, backlog),
        ListenAddress::Unix(path) => {
            let listener = Listener::bind_unix(path, settings.socket_mode, backlog)?;
            give(path, settings)?;
            Ok(vec![listener])
        }
        ListenAddress::Fd(number) => {
            let descriptor = sys::fd::inherited(*number).map_err(|_| BindError::NotListening(*number))?;
            Ok(vec![Listener::adopt(descriptor)?])
        }
    }
}

fn follow(address: &ListenAddress, listener: &Listener, old: &config::Pool, new: &config::Pool) -> Result<(), BindError> {
    if matches!(address, ListenAddress::Fd(_)) {
        return Ok(());
    }
    if old.backlog != new.backlog {
        listener.set_backlog(new.backlog)?;
    }
    if old.socket_mode != new.socket_mode {
        listener.set_mode(new.socket_mode)?;
    }
    match address {
        ListenAddress::Unix(path) if (&old.socket_owner, &old.socket_group) != (&new.socket_owner, &new.socket_group) => {
            give(path, new)
        }
        _ => Ok(()),
    }
}

fn are_in_place(address: &ListenAddress, listeners: &[Listener]) -> Result<bool, BindError> {
    let fault = match () {
        () if !listeners.iter().all(Listener::is_open) => "had been shut down",
        () if !listeners.iter().all(Listener::is_in_place) => "was gone",
        () => return Ok(true),
    };
    if matches!(address, ListenAddress::Fd(_)) {
        return Err(BindError::Shut(address.to_string()));
    }
    log::warn!("the socket {address} {fault}, and is made again");
    Ok(false)
}

fn give(path: &Path, settings: &config::Pool) -> Result<(), BindError> {
    let refused = |reason| BindError::Owner { path: path.to_owned(), reason };
    let id = |found: Result<Option<u32>, identity::Error>| found.map_err(|error| refused(error.to_string()));
    let user = id(settings.socket_owner.as_deref().map(identity::user_id).transpose())?;
    let group = id(settings.socket_group.as_deref().map(identity::group_id).transpose())?;
    match (user, group) {
        (None, None) => Ok(()),
        _ => identity::chown_path(path, user, group).map_err(|error| refused(error.to_string())),
    }
}

/// A pair of connected sockets through which the children of a pool hand connections over.
pub type Passage = (OwnedFd, OwnedFd);

/// Whether connections still come through: an application has both ends, too, and may have shut them down.
pub fn is_open(passage: &Passage) -> bool {
    !sys::fd::is_shut(passage.1.as_fd())
}
