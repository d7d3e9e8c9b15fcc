//! What a service manager and this program say to each other: sockets that are handed over at the start, and how the service is.
//!
//! Knows the variables and the messages, not when they are due. Nothing here is for the application: its environment has none of
//! the variables.

pub mod activation;
pub mod notify;

use std::ffi::{OsStr, OsString};

use shared::sys::process;

/// How a variable of the environment is looked up.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Removes the service manager's variables from the environment, after they were read and before there is a second thread: they
/// are addressed to this process alone.
pub fn forget_environment() {
    for name in VARIABLES {
        process::unset_environment(OsStr::new(name));
    }
}

fn number<T: std::str::FromStr>(variables: Variables<'_>, name: &str) -> Option<T> {
    variables(name)?.to_str()?.parse().ok()
}

const VARIABLES: [&str; 6] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];
