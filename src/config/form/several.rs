//! Fields that have no value or several.

use super::super::value::format_duration;
use super::super::{PathTimeout, Syntax, ValueError};
use super::{Form, Text, account, or_zero, several, time};
use shared::network::Network;

/// One value or none.
pub(in crate::config) fn optional<T>(value: impl Form<T>) -> impl Form<Option<T>> {
    let show = move |field: &Option<T>| field.iter().flat_map(|one| value.show(one)).collect();
    several(move |_, typed: Text<'_>| value.parse(typed).map(Some), show, value.syntax())
}

/// Any number of values.
pub(in crate::config) fn list<T>(value: impl Form<T>) -> impl Form<Vec<T>> {
    let add = move |mut values: Vec<T>, typed: Text<'_>| {
        values.push(value.parse(typed)?);
        Ok(values)
    };
    several(add, move |values: &Vec<T>| values.iter().flat_map(|one| value.show(one)).collect(), value.syntax())
}

/// The same, but none twice.
pub(in crate::config) fn distinct<T: PartialEq>(value: impl Form<T>) -> impl Form<Vec<T>> {
    let add = move |values: Vec<T>, typed: Text<'_>| {
        let values = list(value).with(Some(values), typed)?;
        let is_twice = values.split_last().is_some_and(|(last, others)| others.contains(last));
        if is_twice { Err(ValueError::new("is listed twice")) } else { Ok(values) }
    };
    several(add, move |values: &Vec<T>| list(value).show(values), value.syntax())
}

/// Variables with their values; of one name the last counts.
pub(in crate::config) fn variables() -> impl Form<Vec<(String, String)>> {
    let add = |mut variables: Vec<(String, String)>, typed: Text<'_>| {
        let pair = typed.text.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, text) = pair.ok_or_else(|| ValueError::new("must be NAME=VALUE"))?;
        if typed.text.contains('\0') {
            return Err(ValueError::new("must not contain NUL"));
        }
        match variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => text.clone_into(known),
            None => variables.push((name.to_owned(), text.to_owned())),
        }
        Ok(variables)
    };
    let show = |field: &Vec<(String, String)>| field.iter().map(|(name, value)| format!("{name}={value}")).collect();
    several(add, show, Syntax::Text)
}

/// Paths with their limits of time; of one path the last counts.
pub(in crate::config) fn timeouts() -> impl Form<Vec<PathTimeout>> {
    let add = |mut timeouts: Vec<PathTimeout>, typed: Text<'_>| {
        let pair = typed.text.rsplit_once('=').filter(|(path, _)| path.starts_with('/'));
        let reason = || ValueError::new("must be PATH=TIME, and PATH must start with a slash");
        let (path, text) = pair.ok_or_else(reason)?;
        if path.contains(['?', '#', '*', '\0']) {
            return Err(ValueError::new("must be how paths of the site begin, without a query or a pattern"));
        }
        let limit = or_zero(time()).parse(Text { text, ..typed })?;
        timeouts.retain(|known: &PathTimeout| known.path != path);
        timeouts.push(PathTimeout { path: path.to_owned(), limit });
        Ok(timeouts)
    };
    let text = |PathTimeout { path, limit }: &PathTimeout| format!("{path}={}", format_duration(limit.unwrap_or_default()));
    several(add, move |timeouts: &Vec<PathTimeout>| timeouts.iter().map(text).collect(), Syntax::Text)
}

/// Groups by name or number, or a word instead of them. That the word stands alone, the pool checks when it has all of them.
pub(in crate::config) fn groups() -> impl Form<Option<Vec<String>>> {
    let add = |groups: Option<Vec<String>>, typed: Text<'_>| match typed.text {
        OWN_GROUPS => Ok(None),
        NO_GROUPS => Ok(Some(Vec::new())),
        _ => list(account()).with(groups, typed).map(Some),
    };
    let show = |field: &Option<Vec<String>>| match field.as_deref() {
        None => vec![OWN_GROUPS.to_owned()],
        Some([]) => vec![NO_GROUPS.to_owned()],
        Some(groups) => groups.to_vec(),
    };
    // The two words are names, too.
    several(add, show, account().syntax())
}

/// Addresses and networks; `None` is everybody. Of the variable of another program, all of it is one text.
pub(in crate::config) fn clients() -> impl Form<Option<Vec<Network>>> {
    let add = |clients: Option<Vec<Network>>, typed: Text<'_>| {
        let networks = typed.text.split(',').map(|text| Network::parse(text.trim()).map_err(ValueError::new));
        clients.into_iter().flatten().map(Ok).chain(networks).collect::<Result<_, _>>().map(Some)
    };
    let show = |field: &Option<Vec<Network>>| field.iter().flatten().map(ToString::to_string).collect();
    several(add, show, Syntax::Text)
}

/// Instead of groups: those that the user is in.
pub(in crate::config) const OWN_GROUPS: &str = "own";
/// Instead of groups: that there are none.
pub(in crate::config) const NO_GROUPS: &str = "none";
