//! What a pool's settings say, in the terms of an event loop.

use std::sync::Arc;

use shared::settings::PoolSettings;

use crate::access_log;
use crate::event_loop::{self, Probes, StatusPlace};
use crate::exchange::{Limits, Roles};
use crate::pool_status::PoolStatus;
use fastcgi_codec::{Role, SessionLimits};

/// For the event loop. Who asks for the status gets it from `status`.
pub fn of_loop(pool: &PoolSettings, status: Arc<PoolStatus>) -> event_loop::Settings {
    let session = told_limits(pool);
    let request = Limits {
        max_params_size: pool.max_params_size,
        max_params: pool.max_params,
        max_body_size: pool.max_body_size,
        body_memory: pool.body_memory,
        max_open_requests: MAX_REQUESTS_A_CONNECTION,
        roles: pool.roles.iter().fold(Roles::NONE, |roles, role| roles.with(Role::from(role.number()))),
    };
    event_loop::Settings {
        max_connections: pool.max_connections,
        idle_timeout: pool.idle_timeout,
        socket_timeout: pool.socket_timeout,
        queue_timeout: pool.queue_timeout,
        graceful_timeout: pool.graceful_timeout,
        max_requests: max_requests(pool),
        spread: pool.processes > 1,
        session,
        request,
        uploads_memory: pool.uploads_memory,
        answer_log: access_log::answer_log(pool),
        probes: probes(pool, status),
    }
}

fn probes(pool: &PoolSettings, status: Arc<PoolStatus>) -> Option<Probes> {
    let place = if pool.status_is_apart { StatusPlace::Apart } else { StatusPlace::Everywhere };
    Probes::new(pool.ping_path.as_deref(), pool.status_path.as_deref().map(|path| (path, place, status)))
}

/// For that of the queue process, which is never replaced and never has a worker.
pub fn of_queue_process(pool: &PoolSettings, status: Arc<PoolStatus>) -> event_loop::Settings {
    event_loop::Settings { max_requests: None, spread: true, ..of_loop(pool, status) }
}

/// What a peer may do at once without being refused or left to wait: connections to all processes together, and requests on one of
/// them, which is in one process.
fn told_limits(pool: &PoolSettings) -> SessionLimits {
    let connections = pool.max_connections.saturating_mul(pool.processes.max(1));
    let requests = pool.threads.saturating_add(pool.max_queue).min(MAX_REQUESTS_A_CONNECTION);
    let told = |count| u32::try_from(count).unwrap_or(u32::MAX);
    SessionLimits { max_conns: told(connections), max_reqs: told(requests) }
}

/// A different number for each process, so that not all are replaced at the same time.
fn max_requests(pool: &PoolSettings) -> Option<u64> {
    let jitter = match pool.max_requests_jitter {
        0 => 0,
        most => u64::from(std::process::id()).wrapping_mul(0x9E37_79B9_7F4A_7C15) % (most + 1),
    };
    pool.max_requests.map(|most| most + jitter)
}

/// Requests at once on one connection; what FCGI_MAX_REQS says. Bounds what answers that nobody reads can pile up.
const MAX_REQUESTS_A_CONNECTION: usize = 256;
