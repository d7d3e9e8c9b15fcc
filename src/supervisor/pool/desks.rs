//! Where the processes of a pool sit at its scoreboard: each on a seat of its own, its workers on slots next to each other.

use std::ops::Range;

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

impl Desk {
    /// The first that is free beside these and the queue process's, for a child with so many workers.
    pub fn beside<'a>(taken: impl Iterator<Item = &'a Self>, workers: usize) -> Self {
        let mut taken: Vec<&Self> = taken.collect();
        let is_free = |seat: &usize| taken.iter().all(|desk| desk.seat != *seat);
        let seat = (queue_process::SEAT + 1..).find(is_free).unwrap_or(queue_process::SEAT + 1);
        taken.retain(|desk| !desk.slots.is_empty());
        taken.sort_by_key(|desk| desk.slots.start);
        let mut start = 0;
        for Self { slots, .. } in taken {
            if slots.start.saturating_sub(start) >= workers {
                break;
            }
            start = start.max(slots.end);
        }
        let end = start.saturating_add(workers);
        Self { seat, slots: if end <= SLOTS { start..end } else { 0..0 } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assign(desks: &mut Vec<Desk>, workers: usize) -> Desk {
        desks.push(Desk::beside(desks.iter(), workers));
        desks[desks.len() - 1].clone()
    }

    #[test]
    fn each_has_a_seat_and_slots_of_its_own_and_what_was_left_is_used_again() {
        let mut desks = Vec::new();
        assert_eq!(assign(&mut desks, 4), Desk { seat: 1, slots: 0..4 });
        assert_eq!(assign(&mut desks, 8), Desk { seat: 2, slots: 4..12 });
        assert_eq!(assign(&mut desks, 2), Desk { seat: 3, slots: 12..14 });
        assert_eq!(desks.remove(1), Desk { seat: 2, slots: 4..12 });
        assert_eq!(assign(&mut desks, 5), Desk { seat: 2, slots: 4..9 });
        assert_eq!(assign(&mut desks, 4), Desk { seat: 4, slots: 14..18 });
    }

    #[test]
    fn who_finds_no_room_has_no_slots_and_does_not_take_those_of_others() {
        let mut desks = Vec::new();
        assert_eq!(assign(&mut desks, SLOTS).slots, 0..SLOTS);
        assert_eq!(assign(&mut desks, 1).slots, 0..0);
        desks.remove(0);
        assert_eq!(assign(&mut desks, usize::MAX).slots, 0..0);
        assert_eq!(assign(&mut desks, 1).slots, 0..1);
    }
}
