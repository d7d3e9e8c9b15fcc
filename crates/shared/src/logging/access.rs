//! The access log: one line for each request, in a form that the operator chooses with the variables that nginx has.

mod answered;
mod format;
mod json;
mod variable;

pub use answered::Answered;
pub use format::{COMBINED, Format, FormatError};
