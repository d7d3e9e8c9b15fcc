//! What is kept of each open request of a connection, by its id.
//!
//! Most connections have one request at a time, and thousands may be idle, so this is small, looked through from its start, and
//! keeps no more memory when it is empty than a few requests take.

use super::RequestId;

/// A `T` for each open request.
#[derive(Clone, Debug)]
pub struct Requests<T> {
    /// Apart from the rest, so that looking through hundreds takes no time.
    ids: Vec<RequestId>,
    kept: Vec<T>,
}

impl<T> Default for Requests<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Requests<T> {
    /// No requests.
    pub const fn new() -> Self {
        Self { ids: Vec::new(), kept: Vec::new() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether this one is there.
    pub fn contains(&self, id: RequestId) -> bool {
        self.position(id).is_some()
    }

    /// What is kept of it.
    pub fn get(&self, id: RequestId) -> Option<&T> {
        self.position(id).map(|position| &self.kept[position])
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: RequestId) -> Option<&mut T> {
        self.position(id).map(|position| &mut self.kept[position])
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (RequestId, &T)> {
        self.ids.iter().copied().zip(&self.kept)
    }

    /// What is kept of all of them.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.kept.iter()
    }

    /// The same, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.kept.iter_mut()
    }

    /// Keeps this from now on, and returns what was kept before.
    pub fn insert(&mut self, id: RequestId, kept: T) -> Option<T> {
        if let Some(before) = self.get_mut(id) {
            return Some(std::mem::replace(before, kept));
        }
        if self.ids.capacity() == 0 {
            self.ids.reserve_exact(1);
            self.kept.reserve_exact(1);
        }
        self.ids.push(id);
        self.kept.push(kept);
        None
    }

    /// Takes it out.
    pub fn remove(&mut self, id: RequestId) -> Option<T> {
        self.position(id).map(|position| self.remove_at(position))
    }

    /// Takes out all but those of which `keeps` says so.
    pub fn retain(&mut self, mut keeps: impl FnMut(RequestId, &T) -> bool) {
        let mut position = 0;
        while let Some(id) = self.ids.get(position) {
            if keeps(*id, &self.kept[position]) {
                position += 1;
            } else {
                self.remove_at(position);
            }
        }
    }

    fn remove_at(&mut self, position: usize) -> T {
        self.ids.swap_remove(position);
        let kept = self.kept.swap_remove(position);
        if self.is_empty() && self.ids.capacity() > FEW {
            *self = Self::new();
        }
        kept
    }

    fn position(&self, id: RequestId) -> Option<usize> {
        self.ids.iter().position(|open| *open == id)
    }
}

/// Room for this many is kept when all have ended.
const FEW: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(number: u16) -> RequestId {
        RequestId::new(number)
    }

    #[test]
    fn requests_are_found_by_their_id_until_they_are_taken_out() {
        let mut requests = Requests::new();
        for number in 1..=300 {
            assert_eq!(requests.insert(id(number), number), None);
        }
        assert_eq!(requests.insert(id(7), 1007), Some(7));
        *requests.get_mut(id(8)).unwrap() = 1008;
        assert_eq!((requests.get(id(7)), requests.get(id(8)), requests.get(id(300))), (Some(&1007), Some(&1008), Some(&300)));
        for number in 1..=299 {
            assert!(requests.remove(id(number)).is_some());
            assert!(!requests.contains(id(number)) && requests.contains(id(300)));
        }
        assert_eq!((requests.len(), requests.remove(id(300)), requests.remove(id(300))), (1, Some(300), None));
        assert!(requests.is_empty() && requests.values().next().is_none());
        assert_eq!(requests.ids.capacity(), 0, "an idle connection keeps the room of all that were open at once");
    }

    #[test]
    fn those_that_are_not_retained_are_gone_and_each_is_asked_about_once() {
        let mut requests = Requests::new();
        for number in 1..=10 {
            requests.insert(id(number), number);
        }
        let mut asked = Vec::new();
        requests.retain(|id, number| {
            asked.push(id);
            number % 3 == 0
        });
        asked.sort_unstable();
        assert_eq!(asked, (1..=10).map(id).collect::<Vec<_>>());
        let mut kept: Vec<_> = requests.iter().map(|(id, number)| (id, *number)).collect();
        kept.sort_unstable();
        assert_eq!(kept, [3, 6, 9].map(|number| (id(number), number)));
    }
}
