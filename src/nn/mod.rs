//! The networks on libtorch: for training, for CUDA, and as the oracle of the CPU engine's tests.
//!
//! Built from the descriptions of [`crate::model`]; nothing outside this module and the two places that ask it for an evaluator or an
//! objective knows libtorch.

mod backend;
mod clamp;
mod evaluator;
mod flow;
mod map;
mod matching;
mod mlp;
mod objective;
mod parameters;
mod scaling;
mod script;
mod spline;

use backend::{open_device, Backend};
use evaluator::TorchEvaluator;
use objective::TorchObjective;
use script::Script;

use crate::engine::Element;
use crate::model::{Dtype, Evaluator, HostGenerator, Model};
use crate::objective::{Goal, Objective};
use crate::options::Options;
use crate::Result;
use std::sync::Arc;

/// What both the engine and libtorch compute in.
pub(crate) trait Number: Element + tch::kind::Element {}
impl<T: Element + tch::kind::Element> Number for T {}

/// The model on libtorch.
pub(crate) fn evaluator(model: &Model, options: &Options) -> Result<Box<dyn Evaluator>> {
    let backend = Backend::open(options, model.dtype)?;
    Ok(Box::new(TorchEvaluator::new(model, backend)?))
}

/// The objective of a goal on libtorch.
pub(crate) fn objective<'a, T: Number>(
    goal: Goal<'a>,
    dtype: Dtype,
    options: &Options,
) -> Result<Box<dyn Objective<T> + 'a>> {
    let backend = Backend::open(options, dtype)?;
    Ok(Box::new(TorchObjective::new(goal, backend)?))
}

/// The model's TorchScript module.
pub(crate) fn script(model: &Model, options: &Options) -> Result<Arc<dyn HostGenerator>> {
    let backend = Backend::open(options, model.dtype)?;
    Ok(Arc::new(Script::new(&model.generator, backend)?))
}

/// A model of a TorchScript module, of N latents and C conditions.
pub(crate) fn script_model(
    module: Vec<u8>,
    dims: (usize, usize),
    dtype: Dtype,
    options: &Options,
) -> Result<Model> {
    let backend = Backend::open(options, dtype)?;
    Script::model(module, dims, backend, dtype)
}

/// Checks that libtorch can compute on a device (`cpu`, `cuda`, `cuda:N`).
pub(crate) fn check_device(device: &str) -> Result<()> {
    open_device(device).map(|_| ())
}

/// Checks that libtorch can compute as the options say.
pub(crate) fn check(options: &Options, dtype: Dtype) -> Result<()> {
    Backend::open(options, dtype).map(|_| ())
}

impl From<tch::TchError> for crate::Error {
    fn from(e: tch::TchError) -> Self {
        // libtorch appends a C++ backtrace: the first line is the message.
        let text = e.to_string();
        crate::Error::Torch(text.lines().next().unwrap_or("unknown error").to_owned())
    }
}
