//! What an administrator says about pyfcgid and its pools, and what it means. Owns the table of options and their texts; refuses to
//! know how any of them is carried out.
//!
//! What was typed is a [`Layer`] per source, text with its [`Origin`]; what it means is one [`Config`] with its [`Pool`]s. Of the
//! sources the command line is strongest, then `PYFCGID_*` variables, then the file, then the defaults. A stronger source replaces
//! a list as a whole; only of `env` it replaces the names it has. What the command line and the environment say is for every pool.
//!
//! Relative paths on the command line and in the environment start from the current directory; those in a file from the file's
//! directory, so that a configuration works wherever it is started from. With `chdir`, a relative application file and
//! `python-path` start from that directory, since they are what Python sees. In a [`Config`] every path is absolute.

mod advice;
mod default_file;
mod env_file;
mod error;
mod file;
mod form;
mod interpreter;
mod layer;
mod limits;
pub mod links;
mod listen_address;
mod log_settings;
mod masking;
mod new_pool;
mod pool;
mod processes;
mod reader;
mod setting;
mod syntax;
mod table;
pub mod value;

use std::fmt;
use std::path::{Component, Path, PathBuf};

use shared::sys::directory;

use file::{File, Table};
use form::{file_path, optional};
use layer::{Layers, default_layer, environment_layer};
use masking::MASK;
use reader::Reader;

pub use advice::{Warning, foreign_option};
pub use default_file::{DEFAULT_FILE, DefaultFiles};
pub use env_file::{EnvFileError, parse_env_file};
pub use error::{EX_CONFIG, EX_USAGE, Error};
pub use interpreter::Interpreter;
pub use layer::{Environment, Item, Layer, Origin, split_text};
pub use listen_address::ListenAddress;
pub use new_pool::NewPool;
pub use processes::Processes;
pub use setting::{Fallback, Group, Kind, Scope, Setting};
pub use shared::settings::{
    App, AppLog, AppSource, ErrorsTo, Mount, OnAbort, PathTimeout, RemoteUser, Role, ValueError, nearest,
};
pub use syntax::Syntax;
pub use table::{Config, Pool, SETTINGS};

pub use crate::log_writer::{Facility, LogTarget};

impl Config {
    /// Puts together what the command line, the environment and the file say. `flags` comes from the command line.
    ///
    /// # Errors
    /// The first value or key that is wrong, what cannot be used together, an unreadable file, or no application.
    pub fn load(flags: &Layer, environment: Environment<'_>, file: Option<&Path>) -> Result<Self, Error> {
        let in_file = file.map(File::read).transpose()?.unwrap_or_default();
        Self::put_together(flags, environment, in_file, file)
    }

