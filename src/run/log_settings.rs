//! What the configuration says of the log, in the log's own terms.

use super::access_log;
use crate::config::{Config, LogTarget, Pool};
use crate::log_writer::{Settings, Target, Targets};

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
        pools: config
            .pools
            .iter()
            .filter(|pool| pool.has_own_logs())
            .map(|pool| (pool.name.clone(), targets(pool, config)))
            .collect(),
    }
}

fn targets(pool: &Pool, config: &Config) -> Targets {
    Targets { log: target(pool.log_in(config)), access: pool.access_log_in(config).map(target) }
}

fn target(target: &LogTarget) -> Target {
    match target {
        LogTarget::Stderr => Target::Stderr,
        LogTarget::Syslog => Target::Syslog,
        LogTarget::File(path) => Target::File(path.clone()),
    }
}
