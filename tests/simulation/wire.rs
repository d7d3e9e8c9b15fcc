//! The write side of the connection: keeps what is sent, and who was aborted, as plainly as it can be done.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard};

use connections::exchange::{Ending, Gone, Room, Sink};
use fastcgi_codec::RequestId;

#[derive(Debug, Default)]
pub(crate) struct Wire(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    sent: Vec<u8>,
    sends: usize,
    aborted: BTreeSet<RequestId>,
    finished: Vec<RequestId>,
    is_over: bool,
}

impl Wire {
    /// What was sent since the last time.
    pub(crate) fn take_sent(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock().sent)
    }

    /// The requests that have ended since the last time.
    pub(crate) fn take_finished(&self) -> Vec<RequestId> {
        std::mem::take(&mut self.lock().finished)
    }

    /// A management record's answer.
    pub(crate) fn answer(&self, bytes: &[u8]) {
        self.lock().sent.extend_from_slice(bytes);
    }

    /// The peer has given a running request up.
    pub(crate) fn abort(&self, id: RequestId) {
        let mut state = self.lock();
        if !state.finished.contains(&id) {
            state.aborted.insert(id);
        }
    }

    /// Whether the connection was cut or closed.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// The peer has closed.
    pub(crate) fn close(&self) {
        self.lock().is_over = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Sink for Wire {
    fn send(&self, _: RequestId, pieces: &[IoSlice<'_>]) -> Result<Room, Gone> {
        let mut state = self.lock();
        if state.is_over {
            return Err(Gone);
        }
        pieces.iter().for_each(|piece| state.sent.extend_from_slice(piece));
        state.sends += 1;
        Ok(if state.sends.is_multiple_of(3) { Room::Full } else { Room::Plenty })
    }

    fn send_file(&self, _: RequestId, _: &[u8], _: &Arc<File>, _: u64, _: usize) -> Result<Room, Gone> {
        unreachable!("no answer here is a file")
    }

    fn wait_for_room(&self, _: RequestId) {}

    fn end(&self, ending: Ending, pieces: &[IoSlice<'_>]) {
        let mut state = self.lock();
        if !state.is_over {
            pieces.iter().for_each(|piece| state.sent.extend_from_slice(piece));
            state.aborted.remove(&ending.request);
            state.finished.push(ending.request);
        }
    }

    fn cut(&self, _: Ending) {
        self.lock().is_over = true;
    }

    fn is_aborted(&self, id: RequestId) -> bool {
        let state = self.lock();
        state.is_over || state.aborted.contains(&id)
    }
}
