//! Addresses as they are typed: where to listen, or to connect.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use super::ValueError;
use super::value::parse_digits;

/// Where connections come in, or where `pyfcgid request` connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A Unix socket by its path.
    Unix(PathBuf),
    /// A TCP address.
    Tcp {
        /// A name or an address, IPv6 without brackets; `*` is every address of the machine, IPv4 and IPv6.
        host: String,
        /// The port; 0 lets the system choose one.
        port: u16,
    },
    /// A socket that was inherited, already listening, by its number.
    Fd(i32),
}

impl ListenAddress {
    /// Parses `unix:/path`, `/path`, `host:port`, `[::1]:9000`, `:9000`, `*:9000` or `fd:3`. `unix:` takes a relative path too. A bare port is
    /// refused: to some servers it means this machine, to others the whole network, and FastCGI trusts whoever connects.
    ///
    /// # Errors
    /// For any other text.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        Self::parse_for(Purpose::Listen, text)
    }

    /// The same for somewhere to connect to: of the same forms, but that an inherited socket is none.
    ///
    /// # Errors
    /// For any other text.
    pub fn parse_to_connect(text: &str) -> Result<Self, ValueError> {
        Self::parse_for(Purpose::Connect, text)
    }

    fn parse_for(purpose: Purpose, text: &str) -> Result<Self, ValueError> {
        let is_path = ["/", "./", "../"].iter().any(|start| text.starts_with(start));
        if let Some(path) = text.strip_prefix("unix:").or(is_path.then_some(text)) {
            return parse_path(path);
        }
        match text.strip_prefix("fd:") {
            Some(number) if purpose == Purpose::Listen => parse_fd(number),
            Some(_) => Err(purpose.no_address()),
            None => parse_tcp(purpose, text),
        }
    }

    /// The path of a Unix socket.
    pub fn unix_path(&self) -> Option<&Path> {
        if let Self::Unix(path) = self { Some(path) } else { None }
    }

    /// Whether others than this machine may reach it; of a name that is taken to be so, but for `localhost`.
    pub(super) fn is_beyond_this_machine(&self) -> bool {
        match self {
            Self::Unix(_) | Self::Fd(_) => false,
            Self::Tcp { host, .. } => {
                let address = host.split('%').next().unwrap_or(host).parse::<IpAddr>();
                address.map_or(host != "localhost", |address| !address.to_canonical().is_loopback())
            }
        }
    }

    /// Whether something that listens here leaves no room for `other`: the same socket, or one of all addresses of the machine.
    pub(super) fn is_taken_by(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp { host, port }, Self::Tcp { host: other_host, port: other_port }) => {
                port == other_port && *port != 0 && (host == other_host || host == EVERY_ADDRESS || other_host == EVERY_ADDRESS)
            }
            _ => self == other,
        }
    }

    /// The same with a relative socket path taken from `base`.
    pub(super) fn below(self, base: &Path) -> Result<Self, ValueError> {
        match self {
            Self::Unix(path) => Ok(Self::Unix(super::absolute(base, &path)?)),
            other => Ok(other),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Fd(number) => write!(f, "fd:{number}"),
        }
    }
}

fn parse_path(path: &str) -> Result<ListenAddress, ValueError> {
    if path.is_empty() || path.ends_with('/') || path.contains('\0') {
        return Err(ValueError::new("must be the path of a socket file, as in unix:/run/pyfcgid/blog.sock"));
    }
    Ok(ListenAddress::Unix(PathBuf::from(path)))
}

fn parse_fd(number: &str) -> Result<ListenAddress, ValueError> {
    let reason = || ValueError::new("must be fd: and the number of an inherited socket, as in fd:3");
    parse_digits(number).map(ListenAddress::Fd).ok_or_else(reason)
}

fn parse_tcp(purpose: Purpose, text: &str) -> Result<ListenAddress, ValueError> {
    let (host, port) = text.rsplit_once(':').ok_or_else(|| no_colon(purpose, text))?;
    let host = parse_host(host).ok_or_else(|| wrong_host(purpose, host))?;
    let port = parse_digits(port).ok_or_else(|| ValueError::new("must end in a port from 0 to 65535"))?;
    Ok(ListenAddress::Tcp { host, port })
}

fn parse_host(host: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']')?;
        let (ip, zone) = address.split_once('%').unwrap_or((address, "0"));
        return (ip.parse::<Ipv6Addr>().is_ok() && is_name(zone)).then(|| address.to_owned());
    }
    if host.is_empty() || host == "*" {
        return Some(EVERY_ADDRESS.to_owned());
    }
    let numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let valid = if numeric { host.parse::<Ipv4Addr>().is_ok() } else { is_name(host) };
    valid.then(|| host.to_owned())
}

fn is_name(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

fn wrong_host(purpose: Purpose, host: &str) -> ValueError {
    match host.parse::<Ipv6Addr>() {
        Ok(address) => ValueError::new(format!("must have an IPv6 address in brackets, as in [{address}]:9000")),
        Err(_) => purpose.no_address(),
    }
}

fn no_colon(purpose: Purpose, text: &str) -> ValueError {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return purpose.bare_port(text);
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return ValueError::new(format!("must have a port, as in {text}:9000"));
    }
    if text.contains('/') || [".sock", ".socket"].iter().any(|end| text.ends_with(end)) {
        return ValueError::new(format!("must start with ./ or unix: to be a socket file, as in ./{text} or unix:{text}"));
    }
    purpose.no_address()
}

