//! What a thread uses of a processor.

use std::time::Duration;

use nix::time::ClockId;
use rustix::thread::gettid;

use super::process::clock_time;

/// The CPU time of a thread since a moment. Any thread of the process can read it: CLOCK_THREAD_CPUTIME_ID is the same clock,
/// but only for the thread itself.
#[derive(Clone, Copy, Debug)]
pub struct CpuClock {
    clock: ClockId,
    begun: Duration,
}

impl CpuClock {
    /// That of the calling thread, from now on; `None` if the system has none.
    pub fn start() -> Option<Self> {
        // What pthread_getcpuclockid(3) makes of a thread id: bits 3 and up are its complement, bit 2 says "thread", bits 0
        // and 1 "scheduler's clock".
        let clock = ClockId::from_raw((!gettid().as_raw_nonzero().get() << 3) | 0b110);
        Some(Self { clock, begun: clock_time(clock)? })
    }

    /// What the thread has used since then; `None` if it has ended.
    pub fn elapsed(&self) -> Option<Duration> {
        clock_time(self.clock)?.checked_sub(self.begun)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::*;

    fn compute_for(time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            std::hint::black_box(begun);
        }
    }

    #[test]
    fn time_counts_in_which_the_thread_computes_and_not_that_in_which_it_waits() {
        let clock = CpuClock::start().unwrap();
        thread::sleep(Duration::from_millis(300));
        let waited = clock.elapsed().unwrap();
        assert!(waited < Duration::from_millis(100), "{waited:?}");
        while clock.elapsed().unwrap() < Duration::from_millis(20) {
            compute_for(Duration::from_millis(1));
        }
    }

    #[test]
    fn another_thread_reads_the_clock_of_the_one_that_has_started_it() {
        let clock = CpuClock::start().unwrap();
        let read = thread::spawn(move || {
            compute_for(Duration::from_millis(300));
            clock.elapsed().unwrap()
        });
        assert!(read.join().unwrap() < Duration::from_millis(100));
    }
}
