//! The access log: one line for each request, in a form that the operator chooses with the variables that nginx has.

mod format;
mod variable;

pub use format::{COMBINED, Entry, Format, FormatError};
