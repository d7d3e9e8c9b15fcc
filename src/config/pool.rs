use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::Level;

use super::layer::{Item, Layers, Origins};
use super::setting::{Field, Text};
use super::{
    App, AppLog, Config, Error, ErrorsTo, Interpreter, ListenAddress, LogTarget, Mount, OnAbort, Origin, Processes, RemoteUser,
    Role, SETTINGS, Setting, ValueError, file,
};
use shared::network::Network;
use shared::settings;

/// The settings of one pool, valid and complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The pool's name: that of its table in the file, else its application's.
    pub name: String,
    /// The application. Its file is absolute.
    pub app: App,
    /// Where to listen. Invariant: not empty, nothing twice, Unix paths absolute.
    pub listen: Vec<ListenAddress>,
    /// How many processes it has.
    pub processes: Processes,
    /// Workers of each process, 1 to 1024.
    pub threads: usize,
    /// Where in the site's paths the application is.
    pub mount: Mount,
    /// When REMOTE_USER reaches the application.
    pub remote_user: RemoteUser,
    /// Where `wsgi.errors` and tracebacks go.
    pub errors: ErrorsTo,
    /// How what the application prints and writes to `wsgi.errors` is written to the log.
    pub app_log: AppLog,
    /// The level of what it writes to stdout.
    pub stdout_level: Level,
    /// The level of what it writes to stderr.
    pub stderr_level: Level,
    /// What becomes of a running application when the web server gives its request up.
    pub abort: OnAbort,
    /// What the application may be asked to be. Invariant: not empty, none twice.
    pub roles: Vec<Role>,
    /// The header of a response that makes the web server send a file instead of its body; `None` if it knows none.
    pub sendfile_header: Option<String>,
    /// Connections that may wait to be accepted, 1 to 65,535.
    pub backlog: u32,
    /// Permission bits of Unix sockets, at most 0o777.
    pub socket_mode: u32,
    /// The user that owns Unix sockets, by name or number; `None` leaves it to whom makes them.
    pub socket_owner: Option<String>,
    /// The group of Unix sockets, by name or number; `None` leaves it to whom makes them.
    pub socket_group: Option<String>,
    /// Connections open at once in a process, at least 1.
    pub max_connections: usize,
    /// Who may connect over TCP; `None` is everybody.
    pub allowed_clients: Option<Vec<Network>>,
    /// The Python program that is named.
    pub python: Option<PathBuf>,
    /// The virtual environment's directory.
    pub venv: Option<PathBuf>,
    /// The Python that it runs in, by what is named and what is there; `None` if there is none.
    pub interpreter: Option<Interpreter>,
    /// Directories before all others on `sys.path`.
    pub python_path: Vec<PathBuf>,
    /// The directory the application runs in; `None` leaves it where it is.
    pub chdir: Option<PathBuf>,
    /// Whether the application gets no environment variables but those that a login has, and those that are named.
    pub clear_env: bool,
    /// The names of variables that it gets nevertheless; one that ends in `*` is the beginning of names.
    pub pass_env: Vec<String>,
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
    /// Bytes of memory for all requests of a process that are not complete.
    pub uploads_memory: usize,
    /// The path of probes, which pyfcgid answers itself; none by default.
    pub ping_path: Option<String>,
    /// Requests that may wait for a worker of a process, at least 1.
    pub max_queue: usize,
    /// Requests after which a process is replaced, at least 1; `None` is never.
    pub max_requests: Option<u64>,
    /// At most so many requests are added to `max_requests` by chance. Invariant: less than `max_requests`, if that is set.
    pub max_requests_jitter: u64,
    /// Bytes of resident memory above which a process is replaced; `None` is no limit.
    pub max_rss: Option<u64>,
    /// How long a process may take until it is ready. Invariant: not zero.
    pub startup_timeout: Duration,
    /// How long a kept connection may have no request; `None` is for ever.
    pub idle_timeout: Option<Duration>,
    /// How long a peer may send nothing inside a request or after connecting, or take nothing of an answer; `None` is for ever.
    pub socket_timeout: Option<Duration>,
    /// How long running requests may go on after a stop, or in a process that is replaced.
    pub graceful_timeout: Duration,
    /// After how long a process is replaced; `None` is never.
    pub max_lifetime: Option<Duration>,
    /// The user the application runs as, by name or number; `None` is whoever starts pyfcgid.
    pub user: Option<String>,
    /// The group the application runs in, by name or number; `None` is that of the user.
    pub group: Option<String>,
    /// Further groups, by name or number, maybe none; `None` are those the user is in. Invariant: `None` without a user.
    pub supplementary_groups: Option<Vec<String>>,
    /// Permission bits that files of the application do not get, at most 0o777.
    pub umask: u32,
    /// What becomes the root of the application's file system. The other paths are then inside it.
    pub chroot: Option<PathBuf>,
    /// Whether the application is kept from gaining privileges, as by set-user-ID programs.
    pub no_new_privs: bool,
    /// Where its log goes, if not where the others' do.
    pub log: Option<LogTarget>,
    /// Where its access log goes, if not where the others' do; nowhere if that is `None` again.
    pub access_log: Option<Option<LogTarget>>,
    origins: Origins,
}

