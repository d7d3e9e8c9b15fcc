//! Where the configuration file is that nobody names.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The files that are looked for.
#[derive(Clone, Debug)]
pub struct DefaultFiles {
    /// Where it belongs.
    pub file: PathBuf,
    /// Where 0.1 had it.
    pub former: PathBuf,
}

impl DefaultFiles {
    /// Those of this machine.
    pub fn of_machine() -> Self {
        Self { file: DEFAULT_FILE.into(), former: FORMER_FILE.into() }
    }

    /// The one that is there, whether it can be read or not.
    pub fn find(&self) -> Option<&Path> {
        [&self.file, &self.former].into_iter().find(|path| is_there(path)).map(PathBuf::as_path)
    }

    /// What to do about a file that is where 0.1 had it, when the one at `found` is taken.
    pub fn remark(&self, found: &Path) -> Option<String> {
        let (file, former) = (self.file.display(), self.former.display());
        match () {
            () if found == self.former => Some(format!(
                "using the configuration at {former}, its place in 0.1: move it to {file}; relative paths in it are relative \
                 to its directory"
            )),
            () if is_there(&self.former) => Some(format!(
                "{former}, the place of the configuration in 0.1, is ignored because {file} exists: move its settings there, \
                 and remove it"
            )),
            () => None,
        }
    }
}

/// That there is none, as a part of a sentence.
impl fmt::Display for DefaultFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PYFCGID_CONFIG is not set, and neither {} nor {} exists", self.file.display(), self.former.display())
    }
}

/// What cannot be looked at is there as well: whoever reads it says why not.
fn is_there(path: &Path) -> bool {
    let found = fs::symlink_metadata(path).map(drop).map_err(|error| error.kind());
    !matches!(found, Err(ErrorKind::NotFound | ErrorKind::NotADirectory))
}

/// Where the configuration belongs.
pub const DEFAULT_FILE: &str = "/etc/pyfcgid/pyfcgid.toml";
const FORMER_FILE: &str = "/etc/pyfcgid.toml";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn files(directory: &Path) -> DefaultFiles {
        DefaultFiles { file: directory.join("new/pyfcgid.toml"), former: directory.join("pyfcgid.toml") }
    }

    #[test]
    fn the_first_that_is_there_is_found_even_if_it_cannot_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path());
        assert_eq!(files.find(), None);
        fs::write(&files.former, "").unwrap();
        assert_eq!(files.find(), Some(files.former.as_path()));
        fs::create_dir(directory.path().join("new")).unwrap();
        assert_eq!(files.find(), Some(files.former.as_path()));
        symlink("nowhere", &files.file).unwrap();
        assert_eq!(files.find(), Some(files.file.as_path()), "a link that leads nowhere is a mistake to be told");
    }

    #[test]
    fn a_file_of_0_1_is_told_to_move_once_it_counts_and_once_it_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path());
        assert_eq!(files.remark(&files.file), None);
        fs::write(&files.former, "").unwrap();
        let (file, former) = (files.file.display().to_string(), files.former.display().to_string());
        let remark = |found: &Path| files.remark(found).unwrap();
        assert!(remark(&files.former).contains(&format!("at {former}, its place in 0.1: move it to {file};")));
        assert!(remark(&files.file).starts_with(&format!("{former}, the place of the configuration in 0.1, is ignored")));
    }
}
