//! Files whose names others may change under our hands: each is reached once, and from then on by descriptor.

use std::collections::VecDeque;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Gid, Mode, OFlags, PROC_SUPER_MAGIC, RenameFlags, Uid};
use rustix::fs::{accessat, chownat, fstatfs, openat, readlinkat, renameat_with, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::geteuid;

/// A name in a directory that is held by descriptor: whoever swaps a directory on the way to it later moves nothing here.
///
/// Root follows only symbolic links that are root's own (and those of /proc, which nobody can make): any other on the way was perhaps
/// put there to have root open, change or remove a file of the choice of whoever did.
#[derive(Debug)]
pub struct Place {
    directory: File,
    name: CString,
    /// The name is a link of /proc, which has no target to walk to.
    is_of_proc: bool,
    /// The first directory on the way in which somebody else can exchange names.
    exposed: Option<PathBuf>,
    /// Whether others can make names in the last directory.
    is_shared: bool,
}

/// What becomes of a symbolic link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// It is what is meant.
    Keep,
    /// What it points to is meant.
    Follow,
}

impl Place {
    /// Walks to the directory of `path`, which must be there; what has the name there need not.
    ///
    /// # Errors
    /// Those of open(2); for a link that must not be followed, an error that says so.
    pub fn find(path: &Path, last: Last) -> io::Result<Self> {
        Walk::along(path)?.reach(last)
    }

    /// The directory in which others than root and this user can exchange names, the first one on the way.
    pub fn exposed(&self) -> Option<&Path> {
        self.exposed.as_deref()
    }

