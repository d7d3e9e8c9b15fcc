//! The one table of options: every other list of them is made from it.

mod application;
mod limits;
mod process;
mod text;

use super::setting::Setting;
use application::APPLICATION;
use limits::LIMITS;
use process::PROCESS;

/// Every option, grouped, in the order of the help.
pub const SETTINGS: &[Setting] = &joined();

/// The parts in one array.
const fn joined() -> [Setting; COUNT] {
    let mut all = [APPLICATION[0]; COUNT];
    let mut at = 0;
    while at < COUNT {
        all[at] = match at {
            _ if at < APPLICATION.len() => APPLICATION[at],
            _ if at < APPLICATION.len() + LIMITS.len() => LIMITS[at - APPLICATION.len()],
            _ => PROCESS[at - APPLICATION.len() - LIMITS.len()],
        };
        at += 1;
    }
    all
}

const COUNT: usize = APPLICATION.len() + LIMITS.len() + PROCESS.len();

#[cfg(test)]
mod tests {
    use super::super::setting::Group;
    use super::*;

    #[test]
    fn names_are_unique_kebab_case_and_groups_stay_together() {
        let mut names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SETTINGS.len());
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        let mut groups: Vec<_> = SETTINGS.iter().map(|setting| setting.group).collect();
        groups.dedup();
        assert_eq!(groups, Group::ALL);
    }

    #[test]
    fn variables_are_named_after_their_options() {
        let variables: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
        assert!(variables.contains(&"PYFCGID_MAX_PARAMS_SIZE".to_owned()));
    }
}
