//! What of a pool's settings the bridge keeps to.

use shared::settings::{AppLog, Deadlines, ErrorsTo, Mount, OnAbort, PoolSettings, RemoteUser};

/// What the bridge is to keep to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where in the site's paths the application is.
    pub mount: Mount,
    /// When REMOTE_USER reaches the application.
    pub remote_user: RemoteUser,
    /// Where `wsgi.errors` and tracebacks go.
    pub errors: ErrorsTo,
    /// How the application's lines are written to the log.
    pub app_log: AppLog,
    /// Whether each request has an X-Request-ID.
    pub request_id: bool,
    /// What becomes of a running application when the web server gives its request up.
    pub abort: OnAbort,
    /// How long requests may take.
    pub deadlines: Deadlines,
    /// The header that makes the web server send a file instead of a body.
    pub sendfile_header: Option<String>,
    /// Whether there is a second worker in this process.
    pub multithread: bool,
    /// Whether there is a second process.
    pub multiprocess: bool,
}

impl Settings {
    /// Those of a pool.
    pub fn of(pool: &PoolSettings) -> Self {
        Self {
            mount: pool.mount.clone(),
            remote_user: pool.remote_user,
            errors: pool.errors,
            app_log: pool.app_log,
            request_id: pool.request_id,
            abort: pool.abort,
            deadlines: pool.deadlines.clone(),
            sendfile_header: pool.sendfile_header.clone(),
            multithread: pool.threads > 1,
            multiprocess: pool.processes > 1,
        }
    }
}
