//! Descriptors: what they are, those that were inherited, how many there may be, and sending files through them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::{Mode, fchmod, sendfile};
use rustix::io::{Errno, FdFlags, ReadWriteFlags, fcntl_dupfd_cloexec, fcntl_setfd, preadv2};
use rustix::net::sockopt::{socket_acceptconn, socket_type};
use rustix::net::{RecvFlags, SocketFlags, SocketType, acceptfrom_with, recv};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use smallvec::SmallVec;
use socket2::{MsgHdr, SockRef};

use super::process::numbers_in;

/// Sends up to `count` bytes of `file` from `offset` into a socket, without moving the file's own position (sendfile(2)).
/// Returns 0 only at the end of the file.
///
/// # Errors
/// Those of sendfile(2), `WouldBlock` among them.
pub fn send_file(socket: BorrowedFd<'_>, file: &File, mut offset: u64, count: usize) -> io::Result<usize> {
    Ok(sendfile(socket, file, Some(&mut offset), count)?)
}

/// Waits until this part of a file is in the page cache, so that sending it soon waits for no disk. Where the file system can't tell
/// whether it is (RWF_NOWAIT of preadv2(2)), it is taken to be.
///
/// # Errors
/// Those of reading the file.
pub fn fetch(file: &File, offset: u64, length: usize) -> io::Result<()> {
    let last = offset.saturating_add(length.saturating_sub(1) as u64);
    match is_cached(file, last) {
        true => Ok(()),
        false => file.read_at(&mut vec![0; length], offset).map(drop),
    }
}

fn is_cached(file: &File, offset: u64) -> bool {
    // The highest number would mean the file's own position.
    if i64::try_from(offset).is_err() {
        return true;
    }
    preadv2(file, &mut [IoSliceMut::new(&mut [0])], offset, ReadWriteFlags::NOWAIT) != Err(Errno::AGAIN)
}

/// Writes to a socket as much as it takes, without waiting, whatever another process has made of the flags that all who have it
/// share. `more` says that more follows at once, so that TCP does not send a small packet (MSG_MORE).
///
/// # Errors
/// Those of sendmsg(2) and send(2), `WouldBlock` among them.
pub fn send(socket: BorrowedFd<'_>, pieces: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
    let more = if more { libc::MSG_MORE } else { 0 };
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | more;
    // The kernel takes a few bytes faster as one piece than as a list of them.
    if pieces.iter().map(|piece| piece.len()).sum::<usize>() <= SHORT_LEN {
        let mut whole = SmallVec::<[u8; SHORT_LEN]>::new();
        pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
        return SockRef::from(&socket).send_with_flags(&whole, flags);
    }
    SockRef::from(&socket).sendmsg(&MsgHdr::new().with_buffers(pieces), flags)
}

/// Reads from a socket what is there, likewise.
///
/// # Errors
/// Those of recv(2), `WouldBlock` among them.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(recv(socket, buffer, RecvFlags::DONTWAIT)?.0)
}

/// What there is to be read from a socket, as far as it fits in `buffer`, without waiting. It stays there (MSG_PEEK), and descriptors
/// that come along are not received.
///
/// # Errors
/// `WouldBlock` when nothing is there, and those of recv(2).
pub fn peek(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(recv(socket, buffer, RecvFlags::PEEK | RecvFlags::DONTWAIT)?.0)
}

/// Accepts a connection, which does not block and is close-on-exec, and says which IP address it is from, if from one.
///
/// # Errors
/// Those of accept(2).
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
    let (socket, peer) = acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    Ok((socket, peer.and_then(|peer| peer.try_into().ok())))
}

/// Takes over a descriptor that was inherited by number, and makes it close-on-exec.
///
/// # Errors
/// `EBADF` when no such descriptor is open.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    fcntl_setfd(numbered(number)?, FdFlags::CLOEXEC)?;
    // SAFETY: the descriptor is open, as fcntl has just shown; the caller was told by its user that it is meant for this process.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Notes which listening sockets this process was given: before it opens any of its own. They stay open, and keep their numbers.
///
/// # Errors
/// When /proc is not there.
pub fn note_given() -> io::Result<()> {
    note_left(numbers_in("/proc/self/fd")?.into_iter().filter(|number| is_listening(*number)));
    Ok(())
}

