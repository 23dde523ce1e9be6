//! Every large allocation of a call fails, one after the other.

use crate::failing::{alone, under, Shortage};
use crate::longer::{done, longer};
use crate::{events, generator, made, message, model, name, ok, options, source, ROWS};
use laser::capi::evaluate::*;
use laser::capi::floors::*;
use laser::capi::generator::*;
use laser::capi::hooks::*;
use laser::capi::host::*;
use laser::capi::metrics::*;
use laser::capi::model::*;
use laser::capi::options::*;
use laser::capi::reweighter::*;
use laser::capi::sampler::*;
use laser::capi::scores::*;
use laser::capi::source::*;
use laser::capi::status::*;
use laser::capi::unfold::*;
use std::ffi::{c_void, CString};
use std::ptr::{null, null_mut};

/// Of calls with more large allocations than this the later ones are tried by turns, one in three; `make attack` tries all.
const FIRST: usize = 30;

/// Fails the large allocations of `call` one by one, with what follows and without: it must say LASER_ERR_MEMORY, and succeed again
/// afterwards. `call` has no effect but its status, and that a source goes on.
fn inject(what: &str, fewest: usize, call: &mut dyn FnMut() -> i32) {
    // What is made once for the life of the process is not the call's.
    ok(call());
    let (status, count) = under(None, &mut *call);
    ok(status);
    assert!(count >= fewest, "{what}: only {count} large allocations");
    let all = longer() > 1;
    let tried = |n: &usize| all || *n <= FIRST || *n == count || n.is_multiple_of(3);
    let (mut failed, tries) = (0, (1..=count).filter(tried));
    for n in tries {
        failed += 1;
        let mut shortages = vec![Shortage::Once(n)];
        if n % 8 == 1 || n == count {
            shortages.push(Shortage::From(n));
        }
        for shortage in shortages {
            let (status, asked) = under(Some(shortage), &mut *call);
            if status == LASER_OK && asked < n {
                continue; // a source goes on with other events, of which trees may be smaller
            }
            assert_eq!(
                status,
                LASER_ERR_MEMORY,
                "{what}, {shortage:?} of {count}, {asked} asked: {}: {}",
                name(status),
                message()
            );
            assert!(message().contains("memory"), "{}", message());
        }
        if n % 32 == 1 || n == count {
            ok(call());
        }
    }
    done(&format!(
        "{what}: {failed} of {count} large allocations failed"
    ));
}

/// A call that makes something that `free` frees.
fn making<'a, T: 'a>(
    mut call: impl FnMut(*mut *mut T) -> i32 + 'a,
    free: unsafe extern "C" fn(*mut T),
) -> impl FnMut() -> i32 + 'a {
    move || {
        let mut out = null_mut();
        let status = call(&mut out);
        assert_eq!(
            out.is_null(),
            status != LASER_OK,
            "outputs are untouched on failure"
        );
        // SAFETY: made by the call, or NULL.
        unsafe { free(out) };
        status
    }
}

/// Too few held-out events for trees, of which every training would take its time.
const FEW: &str = r#""validation.events": 900"#;

/// The same for learned refiners, whose trees are then of as few events as there can be.
unsafe fn with_few(options: *mut laser_options) {
    // SAFETY: see memory.rs.
    unsafe {
        ok(laser_options_set_i64(
            options,
            c"weights.events".as_ptr(),
            1000,
        ))
    };
}

