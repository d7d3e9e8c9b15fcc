//! What the tests share: a FastCGI peer written apart from the product's encoder, and a runner of the real binary.
//!
//! Nothing here uses the product's own codec: an error in it would then hide itself.

#![allow(dead_code, unused_imports, unreachable_pub, clippy::unwrap_used)]

pub mod answer;
pub mod latency;
pub mod params;
pub mod peer;
pub mod place;
pub mod process;
pub mod record;
pub mod stop_at_end;
pub mod virtualenv;

pub use answer::Answer;
pub use params::Params;
pub use peer::Peer;
pub use place::{app, free_port};
pub use process::{Launch, Pyfcgid};
pub use record::{Record, kind};
