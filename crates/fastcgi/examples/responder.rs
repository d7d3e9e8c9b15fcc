//! cargo run -p fastcgi-codec --example responder
//!
//! A FastCGI responder of its own: [`fastcgi_codec`] over a plain socket, without Python, event loop or threads. One
//! connection at a time, any number of requests on it.
//!
//! Listens on 127.0.0.1:9000, or on the address given as the argument (`-- 127.0.0.1:0` for any free port), and says where.
//! Try it with `pyfcgid request /some/path`, or from a web server.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;

use fastcgi_codec::{Decoder, Event, Pairs, ProtocolStatus, RecordType, RequestId, Session, SessionLimits, encoder};

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let listener = TcpListener::bind(&address).map_err(|error| format!("can't listen on {address}: {error}"))?;
    println!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        if let Err(error) = serve(stream?) {
            eprintln!("connection lost: {error}");
        }
    }
    Ok(())
}

/// Bytes in, records out of them, events out of those, answers back.
fn serve(mut stream: TcpStream) -> Result<(), Box<dyn Error>> {
    let mut decoder = Decoder::new();
    let mut session = Session::new(SessionLimits { max_conns: 1, max_reqs: MAX_REQUESTS });
    let mut open = Requests::new();
    loop {
        let read = stream.read(decoder.space())?;
        if read == 0 {
            return Ok(());
        }
        decoder.advance(read);
        while let Some(record) = decoder.next_record()? {
            let event = session.handle_record(record)?;
            if handle_event(event, &mut open, &mut session, &mut stream)?.is_break() {
                return Ok(());
            }
        }
    }
}

/// The requests that have begun and are not answered, by id: those of one connection may be interleaved.
type Requests = BTreeMap<RequestId, Request>;

/// What is known of a request so far.
#[derive(Default)]
struct Request {
    keep_connection: bool,
    params: Vec<u8>,
    body_length: usize,
}

/// Breaks after the last answer of a connection.
fn handle_event(
    event: Event<'_>,
    open: &mut Requests,
    session: &mut Session,
    stream: &mut TcpStream,
) -> Result<ControlFlow<()>, Box<dyn Error>> {
    match event {
        Event::Begin { .. } if open.len() >= MAX_REQUESTS as usize => return Err("too many requests at once".into()),
        Event::Begin { id, keep_connection, .. } => drop(open.insert(id, Request { keep_connection, ..Request::default() })),
        Event::Params(id, piece) => take_params(open.entry(id).or_default(), piece)?,
        Event::Stdin(id, piece) => open.entry(id).or_default().body_length += piece.len(),
        Event::StdinEnd(id) | Event::Abort(id) => {
            let request = open.remove(&id).unwrap_or_default();
            stream.write_all(&answer(id, &request)?)?;
            session.finish(id);
            if !request.keep_connection {
                return Ok(ControlFlow::Break(()));
            }
        }
        Event::Answer(bytes) => stream.write_all(&bytes)?,
        Event::ParamsEnd(_) | Event::Data(..) | Event::DataEnd(_) | Event::Ignored => {}
    }
    Ok(ControlFlow::Continue(()))
}

/// The peer says how much it sends; it is for the reader to say how much is enough.
fn take_params(request: &mut Request, piece: &[u8]) -> Result<(), Box<dyn Error>> {
    if request.params.len() + piece.len() > MAX_PARAMS_LEN {
        return Err("too many parameters".into());
    }
    request.params.extend_from_slice(piece);
    Ok(())
}

/// A head as a CGI program would print it, a body, and the end.
fn answer(id: RequestId, request: &Request) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut page = format!("{} bytes of body, and these parameters:\n", request.body_length);
    for pair in Pairs::new(&request.params) {
        let (name, value) = pair?;
        page += &format!("{} = {}\n", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
    }
    let stdout = format!("Content-Type: text/plain; charset=utf-8\r\nStatus: 200 OK\r\n\r\n{page}");
    let mut bytes = Vec::new();
    encoder::encode_stream(&mut bytes, RecordType::Stdout, id, stdout.as_bytes());
    bytes.extend_from_slice(&encoder::stdout_end(id, 0, ProtocolStatus::RequestComplete));
    Ok(bytes)
}

const MAX_REQUESTS: u32 = 100;
const MAX_PARAMS_LEN: usize = 128 * 1024;
