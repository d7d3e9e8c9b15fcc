//! A reload, over all pools: the configuration is read, everything it needs is opened, and only then is anything changed.

use std::collections::BTreeSet;
use std::time::Instant;

use super::children::{Failure, Stop};
use super::control::{Client, ControlSocket};
use super::pool::RunningPool;
use super::sockets::Sockets;
use super::{Phase, Supervisor, passage};
use crate::config::{self, Config};
use crate::listener::{BindError, Patience};
use crate::logging::with_causes;
use crate::sys::process::EX_OSERR;

/// A reload that goes on.
#[derive(Debug, Default)]
pub struct Reload {
    clients: Vec<Client>,
    /// Pools that have not said what came of it.
    open: BTreeSet<String>,
    failures: Vec<(String, Failure)>,
    /// Pools that run with what is new.
    reloaded: Vec<String>,
}

impl Reload {
    fn result(&self) -> (u8, String) {
        let of_pool = |pool: &str| if pool == ALL { String::new() } else { format!("pool {pool}: ") };
        let texts = self.failures.iter().map(|(pool, failure)| of_pool(pool) + failure.text.trim_end());
        let texts = texts.chain(self.reloaded.iter().map(|pool| format!("pool {pool}: reloaded all the same")));
        let code = self.failures.first().map_or(0, |(_, failure)| failure.code);
        (code, texts.collect::<Vec<_>>().join("\n"))
    }
}

impl Supervisor<'_> {
    /// Somebody, or a signal, wants a reload. One that comes while another is running has a run of its own afterwards.
    pub(super) fn want_reload(&mut self, client: Option<Client>) {
        if matches!(self.phase, Phase::Stopping(_)) {
            if let Some(client) = client {
                client.end(EX_OSERR, "pyfcgid is stopping");
            }
            return;
        }
        self.next_reload.get_or_insert_default().extend(client);
        self.begin_next_reload();
    }

    pub(super) fn begin_next_reload(&mut self) {
        let is_free = self.reload.is_none() && self.phase == Phase::Running;
        if is_free
            && self.pools.iter().all(|pool| pool.children().is_steady())
            && let Some(clients) = self.next_reload.take()
        {
            self.begin_reload(clients);
        }
    }

    fn begin_reload(&mut self, clients: Vec<Client>) {
        log::info!("reloading");
        self.restore_control();
        self.manager.reloading("reloading");
        self.reload = Some(Reload { clients, ..Reload::default() });
        if let Err(failure) = self.prepare().and_then(|(config, pools)| self.commit(config, pools)) {
            self.note_failure(ALL, failure);
        }
        self.finish_reload();
    }

    /// Somebody who cleans up may have taken the control socket's file.
    fn restore_control(&mut self) {
        // The configuration may name another one by now.
        let Some(path) = self.control.as_ref().map(ControlSocket::path).filter(|path| !path.exists()) else {
            return;
        };
        match ControlSocket::bind(path, self.config.control_socket_mode, Patience::None) {
            Ok(control) => {
                log::warn!("the control socket {} was gone and is there again", path.display());
                self.control = Some(control);
            }
            Err(error) => log::error!("the control socket is gone: {}", with_causes(&error)),
        }
    }

    fn note_failure(&mut self, pool: &str, failure: Failure) {
        if let Some(reload) = &mut self.reload {
            reload.failures.push((pool.to_owned(), failure));
        }
    }

    /// Everything that can fail, without changing anything.
    fn prepare(&self) -> Result<(Config, Vec<(config::Pool, Sockets)>), Failure> {
        let config = self.program.read_config()?;
        let mut known = Sockets::default();
        self.pools.iter().for_each(|pool| known.add(pool.sockets().clone()));
        let bound = config.pools.iter().map(|settings| Ok((settings.clone(), Sockets::bind(settings, &known)?)));
        let bound = bound.collect::<Result<Vec<_>, BindError>>();
        let bound = bound.map_err(|error| Failure { code: EX_OSERR, text: with_causes(&error) })?;
        self.program.open_log(&config)?;
        Ok((config, bound))
    }

    fn commit(&mut self, config: Config, bound: Vec<(config::Pool, Sockets)>) -> Result<(), Failure> {
        self.warn_of_what_stays(&config);
        let now = Instant::now();
        let mut open = BTreeSet::new();
        for (settings, sockets) in bound {
            open.insert(settings.name.clone());
            match self.pools.iter_mut().find(|pool| pool.name() == settings.name && pool.children().is_steady()) {
                Some(pool) => pool.reload(settings, sockets, now),
                None => {
                    let passage = passage().map_err(|error| Failure { code: EX_OSERR, text: with_causes(&error) })?;
                    self.pools.push(RunningPool::new(settings, sockets, passage, now));
                }
            }
        }
        self.config = config;
        if let Some(reload) = &mut self.reload {
            reload.open = open;
        }
        Ok(())
    }

    fn warn_of_what_stays(&self, config: &Config) {
        let (old, new) = (&self.config, config);
        // A control socket that is named after the PID file has not changed of itself.
        let control = old.control_socket != new.control_socket && old.own_control_socket() != new.own_control_socket();
        let stays = [("pid-file", old.pid_file != new.pid_file), ("control-socket", control)];
        for (key, _) in stays.into_iter().filter(|(_, changed)| *changed) {
            log::warn!("{key} has changed in the configuration: that needs a restart");
        }
    }

    /// What has come of the reload, or of the start, of one pool.
    pub(super) fn conclude(&mut self, pool: &str, result: Result<(), Failure>) {
        if let Some(reload) = &mut self.reload {
            reload.open.remove(pool);
            match result {
                Ok(()) => reload.reloaded.push(pool.to_owned()),
                Err(failure) => reload.failures.push((pool.to_owned(), failure)),
            }
        }
    }

    pub(super) fn finish_reload(&mut self) {
        let Some(reload) = self.reload.take_if(|reload| reload.open.is_empty()) else {
            return;
        };
        let (code, text) = reload.result();
        if code == 0 {
            self.stop_pools_that_are_no_more();
            log::info!("reloaded");
            self.manager.ready("serving");
        } else {
            let others = if reload.reloaded.is_empty() { "what ran before runs on" } else { "but in part" };
            log::error!("not reloaded; {others}\n{text}");
            self.manager.ready("serving; the last reload has failed");
        }
        let text = if code == 0 { String::new() } else { format!("pyfcgid: not reloaded\n{text}") };
        reload.clients.into_iter().for_each(|client| client.end(code, &text));
    }

    /// Only now, since what is to be in their place might not have come up.
    fn stop_pools_that_are_no_more(&mut self) {
        let (now, config) = (Instant::now(), &self.config);
        let is_gone = |pool: &&mut RunningPool| config.pools.iter().all(|settings| settings.name != pool.name());
        self.pools.iter_mut().filter(is_gone).for_each(|pool| pool.stop(Stop::Gracefully, now));
    }

    pub(super) fn end_reload_by_stop(&mut self) {
        let running = self.reload.take().map(|reload| reload.clients).unwrap_or_default();
        let waiting = self.next_reload.take().unwrap_or_default();
        running.into_iter().chain(waiting).for_each(|client| client.end(EX_OSERR, "pyfcgid was stopped meanwhile"));
    }
}

/// What is no pool's fault has this for its name, which no pool can have.
const ALL: &str = "";
