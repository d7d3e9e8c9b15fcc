//! What an administrator says about a pool, and what it means. Owns the table of options and their texts; refuses to know how any
//! of them is carried out.
//!
//! What was typed is a [`Layer`] per source, text with its [`Origin`]; what it means is one [`Config`]. Of the sources the command
//! line is strongest, then `PYFCGID_*` variables, then the file, then the defaults. A stronger source replaces a list as a whole;
//! only of `env` it replaces the names it has.
//!
//! Relative paths on the command line and in the environment start from the current directory; those in a file from the file's
//! directory, so that a configuration works wherever it is started from. With `chdir`, a relative application file and
//! `python-path` start from that directory, since they are what Python sees. In a [`Config`] every path is absolute.

mod app;
mod error;
mod errors_to;
mod file;
mod layer;
mod listen_address;
mod mount;
mod remote_user;
mod setting;
mod table;
pub mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

pub use app::{App, AppSource};
pub use error::{EX_CONFIG, EX_USAGE, Error};
pub use errors_to::ErrorsTo;
pub use layer::{Environment, Item, Layer, Origin, split_text};
pub use listen_address::ListenAddress;
pub use mount::Mount;
pub use remote_user::RemoteUser;
pub use setting::{Fallback, Group, Kind, Scope, Setting, Text};
pub use table::SETTINGS;
pub use value::ValueError;

/// The settings of one pool, valid and complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The pool's name: that of its table in the file, else its application's.
    pub name: String,
    /// The application. Its file is absolute.
    pub app: App,
    /// Where to listen. Invariant: not empty, nothing twice, Unix paths absolute.
    pub listen: Vec<ListenAddress>,
    /// Workers, 1 to 1024.
    pub threads: usize,
    /// Where in the site's paths the application is.
    pub mount: Mount,
    /// When REMOTE_USER reaches the application.
    pub remote_user: RemoteUser,
    /// Where `wsgi.errors` and tracebacks go.
    pub errors: ErrorsTo,
    /// Connections that may wait to be accepted, 1 to 65,535.
    pub backlog: u32,
    /// Permission bits of Unix sockets, at most 0o777.
    pub socket_mode: u32,
    /// Connections open at once, at least 1.
    pub max_connections: usize,
    /// The virtual environment's directory.
    pub venv: Option<PathBuf>,
    /// Directories before all others on `sys.path`.
    pub python_path: Vec<PathBuf>,
    /// The directory the application runs in; `None` leaves it where it is.
    pub chdir: Option<PathBuf>,
    /// Environment variables for the application. Invariant: no name twice, none empty.
    pub env: Vec<(String, String)>,
    /// Bytes of FCGI_PARAMS of one request.
    pub max_params_size: usize,
    /// Pairs of FCGI_PARAMS of one request.
    pub max_params: usize,
    /// Bytes of one request's body; `u64::MAX` is no limit.
    pub max_body_size: u64,
    /// Bytes of a body kept in memory; more goes to a temporary file.
    pub body_memory: usize,
    /// Requests that may wait for a worker, at least 1.
    pub max_queue: usize,
    /// How long a kept connection may have no request; `None` is for ever.
    pub idle_timeout: Option<Duration>,
    /// How long a peer may send nothing inside a request or after connecting, or take nothing of an answer; `None` is for ever.
    pub socket_timeout: Option<Duration>,
    /// How long running requests may go on after a stop.
    pub graceful_timeout: Duration,
    /// What is logged.
    pub log_level: LevelFilter,
    origins: BTreeMap<&'static str, Origin>,
}

impl Config {
    /// Puts together what the command line, the environment and the file say. `flags` comes from the command line.
    ///
    /// # Errors
    /// The first value or key that is wrong, an unreadable file, or no application.
    pub fn load(flags: Layer, environment: Environment<'_>, file: Option<&Path>) -> Result<Self, Error> {
        let in_file = file.map(file::read).transpose()?.unwrap_or_default();
        let layers = [flags, layer::environment_layer(environment)?, in_file.settings, layer::default_layer(environment)?];
        let app = layers.iter().find_map(|layer| layer.get("app")).and_then(|items| items.first());
        let Some(app) = app else {
            return Err(Error::NoApp { file: file.map(Path::to_owned) });
        };
        Self::resolve(app, in_file.pool, &layers)
    }

