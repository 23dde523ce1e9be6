//! A coupling flow by maximum likelihood (paper, Sec. 4.1).

use super::{Dims, Recipe};
use crate::model::{Coupling, Flow, Map, Mlp, Transform};
use crate::noise::{domain, Noise};
use crate::objective::Goal;
use crate::options::{choices, keys, Options};
use crate::train::{initial_flow, Settings};
use crate::{Error, Result};
use rand::seq::SliceRandom;

pub(super) struct Likelihood(Flow);

impl Likelihood {
    /// # Errors
    /// [`Error::Unsupported`] for events of one feature, [`Error::InvalidArgument`] for a latent space of another dimension than the events'.
    pub fn new(dims: Dims, options: &Options) -> Result<Self> {
        let Dims {
            latent,
            conditions,
            features,
        } = dims;
        if features < 2 {
            return Err(Error::Unsupported(
                "events of one feature: a coupling flow needs at least two; add a feature that is independent noise, or set `generator.type` to `gan` or `vae`".into(),
            ));
        }
        if latent != features {
            return Err(Error::InvalidArgument(format!(
                "`generator.latent` is {latent}, but a flow has as many latent dimensions as the events have features: {features}; leave it 0, or set `generator.type` to `gan` or `vae`"
            )));
        }
        let flow = new_flow(features, conditions, options);
        flow.validate().map_err(Error::of_options)?;
        Ok(Likelihood(flow))
    }
}

impl Recipe for Likelihood {
    fn map(&self) -> Map {
        Map::Flow(self.0.clone())
    }

    fn goal(&self) -> Goal<'_> {
        Goal::Likelihood(&self.0)
    }

    fn initial(&self, seed: u64) -> Vec<f64> {
        initial_flow(&self.0, seed)
    }

    fn settings(&self, options: &Options) -> Settings {
        Settings::from_options("flow", options, &keys::FLOW_TRAINING)
    }
}

/// The paper's flow for `dim` features. Every two blocks transform each coordinate exactly once, in halves drawn at random, so every
/// coordinate is transformed equally often (the published code's free permutations could leave one out).
pub(in super::super) fn new_flow(dim: usize, conditions: usize, options: &Options) -> Flow {
    let noise = Noise::new(options.get(keys::SEED) as u64, 0, domain::INITIAL);
    let transform = transform(options);
    let mut order: Vec<usize> = (0..dim).collect();
    let blocks = (0..options.get(keys::FLOW_BLOCKS) as usize)
        .map(|i| {
            if i % 2 == 0 {
                order.shuffle(&mut noise.rng(i as u64));
            } else {
                order.rotate_left(dim / 2);
            }
            let half = if i % 2 == 0 { dim / 2 } else { dim - dim / 2 };
            let (active, passive) = order.split_at(half);
            Coupling {
                active: active.to_vec(),
                passive: passive.to_vec(),
                transform,
                inverse: false,
                subnet: Mlp::new(
                    passive.len() + conditions,
                    options.get(keys::FLOW_LAYERS) as usize,
                    options.get(keys::FLOW_UNITS) as usize,
                    transform.outputs_per_coordinate() * active.len(),
                    options.get(keys::FLOW_SLOPE),
                ),
            }
        })
        .collect();
    Flow {
        dim,
        conditions,
        blocks,
    }
}

fn transform(options: &Options) -> Transform {
    match options.get(keys::FLOW_COUPLING) {
        choices::Coupling::Affine => Transform::affine(options.get(keys::FLOW_CLAMP)),
        choices::Coupling::Spline => Transform::spline(
            options.get(keys::FLOW_BINS) as usize,
            options.get(keys::FLOW_BOUND),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coordinate_is_transformed_equally_often() {
        for (dim, seed) in [(2, 1), (3, 2), (5, 3), (8, 4)] {
            let mut options = Options::new();
            options.set_i64("seed", seed).unwrap();
            let flow = new_flow(dim, 0, &options);
            flow.validate().unwrap();
            let mut count = vec![0; dim];
            flow.blocks
                .iter()
                .flat_map(|b| &b.active)
                .for_each(|&i| count[i] += 1);
            assert!(count.iter().all(|&c| c == 6), "{dim}: {count:?}");
        }
    }

    #[test]
    fn splines_are_what_the_options_say() {
        let mut options = Options::new();
        options.set_str("flow.coupling", "spline").unwrap();
        options.set_i64("flow.bins", 5).unwrap();
        options.set_f64("flow.bound", 4.5).unwrap();
        let flow = new_flow(3, 0, &options);
        flow.validate().unwrap();
        let expected = Transform::spline(5, 4.5);
        assert!(flow.blocks.iter().all(|b| b.transform == expected));
        assert_eq!(flow.blocks[1].subnet.outputs, 2 * 14);
    }
}
