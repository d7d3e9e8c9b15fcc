//! The environ of the request before, of which the next one is a copy with its differences.
//!
//! Most variables are the same from request to request, and a web server sends them in the same order. So the variable that came next the
//! last time is looked at first, name and value at once, and only what the browser has changed is hashed and made anew. CPython copies
//! a dict in one go, much faster than it can be filled.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::wsgi::latin1;
use connections::exchange::Pair;

use super::Kind;

/// An environ without the objects that belong to one request alone.
pub(super) struct Prototype<'py> {
    environ: Bound<'py, PyDict>,
    entries: Vec<Entry<'py>>,
    numbers: HashMap<Vec<u8>, usize>,
    /// The number of this request.
    serial: u64,
    /// How many entries this request has set.
    set: usize,
    /// How many are in the environ.
    held: usize,
}

/// A variable.
struct Entry<'py> {
    key: Bound<'py, PyString>,
    kind: Kind,
    held: Held,
    /// Its name and, behind it, its value, if that is `Known`.
    pair: Vec<u8>,
    name_length: usize,
    /// The last request that has set it.
    serial: u64,
    /// The variable that followed it the last time.
    next: usize,
}

/// What the environ has of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Nothing,
    Something,
    Known,
}

/// Where a variable of a request is found.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) number: usize,
    pub(super) kind: Kind,
    /// The environ has its value.
    pub(super) is_same: bool,
}

impl<'py> Prototype<'py> {
    /// An environ with nothing but what is in `base`, and these variables, the first of the numbers, to be set.
    pub(super) fn new(base: &Bound<'py, PyDict>, names: &[&str]) -> PyResult<Self> {
        let numbers = HashMap::new();
        let mut new = Self { environ: base.copy()?, entries: Vec::new(), numbers, serial: 0, set: 0, held: 0 };
        for name in names {
            new.add(name.as_bytes(), PyString::intern(base.py(), name));
        }
        Ok(new)
    }

    /// How many variables it knows.
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    /// The next variable, after those that were added before.
    fn add(&mut self, name: &[u8], key: Bound<'py, PyString>) -> usize {
        let number = self.entries.len();
        let (kind, pair, name_length) = (Kind::of(name), name.to_vec(), name.len());
        self.entries.push(Entry { key, kind, held: Held::Nothing, pair, name_length, serial: 0, next: 0 });
        self.numbers.insert(name.to_vec(), number);
        number
    }

    /// A request begins.
    pub(super) fn begin(&mut self) {
        self.serial += 1;
        self.set = 0;
    }

    /// Whether this request has set a variable.
    pub(super) fn has(&self, number: usize) -> bool {
        self.entries[number].serial == self.serial
    }

    /// The variable of a pair that has come after the variable of the number `before`.
    #[inline]
    pub(super) fn find(&mut self, pair: Pair<'_>, before: usize) -> Found {
        let number = self.entries[before].next;
        let entry = &self.entries[number];
        if entry.name_length == pair.name_length && entry.pair == pair.bytes {
            return Found { number, kind: entry.kind, is_same: entry.held == Held::Known };
        }
        let number = if entry.name() == pair.name() { number } else { self.look_up(pair.name(), before) };
        Found { number, kind: self.entries[number].kind, is_same: false }
    }

    fn look_up(&mut self, name: &[u8], before: usize) -> usize {
        let number = match self.numbers.get(name) {
            Some(number) => *number,
            None => self.add(name, latin1::to_str(self.environ.py(), name)),
        };
        self.entries[before].next = number;
        number
    }

    /// This request has a variable as the environ has it.
    #[inline]
    pub(super) fn keep(&mut self, number: usize) {
        let entry = &mut self.entries[number];
        self.set += usize::from(entry.serial != self.serial);
        entry.serial = self.serial;
    }

    /// Sets a variable of this request.
    #[inline]
    pub(super) fn set(&mut self, number: usize, bytes: &[u8]) -> PyResult<()> {
        self.keep(number);
        let entry = &self.entries[number];
        if entry.held == Held::Known && entry.value() == bytes { Ok(()) } else { self.put_bytes(number, bytes) }
    }

    /// Appends to a variable that this request has set.
    pub(super) fn append(&mut self, number: usize, separator: &str, bytes: &[u8]) -> PyResult<()> {
        let before = self.environ.get_item(&self.entries[number].key)?;
        let before = before.map_or_else(|| Ok(String::new()), |before| before.extract::<String>())?;
        let joined = [&before, separator, &latin1::decode(bytes)].concat();
        self.put(number, &PyString::new(self.environ.py(), &joined), None)
    }

    #[inline(never)]
    fn put_bytes(&mut self, number: usize, bytes: &[u8]) -> PyResult<()> {
        let value = latin1::to_str(self.environ.py(), bytes);
        self.put(number, &value, Some(bytes).filter(|bytes| bytes.len() <= MAX_REMEMBERED))
    }

    fn put(&mut self, number: usize, value: &Bound<'py, PyString>, bytes: Option<&[u8]>) -> PyResult<()> {
        let entry = &mut self.entries[number];
        self.environ.set_item(&entry.key, value)?;
        self.held += usize::from(entry.held == Held::Nothing);
        entry.held = if bytes.is_some() { Held::Known } else { Held::Something };
        entry.pair.truncate(entry.name_length);
        entry.pair.extend_from_slice(bytes.unwrap_or_default());
        Ok(())
    }

    /// The environ of this request, which is the application's own.
    pub(super) fn finish(&mut self) -> PyResult<Bound<'py, PyDict>> {
        if self.set != self.held {
            self.remove_rest()?;
        }
        self.environ.copy()
    }

    /// Removes what only requests before had.
    fn remove_rest(&mut self) -> PyResult<()> {
        for entry in self.entries.iter_mut().filter(|entry| entry.held != Held::Nothing && entry.serial != self.serial) {
            self.environ.del_item(&entry.key)?;
            entry.held = Held::Nothing;
            self.held -= 1;
        }
        Ok(())
    }
}

impl Entry<'_> {
    fn name(&self) -> &[u8] {
        &self.pair[..self.name_length]
    }

    fn value(&self) -> &[u8] {
        &self.pair[self.name_length..]
    }
}

/// Longer values are made anew each time.
const MAX_REMEMBERED: usize = 256;
