//! The refusals of the scores: NULL, sizes, samples that cannot be compared. Outputs stay as they were.

use crate::refusals::{invalid, no_events, null_is_refused};
use crate::scores::source;
use crate::{made, refused};
use laser::capi::edges::*;
use laser::capi::floors::*;
use laser::capi::metrics::*;
use laser::capi::scores::*;
use laser::capi::source::*;
use laser::capi::status::*;
use std::ptr::{null, null_mut};

#[test]
fn samples() {
    let x = [0.0, 1.0, 2.0, 4.0, 4.0, 9.0, 6.0, 16.0];
    let minus = [-1.0; 4];
    let mut out = [7.0; 4];
    let none = null_mut::<laser_source>();
    // SAFETY: see main.rs.
    unsafe {
        let p = source(&x, None, 2);
        let (wide, weightless) = (source(&x, None, 4), source(&x, Some(&minus), 2));
        let endless =
            made(|out| laser_source_from_callback(2, 0, Some(no_events), null_mut(), out));
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| out.as_mut_ptr().add(i));

        let emd = |p, q, feature, a| laser_emd_1d(p, q, feature, 3, 1, a, b, c, d);
        null_is_refused(laser_emd_1d(none, p, 0, 3, 1, a, b, c, d), "p");
        null_is_refused(emd(p, none, 0, a), "q");
        null_is_refused(emd(p, p, 0, null_mut()), "distance");
        invalid(emd(p, p, 2, a), "feature 2");
        refused(emd(p, weightless, 0, a), LASER_ERR_DATA, "second sample");
        refused(emd(endless, p, 0, a), LASER_ERR_UNSUPPORTED, "callback");

        let sliced = |p, q, directions, a| laser_sliced_emd(p, q, directions, 3, 1, a, b, c, d);
        null_is_refused(laser_sliced_emd(none, p, 1, 3, 1, a, b, c, d), "reference");
        null_is_refused(sliced(p, none, 1, a), "sample");
        null_is_refused(sliced(p, p, 1, null_mut()), "distance");
        invalid(sliced(p, p, 0, a), "0 directions");
        invalid(sliced(p, wide, 1, a), "2 and 4 features");
        refused(sliced(p, endless, 1, a), LASER_ERR_UNSUPPORTED, "callback");

        null_is_refused(laser_kolmogorov_smirnov(none, p, 0, a, b), "p");
        null_is_refused(laser_kolmogorov_smirnov(p, none, 0, a, b), "q");
        null_is_refused(
            laser_kolmogorov_smirnov(p, p, 0, null_mut(), b),
            "statistic",
        );
        invalid(laser_kolmogorov_smirnov(p, p, 9, a, b), "feature 9");

        let test = |p, q, a| laser_two_sample_auc(p, q, null(), null(), a, b);
        null_is_refused(
            laser_two_sample_auc(none, p, null(), null(), a, b),
            "reference",
        );
        null_is_refused(test(p, none, a), "sample");
        null_is_refused(test(p, p, null_mut()), "auc");
        invalid(test(p, wide, a), "2 features, the sample 4");
        refused(test(p, weightless, a), LASER_ERR_DATA, "half of the sample");
        refused(test(p, endless, a), LASER_ERR_UNSUPPORTED, "callback");
        let test = |p, a, b| {
            laser_two_sample_auc_by_family(p, p, null(), null(), a, null_mut(), b, null_mut())
        };
        null_is_refused(test(none, a, b), "reference");
        null_is_refused(test(p, null_mut(), b), "network");
        null_is_refused(test(p, a, null_mut()), "trees");
        refused(
            test(weightless, a, b),
            LASER_ERR_DATA,
            "half of the reference",
        );
        let cut = c"x0 > 1 and x1 < 3".as_ptr();
        let edge = |p, q, support, edge| {
            laser_edge(
                p,
                q,
                support,
                null(),
                edge,
                a,
                b,
                c,
                d,
                null_mut(),
                null_mut(),
                null_mut(),
            )
        };
        null_is_refused(edge(none, p, cut, 0), "reference");
        null_is_refused(edge(p, none, cut, 0), "sample");
        null_is_refused(edge(p, p, null(), 0), "support");
        for (a, c, argument) in [
            (null_mut(), c, "beyond_reference"),
            (a, null_mut(), "beyond_sample"),
        ] {
            let no = null_mut();
            let status = laser_edge(p, p, cut, null(), 0, a, b, c, d, no, no, no);
            null_is_refused(status, argument);
        }
        invalid(edge(p, p, cut, 2), "no edge 2 (from 0)");
        invalid(edge(p, p, c"x0 - 1".as_ptr(), 0), "is a number");
        invalid(edge(p, p, c"x0 > x7".as_ptr(), 0), ">>> `x7`");
        invalid(edge(p, wide, cut, 0), "2 features, the sample 4");
        refused(edge(p, endless, cut, 0), LASER_ERR_UNSUPPORTED, "callback");
        refused(
            edge(weightless, p, cut, 0),
            LASER_ERR_DATA,
            "the reference sum",
        );
        refused(
            edge(p, weightless, cut, 0),
            LASER_ERR_DATA,
            "the sample sum",
        );
        let (mut count, mut needed) = (7, 7);
        let no = null_mut();
        null_is_refused(laser_edge_count(none, cut, null(), &mut count), "events");
        null_is_refused(laser_edge_count(p, null(), null(), &mut count), "support");
        null_is_refused(laser_edge_count(p, cut, null(), null_mut()), "count");
        invalid(
            laser_edge_count(p, cut, c"pt".as_ptr(), &mut count),
            "1 names for 2 values",
        );
        null_is_refused(
            laser_edge_inequality(none, cut, null(), 0, no, 0, &mut needed),
            "events",
        );
        null_is_refused(
            laser_edge_inequality(p, null(), null(), 0, no, 0, &mut needed),
            "support",
        );
        null_is_refused(
            laser_edge_inequality(p, cut, null(), 0, no, 7, &mut needed),
            "buf",
        );
        invalid(
            laser_edge_inequality(p, cut, null(), 2, no, 0, &mut needed),
            "no edge 2",
        );
        assert_eq!((count, needed), (7, 7));
        for s in [p, wide, weightless, endless] {
            laser_source_free(s);
        }
    }
    assert_eq!(out, [7.0; 4]);
}

