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
    /// What has happened.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
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
    ($($heading:literal { $($code:literal $name:ident: $meaning:literal; $remedy:literal)+ })+) => {
        $($(
            #[doc = $meaning]
            pub const $name: Code = $code;
        )+)+
        /// The table.
        pub const THEMES: &[Theme] = &[$(Theme {
            heading: $heading,
            entries: &[$(Entry { code: $name, name: stringify!($name), meaning: $meaning, remedy: $remedy }),+],
        }),+];
    };
}

themes! {
    "Start and stop" {
        "PF0101" READY: "Every pool serves.";
            "Nothing."
        "PF0102" STOPPING: "A stop has begun.";
            "Nothing."
        "PF0103" STOPPED: "The supervisor ends, and all its processes have ended.";
            "Nothing."
        "PF0104" NO_POOL: "The service runs, but no pool is configured.";
            "Write a pool with `pyfcgid new NAME`, then reload."
        "PF0105" START_FAILED: "A pool did not come up at the start, so the service has ended.";
            "Correct what the message names, and start again; `pyfcgid check` tries a start without serving."
        "PF0106" STOP_WAITS: "A process that stops waits for the requests that it is answering, for at most \
            `graceful-timeout`.";
            "Nothing."
        "PF0107" REQUESTS_UNANSWERED: "A process has ended before it had answered these requests.";
            "If they only needed more time, raise `graceful-timeout`; else find out what they wait for."
        "PF0108" REQUESTS_OUTLIVED_STOP: "Requests were still running at the end of `graceful-timeout`, so no exit \
            handlers were run.";
            "Find out why these requests do not end; raise `graceful-timeout` if they may take so long."
        "PF0109" THREADS_OUTLIVED_STOP: "Threads or exit handlers of the application did not end within \
            `graceful-timeout`.";
            "Make the named threads daemons, or end them from an exit handler."
        "PF0110" EXIT_HANDLER_FAILED: "An exit handler of the application raised the exception that follows.";
            "Correct the exit handler."
        "PF0111" FILES_NOT_FLUSHED: "At the end of a process the files that the application left open could not be found, \
            so what it had not flushed is lost.";
            "Have the application close its files."
        "PF0112" STOP_HAS_NO_LIMIT: "The thread that limits the end of a process could not be started; the supervisor \
            kills the process if need be.";
            "Look at the limits on threads and memory (`ulimit -u`, `TasksMax=`)."
        "PF0113" LISTENERS_STILL_WATCHED: "A process that stops could not let go of the listening sockets.";
            "Report it; the process ends all the same."
        "PF0114" SUPERVISOR_CANNOT_WAIT: "The supervisor cannot wait for events any more, so it stops at once.";
            "Look at what the system says about memory and descriptors, and start again."
        "PF0115" SIGNALS_LOST: "The supervisor receives no signals any more.";
            "Use the control socket (`pyfcgid stop`), and start again."
        "PF0116" ORPHANS_NOT_REAPED: "Processes that applications leave behind are not adopted by the supervisor.";
            "Nothing, if process 1 of this machine or container reaps orphans; else give it one that does."
        "PF0117" ORPHANS_LEFT: "Processes that applications have started are still running after the stop.";
            "Have the application end what it starts."
    }
    "Children" {
        "PF0201" SERVING: "A child has imported its application, and tells on which addresses it serves, and with which \
            Python.";
            "Nothing."
        "PF0202" CHILD_EXITED: "A child that served ended, and nobody had asked for it: another one is started.";
            "Look at the lines before: a crash of a C extension, the out-of-memory killer, or an exit by the application."
        "PF0203" CHILD_WAS_SIGNALLED: "A child was sent a signal to end: another one is started.";
            "Send signals to the supervisor, not to its children."
        "PF0204" CHILD_NOT_STARTED: "A child did not come up, while others of its pool serve. It is tried again.";
            "Correct what the message names: usually an exception at import, or a start longer than `startup-timeout`."
        "PF0205" POOL_NOT_SERVING: "A child did not come up, and no other of its pool serves: requests are answered 503. \
            It is tried again.";
            "Correct what the message names: usually an exception at import, or a start longer than `startup-timeout`."
        "PF0206" CHILD_NOT_TRUSTED: "A child was killed because it sent the supervisor what pyfcgid does not send, or \
            closed its link.";
            "Find out what in the application writes to, closes or passes on descriptors that are not its own."
        "PF0207" CHILD_KILLED: "A child did not end in time when it was told to, and was killed.";
            "Find out what it was doing; raise `graceful-timeout` if its requests may take so long."
        "PF0208" RETIRING_CHILD_SILENT: "A child that is being replaced does not answer, so the others go on without \
            waiting for it.";
            "Find out what in the application keeps the process busy, for instance C code that keeps the GIL."
        "PF0209" CHILD_WORN: "A child has reached `max-requests`, `max-rss` or `max-lifetime`, and is being replaced.";
            "Nothing; if it happens very often, raise the limit or look for a leak."
        "PF0210" CHILD_KEPT_ALIVE: "A process was killed, but a tracer or the system keeps it, and it is not waited for.";
            "End the debugger, or look at the file system that it hangs on."
        "PF0211" QUEUE_PROCESS_EXITED: "The queue process of a pool ended, and nobody had asked for it: another one is \
            started.";
            "Look for the out-of-memory killer; report it if there is no reason outside."
        "PF0212" QUEUE_PROCESS_WAS_SIGNALLED: "The queue process of a pool was sent a signal to end: another one is \
            started.";
            "Send signals to the supervisor, not to its children."
        "PF0213" QUEUE_PROCESS_NOT_TRUSTED: "The queue process of a pool was killed because what it sent the supervisor \
            makes no sense.";
            "Report it."
        "PF0214" QUEUE_PROCESS_NOT_STARTED: "The queue process of a pool cannot be started: nobody answers while no child \
            serves. It is tried again.";
            "Look at the limits on processes, memory and descriptors that the message names."
        "PF0215" TIES_RECREATED: "A socket that the processes of a pool share was shut down by the application, and has \
            been recreated.";
            "Find out what in the application shuts down sockets that are not its own."
        "PF0216" TIES_NOT_RECREATED: "A socket that the processes of a pool share was shut down by the application, and \
            cannot be recreated.";
            "Raise the limit on descriptors (`LimitNOFILE=`), then reload."
        "PF0217" SCOREBOARD_RECREATED: "After an upgrade the scoreboard of a pool was not usable, so there is a new one.";
            "Nothing."
    }
    "Reload and upgrade" {
        "PF0301" RELOADING: "A reload has begun.";
            "Nothing."
        "PF0302" RELOADED: "A reload has succeeded: the new settings and the new code serve.";
            "Nothing."
        "PF0303" RELOAD_FAILED: "A reload has failed, and what served before goes on serving.";
            "Correct what the message names, then reload again."
        "PF0304" RESTART_NEEDED: "An option has changed that a reload cannot apply.";
            "Restart pyfcgid."
        "PF0305" DESCRIPTOR_LIMIT_UNCHANGED: "The limit on open descriptors could not be raised for the new settings.";
            "Raise the hard limit (`ulimit -Hn`, `LimitNOFILE=`)."
        "PF0306" SOCKET_UNCHANGED: "The owner or the mode of a listening socket could not be changed.";
            "Change it by hand, or restart pyfcgid."
        "PF0351" UPGRADE_CHECKED: "The new binary is checked before it takes over.";
            "Nothing."
        "PF0352" UPGRADE_BEGUN: "The supervisor executes the new binary in its own place.";
            "Nothing."
        "PF0353" UPGRADED: "The new binary has taken over, and reloads now.";
            "Nothing."
        "PF0354" UPGRADE_WAITS: "The new binary waits until what is going on is finished.";
            "Nothing."
        "PF0355" UPGRADE_NOT_RUN: "The new binary cannot be run, and the old program goes on.";
            "Look at the file and its permissions, then send USR2 again."
        "PF0356" UPGRADE_CHECK_FAILED: "The new binary cannot start with this configuration, and the old program goes on.";
            "Correct what its messages say, then send USR2 again."
        "PF0357" UPGRADE_IS_ANOTHER_PROGRAM: "What is in the place of the binary is not pyfcgid, and the old program goes \
            on.";
            "Put the right file there, then send USR2 again."
        "PF0358" UPGRADE_CANCELLED: "The new binary does not take over, because a stop has begun.";
            "Nothing."
        "PF0359" UPGRADE_NOT_EXECUTED: "The new binary was checked, but cannot be executed, and the old program goes on.";
            "Look at the reason that the message names, then send USR2 again."
    }
    "Load" {
        "PF0401" SATURATED: "All workers of a pool are busy, and requests wait.";
            "If it lasts, raise `processes` or `threads`, or find out what the workers wait for."
        "PF0402" NO_LONGER_SATURATED: "The workers of a pool have time again.";
            "Nothing; the figures tell how bad it was."
        "PF0403" QUEUE_FULL: "Requests were answered 503, because `max-queue` of them were waiting already.";
            "Raise `processes`, `threads` or `max-queue`, or find out what the workers wait for."
        "PF0404" NOBODY_SERVES: "Requests were answered 503, because the last child of the pool did not start.";
            "Look for PF0205 before, and correct what it names."
        "PF0405" REFUSED_BY_STOP: "Requests were answered 503, because pyfcgid was stopping.";
            "Nothing."
        "PF0406" LINE_LOST: "The line in which requests of a pool wait was shut down, perhaps by the application.";
            "Find out what in the application shuts down sockets that are not its own, then reload."
        "PF0407" MAX_CONNECTIONS_REACHED: "A process has `max-connections` connections, and takes no more until one \
            closes.";
            "Raise `max-connections`, or have the web server keep fewer open."
        "PF0408" EVENT_LOOP_NOT_WOKEN: "The event loop of a process cannot be woken.";
            "Restart pyfcgid, and report it."
        "PF0409" WAITED_TOO_LONG: "Requests were answered 503, because no worker had time for them within `queue-timeout`.";
            "Raise `processes`, `threads` or `queue-timeout`, or find out what the workers wait for (`pyfcgid requests --stacks`)."
    }
    "Requests" {
        "PF0501" REQUEST_FAILED: "The application raised the exception that follows, and the request was answered 500 or \
            its response cut.";
            "Correct the application."
        "PF0502" REQUEST_ABORTED: "The web server gave a request up before the application had begun it.";
            "Nothing; if it is frequent, compare the web server's timeouts with the load."
        "PF0503" APPLICATION_INTERRUPTED: "The web server gave a request up, so `RequestAborted` was raised in the \
            application (`abort = \"raise\"`).";
            "Nothing."
        "PF0504" RESPONSE_TOO_LONG: "The application sent more than the Content-Length of its response; what is beyond \
            was not sent.";
            "Correct the Content-Length."
        "PF0505" HANDLER_PANICKED: "A mistake in pyfcgid ended a request, which was answered 500 or cut. The process goes \
            on.";
            "Report it, with the lines around."
        "PF0506" REQUEST_INTERRUPTED: "The administrator interrupted a request (`pyfcgid interrupt`), so `RequestInterrupted` \
            was raised in the application.";
            "Nothing; the traceback says where the request was."
        "PF0507" ATTENDANT_NOT_STARTED: "A process can start no thread, so requests cannot be interrupted there, and no stacks \
            told.";
            "Raise the limit on threads, or find out who uses them up."
        "PF0508" FORK_RETURNED: "A process that the application had forked came back from it, and was ended: the request is its \
            parent's.";
            "End forked processes with `os._exit()`, or start programs with `subprocess`."
        "PF0510" REQUEST_MALFORMED: "A request was answered 400: its variables or its body are not as the specification \
            says.";
            "Find out what connects: it may be no FastCGI client, or not send the whole body."
        "PF0511" METHOD_MISSING: "A request was answered 400: it has no REQUEST_METHOD.";
            "Include `fastcgi_params` in the web server's site."
        "PF0512" PARAMS_TOO_LARGE: "A request was answered 431: its variables exceed `max-params-size` or `max-params`.";
            "Raise the option if such requests are meant to be answered."
        "PF0513" BODY_TOO_LARGE: "A request was answered 413: its body exceeds `max-body-size`.";
            "Raise `max-body-size` if such requests are meant to be answered."
        "PF0514" BODY_NOT_STORED: "A request was answered 500: its body could not be kept in the temp directory.";
            "Make room in the directory that the message names, or let `TMPDIR` name another one."
        "PF0515" PATH_OUTSIDE_MOUNT: "A request was answered 404: its path does not lie below `mount`.";
            "Compare `mount` with the location in the web server's site."
        "PF0516" ROLE_NOT_ACCEPTED: "A request was answered 403: `roles` does not have its role.";
            "Add the role to `roles` to allow it."
        "PF0517" NO_PROBE: "A request was answered 404: it came on an address of `status-listen`, where nothing but `status-path` and \
            `ping-path` is answered.";
            "Let the web server send the site's requests to an address of `listen`."
        "PF0520" PATH_GUESSED: "Apache has split the path of a request by files in its document root, and it was put \
            together again.";
            "Set `mount`."
        "PF0521" FILE_SHRANK: "A file became shorter while it was being sent, so the connection was cut.";
            "Replace files by renaming new ones into their places, rather than by writing into them."
        "PF0522" RESPONSE_NOT_KEPT: "There was no memory for the part of a response that the web server had not read yet, so the \
            connection was cut.";
            "Raise `memory-limit`, or find out what in the application takes so much."
        "PF0531" REQUEST_SLOW: "A request has run for longer than `slow-request-timeout`. What its thread was doing then \
            follows.";
            "Find out why it is slow where the stack says; if it may be, give its path more time in `timeouts`, or raise \
            `slow-request-timeout`."
        "PF0532" REQUEST_TIMED_OUT: "A request has run for longer than `request-timeout`. It was answered 504, or its response cut, \
            and `RequestTimeout` is raised in its thread. What that was doing follows.";
            "Correct what hangs where the stack says; if it needs more time, give its path more in `timeouts`."
        "PF0533" REQUEST_TIMED_OUT_ENDED: "A request that had been answered 504, or cut, by `request-timeout` has ended by itself, and \
            its worker is free again.";
            "Nothing."
        "PF0534" REQUEST_GIVEN_UP: "A request did not end within `interrupt-timeout` after it had been answered, so its process is \
            replaced.";
            "Correct what hangs where the stack says: it waits in C code, or catches `BaseException` and goes on."
        "PF0535" CHILD_HAS_OVERDUE_REQUESTS: "A process is replaced because its requests do not end: another one is started, and this one \
            ends when its other requests have.";
            "See the messages of these requests."
        "PF0536" GIL_KEPT: "No thread of a process could run Python for `deadlock-timeout`, because one keeps the GIL; or requests were \
            answered 503, because no worker could begin them for that reason.";
            "Correct the C extension, or the regular expression, where the stack says; `deadlock-kill = true` replaces such a process."
        "PF0537" GIL_FREE_AGAIN: "Threads of a process run Python again.";
            "See the message before."
        "PF0538" CHILD_OVER_DEADLINE_KILLED: "A process was killed because of requests or threads that do not end.";
            "See the messages before about these requests."
    }
    "Log" {
        "PF0601" LOGS_REOPENED: "The log files are opened again.";
            "Nothing."
        "PF0602" LOG_NOT_REOPENED: "A log cannot be opened again, and the old one is used on.";
            "Correct what the message names, then send USR1 again."
        "PF0603" LINES_LOST: "A target of the log did not take lines, and so many are missing.";
            "Look at the disk or the syslog daemon; log less."
        "PF0604" CHILD_LINES_LOST: "A process logged more than the supervisor could take, and so many lines are missing.";
            "Have the application log less."
    }
    "Sockets and connections" {
        "PF0701" SOCKET_RECREATED: "A listening socket was missing or shut down, and is being recreated.";
            "Find out what removes it: cleaners of temp directories, a second service, or the application."
        "PF0702" SOCKET_NOT_REMOVED: "The file of a Unix socket cannot be removed.";
            "Remove it by hand if nobody listens there."
        "PF0703" SOCKET_SHUT_DOWN: "A socket was shut down, perhaps by the application, and nothing comes from there any \
            more.";
            "Find out what in the application shuts down sockets that are not its own, then reload."
        "PF0704" CANNOT_ACCEPT: "Connections cannot be accepted at the moment. It is tried again.";
            "Raise the limit on descriptors (`LimitNOFILE=`), or lower `max-connections`."
        "PF0705" CLIENT_NOT_ALLOWED: "Somebody connected whom `allowed-clients` does not name, and was turned away.";
            "Add the address to `allowed-clients` if it is a web server of yours; else look at the firewall."
        "PF0706" CONNECTION_LOST: "A connection from another process of the pool was lost for want of a descriptor.";
            "Raise the limit on descriptors (`LimitNOFILE=`), or lower `max-connections`."
        "PF0707" STRAY_MESSAGE: "What came from another process of the pool was not a connection, and was discarded.";
            "Find out what in the application writes to sockets that are not its own."
        "PF0708" CONNECTION_NOT_WATCHED: "A connection was closed because the system could not watch it.";
            "Look at the system's limits (`fs.epoll.max_user_watches`) and its memory."
        "PF0720" CONNECTION_SILENT: "A connection was closed: nothing was sent on it within `socket-timeout`.";
            "Look at what connects and does not speak FastCGI, such as a check of the port."
        "PF0721" REQUEST_STALLED: "A connection was closed: the rest of a request did not arrive within `socket-timeout`.";
            "Let the web server buffer requests (nginx: `fastcgi_request_buffering`), or raise `socket-timeout`."
        "PF0722" UPLOADS_MEMORY_FULL: "A connection was closed: its request had been stalled the longest when \
            `uploads-memory` was used up.";
            "Let the web server buffer requests, or raise `uploads-memory`."
        "PF0723" RESPONSE_NOT_READ: "A connection was closed: the web server did not read a response within \
            `socket-timeout`.";
            "Let the web server buffer responses, or raise `socket-timeout`."
        "PF0724" CLOSED_BY_WEB_SERVER: "The web server closed a connection during a request.";
            "Nothing, if a visitor has left; else compare the web server's timeouts with what requests take."
        "PF0725" CONNECTION_BROKEN: "A connection broke during a request.";
            "Look at the web server's error log and the network."
        "PF0726" PROTOCOL_VIOLATED: "A connection was closed: what came is not FastCGI, or not allowed there.";
            "Look at what connects: it may be an HTTP client, or a site with `proxy_pass` in the place of `fastcgi_pass`."
    }
    "Control socket and service manager" {
        "PF0801" CONTROL_SOCKET_RECREATED: "The file of the control socket was missing, and has been recreated.";
            "Find out what removes it, such as a cleaner of temp directories."
        "PF0802" CONTROL_SOCKET_NOT_RECREATED: "The file of the control socket is missing, and cannot be recreated.";
            "Correct what the message names, then send HUP."
        "PF0803" CONTROL_SOCKET_UNCHANGED: "The owner or the mode of the control socket could not be changed.";
            "Change it by hand, or restart pyfcgid."
        "PF0804" CONTROL_SOCKET_PAUSED: "The supervisor has no descriptor left for a client of the control socket, and \
            accepts nobody for a second.";
            "Raise the limit on descriptors (`LimitNOFILE=`)."
        "PF0805" NOTIFY_SOCKET_UNUSABLE: "The service manager cannot be told what the service does.";
            "Look at `NOTIFY_SOCKET`, which the service manager sets."
    }
    "Configuration, environment and Python" {
        "PF0901" VARIABLES_LEFT_OUT: "These environment variables do not reach any application.";
            "Name in `pass-env` those that an application needs, or set them in `env`."
        "PF0902" TEMP_DIRECTORY_UNUSABLE: "No file can be created in the temp directory, so requests with a long body \
            will be answered 500.";
            "Make the directory writable for the pool's user, or let `TMPDIR` name another one."
        "PF0903" TOO_FEW_DESCRIPTORS: "A process may have too few descriptors for `max-connections`.";
            "Raise the hard limit (`ulimit -Hn`, `LimitNOFILE=`), or lower `max-connections`."
        "PF0904" DIRECTORY_UNUSABLE: "The current directory is gone or closed to the pool's user, so no modules are \
            searched for there.";
            "Set `chdir`."
        "PF0905" WAKEUP_FD_TAKEN: "The application has called `signal.set_wakeup_fd`, so its signal handlers run up to a \
            second late.";
            "Leave the call out under pyfcgid if that matters."
        "PF0906" SIGNAL_HANDLER_REPLACED: "The application has set a handler for a signal that stops a process; it is not \
            called.";
            "Use atexit handlers in its place."
        "PF0907" SIGNAL_HANDLER_FAILED: "A signal handler of the application raised the exception that follows.";
            "Correct the signal handler."
        "PF0908" SPAWN_CANNOT_IMPORT: "Processes that the application starts with multiprocessing cannot import the file \
            of the application.";
            "Put what they run into a module, or use fork."
        "PF0951" VARIABLE_IGNORED: "An environment variable looks like an option of pyfcgid with a mistake in its name.";
            "Correct the name, or remove the variable."
        "PF0952" PYTHON_PATH_MISSING: "A directory of `python-path` does not exist.";
            "Correct `python-path`."
        "PF0953" ACCESS_LOG_WITHOUT_POOL: "Several pools write to one access log, and its lines do not say which pool \
            they are about.";
            "Set `access-log-format` to `detailed`, `json`, or a format with `$pool`."
        "PF0954" OPEN_TO_THE_NETWORK: "Other machines can connect to an address of a pool.";
            "Set `allowed-clients`."
        "PF0955" SOCKET_FOR_ROOT_ALONE: "Nobody but root will be able to connect to a Unix socket.";
            "Set `socket-group` to the group of the web server."
        "PF0956" PLACE_EXPOSED: "Root creates a file in a directory where others could replace it.";
            "Use a directory that only root can write to."
        "PF0957" USER_SHARED: "Several pools run as one user, so the application of one can do what it likes with the \
            others.";
            "Give each pool a `user` of its own."
        "PF0958" MEMORY_LIMIT_TOO_LOW: "The `memory-limit` of a pool is less than what a process takes before it has imported \
            anything.";
            "Raise `memory-limit`, or lower `threads`."
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
            for text in [entry.meaning, entry.remedy] {
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
