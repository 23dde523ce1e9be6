//! The protocol end to end on the engine, and where said on libtorch, with small networks, against what is known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

use laser::model::{Method, Model};
use laser::noise::{domain, Noise};
use laser::options::Options;
use laser::protocol::{
    check, log_prob, log_weight, refine, refine_again, train_generator, EventSource, Instance,
    Outputs, Sampler, Source,
};
use laser::train::{Hooks, Level, Progress};
use laser::{Error, Result, Rows, RowsMut};
use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};

/// Two independent normal features of mean `mean` and width `std`, drawn without end.
struct Normal {
    mean: f64,
    std: f64,
    next: u64,
}

impl EventSource for Normal {
    fn dim(&self) -> usize {
        2
    }

    fn weighted(&self) -> bool {
        false
    }

    fn fill(&mut self, x: &mut [f64], _: &mut [f64]) -> Result<usize> {
        Noise::new(99, 0, domain::LATENT).fill_normals(self.next, x.len() / 2, 2, x);
        x.iter_mut().for_each(|x| *x = self.mean + self.std * *x);
        self.next += x.len() as u64 / 2;
        Ok(x.len() / 2)
    }
}

fn normal(mean: f64, std: f64) -> Source<'static> {
    Source::from_events(Box::new(Normal { mean, std, next: 0 })).unwrap()
}

fn options(settings: &[(&str, f64)]) -> Options {
    let mut options = Options::preset("fast").unwrap();
    let small = [
        ("flow.blocks", 4.0),
        ("flow.layers", 1.0),
        ("flow.units", 16.0),
        ("flow.epochs", 2.0),
        ("flow.steps", 100.0),
        ("flow.batch", 500.0),
        ("classifier.layers", 2.0),
        ("classifier.units", 24.0),
        ("classifier.epochs", 2.0),
        ("classifier.steps", 150.0),
        ("classifier.batch", 1000.0),
        ("classifier.lr", 0.01),
        ("weights.events", 20000.0),
        ("validation.events", 5000.0),
    ];
    for (key, value) in small.iter().chain(settings) {
        let set = options.set_i64(key, *value as i64);
        set.or_else(|_| options.set_f64(key, *value)).unwrap();
        if value.fract() != 0.0 {
            options.set_f64(key, *value).unwrap();
        }
    }
    options
}

/// A flow trained on a unit normal.
fn unit_normal(options: &Options) -> Instance {
    Instance::new(train_generator(&mut normal(0.0, 1.0), options, &()).unwrap())
}

#[test]
fn a_flow_learns_a_normal_distribution() {
    let model = train_generator(&mut normal(3.0, 0.5), &options(&[]), &()).unwrap();
    let model = Instance::new(model);
    let x: Vec<f64> = (0..200)
        .map(|i| 3.0 + 0.5 * ((i * 37 % 61) as f64 / 30.0 - 1.0))
        .collect();
    let mut log_p = vec![0.0; 100];
    log_prob(
        &model,
        &Options::new(),
        Rows::packed(&x, 2).unwrap(),
        RowsMut::column(&mut log_p),
    )
    .unwrap();
    for (x, l) in x.chunks(2).zip(log_p) {
        let z: f64 = x.iter().map(|x| ((x - 3.0) / 0.5).powi(2)).sum();
        let exact = -0.5 * z - (2.0 * std::f64::consts::PI).ln() - 2.0 * 0.5f64.ln();
        assert!((l - exact).abs() < 0.1, "{l} is not {exact}");
    }
    // The entropy of two standardised normals.
    let held_out = model.record["flow"]["validation_loss"].as_f64().unwrap();
    assert!(
        (held_out - (1.0 + (2.0 * std::f64::consts::PI).ln())).abs() < 0.03,
        "{held_out}"
    );
}

/// Two independent features, each of them one of three narrow peaks.
struct Peaks(u64);

impl Peaks {
    /// Differential entropy: three peaks of width 1/10, apart.
    fn entropy() -> f64 {
        let normal = 0.5 * (2.0 * std::f64::consts::PI).ln() + 0.5;
        2.0 * (3f64.ln() + 0.1f64.ln() + normal)
    }
}

impl EventSource for Peaks {
    fn dim(&self) -> usize {
        2
    }

    fn weighted(&self) -> bool {
        false
    }

    fn fill(&mut self, x: &mut [f64], _: &mut [f64]) -> Result<usize> {
        let noise = Noise::new(98, 0, domain::LATENT);
        let mut peak = vec![0.0; x.len()];
        noise.fill_normals(self.0, x.len() / 2, 2, x);
        Noise::new(97, 0, domain::INITIAL).uniforms(self.0, 0, &mut peak);
        for (x, peak) in x.iter_mut().zip(peak) {
            *x = (3.0 * peak).floor() - 1.0 + 0.1 * *x;
        }
        self.0 += x.len() as u64 / 2;
        Ok(x.len() / 2)
    }
}

#[test]
fn splines_learn_peaks_that_affine_couplings_cannot() {
    let loss = |coupling: &str| {
        let mut options = options(&[("flow.steps", 250.0), ("flow.lr", 0.01)]);
        options.set_str("flow.coupling", coupling).unwrap();
        let mut source = Source::from_events(Box::new(Peaks(0))).unwrap();
        let model = train_generator(&mut source, &options, &()).unwrap();
        model.record["flow"]["validation_loss"].as_f64().unwrap()
    };
    // The features are standardised.
    let exact = Peaks::entropy() - (2.0f64 / 3.0 + 0.01).ln();
    let (affine, spline) = (loss("affine"), loss("spline"));
    println!("{affine} {spline} {exact}");
    assert!(spline > exact - 0.05, "{spline}, {exact}");
    assert!(spline < exact + 0.3, "{spline}, {exact}");
    assert!(affine > spline + 0.2, "{affine}, {spline}");
}

#[test]
fn the_classifiers_weight_is_the_exact_ratio_of_two_normals() {
    has_the_exact_ratio("events");
    has_the_exact_ratio("both");
}

fn has_the_exact_ratio(inputs: &str) {
    let mut options = options(&[]);
    options.set_str("classifier.inputs", inputs).unwrap();
    let generator = unit_normal(&options);
    let model = refine(&generator, &mut normal(0.5, 1.0), &options, &()).unwrap();
    let latents = if inputs == "both" { 2 } else { 0 };
    assert_eq!(model.classifier.as_ref().unwrap().latents, latents);
    let grid: Vec<f64> = (0..49)
        .flat_map(|i| [(i / 7) as f64 * 0.5 - 1.25, (i % 7) as f64 * 0.5 - 1.25])
        .collect();
    let mut l = vec![0.0; 49];
    log_weight(
        &model,
        &Options::new(),
        Rows::packed(&grid, 2).unwrap(),
        RowsMut::column(&mut l),
    )
    .unwrap();
    for (x, l) in grid.chunks(2).zip(l) {
        // log N(x; ½, 1) − log N(x; 0, 1), per feature.
        let exact: f64 = x.iter().map(|x| 0.5 * x - 0.125).sum();
        assert!((l - exact).abs() < 0.15, "log w({x:?}) = {l}, not {exact}");
    }
    let report = &model.record["weights"];
    assert!((report["mean"].as_f64().unwrap() - 1.0).abs() < 0.05);
    // E[w²] = e^{½} for two features half a width apart.
    let effective = report["effective_fraction"].as_f64().unwrap();
    assert!((effective - (-0.5f64).exp()).abs() < 0.06, "{effective}");
}

