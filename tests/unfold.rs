//! Unfolding, judged by truths that are known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

use laser::noise::{domain, Noise};
use laser::options::Options;
use laser::protocol::{
    unfold, EventSource, Reweighter, Source, Unfolded, Weights, PAIR_GENERATED, PAIR_RECONSTRUCTED,
};
use laser::train::{Hooks, Level, Progress};
use laser::{Error, Result, Rows, RowsMut};
use std::cell::{Cell, RefCell};

const BOTH: i32 = PAIR_GENERATED | PAIR_RECONSTRUCTED;

fn options(settings: &[(&str, f64)]) -> Options {
    let json = r#"{"preset": "fast", "validation.fraction": 0.2, "unfold": {"epochs": 2, "tolerance": 0},
        "classifier": {"layers": 2, "units": 32, "epochs": 4, "steps": 100, "batch": 1000, "lr": 0.005}}"#;
    let mut options = Options::from_json(json).unwrap();
    for &(key, value) in settings {
        options
            .set_i64(key, value as i64)
            .or_else(|_| options.set_f64(key, value))
            .unwrap();
    }
    options
}

fn array<'a>(x: &'a [f64], dim: usize, w: Option<&'a [f64]>) -> Source<'a> {
    Source::from_rows(Rows::packed(x, dim).unwrap(), w).unwrap()
}

fn normals(stream: u64, rows: usize, dim: usize) -> Vec<f64> {
    let mut x = vec![0.0; rows * dim];
    Noise::new(77, stream, domain::LATENT).fill_normals(0, rows, dim, &mut x);
    x
}

fn uniforms(stream: u64, rows: usize, dim: usize) -> Vec<f64> {
    let mut x = vec![0.0; rows * dim];
    Noise::new(77, stream, domain::ACCEPT).fill_uniforms(0, rows, dim, &mut x);
    x
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
        println!("{about}: {message}");
        self.0.borrow_mut().push((about.into(), message.into()));
        Ok(())
    }

    fn log(&self, _: Level, message: &str) -> Result<()> {
        println!("{message}");
        self.0.borrow_mut().push(("log".into(), message.into()));
        Ok(())
    }
}

fn number(unfolded: &Unfolded, key: &str) -> f64 {
    let record = &unfolded.reweighter.record["unfolding"];
    record
        .pointer(&format!("/{key}"))
        .unwrap()
        .as_f64()
        .unwrap()
}

fn verdict(unfolded: &Unfolded) -> &str {
    let judgement = &unfolded.reweighter.record["judgement"];
    judgement["verdict"].as_str().unwrap()
}

/// Weighted mean and standard deviation of one of the columns.
fn moments(x: &[f64], (column, dim): (usize, usize), w: &[f64]) -> (f64, f64) {
    let values = || x.iter().skip(column).step_by(dim).zip(w);
    let total: f64 = w.iter().sum();
    let mean = values().map(|(x, w)| x * w).sum::<f64>() / total;
    let square = values().map(|(x, w)| w * (x - mean).powi(2)).sum::<f64>() / total;
    (mean, square.sqrt())
}

/// The Gaussian example of the package `omnifold`: the truth is N(0.2, 0.8), the simulation N(0, 1), the detector adds N(0, 0.5).
struct Gaussian {
    t: Vec<f64>,
    x: Vec<f64>,
    truth: Vec<f64>,
    data: Vec<f64>,
}

impl Gaussian {
    fn new(rows: usize, stream: u64) -> Self {
        let smear = |t: &[f64], stream| -> Vec<f64> {
            let noise = normals(stream, t.len(), 1);
            t.iter().zip(noise).map(|(t, z)| t + 0.5 * z).collect()
        };
        let t = normals(stream, rows, 1);
        let truth: Vec<f64> = normals(stream + 1, rows, 1)
            .iter()
            .map(|z| 0.2 + 0.8 * z)
            .collect();
        Gaussian {
            x: smear(&t, stream + 2),
            data: smear(&truth, stream + 3),
            t,
            truth,
        }
    }

    fn unfold(&self, options: &Options, hooks: &dyn Hooks) -> Result<Unfolded> {
        unfold(
            &array(&self.t, 1, None),
            &array(&self.x, 1, None),
            &array(&self.data, 1, None),
            None,
            options,
            hooks,
        )
    }
}

#[test]
fn the_gaussian_example_closes() {
    let example = Gaussian::new(50_000, 1);
    let log = Log::default();
    let unfolded = example.unfold(&options(&[]), &log).unwrap();
    let (mean, width) = moments(&example.t, (0, 1), &unfolded.w);
    println!("mean {mean:.4}, width {width:.4}");
    assert!((mean - 0.2).abs() < 0.02 && (width - 0.8).abs() < 0.03);
    // In events of the data, all of them.
    let total: f64 = unfolded.w.iter().sum();
    assert!((total - 50_000.0).abs() < 1e-6 * total, "{total}");
    assert!((number(&unfolded, "total") - total).abs() < 1e-9 * total);
    assert_eq!(number(&unfolded, "data"), 50_000.0);
    assert_eq!(number(&unfolded, "fakes"), 0.0);
    assert!((number(&unfolded, "efficiency") - 1.0).abs() < 1e-12);
    assert_eq!(number(&unfolded, "iterations"), 5.0);
    assert!(number(&unfolded, "detector/chi_square_before") > 20.0);
    assert!(number(&unfolded, "detector/chi_square") < 2.0);
    assert!(number(&unfolded, "mean_chi_square") < 2.0);
    assert_eq!(verdict(&unfolded), "usable");
    let truth = moments(&example.truth, (0, 1), &vec![1.0; 50_000]);
    println!("truth {truth:?}");
}
