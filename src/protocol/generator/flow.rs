//! A coupling flow by maximum likelihood (paper, Sec. 4.1).

use super::recipe::Recipe;
use crate::compute::Session;
use crate::model::{Dims, Flow, Map};
use crate::noise::places;
use crate::objective::Goal;
use crate::options::{keys, Options};
use crate::protocol::networks::{flow, FlowKeys};
use crate::train::{initial_flow, Settings};
use crate::{Error, Result};

const KEYS: FlowKeys = FlowKeys {
    blocks: keys::FLOW_BLOCKS,
    layers: keys::FLOW_LAYERS,
    units: keys::FLOW_UNITS,
    coupling: keys::FLOW_COUPLING,
    initial: places::GENERATOR,
};

pub(super) struct Likelihood(Flow);

impl Likelihood {
    /// # Errors
    /// [`Error::Unsupported`] for events of one feature, [`Error::InvalidArgument`] for a latent space of another dimension than the
    /// events'.
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
        let flow = flow(&KEYS, features, conditions, options)?;
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

    fn initial(&self, session: Session) -> Result<Vec<f64>> {
        let go_on = || session.hooks.check("flow");
        initial_flow(&self.0, KEYS.initial, session.seed, &go_on)
    }

    fn settings(&self, options: &Options) -> Settings {
        Settings::from_options("flow", options, &keys::FLOW_TRAINING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Transform;

    #[test]
    fn every_coordinate_is_transformed_equally_often() {
        for (dim, seed) in [(2, 1), (3, 2), (5, 3), (8, 4)] {
            let mut options = Options::new();
            options.set_i64("seed", seed).unwrap();
            let flow = flow(&KEYS, dim, 0, &options).unwrap();
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
        let flow = flow(&KEYS, 3, 0, &options).unwrap();
        let expected = Transform::spline(5, 4.5);
        assert!(flow.blocks.iter().all(|b| b.transform == expected));
        assert_eq!(flow.blocks[1].subnet.outputs, 2 * 14);
    }
}
