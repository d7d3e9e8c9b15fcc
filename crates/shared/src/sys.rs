//! Every system call that std and the crates do not offer safely, and every `unsafe` of the project but the Python C API's.

#![allow(unsafe_code)]

pub mod acting;
pub mod closing;
pub mod cpu_clock;
pub mod directory;
pub mod epoll;
pub mod fd;
pub mod file;
pub mod fork;
pub mod identity;
pub mod local_time;
pub mod lock;
pub mod log_io;
pub mod memory;
pub mod memory_file;
pub mod passing;
pub mod peer;
pub mod poll;
pub mod process;
pub mod reserve;
pub mod resources;
pub mod shared_memory;
pub mod signal;
pub mod terminal;
pub mod timeline;
pub mod title;

/// The error of a system call that has returned -1.
fn check(result: libc::c_int) -> std::io::Result<()> {
    if result == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}
