//! A GAN's generator (Goodfellow et al., arXiv:1406.2661), with the weights of the target's events in the discriminator's loss.

use super::{initial_mlp, Dims, Recipe};
use crate::engine::noise::{domain, Noise};
use crate::model::{Map, Mlp};
use crate::options::{keys, Options};
use crate::train::{stream, Gan, Goal, Settings};
use crate::{Error, Result};

/// The generator, latent and condition ↦ scaled features, and the discriminator, scaled features and condition ↦ logit.
///
/// The generator minimises the non-saturating loss, so nothing keeps it from leaving out what the discriminator does not miss, often the tails:
/// events that it cannot make no weights can bring back, and those at the edge get extreme ones. Its latent space may have any dimension.
/// With more dimensions than features it leaves out less (four normals in two features, preset `fast`: the weights' effective sample size is
/// 94 % with four latent dimensions and below 1 % with two); with fewer, events lie on a surface, which no weights can widen.
pub(super) struct Players {
    discriminator: Mlp,
    generator: Mlp,
    conditions: usize,
    discriminator_steps: u64,
    seed: u64,
}

/// Streams of the initial weights.
const DISCRIMINATOR_STREAM: u64 = 0;
const GENERATOR_STREAM: u64 = 1;

impl Players {
    /// # Errors
    /// [`Error::InvalidArgument`] for early stopping; [`Error::Format`](crate::Error::Format) for networks that are too large.
    pub fn new(dims: Dims, options: &Options) -> Result<Self> {
        // The held-out loss is the discriminator's: the better the generator, the larger.
        let patience = options.get(keys::GAN_GENERATOR_TRAINING.patience);
        if patience != 0 {
            return Err(Error::InvalidArgument(format!(
                "`gan_generator.patience` is {patience}, but a GAN has no held-out loss that falls as it learns; leave it 0"
            )));
        }
        let network = |inputs, outputs| {
            let network = Mlp::new(
                inputs + dims.conditions,
                options.get(keys::GAN_GENERATOR_LAYERS) as usize,
                options.get(keys::GAN_GENERATOR_UNITS) as usize,
                outputs,
                options.get(keys::GAN_GENERATOR_SLOPE),
            );
            network.validate().map(|()| network)
        };
        Ok(Players {
            discriminator: network(dims.features, 1)?,
            generator: network(dims.latent, dims.features)?,
            conditions: dims.conditions,
            discriminator_steps: options.get(keys::GAN_GENERATOR_DISCRIMINATOR_STEPS) as u64,
            seed: options.get(keys::SEED) as u64,
        })
    }
}

impl Recipe for Players {
    fn map(&self) -> Map {
        Map::Network(self.generator.clone())
    }

    fn goal(&self) -> Goal<'_> {
        Goal::Gan(Gan {
            discriminator: &self.discriminator,
            refiner: &self.generator,
            conditions: self.conditions,
            discriminator_steps: self.discriminator_steps,
            seed: self.seed,
            stream: stream::GAN_GENERATOR,
        })
    }

    fn initial(&self, seed: u64) -> Vec<f64> {
        let initial =
            |mlp, stream| initial_mlp(mlp, Noise::new(seed, stream, domain::INITIAL), false);
        let mut parameters = initial(&self.discriminator, DISCRIMINATOR_STREAM);
        parameters.append(&mut initial(&self.generator, GENERATOR_STREAM));
        parameters
    }

    fn settings(&self, options: &Options) -> Result<Settings> {
        Settings::from_options("gan_generator", options, &keys::GAN_GENERATOR_TRAINING)
    }
}
