//! Who looks through the line, and whether its order is certain. Nobody may wait for a process that is killed or stopped meanwhile: what
//! one says here is soon too old to be believed.

use super::{LOOK_AT, LOOKOUT, MIXED, Scoreboard, Seat};

/// The right to look through the line alone, until this is dropped or has become too old.
#[derive(Debug)]
pub struct Lookout {
    seat: Seat,
    said: u64,
}

impl Scoreboard {
    /// The process on this seat has gone.
    pub(super) fn end_lookout_of(&self, number: usize) {
        let said = self.word(LOOKOUT).get();
        if said >> OWNER == owner(number) {
            self.word(LOOKOUT).change(said, 0);
        }
    }
}

impl Seat {
    /// Whether it is time to look for those who have gone, by this clock of milliseconds that goes round; nobody else of the pool does
    /// so before `next`.
    pub fn begin_to_look(&self, now: u32, next: u32) -> bool {
        let word = self.scoreboard.word(LOOK_AT);
        let due = word.get() as u32;
        // What is further away is long ago.
        let is_ahead = (1..LONGEST_PAUSE).contains(&due.wrapping_sub(now));
        !is_ahead && word.change(due.into(), next.into())
    }

    /// Nobody is to look for those before then.
    pub fn look_again_at(&self, next: u32) {
        self.scoreboard.word(LOOK_AT).set(next.into());
    }

    /// Looks through the line, by the same clock, unless somebody does.
    pub fn look_out(&self, now: u32) -> Option<Lookout> {
        let word = self.scoreboard.word(LOOKOUT);
        let before = word.get();
        let said = owner(self.number) << OWNER | u64::from(now.wrapping_add(LONGEST_LOOK));
        let begins = !is_believed(before, now) && word.change(before, said);
        begins.then(|| Lookout { seat: self.clone(), said })
    }

    /// Whether somebody looks through the line, so that what is put there now may come before others.
    pub fn somebody_looks(&self, now: u32) -> bool {
        is_believed(self.scoreboard.word(LOOKOUT).get(), now)
    }

    /// Says whether somebody on the line may be before others who came earlier. To be said before that is so.
    pub fn set_mixed(&self, is_mixed: bool) {
        self.scoreboard.word(MIXED).set(is_mixed.into());
    }

    /// Whether that may be.
    pub fn is_mixed(&self) -> bool {
        self.scoreboard.word(MIXED).get() != 0
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.seat.scoreboard.word(LOOKOUT).change(self.said, 0);
    }
}

fn owner(number: usize) -> u64 {
    number as u64 + 1
}

fn is_believed(said: u64, now: u32) -> bool {
    said != 0 && (1..=LONGEST_LOOK).contains(&(said as u32).wrapping_sub(now))
}

/// Bits before the seat of whoever looks: until when that is believed.
const OWNER: u32 = 32;
/// Milliseconds. A longer look of one that lives may meet another, which mixes the line and loses nobody.
const LONGEST_LOOK: u32 = 300;
/// Milliseconds.
const LONGEST_PAUSE: u32 = 60_000;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use super::*;

    fn seats() -> (Arc<Scoreboard>, Seat, Seat) {
        let scoreboard = Arc::new(Scoreboard::new().unwrap());
        let (one, other) = (scoreboard.seat(0), scoreboard.seat(1));
        (scoreboard, one, other)
    }

    #[test]
    fn one_process_at_a_time_looks_for_those_who_have_gone() {
        let (_scoreboard, one, other) = seats();
        assert!(one.begin_to_look(1000, 1050));
        assert!(!other.begin_to_look(1049, 1099) && other.begin_to_look(1050, 1100));
        other.look_again_at(5);
        assert!(!one.begin_to_look(u32::MAX, 49) && one.begin_to_look(6, 56), "the clock goes round");
    }

    #[test]
    fn one_looks_through_the_line_until_it_has_done_or_is_too_late_or_gone() {
        let (scoreboard, one, other) = seats();
        let first = one.look_out(u32::MAX - 5).unwrap();
        assert!(other.look_out(u32::MAX).is_none() && other.somebody_looks(7) && !other.somebody_looks(LONGEST_LOOK));
        drop(first);
        assert!(!other.somebody_looks(7));
        let late = one.look_out(1000).unwrap();
        let next = other.look_out(1000 + LONGEST_LOOK).unwrap();
        drop(late);
        assert!(one.somebody_looks(1000 + LONGEST_LOOK), "what the next one says is not the first one's to take back");
        scoreboard.vacate(0);
        assert!(one.somebody_looks(1000 + LONGEST_LOOK));
        scoreboard.vacate(1);
        assert!(!one.somebody_looks(1000 + LONGEST_LOOK) && one.look_out(1000 + LONGEST_LOOK).is_some());
        drop(next);
    }

    #[test]
    fn what_was_scribbled_keeps_nobody_from_looking_for_long() {
        for scribble in [1, 7, 0xffff_ffff_0000_0000, u64::MAX] {
            let (scoreboard, one, _) = seats();
            scoreboard.memory.words()[LOOKOUT].store(scribble, Ordering::Relaxed);
            assert!([0, 1000].into_iter().any(|now| one.look_out(now).is_some()), "{scribble:#x}");
        }
    }
}
