//! What the sender of an answer does with what it holds.

/// Lets a handler put down what it must not hold while it waits, such as Python's GIL.
pub trait Pause {
    /// Calls `wait` once, which may take long.
    fn pause(&self, wait: &mut (dyn FnMut() + Send));

    /// The same with work that keeps the thread busy. Whoever else wants what was put down has it first.
    fn step_aside(&self, work: &mut (dyn FnMut() + Send)) {
        self.pause(work);
    }

    /// Whether somebody has long wanted what is held.
    fn is_to_give_way(&self) -> bool {
        false
    }

    /// Nothing is going on here: whoever has long wanted it may have it first.
    fn give_way(&self) {
        self.step_aside(&mut || ());
    }
}

/// For handlers that hold nothing while they run.
#[derive(Clone, Copy, Debug)]
pub struct NothingHeld;

impl Pause for NothingHeld {
    fn pause(&self, wait: &mut (dyn FnMut() + Send)) {
        wait();
    }
}
