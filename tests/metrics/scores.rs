//! Scores of samples against scipy, scikit-learn and POT (values of `reference/scores.py`).

use crate::{assert_close, assert_error, not_finite, numbers};
use laser::metrics::{auc, effective_size, emd_1d, kolmogorov_smirnov, sliced_emd, Sample};
use laser::{Error, Rows};
use serde_json::Value;

fn cases() -> Vec<Value> {
    serde_json::from_str(include_str!("../reference/scores.json")).unwrap()
}

/// Events, weights and dimension of a case's sample.
struct Events(Vec<f64>, Vec<f64>, usize);

impl Events {
    fn of(case: &Value, name: &str) -> Self {
        let weights = numbers(&case[&format!("{name}_weights")]);
        Events(
            numbers(&case[name]),
            weights,
            case["dim"].as_u64().unwrap() as usize,
        )
    }

    fn sample(&self) -> Sample<'_> {
        Sample::new(Rows::packed(&self.0, self.2).unwrap(), Some(&self.1)).unwrap()
    }
}

fn column(x: &[f64]) -> Sample<'_> {
    Sample::new(Rows::packed(x, 1).unwrap(), None).unwrap()
}

#[test]
fn scores_of_samples_agree_with_scipy_and_pot() {
    for case in cases() {
        let expected = |key: &str| case[key].as_f64().unwrap();
        let [p, q] = ["p", "q"].map(|name| Events::of(&case, name));
        let (p, q) = (p.sample(), q.sample());
        let distance = emd_1d(&p, &q, 0, 0, 1).unwrap();
        assert_close(distance.value, expected("emd_1d"), 1e-12);
        assert!(distance.error.is_nan() && distance.floor.mean.is_nan());
        let test = kolmogorov_smirnov(&p, &q, 0).unwrap();
        assert_close(test.statistic, expected("ks"), 1e-12);
        assert!(
            (test.p_value - expected("ks_p")).abs() < 1e-12,
            "{test:?} {case}"
        );
        // Both average over random directions.
        let sliced = sliced_emd(&p, &q, 4000, 0, 2).unwrap();
        assert_close(sliced.value, expected("sliced"), 0.02);
    }
}

#[test]
fn the_area_under_the_curve_agrees_with_scikit_learn() {
    for case in cases() {
        let expected = |key: &str| case[key].as_f64().unwrap();
        let [p, q] = ["p", "q"].map(|name| Events::of(&case, name));
        let first =
            |events: &Events| -> Vec<f64> { events.0.iter().copied().step_by(events.2).collect() };
        let scores = [first(&p), first(&q)].concat();
        let labels = [vec![1; p.1.len()], vec![0; q.1.len()]].concat();
        let (ones, zeros) = (p.1.len() as f64, q.1.len() as f64);
        let weighted = auc(&scores, &labels, Some(&[p.1, q.1].concat())).unwrap();
        assert_close(weighted.value, expected("auc"), 1e-12);
        let plain = auc(&scores, &labels, None).unwrap();
        // Of scores that part the classes DeLong knows no error: it is that of useless ones.
        let error = match expected("delong") {
            0.0 => ((ones + zeros + 1.0) / (12.0 * ones * zeros)).sqrt(),
            error => error,
        };
        assert!((plain.error - error).abs() < 1e-12, "{case}");
    }
}

/// In one dimension all directions are one.
#[test]
fn one_dimension_has_one_slice() {
    let (p, q) = ([1.0, 3.0, 3.0, 5.0], [2.0, 2.5, 9.0]);
    let one = emd_1d(&column(&p), &column(&q), 0, 5, 3).unwrap();
    let sliced = sliced_emd(&column(&p), &column(&q), 7, 5, 3).unwrap();
    let std = 2f64.sqrt();
    assert_close(sliced.value * std, one.value, 1e-14);
    assert_close(sliced.error * std, one.error, 1e-12);
    assert_close(sliced.floor.mean * std, one.floor.mean, 1e-12);
}

/// Rows further apart and a column in the middle; features of two samples need not have the same stride.
#[test]
fn strides_and_features_are_found() {
    let (p, q) = (
        [0.0, 9.0, 1.0, 9.0, 2.0, 9.0],
        [7.0, 1.0, 7.0, 2.0, 7.0, 3.0],
    );
    let p = Sample::new(Rows::new(&p, 3, 1, 2).unwrap(), None).unwrap();
    let q = Sample::new(Rows::packed(&q, 2).unwrap(), None).unwrap();
    let wide = Sample::new(
        Rows::packed(&[9.0, 0.0, 9.0, 1.0, 9.0, 2.0], 2).unwrap(),
        None,
    )
    .unwrap();
    assert_close(emd_1d(&wide, &q, 1, 0, 0).unwrap().value, 1.0, 1e-15);
    assert_close(emd_1d(&wide, &q, 0, 0, 0).unwrap().value, 2.0, 1e-15);
    assert_error(
        emd_1d(&p, &q, 1, 0, 0),
        Error::InvalidArgument,
        "samples of 1 and 2 features",
    );
    assert_error(
        sliced_emd(&p, &q, 3, 0, 0),
        Error::InvalidArgument,
        "equal numbers",
    );
}

