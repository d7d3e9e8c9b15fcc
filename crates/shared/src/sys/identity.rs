//! Who a process is: users and groups by name or number, and becoming one of them for good.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::fs as unix;
use std::path::Path;
use std::ptr;

use nix::unistd::{Gid, Uid, getgrouplist, getresgid, getresuid, setgroups, setresgid, setresuid};
use rustix::process::{getegid, geteuid, getgroups};
use rustix::thread::set_thread_uid;
use thiserror::Error;

/// Why a process cannot be who it was told to be. Each is the administrator's to mend.
#[derive(Debug, Error)]
pub enum Error {
    /// A name or number that the system does not know.
    #[error("{kind} \"{name}\" does not exist: create it or choose another")]
    Unknown {
        /// `user` or `group`.
        kind: &'static str,
        /// As it was typed.
        name: String,
    },
    /// The system could not say whether it knows it.
    #[error("{kind} \"{name}\" cannot be looked up")]
    Lookup {
        /// `user` or `group`.
        kind: &'static str,
        /// As it was typed.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// A number without an entry in the user database has no group of its own.
    #[error("user \"{0}\" is not in the user database, so its group is unknown: set group (--group), too")]
    NoPrimaryGroup(String),
    /// Nobody said that the application may be root.
    #[error(
        "refusing to run the application as root: set user = \"www-data\" (--user www-data) or another, \
         or user = \"root\" (--user root) if you mean it"
    )]
    Root,
    /// Becoming somebody else takes privileges.
    #[error("only root can change user to \"{name}\": start as root or remove user (--user), group and supplementary-groups")]
    NotRoot {
        /// Who was asked for.
        name: String,
    },
    /// A privileged process that is not privileged enough, as in a container without CAP_SETUID.
    #[error("cannot become \"{name}\": {call} failed")]
    Refused {
        /// Who was asked for.
        name: String,
        /// The system call.
        call: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The system said yes, but it is not so.
    #[error("privileges were not dropped to \"{name}\": {what}")]
    NotDropped {
        /// Who was asked for.
        name: String,
        /// What is not as it should be.
        what: &'static str,
    },
}

/// Who a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's number.
    pub uid: u32,
    /// The number of the primary group.
    pub gid: u32,
    /// The numbers of the supplementary groups, sorted.
    pub groups: Vec<u32>,
    /// The user as it was typed, or its number: for messages.
    pub name: String,
    /// What the user database says of the user whom a process becomes, or what stands for it.
    pub entry: Option<Entry>,
}

/// A user's line in the user database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub login: CString,
    /// The primary group.
    pub gid: u32,
    /// The home directory.
    pub home: CString,
    /// The shell.
    pub shell: CString,
}

impl Identity {
    /// Who this process is now.
    pub fn current() -> Self {
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        Self { uid, gid, groups: current_groups(), name: uid.to_string(), entry: None }
    }

    /// Who an application's process is to be. Without `user` it is who this process is. Without `group` it has the user's
    /// primary group, without `supplementary` the groups that the user is a member of; a process that is the user already keeps
    /// what it was started with.
    ///
    /// # Errors
    /// When one of them is not known, and when nobody said so and it would be root.
    pub fn resolve(user: Option<&str>, group: Option<&str>, supplementary: Option<&[String]>) -> Result<Self, Error> {
        let current = Self::current();
        let gid = group.map(group_id).transpose()?;
        let mut identity = match user {
            None if current.uid == ROOT => return Err(Error::Root),
            None => Self { gid: gid.unwrap_or(current.gid), ..current },
            Some(name) => of_user(name, gid, current)?,
        };
        if let Some(names) = supplementary {
            identity.groups = names.iter().map(|name| group_id(name)).collect::<Result<_, _>>()?;
        }
        identity.groups.sort_unstable();
        identity.groups.dedup();
        Ok(identity)
    }

    /// Whether it may do everything.
    pub fn is_root(&self) -> bool {
        self.uid == ROOT
    }

    pub(super) fn all_groups(&self) -> Vec<Gid> {
        self.groups.iter().copied().map(Gid::from_raw).collect()
    }

    /// The supplementary groups without the primary one, which systems list there or not.
    fn other_groups(&self) -> Vec<u32> {
        self.groups.iter().copied().filter(|gid| *gid != self.gid).collect()
    }
}

/// A user with its own groups, or the process as it is if it is that user.
fn of_user(name: &str, gid: Option<u32>, current: Identity) -> Result<Identity, Error> {
    let user = user(name)?;
    let name = name.to_owned();
    if user.uid == current.uid && user.uid != ROOT {
        return Ok(Identity { gid: gid.unwrap_or(current.gid), name, ..current });
    }
    match (user.entry, gid) {
        (Some(entry), typed) => {
            let gid = typed.unwrap_or(entry.gid);
            Ok(Identity { uid: user.uid, gid, groups: groups_of(&entry.login, gid), name, entry: Some(entry) })
        }
        // The home of whoever starts it is none of this user's.
        (None, Some(gid)) => {
            let login = CString::new(user.uid.to_string()).unwrap_or_default();
            let entry = Entry { login, gid, home: c"/".to_owned(), shell: c"/bin/sh".to_owned() };
            Ok(Identity { uid: user.uid, gid, groups: vec![gid], name, entry: Some(entry) })
        }
        (None, None) => Err(Error::NoPrimaryGroup(name)),
    }
}

