//! Parts of the bridge to Python that know none, so that they are tested without it.

pub mod app_log;
pub mod course;
pub mod exclusive;
pub mod interruption;
pub mod lines;
pub mod path;
pub mod request_ids;
pub mod stack;
pub mod turns;
