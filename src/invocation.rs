//! How this program was started: its binary, its arguments, and the sockets that it was given. Owns what can be done again by that: the
//! configuration can be read anew, and another binary can take this one's place.

mod given_sockets;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::cli::{self, Command, Surroundings, Typed};
use crate::config::{Config, DefaultFiles, EX_CONFIG};
use shared::link::Failure;
use shared::sys::directory;

pub use given_sockets::GivenSockets;

/// How this program was started.
#[derive(Debug)]
pub struct Invocation {
    /// As it was at the start: a binary that has been replaced meanwhile is at this path.
    binary: io::Result<PathBuf>,
    arguments: Vec<OsString>,
    /// The sockets that it was given: nobody could give them to the next program again.
    pub sockets: GivenSockets,
}

/// How the next program is started.
#[derive(Clone, Debug)]
pub struct Successor {
    /// The binary.
    pub binary: PathBuf,
    /// Its arguments, without its name.
    pub arguments: Vec<OsString>,
    /// The arguments that make it check all it would need.
    pub check: Vec<OsString>,
}

/// What a command line says, in this process's environment and on this machine.
///
/// # Errors
/// As [`cli::parse`].
pub fn parse(arguments: &[OsString]) -> Result<Typed, cli::Exit> {
    let environment = |name: &str| std::env::var_os(name);
    let around = Surroundings { environment: &environment, files: &DefaultFiles::of_machine() };
    cli::parse(arguments.iter().cloned(), around)
}

impl Invocation {
    /// This process's: its whole command line, and the sockets that it was given.
    pub fn new(arguments: Vec<OsString>, sockets: GivenSockets) -> Self {
        Self { binary: std::env::current_exe(), arguments, sockets }
    }

    /// The options that it was started with, as far as they are text.
    pub fn options(&self) -> String {
        let arguments: Vec<_> = self.arguments.iter().skip(1).map(|argument| argument.to_string_lossy()).collect();
        arguments.join(" ")
    }

    /// Reads the configuration again. Looks up no user, group or host.
    ///
    /// # Errors
    /// Why it can't be used.
    pub fn read_config(&self) -> Result<Config, Failure> {
        return_to_start();
        let mut config = match parse(&self.arguments).map(|typed| typed.command) {
            Ok(Command::Serve(config)) => config,
            Ok(_) => return Err(Failure::new(EX_CONFIG, "the command line is no longer that of `serve`")),
            Err(exit) => return Err(failure(exit)),
        };
        self.sockets.assign(&mut config).map_err(|error| failure(error.into()))?;
        Ok(config)
    }

    /// What a new binary is to be checked and executed with.
    pub fn successor(&self) -> Successor {
        return_to_start();
        let binary = self.binary.as_ref().map_or_else(|_| PathBuf::from("/proc/self/exe"), Clone::clone);
        let arguments: Vec<OsString> = self.arguments.iter().skip(1).cloned().collect();
        let to_check = |argument: &OsString| if argument == "serve" { "check".into() } else { argument.clone() };
        // The word is the first argument; one that is called the same comes later.
        let check = arguments.iter().take(1).map(to_check).chain(arguments.iter().skip(1).cloned()).collect();
        Successor { binary, arguments, check }
    }
}

/// A name that is typed from there is looked up where a link to a new release leads by now, as in the pools' processes.
fn return_to_start() {
    // Where that has gone, it stays where it is.
    drop(directory::of_start().map(std::env::set_current_dir));
}

fn failure(exit: cli::Exit) -> Failure {
    Failure { code: exit.code, text: exit.message }
}
