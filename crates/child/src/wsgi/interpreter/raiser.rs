//! The thread that raises `RequestAborted` in workers: it waits for the GIL so that the event loop need not.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::super::abort::Interruption;

/// Starts the thread, which ends with the last sender. At most one abort for each running request waits in the channel.
pub(super) fn start() -> io::Result<Sender<Arc<Interruption>>> {
    let (sender, receiver) = channel();
    thread::Builder::new().name("pyfcgid-abort".to_owned()).spawn(move || raise_all(&receiver))?;
    Ok(sender)
}

fn raise_all(aborts: &Receiver<Arc<Interruption>>) {
    for interruption in aborts {
        super::attach(|py| interruption.abort(py));
    }
}
