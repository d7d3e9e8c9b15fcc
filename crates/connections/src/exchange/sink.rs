//! Where answers go.

use std::fmt;
use std::fs::File;
use std::io::IoSlice;
use std::sync::{Arc, Weak};

use thiserror::Error;

use super::AbortListener;
use fastcgi_codec::RequestId;

/// The write side of a connection, shared by the requests on it.
///
/// Calls from several threads do not mix: the pieces of one call are on the wire one after another. Requests take turns when the
/// peer reads slower than they send, so that one with little to say does not wait for one with much.
pub trait Sink: Send + Sync + fmt::Debug {
    /// Takes bytes of records; what the socket refuses is kept and sent later.
    ///
    /// # Errors
    /// [`Gone`] when the connection is no more.
    fn send(&self, request: RequestId, pieces: &[IoSlice<'_>]) -> Result<Room, Gone>;

    /// A part of a file is about to be sent, and may be read now if that takes its time: nobody waits for a disk later.
    fn fetch(&self, _file: &File, _offset: u64, _length: usize) {}

    /// Takes one record whose content is a part of a file.
    ///
    /// # Errors
    /// [`Gone`] when the connection is no more.
    fn send_file(&self, request: RequestId, header: &[u8], file: &Arc<File>, offset: u64, length: usize) -> Result<Room, Gone>;

    /// Waits until what was kept of this request has become less, or it was given up, or the connection is no more. Bounded by the
    /// event loop's timeouts.
    fn wait_for_room(&self, request: RequestId);

    /// Sending the answer takes the calling thread long, so it can do nothing else meanwhile.
    fn takes_long(&self) {}

    /// Takes the last bytes of a request, END_REQUEST among them, and closes the connection if it is not to be kept.
    fn end(&self, ending: Ending, pieces: &[IoSlice<'_>]);

    /// Breaks the connection off so that the answer does not look complete.
    fn cut(&self, ending: Ending);

    /// Whether the peer has given the request up.
    fn is_aborted(&self, request: RequestId) -> bool;

    /// Gives this open request up in the place of the peer: who waits for room is woken, and nothing more of it is sent. For whoever
    /// reads the connection.
    fn give_up(&self, _request: RequestId) {}

    /// Tells `listener` when the peer gives this open request up, at once if it has, and not any more when the request has ended.
    /// A sink whose peer never gives up has nothing to tell.
    fn on_abort(&self, _request: RequestId, _listener: Arc<dyn AbortListener>) {}
}

/// Which request ends, and whether its connection stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The request.
    pub request: RequestId,
    /// FCGI_KEEP_CONN of the request.
    pub keep_connection: bool,
}

/// Whether a sink can take more of a request at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It can.
    Plenty,
    /// It has much to send; call [`Sink::wait_for_room`] before sending more.
    Full,
}

/// The connection is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the web server closed the connection")]
pub struct Gone;

/// Tells whether the peer has given a request up, also after the reply is gone. Does not keep the connection open.
#[derive(Clone, Debug)]
pub struct AbortProbe {
    sink: Weak<dyn Sink>,
    request: RequestId,
}

impl AbortProbe {
    pub(super) fn new(sink: &Arc<dyn Sink>, request: RequestId) -> Self {
        Self { sink: Arc::downgrade(sink), request }
    }

    /// See [`Sink::give_up`].
    pub fn give_up(&self) {
        self.sink.upgrade().iter().for_each(|sink| sink.give_up(self.request));
    }

    /// Whether the peer has given the request up, or the connection is no more.
    pub fn is_aborted(&self) -> bool {
        self.sink.upgrade().is_none_or(|sink| sink.is_aborted(self.request))
    }
}
