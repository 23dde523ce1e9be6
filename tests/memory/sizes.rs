//! Sizes that cannot be meant.

use crate::failing::alone;
use crate::{events, generator, message, name, options, source};
use laser::capi::floors::*;
use laser::capi::metrics::*;
use laser::capi::model::*;
use laser::capi::options::*;
use laser::capi::scores::*;
use laser::capi::source::*;
use laser::capi::status::*;
use std::ffi::CString;
use std::ptr::{null, null_mut};

#[track_caller]
fn is(status: i32, expected: i32, words: &str) {
    assert_eq!(name(status), name(expected), "{}", message());
    assert!(
        message().contains(words),
        "`{}` does not say `{words}`",
        message()
    );
}

/// Those of options are refused when they are set; what is allowed, but beyond all memory, in the call.
#[test]
fn of_options() {
    let _alone = alone();
    let events = events();
    let trained = generator(&events, "");
    for (key, method) in [
        ("weights.events", "rejection"),
        ("gan.pool", "gan"),
        ("refiner_flow.pool", "flow"),
        ("matching.pool", "matching"),
        ("surrogate.pool", "surrogate"),
        ("pullback.events", "rejection"),
    ] {
        let more = format!(r#""refiner.method": "{method}", "pullback.method": "omnifold""#);
        let (options, target) = (options(&more), source(&events, 2));
        let key = CString::new(key).unwrap();
        // SAFETY: see memory.rs.
        unsafe {
            for value in [i64::MAX, 1_000_000_000_000, 1_000_000_001] {
                let status = laser_options_set_i64(options, key.as_ptr(), value);
                is(status, LASER_ERR_INVALID_ARGUMENT, "1000000000");
            }
            let most = laser_options_set_i64(options, key.as_ptr(), 1_000_000_000);
            assert_eq!(most, LASER_OK);
            laser_options_free(options);
            laser_source_free(target);
        }
    }
    // SAFETY: see memory.rs.
    unsafe {
        let wide = options(r#""refiner.method": "gan", "gan.latent": 65536, "gan.units": 65536"#);
        let target = source(&events, 2);
        let status = laser_refine(trained, target, wide, null(), &mut null_mut());
        is(status, LASER_ERR_INVALID_ARGUMENT, "parameters");
    }
}

#[test]
fn of_arguments() {
    let _alone = alone();
    let events = events();
    let (p, mut value, no) = (source(&events, 2), 0.0, null_mut());
    let v = &raw mut value;
    // SAFETY: see memory.rs.
    unsafe {
        let mut histogram = null_mut();
        assert_eq!(
            laser_histogram_new(4, 0.0, 1.0, 4, 0.0, 1.0, &mut histogram),
            LASER_OK
        );
        assert_eq!(
            laser_histogram_fill(histogram, 100, events.as_ptr(), 3, null()),
            LASER_OK
        );
        let h = histogram;
        for many in [1_000_001, 1 << 40, 1 << 60, usize::MAX] {
            for status in [
                laser_emd_1d(p, p, 0, many, 1, v, no, no, no),
                laser_sliced_emd(p, p, 3, many, 1, v, no, no, no),
                laser_jsd_floor(h, h, many, 1, v, no, no, no),
                laser_emd_floor(h, h, many, 1, v, no, no, no),
            ] {
                is(status, LASER_ERR_INVALID_ARGUMENT, "repeats");
            }
            let status = laser_sliced_emd(p, p, many, 2, 1, v, no, no, no);
            is(status, LASER_ERR_INVALID_ARGUMENT, "directions");
        }
        for bins in [1 << 30, 1 << 40] {
            let status = laser_histogram_new(bins, 0.0, 1.0, bins, 0.0, 1.0, &mut histogram);
            is(status, LASER_ERR_MEMORY, "bins");
        }
        laser_histogram_free(h);
    }
}
