//! The process as a whole: its environment, its children and its end.

use std::ffi::{CStr, CString, OsStr};
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::RawFd;
use std::str::FromStr;
use std::time::Duration;

use nix::time::ClockId;
use nix::unistd::{self, ForkResult};
use rustix::fs::Mode;
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{self as system, DumpableBehavior, Pid, Signal, WaitOptions};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

use super::check;
use super::fd::{self, close};

/// The number of one process. Invariant: positive, so that no signal ever goes to a process group by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(i32);

impl ProcessId {
    /// That of this process.
    pub fn current() -> Self {
        Self(std::process::id().cast_signed())
    }

    /// The process of this number, if a process can have it.
    pub fn new(number: i32) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// As the system counts.
    pub fn number(self) -> i32 {
        self.0
    }

    fn pid(self) -> Pid {
        Pid::from_raw(self.0).expect("it is positive")
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which of the two processes this is, after [`fork`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The one that called, and the number of the new one.
    Parent(ProcessId),
    /// The new one.
    Child,
}

/// Makes a copy of this process.
///
/// # Errors
/// When there is a second thread, which the copy would lack while its locks stay locked, and those of fork(2).
pub fn fork() -> io::Result<Fork> {
    let count = threads();
    if count != 1 {
        return Err(io::Error::other(format!("a process with {count} threads must not be forked")));
    }
    // SAFETY: this is the only thread, so the copy is a whole process.
    Ok(match unsafe { unistd::fork() }? {
        ForkResult::Parent { child } => Fork::Parent(ProcessId(child.as_raw())),
        ForkResult::Child => Fork::Child,
    })
}

/// Makes this process, which was forked, the leader of a session of its own: it has no terminal that it could type into, and a
/// signal to its process group is for it and its own children.
///
/// # Errors
/// When it leads a process group already.
pub fn new_session() -> io::Result<()> {
    system::setsid()?;
    Ok(())
}

/// Gives up every capability, those that would survive another program (ambient, inheritable) among them. A process of root's that
/// has become another user has none; one that was started with some as an ordinary user does.
///
/// # Errors
/// When the kernel refuses, and when some are left.
pub fn drop_capabilities() -> io::Result<()> {
    // A kernel before 4.3 has no ambient ones, and says EINVAL.
    let _ = thread::clear_ambient_capability_set();
    let empty = CapabilitySet::empty();
    let none = CapabilitySets { effective: empty, permitted: empty, inheritable: empty };
    thread::set_capabilities(None, none)?;
    if thread::capabilities(None)? == none { Ok(()) } else { Err(io::Error::other("capabilities are left")) }
}

/// Processes whose parents have ended are this process's children from now on, as if it were process 1 to those that it and they have
/// started. Stays so when another program is executed; a fork does not hand it on.
///
/// # Errors
/// When the kernel does not know it.
pub fn adopt_orphans() -> io::Result<()> {
    // Any number means "yes", and that this process is one.
    Ok(system::set_child_subreaper(Some(Pid::INIT))?)
}

/// The next child that has ended and was not reaped, whoever started it. It stays as it is. Never waits.
pub fn ended_child() -> Option<ProcessId> {
    // SAFETY: siginfo_t is plain data and outlives the call; its process number is 0 unless a child is reported.
    let number = unsafe {
        let mut found: libc::siginfo_t = std::mem::zeroed();
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        if libc::waitid(libc::P_ALL, 0, &raw mut found, options) == -1 {
            return None;
        }
        found.si_pid()
    };
    ProcessId::new(number)
}

/// This process's children that have not been reaped; none if the system does not say.
pub fn children() -> Vec<ProcessId> {
    let own = std::process::id();
    let text = fs::read_to_string(format!("/proc/self/task/{own}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|number| ProcessId::new(number.parse().ok()?)).collect()
}

/// Whether the error says that there are too few processes, descriptors, or too little memory, now.
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::OutOfMemory) || fd::is_out_of_descriptors(error)
}

/// Whether the error says that a file is executable, but not a program (execve(2)).
pub fn is_no_program(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOEXEC)
}

/// How a process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// By itself, with this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It is no child of this process, or somebody else has asked first.
    Unknown,
    /// It was killed, and the kernel does not say that it has ended.
    Untold,
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => match SIGNAL_NAMES.iter().find(|(number, _)| number == signal) {
                Some((_, name)) => write!(f, "signal {signal} ({name})"),
                None => write!(f, "signal {signal}"),
            },
            Self::Unknown => write!(f, "an unknown cause"),
            Self::Untold => write!(f, "killed"),
        }
    }
}

