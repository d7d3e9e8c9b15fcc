//! A queue process: it keeps the door of its pool where no child serves, and runs no application.

use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::config::{self, Config};
use crate::launch::{self, Inherited, privileges};
use crate::start_error::StartError;
use connections::event_loop::{Duty, EventLoop};
use connections::process::{self, Shared};
use connections::{loop_settings, scheduler};
use shared::logging::{self, codes};
use shared::settings::Ties;
use shared::sys::process::EX_SOFTWARE;
use shared::sys::{self, signal};

/// Lives the life of a queue process, and ends it.
pub fn run(pool: &config::Pool, config: &Config, inherited: Inherited) -> ! {
    // No destructor of the supervisor's may run here.
    let lived = catch_unwind(AssertUnwindSafe(|| live(pool, config, inherited)));
    logging::tell_lost();
    sys::process::exit_now(lived.unwrap_or(EX_SOFTWARE))
}

fn live(pool: &config::Pool, config: &Config, inherited: Inherited) -> u8 {
    let (ties, [link, log], kept) = inherited.keep_with(&[]);
    let link = UnixStream::from(link);
    let settled = kept
        .and_then(|_| signal::restore(&[signal::CHLD]))
        .and_then(|()| process::take_signals())
        .and_then(|()| shared::logging::send_to(log, config.log_level));
    match settled.map_err(StartError::from).and_then(|()| keep_the_door(pool, config, ties, &link)) {
        Ok(()) => 0,
        Err(error) => {
            log::error!(target: codes::QUEUE_PROCESS_NOT_STARTED, "the queue process cannot start: {}", error.text());
            error.exit_code()
        }
    }
}

fn keep_the_door(pool: &config::Pool, config: &Config, ties: Ties, link: &UnixStream) -> Result<(), StartError> {
    sys::title::set(&format!("pyfcgid: queue {}", pool.name));
    let shared = Shared::adopt(ties)?;
    shared.seat.have_no_others()?;
    launch::set_of_queue(pool)?;
    privileges::confine(pool, &privileges::identity_of(pool)?)?;
    // It is a fork of the supervisor's, which has the settings of all pools.
    sys::process::hide_from_others();
    process::end_with_the_supervisor(link)?;
    let (signals, signal_writer) = UnixStream::pair()?;
    process::hear_signals(signal_writer)?;
    let queue = scheduler::queue_without_workers(shared.seat.clone());
    let pool = pool.of_processes(config);
    let (doors, _) = shared.doors(&pool)?;
    let of_loop = loop_settings::of_queue_process(&pool, shared.pool_status(&pool));
    let event_loop = EventLoop::new(doors, process::controls(link, signals)?, Duty::Rest, queue, of_loop)?;
    Ok(event_loop.run().map(drop)?)
}
