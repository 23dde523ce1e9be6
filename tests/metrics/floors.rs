//! Statistical errors and floors against what repeated samples show.

use crate::{assert_error, emd, jsd, on_unit_bins};
use laser::metrics::{
    auc, emd_1d, floor, kolmogorov_smirnov, sliced_emd, Estimate, Histogram2d, Sample, Score,
};
use laser::noise::{domain, Noise};
use laser::{Error, Rows};

const TOYS: u64 = 300;

/// Numbers of toy `toy`, `n` rows of `dim`, and weights from 0 to 2.
fn toy(toy: u64, stream: u64, n: usize, dim: usize) -> (Vec<f64>, Vec<f64>) {
    let noise = Noise::new(7, stream, domain::LATENT);
    let (mut x, mut w) = (vec![0.0; n * dim], vec![0.0; n]);
    noise.normals(2 * toy, 0, &mut x);
    noise.uniforms(2 * toy + 1, 0, &mut w);
    w.iter_mut().for_each(|w| *w *= 2.0);
    (x, w)
}

struct Moments {
    mean: f64,
    std: f64,
}

fn moments(x: &[f64]) -> Moments {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let squares: f64 = x.iter().map(|x| (x - mean).powi(2)).sum();
    Moments {
        mean,
        std: (squares / (n - 1.0)).sqrt(),
    }
}

#[track_caller]
fn assert_near(value: f64, expected: f64, relative: f64) {
    assert!(
        (value / expected - 1.0).abs() < relative,
        "{value} is not {expected} within {relative}"
    );
}

/// Estimates of toys whose second sample is weighted and shifted by `shift`: of all the values, of a few the errors and floors.
fn estimates(shift: f64, score: impl Fn(&Sample, &Sample, usize) -> Estimate) -> Vec<Estimate> {
    let estimate = |i: u64| {
        let (p, _) = toy(i, 1, 150, 2);
        let (mut q, w) = toy(i, 2, 200, 2);
        q.iter_mut().for_each(|x| *x += shift);
        let p = Sample::new(Rows::packed(&p, 2).unwrap(), None).unwrap();
        let q = Sample::new(Rows::packed(&q, 2).unwrap(), Some(&w)).unwrap();
        score(&p, &q, if i.is_multiple_of(10) { 100 } else { 0 })
    };
    (0..TOYS).map(estimate).collect()
}

fn mean_of(estimates: &[Estimate], f: impl Fn(&Estimate) -> f64) -> f64 {
    moments(&estimates.iter().step_by(10).map(f).collect::<Vec<_>>()).mean
}

/// The spread of 300 values is known to 4 %, and the bootstrap's mean over 30 toys no worse.
fn check(score: impl Fn(&Sample, &Sample, usize) -> Estimate) {
    let equal = estimates(0.0, &score);
    let values = moments(&equal.iter().map(|e| e.value).collect::<Vec<_>>());
    assert_near(mean_of(&equal, |e| e.floor.mean), values.mean, 0.08);
    assert_near(mean_of(&equal, |e| e.floor.spread), values.std, 0.2);
    let shifted = estimates(1.0, &score);
    let values = moments(&shifted.iter().map(|e| e.value).collect::<Vec<_>>());
    assert_near(mean_of(&shifted, |e| e.error), values.std, 0.15);
}

#[test]
fn the_error_and_floor_of_the_one_dimensional_distance_are_right() {
    check(|p, q, repeats| emd_1d(p, q, 1, repeats, 5).unwrap());
}

#[test]
fn the_error_and_floor_of_the_sliced_distance_are_right() {
    check(|p, q, repeats| sliced_emd(p, q, 5, repeats, 5).unwrap());
}

#[test]
fn p_values_of_equal_samples_are_uniform() {
    let p_value = |i: u64| {
        let ((p, _), (q, w)) = (toy(i, 3, 150, 1), toy(i, 4, 200, 1));
        let p = Sample::new(Rows::packed(&p, 1).unwrap(), None).unwrap();
        let q = Sample::new(Rows::packed(&q, 1).unwrap(), Some(&w)).unwrap();
        kolmogorov_smirnov(&p, &q, 0).unwrap().p_value
    };
    let mut values: Vec<f64> = (0..TOYS).map(p_value).collect();
    values.sort_by(f64::total_cmp);
    // The test's own statistic: 1.63 / √300 at one per cent.
    let steps = values.iter().enumerate();
    let distance = steps.map(|(i, v)| (v - (i as f64 + 0.5) / TOYS as f64).abs());
    let worst = distance.fold(0.0, f64::max);
    assert!(worst < 1.63 / (TOYS as f64).sqrt(), "{worst}");
}

