//! Whose rights a pool's children have.

use super::error::Error;
use crate::config::{self, Config};
use crate::sys::identity::{self, Identity};

/// Whether every user and group exists and can be taken on.
pub fn validate(config: &Config) -> Result<(), Error> {
    for pool in &config.pools {
        identity_of(pool)?.check()?;
        identity::owner(pool.socket_owner.as_deref(), pool.socket_group.as_deref())?;
    }
    Ok(())
}

/// Gives up what the pool's children must not have. There is no way back.
pub fn confine(pool: &config::Pool) -> Result<(), Error> {
    // Names are looked up in the system's own files.
    let identity = identity_of(pool)?;
    identity::umask(pool.umask);
    if let Some(root) = &pool.chroot {
        identity::chroot(root)?;
    }
    identity.take_on()?;
    if pool.no_new_privs {
        identity::no_new_privs()?;
    }
    Ok(())
}

fn identity_of(pool: &config::Pool) -> Result<Identity, Error> {
    Ok(Identity::resolve(pool.user.as_deref(), pool.group.as_deref(), pool.supplementary_groups.as_deref())?)
}
