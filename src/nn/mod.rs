//! The networks on libtorch: for training, for CUDA, and as the oracle of the CPU engine's tests.
//!
//! Built from the descriptions of [`crate::model`]; nothing outside this module and the two places that ask it for an evaluator or an
//! objective knows libtorch.

mod backend;
mod evaluator;
mod flow;
mod mlp;
mod objective;
mod parameters;
mod scaling;
mod script;
mod spline;

pub(crate) use backend::{open_device, Backend};
pub(crate) use evaluator::TorchEvaluator;
pub(crate) use objective::TorchObjective;
pub(crate) use script::Script;

impl From<tch::TchError> for crate::Error {
    fn from(e: tch::TchError) -> Self {
        // libtorch appends a C++ backtrace: the first line is the message.
        let text = e.to_string();
        crate::Error::Torch(text.lines().next().unwrap_or("unknown error").to_owned())
    }
}
