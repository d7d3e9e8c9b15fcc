//! What a pool's Python has written to its stderr before our module ran: if it ends by then, that is all there is to say why.

use std::collections::VecDeque;

use shared::settings::memory_limit_hint;
use shared::sys::process::ExitReason;

/// The last lines, of which there are few: an application may write before our module runs, too.
#[derive(Debug, Default)]
pub struct LastWords(VecDeque<String>);

impl LastWords {
    /// One more line.
    pub fn add(&mut self, line: String) {
        if !line.trim().is_empty() {
            self.0.push_back(line);
        }
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    fn all(&self) -> String {
        self.0.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// What is wrong with a Python that has ended so within this limit on its memory, behind its name.
    pub fn fault(&self, reason: ExitReason, memory_limit: Option<u64>) -> String {
        let is_error = |line: &&String| ["Error", "error", "annot"].iter().any(|word| line.contains(word));
        let hint = memory_limit_hint(memory_limit, &self.all());
        match self.0.iter().rev().find(is_error).or(self.0.back()) {
            Some(line) => format!("cannot be used: {}{hint}", line.trim()),
            None => {
                let advice = if hint.is_empty() { ": is it really Python?" } else { &hint };
                format!("exited before it loaded pyfcgid's module ({reason}){advice}")
            }
        }
    }
}

const MOST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(lines: &[&str]) -> String {
        let mut words = LastWords::default();
        lines.iter().for_each(|line| words.add((*line).to_owned()));
        words.fault(ExitReason::Code(1), Some(64 << 20))
    }

    #[test]
    fn the_line_that_says_what_is_wrong_is_quoted() {
        let lines =
            ["Python path configuration:", "ModuleNotFoundError: No module named 'encodings'", "", "  <no Python frame>"];
        assert_eq!(fault(&lines), "cannot be used: ModuleNotFoundError: No module named 'encodings'");
        assert_eq!(fault(&["it is Python 2.7.18"]), "cannot be used: it is Python 2.7.18");
        assert_eq!(fault(&[]), "exited before it loaded pyfcgid's module (exit code 1): is it really Python?");
        let killed = LastWords::default().fault(ExitReason::Signal(11), Some(1 << 20));
        assert_eq!(killed, "exited before it loaded pyfcgid's module (signal 11 (SIGSEGV)); its memory-limit is 1M: raise it");
    }

    #[test]
    fn no_more_is_kept_than_a_few_lines() {
        let mut words = LastWords::default();
        (0..1000).for_each(|number| words.add(number.to_string()));
        assert_eq!((words.0.len(), words.0.back().map(String::as_str)), (MOST, Some("999")));
    }
}
