//! The options of a pool that say what is served, where, and with which Python.

use super::super::setting::{Fallback, Field, Group, Kind, Setting, Text};
use super::super::value::{ValueError, parse_mode, parse_switch};
use super::super::{App, AppLog, ErrorsTo, ListenAddress, Mount, OnAbort, Pool, Processes, RemoteUser, Role, absolute};
use super::text::{account, directory, file, header_name, level, level_text, number, path_of_probes, paths, texts};
use shared::network::Network;

/// The groups Pool, Sockets and Python.
pub(super) const APPLICATION: &[Setting] = &[
    Setting {
        name: "app",
        group: Group::Pool,
        kind: Kind::One,
        value_name: "APP",
        help: "The application: module, module:callable, module:factory() with literal arguments or path/to/file.py[:callable]; \
               without a callable, `application` is taken, then `app`",
        default: Fallback::Nothing,
        field: Field::Pool {
            set: |pool, value| {
                pool.app = App::parse(value.text)?.placed(|path| absolute(pool.python_base(value.base), path))?;
                Ok(())
            },
            show: |pool| vec![pool.app.to_string()],
        },
    },
    Setting {
        name: "listen",
        group: Group::Pool,
        kind: Kind::List { in_environment: &[','], in_text: &[] },
        value_name: "ADDR",
        help: "Where to listen: host:port, [::1]:9000, :9000 (every address), unix:/path, /path or fd:N; can be repeated",
        default: Fallback::Value("127.0.0.1:9000"),
        field: Field::Pool {
            set: |pool, value| {
                let address = ListenAddress::parse(value.text)?.below(value.base)?;
                if pool.listen.contains(&address) {
                    return Err(ValueError::new("is listed twice"));
                }
                pool.listen.push(address);
                Ok(())
            },
            show: |pool| texts(&pool.listen),
        },
    },
    Setting {
        name: "processes",
        group: Group::Pool,
        kind: Kind::One,
        value_name: "N",
        help: "Processes: a number up to 1024, auto for one per core, or 2..8 to grow under load and shrink again; 0..8 starts on demand",
        default: Fallback::Value("1"),
        field: Field::Pool {
            set: |pool, value| Processes::parse(value.text).map(|processes| pool.processes = processes),
            show: |pool| vec![pool.processes.to_string()],
        },
    },
    Setting {
        name: "threads",
        group: Group::Pool,
        kind: Kind::One,
        value_name: "N",
        help: "Workers of each process: requests that run Python at once in it, 1 to 1024",
        default: Fallback::Value("4"),
        field: Field::Pool {
            set: |pool, value| number(value, 1, 1024).map(|threads| pool.threads = threads),
            show: |pool| vec![pool.threads.to_string()],
        },
    },
    Setting {
        name: "mount",
        group: Group::Pool,
        kind: Kind::One,
        value_name: "PREFIX",
        help: "The path under which the site has the application, as in /app, or \"\" for the root; auto finds out",
        default: Fallback::Value("auto"),
        field: Field::Pool {
            set: |pool, value| Mount::parse(value.text).map(|mount| pool.mount = mount),
            show: |pool| vec![pool.mount.to_string()],
        },
    },
    Setting {
        name: "remote-user",
        group: Group::Pool,
        kind: Kind::One,
        value_name: "WHEN",
        help: "When REMOTE_USER reaches the application: authenticated (only with AUTH_TYPE), always or never",
        default: Fallback::Value("authenticated"),
        field: Field::Pool {
            set: |pool, value| RemoteUser::parse(value.text).map(|when| pool.remote_user = when),
            show: |pool| vec![pool.remote_user.to_string()],
        },
    },
    Setting {
        name: "errors",
        group: Group::Pool,
        kind: Kind::One,
        value_name: "WHERE",
        help: "Where wsgi.errors and tracebacks go: log, or peer for the log and the web server's log as well",
        default: Fallback::Value("log"),
        field: Field::Pool {
            set: |pool, value| ErrorsTo::parse(value.text).map(|errors| pool.errors = errors),
            show: |pool| vec![pool.errors.to_string()],
        },
    },
    Setting {
        name: "app-log",
        group: Group::Pool,
        kind: Kind::One,
        value_name: "HOW",
        help: "How what the application prints and writes to wsgi.errors stands in the log: decorated, with time, level, process and \
               request, or plain, as it is, for lines of JSON",
        default: Fallback::Value("decorated"),
        field: Field::Pool {
            set: |pool, value| AppLog::parse(value.text).map(|how| pool.app_log = how),
            show: |pool| vec![pool.app_log.to_string()],
        },
    },
    Setting {
        name: "stdout-level",
        group: Group::Pool,
        kind: Kind::One,
        value_name: "LEVEL",
        help: "The level of what the application prints: error, warn, info, debug or trace",
        default: Fallback::Value("info"),
        field: Field::Pool {
            set: |pool, value| level(value.text).map(|level| pool.stdout_level = level),
            show: |pool| vec![level_text(pool.stdout_level)],
        },
    },
    Setting {
        name: "stderr-level",
        group: Group::Pool,
        kind: Kind::One,
        value_name: "LEVEL",
        help: "The level of what the application writes to stderr, where Python's logging writes unless told otherwise",
        default: Fallback::Value("warn"),
        field: Field::Pool {
            set: |pool, value| level(value.text).map(|level| pool.stderr_level = level),
            show: |pool| vec![level_text(pool.stderr_level)],
        },
    },
    Setting {
        name: "abort",
        group: Group::Pool,
        kind: Kind::One,
        value_name: "HOW",
        help: "What becomes of the application when the web server gives its request up: continue, or raise for \
               pyfcgid.RequestAborted in its thread",
        default: Fallback::Value("continue"),
        field: Field::Pool {
            set: |pool, value| OnAbort::parse(value.text).map(|abort| pool.abort = abort),
            show: |pool| vec![pool.abort.to_string()],
        },
    },
    Setting {
        name: "roles",
        group: Group::Pool,
        kind: Kind::List { in_environment: &[','], in_text: &[','] },
        value_name: "ROLE",
        help: "What the web server may ask the application to be: responder, authorizer (its 200 lets a request in) or filter; \
               several with , between them, or repeated",
        default: Fallback::Value("responder"),
        field: Field::Pool {
            set: |pool, value| {
                let role = Role::parse(value.text)?;
                if pool.roles.contains(&role) {
                    return Err(ValueError::new("is listed twice"));
                }
                pool.roles.push(role);
                Ok(())
            },
            show: |pool| texts(&pool.roles),
        },
    },
    Setting {
        name: "ping-path",
        group: Group::Pool,
        kind: Kind::One,
        value_name: "PATH",
        help: "The path of probes, as in /ping, which are answered \"pong\" without the application, also while every worker is busy; or none",
        default: Fallback::Value("none"),
        field: Field::Pool {
            set: |pool, value| path_of_probes(value).map(|path| pool.ping_path = path),
            show: |pool| vec![pool.ping_path.clone().unwrap_or_else(|| "none".to_owned())],
        },
    },
    Setting {
        name: "sendfile-header",
        group: Group::Pool,
        kind: Kind::One,
        value_name: "NAME",
        help: "The response header that makes the web server send a file, such as X-Accel-Redirect: a response that has it \
               goes out without its body; or none",
        default: Fallback::Value("none"),
        field: Field::Pool {
            set: |pool, value| header_name(value).map(|name| pool.sendfile_header = name),
            show: |pool| vec![pool.sendfile_header.clone().unwrap_or_else(|| "none".to_owned())],
        },
    },
    Setting {
        name: "backlog",
        group: Group::Sockets,
        kind: Kind::One,
        value_name: "N",
        help: "Connections that may wait to be accepted, 1 to 65535; the system may allow fewer",
        default: Fallback::Value("1024"),
        field: Field::Pool {
            set: |pool, value| number(value, 1, 65_535).map(|backlog| pool.backlog = backlog),
            show: |pool| vec![pool.backlog.to_string()],
        },
    },
    Setting {
        name: "socket-mode",
        group: Group::Sockets,
        kind: Kind::One,
        value_name: "MODE",
        help: "Permissions of Unix sockets, in octal digits",
        default: Fallback::Value("0660"),
        field: Field::Pool {
            set: |pool, value| parse_mode(value.text).map(|mode| pool.socket_mode = mode),
            show: |pool| vec![format!("{:04o}", pool.socket_mode)],
        },
    },
    Setting {
        name: "socket-owner",
        group: Group::Sockets,
        kind: Kind::One,
        value_name: "USER",
        help: "The user that owns Unix sockets, by name or number",
        default: Fallback::Nothing,
        field: Field::Pool {
            set: |pool, value| account(value).map(|name| pool.socket_owner = Some(name)),
            show: |pool| texts(pool.socket_owner.as_slice()),
        },
    },
    Setting {
        name: "socket-group",
        group: Group::Sockets,
        kind: Kind::One,
        value_name: "GROUP",
        help: "The group of Unix sockets, by name or number, as the web server's",
        default: Fallback::Nothing,
        field: Field::Pool {
            set: |pool, value| account(value).map(|name| pool.socket_group = Some(name)),
            show: |pool| texts(pool.socket_group.as_slice()),
        },
    },
    Setting {
        name: "max-connections",
        group: Group::Sockets,
        kind: Kind::One,
        value_name: "N",
        help: "Connections open at once in a process, 1 to 1000000",
        default: Fallback::Value("10000"),
        field: Field::Pool {
            set: |pool, value| number(value, 1, 1_000_000).map(|count| pool.max_connections = count),
            show: |pool| vec![pool.max_connections.to_string()],
        },
    },
    Setting {
        name: "allowed-clients",
        group: Group::Sockets,
        kind: Kind::List { in_environment: &[','], in_text: &[','] },
        value_name: "ADDR",
        help: "Who may connect over TCP: IP addresses or networks such as 10.0.0.0/8, several with , between them, or repeated; \
               without it, everybody who can reach the address",
        default: Fallback::Variable("FCGI_WEB_SERVER_ADDRS"),
        field: Field::Pool {
            set: |pool, value| {
                // Of the variable of another program, all of it is one text.
                for text in value.text.split(',').map(str::trim) {
                    let network = Network::parse(text).map_err(ValueError::new)?;
                    pool.allowed_clients.get_or_insert_default().push(network);
                }
                Ok(())
            },
            show: |pool| pool.allowed_clients.as_deref().map(texts).unwrap_or_default(),
        },
    },
    Setting {
        name: "python",
        group: Group::Python,
        kind: Kind::One,
        value_name: "FILE",
        help: "The Python program that runs the application, CPython from 3.9 on [default: that of the venv, else python3]",
        default: Fallback::Nothing,
        field: Field::Pool {
            set: |pool, value| file(value).map(|path| pool.python = Some(path)),
            show: |pool| paths(&pool.python),
        },
    },
    Setting {
        name: "venv",
        group: Group::Python,
        kind: Kind::One,
        value_name: "DIR",
        help: "The virtual environment whose packages the application uses",
        default: Fallback::Variable("VIRTUAL_ENV"),
        field: Field::Pool {
            set: |pool, value| directory(value).map(|path| pool.venv = Some(path)),
            show: |pool| paths(&pool.venv),
        },
    },
    Setting {
        name: "python-path",
        group: Group::Python,
        kind: Kind::List { in_environment: &[':', ','], in_text: &[':'] },
        value_name: "DIR",
        help: "A directory to search for modules before all others; several with : between them, or repeated",
        default: Fallback::Nothing,
        field: Field::Pool {
            set: |pool, value| {
                let base = pool.python_base(value.base).to_owned();
                directory(Text { base: &base, ..value }).map(|path| pool.python_path.push(path))
            },
            show: |pool| paths(&pool.python_path),
        },
    },
    Setting {
        name: "chdir",
        group: Group::Python,
        kind: Kind::One,
        value_name: "DIR",
        help: "The directory the application runs in; a relative APP file and python-path start from it",
        default: Fallback::Nothing,
        field: Field::Pool {
            set: |pool, value| directory(value).map(|path| pool.chdir = Some(path)),
            show: |pool| paths(&pool.chdir),
        },
    },
    Setting {
        name: "clear-env",
        group: Group::Python,
        kind: Kind::Switch,
        value_name: "BOOL",
        help: "Give the application only the environment variables of a login of its user, and those that pass-env and env name; false \
               for all of pyfcgid's own",
        default: Fallback::Value("true"),
        field: Field::Pool {
            set: |pool, value| parse_switch(value.text).map(|on| pool.clear_env = on),
            show: |pool| vec![pool.clear_env.to_string()],
        },
    },
    Setting {
        name: "pass-env",
        group: Group::Python,
        kind: Kind::List { in_environment: &[','], in_text: &[','] },
        value_name: "NAME",
        help: "An environment variable of pyfcgid's own that the application gets, too, or AWS_* for all that begin so; can be repeated",
        default: Fallback::Nothing,
        field: Field::Pool {
            set: |pool, value| variable_pattern(value).map(|name| pool.pass_env.push(name)),
            show: |pool| pool.pass_env.clone(),
        },
    },
    Setting {
        name: "env",
        group: Group::Python,
        kind: Kind::Pairs,
        value_name: "NAME=VALUE",
        help: "An environment variable for the application; can be repeated",
        default: Fallback::Nothing,
        field: Field::Pool {
            set: set_variable,
            show: |pool| pool.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        },
    },
    Setting {
        name: "factory",
        group: Group::Python,
        kind: Kind::Switch,
        value_name: "BOOL",
        help: "Call the callable to get the application; the same as () behind it",
        default: Fallback::Value("false"),
        field: Field::Pool {
            set: |pool, value| parse_switch(value.text).map(|factory| pool.app.factory |= factory),
            show: |pool| vec![pool.app.factory.to_string()],
        },
    },
];

fn variable_pattern(value: Text<'_>) -> Result<String, ValueError> {
    let name = value.text.strip_suffix('*').unwrap_or(value.text);
    let is_name = !value.text.is_empty() && !name.contains(['=', '*', '\0']);
    is_name
        .then(|| value.text.to_owned())
        .ok_or_else(|| ValueError::new("must be a variable's name, or its beginning with a * behind it"))
}

fn set_variable(pool: &mut Pool, value: Text<'_>) -> Result<(), ValueError> {
    let Some((name, text)) = value.text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(ValueError::new("must be NAME=VALUE"));
    };
    if value.text.contains('\0') {
        return Err(ValueError::new("must not contain NUL"));
    }
    match pool.env.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => text.clone_into(known),
        None => pool.env.push((name.to_owned(), text.to_owned())),
    }
    Ok(())
}
