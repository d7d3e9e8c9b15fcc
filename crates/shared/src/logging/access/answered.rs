//! What a line of the access log is made of.

use std::time::Duration;

/// What is known of a request that was answered.
#[derive(Clone, Copy)]
pub struct Answered<'a> {
    /// The value that the peer sent by this name, as far as its parameters could be read.
    pub param: &'a dyn Fn(&[u8]) -> Option<&'a [u8]>,
    /// Its name in the log; empty if nobody has named it.
    pub request_id: &'a str,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Bytes of the body that the connection has taken.
    pub body_sent: u64,
    /// Bytes of the parameters, and of the body as far as it was kept.
    pub request_length: u64,
    /// From its first record to the end of the answer.
    pub time: Duration,
    /// From its first record, or from when it was lined up, until a worker began it; none if none did.
    pub queue_time: Option<Duration>,
    /// The number of the worker that had it, from 1; none if none did.
    pub worker: Option<usize>,
    /// What the worker's thread has computed for it, if the format has that and a worker had it.
    pub cpu_time: Option<Duration>,
    /// Why pyfcgid has answered it itself, in a word.
    pub detail: Option<&'static str>,
}
