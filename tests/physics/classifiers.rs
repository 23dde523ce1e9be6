//! How far the weights of classifiers are from the ratio of densities, and what their training costs: a table of settings.

use super::targets::{Target, NARROW_RINGS, TARGETS};
use super::{options, source, words};
use laser::metrics::{jsd, Histogram2d};
use laser::options::Options;
use laser::protocol::{
    evaluator, refine, refine_again, train_generator, Instance, Outputs, Sampler,
};
use laser::{Rows, RowsMut};
use serde_json::Value;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

/// Of every class, none of them trained on.
const FRESH: usize = 500_000;

/// Sets `key=value`, and `key=value+key=value`.
fn set(options: &mut Options, settings: &str) {
    for (key, value) in settings.split('+').filter_map(|s| s.split_once('=')) {
        let whole = value
            .parse()
            .map_err(|_| ())
            .and_then(|n| options.set_i64(key, n).map_err(drop));
        let set = whole.or_else(|()| match value.parse() {
            Ok(number) => options.set_f64(key, number),
            Err(_) => options.set_str(key, value),
        });
        set.unwrap();
    }
}

fn histogram(x: &[f64], w: Option<&[f64]>, dim: usize, ranges: [[f64; 2]; 2]) -> Histogram2d {
    let mut of = Histogram2d::new(100, ranges[0], 100, ranges[1]).unwrap();
    let rows = Rows::new(x, x.len() / dim, 2, dim).unwrap();
    of.fill(rows, w).unwrap();
    of
}

