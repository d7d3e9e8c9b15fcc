//! Where the processes of a pool sit at its scoreboard: each on a seat of its own, its workers on slots next to each other.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::super::children::ChildId;
use super::super::queue_process;
use shared::scoreboard::SLOTS;

/// The place of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desk {
    /// Its seat.
    pub seat: usize,
    /// The slots of its workers. Empty if there was no room for them.
    pub slots: Range<usize>,
}

/// Those of all processes of a pool but the queue process, which has its own.
#[derive(Debug, Default)]
pub struct Desks(BTreeMap<ChildId, Desk>);

impl Desks {
    /// One for a child with so many workers.
    pub fn assign(&mut self, id: ChildId, workers: usize) -> Desk {
        let desk = Desk { seat: self.free_seat(), slots: self.free_slots(workers) };
        self.0.insert(id, desk.clone());
        desk
    }

    /// The same one that it had.
    pub fn keep(&mut self, id: ChildId, desk: Desk) {
        self.0.insert(id, desk);
    }

    /// That of this child.
    pub fn of(&self, id: ChildId) -> Option<&Desk> {
        self.0.get(&id)
    }

    /// Takes it back.
    pub fn remove(&mut self, id: ChildId) -> Option<Desk> {
        self.0.remove(&id)
    }

    /// The seats that are taken, the queue process's among them.
    pub fn seats(&self) -> BTreeSet<usize> {
        self.0.values().map(|desk| desk.seat).chain([queue_process::SEAT]).collect()
    }

    fn free_seat(&self) -> usize {
        let taken = self.seats();
        (queue_process::SEAT + 1..).find(|seat| !taken.contains(seat)).unwrap_or(queue_process::SEAT + 1)
    }

    /// The first that are free, as many as that.
    fn free_slots(&self, count: usize) -> Range<usize> {
        let mut taken: Vec<&Range<usize>> = self.0.values().map(|desk| &desk.slots).filter(|slots| !slots.is_empty()).collect();
        taken.sort_by_key(|slots| slots.start);
        let mut start = 0;
        for slots in taken {
            if slots.start.saturating_sub(start) >= count {
                break;
            }
            start = start.max(slots.end);
        }
        let end = start.saturating_add(count);
        if end <= SLOTS { start..end } else { 0..0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_seat_and_slots_of_its_own_and_what_was_left_is_used_again() {
        let mut desks = Desks::default();
        assert_eq!(desks.assign(ChildId(1), 4), Desk { seat: 1, slots: 0..4 });
        assert_eq!(desks.assign(ChildId(2), 8), Desk { seat: 2, slots: 4..12 });
        assert_eq!(desks.assign(ChildId(3), 2), Desk { seat: 3, slots: 12..14 });
        assert_eq!(desks.remove(ChildId(2)), Some(Desk { seat: 2, slots: 4..12 }));
        assert_eq!(desks.assign(ChildId(4), 5), Desk { seat: 2, slots: 4..9 });
        assert_eq!(desks.assign(ChildId(5), 4), Desk { seat: 4, slots: 14..18 });
        assert_eq!(desks.seats(), [0, 1, 2, 3, 4].into());
    }

    #[test]
    fn who_finds_no_room_has_no_slots_and_does_not_take_those_of_others() {
        let mut desks = Desks::default();
        assert_eq!(desks.assign(ChildId(1), SLOTS).slots, 0..SLOTS);
        assert_eq!(desks.assign(ChildId(2), 1).slots, 0..0);
        desks.remove(ChildId(1));
        assert_eq!(desks.assign(ChildId(3), usize::MAX).slots, 0..0);
        assert_eq!(desks.assign(ChildId(4), 1).slots, 0..1);
    }
}
