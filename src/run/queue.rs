//! A queue process: it keeps the door of its pool where no child serves, and runs no application.

use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::child::{self, Shared};
use super::error::Error;
use super::{access_log, privileges, settings};
use crate::config::{self, Config};
use crate::event_loop::{Duty, EventLoop};
use crate::supervisor::Inherited;
use crate::sys::memory;
use crate::sys::process::EX_SOFTWARE;
use crate::workers;

/// Lives the life of a queue process, and ends it.
pub fn run(pool: &config::Pool, config: &Config, inherited: Inherited) -> ! {
    // No destructor of the supervisor's may run here.
    memory::live_without("libpython", || {
        let lived = catch_unwind(AssertUnwindSafe(|| {
            let (shared, link, settled) = child::settle(inherited, config);
            settled.map_err(Error::from).and_then(|()| keep_the_door(pool, config, &shared, &link))
        }));
        match lived {
            Ok(Ok(())) => 0,
            Ok(Err(error)) => {
                log::error!("the queue process cannot work: {}", error.text());
                error.exit_code()
            }
            Err(_) => EX_SOFTWARE,
        }
    })
}

fn keep_the_door(pool: &config::Pool, config: &Config, shared: &Shared, link: &UnixStream) -> Result<(), Error> {
    privileges::confine(pool)?;
    child::end_with_the_supervisor(link)?;
    let (signals, signal_writer) = UnixStream::pair()?;
    child::hear_signals(signal_writer)?;
    let queue = workers::queue_without_workers(shared.seat());
    let (listeners, _) = shared.listeners(pool)?;
    let (passage, line) = shared.ties(pool.max_queue)?;
    let of_loop = settings::of_queue_process(pool, access_log::journal(pool, config));
    let event_loop = EventLoop::new(listeners, child::controls(link, signals)?, Some(passage), queue, of_loop)?;
    let event_loop = event_loop.with_line(line).with_duty(Duty::Rest).with_uploads_memory(pool.uploads_memory);
    event_loop.run().map(drop).map_err(io::Error::into)
}
