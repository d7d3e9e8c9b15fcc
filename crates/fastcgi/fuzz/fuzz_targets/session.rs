//! Any list of records and answers does what a trivial model of FastCGI 1.0 says, through encoder and decoder.
#![no_main]

use libfuzzer_sys::fuzz_target;
use fastcgi_codec::{Decoder, RequestId, Session, SessionLimits};
use fastcgi_codec_fuzz::{Model, Operation, Outcome};

fuzz_target!(|operations: Vec<Operation>| {
    let mut session = Session::new(SessionLimits { max_conns: 17, max_reqs: 23 });
    let (mut decoder, mut model) = (Decoder::new(), Model::default());
    for operation in operations {
        let id = match operation {
            Operation::Finish { id } => u16::from(id),
            _ => 0,
        };
        session.finish(RequestId::new(id));
        model.finish(id);
        handle_record(&mut decoder, &mut session, &mut model, &operation.encode());
        assert_eq!((session.open_requests(), session.is_idle()), (model.open_requests(), model.open_requests() == 0));
    }
});

/// A refused record must leave the session as it was, so the list goes on behind it.
fn handle_record(decoder: &mut Decoder, session: &mut Session, model: &mut Model, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let space = decoder.space();
        let count = bytes.len().min(space.len());
        space[..count].copy_from_slice(&bytes[..count]);
        decoder.advance(count);
        bytes = &bytes[count..];
        while let Some(record) = decoder.next_record().expect("the version is 1") {
            let expected = model.handle_record(record.record_type.value(), record.request_id.value(), record.content);
            assert_eq!(Outcome::from(session.handle_record(record)), expected, "{record:?}");
        }
    }
    assert!(decoder.is_empty(), "whole records went in");
}
