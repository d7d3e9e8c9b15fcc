//! The whole process and its options: how it runs in the background, and its logs.

use std::path::PathBuf;

use log::LevelFilter;

use super::super::form::{
    Form, access_log_format, account, facility, file_path, log_level, mode, optional, switch, syslog_ident, target,
    target_or_off,
};
use super::super::layer::Origins;
use super::super::reader::Reader;
use super::super::setting::{Fallback, Group, Kind, Setting};
use super::super::{Error, Facility, Item, LogTarget, Origin, Pool};

settings! {
    /// The settings of the whole process, valid and complete.
    Config, listed in PROCESS as of_process and not of_pool, read by (reader), has also {
        /// What is served. Invariant: not empty but where `include` is not, no name twice, no address twice.
        pub pools: Vec<Pool> = Vec::new();
        /// What the file includes.
        pub(in crate::config) include: Vec<Item> = Vec::new();
        pub(in crate::config) origins: Origins = reader.origins();
    }

    /// Whether to run in the background.
    daemonize: bool = switch(), "daemonize", Daemon, Switch, "BOOL", Value("false"),
        "Run in the background; the command returns when every pool is serving, or says why not";
    /// The file for the process id.
    pid_file: Option<PathBuf> = optional(file_path()), "pid-file", Daemon, One, "FILE", Nothing,
        "The PID file, which is locked while pyfcgid runs";
    /// The Unix socket of `pyfcgid reload`, `stop`, `status` and so on; where only `pid_file` is set, it is that with `.control` behind it.
    control_socket: Option<PathBuf> = optional(file_path()), "control-socket", Daemon, One, "FILE", Nothing,
        "The Unix socket for pyfcgid reload, stop, status, stacks and interrupt; without it, the pid-file with .control appended";
    /// Permission bits of the control socket, at most 0o777.
    control_socket_mode: u32 = mode("0660", |mode| format!("{mode:04o}")), "control-socket-mode", Daemon, One, "MODE", Value("0600"),
        "Permissions of the control socket, in octal digits; with control-socket-group the default is 0660";
    /// Its group, by name or number; `None` is that of whoever starts pyfcgid.
    control_socket_group: Option<String> = optional(account()), "control-socket-group", Daemon, One, "GROUP", Nothing,
        "The group of the control socket, by name or number; whoever can write to that socket controls all pools, and sees and \
         interrupts their requests";
    /// Where the log goes.
    log: LogTarget = target(), "log", Log, One, "TARGET", Value("stderr"),
        "Where the log goes: stderr, stdout, syslog or file:PATH; with daemonize the default is syslog; in a pool's table, for \
         what its processes log",
        own |pool| optional(target()).show(&pool.log);
    /// What is logged.
    log_level: LevelFilter = log_level(), "log-level", Log, One, "LEVEL", Value("info"),
        "The log level: error, warn, info, debug or trace; each includes those before it";
    /// The facility of syslog messages.
    syslog_facility: Facility = facility(), "syslog-facility", Log, One, "NAME", Value("daemon"),
        "The facility of syslog messages: daemon, user, local0 to local7, or another one by name";
    /// The program name in syslog messages: 1 to 32 ASCII characters.
    syslog_ident: String = syslog_ident(), "syslog-ident", Log, One, "NAME", Value("pyfcgid"),
        "The program name in syslog messages";
    /// The socket of the syslog daemon.
    syslog_socket: PathBuf = file_path(), "syslog-socket", Log, One, "FILE", Value("/dev/log"),
        "The Unix socket of the syslog daemon";
    /// Where a line for each request goes; `None` is nowhere.
    access_log: Option<LogTarget> = target_or_off(), "access-log", Log, One, "TARGET", Value("off"),
        "Where the access log (one line per request) goes: stderr, stdout, syslog, file:PATH, or off; also in a pool's table",
        own |pool| optional(target_or_off()).show(&pool.access_log);
    /// What such a line has, as it was typed: one line, not empty, with variables that there are.
    access_log_format: String = access_log_format(),
        "access-log-format", Log, One, "TEXT",
        Value("$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\""),
        "The format of the access log: combined, detailed, json (an object a line), or text with nginx's variables; with several \
         pools, the default ends with $pool";
}
