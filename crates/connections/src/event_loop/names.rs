//! How the requests of one connection are called in the log, as long as they are open.

use crate::exchange::{ConnectionId, Params, ParamsView};
use fastcgi_codec::{RequestId, Requests};

/// What is to be known of open requests if they have to be told. Keeps nothing of them alive.
#[derive(Debug)]
pub struct Names {
    connection: ConnectionId,
    running: Requests<ParamsView>,
}

impl Names {
    /// Of a connection without requests.
    pub const fn new(connection: ConnectionId) -> Self {
        Self { connection, running: Requests::new() }
    }

    /// A request is complete, and the application is to answer it.
    pub fn insert(&mut self, id: RequestId, params: &Params) {
        self.running.insert(id, params.view());
    }

    /// It has ended.
    pub fn remove(&mut self, id: RequestId) {
        self.running.remove(id);
    }

    /// A request with these parameters.
    pub fn of(&self, params: &Params) -> String {
        let connection = self.connection;
        let text = |name: &[u8]| params.get(name).map(String::from_utf8_lossy);
        match (text(b"REQUEST_METHOD"), text(b"REQUEST_URI")) {
            (Some(method), Some(target)) => format!("a request on connection {connection} ({method} {target})"),
            _ => format!("a request on connection {connection}"),
        }
    }

    /// Those that the application is to answer.
    pub fn of_running(&self) -> impl Iterator<Item = String> {
        self.running.values().map(|view| self.of(&view.params().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastcgi_codec::params::encode_pair;

    fn params(pairs: &[(&str, &str)]) -> Params {
        let mut bytes = Vec::new();
        pairs.iter().for_each(|(name, value)| encode_pair(&mut bytes, name.as_bytes(), value.as_bytes()).unwrap());
        Params::parse(bytes, 10).unwrap()
    }

    #[test]
    fn a_request_is_called_by_its_line_while_its_parameters_are_somewhere() {
        let mut names = Names::new(ConnectionId::new(3));
        let asked = params(&[("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/a?b")]);
        names.insert(RequestId::new(1), &asked);
        names.insert(RequestId::new(2), &params(&[("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/gone")]));
        let told: Vec<_> = names.of_running().collect();
        assert_eq!(told, ["a request on connection 3 (GET /a?b)", "a request on connection 3"]);
        names.remove(RequestId::new(1));
        assert_eq!(names.of_running().collect::<Vec<_>>(), ["a request on connection 3"]);
        assert_eq!(names.of(&params(&[("REQUEST_METHOD", "GET")])), "a request on connection 3");
    }
}
