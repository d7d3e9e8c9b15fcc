//! One connection as the program reads it, and what became of each request on it.

use fastcgi_codec::{Decoder, Error, Event, Record, RecordType, RequestId, Role, Session, SessionLimits};

/// A record without a borrow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) record_type: RecordType,
    pub(crate) request_id: RequestId,
    pub(crate) content: Vec<u8>,
}

/// One request, as its events told it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: RequestId,
    pub(crate) role: Role,
    pub(crate) keep_connection: bool,
    pub(crate) params: Vec<u8>,
    pub(crate) params_complete: bool,
    pub(crate) stdin: Vec<u8>,
    pub(crate) stdin_complete: bool,
    pub(crate) aborted: bool,
}

/// Decoder and session of one connection, and all that came out of them.
pub(crate) struct Replay {
    decoder: Decoder,
    session: Session,
    pub(crate) records: Vec<Taken>,
    pub(crate) requests: Vec<Request>,
    pub(crate) answers: Vec<Vec<u8>>,
    pub(crate) error: Option<Error>,
}

impl Default for Replay {
    fn default() -> Self {
        let limits = SessionLimits { max_conns: 100, max_reqs: 100 };
        Self {
            decoder: Decoder::new(),
            session: Session::new(limits),
            records: Vec::new(),
            requests: Vec::new(),
            answers: Vec::new(),
            error: None,
        }
    }
}

impl Replay {
    /// One piece of the stream. What comes behind an error is not looked at.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let Self { decoder, session, records, requests, answers, error } = self;
        if error.is_some() {
            return;
        }
        let fault = feed(decoder, bytes, |record| {
            records.push(Taken {
                record_type: record.record_type,
                request_id: record.request_id,
                content: record.content.to_vec(),
            });
            let event = session.handle_record(record).unwrap_or_else(|error| panic!("record {}: {error}", records.len()));
            if let Some(ended) = apply(requests, answers, record, event) {
                session.finish(ended);
            }
        });
        *error = fault.err();
    }

    /// Whether no bytes of an incomplete record are left.
    pub(crate) fn is_empty(&self) -> bool {
        self.decoder.is_empty()
    }
}

/// Gives a decoder these bytes as reads of a socket that has them all, and takes the records out behind each.
pub(crate) fn feed(decoder: &mut Decoder, mut bytes: &[u8], mut each: impl FnMut(Record<'_>)) -> Result<(), Error> {
    while !bytes.is_empty() {
        let space = decoder.space();
        let count = bytes.len().min(space.len());
        assert!(count > 0, "there is always room");
        space[..count].copy_from_slice(&bytes[..count]);
        decoder.advance(count);
        bytes = &bytes[count..];
        while let Some(record) = decoder.next_record()? {
            each(record);
        }
    }
    Ok(())
}

/// Books an event, and names the request that has ended with it: its input is complete, or the peer gave it up. An
/// authorizer's ends with the connection here, since lighttpd still sends the end of its STDIN.
fn apply(requests: &mut Vec<Request>, answers: &mut Vec<Vec<u8>>, record: Record<'_>, event: Event<'_>) -> Option<RequestId> {
    match event {
        Event::Begin { id, role, keep_connection } => requests.push(Request {
            id,
            role,
            keep_connection,
            params: Vec::new(),
            params_complete: false,
            stdin: Vec::new(),
            stdin_complete: false,
            aborted: false,
        }),
        Event::Params(id, piece) => latest(requests, id).params.extend_from_slice(piece),
        Event::ParamsEnd(id) => latest(requests, id).params_complete = true,
        Event::Stdin(id, piece) => latest(requests, id).stdin.extend_from_slice(piece),
        Event::StdinEnd(id) => {
            latest(requests, id).stdin_complete = true;
            return Some(id);
        }
        Event::Abort(id) => {
            latest(requests, id).aborted = true;
            return Some(id);
        }
        Event::Answer(answer) => answers.push(answer),
        Event::Ignored => {
            let request = latest(requests, record.request_id);
            assert_eq!((request.role, record.record_type, record.content), (Role::Authorizer, RecordType::Stdin, &b""[..]));
            request.stdin_complete = true;
        }
        Event::Data(..) | Event::DataEnd(..) => panic!("no web server sends DATA: {record:?}"),
    }
    None
}

/// The last request that began with this id.
fn latest(requests: &mut [Request], id: RequestId) -> &mut Request {
    requests.iter_mut().rfind(|request| request.id == id).expect("an event is about a request that began")
}
