use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};

use super::*;
use crate::log_writer::Error;

/// Gives the results that it was told, then takes everything.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<(VecDeque<io::Result<usize>>, String)>>);

impl Script {
    fn then(self, result: io::Result<usize>) -> Self {
        self.0.lock().unwrap().0.push_back(result);
        self
    }

    fn fails(self, kind: ErrorKind) -> Self {
        self.then(Err(kind.into()))
    }

    fn output(&self) -> Output {
        Output::new(Box::new(self.clone()))
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().1.clone()
    }
}

impl Sink for Script {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let (results, text) = &mut *self.0.lock().unwrap();
        let count = results.pop_front().unwrap_or(Ok(piece.len()))?;
        text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        Ok(count)
    }

    fn descriptor(&self) -> Option<RawFd> {
        None
    }

    fn reopen(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

fn push(output: &mut Output, text: &str) {
    output.push(text.as_bytes().to_vec());
    output.flush();
}

#[test]
fn parts_and_interrupts_do_not_cut_a_piece() {
    let script = Script::default().then(Ok(2)).fails(ErrorKind::Interrupted).then(Ok(1)).fails(ErrorKind::WouldBlock);
    let mut output = script.output();
    push(&mut output, "whole\n");
    assert!(output.is_waiting());
    push(&mut output, "next\n");
    assert_eq!((script.text().as_str(), output.is_waiting(), output.waiting_cost), ("whole\nnext\n", false, 0));
}

#[test]
fn what_fails_is_counted_and_told_once_after_it_works_again() {
    let script = Script::default().fails(ErrorKind::BrokenPipe).fails(ErrorKind::StorageFull);
    let mut output = script.output();
    push(&mut output, "a\n");
    assert_eq!(output.take_lost(), None);
    push(&mut output, "b\n");
    assert_eq!(output.take_lost(), None);
    push(&mut output, "c\n");
    let lost = output.take_lost().unwrap();
    assert_eq!((lost.count, lost.cause.as_str()), (2, ErrorKind::StorageFull.to_string().as_str()));
    assert_eq!((output.take_lost(), script.text().as_str()), (None, "c\n"));
}

#[test]
fn a_line_that_broke_off_does_not_swallow_the_next_one() {
    let script = Script::default().then(Ok(3)).fails(ErrorKind::StorageFull);
    let mut output = script.output();
    push(&mut output, "first\n");
    push(&mut output, "second\n");
    push(&mut output, "third\n");
    assert_eq!((script.text().as_str(), output.waiting_cost), ("fir\nsecond\nthird\n", 0));
}

#[test]
fn the_newest_are_dropped_when_too_many_wait() {
    let mut script = Script::default();
    for _ in 0..20 {
        script = script.fails(ErrorKind::WouldBlock);
    }
    let mut output = script.output();
    for letter in 'a'..='j' {
        push(&mut output, &format!("{letter}{}\n", "x".repeat(1 << 20)));
    }
    assert!(output.is_waiting() && output.waiting_cost <= MAX_WAITING);
    assert_eq!(output.take_lost(), None);
    while output.is_waiting() {
        output.flush();
    }
    let letters: String = script.text().lines().filter_map(|line| line.chars().next()).collect();
    assert_eq!((letters.as_str(), output.take_lost().unwrap().count), ("abcdefg", 3));
}

#[test]
fn an_output_to_the_same_place_takes_over_what_waits() {
    let old_script = Script::default().then(Ok(2)).fails(ErrorKind::WouldBlock);
    let (new_script, mut old) = (Script::default(), old_script.output());
    push(&mut old, "one\n");
    old.push(b"two\n".to_vec());
    let mut new = new_script.output();
    new.take_over(&mut old);
    new.flush();
    assert_eq!((new_script.text().as_str(), new.waiting_cost, old.waiting_cost), ("\none\ntwo\n", 0, 0));
}

#[test]
fn what_waits_is_lost_when_the_log_goes_elsewhere() {
    let mut output = Script::default().fails(ErrorKind::WouldBlock).output();
    push(&mut output, "one\n");
    output.push(b"two\n".to_vec());
    assert_eq!(output.abandon().unwrap().count, 2);
    assert!(!output.is_waiting());
}
