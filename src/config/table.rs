//! The one table of options: every other list of them is made from it.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::setting::{Fallback, Group, Kind, Scope, Setting, Text};
use super::value::{
    ValueError, format_duration, format_size, parse_duration, parse_mode, parse_number, parse_size, parse_switch,
};
use super::{App, Config, ErrorsTo, ListenAddress, Mount, RemoteUser};

/// Every option, grouped, in the order of the help.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "app",
        group: Group::Pool,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "APP",
        help: "The application: module, module:callable, module:factory() or path/to/file.py[:callable]; without a callable, \
               `application` is taken, then `app`",
        default: Fallback::Nothing,
        set: |config, value| {
            config.app = App::parse(value.text)?.below(config.python_base(value.base))?;
            Ok(())
        },
        show: |config| vec![config.app.to_string()],
    },
    Setting {
        name: "listen",
        group: Group::Pool,
        scope: Scope::Pool,
        kind: Kind::List { in_environment: &[','], in_text: &[] },
        value_name: "ADDR",
        help: "Where to listen: host:port, [::1]:9000, :9000 (every address), unix:/path, /path or fd:N; can be repeated",
        default: Fallback::Value("127.0.0.1:9000"),
        set: |config, value| {
            let address = ListenAddress::parse(value.text)?.below(value.base)?;
            if config.listen.contains(&address) {
                return Err(ValueError::new("is listed twice"));
            }
            config.listen.push(address);
            Ok(())
        },
        show: |config| texts(&config.listen),
    },
    Setting {
        name: "threads",
        group: Group::Pool,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "N",
        help: "Workers: requests that run Python at once, 1 to 1024",
        default: Fallback::Value("4"),
        set: |config, value| number(value, 1, 1024).map(|threads| config.threads = threads),
        show: |config| vec![config.threads.to_string()],
    },
    Setting {
        name: "mount",
        group: Group::Pool,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "PREFIX",
        help: "The path under which the site has the application, as in /app, or \"\" for the root; auto finds out",
        default: Fallback::Value("auto"),
        set: |config, value| Mount::parse(value.text).map(|mount| config.mount = mount),
        show: |config| vec![config.mount.to_string()],
    },
    Setting {
        name: "remote-user",
        group: Group::Pool,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "WHEN",
        help: "When REMOTE_USER reaches the application: authenticated (only with AUTH_TYPE), always or never",
        default: Fallback::Value("authenticated"),
        set: |config, value| RemoteUser::parse(value.text).map(|when| config.remote_user = when),
        show: |config| vec![config.remote_user.to_string()],
    },
    Setting {
        name: "errors",
        group: Group::Pool,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "WHERE",
        help: "Where wsgi.errors and tracebacks go: log, or peer for the log and the web server's log as well",
        default: Fallback::Value("log"),
        set: |config, value| ErrorsTo::parse(value.text).map(|errors| config.errors = errors),
        show: |config| vec![config.errors.to_string()],
    },
    Setting {
        name: "backlog",
        group: Group::Sockets,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "N",
        help: "Connections that may wait to be accepted, 1 to 65535; the system may allow fewer",
        default: Fallback::Value("1024"),
        set: |config, value| number(value, 1, 65_535).map(|backlog| config.backlog = backlog),
        show: |config| vec![config.backlog.to_string()],
    },
    Setting {
        name: "socket-mode",
        group: Group::Sockets,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "MODE",
        help: "Permissions of Unix sockets, in octal digits",
        default: Fallback::Value("0660"),
        set: |config, value| parse_mode(value.text).map(|mode| config.socket_mode = mode),
        show: |config| vec![format!("{:04o}", config.socket_mode)],
    },
    Setting {
        name: "max-connections",
        group: Group::Sockets,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "N",
        help: "Connections open at once, 1 to 1000000",
        default: Fallback::Value("10000"),
        set: |config, value| number(value, 1, 1_000_000).map(|count| config.max_connections = count),
        show: |config| vec![config.max_connections.to_string()],
    },
    Setting {
        name: "venv",
        group: Group::Python,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "DIR",
        help: "The virtual environment whose packages the application uses",
        default: Fallback::Variable("VIRTUAL_ENV"),
        set: |config, value| path(value).map(|path| config.venv = Some(path)),
        show: |config| paths(&config.venv),
    },
    Setting {
        name: "python-path",
        group: Group::Python,
        scope: Scope::Pool,
        kind: Kind::List { in_environment: &[':', ','], in_text: &[':'] },
        value_name: "DIR",
        help: "A directory to search for modules before all others; several with : between them, or repeated",
        default: Fallback::Nothing,
        set: |config, value| {
            let base = config.python_base(value.base).to_owned();
            path(Text { base: &base, ..value }).map(|path| config.python_path.push(path))
        },
        show: |config| paths(&config.python_path),
    },
    Setting {
        name: "chdir",
        group: Group::Python,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "DIR",
        help: "The directory the application runs in; a relative APP file and python-path start from it",
        default: Fallback::Nothing,
        set: |config, value| path(value).map(|path| config.chdir = Some(path)),
        show: |config| paths(&config.chdir),
    },
    Setting {
        name: "env",
        group: Group::Python,
        scope: Scope::Pool,
        kind: Kind::Pairs,
        value_name: "NAME=VALUE",
        help: "An environment variable for the application; can be repeated",
        default: Fallback::Nothing,
        set: set_variable,
        show: |config| config.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
    },
    Setting {
        name: "factory",
        group: Group::Python,
        scope: Scope::Pool,
        kind: Kind::Switch,
        value_name: "BOOL",
        help: "Call the callable to get the application; the same as () behind it",
        default: Fallback::Value("false"),
        set: |config, value| parse_switch(value.text).map(|factory| config.app.factory |= factory),
        show: |config| vec![config.app.factory.to_string()],
    },
    Setting {
        name: "max-params-size",
        group: Group::Limits,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "SIZE",
        help: "Bytes of FCGI_PARAMS of one request, 1K to 64M",
        default: Fallback::Value("128K"),
        set: |config, value| size(value, 1 << 10, 64 << 20).map(|bytes| config.max_params_size = bytes),
        show: |config| vec![size_text(config.max_params_size)],
    },
    Setting {
        name: "max-params",
        group: Group::Limits,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "N",
        help: "FCGI_PARAMS pairs of one request, 1 to 1000000",
        default: Fallback::Value("1000"),
        set: |config, value| number(value, 1, 1_000_000).map(|count| config.max_params = count),
        show: |config| vec![config.max_params.to_string()],
    },
    Setting {
        name: "max-body-size",
        group: Group::Limits,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "SIZE",
        help: "Bytes of one request's body; 0 is no limit",
        default: Fallback::Value("1G"),
        set: |config, value| {
            let bytes = parse_size(value.text, 0..=u64::MAX)?;
            config.max_body_size = if bytes == 0 { u64::MAX } else { bytes };
            Ok(())
        },
        show: |config| vec![format_size(if config.max_body_size == u64::MAX { 0 } else { config.max_body_size })],
    },
    Setting {
        name: "body-memory",
        group: Group::Limits,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "SIZE",
        help: "Bytes of a body kept in memory, up to 1G; more goes to a temporary file",
        default: Fallback::Value("128K"),
        set: |config, value| size(value, 0, 1 << 30).map(|bytes| config.body_memory = bytes),
        show: |config| vec![size_text(config.body_memory)],
    },
    Setting {
        name: "max-queue",
        group: Group::Limits,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "N",
        help: "Requests that may wait for a worker, 1 to 1000000; the next one gets 503",
        default: Fallback::Value("1024"),
        set: |config, value| number(value, 1, 1_000_000).map(|count| config.max_queue = count),
        show: |config| vec![config.max_queue.to_string()],
    },
    Setting {
        name: "idle-timeout",
        group: Group::Time,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "TIME",
        help: "How long a kept connection may have no request; 0 is for ever",
        default: Fallback::Value("1h"),
        set: |config, value| timeout(value).map(|limit| config.idle_timeout = limit),
        show: |config| vec![timeout_text(config.idle_timeout)],
    },
    Setting {
        name: "socket-timeout",
        group: Group::Time,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "TIME",
        help: "How long the web server may send nothing inside a request or after connecting, or take nothing of an answer; 0 is \
               for ever",
        default: Fallback::Value("60s"),
        set: |config, value| timeout(value).map(|limit| config.socket_timeout = limit),
        show: |config| vec![timeout_text(config.socket_timeout)],
    },
    Setting {
        name: "graceful-timeout",
        group: Group::Time,
        scope: Scope::Pool,
        kind: Kind::One,
        value_name: "TIME",
        help: "How long running requests may go on after a stop; 0 ends them at once",
        default: Fallback::Value("30s"),
        set: |config, value| parse_duration(value.text, LONGEST).map(|limit| config.graceful_timeout = limit),
        show: |config| vec![format_duration(config.graceful_timeout)],
    },
    Setting {
        name: "log-level",
        group: Group::Log,
        scope: Scope::Global,
        kind: Kind::One,
        value_name: "LEVEL",
        help: "What is logged: error, warn, info, debug or trace, each with all before it",
        default: Fallback::Value("info"),
        set: |config, value| log_level(value.text).map(|level| config.log_level = level),
        show: |config| vec![config.log_level.as_str().to_ascii_lowercase()],
    },
];

