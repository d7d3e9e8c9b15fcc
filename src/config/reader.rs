//! From what was typed to what a field holds.

use std::path::PathBuf;

use super::form::{Form, Text, directory_path, optional};
use super::layer::{Item, Layers, Origins};
use super::{Error, Kind, Origin, ValueError};

/// Reads options of one pool, or of the whole process, and takes down where each was typed.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    layers: Layers<'a>,
    /// The directory that the application runs in, if one is named: it decides what relative paths of other options mean.
    chdir: Option<PathBuf>,
    origins: Origins,
}

impl<'a> Reader<'a> {
    /// For the whole process.
    pub(super) fn of_process(layers: Layers<'a>) -> Self {
        Self { layers, chdir: None, origins: Origins::new() }
    }

    /// For a pool.
    ///
    /// # Errors
    /// When `chdir` is wrong.
    pub(super) fn of_pool(layers: Layers<'a>) -> Result<Self, Error> {
        let mut reader = Self::of_process(layers);
        reader.chdir = reader.read("chdir", Kind::One, &optional(directory_path()))?;
        Ok(reader)
    }

    /// The field of the option `name`.
    ///
    /// # Errors
    /// When a value is wrong, also one that does not count because of a stronger source: it does on the day when that goes.
    pub(super) fn read<T>(&mut self, name: &'static str, kind: Kind, form: &impl Form<T>) -> Result<T, Error> {
        self.origins.extend(self.layers.first(name).map(|item| (name, item.origin.clone())));
        let field = self.field(name, form, self.layers.items(name, kind))?;
        for hidden in self.layers.hidden(name, kind) {
            self.field(name, form, hidden)?;
        }
        let nothing = || Item { text: String::new(), origin: Origin::Default };
        field.ok_or_else(|| nothing().refused(name, ValueError::new("must be set")))
    }

    /// What the table of a pool says, and nothing stronger, of an option of the whole process.
    ///
    /// # Errors
    /// When the value is wrong.
    pub(super) fn read_own<T>(&mut self, name: &'static str, value: &impl Form<T>) -> Result<Option<T>, Error> {
        let (items, counts) = self.layers.of_table(name);
        let own = self.field(name, value, items)?.filter(|_| counts);
        self.origins.extend(items.last().filter(|_| counts).map(|item| (name, item.origin.clone())));
        Ok(own)
    }

    /// Where what was read was typed.
    pub(super) fn origins(&mut self) -> Origins {
        std::mem::take(&mut self.origins)
    }

    /// The field with these values, one after the other.
    fn field<'i, T>(
        &self,
        name: &'static str,
        form: &impl Form<T>,
        items: impl IntoIterator<Item = &'i Item>,
    ) -> Result<Option<T>, Error> {
        items.into_iter().try_fold(form.without(), |field, item| {
            let base = item.origin.base();
            let typed = Text { text: &item.text, base, python_base: self.chdir.as_deref().unwrap_or(base) };
            form.with(field, typed).map(Some).map_err(|reason| item.refused(name, reason))
        })
    }
}
