//! Callbacks that fail at every call that there is: the status is that of the callback, the handles stay usable, and what comes after is
//! what would have come.

use crate::{made, message, ok, refused};
use laser::capi::boundary::laser_last_callback_code;
use laser::capi::generator::*;
use laser::capi::hooks::*;
use laser::capi::host::*;
use laser::capi::model::*;
use laser::capi::options::*;
use laser::capi::sampler::*;
use laser::capi::source::*;
use laser::capi::status::*;
use std::ffi::{c_char, c_void};
use std::ptr::{null, null_mut};

/// Callbacks of the same kind: how many calls there were, and which one fails.
#[derive(Default)]
struct Calls {
    made: u32,
    failing: Option<u32>,
    /// Of the numbers that are delivered.
    state: u64,
}

const CODE: i32 = -40;

impl Calls {
    /// Counts a call; what it returns.
    fn next(&mut self) -> i32 {
        self.made += 1;
        match Some(self.made - 1) == self.failing {
            true => CODE,
            false => 0,
        }
    }

    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005);
        self.state = self.state.wrapping_add(1_442_695_040_888_963_407);
        ((self.state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }
}

/// What the tests hand to all callbacks.
#[derive(Default)]
struct Host {
    events: Calls,
    generate: Calls,
    progress: Calls,
    log: Calls,
    noise: Calls,
}

