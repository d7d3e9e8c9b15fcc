//! Virtual environments, real and pretended.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python that pools have in tests, unless another one is named: the first in PATH.
pub const PYTHON: &str = "python3";

/// Makes a virtual environment of [`PYTHON`] in `directory`. Needs no network.
pub fn create(directory: &Path) -> PathBuf {
    let venv = directory.join("venv");
    let output = Command::new(PYTHON).args(["-m", "venv", "--without-pip"]).arg(&venv).output();
    let output = output.expect("Python runs (Debian package: python3-venv)");
    assert!(output.status.success(), "{} (Debian package: python3-venv)", String::from_utf8_lossy(&output.stderr));
    venv
}

/// The one with what `tests/requirements.txt` names.
#[track_caller]
pub fn of_the_tests() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv");
    let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let found = [Some(own), active].into_iter().flatten().find(|venv| venv.join("bin/python").exists());
    found.expect("a virtual environment with tests/requirements.txt: run `make venv` (Debian package: python3-venv)")
}

/// Puts a module into a virtual environment's site-packages.
pub fn install_module(venv: &Path, name: &str, source: &str) {
    let lib = fs::read_dir(venv.join("lib")).expect("a virtual environment has lib");
    let python = lib.map(|entry| entry.unwrap().path()).find(|path| path.join("site-packages").is_dir());
    let file = python.expect("site-packages").join("site-packages").join(format!("{name}.py"));
    fs::write(file, source).expect("site-packages is writable");
}

/// Makes what a virtual environment of another Python version looks like on disk. Its `bin/python` is a link to `python`,
/// which need not exist: after an upgrade of the system it is gone.
pub fn pretend(directory: &Path, version: &str, python: &Path) -> PathBuf {
    let venv = directory.join("other-venv");
    let minor = version.rsplit_once('.').expect("a version like 3.8.10").0;
    fs::create_dir_all(venv.join("bin")).unwrap();
    fs::create_dir_all(venv.join("lib").join(format!("python{minor}")).join("site-packages")).unwrap();
    let settings = format!("home = /usr/bin\ninclude-system-site-packages = false\nversion = {version}\n");
    fs::write(venv.join("pyvenv.cfg"), settings).unwrap();
    std::os::unix::fs::symlink(python, venv.join("bin/python")).unwrap();
    std::os::unix::fs::symlink("python", venv.join("bin/python3")).unwrap();
    std::os::unix::fs::symlink("python", venv.join("bin").join(format!("python{minor}"))).unwrap();
    venv
}
