//! One request of the load, and what a right answer to it is.

use std::ops::RangeInclusive;

use crate::random::Random;

/// A request that no other request of the same load is like.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Names the client and the number of its request.
    pub(crate) path: String,
    /// How many seconds the application waits; empty for none.
    pub(crate) query: String,
    /// Of a POST; empty for a GET.
    pub(crate) body: Vec<u8>,
}

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) version: u32,
    pub(crate) pid: u32,
}

/// Which requests a load is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Methods {
    /// Every tenth is a POST.
    GetAndPost,
    GetOnly,
}

impl Question {
    /// The next one of a client. A few of them let the application wait.
    pub(crate) fn random(random: &mut Random, methods: Methods, client: usize, number: usize) -> Self {
        let posts = methods == Methods::GetAndPost && number % 10 == 9;
        let body = if posts { POST_SIZE + random.below(MOST_MORE) } else { 0 };
        let waits = random.below(WAITS_ONE_OF) == 0;
        Self {
            path: format!("/client-{client}/request-{number}"),
            query: if waits { "0.02".to_owned() } else { String::new() },
            body: random.bytes(body),
        }
    }

    pub(crate) fn method(&self) -> &'static str {
        if self.body.is_empty() { "GET" } else { "POST" }
    }

    /// As it stands in the request line.
    pub(crate) fn target(&self) -> String {
        match self.query.as_str() {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }

    /// Who wrote this answer of `tests/apps/deployed.py`.
    ///
    /// # Errors
    /// What is wrong with it; a version outside `versions` is.
    pub(crate) fn check(&self, answer: &[u8], versions: RangeInclusive<u32>) -> Result<Source, String> {
        let wrong = || format!("wrong body of {} bytes: {}", answer.len(), shown(answer));
        let end = answer.iter().position(|byte| *byte == b'\n').ok_or_else(wrong)?;
        let line = std::str::from_utf8(&answer[..end]).map_err(|_| wrong())?;
        let words: Vec<&str> = line.split(' ').collect();
        let [version, pid, path, length] = words[..] else { return Err(wrong()) };
        if path != self.path || length != self.body.len().to_string() || answer[end + 1..] != self.body {
            return Err(wrong());
        }
        let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
        let source = Source { version: number(version)?, pid: number(pid)? };
        match versions.contains(&source.version) {
            true => Ok(source),
            false => Err(format!("an answer of version {version}, and only {versions:?} may serve")),
        }
    }
}

/// The beginning of some bytes, for messages.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let text: String = bytes.iter().take(MOST_SHOWN).flat_map(|byte| byte.escape_ascii()).map(char::from).collect();
    if bytes.len() > MOST_SHOWN { format!("{text} ...") } else { text }
}

const POST_SIZE: usize = 1_000;
const MOST_MORE: usize = 8_000;
const WAITS_ONE_OF: usize = 100;
const MOST_SHOWN: usize = 1_000;
