//! Trees against scikit-learn's (values of tests/reference/trees.py), and against what is known.

use super::grower::{edges, THREAD_WORK};
use super::toys::{calorimeter, cube, resonance};
use super::*;
use crate::metrics::auc;
use crate::train::Level;
use crate::{Error, Rows};
use serde_json::Value;
use std::cell::Cell;

fn reference() -> Value {
    serde_json::from_str(include_str!("../../../tests/reference/trees.json")).unwrap()
}

fn sample<'a>(x: &'a [f64], w: Option<&'a [f64]>, dim: usize) -> Sample<'a> {
    Sample::new(Rows::packed(x, dim).unwrap(), w).unwrap()
}

fn train(zeros: &Sample, ones: &Sample, held_out: usize) -> Trees {
    Trees::train([zeros, ones], [held_out; 2], 1, &()).unwrap()
}

/// The score of the first trees.
fn score_of(trees: &Trees, rounds: usize, x: &[f64]) -> f64 {
    trees.0[..rounds].iter().map(|tree| tree.value(x)).sum()
}

#[track_caller]
fn assert_scores(trees: &Trees, name: &str, x: &[f64]) {
    let expected = reference()["scores"][name].clone();
    let expected = expected.as_array().unwrap();
    assert_eq!(expected.len(), 40);
    for (expected, x) in expected.iter().zip(x.chunks_exact(3)) {
        let (expected, found) = (expected.as_f64().unwrap(), score_of(trees, 10, x));
        // scikit-learn keeps g and h in single precision.
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }
}

#[test]
fn scores_agree_with_scikit_learn() {
    let (zeros, ones) = (cube(2, 601, 1.0), cube(3, 601, 1.5));
    let trees = train(&sample(&zeros, None, 3), &sample(&ones, None, 3), 0);
    assert_scores(&trees, "plain", &ones);

    let lattice = |x: Vec<f64>| -> Vec<f64> { x.iter().map(|x| (10.0 * x).floor()).collect() };
    let weights = |rows: usize| -> Vec<f64> { (0..rows).map(|i| 1.0 + (i % 4) as f64).collect() };
    let (zeros, ones) = (lattice(cube(2, 500, 1.0)), lattice(cube(3, 700, 1.5)));
    let [w, v] = [500, 700].map(weights);
    let trees = train(&sample(&zeros, Some(&w), 3), &sample(&ones, Some(&v), 3), 0);
    assert_scores(&trees, "weighted", &ones);
}

/// Of even rows those to train on, of odd ones those to judge by.
fn area(zeros: &[f64], ones: &[f64], dim: usize) -> f64 {
    let half = |x: &[f64], odd: usize| -> Vec<f64> {
        let rows = x.chunks_exact(dim).skip(odd).step_by(2);
        rows.flatten().copied().collect()
    };
    let (train_zeros, train_ones) = (half(zeros, 0), half(ones, 0));
    let trees = train(
        &sample(&train_zeros, None, dim),
        &sample(&train_ones, None, dim),
        0,
    );
    let judged = [half(zeros, 1), half(ones, 1)].concat();
    let scores: Vec<f64> = judged
        .chunks_exact(dim)
        .map(|x| score_of(&trees, 60, x))
        .collect();
    let count = scores.len() / 2;
    let labels: Vec<i32> = (0..2 * count).map(|row| (row >= count).into()).collect();
    auc(&scores, &labels, None).unwrap().value
}

#[test]
fn areas_agree_with_scikit_learn_on_the_same_halves() {
    const ROWS: usize = 12_004;
    let logarithms = |x: &[f64]| -> Vec<f64> { x.iter().map(|x| (x + 0.01).ln()).collect() };
    let (wide, narrow) = (calorimeter(7, ROWS, 1.1), calorimeter(6, ROWS, 1.0));
    let [seen, same] = [4, 8].map(|stream| resonance(stream, ROWS, 0.0));
    for (name, found) in [
        ("resonance", area(&resonance(5, ROWS, 4.0), &seen, 6)),
        ("calorimeter", area(&wide, &narrow, 10)),
        (
            "logarithms",
            area(&logarithms(&wide), &logarithms(&narrow), 10),
        ),
        ("equal", area(&same, &seen, 6)),
    ] {
        let expected = reference()["areas"][name].as_f64().unwrap();
        // Splits of nearly the same gain may differ.
        assert!(
            (found - expected).abs() < 5e-4,
            "{name}: {found} is not {expected}"
        );
    }
}

