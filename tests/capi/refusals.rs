//! Every pointer that must not be NULL, in every function; sizes; constants. Outputs stay as they were.

use crate::models::small_model;
use crate::{made, ok, refused};
use laser::capi::boundary::laser_last_error;
use laser::capi::evaluate::*;
use laser::capi::generator::*;
use laser::capi::hooks::*;
use laser::capi::host::*;
use laser::capi::library::*;
use laser::capi::metrics::*;
use laser::capi::model::*;
use laser::capi::options::*;
use laser::capi::resample::*;
use laser::capi::reweighter::*;
use laser::capi::sampler::*;
use laser::capi::source::*;
use laser::capi::status::*;
use laser::capi::support::*;
use laser::capi::unfold::*;
use std::ffi::{c_char, c_void, CStr, CString};
use std::ptr::{dangling_mut, null, null_mut};

/// `call` is refused because `argument` is NULL.
#[track_caller]
pub(crate) fn null_is_refused(status: i32, argument: &str) {
    refused(
        status,
        LASER_ERR_NULL,
        &format!("argument `{argument}` is NULL"),
    );
}

#[track_caller]
pub(crate) fn invalid(status: i32, words: &str) {
    refused(status, LASER_ERR_INVALID_ARGUMENT, words);
}

pub(crate) unsafe extern "C" fn no_events(
    _: usize,
    _: usize,
    _: *mut f64,
    _: *mut f64,
    _: *mut usize,
    _: *mut c_void,
) -> i32 {
    0
}

unsafe extern "C" fn no_tell(_: *mut u64, _: *mut c_void) -> i32 {
    0
}

unsafe extern "C" fn no_seek(_: u64, _: *mut c_void) -> i32 {
    0
}

const NOT_UTF8: &CStr = c"flow.bl\xffcks";

#[test]
fn library() {
    let mut buf = [7 as c_char; 4];
    let mut needed = 7;
    // SAFETY: see main.rs.
    unsafe {
        null_is_refused(laser_device_check(null()), "device");
        assert_eq!(laser_last_error(null_mut(), 4, &mut needed), LASER_ERR_NULL);
        assert_eq!(needed, 7);
        assert_eq!(laser_last_error(buf.as_mut_ptr(), 0, null_mut()), LASER_OK);
        assert_eq!(buf, [7; 4]);
    }
}

#[test]
fn options() {
    let key = c"flow.blocks".as_ptr();
    let none = null_mut::<laser_options>();
    let mut out = dangling_mut();
    let (mut int, mut float, mut needed) = (7i64, 7.0f64, 7usize);
    let mut buf = [7 as c_char; 64];
    // SAFETY: see main.rs.
    unsafe {
        let options = made(|out| laser_options_new(null(), out));
        null_is_refused(laser_options_new(null(), null_mut()), "out");
        null_is_refused(laser_options_from_json(null(), &mut out), "json");
        null_is_refused(laser_options_from_json(c"{}".as_ptr(), null_mut()), "out");
        null_is_refused(laser_options_set_i64(none, key, 1), "options");
        null_is_refused(laser_options_set_i64(options, null(), 1), "key");
        null_is_refused(laser_options_set_f64(none, key, 1.0), "options");
        null_is_refused(laser_options_set_f64(options, null(), 1.0), "key");
        null_is_refused(laser_options_set_str(none, key, key), "options");
        null_is_refused(laser_options_set_str(options, null(), key), "key");
        null_is_refused(
            laser_options_set_str(options, c"dtype".as_ptr(), null()),
            "value",
        );
        null_is_refused(laser_options_get_i64(none, key, &mut int), "options");
        null_is_refused(laser_options_get_i64(options, null(), &mut int), "key");
        null_is_refused(laser_options_get_i64(options, key, null_mut()), "value");
        null_is_refused(laser_options_get_f64(none, key, &mut float), "options");
        null_is_refused(laser_options_get_f64(options, null(), &mut float), "key");
        null_is_refused(laser_options_get_f64(options, key, null_mut()), "value");
        let (b, n) = (buf.as_mut_ptr(), &mut needed as *mut usize);
        null_is_refused(laser_options_get_str(none, key, b, 64, n), "options");
        null_is_refused(laser_options_get_str(options, null(), b, 64, n), "key");
        null_is_refused(
            laser_options_get_str(options, c"dtype".as_ptr(), null_mut(), 64, n),
            "buf",
        );
        null_is_refused(
            laser_options_get_str(options, c"dtype".as_ptr(), null_mut(), 0, null_mut()),
            "needed",
        );
        null_is_refused(laser_options_to_json(none, b, 64, n), "options");
        null_is_refused(laser_options_to_json(options, null_mut(), 64, n), "buf");
        laser_options_free(null_mut());

        invalid(laser_options_new(c"paperr".as_ptr(), &mut out), "paper");
        invalid(
            laser_options_new(NOT_UTF8.as_ptr(), &mut out),
            "`preset` is not UTF-8 from byte 7 on",
        );
        invalid(
            laser_options_from_json(NOT_UTF8.as_ptr(), &mut out),
            "`json` is not UTF-8",
        );
        invalid(laser_options_from_json(c"{".as_ptr(), &mut out), "");
        invalid(
            laser_options_set_i64(options, NOT_UTF8.as_ptr(), 1),
            "`key` is not UTF-8",
        );
        invalid(
            laser_options_set_str(options, c"device".as_ptr(), NOT_UTF8.as_ptr()),
            "`value` is not UTF-8",
        );
        laser_options_free(options);
    }
    assert_eq!((out, int, float, needed), (dangling_mut(), 7, 7.0, 7));
    assert_eq!(buf, [7; 64]);
}

