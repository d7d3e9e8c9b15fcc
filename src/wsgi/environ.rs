//! FCGI_PARAMS become a PEP 3333 environ.
//!
//! Values are latin-1. Each worker remembers the names it has seen and the last value of each, because a web server sends the
//! same ones again and again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::path::{self, Sent};
use super::{Settings, latin1};
use crate::config::{Mount, RemoteUser};
use crate::exchange::{Refusal, Request, Role};

/// Makes environs on one worker.
pub(super) struct EnvironBuilder<'py> {
    py: Python<'py>,
    settings: Settings,
    /// What is the same in every environ.
    base: Bound<'py, PyDict>,
    names: HashMap<Vec<u8>, Name<'py>>,
    noted: [Value<'py>; NOTED.len()],
    serial: u64,
}

struct Name<'py> {
    kind: Kind,
    value: Value<'py>,
    /// The environ it was last set in, to notice repeated names.
    serial: u64,
}

/// A key and the last value it had.
struct Value<'py> {
    key: Bound<'py, PyString>,
    last: Option<(Vec<u8>, Bound<'py, PyString>)>,
}

/// What becomes of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It does not reach the application.
    Dropped,
    /// The last of several wins; an empty one is as good as none.
    Plain,
    /// A header of the browser: several are joined.
    Header(&'static str),
    /// It is looked at before it is set.
    Noted(usize),
}

/// The values of the variables that are looked at, in the order of [`NOTED`].
type Notes<'a> = [Option<&'a [u8]>; NOTED.len()];

impl<'py> EnvironBuilder<'py> {
    pub(super) fn new(py: Python<'py>, settings: &Settings, file_wrapper: &Bound<'py, PyAny>) -> PyResult<Self> {
        let base = PyDict::new(py);
        base.set_item("wsgi.version", (1, 0))?;
        base.set_item("wsgi.multithread", settings.multithread)?;
        base.set_item("wsgi.multiprocess", settings.multiprocess)?;
        base.set_item("wsgi.run_once", false)?;
        base.set_item("wsgi.input_terminated", true)?;
        base.set_item("wsgi.file_wrapper", file_wrapper)?;
        let noted = NOTED.map(|name| Value { key: PyString::intern(py, name), last: None });
        Ok(Self { py, settings: settings.clone(), base, names: HashMap::new(), noted, serial: 0 })
    }

