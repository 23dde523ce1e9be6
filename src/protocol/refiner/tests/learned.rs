//! Trainings of the learned refiners on weights that are known.

use super::super::learned::{learn, Learned};
use super::super::{flow::FlowRefiner, gan::GanRefiner, matching::MatchingRefiner};
use super::*;
use crate::compute::Session;
use crate::engine::Engine;
use crate::model::{Dtype, Generator, GeneratorKind, Model, Refiner, Scaling};
use crate::noise::{domain, Noise};
use crate::options::Options;
use crate::train::Record;
use std::sync::Arc;

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
            module: Arc::default(),
            parameters: refiner.parameters.clone(),
        },
        classifier: None,
        latent_classifier: None,
        names: Vec::new(),
        support: None,
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

fn dims(latent: usize, conditions: usize) -> Dims {
    Dims {
        latent,
        conditions,
        features: latent,
    }
}

fn train<L: Learned>(tilt: f64, conditions: usize, options: &Options) -> (Refiner, Record) {
    let (rows, log_w) = tilted(tilt, conditions);
    let session = Session::new(options, &());
    let (refiner, record) = learn::<L>(session, dims(2, conditions), rows, &log_w).unwrap();
    assert!(L::METHOD.learns(&refiner.map));
    assert!(L::STAGE.ends_with(L::METHOD.name()));
    refiner.validate(2, conditions).unwrap();
    (refiner, record)
}

fn learns_a_tilted_normal_density<L: Learned>(tolerance: f64) {
    let options = options("engine");
    let (refiner, _) = train::<L>(0.5, 0, &options);
    assert_tilted(L::METHOD, &refiner, 0.5, &[], tolerance);
    let (refiner, _) = train::<L>(0.0, 1, &options);
    for c in [-0.5, 0.5] {
        assert_tilted(L::METHOD, &refiner, c, &[c], 2.0 * tolerance);
    }
}

#[test]
fn refiners_learn_a_tilted_normal_density() {
    learns_a_tilted_normal_density::<GanRefiner>(0.12);
    learns_a_tilted_normal_density::<FlowRefiner>(0.04);
    learns_a_tilted_normal_density::<MatchingRefiner>(0.04);
}

#[cfg(feature = "torch")]
fn libtorch_learns_the_same<L: Learned>() {
    let [engine, torch] = ["engine", "torch"].map(|backend| {
        let (_, record) = train::<L>(0.5, 0, &options(backend));
        record.losses
    });
    assert_eq!(engine.len(), torch.len());
    for (a, b) in engine.iter().zip(&torch) {
        assert!((a - b).abs() < 2e-3 * (1.0 + b.abs()), "{a}, {b}");
    }
}

#[cfg(feature = "torch")]
#[test]
fn libtorch_learns_a_flow_and_velocities_alike() {
    libtorch_learns_the_same::<FlowRefiner>();
    libtorch_learns_the_same::<MatchingRefiner>();
}

fn refused<L: Learned>(log_w: &[f64], dim: usize) -> String {
    let mut options = options("engine");
    options.set_i64("gan.latent", 1).unwrap();
    let session = Session::new(&options, &());
    let rows = vec![0.0; dim * log_w.len()];
    let trained = learn::<L>(session, dims(dim, 0), rows, log_w);
    trained.err().unwrap().to_string()
}

#[test]
fn what_cannot_be_learned_is_refused() {
    assert!(refused::<GanRefiner>(&[0.0; 9], 2).contains("`gan.latent` is 1"));
    assert!(refused::<FlowRefiner>(&[0.0; 9], 1).contains("two dimensions"));
    for w in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = refused::<MatchingRefiner>(&[w; 9], 2);
        assert!(error.contains("mean weight"), "{error}");
    }
    let error = refused::<MatchingRefiner>(&[0.0; 9], 2);
    assert!(error.contains("matching.batch"), "{error}");
}
