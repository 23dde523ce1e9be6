//! Scores of samples, classifiers, weights and chains against values known by hand.

use crate::{made, ok, text_of};
use laser::capi::edges::*;
use laser::capi::floors::*;
use laser::capi::metrics::*;
use laser::capi::options::*;
use laser::capi::scores::*;
use laser::capi::source::*;
use std::ptr::{null, null_mut};

/// A source of rows of `dim`; the array must outlive it.
pub(crate) fn source(x: &[f64], w: Option<&[f64]>, dim: usize) -> *mut laser_source {
    let w = w.map_or(null(), <[f64]>::as_ptr);
    // SAFETY: see main.rs.
    made(|out| unsafe { laser_source_from_array(x.as_ptr(), w, x.len() / dim, dim, 0, out) })
}

#[test]
fn distances_of_samples() {
    // The second feature is the first, shifted by 2 with half the weight.
    let x = [0.0, 5.0, 1.0, 6.0, 2.0, 7.0, 3.0, 8.0];
    let y = [0.0, 5.0, 1.0, 6.0, 2.0, 9.0, 3.0, 10.0];
    let w = [1.0, 1.0, 2.0, 2.0];
    let mut out = [f64::NAN; 4];
    // SAFETY: see main.rs.
    unsafe {
        let (p, q) = (source(&x, None, 2), source(&y, None, 2));
        let weighted = source(&x, Some(&w), 2);
        let [value, error, floor, spread] = [0, 1, 2, 3].map(|i| out.as_mut_ptr().add(i));
        ok(laser_emd_1d(p, q, 1, 40, 1, value, error, floor, spread));
        assert_eq!(out[0], 1.0);
        assert!(out[1..].iter().all(|v| *v > 0.1 && *v < 3.0), "{out:?}");
        let again = out;
        ok(laser_emd_1d(p, q, 1, 40, 1, value, error, floor, spread));
        assert_eq!(out, again);
        // Without repeats, and what is not wanted.
        ok(laser_emd_1d(
            p,
            weighted,
            0,
            0,
            1,
            value,
            error,
            null_mut(),
            null_mut(),
        ));
        assert!(
            (out[0] - 1.0 / 3.0).abs() < 1e-15 && out[1].is_nan(),
            "{out:?}"
        );

        // A feature shifted by its standard deviation s in one direction: |cos| · 1.
        let shifted: Vec<f64> = x
            .chunks(2)
            .flat_map(|x| [x[0] + 1.25f64.sqrt(), x[1]])
            .collect();
        let moved = source(&shifted, None, 2);
        ok(laser_sliced_emd(
            p, moved, 2000, 0, 3, value, error, floor, spread,
        ));
        assert!(
            (out[0] - 2.0 / std::f64::consts::PI).abs() < 0.03,
            "{out:?}"
        );
        ok(laser_sliced_emd(
            p, moved, 10, 30, 3, value, error, floor, spread,
        ));
        assert!(out.iter().all(|v| *v > 0.0), "{out:?}");

        let (mut statistic, mut p_value) = (0.0, 0.0);
        ok(laser_kolmogorov_smirnov(
            p,
            q,
            1,
            &mut statistic,
            &mut p_value,
        ));
        assert_eq!(statistic, 0.5);
        assert!((0.3..0.9).contains(&p_value), "{p_value}");
        ok(laser_kolmogorov_smirnov(
            p,
            p,
            1,
            &mut statistic,
            null_mut(),
        ));
        assert_eq!(statistic, 0.0);
        for s in [p, q, weighted, moved] {
            laser_source_free(s);
        }
    }
}

