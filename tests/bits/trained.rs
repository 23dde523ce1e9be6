//! Trainings: model files, and events of what was trained.

use crate::cases::{options, Hashes, Numbers};
use laser::model::{HostGenerator, Model};
use laser::protocol::{
    host_generator, refine, refine_again, train_generator, train_reweighter, unfold, EventSource,
    Instance, Source, Weights,
};
use laser::{Result, Rows, RowsMut};
use serde_json::{json, Value};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

const ROWS: usize = 2000;

/// Events of some shape. The last column may pass for a condition.
fn rows(columns: usize) -> Vec<f64> {
    let mut numbers = Numbers(3);
    let row = |_| {
        let mut row = numbers.normals(columns);
        row[0] = 1.0 + 0.5 * row[0] + 0.3 * row[1] * row[columns - 1];
        row
    };
    (0..ROWS).flat_map(row).collect()
}

/// `more` above `options`.
fn above(options: &Value, more: Value) -> Value {
    let mut all = options.as_object().unwrap().clone();
    all.extend(more.as_object().unwrap().clone());
    all.into()
}

fn source(rows: &[f64]) -> Source<'_> {
    Source::from_rows(Rows::packed(rows, rows.len() / ROWS).unwrap(), None).unwrap()
}

fn train(rows: &[f64], more: &Value) -> Model {
    train_generator(&mut source(rows), &options(more.clone()), &()).unwrap()
}

/// The generator of `more`, refined by it towards other events.
fn refined(rows: &[f64], more: &Value) -> Instance {
    let generator = Instance::new(train(rows, more));
    let other: Vec<f64> = rows.iter().map(|x| 0.9 * x + 0.2).collect();
    let mut target = source(&other);
    refine(&generator, &mut target, &options(more.clone()), &()).unwrap()
}

/// Of the file and of events.
fn add(hashes: &mut Hashes, name: &str, model: Instance, more: &Value) {
    hashes.file(format!("{name}: file"), &model);
    hashes.events(name, &Arc::new(model), &options(more.clone()));
}

pub fn all(hashes: &mut Hashes) {
    generators(hashes);
    scalings(hashes);
    settings(hashes);
    classifiers(hashes);
    refiners(hashes);
    conditions(hashes);
    omnifold(hashes);
    hosts(hashes);
    iterations(hashes);
    reweighters(hashes);
    unfoldings(hashes);
}

