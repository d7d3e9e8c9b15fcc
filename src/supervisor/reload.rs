//! A reload, of all pools or of one: everything is prepared and tried before anything is changed, and all of these pools change or none.
//!
//! ```text
//!   begin ───▶ Reading ─────────▶ Trying ───────────────────▶ Rolling ─────────────▶ (over)
//!                 │ by a process     │    each pool's first       │  each pool's others
//!                 │ (rehearsal.rs)   │    child is ready:         │  serve
//!                 │ the settings, a  │    log, settings and       │
//!                 │ socket, the log  │    sockets are installed   └─ a later child does not come up: told; it is tried again
//!                 │ are refused      │
//!                 ▼                  ▼
//!               (over: nothing is changed)
//!                                    one pool's first child fails: those of the others go, new pools and sockets too
//! ```
//!
//! What is prepared is open, but not used: sockets on which only the children that are tried listen, and which go with them, a log to
//! which nobody writes. A child that is replaced meanwhile gets the settings that serve.
//!
//! The reload of one pool is one with a configuration in which that pool alone is new, and everything else is as it serves.

use std::collections::BTreeSet;
use std::iter;
use std::rc::Rc;
use std::time::Instant;

use itertools::Itertools;

use super::children::{Outcome, Stop};
use super::control_socket::{Client, admit, control_access, no_such_pool};
use super::pool::{RunningPool, Service};
use super::rehearsal::{Findings, Rehearsal, fingerprint};
use super::sockets::{Sockets, Ties, addresses_of, owner_of};
use super::warnings::Warnings;
use super::{ServicePhase, Supervisor, raise_open_files};
use crate::config::{self, Config, EX_USAGE, ListenAddress, Warning};
use crate::control_protocol::Scope;
use crate::launch;
use crate::log_writer;
use crate::report::amount::counted;
use crate::start_error::StartError;
use shared::link::Failure;
use shared::listener::{Access, BindError};
use shared::logging::{codes, with_causes};
use shared::sys::process::EX_OSERR;

/// A reload in progress.
#[derive(Debug)]
pub struct Reload {
    scope: Scope,
    clients: Vec<Client>,
    begun: Instant,
    stage: Stage,
    /// Pools that have not said yet what came of the stage.
    open: BTreeSet<String>,
    failures: Vec<Reason>,
    warnings: Warnings,
}

#[derive(Debug)]
enum Stage {
    Reading(Rehearsal),
    Trying(Prepared),
    Rolling,
}

/// What a reload needs, open and not used.
#[derive(Debug)]
struct Prepared {
    config: Rc<Config>,
    control: Access,
    log: Box<log_writer::Writer>,
    /// What each needs, until it is tried; with ties if it is new.
    pools: Vec<(Service, Sockets, Option<Ties>)>,
}

impl Reload {
    /// What is to be said of its failures, if there are any.
    fn refusal(&mut self) -> Option<Refusal> {
        let what = match &self.stage {
            Stage::Reading(_) => REFUSED.to_owned(),
            Stage::Trying(prepared) => refused_by_a_pool(&self.scope, &prepared.config),
            Stage::Rolling => "reload incomplete: not every process started".to_owned(),
        };
        let mut reasons = std::mem::take(&mut self.failures).into_iter();
        reasons.next().map(|first| Refusal { what, first, others: reasons.collect() })
    }

    /// Who reads the configuration, if that is done now.
    pub fn rehearsal(&self) -> Option<&Rehearsal> {
        if let Stage::Reading(rehearsal) = &self.stage { Some(rehearsal) } else { None }
    }

    /// After a rotation.
    pub fn reopen_log(&mut self) {
        if let Stage::Trying(prepared) = &mut self.stage {
            prepared.log.reopen();
        }
    }
}

