//! The names of FCGI_PARAMS that came before, by number.
//!
//! A web server sends its variables in the same order each time, so the name that came next the last time is looked at first,
//! and hashed is only what the browser has changed.

use std::collections::HashMap;

/// Numbers for names.
#[derive(Debug)]
pub struct Names {
    numbers: HashMap<Vec<u8>, usize>,
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    name: Vec<u8>,
    /// Which name followed it the last time.
    next: usize,
}

impl Names {
    /// Names with the numbers of their places in `names`, of which there must be one at least.
    pub fn new(names: &[&str]) -> Self {
        let mut new = Self { numbers: HashMap::new(), known: Vec::new() };
        for name in names {
            new.add(name.as_bytes());
        }
        new
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// The number of `name`, which has come after the name of the number `before`.
    pub fn find(&mut self, name: &[u8], before: usize) -> Option<usize> {
        let likely = self.known[before].next;
        if self.known[likely].name == name {
            return Some(likely);
        }
        let number = *self.numbers.get(name)?;
        self.known[before].next = number;
        Some(number)
    }

    /// Gives a name that is not there the next number.
    pub fn add(&mut self, name: &[u8]) -> usize {
        let number = self.known.len();
        self.known.push(Known { name: name.to_vec(), next: 0 });
        self.numbers.insert(name.to_vec(), number);
        number
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
