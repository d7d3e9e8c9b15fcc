//! Being another user for a moment, to open what that one may open and nothing else.

use std::io;

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
    set_groups(&identity.groups)?;
    set_group(identity.gid)?;
    set_user(identity.uid)?;
    let result = action();
    set_user(root.uid)?;
    set_group(root.gid)?;
    set_groups(&root.groups)?;
    Ok(result)
}

fn set_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: the slice outlives the call.
    check(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })
}

fn set_group(gid: u32) -> io::Result<()> {
    // SAFETY: setegid(2) touches no memory of ours.
    check(unsafe { libc::setegid(gid) })
}

fn set_user(uid: u32) -> io::Result<()> {
    // SAFETY: seteuid(2) touches no memory of ours.
    check(unsafe { libc::seteuid(uid) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
