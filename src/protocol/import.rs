//! Generators that are not trained here: of files, TorchScript modules, callbacks of the host.

use crate::model::{Generator, GeneratorKind, Model, Scaling};
use crate::nn;
use crate::options::{keys, Options};
use crate::{room, Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// How TorchScript files, which are ZIP archives, begin.
const ZIP: &[u8] = b"PK\x03\x04";

/// Loads the generator of a model file, or a TorchScript module that `torch.jit.save` wrote. For a module the option `generator.latent` is
/// N and must be given, `conditions` is C, and `dtype` the precision that it takes and returns: one tensor of rows of N latents followed by
/// C conditions, in; one of rows of M features, out. A row must depend on its own row alone.
///
/// # Errors
/// [`Error::Io`]; [`Error::Format`] for a file that is neither; [`Error::Unsupported`] for that of a reweighter; for a module [`Error::InvalidArgument`] if `generator.latent` is 0 or the
/// module does not return rows, [`Error::Torch`] if it does not load or run, [`Error::Unsupported`] in a build without libtorch.
pub fn load_generator(path: &Path, options: &Options) -> Result<Model> {
    let mut start = Vec::new();
    let io = |source| Error::Io {
        path: path.into(),
        source,
    };
    // A directory or pipe is the business of the other reader, which says so.
    if path.is_file() {
        let file = File::open(path).map_err(io)?;
        file.take(ZIP.len() as u64)
            .read_to_end(&mut start)
            .map_err(io)?;
    }
    if start == ZIP {
        return script(path, options);
    }
    let model = Model::load(path)?;
    model.generator.makes_events()?;
    Ok(model.into_baseline())
}

fn script(path: &Path, options: &Options) -> Result<Model> {
    let latent_dim = options.get(keys::GENERATOR_LATENT) as usize;
    if latent_dim == 0 {
        return Err(Error::InvalidArgument(
            "this is a TorchScript module: set `generator.latent` to the number of latents that it takes, and `conditions` if it is conditional".into(),
        ));
    }
    let dims = (latent_dim, options.get(keys::CONDITIONS) as usize);
    let bytes = std::fs::read(path).map_err(|source| Error::Io {
        path: path.into(),
        source,
    })?;
    nn::script_model(bytes, dims, options.get(keys::DTYPE), options)
}

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
        scalings: room::filled(event_dim.min(crate::model::MAX_WIDTH + 1), Scaling::None)?,
        conditions: room::filled(
            condition_dim.min(crate::model::MAX_WIDTH + 1),
            Scaling::None,
        )?,
        parameters: Arc::default(),
        module: Arc::default(),
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
        names: Vec::new(),
        support: None,
        record: serde_json::Map::new(),
    })
}
