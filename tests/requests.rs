//! requests

#![allow(clippy::unwrap_used)]

mod support;