/// The same of those that were given to the program that this process ran before.
pub fn note_left(numbers: impl IntoIterator<Item = RawFd>) {
    all_given().extend(numbers);
}

/// A copy of the listening socket that this process was given by this number.
///
/// # Errors
/// `EBADF` when it was given none.
pub fn given(number: RawFd) -> io::Result<OwnedFd> {
    match all_given().contains(&number) {
        true => duplicate(number),
        false => Err(Errno::BADF.into()),
    }
}

/// Closes them, from which nobody takes a copy any more.
pub fn close_given() {
    let given = mem::take(&mut *all_given());
    drop(given.into_iter().map(inherited).collect::<Vec<_>>());
}

fn all_given() -> MutexGuard<'static, BTreeSet<RawFd>> {
    GIVEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// By number.
static GIVEN: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// Whether `number` is an open stream socket that accepts connections.
pub fn is_listening(number: RawFd) -> bool {
    numbered(number).is_ok_and(|it| socket_acceptconn(it) == Ok(true) && socket_type(it) == Ok(SocketType::STREAM))
}

/// Moves a descriptor away from the standard three, if it is one of them, and puts /dev/null in its place: a listening socket
/// must not be what the application reads from as its standard input. Returns its number.
///
/// # Errors
/// When it is not open, or there are too many descriptors.
pub fn move_off_standard(number: RawFd) -> io::Result<RawFd> {
    if number > libc::STDERR_FILENO {
        return Ok(number);
    }
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let moved = fcntl_dupfd_cloexec(numbered(number)?, libc::STDERR_FILENO + 1)?;
    replace_standard(null.as_fd(), number)?;
    Ok(moved.into_raw_fd())
}

/// Marks every descriptor but the standard three close-on-exec: what the starting shell left open is not for subprocesses of
/// the application.
///
/// # Errors
/// When /proc is not there.
pub fn keep_from_subprocesses() -> io::Result<()> {
    let numbers: Vec<RawFd> = numbers_in("/proc/self/fd")?;
    numbers.into_iter().filter(|number| *number > libc::STDERR_FILENO).for_each(|number| keep_at_exec(number, AtExec::Close));
    Ok(())
}

/// Whether a descriptor is there for the next program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtExec {
    /// It is.
    Keep,
    /// It is closed.
    Close,
}

/// Says what becomes of the descriptor when the process executes another program. One that is not open is left alone.
pub fn keep_at_exec(number: RawFd, what: AtExec) {
    let flags = if what == AtExec::Keep { FdFlags::empty() } else { FdFlags::CLOEXEC };
    drop(numbered(number).map(|descriptor| fcntl_setfd(descriptor, flags)));
}

/// Makes `descriptor` what the process has as `number`, 0, 1 or 2, and keeps it there for what the process executes.
///
/// # Errors
/// Those of dup2(2), and when the number is another.
pub fn replace_standard(descriptor: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    Ok(match number {
        libc::STDIN_FILENO => dup2_stdin(descriptor),
        libc::STDOUT_FILENO => dup2_stdout(descriptor),
        libc::STDERR_FILENO => dup2_stderr(descriptor),
        _ => Err(Errno::BADF),
    }?)
}

/// Sets the permission bits that the file of a Unix socket gets when the socket is bound, unless the umask takes some away.
///
/// # Errors
/// Those of fchmod(2).
pub fn set_mode(socket: &impl AsFd, mode: u32) -> io::Result<()> {
    Ok(fchmod(socket, Mode::from_raw_mode(mode))?)
}

/// Makes reads and writes through this descriptor, and all others that share its open file, fail rather than wait.
///
/// # Errors
/// Those of fcntl(2).
pub fn never_wait(descriptor: &impl AsFd) -> io::Result<()> {
    SockRef::from(descriptor).set_nonblocking(true) // Only fcntl(2), so it need not be a socket.
}

/// Another descriptor for what `number` is open on, close-on-exec.
///
/// # Errors
/// `EBADF` when no such descriptor is open.
pub fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    Ok(fcntl_dupfd_cloexec(numbered(number)?, 0)?)
}

/// What is open as this number, if it is one, for the length of a call that fails when nothing is. For where a descriptor has come as a
/// number, or is one of many that are watched.
pub(super) fn numbered<'a>(number: RawFd) -> io::Result<BorrowedFd<'a>> {
    if number < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: it is not -1. All that is done with it is a system call, for which a number that is not open is an error.
    Ok(unsafe { BorrowedFd::borrow_raw(number) })
}

