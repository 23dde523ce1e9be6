//! liblaser starts no thread behind its host's back. A test program of its own: the threads of a process are counted.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // tests fail so

use laser::options::Options;
use laser::protocol::{log_prob, refine, train_generator, Instance, Outputs, Sampler, Source};
use laser::{Rows, RowsMut};
use std::sync::Arc;

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn one_thread_means_one_thread() {
    // The paper's networks: large enough for libtorch to share its work among threads, if it were let.
    let x: Vec<f64> = (0..60_000)
        .map(|i| ((i * 7919 % 10007) as f64 / 5000.0).sin())
        .collect();
    let mut target = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
    let options = Options::from_json(
        r#"{"flow": {"epochs": 1, "steps": 3}, "classifier": {"epochs": 1, "steps": 3},
            "gan": {"epochs": 1, "steps": 8, "pool": 20000}, "weights.events": 20000, "refiner.method": "gan"}"#,
    )
    .unwrap();
    let before = threads();
    let generator = Instance::new(train_generator(&mut target, &options, &()).unwrap());
    let model = Arc::new(refine(&generator, &mut target, &options, &()).unwrap());
    let mut log_p = vec![0.0; 30_000];
    log_prob(
        &model,
        &options,
        Rows::packed(&x, 2).unwrap(),
        RowsMut::column(&mut log_p),
    )
    .unwrap();
    let mut sampler = Sampler::new(model, 1, 0, &options).unwrap();
    let mut events = vec![0.0; 40_000];
    let out = Outputs {
        x: Some(RowsMut::packed(&mut events, 2).unwrap()),
        ..Outputs::default()
    };
    sampler.generate(20_000, out).unwrap();
    assert_eq!(threads(), before);
}
