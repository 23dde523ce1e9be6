//! Supports that are callbacks, and what values are called.

use crate::{made, ok, refused, text_of};
use laser::capi::boundary::laser_last_callback_code;
use laser::capi::evaluate::*;
use laser::capi::generator::*;
use laser::capi::host::*;
use laser::capi::model::*;
use laser::capi::options::*;
use laser::capi::sampler::*;
use laser::capi::source::*;
use laser::capi::status::*;
use laser::capi::support::*;
use std::ffi::{c_char, c_void, CString};
use std::ptr::{null, null_mut};

/// What the callback does besides; handed to it as `user`.
#[derive(Default)]
struct Host {
    calls: usize,
    code: i32,
    /// What it marks the first row with, in place of 1 or 0.
    mark: Option<i32>,
    /// Leaves the last row unmarked.
    lazy: bool,
    again: Option<*mut laser_sampler>,
    status: i32,
}

/// x0 > |x1| and, with a condition, x0 > c.
unsafe extern "C" fn wedge(
    n: usize,
    dim: usize,
    x: *const f64,
    inside: *mut i32,
    user: *mut c_void,
) -> i32 {
    assert!(n > 0 && (dim == 2 || dim == 3));
    // SAFETY: the arrays are those of the contract; `user` is NULL or a `Host` that nothing else refers to meanwhile.
    unsafe {
        let rows = std::slice::from_raw_parts(x, n * dim);
        assert!(rows.iter().all(|v| v.is_finite()));
        let mut host = user.cast::<Host>().as_mut();
        let lazy = host.as_ref().is_some_and(|host| host.lazy);
        for (i, x) in rows.chunks(dim).enumerate().take(n - usize::from(lazy)) {
            let above = x.get(2).is_none_or(|c| x[0] > *c);
            *inside.add(i) = i32::from(x[0] > x[1].abs() && above);
        }
        let Some(host) = &mut host else {
            return 0;
        };
        host.calls += 1;
        if let Some(mark) = host.mark {
            *inside = mark;
        }
        if let Some(sampler) = host.again {
            let mut x = [0.0; 2];
            host.status = laser_sampler_next(sampler, x.as_mut_ptr(), null_mut());
        }
        host.code
    }
}

/// x = z; a failed event now and then.
unsafe extern "C" fn identity(
    n: usize,
    z: *const f64,
    _: usize,
    _: *const f64,
    _: usize,
    x: *mut f64,
    _: usize,
    _: *mut c_void,
) -> i32 {
    // SAFETY: the arrays are those of the contract.
    unsafe {
        for i in 0..2 * n {
            let z = *z.add(i);
            *x.add(i) = if z > 3.5 { f64::NAN } else { z };
        }
    }
    0
}

fn options(support: &str) -> *mut laser_options {
    let json = format!(
        r#"{{"support": "{support}", "validation.events": 200, "weights.events": 4000, "refiner.method": "rejection",
             "flow": {{"blocks": 2, "layers": 1, "units": 8, "epochs": 2, "steps": 5, "batch": 100}},
             "classifier": {{"layers": 1, "units": 8, "epochs": 2, "steps": 5, "batch": 100}}}}"#
    );
    let json = CString::new(json).unwrap();
    // SAFETY: see main.rs.
    unsafe { made(|out| laser_options_from_json(json.as_ptr(), out)) }
}

const WEDGE: &str = "x0 > abs(x1)";

/// Events of `dim` values in the wedge; conditions are below x0.
fn events(dim: usize) -> Vec<f64> {
    let at = |i: usize| {
        let (t, u) = (i as f64 * 0.618_034 % 1.0, i as f64 * 0.414_214 % 1.0);
        let x0 = 0.05 + 1.5 * t;
        [
            x0,
            (1.9 * u - 0.95) * x0,
            0.9 * x0 * (i as f64 * 0.732_051 % 1.0),
        ]
    };
    (0..4000).flat_map(|i| at(i)[..dim].to_vec()).collect()
}

fn array(x: &[f64], dim: usize) -> *mut laser_source {
    crate::scores::source(x, None, dim)
}

