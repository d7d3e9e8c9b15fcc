//! The codes of what is logged: a code stands for one meaning, for ever. Who logs names one as the target of the record:
//! `log::warn!(target: codes::SATURATED, "...")`.
//!
//! A code is never given another meaning. One whose message has gone is not used again, and a new one takes a free number of
//! its theme. Messages with the same remedy share one. The page docs/messages.md is made of this table (`make reference`).

/// `PF` and four digits.
pub type Code = &'static str;

/// What one code stands for.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// Its constant here.
    pub name: &'static str,
    /// Two paragraphs, as they stand below.
    text: &'static str,
}

impl Entry {
    /// What has happened, and what to do.
    pub fn meaning_and_remedy(&self) -> [String; 2] {
        let (meaning, remedy) = self.text.split_once("\n\n").unwrap_or((self.text, ""));
        [meaning, remedy].map(|paragraph| paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" "))
    }
}

/// Codes of one subject: those of one hundred.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// The subject.
    pub heading: &'static str,
    /// In order.
    pub entries: &'static [Entry],
}

/// The code that this is the text of. Whatever else claims to be one is none.
pub fn known(text: &str) -> Option<Code> {
    text.starts_with(PREFIX).then(|| all().find(|entry| entry.code == text)).flatten().map(|entry| entry.code)
}

/// Every code, in order.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    THEMES.iter().flat_map(|theme| theme.entries)
}

/// How many bytes a code has.
pub(super) const LEN: usize = 6;
const PREFIX: &str = "PF";

