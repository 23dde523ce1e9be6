//! The refiners: how latents z of the refined density q(z) = p(z) w(z) / Z (paper, Eq. 3) are made. One file per method.

mod gan;
mod hmc;
mod prior;
mod proposals;

pub(super) use gan::{train_gan, Gan};
pub(super) use hmc::Hmc;
pub(super) use prior::{Baseline, Rejection, Reweight};

use crate::model::Evaluator;
use crate::Result;

/// Events of one block, row-major.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    /// Index of the block; its first event is block · rows.
    pub index: u64,
    pub rows: usize,
    pub z: Vec<f64>,
    pub x: Vec<f64>,
    pub w: Vec<f64>,
    /// log w(z) of every event, if the method computes it.
    pub log_w: Vec<f64>,
}

/// Counts since the sampler was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Statistics {
    /// Events made.
    pub events: u64,
    /// Latents proposed (by chains: trajectories, burn-in included).
    pub proposals: u64,
    /// Of these, accepted.
    pub accepted: u64,
    /// Proposals dropped because event or weight were NaN or infinite.
    pub non_finite: u64,
    /// Σ max(0, w − w_max) and Σ w over the proposals of the rejection method.
    pub overweight: f64,
    pub weight: f64,
    /// Accepted events with w > w_max.
    pub overweight_events: u64,
    /// Trajectories whose energy error exceeded what a leapfrog integrator can make by rounding.
    pub divergences: u64,
}

/// A method's own way to fill blocks. A block's content is a function of model, seed, stream and the block's index alone.
pub(super) trait Refiner: Send {
    /// Rows of a block.
    fn block_rows(&self) -> usize;

    /// Fills `block` (its vectors have their sizes) with the events of block `block.index`.
    ///
    /// # Errors
    /// Those of the evaluator; [`crate::Error::Numerical`] if the method cannot go on. The refiner stays usable.
    fn fill(
        &mut self,
        evaluator: &mut dyn Evaluator,
        block: &mut Block,
        statistics: &mut Statistics,
    ) -> Result<()>;
}

#[cfg(test)]
mod tests;