fn generator(conditions: usize) -> *mut laser_generator {
    let no = null_mut();
    // SAFETY: see main.rs.
    unsafe {
        made(|out| {
            laser_generator_from_callback(2, conditions, 2, 0, Some(identity), no, null(), out)
        })
    }
}

fn supported(conditions: usize, host: *mut Host) -> *mut laser_generator {
    let plain = generator(conditions);
    // SAFETY: see main.rs.
    unsafe {
        let dim = 2 + conditions;
        let made =
            made(|out| laser_generator_with_support(plain, dim, Some(wedge), host.cast(), out));
        laser_generator_free(plain);
        made
    }
}

fn sampler(model: *const laser_model) -> *mut laser_sampler {
    // SAFETY: see main.rs.
    unsafe { made(|out| laser_sampler_new(model, 3, 1, null(), out)) }
}

fn sample(model: *const laser_model) -> Vec<f64> {
    let mut x = vec![0.0; 2000];
    let sampler = sampler(model);
    // SAFETY: see main.rs.
    unsafe {
        let (rows, start) = (x.len() / 2, x.as_mut_ptr());
        ok(laser_sampler_generate(
            sampler,
            rows,
            0,
            start,
            null_mut(),
            null_mut(),
        ));
        laser_sampler_free(sampler);
    }
    x
}

fn info(model: *const laser_model) -> String {
    // SAFETY: see main.rs.
    text_of(|buf, cap, needed| unsafe { laser_model_info(model, buf, cap, needed) })
}

fn path(folder: &tempfile::TempDir, name: &str) -> CString {
    CString::new(folder.path().join(name).to_str().unwrap()).unwrap()
}

#[test]
fn a_callback_does_what_a_formula_does_and_is_attached_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "supported.laser");
    let x = events(2);
    let mut host = Host::default();
    let user = &raw mut host;
    // SAFETY: see main.rs.
    unsafe {
        let (none, formula) = (options(""), options(WEDGE));
        let (plain, generator) = (generator(0), supported(0, user));
        // Each refinement has a source of its own: a second one draws other batches.
        let (first, source) = (array(&x, 2), array(&x, 2));
        let expected = made(|out| laser_refine(plain, first, formula, null(), out));
        let model = made(|out| laser_refine(generator, source, none, null(), out));
        let events = sample(expected);
        assert!(events.chunks(2).all(|x| x[0] > x[1].abs()));
        assert!(sample(model) == events);
        assert!(info(model).contains("\"type\": \"host\""));

        // Both kinds at once are a contradiction.
        let mut out = null_mut();
        let status = laser_refine(generator, source, formula, null(), &mut out);
        refused(status, LASER_ERR_INVALID_ARGUMENT, "take one of them");
        // What is done no longer asks the callback: neither does the source.
        let calls = (*user).calls;
        let other = made(|out| laser_refine(plain, source, none, null(), out));
        assert_eq!((*user).calls, calls);
        laser_model_free(other);

        // Outside, the weight is 0.
        let (z, mut log_w) = ([1.0, 0.0, -1.0, 0.0, 0.0, 1.0], [7.0; 3]);
        ok(laser_model_log_weight(
            model,
            null(),
            3,
            z.as_ptr(),
            0,
            log_w.as_mut_ptr(),
        ));
        assert!(log_w[0].is_finite());
        assert_eq!(log_w[1..], [f64::NEG_INFINITY; 2]);

        // A file holds neither callback; they come in any order, and another refiner keeps them.
        ok(laser_model_save(model, file.as_ptr()));
        let loaded = made(|out| laser_model_load(file.as_ptr(), null(), out));
        let simulating =
            |model| made(|out| laser_model_attach(model, 2, 0, 2, Some(identity), null_mut(), out));
        let marking =
            |model| made(|out| laser_model_attach_support(model, 2, Some(wedge), user.cast(), out));
        let (half, other_half) = (simulating(loaded), marking(loaded));
        let lame = sampler(half);
        let mut y = [0.0; 2];
        let status = laser_sampler_next(lame, y.as_mut_ptr(), null_mut());
        refused(status, LASER_ERR_UNSUPPORTED, "laser_model_attach_support");
        laser_sampler_free(lame);
        let status = laser_model_log_weight(half, null(), 3, z.as_ptr(), 0, log_w.as_mut_ptr());
        refused(status, LASER_ERR_UNSUPPORTED, "attach it first");
        for whole in [marking(half), simulating(other_half)] {
            assert!(sample(whole) == events);
            let reweighted = options("");
            let (key, word) = (c"refiner.method".as_ptr(), c"reweight".as_ptr());
            ok(laser_options_set_str(reweighted, key, word));
            let again = made(|out| laser_model_refine(whole, null_mut(), reweighted, null(), out));
            let (mut x, mut w) = ([0.0; 2000], [0.0; 1000]);
            let stream = sampler(again);
            let no = null_mut();
            ok(laser_sampler_generate(
                stream,
                1000,
                0,
                x.as_mut_ptr(),
                w.as_mut_ptr(),
                no,
            ));
            assert!(x
                .chunks(2)
                .zip(w)
                .all(|(x, w)| (w > 0.0) == (x[0] > x[1].abs())));
            laser_sampler_free(stream);
            laser_options_free(reweighted);
            for model in [whole, again] {
                laser_model_free(model);
            }
        }

        let mut out = null_mut();
        let status = laser_model_attach_support(loaded, 3, Some(wedge), user.cast(), &mut out);
        let words = "`dim` is 3, but events have 2 values: 2 features and 0 conditions";
        refused(status, LASER_ERR_INVALID_ARGUMENT, words);
        let status = laser_model_attach_support(expected, 2, Some(wedge), user.cast(), &mut out);
        refused(status, LASER_ERR_INVALID_ARGUMENT, "support is no callback");
        assert!(out.is_null());
        for model in [expected, model, loaded, half, other_half] {
            laser_model_free(model);
        }
        for generator in [plain, generator] {
            laser_generator_free(generator);
        }
        for options in [none, formula] {
            laser_options_free(options);
        }
        for source in [first, source] {
            laser_source_free(source);
        }
    }
}