#[test]
fn areas_and_sizes() {
    let scores = [0.9, 0.2, 0.8, 0.1, 0.8];
    let labels = [1, 0, 1, 0, 0];
    let w = [1.0, 1.0, 1.0, 2.0, 1.0];
    let (mut area, mut error, mut size) = (0.0, 0.0, 0.0);
    // SAFETY: see main.rs.
    unsafe {
        let (s, l) = (scores.as_ptr(), labels.as_ptr());
        ok(laser_auc(5, s, l, null(), &mut area, &mut error));
        assert!((area - 5.5 / 6.0).abs() < 1e-15, "{area}");
        assert!(error > 0.0);
        ok(laser_auc(5, s, l, w.as_ptr(), &mut area, null_mut()));
        assert!((area - 7.5 / 8.0).abs() < 1e-15, "{area}");
        ok(laser_effective_size(5, w.as_ptr(), &mut size));
        assert_eq!(size, 36.0 / 8.0);
    }
}

/// One dimension whose chains agree, one whose chains stay apart.
#[test]
fn chains_are_judged_dimension_by_dimension() {
    let (draws, chains) = (50, 2);
    let value = |i: usize, dim: usize| {
        let noise = (i * 7919 % 1009) as f64;
        noise
            + if dim == 1 && i % chains == 1 {
                5000.0
            } else {
                0.0
            }
    };
    let x: Vec<f64> = (0..draws * chains)
        .flat_map(|i| [value(i, 0), value(i, 1)])
        .collect();
    let (mut r_hat, mut size) = ([0.0; 2], [0.0; 2]);
    // SAFETY: see main.rs.
    unsafe {
        let (x, r, s) = (x.as_ptr(), r_hat.as_mut_ptr(), size.as_mut_ptr());
        ok(laser_chain_diagnostics(draws, chains, 2, x, r, s));
        assert!(r_hat[0] < 1.1 && r_hat[1] > 1.5, "{r_hat:?}");
        assert!(size[0] > 50.0 && size[1] < 10.0, "{size:?}");
        let before = r_hat;
        ok(laser_chain_diagnostics(draws, chains, 2, x, r, null_mut()));
        ok(laser_chain_diagnostics(draws, chains, 2, x, null_mut(), s));
        assert_eq!(r_hat, before);
    }
}

#[test]
fn floors_of_histograms() {
    // Forty events in the middle of each of 25 bins.
    let middle = |i: usize| (i as f64 + 0.5) / 5.0;
    let x: Vec<f64> = (0..1000)
        .flat_map(|i| [middle(i % 5), middle(i / 5 % 5)])
        .collect();
    // SAFETY: see main.rs.
    unsafe {
        let h = made(|out| laser_histogram_new(5, 0.0, 1.0, 5, 0.0, 1.0, out));
        ok(laser_histogram_fill(h, 1000, x.as_ptr(), 0, null()));
        for floor in [laser_jsd_floor, laser_emd_floor] {
            let mut out = [0.0; 4];
            let [mean, spread, paper, paper_spread] = [0, 1, 2, 3].map(|i| out.as_mut_ptr().add(i));
            ok(floor(h, h, 50, 1, mean, spread, paper, paper_spread));
            assert!(out[0] > 0.0 && out[1] > 0.0 && out[1] < out[0], "{out:?}");
            assert!((out[2] / out[0] - out[3] / out[1]).abs() < 1e-9, "{out:?}");
            let mut alone = 0.0;
            ok(floor(
                h,
                h,
                50,
                1,
                &mut alone,
                null_mut(),
                null_mut(),
                null_mut(),
            ));
            assert_eq!(alone, out[0]);
        }
        // In the limit of many events, ⅛ Σ (p − q)² / p with variances of 2p/n: a quarter of 24 degrees of freedom over n.
        let mut mean = 0.0;
        ok(laser_jsd_floor(
            h,
            h,
            200,
            1,
            &mut mean,
            null_mut(),
            null_mut(),
            null_mut(),
        ));
        assert!((mean / (24.0 / 4000.0) - 1.0).abs() < 0.1, "{mean}");
        laser_histogram_free(h);
    }
}

