//! Generators that are callbacks of the host: black boxes, perhaps with randomness of their own.

use crate::model::{Generator, GeneratorKind, Model, Scaling};
use crate::options::{keys, Options};
use crate::{Error, Result};

/// A model whose generator is a callback: N, C and M dimensions. What makes its events is attached by
/// [`Instance::with_host`](super::Instance::with_host), and is no part of the model. The option `dtype` is that of its other networks.
///
/// # Errors
/// [`Error::InvalidArgument`] if N or M is 0 or a dimension is beyond what networks take.
pub fn host_generator(
    (latent_dim, condition_dim, event_dim): (usize, usize, usize),
    stochastic: bool,
    options: &Options,
) -> Result<Model> {
    let generator = Generator {
        kind: GeneratorKind::Host {
            latent_dim,
            stochastic,
        },
        // Checked before anything of that size is made.
        scalings: vec![Scaling::None; event_dim.min(crate::model::MAX_WIDTH + 1)],
        conditions: vec![Scaling::None; condition_dim.min(crate::model::MAX_WIDTH + 1)],
        parameters: Vec::new(),
        module: Vec::new(),
    };
    generator.validate().map_err(Error::of_options).map_err(|e| {
        Error::InvalidArgument(format!("a generator of {latent_dim} latent, {condition_dim} condition and {event_dim} event dimensions: {e}"))
    })?;
    Ok(Model {
        dtype: options.get(keys::DTYPE),
        generator,
        classifier: None,
        latent_classifier: None,
        refinement: None,
        record: serde_json::Map::new(),
    })
}
