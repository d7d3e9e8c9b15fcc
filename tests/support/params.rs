//! The parameters that a web server sends.

use super::record;

/// Variables of headers that web servers have acted on and may pass on all the same.
pub const ACTED_ON: [&str; 9] = [
    "HTTP_CONTENT_LENGTH",
    "HTTP_CONTENT_TYPE",
    "HTTP_TRANSFER_ENCODING",
    "HTTP_EXPECT",
    "HTTP_CONNECTION",
    "HTTP_KEEP_ALIVE",
    "HTTP_TE",
    "HTTP_TRAILER",
    "HTTP_UPGRADE",
];

/// An ordered list of name-value pairs; names may repeat.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(Vec<u8>, Vec<u8>)>);

impl Params {
    /// No pair at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// What nginx sends for a GET with its shipped `fastcgi_params`. `target` is the request target as typed.
    pub fn get(target: &str) -> Self {
        Self::nginx("GET", target)
    }

    /// What nginx sends for a POST with a body of `length` bytes.
    pub fn post(target: &str, length: usize) -> Self {
        let length = length.to_string();
        Self::nginx("POST", target)
            .set("CONTENT_TYPE", "application/octet-stream")
            .set("CONTENT_LENGTH", &length)
            .set("HTTP_CONTENT_TYPE", "application/octet-stream")
            .set("HTTP_CONTENT_LENGTH", &length)
    }

    /// nginx's 22 stock parameters for any method: the whole decoded path in SCRIPT_NAME, no PATH_INFO.
    pub fn nginx(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = percent_decode(path);
        Self::empty()
            .add("QUERY_STRING", query)
            .add("REQUEST_METHOD", method)
            .add("CONTENT_TYPE", "")
            .add("CONTENT_LENGTH", "")
            .add("SCRIPT_NAME", &path)
            .add("REQUEST_URI", target)
            .add("DOCUMENT_URI", &path)
            .add("DOCUMENT_ROOT", "/usr/share/nginx/html")
            .add("SERVER_PROTOCOL", "HTTP/1.1")
            .add("REQUEST_SCHEME", "http")
            .add("GATEWAY_INTERFACE", "CGI/1.1")
            .add("SERVER_SOFTWARE", "nginx/1.22.1")
            .add("REMOTE_ADDR", "127.0.0.1")
            .add("REMOTE_PORT", "40404")
            .add("REMOTE_USER", "")
            .add("SERVER_ADDR", "127.0.0.1")
            .add("SERVER_PORT", "8080")
            .add("SERVER_NAME", "localhost")
            .add("REDIRECT_STATUS", "200")
            .add("HTTP_HOST", "localhost:8080")
            .add("HTTP_USER_AGENT", "curl/7.88.1")
            .add("HTTP_ACCEPT", "*/*")
    }

    /// What Apache sends through `SetHandler proxy:...`: a client-made split of the path.
    pub fn apache(script_name: &str, path_info: &str) -> Self {
        let uri = format!("{script_name}{path_info}");
        Self::get(&uri)
            .set("SCRIPT_NAME", script_name)
            .set("PATH_INFO", path_info)
            .set("SERVER_SOFTWARE", "Apache/2.4.71 (Debian)")
            .set("SCRIPT_FILENAME", format!("proxy:fcgi://localhost/srv/www{script_name}"))
            .set("PATH_TRANSLATED", format!("/srv/www{path_info}"))
            .set("CONTEXT_DOCUMENT_ROOT", "/srv/www")
            .remove("DOCUMENT_URI")
            .remove("CONTENT_LENGTH")
            .remove("CONTENT_TYPE")
            .remove("REMOTE_USER")
    }

    /// The same with one more pair at the end, whether or not the name is there.
    pub fn add(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.0.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// The same with this name exactly once.
    pub fn set(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.remove(name.as_ref()).add(name, value)
    }

    /// The same without this name.
    pub fn remove(mut self, name: impl AsRef<[u8]>) -> Self {
        self.0.retain(|(known, _)| known != name.as_ref());
        self
    }

    /// The content of the PARAMS stream.
    pub fn encode(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(name, value)| record::pair(name, value)).collect()
    }
}

fn percent_decode(path: &str) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                rest = &tail[2..];
            }
            _ => {
                decoded.push(first);
                rest = tail;
            }
        }
    }
    decoded
}
