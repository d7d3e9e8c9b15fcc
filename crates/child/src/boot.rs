//! The first of ours that runs in a pool's Python. Python has run before: `.pth` files, `sitecustomize`, and what they import, which
//! are the application's. So what came by then is believed no more than the application is.

use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use connections::process::take_signals;
use shared::logging;
use shared::settings::{Errand, Message, MessageError};
use shared::sys::process::{self, EX_SOFTWARE};
use shared::sys::reserve::Reserve;
use shared::sys::{fd, memory, title};

use crate::{check, life};

/// Does what the settings on this descriptor say, and ends the process. Python is not attached.
pub fn run(settings: RawFd) -> ! {
    // After an exec, whoever has the same user could look into this process, and other pools may have it.
    process::hide_from_others();
    let lived = catch_unwind(AssertUnwindSafe(|| do_errand(settings)));
    logging::tell_lost();
    process::exit_now(lived.unwrap_or(EX_SOFTWARE))
}

fn do_errand(settings: RawFd) -> u8 {
    let message = fd::inherited(settings).map_err(MessageError::from).and_then(Message::receive);
    let message = match message {
        Ok(message) => message,
        Err(error) => return refuse(&error),
    };
    // Python is not told, so that it answers as it does anywhere when it is asked for a signal's handler.
    if let Err(error) = take_signals() {
        return refuse(&error);
    }
    process::name_itself(c"pyfcgid");
    if message.pool.dumps_core {
        process::let_others_look();
    }
    if message.pool.memory_limit.is_some()
        && let Err(error) = memory::share_one_arena().and_then(|()| RESERVE.provide())
    {
        return refuse(&error);
    }
    match message.errand {
        Errand::Serve(ties, ends) => {
            title::set(&format!("pyfcgid: pool {}", message.pool.name));
            life::run(&message.pool, message.log_level, ties, ends)
        }
        Errand::Check(teller) => check::run(&message.pool, teller),
    }
}

/// Where an application may use up all the memory there may be, what is ours has some left.
#[global_allocator]
static RESERVE: Reserve = Reserve::new();

/// There is no channel yet but this; the supervisor quotes it.
fn refuse(error: &dyn std::error::Error) -> u8 {
    eprintln!("{}", logging::with_causes(error));
    EX_SOFTWARE
}