/// Closes what is open as this number, which nobody here uses any more; nothing if nothing is. May be called between fork(2) and exec(2).
pub(super) fn close(number: RawFd) {
    // SAFETY: the caller has said that nobody uses it.
    unsafe { libc::close(number) };
}

/// Whether nothing can come any more from a socket: its other end is gone, somebody has shut it down (shutdown(2)), or it is no socket.
/// Says the same of a listening one.
pub fn is_shut(socket: BorrowedFd<'_>) -> bool {
    has_come(socket, PollFlags::RDHUP)
}

/// Whether there is something to be read, or nothing can come any more.
pub fn is_readable(socket: BorrowedFd<'_>) -> bool {
    has_come(socket, PollFlags::IN)
}

fn has_come(socket: BorrowedFd<'_>, what: PollFlags) -> bool {
    poll(&mut [PollFd::from_borrowed_fd(socket, what)], Some(&Timespec::default())).is_ok_and(|count| count != 0)
}

/// A descriptor that is kept for the moment when another one is to be opened and no more may be.
#[derive(Debug, Default)]
pub struct Spare(Option<OwnedFd>);

impl Spare {
    /// Whether it is there; it is made if it is not and can be.
    pub fn is_kept(&mut self) -> bool {
        if self.0.is_none() {
            self.0 = eventfd(0, EventfdFlags::CLOEXEC).ok();
        }
        self.0.is_some()
    }

    /// Closes it, so that one can be opened.
    pub fn make_room(&mut self) {
        self.0 = None;
    }
}

/// Whether an error says that this process, or the machine, has no descriptor left.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Most small responses, with their heads.
const SHORT_LEN: usize = 1024;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    const LENGTH: usize = 300_000;

    /// Asks the kernel to forget what it has of a file. It need not: a file in memory has nowhere else to be.
    fn forget(file: &File) {
        file.sync_all().unwrap();
        rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }

    #[test]
    fn what_was_fetched_is_cached() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![b'x'; LENGTH]).unwrap();
        assert!(is_cached(&file, LENGTH as u64 - 1), "just written");
        forget(&file);
        fetch(&file, 0, LENGTH).unwrap();
        assert!((0..LENGTH as u64).step_by(4096).all(|offset| is_cached(&file, offset)));
    }

    #[test]
    fn a_socket_is_shut_when_nothing_can_come_any_more() {
        let directory = tempfile::tempdir().unwrap();
        let unix = UnixListener::bind(directory.path().join("s")).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        for listener in [unix.as_fd(), tcp.as_fd()] {
            assert!(!is_shut(listener));
            SockRef::from(&listener).shutdown(Shutdown::Read).unwrap();
            assert!(is_shut(listener));
        }
        let (near, far) = UnixStream::pair().unwrap();
        assert!(!is_shut(near.as_fd()));
        drop(far);
        assert!(is_shut(near.as_fd()));
    }

    #[test]
    fn there_is_nothing_to_fetch_behind_the_end_or_in_what_is_no_file() {
        let file = tempfile::tempfile().unwrap();
        fetch(&file, 0, 0).unwrap();
        fetch(&file, 10, LENGTH).unwrap();
        fetch(&file, u64::MAX, LENGTH).unwrap();
        fetch(&File::open("/proc/self").unwrap(), 0, 1).unwrap();
    }

    #[test]
    fn only_a_stream_socket_that_listens_is_one() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(is_listening(tcp.as_raw_fd()));
        let directory = tempfile::tempdir().unwrap();
        assert!(is_listening(UnixListener::bind(directory.path().join("s")).unwrap().as_raw_fd()));
        let connected = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
        assert!(!is_listening(connected.as_raw_fd()));
        assert!(!is_listening(UdpSocket::bind("127.0.0.1:0").unwrap().as_raw_fd()));
        assert!(!is_listening(File::open("/dev/null").unwrap().as_raw_fd()));
        assert!(!is_listening(-1));
    }

    #[test]
    fn a_number_above_the_standard_ones_stays() {
        assert_eq!(move_off_standard(7).unwrap(), 7);
    }
}
