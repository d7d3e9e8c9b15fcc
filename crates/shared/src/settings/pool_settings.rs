//! What the processes of a pool go by. Everything else about it is the supervisor's, and has been carried out before they begin.

use std::ffi::OsString;
use std::time::Duration;

use log::Level;
use serde::{Deserialize, Serialize};

use super::{App, AppLog, Deadlines, ErrorsTo, Mount, OnAbort, RemoteUser, Role};
use crate::network::Network;

/// The settings of one pool, as far as its processes need them. What they mean is said where they are typed, in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the option of that name")]
pub struct PoolSettings {
    pub name: String,
    pub app: App,
    /// The addresses of its Unix sockets and inherited ones, as they were typed. Those of TCP are known from the sockets.
    pub addresses: Vec<String>,
    /// The most that there may be.
    pub processes: usize,
    pub threads: usize,
    pub mount: Mount,
    pub remote_user: RemoteUser,
    pub errors: ErrorsTo,
    pub app_log: AppLog,
    pub stdout_level: Level,
    pub stderr_level: Level,
    pub request_id: bool,
    pub abort: OnAbort,
    pub roles: Vec<Role>,
    pub sendfile_header: Option<String>,
    pub max_connections: usize,
    pub allowed_clients: Option<Vec<Network>>,
    pub python_path: Vec<OsString>,
    /// Whether the directory of an application's file is where its modules are, since nothing else was said.
    pub searches_beside_file: bool,
    pub max_params_size: usize,
    pub max_params: usize,
    pub max_body_size: u64,
    pub body_memory: usize,
    pub uploads_memory: usize,
    pub ping_path: Option<String>,
    pub status_path: Option<String>,
    /// Whether that is answered where nothing but probes is, and nowhere else.
    pub status_is_apart: bool,
    pub max_queue: usize,
    pub queue_timeout: Option<Duration>,
    pub max_requests: Option<u64>,
    pub max_requests_jitter: u64,
    pub memory_limit: Option<u64>,
    /// Whether the system may write a core dump of it.
    pub dumps_core: bool,
    pub startup_timeout: Duration,
    pub idle_timeout: Option<Duration>,
    pub socket_timeout: Option<Duration>,
    pub graceful_timeout: Duration,
    pub deadlines: Deadlines,
    /// The format of its access log, if it has one. Valid.
    pub access_log_format: Option<String>,
    pub access_log_exclude: Vec<String>,
}