    /// What [`fmt::Display`] has shown, by another version perhaps.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn of_shown(text: &str, environment: Environment<'_>) -> Result<Self, Error> {
        let environment = |name: &str| environment(name).filter(|_| !name.starts_with("PYFCGID_"));
        Self::put_together(&Layer::new(), &environment, File::of_shown(text)?, None)
    }

    fn put_together(
        flags: &Layer,
        environment: Environment<'_>,
        mut in_file: File,
        file: Option<&Path>,
    ) -> Result<Self, Error> {
        let (variables, defaults) = (environment_layer(environment)?, default_layer(environment)?);
        let layers = |layer| Layers([flags, &variables, layer, &defaults]);
        let mut config = Self::resolve(layers(&in_file.settings))?;
        if in_file.pools.len() > 1 {
            refuse_for_several([flags, &variables], &in_file.pools)?;
        }
        let has_app = layers(&in_file.settings).first("app").is_some();
        if in_file.pools.is_empty() && (in_file.include.is_empty() || has_app) {
            in_file.pools.push(Table::default());
        }
        for table in &in_file.pools {
            let mut pool = load_pool(table, layers(&table.settings), file)?;
            pool.interpreter = Interpreter::of(&pool, environment);
            config.add(pool)?;
        }
        if config.pools.len() > 1 && config.origin("access-log-format") == Origin::Default {
            config.access_log_format.push_str(" $pool");
        }
        config.include = in_file.include;
        config.check_control_socket()?;
        Ok(config)
    }

    /// What [`fmt::Display`] shows, without what is likely a secret. A comment says so, if there is any.
    pub fn masked(&self) -> String {
        let (shown, plain) = (self.text(masking::masked), self.text(masking::plainly));
        if shown == plain {
            plain
        } else {
            format!("# {MASK} hides what may be a secret; the actual value is in effect\n{shown}")
        }
    }

    fn text(&self, shown: masking::Show) -> String {
        let line = |setting: &Setting| Some(file::line(setting, setting.of_process?(self), &self.origin(setting.name), shown));
        let lines: String = SETTINGS.iter().filter_map(line).collect();
        if self.pools.is_empty() {
            let patterns: Vec<_> = self.include.iter().map(|item| file::quote(&file::pattern(item))).collect();
            return format!("{lines}include = [{}]\n", patterns.join(", "));
        }
        self.pools.iter().fold(lines, |text, pool| text + "\n" + &pool.text(shown))
    }

    /// What to say while it has no pool, and what to do.
    pub fn without_pool(&self) -> Option<String> {
        let origin = self.include.first().filter(|_| self.pools.is_empty()).map(|item| &item.origin)?;
        let Origin::File { path, .. } = origin else {
            return None;
        };
        let patterns: Vec<&str> = self.include.iter().map(|item| item.text.as_str()).collect();
        let missing = self.include.iter().find_map(|item| missing_directory(path, &item.text));
        let missing =
            missing.map_or_else(String::new, |directory| format!(" (the directory {} does not exist)", directory.display()));
        let named = if path == Path::new(DEFAULT_FILE) { String::new() } else { format!(" -c {}", path.display()) };
        Some(format!(
            "no pool configured: {origin} includes {}, and no file there has a pool{missing}; write one with `pyfcgid new \
             NAME{named}`, then run `pyfcgid reload{named}`",
            patterns.join(", ")
        ))
    }

    /// The control socket, if it has a name of its own and not that of the PID file.
    pub fn own_control_socket(&self) -> Option<&Path> {
        self.control_socket.as_deref().filter(|_| self.origin("control-socket") != Origin::Default)
    }

    fn resolve(layers: Layers<'_>) -> Result<Self, Error> {
        let mut config = Self::read(&mut Reader::of_process(layers))?;
        if config.daemonize && config.origin("log") == Origin::Default {
            config.log = LogTarget::Syslog;
        }
        if config.control_socket_group.is_some() && config.origin("control-socket-mode") == Origin::Default {
            config.control_socket_mode = 0o660;
        }
        if config.control_socket.is_none() {
            config.control_socket = config.pid_file.as_deref().map(control_socket_beside);
        }
        Ok(config)
    }

    fn add(&mut self, pool: Pool) -> Result<(), Error> {
        let is_default = |pool: &Pool| pool.origin("listen") == Origin::Default;
        for other in self.pools.iter().filter(|other| !is_default(other) || !is_default(&pool)) {
            other.refuse_address_of(&pool)?;
        }
        self.pools.push(pool);
        Ok(())
    }

    /// Of several pools at most one may keep the default address; it is not [`Self::load`] that says so, since sockets that were
    /// inherited may take its place.
    ///
    /// # Errors
    /// When two pools listen on one address.
    pub fn check_addresses(&self) -> Result<(), Error> {
        let pairs =
            self.pools.iter().enumerate().flat_map(|(index, pool)| self.pools[..index].iter().map(move |other| (other, pool)));
        pairs.into_iter().try_for_each(|(other, pool)| other.refuse_address_of(pool))
    }

    /// This one, in which the pool of that name is as `other` has it; none if it has none.
    ///
    /// # Errors
    /// When it listens where another pool or the control socket does.
    pub fn with_pool_of(&self, other: &Self, name: &str) -> Result<Option<Self>, Error> {
        let Some(pool) = other.pools.iter().find(|pool| pool.name == name) else {
            return Ok(None);
        };
        let mut merged = self.clone();
        match merged.pools.iter_mut().find(|pool| pool.name == name) {
            Some(place) => *place = pool.clone(),
            None => merged.pools.push(pool.clone()),
        }
        merged.check_addresses()?;
        merged.check_control_socket()?;
        Ok(Some(merged))
    }

    /// Nobody listens where commands come in.
    fn check_control_socket(&self) -> Result<(), Error> {
        if let Some(path) = self.control_socket.as_deref()
            && let Some(pool) = self.pools.iter().find(|pool| pool.unix_sockets().any(|taken| taken == path))
        {
            let item = Item { text: path.display().to_string(), origin: self.origin("control-socket") };
            let reason = format!("is already an address of pool `{}` ({})", pool.name, pool.origin("listen"));
            return Err(item.refused("control-socket", ValueError::new(reason)));
        }
        Ok(())
    }
}

/// The effective settings as a file that [`Config::load`] reads as the same ones, each with where it comes from.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(masking::plainly))
    }
}