#[test]
fn the_error_of_the_area_under_the_curve_is_right() {
    let area = |i: u64| {
        let (x, w) = toy(i, 5, 200, 1);
        let labels: Vec<i32> = (0..200).map(|k| i32::from(k < 80)).collect();
        let scores: Vec<f64> = (0..200).map(|k| x[k] + f64::from(labels[k])).collect();
        auc(&scores, &labels, Some(&w)).unwrap()
    };
    let areas: Vec<_> = (0..TOYS).map(area).collect();
    let values = moments(&areas.iter().map(|a| a.value).collect::<Vec<_>>());
    let error = moments(&areas.iter().map(|a| a.error).collect::<Vec<_>>()).mean;
    assert_near(error, values.std, 0.15);
    // Φ(1/√2), for unit normal numbers one apart.
    assert!((values.mean - 0.7602).abs() < 5.0 * values.std / (TOYS as f64).sqrt());
}

/// One event of class 1 with as much weight as all others together, and with a hundred times as much: the area is its place.
#[test]
fn an_event_with_most_of_the_weight_makes_the_error_large() {
    for (much, wrong) in [(80.0, 0.3), (8000.0, 0.3)] {
        let area = |i: u64| {
            let (x, _) = toy(i, 5, 200, 1);
            let labels: Vec<i32> = (0..200).map(|k| i32::from(k < 80)).collect();
            let w: Vec<f64> = (0..200).map(|k| if k == 0 { much } else { 1.0 }).collect();
            auc(&x, &labels, Some(&w)).unwrap()
        };
        let areas: Vec<_> = (0..TOYS).map(area).collect();
        let values = moments(&areas.iter().map(|a| a.value).collect::<Vec<_>>());
        let squares = areas.iter().map(|a| a.error * a.error);
        let error = (squares.sum::<f64>() / areas.len() as f64).sqrt();
        println!("{much}: error {error:.4}, spread {:.4}", values.std);
        assert_near(error, values.std, wrong);
    }
}

fn filled(events: &[f64], weights: Option<&[f64]>) -> Histogram2d {
    let mut h = Histogram2d::new(6, [-3.0, 3.0], 6, [-3.0, 3.0]).unwrap();
    h.fill(Rows::packed(events, 2).unwrap(), weights).unwrap();
    h
}

#[test]
fn floors_of_histograms_are_what_equal_samples_score() {
    for score in [jsd, emd] {
        let (mut values, mut means, mut spreads) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..TOYS {
            let ((p, _), (q, w)) = (toy(i, 6, 600, 2), toy(i, 7, 900, 2));
            let (p, q) = (filled(&p, None), filled(&q, Some(&w)));
            let found: Score = score(&p, &q).unwrap();
            values.push(found.value);
            if i.is_multiple_of(10) {
                let floor = floor(score, &p, &q, 50, i).unwrap();
                means.push(floor.mean.value);
                spreads.push(floor.spread.value);
                let ratio = found.paper / found.value;
                assert_near(floor.mean.paper / floor.mean.value, ratio, 1e-9);
                assert_near(floor.spread.paper / floor.spread.value, ratio, 1e-9);
            }
        }
        let values = moments(&values);
        assert_near(moments(&means).mean, values.mean, 0.1);
        assert_near(moments(&spreads).mean, values.std, 0.2);
    }
}

/// Fine bins, most of them with few events: of each score its distance from the floor, in spreads, and the floor's from the mean score.
#[test]
fn floors_of_sparse_bins_are_no_lower() {
    let weigh = |x: &[f64], kind: usize| -> Option<Vec<f64>> {
        match kind {
            0 => None,
            // Of what is drawn at −½: as the other sample.
            _ => Some(x.chunks(2).map(|x| (0.5 * x[0] + 0.125).exp()).collect()),
        }
    };
    for (kind, within) in [(0, 0.012), (1, 0.03)] {
        let (mut values, mut floors, mut pulls) = (0.0, 0.0, 0.0);
        const TRIES: u64 = 12;
        for i in 0..TRIES {
            let ((p, _), (mut q, _)) = (toy(i, 16, 20_000, 2), toy(i, 17, 20_000, 2));
            if kind == 1 {
                q.iter_mut().step_by(2).for_each(|x| *x -= 0.5);
            }
            let w = weigh(&q, kind);
            let filled = |x: &[f64], w: Option<&[f64]>| {
                let mut h = Histogram2d::new(100, [-4.0, 4.0], 100, [-4.0, 4.0]).unwrap();
                h.fill(Rows::packed(x, 2).unwrap(), w).unwrap();
                h
            };
            let (p, q) = (filled(&p, None), filled(&q, w.as_deref()));
            let floor = floor(jsd, &p, &q, 20, i).unwrap();
            let value = jsd(&p, &q).unwrap().value;
            values += value / TRIES as f64;
            floors += floor.mean.value / TRIES as f64;
            pulls += (value - floor.mean.value) / floor.spread.value / TRIES as f64;
        }
        assert_near(floors, values, within);
        assert!(pulls.abs() < 1.0 + 2.0 * kind as f64, "{pulls}");
    }
}

