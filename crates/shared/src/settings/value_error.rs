//! Why a text is not a value.

use thiserror::Error;

/// Why a text is not a value of its option: says what is allowed, without the text itself.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ValueError(String);

impl ValueError {
    /// An error with this text.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}
