//! One target with the lines that wait for it, and a count of those that were lost.

use std::collections::VecDeque;
use std::io::ErrorKind;

use super::sink::Sink;

/// A sink, and what waits for it or was lost.
pub(super) struct Output {
    pub(super) sink: Box<dyn Sink>,
    waiting: VecDeque<Vec<u8>>,
    /// Invariant: what the pieces in `waiting` cost.
    waiting_cost: usize,
    /// How much of the first piece is written.
    written: usize,
    /// The piece before the first one broke off in the middle.
    is_broken: bool,
    lost: Option<Lost>,
    /// How many were, told or not.
    pub(super) lost_so_far: u64,
    /// The last piece was written and not given up.
    is_working: bool,
}

/// Pieces that nobody will see.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) count: u64,
    /// Why the last one was.
    pub(super) cause: String,
}

impl Output {
    pub(super) fn new(sink: Box<dyn Sink>) -> Self {
        let (waiting, waiting_cost, written) = (VecDeque::new(), 0, 0);
        Self { sink, waiting, waiting_cost, written, is_broken: false, lost: None, lost_so_far: 0, is_working: true }
    }

    /// Goes on for an output to the same place, with what waits there.
    pub(super) fn take_over(&mut self, old: &mut Self) {
        self.waiting.append(&mut old.waiting);
        self.waiting_cost += std::mem::take(&mut old.waiting_cost);
        self.lost = old.lost.take();
        self.lost_so_far += old.lost_so_far;
        self.is_broken = old.written > 0 || old.is_broken;
    }

    /// Gives up what waits, for an output that goes elsewhere.
    pub(super) fn abandon(&mut self) -> Option<Lost> {
        while !self.waiting.is_empty() {
            self.give_up("the log now goes elsewhere");
        }
        self.lost.take()
    }

    /// Puts pieces behind those that wait, or drops them if there are too many.
    pub(super) fn push(&mut self, piece: Vec<u8>) {
        if self.waiting_cost + cost(&piece) > MAX_WAITING {
            self.lose("the buffer was full");
        } else {
            self.waiting_cost += cost(&piece);
            self.waiting.push_back(piece);
        }
    }

    /// Writes what there is room for.
    pub(super) fn flush(&mut self) {
        while let Some(first) = self.waiting.front_mut() {
            if std::mem::take(&mut self.is_broken) {
                first.insert(0, b'\n');
                self.waiting_cost += 1;
            }
            let first_len = first.len();
            match self.sink.write(first.get(self.written..).unwrap_or_default()) {
                Ok(count) if count > 0 && self.written + count < first_len => self.written += count,
                Ok(0) => self.give_up("nothing more is accepted"),
                Ok(_) => {
                    self.is_working = true;
                    self.drop_first();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.give_up(&error.to_string()),
            }
        }
    }

    fn give_up(&mut self, cause: &str) {
        self.is_working = false;
        self.is_broken = self.written > 0;
        self.drop_first();
        self.lose(cause);
    }

    fn drop_first(&mut self) {
        self.written = 0;
        self.waiting_cost -= self.waiting.pop_front().map_or(0, |piece| cost(&piece));
        if self.waiting.is_empty() {
            self.waiting.shrink_to(USUALLY_WAITING); // Else a jam would cost memory for ever.
        }
    }

    fn lose(&mut self, cause: &str) {
        let count = self.lost.take().map_or(0, |lost| lost.count);
        self.lost = Some(Lost { count: count + 1, cause: cause.to_owned() });
        self.lost_so_far += 1;
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What was lost, once, after the sink takes everything again.
    pub(super) fn take_lost(&mut self) -> Option<Lost> {
        if self.is_waiting() || !self.is_working { None } else { self.lost.take() }
    }

    /// Opens the sink again. A piece that is partly written begins anew.
    pub(super) fn reopen(&mut self) -> Result<(), super::Error> {
        self.flush();
        self.sink.reopen()?;
        (self.written, self.is_broken) = (0, false);
        Ok(())
    }
}

/// What a waiting piece takes of the memory, about.
fn cost(piece: &[u8]) -> usize {
    piece.len() + 64
}

const USUALLY_WAITING: usize = 64;
/// Memory for lines that wait.
const MAX_WAITING: usize = 8 << 20;

#[cfg(test)]
mod tests;