#[test]
fn effective_sizes() {
    assert_eq!(effective_size(&[2.0; 7]).unwrap(), 7.0);
    assert_close(effective_size(&[1.0, 3.0]).unwrap(), 1.6, 1e-15);
    for weights in [
        &[][..],
        &[0.0],
        &[1.0, -1.0],
        &[-2.0, 1.0],
        &[f64::NAN],
        &[1e308; 3],
    ] {
        assert_error(effective_size(weights), Error::Data, "positive");
    }
}

#[test]
fn bad_samples_are_refused() {
    let x = [0.5, 1.5, 2.5, 3.5];
    for (rows, dim) in [(0, 1), (2, 0)] {
        assert_error(
            Sample::new(Rows::new(&x, rows, dim, 1).unwrap(), None),
            Error::InvalidArgument,
            "",
        );
    }
    assert_error(
        Sample::new(Rows::packed(&x, 2).unwrap(), Some(&[1.0])),
        Error::InvalidArgument,
        "weights",
    );
    let bad = [0.5, f64::NAN, 2.5, 3.5];
    assert_error(
        Sample::new(Rows::packed(&bad, 2).unwrap(), None),
        not_finite,
        "row 0, column 1",
    );
    let good = column(&x);
    let weightless =
        Sample::new(Rows::packed(&x, 1).unwrap(), Some(&[1.0, -1.0, 0.0, 0.0])).unwrap();
    assert_error(
        emd_1d(&good, &weightless, 0, 2, 1),
        Error::Data,
        "second sample",
    );
    assert_error(
        emd_1d(&weightless, &good, 0, 2, 1),
        Error::Data,
        "first sample",
    );
    assert_error(
        kolmogorov_smirnov(&good, &weightless, 0),
        Error::Data,
        "second sample",
    );
    assert_error(
        kolmogorov_smirnov(&good, &good, 1),
        Error::InvalidArgument,
        "feature 1",
    );
    assert_error(
        sliced_emd(&good, &weightless, 1, 0, 1),
        Error::Data,
        "second sample",
    );
    assert_error(
        sliced_emd(&good, &good, 0, 0, 1),
        Error::InvalidArgument,
        "0 directions",
    );
    let constant = column(&[2.0; 4]);
    assert_error(
        sliced_emd(&constant, &good, 1, 0, 1),
        Error::Data,
        "feature 0",
    );
    let far = column(&[-1e308, 1e308]);
    assert_error(emd_1d(&far, &far, 0, 0, 1), Error::Data, "too far apart");
    // Bootstrap samples of these often lack the positive one.
    let thin = Sample::new(Rows::packed(&x, 1).unwrap(), Some(&[4.0, -1.0, -1.0, -1.0])).unwrap();
    assert!(emd_1d(&thin, &good, 0, 0, 1).unwrap().value.is_finite());
    assert_error(emd_1d(&thin, &good, 0, 50, 1), Error::Data, "no repeats");
}

#[test]
fn bad_scores_have_no_area() {
    let scores = [0.1, 0.2, 0.3, 0.4];
    let labels = [0, 1, 0, 1];
    assert_error(
        auc(&scores, &labels[..3], None),
        Error::InvalidArgument,
        "3 labels",
    );
    assert_error(
        auc(&scores, &labels, Some(&[1.0])),
        Error::InvalidArgument,
        "1 weights",
    );
    assert_error(
        auc(&scores, &[0, 1, 2, 1], None),
        Error::Data,
        "label 2 is 2",
    );
    assert_error(auc(&scores, &[1; 4], None), Error::Data, "label 0");
    assert_error(
        auc(&scores, &[0, 1, 1, 1], None),
        Error::Data,
        "more than one",
    );
    let bad = [0.1, f64::NAN, 0.3, 0.4];
    assert_error(auc(&bad, &labels, None), Error::Data, "score 1");
    assert_error(auc(&scores, &labels, Some(&bad)), Error::Data, "weight 1");
    let cancelling = [1.0, 1.0, 1.0, -1.0];
    assert_error(
        auc(&scores, &labels, Some(&cancelling)),
        Error::Data,
        "label 1",
    );
}
