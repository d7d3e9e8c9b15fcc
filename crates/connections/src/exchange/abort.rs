//! Who wants to be told that a request was given up while it is being answered.

use std::fmt;

/// Is told when the peer gives one request up.
pub trait AbortListener: fmt::Debug + Send + Sync {
    /// The peer has given it up. Called once at most, with the connection's lock held: must neither block nor use the connection.
    fn aborted(&self);
}
