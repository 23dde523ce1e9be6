//! Settings of Markov chains in the latent space.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Gradients that all chains together may need before their first event: days on one thread. More is a mistake, or meant to hang a host.
const MOST_GRADIENTS: f64 = 1e10;

/// Numbers that a pool of latents, and chains with what they need, may be at most: 8 GiB.
const MOST_NUMBERS: u128 = 1 << 30;

/// Latents that are chosen from a pool at a time where there are no more chains.
const FEWEST_ROWS: usize = 1024;

/// Where chains start. The names are those of the option `hmc.start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// In the prior p(z), as in the paper: separated modes keep the prior's shares of them.
    Prior,
    /// In latents resampled by w(z): every mode starts with its share in q(z).
    Resampled,
}

/// Chains of Hamiltonian Monte Carlo (paper, Sec. 4.1), and of Langevin dynamics, whose trajectories have one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HmcSettings {
    /// Chains that run in parallel.
    pub chains: usize,
    /// Where they start.
    pub start: Start,
    /// ε of the leapfrog integrator.
    pub step_size: f64,
    /// Every trajectory of a chain has its own step, uniform within ε (1 ± jitter): a fixed one may close orbits after whole
    /// periods, and is too long for ever where a chain has got into a narrow place.
    pub jitter: f64,
    /// σ_k by which the step in dimension k of z is multiplied, N of them; none at all for 1. The same as a diagonal mass matrix 1 / σ_k².
    pub scales: Vec<f64>,
    /// Leapfrog steps per trajectory of `hmc`.
    pub leapfrog: usize,
    /// Trajectories discarded at the start of every chain.
    pub burn_in: u64,
    /// Trajectories per delivered state of a chain.
    pub thin: u64,
}

impl HmcSettings {
    /// Checks the settings for a latent space of `latent_dim` dimensions and starts that are chosen from a `pool`. The bounds keep a hostile
    /// file from making a sampler run for ever, or ask for memory without end.
    ///
    /// # Errors
    /// [`Error::Format`] naming the setting.
    pub fn validate(&self, latent_dim: usize, pool: usize) -> Result<()> {
        let positive = |v: &f64| *v > 0.0 && v.is_finite();
        let checks = [
            ("chains", (1..=1_000_000).contains(&self.chains)),
            ("step_size", positive(&self.step_size)),
            ("jitter", (0.0..1.0).contains(&self.jitter)),
            (
                "scales",
                (self.scales.is_empty() || self.scales.len() == latent_dim)
                    && self.scales.iter().all(positive),
            ),
            ("leapfrog", (1..=1_000_000).contains(&self.leapfrog)),
            ("burn_in", self.burn_in <= 1_000_000_000),
            ("thin", (1..=1_000_000).contains(&self.thin)),
        ];
        if let Some((name, _)) = checks.iter().find(|(_, good)| !good) {
            return Err(Error::Format(format!(
                "the refinement's hmc.{name} is out of range"
            )));
        }
        let trajectories = (self.burn_in + self.thin) as f64;
        let gradients = self.chains as f64 * self.leapfrog as f64 * trajectories;
        if gradients > MOST_GRADIENTS {
            return Err(Error::Format(format!(
                "hmc.chains × hmc.leapfrog × (hmc.burn_in + hmc.thin) is {gradients:e}, beyond {MOST_GRADIENTS:e} gradients before the first event"
            )));
        }
        let rows = self.chains.max(FEWEST_ROWS) as u128;
        let numbers = rows * latent_dim as u128 * pool as u128;
        if numbers > MOST_NUMBERS {
            return Err(Error::Format(format!(
                "{latent_dim} latent dimensions, the pool (`resampling.pool`) of {pool} for each latent and {} chains (`hmc.chains`; {FEWEST_ROWS} at least are made at a time) are {numbers} numbers, beyond {MOST_NUMBERS}",
                self.chains
            )));
        }
        Ok(())
    }
}
