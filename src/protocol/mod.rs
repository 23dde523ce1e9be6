//! The LaSeR protocol (Winterhalder, Bellagente, Nachman, arXiv:2106.00792) in the paper's symbols: generator g, classifier f, pull-back of
//! its weights to the latent space, refiner Φ, refined events g(Φ(y)).

mod classifier;
mod draws;
mod evaluate;
mod generator;
mod pipeline;
mod pullback;
mod refiner;
mod sampler;
mod source;

pub use draws::Uniforms;
pub use evaluate::{device_check, evaluator, generate, latent, log_prob, log_weight, Instance};
pub use generator::train_generator;
pub use pipeline::refine;
pub use pullback::WeightReport;
pub use sampler::{Outputs, Sampler};
pub use source::{EventSource, Source};

#[cfg(feature = "torch")]
use crate::{
    model::Dtype,
    train::{train, Feed, Hooks, Objective, Record, Settings},
    Result,
};

/// Trains in the precision `dtype`, from and to parameters in double precision.
#[cfg(feature = "torch")]
fn fit(
    settings: &Settings,
    dtype: Dtype,
    objective: &mut (impl Objective<f32> + Objective<f64>),
    feed: &mut (impl Feed<f32> + Feed<f64>),
    parameters: &mut [f64],
    hooks: &dyn Hooks,
) -> Result<Record> {
    match dtype {
        Dtype::Float64 => train::<f64>(settings, objective, feed, parameters, hooks),
        Dtype::Float32 => {
            let mut single: Vec<f32> = parameters.iter().map(|&p| p as f32).collect();
            let record = train::<f32>(settings, objective, feed, &mut single, hooks)?;
            parameters
                .iter_mut()
                .zip(single)
                .for_each(|(p, s)| *p = f64::from(s));
            Ok(record)
        }
    }
}
