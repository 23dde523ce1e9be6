//! The names of features and conditions that the options give.

use crate::model::{listed_names, Model};
use crate::options::{keys, Options};
use crate::{room, Error, Result};

/// The names of the option `features.names` for rows of `columns` values, or those of the generator if it names none.
///
/// # Errors
/// [`Error::InvalidArgument`] for names that are none, and for others than the generator's.
pub(super) fn wanted(
    generator: Option<&Model>,
    columns: usize,
    options: &Options,
) -> Result<Vec<String>> {
    let own = generator.map_or(&[][..], |g| &g.names);
    let names = listed_names(options.get(keys::FEATURES_NAMES), columns)
        .map_err(|e| Error::InvalidArgument(format!("option `features.names`: {e}")))?;
    if names.is_empty() {
        return room::copied(own);
    }
    if own.is_empty() || own == names {
        return Ok(names);
    }
    Err(Error::InvalidArgument(format!(
        "`features.names` is {}, but the generator was trained on {}; give the events in its order, and its names or none",
        names.join(", "),
        own.join(", ")
    )))
}
