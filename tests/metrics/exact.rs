//! What is promised exactly: bins that keep their edges, weights that cancel, columns and chains that are constant, units that do not
//! matter.

use crate::{assert_close, assert_error, numbers, random};
use laser::metrics::chains::{effective_sample_size, split_r_hat};
use laser::metrics::{
    auc, effective_size, emd, emd_1d, floor, jsd, kolmogorov_smirnov, sliced_emd, Histogram2d,
    Sample,
};
use laser::{Error, Rows};
use serde_json::Value;

fn column<'a>(x: &'a [f64], w: Option<&'a [f64]>) -> Sample<'a> {
    Sample::new(Rows::column(x), w).unwrap()
}

/// Rows of x and y.
fn packed(x: &[f64]) -> Rows<'_, f64> {
    Rows::packed(x, 2).unwrap()
}

/// The bin of each value, in x or in y.
fn bins_of(values: &[f64], bins: usize, range: [f64; 2], along_y: bool) -> Vec<usize> {
    let of = |&value: &f64| {
        let unit = [0.0, 1.0];
        let (mut histogram, event) = if along_y {
            (
                Histogram2d::new(1, unit, bins, range).unwrap(),
                [0.5, value],
            )
        } else {
            (
                Histogram2d::new(bins, range, 1, unit).unwrap(),
                [value, 0.5],
            )
        };
        histogram.fill(packed(&event), None).unwrap();
        let contents = histogram.contents().unwrap();
        contents.iter().position(|&c| c == 1.0).unwrap()
    };
    values.iter().map(of).collect()
}

/// On awkward axes, for their edges and what is beside them (values of `reference/edges.py`).
#[test]
fn values_at_the_edges_of_bins_agree_with_numpy() {
    let cases: Value = serde_json::from_str(include_str!("../reference/edges.json")).unwrap();
    for case in cases.as_array().unwrap() {
        let (bins, values) = (case["bins"].as_u64().unwrap(), numbers(&case["values"]));
        let range = [0, 1].map(|k| case["range"][k].as_f64().unwrap());
        let expected: Vec<usize> = numbers(&case["where"])
            .iter()
            .map(|&w| w as usize)
            .collect();
        for along_y in [false, true] {
            let found = bins_of(&values, bins as usize, range, along_y);
            for ((value, found), expected) in values.iter().zip(found).zip(&expected) {
                assert_eq!(found, *expected, "{value:e} of {bins} bins over {range:?}");
            }
        }
    }
}

/// Lower edges are those of the header, low + i · ((high − low) / n): a value lies between its bin's two.
#[test]
fn bins_hold_what_lies_between_their_edges() {
    let mut next = random(8);
    for _ in 0..2000 {
        let most = if next(2) == 0 { 20 } else { 2000 };
        let bins = 1 + next(most) as usize;
        let low = (next(2_000_001) as f64 - 1e6) / 1000.0;
        let high = low + (1 + next(1_000_000)) as f64 / 7000.0;
        let width = (high - low) / bins as f64;
        let edge = |k: usize| match k == bins {
            true => high,
            false => low + k as f64 * width,
        };
        let k = next(bins as u64) as usize;
        let values = [edge(k), edge(k).next_down(), edge(k + 1).next_down()];
        let inside: Vec<f64> = values.into_iter().filter(|&v| v >= low).collect();
        for (value, bin) in inside
            .iter()
            .zip(bins_of(&inside, bins, [low, high], false))
        {
            let last = bin + 1 == bins && *value <= high;
            assert!(
                edge(bin) <= *value && (*value < edge(bin + 1) || last),
                "{value} in bin {bin} of {bins} over {low} to {high}"
            );
        }
    }
}

/// 0, 1, 2, … in unit bins: one each.
#[test]
fn integers_have_a_unit_bin_each() {
    for bins in 1..=1000 {
        let x: Vec<f64> = (0..bins).flat_map(|i| [i as f64, 0.5]).collect();
        let mut h = Histogram2d::new(bins, [0.0, bins as f64], 1, [0.0, 1.0]).unwrap();
        h.fill(packed(&x), None).unwrap();
        assert!(
            h.contents().unwrap().iter().all(|&c| c == 1.0),
            "{bins} bins"
        );
    }
}