/// Becomes `identity` for good: real, effective and saved ids, groups first, since a user who is not root cannot change them. Then
/// makes sure of it. After an error the process may be anything between, and has to end.
///
/// # Errors
/// When the system does not let it, and when it is not so afterwards.
pub fn drop_to(identity: &Identity) -> Result<(), Error> {
    if is_already(identity) {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    step(identity, "setgroups", setgroups(&identity.all_groups()))?;
    step(identity, "setgid", setresgid(gid, gid, gid))?;
    step(identity, "setuid", setresuid(uid, uid, uid))?;
    verify(identity)
}

fn step(identity: &Identity, call: &'static str, result: nix::Result<()>) -> Result<(), Error> {
    let Err(error) = result else { return Ok(()) };
    let (name, source) = (identity.name.clone(), error.into());
    let is_root = Identity::current().is_root();
    Err(if is_root || call == "setuid" { Error::Refused { name, call, source } } else { Error::NotRoot { name } })
}

fn verify(identity: &Identity) -> Result<(), Error> {
    let wrong = |what| Err(Error::NotDropped { name: identity.name.clone(), what });
    if all_ids() != Some(([identity.uid; 3], [identity.gid; 3])) {
        return wrong("the user or group is not the one wanted");
    }
    if current_groups() != identity.groups {
        return wrong("the supplementary groups are not those wanted");
    }
    // If it can, only this thread does, and the process ends.
    if identity.uid != ROOT && set_thread_uid(rustix::process::Uid::ROOT).is_ok() {
        return wrong("it can become root again: it has kept a capability or a security bit");
    }
    Ok(())
}

fn is_already(identity: &Identity) -> bool {
    let current = Identity { name: String::new(), ..Identity::current() };
    all_ids() == Some(([identity.uid; 3], [identity.gid; 3])) && current.other_groups() == identity.other_groups()
}

/// Real, effective and saved user, and the same of the group.
fn all_ids() -> Option<([u32; 3], [u32; 3])> {
    let (user, group) = (getresuid().ok()?, getresgid().ok()?);
    let uids = [user.real, user.effective, user.saved].map(Uid::as_raw);
    Some((uids, [group.real, group.effective, group.saved].map(Gid::as_raw)))
}

fn current_groups() -> Vec<u32> {
    let mut groups: Vec<u32> = getgroups().unwrap_or_default().into_iter().map(|gid| gid.as_raw()).collect();
    groups.sort_unstable();
    groups
}

/// The number of a user who is named, or who is a number, as chown(1) understands it: a name goes first.
///
/// # Errors
/// When there is none.
pub fn user_id(name: &str) -> Result<u32, Error> {
    user(name).map(|user| user.uid)
}

struct User {
    uid: u32,
    /// A number may have none.
    entry: Option<Entry>,
}

fn user(name: &str) -> Result<User, Error> {
    if let Ok(text) = CString::new(name) {
        // SAFETY: the name outlives the call, and so does the rest, as `look_up` gives it.
        let call = |to: Answer<_>| unsafe { libc::getpwnam_r(text.as_ptr(), to.entry, to.buffer, to.size, to.found) };
        if let Some(found) = look_up("user", name, call, user_of)? {
            return Ok(found);
        }
    }
    let uid = number(name).ok_or_else(|| Error::Unknown { kind: "user", name: name.to_owned() })?;
    // SAFETY: as above.
    let call = |to: Answer<_>| unsafe { libc::getpwuid_r(uid, to.entry, to.buffer, to.size, to.found) };
    Ok(look_up("user", name, call, user_of)?.unwrap_or(User { uid, entry: None }))
}

/// Of an entry that [`look_up`] has found.
fn user_of(found: &libc::passwd) -> User {
    // SAFETY: the strings are in the buffer that the entry was found with, which lives on meanwhile.
    let [login, home, shell] =
        [found.pw_name, found.pw_dir, found.pw_shell].map(|text| unsafe { CStr::from_ptr(text) }.to_owned());
    User { uid: found.pw_uid, entry: Some(Entry { login, gid: found.pw_gid, home, shell }) }
}

/// The number of a group that is named, or is a number; a name goes first.
///
/// # Errors
/// When there is none.
pub fn group_id(name: &str) -> Result<u32, Error> {
    if let Ok(text) = CString::new(name) {
        // SAFETY: as for a user.
        let call = |to: Answer<_>| unsafe { libc::getgrnam_r(text.as_ptr(), to.entry, to.buffer, to.size, to.found) };
        if let Some(gid) = look_up("group", name, call, |found: &libc::group| found.gr_gid)? {
            return Ok(gid);
        }
    }
    number(name).ok_or_else(|| Error::Unknown { kind: "group", name: name.to_owned() })
}

/// An id; the highest number means "do not change" to the system.
fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number != u32::MAX)
}

