//! The paper's refiner network: a GAN that learns the weighted latents (paper, Sec. 4.1 and ref. 98), y → z = Φ(y) with L ≥ N.

use super::learned::{Learned, Lesson};
use crate::model::{Activation, Dims, Map, Method, Mlp, Refiner};
use crate::noise::places::{self, Place};
use crate::objective::{self, Goal};
use crate::options::{keys, Key, Options};
use crate::protocol::networks::{mlp, MlpKeys};
use crate::room::Grow;
use crate::train::{initial_mlp, Record};
use crate::{Error, Result};

/// Φ is trained against a discriminator, and starts as the identity.
pub(super) struct GanRefiner;

const KEYS: MlpKeys = MlpKeys {
    layers: keys::GAN_LAYERS,
    units: keys::GAN_UNITS,
    slope: keys::GAN_SLOPE,
};

impl Learned for GanRefiner {
    const METHOD: Method = Method::Gan;
    const STAGE: &'static str = "gan";
    const TRAINING: keys::StageKeys = keys::GAN_TRAINING;
    const POOL: Key<i64> = keys::GAN_POOL;
    /// The discriminator and Φ.
    type Networks = (Mlp, Mlp);

    fn networks(dims: Dims, options: &Options) -> Result<(Mlp, Mlp)> {
        let auxiliary = options.get(keys::GAN_LATENT) as usize;
        if auxiliary < dims.latent {
            return Err(Error::InvalidArgument(format!(
                "`gan.latent` is {auxiliary}, but the refiner needs at least as many auxiliary dimensions as the latent space has: {}",
                dims.latent
            )));
        }
        Ok((
            mlp(&KEYS, dims.latent_row(), 1, options)?,
            mlp(&KEYS, auxiliary + dims.conditions, dims.latent, options)?,
        ))
    }

    fn train((discriminator, network): (Mlp, Mlp), lesson: Lesson) -> Result<(Refiner, Record)> {
        let seed = lesson.session.seed;
        let hooks = lesson.session.hooks;
        let go_on = || hooks.check(Self::STAGE);
        let initial = |mlp, place: Place| initial_mlp(mlp, place.noise(seed), false, &go_on);
        let mut parameters = initial(&discriminator, places::REFINER.at(0))?;
        let split = parameters.len();
        let mut refiner = initial(&network, places::REFINER.at(1))?;
        start_at_identity(&network, &mut refiner);
        parameters.put_all(refiner)?;
        let goal = Goal::Gan(objective::Gan {
            discriminator: &discriminator,
            refiner: &network,
            conditions: lesson.dims.conditions,
            discriminator_steps: lesson.session.get(keys::GAN_DISCRIMINATOR_STEPS) as u64,
            seed,
            place: places::GAN_REFINER_TRAINING,
            prior: None,
        });
        let record = lesson.fit(goal, &mut parameters)?;
        parameters.drain(..split);
        let parameters = parameters.into();
        let map = Map::Network(network);
        Ok((Refiner { map, parameters }, record))
    }
}

/// Changes initial parameters so that the network's outputs are its first inputs: q(z) differs little from p(z). Two units of every hidden
/// layer carry each of them, one its positive and one its negative part; the other units keep their random weights, but reach the outputs
/// only when these learn to look at them. A network without room for that stays as it is.
fn start_at_identity(network: &Mlp, parameters: &mut [f64]) {
    let Activation::LeakyRelu { slope } = network.activation else {
        return;
    };
    let carried = network.outputs;
    if network.inputs < carried || network.hidden.iter().any(|&units| units < 2 * carried) {
        return;
    }
    let last = network.hidden.len();
    let mut rest = parameters;
    for (i, (inputs, outputs)) in network.layers().enumerate() {
        let (weight, others) = std::mem::take(&mut rest).split_at_mut(inputs * outputs);
        let (bias, others) = others.split_at_mut(outputs);
        rest = others;
        let own = if i < last { 2 * carried } else { carried };
        weight[..own * inputs].fill(0.0);
        bias[..own].fill(0.0);
        // Both parts are there for either sign, the one in full, the other by the slope: their difference is 1 + slope times the input.
        let gain = 1.0 / (1.0 + slope);
        for k in 0..carried {
            let mut set = |row: usize, from: usize, value: f64| weight[row * inputs + from] = value;
            let (plus, minus) = (2 * k, 2 * k + 1);
            match (i == 0, i == last) {
                (true, true) => set(k, k, 1.0),
                (true, false) => {
                    set(plus, k, 1.0);
                    set(minus, k, -1.0);
                }
                (false, true) => {
                    set(k, plus, gain);
                    set(k, minus, -gain);
                }
                (false, false) => {
                    set(plus, plus, gain);
                    set(plus, minus, -gain);
                    set(minus, plus, -gain);
                    set(minus, minus, gain);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::model::{Dtype, Generator, GeneratorKind, Model, Scaling};
    use std::sync::Arc;

    #[test]
    fn the_start_is_the_identity() {
        for layers in [0, 1, 4] {
            let network = Mlp::new(4, layers, 9, 2, 0.01);
            let noise = places::REFINER.at(0).noise(1);
            let mut parameters = initial_mlp(&network, noise, false, &|| Ok(())).unwrap();
            let random = parameters.clone();
            start_at_identity(&network, &mut parameters);
            assert!(layers == 0 || random.iter().zip(&parameters).any(|(a, b)| a == b));
            let model = Model {
                dtype: Dtype::Float64,
                generator: Generator {
                    kind: GeneratorKind::Networks {
                        maps: vec![Map::Network(network)],
                    },
                    scalings: vec![Scaling::None; 2],
                    conditions: Vec::new(),
                    module: Arc::default(),
                    parameters: parameters.into(),
                },
                classifier: None,
                latent_classifier: None,
                names: Vec::new(),
                support: None,
                refinement: None,
                record: serde_json::Map::new(),
            };
            let mut evaluator = Engine::new(&model).unwrap().evaluator(1);
            let (y, mut z) = ([1.5, -0.3, 2.0, 0.7, -2.0, 0.1, -1.0, 3.0], [0.0; 4]);
            evaluator.generate(&y, 2, &mut z, None).unwrap();
            for (z, y) in z.iter().zip([1.5, -0.3, -2.0, 0.1]) {
                assert!((z - y).abs() < 1e-12, "{z}, not {y}");
            }
        }
        // No room: untouched.
        let network = Mlp::new(4, 1, 3, 2, 0.01);
        let mut parameters = vec![7.0; network.parameter_count().unwrap()];
        start_at_identity(&network, &mut parameters);
        assert!(parameters.iter().all(|&p| p == 7.0));
    }
}
