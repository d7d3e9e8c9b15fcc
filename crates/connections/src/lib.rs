//! What a child and a queue process do with connections: read requests, keep or refuse them, write answers. Knows no Python.

#![warn(clippy::unwrap_used)]

pub mod access_log;
pub mod event_loop;
pub mod exchange;
pub mod loop_settings;
pub mod pool_status;
pub mod process;
pub mod scheduler;