impl Supervisor<'_> {
    /// Somebody, or a signal, wants a reload. One that comes while another is running has a run of its own afterwards.
    pub(super) fn want_reload(&mut self, scope: Scope, client: Option<Client>) {
        if matches!(self.phase, ServicePhase::Stopping(_)) {
            return client.into_iter().for_each(|client| client.end(EX_OSERR, "pyfcgid is stopping"));
        }
        let index = self.next_reloads.iter().position(|(waiting, _)| *waiting == scope);
        match (index, client) {
            (Some(index), client) => client.into_iter().for_each(|client| admit(client, &mut self.next_reloads[index].1)),
            (None, Some(client)) if self.next_reloads.len() >= MOST_WAITING => {
                client.end(EX_OSERR, "pyfcgid: too many reloads are waiting already");
            }
            (None, client) => self.next_reloads.push_back((scope, client.into_iter().collect())),
        }
    }

    pub(super) fn begin_next_reload(&mut self) {
        let is_free = self.reload.is_none() && self.phase == ServicePhase::Running;
        if is_free
            && self.pools.iter().all(|pool| pool.children.is_steady())
            && let Some((scope, clients)) = self.next_reloads.pop_front()
        {
            self.begin_reload(scope, clients);
        }
    }

    fn begin_reload(&mut self, scope: Scope, clients: Vec<Client>) {
        log::info!(target: codes::RELOADING, "reloading{}", of(&scope));
        self.restore_control();
        self.manager.reloading("reloading");
        match Rehearsal::begin(|| self.look_up(&scope)) {
            Ok(rehearsal) => {
                let (stage, open, failures) = (Stage::Reading(rehearsal), BTreeSet::new(), Vec::new());
                let warnings = Warnings::default();
                self.reload = Some(Reload { scope, clients, begun: Instant::now(), stage, open, failures, warnings });
            }
            Err(error) => self.end_reload(&scope, clients, Err(Failure::new(EX_OSERR, error.to_string()).into())),
        }
    }

    /// The configuration that is to serve.
    fn read_wanted(&self, scope: &Scope) -> Result<Config, Failure> {
        let config = self.parts.invocation.read_config()?;
        let Scope::Pool(name) = scope else {
            return Ok(config);
        };
        let merged =
            self.config.with_pool_of(&config, name).map_err(|error| Failure::new(error.exit_code(), error.to_string()))?;
        merged.ok_or_else(|| {
            let text = if self.config.pools.iter().any(|pool| pool.name == *name) {
                format!("pool {name} is no longer in the configuration: a reload of everything stops it")
            } else {
                no_such_pool(name, config.pools.iter().map(|pool| pool.name.as_str()))
            };
            Failure::new(EX_USAGE, text)
        })
    }

    /// What may take long, in a process of its own. Addresses that are there already are not asked for.
    fn look_up(&self, scope: &Scope) -> Result<Findings, Failure> {
        let config = self.read_wanted(scope)?;
        launch::validate(&config)?;
        let bind_error = |error: BindError| Failure::new(EX_OSERR, with_causes(&error));
        let mut findings = Findings { fingerprint: fingerprint(&config), ..Findings::default() };
        findings.control_group = launch::control_group(&config)?;
        findings.warnings = Warnings::of(&config, scope);
        let known = self.known_sockets();
        for settings in config.pools.iter().filter(|settings| scope.has(&settings.name)) {
            findings.owners.insert(settings.name.clone(), owner_of(settings).map_err(bind_error)?);
            for address in settings.addresses().filter(|address| known.find(address).is_none()) {
                if let ListenAddress::Tcp { host, port } = address
                    && let Some(addresses) = addresses_of(host, *port).map_err(bind_error)?
                {
                    findings.hosts.insert(host.clone(), addresses);
                }
            }
        }
        Ok(findings)
    }

    fn known_sockets(&self) -> Sockets {
        let mut known = Sockets::default();
        self.pools.iter().for_each(|pool| known.add(pool.sockets.clone()));
        known
    }

    /// Goes on when the process that reads has found what is needed.
    pub(super) fn listen_to_rehearsal(&mut self, now: Instant) {
        let Some(Reload { stage: Stage::Reading(rehearsal), .. }) = &mut self.reload else {
            return;
        };
        let Some(result) = rehearsal.result(now) else {
            return;
        };
        let Some(reload) = self.reload.take() else {
            return;
        };
        let prepared = result.map_err(Refusal::from).and_then(|findings| {
            let prepared = self.prepare(&reload.scope, &findings)?;
            Ok((prepared, findings.warnings))
        });
        match prepared {
            Ok((prepared, warnings)) => self.try_pools(Reload { warnings, ..reload }, prepared),
            Err(refusal) => self.end_reload(&reload.scope, reload.clients, Err(refusal)),
        }
    }

    /// Somebody who cleans up may have taken the control socket's file.
    fn restore_control(&mut self) {
        // The configuration may name another one by now.
        let Some(gone) = self.control.as_ref().filter(|control| !control.path.exists()) else {
            return;
        };
        match gone.again() {
            Ok(control) => {
                let path = control.path.display();
                log::warn!(
                    target: codes::CONTROL_SOCKET_RECREATED,
                    "the control socket {path} was missing, and has been recreated"
                );
                self.control = Some(control);
            }
            Err(error) => {
                let why = with_causes(&error);
                log::error!(
                    target: codes::CONTROL_SOCKET_NOT_RECREATED,
                    "the control socket is missing, and cannot be recreated: {why}"
                )
            }
        }
    }

    /// Everything that can fail, without changing anything.
    fn prepare(&self, scope: &Scope, findings: &Findings) -> Result<Prepared, Refusal> {
        let config = Rc::new(self.read_wanted(scope)?);
        if fingerprint(&config) != findings.fingerprint {
            return Err(Failure::new(EX_OSERR, "the configuration changed while it was being read: reload again").into());
        }
        let known = self.known_sockets();
        let prepare_pool = |settings: &config::Pool| {
            let sockets = Sockets::bind(settings, &known, findings)?;
            let is_new = self.pools.iter().all(|pool| pool.name != settings.name);
            let owner = findings.owners.get(&settings.name).copied().unwrap_or_default();
            let service = Service { settings: settings.clone(), config: Rc::clone(&config), owner };
            Ok((service, sockets, is_new.then(Ties::new).transpose()?))
        };
        let wanted = config.pools.iter().filter(|settings| scope.has(&settings.name));
        let refused = |settings: &config::Pool, error: BindError| Refusal {
            what: refused_by_a_pool(scope, &config),
            first: Reason { pool: Some(settings.name.clone()), failure: Failure::new(EX_OSERR, with_causes(&error)) },
            others: Vec::new(),
        };
        let prepare = |settings| prepare_pool(settings).map_err(|error| refused(settings, error));
        let pools = wanted.map(prepare).collect::<Result<Vec<_>, Refusal>>()?;
        let log = log_writer::prepare(&config.log_settings()).map_err(StartError::from).map_err(Failure::from)?;
        let control = control_access(&config, findings.control_group);
        Ok(Prepared { config, control, log, pools })
    }

    fn try_pools(&mut self, reload: Reload, mut prepared: Prepared) {
        let now = Instant::now();
        let open = names(&prepared.config, &reload.scope);
        for (service, sockets, ties) in std::mem::take(&mut prepared.pools) {
            match self.pools.iter_mut().find(|pool| pool.name == service.settings.name) {
                Some(pool) => pool.reload(service, sockets, now),
                None => self.pools.extend(ties.map(|ties| RunningPool::new(service, sockets, ties, now))),
            }
        }
        self.reload = Some(Reload { stage: Stage::Trying(prepared), open, ..reload });
    }

    /// Every pool's first child is ready: from here on it is the new configuration that serves.
    fn commit(&mut self, Prepared { config, control, log, .. }: Prepared) {
        let stays = self.what_stays(&config);
        self.reload.iter_mut().for_each(|reload| reload.warnings.add(&stays));
        if let Some(Err(error)) = self.control.as_mut().map(|socket| socket.follow(control)) {
            log::error!(target: codes::CONTROL_SOCKET_UNCHANGED, "the control socket stays unchanged: {}", with_causes(&error));
        }
        log_writer::install(log);
        if let Err(error) = raise_open_files(&config) {
            log::warn!(target: codes::DESCRIPTOR_LIMIT_UNCHANGED, "the limit on open descriptors stays unchanged: {error}");
        }
        let now = Instant::now();
        self.config = config;
        for pool in &mut self.pools {
            pool.commit(now);
        }
    }

    fn what_stays(&self, config: &Config) -> Vec<Warning> {
        let (old, new) = (&self.config, config);
        // A control socket that is named after the PID file has not changed of itself.
        let control = old.control_socket != new.control_socket && old.own_control_socket() != new.own_control_socket();
        let stays = [("pid-file", old.pid_file != new.pid_file), ("control-socket", control)];
        let changed = stays.into_iter().filter(|(_, changed)| *changed);
        let text = |key| format!("{key} has changed in the configuration: restart pyfcgid to apply it");
        changed.map(|(key, _)| Warning { code: codes::RESTART_NEEDED, text: text(key) }).collect()
    }

    /// What has come of the reload of one pool.
    pub(super) fn note_reloaded(&mut self, pool: &str, outcome: Outcome) {
        let Some(reload) = &mut self.reload else {
            return;
        };
        let is_awaited = matches!(
            (&reload.stage, &outcome),
            (Stage::Trying(_), Outcome::Tried | Outcome::Refused(_)) | (Stage::Rolling, Outcome::Rolled | Outcome::Short(_))
        );
        if is_awaited {
            reload.open.remove(pool);
        }
        if let Outcome::Refused(failure) | Outcome::Short(failure) = outcome {
            reload.failures.push(Reason { pool: Some(pool.to_owned()), failure });
        }
    }

    /// Goes on when every pool has said what came of the stage, or ends when one has said that it can't be.
    pub(super) fn advance_reload(&mut self) {
        let Some(reload) = &mut self.reload else {
            return;
        };
        match (std::mem::replace(&mut reload.stage, Stage::Rolling), reload.open.is_empty(), reload.failures.is_empty()) {
            (Stage::Trying(prepared), true, true) => {
                reload.open = names(&prepared.config, &reload.scope);
                self.commit(prepared);
                self.advance_reload(); // Perhaps of no pool anything is to be heard.
            }
            (Stage::Trying(prepared), _, false) => {
                reload.stage = Stage::Trying(prepared);
                self.finish_reload();
            }
            (Stage::Rolling, true, _) => self.finish_reload(),
            (stage, ..) => reload.stage = stage,
        }
    }

    fn finish_reload(&mut self) {
        let Some(mut reload) = self.reload.take() else {
            return;
        };
        let refusal = reload.refusal();
        if let Stage::Trying(_) = reload.stage {
            let now = Instant::now();
            self.pools.iter_mut().for_each(|pool| pool.abandon(now));
        } else {
            reload.warnings.log();
        }
        self.stop_pools_of_no_configuration();
        let seconds = reload.begun.elapsed().as_secs_f64();
        let what = match &reload.scope {
            Scope::Pool(name) => format!("pool {name}"),
            Scope::Process => counted(self.config.pools.len() as u64, "pool"),
        };
        if refusal.is_none() {
            log::info!(target: codes::RELOADED, "reloaded{}", of(&reload.scope));
        }
        let done = Done { text: format!("reloaded {what} in {seconds:.1} s"), warnings: reload.warnings.told() };
        self.end_reload(&reload.scope, reload.clients, refusal.map_or(Ok(done), Err));
    }

    /// Tells what was done, or why not.
    fn end_reload(&mut self, scope: &Scope, clients: Vec<Client>, result: Result<Done, Refusal>) {
        let (now, is_good) = (Instant::now(), result.is_ok());
        self.pools.iter_mut().filter(|pool| scope.has(&pool.name)).for_each(|pool| pool.ledger.note_reload(is_good, now));
        match result {
            Ok(done) => {
                self.reloads.note(scope, true);
                self.failed_reload.take_if(|(failed, _)| *scope == Scope::Process || failed == scope);
                self.manager.ready(&self.state());
                for mut client in clients {
                    client.say(&done.text);
                    client.end(0, &done.warnings);
                }
            }
            Err(refusal) => {
                let (code, text) = (refusal.first.failure.code, refusal.text());
                log::error!(target: codes::RELOAD_FAILED, "{text}");
                if code != EX_USAGE {
                    self.reloads.note(scope, false);
                    self.failed_reload = Some((scope.clone(), refusal.first));
                }
                self.manager.ready("serving; the last reload failed");
                clients.into_iter().for_each(|client| client.end(code, &format!("pyfcgid: {text}")));
            }
        }
    }

    /// Those that the new configuration has not: only now, since what is to be in their place might not have come up. And those that
    /// were tried in vain, which the old one has not.
    fn stop_pools_of_no_configuration(&mut self) {
        let (now, config) = (Instant::now(), &self.config);
        let is_gone = |pool: &&mut RunningPool| config.pools.iter().all(|settings| settings.name != pool.name);
        self.pools.iter_mut().filter(is_gone).for_each(|pool| pool.stop(Stop::Gracefully, now));
    }

    pub(super) fn end_reload_by_stop(&mut self) {
        let running = self.reload.take().map(|reload| reload.clients).unwrap_or_default();
        let waiting = std::mem::take(&mut self.next_reloads).into_iter().flat_map(|(_, clients)| clients);
        running.into_iter().chain(waiting).for_each(|client| client.end(EX_OSERR, "pyfcgid was stopped in the meantime"));
    }
}