#[test]
fn a_generator_of_a_file_gets_its_callback_again_and_one_with_a_formula_another() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "flow.laser");
    let x = events(2);
    // SAFETY: see main.rs.
    unsafe {
        let (none, formula) = (options(""), options("x0 > -1"));
        let [source, first, second] = [0; 3].map(|_| array(&x, 2));
        let wide = made(|out| laser_generator_train(source, formula, null(), out));
        let attach = |generator| {
            made(|out| laser_generator_with_support(generator, 2, Some(wedge), null_mut(), out))
        };
        let generator = attach(wide);
        let model = made(|out| laser_refine(generator, first, none, null(), out));
        assert!(sample(model).chunks(2).all(|x| x[0] > x[1].abs()));
        ok(laser_generator_save(generator, file.as_ptr()));
        let loaded = made(|out| laser_generator_load(file.as_ptr(), null(), out));
        let mut out = null_mut();
        let status = laser_refine(loaded, source, none, null(), &mut out);
        refused(
            status,
            LASER_ERR_UNSUPPORTED,
            "laser_generator_with_support",
        );
        let mut none_made = null_mut();
        let status = laser_generator_with_support(wide, 1, Some(wedge), null_mut(), &mut none_made);
        refused(status, LASER_ERR_INVALID_ARGUMENT, "`dim` is 1");
        assert!(out.is_null() && none_made.is_null());
        let again = attach(loaded);
        let same = made(|out| laser_refine(again, second, none, null(), out));
        assert!(sample(same) == sample(model));
        for model in [model, same] {
            laser_model_free(model);
        }
        for generator in [wide, generator, loaded, again] {
            laser_generator_free(generator);
        }
        for options in [none, formula] {
            laser_options_free(options);
        }
        for source in [source, first, second] {
            laser_source_free(source);
        }
    }
}