#[test]
fn hooks() {
    let mut cancel = dangling_mut();
    // SAFETY: see main.rs.
    unsafe {
        null_is_refused(laser_cancel_new(null_mut()), "out");
        laser_cancel_trip(null());
        null_is_refused(laser_cancel_reset(null()), "cancel");
        assert_eq!(laser_cancel_is_tripped(null()), 0);
        laser_cancel_free(null_mut());
        null_is_refused(laser_hooks_new(null_mut()), "out");
        null_is_refused(
            laser_hooks_set_progress(null_mut(), None, null_mut()),
            "hooks",
        );
        null_is_refused(laser_hooks_set_log(null_mut(), None, null_mut()), "hooks");
        null_is_refused(laser_hooks_set_cancel(null_mut(), null()), "hooks");
        null_is_refused(
            laser_hooks_set_checkpoint(null_mut(), null(), 60.0, 0),
            "hooks",
        );
        null_is_refused(
            laser_hooks_set_allreduce(null_mut(), 0, 1, None, null_mut()),
            "hooks",
        );
        laser_hooks_free(null_mut());

        assert_eq!(CStr::from_ptr(laser_progress_stage(null())), c"");
        assert_eq!(laser_progress_epoch(null()), 0);
        assert_eq!(laser_progress_epochs(null()), 0);
        assert_eq!(laser_progress_step(null()), 0);
        assert_eq!(laser_progress_steps(null()), 0);
        assert!(laser_progress_loss(null()).is_nan());
        assert!(laser_progress_validation_loss(null()).is_nan());
        assert!(laser_progress_seconds_left(null()).is_nan());
        ok(laser_cancel_new(&mut cancel));
        laser_cancel_free(cancel);
    }
}

