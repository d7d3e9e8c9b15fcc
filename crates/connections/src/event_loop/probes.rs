//! Probes: requests for some paths, which the event loop answers itself, so that they wait for no worker.

use std::sync::Arc;

use super::EventLoop;
use super::connection::Connection;
use super::listener::Purpose;
use crate::exchange::{Params, Refusal, Reply, Role, SitePath};
use crate::pool_status::PoolStatus;
use fastcgi_codec::message::BeginRequest;
use fastcgi_codec::{Decoder, RecordType};

/// Which requests are probes. Invariant: some are.
#[derive(Clone, Debug)]
pub struct Probes {
    ping: Option<Vec<u8>>,
    status: Option<(Vec<u8>, StatusPlace, Arc<PoolStatus>)>,
}

/// Where it is told how the pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusPlace {
    /// On all addresses of the pool.
    Everywhere,
    /// Only where nothing but probes is answered.
    Apart,
}

/// A request that is one.
#[derive(Clone, Copy, Debug)]
pub enum Probe<'a> {
    /// Whether the pool is well.
    Ping,
    /// How the pool is, in detail.
    Status(&'a PoolStatus),
}

impl Probe<'_> {
    /// Answers a request with these parameters.
    pub fn answer(self, params: &Params, reply: &mut Reply) {
        match self {
            Self::Ping => reply.refuse(Refusal::Ping),
            Self::Status(status) => reply.show(&status.page(params.get(b"QUERY_STRING").unwrap_or_default())),
        }
    }

    /// Whether it is answered nevertheless where others are refused so. Who has no worker to spare, or none at all, is well all the same,
    /// but who cannot get one is not; how things are can be told in any case.
    pub fn is_answered_in_spite_of(self, refusal: Refusal) -> bool {
        match refusal {
            Refusal::Overloaded | Refusal::WaitedTooLong => true,
            Refusal::NotServing | Refusal::Stopping => matches!(self, Self::Status(_)),
            _ => false,
        }
    }
}

impl Probes {
    /// Those for these paths, which begin with a slash; `None` if there are none.
    pub fn new(ping: Option<&str>, status: Option<(&str, StatusPlace, Arc<PoolStatus>)>) -> Option<Self> {
        let ping = ping.map(|path| path.as_bytes().to_vec());
        let status = status.map(|(path, place, status)| (path.as_bytes().to_vec(), place, status));
        (ping.is_some() || status.is_some()).then_some(Self { ping, status })
    }

    /// Whether a request with these parameters is one on such a connection, whichever way the web server splits the path. No authorizer is one: its 200 would let somebody in.
    pub fn find(&self, params: &Params, role: Role, purpose: Purpose) -> Option<Probe<'_>> {
        let asked = SitePath::of(|name| params.get(name));
        // One that lets somebody in is for the application to answer, whatever it asks for.
        if role != Role::Authorizer && self.ping.as_ref().is_some_and(|path| asked.is(path)) {
            return Some(Probe::Ping);
        }
        let (path, place, status) = self.status.as_ref()?;
        let is_here = *place == StatusPlace::Everywhere || purpose == Purpose::Probes;
        (is_here && role == Role::Responder && asked.is(path)).then_some(Probe::Status(status))
    }

    /// Whether what a peer of the site has sent so far begins with such a request; `None` if more has to come to say so. Nothing is read for
    /// it.
    pub fn begins(&self, bytes: &[u8]) -> Option<bool> {
        let mut decoder = Decoder::new();
        let space = decoder.space();
        let count = bytes.len().min(space.len());
        space[..count].copy_from_slice(&bytes[..count]);
        decoder.advance(count);
        let (mut params, mut role) = (Vec::new(), Role::Responder);
        loop {
            let Ok(record) = decoder.next_record() else { return Some(false) };
            let record = record?;
            match record.record_type {
                RecordType::BeginRequest => match BeginRequest::parse(record.content) {
                    Ok(begin) => role = begin.role,
                    Err(_) => return Some(false),
                },
                RecordType::Params if record.content.is_empty() => {
                    let params = Params::parse(params, MOST_PAIRS);
                    return Some(params.is_ok_and(|params| self.find(&params, role, Purpose::Site).is_some()));
                }
                RecordType::Params => params.extend_from_slice(record.content),
                _ => return Some(false),
            }
        }
    }
}

impl EventLoop {
    /// Whether nothing but probes is answered on a connection. So what comes there waits for nobody.
    pub(super) fn is_for_probes(&self, key: usize) -> bool {
        let is_for_probes = |connection: &Connection| connection.purpose() == Purpose::Probes;
        self.settings.probes.is_some() && self.connections.get(key).is_some_and(is_for_probes)
    }
}

