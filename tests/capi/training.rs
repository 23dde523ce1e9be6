//! Callbacks, cancelling and re-entry, in trainings of a second.

use crate::threads::Shared;
use crate::{made, message, ok, refused};
use laser::capi::boundary::laser_last_callback_code;
use laser::capi::evaluate::*;
use laser::capi::generator::*;
use laser::capi::hooks::*;
use laser::capi::model::*;
use laser::capi::options::*;
use laser::capi::source::*;
use laser::capi::status::*;
use std::ffi::{c_char, c_void, CStr};
use std::ptr::{null, null_mut};

/// Options for a training of few steps.
fn quick() -> *mut laser_options {
    let json = c"{
        \"validation.events\": 200,
        \"flow\": {\"blocks\": 2, \"layers\": 1, \"units\": 8, \"epochs\": 2, \"steps\": 5, \"batch\": 100},
        \"classifier\": {\"layers\": 1, \"units\": 8, \"epochs\": 2, \"steps\": 5, \"batch\": 100},
        \"weights.events\": 1000, \"refiner.method\": \"reweight\"
    }";
    // SAFETY: see main.rs.
    unsafe { made(|out| laser_options_from_json(json.as_ptr(), out)) }
}

/// A host: what its callbacks do and what they saw.
struct Host {
    source: *mut laser_source,
    generator: *mut laser_generator,
    cancel: *mut laser_cancel,
    options: *mut laser_options,
    hooks: *mut laser_hooks,
    /// Events delivered.
    events: u64,
    /// Calls of the progress callback.
    steps: u64,
    /// What to do at event callback number, and which number it is now.
    act: fn(&mut Host, &mut Request) -> i32,
    calls: u64,
    stages: Vec<String>,
    messages: Vec<(i32, String)>,
    thread: std::thread::ThreadId,
    wrong: Vec<&'static str>,
}

/// What the events callback was asked.
struct Request {
    n: usize,
    x: *mut f64,
    w: *mut f64,
    got: *mut usize,
}

impl Host {
    fn new(act: fn(&mut Host, &mut Request) -> i32) -> Box<Host> {
        Box::new(Host {
            source: null_mut(),
            generator: null_mut(),
            cancel: null_mut(),
            options: null_mut(),
            hooks: null_mut(),
            events: 0,
            steps: 0,
            act,
            calls: 0,
            stages: Vec::new(),
            messages: Vec::new(),
            thread: std::thread::current().id(),
            wrong: Vec::new(),
        })
    }

    fn user(&mut self) -> *mut c_void {
        (self as *mut Host).cast()
    }

    fn source(&mut self, weighted: i32) -> *mut laser_source {
        // SAFETY: see main.rs.
        self.source = unsafe {
            made(|out| laser_source_from_callback(2, weighted, Some(events), self.user(), out))
        };
        self.source
    }
}

/// Delivers all events wanted.
fn deliver(host: &mut Host, request: &mut Request) -> i32 {
    // SAFETY: sizes as the callback was told.
    unsafe {
        for i in 0..request.n {
            let t = host.events as f64;
            request
                .x
                .add(2 * i)
                .write((1.3 * t).sin() + 0.1 * (7.7 * t).cos());
            request.x.add(2 * i + 1).write((2.9 * t).cos());
            if !request.w.is_null() {
                request.w.add(i).write(1.0 + (0.1 * t).sin().abs());
            }
            host.events += 1;
        }
        request.got.write(request.n);
    }
    0
}

unsafe extern "C" fn events(
    n: usize,
    dim: usize,
    x: *mut f64,
    w: *mut f64,
    got: *mut usize,
    user: *mut c_void,
) -> i32 {
    // SAFETY: `user` is the host of the test, and nobody else uses it meanwhile.
    let host = unsafe { &mut *user.cast::<Host>() };
    host.calls += 1;
    // SAFETY: see main.rs.
    if n == 0 || dim != 2 || unsafe { *got } != 0 {
        host.wrong.push("arguments of the events callback");
    }
    if host.thread != std::thread::current().id() {
        host.wrong.push("thread of the events callback");
    }
    (host.act)(host, &mut Request { n, x, w, got })
}

