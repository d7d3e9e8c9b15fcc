//! What the threads of a child are doing, as it tells the supervisor: a text of lines, whose first characters say what they are.
//!
//! ```text
//! !                              nobody got the GIL, so only workers are told of
//! @7 pyfcgid-worker-1            a thread, and the number of the request that it answers, or 0
//!  File "app.py", line 3, in f   of its stack, the last call first
//! ```
//!
//! The application may have written it: whatever it says, there are lines of bounded number and length.

/// What the threads of a process are doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stacks {
    /// Whether Python could not be asked, because somebody kept the GIL.
    pub without_gil: bool,
    /// The threads.
    pub threads: Vec<Thread>,
}

/// What one thread is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// The number of the request that it answers; 0 if it answers none.
    pub request: u64,
    /// As Python calls it.
    pub name: String,
    /// Its stack.
    pub lines: Vec<String>,
}

impl Stacks {
    /// As the link takes it: up to `most` bytes. Threads without a request are left out first; who is left out is counted.
    pub fn encode(&self, most: usize) -> String {
        let mut text = if self.without_gil { "!\n".to_owned() } else { String::new() };
        let mut sorted: Vec<&Thread> = self.threads.iter().collect();
        sorted.sort_by_key(|thread| thread.request == 0);
        let told: Vec<String> = sorted.into_iter().map(Thread::encode).collect();
        let room = most.saturating_sub(text.len() + LEFT_OUT_LEN);
        let mut used = 0;
        let fits = told.iter().take_while(|thread| {
            used += thread.len();
            used <= room
        });
        let count = fits.count();
        text.extend(told[..count].iter().map(String::as_str));
        if count < told.len() {
            text.push_str(&format!("@0 (threads left out for want of room: {})\n", told.len() - count));
        }
        text
    }

    /// Reads what was encoded; of anything else, as much as looks like it.
    pub fn parse(text: &str) -> Self {
        let mut stacks = Self::default();
        for line in text.lines() {
            match (line.split_at_checked(1), stacks.threads.last_mut()) {
                (Some(("!", _)), _) => stacks.without_gil = true,
                (Some(("@", head)), _) => stacks.threads.push(Thread::named(head)),
                (Some((" ", line)), Some(thread)) => thread.lines.push(line.to_owned()),
                _ => {}
            }
        }
        stacks
    }
}

impl Thread {
    /// Its name and its stack in lines of their own, behind a message about the process of this number.
    pub fn told(&self, process: u32) -> String {
        let request = if self.request == 0 { String::new() } else { format!(", request {process}-{}", self.request) };
        format!("\n{}{request}:\n  {}", self.name, self.lines.join("\n  "))
    }

    fn named(head: &str) -> Self {
        let (request, name) = head.split_once(' ').unwrap_or((head, ""));
        Self { request: request.parse().unwrap_or(0), name: name.to_owned(), lines: Vec::new() }
    }

    fn encode(&self) -> String {
        let mut text = format!("@{} {}\n", self.request, in_one_line(&self.name));
        for line in &self.lines {
            text.extend([" ", &in_one_line(line), "\n"]);
        }
        text
    }
}

/// Names of files, functions and threads may be anything.
fn in_one_line(text: &str) -> String {
    let line: String = text.chars().take(MOST_OF_A_LINE).collect();
    line.replace(['\n', '\r'], "?")
}

/// Characters.
const MOST_OF_A_LINE: usize = 400;
/// What it takes to say how many were left out.
const LEFT_OUT_LEN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(request: u64, name: &str, lines: usize) -> Thread {
        Thread { request, name: name.to_owned(), lines: (0..lines).map(|line| format!("File \"a\", line {line}")).collect() }
    }

    #[test]
    fn what_was_encoded_is_read_again_those_with_a_request_first() {
        let (main, worker) = (thread(0, "MainThread", 1), thread(7, "worker @ 1", 2));
        let stacks = Stacks { without_gil: true, threads: vec![main.clone(), worker.clone()] };
        assert_eq!(Stacks::parse(&stacks.encode(10_000)), Stacks { without_gil: true, threads: vec![worker, main] });
    }

    #[test]
    fn a_thread_is_told_with_the_request_that_it_answers() {
        assert_eq!(thread(7, "worker", 2).told(12), "\nworker, request 12-7:\n  File \"a\", line 0\n  File \"a\", line 1");
        assert_eq!(thread(0, "MainThread", 1).told(12), "\nMainThread:\n  File \"a\", line 0");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let threads = (0..100).map(|number| thread(number % 2, "t", 10)).collect();
        let text = Stacks { without_gil: false, threads }.encode(2_000);
        assert!(text.len() <= 2_000, "{}", text.len());
        let parsed = Stacks::parse(&text);
        let (last, told) = parsed.threads.split_last().unwrap();
        assert!(told.len() > 3 && told.iter().all(|thread| thread.request == 1), "{text}");
        assert_eq!(last.name, format!("(threads left out for want of room: {})", 100 - told.len()));
    }

    #[test]
    fn nothing_but_a_line_end_ends_a_line() {
        let hostile = Thread { request: 1, name: "a\n@2 b".to_owned(), lines: vec!["x\n!".to_owned(), "y".repeat(9_999)] };
        let parsed = Stacks::parse(&Stacks { without_gil: false, threads: vec![hostile] }.encode(60_000));
        assert!(!parsed.without_gil && parsed.threads.len() == 1, "{parsed:?}");
        assert_eq!((parsed.threads[0].name.as_str(), parsed.threads[0].lines[1].len()), ("a?@2 b", MOST_OF_A_LINE));
    }

    #[test]
    fn whatever_comes_there_are_lines() {
        for text in ["", "\n\n", "ä", "@", "@x y", " before", "@18446744073709551616 z\n ü\n\u{1b}[2J"] {
            assert!(Stacks::parse(text).threads.len() <= 1, "{text}");
        }
    }
}
