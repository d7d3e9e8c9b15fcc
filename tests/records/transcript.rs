//! A hand-made transcript: what a peer sends, and what the codec says to it. `README.md` tells the format.

use std::fs;
use std::ops::Range;
use std::path::Path;

use fastcgi_codec::{Decoder, Error, Event, Pairs, Record, RequestId, Session, SessionLimits};

use super::replay;

pub(crate) struct Transcript {
    name: String,
    pub(crate) bytes: Vec<u8>,
    /// Requests that are answered, each when all bytes before an offset have been handled.
    finishes: Vec<(usize, RequestId)>,
    expected: Vec<String>,
}

impl Transcript {
    pub(crate) fn load(path: &Path) -> Self {
        let name = path.file_name().expect("a transcript has a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(path).expect("the transcript can be read");
        let mut transcript = Self { name, bytes: Vec::new(), finishes: Vec::new(), expected: Vec::new() };
        for line in text.lines() {
            transcript.add(line);
        }
        assert!(!transcript.bytes.is_empty() && !transcript.expected.is_empty(), "{}", transcript.name);
        transcript
    }

    /// Replays the bytes, cut at these offsets, and compares what comes out with what is expected.
    pub(crate) fn check(&self, cuts: &[usize]) {
        assert_eq!(self.replay(cuts), self.expected, "{}, cut at {cuts:?}", self.name);
    }

    fn add(&mut self, line: &str) {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("" | "#", _) => (),
            (">", bytes) => self.add_bytes(bytes),
            ("<", expected) => self.expected.push(expected.to_owned()),
            ("finish", id) => self.finishes.push((self.bytes.len(), RequestId::new(id.parse().expect("an id is a number")))),
            _ => panic!("{}: what does this line mean: {line}", self.name),
        }
    }

    fn add_bytes(&mut self, line: &str) {
        for token in line.split_whitespace().take_while(|token| *token != "#") {
            self.bytes.extend(bytes_of(token, &self.name));
        }
    }

    fn replay(&self, cuts: &[usize]) -> Vec<String> {
        let mut replay = Replay::new();
        for piece in self.pieces(cuts) {
            let end = piece.end;
            if let Err(error) = replay.feed(&self.bytes[piece]) {
                replay.said.push(format!("error: {}", with_causes(&error)));
                return replay.said;
            }
            for (_, id) in self.finishes.iter().filter(|(offset, _)| *offset == end) {
                replay.session.finish(*id);
            }
        }
        if !replay.decoder.is_empty() {
            replay.said.push("incomplete".to_owned());
        }
        replay.said
    }

    fn pieces(&self, cuts: &[usize]) -> Vec<Range<usize>> {
        let finishes = self.finishes.iter().map(|(offset, _)| *offset);
        let mut borders: Vec<usize> = cuts.iter().copied().chain(finishes).chain([0, self.bytes.len()]).collect();
        borders.sort_unstable();
        borders.dedup();
        borders.windows(2).map(|pair| pair[0]..pair[1]).collect()
    }
}

struct Replay {
    decoder: Decoder,
    session: Session,
    /// PARAMS of the request that is being read, by id.
    params: Vec<(RequestId, Vec<u8>)>,
    said: Vec<String>,
}

impl Replay {
    fn new() -> Self {
        let session = Session::new(SessionLimits { max_conns: 100, max_reqs: 50 });
        Self { decoder: Decoder::new(), session, params: Vec::new(), said: Vec::new() }
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Self { decoder, session, params, said } = self;
        let mut refused = None;
        let lost = replay::feed(decoder, bytes, |record| {
            if refused.is_none() {
                refused = handle(session, params, said, record).err();
            }
        });
        // A session's refusal came from a record before the place where the decoder gave up.
        refused.map_or(lost, Err)
    }
}

fn handle(
    session: &mut Session,
    params: &mut Vec<(RequestId, Vec<u8>)>,
    said: &mut Vec<String>,
    record: Record<'_>,
) -> Result<(), Error> {
    let event = session.handle_record(record)?;
    match &event {
        Event::Begin { id, .. } => {
            params.retain(|(other, _)| other != id);
            params.push((*id, Vec::new()));
        }
        Event::Params(id, piece) => stream_of(params, *id).extend_from_slice(piece),
        _ => (),
    }
    said.push(match event {
        Event::Begin { id, role, keep_connection } => {
            format!("begin {id} {role:?} {}", if keep_connection { "keep" } else { "close" })
        }
        Event::Params(id, piece) => format!("params {id} {}", shown(piece)),
        Event::ParamsEnd(id) => format!("params-end {id}{}", pairs(stream_of(params, id))),
        Event::Stdin(id, piece) => format!("stdin {id} {}", shown(piece)),
        Event::StdinEnd(id) => format!("stdin-end {id}"),
        Event::Data(id, piece) => format!("data {id} {}", shown(piece)),
        Event::DataEnd(id) => format!("data-end {id}"),
        Event::Abort(id) => format!("abort {id}"),
        Event::Answer(answer) => format!("answer {}", answer.escape_ascii()),
        Event::Ignored => "ignored".to_owned(),
    });
    Ok(())
}

fn stream_of(params: &mut [(RequestId, Vec<u8>)], id: RequestId) -> &mut Vec<u8> {
    let (_, stream) = params.iter_mut().find(|(other, _)| *other == id).expect("an event is about a request that began");
    stream
}

fn pairs(stream: &[u8]) -> String {
    let shown = Pairs::new(stream).map(|pair| match pair {
        Ok((name, value)) => format!(" {}={}", name.escape_ascii(), value.escape_ascii()),
        Err(error) => format!(" error: {error}"),
    });
    shown.collect()
}

fn shown(bytes: &[u8]) -> String {
    if bytes.len() > 60 { format!("{} bytes", bytes.len()) } else { bytes.escape_ascii().to_string() }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_causes(cause)),
        None => error.to_string(),
    }
}

/// `0f` a byte, `0fx300` a byte repeated, `'text` ASCII without blanks.
fn bytes_of(token: &str, name: &str) -> Vec<u8> {
    if let Some(text) = token.strip_prefix('\'') {
        return text.as_bytes().to_vec();
    }
    let (byte, count) = token.split_once('x').unwrap_or((token, "1"));
    match (u8::from_str_radix(byte, 16), count.parse()) {
        (Ok(byte), Ok(count)) if token.len() >= 2 => vec![byte; count],
        _ => panic!("{name}: {token} is not a byte"),
    }
}
