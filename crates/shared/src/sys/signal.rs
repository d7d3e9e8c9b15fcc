//! Signals: reset at the start, and from then on bytes on a socket, so that a poll loop hears them.
//!
//! A handler can reach nothing but statics, so the socket and the bytes are some. There is one user of them, the composition
//! root.

use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::{mem, ptr};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

use super::check;
use super::process::{self, ProcessId, exit_now};

/// A child process has ended.
pub const CHLD: i32 = libc::SIGCHLD;
/// Hang-up of the terminal; reload.
pub const HUP: i32 = libc::SIGHUP;
/// Interrupt from the keyboard.
pub const INT: i32 = libc::SIGINT;
/// Graceful stop, as nginx and PHP-FPM have it.
pub const QUIT: i32 = libc::SIGQUIT;
/// The end that nobody can refuse.
pub const KILL: i32 = libc::SIGKILL;
/// The program gives up.
pub const ABRT: i32 = libc::SIGABRT;
/// There is no memory where it looks for some.
pub const SEGV: i32 = libc::SIGSEGV;
/// The same, or what is mapped there has gone.
pub const BUS: i32 = libc::SIGBUS;
/// Stop.
pub const TERM: i32 = libc::SIGTERM;
/// The stop, until somebody continues it, that nobody can refuse.
pub const STOP: i32 = libc::SIGSTOP;
/// What ctrl-Z sends to a process.
pub const TSTP: i32 = libc::SIGTSTP;
/// The terminal has another size.
pub const WINCH: i32 = libc::SIGWINCH;
/// One child more.
pub const TTIN: i32 = libc::SIGTTIN;
/// One child less.
pub const TTOU: i32 = libc::SIGTTOU;
/// Reopen the logs.
pub const USR1: i32 = libc::SIGUSR1;
/// Reload with a new binary.
pub const USR2: i32 = libc::SIGUSR2;

/// Undoes what was inherited: signals that were ignored get their default again, and none is blocked, so that subprocesses of
/// the application start like any others. SIGHUP stays ignored, because that is what nohup(1) is for, and what [`fail_instead`] has
/// said.
pub fn reset() {
    for signal in 1..SIGNALS as i32 {
        if ![HUP, libc::SIGPIPE, libc::SIGXFSZ].contains(&signal) && is_ignored(signal) {
            // Some signals may not be changed, which is as well.
            drop(sigaction(signal, Some(libc::SIG_DFL)));
        }
    }
    block(SigSet::empty());
}

/// From now on a write to a peer that has left, or to a file that is as large as it may be, fails and does not end the process (SIGPIPE
/// and SIGXFSZ). Python does the same, and gives what its subprocess module starts the default again.
pub fn fail_instead() {
    [libc::SIGPIPE, libc::SIGXFSZ].into_iter().for_each(|signal| drop(sigaction(signal, Some(libc::SIG_IGN))));
}

/// Whether the process ignores this signal.
pub fn is_ignored(signal: i32) -> bool {
    handler(signal).is_ok_and(|handler| handler == libc::SIG_IGN)
}

fn is_default(signal: i32) -> bool {
    handler(signal).is_ok_and(|handler| handler == libc::SIG_DFL)
}

/// Sets a handler, if there is one, and returns the one before. Async-signal-safe. It is the default, to ignore, or a function of this
/// module, which calls nothing but what signal-safety(7) allows.
fn sigaction(signal: i32, handler: Option<libc::sighandler_t>) -> io::Result<libc::sighandler_t> {
    // SAFETY: sigaction is plain data, an empty mask among it; both outlive the call, and the handler is one, as is said above.
    let (result, before) = unsafe {
        let (mut action, mut before): (libc::sigaction, libc::sigaction) = (mem::zeroed(), mem::zeroed());
        action.sa_sigaction = handler.unwrap_or_default();
        action.sa_flags = libc::SA_RESTART;
        let action = if handler.is_some() { &raw const action } else { ptr::null() };
        (libc::sigaction(signal, action, &raw mut before), before)
    };
    check(result).map(|()| before.sa_sigaction)
}

/// Blocks every signal until [`reset`], or until what is returned is dropped: around a fork, so that none comes while a child still
/// has its parent's handlers.
pub fn block_all() -> Blocked {
    Blocked(block(SigSet::all()))
}

/// This signal, which is no real-time one, does not come any more to the thread that calls, nor to those that it starts.
pub fn hold_back(signal: i32) {
    let _ = Signal::try_from(signal).and_then(|signal| SigSet::from(signal).thread_block());
}

/// A real-time signal that nobody has set a handler for. From the end: who counts on one counts from the beginning, and valgrind has the
/// very last.
pub fn unused_real_time() -> Option<i32> {
    (libc::SIGRTMIN()..libc::SIGRTMAX()).rev().find(|signal| is_default(*signal))
}

/// What handles this signal: a number to compare.
///
/// # Errors
/// `EINVAL` when there is no such signal.
pub fn handler(signal: i32) -> io::Result<usize> {
    sigaction(signal, None)
}

/// Sends a signal to one thread of this process.
///
/// # Errors
/// `ESRCH` when there is no such thread in this process.
pub fn send_to_thread(thread: u32, signal: i32) -> io::Result<()> {
    // SAFETY: numbers only; the process is this one, so that no other's thread is hit.
    check(unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), thread, signal) } as libc::c_int)
}

