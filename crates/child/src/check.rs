//! The import of an application that is only to be checked.

use std::io::{self, Write};
use std::os::fd::{AsFd, RawFd};
use std::os::unix::net::UnixStream;

use shared::settings::{LOADED, PoolSettings};
use shared::sys::process::{self, EX_OSERR};
use shared::sys::{fd, signal};

use crate::error::Error;
use crate::import_limit::ImportLimit;
use crate::loading;

/// Imports the application, and says on `teller` how that went. Leaves the application's threads and exit handlers alone: they may take
/// for ever, and nothing has been served.
pub fn run(pool: &PoolSettings, teller: RawFd) -> u8 {
    let Ok(teller) = fd::inherited(teller).map(UnixStream::from) else { return EX_OSERR };
    tell(&teller, LOADED);
    let code = import(pool, &teller).map_or_else(|error| report(&error, pool.memory_limit), |()| 0);
    conclude(&teller, code)
}

fn import(pool: &PoolSettings, teller: &UnixStream) -> Result<(), Error> {
    // Ctrl-C reaches whoever checks, and this process ends with it.
    process::signal_at_end_of_parent(signal::KILL)?;
    if fd::is_shut(teller.as_fd()) {
        return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
    }
    loading::prepare(pool)?;
    let (verdict, memory_limit) = (teller.try_clone()?, pool.memory_limit);
    let limit = ImportLimit::start(pool, move |error| conclude(&verdict, report(&error.into(), memory_limit)))?;
    let interpreter = loading::start(pool)?;
    limit.load(&interpreter, pool)?;
    interpreter.flush_output();
    Ok(())
}

/// What an application has put into it commands no terminal: whoever passes it on sees to that.
fn report(error: &Error, memory_limit: Option<u64>) -> u8 {
    eprintln!("{}", error.text(memory_limit));
    error.exit_code()
}

/// Its exit code alone would say nothing: an application may end the process with any.
fn conclude(teller: &UnixStream, code: u8) -> ! {
    tell(teller, code);
    process::exit_now(code)
}

fn tell(mut teller: &UnixStream, byte: u8) {
    // Without anybody who hears it the process ends, too.
    drop(teller.write_all(&[byte]));
}
