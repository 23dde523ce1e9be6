//! The flow refiner: a normalizing flow of the weighted latents, y → z = Φ(y) with L = N and a density.

use super::learned::{Learned, Lesson};
use crate::model::{Dims, Flow, Map, Method, Refiner};
use crate::noise::places;
use crate::objective::Goal;
use crate::options::{keys, Key, Options};
use crate::protocol::networks::{flow, FlowKeys};
use crate::train::{initial_flow, Record};
use crate::{Error, Result};

/// Φ is built as the generator's flow, with sizes of its own, and starts as the identity.
pub(super) struct FlowRefiner;

const KEYS: FlowKeys = FlowKeys {
    blocks: keys::REFINER_FLOW_BLOCKS,
    layers: keys::REFINER_FLOW_LAYERS,
    units: keys::REFINER_FLOW_UNITS,
    coupling: keys::REFINER_FLOW_COUPLING,
    initial: places::REFINER,
};

impl Learned for FlowRefiner {
    const METHOD: Method = Method::Flow;
    const STAGE: &'static str = "refiner_flow";
    const TRAINING: keys::StageKeys = keys::REFINER_FLOW_TRAINING;
    const POOL: Key<i64> = keys::REFINER_FLOW_POOL;
    type Networks = Flow;

    fn networks(dims: Dims, options: &Options) -> Result<Flow> {
        if dims.latent < 2 {
            return Err(Error::Unsupported(
                "a flow refiner of a one-dimensional latent space: a coupling flow needs two dimensions; take `refiner.method` = `matching`".into(),
            ));
        }
        flow(&KEYS, dims.latent, dims.conditions, options)
    }

    /// By weighted maximum likelihood.
    fn train(flow: Flow, lesson: Lesson) -> Result<(Refiner, Record)> {
        let session = lesson.session;
        let go_on = || session.hooks.check(Self::STAGE);
        let mut parameters = initial_flow(&flow, KEYS.initial, session.seed, &go_on)?;
        let record = lesson.fit(Goal::Likelihood(&flow), &mut parameters)?;
        let map = Map::Flow(flow);
        let parameters = parameters.into();
        Ok((Refiner { map, parameters }, record))
    }
}
