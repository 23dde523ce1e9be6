//! Who computes: the CPU engine or libtorch, by the options `backend` and `device`; and generators of the host beside them.

pub(crate) mod attached;
mod foreign;
mod instance;
mod ranks;
mod session;
mod weighing;

pub use instance::Instance;
pub(crate) use session::{Session, Stage};
pub(crate) use weighing::NO_REGION;

use crate::engine::Engine;
use crate::model::{Evaluator, Model, Region};
use crate::nn;
use crate::options::{choices::Backend, keys, Options};
use crate::{Error, Result};
use std::sync::Arc;
use weighing::WeighingEvaluator;

/// Who computes, by the options `backend` and `device`.
///
/// # Errors
/// [`Error::InvalidArgument`] for the engine on another device than the CPU.
pub(crate) fn backend(options: &Options) -> Result<Backend> {
    let device = options.get(keys::DEVICE);
    match (options.get(keys::BACKEND), device) {
        (Some(Backend::Engine) | None, "cpu") => Ok(Backend::Engine),
        (Some(Backend::Torch), _) | (None, _) => Ok(Backend::Torch),
        (Some(Backend::Engine), _) => Err(Error::InvalidArgument(format!(
            "`backend` is `engine`, which computes on the CPU only, but `device` is `{device}`"
        ))),
    }
}

/// The option `threads`.
pub(crate) fn threads(options: &Options) -> usize {
    options.get(keys::THREADS) as usize
}

/// The model made ready to compute: by the CPU engine or by libtorch, as the options `backend` and `device` say. Works on the calling
/// thread and, on the CPU, on as many helpers as the option `threads` allows.
///
/// # Errors
/// [`Error::Device`] if the device is not usable, [`Error::InvalidArgument`] for the engine on another device than the CPU,
/// [`Error::Unsupported`] for libtorch in a build without it.
pub fn evaluator(model: &Model, options: &Options) -> Result<Box<dyn Evaluator>> {
    let networks = match backend(options)? {
        Backend::Torch => nn::evaluator(model, options)?,
        Backend::Engine => Engine::new(model)?.evaluator(threads(options)),
    };
    Ok(WeighingEvaluator::around(model, region(model)?, networks))
}

/// The region of a model's support; none of a callback, or where there is none.
pub(crate) fn region(model: &Model) -> Result<Option<Arc<dyn Region>>> {
    let Some(support) = &model.support else {
        return Ok(None);
    };
    let region = support.region(model.generator.dims().event_row(), &model.names)?;
    Ok(region.map(|region| Arc::new(region) as Arc<dyn Region>))
}

/// Checks that a device (`cpu`, `cuda`, `cuda:N`) can be used here.
///
/// # Errors
/// [`Error::Device`] saying why not, [`Error::InvalidArgument`] for other words, [`Error::Unsupported`] for CUDA in a build without
/// libtorch.
pub fn device_check(device: &str) -> Result<()> {
    nn::check_device(device)
}

/// Checks that what the options `backend` and `device` name can compute here.
///
/// # Errors
/// Those of [`evaluator`].
pub(crate) fn computes(options: &Options) -> Result<()> {
    match backend(options)? {
        Backend::Engine => Ok(()),
        Backend::Torch => nn::check(options, options.get(keys::DTYPE)),
    }
}
