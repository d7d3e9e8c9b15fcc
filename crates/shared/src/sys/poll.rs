//! poll(2): for the supervisor, which has few descriptors and forks, so that a set kept in the kernel would be shared with children.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// What is waited for on one descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Until it can be read, or its other end is gone.
    Readable,
    /// Until it can be written.
    Writable,
}

/// Waits until one of `descriptors` is ready, for at most `limit`, and says which are, by their places in the list. A signal ends the
/// wait early.
///
/// # Errors
/// Those of poll(2) but `EINTR`.
pub fn wait(descriptors: &[(RawFd, Interest)], limit: Option<Duration>) -> io::Result<Vec<usize>> {
    let mut entries: Vec<libc::pollfd> =
        descriptors.iter().map(|(descriptor, interest)| entry(*descriptor, *interest)).collect();
    // Rounded up: a deadline that has not quite passed must not make the caller spin.
    let millis = limit.map_or(-1, |limit| i32::try_from(limit.as_micros().div_ceil(1000)).unwrap_or(i32::MAX));
    // SAFETY: the pointer and the length are those of a vector that outlives the call.
    let count = unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, millis) };
    if count == -1 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted { Ok(Vec::new()) } else { Err(error) };
    }
    Ok(entries.iter().enumerate().filter(|(_, entry)| entry.revents != 0).map(|(place, _)| place).collect())
}

fn entry(descriptor: RawFd, interest: Interest) -> libc::pollfd {
    let events = match interest {
        Interest::Readable => libc::POLLIN,
        Interest::Writable => libc::POLLOUT,
    };
    libc::pollfd { fd: descriptor, events, revents: 0 }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_is_ready_is_named_by_its_place() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let (quiet, _other) = UnixStream::pair().unwrap();
        let list = [(quiet.as_raw_fd(), Interest::Readable), (far.as_raw_fd(), Interest::Readable)];
        assert_eq!(wait(&list, Some(Duration::ZERO)).unwrap(), Vec::<usize>::new());
        near.write_all(b"x").unwrap();
        assert_eq!(wait(&list, None).unwrap(), [1]);
        assert_eq!(wait(&[(far.as_raw_fd(), Interest::Writable)], None).unwrap(), [0]);
        drop(near);
        assert_eq!(wait(&list, None).unwrap(), [1]);
    }
}
