//! The flow refiner: a normalizing flow of the weighted latents, y → z = Φ(y) with L = N and a density.

use super::learned::{Trained, Training};
use super::pool::Pool;
use crate::model::{Flow, Map};
use crate::objective::Goal;
use crate::options::{keys, Options};
use crate::protocol::generator::new_flow;
use crate::train::{initial_flow, Settings};
use crate::{Error, Result};

/// Φ, for N latents and C conditions: built as the generator's flow, with sizes of its own.
///
/// # Errors
/// [`Error::Unsupported`] for N = 1; [`Error::InvalidArgument`] for networks that are too large.
pub(super) fn network((latent_dim, conditions): (usize, usize), options: &Options) -> Result<Flow> {
    if latent_dim < 2 {
        return Err(Error::Unsupported(
            "a flow refiner of a one-dimensional latent space: a coupling flow needs two dimensions; take `refiner.method` = `matching`".into(),
        ));
    }
    let mut own = options.clone();
    for (size, key) in [
        (keys::REFINER_FLOW_BLOCKS, keys::FLOW_BLOCKS),
        (keys::REFINER_FLOW_LAYERS, keys::FLOW_LAYERS),
        (keys::REFINER_FLOW_UNITS, keys::FLOW_UNITS),
    ] {
        own.set_i64(key.name(), options.get(size))?;
    }
    let coupling = options.get_str(keys::REFINER_FLOW_COUPLING.name())?;
    own.set_str(keys::FLOW_COUPLING.name(), coupling)?;
    let flow = new_flow(latent_dim, conditions, &own);
    flow.validate().map_err(Error::of_options)?;
    Ok(flow)
}

/// Trains Φ by weighted maximum likelihood; it starts as the identity. `rows`: latents (N) and scaled conditions (C).
pub(super) fn train(training: Training, rows: Vec<f64>, weights: Vec<f64>) -> Result<Trained> {
    let Training {
        latent_dim,
        conditions,
        seed,
        options,
        ..
    } = training;
    let flow = network((latent_dim, conditions), options)?;
    let mut parameters = initial_flow(&flow, seed);
    let settings = Settings::from_options("refiner_flow", options, &keys::REFINER_FLOW_TRAINING);
    let pool = Pool::new(rows, weights, seed);
    let record = training.fit(Goal::Likelihood(&flow), &settings, pool, &mut parameters)?;
    Ok((Map::Flow(flow), parameters, record))
}
