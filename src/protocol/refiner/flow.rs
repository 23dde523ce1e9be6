//! The flow refiner: a normalizing flow of the weighted latents, y → z = Φ(y) with L = N and a density.

use super::learned::{Trained, Training};
use super::pool::Pool;
use crate::model::Map;
use crate::options::keys;
use crate::protocol::generator::{initial_flow, new_flow};
use crate::train::{Goal, Settings};
use crate::{Error, Result};

/// Trains Φ by weighted maximum likelihood; it starts as the identity. `rows`: latents (N) and scaled conditions (C).
pub(super) fn train(training: Training, rows: Vec<f64>, weights: Vec<f64>) -> Result<Trained> {
    let Training {
        latent_dim,
        conditions,
        seed,
        options,
        ..
    } = training;
    if latent_dim < 2 {
        return Err(Error::Unsupported(
            "a flow refiner of a one-dimensional latent space: a coupling flow needs two dimensions; take `refiner.method` = `matching`".into(),
        ));
    }
    // Built as the generator's flow, with sizes of its own.
    let mut own = options.clone();
    for (size, key) in [
        (keys::REFINER_FLOW_BLOCKS, keys::FLOW_BLOCKS),
        (keys::REFINER_FLOW_LAYERS, keys::FLOW_LAYERS),
        (keys::REFINER_FLOW_UNITS, keys::FLOW_UNITS),
    ] {
        own.set_i64(key.name(), options.get(size))?;
    }
    let coupling = options.get(keys::REFINER_FLOW_COUPLING);
    own.set_str(keys::FLOW_COUPLING.name(), coupling)?;
    let flow = new_flow(latent_dim, conditions, &own);
    flow.validate()?;
    let mut parameters = initial_flow(&flow, seed);
    let settings = Settings::from_options("refiner_flow", options, &keys::REFINER_FLOW_TRAINING)?;
    let pool = Pool::new(rows, weights, seed);
    let record = training.fit(Goal::Likelihood(&flow), &settings, pool, &mut parameters)?;
    Ok((Map::Flow(flow), parameters, record))
}
