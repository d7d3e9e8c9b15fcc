//! `pyfcgid status`, `requests`, `stacks` and `health`: asks the running pyfcgid how it is, and says so.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::time::Duration;

use super::{asking, say_to, write_to_stdout};
use crate::cli::Form;
use crate::config::SupervisorFiles;
use crate::control_protocol::{ControlRequest, Scope, Threads};
use crate::report::{self, Limits, Look, Requests, Stacks, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::sys::process::EX_OSERR;
use shared::sys::terminal;

/// Prints what is asked for. Returns the exit code: the one that is sent, 3 if it does not run, as init scripts have it, 71 if it
/// can't be reached.
pub fn run(request: &ControlRequest, form: Form, files: &SupervisorFiles) -> u8 {
    match request {
        ControlRequest::Stacks { threads: Threads::All, .. } => show(request, form, files, Stacks::page),
        ControlRequest::Requests { .. } | ControlRequest::Stacks { .. } => show(request, form, files, Requests::page),
        _ => show(request, form, files, Status::page),
    }
}

fn show<T: DeserializeOwned + Serialize>(
    request: &ControlRequest,
    form: Form,
    files: &SupervisorFiles,
    page: impl Fn(&T, Look) -> String,
) -> u8 {
    match asking::ask::<T>(files, request, asking::PATIENCE) {
        Ok((values, code)) => {
            let text = match form {
                Form::Text => page(&values, look()),
                Form::Json => report::json(&values) + "\n",
            };
            // All of it is escaped. A reader that has gone is no failure.
            drop(write_to_stdout(text.as_bytes()));
            code
        }
        Err(reason) => reason.tell(NOT_RUNNING, EX_OSERR),
    }
}

/// Says nothing when all is well. Returns 0 then, 1 if not, and 3 if it does not run.
pub fn judge(scope: Scope, limits: Limits, files: &SupervisorFiles) -> u8 {
    let request = ControlRequest::Status { scope };
    let ask = || asking::ask::<Status>(files, &request, PATIENCE_OF_A_PROBE);
    let mut asked = ask();
    if asked.as_ref().is_ok_and(|(status, _)| status.has_stopped()) {
        std::thread::sleep(MOMENT);
        asked = ask();
    }
    match asked.map(|(status, _)| status.illness(limits)) {
        Ok(None) => 0,
        Ok(Some(illness)) => {
            say_to(&mut io::stdout(), &illness);
            UNHEALTHY
        }
        Err(reason) => reason.tell(NOT_RUNNING, UNHEALTHY),
    }
}

/// As the terminal is, and as its user wants it (<https://no-color.org>).
pub(super) fn look() -> Look {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return Look::default();
    }
    let without = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|value| value == "dumb");
    Look { width: terminal::width(stdout.as_fd()), colour: !without && !is_dumb }
}

/// A profiler that looks at a process has let it go on by then.
const MOMENT: Duration = Duration::from_millis(100);
/// Before whoever probes loses theirs.
const PATIENCE_OF_A_PROBE: Duration = Duration::from_secs(4);
/// As the Linux Standard Base has it for `status`.
pub(super) const NOT_RUNNING: u8 = 3;
/// As Docker and others have it.
const UNHEALTHY: u8 = 1;