/// A number in (0, 1), an angle around the seam of [−π, π) and a positive number, each made of a normal one.
#[test]
fn bounded_features_stay_within_their_bounds_and_keep_their_density() {
    use std::f64::consts::PI;
    let n = 40_000;
    let mut x = vec![0.0; 3 * n];
    Noise::new(11, 0, domain::LATENT).fill_normals(0, n, 3, &mut x);
    for x in x.chunks_mut(3) {
        let angle = 2.0 * PI + 0.5 * x[1];
        let map = [
            1.0 / (1.0 + (-x[0]).exp()),
            angle.rem_euclid(2.0 * PI) - PI,
            (0.5 * x[2]).exp(),
        ];
        x.copy_from_slice(&map);
    }
    let mut options = options(&[]);
    options
        .set_str("features.scaling", "logit(0:1), periodic(-pi:pi), log(0)")
        .unwrap();
    let mut target = Source::from_rows(Rows::packed(&x, 3).unwrap(), None).unwrap();
    let generator = Instance::new(train_generator(&mut target, &options, &()).unwrap());
    let model = refine(&generator, &mut target, &options, &()).unwrap();
    let model = Arc::new(Instance::new(
        Model::from_bytes(&model.to_bytes().unwrap()).unwrap(),
    ));

    let mut sampler = Sampler::new(model.clone(), 1, 0, &options).unwrap();
    let mut events = vec![0.0f32; 3 * n];
    let out = Outputs {
        x: Some(RowsMut::packed(&mut events, 3).unwrap()),
        ..Outputs::default()
    };
    sampler.generate(n, out).unwrap();
    let mut mean = [0.0; 3];
    for x in events.chunks(3) {
        let x = [x[0], x[1], x[2]].map(f64::from);
        assert!(
            (0.0..=1.0).contains(&x[0]) && (-PI..PI).contains(&x[1]) && x[2] > 0.0,
            "{x:?}"
        );
        for (mean, y) in mean.iter_mut().zip([x[0], x[1].cos(), x[2].ln()]) {
            *mean += y / n as f64;
        }
    }
    // E cos of an angle of width ½ around π.
    for (mean, exact) in mean.iter().zip([0.5, -(-0.125f64).exp(), 0.0]) {
        assert!((mean - exact).abs() < 0.02, "{mean} is not {exact}");
    }

    // The densities: those of the normals, times the derivatives. On both sides of the seam.
    let points = [
        [0.5, 3.0, 1.0],
        [0.5, -3.0, 1.0],
        [0.3, 2.8, 1.4],
        [0.7, -2.8, 0.8],
    ];
    let mut log_p = [0.0; 4];
    log_prob(
        &model,
        &options,
        Rows::packed(&points.concat(), 3).unwrap(),
        RowsMut::column(&mut log_p),
    )
    .unwrap();
    for (x, l) in points.iter().zip(log_p) {
        let z = [
            (x[0] / (1.0 - x[0])).ln(),
            2.0 * (x[1].rem_euclid(2.0 * PI) - PI),
            2.0 * x[2].ln(),
        ];
        let normal = z
            .map(|z| -0.5 * z * z - 0.5 * (2.0 * PI).ln())
            .iter()
            .sum::<f64>();
        let exact = normal - (x[0] * (1.0 - x[0])).ln() + 2f64.ln() + (2.0 / x[2]).ln();
        assert!((l - exact).abs() < 0.25, "log p{x:?} = {l}, not {exact}");
    }
    let mut beyond = [0.0];
    log_prob(
        &model,
        &options,
        Rows::packed(&[1.5, 0.0, 1.0], 3).unwrap(),
        RowsMut::column(&mut beyond),
    )
    .unwrap();
    assert_eq!(beyond, [f64::NEG_INFINITY]);
}

fn mean_and_variance(
    model: &Arc<Instance>,
    method: &str,
    n: usize,
    options: &Options,
) -> (f64, f64) {
    let mut options = options.clone();
    options.set_str("sampler.method", method).unwrap();
    let mut sampler = Sampler::new(model.clone(), 7, 0, &options).unwrap();
    let (mut x, mut w) = (vec![0.0; 2 * n], vec![0.0; n]);
    let out = Outputs {
        x: Some(RowsMut::packed(&mut x, 2).unwrap()),
        w: Some(RowsMut::column(&mut w)),
        ..Outputs::default()
    };
    sampler.generate(n, out).unwrap();
    let sum: f64 = w.iter().sum::<f64>() * 2.0;
    let rows = || {
        x.chunks(2)
            .zip(&w)
            .flat_map(|(x, w)| [(x[0], w), (x[1], w)])
    };
    let mean = rows().map(|(x, w)| x * w).sum::<f64>() / sum;
    (
        mean,
        rows().map(|(x, w)| w * (x - mean).powi(2)).sum::<f64>() / sum,
    )
}

#[test]
fn every_method_refines_towards_the_target() {
    let hmc = [
        ("hmc.chains", 500.0),
        ("hmc.step_size", 0.5),
        ("hmc.leapfrog", 3.0),
        ("hmc.burn_in", 20.0),
    ];
    let gan = [
        ("gan.layers", 2.0),
        ("gan.units", 32.0),
        ("gan.epochs", 12.0),
        ("gan.steps", 200.0),
        ("gan.batch", 500.0),
        ("gan.pool", 50000.0),
        ("gan.lr", 0.001),
    ];
    let mut options = options(&[&hmc[..], &gan[..]].concat());
    options.set_str("refiner.method", "gan").unwrap();
    let generator = unit_normal(&options);
    let model = Arc::new(refine(&generator, &mut normal(0.5, 1.0), &options, &()).unwrap());
    assert_eq!(model.refinement.as_ref().unwrap().method, Method::Gan);
    let (mean, variance) = mean_and_variance(&model, "baseline", 20_000, &options);
    assert!(
        mean.abs() < 0.06 && (variance - 1.0).abs() < 0.1,
        "{mean} {variance}"
    );
    for (method, tolerance) in [
        ("reweight", 0.06),
        ("rejection", 0.06),
        ("resampling", 0.06),
        ("langevin", 0.08),
        ("mala", 0.06),
        ("hmc", 0.06),
        ("gan", 0.2),
    ] {
        let (mean, variance) = mean_and_variance(&model, method, 20_000, &options);
        assert!((mean - 0.5).abs() < tolerance, "{method}: mean {mean}");
        assert!(
            (variance - 1.0).abs() < 2.0 * tolerance,
            "{method}: variance {variance}"
        );
    }
}

/// Two narrow clumps far apart: rejection accepts little, and chains stay where they begin.
#[test]
fn what_auto_takes_when_chains_do_not_mix_is_not_chains() {
    let mut x = vec![0.0; 2 * 40_000];
    Noise::new(7, 0, domain::LATENT).fill_normals(0, 40_000, 2, &mut x);
    for (i, x) in x.iter_mut().enumerate() {
        let centre = if (i / 2) % 2 == 0 { 2.2 } else { -2.2 };
        *x = centre + 0.2 * *x;
    }
    let mut target = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
    let options = options(&[("classifier.epochs", 5.0), ("hmc.pilot", 100.0)]);
    let generator = unit_normal(&options);
    let log = Still(RefCell::default());
    let log = Messages(&log);
    let model = refine(&generator, &mut target, &options, &log).unwrap();
    let messages = log.0 .0.borrow();
    let said = |words: &str| messages.iter().any(|m| m.contains(words));
    assert!(said("refiner: hmc (rejection accepts"), "{messages:?}");
    let method = model.refinement.as_ref().unwrap().method;
    assert!(
        matches!(method, Method::Rejection | Method::Resampling),
        "{method:?}"
    );
    let after_all = format!("refiner: {} after all", method.name());
    assert!(said(&after_all), "{messages:?}");
    assert!(model.record.get("chains").is_none());
    drop(messages);

    // Where no pilot run is asked for, as by the paper's preset, `auto` makes one all the same; who names chains is told that there is none.
    let again = |more: &[(&str, &str)], pilot: i64| {
        let mut options = options.clone();
        options.set_i64("hmc.pilot", pilot).unwrap();
        more.iter().for_each(|(key, value)| {
            let number = value.parse().map(|n| options.set_i64(key, n));
            number
                .unwrap_or_else(|_| options.set_str(key, value))
                .unwrap();
        });
        let log = Still(RefCell::default());
        let refined = refine_again(&model, None, &options, &Messages(&log)).unwrap();
        (refined, log.0.into_inner().join("\n"))
    };
    let unseen = "nobody has looked whether the chains of `hmc` mix";
    let (refined, said) = again(&[], 0);
    assert_eq!(refined.refinement.as_ref().unwrap().method, method);
    assert!(
        said.contains("the chains do not mix") && !said.contains(unseen),
        "{said}"
    );
    let (refined, said) = again(&[("refiner.method", "hmc")], 0);
    assert!(said.contains(unseen), "{said}");
    let judgement = refined.record["judgement"].to_string();
    assert!(
        judgement.contains(unseen) && judgement.contains("look at: "),
        "{judgement}"
    );
    let (_, said) = again(&[("refiner.method", "hmc")], 20);
    assert!(!said.contains(unseen), "{said}");

    // What resampling will repeat is said before it does.
    let (_, said) = again(&[("refiner.method", "resampling")], 0);
    assert!(said.contains(REPEATS), "{said}");
}

/// What is said of resampling from weights that are too broad for it.
const REPEATS: &str = "latents which `resampling` chooses an event from are worth 0.";