    /// The environ of a request, without the objects that belong to it alone.
    pub(super) fn build(&mut self, request: &Request) -> PyResult<Result<Bound<'py, PyDict>, Refusal>> {
        self.serial += 1;
        let environ = self.base.copy()?;
        let mut notes: Notes<'_> = [None; NOTED.len()];
        for (name, value) in request.params.iter() {
            self.add(&environ, name, value, &mut notes)?;
        }
        let sent = Sent {
            script_name: notes[SCRIPT_NAME].unwrap_or_default(),
            path_info: notes[PATH_INFO],
            request_uri: notes[REQUEST_URI].unwrap_or_default(),
            from_apache: notes[SERVER_SOFTWARE].is_some_and(|software| software.starts_with(b"Apache")),
        };
        // An authorizer is asked about any path of the site, and most web servers do not split it for one.
        let mount = if request.role == Role::Authorizer { Mount::Auto } else { self.settings.mount.clone() };
        let Some(split) = path::split(&mount, sent) else {
            return Ok(Err(Refusal::OutsideMount));
        };
        if split.joined {
            advise_mount();
        }
        self.set_noted(&environ, SCRIPT_NAME, &split.script_name)?;
        self.set_noted(&environ, PATH_INFO, &split.path_info)?;
        self.set_server(&environ, &notes)?;
        self.set_rest(&environ, &notes, request.body.length())?;
        self.set_role(&environ, request.role)?;
        Ok(Ok(environ))
    }

    fn add<'a>(&mut self, environ: &Bound<'py, PyDict>, name: &[u8], value: &'a [u8], notes: &mut Notes<'a>) -> PyResult<()> {
        if !self.names.contains_key(name) {
            self.learn(name);
        }
        let (py, serial) = (self.py, self.serial);
        let Some(known) = self.names.get_mut(name) else {
            return Ok(());
        };
        match known.kind {
            Kind::Dropped => Ok(()),
            Kind::Plain if value.is_empty() => Ok(()),
            Kind::Plain => known.value.set(py, environ, value),
            Kind::Header(separator) if known.serial == serial => join(environ, &known.value.key, separator, value),
            Kind::Header(_) => {
                known.serial = serial;
                known.value.set(py, environ, value)
            }
            Kind::Noted(index) => {
                notes[index] = Some(value);
                Ok(())
            }
        }
    }

    /// Remembers a name. A peer that makes up names without end makes this start over, not grow.
    fn learn(&mut self, name: &[u8]) {
        if self.names.len() >= MAX_NAMES {
            self.names.clear();
        }
        let value = Value { key: latin1::to_str(self.py, name), last: None };
        self.names.insert(name.to_vec(), Name { kind: Kind::of(name), value, serial: 0 });
    }

    fn set_noted(&mut self, environ: &Bound<'py, PyDict>, index: usize, value: &[u8]) -> PyResult<()> {
        self.noted[index].set(self.py, environ, value)
    }

    /// Scheme, SERVER_NAME without its port, SERVER_PORT and SERVER_PROTOCOL: never empty.
    fn set_server(&mut self, environ: &Bound<'py, PyDict>, notes: &Notes<'_>) -> PyResult<()> {
        let given = |index: usize| notes[index].filter(|value| !value.is_empty());
        let https = given(HTTPS).is_some_and(|value| value.eq_ignore_ascii_case(b"on") || value == b"1");
        let secure = https || given(REQUEST_SCHEME).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https"));
        let scheme = if secure { intern!(self.py, "https") } else { intern!(self.py, "http") };
        environ.set_item(intern!(self.py, "wsgi.url_scheme"), scheme)?;
        let host = given(SERVER_NAME).or(given(HTTP_HOST)).or(given(SERVER_ADDR)).unwrap_or(b"localhost");
        self.set_noted(environ, SERVER_NAME, without_port(host))?;
        let default_port: &[u8] = if secure { b"443" } else { b"80" };
        self.set_noted(environ, SERVER_PORT, given(SERVER_PORT).unwrap_or(default_port))?;
        self.set_noted(environ, SERVER_PROTOCOL, given(SERVER_PROTOCOL).unwrap_or(b"HTTP/1.0"))
    }

    fn set_rest(&mut self, environ: &Bound<'py, PyDict>, notes: &Notes<'_>, length: u64) -> PyResult<()> {
        self.set_noted(environ, QUERY_STRING, notes[QUERY_STRING].unwrap_or_default())?;
        for index in [REQUEST_URI, SERVER_SOFTWARE, SERVER_ADDR, HTTPS, REQUEST_SCHEME, HTTP_HOST, AUTH_TYPE] {
            if let Some(value) = notes[index].filter(|value| !value.is_empty()) {
                self.set_noted(environ, index, value)?;
            }
        }
        if let Some(user) = notes[REMOTE_USER].filter(|user| !user.is_empty() && self.trusts_user(notes)) {
            self.set_noted(environ, REMOTE_USER, user)?;
        }
        if length > 0 || notes[CONTENT_LENGTH].is_some_and(|value| !value.is_empty()) {
            self.set_noted(environ, CONTENT_LENGTH, length.to_string().as_bytes())?;
        }
        Ok(())
    }

    fn set_role(&self, environ: &Bound<'py, PyDict>, role: Role) -> PyResult<()> {
        let name = match role {
            Role::Authorizer => intern!(self.py, "authorizer"),
            Role::Filter => intern!(self.py, "filter"),
            Role::Responder | Role::Other(_) => intern!(self.py, "responder"),
        };
        environ.set_item(intern!(self.py, "fcgi.role"), name)
    }

    fn trusts_user(&self, notes: &Notes<'_>) -> bool {
        match self.settings.remote_user {
            RemoteUser::Always => true,
            RemoteUser::Never => false,
            // HAProxy takes both from an Authorization header that it does not check.
            RemoteUser::Authenticated => {
                notes[AUTH_TYPE].is_some_and(|kind| !kind.is_empty())
                    && !notes[SERVER_SOFTWARE].is_some_and(|software| software.starts_with(b"HAProxy"))
            }
        }
    }
}

impl<'py> Value<'py> {
    fn set(&mut self, py: Python<'py>, environ: &Bound<'py, PyDict>, bytes: &[u8]) -> PyResult<()> {
        if let Some((_, value)) = self.last.as_ref().filter(|(last, _)| last == bytes) {
            return environ.set_item(&self.key, value);
        }
        let value = latin1::to_str(py, bytes);
        environ.set_item(&self.key, &value)?;
        if bytes.len() <= MAX_REMEMBERED {
            self.last = Some((bytes.to_vec(), value));
        }
        Ok(())
    }
}

