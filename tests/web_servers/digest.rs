//! SHA-256 by coreutils, which a debug build cannot slow down, and something to take it of.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

/// A running sha256sum.
#[derive(Debug)]
pub(crate) struct Digest {
    child: Child,
    input: Option<ChildStdin>,
}

impl Digest {
    #[track_caller]
    pub(crate) fn start() -> Self {
        let mut child = Command::new("sha256sum")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sha256sum runs (Debian package: coreutils)");
        let input = child.stdin.take();
        Self { child, input }
    }

    /// In hexadecimal.
    #[track_caller]
    pub(crate) fn finish(mut self) -> String {
        drop(self.input.take());
        let mut line = String::new();
        self.child.stdout.take().expect("it is piped").read_to_string(&mut line).expect("sha256sum writes text");
        assert!(self.child.wait().expect("the child is ours").success(), "sha256sum failed");
        line.split_whitespace().next().expect("a digest").to_owned()
    }

    #[track_caller]
    pub(crate) fn of(bytes: &[u8]) -> String {
        let mut digest = Self::start();
        digest.write_all(bytes).expect("sha256sum reads");
        digest.finish()
    }
}

impl Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.input.as_mut().expect("not finished").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// 1 MiB that differs from every other block: its number over and over, as in `apps/large.py`.
pub(crate) fn block(number: u64) -> Vec<u8> {
    number.to_be_bytes().repeat(131_072)
}
