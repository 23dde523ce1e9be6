//! Samplers and the functions of a model on given events.

use crate::longer::{done, longer};
use crate::models::small_model;
use crate::threads::{comes, Shared};
use crate::{made, ok, refused};
use laser::capi::evaluate::*;
use laser::capi::hooks::*;
use laser::capi::model::*;
use laser::capi::options::*;
use laser::capi::sampler::*;
use laser::capi::status::*;
use std::ffi::{c_char, c_void, CStr};
use std::ptr::{null, null_mut};

fn model() -> *mut laser_model {
    let file = small_model();
    // SAFETY: see main.rs.
    unsafe { made(|out| laser_model_load(file.path().as_ptr(), null(), out)) }
}

/// A sampler that outlives its model and its options.
fn sampler(method: &std::ffi::CStr) -> *mut laser_sampler {
    let model = model();
    // SAFETY: see main.rs.
    unsafe {
        let options = made(|out| laser_options_new(null(), out));
        ok(laser_options_set_str(
            options,
            c"sampler.method".as_ptr(),
            method.as_ptr(),
        ));
        let sampler = made(|out| laser_sampler_new(model, 5, 2, options, out));
        laser_options_free(options);
        laser_model_free(model);
        sampler
    }
}

#[test]
fn a_stream_is_the_same_however_it_is_asked_for() {
    const N: usize = 500;
    let (mut x, mut w, mut p) = ([7.0; 2 * N], [7.0; N], [7.0; N]);
    let mut event = 0;
    // SAFETY: see main.rs.
    unsafe {
        let sampler = sampler(c"baseline");
        ok(laser_sampler_generate(
            sampler,
            N,
            0,
            x.as_mut_ptr(),
            w.as_mut_ptr(),
            p.as_mut_ptr(),
        ));
        assert_eq!(w, [1.0; N]);
        ok(laser_sampler_tell(sampler, &mut event));
        assert_eq!(event, N as u64);

        // In wide rows, in pieces, without weights.
        let mut wide = [7.0; 5 * N];
        ok(laser_sampler_seek(sampler, 0));
        for (first, n) in [(0, 1), (1, 0), (1, 300), (301, N - 301)] {
            let from = wide.as_mut_ptr().add(5 * first);
            ok(laser_sampler_generate(
                sampler,
                n,
                5,
                from,
                null_mut(),
                null_mut(),
            ));
        }
        for i in 0..N {
            assert_eq!(wide[5 * i..][..2], x[2 * i..][..2]);
            assert_eq!(wide[5 * i + 2..][..3], [7.0; 3], "wrote between rows");
        }

        let mut single = [7f32; 2 * N];
        ok(laser_sampler_seek(sampler, 0));
        ok(laser_sampler_generate_f32(
            sampler,
            N,
            0,
            single.as_mut_ptr(),
            null_mut(),
            null_mut(),
        ));
        assert!(single.iter().zip(&x).all(|(&s, &d)| s == d as f32));

        let (mut one, mut weight) = ([7.0; 2], 7.0);
        ok(laser_sampler_seek(sampler, 77));
        ok(laser_sampler_next(sampler, one.as_mut_ptr(), &mut weight));
        assert_eq!((&one[..], weight), (&x[154..156], 1.0));
        ok(laser_sampler_next(sampler, one.as_mut_ptr(), null_mut()));
        assert_eq!(one, x[156..158]);
        let mut events = 0.0;
        ok(laser_sampler_get_f64(
            sampler,
            c"events".as_ptr(),
            &mut events,
        ));
        assert!(events >= N as f64, "{events}");
        laser_sampler_free(sampler);
    }
}

