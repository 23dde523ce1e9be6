//! How well chains mix, from their recent states.

use crate::metrics::chains::{effective_sample_size, split_r_hat};
use crate::{room, Result};

/// Chains that are remembered, and states of each: at most 131 kB per latent dimension.
const CHAINS: usize = 64;
/// Fewest chains, and how many numbers of a state of all are remembered where more chains have more: 134 MB in all, as a rule.
const FEWEST_CHAINS: usize = 4;
const NUMBERS: usize = 1 << 16;
const STATES: usize = 256;

/// Correlations along chains that are shorter cannot be told: their effective sample size would be an invention.
pub(super) const FEWEST: usize = 20;

/// The last [`STATES`] states of the first [`CHAINS`] chains, fewer in more than 1024 dimensions.
pub(in super::super) struct History {
    /// Chains remembered.
    chains: usize,
    /// N.
    dim: usize,
    /// States × chains × N: once full, a ring.
    z: Vec<f64>,
    /// Where in it the next state goes.
    next: usize,
}

impl History {
    pub fn new(all: usize, dim: usize) -> Result<Self> {
        let chains = all.min(CHAINS.min(NUMBERS / dim).max(FEWEST_CHAINS));
        Ok(History {
            chains,
            dim,
            z: room::empty(STATES * chains * dim)?,
            next: 0,
        })
    }

    /// Remembers the states `z` of all chains.
    pub fn push(&mut self, z: &[f64]) {
        let row = &z[..self.chains * self.dim];
        if self.z.len() < STATES * row.len() {
            self.z.extend_from_slice(row);
        } else {
            self.z[self.next..][..row.len()].copy_from_slice(row);
            self.next = (self.next + row.len()) % self.z.len();
        }
    }

    /// How many states are remembered of every chain.
    pub fn states(&self) -> usize {
        self.z.len() / (self.chains * self.dim)
    }

    /// R̂ of every dimension of z.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] for fewer than four states.
    pub fn r_hat(&self) -> Result<Vec<f64>> {
        split_r_hat(&self.in_order()?, self.chains, self.dim)
    }

    /// Effective sample size of every dimension of z, as a fraction of the states. Nothing for fewer than [`FEWEST`] states of a chain.
    pub fn efficiency(&self) -> Result<Vec<f64>> {
        if self.states() < FEWEST {
            return Ok(Vec::new());
        }
        let sizes = effective_sample_size(&self.in_order()?, self.chains, self.dim)?;
        let states = self.states() * self.chains;
        Ok(sizes.iter().map(|size| size / states as f64).collect())
    }

    fn in_order(&self) -> Result<Vec<f64>> {
        let (late, early) = self.z.split_at(self.next);
        room::joined(early, late)
    }
}
