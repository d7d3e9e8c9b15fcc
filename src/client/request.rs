//! What is sent before the body: the variables that a stock nginx would send.

use super::body::{Body, Input};
use super::{Error, Options, split_once};
use crate::config;
use fastcgi_codec::{RequestId, Role, encoder};
use shared::http;

/// The one request of the connection.
pub(super) const REQUEST_ID: RequestId = RequestId::new(1);

/// BEGIN_REQUEST and FCGI_PARAMS. `port` is the port of this end.
pub(super) fn encode_head(options: &Options, input: &Input, port: Option<u16>) -> Result<Vec<u8>, Error> {
    let variables = variables(options, input, port);
    let pairs = variables.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    let mut out = Vec::new();
    encoder::encode_begin_request(&mut out, REQUEST_ID, Role::from(options.role.number()), false);
    encoder::encode_params(&mut out, REQUEST_ID, pairs).map_err(Error::Params)?;
    Ok(out)
}

type Pair = (Vec<u8>, Vec<u8>);

fn variables(options: &Options, input: &Input, port: Option<u16>) -> Vec<Pair> {
    let mut variables = cgi_variables(options, input.stdin.as_ref().map(|body| body.length), port);
    if options.role == config::Role::Authorizer {
        variables.retain(|(name, _)| !NOT_FOR_AUTHORIZERS.contains(&name.as_slice()));
    }
    variables.extend(input.data.as_ref().map(file_variables).into_iter().flatten());
    variables.extend(header_variables(options));
    variables.retain(|(name, _)| !options.params.iter().any(|(replaced, _)| replaced == name));
    variables.extend(options.params.iter().cloned());
    variables
}

/// What a filter is told of its file (FastCGI 1.0 §6.4).
fn file_variables(file: &Body) -> impl Iterator<Item = Pair> {
    let table = [("FCGI_DATA_LENGTH", Some(file.length)), ("FCGI_DATA_LAST_MOD", file.modified)];
    table.into_iter().filter_map(|(name, value)| Some((name.as_bytes().to_owned(), value?.to_string().into_bytes())))
}

fn cgi_variables(options: &Options, body_length: Option<u64>, port: Option<u16>) -> Vec<Pair> {
    let (raw_path, query) = split_once(&options.path, b'?').unwrap_or((&options.path, b""));
    let path = http::decode_path(raw_path);
    let form = if body_length.is_some() { FORM } else { "" };
    let content_type = header(options, "content-type").unwrap_or(form.as_bytes());
    let length = body_length.map(|length| length.to_string()).unwrap_or_default();
    let content_length = header(options, "content-length").unwrap_or(length.as_bytes());
    let port = port.unwrap_or_default().to_string();
    let table: [(&str, &[u8]); 19] = [
        ("QUERY_STRING", query),
        ("REQUEST_METHOD", &options.method),
        ("CONTENT_TYPE", content_type),
        ("CONTENT_LENGTH", content_length),
        ("SCRIPT_NAME", b""),
        ("PATH_INFO", &path),
        ("REQUEST_URI", &options.path),
        ("DOCUMENT_URI", &path),
        ("SERVER_PROTOCOL", b"HTTP/1.1"),
        ("REQUEST_SCHEME", b"http"),
        ("GATEWAY_INTERFACE", b"CGI/1.1"),
        ("SERVER_SOFTWARE", SOFTWARE.as_bytes()),
        ("REMOTE_ADDR", b"127.0.0.1"),
        ("REMOTE_PORT", port.as_bytes()),
        ("SERVER_ADDR", b"127.0.0.1"),
        ("SERVER_PORT", b"80"),
        ("SERVER_NAME", b"localhost"),
        ("REDIRECT_STATUS", b"200"),
        ("DOCUMENT_ROOT", b"/"),
    ];
    table.iter().map(|(name, value)| (name.as_bytes().to_owned(), value.to_vec())).collect()
}

/// A pair for each header, the usual ones first unless they were typed, and none for an empty one.
fn header_variables(options: &Options) -> Vec<Pair> {
    let usual = [("Host", "localhost"), ("User-Agent", SOFTWARE)];
    let usual = usual.iter().filter(|(name, _)| header(options, name).is_none());
    let usual = usual.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let typed = options.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    let typed = typed.filter(|(name, value)| !value.is_empty() && !CONTENT.iter().any(|own| name.eq_ignore_ascii_case(own)));
    usual.chain(typed).map(|(name, value)| (variable_name(name), value.to_owned())).collect()
}

fn header<'a>(options: &'a Options, name: &str) -> Option<&'a [u8]> {
    let found = options.headers.iter().rfind(|(typed, _)| typed.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(_, value)| value.as_slice())
}

fn variable_name(header: &[u8]) -> Vec<u8> {
    let name = header.iter().map(|byte| if *byte == b'-' { b'_' } else { byte.to_ascii_uppercase() });
    b"HTTP_".iter().copied().chain(name).collect()
}

