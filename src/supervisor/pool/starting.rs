//! Starting the processes of a pool: its children, each on a seat of its own, and its queue process.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

use log::Level;

use super::super::children::{ChildId, Event, Generation};
use super::super::process::Process;
use super::super::queue_process::{self, QUEUE};
use super::super::sockets::{self, Sockets};
use super::{Desk, RunningPool, Service};
use crate::launch::{self, ChildEnds, Inherited, Module};
use shared::link::{Command, Failure, Report};
use shared::logging::codes;
use shared::settings;
use shared::sys::fd::is_out_of_descriptors;
use shared::sys::process::{self, EX_OSERR};

impl RunningPool {
    /// Starts the queue process if there is none, and tells it what has changed for it.
    pub(super) fn look_after_queue(&mut self, open_files: u64, now: Instant) {
        if self.queue.is_due(now) {
            self.renew_ties();
            let run = |service: &Service, inherited| crate::queue_process::run(&service.settings, &service.config, inherited);
            let spawn = || self.spawn_process(None, (&self.serving, &self.sockets), open_files, run);
            let started = process::under_name(queue_process::NAME, spawn);
            self.queue.note_start(started.is_ok(), now);
            match started {
                Ok(process) => drop(self.processes.insert(QUEUE, process)),
                Err(error) => {
                    let text = format!("cannot start its queue process: {error}");
                    self.log(Level::Error, codes::QUEUE_PROCESS_NOT_STARTED, &text);
                }
            }
        }
        // Nobody of those who would answer can.
        let duty = if self.are_all_stopped() { Command::Hold } else { self.children.duty() };
        if self.queue.tell(duty) {
            self.tell(QUEUE, duty);
        }
    }

    fn renew_ties(&mut self) {
        let (level, code, text) = match self.ties.renew() {
            Ok(None) => return,
            Ok(Some(what)) => (Level::Warn, codes::TIES_RECREATED, format!("{what} was shut down, and has been recreated")),
            Err(error) => {
                let text = format!("sockets that its processes share were shut down, and cannot be recreated: {error}");
                (Level::Error, codes::TIES_NOT_RECREATED, text)
            }
        };
        self.log(level, code, &text);
    }

    fn spawn_process(
        &self,
        desk: Option<Desk>,
        (service, sockets): (&Service, &Sockets),
        open_files: u64,
        run: impl FnOnce(&Service, Inherited),
    ) -> io::Result<Process> {
        let (seat, slots) = desk.as_ref().map_or((queue_process::SEAT, 0..0), |desk| (desk.seat, desk.slots.clone()));
        let ties = settings::Ties {
            listeners: sockets.descriptors_of(&service.settings.listen),
            status_listeners: sockets.descriptors_of(&service.settings.status_listen),
            passage: sockets::numbers(&self.ties.passage),
            line: sockets::numbers(&self.ties.line),
            scoreboard: self.ties.scoreboard.as_raw_fd(),
            roster: self.ties.roster.for_readers(),
            seat,
            slots,
        };
        Process::spawn(desk, |ends: ChildEnds| run(service, Inherited { ties, ends, open_files }))
    }

    pub(super) fn spawn(&mut self, id: ChildId, generation: Generation, (module, open_files): (&Module, u64), now: Instant) {
        self.renew_ties();
        self.ties.scoreboard.tidy(&self.desks().map(|desk| desk.seat).chain([queue_process::SEAT]).collect());
        let tried = self.tried.as_ref().filter(|_| generation != self.children.generation());
        let (service, sockets) = tried.map_or((&self.serving, &self.sockets), |(service, sockets)| (service, sockets));
        let desk = Desk::beside(self.desks(), service.settings.threads);
        // Whatever an application has written where nobody was.
        self.ties.scoreboard.clear(desk.slots.clone());
        let spawned = self.spawn_process(Some(desk), (service, sockets), open_files, |service, inherited| {
            launch::child(&service.settings, &service.config, inherited, module)
        });
        match spawned {
            Ok(process) => {
                log::debug!("pool {}: child {} is process {}", self.name, id.0, process.id);
                self.processes.insert(id, process);
            }
            Err(error) => {
                let failure = Failure { code: EX_OSERR, text: cannot_start(&error) };
                self.children.handle(id, Event::Said(Report::Failed(failure)), now);
                self.children.handle(id, Event::Exited { how: "it was never started".to_owned(), told: None }, now);
            }
        }
    }
}

fn cannot_start(error: &std::io::Error) -> String {
    let advice = if is_out_of_descriptors(error) { "; raise the hard limit (ulimit -Hn, LimitNOFILE=)" } else { "" };
    format!("cannot start a child: {error}{advice}")
}