/// Two bins: what is in the first cancels.
fn cancelling(unit: f64) -> Histogram2d {
    let x: Vec<f64> = (0..7)
        .flat_map(|i| [if i < 6 { 0.5 } else { 1.5 }, 0.5])
        .collect();
    let w: Vec<f64> = [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0, 10.0]
        .iter()
        .map(|w| w * unit)
        .collect();
    let mut h = Histogram2d::new(2, [0.0, 2.0], 1, [0.0, 1.0]).unwrap();
    h.fill(packed(&x), Some(&w)).unwrap();
    h
}

/// As weights of 1/8, which are exact, so weights of 1/10: the bin is empty, not −2.8·10⁻¹⁷.
#[test]
fn weights_that_cancel_leave_an_empty_bin() {
    let mut q = Histogram2d::new(2, [0.0, 2.0], 1, [0.0, 1.0]).unwrap();
    q.fill(packed(&[0.5, 0.5, 1.5, 0.5]), None).unwrap();
    let exact = cancelling(0.125);
    for unit in [0.1, 0.3, 1.0 / 3.0] {
        let h = cancelling(unit);
        assert_eq!(h.contents().unwrap()[0], 0.0);
        assert_close(
            jsd(&h, &q).unwrap().value,
            jsd(&exact, &q).unwrap().value,
            1e-14,
        );
        assert_close(
            emd(&h, &q).unwrap().value,
            emd(&exact, &q).unwrap().value,
            1e-14,
        );
        // In parts, too: of two histograms, merged.
        let mut parts = [-1.0, 1.0].map(|sign| {
            let mut h = Histogram2d::new(2, [0.0, 2.0], 1, [0.0, 1.0]).unwrap();
            let w = [sign * unit, 2.0 * sign * unit, -sign * unit];
            h.fill(packed(&[0.5; 6]), Some(&w)).unwrap();
            h
        });
        let [a, b] = &mut parts;
        a.merge(b).unwrap();
        assert_eq!((a.contents().unwrap()[0], a.total()), (0.0, 0.0));
    }
    // A bin that is negative by more than rounding stays so.
    let mut negative = cancelling(0.1);
    negative.fill(packed(&[0.5, 0.5]), Some(&[-1e-14])).unwrap();
    assert_error(jsd(&negative, &q), Error::Data, "bin (0, 0)");
}

/// Σ (0.1 + 0.2 − 0.3) is none, whatever rounding makes of it: 2.8·10⁻¹⁷ as it stands.
#[test]
fn weights_whose_total_cancels_are_refused() {
    let tenths = [0.1, 0.2, -0.3, 0.1, 0.2, -0.3];
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let (p, q) = (column(&x, Some(&tenths)), column(&x, None));
    let none = "the weights of the first sample sum to 0";
    assert_error(kolmogorov_smirnov(&p, &q, 0), Error::Data, none);
    assert_error(emd_1d(&p, &q, 0, 0, 1), Error::Data, none);
    assert_error(sliced_emd(&p, &q, 1, 0, 1), Error::Data, none);
    let none = "sum to 0";
    assert_error(effective_size(&tenths), Error::Data, none);
    let labels = [1, 1, 1, 1, 1, 1, 0, 0];
    let scores = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    let w = [0.1, 0.2, -0.3, 0.1, 0.2, -0.3, 1.0, 1.0];
    assert_error(
        auc(&scores, &labels, Some(&w)),
        Error::Data,
        "label 1 sum to 0",
    );
    // Between bins and beyond their range.
    let mut h = Histogram2d::new(3, [0.0, 3.0], 1, [0.0, 1.0]).unwrap();
    let events = [0.5, 0.5, 0.5, 0.5, 1.5, 0.5, 3.5, 0.5, 3.5, 0.5, 3.5, 0.5];
    h.fill(packed(&events), Some(&tenths)).unwrap();
    assert_eq!((h.total(), h.outside()), (0.0, 0.0));
}

/// Scores that part the classes have the area 1, however many they are, and equal ones ½; the error is that of chance, of three events a
/// class as well.
#[test]
fn parted_and_equal_classes_have_the_error_of_chance() {
    for n in [3, 10, 777, 30_000] {
        let scores: Vec<f64> = (0..2 * n).map(f64::from).collect();
        let labels: Vec<i32> = (0..2 * n).map(|i| i32::from(i >= n)).collect();
        let w: Vec<f64> = (0..2 * n).map(|i| 0.1 + f64::from(i % 7)).collect();
        for w in [None, Some(&w[..])] {
            let size = |of: &[f64]| effective_size(of).unwrap();
            let half = n as usize;
            let (zeros, ones) = match w {
                Some(w) => (size(&w[..half]), size(&w[half..])),
                None => (n.into(), n.into()),
            };
            let chance = ((ones + zeros + 1.0) / (12.0 * ones * zeros)).sqrt();
            assert!(n > 3 || chance > 0.25, "{chance}");
            let equal = vec![7.0; scores.len()];
            for (scores, value) in [(&scores, 1.0), (&equal, 0.5)] {
                let area = auc(scores, &labels, w).unwrap();
                assert_eq!(area.value, value, "{n}");
                assert_close(area.error, chance, 1e-12);
            }
        }
    }
}

