//! The pid file: the daemon's number for scripts, and a lock that says whether there is a daemon at all.
//!
//! The number in a file that is not locked means nothing, whatever process has it now.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use thiserror::Error;

use crate::sys::file::{may_create, open_unfollowed};
use crate::sys::process::ProcessId;

/// Why there is no pid file. Each is the administrator's to mend.
#[derive(Debug, Error)]
pub enum PidFileError {
    /// Another process has locked it.
    #[error("pid-file {}: pyfcgid already runs{}", path.display(), holder.map(|id| format!(" as process {id}")).unwrap_or_default())]
    Held {
        /// The file.
        path: PathBuf,
        /// Who says so; none while it has not written its number yet.
        holder: Option<ProcessId>,
    },
    /// It is something that must not be overwritten.
    #[error("pid-file {}: this is {what}: choose another path or remove it", path.display())]
    NotOne {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The system refuses it.
    #[error("pid-file {}: cannot {action} it; the directory must exist and be writable", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// A pid file that this process has locked. Dropping it removes the file, if it is still this one and this is still the process
/// that wrote it: a forked child that ends does not take its parent's file away.
#[derive(Debug)]
pub struct PidFile {
    file: File,
    path: PathBuf,
    owner: ProcessId,
}

impl PidFile {
    /// Creates the file, or takes over one whose process has gone, and locks it for as long as this value, or a descriptor that a
    /// forked child has inherited, is open.
    ///
    /// # Errors
    /// When a process has locked it, and when it is no pid file or cannot be one.
    pub fn lock(path: &Path) -> Result<Self, PidFileError> {
        Self::lock_patiently(path, &mut || thread::sleep(PAUSE))
    }

    fn lock_patiently(path: &Path, pause: &mut dyn FnMut()) -> Result<Self, PidFileError> {
        let mut result = Self::try_lock(path);
        for _ in 0..RETRIES {
            // Perhaps somebody only looks whether it is locked, or its process has just removed it.
            if !matches!(result, Ok(None) | Err(PidFileError::Held { .. })) {
                break;
            }
            pause();
            result = Self::try_lock(path);
        }
        result?.ok_or_else(|| system(path, "lock", io::Error::other("it is replaced again and again")))
    }

    /// None when the file that is locked is not the one at `path` any more.
    fn try_lock(path: &Path) -> Result<Option<Self>, PidFileError> {
        let file = open(path, OpenOptions::new().read(true).write(true).create(true).mode(0o644))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(PidFileError::Held { path: path.to_owned(), holder: number_in(&file) });
            }
            result => result.map_err(|error| system(path, "lock", error.into()))?,
        }
        if !is_at(&file, path) {
            return Ok(None);
        }
        reject_other_content(&file, path)?;
        Ok(Some(Self { file, path: path.to_owned(), owner: ProcessId::current() }))
    }

    /// Whether [`Self::lock`] would succeed, if no other process has locked it. Makes nothing, and locks nothing.
    ///
    /// # Errors
    /// When there is something else than a pid file, or there cannot be one.
    pub fn check(path: &Path) -> Result<(), PidFileError> {
        match open(path, OpenOptions::new().read(true).write(true)) {
            Ok(file) => reject_other_content(&file, path),
            Err(PidFileError::System { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                may_create(path).map_err(|source| refused(path, OPEN, source))
            }
            Err(error) => Err(error),
        }
    }

    /// Takes over the file from the program that this process ran before exec(2).
    pub fn adopt(descriptor: OwnedFd, path: &Path) -> Self {
        Self { file: File::from(descriptor), path: path.to_owned(), owner: ProcessId::current() }
    }

    /// Writes the number; from now on the file is this process's to remove.
    ///
    /// # Errors
    /// When the file system is full or gone.
    pub fn write(&mut self, number: ProcessId) -> Result<(), PidFileError> {
        let result = self.file.set_len(0).and_then(|()| self.file.write_all_at(format!("{number}\n").as_bytes(), 0));
        self.owner = ProcessId::current();
        result.map_err(|source| system(&self.path, "write", source))
    }

    /// The process that has locked the file now; none if there is no file, or a stale one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(path: &Path) -> Result<Option<ProcessId>, PidFileError> {
        let file = match open_unfollowed(OpenOptions::new().read(true), path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|source| refused(path, "read", source))?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(number_in(&file)),
            Err(TryLockError::Error(source)) => Err(system(path, "lock", source)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for PidFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if self.owner == ProcessId::current() && is_at(&self.file, &self.path) && fs::remove_file(&self.path).is_err() {
            drop(self.file.set_len(0)); // Without privileges by now, perhaps. Without a number it misleads nobody.
        }
    }
}

fn open(path: &Path, options: &mut OpenOptions) -> Result<File, PidFileError> {
    let file = open_unfollowed(options, path).map_err(|source| refused(path, OPEN, source))?;
    match file.metadata() {
        Ok(found) if found.is_file() => Ok(file),
        _ => Err(not_one(path, "not a regular file")),
    }
}

/// Whether `file` is what a process finds at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(found)) = (file.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    (open.dev(), open.ino()) == (found.dev(), found.ino())
}

/// A path mistyped must not cost anybody a file: only what looks like a pid file is overwritten.
fn reject_other_content(file: &File, path: &Path) -> Result<(), PidFileError> {
    let is_empty = file.metadata().is_ok_and(|found| found.len() == 0);
    if is_empty || number_in(file).is_some() { Ok(()) } else { Err(not_one(path, "a file with other content")) }
}