impl Pool {
    /// Fails when `other` listens where this pool does.
    pub(super) fn refuse_address_of(&self, other: &Self) -> Result<(), Error> {
        let is_taken = |address: &&ListenAddress| self.listen.iter().any(|taken| taken.is_taken_by(address));
        other.listen.iter().find(is_taken).map_or(Ok(()), |address| Err(Error::same_address(address, self, other)))
    }

    /// Whether it has a log or an access log of its own.
    pub fn has_own_logs(&self) -> bool {
        self.log.is_some() || self.access_log.is_some()
    }

    /// Where its log goes.
    pub fn log_in<'a>(&'a self, config: &'a Config) -> &'a LogTarget {
        self.log.as_ref().unwrap_or(&config.log)
    }

    /// Where its access log goes; `None` is nowhere.
    pub fn access_log_in<'a>(&'a self, config: &'a Config) -> Option<&'a LogTarget> {
        self.access_log.as_ref().unwrap_or(&config.access_log).as_ref()
    }

    /// Where the value of the option `key` was typed.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// What its processes are told.
    pub fn of_processes(&self, config: &Config) -> settings::Pool {
        let is_tcp = |address: &&ListenAddress| matches!(address, ListenAddress::Tcp { .. });
        settings::Pool {
            name: self.name.clone(),
            app: self.app.clone(),
            addresses: self.listen.iter().filter(|address| !is_tcp(address)).map(ToString::to_string).collect(),
            processes: self.processes.max,
            threads: self.threads,
            mount: self.mount.clone(),
            remote_user: self.remote_user,
            errors: self.errors,
            app_log: self.app_log,
            stdout_level: self.stdout_level,
            stderr_level: self.stderr_level,
            abort: self.abort,
            roles: self.roles.clone(),
            sendfile_header: self.sendfile_header.clone(),
            max_connections: self.max_connections,
            allowed_clients: self.allowed_clients.clone(),
            python_path: self.python_path.clone(),
            searches_beside_file: self.chdir.is_none() && self.python_path.is_empty(),
            max_params_size: self.max_params_size,
            max_params: self.max_params,
            max_body_size: self.max_body_size,
            body_memory: self.body_memory,
            uploads_memory: self.uploads_memory,
            ping_path: self.ping_path.clone(),
            max_queue: self.max_queue,
            max_requests: self.max_requests,
            max_requests_jitter: self.max_requests_jitter,
            startup_timeout: self.startup_timeout,
            idle_timeout: self.idle_timeout,
            socket_timeout: self.socket_timeout,
            graceful_timeout: self.graceful_timeout,
            access_log_format: self.access_log_in(config).map(|_| config.access_log_format.clone()),
        }
    }

    /// Of this application, with these values. `name` is that of its table.
    pub(super) fn resolve(app: &Item, name: Option<&str>, layers: Layers<'_>) -> Result<Self, Error> {
        let parsed = App::parse(&app.text).map_err(|reason| app.refused("app", reason))?;
        let mut pool = Self::unset(name.map_or_else(|| parsed.pool_name(), str::to_owned), parsed);
        // What `chdir` says decides what relative paths of other settings mean.
        let (first, rest): (Vec<_>, Vec<_>) = SETTINGS.iter().partition(|setting| setting.name == "chdir");
        for setting in first.into_iter().chain(rest) {
            pool.apply(setting, layers)?;
        }
        pool.check(layers)?;
        Ok(pool)
    }

    fn apply(&mut self, setting: &'static Setting, layers: Layers<'_>) -> Result<(), Error> {
        match setting.field {
            Field::Pool { set, .. } => layers.apply(setting, set, self, |target| &mut target.origins),
            Field::Both { set_own, .. } => self.apply_own(setting, set_own, layers.of_table(setting)),
            Field::Global { .. } => Ok(()),
        }
    }

