//! One pool's settings: what its values say together.

use std::path::{Path, PathBuf};

use super::form::{NO_GROUPS, OWN_GROUPS};
use super::layer::{Item, Layers};
use super::reader::Reader;
use super::value::format_duration;
use super::{App, Config, Error, ListenAddress, LogTarget, Origin, Pool, SETTINGS, Scope, Setting, ValueError, file, masking};
use shared::settings;

impl Pool {
    /// Fails when `other` listens where this pool does.
    pub(super) fn refuse_address_of(&self, other: &Self) -> Result<(), Error> {
        let is_taken = |address: &&ListenAddress| self.addresses().any(|taken| taken.is_taken_by(address));
        let Some(address) = other.addresses().find(is_taken) else { return Ok(()) };
        let pools = [self, other].map(|pool| (pool.name.clone(), pool.origin("listen")));
        Err(Error::SameAddress { address: address.clone(), pools: Box::new(pools) })
    }

    /// All addresses: those where it serves, and those for probes alone.
    pub fn addresses(&self) -> impl Iterator<Item = &ListenAddress> {
        self.listen.iter().chain(&self.status_listen)
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

    /// A path that its processes see, as it is outside of their root directory (`chroot`).
    pub(super) fn outside(&self, path: &Path) -> PathBuf {
        let inside = path.strip_prefix("/").unwrap_or(path);
        self.chroot.as_ref().map_or_else(|| path.to_owned(), |root| root.join(inside))
    }

    /// The value of an option of one value, in the form in which it is typed.
    pub fn value_of(&self, key: &str) -> String {
        Setting::named(key).map(|setting| self.shown(setting).concat()).unwrap_or_default()
    }

    /// What its processes are told.
    pub fn of_processes(&self, config: &Config) -> settings::PoolSettings {
        let is_tcp = |address: &&ListenAddress| matches!(address, ListenAddress::Tcp { .. });
        settings::PoolSettings {
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
            request_id: self.request_id,
            abort: self.abort,
            roles: self.roles.clone(),
            sendfile_header: self.sendfile_header.clone(),
            max_connections: self.max_connections,
            allowed_clients: self.allowed_clients.clone(),
            python_path: self.python_path.iter().map(Into::into).collect(),
            searches_beside_file: self.chdir.is_none() && self.python_path.is_empty(),
            max_params_size: self.max_params_size,
            max_params: self.max_params,
            max_body_size: self.max_body_size,
            body_memory: self.body_memory,
            uploads_memory: self.uploads_memory,
            ping_path: self.ping_path.clone(),
            status_path: self.status_path.clone(),
            status_is_apart: !self.status_listen.is_empty(),
            max_queue: self.max_queue,
            queue_timeout: self.queue_timeout,
            max_requests: self.max_requests,
            max_requests_jitter: self.max_requests_jitter,
            memory_limit: self.memory_limit,
            dumps_core: self.rlimit_core.is_some_and(|limit| limit > 0),
            startup_timeout: self.startup_timeout,
            idle_timeout: self.idle_timeout,
            socket_timeout: self.socket_timeout,
            graceful_timeout: self.graceful_timeout,
            deadlines: settings::Deadlines {
                slow: self.slow_request_timeout,
                request: self.request_timeout,
                interrupt: self.interrupt_timeout,
                deadlock: self.deadlock_timeout,
                paths: self.timeouts.clone(),
            },
            access_log_format: self.access_log_in(config).map(|_| config.access_log_format.clone()),
            access_log_exclude: self.access_log_exclude.clone(),
        }
    }

    /// Of this application, with these values. `name` is that of its table.
    pub(super) fn resolve(app: &Item, name: Option<&str>, layers: Layers<'_>) -> Result<Self, Error> {
        let parsed = App::parse(&app.text).map_err(|reason| app.refused("app", reason))?;
        let mut pool = Self::read(&mut Reader::of_pool(layers)?, name.map_or_else(|| parsed.pool_name(), str::to_owned))?;
        if pool.app.factory && !pool.factory {
            pool.factory = true;
            pool.origins.insert("factory", pool.origin("app"));
        }
        pool.app.factory = pool.factory;
        pool.check(layers)?;
        pool.be_slow_in_time();
        Ok(pool)
    }

    /// What is slow is so before it is overdue, if nobody has said when.
    fn be_slow_in_time(&mut self) {
        if let Some(limit) = self.request_timeout.filter(|_| self.origin("slow-request-timeout") == Origin::Default) {
            self.slow_request_timeout = self.slow_request_timeout.map(|slow| slow.min(limit / 2));
        }
    }

    /// Its table in a file, each value with where it comes from.
    pub(super) fn text(&self, shown: masking::Show) -> String {
        let is_told = |setting: &&Setting| {
            setting.stands_in(Scope::Pool) && (setting.of_process.is_none() || self.origins.contains_key(setting.name))
        };
        let line = |setting: &Setting| file::line(setting, self.shown(setting), &self.origin(setting.name), shown);
        let lines: String = SETTINGS.iter().filter(is_told).map(line).collect();
        format!("[pool.{}]\n{lines}", file::quote_key(&self.name))
    }

    /// The values of an option that a pool may have, in the form in which they are typed.
    pub(super) fn shown(&self, setting: &Setting) -> Vec<String> {
        setting.of_pool.map_or_else(Vec::new, |show| show(self))
    }

    /// What single values cannot show.
    fn check(&self, layers: Layers<'_>) -> Result<(), Error> {
        self.check_jitter(layers)?;
        self.check_descriptors(layers)?;
        self.check_times(layers)?;
        self.check_probes(layers)?;
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

    fn check_times(&self, layers: Layers<'_>) -> Result<(), Error> {
        let slow = layers.first("slow-request-timeout").filter(|item| item.origin != Origin::Default);
        if let (Some(item), Some(slow), Some(limit)) = (slow, self.slow_request_timeout, self.request_timeout)
            && slow >= limit
        {
            let reason = format!("must be less than request-timeout ({})", format_duration(limit));
            return Err(item.refused("slow-request-timeout", ValueError::new(reason)));
        }
        let kill = layers.first("deadlock-kill").filter(|_| self.deadlock_kill && self.deadlock_timeout.is_none());
        let reason = || ValueError::new("does nothing while deadlock-timeout is 0");
        kill.map_or(Ok(()), |item| Err(item.refused("deadlock-kill", reason())))
    }

    fn check_probes(&self, layers: Layers<'_>) -> Result<(), Error> {
        if let Some(item) = layers.first("status-path")
            && self.status_path.is_some()
            && self.status_path == self.ping_path
        {
            return Err(item.refused("status-path", ValueError::new("is ping-path, too")));
        }
        let typed = layers.strongest("status-listen");
        let Some(item) = typed.first().filter(|_| !self.status_listen.is_empty()) else {
            return Ok(());
        };
        let refuse = |item: &Item, reason: String| Err(item.refused("status-listen", ValueError::new(reason)));
        if self.status_path.is_none() && self.ping_path.is_none() {
            return refuse(item, without(item, "status-path"));
        }
        let is_taken = |address: &ListenAddress| self.listen.iter().any(|taken| taken.is_taken_by(address));
        let taken = self.status_listen.iter().position(is_taken).map(|place| typed.get(place).unwrap_or(item));
        taken.map_or(Ok(()), |item| refuse(item, "is an address of listen, too".to_owned()))
    }

    fn check_groups(&self, typed: &[Item]) -> Result<(), Error> {
        let refuse = |item: &Item, reason: String| Err(item.refused("supplementary-groups", ValueError::new(reason)));
        let alone = typed.iter().find(|item| matches!(item.text.as_str(), OWN_GROUPS | NO_GROUPS));
        match (alone, typed) {
            (Some(word), [_, _, ..]) => refuse(word, "cannot be combined with other groups".to_owned()),
            (_, [item, ..]) if self.supplementary_groups.is_some() && self.user.is_none() => {
                refuse(item, without(item, "user"))
            }
            _ => Ok(()),
        }
    }
}

/// Why an option that goes with the option `key` makes no sense.
fn without(item: &Item, key: &str) -> String {
    format!("has no effect without {}: set that, too", item.origin.spell(key))
}

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
    fn an_address_for_probes_needs_some_and_is_no_other_one() {
        let probes = [("status-path", "/status"), ("status-listen", "127.0.0.1:2"), ("status-listen", "unix:/s")];
        let pool = load(&probes).unwrap();
        assert_eq!((pool.addresses().count(), pool.status_path.as_deref()), (3, Some("/status")));
        assert!(load(&probes[..1]).is_ok() && load(&[("ping-path", "/ping"), probes[1]]).is_ok());
        let refused = |typed: &[(&'static str, &str)]| load(typed).unwrap_err();
        assert!(refused(&probes[1..]).contains("has no effect without --status-path"), "{}", refused(&probes[1..]));
        let taken = refused(&[("listen", ":2"), probes[0], probes[2], probes[1]]);
        assert!(taken.starts_with("--status-listen \"127.0.0.1:2\": is an address of listen, too"), "{taken}");
        let same = refused(&[("ping-path", "/status"), probes[0]]);
        assert!(same.starts_with("--status-path \"/status\": is ping-path, too"), "{same}");
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
                "--max-requests-jitter \"5\": has no effect without --max-requests: set that, too",
            ),
            (&[("supplementary-groups", "a")], "--supplementary-groups \"a\": has no effect without --user: set that, too"),
            (
                &[("supplementary-groups", "none")],
                "--supplementary-groups \"none\": has no effect without --user: set that, too",
            ),
            (
                &[("max-requests", "9"), ("max-requests-jitter", "2"), ("supplementary-groups", "a")],
                "--supplementary-groups \"a\": has no effect without --user: set that, too",
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
        assert!(error.ends_with(": has no effect without PYFCGID_MAX_REQUESTS: set that, too"), "{error}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[pool.blog]\nmax-requests-jitter = 5\n").unwrap();
        let error = Config::load(&flags, &|_| None, Some(file.path())).unwrap_err().to_string();
        assert!(
            error.ends_with(":2: max-requests-jitter = \"5\": has no effect without max-requests: set that, too"),
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
        assert_eq!(
            groups(&["a", "none"]).unwrap_err(),
            "--supplementary-groups \"none\": cannot be combined with other groups"
        );
        for typed in [&["own", "a"][..], &["none", "a"], &["a", "own"], &["none", "none"]] {
            assert!(groups(typed).unwrap_err().contains("cannot be combined with other groups"), "{typed:?}");
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