/// A probe has fewer.
const MOST_PAIRS: usize = 1000;

#[cfg(test)]
mod tests {

    use super::*;
    use fastcgi_codec::params::encode_pair;
    use fastcgi_codec::{RequestId, encoder};
    use shared::scoreboard::Scoreboard;
    use shared::scoreboard::roster::{Roster, RosterView};
    use shared::sys::fd;

    fn request(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encoder::encode_begin_request(&mut bytes, RequestId::new(1), Role::Responder, true);
        encoder::encode_params(&mut bytes, RequestId::new(1), pairs.iter().copied()).unwrap();
        bytes
    }

    #[test]
    fn a_probe_is_known_however_its_path_is_split() {
        let probes = Probes::new(Some("/ping"), None).unwrap();
        for pairs in [
            &[(&b"SCRIPT_NAME"[..], &b"/ping"[..])][..],
            &[(b"SCRIPT_NAME", b""), (b"PATH_INFO", b"/ping")],
            &[(b"SCRIPT_NAME", b"/pi"), (b"PATH_INFO", b"ng")],
            &[(b"PATH_INFO", b"/ping")],
            &[(b"SCRIPT_NAME", b"/ping"), (b"PATH_INFO", b"/more")],
        ] {
            assert_eq!(probes.begins(&request(pairs)), Some(true), "{pairs:?}");
        }
        for pairs in [&[(&b"SCRIPT_NAME"[..], &b"/pin"[..])][..], &[(b"PATH_INFO", b"/ping/")], &[]] {
            assert_eq!(probes.begins(&request(pairs)), Some(false), "{pairs:?}");
        }
    }

    #[test]
    fn how_the_pool_is_is_told_where_it_is_meant_to_be_and_not_to_authorizers() {
        let roster = Roster::new().unwrap();
        let view = RosterView::share(fd::duplicate(roster.for_readers()).unwrap()).unwrap();
        let status = Arc::new(PoolStatus::new(("shop", 10), Arc::new(Scoreboard::new().unwrap()), Arc::new(view)));
        let mut bytes = Vec::new();
        encode_pair(&mut bytes, b"SCRIPT_NAME", b"/status").unwrap();
        let params = Params::parse(bytes, 10).unwrap();
        for (place, on_site) in [(StatusPlace::Everywhere, true), (StatusPlace::Apart, false)] {
            let probes = Probes::new(Some("/ping"), Some(("/status", place, Arc::clone(&status)))).unwrap();
            let is_told = |role, purpose| matches!(probes.find(&params, role, purpose), Some(Probe::Status(_)));
            assert_eq!(is_told(Role::Responder, Purpose::Site), on_site);
            assert!(is_told(Role::Responder, Purpose::Probes));
            assert!(!is_told(Role::Authorizer, Purpose::Site) && !is_told(Role::Filter, Purpose::Probes));
            assert_eq!(probes.begins(&request(&[(b"SCRIPT_NAME", b"/status")])), Some(on_site));
        }
    }

    #[test]
    fn an_authorizer_gets_no_answer_of_ours() {
        let probes = Probes::new(Some("/ping"), None).unwrap();
        let mut bytes = Vec::new();
        encode_pair(&mut bytes, b"SCRIPT_NAME", b"/ping").unwrap();
        let params = Params::parse(bytes, 10).unwrap();
        let is_probe = |role| probes.find(&params, role, Purpose::Site).is_some();
        assert!(is_probe(Role::Responder) && !is_probe(Role::Authorizer));
    }

    #[test]
    fn a_pool_that_cannot_serve_is_not_well_but_is_told_of() {
        let status = |refusal| Probe::Ping.is_answered_in_spite_of(refusal);
        assert!(
            status(Refusal::Overloaded)
                && status(Refusal::WaitedTooLong)
                && !status(Refusal::NotServing)
                && !status(Refusal::UnknownRole(Role::Filter))
        );
    }

    #[test]
    fn what_is_not_whole_is_not_known_and_what_is_no_request_is_none() {
        let probes = Probes::new(Some("/ping"), None).unwrap();
        let whole = request(&[(b"SCRIPT_NAME", b"/ping")]);
        for length in 0..whole.len() {
            assert_eq!(probes.begins(&whole[..length]), None, "{length}");
        }
        assert_eq!(probes.begins(&[0xff; 100]), Some(false));
    }
}
