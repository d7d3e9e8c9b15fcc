//! FCGI_PARAMS become a PEP 3333 environ. Values are latin-1.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::latin1;
use crate::without_python::path::{self, Sent};
use connections::exchange::{Params, Refusal, Request, Role};
use shared::logging::codes;
use shared::settings::{Mount, PoolSettings, RemoteUser};

mod prototype;

use crate::without_python::request_ids::MadeId;
use prototype::{Found, Prototype};

/// Makes environs on one worker.
pub(super) struct EnvironBuilder<'py> {
    settings: Arc<PoolSettings>,
    /// What is the same in every environ.
    base: Bound<'py, PyDict>,
    prototype: Prototype<'py>,
}

/// What becomes of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It does not reach the application.
    Dropped,
    /// The last of several wins; an empty one is as good as none.
    Plain,
    /// A header of the browser: several are joined with commas.
    Header,
    /// The same with semicolons.
    Cookie,
    /// It is looked at before it is set.
    Noted,
}

/// The values of the variables that are looked at, in the order of [`FIXED`].
type Notes<'a> = [Option<&'a [u8]>; FIXED.len()];

impl<'py> EnvironBuilder<'py> {
    /// With these two in every environ.
    pub(super) fn new(
        py: Python<'py>,
        settings: &Arc<PoolSettings>,
        (file_wrapper, deadline): (&Bound<'py, PyAny>, &Bound<'py, PyAny>),
    ) -> PyResult<Self> {
        let base = PyDict::new(py);
        base.set_item("wsgi.version", (1, 0))?;
        base.set_item("wsgi.multithread", settings.threads > 1)?;
        base.set_item("wsgi.multiprocess", settings.processes > 1)?;
        base.set_item("wsgi.run_once", false)?;
        base.set_item("wsgi.input_terminated", true)?;
        base.set_item("wsgi.file_wrapper", file_wrapper)?;
        base.set_item("pyfcgid.deadline", deadline)?;
        // What belongs to one request alone has its place, so that setting it makes no dict grow.
        for name in ["wsgi.input", "wsgi.errors", "pyfcgid.request_id", "pyfcgid.aborted"] {
            base.set_item(PyString::intern(py, name), py.None())?;
        }
        let prototype = Prototype::new(&base, &FIXED)?;
        Ok(Self { settings: Arc::clone(settings), base, prototype })
    }