    /// What its table says, and nothing stronger.
    fn apply_own(
        &mut self,
        setting: &'static Setting,
        set: fn(&mut Self, Text<'_>) -> Result<(), ValueError>,
        (items, counts): (&[Item], bool),
    ) -> Result<(), Error> {
        for item in items {
            let mut changed = self.clone();
            set(&mut changed, Text::of(item)).map_err(|reason| item.refused(setting.name, reason))?;
            if counts {
                changed.origins.insert(setting.name, item.origin.clone());
                *self = changed;
            }
        }
        Ok(())
    }

    /// What single values cannot show.
    fn check(&self, layers: Layers<'_>) -> Result<(), Error> {
        self.check_jitter(layers)?;
        self.check_groups(layers.strongest("supplementary-groups"))
    }

    fn check_jitter(&self, layers: Layers<'_>) -> Result<(), Error> {
        let Some(item) = layers.first("max-requests-jitter") else {
            return Ok(());
        };
        let refuse = |reason: String| Err(item.refused("max-requests-jitter", ValueError::new(reason)));
        let jitter = self.max_requests_jitter;
        match self.max_requests {
            Some(most) if jitter >= most => refuse(format!("must be less than {}", item.origin.spell("max-requests"))),
            // With a 0 that was typed the jitter may stay: it is set again some time.
            None if jitter > 0 && self.origin("max-requests") == Origin::Default => refuse(without(item, "max-requests")),
            _ => Ok(()),
        }
    }

    fn check_groups(&self, typed: &[Item]) -> Result<(), Error> {
        let refuse = |item: &Item, reason: String| Err(item.refused("supplementary-groups", ValueError::new(reason)));
        let alone = typed.iter().find(|item| matches!(item.text.as_str(), OWN_GROUPS | NO_GROUPS));
        match (alone, typed) {
            (Some(word), [_, _, ..]) => refuse(word, "must stand alone".to_owned()),
            (_, [item, ..]) if self.supplementary_groups.is_some() && self.user.is_none() => {
                refuse(item, without(item, "user"))
            }
            _ => Ok(()),
        }
    }

    #[cfg(test)]
    pub(super) fn forget_origins(&mut self) {
        self.origins.clear();
        self.interpreter = None; // It knows who has said so, too.
    }

    /// Where a relative path that Python sees starts from.
    pub(super) fn python_base<'a>(&'a self, base: &'a Path) -> &'a Path {
        self.chdir.as_deref().unwrap_or(base)
    }

    /// Nothing set but the application; only for [`Self::resolve`], which sets every field from the defaults at least.
    fn unset(name: String, app: App) -> Self {
        Self {
            name,
            app,
            listen: Vec::new(),
            processes: Processes { min: 1, max: 1 },
            threads: 0,
            mount: Mount::Auto,
            remote_user: RemoteUser::Authenticated,
            errors: ErrorsTo::Log,
            app_log: AppLog::Decorated,
            stdout_level: Level::Info,
            stderr_level: Level::Warn,
            abort: OnAbort::Continue,
            roles: Vec::new(),
            sendfile_header: None,
            backlog: 0,
            socket_mode: 0,
            socket_owner: None,
            socket_group: None,
            max_connections: 0,
            allowed_clients: None,
            python: None,
            venv: None,
            interpreter: None,
            python_path: Vec::new(),
            chdir: None,
            clear_env: true,
            pass_env: Vec::new(),
            env: Vec::new(),
            max_params_size: 0,
            max_params: 0,
            max_body_size: 0,
            body_memory: 0,
            uploads_memory: 0,
            ping_path: None,
            max_queue: 0,
            max_requests: None,
            max_requests_jitter: 0,
            max_rss: None,
            startup_timeout: Duration::ZERO,
            idle_timeout: None,
            socket_timeout: None,
            graceful_timeout: Duration::ZERO,
            max_lifetime: None,
            user: None,
            group: None,
            supplementary_groups: None,
            umask: 0,
            chroot: None,
            no_new_privs: true,
            log: None,
            access_log: None,
            origins: Origins::new(),
        }
    }
}

/// Its table in a file, each value with where it comes from.
impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[pool.{}]", file::quote_key(&self.name))?;
        for setting in SETTINGS {
            match setting.field {
                Field::Pool { show, .. } => file::write_line(f, setting, &show(self), &self.origin(setting.name))?,
                Field::Both { show_own, .. } if self.origins.contains_key(setting.name) => {
                    file::write_line(f, setting, &show_own(self), &self.origin(setting.name))?;
                }
                Field::Both { .. } | Field::Global { .. } => {}
            }
        }
        Ok(())
    }
}

/// Why an option that goes with the option `key` makes no sense.
fn without(item: &Item, key: &str) -> String {
    format!("means nothing without {}: set that too", item.origin.spell(key))
}

/// Instead of groups: those that the user is in.
pub(super) const OWN_GROUPS: &str = "own";
/// Instead of groups: that there are none.
pub(super) const NO_GROUPS: &str = "none";

#[cfg(test)]
mod tests {
    use super::super::{Config, Layer};
    use super::*;