    /// The same place again.
    ///
    /// # Errors
    /// When there are too many descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        let (directory, name) = (self.directory.try_clone()?, self.name.clone());
        Ok(Self { directory, name, exposed: self.exposed.clone(), ..*self })
    }

    /// What has the name now, itself and not what it points to: a descriptor that is good for asking only.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn pin(&self) -> io::Result<File> {
        self.open_at(OFlags::PATH | OFlags::NOFOLLOW, 0)
    }

    /// Whether the name is still that of this open file.
    pub fn is_of(&self, file: &File) -> bool {
        self.found(file).is_some()
    }

    /// What is known of what has the name, if that is this open file.
    fn found(&self, file: &File) -> Option<Metadata> {
        let (found, open) = (self.pin().ok()?.metadata().ok()?, file.metadata().ok()?);
        ((found.dev(), found.ino()) == (open.dev(), open.ino())).then_some(found)
    }

    /// Opens what has the name for reading and writing, without waiting for anybody.
    ///
    /// # Errors
    /// Those of open(2): `ELOOP` for a symbolic link.
    pub fn open(&self) -> io::Result<File> {
        self.open_at(OFlags::RDWR | OFlags::NOFOLLOW, 0)
    }

    /// The same for reading only.
    ///
    /// # Errors
    /// The same.
    pub fn open_to_read(&self) -> io::Result<File> {
        self.open_at(OFlags::RDONLY | OFlags::NOFOLLOW, 0)
    }

    /// Makes a file with these permission bits, where nothing is.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn create(&self, mode: u32) -> io::Result<File> {
        self.open_at(OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode)
    }

    /// Opens a file to append to, and makes it if it is not there and `mode` is given. In a directory where others can make names it has
    /// to be a file of one name: another one could be that of a file elsewhere.
    ///
    /// # Errors
    /// Those of open(2), and when it could be somebody else's file.
    pub fn open_to_append(&self, mode: Option<u32>) -> io::Result<File> {
        let mut flags = OFlags::WRONLY | OFlags::APPEND;
        flags.set(OFlags::NOFOLLOW, !self.is_of_proc);
        flags.set(OFlags::CREATE, mode.is_some());
        let file = self.open_at(flags, mode.unwrap_or(0))?;
        let is_told_apart = !self.is_shared || !is_root() || self.is_of_proc || self.is_only_name_of(&file);
        if is_told_apart { Ok(file) } else { Err(io::Error::other(OTHER_FILE)) }
    }

    fn is_only_name_of(&self, file: &File) -> bool {
        self.found(file).is_some_and(|found| !found.is_file() || found.nlink() == 1)
    }

    /// Whether this process could make a file of this name, where none is. Makes nothing.
    ///
    /// # Errors
    /// What making it would say of the directory.
    pub fn may_create(&self) -> io::Result<()> {
        Ok(accessat(&self.directory, c".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
    }

    /// Removes the name if it is that of this file. What somebody else has put there meanwhile stays.
    ///
    /// # Errors
    /// Those of rename(2) and unlink(2); `NotFound` when there is something else or nothing.
    pub fn remove(&self, file: &File) -> io::Result<()> {
        if !self.is_of(file) {
            return Err(ErrorKind::NotFound.into());
        }
        // The name may be another's by now, and unlink(2) knows only names: so it gets one that nobody else uses.
        let aside = [b".", self.name.as_bytes(), format!(".{}.gone", std::process::id()).as_bytes()].concat();
        let aside = Self { name: CString::new(aside)?, ..self.try_clone()? };
        self.rename(&aside, RenameFlags::empty())?;
        if aside.is_of(file) {
            return Ok(unlinkat(&aside.directory, &*aside.name, AtFlags::empty())?);
        }
        aside.rename(self, RenameFlags::NOREPLACE)?;
        Err(ErrorKind::NotFound.into())
    }

    fn rename(&self, to: &Self, flags: RenameFlags) -> io::Result<()> {
        Ok(renameat_with(&self.directory, &*self.name, &to.directory, &*to.name, flags)?)
    }

    /// A path of this name that leads nowhere else, whoever swaps what on the way, as long as this value lives.
    pub fn by_descriptor(&self) -> PathBuf {
        descriptor_path(&self.directory).join(OsStr::from_bytes(self.name.as_bytes()))
    }

    fn open_at(&self, flags: OFlags, mode: u32) -> io::Result<File> {
        open_at(&self.directory, &*self.name, flags, mode)
    }
}

/// A path of what this descriptor is open on, whatever its name is now.
pub fn descriptor_path(file: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Sets the permission bits of what is pinned.
///
/// # Errors
/// Those of chmod(2), and when /proc is not there.
pub fn set_mode(pinned: &File, mode: u32) -> io::Result<()> {
    // fchmod(2) refuses a descriptor for asking only.
    std::fs::set_permissions(descriptor_path(pinned), std::fs::Permissions::from_mode(mode))
}

/// Gives what is pinned to a user, a group or both.
///
/// # Errors
/// Those of chown(2).
pub fn set_owner(pinned: &File, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    Ok(chownat(pinned, c"", user.map(Uid::from_raw), group.map(Gid::from_raw), AtFlags::EMPTY_PATH)?)
}

/// Whether this is a socket of this process's user, by no other name.
pub fn is_own_socket(pinned: &File) -> bool {
    let found = pinned.metadata();
    found.is_ok_and(|found| found.file_type().is_socket() && found.uid() == user() && found.nlink() == 1)
}

/// Whether this is a file of this process's user, by no other name, that nobody else can write to.
pub fn is_private(file: &File) -> bool {
    file.metadata().is_ok_and(|found| found.uid() == user() && found.nlink() == 1 && found.mode() & 0o022 == 0)
}

/// All of a regular file. What is none (a named pipe, a device) is not waited for, and one of more than `most` bytes is not read.
///
/// # Errors
/// Those of open(2) and read(2), and what is wrong with the file.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    let file = open_at(CWD, &*name, OFlags::RDONLY, 0)?;
    let found = file.metadata()?;
    if found.is_dir() {
        return Err(Errno::ISDIR.into());
    }
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

/// On the way to a place.
struct Walk {
    at: File,
    path: PathBuf,
    rest: VecDeque<OsString>,
    links: u32,
    exposed: Option<PathBuf>,
    is_shared: bool,
}

impl Walk {
    fn along(path: &Path) -> io::Result<Self> {
        let start = Path::new(if path.is_absolute() { "/" } else { "." });
        let rest = names(path).collect();
        let at = open_directory(start)?;
        let mut walk = Self { at, path: start.to_owned(), rest, links: 0, exposed: None, is_shared: false };
        walk.look_around()?;
        Ok(walk)
    }

    fn reach(mut self, last: Last) -> io::Result<Place> {
        loop {
            let name = self.rest.pop_front().ok_or(ErrorKind::InvalidInput)?;
            let (is_last, c_name) = (self.rest.is_empty(), CString::new(name.as_bytes())?);
            if is_last && last == Last::Keep {
                return Ok(self.arrive(c_name, false));
            }
            let found = open_at(&self.at, &*c_name, OFlags::PATH | OFlags::NOFOLLOW, 0);
            let found = match found {
                Err(error) if is_last && error.kind() == ErrorKind::NotFound => return Ok(self.arrive(c_name, false)),
                found => found?,
            };
            let kind = found.metadata()?;
            match kind.is_symlink() {
                true if is_proc(&self.at)? => match is_last {
                    true => return Ok(self.arrive(c_name, true)),
                    false => self.enter(open_at(&self.at, &*c_name, OFlags::PATH, 0)?, &name)?,
                },
                true => self.follow(&found, &kind, &name)?,
                false if is_last => return Ok(self.arrive(c_name, false)),
                false => self.enter(found, &name)?,
            }
        }
    }

    fn arrive(self, name: CString, is_of_proc: bool) -> Place {
        let Self { at: directory, exposed, is_shared, .. } = self;
        Place { directory, name, is_of_proc, exposed, is_shared }
    }

    fn enter(&mut self, directory: File, name: &OsStr) -> io::Result<()> {
        self.at = directory;
        self.path.push(name);
        self.look_around()
    }

    fn look_around(&mut self) -> io::Result<()> {
        let found = self.at.metadata()?;
        if !found.is_dir() {
            return Err(Errno::NOTDIR.into());
        }
        self.is_shared = !is_trusted(found.uid()) || is_open_to_others(&found);
        let is_sticky = found.mode() & libc::S_ISVTX != 0;
        if self.is_shared && !(is_sticky && is_trusted(found.uid())) {
            self.exposed.get_or_insert_with(|| self.path.clone());
        }
        Ok(())
    }

    fn follow(&mut self, link: &File, found: &Metadata, name: &OsStr) -> io::Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::LOOP.into());
        }
        if is_root() && !(is_trusted(found.uid()) && found.nlink() == 1) {
            let link = self.path.join(name);
            return Err(io::Error::other(format!(
                "{} is a symbolic link owned by another user (uid {}), which root does not follow: name its target",
                link.display(),
                found.uid()
            )));
        }
        let target = read_link(link)?;
        if target.is_absolute() {
            self.at = open_directory(Path::new("/"))?;
            self.path = PathBuf::from("/");
            self.look_around()?;
        }
        let rest = std::mem::take(&mut self.rest);
        self.rest = names(&target).chain(rest).collect();
        Ok(())
    }
}

