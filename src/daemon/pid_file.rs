//! The pid file: the daemon's number for scripts, and a lock that says whether there is a daemon at all.
//!
//! The number in a file that is not locked means nothing, whatever process has it now, and of one that is locked the system says who
//! holds it. Everybody may read the file, and so lock it for reading: that counts for nothing, and is in nobody's way.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use thiserror::Error;

use shared::sys::file::{self, Last, Place};
use shared::sys::lock::{self, Writer};
use shared::sys::process::ProcessId;

/// Why there is no pid file. Each is the administrator's to mend.
#[derive(Debug, Error)]
pub enum PidFileError {
    /// Another process has locked it.
    #[error(
        "pid-file {}: pyfcgid is already running{}",
        path.display(),
        holder.map(|id| format!(" as process {id}")).unwrap_or_default()
    )]
    Held {
        /// The file.
        path: PathBuf,
        /// Which, if this process can see it.
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
    place: Option<Place>,
    path: PathBuf,
    owner: ProcessId,
}

impl PidFile {
    /// Creates the file, or takes over one whose process has gone, and locks it for as long as this process lives and this value does.
    /// The process must not open the file otherwise.
    ///
    /// # Errors
    /// When a process has locked it, and when it is no pid file or cannot be one.
    pub fn lock(path: &Path) -> Result<Self, PidFileError> {
        let mut result = Self::try_lock(path);
        for _ in 0..RETRIES {
            // Its process may be about to end, or has just removed it.
            if !matches!(result, Ok(None) | Err(PidFileError::Held { .. })) {
                break;
            }
            thread::sleep(PAUSE);
            result = Self::try_lock(path);
        }
        result?.ok_or_else(|| system(path, "lock", io::Error::other("it keeps being replaced")))
    }

    /// None when the file that was found is not, or should not be, the one at `path` any more.
    fn try_lock(path: &Path) -> Result<Option<Self>, PidFileError> {
        let place = find(path)?;
        let file = match place.open() {
            Err(error) if error.kind() == ErrorKind::NotFound => match place.create(UNREADABLE) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
                created => created.map_err(|source| refused(path, OPEN, source))?,
            },
            found => found.map_err(|source| refused(path, OPEN, source))?,
        };
        reject_other_things(&file, path)?;
        let failed = |source| system(path, "lock", source);
        if !lock::try_lock(&file).map_err(failed)? {
            if let Some(Writer(holder)) = lock::writer(&file).map_err(failed)? {
                return Err(PidFileError::Held { path: path.to_owned(), holder });
            }
            // Somebody who can only read it. Nobody can do that to one that is locked before it may be read.
            return replace(&place, &file, path);
        }
        if !place.is_of(&file) {
            return Ok(None);
        }
        if !file::is_private(&file) {
            return replace(&place, &file, path);
        }
        file.set_permissions(Permissions::from_mode(FOR_ALL_TO_READ)).map_err(failed)?;
        Ok(Some(Self { file, place: Some(place), path: path.to_owned(), owner: ProcessId::current() }))
    }

    /// Whether [`Self::lock`] would succeed, if no other process has locked it. Makes nothing, and locks nothing.
    ///
    /// # Errors
    /// When there is something else than a pid file, or there cannot be one.
    pub fn check(path: &Path) -> Result<(), PidFileError> {
        let place = find(path)?;
        match place.open() {
            Ok(file) => reject_other_things(&file, path),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                place.may_create().map_err(|source| refused(path, OPEN, source))
            }
            Err(source) => Err(refused(path, OPEN, source)),
        }
    }

    /// Takes over the file from the program that this process ran before exec(2).
    pub fn adopt(descriptor: OwnedFd, path: &Path) -> Self {
        let place = Place::find(path, Last::Keep).ok();
        Self { file: File::from(descriptor), place, path: path.to_owned(), owner: ProcessId::current() }
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

    /// The process that has locked the file now; none if there is no file, or a stale one. What the file says counts only if the system
    /// does not see the process. Not for the process that has locked it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(path: &Path) -> Result<Option<ProcessId>, PidFileError> {
        let file = match Place::find(path, Last::Keep).and_then(|place| place.open_to_read()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|source| refused(path, "read", source))?,
        };
        let writer = lock::writer(&file).map_err(|source| system(path, "lock", source))?;
        Ok(writer.and_then(|Writer(process)| process.or_else(|| number_in(&file))))
    }
}

impl AsFd for PidFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let place = self.place.as_ref().filter(|place| self.owner == ProcessId::current() && place.is_of(&self.file));
        if place.is_some_and(|place| place.remove(&self.file).is_err()) {
            drop(self.file.set_len(0)); // Without privileges by now, perhaps. Without a number it misleads nobody.
        }
    }
}

fn find(path: &Path) -> Result<Place, PidFileError> {
    Place::find(path, Last::Keep).map_err(|source| refused(path, OPEN, source))
}

/// Makes room for a new one.
fn replace(place: &Place, file: &File, path: &Path) -> Result<Option<PidFile>, PidFileError> {
    match place.remove(file) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(system(path, "replace", source)),
        _ => Ok(None),
    }
}