/// Whether a thread of this process blocks this signal, as far as the system says.
pub fn is_blocked_in(thread: u32, signal: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/self/task/{thread}/status")).unwrap_or_default();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let blocked = blocked.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    blocked >> (signal - 1) & 1 == 1
}

/// Blocks these signals and no others. Returns what was blocked before.
fn block(signals: SigSet) -> SigSet {
    signals.thread_swap_mask(SigmaskHow::SIG_SETMASK).unwrap_or(signals) // Cannot fail with this.
}

/// The signals that were blocked before, restored when this is dropped.
pub struct Blocked(SigSet);

impl Drop for Blocked {
    fn drop(&mut self) {
        block(self.0);
    }
}

/// These signals do what they do by default.
///
/// # Errors
/// Those of sigaction(2).
pub fn restore(signals: &[i32]) -> io::Result<()> {
    signals.iter().try_for_each(|signal| sigaction(*signal, Some(libc::SIG_DFL)).map(drop))
}

/// These signals do nothing from now on. Unlike ignored ones, they have their default again in whatever the process executes.
///
/// # Errors
/// Those of sigaction(2).
pub fn disregard(signals: &[i32]) -> io::Result<()> {
    signals.iter().try_for_each(|signal| handle(*signal, do_nothing))
}

/// The same for those of them that end the process as it is, and not for those that somebody has set a handler for.
///
/// # Errors
/// Those of sigaction(2).
pub fn disregard_by_default(signals: &[i32]) -> io::Result<()> {
    signals.iter().filter(|signal| is_default(**signal)).try_for_each(|signal| handle(*signal, do_nothing))
}

/// Until [`forward`] is called for them, these signals end the process with `code`.
///
/// # Errors
/// Those of sigaction(2).
pub fn end_on(signals: &[i32], code: u8) -> io::Result<()> {
    CODE.store(code, Ordering::Release);
    signals.iter().try_for_each(|signal| handle(*signal, end))
}

/// From now on, each of `signals` is sent into `to` as the byte beside it, whoever handled it before. When `to` is full the
/// byte is dropped, which loses nothing if its reader treats bytes as states and not as counts.
///
/// # Errors
/// Those of sigaction(2).
pub fn forward(signals: &[(i32, u8)], to: OwnedFd) -> io::Result<()> {
    // Kept open for good, since a handler may use it at any time. A forked child's first call leaves its parent's one alone.
    SOCKET.store(to.into_raw_fd(), Ordering::Release);
    for (signal, byte) in signals {
        BYTES[*signal as usize % SIGNALS].store(*byte, Ordering::Release);
        handle(*signal, send)?;
    }
    Ok(())
}

fn handle(signal: i32, handler: extern "C" fn(i32)) -> io::Result<()> {
    OWNER.store(std::process::id().cast_signed(), Ordering::Release);
    sigaction(signal, Some(handler as *const () as libc::sighandler_t)).map(drop)
}

/// A child that the application has forked inherits the handlers, but its signals are its own: they do what they do by default.
fn is_of_a_forked_child(signal: i32) -> bool {
    if std::process::id().cast_signed() == OWNER.load(Ordering::Acquire) {
        return false;
    }
    drop(sigaction(signal, Some(libc::SIG_DFL)));
    // All of this is async-signal-safe. The signal is blocked here and comes when the handler returns.
    drop(process::kill(ProcessId::current(), signal));
    true
}

extern "C" fn send(signal: i32) {
    if is_of_a_forked_child(signal) {
        return;
    }
    let byte = BYTES[signal as usize % SIGNALS].load(Ordering::Acquire);
    let socket = SOCKET.load(Ordering::Acquire);
    // SAFETY: send(2) is async-signal-safe, the byte outlives the call, and errno is put back for the code that was interrupted.
    unsafe {
        let errno = *libc::__errno_location();
        libc::send(socket, (&raw const byte).cast(), 1, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT);
        *libc::__errno_location() = errno;
    }
}

extern "C" fn end(signal: i32) {
    if !is_of_a_forked_child(signal) {
        exit_now(CODE.load(Ordering::Acquire));
    }
}

extern "C" fn do_nothing(signal: i32) {
    is_of_a_forked_child(signal);
}

const SIGNALS: usize = 65;
static OWNER: AtomicI32 = AtomicI32::new(0);
static SOCKET: AtomicI32 = AtomicI32::new(-1);
static BYTES: [AtomicU8; SIGNALS] = [const { AtomicU8::new(0) }; SIGNALS];
static CODE: AtomicU8 = AtomicU8::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_sent_a_signal_is_one_of_this_process() {
        let own = process::thread_id();
        assert!(send_to_thread(own, 0).is_ok());
        assert_eq!(send_to_thread(1, 0).unwrap_err().raw_os_error(), Some(libc::ESRCH));
        assert!(!is_blocked_in(own, KILL) && !is_blocked_in(own, 64));
    }

    #[test]
    fn a_signal_that_nobody_handles_is_a_real_time_one() {
        let unused = unused_real_time().unwrap();
        assert!(unused >= libc::SIGRTMIN() && unused < libc::SIGRTMAX());
        assert_eq!(handler(unused).unwrap(), libc::SIG_DFL);
        assert!(handler(0).is_err());
    }
}