/// The order of the events does not matter: equal samples are at no distance, whatever their rounding.
#[test]
fn equal_samples_are_at_no_distance() {
    let mut next = random(3);
    let x: Vec<f64> = (0..500).map(|_| next(20) as f64 / 10.0).collect();
    let w: Vec<f64> = (0..500).map(|_| (next(9) as f64 - 2.0) / 10.0).collect();
    let (mut y, mut v) = (x.clone(), w.clone());
    y.reverse();
    v.reverse();
    for (p, q) in [
        (column(&x, None), column(&y, None)),
        (column(&x, Some(&w)), column(&y, Some(&v))),
    ] {
        assert_eq!(kolmogorov_smirnov(&p, &q, 0).unwrap().statistic, 0.0);
        assert_eq!(emd_1d(&p, &q, 0, 0, 1).unwrap().value, 0.0);
    }
}

/// Weights are counted in any unit: those whose squares leave the floating-point range are worth as much as those of 1.
#[test]
fn the_unit_of_weights_does_not_matter() {
    let w = [1.0, 2.0, 0.5, 3.0, 1.5, 0.25, 2.0, 1.0];
    let x: Vec<f64> = (0..8).flat_map(|i| [f64::from(i) / 2.0, 0.5]).collect();
    let in_unit = |unit: f64| -> Vec<f64> { w.iter().map(|w| w * unit).collect() };
    let filled = |unit: f64| {
        let mut h = Histogram2d::new(4, [0.0, 4.0], 1, [0.0, 1.0]).unwrap();
        let w = in_unit(unit);
        h.fill(packed(&x[..8]), Some(&w[..4])).unwrap();
        let mut rest = Histogram2d::new(4, [0.0, 4.0], 1, [0.0, 1.0]).unwrap();
        rest.fill(packed(&x[8..]), Some(&w[4..])).unwrap();
        h.merge(&rest).unwrap();
        h
    };
    let one = filled(1.0);
    let expected = floor(jsd, &one, &one, 20, 1).unwrap();
    for unit in [1e-300, 1e-170, 1e170, 1e300] {
        let h = filled(unit);
        let size = one.effective_entries();
        assert_close(h.effective_entries(), size, 1e-14);
        assert_close(effective_size(&in_unit(unit)).unwrap(), size, 1e-14);
        // This one did not come back.
        let found = floor(jsd, &h, &h, 20, 1).unwrap();
        assert_close(found.mean.value, expected.mean.value, 1e-12);
        let labels = [1, 0, 1, 0, 0, 1, 0, 1];
        let scores: Vec<f64> = x.iter().copied().step_by(2).collect();
        let area = |w: &[f64]| auc(&scores, &labels, Some(w)).unwrap();
        assert_close(area(&in_unit(unit)).error, area(&w).error, 1e-12);
        let sliced = |w: &[f64]| {
            let p = column(&scores, Some(w));
            sliced_emd(&p, &column(&x[..8], None), 1, 0, 1)
                .unwrap()
                .value
        };
        assert_close(sliced(&in_unit(unit)), sliced(&w), 1e-12);
    }
}

/// The largest and the smallest value of a column are one number, or its neighbours: no number of rows makes a width of their rounding.
#[test]
fn constant_features_have_no_width() {
    let rows = [2, 10, 777, 5000, 100_000];
    for value in [1.0, 0.1, 0.10566, 91.1876, -1e6 / 3.0, 1e-200, 3e200, 0.0] {
        for n in rows {
            let wobbling: Vec<f64> = (0..n)
                .map(|i| {
                    value
                        + if i % 3 == 0 {
                            f64::EPSILON * value
                        } else {
                            0.0
                        }
                })
                .collect();
            let w: Vec<f64> = (0..n).map(|i| 0.1 * (1 + i % 7) as f64).collect();
            let same = vec![value; n];
            for (x, w) in [
                (&same, None),
                (&same, Some(&w[..])),
                (&wobbling, None),
                (&wobbling, Some(&w[..])),
            ] {
                let p = column(x, w);
                assert_error(
                    sliced_emd(&p, &p, 1, 0, 1),
                    Error::Data,
                    "feature 0 of the reference is constant",
                );
            }
        }
    }
    // A width of 10⁻⁹ is one.
    let narrow: Vec<f64> = (0..1000)
        .map(|i| 91.1876 + 1e-9 * f64::from(i % 7))
        .collect();
    assert!(sliced_emd(&column(&narrow, None), &column(&narrow, None), 1, 0, 1).is_ok());
}

