//! The environ that an application saw, as `apps/environ.py` tells it.

use serde_json::Value;

pub(crate) trait Environ {
    /// A variable, as a string; `None` when it is not there.
    fn variable(&self, name: &str) -> Option<&str>;

    /// All variables' names.
    fn names(&self) -> Vec<String>;

    /// Fails unless each variable has its value.
    #[track_caller]
    fn expect(&self, expected: &[(&str, &str)]);

    /// Fails when one of these is there.
    #[track_caller]
    fn expect_none_of(&self, names: &[&str]);
}

impl Environ for Value {
    fn variable(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Self::as_str)
    }

    fn names(&self) -> Vec<String> {
        self.as_object().expect("an object").keys().cloned().collect()
    }

    fn expect(&self, expected: &[(&str, &str)]) {
        for (name, value) in expected {
            assert_eq!(self.variable(name), Some(*value), "{name} in {self:#}");
        }
    }

    fn expect_none_of(&self, names: &[&str]) {
        for name in names {
            assert_eq!(self.variable(name), None, "{name} in {self:#}");
        }
    }
}
