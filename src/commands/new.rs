//! `pyfcgid new`: makes the file of a pool, and says what to do next.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::{say, write_to_stdout};
use crate::cli::{New, Target};
use crate::config::{ListenAddress, NewPool};
use shared::sys::process::EX_OSERR;

/// Returns the exit code.
pub fn run(order: &New) -> u8 {
    let text = order.pool.text();
    let (done, what) = match &order.target {
        Target::Stdout => (write_to_stdout(text.as_bytes()), "cannot write to stdout".to_owned()),
        Target::File(path) | Target::Included { file: path, .. } => {
            (create(path, &text), format!("cannot create {}", path.display()))
        }
    };
    match done.and_then(|()| write_to_stdout(next_steps(order).as_bytes())) {
        Ok(()) => 0,
        Err(error) => {
            say(&format!("pyfcgid: {what}: {}", reason(&error)));
            EX_OSERR
        }
    }
}

/// A new file, whatever the umask, and whatever link has that name. It is whole or not there.
fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    let written = file.set_permissions(Permissions::from_mode(MODE)).and_then(|()| file.write_all(text.as_bytes()));
    written.inspect_err(|_| drop(fs::remove_file(path)))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AlreadyExists => "it already exists, and was left unchanged".to_owned(),
        ErrorKind::NotFound => "its directory does not exist: create it first".to_owned(),
        _ => error.to_string(),
    }
}

/// Nothing with a file that is printed: it may go anywhere.
fn next_steps(New { pool, target }: &New) -> String {
    let starts = "      starts serving it; if pyfcgid is not running yet, start it";
    let (file, named, command, effect) = match target {
        Target::Stdout => return String::new(),
        Target::File(file) => (file, Some(file), "serve", "       serves it, without what else is configured"),
        Target::Included { file, by } => (file, by.as_ref(), "reload", starts),
    };
    let named = named.map_or_else(String::new, |path| format!(" -c {}", path.display()));
    let path = file.display();
    let missing = match pool.missing() {
        missing if missing.is_empty() => String::new(),
        missing => format!("; these do not exist yet: {}", missing.join(", ")),
    };
    format!(
        "\
{path} was written. Next steps:
  1. edit it: set app, chdir, venv and user to those of your application{missing}
  2. pyfcgid check{named}       shows what is wrong
  3. pyfcgid {command}{named}{effect}
{}",
        pool.address().map_or_else(String::new, |address| site(pool, address))
    )
}

/// The lines of nginx.
fn site(pool: &NewPool, address: &ListenAddress) -> String {
    let place = match address {
        ListenAddress::Fd(_) => return String::new(),
        ListenAddress::Tcp { host, port } if host == "*" => format!("127.0.0.1:{port}"),
        address => address.to_string(),
    };
    format!(
        "  4. point the web server at it; in nginx, in the server {{ }} block of {}'s site:
       location / {{
           fastcgi_pass {place};
           include pyfcgid_params;
       }}
",
        pool.name()
    )
}

const MODE: u32 = 0o644;