/// Where a feature begins does not matter to the distance, not even far from 0.
#[test]
fn an_offset_does_not_drown_the_other_features() {
    let mut next = random(6);
    let mut sample = || -> Vec<f64> {
        let events = (0..1000).map(|_| {
            let width = f64::from(2f32.powi(-30));
            [next(1000) as f64 / 100.0, width * next(64) as f64]
        });
        events.flatten().collect()
    };
    let (p, q) = (sample(), sample());
    // All of these numbers are exact.
    let shifted =
        |x: &[f64]| -> Vec<f64> { x.chunks(2).flat_map(|x| [x[0], x[1] + 1024.0]).collect() };
    let of = |x: &[f64], y: &[f64]| {
        let [x, y] = [x, y].map(|x| Sample::new(Rows::packed(x, 2).unwrap(), None).unwrap());
        sliced_emd(&x, &y, 10, 0, 1).unwrap().value
    };
    assert_close(of(&shifted(&p), &shifted(&q)), of(&p, &q), 1e-11);
}

/// A variance out of range is called that, and the value that makes it named.
#[test]
fn one_far_event_is_no_constant_feature() {
    for far in [1e300, -1e300] {
        let x: Vec<f64> = (0..100)
            .map(|i| if i == 50 { far } else { f64::from(i) })
            .collect();
        let error = sliced_emd(&column(&x, None), &column(&x, None), 1, 0, 1).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("feature 0") && text.contains("1e300") && !text.contains("constant"),
            "{text}"
        );
    }
    let tiny: Vec<f64> = (0..100).map(|i| 1e-200 * f64::from(i)).collect();
    let error = sliced_emd(&column(&tiny, None), &column(&tiny, None), 1, 0, 1).unwrap_err();
    assert!(!error.to_string().contains("constant"), "{error}");
}

/// Chains that stand still, each where it is, have an infinite R̂ and are worth one draw, as the header says.
#[test]
fn frozen_chains_have_not_converged() {
    for (draws, values) in [
        (1000, &[1.5, 1.5, 1.5, 1.5][..]),
        (1000, &[0.0, 1.0, 2.0, 3.0]),
        (1000, &[0.0, 1.0]),
        (1000, &[-1.0, -1.0, 1.0, 1.0]),
        (777, &[0.1, 0.2, 0.3]),
        (10, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]),
        (100, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]),
        (64, &[0.1, 0.2, 0.3, 0.4, 0.5]),
        (1001, &[0.7]),
    ] {
        let x = values.repeat(draws);
        let r_hat = split_r_hat(&x, values.len(), 1).unwrap();
        assert_eq!(r_hat, [f64::INFINITY], "{draws} draws of {values:?}");
        let size = effective_sample_size(&x, values.len(), 1).unwrap();
        assert_eq!(size, [1.0], "{draws} draws of {values:?}");
    }
}

/// Of weights none of which is negative; those that are can take a cumulative distribution beyond its ends.
#[test]
fn the_statistic_of_kolmogorov_and_smirnov_is_a_difference_of_probabilities() {
    for n in 1..200 {
        let (x, y): (Vec<f64>, Vec<f64>) =
            (0..n).map(|i| (f64::from(i), 1e3 + f64::from(i))).unzip();
        let w: Vec<f64> = (0..n).map(|i| 0.1 + f64::from(i % 5)).collect();
        for w in [None, Some(&w[..])] {
            let test = kolmogorov_smirnov(&column(&x, w), &column(&y, w), 0).unwrap();
            assert!(test.statistic <= 1.0);
            assert_close(test.statistic, 1.0, 1e-15);
        }
    }
    // F runs 1, 2, 1 before the other sample begins.
    let x = [0.0, 1.0, 2.0];
    let p = column(&x, Some(&[1.0, 1.0, -1.0]));
    let test = kolmogorov_smirnov(&p, &column(&[5.0, 6.0], None), 0).unwrap();
    assert_eq!(test.statistic, 2.0);
}
