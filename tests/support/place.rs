//! Where things are.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// The path of one of the applications in `tests/apps`, to be given to `pyfcgid serve`.
pub fn app(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/apps").join(file);
    path.to_str().expect("the repository has a path of UTF-8").to_owned()
}

/// A TCP port of 127.0.0.1 that nobody listened on a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// Writes a Python module, perhaps over another one. The bytecode of that one goes: Python takes it for the new module's when both
/// have one size and were written in the same second.
pub fn write_module(path: &Path, code: &str) {
    fs::write(path, code).expect("a module in the temporary directory");
    let bytecode = path.with_file_name("__pycache__");
    if let Err(error) = fs::remove_dir_all(&bytecode) {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{}: {error}", bytecode.display());
    }
}