#[test]
fn numbers() {
    let x = [0.0, 1.0, 2.0, 4.0, 4.0, 9.0, 6.0, f64::NAN];
    let labels = [0, 1, 0, 1, 1, 0, 3, 0];
    let (mut a, mut b) = (7.0, 7.0);
    let mut wide = [7.0; 8];
    // SAFETY: see main.rs.
    unsafe {
        let (s, l) = (x.as_ptr(), labels.as_ptr());
        null_is_refused(laser_auc(4, null(), l, null(), &mut a, &mut b), "scores");
        null_is_refused(laser_auc(4, s, null(), null(), &mut a, &mut b), "labels");
        null_is_refused(laser_auc(4, s, l, null(), null_mut(), &mut b), "auc");
        let mut auc = |n, w| laser_auc(n, s, l, w, &mut a, &mut b);
        refused(auc(0, null()), LASER_ERR_DATA, "label 0");
        refused(auc(7, null()), LASER_ERR_DATA, "label 6 is 3");
        refused(auc(4, s.add(4)), LASER_ERR_DATA, "weight 3 is NaN");
        invalid(auc(usize::MAX, null()), "`scores`");

        null_is_refused(laser_effective_size(4, null(), &mut a), "w");
        null_is_refused(laser_effective_size(4, s, null_mut()), "size");
        refused(laser_effective_size(8, s, &mut a), LASER_ERR_DATA, "NaN");
        refused(
            laser_effective_size(0, s, &mut a),
            LASER_ERR_DATA,
            "sum to 0",
        );

        let out = wide.as_mut_ptr();
        let chains =
            |draws, chains, dim, r, e| laser_chain_diagnostics(draws, chains, dim, s, r, e);
        null_is_refused(
            laser_chain_diagnostics(4, 1, 1, null(), out, out.add(4)),
            "x",
        );
        invalid(chains(3, 1, 1, out, out.add(4)), "4 draws");
        invalid(chains(4, 0, 1, out, out.add(4)), "0 chains");
        invalid(chains(4, 1, 0, out, out.add(4)), "0 dimensions");
        invalid(chains(usize::MAX, 2, 2, out, out.add(4)), "do not fit");
        invalid(chains(4, 1, 1, out, out), "overlap");
        refused(
            chains(4, 2, 1, out, out.add(4)),
            LASER_ERR_DATA,
            "chain 1 is NaN at draw 3",
        );
    }
    assert_eq!((a, b, wide), (7.0, 7.0, [7.0; 8]));
}

#[test]
fn floors() {
    let x = [0.25, 0.25, 0.75, 0.75];
    let mut out = [7.0; 4];
    let none = null_mut::<laser_histogram>();
    // SAFETY: see main.rs.
    unsafe {
        let h = made(|out| laser_histogram_new(2, 0.0, 1.0, 2, 0.0, 1.0, out));
        let other = made(|out| laser_histogram_new(3, 0.0, 1.0, 2, 0.0, 1.0, out));
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| out.as_mut_ptr().add(i));
        refused(
            laser_jsd_floor(h, h, 9, 1, a, b, c, d),
            LASER_ERR_DATA,
            "empty",
        );
        refused(
            laser_emd_floor(h, h, 9, 1, a, b, c, d),
            LASER_ERR_DATA,
            "empty",
        );
        assert_eq!(laser_histogram_fill(h, 2, x.as_ptr(), 0, null()), LASER_OK);
        for (floor, mean) in [
            (
                laser_jsd_floor as unsafe extern "C" fn(_, _, _, _, _, _, _, _) -> _,
                "nats",
            ),
            (laser_emd_floor, "units"),
        ] {
            null_is_refused(floor(none, h, 9, 1, a, b, c, d), "p");
            null_is_refused(floor(h, none, 9, 1, a, b, c, d), "q");
            null_is_refused(floor(h, h, 9, 1, null_mut(), b, c, d), mean);
            invalid(floor(h, h, 1, 1, a, b, c, d), "1 repeats");
            invalid(floor(h, other, 9, 1, a, b, c, d), "differ in binning");
        }
        laser_histogram_free(h);
        laser_histogram_free(other);
    }
    assert_eq!(out, [7.0; 4]);
}
