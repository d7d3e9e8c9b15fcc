use super::Line;

/// Where lines go. Each target chooses its own form of a line, since syslog, say, has its own time and level.
pub(super) trait Target: Send + Sync {
    /// Writes one line, or gives up: logging never fails, blocks on a full non-blocking pipe, or panics.
    fn write(&self, line: &Line<'_>);
}
