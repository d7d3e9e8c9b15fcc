//! Signals: reset at the start, and from then on bytes on a socket, so that a poll loop hears them.
//!
//! A handler can reach nothing but statics, so the socket and the bytes are some. There is one user of them, the composition
//! root.

use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::{mem, ptr};

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
/// Stop.
pub const TERM: i32 = libc::SIGTERM;
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
            // SAFETY: SIG_DFL is no code of ours; for a signal that may not be changed the call fails, which is as well.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
    // SAFETY: the set is initialised by sigemptyset before it is used, and outlives both calls.
    unsafe {
        let mut none = mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// From now on a write to a peer that has left, or to a file that is as large as it may be, fails and does not end the process (SIGPIPE
/// and SIGXFSZ). Python does the same, and gives what its subprocess module starts the default again.
pub fn fail_instead() {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        // SAFETY: SIG_IGN is no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Whether the process ignores this signal.
pub fn is_ignored(signal: i32) -> bool {
    disposition(signal) == Some(libc::SIG_IGN)
}

fn is_default(signal: i32) -> bool {
    disposition(signal) == Some(libc::SIG_DFL)
}

fn disposition(signal: i32) -> Option<libc::sighandler_t> {
    // SAFETY: sigaction is plain data, and the call fills it or fails.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        (libc::sigaction(signal, ptr::null(), &raw mut action) == 0).then_some(action.sa_sigaction)
    }
}

/// Blocks every signal until [`reset`], or until what is returned is dropped: around a fork, so that none comes while a child still
/// has its parent's handlers.
pub fn block_all() -> Blocked {
    // SAFETY: both sets are initialised before they are read, and outlive the calls.
    unsafe {
        let (mut all, mut before) = (mem::zeroed(), mem::zeroed());
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        Blocked(before)
    }
}

/// The signals that were blocked before, restored when this is dropped.
pub struct Blocked(libc::sigset_t);

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set was filled by pthread_sigmask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

/// These signals do what they do by default.
///
/// # Errors
/// Those of sigaction(2).
pub fn restore(signals: &[i32]) -> io::Result<()> {
    for signal in signals {
        // SAFETY: SIG_DFL is no code of ours.
        if unsafe { libc::signal(*signal, libc::SIG_DFL) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
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
    // SAFETY: the action is plain data, its handler calls nothing but what signal-safety(7) allows.
    let result = unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, ptr::null_mut())
    };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A child that the application has forked inherits the handlers, but its signals are its own: they do what they do by default.
fn is_of_a_forked_child(signal: i32) -> bool {
    // SAFETY: getpid(2), signal(2) and raise(3) are async-signal-safe. The signal is blocked here and comes when the handler returns.
    unsafe {
        if libc::getpid() == OWNER.load(Ordering::Acquire) {
            return false;
        }
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
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
    if is_of_a_forked_child(signal) {
        return;
    }
    // SAFETY: _exit(2) is async-signal-safe.
    unsafe { libc::_exit(i32::from(CODE.load(Ordering::Acquire))) }
}

extern "C" fn do_nothing(signal: i32) {
    is_of_a_forked_child(signal);
}

const SIGNALS: usize = 65;
static OWNER: AtomicI32 = AtomicI32::new(0);
static SOCKET: AtomicI32 = AtomicI32::new(-1);
static BYTES: [AtomicU8; SIGNALS] = [const { AtomicU8::new(0) }; SIGNALS];
static CODE: AtomicU8 = AtomicU8::new(0);
