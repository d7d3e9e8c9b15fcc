//! Probes: requests for one path, which the event loop answers itself, so that they wait for no worker.

use crate::exchange::{Params, SitePath};
use fastcgi_codec::{Decoder, RecordType};

/// Which requests are probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping(Vec<u8>);

impl Ping {
    /// Those for this path, which begins with a slash.
    pub fn new(path: impl Into<Vec<u8>>) -> Self {
        Self(path.into())
    }

    /// Whether a request with these parameters is one: by SCRIPT_NAME and PATH_INFO together, or by SCRIPT_NAME alone, whichever way the
    /// web server splits the path.
    pub fn is_asked_by(&self, params: &Params) -> bool {
        SitePath::of(|name| params.get(name)).is(&self.0)
    }

    /// Whether what a peer has sent so far begins with such a request, whole. Nothing is read for it.
    pub fn begins(&self, bytes: &[u8]) -> bool {
        let mut decoder = Decoder::new();
        let space = decoder.space();
        let count = bytes.len().min(space.len());
        space[..count].copy_from_slice(&bytes[..count]);
        decoder.advance(count);
        let mut params = Vec::new();
        while let Ok(Some(record)) = decoder.next_record() {
            match record.record_type {
                RecordType::BeginRequest => {}
                RecordType::Params if record.content.is_empty() => {
                    return Params::parse(params, MOST_PAIRS).is_ok_and(|params| self.is_asked_by(&params));
                }
                RecordType::Params => params.extend_from_slice(record.content),
                _ => return false,
            }
        }
        false
    }
}

/// A probe has fewer.
const MOST_PAIRS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use fastcgi_codec::{RequestId, Role, encoder};

    fn request(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encoder::encode_begin_request(&mut bytes, RequestId::new(1), Role::Responder, true);
        encoder::encode_params(&mut bytes, RequestId::new(1), pairs.iter().copied()).unwrap();
        bytes
    }

    #[test]
    fn a_probe_is_known_however_its_path_is_split() {
        let ping = Ping::new("/ping");
        for pairs in [
            &[(&b"SCRIPT_NAME"[..], &b"/ping"[..])][..],
            &[(b"SCRIPT_NAME", b""), (b"PATH_INFO", b"/ping")],
            &[(b"SCRIPT_NAME", b"/pi"), (b"PATH_INFO", b"ng")],
            &[(b"PATH_INFO", b"/ping")],
            &[(b"SCRIPT_NAME", b"/ping"), (b"PATH_INFO", b"/more")],
        ] {
            assert!(ping.begins(&request(pairs)), "{pairs:?}");
        }
        for pairs in [&[(&b"SCRIPT_NAME"[..], &b"/pin"[..])][..], &[(b"PATH_INFO", b"/ping/")], &[]] {
            assert!(!ping.begins(&request(pairs)), "{pairs:?}");
        }
    }

    #[test]
    fn what_is_not_whole_or_no_request_is_none() {
        let ping = Ping::new("/ping");
        let whole = request(&[(b"SCRIPT_NAME", b"/ping")]);
        for length in 0..whole.len() {
            assert!(!ping.begins(&whole[..length]), "{length}");
        }
        assert!(!ping.begins(&[0xff; 100]));
    }
}
