//! The names of features and conditions that the options give.

use super::source::Source;
use crate::model::{listed_names, Model};
use crate::options::{keys, Options};
use crate::{room, Error, Result};
use std::collections::BTreeSet;

/// The names of the target's columns: those of the option `features.names` or, if it names none, of the target itself, or else of the
/// generator.
///
/// # Errors
/// [`Error::InvalidArgument`] for names that are none, for those of the target in another order, and for others than the generator's.
pub(super) fn wanted(
    generator: Option<&Model>,
    target: &Source,
    options: &Options,
) -> Result<Vec<String>> {
    let own = generator.map_or(&[][..], |g| &g.names);
    let listed = options.get(keys::FEATURES_NAMES);
    let mut names = listed_names(listed, target.dim())
        .map_err(|e| Error::InvalidArgument(format!("option `features.names`: {e}")))?;
    let mut whose = "`features.names` is";
    if names.is_empty() {
        names = room::copied(target.names())?;
        whose = "the target's columns are called";
    } else {
        in_order(&names, target.names())?;
    }
    if names.is_empty() {
        return room::copied(own);
    }
    if own.is_empty() || own == names {
        return Ok(names);
    }
    Err(Error::InvalidArgument(format!(
        "{whose} {}, but the generator was trained on {}; give the events in its order, and its names or none",
        names.join(", "),
        own.join(", ")
    )))
}

/// Refuses the names that the target's columns have in another order, by which they would be called wrongly.
fn in_order(names: &[String], own: &[String]) -> Result<()> {
    let known: BTreeSet<&String> = own.iter().collect();
    if names == own || names.len() != own.len() || !names.iter().all(|name| known.contains(name)) {
        return Ok(());
    }
    Err(Error::InvalidArgument(format!(
        "option `features.names` is {}, but the target's columns are called {}: it gives columns other names, and no other order; leave it out",
        names.join(", "),
        own.join(", ")
    )))
}