impl Kind {
    fn of(name: &[u8]) -> Self {
        let is_cgi = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        if name.is_empty() || !name.iter().all(is_cgi) || DROPPED.contains(&name) {
            return Self::Dropped;
        }
        if let Some(index) = NOTED.iter().position(|noted| noted.as_bytes() == name) {
            return Self::Noted(index);
        }
        match name {
            b"HTTP_COOKIE" => Self::Header("; "),
            _ if name.starts_with(b"HTTP_") => Self::Header(","),
            _ => Self::Plain,
        }
    }
}

fn join(environ: &Bound<'_, PyDict>, key: &Bound<'_, PyString>, separator: &str, value: &[u8]) -> PyResult<()> {
    let py = environ.py();
    let before = environ.get_item(key)?.map_or_else(|| Ok(String::new()), |before| before.extract::<String>())?;
    let joined = [&before, separator, &latin1::decode(value)].concat();
    environ.set_item(key, PyString::new(py, &joined))
}

fn without_port(host: &[u8]) -> &[u8] {
    let colon = host.iter().rposition(|byte| *byte == b':');
    match colon {
        Some(colon) if host[colon + 1..].iter().all(u8::is_ascii_digit) => {
            let name = &host[..colon];
            let is_bare_v6 = name.contains(&b':') && !name.ends_with(b"]");
            if is_bare_v6 || name.is_empty() { host } else { name }
        }
        _ => host,
    }
}

fn advise_mount() {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        log::warn!(
            "Apache split the path by the files in its document root; it was joined again into PATH_INFO. \
             Set mount to the application's prefix (mount = \"\" for the root of the site) to say where it is"
        );
    }
}

const SCRIPT_NAME: usize = 0;
const PATH_INFO: usize = 1;
const REQUEST_URI: usize = 2;
const QUERY_STRING: usize = 3;
const SERVER_NAME: usize = 4;
const SERVER_PORT: usize = 5;
const SERVER_ADDR: usize = 6;
const SERVER_PROTOCOL: usize = 7;
const SERVER_SOFTWARE: usize = 8;
const HTTPS: usize = 9;
const REQUEST_SCHEME: usize = 10;
const HTTP_HOST: usize = 11;
const REMOTE_USER: usize = 12;
const AUTH_TYPE: usize = 13;
const CONTENT_LENGTH: usize = 14;
/// Variables that are looked at, at the indices above.
const NOTED: [&str; 15] = [
    "SCRIPT_NAME",
    "PATH_INFO",
    "REQUEST_URI",
    "QUERY_STRING",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_ADDR",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
    "HTTPS",
    "REQUEST_SCHEME",
    "HTTP_HOST",
    "REMOTE_USER",
    "AUTH_TYPE",
    "CONTENT_LENGTH",
];
/// Headers that would lie (CONTENT_LENGTH and CONTENT_TYPE have their own variables, the body is de-chunked), that belong to
/// the connection between browser and web server, or that programs mistake for the environment's (httpoxy).
const DROPPED: &[&[u8]] = &[
    b"HTTP_PROXY",
    b"HTTP_CONTENT_LENGTH",
    b"HTTP_CONTENT_TYPE",
    b"HTTP_TRANSFER_ENCODING",
    b"HTTP_EXPECT",
    b"HTTP_CONNECTION",
    b"HTTP_KEEP_ALIVE",
    b"HTTP_PROXY_CONNECTION",
    b"HTTP_TE",
    b"HTTP_TRAILER",
    b"HTTP_UPGRADE",
];
const MAX_NAMES: usize = 1024;
const MAX_REMEMBERED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_names_lose_their_port() {
        for (host, expected) in [
            ("example.com:8080", "example.com"),
            ("example.com", "example.com"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
            ("example.com:", "example.com"),
        ] {
            assert_eq!(without_port(host.as_bytes()), expected.as_bytes(), "{host}");
        }
    }

    #[test]
    fn what_would_lie_is_dropped() {
        for name in ["HTTP_PROXY", "HTTP_TE", "wsgi.input", "proxy-nokeepalive", "HTTP_X.DOT!BANG", "", "http_x"] {
            assert_eq!(Kind::of(name.as_bytes()), Kind::Dropped, "{name}");
        }
        assert_eq!(Kind::of(b"HTTP_X_FORWARDED_FOR"), Kind::Header(","));
        assert_eq!(Kind::of(b"REMOTE_ADDR"), Kind::Plain);
    }
}
