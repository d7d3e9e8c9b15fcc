//! What the `session` target does, shared with the program that seeds it, and what the `head` target is given.

mod model;
mod operation;
mod response;

pub use model::{Model, Outcome};
pub use operation::Operation;
pub use response::Response;
