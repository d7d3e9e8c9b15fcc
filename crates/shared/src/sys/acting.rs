//! Being another user for a moment, to open what that one may open and nothing else.

use std::io;

use super::check;
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
    change([Step::Groups, Step::Group, Step::User], identity)?;
    let result = action();
    // Root again first, since nobody else may change the others.
    change([Step::User, Step::Group, Step::Groups], &root)?;
    Ok(result)
}

/// What of a process is changed.
#[derive(Clone, Copy)]
enum Step {
    Groups,
    Group,
    User,
}

fn change(steps: [Step; 3], to: &Identity) -> io::Result<()> {
    for step in steps {
        // SAFETY: the groups outlive the call; the others take numbers only.
        let result = unsafe {
            match step {
                Step::Groups => libc::setgroups(to.groups.len(), to.groups.as_ptr()),
                Step::Group => libc::setegid(to.gid),
                Step::User => libc::seteuid(to.uid),
            }
        };
        check(result)?;
    }
    Ok(())
}
