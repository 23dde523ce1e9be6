//! Diagnostics of chains against ArviZ (values of `reference/chains.py`).

use crate::{assert_close, assert_error, numbers, random};
use laser::metrics::chains::{effective_sample_size, split_r_hat};
use laser::Error;
use serde_json::Value;

#[test]
fn diagnostics_agree_with_arviz() {
    let cases: Value = serde_json::from_str(include_str!("../reference/chains.json")).unwrap();
    for case in cases.as_array().unwrap() {
        let (x, chains) = (numbers(&case["x"]), case["chains"].as_u64().unwrap());
        let r_hat = split_r_hat(&x, chains as usize, 1).unwrap();
        if let Some(expected) = case["r_hat"].as_f64() {
            assert_close(r_hat[0], expected, 1e-12);
        }
        let size = effective_sample_size(&x, chains as usize, 1).unwrap();
        assert_close(size[0], case["bulk"].as_f64().unwrap(), 1e-12);
    }
}

/// Dimensions are the fastest index and do not see each other.
#[test]
fn dimensions_are_apart() {
    let mut next = random(4);
    let (draws, chains) = (30, 3);
    let mut one = || -> Vec<f64> { (0..draws * chains).map(|_| next(99) as f64).collect() };
    let (a, b) = (one(), one());
    let both: Vec<f64> = a.iter().zip(&b).flat_map(|(&a, &b)| [a, b]).collect();
    for diagnostic in [split_r_hat, effective_sample_size] {
        let alone = [&a, &b].map(|x| diagnostic(x, chains, 1).unwrap()[0]);
        assert_eq!(diagnostic(&both, chains, 2).unwrap(), alone);
    }
}

#[test]
fn chains_that_do_not_move_have_not_converged() {
    let still = [7.0; 24];
    assert_eq!(split_r_hat(&still, 2, 1).unwrap(), [f64::INFINITY]);
    assert_eq!(effective_sample_size(&still, 2, 1).unwrap(), [1.0]);
    let apart: Vec<f64> = (0..24).map(|i| (i % 2) as f64).collect();
    assert_eq!(split_r_hat(&apart, 2, 1).unwrap(), [f64::INFINITY]);
    // The sum over lags, which ends a little early, would make 6 draws of two.
    assert_eq!(effective_sample_size(&apart, 2, 1).unwrap(), [1.0]);
}

/// Two values that chains share alike: their distances from the median are constant, which is no fault.
#[test]
fn two_values_can_mix() {
    let x: Vec<f64> = (0..80)
        .map(|i| f64::from(u8::from(i / 2 % 4 < 2)))
        .collect();
    let r_hat = split_r_hat(&x, 2, 1).unwrap()[0];
    assert!((0.9..1.01).contains(&r_hat), "{r_hat}");
}

#[test]
fn bad_chains_are_refused() {
    let mut x = [0.5; 24];
    for (chains, dims) in [(0, 1), (1, 0), (5, 1), (2, 5), (8, 1), (usize::MAX, 2)] {
        for diagnostic in [split_r_hat, effective_sample_size] {
            assert_error(
                diagnostic(&x, chains, dims),
                Error::InvalidArgument,
                "draws",
            );
        }
    }
    assert_error(split_r_hat(&[], 1, 1), Error::InvalidArgument, "draws");
    x[2 * 6 + 3 + 1] = f64::NAN;
    let words = "dimension 1 of chain 1 is NaN at draw 2";
    assert_error(split_r_hat(&x, 2, 3), Error::Data, words);
    assert_error(effective_sample_size(&x, 2, 3), Error::Data, words);
}
