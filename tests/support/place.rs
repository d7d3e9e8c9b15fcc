//! Where things are.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The path of one of the applications in `tests/apps`, to be given to `pyfcgid serve`.
pub fn app(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/apps").join(file);
    path.to_str().expect("the repository has a path of UTF-8").to_owned()
}

/// A TCP port of 127.0.0.1 that nobody listened on a moment ago, and that the system gives to nobody who wants any.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    // Other test executables, which may run at the same time, begin elsewhere.
    let begin = std::process::id().wrapping_mul(PORTS_EACH);
    let tried = (0..PORTS).map(|_| begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS);
    tried.map(|number| FIRST_PORT + number as u16).find(is_free).expect("a free port")
}

/// Below those of `/proc/sys/net/ipv4/ip_local_port_range`.
const FIRST_PORT: u16 = 12_000;
const PORTS: u32 = 20_000;
const PORTS_EACH: u32 = 64;

/// Writes a Python module, perhaps over another one. The bytecode of that one goes: Python takes it for the new module's when both
/// have one size and were written in the same second.
pub fn write_module(path: &Path, code: &str) {
    fs::write(path, code).expect("a module in the temporary directory");
    let bytecode = path.with_file_name("__pycache__");
    if let Err(error) = fs::remove_dir_all(&bytecode) {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{}: {error}", bytecode.display());
    }
}