impl Host {
    fn calls(&mut self) -> [(&'static str, &mut Calls); 5] {
        [
            ("events", &mut self.events),
            ("generate", &mut self.generate),
            ("progress", &mut self.progress),
            ("log", &mut self.log),
            ("noise", &mut self.noise),
        ]
    }
}

/// The host behind `user`.
///
/// # Safety
/// `user` is a `Host` that nothing else refers to meanwhile.
unsafe fn host<'a>(user: *mut c_void) -> &'a mut Host {
    // SAFETY: the caller's promise.
    unsafe { &mut *user.cast() }
}

unsafe extern "C" fn events(
    n: usize,
    dim: usize,
    x: *mut f64,
    _: *mut f64,
    got: *mut usize,
    user: *mut c_void,
) -> i32 {
    // SAFETY: the arrays are those of the contract; see `host`.
    unsafe {
        let calls = &mut host(user).events;
        for i in 0..n * dim {
            // The sum of three: near enough to normal.
            let sum = calls.uniform() + calls.uniform() + calls.uniform();
            x.add(i).write(2.0 * sum - 3.0);
        }
        got.write(n);
        calls.next()
    }
}

unsafe extern "C" fn generate(
    n: usize,
    z: *const f64,
    dim: usize,
    _: *const f64,
    _: usize,
    x: *mut f64,
    _: usize,
    user: *mut c_void,
) -> i32 {
    // SAFETY: as in `events`.
    unsafe {
        (0..n * dim).for_each(|i| x.add(i).write(0.8 * *z.add(i) + 0.1));
        host(user).generate.next()
    }
}

unsafe extern "C" fn progress(_: *const laser_progress, user: *mut c_void) -> i32 {
    // SAFETY: as in `events`.
    unsafe { host(user) }.progress.next()
}

unsafe extern "C" fn log(_: i32, _: *const c_char, user: *mut c_void) -> i32 {
    // SAFETY: as in `events`.
    unsafe { host(user) }.log.next()
}

unsafe extern "C" fn noise(n: usize, u: *mut f64, user: *mut c_void) -> i32 {
    // SAFETY: as in `events`.
    unsafe {
        let calls = &mut host(user).noise;
        (0..n).for_each(|i| u.add(i).write(calls.uniform()));
        calls.next()
    }
}

/// Does `work` once for the number of its calls, and then with every call of every callback failing in turn; after each failure it must go
/// well again. `work` returns a status, and what its callbacks were called is in the message of a failure.
fn fail_everywhere(user: *mut Host, expected: &[&str], mut work: impl FnMut() -> i32) -> u32 {
    let mut failures = 0;
    ok(work());
    // SAFETY: the callbacks use the host during `work` alone.
    let counts = unsafe { &mut *user }.calls().map(|(_, calls)| calls.made);
    for (kind, count) in counts.into_iter().enumerate() {
        // SAFETY: as above.
        let name = unsafe { &mut *user }.calls()[kind].0;
        assert_eq!(count > 0, expected.contains(&name), "{name}: {count}");
        for at in 0..count {
            let fail = move |at: Option<u32>| {
                // SAFETY: as above.
                let host: &mut Host = unsafe { &mut *user };
                for (k, (_, calls)) in host.calls().into_iter().enumerate() {
                    calls.made = 0;
                    calls.state = 0;
                    calls.failing = at.filter(|_| k == kind);
                }
            };
            fail(Some(at));
            refused(work(), LASER_ERR_CALLBACK, "-40");
            assert!(message().contains(&format!("the {name} callback returned")));
            assert_eq!(laser_last_callback_code(), CODE);
            // SAFETY: as above. Nobody is asked again after a failure.
            assert_eq!(unsafe { &mut *user }.calls()[kind].1.made, at + 1, "{name}");
            fail(None);
            failures += 1;
            if at == 0 || at + 1 == count {
                ok(work());
            }
        }
    }
    failures
}

/// Does `work` with a new source and, if a callback has failed in it, again with the same handles, which must go well.
fn twice(user: *mut Host, work: impl Fn(*mut laser_source) -> i32) -> i32 {
    let source = source(user);
    let status = work(source);
    if status != LASER_OK {
        let (said, code) = (message(), laser_last_callback_code());
        // SAFETY: the callbacks use the host during `work` alone.
        let made = || unsafe { &mut *user }.calls().map(|(_, calls)| calls.made);
        let before = made();
        ok(work(source));
        // The failure is still the last.
        assert_eq!((message(), laser_last_callback_code()), (said, code));
        // SAFETY: as above.
        let calls = unsafe { &mut *user }.calls();
        calls
            .into_iter()
            .zip(before)
            .for_each(|((_, c), n)| c.made = n);
    }
    // SAFETY: see main.rs.
    unsafe { laser_source_free(source) };
    status
}

fn quick(more: &str) -> *mut laser_options {
    let json = format!(
        "{{\"validation.events\": 200, \"weights.events\": 1000,
        \"flow\": {{\"blocks\": 2, \"layers\": 1, \"units\": 4, \"epochs\": 1, \"steps\": 3, \"batch\": 100}},
        \"classifier\": {{\"layers\": 1, \"units\": 4, \"epochs\": 1, \"steps\": 3, \"batch\": 100}},
        \"matching\": {{\"layers\": 1, \"units\": 4, \"epochs\": 1, \"steps\": 3, \"batch\": 100, \"pool\": 1000}},
        \"pullback\": {{\"iterations\": 1, \"events\": 1000, \"epochs\": 1}},
        \"hmc\": {{\"chains\": 8, \"step_size\": 0.1, \"leapfrog\": 2, \"burn_in\": 3}}{more}}}"
    );
    let json = std::ffi::CString::new(json).unwrap();
    // SAFETY: see main.rs.
    unsafe { made(|out| laser_options_from_json(json.as_ptr(), out)) }
}

fn hooks(user: *mut Host) -> *mut laser_hooks {
    // SAFETY: see main.rs.
    unsafe {
        let hooks = made(|out| laser_hooks_new(out));
        ok(laser_hooks_set_progress(hooks, Some(progress), user.cast()));
        ok(laser_hooks_set_log(hooks, Some(log), user.cast()));
        hooks
    }
}

fn source(user: *mut Host) -> *mut laser_source {
    // SAFETY: see main.rs.
    unsafe { made(|out| laser_source_from_callback(2, 0, Some(events), user.cast(), out)) }
}

#[test]
fn trainings_survive_every_callback() {
    let mut host = Host::default();
    let user = &raw mut host;
    // SAFETY: see main.rs.
    unsafe {
        let options = quick(", \"refiner.method\": \"matching\"");
        let hooks = hooks(user);
        let failures = fail_everywhere(user, &["events", "progress", "log"], || {
            twice(user, |source| {
                let (mut generator, mut model) = (null_mut(), null_mut());
                let status = laser_generator_train(source, options, hooks, &mut generator);
                assert_eq!(status == LASER_OK, !generator.is_null());
                if status != LASER_OK {
                    return status;
                }
                let status = laser_refine(generator, source, options, hooks, &mut model);
                assert_eq!(status == LASER_OK, !model.is_null());
                laser_generator_free(generator);
                laser_model_free(model);
                status
            })
        });
        assert!(failures > 20, "{failures}");
        laser_hooks_free(hooks);
        laser_options_free(options);
    }
}

/// A black box refined by OmniFold, and samplers of it.
#[test]
fn black_boxes_and_their_samplers_survive_every_callback() {
    let mut host = Host::default();
    let user = &raw mut host;
    // SAFETY: see main.rs.
    unsafe {
        let options =
            quick(", \"pullback.method\": \"omnifold\", \"refiner.method\": \"rejection\"");
        let hooks = hooks(user);
        let generator = made(|out| {
            laser_generator_from_callback(2, 0, 2, 0, Some(generate), user.cast(), null(), out)
        });
        let called = ["events", "generate", "progress", "log"];
        let failures = fail_everywhere(user, &called, || {
            twice(user, |source| {
                let mut model = null_mut();
                let status = laser_refine(generator, source, options, hooks, &mut model);
                laser_model_free(model);
                status
            })
        });
        assert!(failures > 20, "{failures}");
        let source = source(user);
        let model = made(|out| laser_refine(generator, source, options, null(), out));
        for method in [c"baseline", c"rejection", c"resampling", c"mala", c"hmc"] {
            ok(laser_options_set_str(
                options,
                c"sampler.method".as_ptr(),
                method.as_ptr(),
            ));
            let sampler = made(|out| laser_sampler_new(model, 1, 2, options, out));
            ok(laser_sampler_set_hooks(sampler, hooks));
            let no = null_mut();
            let draw = |x: &mut [f64]| {
                laser_sampler_generate(sampler, x.len() / 2, 0, x.as_mut_ptr(), no, no)
            };
            let mut undisturbed = [0.0; 80];
            ok(draw(&mut undisturbed));
            *user = Host::default();
            fail_everywhere(user, &["generate", "progress"], || {
                let mut x = [0.0; 80];
                // Which drops what was made ahead.
                ok(laser_sampler_set_noise_callback(sampler, None, null_mut()));
                ok(laser_sampler_seek(sampler, 0));
                let status = draw(&mut x);
                assert!(status != LASER_OK || x == undisturbed, "{method:?}");
                let mut event = 7;
                ok(laser_sampler_tell(sampler, &mut event));
                assert_eq!(event, if status == LASER_OK { 40 } else { 0 });
                status
            });
            *user = Host::default();
            fail_everywhere(user, &["generate", "progress", "noise"], || {
                // Chains begin anew.
                ok(laser_sampler_set_noise_callback(
                    sampler,
                    Some(noise),
                    user.cast(),
                ));
                draw(&mut [0.0; 20])
            });
            laser_sampler_free(sampler);
        }
        laser_model_free(model);
        laser_generator_free(generator);
        laser_source_free(source);
        laser_hooks_free(hooks);
        laser_options_free(options);
    }
}