#[test]
fn chains_are_adapted_when_they_are_the_method_and_tell_how_they_mix() {
    let mut options = options(&[
        ("hmc.chains", 300.0),
        ("hmc.pilot", 100.0),
        ("hmc.burn_in", 5.0),
    ]);
    let generator = unit_normal(&options);
    options.set_str("refiner.method", "mala").unwrap();
    let stop = Stop {
        stage: "chains",
        after: 2,
        seen: Cell::new(0),
        messages: RefCell::default(),
    };
    let error = refine(&generator, &mut normal(0.5, 1.0), &options, &stop).unwrap_err();
    assert!(matches!(error, Error::Cancelled("chains")), "{error}");

    let model = refine(&generator, &mut normal(0.5, 1.0), &options, &()).unwrap();
    let report = &model.record["chains"];
    let acceptance = report["acceptance"].as_f64().unwrap();
    assert!((acceptance - 0.574).abs() < 0.04, "{report}");
    let hmc = &model.refinement.as_ref().unwrap().hmc;
    assert_eq!(report["step_size"].as_f64(), Some(hmc.step_size));
    assert!(hmc.step_size > 0.6 && hmc.chains == 300, "{hmc:?}");

    let mut rejection = options.clone();
    rejection.set_str("refiner.method", "rejection").unwrap();
    let other = refine_again(&model, None, &rejection, &()).unwrap();
    assert!(
        other.record.get("chains").is_none(),
        "it has no chains to report on"
    );
    // Weights that leave e^−¼ of a sample do not repeat.
    let mut resampling = options.clone();
    resampling.set_str("refiner.method", "resampling").unwrap();
    let log = Still(RefCell::default());
    refine_again(&model, None, &resampling, &Messages(&log)).unwrap();
    let said = log.0.into_inner().join("\n");
    assert!(!said.contains(REPEATS), "{said}");

    let model = Arc::new(model);
    let mut sampler = Sampler::new(model.clone(), 1, 0, &options).unwrap();
    assert!(
        sampler.diagnostic("r_hat").unwrap().is_nan(),
        "no events yet"
    );
    draw(&mut sampler, 300 * 10);
    assert!(sampler.diagnostic("r_hat").unwrap().is_finite());
    let size = sampler.diagnostic("effective_sample_size").unwrap();
    assert!(size.is_nan(), "of ten events a chain: {size}");
    draw(&mut sampler, 300 * 190);
    let get = |key: &str| sampler.diagnostic(key).unwrap();
    assert!((get("acceptance") - acceptance).abs() < 0.04);
    assert_eq!(get("r_hat"), get("r_hat.0").max(get("r_hat.1")));
    assert!(get("r_hat") < 1.05, "{}", get("r_hat"));
    let sizes = ["effective_sample_size.0", "effective_sample_size.1"].map(get);
    assert_eq!(get("effective_sample_size"), sizes[0].min(sizes[1]));
    assert!(
        sizes.iter().all(|n| (6000.0..80_000.0).contains(n)),
        "{sizes:?}"
    );
    // The start's pools.
    assert!((get("effective_fraction") - (-0.5f64).exp()).abs() < 0.1);
    assert!(get("distinct_fraction") > 0.9);
    for wrong in ["r_hat.2", "r_hat.", "r_hat.x", "hat"] {
        let error = sampler.diagnostic(wrong).unwrap_err().to_string();
        assert!(
            error.contains("r_hat.0") && error.contains("0 to 1"),
            "{error}"
        );
    }
    options.set_str("sampler.method", "rejection").unwrap();
    let mut sampler = Sampler::new(model, 1, 0, &options).unwrap();
    draw(&mut sampler, 100);
    assert!(sampler.diagnostic("r_hat.1").unwrap().is_nan());
    assert!(sampler.diagnostic("distinct_fraction").unwrap().is_nan());

    // What would take a sampler for ever is refused before anything is trained.
    options.set_i64("hmc.burn_in", 1_000_000_000).unwrap();
    let error = refine(&generator, &mut normal(0.5, 1.0), &options, &()).unwrap_err();
    assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
    assert!(error.to_string().contains("hmc.burn_in"), "{error}");
}

/// What a sampler says of the bias that its step makes.
fn said_of_bias(model: &Arc<Instance>, method: &str) -> usize {
    let mut options = Options::new();
    options.set_str("sampler.method", method).unwrap();
    let mut sampler = Sampler::new(model.clone(), 1, 0, &options).unwrap();
    let heard = Arc::new(Heard::default());
    sampler.set_hooks(Some(heard.clone()));
    for _ in 0..3 {
        draw(&mut sampler, 1000);
    }
    let heard = heard.0.lock().unwrap();
    heard
        .iter()
        .filter(|m| m.contains("so its step biases it"))
        .count()
}

#[test]
fn a_sampler_tells_of_langevin_with_a_step_that_nobody_has_judged() {
    let mut options = options(&[
        ("hmc.chains", 300.0),
        ("hmc.pilot", 100.0),
        ("hmc.burn_in", 5.0),
    ]);
    let generator = unit_normal(&options);
    options.set_str("refiner.method", "mala").unwrap();
    let model = Arc::new(refine(&generator, &mut normal(0.5, 1.0), &options, &()).unwrap());
    assert_eq!(said_of_bias(&model, "langevin"), 1);
    for exact in ["mala", "hmc"] {
        assert_eq!(said_of_bias(&model, exact), 0, "{exact}");
    }
    let again = |method: &str, step: f64, pilot| {
        let mut options = options.clone();
        options.set_str("refiner.method", method).unwrap();
        options.set_f64("hmc.step_size", step).unwrap();
        options.set_i64("hmc.pilot", pilot).unwrap();
        Arc::new(refine_again(&model, None, &options, &()).unwrap())
    };
    // The preset's step, of chains that nobody was to take.
    assert_eq!(said_of_bias(&again("rejection", 0.5, 100), "langevin"), 1);
    // A step that biases nothing, and one that the pilot run has judged.
    assert_eq!(said_of_bias(&again("rejection", 0.004, 0), "langevin"), 0);
    assert_eq!(said_of_bias(&again("langevin", 0.5, 100), "langevin"), 0);
    assert_eq!(said_of_bias(&again("langevin", 0.5, 0), "langevin"), 1);
}

#[test]
fn the_bias_of_few_chains_is_seen_too() {
    let mut options = options(&[
        ("hmc.chains", 8.0),
        ("hmc.pilot", 200.0),
        ("hmc.burn_in", 5.0),
        ("hmc.target_acceptance", 0.8),
    ]);
    let generator = unit_normal(&options);
    options.set_str("refiner.method", "langevin").unwrap();
    let model = refine(&generator, &mut normal(0.5, 1.0), &options, &()).unwrap();
    let report = &model.record["chains"];
    assert_eq!(model.refinement.as_ref().unwrap().hmc.chains, 8);
    assert_eq!(report["chains"].as_u64(), Some(256), "{report}");
    let said = model.record["judgement"].to_string();
    assert!(said.contains("are not where the weights are"), "{said}");
    // Of a step that does not bias it nothing is said.
    options.set_f64("hmc.target_acceptance", 0.0).unwrap();
    let model = refine_again(&model, None, &options, &()).unwrap();
    let said = model.record["judgement"].to_string();
    assert!(!said.contains("the weights are"), "{said}");
    assert!(model.record["chains"]["bias"].is_object());
}

