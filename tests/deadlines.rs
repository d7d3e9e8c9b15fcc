//! Requests that take too long, each for another reason: what the browser, the log and the access log get, that those beside them are
//! answered whole, and that their workers come back. With the real binary, and behind real web servers.

#![cfg(feature = "module")]
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "deadlines/counted.rs"]
mod counted;
#[path = "deadlines/ends.rs"]
mod ends;
#[path = "deadlines/late.rs"]
mod late;
#[path = "deadlines/limits.rs"]
mod limits;
#[path = "deadlines/pool.rs"]
mod pool;
#[path = "supervisor/site.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod site;
mod support;
#[path = "deadlines/table.rs"]
mod table;