/// Kinds of generators.
fn kinds() -> [(&'static str, Value); 4] {
    [
        ("affine flow", json!({})),
        ("spline flow", json!({"flow.coupling": "spline"})),
        (
            "gan",
            json!({"generator.type": "gan", "generator.latent": 4}),
        ),
        ("vae", json!({"generator.type": "vae"})),
    ]
}

fn generators(hashes: &mut Hashes) {
    let rows = rows(3);
    for (kind, more) in kinds() {
        for dtype in ["float32", "float64"] {
            for threads in [1, 2] {
                let more = above(&more, json!({"dtype": dtype, "threads": threads}));
                let name = format!("trained {kind}, {dtype}, threads {threads}");
                add(hashes, &name, Instance::new(train(&rows, &more)), &more);
            }
        }
    }
}

fn scalings(hashes: &mut Hashes) {
    let mut rows = rows(2);
    // Between 0 and 1.
    rows.iter_mut()
        .for_each(|x| *x = 0.5 + 0.08 * x.clamp(-6.0, 6.0));
    for word in [
        "none",
        "standardise",
        "asinh",
        "log(0)",
        "logit(0:1)",
        "periodic(0:1)",
    ] {
        for dtype in ["float32", "float64"] {
            let more = json!({"features.scaling": word, "dtype": dtype});
            let name = format!("trained scaling {word}, {dtype}");
            add(hashes, &name, Instance::new(train(&rows, &more)), &more);
        }
    }
}

/// Two columns with weights, from a callback.
struct Events(Numbers);

impl EventSource for Events {
    fn dim(&self) -> usize {
        2
    }

    fn weighted(&self) -> bool {
        true
    }

    fn fill(&mut self, x: &mut [f64], w: &mut [f64]) -> Result<usize> {
        x.iter_mut().for_each(|x| *x = self.0.normal());
        w.iter_mut().for_each(|w| *w = 0.5 + self.0.uniform());
        Ok(w.len())
    }
}

/// Optimiser, schedules, and where events come from.
fn settings(hashes: &mut Hashes) {
    let rows = rows(2);
    for (word, more) in [
        (
            "exponential",
            json!({"flow.schedule": "exponential", "flow.gamma": 0.5}),
        ),
        (
            "cosine",
            json!({"flow.schedule": "cosine", "flow.warmup": 0}),
        ),
        ("constant", json!({"flow.schedule": "constant"})),
        ("clip", json!({"flow.clip": 0.1})),
        (
            "decay",
            json!({"flow.weight_decay": 0.1, "flow.beta1": 0.5, "flow.beta2": 0.8}),
        ),
        (
            "patience",
            json!({"flow.patience": 1, "flow.epochs": 6, "flow.lr": 0.3}),
        ),
        ("seed", json!({"seed": 77})),
        ("nothing held out", json!({"validation.events": 0})),
    ] {
        hashes.file(format!("trained with {word}: file"), &train(&rows, &more));
    }
    for kind in ["flow", "gan", "vae"] {
        let options = options(json!({"generator.type": kind}));
        let mut target = Source::from_events(Box::new(Events(Numbers(4)))).unwrap();
        let generator = train_generator(&mut target, &options, &()).unwrap();
        hashes.file(
            format!("trained {kind} of a weighted callback: file"),
            &generator,
        );
        let model = refine(&Instance::new(generator), &mut target, &options, &()).unwrap();
        hashes.file(
            format!("refined {kind} by a weighted callback: file"),
            &model,
        );
    }
}

fn classifiers(hashes: &mut Hashes) {
    let rows = rows(2);
    for dtype in ["float32", "float64"] {
        for (word, more) in [
            ("bce", json!({})),
            ("mse", json!({"classifier.loss": "mse"})),
            ("mlc", json!({"classifier.loss": "mlc"})),
            ("ensemble", json!({"classifier.ensemble": 3})),
            ("of both", json!({"classifier.inputs": "both"})),
            ("of events", json!({"classifier.inputs": "events"})),
            ("threads 2", json!({"threads": 2})),
        ] {
            let more = above(&more, json!({"dtype": dtype, "refiner.method": "reweight"}));
            let name = format!("classifier {word}, {dtype}");
            add(hashes, &name, refined(&rows, &more), &more);
        }
    }
}

fn refiners(hashes: &mut Hashes) {
    let rows = rows(2);
    for (kind, generator) in kinds() {
        let model = refined(&rows, &above(&generator, json!({"refiner.method": "auto"})));
        hashes.file(format!("refined {kind} by auto: file"), &model);
        for method in [
            "none",
            "reweight",
            "rejection",
            "resampling",
            "gan",
            "flow",
            "matching",
            "mixture",
            "langevin",
            "mala",
            "hmc",
        ] {
            let more = above(&generator, json!({"refiner.method": method}));
            let again = refine_again(&model, None, &options(more.clone()), &()).unwrap();
            add(hashes, &format!("refined {kind} by {method}"), again, &more);
        }
        for method in ["surrogate", "distilled"] {
            let more = above(
                &generator,
                json!({
                    "refiner.method": method, "surrogate.pool": 1000, "surrogate.layers": 1, "surrogate.units": 9,
                    "surrogate.epochs": 2, "surrogate.steps": 6, "surrogate.batch": 100, "surrogate.warmup": 3
                }),
            );
            let again = refine_again(&model, None, &options(more.clone()), &()).unwrap();
            let name = format!("refined {kind} by {method}");
            add(hashes, &name, again, &more);
        }
    }
    let double = json!({"dtype": "float64"});
    let model = refined(&rows, &double);
    for (word, more) in [
        ("gan", json!({"refiner.method": "gan"})),
        ("flow", json!({"refiner.method": "flow"})),
        (
            "affine flow",
            json!({"refiner.method": "flow", "refiner_flow.coupling": "affine"}),
        ),
        ("matching", json!({"refiner.method": "matching"})),
        (
            "hmc with masses",
            json!({"refiner.method": "hmc", "hmc.mass": "diagonal"}),
        ),
        (
            "hmc from the prior",
            json!({"refiner.method": "hmc", "hmc.start": "prior"}),
        ),
        (
            "hmc without a pilot",
            json!({"refiner.method": "hmc", "hmc.pilot": 0}),
        ),
    ] {
        for threads in [1, 2] {
            let more = above(&double, above(&more, json!({"threads": threads})));
            let name = format!("refined by {word}, float64, threads {threads}");
            let again = refine_again(&model, None, &options(more.clone()), &()).unwrap();
            add(hashes, &name, again, &more);
        }
    }
}

fn conditions(hashes: &mut Hashes) {
    let rows = rows(3);
    for (kind, generator) in kinds() {
        let generator = above(&generator, json!({"conditions": 1}));
        let model = refined(&rows, &above(&generator, json!({"refiner.method": "auto"})));
        hashes.file(format!("conditional {kind} refined by auto: file"), &model);
        for method in ["none", "reweight", "rejection", "gan", "flow", "matching"] {
            let more = above(&generator, json!({"refiner.method": method}));
            let options = options(more.clone());
            let again = refine_again(&model, Some(&mut source(&rows)), &options, &()).unwrap();
            add(
                hashes,
                &format!("conditional {kind} refined by {method}"),
                again,
                &more,
            );
        }
    }
}

fn omnifold(hashes: &mut Hashes) {
    let rows = rows(2);
    for (kind, generator) in kinds() {
        for (method, dtype) in [("rejection", "float32"), ("hmc", "float64")] {
            let more =
                json!({"pullback.method": "omnifold", "refiner.method": method, "dtype": dtype});
            let more = above(&generator, more);
            let name = format!("omnifold {kind}, {method}, {dtype}");
            add(hashes, &name, refined(&rows, &more), &more);
        }
    }
    for (word, method, more) in [
        ("mse", "rejection", json!({"classifier.loss": "mse"})),
        ("mlc", "rejection", json!({"classifier.loss": "mlc"})),
        ("ensemble", "hmc", json!({"classifier.ensemble": 3})),
    ] {
        let ways = json!({"pullback.method": "omnifold", "refiner.method": method});
        let more = above(&more, ways);
        let name = format!("omnifold {word}, {method}");
        add(hashes, &name, refined(&rows, &more), &more);
    }
}

/// x = (z₀ + ½ z₁², z₁ − ¼ z₀) and, if stochastic, something that is hidden.
struct Host {
    hidden: Option<AtomicU64>,
}

impl HostGenerator for Host {
    fn generate(&self, rows: usize, z: &[f64], _: &[f64], x: &mut [f64]) -> Result<()> {
        let first = self.hidden.as_ref();
        let first = first.map(|n| n.fetch_add(rows as u64, Ordering::Relaxed));
        for (row, (x, z)) in (0..).zip(x.chunks_mut(2).zip(z.chunks(2))) {
            let hidden = first.map_or(0.0, |first| Numbers((first + row) << 32).normal());
            x.copy_from_slice(&[z[0] + 0.5 * z[1] * z[1] + 0.3 * hidden, z[1] - 0.25 * z[0]]);
        }
        Ok(())
    }

    fn pull_gradient(
        &self,
        _: usize,
        z: &[f64],
        _: &[f64],
        of_x: &[f64],
        of_z: &mut [f64],
    ) -> Result<()> {
        for ((to, z), g) in of_z.chunks_mut(2).zip(z.chunks(2)).zip(of_x.chunks(2)) {
            to.copy_from_slice(&[g[0] - 0.25 * g[1], z[1] * g[0] + g[1]]);
        }
        Ok(())
    }
}

/// Generators that are callbacks.
fn hosts(hashes: &mut Hashes) {
    let rows = rows(2);
    for (word, stochastic, more) in [
        (
            "deterministic",
            false,
            json!({"refiner.method": "rejection"}),
        ),
        (
            "deterministic, matching",
            false,
            json!({"refiner.method": "matching"}),
        ),
        ("stochastic", true, json!({"refiner.method": "rejection"})),
        ("stochastic, hmc", true, json!({"refiner.method": "hmc"})),
        (
            "stochastic, direct",
            true,
            json!({"refiner.method": "rejection", "pullback.method": "direct"}),
        ),
    ] {
        for dtype in ["float32", "float64"] {
            let more = above(&more, json!({"dtype": dtype}));
            let settings = options(more.clone());
            let model = host_generator((2, 0, 2), stochastic, &settings).unwrap();
            let hidden = stochastic.then(|| AtomicU64::new(0));
            let host = Instance::new(model)
                .with_host(Arc::new(Host { hidden }))
                .unwrap();
            let model = refine(&host, &mut source(&rows), &settings, &()).unwrap();
            let name = format!("host {word}, {dtype}");
            hashes.file(format!("{name}: file"), &model);
            if !stochastic {
                let model = Arc::new(model);
                hashes.events(&name, &model, &settings);
                // By the callback's own gradient.
                let more = above(&more, json!({"sampler.method": "hmc"}));
                hashes.events(&format!("{name}, hmc"), &model, &options(more));
            }
        }
    }
}

fn iterations(hashes: &mut Hashes) {
    let rows = rows(2);
    for (kind, generator) in kinds() {
        for method in ["flow", "gan", "matching"] {
            if kind.ends_with("flow") && method != "flow" {
                continue;
            }
            for dtype in ["float32", "float64"] {
                let more = json!({"iteration.rounds": 2, "refiner.method": method, "dtype": dtype});
                let more = above(&generator, more);
                let name = format!("iterated {kind} by {method}, {dtype}");
                add(hashes, &name, refined(&rows, &more), &more);
            }
        }
    }
}

/// Unfolding with everything: efficiency, fakes, weights of both signs; of an ensemble, and a replica.
fn unfoldings(hashes: &mut Hashes) {
    let rows = rows(3);
    let data: Vec<f64> = rows.iter().map(|x| 0.9 * x + 0.2).collect();
    let signs: Vec<f64> = (0..ROWS)
        .map(|i| if i % 5 == 0 { -0.5 } else { 1.0 })
        .collect();
    let flags: Vec<i32> = (0..ROWS).map(|i| [3, 3, 1, 3, 2][i % 5]).collect();
    for (word, flags, more) in [
        ("plain", None, json!({})),
        (
            "everything",
            Some(&flags[..]),
            json!({"classifier.ensemble": 2, "threads": 2}),
        ),
        (
            "replica",
            Some(&flags[..]),
            json!({"dtype": "float64", "unfold.replica": 3}),
        ),
    ] {
        let options = options(above(
            &more,
            json!({"unfold.iterations": 2, "unfold.epochs": 1}),
        ));
        let source = |x, w| Source::from_rows(Rows::packed(x, 3).unwrap(), w).unwrap();
        let (simulated, data) = (source(&rows, None), source(&data, Some(&signs[..])));
        let made = unfold(&simulated, &simulated, &data, flags, &options, &()).unwrap();
        hashes.file(format!("unfolding, {word}: file"), &made.reweighter);
        hashes.numbers(format!("unfolding, {word}: weights"), &made.w);
    }
}

/// Weights between two samples: plain ones, of an ensemble, with weights and a support, and with conditions that only one has.
fn reweighters(hashes: &mut Hashes) {
    let rows = rows(3);
    let other: Vec<f64> = rows.iter().map(|x| 0.9 * x + 0.2).collect();
    let without: Vec<f64> = rows.chunks_exact(3).flat_map(|x| [x[0], x[1]]).collect();
    let signs: Vec<f64> = (0..ROWS)
        .map(|i| if i % 5 == 0 { -0.5 } else { 1.0 })
        .collect();
    for (word, from, weights, more) in [
        ("plain", &rows, None, json!({})),
        ("float64", &rows, None, json!({"dtype": "float64"})),
        (
            "ensemble",
            &rows,
            None,
            json!({"classifier.ensemble": 3, "threads": 2}),
        ),
        (
            "weights and support",
            &rows,
            Some(&signs[..]),
            json!({"support": "x0 > -3", "target.outside": 0.5}),
        ),
        ("conditions", &rows, None, json!({"conditions": 1})),
        ("parameters", &without, None, json!({"conditions": 1})),
    ] {
        let options = options(more);
        let columns = from.len() / ROWS;
        let from = Rows::packed(from, columns).unwrap();
        let mut from = Source::from_rows(from, weights).unwrap();
        let made = train_reweighter(&mut from, &mut source(&other), &options, &()).unwrap();
        hashes.file(format!("reweighter, {word}: file"), &made);
        let [mut w, mut spread] = [(); 2].map(|()| vec![0.0; ROWS]);
        let out = Weights {
            w: Some(RowsMut::column(&mut w)),
            log_w: None,
            spread: Some(RowsMut::column(&mut spread)),
        };
        let x = Rows::packed(&rows, 3).unwrap();
        made.weights(&options, x, out).unwrap();
        hashes.numbers(format!("reweighter, {word}: weights"), &w);
        hashes.numbers(format!("reweighter, {word}: spread"), &spread);
    }
}
