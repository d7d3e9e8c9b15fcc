//! What a reload says although it succeeds: what a start says of the same configuration, and what it cannot change.
//!
//! Users are looked up for it, so the process that reads finds it out (`rehearsal.rs`).

use serde::{Deserialize, Serialize};

use crate::config::{Config, Warning};
use crate::control_protocol::Scope;
use crate::launch;
use shared::logging::codes;

/// Lines, each with its code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warnings(Vec<(String, String)>);

impl Warnings {
    /// Those of this configuration; of a reload of one pool, those that it would not have without that.
    pub fn of(config: &Config, scope: &Scope) -> Self {
        let mut warnings = launch::warnings(config);
        if let Scope::Pool(name) = scope {
            let mut others = config.clone();
            others.pools.retain(|pool| pool.name != *name);
            let without = launch::warnings(&others);
            warnings.retain(|warning| !without.contains(warning));
        }
        warnings.truncate(MOST);
        let mut all = Self::default();
        all.add(&warnings);
        all
    }

    /// Further ones.
    pub fn add(&mut self, warnings: &[Warning]) {
        self.0.extend(warnings.iter().map(|Warning { code, text }| ((*code).to_owned(), text.clone())));
    }

    /// Logs them.
    pub fn log(&self) {
        // A copy of this very program has said so, which knows the same codes.
        for (code, text) in self.0.iter().filter_map(|(code, text)| Some((codes::known(code)?, text))) {
            log::warn!(target: code, "{text}");
        }
    }

    /// For who waits for the reload.
    pub fn told(&self) -> String {
        let lines: Vec<String> = self.0.iter().map(|(_, text)| format!("pyfcgid: warning: {text}")).collect();
        lines.join("\n")
    }
}

/// More than anybody reads, and less than a client's socket holds.
const MOST: usize = 200;
