//! The Python module that this program has inside: children get it by descriptor, so that no upgrade can bring them apart.

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
    let bytes = bytes()?;
    let file = memory_file::sealed(c"_pyfcgid.abi3.so", bytes).map_err(|error| match error.kind() {
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
