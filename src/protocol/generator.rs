//! Training the generator g: a RealNVP flow by maximum likelihood (paper, Sec. 4.1).

use super::source::{Source, SourceFeed};
use crate::engine::noise::{domain, Noise};
use crate::model::{
    Activation, Coupling, Dtype, Flow, Generator, GeneratorKind, Mlp, Model, Transform,
};
use crate::options::{keys, Options};
use crate::train::{Goal, Hooks, Settings};
use crate::{Error, Result};
use rand::seq::SliceRandom;
use serde_json::json;

/// Trains a generator on the target's events. The result is a model without classifier and refiner: sampled, it is the baseline.
///
/// # Errors
/// Those of the source and of the hooks; [`Error::Unsupported`] for one-dimensional events (a coupling flow needs two) and for
/// libtorch in a build without it; [`Error::Numerical`] if the training diverges; [`Error::Device`]. The source stays usable.
pub fn train_generator(target: &mut Source, options: &Options, hooks: &dyn Hooks) -> Result<Model> {
    if target.dim() < 2 {
        return Err(Error::Unsupported(
            "events of one feature: a coupling flow needs at least two; add a feature that is independent noise".into(),
        ));
    }
    let dtype = dtype(options)?;
    let flow = flow(target.dim(), options);
    flow.validate()?;
    let scalings = target.standardisation(options)?;
    let mut parameters = initial_flow(&flow, options.get(keys::SEED) as u64);
    let record = {
        let mut feed = SourceFeed::new(target, &scalings, options)?;
        let settings = Settings::from_options("flow", options, &keys::FLOW_TRAINING)?;
        let goal = Goal::Likelihood(&flow);
        super::fit(
            goal,
            &settings,
            dtype,
            &mut feed,
            &mut parameters,
            options,
            hooks,
        )?
    };
    let mut model = Model {
        dtype,
        generator: Generator {
            kind: GeneratorKind::flow(flow),
            scalings,
            conditions: Vec::new(),
            parameters,
        },
        classifier: None,
        latent_classifier: None,
        refinement: None,
        record: serde_json::Map::new(),
    };
    model
        .record
        .insert("library".into(), json!(env!("CARGO_PKG_VERSION")));
    model.record.insert("flow".into(), json!(record));
    model
        .record
        .insert("options".into(), options_record(options)?);
    Ok(model)
}

/// The options as they were, for the record.
pub(super) fn options_record(options: &Options) -> Result<serde_json::Value> {
    serde_json::from_str(&options.to_json())
        .map_err(|e| Error::Internal(format!("options are no JSON: {e}")))
}

pub(super) fn dtype(options: &Options) -> Result<Dtype> {
    match options.get(keys::DTYPE) {
        "float32" => Ok(Dtype::Float32),
        "float64" => Ok(Dtype::Float64),
        other => Err(Error::Internal(format!("dtype `{other}`"))),
    }
}

/// The paper's flow for `dim` features. Every two blocks transform each coordinate exactly once, in halves drawn at random, so every
/// coordinate is transformed equally often (the published code's free permutations could leave one out).
pub(super) fn flow(dim: usize, options: &Options) -> Flow {
    let noise = Noise::new(options.get(keys::SEED) as u64, 0, domain::INITIAL);
    let mut order: Vec<usize> = (0..dim).collect();
    let blocks = (0..options.get(keys::FLOW_BLOCKS) as usize)
        .map(|i| {
            if i % 2 == 0 {
                order.shuffle(&mut noise.rng(i as u64));
            } else {
                order.rotate_left(dim / 2);
            }
            let half = if i % 2 == 0 { dim / 2 } else { dim - dim / 2 };
            let (active, passive) = order.split_at(half);
            Coupling {
                active: active.to_vec(),
                passive: passive.to_vec(),
                transform: Transform::Affine {
                    clamp: options.get(keys::FLOW_CLAMP),
                },
                subnet: Mlp::new(
                    passive.len(),
                    options.get(keys::FLOW_LAYERS) as usize,
                    options.get(keys::FLOW_UNITS) as usize,
                    2 * active.len(),
                    options.get(keys::FLOW_SLOPE),
                ),
            }
        })
        .collect();
    Flow {
        dim,
        conditions: 0,
        blocks,
    }
}

/// Initial parameters of a flow: every block starts as the identity.
pub(super) fn initial_flow(flow: &Flow, seed: u64) -> Vec<f64> {
    let mut parameters = Vec::new();
    for (i, block) in flow.blocks.iter().enumerate() {
        // Streams apart from the one that drew the permutations.
        parameters.extend(initial_mlp(
            &block.subnet,
            Noise::new(seed, 1 + i as u64, domain::INITIAL),
            true,
        ));
    }
    parameters
}

/// Initial parameters of an MLP: weights normal with the variance that keeps activations' size through the layers (He et al.,
/// arXiv:1502.01852), biases uniform within ±1/√inputs so that the kinks of narrow inputs lie apart. With `zero_output` the last layer is 0.
pub(super) fn initial_mlp(mlp: &Mlp, noise: Noise, zero_output: bool) -> Vec<f64> {
    let gain: f64 = match mlp.activation {
        Activation::LeakyRelu { slope } => (2.0 / (1.0 + slope * slope)).sqrt(),
        Activation::Tanh => 5.0 / 3.0,
    };
    let last = mlp.hidden.len();
    let mut parameters = Vec::new();
    for (i, (inputs, outputs)) in mlp.layers().enumerate() {
        let mut weight = vec![0.0; inputs * outputs];
        let mut bias = vec![0.0; outputs];
        if i < last || !zero_output {
            // The last layer is linear: its gain is 1.
            let width = if i < last { gain } else { 1.0 } / (inputs.max(1) as f64).sqrt();
            let bound = 1.0 / (inputs.max(1) as f64).sqrt();
            noise.normals(2 * i as u64, 0, &mut weight);
            noise.uniforms(2 * i as u64 + 1, 0, &mut bias);
            weight.iter_mut().for_each(|w| *w *= width);
            bias.iter_mut().for_each(|b| *b = bound * (2.0 * *b - 1.0));
        }
        parameters.append(&mut weight);
        parameters.append(&mut bias);
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coordinate_is_transformed_equally_often() {
        for (dim, seed) in [(2, 1), (3, 2), (5, 3), (8, 4)] {
            let mut options = Options::new();
            options.set_i64("seed", seed).unwrap();
            let flow = flow(dim, &options);
            flow.validate().unwrap();
            let mut count = vec![0; dim];
            flow.blocks
                .iter()
                .flat_map(|b| &b.active)
                .for_each(|&i| count[i] += 1);
            assert!(count.iter().all(|&c| c == 6), "{dim}: {count:?}");
        }
    }

    #[test]
    fn initial_activations_keep_their_size() {
        let mlp = Mlp::new(96, 1, 96, 96, 0.01);
        let p = initial_mlp(&mlp, Noise::new(1, 1, domain::INITIAL), false);
        assert_eq!(Some(p.len()), mlp.parameter_count());
        let variance = p[..96 * 96].iter().map(|w| w * w).sum::<f64>() / 96.0;
        assert!(
            (variance / 96.0 - 2.0 / 96.0).abs() < 0.1 / 96.0,
            "{variance}"
        );
    }
}