/// What keeps this user from reading `path`, links followed: a directory on the way that it may not enter, or `path` itself. It is for
/// messages: by the time it is told another thing may be there.
pub fn obstacle(path: &Path) -> Option<PathBuf> {
    let (mut left, mut place, mut links) = (names(path).collect::<VecDeque<_>>(), PathBuf::from("/"), 0);
    if path.is_relative() {
        place = std::env::current_dir().ok()?;
    }
    while let Some(name) = left.pop_front() {
        let next = place.join(&name);
        match fs::symlink_metadata(&next) {
            Err(error) => return (error.kind() == ErrorKind::PermissionDenied).then_some(place),
            Ok(found) if found.is_symlink() && links < MAX_LINKS => {
                let target = fs::read_link(&next).ok()?;
                links += 1;
                names(&target).collect::<Vec<_>>().into_iter().rev().for_each(|name| left.push_front(name));
                if target.is_absolute() {
                    place = PathBuf::from("/");
                }
            }
            Ok(_) if name == ".." => drop(place.pop()),
            Ok(_) => place = next,
        }
    }
    let wanted = if place.is_dir() { Access::READ_OK | Access::EXEC_OK } else { Access::READ_OK };
    (accessat(CWD, &place, wanted, AtFlags::EACCESS) == Err(Errno::ACCESS)).then_some(place)
}

