//! Features that are no continuous numbers: classes, counts and exact zeros, of a law of which all is known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

use laser::model::Model;
use laser::noise::{domain, normal_quantiles, Noise};
use laser::options::Options;
use laser::protocol::{
    host_generator, latent, log_prob, refine, refine_again, train_generator, HostGenerator,
    Instance, Outputs, Sampler, Source,
};
use laser::{Error, Result, Rows, RowsMut};
use std::f64::consts::PI;
use std::sync::Arc;

/// Of a class, the mean of its count and the probability that its energy is 0.
const CLASSES: [(f64, f64, f64); 3] = [(0.5, 2.0, 0.6), (0.3, 5.0, 0.3), (0.2, 9.0, 0.1)];
const SCALING: &str = "category(3), integer(0:), zeros(0, log), standardise";

fn poisson(n: f64, mean: f64) -> f64 {
    (n * mean.ln() - mean - libm::lgamma(n + 1.0)).exp()
}

fn normal(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// The middle of ln energy and of the position.
fn middles(class: f64, count: f64) -> (f64, f64) {
    (0.1 * count, class - 1.0)
}

/// Rows of class, count, energy, position.
fn events(rows: usize, stream: u64) -> Vec<f64> {
    let noise = Noise::new(11, stream, domain::TRAINING);
    let mut x = Vec::with_capacity(4 * rows);
    for row in 0..rows as u64 {
        let mut u = [0.0; 5];
        noise.uniforms(row, 0, &mut u);
        let class = if u[0] < 0.5 {
            0
        } else {
            1 + usize::from(u[0] > 0.8)
        };
        let (_, mean, zero) = CLASSES[class];
        let (mut count, mut below) = (0.0, poisson(0.0, mean));
        while below < u[1] && count < 60.0 {
            count += 1.0;
            below += poisson(count, mean);
        }
        let (energy, position) = middles(class as f64, count);
        let mut z = [u[3], u[4]];
        normal_quantiles(&mut z);
        let energy = if u[2] < zero {
            0.0
        } else {
            (energy + 0.5 * z[0]).exp()
        };
        x.extend([class as f64, count, energy, position + 0.7 * z[1]]);
    }
    x
}

/// The law: probabilities, times the density of what is continuous.
fn density(x: &[f64]) -> f64 {
    let (share, mean, zero) = CLASSES[x[0] as usize];
    let (energy, position) = middles(x[0], x[1]);
    let energy = match x[2] == 0.0 {
        true => zero,
        false => (1.0 - zero) * normal((x[2].ln() - energy) / 0.5) / (0.5 * x[2]),
    };
    share * poisson(x[1], mean) * energy * normal((x[3] - position) / 0.7) / 0.7
}

fn options(more: &str) -> Options {
    Options::from_json(&format!(
        r#"{{"preset": "fast", "features.scaling": "{SCALING}", "weights.events": 40000, "validation.events": 5000,
             "flow": {{"blocks": 6, "units": 32, "epochs": 3}},
             "classifier": {{"layers": 3, "units": 32, "epochs": 8, "steps": 120, "lr": 0.004}},
             "pullback": {{"events": 40000, "epochs": 6, "iterations": 2}},
             "refiner_flow": {{"pool": 20000, "epochs": 4, "steps": 40, "units": 16, "blocks": 4}} {more}}}"#
    ))
    .unwrap()
}

fn source(x: &[f64]) -> Source<'_> {
    Source::from_rows(Rows::packed(x, 4).unwrap(), None).unwrap()
}

/// Events, weights, log p.
fn sample(model: &Arc<Instance>, method: &str, rows: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut options = Options::new();
    options.set_str("sampler.method", method).unwrap();
    let mut sampler = Sampler::new(model.clone(), 3, 0, &options).unwrap();
    let (mut x, mut w, mut p) = (vec![0.0; 4 * rows], vec![0.0; rows], vec![0.0; rows]);
    let density = !["resampling"].contains(&method);
    let outputs = Outputs {
        x: Some(RowsMut::packed(&mut x, 4).unwrap()),
        w: Some(RowsMut::column(&mut w)),
        log_prob: density.then(|| RowsMut::column(&mut p)),
        ..Default::default()
    };
    sampler.generate(rows, outputs).unwrap();
    (x, w, p)
}

/// The share of the weight of what is true.
fn share(x: &[f64], w: &[f64], of: impl Fn(&[f64]) -> bool) -> f64 {
    let rows = x.chunks(4).zip(w);
    let part: f64 = rows.filter(|(x, _)| of(x)).map(|(_, w)| w).sum();
    part / w.iter().sum::<f64>()
}

