//! A web server on one kept FastCGI connection, which it expects to be open for ever.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::load::{Client, PATIENCE};
use crate::question::Question;
use crate::support::peer::Address;
use crate::support::{Answer, Params, Peer, record};

/// Opens another connection only after a failure.
#[derive(Debug)]
pub(crate) struct KeptPeer {
    address: Address,
    connection: Option<Peer>,
}

impl KeptPeer {
    /// A peer of the server at this address.
    pub(crate) fn new(address: Address) -> Self {
        Self { address, connection: None }
    }

    fn take_connection(&mut self) -> Result<Peer, String> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.connect().map_err(|error| format!("no connection: {error}")),
        }
    }

    fn connect(&self) -> io::Result<Peer> {
        let connection = Peer::try_connect(&self.address)?;
        connection.set_deadline(PATIENCE);
        Ok(connection)
    }
}

impl Client for KeptPeer {
    fn ask(&mut self, question: &Question) -> Result<Vec<u8>, String> {
        let mut connection = self.take_connection()?;
        connection.try_send(&request(question)).map_err(|error| format!("the request is not taken: {error}"))?;
        let answer = read_answer(&mut connection)?;
        check(&answer)?;
        self.connection = Some(connection);
        Ok(answer.body)
    }
}

/// The peer panics when it waits too long, and at records that cannot be.
fn read_answer(connection: &mut Peer) -> Result<Answer, String> {
    let answer = catch_unwind(AssertUnwindSafe(|| connection.answer(1)));
    answer.map_err(|panic| panic.downcast_ref().map_or_else(|| "a panic without words".to_owned(), String::clone))
}

fn check(answer: &Answer) -> Result<(), String> {
    let length = answer.header("Content-Length");
    let complete = answer.ended && length == Some(answer.body.len().to_string());
    match (answer.status, complete, answer.protocol_status) {
        (200, true, Some(record::protocol_status::REQUEST_COMPLETE)) => Ok(()),
        _ => Err(answer.summary()),
    }
}

fn request(question: &Question) -> Vec<u8> {
    let params = match question.body.len() {
        0 => Params::get(&question.target()),
        length => Params::post(&question.target(), length),
    };
    record::request(1, true, &params.encode(), &question.body)
}
