//! Listening sockets that the starting program has opened: systemd's (sd_listen_fds(3)), and FastCGI's own way, a listening
//! socket as the standard input (FastCGI 1.0 §2.2), as spawn-fcgi, mod_fcgid and inetd do it.

use std::os::fd::RawFd;

use thiserror::Error;

use super::{Variables, number};
use shared::sys::fd;
use shared::sys::process::ProcessId;

/// A listening socket that was inherited. It is a number: whoever listens on it takes it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// The descriptor.
    pub number: RawFd,
    /// What the starting program calls it; empty if it does not.
    pub name: String,
}

/// Why the sockets that were handed over cannot be used.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The variable is nonsense.
    #[error("LISTEN_FDS is \"{0}\": it must be a number from 0 to {MOST}")]
    Count(String),
    /// What was handed over is something else.
    #[error(
        "descriptor {0} of LISTEN_FDS is not a listening stream socket: use ListenStream= and Accept=no in the socket unit"
    )]
    NotListening(RawFd),
}

/// The sockets that were handed to this process: those of LISTEN_FDS if LISTEN_PID is this process, else the standard input if it
/// listens. Ask before the process becomes a daemon, which is another process, and before the environment is forgotten.
///
/// # Errors
/// When LISTEN_FDS is meant for this process but cannot be used.
pub fn inherited(variables: Variables<'_>) -> Result<Vec<Inherited>, Error> {
    let sockets = listen_fds(variables, ProcessId::current())?;
    match sockets.iter().find(|socket| !fd::is_listening(socket.number)) {
        Some(wrong) => Err(Error::NotListening(wrong.number)),
        None if sockets.is_empty() && fd::is_listening(FCGI_LISTENSOCK_FILENO) => {
            Ok(vec![Inherited { number: FCGI_LISTENSOCK_FILENO, name: String::new() }])
        }
        None => Ok(sockets),
    }
}

fn listen_fds(variables: Variables<'_>, current: ProcessId) -> Result<Vec<Inherited>, Error> {
    let Some(count) = variables("LISTEN_FDS") else {
        return Ok(Vec::new());
    };
    if number(variables, "LISTEN_PID") != Some(current.number()) {
        return Ok(Vec::new()); // Left over from a parent that handed it on.
    }
    let typed = count.to_string_lossy();
    let count = typed.parse().ok().filter(|count| (0..=MOST).contains(count));
    let count = count.ok_or_else(|| Error::Count(typed.clone().into_owned()))?;
    let names = variables("LISTEN_FDNAMES").map(|names| names.to_string_lossy().into_owned()).unwrap_or_default();
    let names = names.split(':').chain(std::iter::repeat(""));
    let numbers = FIRST..FIRST + count;
    Ok(numbers.zip(names).map(|(number, name)| Inherited { number, name: name.to_owned() }).collect())
}

/// Whether an administrator has said where a pool listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nobody has.
    Default,
    /// In a file, a variable or a flag.
    Typed,
}

/// The inherited sockets that a pool listens on instead of its default address; none when it keeps to its own addresses. What was
/// typed is meant (`listen = "fd:3"` takes an inherited one by number). A pool alone gets them all; of several each gets those
/// that bear its name (`FileDescriptorName=` in a socket unit).
pub fn sockets_of<'a>(
    pool: &'a str,
    pools: usize,
    listen: Listen,
    inherited: &'a [Inherited],
) -> impl Iterator<Item = &'a Inherited> {
    let is_meant = move |socket: &&Inherited| listen == Listen::Default && (pools == 1 || socket.name == pool);
    inherited.iter().filter(is_meant)
}

/// SD_LISTEN_FDS_START.
const FIRST: RawFd = 3;
/// FastCGI 1.0 §2.2.
const FCGI_LISTENSOCK_FILENO: RawFd = 0;
/// More than anybody needs, and no overflow.
const MOST: RawFd = 1000;

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn listen_fds_of(count: &str, process: &str, names: Option<&str>) -> Result<Vec<Inherited>, Error> {
        let variables = |name: &str| match name {
            "LISTEN_FDS" => Some(OsString::from(count)),
            "LISTEN_PID" => Some(OsString::from(process)),
            "LISTEN_FDNAMES" => names.map(OsString::from),
            _ => None,
        };
        listen_fds(&variables, ProcessId::new(7).unwrap())
    }

    fn socket(number: RawFd, name: &str) -> Inherited {
        Inherited { number, name: name.to_owned() }
    }

    #[test]
    fn the_sockets_start_at_three_and_have_names() {
        assert_eq!(listen_fds_of("2", "7", None).unwrap(), [socket(3, ""), socket(4, "")]);
        assert_eq!(listen_fds_of("2", "7", Some("blog:shop:x")).unwrap(), [socket(3, "blog"), socket(4, "shop")]);
        assert_eq!(listen_fds_of("0", "7", None).unwrap(), []);
    }

    #[test]
    fn variables_for_another_process_mean_nothing() {
        assert_eq!(listen_fds_of("2", "8", None).unwrap(), []);
        assert_eq!(listen_fds_of("x", "", None).unwrap(), []);
        assert_eq!(listen_fds(&|_| None, ProcessId::current()).unwrap(), []);
    }

    #[test]
    fn a_count_that_is_none_is_an_error() {
        for count in ["", "x", "-1", "1001", "99999999999999999999"] {
            assert_eq!(listen_fds_of(count, "7", None), Err(Error::Count(count.to_owned())), "{count:?}");
        }
    }

    #[test]
    fn a_descriptor_that_does_not_listen_is_an_error() {
        let own = std::process::id().to_string();
        let variables = |name: &str| match name {
            "LISTEN_FDS" => Some(OsString::from("1000")), // Not all of them are open.
            "LISTEN_PID" => Some(OsString::from(&own)),
            _ => None,
        };
        assert!(matches!(inherited(&variables), Err(Error::NotListening(_))));
    }

    #[test]
    fn what_was_typed_is_meant_and_several_pools_go_by_name() {
        let sockets = [socket(3, "blog"), socket(4, "")];
        let of = |pool: &str, pools, listen| sockets_of(pool, pools, listen, &sockets).map(|s| s.number).collect::<Vec<_>>();
        assert_eq!(of("shop", 1, Listen::Default), [3, 4]);
        assert!(of("shop", 1, Listen::Typed).is_empty());
        assert_eq!(of("blog", 2, Listen::Default), [3]);
        assert!(of("shop", 2, Listen::Default).is_empty());
    }
}