unsafe extern "C" fn progress(p: *const laser_progress, user: *mut c_void) -> i32 {
    // SAFETY: as in `events`.
    let host = unsafe { &mut *user.cast::<Host>() };
    // SAFETY: see main.rs.
    unsafe {
        let stage = CStr::from_ptr(laser_progress_stage(p))
            .to_str()
            .unwrap_or("")
            .to_owned();
        let (epoch, epochs) = (laser_progress_epoch(p), laser_progress_epochs(p));
        let (step, steps) = (laser_progress_step(p), laser_progress_steps(p));
        if epoch == 0 || epoch > epochs || step == 0 || step > steps {
            host.wrong.push("epoch or step of the progress callback");
        }
        if stage == "flow" && !laser_progress_loss(p).is_finite() {
            host.wrong.push("loss of the progress callback");
        }
        if laser_progress_seconds_left(p) < 0.0 || laser_progress_validation_loss(p).is_infinite() {
            host.wrong
                .push("time or held-out loss of the progress callback");
        }
        if host.stages.last() != Some(&stage) {
            host.stages.push(stage);
        }
    }
    host.steps += 1;
    0
}

unsafe extern "C" fn stop_at_third(_: *const laser_progress, user: *mut c_void) -> i32 {
    // SAFETY: as in `events`.
    let host = unsafe { &mut *user.cast::<Host>() };
    host.steps += 1;
    if host.steps == 3 {
        1234
    } else {
        0
    }
}

unsafe extern "C" fn trip_at_third(_: *const laser_progress, user: *mut c_void) -> i32 {
    // SAFETY: as in `events`.
    let host = unsafe { &mut *user.cast::<Host>() };
    host.steps += 1;
    if host.steps == 3 {
        let cancel = Shared::new(host.cancel);
        // SAFETY: see main.rs.
        let trip = std::thread::spawn(move || unsafe { laser_cancel_trip(cancel.get()) });
        if trip.join().is_err() {
            return -1;
        }
    }
    0
}

unsafe extern "C" fn log(level: i32, message: *const c_char, user: *mut c_void) -> i32 {
    // SAFETY: as in `events`.
    let host = unsafe { &mut *user.cast::<Host>() };
    // SAFETY: see main.rs.
    let message = unsafe { CStr::from_ptr(message) }
        .to_string_lossy()
        .into_owned();
    host.messages.push((level, message));
    0
}

unsafe extern "C" fn refuse_message(_: i32, _: *const c_char, _: *mut c_void) -> i32 {
    -5
}

/// Trains and frees what comes of it.
fn train(source: *mut laser_source, hooks: *const laser_hooks) -> i32 {
    let options = quick();
    let mut generator = null_mut();
    // SAFETY: see main.rs.
    unsafe {
        let status = laser_generator_train(source, options, hooks, &mut generator);
        assert_eq!(status == LASER_OK, !generator.is_null());
        laser_generator_free(generator);
        laser_options_free(options);
        status
    }
}

#[test]
fn a_host_follows_training_and_refining() {
    let mut host = Host::new(deliver);
    // SAFETY: see main.rs.
    unsafe {
        let (source, options) = (host.source(1), quick());
        let hooks = made(|out| laser_hooks_new(out));
        ok(laser_hooks_set_progress(hooks, Some(progress), host.user()));
        ok(laser_hooks_set_log(hooks, Some(log), host.user()));
        let generator = made(|out| laser_generator_train(source, options, hooks, out));
        let model = made(|out| laser_refine(generator, source, options, hooks, out));
        let (mut fraction, mut log_w) = (0.0, [7.0; 2]);
        ok(laser_model_get_f64(
            model,
            c"weights.effective_fraction".as_ptr(),
            &mut fraction,
        ));
        assert!(fraction > 0.0 && fraction <= 1.0, "{fraction}");
        ok(laser_model_log_weight(
            model,
            null(),
            2,
            [0.1, 0.2, 0.3, 0.4].as_ptr(),
            0,
            log_w.as_mut_ptr(),
        ));
        assert!(log_w.iter().all(|l| l.is_finite() && *l != 7.0));
        laser_model_free(model);
        laser_generator_free(generator);
        laser_hooks_free(hooks);
        laser_options_free(options);
        laser_source_free(source);
    }
    assert_eq!(host.wrong, [""; 0]);
    assert_eq!(host.stages, ["flow", "classifier", "pilot"]);
    assert!(host.steps >= 20 && host.events > 1000);
    assert!(host
        .messages
        .iter()
        .any(|(level, m)| *level == LASER_LOG_INFO && m.contains("weights")));
}