/// What an address is for: advice names only what serves that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Listen,
    Connect,
}

impl Purpose {
    fn no_address(self) -> ValueError {
        ValueError::new(match self {
            Self::Listen => "must be an address such as 127.0.0.1:9000, [::1]:9000, :9000, unix:/run/app.sock or fd:3",
            Self::Connect => "must be an address such as 127.0.0.1:9000, [::1]:9000 or unix:/run/app.sock",
        })
    }

    fn bare_port(self, port: &str) -> ValueError {
        let every_address =
            if self == Self::Listen { format!(" for this machine only, :{port} for every address") } else { String::new() };
        ValueError::new(format!("must include an address: 127.0.0.1:{port}{every_address}"))
    }
}

const EVERY_ADDRESS: &str = "*";

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> ListenAddress {
        ListenAddress::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn every_form_of_address_is_understood_and_shown_in_one_form() {
        let unix = |path: &str| ListenAddress::Unix(PathBuf::from(path));
        let table = [
            ("127.0.0.1:9000", tcp("127.0.0.1", 9000), "127.0.0.1:9000"),
            ("localhost:0", tcp("localhost", 0), "localhost:0"),
            ("app_1.example-host:65535", tcp("app_1.example-host", 65535), "app_1.example-host:65535"),
            ("[::1]:9000", tcp("::1", 9000), "[::1]:9000"),
            ("[fe80::1%eth0]:9000", tcp("fe80::1%eth0", 9000), "[fe80::1%eth0]:9000"),
            (":9000", tcp("*", 9000), "*:9000"),
            ("*:9000", tcp("*", 9000), "*:9000"),
            ("unix:/run/a.sock", unix("/run/a.sock"), "unix:/run/a.sock"),
            ("/run/a.sock", unix("/run/a.sock"), "unix:/run/a.sock"),
            ("unix:a.sock", unix("a.sock"), "unix:a.sock"),
            ("./a:1.sock", unix("./a:1.sock"), "unix:./a:1.sock"),
            ("fd:3", ListenAddress::Fd(3), "fd:3"),
        ];
        for (text, address, shown) in table {
            assert_eq!(ListenAddress::parse(text), Ok(address.clone()), "{text}");
            assert_eq!(address.to_string(), shown);
            assert_eq!(ListenAddress::parse(shown), Ok(address));
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_with_advice() {
        let table = [
            ("9000", "127.0.0.1:9000 for this machine only, :9000 for every address"),
            ("::1:9000", "in brackets, as in [::1]:9000"),
            ("localhost", "must be an address such as"),
            ("127.0.0.1", "must have a port, as in 127.0.0.1:9000"),
            ("", "must be an address such as"),
            ("tmp.sock", "as in ./tmp.sock or unix:tmp.sock"),
            ("run/tmp", "as in ./run/tmp or unix:run/tmp"),
            ("localhost:", "a port from 0 to 65535"),
            ("localhost:65536", "a port from 0 to 65535"),
            ("localhost:+80", "a port from 0 to 65535"),
            ("127.0.0.256:9000", "must be an address such as"),
            ("[::1:9000", "must be an address such as"),
            ("[fe80::1%]:9000", "must be an address such as"),
            ("a b:9000", "must be an address such as"),
            ("127.0.0.1:9000,127.0.0.1:9001", "must be an address such as"),
            ("unix:", "must be the path of a socket file"),
            ("/run/", "must be the path of a socket file"),
            ("fd:", "fd:3"),
            ("fd:-1", "fd:3"),
            ("fd:99999999999", "fd:3"),
        ];
        for (text, advice) in table {
            let error = ListenAddress::parse(text).unwrap_err().to_string();
            assert!(error.contains(advice), "{text}: {error}");
        }
    }

    #[test]
    fn where_to_connect_has_the_same_forms_but_no_descriptor_and_none_is_proposed() {
        for text in ["127.0.0.1:9000", "[::1]:9000", ":9000", "/run/a.sock", "./a.sock", "unix:a.sock"] {
            assert_eq!(ListenAddress::parse_to_connect(text), ListenAddress::parse(text), "{text}");
        }
        for (text, advice) in [
            ("fd:3", "must be an address such as 127.0.0.1:9000, [::1]:9000 or unix:/run/app.sock"),
            ("localhost", "must be an address such as 127.0.0.1:9000, [::1]:9000 or unix:/run/app.sock"),
            ("a b:1", "must be an address such as 127.0.0.1:9000, [::1]:9000 or unix:/run/app.sock"),
            ("127.0.0.1", "must have a port, as in 127.0.0.1:9000"),
            ("9000", "must include an address: 127.0.0.1:9000"),
            ("::1:9000", "must have an IPv6 address in brackets, as in [::1]:9000"),
        ] {
            assert_eq!(ListenAddress::parse_to_connect(text).unwrap_err().to_string(), advice, "{text}");
        }
    }
}
