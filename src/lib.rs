//! pyfcgid: a FastCGI gateway that runs Python WSGI applications behind Apache and nginx.
//!
//! The binary is the product; the modules are public for this project's own tests. The FastCGI codec is a crate that others may use,
//! [`fastcgi_codec`]. `ARCHITECTURE.md` tells how they fit together.

#![warn(clippy::unwrap_used)]

pub mod cli;
pub mod client;
pub mod commands;
pub mod config;
pub mod control_protocol;
pub mod daemon;
pub mod log_writer;
pub mod report;
pub mod service;
pub mod supervisor;

mod invocation;
mod launch;
mod queue_process;
mod start_error;
