//! FastCGI 1.0, without I/O: bytes in, records and events out, and back.
//!
//! Owns the wire format and the legal order of records on one connection. Knows no socket, no clock, no limit on memory other
//! than a record's own size, and nothing of WSGI. No type of the parser library appears in a signature.
//!
//! The parts, from the wire upwards:
//!
//! - [`record`]: the eight-byte header and typed records;
//! - [`params`]: name-value pairs, as in FCGI_PARAMS and FCGI_GET_VALUES;
//! - [`message`]: the fixed bodies (BeginRequest, EndRequest, UnknownType, GetValues);
//! - [`Decoder`]: bytes split anywhere become [`Record`]s;
//! - [`Session`]: the records of one connection become [`Event`]s of the requests multiplexed on it;
//! - [`encoder`]: what goes back.
//!
//! Nothing panics on what a peer sends. What an error costs:
//!
//! | Error | Whose fault | What is lost | What goes on |
//! |---|---|---|---|
//! | [`Error`] | the peer's | the connection, with every request on it | nothing: close it |
//! | [`ParamsError::Truncated`] | the peer's | the request whose pairs they are | the connection and its other requests |
//! | [`ParamsError::TooLong`] | the caller's | nothing: not a byte was written | everything |
//!
//! An [`Error`] costs the connection even where only one request was out of order: a peer that has lost count of its records
//! can't be trusted to put the next one under the right id, and an answer under the wrong id goes to another browser.
//!
//! Source: FastCGI Specification 1.0, Mark R. Brown, Open Market, 29 April 1996.
//!
//! ```
//! use fastcgi_codec::{Decoder, Event, RequestId, Session, SessionLimits, encoder};
//! use fastcgi_codec::message::Role;
//!
//! let id = RequestId::new(1);
//! let mut sent = Vec::new();
//! encoder::encode_begin_request(&mut sent, id, Role::Responder, true);
//! encoder::encode_params(&mut sent, id, [(&b"REQUEST_METHOD"[..], &b"GET"[..])]).unwrap();
//! encoder::encode_stream(&mut sent, fastcgi_codec::RecordType::Stdin, id, b"");
//!
//! let mut decoder = Decoder::new();
//! let mut session = Session::new(SessionLimits { max_conns: 100, max_reqs: 100 });
//! decoder.space()[..sent.len()].copy_from_slice(&sent);
//! decoder.advance(sent.len());
//! let mut events = Vec::new();
//! while let Some(record) = decoder.next_record().unwrap() {
//!     events.push(format!("{:?}", session.handle_record(record).unwrap()));
//! }
//! assert!(events[0].starts_with("Begin"));
//! assert!(events[2].starts_with("ParamsEnd"));
//! assert!(events[3].starts_with("StdinEnd"));
//! ```

pub mod encoder;
pub mod message;
pub mod params;
pub mod record;

mod decoder;
mod error;
mod numbered;
mod requests;
mod session;

pub use decoder::Decoder;
pub use error::Error;
pub use message::{ProtocolStatus, Role};
pub use params::{Pairs, ParamsError};
pub use record::{Header, MAX_RECORD_LEN, Record, RecordType, RequestId};
pub use requests::Requests;
pub use session::{Event, Phase, Session, SessionLimits};

/// The example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
