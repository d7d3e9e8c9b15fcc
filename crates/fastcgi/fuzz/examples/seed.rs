//! Makes `corpus/` from what real web servers sent: `cargo run --manifest-path crates/fastcgi/fuzz/Cargo.toml --example seed`.

use std::path::Path;
use std::{fs, io};

use arbitrary::{Arbitrary, Unstructured};
use fastcgi_codec::record::HEADER_LEN;
use fastcgi_codec::{Header, RecordType};
use fastcgi_codec_fuzz::Operation;

fn main() -> io::Result<()> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    for target in ["records", "params", "session"] {
        fs::create_dir_all(fuzz.join("corpus").join(target))?;
    }
    let mut count = 0;
    for entry in fs::read_dir(fuzz.join("../../../tests/records/captures"))? {
        let path = entry?.path();
        if let (Some("bin"), Some(name)) = (path.extension().and_then(|found| found.to_str()), path.file_stem()) {
            let stream = fs::read(&path)?;
            let records = records(&stream);
            let seed = |target: &str, bytes: &[u8]| fs::write(fuzz.join("corpus").join(target).join(name), bytes);
            seed("records", &[&PIECES, &stream[..]].concat())?;
            seed("params", &params(&records))?;
            seed("session", &operations(&records))?;
            count += 1;
        }
    }
    println!("{count} seeds for each target in corpus");
    Ok(())
}

/// The complete records at the start of a stream.
fn records(mut stream: &[u8]) -> Vec<(Header, &[u8])> {
    let mut records = Vec::new();
    while let Ok(Some(header)) = Header::parse(stream) {
        let Some(rest) = stream.get(header.record_len()..) else {
            break;
        };
        records.push((header, &stream[HEADER_LEN..][..header.content_length.into()]));
        stream = rest;
    }
    records
}

/// The name-value stream of the first request.
fn params(records: &[(Header, &[u8])]) -> Vec<u8> {
    let of_type = records.iter().filter(|(header, _)| header.record_type == RecordType::Params);
    of_type.take_while(|(_, content)| !content.is_empty()).flat_map(|(_, content)| content.iter().copied()).collect()
}

/// The records as the bytes from which `arbitrary` makes the operations that send them.
fn operations(records: &[(Header, &[u8])]) -> Vec<u8> {
    let operations: Vec<Operation> = records.iter().map(|(header, content)| operation(header, content)).collect();
    let bytes: Vec<u8> = operations.iter().flat_map(encode).collect();
    let decoded = Vec::<Operation>::arbitrary_take_rest(Unstructured::new(&bytes)).expect("there is enough data");
    assert_eq!(decoded, operations, "arbitrary has changed how it reads its input: change `encode`");
    bytes
}

fn operation(header: &Header, content: &[u8]) -> Operation {
    let id = u8::try_from(header.request_id.value()).expect("ids in the captures are small");
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    match header.record_type {
        RecordType::BeginRequest => Operation::Begin { id, role: content[1], keep_connection: content[2] == 1 },
        RecordType::Params => Operation::Params { id, length },
        RecordType::Stdin => Operation::Stdin { id, length },
        RecordType::AbortRequest => Operation::Abort { id },
        other => {
            let padding = header.padding_length;
            Operation::Raw { record_type: other.value(), id, padding, content: content.to_vec() }
        }
    }
}

/// One element as `arbitrary` reads it: another one follows, which variant (scaled to 32 bits), its fields.
fn encode(operation: &Operation) -> Vec<u8> {
    let (variant, fields): (u64, _) = match operation {
        Operation::Begin { id, role, keep_connection } => (0, vec![*id, *role, u8::from(*keep_connection)]),
        Operation::Params { id, length } => (1, vec![*id, *length]),
        Operation::Stdin { id, length } => (2, vec![*id, *length]),
        Operation::Data { id, length } => (3, vec![*id, *length]),
        Operation::Abort { id } => (4, vec![*id]),
        Operation::Finish { id } => (5, vec![*id]),
        Operation::GetValues { names } => (6, list(names).collect()),
        Operation::Raw { record_type, id, padding, content } => {
            (7, [*record_type, *id, *padding].into_iter().chain(list(content)).collect())
        }
    };
    let scaled = u32::try_from((variant << 32).div_ceil(VARIANTS)).expect("the variant is below their number");
    [&[1][..], &scaled.to_le_bytes(), &fields].concat()
}

/// Each byte behind the word that it follows.
fn list(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().flat_map(|byte| [1, *byte]).chain([0])
}

const VARIANTS: u64 = 8;
/// How the `records` target splits a seed: pieces of 50, 2, 1025 and 26 bytes in turn.
const PIECES: [u8; 4] = [7, 1, 32, 5];
