//! How many processes a pool has, as it is typed.

use std::fmt;
use std::num::NonZero;
use std::thread;

use super::ValueError;
use super::value::parse_digits;

/// How many processes a pool has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processes {
    /// The fewest; 0 starts one on demand.
    pub min: usize,
    /// The most, 1 to 1024. Invariant: at least `min`.
    pub max: usize,
}

impl Processes {
    /// The most there may be.
    pub const MOST: usize = 1024;

    /// Parses a number, `2..8` for as many as the load needs, or `auto` for one for each core that this process may use.
    ///
    /// # Errors
    /// For any other text, and for a range whose end is before its beginning.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        if text == "auto" {
            let cores = thread::available_parallelism().map_or(1, NonZero::get).min(Self::MOST);
            return Ok(Self { min: cores, max: cores });
        }
        let (low, high) = text.split_once("..").unwrap_or((text, text));
        let parse = |text| parse_digits(text).filter(|number| *number <= Self::MOST);
        let (Some(min), Some(max)) = (parse(low), parse(high)) else {
            return Err(ValueError::new("must be a number from 1 to 1024, a range such as 2..8 or 0..8, or auto"));
        };
        match () {
            () if max == 0 => {
                Err(ValueError::new("must allow at least 1 process; to start them on demand, write a range such as 0..4"))
            }
            () if min > max => Err(ValueError::new("must have the smaller number first, as in 2..8")),
            () => Ok(Self { min, max }),
        }
    }
}

impl fmt::Display for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { min, max } if min == max => write!(f, "{max}"),
            Self { min, max } => write!(f, "{min}..{max}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_a_range_and_auto_are_understood() {
        for (text, min, max) in [("1", 1, 1), ("4", 4, 4), ("2..8", 2, 8), ("0..1024", 0, 1024), ("3..3", 3, 3)] {
            assert_eq!(Processes::parse(text), Ok(Processes { min, max }), "{text}");
        }
        let auto = Processes::parse("auto").unwrap();
        assert!(auto.min == auto.max && (1..=1024).contains(&auto.max), "{auto:?}");
    }

    #[test]
    fn what_is_shown_is_understood_again() {
        for text in ["1", "2..8", "0..8"] {
            assert_eq!(Processes::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        for text in ["", "many", "-1", "1025", "1..1025", "..", "..8", "2..", "2...8", "2..=8", "1..2..3", "2-8", "auto..8"] {
            assert!(Processes::parse(text).unwrap_err().to_string().contains("must be a number from 1 to 1024"), "{text}");
        }
        for text in ["0", "0..0"] {
            assert!(Processes::parse(text).unwrap_err().to_string().contains("at least 1 process"), "{text}");
        }
        assert!(Processes::parse("8..2").unwrap_err().to_string().contains("the smaller number first"));
    }
}
