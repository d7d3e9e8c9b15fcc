//! The options of a pool that say what its requests and processes may do.

use super::super::setting::{Fallback, Field, Group, Kind, Setting};
use super::super::value::{format_duration, format_size, parse_duration, parse_mode, parse_size, parse_switch};
use super::text::{
    LONGEST, MOST_REQUESTS, account, add_group, at_least_a_moment, count, directory, groups, memory, number, paths, size,
    size_text, texts, timeout, timeout_text,
};

/// The groups Limits, Time and Identity.
pub(super) const LIMITS: &[Setting] = &[
    Setting {
        name: "max-params-size",
        group: Group::Limits,
        kind: Kind::One,
        value_name: "SIZE",
        help: "Bytes of FCGI_PARAMS of one request, 1K to 64M",
        default: Fallback::Value("128K"),
        field: Field::Pool {
            set: |pool, value| size(value, 1 << 10, 64 << 20).map(|bytes| pool.max_params_size = bytes),
            show: |pool| vec![size_text(pool.max_params_size)],
        },
    },
    Setting {
        name: "max-params",
        group: Group::Limits,
        kind: Kind::One,
        value_name: "N",
        help: "FCGI_PARAMS pairs of one request, 1 to 1000000",
        default: Fallback::Value("1000"),
        field: Field::Pool {
            set: |pool, value| number(value, 1, 1_000_000).map(|count| pool.max_params = count),
            show: |pool| vec![pool.max_params.to_string()],
        },
    },
    Setting {
        name: "max-body-size",
        group: Group::Limits,
        kind: Kind::One,
        value_name: "SIZE",
        help: "Bytes of one request's body; 0 is no limit",
        default: Fallback::Value("1G"),
        field: Field::Pool {
            set: |pool, value| {
                let bytes = parse_size(value.text, 0..=u64::MAX)?;
                pool.max_body_size = if bytes == 0 { u64::MAX } else { bytes };
                Ok(())
            },
            show: |pool| vec![format_size(if pool.max_body_size == u64::MAX { 0 } else { pool.max_body_size })],
        },
    },
    Setting {
        name: "body-memory",
        group: Group::Limits,
        kind: Kind::One,
        value_name: "SIZE",
        help: "Bytes of a body kept in memory, up to 1G; more goes to a temporary file",
        default: Fallback::Value("128K"),
        field: Field::Pool {
            set: |pool, value| size(value, 0, 1 << 30).map(|bytes| pool.body_memory = bytes),
            show: |pool| vec![size_text(pool.body_memory)],
        },
    },
    Setting {
        name: "uploads-memory",
        group: Group::Limits,
        kind: Kind::One,
        value_name: "SIZE",
        help: "Memory of a process for requests that are not complete, at least 1M; bodies beyond that go to temporary files",
        default: Fallback::Value("64M"),
        field: Field::Pool {
            set: |pool, value| size(value, 1 << 20, 1 << 40).map(|bytes| pool.uploads_memory = bytes),
            show: |pool| vec![size_text(pool.uploads_memory)],
        },
    },
    Setting {
        name: "max-queue",
        group: Group::Limits,
        kind: Kind::One,
        value_name: "N",
        help: "Requests of the pool that may wait for a worker, 1 to 1000000; the next one gets 503",
        default: Fallback::Value("1024"),
        field: Field::Pool {
            set: |pool, value| number(value, 1, 1_000_000).map(|count| pool.max_queue = count),
            show: |pool| vec![pool.max_queue.to_string()],
        },
    },
    Setting {
        name: "max-requests",
        group: Group::Limits,
        kind: Kind::One,
        value_name: "N",
        help: "Requests after which a process is replaced by a new one; 0 is never",
        default: Fallback::Value("0"),
        field: Field::Pool {
            set: |pool, value| count(value).map(|requests| pool.max_requests = requests),
            show: |pool| vec![pool.max_requests.unwrap_or_default().to_string()],
        },
    },
    Setting {
        name: "max-requests-jitter",
        group: Group::Limits,
        kind: Kind::One,
        value_name: "N",
        help: "Up to so many requests more, by chance, so that processes are not all replaced at once",
        default: Fallback::Value("0"),
        field: Field::Pool {
            set: |pool, value| number(value, 0, MOST_REQUESTS).map(|requests| pool.max_requests_jitter = requests),
            show: |pool| vec![pool.max_requests_jitter.to_string()],
        },
    },
    Setting {
        name: "max-rss",
        group: Group::Limits,
        kind: Kind::One,
        value_name: "SIZE",
        help: "Memory (resident set) above which a process is replaced by a new one, at least 1M; 0 is no limit",
        default: Fallback::Value("0"),
        field: Field::Pool {
            set: |pool, value| memory(value).map(|bytes| pool.max_rss = bytes),
            show: |pool| vec![format_size(pool.max_rss.unwrap_or_default())],
        },
    },
    Setting {
        name: "startup-timeout",
        group: Group::Time,
        kind: Kind::One,
        value_name: "TIME",
        help: "How long a process may take to import the application",
        default: Fallback::Value("60s"),
        field: Field::Pool {
            set: |pool, value| at_least_a_moment(value).map(|limit| pool.startup_timeout = limit),
            show: |pool| vec![format_duration(pool.startup_timeout)],
        },
    },
    Setting {
        name: "idle-timeout",
        group: Group::Time,
        kind: Kind::One,
        value_name: "TIME",
        help: "How long a kept connection may have no request; 0 is for ever",
        default: Fallback::Value("1h"),
        field: Field::Pool {
            set: |pool, value| timeout(value).map(|limit| pool.idle_timeout = limit),
            show: |pool| vec![timeout_text(pool.idle_timeout)],
        },
    },
    Setting {
        name: "socket-timeout",
        group: Group::Time,
        kind: Kind::One,
        value_name: "TIME",
        help: "How long the web server may send nothing inside a request or after connecting, or take nothing of an answer; 0 is \
               for ever",
        default: Fallback::Value("60s"),
        field: Field::Pool {
            set: |pool, value| timeout(value).map(|limit| pool.socket_timeout = limit),
            show: |pool| vec![timeout_text(pool.socket_timeout)],
        },
    },
    Setting {
        name: "graceful-timeout",
        group: Group::Time,
        kind: Kind::One,
        value_name: "TIME",
        help: "How long running requests may go on after a stop or in a process that is replaced; 0 ends them at once",
        default: Fallback::Value("30s"),
        field: Field::Pool {
            set: |pool, value| parse_duration(value.text, LONGEST).map(|limit| pool.graceful_timeout = limit),
            show: |pool| vec![format_duration(pool.graceful_timeout)],
        },
    },
    Setting {
        name: "max-lifetime",
        group: Group::Time,
        kind: Kind::One,
        value_name: "TIME",
        help: "After how long a process is replaced by a new one; 0 is never",
        default: Fallback::Value("0"),
        field: Field::Pool {
            set: |pool, value| timeout(value).map(|limit| pool.max_lifetime = limit),
            show: |pool| vec![timeout_text(pool.max_lifetime)],
        },
    },
    Setting {
        name: "user",
        group: Group::Identity,
        kind: Kind::One,
        value_name: "USER",
        help: "The user the application runs as, by name or number, with its HOME, USER and LOGNAME; needs a start as root",
        default: Fallback::Nothing,
        field: Field::Pool {
            set: |pool, value| account(value).map(|name| pool.user = Some(name)),
            show: |pool| texts(pool.user.as_slice()),
        },
    },
    Setting {
        name: "group",
        group: Group::Identity,
        kind: Kind::One,
        value_name: "GROUP",
        help: "The group the application runs in, by name or number; without it, the group of the user",
        default: Fallback::Nothing,
        field: Field::Pool {
            set: |pool, value| account(value).map(|name| pool.group = Some(name)),
            show: |pool| texts(pool.group.as_slice()),
        },
    },
    Setting {
        name: "supplementary-groups",
        group: Group::Identity,
        kind: Kind::List { in_environment: &[','], in_text: &[','] },
        value_name: "GROUP",
        help: "Further groups, by name or number; own are those the user is in, none is none; can be repeated",
        default: Fallback::Value("own"),
        field: Field::Pool {
            set: |pool, value| add_group(&mut pool.supplementary_groups, value),
            show: |pool| groups(pool.supplementary_groups.as_deref()),
        },
    },
    Setting {
        name: "umask",
        group: Group::Identity,
        kind: Kind::One,
        value_name: "MODE",
        help: "Permissions that files the application makes do not get, in octal digits",
        default: Fallback::Value("022"),
        field: Field::Pool {
            set: |pool, value| parse_mode(value.text).map(|mode| pool.umask = mode),
            show: |pool| vec![format!("{:03o}", pool.umask)],
        },
    },
    Setting {
        name: "chroot",
        group: Group::Identity,
        kind: Kind::One,
        value_name: "DIR",
        help: "A directory that becomes the root of the file system for the application; APP, venv, python-path and chdir are paths inside it",
        default: Fallback::Nothing,
        field: Field::Pool {
            set: |pool, value| directory(value).map(|path| pool.chroot = Some(path)),
            show: |pool| paths(&pool.chroot),
        },
    },
    Setting {
        name: "no-new-privs",
        group: Group::Identity,
        kind: Kind::Switch,
        value_name: "BOOL",
        help: "Keep the application and what it starts from gaining privileges; false if it runs sudo, sendmail or other set-user-ID programs",
        default: Fallback::Value("true"),
        field: Field::Pool {
            set: |pool, value| parse_switch(value.text).map(|on| pool.no_new_privs = on),
            show: |pool| vec![pool.no_new_privs.to_string()],
        },
    },
];