const FORM: &str = "application/x-www-form-urlencoded";
const SOFTWARE: &str = concat!("pyfcgid/", env!("CARGO_PKG_VERSION"));
/// What an authorizer is not asked with (FastCGI 1.0 §6.3): it is not about a resource yet.
const NOT_FOR_AUTHORIZERS: [&[u8]; 3] = [b"CONTENT_LENGTH", b"PATH_INFO", b"SCRIPT_NAME"];
/// The headers that have variables of their own.
const CONTENT: [&[u8]; 2] = [b"content-type", b"content-length"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::parse;

    fn sent(typed: &[(&str, &str)]) -> Vec<(String, String)> {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let options = parse(typed).unwrap();
        let variables = variables(&options, &Input::open(&options).unwrap(), Some(4711));
        variables.into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn values<'a>(sent: &'a [(String, String)], name: &str) -> Vec<&'a str> {
        sent.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    #[test]
    fn a_path_is_decoded_once_and_the_uri_stays_as_typed() {
        let sent = sent(&[("path", "/a%20b%2525%zz%4?x=%20&y=?")]);
        assert_eq!(values(&sent, "PATH_INFO"), ["/a b%25%zz%4"]);
        assert_eq!(values(&sent, "SCRIPT_NAME"), [""]);
        assert_eq!(values(&sent, "REQUEST_URI"), ["/a%20b%2525%zz%4?x=%20&y=?"]);
        assert_eq!(values(&sent, "QUERY_STRING"), ["x=%20&y=?"]);
        assert_eq!(values(&sent, "REQUEST_METHOD"), ["GET"]);
        assert_eq!((values(&sent, "CONTENT_LENGTH"), values(&sent, "CONTENT_TYPE")), (vec![""], vec![""]));
        assert_eq!(values(&sent, "HTTP_HOST"), ["localhost"]);
        assert_eq!(values(&sent, "REMOTE_PORT"), ["4711"]);
    }

    #[test]
    fn a_body_is_a_form_that_is_posted_unless_headers_say_otherwise() {
        let plain = sent(&[("data", "a=1")]);
        assert_eq!(values(&plain, "REQUEST_METHOD"), ["POST"]);
        assert_eq!(values(&plain, "CONTENT_TYPE"), ["application/x-www-form-urlencoded"]);
        assert_eq!(values(&plain, "CONTENT_LENGTH"), ["3"]);
        let headers = [("header", "content-type: text/plain"), ("header", "Content-Length: 99")];
        let changed = sent(&[&[("data", "a=1"), ("method", "PUT")][..], &headers].concat());
        assert_eq!(values(&changed, "REQUEST_METHOD"), ["PUT"]);
        assert_eq!(values(&changed, "CONTENT_TYPE"), ["text/plain"]);
        assert_eq!(values(&changed, "CONTENT_LENGTH"), ["99"]);
        assert!(values(&changed, "HTTP_CONTENT_TYPE").is_empty());
    }

    #[test]
    fn headers_are_sent_once_each_and_params_win() {
        let headers = ["Host: example.org", "User-Agent:", "Cookie: a=1", "Cookie: b=2", "X-Two-Words:  y "];
        let params = ["SERVER_NAME=example.org", "HTTPS=on", "EMPTY=", "TWICE=1", "TWICE=2"];
        let sent = sent(&[headers.map(|text| ("header", text)), params.map(|text| ("param", text))].concat());
        assert_eq!(values(&sent, "HTTP_HOST"), ["example.org"]);
        assert!(values(&sent, "HTTP_USER_AGENT").is_empty());
        assert_eq!(values(&sent, "HTTP_COOKIE"), ["a=1", "b=2"]);
        assert_eq!(values(&sent, "HTTP_X_TWO_WORDS"), ["y"]);
        assert_eq!(values(&sent, "SERVER_NAME"), ["example.org"]);
        assert_eq!((values(&sent, "HTTPS"), values(&sent, "EMPTY")), (vec!["on"], vec![""]));
        assert_eq!(values(&sent, "TWICE"), ["1", "2"]);
    }

    #[test]
    fn an_authorizer_is_not_told_what_is_behind_it() {
        let sent = sent(&[("role", "authorizer")]);
        for name in ["CONTENT_LENGTH", "PATH_INFO", "SCRIPT_NAME", "FCGI_DATA_LENGTH"] {
            assert!(values(&sent, name).is_empty(), "{name}");
        }
        assert_eq!((values(&sent, "REQUEST_METHOD"), values(&sent, "REQUEST_URI")), (vec!["GET"], vec!["/"]));
    }

    #[test]
    fn a_filter_is_told_of_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "text").unwrap();
        let filter = ("role", "filter");
        let with_file = sent(&[filter, ("data-file", file.path().to_str().unwrap())]);
        assert_eq!(values(&with_file, "FCGI_DATA_LENGTH"), ["4"]);
        let modified: u64 = values(&with_file, "FCGI_DATA_LAST_MOD")[0].parse().unwrap();
        assert!(modified > 1_600_000_000, "{modified}");
        let without = sent(&[filter]);
        assert_eq!(values(&without, "FCGI_DATA_LENGTH"), ["0"]);
        assert!(values(&without, "FCGI_DATA_LAST_MOD").is_empty());
    }
}