#[test]
fn trainings_of_generators() {
    let _alone = alone();
    let events = events();
    // SAFETY: see memory.rs.
    unsafe {
        for (what, more) in [
            ("train a flow", ""),
            ("train a flow on four threads", r#""threads": 4"#),
            (
                "train a flow, stopping early",
                r#""flow.patience": 1, "flow.epochs": 3"#,
            ),
            (
                "train a flow of splines",
                r#""flow.coupling": "spline", "dtype": "float32""#,
            ),
            (
                "train with scalings",
                r#""features.scaling": "standardise,logit(0:1)""#,
            ),
            (
                "train with angles",
                r#""features.scaling": "standardise,periodic(0:1)""#,
            ),
            ("train a GAN", r#""generator.type": "gan""#),
            ("train a VAE", r#""generator.type": "vae""#),
        ] {
            let options = match more {
                "" => options(more),
                more => options(&format!("{more}, {FEW}")),
            };
            let target = source(&events, 2);
            inject(
                what,
                10,
                &mut making(
                    |out| laser_generator_train(target, options, null(), out),
                    laser_generator_free,
                ),
            );
            laser_options_free(options);
            laser_source_free(target);
        }
        let (options, target) = (
            options(&format!(r#""conditions": 1, {FEW}"#)),
            source(&events, 3),
        );
        inject(
            "train a flow with a condition",
            10,
            &mut making(
                |out| laser_generator_train(target, options, null(), out),
                laser_generator_free,
            ),
        );
        laser_options_free(options);
        laser_source_free(target);
        inject(
            "a source of an array",
            1,
            &mut making(
                |out| laser_source_from_array(events.as_ptr(), null(), ROWS, 2, 3, out),
                laser_source_free,
            ),
        );
    }
}

#[test]
fn a_source_that_a_host_fills() {
    unsafe extern "C" fn fill(
        n: usize,
        dim: usize,
        x: *mut f64,
        _: *mut f64,
        got: *mut usize,
        user: *mut c_void,
    ) -> i32 {
        // SAFETY: sizes as stated; `user` counts events.
        unsafe {
            let count = user.cast::<u64>();
            for i in 0..n * dim {
                *count += 1;
                x.add(i)
                    .write((1.3 * *count as f64).sin() + 0.1 * (7.7 * *count as f64).cos());
            }
            *got = n;
        }
        0
    }
    let _alone = alone();
    let options = options(FEW);
    let mut count = 0_u64;
    let user = (&raw mut count).cast();
    // SAFETY: see memory.rs.
    unsafe {
        let mut call = || {
            // Of its own: what a source has held out stays held out.
            let target = made(|out| laser_source_from_callback(2, 0, Some(fill), user, out));
            let mut out = null_mut();
            let status = laser_generator_train(target, options, null(), &mut out);
            laser_generator_free(out);
            laser_source_free(target);
            status
        };
        inject("train on a callback's events", 10, &mut call);
        laser_options_free(options);
    }
}

#[test]
fn trainings_with_a_checkpoint() {
    let _alone = alone();
    let events = events();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let file = CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: see memory.rs.
    unsafe {
        let hooks = made(|out| laser_hooks_new(out));
        ok(laser_hooks_set_checkpoint(hooks, file.as_ptr(), 1e6, 1));
        let (options, target) = (
            options(&format!(r#""flow.ema": 0.9, {FEW}"#)),
            source(&events, 2),
        );
        let mut once = making(
            |out| laser_generator_train(target, options, hooks, out),
            laser_generator_free,
        );
        let mut anew = || {
            let _ = std::fs::remove_file(&path);
            once()
        };
        inject("train with a checkpoint", 20, &mut anew);
        // What is there is read, and all of it done.
        inject("go on from a checkpoint", 10, &mut once);
        drop(once);
        laser_options_free(options);
        laser_source_free(target);
        laser_hooks_free(hooks);
    }
}

#[test]
fn refinements() {
    let _alone = alone();
    let events = events();
    let trained = generator(&events, "");
    for (what, more) in [
        ("refine", r#""refiner.method": "rejection""#),
        (
            "refine by OmniFold",
            r#""refiner.method": "reweight", "pullback.method": "omnifold", "pullback.iterations": 1, "classifier.ensemble": 2, "validation.events": 0"#,
        ),
        (
            "refine twice",
            r#""refiner.method": "flow", "iteration.rounds": 2, "validation.events": 0"#,
        ),
    ] {
        let (options, target) = (options(more), source(&events, 2));
        // SAFETY: see memory.rs.
        unsafe {
            if what == "refine twice" {
                with_few(options);
            }
            inject(
                what,
                20,
                &mut making(
                    |out| laser_refine(trained, target, options, null(), out),
                    laser_model_free,
                ),
            );
            laser_options_free(options);
            laser_source_free(target);
        }
    }
    // SAFETY: see memory.rs.
    unsafe { laser_generator_free(trained) };
}

#[test]
fn reweighters() {
    let _alone = alone();
    let events = events();
    let weights: Vec<f64> = (0..ROWS)
        .map(|i| 1.0 - 1.5 * f64::from(i % 7 == 0))
        .collect();
    let all: Vec<f64> = events.iter().map(|x| 0.9 * x + 0.05).collect();
    for (what, columns, more) in [
        (
            "reweight",
            2,
            r#""support": "x0 > -9", "validation.events": 900"#,
        ),
        (
            "reweight by conditions",
            3,
            r#""conditions": 1, "classifier.ensemble": 2, "validation.events": 900"#,
        ),
    ] {
        let (options, to) = (options(more), source(&all, columns));
        // SAFETY: see memory.rs; the events outlive the sources.
        unsafe {
            let (x, w) = (events.as_ptr(), weights.as_ptr());
            let from = made(|out| laser_source_from_array(x, w, ROWS, 2, 3, out));
            let train = |out| laser_reweighter_train(from, to, options, null(), out);
            inject(what, 20, &mut making(train, laser_reweighter_free));
            let reweighter = made(train);
            let mut out = vec![0.0; 3 * ROWS];
            let [w, log_w, spread] = [0, 1, 2].map(|k| out.as_mut_ptr().add(k * ROWS));
            inject("weights", 4, &mut || {
                laser_reweighter_weights(reweighter, null(), ROWS, x, 3, w, log_w, spread)
            });
            laser_reweighter_free(reweighter);
            laser_source_free(from);
            laser_source_free(to);
            laser_options_free(options);
        }
    }
}

#[test]
fn unfoldings() {
    let _alone = alone();
    let events = events();
    let moved: Vec<f64> = events.iter().map(|x| 0.9 * x + 0.05).collect();
    let flags: Vec<i32> = (0..ROWS).map(|i| [3, 3, 1, 3, 2][i % 5]).collect();
    let options =
        options(r#""unfold.iterations": 1, "unfold.replica": 1, "validation.events": 900"#);
    let (simulated, data) = (source(&events, 2), source(&moved, 2));
    let mut w = vec![0.0; ROWS];
    // SAFETY: see memory.rs; the events outlive the sources.
    unsafe {
        let (flags, w) = (flags.as_ptr(), w.as_mut_ptr());
        let unfold = |out| {
            laser_unfold(
                simulated,
                simulated,
                data,
                flags,
                ROWS,
                options,
                null(),
                w,
                out,
            )
        };
        inject("unfold", 20, &mut making(unfold, laser_reweighter_free));
        laser_source_free(simulated);
        laser_source_free(data);
        laser_options_free(options);
    }
}

/// Refiners of every method, and their events.
#[test]
fn refiners_and_samplers() {
    let _alone = alone();
    let events = events();
    let model = model(&events, "rejection");
    for (method, more) in [
        ("none", ""),
        ("reweight", ""),
        ("rejection", ""),
        ("resampling", ""),
        ("langevin", ""),
        ("mala", r#", "hmc.start": "prior""#),
        ("hmc", r#", "hmc.pilot": 20, "hmc.mass": "diagonal""#),
        ("gan", ""),
        ("flow", ""),
        ("matching", ""),
        ("mixture", ""),
        ("surrogate", ""),
        ("distilled", ""),
    ] {
        let options = options(&format!(r#""refiner.method": "{method}"{more}"#));
        // SAFETY: see memory.rs.
        unsafe {
            if ["gan", "matching"].contains(&method) {
                with_few(options);
            }
            let refine = |out| laser_model_refine(model, null_mut(), options, null(), out);
            inject(
                &format!("refine again by {method}"),
                3,
                &mut making(refine, laser_model_free),
            );
            let refined = made(refine);
            sample(method, refined, !["gan", "matching"].contains(&method));
            laser_model_free(refined);
            laser_options_free(options);
        }
    }
    // SAFETY: see memory.rs.
    unsafe { laser_model_free(model) };
}

/// Events after a call that failed are those that would have come.
fn sample(method: &str, model: *mut laser_model, density: bool) {
    const N: usize = 2100;
    // SAFETY: see memory.rs.
    unsafe {
        let threads =
            made(|out| laser_options_from_json(c"{\"sampler.threads\": 3}".as_ptr(), out));
        let new = || made(|out| laser_sampler_new(model, 7, 0, threads, out));
        let (mut first, mut w) = (vec![0.0; 2 * N], vec![0.0; N]);
        let w = w.as_mut_ptr();
        let sampler = new();
        let none = null_mut();
        ok(laser_sampler_generate(
            sampler,
            N,
            0,
            first.as_mut_ptr(),
            w,
            none,
        ));
        laser_sampler_free(sampler);
        let mut log_p = vec![0.0; N];
        let mut x = vec![0.0; 2 * N];
        let mut call = || {
            let mut sampler = null_mut();
            let made = laser_sampler_new(model, 7, 0, threads, &mut sampler);
            if made != LASER_OK {
                return made;
            }
            let log_p = if density { log_p.as_mut_ptr() } else { none };
            let status = laser_sampler_generate(sampler, N, 0, x.as_mut_ptr(), w, log_p);
            if status != LASER_OK {
                // The position is as before, the handle free.
                let mut event = 9;
                ok(laser_sampler_tell(sampler, &mut event));
                assert_eq!(event, 0);
            }
            laser_sampler_free(sampler);
            status
        };
        inject(&format!("sample by {method}"), 1, &mut call);
        // The same sampler goes on after every failure.
        let (_, count) = under(None, &mut call);
        for n in 1..=count {
            let sampler = new();
            let (x, log_p) = (
                vec![0.0; 2 * N].leak(),
                if density { log_p.as_mut_ptr() } else { none },
            );
            let failing = || laser_sampler_generate(sampler, N, 0, x.as_mut_ptr(), w, log_p);
            let (status, _) = under(Some(Shortage::Once(n)), failing);
            assert!(
                [LASER_OK, LASER_ERR_MEMORY].contains(&status),
                "{}",
                name(status)
            );
            if status == LASER_ERR_MEMORY {
                ok(laser_sampler_generate(
                    sampler,
                    N,
                    0,
                    x.as_mut_ptr(),
                    w,
                    log_p,
                ));
            }
            assert_eq!(x, &first[..], "{method}, after failure {n}");
            drop(Box::from_raw(x));
            laser_sampler_free(sampler);
        }
        laser_options_free(threads);
    }
}

#[test]
fn files() {
    let _alone = alone();
    let events = events();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.laser");
    let path = CString::new(path.to_str().unwrap()).unwrap();
    let model = model(&events, "flow");
    // SAFETY: see memory.rs.
    unsafe {
        inject("save", 1, &mut || laser_model_save(model, path.as_ptr()));
        inject(
            "load",
            3,
            &mut making(
                |out| laser_model_load(path.as_ptr(), null(), out),
                laser_model_free,
            ),
        );
        inject(
            "load a generator",
            3,
            &mut making(
                |out| laser_generator_load(path.as_ptr(), null(), out),
                laser_generator_free,
            ),
        );
        laser_model_free(model);
    }
}

#[test]
fn functions_of_models() {
    let _alone = alone();
    let events = events();
    let model = model(&events, "rejection");
    let (x, mut out) = (events.as_ptr(), vec![0.0; 2 * ROWS]);
    let out = out.as_mut_ptr();
    // SAFETY: see memory.rs.
    unsafe {
        let o = null();
        inject("log_weight", 2, &mut || {
            laser_model_log_weight(model, o, ROWS, x, 3, out)
        });
        inject("log_prob", 2, &mut || {
            laser_model_log_prob(model, o, ROWS, x, 3, out)
        });
        inject("latent", 2, &mut || {
            laser_model_latent(model, o, ROWS, x, 3, out, 2)
        });
        inject("generate", 2, &mut || {
            laser_model_generate(model, o, ROWS, x, 3, out, 2)
        });
        laser_model_free(model);
    }
}

#[test]
fn generators_of_a_host() {
    unsafe extern "C" fn generate(
        n: usize,
        z: *const f64,
        zdim: usize,
        _: *const f64,
        _: usize,
        x: *mut f64,
        xdim: usize,
        _: *mut c_void,
    ) -> i32 {
        for i in 0..n {
            // SAFETY: sizes as stated.
            unsafe {
                let (z, x) = (z.add(i * zdim), x.add(i * xdim));
                x.write((*z).sin());
                x.add(1).write(0.5 + 0.4 * (*z.add(1)).tanh());
            }
        }
        0
    }
    let _alone = alone();
    let events = events();
    let (options, target) = (
        options(r#""refiner.method": "rejection""#),
        source(&events, 2),
    );
    // SAFETY: see memory.rs.
    unsafe {
        let none: *mut c_void = null_mut();
        for stochastic in [0, 1] {
            let host = made(|out| {
                laser_generator_from_callback(
                    2,
                    0,
                    2,
                    stochastic,
                    Some(generate),
                    none,
                    options,
                    out,
                )
            });
            inject(
                "refine a host's generator",
                20,
                &mut making(
                    |out| laser_refine(host, target, options, null(), out),
                    laser_model_free,
                ),
            );
            let model = made(|out| laser_refine(host, target, options, null(), out));
            sample("rejection", model, false);
            laser_model_free(model);
            laser_generator_free(host);
        }
        laser_options_free(options);
        laser_source_free(target);
    }
}

#[test]
fn scores() {
    let _alone = alone();
    let events = events();
    let p = source(&events, 2);
    let half = ROWS / 2;
    let options = options(r#""classifier.batch": 1100"#);
    let mut value = [0.0; 8];
    let v: [*mut f64; 8] = std::array::from_fn(|i| &raw mut value[i]);
    let mut r_hat = [0.0; 3];
    let r_hat = r_hat.as_mut_ptr();
    // SAFETY: see memory.rs.
    unsafe {
        let rest = events[3 * half..].as_ptr();
        let q = made(|out| laser_source_from_array(rest, null(), half, 2, 3, out));
        inject("emd_1d", 4, &mut || {
            laser_emd_1d(p, q, 0, 4200, 1, v[0], v[1], v[2], v[3])
        });
        inject("sliced_emd", 4, &mut || {
            laser_sliced_emd(p, q, 2, 2, 1, v[0], v[1], v[2], v[3])
        });
        inject("kolmogorov_smirnov", 2, &mut || {
            laser_kolmogorov_smirnov(p, q, 0, v[0], v[1])
        });
        inject("two_sample_auc", 20, &mut || {
            laser_two_sample_auc(p, q, options, null(), v[0], v[1])
        });
        let labels: Vec<i32> = (0..ROWS as i32).map(|i| i % 2).collect();
        let labels = labels.as_ptr();
        inject("auc", 2, &mut || {
            laser_auc(ROWS, events.as_ptr(), labels, null(), v[0], v[1])
        });
        let (x, draws) = (events.as_ptr(), ROWS / 2);
        inject("chain_diagnostics", 6, &mut || {
            laser_chain_diagnostics(draws, 2, 3, x, r_hat, null_mut())
        });
        let new = |out| laser_histogram_new(70, -1.2, 1.2, 70, 0.0, 1.0, out);
        inject("histogram_new", 1, &mut making(new, laser_histogram_free));
        let (p, q) = (made(new), made(new));
        ok(laser_histogram_fill(p, half, events.as_ptr(), 3, null()));
        ok(laser_histogram_fill(q, half, rest, 3, null()));
        let mut contents = vec![0.0; 4900];
        inject("histogram_contents", 1, &mut || {
            laser_histogram_contents(p, contents.as_mut_ptr(), 4900)
        });
        inject("jsd", 2, &mut || laser_jsd(p, q, v[0], v[1]));
        inject("emd", 10, &mut || laser_emd(p, q, v[0], v[1]));
        let new = |out| laser_histogram_new(20, -1.2, 1.2, 20, 0.0, 1.0, out);
        let (small, other) = (made(new), made(new));
        ok(laser_histogram_fill(
            small,
            half,
            events.as_ptr(),
            3,
            null(),
        ));
        ok(laser_histogram_fill(other, half, rest, 3, null()));
        inject("jsd_floor", 2, &mut || {
            laser_jsd_floor(small, other, 4200, 1, v[0], v[1], v[2], v[3])
        });
        inject("emd_floor", 12, &mut || {
            laser_emd_floor(p, q, 2, 1, v[0], v[1], v[2], v[3])
        });
    }
}

/// A long text is refused for want of memory before it is read.
#[test]
fn texts() {
    let _alone = alone();
    let json = format!("{{\"seed\": 1{}}}", " ".repeat(1 << 17));
    let json = CString::new(json).unwrap();
    // SAFETY: see memory.rs.
    unsafe {
        inject(
            "options from JSON",
            1,
            &mut making(
                |out| laser_options_from_json(json.as_ptr(), out),
                laser_options_free,
            ),
        );
    }
}
