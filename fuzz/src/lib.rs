//! What the `head` target is given.

mod response;

pub use response::Response;