#[test]
fn sources() {
    let x = [0.0, 1.0, 2.0, f64::NAN];
    let (p, none) = (x.as_ptr(), null());
    let mut out = dangling_mut();
    // SAFETY: see main.rs.
    unsafe {
        let o = &mut out as *mut *mut laser_source;
        null_is_refused(laser_source_from_array(none, none, 1, 2, 2, o), "x");
        null_is_refused(laser_source_from_array(p, none, 1, 2, 2, null_mut()), "out");
        invalid(laser_source_from_array(p, none, 0, 2, 2, o), "0 rows");
        invalid(laser_source_from_array(p, none, 1, 0, 0, o), "");
        invalid(
            laser_source_from_array(p, none, 1, 2, 1, o),
            "`stride` is 1, less than the 2 columns",
        );
        invalid(
            laser_source_from_array(p, none, usize::MAX, 2, 2, o),
            "do not fit",
        );
        invalid(
            laser_source_from_array(p, none, usize::MAX / 16, 2, 2, o),
            "address space",
        );
        invalid(
            laser_source_from_array(p, none, 1, usize::MAX, 0, o),
            "address space",
        );
        let (odd, three) = (p.wrapping_byte_add(1), &x[..3]);
        invalid(
            laser_source_from_array(odd, none, 1, 2, 0, o),
            "`x` is not aligned",
        );
        invalid(
            laser_source_from_array(p, odd, 1, 2, 0, o),
            "`w` is not aligned",
        );
        refused(
            laser_source_from_array(p, none, 2, 2, 0, o),
            LASER_ERR_DATA,
            "row 1",
        );
        refused(
            laser_source_from_array(three.as_ptr(), x[3..].as_ptr(), 1, 2, 0, o),
            LASER_ERR_DATA,
            "row 0",
        );
        assert_eq!(out, dangling_mut());

        null_is_refused(
            laser_source_from_callback(2, 0, None, null_mut(), o),
            "events",
        );
        null_is_refused(
            laser_source_from_callback(2, 0, Some(no_events), null_mut(), null_mut()),
            "out",
        );
        invalid(
            laser_source_from_callback(0, 0, Some(no_events), null_mut(), o),
            "",
        );
        invalid(
            laser_source_from_callback(2, 2, Some(no_events), null_mut(), o),
            "`weighted` is 2",
        );
        invalid(
            laser_source_from_callback(2, -1, Some(no_events), null_mut(), o),
            "`weighted` is -1",
        );
        let stream = made(|out| laser_source_from_callback(2, 0, Some(no_events), null_mut(), out));
        let (tell, seek) = (Some(no_tell as _), Some(no_seek as _));
        null_is_refused(
            laser_source_set_position(null_mut(), tell, seek, null_mut()),
            "source",
        );
        for (tell, seek) in [(tell, None), (None, seek)] {
            invalid(
                laser_source_set_position(stream, tell, seek, null_mut()),
                "one of them is NULL",
            );
        }
        ok(laser_source_set_position(stream, tell, seek, null_mut()));
        ok(laser_source_set_position(stream, None, None, null_mut()));
        laser_source_free(stream);
        let array = made(|out| laser_source_from_array(p, none, 1, 2, 0, out));
        invalid(
            laser_source_set_position(array, tell, seek, null_mut()),
            "the source is no callback",
        );
        laser_source_free(array);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mut bytes = b"LASERF64".to_vec();
        bytes.extend([3u64, 2].map(u64::to_le_bytes).as_flattened());
        bytes.extend((0..6).flat_map(|i| f64::from(i).to_le_bytes()));
        std::fs::write(&path, &bytes).unwrap();
        let file = CString::new(path.to_str().unwrap()).unwrap();
        let file = file.as_ptr();
        null_is_refused(laser_source_from_file(null(), null(), o), "path");
        null_is_refused(laser_source_from_file(file, null(), null_mut()), "out");
        refused(
            laser_source_from_file(c"none".as_ptr(), null(), o),
            LASER_ERR_IO,
            "none: ",
        );
        let weighted = made(|out| laser_options_new(null(), out));
        ok(laser_options_set_str(
            weighted,
            c"source.weight".as_ptr(),
            c"3".as_ptr(),
        ));
        invalid(
            laser_source_from_file(file, weighted, o),
            "no column is called `3`; its 3 columns have no names and count from 0",
        );
        laser_options_free(weighted);
        assert_eq!(out, dangling_mut());
        let source = made(|out| laser_source_from_file(file, null(), out));
        let mut dim = 0;
        ok(laser_source_event_dim(source, &mut dim));
        assert_eq!(dim, 3);
        null_is_refused(laser_source_event_dim(null(), &mut dim), "source");
        null_is_refused(laser_source_event_dim(source, null_mut()), "out");
        laser_source_free(source);
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        refused(
            laser_source_from_file(file, null(), o),
            LASER_ERR_DATA,
            "2 rows of 3 doubles do not fit its 47 bytes",
        );

        laser_source_free(null_mut());
        laser_source_free(made(|out| laser_source_from_array(p, none, 1, 2, 0, out)));
    }
}