#[test]
fn weighted_events_count_as_often_as_they_weigh() {
    // Uniform events with weights proportional to 1 + x: not of mean 1, and in an array.
    let n = 60_000;
    let mut x = vec![0.0; 2 * n];
    Noise::new(3, 0, domain::LATENT).fill_normals(0, n, 2, &mut x);
    // N(0,1) reweighted by exp(x₀/2) is N(½, 1); the weights come in units of 10.
    let w: Vec<f64> = x.chunks(2).map(|x| 10.0 * (0.5 * x[0]).exp()).collect();
    let options = options(&[]);
    let generator = unit_normal(&options);
    let mut target = Source::from_rows(Rows::packed(&x, 2).unwrap(), Some(&w)).unwrap();
    let model = refine(&generator, &mut target, &options, &()).unwrap();
    let mut l = [0.0; 2];
    log_weight(
        &model,
        &Options::new(),
        Rows::packed(&[1.0, 0.0, -1.0, 0.0], 2).unwrap(),
        RowsMut::column(&mut l),
    )
    .unwrap();
    // The ratio of normalised densities: ½ x₀ − ⅛.
    assert!(
        (l[0] - 0.375).abs() < 0.12 && (l[1] + 0.625).abs() < 0.12,
        "{l:?}"
    );
    let trained = train_generator(&mut target, &options, &()).unwrap();
    let (mean, _) = mean_and_variance(
        &Arc::new(Instance::new(trained)),
        "baseline",
        20_000,
        &options,
    );
    assert!(
        (mean - 0.25).abs() < 0.06,
        "half of the features are shifted by ½: {mean}"
    );
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_one_others() {
    let mut small = options(&[("flow.epochs", 1.0), ("flow.steps", 5.0)]);
    let a = unit_normal(&small);
    assert_eq!(
        a.generator.parameters,
        unit_normal(&small).generator.parameters
    );
    small.set_i64("seed", 2).unwrap();
    assert_ne!(
        a.generator.parameters,
        unit_normal(&small).generator.parameters
    );
}

fn draw(sampler: &mut Sampler, rows: usize) -> Vec<[u64; 5]> {
    let (mut x, mut z, mut w) = (vec![0.0; 2 * rows], vec![0.0; 2 * rows], vec![0.0; rows]);
    let out = Outputs {
        x: Some(RowsMut::packed(&mut x, 2).unwrap()),
        z: Some(RowsMut::packed(&mut z, 2).unwrap()),
        w: Some(RowsMut::column(&mut w)),
        log_prob: None,
    };
    sampler.generate(rows, out).unwrap();
    (0..rows)
        .map(|i| [x[2 * i], x[2 * i + 1], z[2 * i], z[2 * i + 1], w[i]].map(f64::to_bits))
        .collect()
}

/// The generator's own events are what they are without.
#[test]
fn reweighted_events_are_not_given_without_their_weights() {
    let mut options = options(&[
        ("flow.epochs", 1.0),
        ("flow.steps", 5.0),
        ("classifier.epochs", 1.0),
        ("classifier.steps", 5.0),
    ]);
    let generator = unit_normal(&options);
    let model = Arc::new(refine(&generator, &mut normal(0.3, 1.2), &options, &()).unwrap());
    options.set_str("sampler.method", "reweight").unwrap();
    let mut sampler = Sampler::new(model, 1, 0, &options).unwrap();
    let (mut x, mut w) = ([0.0; 4], [0.0; 2]);
    let mut take = |weights: bool, events: bool| {
        let out = Outputs {
            x: events.then(|| RowsMut::packed(&mut x, 2).unwrap()),
            w: weights.then(|| RowsMut::column(&mut w)),
            ..Outputs::default()
        };
        sampler.generate(2, out)
    };
    let refused = take(false, true).unwrap_err();
    assert!(matches!(refused, Error::InvalidArgument(_)), "{refused}");
    let refused = refused.to_string();
    assert!(refused.contains("`sampler.method`"), "{refused}");
    // Of events that are not wanted, or come with them, there is nothing to say.
    take(true, false).unwrap();
    take(false, false).unwrap();
    take(true, true).unwrap();
}

/// Keeps what samplers warn of.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Hooks for Heard {
    fn log(&self, _: Level, message: &str) -> Result<()> {
        self.0.lock().unwrap().push(message.to_owned());
        Ok(())
    }
}

/// Events of two features and an energy, and a generator of them, plain and refined.
fn of_energies(rows: usize, energy: impl Fn(usize) -> f64) -> ([Instance; 2], Options) {
    let mut z = vec![0.0; 2 * rows];
    Noise::new(5, 0, domain::LATENT).fill_normals(0, rows, 2, &mut z);
    let events = z.chunks(2).enumerate();
    let x: Vec<f64> = events
        .flat_map(|(i, z)| [z[0], z[1], energy(i * 1777 % rows)])
        .collect();
    let mut target = Source::from_rows(Rows::packed(&x, 3).unwrap(), None).unwrap();
    let mut options = options(&[
        ("flow.epochs", 1.0),
        ("flow.steps", 5.0),
        ("classifier.epochs", 1.0),
        ("classifier.steps", 5.0),
    ]);
    options.set_i64("conditions", 1).unwrap();
    options.set_str("features.names", "a, b, energy").unwrap();
    let generator = Instance::new(train_generator(&mut target, &options, &()).unwrap());
    let refined = refine(&generator, &mut target, &options, &()).unwrap();
    ([generator, refined], options)
}

/// What a sampler says of conditions that it is asked for, so many in a call.
fn told_of(model: &Model, options: &Options, given: &[f64], call: usize) -> Option<String> {
    let model = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    let mut sampler = Sampler::new(Arc::new(Instance::new(model)), 1, 0, options).unwrap();
    let heard = Arc::new(Heard::default());
    sampler.set_hooks(Some(heard.clone()));
    for given in given.chunks(call) {
        let mut x = vec![0.0; 2 * given.len()];
        let out = Outputs {
            x: Some(RowsMut::packed(&mut x, 2).unwrap()),
            ..Outputs::default()
        };
        sampler
            .generate_given(given.len(), Rows::column(given), out)
            .unwrap();
    }
    let heard = heard.0.lock().unwrap();
    let mut of_conditions = heard.iter().filter(|m| m.contains("conditions"));
    of_conditions.next().cloned()
}

/// Energies of 10 to 100 are known, 130 is not, whose distance from their mean is 2.9 standard deviations.
#[test]
fn conditions_beyond_the_training_are_told() {
    const ROWS: usize = 5000;
    let even = |i: usize| 10.0 + 90.0 * (i as f64 + 0.5) / ROWS as f64;
    let (models, options) = of_energies(ROWS, even);
    let told = |model: &Model, given: &[f64]| told_of(model, &options, given, given.len());
    for model in &models {
        assert_eq!(told(model, &[99.0, 10.0, 102.0]), None);
        for (given, strange) in [(&[130.0][..], "1 of 1 "), (&[50.0, 2.0, 99.0], "1 of 3 ")] {
            let told = told(model, given).unwrap();
            let says = told.starts_with(strange) && told.contains("as `energy` = ");
            assert!(says && told.contains("which had 10.0"), "{told}");
        }
        // One of many may be chance; a hundredth of them is not.
        let mut many = vec![50.0; ROWS];
        many[7] = 130.0;
        assert_eq!(told(model, &many), None);
        many[..50].fill(130.0);
        assert!(told(model, &many).unwrap().starts_with("50 of 5000 "));
        // A file of before.
        let mut old = (**model).clone();
        old.record.remove("conditions").unwrap();
        assert_eq!(told(&old, &[130.0]), None);
        assert!(told(&old, &[170.0])
            .unwrap()
            .contains("more than 4 standard deviations"));
    }
}

/// Three energies, and a spectrum that falls: next to none is known between, and at the end.
#[test]
fn conditions_where_the_training_had_next_to_none_are_told() {
    const ROWS: usize = 5000;
    let three = |i: usize| match i % 100 {
        0 => 100.0,
        i if i < 50 => 5.0,
        _ => 10.0,
    };
    let ([generator, refined], options) = of_energies(ROWS, three);
    for model in [&*generator, &*refined] {
        let told = |given: &[f64]| told_of(model, &options, given, 256);
        assert_eq!(told(&[5.0, 10.0, 100.0, 5.1, 10.2]), None);
        let (between, rest) = (
            "between 10.0",
            "lie where the training had next to no events",
        );
        let said = told(&[30.0; 2000]).unwrap();
        assert!(said.starts_with("256 of 256 conditions"), "{said}");
        assert!(said.contains(rest) && said.contains("as `energy` = 30.0"));
        assert!(said.contains(between) && said.contains("and 100.0"));
        assert!(told(&[5.0, 10.0, 60.0]).unwrap().starts_with("1 of 3 "));
        // A file that holds the ends alone.
        let mut old = model.clone();
        let reach = old.record["conditions"].as_object_mut().unwrap();
        assert!(reach.remove("stretches").is_some() && reach.remove("sparse").is_some());
        assert_eq!(told_of(&old, &options, &[30.0], 1), None);
        assert!(told_of(&old, &options, &[130.0], 1).is_some());
    }
    let steep = |i: usize| ((i as f64 + 0.5) / ROWS as f64).powf(-0.5);
    let ([generator, _], options) = of_energies(ROWS, steep);
    let told = |given: &[f64], call| told_of(&generator, &options, given, call);
    assert_eq!(told(&[1.0, 2.0, 5.0], 1), None);
    let said = told(&[60.0; 20], 20).unwrap();
    assert!(said.contains("hardly any above"), "{said}");
    // Those of the training, however they are asked for.
    let mut own: Vec<f64> = (0..ROWS)
        .map(|i| steep((i * 1777 + ROWS / 2) % ROWS))
        .collect();
    for call in [1, 64, ROWS] {
        assert_eq!(told(&own, call), None);
    }
    own[..500].fill(60.0);
    assert!(told(&own, 256).is_some());
}

