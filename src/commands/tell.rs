//! `pyfcgid reload`, `stop` and `interrupt`: tells the running pyfcgid over its control socket, and prints what it answers.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use super::asking::{self, Unanswered};
use super::{say, say_to};
use crate::config::SupervisorFiles;
use crate::control_protocol::ControlRequest;
use shared::sys::peer;
use shared::sys::poll::{self, Interest};
use shared::sys::process::EX_OSERR;

/// Returns the exit code: the one that is sent, 71 if the supervisor can't be reached or goes away, but 0 for a stop of what does not
/// run.
pub fn run(request: &ControlRequest, files: &SupervisorFiles) -> u8 {
    let is_stop = *request == ControlRequest::Stop;
    // The others may take as long as it takes.
    let patience = matches!(request, ControlRequest::Interrupt { .. }).then_some(asking::PATIENCE);
    let told = asking::connect(files, request, patience).and_then(|stream| {
        let end = peer::end_of_listener(stream.as_fd()).ok();
        let to_stdout = |text: String| text.lines().for_each(|line| say_to(&mut io::stdout(), line));
        let code = asking::read(stream, to_stdout, |text| text.lines().for_each(say));
        if is_stop && matches!(code, Ok(0) | Err(Unanswered::Ended)) {
            end.iter().for_each(wait_for);
            return Ok(0);
        }
        code
    });
    match told {
        Ok(code) => code,
        Err(Unanswered::NotRunning(reason)) if is_stop => {
            say(&format!("pyfcgid: {reason}"));
            0
        }
        Err(reason) => reason.tell(EX_OSERR, EX_OSERR),
    }
}

/// All has been done by then, but for the end of the process itself.
fn wait_for(end: &OwnedFd) {
    drop(poll::wait(&[(end.as_raw_fd(), Interest::Readable)], Some(PATIENCE)));
}

const PATIENCE: Duration = Duration::from_secs(5);