/// A path mistyped must not cost anybody a file: only what looks like a pid file is overwritten.
fn reject_other_things(file: &File, path: &Path) -> Result<(), PidFileError> {
    let found = file.metadata().map_err(|source| system(path, OPEN, source))?;
    match () {
        () if !found.is_file() => Err(not_one(path, "not a regular file")),
        () if found.len() == 0 || number_in(file).is_some() => Ok(()),
        () => Err(not_one(path, "a file with other content")),
    }
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
/// Until it is locked.
const UNREADABLE: u32 = 0o600;
const FOR_ALL_TO_READ: u32 = 0o644;

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

    /// Another process that has locked the file until its standard input ends: this test program, which does what [`holds`] does.
    fn holder(path: &Path, how: &str) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "daemon::pid_file::tests::holds", "--nocapture"]).env(HELD, path).env(HOW, how);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        io::Read::read_exact(child.stderr.as_mut().unwrap(), &mut [0]).unwrap();
        child
    }

    fn end(mut holder: Child) {
        drop(holder.stdin.take());
        assert!(holder.wait().unwrap().success());
    }

    /// Nothing by itself.
    #[test]
    fn holds() {
        let (Some(path), Some(how)) = (std::env::var_os(HELD), std::env::var_os(HOW)) else { return };
        let mut own = (how == "pid-file").then(|| PidFile::lock(Path::new(&path)).unwrap());
        if let Some(file) = &mut own {
            file.write(process(7)).unwrap();
        }
        // What everybody can do who can read it.
        let file = own.is_none().then(|| File::open(&path).unwrap());
        if let Some(file) = &file {
            file.lock().unwrap();
            rustix::fs::fcntl_lock(file, rustix::fs::FlockOperation::NonBlockingLockShared).unwrap();
        }
        io::Write::write_all(&mut io::stderr(), b"x").unwrap();
        io::Read::read_to_end(&mut io::stdin(), &mut Vec::new()).unwrap();
    }

    const HELD: &str = "PYFCGID_TEST_HELD";
    const HOW: &str = "PYFCGID_TEST_HOW";

    fn error(path: &Path) -> String {
        let text = PidFile::lock(path).unwrap_err().to_string();
        text.strip_prefix(&format!("pid-file {}: ", path.display())).unwrap().to_owned()
    }

    #[test]
    fn a_locked_file_has_a_number_and_goes_with_its_process() {
        let (_directory, path) = place();
        let mut file = PidFile::lock(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        file.write(process(1234)).unwrap();
        file.write(process(7)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "7\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        drop(file);
        assert!(!path.exists());
        assert_eq!(PidFile::read(&path).unwrap(), None);
    }

    #[test]
    fn a_second_instance_is_refused_with_the_number_of_the_first_whatever_the_file_says() {
        let (_directory, path) = place();
        let other = holder(&path, "pid-file");
        let number = process(other.id().cast_signed());
        for text in ["7\n", "4242\n", ""] {
            fs::write(&path, text).unwrap();
            assert_eq!(error(&path), format!("pyfcgid is already running as process {number}"));
            assert_eq!(PidFile::read(&path).unwrap(), Some(number));
        }
        end(other);
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
    fn whoever_can_only_read_a_stale_file_keeps_nobody_from_starting_and_is_no_pyfcgid() {
        let (_directory, path) = place();
        fs::write(&path, "1\n").unwrap();
        let stranger = holder(&path, "as a reader");
        assert_eq!(PidFile::read(&path).unwrap(), None);
        let mut file = PidFile::lock(&path).unwrap();
        file.write(process(7)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "7\n");
        end(stranger);
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_file_that_others_can_write_to_is_replaced() {
        let (directory, path) = place();
        fs::write(&path, "1\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let writer = File::options().write(true).open(&path).unwrap();
        let mut file = PidFile::lock(&path).unwrap();
        file.write(process(7)).unwrap();
        assert_eq!(writer.metadata().unwrap().len(), 2);
        drop(file);
        let other = directory.path().join("other.pid");
        fs::write(&other, "22\n").unwrap();
        fs::hard_link(&other, &path).unwrap();
        PidFile::lock(&path).unwrap().write(process(7)).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "22\n", "the file of another program");
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
        let first = holder(&path, "pid-file");
        fs::remove_file(&path).unwrap();
        let second = PidFile::lock(&path).unwrap();
        end(first);
        assert!(path.exists() && second.place.as_ref().unwrap().is_of(&second.file));
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
    fn a_program_that_replaces_itself_keeps_the_file() {
        let (_directory, path) = place();
        let mut file = PidFile::lock(&path).unwrap();
        file.write(process(5)).unwrap();
        let descriptor = file.as_fd().try_clone_to_owned().unwrap();
        file.owner = process(1);
        drop(file);
        let adopted = PidFile::adopt(descriptor, &path);
        assert_eq!(fs::read_to_string(&path).unwrap(), "5\n");
        drop(adopted);
        assert!(!path.exists());
    }
}
