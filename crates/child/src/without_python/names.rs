//! The names of FCGI_PARAMS that came before, by number.
//!
//! A web server sends its variables in the same order each time, so the name that came next the last time is looked at first,
//! and hashed is only what the browser has changed.

use indexmap::IndexMap;

/// Numbers for names: their places. With each, that of the name which followed it the last time.
#[derive(Debug, Default)]
pub struct Names(IndexMap<Vec<u8>, usize>);

impl Names {
    /// Names with the numbers of their places in `names`, of which there must be one at least.
    pub fn new(names: &[&str]) -> Self {
        Self(names.iter().map(|name| (name.as_bytes().to_vec(), 0)).collect())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The number of `name`, which has come after the name of the number `before`.
    pub fn find(&mut self, name: &[u8], before: usize) -> Option<usize> {
        let likely = self.0[before];
        if self.0.get_index(likely)?.0 == name {
            return Some(likely);
        }
        let number = self.0.get_index_of(name)?;
        self.0[before] = number;
        Some(number)
    }

    /// Gives a name that is not there the next number.
    pub fn add(&mut self, name: &[u8]) -> usize {
        self.0.insert_full(name.to_vec(), 0).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whichever_came_before() {
        let mut names = Names::new(&["", "A", "B"]);
        let c = names.add(b"C");
        for (name, before, number) in [("A", 0, 1), ("B", 1, 2), ("C", 2, c), ("A", 2, 1), ("A", c, 1), ("C", 1, c), ("", 0, 0)]
        {
            assert_eq!(names.find(name.as_bytes(), before), Some(number), "{name} after {before}");
        }
        assert_eq!(names.find(b"D", 0), None);
        assert_eq!(names.count(), 4);
    }
}
