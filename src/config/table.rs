//! The one table of options: every other list of them is made from it, and so are the fields that hold their values.

/// Defines a struct with a field for each option, the table of these options, and how the struct is read from what was typed. A row is
///
/// ```text
/// /// What the field holds.
/// field: Type = form, "name", Group, Kind, "VALUE", Default, "help";
/// ```
///
/// and has behind the help, if a pool may have a value of its own, how that is shown. What else the struct has stands in braces.
macro_rules! settings {
    (@own) => { None };
    (@own $show:expr) => { Some($show) };
    (
        $(#[$about:meta])*
        $Target:ident, listed in $TABLE:ident as $scope:ident and not $other_scope:ident, read by ($reader:ident $(, $argument:ident: $Argument:ty)?), has also {
            $($(#[$other_meaning:meta])* $visibility:vis $other:ident: $Other:ty = $value:expr;)+
        }
        $(
            $(#[$meaning:meta])*
            $field:ident: $Type:ty = $form:expr, $name:literal, $group:ident, $kind:ident, $value_name:literal,
            $default:ident $(($text:literal))?, $help:literal $(, own $show_own:expr)?;
        )+
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $Target {
            $($(#[$other_meaning])* $visibility $other: $Other,)+
            $($(#[$meaning])* pub $field: $Type,)+
        }

        impl $Target {
            /// Where the value of the option `key` was typed.
            pub fn origin(&self, key: &str) -> Origin {
                self.origins.get(key).cloned().unwrap_or(Origin::Default)
            }

            /// Reads the options in the order of the table, then the rest.
            pub(in crate::config) fn read($reader: &mut Reader<'_> $(, $argument: $Argument)?) -> Result<Self, Error> {
                Ok(Self {
                    $($field: $reader.read($name, Kind::$kind, &$form)?,)+
                    $($other: $value,)+
                })
            }
        }

        pub(super) const $TABLE: &[Setting] = &[$(
            Setting {
                name: $name,
                group: Group::$group,
                kind: Kind::$kind,
                value_name: $value_name,
                help: $help,
                default: Fallback::$default $(($text))?,
                syntax: || Form::<$Type>::syntax(&$form),
                $scope: Some(|target| Form::<$Type>::show(&$form, &target.$field)),
                $other_scope: settings!(@own $($show_own)?),
            },
        )+];
    };
}

mod pool_options;
mod process_options;

use std::sync::LazyLock;

use super::setting::Setting;
use pool_options::POOL;
use process_options::PROCESS;

pub use pool_options::Pool;
pub use process_options::Config;

/// Every option, grouped, in the order of the help.
pub static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| [POOL, PROCESS].concat());

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
