//! Generators that are callbacks with hidden degrees of freedom, refined through OmniFold; and conditional ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

use laser::model::{Classifier, Method, Model};
use laser::noise::{domain, Noise};
use laser::objective::Separation;
use laser::options::Options;
use laser::protocol::{
    host_generator, refine, refine_again, train_generator, HostGenerator, Instance, Outputs,
    Sampler, Source,
};
use laser::train::{Hooks, Level};
use laser::{Error, Result, Rows, RowsMut};
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// A detector that smears: x = z + 0.5 ε, of which ε is hidden.
struct Smearing {
    events: AtomicU64,
}

const SMEARING: f64 = 0.5;

impl HostGenerator for Smearing {
    fn generate(&self, rows: usize, z: &[f64], _: &[f64], x: &mut [f64]) -> Result<()> {
        let first = self.events.fetch_add(rows as u64, Ordering::Relaxed);
        Noise::new(77, 0, domain::TRAINING).fill_normals(first, rows, 2, x);
        x.iter_mut()
            .zip(z)
            .for_each(|(x, z)| *x = z + SMEARING * *x);
        Ok(())
    }
}

/// Target events: the same smearing of latents that are normal with mean (0.5, 0) and standard deviation (0.8, 1).
fn target(rows: usize) -> Vec<f64> {
    let mut numbers = vec![0.0; rows * 4];
    Noise::new(78, 0, domain::TRAINING).fill_normals(0, rows, 4, &mut numbers);
    numbers
        .chunks(4)
        .flat_map(|e| [0.5 + 0.8 * e[0] + SMEARING * e[2], e[1] + SMEARING * e[3]])
        .collect()
}

fn options(more: &str) -> Options {
    Options::from_json(&format!(
        r#"{{"preset": "fast", "classifier": {{"layers": 2, "units": 24, "epochs": 2, "batch": 500, "steps": 80}},
             "pullback": {{"events": 40000, "epochs": 2, "iterations": 5}}, "weights.events": 20000 {more}}}"#
    ))
    .unwrap()
}

fn smearing() -> Instance {
    let model = host_generator((2, 0, 2), true, &options("")).unwrap();
    let host = Smearing {
        events: AtomicU64::new(0),
    };
    Instance::new(model).with_host(Arc::new(host)).unwrap()
}

/// Mean and standard deviation of a column.
fn moments(rows: &[f64], w: &[f64], column: usize) -> (f64, f64) {
    let values = || rows.chunks(2).map(|row| row[column]).zip(w);
    let total: f64 = w.iter().sum();
    let mean = values().map(|(v, w)| v * w).sum::<f64>() / total;
    let variance = values().map(|(v, w)| w * (v - mean).powi(2)).sum::<f64>() / total;
    (mean, variance.sqrt())
}