#[test]
fn an_event_depends_on_model_seed_stream_and_number_alone() {
    let mut options = options(&[
        ("flow.epochs", 1.0),
        ("flow.steps", 20.0),
        ("classifier.epochs", 1.0),
        ("classifier.steps", 20.0),
        ("hmc.chains", 50.0),
        ("hmc.burn_in", 3.0),
        ("hmc.step_size", 0.1),
    ]);
    let generator = unit_normal(&options);
    let model = Arc::new(refine(&generator, &mut normal(0.3, 1.2), &options, &()).unwrap());
    let methods = [
        ("baseline", 10_000),
        ("reweight", 10_000),
        ("rejection", 10_000),
        ("resampling", 3_000),
        ("langevin", 400),
        ("mala", 400),
        ("hmc", 400),
    ];
    let backends: &[&str] = match cfg!(feature = "torch") {
        true => &["engine", "torch"],
        false => &["engine"],
    };
    for (backend, (method, n)) in backends.iter().flat_map(|b| methods.map(|m| (*b, m))) {
        options.set_str("backend", backend).unwrap();
        options.set_str("sampler.method", method).unwrap();
        let make = |seed, stream| Sampler::new(model.clone(), seed, stream, &options).unwrap();
        let whole = draw(&mut make(1, 2), n);
        let mut pieces = Vec::new();
        let mut sampler = make(1, 2);
        let mut sizes = [1, 1, 7, 64, 4096, 5000, 3].iter().cycle();
        while pieces.len() < n {
            let rows = sizes.next().unwrap().min(&(n - pieces.len())).to_owned();
            pieces.extend(draw(&mut sampler, rows));
            assert_eq!(sampler.tell() as usize, pieces.len());
        }
        assert!(whole == pieces, "{method}: cut otherwise");
        for at in [n - 5, 17, n / 2] {
            sampler.seek(at as u64).unwrap();
            assert!(
                draw(&mut sampler, 5) == whole[at..at + 5],
                "{method}: after seek {at}"
            );
        }
        assert!(
            draw(&mut make(2, 2), n) != whole && draw(&mut make(1, 3), n) != whole,
            "{method}: another seed or stream"
        );
        // From a file, on another thread, with more threads allowed.
        let copy = Arc::new(Instance::new(
            Model::from_bytes(&model.to_bytes().unwrap()).unwrap(),
        ));
        let mut options = options.clone();
        options.set_i64("threads", 2).unwrap();
        if backend == "engine" {
            options.set_i64("sampler.threads", 3).unwrap();
        }
        let elsewhere =
            std::thread::spawn(move || draw(&mut Sampler::new(copy, 1, 2, &options).unwrap(), n));
        assert!(
            elsewhere.join().unwrap() == whole,
            "{method}: from the file, on another thread"
        );
    }
}

#[test]
fn refined_densities_are_normalised() {
    let mut options = options(&[
        ("refiner_flow.blocks", 4.0),
        ("refiner_flow.epochs", 2.0),
        ("refiner_flow.steps", 100.0),
        ("refiner_flow.batch", 500.0),
        ("refiner_flow.pool", 50000.0),
    ]);
    let generator = unit_normal(&options);
    let model = Arc::new(refine(&generator, &mut normal(0.5, 1.0), &options, &()).unwrap());
    options.set_str("refiner.method", "flow").unwrap();
    let flow = refine(&generator, &mut normal(0.5, 1.0), &options, &()).unwrap();
    let flow = Arc::new(flow);
    options.set_str("refiner.method", "mixture").unwrap();
    let mixture = Arc::new(refine_again(&flow, None, &options, &()).unwrap());
    for (method, shift) in [
        ("baseline", 0.0),
        ("rejection", 0.5),
        ("flow", 0.5),
        ("mixture", 0.5),
    ] {
        let model = match method {
            "flow" => &flow,
            "mixture" => &mixture,
            _ => &model,
        };
        options.set_str("sampler.method", method).unwrap();
        let mut sampler = Sampler::new(model.clone(), 1, 0, &options).unwrap();
        let (mut x, mut l) = (vec![0.0; 2000], vec![0.0; 1000]);
        let out = Outputs {
            x: Some(RowsMut::packed(&mut x, 2).unwrap()),
            log_prob: Some(RowsMut::column(&mut l)),
            ..Outputs::default()
        };
        sampler.generate(1000, out).unwrap();
        let exact = |x: &[f64]| {
            let square: f64 = x.iter().map(|x| (x - shift).powi(2)).sum();
            -0.5 * square - (2.0 * std::f64::consts::PI).ln()
        };
        let difference = x.chunks(2).zip(&l).map(|(x, l)| l - exact(x)).sum::<f64>() / 1000.0;
        assert!(
            difference.abs() < 0.05,
            "{method}: log p is off by {difference}"
        );
    }
}

/// A surrogate that knows the weights leaves nearly no event to be made in vain; one that has learned nothing costs, and harms not.
#[test]
fn surrogates_are_exact_and_ask_the_generator_less() {
    let mut options = options(&[
        ("classifier.epochs", 6.0),
        ("surrogate.epochs", 8.0),
        ("surrogate.steps", 100.0),
        ("surrogate.batch", 500.0),
        ("surrogate.pool", 40000.0),
    ]);
    options.set_str("refiner.method", "surrogate").unwrap();
    let generator = unit_normal(&options);
    let learned = refine(&generator, &mut normal(1.0, 1.0), &options, &()).unwrap();
    let refinement = learned.refinement.as_ref().unwrap();
    assert_eq!(refinement.method, Method::Surrogate);
    let mut idle = options.clone();
    for (key, value) in [("surrogate.epochs", 1), ("surrogate.steps", 1)] {
        idle.set_i64(key, value).unwrap();
    }
    idle.set_str("observables", "x0 + x1").unwrap();
    let log = Still(RefCell::default());
    let untrained = refine_again(&learned, None, &idle, &Messages(&log)).unwrap();
    let without_effect = |m: &String| m.contains("without effect: `observables`");
    assert!(log.0.borrow().iter().any(without_effect));
    let warned = |m: &&String| m.contains("the surrogate has learned too little of the weights");
    assert_eq!(log.0.borrow().iter().filter(warned).count(), 1);
    let verdict = untrained.record["judgement"]["verdict"].as_str().unwrap();
    assert!(verdict.contains("refiner"), "{verdict}");
    // A file keeps it.
    let bytes = learned.to_bytes().unwrap();
    let learned = Instance::new(Model::from_bytes(&bytes).unwrap());
    let calls = |model: Instance| {
        let (mut options, model) = (options.clone(), Arc::new(model));
        let promised = model
            .refinement
            .as_ref()
            .unwrap()
            .surrogate
            .clone()
            .unwrap();
        let mut of = [0.0; 2];
        for (method, calls) in ["surrogate", "rejection"].into_iter().zip(&mut of) {
            let (mean, variance) = mean_and_variance(&model, method, 40_000, &options);
            assert!((mean - 1.0).abs() < 0.05, "{method}: mean {mean}");
            assert!(
                (variance - 1.0).abs() < 0.08,
                "{method}: variance {variance}"
            );
            options.set_str("sampler.method", method).unwrap();
            let mut sampler = Sampler::new(model.clone(), 2, 0, &options).unwrap();
            draw(&mut sampler, 20_000);
            *calls = sampler.diagnostic("calls_per_event").unwrap();
            if method == "surrogate" {
                let off = *calls / promised.calls;
                assert!((off - 1.0).abs() < 0.05, "{calls}, {}", promised.calls);
                let acceptance = sampler.diagnostic("acceptance").unwrap();
                let off = acceptance / promised.acceptance;
                assert!((off - 1.0).abs() < 0.05, "{acceptance}");
            }
        }
        of
    };
    let [surrogate, rejection] = calls(Instance::new(learned.clone()));
    println!("{surrogate} calls an event, rejection {rejection}");
    assert!(surrogate < 0.4 * rejection && surrogate < 2.0);
    // Alone it is nearly as right, by one event each.
    let mut alone = options.clone();
    alone.set_str("refiner.method", "distilled").unwrap();
    let distilled = refine_again(&learned, None, &alone, &()).unwrap();
    assert_eq!(
        distilled.refinement.as_ref().unwrap().method,
        Method::Distilled
    );
    let auc = |m: &Instance| {
        m.record["refiner"]["second_opinion"]["refined"]
            .as_f64()
            .unwrap()
    };
    assert!(auc(&distilled) < 0.52, "{}", auc(&distilled));
    let distilled = Arc::new(distilled);
    let (mean, variance) = mean_and_variance(&distilled, "distilled", 40_000, &alone);
    assert!(
        (mean - 1.0).abs() < 0.06 && (variance - 1.0).abs() < 0.1,
        "{mean}, {variance}"
    );
    alone.set_str("sampler.method", "distilled").unwrap();
    let mut sampler = Sampler::new(distilled.clone(), 2, 0, &alone).unwrap();
    draw(&mut sampler, 20_000);
    assert_eq!(sampler.diagnostic("calls_per_event").unwrap(), 1.0);
    let promised = distilled
        .refinement
        .as_ref()
        .unwrap()
        .surrogate
        .as_ref()
        .unwrap()
        .distilled
        .unwrap();
    let off = sampler.diagnostic("acceptance").unwrap() / promised;
    assert!((off - 1.0).abs() < 0.05, "{off}");
    // What is cut at the limit of s is missed by those who look, and not in the density, which is normalised.
    let cut = |overweight: f64| {
        let mut asked = alone.clone();
        asked.set_f64("rejection.overweight", overweight).unwrap();
        let cut = Arc::new(refine_again(&learned, None, &asked, &()).unwrap());
        let mut sampler = Sampler::new(cut.clone(), 2, 0, &asked).unwrap();
        let (mut x, mut log_p) = (vec![0.0; 2 * 40_000], vec![0.0; 40_000]);
        let out = Outputs {
            x: Some(RowsMut::packed(&mut x, 2).unwrap()),
            log_prob: Some(RowsMut::column(&mut log_p)),
            ..Outputs::default()
        };
        sampler.generate(40_000, out).unwrap();
        let of_generator = |x: &[f64]| {
            let squares: f64 = x.iter().map(|x| x * x).sum();
            -0.5 * squares - (2.0 * std::f64::consts::PI).ln()
        };
        let ratios = x
            .chunks(2)
            .zip(&log_p)
            .map(|(x, p)| (of_generator(x) - p).exp());
        let area = ratios.sum::<f64>() / 40_000.0;
        assert!((area - 1.0).abs() < 0.05, "{overweight}: {area}");
        (
            auc(&cut),
            cut.record["surrogate"]["distilled"]["lost"]
                .as_f64()
                .unwrap(),
        )
    };
    let ((whole, _), (less, lost)) = (cut(0.001), cut(0.3));
    assert!(less > whole + 0.02 && lost > 0.2, "{whole} {less} {lost}");
    // What it has not learned is told; the exact methods of the same model have no part in it.
    idle.set_str("refiner.method", "distilled").unwrap();
    let log = Still(RefCell::default());
    let missed = refine_again(&untrained, None, &idle, &Messages(&log)).unwrap();
    assert!(auc(&missed) > 0.6, "{}", auc(&missed));
    let warned = |m: &&String| m.contains("are told from those with the weights that it learned");
    assert_eq!(log.0.borrow().iter().filter(warned).count(), 1);
    let verdict = missed.record["judgement"]["verdict"].as_str().unwrap();
    assert!(verdict.contains("refiner"), "{verdict}");
    mean_and_variance(&Arc::new(missed), "surrogate", 1000, &options);
    // A surrogate for two stages may know next to nothing, and by itself is no good.
    let told = |model: &Instance| {
        let log = Arc::new(Heard::default());
        let mut sampler =
            Sampler::new(Arc::new(Instance::new((**model).clone())), 2, 0, &alone).unwrap();
        sampler.set_hooks(Some(log.clone()));
        draw(&mut sampler, 1000);
        let said = log.0.lock().unwrap().join("\n");
        said.contains("`distilled` is as right as the model's surrogate")
    };
    assert!(told(&untrained) && !told(&learned));
    let [surrogate, rejection] = calls(untrained);
    // w has no bound: two runs know its largest values no better.
    assert!(
        surrogate < 2.0 * rejection && surrogate > 0.5 * rejection,
        "{surrogate}, {rejection}"
    );
}