fn names(path: &Path) -> impl Iterator<Item = OsString> {
    let steps = path.components().filter(|component| matches!(component, Component::Normal(_) | Component::ParentDir));
    steps.map(|component| component.as_os_str().to_owned())
}

fn open_directory(path: &Path) -> io::Result<File> {
    open_at(CWD, path, OFlags::PATH | OFlags::DIRECTORY, 0)
}

fn open_at(directory: impl AsFd, name: impl Arg, flags: OFlags, mode: u32) -> io::Result<File> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(openat(directory, name, flags, Mode::from_raw_mode(mode))?))
}

fn read_link(link: &File) -> io::Result<PathBuf> {
    let target = readlinkat(link, c"", Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
}

fn is_proc(directory: &File) -> io::Result<bool> {
    Ok(fstatfs(directory)?.f_type == PROC_SUPER_MAGIC)
}

/// Whether others than its owner may make names in the directory; root's group is as good as root.
fn is_open_to_others(directory: &Metadata) -> bool {
    let mode = directory.mode();
    mode & 0o002 != 0 || mode & 0o020 != 0 && directory.gid() != ROOT
}

fn is_trusted(uid: u32) -> bool {
    uid == ROOT || uid == user()
}

fn is_root() -> bool {
    user() == ROOT
}

fn user() -> u32 {
    geteuid().as_raw()
}

const ROOT: u32 = 0;
/// As many as the system follows.
const MAX_LINKS: u32 = 40;
const OTHER_FILE: &str =
    "it has another hard link, or was replaced while it was being opened: remove it, or use a directory that root owns";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{chown, symlink};

    use tempfile::TempDir;

    use super::*;

    fn place(directory: &TempDir, name: &str, last: Last) -> io::Result<Place> {
        Place::find(&directory.path().join(name), last)
    }

    /// A directory of another user, with what this makes in it given to that user as well.
    fn of_another_user(make: impl Fn(&Path)) -> Option<TempDir> {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        let given = chown(directory.path(), Some(OTHER), None).is_ok();
        for entry in fs::read_dir(directory.path()).unwrap() {
            let _ = std::os::unix::fs::lchown(entry.unwrap().path(), Some(OTHER), None);
        }
        if !given {
            eprintln!("skipped: only root can give a directory to another user");
        }
        given.then_some(directory)
    }

    #[test]
    fn a_file_may_be_made_only_in_a_directory_that_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let kind =
            |name: &str| place(&directory, name, Last::Keep).and_then(|place| place.may_create()).map_err(|error| error.kind());
        assert_eq!(kind("new"), Ok(()));
        assert!(!directory.path().join("new").exists());
        assert_eq!(kind("none/new"), Err(ErrorKind::NotFound));
        fs::write(directory.path().join("file"), "").unwrap();
        assert_eq!(kind("file/new"), Err(ErrorKind::NotADirectory));
        assert!(Place::find(Path::new("here"), Last::Keep).unwrap().may_create().is_ok(), "the current directory");
    }

    #[test]
    fn own_links_are_followed_and_those_of_proc_too() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("real")).unwrap();
        symlink("real", directory.path().join("way")).unwrap();
        symlink("../real/log", directory.path().join("real/link")).unwrap();
        symlink("/dev/stdout", directory.path().join("out")).unwrap();
        place(&directory, "way/link", Last::Follow).unwrap().open_to_append(Some(0o640)).unwrap();
        assert!(directory.path().join("real/log").is_file());
        place(&directory, "way/link", Last::Keep).unwrap().open_to_append(Some(0o640)).unwrap_err();
        place(&directory, "out", Last::Follow).unwrap().open_to_append(None).unwrap();
        symlink("round", directory.path().join("round")).unwrap();
        assert_eq!(place(&directory, "round", Last::Follow).unwrap_err().raw_os_error(), Some(libc::ELOOP));
    }

    #[test]
    fn root_follows_no_link_of_another_user_at_the_end_or_on_the_way() {
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("secret"), "").unwrap();
        let made = of_another_user(|path| {
            symlink(elsewhere.path(), path.join("way")).unwrap();
            symlink(elsewhere.path().join("secret"), path.join("end")).unwrap();
            symlink(elsewhere.path().join("none"), path.join("dangling")).unwrap();
        });
        let Some(directory) = made else { return };
        for name in ["way/secret", "end", "dangling"] {
            let error = place(&directory, name, Last::Follow).unwrap_err().to_string();
            assert!(error.contains("is a symbolic link owned by another user"), "{error}");
        }
        assert!(!elsewhere.path().join("none").exists());
    }

    #[test]
    fn root_appends_to_no_file_that_has_another_name_where_others_make_names() {
        let elsewhere = tempfile::tempdir().unwrap();
        let secret = elsewhere.path().join("secret");
        fs::write(&secret, "").unwrap();
        let Some(directory) = of_another_user(|_| {}) else { return };
        fs::hard_link(&secret, directory.path().join("log")).unwrap();
        let error = place(&directory, "log", Last::Follow).unwrap().open_to_append(Some(0o640)).unwrap_err().to_string();
        assert!(error.contains("another hard link"), "{error}");
        fs::remove_file(&secret).unwrap();
        place(&directory, "log", Last::Follow).unwrap().open_to_append(Some(0o640)).unwrap();
    }

    #[test]
    fn a_directory_in_which_others_exchange_names_is_named() {
        let Some(directory) = of_another_user(|path| fs::create_dir(path.join("deeper")).unwrap()) else { return };
        for name in ["x", "deeper/x"] {
            let found = place(&directory, name, Last::Keep).unwrap();
            assert_eq!(found.exposed(), Some(directory.path()), "{name}");
        }
        let own = tempfile::tempdir().unwrap();
        assert_eq!(place(&own, "x", Last::Keep).unwrap().exposed(), None);
        for (mode, is_exposed) in [(0o777, true), (0o1777, false), (0o755, false)] {
            fs::set_permissions(own.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(place(&own, "x", Last::Keep).unwrap().exposed().is_some(), is_exposed, "{mode:o}");
        }
    }

    #[test]
    fn a_name_that_is_another_file_s_by_now_is_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("name");
        let place = place(&directory, "name", Last::Keep).unwrap();
        let file = place.create(0o600).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another").unwrap();
        assert_eq!(place.remove(&file).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(fs::read_to_string(&path).unwrap(), "another");
        let another = place.pin().unwrap();
        place.remove(&another).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_regular_files_of_a_size_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_regular(&path, 5).unwrap(), b"12345");
        assert!(read_regular(&path, 4).unwrap_err().to_string().contains("more than 4 bytes"));
        assert_eq!(read_regular(directory.path(), 5).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert!(read_regular(Path::new("/dev/zero"), 5).unwrap_err().to_string().contains("not a regular file"));
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(read_regular(&pipe, 5).unwrap_err().to_string().contains("not a regular file"));
    }

    /// The number of nobody.
    const OTHER: u32 = 65_534;
}