macro_rules! themes {
    ($($heading:literal { $($(#[doc = $text:literal])+ $name:ident = $code:literal;)+ })+) => {
        $($(
            $(#[doc = $text])+
            pub const $name: Code = $code;
        )+)+
        /// The table.
        pub const THEMES: &[Theme] = &[$(Theme {
            heading: $heading,
            entries: &[$(Entry { code: $name, name: stringify!($name), text: concat!($($text, "\n"),+) }),+],
        }),+];
    };
}

// Of each code, what has happened, and what to do.
themes! {
    "Start and stop" {
        /// Every pool serves.
        ///
        /// Nothing.
        READY = "PF0101";
        /// A stop has begun.
        ///
        /// Nothing.
        STOPPING = "PF0102";
        /// The supervisor ends, and all its processes have ended.
        ///
        /// Nothing.
        STOPPED = "PF0103";
        /// The service runs, but no pool is configured.
        ///
        /// Write a pool with `pyfcgid new NAME`, then reload.
        NO_POOL = "PF0104";
        /// A pool did not come up at the start, so the service has ended.
        ///
        /// Correct what the message names, and start again; `pyfcgid check` tries a start without serving.
        START_FAILED = "PF0105";
        /// A process that stops waits for the requests that it is answering, for at most `graceful-timeout`.
        ///
        /// Nothing.
        STOP_WAITS = "PF0106";
        /// A process has ended before it had answered these requests.
        ///
        /// If they only needed more time, raise `graceful-timeout`; else find out what they wait for.
        REQUESTS_UNANSWERED = "PF0107";
        /// Requests were still running at the end of `graceful-timeout`, so no exit handlers were run.
        ///
        /// Find out why these requests do not end; raise `graceful-timeout` if they may take so long.
        REQUESTS_OUTLIVED_STOP = "PF0108";
        /// Threads or exit handlers of the application did not end within `graceful-timeout`.
        ///
        /// Make the named threads daemons, or end them from an exit handler.
        THREADS_OUTLIVED_STOP = "PF0109";
        /// An exit handler of the application raised the exception that follows.
        ///
        /// Correct the exit handler.
        EXIT_HANDLER_FAILED = "PF0110";
        /// At the end of a process the files that the application left open could not be found, so what it had not flushed is lost.
        ///
        /// Have the application close its files.
        FILES_NOT_FLUSHED = "PF0111";
        /// The thread that limits the end of a process could not be started; the supervisor kills the process if need be.
        ///
        /// Look at the limits on threads and memory (`ulimit -u`, `TasksMax=`).
        STOP_HAS_NO_LIMIT = "PF0112";
        /// A process that stops could not let go of the listening sockets.
        ///
        /// Report it; the process ends all the same.
        LISTENERS_STILL_WATCHED = "PF0113";
        /// The supervisor cannot wait for events any more, so it stops at once.
        ///
        /// Look at what the system says about memory and descriptors, and start again.
        SUPERVISOR_CANNOT_WAIT = "PF0114";
        /// The supervisor receives no signals any more.
        ///
        /// Use the control socket (`pyfcgid stop`), and start again.
        SIGNALS_LOST = "PF0115";
        /// Processes that applications leave behind are not adopted by the supervisor.
        ///
        /// Nothing, if process 1 of this machine or container reaps orphans; else give it one that does.
        ORPHANS_NOT_REAPED = "PF0116";
        /// Processes that applications have started are still running after the stop.
        ///
        /// Have the application end what it starts.
        ORPHANS_LEFT = "PF0117";
    }
    "Children" {
        /// A child has imported its application, and tells on which addresses it serves, and with which Python.
        ///
        /// Nothing.
        SERVING = "PF0201";
        /// A child that served ended, and nobody had asked for it: another one is started.
        ///
        /// Look at the lines before: a crash of a C extension, the out-of-memory killer, or an exit by the application.
        CHILD_EXITED = "PF0202";
        /// A child was sent a signal to end: another one is started.
        ///
        /// Send signals to the supervisor, not to its children.
        CHILD_WAS_SIGNALLED = "PF0203";
        /// A child did not come up, while others of its pool serve. It is tried again.
        ///
        /// Correct what the message names: usually an exception at import, or a start longer than `startup-timeout`.
        CHILD_NOT_STARTED = "PF0204";
        /// A child did not come up, and no other of its pool serves: requests are answered 503. It is tried again.
        ///
        /// Correct what the message names: usually an exception at import, or a start longer than `startup-timeout`.
        POOL_NOT_SERVING = "PF0205";
        /// A child was killed because it sent the supervisor what pyfcgid does not send, or closed its link.
        ///
        /// Find out what in the application writes to, closes or passes on descriptors that are not its own.
        CHILD_NOT_TRUSTED = "PF0206";
        /// A child did not end in time when it was told to, and was killed.
        ///
        /// Find out what it was doing; raise `graceful-timeout` if its requests may take so long.
        CHILD_KILLED = "PF0207";
        /// A child that is being replaced does not answer, so the others go on without waiting for it.
        ///
        /// Find out what in the application keeps the process busy, for instance C code that keeps the GIL.
        RETIRING_CHILD_SILENT = "PF0208";
        /// A child has reached `max-requests`, `max-rss` or `max-lifetime`, and is being replaced.
        ///
        /// Nothing; if it happens very often, raise the limit or look for a leak.
        CHILD_WORN = "PF0209";
        /// A process was killed, but a tracer or the system keeps it, and it is not waited for.
        ///
        /// End the debugger, or look at the file system that it hangs on.
        CHILD_KEPT_ALIVE = "PF0210";
        /// The queue process of a pool ended, and nobody had asked for it: another one is started.
        ///
        /// Look for the out-of-memory killer; report it if there is no reason outside.
        QUEUE_PROCESS_EXITED = "PF0211";
        /// The queue process of a pool was sent a signal to end: another one is started.
        ///
        /// Send signals to the supervisor, not to its children.
        QUEUE_PROCESS_WAS_SIGNALLED = "PF0212";
        /// The queue process of a pool was killed because what it sent the supervisor makes no sense.
        ///
        /// Report it.
        QUEUE_PROCESS_NOT_TRUSTED = "PF0213";
        /// The queue process of a pool cannot be started: nobody answers while no child serves. It is tried again.
        ///
        /// Look at the limits on processes, memory and descriptors that the message names.
        QUEUE_PROCESS_NOT_STARTED = "PF0214";
        /// A socket that the processes of a pool share was shut down by the application, and has been recreated.
        ///
        /// Find out what in the application shuts down sockets that are not its own.
        TIES_RECREATED = "PF0215";
        /// A socket that the processes of a pool share was shut down by the application, and cannot be recreated.
        ///
        /// Raise the limit on descriptors (`LimitNOFILE=`), then reload.
        TIES_NOT_RECREATED = "PF0216";
        /// After an upgrade the scoreboard of a pool was not usable, so there is a new one.
        ///
        /// Nothing.
        SCOREBOARD_RECREATED = "PF0217";
    }
    "Reload and upgrade" {
        /// A reload has begun.
        ///
        /// Nothing.
        RELOADING = "PF0301";
        /// A reload has succeeded: the new settings and the new code serve.
        ///
        /// Nothing.
        RELOADED = "PF0302";
        /// A reload has failed, and what served before goes on serving.
        ///
        /// Correct what the message names, then reload again.
        RELOAD_FAILED = "PF0303";
        /// An option has changed that a reload cannot apply.
        ///
        /// Restart pyfcgid.
        RESTART_NEEDED = "PF0304";
        /// The limit on open descriptors could not be raised for the new settings.
        ///
        /// Raise the hard limit (`ulimit -Hn`, `LimitNOFILE=`).
        DESCRIPTOR_LIMIT_UNCHANGED = "PF0305";
        /// The owner or the mode of a listening socket could not be changed.
        ///
        /// Change it by hand, or restart pyfcgid.
        SOCKET_UNCHANGED = "PF0306";
        /// The new binary is checked before it takes over.
        ///
        /// Nothing.
        UPGRADE_CHECKED = "PF0351";
        /// The supervisor executes the new binary in its own place.
        ///
        /// Nothing.
        UPGRADE_BEGUN = "PF0352";
        /// The new binary has taken over, and reloads now.
        ///
        /// Nothing.
        UPGRADED = "PF0353";
        /// The new binary waits until what is going on is finished.
        ///
        /// Nothing.
        UPGRADE_WAITS = "PF0354";
        /// The new binary cannot be run, and the old program goes on.
        ///
        /// Look at the file and its permissions, then send USR2 again.
        UPGRADE_NOT_RUN = "PF0355";
        /// The new binary cannot start with this configuration, and the old program goes on.
        ///
        /// Correct what its messages say, then send USR2 again.
        UPGRADE_CHECK_FAILED = "PF0356";
        /// What is in the place of the binary is not pyfcgid, and the old program goes on.
        ///
        /// Put the right file there, then send USR2 again.
        UPGRADE_IS_ANOTHER_PROGRAM = "PF0357";
        /// The new binary does not take over, because a stop has begun.
        ///
        /// Nothing.
        UPGRADE_CANCELLED = "PF0358";
        /// The new binary was checked, but cannot be executed, and the old program goes on.
        ///
        /// Look at the reason that the message names, then send USR2 again.
        UPGRADE_NOT_EXECUTED = "PF0359";
    }
    "Load" {
        /// All workers of a pool are busy, and requests wait.
        ///
        /// If it lasts, raise `processes` or `threads`, or find out what the workers wait for.
        SATURATED = "PF0401";
        /// The workers of a pool have time again.
        ///
        /// Nothing; the figures tell how bad it was.
        NO_LONGER_SATURATED = "PF0402";
        /// Requests were answered 503, because `max-queue` of them were waiting already.
        ///
        /// Raise `processes`, `threads` or `max-queue`, or find out what the workers wait for.
        QUEUE_FULL = "PF0403";
        /// Requests were answered 503, because the last child of the pool did not start.
        ///
        /// Look for PF0205 before, and correct what it names.
        NOBODY_SERVES = "PF0404";
        /// Requests were answered 503, because their process was stopping: they came too late, or no worker had time within `graceful-timeout`.
        ///
        /// Nothing; if there are many at a reload, raise `graceful-timeout`, or find out what the workers wait for.
        REFUSED_BY_STOP = "PF0405";
        /// The line in which requests of a pool wait was shut down, perhaps by the application.
        ///
        /// Find out what in the application shuts down sockets that are not its own, then reload.
        LINE_LOST = "PF0406";
        /// A process has `max-connections` connections, and takes no more until one closes.
        ///
        /// Raise `max-connections`, or have the web server keep fewer open.
        MAX_CONNECTIONS_REACHED = "PF0407";
        /// The event loop of a process cannot be woken.
        ///
        /// Restart pyfcgid, and report it.
        EVENT_LOOP_NOT_WOKEN = "PF0408";
        /// Requests were answered 503, because no worker had time for them within `queue-timeout`.
        ///
        /// Raise `processes`, `threads` or `queue-timeout`, or find out what the workers wait for (`pyfcgid requests --stacks`).
        WAITED_TOO_LONG = "PF0409";
    }
    "Requests" {
        /// The application raised the exception that follows, and the request was answered 500 or its response cut.
        ///
        /// Correct the application.
        REQUEST_FAILED = "PF0501";
        /// The web server gave a request up before the application had begun it.
        ///
        /// Nothing; if it is frequent, compare the web server's timeouts with the load.
        REQUEST_ABORTED = "PF0502";
        /// The web server gave a request up, so `RequestAborted` was raised in the application (`abort = "raise"`).
        ///
        /// Nothing.
        APPLICATION_INTERRUPTED = "PF0503";
        /// The application sent more than the Content-Length of its response; what is beyond was not sent.
        ///
        /// Correct the Content-Length.
        RESPONSE_TOO_LONG = "PF0504";
        /// A mistake in pyfcgid ended a request, which was answered 500 or cut. The process goes on.
        ///
        /// Report it, with the lines around.
        HANDLER_PANICKED = "PF0505";
        /// The administrator interrupted a request (`pyfcgid interrupt`), so `RequestInterrupted` was raised in the application.
        ///
        /// Nothing; the traceback says where the request was.
        REQUEST_INTERRUPTED = "PF0506";
        /// A process can start no thread, so requests cannot be interrupted there, and no stacks told.
        ///
        /// Raise the limit on threads, or find out who uses them up.
        ATTENDANT_NOT_STARTED = "PF0507";
        /// A process that the application had forked came back from it, and was ended: the request is its parent's.
        ///
        /// End forked processes with `os._exit()`, or start programs with `subprocess`.
        FORK_RETURNED = "PF0508";
        /// A request was answered 400: its variables or its body are not as the specification says.
        ///
        /// Find out what connects: it may be no FastCGI client, or not send the whole body.
        REQUEST_MALFORMED = "PF0510";
        /// A request was answered 400: it has no REQUEST_METHOD.
        ///
        /// Include `fastcgi_params` in the web server's site.
        METHOD_MISSING = "PF0511";
        /// A request was answered 431: its variables exceed `max-params-size` or `max-params`.
        ///
        /// Raise the option if such requests are meant to be answered.
        PARAMS_TOO_LARGE = "PF0512";
        /// A request was answered 413: its body exceeds `max-body-size`.
        ///
        /// Raise `max-body-size` if such requests are meant to be answered.
        BODY_TOO_LARGE = "PF0513";
        /// A request was answered 500: its body could not be kept in the temp directory.
        ///
        /// Make room in the directory that the message names, or let `TMPDIR` name another one.
        BODY_NOT_STORED = "PF0514";
        /// A request was answered 404: its path does not lie below `mount`.
        ///
        /// Compare `mount` with the location in the web server's site.
        PATH_OUTSIDE_MOUNT = "PF0515";
        /// A request was answered 403: `roles` does not have its role.
        ///
        /// Add the role to `roles` to allow it.
        ROLE_NOT_ACCEPTED = "PF0516";
        /// A request was answered 404: it came on an address of `status-listen`, where nothing but `status-path` and `ping-path` is
        /// answered.
        ///
        /// Let the web server send the site's requests to an address of `listen`.
        NO_PROBE = "PF0517";
        /// Apache has split the path of a request by files in its document root, and it was put together again.
        ///
        /// Set `mount`.
        PATH_GUESSED = "PF0520";
        /// A file became shorter while it was being sent, so the connection was cut.
        ///
        /// Replace files by renaming new ones into their places, rather than by writing into them.
        FILE_SHRANK = "PF0521";
        /// There was no memory for the part of a response that the web server had not read yet, so the connection was cut.
        ///
        /// Raise `memory-limit`, or find out what in the application takes so much.
        RESPONSE_NOT_KEPT = "PF0522";
        /// A request has run for longer than `slow-request-timeout`. What its thread was doing then follows.
        ///
        /// Find out why it is slow where the stack says; if it may be, give its path more time in `timeouts`, or raise
        /// `slow-request-timeout`.
        REQUEST_SLOW = "PF0531";
        /// A request has run for longer than `request-timeout`. It was answered 504, or its response cut, and `RequestTimeout` is raised in
        /// its thread. What that was doing follows.
        ///
        /// Correct what hangs where the stack says; if it needs more time, give its path more in `timeouts`.
        REQUEST_TIMED_OUT = "PF0532";
        /// A request that had been answered 504, or cut, by `request-timeout` has ended by itself, and its worker is free again.
        ///
        /// Nothing.
        REQUEST_TIMED_OUT_ENDED = "PF0533";
        /// A request did not end within `interrupt-timeout` after it had been answered, so its process is replaced.
        ///
        /// Correct what hangs where the stack says: it waits in C code, or catches `BaseException` and goes on.
        REQUEST_GIVEN_UP = "PF0534";
        /// A process is replaced because its requests do not end: another one is started, and this one ends when its other requests have.
        ///
        /// See the messages of these requests.
        CHILD_HAS_OVERDUE_REQUESTS = "PF0535";
        /// No thread of a process could run Python for `deadlock-timeout`, because one keeps the GIL; or requests were answered 503,
        /// because no worker could begin them for that reason.
        ///
        /// Correct the C extension, or the regular expression, where the stack says; `deadlock-kill = true` replaces such a process.
        GIL_KEPT = "PF0536";
        /// Threads of a process run Python again.
        ///
        /// See the message before.
        GIL_FREE_AGAIN = "PF0537";
        /// A process was killed because of requests or threads that do not end.
        ///
        /// See the messages before about these requests.
        CHILD_OVER_DEADLINE_KILLED = "PF0538";
    }
    "Log" {
        /// The log files are opened again.
        ///
        /// Nothing.
        LOGS_REOPENED = "PF0601";
        /// A log cannot be opened again, and the old one is used on.
        ///
        /// Correct what the message names, then send USR1 again.
        LOG_NOT_REOPENED = "PF0602";
        /// A target of the log did not take lines, and so many are missing.
        ///
        /// Look at the disk or the syslog daemon; log less.
        LINES_LOST = "PF0603";
        /// A process logged more than the supervisor could take, and so many lines are missing.
        ///
        /// Have the application log less.
        CHILD_LINES_LOST = "PF0604";
    }
    "Sockets and connections" {
        /// A listening socket was missing or shut down, and is being recreated.
        ///
        /// Find out what removes it: cleaners of temp directories, a second service, or the application.
        SOCKET_RECREATED = "PF0701";
        /// The file of a Unix socket cannot be removed.
        ///
        /// Remove it by hand if nobody listens there.
        SOCKET_NOT_REMOVED = "PF0702";
        /// A socket was shut down, perhaps by the application, and nothing comes from there any more.
        ///
        /// Find out what in the application shuts down sockets that are not its own, then reload.
        SOCKET_SHUT_DOWN = "PF0703";
        /// Connections cannot be accepted at the moment. It is tried again.
        ///
        /// Raise the limit on descriptors (`LimitNOFILE=`), or lower `max-connections`.
        CANNOT_ACCEPT = "PF0704";
        /// Somebody connected whom `allowed-clients` does not name, and was turned away.
        ///
        /// Add the address to `allowed-clients` if it is a web server of yours; else look at the firewall.
        CLIENT_NOT_ALLOWED = "PF0705";
        /// A connection from another process of the pool was lost for want of a descriptor.
        ///
        /// Raise the limit on descriptors (`LimitNOFILE=`), or lower `max-connections`.
        CONNECTION_LOST = "PF0706";
        /// What came from another process of the pool was not a connection, and was discarded.
        ///
        /// Find out what in the application writes to sockets that are not its own.
        STRAY_MESSAGE = "PF0707";
        /// A connection was closed because the system could not watch it.
        ///
        /// Look at the system's limits (`fs.epoll.max_user_watches`) and its memory.
        CONNECTION_NOT_WATCHED = "PF0708";
        /// A connection was closed: nothing was sent on it within `socket-timeout`.
        ///
        /// Look at what connects and does not speak FastCGI, such as a check of the port.
        CONNECTION_SILENT = "PF0720";
        /// A connection was closed: the rest of a request did not arrive within `socket-timeout`.
        ///
        /// Let the web server buffer requests (nginx: `fastcgi_request_buffering`), or raise `socket-timeout`.
        REQUEST_STALLED = "PF0721";
        /// A connection was closed: its request had been stalled the longest when `uploads-memory` was used up.
        ///
        /// Let the web server buffer requests, or raise `uploads-memory`.
        UPLOADS_MEMORY_FULL = "PF0722";
        /// A connection was closed: the web server did not read a response within `socket-timeout`.
        ///
        /// Let the web server buffer responses, or raise `socket-timeout`.
        RESPONSE_NOT_READ = "PF0723";
        /// The web server closed a connection during a request.
        ///
        /// Nothing, if a visitor has left; else compare the web server's timeouts with what requests take.
        CLOSED_BY_WEB_SERVER = "PF0724";
        /// A connection broke during a request.
        ///
        /// Look at the web server's error log and the network.
        CONNECTION_BROKEN = "PF0725";
        /// A connection was closed: what came is not FastCGI, or not allowed there.
        ///
        /// Look at what connects: it may be an HTTP client, or a site with `proxy_pass` in the place of `fastcgi_pass`.
        PROTOCOL_VIOLATED = "PF0726";
    }
    "Control socket and service manager" {
        /// The file of the control socket was missing, and has been recreated.
        ///
        /// Find out what removes it, such as a cleaner of temp directories.
        CONTROL_SOCKET_RECREATED = "PF0801";
        /// The file of the control socket is missing, and cannot be recreated.
        ///
        /// Correct what the message names, then send HUP.
        CONTROL_SOCKET_NOT_RECREATED = "PF0802";
        /// The owner or the mode of the control socket could not be changed.
        ///
        /// Change it by hand, or restart pyfcgid.
        CONTROL_SOCKET_UNCHANGED = "PF0803";
        /// The supervisor has no descriptor left for a client of the control socket, and accepts nobody for a second.
        ///
        /// Raise the limit on descriptors (`LimitNOFILE=`).
        CONTROL_SOCKET_PAUSED = "PF0804";
        /// The service manager cannot be told what the service does.
        ///
        /// Look at `NOTIFY_SOCKET`, which the service manager sets.
        NOTIFY_SOCKET_UNUSABLE = "PF0805";
    }
    "Configuration, environment and Python" {
        /// These environment variables do not reach any application.
        ///
        /// Name in `pass-env` those that an application needs, or set them in `env`.
        VARIABLES_LEFT_OUT = "PF0901";
        /// No file can be created in the temp directory, so requests with a long body will be answered 500.
        ///
        /// Make the directory writable for the pool's user, or let `TMPDIR` name another one.
        TEMP_DIRECTORY_UNUSABLE = "PF0902";
        /// A process may have too few descriptors for `max-connections`.
        ///
        /// Raise the hard limit (`ulimit -Hn`, `LimitNOFILE=`), or lower `max-connections`.
        TOO_FEW_DESCRIPTORS = "PF0903";
        /// The current directory is gone or closed to the pool's user, so no modules are searched for there.
        ///
        /// Set `chdir`.
        DIRECTORY_UNUSABLE = "PF0904";
        /// The application has called `signal.set_wakeup_fd`, so its signal handlers run up to a second late.
        ///
        /// Leave the call out under pyfcgid if that matters.
        WAKEUP_FD_TAKEN = "PF0905";
        /// The application has set a handler for a signal that stops a process; it is not called.
        ///
        /// Use atexit handlers in its place.
        SIGNAL_HANDLER_REPLACED = "PF0906";
        /// A signal handler of the application raised the exception that follows.
        ///
        /// Correct the signal handler.
        SIGNAL_HANDLER_FAILED = "PF0907";
        /// Processes that the application starts with multiprocessing cannot import the file of the application.
        ///
        /// Put what they run into a module, or use fork.
        SPAWN_CANNOT_IMPORT = "PF0908";
        /// An environment variable looks like an option of pyfcgid with a mistake in its name.
        ///
        /// Correct the name, or remove the variable.
        VARIABLE_IGNORED = "PF0951";
        /// A directory of `python-path` does not exist.
        ///
        /// Correct `python-path`.
        PYTHON_PATH_MISSING = "PF0952";
        /// Several pools write to one access log, and its lines do not say which pool they are about.
        ///
        /// Set `access-log-format` to `detailed`, `json`, or a format with `$pool`.
        ACCESS_LOG_WITHOUT_POOL = "PF0953";
        /// Other machines can connect to an address of a pool.
        ///
        /// Set `allowed-clients`.
        OPEN_TO_THE_NETWORK = "PF0954";
        /// Nobody but root will be able to connect to a Unix socket.
        ///
        /// Set `socket-group` to the group of the web server.
        SOCKET_FOR_ROOT_ALONE = "PF0955";
        /// Root creates a file in a directory where others could replace it.
        ///
        /// Use a directory that only root can write to.
        PLACE_EXPOSED = "PF0956";
        /// Several pools run as one user, so the application of one can do what it likes with the others.
        ///
        /// Give each pool a `user` of its own.
        USER_SHARED = "PF0957";
        /// The `memory-limit` of a pool is less than what a process takes before it has imported anything.
        ///
        /// Raise `memory-limit`, or lower `threads`.
        MEMORY_LIMIT_TOO_LOW = "PF0958";
        /// The daemon has neither a PID file nor a control socket, so no command finds it.
        ///
        /// Set `pid-file` or `control-socket`.
        DAEMON_NOT_FOUND = "PF0959";
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_have_one_form_and_stand_in_order_each_in_the_hundred_of_its_theme() {
        let mut last = 0;
        for (index, theme) in THEMES.iter().enumerate() {
            for entry in theme.entries {
                let digits = entry.code.strip_prefix(PREFIX).unwrap();
                let number: usize = digits.parse().unwrap();
                assert_eq!((digits.len(), number / 100), (LEN - PREFIX.len(), index + 1), "{entry:?}");
                assert!(number > last, "{entry:?}");
                last = number;
            }
        }
        let names: BTreeSet<_> = all().map(|entry| entry.name).collect();
        assert_eq!(names.len(), all().count());
    }

    #[test]
    fn every_code_has_one_sentence_or_two_of_meaning_and_of_remedy() {
        for entry in all() {
            for text in entry.meaning_and_remedy() {
                assert!(text.ends_with('.') && text.starts_with(char::is_uppercase), "{entry:?}");
                assert!(!text.contains(['|', '\n']), "{entry:?}");
            }
        }
    }

    #[test]
    fn only_what_is_in_the_table_is_a_code() {
        assert_eq!(known("PF0101"), Some(READY));
        for text in ["", "PF", "PF0000", "PF010", "PF01010", "pf0101", " PF0101", "pyfcgid", "PF01\u{660}1"] {
            assert_eq!(known(text), None, "{text}");
        }
    }
}
