//! Training objectives by the engine: every block of rows goes forward and backward through the networks while it stays in cache.
//!
//! A loss is one implementation of [`Loss`](blocks::Loss). Rows are summed in their order, and the threads' sums in theirs: the same bits
//! for the same number of threads.

mod blocks;
mod gan;
mod likelihood;
mod matching;
mod separation;
mod vae;

use super::lanes::Element;
use crate::objective::{Goal, Objective};
use crate::Result;
use blocks::Blocks;

/// The objective of a goal, on up to `threads` threads, which live as long as it.
pub(crate) fn objective<'a, T: Element>(
    goal: Goal<'a>,
    threads: usize,
) -> Result<Box<dyn Objective<T> + 'a>> {
    Ok(match goal {
        Goal::Likelihood(flow) => Box::new(Blocks::new(
            goal,
            likelihood::Likelihood::new(flow)?,
            threads,
        )?),
        Goal::Separation(network, loss) => Box::new(Blocks::new(
            goal,
            separation::Classes::new(network, loss)?,
            threads,
        )?),
        Goal::Gan(gan) => Box::new(Blocks::new(goal, gan::Players::new(gan)?, threads)?),
        Goal::Vae(vae) => Box::new(Blocks::new(goal, vae::Coders::new(vae)?, threads)?),
        Goal::Matching(matching) => Box::new(Blocks::new(
            goal,
            matching::Velocity::new(matching)?,
            threads,
        )?),
    })
}

#[cfg(test)]
mod tests;
