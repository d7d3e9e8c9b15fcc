//! The `pyfcgid` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    pyfcgid::commands::main(std::env::args_os())
}