    /// The environ of a request, without the objects that belong to it alone; with the X-Request-ID that was made for it, if one was.
    pub(super) fn build(
        &mut self,
        request: &Request,
        made_id: Option<&MadeId>,
    ) -> PyResult<Result<Bound<'py, PyDict>, Refusal>> {
        // A peer that makes up names without end makes this start over, not grow.
        if self.prototype.count() > MAX_NAMES {
            self.prototype = Prototype::new(&self.base, &FIXED)?;
        }
        self.prototype.begin();
        let notes = self.take(&request.params)?;
        let sent = Sent {
            script_name: notes[SCRIPT_NAME].unwrap_or_default(),
            path_info: notes[PATH_INFO],
            request_uri: notes[REQUEST_URI].unwrap_or_default(),
            from_apache: notes[SERVER_SOFTWARE].is_some_and(|software| software.starts_with(b"Apache")),
        };
        // An authorizer is asked about any path of the site, and most web servers do not split it for one.
        let mount = if request.role == Role::Authorizer { &Mount::Auto } else { &self.settings.mount };
        let Some(split) = path::split(mount, sent) else {
            return Ok(Err(Refusal::OutsideMount));
        };
        if split.joined {
            advise_mount();
        }
        self.prototype.set(SCRIPT_NAME, &split.script_name)?;
        self.prototype.set(PATH_INFO, &split.path_info)?;
        self.set_server(&notes)?;
        self.set_rest(&notes, request.body.length())?;
        self.prototype.set(ROLE, role_name(request.role))?;
        let environ = self.prototype.finish()?;
        if let Some(id) = made_id {
            environ.set_item(intern!(self.base.py(), "HTTP_X_REQUEST_ID"), latin1::to_str(self.base.py(), id))?;
        }
        Ok(Ok(environ))
    }

    /// Sets the variables that need no look at others, and notes those that do.
    fn take<'a>(&mut self, params: &'a Params) -> PyResult<Notes<'a>> {
        let mut notes: Notes<'a> = [None; FIXED.len()];
        let mut before = START;
        for pair in params.pairs() {
            let Found { number, kind, is_same } = self.prototype.find(pair, before);
            match kind {
                Kind::Dropped => {}
                Kind::Plain if pair.value().is_empty() => {}
                Kind::Header | Kind::Cookie if self.prototype.has(number) => {
                    let separator = if kind == Kind::Cookie { "; " } else { "," };
                    self.prototype.append(number, separator, pair.value())?;
                }
                Kind::Plain | Kind::Header | Kind::Cookie if is_same => self.prototype.keep(number),
                Kind::Plain | Kind::Header | Kind::Cookie => self.prototype.set(number, pair.value())?,
                Kind::Noted => notes[number] = Some(pair.value()),
            }
            before = number;
        }
        Ok(notes)
    }

    /// Scheme, SERVER_NAME without its port, SERVER_PORT and SERVER_PROTOCOL: never empty.
    fn set_server(&mut self, notes: &Notes<'_>) -> PyResult<()> {
        let given = |index: usize| notes[index].filter(|value| !value.is_empty());
        let https = given(HTTPS).is_some_and(|value| value.eq_ignore_ascii_case(b"on") || value == b"1");
        let secure = https || given(REQUEST_SCHEME).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https"));
        self.prototype.set(URL_SCHEME, if secure { b"https" } else { b"http" })?;
        let host = given(SERVER_NAME).or(given(HTTP_HOST)).or(given(SERVER_ADDR)).unwrap_or(b"localhost");
        self.prototype.set(SERVER_NAME, without_port(host))?;
        let default_port: &[u8] = if secure { b"443" } else { b"80" };
        self.prototype.set(SERVER_PORT, given(SERVER_PORT).unwrap_or(default_port))?;
        self.prototype.set(SERVER_PROTOCOL, given(SERVER_PROTOCOL).unwrap_or(b"HTTP/1.0"))
    }

    fn set_rest(&mut self, notes: &Notes<'_>, length: u64) -> PyResult<()> {
        self.prototype.set(QUERY_STRING, notes[QUERY_STRING].unwrap_or_default())?;
        for index in [REQUEST_URI, SERVER_SOFTWARE, SERVER_ADDR, HTTPS, REQUEST_SCHEME, HTTP_HOST, AUTH_TYPE] {
            if let Some(value) = notes[index].filter(|value| !value.is_empty()) {
                self.prototype.set(index, value)?;
            }
        }
        if let Some(user) = notes[REMOTE_USER].filter(|user| !user.is_empty() && self.trusts_user(notes)) {
            self.prototype.set(REMOTE_USER, user)?;
        }
        if length > 0 || notes[CONTENT_LENGTH].is_some_and(|value| !value.is_empty()) {
            self.prototype.set(CONTENT_LENGTH, length.to_string().as_bytes())?;
        }
        Ok(())
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

impl Kind {
    fn of(name: &[u8]) -> Self {
        let is_cgi = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        if name.is_empty() || !name.iter().all(is_cgi) || DROPPED.contains(&name) {
            return Self::Dropped;
        }
        if FIXED.iter().any(|noted| noted.as_bytes() == name) {
            return Self::Noted;
        }
        match name {
            b"HTTP_COOKIE" => Self::Cookie,
            _ if name.starts_with(b"HTTP_") => Self::Header,
            _ => Self::Plain,
        }
    }
}

fn role_name(role: Role) -> &'static [u8] {
    match role {
        Role::Authorizer => b"authorizer",
        Role::Filter => b"filter",
        Role::Responder | Role::Other(_) => b"responder",
    }
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
            target: codes::PATH_GUESSED,
            "Apache split the path by the files in its document root; PATH_INFO was put back together. Set mount to the \
             application's prefix (mount = \"\" for the root of the site) to avoid the guess"
        );
    }
}

/// Before the first variable; also a variable without a name, which is dropped.
const START: usize = 0;
const SCRIPT_NAME: usize = 1;
const PATH_INFO: usize = 2;
const REQUEST_URI: usize = 3;
const QUERY_STRING: usize = 4;
const SERVER_NAME: usize = 5;
const SERVER_PORT: usize = 6;
const SERVER_ADDR: usize = 7;
const SERVER_PROTOCOL: usize = 8;
const SERVER_SOFTWARE: usize = 9;
const HTTPS: usize = 10;
const REQUEST_SCHEME: usize = 11;
const HTTP_HOST: usize = 12;
const REMOTE_USER: usize = 13;
const AUTH_TYPE: usize = 14;
const CONTENT_LENGTH: usize = 15;
const URL_SCHEME: usize = 16;
const ROLE: usize = 17;
/// Variables at the indices above: those that are looked at, and two that come of it.
const FIXED: [&str; 18] = [
    "",
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
    "wsgi.url_scheme",
    "fcgi.role",
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
        assert_eq!(Kind::of(b"HTTP_X_FORWARDED_FOR"), Kind::Header);
        assert_eq!(Kind::of(b"REMOTE_ADDR"), Kind::Plain);
    }
}
