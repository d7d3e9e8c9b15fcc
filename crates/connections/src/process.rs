//! What a process of a pool begins with: the sockets that it shares, by their numbers, its channels, and who ends it.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use shared::link::Command;
use shared::listener::{BindError, Listener};
use shared::scoreboard::roster::RosterView;
use shared::scoreboard::slot::Slot;
use shared::scoreboard::{Scoreboard, Seat};
use shared::settings::{PoolSettings, Ties};
use shared::sys::{self, fd, signal};

use crate::event_loop::{self, Doors, Line, Passage};
use crate::pool_status::PoolStatus;

/// The sockets that the processes of a pool share, and this one's seat at the scoreboard.
pub struct Shared {
    /// The numbers.
    pub ties: Ties,
    /// Where its requests that wait are counted.
    pub seat: Seat,
    scoreboard: Arc<Scoreboard>,
    roster: Arc<RosterView>,
}

impl Shared {
    /// What these numbers stand for. To be called once.
    ///
    /// # Errors
    /// When the scoreboard is none, or the roster.
    pub fn adopt(ties: Ties) -> io::Result<Self> {
        let scoreboard = Arc::new(Scoreboard::share(fd::inherited(ties.scoreboard)?)?);
        let roster = Arc::new(RosterView::share(fd::inherited(ties.roster)?)?);
        let seat = scoreboard.seat(ties.seat);
        Ok(Self { ties, seat, scoreboard, roster })
    }

    /// The slots of its workers, in their order. There may be fewer than workers.
    pub fn slots(&self) -> Vec<Slot> {
        self.ties.slots.clone().take(MOST_WORKERS).map(|number| self.scoreboard.slot(number)).collect()
    }

    /// What tells how this pool is.
    pub fn pool_status(&self, pool: &PoolSettings) -> Arc<PoolStatus> {
        Arc::new(PoolStatus::new((&pool.name, pool.max_queue), Arc::clone(&self.scoreboard), Arc::clone(&self.roster)))
    }

    /// Where the connections of this pool come from and wait, and the addresses as the configuration has them, but with the port that the
    /// system chose.
    ///
    /// # Errors
    /// [`BindError`]
    pub fn doors(&self, pool: &PoolSettings) -> Result<(Doors, String), BindError> {
        let (mut listeners, mut names): (Vec<event_loop::Listener>, Vec<String>) = Default::default();
        for number in &self.ties.listeners {
            let (listener, name) = adopt_listener(*number)?;
            names.extend(name);
            listeners.push(listener.allowing(pool.allowed_clients.clone()));
        }
        for number in &self.ties.status_listeners {
            listeners.push(adopt_listener(*number)?.0.for_probes());
        }
        names.extend(pool.addresses.iter().cloned());
        let passage = |[give, take]: [RawFd; 2]| Ok::<_, BindError>(Passage::new(inherited(give)?, inherited(take)?));
        let line = Line::new(passage(self.ties.line)?, self.seat.clone(), pool.max_queue);
        Ok((Doors { listeners, passage: passage(self.ties.passage)?, line }, names.join(", ")))
    }
}

/// The listening socket of this number, and its address if it has one of TCP.
fn adopt_listener(number: RawFd) -> Result<(event_loop::Listener, Option<String>), BindError> {
    let listener = Listener::adopt(inherited(number)?)?;
    let name = listener.tcp_address().map(|address| address.to_string());
    Ok((event_loop::Listener::from(listener), name))
}

fn inherited(number: RawFd) -> Result<OwnedFd, BindError> {
    fd::inherited(number).map_err(|_| BindError::NotListening(number))
}

/// The sockets on which an event loop hears commands: the link, and what signals write to.
///
/// # Errors
/// Those of dup(2) and fcntl(2).
pub fn controls(link: &UnixStream, signals: UnixStream) -> io::Result<Vec<mio::net::UnixStream>> {
    let controls = [link.try_clone()?, signals];
    let controls = controls.map(|control| control.set_nonblocking(true).map(|()| mio::net::UnixStream::from_std(control)));
    controls.into_iter().collect()
}

/// As long as nobody listens to commands: TERM and QUIT end the process, and what is for the supervisor alone does nothing. Signals were
/// blocked since before the fork, and are not any more.
///
/// # Errors
/// Those of sigaction(2).
pub fn take_signals() -> io::Result<()> {
    signal::disregard(&OTHERS_SIGNALS)?;
    signal::end_on(&[signal::TERM, signal::QUIT], 0)?;
    signal::reset();
    Ok(())
}

/// TERM and QUIT, heard through `to`, end the process gracefully.
///
/// # Errors
/// Those of sigaction(2).
pub fn hear_signals(to: UnixStream) -> io::Result<()> {
    signal::forward(&[(signal::TERM, Command::Terminate as u8), (signal::QUIT, Command::Quit as u8)], to.into())
}

/// An import may take long, and nobody looks at the link meanwhile. After the import the same signal is a graceful stop, as the end of
/// the link is.
///
/// # Errors
/// When it has ended already.
pub fn end_with_the_supervisor(link: &UnixStream) -> io::Result<()> {
    sys::process::signal_at_end_of_parent(signal::TERM)?;
    // It may have ended before.
    match fd::peek(link.as_fd(), &mut [0]) {
        Ok(0) => Err(ErrorKind::BrokenPipe.into()),
        _ => Ok(()),
    }
}

/// The most threads that a process can have.
const MOST_WORKERS: usize = 1024;

/// Signals that have a meaning for the supervisor only.
pub const OTHERS_SIGNALS: [i32; 6] = [signal::INT, signal::HUP, signal::USR1, signal::USR2, signal::TTIN, signal::TTOU];