/// Weights that fall with the value, as those of reweighted samples do, leave less to compare than their effective size says.
#[test]
fn p_values_of_samples_with_weights_that_follow_the_value_are_no_smaller() {
    const SIZE: usize = 4000;
    let p_value = |i: u64| {
        let ((p, _), (mut q, _)) = (toy(i, 18, SIZE, 1), toy(i, 19, SIZE, 1));
        // Normal around −1.2, and weighted to be normal around 0.
        q.iter_mut().for_each(|x| *x -= 1.2);
        let w: Vec<f64> = q.iter().map(|x| (1.2 * x + 0.72).exp()).collect();
        let p = Sample::new(Rows::packed(&p, 1).unwrap(), None).unwrap();
        let q = Sample::new(Rows::packed(&q, 1).unwrap(), Some(&w)).unwrap();
        kolmogorov_smirnov(&p, &q, 0).unwrap().p_value
    };
    let values: Vec<f64> = (0..500).map(p_value).collect();
    let below = |limit: f64| values.iter().filter(|v| **v < limit).count();
    // 25 and 5 expected.
    let (all, few) = (below(0.05), below(0.01));
    assert!((8..42).contains(&all) && few < 13, "{all} {few}");
}

#[test]
fn effective_entries_are_those_of_the_weights_inside() {
    let mut h = filled(&[0.5, 0.5, 1.5, 0.5, 9.0, 0.5], Some(&[1.0, 3.0, 100.0]));
    assert_eq!(h.effective_entries(), 1.6);
    h.merge(&filled(&[0.5, 0.5], Some(&[4.0]))).unwrap();
    assert_eq!(h.effective_entries(), 64.0 / 26.0);
    assert!(filled(&[], None).effective_entries().is_nan());
}

/// The same seed gives the same bits, another one others.
#[test]
fn seeds_decide() {
    let ((p, _), (q, w)) = (toy(0, 8, 50, 2), toy(0, 9, 60, 2));
    let (a, b) = (filled(&p, None), filled(&q, Some(&w)));
    let p = Sample::new(Rows::packed(&p, 2).unwrap(), None).unwrap();
    let q = Sample::new(Rows::packed(&q, 2).unwrap(), Some(&w)).unwrap();
    let all = |seed: u64| {
        let one = emd_1d(&p, &q, 0, 10, seed).unwrap();
        let sliced = sliced_emd(&p, &q, 3, 10, seed).unwrap();
        let histograms = floor(jsd, &a, &b, 5, seed).unwrap();
        (one.error, sliced.error, sliced.value, histograms)
    };
    assert_eq!(all(1), all(1));
    let (one, two) = (all(1), all(2));
    assert!(one.0 != two.0 && one.1 != two.1 && one.2 != two.2 && one.3 != two.3);
}

/// Where weights cancel, a bin and all bins may be worth less than one event.
#[test]
fn floors_of_weights_that_cancel_come_to_an_end() {
    let (x, _) = toy(0, 20, 200, 2);
    let q = filled(&x, None);
    for rest in [1e-2, 1e-6, 1e-12] {
        let p = filled(&[0.5; 4], Some(&[1.0, rest - 1.0]));
        let floor = floor(jsd, &p, &q, 5, 1).unwrap();
        assert!(floor.mean.value.is_finite(), "{floor:?}");
    }
}

#[test]
fn bad_floors_are_refused() {
    let good = on_unit_bins(3, 3, |_, _| 2.0);
    let empty = on_unit_bins(3, 3, |_, _| 0.0);
    let other = on_unit_bins(3, 4, |_, _| 2.0);
    assert_error(
        floor(jsd, &good, &good, 1, 1),
        Error::InvalidArgument,
        "1 repeats",
    );
    assert_error(
        floor(jsd, &good, &empty, 5, 1),
        Error::Data,
        "second histogram is empty",
    );
    assert_error(
        floor(emd, &good, &other, 5, 1),
        Error::InvalidArgument,
        "binning",
    );
}
