//! How refined events are made.

use super::{HmcSettings, Refiner};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// How refined events are made from g and w(z). The names are those of the option `refiner.method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// No refinement: z ~ p(z).
    Baseline,
    /// DCTR: z ~ p(z), events carry the weight w(z).
    Reweight,
    /// z accepted with probability w(z) / w_max.
    Rejection,
    /// z resampled from a pool of the prior's latents by w(z) (SIR).
    Resampling,
    /// z = Φ(y), Φ a network that a weighted GAN has trained.
    Gan,
    /// z = Φ(y), Φ a normalizing flow of the weighted latents.
    Flow,
    /// z = Φ(y), Φ the transport along velocities that flow matching has learned.
    Matching,
    /// z from Langevin chains of q(z) without the Metropolis test (DDLS, arXiv:2003.06060): biased by its step.
    Langevin,
    /// z from Langevin chains of q(z) with it.
    Mala,
    /// z from Hamiltonian Monte Carlo chains of q(z).
    Hmc,
}

impl Method {
    /// All of them, in the order in which options list them.
    pub const ALL: [Method; 10] = [
        Method::Baseline,
        Method::Reweight,
        Method::Rejection,
        Method::Resampling,
        Method::Gan,
        Method::Flow,
        Method::Matching,
        Method::Langevin,
        Method::Mala,
        Method::Hmc,
    ];

    /// The option's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Baseline => "baseline",
            Method::Reweight => "reweight",
            Method::Rejection => "rejection",
            Method::Resampling => "resampling",
            Method::Gan => "gan",
            Method::Flow => "flow",
            Method::Matching => "matching",
            Method::Langevin => "langevin",
            Method::Mala => "mala",
            Method::Hmc => "hmc",
        }
    }

    /// Whether events are states of Markov chains.
    pub fn is_chain(self) -> bool {
        matches!(self, Method::Langevin | Method::Mala | Method::Hmc)
    }

    /// Whether it makes events in common, so that they cannot have conditions of their own.
    pub fn in_common(self) -> bool {
        self.is_chain() || self == Method::Resampling
    }

    /// Whether it makes events by a learned [`Refiner`].
    pub fn learned(self) -> bool {
        matches!(self, Method::Gan | Method::Flow | Method::Matching)
    }
}

/// Everything about refinement that is not a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refinement {
    /// What a sampler does unless told otherwise.
    pub method: Method,
    /// log w_max of the rejection method, from the pilot run.
    pub log_w_max: f64,
    /// log of the mean of w(z) over the prior, from the pilot run: the estimate of log Z in q(z) = p(z) w(z) / Z.
    pub log_mean_weight: f64,
    /// Proposals per event before rejection gives up.
    pub max_tries: u64,
    /// Latents of the prior that each resampled one is chosen from: by the method `resampling`, and for the starts of chains.
    pub pool: usize,
    /// Settings of the chains.
    pub hmc: HmcSettings,
    /// The learned refiner, if one was trained.
    pub refiner: Option<Refiner>,
}

impl Refinement {
    /// Checks the settings (not the learned refiner) for a latent space of `latent_dim` dimensions. The bounds keep a hostile file from making a sampler run for ever.
    ///
    /// # Errors
    /// [`Error::Format`] naming the setting.
    pub fn validate(&self, latent_dim: usize) -> Result<()> {
        let checks = [
            ("log_w_max", self.log_w_max.is_finite()),
            ("log_mean_weight", self.log_mean_weight.is_finite()),
            ("max_tries", self.max_tries > 0),
            ("pool", (1..=1000).contains(&self.pool)),
        ];
        match checks.iter().find(|(_, good)| !good) {
            Some((name, _)) => Err(Error::Format(format!(
                "the refinement's {name} is out of range"
            ))),
            None => self.hmc.validate(latent_dim),
        }
    }
}
