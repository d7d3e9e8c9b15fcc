//! What goes over the control socket, for both of its ends.
//!
//! A client sends one request and reads answers until the connection ends; the last one has its exit code. Each is a line of JSON:
//!
//! ```text
//! {"reload":{"scope":{"pool":"shop"}}}
//! {"stderr":"reloaded pool shop in 0.3 s"}
//! {"exit":0}
//! ```

use serde::{Deserialize, Serialize};

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ControlRequest {
    /// Load applications and settings again.
    Reload {
        /// Of what.
        scope: Scope,
    },
    /// Stop gracefully.
    Stop,
    /// Say how it is: a line of JSON, whose form `report` owns.
    Status {
        /// What.
        scope: Scope,
    },
    /// Say what runs now, likewise.
    Requests {
        /// Where.
        scope: Scope,
    },
    /// Interrupt one request.
    Interrupt {
        /// The process id of its child.
        process: i32,
        /// Its number in that.
        request: u64,
    },
    /// Say what threads are doing.
    Stacks {
        /// Of which pools.
        scope: Scope,
        /// Which threads.
        threads: Threads,
    },
}

/// Threads of children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Threads {
    /// All of them.
    All,
    /// Those that answer a request.
    Answering,
}

/// Which pools are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All of them, and what is of the whole process.
    Process,
    /// The one of this name.
    Pool(String),
}

/// What the supervisor answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlAnswer {
    /// Lines for the client's stdout.
    Stdout(String),
    /// Lines for its stderr.
    Stderr(String),
    /// Its exit code: the last answer.
    Exit(u8),
}

impl Scope {
    /// Whether this pool is meant.
    pub fn has(&self, pool: &str) -> bool {
        match self {
            Self::Process => true,
            Self::Pool(name) => name == pool,
        }
    }
}

/// The line of a message, with its line feed.
pub fn line(message: &impl Serialize) -> String {
    // None of them has a map whose keys are not text, which is all that JSON refuses.
    let mut line = serde_json::to_string(message).unwrap_or_default();
    line.push('\n');
    line
}

/// The message of a line; `None` if this program does not know it.
pub fn parse<'a, T: Deserialize<'a>>(line: &'a str) -> Option<T> {
    serde_json::from_str(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let pool = || Scope::Pool("a \"pool\"\nb".to_owned());
        for request in [
            ControlRequest::Reload { scope: Scope::Process },
            ControlRequest::Reload { scope: pool() },
            ControlRequest::Stop,
            ControlRequest::Status { scope: Scope::Process },
            ControlRequest::Requests { scope: pool() },
            ControlRequest::Interrupt { process: 4711, request: u64::MAX },
            ControlRequest::Stacks { scope: pool(), threads: Threads::Answering },
        ] {
            let line = line(&request);
            assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
            assert_eq!(parse(&line), Some(request));
        }
    }

    #[test]
    fn nothing_else_is_a_request() {
        for line in [
            "",
            "stop",
            "\"restart\"",
            r#"{"stop":{"scope":"process"}}"#,
            r#"{"reload":{}}"#,
            r#"{"reload":{"scope":"process","force":true}}"#,
            r#"{"status":{"scope":"process","form":"text"}}"#,
            "\"stop\"\"stop\"",
        ] {
            assert_eq!(parse::<ControlRequest>(line), None, "{line}");
        }
    }

    #[test]
    fn an_answer_is_one_line_whatever_it_says() {
        for answer in [ControlAnswer::Stdout("a\nb".to_owned()), ControlAnswer::Stderr(String::new()), ControlAnswer::Exit(70)]
        {
            let line = line(&answer);
            assert_eq!(line.lines().count(), 1, "{line}");
            assert_eq!(parse(&line), Some(answer));
        }
    }
}
