//! Requests that take too long, each for another reason: what the browser, the log and the access log get, that those beside them are
//! answered whole, and that their workers come back. With the real binary, and behind real web servers.

#![cfg(feature = "module")]
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "web_servers/apache.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod apache;
#[path = "support/before.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod before;
#[path = "deadlines/counted.rs"]
mod counted;
#[path = "web_servers/digest.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod digest;
#[path = "deadlines/doors.rs"]
mod doors;
#[path = "deadlines/ends.rs"]
mod ends;
#[path = "deadlines/fronts.rs"]
mod fronts;
#[path = "deadlines/gil.rs"]
mod gil;
#[path = "web_servers/haproxy.rs"]
mod haproxy;
#[path = "web_servers/http.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod http;
#[path = "deadlines/late.rs"]
mod late;
#[path = "deadlines/limits.rs"]
mod limits;
#[path = "deadlines/lives.rs"]
mod lives;
#[path = "web_servers/nginx.rs"]
mod nginx;
#[path = "deadlines/pool.rs"]
mod pool;
#[path = "web_servers/ports.rs"]
mod ports;
#[path = "web_servers/shipped.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod shipped;
#[path = "supervisor/site.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod site;
mod support;
#[path = "deadlines/table.rs"]
mod table;
#[path = "web_servers/tls.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod tls;
#[path = "deadlines/waves.rs"]
mod waves;
#[path = "deadlines/ways.rs"]
mod ways;
#[path = "web_servers/web_server.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod web_server;
