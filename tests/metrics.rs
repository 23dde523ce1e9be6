//! The metrics against numpy, scipy and POT (values of `reference/metrics.py`), and against mathematics.
#![allow(clippy::unwrap_used)]

#[path = "metrics/chains.rs"]
mod chains;
#[path = "metrics/exact.rs"]
mod exact;
#[path = "metrics/floors.rs"]
mod floors;
#[path = "metrics/scores.rs"]
mod scores;

use laser::metrics::{emd, jsd, Histogram2d};
use laser::{Error, Rows};
use serde_json::Value;

const DOUBLE_DONUT: [[f64; 2]; 2] = [[-11.0, 11.0], [-7.0, 7.0]];

fn reference() -> Value {
    serde_json::from_str(include_str!("reference/metrics.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

fn empty(value: &Value) -> Histogram2d {
    let bins = numbers(&value["bins"]);
    let range = |axis: usize| [0, 1].map(|k| value["ranges"][axis][k].as_f64().unwrap());
    Histogram2d::new(bins[0] as usize, range(0), bins[1] as usize, range(1)).unwrap()
}

/// A histogram with these contents.
fn with_contents(mut histogram: Histogram2d, contents: &[f64]) -> Histogram2d {
    assert_eq!(contents.len(), histogram.contents().unwrap().len());
    let [wx, wy] = histogram.bin_widths();
    let (ny, x, y) = (
        histogram.ny(),
        histogram.x_range()[0],
        histogram.y_range()[0],
    );
    let centre = |bin: usize| {
        [
            x + wx * ((bin / ny) as f64 + 0.5),
            y + wy * ((bin % ny) as f64 + 0.5),
        ]
    };
    let events: Vec<f64> = (0..contents.len()).flat_map(centre).collect();
    histogram
        .fill(Rows::packed(&events, 2).unwrap(), Some(contents))
        .unwrap();
    assert_eq!(histogram.contents().unwrap(), contents);
    histogram
}

/// A histogram over [0, nx] × [0, ny] with bins of unit size.
fn on_unit_bins(nx: usize, ny: usize, content: impl Fn(usize, usize) -> f64) -> Histogram2d {
    let contents: Vec<f64> = (0..nx * ny)
        .map(|bin| content(bin / ny, bin % ny))
        .collect();
    with_contents(
        Histogram2d::new(nx, [0.0, nx as f64], ny, [0.0, ny as f64]).unwrap(),
        &contents,
    )
}

/// Integers below `n` that look random (a linear congruential generator; Knuth's multiplier).
fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |n| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    }
}

fn random_histogram(nx: usize, ny: usize, seed: u64) -> Histogram2d {
    let mut next = random(seed);
    let contents: Vec<f64> = (0..nx * ny).map(|_| next(10) as f64).collect();
    on_unit_bins(nx, ny, |ix, iy| contents[ix * ny + iy])
}

fn value_of(p: &Histogram2d, q: &Histogram2d) -> f64 {
    emd(p, q).unwrap().value
}

#[track_caller]
fn assert_close(value: f64, expected: f64, relative: f64) {
    assert!(
        (value - expected).abs() <= relative * expected.abs(),
        "{value:e} is not {expected:e} within {relative:e}"
    );
}

#[track_caller]
fn assert_error<T: std::fmt::Debug>(
    result: laser::Result<T>,
    kind: fn(String) -> Error,
    text: &str,
) {
    let error = result.unwrap_err();
    let same_kind = std::mem::discriminant(&error) == std::mem::discriminant(&kind(String::new()));
    assert!(same_kind && error.to_string().contains(text), "{error:?}");
}

fn not_finite(message: String) -> Error {
    Error::NotFinite {
        row: 0,
        column: None,
        message,
    }
}

#[test]
fn scores_agree_with_scipy_and_pot() {
    for pair in reference()["pairs"].as_array().unwrap() {
        let [p, q] = ["p", "q"].map(|key| with_contents(empty(pair), &numbers(&pair[key])));
        assert_close(
            jsd(&p, &q).unwrap().value,
            pair["jsd"].as_f64().unwrap(),
            1e-12,
        );
        assert_close(value_of(&p, &q), pair["emd"].as_f64().unwrap(), 1e-11);
    }
}

#[test]
fn filling_agrees_with_numpy() {
    let case = &reference()["filling"];
    let (events, weights) = (numbers(&case["events"]), numbers(&case["weights"]));
    let rows = weights.len();
    let mut histogram = empty(case);
    histogram
        .fill(Rows::packed(&events, 2).unwrap(), Some(&weights))
        .unwrap();
    assert_eq!(histogram.contents().unwrap(), numbers(&case["contents"]));
    assert_eq!(histogram.entries(), rows as u64);
    assert!(histogram.outside() != 0.0);
    assert_eq!(
        histogram.total() + histogram.outside(),
        weights.iter().sum::<f64>()
    );

    // The same in two parts with a further column, merged.
    let wide: Vec<f64> = events
        .chunks(2)
        .flat_map(|e| [e[0], e[1], f64::NAN])
        .collect();
    let mut parts = [empty(case), empty(case)];
    parts[0]
        .fill(Rows::new(&wide, 50, 2, 3).unwrap(), Some(&weights))
        .unwrap();
    parts[1]
        .fill(
            Rows::new(&wide[150..], rows - 50, 2, 3).unwrap(),
            Some(&weights[50..]),
        )
        .unwrap();
    let [mut merged, other] = parts;
    merged.merge(&other).unwrap();
    assert_eq!(merged.contents().unwrap(), histogram.contents().unwrap());
    assert_eq!(
        (merged.outside(), merged.entries()),
        (histogram.outside(), histogram.entries())
    );
}

#[test]
fn identical_histograms_score_zero() {
    let p = random_histogram(30, 20, 1);
    let thrice = with_contents(
        Histogram2d::new(30, [0.0, 30.0], 20, [0.0, 20.0]).unwrap(),
        &p.contents()
            .unwrap()
            .iter()
            .map(|c| 3.0 * c)
            .collect::<Vec<_>>(),
    );
    for q in [&p, &thrice] {
        assert_eq!(value_of(&p, q), 0.0);
        assert!(jsd(&p, q).unwrap().value < 1e-15);
    }
}

#[test]
fn one_bin_against_one_bin_is_their_distance() {
    let delta =
        |x: usize, y: usize| on_unit_bins(20, 20, |ix, iy| f64::from(u8::from((ix, iy) == (x, y))));
    let (p, q) = (delta(2, 3), delta(14, 8));
    assert_close(value_of(&p, &q), 13.0, 1e-14);
    assert_close(jsd(&p, &q).unwrap().value, std::f64::consts::LN_2, 1e-15);
    let single = on_unit_bins(1, 1, |_, _| 2.0);
    assert_eq!(emd(&single, &single).unwrap().paper, 0.0);
}

#[test]
fn a_translation_costs_its_length() {
    let mut next = random(5);
    let shape: Vec<f64> = (0..12 * 12).map(|_| next(100) as f64).collect();
    let at = |x: usize, y: usize| {
        on_unit_bins(40, 30, |ix, iy| {
            let (ix, iy) = (ix.wrapping_sub(x), iy.wrapping_sub(y));
            if ix < 12 && iy < 12 {
                shape[ix * 12 + iy]
            } else {
                0.0
            }
        })
    };
    let origin = at(0, 0);
    for (dx, dy) in [(1, 0), (7, 0), (0, 9), (3, 4), (28, 18)] {
        assert_close(
            value_of(&origin, &at(dx, dy)),
            (dx as f64).hypot(dy as f64),
            1e-12,
        );
    }
}

/// All plans that move the left half onto the right half in rows are equally good: the most degenerate of large problems.
#[test]
fn a_large_degenerate_problem_has_its_exact_value() {
    let left = on_unit_bins(100, 100, |ix, _| f64::from(u8::from(ix < 50)));
    let right = on_unit_bins(100, 100, |ix, _| f64::from(u8::from(ix >= 50)));
    assert_close(value_of(&left, &right), 50.0, 1e-12);
    let board = |colour: usize| {
        on_unit_bins(100, 100, |ix, iy| {
            f64::from(u8::from((ix + iy) % 2 == colour))
        })
    };
    assert_close(value_of(&board(0), &board(1)), 1.0, 1e-12);
}

/// In one dimension the distance is the area between the cumulative distributions.
#[test]
fn one_dimension_agrees_with_the_cumulative_distributions() {
    for seed in 0..20 {
        let (p, q) = (
            random_histogram(300, 1, seed),
            random_histogram(300, 1, seed + 100),
        );
        let (mut difference, mut area) = (0.0_f64, 0.0);
        for (a, b) in p.contents().unwrap().iter().zip(q.contents().unwrap()) {
            difference += a / p.total() - b / q.total();
            area += difference.abs();
        }
        assert_close(value_of(&p, &q), area, 1e-11);
    }
}

/// Between k equal masses a side an optimal plan is a permutation.
#[test]
fn small_problems_agree_with_enumeration() {
    let mut next = random(9);
    for _ in 0..200 {
        let k = 2 + next(5) as usize;
        let (nx, ny) = (1 + next(5) as usize, 1 + next(5) as usize);
        let mut points = || -> Vec<[usize; 2]> {
            (0..k)
                .map(|_| [next(nx as u64) as usize, next(ny as u64) as usize])
                .collect()
        };
        let (from, mut to) = (points(), points());
        let histogram = |points: &[[usize; 2]]| {
            on_unit_bins(nx, ny, |ix, iy| {
                points.iter().filter(|p| **p == [ix, iy]).count() as f64
            })
        };
        let value = value_of(&histogram(&from), &histogram(&to));
        let expected = least_cost(&from, &mut to) / k as f64;
        assert!(
            (value - expected).abs() < 1e-12,
            "{value} is not {expected}"
        );
    }
}

/// The least Σ distance from the first points to the others in any order.
fn least_cost(from: &[[usize; 2]], to: &mut [[usize; 2]]) -> f64 {
    let Some((first, rest)) = from.split_first() else {
        return 0.0;
    };
    let mut least = f64::INFINITY;
    for choice in 0..to.len() {
        to.swap(0, choice);
        let [dx, dy] = [0, 1].map(|axis| first[axis].abs_diff(to[0][axis]) as f64);
        least = least.min(dx.hypot(dy) + least_cost(rest, &mut to[1..]));
        to.swap(0, choice);
    }
    least
}

#[test]
fn the_scores_are_metrics() {
    for seed in 0..10 {
        let [a, b, c] = [0, 1, 2].map(|k| random_histogram(24, 17, 3 * seed + k));
        assert_close(value_of(&a, &b), value_of(&b, &a), 1e-12);
        assert_eq!(jsd(&a, &b).unwrap(), jsd(&b, &a).unwrap());
        assert!(value_of(&a, &c) <= value_of(&a, &b) + value_of(&b, &c));
        // The square root of the divergence is the metric.
        let root = |p: &Histogram2d, q: &Histogram2d| jsd(p, q).unwrap().value.sqrt();
        assert!(root(&a, &c) <= root(&a, &b) + root(&b, &c));
    }
}

#[test]
fn the_paper_divides_by_bin_area_and_diagonal() {
    let mut next = random(3);
    let mut histogram = || {
        let contents: Vec<f64> = (0..10_000)
            .map(|_| f64::from(u8::from(next(20) == 0)))
            .collect();
        with_contents(
            Histogram2d::new(100, DOUBLE_DONUT[0], 100, DOUBLE_DONUT[1]).unwrap(),
            &contents,
        )
    };
    let (p, q) = (histogram(), histogram());
    let (divergence, distance) = (jsd(&p, &q).unwrap(), emd(&p, &q).unwrap());
    assert_close(
        divergence.paper / divergence.value,
        1.0 / (0.22 * 0.14),
        1e-12,
    );
    assert!((divergence.paper / divergence.value - 32.47).abs() < 0.005);
    assert_close(
        distance.paper / distance.value,
        1.0 / (0.22 * 0.14 * 21.78_f64.hypot(13.86)),
        1e-12,
    );
    assert!((distance.paper / distance.value - 1.258).abs() < 0.0005);
}

/// Scores must survive axes whose squares leave the floating-point range.
#[test]
fn units_do_not_matter() {
    let contents = [random_histogram(10, 10, 1), random_histogram(10, 10, 2)];
    let expected = value_of(&contents[0], &contents[1]);
    for unit in [1e-200, 1e200] {
        let [p, q] = [0, 1].map(|k| {
            let scaled = Histogram2d::new(10, [0.0, 10.0 * unit], 10, [0.0, 10.0 * unit]).unwrap();
            with_contents(scaled, &contents[k].contents().unwrap())
        });
        assert_close(value_of(&p, &q), expected * unit, 1e-12);
    }
}

#[test]
fn bad_events_are_named_and_nothing_is_added() {
    let mut histogram = on_unit_bins(4, 4, |_, _| 1.0);
    let before = histogram.clone();
    for (value, column) in [(f64::NAN, 1), (f64::INFINITY, 0), (f64::NEG_INFINITY, 1)] {
        let mut events = vec![0.5; 15];
        events[3 * 3 + column] = value;
        let result = histogram.fill(Rows::new(&events, 5, 2, 3).unwrap(), None);
        assert_error(result, not_finite, &format!("row 3, column {column}"));
    }
    let weights = [1.0, f64::NAN];
    assert_error(
        histogram.fill(Rows::packed(&[0.5; 4], 2).unwrap(), Some(&weights)),
        not_finite,
        "weight of row 1",
    );
    assert_error(
        histogram.fill(Rows::packed(&[0.5; 6], 3).unwrap(), None),
        Error::InvalidArgument,
        "3 columns",
    );
    assert_error(
        histogram.fill(Rows::packed(&[0.5; 4], 2).unwrap(), Some(&[1.0])),
        Error::InvalidArgument,
        "weights",
    );
    assert_eq!(histogram.contents().unwrap(), before.contents().unwrap());
    assert_eq!(
        (histogram.entries(), histogram.outside()),
        (before.entries(), before.outside())
    );
}

#[test]
fn bad_binnings_are_refused() {
    let unit = [0.0, 1.0];
    for (nx, ny) in [(0, 1), (1, 0), (usize::MAX, 2), (usize::MAX / 8, 1)] {
        assert_error(
            Histogram2d::new(nx, unit, ny, unit),
            Error::InvalidArgument,
            "",
        );
    }
    let many = Histogram2d::new(1 << 40, unit, 1 << 20, unit);
    assert!(matches!(many, Err(laser::Error::Memory { .. })));
    let bad = [
        [1.0, 0.0],
        [1.0, 1.0],
        [f64::NAN, 1.0],
        [0.0, f64::INFINITY],
        [-1e308, 1e308],
        [1e9, 1e9 + 1e-7],
    ];
    for range in bad {
        assert_error(
            Histogram2d::new(3, range, 3, unit),
            Error::InvalidArgument,
            "x range",
        );
        assert_error(
            Histogram2d::new(3, unit, 3, range),
            Error::InvalidArgument,
            "y range",
        );
    }
}

#[test]
fn histograms_that_cannot_be_compared_are_refused() {
    let good = on_unit_bins(4, 4, |_, _| 1.0);
    let other_bins = on_unit_bins(4, 5, |_, _| 1.0);
    let other_range = Histogram2d::new(4, [0.0, 4.5], 4, [0.0, 4.0]).unwrap();
    let nothing = on_unit_bins(4, 4, |_, _| 0.0);
    let negative = on_unit_bins(4, 4, |ix, iy| if (ix, iy) == (1, 2) { -1.0 } else { 1.0 });
    let too_heavy = on_unit_bins(4, 4, |_, _| f64::MAX);
    for score in [jsd, emd] {
        assert_error(score(&good, &other_bins), Error::InvalidArgument, "binning");
        assert_error(
            score(&good, &other_range),
            Error::InvalidArgument,
            "binning",
        );
        assert_error(
            score(&good, &nothing),
            Error::Data,
            "second histogram is empty",
        );
        assert_error(score(&negative, &good), Error::Data, "bin (1, 2)");
        assert_error(score(&too_heavy, &good), Error::Data, "sum to inf");
    }
    assert_error(
        good.clone().merge(&other_bins),
        Error::InvalidArgument,
        "binning",
    );
}
