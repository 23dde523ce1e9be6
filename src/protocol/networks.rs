//! Networks by the options of their groups.

use crate::model::{Coupling, Flow, Mlp, Transform};
use crate::noise::places::Places;
use crate::options::{choices, keys, Key, Options};
use crate::room::{self, Gather};
use crate::{Error, Result};
use rand::seq::SliceRandom;

/// The options of a fully connected network.
pub(super) struct MlpKeys {
    pub layers: Key<i64>,
    pub units: Key<i64>,
    pub slope: Key<f64>,
}

/// A network of so many inputs and outputs.
///
/// # Errors
/// [`Error::InvalidArgument`] if it is too large.
pub(super) fn mlp(keys: &MlpKeys, inputs: usize, outputs: usize, options: &Options) -> Result<Mlp> {
    let network = Mlp::new(
        inputs,
        options.get(keys.layers) as usize,
        options.get(keys.units) as usize,
        outputs,
        options.get(keys.slope),
    );
    network.validate().map_err(Error::of_options)?;
    Ok(network)
}

/// A classifier of `inputs` values.
///
/// # Errors
/// [`Error::InvalidArgument`] if it is too large.
pub(super) fn classifier(inputs: usize, options: &Options) -> Result<Mlp> {
    const KEYS: MlpKeys = MlpKeys {
        layers: keys::CLASSIFIER_LAYERS,
        units: keys::CLASSIFIER_UNITS,
        slope: keys::CLASSIFIER_SLOPE,
    };
    mlp(&KEYS, inputs, 1, options)
}

/// The options in which the generator's flow and the flow refiner differ, and the places of their initial parameters.
pub(super) struct FlowKeys {
    pub blocks: Key<i64>,
    pub layers: Key<i64>,
    pub units: Key<i64>,
    pub coupling: Key<choices::Coupling>,
    pub initial: Places,
}

/// The paper's flow for `dim` features. Every two blocks transform each coordinate exactly once, in halves drawn at random, so every
/// coordinate is transformed equally often (the published code's free permutations could leave one out).
///
/// # Errors
/// [`Error::InvalidArgument`] if it is too large.
pub(super) fn flow(
    keys: &FlowKeys,
    dim: usize,
    conditions: usize,
    options: &Options,
) -> Result<Flow> {
    let noise = keys.initial.at(0).noise(options.get(keys::SEED) as u64);
    let transform = match options.get(keys.coupling) {
        choices::Coupling::Affine => Transform::affine(options.get(keys::FLOW_CLAMP)),
        choices::Coupling::Spline => Transform::spline(
            options.get(keys::FLOW_BINS) as usize,
            options.get(keys::FLOW_BOUND),
        ),
    };
    let mut order = (0..dim).gather()?;
    let blocks = (0..options.get(keys.blocks) as usize).map(|i| {
        if i % 2 == 0 {
            order.shuffle(&mut noise.rng(i as u64));
        } else {
            order.rotate_left(dim / 2);
        }
        let half = if i % 2 == 0 { dim / 2 } else { dim - dim / 2 };
        let (active, passive) = order.split_at(half);
        Ok(Coupling {
            active: room::copied(active)?,
            passive: room::copied(passive)?,
            transform,
            inverse: false,
            subnet: Mlp::new(
                passive.len() + conditions,
                options.get(keys.layers) as usize,
                options.get(keys.units) as usize,
                transform.outputs_per_coordinate() * active.len(),
                options.get(keys::FLOW_SLOPE),
            ),
        })
    });
    let flow = Flow {
        dim,
        conditions,
        blocks: blocks.gather_all()?,
    };
    flow.validate().map_err(Error::of_options)?;
    Ok(flow)
}