/// Without them they are the unrefined generator's, which nobody sees.
#[test]
fn reweighted_events_come_with_their_weights_alone() {
    let (mut x, mut z, mut w, mut p) = ([7.0; 4], [7.0; 4], [7.0; 2], [7.0; 2]);
    let mut x32 = [7f32; 4];
    let (mut event, none) = (7, null_mut());
    // SAFETY: see main.rs.
    unsafe {
        let sampler = sampler(c"reweight");
        let (px, pz, pw, pp) = (
            x.as_mut_ptr(),
            z.as_mut_ptr(),
            w.as_mut_ptr(),
            p.as_mut_ptr(),
        );
        for status in [
            laser_sampler_generate(sampler, 2, 0, px, none, pp),
            laser_sampler_generate_f32(sampler, 2, 0, x32.as_mut_ptr(), null_mut(), null_mut()),
            laser_sampler_generate_latent(sampler, 2, 0, px, 0, pz, none),
            laser_sampler_next(sampler, px, none),
        ] {
            assert_eq!(status, LASER_ERR_INVALID_ARGUMENT);
        }
        let status = laser_sampler_next(sampler, px, none);
        let words = "wrong without their weights: ask for their `w` too";
        refused(status, LASER_ERR_INVALID_ARGUMENT, words);
        ok(laser_sampler_generate(sampler, 0, 0, px, none, none));
        ok(laser_sampler_tell(sampler, &mut event));
        assert_eq!((event, x, z, p), (0, [7.0; 4], [7.0; 4], [7.0; 2]));
        ok(laser_sampler_next(sampler, px, pw));
        assert!(w[0] > 0.0 && w[0] != 1.0 && w[1] == 7.0, "{w:?}");
        // What lies in the batch already is refused as well.
        refused(
            laser_sampler_next(sampler, px, none),
            LASER_ERR_INVALID_ARGUMENT,
            words,
        );
        laser_sampler_free(sampler);
    }
}

#[test]
fn latent_points_belong_to_their_events() {
    const N: usize = 100;
    let (mut x, mut z, mut back) = ([7.0; 2 * N], [7.0; 3 * N], [7.0; 2 * N]);
    let (mut p, mut log_p, mut w) = ([7.0; N], [7.0; N], [7.0; N]);
    // SAFETY: see main.rs.
    unsafe {
        let sampler = sampler(c"baseline");
        let (px, pz) = (x.as_mut_ptr(), z.as_mut_ptr());
        ok(laser_sampler_generate_latent(
            sampler,
            N,
            0,
            px,
            3,
            pz,
            w.as_mut_ptr(),
        ));
        ok(laser_sampler_seek(sampler, 0));
        let mut again = [7.0; 2 * N];
        ok(laser_sampler_generate(
            sampler,
            N,
            0,
            again.as_mut_ptr(),
            null_mut(),
            p.as_mut_ptr(),
        ));
        assert_eq!((x, w), (again, [1.0; N]));
        laser_sampler_free(sampler);

        let model = model();
        ok(laser_model_latent(
            model,
            null(),
            N,
            x.as_ptr(),
            0,
            back.as_mut_ptr(),
            0,
        ));
        let mut generated = [7.0; 3 * N];
        ok(laser_model_generate(
            model,
            null(),
            N,
            z.as_ptr(),
            3,
            generated.as_mut_ptr(),
            3,
        ));
        for i in 0..N {
            let event = [x[2 * i], x[2 * i + 1], 7.0];
            assert_eq!(
                generated[3 * i..3 * i + 3],
                event,
                "the sampler's own event"
            );
        }
        ok(laser_model_log_prob(
            model,
            null(),
            N,
            x.as_ptr(),
            0,
            log_p.as_mut_ptr(),
        ));
        laser_model_free(model);
    }
    for i in 0..N {
        for k in 0..2 {
            assert!((back[2 * i + k] - z[3 * i + k]).abs() < 1e-8);
        }
        assert_eq!(z[3 * i + 2], 7.0, "wrote between rows");
        assert!((log_p[i] - p[i]).abs() < 1e-8, "{} {}", log_p[i], p[i]);
    }
}

