//! Whose rights a pool's children have.

use crate::config::{self, Config};
use crate::start_error::StartError;
use shared::sys::identity::{self, Identity};
use shared::sys::process;

/// Whether every user and group exists.
pub fn validate(config: &Config) -> Result<(), StartError> {
    control_group(config)?;
    for pool in &config.pools {
        identity_of(pool)?;
        pool.socket_owner.as_deref().map(identity::user_id).transpose().map_err(of_pool(pool))?;
        pool.socket_group.as_deref().map(identity::group_id).transpose().map_err(of_pool(pool))?;
    }
    Ok(())
}

/// The number of the group that may use the control socket.
pub fn control_group(config: &Config) -> Result<Option<u32>, StartError> {
    let group = config.control_socket_group.as_deref().map(identity::group_id).transpose();
    group.map_err(|source| StartError::Account { whose: "control-socket-group".to_owned(), source })
}

/// Gives up what the pool's children must not have. There is no way back. There must be no second thread.
///
/// `identity` is who it is from then on: names are looked up before the root changes, since the files with them are outside.
pub fn confine(pool: &config::Pool, identity: &Identity) -> Result<(), StartError> {
    process::umask(pool.umask);
    if let Some(root) = &pool.chroot {
        let fault = || format!("cannot make {} the root directory (chroot)", root.display());
        identity::chroot(root).map_err(|source| StartError::of_pool(pool, fault(), source))?;
    }
    identity::drop_to(identity).map_err(of_pool(pool))?;
    if !identity.is_root() {
        process::drop_capabilities()?;
    }
    if pool.no_new_privs {
        process::no_new_privs()?;
    }
    Ok(())
}

/// Who its children are to be.
pub fn identity_of(pool: &config::Pool) -> Result<Identity, StartError> {
    let identity = Identity::resolve(pool.user.as_deref(), pool.group.as_deref(), pool.supplementary_groups.as_deref());
    identity.map_err(of_pool(pool))
}

fn of_pool(pool: &config::Pool) -> impl Fn(identity::Error) -> StartError + Copy {
    |source| StartError::Account { whose: format!("pool {}", pool.name), source }
}