#[test]
fn conditions_come_behind_the_features() {
    let x = events(3);
    let mut host = Host::default();
    let c = [0.25; 500];
    let mut made_of = vec![0.0; 1000];
    // SAFETY: see main.rs.
    unsafe {
        let (none, generator, source) = (options(""), supported(1, &raw mut host), array(&x, 3));
        let model = made(|out| laser_refine(generator, source, none, null(), out));
        let stream = sampler(model);
        let (no, start) = (null_mut(), made_of.as_mut_ptr());
        ok(laser_sampler_generate_given(
            stream,
            500,
            0,
            c.as_ptr(),
            0,
            start,
            no,
            no,
        ));
        assert!(made_of.chunks(2).all(|x| x[0] > 0.25 && x[0] > x[1].abs()));
        assert!(made_of.chunks(2).any(|x| x[0] < 0.5));
        laser_sampler_free(stream);
        laser_model_free(model);
        laser_generator_free(generator);
        laser_source_free(source);
        laser_options_free(none);
    }
}

#[test]
fn what_a_callback_does_wrong_is_said() {
    let x = events(2);
    let mut host = Host::default();
    let user = &raw mut host;
    // SAFETY: see main.rs.
    unsafe {
        let (none, generator, source) = (options(""), supported(0, user), array(&x, 2));
        let model = made(|out| laser_refine(generator, source, none, null(), out));
        let (mut y, mut out) = ([0.0; 2], null_mut());
        let stream = sampler(model);
        let mut next = || laser_sampler_next(stream, y.as_mut_ptr(), null_mut());
        (*user).code = -7;
        refused(next(), LASER_ERR_CALLBACK, "-7");
        assert_eq!(laser_last_callback_code(), -7);
        let status = laser_refine(generator, source, none, null(), &mut out);
        refused(
            status,
            LASER_ERR_CALLBACK,
            "the support callback returned -7",
        );
        (*user).code = 0;
        for mark in [2, -1, i32::MIN] {
            (*user).mark = Some(mark);
            refused(next(), LASER_ERR_DATA, "marked row 0 (from 0) of");
            refused(
                next(),
                LASER_ERR_DATA,
                &format!("with {mark}; 1 (inside) or 0"),
            );
        }
        (*user).mark = None;
        (*user).lazy = true;
        refused(next(), LASER_ERR_DATA, "with -1; 1 (inside) or 0");
        (*user).lazy = false;
        // Entered from itself.
        let other = sampler(model);
        (*user).again = Some(other);
        ok(next());
        assert_eq!((*user).status, LASER_ERR_BUSY);
        (*user).again = None;
        ok(laser_sampler_next(other, [0.0; 2].as_mut_ptr(), null_mut()));
        assert!(out.is_null());
        for stream in [stream, other] {
            laser_sampler_free(stream);
        }
        laser_model_free(model);
        laser_generator_free(generator);
        laser_source_free(source);
        laser_options_free(none);
    }
}

#[test]
fn values_have_names() {
    let name = |model: *const laser_model, column| {
        // SAFETY: see main.rs.
        text_of(|buf, cap, needed| unsafe {
            laser_model_feature_name(model, column, buf, cap, needed)
        })
    };
    let x = events(3);
    // SAFETY: see main.rs.
    unsafe {
        let generator = generator(1);
        let plain = made(|out| laser_model_from_generator(generator, out));
        let names = [0, 1, 2].map(|column| name(plain, column));
        assert_eq!(names, ["x0", "x1", "c0"]);
        let named = options("");
        let (key, list) = (c"features.names".as_ptr(), c"pt, m_ll ,energy".as_ptr());
        ok(laser_options_set_str(named, key, list));
        let source = array(&x, 3);
        let model = made(|out| laser_refine(generator, source, named, null(), out));
        let names = [0, 1, 2].map(|column| name(model, column));
        assert_eq!(names, ["pt", "m_ll", "energy"]);
        let (mut buf, mut needed) = ([7 as c_char; 4], 0);
        let status = laser_model_feature_name(model, 2, buf.as_mut_ptr(), 4, &mut needed);
        refused(status, LASER_ERR_INVALID_ARGUMENT, "needs 7 bytes");
        for beyond in [3, usize::MAX] {
            let status = laser_model_feature_name(model, beyond, buf.as_mut_ptr(), 4, &mut needed);
            refused(status, LASER_ERR_INVALID_ARGUMENT, "events have 3 values");
        }
        assert_eq!((buf, needed), ([7; 4], 7));
        for model in [plain, model] {
            laser_model_free(model);
        }
        laser_generator_free(generator);
        laser_source_free(source);
        laser_options_free(named);
    }
}
