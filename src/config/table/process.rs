//! The options of the whole process: how it runs in the background, and its logs.

use super::super::setting::{Fallback, Field, Group, Kind, Setting};
use super::super::value::{parse_mode, parse_switch};
use super::super::{Facility, LogTarget};
use super::text::{access_log, access_log_format, access_log_text, account, file, log_level, paths, syslog_ident, texts};

/// The groups Daemon and Log.
pub(super) const PROCESS: &[Setting] = &[
    Setting {
        name: "daemonize",
        group: Group::Daemon,
        kind: Kind::Switch,
        value_name: "BOOL",
        help: "Run in the background; the command returns when every pool serves, or says why not",
        default: Fallback::Value("false"),
        field: Field::Global {
            set: |config, value| parse_switch(value.text).map(|on| config.daemonize = on),
            show: |config| vec![config.daemonize.to_string()],
        },
    },
    Setting {
        name: "pid-file",
        group: Group::Daemon,
        kind: Kind::One,
        value_name: "FILE",
        help: "The file that holds the process id, and is locked while pyfcgid runs",
        default: Fallback::Nothing,
        field: Field::Global {
            set: |config, value| file(value).map(|path| config.pid_file = Some(path)),
            show: |config| paths(&config.pid_file),
        },
    },
    Setting {
        name: "control-socket",
        group: Group::Daemon,
        kind: Kind::One,
        value_name: "FILE",
        help: "The Unix socket of pyfcgid reload, stop and status; without it, the pid-file with .control behind it",
        default: Fallback::Nothing,
        field: Field::Global {
            set: |config, value| file(value).map(|path| config.control_socket = Some(path)),
            show: |config| paths(&config.control_socket),
        },
    },
    Setting {
        name: "control-socket-mode",
        group: Group::Daemon,
        kind: Kind::One,
        value_name: "MODE",
        help: "Permissions of the control socket, in octal digits; with control-socket-group the default is 0660",
        default: Fallback::Value("0600"),
        field: Field::Global {
            set: |config, value| parse_mode(value.text).map(|mode| config.control_socket_mode = mode),
            show: |config| vec![format!("{:04o}", config.control_socket_mode)],
        },
    },
    Setting {
        name: "control-socket-group",
        group: Group::Daemon,
        kind: Kind::One,
        value_name: "GROUP",
        help: "The group of the control socket, by name or number; whoever may write to that socket controls all pools",
        default: Fallback::Nothing,
        field: Field::Global {
            set: |config, value| account(value).map(|name| config.control_socket_group = Some(name)),
            show: |config| texts(config.control_socket_group.as_slice()),
        },
    },
    Setting {
        name: "log",
        group: Group::Log,
        kind: Kind::One,
        value_name: "TARGET",
        help: "Where the log goes: stderr, syslog or file:PATH; with daemonize the default is syslog; of a pool's table, what its processes say",
        default: Fallback::Value("stderr"),
        field: Field::Both {
            set: |config, value| LogTarget::parse(value.text)?.below(value.base).map(|target| config.log = target),
            show: |config| vec![config.log.to_string()],
            set_own: |pool, value| LogTarget::parse(value.text)?.below(value.base).map(|target| pool.log = Some(target)),
            show_own: |pool| texts(pool.log.as_slice()),
        },
    },
    Setting {
        name: "log-level",
        group: Group::Log,
        kind: Kind::One,
        value_name: "LEVEL",
        help: "What is logged: error, warn, info, debug or trace, each with all before it",
        default: Fallback::Value("info"),
        field: Field::Global {
            set: |config, value| log_level(value.text).map(|level| config.log_level = level),
            show: |config| vec![config.log_level.as_str().to_ascii_lowercase()],
        },
    },
    Setting {
        name: "syslog-facility",
        group: Group::Log,
        kind: Kind::One,
        value_name: "NAME",
        help: "The facility of syslog messages: daemon, user, local0 to local7, or another one by its name",
        default: Fallback::Value("daemon"),
        field: Field::Global {
            set: |config, value| Facility::parse(value.text).map(|facility| config.syslog_facility = facility),
            show: |config| vec![config.syslog_facility.to_string()],
        },
    },
    Setting {
        name: "syslog-ident",
        group: Group::Log,
        kind: Kind::One,
        value_name: "NAME",
        help: "The name in front of syslog messages",
        default: Fallback::Value("pyfcgid"),
        field: Field::Global {
            set: |config, value| syslog_ident(value).map(|ident| config.syslog_ident = ident),
            show: |config| vec![config.syslog_ident.clone()],
        },
    },
    Setting {
        name: "syslog-socket",
        group: Group::Log,
        kind: Kind::One,
        value_name: "FILE",
        help: "The Unix socket of the syslog daemon",
        default: Fallback::Value("/dev/log"),
        field: Field::Global {
            set: |config, value| file(value).map(|path| config.syslog_socket = path),
            show: |config| paths([&config.syslog_socket]),
        },
    },
    Setting {
        name: "access-log",
        group: Group::Log,
        kind: Kind::One,
        value_name: "TARGET",
        help: "Where a line for each request goes: stderr, syslog, file:PATH, or off; also of a pool's table",
        default: Fallback::Value("off"),
        field: Field::Both {
            set: |config, value| access_log(value).map(|target| config.access_log = target),
            show: |config| vec![access_log_text(config.access_log.as_ref())],
            set_own: |pool, value| access_log(value).map(|target| pool.access_log = Some(target)),
            show_own: |pool| pool.access_log.iter().map(|target| access_log_text(target.as_ref())).collect(),
        },
    },
    Setting {
        name: "access-log-format",
        group: Group::Log,
        kind: Kind::One,
        value_name: "TEXT",
        help: "What such a line has: combined, detailed, or text with the names nginx gives its variables; of several pools, the default has $pool behind it",
        default: Fallback::Value(
            "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\"",
        ),
        field: Field::Global {
            set: |config, value| access_log_format(value).map(|format| config.access_log_format = format),
            show: |config| vec![config.access_log_format.clone()],
        },
    },
];