fn number_in(file: &File) -> Option<ProcessId> {
    let mut bytes = [0; 32];
    let length = file.read_at(&mut bytes, 0).ok().filter(|length| *length < bytes.len())?;
    let text = std::str::from_utf8(&bytes[..length]).ok()?;
    ProcessId::new(text.trim_ascii().parse().ok()?)
}

fn refused(path: &Path, action: &'static str, source: io::Error) -> PidFileError {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => not_one(path, "a symbolic link"),
        Ok(found) if found.is_dir() => not_one(path, "a directory"),
        _ => system(path, action, source),
    }
}

fn not_one(path: &Path, what: &'static str) -> PidFileError {
    PidFileError::NotOne { path: path.to_owned(), what }
}

fn system(path: &Path, action: &'static str, source: io::Error) -> PidFileError {
    PidFileError::System { path: path.to_owned(), action, source }
}

const OPEN: &str = "open";
/// Together a tenth of a second.
const RETRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::{Child, Command, Stdio};

    use tempfile::TempDir;

    use super::*;

    fn place() -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.pid");
        (directory, path)
    }

    fn process(number: i32) -> ProcessId {
        ProcessId::new(number).unwrap()
    }

    /// Another process that holds the lock until its standard input ends.
    fn holder(path: &Path) -> Child {
        let mut command = Command::new("flock");
        command.arg(path).args(["sh", "-c", "echo; read x"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        child
    }

    fn error(path: &Path) -> String {
        let text = PidFile::lock(path).unwrap_err().to_string();
        text.strip_prefix(&format!("pid-file {}: ", path.display())).unwrap().to_owned()
    }

    #[test]
    fn a_locked_file_names_its_process_and_goes_with_it() {
        let (_directory, path) = place();
        let mut file = PidFile::lock(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        file.write(process(1234)).unwrap();
        file.write(process(7)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "7\n");
        assert_eq!(PidFile::read(&path).unwrap(), Some(process(7)));
        drop(file);
        assert!(!path.exists());
        assert_eq!(PidFile::read(&path).unwrap(), None);
    }

    #[test]
    fn a_second_instance_is_refused_with_the_number_of_the_first() {
        let (_directory, path) = place();
        fs::write(&path, "4242\n").unwrap();
        let mut other = holder(&path);
        assert_eq!(error(&path), "pyfcgid already runs as process 4242");
        assert_eq!(PidFile::read(&path).unwrap(), Some(process(4242)));
        fs::write(&path, "").unwrap();
        assert_eq!(error(&path), "pyfcgid already runs");
        drop(other.stdin.take());
        other.wait().unwrap();
        let mut file = PidFile::lock(&path).unwrap();
        file.write(process(1)).unwrap();
    }

    #[test]
    fn a_stale_file_is_taken_over_even_if_its_number_is_alive() {
        let (_directory, path) = place();
        fs::write(&path, format!("{}\n", ProcessId::current())).unwrap();
        assert_eq!(PidFile::read(&path).unwrap(), None);
        assert!(PidFile::lock(&path).is_ok());
    }

    #[test]
    fn somebody_who_only_looks_refuses_nobody() {
        let (_directory, path) = place();
        fs::write(&path, "").unwrap();
        let mut looker = Some(File::open(&path).unwrap());
        looker.as_ref().unwrap().try_lock_shared().unwrap();
        assert!(PidFile::lock_patiently(&path, &mut || drop(looker.take())).is_ok());
    }

    #[test]
    fn a_file_that_was_replaced_is_not_removed() {
        let (_directory, path) = place();
        let file = PidFile::lock(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "somebody else's").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody else's");
    }

    #[test]
    fn a_lock_on_a_file_that_was_removed_counts_for_nothing() {
        let (_directory, path) = place();
        let first = PidFile::lock(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = PidFile::lock(&path).unwrap();
        assert!(is_at(&second.file, &path) && !is_at(&first.file, &path));
    }

    #[test]
    fn another_process_does_not_remove_the_file() {
        let (_directory, path) = place();
        let mut file = PidFile::lock(&path).unwrap();
        file.owner = process(1);
        drop(file);
        assert!(path.exists());
    }

    #[test]
    fn what_is_no_pid_file_is_left_alone() {
        let (directory, path) = place();
        fs::write(&path, "[pool.a]\n").unwrap();
        assert_eq!(error(&path), "this is a file with other content: choose another path or remove it");
        assert_eq!(fs::read_to_string(&path).unwrap(), "[pool.a]\n");
        assert_eq!(error(directory.path()), "this is a directory: choose another path or remove it");
        let link = directory.path().join("link");
        symlink(directory.path().join("target"), &link).unwrap();
        assert_eq!(error(&link), "this is a symbolic link: choose another path or remove it");
        assert!(!directory.path().join("target").exists());
        let pipe = directory.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(error(&pipe), "this is not a regular file: choose another path or remove it");
    }

    #[test]
    fn a_directory_that_is_missing_is_told() {
        let (directory, _) = place();
        let missing = directory.path().join("missing/p.pid");
        assert_eq!(error(&missing), "cannot open it; the directory must exist and be writable");
        assert_eq!(PidFile::read(&missing).unwrap(), None);
    }

    #[test]
    fn a_program_that_replaces_itself_keeps_the_lock() {
        let (_directory, path) = place();
        let mut file = PidFile::lock(&path).unwrap();
        file.write(process(5)).unwrap();
        let descriptor = file.as_fd().try_clone_to_owned().unwrap();
        file.owner = process(1);
        drop(file);
        let adopted = PidFile::adopt(descriptor, &path);
        assert_eq!(error(&path), "pyfcgid already runs as process 5");
        assert_eq!(PidFile::read(&path).unwrap(), Some(process(5)));
        drop(adopted);
        assert!(!path.exists());
    }
}
