//! Being another user for a moment, to open what that one may open and nothing else.

use std::io;

use nix::unistd::{Gid, Uid, setegid, seteuid, setgroups};

use super::identity::Identity;

/// Does something with the rights of `identity`, and is root again after that: the real and the saved user stay, so that the other user
/// cannot send it signals meanwhile. A process that is not root does it as who it is. There must be no second thread.
///
/// # Errors
/// When the system refuses the change, or the way back: the process may be anything between then, and has to end.
pub fn as_user<T>(identity: &Identity, action: impl FnOnce() -> T) -> io::Result<T> {
    let root = Identity::current();
    if !root.is_root() || identity.is_root() {
        return Ok(action());
    }
    let groups = |of: &Identity| setgroups(&of.all_groups());
    let group = |of: &Identity| setegid(Gid::from_raw(of.gid));
    let user = |of: &Identity| seteuid(Uid::from_raw(of.uid));
    groups(identity).and_then(|()| group(identity)).and_then(|()| user(identity))?;
    let result = action();
    // Root again first, since nobody else may change the others.
    user(&root).and_then(|()| group(&root)).and_then(|()| groups(&root))?;
    Ok(result)
}
