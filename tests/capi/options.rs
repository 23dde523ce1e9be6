//! Options by key: what is set is read back, and mistakes are answered.

use crate::{made, ok, refused, text_of};
use laser::capi::options::*;
use laser::capi::status::*;
use std::ptr::null;

#[test]
fn what_is_set_is_read_back() {
    let (mut int, mut float) = (0, 0.0);
    // SAFETY: see main.rs.
    unsafe {
        let options = made(|out| laser_options_new(c"fast".as_ptr(), out));
        ok(laser_options_set_i64(options, c"flow.blocks".as_ptr(), 20));
        ok(laser_options_set_f64(
            options,
            c"classifier.lr".as_ptr(),
            0.125,
        ));
        ok(laser_options_set_str(
            options,
            c"dtype".as_ptr(),
            c"float64".as_ptr(),
        ));

        let json = text_of(|b, c, n| laser_options_to_json(options, b, c, n));
        let json = std::ffi::CString::new(json).unwrap();
        let copy = made(|out| laser_options_from_json(json.as_ptr(), out));
        laser_options_free(options);

        ok(laser_options_get_i64(
            copy,
            c"flow.blocks".as_ptr(),
            &mut int,
        ));
        ok(laser_options_get_f64(
            copy,
            c"classifier.lr".as_ptr(),
            &mut float,
        ));
        assert_eq!((int, float), (20, 0.125));
        let dtype = text_of(|b, c, n| laser_options_get_str(copy, c"dtype".as_ptr(), b, c, n));
        assert_eq!(dtype, "float64");
        laser_options_free(copy);
    }
}

#[test]
fn presets_differ_and_null_is_the_default() {
    let blocks_and_epochs = |preset| {
        let (mut blocks, mut epochs) = (0, 0);
        // SAFETY: see main.rs.
        unsafe {
            let options = made(|out| laser_options_new(preset, out));
            ok(laser_options_get_i64(
                options,
                c"flow.blocks".as_ptr(),
                &mut blocks,
            ));
            ok(laser_options_get_i64(
                options,
                c"flow.epochs".as_ptr(),
                &mut epochs,
            ));
            laser_options_free(options);
        }
        (blocks, epochs)
    };
    assert_eq!(blocks_and_epochs(null()), (12, 100), "the paper's settings");
    assert_eq!(blocks_and_epochs(c"default".as_ptr()), (12, 100));
    assert_eq!(blocks_and_epochs(c"paper".as_ptr()), (12, 100));
    let fast = blocks_and_epochs(c"fast".as_ptr());
    assert!(fast.0 == 12 && fast.1 < 100, "{fast:?}");
}

#[test]
fn mistakes_change_nothing() {
    let (mut int, mut float) = (7, 7.0);
    // SAFETY: see main.rs.
    unsafe {
        let options = made(|out| laser_options_new(null(), out));
        let before = text_of(|b, c, n| laser_options_to_json(options, b, c, n));

        let unknown = c"flow.bloks".as_ptr();
        let meant = "did you mean `flow.blocks`";
        refused(
            laser_options_set_i64(options, unknown, 1),
            LASER_ERR_UNKNOWN_OPTION,
            meant,
        );
        refused(
            laser_options_set_f64(options, unknown, 1.0),
            LASER_ERR_UNKNOWN_OPTION,
            meant,
        );
        refused(
            laser_options_set_str(options, unknown, unknown),
            LASER_ERR_UNKNOWN_OPTION,
            meant,
        );
        refused(
            laser_options_get_i64(options, unknown, &mut int),
            LASER_ERR_UNKNOWN_OPTION,
            meant,
        );
        refused(
            laser_options_get_f64(options, unknown, &mut float),
            LASER_ERR_UNKNOWN_OPTION,
            meant,
        );
        let mut needed = 7;
        let get = laser_options_get_str(options, unknown, std::ptr::null_mut(), 0, &mut needed);
        refused(get, LASER_ERR_UNKNOWN_OPTION, meant);
        let mut out = std::ptr::null_mut();
        let json = c"{\"flow\": {\"bloks\": 3}}".as_ptr();
        refused(
            laser_options_from_json(json, &mut out),
            LASER_ERR_UNKNOWN_OPTION,
            meant,
        );

        let (blocks, rate, dtype) = (
            c"flow.blocks".as_ptr(),
            c"flow.lr".as_ptr(),
            c"dtype".as_ptr(),
        );
        let wrong = [
            laser_options_set_i64(options, blocks, 0),
            laser_options_set_i64(options, blocks, i64::MIN),
            laser_options_set_i64(options, dtype, 1),
            laser_options_set_f64(options, blocks, 2.0),
            laser_options_set_f64(options, rate, f64::NAN),
            laser_options_set_f64(options, rate, f64::INFINITY),
            laser_options_set_f64(options, rate, -1.0),
            laser_options_set_str(options, blocks, c"12".as_ptr()),
            laser_options_set_str(options, dtype, c"float16".as_ptr()),
            laser_options_get_i64(options, rate, &mut int),
            laser_options_get_f64(options, blocks, &mut float),
            laser_options_get_str(options, blocks, std::ptr::null_mut(), 0, &mut needed),
        ];
        assert_eq!(wrong, [LASER_ERR_INVALID_ARGUMENT; 12]);

        assert_eq!((int, float, needed), (7, 7.0, 7));
        assert!(out.is_null());
        assert_eq!(
            text_of(|b, c, n| laser_options_to_json(options, b, c, n)),
            before
        );
        laser_options_free(options);
    }
}
