//! `pyfcgid top`: where its samples come from.

use std::io::{self, ErrorKind};

use super::asking::{self, Asked, Unanswered};
use super::show::{self, look};
use super::{HOW_TO_START, say};
use crate::cli::Watch;
use crate::config::{EX_USAGE, SupervisorFiles};
use crate::control_protocol::{ControlRequest, Scope};
use crate::report::{Requests, Status};
use crate::top::{self, Options, Sample};
use shared::sys::process::EX_OSERR;

/// Returns the exit code: 3 if it does not run, 71 if it can't be reached, 128 and its number after a signal.
pub fn run(watch: &Watch, files: SupervisorFiles) -> u8 {
    let look = look();
    let options = Options { delay: watch.delay, is_utf8: is_utf8(), colour: look.colour, width: look.width };
    let scope = watch.scope.clone();
    let ask = move || sample(&files, &scope);
    if watch.is_once {
        return match top::once(options, ask) {
            Ok(text) => {
                top::print(&text);
                0
            }
            Err(problem) => problem.tell(),
        };
    }
    // What is wrong from the beginning is no reason to take the terminal.
    if let Err(problem) = ask() {
        return problem.tell();
    }
    match top::live(options, move || ask().map_err(|problem| problem.to_string())) {
        Ok(code) => code,
        Err(error) => no_terminal(&error),
    }
}

fn no_terminal(error: &io::Error) -> u8 {
    if error.kind() == ErrorKind::Unsupported {
        say("pyfcgid: top needs a terminal: `pyfcgid top --once` prints one frame");
        return EX_USAGE;
    }
    say(&format!("pyfcgid: the terminal cannot be used: {error}"));
    EX_OSERR
}

/// Why there is no sample.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}{advice}", advice = if let Unanswered::NotRunning(_) = .0 { HOW_TO_START } else { "" })]
    Unanswered(Unanswered),
    #[error("{1}")]
    Refused(u8, String),
}

impl Problem {
    fn tell(&self) -> u8 {
        match self {
            Self::Unanswered(reason) => show::unanswered(reason, EX_OSERR),
            Self::Refused(code, text) => {
                say(text);
                *code
            }
        }
    }
}

fn sample(files: &SupervisorFiles, scope: &Scope) -> Result<Sample, Problem> {
    let status: Status = values(files, &ControlRequest::Status { scope: scope.clone() })?;
    let requests: Requests = values(files, &ControlRequest::Requests { scope: scope.clone() })?;
    Ok(Sample { status, requests })
}

fn values<T: serde::de::DeserializeOwned>(files: &SupervisorFiles, request: &ControlRequest) -> Result<T, Problem> {
    match asking::ask(files, request, asking::PATIENCE).map_err(Problem::Unanswered)? {
        Asked::Values(values, _) => Ok(values),
        Asked::Refused(code, text) => Err(Problem::Refused(code, text)),
    }
}

/// Whether the locale says so (POSIX, Base Definitions 8.2).
fn is_utf8() -> bool {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_lowercase();
    locale.ends_with("utf-8") || locale.ends_with("utf8")
}
