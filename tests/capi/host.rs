//! Generators that are callbacks, and conditions.

use crate::{made, ok, refused};
use laser::capi::evaluate::*;
use laser::capi::generator::*;
use laser::capi::host::*;
use laser::capi::model::*;
use laser::capi::sampler::*;
use laser::capi::status::*;
use std::ffi::{c_void, CString};
use std::ptr::{null, null_mut};

/// What the callback does besides; handed to it as `user`.
#[derive(Default)]
struct Host {
    calls: usize,
    code: i32,
    again: Option<*mut laser_sampler>,
    status: i32,
}

/// x = (2 z₀ + z₁, z₁ − c), for N = 2, M = 2 and C = 0 or 1.
unsafe extern "C" fn simulate(
    n: usize,
    z: *const f64,
    zdim: usize,
    c: *const f64,
    cdim: usize,
    x: *mut f64,
    xdim: usize,
    user: *mut c_void,
) -> i32 {
    assert!(n > 0 && zdim == 2 && cdim <= 1 && xdim == 2 && c.is_null() == (cdim == 0));
    // SAFETY: the arrays are those of the contract; `user` is a `Host` that nothing else refers to meanwhile.
    unsafe {
        for i in 0..n {
            let c = if cdim == 0 { 0.0 } else { *c.add(i) };
            let (z0, z1) = (*z.add(2 * i), *z.add(2 * i + 1));
            *x.add(2 * i) = 2.0 * z0 + z1;
            *x.add(2 * i + 1) = z1 - c;
        }
        let Some(host) = user.cast::<Host>().as_mut() else {
            return 0;
        };
        host.calls += 1;
        if let Some(sampler) = host.again {
            let mut x = [0.0; 2];
            host.status = laser_sampler_next(sampler, x.as_mut_ptr(), null_mut());
        }
        host.code
    }
}

fn generator(conditions: usize, host: *mut Host) -> *mut laser_generator {
    // SAFETY: see main.rs.
    unsafe {
        made(|out| {
            laser_generator_from_callback(
                2,
                conditions,
                2,
                0,
                Some(simulate),
                host.cast(),
                null(),
                out,
            )
        })
    }
}

/// A model, and a sampler of it, that is its callback alone.
fn baseline(generator: *mut laser_generator) -> (*mut laser_model, *mut laser_sampler) {
    // SAFETY: see main.rs.
    unsafe {
        let model = made(|out| laser_model_from_generator(generator, out));
        let sampler = made(|out| laser_sampler_new(model, 3, 1, null(), out));
        (model, sampler)
    }
}

#[test]
fn events_are_the_callbacks() {
    let mut host = Host::default();
    let user = &raw mut host;
    let (mut x, mut z) = ([0.0; 200], [0.0; 200]);
    let mut dim = 7;
    // SAFETY: see main.rs.
    unsafe {
        let generator = generator(0, user);
        for (function, expected) in [
            (
                laser_generator_latent_dim as unsafe extern "C" fn(_, _) -> _,
                2,
            ),
            (laser_generator_event_dim, 2),
            (laser_generator_condition_dim, 0),
        ] {
            ok(function(generator, &mut dim));
            assert_eq!(dim, expected);
        }
        let (model, sampler) = baseline(generator);
        ok(laser_sampler_generate_latent(
            sampler,
            100,
            0,
            x.as_mut_ptr(),
            0,
            z.as_mut_ptr(),
            null_mut(),
        ));
        for (x, z) in x.chunks(2).zip(z.chunks(2)) {
            assert_eq!(x, [2.0 * z[0] + z[1], z[1]]);
        }
        assert!((*user).calls > 0);
        let mut again = [0.0; 200];
        ok(laser_model_generate(
            model,
            null(),
            100,
            z.as_ptr(),
            0,
            again.as_mut_ptr(),
            0,
        ));
        assert_eq!(again, x);
        // No density, no inverse.
        for status in [
            laser_model_log_prob(model, null(), 1, x.as_ptr(), 0, z.as_mut_ptr()),
            laser_model_latent(model, null(), 1, x.as_ptr(), 0, z.as_mut_ptr(), 0),
            laser_sampler_generate(sampler, 1, 0, x.as_mut_ptr(), null_mut(), z.as_mut_ptr()),
        ] {
            refused(status, LASER_ERR_UNSUPPORTED, "no tractable density");
        }
        // Stopped, and entered from itself.
        (*user).code = 42;
        refused(
            laser_sampler_generate(
                sampler,
                5000,
                0,
                vec![0.0; 10_000].as_mut_ptr(),
                null_mut(),
                null_mut(),
            ),
            LASER_ERR_CALLBACK,
            "42",
        );
        (*user).code = 0;
        let other = made(|out| laser_sampler_new(model, 3, 2, null(), out));
        (*user).again = Some(other);
        ok(laser_model_generate(
            model,
            null(),
            1,
            z.as_ptr(),
            0,
            x.as_mut_ptr(),
            0,
        ));
        assert_eq!((*user).status, LASER_ERR_BUSY);
        (*user).again = None;
        ok(laser_sampler_next(other, x.as_mut_ptr(), null_mut()));
        laser_sampler_free(other);
        laser_sampler_free(sampler);
        laser_model_free(model);
        laser_generator_free(generator);
    }
}

