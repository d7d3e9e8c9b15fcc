//! What the configuration says of the log, in the log's own terms.

use super::access_log;
use crate::config::{Config, LogTarget};
use crate::logging::{Settings, Target};

/// The settings of the log.
pub fn of(config: &Config) -> Settings {
    Settings {
        target: target(&config.log),
        level: config.log_level,
        ident: config.syslog_ident.clone(),
        // Both have the names of syslog.conf(5).
        facility: config.syslog_facility.to_string().parse().unwrap_or_default(),
        syslog_socket: config.syslog_socket.clone(),
        access: config.access_log.as_ref().map(target),
        access_format: access_log::format(config),
    }
}

fn target(target: &LogTarget) -> Target {
    match target {
        LogTarget::Stderr => Target::Stderr,
        LogTarget::Syslog => Target::Syslog,
        LogTarget::File(path) => Target::File(path.clone()),
    }
}
