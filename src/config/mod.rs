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

mod advice;
mod app;
mod error;
mod errors_to;
mod file;
mod layer;
mod listen_address;
mod mount;
mod remote_user;
mod setting;
mod spelling;
mod table;
pub mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

pub use advice::foreign_option;
pub use app::{App, AppSource};
pub use error::{EX_CONFIG, EX_USAGE, Error};
pub use errors_to::ErrorsTo;
pub use layer::{Environment, Item, Layer, Origin, split_text};
pub use listen_address::ListenAddress;
pub use mount::Mount;
pub use remote_user::RemoteUser;
pub use setting::{Fallback, Group, Kind, Scope, Setting, Text};
pub use spelling::nearest;
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
    let path = std::path::absolute(base.join(path));
    path.map(|path| without_dots(&path)).map_err(|error| ValueError::new(format!("has no absolute path: {error}")))
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

/// Where the comments of [`Config`]'s text start, if the line is not longer.
const COMMENT_COLUMN: usize = 36;

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;

    use super::*;

    fn flags(typed: &[(&'static str, &str)]) -> Layer {
        let mut layer = Layer::new();
        for (name, text) in typed {
            layer.entry(*name).or_default().push(Item { text: (*text).to_owned(), origin: Origin::Flag });
        }
        layer
    }

    fn load(flags: Layer, environment: &[(&str, &str)], file: Option<&str>) -> Result<Config, Error> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("site.toml");
        if let Some(text) = file {
            fs::write(&path, text).unwrap();
        }
        let variable =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        Config::load(flags, &variable, file.map(|_| path.as_path()))
    }

    /// The error's text without the directory of the file.
    fn message(result: Result<Config, Error>) -> String {
        let text = result.unwrap_err().to_string();
        text.split_once("/site.toml").map_or(text.clone(), |(_, rest)| format!("site.toml{rest}"))
    }

    fn in_file(text: &str) -> Result<Config, Error> {
        load(Layer::new(), &[], Some(text))
    }

    #[test]
    fn an_app_alone_gets_the_documented_defaults() {
        let config = Config::for_app("blog.wsgi:app").unwrap();
        assert_eq!(config.name, "blog.wsgi");
        assert_eq!(config.listen, [ListenAddress::Tcp { host: "127.0.0.1".to_owned(), port: 9000 }]);
        assert_eq!((config.threads, config.backlog, config.socket_mode, config.max_connections), (4, 1024, 0o660, 10_000));
        assert_eq!((config.mount, config.remote_user, config.errors), (Mount::Auto, RemoteUser::Authenticated, ErrorsTo::Log));
        assert_eq!((config.venv, config.python_path, config.chdir, config.env), (None, vec![], None, vec![]));
        assert_eq!((config.max_params_size, config.max_params, config.max_queue), (128 << 10, 1000, 1024));
        assert_eq!((config.max_body_size, config.body_memory), (1 << 30, 128 << 10));
        assert_eq!(config.idle_timeout, Some(Duration::from_secs(3600)));
        assert_eq!(config.socket_timeout, Some(Duration::from_secs(60)));
        assert_eq!(config.graceful_timeout, Duration::from_secs(30));
        assert_eq!(config.log_level, LevelFilter::Info);
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let file = "[pool.blog]\napp = \"blog\"\nthreads = 2\nmax-queue = 20\nbacklog = 200\n";
        let environment = [("PYFCGID_THREADS", "3"), ("PYFCGID_MAX_QUEUE", "30")];
        let config = load(flags(&[("threads", "5")]), &environment, Some(file)).unwrap();
        assert_eq!((config.threads, config.max_queue, config.backlog, config.max_params), (5, 30, 200, 1000));
        assert_eq!(config.origin("threads"), Origin::Flag);
        assert_eq!(config.origin("max-queue"), Origin::Environment("PYFCGID_MAX_QUEUE".to_owned()));
        assert!(matches!(config.origin("backlog"), Origin::File { line: 5, .. }));
        assert_eq!(config.origin("max-params"), Origin::Default);
    }

    #[test]
    fn a_stronger_list_replaces_a_weaker_one_but_env_goes_name_by_name() {
        let file = "[pool.blog]\napp = \"blog\"\nlisten = [\":9001\", \":9002\"]\n[pool.blog.env]\nA = \"file\"\nB = \"file\"\nN = 1\n";
        let environment = [("PYFCGID_ENV", "B=environment,C=environment")];
        let typed =
            flags(&[("listen", ":9003"), ("listen", "unix:/run/b.sock"), ("env", "C=flag,still"), ("env", "C=flag,last")]);
        let config = load(typed, &environment, Some(file)).unwrap();
        assert_eq!(config.listen.iter().map(ToString::to_string).collect::<Vec<_>>(), ["*:9003", "unix:/run/b.sock"]);
        let env = |name: &str| config.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!((env("A"), env("B"), env("C"), env("N")), (Some("file"), Some("environment"), Some("flag,last"), Some("1")));
        assert_eq!(config.env.len(), 4);
    }

    #[test]
    fn the_environment_has_lists_and_its_empty_variables_count_as_absent() {
        let environment = [
            ("PYFCGID_APP", "shop:app"),
            ("PYFCGID_LISTEN", "127.0.0.1:9001, unix:/run/a.sock"),
            ("PYFCGID_PYTHON_PATH", "/a:/b,/c"),
            ("PYFCGID_THREADS", ""),
            ("PYFCGID_FACTORY", "yes"),
            ("PYFCGID_PORT", "tcp://10.0.0.1:80"),
            ("VIRTUAL_ENV", "/srv/venv"),
        ];
        let config = load(Layer::new(), &environment, None).unwrap();
        assert_eq!((config.name.as_str(), config.listen.len(), config.threads), ("shop", 2, 4));
        assert_eq!(config.python_path, ["/a", "/b", "/c"].map(PathBuf::from));
        assert_eq!(config.venv, Some(PathBuf::from("/srv/venv")));
        assert_eq!(config.origin("venv"), Origin::Environment("VIRTUAL_ENV".to_owned()));
        assert!(config.app.factory);
    }

    #[test]
    fn virtual_env_is_weaker_than_the_file() {
        let config = load(Layer::new(), &[("VIRTUAL_ENV", "/v")], Some("[pool.b]\napp = \"b\"\nvenv = \"/file\"\n")).unwrap();
        assert_eq!(config.venv, Some(PathBuf::from("/file")));
    }

    #[test]
    fn relative_paths_start_from_the_file_or_the_current_directory_or_chdir() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("site.toml");
        let here = std::env::current_dir().unwrap();
        fs::write(&path, "[pool.b]\napp = \"wsgi.py\"\nvenv = \"venv\"\nlisten = \"unix:b.sock\"\npython-path = \"lib:/x\"\n")
            .unwrap();
        let config = Config::load(Layer::new(), &|_| None, Some(&path)).unwrap();
        let below = |name: &str| directory.path().join(name);
        assert_eq!(config.app.source, AppSource::File(below("wsgi.py")));
        assert_eq!(config.venv, Some(below("venv")));
        assert_eq!(config.listen, [ListenAddress::Unix(below("b.sock"))]);
        assert_eq!(config.python_path, [below("lib"), PathBuf::from("/x")]);
        let config = Config::load(flags(&[("app", "./a.wsgi"), ("venv", "v")]), &|_| None, Some(&path)).unwrap();
        assert_eq!((config.app.source, config.venv), (AppSource::File(here.join("a.wsgi")), Some(here.join("v"))));
        let config = Config::load(flags(&[("chdir", "/srv/shop"), ("venv", "v")]), &|_| None, Some(&path)).unwrap();
        assert_eq!(config.app.source, AppSource::File(PathBuf::from("/srv/shop/wsgi.py")));
        assert_eq!(config.python_path, ["/srv/shop/lib", "/x"].map(PathBuf::from));
        assert_eq!((config.venv, config.listen), (Some(here.join("v")), vec![ListenAddress::Unix(below("b.sock"))]));
    }

    #[test]
    fn zero_switches_off_where_that_makes_sense() {
        let zeros = flags(&[
            ("app", "b"),
            ("idle-timeout", "0"),
            ("socket-timeout", "0s"),
            ("max-body-size", "0"),
            ("graceful-timeout", "0"),
        ]);
        let config = load(zeros, &[], None).unwrap();
        assert_eq!((config.idle_timeout, config.socket_timeout, config.max_body_size), (None, None, u64::MAX));
        assert_eq!(config.graceful_timeout, Duration::ZERO);
        for name in ["threads", "backlog", "max-connections", "max-queue", "max-params", "max-params-size"] {
            assert!(load(flags(&[("app", "b"), (name, "0")]), &[], None).is_err(), "{name}");
        }
    }

    #[test]
    fn a_mode_is_octal_in_the_file_too() {
        for typed in ["\"0640\"", "640", "0o640", "\"0o640\""] {
            let config = in_file(&format!("[pool.b]\napp = \"b\"\nsocket-mode = {typed}\n")).unwrap();
            assert_eq!(config.socket_mode, 0o640, "{typed}");
        }
    }

    #[test]
    fn what_is_shown_is_a_file_that_means_the_same() {
        let full = "log-level = \"debug\"\n[pool.\"b.c\"]\napp = \"/srv/a.py:make()\"\nlisten = [\"[::1]:1\", \"unix:/a b.sock\", \"fd:3\"]\n\
                    threads = 8\nmount = \"/x\"\nremote-user = \"never\"\nerrors = \"peer\"\nsocket-mode = \"0600\"\nvenv = \"/v\"\n\
                    python-path = [\"/a:b\"]\nchdir = \"/c\"\nenv = [\"A=\\\"1\\\"\", \"B=\"]\nmax-body-size = 0\nidle-timeout = 0\n\
                    socket-timeout = \"1m30s\"\nbody-memory = 1500\n";
        for text in [full, "[pool.b]\napp = \"b\"\nmount = \"\"\n"] {
            let config = in_file(text).unwrap();
            let shown = config.to_string();
            let mut again = in_file(&shown).unwrap_or_else(|error| panic!("{error}\n{shown}"));
            again.origins = config.origins.clone();
            assert_eq!(again, config);
            assert!(SETTINGS.iter().all(|setting| shown.contains(setting.name)), "{shown}");
        }
    }

    #[test]
    fn what_is_wrong_in_a_file_is_told_with_line_key_value_and_advice() {
        let table = [
            ("[pool.b]\napp = \"b\"\nthread = 8\n", "site.toml:3: unknown key `thread` = 8: did you mean `threads`?"),
            ("[pool.b]\nbind = \":1\"\n", "site.toml:2: unknown key `bind` = \":1\": did you mean `listen`?"),
            ("[pool.b]\nmax_queue = 1\n", "site.toml:2: unknown key `max_queue` = 1: did you mean `max-queue`?"),
            ("[pool.b]\nfrobnicate = 1\n", "site.toml:2: unknown key `frobnicate` = 1: the keys here are app, listen,"),
            ("\nfrobnicate = 1\n", "site.toml:2: unknown key `frobnicate` = 1: the keys here are log-level"),
            ("[pools.b]\napp = \"b\"\n", "site.toml:1: unknown key `pools`: did you mean a line such as [pool.blog]?"),
            ("[a]\napp = \"b\"\n", "site.toml:1: unknown key `a`: a pool's settings stand below a line such as [pool.a]"),
            (
                "[\"a/b\"]\napp = \"b\"\n",
                "site.toml:1: unknown key `a/b`: a pool's settings stand below a line such as [pool.blog]",
            ),
            (
                "[pool.b]\nprocesses = 2\n",
                "site.toml:2: unknown key `processes` = 2: this version runs one process in the foreground; threads sets its",
            ),
            (
                "daemonize = true\n",
                "site.toml:1: unknown key `daemonize` = true: this version runs one process in the foreground;",
            ),
            ("threads = 4\n", "site.toml:1: misplaced key `threads` = 4: it belongs below a [pool.NAME] line"),
            (
                "[pool.b]\nlog-level = \"info\"\n",
                "site.toml:2: misplaced key `log-level` = \"info\": it is about the whole process",
            ),
            ("[pool]\napp = \"b\"\n", "site.toml:2: misplaced key `app` = \"b\": a pool has a name"),
            ("pool = 1\n", "site.toml:1: misplaced key `pool` = 1: a pool has a name"),
            ("[pool.a]\napp = \"a\"\n[pool.b]\napp = \"b\"\n", "site.toml:3: second pool `b`: this version serves one pool"),
            ("[pool.\"a/b\"]\n", "site.toml:1: bad pool name `a/b`: use up to 64 letters"),
            ("[pool.b]\napp = \"b\"\nthreads = 0\n", "site.toml:3: threads = \"0\": must be a whole number from 1 to 1024"),
            ("[pool.b]\napp = \"b\"\nthreads = 1.5\n", "site.toml:3: threads = \"1.5\": must be a whole number"),
            ("[pool.b]\napp = \"b\"\nthreads = [1, 2]\n", "site.toml:3: threads = \"[1, 2]\": must be one value, not a list"),
            ("[pool.b]\napp = \"b\"\nthreads = {}\n", "site.toml:3: threads = \"{}\": must be a value, not a table"),
            (
                "[pool.b]\napp = \"b\"\nlisten = [\n\":1\",\n\"nowhere\",\n]\n",
                "site.toml:5: listen = \"nowhere\": must be an address",
            ),
            ("[pool.b]\napp = \"b\"\nlisten = [[]]\n", "site.toml:3: listen = \"[]\": must be a list of strings"),
            ("[pool.b]\napp = \"b\"\nlisten = []\n", "site.toml:3: listen = \"[]\": must have at least one value"),
            ("[pool.b]\napp = \"b\"\nlisten = [\":1\", \"*:1\"]\n", "site.toml:3: listen = \"*:1\": is listed twice"),
            ("[pool.b]\napp = \"b\"\nvenv = 2020-01-01\n", "site.toml:3: venv = \"2020-01-01\": must be a string"),
            ("[pool.b]\napp = \"b\"\nenv = [\"=x\"]\n", "site.toml:3: env = \"=x\": must be NAME=VALUE"),
            ("[pool.b]\napp = \"b\"\nenv = { A = [] }\n", "site.toml:3: env = \"[]\": must have a string for each name"),
            ("[pool.b]\napp = \n", "site.toml:2:"),
            ("[pool.b]\napp = \"b\"\napp = \"c\"\n", "site.toml:3:1: not valid TOML: duplicate key"),
            ("[pool.b]\n", "no application given: add app = \"module:callable\" to the [pool.NAME] table of "),
        ];
        for (text, expected) in table {
            let result = in_file(text);
            assert_eq!(result.as_ref().map_err(Error::exit_code), Err(EX_CONFIG), "{text}");
            let full = result.as_ref().unwrap_err().to_string();
            let told = message(result);
            assert!(told.starts_with(expected) || full.starts_with(expected), "{told}\nis not\n{expected}");
            assert_eq!(told.lines().count(), 1, "{told}");
        }
    }

    #[test]
    fn text_without_quotes_is_told_how_it_is_written() {
        for (line, right) in [
            ("app = flaskapp", "app = \"flaskapp\""),
            ("app = blog.wsgi:app # ours", "app = \"blog.wsgi:app\""),
            ("listen = 127.0.0.1:9000", "listen = \"127.0.0.1:9000\""),
            ("venv = /srv/venv", "venv = \"/srv/venv\""),
        ] {
            let told = message(in_file(&format!("[pool.b]\n{line}\n")));
            assert!(told.starts_with("site.toml:2:") && told.ends_with(&format!("text needs quotes, as in {right}")), "{told}");
            assert_eq!(told.lines().count(), 1);
        }
        for text in ["[pool.b]\nthreads = 4\nthreads = 4\n", "[pool.b\n", "[pool.b]\napp = \n", "[pool.b]\napp = \"b\n"] {
            assert!(!message(in_file(text)).contains("needs quotes"), "{text}");
        }
    }

    #[test]
    fn dots_are_taken_out_of_a_path_unless_a_link_is_before_them() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("site/deep")).unwrap();
        std::os::unix::fs::symlink("site/deep", root.join("link")).unwrap();
        for (typed, plain) in [
            ("site/../venv", "venv"),
            ("site/deep/../../venv", "venv"),
            ("link/../venv", "link/../venv"),
            ("missing/../venv", "missing/../venv"),
        ] {
            assert_eq!(absolute(&root, typed.as_ref()), Ok(root.join(plain)), "{typed}");
        }
        assert_eq!(absolute(&root, "/../x".as_ref()), Ok(PathBuf::from("/../x")));
    }

    #[test]
    fn a_file_that_cannot_be_read_or_is_no_text_is_told() {
        let error = Config::load(Layer::new(), &|_| None, Some(Path::new("/nonexistent/site.toml"))).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the configuration file /nonexistent/site.toml");
        assert_eq!(error.exit_code(), EX_CONFIG);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b"# ok\n# \xff\n").unwrap();
        let error = Config::load(Layer::new(), &|_| None, Some(file.path())).unwrap_err();
        assert!(error.to_string().ends_with(":2:3: not valid TOML: not UTF-8 text"), "{error}");
    }

    #[test]
    fn a_bad_value_names_its_flag_or_variable_and_has_the_right_exit_code() {
        let error = load(flags(&[("app", "b"), ("threads", "many")]), &[], None).unwrap_err();
        assert_eq!(
            (error.exit_code(), error.to_string().as_str()),
            (64, "--threads \"many\": must be a whole number from 1 to 1024")
        );
        let error = load(flags(&[("app", "b")]), &[("PYFCGID_IDLE_TIMEOUT", "soon")], None).unwrap_err();
        assert!(error.to_string().starts_with("environment variable PYFCGID_IDLE_TIMEOUT=\"soon\": must be a duration"));
        assert_eq!(error.exit_code(), 78);
        let error = load(Layer::new(), &[], None).unwrap_err();
        assert_eq!(error.exit_code(), 64);
        assert!(error.to_string().contains("pyfcgid serve blog:app"));
    }
}
