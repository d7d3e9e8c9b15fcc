//! The response head: a status and headers as an application gives them, checked, to the CGI header block (RFC 3875 §6.2).

use thiserror::Error;

use super::reason;
use shared::http::is_token;

/// A checked head that has not been sent.
#[derive(Clone, Debug)]
pub struct Head {
    fields: Vec<u8>,
    status: Vec<u8>,
    code: u16,
    content_length: Option<u64>,
    status_place: StatusPlace,
    body_source: BodySource,
}

/// Who makes the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodySource {
    /// The application.
    #[default]
    Application,
    /// The web server, which sends a file that a header names.
    WebServer,
}

/// Where `Status` stands among the headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusPlace {
    /// Behind them: HAProxy 2.6 turns 201 with a later Location into 302.
    #[default]
    Last,
    /// Before them: lighttpd drops what an authorizer's answer has before a status that denies, WWW-Authenticate as well.
    First,
}

/// How many body bytes may follow a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRule {
    /// None: HEAD, 204 and 304.
    Nothing,
    /// None: the web server sends a file, and what the application has for a body is dropped without a word.
    Replaced,
    /// As many as Content-Length says.
    Exactly(u64),
    /// As many as come.
    Open,
}

/// A head that cannot be sent. The application's fault; the request gets a 500 if the application does not catch it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeadError {
    /// Not three digits, then perhaps a space and a reason.
    #[error("status must be three digits, a space and a reason, as in '200 OK', not {0:?}")]
    Status(String),
    /// 1xx is not a final answer.
    #[error("status {0} is not a final answer")]
    Interim(u16),
    /// CR, LF or NUL in the status or in a header.
    #[error("{0:?} has a CR, LF or NUL in it")]
    Control(String),
    /// Not an HTTP token.
    #[error("{0:?} is not a header name")]
    Name(String),
    /// A header that belongs to the connection between browser and web server.
    #[error("{0} is a hop-by-hop header, which an application may not set")]
    HopByHop(String),
    /// `Status` is how a CGI answer says its status.
    #[error("a header named Status would change the response's status")]
    StatusHeader,
    /// Content-Length is not a number, or two of them differ.
    #[error("Content-Length must be one number, not {0:?}")]
    ContentLength(String),
    /// More than fits in the one record a head must be in.
    #[error("the response head has {0} bytes, but at most 65535 are allowed")]
    TooLong(usize),
}

impl Head {
    /// Checks a status line such as `200 OK`. Where its reason is empty the standard one takes its place, if there is one.
    ///
    /// # Errors
    /// [`HeadError`] as its variants say.
    pub fn new(status: &[u8]) -> Result<Self, HeadError> {
        check_control(status)?;
        let (code, reason) = match status {
            [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', reason @ ..] if matches!(reason, [] | [b' ', ..]) => {
                (u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'), reason)
            }
            _ => return Err(HeadError::Status(text(status))),
        };
        if code < 200 {
            return Err(HeadError::Interim(code));
        }
        let is_empty = reason.iter().all(u8::is_ascii_whitespace);
        Ok(Self {
            fields: Vec::with_capacity(TYPICAL_LEN),
            status: if is_empty { reason::status(code) } else { status.to_vec() },
            code,
            content_length: None,
            status_place: StatusPlace::Last,
            body_source: BodySource::Application,
        })
    }

    /// Checks and appends a header.
    ///
    /// # Errors
    /// [`HeadError`] as its variants say; the head is then as it was.
    pub fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        if !is_token(name) {
            return Err(HeadError::Name(text(name)));
        }
        check_control(value)?;
        match special(name) {
            Some(Special::HopByHop) => return Err(HeadError::HopByHop(text(name))),
            Some(Special::Status) => return Err(HeadError::StatusHeader),
            Some(Special::ContentLength) => return self.push_content_length(value),
            None => self.append(name, value),
        }
        Ok(())
    }

    /// Puts `Status` where it is to stand.
    #[must_use]
    pub fn with_status(mut self, place: StatusPlace) -> Self {
        self.status_place = place;
        self
    }

