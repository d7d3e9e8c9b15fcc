//! What the configuration says of the log, as what writes it takes it.

use super::{Config, Pool};
use crate::log_writer::{Settings, Targets};
use shared::logging::access::Format;

impl Config {
    /// The settings of the log.
    pub fn log_settings(&self) -> Settings {
        let own = self.pools.iter().filter(|pool| pool.has_own_logs());
        let targets = |pool: &Pool| Targets { log: pool.log_in(self).clone(), access: pool.access_log_in(self).cloned() };
        Settings {
            target: self.log.clone(),
            level: self.log_level,
            ident: self.syslog_ident.clone(),
            facility: self.syslog_facility,
            syslog_socket: self.syslog_socket.clone(),
            access: self.access_log.clone(),
            // It was parsed when it was read.
            access_format: Format::parse(&self.access_log_format).unwrap_or_default(),
            pools: own.map(|pool| (pool.name.clone(), targets(pool))).collect(),
        }
    }
}
