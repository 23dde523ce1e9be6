//! Where events can be: a wedge cut out of a normal distribution, of which all is known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

use laser::model::{Method, Model, Region, Support};
use laser::noise::{domain, Noise};
use laser::options::Options;
use laser::protocol::{
    host_generator, refine, refine_again, train_generator, HostGenerator, Instance, Outputs,
    Sampler, Source,
};
use laser::{Error, Result, Rows, RowsMut};
use std::sync::Arc;

/// g is the identity.
struct Identity;

impl HostGenerator for Identity {
    fn generate(&self, _: usize, z: &[f64], _: &[f64], x: &mut [f64]) -> Result<()> {
        x.copy_from_slice(z);
        Ok(())
    }

    fn pull_gradient(
        &self,
        _: usize,
        _: &[f64],
        _: &[f64],
        x: &[f64],
        z: &mut [f64],
    ) -> Result<()> {
        z.copy_from_slice(x);
        Ok(())
    }
}

const WEDGE: &str = "x0 > abs(x[1])";
/// A quarter of the plane.
const SHARE: f64 = 0.25;

fn inside(x: &[f64]) -> bool {
    x[0] > x[1].abs()
}

/// Standard normal events, of which those outside the wedge are left out.
fn wedge(rows: usize) -> Vec<f64> {
    let mut x = vec![0.0; 2 * rows];
    Noise::new(5, 1, domain::TRAINING).fill_normals(0, rows, 2, &mut x);
    let events = x.chunks(2).filter(|x| inside(x));
    events.flatten().copied().collect()
}

fn options(more: &str) -> Options {
    Options::from_json(&format!(
        r#"{{"preset": "fast", "support": "{WEDGE}", "weights.events": 40000, "validation.events": 4000,
             "classifier": {{"layers": 2, "units": 16, "epochs": 4, "batch": 500, "steps": 60, "lr": 0.01}},
             "pullback": {{"events": 40000, "epochs": 12, "iterations": 3}},
             "matching": {{"pool": 20000, "epochs": 3, "steps": 40, "units": 24, "layers": 2}},
             "refiner_flow": {{"pool": 20000, "epochs": 6, "steps": 40, "units": 16, "blocks": 4}},
             "gan": {{"pool": 20000, "epochs": 2, "steps": 40, "units": 24, "layers": 2}},
             "surrogate": {{"pool": 40000, "epochs": 30, "steps": 40, "units": 32, "layers": 2, "lr": 0.01}},
             "hmc": {{"chains": 256, "burn_in": 20}} {more}}}"#
    ))
    .unwrap()
}

fn identity() -> Instance {
    let model = host_generator((2, 0, 2), false, &options("")).unwrap();
    Instance::new(model).with_host(Arc::new(Identity)).unwrap()
}

fn source(x: &[f64]) -> Source<'_> {
    Source::from_rows(Rows::packed(x, 2).unwrap(), None).unwrap()
}

fn refined(x: &[f64], more: &str) -> Instance {
    refine(&identity(), &mut source(x), &options(more), &()).unwrap()
}

/// Events, weights and log p.
fn sample(model: Arc<Instance>, method: &str, rows: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut options = Options::new();
    options.set_str("sampler.method", method).unwrap();
    let mut sampler = Sampler::new(model, 3, 0, &options).unwrap();
    let (mut x, mut w, mut p) = (vec![0.0; 2 * rows], vec![0.0; rows], vec![f64::NAN; rows]);
    let outputs = Outputs {
        x: Some(RowsMut::packed(&mut x, 2).unwrap()),
        w: Some(RowsMut::column(&mut w)),
        ..Default::default()
    };
    sampler.generate(rows, outputs).unwrap();
    sampler.seek(0).unwrap();
    let outputs = Outputs {
        log_prob: Some(RowsMut::column(&mut p)),
        ..Default::default()
    };
    // Callbacks have no density.
    let _ = sampler.generate::<f64>(rows, outputs);
    (x, w, p)
}

