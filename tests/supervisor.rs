//! The supervisor with its children, as the real binary: what it survives, what it replaces, and what it says.

#![cfg(feature = "module")]
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "supervisor/allowed.rs"]
mod allowed;
#[path = "supervisor/apart.rs"]
mod apart;
#[path = "supervisor/commands.rs"]
mod commands;
#[path = "supervisor/control.rs"]
mod control;
#[path = "supervisor/deaths.rs"]
mod deaths;
#[path = "supervisor/elastic.rs"]
mod elastic;
#[path = "supervisor/file_size.rs"]
mod file_size;
#[path = "supervisor/health.rs"]
mod health;
#[path = "supervisor/interrupting.rs"]
mod interrupting;
#[path = "supervisor/limits.rs"]
mod limits;
#[path = "supervisor/load.rs"]
mod load;
#[path = "supervisor/locks.rs"]
mod locks;
#[path = "supervisor/logs.rs"]
mod logs;
#[path = "supervisor/looking.rs"]
mod looking;
#[path = "supervisor/no_pool.rs"]
mod no_pool;
#[path = "supervisor/orphans.rs"]
mod orphans;
#[path = "supervisor/output.rs"]
mod output;
#[path = "supervisor/recycling.rs"]
mod recycling;
#[path = "supervisor/releases.rs"]
mod releases;
#[path = "supervisor/reloading.rs"]
mod reloading;
#[path = "supervisor/reports.rs"]
mod reports;
#[path = "supervisor/schema.rs"]
mod schema;
#[path = "supervisor/sessions.rs"]
mod sessions;
#[path = "supervisor/site.rs"]
mod site;
#[path = "supervisor/size.rs"]
mod size;
#[path = "supervisor/spreading.rs"]
mod spreading;
#[path = "supervisor/stacks.rs"]
mod stacks;
#[path = "supervisor/starting.rs"]
mod starting;
#[path = "supervisor/stopping.rs"]
mod stopping;
mod support;
#[path = "supervisor/terminal.rs"]
mod terminal;
#[path = "supervisor/titles.rs"]
mod titles;
#[path = "supervisor/unchanged.rs"]
mod unchanged;
#[path = "supervisor/users.rs"]
mod users;
#[path = "supervisor/variables.rs"]
mod variables;
#[path = "supervisor/warnings.rs"]
mod warnings;
#[path = "supervisor/watching.rs"]
mod watching;
