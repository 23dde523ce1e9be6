//! Histograms and scores against values known by hand.

use crate::{made, ok};
use laser::capi::metrics::*;
use std::ptr::{null, null_mut};

#[test]
fn events_land_in_their_bins() {
    // Rows of three: x, y and something else.
    let x = [0.25, 0.1, 9.0, 0.75, 0.5, 9.0, 1.0, 1.0, 9.0, 2.0, 0.5, 9.0];
    let w = [1.0, 2.0, 4.0, 8.0];
    let mut bins = [f64::NAN; 8];
    let (mut inside, mut outside) = (0.0, 0.0);
    // SAFETY: see main.rs.
    unsafe {
        let h = made(|out| laser_histogram_new(2, 0.0, 1.0, 3, 0.0, 1.0, out));
        ok(laser_histogram_fill(h, 4, x.as_ptr(), 3, w.as_ptr()));
        ok(laser_histogram_contents(h, bins.as_mut_ptr(), 8));
        assert_eq!(bins[..6], [1.0, 0.0, 0.0, 0.0, 2.0, 4.0]);
        assert!(bins[6].is_nan(), "wrote more than the bins");
        ok(laser_histogram_total(h, &mut inside, &mut outside));
        assert_eq!((inside, outside), (7.0, 8.0));

        let more = made(|out| laser_histogram_new(2, 0.0, 1.0, 3, 0.0, 1.0, out));
        ok(laser_histogram_fill(
            more,
            2,
            [0.1, 0.9, 0.1, 0.9].as_ptr(),
            0,
            null(),
        ));
        ok(laser_histogram_merge(h, more));
        laser_histogram_free(more);
        ok(laser_histogram_contents(h, bins.as_mut_ptr(), 6));
        assert_eq!(bins[..6], [1.0, 0.0, 2.0, 0.0, 2.0, 4.0]);
        laser_histogram_free(h);
    }
}

#[test]
fn scores_of_points_are_those_of_their_distance() {
    let (mut value, mut paper) = (0.0, 0.0);
    // SAFETY: see main.rs.
    unsafe {
        // Bins of 3 × 2; centres (1.5, 1), (4.5, 1), (1.5, 3), (4.5, 3).
        let empty = || made(|out| laser_histogram_new(2, 0.0, 6.0, 2, 0.0, 4.0, out));
        let (p, q) = (empty(), empty());
        ok(laser_histogram_fill(p, 1, [1.0, 1.0].as_ptr(), 0, null()));
        ok(laser_histogram_fill(
            q,
            2,
            [5.0, 3.0, 4.0, 2.5].as_ptr(),
            0,
            null(),
        ));
        ok(laser_jsd(p, q, &mut value, &mut paper));
        assert!((value - 2f64.ln()).abs() < 1e-15, "{value}");
        assert!((paper - 2f64.ln() / 6.0).abs() < 1e-15, "{paper}");
        ok(laser_emd(p, q, &mut value, &mut paper));
        assert!((value - 13f64.sqrt()).abs() < 1e-12, "{value}");
        assert!((paper - 1.0 / 6.0).abs() < 1e-12, "{paper}");
        ok(laser_jsd(p, p, &mut value, null_mut()));
        assert_eq!(value, 0.0);
        ok(laser_emd(q, q, &mut value, null_mut()));
        assert!(value.abs() < 1e-12, "{value}");
        laser_histogram_free(p);
        laser_histogram_free(q);
    }
}
