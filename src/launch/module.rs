//! The Python module that this program has inside: children get it by descriptor, so that no upgrade can bring them apart.

use std::ffi::{CStr, OsString};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;

use shared::sys::{memory, memory_file};

/// The module, in a file that nobody can change.
pub type Module = OwnedFd;

/// Puts it there.
///
/// # Errors
/// When the system has no memory for it, and when this program was built without it.
pub fn open() -> io::Result<Module> {
    if let Some(path) = other_module() {
        return memory_file::sealed(NAME, &std::fs::read(path)?);
    }
    let bytes = bytes()?;
    let file = memory_file::sealed(NAME, bytes).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => {
            let least = bytes.len().div_ceil(1024);
            io::Error::other(format!(
                "the limit on the size of files (ulimit -f, LimitFSIZE=) is less than the {least} KiB of the Python module"
            ))
        }
        _ => error,
    })?;
    memory::forget_file_pages(bytes);
    Ok(file)
}

/// What `benches/instructions` counts is an optimised module; the program around it, which takes no request, is that of the tests.
fn other_module() -> Option<OsString> {
    std::env::var_os("PYFCGID_MODULE").filter(|_| cfg!(debug_assertions))
}

/// It as it is in this program.
///
/// # Errors
/// When this program was built without it.
#[cfg(feature = "module")]
pub fn bytes() -> io::Result<&'static [u8]> {
    Ok(include_bytes!(env!("PYFCGID_MODULE_FILE")))
}

/// It as it is in this program.
///
/// # Errors
/// This program was built without it.
#[cfg(not(feature = "module"))]
pub fn bytes() -> io::Result<&'static [u8]> {
    Err(io::Error::other("this pyfcgid was built without its Python module (cargo build --no-default-features)"))
}

const NAME: &CStr = c"_pyfcgid.abi3.so";
