//! Refiners that are networks Φ, y → z, trained on weighted latents of the prior; and the events that they make.

use super::pool::{unit_weights, Pool};
use super::proposals::Proposals;
use super::{flow, gan, matching, Statistics};
use crate::model::{Dtype, Evaluator, Map, Method, Refiner};
use crate::objective::Goal;
use crate::options::{keys, Key, Options};
use crate::train::{Hooks, Record, Settings};
use crate::{Error, Result};

/// Refined events x = g(Φ(y)).
pub(in super::super) struct Learned {
    /// L.
    pub auxiliary_dim: usize,
}

impl Proposals for Learned {
    const WEIGHTED: bool = false;

    fn max_tries(&self) -> u64 {
        super::prior::FINITE_TRIES
    }

    fn prior_dim(&self) -> usize {
        self.auxiliary_dim
    }

    fn propose(
        &mut self,
        evaluator: &mut dyn Evaluator,
        y: &[f64],
        rows: usize,
        z: &mut [f64],
    ) -> Result<()> {
        evaluator.refine(y, rows, z)
    }

    fn judge(&mut self, _: f64, _: f64, _: &mut Statistics) -> Option<f64> {
        Some(1.0)
    }
}

/// What a refiner is trained with, beside its latents.
#[derive(Clone, Copy)]
pub(super) struct Training<'a> {
    /// N.
    pub latent_dim: usize,
    /// C.
    pub conditions: usize,
    pub seed: u64,
    pub dtype: Dtype,
    pub options: &'a Options,
    pub hooks: &'a dyn Hooks,
}

impl Training<'_> {
    /// Minimises the goal over the pool.
    pub fn fit(
        &self,
        goal: Goal,
        settings: &Settings,
        mut pool: Pool,
        parameters: &mut [f64],
    ) -> Result<Record> {
        let Training {
            dtype,
            options,
            hooks,
            ..
        } = *self;
        crate::compute::fit(goal, settings, dtype, &mut pool, parameters, options, hooks)
    }
}

/// What sets the training of a learned `method`, and how many weighted latents it learns from; none if it does not learn.
fn keys_of(method: Method) -> Option<(keys::StageKeys, Key<i64>)> {
    match method {
        Method::Gan => Some((keys::GAN_TRAINING, keys::GAN_POOL)),
        Method::Flow => Some((keys::REFINER_FLOW_TRAINING, keys::REFINER_FLOW_POOL)),
        Method::Matching => Some((keys::MATCHING_TRAINING, keys::MATCHING_POOL)),
        _ => None,
    }
}

/// How many weighted latents `method` learns from; none if it does not learn.
pub(in super::super) fn pool_size(method: Method, options: &Options) -> Option<usize> {
    keys_of(method).map(|(_, pool)| options.get(pool) as usize)
}

/// Checks that `method`, if it learns, can do so for N latents and C conditions.
///
/// # Errors
/// Those of the options in [`train_refiner`]; [`Error::InvalidArgument`] for a batch larger than the pool.
pub(in super::super) fn learnable(
    method: Method,
    dims: (usize, usize),
    options: &Options,
) -> Result<()> {
    let Some((training, pool)) = keys_of(method) else {
        return Ok(());
    };
    match method {
        Method::Gan => drop(gan::networks(dims, options)?),
        Method::Flow => drop(flow::network(dims, options)?),
        _ => drop(matching::network(dims, options)?),
    }
    let (batch, rows) = (options.get(training.batch), options.get(pool));
    if batch > rows {
        return Err(Error::InvalidArgument(format!(
            "`{}` is {batch}, but `{}`, the latents to learn from, is {rows}; lower the one or raise the other",
            training.batch.name(),
            pool.name()
        )));
    }
    Ok(())
}

/// The stages of [`train_refiner`], in records.
pub(in super::super) const STAGES: [&str; 3] = ["gan", "refiner_flow", "matching"];