#[test]
fn generators() {
    let model = small_model();
    let path = model.path();
    let mut out = dangling_mut();
    let mut dim = 7;
    // SAFETY: see main.rs.
    unsafe {
        let o = &mut out as *mut *mut laser_generator;
        let generator = made(|out| laser_generator_load(path.as_ptr(), null(), out));
        let source = made(|out| laser_source_from_callback(2, 0, Some(no_events), null_mut(), out));
        null_is_refused(
            laser_generator_train(null_mut(), null(), null(), o),
            "target",
        );
        null_is_refused(
            laser_generator_train(source, null(), null(), null_mut()),
            "out",
        );
        null_is_refused(laser_generator_save(null(), path.as_ptr()), "generator");
        null_is_refused(laser_generator_save(generator, null()), "path");
        null_is_refused(laser_generator_load(null(), null(), o), "path");
        null_is_refused(
            laser_generator_load(path.as_ptr(), null(), null_mut()),
            "out",
        );
        null_is_refused(laser_generator_event_dim(null(), &mut dim), "generator");
        null_is_refused(laser_generator_event_dim(generator, null_mut()), "out");
        null_is_refused(laser_generator_latent_dim(null(), &mut dim), "generator");
        null_is_refused(laser_generator_latent_dim(generator, null_mut()), "out");
        null_is_refused(laser_generator_condition_dim(null(), &mut dim), "generator");
        null_is_refused(laser_generator_condition_dim(generator, null_mut()), "out");
        null_is_refused(
            laser_generator_from_callback(2, 0, 2, 0, None, null_mut(), null(), o),
            "generate",
        );
        invalid(
            laser_generator_load(NOT_UTF8.as_ptr(), null(), o),
            "`path` is not UTF-8",
        );
        invalid(
            laser_generator_save(generator, NOT_UTF8.as_ptr()),
            "`path` is not UTF-8",
        );
        laser_generator_free(null_mut());
        laser_generator_free(generator);
        laser_source_free(source);
    }
    assert_eq!((out, dim), (dangling_mut(), 7));
}

#[test]
fn unfolding() {
    let x: Vec<f64> = (0..4000).map(|i| (1.7 * f64::from(i)).sin()).collect();
    let mut w = [7.0; 4];
    let mut out = dangling_mut();
    // SAFETY: see main.rs.
    unsafe {
        let source = made(|out| laser_source_from_array(x.as_ptr(), null(), 4, 2, 0, out));
        let callback =
            made(|out| laser_source_from_callback(2, 0, Some(no_events), null_mut(), out));
        let o = &mut out as *mut *mut laser_reweighter;
        let of = |t, x, data, flags, n, w, out| {
            laser_unfold(t, x, data, flags, n, null(), null(), w, out)
        };
        let pw = w.as_mut_ptr();
        null_is_refused(of(null(), source, source, null(), 4, pw, o), "generated");
        null_is_refused(
            of(source, null(), source, null(), 4, pw, o),
            "reconstructed",
        );
        null_is_refused(of(source, source, null(), null(), 4, pw, o), "data");
        null_is_refused(of(source, source, source, null(), 4, pw, null_mut()), "out");
        invalid(
            of(source, source, source, null(), 3, pw, o),
            "argument `n` is 3",
        );
        invalid(
            of(source, source, source, null(), 0, pw, o),
            "argument `n` is 0",
        );
        invalid(
            of(source, source, source, [0; 4].as_ptr(), 4, pw, o),
            "row 0",
        );
        invalid(of(source, source, source, null(), usize::MAX, pw, o), "");
        refused(
            of(source, source, callback, null(), 4, pw, o),
            LASER_ERR_UNSUPPORTED,
            "`data` is a callback",
        );
        laser_source_free(source);
        laser_source_free(callback);
    }
    assert_eq!((out, w), (dangling_mut(), [7.0; 4]));
}

