//! Weights for the host's own events, judged by ratios of densities that are known in closed form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

use laser::model::Model;
use laser::noise::{domain, Noise};
use laser::options::Options;
use laser::protocol::{
    log_weight, refine, train_generator, train_reweighter, EventSource, Instance, Reweighter,
    Sampler, Source, Weights,
};
use laser::train::{Hooks, Level};
use laser::{Error, Result, Rows, RowsMut};
use std::cell::RefCell;
use std::io::Write;
use std::sync::Arc;

/// Normal features in a row, of unit width, each with this correlation with the one before, the first around `mean`.
#[derive(Clone, Copy)]
struct Chain {
    dim: usize,
    mean: f64,
    correlation: f64,
}

impl Chain {
    fn events(&self, rows: usize, stream: u64) -> Vec<f64> {
        let mut x = vec![0.0; rows * self.dim];
        Noise::new(31, stream, domain::LATENT).fill_normals(0, rows, self.dim, &mut x);
        let rest = (1.0 - self.correlation.powi(2)).sqrt();
        for row in x.chunks_exact_mut(self.dim) {
            row[0] += self.mean;
            for k in 1..row.len() {
                row[k] = self.correlation * row[k - 1] + rest * row[k];
            }
        }
        x
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        let normal = |d: f64, width: f64| -0.5 * (d / width).powi(2) - width.ln();
        let rest = (1.0 - self.correlation.powi(2)).sqrt();
        let others = x.windows(2);
        normal(x[0] - self.mean, 1.0)
            + others
                .map(|pair| normal(pair[1] - self.correlation * pair[0], rest))
                .sum::<f64>()
    }
}

fn options(settings: &str) -> Options {
    let json = r#"{"preset": "fast", "validation.fraction": 0.2,
        "classifier": {"layers": 2, "units": 32, "epochs": 4, "steps": 150, "batch": 1000, "lr": 0.005}"#;
    let mut options = Options::from_json(&format!("{json}}}")).unwrap();
    let more: serde_json::Value = serde_json::from_str(&format!("{{{settings}}}")).unwrap();
    for (key, value) in more.as_object().unwrap() {
        match value {
            serde_json::Value::String(text) => options.set_str(key, text).unwrap(),
            value if value.is_i64() => options
                .set_i64(key, value.as_i64().unwrap())
                .or_else(|_| options.set_f64(key, value.as_f64().unwrap()))
                .unwrap(),
            value => options.set_f64(key, value.as_f64().unwrap()).unwrap(),
        }
    }
    options
}

fn array<'a>(x: &'a [f64], dim: usize, w: Option<&'a [f64]>) -> Source<'a> {
    Source::from_rows(Rows::packed(x, dim).unwrap(), w).unwrap()
}

/// log w and its spread.
fn weights(reweighter: &Reweighter, x: &[f64], threads: i64) -> (Vec<f64>, Vec<f64>) {
    let dims = reweighter.generator.dims();
    let rows = Rows::packed(x, dims.event_row()).unwrap();
    let mut options = Options::new();
    options.set_i64("threads", threads).unwrap();
    let [mut w, mut log_w, mut spread] = [(); 3].map(|()| vec![f64::NAN; rows.rows()]);
    let out = Weights {
        w: Some(RowsMut::column(&mut w)),
        log_w: Some(RowsMut::column(&mut log_w)),
        spread: Some(RowsMut::column(&mut spread)),
    };
    reweighter.weights(&options, rows, out).unwrap();
    let pairs = w.iter().zip(&log_w);
    pairs.for_each(|(w, l)| assert!((w - l.exp()).abs() <= 1e-14 * w, "{w} is not exp {l}"));
    (log_w, spread)
}

/// Root mean square of the differences.
fn rms(a: &[f64], b: &[f64]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
    (squares.sum::<f64>() / a.len() as f64).sqrt()
}

#[derive(Default)]
struct Log(RefCell<Vec<(String, String)>>);

impl Log {
    fn warnings(&self, about: &str) -> Vec<String> {
        let all = self.0.borrow();
        let those = all.iter().filter(|(of, _)| of == about);
        those.map(|(_, message)| message.clone()).collect()
    }
}

impl Hooks for Log {
    fn warn(&self, about: &'static str, message: &str) -> Result<()> {
        self.0.borrow_mut().push((about.into(), message.into()));
        Ok(())
    }

    fn log(&self, _: Level, message: &str) -> Result<()> {
        self.0.borrow_mut().push(("log".into(), message.into()));
        Ok(())
    }
}

