//! What a worker says of its request on the scoreboard.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Instant;

use super::FAILED;
use connections::exchange::Params;
use shared::scoreboard::slot::{Asked, Begun, Slot};

/// Where what is said of a request stood in the parameters of the one before.
#[derive(Default)]
pub(super) struct Told([usize; 3]);

/// A request that has begun in a slot; it has ended there, with this status, when this is dropped.
pub(super) struct Telling {
    in_slot: Option<(Begun, Rc<Slot>)>,
    pub(super) status: u16,
}

impl Told {
    /// Begins a request of this number and these parameters, whose first record came at `begun`.
    pub(super) fn begin(&mut self, slot: Option<&Rc<Slot>>, number: u64, begun: Instant, params: &Params) -> Telling {
        let in_slot = slot.map(|slot| {
            let [method, target, remote] = self.find_in(params);
            let path = if target.is_empty() { Cow::Owned(joined_path(params)) } else { Cow::Borrowed(path_of(target)) };
            (slot.begin(&Asked { number, begun, method, path: &path, remote }), Rc::clone(slot))
        });
        Telling { in_slot, status: FAILED }
    }

    /// Method, target and remote address.
    fn find_in<'a>(&mut self, params: &'a Params) -> [&'a [u8]; 3] {
        let Self([method, target, remote]) = self;
        let find = |name: &[u8], place: &mut usize| params.get_again(name, place).unwrap_or_default();
        [find(b"REQUEST_METHOD", method), find(b"REQUEST_URI", target), find(b"REMOTE_ADDR", remote)]
    }
}

/// For web servers that do not send the target as it came.
fn joined_path(params: &Params) -> Vec<u8> {
    let parts = [b"SCRIPT_NAME".as_slice(), b"PATH_INFO"];
    parts.map(|name| params.get(name).unwrap_or_default()).concat()
}

fn path_of(target: &[u8]) -> &[u8] {
    target.split(|byte| *byte == b'?').next().unwrap_or_default()
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.in_slot.iter().for_each(|(begun, slot)| slot.end(*begun, self.status));
    }
}