#[test]
fn reweighters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reweighter.laser");
    let path = CString::new(path.to_str().unwrap()).unwrap();
    let model = small_model();
    let x: Vec<f64> = (0..4000).map(|i| (1.7 * f64::from(i)).sin()).collect();
    let mut w = [7.0; 8];
    let (mut dim, mut number, mut needed, mut out) = (7, 7.0, 7, dangling_mut());
    // SAFETY: see main.rs.
    unsafe {
        let json = c"{\"classifier\": {\"layers\": 1, \"units\": 4, \"epochs\": 1, \"steps\": 2, \"batch\": 10}}";
        let options = made(|out| laser_options_from_json(json.as_ptr(), out));
        let array = |out| laser_source_from_array(x.as_ptr(), null(), 2000, 2, 0, out);
        let (from, to) = (made(array), made(array));
        let o = &mut out as *mut *mut laser_reweighter;
        let train = |from, to, out| laser_reweighter_train(from, to, options, null(), out);
        null_is_refused(train(null_mut(), to, o), "from");
        null_is_refused(train(from, null_mut(), o), "to");
        null_is_refused(train(from, to, null_mut()), "out");
        let r = made(|out| train(from, to, out));
        null_is_refused(laser_reweighter_save(null(), path.as_ptr()), "reweighter");
        null_is_refused(laser_reweighter_save(r, null()), "path");
        null_is_refused(laser_reweighter_load(null(), null(), o), "path");
        null_is_refused(
            laser_reweighter_load(path.as_ptr(), null(), null_mut()),
            "out",
        );
        invalid(
            laser_reweighter_load(NOT_UTF8.as_ptr(), null(), o),
            "`path` is not UTF-8",
        );
        refused(
            laser_reweighter_load(model.path().as_ptr(), null(), o),
            LASER_ERR_UNSUPPORTED,
            "no reweighter",
        );
        null_is_refused(laser_reweighter_event_dim(null(), &mut dim), "reweighter");
        null_is_refused(laser_reweighter_event_dim(r, null_mut()), "out");
        null_is_refused(
            laser_reweighter_condition_dim(null(), &mut dim),
            "reweighter",
        );
        null_is_refused(laser_reweighter_condition_dim(r, null_mut()), "out");
        let no = null_mut();
        null_is_refused(
            laser_reweighter_feature_name(null(), 0, no, 0, &mut needed),
            "reweighter",
        );
        null_is_refused(
            laser_reweighter_feature_name(r, 0, no, 7, &mut needed),
            "buf",
        );
        invalid(
            laser_reweighter_feature_name(r, 2, no, 0, &mut needed),
            "events have 2 values",
        );
        null_is_refused(
            laser_reweighter_info(null(), no, 0, &mut needed),
            "reweighter",
        );
        null_is_refused(laser_reweighter_info(r, no, 7, &mut needed), "buf");
        let key = c"weights.mean".as_ptr();
        null_is_refused(
            laser_reweighter_get_f64(null(), key, &mut number),
            "reweighter",
        );
        null_is_refused(laser_reweighter_get_f64(r, null(), &mut number), "key");
        null_is_refused(laser_reweighter_get_f64(r, key, null_mut()), "out");
        invalid(
            laser_reweighter_get_f64(r, c"weights.meen".as_ptr(), &mut number),
            "`mean`",
        );
        let (pw, px, none) = (w.as_mut_ptr(), x.as_ptr(), null_mut());
        let weights = |r, n, x, stride, w, log_w| {
            laser_reweighter_weights(r, null(), n, x, stride, w, log_w, none)
        };
        null_is_refused(weights(null(), 2, px, 0, pw, none), "reweighter");
        null_is_refused(weights(r, 2, null(), 0, pw, none), "x");
        null_is_refused(weights(r, 2, px, 0, none, none), "w");
        invalid(weights(r, 2, px, 1, pw, none), "`stride` is 1");
        invalid(weights(r, 2, px, 2, pw, pw.add(1)), "overlap");
        invalid(weights(r, usize::MAX, px, 2, pw, none), "`x`");
        let resample = |events, n, w, out| laser_resample(events, options, null(), n, w, out);
        null_is_refused(resample(null(), 2000, pw, o), "events");
        null_is_refused(resample(from, 2000, none, null_mut()), "w");
        invalid(resample(from, 8, pw, o), "no weights");
        invalid(resample(from, usize::MAX, pw, o), "`w`");
        laser_reweighter_free(null_mut());
        laser_reweighter_free(r);
        laser_source_free(from);
        laser_source_free(to);
        laser_options_free(options);
    }
    assert_eq!((out, dim, number, needed), (dangling_mut(), 7, 7.0, 7));
    assert_eq!(w, [7.0; 8]);
}

