//! placeholder
#![allow(missing_docs)]
use std::time::Duration;
pub fn send(_state: &str) {}
pub fn reloading() -> String {
    String::new()
}
pub fn watchdog_interval() -> Option<Duration> {
    None
}
