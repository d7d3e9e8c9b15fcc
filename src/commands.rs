//! What each command of the command line does: the order in which things are made and end. Alone knows every part.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli::{self, Command, Control, Order, Typed};
use crate::client;
use crate::invocation;
use crate::launch::module;
use crate::supervisor::Inheritance;
use shared::sys::process::EX_OSERR;
use shared::sys::{signal, terminal};

mod asking;
mod check;
mod new;
mod serve;
mod show;
mod tell;
mod watching;

/// Does what the command line says, and returns the process's exit code (sysexits.h).
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    signal::fail_instead();
    serve::remember_start();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut inheritance = serve::take_inheritance();
    // In the place of another program: what serves goes on, until a reload has what the command line says.
    if let Some(settings) = inheritance.as_mut().and_then(Inheritance::take_settings) {
        return ExitCode::from(serve::run(arguments, settings, inheritance));
    }
    let typed = invocation::parse(&arguments).map(|Typed { command, remark }| {
        if let Some(remark) = remark {
            say(&format!("pyfcgid: warning: {remark}"));
        }
        command
    });
    let code = match typed {
        Ok(Command::Serve(config)) => serve::run(arguments, config, inheritance),
        Ok(Command::Check(config)) => check::run(&config),
        Ok(Command::New(order)) => new::run(&order),
        Ok(Command::Request(options)) => client::run(&options, &mut io::stdout().lock(), &mut io::stderr().lock()),
        Ok(Command::Control(Control { order, files })) => match order {
            Order::Tell(request) => tell::run(&request, &files),
            Order::Show(request, form) => show::run(&request, form, &files),
            Order::Judge(scope, limits) => show::judge(scope, limits, &files),
            Order::Watch(watch) => watching::run(&watch, files),
        },
        Ok(Command::Module) => write_module(),
        Err(exit) => print(&exit),
    };
    ExitCode::from(code)
}

/// Says something on stderr. What an application or a file has put into it commands no terminal.
fn say(text: &str) {
    say_to(&mut io::stderr(), text);
}

fn say_to(to: &mut impl Write, text: &str) {
    drop(writeln!(to, "{}", terminal::escaped(text)));
}

fn print(exit: &cli::Exit) -> u8 {
    let text = exit.message.strip_suffix('\n').unwrap_or(&exit.message);
    if exit.to_stdout {
        say_to(&mut io::stdout(), text)
    } else {
        say(text)
    }
    exit.code
}

fn write_to_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(bytes)?;
    output.flush()
}

/// Writes the Python module to stdout.
fn write_module() -> u8 {
    match module::bytes().and_then(write_to_stdout) {
        Ok(()) => 0,
        Err(error) => {
            say(&format!("pyfcgid: the module cannot be written: {error}"));
            EX_OSERR
        }
    }
}
