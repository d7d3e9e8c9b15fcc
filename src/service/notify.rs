//! Telling systemd, or whoever speaks like it, how the service is (sd_notify(3)).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use super::{Variables, number};
use shared::logging::codes;
use shared::sys::process::{self, ProcessId};

/// The way to the service manager, if there is one. What cannot be sent is lost, and no error: a service works without being
/// watched.
#[derive(Debug, Default)]
pub struct Notifier {
    way: Option<Way>,
    /// How often [`Self::watchdog`] is due: twice in the time after which this process would be killed. None when nobody watches.
    pub watchdog_interval: Option<Duration>,
    /// What the manager has not taken yet: it is not waited for, but a READY that is lost would end the service.
    waiting: RefCell<VecDeque<String>>,
}

#[derive(Debug)]
struct Way {
    socket: UnixDatagram,
    address: SocketAddr,
    /// NOTIFY_SOCKET as it was, for a program that replaces this one.
    typed: OsString,
}

impl Notifier {
    /// What NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID say.
    pub fn from_environment(variables: Variables<'_>) -> Self {
        let typed = variables("NOTIFY_SOCKET").filter(|typed| !typed.is_empty());
        let tell = |typed: &OsStr, error: &io::Error| {
            log::warn!(target: codes::NOTIFY_SOCKET_UNUSABLE, "NOTIFY_SOCKET {} cannot be used: {error}", typed.display());
        };
        let way = typed.and_then(|typed| Way::new(&typed).inspect_err(|error| tell(&typed, error)).ok());
        Self { way, watchdog_interval: watchdog_interval(variables, ProcessId::current()), ..Self::default() }
    }

    /// Every message ends up here: lines of NAME=VALUE. Never waits.
    pub fn send(&self, state: &str) {
        if self.way.is_some() {
            let mut waiting = self.waiting.borrow_mut();
            waiting.retain(|earlier| earlier != state);
            if waiting.len() == MOST_WAITING {
                waiting.pop_front();
            }
            waiting.push_back(state.to_owned());
            drop(waiting);
            self.flush();
        }
    }

    /// Sends what the manager did not take before.
    pub fn flush(&self) {
        let (Some(way), mut waiting) = (&self.way, self.waiting.borrow_mut()) else {
            return;
        };
        while let Some(state) = waiting.front() {
            match way.socket.send_to_addr(state.as_bytes(), &way.address) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => log::debug!("cannot notify the service manager: {error}"),
                Ok(_) => {}
            }
            waiting.pop_front();
        }
    }

    /// When to [`Self::flush`], if something waits.
    pub fn retry_in(&self) -> Option<Duration> {
        (!self.waiting.borrow().is_empty()).then_some(RETRY)
    }

    /// The service does its work, after a start or a reload.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\n{}", status_line(status)));
    }

    /// A reload has begun; [`Self::ready`] ends it.
    pub fn reloading(&self, status: &str) {
        let now = process::monotonic_time().as_micros();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={now}\n{}", status_line(status)));
    }

    /// The service is about to end.
    pub fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\n{}", status_line(status)));
    }

    /// This process is still alive.
    pub fn watchdog(&self) {
        self.send("WATCHDOG=1");
    }

    /// What the environment of a program that replaces this one in the same process needs.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let way = self.way.iter().map(|way| ("NOTIFY_SOCKET".into(), way.typed.clone()));
        let usec =
            self.watchdog_interval.iter().map(|half| ("WATCHDOG_USEC".into(), (half.as_micros() * 2).to_string().into()));
        way.chain(usec).collect()
    }
}

impl Way {
    fn new(typed: &OsStr) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address: address(typed)?, typed: typed.to_owned() })
    }
}

/// A path, or with `@` in front a name in the abstract namespace.
fn address(typed: &OsStr) -> io::Result<SocketAddr> {
    match typed.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(typed),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "it is neither a path nor an abstract name")),
    }
}