    /// A pool of this application where everything else is the default.
    ///
    /// # Errors
    /// When the text is no application.
    pub fn for_app(app: &str) -> Result<Self, Error> {
        let flags = Layer::from([("app", vec![Item { text: app.to_owned(), origin: Origin::Flag }])]);
        Self::load(flags, &|_| None, None)
    }

    /// Where the value of the option `key` was typed.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    fn resolve(app: &Item, name: Option<String>, layers: &[Layer]) -> Result<Self, Error> {
        let parsed = App::parse(&app.text).map_err(|reason| bad_value("app", app, reason))?;
        let mut config = Self::unset(name.unwrap_or_else(|| parsed.pool_name()), parsed);
        // What `chdir` says decides what relative paths of other settings mean.
        let (first, rest): (Vec<_>, Vec<_>) = SETTINGS.iter().partition(|setting| setting.name == "chdir");
        for setting in first.into_iter().chain(rest) {
            config.apply(setting, layers)?;
        }
        Ok(config)
    }

    fn apply(&mut self, setting: &'static Setting, layers: &[Layer]) -> Result<(), Error> {
        let mut found: Vec<_> = layers.iter().filter_map(|layer| layer.get(setting.name)).collect();
        let Some(strongest) = found.first() else {
            return Ok(());
        };
        if let Some(item) = strongest.first() {
            self.origins.insert(setting.name, item.origin.clone());
        }
        if setting.kind != Kind::Pairs {
            found.truncate(1);
        }
        for item in found.into_iter().rev().flatten() {
            let text = Text { text: &item.text, base: item.origin.base() };
            (setting.set)(self, text).map_err(|reason| bad_value(setting.name, item, reason))?;
        }
        Ok(())
    }

    /// Where a relative path that Python sees starts from.
    fn python_base<'a>(&'a self, base: &'a Path) -> &'a Path {
        self.chdir.as_deref().unwrap_or(base)
    }

    /// Nothing set but the application; only for [`Self::resolve`], which sets every field from the defaults at least.
    fn unset(name: String, app: App) -> Self {
        Self {
            name,
            app,
            listen: Vec::new(),
            threads: 0,
            mount: Mount::Auto,
            remote_user: RemoteUser::Authenticated,
            errors: ErrorsTo::Log,
            backlog: 0,
            socket_mode: 0,
            max_connections: 0,
            venv: None,
            python_path: Vec::new(),
            chdir: None,
            env: Vec::new(),
            max_params_size: 0,
            max_params: 0,
            max_body_size: 0,
            body_memory: 0,
            max_queue: 0,
            idle_timeout: None,
            socket_timeout: None,
            graceful_timeout: Duration::ZERO,
            log_level: LevelFilter::Info,
            origins: BTreeMap::new(),
        }
    }
}

/// The effective settings as a file that [`Config::load`] reads as the same ones, each with where it comes from.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_scope(f, Scope::Global)?;
        writeln!(f, "\n[pool.{}]", file::quote_key(&self.name))?;
        self.write_scope(f, Scope::Pool)
    }
}

impl Config {
    fn write_scope(&self, f: &mut fmt::Formatter<'_>, scope: Scope) -> fmt::Result {
        for setting in SETTINGS.iter().filter(|setting| setting.scope == scope) {
            match file::assignment(setting, &(setting.show)(self)) {
                Some(line) => writeln!(f, "{line:COMMENT_COLUMN$} # {}", self.origin(setting.name))?,
                None => writeln!(f, "{:COMMENT_COLUMN$} # not set", format!("# {}", setting.name))?,
            }
        }
        Ok(())
    }
}

fn bad_value(key: &'static str, item: &Item, reason: ValueError) -> Error {
    Error::BadValue { origin: item.origin.clone(), key, value: item.text.clone(), reason }
}

fn absolute(base: &Path, path: &Path) -> Result<PathBuf, ValueError> {
    std::path::absolute(base.join(path)).map_err(|error| ValueError::new(format!("has no absolute path: {error}")))
}

/// Where the comments of [`Config`]'s text start, if the line is not longer.
const COMMENT_COLUMN: usize = 36;
