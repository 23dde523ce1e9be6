//! Flows of FrEIA, nflows and zuko, as liblaser.export has written them (`tests/export/run LIBRARY --reference`), against what
//! PyTorch says of them.
#![allow(clippy::unwrap_used)] // tests fail so

use laser::model::Model;
use laser::options::Options;
use laser::protocol::evaluator;
use serde_json::Value;
use std::path::Path;

fn numbers(value: &Value) -> Vec<f64> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|v| v.as_f64().unwrap()).collect()
}

fn near(got: &[f64], expected: &[f64], what: &str) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        let error = (got - expected).abs() / expected.abs().max(1.0);
        assert!(error < 1e-9, "{what}: {got}, not {expected}");
    }
}

fn agrees(backend: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/foreign");
    let text = std::fs::read_to_string(folder.join("values.json")).unwrap();
    let values: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(values.len(), 7);
    let mut options = Options::new();
    options.set_str("backend", backend).unwrap();
    for (name, rows) in values {
        let model = Model::load(&folder.join(format!("{name}.laser"))).unwrap();
        let mut flow = evaluator(&model, &options).unwrap();
        let [z, x, log_prob] = ["z", "x", "log_prob"].map(|key| numbers(&rows[key]));
        let n = log_prob.len();
        let (mut events, mut log_p) = (vec![0.0; x.len()], vec![0.0; n]);
        flow.generate(&z, n, &mut events, Some(&mut log_p)).unwrap();
        near(&events, &x, &name);
        near(&log_p, &log_prob, &name);
        flow.log_prob(&x, n, &mut log_p).unwrap();
        near(&log_p, &log_prob, &name);
        let mut latents = vec![0.0; z.len()];
        flow.latent(&x, n, &mut latents).unwrap();
        near(&latents, &z, &name);
    }
}

#[test]
fn flows_of_pytorch_are_the_same_on_the_engine() {
    agrees("engine");
}

#[cfg(feature = "torch")]
#[test]
fn flows_of_pytorch_are_the_same_on_libtorch() {
    agrees("torch");
}