#[test]
fn refined_events_are_never_outside_and_weights_know_the_share() {
    let x = wedge(120_000);
    for pullback in ["direct", "omnifold"] {
        let model = refined(&x, &format!(r#", "pullback.method": "{pullback}""#));
        let weights = &model.record["weights"];
        let number = |key: &str| weights[key].as_f64().unwrap();
        // The ratio is 4 within: the mean weight is 1, the effective fraction that of the wedge.
        assert!((number("outside") - (1.0 - SHARE)).abs() < 0.01);
        assert!(
            (number("mean") - 1.0).abs() < 0.06,
            "{pullback}: {}",
            number("mean")
        );
        let effective = number("effective_fraction");
        // A network of z has no edge.
        let most = if pullback == "direct" { 0.02 } else { 0.08 };
        assert!((effective - SHARE).abs() < most, "{pullback}: {effective}");
        assert_eq!(model.record["support"]["left_out"], 0);
        let model = Arc::new(model);
        for method in [
            "reweight",
            "rejection",
            "resampling",
            "hmc",
            "mala",
            "langevin",
        ] {
            let rows = 10_000;
            let (x, w, _) = sample(model.clone(), method, rows);
            let weight = |keep: bool| -> f64 {
                let pairs = x.chunks(2).zip(&w);
                pairs
                    .filter(|(x, _)| inside(x) == keep)
                    .map(|(_, w)| w)
                    .sum()
            };
            assert_eq!(weight(false), 0.0, "{pullback}, {method}");
            let mean = weight(true) / rows as f64;
            assert!((mean - 1.0).abs() < 0.06, "{pullback}, {method}: {mean}");
            // x₀ of the wedge: of the plane's polar angle the mean cosine is 2√2/π, of the radius the mean √(π/2).
            let first: f64 = x.chunks(2).zip(&w).map(|(x, w)| x[0] * w).sum();
            let expected =
                (8.0f64).sqrt() / std::f64::consts::PI * std::f64::consts::FRAC_PI_2.sqrt();
            let found = first / weight(true);
            // Langevin dynamics has no step that accepts: near a wall it is approximate.
            assert!(
                method == "langevin" || (found - expected).abs() < 0.06,
                "{pullback}, {method}: {found}, {expected}"
            );
        }
    }
}

#[test]
fn learned_refiners_make_events_outside_again() {
    let x = wedge(120_000);
    let model = refined(&x, "");
    for method in ["matching", "flow", "gan"] {
        let mut asked = options("");
        asked.set_str("refiner.method", method).unwrap();
        let again = refine_again(&model, None, &asked, &()).unwrap();
        let share = again.record["inside"].as_f64().unwrap();
        assert!(share > 0.2 && share < 1.0, "{method}: {share}");
        assert_eq!(again.refinement.as_ref().unwrap().log_inside, share.ln());
        let (x, w, _) = sample(Arc::new(again), method, 20_000);
        assert!(x.chunks(2).all(inside), "{method}");
        assert!(w.iter().all(|&w| w == 1.0));
    }
}

/// What s has of the edge is no matter: events outside are proposed again, and none is compared.
#[test]
fn distilled_weights_end_where_the_support_does() {
    let x = wedge(120_000);
    let mut asked = options("");
    asked.set_str("refiner.method", "distilled").unwrap();
    let again = refine_again(&refined(&x, ""), None, &asked, &()).unwrap();
    let left = again.record["refiner"]["second_opinion"]["refined"].as_f64();
    assert!(left.unwrap() < 0.52, "{left:?}");
    // However little it knows: what is promised is kept.
    asked.set_i64("surrogate.epochs", 1).unwrap();
    asked.set_i64("surrogate.steps", 1).unwrap();
    let untrained = refine_again(&again, None, &asked, &()).unwrap();
    let again = Arc::new(again);
    for model in [again.clone(), Arc::new(untrained)] {
        let promised = model.record["surrogate"]["distilled"].clone();
        let mut options = Options::new();
        options.set_str("sampler.method", "distilled").unwrap();
        let mut sampler = Sampler::new(model, 3, 0, &options).unwrap();
        sampler.generate(20_000, Outputs::<f64>::default()).unwrap();
        for (key, expected) in [
            ("acceptance", promised["acceptance"].as_f64().unwrap()),
            (
                "calls_per_event",
                1.0 / promised["inside"].as_f64().unwrap(),
            ),
        ] {
            let got = sampler.diagnostic(key).unwrap();
            assert!(
                (got / expected - 1.0).abs() < 0.05,
                "{key}: {got}, {expected}"
            );
        }
    }
    let (x, w, _) = sample(again, "distilled", 20_000);
    assert!(x.chunks(2).all(inside) && w.iter().all(|&w| w == 1.0));
    // As dense near the edge as far from it: by the angle to the axis, of which the wedge has a quarter to either side.
    let angle = |x: &[f64]| (x[1] / x[0]).atan().abs();
    let near = x
        .chunks(2)
        .filter(|x| angle(x) > std::f64::consts::FRAC_PI_8);
    let share = near.count() as f64 / 20_000.0;
    assert!((share - 0.5).abs() < 0.03, "{share}");
}

#[test]
fn densities_are_those_within_the_support() {
    let x = wedge(120_000);
    let mut asked = options(r#", "flow": {"blocks": 4, "units": 16, "epochs": 2}"#);
    let generator = train_generator(&mut source(&x), &asked, &()).unwrap();
    assert!(matches!(generator.support, Some(Support::Formula { .. })));
    let generator = Instance::new(generator);
    // The support of the generator is that of its refinement.
    asked.set_str("support", "").unwrap();
    asked.set_str("refiner.method", "flow").unwrap();
    let model = Arc::new(refine(&generator, &mut source(&x), &asked, &()).unwrap());
    asked.set_str("refiner.method", "distilled").unwrap();
    let distilled = Arc::new(refine_again(&model, None, &asked, &()).unwrap());
    for method in ["rejection", "flow", "distilled"] {
        let model = match method {
            "distilled" => &distilled,
            _ => &model,
        };
        let (x, _, p) = sample(model.clone(), method, 20_000);
        assert!(x.chunks(2).all(inside));
        // The mean of 1 / p over the events of a region is its area: p is normalised on the wedge if it is the density of the events.
        let within = |x: &[f64]| inside(x) && x[0] < 1.5;
        let pairs = x.chunks(2).zip(&p).filter(|(x, _)| within(x));
        let area = pairs.map(|(_, p)| (-p).exp()).sum::<f64>() / 20_000.0;
        assert!((area / 2.25 - 1.0).abs() < 0.08, "{method}: {area}");
    }
}

#[test]
fn target_events_outside_are_errors_or_left_out() {
    let mut x = wedge(40_000);
    let rows = x.len() / 2;
    for row in 0..rows / 100 {
        x[200 * row] *= -1.0;
    }
    let error = refine(&identity(), &mut source(&x), &options(""), &()).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, Error::Data(_)), "{message}");
    for part in [
        "target events are outside the support, as row 0 (from 0)",
        "x0 = -",
        "`target.outside`",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let model = refined(&x, r#", "target.outside": 0.02"#);
    assert_eq!(model.record["support"]["left_out"], (rows / 100) as u64);
    assert!(refine(
        &identity(),
        &mut source(&x),
        &options(r#", "target.outside": 0.005"#),
        &()
    )
    .is_err());
    let (made, ..) = sample(Arc::new(model), "rejection", 5_000);
    assert!(made.chunks(2).all(inside));
    // The next call has them again.
    let again = |target: &mut Source| {
        let everywhere = options(r#", "features.scaling": "auto""#);
        let mut everywhere = everywhere.clone();
        everywhere.set_str("support", "").unwrap();
        refine(&identity(), target, &everywhere, &()).unwrap()
    };
    let mut target = source(&x);
    let allowed = options(r#", "target.outside": 0.02"#);
    refine(&identity(), &mut target, &allowed, &()).unwrap();
    let after = again(&mut target);
    assert_eq!(after.classifier, again(&mut source(&x)).classifier);
}

#[test]
fn a_wrong_support_is_shown_before_any_training() {
    let x = wedge(40_000);
    for (text, parts) in [
        (
            "x0 > x2",
            &["option `support`", ">>> `x2`", "no feature 2"][..],
        ),
        ("x0 - x1", &["is a number; a condition is needed"]),
        ("x0 >", &["is missing here"]),
    ] {
        let mut asked = options("");
        asked.set_str("support", text).unwrap();
        for error in [
            refine(&identity(), &mut source(&x), &asked, &())
                .map(|_| ())
                .unwrap_err(),
            train_generator(&mut source(&x), &asked, &())
                .map(|_| ())
                .unwrap_err(),
        ] {
            let message = error.to_string();
            assert!(parts.iter().all(|p| message.contains(p)), "{message}");
        }
    }
}

/// The wedge as a callback.
struct Wedge;

impl Region for Wedge {
    fn inside(&self, x: &[f64], marks: &mut [bool]) -> Result<()> {
        let rows = x.chunks(2).zip(marks);
        rows.for_each(|(x, mark)| *mark = inside(x));
        Ok(())
    }
}

#[test]
fn a_callback_does_what_a_formula_does_and_is_attached_again() {
    let x = wedge(120_000);
    let formula = refined(&x, "");
    let mut model = host_generator((2, 0, 2), false, &options("")).unwrap();
    model.support = Some(Support::Host);
    let generator = Instance::new(model).with_host(Arc::new(Identity)).unwrap();
    let generator = generator.with_region(Arc::new(Wedge)).unwrap();
    let mut asked = options("");
    assert!(refine(&generator, &mut source(&x), &asked, &()).is_err());
    asked.set_str("support", "").unwrap();
    let callback = refine(&generator, &mut source(&x), &asked, &()).unwrap();
    assert_eq!(callback.classifier, formula.classifier);
    let (expected, ..) = sample(Arc::new(formula), "rejection", 1000);
    let file = callback.to_bytes().unwrap();
    let (found, ..) = sample(Arc::new(callback), "rejection", 1000);
    assert_eq!(found, expected);
    // A file does not hold it.
    let load = || {
        let model = Model::from_bytes(&file).unwrap();
        Instance::new(model).with_host(Arc::new(Identity)).unwrap()
    };
    let mut rejecting = Options::new();
    rejecting
        .set_str("sampler.method", Method::Rejection.name())
        .unwrap();
    let mut sampler = Sampler::new(Arc::new(load()), 3, 0, &rejecting).unwrap();
    let error = sampler.generate::<f64>(10, Outputs::default()).unwrap_err();
    assert!(error.to_string().contains("attach it first"), "{error}");
    let attached = load().with_region(Arc::new(Wedge)).unwrap();
    let (again, ..) = sample(Arc::new(attached), "rejection", 1000);
    assert_eq!(again, expected);
    assert!(identity().with_region(Arc::new(Wedge)).is_err());
}

/// Seconds of a year: numbers of single precision are half a second apart there.
const FAR: f64 = 5_400_000.0;

/// Far from 0 in the first feature.
struct Far;

impl HostGenerator for Far {
    fn generate(&self, _: usize, z: &[f64], _: &[f64], x: &mut [f64]) -> Result<()> {
        x.copy_from_slice(z);
        x.iter_mut().step_by(2).for_each(|x| *x += FAR);
        Ok(())
    }
}

#[derive(Default)]
struct Log(std::sync::Mutex<Vec<String>>);

impl laser::train::Hooks for Log {
    fn log(&self, _: laser::train::Level, message: &str) -> Result<()> {
        self.0.lock().unwrap().push(message.into());
        Ok(())
    }
}

#[test]
fn events_in_single_precision_stay_within_the_support() {
    let mut x = vec![0.0; 2 * 80_000];
    Noise::new(5, 2, domain::TRAINING).fill_normals(0, 80_000, 2, &mut x);
    x.iter_mut().step_by(2).for_each(|x| *x += FAR);
    let inside = |x0: f64, x1: f64| x0 > FAR && x1 <= 0.1;
    let within = |x: &&[f64]| inside(x[0], x[1]);
    let x: Vec<f64> = x.chunks(2).filter(within).flatten().copied().collect();
    let mut options = options("");
    options
        .set_str("support", "x0 > 5400000 and x1 <= 0.1")
        .unwrap();
    let model = host_generator((2, 0, 2), false, &options).unwrap();
    let generator = Instance::new(model).with_host(Arc::new(Far)).unwrap();
    let model = Arc::new(refine(&generator, &mut source(&x), &options, &()).unwrap());
    for method in ["rejection", "reweight", "baseline"] {
        options.set_str("sampler.method", method).unwrap();
        let log = Arc::new(Log::default());
        let mut sampler = Sampler::new(model.clone(), 3, 0, &options).unwrap();
        sampler.set_hooks(Some(log.clone()));
        const ROWS: usize = 20_000;
        let (mut x, mut w) = (vec![0.0f32; 2 * ROWS], vec![0.0f32; ROWS]);
        let outputs = Outputs {
            x: Some(RowsMut::packed(&mut x, 2).unwrap()),
            w: Some(RowsMut::column(&mut w)),
            ..Default::default()
        };
        sampler.generate(ROWS, outputs).unwrap();
        let rows = x.chunks(2).zip(&w).filter(|(_, w)| **w > 0.0);
        let outside = rows.filter(|(x, _)| !inside(x[0].into(), x[1].into()));
        let outside = outside.count();
        assert_eq!(outside > 0, method == "baseline", "{method}: {outside}");
        let said = log.0.lock().unwrap().join("\n");
        let coarse = "in single precision the values of feature 0 go in steps of 5.00e-1";
        assert_eq!(said.matches(coarse).count(), 1, "{method}: {said}");
        // The exact ones, rounded to one side or the other.
        let (mut exact, mut sampler) = (
            vec![0.0; 2 * ROWS],
            Sampler::new(model.clone(), 3, 0, &options).unwrap(),
        );
        let mut w = vec![0.0; ROWS];
        let outputs = Outputs {
            x: Some(RowsMut::packed(&mut exact, 2).unwrap()),
            w: Some(RowsMut::column(&mut w)),
            ..Default::default()
        };
        sampler.generate(ROWS, outputs).unwrap();
        for (rounded, exact) in x.iter().zip(&exact) {
            let step = f64::from(rounded.next_up() - *rounded);
            assert!(
                (f64::from(*rounded) - exact).abs() <= step,
                "{rounded} {exact}"
            );
        }
    }
}

#[test]
fn single_precision_is_told_as_too_coarse_however_few_events_are_asked_for() {
    let mut options = options("");
    options.set_str("support", "").unwrap();
    let model = host_generator((2, 0, 2), false, &options).unwrap();
    let generator = Instance::new(model).with_host(Arc::new(Far)).unwrap();
    let generator = Arc::new(generator);
    let near = Arc::new(identity());
    for (model, rows, told) in [
        (&generator, 1, 1),
        (&generator, 20, 1),
        (&generator, 100, 1),
        (&near, 1, 0),
    ] {
        let log = Arc::new(Log::default());
        let mut sampler = Sampler::new(model.clone(), 3, 0, &Options::new()).unwrap();
        sampler.set_hooks(Some(log.clone()));
        for _ in 0..200usize.div_ceil(rows) {
            let mut x = vec![0.0f32; 2 * rows];
            let outputs = Outputs {
                x: Some(RowsMut::packed(&mut x, 2).unwrap()),
                ..Default::default()
            };
            sampler.generate(rows, outputs).unwrap();
        }
        let said = log.0.lock().unwrap().join("\n");
        let coarse = "in single precision the values of feature 0 go in steps of";
        assert_eq!(said.matches(coarse).count(), told, "by {rows}: {said}");
    }
}
