//! The stack of a thread as lines for people: the last call first, with the lines of source that it stands at.

use std::collections::HashMap;

use shared::sys::file;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub file: String,
    pub line: usize,
    pub function: String,
}

impl Frame {
    /// Reads a line of `faulthandler`.
    fn parse(line: &str) -> Option<Self> {
        let (file, rest) = line.strip_prefix("  File \"")?.rsplit_once("\", line ")?;
        let (line, function) = rest.split_once(" in ")?;
        Some(Self { file: file.to_owned(), line: line.parse().unwrap_or(0), function: function.to_owned() })
    }
}

/// The calls that `faulthandler` has written of one thread.
pub fn parse(written: &str) -> Vec<Frame> {
    written.lines().filter_map(Frame::parse).collect()
}

/// Files of source, each read once, and not beyond a length.
#[derive(Debug, Default)]
pub struct Sources(HashMap<String, Vec<String>>);

impl Sources {
    /// A stack in lines. One that is long is cut in the middle: its ends say most.
    pub fn lines(&mut self, frames: &[Frame]) -> Vec<String> {
        let frames = without_begin(frames);
        let mut lines = |frames: &[Frame]| frames.iter().flat_map(|frame| self.lines_of(frame)).collect::<Vec<_>>();
        if frames.len() <= LAST + FIRST {
            return lines(frames);
        }
        let left_out = format!("... {} calls left out ...", frames.len() - LAST - FIRST);
        [lines(&frames[..LAST]), vec![left_out], lines(&frames[frames.len() - FIRST..])].concat()
    }

    fn lines_of(&mut self, frame: &Frame) -> Vec<String> {
        let Frame { file, line, function } = frame;
        let head = format!("File \"{file}\", line {line}, in {function}");
        let source = self.line(file, *line).map(|source| format!("  {source}"));
        [Some(head), source].into_iter().flatten().collect()
    }

    fn line(&mut self, file: &str, line: usize) -> Option<String> {
        if !self.0.contains_key(file) {
            let lines = if self.0.len() < MOST_FILES { read(file).unwrap_or_default() } else { return None };
            self.0.insert(file.to_owned(), lines);
        }
        let text = self.0.get(file)?.get(line.checked_sub(1)?)?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// Without the calls with which every thread begins.
fn without_begin(frames: &[Frame]) -> &[Frame] {
    let is_begin = |frame: &&Frame| {
        let name = frame.function.rsplit('.').next().unwrap_or_default();
        frame.file.ends_with("/threading.py") && ["_bootstrap", "_bootstrap_inner", "run"].contains(&name)
    };
    let count = frames.iter().rev().take_while(is_begin).count();
    &frames[..frames.len() - count]
}

/// Its lines. A name may be that of anything, so nothing is waited for, and nothing but a file is read.
fn read(file: &str) -> Option<Vec<String>> {
    if !file.starts_with('/') {
        return None;
    }
    let bytes = file::read_regular(file.as_ref(), MOST_OF_A_FILE).ok()?;
    Some(String::from_utf8_lossy(&bytes).lines().map(|line| line.chars().take(MOST_OF_A_LINE).collect()).collect())
}

/// Calls from the end of a long stack, where its thread is.
const LAST: usize = 40;
/// Calls from its beginning.
const FIRST: usize = 15;
const MOST_FILES: usize = 200;
const MOST_OF_A_FILE: u64 = 1 << 20;
const MOST_OF_A_LINE: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(file: &str, line: usize, function: &str) -> Frame {
        Frame { file: file.to_owned(), line, function: function.to_owned() }
    }

    #[test]
    fn how_every_thread_begins_is_not_told() {
        let frame = |file: &str, function: &str| Frame { file: file.to_owned(), line: 0, function: function.to_owned() };
        let [own, wait] = [frame("/srv/app.py", "run"), frame("/lib/threading.py", "Condition.wait")];
        let begin = ["Thread.run", "_bootstrap_inner", "Thread._bootstrap"].map(|name| frame("/lib/threading.py", name));
        let told = |own: &[Frame]| Sources::default().lines(&[own, &begin].concat());
        assert_eq!(told(&[wait, own]).len(), 2);
        assert_eq!(told(&[]), [""; 0]);
    }

    #[test]
    fn what_faulthandler_writes_is_read() {
        let written =
            "Stack (most recent call first):\n  File \"/a \"b\".py\", line 12 in f\n  File \"<string>\", line 1 in <module>\n";
        assert_eq!(parse(written), [frame("/a \"b\".py", 12, "f"), frame("<string>", 1, "<module>")]);
        assert_eq!(parse("  File \"/a.py\", line ??? in f\n  ...\n"), [frame("/a.py", 0, "f")]);
        assert_eq!(parse("  <no Python frame>\n"), []);
    }

    #[test]
    fn a_call_is_told_with_its_line_of_source_if_there_is_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/without_python/stack.rs");
        let head = |line: usize| format!("File \"{path}\", line {line}, in f");
        let mut sources = Sources::default();
        assert_eq!(sources.lines(&[frame(path, 3, "f")]), [head(3), "  use std::collections::HashMap;".to_owned()]);
        for line in [0, 2, usize::MAX] {
            assert_eq!(sources.lines(&[frame(path, line, "f")]), [head(line)]);
        }
        for file in ["<string>", "relative.py", "/dev/zero", env!("CARGO_MANIFEST_DIR"), "/nonexistent"] {
            assert_eq!(sources.lines(&[frame(file, 1, "f")]).len(), 1, "{file}");
        }
    }

    #[test]
    fn a_long_stack_is_cut_in_the_middle() {
        let frames: Vec<Frame> = (0..1000).map(|line| frame("a", line, "f")).collect();
        let lines = Sources::default().lines(&frames);
        assert_eq!(lines.len(), LAST + FIRST + 1);
        assert_eq!(lines[LAST], "... 945 calls left out ...");
        assert!(lines[0].contains("line 0,") && lines[LAST + FIRST].contains("line 999,"), "{lines:?}");
    }
}