/// Label 1 lies in the corners where both features have the same sign: one tree of four leaves.
#[test]
fn the_first_tree_is_known() {
    let corners = |signs: [[f64; 2]; 2]| -> Vec<f64> { signs.repeat(50).concat() };
    let (ones, zeros) = (
        corners([[1.0, 1.0], [-1.0, -1.0]]),
        corners([[1.0, -1.0], [-2.0, 1.0]]),
    );
    let trees = train(&sample(&zeros, None, 2), &sample(&ones, None, 2), 0);
    // All leaves are pure: Σg / Σh = ±½ / ¼.
    for (events, step) in [(ones, 0.2), (zeros, -0.2)] {
        for x in events.chunks_exact(2) {
            assert!((trees.0[0].value(x) - step).abs() < 1e-15);
        }
    }
    // Thresholds lie in the middle, and belong to the lower side.
    assert_eq!(edges(&[-2.0, -1.0, -1.0, 1.0]).unwrap(), [-1.5, 0.0]);
}

/// What trees learn of weighted events is what they learn of the same events, repeated.
#[test]
fn a_weight_is_a_number_of_events() {
    let lattice = |stream| -> Vec<f64> {
        cube(stream, 900, 1.0)
            .iter()
            .map(|x| (6.0 * x).floor())
            .collect()
    };
    let (zeros, ones) = (lattice(20), lattice(21));
    let weights: Vec<f64> = (0..900).map(|row| (row % 3) as f64).collect();
    let events = ones.chunks_exact(3).zip(&weights);
    let repeated: Vec<f64> = events.flat_map(|(x, &w)| x.repeat(w as usize)).collect();
    let zeros = sample(&zeros, None, 3);
    let weighted = train(&zeros, &sample(&ones, Some(&weights), 3), 0);
    let repeated = train(&zeros, &sample(&repeated, None, 3), 0);
    for x in ones.chunks_exact(3) {
        let (found, expected) = (score_of(&weighted, 1, x), score_of(&repeated, 1, x));
        assert!(
            (found - expected).abs() < 1e-12,
            "{found} is not {expected}"
        );
    }
}

/// Weights that sum to a negative density in a corner: label 1 is told to be nowhere there, by steps that stay finite.
#[test]
fn negative_weights_leave_scores_finite() {
    let (zeros, ones) = (cube(22, 2000, 1.0), cube(23, 2000, 1.0));
    let weights: Vec<f64> = ones
        .chunks_exact(3)
        .map(|x| if x[0] < 0.2 { -1.0 } else { 1.0 })
        .collect();
    let trees = train(
        &sample(&zeros, None, 3),
        &sample(&ones, Some(&weights), 3),
        0,
    );
    assert_eq!(trees.0.len() as u64, ROUNDS);
    for x in ones.chunks_exact(3) {
        let score = trees.score(x);
        assert!(
            score.is_finite() && (x[0] >= 0.2 || score < -5.0),
            "{x:?} {score}"
        );
    }
}

/// The held-out loss ends a training that finds nothing, and none that finds much.
#[test]
fn trainings_end_early_where_there_is_nothing_to_find() {
    let x = [30, 31, 32].map(|stream| cube(stream, 4000, if stream == 32 { 4.0 } else { 1.0 }));
    let [p, q, other] = x.each_ref().map(|x| sample(x, None, 3));
    let rounds = [&q, &other].map(|q| train(&p, q, 400).0.len());
    assert!(rounds[0] < 40 && rounds[1] > 20, "{rounds:?}");
    // Of 30 events no leaf has 20 but the root: smaller ones do.
    assert!(!train(
        &sample(&x[0][..45], None, 3),
        &sample(&x[2][..45], None, 3),
        0
    )
    .0
    .is_empty());
    let flat = vec![1.0; 3 * 100];
    assert!(train(&sample(&flat, None, 3), &sample(&flat, None, 3), 0)
        .0
        .is_empty());
}

