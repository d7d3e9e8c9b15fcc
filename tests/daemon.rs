//! pyfcgid as a machine runs it: by an init script, as a daemon, under other programs that hand it its socket, watched by a service
//! manager, with its log at a syslog daemon or in files that are rotated.
//!
//! A program that is missing fails the tests, with the name of its Debian package.

#![cfg(feature = "module")]
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "daemon/detached.rs"]
mod detached;
#[path = "daemon/files.rs"]
mod files;
#[path = "daemon/handed_over.rs"]
mod handed_over;
#[path = "web_servers/http.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod http;
#[path = "supervisor/load.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod load;
#[path = "daemon/mod_fcgid.rs"]
mod mod_fcgid;
#[path = "daemon/notify.rs"]
mod notify;
#[path = "web_servers/ports.rs"]
mod ports;
#[path = "daemon/running.rs"]
mod roles;
#[path = "logging/rsyslog.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod rsyslog;
#[path = "daemon/script.rs"]
mod script;
#[path = "supervisor/site.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod site;
mod support;
#[path = "daemon/syslog.rs"]
mod syslog;
#[path = "web_servers/web_server.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod web_server;

use support::process::wait_until;