fn names(config: &Config, scope: &Scope) -> BTreeSet<String> {
    config.pools.iter().map(|settings| settings.name.clone()).filter(|name| scope.has(name)).collect()
}

/// What a child has said of itself may name its pool already.
fn of_pool(pool: &str, text: &str) -> String {
    let name = format!("pool {pool}: ");
    if text.contains(&name) { text.to_owned() } else { name + text.strip_prefix("pyfcgid: ").unwrap_or(text) }
}

/// What is told of a reload that has succeeded, on stdout and on stderr.
struct Done {
    text: String,
    warnings: String,
}

/// Why there is no reload, and what that means.
struct Refusal {
    what: String,
    first: Reason,
    others: Vec<Reason>,
}

/// One reason, and the pool that it is about.
#[derive(Debug)]
pub struct Reason {
    pool: Option<String>,
    failure: Failure,
}

impl Reason {
    /// With the text that `short` makes of what went wrong.
    pub fn told(&self, short: impl FnOnce(&str) -> String) -> String {
        let text = short(self.failure.text.trim_end());
        self.pool.as_deref().map_or_else(|| text.clone(), |pool| of_pool(pool, &text))
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { what: REFUSED.to_owned(), first: Reason { pool: None, failure }, others: Vec::new() }
    }
}

