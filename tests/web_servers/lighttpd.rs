//! lighttpd, which asks an authorizer before it serves a file.

use std::path::Path;

use crate::ports::reserve_port;
use crate::web_server::{Place, WebServer, find_program, is_root};

/// Serves the files of `public` to those whom the authorizer behind this FastCGI socket lets in.
#[track_caller]
pub(crate) fn start(socket: &Path, public: &Path) -> WebServer {
    let place = Place::new();
    let port = reserve_port();
    let user = if is_root() { "server.username = \"www-data\"\nserver.groupname = \"www-data\"\n" } else { "" };
    let (socket, public) = (socket.display(), public.display());
    let main = format!(
        "server.modules = ( \"mod_fastcgi\" )\nserver.bind = \"127.0.0.1\"\nserver.port = {port}\n{user}\
         server.document-root = \"{public}\"\n\
         fastcgi.server = ( \"/\" => (( \"socket\" => \"{socket}\", \"mode\" => \"authorizer\", \
         \"docroot\" => \"{public}\", \"check-local\" => \"disable\" )) )\n"
    );
    let main = place.write("lighttpd.conf", &main);
    let arguments = ["-D".as_ref(), "-f".as_ref(), main.as_os_str()].map(ToOwned::to_owned);
    WebServer::start(&find_program("lighttpd", "lighttpd"), arguments, place, port)
}
