//! What a pool's processes may have of the machine, beside what they need.

use super::layer::Layers;
use super::value::format_size;
use super::{Error, Pool, ValueError};
use shared::settings::{DESCRIPTORS_BESIDE_CONNECTIONS, SMALLEST_PYTHON};
use shared::sys::resources::{Resource, UNLIMITED};

impl Pool {
    /// Refuses a limit on descriptors that is too small for its connections.
    pub(super) fn check_descriptors(&self, layers: Layers<'_>) -> Result<(), Error> {
        let (Some(limit), Some(item)) = (self.rlimit_nofile, layers.first("rlimit-nofile")) else {
            return Ok(());
        };
        let connections = self.max_connections as u64;
        let least = connections + DESCRIPTORS_BESIDE_CONNECTIONS;
        if limit >= least {
            return Ok(());
        }
        let most = limit.checked_sub(DESCRIPTORS_BESIDE_CONNECTIONS).filter(|most| *most > 0);
        let lower = most.map(|most| format!(", or lower {} to {most}", item.origin.spell("max-connections")));
        let reason = format!(
            "must be at least {least}: one for each of max-connections = {connections} ({}) and {DESCRIPTORS_BESIDE_CONNECTIONS} for \
             the rest{}",
            self.origin("max-connections"),
            lower.unwrap_or_default()
        );
        Err(item.refused("rlimit-nofile", ValueError::new(reason)))
    }

    /// What to say if its limit on memory is smaller than what a process takes before it has imported anything.
    pub(super) fn short_of_memory(&self) -> Option<String> {
        let limit = self.memory_limit?;
        let stack = Resource::Stack.soft_limit().ok().filter(|size| *size != UNLIMITED).unwrap_or(STACK_WITHOUT_LIMIT);
        let needed = SMALLEST_PYTHON.saturating_add(stack.saturating_mul(self.threads as u64));
        (limit < needed).then(|| {
            format!(
                "pool {}: memory-limit = {} ({}) is less than the {} of address space that a process takes before it imports \
                 anything: {} for each of its {} threads, and {} for the rest; raise memory-limit, or have fewer threads",
                self.name,
                format_size(limit),
                self.origin("memory-limit"),
                mebibytes(needed),
                mebibytes(stack),
                self.threads,
                mebibytes(SMALLEST_PYTHON)
            )
        })
    }
}

fn mebibytes(bytes: u64) -> String {
    format_size(bytes.next_multiple_of(1 << 20))
}

/// What the C library gives a thread where there is no limit on stacks.
const STACK_WITHOUT_LIMIT: u64 = 2 << 20;

#[cfg(test)]
mod tests {
    use super::super::{Config, Item, Layer, Origin};
    use super::*;

    fn load(typed: &[(&'static str, &str)]) -> Result<Config, String> {
        let mut flags = Layer::new();
        for (name, text) in [("app", "blog")].iter().chain(typed) {
            flags.entry(*name).or_default().push(Item { text: (*text).to_owned(), origin: Origin::Flag });
        }
        Config::load(&flags, &|_| None, None).map_err(|error| error.to_string())
    }

    #[test]
    fn a_limit_on_descriptors_has_room_for_the_connections() {
        assert!(
            load(&[("rlimit-nofile", "10256")]).is_ok() && load(&[("max-connections", "1"), ("rlimit-nofile", "257")]).is_ok()
        );
        assert_eq!(
            load(&[("rlimit-nofile", "4096")]).unwrap_err(),
            "--rlimit-nofile \"4096\": must be at least 10256: one for each of max-connections = 10000 (default) and 256 for the rest, \
             or lower --max-connections to 3840"
        );
        let text = load(&[("max-connections", "10"), ("rlimit-nofile", "200")]).unwrap_err();
        assert!(text.ends_with("one for each of max-connections = 10 (command line) and 256 for the rest"), "{text}");
    }

    #[test]
    fn a_limit_on_memory_that_no_process_can_start_with_is_told() {
        let told = |typed: &[(&'static str, &str)]| load(typed).unwrap().pools[0].short_of_memory();
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[("memory-limit", "0")]), None);
        assert_eq!(told(&[("memory-limit", "100G"), ("threads", "1024")]), None);
        let text = told(&[("memory-limit", "32M"), ("threads", "1")]).unwrap();
        assert!(text.starts_with("pool blog: memory-limit = 32M (command line) is less than the "), "{text}");
        assert!(told(&[("memory-limit", "1G"), ("threads", "1024")]).unwrap().contains("each of its 1024 threads"));
    }

    #[test]
    fn core_dumps_and_priorities_are_what_others_write() {
        let pool = |typed: &[(&'static str, &str)]| load(typed).map(|mut config| config.pools.remove(0));
        let found = pool(&[("rlimit-core", "unlimited"), ("nice", "-20")]).unwrap();
        assert_eq!((found.rlimit_core, found.nice), (Some(UNLIMITED), Some(-20)));
        assert_eq!((found.value_of("rlimit-core"), found.value_of("nice")), ("unlimited".to_owned(), "-20".to_owned()));
        let found = pool(&[("rlimit-core", "0"), ("nice", "19")]).unwrap();
        assert_eq!((found.rlimit_core, found.nice, pool(&[]).unwrap().nice), (Some(0), Some(19), None));
        for text in ["20", "-21", "+5", "", "-", "1.5", "high"] {
            assert_eq!(pool(&[("nice", text)]).unwrap_err(), format!("--nice {text:?}: must be a whole number from -20 to 19"));
        }
        for text in ["infinity", "-1", "", "1T"] {
            assert!(pool(&[("rlimit-core", text)]).unwrap_err().contains("must be unlimited, or a size such as"), "{text}");
        }
    }
}
