use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Line;
use super::target::Target;

/// Standard error: a terminal, a supervisor's pipe, or the journal.
#[derive(Debug, Default)]
pub(super) struct Stderr {
    /// Lines that could not be written since the last one that could.
    lost: AtomicU64,
}

impl Target for Stderr {
    fn write(&self, line: &Line<'_>) {
        write_line(&mut io::stderr().lock(), line, &self.lost);
    }
}

/// Writes the line in one piece, behind the number of those that were lost before it.
fn write_line(out: &mut impl Write, line: &Line<'_>, lost: &AtomicU64) {
    let mut text = String::with_capacity(USUAL_LEN);
    let lost_before = lost.swap(0, Ordering::Relaxed);
    if lost_before > 0 {
        let lost_text = format_args!("{lost_before} log lines before this one could not be written");
        Line { level: log::Level::Warn, text: lost_text, ..*line }.encode(&mut text);
    }
    line.encode(&mut text);
    if write_whole(out, text.as_bytes()).is_err() {
        lost.fetch_add(lost_before + 1, Ordering::Relaxed);
    }
}

/// Like `write_all`, which also goes on after a part was written, but it is spelled out because that is the point: a pipe whose
/// reader is gone or that is full costs this line and nothing else.
fn write_whole(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Room for a line without growing.
const USUAL_LEN: usize = 256;

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;
    use crate::logging::Timestamp;

    struct Pipe {
        results: Vec<io::Result<usize>>,
        writes: Vec<String>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.writes.push(String::from_utf8(bytes.to_vec()).unwrap());
            self.results.pop().unwrap_or(Ok(bytes.len()))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn write(pipe: &mut Pipe, lost: &AtomicU64, text: &str) {
        let time = Timestamp::from_unix_millis(0);
        write_line(pipe, &Line { time, level: Level::Info, pool: "p", process: 1, text: format_args!("{text}") }, lost);
    }

    #[test]
    fn a_record_of_many_lines_is_one_write() {
        let mut pipe = Pipe { results: Vec::new(), writes: Vec::new() };
        write(&mut pipe, &AtomicU64::new(0), "one\ntwo");
        assert_eq!(pipe.writes, ["1970-01-01 00:00:00.000 +0000 [info] p[1]: one\n    two\n"]);
    }

    #[test]
    fn a_full_or_broken_pipe_loses_lines_and_the_next_one_says_how_many() {
        let lost = AtomicU64::new(0);
        let mut pipe =
            Pipe { results: vec![Err(ErrorKind::BrokenPipe.into()), Err(ErrorKind::WouldBlock.into())], writes: Vec::new() };
        write(&mut pipe, &lost, "first");
        write(&mut pipe, &lost, "second");
        write(&mut pipe, &lost, "third");
        write(&mut pipe, &lost, "fourth");
        let third = &pipe.writes[2];
        assert!(third.contains("[warn] p[1]: 2 log lines before this one could not be written\n"), "{third}");
        assert!(third.ends_with("[info] p[1]: third\n"), "{third}");
        assert!(pipe.writes[3].ends_with("fourth\n") && !pipe.writes[3].contains("could not"));
    }

    #[test]
    fn a_part_and_an_interrupt_do_not_cut_a_line() {
        let mut pipe = Pipe { results: vec![Ok(10), Err(ErrorKind::Interrupted.into())], writes: Vec::new() };
        write(&mut pipe, &AtomicU64::new(0), "whole");
        assert_eq!(pipe.writes.len(), 3);
        assert_eq!(pipe.writes[2], pipe.writes[1][10..]);
    }
}
