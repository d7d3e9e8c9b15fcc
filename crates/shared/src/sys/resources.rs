//! What the kernel lets a process have (setrlimit(2)), and how soon it has its turn (setpriority(2)).

use std::fs;
use std::io;

use nix::sys::resource::{self as system, getrlimit, setrlimit};
use rustix::process::{getpriority_process, setpriority_process};

/// What there are limits on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Bytes of address space.
    Memory,
    /// Open descriptors.
    OpenFiles,
    /// Bytes of a core dump.
    Core,
    /// Bytes of a stack: of the main thread, and of each thread that does not say otherwise.
    Stack,
}

/// No limit.
pub const UNLIMITED: u64 = libc::RLIM_INFINITY;

impl Resource {
    /// What holds now.
    ///
    /// # Errors
    /// Those of prlimit(2), as of all others here.
    pub fn soft_limit(self) -> io::Result<u64> {
        Ok(getrlimit(self.kind())?.0)
    }

    /// How far that may be raised.
    ///
    /// # Errors
    /// The same.
    pub fn hard_limit(self) -> io::Result<u64> {
        Ok(getrlimit(self.kind())?.1)
    }

    /// Changes what holds, as far as the hard limit lets it. Returns what it was.
    ///
    /// # Errors
    /// The same.
    pub fn set_soft_limit(self, choose: impl FnOnce(u64) -> u64) -> io::Result<u64> {
        let (soft, hard) = getrlimit(self.kind())?;
        let wanted = choose(soft).min(hard);
        if wanted != soft {
            setrlimit(self.kind(), wanted, hard)?;
        }
        Ok(soft)
    }

    /// Raises the hard limit to `wanted`, if it is lower. What holds stays.
    ///
    /// # Errors
    /// `PermissionDenied` without CAP_SYS_RESOURCE, and for more descriptors than the system lets anybody have.
    pub fn raise_hard_limit(self, wanted: u64) -> io::Result<()> {
        let (soft, hard) = getrlimit(self.kind())?;
        if hard < wanted {
            setrlimit(self.kind(), soft, wanted)?;
        }
        Ok(())
    }

    /// Makes `limit` what holds and the hard limit.
    ///
    /// # Errors
    /// As of [`Self::raise_hard_limit`].
    pub fn limit_to(self, limit: u64) -> io::Result<()> {
        Ok(setrlimit(self.kind(), limit, limit)?)
    }

    /// Whether [`Self::limit_to`] would do, without changing anything: the kernel is asked, since only it knows what root may do in a
    /// container.
    ///
    /// # Errors
    /// As of [`Self::raise_hard_limit`].
    pub fn try_limit(self, limit: u64) -> io::Result<()> {
        let (soft, hard) = getrlimit(self.kind())?;
        self.raise_hard_limit(limit)?;
        Ok(setrlimit(self.kind(), soft, hard)?)
    }

    /// As nix has it, and not rustix, where a sandbox without the system call is not foreseen.
    fn kind(self) -> system::Resource {
        match self {
            Self::Memory => system::Resource::RLIMIT_AS,
            Self::OpenFiles => system::Resource::RLIMIT_NOFILE,
            Self::Core => system::Resource::RLIMIT_CORE,
            Self::Stack => system::Resource::RLIMIT_STACK,
        }
    }
}

/// The most descriptors that the system lets any process have; `None` if it does not say.
pub fn most_open_files() -> Option<u64> {
    fs::read_to_string("/proc/sys/fs/nr_open").ok()?.trim().parse().ok()
}

/// The nice value of this process, from -20, which has its turn first, to 19.
///
/// # Errors
/// Those of getpriority(2).
pub fn nice() -> io::Result<i32> {
    Ok(getpriority_process(None)?)
}

/// Changes it, for the thread that calls and those that it will start.
///
/// # Errors
/// `PermissionDenied` for less than it is, without CAP_SYS_NICE.
pub fn set_nice(nice: i32) -> io::Result<()> {
    Ok(setpriority_process(None, nice)?)
}

/// Whether [`set_nice`] would do, without changing anything.
///
/// # Errors
/// The same.
pub fn try_nice(wanted: i32) -> io::Result<()> {
    let before = nice()?;
    if wanted >= before {
        return Ok(());
    }
    set_nice(wanted)?;
    set_nice(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_changes_nothing() {
        for resource in [Resource::Memory, Resource::OpenFiles, Resource::Core] {
            let before = (resource.soft_limit().unwrap(), resource.hard_limit().unwrap());
            resource.try_limit(before.1).unwrap();
            resource.try_limit(before.1.min(1 << 20)).unwrap();
            drop(resource.try_limit(before.1.saturating_add(1)));
            assert_eq!((resource.soft_limit().unwrap(), resource.hard_limit().unwrap()), before, "{resource:?}");
        }
        let before = nice().unwrap();
        drop(try_nice(before - 1));
        try_nice(19).unwrap();
        assert_eq!(nice().unwrap(), before);
    }

    #[test]
    fn more_descriptors_than_the_system_lets_anybody_have_are_refused() {
        let Some(most) = most_open_files() else { return eprintln!("skipped: the system does not say how many") };
        let error = Resource::OpenFiles.try_limit(most + 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
