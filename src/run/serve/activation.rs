//! Listening sockets that were there before this process: of systemd, or as descriptor 0 of spawn-fcgi and mod_fcgid.

use crate::config::Config;

/// Sockets that were inherited.
#[derive(Debug, Default)]
pub struct Sockets;

impl Sockets {
    /// Takes what is there.
    pub fn take() -> Self {
        Self
    }

    /// Gives them to the pool.
    pub fn assign(&self, _config: &mut Config) {}
}
