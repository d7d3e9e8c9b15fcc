//! Listening sockets that were there before this process: of systemd, or as descriptor 0 of spawn-fcgi and mod_fcgid.

use crate::config::{self, Config, ListenAddress, Origin};
use crate::service::activation::{self, Inherited, Listen};
use crate::start_error::StartError;
use shared::sys::fd;

/// Sockets that were inherited, or left by the program before this one, to which they were given.
#[derive(Debug, Default)]
pub struct GivenSockets(pub Vec<Inherited>);

impl GivenSockets {
    /// Takes what is there.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn take() -> Result<Self, StartError> {
        let mut sockets = activation::inherited(&|name| std::env::var_os(name))?;
        for socket in &mut sockets {
            socket.number = fd::move_off_standard(socket.number)?;
            fd::keep_at_exec(socket.number, fd::AtExec::Close);
        }
        Ok(Self(sockets))
    }

    /// Gives them to the pools for which nobody has said where they listen.
    ///
    /// # Errors
    /// When two pools listen on one address after that.
    pub fn assign(&self, config: &mut Config) -> Result<(), config::Error> {
        let pools = config.pools.len();
        for pool in &mut config.pools {
            let listen = if pool.origin("listen") == Origin::Default { Listen::Default } else { Listen::Typed };
            let sockets = activation::sockets_of(&pool.name, pools, listen, &self.0);
            let addresses: Vec<_> = sockets.map(|socket| ListenAddress::Fd(socket.number)).collect();
            if !addresses.is_empty() {
                pool.listen = addresses;
            }
        }
        config.check_addresses()
    }
}