/// Where one of the getpw and getgr functions puts what it finds.
struct Answer<T> {
    entry: *mut T,
    /// For what the entry points to.
    buffer: *mut libc::c_char,
    size: usize,
    /// Becomes the entry's address, or null.
    found: *mut *mut T,
}

/// Calls one of them with a buffer that is large enough, and reads the entry that it has found.
fn look_up<T, R>(
    kind: &'static str,
    typed: &str,
    call: impl Fn(Answer<T>) -> i32,
    read: impl Fn(&T) -> R,
) -> Result<Option<R>, Error> {
    let mut entry = MaybeUninit::uninit();
    let mut buffer: Vec<libc::c_char> = vec![0; 1024];
    loop {
        let mut found = ptr::null_mut();
        let (entry, size) = (entry.as_mut_ptr(), buffer.len());
        match call(Answer { entry, buffer: buffer.as_mut_ptr(), size, found: &raw mut found }) {
            // getpwnam(3) lists the second group of codes for "not found" of one system or another.
            // SAFETY: it is null or points to `entry`, which is filled then.
            0 | libc::ENOENT | libc::ESRCH => return Ok(unsafe { found.as_ref() }.map(read)),
            libc::ERANGE if size < MAX_ENTRY_SIZE => buffer.resize(size * 4, 0),
            libc::EINTR => {}
            code => {
                let source = io::Error::from_raw_os_error(code);
                return Err(Error::Lookup { kind, name: typed.to_owned(), source });
            }
        }
    }
}

/// The groups that a user is a member of, the primary one among them.
fn groups_of(login: &CStr, gid: u32) -> Vec<u32> {
    // It fails only for more than a process can have.
    getgrouplist(login, Gid::from_raw(gid)).map_or_else(|_| vec![gid], |all| all.into_iter().map(Gid::as_raw).collect())
}

/// Makes `directory` the root of all paths, and the current one.
///
/// # Errors
/// Those of chroot(2) and chdir(2).
pub fn chroot(directory: &Path) -> io::Result<()> {
    unix::chroot(directory)?;
    std::env::set_current_dir("/")
}

const ROOT: u32 = 0;
/// A group may have very many members.
const MAX_ENTRY_SIZE: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_resolved() {
        assert_eq!(user_id("root").unwrap(), 0);
        assert_eq!(user_id("0").unwrap(), 0);
        assert_eq!(group_id("root").unwrap(), 0);
        assert_eq!(user_id("4000123").unwrap(), 4_000_123);
        assert_eq!(group_id("4000123").unwrap(), 4_000_123);
    }

    #[test]
    fn what_does_not_exist_is_told_by_name() {
        let told = "user \"no-such-user\" does not exist: create it or choose another";
        assert_eq!(user_id("no-such-user").unwrap_err().to_string(), told);
        let told = "group \"no-such-group\" does not exist: create it or choose another";
        assert_eq!(group_id("no-such-group").unwrap_err().to_string(), told);
        for name in ["", "-1", "+1", "1.5", "4294967295", "99999999999", "a\0b"] {
            assert!(user_id(name).is_err() && group_id(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_user_brings_its_groups_unless_others_are_typed() {
        let (uid, gid, daemon) = (user_id("bin").unwrap(), group_id("bin").unwrap(), group_id("daemon").unwrap());
        let identity = Identity::resolve(Some("bin"), None, None).unwrap();
        assert_eq!((identity.uid, identity.gid), (uid, gid));
        assert!(identity.groups.contains(&gid));
        let typed = ["9".to_owned(), "8".to_owned(), "9".to_owned()];
        let typed = Identity::resolve(Some("bin"), Some("daemon"), Some(&typed)).unwrap();
        assert_eq!((typed.uid, typed.gid, typed.groups), (uid, daemon, vec![8, 9]));
        let none = Identity::resolve(Some("bin"), None, Some(&[])).unwrap();
        assert!(none.groups.is_empty());
    }

    #[test]
    fn another_primary_group_takes_the_place_of_the_users_own() {
        let daemon = group_id("daemon").unwrap();
        let identity = Identity::resolve(Some("bin"), Some("daemon"), None).unwrap();
        assert_eq!((identity.gid, identity.groups), (daemon, vec![daemon]));
    }

    #[test]
    fn a_number_without_a_user_needs_a_group() {
        let error = Identity::resolve(Some("4000123"), None, None).unwrap_err().to_string();
        assert!(error.contains("set group (--group), too"), "{error}");
        let identity = Identity::resolve(Some("4000123"), Some("4000124"), None).unwrap();
        assert_eq!((identity.uid, identity.gid, identity.groups), (4_000_123, 4_000_124, vec![4_000_124]));
    }

    #[test]
    fn without_a_user_a_process_stays_itself_but_never_root() {
        let current = Identity::current();
        match Identity::resolve(None, None, None) {
            Ok(identity) => assert_eq!(identity, current),
            Err(error) => {
                assert!(
                    current.is_root() && error.to_string().starts_with("refusing to run the application as root"),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn to_become_who_one_is_takes_no_privileges() {
        drop_to(&Identity::current()).unwrap();
    }
}