#[test]
fn ratios_of_correlated_normals_are_found() {
    // How wide log w is by itself says how much of it is found.
    for (dim, settings) in [
        (2, ""),
        (
            5,
            r#""classifier.epochs": 6, "classifier.lr": 0.003, "classifier.ensemble": 2"#,
        ),
        (20, r#""classifier.epochs": 8, "classifier.ensemble": 3"#),
    ] {
        let from = Chain {
            dim,
            mean: 0.0,
            correlation: 0.2,
        };
        let to = Chain {
            mean: 0.5,
            correlation: 0.3,
            ..from
        };
        let rows = if dim == 20 { 100_000 } else { 40_000 };
        let (x, y) = (from.events(rows, 1), to.events(3 * rows / 4, 2));
        let log = Log::default();
        let reweighter = train_reweighter(
            &mut array(&x, dim, None),
            &mut array(&y, dim, None),
            &options(settings),
            &log,
        )
        .unwrap();
        let fresh = from.events(20_000, 3);
        let (log_w, spread) = weights(&reweighter, &fresh, 1);
        let exact: Vec<f64> = fresh
            .chunks_exact(dim)
            .map(|x| to.log_density(x) - from.log_density(x))
            .collect();
        let width = rms(&exact, &vec![exact.iter().sum::<f64>() / 2e4; exact.len()]);
        let off = rms(&log_w, &exact);
        println!(
            "{dim}: log w off by {off:.3} of {width:.3}; {}",
            reweighter.record["weights"]["calibration"]["chi_square"]
        );
        assert!(off < [0.1, 0.2, 0.35][usize::from(dim > 2) + usize::from(dim > 5)] * width);
        // Fresh events have what they should on average, and held-out ones say so.
        let mean = log_w.iter().map(|l| l.exp()).sum::<f64>() / log_w.len() as f64;
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
        let calibration = &reweighter.record["weights"]["calibration"];
        assert!(
            calibration["chi_square"].as_f64().unwrap() < 3.0,
            "{calibration}"
        );
        assert_eq!(calibration["events"], 3 * rows as u64 / 20);
        // An ensemble knows how uncertain it is; one network does not.
        let typical = spread.iter().sum::<f64>() / spread.len() as f64;
        match dim {
            5 | 20 => assert!((0.1..2.0).contains(&(typical / off)), "{typical} of {off}"),
            _ => assert_eq!(typical, 0.0),
        }
        let verdict = reweighter.record["judgement"]["verdict"].as_str().unwrap();
        assert!(log.warnings("coverage").is_empty(), "{verdict}");
    }
}

/// Weights of both signs in both: 0.7 of the events count, 0.3 are subtracted, everywhere alike, and in any unit.
#[test]
fn weights_of_both_samples_count_with_their_signs() {
    let dim = 2;
    let (broad, from) = (
        Chain {
            dim,
            mean: 0.3,
            correlation: 0.0,
        },
        Chain {
            dim,
            mean: 0.0,
            correlation: 0.2,
        },
    );
    let to = Chain {
        dim,
        mean: 0.4,
        correlation: 0.3,
    };
    let rows = 60_000;
    let (x, y) = (broad.events(rows, 1), to.events(rows, 2));
    let mut signs = vec![0.0; 2 * rows];
    Noise::new(8, 0, domain::ACCEPT).fill_uniforms(0, rows, 2, &mut signs);
    let sign = |u: f64| if u < 0.3 { -1.0 } else { 1.0 };
    let v: Vec<f64> = x
        .chunks_exact(dim)
        .zip(signs.chunks_exact(2))
        .map(|(x, u)| 1e6 * sign(u[0]) * (from.log_density(x) - broad.log_density(x)).exp())
        .collect();
    let w: Vec<f64> = signs.chunks_exact(2).map(|u| 1e-3 * sign(u[1])).collect();
    let reweighter = train_reweighter(
        &mut array(&x, dim, Some(&v)),
        &mut array(&y, dim, Some(&w)),
        &options(r#""classifier.patience": 2, "classifier.lr": 0.003"#),
        &(),
    )
    .unwrap();
    let fresh = from.events(20_000, 3);
    let (log_w, _) = weights(&reweighter, &fresh, 1);
    let exact: Vec<f64> = fresh
        .chunks_exact(dim)
        .map(|x| to.log_density(x) - from.log_density(x))
        .collect();
    let width = rms(&exact, &vec![exact.iter().sum::<f64>() / 2e4; exact.len()]);
    let off = rms(&log_w, &exact);
    println!("log w off by {off:.3} of {width:.3}");
    assert!(off < 0.3 * width, "{off} of {width}");
    let mean = log_w.iter().map(|l| l.exp()).sum::<f64>() / log_w.len() as f64;
    assert!((mean - 1.0).abs() < 0.06, "{mean}");
    let report = &reweighter.record["weights"];
    assert!(report["calibration"]["chi_square"].as_f64().unwrap() < 3.0);
    assert!(
        (report["mean"].as_f64().unwrap() - 1.0).abs() < 0.1,
        "{report}"
    );
}

/// Rows of two normal features, the first of which lies around `theta` of its own, which stands behind them.
fn family(rows: usize, stream: u64, theta: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut x = vec![0.0; 2 * rows];
    let mut u = vec![0.0; rows];
    Noise::new(32, stream, domain::LATENT).fill_normals(0, rows, 2, &mut x);
    Noise::new(32, stream, domain::ACCEPT).fill_uniforms(0, rows, 1, &mut u);
    let events = x.chunks_exact(2).zip(u);
    events
        .flat_map(|(x, u)| [x[0] + theta(u), x[1], theta(u)])
        .collect()
}

#[test]
fn weights_are_interpolated_between_parameters() {
    let thetas = [-1.0, -0.5, 0.5, 1.0];
    // Sorted by θ, as files of one run after the other are.
    let mut y = family(40_000, 1, |u| thetas[(4.0 * u) as usize]);
    let mut rows: Vec<&[f64]> = y.chunks_exact(3).collect();
    rows.sort_by(|a, b| a[2].total_cmp(&b[2]));
    y = rows.concat();
    let mut x = family(40_000, 2, |_| 0.0);
    let mut rows: Vec<&[f64]> = x.chunks_exact(3).map(|x| &x[..2]).collect();
    rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
    x = rows.concat();
    let options = options(r#""conditions": 1, "classifier.epochs": 6"#);
    let log = Log::default();
    let reweighter = train_reweighter(
        &mut array(&x, 2, None),
        &mut array(&y, 3, None),
        &options,
        &log,
    )
    .unwrap();
    assert_eq!(reweighter.generator.dims().event_row(), 3);
    for theta in [-0.75, 0.0, 0.25, 1.0] {
        let fresh = family(10_000, 3, |_| 0.0);
        let rows: Vec<f64> = fresh
            .chunks_exact(3)
            .flat_map(|x| [x[0], x[1], theta])
            .collect();
        let exact: Vec<f64> = rows
            .chunks_exact(3)
            .map(|x| x[0] * theta - 0.5 * theta * theta)
            .collect();
        let (log_w, _) = weights(&reweighter, &rows, 1);
        let off = rms(&log_w, &exact);
        println!("θ = {theta}: off by {off:.3}");
        assert!(off < 0.12, "θ = {theta}: off by {off}");
    }
    assert!(log.warnings("calibration").is_empty());

    // Both with conditions, of other distributions: the weights make up for these too, and say so.
    let both = [|u: f64| u, |u: f64| u * u];
    let (x, y) = (
        family(30_000, 4, |u| both[0](u)),
        family(30_000, 5, |u| both[1](u)),
    );
    let log = Log::default();
    train_reweighter(
        &mut array(&x, 3, None),
        &mut array(&y, 3, None),
        &options,
        &log,
    )
    .unwrap();
    let told = log.warnings("conditions");
    assert!(told.len() == 1 && told[0].contains("c0 by 0.2"), "{told:?}");
}

/// Whether `from` has the conditions, or only `to`.
#[test]
fn conditions_beyond_the_training_are_strange() {
    let y = family(2000, 1, |u| 10.0 + 90.0 * u);
    let without: Vec<f64> = y.chunks_exact(3).flat_map(|x| [x[0], x[1]]).collect();
    let few = r#""conditions": 1, "classifier.epochs": 1, "classifier.steps": 5, "classifier.batch": 100"#;
    for (from, columns) in [(&y, 3), (&without, 2)] {
        let (mut from, mut to) = (array(from, columns, None), array(&y, 3, None));
        let reweighter = train_reweighter(&mut from, &mut to, &options(few), &()).unwrap();
        let strange = |c: f64| reweighter.strange(&Rows::packed(&[0.0, 0.0, c], 3).unwrap());
        assert_eq!(strange(99.0), None);
        let told = strange(130.0).unwrap();
        assert!(told.contains("as condition 0 = 130.0"), "{told}");
    }
    // Between parameters weights are interpolated, between energies of both they are not.
    let y = family(2000, 1, |u| 10.0 + 90.0 * (2.0 * u).floor());
    for (from, columns) in [(&y, 3), (&without, 2)] {
        let (mut from, mut to) = (array(from, columns, None), array(&y, 3, None));
        let reweighter = train_reweighter(&mut from, &mut to, &options(few), &()).unwrap();
        let told = reweighter.strange(&Rows::packed(&[0.0, 0.0, 50.0], 3).unwrap());
        assert_eq!(told.is_some(), columns == 3, "{told:?}");
    }
}

/// Events of an array, told one portion after the other.
struct Told {
    x: Vec<f64>,
    dim: usize,
    next: usize,
}

impl EventSource for Told {
    fn dim(&self) -> usize {
        self.dim
    }

    fn weighted(&self) -> bool {
        false
    }

    fn fill(&mut self, x: &mut [f64], _: &mut [f64]) -> Result<usize> {
        let rest = &self.x[self.next * self.dim..];
        let got = (rest.len() / self.dim).min(x.len() / self.dim);
        x[..got * self.dim].copy_from_slice(&rest[..got * self.dim]);
        self.next += got;
        if got < x.len() / self.dim {
            self.next = 0;
        }
        Ok(got)
    }
}

const PAIR: (Chain, Chain) = (
    Chain {
        dim: 2,
        mean: 0.0,
        correlation: 0.0,
    },
    Chain {
        dim: 2,
        mean: 0.5,
        correlation: 0.3,
    },
);

#[test]
fn arrays_files_and_callbacks_serve_alike_and_files_keep_every_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (x, y) = (PAIR.0.events(80_000, 1), PAIR.1.events(70_000, 2));
    let options = options(r#""classifier.ensemble": 2, "validation.fraction": 0.3"#);
    let train = |from: &mut Source, to: &mut Source, options: &Options| {
        train_reweighter(from, to, options, &()).unwrap()
    };
    let trained = train(&mut array(&x, 2, None), &mut array(&y, 2, None), &options);
    let bytes = trained.to_bytes().unwrap();
    let write = |name: &str, x: &[f64]| {
        let path = folder.path().join(name);
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(laser::table::MAGIC).unwrap();
        for word in [2, x.len() as u64 / 2] {
            file.write_all(&word.to_le_bytes()).unwrap();
        }
        x.iter()
            .for_each(|x| file.write_all(&x.to_le_bytes()).unwrap());
        path
    };
    let paths = [write("from.f64", &x), write("to.f64", &y)];
    let [mut from, mut to] = paths
        .each_ref()
        .map(|p| Source::from_file(p, &options).unwrap());
    assert!(train(&mut from, &mut to, &options).to_bytes().unwrap() == bytes);
    // Larger than what memory is given to them, and from callbacks: other orders, the same ratio.
    let mut streamed = options.clone();
    streamed.set_i64("source.memory", 1).unwrap();
    let [mut large_from, mut large_to] = paths
        .each_ref()
        .map(|p| Source::from_file(p, &streamed).unwrap());
    let told = |x: &[f64]| {
        let told = Told {
            x: x.to_vec(),
            dim: 2,
            next: 0,
        };
        Source::from_events(Box::new(told)).unwrap()
    };
    let fresh = PAIR.0.events(10_000, 3);
    let exact: Vec<f64> = fresh
        .chunks_exact(2)
        .map(|x| PAIR.1.log_density(x) - PAIR.0.log_density(x))
        .collect();
    for (what, reweighter) in [
        ("arrays", trained),
        (
            "large files",
            train(&mut large_from, &mut large_to, &streamed),
        ),
        ("callbacks", train(&mut told(&x), &mut told(&y), &options)),
        (
            "an array and a callback",
            train(&mut array(&x, 2, None), &mut told(&y), &options),
        ),
    ] {
        let off = rms(&weights(&reweighter, &fresh, 1).0, &exact);
        println!("{what}: off by {off:.3}");
        assert!(off < 0.15, "{what}: off by {off}");
        let path = folder.path().join("reweighter.laser");
        reweighter.save(&path).unwrap();
        let loaded = Reweighter::load(&path).unwrap();
        assert_eq!(**loaded, **reweighter);
        let (one, other) = (weights(&reweighter, &fresh, 1), weights(&loaded, &fresh, 2));
        assert!(
            one == other,
            "{what}: other bits after a load, or on two threads"
        );
        // What a model does with its classifier, a reweighter does with its own.
        let mut log_w = vec![0.0; 10_000];
        let rows = Rows::packed(&fresh, 2).unwrap();
        log_weight(&loaded, &options, rows, RowsMut::column(&mut log_w)).unwrap();
        assert!(log_w == one.0);
    }
}

#[test]
fn what_a_classifier_sees_of_columns_follows_their_scalings() {
    // An angle, a number, a class and a momentum that is zero as often as not; `to` has other shares of the latter three.
    let rows = 40_000;
    let sample = |stream, shift: f64| -> (Vec<f64>, Vec<f64>) {
        let mut u = vec![0.0; 4 * rows];
        Noise::new(33, stream, domain::ACCEPT).fill_uniforms(0, rows, 4, &mut u);
        let rows = u.chunks_exact(4).map(|u| {
            let number = if u[1] < 0.5 + shift {
                1.0
            } else {
                2.0 + (2.0 * u[1]).floor()
            };
            let class = if u[2] < 0.3 + shift {
                2.0
            } else {
                (2.0 * u[2]).floor()
            };
            let zero = match (u[3] - 0.5 + shift) / (0.5 + shift) {
                below if below < 0.0 => 0.0,
                above => 1.0 + above,
            };
            [std::f64::consts::TAU * u[0], number, class, zero]
        });
        let rows: Vec<f64> = rows.flatten().collect();
        (rows, u)
    };
    let ((x, _), (y, _)) = (sample(1, 0.0), sample(2, 0.2));
    let options = options(
        r#""features.scaling": "periodic(0:2pi), integer(0:4), category(3), zeros(0)", "features.names": "phi, n, class, pt",
        "support": "pt < 1.9", "target.outside": 0.2, "classifier.epochs": 6"#,
    );
    let log = Log::default();
    let reweighter = train_reweighter(
        &mut array(&x, 4, None),
        &mut array(&y, 4, None),
        &options,
        &log,
    )
    .unwrap();
    assert_eq!(reweighter.names, ["phi", "n", "class", "pt"]);
    assert!(log.warnings("columns").is_empty());
    let (log_w, spread) = weights(&reweighter, &x, 1);
    assert!(spread.iter().all(|s| *s == 0.0));
    // Outside of the support is nothing; within it, every value has the share that `to` has.
    for (x, l) in x.chunks_exact(4).zip(&log_w) {
        assert_eq!(x[3] < 1.9, *l > f64::NEG_INFINITY, "{x:?}");
    }
    let inside = y.chunks_exact(4).filter(|y| y[3] < 1.9).count() as f64;
    for (column, value) in [(1, 1.0), (1, 3.0), (2, 0.0), (2, 2.0), (3, 0.0)] {
        let rows = x.chunks_exact(4).zip(&log_w);
        let weighted = rows.filter(|(x, _)| x[column] == value);
        let weighted = weighted.map(|(_, l)| l.exp()).sum::<f64>() / rows_of(&log_w);
        let share = y
            .chunks_exact(4)
            .filter(|y| y[3] < 1.9 && y[column] == value);
        let share = share.count() as f64 / inside;
        assert!(
            (weighted - share).abs() < 0.02,
            "{column}: {value}: {weighted}, {share}"
        );
    }
    // The whole of `from` counts: its weights have the mean 1 over all, outside too.
    let mean = rows_of(&log_w) / rows as f64;
    assert!((mean - 1.0).abs() < 0.03, "{mean}");
    let support = &reweighter.record["support"];
    assert!(support["left_out"].as_u64().unwrap() > 1000, "{support}");
    // More than a resolution puts there: the weights know nothing of them.
    let told = log.warnings("support");
    assert!(
        told.len() == 1 && told[0].contains("of the events of `to` were outside the support"),
        "{told:?}"
    );
    let verdict = reweighter.record["judgement"]["verdict"].as_str().unwrap();
    assert!(verdict.contains("support"), "{verdict}");
}

/// A product of signs makes zeros negative, and they count as any other zero.
#[test]
fn zeros_of_both_signs_are_one_value() {
    const ROWS: usize = 20_000;
    let sample = |stream: u64, mean: f64| -> Vec<f64> {
        let mut z = vec![0.0; 2 * ROWS];
        Noise::new(37, stream, domain::LATENT).fill_normals(0, ROWS, 2, &mut z);
        let rows = z.chunks(2).zip([1.0, -1.0].iter().cycle());
        rows.flat_map(|(z, sign)| [(z[0] + mean).abs().floor() * sign * sign, z[1]])
            .collect()
    };
    let (mut x, y) = (sample(1, 0.5), sample(2, 0.6));
    x.iter_mut()
        .step_by(4)
        .filter(|x| **x == 0.0)
        .for_each(|x| *x = -0.0);
    let train = |x: &[f64], scaling: &str| {
        let log = Log::default();
        let mut options = options("");
        options.set_str("features.scaling", scaling).unwrap();
        let (mut x, mut y) = (array(x, 2, None), array(&y, 2, None));
        train_reweighter(&mut x, &mut y, &options, &log).unwrap();
        log
    };
    let log = train(&x, "integer(0:), auto");
    assert!(log.warnings("features").is_empty(), "{:?}", log.0);
    let log = train(&x, "auto");
    let told = log.warnings("columns");
    assert!(
        told.len() == 1 && told[0].contains("`integer(0:") && !told[0].contains("-0"),
        "{told:?}"
    );
}

/// Sum of the weights.
fn rows_of(log_w: &[f64]) -> f64 {
    log_w.iter().map(|l| l.exp()).sum()
}

#[test]
fn what_cannot_be_judged_or_reached_is_told() {
    let (x, y) = (PAIR.0.events(20_000, 1), PAIR.1.events(20_000, 2));
    let train = |x: &[f64], y: &[f64], settings: &str| {
        let log = Log::default();
        let trained = train_reweighter(
            &mut array(x, 2, None),
            &mut array(y, 2, None),
            &options(settings),
            &log,
        );
        (trained.unwrap(), log)
    };
    // `to` lies where `from` has nothing.
    let far: Vec<f64> = y
        .iter()
        .enumerate()
        .map(|(i, y)| if i % 200 < 2 { y + 9.0 } else { *y })
        .collect();
    let (reweighter, log) = train(&x, &far, "");
    let told = log.warnings("coverage");
    let words =
        "`from` does not reach all of `to`, and no weight can bring back what it never has: ";
    assert!(told.len() == 1 && told[0].starts_with(words), "{told:?}");
    assert!(reweighter.record["judgement"]["verdict"]
        .as_str()
        .unwrap()
        .contains("coverage"));
    let gaps = reweighter.record["weights"]["gaps"].as_array().unwrap();
    assert!(gaps
        .iter()
        .any(|gap| gap["direction"] == "feature 0" && gap["side"] == "above"));
    // And the other way round: events of `from` where `to` has none get next to no weight, and that is right.
    let (reweighter, log) = train(&far, &y, "");
    assert!(log.warnings("coverage").is_empty());
    let gone: Vec<f64> = far
        .chunks_exact(2)
        .filter(|x| x[0] > 7.0)
        .flatten()
        .copied()
        .collect();
    let (log_w, _) = weights(&reweighter, &gone, 1);
    assert!(
        log_w.iter().sum::<f64>() / (log_w.len() as f64) < -3.0,
        "{log_w:?}"
    );

    let (reweighter, log) = train(&x, &y, r#""validation.events": 0"#);
    let told = log.warnings("events");
    assert!(
        told.len() == 2 && told[0].contains("no events of `from` are held out"),
        "{told:?}"
    );
    assert!(reweighter.record["weights"]["calibration"].is_null());
    let (_, log) = train(&x, &y, r#""validation.events": 500"#);
    let told = log.warnings("events");
    assert!(
        told.len() == 2 && told[1].contains("the events of `to` that are held out are worth 500"),
        "{told:?}"
    );
    let (_, log) = train(&x, &x.repeat(2), r#""flow.epochs": 3"#);
    assert!(log.warnings("events")[0].contains("of the events of `to` are exact copies"));
    assert!(log
        .0
        .borrow()
        .iter()
        .any(|(_, m)| m.contains("without effect: `flow.epochs`")));
    let nothing = log.0.borrow();
    assert!(
        nothing
            .iter()
            .any(|(_, m)| m.contains("there is little to reweight")),
        "{nothing:?}"
    );
}

#[test]
fn what_is_wrong_is_said_of_the_right_source() {
    let (x, y) = (PAIR.0.events(5_000, 1), PAIR.1.events(5_000, 2));
    let quick = options(r#""classifier.epochs": 1, "classifier.steps": 5"#);
    let fails = |from: &mut Source, to: &mut Source, options: &Options, words: &str| {
        let error = train_reweighter(from, to, options, &())
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    };
    let mut good = array(&y, 2, None);
    fails(
        &mut array(&x, 4, None),
        &mut good,
        &quick,
        "the events of `from` have 4 columns, those of `to` 2; they need as many",
    );
    let conditional = options(r#""conditions": 1"#);
    fails(
        &mut array(&x, 4, None),
        &mut good,
        &conditional,
        "or 1 without the 1 conditions",
    );
    let all = options(r#""conditions": 2"#);
    fails(
        &mut array(&x, 2, None),
        &mut good,
        &all,
        "no feature is left",
    );
    fails(
        &mut array(&x[..40], 2, None),
        &mut good,
        &quick,
        "`from`: `classifier.batch` is 1000",
    );
    let none = Told {
        x: Vec::new(),
        dim: 2,
        next: 0,
    };
    fails(
        &mut Source::from_events(Box::new(none)).unwrap(),
        &mut good,
        &quick,
        "`from`: ",
    );
    let negative = vec![-1.0; 5_000];
    fails(
        &mut good,
        &mut array(&x, 2, Some(&negative)),
        &quick,
        "`to`: the mean weight",
    );
    fails(
        &mut array(&x, 2, Some(&negative)),
        &mut good,
        &quick,
        "`from`: the mean weight",
    );
    let bounded = options(r#""features.scaling": "log(-2.5)""#);
    fails(
        &mut array(&x, 2, None),
        &mut array(&y, 2, None),
        &bounded,
        "`from`: ",
    );
    let nowhere = options(r#""support": "x0 > 1""#);
    fails(
        &mut array(&x, 2, None),
        &mut array(&y, 2, None),
        &nowhere,
        "`to`: ",
    );
    // Beyond all that is known, in single precision even beyond its numbers: the limits hold, or the event is named.
    let trained = train_reweighter(
        &mut array(&x, 2, None),
        &mut array(&y, 2, None),
        &quick,
        &(),
    );
    let trained = trained.unwrap();
    let limits = trained.classifier.as_ref().unwrap().limits.unwrap();
    let (log_w, _) = weights(&trained, &[1e20, -1e25, -30.0, 60.0], 1);
    assert!(
        log_w.iter().all(|l| (limits.low..=limits.high).contains(l)),
        "{log_w:?}"
    );
    let far = [0.0, 0.0, 1e300, -1e300];
    let (mut w, rows) = (vec![0.0; 2], Rows::packed(&far, 2).unwrap());
    let out = Weights {
        w: Some(RowsMut::column(&mut w)),
        ..Weights::default()
    };
    match trained.weights(&quick, rows, out) {
        Ok(()) => assert!(w.iter().all(|w| w.is_finite())),
        Err(Error::Numerical(what)) => assert!(what.contains("row 1"), "{what}"),
        Err(other) => panic!("{other}"),
    }
    // Cancelled, and the sources are as usable as before.
    struct Stop;
    impl Hooks for Stop {
        fn check(&self, stage: &'static str) -> Result<()> {
            Err(Error::Cancelled(stage))
        }
    }
    let (mut from, mut to) = (array(&x, 2, None), array(&y, 2, None));
    let stopped = train_reweighter(&mut from, &mut to, &quick, &Stop).unwrap_err();
    assert!(
        matches!(stopped, Error::Cancelled("classifier")),
        "{stopped}"
    );
    let after = train_reweighter(&mut from, &mut to, &quick, &()).unwrap();
    let fresh = train_reweighter(
        &mut array(&x, 2, None),
        &mut array(&y, 2, None),
        &quick,
        &(),
    );
    assert_eq!(**after, **fresh.unwrap());
}

#[test]
fn a_reweighter_makes_no_events_and_a_model_is_none() {
    let (x, y) = (PAIR.0.events(5_000, 1), PAIR.1.events(5_000, 2));
    let quick = options(
        r#""classifier.epochs": 1, "classifier.steps": 5, "flow.epochs": 1, "flow.steps": 5, "weights.events": 1000"#,
    );
    let (mut from, mut to) = (array(&x, 2, None), array(&y, 2, None));
    let reweighter = train_reweighter(&mut from, &mut to, &quick, &()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reweighter.laser");
    reweighter.save(&path).unwrap();
    let as_model = Arc::new(Instance::new(Model::load(&path).unwrap()));
    let words = "this is a reweighter, which has weights for events of the host and makes none";
    let says = |error: Error| assert!(error.to_string().contains(words), "{error}");
    says(
        Sampler::new(as_model.clone(), 1, 0, &quick)
            .map(drop)
            .unwrap_err(),
    );
    says(
        refine(&as_model, &mut to, &quick, &())
            .map(drop)
            .unwrap_err(),
    );
    says(
        laser::protocol::load_generator(&path, &quick)
            .map(drop)
            .unwrap_err(),
    );
    says(
        laser::protocol::refine_again(&as_model, None, &quick, &())
            .map(drop)
            .unwrap_err(),
    );
    let generator = train_generator(&mut to, &quick, &()).unwrap();
    let error = Reweighter::new(generator).unwrap_err().to_string();
    assert!(
        error.contains("a model with a generator, and no reweighter"),
        "{error}"
    );
}

/// The same events on both sides have no ratio but 1; weights of both signs leave few that anything could be judged by.
#[test]
fn samples_that_judge_nothing_are_not_called_usable() {
    const ROWS: usize = 12_000;
    let law = |mean| Chain {
        dim: 2,
        mean,
        correlation: 0.3,
    };
    let (x, other) = (law(0.0).events(ROWS, 1), law(0.5).events(ROWS, 2));
    let signs: Vec<f64> = (0..ROWS)
        .map(|i| if i % 20 < 9 { -1.0 } else { 1.0 })
        .collect();
    let options = options("");
    let train = |to: &[f64], w: Option<&[f64]>| {
        let (mut from, mut to) = (array(&x, 2, w), array(to, 2, None));
        let trained = train_reweighter(&mut from, &mut to, &options, &()).unwrap();
        trained.record["judgement"].clone()
    };
    for (judgement, words) in [
        (train(&x, None), "the same events are in both"),
        (train(&other, Some(&signs)), "that are held out are worth"),
    ] {
        let warnings = judgement["warnings"].to_string();
        assert!(warnings.contains(words), "{words}: {warnings}");
        assert_ne!(judgement["verdict"], "usable");
    }
    let fine = train(&other, None);
    assert_eq!(fine["verdict"], "usable", "{fine}");
}

/// Azimuths from −π to π on the one side and from 0 to 2π on the other are of one distribution.
#[test]
fn angles_of_two_conventions_differ_in_nothing() {
    use std::f64::consts::{PI, TAU};
    let sample = |stream: u64, low: f64| {
        let mut x = vec![0.0; 2 * 20_000];
        Noise::new(41, stream, domain::LATENT).fill_normals(0, 20_000, 2, &mut x);
        let angle = |z: f64| low + (z + 0.7 - low).rem_euclid(TAU);
        x.iter_mut().step_by(2).for_each(|x| *x = angle(*x));
        x
    };
    let options = options(r#""features.scaling": "periodic(-pi:pi), standardise""#);
    let (from, to) = (sample(1, -PI), sample(2, 0.0));
    let log = Log::default();
    let (mut from, mut to) = (array(&from, 2, None), array(&to, 2, None));
    let reweighter = train_reweighter(&mut from, &mut to, &options, &log).unwrap();
    let opinion = &reweighter.record["weights"]["second_opinion"]["generated"];
    assert!(opinion.as_f64().unwrap() < 0.52, "{opinion}");
    for about in ["second opinion", "range", "features", "classifier"] {
        assert_eq!(log.warnings(about), Vec::<String>::new(), "{about}");
    }
}

/// Features that are right one by one, of which something else is made that is not.
#[test]
fn observables_are_compared() {
    let law = |correlation| Chain {
        dim: 2,
        mean: 0.0,
        correlation,
    };
    let (x, y) = (law(0.0).events(20_000, 1), law(0.9).events(20_000, 2));
    let frozen = r#""classifier.lr": 1e-9, "classifier.epochs": 1"#;
    let told = |observables: &str| {
        let (mut from, mut to) = (array(&x, 2, None), array(&y, 2, None));
        let mut options = options(frozen);
        options.set_str("observables", observables).unwrap();
        let log = Log::default();
        let trained = train_reweighter(&mut from, &mut to, &options, &log);
        trained.map(|_| log.warnings("features"))
    };
    assert!(told("").unwrap().is_empty());
    // The sum of the one has a larger width; of |x0| it is right.
    let warnings = told("abs(x0); x0 + x1; ").unwrap();
    assert!(
        warnings.len() == 1 && warnings[0].contains("`x0 + x1` by 0."),
        "{warnings:?}"
    );
    assert!(!warnings[0].contains("abs"), "{warnings:?}");
    let warnings = told("sqrt(-1 - x0 * x0)").unwrap();
    assert!(warnings[0].contains("has no value"), "{warnings:?}");
    for (observables, what) in [("x0 + m_ll", "m_ll"), ("x0 > 1", "is a condition")] {
        let error = told(observables).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
        let error = error.to_string();
        assert!(
            error.contains("`observables`") && error.contains(what),
            "{error}"
        );
    }
}

/// A region in the middle of all features that `from` never reaches, as of a dead module, and events that are in both samples: all else looks
/// well.
#[test]
fn holes_and_shared_events_are_not_usable() {
    const ROWS: usize = 20_000;
    let law = |mean| Chain {
        dim: 2,
        mean,
        correlation: 0.3,
    };
    let (x, y) = (law(0.0).events(ROWS, 1), law(0.2).events(ROWS, 2));
    let alive = |x: &&[f64]| !((0.0..0.5).contains(&x[0]) && (-0.2..0.05).contains(&x[1]));
    let dead: Vec<f64> = x.chunks_exact(2).filter(alive).flatten().copied().collect();
    let twins = x.chunks_exact(2).rev().step_by(3).flatten();
    let twins: Vec<f64> = twins.chain(&y[..4 * ROWS / 3]).copied().collect();
    let options = options("");
    let judged = |from: &[f64], to: &[f64]| {
        let (mut from, mut to) = (array(from, 2, None), array(to, 2, None));
        let trained = train_reweighter(&mut from, &mut to, &options, &()).unwrap();
        trained.record["judgement"].clone()
    };
    let verdict = |judgement: serde_json::Value, about: &str, words: &str| {
        let verdict = judgement["verdict"].as_str().unwrap().to_owned();
        assert!(verdict.contains(about), "{judgement}");
        let told = judgement["warnings"].to_string();
        assert!(told.contains(words), "{words}: {told}");
    };
    let words = "lie in a region that boosted trees find (feature ";
    verdict(judged(&dead, &y), "coverage", words);
    let words = "are exactly events of the other: the same events are in both";
    verdict(judged(&x, &twins), "events", words);
    verdict(judged(&x, &y), "usable", "[]");
}