#[test]
fn null_and_wrong_sizes_are_refused() {
    let (mut x, mut number, mut event) = ([7.0; 8], 7.0, 7);
    let mut f = [7f32; 8];
    // SAFETY: see main.rs.
    unsafe {
        let s = sampler(c"model");
        let (p, no) = (x.as_mut_ptr(), null_mut());
        let null_is_refused = |status, argument| refused(status, LASER_ERR_NULL, argument);
        let invalid = |status, words| refused(status, LASER_ERR_INVALID_ARGUMENT, words);
        null_is_refused(laser_sampler_tell(s, null_mut()), "`event`");
        null_is_refused(laser_sampler_generate(s, 1, 0, no, p, p), "`x`");
        null_is_refused(
            laser_sampler_generate_f32(s, 1, 0, null_mut(), null_mut(), null_mut()),
            "`x`",
        );
        null_is_refused(laser_sampler_generate_latent(s, 1, 0, no, 0, p, no), "`x`");
        null_is_refused(laser_sampler_generate_latent(s, 1, 0, p, 0, no, no), "`z`");
        null_is_refused(laser_sampler_next(s, no, p), "`x`");
        null_is_refused(laser_sampler_get_f64(s, null(), &mut number), "`key`");
        null_is_refused(
            laser_sampler_get_f64(s, c"events".as_ptr(), null_mut()),
            "`out`",
        );
        invalid(
            laser_sampler_get_f64(s, c"evens".as_ptr(), &mut number),
            "evens",
        );
        invalid(laser_sampler_generate(s, 2, 1, p, no, no), "`stride` is 1");
        invalid(
            laser_sampler_generate_latent(s, 2, 1, p, 2, p.add(4), no),
            "`x_stride` is 1",
        );
        invalid(
            laser_sampler_generate_latent(s, 2, 2, p, 1, p.add(4), no),
            "`z_stride` is 1",
        );
        invalid(
            laser_sampler_generate(s, usize::MAX, 0, p, no, no),
            "do not fit",
        );
        invalid(
            laser_sampler_generate(s, usize::MAX / 16, 0, p, no, no),
            "address space",
        );
        invalid(
            laser_sampler_generate(s, 2, 0, p, p.add(3), no),
            "`x` and `w` overlap",
        );
        invalid(
            laser_sampler_generate(s, 2, 0, p, p.add(5), p.add(5)),
            "overlap",
        );
        invalid(
            laser_sampler_generate_latent(s, 2, 4, p, 4, p.add(2), no),
            "`x` and `z` overlap",
        );
        let odd = f.as_mut_ptr().wrapping_byte_add(1);
        invalid(
            laser_sampler_generate_f32(s, 1, 0, odd, null_mut(), null_mut()),
            "not aligned",
        );
        ok(laser_sampler_generate(s, 0, 0, no, no, no));
        ok(laser_sampler_tell(s, &mut event));
        assert_eq!(event, 0, "a refused call moved the stream");
        laser_sampler_free(s);
    }
    assert_eq!((x, f, number), ([7.0; 8], [7.0; 8], 7.0));
}

#[test]
fn a_method_that_the_model_lacks_is_refused() {
    let mut out = null_mut();
    // SAFETY: see main.rs.
    unsafe {
        let model = model();
        let options = made(|out| laser_options_new(null(), out));
        ok(laser_options_set_str(
            options,
            c"sampler.method".as_ptr(),
            c"gan".as_ptr(),
        ));
        refused(
            laser_sampler_new(model, 1, 0, options, &mut out),
            LASER_ERR_UNSUPPORTED,
            "gan",
        );
        assert!(out.is_null());
        laser_options_free(options);
        laser_model_free(model);
    }
}

#[test]
fn many_threads_share_one_model() {
    const THREADS: usize = 64;
    let each = 30 * longer();
    // SAFETY: see main.rs.
    unsafe {
        let model = Shared::new(model());
        // Whoever comes first has the model prepared for all.
        let events = |first: usize, n: usize| {
            let (mut x, mut log_w) = (vec![0.0; 2 * n], vec![0.0; n]);
            let sampler = made(|out| laser_sampler_new(model.get(), 5, 2, null(), out));
            ok(laser_sampler_seek(sampler, first as u64));
            let no = null_mut();
            ok(laser_sampler_generate(
                sampler,
                n,
                0,
                x.as_mut_ptr(),
                no,
                no,
            ));
            ok(laser_model_log_weight(
                model.get(),
                null(),
                n,
                x.as_ptr(),
                0,
                log_w.as_mut_ptr(),
            ));
            laser_sampler_free(sampler);
            (x, log_w)
        };
        let parts = std::thread::scope(|scope| {
            let part = |i| scope.spawn(move || events(i * each, each));
            let threads: Vec<_> = (0..THREADS).map(part).collect();
            let ends = threads.into_iter().map(|thread| thread.join().unwrap());
            ends.collect::<Vec<_>>()
        });
        let (x, log_w): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let whole = events(0, THREADS * each);
        assert!((x.concat(), log_w.concat()) == whole);
        done(&format!(
            "{THREADS} threads on one model, {each} events each"
        ));
        laser_model_free(model.get());
    }
}