/// A flow that knows the weights makes proposals of which nearly all are accepted; one that has learned nothing costs, and harms not.
#[test]
fn mixtures_are_exact_and_ask_the_generator_less() {
    let mut options = options(&[
        ("classifier.epochs", 6.0),
        ("refiner_flow.blocks", 4.0),
        ("refiner_flow.epochs", 4.0),
        ("refiner_flow.steps", 100.0),
        ("refiner_flow.batch", 500.0),
        ("refiner_flow.pool", 50000.0),
    ]);
    options.set_str("refiner.method", "mixture").unwrap();
    let generator = unit_normal(&options);
    let learned = refine(&generator, &mut normal(1.0, 1.0), &options, &()).unwrap();
    assert_eq!(learned.refinement.as_ref().unwrap().method, Method::Mixture);
    let mut idle = options.clone();
    for (key, value) in [("refiner_flow.epochs", 1), ("refiner_flow.steps", 1)] {
        idle.set_i64(key, value).unwrap();
    }
    let log = Still(RefCell::default());
    let untrained = refine_again(&learned, None, &idle, &Messages(&log)).unwrap();
    let warned = |m: &&String| m.contains("the flow has learned too little of the weights");
    assert_eq!(log.0.borrow().iter().filter(warned).count(), 1);
    let mut calls = |model: Instance| {
        let model = Arc::new(model);
        let promised = model.refinement.as_ref().unwrap().mixture.unwrap();
        let mut of = [0.0; 2];
        for (method, calls) in ["mixture", "rejection"].into_iter().zip(&mut of) {
            let (mean, variance) = mean_and_variance(&model, method, 40_000, &options);
            assert!((mean - 1.0).abs() < 0.05, "{method}: mean {mean}");
            assert!(
                (variance - 1.0).abs() < 0.08,
                "{method}: variance {variance}"
            );
            options.set_str("sampler.method", method).unwrap();
            let mut sampler = Sampler::new(model.clone(), 2, 0, &options).unwrap();
            draw(&mut sampler, 20_000);
            *calls = sampler.diagnostic("calls_per_event").unwrap();
            if method == "mixture" {
                let off = *calls * promised.acceptance;
                assert!((off - 1.0).abs() < 0.05, "{calls}, {promised:?}");
            }
        }
        of
    };
    let [mixture, rejection] = calls(learned);
    println!("{mixture} calls an event, rejection {rejection}");
    assert!(mixture < 0.1 * rejection);
    let [mixture, rejection] = calls(untrained);
    // w has no bound: two pilot runs know its largest values no better.
    assert!(
        mixture < 2.0 * rejection && mixture > 0.5 * rejection,
        "{mixture}, {rejection}"
    );
}

/// Cancels, or stops with an error, once `stage` has made `after` steps.
struct Stop {
    stage: &'static str,
    after: u64,
    seen: Cell<u64>,
    messages: RefCell<Vec<String>>,
}

impl Hooks for Stop {
    fn progress(&self, p: &Progress) -> Result<()> {
        if p.stage == self.stage {
            self.seen.set(p.step);
        }
        Ok(())
    }

    fn log(&self, _: Level, message: &str) -> Result<()> {
        self.messages.borrow_mut().push(message.to_owned());
        Ok(())
    }

    fn check(&self, stage: &'static str) -> Result<()> {
        if stage == self.stage && self.seen.get() >= self.after {
            return Err(Error::Cancelled(stage));
        }
        Ok(())
    }
}

#[test]
fn every_stage_can_be_cancelled_and_nothing_is_lost() {
    let mut options = options(&[
        ("flow.epochs", 1.0),
        ("flow.steps", 10.0),
        ("classifier.epochs", 1.0),
        ("classifier.steps", 10.0),
        ("gan.epochs", 1.0),
        ("gan.steps", 10.0),
        ("gan.batch", 100.0),
        ("gan.pool", 10000.0),
    ]);
    options.set_str("refiner.method", "gan").unwrap();
    let mut target = normal(0.3, 1.0);
    let stop = |stage| Stop {
        stage,
        after: 2,
        seen: Cell::new(0),
        messages: RefCell::default(),
    };
    let hooks = stop("flow");
    assert!(matches!(
        train_generator(&mut target, &options, &hooks),
        Err(Error::Cancelled("flow"))
    ));
    assert_eq!(hooks.seen.get(), 2);
    let generator = Instance::new(train_generator(&mut target, &options, &()).unwrap());
    for stage in ["classifier", "pilot", "pool", "gan"] {
        let hooks = stop(stage);
        let error = refine(&generator, &mut target, &options, &hooks).unwrap_err();
        assert!(
            matches!(error, Error::Cancelled(s) if s == stage),
            "{stage}: {error}"
        );
        assert_eq!(hooks.seen.get(), 2, "{stage}");
    }
    let hooks = stop("none");
    refine(&generator, &mut target, &options, &hooks).unwrap();
    assert!(hooks
        .messages
        .borrow()
        .iter()
        .any(|m| m.contains("effective sample size")));
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut options = options(&[("flow.epochs", 1.0), ("flow.steps", 3.0)]);
    let one: Vec<f64> = (0..100).map(f64::from).collect();
    let error = train_generator(
        &mut Source::from_rows(Rows::packed(&one, 1).unwrap(), None).unwrap(),
        &options,
        &(),
    )
    .unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error}");
    let generator = unit_normal(&options);
    let three = vec![0.5; 300];
    let error = refine(
        &generator,
        &mut Source::from_rows(Rows::packed(&three, 3).unwrap(), None).unwrap(),
        &options,
        &(),
    )
    .unwrap_err();
    assert!(
        matches!(error, Error::InvalidArgument(_)) && error.to_string().contains("3 features"),
        "{error}"
    );
    options.set_str("dtype", "float64").unwrap();
    let error = refine(&generator, &mut normal(0.0, 1.0), &options, &()).unwrap_err();
    assert!(error.to_string().contains("float32"), "{error}");
    // A baseline has no weights.
    let model = Arc::new(generator);
    for method in [
        "reweight",
        "rejection",
        "resampling",
        "langevin",
        "mala",
        "hmc",
        "gan",
        "flow",
        "matching",
        "mixture",
        "surrogate",
        "distilled",
    ] {
        options.set_str("sampler.method", method).unwrap();
        let error = Sampler::new(model.clone(), 1, 0, &options).err().unwrap();
        assert!(
            matches!(error, Error::Unsupported(_)) && error.to_string().contains(method),
            "{error}"
        );
    }
    assert!(matches!(
        log_weight(
            &model,
            &options,
            Rows::packed(&[0.0, 0.0], 2).unwrap(),
            RowsMut::column(&mut [0.0])
        ),
        Err(Error::Unsupported(_))
    ));
    let mut l = [7.0];
    assert!(matches!(
        log_prob(
            &model,
            &options,
            Rows::packed(&[0.0, f64::NAN], 2).unwrap(),
            RowsMut::column(&mut l)
        ),
        Err(Error::NotFinite {
            row: 0,
            column: Some(1),
            ..
        })
    ));
    assert_eq!(l, [7.0]);
    options.set_str("sampler.method", "model").unwrap();
    options.set_i64("sampler.threads", 2).unwrap();
    if cfg!(feature = "torch") {
        options.set_str("backend", "torch").unwrap();
        let error = Sampler::new(model, 1, 0, &options).err().unwrap();
        assert!(error.to_string().contains("sampler.threads"), "{error}");
    }
}