    /// Says that a header of this head makes the web server send a file.
    pub fn replace_body(&mut self) {
        self.body_source = BodySource::WebServer;
    }

    /// Who makes the body.
    pub fn body_source(&self) -> BodySource {
        self.body_source
    }

    /// The number of the status.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Says how long the body is, if the application did not, and it is the application that makes one.
    pub fn set_content_length(&mut self, length: u64) {
        if self.content_length.is_none() && !self.forbids_body() && self.body_source == BodySource::Application {
            self.content_length = Some(length);
            self.append(b"Content-Length", length.to_string().as_bytes());
        }
    }

    /// The CGI header block, and what may follow it. What could not be encoded can be asked again.
    ///
    /// # Errors
    /// [`HeadError::TooLong`] if it does not fit in one record.
    pub fn encode(&mut self, head_only: bool) -> Result<(Vec<u8>, BodyRule), HeadError> {
        let length = self.fields.len() + self.status.len() + "Status: \r\n\r\n".len();
        if length > usize::from(u16::MAX) {
            return Err(HeadError::TooLong(length));
        }
        let mut bytes = std::mem::take(&mut self.fields);
        match self.status_place {
            StatusPlace::Last => append(&mut bytes, b"Status", &self.status),
            StatusPlace::First => {
                let fields = std::mem::take(&mut bytes);
                append(&mut bytes, b"Status", &self.status);
                bytes.extend_from_slice(&fields);
            }
        }
        bytes.extend_from_slice(b"\r\n");
        Ok((bytes, self.body_rule(head_only)))
    }

    /// How many body bytes may follow.
    pub fn body_rule(&self, head_only: bool) -> BodyRule {
        match self.content_length {
            _ if self.body_source == BodySource::WebServer => BodyRule::Replaced,
            _ if head_only || self.forbids_body() => BodyRule::Nothing,
            Some(length) => BodyRule::Exactly(length),
            None => BodyRule::Open,
        }
    }

    fn forbids_body(&self) -> bool {
        matches!(self.code, 204 | 304)
    }

    /// A repeated equal Content-Length is dropped; one on a 204 too, where RFC 9110 §8.6 forbids it.
    fn push_content_length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        let digits = value.trim_ascii();
        let parsed = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let length: u64 = parsed.and_then(|digits| digits.parse().ok()).ok_or_else(|| HeadError::ContentLength(text(value)))?;
        match self.content_length {
            Some(before) if before != length => return Err(HeadError::ContentLength(format!("{before}, {length}"))),
            None if self.code != 204 => self.append(b"Content-Length", digits),
            _ => {}
        }
        self.content_length = Some(length);
        Ok(())
    }

    fn append(&mut self, name: &[u8], value: &[u8]) {
        append(&mut self.fields, name, value);
    }
}

fn append(fields: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    fields.reserve(name.len() + value.len() + 4);
    fields.extend_from_slice(name);
    fields.extend_from_slice(b": ");
    fields.extend_from_slice(value);
    fields.extend_from_slice(b"\r\n");
}

#[derive(Clone, Copy)]
enum Special {
    HopByHop,
    Status,
    ContentLength,
}

/// Headers that need a look, told apart by length first because most headers are none of them.
fn special(name: &[u8]) -> Option<Special> {
    let candidates: &[(&[u8], Special)] = match name.len() {
        2 => &[(b"TE", Special::HopByHop)],
        6 => &[(b"Status", Special::Status)],
        7 => &[(b"Trailer", Special::HopByHop), (b"Upgrade", Special::HopByHop)],
        8 => &[(b"Trailers", Special::HopByHop)],
        10 => &[(b"Connection", Special::HopByHop), (b"Keep-Alive", Special::HopByHop)],
        14 => &[(b"Content-Length", Special::ContentLength)],
        16 => &[(b"Proxy-Connection", Special::HopByHop)],
        17 => &[(b"Transfer-Encoding", Special::HopByHop)],
        18 => &[(b"Proxy-Authenticate", Special::HopByHop)],
        19 => &[(b"Proxy-Authorization", Special::HopByHop)],
        _ => &[],
    };
    // Most spell it so.
    let is = |candidate: &[u8]| name == candidate || name.eq_ignore_ascii_case(candidate);
    candidates.iter().find(|(candidate, _)| is(candidate)).map(|(_, special)| *special)
}