#[test]
fn one_thread_at_a_time_generates() {
    const N: usize = 200_000;
    // SAFETY: see main.rs.
    unsafe {
        let sampler = Shared::new(sampler(c"baseline"));
        std::thread::scope(|scope| {
            let long = scope.spawn(|| {
                let mut x = vec![0.0; 2 * N];
                // The others may be first.
                let generate = || {
                    laser_sampler_generate(
                        sampler.get(),
                        N,
                        0,
                        x.as_mut_ptr(),
                        null_mut(),
                        null_mut(),
                    )
                };
                comes(LASER_OK, generate)
            });
            let mut busy = [false; 2];
            while !long.is_finished() {
                let (mut x, mut event) = ([0.0; 2], 0);
                busy[0] |=
                    laser_sampler_next(sampler.get(), x.as_mut_ptr(), null_mut()) == LASER_ERR_BUSY;
                busy[1] |= laser_sampler_tell(sampler.get(), &mut event) == LASER_ERR_BUSY;
            }
            assert!(long.join().unwrap());
            assert_eq!(busy, [true; 2]);
        });
        laser_sampler_free(sampler.get());
    }
}

/// A host's generator: a linear congruential one, so that its state is one number.
struct Host {
    state: u64,
    calls: Vec<usize>,
    /// What it returns, and what it writes as its first number, if that is set.
    code: i32,
    first: Option<f64>,
    sampler: *mut laser_sampler,
}

unsafe extern "C" fn host_noise(n: usize, u: *mut f64, user: *mut c_void) -> i32 {
    // SAFETY: see main.rs.
    let (host, u) = unsafe {
        (
            &mut *user.cast::<Host>(),
            std::slice::from_raw_parts_mut(u, n),
        )
    };
    host.calls.push(n);
    for u in &mut *u {
        host.state = host
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *u = (host.state >> 11) as f64 / (1u64 << 53) as f64;
    }
    if let Some(first) = host.first {
        u[0] = first;
    }
    if !host.sampler.is_null() {
        let mut x = [7.0; 2];
        // SAFETY: see main.rs.
        refused(
            unsafe { laser_sampler_next(host.sampler, x.as_mut_ptr(), null_mut()) },
            LASER_ERR_BUSY,
            "sampler",
        );
    }
    host.code
}

#[test]
fn the_hosts_random_numbers_make_the_events() {
    let mut host = Host {
        state: 1,
        calls: Vec::new(),
        code: 0,
        first: None,
        sampler: null_mut(),
    };
    let user: *mut Host = &mut host;
    let (mut own, mut x, mut again) = ([7.0; 60], [7.0; 60], [7.0; 60]);
    // SAFETY: see main.rs. The host is only used between the calls.
    unsafe {
        let sampler = sampler(c"baseline");
        let generate = |x: &mut [f64]| {
            let no = null_mut();
            laser_sampler_generate(sampler, x.len() / 2, 0, x.as_mut_ptr(), no, no)
        };
        ok(generate(&mut own));
        ok(laser_sampler_set_noise_callback(
            sampler,
            Some(host_noise),
            user.cast(),
        ));
        ok(generate(&mut x));
        // Two normal numbers for every event, in one call.
        assert_eq!(&(*user).calls, &[60]);
        assert!(x != own);

        // Nothing is made ahead: the same state, the same events, in one call or one by one.
        (*user).state = 1;
        ok(generate(&mut again[..20]));
        for event in again[20..].chunks_mut(2) {
            ok(laser_sampler_next(sampler, event.as_mut_ptr(), null_mut()));
        }
        assert_eq!(x, again);
        assert_eq!((&(*user).calls)[1..3], [20, 2]);
        refused(
            laser_sampler_seek(sampler, 0),
            LASER_ERR_UNSUPPORTED,
            "set the host's generator back",
        );

        // What goes wrong leaves the sampler usable, where it stood.
        let (mut before, mut after) = (0, 0);
        ok(laser_sampler_tell(sampler, &mut before));
        (*user).code = 41;
        refused(generate(&mut x), LASER_ERR_CALLBACK, "41");
        (*user).code = 0;
        for wrong in [-0.1, 1.5, f64::NAN] {
            (*user).first = Some(wrong);
            refused(generate(&mut x), LASER_ERR_DATA, "number 0 (from 0)");
        }
        ok(laser_sampler_tell(sampler, &mut after));
        assert_eq!(before, after);
        (*user).first = Some(0.0);
        (*user).sampler = sampler;
        ok(generate(&mut x));
        assert!(x.iter().all(|x| x.is_finite()));

        // Back to its own numbers.
        ok(laser_sampler_set_noise_callback(sampler, None, null_mut()));
        ok(laser_sampler_seek(sampler, 0));
        ok(generate(&mut x));
        assert_eq!(x, own);
        laser_sampler_free(sampler);
    }
}