#[test]
fn a_file_holds_all_but_the_callback() {
    let folder = tempfile::tempdir().unwrap();
    let path = CString::new(folder.path().join("host.laser").to_str().unwrap()).unwrap();
    let (mut x, mut y) = ([0.0; 20], [0.0; 20]);
    // SAFETY: see main.rs.
    unsafe {
        let generator = generator(0, null_mut());
        let (model, sampler) = baseline(generator);
        ok(laser_sampler_generate(
            sampler,
            10,
            0,
            x.as_mut_ptr(),
            null_mut(),
            null_mut(),
        ));
        ok(laser_model_save(model, path.as_ptr()));
        let loaded = made(|out| laser_model_load(path.as_ptr(), null(), out));
        let lame = made(|out| laser_sampler_new(loaded, 3, 1, null(), out));
        refused(
            laser_sampler_next(lame, y.as_mut_ptr(), null_mut()),
            LASER_ERR_UNSUPPORTED,
            "laser_model_attach",
        );
        let mut out = null_mut();
        for (dims, words) in [
            ([1, 0, 2], "`zdim` is 1, but the model's generator has 2"),
            ([2, 1, 2], "`cdim` is 1"),
            ([2, 0, 3], "`xdim` is 3"),
        ] {
            let [n, c, m] = dims;
            let status = laser_model_attach(loaded, n, c, m, Some(simulate), null_mut(), &mut out);
            refused(status, LASER_ERR_INVALID_ARGUMENT, words);
        }
        assert!(out.is_null());
        let whole =
            made(|out| laser_model_attach(loaded, 2, 0, 2, Some(simulate), null_mut(), out));
        let again = made(|out| laser_sampler_new(whole, 3, 1, null(), out));
        ok(laser_sampler_generate(
            again,
            10,
            0,
            y.as_mut_ptr(),
            null_mut(),
            null_mut(),
        ));
        assert_eq!(x, y);
        for s in [sampler, lame, again] {
            laser_sampler_free(s);
        }
        for m in [model, loaded, whole] {
            laser_model_free(m);
        }
        laser_generator_free(generator);
    }
}

