//! What a process of a pool is told of its settings: its own pool's, in a message, and nothing else.
//!
//! Owns the types of those settings that more than the configuration knows, with their texts, and the message.

mod app;
mod deadlines;
mod keywords;
mod memory_limit;
mod message;
mod mount;
mod pool_settings;
mod spelling;
mod value_error;

pub use app::{App, AppSource};
pub use deadlines::{Deadlines, PathTimeout, RequestLimits};
pub use keywords::{AppLog, ErrorsTo, OnAbort, RemoteUser, Role, keyword};
pub use memory_limit::{SMALLEST_PYTHON, format_size, memory_limit_hint};
pub use message::{Ends, Errand, LOADED, Message, MessageError, Ties, VERSION};
pub use mount::Mount;
pub use pool_settings::PoolSettings;
pub use spelling::nearest;
pub use value_error::ValueError;

/// What a process needs beside its connections.
pub const DESCRIPTORS_BESIDE_CONNECTIONS: u64 = 256;