#[test]
fn trees_do_not_depend_on_threads() {
    let x = [40, 41].map(|stream| calorimeter(stream, 15_000, 1.0));
    let [zeros, ones] = x.each_ref().map(|x| sample(x, None, 10));
    const { assert!(2 * 14_000 * 10 >= 2 * THREAD_WORK) };
    let scores = [1, 3].map(|threads| {
        let trees = Trees::train([&zeros, &ones], [1000; 2], threads, &()).unwrap();
        x[0].chunks_exact(10)
            .map(|x| trees.score(x))
            .collect::<Vec<_>>()
    });
    assert_eq!(scores[0], scores[1]);
}

/// Progress after every tree, and a look at the cancel token before every split.
#[test]
fn trainings_are_told_and_stopped() {
    struct Watch {
        checks: Cell<u64>,
        allowed: u64,
        told: Cell<u64>,
    }
    impl Hooks for Watch {
        fn progress(&self, progress: &Progress) -> Result<()> {
            assert_eq!((progress.stage, progress.steps), ("trees", ROUNDS));
            self.told.set(self.told.get() + 1);
            assert_eq!(progress.step, self.told.get());
            assert!(progress.loss <= 2f64.ln() + 1e-12 && progress.validation_loss > 0.0);
            Ok(())
        }
        fn log(&self, _: Level, _: &str) -> Result<()> {
            Ok(())
        }
        fn check(&self, stage: &'static str) -> Result<()> {
            self.checks.set(self.checks.get() + 1);
            match self.checks.get() > self.allowed {
                true => Err(Error::Cancelled(stage)),
                false => Ok(()),
            }
        }
    }
    let (zeros, ones) = (cube(50, 2000, 1.0), cube(51, 2000, 2.0));
    let watched = |allowed| {
        let watch = Watch {
            checks: Cell::new(0),
            allowed,
            told: Cell::new(0),
        };
        let classes = [&sample(&zeros, None, 3), &sample(&ones, None, 3)];
        let result = Trees::train(classes, [200; 2], 1, &watch).map(|trees| trees.0.len() as u64);
        (result, watch.told.get(), watch.checks.get())
    };
    let (trees, told, checks) = watched(u64::MAX);
    assert_eq!(trees.unwrap(), told);
    assert!(checks > 10 * told);
    let (stopped, told, _) = watched(10);
    assert!(matches!(stopped, Err(Error::Cancelled("trees"))) && told == 0);
}

/// ⟨w | x⟩ of weights of both signs, in a cube whose lower third is negative.
#[test]
fn the_mean_weight_is_found_with_its_sign() {
    let x = cube(5, 20_000, 1.0);
    let mean = |x: &[f64]| if x[0] < 1.0 / 3.0 { -0.3 } else { 0.8 };
    let chance = cube(6, 20_000, 1.0);
    let rows = x.chunks_exact(3).zip(chance.chunks_exact(3));
    let signs = rows.map(|(x, u)| {
        if u[0] < 0.5 * (1.0 + mean(x)) {
            1.0
        } else {
            -1.0
        }
    });
    let w: Vec<f64> = signs.collect();
    let of =
        |threads| Trees::of_mean_weight(&sample(&x, Some(&w), 3), 4_000, threads, &()).unwrap();
    let trees = of(1);
    let fresh = cube(7, 3_000, 1.0);
    let rows = fresh
        .chunks_exact(3)
        .filter(|x| (x[0] - 1.0 / 3.0).abs() > 0.02);
    let (mut count, mut wrong, mut squares) = (0.0, 0.0, 0.0);
    for x in rows {
        let found = trees.score(x);
        count += 1.0;
        squares += (found - mean(x)).powi(2);
        wrong += f64::from(found * mean(x) < 0.0);
    }
    assert!(wrong / count < 0.02, "{wrong} of {count}");
    assert!((squares / count).sqrt() < 0.15, "{}", squares / count);
    let two = of(2);
    assert!(fresh
        .chunks_exact(3)
        .all(|x| two.score(x) == trees.score(x)));
}
