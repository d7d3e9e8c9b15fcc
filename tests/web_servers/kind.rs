//! The web servers that there are.

use crate::shipped::Shipped;
use crate::tls::Certificate;
use crate::web_server::{WebServer, is_left_out};
use crate::{apache, caddy, h2o, haproxy, lighttpd, nginx};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Apache,
    /// Apache with mod_fcgid, which starts pyfcgid itself.
    ModFcgid,
    Haproxy {
        threads: usize,
    },
    Lighttpd,
    Caddy,
    H2o,
}

impl Kind {
    /// Whether there is no such web server here, which is said.
    pub(crate) fn is_left_out(self) -> bool {
        self == Self::H2o && is_left_out("h2o")
    }

    /// Starts it with this file, whose port and static files are still the documented ones. nginx and Apache know HTTPS.
    #[track_caller]
    pub(crate) fn start(self, file: Shipped, public: &str, tls: Option<&Certificate>) -> WebServer {
        match self {
            Self::Nginx => nginx::start(file, public, tls),
            Self::Apache | Self::ModFcgid => apache::start(file, public, tls),
            Self::Haproxy { threads } => haproxy::start(file, threads),
            Self::Lighttpd => lighttpd::start(file, public),
            Self::Caddy => caddy::start(file, public),
            Self::H2o => h2o::start(file, public),
        }
    }
}