    fn load(typed: &[(&'static str, &str)]) -> Result<Pool, String> {
        let mut flags = Layer::new();
        for (name, text) in [("app", "blog")].iter().chain(typed) {
            flags.entry(*name).or_default().push(Item { text: (*text).to_owned(), origin: Origin::Flag });
        }
        Config::load(&flags, &|_| None, None).map(|mut config| config.pools.remove(0)).map_err(|error| error.to_string())
    }

    #[test]
    fn zero_is_never_where_a_process_would_be_replaced() {
        let names = ["max-requests", "max-requests-jitter", "max-rss", "max-lifetime"];
        let pool = load(&names.map(|name| (name, "0"))).unwrap();
        assert_eq!((pool.max_requests, pool.max_requests_jitter, pool.max_rss, pool.max_lifetime), (None, 0, None, None));
        let pool = load(&[("max-requests", "200"), ("max-requests-jitter", "199"), ("max-rss", "1G")]).unwrap();
        assert_eq!((pool.max_requests, pool.max_requests_jitter, pool.max_rss), (Some(200), 199, Some(1 << 30)));
    }

    #[test]
    fn values_that_make_no_sense_together_are_refused() {
        for (typed, told) in [
            (
                &[("max-requests", "5"), ("max-requests-jitter", "5")][..],
                "--max-requests-jitter \"5\": must be less than --max-requests",
            ),
            (
                &[("max-requests-jitter", "5")],
                "--max-requests-jitter \"5\": means nothing without --max-requests: set that too",
            ),
            (&[("supplementary-groups", "a")], "--supplementary-groups \"a\": means nothing without --user: set that too"),
            (
                &[("supplementary-groups", "none")],
                "--supplementary-groups \"none\": means nothing without --user: set that too",
            ),
            (
                &[("max-requests", "9"), ("max-requests-jitter", "2"), ("supplementary-groups", "a")],
                "--supplementary-groups \"a\": means nothing without --user: set that too",
            ),
            (&[("max-rss", "300")], "--max-rss \"300\": must be at least 1M, or 0: a number alone is bytes, 300M is megabytes"),
            (&[("startup-timeout", "0")], "--startup-timeout \"0\": must be more than 0"),
        ] {
            assert_eq!(load(typed).unwrap_err(), told);
        }
        assert!(load(&[("max-requests", "0"), ("max-requests-jitter", "5")]).is_ok(), "switched off for once");
    }

    #[test]
    fn the_other_option_is_named_as_it_is_typed_there() {
        let jitter = |name: &str| (name == "PYFCGID_MAX_REQUESTS_JITTER").then(|| "5".into());
        let flags = Layer::from([("app", vec![Item { text: "blog".to_owned(), origin: Origin::Flag }])]);
        let error = Config::load(&flags, &jitter, None).unwrap_err().to_string();
        assert!(error.ends_with(": means nothing without PYFCGID_MAX_REQUESTS: set that too"), "{error}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[pool.blog]\nmax-requests-jitter = 5\n").unwrap();
        let error = Config::load(&flags, &|_| None, Some(file.path())).unwrap_err().to_string();
        assert!(
            error.ends_with(":2: max-requests-jitter = \"5\": means nothing without max-requests: set that too"),
            "{error}"
        );
    }

    #[test]
    fn supplementary_groups_are_the_users_own_or_none_or_those_named() {
        let groups = |typed: &[&str]| {
            let typed = typed.iter().map(|name| ("supplementary-groups", *name));
            load(&[("user", "www-data")].into_iter().chain(typed).collect::<Vec<_>>()).map(|pool| pool.supplementary_groups)
        };
        assert_eq!((groups(&[]), groups(&["own"]), groups(&["none"])), (Ok(None), Ok(None), Ok(Some(vec![]))));
        assert_eq!(groups(&["ssl-cert", "44"]), Ok(Some(vec!["ssl-cert".to_owned(), "44".to_owned()])));
        assert_eq!(groups(&["a", "none"]).unwrap_err(), "--supplementary-groups \"none\": must stand alone");
        for typed in [&["own", "a"][..], &["none", "a"], &["a", "own"], &["none", "none"]] {
            assert!(groups(typed).unwrap_err().contains("must stand alone"), "{typed:?}");
        }
    }

    #[test]
    fn what_cannot_be_an_account_is_refused() {
        for name in ["user", "group", "socket-owner", "socket-group"] {
            for text in ["", "a b", "www-data:www-data", "/bin/sh", "a\0"] {
                assert!(load(&[(name, text)]).unwrap_err().contains("must be a name or a number"), "{name} {text}");
            }
            assert!(load(&[(name, "33")]).is_ok() && load(&[(name, "DOMAIN\\ada.b-c_d$")]).is_ok(), "{name}");
        }
    }
}
