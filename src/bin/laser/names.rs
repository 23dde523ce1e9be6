//! Columns by their names: where those of one side are on another, and what the features of a training are called.

use crate::events::Events;
use crate::failure::{Failure, Result};
use crate::terminal;
use laser::model::check_names;
use laser::options::{keys, Options};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Where the columns that `names` names, those of `whose`, are among those called `own`; none if they stand as they are: in this order
/// already, or without names on one side, which is said.
///
/// # Errors
/// If the names are not the same.
pub fn matched(
    (path, own): (&Path, &[String]),
    (whose, names): (&str, &[String]),
) -> Result<Option<Vec<usize>>> {
    if own == names {
        return Ok(None);
    }
    if own.is_empty() || names.is_empty() {
        match own.is_empty() {
            true => tell(&path.display().to_string(), names),
            false => tell(whose, own),
        }
        return Ok(None);
    }
    let places: HashMap<&String, usize> = own.iter().zip(0..).collect();
    let found = names.iter().map(|name| places.get(name).copied());
    match found.collect::<Option<Vec<usize>>>() {
        Some(found) if names.len() == own.len() => Ok(Some(found)),
        _ => Err(Failure::of(
            path,
            format!(
                "its columns are called {}, those of {whose} {}: they must be the same, in any order",
                own.join(", "),
                names.join(", ")
            ),
        )),
    }
}

/// Tells that columns without names are taken by their places.
pub fn tell(whose: &str, taken: &[String]) {
    let taken = taken.join(", ");
    terminal::say(&format!(
        "{whose} has no names: its columns are taken as {taken}"
    ));
}

/// Brings the columns of events into the order of `names`, those of `whose`, as [`matched`].
pub fn match_to(events: &mut Events, (whose, names): (&str, &[String])) -> Result<()> {
    match matched((&events.path, events.names()), (whose, names))? {
        Some(order) => events.select(&order),
        None => Ok(()),
    }
}

/// Calls the features of a training as their columns are called, unless the options name them.
///
/// # Errors
/// If the options have the same names in another order, by which columns would be called wrongly; for names that no feature can have.
pub fn call(options: &mut Options, path: &Path, names: &[String]) -> Result<()> {
    let listed = options.get(keys::FEATURES_NAMES).split(',').map(str::trim);
    let listed: Vec<&str> = listed.filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return Ok(());
    }
    if listed.is_empty() {
        check_names(names, names.len()).map_err(|e| {
            let what =
                format!("{e}: rename the column, or give names by the option `features.names`");
            Failure::of(path, what)
        })?;
        options.set_str(keys::FEATURES_NAMES.name(), &names.join(","))?;
        return Ok(());
    }
    let turned = names.iter().zip(&listed).any(|(own, name)| own != name);
    let known: HashSet<&str> = names.iter().map(String::as_str).collect();
    if turned && names.len() == listed.len() && listed.iter().all(|name| known.contains(name)) {
        let what = format!(
            "its columns are called {}, and the option `features.names` says {}: it gives columns other names, and no other order; leave it out",
            names.join(", "),
            listed.join(", ")
        );
        return Err(Failure::of(path, what));
    }
    Ok(())
}
