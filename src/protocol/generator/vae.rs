//! A variational autoencoder's decoder (Kingma, Welling, arXiv:1312.6114), trained with the weights of the target's events.

use super::recipe::Recipe;
use crate::compute::Session;
use crate::model::{Dims, Map, Mlp};
use crate::noise::places;
use crate::objective::{Goal, Vae};
use crate::options::{keys, Options};
use crate::protocol::networks::{mlp, MlpKeys};
use crate::train::{initial_mlp, Settings};
use crate::{room, Result};

const KEYS: MlpKeys = MlpKeys {
    layers: keys::VAE_LAYERS,
    units: keys::VAE_UNITS,
    slope: keys::VAE_SLOPE,
};

/// The encoder, scaled features and condition ↦ mean and log standard deviation of the latent, and the decoder, latent and
/// condition ↦ scaled features.
///
/// The generator is the decoder's mean, without the noise σ that training supposes around it: so it is a function of z. What it loses by
/// that is the width σ of every structure, and with fewer latent dimensions than features all width across a surface. That is why σ is an
/// option and not learned: a learned one (Rybkin et al., arXiv:2006.13202) takes up what the networks do not describe yet, and that would
/// be missing from the events. σ is the resolution that one can do without; much less than the default makes the loss so stiff that
/// training is worse. Between modes the decoder, continuous, leaves bridges; those a refiner can remove, what was never generated it cannot
/// add.
pub(super) struct Coders {
    encoder: Mlp,
    decoder: Mlp,
    conditions: usize,
    sigma: f64,
    beta: f64,
    seed: u64,
}

impl Coders {
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for networks that are too large.
    pub fn new(dims: Dims, options: &Options) -> Result<Self> {
        let network = |inputs, outputs| mlp(&KEYS, inputs + dims.conditions, outputs, options);
        Ok(Coders {
            encoder: network(dims.features, 2 * dims.latent)?,
            decoder: network(dims.latent, dims.features)?,
            conditions: dims.conditions,
            sigma: options.get(keys::VAE_SIGMA),
            beta: options.get(keys::VAE_BETA),
            seed: options.get(keys::SEED) as u64,
        })
    }
}

impl Recipe for Coders {
    fn map(&self) -> Map {
        Map::Network(self.decoder.clone())
    }

    fn goal(&self) -> Goal<'_> {
        Goal::Vae(Vae {
            encoder: &self.encoder,
            decoder: &self.decoder,
            conditions: self.conditions,
            sigma: self.sigma,
            beta: self.beta,
            seed: self.seed,
        })
    }

    /// The encoder starts at the prior, whatever the event.
    fn initial(&self, session: Session) -> Result<Vec<f64>> {
        let [encoder, decoder] = [0, 1].map(|part| places::GENERATOR.at(part).noise(session.seed));
        let go_on = || session.hooks.check("vae");
        let encoder = initial_mlp(&self.encoder, encoder, true, &go_on)?;
        let decoder = initial_mlp(&self.decoder, decoder, false, &go_on)?;
        room::joined(&encoder, &decoder)
    }

    fn settings(&self, options: &Options) -> Settings {
        Settings::from_options("vae", options, &keys::VAE_TRAINING)
    }
}
