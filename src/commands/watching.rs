//! `pyfcgid top`: where its samples come from.

use std::io::{self, ErrorKind};

use super::asking::{self, Unanswered};
use super::show::{NOT_RUNNING, look};
use super::{say, write_to_stdout};
use crate::cli::Watch;
use crate::config::{EX_USAGE, SupervisorFiles};
use crate::control_protocol::{ControlRequest, Scope};
use crate::top::{self, Options, Sample};
use shared::sys::process::EX_OSERR;

/// Returns the exit code: 3 if it does not run, 71 if it can't be reached, 128 and its number after a signal.
pub fn run(watch: &Watch, files: SupervisorFiles) -> u8 {
    let options = Options { delay: watch.delay, is_utf8: is_utf8(), look: look() };
    let scope = watch.scope.clone();
    let ask = move || sample(&files, &scope);
    if watch.is_once {
        let printed = top::once(options, ask).map(|text| drop(write_to_stdout(text.as_bytes())));
        return printed.map_or_else(|reason| reason.tell(NOT_RUNNING, EX_OSERR), |()| 0);
    }
    // What is wrong from the beginning is no reason to take the terminal.
    if let Err(reason) = ask() {
        return reason.tell(NOT_RUNNING, EX_OSERR);
    }
    let live = top::live(options, move || ask().map_err(|reason| reason.to_string()));
    live.unwrap_or_else(|error| no_terminal(&error))
}

fn no_terminal(error: &io::Error) -> u8 {
    if error.kind() == ErrorKind::Unsupported {
        say("pyfcgid: top needs a terminal: `pyfcgid top --once` prints one frame");
        return EX_USAGE;
    }
    say(&format!("pyfcgid: the terminal cannot be used: {error}"));
    EX_OSERR
}

fn sample(files: &SupervisorFiles, scope: &Scope) -> Result<Sample, Unanswered> {
    let (status, _) = asking::ask(files, &ControlRequest::Status { scope: scope.clone() }, asking::PATIENCE)?;
    let (requests, _) = asking::ask(files, &ControlRequest::Requests { scope: scope.clone() }, asking::PATIENCE)?;
    Ok(Sample { status, requests })
}

/// Whether the locale says so (POSIX, Base Definitions 8.2).
fn is_utf8() -> bool {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_lowercase();
    locale.ends_with("utf-8") || locale.ends_with("utf8")
}
