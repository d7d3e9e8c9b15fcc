//! Whose rights a pool's children have.

use super::error::Error;
use crate::config::{self, Config};
use shared::sys::identity::{self, Identity};
use shared::sys::process;

/// Whether every user and group exists.
pub fn validate(config: &Config) -> Result<(), Error> {
    control_group(config)?;
    for pool in &config.pools {
        let of_pool = |source| Error::Account { whose: format!("pool {}", pool.name), source };
        identity_of(pool).map_err(of_pool)?;
        pool.socket_owner.as_deref().map(identity::user_id).transpose().map_err(of_pool)?;
        pool.socket_group.as_deref().map(identity::group_id).transpose().map_err(of_pool)?;
    }
    Ok(())
}

/// The number of the group that may use the control socket.
pub fn control_group(config: &Config) -> Result<Option<u32>, Error> {
    let group = config.control_socket_group.as_deref().map(identity::group_id).transpose();
    group.map_err(|source| Error::Account { whose: "control-socket-group".to_owned(), source })
}

/// Gives up what the pool's children must not have. There is no way back. There must be no second thread.
///
/// Returns who the process is from then on.
pub fn confine(pool: &config::Pool) -> Result<Identity, Error> {
    // Names are looked up before the root changes, since the files with them are outside.
    let of_pool = |source| Error::Account { whose: format!("pool {}", pool.name), source };
    let identity = identity_of(pool).map_err(of_pool)?;
    process::umask(pool.umask);
    if let Some(root) = &pool.chroot {
        let changed = identity::chroot(root);
        changed.map_err(|source| Error::Chroot { pool: pool.name.clone(), path: root.display().to_string(), source })?;
    }
    identity::drop_to(&identity).map_err(of_pool)?;
    if !identity.is_root() {
        process::drop_capabilities()?;
    }
    if pool.no_new_privs {
        process::no_new_privs()?;
    }
    Ok(identity)
}

fn identity_of(pool: &config::Pool) -> Result<Identity, identity::Error> {
    Identity::resolve(pool.user.as_deref(), pool.group.as_deref(), pool.supplementary_groups.as_deref())
}
