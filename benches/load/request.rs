//! The bytes of a request: what nginx sends for a browser's request, or what the browser sends.

use fastcgi_codec::{ParamsError, RecordType, RequestId, Role, encoder};

use crate::options::{Options, Protocol, Reuse};

/// The request with this id; HTTP has no ids.
pub fn encode(options: &Options, id: u16) -> Result<Vec<u8>, ParamsError> {
    match options.protocol {
        Protocol::FastCgi => fastcgi(options, RequestId::new(id)),
        Protocol::Http => Ok(http(options)),
    }
}

const QUERY: &str = "page=2&sort=name";
const HOST: &str = "www.example.com";
const HEADERS: [(&str, &str); 8] = [
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Referer", "http://www.example.com/articles/"),
    ("Cookie", "sessionid=0123456789abcdef0123456789abcdef; theme=dark"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Cache-Control", "max-age=0"),
];
const BODY_TYPE: &str = "application/octet-stream";

fn fastcgi(options: &Options, id: RequestId) -> Result<Vec<u8>, ParamsError> {
    let mut out = Vec::new();
    encoder::encode_begin_request(&mut out, id, Role::Responder, options.reuse != Reuse::OneShot);
    let params = params(options);
    encoder::encode_params(&mut out, id, params.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))?;
    if let Some(body) = body(options).filter(|body| !body.is_empty()) {
        encoder::encode_stream(&mut out, RecordType::Stdin, id, &body);
    }
    encoder::encode_stream(&mut out, RecordType::Stdin, id, b"");
    Ok(out)
}

/// nginx's 28, as its fastcgi_params and a browser's headers make them.
fn params(options: &Options) -> Vec<(String, String)> {
    let (method, content_type) = method(options);
    let length = options.body.map(|length| length.to_string()).unwrap_or_default();
    let uri = format!("{}?{QUERY}", options.path);
    let fixed = [
        ("QUERY_STRING", QUERY),
        ("REQUEST_METHOD", method),
        ("CONTENT_TYPE", content_type),
        ("CONTENT_LENGTH", &length),
        ("SCRIPT_NAME", &options.path),
        ("REQUEST_URI", &uri),
        ("DOCUMENT_URI", &options.path),
        ("DOCUMENT_ROOT", "/var/www/html"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_SCHEME", "http"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("SERVER_SOFTWARE", "nginx/1.22.1"),
        ("REMOTE_ADDR", "192.0.2.17"),
        ("REMOTE_PORT", "51234"),
        ("REMOTE_USER", ""),
        ("SERVER_ADDR", "192.0.2.1"),
        ("SERVER_PORT", "80"),
        ("SERVER_NAME", HOST),
        ("REDIRECT_STATUS", "200"),
        ("HTTP_HOST", HOST),
    ];
    let fixed = fixed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    fixed.chain(HEADERS.iter().map(|(name, value)| (variable(name), (*value).to_owned()))).collect()
}

fn variable(header: &str) -> String {
    format!("HTTP_{}", header.to_uppercase().replace('-', "_"))
}

fn http(options: &Options) -> Vec<u8> {
    let (method, content_type) = method(options);
    let mut out = format!("{method} {}?{QUERY} HTTP/1.1\r\nHost: {HOST}\r\n", options.path);
    for (name, value) in HEADERS {
        out += &format!("{name}: {value}\r\n");
    }
    if let Some(length) = options.body {
        out += &format!("Content-Type: {content_type}\r\nContent-Length: {length}\r\n");
    }
    if options.reuse == Reuse::OneShot {
        out += "Connection: close\r\n";
    }
    let mut out = (out + "\r\n").into_bytes();
    out.extend(body(options).unwrap_or_default());
    out
}

fn method(options: &Options) -> (&'static str, &'static str) {
    if options.body.is_some() { ("POST", BODY_TYPE) } else { ("GET", "") }
}

/// Letters, so that a body looks like something.
fn body(options: &Options) -> Option<Vec<u8>> {
    options.body.map(|length| (b'a'..=b'z').cycle().take(length).collect())
}
