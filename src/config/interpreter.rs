//! Which Python a pool runs in, and who has said so.

use std::env;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Environment, Pool, links};

/// The Python of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The program, as it is written: a link is what makes a virtual environment.
    pub path: PathBuf,
    /// The virtual environment that it is in, if one was named.
    pub venv: Option<PathBuf>,
    /// Who has said which it is, for people.
    named_by: String,
}

impl Interpreter {
    /// That of this pool; none if nothing is said and there is none.
    pub(super) fn of(pool: &Pool, environment: Environment<'_>) -> Option<Self> {
        if let Some(path) = &pool.python {
            let named_by = format!("python, {}", pool.origin("python"));
            return Some(Self { path: path.clone(), venv: venv_around(path), named_by });
        }
        if let Some(venv) = &pool.venv {
            return Some(Self::in_venv(venv, format!("venv, {}", pool.origin("venv"))));
        }
        let own = env::current_exe().ok().and_then(|program| venv_around(&program));
        if let Some(venv) = own.filter(|_| pool.chroot.is_none()) {
            return Some(Self::in_venv(&venv, "where pyfcgid is installed".to_owned()));
        }
        let path = environment("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let candidates =
            env::split_paths(&path).filter(|directory| directory.is_absolute()).map(|directory| directory.join("python3"));
        let mut found = candidates.filter(|path| is_program(&pool.outside(&followed(pool, path))));
        let found = found.next().or_else(|| pool.chroot.as_ref().map(|_| USUAL.into()));
        found.map(|path| Self { path, venv: None, named_by: "found in PATH".to_owned() })
    }

    fn in_venv(venv: &Path, named_by: String) -> Self {
        Self { path: venv.join(PROGRAM), venv: Some(venv.to_owned()), named_by }
    }

    /// What is wrong with it that can be seen from outside, and what to do.
    pub fn fault(&self, pool: &Pool) -> Option<String> {
        // One that is not there is told with what uses it.
        if pool.chroot.as_ref().is_some_and(|root| !root.is_dir()) {
            return None;
        }
        let found = match fs::metadata(pool.outside(&followed(pool, &self.path))) {
            Ok(found) => found,
            // As another user it may be otherwise.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return None,
            Err(_) => return Some(self.absence(pool)),
        };
        if found.is_dir() {
            let inside = ["bin/python3", "python3"].map(|name| self.path.join(name));
            let program = inside.into_iter().find(|path| is_program(&pool.outside(&followed(pool, path))));
            let example = program.map_or_else(String::new, |path| format!(" in it, as in {}", path.display()));
            return Some(format!("is a directory: name the program{example}"));
        }
        let is_executable = found.permissions().mode() & 0o111 != 0;
        (!is_executable).then(|| "is not executable: name the Python program itself".to_owned())
    }

    fn absence(&self, pool: &Pool) -> String {
        let directory = followed(pool, self.path.parent().unwrap_or(Path::new("/")));
        let named = self.path.file_name().map(|name| pool.outside(&directory.join(name)));
        let is_link = named.is_some_and(|path| path.is_symlink());
        match (&self.venv, is_link.then(|| followed(pool, &self.path))) {
            (Some(venv), Some(target)) => format!(
                "points to {}, which no longer exists: recreate the virtual environment with python3 -m venv --clear {}",
                target.display(),
                venv.display()
            ),
            (Some(venv), None) if pool.python.is_none() && pool.venv.is_some() => {
                format!("is missing, so {} is not a virtual environment; create one with python3 -m venv {0}", venv.display())
            }
            (_, Some(target)) => {
                format!("points to {}, which does not exist: install it, or name another Python", target.display())
            }
            _ if pool.chroot.is_some() => {
                "is not in the pool's root directory (chroot), where Python and its libraries must be".to_owned()
            }
            _ => "does not exist: install that Python, or name another one".to_owned(),
        }
    }
}

/// `/srv/venv/bin/python (venv, site.toml:4)`
impl fmt::Display for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path.display(), self.named_by)
    }
}

/// Where a path leads, both as the pool's processes see them.
fn followed(pool: &Pool, path: &Path) -> PathBuf {
    links::followed(path, |path| pool.outside(path), |_| true).unwrap_or_default()
}

/// The virtual environment of a program in its `bin`.
fn venv_around(program: &Path) -> Option<PathBuf> {
    let directory = program.parent().filter(|directory| directory.file_name().is_some_and(|name| name == "bin"))?;
    let venv = directory.parent().filter(|venv| venv.join("pyvenv.cfg").is_file())?;
    Some(venv.to_owned())
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

const PROGRAM: &str = "bin/python";
const USUAL: &str = "/usr/bin/python3";