#[test]
fn chains_and_pools_begin_anew_with_the_hosts_numbers() {
    let file = crate::models::refined_model();
    let mut host = Host {
        state: 1,
        calls: Vec::new(),
        code: 0,
        first: None,
        sampler: null_mut(),
    };
    let user: *mut Host = &mut host;
    // SAFETY: see main.rs. The host is only used between the calls.
    unsafe {
        let model = made(|out| laser_model_load(file.path().as_ptr(), null(), out));
        let options = made(|out| laser_options_new(null(), out));
        for method in [c"hmc", c"mala", c"resampling"] {
            let set = laser_options_set_str(options, c"sampler.method".as_ptr(), method.as_ptr());
            ok(set);
            let sampler = made(|out| laser_sampler_new(model, 5, 2, options, out));
            let mut runs = [[7.0; 46]; 2];
            for x in &mut runs {
                (*user).state = 1;
                (*user).calls.clear();
                ok(laser_sampler_set_noise_callback(
                    sampler,
                    Some(host_noise),
                    user.cast(),
                ));
                let no = null_mut();
                ok(laser_sampler_generate(
                    sampler,
                    23,
                    0,
                    x.as_mut_ptr(),
                    no,
                    no,
                ));
            }
            assert_eq!(runs[0], runs[1]);
            laser_sampler_free(sampler);
        }
        laser_options_free(options);
        laser_model_free(model);
    }
}

/// What hooks of a sampler were told, and how they answer.
struct Watcher {
    sampler: *mut laser_sampler,
    /// Tripped by the first progress of this stage.
    cancel: *mut laser_cancel,
    stage: &'static CStr,
    code: i32,
    warnings: Vec<String>,
    steps: Vec<(String, u64, u64)>,
}

impl Watcher {
    fn new(sampler: *mut laser_sampler) -> Self {
        Watcher {
            sampler,
            cancel: null_mut(),
            stage: c"",
            code: 0,
            warnings: Vec::new(),
            steps: Vec::new(),
        }
    }
}

unsafe extern "C" fn hear(level: i32, message: *const c_char, user: *mut c_void) -> i32 {
    assert_eq!(level, LASER_LOG_WARNING);
    // SAFETY: see main.rs.
    let (watcher, message) = unsafe { (&mut *user.cast::<Watcher>(), CStr::from_ptr(message)) };
    watcher.warnings.push(message.to_str().unwrap().into());
    let mut x = [7.0; 2];
    // SAFETY: see main.rs.
    refused(
        unsafe { laser_sampler_next(watcher.sampler, x.as_mut_ptr(), null_mut()) },
        LASER_ERR_BUSY,
        "sampler",
    );
    watcher.code
}

unsafe extern "C" fn see(p: *const laser_progress, user: *mut c_void) -> i32 {
    // SAFETY: see main.rs.
    unsafe {
        let watcher = &mut *user.cast::<Watcher>();
        let stage = CStr::from_ptr(laser_progress_stage(p));
        let name = stage.to_str().unwrap().into();
        let (step, steps) = (laser_progress_step(p), laser_progress_steps(p));
        watcher.steps.push((name, step, steps));
        if stage == watcher.stage {
            laser_cancel_trip(watcher.cancel);
        }
    }
    0
}

/// Sets hooks that tell `watcher`, and frees them.
unsafe fn watch(watcher: *mut Watcher, cancel: *const laser_cancel) {
    // SAFETY: see main.rs.
    unsafe {
        let hooks = made(|out| laser_hooks_new(out));
        ok(laser_hooks_set_log(hooks, Some(hear), watcher.cast()));
        ok(laser_hooks_set_progress(hooks, Some(see), watcher.cast()));
        ok(laser_hooks_set_cancel(hooks, cancel));
        ok(laser_sampler_set_hooks((*watcher).sampler, hooks));
        laser_hooks_free(hooks);
    }
}

