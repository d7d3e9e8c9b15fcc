//! The fields of the text, JSON and HTML forms, each with its name. Those that PHP-FPM has too have its names: what it calls processes are
//! workers here, since each answers one request at a time.

use std::time::Duration;

use super::snapshot::{MOST_RUNNING, Seen, Snapshot, path, text};
use shared::logging::Timestamp;
use shared::scoreboard::refused::RefusedFor;
use shared::scoreboard::slot::{Glance, Phase};

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) value: Value,
}

/// Its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// What may be anybody's: not escaped yet.
    Text(String),
    /// A number.
    Count(u64),
    /// A moment since the beginning of 1970, and how many minutes local time is ahead of UTC then.
    Moment(Duration, i16),
}

impl Value {
    fn word(word: &str) -> Self {
        Self::Text(word.to_owned())
    }

    fn count(count: usize) -> Self {
        Self::Count(count as u64)
    }

    /// As it is read by people.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Moment(moment, offset) => {
                let mut text = String::new();
                Timestamp::at(moment.as_millis() as u64, *offset).encode_common_log(&mut text);
                text
            }
        }
    }
}

fn field(name: &'static str, value: Value) -> Field {
    Field { name, value }
}

/// Those of the pool.
pub(super) fn of_pool(snapshot: &Snapshot) -> Vec<Field> {
    let (tally, record, busy) = (snapshot.tally(), &snapshot.record, snapshot.busy());
    let workers = snapshot.workers().max(busy);
    let mut fields = vec![
        field("pool", Value::Text(snapshot.name.clone())),
        field("process manager", Value::word(snapshot.process_manager())),
        field("start time", Value::Moment(snapshot.now.wall_of(record.started), record.offset)),
        field("start since", Value::Count(snapshot.now.since(record.started).as_secs())),
        field("accepted conn", Value::Count(tally.requests().saturating_add(busy as u64))),
        field("listen queue", Value::count(snapshot.waiting)),
        field("listen queue len", Value::count(snapshot.max_queue)),
        field("idle processes", Value::count(workers - busy)),
        field("active processes", Value::count(busy)),
        field("total processes", Value::count(workers)),
        field("max children reached", Value::Count(record.saturations)),
        field("slow requests", Value::Count(tally.slow)),
        field("version", Value::word(env!("CARGO_PKG_VERSION"))),
        field("state", Value::word(record.state)),
        field("generation", Value::Count(record.generation.into())),
        field("children", Value::count(snapshot.children.len())),
        field("children wanted", Value::count(record.wanted[0])),
        field("workers", Value::count(workers)),
        field("connections", Value::Count(snapshot.connections())),
        field("queue", Value::count(snapshot.waiting)),
        field("queue limit", Value::count(snapshot.max_queue)),
        field("refused requests", Value::Count(snapshot.refused_for(RefusedFor::QueueFull))),
        field("queue timeouts", Value::Count(snapshot.refused_for(RefusedFor::QueueTimeout))),
        field("refused not serving", Value::Count(snapshot.refused_for(RefusedFor::NotServing))),
        field("refused gil kept", Value::Count(snapshot.refused_for(RefusedFor::GilKept))),
        field("aborted requests", Value::Count(tally.aborted)),
        field("timed out requests", Value::Count(tally.timeouts[0])),
        field("reloads", Value::Count(record.reloads[0])),
        field("failed reloads", Value::Count(record.reloads[1])),
    ];
    let moment = |(since, offset)| Value::Moment(snapshot.now.wall_of(since), offset);
    fields.extend(record.failing_since.map(|since| field("failing since", moment(since))));
    fields
}

/// Those of each running request, and of each child that has none.
pub(super) fn of_processes(snapshot: &Snapshot) -> Vec<Vec<Field>> {
    let mut blocks = Vec::new();
    for (index, seen) in snapshot.children.iter().enumerate() {
        let before = blocks.len();
        let running = snapshot.running.iter().filter(|(child, _)| *child == index).map(|(_, glance)| glance);
        blocks.extend(running.map(|glance| of_process(snapshot, seen, Some(glance))));
        // Of one that has some, they may be beyond those that are shown.
        if blocks.len() == before && (seen.busy == 0 || snapshot.running.len() < MOST_RUNNING) {
            blocks.push(of_process(snapshot, seen, None));
        }
    }
    blocks
}

fn of_process(snapshot: &Snapshot, Seen { child, tally, busy, .. }: &Seen, glance: Option<&Glance>) -> Vec<Field> {
    let now = snapshot.now;
    let age = glance.map_or(Duration::ZERO, |glance| now.since(glance.request.taken));
    let (method, path) = glance
        .map_or_else(|| ("-".to_owned(), "-".to_owned()), |glance| (text(&glance.request.method).into_owned(), path(glance)));
    vec![
        field("pid", Value::Count(child.pid.into())),
        field("state", Value::word(state(glance))),
        field("start time", Value::Moment(now.wall_of(child.started), child.offset)),
        field("start since", Value::Count(now.since(child.started).as_secs())),
        field("requests", Value::Count(tally.requests().saturating_add(*busy as u64))),
        field("request duration", Value::Count(u64::try_from(age.as_micros()).unwrap_or(u64::MAX))),
        field("request method", Value::Text(method)),
        field("request URI", Value::Text(path)),
        field("request number", Value::Count(glance.map_or(0, |glance| glance.request.number))),
        field("thread", Value::Count(glance.map_or(0, |glance| glance.thread.system.into()))),
        field("child state", Value::word(child.word())),
        field("generation", Value::Count(child.generation.into())),
    ]
}

/// In PHP-FPM's words.
fn state(glance: Option<&Glance>) -> &'static str {
    match glance.map(|glance| glance.phase) {
        None | Some(Phase::Idle) => "Idle",
        Some(Phase::Application | Phase::Aborted | Phase::Overdue) => "Running",
        Some(Phase::Sending | Phase::Closing) => "Finishing",
    }
}
