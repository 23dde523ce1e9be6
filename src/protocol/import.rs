//! Generators from files: the library's own and TorchScript modules.

use crate::model::Model;
use crate::nn;
use crate::options::{keys, Options};
use crate::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How TorchScript files, which are ZIP archives, begin.
const ZIP: &[u8] = b"PK\x03\x04";

/// Loads the generator of a model file, or a TorchScript module that `torch.jit.save` wrote. For a module the option `generator.latent` is N and
/// must be given, `conditions` is C, and `dtype` the precision that it takes and returns: one tensor of rows of N latents followed by C
/// conditions, in; one of rows of M features, out. A row must depend on its own row alone.
///
/// # Errors
/// [`Error::Io`]; [`Error::Format`] for a file that is neither; for a module [`Error::InvalidArgument`] if `generator.latent` is 0 or the module
/// does not return rows, [`Error::Torch`] if it does not load or run, [`Error::Unsupported`] in a build without libtorch.
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
        return script(std::fs::read(path).map_err(io)?, options);
    }
    Ok(Model::load(path)?.into_baseline())
}

fn script(bytes: Vec<u8>, options: &Options) -> Result<Model> {
    let latent_dim = options.get(keys::GENERATOR_LATENT) as usize;
    if latent_dim == 0 {
        return Err(Error::InvalidArgument(
            "this is a TorchScript module: set `generator.latent` to the number of latents that it takes, and `conditions` if it is conditional".into(),
        ));
    }
    let dims = (latent_dim, options.get(keys::CONDITIONS) as usize);
    nn::script_model(bytes, dims, options.get(keys::DTYPE), options)
}