#[test]
fn a_sampler_warns_once_of_what_its_pilot_run_did_not_see() {
    const N: usize = 3000;
    let mut x = [7.0; 2 * N];
    let file = crate::models::betrayed_model();
    // SAFETY: see main.rs.
    unsafe {
        let model = made(|out| laser_model_load(file.path().as_ptr(), null(), out));
        let sampler = made(|out| laser_sampler_new(model, 5, 2, null(), out));
        laser_model_free(model);
        let mut generate = |n: usize| {
            let no = null_mut();
            laser_sampler_generate(sampler, n, 0, x.as_mut_ptr(), no, no)
        };
        let mut watcher = Watcher::new(sampler);
        let user: *mut Watcher = &mut watcher;
        watch(user, null());
        // A callback that stops leaves the sampler where it stood.
        (*user).code = 9;
        refused(generate(N), LASER_ERR_CALLBACK, "9");
        (*user).code = 0;
        let mut event = 7;
        ok(laser_sampler_tell(sampler, &mut event));
        assert_eq!(event, 0);
        ok(generate(N));
        ok(generate(N));
        let told = |kinds: &[&str], times: usize| {
            let warnings = &(*user).warnings;
            for kind in kinds {
                let found = warnings.iter().filter(|w| w.contains(kind)).count();
                assert_eq!(found, times, "{kind}: {warnings:?}");
            }
        };
        let far = "an event has the weight";
        told(&[far, "lies above w_max", "heaviest of"], 1);
        let steps = &(*user).steps;
        let sampling = |(stage, step, of): &(String, u64, u64)| {
            stage == "sampling" && step <= of && *of == N as u64
        };
        assert!(steps.iter().all(sampling), "{steps:?}");
        assert_eq!(steps.last().unwrap().1, N as u64);
        // Others have not heard it.
        watch(user, null());
        ok(generate(N));
        told(&[far], 2);
        // Without hooks nobody is told.
        ok(laser_sampler_set_hooks(sampler, null()));
        let before = (*user).steps.len();
        ok(generate(N));
        assert_eq!((*user).steps.len(), before);
        let (mut largest, mut share) = (7.0, 7.0);
        let get = |key: &CStr, out| ok(laser_sampler_get_f64(sampler, key.as_ptr(), out));
        get(c"largest_weight", &mut largest);
        get(c"weight_of_largest", &mut share);
        assert!(
            largest > 1.0 && share > 0.01 && share < 1.0,
            "{largest} {share}"
        );
        // Its weights have no limit.
        for key in [c"events_at_limit", c"weight_at_limit"] {
            get(key, &mut share);
            assert_eq!(share, 0.0);
        }
        laser_sampler_free(sampler);
    }
}

#[test]
fn a_cancelled_sampler_makes_the_same_events_again() {
    const N: usize = 3000;
    let file = crate::models::refined_model();
    // SAFETY: see main.rs.
    unsafe {
        let model = made(|out| laser_model_load(file.path().as_ptr(), null(), out));
        let options = made(|out| laser_options_new(null(), out));
        let cancel = made(|out| laser_cancel_new(out));
        for (method, stage) in [
            (c"rejection", c"sampling"),
            (c"resampling", c"sampling"),
            (c"hmc", c"chains"),
        ] {
            let set = laser_options_set_str(options, c"sampler.method".as_ptr(), method.as_ptr());
            ok(set);
            let sampler = made(|out| laser_sampler_new(model, 5, 2, options, out));
            let generate = |x: &mut [f64]| {
                let no = null_mut();
                laser_sampler_generate(sampler, x.len() / 2, 0, x.as_mut_ptr(), no, no)
            };
            let (mut own, mut x) = (vec![7.0; 2 * N], vec![7.0; 2 * N]);
            ok(generate(&mut own));
            ok(laser_sampler_seek(sampler, 0));
            let mut watcher = Watcher::new(sampler);
            let user: *mut Watcher = &mut watcher;
            ((*user).cancel, (*user).stage) = (cancel, stage);
            watch(user, cancel);
            refused(generate(&mut x), LASER_ERR_CANCELLED, "cancel");
            // One step after the trip at most.
            assert_eq!((*user).steps.len(), 1, "{:?}", (*user).steps);
            refused(generate(&mut x), LASER_ERR_CANCELLED, "cancel");
            (*user).stage = c"";
            ok(laser_cancel_reset(cancel));
            let mut event = 7;
            ok(laser_sampler_tell(sampler, &mut event));
            assert_eq!(event, 0);
            ok(generate(&mut x));
            assert!(x == own);
            // Events that are there already are not given out either.
            laser_cancel_trip(cancel);
            refused(generate(&mut x[..2]), LASER_ERR_CANCELLED, "cancel");
            ok(laser_cancel_reset(cancel));
            laser_sampler_free(sampler);
        }
        laser_cancel_free(cancel);
        laser_options_free(options);
        laser_model_free(model);
    }
}
