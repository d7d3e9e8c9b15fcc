//! `pyfcgid check`: everything that a start would do, but listening.

use std::io::{self, Write};

use super::error::Error;
use super::{access_log, loading, privileges, warnings};
use crate::config::{self, Config};
use crate::sys::process::{self, ExitReason, Fork};
use crate::sys::{self, signal};

/// Imports the application of each pool, and prints the settings in effect. Returns the exit code: that of the first pool that fails.
pub fn run(config: &Config) -> u8 {
    for warning in warnings(config) {
        drop(writeln!(io::stderr(), "pyfcgid: warning: {warning}"));
    }
    // A start with sockets of systemd's would not mind.
    if let Err(error) = config.check_addresses() {
        drop(writeln!(io::stderr(), "pyfcgid: warning: {error}"));
    }
    signal::reset();
    let checked = sys::fd::keep_from_subprocesses().map_err(Error::from);
    let checked = checked.and_then(|()| Ok(access_log::validate(config)?)).and_then(|()| privileges::validate(config));
    // All of them, so that one run shows all that is wrong.
    let checked = checked.and_then(|()| config.pools.iter().map(check_pool).collect::<Result<Vec<u8>, _>>());
    let code = match checked {
        Ok(codes) => codes.into_iter().find(|code| *code != 0).unwrap_or(0),
        Err(error) => report(&error),
    };
    if code == 0 {
        drop(write!(io::stdout(), "{config}"));
    }
    code
}

fn report(error: &Error) -> u8 {
    drop(writeln!(io::stderr(), "{}", error.text()));
    error.exit_code()
}

/// There is one interpreter in a process, so each application is imported in one of its own.
fn check_pool(pool: &config::Pool) -> Result<u8, Error> {
    match process::fork()? {
        Fork::Child => process::exit_now(import(pool).map_or_else(|error| report(&error), |()| 0)),
        Fork::Parent(id) => Ok(match process::wait(id) {
            ExitReason::Code(code) => u8::try_from(code).unwrap_or(u8::MAX),
            reason => {
                drop(writeln!(io::stderr(), "pyfcgid: the import of {} ended the process: {reason}", pool.app));
                super::error::EX_SOFTWARE
            }
        }),
    }
}

fn import(pool: &config::Pool) -> Result<(), Error> {
    privileges::confine(pool)?;
    loading::enter(pool)?;
    let interpreter = loading::start(pool)?;
    interpreter.load(&pool.app)?;
    interpreter.finish();
    Ok(())
}