/// Events, latents and weights.
fn sample(model: &Arc<Instance>, method: &str, rows: usize) -> [Vec<f64>; 3] {
    let options = options(&format!(r#", "sampler.method": "{method}""#));
    let mut sampler = Sampler::new(model.clone(), 1, 0, &options).unwrap();
    let (mut x, mut z, mut w) = (vec![0.0; 2 * rows], vec![0.0; 2 * rows], vec![0.0; rows]);
    let outputs = Outputs {
        x: Some(RowsMut::packed(&mut x, 2).unwrap()),
        z: Some(RowsMut::packed(&mut z, 2).unwrap()),
        w: Some(RowsMut::column(&mut w)),
        log_prob: None,
    };
    sampler.generate(rows, outputs).unwrap();
    [x, z, w]
}

#[test]
fn omnifold_finds_the_weights_behind_a_smearing() {
    let events = target(60_000);
    let mut source = Source::from_rows(Rows::packed(&events, 2).unwrap(), None).unwrap();
    let model = refine(&smearing(), &mut source, &options(""), &()).unwrap();
    let changes: Vec<f64> =
        serde_json::from_value(model.record["omnifold"]["changes"].clone()).unwrap();
    assert_eq!(changes.len(), 5);
    assert!(changes[4] < 0.5 * changes[0], "{changes:?}");
    let model = Arc::new(model);
    for method in ["reweight", "rejection"] {
        let [x, z, w] = sample(&model, method, 20_000);
        // What is known: the latents behind the target, and the target.
        for (rows, column, mean, deviation) in [
            (&z, 0, 0.5, 0.8),
            (&z, 1, 0.0, 1.0),
            (&x, 0, 0.5, 0.64f64.mul_add(1.0, 0.25).sqrt()),
            (&x, 1, 0.0, 1.25f64.sqrt()),
        ] {
            let (m, d) = moments(rows, &w, column);
            assert!(
                (m - mean).abs() < 0.06,
                "{method}, column {column}: mean {m}, not {mean}"
            );
            assert!(
                (d - deviation).abs() < 0.06,
                "{method}, column {column}: deviation {d}, not {deviation}"
            );
        }
    }
    // A function of the latent has a gradient: chains go, although the generator has none.
    let hmc = options(r#", "sampler.method": "hmc""#);
    let mut sampler = Sampler::new(model.clone(), 1, 0, &hmc).unwrap();
    let mut x = [0.0; 2];
    let outputs = Outputs {
        x: Some(RowsMut::packed(&mut x, 2).unwrap()),
        ..Outputs::default()
    };
    sampler.generate(1, outputs).unwrap();
}

/// Keeps warnings.
#[derive(Default)]
struct Warnings(RefCell<Vec<String>>);

impl Hooks for Warnings {
    fn log(&self, level: Level, message: &str) -> Result<()> {
        if level == Level::Warning {
            self.0.borrow_mut().push(message.into());
        }
        Ok(())
    }
}

/// What is said at any level.
#[derive(Default)]
struct Messages(RefCell<Vec<String>>);

impl Hooks for Messages {
    fn log(&self, _: Level, message: &str) -> Result<()> {
        self.0.borrow_mut().push(message.into());
        Ok(())
    }
}

#[test]
fn direct_weights_of_a_stochastic_generator_are_warned_of_and_have_no_gradient() {
    let events = target(5000);
    let mut source = Source::from_rows(Rows::packed(&events, 2).unwrap(), None).unwrap();
    let warnings = Warnings::default();
    let direct = options(r#", "pullback.method": "direct""#);
    let model = refine(&smearing(), &mut source, &direct, &warnings).unwrap();
    let warnings = warnings.0.into_inner();
    assert!(
        warnings.iter().any(|w| w.contains("no function of z")),
        "{warnings:?}"
    );
    let hmc = options(r#", "sampler.method": "hmc""#);
    let mut sampler = Sampler::new(Arc::new(model), 1, 0, &hmc).unwrap();
    let mut x = [0.0; 2];
    let outputs = Outputs {
        x: Some(RowsMut::packed(&mut x, 2).unwrap()),
        ..Outputs::default()
    };
    let error = sampler.generate(1, outputs).unwrap_err();
    assert!(
        matches!(error, Error::Unsupported(_)) && error.to_string().contains("rejection"),
        "{error}"
    );
}

/// A generator that says it has no randomness of its own is asked twice.
#[test]
fn randomness_that_is_not_declared_is_warned_of() {
    let told = |host: Arc<dyn HostGenerator>, events: &[f64]| {
        let model = host_generator((2, 0, 2), false, &options("")).unwrap();
        let generator = Instance::new(model).with_host(host).unwrap();
        let mut source = Source::from_rows(Rows::packed(events, 2).unwrap(), None).unwrap();
        let model = refine(&generator, &mut source, &options(""), &()).unwrap();
        let warnings = model.record["judgement"]["warnings"].to_string();
        warnings.contains("not declared to have randomness")
    };
    let mut events = target(5000);
    let smearing = Smearing {
        events: AtomicU64::new(0),
    };
    assert!(told(Arc::new(smearing), &events));
    assert!(told(Arc::new(Normalised), &events));
    assert!(!told(Arc::new(Flaky), &events));
    events.iter_mut().step_by(2).for_each(|x| *x = date(*x));
    assert!(told(Arc::new(Dated(true)), &events));
    assert!(!told(Arc::new(Dated(false)), &events));
}

/// A second of today.
fn date(z: f64) -> f64 {
    1.7e9 + 10.0 * z
}

/// Such dates, which may depend on the events that are made with them.
struct Dated(bool);

impl HostGenerator for Dated {
    fn generate(&self, rows: usize, z: &[f64], _: &[f64], x: &mut [f64]) -> Result<()> {
        x.copy_from_slice(z);
        let more = if self.0 { rows as f64 } else { 0.0 };
        x.iter_mut().step_by(2).for_each(|x| *x = date(*x) + more);
        Ok(())
    }
}

/// A network whose batch normalisation was left in training mode: events depend on those that are made with them.
struct Normalised;

impl HostGenerator for Normalised {
    fn generate(&self, rows: usize, z: &[f64], _: &[f64], x: &mut [f64]) -> Result<()> {
        let mean = z.iter().step_by(2).sum::<f64>() / rows as f64;
        x.copy_from_slice(z);
        x.iter_mut().step_by(2).for_each(|x| *x -= mean);
        Ok(())
    }
}

/// A deterministic map that fails now and then.
struct Flaky;

impl HostGenerator for Flaky {
    fn generate(&self, _: usize, z: &[f64], _: &[f64], x: &mut [f64]) -> Result<()> {
        for (x, z) in x.chunks_mut(2).zip(z.chunks(2)) {
            x.copy_from_slice(z);
            if z[1] > 2.0 {
                x[0] = f64::NAN;
            }
        }
        Ok(())
    }
}

#[test]
fn failed_events_are_replaced_and_chains_refused_before_the_training() {
    let model = host_generator((2, 0, 2), false, &options("")).unwrap();
    let generator = Instance::new(model).with_host(Arc::new(Flaky)).unwrap();
    let events = target(10_000);
    let mut source = Source::from_rows(Rows::packed(&events, 2).unwrap(), None).unwrap();
    let hmc = options(r#", "refiner.method": "hmc""#);
    let error = refine(&generator, &mut source, &hmc, &()).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error}");
    let model = Arc::new(refine(&generator, &mut source, &options(""), &()).unwrap());
    let [x, z, _] = sample(&model, "rejection", 2000);
    assert!(x.iter().all(|x| x.is_finite()) && z.chunks(2).all(|z| z[1] <= 2.0));
}

/// Fails on most latents.
struct Broken;

impl HostGenerator for Broken {
    fn generate(&self, _: usize, z: &[f64], _: &[f64], x: &mut [f64]) -> Result<()> {
        x.iter_mut()
            .zip(z)
            .for_each(|(x, z)| *x = if *z < 1.0 { f64::NAN } else { *z });
        Ok(())
    }
}

/// log of the density of N((1, ½), 1) over that of N(0, 1).
fn log_ratio(x: &[f64]) -> f64 {
    x[0] - 0.5 + 0.5 * (x[1] - 0.25)
}

/// Events of N((1, ½), 1) in two ways: as such, and of N((½, ½), 1) with weights that sum to three times their number.
fn shifted(rows: usize, weighted: bool) -> (Vec<f64>, Option<Vec<f64>>) {
    let mut x = vec![0.0; 2 * rows];
    Noise::new(79, 0, domain::TRAINING).fill_normals(0, rows, 2, &mut x);
    let shift = [if weighted { 0.5 } else { 1.0 }, 0.5];
    x.iter_mut()
        .zip(shift.iter().cycle())
        .for_each(|(x, s)| *x += s);
    let weight = |x: &[f64]| 3.0 * (0.5 * x[0] - 0.375).exp();
    let weights = weighted.then(|| x.chunks(2).map(weight).collect());
    (x, weights)
}

/// The least mean loss there is between N((1, ½), 1) and N(0, 1).
fn least(loss: Separation) -> f64 {
    const ROWS: usize = 200_000;
    let mut z = vec![0.0; 2 * ROWS];
    Noise::new(80, 0, domain::TRAINING).fill_normals(0, ROWS, 2, &mut z);
    let of_both = z.chunks(2).map(|z| {
        let of_target = loss.pointwise(log_ratio(&[z[0] + 1.0, z[1] + 0.5]), 1.0).0;
        0.5 * (of_target + loss.pointwise(log_ratio(z), 0.0).0)
    });
    of_both.sum::<f64>() / ROWS as f64
}

const LOSSES: [(&str, Separation); 3] = [
    ("bce", Separation::CrossEntropy),
    ("mse", Separation::SquaredError),
    ("mlc", Separation::MaximumLikelihood),
];

/// By OmniFold, two networks in each step, of a generator that is the identity.
fn unfolded(loss: &str, (x, w): (&[f64], Option<&[f64]>), hooks: &dyn Hooks) -> Instance {
    let mut options = options(&format!(
        r#", "pullback.method": "omnifold", "refiner.method": "reweight", "classifier.loss": "{loss}", "classifier.ensemble": 2"#
    ));
    options.set_i64("pullback.iterations", 3).unwrap();
    options.set_f64("classifier.lr", 5e-3).unwrap();
    let model = host_generator((2, 0, 2), false, &options).unwrap();
    let host = Arc::new(Counting {
        rows: AtomicU64::new(0),
        failing: f64::INFINITY,
    });
    let generator = Instance::new(model).with_host(host).unwrap();
    let mut source = Source::from_rows(Rows::packed(x, 2).unwrap(), w).unwrap();
    refine(&generator, &mut source, &options, hooks).unwrap()
}

#[test]
fn omnifold_minimises_the_loss_of_the_options_with_all_networks() {
    for ((name, loss), weighted) in LOSSES.into_iter().zip([true, false, true]) {
        let (x, w) = shifted(60_000, weighted);
        let warnings = Warnings::default();
        let model = unfolded(name, (&x, w.as_deref()), &warnings);
        let warnings = warnings.0.into_inner();
        assert!(
            !warnings.iter().any(|w| w.contains("ignorant")),
            "{name}: {warnings:?}"
        );
        let members = |classifier: &Option<Classifier>| classifier.as_ref().unwrap().members;
        assert_eq!(members(&model.classifier), 2);
        assert_eq!(members(&model.latent_classifier), 2);
        let mut records = vec![&model.record["classifier"]];
        let trainings = model.record["omnifold"]["trainings"].as_array().unwrap();
        assert_eq!(trainings.len(), 6);
        records.extend(&trainings[..1]);
        // Target against generated events, by the pilot's events and by OmniFold's.
        for record in records {
            assert_eq!(record["members"].as_array().unwrap().len(), 2);
            let (found, best) = (record["validation_loss"].as_f64().unwrap(), least(loss));
            let ignorant = loss.ignorant();
            assert!(
                (found - best).abs() < 0.15 * (ignorant - best),
                "{name}: {found}, the least is {best}"
            );
        }
        for record in trainings {
            let spread = record["spread"].as_f64().unwrap();
            assert!(spread > 1e-3 && spread < 0.5, "{name}: {spread}");
        }
        // In the latent space, which is that of the events.
        let model = Arc::new(model);
        let [x, z, w] = sample(&model, "reweight", 20_000);
        assert_eq!(x, z);
        let mean = w.iter().sum::<f64>() / w.len() as f64;
        assert!((mean - 1.0).abs() < 0.1, "{name}: mean weight {mean}");
        let error = z
            .chunks(2)
            .zip(&w)
            .map(|(z, w)| w * (w.ln() - log_ratio(z)).abs());
        let error = error.sum::<f64>() / w.iter().sum::<f64>();
        assert!(error < 0.1, "{name}: log w off by {error}");
    }
}

#[test]
fn an_ignorant_classifier_of_omnifold_is_known_by_its_own_loss() {
    let mut x = vec![0.0; 2 * 20_000];
    Noise::new(81, 0, domain::TRAINING).fill_normals(0, 20_000, 2, &mut x);
    for (name, loss) in LOSSES {
        // Told, but no warning: trees find nothing either.
        let messages = Messages::default();
        unfolded(name, (&x, None), &messages);
        let messages = messages.0.into_inner();
        let said = format!("that of an ignorant one {:.5}", loss.ignorant());
        let warning = messages.iter().find(|w| w.contains(&said)).unwrap();
        assert!(warning.contains("nor do boosted trees"), "{warning}");
        let words = warning.split("held-out loss is ").nth(1).unwrap();
        let found: f64 = words.split(',').next().unwrap().parse().unwrap();
        assert!((found - loss.ignorant()).abs() < 0.01, "{name}: {warning}");
    }
}

/// Refined by OmniFold in little time, towards narrower events; and how many rows the host has made.
fn counted(failing: f64) -> (Instance, Arc<Counting>) {
    let mut options = options(r#", "pullback.method": "omnifold""#);
    options.set_i64("pullback.iterations", 2).unwrap();
    options.set_f64("classifier.lr", 5e-3).unwrap();
    let host = Arc::new(Counting {
        rows: AtomicU64::new(0),
        failing,
    });
    let model = host_generator((2, 0, 2), false, &options).unwrap();
    let generator = Instance::new(model).with_host(host.clone()).unwrap();
    let events: Vec<f64> = target(10_000).iter().map(|x| 0.5 * x).collect();
    let mut source = Source::from_rows(Rows::packed(&events, 2).unwrap(), None).unwrap();
    let model = refine(&generator, &mut source, &options, &()).unwrap();
    (model, host)
}

/// x = z, but NaN where z₁ is beyond `failing`. Counts its events.
struct Counting {
    rows: AtomicU64,
    failing: f64,
}

impl HostGenerator for Counting {
    fn generate(&self, rows: usize, z: &[f64], _: &[f64], x: &mut [f64]) -> Result<()> {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        x.copy_from_slice(z);
        for x in x.chunks_mut(2).filter(|x| x[1] > self.failing) {
            x[0] = f64::NAN;
        }
        Ok(())
    }
}

#[test]
fn under_omnifold_the_host_makes_each_event_once() {
    let (model, host) = counted(f64::INFINITY);
    // What needs weights alone needs no events.
    let before = host.rows.load(Ordering::Relaxed);
    for more in [
        r#", "refiner.method": "hmc", "hmc.chains": 20, "hmc.pilot": 20"#,
        r#", "refiner.method": "matching", "matching.pool": 2000, "matching.epochs": 1, "matching.batch": 500"#,
    ] {
        refine_again(&model, None, &options(more), &()).unwrap();
    }
    assert_eq!(host.rows.load(Ordering::Relaxed), before);
    let model = Arc::new(model);
    for method in ["rejection", "reweight", "resampling", "hmc"] {
        let before = host.rows.load(Ordering::Relaxed);
        let chosen = options(&format!(r#", "sampler.method": "{method}""#));
        let mut sampler = Sampler::new(model.clone(), 1, 0, &chosen).unwrap();
        for rows in [2999, 1] {
            let (mut x, mut w) = (vec![0.0; 2 * rows], vec![0.0; rows]);
            let outputs = Outputs {
                x: Some(RowsMut::packed(&mut x, 2).unwrap()),
                w: Some(RowsMut::column(&mut w)),
                ..Outputs::default()
            };
            sampler.generate(rows, outputs).unwrap();
        }
        // Blocks make some that nobody has asked for.
        let events = sampler.diagnostic("events").unwrap();
        let made = host.rows.load(Ordering::Relaxed) - before;
        assert_eq!(made as f64, events, "{method}");
        let acceptance = sampler.diagnostic("acceptance").unwrap();
        assert!(method != "rejection" || acceptance < 0.6, "{acceptance}");
    }
}

/// x = z, but for `version` 2 a little more of z₀.
struct Version(u32);

impl HostGenerator for Version {
    fn generate(&self, _: usize, z: &[f64], _: &[f64], x: &mut [f64]) -> Result<()> {
        x.copy_from_slice(z);
        let stretch = if self.0 == 2 { 1.01 } else { 1.0 };
        x.iter_mut().step_by(2).for_each(|x| *x *= stretch);
        Ok(())
    }
}

/// Three momenta of hundreds, and their sum, 0 but for rounding that its order decides.
struct Balanced(bool);

impl HostGenerator for Balanced {
    fn generate(&self, _: usize, z: &[f64], _: &[f64], x: &mut [f64]) -> Result<()> {
        for (x, z) in x.chunks_mut(3).zip(z.chunks(2)) {
            let (a, b) = (300.0 * z[0] as f32, 300.0 * z[1] as f32);
            let rest = match self.0 {
                true => (a + 0.1 + b) - a - b - 0.1,
                false => 0.0,
            };
            x.copy_from_slice(&[a.into(), b.into(), f64::from(rest)]);
        }
        Ok(())
    }
}

#[test]
fn another_rounding_of_the_generator_is_the_same_generator() {
    let mut options = options(r#", "refiner.method": "rejection""#);
    options.set_i64("weights.events", 2000).unwrap();
    let model = host_generator((2, 0, 3), false, &options).unwrap();
    let attached = |model: Model, other| {
        let host = Arc::new(Balanced(other));
        Instance::new(model).with_host(host).unwrap()
    };
    let mut z = vec![0.0; 20_000];
    Noise::new(79, 0, domain::TRAINING).fill_normals(0, 10_000, 2, &mut z);
    let mut x = vec![0.0; 30_000];
    let target = Balanced(true);
    target.generate(10_000, &z, &[], &mut x).unwrap();
    let mut source = Source::from_rows(Rows::packed(&x, 3).unwrap(), None).unwrap();
    let refined = refine(&attached(model, true), &mut source, &options, &()).unwrap();
    let loaded = Model::from_bytes(&refined.to_bytes().unwrap()).unwrap();
    let mut sampler = Sampler::new(Arc::new(attached(loaded, false)), 1, 0, &options).unwrap();
    let mut x = [0.0; 30];
    let outputs = Outputs {
        x: Some(RowsMut::packed(&mut x, 3).unwrap()),
        ..Outputs::default()
    };
    sampler.generate(10, outputs).unwrap();
}

/// A generator by a formula of one latent row.
struct Formula(fn(&[f64], &mut [f64]));

impl HostGenerator for Formula {
    fn generate(&self, rows: usize, z: &[f64], _: &[f64], x: &mut [f64]) -> Result<()> {
        let z = z.chunks(z.len() / rows);
        let rows = z.zip(x.chunks_mut(x.len() / rows));
        rows.for_each(|(z, x)| self.0(z, x));
        Ok(())
    }
}

/// Two momenta, and the mass of a massless particle that has them: what single precision leaves.
fn massless(z: &[f64], x: &mut [f64], other: bool) {
    let [a, b, c] = [100.0 * z[0] as f32, 100.0 * z[1] as f32, 50.0f32];
    let energy = (a * a + b * b + c * c).sqrt();
    let rest = match other {
        false => energy * energy - (a * a + b * b + c * c),
        true => energy * energy - c * c - a * a - b * b,
    };
    x.copy_from_slice(&[a.into(), b.into(), rest.abs().sqrt().into()]);
}

#[test]
fn no_large_number_hides_another_generator() {
    type Case = (
        &'static str,
        usize,
        fn(&[f64], &mut [f64]),
        fn(&[f64], &mut [f64]),
        bool,
    );
    let cases: [Case; 6] = [
        (
            "beside a condition",
            1,
            |z, x| x[0] = z[0],
            |z, x| x[0] = 1.0 - 5.0 * z[0],
            false,
        ),
        (
            "beside an energy in MeV",
            0,
            |z, x| x.copy_from_slice(&[5e4 + 1e3 * z[0], z[1]]),
            |z, x| x.copy_from_slice(&[5e4 + 1e3 * z[0], -3.0 - 2.0 * z[1]]),
            false,
        ),
        (
            "beside an energy in eV",
            0,
            |z, x| x.copy_from_slice(&[5e10 + 1e9 * z[0], z[1]]),
            |z, x| x.copy_from_slice(&[5e10 + 1e9 * z[0], -3.0 - 2.0 * z[1]]),
            false,
        ),
        (
            "far from 0",
            0,
            |z, x| x.copy_from_slice(&[1.7e9 + 10.0 * z[0], z[1]]),
            |z, x| x.copy_from_slice(&[1.7e9 - 50.0 * z[0], z[1]]),
            false,
        ),
        (
            "in single precision",
            0,
            |z, x| x.copy_from_slice(&[5e4 + 1e3 * z[0], z[1]]),
            |z, x| {
                let z = [z[0] as f32, z[1] as f32];
                x.copy_from_slice(&[(5e4 + 1e3 * z[0]).into(), z[1].into()]);
            },
            true,
        ),
        (
            "of a massless particle",
            0,
            |z, x| massless(z, x, false),
            |z, x| massless(z, x, true),
            true,
        ),
    ];
    let mut options = options(r#", "refiner.method": "rejection""#);
    options.set_i64("weights.events", 2000).unwrap();
    for (name, conditions, one, other, same) in cases {
        const ROWS: usize = 4000;
        let latent = 2 - conditions;
        let features = if name.contains("massless") { 3 } else { latent };
        let mut z = vec![0.0; latent * ROWS];
        Noise::new(80, 0, domain::TRAINING).fill_normals(0, ROWS, latent, &mut z);
        let mut x = vec![0.0; features * ROWS];
        Formula(one).generate(ROWS, &z, &[], &mut x).unwrap();
        let given = |row: usize| (0..conditions).map(move |_| 5e4 + row as f64);
        let rows: Vec<f64> = x
            .chunks(features)
            .enumerate()
            .flat_map(|(row, x)| x.iter().copied().chain(given(row)))
            .collect();
        let rows = Rows::packed(&rows, features + conditions).unwrap();
        let model = host_generator((latent, conditions, features), false, &options).unwrap();
        let generator = Instance::new(model)
            .with_host(Arc::new(Formula(one)))
            .unwrap();
        let mut source = Source::from_rows(rows, None).unwrap();
        let refined = refine(&generator, &mut source, &options, &()).unwrap();
        let bytes = refined.to_bytes().unwrap();
        for (of, known) in [(one, true), (other, same)] {
            let loaded = Instance::new(Model::from_bytes(&bytes).unwrap());
            let attached = loaded.with_host(Arc::new(Formula(of))).unwrap();
            let mut sampler = Sampler::new(Arc::new(attached), 1, 0, &options).unwrap();
            let mut x = [0.0; 3];
            let outputs = Outputs {
                x: Some(RowsMut::packed(&mut x[..features], features).unwrap()),
                ..Outputs::default()
            };
            let c: Vec<f64> = given(2000).collect();
            let drawn = match conditions {
                0 => sampler.generate(1, outputs),
                _ => sampler.generate_given(1, Rows::packed(&c, 1).unwrap(), outputs),
            };
            assert_eq!(drawn.is_ok(), known, "{name}: {drawn:?}");
            if let Err(error) = drawn {
                assert!(
                    error.to_string().contains("is another than"),
                    "{name}: {error}"
                );
            }
        }
    }
}

#[test]
fn another_version_of_the_generator_is_no_generator_of_the_model() {
    let (model, _) = counted(f64::INFINITY);
    let bytes = model.to_bytes().unwrap();
    let attached = |version| {
        let model = Model::from_bytes(&bytes).unwrap();
        let host = Arc::new(Version(version));
        Instance::new(model).with_host(host).unwrap()
    };
    let drawn = |model: Instance, method: &str| {
        let chosen = options(&format!(r#", "sampler.method": "{method}""#));
        let mut sampler = Sampler::new(Arc::new(model), 1, 0, &chosen).unwrap();
        let mut x = [0.0; 20];
        let outputs = Outputs {
            x: Some(RowsMut::packed(&mut x, 2).unwrap()),
            ..Outputs::default()
        };
        sampler.generate(10, outputs).map(|()| x)
    };
    let of_model = drawn(
        Instance::new(model.clone())
            .with_host(Arc::new(Version(1)))
            .unwrap(),
        "rejection",
    );
    let same = drawn(attached(1), "rejection").unwrap();
    assert_eq!(same, of_model.unwrap());
    for method in ["baseline", "rejection", "hmc"] {
        let error = drawn(attached(2), method).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
        let said = "of 8 latents in the model's record it makes other events of 8";
        assert!(error.to_string().contains(said), "{error}");
    }
    // Refined anew, it is the model's.
    let events = target(10_000);
    let mut source = Source::from_rows(Rows::packed(&events, 2).unwrap(), None).unwrap();
    let anew = refine(&attached(2), &mut source, &options(""), &()).unwrap();
    drawn(anew, "rejection").unwrap();
}

#[test]
fn what_the_host_fails_on_is_drawn_again_whatever_the_batches() {
    let (model, host) = counted(0.5);
    let model = Arc::new(model);
    for method in ["rejection", "resampling", "langevin", "mala", "hmc"] {
        let before = host.rows.load(Ordering::Relaxed);
        let chosen = options(&format!(r#", "sampler.method": "{method}""#));
        let draw = |portions: &[usize], first: u64| {
            let mut sampler = Sampler::new(model.clone(), 1, 0, &chosen).unwrap();
            sampler.seek(first).unwrap();
            let mut all: Vec<[f64; 3]> = Vec::new();
            for &rows in portions {
                let (mut x, mut w) = (vec![0.0; 2 * rows], vec![0.0; rows]);
                let outputs = Outputs {
                    x: Some(RowsMut::packed(&mut x, 2).unwrap()),
                    w: Some(RowsMut::column(&mut w)),
                    ..Outputs::default()
                };
                sampler.generate(rows, outputs).unwrap();
                all.extend(x.chunks(2).zip(w).map(|(x, w)| [x[0], x[1], w]));
            }
            let of = |key| sampler.diagnostic(key).unwrap() as u64;
            (all, of("events"), of("non_finite"))
        };
        let (all, events, failures) = draw(&[3000], 0);
        assert!(all.iter().all(|x| x[0].is_finite() && x[1] <= 0.5));
        let made = host.rows.load(Ordering::Relaxed) - before;
        // Chains keep the event before, and go on together until all have one.
        let each_once = made == events + failures || matches!(method, "langevin" | "mala" | "hmc");
        assert!(failures > 0 && each_once, "{method}");
        assert_eq!(all, draw(&[1, 7, 992, 1500, 500], 0).0, "{method}");
        assert_eq!(all[1900..], draw(&[1100], 1900).0, "{method}");
    }
}

#[test]
fn a_generator_that_mostly_fails_is_refused() {
    let model = host_generator((2, 0, 2), true, &options("")).unwrap();
    let generator = Instance::new(model).with_host(Arc::new(Broken)).unwrap();
    let events = target(5000);
    let mut source = Source::from_rows(Rows::packed(&events, 2).unwrap(), None).unwrap();
    let error = refine(&generator, &mut source, &options(""), &()).unwrap_err();
    assert!(error.to_string().contains("are finite"), "{error}");
}

/// Rows (x₀, x₁, c): c uniform in (−1, 1), x₀ normal around `slope` · c with deviation ½, x₁ standard normal.
fn conditional_rows(rows: usize, slope: f64, seed: u64) -> Vec<f64> {
    let noise = Noise::new(seed, 0, domain::TRAINING);
    let (mut normals, mut uniforms) = (vec![0.0; 2 * rows], vec![0.0; rows]);
    noise.fill_normals(0, rows, 2, &mut normals);
    Noise::new(seed, 1, domain::TRAINING).fill_uniforms(0, rows, 1, &mut uniforms);
    let pairs = normals.chunks(2).zip(uniforms);
    pairs
        .flat_map(|(n, u)| {
            let c = 2.0 * u - 1.0;
            [slope * c + 0.5 * n[0], n[1], c]
        })
        .collect()
}

#[test]
fn conditional_models_learn_and_refine_every_condition() {
    const ROWS: usize = 40_000;
    let mut options = options(
        r#", "conditions": 1, "flow": {"blocks": 4, "units": 16, "layers": 2, "epochs": 4, "batch": 500, "steps": 80}"#,
    );
    options.set_i64("classifier.epochs", 10).unwrap();
    options.set_f64("classifier.lr", 5e-3).unwrap();
    let wrong = conditional_rows(ROWS, 1.0, 5);
    let right = conditional_rows(ROWS, 1.5, 6);
    let mut source = Source::from_rows(Rows::packed(&wrong, 3).unwrap(), None).unwrap();
    let told = Messages::default();
    let generator = Instance::new(train_generator(&mut source, &options, &told).unwrap());
    let told = told.0.into_inner();
    assert!(
        told.iter()
            .any(|m| m == "conditions, the last columns: feature 2"),
        "{told:?}"
    );
    assert_eq!(
        (
            generator.generator.event_dim(),
            generator.generator.condition_dim()
        ),
        (2, 1)
    );
    let mut source = Source::from_rows(Rows::packed(&right, 3).unwrap(), None).unwrap();
    let model = refine(&generator, &mut source, &options, &()).unwrap();
    let mean = model.record["weights"]["mean"].as_f64().unwrap();
    assert!((mean - 1.0).abs() < 0.06, "mean weight {mean}");
    let mut surrogate = options.clone();
    surrogate.set_str("refiner.method", "surrogate").unwrap();
    for (key, value) in [("pool", 20_000), ("epochs", 8), ("units", 32)] {
        surrogate
            .set_i64(&format!("surrogate.{key}"), value)
            .unwrap();
    }
    let model = Arc::new(refine_again(&model, Some(&mut source), &surrogate, &()).unwrap());
    for (method, slope) in [
        ("baseline", 1.0),
        ("reweight", 1.5),
        ("rejection", 1.5),
        ("surrogate", 1.5),
    ] {
        for given in [-0.8, 0.0, 0.8] {
            const N: usize = 8000;
            let mut options = options.clone();
            options.set_str("sampler.method", method).unwrap();
            let mut sampler = Sampler::new(model.clone(), 1, 0, &options).unwrap();
            let (mut x, mut w, c) = (vec![0.0; 2 * N], vec![0.0; N], vec![given; N]);
            let mut log_p = vec![0.0; N];
            let outputs = Outputs {
                x: Some(RowsMut::packed(&mut x, 2).unwrap()),
                w: Some(RowsMut::column(&mut w)),
                log_prob: Some(RowsMut::column(&mut log_p)),
                ..Outputs::default()
            };
            sampler
                .generate_given(N, Rows::packed(&c, 1).unwrap(), outputs)
                .unwrap();
            let (m, d) = moments(&x, &w, 0);
            assert!(
                (m - slope * given).abs() < 0.09,
                "{method} given {given}: mean {m}"
            );
            assert!(
                (d - 0.5).abs() < 0.06,
                "{method} given {given}: deviation {d}"
            );
            if method == "reweight" {
                continue;
            }
            // The density of the events, given the condition: that of the two normal numbers.
            let exact = |x: &[f64]| {
                let z = (x[0] - slope * given) / 0.5;
                -0.5 * (z * z + x[1] * x[1]) - (2.0 * std::f64::consts::PI).ln() - 0.5f64.ln()
            };
            let difference = x.chunks(2).zip(&log_p).map(|(x, p)| exact(x) - p);
            let mean = difference.sum::<f64>() / N as f64;
            assert!(
                mean.abs() < 0.1,
                "{method} given {given}: log p is off by {mean}"
            );
        }
    }
    // Another refiner: the classifier stays, the conditions must be given again.
    let mut again = options.clone();
    again.set_str("refiner.method", "reweight").unwrap();
    let error = refine_again(&model, None, &again, &()).unwrap_err();
    assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
    let other = refine_again(&model, Some(&mut source), &again, &()).unwrap();
    assert_eq!(other.classifier, model.classifier);
    let calibration = |m: &Instance| m.record["weights"]["calibration"].clone();
    assert!(calibration(&model).is_object());
    assert_eq!(calibration(&other), calibration(&model));
    assert_eq!(other.refinement.as_ref().unwrap().method, Method::Reweight);
    // The record is free-form: a file may lack it.
    let mut bare = (*other).clone();
    bare.record.clear();
    let bare = refine_again(&Instance::new(bare), Some(&mut source), &again, &()).unwrap();
    assert!(bare.record["weights"]["calibration"].is_null());
    let error = refine_again(&generator, None, &again, &()).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error}");
    for method in ["hmc", "langevin", "resampling"] {
        again.set_str("refiner.method", method).unwrap();
        let error = refine_again(&model, Some(&mut source), &again, &()).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{error}");
        let error = refine(&generator, &mut source, &again, &()).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{error}");
    }
    // Methods that make events in common cannot give each its own condition.
    let mut hmc = options.clone();
    hmc.set_str("sampler.method", "hmc").unwrap();
    let error = Sampler::new(model.clone(), 1, 0, &hmc).err().unwrap();
    assert!(matches!(error, Error::Unsupported(_)), "{error}");
    // Conditions ask for features beside them, and for the source's columns.
    let mut all = options.clone();
    all.set_i64("conditions", 3).unwrap();
    let error = train_generator(&mut source, &all, &()).unwrap_err();
    assert!(
        error.to_string().contains("at least one must be a feature"),
        "{error}"
    );
    let mut narrow = Source::from_rows(Rows::new(&right, ROWS, 2, 3).unwrap(), None).unwrap();
    let error = refine(&generator, &mut narrow, &options, &()).unwrap_err();
    assert!(error.to_string().contains("and 1 conditions"), "{error}");
}

#[test]
fn the_density_of_a_learned_flow_is_of_the_features_alone() {
    const ROWS: usize = 20_000;
    const N: usize = 8000;
    let options = options(
        r#", "conditions": 1, "flow": {"blocks": 4, "units": 16, "layers": 2, "epochs": 4, "batch": 500, "steps": 80},
            "refiner.method": "flow",
            "refiner_flow": {"pool": 20000, "epochs": 3, "steps": 60, "batch": 500, "units": 16, "layers": 1, "blocks": 4}"#,
    );
    let far = |slope, seed| {
        let mut rows = conditional_rows(ROWS, slope, seed);
        rows.iter_mut().skip(2).step_by(3).for_each(|c| *c += 50.0);
        rows
    };
    let (wrong, right) = (far(1.0, 5), far(1.2, 6));
    let mut source = Source::from_rows(Rows::packed(&wrong, 3).unwrap(), None).unwrap();
    let generator = Instance::new(train_generator(&mut source, &options, &()).unwrap());
    let mut source = Source::from_rows(Rows::packed(&right, 3).unwrap(), None).unwrap();
    let model = Arc::new(refine(&generator, &mut source, &options, &()).unwrap());
    for method in ["baseline", "flow"] {
        let mut options = options.clone();
        options.set_str("sampler.method", method).unwrap();
        let mut sampler = Sampler::new(model.clone(), 1, 0, &options).unwrap();
        let (mut x, mut log_p) = (vec![0.0; 2 * N], vec![0.0; N]);
        let outputs = Outputs {
            x: Some(RowsMut::packed(&mut x, 2).unwrap()),
            log_prob: Some(RowsMut::column(&mut log_p)),
            ..Outputs::default()
        };
        let c = vec![50.0; N];
        let given = Rows::packed(&c, 1).unwrap();
        sampler.generate_given(N, given, outputs).unwrap();
        // ∫ q = 1, of a narrower q, over the events' own density.
        let normal = |x: f64, width: f64| {
            (-0.5 * (x / width).powi(2)).exp() / (width * (2.0 * std::f64::consts::PI).sqrt())
        };
        let q = x.chunks(2).map(|x| normal(x[0], 0.3) * normal(x[1], 0.6));
        let integral = q.zip(&log_p).map(|(q, p)| q / p.exp()).sum::<f64>() / N as f64;
        assert!((integral - 1.0).abs() < 0.1, "{method}: {integral}");
    }
}