fn watchdog_interval(variables: Variables<'_>, current: ProcessId) -> Option<Duration> {
    let is_meant = variables("WATCHDOG_PID").is_none() || number(variables, "WATCHDOG_PID") == Some(current.number());
    let usec = number::<u64>(variables, "WATCHDOG_USEC").filter(|usec| *usec > 1 && is_meant)?;
    Some(Duration::from_micros(usec / 2))
}

/// One line: a line feed would begin another variable.
fn status_line(text: &str) -> String {
    format!("STATUS={}", text.replace(['\n', '\r'], " "))
}

const RETRY: Duration = Duration::from_millis(100);
const MOST_WAITING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn notifier(socket: &OsStr) -> Notifier {
        Notifier::from_environment(&|name| (name == "NOTIFY_SOCKET").then(|| socket.to_owned()))
    }

    fn next(manager: &UnixDatagram) -> String {
        manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut bytes = [0; 4096];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_manager_at_a_path_hears_everything() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = notifier(path.as_os_str());
        notifier.ready("serving\nMAINPID=1");
        assert_eq!(next(&manager), "READY=1\nSTATUS=serving MAINPID=1");
        notifier.stopping("bye");
        assert_eq!(next(&manager), "STOPPING=1\nSTATUS=bye");
        notifier.watchdog();
        assert_eq!(next(&manager), "WATCHDOG=1");
        notifier.reloading("new code");
        let message = next(&manager);
        let usec = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|rest| rest.strip_suffix("\nSTATUS=new code"));
        assert!(usec.is_some_and(|usec| usec.parse::<u64>().unwrap() > 0), "{message}");
    }

    #[test]
    fn a_manager_may_have_an_abstract_name() {
        let name = format!("pyfcgid-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        notifier(OsStr::new(&format!("@{name}"))).send("STATUS=fine");
        assert_eq!(next(&manager), "STATUS=fine");
    }

    #[test]
    fn a_manager_that_does_not_listen_is_not_waited_for_and_hears_the_last_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = notifier(path.as_os_str());
        let begun = std::time::Instant::now();
        (0..5000).for_each(|number| notifier.send(&number.to_string()));
        notifier.ready("fine");
        assert!(begun.elapsed() < Duration::from_secs(5), "it waited for {:?}", begun.elapsed());
        assert!(notifier.retry_in().is_some());
        manager.set_nonblocking(true).unwrap();
        let mut last = String::new();
        let mut bytes = [0; 4096];
        while let Ok(length) = manager.recv(&mut bytes) {
            last = String::from_utf8(bytes[..length].to_vec()).unwrap();
            notifier.flush();
        }
        assert_eq!((last.as_str(), notifier.retry_in()), ("READY=1\nSTATUS=fine", None));
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        for typed in ["", "vsock:2:1234", "relative", "/nowhere/at/all", "@"] {
            notifier(OsStr::new(typed)).ready("fine");
        }
        Notifier::default().ready("fine");
    }

    #[test]
    fn the_watchdog_is_fed_twice_in_its_time() {
        let interval = |usec: &str, process: Option<&str>| {
            let variables = |name: &str| match name {
                "WATCHDOG_USEC" => Some(OsString::from(usec)),
                "WATCHDOG_PID" => process.map(OsString::from),
                _ => None,
            };
            watchdog_interval(&variables, ProcessId::new(7).unwrap())
        };
        assert_eq!(interval("3000000", None), Some(Duration::from_millis(1500)));
        assert_eq!(interval("3000000", Some("7")), Some(Duration::from_millis(1500)));
        assert_eq!(interval("3000000", Some("8")), None);
        assert_eq!(interval("0", None), None);
        assert_eq!(interval("soon", None), None);
    }

    #[test]
    fn a_program_that_replaces_this_one_gets_the_variables_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let typed = path.clone().into_os_string();
        let variables = |name: &str| match name {
            "NOTIFY_SOCKET" => Some(typed.clone()),
            "WATCHDOG_USEC" => Some("3000000".into()),
            _ => None,
        };
        let environment = Notifier::from_environment(&variables).environment();
        assert_eq!(environment, [("NOTIFY_SOCKET".into(), typed.clone()), ("WATCHDOG_USEC".into(), "3000000".into())]);
    }
}
