//! Answers over FastCGI: several at once on a connection, told apart by their ids.

use std::io;

use fastcgi_codec::message::EndRequest;
use fastcgi_codec::{Decoder, Record, RecordType};

use crate::answer::{Answer, Finished, header, status_code};
use crate::options::Expected;

pub struct FastCgi {
    decoder: Decoder,
    /// By request id, from 1 on.
    answers: Vec<Answer>,
}

impl FastCgi {
    pub fn new(ids: u16) -> Self {
        Self { decoder: Decoder::new(), answers: (0..ids).map(|_| Answer::default()).collect() }
    }

    pub fn space(&mut self) -> &mut [u8] {
        self.decoder.space()
    }

    /// Takes what was read into the space, and adds the answers that are complete.
    pub fn advance(&mut self, count: usize, expected: &Expected, finished: &mut Vec<Finished>) -> io::Result<()> {
        self.decoder.advance(count);
        while let Some(record) = self.decoder.next_record().map_err(io::Error::other)? {
            let id = record.request_id.value();
            let answer = usize::from(id).checked_sub(1).and_then(|index| self.answers.get_mut(index));
            let answer = answer.ok_or_else(|| io::Error::other(format!("a record of request {id}, which is not under way")))?;
            finished.extend(take(answer, &record, expected)?);
        }
        Ok(())
    }

    pub fn has_begun(&self, id: u16) -> bool {
        self.answers.get(usize::from(id) - 1).is_some_and(|answer| answer.begun)
    }
}

fn take(answer: &mut Answer, record: &Record<'_>, expected: &Expected) -> io::Result<Option<Finished>> {
    match record.record_type {
        RecordType::Stdout => take_output(answer, record.content, expected).map(|()| None),
        RecordType::EndRequest => end(answer, record, expected).map(Some),
        _ => Ok(None),
    }
}

fn take_output(answer: &mut Answer, content: &[u8], expected: &Expected) -> io::Result<()> {
    if answer.status != 0 {
        answer.take_body(content, expected);
    } else if let Some((head, used)) = answer.take_head(content) {
        answer.status = header(&head, "Status").map_or(Ok(200), status_code)?;
        answer.take_body(&content[used..], expected);
    }
    Ok(())
}

fn end(answer: &mut Answer, record: &Record<'_>, expected: &Expected) -> io::Result<Finished> {
    let status = EndRequest::parse(record.content).map_err(io::Error::other)?.protocol_status;
    let mut finished = answer.finish(record.request_id.value(), expected);
    if status.value() != 0 {
        finished.fault = Some(format!("protocol status {}", status.value()));
    }
    Ok(finished)
}
