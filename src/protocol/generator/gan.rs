//! A GAN's generator (Goodfellow et al., arXiv:1406.2661), with the weights of the target's events in the discriminator's loss.

use super::recipe::Recipe;
use crate::compute::Session;
use crate::model::{Dims, Map, Mlp};
use crate::noise::places;
use crate::objective::{Gan, Goal, Prior};
use crate::options::{keys, Options};
use crate::protocol::networks::{mlp, MlpKeys};
use crate::train::{initial_mlp, Settings};
use crate::{room, Error, Result};

const KEYS: MlpKeys = MlpKeys {
    layers: keys::GAN_GENERATOR_LAYERS,
    units: keys::GAN_GENERATOR_UNITS,
    slope: keys::GAN_GENERATOR_SLOPE,
};

/// The generator, latent and condition ↦ scaled features, and the discriminator, scaled features and condition ↦ logit.
///
/// The generator minimises the non-saturating loss, so nothing keeps it from leaving out what the discriminator does not miss, often the
/// tails: events that it cannot make no weights can bring back, and those at the edge get extreme ones. Its latent space may have any
/// dimension. With more dimensions than features it leaves out less (four normals in two features, preset `fast`: the weights' effective
/// sample size is 94 % with four latent dimensions and below 1 % with two); with fewer, events lie on a surface, which no weights can
/// widen.
pub(super) struct Players {
    discriminator: Mlp,
    generator: Mlp,
    conditions: usize,
    discriminator_steps: u64,
    seed: u64,
}

impl Players {
    /// # Errors
    /// [`Error::InvalidArgument`] for early stopping and for networks that are too large.
    pub fn new(dims: Dims, options: &Options) -> Result<Self> {
        // The held-out loss is the discriminator's: the better the generator, the larger.
        let patience = options.get(keys::GAN_GENERATOR_TRAINING.patience);
        if patience != 0 {
            return Err(Error::InvalidArgument(format!(
                "`gan_generator.patience` is {patience}, but a GAN has no held-out loss that falls as it learns; leave it 0"
            )));
        }
        let network = |inputs, outputs| mlp(&KEYS, inputs + dims.conditions, outputs, options);
        Ok(Players {
            discriminator: network(dims.features, 1)?,
            generator: network(dims.latent, dims.features)?,
            conditions: dims.conditions,
            discriminator_steps: options.get(keys::GAN_GENERATOR_DISCRIMINATOR_STEPS) as u64,
            seed: options.get(keys::SEED) as u64,
        })
    }
}

impl Players {
    /// Of a generator that there is already.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a discriminator that is too large.
    pub fn of(generator: Mlp, conditions: usize, options: &Options) -> Result<Self> {
        let dims = Dims {
            latent: 1,
            conditions,
            features: generator.outputs,
        };
        Ok(Players {
            generator,
            ..Self::new(dims, options)?
        })
    }

    /// # Errors
    /// Those of the hooks.
    pub fn initial_discriminator(&self, session: Session) -> Result<Vec<f64>> {
        let noise = places::GENERATOR.at(0).noise(session.seed);
        initial_mlp(&self.discriminator, noise, false, &|| {
            session.hooks.check("gan_generator")
        })
    }

    /// The goal with latents that come out of a prior.
    pub fn goal_after<'a>(&'a self, prior: Prior<'a>) -> Goal<'a> {
        Goal::Gan(Gan {
            prior: Some(prior),
            ..self.gan()
        })
    }

    fn gan(&self) -> Gan<'_> {
        Gan {
            discriminator: &self.discriminator,
            refiner: &self.generator,
            conditions: self.conditions,
            discriminator_steps: self.discriminator_steps,
            seed: self.seed,
            place: places::GAN_GENERATOR_TRAINING,
            prior: None,
        }
    }
}

impl Recipe for Players {
    fn map(&self) -> Map {
        Map::Network(self.generator.clone())
    }

    fn goal(&self) -> Goal<'_> {
        Goal::Gan(self.gan())
    }

    fn initial(&self, session: Session) -> Result<Vec<f64>> {
        let discriminator = self.initial_discriminator(session)?;
        let noise = places::GENERATOR.at(1).noise(session.seed);
        let go_on = || session.hooks.check("gan_generator");
        let generator = initial_mlp(&self.generator, noise, false, &go_on)?;
        room::joined(&discriminator, &generator)
    }

    fn settings(&self, options: &Options) -> Settings {
        Settings::from_options("gan_generator", options, &keys::GAN_GENERATOR_TRAINING)
    }
}
