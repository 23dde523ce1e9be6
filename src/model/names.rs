//! What the values of an event are called.

use crate::{Error, Result};
use std::collections::BTreeSet;

/// Longest name.
const LONGEST: usize = 100;

/// Checks names: none, or one for each of `columns` values of an event row, all different, without what lists and formulas need.
///
/// # Errors
/// [`Error::InvalidArgument`] naming the one that is wrong.
pub fn check_names(names: &[String], columns: usize) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    if names.len() != columns {
        return Err(Error::InvalidArgument(format!(
            "there are {} names for {columns} values, features and conditions: {}",
            names.len(),
            names.join(", ").chars().take(LONGEST).collect::<String>()
        )));
    }
    let mut known = BTreeSet::new();
    for (i, name) in names.iter().enumerate() {
        let shown: String = name.chars().take(30).collect();
        let wrong = |what: &str| {
            Err(Error::InvalidArgument(format!(
                "the name of value {i} (from 0), {shown:?}, {what}"
            )))
        };
        if name.is_empty() || name.trim() != name || name.len() > LONGEST {
            return wrong("is empty, too long, or has blanks at an end");
        }
        if name.contains(|c: char| c.is_control() || [',', '=', '{', '}', '"'].contains(&c)) {
            return wrong("has one of , = { } \" or a control character");
        }
        if name.parse::<f64>().is_ok() {
            return wrong("is a number");
        }
        if !known.insert(name) {
            return wrong("is given twice");
        }
    }
    Ok(())
}

/// The names in a list with commas, as the option `features.names` has them, of `columns` values; none of an empty list.
///
/// # Errors
/// Those of [`check_names`].
pub fn listed_names(list: &str, columns: usize) -> Result<Vec<String>> {
    if list.trim().is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = list.split(',').map(|name| name.trim().into()).collect();
    check_names(&names, columns)?;
    Ok(names)
}

/// What a message calls value `column` of an event.
pub(crate) fn called(names: &[String], column: usize) -> String {
    match names.get(column) {
        Some(name) => format!("`{name}`"),
        None => format!("feature {column}"),
    }
}