#[test]
fn models() {
    let file = small_model();
    let path = file.path();
    let mut x = [0.5; 8];
    let mut z = [7.0; 8];
    let mut out = dangling_mut();
    let (mut dim, mut number, mut needed) = (7, 7.0, 7);
    // SAFETY: see main.rs.
    unsafe {
        let o = &mut out as *mut *mut laser_model;
        let model = made(|out| laser_model_load(path.as_ptr(), null(), out));
        let generator = made(|out| laser_generator_load(path.as_ptr(), null(), out));
        let source = made(|out| laser_source_from_callback(2, 0, Some(no_events), null_mut(), out));
        null_is_refused(laser_refine(null(), source, null(), null(), o), "generator");
        null_is_refused(
            laser_refine(generator, null_mut(), null(), null(), o),
            "target",
        );
        null_is_refused(
            laser_refine(generator, source, null(), null(), null_mut()),
            "out",
        );
        null_is_refused(laser_model_from_generator(null(), o), "generator");
        null_is_refused(laser_model_from_generator(generator, null_mut()), "out");
        null_is_refused(laser_model_save(null(), path.as_ptr()), "model");
        null_is_refused(laser_model_save(model, null()), "path");
        null_is_refused(laser_model_load(null(), null(), o), "path");
        null_is_refused(laser_model_load(path.as_ptr(), null(), null_mut()), "out");
        null_is_refused(laser_model_event_dim(null(), &mut dim), "model");
        null_is_refused(laser_model_event_dim(model, null_mut()), "out");
        null_is_refused(laser_model_latent_dim(null(), &mut dim), "model");
        null_is_refused(laser_model_latent_dim(model, null_mut()), "out");
        null_is_refused(laser_model_condition_dim(null(), &mut dim), "model");
        null_is_refused(laser_model_condition_dim(model, null_mut()), "out");
        null_is_refused(
            laser_model_refine(null(), null_mut(), null(), null(), o),
            "model",
        );
        null_is_refused(
            laser_model_refine(model, null_mut(), null(), null(), null_mut()),
            "out",
        );
        null_is_refused(
            laser_model_attach(null(), 2, 0, 2, None, null_mut(), o),
            "model",
        );
        null_is_refused(
            laser_model_attach(model, 2, 0, 2, None, null_mut(), o),
            "generate",
        );
        null_is_refused(
            laser_model_attach_support(null(), 2, None, null_mut(), o),
            "model",
        );
        null_is_refused(
            laser_model_attach_support(model, 2, None, null_mut(), o),
            "support",
        );
        null_is_refused(
            laser_model_attach_support(model, 2, None, null_mut(), null_mut()),
            "out",
        );
        let mut other = dangling_mut();
        let with =
            |generator, out| laser_generator_with_support(generator, 2, None, null_mut(), out);
        null_is_refused(with(null(), &mut other), "generator");
        null_is_refused(with(generator, &mut other), "support");
        null_is_refused(with(generator, null_mut()), "out");
        assert_eq!(other, dangling_mut());
        null_is_refused(
            laser_model_feature_name(null(), 0, null_mut(), 0, &mut needed),
            "model",
        );
        null_is_refused(
            laser_model_feature_name(model, 0, null_mut(), 7, &mut needed),
            "buf",
        );
        null_is_refused(
            laser_model_method(null(), null_mut(), 0, &mut needed),
            "model",
        );
        null_is_refused(
            laser_model_info(null(), null_mut(), 0, &mut needed),
            "model",
        );
        null_is_refused(laser_model_info(model, null_mut(), 7, &mut needed), "buf");
        null_is_refused(laser_model_info(model, null_mut(), 0, null_mut()), "needed");
        null_is_refused(
            laser_model_get_f64(null(), c"events".as_ptr(), &mut number),
            "model",
        );
        null_is_refused(laser_model_get_f64(model, null(), &mut number), "key");
        null_is_refused(
            laser_model_get_f64(model, c"events".as_ptr(), null_mut()),
            "out",
        );
        invalid(
            laser_model_get_f64(model, c"weights.meen".as_ptr(), &mut number),
            "`mean`",
        );
        invalid(
            laser_model_load(NOT_UTF8.as_ptr(), null(), o),
            "`path` is not UTF-8",
        );

        let (px, pz, zero) = (x.as_ptr(), z.as_mut_ptr(), null());
        null_is_refused(
            laser_model_log_weight(null(), null(), 2, px, 2, pz),
            "model",
        );
        null_is_refused(laser_model_log_weight(model, null(), 2, zero, 2, pz), "x");
        null_is_refused(
            laser_model_log_weight(model, null(), 2, px, 2, null_mut()),
            "log_w",
        );
        null_is_refused(laser_model_log_prob(null(), null(), 2, px, 2, pz), "model");
        null_is_refused(laser_model_log_prob(model, null(), 2, zero, 2, pz), "x");
        null_is_refused(
            laser_model_log_prob(model, null(), 2, px, 2, null_mut()),
            "log_p",
        );
        null_is_refused(laser_model_latent(null(), null(), 2, px, 2, pz, 2), "model");
        null_is_refused(laser_model_latent(model, null(), 2, zero, 2, pz, 2), "x");
        null_is_refused(
            laser_model_latent(model, null(), 2, px, 2, null_mut(), 2),
            "z",
        );
        invalid(
            laser_model_log_weight(model, null(), 2, px, 1, pz),
            "`stride` is 1",
        );
        invalid(
            laser_model_log_prob(model, null(), usize::MAX, px, 2, pz),
            "do not fit",
        );
        invalid(
            laser_model_log_prob(model, null(), usize::MAX / 8, px, 1 << 32, pz),
            "do not fit",
        );
        invalid(
            laser_model_latent(model, null(), 2, px, 1, pz, 2),
            "`x_stride` is 1",
        );
        invalid(
            laser_model_latent(model, null(), 2, px, 2, pz, 1),
            "`z_stride` is 1",
        );
        let inside = x.as_mut_ptr();
        invalid(
            laser_model_log_prob(model, null(), 2, inside, 2, inside.add(3)),
            "overlap",
        );
        invalid(
            laser_model_latent(model, null(), 2, inside, 4, inside.add(2), 4),
            "overlap",
        );
        ok(laser_model_log_prob(model, null(), 0, zero, 0, null_mut()));
        ok(laser_model_latent(model, null(), 0, zero, 0, null_mut(), 0));
        null_is_refused(
            laser_model_generate(null(), null(), 2, px, 2, pz, 2),
            "model",
        );
        null_is_refused(laser_model_generate(model, null(), 2, zero, 2, pz, 2), "z");
        null_is_refused(
            laser_model_generate(model, null(), 2, px, 2, null_mut(), 2),
            "x",
        );
        invalid(
            laser_model_generate(model, null(), 2, px, 1, pz, 2),
            "`z_stride` is 1",
        );
        invalid(
            laser_model_generate(model, null(), 2, px, 2, pz, 1),
            "`x_stride` is 1",
        );
        ok(laser_model_generate(
            model,
            null(),
            0,
            zero,
            0,
            null_mut(),
            0,
        ));
        laser_model_free(null_mut());
        laser_model_free(model);
        laser_generator_free(generator);
        laser_source_free(source);
    }
    assert_eq!((out, dim, number, needed), (dangling_mut(), 7, 7.0, 7));
    assert_eq!((x, z), ([0.5; 8], [7.0; 8]));
}

