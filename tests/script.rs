//! Generators that are TorchScript modules.
#![cfg(feature = "torch")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

use laser::model::Model;
use laser::noise::{domain, Noise};
use laser::options::Options;
use laser::protocol::{generate, load_generator, refine, Instance, Outputs, Sampler, Source};
use laser::{Error, Rows, RowsMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{CModule, Kind, Tensor};

/// A module (z₀, z₁, …, c) ↦ (z₀ + z₁ / 2, z₁ − c), or without c.
fn save(folder: &Path, name: &str, columns: i64) -> PathBuf {
    let example = Tensor::zeros([2, columns], (Kind::Float, tch::Device::Cpu));
    let mut map = |inputs: &[Tensor]| {
        let (a, b) = (inputs[0].narrow(1, 0, 1), inputs[0].narrow(1, 1, 1));
        let c = if columns > 2 {
            inputs[0].narrow(1, 2, 1)
        } else {
            b.zeros_like()
        };
        vec![Tensor::cat(&[&a + &b * 0.5, &b - &c], 1)]
    };
    let module = CModule::create_by_tracing("Generator", "forward", &[example], &mut map).unwrap();
    let path = folder.join(name);
    module.save(&path).unwrap();
    path
}

fn options(more: &str) -> Options {
    Options::from_json(&format!(
        r#"{{"preset": "fast", "generator.latent": 2, "weights.events": 20000,
            "classifier": {{"layers": 2, "units": 24, "epochs": 10, "batch": 500, "steps": 80, "lr": 5e-3}} {more}}}"#
    ))
    .unwrap()
}

#[test]
fn modules_generate_are_refined_and_saved_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = save(folder.path(), "plain.pt", 2);
    let generator = Instance::new(load_generator(&path, &options("")).unwrap());
    assert_eq!(
        (
            generator.generator.latent_dim(),
            generator.generator.event_dim()
        ),
        (2, 2)
    );
    let z = [1.0, 2.0, -0.5, 0.25];
    let mut x = [0.0; 4];
    generate(
        &generator,
        &Options::new(),
        Rows::packed(&z, 2).unwrap(),
        RowsMut::packed(&mut x, 2).unwrap(),
    )
    .unwrap();
    assert_eq!(x, [2.0, 2.0, -0.375, 0.25]);

    // Target: the same map of latents shifted by (0.5, 0).
    let mut target = vec![0.0; 2 * 30_000];
    Noise::new(9, 0, domain::TRAINING).fill_normals(0, 30_000, 2, &mut target);
    for x in target.chunks_mut(2) {
        x[0] += 0.5 + 0.5 * x[1];
    }
    let mut source = Source::from_rows(Rows::packed(&target, 2).unwrap(), None).unwrap();
    let model = refine(&generator, &mut source, &options(""), &()).unwrap();
    // log w(z) = z₀ / 2 − 1/8, with its gradient through the module.
    let mut evaluator = model.evaluator(&Options::new(), 1).unwrap();
    let (mut log_w, mut gradient) = ([0.0; 3], [0.0; 6]);
    let z = [0.0, 0.0, 1.0, 0.5, -0.5, -1.0];
    evaluator
        .log_weight_gradient(&z, 3, &mut log_w, &mut gradient)
        .unwrap();
    for ((z, l), g) in z.chunks(2).zip(log_w).zip(gradient.chunks(2)) {
        assert!(
            (l - (0.5 * z[0] - 0.125)).abs() < 0.12,
            "log w({z:?}) = {l}"
        );
        assert!(
            (g[0] - 0.5).abs() < 0.2 && g[1].abs() < 0.2,
            "∇ log w({z:?}) = {g:?}"
        );
    }

    // The file holds the module.
    let file = folder.path().join("model.laser");
    model.save(&file).unwrap();
    let loaded = Model::load(&file).unwrap();
    assert_eq!(loaded, *model);
    let sample = |model: Model| {
        let mut x = vec![0.0; 2 * 5000];
        let mut sampler = Sampler::new(Arc::new(Instance::new(model)), 1, 0, &options("")).unwrap();
        let outputs = Outputs {
            x: Some(RowsMut::packed(&mut x, 2).unwrap()),
            ..Outputs::default()
        };
        sampler.generate(5000, outputs).unwrap();
        x
    };
    let x = sample(loaded);
    assert_eq!(x, sample((*model).clone()));
    let mean = x.iter().step_by(2).sum::<f64>() / 5000.0;
    assert!((mean - 0.5).abs() < 0.08, "{mean}");
}

#[test]
fn conditions_follow_the_latents() {
    let folder = tempfile::tempdir().unwrap();
    let path = save(folder.path(), "conditional.pt", 3);
    let options = options(r#", "conditions": 1"#);
    let generator = Instance::new(load_generator(&path, &options).unwrap());
    let mut x = [0.0; 2];
    generate(
        &generator,
        &options,
        Rows::packed(&[1.0, 2.0, 0.5], 3).unwrap(),
        RowsMut::packed(&mut x, 2).unwrap(),
    )
    .unwrap();
    assert_eq!(x, [2.0, 1.5]);
}

#[test]
fn what_is_no_module_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = save(folder.path(), "plain.pt", 2);
    let error = load_generator(&path, &Options::new()).unwrap_err();
    assert!(
        matches!(error, Error::InvalidArgument(_))
            && error.to_string().contains("generator.latent"),
        "{error}"
    );
    let wide = Options::from_json(r#"{"generator.latent": 1}"#).unwrap();
    let error = load_generator(&path, &wide).unwrap_err();
    assert!(matches!(error, Error::Torch(_)), "{error}");
    let zip = folder.path().join("no.pt");
    std::fs::write(&zip, b"PK\x03\x04 nothing else").unwrap();
    let error = load_generator(&zip, &options("")).unwrap_err();
    assert!(matches!(error, Error::Torch(_)), "{error}");
    let text = folder.path().join("text");
    std::fs::write(&text, b"not a model").unwrap();
    assert!(load_generator(&text, &options("")).is_err());
    let error = load_generator(&folder.path().join("absent"), &options("")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}