#[test]
fn conditions_are_given_with_the_events() {
    let c: Vec<f64> = (0..100).map(|i| i as f64).collect();
    let (mut x, mut split, mut wide) = ([0.0; 200], [0.0; 200], [0.0f32; 300]);
    let mut dim = 0;
    // SAFETY: see main.rs.
    unsafe {
        let generator = generator(1, null_mut());
        ok(laser_generator_condition_dim(generator, &mut dim));
        assert_eq!(dim, 1);
        let (model, sampler) = baseline(generator);
        let given = |n: usize, c: *const f64, x: *mut f64| {
            laser_sampler_generate_given(sampler, n, 0, c, 0, x, null_mut(), null_mut())
        };
        ok(given(100, c.as_ptr(), x.as_mut_ptr()));
        // In pieces, in any order: the same events of the same conditions.
        for (first, n) in [(60, 40), (0, 1), (1, 59)] {
            ok(laser_sampler_seek(sampler, first as u64));
            ok(given(
                n,
                c.as_ptr().add(first),
                split.as_mut_ptr().add(2 * first),
            ));
        }
        assert_eq!(x, split);
        // Other conditions, the same noise.
        let zeros = [0.0; 100];
        ok(laser_sampler_seek(sampler, 0));
        ok(given(100, zeros.as_ptr(), split.as_mut_ptr()));
        for (i, (a, b)) in x.chunks(2).zip(split.chunks(2)).enumerate() {
            assert_eq!((a[0], a[1]), (b[0], b[1] - i as f64));
        }
        let floats: Vec<f32> = c.iter().flat_map(|&c| [c as f32, 7.0]).collect();
        ok(laser_sampler_seek(sampler, 0));
        ok(laser_sampler_generate_given_f32(
            sampler,
            100,
            2,
            floats.as_ptr(),
            3,
            wide.as_mut_ptr(),
            null_mut(),
            null_mut(),
        ));
        for (a, b) in x.chunks(2).zip(wide.chunks(3)) {
            assert_eq!([a[0] as f32, a[1] as f32, 0.0], *b);
        }
        // Latent points come with their conditions too.
        let z = [0.5, 0.25, 3.0];
        ok(laser_model_generate(
            model,
            null(),
            1,
            z.as_ptr(),
            0,
            x.as_mut_ptr(),
            0,
        ));
        assert_eq!(x[..2], [1.25, -2.75]);

        refused(
            laser_sampler_next(sampler, x.as_mut_ptr(), null_mut()),
            LASER_ERR_INVALID_ARGUMENT,
            "1 values per event",
        );
        let nan = [0.0, f64::NAN];
        refused(
            given(2, nan.as_ptr(), x.as_mut_ptr()),
            LASER_ERR_DATA,
            "row 1, column 0 of the conditions (counted from 0) is NaN",
        );
        refused(
            given(2, x.as_ptr(), x.as_mut_ptr()),
            LASER_ERR_INVALID_ARGUMENT,
            "overlap",
        );
        laser_sampler_free(sampler);
        laser_model_free(model);
        laser_generator_free(generator);

        let generator = self::generator(0, null_mut());
        let (model, sampler) = baseline(generator);
        laser_generator_free(generator);
        refused(
            laser_sampler_generate_given(
                sampler,
                1,
                0,
                c.as_ptr(),
                0,
                x.as_mut_ptr(),
                null_mut(),
                null_mut(),
            ),
            LASER_ERR_INVALID_ARGUMENT,
            "no conditions",
        );
        laser_sampler_free(sampler);
        laser_model_free(model);
    }
}

unsafe extern "C" fn huge(
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
    (0..2 * n).for_each(|i| unsafe { x.add(i).write(1e39 * *z.add(i)) });
    0
}

#[test]
fn values_beyond_single_precision_are_no_infinities() {
    let (mut x, mut single) = ([0.0; 6], [0_f32; 6]);
    // SAFETY: see main.rs.
    unsafe {
        let generator = made(|out| {
            laser_generator_from_callback(2, 0, 2, 0, Some(huge), null_mut(), null(), out)
        });
        let (model, sampler) = baseline(generator);
        laser_generator_free(generator);
        let no = null_mut();
        let status = laser_sampler_generate_f32(sampler, 3, 0, single.as_mut_ptr(), no, no);
        refused(
            status,
            LASER_ERR_NUMERICAL,
            "take the events in double precision",
        );
        let mut event = 7;
        ok(laser_sampler_tell(sampler, &mut event));
        assert_eq!(event, 0);
        let no = null_mut();
        ok(laser_sampler_generate(
            sampler,
            3,
            0,
            x.as_mut_ptr(),
            no,
            no,
        ));
        assert!(x.iter().all(|x| x.is_finite() && x.abs() > 1e37));
        laser_sampler_free(sampler);
        laser_model_free(model);
    }
}

#[test]
fn wrong_dimensions_are_named() {
    let mut out = null_mut();
    for (dims, stochastic, words) in [
        ([0, 0, 2], 0, "0 latent"),
        ([2, 0, 0], 0, "0 event"),
        ([usize::MAX, 0, 2], 0, "between 1 and"),
        ([2, usize::MAX, 2], 0, "between 1 and"),
        ([2, 0, 2], 2, "`stochastic` is 2"),
    ] {
        let [n, c, m] = dims;
        // SAFETY: see main.rs.
        let status = unsafe {
            laser_generator_from_callback(
                n,
                c,
                m,
                stochastic,
                Some(simulate),
                null_mut(),
                null(),
                &mut out,
            )
        };
        refused(status, LASER_ERR_INVALID_ARGUMENT, words);
    }
    assert!(out.is_null());
}
