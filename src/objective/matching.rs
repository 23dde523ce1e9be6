//! Flow matching: velocities along straight ways.

use crate::model::Mlp;
use crate::noise::places;

/// Batches are pairs: where a point starts, y, where it ends, z, and the scaled condition c, with weights. On the straight way between
/// them, at a time t that is uniform in (0, 1), the network's velocity is to be z − y: mean of w |v(y + t (z − y), t, c) − (z − y)|².
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matching<'a> {
    /// N + 1 + C → N.
    pub network: &'a Mlp,
    pub seed: u64,
}

impl Matching<'_> {
    /// N.
    pub fn dim(&self) -> usize {
        self.network.outputs
    }

    /// The times of the rows from `first` on, at `step`.
    pub fn times(&self, step: u64, first: usize, t: &mut [f64]) {
        let noise = places::MATCHING_TRAINING.noise(self.seed);
        noise.uniforms(step, first as u64, t);
    }
}