/// Where a running pyfcgid with this environment and file listens to commands, `None` if nowhere. Of the file only that is looked
/// at: whatever else is wrong in it must not keep anybody from stopping what runs.
///
/// # Errors
/// When the file cannot be read, one of the two values is wrong, or the file is no TOML and nothing is found.
pub fn supervisor_files(environment: Environment<'_>, file: Option<&Path>) -> Result<Option<SupervisorFiles>, Error> {
    let (in_file, mistake) = file.map(|path| file::read_leniently(path, &CONTROL_KEYS)).transpose()?.unwrap_or_default();
    let variables = CONTROL_KEYS.map(setting::variable);
    let environment = |name: &str| environment(name).filter(|_| variables.iter().any(|variable| variable == name));
    let (nothing, variables) = (Layer::new(), environment_layer(&environment)?);
    let mut reader = Reader::of_process(Layers([&nothing, &variables, &in_file, &nothing]));
    let [pid_file, socket] = CONTROL_KEYS.map(|key| reader.read(key, Kind::One, &optional(file_path())));
    let (pid_file, socket) = (pid_file?, socket?);
    match (socket.or_else(|| pid_file.as_deref().map(control_socket_beside)), mistake) {
        (None, Some(mistake)) => Err(mistake),
        (socket, _) => Ok(socket.map(|control_socket| SupervisorFiles { control_socket, pid_file })),
    }
}

/// The directory of the files that `pattern` in the file at `main` is to find, if it is not there.
fn missing_directory(main: &Path, pattern: &str) -> Option<PathBuf> {
    let directory = main.parent()?.join(Path::new(pattern).parent()?);
    let is_plain = !directory.to_string_lossy().contains(['*', '?', '[']);
    (is_plain && !directory.is_dir()).then_some(directory)
}

/// Where a supervisor can be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupervisorFiles {
    /// Where it listens to commands.
    pub control_socket: PathBuf,
    /// What it has locked, as far as that is known.
    pub pid_file: Option<PathBuf>,
}

impl SupervisorFiles {
    /// Of a control socket that was named alone. A PID file may be beside it.
    pub fn of_socket(control_socket: PathBuf) -> Self {
        let pid_file = control_socket.to_str().and_then(|path| path.strip_suffix(CONTROL_SUFFIX)).map(PathBuf::from);
        Self { control_socket, pid_file }
    }

    /// Of a PID file that was named alone.
    pub fn of_pid_file(pid_file: PathBuf) -> Self {
        Self { control_socket: control_socket_beside(&pid_file), pid_file: Some(pid_file) }
    }
}

/// The control socket of a pyfcgid that has this PID file, and no other one named.
pub fn control_socket_beside(pid_file: &Path) -> PathBuf {
    let mut name = pid_file.as_os_str().to_owned();
    name.push(CONTROL_SUFFIX);
    name.into()
}

fn load_pool(table: &Table, layers: Layers<'_>, file: Option<&Path>) -> Result<Pool, Error> {
    let no_app = || match (&table.name, &table.origin) {
        (Some(name), Some(origin)) => Error::Pool { name: name.clone(), origin: origin.clone(), fault: WITHOUT_APP },
        _ => Error::NoApp { file: file.map(Path::to_owned) },
    };
    Pool::resolve(layers.first("app").ok_or_else(no_app)?, table.name.as_deref(), layers)
}

/// What tells pools apart cannot be said once for all.
fn refuse_for_several(layers: [&Layer; 2], pools: &[Table]) -> Result<(), Error> {
    let typed = |key| layers.iter().find_map(|layer| layer.get(key)?.first());
    let Some((key, item)) = ["app", "listen"].into_iter().find_map(|key| Some((key, typed(key)?))) else { return Ok(()) };
    let names: Vec<_> = pools.iter().filter_map(|table| table.name.as_deref()).collect();
    let reason = format!("applies to one pool, but the file has {} ({}): set it there", names.len(), names.join(", "));
    Err(item.refused(key, ValueError::new(reason)))
}

fn absolute(base: &Path, path: &Path) -> Result<PathBuf, ValueError> {
    let path = base.join(path);
    if path.is_absolute() {
        return Ok(without_dots(&path));
    }
    let start = directory::of_start()
        .ok_or_else(|| ValueError::new("cannot be made absolute: the current directory no longer exists"))?;
    Ok(without_dots(&start.join(path)))
}

/// Takes `x/..` out where it means nothing: where `x` is a directory, and not a link to one elsewhere.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        let is_directory = || std::fs::symlink_metadata(&plain).is_ok_and(|found| found.is_dir());
        if component == Component::ParentDir && plain.file_name().is_some() && is_directory() {
            plain.pop();
        } else {
            plain.push(component);
        }
    }
    plain
}

/// What [`control_socket`] is made of.
const CONTROL_SUFFIX: &str = ".control";
const CONTROL_KEYS: [&str; 2] = ["pid-file", "control-socket"];
const WITHOUT_APP: &str = "has no application: add a line such as app = \"module:callable\"";
/// The key of the file that is no option.
const INCLUDE: &str = "include";

#[cfg(test)]
mod tests;
