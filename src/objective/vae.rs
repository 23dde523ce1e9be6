//! The weighted variational autoencoder: encoder and decoder, one loss.

use crate::model::Mlp;
use crate::noise::places;

/// Batches are scaled events u (M) followed by scaled conditions c (C), with weights w. The encoder maps (u, c) to the mean μ and the log
/// standard deviation log s of a latent, z = μ + s ε with normal ε, which the decoder maps with c to û. Minimised is the mean of w · L,
/// L = Σ ½ (u − û)² / σ² + M log(σ √2π) + β Σ [½ (μ² + s² − 1) − log s], the first sums over features, the last over latent dimensions. For
/// β = 1, L is on average an upper bound of −log p(u), in nats, under the decoder with normal noise σ on every feature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vae<'a> {
    /// M + C → 2N: μ, then log s.
    pub encoder: &'a Mlp,
    /// N + C → M.
    pub decoder: &'a Mlp,
    /// C.
    pub conditions: usize,
    /// σ, in the units of the scaled features.
    pub sigma: f64,
    /// β, the weight of the divergence from the prior.
    pub beta: f64,
    pub seed: u64,
}

impl Vae<'_> {
    /// N.
    pub fn latent_dim(&self) -> usize {
        self.decoder.inputs - self.conditions
    }

    /// M log(σ √2π), the part of the loss that the networks cannot change.
    pub fn constant(&self) -> f64 {
        self.decoder.outputs as f64
            * (libm::log(self.sigma) + 0.5 * libm::log(std::f64::consts::TAU))
    }

    /// The noise ε of the rows from `first` on at `step`: rows × N.
    pub fn noise(&self, step: u64, first: usize, epsilon: &mut [f64]) {
        let noise = places::VAE_TRAINING.noise(self.seed);
        noise.normals(step, (first * self.latent_dim()) as u64, epsilon);
    }
}