#[test]
fn a_classifier_tells_samples_apart() {
    // A linear congruential generator; Knuth's multiplier.
    let mut state = 1_u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut uniforms = || -> Vec<f64> { (0..8000).map(|_| uniform()).collect() };
    let (x, mut y) = (uniforms(), uniforms());
    y.iter_mut().step_by(2).for_each(|y| *y += 0.5);
    let json = c"{\"preset\": \"fast\", \"classifier\": {\"layers\": 1, \"units\": 16, \"epochs\": 10, \"batch\": 100, \"lr\": 0.01}}";
    let (mut area, mut error) = (0.0, 0.0);
    // SAFETY: see main.rs.
    unsafe {
        let options = made(|out| laser_options_from_json(json.as_ptr(), out));
        let (p, q) = (source(&x, None, 2), source(&y, None, 2));
        ok(laser_two_sample_auc(
            p,
            q,
            options,
            null(),
            &mut area,
            &mut error,
        ));
        // Uniform numbers shifted by half their range: half of the events are certain, the others tied.
        assert!(
            (area - 0.875).abs() < 0.02 + 3.0 * error,
            "{area} ± {error}"
        );
        let (mut again, first) = (0.0, area);
        ok(laser_two_sample_auc(
            p,
            q,
            options,
            null(),
            &mut again,
            null_mut(),
        ));
        assert_eq!(again, first);
        let ([mut network, mut network_error], [mut trees, mut trees_error]) = ([0.0; 2], [0.0; 2]);
        ok(laser_two_sample_auc_by_family(
            p,
            q,
            options,
            null(),
            &mut network,
            &mut network_error,
            &mut trees,
            &mut trees_error,
        ));
        let larger = match trees > network {
            true => (trees, trees_error),
            false => (network, network_error),
        };
        assert_eq!((first, error), larger);
        for (area, error) in [(network, network_error), (trees, trees_error)] {
            assert!(
                (area - 0.875).abs() < 0.03 + 3.0 * error,
                "{area} ± {error}"
            );
        }
        laser_options_free(options);
        laser_source_free(p);
        laser_source_free(q);
    }
}

#[test]
fn edges_of_a_support() {
    // A hundred events on (0, 100] and, of the sample, ten of them moved beyond 0; the second value is 1 higher.
    let x: Vec<f64> = (1..=100).flat_map(|i| [f64::from(i), 0.5]).collect();
    let mut y = x.clone();
    y.chunks_mut(2).take(10).for_each(|y| y[0] *= -1.0);
    let (support, names) = (c"energy > 0 and not (other >= 1)", c"energy, other");
    let (support, names) = (support.as_ptr(), names.as_ptr());
    let mut out = [f64::NAN; 7];
    let mut count = 0;
    // SAFETY: see main.rs.
    unsafe {
        let (p, q) = (source(&x, None, 2), source(&y, None, 2));
        ok(laser_edge_count(p, support, names, &mut count));
        assert_eq!(count, 2);
        let inequality = |edge| {
            text_of(|buf, cap, needed| {
                laser_edge_inequality(p, support, names, edge, buf, cap, needed)
            })
        };
        assert_eq!([0, 1].map(inequality), ["energy > 0", "not (other >= 1)"]);
        let [a, b, c, d, e, f, g] = [0, 1, 2, 3, 4, 5, 6].map(|i| out.as_mut_ptr().add(i));
        ok(laser_edge(p, q, support, names, 0, a, b, c, d, e, f, g));
        // Nothing of the sample is within 1 of the edge.
        assert_eq!(out[..3], [0.0, 0.0, 0.1]);
        assert!(
            (out[3] - 0.03).abs() < 1e-12 && out[4].is_infinite() && out[6] == 1.0,
            "{out:?}"
        );
        let no = null_mut();
        ok(laser_edge(
            q, p, support, names, 0, a, no, c, no, no, no, no,
        ));
        assert_eq!([out[0], out[2]], [0.1, 0.0]);
        ok(laser_edge(
            p,
            q,
            c"x1 < 1".as_ptr(),
            null(),
            0,
            a,
            b,
            c,
            d,
            e,
            f,
            g,
        ));
        assert_eq!((out[4], out[6]), (1.0, 0.5));
        for source in [p, q] {
            laser_source_free(source);
        }
    }
}