/// The rest about samplers needs one: see `samplers.rs`.
#[test]
fn samplers() {
    let file = small_model();
    let mut out = dangling_mut();
    let (mut x, mut f, mut event) = ([7.0; 2], [7.0f32; 2], 7u64);
    let none = null_mut::<laser_sampler>();
    // SAFETY: see main.rs.
    unsafe {
        let model = made(|out| laser_model_load(file.path().as_ptr(), null(), out));
        let (px, pf, no, nof) = (x.as_mut_ptr(), f.as_mut_ptr(), null_mut(), null_mut());
        null_is_refused(laser_sampler_new(null(), 1, 0, null(), &mut out), "model");
        null_is_refused(laser_sampler_new(model, 1, 0, null(), null_mut()), "out");
        null_is_refused(laser_sampler_seek(none, 0), "sampler");
        null_is_refused(
            laser_sampler_set_noise_callback(none, None, null_mut()),
            "sampler",
        );
        null_is_refused(laser_sampler_set_hooks(none, null()), "sampler");
        null_is_refused(laser_sampler_tell(none, &mut event), "sampler");
        null_is_refused(laser_sampler_generate(none, 1, 0, px, no, no), "sampler");
        null_is_refused(
            laser_sampler_generate_f32(none, 1, 0, pf, nof, nof),
            "sampler",
        );
        null_is_refused(
            laser_sampler_generate_given(none, 1, 0, px, 0, px, no, no),
            "sampler",
        );
        null_is_refused(
            laser_sampler_generate_given_f32(none, 1, 0, pf, 0, pf, nof, nof),
            "sampler",
        );
        null_is_refused(
            laser_sampler_generate_latent(none, 1, 0, px, 0, px, no),
            "sampler",
        );
        null_is_refused(laser_sampler_next(none, px, no), "sampler");
        null_is_refused(
            laser_sampler_get_f64(none, c"events".as_ptr(), px),
            "sampler",
        );
        laser_sampler_free(null_mut());
        laser_model_free(model);
    }
    assert_eq!((out, x, f, event), (dangling_mut(), [7.0; 2], [7.0; 2], 7));
}