/// What has become of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has ended.
    Ended(ExitReason),
    /// A signal has stopped it.
    Stopped,
    /// A signal lets it go on.
    Continued,
}

/// What has become of this child, if anything has that was not told yet, without waiting.
pub fn change(child: ProcessId) -> Option<Change> {
    let options = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
    change_with(child, options)
}

/// How this child has ended, if it has, without waiting. It asks for the one child only: for others see [`ended_child`].
pub fn reap(child: ProcessId) -> Option<ExitReason> {
    exit_reason(change_with(child, WaitOptions::NOHANG))
}

/// Whether this process has ended, though it may not have been reaped.
pub fn has_ended(process: ProcessId) -> bool {
    match state(process) {
        Ok(state) => matches!(state, Some(b'Z' | b'X')),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Whether this process is stopped by a signal. Of a child [`change`] says when it is, once.
pub fn is_stopped(process: ProcessId) -> bool {
    matches!(state(process), Ok(Some(b'T')))
}

/// The letter of proc_pid_stat(5).
fn state(process: ProcessId) -> io::Result<Option<u8>> {
    Ok(field(&stat(process)?, STATE).and_then(|word| word.bytes().next()))
}

/// What proc_pid_stat(5) says of a process.
pub(super) fn stat(process: ProcessId) -> io::Result<String> {
    fs::read(format!("/proc/{}/stat", process.0)).map(|stat| String::from_utf8_lossy(&stat).into_owned())
}

/// One of its fields behind the name. That, in parentheses, may be anything.
fn field(stat: &str, number: usize) -> Option<&str> {
    stat.rsplit_once(") ")?.1.split_ascii_whitespace().nth(number)
}

/// Waits until this child has ended, and says how.
pub fn wait(child: ProcessId) -> ExitReason {
    loop {
        if let Some(reason) = exit_reason(change_with(child, WaitOptions::empty())) {
            return reason;
        }
    }
}

fn change_with(child: ProcessId, options: WaitOptions) -> Option<Change> {
    match retry_on_intr(|| system::waitpid(Some(child.pid()), options)) {
        Ok(None) => None,
        Ok(Some((_, status))) if status.stopped() => Some(Change::Stopped),
        Ok(Some((_, status))) if status.continued() => Some(Change::Continued),
        Ok(Some((_, status))) => {
            let code = status.exit_status().map(ExitReason::Code);
            code.or_else(|| status.terminating_signal().map(ExitReason::Signal)).map(Change::Ended)
        }
        Err(_) => Some(Change::Ended(ExitReason::Unknown)),
    }
}

/// None if it was stopped or continued, which only a tracer is told.
fn exit_reason(change: Option<Change>) -> Option<ExitReason> {
    if let Some(Change::Ended(reason)) = change { Some(reason) } else { None }
}

/// Sends a signal to one process; 0 sends none and only asks whether that could be.
///
/// # Errors
/// Those of kill(2): `EINVAL` for a signal without a name, `ESRCH` when there is no such process, `EPERM` when it is somebody else's.
pub fn kill(process: ProcessId, signal: i32) -> io::Result<()> {
    Ok(match signal {
        0 => system::test_kill_process(process.pid()),
        _ => system::kill_process(process.pid(), named(signal)?),
    }?)
}

fn named(signal: i32) -> io::Result<Signal> {
    Signal::from_named_raw(signal).ok_or_else(|| Errno::INVAL.into())
}

/// Closes every descriptor but the standard three and `kept`. For a process right after [`fork`]: what else it has inherited
/// belongs to its parent. Values that own a closed descriptor must not be dropped afterwards, nor used.
///
/// # Errors
/// When neither close_range(2) nor /proc is there.
pub fn keep_only(kept: &[RawFd]) -> io::Result<()> {
    let gaps = gaps(kept);
    let Err(_) = gaps.iter().try_for_each(|(first, last)| close_range(*first, *last)) else {
        return Ok(());
    };
    // An old kernel, or a sandbox that does not know the call.
    let numbers: Vec<u32> = numbers_in("/proc/self/fd")?;
    for number in numbers.iter().filter(|number| gaps.iter().any(|(first, last)| (first..=last).contains(number))) {
        // The directory's own is closed already.
        close(number.cast_signed());
    }
    Ok(())
}

/// The ranges of numbers above 2 that have none of `kept`.
fn gaps(kept: &[RawFd]) -> Vec<(u32, u32)> {
    let mut kept: Vec<u32> = kept.iter().filter_map(|fd| u32::try_from(*fd).ok()).collect();
    kept.sort_unstable();
    let mut gaps = Vec::new();
    let mut first = 3;
    for fd in kept {
        if fd > first {
            gaps.push((first, fd - 1));
        }
        first = first.max(fd + 1);
    }
    gaps.push((first, u32::MAX));
    gaps
}

fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: the caller of keep_only has said that nobody uses these descriptors.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } as libc::c_int)
}