fn set_variable(config: &mut Config, value: Text<'_>) -> Result<(), ValueError> {
    let Some((name, text)) = value.text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(ValueError::new("must be NAME=VALUE"));
    };
    if value.text.contains('\0') {
        return Err(ValueError::new("must not contain NUL"));
    }
    match config.env.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => text.clone_into(known),
        None => config.env.push((name.to_owned(), text.to_owned())),
    }
    Ok(())
}

/// A number whose range fits the type it is kept in.
fn number<T: TryFrom<u64>>(value: Text<'_>, low: u64, high: u64) -> Result<T, ValueError> {
    fit(parse_number(value.text, low..=high)?)
}

fn size(value: Text<'_>, low: u64, high: u64) -> Result<usize, ValueError> {
    fit(parse_size(value.text, low..=high)?)
}

fn fit<T: TryFrom<u64>>(number: u64) -> Result<T, ValueError> {
    T::try_from(number).map_err(|_| ValueError::new("is more than this machine can count"))
}

fn size_text(bytes: usize) -> String {
    format_size(bytes.try_into().unwrap_or(u64::MAX))
}

fn timeout(value: Text<'_>) -> Result<Option<Duration>, ValueError> {
    Ok(Some(parse_duration(value.text, LONGEST)?).filter(|limit| !limit.is_zero()))
}