#[test]
fn histograms_and_scores() {
    let x = [0.1, 0.2, 0.3, f64::NAN];
    let mut out = dangling_mut();
    let mut bins = [7.0; 6];
    let (mut a, mut b) = (7.0, 7.0);
    let none = null_mut::<laser_histogram>();
    // SAFETY: see main.rs.
    unsafe {
        let h = made(|out| laser_histogram_new(2, 0.0, 1.0, 3, 0.0, 1.0, out));
        let other = made(|out| laser_histogram_new(3, 0.0, 1.0, 2, 0.0, 1.0, out));
        null_is_refused(
            laser_histogram_new(2, 0.0, 1.0, 3, 0.0, 1.0, null_mut()),
            "out",
        );
        let o = &mut out as *mut *mut laser_histogram;
        invalid(laser_histogram_new(0, 0.0, 1.0, 3, 0.0, 1.0, o), "nx is 0");
        invalid(laser_histogram_new(2, 0.0, 1.0, 0, 0.0, 1.0, o), "ny is 0");
        invalid(laser_histogram_new(2, 1.0, 1.0, 3, 0.0, 1.0, o), "x range");
        invalid(
            laser_histogram_new(2, 0.0, 1.0, 3, 0.0, f64::NAN, o),
            "y range",
        );
        invalid(
            laser_histogram_new(2, 0.0, f64::INFINITY, 3, 0.0, 1.0, o),
            "x range",
        );
        refused(
            laser_histogram_new(1 << 40, 0.0, 1.0, 1 << 40, 0.0, 1.0, o),
            LASER_ERR_MEMORY,
            "the bins of a histogram",
        );
        assert_eq!(out, dangling_mut());

        let p = x.as_ptr();
        null_is_refused(laser_histogram_fill(none, 1, p, 2, null()), "histogram");
        null_is_refused(laser_histogram_fill(h, 1, null(), 2, null()), "x");
        invalid(laser_histogram_fill(h, 1, p, 1, null()), "`stride` is 1");
        invalid(
            laser_histogram_fill(h, usize::MAX, p, 2, null()),
            "do not fit",
        );
        refused(
            laser_histogram_fill(h, 2, p, 0, null()),
            LASER_ERR_DATA,
            "row 1, column 1",
        );
        refused(
            laser_histogram_fill(h, 1, p, 0, p.add(3)),
            LASER_ERR_DATA,
            "weight of row 0",
        );
        ok(laser_histogram_fill(h, 0, null(), 0, null()));
        null_is_refused(
            laser_histogram_contents(none, bins.as_mut_ptr(), 6),
            "histogram",
        );
        null_is_refused(laser_histogram_contents(h, null_mut(), 6), "out");
        invalid(
            laser_histogram_contents(h, bins.as_mut_ptr(), 5),
            "has 6 bins",
        );
        null_is_refused(laser_histogram_total(none, &mut a, &mut b), "histogram");
        null_is_refused(laser_histogram_total(h, null_mut(), &mut b), "inside");
        null_is_refused(laser_histogram_total(h, &mut a, null_mut()), "outside");
        null_is_refused(laser_histogram_merge(none, h), "into");
        null_is_refused(laser_histogram_merge(h, none), "from");
        invalid(laser_histogram_merge(h, h), "same histogram");
        invalid(laser_histogram_merge(h, other), "differ in binning");
        laser_histogram_free(null_mut());

        null_is_refused(laser_jsd(none, h, &mut a, &mut b), "p");
        null_is_refused(laser_jsd(h, none, &mut a, &mut b), "q");
        null_is_refused(laser_jsd(h, h, null_mut(), &mut b), "nats");
        null_is_refused(laser_emd(none, h, &mut a, &mut b), "p");
        null_is_refused(laser_emd(h, none, &mut a, &mut b), "q");
        null_is_refused(laser_emd(h, h, null_mut(), &mut b), "units");
        invalid(laser_jsd(h, other, &mut a, &mut b), "differ in binning");
        refused(laser_jsd(h, h, &mut a, &mut b), LASER_ERR_DATA, "empty");
        refused(laser_emd(h, h, &mut a, &mut b), LASER_ERR_DATA, "empty");
        assert_eq!((a, b, bins), (7.0, 7.0, [7.0; 6]));

        // Nothing of what failed was filled.
        ok(laser_histogram_contents(h, bins.as_mut_ptr(), 6));
        assert_eq!(bins, [0.0; 6]);
        laser_histogram_free(h);
        laser_histogram_free(other);
    }
}
