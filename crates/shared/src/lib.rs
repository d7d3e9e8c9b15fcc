//! What the processes of pyfcgid have in common: the supervisor, the children and the queue processes.

#![warn(clippy::unwrap_used)]

pub mod http;
pub mod link;
pub mod listener;
pub mod logging;
pub mod network;
pub mod scoreboard;
pub mod settings;
pub mod stacks;
pub mod sys;
