//! From a fork of the supervisor to a pool's Python: who the process is and what it has left of its parent is settled before any
//! Python runs, which then loads our module.
//!
//! ```text
//! fork ── setsid ── descriptors ── env-file ── limits ── chroot, groups, user, no_new_privs, umask ── chdir ── environment
//!      ── memory-limit ── exec PYTHON ── _pyfcgid
//! ```
//!
//! Signals stay blocked across the exec, so that none is lost: the module hears them.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

mod env_file;
mod environment;
mod limits;
pub mod module;
pub mod privileges;
pub mod python;

use crate::config::{self, Config, Warning};
use crate::start_error::StartError;
use shared::link::{Failure, Report};
use shared::settings::{self, Errand, Message};
use shared::sys::file::obstacle;
use shared::sys::identity::Identity;
use shared::sys::process::{EX_SOFTWARE, ProcessId};
use shared::sys::resources::Resource;
use shared::sys::{directory, fd, process, signal};

pub use environment::left_out;
pub use limits::set_of_queue;
pub use module::Module;
pub use privileges::control_group;

/// What a child keeps of its parent: numbers of descriptors, and the ends of its own channels.
#[derive(Debug)]
pub struct Inherited {
    /// What the processes of its pool share.
    pub ties: settings::Ties,
    /// Its channels to the supervisor.
    pub ends: ChildEnds,
    /// The soft limit on open descriptors that it is to have, once it has closed what is the supervisor's.
    pub open_files: u64,
}

/// The far ends, which the child keeps.
#[derive(Debug)]
pub struct ChildEnds {
    /// Commands come in and reports go out.
    pub link: OwnedFd,
    /// Takes log records.
    pub log: OwnedFd,
    /// Takes what is written to descriptor 1.
    pub stdout: OwnedFd,
    /// Takes what is written to descriptor 2.
    pub stderr: OwnedFd,
}

impl Inherited {
    /// Settles what is not for the process itself: the standard three, all descriptors but these and `beside`, and their limit. Returns
    /// what is left, and the numbers of that.
    pub fn keep_with(self, beside: &[RawFd]) -> (settings::Ties, [OwnedFd; 2], io::Result<Vec<RawFd>>) {
        let Self { ties, ends: ChildEnds { link, log, stdout, stderr }, open_files } = self;
        let kept = [&ties.descriptors()[..], &[link.as_raw_fd(), log.as_raw_fd()], beside].concat();
        let settled = settle([stdout.as_fd(), stderr.as_fd()])
            .and_then(|()| process::keep_only(&kept))
            .and_then(|()| Resource::OpenFiles.set_soft_limit(|_| open_files))
            .map(|_| kept);
        // They are closed, since they are the standard ones now.
        std::mem::forget((stdout, stderr));
        (ties, [link, log], settled)
    }
}

/// Whether there are the users, groups and Pythons that the configuration names, and it can have the limits.
///
/// # Errors
/// Which one is not.
pub fn validate(config: &Config) -> Result<(), StartError> {
    privileges::validate(config)?;
    limits::validate(config)?;
    python::validate(config)
}

/// What lets the pools start but is probably a mistake. Looks up users.
pub fn warnings(config: &Config) -> Vec<Warning> {
    let warnings = config.warnings(std::env::vars_os().map(|(name, _)| name));
    let process = Identity::current();
    let for_root = if process.is_root() { config.warnings_for_root(process.gid) } else { Vec::new() };
    warnings.into_iter().chain(for_root).collect()
}

/// Becomes a child of this pool.
pub fn child(pool: &config::Pool, config: &Config, inherited: Inherited, module: &Module) -> ! {
    let module = module.as_raw_fd();
    // No destructor of the supervisor's may run in a child: it would remove files that are not its own.
    let launched = catch_unwind(AssertUnwindSafe(|| {
        let (ties, [link, log], kept) = inherited.keep_with(&[module]);
        let channels = settings::Ends { link: link.as_raw_fd(), log: log.as_raw_fd() };
        let message = message(pool, config, Errand::Serve(ties, channels));
        let Err(error) = kept.map_err(StartError::from).and_then(|kept| execute(pool, &message, module, &kept));
        let failure = Failure::from(error);
        let code = failure.code;
        // Without a supervisor there is nobody to tell.
        drop(UnixStream::from(link).write_all(&Report::Failed(failure).encode()));
        code
    }));
    process::exit_now(launched.unwrap_or(EX_SOFTWARE))
}

/// Becomes a process that imports the application of this pool, and says on `teller` how that went. Comes back with what keeps it from
/// that.
pub fn check(pool: &config::Pool, config: &Config, output: &impl AsFd, teller: &impl AsRawFd, module: &Module) -> StartError {
    let module = module.as_raw_fd();
    // As in a start: the application must not reach the terminal, where root may be typing.
    let kept = [teller.as_raw_fd(), module];
    let settled = process::new_session()
        .and_then(|()| settle([output.as_fd(), output.as_fd()]))
        .and_then(|()| process::keep_only(&kept))
        .map_err(StartError::from);
    let message = message(pool, config, Errand::Check(teller.as_raw_fd()));
    let Err(error) = settled.and_then(|()| execute(pool, &message, module, &kept));
    error
}