fn check_control(bytes: &[u8]) -> Result<(), HeadError> {
    // Without an early end, so that many bytes are looked at at once.
    if bytes.iter().fold(false, |found, byte| found | matches!(byte, b'\r' | b'\n' | 0)) {
        return Err(HeadError::Control(text(bytes)));
    }
    Ok(())
}

/// For messages: latin-1, as the application gave it, and not longer than a line.
fn text(bytes: &[u8]) -> String {
    bytes.iter().take(100).map(|byte| char::from(*byte)).collect()
}

const TYPICAL_LEN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(status: &str, headers: &[(&str, &str)], head_only: bool) -> Result<(String, BodyRule), HeadError> {
        let mut head = Head::new(status.as_bytes())?;
        for (name, value) in headers {
            head.push(name.as_bytes(), value.as_bytes())?;
        }
        head.encode(head_only).map(|(bytes, rule)| (String::from_utf8(bytes).unwrap(), rule))
    }

    #[test]
    fn status_comes_last() {
        let (block, rule) = encoded("201 Created", &[("Location", "/x"), ("X-A", "1")], false).unwrap();
        assert_eq!(block, "Location: /x\r\nX-A: 1\r\nStatus: 201 Created\r\n\r\n");
        assert_eq!(rule, BodyRule::Open);
    }

    #[test]
    fn status_comes_first_where_that_is_asked() {
        let mut head = Head::new(b"401 Unauthorized").unwrap();
        head.push(b"WWW-Authenticate", b"Basic").unwrap();
        let (bytes, _) = head.with_status(StatusPlace::First).encode(false).unwrap();
        assert_eq!(bytes, b"Status: 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n");
    }

    #[test]
    fn a_status_without_a_reason_has_the_standard_one_or_none() {
        for (status, line) in [
            ("404", "Status: 404 Not Found\r\n\r\n"),
            ("404 ", "Status: 404 Not Found\r\n\r\n"),
            ("404 \t ", "Status: 404 Not Found\r\n\r\n"),
            ("299 ", "Status: 299\r\n\r\n"),
            ("404 Nothing", "Status: 404 Nothing\r\n\r\n"),
        ] {
            assert_eq!(encoded(status, &[], false).unwrap().0, line);
        }
    }

    #[test]
    fn a_status_line_is_checked() {
        for bad in ["", "20 OK", "200OK", "200\tOK", "2000 OK", "OK 200", "abc def", "099 Low"] {
            assert!(matches!(Head::new(bad.as_bytes()), Err(HeadError::Status(_))), "{bad:?}");
        }
        assert_eq!(Head::new(b"103 Early Hints").unwrap_err(), HeadError::Interim(103));
        assert!(matches!(Head::new(b"200 OK\r\nX: y"), Err(HeadError::Control(_))));
        assert!(Head::new(b"299 My Own Reason").is_ok());
    }

    #[test]
    fn crlf_and_nul_are_refused_in_values_and_odd_bytes_in_names() {
        let mut head = Head::new(b"200 OK").unwrap();
        for bad in ["a\rb", "a\nb", "a\0b", "a\r\nSet-Cookie: x"] {
            assert!(matches!(head.push(b"X-A", bad.as_bytes()), Err(HeadError::Control(_))), "{bad:?}");
        }
        for bad in ["", "a b", "a:b", "a\r\n", "ä"] {
            assert!(matches!(head.push(bad.as_bytes(), b"v"), Err(HeadError::Name(_))), "{bad:?}");
        }
    }

    #[test]
    fn hop_by_hop_headers_and_status_are_refused() {
        for bad in ["Connection", "keep-alive", "Transfer-Encoding", "TE", "Trailer", "Upgrade", "Proxy-Authenticate"] {
            assert!(matches!(encoded("200 OK", &[(bad, "x")], false), Err(HeadError::HopByHop(_))), "{bad}");
        }
        assert_eq!(encoded("200 OK", &[("STATUS", "404 Not Found")], false), Err(HeadError::StatusHeader));
    }

    #[test]
    fn content_length_is_one_number() {
        assert_eq!(encoded("200 OK", &[("Content-Length", "5")], false).unwrap().1, BodyRule::Exactly(5));
        let (block, _) = encoded("200 OK", &[("Content-Length", "5"), ("content-length", " 5")], false).unwrap();
        assert_eq!(block.matches("ontent-").count(), 1);
        for bad in ["", "-1", "+5", "5a", "5, 5", "99999999999999999999"] {
            assert!(
                matches!(encoded("200 OK", &[("Content-Length", bad)], false), Err(HeadError::ContentLength(_))),
                "{bad:?}"
            );
        }
        let differing = [("Content-Length", "5"), ("Content-Length", "6")];
        assert!(matches!(encoded("200 OK", &differing, false), Err(HeadError::ContentLength(_))));
    }

    #[test]
    fn a_refused_content_length_leaves_the_head_as_it_was() {
        let mut head = Head::new(b"200 OK").unwrap();
        head.push(b"Content-Length", b"5").unwrap();
        head.push(b"Content-Length", b"6").unwrap_err();
        let (block, rule) = head.encode(false).unwrap();
        assert_eq!((&block[..], rule), (&b"Content-Length: 5\r\nStatus: 200 OK\r\n\r\n"[..], BodyRule::Exactly(5)));
    }

    #[test]
    fn head_204_and_304_have_no_body() {
        assert_eq!(encoded("200 OK", &[("Content-Length", "5")], true).unwrap().1, BodyRule::Nothing);
        assert_eq!(encoded("304 Not Modified", &[], false).unwrap().1, BodyRule::Nothing);
        let (block, rule) = encoded("204 No Content", &[("Content-Length", "0")], false).unwrap();
        assert_eq!(rule, BodyRule::Nothing);
        assert_eq!(block, "Status: 204 No Content\r\n\r\n");
    }

    #[test]
    fn a_replaced_body_has_no_length_but_the_one_that_was_said() {
        let mut head = Head::new(b"200 OK").unwrap();
        head.push(b"X-Accel-Redirect", b"/files/x").unwrap();
        head.replace_body();
        head.set_content_length(3);
        assert_eq!(head.clone().encode(false).unwrap().1, BodyRule::Replaced);
        let (block, rule) = head.encode(true).unwrap();
        assert_eq!((&block[..], rule), (&b"X-Accel-Redirect: /files/x\r\nStatus: 200 OK\r\n\r\n"[..], BodyRule::Replaced));
    }

    #[test]
    fn a_length_is_added_only_where_none_was_said_and_a_body_may_be() {
        let mut head = Head::new(b"200 OK").unwrap();
        head.set_content_length(3);
        head.set_content_length(4);
        assert_eq!(
            head.encode(false).unwrap(),
            (b"Content-Length: 3\r\nStatus: 200 OK\r\n\r\n".to_vec(), BodyRule::Exactly(3))
        );
        let mut head = Head::new(b"304 Not Modified").unwrap();
        head.set_content_length(3);
        assert_eq!(head.encode(false).unwrap().0, b"Status: 304 Not Modified\r\n\r\n");
    }

    #[test]
    fn a_head_must_fit_in_one_record() {
        let value = "x".repeat(65_535 - "X: \r\nStatus: 200 OK\r\n\r\n".len());
        assert_eq!(encoded("200 OK", &[("X", &value)], false).unwrap().0.len(), 65_535);
        let value = value + "x";
        assert_eq!(encoded("200 OK", &[("X", &value)], false), Err(HeadError::TooLong(65_536)));
        // The reason that takes the place of an empty one counts.
        for status in ["200", "200 ", "200      "] {
            assert_eq!(encoded(status, &[("X", &value)], false), Err(HeadError::TooLong(65_536)));
        }
    }
}
