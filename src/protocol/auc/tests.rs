//! The two-sample test on samples whose difference is known.

use super::*;
use crate::train::{Level, Progress};

const ROWS: usize = 3000;

fn options() -> Options {
    Options::from_json(
        r#"{"preset": "fast", "classifier": {"layers": 2, "units": 24, "epochs": 12, "batch": 250, "lr": 3e-3}}"#,
    )
    .unwrap()
}

/// Normal numbers in three dimensions.
fn normal(stream: u64, rows: usize) -> Vec<f64> {
    let mut x = vec![0.0; rows * 3];
    Noise::new(5, stream, domain::LATENT).fill_normals(0, rows, 3, &mut x);
    x
}

fn sample<'a>(x: &'a [f64], w: Option<&'a [f64]>) -> Sample<'a> {
    Sample::new(Rows::packed(x, 3).unwrap(), w).unwrap()
}

fn auc(p: &Sample, q: &Sample) -> Auc {
    two_sample_auc(p, q, &options(), &()).unwrap()
}

#[test]
fn equal_samples_cannot_be_told_apart() {
    let (p, q) = (normal(0, ROWS), normal(1, 2 * ROWS));
    let Auc { value, error } = auc(&sample(&p, None), &sample(&q, None));
    assert!((value - 0.5).abs() < 4.0 * error, "{value} ± {error}");
    assert!((0.005..0.02).contains(&error), "{error}");
}

/// Normal numbers shifted by 1 have the area Φ(1/√2); the scale of a feature does not matter.
#[test]
fn a_shift_has_the_area_of_its_likelihood_ratio() {
    let scaled = |stream, shift: f64| {
        let mut x = normal(stream, ROWS);
        x.chunks_exact_mut(3)
            .for_each(|x| x[2] = 1e4 * (x[2] + shift));
        x
    };
    let (p, q) = (scaled(2, 0.0), scaled(3, 1.0));
    let Auc { value, error } = auc(&sample(&p, None), &sample(&q, None));
    assert!(
        (value - 0.7602).abs() < 0.01 + 3.0 * error,
        "{value} ± {error}"
    );
}

/// A correlation, which no feature by itself shows: |x₀ − x₁| alone tells them apart.
#[test]
fn correlations_are_found() {
    let p = normal(4, ROWS);
    let mut q = normal(5, ROWS);
    q.chunks_exact_mut(3)
        .for_each(|x| x[1] = 0.9 * x[0] + 0.19f64.sqrt() * x[1]);
    let Auc { value, .. } = auc(&sample(&p, None), &sample(&q, None));
    // The likelihood ratio has 0.83; this is a short training.
    assert!(value > 0.65, "{value}");
}

/// The weights that turn the one distribution into the other, some of them negative: every third event is doubled, and a copy
/// of it subtracted.
#[test]
fn weights_count() {
    let p = normal(6, ROWS);
    let mut q = normal(7, ROWS);
    let mut w: Vec<f64> = q.chunks_exact(3).map(|x| (0.7 * x[0]).exp()).collect();
    for row in (0..ROWS).step_by(3) {
        q.extend_from_within(3 * row..3 * row + 3);
        w.push(-0.5 * w[row]);
        w[row] *= 1.5;
    }
    let shifted: Vec<f64> = p
        .chunks_exact(3)
        .flat_map(|x| [x[0] + 0.7, x[1], x[2]])
        .collect();
    let plain = auc(&sample(&shifted, None), &sample(&q, None));
    let weighted = auc(&sample(&shifted, None), &sample(&q, Some(&w)));
    assert!(plain.value > 0.6, "{plain:?}");
    assert!(
        (weighted.value - 0.5).abs() < 4.0 * weighted.error,
        "{weighted:?}"
    );
}

#[test]
fn samples_that_cannot_be_tested_are_refused() {
    let x = normal(8, 40);
    let good = sample(&x, None);
    let flat = Sample::new(Rows::new(&x, 40, 2, 3).unwrap(), None).unwrap();
    let refusal = |p: &Sample, q: &Sample| {
        let error = two_sample_auc(p, q, &options(), &()).unwrap_err();
        error.to_string()
    };
    assert!(refusal(&good, &flat).contains("3 features, the sample 2"));
    let few = Sample::new(Rows::packed(&x[..9], 3).unwrap(), None).unwrap();
    assert!(refusal(&few, &good).contains("reference has 3 events"));
    let w = [-1.0; 40];
    assert!(refusal(&good, &sample(&x, Some(&w))).contains("half of the sample"));
    // Twenty events to train on are a batch of their own, whatever `classifier.batch` says.
    let auc = two_sample_auc(&good, &good, &options(), &()).unwrap();
    assert!((0.0..=1.0).contains(&auc.value) && auc.error > 0.0);
    let constant = [1.0; 120];
    assert!(refusal(&sample(&constant, None), &good).contains("feature 0"));
}

#[test]
fn hooks_are_served() {
    struct Stop;
    impl Hooks for Stop {
        fn progress(&self, progress: &Progress) -> Result<()> {
            assert_eq!(progress.stage, "classifier");
            Err(Error::Cancelled("classifier"))
        }
        fn log(&self, _: Level, _: &str) -> Result<()> {
            Ok(())
        }
    }
    let x = normal(9, ROWS);
    let same = sample(&x, None);
    let error = two_sample_auc(&same, &same, &options(), &Stop).unwrap_err();
    assert!(matches!(error, Error::Cancelled(_)), "{error}");
}
