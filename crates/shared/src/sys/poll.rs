//! poll(2): for the supervisor, which has few descriptors and forks, so that a set kept in the kernel would be shared with children.

use std::io::{self, PipeReader, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::fd::numbered;

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
    let entries = descriptors.iter().map(|(descriptor, interest)| entry(*descriptor, *interest));
    let mut entries: Vec<PollFd<'_>> = entries.collect::<io::Result<_>>()?;
    // What does not fit is longer than any process lives.
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    match rustix::event::poll(&mut entries, limit.as_ref()) {
        Ok(_) => {
            let ready = entries.iter().enumerate().filter(|(_, entry)| !entry.revents().is_empty());
            Ok(ready.map(|(place, _)| place).collect())
        }
        Err(Errno::INTR) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Whether one of `descriptors` is ready within `limit`, as far as the system says.
pub fn is_any_ready(descriptors: &[(RawFd, Interest)], limit: Duration) -> bool {
    wait(descriptors, Some(limit)).is_ok_and(|ready| !ready.is_empty())
}

/// What comes out of a pipe, until that is `most` bytes, or nothing more comes for as long as `patience` says of what there is.
pub fn read_patiently(pipe: &mut PipeReader, most: usize, patience: impl Fn(&[u8]) -> Duration) -> String {
    let (mut text, mut chunk) = (Vec::new(), [0; 4096]);
    while text.len() < most && is_any_ready(&[(pipe.as_raw_fd(), Interest::Readable)], patience(&text)) {
        match pipe.read(&mut chunk) {
            Ok(count @ 1..) => text.extend_from_slice(&chunk[..count]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn entry<'a>(descriptor: RawFd, interest: Interest) -> io::Result<PollFd<'a>> {
    let events = match interest {
        Interest::Readable => PollFlags::IN,
        Interest::Writable => PollFlags::OUT,
    };
    Ok(PollFd::from_borrowed_fd(numbered(descriptor)?, events))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
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