/// Removes an environment variable, before there is a second thread.
///
/// # Panics
/// When the process has more than one thread: the C library reads the environment without a lock.
#[expect(clippy::disallowed_methods, reason = "this is the one place, and it checks")]
pub fn unset_environment(name: &OsStr) {
    assert_eq!(threads(), 1, "the environment is changed before any thread is started");
    // SAFETY: this is the only thread, so nobody reads the environment meanwhile.
    unsafe { std::env::remove_var(name) };
}

/// From now on no program that this process or its children start can gain privileges: set-user-ID bits mean nothing.
///
/// # Errors
/// When the kernel does not know it.
pub fn no_new_privs() -> io::Result<()> {
    Ok(thread::set_no_new_privs(true)?)
}

/// Does something while ps(1) and /proc call this process so, by at most 15 bytes of it: a process that is forked meanwhile has the
/// name from its birth, and keeps it.
pub fn under_name<T>(name: &CStr, action: impl FnOnce() -> T) -> T {
    let before = thread::name().unwrap_or_default();
    let _ = thread::set_name(name);
    let process = std::process::id();
    let result = action();
    if std::process::id() == process {
        let _ = thread::set_name(&before);
    }
    result
}

/// Has ps(1) and /proc call this process, and the threads that it starts, by at most 15 bytes of this name.
pub fn name_itself(name: &CStr) {
    let _ = thread::set_name(name);
}

/// From now on only root can look into this process, whoever else has its user: trace it, read its memory, take its core.
pub fn hide_from_others() {
    let _ = system::set_dumpable_behavior(DumpableBehavior::NotDumpable); // Cannot fail with this.
}

/// Takes [`hide_from_others`] back: without that the system writes no core dump.
pub fn let_others_look() {
    let _ = system::set_dumpable_behavior(DumpableBehavior::Dumpable); // Cannot fail with this either.
}

/// Executes a program in the place of this one, with exactly these arguments, the first of which is its path, and these variables. The
/// mask of blocked signals stays as it is. Returns only if that fails.
pub fn execute(arguments: &[CString], variables: &[CString]) -> io::Error {
    let Some(program) = arguments.first() else { return io::ErrorKind::InvalidInput.into() };
    let Err(error) = unistd::execve(program, arguments, variables);
    error.into()
}

/// Has the kernel send this process a signal when its parent ends. Dropping privileges undoes it, and a fork does not hand it on.
///
/// # Errors
/// When the number is that of no signal.
pub fn signal_at_end_of_parent(number: i32) -> io::Result<()> {
    Ok(system::set_parent_process_death_signal(Some(named(number)?))?)
}