/// What is learned stays: another target is seen to be another, and the same to be the same.
#[test]
fn another_target_than_that_of_the_weights_is_told() {
    let mut options = options(&[]);
    let generator = unit_normal(&options);
    options.set_str("refiner.method", "rejection").unwrap();
    let model = refine(&generator, &mut normal(0.3, 1.0), &options, &()).unwrap();
    let again = |target: &mut Source| {
        let log = Still(RefCell::default());
        let refined = refine_again(&model, Some(target), &options, &Messages(&log)).unwrap();
        let opinion = &refined.record["weights"]["second_opinion"]["refined"];
        (log.0.into_inner().join("\n"), opinion.as_f64().unwrap())
    };
    let another = "the target given is another than the one that the model is refined to";
    let (said, auc) = again(&mut normal(1.5, 1.0));
    assert!(said.contains(another) && auc > 0.7, "{auc} {said}");
    let (said, auc) = again(&mut normal(0.3, 1.0));
    assert!(!said.contains(another) && auc < 0.53, "{auc} {said}");
    let three = vec![0.5; 30];
    let mut three = Source::from_rows(Rows::packed(&three, 3).unwrap(), None).unwrap();
    let error = refine_again(&model, Some(&mut three), &options, &()).unwrap_err();
    assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
}

/// Angles around π, from 0 to 2π, on a circle from −π to π: no other distribution, though plain values differ by a period.
#[test]
fn angles_of_another_convention_are_the_same_angles() {
    const TAU: f64 = std::f64::consts::TAU;
    let angles = || {
        let mut x = vec![0.0; 2 * 20_000];
        Noise::new(6, 0, domain::TRAINING).fill_normals(0, 20_000, 2, &mut x);
        let angle = |z: f64| (z + 0.5 * TAU).rem_euclid(TAU);
        x.iter_mut().step_by(2).for_each(|x| *x = angle(*x));
        x
    };
    let judged = |x: &[f64], scaling: &str| {
        let mut options = options(&[("flow.epochs", 6.0)]);
        options.set_str("features.scaling", scaling).unwrap();
        // Of the other feature.
        options.set_str("support", "x1 > -100").unwrap();
        let log = Still(RefCell::default());
        let mut source = Source::from_rows(Rows::packed(x, 2).unwrap(), None).unwrap();
        let generator = train_generator(&mut source, &options, &Messages(&log)).unwrap();
        let opinion = generator.record["second_opinion"]["generated"].as_f64();
        let generator = Instance::new(generator);
        let model = refine(&generator, &mut source, &options, &Messages(&log)).unwrap();
        let refined = &model.record["weights"]["second_opinion"]["refined"];
        let worst = opinion.unwrap().max(refined.as_f64().unwrap());
        // Another source of the same events, of which nothing is known yet.
        let mut fresh = Source::from_rows(Rows::packed(x, 2).unwrap(), None).unwrap();
        let again = refine_again(&model, Some(&mut fresh), &options, &Messages(&log)).unwrap();
        let refined = &again.record["weights"]["second_opinion"]["refined"];
        let said = log.0.into_inner().join("\n");
        (said, worst.max(refined.as_f64().unwrap()))
    };
    let x = angles();
    let (said, auc) = judged(&x, "periodic(-pi:pi), standardise");
    assert!(auc < 0.56, "{auc} {said}");
    assert!(
        said.contains("% of the values lie beside its circle from -3.14") && !said.contains("unit"),
        "{said}"
    );
    for (what, scaling) in [("logit", "take `logit"), ("range", "are below")] {
        assert!(!said.contains(scaling), "{what}: {said}");
    }
    let (said, _) = judged(&x, "periodic(0:360), standardise");
    assert!(said.contains("is the unit of `periodic` right?"), "{said}");
}

#[test]
fn copies_among_the_events_are_in_the_judgement() {
    let mut x = vec![0.0; 2000];
    Noise::new(4, 0, domain::TRAINING).fill_normals(0, 1000, 2, &mut x);
    let judged = |x: &[f64]| {
        let mut options = options(&[("flow.epochs", 1.0), ("flow.steps", 2.0)]);
        options.set_i64("flow.batch", 100).unwrap();
        let mut source = Source::from_rows(Rows::packed(x, 2).unwrap(), None).unwrap();
        let model = train_generator(&mut source, &options, &()).unwrap();
        model.record["judgement"]["warnings"].to_string()
    };
    let copies = "95.0 % of the target's events are exact copies of others";
    assert!(!judged(&x).contains("copies"));
    assert!(judged(&x.repeat(20)).contains(copies));
}

#[test]
fn options_without_effect_are_named() {
    let quick = [
        ("flow.epochs", 1.0),
        ("flow.steps", 2.0),
        ("classifier.steps", 2.0),
    ];
    let mut options =
        options(&[&quick[..], &[("vae.units", 5.0), ("matching.units", 5.0)]].concat());
    options.set_str("refiner.method", "rejection").unwrap();
    let warned = |run: &dyn Fn(&Stop)| {
        let hooks = Stop {
            stage: "",
            after: u64::MAX,
            seen: Cell::new(0),
            messages: RefCell::default(),
        };
        run(&hooks);
        let mut messages = hooks.messages.into_inner();
        messages.retain(|message| message.contains("without effect"));
        messages
    };
    assert_eq!(
        warned(&|hooks| {
            train_generator(&mut normal(0.0, 1.0), &options, hooks).unwrap();
        }),
        ["without effect: `vae.units`: `generator.type` takes another generator"]
    );
    let generator = unit_normal(&options);
    let refined = |options: &Options| {
        warned(&|hooks| {
            refine(&generator, &mut normal(0.5, 1.0), options, hooks).unwrap();
        })
    };
    // What it was trained by may be said again.
    let matching = "without effect: `matching.units`: the refiner is `rejection`";
    assert_eq!(refined(&options), [matching]);
    for (key, value) in [("flow.blocks", 7), ("hmc.pilot", 9), ("pullback.epochs", 9)] {
        options.set_i64(key, value).unwrap();
    }
    assert_eq!(
        refined(&options),
        [
            "without effect: `hmc.pilot`, `matching.units`: the refiner is `rejection`",
            "without effect: `pullback.epochs`: the weights are pulled back directly, as `pullback.method` has it",
            "without effect: `flow.blocks`: the generator is there already, and not trained",
        ]
    );
}

/// Takes down what is said, and lets all begin.
struct Messages<'a>(&'a Still);

impl Hooks for Messages<'_> {
    fn log(&self, level: Level, message: &str) -> Result<()> {
        self.0.log(level, message)
    }
}

/// Whom no computation may begin.
struct Still(RefCell<Vec<String>>);

impl Hooks for Still {
    fn progress(&self, p: &Progress) -> Result<()> {
        panic!("{} has begun", p.stage)
    }

    fn log(&self, _: Level, message: &str) -> Result<()> {
        self.0.borrow_mut().push(message.to_owned());
        Ok(())
    }
}

