//! The LaSeR protocol (Winterhalder, Bellagente, Nachman, arXiv:2106.00792) in the paper's symbols: generator g, classifier f, pull-back of
//! its weights to the latent space, refiner Φ, refined events g(Φ(y)).

mod auc;
mod calibration;
mod classifier;
mod conditions;
mod draws;
mod evaluate;
mod feed;
mod generator;
mod host;
mod import;
mod omnifold;
mod pipeline;
mod plan;
mod preparation;
mod pullback;
mod range;
mod refiner;
mod sampler;
mod scaling;
mod source;

pub use crate::model::HostGenerator;
pub use auc::two_sample_auc;
pub use calibration::{Calibration, CalibrationBin};
pub use draws::Uniforms;
pub use evaluate::{device_check, evaluator, generate, latent, log_prob, log_weight, Instance};
pub use generator::train_generator;
pub use host::host_generator;
pub use import::load_generator;
pub use pipeline::{refine, refine_again};
pub use plan::check;
pub use pullback::WeightReport;
pub use range::FeatureRange;
pub use sampler::{Outputs, Sampler};
pub use source::{EventSource, Source};

use crate::engine::{self, Element};
use crate::model::Dtype;
use crate::options::Options;
use crate::train::{train, Feed, Goal, Hooks, Objective, Record, Settings};
use crate::Result;

/// Trains in the precision `dtype`, from and to parameters in double precision.
fn fit(
    goal: Goal,
    settings: &Settings,
    dtype: Dtype,
    feed: &mut (impl Feed<f32> + Feed<f64>),
    parameters: &mut [f64],
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Record> {
    match dtype {
        Dtype::Float64 => {
            let mut objective = objective::<f64>(goal, dtype, options)?;
            train(settings, &mut *objective, feed, parameters, hooks)
        }
        Dtype::Float32 => {
            let mut objective = objective::<f32>(goal, dtype, options)?;
            let mut single: Vec<f32> = parameters.iter().map(|&p| p as f32).collect();
            let record = train(settings, &mut *objective, feed, &mut single, hooks)?;
            let trained = parameters.iter_mut().zip(single);
            trained.for_each(|(p, s)| *p = f64::from(s));
            Ok(record)
        }
    }
}

/// Who makes the gradients: the engine or libtorch, as for [`evaluator`].
fn objective<'a, T: Number>(
    goal: Goal<'a>,
    dtype: Dtype,
    options: &Options,
) -> Result<Box<dyn Objective<T> + 'a>> {
    match evaluate::backend(options)? {
        evaluate::Backend::Engine => Ok(engine::objective(goal, evaluate::threads(options))),
        evaluate::Backend::Torch => torch_objective(goal, dtype, options),
    }
}

#[cfg(feature = "torch")]
trait Number: Element + tch::kind::Element {}
#[cfg(feature = "torch")]
impl<T: Element + tch::kind::Element> Number for T {}
#[cfg(not(feature = "torch"))]
trait Number: Element {}
#[cfg(not(feature = "torch"))]
impl<T: Element> Number for T {}

#[cfg(feature = "torch")]
fn torch_objective<'a, T: Number>(
    goal: Goal<'a>,
    dtype: Dtype,
    options: &Options,
) -> Result<Box<dyn Objective<T> + 'a>> {
    let backend = crate::nn::Backend::open(options, dtype)?;
    Ok(Box::new(crate::nn::TorchObjective::new(goal, backend)?))
}

#[cfg(not(feature = "torch"))]
fn torch_objective<'a, T: Number>(
    _: Goal<'a>,
    _: Dtype,
    _: &Options,
) -> Result<Box<dyn Objective<T> + 'a>> {
    Err(crate::Error::Unsupported(evaluate::NO_TORCH.into()))
}