#[test]
fn weights_are_asked_of_weighted_sources_only() {
    fn without(host: &mut Host, request: &mut Request) -> i32 {
        if !request.w.is_null() {
            return 1;
        }
        deliver(host, request)
    }
    fn with(host: &mut Host, request: &mut Request) -> i32 {
        if request.w.is_null() {
            return 1;
        }
        deliver(host, request)
    }
    for (weighted, act) in [
        (0, without as fn(&mut Host, &mut Request) -> i32),
        (1, with),
    ] {
        let mut host = Host::new(act);
        let source = host.source(weighted);
        ok(train(source, null()));
        // SAFETY: see main.rs.
        unsafe { laser_source_free(source) };
    }
}

#[test]
fn what_a_callback_returns_comes_back() {
    fn third_call_fails(host: &mut Host, request: &mut Request) -> i32 {
        if host.calls == 3 {
            return -77;
        }
        deliver(host, request)
    }
    let mut host = Host::new(third_call_fails);
    let source = host.source(0);
    refused(
        train(source, null()),
        LASER_ERR_CALLBACK,
        "events callback returned -77",
    );
    assert_eq!((laser_last_callback_code(), host.calls), (-77, 3));
    // The source is as good as before.
    ok(train(source, null()));
    // SAFETY: see main.rs.
    unsafe {
        let hooks = made(|out| laser_hooks_new(out));
        ok(laser_hooks_set_progress(
            hooks,
            Some(stop_at_third),
            host.user(),
        ));
        refused(
            train(source, hooks),
            LASER_ERR_CALLBACK,
            "progress callback returned 1234",
        );
        assert_eq!((laser_last_callback_code(), host.steps), (1234, 3));
        ok(laser_hooks_set_progress(hooks, None, null_mut()));
        ok(laser_hooks_set_log(hooks, Some(refuse_message), null_mut()));
        let options = quick();
        let generator = made(|out| laser_generator_train(source, options, null(), out));
        let mut model = null_mut();
        let status = laser_refine(generator, source, options, hooks, &mut model);
        refused(status, LASER_ERR_CALLBACK, "log callback returned -5");
        assert!(model.is_null());
        laser_options_free(options);
        laser_generator_free(generator);
        laser_hooks_free(hooks);
        laser_source_free(source);
    }
}

#[test]
fn unusable_events_are_named() {
    fn too_many(_: &mut Host, request: &mut Request) -> i32 {
        // SAFETY: see main.rs.
        unsafe { request.got.write(request.n + 1) };
        0
    }
    fn nothing(_: &mut Host, _: &mut Request) -> i32 {
        0
    }
    fn nan(host: &mut Host, request: &mut Request) -> i32 {
        deliver(host, request);
        // SAFETY: see main.rs.
        unsafe { request.x.add(2 * 4 + 1).write(f64::NAN) };
        0
    }
    fn infinite_weight(host: &mut Host, request: &mut Request) -> i32 {
        deliver(host, request);
        // SAFETY: see main.rs.
        unsafe { request.w.add(6).write(f64::INFINITY) };
        0
    }
    fn no_weights(host: &mut Host, request: &mut Request) -> i32 {
        let mut without = Request {
            w: null_mut(),
            ..*request
        };
        deliver(host, &mut without)
    }
    fn few_rows(host: &mut Host, request: &mut Request) -> i32 {
        let mut few = Request { n: 150, ..*request };
        deliver(host, &mut few);
        // SAFETY: see main.rs.
        unsafe { request.got.write(request.n) };
        0
    }
    type Deliver = fn(&mut Host, &mut Request) -> i32;
    let cases: [(Deliver, &str); 6] = [
        (too_many, "201"),
        (nothing, "0 events"),
        (nan, "column 1 of row 4"),
        (infinite_weight, "row 6"),
        // What is not written must not pass for an event at 0, nor for a weight of 1.
        (no_weights, "the weight of row 0 is NaN"),
        (few_rows, "column 0 of row 150 is NaN"),
    ];
    for (act, words) in cases {
        let mut host = Host::new(act);
        let source = host.source(1);
        refused(train(source, null()), LASER_ERR_DATA, words);
        host.act = deliver;
        ok(train(source, null()));
        // SAFETY: see main.rs.
        unsafe { laser_source_free(source) };
    }
}