fn message(pool: &config::Pool, config: &Config, errand: Errand) -> Message {
    Message { version: settings::VERSION.to_owned(), errand, pool: pool.of_processes(config), log_level: config.log_level }
}

/// The standard three: nothing to read, and what the supervisor reads.
fn settle(output: [BorrowedFd<'_>; 2]) -> io::Result<()> {
    fd::replace_standard(File::open("/dev/null")?.as_fd(), 0)?;
    fd::replace_standard(output[0], 1)?;
    fd::replace_standard(output[1], 2)
}

/// Comes back only if it fails.
fn execute(pool: &config::Pool, message: &Message, module: RawFd, kept: &[RawFd]) -> Result<Infallible, StartError> {
    let interpreter = python::of(pool)?;
    let settings = message.send()?;
    signal::restore(&[signal::CHLD])?;
    let identity = privileges::identity_of(pool)?;
    let of_file = env_file::read(pool, &identity)?;
    limits::set(pool)?;
    privileges::confine(pool, &identity)?;
    // The kernel forgets it when the user changes.
    process::signal_at_end_of_parent(signal::KILL)?;
    let directory = enter(pool)?;
    let variables = environment::of(pool, &identity, directory.as_deref(), of_file);
    let module = module_path(pool, module)?;
    let [settings_number, own_number] = [settings.as_raw_fd(), ProcessId::current().number()].map(|number| number.to_string());
    let told = [module.as_os_str(), settings_number.as_ref(), own_number.as_ref()];
    let words = [interpreter.path.as_os_str(), "-c".as_ref(), BOOT.as_ref()].into_iter().chain(told);
    let arguments = c_strings(words.map(|word| word.as_bytes().to_vec()))?;
    let variables = c_strings(variables.iter().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat()))?;
    kept.iter().chain([&settings.as_raw_fd()]).for_each(|number| fd::keep_at_exec(*number, fd::AtExec::Keep));
    limits::set_only(pool, Resource::Memory)?;
    let error = process::execute(&arguments, &variables);
    Err(python::not_executed(pool, &interpreter.path, error))
}

fn c_strings(texts: impl IntoIterator<Item = Vec<u8>>) -> Result<Vec<CString>, StartError> {
    let strings = texts.into_iter().map(|text| CString::new(text).map_err(|_| ErrorKind::InvalidInput.into()));
    Ok(strings.collect::<io::Result<_>>()?)
}

/// A file that Python can load. In a root directory without /proc it has to be there.
fn module_path(pool: &config::Pool, module: RawFd) -> Result<PathBuf, StartError> {
    let path = PathBuf::from(format!("/proc/self/fd/{module}"));
    if path.exists() {
        return Ok(path);
    }
    let path = PathBuf::from(MODULE_IN_CHROOT);
    let found = is_ours(&path);
    if found.as_ref().is_ok_and(|is_ours| *is_ours) {
        return Ok(path);
    }
    let root = pool.chroot.as_deref().unwrap_or(Path::new("")).display().to_string();
    let file = format!("{root}{MODULE_IN_CHROOT}");
    // Who writes into the one that is there changes it under those who have loaded it.
    let replace = format!("replace it with \"pyfcgid module > {file}.new && mv {file}.new {file}\"");
    let fault = match found {
        Ok(_) => format!("its pyfcgid module is not this program's: {replace}"),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            format!("no pyfcgid module is there: write it with \"pyfcgid module > {file}\"")
        }
        Err(error) => format!("its pyfcgid module cannot be read ({}): {replace}", error.kind()),
    };
    Err(StartError::of_pool(pool, format!("the root directory {root} has no /proc, and {fault}"), None))
}

/// Whether this file has what children get by descriptor elsewhere. What is only somewhat like it would end them in ways that say nothing.
fn is_ours(path: &Path) -> io::Result<bool> {
    let ours = module::bytes()?;
    let file = File::open(path)?;
    let length_is_ours = usize::try_from(file.metadata()?.len()) == Ok(ours.len());
    Ok(length_is_ours && std::fs::read(path)? == ours)
}

/// Changes to the pool's directory, and returns its name. Without one it is where pyfcgid was started, by the name that it had for whoever
/// did: where a link to a new release is by then, that is the new release.
fn enter(pool: &config::Pool) -> Result<Option<PathBuf>, StartError> {
    if let Some(path) = &pool.chdir {
        let failed = |source: io::Error| {
            let denied = source.kind() == ErrorKind::PermissionDenied;
            let place = denied.then(|| obstacle(path).unwrap_or_else(|| path.clone()));
            let advice = place.map(|place| format!(": let the pool's user enter {}", place.display())).unwrap_or_default();
            StartError::of_pool(pool, format!("cannot change to the directory {} (chdir){advice}", path.display()), source)
        };
        std::env::set_current_dir(path).map_err(failed)?;
        return Ok(Some(path.clone()));
    }
    let start = directory::of_start().filter(|_| pool.chroot.is_none());
    Ok(start.filter(|path| std::env::set_current_dir(path).is_ok()).map(Path::to_owned))
}

/// What Python runs first.
const BOOT: &str = include_str!("launch/boot.py");
/// Where `pyfcgid module` is to be put for a root directory without /proc.
pub const MODULE_IN_CHROOT: &str = "/usr/lib/pyfcgid/_pyfcgid.abi3.so";