impl Refusal {
    /// A line for what that means, and each reason.
    fn text(&self) -> String {
        let reasons = iter::once(&self.first).chain(&self.others).map(|reason| reason.told(str::to_owned));
        iter::once(self.what.clone()).chain(reasons).join("\n")
    }
}

/// What helps where one pool of several is at fault is said, too.
fn refused_by_a_pool(scope: &Scope, config: &Config) -> String {
    let keeps_others = *scope == Scope::Process && config.pools.len() > 1;
    if keeps_others {
        format!("{REFUSED}; `pyfcgid reload POOL` reloads the other pools one at a time")
    } else {
        REFUSED.to_owned()
    }
}

/// For the log.
fn of(scope: &Scope) -> String {
    match scope {
        Scope::Process => String::new(),
        Scope::Pool(name) => format!(" pool {name}"),
    }
}

/// Reloads of different pools.
const MOST_WAITING: usize = 64;
const REFUSED: &str = "reload failed; the previous code and settings stay in effect";

#[cfg(test)]
mod tests {
    use super::super::status::fault;
    use super::*;

    #[test]
    fn a_reason_is_told_in_short_with_the_pool_that_it_is_about() {
        let reason = |pool: Option<&str>, text: &str| Reason { pool: pool.map(str::to_owned), failure: Failure::new(70, text) };
        let traceback = "Traceback (most recent call last):\n  File \"a.py\"\nE: no\npyfcgid: cannot load: E: no\n";
        assert_eq!(reason(Some("shop"), traceback).told(fault), "pool shop: cannot load: E: no");
        assert_eq!(reason(None, "site.toml:3: no such key").told(fault), "site.toml:3: no such key");
    }
}