#[test]
fn a_source_in_use_is_busy() {
    fn again(host: &mut Host, request: &mut Request) -> i32 {
        if train(host.source, null()) != LASER_ERR_BUSY
            || !message().contains("source handle is in use")
        {
            host.wrong.push("re-entry was not refused");
        }
        let source = Shared::new(host.source);
        let elsewhere = std::thread::spawn(move || train(source.get(), null()));
        if !matches!(elsewhere.join(), Ok(LASER_ERR_BUSY)) {
            host.wrong.push("another thread was not refused");
        }
        deliver(host, request)
    }
    let mut host = Host::new(again);
    let source = host.source(0);
    ok(train(source, null()));
    assert_eq!(host.wrong, [""; 0]);
    assert!(host.calls > 0);
    // SAFETY: see main.rs.
    unsafe { laser_source_free(source) };
}

unsafe extern "C" fn free_all(_: *const laser_progress, user: *mut c_void) -> i32 {
    // SAFETY: as in `events`; the host uses none of these again.
    unsafe {
        let host = &mut *user.cast::<Host>();
        laser_source_free(std::mem::replace(&mut host.source, null_mut()));
        laser_generator_free(std::mem::replace(&mut host.generator, null_mut()));
        laser_options_free(std::mem::replace(&mut host.options, null_mut()));
        laser_hooks_free(std::mem::replace(&mut host.hooks, null_mut()));
    }
    0
}

#[test]
fn what_a_callback_frees_lives_until_the_call_ends() {
    let mut host = Host::new(deliver);
    // SAFETY: see main.rs.
    unsafe {
        let (source, options, hooks) = (host.source(0), quick(), made(|out| laser_hooks_new(out)));
        let generator = made(|out| laser_generator_train(source, options, null(), out));
        (host.generator, host.options, host.hooks) = (generator, options, hooks);
        ok(laser_hooks_set_progress(hooks, Some(free_all), host.user()));
        laser_model_free(made(|out| {
            laser_refine(generator, source, options, hooks, out)
        }));
    }
    assert!(host.source.is_null(), "the callback was not called");
}

#[test]
fn a_token_stops_every_call_that_holds_it() {
    let mut host = Host::new(deliver);
    // SAFETY: see main.rs.
    unsafe {
        let source = host.source(0);
        host.cancel = made(|out| laser_cancel_new(out));
        let hooks = made(|out| laser_hooks_new(out));
        ok(laser_hooks_set_cancel(hooks, host.cancel));
        ok(laser_hooks_set_progress(
            hooks,
            Some(trip_at_third),
            host.user(),
        ));
        refused(train(source, hooks), LASER_ERR_CANCELLED, "during flow");
        assert_eq!(host.steps, 3, "went on after the trip");
        refused(train(source, hooks), LASER_ERR_CANCELLED, "");
        assert_eq!(host.steps, 3, "began though tripped");
        ok(laser_cancel_reset(host.cancel));
        laser_cancel_free(host.cancel);
        ok(train(source, hooks));
        laser_hooks_free(hooks);
        laser_source_free(source);
    }
}

#[test]
fn options_are_copied_when_a_call_begins() {
    fn change(host: &mut Host, request: &mut Request) -> i32 {
        // SAFETY: see main.rs.
        if unsafe { laser_options_set_i64(host.options, c"flow.batch".as_ptr(), 2) } != LASER_OK {
            host.wrong.push("options could not be changed");
        }
        deliver(host, request)
    }
    let mut host = Host::new(change);
    // SAFETY: see main.rs.
    unsafe {
        let source = host.source(0);
        host.options = quick();
        laser_generator_free(made(|out| {
            laser_generator_train(source, host.options, null(), out)
        }));
        laser_source_free(source);
        laser_options_free(host.options);
    }
    assert_eq!(host.wrong, [""; 0]);
}
