//! What the processes of a pool may have of the machine: descriptors, core dumps, memory and their turn on a processor.
//!
//! A limit holds for a process until its end and for all that it starts, and only root raises one. So all is tried before anything
//! begins to serve, and set before a process gives up what root may.

use std::io;

use crate::config::{self, Config};
use crate::start_error::StartError;
use shared::sys::resources::{self, Resource};

/// Whether every pool can have the limits that it names.
///
/// # Errors
/// Which one it cannot have, and what to do.
pub fn validate(config: &Config) -> Result<(), StartError> {
    for pool in &config.pools {
        each(pool, |resource, limit| resource.try_limit(limit))?;
        pool.nice.map_or(Ok(()), resources::try_nice).map_err(|source| too_urgent(pool, source))?;
    }
    Ok(())
}

/// Gives a child its limits but that on memory, for which it only sees to it that it can be set later.
pub fn set(pool: &config::Pool) -> Result<(), StartError> {
    each(pool, |resource, limit| match resource {
        // What is left to be done until the exec takes memory, too, and not by the measure of a Python.
        Resource::Memory => resource.raise_hard_limit(limit),
        _ => resource.limit_to(limit),
    })?;
    set_nice(pool)
}

/// Gives a queue process its limits. It has connections as children have, and no Python that could use up memory. It is a copy of the
/// supervisor, of which nobody is to have a core dump.
pub fn set_of_queue(pool: &config::Pool) -> Result<(), StartError> {
    set_only(pool, Resource::OpenFiles)?;
    set_nice(pool)
}

/// Gives a process this limit alone.
pub fn set_only(pool: &config::Pool, wanted: Resource) -> Result<(), StartError> {
    each(pool, |resource, limit| if resource == wanted { resource.limit_to(limit) } else { Ok(()) })
}

/// Does this for each limit that the pool names.
fn each(pool: &config::Pool, set: impl Fn(Resource, u64) -> io::Result<()>) -> Result<(), StartError> {
    let limits = [
        ("rlimit-nofile", Resource::OpenFiles, "ulimit -Hn; LimitNOFILE=", pool.rlimit_nofile),
        ("rlimit-core", Resource::Core, "ulimit -Hc; LimitCORE=", pool.rlimit_core),
        ("memory-limit", Resource::Memory, "ulimit -Hv; LimitAS=", pool.memory_limit),
    ];
    limits.into_iter().try_for_each(|(option, resource, raised_by, limit)| {
        let set = limit.map_or(Ok(()), |limit| set(resource, limit));
        set.map_err(|source| refused(pool, option, (resource, raised_by), source))
    })
}

fn set_nice(pool: &config::Pool) -> Result<(), StartError> {
    pool.nice.map_or(Ok(()), resources::set_nice).map_err(|source| too_urgent(pool, source))
}

fn refused(pool: &config::Pool, option: &str, (resource, raised_by): (Resource, &str), source: io::Error) -> StartError {
    let most = resources::most_open_files().filter(|_| resource == Resource::OpenFiles);
    let advice = match (most, pool.rlimit_nofile) {
        (Some(most), Some(wanted)) if wanted > most => {
            format!("the system lets no process have more than {most} (sysctl fs.nr_open)")
        }
        _ => {
            let hard =
                resource.hard_limit().map_or_else(|_| "the hard limit".to_owned(), |hard| format!("the hard limit, {hard},"));
            format!(
                "{hard} is lower, and only root with CAP_SYS_RESOURCE may raise it: lower {option}, or start pyfcgid with a higher \
                 one ({raised_by} of a systemd service)"
            )
        }
    };
    cannot_set(pool, option, &advice, source)
}

fn too_urgent(pool: &config::Pool, source: io::Error) -> StartError {
    let own = resources::nice().map_or_else(|_| "pyfcgid's own".to_owned(), |own| format!("{own}, which is pyfcgid's own"));
    let advice = format!(
        "only root with CAP_SYS_NICE may go below {own}: raise nice, or start pyfcgid with a lower one (nice(1); Nice= of a \
         systemd service)"
    );
    cannot_set(pool, "nice", &advice, source)
}

fn cannot_set(pool: &config::Pool, option: &str, advice: &str, source: io::Error) -> StartError {
    let (value, origin) = (pool.value_of(option), pool.origin(option));
    StartError::of_pool(pool, format!("cannot set {option} = {value} ({origin}): {advice}"), source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_process_may_have_is_told_with_the_most_and_nothing_is_changed() {
        let Some(most) = resources::most_open_files() else { return eprintln!("skipped: the system does not say how many") };
        let mut config = Config::for_app("blog").unwrap();
        let before = (Resource::OpenFiles.soft_limit().unwrap(), Resource::OpenFiles.hard_limit().unwrap());
        config.pools[0].rlimit_nofile = Some(most + 1);
        let text = validate(&config).unwrap_err().text();
        let told = format!(
            "pyfcgid: pool blog: cannot set rlimit-nofile = {} (default): the system lets no process have more than {most} (sysctl \
             fs.nr_open): ",
            most + 1
        );
        assert!(text.starts_with(&told), "{text}");
        assert_eq!((Resource::OpenFiles.soft_limit().unwrap(), Resource::OpenFiles.hard_limit().unwrap()), before);
        config.pools[0].rlimit_nofile = Some(before.1);
        config.pools[0].nice = Some(19);
        validate(&config).unwrap();
    }
}