/// Trains the refiner of `method` on `rows` of the prior, each a latent (N) and a scaled condition (C), with weights exp(`log_w`). Returns
/// it with the stage's name and record.
///
/// # Errors
/// [`Error::Numerical`] if no weight is usable or the training diverges, [`Error::InvalidArgument`] for options that do not fit the latent
/// space; those of the hooks.
pub(in super::super) fn train_refiner(
    method: Method,
    rows: Vec<f64>,
    log_w: &[f64],
    (latent_dim, conditions): (usize, usize),
    dtype: Dtype,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<(Refiner, &'static str, Record)> {
    let training = Training {
        latent_dim,
        conditions,
        seed: options.get(keys::SEED) as u64,
        dtype,
        options,
        hooks,
    };
    let weights = unit_weights(log_w)?;
    let (stage, (map, parameters, record)) = match method {
        Method::Gan => (STAGES[0], gan::train(training, rows, weights)?),
        Method::Flow => (STAGES[1], flow::train(training, rows, weights)?),
        Method::Matching => (STAGES[2], matching::train(training, rows, weights)?),
        other => return Err(Error::Internal(format!("{other:?} learns nothing"))),
    };
    Ok((Refiner { map, parameters }, stage, record))
}

/// A trained map, its parameters and the training's record.
pub(super) type Trained = (Map, Vec<f64>, Record);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::model::{Generator, GeneratorKind, Model, Scaling};
    use crate::noise::{domain, Noise};

    const ROWS: usize = 40_000;

    fn options(backend: &str) -> Options {
        let json = r#"{"preset": "fast",
            "gan": {"layers": 2, "units": 24, "epochs": 20, "steps": 60, "batch": 500, "lr": 0.001},
            "refiner_flow": {"blocks": 4, "layers": 1, "units": 16, "epochs": 3, "steps": 80, "batch": 500, "lr": 0.005},
            "matching": {"layers": 2, "units": 24, "epochs": 5, "steps": 80, "batch": 500, "lr": 0.005, "group": 100}}"#;
        let mut options = Options::from_json(json).unwrap();
        options.set_str("backend", backend).unwrap();
        options
    }

    /// Latents of the prior and conditions ±½, of which log w = (tilt + c) z₀ makes normal latents of mean (tilt + c, 0) and width 1.
    fn tilted(tilt: f64, conditions: usize) -> (Vec<f64>, Vec<f64>) {
        let mut z = vec![0.0; 2 * ROWS];
        Noise::new(1, 0, domain::POOL).fill_normals(0, ROWS, 2, &mut z);
        let (mut rows, mut log_w) = (Vec::new(), Vec::new());
        for (i, z) in z.chunks_exact(2).enumerate() {
            let c = if conditions == 0 {
                0.0
            } else {
                (i % 2) as f64 - 0.5
            };
            rows.extend_from_slice(z);
            rows.extend(std::iter::repeat_n(c, conditions));
            // The weight's mean over the prior is one for either condition.
            let mean = tilt + c;
            log_w.push(mean * z[0] - 0.5 * mean * mean);
        }
        (rows, log_w)
    }

    /// Mean and variance of both columns of Φ(y) for the condition `c`.
    fn moments(refiner: &Refiner, c: &[f64]) -> [(f64, f64); 2] {
        let model = Model {
            dtype: Dtype::Float32,
            generator: Generator {
                kind: GeneratorKind::Networks {
                    maps: vec![refiner.map.clone()],
                },
                scalings: vec![Scaling::None; 2],
                conditions: vec![Scaling::None; c.len()],
                module: Vec::new(),
                parameters: refiner.parameters.clone(),
            },
            classifier: None,
            latent_classifier: None,
            refinement: None,
            record: serde_json::Map::new(),
        };
        let auxiliary = refiner.auxiliary_dim(c.len());
        let mut y = vec![0.0; ROWS * auxiliary];
        Noise::new(2, 0, domain::LATENT).fill_normals(0, ROWS, auxiliary, &mut y);
        let rows = y.chunks_exact(auxiliary).flat_map(|y| y.iter().chain(c));
        let rows: Vec<f64> = rows.copied().collect();
        let mut z = vec![0.0; ROWS * (2 + c.len())];
        let mut evaluator = Engine::new(&model).unwrap().evaluator(1);
        evaluator.generate(&rows, ROWS, &mut z, None).unwrap();
        [0, 1].map(|k| {
            let column = || z.chunks_exact(2 + c.len()).map(|row| row[k]);
            let mean = column().sum::<f64>() / ROWS as f64;
            let squares = column().map(|z| (z - mean).powi(2)).sum::<f64>();
            (mean, squares / ROWS as f64)
        })
    }

    fn assert_tilted(method: Method, refiner: &Refiner, mean: f64, c: &[f64], tolerance: f64) {
        for ((mean, variance), expected) in moments(refiner, c).into_iter().zip([mean, 0.0]) {
            assert!(
                (mean - expected).abs() < tolerance && (variance - 1.0).abs() < 2.0 * tolerance,
                "{method:?}, {c:?}: mean {mean}, not {expected}, variance {variance}"
            );
        }
    }

    fn train(method: Method, tilt: f64, conditions: usize, options: &Options) -> (Refiner, Record) {
        let (rows, log_w) = tilted(tilt, conditions);
        let dims = (2, conditions);
        let (refiner, stage, record) =
            train_refiner(method, rows, &log_w, dims, Dtype::Float32, options, &()).unwrap();
        assert_eq!(refiner.method(), method);
        assert!(stage.ends_with(method.name()));
        refiner.validate(2, conditions).unwrap();
        (refiner, record)
    }

    #[test]
    fn refiners_learn_a_tilted_normal_density() {
        let options = options("engine");
        for (method, tolerance) in [
            (Method::Gan, 0.12),
            (Method::Flow, 0.04),
            (Method::Matching, 0.04),
        ] {
            let (refiner, _) = train(method, 0.5, 0, &options);
            assert_tilted(method, &refiner, 0.5, &[], tolerance);
            let (refiner, _) = train(method, 0.0, 1, &options);
            for c in [-0.5, 0.5] {
                assert_tilted(method, &refiner, c, &[c], 2.0 * tolerance);
            }
        }
    }

    #[cfg(feature = "torch")]
    #[test]
    fn libtorch_learns_the_same() {
        for method in [Method::Flow, Method::Matching] {
            let [engine, torch] = ["engine", "torch"].map(|backend| {
                let (_, record) = train(method, 0.5, 0, &options(backend));
                record.losses
            });
            assert_eq!(engine.len(), torch.len());
            for (a, b) in engine.iter().zip(&torch) {
                assert!((a - b).abs() < 2e-3 * (1.0 + b.abs()), "{a}, {b}");
            }
        }
    }

    #[test]
    fn what_cannot_be_learned_is_refused() {
        let mut options = options("engine");
        options.set_i64("gan.latent", 1).unwrap();
        let refused = |method, log_w: &[f64], dim| {
            let rows = vec![0.0; dim * log_w.len()];
            let dtype = Dtype::Float32;
            let trained = train_refiner(method, rows, log_w, (dim, 0), dtype, &options, &());
            trained.err().unwrap().to_string()
        };
        assert!(refused(Method::Gan, &[0.0; 9], 2).contains("`gan.latent` is 1"));
        assert!(refused(Method::Flow, &[0.0; 9], 1).contains("two dimensions"));
        for w in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = refused(Method::Matching, &[w; 9], 2);
            assert!(error.contains("mean weight"), "{error}");
        }
        let error = refused(Method::Matching, &[0.0; 9], 2);
        assert!(error.contains("matching.batch"), "{error}");
        assert!(pool_size(Method::Hmc, &options).is_none());
    }
}
