//! Requests for which no worker has time: how many wait, in which order they are served, who is told 503 and how soon, and that none is
//! lost whatever happens to the processes meanwhile. With the real binary, and behind real web servers.

#![cfg(feature = "module")]
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "web_servers/apache.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod apache;
#[path = "support/before.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod before;
#[path = "waiting/crowd.rs"]
mod crowd;
#[path = "web_servers/digest.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod digest;
#[path = "waiting/disturbances.rs"]
mod disturbances;
#[path = "waiting/failing.rs"]
mod failing;
#[path = "waiting/fronts.rs"]
mod fronts;
#[path = "waiting/full.rs"]
mod full;
#[path = "waiting/given_up.rs"]
mod given_up;
#[path = "web_servers/haproxy.rs"]
mod haproxy;
#[path = "waiting/hog.rs"]
mod hog;
#[path = "web_servers/http.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod http;
#[path = "web_servers/nginx.rs"]
mod nginx;
#[path = "waiting/pieces.rs"]
mod pieces;
#[path = "web_servers/ports.rs"]
mod ports;
#[path = "waiting/probes.rs"]
mod probes;
#[path = "waiting/queue_process.rs"]
mod queue_process;
#[path = "waiting/retiring.rs"]
mod retiring;
#[path = "web_servers/shipped.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod shipped;
#[path = "supervisor/site.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod site;
#[path = "waiting/sleeping.rs"]
mod sleeping;
#[path = "waiting/status.rs"]
mod status;
mod support;
#[path = "waiting/timeouts.rs"]
mod timeouts;
#[path = "web_servers/tls.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod tls;
#[path = "waiting/turns.rs"]
mod turns;
#[path = "web_servers/web_server.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod web_server;
