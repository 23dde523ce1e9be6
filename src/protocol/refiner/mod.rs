//! The refiners: how latents z of the refined density q(z) = p(z) w(z) / Z (paper, Eq. 3) are made. One file per method.

mod chains;
mod flow;
mod gan;
mod history;
mod learned;
mod matching;
mod pilot;
mod pool;
mod prior;
mod proposals;
mod resampling;
mod transition;
mod transport;

pub(super) use chains::Chains;
pub(super) use history::History;
pub(super) use learned::{learnable, pool_size, train_refiner, Learned, STAGES};
pub(super) use pilot::{pilot_chains, Plan};
pub(super) use prior::{Baseline, Rejection, Reweight};
pub(super) use proposals::Independent;
pub(super) use resampling::Resampling;

use super::draws::Draws;
use crate::model::Evaluator;
use crate::Result;

/// Successive events, row-major.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    /// Number of the first event.
    pub first: u64,
    pub rows: usize,
    /// Latent rows and event rows, both with their conditions.
    pub z: Vec<f64>,
    pub x: Vec<f64>,
    /// The conditions alone.
    pub c: Vec<f64>,
    pub w: Vec<f64>,
    /// log w(z) of every event, if the method computes it.
    pub log_w: Vec<f64>,
}

impl Block {
    /// Room for events `first` and the `rows` − 1 after it, of N latent, M event and C condition dimensions.
    pub fn place(&mut self, first: u64, rows: usize, (n, m, c): (usize, usize, usize)) {
        self.first = first;
        self.rows = rows;
        self.z.resize(rows * (n + c), 0.0);
        self.x.resize(rows * (m + c), 0.0);
        self.c.resize(rows * c, 0.0);
        self.w.resize(rows, 0.0);
    }

    /// Where in the block an event is.
    pub fn row(&self, event: u64) -> Option<usize> {
        let row = event.wrapping_sub(self.first);
        (row < self.rows as u64).then_some(row as usize)
    }
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
    /// Of the pools that latents were resampled from.
    pub resampled: Resampled,
}

/// Sums over pools of weighted latents.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resampled {
    /// Latents in them.
    pub pool: u64,
    /// (Σw)² / Σw².
    pub effective: f64,
    /// Latents chosen.
    pub rows: u64,
    /// Of these, different ones.
    pub distinct: u64,
}

impl std::ops::AddAssign<&Resampled> for Resampled {
    fn add_assign(&mut self, other: &Resampled) {
        self.pool += other.pool;
        self.effective += other.effective;
        self.rows += other.rows;
        self.distinct += other.distinct;
    }
}

/// What blocks a method can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocks {
    /// Any events; so many at once for the best speed.
    Any(usize),
    /// Exactly so many, the first a multiple of that.
    Aligned(usize),
}

/// A method's own way to fill blocks. With random numbers by their place, an event is a function of model, seed, stream and its number alone.
pub(super) trait Refiner: Send {
    /// The blocks that it fills.
    fn blocks(&self) -> Blocks;

    /// Fills `block`, whose vectors have their sizes, but for `log_w`.
    ///
    /// # Errors
    /// Those of the evaluator and of the draws; [`crate::Error::Numerical`] if the method cannot go on. The refiner stays usable.
    fn fill(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        block: &mut Block,
        statistics: &mut Statistics,
    ) -> Result<()>;

    /// Recent states, if the method runs chains and has begun.
    fn history(&self) -> Option<&History> {
        None
    }
}

#[cfg(test)]
mod tests;