/// Values are those that there are, and their shares the known ones.
fn as_known(what: &str, x: &[f64], w: &[f64], tolerance: f64) {
    for x in x.chunks(4) {
        assert!([0.0, 1.0, 2.0].contains(&x[0]), "{what}: {x:?}");
        assert!(
            x[1].fract() == 0.0 && x[1].is_sign_positive(),
            "{what}: {x:?}"
        );
        assert!(x[2] >= 0.0 && x[2].is_sign_positive(), "{what}: {x:?}");
    }
    let mut worst: f64 = 0.0;
    for (class, (of_class, mean, zero)) in CLASSES.into_iter().enumerate() {
        let is = move |x: &[f64]| x[0] == class as f64;
        worst = worst.max((share(x, w, is) - of_class).abs());
        let zeros = share(x, w, move |x| is(x) && x[2] == 0.0);
        worst = worst.max((zeros - of_class * zero).abs());
        for count in 0..12 {
            let found = share(x, w, move |x| is(x) && x[1] == f64::from(count));
            let expected = of_class * poisson(f64::from(count), mean);
            worst = worst.max((found - expected).abs());
        }
    }
    println!("{what}: {worst:.4}");
    assert!(worst < tolerance, "{what}: {worst}");
}

#[test]
fn generators_make_them_and_every_method_refines_them() {
    let x = events(100_000, 0);
    let generator = train_generator(&mut source(&x), &options(""), &()).unwrap();
    let columns = generator.record["judgement"]["verdict"].to_string();
    assert!(!columns.contains("columns"), "{columns}");
    let generator = Instance::new(generator);
    let made = Arc::new(Instance::new((*generator).clone()));
    let (baseline, w, p) = sample(&made, "baseline", 60_000);
    as_known("baseline", &baseline, &w, 0.03);

    // Of (x, r) the density is known: the mean of truth over density is the integral of the truth.
    let ratios: Vec<f64> = baseline
        .chunks(4)
        .zip(&p)
        .map(|(x, p)| density(x) * (-p).exp())
        .collect();
    let n = ratios.len() as f64;
    let mean = ratios.iter().sum::<f64>() / n;
    let error = (ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>()).sqrt() / n;
    println!("integral {mean:.4} ± {error:.4}");
    assert!(
        (mean - 1.0).abs() < 4.0 * error + 0.003 && error < 0.02,
        "{mean} ± {error}"
    );

    let model = refine(&generator, &mut source(&x), &options(""), &()).unwrap();
    println!("{}", model.record["judgement"]);
    // Saved and loaded, it is the same.
    let path = std::env::temp_dir().join(format!("laser-discrete-{}", std::process::id()));
    model.save(&path).unwrap();
    let loaded = Model::load(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(loaded.generator.scalings, model.generator.scalings);
    let model = Arc::new(Instance::new(loaded));
    for method in ["rejection", "reweight", "resampling"] {
        let (x, w, _) = sample(&model, method, 60_000);
        as_known(method, &x, &w, 0.012);
    }
    let mut learned = options("");
    learned.set_str("refiner.method", "flow").unwrap();
    let learned = Arc::new(refine_again(&model, None, &learned, &()).unwrap());
    let (x, w, _) = sample(&learned, "flow", 60_000);
    as_known("flow", &x, &w, 0.02);

    // What there is not is refused, and says why.
    let mut chains = options("");
    chains.set_str("refiner.method", "hmc").unwrap();
    let error = refine_again(&model, None, &chains, &()).err().unwrap();
    assert!(
        matches!(&error, Error::Unsupported(why) if why.contains("steps")),
        "{error}"
    );
    let mut chains = Options::new();
    chains.set_str("sampler.method", "hmc").unwrap();
    let mut sampler = Sampler::new(model.clone(), 3, 0, &chains).unwrap();
    let mut out = [0.0; 4];
    let outputs = Outputs {
        x: Some(RowsMut::packed(&mut out, 4).unwrap()),
        ..Default::default()
    };
    let error = sampler.generate(1, outputs).unwrap_err().to_string();
    assert!(error.contains("steps"), "{error}");
    let (given, mut out) = (Rows::packed(&x[..4], 4).unwrap(), [0.0; 4]);
    for error in [
        log_prob(
            &model,
            &Options::new(),
            given,
            RowsMut::column(&mut out[..1]),
        )
        .unwrap_err(),
        latent(
            &model,
            &Options::new(),
            given,
            RowsMut::packed(&mut out, 4).unwrap(),
        )
        .unwrap_err(),
    ] {
        assert!(
            error.to_string().contains("closed form: feature 0 has"),
            "{error}"
        );
    }
}

#[test]
fn weights_conditions_and_latent_weights_go_with_them() {
    // The position is the condition; half of the events have the weight 2, in the place of copies, some a negative one.
    let x = events(80_000, 1);
    let w: Vec<f64> = (0..x.len() / 4)
        .map(|row| [1.0, 2.0, 1.0, -1.0][row % 4])
        .collect();
    for (conditions, pullback) in [(1, "direct"), (0, "omnifold")] {
        let asked = options(&format!(
            r#", "conditions": {conditions}, "pullback.method": "{pullback}""#
        ));
        let w = (conditions == 0).then_some(&w[..]);
        let mut target = Source::from_rows(Rows::packed(&x, 4).unwrap(), w).unwrap();
        let generator = train_generator(&mut target, &asked, &()).unwrap();
        let model = refine(&Instance::new(generator), &mut target, &asked, &()).unwrap();
        let model = Arc::new(model);
        if conditions == 0 {
            let (x, w, _) = sample(&model, "rejection", 40_000);
            as_known("weighted, omnifold", &x, &w, 0.03);
            continue;
        }
        let rows = 40_000;
        let c: Vec<f64> = x.chunks(4).take(rows).map(|x| x[3]).collect();
        let mut made = vec![0.0; 3 * rows];
        let mut sampler = Sampler::new(model.clone(), 3, 0, &Options::new()).unwrap();
        let outputs = Outputs {
            x: Some(RowsMut::packed(&mut made, 3).unwrap()),
            ..Default::default()
        };
        let given = Rows::packed(&c, 1).unwrap();
        sampler.generate_given(rows, given, outputs).unwrap();
        let joined: Vec<f64> = made
            .chunks(3)
            .zip(&c)
            .flat_map(|(x, c)| [x[0], x[1], x[2], *c])
            .collect();
        as_known("conditional", &joined, &vec![1.0; rows], 0.015);
        let near = |x: &[f64]| {
            x.chunks(4)
                .filter(|x| x[3] > 1.0)
                .map(|x| x[1])
                .sum::<f64>()
        };
        let (got, expected) = (near(&joined), near(&x[..4 * rows]));
        assert!((got / expected - 1.0).abs() < 0.03, "{got}, {expected}");
    }
}

fn normal_quantile(u: f64) -> f64 {
    let mut u = [u];
    normal_quantiles(&mut u);
    u[0]
}

/// A host's generator whose counts are those of another mean, and whose classes are equally frequent.
struct Simulator;

impl HostGenerator for Simulator {
    fn generate(&self, _: usize, z: &[f64], _: &[f64], x: &mut [f64]) -> Result<()> {
        for (z, x) in z.chunks(4).zip(x.chunks_mut(4)) {
            let u = z.iter().map(|z| 0.5 * libm::erfc(-z / 2f64.sqrt()));
            let u: Vec<f64> = u.collect();
            x[0] = (3.0 * u[0]).floor().min(2.0);
            x[1] = (20.0 * u[1] * u[1]).floor();
            let (energy, position) = middles(x[0], x[1]);
            x[2] = if u[2] < 0.5 {
                0.0
            } else {
                (energy + 0.6 * normal_quantile(2.0 * u[2] - 1.0)).exp()
            };
            x[3] = position + z[3];
        }
        Ok(())
    }
}

#[test]
fn a_hosts_generator_is_weighed_by_what_they_are() {
    let x = events(100_000, 2);
    let mut asked = options("");
    asked.set_i64("classifier.epochs", 16).unwrap();
    let model = host_generator((4, 0, 4), false, &asked).unwrap();
    let generator = Instance::new(model).with_host(Arc::new(Simulator)).unwrap();
    let model = Arc::new(refine(&generator, &mut source(&x), &asked, &()).unwrap());
    let rows = 60_000;
    let (mut x, mut w) = (vec![0.0; 4 * rows], vec![0.0; rows]);
    let mut options = Options::new();
    options.set_str("sampler.method", "reweight").unwrap();
    let outputs = Outputs {
        x: Some(RowsMut::packed(&mut x, 4).unwrap()),
        w: Some(RowsMut::column(&mut w)),
        ..Default::default()
    };
    let mut sampler = Sampler::new(model, 3, 0, &options).unwrap();
    sampler.generate(rows, outputs).unwrap();
    as_known("host", &x, &w, 0.012);
}

#[test]
fn values_that_there_are_not_are_errors_that_name_them() {
    let x = events(20_000, 3);
    for (column, value, scaling, part) in [
        (0, 3.0, SCALING, "whole numbers 0 to 2 of its `category`"),
        (0, 1.5, SCALING, "whole numbers 0 to 2 of its `category`"),
        (1, 2.5, SCALING, "no whole number from 0, as its `integer`"),
        (2, -0.1, SCALING, "below the value 0 of its `zeros`"),
        (
            1,
            31.0,
            "auto, integer(0:30), auto, auto",
            "numbers 0 to 30 of its `integer`",
        ),
    ] {
        let mut x = x.clone();
        x[4 * 17 + column] = value;
        let mut asked = options("");
        asked.set_str("features.scaling", scaling).unwrap();
        let error = train_generator(&mut source(&x), &asked, &())
            .unwrap_err()
            .to_string();
        let place = format!("column {column} of row 17 is {value}");
        assert!(error.contains(&place) && error.contains(part), "{error}");
    }
    // A refinement takes no others than the generator makes, though its classifier would: a class, a count, a zero, an angle in degrees.
    let mut asked = options(r#", "validation.fraction": 0.2"#);
    let x: Vec<f64> = x
        .chunks(4)
        .flat_map(|x| [x[0], x[1], x[2], x[3].sin()])
        .collect();
    let scaling = "integer(0:2), integer(0:), zeros(0), periodic(-pi:pi)";
    asked.set_str("features.scaling", scaling).unwrap();
    asked.set_i64("flow.epochs", 1).unwrap();
    let generator = train_generator(&mut source(&x), &asked, &()).unwrap();
    let generator = Instance::new(generator);
    for (column, value) in [(0, 1.5), (1, -1.0), (2, -0.1), (3, 270.0)] {
        let mut x = x.clone();
        x[4 * 17 + column] = value;
        let error = refine(&generator, &mut source(&x), &asked, &())
            .err()
            .unwrap();
        let place = format!("column {column} of row 17 is {value}");
        assert!(error.to_string().contains(&place), "{error}");
    }
}

#[test]
fn a_class_that_there_is_not_is_no_condition() {
    // Position, given class and count.
    let x: Vec<f64> = events(20_000, 4)
        .chunks(4)
        .flat_map(|x| [x[2] + 1.0, x[3], x[1], x[0]])
        .collect();
    let mut asked = options(r#", "conditions": 2"#);
    let scaling = "log(0), standardise, integer(0:), category(3)";
    asked.set_str("features.scaling", scaling).unwrap();
    asked.set_i64("flow.epochs", 1).unwrap();
    let generator = train_generator(&mut source(&x), &asked, &()).unwrap();
    let generator = Arc::new(Instance::new(generator));
    let mut sampler = Sampler::new(generator, 3, 0, &Options::new()).unwrap();
    let mut made = [0.0; 4];
    let mut given = |c: &[f64]| {
        let outputs = Outputs {
            x: Some(RowsMut::packed(&mut made, 2).unwrap()),
            ..Default::default()
        };
        sampler.generate_given(2, Rows::packed(c, 2).unwrap(), outputs)
    };
    given(&[1.0, 2.0, 30.0, 0.0]).unwrap();
    for (c, part) in [
        ([1.0, 2.0, 3.0, 3.0], "condition 1 of row 1 is 3, none of"),
        (
            [1.5, 2.0, 3.0, 1.0],
            "condition 0 of row 0 is 1.5, no whole number",
        ),
    ] {
        let error = given(&c).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn values_that_no_event_has_are_not_made_or_are_told() {
    // Even counts, and charges of which none is 0.
    let x: Vec<f64> = events(40_000, 5)
        .chunks(4)
        .flat_map(|x| [2.0 * x[1], if x[3] > 0.0 { 1.0 } else { -1.0 }, x[3]])
        .collect();
    let run = |scaling: &str| {
        let mut asked = options("");
        asked.set_str("features.scaling", scaling).unwrap();
        asked.set_i64("classifier.epochs", 2).unwrap();
        let mut source = Source::from_rows(Rows::packed(&x, 3).unwrap(), None).unwrap();
        let generator = train_generator(&mut source, &asked, &()).unwrap();
        let model = refine(&Instance::new(generator), &mut source, &asked, &()).unwrap();
        let judgement = model.record["judgement"].to_string();
        let mut made = vec![0.0; 3 * 20_000];
        let mut sampler = Sampler::new(Arc::new(model), 3, 0, &Options::new()).unwrap();
        let outputs = Outputs {
            x: Some(RowsMut::packed(&mut made, 3).unwrap()),
            ..Default::default()
        };
        sampler.generate(20_000, outputs).unwrap();
        let odd = made.chunks(3).filter(|x| x[0] % 2.0 != 0.0).count();
        let neutral = made.chunks(3).filter(|x| x[1] == 0.0).count();
        (odd, neutral, judgement)
    };
    let (odd, neutral, judgement) = run("integer(0:80), integer(-1:1), auto");
    assert_eq!((odd, neutral), (0, 0));
    assert!(
        !judgement.contains("that no target event has"),
        "{judgement}"
    );
    let (odd, _, judgement) = run("integer(0:), integer(-1:1), auto");
    assert!(
        odd > 0 && judgement.contains("values of feature 0 that no target event has"),
        "{judgement}"
    );
    assert!(judgement.contains("features"));
}
