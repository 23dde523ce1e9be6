//! Memory that cannot be had: the call says so, and nothing else has happened.
//!
//! An allocator fails the n-th large allocation of a call, for every n up to the last, or of many for some (all by `make attack`); and processes are forked whose address space cannot
//! grow. The `unsafe` blocks keep the promises of a host: handles are live, strings end with NUL, arrays have the sizes stated.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

#[path = "attack/longer.rs"]
mod longer;

#[path = "memory/failing.rs"]
mod failing;
#[path = "memory/injected.rs"]
mod injected;
#[path = "memory/limited.rs"]
mod limited;
#[path = "memory/sizes.rs"]
mod sizes;

use laser::capi::boundary::laser_last_error;
use laser::capi::generator::*;
use laser::capi::model::*;
use laser::capi::options::*;
use laser::capi::source::*;
use laser::capi::status::{laser_status_name, LASER_OK};
use std::ffi::{c_char, CStr, CString};
use std::ptr::{null, null_mut};

/// The message of this thread's last failure.
fn message() -> String {
    let mut buf = [0 as c_char; 1024];
    // SAFETY: see above.
    unsafe {
        laser_last_error(buf.as_mut_ptr(), buf.len(), null_mut());
        CStr::from_ptr(buf.as_ptr()).to_string_lossy().into_owned()
    }
}

fn name(status: i32) -> String {
    // SAFETY: static text.
    let name = unsafe { CStr::from_ptr(laser_status_name(status)) };
    name.to_string_lossy().into_owned()
}

#[track_caller]
fn ok(status: i32) {
    assert_eq!(status, LASER_OK, "{}: {}", name(status), message());
}

/// What a call has made.
#[track_caller]
fn made<T>(call: impl FnOnce(*mut *mut T) -> i32) -> *mut T {
    let mut out = null_mut();
    ok(call(&mut out));
    out
}

/// Events of two features, the second between 0 and 1, with a third value that conditions can be made of.
const ROWS: usize = 9000;
/// Held out of them.
const HELD_OUT: usize = 4200;

fn events() -> Vec<f64> {
    let row = |i: usize| {
        let t = i as f64;
        [
            (1.3 * t).sin() + 0.1 * (7.7 * t).cos(),
            (0.618 * t).fract() * 0.98 + 0.01,
            (2.9 * t).cos(),
        ]
    };
    (0..ROWS).flat_map(row).collect()
}

/// Options of trainings so small that their arrays of rows, and of two layers of units, are just large.
fn options(more: &str) -> *mut laser_options {
    let network = r#""layers": 2, "units": 72"#;
    let training = r#""epochs": 1, "steps": 1, "batch": 4200"#;
    let all = format!(
        r#"{{"dtype": "float64", "validation.events": {HELD_OUT}, "validation.fraction": 0.49, "weights.events": 4500,
        "flow": {{"blocks": 2, "bins": 4, {network}, {training}}}, "classifier": {{{network}, {training}}},
        "gan_generator": {{{network}, {training}}}, "vae": {{{network}, {training}}},
        "gan": {{{network}, {training}, "latent": 3, "pool": 4300}},
        "refiner_flow": {{"blocks": 2, {network}, {training}, "pool": 4300}},
        "matching": {{{network}, {training}, "pool": 4300, "group": 80}},
        "surrogate": {{{network}, {training}, "pool": 5700}},
        "pullback": {{"events": 5200, "iterations": 2, "epochs": 1}},
        "hmc": {{"chains": 2100, "burn_in": 1, "thin": 1, "leapfrog": 2, "step_size": 0.01, "jitter": 0.1}},
        "resampling.pool": 4, "rejection.overweight": 0.5}}"#
    );
    // What `more` says holds in place of what all have.
    let mut keys = serde_json::Map::new();
    for text in [all, format!("{{{more}}}")] {
        let groups: serde_json::Map<_, _> = serde_json::from_str(&text).unwrap();
        for (group, value) in groups {
            match value {
                serde_json::Value::Object(inner) => {
                    let inner = inner.into_iter();
                    keys.extend(inner.map(|(key, value)| (format!("{group}.{key}"), value)));
                }
                value => drop(keys.insert(group, value)),
            }
        }
    }
    let json = CString::new(serde_json::to_string(&keys).unwrap()).unwrap();
    // SAFETY: see above.
    made(|out| unsafe { laser_options_from_json(json.as_ptr(), out) })
}

/// The first `dim` values of the events.
fn source(events: &[f64], dim: usize) -> *mut laser_source {
    // SAFETY: see above; the events outlive the source.
    made(|out| unsafe { laser_source_from_array(events.as_ptr(), null(), ROWS, dim, 3, out) })
}

fn generator(events: &[f64], more: &str) -> *mut laser_generator {
    let (options, source) = (options(more), source(events, 2));
    // SAFETY: see above.
    unsafe {
        let generator = made(|out| laser_generator_train(source, options, null(), out));
        laser_options_free(options);
        laser_source_free(source);
        generator
    }
}

/// A model refined by the method.
fn model(events: &[f64], method: &str) -> *mut laser_model {
    let more = format!(r#""refiner.method": "{method}""#);
    let (generator, options, source) =
        (generator(events, &more), options(&more), source(events, 2));
    // SAFETY: see above.
    unsafe {
        let model = made(|out| laser_refine(generator, source, options, null(), out));
        laser_options_free(options);
        laser_source_free(source);
        laser_generator_free(generator);
        model
    }
}
