//! Where events can be.

use crate::formula::Formula;
use crate::{room, Result, Rows};
use serde::{Deserialize, Serialize};

/// Where events can be: outside, w is 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Support {
    /// Where a condition in the features, and conditions behind them, holds.
    Formula {
        /// As `crate::formula` has it.
        text: String,
    },
    /// Where a callback of the host says, which a file does not hold.
    Host,
}

impl Support {
    /// The region of a formula, in rows of `columns` values called `names`; none of a callback.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::Error::InvalidArgument) if the formula is none, or no condition.
    pub fn region(&self, columns: usize, names: &[String]) -> Result<Option<Inequalities>> {
        match self {
            Support::Formula { text } => Inequalities::parse(text, columns, names).map(Some),
            Support::Host => Ok(None),
        }
    }
}

/// What tells where events can be.
pub trait Region: Send + Sync {
    /// Marks which of the event rows `x`, of `inside.len()` rows with their conditions behind them, can be. Rows that are not finite
    /// cannot.
    ///
    /// # Errors
    /// Whatever the host stops with.
    fn inside(&self, x: &[f64], inside: &mut [bool]) -> Result<()>;
}

/// The region where a formula holds: not where it is not known, as the comparison of a root of a negative number.
pub struct Inequalities(Formula, usize);

impl Inequalities {
    fn parse(text: &str, columns: usize, names: &[String]) -> Result<Self> {
        Ok(Inequalities(
            Formula::condition(text, columns, names)?,
            columns,
        ))
    }
}

impl Region for Inequalities {
    fn inside(&self, x: &[f64], inside: &mut [bool]) -> Result<()> {
        let mut holds = room::filled(inside.len(), 0.0)?;
        self.0.evaluate(Rows::packed(x, self.1)?, &mut holds)?;
        let rows = inside.iter_mut().zip(x.chunks_exact(self.1)).zip(holds);
        rows.for_each(|((inside, x), holds)| {
            *inside = holds == 1.0 && x.iter().all(|v| v.is_finite());
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_which_a_condition_is_not_known_are_outside() {
        let support = Support::Formula {
            text: "not (sqrt(x0) > 2)".into(),
        };
        let region = support.region(1, &[]).unwrap().unwrap();
        let mut inside = [true; 4];
        let x = [-1.0, 1.0, 9.0, f64::NAN];
        region.inside(&x, &mut inside).unwrap();
        assert_eq!(inside, [false, true, false, false]);
    }
}