/// Sets which permissions new files do not get, and returns what it was.
pub fn umask(mode: u32) -> u32 {
    system::umask(Mode::from_raw_mode(mode & 0o777)).as_raw_mode()
}

/// The numbers of all threads of this process.
pub fn thread_numbers() -> Vec<u32> {
    numbers_in("/proc/self/task").unwrap_or_default()
}

/// The numbers that a directory of /proc has entries for.
pub(super) fn numbers_in<T: FromStr>(directory: &str) -> io::Result<Vec<T>> {
    let entries = fs::read_dir(directory)?.flatten();
    Ok(entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// The system's number of the thread that calls.
pub fn thread_id() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned()
}

/// The monotonic clock of the system, which starts at boot. For what other processes are told; [`std::time::Instant`] is the
/// same clock for everything else.
pub fn monotonic_time() -> Duration {
    clock_time(ClockId::CLOCK_MONOTONIC).unwrap_or_default()
}

/// CPU time of a process so far: of all its threads, those that have ended included. `None` once it has been waited for.
pub fn cpu_time(process: ProcessId) -> Option<Duration> {
    // What clock_getcpuclockid(3) makes of a process id: bits 3 and up are its complement, bits 0 to 2 say "scheduler's clock".
    clock_time(ClockId::from_raw((!process.0 << 3) | 2))
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time so far.
    pub cpu: Duration,
    /// Resident memory, in bytes.
    pub memory: u64,
}

/// What a process uses, by one look that waits for nothing. `None` when there is no such process.
pub fn usage(process: ProcessId) -> Option<Usage> {
    let memory = memory_in(&stat(process).ok()?)?;
    Some(Usage { cpu: cpu_time(process).unwrap_or_default(), memory })
}

fn memory_in(stat: &str) -> Option<u64> {
    let pages: u64 = field(stat, RSS)?.parse().ok()?;
    Some(pages.saturating_mul(page_size()))
}

/// How long ago a process was started. `None` when there is no such process.
pub fn age(process: ProcessId) -> Option<Duration> {
    let ticks: f64 = field(&stat(process).ok()?, STARTED)?.parse().ok()?;
    let started = Duration::try_from_secs_f64(ticks / rustix::param::clock_ticks_per_second() as f64).ok()?;
    Some(clock_time(ClockId::CLOCK_BOOTTIME)?.saturating_sub(started))
}

/// What a clock says; `None` if there is no such clock.
pub(super) fn clock_time(clock: ClockId) -> Option<Duration> {
    clock.now().ok().map(Duration::from)
}

/// Ends the process at once: no destructor, no `atexit` handler of the C library, nothing that another thread could disturb.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: _exit touches no memory of this process.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Bytes of a page of memory.
pub fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

/// How many threads this process has.
pub fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// Fields behind the name.
const STATE: usize = 0;
const RSS: usize = 21;
const STARTED: usize = 19;
/// How a process ends when something that pyfcgid runs is broken: the application (sysexits).
pub const EX_SOFTWARE: u8 = 70;
/// How it ends when the system refuses something (sysexits).
pub const EX_OSERR: u8 = 71;
/// What ends a process in practice.
const SIGNAL_NAMES: [(i32, &str); 13] = [
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGINT, "SIGINT"),
    (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGTRAP, "SIGTRAP"),
    (libc::SIGABRT, "SIGABRT"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGKILL, "SIGKILL, perhaps from the kernel's out-of-memory killer"),
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGTERM, "SIGTERM"),
    (libc::SIGXCPU, "SIGXCPU"),
    (libc::SIGSYS, "SIGSYS"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fork_refuses_beside_a_second_thread() {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let second = std::thread::spawn(move || receiver.recv());
        let error = fork().unwrap_err().to_string();
        assert!(error.contains("threads must not be forked"), "{error}");
        drop(sender);
        assert!(second.join().unwrap().is_err());
    }

    #[test]
    fn what_a_process_uses_is_read_whatever_it_is_called() {
        let own = usage(ProcessId::current()).unwrap();
        assert!(own.memory > 100_000 && own.cpu <= Duration::from_secs(3600), "{own:?}");
        let stat = format!("7 (a) R) ( ) S {}", vec!["3"; 30].join(" "));
        assert_eq!(memory_in(&stat), Some(3 * page_size()));
        let age = age(ProcessId::current()).unwrap();
        assert!(age < Duration::from_secs(3600) && super::age(ProcessId(i32::MAX)).is_none(), "{age:?}");
        assert_eq!((memory_in("7 (a) R 1 2"), memory_in(""), usage(ProcessId(i32::MAX))), (None, None, None));
    }

    #[test]
    fn only_positive_numbers_are_processes() {
        assert_eq!(ProcessId::new(0), None);
        assert_eq!(ProcessId::new(-1), None);
        assert_eq!(ProcessId::new(7).map(ProcessId::number), Some(7));
    }

    #[test]
    fn the_gaps_leave_out_what_is_kept_and_the_standard_three() {
        assert_eq!(gaps(&[]), [(3, u32::MAX)]);
        assert_eq!(gaps(&[0, 2, -1]), [(3, u32::MAX)]);
        assert_eq!(gaps(&[9, 3, 4, 9]), [(5, 8), (10, u32::MAX)]);
    }

    #[test]
    fn a_process_that_is_no_child_of_ours_has_ended_for_us() {
        assert_eq!(reap(ProcessId::current()), Some(ExitReason::Unknown));
    }

    #[test]
    #[expect(clippy::zombie_processes, reason = "reap is what waits for it")]
    fn how_a_child_ended_is_told_once() {
        let child = std::process::Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
        let child = ProcessId::new(child.id().cast_signed()).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        let reason = loop {
            match reap(child) {
                Some(reason) => break reason,
                None => assert!(std::time::Instant::now() < deadline, "it does not end"),
            }
            std::thread::yield_now();
        };
        assert_eq!(reason, ExitReason::Code(3));
        assert_eq!(reap(child), Some(ExitReason::Unknown));
    }

    #[test]
    #[expect(clippy::zombie_processes, reason = "change is what waits for it")]
    fn that_a_child_is_stopped_and_goes_on_is_told_once_each() {
        let child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let child = ProcessId::new(child.id().cast_signed()).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        let next = || loop {
            match change(child) {
                Some(change) => break change,
                None => assert!(std::time::Instant::now() < deadline, "nothing becomes of it"),
            }
            std::thread::yield_now();
        };
        for (signal, expected) in [
            (libc::SIGSTOP, Change::Stopped),
            (libc::SIGCONT, Change::Continued),
            (libc::SIGKILL, Change::Ended(ExitReason::Signal(libc::SIGKILL))),
        ] {
            assert_eq!(change(child), None, "all was told");
            kill(child, signal).unwrap();
            assert_eq!(next(), expected);
            assert_eq!(is_stopped(child), expected == Change::Stopped);
        }
    }

    #[test]
    fn reasons_are_words() {
        assert_eq!(ExitReason::Code(3).to_string(), "exit code 3");
        assert_eq!(ExitReason::Signal(libc::SIGSEGV).to_string(), "signal 11 (SIGSEGV)");
        assert_eq!(ExitReason::Signal(40).to_string(), "signal 40");
    }

    #[test]
    fn the_cpu_time_of_a_process_goes_on_and_a_wrong_process_has_none() {
        let own = ProcessId::current();
        let before = cpu_time(own).expect("this process has a clock");
        while cpu_time(own) <= Some(before) {}
        // More than there can be.
        assert_eq!(cpu_time(ProcessId(1 << 22)), None);
    }

    #[test]
    fn the_monotonic_clock_goes_on() {
        let before = monotonic_time();
        assert!(before > Duration::ZERO);
        assert!(monotonic_time() >= before);
    }
}