#[test]
fn what_cannot_end_well_does_not_begin() {
    const ROWS: usize = 2000;
    let still = Still(RefCell::default());
    let mut x = vec![0.0; 2 * ROWS];
    Noise::new(3, 0, domain::LATENT).fill_normals(0, ROWS, 2, &mut x);
    let mut target = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
    let small = options(&[("classifier.batch", 500.0), ("classifier.epochs", 1.0)]);
    let generator = unit_normal(&small);
    let model = {
        let mut rejection = small.clone();
        rejection.set_str("refiner.method", "rejection").unwrap();
        refine(&generator, &mut target, &rejection, &()).unwrap()
    };
    let unsuitable = [
        ("gan", &[("gan.latent", 1)][..], "`gan.latent` is 1", true),
        (
            "gan",
            &[("gan.pool", 1000), ("gan.batch", 1001)][..],
            "`gan.batch` is 1001, but `gan.pool`",
            true,
        ),
        (
            "matching",
            &[("matching.layers", 100), ("matching.units", 65_536)][..],
            "parameters",
            true,
        ),
        (
            "hmc",
            &[("hmc.chains", 1_000_000), ("hmc.burn_in", 1_000_000_000)][..],
            "gradients before the first event",
            true,
        ),
        (
            "hmc",
            &[("iteration.rounds", 2)][..],
            "`iteration.rounds` above 1",
            false,
        ),
        (
            "mixture",
            &[("iteration.rounds", 2)][..],
            "`iteration.rounds` above 1: it takes a learned refiner",
            false,
        ),
        (
            "distilled",
            &[("iteration.rounds", 2)][..],
            "`iteration.rounds` above 1: it takes a learned refiner",
            false,
        ),
        (
            "surrogate",
            &[("surrogate.units", 65_536), ("surrogate.layers", 100)][..],
            "parameters",
            true,
        ),
        (
            "surrogate",
            &[("surrogate.pool", 1000), ("surrogate.batch", 751)][..],
            "`surrogate.batch` is 751, but `surrogate.pool` leaves 750",
            true,
        ),
        (
            "rejection",
            &[("classifier.batch", 1801)][..],
            "`classifier.batch` is 1801, but the event array has 1800 events",
            false,
        ),
    ];
    for (method, settings, message, of_refiner) in unsuitable {
        let mut options = small.clone();
        options.set_str("refiner.method", method).unwrap();
        for (key, value) in settings {
            options.set_i64(key, *value).unwrap();
        }
        let says = |error: Error| {
            let error = error.to_string();
            assert!(error.contains(message), "{method}: {error}");
            assert!(!error.contains("not a valid"), "no file is: {error}");
        };
        says(check(&mut target, &options).unwrap_err());
        says(refine(&generator, &mut target, &options, &still).unwrap_err());
        if of_refiner {
            says(refine_again(&model, None, &options, &still).unwrap_err());
        }
        // The generator alone can be trained by them; only its refinement would fail.
        let stop = Stop {
            stage: "flow",
            after: 0,
            seen: Cell::new(0),
            messages: RefCell::default(),
        };
        let cancelled = train_generator(&mut target, &options, &stop).unwrap_err();
        assert!(matches!(cancelled, Error::Cancelled("flow")), "{cancelled}");
        let messages = stop.messages.borrow();
        assert!(
            messages.len() == 1 && messages[0].contains(message),
            "{messages:?}"
        );
    }
    assert!(still.0.borrow().is_empty());
    check(&mut target, &small).unwrap();
    // What a generator has of its own is not to be had otherwise.
    for (key, value, message) in [
        (
            "features.scaling",
            "standardise, logit(-1000:1000)",
            "those of column 1 (counted from 0) are others",
        ),
        (
            "conditions",
            "1",
            "`conditions` is 1, but the generator was made with 0",
        ),
    ] {
        let mut options = small.clone();
        match value.parse() {
            Ok(n) => options.set_i64(key, n).unwrap(),
            Err(_) => options.set_str(key, value).unwrap(),
        }
        let error = refine(&generator, &mut target, &options, &still).unwrap_err();
        assert!(
            matches!(&error, Error::InvalidArgument(why) if why.contains(message)),
            "{error}"
        );
    }
    // There is no latent to see where one event has many.
    let mut both = small.clone();
    both.set_str("classifier.inputs", "both").unwrap();
    for (key, word) in [
        ("pullback.method", "omnifold"),
        ("generator.type", "vae"),
        ("features.scaling", "zeros(-20), standardise"),
    ] {
        let mut options = both.clone();
        options.set_str(key, word).unwrap();
        let error = check(&mut target, &options).unwrap_err();
        assert!(
            matches!(&error, Error::InvalidArgument(why) if why.contains("`classifier.inputs` is `both`")),
            "{key}: {error}"
        );
    }
    check(&mut target, &both).unwrap();
    // What the generator's own training lacks is its error.
    let mut wide = small.clone();
    wide.set_i64("flow.batch", 1801).unwrap();
    let error = train_generator(&mut target, &wide, &still).unwrap_err();
    assert!(
        matches!(&error, Error::Data(why) if why.contains("`flow.batch` is 1801")),
        "{error}"
    );
}

/// The same start, batches and noise: only rounding differs, until it has grown.
#[cfg(feature = "torch")]
#[test]
fn engine_and_libtorch_train_alike() {
    let mut options = options(&[("gan.pool", 4000.0), ("gan.steps", 15.0)]);
    options.set_str("refiner.method", "gan").unwrap();
    for loss in ["bce", "mse", "mlc"] {
        options.set_str("classifier.loss", loss).unwrap();
        let mut train = |backend: &str, threads: i64| {
            options.set_str("backend", backend).unwrap();
            options.set_i64("threads", threads).unwrap();
            let generator = unit_normal(&options);
            let model = refine(&generator, &mut normal(0.5, 1.0), &options, &()).unwrap();
            ["flow", "classifier", "gan"].map(|stage| {
                let losses = model.record[stage]["losses"].as_array().unwrap();
                losses
                    .iter()
                    .map(|l| l.as_f64().unwrap())
                    .collect::<Vec<f64>>()
            })
        };
        let engine = train("engine", 1);
        assert_eq!(engine, train("engine", 1), "the same bits twice");
        for other in [train("torch", 1), train("engine", 2)] {
            for (a, b) in engine.iter().zip(&other) {
                assert_eq!(a.len(), b.len());
                for (a, b) in a.iter().zip(b) {
                    assert!((a - b).abs() < 2e-3 * (1.0 + b.abs()), "{a}, {b}");
                }
            }
        }
    }
}

#[test]
fn networks_that_learned_nothing_or_exploded_are_named() {
    // x1 = x0² and some noise: no normal distribution.
    let mut x = vec![0.0; 40_000];
    Noise::new(7, 0, domain::LATENT).fill_normals(0, 20_000, 2, &mut x);
    x.chunks_exact_mut(2)
        .for_each(|x| x[1] = x[0] * x[0] + 0.3 * x[1]);
    let warnings = |settings: &[(&str, f64)]| {
        let options = options(settings);
        let mut target = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
        let generator = train_generator(&mut target, &options, &()).unwrap();
        let model = refine(&Instance::new(generator), &mut target, &options, &()).unwrap();
        model.record["judgement"]["warnings"].to_string()
    };
    let idle = warnings(&[("flow.lr", 1e-9)]);
    assert!(idle.contains("the flow has learned nothing"), "{idle}");
    let burst = warnings(&[("classifier.lr", 10.0), ("classifier.patience", 0.0)]);
    assert!(burst.contains("its training has failed"), "{burst}");
    // Refined again, a model has the warnings of its own refinement, and no others.
    let idle = options(&[("flow.lr", 1e-9), ("classifier.lr", 1e-9)]);
    let mut target = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
    let generator = train_generator(&mut target, &idle, &()).unwrap();
    let first = refine(&Instance::new(generator), &mut target, &idle, &()).unwrap();
    let better = options(&[("classifier.epochs", 4.0)]);
    let second = refine(&first, &mut target, &better, &()).unwrap();
    let told = |model: &Model| {
        let warnings = model.record["judgement"]["warnings"].as_array().unwrap();
        let about = |w: &serde_json::Value| w["about"].as_str().unwrap().to_owned();
        warnings.iter().map(about).collect::<Vec<_>>()
    };
    let (first, second) = (told(&first), told(&second));
    assert!(first.iter().any(|w| w == "second opinion"), "{first:?}");
    let of_flow = second.iter().filter(|about| *about == "flow").count();
    let stale = second.iter().any(|about| about == "second opinion");
    assert!(of_flow == 1 && !stale, "{second:?}");
    let good = warnings(&[]);
    assert!(
        !good.contains("learned nothing") && !good.contains("has failed"),
        "{good}"
    );
}