fn timeout_text(limit: Option<Duration>) -> String {
    format_duration(limit.unwrap_or_default())
}

fn path(value: Text<'_>) -> Result<PathBuf, ValueError> {
    if value.text.is_empty() || value.text.contains('\0') {
        return Err(ValueError::new("must be a directory's path"));
    }
    super::absolute(value.base, value.text.as_ref())
}

fn paths<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Vec<String> {
    paths.into_iter().map(|path| path.display().to_string()).collect()
}

fn texts<T: Display>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn log_level(text: &str) -> Result<LevelFilter, ValueError> {
    match text {
        "error" => Ok(LevelFilter::Error),
        "warn" => Ok(LevelFilter::Warn),
        "info" => Ok(LevelFilter::Info),
        "debug" => Ok(LevelFilter::Debug),
        "trace" => Ok(LevelFilter::Trace),
        _ => Err(ValueError::new("must be error, warn, info, debug or trace")),
    }
}

/// No wait is longer, so that a clock plus a wait never overflows.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_kebab_case_and_groups_stay_together() {
        let mut names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SETTINGS.len());
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        let mut groups: Vec<_> = SETTINGS.iter().map(|setting| setting.group).collect();
        groups.dedup();
        assert_eq!(groups, Group::ALL);
    }

    #[test]
    fn variables_are_named_after_their_options() {
        let variables: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
        assert!(variables.contains(&"PYFCGID_MAX_PARAMS_SIZE".to_owned()));
    }
}
