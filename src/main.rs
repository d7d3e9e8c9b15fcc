//! The `pyfcgid` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    pyfcgid::run::main(std::env::args_os())
}
