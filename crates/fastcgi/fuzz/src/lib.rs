//! What the `session` target does, shared with the program that seeds it.

mod model;
mod operation;

pub use model::{Model, Outcome};
pub use operation::Operation;
