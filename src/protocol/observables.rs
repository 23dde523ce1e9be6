//! What events are compared in beside their features, where the host names it: a flow and a classifier of momenta need not know of a mass.

use crate::formula::{Formula, Kind};
use crate::options::{keys, Options};
use crate::room::{self, Grow};
use crate::{Error, Result, Rows};

/// Those of the option `observables`, of rows of so many columns that are called so.
///
/// # Errors
/// [`Error::InvalidArgument`] for what is no formula of these columns, or a condition.
pub(super) fn wanted(options: &Options, columns: usize, names: &[String]) -> Result<Vec<Formula>> {
    let text = options.get(keys::OBSERVABLES);
    let mut formulas = Vec::new();
    for text in text.split(';').map(str::trim).filter(|t| !t.is_empty()) {
        let wrong = |e: &dyn std::fmt::Display| {
            Error::InvalidArgument(format!("option `observables`: {e}"))
        };
        let formula = Formula::parse(text, columns, names).map_err(|e| wrong(&e))?;
        if formula.kind() == Kind::Condition {
            return Err(wrong(&format!(
                "`{text}` is a condition; a number is needed"
            )));
        }
        formulas.put(formula)?;
    }
    Ok(formulas)
}

/// The values of a formula of packed rows with weights, and these; without the rows of which it has none.
///
/// # Errors
/// [`Error::Memory`].
pub(super) fn values(
    of: &Formula,
    x: &[f64],
    columns: usize,
    weights: &[f64],
) -> Result<[Vec<f64>; 2]> {
    let mut all = room::filled(weights.len(), 0.0)?;
    of.evaluate(Rows::packed(x, columns)?, &mut all)?;
    let (mut values, mut w) = (room::empty(all.len())?, room::empty(all.len())?);
    for (value, weight) in all.into_iter().zip(weights) {
        if value.is_finite() {
            values.push(value);
            w.push(*weight);
        }
    }
    Ok([values, w])
}