/// Of the first two features, five standard deviations wide.
fn window(truth: &[f64], dim: usize) -> [[f64; 2]; 2] {
    let n = truth.len() as f64 / dim as f64;
    [0, 1].map(|k| {
        let column = || truth.iter().skip(k).step_by(dim);
        let mean = column().sum::<f64>() / n;
        let std = (column().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        [mean - 2.5 * std, mean + 2.5 * std]
    })
}

/// On events of the target and of the generator that no training has seen: the loss, and the JSD before and after reweighting.
fn judge(target: &Target, model: &Arc<Instance>, truth: &[f64], settings: &Options) -> [f64; 3] {
    let dim = target.dim;
    let rows = truth.len() / dim;
    let mut of_truth = vec![0.0; rows];
    let mut of_made = vec![0.0; rows];
    let mut made = vec![0.0; rows * dim];
    let mut evaluator = evaluator(model, settings).unwrap();
    let mut sampler = Sampler::new(model.clone(), 77, 0, &{
        let mut options = settings.clone();
        options.set_str("sampler.method", "reweight").unwrap();
        options
    })
    .unwrap();
    const BLOCK: usize = 10_000;
    for first in (0..rows).step_by(BLOCK) {
        let x = &truth[first * dim..][..BLOCK * dim];
        evaluator
            .log_weight(x, BLOCK, &mut of_truth[first..][..BLOCK])
            .unwrap();
    }
    let mut weights = vec![0.0; rows];
    sampler
        .generate(
            rows,
            Outputs {
                x: Some(RowsMut::new(&mut made, rows, dim, dim).unwrap()),
                w: Some(RowsMut::column(&mut weights)),
                ..Outputs::default()
            },
        )
        .unwrap();
    of_made
        .iter_mut()
        .zip(&weights)
        .for_each(|(l, w): (&mut f64, &f64)| *l = w.ln());
    let softplus = |l: f64| {
        if l > 0.0 {
            l + (-l).exp().ln_1p()
        } else {
            l.exp().ln_1p()
        }
    };
    let finite = |l: &&f64| l.is_finite();
    let loss = of_truth
        .iter()
        .filter(finite)
        .map(|l| softplus(-l))
        .sum::<f64>()
        / rows as f64
        + of_made
            .iter()
            .filter(finite)
            .map(|l| softplus(*l))
            .sum::<f64>()
            / rows as f64;
    let ranges = window(truth, dim);
    let p = histogram(truth, None, dim, ranges);
    let before = jsd(&p, &histogram(&made, None, dim, ranges)).unwrap().value;
    let after = jsd(&p, &histogram(&made, Some(&weights), dim, ranges))
        .unwrap()
        .value;
    [0.5 * loss, before, after]
}

/// `RUNS="classifier.inputs=events,classifier.inputs=both+classifier.epochs=72" TARGETS=rings,shells GENERATOR=… cargo test … classifiers`
#[test]
#[ignore = "an hour: make physics"]
fn classifiers() {
    const ROWS: usize = 260_000;
    let (chosen, runs) = (words("TARGETS", ""), words("RUNS", ""));
    let general = words("OPTIONS", "")[0].clone();
    println!("| target | settings | loss | ideal AUC | χ² | JSD before | after | floor | s |\n|---|---|---|---|---|---|---|---|---|");
    for target in TARGETS.into_iter().chain([NARROW_RINGS]) {
        if !chosen[0].is_empty() && !chosen.iter().any(|name| name == target.name) {
            continue;
        }
        let x = target.events(ROWS, 1);
        let truth = target.events(FRESH, 2);
        let other = target.events(FRESH, 3);
        let mut settings = options(
            target.scaling,
            target.support,
            &[("weights.events", 100_000.0)],
        );
        settings.set_str("refiner.method", "rejection").unwrap();
        set(&mut settings, &general);
        let generator = train_generator(&mut source(&x, target.dim), &settings, &()).unwrap();
        let generator = Instance::new(generator);
        let ranges = window(&truth, target.dim);
        let floor = jsd(
            &histogram(&truth, None, target.dim, ranges),
            &histogram(&other, None, target.dim, ranges),
        )
        .unwrap()
        .value;
        for run in &runs {
            let mut settings = settings.clone();
            set(&mut settings, run);
            let start = Instant::now();
            let model = match refine(&generator, &mut source(&x, target.dim), &settings, &()) {
                Ok(model) => Arc::new(model),
                Err(error) => {
                    println!("| {} | {run} | {error} |", target.name);
                    continue;
                }
            };
            let seconds = start.elapsed().as_secs_f64();
            let [loss, before, after] = judge(&target, &model, &truth, &settings);
            let calibration = &model.record["weights"]["calibration"];
            println!(
                "| {} | {run} | {loss:.5} | {:.4} | {:.2} | {:.5} | {:.5} | {floor:.5} | {seconds:.0} |",
                target.name,
                calibration["auc"].as_f64().unwrap(),
                calibration["chi_square"].as_f64().unwrap(),
                before,
                after,
            );
            std::io::stdout().flush().unwrap();
        }
    }
}

/// Calls of the generator for an event, of rejection from the prior, by a surrogate first, by that alone (and what it has not learned), and from a mixture:
/// `TARGETS=… OPTIONS=… cargo test … calls`
#[test]
#[ignore = "half an hour: make physics"]
fn calls() {
    const ROWS: usize = 260_000;
    const EVENTS: usize = 50_000;
    let (chosen, general) = (words("TARGETS", ""), words("OPTIONS", "")[0].clone());
    println!(
        "| target | method | calls an event | training, s | µs an event |\n|---|---|---|---|---|"
    );
    for target in TARGETS.into_iter().chain([NARROW_RINGS]) {
        if !chosen[0].is_empty() && !chosen.iter().any(|name| name == target.name) {
            continue;
        }
        let x = target.events(ROWS, 1);
        let mut settings = options(target.scaling, target.support, &[]);
        settings.set_str("refiner.method", "rejection").unwrap();
        set(&mut settings, &general);
        let generator = train_generator(&mut source(&x, target.dim), &settings, &()).unwrap();
        let generator = Instance::new(generator);
        let model = refine(&generator, &mut source(&x, target.dim), &settings, &()).unwrap();
        for method in ["rejection", "surrogate", "distilled", "mixture"] {
            settings.set_str("refiner.method", method).unwrap();
            let start = Instant::now();
            let refined = Arc::new(refine_again(&model, None, &settings, &()).unwrap());
            let training = start.elapsed().as_secs_f64();
            let opinion = &refined
                .record
                .get("refiner")
                .map(|r| &r["second_opinion"]["refined"]);
            let opinion = opinion.and_then(Value::as_f64);
            let mut sampler = Sampler::new(refined, 3, 0, &settings).unwrap();
            let start = Instant::now();
            sampler.generate(EVENTS, Outputs::<f64>::default()).unwrap();
            let time = 1e6 * start.elapsed().as_secs_f64() / EVENTS as f64;
            let calls = sampler.diagnostic("calls_per_event").unwrap();
            let left = opinion.map_or(String::new(), |auc| format!(", AUC {auc:.3}"));
            println!(
                "| {} | {method}{left} | {calls:.2} | {training:.0} | {time:.1} |",
                target.name
            );
            std::io::stdout().flush().unwrap();
        }
    }
}
